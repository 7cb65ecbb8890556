"""The flow of participants (CONSORT 2025): counted from the data the estimators use, and checked against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from impactkit.analysis import Analysis
from impactkit.design import ALL, Design, TrialDesign
from impactkit.design.base import ColumnName, Label
from impactkit.errors import NotEstimableError
from impactkit.estimators.sample import arms_of, complete_rows, treated_labels
from impactkit.results import Estimates, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData
    from impactkit.data.outcomes import OutcomeColumn

__all__ = ["NO_REASON", "Flow"]

NO_REASON = "no reason recorded"

_LOSSES = (
    ("n_zero_weight", "weight zero"),
    ("n_missing_covariates", "covariates missing"),
    ("n_dropped_strata", "in strata with one arm only"),
)


class Flow(Analysis):
    """Who was assessed, randomised, reached, followed up and analysed, by arm, as CONSORT 2025 asks.

    Use it for the participant flow of a report, as a table and as a diagram. Every count comes from the data the
    estimators use; the numbers analysed are checked against ``glance()`` of the analyses named, and a difference of one
    person is an error.

    Parameters
    ----------
    name : str
    analyses : tuple of str
        Analyses on people whose numbers analysed the flow ends in; they run first.
    outcomes : tuple of str, optional
        Outcomes to follow up. Left out: those of ``analyses``, or all declared ones.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    assessed : int or str, optional
        How many were assessed for eligibility (from a screening log; with one population only), or the column that
        is 1 for people who were.
    outside : tuple of labels
        Labels of the arm column, listed in the design's ``ignore_arms``, of people who were not randomised.
    reasons_not_randomised : tuple of (reason, count) pairs, or str
        From the log, or a column of text.
    reasons_not_received, reasons_lost : str, optional
        Columns of text that say why the treatment was not received, and why the outcome is not known.
    attended : tuple of str
        Columns that are 1 for people who attended something. One person may be in several of these counts, so they
        stand beside the flow and add up to nothing.
    covariates : tuple of str
        Baseline columns the analyses adjust for; needed only where an analysis keeps no record of whom it used
        (linearised errors) and some people lack a covariate.

    Returns
    -------
    Estimates
        Rows of measure ``count``. The term is what is counted and the arm: ``"randomised, IPS"``, ``"received, IPS"``,
        ``"followed up, IPS"``, ``"analysed [itt], IPS"``; reasons follow a colon: ``"lost: moved away, IPS"``.

    Notes
    -----
    These sums hold, and are checked, in every arm: randomised = received + did not receive + not known;
    randomised = not eligible for the outcome + followed up + lost; followed up = analysed + weight zero + covariates
    missing + in dropped strata. Receipt is a side branch: people who did not receive stay in follow-up and analysis.

    References
    ----------
    Hopewell, S. et al. (2025). CONSORT 2025 statement: updated guideline for reporting randomised trials. *Lancet*
    405(10489), 1633-1640.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(8), "arm": ["IPS", "usual"] * 4, "work": [1, 0, 1, 0, None, 1, 0, 0]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
    ...                         outcomes=(ik.Outcome(name="work", kind="binary"),))
    >>> analyses = [ik.IntentToTreat(name="itt", outcome="work"), ik.Flow(name="flow", analyses=("itt",), assessed=11)]
    >>> rows = ik.Evaluation(design, people, analyses).fit()["flow"].tidy()
    >>> rows[rows["estimate"] > 0][["outcome", "term", "estimate"]]
       outcome                                term  estimate
    0                                     assessed      11.0
    1                               not randomised       3.0
    2           not randomised: no reason recorded       3.0
    3                                   randomised       8.0
    4                            randomised, usual       4.0
    5                              randomised, IPS       4.0
    6     work                  followed up, usual       4.0
    7     work                    followed up, IPS       3.0
    9     work                           lost, IPS       1.0
    10    work               analysed [itt], usual       4.0
    11    work                 analysed [itt], IPS       3.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison"})

    kind: Literal["flow"] = "flow"
    analyses: tuple[str, ...] = ()
    outcomes: tuple[str, ...] | None = None
    populations: tuple[str, ...] | None = None
    assessed: int | ColumnName | None = None
    outside: tuple[Label, ...] = ()
    reasons_not_randomised: tuple[tuple[str, int], ...] | ColumnName = ()
    reasons_not_received: ColumnName | None = None
    reasons_lost: ColumnName | None = None
    attended: tuple[ColumnName, ...] = ()
    covariates: tuple[ColumnName, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        counted = not isinstance(self.reasons_not_randomised, str) and bool(self.reasons_not_randomised)
        if counted and not isinstance(self.assessed, int):
            raise ValueError("counts of `reasons_not_randomised` need the number `assessed` they are part of")
        if isinstance(self.assessed, int) and self.assessed < 0:
            raise ValueError("`assessed` is a number of people, 0 or more")
        if isinstance(self.reasons_not_randomised, str) and isinstance(self.assessed, int):
            raise ValueError("with a number `assessed`, give `reasons_not_randomised` as (reason, count) pairs")
        if self.name in self.analyses:
            raise ValueError("a flow cannot end in itself")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The analyses whose numbers analysed the flow ends in."""
        return self.analyses

    def outcome_names(self) -> tuple[str, ...]:
        return self.outcomes or ()

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        binary = [self.assessed] if isinstance(self.assessed, str) else []
        texts = [self.reasons_not_randomised] if isinstance(self.reasons_not_randomised, str) else []
        texts += [name for name in (self.reasons_not_received, self.reasons_lost) if name is not None]
        needs = [ColumnNeed(column=name, role="binary", by=by) for name in (*binary, *self.attended)]
        needs += [ColumnNeed(column=name, role="factor", by=by) for name in texts]
        return (*needs, *(ColumnNeed(column=name, role="any", by=by) for name in self.covariates))

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        if design is None:
            return said
        populations = self.chosen_populations(design)
        if isinstance(self.assessed, int) and len(populations) > 1:
            said.append(
                f'Flow "{self.name}" is given the number assessed, which belongs to one population, and reports on '
                f"{len(populations)}: name one in `populations`, or give a column."
            )
        unknown = [str(label) for label in self.outside if label not in getattr(design, "ignore_arms", ())]
        if unknown:
            said.append(
                f'Flow "{self.name}" has people outside the trial labelled {", ".join(unknown)}, which the design does '
                "not list in `ignore_arms`."
            )
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        rows = _Rows(self, study)
        for population in self.chosen_populations(study.design):
            _enrolment(self, study, population, rows)
            _allocation(self, study, population, rows)
            for outcome in _outcomes(self, study, upstream):
                _follow_up(self, study, population, outcome, rows)
                for analysis in self.analyses:
                    _analysed(self, study, population, outcome, upstream[analysis], analysis, rows)
            rows.glance(population)
        return rows.estimates()


def _outcomes(spec: Flow, study: StudyData, upstream: Mapping[str, Estimates]) -> tuple[str, ...]:
    if spec.outcomes is not None:
        return spec.outcomes
    seen = [str(look["outcome"]) for name in spec.analyses for look in upstream[name].glances if look["outcome"]]
    return tuple(dict.fromkeys(seen)) or tuple(outcome.name for outcome in study.design.outcomes)


# --- enrolment ------------------------------------------------------------------------------------------


def _enrolment(spec: Flow, study: StudyData, population: str, rows: _Rows) -> None:
    inside = study.population(population)
    randomised = int(np.count_nonzero(inside))
    others = _left_out(spec, study, population)
    outside, elsewhere = others
    ignored = int(np.count_nonzero(elsewhere))
    verb = "randomised" if isinstance(study.design, TrialDesign) else "in the study"
    if isinstance(spec.assessed, str):
        flag = study.numeric(spec.assessed) == 1
        unmarked = int(np.count_nonzero((inside | elsewhere) & ~flag))
        if unmarked:
            raise NotEstimableError(
                f"{unmarked} people in an arm are not marked as assessed in `{spec.assessed}`: correct that column"
            )
        assessed = int(np.count_nonzero(flag & (inside | elsewhere | outside)))
        outside = outside & flag
    elif isinstance(spec.assessed, int):
        assessed = spec.assessed
        if assessed < randomised + ignored:
            raise NotEstimableError(
                f"{assessed:,} people were assessed and {randomised + ignored:,} randomised: correct `assessed`"
            )
    else:
        assessed = -1
    if assessed >= 0:
        rows.add("", population, "assessed", assessed)
        gone = assessed - randomised - ignored
        rows.add("", population, f"not {verb}", gone)
        for reason, count in _why_not(spec, study, outside, gone, verb):
            rows.add("", population, f"not {verb}: {reason}", count)
    rows.add("", population, verb, randomised + ignored)
    if ignored:
        rows.add("", population, "in arms left out", ignored)


def _left_out(spec: Flow, study: StudyData, population: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark people of the population outside the trial, and those in arms that the design leaves out."""
    from impactkit.data.coding import matching_rows

    arm = arms_of(study)
    people = study.table("")
    declared = study.design.population(population)
    rows = (
        np.ones(study.n, dtype=bool) if declared is None or population == ALL else matching_rows(declared.where, people)
    )
    column = people.column(str(getattr(study.design, "arm", "")))
    outside = rows & column.is_in(spec.outside) if spec.outside else np.zeros(study.n, dtype=bool)
    return outside, rows & (arm < 0) & ~outside


def _why_not(spec: Flow, study: StudyData, outside: NDArray[np.bool_], gone: int, verb: str) -> list[tuple[str, int]]:
    if isinstance(spec.reasons_not_randomised, str):
        given = _reasons(study, spec.reasons_not_randomised, outside)
    else:
        given = list(spec.reasons_not_randomised)
    rest = gone - sum(count for _, count in given)
    if rest < 0:
        raise NotEstimableError(
            f"reasons are given for {gone - rest:,} people and {gone:,} were not {verb}: correct one of the two"
        )
    return [*given, *([(NO_REASON, rest)] if rest else [])]


def _reasons(study: StudyData, column: str, who: NDArray[np.bool_]) -> list[tuple[str, int]]:
    """Count the reasons that occur, the most frequent first; empty cells are counted by the caller."""
    factor = study.factor(column)
    counts = np.bincount(factor.codes[who & (factor.codes >= 0)], minlength=len(factor.labels))
    found = [(label, int(count)) for label, count in zip(factor.labels, counts, strict=True) if count]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


# --- allocation and receipt -----------------------------------------------------------------------------


def _allocation(spec: Flow, study: StudyData, population: str, rows: _Rows) -> None:
    verb = "randomised" if isinstance(study.design, TrialDesign) else "in the study"
    inside = study.population(population)
    rows.by_arm("", population, verb, inside)
    receipt = getattr(study.design, "receipt", None)
    if receipt is not None:
        got = study.numeric(receipt)
        missed = inside & (got == 0)
        rows.by_arm("", population, "received", inside & (got == 1))
        rows.by_arm("", population, "did not receive", missed)
        rows.by_reason("", population, "did not receive", missed, spec.reasons_not_received)
        rows.by_arm("", population, "receipt not known", inside & np.isnan(got), always=False)
    for column in spec.attended:
        rows.by_arm("", population, f"attended {column}", inside & (study.numeric(column) == 1))


# --- follow-up and analysis -----------------------------------------------------------------------------


def _known(study: StudyData, population: str, column: OutcomeColumn) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    inside = study.population(population)
    eligible: NDArray[np.bool_] = np.asarray(inside & column.eligible)
    known: NDArray[np.bool_] = np.asarray(eligible & ~np.isnan(column.values))
    return eligible, known


def _follow_up(spec: Flow, study: StudyData, population: str, outcome: str, rows: _Rows) -> None:
    column = study.outcome(outcome)
    inside = study.population(population)
    eligible, known = _known(study, population, column)
    name = column.spec.name
    rows.by_arm(name, population, "not eligible", inside & ~eligible, always=False)
    rows.by_arm(name, population, "followed up", known)
    rows.by_arm(name, population, "lost", eligible & ~known)
    rows.by_reason(name, population, "lost", eligible & ~known, spec.reasons_lost)


def _analysed(
    spec: Flow, study: StudyData, population: str, outcome: str, found: Estimates, analysis: str, rows: _Rows
) -> None:
    name = study.outcome(outcome).spec.name
    looks = [look for look in found.glances if look["outcome"] == name and look["population"] == population]
    if not looks:
        if not any(look["population"] == population for look in found.glances):
            rows.remarks.append(spec.note(f'"{analysis}" reports on nobody here', population=population))
        return
    look = looks[0]
    eligible, known = _known(study, population, study.outcome(outcome))
    weights = study.outcome(outcome).weights
    weighted = known if weights is None else known & (np.nan_to_num(weights) > 0)
    parts = {"n_zero_weight": known & ~weighted}
    member = _members(found, name, population, study.n)
    complete = complete_rows(study.covariates(spec.covariates).matrix) if spec.covariates else None
    if member is None or _differs(member, look, arms_of(study)):
        member = weighted if complete is None else weighted & complete
        if _count(look, "n_dropped_strata") and study.strata is not None:
            member = member & ~_one_armed(study, member)[study.strata]
    lost = weighted & ~member
    if not _count(look, "n_dropped_strata"):
        parts |= {"n_missing_covariates": lost, "n_dropped_strata": lost & False}
    elif not _count(look, "n_missing_covariates"):
        parts |= {"n_missing_covariates": lost & False, "n_dropped_strata": lost}
    else:
        empty = np.zeros(study.n, dtype=bool) if complete is None else lost & ~complete
        parts |= {"n_missing_covariates": empty, "n_dropped_strata": lost & ~empty}
    mine = {
        "n_assigned": eligible,
        "n_missing_outcome": eligible & ~known,
        "n_analysed": member,
        "n_treated": member & (arms_of(study) > 0),
        "n_control": member & (arms_of(study) == 0),
        **parts,
    }
    apart = [
        f"{key} {int(np.count_nonzero(who)):,} here and {_count(look, key):,} there"
        for key, who in mine.items()
        if look.get(key) is not None and int(np.count_nonzero(who)) != _count(look, key)
    ]
    if apart:
        raise NotEstimableError(
            f'the flow and the analysis "{analysis}" disagree about "{name}" in "{population}": {"; ".join(apart)}. '
            "If that analysis adjusts for covariates, name them in the flow's `covariates`"
        )
    for key, words in _LOSSES:
        rows.by_arm(name, population, f"{words} [{analysis}]", parts[key], always=False)
    rows.by_arm(name, population, f"analysed [{analysis}]", member)


def _members(found: Estimates, outcome: str, population: str, n: int) -> NDArray[np.bool_] | None:
    """Mark whom an analysis used, from the influence values of its first row on this outcome."""
    for block in found.influence:
        for key, row in zip(found.keys, block.rows, strict=True):
            if key.outcome == outcome and key.population == population and row is not None and row.index is not None:
                member = np.zeros(n, dtype=bool)
                if len(block.units) != n:
                    return None
                member[row.index] = True
                return member
    return None


def _differs(member: NDArray[np.bool_], look: Mapping[str, Any], arm: NDArray[np.int8]) -> bool:
    """Whether these people cannot be those of the glance row: a row of one arm only, say."""
    return int(np.count_nonzero(member)) != _count(look, "n_analysed") or int(
        np.count_nonzero(member & (arm == 0))
    ) != _count(look, "n_control")


def _one_armed(study: StudyData, member: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the strata that lack an arm among members."""
    assert study.strata is not None
    arms = len(treated_labels(study)) + 1
    cells = np.bincount(
        study.strata[member].astype(int) * arms + arms_of(study)[member], minlength=len(study.strata_labels) * arms
    )
    lacking: NDArray[np.bool_] = (cells.reshape(-1, arms) == 0).any(axis=1)
    return lacking


def _count(look: Mapping[str, Any], key: str) -> int:
    value = look.get(key)
    return 0 if value is None else int(value)


class _Rows:
    """Rows under construction."""

    def __init__(self, spec: Flow, study: StudyData) -> None:
        self.spec, self.study = spec, study
        self.arm = arms_of(study)
        self.labels = (str(getattr(study.design, "control", "control")), *treated_labels(study))
        self.keys: list[RowKey] = []
        self.values: list[int] = []
        self.totals: list[int] = []
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Any] = []

    def add(self, outcome: str, population: str, term: str, count: int) -> None:
        self.keys.append(RowKey(self.spec.name, outcome, population, term, "count", "people"))
        self.values.append(int(count))
        self.totals.append(int(np.count_nonzero(self.study.population(population))))

    def by_arm(self, outcome: str, population: str, what: str, who: NDArray[np.bool_], *, always: bool = True) -> None:
        """Add a count for each arm; with ``always=False`` only if it is not zero in all of them."""
        counts = [int(np.count_nonzero(who & (self.arm == place))) for place in range(len(self.labels))]
        if always or any(counts):
            for label, count in zip(self.labels, counts, strict=True):
                self.add(outcome, population, f"{what}, {label}", count)

    def by_reason(self, outcome: str, population: str, what: str, who: NDArray[np.bool_], column: str | None) -> None:
        if column is None or not who.any():
            return
        factor = self.study.factor(column)
        for reason, _ in _reasons(self.study, column, who):
            self.by_arm(outcome, population, f"{what}: {reason}", who & (factor.codes == factor.labels.index(reason)))
        self.by_arm(outcome, population, f"{what}: {NO_REASON}", who & (factor.codes < 0), always=False)

    def glance(self, population: str) -> None:
        inside = self.study.population(population)
        design = self.study.design
        clusters = None if self.study.clusters is None else len(np.unique(self.study.clusters[inside]))
        self.glances.append(
            {
                "analysis": self.spec.name,
                "outcome": "",
                "population": population,
                "kind": self.spec.kind,
                "estimand": "none: people are counted",
                "method": "CONSORT 2025 flow"
                + (f", checked against {', '.join(self.spec.analyses)}" if self.spec.analyses else ""),
                "inference": "none",
                "evidence": design.evidence,
                "n_assigned": int(np.count_nonzero(inside)),
                "clusters": clusters,
                "missing_rule": "counted",
                "weights": "none",
                "independence_assumed": False,
            }
        )

    def estimates(self) -> Estimates:
        empty = np.full(len(self.keys), np.nan)
        counts = np.array(self.values, dtype=float)
        for column in ("std_error", "conf_low", "df"):
            self.remarks.append(self.spec.note("a count of people in hand has no standard error", column=column))
        return Estimates.build(
            keys=self.keys,
            working=counts,
            working_se=empty,
            df=empty,
            n=self.totals,
            glances=self.glances,
            remarks=self.remarks,
            min_cell=np.where(counts == 0, np.inf, counts),  # nobody stands behind a zero
        )
