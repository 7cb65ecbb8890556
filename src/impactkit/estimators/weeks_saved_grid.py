"""Weeks saved again under other rules, one at a time: which choice the answer hangs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis
from impactkit.design import ControlNotes, Design, NormDesign
from impactkit.errors import DataError
from impactkit.estimators.norm_sample import OUTCOME, ReturnDate, UnknownRule, time_unit
from impactkit.estimators.weeks_saved import Horizon, WeeksSaved, saved_rows
from impactkit.results import Estimates, Note, RowKey

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, ControlData, StudyData

__all__ = ["BASE", "WeeksSavedGrid"]

BASE = "as declared"
_NOTES_ONLY = "the controls are episodes already, so that notes cannot be joined by another rule: give the fit notes"

Days = Annotated[int, Field(strict=True, ge=0, le=366)]
FirstDays = Annotated[int, Field(strict=True, ge=0, le=28)]
MayBeFit = Literal["counted", "halved", "ignored"]


@dataclass(frozen=True, slots=True)
class _Variant:
    """One other rule: what the row is called, and what changes."""

    term: str
    spec: WeeksSaved
    controls: tuple[tuple[str, Any], ...] = ()
    reason: str = field(default="")


class WeeksSavedGrid(Analysis):
    """The weeks saved of one specification, then with one rule changed at a time.

    The rules are choices that an evaluator makes before the answer is known, and another evaluator would make
    otherwise. A conclusion that holds in every row does not hang on them.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    base : WeeksSaved
        The specification that is varied.
    offset_days : tuple of int
        Days of absence before the first certificate.
    gap_days : tuple of int
        Days without a certificate that still join two fit notes; needs controls given as notes.
    may_be_fit : tuple of {"counted", "halved", "ignored"}
        What a "may be fit for work" day counts for; needs controls given as notes.
    unknown : tuple of {"censored", "returned", "absent", "ipcw"}
        What clients with no known outcome count as; ``"returned"`` and ``"absent"`` are the best and the worst case.
    return_date : tuple of {"latest", "middle", "earliest"}
        Where a return lies between two contacts; needs ``base.still_absent_at``.
    horizons : tuple of float, optional
        Other horizons; half and one and a half times that of ``base`` when left out.

    Returns
    -------
    Estimates
        For each population the row ``as declared``, then one difference for each other rule. A rule that equals the
        declared one has no second row; one that cannot be applied has no number, and its reason in ``notes()``.

    Notes
    -----
    Every row is a :class:`WeeksSaved` and carries the influence values of the same clients, so that the covariance
    of two rows is known. Where another rule makes other episodes of the fit notes, their part of the norm's error is
    taken as independent of that of the declared rule, which makes a difference between the two rows look less
    certain than it is.

    References
    ----------
    NHS England, *Fit Notes Issued by GP Practices* (the seven-day rule for gaps).
    Robins, J. M. and Finkelstein, D. M. (2000). Correcting for noncompliance and dependent censoring in an AIDS
    clinical trial with inverse probability of censoring weighted log-rank tests. *Biometrics* 56.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(6), "entry": [4, 4, 6, 6, 8, 8], "absent": [5, 9, 7, 12, 10, 16],
    ...                        "returned": [1, 1, None, 1, 1, 0]})
    >>> notes = pd.DataFrame({"episode": range(8), "weeks": [2, 5, 8, 11, 14, 17, 20, 26], "ended": 1,
    ...                       "practice": list("aabbccdd")})
    >>> design = ik.NormDesign(unit="id", entry="entry", duration="absent", returned="returned",
    ...                        controls=ik.ControlEpisodes(duration="weeks", practice="practice"))
    >>> grid = ik.WeeksSavedGrid(name="grid", base=ik.WeeksSaved(name="saved", horizon=8), horizons=(4, 12),
    ...                          unknown=("returned", "absent"), gap_days=(), may_be_fit=(), return_date=())
    >>> rows = ik.Evaluation(design, {"people": people, "episodes": notes}, [grid]).fit(seed=1).tidy()
    >>> rows[["term", "estimate"]].round(2)
                             term  estimate
    0                 as declared      1.92
    1          first week: 7 days      1.97
    2  unknown outcomes: returned      2.63
    3    unknown outcomes: absent      1.46
    4            horizon: 4 weeks      0.60
    5           horizon: 12 weeks       NaN
    """

    honours: ClassVar[frozenset[str]] = frozenset({"clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm"})

    kind: Literal["weeks_saved_grid"] = "weeks_saved_grid"
    base: WeeksSaved
    offset_days: tuple[FirstDays, ...] = (0, 7)
    gap_days: tuple[Days, ...] = (0, 3, 7, 14, 28, 56)
    may_be_fit: tuple[MayBeFit, ...] = ("counted", "halved", "ignored")
    unknown: tuple[UnknownRule, ...] = ("censored", "returned", "absent", "ipcw")
    return_date: tuple[ReturnDate, ...] = ("earliest", "middle", "latest")
    horizons: tuple[Horizon, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [
            f"`{name}` names {value!r} more than once"
            for name in ("offset_days", "gap_days", "may_be_fit", "unknown", "return_date", "horizons")
            for value in dict.fromkeys(getattr(self, name) or ())
            if (getattr(self, name) or ()).count(value) > 1
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def populations(self) -> tuple[str, ...] | None:
        """Populations of the specification that is varied."""
        return self.base.populations

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        return self.base.columns(design)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if isinstance(design, NormDesign) and design.controls is None:
            said.append(f'WeeksSavedGrid "{self.name}" needs control episodes: give the design its `controls`.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population under every rule."""
        base = self.base.replace(name=self.name, by_cell=False)
        first = saved_rows(base, study, _controls(study, ()), curves=False)
        made: dict[tuple[tuple[str, Any], ...], ControlData] = {}
        parts: list[Estimates] = []
        populations = self.chosen_populations(study.design)
        variants = list(_variants(self, base, study))
        for population in populations:
            head = first.take([first.find(population=population, term="saved")])
            own = replace(head, glances=(), remarks=(), curves=())
            glances = tuple({**row, "kind": self.kind} for row in first.glances if row["population"] == population)
            about = {population} if parts else {population, ""}  # what concerns all populations is said once
            remarks = tuple(note for note in first.remarks if note.population in about and not note.term)
            errors = tuple(
                note._replace(term=BASE)
                for note in first.remarks
                if note.population == population and note.term == "saved"
            )
            parts.append(replace(_named(own, BASE), glances=glances, remarks=remarks + errors))
            parts += [_row(variant, study, population, made) for variant in variants]
        return Estimates.concat(parts)


