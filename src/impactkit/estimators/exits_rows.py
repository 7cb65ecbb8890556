"""Rows of `CompetingExits`: incidences, differences between arms, time lost, tests, regressions and curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.survival.competing import AalenJohansen, aalen_johansen, incidence_limits, reading_times
from impactkit.compute.survival.gray import gray_test
from impactkit.design import ComparisonDesign, TrialDesign
from impactkit.errors import NotEstimableError
from impactkit.estimators.durations import never_at_risk
from impactkit.estimators.exits_curves import GroupCurves, group_curves
from impactkit.estimators.exits_models import fit_models
from impactkit.estimators.exits_people import read_exits
from impactkit.estimators.rows import effective_n
from impactkit.results import Curve, Estimates, Influence, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.exits import CompetingExits

__all__ = ["ExitRows"]

_POINTS = 400
Part = Callable[[AalenJohansen], "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """A standard error, its degrees of freedom, and the influence values that give it."""

    error: float
    df: float
    influence: RowInfluence | None
    fault: str = ""


class ExitRows:
    """Rows under construction, population by population."""

    def __init__(self, spec: CompetingExits, study: StudyData) -> None:
        self.spec, self.study = spec, study
        self.exits = read_exits(spec, study)
        self.unit = spec.unit_of(study.design)
        self.compares = isinstance(study.design, TrialDesign | ComparisonDesign) and spec.by is None
        self.keys: list[RowKey] = []
        self.numbers: list[tuple[float, float, float, float, float]] = []
        self.influence: list[RowInfluence | None] = []
        self.intervals: dict[int, tuple[float, float]] = {}
        self.tests: dict[int, tuple[float, float, float]] = {}
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = []
        self.curves: list[Curve] = []
        self.population = ""

    # --- one population ---------------------------------------------------------------------------------------------

    def add_population(self, population: str) -> None:
        """Add every row of one population."""
        exits, self.population = self.exits, population
        inside = self.study.population(population)
        grouped = exits.group >= 0
        weighted = np.ones(self.study.n, dtype=bool) if exits.weights is None else exits.weights > 0
        member = inside & exits.usable & grouped & weighted
        strata = None if self.study.strata is None else self.study.strata.astype(np.int64)
        shares: NDArray[np.float64] | None = None
        if strata is not None:
            own = np.ones(self.study.n) if exits.weights is None else exits.weights
            sums = np.bincount(strata[member], weights=own[member], minlength=len(self.study.strata_labels))
            shares = np.asarray(sums, dtype=np.float64) / max(float(sums.sum()), np.finfo(float).tiny)
        groups = [
            group_curves(label, exits, np.flatnonzero(member & (exits.group == code)), strata, shares)
            for code, label in enumerate(exits.groups or ("",))
        ]
        if self.compares:
            self._differences(groups)
        if len(groups) > 1:
            self._gray(member, strata)
        self._models(member, strata)
        for group in groups:
            self._describe(group)
        self._glance(inside, member, grouped, weighted)

    def _differences(self, groups: list[GroupCurves]) -> None:
        control, horizon = groups[-1], self.spec.horizon
        for group in groups[:-1]:
            for cause, label in enumerate(self.exits.labels, start=1):
                for term, unit, value, part in self._targets(cause, label, horizon):
                    key = self._key(f"{group.label}: {term}", "difference", unit)
                    reason = group.why_not(horizon, self.unit) or control.why_not(horizon, self.unit)
                    reason = reason or self._unadjusted()
                    if reason:
                        self._missing(key, reason)
                        continue
                    sides = [(group, 1.0), (control, -1.0)]
                    estimate = sum(sign * side.average(value) for side, sign in sides)
                    spread = self._spread([(side.people, sign * side.influence(part)) for side, sign in sides])
                    smallest = min(count for side, _ in sides for count in side.count(cause, horizon))
                    n = float(sum(side.people.size for side, _ in sides))
                    self._add(key, estimate, spread, n, smallest)

    def _unadjusted(self, covariates: tuple[str, ...] = ()) -> str:
        """Say why groups that nobody randomised cannot be compared as they are; empty when they can."""
        if not isinstance(self.study.design, ComparisonDesign) or self.exits.weights is not None or covariates:
            return ""
        return (
            "groups were not randomised and nothing adjusts this number: declare weights in the design, or read "
            "the regressions with covariates"
        )

    def _targets(self, cause: int, label: str, at: float) -> list[tuple[str, str, Any, Part]]:
        return [
            (
                f"{label} by {at:g}",
                "proportion",
                lambda fit: float(fit.at(cause, at)),
                lambda fit: fit.incidence_influence(cause, at),
            ),
            (
                f"time since {label} to {at:g}",
                self.unit,
                lambda fit: fit.lost(cause, at),
                lambda fit: fit.lost_influence(cause, at),
            ),
        ]

    def _gray(self, member: NDArray[np.bool_], strata: NDArray[np.int64] | None) -> None:
        exits = self.exits
        aside = [
            word
            for word, there in (
                ("delayed entry", exits.delayed),
                ("weights", exits.weights is not None),
                ("clusters", self.study.clusters is not None),
            )
            if there
        ]
        if aside:
            self._remark(f"Gray's test of equal incidence is not given: it was not derived for {' and '.join(aside)}")
            return
        for cause, label in enumerate(exits.labels, start=1):
            key = self._key(f"{label}: equal in all groups", "chi_square", "")
            row = len(self.keys)
            people = np.flatnonzero(member)
            codes = np.unique(exits.group[people], return_inverse=True)[1]
            try:
                found = gray_test(
                    exits.stop[people],
                    exits.cause[people],
                    codes,
                    interest=cause,
                    strata=None if strata is None else strata[people],
                )
            except NotEstimableError as fault:
                self._missing(key, str(fault), column="p_value")
                continue
            done = np.bincount(codes[exits.cause[people] == cause], minlength=int(codes.max()) + 1)
            smallest = float(np.minimum(done, np.bincount(codes) - done).min())
            self._append(key, (np.nan, np.nan, float(found.df), float(people.size), smallest), None)
            self.tests[row] = (found.statistic, float(found.df), found.p_value)
            self._note(key, "", "Gray's test" + ("" if strata is None else " within strata"))

    def _models(self, member: NDArray[np.bool_], strata: NDArray[np.int64] | None) -> None:
        covariates = self.spec.covariates_of(self.study.design)
        if not covariates and not self.compares:
            return
        arms = self.exits.groups[:-1] if self.compares else ()
        models = fit_models(self.exits, self.study, member, covariates, arms, strata)
        if models.left_out:
            self._remark(f"{models.left_out:,} people without every covariate are left out of the regressions")
        unadjusted = self._unadjusted(covariates)
        for measure, coef, influence, fault in models.fits:
            fault = fault or unadjusted
            for place, name in enumerate(models.names):
                key = self._key(name, measure, "ratio")
                if fault:
                    self._missing(key, fault)
                    continue
                spread = self._spread([(models.people, influence[:, place])], models=True)
                self._add(key, float(coef[place]), spread, float(models.people.size), models.smallest)

    def _describe(self, group: GroupCurves) -> None:
        spec, before = self.spec, f"{group.label}: " if group.label else ""
        for reason in group.warnings(max(spec.horizon, *spec.times_used), self.unit) if not group.fault else ():
            self._remark(f"{before}{reason}")
        for cause, label in enumerate(self.exits.labels, start=1):
            for at in spec.times_used:
                self._one(group, f"{before}{label} by {at:g}", "cumulative_incidence", cause, at)
        for at in spec.times_used:
            self._one(group, f"{before}{spec.interest} by {at:g}", "one_minus_survival", 1, at)
        for cause, label in enumerate(self.exits.labels, start=1):
            self._one(group, f"{before}time since {label} to {spec.horizon:g}", "time_lost", cause, spec.horizon)
        if not group.fault:
            self.curves += [self._curve(group, cause) for cause in range(1, len(self.exits.labels) + 1)]

    def _one(self, group: GroupCurves, term: str, measure: str, cause: int, at: float) -> None:
        key = self._key(term, measure, self.unit if measure == "time_lost" else "proportion")
        curves = group if measure != "one_minus_survival" else self._alone(group)
        reason = group.why_not(at, self.unit) or curves.why_not(at, self.unit)
        if reason:
            self._missing(key, reason)
            return
        place = 1 if measure == "time_lost" else 0
        _, _, value, part = self._targets(cause, "", at)[place]
        spread = self._spread([(group.people, curves.influence(part))])
        estimate, smallest = curves.average(value), min(group.count(cause, at))
        row = len(self.keys)
        self._add(key, estimate, spread, float(group.people.size), smallest)
        if measure == "time_lost":
            return
        if measure == "one_minus_survival":
            self._note(
                key, "", "1 − Kaplan-Meier with other exits as censored: it overstates this exit; for comparison"
            )
        if not np.isfinite(spread.error):
            return
        low, high = self._limits(np.array([estimate]), np.array([spread.error]), spread.df)
        self.intervals[row] = (float(low[0]), float(high[0]))
        if not np.isfinite(low[0]):
            what = "nobody had this exit" if estimate <= 0 else "everybody had this exit"
            self._note(key, "conf_low", f"{what} by then, so the error of 0 says nothing of the limits")

    def _alone(self, group: GroupCurves) -> GroupCurves:
        """Give the curves with every other exit taken for censored."""
        exits, blocks = self.exits, []
        for block in group.blocks:
            rows = block.people
            fit = aalen_johansen(
                exits.stop[rows],
                (exits.cause[rows] == 1).astype(np.int64),
                1,
                start=exits.start[rows],
                weights=None if exits.weights is None else exits.weights[rows],
            )
            blocks.append(type(block)(block.share, rows, fit))
        return GroupCurves(group.label, tuple(blocks))

    def _limits(
        self, estimate: NDArray[np.float64], error: NDArray[np.float64], df: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from scipy.special import ndtri, stdtrit

        upper = 0.5 * (1.0 + self.spec.conf_level)
        quantile = float(ndtri(upper) if np.isinf(df) else stdtrit(df, upper))
        return incidence_limits(estimate, error, quantile=quantile, kind=self.spec.limits)

    def _curve(self, group: GroupCurves, cause: int) -> Curve:
        spec, label = self.spec, self.exits.labels[cause - 1]
        last = max(spec.horizon, *spec.times_used)
        own, round_times = group.time, np.concatenate([reading_times(last), [last]])
        if own.size > _POINTS:  # the same curve at fewer of its steps
            own = own[np.unique(np.linspace(0, own.size - 1, _POINTS).round().astype(int))]
        times = np.unique(np.concatenate([[max(group.begin, 0.0)], own[own <= last], round_times]))
        times = times[[at == group.begin or not group.why_not(at, self.unit) for at in times]]
        estimate = np.array([group.average(lambda fit, at=at: float(fit.at(cause, at))) for at in times])  # type: ignore[misc]
        errors, df = np.zeros(times.size), np.inf
        for place, at in enumerate(times):
            values = group.influence(lambda fit, at=at: fit.incidence_influence(cause, at))  # type: ignore[misc]
            found = self._spread([(group.people, values)])
            errors[place], df = found.error, found.df
        low, high = self._limits(estimate, errors, df)
        risk, events = group.numbers(times, cause)
        return Curve(
            analysis=spec.name,
            outcome=spec.exit,
            population=self.population,
            term=f"{group.label}: {label}" if group.label else label,
            measure="cumulative_incidence",
            unit=self.unit,
            time=times,
            estimate=estimate,
            conf_low=low,
            conf_high=high,
            n_risk=risk,
            n_events=events,
        )

    # --- errors -----------------------------------------------------------------------------------------------------

    def _spread(self, sides: list[tuple[NDArray[np.int64], NDArray[np.float64]]], models: bool = False) -> _Spread:
        """Give the error of a sum of sides, each with the small-sample factor of its own clusters."""
        clusters = self.study.clusters
        index = np.concatenate([people for people, _ in sides])
        if clusters is None:
            values = np.concatenate([own for _, own in sides])
            return _Spread(float(np.sqrt((values**2).sum())), np.inf, RowInfluence(index, values))
        scaled, counts = [], []
        for people, own in sides:
            many = np.unique(clusters[people]).size
            counts.append(many)
            scaled.append(own * groups_factor(many))
        if min(counts) < 2:
            return _Spread(np.nan, np.nan, None, "one cluster carries this number, so its error cannot be estimated")
        distinct = np.unique(clusters[index]).size
        whole = distinct == sum(counts) and len(sides) > 1
        if models and self.compares:
            arms = self.exits.group[index]
            pairs = np.unique(np.column_stack([clusters[index], arms]), axis=0)
            whole = len(pairs) == distinct
        df = float(distinct - 2 if whole else distinct - 1)
        values = np.concatenate(scaled)
        summed = np.bincount(clusters[index], weights=values)
        return _Spread(float(np.sqrt((summed**2).sum())), df, RowInfluence(index, values))

    # --- rows -------------------------------------------------------------------------------------------------------

    def _key(self, term: str, measure: str, unit: str) -> RowKey:
        return RowKey(self.spec.name, self.spec.exit, self.population, term, measure, unit)

    def _append(
        self, key: RowKey, numbers: tuple[float, float, float, float, float], influence: RowInfluence | None
    ) -> None:
        self.keys.append(key)
        self.numbers.append(numbers)
        self.influence.append(influence)

    def _add(self, key: RowKey, estimate: float, spread: _Spread, n: float, smallest: float) -> None:
        if spread.fault:
            self._note(key, "std_error", spread.fault)
        elif spread.error == 0.0 and key.measure not in ("cumulative_incidence", "one_minus_survival", "time_lost"):
            self._note(key, "p_value", "nobody here moves this number, so an error of 0 says nothing")
        self._append(key, (estimate, spread.error, spread.df, n, float(smallest)), spread.influence)

    def _missing(self, key: RowKey, reason: str, column: str = "estimate") -> None:
        self._append(key, (np.nan, np.nan, np.nan, np.nan, np.nan), None)
        self._note(key, column, reason)

    def _note(self, key: RowKey, column: str, reason: str) -> None:
        self.remarks.append(Note(*key[:4], column, reason))

    def _remark(self, reason: str) -> None:
        self.remarks.append(self.spec.note(reason, outcome=self.spec.exit, population=self.population))

    def _glance(
        self,
        inside: NDArray[np.bool_],
        member: NDArray[np.bool_],
        grouped: NDArray[np.bool_],
        weighted: NDArray[np.bool_],
    ) -> None:
        exits, spec, study = self.exits, self.spec, self.study
        for mask, words in (
            (exits.no_times, "without a time of entry or exit"),
            (exits.unknown, "whose ending is not known"),
            (~grouped & (exits.group < 0) if spec.by else np.zeros(study.n, dtype=bool), f"with an empty `{spec.by}`"),
        ):
            count = int((inside & mask).sum())
            if count:
                self._remark(f"{count:,} of {int(inside.sum()):,} people {words} are left out")
        never = int((inside & exits.no_follow_up).sum())
        if never:
            self._remark(never_at_risk(never, int(inside.sum()), "they left on the day it began, or before `start`"))
        clusters = None if study.clusters is None else np.unique(study.clusters[member]).size
        own = None if exits.weights is None else exits.weights[member]
        arms = self.compares
        if isinstance(study.design, ComparisonDesign) and self.compares:
            by = "are adjusted by the design's weights alone" if exits.weights is not None else "are as observed"
            self._remark(f"groups were not randomised: curves {by}, covariates enter the regressions only")
        self.glances.append(
            {
                "analysis": spec.name,
                "outcome": spec.exit,
                "population": self.population,
                "kind": spec.kind,
                "estimand": f"cumulative incidence of {spec.interest} with competing exits",
                "method": "Aalen-Johansen, time since "
                + ("absence began" if spec.clock == "absence" else "observation began")
                + (", delayed entry" if exits.delayed else "")
                + (", averaged over strata" if study.strata is not None else ""),
                "inference": "infinitesimal jackknife"
                + ("" if clusters is None else f" by {study.design.clusters}, G/(G-1)"),
                "evidence": study.design.evidence,
                "n_assigned": int(inside.sum()),
                "n_analysed": int(member.sum()),
                "n_treated": int((member & (exits.group < len(exits.groups) - 1)).sum()) if arms else None,
                "n_control": int((member & (exits.group == len(exits.groups) - 1)).sum()) if arms else None,
                "n_missing_outcome": int((inside & (exits.no_times | exits.unknown)).sum()),
                "n_missing_covariates": int((inside & exits.usable & ~grouped).sum()),
                "n_not_eligible": int((inside & exits.no_follow_up).sum()),
                "n_zero_weight": int((inside & exits.usable & grouped & ~weighted).sum()),
                "n_dropped_strata": 0,
                "clusters": clusters,
                "missing_rule": "unknown endings left out; still absent people censored at last contact",
                "weights": study.design.weights or "none",
                "effective_n": effective_n(own, int(member.sum())),
                "conf_level": spec.conf_level,
                "design_df": float("inf") if clusters is None else float(clusters - 1),
                "independence_assumed": False,
            }
        )

    def estimates(self) -> Estimates:
        """Close the rows."""
        study = self.study
        block = Influence(
            table=study.design.table,
            token=study.data_hash,
            units=study.units,
            clusters=study.clusters,
            rows=tuple(self.influence),
        )
        columns = np.array(self.numbers, dtype=np.float64).reshape(len(self.keys), 5).T
        return Estimates.build(
            keys=self.keys,
            working=columns[0],
            working_se=columns[1],
            df=columns[2],
            n=columns[3],
            conf_level=self.spec.conf_level,
            tests=self.tests,
            intervals=self.intervals,
            influence=[block],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=columns[4],
            curves=self.curves,
        )
