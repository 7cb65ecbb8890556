"""Rows of the time-to-work analysis: pseudo-values regressed, a Cox model beside them, and the reasons for gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import Inference
from impactkit.compute.survival.cox import CoxFit, cox
from impactkit.compute.survival.cox_jackknife import without_each_cluster
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.influence import person_rmst
from impactkit.compute.survival.ties import later
from impactkit.errors import DataError, NotEstimableError
from impactkit.estimators.durations import Spells, cluster_factor, curve_of, fit_curve
from impactkit.estimators.matrix import Adjustment, columns_left_out, trial_matrix
from impactkit.estimators.regression import Regression, influence_block, regress
from impactkit.estimators.rows import glance_row
from impactkit.estimators.sample import Sample, arms_of, treated_labels
from impactkit.results import Curve, Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.estimators.time_to_work import TimeToWork

__all__ = ["TimeRows"]

_METHODS = {"none": "", "ancova": " with ANCOVA", "lin": " with Lin (2013) interacted adjustment"}
MOST_REFITS = 100
"""With more clusters than this the sandwich is close enough, and fitting without each would take long."""
_Numbers = tuple[float, float, float, RowInfluence | None]
_GONE: _Numbers = (float("nan"), float("nan"), float("nan"), None)


class TimeRows:
    """Rows under construction, population by population."""

    def __init__(
        self, spec: TimeToWork, spells: Spells, inference: Inference, covariates: NDArray[np.float64] | None
    ) -> None:
        self.spec, self.spells, self.inference, self.covariates = spec, spells, inference, covariates
        self.study = spells.study
        self.labels = treated_labels(self.study)
        self.names = (str(getattr(self.study.design, "control", "control")), *self.labels)
        self.rows: list[tuple[Any, ...]] = []
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = [spec.note(said) for said in spells.remarks]
        self.curves: list[Curve] = []

    @property
    def adjustment(self) -> Adjustment:
        return self.spec.adjustment or ("none" if self.covariates is None else "ancova")

    # --- one population ------------------------------------------------------------------------------

    def add(self, sample: Sample) -> None:
        """Add a population's rows."""
        member = sample.member
        people = np.flatnonzero(member)
        arm = arms_of(self.study)[people]
        weights = None if sample.weights is None else sample.weights[people]
        cells = self._cells(arm, people)
        said: list[tuple[str, str, str]] = []  # measure, column, reason
        means = self._means(sample, arm, cells, weights, said)
        ratios = self._hazard_ratios(sample, arm, weights, said)
        for place, label in enumerate(self.labels):
            self._row(sample, label, "difference", means["difference"][place], said)
            self._row(sample, label, "restricted_mean_ratio", means["restricted_mean_ratio"][place], said)
            self._row(sample, label, "hazard_ratio", ratios[place], said)
        self._row(sample, "control_mean", "mean", means["mean"][0], said)
        self._glance(sample, min([numbers[2] for numbers in means["difference"]]))
        self._draw(sample, arm, weights)
        if sample.dropped_strata:
            self._remark(
                sample,
                f"{len(sample.dropped_strata)} strata with one arm only were left out as asked "
                f"({sample.counts['n_dropped_strata']} rows)",
            )

    def fail(self, sample: Sample, reason: str) -> None:
        """Add a population's rows without numbers, each with the reason."""
        for label in self.labels:
            for measure in ("difference", "restricted_mean_ratio", "hazard_ratio"):
                self._row(sample, label, measure, _GONE, [])
        self._row(sample, "control_mean", "mean", _GONE, [])
        self.remarks.append(
            self.spec.note(reason, outcome=sample.outcome.name, population=sample.population, column="estimate")
        )
        self._glance(sample, float("nan"))

    def _cells(self, arm: NDArray[np.int8], people: NDArray[np.intp]) -> NDArray[np.int64]:
        """Give who shares a curve."""
        codes = arm.astype(np.int64)
        strata = self.study.strata
        if strata is not None and self.spec.curves == "stratum":
            codes = codes + len(self.names) * strata[people]
        return codes

    def _cell_name(self, code: int) -> str:
        stratum, arm = divmod(code, len(self.names))
        words = f'arm "{self.names[arm]}"'
        if self.study.strata is not None and self.spec.curves == "stratum":
            words += f" in stratum {self.study.strata_labels[stratum]}"
        return words

    # --- restricted means ----------------------------------------------------------------------------

    def _means(
        self,
        sample: Sample,
        arm: NDArray[np.int8],
        cells: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
        said: list[tuple[str, str, str]],
    ) -> dict[str, list[_Numbers]]:
        arms = len(self.labels)
        gone = {"difference": [_GONE] * arms, "restricted_mean_ratio": [_GONE] * arms, "mean": [_GONE]}
        stop, event, start = self.spells.rows(sample.member)
        try:
            values = self._pseudo_values(sample, stop, event, start, cells, weights)
            found, left_out = self._regress(sample, arm, values, weights)
        except NotEstimableError as reason:
            said += [(measure, "estimate", str(reason)) for measure in gone]
            return gone
        told = {} if left_out is None else {treated: name for treated, name in left_out.with_arm}
        numbers = [self._numbers(found, line, said, told) for line in range(arms + 1)]
        return {
            "difference": numbers[1:],
            "restricted_mean_ratio": [self._ratio(numbers[0], own, said) for own in numbers[1:]],
            "mean": [numbers[0]],
        }

    def _pseudo_values(
        self, sample: Sample, stop: Any, event: Any, start: Any, cells: Any, weights: Any
    ) -> NDArray[np.float64]:
        horizon, since = self.spec.horizon, self.spec.since
        values = np.empty(stop.size)
        short: dict[int, float] = {}
        for code in np.unique(cells):
            own = np.flatnonzero(cells == code)
            begun = None if start is None else start[own]
            load = None if weights is None else weights[own]
            curve = product_limit(stop[own], event[own], start=begun, weights=load, since=since or None)
            if later(horizon, curve.known_to):
                short[int(code)] = curve.known_to
                continue
            total = float(own.size) if load is None else float(load.sum())
            influence = person_rmst(curve, stop[own], event[own], horizon, start=begun)
            values[own] = float(curve.area(horizon)) + total * influence
            if curve.collapsed < horizon:
                self._remark(
                    sample,
                    f"everybody under observation in {self._cell_name(int(code))} has returned by {curve.collapsed:g} "
                    f"{self.spec.time_unit} though others come under observation later, so its curve is 0 from there "
                    "on: begin later (`since`)",
                )
        if short:
            worst = min(short, key=lambda code: short[code])
            more = f" ({len(short)} curves end too early)" if len(short) > 1 else ""
            cure = (
                "" if self.study.strata is None or self.spec.curves == "arm" else ', join strata, or set curves="arm"'
            )
            raise NotEstimableError(
                f"the curve of {self._cell_name(worst)} is known to {short[worst]:g} {self.spec.time_unit} only{more}: "
                f"choose a horizon of at most {short[worst]:g}{cure}"
            )
        return values

    def _regress(
        self, sample: Sample, arm: NDArray[np.int8], values: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> tuple[Regression, Any]:
        member = sample.member
        strata = None if self.study.strata is None else self.study.strata[member]
        covariates = None if self.covariates is None else self.covariates[member]
        arms = len(self.names)
        matrix = trial_matrix(
            arm=arm, arms=arms, strata=strata, covariates=covariates, weights=weights, adjustment=self.adjustment
        )
        # Main effects centred as well: the constant is then the control mean of everybody analysed.
        width = (0 if covariates is None else covariates.shape[1]) + (
            0 if strata is None else max(len(np.unique(strata)) - 1, 0)
        )
        block = matrix[:, arms : arms + width]
        if width:
            block -= np.average(block, axis=0, weights=weights)
        found = regress(
            self.study,
            matrix=matrix,
            outcomes=values[:, None],
            member=member,
            weights=weights,
            rows=list(range(arms)),
            inference=self.inference,
        )
        if not found.aliased.any():
            return found, None
        names = [] if self.covariates is None else list(self._covariate_names())
        if strata is not None:
            names += [self.study.strata_labels[code] for code in np.unique(strata)[1:]]
        left_out = columns_left_out(matrix, found.aliased, labels=self.labels, controls=names, weights=weights)
        if left_out.redundant:
            listed = ", ".join(left_out.redundant[:5])
            self._remark(sample, f"left out because constant here or implied by other columns: {listed}")
        return found, left_out

    def _covariate_names(self) -> tuple[str, ...]:
        return self.study.covariates(self.spec.covariates_with(self.study.design)).names

    def _numbers(
        self, found: Regression, line: int, said: list[tuple[str, str, str]], told: dict[int, str]
    ) -> _Numbers:
        measure = "difference" if line else "mean"
        if line in told:
            said.append(
                (measure, "estimate", f"the arm can be told from {told[line]}: there is no effect apart from it")
            )
            return _GONE
        estimate, error, df = (float(column[line, 0]) for column in (found.coef, found.std_error, found.df))
        influence: RowInfluence | None = found.influence[line][0]
        if not np.isfinite(error) or error == 0.0:
            alone = "a cluster" if self.study.clusters is not None else "somebody"
            reason = f"{alone} is alone in their arm (and stratum), so this variance cannot be estimated"
            if error == 0.0:
                reason = "times do not vary here, so a standard error of 0 says nothing and there are no limits"
            said.append((measure, "std_error", reason))
            error, influence = np.nan, None
        elif not np.isfinite(df):
            said.append((measure, "p_value", "the design leaves no degrees of freedom for a test or limits"))
            said.append((measure, "conf_low", "the design leaves no degrees of freedom for a test or limits"))
            said.append((measure, "conf_high", "the design leaves no degrees of freedom for a test or limits"))
        return estimate, error, df, influence

    def _ratio(self, control: _Numbers, effect: _Numbers, said: list[tuple[str, str, str]]) -> _Numbers:
        """Give the log of (control + effect) / control, with influence by the delta method.

        Its degrees of freedom are the difference's: without an effect its influence is that of the difference, scaled.
        """
        base, added = control[0], effect[0]
        if not (np.isfinite(base) and np.isfinite(added)):
            said.append(("restricted_mean_ratio", "estimate", "the restricted means it is made from are not given"))
            return _GONE
        if base <= 0 or base + added <= 0:
            said.append(("restricted_mean_ratio", "estimate", "a restricted mean is not above 0, so there is no ratio"))
            return _GONE
        estimate = float(np.log1p(added / base))
        if control[3] is None or effect[3] is None or effect[1] == 0.0:
            said.append(
                ("restricted_mean_ratio", "std_error", "the restricted means it is made from have no standard error")
            )
            return estimate, float("nan"), effect[2], None
        treated = base + added
        values = effect[3].values / treated + control[3].values * (1.0 / treated - 1.0 / base)
        row = replace(effect[3], values=values, df_parts=None)
        block = influence_block(self.study, [row], self.inference)
        error = float(np.sqrt((block.by_group([0]) ** 2).sum()))
        return estimate, error, effect[2], row

    # --- hazard ratios -------------------------------------------------------------------------------

    def _hazard_ratios(
        self,
        sample: Sample,
        arm: NDArray[np.int8],
        weights: NDArray[np.float64] | None,
        said: list[tuple[str, str, str]],
    ) -> list[_Numbers]:
        member, arms = sample.member, len(self.labels)
        stop, event, start = self.spells.rows(member)
        if self.spec.since:
            start = np.maximum(start, self.spec.since)
            inside = later(stop, start)
        else:
            inside = np.ones(stop.size, dtype=bool)
        x = (arm[:, None] == np.arange(1, arms + 1)).astype(np.float64)
        names = list(self.labels)
        if self.covariates is not None:
            own = self.covariates[member]
            varies = np.ptp(own, axis=0) > 0
            x = np.hstack([x, own[:, varies]])
            names += [name for name, kept in zip(self._covariate_names(), varies, strict=True) if kept]
        clusters = None if self.study.clusters is None else self.study.clusters[member]
        factor, df = cluster_factor(clusters)
        rows = np.flatnonzero(inside)
        strata = None if self.study.strata is None else self.study.strata[member]

        def fit_rows(chosen: NDArray[Any]) -> CoxFit:
            return cox(
                stop[chosen],
                event[chosen],
                x[chosen],
                start=None if start is None else start[chosen],
                strata=None if strata is None else strata[chosen],
                weights=None if weights is None else weights[chosen],
                ties=self.spec.ties,
                names=names,
            )

        try:
            fitted = fit_rows(rows)
        except (NotEstimableError, DataError) as reason:
            said.append(("hazard_ratio", "estimate", " ".join(str(reason).split())))
            return [_GONE] * arms
        found: list[_Numbers] = []
        people = np.flatnonzero(member)[inside]
        influence = fitted.influence * factor
        if clusters is not None and fitted.converged and df < MOST_REFITS:
            left = without_each_cluster(fitted, lambda keep: fit_rows(rows[keep]), clusters[inside])
            if np.isfinite(left[:, :arms]).all():
                influence = left
            else:
                self._remark(sample, "no hazard ratio without one of the clusters: its error is the sandwich's")
        for place in range(arms):
            if not np.isfinite(fitted.coef[place]) or not fitted.converged:
                said.append(
                    ("hazard_ratio", "estimate", "the hazard ratio has no finite estimate: some group has no returns")
                )
                found.append(_GONE)
                continue
            values = influence[:, place]
            row = RowInfluence(people, values)
            sums = values if clusters is None else np.bincount(clusters[inside], weights=values)
            error = float(np.sqrt((sums**2).sum()))
            if not np.isfinite(error) or error <= 1e-12:
                said.append(
                    ("hazard_ratio", "std_error", "too few people, or one cluster alone: no error can be given")
                )
                found.append((float(fitted.coef[place]), float("nan"), df, None))
                continue
            found.append((float(fitted.coef[place]), error, df, row))
        return found

    # --- what comes out ------------------------------------------------------------------------------

    def _row(
        self, sample: Sample, term: str, measure: str, numbers: _Numbers, said: list[tuple[str, str, str]]
    ) -> None:
        unit = self.spec.time_unit if measure in ("difference", "mean") else "ratio"
        key = RowKey(self.spec.name, sample.outcome.name, sample.population, term, measure, unit)
        n = sample.counts["n_control" if measure == "mean" else "n_analysed"] if np.isfinite(numbers[0]) else np.nan
        self.rows.append((key, *numbers[:3], n, numbers[3], self._smallest(sample)))
        for about, column, reason in dict.fromkeys(said):
            if about == measure:
                self.remarks.append(Note(*key[:4], column, reason))

    def _smallest(self, sample: Sample) -> float:
        if not sample.counts["n_analysed"]:
            return float("nan")
        arm = arms_of(self.study)[sample.member]
        had = self.spells.event[sample.member]
        cells = [
            np.count_nonzero((arm == place) & (had == ended)) for place in range(len(self.names)) for ended in (0, 1)
        ]
        return float(min((cell for cell in cells if cell), default=np.nan))

    def _glance(self, sample: Sample, df: float) -> None:
        spec = self.spec
        strata = self.study.strata is not None
        curves = " within strata" if strata and spec.curves == "stratum" else ""
        clock = "" if spec.entry is None else f"; time from {'entry' if spec.clock == 'entry' else 'onset, late entry'}"
        method = f"restricted means to {spec.horizon:g} {spec.time_unit} by pseudo-values{curves}"
        method += _METHODS[self.adjustment] + f"; Cox ({spec.ties})" + (" by stratum" if strata else "") + clock
        self.glances.append(
            glance_row(spec, self.study, sample, estimand="intention to treat", method=method, df=df)
            | ({} if self.study.design.evidence == "randomised" else {"estimand": "difference between groups"})
        )

    def _draw(self, sample: Sample, arm: NDArray[np.int8], weights: NDArray[np.float64] | None) -> None:
        member = sample.member
        stop, event, start = self.spells.rows(member)
        clusters = None if self.study.clusters is None else self.study.clusters[member]
        for place in (*range(1, len(self.names)), 0):
            own = np.flatnonzero(arm == place)
            fitted = fit_curve(
                stop[own],
                event[own],
                None if start is None else start[own],
                None if weights is None else weights[own],
                None if clusters is None else clusters[own],
                self.spec.since,
            )
            about = (self.spec.name, sample.outcome.name, sample.population, self.names[place])
            self.curves.append(curve_of(fitted, about=about, unit=self.spec.time_unit, conf_level=self.spec.conf_level))

    def _remark(self, sample: Sample, reason: str) -> None:
        self.remarks.append(self.spec.note(reason, outcome=sample.outcome.name, population=sample.population))

    def estimates(self) -> Estimates:
        """Close the rows."""
        influences: list[RowInfluence | None] = [row[5] for row in self.rows]
        return Estimates.build(
            keys=[row[0] for row in self.rows],
            working=[row[1] for row in self.rows],
            working_se=[row[2] for row in self.rows],
            df=[row[3] for row in self.rows],
            n=[row[4] for row in self.rows],
            conf_level=self.spec.conf_level,
            influence=[influence_block(self.study, influences, self.inference)],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[row[6] for row in self.rows],
            curves=self.curves,
        )
