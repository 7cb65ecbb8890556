"""Rows and curves of parametric models of time: numbers, what they rest on, and what is said about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.survival.parametric import ParametricFit, Times, fit_parametric, model_of
from impactkit.compute.survival.parametric_quantities import Averaged
from impactkit.errors import NotEstimableError
from impactkit.estimators.parametric_curves import GRID, beside, model_curves
from impactkit.estimators.parametric_people import Group, People
from impactkit.estimators.rows import effective_n
from impactkit.estimators.sample import treated_labels
from impactkit.results import Estimates, Influence, Note, RowInfluence, RowKey
from impactkit.results.curves import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.data.study import Covariates
    from impactkit.estimators.parametric_duration import ParametricDuration

__all__ = ["LABELS", "ParametricRows"]

Floats = Any
LABELS = {
    "weibull": "Weibull",
    "lognormal": "log-normal",
    "generalised_gamma": "generalised gamma",
    "royston_parmar": "Royston-Parmar",
}
_NO_ERROR = "AIC and log likelihood are single numbers of a fit and have no standard error"


class ParametricRows:
    """Rows under construction."""

    def __init__(
        self, spec: ParametricDuration, study: StudyData, people: People, covariates: Covariates | None
    ) -> None:
        self.spec, self.study, self.people, self.covariates = spec, study, people, covariates
        self.unit = spec.unit_of(study.design)
        self.arms = treated_labels(study)
        self.control = str(getattr(study.design, "control", "control"))
        self.rows: list[tuple[RowKey, float, float, float, float, RowInfluence | None, float]] = []
        self.remarks: list[Note] = []
        self.glances: list[dict[str, Any]] = []
        self.curves: list[Curve] = []

    # --- one population ----------------------------------------------------------------------------------

    def add(self, group: Group) -> None:
        """Fit every model to a population.

        Raises
        ------
        NotEstimableError
            If nothing can be fitted: nobody, no return, an arm without people.
        """
        times, names = self._times(group)
        happened = times.happened
        if not happened.any():
            raise NotEstimableError(
                f"nobody of {group.index.size:,} people is known to have returned: a distribution needs returns"
            )
        moments = np.where(happened, times.middle, 0.0)
        if np.unique(moments[happened]).size < 2:
            raise NotEstimableError("all known returns came at one time, to which no distribution of times fits")
        self._say_what_is_seen(group, times)
        cell = float(self._smallest(group, times))
        fitted: list[tuple[str, ParametricFit]] = []
        effects, described = [], []
        for name in self.spec.models:
            label = LABELS[name]
            try:
                model = model_of(name, times, knots=self.spec.knots, scale=self.spec.scale)
                fit = fit_parametric(model, times)
                reason = self._fault(fit, int(happened.sum()))
                if name == "royston_parmar" and len(model.knots) < self.spec.knots + 2:
                    self._say(
                        group,
                        f"returns take so few different times that the spline has {max(len(model.knots) - 2, 0)} "
                        f"internal knots, not {self.spec.knots}",
                        label,
                    )
            except np.linalg.LinAlgError:
                fit, reason = None, "the likelihood is so flat that no maximum was found"
            part = _Part(self, group, times, names, label, name, None if reason else fit, reason, cell)
            effects += part.effects()
            described += part.described()
            if fit is not None and not reason:
                fitted.append((label, fit))
                self.curves += model_curves(part)
        self.rows += effects + described
        self.curves += beside(self.spec, self.people, group, times, self.unit, (self.control, *self.arms))
        self._best(group, fitted)
        self._glance(group)

    def fail(self, group: Group, reason: str) -> None:
        """Add a population's rows without numbers, each with the reason."""
        for name in self.spec.models:
            part = _Part(self, group, None, (), LABELS[name], name, None, reason, float("nan"))
            self.rows += part.effects() + part.described()
        self._glance(group)

    def _times(self, group: Group) -> tuple[Times, tuple[str, ...]]:
        """Give the times and covariates of a population: arms, then centred stratum dummies and covariates."""
        index = group.index
        sizes = np.bincount(group.arm, minlength=len(self.arms) + 1)
        if index.size == 0 or (self.arms and (sizes == 0).any()):
            empty = [label for label, size in zip((self.control, *self.arms), sizes, strict=True) if size == 0]
            where = f" in arm {', '.join(empty)}" if self.arms and empty else ""
            raise NotEstimableError(f"nobody is left to analyse{where} (of {group.counts['n_assigned']:,} people)")
        columns = [(group.arm == place + 1).astype(np.float64) for place in range(len(self.arms))]
        names = list(self.arms)
        others: list[tuple[str, NDArray[np.float64]]] = []
        if self.study.strata is not None:
            own = self.study.strata[index]
            others += [(self.study.strata_labels[code], (own == code).astype(float)) for code in np.unique(own)[1:]]
        if self.covariates is not None:
            matrix = self.covariates.matrix[index]
            others += [(name, matrix[:, place]) for place, name in enumerate(self.covariates.names)]
        kept, left_out = _independent(others, group.weights)
        if columns and not _apart(columns, kept):
            raise NotEstimableError("the arm can be told from the strata and covariates, so it has no effect apart")
        if left_out:
            self._say(group, f"left out because constant here or implied by other columns: {', '.join(left_out)}")
        for name, column in kept:
            columns.append(column - math.fsum(column * group.weights) / math.fsum(group.weights))
            names.append(name)
        matrix = np.column_stack(columns) if columns else np.zeros((index.size, 0))
        people = self.people
        times = Times.of(
            people.lower[index],
            people.upper[index],
            entry=people.entry[index],
            weights=group.weights,
            covariates=matrix,
        )
        return times, tuple(names)

    def _smallest(self, group: Group, times: Times) -> int:
        arms = len(self.arms) + 1
        returned = np.bincount(group.arm[times.happened], minlength=arms)
        whole = np.bincount(group.arm, minlength=arms)
        cells = np.concatenate([returned, whole - returned])
        return int(cells[cells > 0].min())

    def _fault(self, fit: ParametricFit, events: int) -> str:
        if not np.isfinite(fit.log_likelihood) or not fit.converged:
            return (
                f"no maximum was found in {fit.steps} steps: the likelihood is flat or rises without end "
                f"({events:,} returns for {fit.k} parameters)"
            )
        if not fit.monotone:
            return "the fitted curve rises somewhere, which no survival curve can: take fewer `knots`"
        return ""

    def _say_what_is_seen(self, group: Group, times: Times) -> None:
        spec, unit = self.spec, self.unit
        first = float(times.entry.min())
        if first > spec.since:
            self._say(
                group,
                f"nobody was under observation before {first:g} {unit}: up to there the curves of the models are what "
                f"the models alone say; `since={first:g}` begins where there are data",
            )
        if spec.extrapolate_to is not None:
            self._say(group, f"the longest follow-up is {times.last:.1f} {unit}; of later times there are no data")
        unseen = group.counts["n_missing_outcome"]
        if unseen:
            self._say(group, f"{unseen:,} people have no known time or were never under observation; left out")
        if self.people.weights is not None:
            self._say(group, "with weights the likelihood is a pseudo-likelihood: AIC is only roughly comparable")
        if self.people.interval:
            between = int((times.happened & ~times.exact).sum())
            self._say(group, f"{between:,} returns are known only to lie between two times")

    def _best(self, group: Group, fitted: list[tuple[str, ParametricFit]]) -> None:
        if len(fitted) < 2:
            return
        label, best = min(fitted, key=lambda pair: pair[1].aic)
        close = [other for other, fit in fitted if other != label and fit.aic - best.aic < 2.0]
        said = f"lowest AIC: {label}" + (f" (within 2 of it: {', '.join(close)})" if close else "")
        self._say(group, said + "; AIC judges the fit where there are data, not beyond")

    def _say(self, group: Group, reason: str, term: str = "") -> None:
        self.remarks.append(self.spec.note(reason, outcome=self.people.outcome, population=group.population, term=term))

    def _glance(self, group: Group) -> None:
        study, clusters = self.study, self.study.clusters
        count = None if clusters is None else int(np.unique(clusters[group.index]).size)
        self.glances.append(
            {
                "analysis": self.spec.name,
                "outcome": self.people.outcome,
                "population": group.population,
                "kind": self.spec.kind,
                "estimand": "parametric model of the time to return",
                "method": "maximum likelihood: " + ", ".join(LABELS[name] for name in self.spec.models),
                "inference": "sandwich" + ("" if clusters is None else f" by {study.design.clusters}"),
                "evidence": study.design.evidence,
                **group.counts,
                "clusters": count,
                "missing_rule": "complete cases",
                "weights": self.people.weights_column or "none",
                "effective_n": effective_n(group.weights, group.index.size),
                "conf_level": self.spec.conf_level,
                "design_df": float("nan") if count is None else float(count - 1),
                "independence_assumed": False,
            }
        )

    def estimates(self) -> Estimates:
        """Close the rows."""
        rows = self.rows
        study = self.study
        block = Influence(
            study.design.table, study.data_hash, study.units, study.clusters, tuple(row[5] for row in rows)
        )
        return Estimates.build(
            keys=[row[0] for row in rows],
            working=[row[1] for row in rows],
            working_se=[row[2] for row in rows],
            df=[row[3] for row in rows],
            n=[row[4] for row in rows],
            conf_level=self.spec.conf_level,
            influence=[block],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[row[6] for row in rows],
            curves=self.curves,
        )


