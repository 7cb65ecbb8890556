"""Families of outcomes: p values adjusted for having looked at several, raw ones kept beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis
from impactkit.design import Design, TrialDesign
from impactkit.errors import RefusalError, SpecError, did_you_mean
from impactkit.inference.multiplicity import (
    benjamini_hochberg,
    holm,
    joint_normal,
    step_down_max,
    step_down_min_p,
    two_sided_normal,
)
from impactkit.results import Adjusted, Estimates, Note, measure
from impactkit.results.joint import correlation, covariance, rows_without_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["AdjustmentMethod", "Multiplicity"]

AdjustmentMethod = Literal["romano_wolf", "westfall_young", "holm", "benjamini_hochberg"]

_WORDS: dict[str, str] = {
    "romano_wolf": "Romano-Wolf step-down",
    "westfall_young": "Westfall-Young step-down",
    "holm": "Holm",
    "benjamini_hochberg": "Benjamini-Hochberg",
}
_STEP_DOWN = ("romano_wolf", "westfall_young")


class Multiplicity(Analysis):
    """Adjust p values for the family of outcomes they belong to.

    Use it when a report tests several outcomes, and lets one of them speak. Families are declared in the
    design, before any data are seen; the raw p values stay where they are, and the adjusted ones stand
    beside them in ``adjusted()`` and in tables.

    Parameters
    ----------
    name : str
    of : tuple of str
        The analyses whose effects are adjusted together. Every effect row they give for an outcome of the
        family is one hypothesis, each treated arm being its own.
    family : str or tuple of str, optional
        Which of the design's families; all of them when left out.
    outcomes : tuple of str
        A family of this plan, for a design that declares none; it then has the name of the analysis.
    methods : tuple of {"romano_wolf", "westfall_young", "holm", "benjamini_hochberg"}
        Tables show the first. The first three hold the chance of any false finding, the last the expected
        share of false findings.
    across : {"outcomes", "outcomes_and_populations"}
        Whether each population is a family by itself, or all of them are one.
    redraw : {"influence", "assignment"}
        What the two step-down methods compare with: the joint law of the influence values, right for any
        estimates, samples, weights and clusters; or re-draws of the trial's own assignment, the same for
        all outcomes, within strata and of whole clusters.
    covariates : tuple of str
        With ``redraw="assignment"``: what outcomes are adjusted for before each re-draw. Name those of the
        analyses.
    draws : int
        Of the step-down methods; ``fit`` needs a seed for them.

    Returns
    -------
    Estimates
        No rows of its own: ``adjusted()`` has one for each hypothesis and method, in which ``analysis`` is
        the one that gave the estimate.

    Notes
    -----
    With ``redraw="influence"`` each statistic is turned into the normal deviate z of its own p value, so
    that rows with different degrees of freedom weigh alike, and is compared with draws of
    ``N(0, R)``, R being the correlation of the rows' influence values: the multiplier bootstrap in which a
    person has the same multiplier in every row. A part of the covariance that no person carries (between
    imputations) is in R too. In order of falling z,
    ``p_i = P(max(|Z_i|, …, |Z_K|) ≥ z_i)``, then a running maximum. The maximum of z and the minimum of
    p are then the same step-down, and the two methods give the same number. Of the probability, the row's own
    part is its raw p value and only what the others add is simulated: the adjusted value is never smaller,
    and equals the raw one in a family of one.

    With ``redraw="assignment"`` both p values come from re-randomisation: the studentised coefficient on
    the arm, projected off strata and covariates, is formed for the observed and every re-drawn assignment;
    ``p_value`` in ``adjusted()`` is then the randomisation p value of the hypothesis by itself. When there
    are no more assignments than ``draws``, all are enumerated.

    References
    ----------
    Romano, J. P. and Wolf, M. (2005). Exact and approximate stepdown methods for multiple hypothesis testing.
    *Journal of the American Statistical Association* 100(469).
    Westfall, P. H. and Young, S. S. (1993). *Resampling-Based Multiple Testing*. Wiley.
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. *Scandinavian Journal of
    Statistics* 6(2).
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. *Journal of the Royal
    Statistical Society B* 57(1).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import impactkit as ik
    >>> rng = np.random.default_rng(1)
    >>> arm = np.repeat([1, 0], 200)
    >>> people = pd.DataFrame({"id": range(400), "arm": arm, "work": rng.random(400) < 0.3 + 0.15 * arm,
    ...                        "health": rng.normal(size=400), "wellbeing": rng.normal(size=400)})
    >>> names = ("work", "health", "wellbeing")
    >>> design = ik.TrialDesign(
    ...     unit="id", arm="arm", treated=1, control=0,
    ...     outcomes=tuple(ik.Outcome(name=name, kind="binary" if name == "work" else "continuous")
    ...                    for name in names),
    ...     families=(ik.Family(name="main", outcomes=names),))
    >>> result = ik.Evaluation(design, people, [
    ...     ik.IntentToTreat(name="itt", outcome=names),
    ...     ik.Multiplicity(name="several outcomes", of=("itt",), methods=("holm",))]).fit(seed=1)
    >>> result.adjusted()[["outcome", "family", "method", "p_value", "p_adjusted"]].round(3)
         outcome family method  p_value  p_adjusted
    0       work   main   holm    0.053       0.160
    1     health   main   holm    0.074       0.160
    2  wellbeing   main   holm    0.497       0.497
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})
    reads_people: ClassVar[bool] = False

    kind: Literal["multiplicity"] = "multiplicity"
    of: tuple[str, ...] = Field(min_length=1)
    family: str | tuple[str, ...] | None = None
    outcomes: tuple[str, ...] = ()
    methods: tuple[AdjustmentMethod, ...] = Field(default=("romano_wolf", "holm", "benjamini_hochberg"), min_length=1)
    across: Literal["outcomes", "outcomes_and_populations"] = "outcomes"
    redraw: Literal["influence", "assignment"] = "influence"
    covariates: tuple[str, ...] = ()
    draws: Annotated[int, Field(strict=True, ge=99)] = 9999

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for option, names in (("of", self.of), ("methods", self.methods), ("outcomes", self.outcomes)):
            if len(set(names)) < len(names):
                raise ValueError(f"`{option}` names something twice: {', '.join(names)}")
        if self.outcomes and self.family is not None:
            raise ValueError("`family` names a family of the design and `outcomes` makes one here: leave one out")
        if self.covariates and not self.reassigns:
            raise ValueError('`covariates` belong to redraw="assignment" with a step-down method: leave them out')
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        return self.of

    @property
    def reassigns(self) -> bool:
        """Whether the trial's assignment is drawn again."""
        return self.redraw == "assignment" and any(method in _STEP_DOWN for method in self.methods)

    def uses_people(self) -> bool:
        return self.reassigns

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        return tuple(ColumnNeed(column=name, role="any", by=f'analysis "{self.name}"') for name in self.covariates)

    def families(self, design: Design | None) -> dict[str, tuple[str, ...]]:
        """Give the outcomes of each family that is adjusted.

        Raises
        ------
        RefusalError
            If none was declared, or one that is named was not.
        """
        if self.outcomes:
            return {self.name: self.outcomes}
        declared = {} if design is None else {family.name: family.outcomes for family in design.families}
        who = f'Multiplicity "{self.name}"'
        if not declared:
            raise RefusalError(
                f"{who} adjusts families that are declared beforehand, and the design declares none: add "
                "`families=(Family(name=..., outcomes=(...)),)` to it, or name `outcomes` here."
            )
        chosen = (self.family,) if isinstance(self.family, str) else self.family or tuple(declared)
        for name in chosen:
            if name not in declared:
                raise RefusalError(
                    f'{who} names family "{name}", which the design does not declare.{did_you_mean(name, declared)} '
                    f"Declared: {', '.join(declared)}."
                )
        return {name: declared[name] for name in chosen}

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        try:
            self.families(design)
        except RefusalError as error:
            said.append(str(error))
        if self.reassigns and design is not None:
            fault = _not_redrawable(design)
            if fault:
                said.append(f'Multiplicity "{self.name}" cannot re-draw the assignment, because {fault}: {_ELSE}.')
        return said

    def run(self, study: StudyData | None, upstream: Mapping[str, Estimates]) -> Estimates:
        joined = Estimates.concat([upstream[name] for name in self.of])
        design = None if study is None else study.design
        parts = [
            _adjust(self, study, joined, group)
            for family, outcomes in self.families(design).items()
            for group in _groups(self, joined, family, outcomes)
        ]
        return Estimates(
            adjustments=tuple(row for part in parts for row in part.adjustments),
            glances=tuple(row for part in parts for row in part.glances),
            remarks=tuple(dict.fromkeys(note for part in parts for note in part.remarks)),
        )


