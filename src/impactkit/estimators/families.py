"""What :class:`Multiplicity` works out: which hypotheses belong together, and their p values by every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from impactkit.analysis import weakest_evidence
from impactkit.errors import RefusalError, SpecError
from impactkit.estimators.multiplicity import OTHERWISE, STEP_DOWN, Multiplicity
from impactkit.inference.multiplicity import (
    benjamini_hochberg,
    equivalent_normal,
    holm,
    joint_normal,
    own_shares,
    step_down_max,
    two_sided_normal,
)
from impactkit.results import Adjusted, Estimates, Note, RowKey, measure
from impactkit.results.joint import correlation, covariance, rows_without_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["adjust_families"]

_WORDS: dict[str, str] = {
    "romano_wolf": "Romano-Wolf step-down",
    "westfall_young": "Westfall-Young step-down",
    "holm": "Holm",
    "benjamini_hochberg": "Benjamini-Hochberg",
}


def adjust_families(spec: Multiplicity, study: StudyData | None, joined: Estimates) -> Estimates:
    """Adjust every family of a :class:`Multiplicity`, by population or across them."""
    families = spec.families(None if study is None else study.design)
    groups = [group for name, outcomes in families.items() for group in _groups(spec, joined, name, outcomes)]
    return Estimates.concat([_adjust(spec, study, joined, group) for group in groups])


@dataclass(frozen=True, slots=True)
class _Group:
    """Hypotheses that are adjusted together.

    Parameters
    ----------
    family : str
    population : str
        The one, or all of them joined by "&".
    positions : tuple of int
        Rows of the joined estimates, in their order.
    """

    family: str
    population: str
    positions: tuple[int, ...]


def _groups(spec: Multiplicity, joined: Estimates, family: str, outcomes: Sequence[str]) -> list[_Group]:
    first: dict[tuple[str, ...], int] = {}
    for position, key in enumerate(joined.keys):
        if key.outcome in outcomes and measure(key.measure).is_effect:
            first.setdefault(key[:4], position)
    positions = list(first.values())
    found = {joined.keys[position].outcome for position in positions}
    missing = [name for name in outcomes if name not in found]
    if missing:
        raise SpecError(
            f'family "{family}" has the outcome{"s" if len(missing) > 1 else ""} {", ".join(missing)}, for which '
            f"{' and '.join(spec.of)} give no effect: add an analysis of it to `of`, or declare a smaller family"
        )
    populations = tuple(dict.fromkeys(joined.keys[position].population for position in positions))
    if spec.across == "outcomes_and_populations":
        return [_Group(family, " & ".join(populations), tuple(positions))]
    return [
        _Group(family, name, tuple(p for p in positions if joined.keys[p].population == name)) for name in populations
    ]


def _adjust(spec: Multiplicity, study: StudyData | None, joined: Estimates, group: _Group) -> Estimates:
    places = list(group.positions)
    keys = [joined.keys[place] for place in places]
    raw = joined.numbers["p_value"][places]
    usable = np.flatnonzero(np.isfinite(raw))
    chosen = [places[number] for number in usable]
    found: dict[str, _Pair] = {}
    drawn = "raw p values"
    if chosen and any(method in STEP_DOWN for method in spec.methods):
        step = _by_assignment if spec.redraw == "assignment" else _by_influence
        found, drawn = step(spec, study, joined, chosen, group)
    found |= {"holm": (raw[usable], holm(raw[usable]))}
    found |= {"benjamini_hochberg": (raw[usable], benjamini_hochberg(raw[usable]))}

    rows: list[Adjusted] = []
    tests: dict[int, tuple[float, float, float]] = {}
    for number, method in enumerate(spec.methods):
        before, after = raw.copy(), np.full(len(raw), np.nan)
        if len(usable):
            before[usable], after[usable] = found[method]
            statistic = two_sided_normal(float(np.nanmin(before)))
            tests[number] = float(statistic), np.nan, float(np.nanmin(after))
        rows += [
            Adjusted(*key[:4], group.family, method, float(p), float(adjusted))
            for key, p, adjusted in zip(keys, before, after, strict=True)
        ]
    glance = {
        "analysis": spec.name,
        "outcome": group.family,
        "population": group.population,
        "kind": spec.kind,
        "estimand": f"adjusted p values of {len(usable)} hypotheses",
        "method": ", ".join(_WORDS[method] for method in spec.methods),
        "inference": drawn,
        "evidence": weakest_evidence(joined, spec.of),
        "independence_assumed": spec.redraw == "influence" and bool(len(rows_without_units(joined, chosen))),
    }
    nothing = [np.nan] * len(spec.methods)
    built = Estimates.build(
        keys=[RowKey(spec.name, group.family, group.population, method, "family_test", "") for method in spec.methods],
        working=nothing,
        working_se=nothing,
        df=nothing,
        n=[float(np.fmax.reduce(joined.numbers["n"][places]))] * len(spec.methods),
        tests=tests,
        glances=[glance],
        remarks=_remarks(spec, group, keys, raw),
        min_cell=[float(np.fmin.reduce(joined.min_cell[places]))] * len(spec.methods),
    )
    return replace(built, adjustments=tuple(rows))


def _remarks(spec: Multiplicity, group: _Group, keys: Sequence[RowKey], raw: NDArray[np.float64]) -> list[Note]:
    lacking = [" / ".join(key[1:4]) for key, p in zip(keys, raw, strict=True) if not np.isfinite(p)]
    where = {"outcome": group.family, "population": group.population}
    said = []
    if lacking:
        reason = f"{len(lacking)} of {len(keys)} hypotheses have no p value and do not count ({'; '.join(lacking[:5])})"
        said.append(spec.note(reason, **where))
    for method in spec.methods:
        if len(lacking) == len(keys):
            said.append(spec.note("no hypothesis of the family has a p value", **where, term=method, column="p_value"))
        reason = "a test that nothing in the family is affected: its p value is the smallest adjusted one"
        said.append(spec.note(reason, **where, term=method))
    return said


_Pair = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
_Stepped = tuple[dict[str, _Pair], str]


def _by_influence(
    spec: Multiplicity, study: StudyData | None, joined: Estimates, positions: list[int], group: _Group
) -> _Stepped:
    # In an order of their own, so that the order in which outcomes are named changes no digit.
    order = sorted(range(len(positions)), key=lambda place: joined.keys[positions[place]])
    ordered = [positions[place] for place in order]
    raw = joined.numbers["p_value"][ordered]
    redraws = joint_normal(correlation(covariance(joined, ordered)), spec.draws, _rng(spec, study, group))
    adjusted = np.empty(len(positions))
    adjusted[order] = step_down_max(two_sided_normal(raw), redraws, own=raw)
    raw = joined.numbers["p_value"][positions]
    words = f"{spec.draws:,} draws of the joint law of the influence values"
    return {method: (raw, adjusted) for method in spec.methods if method in STEP_DOWN}, words


def _by_assignment(
    spec: Multiplicity, study: StudyData | None, joined: Estimates, positions: list[int], group: _Group
) -> _Stepped:
    from impactkit.estimators.reassigned import reassigned_statistics

    rng = _rng(spec, study, group)
    assert study is not None
    _only_effects_of_allocation(spec, joined, positions)
    wanted = [(joined.keys[position].outcome, joined.keys[position].population) for position in positions]
    drawn = reassigned_statistics(study, wanted, covariates=spec.covariates, draws=spec.draws, rng=rng)
    observed, redraws, exact = drawn.observed, drawn.redraws, drawn.exact
    own = own_shares(observed, redraws, exact=exact)
    found: dict[str, _Pair] = {}
    if "romano_wolf" in spec.methods:
        found["romano_wolf"] = own, step_down_max(observed, redraws, exact=exact)
    if "westfall_young" in spec.methods:
        df = joined.numbers["df"][positions]
        least = equivalent_normal(observed[:, None], df)[:, 0]
        found["westfall_young"] = own, step_down_max(least, equivalent_normal(redraws, df), exact=exact)
    return found, drawn.words


def _only_effects_of_allocation(spec: Multiplicity, joined: Estimates, positions: list[int]) -> None:
    kinds = {str(row["analysis"]): str(row["kind"]) for row in joined.glances}
    named = {joined.keys[position].analysis for position in positions}
    others = sorted(name for name in named if kinds.get(name) not in ("intent_to_treat", "standardised_effect"))
    if others:
        raise RefusalError(
            f'Multiplicity "{spec.name}" re-draws the assignment, which tests effects of allocation, and '
            f"{', '.join(others)} estimates something else: {OTHERWISE}."
        )


def _rng(spec: Multiplicity, study: StudyData | None, group: _Group) -> np.random.Generator:
    if study is None:
        raise SpecError(
            f'"{spec.name}" needs a design with data and a seed for {" and ".join(STEP_DOWN)}: without them use '
            'methods=("holm", "benjamini_hochberg")'
        )
    return study.rng("/".join((spec.name, group.family, group.population)))