class _Part:
    """One model in one population; without a fit, its rows with the reason."""

    def __init__(
        self, parent: ParametricRows, group: Group, times: Times | None, names: tuple[str, ...], label: str, name: str,
        fit: ParametricFit | None, reason: str, cell: float,
    ) -> None:  # fmt: skip
        self.parent, self.group, self.times, self.names = parent, group, times, names
        self.label, self.name, self.fit, self.reason, self.cell = label, name, fit, reason, cell
        self.spec, self.unit, self.arms = parent.spec, parent.unit, parent.arms
        clusters = parent.study.clusters
        own = None if clusters is None else clusters[group.index]
        self.groups = group.index.size if own is None else int(np.unique(own).size)
        self.df = np.inf if own is None else float(self.groups - 1)
        self.codes = None if own is None else np.unique(own, return_inverse=True)[1]
        self.factor = float(np.sqrt(self.groups / (self.groups - 1))) if self.groups > 1 else float("nan")
        if fit is not None and times is not None:
            self.carried = fit.influence
            self.patterns, self.place = np.unique(times.covariates[:, len(self.arms) :], axis=0, return_inverse=True)
            self.place = self.place.ravel()
            self.mass = np.asarray(np.bincount(self.place, weights=times.weights), dtype=np.float64)

    def averaged(self, arm: int) -> Averaged:
        """Give the model averaged over everybody's covariates, all in one arm."""
        assert self.fit is not None
        head = np.zeros((self.mass.size, len(self.arms)))
        if arm:
            head[:, arm - 1] = 1.0
        return Averaged(self.fit, np.hstack([head, self.patterns]), self.mass, self.spec.since)

    def values(self, gradient: Floats, each: Floats | None = None, mean: Floats = 0.0) -> Floats:
        """Give the influence values of a function of the parameters, and of the average over covariates."""
        found = self.carried @ gradient
        if each is not None and each.shape[0] > 1:
            weights = self.group.weights
            share = weights / weights.sum()
            found = (
                found + (share * (each[self.place] - mean).T).T
                if each.ndim == 1
                else found + share[:, None] * (each[self.place] - mean)
            )
        return found * self.factor

    def error(self, values: Floats) -> Any:
        """Sum within clusters, square, sum, take the root."""
        if self.codes is not None:
            sums = np.zeros((self.groups, *values.shape[1:]))
            np.add.at(sums, self.codes, values)
            values = sums
        return np.sqrt((values**2).sum(axis=0))

    # --- rows ------------------------------------------------------------------------------------------

    def effects(self) -> list[Any]:
        """Give the rows that compare arms."""
        found = []
        ratio = "time_ratio"
        if self.name == "royston_parmar":
            ratio = "hazard_ratio" if self.spec.scale == "hazard" else "odds_ratio"
        for arm, label in enumerate(self.arms, 1):
            term = f"{self.label}: {label}"
            found.append(self._row(term, ratio, "ratio", partial(self._coefficient, arm)))
            found.append(self._row(term, "difference", self.unit, partial(self._difference, arm)))
        return found

    def described(self) -> list[Any]:
        """Give the rows that describe a model."""
        found = [
            self._fixed("aic", lambda fit: fit.aic),
            self._fixed("log_likelihood", lambda fit: fit.log_likelihood),
        ]
        if self.fit is not None:
            kinds, values, jacobian = self.fit.natural()
            for place, kind in enumerate(kinds):
                named = self.names[int(kind[1:])] if kind.startswith("x") else kind
                found.append(
                    self._row(
                        f"{self.label}: {named}", "parameter", "coefficient",
                        partial(self._parameter, float(values[place]), jacobian[place]),
                    )
                )  # fmt: skip
        until = self.spec.extrapolate_to
        for arm, label in enumerate((self.parent.control, *self.arms)):
            term = f"{self.label}: {label}" if self.arms else self.label
            found.append(self._row(term, "restricted_mean", self.unit, partial(self._mean, arm)))
            if until is not None:
                far = f"{term} to {until:g} {self.unit}"
                found.append(self._row(far, "extrapolated_mean", self.unit, partial(self._far, arm)))
                found.append(self._row(far, "extrapolated_share", "proportion", partial(self._share, arm)))
                if self.fit is not None:
                    self._label_extrapolation(found[-2], found[-1])
        return found

    def _label_extrapolation(self, mean: Any, share: Any) -> None:
        last, until = self._last(), float(self.spec.extrapolate_to or 0.0)
        if until <= last:
            said = f"follow-up reaches {last:g} {self.unit}, so nothing of this mean is extrapolated"
        else:
            said = (
                f"an extrapolation: nobody was followed beyond {last:.1f} {self.unit}, and {share[1]:.0%} of this mean "
                "is what the model alone says of the time after; the interval holds the model to be true"
            )
        self.parent.remarks.append(
            self.spec.note(said, outcome=mean[0].outcome, population=mean[0].population, term=mean[0].term)
        )

    def _row(self, term: str, measure: str, unit: str, make: Callable[[], tuple[float, Floats]]) -> Any:
        key = RowKey(self.spec.name, self.parent.people.outcome, self.group.population, term, measure, unit)
        nan = float("nan")
        remarks = self.parent.remarks
        if self.fit is None:
            remarks.append(Note(*key[:4], "estimate", self.reason))
            return key, nan, nan, nan, float(self.group.index.size), None, self.cell
        try:
            value, values = make()
        except NotEstimableError as fault:
            remarks.append(Note(*key[:4], "estimate", str(fault)))
            return key, nan, nan, nan, float(self.group.index.size), None, self.cell
        error = float(self.error(values))
        carried: RowInfluence | None = RowInfluence(self.group.index, values)
        if not np.isfinite(error):
            remarks.append(Note(*key[:4], "std_error", "one cluster (or person) alone carries this number"))
            error, carried = nan, None
        return key, value, error, self.df, float(self.group.index.size), carried, self.cell

    def _fixed(self, measure: str, make: Callable[[ParametricFit], float]) -> Any:
        key = RowKey(self.spec.name, self.parent.people.outcome, self.group.population, self.label, measure, "")
        nan = float("nan")
        if self.fit is None:
            self.parent.remarks.append(Note(*key[:4], "estimate", self.reason))
            return key, nan, nan, nan, float(self.group.index.size), None, self.cell
        if measure == "aic":
            self.parent.remarks.append(Note(*key[:4], "std_error", _NO_ERROR))
        return key, make(self.fit), nan, nan, float(self.group.index.size), None, self.cell

    # --- numbers -----------------------------------------------------------------------------------------

    def _last(self) -> float:
        assert self.times is not None
        return self.times.last

    def _parameter(self, value: float, gradient: Floats) -> tuple[float, Floats]:
        return value, self.values(gradient)

    def _coefficient(self, arm: int) -> tuple[float, Floats]:
        assert self.fit is not None
        kinds, values, jacobian = self.fit.natural()
        place = kinds.index(f"x{arm - 1}")
        return float(values[place]), self.values(jacobian[place])

    def _within(self) -> None:
        if self.spec.horizon > self._last():
            raise NotEstimableError(
                f"nobody was followed to {self.spec.horizon:g} {self.unit} (the longest is {self._last():g}): "
                "lower the horizon, or ask for `extrapolate_to`"
            )

    def _difference(self, arm: int) -> tuple[float, Floats]:
        self._within()
        one, none = (self.averaged(place).restricted_mean(self.spec.horizon) for place in (arm, 0))
        gap = one.value - none.value
        return gap, self.values(one.gradient - none.gradient, one.each - none.each, gap)

    def _mean(self, arm: int) -> tuple[float, Floats]:
        self._within()
        found = self.averaged(arm).restricted_mean(self.spec.horizon)
        return found.value, self.values(found.gradient, found.each, found.value)

    def _far(self, arm: int) -> tuple[float, Floats]:
        found = self.averaged(arm).restricted_mean(float(self.spec.extrapolate_to or 0.0))
        return found.value, self.values(found.gradient, found.each, found.value)

    def _share(self, arm: int) -> tuple[float, Floats]:
        until, last = float(self.spec.extrapolate_to or 0.0), self._last()
        if until <= last:
            raise NotEstimableError(f"follow-up reaches {last:g} {self.unit}: nothing is extrapolated")
        whole, seen = (
            self.averaged(arm).restricted_mean(until),
            self.averaged(arm).restricted_mean(max(last, self.spec.since)),
        )
        share = 1.0 - seen.value / whole.value
        slope = (seen.value * whole.gradient / whole.value - seen.gradient) / whole.value
        each = (seen.value * whole.each / whole.value - seen.each) / whole.value
        return share, self.values(slope, each, 0.0)

    def curve(self, arm: int, moments: Floats) -> tuple[Floats, Floats]:
        """Give S and the standard error of log(−log S) at some times."""
        alive, gradient, each = self.averaged(arm).survival(moments)
        values = self.values(gradient.T, each, alive)
        with np.errstate(divide="ignore", invalid="ignore"):
            return alive, self.error(values) / np.abs(alive * np.log(alive))

    def grid(self) -> tuple[Floats, Floats]:
        """Give the times of the curve within follow-up, and beyond it (empty without an extrapolation)."""
        begin, last = self.spec.since, self._last()
        far = self.spec.extrapolate_to
        within = np.linspace(begin, last, GRID)
        beyond = np.linspace(last, far, GRID // 2) if far is not None and far > last else np.zeros(0)
        return within, beyond


def _independent(
    columns: list[tuple[str, NDArray[np.float64]]], weights: NDArray[np.float64]
) -> tuple[list[tuple[str, NDArray[np.float64]]], list[str]]:
    """Keep columns that add something to a constant and those before them."""
    kept: list[tuple[str, NDArray[np.float64]]] = []
    left_out: list[str] = []
    basis = [np.ones(weights.size) / np.sqrt(weights.size)]
    for name, column in columns:
        rest = column - column.mean()
        size = float(np.linalg.norm(rest))
        for _ in range(2):
            for vector in basis:
                rest = rest - vector * float(vector @ rest)
        if size <= 1e-12 * max(1.0, float(np.abs(column).max(initial=0.0))) or np.linalg.norm(rest) <= 1e-9 * size:
            left_out.append(name)
            continue
        basis.append(rest / np.linalg.norm(rest))
        kept.append((name, column))
    return kept, left_out


def _apart(arms: list[NDArray[np.float64]], kept: list[tuple[str, NDArray[np.float64]]]) -> bool:
    """Whether the arms add something to the other columns."""
    others = [(name, column) for name, column in kept]
    both = [*others, *((f"arm {place}", column) for place, column in enumerate(arms))]
    return not _independent(both, np.ones(arms[0].size))[1]