_ELSE = 'use redraw="influence"'


def _not_redrawable(design: Design) -> str:
    if not isinstance(design, TrialDesign):
        return "nobody was assigned at random"
    if len(design.treated_labels) > 1:
        return (
            "it has several treated arms, and exchanging all of their labels would test that every arm is the same "
            "rather than one against control"
        )
    if isinstance(design.allocation, str):
        return f"each person has a probability of their own (`{design.allocation}`)"
    return ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Hypotheses that are adjusted together.

    Parameters
    ----------
    family : str
    outcomes : tuple of str
    populations : tuple of str
    positions : tuple of int
        Rows of the joined estimates, in their order.
    """

    family: str
    outcomes: tuple[str, ...]
    populations: tuple[str, ...]
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
        return [_Group(family, tuple(outcomes), populations, tuple(positions))]
    return [
        _Group(family, tuple(outcomes), (name,), tuple(p for p in positions if joined.keys[p].population == name))
        for name in populations
    ]


def _adjust(spec: Multiplicity, study: StudyData | None, joined: Estimates, group: _Group) -> Estimates:
    keys = [joined.keys[position] for position in group.positions]
    raw = joined.numbers["p_value"][list(group.positions)]
    usable = np.flatnonzero(np.isfinite(raw))
    remarks: list[Note] = []
    if len(usable) < len(keys):
        lacking = [" / ".join(key[1:4]) for key, p in zip(keys, raw, strict=True) if not np.isfinite(p)]
        remarks.append(
            _note(
                spec,
                group,
                f'family "{group.family}": {len(lacking)} of {len(keys)} hypotheses have no p value and do not count '
                f"({'; '.join(lacking[:5])})",
            )
        )
    drawn = ""
    found: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    chosen = [group.positions[place] for place in usable]
    independent = False
    if len(chosen) and any(method in _STEP_DOWN for method in spec.methods):
        independent = spec.redraw == "influence" and bool(len(rows_without_units(joined, chosen)))
        step = _by_assignment if spec.redraw == "assignment" else _by_influence
        stepped, drawn = step(spec, study, joined, chosen, group)
        found |= stepped
    if "holm" in spec.methods:
        found["holm"] = raw[usable], holm(raw[usable])
    if "benjamini_hochberg" in spec.methods:
        found["benjamini_hochberg"] = raw[usable], benjamini_hochberg(raw[usable])
    rows = []
    for method in spec.methods:
        before, after = raw.copy(), np.full(len(raw), np.nan)
        if method in found:
            before[usable], after[usable] = found[method]
        rows += [
            Adjusted(*key[:4], group.family, method, float(p), float(adjusted))
            for key, p, adjusted in zip(keys, before, after, strict=True)
        ]
    glance = {
        "analysis": spec.name,
        "outcome": " & ".join(group.outcomes),
        "population": " & ".join(group.populations),
        "kind": spec.kind,
        "estimand": f'p values of the family "{group.family}", adjusted for {len(usable)} hypotheses',
        "method": ", ".join(_WORDS[method] for method in spec.methods),
        "inference": drawn or "raw p values",
        "evidence": _weakest_evidence(joined, spec.of),
        "independence_assumed": independent,
    }
    return Estimates(adjustments=tuple(rows), glances=(glance,), remarks=tuple(remarks))


_Stepped = tuple[dict[str, tuple["NDArray[np.float64]", "NDArray[np.float64]"]], str]


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
    return {method: (raw, adjusted) for method in spec.methods if method in _STEP_DOWN}, words


def _by_assignment(
    spec: Multiplicity, study: StudyData | None, joined: Estimates, positions: list[int], group: _Group
) -> _Stepped:
    from impactkit.estimators.reassigned import reassigned_statistics

    rng = _rng(spec, study, group)
    assert study is not None
    _only_effects_of_allocation(spec, joined, positions)
    wanted = [(joined.keys[position].outcome, joined.keys[position].population) for position in positions]
    drawn = reassigned_statistics(study, wanted, covariates=spec.covariates, draws=spec.draws, rng=rng)
    own, by_rank = step_down_min_p(drawn.observed, drawn.redraws, exact=drawn.exact)
    found: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    if "westfall_young" in spec.methods:
        found["westfall_young"] = own, by_rank
    if "romano_wolf" in spec.methods:
        found["romano_wolf"] = own, step_down_max(drawn.observed, drawn.redraws, exact=drawn.exact)
    return found, drawn.words


def _only_effects_of_allocation(spec: Multiplicity, joined: Estimates, positions: list[int]) -> None:
    kinds = {str(row["analysis"]): str(row["kind"]) for row in joined.glances}
    named = {joined.keys[position].analysis for position in positions}
    others = sorted(name for name in named if kinds.get(name) not in ("intent_to_treat", "standardised_effect"))
    if others:
        raise RefusalError(
            f'Multiplicity "{spec.name}" re-draws the assignment, which tests effects of allocation, and '
            f"{', '.join(others)} estimates something else: {_ELSE}."
        )


def _rng(spec: Multiplicity, study: StudyData | None, group: _Group) -> np.random.Generator:
    if study is None:
        raise SpecError(
            f'"{spec.name}" needs a design with data and a seed for {" and ".join(_STEP_DOWN)}: without them use '
            'methods=("holm", "benjamini_hochberg")'
        )
    return study.rng("/".join((spec.name, group.family, *group.populations)))


def _weakest_evidence(joined: Estimates, names: Sequence[str]) -> str:
    found = {str(row.get("evidence", "")) for row in joined.glances if row.get("analysis") in names}
    order = ("before-after only", "comparison with a norm", "adjusted comparison", "randomised")
    return next((label for label in order if label in found), "")


def _note(spec: Multiplicity, group: _Group, reason: str) -> Note:
    return spec.note(reason, population=" & ".join(group.populations))
