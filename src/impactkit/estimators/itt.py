"""Intention to treat: the effect of being offered the programme, under the design's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, Inference, Linearised, choose_inference
from impactkit.design import Design
from impactkit.errors import NotEstimableError, RefusalError
from impactkit.estimators.regression import Adjustment, Regression, influence_block, regress, trial_matrix
from impactkit.estimators.sample import OneArmed, Sample, arms_of, complete_rows, draw_sample, treated_labels
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["IntentToTreat", "effective_n", "glance_row"]

_METHODS = {"none": "difference in means", "ancova": "ANCOVA", "lin": "Lin (2013) interacted adjustment"}


class IntentToTreat(Analysis):
    """Effect of allocation on one or more outcomes, by population, as randomised.

    Use it for the headline impact of a trial. Strata, clusters, weights and populations come from the
    design and are never asked for again; all outcomes of one population share their factorisation.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    outcome : str or tuple of str
        Declared outcomes, or columns (their kind is then inferred).
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    covariates : tuple of str
        Baseline columns to adjust for. Text columns become dummies, the first level being the reference.
    adjustment : {"none", "ancova", "lin"}, optional
        ``"ancova"`` when covariates are given and nothing is said. With strata and ``"none"`` the estimate
        is the blocked difference in means.
    inference : HC0, HC1, HC2, HC3, CR2 or Linearised, optional
        CR2 when the design has clusters, HC2 otherwise.
    df : {"residual", "welch"}
        Degrees of freedom without clusters; Welch-Satterthwaite for the plain difference in means only.
    one_armed : {"error", "drop"}
        A stratum with one arm only among the people analysed fails its row, or is left out and counted.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        For each population and outcome one ``difference`` row per treated arm, then the control mean.

    Notes
    -----
    The estimate is the coefficient on the arm in weighted least squares of the outcome on: the arm
    (no strata); the arm interacted with centred stratum dummies (strata, which equals
    :math:`\\sum_b (n_b/n) \\hat\\tau_b`); arm, covariates and stratum dummies (ANCOVA); arm interacted with
    centred covariates and dummies (Lin 2013). Columns are centred at the mean of the people analysed,
    weighted if they are. Influence values are those of the coefficient, with the small-sample factor of the
    chosen errors; their squares, summed within cluster first, give the variance.

    Complete cases are used outcome by outcome; ``glance()`` counts everybody left out.

    References
    ----------
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data. *Annals of Applied
    Statistics* 7(1).
    Pustejovsky, J. E. and Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation.
    *Journal of Business & Economic Statistics* 36(4).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(8), "arm": ["IPS", "usual"] * 4, "work": [1, 0, 1, 0, 1, 1, 0, 0]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
    ...                         outcomes=(ik.Outcome(name="work", kind="binary"),))
    >>> result = ik.Evaluation(design, people, [ik.IntentToTreat(name="itt", outcome="work")]).fit(seed=1)
    >>> result.tidy()[["term", "measure", "estimate", "n"]]
               term     measure  estimate    n
    0           IPS  difference      0.50  8.0
    1  control_mean        mean      0.25  4.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial"})

    kind: Literal["intent_to_treat"] = "intent_to_treat"
    outcome: str | tuple[str, ...] = Field(min_length=1)
    populations: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    adjustment: Adjustment | None = None
    inference: Inference | None = None
    df: Literal["residual", "welch"] = "residual"
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.adjustment in ("ancova", "lin") and not self.covariates:
            raise ValueError(f'`adjustment="{self.adjustment}"` needs `covariates`')
        if self.adjustment == "none" and self.covariates:
            raise ValueError('`covariates` are given but `adjustment="none"` would not use them: leave one out')
        if self.df == "welch" and self.covariates:
            raise ValueError('`df="welch"` belongs to the plain difference in means: leave `covariates` out')
        return self

    @property
    def adjustment_used(self) -> Adjustment:
        """The adjustment asked for, or ANCOVA when covariates are given."""
        return self.adjustment or ("ancova" if self.covariates else "none")

    def outcome_names(self) -> tuple[str, ...]:
        return (self.outcome,) if isinstance(self.outcome, str) else self.outcome

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        return tuple(ColumnNeed(column=name, role="any", by=f'analysis "{self.name}"') for name in self.covariates)

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        if design is None:
            return said
        who = f'IntentToTreat "{self.name}"'
        try:
            choose_inference(self.inference, design, who)
        except RefusalError as error:
            said.append(str(error))
        if self.df == "welch" and (design.strata or design.clusters or self._declares_weights(design)):
            said.append(f'{who} asks for df="welch", which is defined without strata, clusters and weights only.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        return estimate_linear(self, study)


def estimate_linear(spec: IntentToTreat, study: StudyData) -> Estimates:
    """Estimate every population and outcome of an :class:`IntentToTreat`, sharing factorisations."""
    inference = choose_inference(spec.inference, study.design, f'IntentToTreat "{spec.name}"')
    covariates = study.covariates(spec.covariates).matrix if spec.covariates else None
    complete = complete_rows(covariates)
    labels = list(treated_labels(study))
    rows = _Rows(spec, labels)
    for population in spec.chosen_populations(study.design):
        samples: list[Sample] = []
        for outcome in spec.outcome_names():
            try:
                samples.append(
                    draw_sample(
                        study, outcome=outcome, population=population, complete=complete, one_armed=spec.one_armed
                    )
                )
            except NotEstimableError as reason:
                rows.fail(outcome, population, str(reason), study)
        groups: dict[tuple[bytes, str | None], list[Sample]] = {}
        for sample in samples:
            groups.setdefault(sample.key, []).append(sample)
        for group in groups.values():
            _solve_group(spec, study, group, covariates, inference, rows)
    return rows.estimates(study, inference)


def _solve_group(
    spec: IntentToTreat,
    study: StudyData,
    group: list[Sample],
    covariates: NDArray[np.float64] | None,
    inference: Inference,
    rows: _Rows,
) -> None:
    member = group[0].member
    weights = None if group[0].weights is None else group[0].weights[member]
    people = np.flatnonzero(member)
    values = np.stack([sample.values[people] for sample in group]).T
    arm = arms_of(study)[people]
    matrix = trial_matrix(
        arm=arm,
        arms=len(rows.labels) + 1,
        strata=None if study.strata is None else study.strata[people],
        covariates=None if covariates is None else covariates[people],
        weights=weights,
        adjustment=spec.adjustment_used,
    )
    terms = list(range(1, len(rows.labels) + 1))
    is_control = arm == 0
    control_member = member.copy()
    control_member[people[~is_control]] = False
    try:
        effects = regress(
            study, matrix=matrix, outcomes=values, member=member, weights=weights, rows=terms, inference=inference
        )
        controls = regress(
            study,
            matrix=np.ones((int(is_control.sum()), 1)),
            outcomes=values[is_control],
            member=control_member,
            weights=None if weights is None else weights[is_control],
            rows=[0],
            inference=inference,
        )
    except NotEstimableError as reason:
        for sample in group:
            rows.fail(sample.outcome.name, sample.population, str(reason), study)
        return
    if spec.df == "welch":
        effects = _with_welch_df(effects, arm=arm, values=values)
    for place, sample in enumerate(group):
        rows.add(study, sample, place, effects, controls)


def _with_welch_df(effects: Regression, *, arm: NDArray[np.int8], values: NDArray[np.float64]) -> Regression:
    from dataclasses import replace

    df = effects.df.copy()
    control = values[arm == 0]
    base = control.var(axis=0, ddof=1) / len(control)
    for term in range(len(df)):
        treated = values[arm == term + 1]
        own = treated.var(axis=0, ddof=1) / len(treated)
        df[term] = (own + base) ** 2 / (own**2 / (len(treated) - 1) + base**2 / (len(control) - 1))
    return replace(effects, df=df)


class _Rows:
    """Rows under construction, in the order outcomes were asked for within each population."""

    def __init__(self, spec: IntentToTreat, labels: list[str]) -> None:
        self.spec = spec
        self.labels = labels
        self.found: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self.glances: dict[tuple[str, str], dict[str, Any]] = {}
        self.remarks: list[Note] = []

    def add(self, study: StudyData, sample: Sample, place: int, effects: Regression, controls: Regression) -> None:
        spec, outcome, population = self.spec, sample.outcome, sample.population
        smallest = sample.smallest_cell(arms_of(study))
        n = sample.counts["n_analysed"]
        rows: list[tuple[Any, ...]] = []
        for term, label in enumerate(self.labels):
            key = RowKey(spec.name, outcome.name, population, label, "difference", outcome.unit)
            estimate, error = effects.coef[term, place], effects.std_error[term, place]
            df = effects.df[term, place]
            self._explain(key, estimate, error, df, effects.residual_df)
            rows.append((key, estimate, error, df, n, effects.influence[term][place], smallest))
        key = RowKey(spec.name, outcome.name, population, "control_mean", "mean", outcome.unit)
        n_control = sample.counts["n_control"]
        mean, error, df = controls.coef[0, place], controls.std_error[0, place], controls.df[0, place]
        self._explain(key, mean, error, df, controls.residual_df)
        rows.append((key, mean, error, df, n_control, controls.influence[0][place], smallest))
        self.found[outcome.name, population] = rows
        blocked = study.strata is not None and spec.adjustment_used == "none"
        method = ("blocked " if blocked else "") + _METHODS[spec.adjustment_used]
        if study.strata is not None and not blocked:
            method += " with stratum dummies"
        self.glances[outcome.name, population] = glance_row(
            spec, study, sample, estimand="intention to treat", method=method, df=float(np.fmin.reduce(effects.df[:, place]))
        )
        if sample.dropped_strata:
            self._remark(
                outcome.name,
                population,
                f"{len(sample.dropped_strata)} strata with one arm only were left out as asked "
                f"({sample.counts['n_dropped_strata']} rows): {'; '.join(sample.dropped_strata[:5])}",
            )
        if effects.aliased.any():
            self._remark(
                outcome.name,
                population,
                f"{int(effects.aliased.sum())} of {len(effects.aliased)} columns of the regression follow from the others "
                "and were left out; the effect does not depend on which",
            )

    def fail(self, outcome: str, population: str, reason: str, study: StudyData) -> None:
        spec = study.outcome(outcome).spec
        rows: list[tuple[Any, ...]] = []
        for term, measure in (*((label, "difference") for label in self.labels), ("control_mean", "mean")):
            key = RowKey(self.spec.name, spec.name, population, term, measure, spec.unit)
            rows.append((key, np.nan, np.nan, np.nan, np.nan, None, np.nan))
            self.remarks.append(
                self.spec.note(reason, outcome=spec.name, population=population, term=term, column="estimate")
            )
        self.found[spec.name, population] = rows

    def _explain(self, key: RowKey, estimate: float, error: float, df: float, residual_df: int) -> None:
        if not np.isfinite(estimate):
            column, reason = "estimate", "the arm follows from the other columns of the regression (collinear)"
        elif residual_df <= 0 or not np.isfinite(df):
            column, reason = "std_error", "no degrees of freedom are left: too few people for this specification"
        elif not np.isfinite(error):
            column, reason = (
                "std_error",
                (
                    "somebody is alone in their arm and stratum, so this variance cannot be estimated: join strata, "
                    "or adjust by ANCOVA"
                ),
            )
        elif error == 0.0:
            column, reason = "p_value", "the outcome does not vary, so there is no test"
        else:
            return
        self.remarks.append(Note(key.analysis, key.outcome, key.population, key.term, column, reason))

    def _remark(self, outcome: str, population: str, reason: str) -> None:
        self.remarks.append(self.spec.note(reason, outcome=outcome, population=population))

    def estimates(self, study: StudyData, inference: Inference) -> Estimates:
        order = [
            (study.outcome(outcome).spec.name, population)
            for population in self.spec.chosen_populations(study.design)
            for outcome in self.spec.outcome_names()
        ]
        rows = [row for key in order for row in self.found[key]]
        influences: list[RowInfluence | None] = [row[5] for row in rows]
        return Estimates.build(
            keys=[row[0] for row in rows],
            working=[row[1] for row in rows],
            working_se=[row[2] for row in rows],
            df=[row[3] for row in rows],
            n=[row[4] for row in rows],
            conf_level=self.spec.conf_level,
            influence=[influence_block(study, influences, inference)],
            glances=[self.glances[key] for key in order if key in self.glances],
            remarks=self.remarks,
            min_cell=[row[6] for row in rows],
        )


def effective_n(weights: NDArray[np.float64] | None, n: int) -> float:
    """Give Kish's effective sample size, (Σw)²/Σw²."""
    return float(n) if weights is None else float(weights.sum() ** 2 / (weights**2).sum())


def glance_row(spec: Any, study: StudyData, sample: Sample, *, estimand: str, method: str, df: float) -> dict[str, Any]:
    """Fill the glance row that every estimator on people gives."""
    inference = choose_inference(spec.inference, study.design, spec.name)
    weights = None if sample.weights is None else sample.weights[sample.member]
    clusters = None if study.clusters is None else len(np.unique(study.clusters[sample.member]))
    errors: str = inference.kind if not isinstance(inference, Linearised) else "Taylor linearised"
    if clusters is not None:
        errors += f" by {study.design.clusters}"
    return {
        "analysis": spec.name,
        "outcome": sample.outcome.name,
        "population": sample.population,
        "kind": spec.kind,
        "estimand": estimand,
        "method": method,
        "inference": errors,
        "evidence": study.design.evidence,
        **sample.counts,
        "clusters": clusters,
        "missing_rule": "complete cases, outcome by outcome",
        "weights": sample.weights_column or "none",
        "effective_n": effective_n(weights, sample.counts["n_analysed"]),
        "conf_level": spec.conf_level,
        "design_df": df,
        "independence_assumed": False,
    }
