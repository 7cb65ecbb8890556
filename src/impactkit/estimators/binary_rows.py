"""The rows of risks by arm: fitted, standardised, with their joint uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import Inference, choose_inference
from impactkit.compute.firth import fit_firth
from impactkit.compute.leastsquares import fit
from impactkit.compute.logistic import LogisticFit, chance, fit_logistic, working_regression
from impactkit.errors import NotEstimableError
from impactkit.estimators.itt import estimate_linear
from impactkit.estimators.margins import Spread, average_part, spread
from impactkit.estimators.regression import influence_block
from impactkit.estimators.sample import Sample, arms_of, complete_rows, draw_sample, treated_labels
from impactkit.estimators.separated import why_not_fitted
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.binary import BinaryEffect

__all__ = ["Run"]

MEASURES = ("difference", "risk_ratio", "odds_ratio")
MARGINAL = (
    "risk and odds ratios are marginal: ratios of the risks, and of the odds, that everybody analysed would have "
    "in each arm; an odds ratio conditional on covariates is another quantity, further from 1 even in a trial as a "
    "rule, since odds ratios are not collapsible"
)

FLAT = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class _Risks:
    """Marginal risks of all arms, and how they depend on coefficients and on the people averaged over.

    Parameters
    ----------
    values : ndarray of shape (A,)
    gradient : ndarray of shape (A, k)
    averaging : ndarray of shape (A, n) or None
    """

    values: NDArray[np.float64]
    gradient: NDArray[np.float64]
    averaging: NDArray[np.float64] | None


@dataclass(slots=True)
class _Line:
    key: RowKey
    estimate: float = float("nan")
    error: float = float("nan")
    df: float = float("nan")
    n: float = float("nan")
    influence: RowInfluence | None = None
    cell: float = float("nan")


@dataclass(slots=True)
class _Columns:
    """The design matrix of one sample, rebuilt for any allocation."""

    arms: int
    controls: NDArray[np.float64]
    names: list[str]
    crossed: bool

    def matrix(self, arm: NDArray[np.int8]) -> NDArray[np.float64]:
        """Give constant, arms, covariates and stratum dummies, and their products with the arm if crossed."""
        treated = (arm[:, None] == np.arange(1, self.arms)).astype(np.float64)
        products = [treated[:, [place]] * self.controls for place in range(self.arms - 1)] if self.crossed else []
        return np.hstack([np.ones((len(arm), 1)), treated, self.controls, *products])

    def labels(self, arms: list[str]) -> list[str]:
        """Name the columns of the matrix."""
        products = [f"{name} × {arm}" for arm in arms for name in self.names] if self.crossed else []
        return ["constant", *arms, *self.names, *products]


@dataclass
class Run:
    """One pass over outcomes and populations: fits, standardises, and writes the rows."""

    spec: BinaryEffect
    study: StudyData
    lines: list[_Line] = field(default_factory=list)
    remarks: list[Note] = field(default_factory=list)
    least_df: dict[tuple[str, str], float] = field(default_factory=dict)

    def estimates(self) -> Estimates:
        spec, study = self.spec, self.study
        inference = choose_inference(spec.inference, study.design, spec.name)
        base = estimate_linear(spec.intention_to_treat(), study)
        labels = list(treated_labels(study))
        adjusted = bool(spec.covariates)
        self.remarks += [note for note in base.remarks if not (adjusted and note.term in labels)]
        for population in spec.chosen_populations(study.design):
            for name in spec.outcome_names():
                outcome = study.outcome(name).spec.name
                own = {key.term: place for place, key in enumerate(base.keys) if key[1:3] == (outcome, population)}
                self._solve(name, population, labels, inference, base, own)
                self.lines.append(_from_base(base, own["control_mean"]))
        return Estimates.build(
            keys=[line.key for line in self.lines],
            working=[line.estimate for line in self.lines],
            working_se=[line.error for line in self.lines],
            df=[line.df for line in self.lines],
            n=[line.n for line in self.lines],
            conf_level=spec.conf_level,
            influence=[influence_block(study, [line.influence for line in self.lines], inference)],
            glances=[self._glance(glance) for glance in base.glances],
            remarks=self.remarks,
            min_cell=[line.cell for line in self.lines],
        )

    # --- one outcome in one population ------------------------------------------------------------------

    def _solve(
        self, name: str, population: str, labels: list[str], inference: Inference, base: Estimates, own: dict[str, int]
    ) -> None:
        spec, study = self.spec, self.study
        covariates = study.covariates(spec.covariates) if spec.covariates else None
        outcome = study.outcome(name).spec.name
        lines = {
            (label, measure): _Line(self._key(outcome, population, label, measure))
            for label in labels
            for measure in (*MEASURES, *(("conditional",) if spec.conditional else ()))
        }
        self.lines += lines.values()
        if covariates is None:
            for label in labels:
                _copy(lines[label, "difference"], base, own[label])
        measures = MEASURES if covariates is not None else MEASURES[1:]
        try:
            sample = draw_sample(
                study,
                outcome=name,
                population=population,
                complete=complete_rows(None if covariates is None else covariates.matrix),
                one_armed=spec.one_armed,
            )
        except NotEstimableError as reason:
            self._fail(lines, labels, (*measures, "conditional"), str(reason), said=covariates is None)
            return
        self.remarks.append(spec.note(MARGINAL, outcome=outcome, population=population))
        for line in lines.values():
            line.n, line.cell = sample.counts["n_analysed"], sample.smallest_cell(arms_of(study))
        layout = self._layout(sample, covariates, crossed=covariates is None or spec.adjustment == "lin")
        if covariates is None:
            self._unadjusted(sample, layout, labels, inference, lines)
            if spec.conditional:
                self._logistic(sample, self._layout(sample, None, crossed=False), labels, inference, lines, ())
        else:
            self._logistic(sample, layout, labels, inference, lines, MEASURES)

    def _layout(self, sample: Sample, covariates: Any, *, crossed: bool) -> _Columns:
        """Give covariates and stratum dummies, centred at the (weighted) mean of the people analysed."""
        study, people = self.study, np.flatnonzero(sample.member)
        blocks: list[NDArray[np.float64]] = []
        names: list[str] = []
        if covariates is not None:
            blocks.append(covariates.matrix[people])
            names += covariates.names
        if study.strata is not None:
            present, codes = np.unique(study.strata[people], return_inverse=True)
            blocks.append((codes[:, None] == np.arange(1, len(present))).astype(np.float64))
            names += [study.strata_labels[code] for code in present[1:]]
        controls = np.hstack(blocks) if blocks else np.zeros((len(people), 0))
        if controls.size:
            weights = None if sample.weights is None else sample.weights[people]
            controls = controls - np.average(controls, axis=0, weights=weights)
        return _Columns(len(treated_labels(study)) + 1, controls, names, crossed)

    def _unadjusted(
        self,
        sample: Sample,
        layout: _Columns,
        labels: list[str],
        inference: Inference,
        lines: dict[tuple[str, str], _Line],
    ) -> None:
        """Ratios of (blocked) shares: the regression of IntentToTreat, other contrasts of it."""
        people = np.flatnonzero(sample.member)
        weights = None if sample.weights is None else sample.weights[people]
        matrix = layout.matrix(arms_of(self.study)[people])
        solution = fit(X=matrix, Y=sample.values[people, None], weights=weights)
        gradient = np.zeros((layout.arms, matrix.shape[1]))
        gradient[:, 0] = 1.0
        gradient[np.arange(1, layout.arms), np.arange(1, layout.arms)] = 1.0
        kept = ~solution.aliased
        risks = _Risks(gradient[:, kept] @ solution.coef[kept, 0], gradient, None)

        def measured(rows: NDArray[np.float64], averaging: NDArray[np.float64] | None) -> Spread:
            return spread(
                self.study,
                regression=solution,
                columns=matrix,
                weights=weights,
                rows=rows,
                averaging=averaging,
                member=sample.member,
                inference=inference,
            )

        self._fill(risks, measured, labels, lines, MEASURES[1:])

    def _logistic(
        self,
        sample: Sample,
        layout: _Columns,
        labels: list[str],
        inference: Inference,
        lines: dict[tuple[str, str], _Line],
        measures: tuple[str, ...],
    ) -> None:
        """Standardised risks from a logistic model, and its own odds ratios if asked for."""
        spec, people = self.spec, np.flatnonzero(sample.member)
        weights = None if sample.weights is None else sample.weights[people]
        y, arm = sample.values[people], arms_of(self.study)[people]
        matrix = layout.matrix(arm)
        wanted = (*measures, *(("conditional",) if spec.conditional else ()))
        solve = fit_firth if spec.firth else fit_logistic
        fitted = solve(X=matrix, y=y, weights=weights) if y.min() < y.max() else None
        if fitted is None or not fitted.converged:
            self._fail(lines, labels, wanted, self._why(matrix, y, arm, layout, labels, fitted, people))
            return
        told = [label for place, label in enumerate(labels, start=1) if place not in fitted.kept]
        if told:
            reason = f"arm {', '.join(told)} follows from the other columns of the regression (collinear)"
            self._fail(lines, labels, wanted, reason)
            return
        regression, columns = working_regression(fitted, X=matrix, weights=weights)

        def measured(rows: NDArray[np.float64], averaging: NDArray[np.float64] | None) -> Spread:
            return spread(
                self.study,
                regression=regression,
                columns=columns,
                weights=weights,
                rows=rows[:, fitted.kept],
                averaging=averaging,
                member=sample.member,
                inference=inference,
            )

        try:
            if measures:
                self._fill(_standardised(fitted, layout, len(y), weights), measured, labels, lines, measures)
            if spec.conditional:
                rows = np.eye(matrix.shape[1])[1 : layout.arms]
                found = measured(rows, None)
                for place, label in enumerate(labels):
                    line = lines[label, "conditional"]
                    line.estimate = float(fitted.coef[place + 1])
                    self._uncertain(line, found, place)
                    given = " and ".join(
                        word
                        for word, there in (("covariates", spec.covariates), ("strata", self.study.strata is not None))
                        if there
                    )
                    self.remarks.append(
                        Note(
                            *line.key[:4],
                            "",
                            f"odds ratio conditional on {given or 'nothing else'}; odds ratios are not collapsible",
                        )
                    )
        except NotEstimableError as reason:
            self._fail(lines, labels, wanted, str(reason))

    def _fill(
        self,
        risks: _Risks,
        measured: Any,
        labels: list[str],
        lines: dict[tuple[str, str], _Line],
        measures: tuple[str, ...],
    ) -> None:
        """Form each measure of each arm against control, with its gradient on the working scale."""
        wanted = [(place, label, measure) for place, label in enumerate(labels, start=1) for measure in measures]
        slopes = np.zeros((len(wanted), len(risks.values)))
        for row, (place, label, measure) in enumerate(wanted):
            line = lines[label, measure]
            value, base = float(risks.values[place]), float(risks.values[0])
            flat = [arm for arm, risk in ((label, value), ("control", base)) if not FLAT < risk < 1.0 - FLAT]
            if measure == "difference":
                line.estimate, slopes[row, [place, 0]] = value - base, (1.0, -1.0)
            elif flat and (measure == "odds_ratio" or min(value, base) <= FLAT):
                line.influence = None
                self.remarks.append(
                    Note(
                        *line.key[:4],
                        "estimate",
                        f"nobody or everybody in arm {' and arm '.join(flat)} has the outcome, so a ratio has no "
                        "finite estimate or error: read the difference",
                    )
                )
            elif measure == "risk_ratio":
                line.estimate, slopes[row, [place, 0]] = float(np.log(value / base)), (1.0 / value, -1.0 / base)
            else:
                odds = value / (1.0 - value), base / (1.0 - base)
                line.estimate = float(np.log(odds[0] / odds[1]))
                slopes[row, [place, 0]] = 1.0 / (value * (1.0 - value)), -1.0 / (base * (1.0 - base))
        averaging = None if risks.averaging is None else slopes @ risks.averaging
        found = measured(slopes @ risks.gradient, averaging)
        for row, (_, label, measure) in enumerate(wanted):
            if np.isfinite(lines[label, measure].estimate):
                self._uncertain(lines[label, measure], found, row)

    def _uncertain(self, line: _Line, found: Spread, row: int) -> None:
        line.error, line.df = float(found.std_error[row]), float(found.df[row])
        line.influence = found.influence[row]
        place = (line.key.outcome, line.key.population)
        self.least_df[place] = float(np.fmin(self.least_df.get(place, np.nan), line.df))
        if not np.isfinite(line.df):
            column, reason = "std_error", "no degrees of freedom are left: too few people for this specification"
        elif not np.isfinite(line.error):
            column, reason = (
                "std_error",
                "somebody is alone in their arm and stratum, or fitted exactly, so this variance cannot be estimated",
            )
        elif line.error == 0.0:
            column, reason = "p_value", "the outcome does not vary, so there is no test"
        else:
            return
        self.remarks.append(Note(*line.key[:4], column, reason))

    # --- words --------------------------------------------------------------------------------------------

    def _why(
        self,
        matrix: NDArray[np.float64],
        y: NDArray[np.float64],
        arm: NDArray[np.int8],
        layout: _Columns,
        labels: list[str],
        fitted: LogisticFit | None,
        people: NDArray[np.intp],
    ) -> str:
        if fitted is None:
            return f"{'everybody' if y[0] == 1 else 'nobody'} has the outcome, so there is nothing to compare"
        names = layout.labels(labels)
        levels = [(f"arm = {label}", arm == place) for place, label in enumerate(["control", *labels])]
        for name in self.spec.covariates:
            if any(column.startswith(f"{name}[") for column in layout.names):
                factor = self.study.factor(name)
                codes = factor.codes[people]
                levels += [(f"{name} = {label}", codes == code) for code, label in enumerate(factor.labels)]
        if self.study.strata is not None:
            codes = self.study.strata[people]
            levels += [(label, codes == code) for code, label in enumerate(self.study.strata_labels)]
        return why_not_fitted(X=matrix[:, fitted.kept], y=y, names=[names[k] for k in fitted.kept], levels=levels)

    def _fail(
        self,
        lines: dict[tuple[str, str], _Line],
        labels: list[str],
        measures: tuple[str, ...],
        reason: str,
        *,
        said: bool = False,
    ) -> None:
        """Leave rows without a number and say why, once a term; ``said`` when the difference has said it."""
        for label in labels:
            terms: dict[str, None] = {}
            for measure in measures:
                if (label, measure) in lines:
                    line = lines[label, measure]
                    line.estimate = line.error = line.df = float("nan")
                    line.influence = None
                    terms[line.key.term] = None
            for term in terms:
                if not (said and term == label):
                    key = next(line.key for line in lines.values() if line.key.term == term)
                    self.remarks.append(Note(*key[:4], "estimate", reason))

    def _key(self, outcome: str, population: str, label: str, measure: str) -> RowKey:
        if measure == "conditional":
            return RowKey(self.spec.name, outcome, population, f"{label}, conditional", "odds_ratio", "ratio")
        unit = "proportion" if measure == "difference" else "ratio"
        return RowKey(self.spec.name, outcome, population, label, measure, unit)

    def _glance(self, glance: Mapping[str, Any]) -> dict[str, Any]:
        spec = self.spec
        method = f"{glance['method']}; marginal risk and odds ratios of the same risks"
        if spec.covariates:
            method = "standardised risks from a logistic model with covariates"
            method += " and stratum dummies" if self.study.strata is not None else ""
            method += ", each interacted with the arm" if spec.adjustment == "lin" else ""
            method += ", by Firth's penalised likelihood (Wald intervals)" if spec.firth else ""
        found = {**glance, "kind": spec.kind, "method": method}
        if spec.covariates:
            found["design_df"] = self.least_df.get((glance["outcome"], glance["population"]), float("nan"))
        return found


def _standardised(fitted: LogisticFit, layout: _Columns, n: int, weights: NDArray[np.float64] | None) -> _Risks:
    """Average predictions with everybody in each arm in turn."""
    coef = np.nan_to_num(fitted.coef)
    values, gradient, averaging = [], [], []
    for place in range(layout.arms):
        matrix = layout.matrix(np.full(n, place, dtype=np.int8))
        eta = matrix @ coef
        p = chance(eta)
        values.append(np.average(p, weights=weights))
        gradient.append(np.average(matrix * (p * chance(-eta))[:, None], axis=0, weights=weights))
        averaging.append(average_part(p, weights))
    return _Risks(np.array(values), np.array(gradient), np.array(averaging))


def _copy(line: _Line, base: Estimates, place: int) -> None:
    """Take a row as the linear analysis has it."""
    line.estimate, line.error = float(base.working[place]), float(base.working_se[place])
    line.df, line.n = float(base.numbers["df"][place]), float(base.numbers["n"][place])
    line.influence, line.cell = base.influence[0].rows[place], float(base.min_cell[place])


def _from_base(base: Estimates, place: int) -> _Line:
    line = _Line(base.keys[place])
    _copy(line, base, place)
    return line
