"""Rows of odds ratios and marginal effects: one logistic model for each population, filled line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.firth import Profile, fit_firth, profile_firth
from impactkit.compute.logistic import LogisticFit, fit_logistic, working_regression
from impactkit.errors import NotEstimableError
from impactkit.estimators.covariate_terms import Term, read_term
from impactkit.estimators.margins import Spread, marginal_effect, spread, spread_of_model
from impactkit.estimators.regression import influence_block
from impactkit.estimators.rows import effective_n
from impactkit.estimators.separated import why_not_fitted
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.design import Outcome
    from impactkit.estimators.odds_ratios import OddsRatios

__all__ = ["OddsRows"]

MODEL = "model"
"""Errors that take the logistic model as true."""


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
class OddsRows:
    """The rows of one analysis, population by population."""

    spec: OddsRatios
    study: StudyData
    outcome: Outcome
    lines: list[_Line] = field(default_factory=list)
    remarks: list[Note] = field(default_factory=list)
    glances: list[dict[str, Any]] = field(default_factory=list)

    def estimates(self) -> Estimates:
        """Fit every population and close the rows."""
        spec, study = self.spec, self.study
        inference = spec.chosen_inference(study.design)
        asked, who = dict(spec.reference), f'OddsRatios "{spec.name}"'
        terms = [read_term(study, name, asked, who) for name in spec.covariates]
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

    def _sample(self, population: str, terms: list[Term]) -> tuple[_Sample, dict[str, int]]:
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

    def _build(self, sample: _Sample, terms: list[Term]) -> None:
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

    def _solve(self, population: str, terms: list[Term], inference: Any) -> None:
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

    def _line(self, population: str, term: Term, code: int, measure: str) -> _Line:
        unit = "ratio" if measure == "odds_ratio" else "proportion"
        return _Line(RowKey(self.spec.name, self.outcome.name, population, term.label(code), measure, unit))

    def _count(
        self,
        sample: _Sample,
        terms: list[Term],
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

    def _fit(self, sample: _Sample, terms: list[Term]) -> tuple[str, LogisticFit | None]:
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
        terms: list[Term],
        fitted: LogisticFit,
        inference: Any,
        odds: dict[tuple[str, int], _Line],
        effects: dict[tuple[str, int], _Line],
    ) -> None:
        usable = {place: column for place, column in sample.where.items() if column in fitted.kept}
        rows = np.eye(sample.matrix.shape[1])[list(usable.values())].reshape(len(usable), -1)
        averaging = np.zeros((len(usable), len(sample.y)))
        values = [float(fitted.coef[column]) for column in usable.values()]
        if effects:
            coef = np.nan_to_num(fitted.coef)
            found = [
                marginal_effect(
                    sample.matrix,
                    coef,
                    column,
                    weights=sample.weights,
                    siblings=None if code < 0 else [at for (own, _), at in sample.where.items() if own == name],
                )
                for (name, code), column in usable.items()
            ]
            values += [effect for effect, _, _ in found]
            rows = np.vstack([rows, *[gradient for _, gradient, _ in found]])
            averaging = np.vstack([averaging, *[part for _, _, part in found]])
        uncertainty = self._spread(sample, fitted, rows, averaging, inference)
        shown = [odds[place] for place in usable] + ([effects[place] for place in usable] if effects else [])
        for row, line in enumerate(shown):
            line.estimate, line.error = values[row], float(uncertainty.std_error[row])
            line.df, line.influence = float(uncertainty.df[row]), uncertainty.influence[row]
            self._explain(line)
        if self.spec.firth and inference.kind == MODEL:
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
        terms: list[Term],
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

    def _spread(
        self,
        sample: _Sample,
        fitted: LogisticFit,
        rows: NDArray[np.float64],
        averaging: NDArray[np.float64],
        inference: Any,
    ) -> Spread:
        regression, columns = working_regression(fitted, X=sample.matrix, weights=sample.weights)
        if inference.kind == MODEL:
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
            profiled = inference.kind == MODEL
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
                "effective_n": effective_n(sample.weights, counts["n_analysed"]),
                "conf_level": spec.conf_level,
                "design_df": min(df, default=float("nan")),
                "independence_assumed": False,
            }
        )
        arm = getattr(study.design, "arm", None)
        if evidence == "randomised" and arm in spec.covariates:
            self.remarks.append(
                spec.note(
                    f"`{arm}` was allocated at random, so its odds ratio is an effect, conditional on the other "
                    "columns; BinaryEffect gives the marginal one",
                    outcome=self.outcome.name,
                    population=population,
                )
            )