def _variants(grid: WeeksSavedGrid, base: WeeksSaved, study: StudyData) -> Iterator[_Variant]:
    """List the other rules, in the order the options are documented."""
    design = study.design
    controls = getattr(design, "controls", None)
    unit = time_unit(study)
    for days in grid.offset_days:
        if days != getattr(controls, "offset_days", 0):
            yield _Variant(f"first week: {days} days", base, (("offset_days", days),))
    rules = controls.rules if isinstance(controls, ControlNotes) else None
    for option, values in (("gap_days", grid.gap_days), ("may_be_fit", grid.may_be_fit)):
        words = option.replace("_days", "").replace("_", " ")
        if rules is None:
            if values:
                yield _Variant(words, base, reason=_NOTES_ONLY)
            continue
        for value in values:
            if value != getattr(rules, option):
                shown = f"{value} days" if option == "gap_days" else value
                yield _Variant(f"{words}: {shown}", base, ((option, value),))
    for rule in grid.unknown:
        if rule != base.unknown:
            known_by = base.known_by if rule == "ipcw" else ()
            yield _Variant(f"unknown outcomes: {rule}", base.replace(unknown=rule, known_by=known_by))
    if base.still_absent_at is None:
        if grid.return_date:
            reason = "no column of the last contact in absence is named (`still_absent_at`), so returns cannot be moved"
            yield _Variant("return date", base, reason=reason)
    else:
        for date in grid.return_date:
            if date != base.return_date:
                yield _Variant(f"return date: {date}", base.replace(return_date=date))
    horizons = (0.5 * base.horizon, 1.5 * base.horizon) if grid.horizons is None else grid.horizons
    for horizon in horizons:
        if horizon != base.horizon:
            yield _Variant(f"horizon: {horizon:g} {unit}", base.replace(horizon=horizon))


def _row(
    variant: _Variant, study: StudyData, population: str, made: dict[tuple[tuple[str, Any], ...], ControlData]
) -> Estimates:
    spec = variant.spec.replace(populations=(population,))
    reason = variant.reason
    if not reason:
        try:
            if variant.controls not in made:
                made[variant.controls] = _controls(study, variant.controls)
            controls = made[variant.controls]
            other = any(option != "offset_days" for option, _ in variant.controls)
            block = f"{controls.table} ({variant.term})" if other else ""
            found = saved_rows(spec, study, controls, block=block, curves=False)
        except DataError as error:
            reason = "; ".join(error.problems)
        else:
            remarks = tuple(note._replace(term=variant.term) for note in found.remarks if note.term == "saved")
            row = found.take([found.find(population=population, term="saved")])
            return _named(replace(row, glances=(), remarks=remarks, curves=()), variant.term)
    key = RowKey(spec.name, OUTCOME, population, variant.term, "difference", time_unit(study))
    nothing = [np.nan]
    return Estimates.build(
        keys=[key],
        working=nothing,
        working_se=nothing,
        df=nothing,
        n=nothing,
        conf_level=spec.conf_level,
        remarks=[Note(*key[:4], "estimate", reason)],
    )


def _named(row: Estimates, term: str) -> Estimates:
    return replace(row, keys=tuple(key._replace(term=term) for key in row.keys))


def _controls(study: StudyData, changes: tuple[tuple[str, Any], ...]) -> ControlData:
    """Read the control episodes with some rules changed."""
    from impactkit.data import control_episodes

    design = study.design
    assert isinstance(design, NormDesign)
    assert design.controls is not None
    changed = dict(changes)
    if "offset_days" in changed:
        moved = design.controls.replace(offset_days=changed.pop("offset_days"))
        study = replace(study, design=design.replace(controls=moved))
    rules = design.controls.rules.replace(**changed) if changed and isinstance(design.controls, ControlNotes) else None
    return control_episodes(study, rules)
