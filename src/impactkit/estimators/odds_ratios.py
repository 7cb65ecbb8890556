"""Odds ratios of a yes/no outcome by characteristic: logistic regression with reference rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import CR2, HC0, HC1, HC2, HC3, Analysis, ConfLevel, Linearised, choose_inference
from impactkit.compute.firth import Profile, fit_firth, profile_firth
from impactkit.compute.logistic import LogisticFit, chance, fit_logistic, working_regression
from impactkit.design import Design, Spec
from impactkit.design.base import Label
from impactkit.errors import DataError, NotEstimableError, RefusalError, did_you_mean
from impactkit.estimators.margins import Spread, average_part, spread, spread_of_model
from impactkit.estimators.regression import influence_block
from impactkit.estimators.separated import why_not_fitted
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData
    from impactkit.design import Outcome

__all__ = ["ModelBased", "OddsRatios"]


class ModelBased(Spec):
    """Errors that take the logistic model as true: the inverse information, what ``glm`` prints.

    For reproducing a published table, and under Firth's penalty. Refused with weights and clusters.
    """

    kind: Literal["model"] = "model"


OddsInference = Annotated[HC0 | HC1 | HC2 | HC3 | CR2 | Linearised | ModelBased, Field(discriminator="kind")]


class OddsRatios(Analysis):
    r"""Odds ratios of a yes/no outcome by characteristic, each adjusted for the others.

    Use it for "who returned to work?": one analysis for each model, set side by side by
    ``result.to_table("odds_ratios")`` in the layout of Table C.24 of DWP Research Report 896. It describes
    association, on any design; it is never an impact. For the effect of an arm use :class:`BinaryEffect`.

    Parameters
    ----------
    name : str
        What tables call this model.
    outcome : str
        A binary outcome.
    covariates : tuple of str
        Columns, in the order of the table. Text, categories and truth values are categorical; numbers enter as
        they are, one odds ratio per unit, unless ``reference`` names them.
    reference : tuple of (column, level) pairs
        The category with odds ratio 1; by default the first, or the control arm. A column of numbers that is
        named here becomes categorical.
    populations : tuple of str, optional
    inference : HC0, HC1, HC2, HC3, CR2, Linearised or ModelBased, optional
        CR2 when the design has clusters, HC2 otherwise; with ``firth=True`` the model's own, unless there are
        weights or clusters.
    marginal_effects : bool
        Add average marginal effects in percentage points: discrete change from the reference for
        categories, derivative for numbers.
    firth : bool
        Firth's penalised likelihood, which has an answer under separation.
    conf_level : float

    Returns
    -------
    Estimates
        For each population an ``odds_ratio`` row for every category (term ``"column[level]"``; the reference is 1
        without an interval) and number, then ``difference`` rows for marginal effects.

    Notes
    -----
    :math:`\mathrm{logit}\,p_i = x_i'\beta`; the odds ratio of column j is :math:`e^{\beta_j}`, conditional on all
    other columns. Strata that the design declares are in the model as dummies that are not shown; weights make it
    the likelihood of ``svyglm(quasibinomial)``. With CR2 and HC2 the small-sample factors are those of the
    working regression in which the fit ends. The marginal effect of a category is
    :math:`\sum_i w_i\{p_i(\text{level})-p_i(\text{reference})\}/\sum w`; its error carries the estimation of
    :math:`\beta` and that the people averaged over are a sample.

    With ``firth=True`` and the model's own errors, intervals and p values of odds ratios are those of the
    *profile* penalised likelihood; with robust or design-based errors they are Wald's. ``glance()`` says which.

    A category with nobody in it is n/c. Under separation the whole model is n/c and the reason names the
    category or column and the direction.

    References
    ----------
    DWP Research Report 896 (2015), Appendix C, Table C.24.
    Heinze, G. and Schemper, M. (2002). A solution to the problem of separation in logistic regression.
    *Statistics in Medicine* 21.
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with
    multi-stage samples. *Survey Methodology* 28(2).

    Examples
    --------
    Return to work by gender in Greater Manchester (Table C.3: 40 of 69 men, 59 of 99 women):

    >>> import pandas as pd
    >>> import impactkit as ik
    >>> clients = pd.DataFrame({"id": range(168), "gender": ["Male"] * 69 + ["Female"] * 99,
    ...                         "returned": [1] * 40 + [0] * 29 + [1] * 59 + [0] * 40})
    >>> design = ik.BeforeAfterDesign(unit="id", before="id", after="id",
    ...                               outcomes=(ik.Outcome(name="returned", kind="binary"),))
    >>> model = ik.OddsRatios(name="Any return", outcome="returned", covariates=("gender",),
    ...                       reference=(("gender", "Male"),), inference=ik.ModelBased())
    >>> rows = ik.Evaluation(design, clients, [model]).fit(seed=1).tidy()
    >>> rows[["term", "estimate", "conf_low", "conf_high", "p_value"]].round(2)
                 term  estimate  conf_low  conf_high  p_value
    0    gender[Male]      1.00      1.00        1.0      NaN
    1  gender[Female]      1.07      0.57        2.0     0.83
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})

    kind: Literal["odds_ratios"] = "odds_ratios"
    outcome: str = Field(min_length=1)
    covariates: tuple[str, ...] = Field(min_length=1)
    reference: tuple[tuple[str, Label], ...] = ()
    populations: tuple[str, ...] | None = None
    inference: OddsInference | None = None
    marginal_effects: bool = False
    firth: bool = False
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        repeated = [name for name in dict.fromkeys(self.covariates) if self.covariates.count(name) > 1]
        if repeated:
            raise ValueError(f"covariate {', '.join(repeated)} is named more than once")
        for name, _ in self.reference:
            if name not in self.covariates:
                hint = did_you_mean(name, self.covariates)
                raise ValueError(f"`reference` names `{name}`, which is not among the covariates.{hint}")
        return self

    def outcome_names(self) -> tuple[str, ...]:
        """Give the outcome this analysis reads."""
        return (self.outcome,)

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        return tuple(ColumnNeed(column=name, role="any", by=f'analysis "{self.name}"') for name in self.covariates)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour."""
        said = super().refusals(design)
        if design is None:
            return said
        try:
            self.chosen_inference(design)
        except RefusalError as error:
            said.append(str(error))
        declared = design.outcome(self.outcome)
        if declared is not None and declared.kind != "binary":
            said.append(self._not_binary(declared.kind))
        return said

    def chosen_inference(self, design: Design) -> Any:
        """Give the inference asked for, or what follows from the design."""
        plain = design.clusters is None and not self._declares_weights(design)
        if self.inference is None and self.firth and plain:
            return ModelBased()
        if isinstance(self.inference, ModelBased):
            if not plain:
                raise RefusalError(
                    f'OddsRatios "{self.name}" asks for model-based errors, which take people as independent and '
                    "equally weighted, but the design declares clusters or weights: leave `inference` out."
                )
            return self.inference
        return choose_inference(self.inference, design, f'OddsRatios "{self.name}"')

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        spec = study.outcome(self.outcome).spec
        if spec.kind != "binary":
            raise NotEstimableError(self._not_binary(spec.kind))
        return _Run(self, study, spec).estimates()

    def _not_binary(self, kind: str) -> str:
        return (
            f'OddsRatios "{self.name}" reads a yes/no outcome, and outcome "{self.outcome}" is {kind}: declare a '
            "binary outcome with the `event` that counts as 1."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """One covariate: its numbers, or its categories with the reference's place.

    Parameters
    ----------
    values : ndarray of shape (N,)
        Numbers; for categories their codes, NaN where missing.
    levels : tuple of str
        Empty for a number.
    """

    name: str
    values: NDArray[np.float64]
    levels: tuple[str, ...]
    reference: int

    @property
    def codes(self) -> tuple[int, ...]:
        """Categories in the order of the table, the reference first; −1 for a number."""
        if not self.levels:
            return (-1,)
        return (self.reference, *(code for code in range(len(self.levels)) if code != self.reference))

    def label(self, code: int) -> str:
        """Name a row: the column and its category, or the column alone."""
        return self.name if code < 0 else f"{self.name}[{self.levels[code]}]"


@dataclass(slots=True)
class _Line:
    key: RowKey
    estimate: float = float("nan")
    error: float = float("nan")
    df: float = float("nan")
    n: float = float("nan")
    influence: RowInfluence | None = None
    cell: float = float("nan")
    profile: Profile | None = None


@dataclass(slots=True)
class _Sample:
    """The people of one population, and the columns of their model.

    Parameters
    ----------
    where : mapping of (term, code) to int
        Column of each category but the reference; code −1 for a number.
    """

    member: NDArray[np.bool_]
    y: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    codes: dict[str, NDArray[np.float64]]
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    names: list[str] = field(default_factory=list)
    where: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass
class _Run:
    spec: OddsRatios
    study: StudyData
    outcome: Outcome
    lines: list[_Line] = field(default_factory=list)
    remarks: list[Note] = field(default_factory=list)
    glances: list[dict[str, Any]] = field(default_factory=list)

    def estimates(self) -> Estimates:
        spec, study = self.spec, self.study
        inference = spec.chosen_inference(study.design)
        terms = [self._term(name) for name in spec.covariates]
        for population in spec.chosen_populations(study.design):
            self._solve(population, terms, inference)
        profiles = {place: line.profile for place, line in enumerate(self.lines) if line.profile is not None}
        return Estimates.build(
            keys=[line.key for line in self.lines],
            working=[line.estimate for line in self.lines],
            working_se=[line.error for line in self.lines],
            df=[line.df for line in self.lines],
            n=[line.n for line in self.lines],
            conf_level=spec.conf_level,
            intervals={place: (np.exp(found.low), np.exp(found.high)) for place, found in profiles.items()},
            p_values={place: (found.statistic, found.p_value) for place, found in profiles.items()},
            influence=[influence_block(study, [line.influence for line in self.lines], inference)],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[line.cell for line in self.lines],
        )

    # --- columns ----------------------------------------------------------------------------------------

    def _term(self, name: str) -> _Term:
        from impactkit.data.columns import label_text

        study, asked = self.study, dict(self.spec.reference)
        column = study.table("").column(name)
        if column.kind == "number" and column.declared is None and name not in asked and name != self._arm_column():
            return _Term(name, study.numeric(name), (), -1)
        if column.kind == "date":
            raise DataError([f"covariate `{name}` holds dates: give a length of time as a number instead"])
        factor = study.factor(name)
        included = study.population("all") & (factor.codes >= 0)
        present = np.unique(factor.codes[included])
        levels = tuple(factor.labels[code] for code in present)
        codes = np.full(study.n, np.nan)
        codes[included] = np.searchsorted(present, factor.codes[included])
        wanted = asked.get(name, getattr(study.design, "control", None) if name == self._arm_column() else None)
        if wanted is None:
            return _Term(name, codes, levels, 0)
        text = label_text(wanted, truth=column.kind == "truth")
        if text not in levels:
            raise DataError(
                [
                    f'`reference` of OddsRatios "{self.spec.name}" should be a category of `{name}`; nobody has '
                    f'"{text}".{did_you_mean(text, levels)} There are: {", ".join(levels[:20])}'
                ]
            )
        return _Term(name, codes, levels, levels.index(text))

    def _arm_column(self) -> str | None:
        found: str | None = getattr(self.study.design, "arm", None)
        return found

    def _sample(self, population: str, terms: list[_Term]) -> tuple[_Sample, dict[str, int]]:
        column, everyone = self.study.outcome(self.spec.outcome), self.study.population(population)
        assigned = everyone & column.eligible
        observed = assigned & ~np.isnan(column.values)
        weighted = observed if column.weights is None else observed & (np.nan_to_num(column.weights) > 0)
        complete = np.logical_and.reduce([~np.isnan(term.values) for term in terms])
        member = weighted & complete
        counts = {
            "n_assigned": assigned.sum(),
            "n_analysed": member.sum(),
            "n_not_eligible": (everyone & ~assigned).sum(),
            "n_missing_outcome": (assigned & ~observed).sum(),
            "n_zero_weight": (observed & ~weighted).sum(),
            "n_missing_covariates": (weighted & ~member).sum(),
            "n_dropped_strata": 0,
        }
        weights = None if column.weights is None else column.weights[member]
        codes = {term.name: term.values[member] for term in terms}
        return _Sample(member, column.values[member], weights, codes), {key: int(n) for key, n in counts.items()}

    def _build(self, sample: _Sample, terms: list[_Term]) -> None:
        """Lay out the columns: constant, covariates, strata; numbers are centred, which only moves the constant."""
        blocks, names = [np.ones(len(sample.y))], ["constant"]
        for term in terms:
            values = sample.codes[term.name]
            for code in term.codes[1:] if term.levels else term.codes:
                column = values - values.mean() if code < 0 else (values == code).astype(np.float64)
                sample.where[term.name, code] = len(blocks)
                blocks.append(column)
                names.append(term.name if code < 0 else f"{term.name} = {term.levels[code]}")
        if self.study.strata is not None:
            strata = self.study.strata[sample.member]
            for code in np.unique(strata)[1:]:
                blocks.append((strata == code).astype(np.float64))
                names.append(self.study.strata_labels[code])
        sample.matrix, sample.names = np.column_stack(blocks), names

    # --- one population -----------------------------------------------------------------------------------

    def _solve(self, population: str, terms: list[_Term], inference: Any) -> None:
        spec = self.spec
        sample, counts = self._sample(population, terms)
        odds = {
            (term.name, code): self._line(population, term, code, "odds_ratio") for term in terms for code in term.codes
        }
        effects: dict[tuple[str, int], _Line] = {}
        if spec.marginal_effects:
            effects = {
                (term.name, code): self._line(population, term, code, "difference")
                for term in terms
                for code in (term.codes[1:] if term.levels else term.codes)
            }
        self.lines += [*odds.values(), *effects.values()]
        self._count(sample, terms, odds, effects)
        reason, fitted = self._fit(sample, terms)
        if fitted is not None:
            try:
                self._fill(sample, terms, fitted, inference, odds, effects)
            except NotEstimableError as fault:
                reason, fitted = str(fault), None
        if fitted is None:
            for line in (*odds.values(), *effects.values()):
                line.estimate = line.error = line.df = float("nan")
                line.influence = line.profile = None
            for key in dict.fromkeys(line.key[:4] for line in odds.values()):
                self.remarks.append(Note(*key, "estimate", reason))
        self._glance(population, sample, counts, inference, odds)

    def _line(self, population: str, term: _Term, code: int, measure: str) -> _Line:
        unit = "ratio" if measure == "odds_ratio" else "proportion"
        return _Line(RowKey(self.spec.name, self.outcome.name, population, term.label(code), measure, unit))

    def _count(
        self,
        sample: _Sample,
        terms: list[_Term],
        odds: dict[tuple[str, int], _Line],
        effects: dict[tuple[str, int], _Line],
    ) -> None:
        """Count people behind each row; with one covariate an odds ratio gives the two-by-two table away."""
        by_name = {term.name: term for term in terms}
        for (name, code), line in (*odds.items(), *effects.items()):
            line.n = float(len(sample.y))
            if code < 0:
                line.cell = float(min((sample.y == answer).sum() for answer in (0, 1)))
                continue
            masks = [sample.codes[name] == code, sample.codes[name] == by_name[name].reference]
            if len(terms) == 1 and self.study.strata is None:
                masks = [mask & (sample.y == answer) for mask in masks for answer in (0, 1)]
            line.cell = float(min(mask.sum() for mask in masks))

    def _fit(self, sample: _Sample, terms: list[_Term]) -> tuple[str, LogisticFit | None]:
        """Fit the model, or say why there is none."""
        y = sample.y
        if not len(y):
            return "nobody has the outcome and every covariate observed", None
        if y.min() == y.max():
            return f"{'everybody' if y[0] == 1 else 'nobody'} has the outcome, so there is nothing to compare", None
        for term in terms:
            if term.levels and not (sample.codes[term.name] == term.reference).any():
                return (
                    f"nobody analysed is in the reference category {term.label(term.reference)}: choose another with "
                    "`reference`"
                ), None
        self._build(sample, terms)
        solve = fit_firth if self.spec.firth else fit_logistic
        fitted = solve(X=sample.matrix, y=y, weights=sample.weights)
        if fitted.converged:
            return "", fitted
        levels = [
            (f"{term.name} = {level}", sample.codes[term.name] == code)
            for term in terms
            for code, level in enumerate(term.levels)
        ]
        if self.study.strata is not None:
            strata = self.study.strata[sample.member]
            levels += [(label, strata == code) for code, label in enumerate(self.study.strata_labels)]
        kept = fitted.kept
        names = [sample.names[column] for column in kept]
        return why_not_fitted(X=sample.matrix[:, kept], y=y, names=names, levels=levels), None

    def _fill(
        self,
        sample: _Sample,
        terms: list[_Term],
        fitted: LogisticFit,
        inference: Any,
        odds: dict[tuple[str, int], _Line],
        effects: dict[tuple[str, int], _Line],
    ) -> None:
        usable = {place: column for place, column in sample.where.items() if column in fitted.kept}
        rows = np.eye(sample.matrix.shape[1])[list(usable.values())].reshape(len(usable), -1)
        averaging = np.zeros((len(usable), len(sample.y)))
        values = [float(fitted.coef[column]) for column in usable.values()]
        by_name = {term.name: term for term in terms}
        if effects:
            found = [self._marginal(sample, by_name[name], code, fitted) for name, code in usable]
            values += [effect for effect, _, _ in found]
            rows = np.vstack([rows, *[gradient for _, gradient, _ in found]])
            averaging = np.vstack([averaging, *[part for _, _, part in found]])
        uncertainty = self._spread(sample, fitted, rows, averaging, inference)
        shown = [odds[place] for place in usable] + ([effects[place] for place in usable] if effects else [])
        for row, line in enumerate(shown):
            line.estimate, line.error = values[row], float(uncertainty.std_error[row])
            line.df, line.influence = float(uncertainty.df[row]), uncertainty.influence[row]
            self._explain(line)
        if self.spec.firth and isinstance(inference, ModelBased):
            for place, column in usable.items():
                line = odds[place]
                line.profile = profile_firth(
                    fitted, X=sample.matrix, y=sample.y, column=column, conf_level=self.spec.conf_level
                )
                if not np.isfinite([line.profile.low, line.profile.high]).all():
                    self._note(line, "conf_low", "the profile of the penalised likelihood does not fall far enough")
        self._without_estimate(sample, terms, usable, odds)

    def _without_estimate(
        self,
        sample: _Sample,
        terms: list[_Term],
        usable: Mapping[tuple[str, int], int],
        odds: dict[tuple[str, int], _Line],
    ) -> None:
        """Reference rows are 1 by definition; other rows that were not estimated say why."""
        references = {(term.name, term.reference) for term in terms if term.levels}
        for place, line in odds.items():
            if place in references:
                line.estimate, line.error, line.df = 0.0, 0.0, float("inf")
                line.influence = RowInfluence(np.zeros(0, dtype=np.int64), np.zeros(0))
                self._note(line, "p_value", "reference category: odds ratio 1 by definition")
            elif place not in usable:
                name, code = place
                empty = code >= 0 and not (sample.codes[name] == code).any()
                reason = "follows from the other columns of the model (collinear), so it has no odds ratio of its own"
                self._note(line, "estimate", "nobody analysed is in this category" if empty else reason)

    def _marginal(
        self, sample: _Sample, term: _Term, code: int, fitted: LogisticFit
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Average marginal effect: its value, gradient in the coefficients and part of averaging over people."""
        coef = np.nan_to_num(fitted.coef)
        column, weights, matrix = sample.where[term.name, code], sample.weights, sample.matrix
        if code < 0:
            p = chance(matrix @ coef)
            slope = p * (1.0 - p)
            each = slope * coef[column]
            gradient = np.average(coef[column] * (slope * (1.0 - 2.0 * p))[:, None] * matrix, axis=0, weights=weights)
            gradient[column] += np.average(slope, weights=weights)
            return float(np.average(each, weights=weights)), gradient, average_part(each, weights)
        own = [place for (name, _), place in sample.where.items() if name == term.name]
        predicted, gradients = [], []
        for value in (1.0, 0.0):
            as_if = matrix.copy()
            as_if[:, own] = 0.0
            as_if[:, column] = value
            eta = as_if @ coef
            predicted.append(chance(eta))
            gradients.append(np.average(as_if * (chance(eta) * chance(-eta))[:, None], axis=0, weights=weights))
        each = predicted[0] - predicted[1]
        return float(np.average(each, weights=weights)), gradients[0] - gradients[1], average_part(each, weights)

    def _spread(
        self,
        sample: _Sample,
        fitted: LogisticFit,
        rows: NDArray[np.float64],
        averaging: NDArray[np.float64],
        inference: Any,
    ) -> Spread:
        regression, columns = working_regression(fitted, X=sample.matrix, weights=sample.weights)
        if isinstance(inference, ModelBased):
            return spread_of_model(
                regression=regression,
                columns=columns,
                information=fitted.information[np.ix_(fitted.kept, fitted.kept)],
                rows=rows[:, fitted.kept],
                averaging=averaging,
                member=sample.member,
            )
        return spread(
            self.study,
            regression=regression,
            columns=columns,
            weights=sample.weights,
            rows=rows[:, fitted.kept],
            averaging=averaging,
            member=sample.member,
            inference=inference,
        )

    # --- words --------------------------------------------------------------------------------------------

    def _note(self, line: _Line, column: str, reason: str) -> None:
        self.remarks.append(Note(*line.key[:4], column, reason))

    def _explain(self, line: _Line) -> None:
        if np.isnan(line.df):
            self._note(line, "std_error", "no degrees of freedom are left: too few people for this model")
        elif not np.isfinite(line.error):
            self._note(line, "std_error", "somebody is fitted exactly, so this variance cannot be estimated")
        elif line.error == 0.0:
            self._note(line, "p_value", "this row has no variance, so there is no test")

    def _glance(
        self,
        population: str,
        sample: _Sample,
        counts: dict[str, int],
        inference: Any,
        odds: dict[tuple[str, int], _Line],
    ) -> None:
        spec, study = self.spec, self.study
        words = {"linearised": "Taylor linearised", "model": "model-based"}
        errors = words.get(inference.kind, inference.kind)
        method = "logistic regression, odds ratios conditional on the other columns"
        if spec.firth:
            profiled = isinstance(inference, ModelBased)
            intervals = "profile penalised likelihood" if profiled else "Wald"
            method += f"; Firth's penalised likelihood, {intervals} intervals for odds ratios"
        if study.strata is not None:
            method += "; stratum dummies in the model, not shown"
        clusters = None
        if study.clusters is not None:
            clusters = len(np.unique(study.clusters[sample.member]))
            errors += f" by {study.design.clusters}"
        evidence = study.design.evidence
        if study.arm is not None:
            counts["n_treated"] = int((sample.member & (study.arm > 0)).sum())
            counts["n_control"] = int((sample.member & (study.arm == 0)).sum())
        weights = study.design.weights_of(self.outcome)
        df = [line.df for line in odds.values() if np.isfinite(line.df)]
        self.glances.append(
            {
                "analysis": spec.name,
                "outcome": self.outcome.name,
                "population": population,
                "kind": spec.kind,
                "estimand": "association, conditional on the other columns",
                "method": method,
                "inference": errors,
                "evidence": "adjusted comparison" if evidence == "randomised" else evidence,
                **counts,
                "clusters": clusters,
                "missing_rule": "complete cases, model by model",
                "weights": weights if sample.weights is not None else "none",
                "effective_n": _kish(sample.weights, counts["n_analysed"]),
                "conf_level": spec.conf_level,
                "design_df": min(df, default=float("nan")),
                "independence_assumed": False,
            }
        )
        arm = self._arm_column()
        if evidence == "randomised" and arm in spec.covariates:
            self.remarks.append(
                spec.note(
                    f"`{arm}` was allocated at random, so its odds ratio is an effect, conditional on the other "
                    "columns; BinaryEffect gives the marginal one",
                    outcome=self.outcome.name,
                    population=population,
                )
            )


def _kish(weights: NDArray[np.float64] | None, n: int) -> float:
    """Kish's effective number of people."""
    if weights is None or not len(weights):
        return float(n)
    return float(weights.sum() ** 2 / (weights**2).sum())
