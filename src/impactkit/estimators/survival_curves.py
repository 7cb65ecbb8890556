"""Survival curves by group: how long until the event, with limits, numbers at risk and a test between groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.compute.survival.influence import person_rmst, person_survival
from impactkit.compute.survival.limits import ConfType, quantile, quantile_limits, survival_limits
from impactkit.compute.survival.logrank import log_rank
from impactkit.compute.survival.ties import later
from impactkit.design import Design, NormDesign
from impactkit.errors import SpecError
from impactkit.estimators.durations import Spells, cluster_factor, curve_of, fit_curve, read_spells
from impactkit.estimators.rows import effective_n
from impactkit.results import Curve, Estimates, Influence, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["SurvivalCurves"]

EVERYONE = "everyone"
_QUANTILES = (("median", 0.5), ("lower_quartile", 0.25), ("upper_quartile", 0.75))
_NO_ERROR = (
    "the standard error of a quantile would need the density of times; the limits are where the limits of the curve "
    "cross the level"
)


class SurvivalCurves(Analysis):
    """Kaplan-Meier curves by group, with delayed entry.

    Use it to describe how long people stay absent, and to draw it. It compares groups as they are; the effect of a
    programme is for :class:`TimeToWork` (with arms), or a comparison with a norm.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    duration : str, optional
        Column, or declared outcome, of the time to the event or to the end of observation. A norm design's own
        when left out.
    event : str, optional
        Column that is 1 if the event happened, 0 if not yet. A norm design's ``returned`` when left out.
    entry : str, optional
        Column of the time when observation began, on the same clock: people are at risk from then on. A norm
        design's ``entry`` when left out; else everybody is observed from 0.
    by : str, optional
        Column of groups. The arms when left out, or everyone in one curve.
    horizon : float, optional
        Give the restricted mean to this time.
    at : tuple of float
        Give the share without the event at these times.
    since : float
        Begin curves here, among those without the event before: early on too few may be under observation.
    time_unit : {"weeks", "days"}, optional
        Unit of all times; a norm design's own, else weeks.
    conf_type : {"log-log", "log", "plain"}
        Scale of the limits of curves and quantiles.
    rho : float
        Weight S(t−)^rho of the log-rank test; 0 weighs all times alike.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        For each population and group the ``median``, ``lower_quartile`` and ``upper_quartile`` of the time, a
        ``restricted_mean`` row (with ``horizon``) and ``survival`` rows (with ``at``); then a ``log_rank`` test
        between groups. Curves are in ``curve()``.

    Notes
    -----
    Errors are those of the infinitesimal jackknife: without weights, clusters and delayed entry Greenwood's exactly;
    with clusters summed within them, times √(G/(G − 1)). Quantiles are where the curve first reaches the level, the
    middle of a level part of it; their limits are where the limits of the curve cross it (Brookmeyer and Crowley).
    All as R's ``survfit``, but for the cluster factor. Strata make a stratified log-rank test; curves are of
    everybody in a group. With weights or clusters the test is robust.

    A row without a standard error is described by its limits alone and carries no influence values.

    References
    ----------
    Brookmeyer, R. and Crowley, J. (1982). A confidence interval for the median survival time. *Biometrics* 38.
    Klein, J. P. and Moeschberger, M. L. (2003). *Survival Analysis*, 2nd edition.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(8), "assessed": [2, 3, 2, 4, 5, 3, 2, 6],
    ...     "weeks": [5, 8, 12, 9, 30, 14, 20, 16], "back": [1, 1, 1, 1, 0, 1, 0, 1]})
    >>> design = ik.NormDesign(unit="id", entry="assessed", duration="weeks", returned="back")
    >>> curves = ik.SurvivalCurves(name="absence", horizon=16, at=(8,))
    >>> result = ik.Evaluation(design, people, [curves]).fit(seed=1)
    >>> result.tidy()[["term", "measure", "estimate", "conf_low"]].round(2)
                      term          measure  estimate  conf_low
    0             everyone           median     12.00      5.00
    1             everyone   lower_quartile      8.00      5.00
    2             everyone   upper_quartile     16.00      9.00
    3             everyone  restricted_mean     11.67      8.79
    4  everyone at 8 weeks         survival      0.71      0.27
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm"})

    kind: Literal["survival_curves"] = "survival_curves"
    duration: str | None = Field(default=None, min_length=1)
    event: str | None = Field(default=None, min_length=1)
    entry: str | None = Field(default=None, min_length=1)
    by: str | None = Field(default=None, min_length=1)
    horizon: float | None = Field(default=None, gt=0.0)
    at: tuple[float, ...] = ()
    since: float = Field(default=0.0, ge=0.0)
    time_unit: Literal["weeks", "days"] | None = None
    conf_type: ConfType = "log-log"
    rho: float = Field(default=0.0, ge=0.0)
    populations: tuple[str, ...] | None = None
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if self.horizon is not None and self.horizon <= self.since:
            faults.append(f"the horizon ({self.horizon:g}) should be after `since` ({self.since:g})")
        if any(time < self.since for time in self.at) or len(set(self.at)) < len(self.at):
            faults.append("`at` should hold different times, none before `since`")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def outcome_names(self) -> tuple[str, ...]:
        """Give the outcome this analysis reads, if it is named."""
        return () if self.duration is None else (self.duration,)

    def _names(self, design: Design) -> tuple[str, str, str | None, str]:
        """Give the columns of time, ending and entry, and the unit."""
        if isinstance(design, NormDesign):
            entry = self.entry or (design.entry if self.duration in (None, design.duration) else None)
            return (
                self.duration or design.duration,
                self.event or design.returned,
                entry,
                self.time_unit or design.time_unit,
            )
        if self.duration is None or self.event is None:
            raise SpecError(
                f'SurvivalCurves "{self.name}": name `duration` and `event`; only a norm design has its own'
            )
        return self.duration, self.event, self.entry, self.time_unit or "weeks"

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        needs = []
        if self.event is not None:
            needs.append(ColumnNeed(self.event, "binary", by))
        if self.entry is not None:
            needs.append(ColumnNeed(self.entry, "duration", by))
        if self.by is not None:
            needs.append(ColumnNeed(self.by, "factor", by))
        return tuple(needs)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if design is not None and not said:
            try:
                self._names(design)
            except SpecError as fault:
                said.append(str(fault))
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Describe every population."""
        duration, event, entry, unit = self._names(study.design)
        spells = read_spells(
            study, duration=duration, event=event, entry=entry, clock="onset", since=self.since, unit=unit
        )
        rows = _Rows(self, spells, unit, entry is not None)
        for population in self.chosen_populations(study.design):
            rows.add(population)
        return rows.estimates()


class _Rows:
    """Rows under construction."""

    def __init__(self, spec: SurvivalCurves, spells: Spells, unit: str, late: bool) -> None:
        self.spec, self.spells, self.study, self.unit, self.late = spec, spells, spells.study, unit, late
        self.column = self.study.outcome(spells.outcome)
        self.codes, self.names = self._groups()
        self.rows: list[tuple[Any, ...]] = []
        self.limits: dict[int, tuple[float, float]] = {}
        self.tests: dict[int, tuple[float, float, float]] = {}
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = [spec.note(said) for said in spells.remarks]
        self.curves: list[Curve] = []

    def _groups(self) -> tuple[NDArray[Any], tuple[str, ...]]:
        if self.spec.by is not None:
            factor = self.study.factor(self.spec.by)
            return factor.codes, factor.labels
        arm = self.study.arm if hasattr(self.study.design, "arm") else None
        if arm is None:
            return np.zeros(self.study.n, dtype=np.int64), (EVERYONE,)
        design: Any = self.study.design
        return arm, (str(design.control), *(str(label) for label in design.treated_labels))

    def add(self, population: str) -> None:
        """Describe one population."""
        everybody = self.study.population(population)
        assigned = everybody & self.column.eligible
        known = assigned & ~np.isnan(self.column.values)
        weights = self.column.weights
        heavy = known if weights is None else known & (np.nan_to_num(weights) > 0)
        member = heavy & (self.codes >= 0)
        outcome = self.spells.outcome
        ungrouped = int(np.sum(heavy & ~member))
        if ungrouped:
            self._remark(population, f"{ungrouped:,} people have no `{self.spec.by}` and are in no curve")
        present = [code for code in range(len(self.names)) if np.any(member & (self.codes == code))]
        order = [*(code for code in present if code), *(code for code in present if code == 0)]
        for code in present if self.spec.by is not None or len(self.names) == 1 else order:
            self._group(population, outcome, np.flatnonzero(member & (self.codes == code)), self.names[code])
        if not present:
            self._gap(population, outcome)
        elif len(self.names) > 1:
            self._test(population, outcome, np.flatnonzero(member), present)
        self._glance(population, outcome, everybody, assigned, known, heavy, member)

    def _group(self, population: str, outcome: str, people: NDArray[np.intp], name: str) -> None:
        spec, unit = self.spec, self.unit
        stop, event = self.spells.stop[people], self.spells.event[people]
        start = None if self.spells.start is None else self.spells.start[people]
        weights = None if self.column.weights is None else self.column.weights[people]
        clusters = None if self.study.clusters is None else self.study.clusters[people]
        fitted = fit_curve(stop, event, start, weights, clusters, spec.since)
        curve = fitted.curve
        factor, df = cluster_factor(clusters)
        load = (1.0 if weights is None else weights) * factor
        had = int(event.sum())
        small = float(min(cell for cell in (had, len(people) - had) if cell))

        def put(measure: str, numbers: tuple[float, float, float], term: str, influence: Any = None) -> RowKey:
            key = RowKey(spec.name, outcome, population, term, measure, unit if measure != "survival" else "proportion")
            row = None if influence is None else RowInfluence(people, influence)
            self.rows.append((key, *numbers, len(people), row, small))
            return key

        shares = np.array([share for _, share in _QUANTILES])
        found = quantile(curve, shares)
        low, high = quantile_limits(
            curve, fitted.log_error, shares, conf_level=spec.conf_level, conf_type=spec.conf_type
        )
        for place, (measure, share) in enumerate(_QUANTILES):
            self.limits[len(self.rows)] = (float(low[place]), float(high[place]))
            key = put(measure, (float(found[place]), np.nan, np.nan), name)
            if np.isnan(found[place]):
                self._note(key, "estimate", f"fewer than {share:.0%} have had the event when observation ends")
            self._note(key, "std_error", _NO_ERROR)
            for column, edge in (("conf_low", low[place]), ("conf_high", high[place])):
                if np.isnan(edge):
                    self._note(key, column, f"this limit of the curve does not come down to {1 - share:.0%}")
        if spec.horizon is not None:
            if later(spec.horizon, curve.known_to):
                key = put("restricted_mean", (np.nan, np.nan, np.nan), name)
                self._note(key, "estimate", f"this curve is known to {curve.known_to:g} {unit} only: ask for no more")
            else:
                values = load * person_rmst(curve, stop, event, spec.horizon, start=start)
                self._wald(put, "restricted_mean", float(curve.area(spec.horizon)), values, clusters, df, name)
        for time in spec.at:
            term = f"{name} at {time:g} {unit}"
            if later(time, curve.known_to):
                key = put("survival", (np.nan, np.nan, np.nan), term)
                self._note(key, "estimate", f"this curve is known to {curve.known_to:g} {unit} only")
                continue
            alive = float(curve.at(time))
            values = load * person_survival(curve, stop, event, time, start=start)
            place = len(self.rows)
            error = self._wald(put, "survival", alive, values, clusters, df, term)
            if error > 0.0:
                edges = survival_limits(
                    np.array([alive]), np.array([error / alive]), conf_level=spec.conf_level, conf_type=spec.conf_type
                )
                self.limits[place] = (float(edges[0][0]), float(edges[1][0]))
        last = curve.collapsed
        if np.isfinite(last):
            self._remark(
                population,
                f"everybody under observation has had the event by {last:g} {unit} though others come under "
                "observation later, so the curve is 0 from there on: begin later (`since`)",
                name,
            )
        about = (spec.name, outcome, population, name)
        self.curves.append(
            curve_of(fitted, about=about, unit=unit, conf_level=spec.conf_level, conf_type=spec.conf_type)
        )

    def _wald(self, put: Any, measure: str, value: float, values: Any, clusters: Any, df: float, term: str) -> float:
        sums = values if clusters is None else np.bincount(clusters, weights=values)
        error = float(np.sqrt((sums**2).sum()))
        if error > 0.0 and np.isfinite(error):
            put(measure, (value, error, df if measure == "restricted_mean" else np.inf), term, values)
            return error
        key = put(measure, (value, np.nan, np.nan), term)
        why = (
            "one cluster alone says nothing of the spread between clusters"
            if np.isnan(error)
            else ("nothing, or everything, has happened by then: such a curve carries no error of its own")
        )
        self._note(key, "std_error", why)
        return float("nan")

    def _gap(self, population: str, outcome: str) -> None:
        key = RowKey(self.spec.name, outcome, population, self.names[0], "median", self.unit)
        self.rows.append((key, np.nan, np.nan, np.nan, np.nan, None, np.nan))
        self._note(key, "estimate", "nobody has a known time and ending")

    def _test(self, population: str, outcome: str, people: NDArray[np.intp], present: list[int]) -> None:
        spec, study = self.spec, self.study
        code = np.searchsorted(present, self.codes[people])
        start = None if self.spells.start is None else self.spells.start[people]
        clusters = None if study.clusters is None else study.clusters[people]
        test = log_rank(  # nobody here ends before `since`, so no event is earlier
            self.spells.stop[people],
            self.spells.event[people],
            code,
            start=start,
            strata=None if study.strata is None else study.strata[people],
            weights=None if self.column.weights is None else self.column.weights[people],
            clusters=clusters,
            rho=spec.rho,
            groups=len(present),
        )
        key = RowKey(spec.name, outcome, population, "between groups", "log_rank", "")
        self.tests[len(self.rows)] = (test.statistic, test.df, test.p_value)
        self.rows.append((key, np.nan, np.nan, np.nan, len(people), None, np.nan))
        self._note(key, "estimate", "a test between groups has no estimate")
        if np.isnan(test.p_value):
            alone = clusters is not None and len(np.unique(clusters)) < 2
            why = "one cluster alone" if alone else "no two groups are at risk together when an event happens"
            self._note(key, "p_value", f"{why}, so there is no test" if alone else why)

    def _glance(
        self, population: str, outcome: str, everybody: Any, assigned: Any, known: Any, heavy: Any, member: Any
    ) -> None:
        spec, study = self.spec, self.study
        count = np.count_nonzero
        weights = None if self.column.weights is None else self.column.weights[member]
        arm = study.arm if hasattr(study.design, "arm") else None
        clusters = None if study.clusters is None else len(np.unique(study.clusters[member]))
        method = "Kaplan-Meier" + (" with delayed entry" if self.late else "")
        method += f" from {spec.since:g} {self.unit}" if spec.since else ""
        if len(self.names) > 1:
            method += "; " + ("robust " if weights is not None or clusters is not None else "")
            method += ("stratified " if study.strata is not None else "") + "log-rank"
            method += f" (rho {spec.rho:g})" if spec.rho else ""
        self.glances.append(
            {
                "analysis": spec.name,
                "outcome": outcome,
                "population": population,
                "kind": spec.kind,
                "estimand": "time to the event" + (f" by {spec.by}" if spec.by else ""),
                "method": method,
                "inference": f"infinitesimal jackknife, {spec.conf_type} limits"
                + (f" by {study.design.clusters}" if clusters is not None else ""),
                "evidence": study.design.evidence,
                "n_assigned": count(assigned),
                "n_analysed": count(member),
                "n_treated": None if arm is None else count(member & (arm > 0)),
                "n_control": None if arm is None else count(member & (arm == 0)),
                "n_missing_outcome": count(assigned & ~known),
                "n_missing_covariates": count(heavy & ~member),
                "n_not_eligible": count(everybody & ~assigned),
                "n_zero_weight": count(known & ~heavy),
                "n_dropped_strata": 0,
                "clusters": clusters,
                "missing_rule": "complete cases",
                "weights": (None if weights is None else study.design.weights_of(self.column.spec)) or "none",
                "effective_n": effective_n(weights, int(count(member))),
                "conf_level": spec.conf_level,
                "design_df": float("inf") if clusters is None else clusters - 1.0,
                "independence_assumed": False,
            }
        )

    def _note(self, key: RowKey, column: str, reason: str) -> None:
        self.remarks.append(Note(*key[:4], column, reason))

    def _remark(self, population: str, reason: str, term: str = "") -> None:
        self.remarks.append(self.spec.note(reason, outcome=self.spells.outcome, population=population, term=term))

    def estimates(self) -> Estimates:
        """Close the rows."""
        block = Influence(
            table=self.study.design.table,
            token=self.study.data_hash,
            units=self.study.units,
            clusters=self.study.clusters,
            rows=tuple(row[5] for row in self.rows),
        )
        return Estimates.build(
            keys=[row[0] for row in self.rows],
            working=[row[1] for row in self.rows],
            working_se=[row[2] for row in self.rows],
            df=[row[3] for row in self.rows],
            n=[row[4] for row in self.rows],
            conf_level=self.spec.conf_level,
            tests=self.tests,
            intervals=self.limits,
            influence=[block],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[row[6] for row in self.rows],
            curves=self.curves,
        )
