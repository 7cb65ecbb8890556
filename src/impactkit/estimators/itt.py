"""Intention to treat: the effect of being offered the programme, under the design's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import HC2, Analysis, ConfLevel, Inference, choose_inference
from impactkit.design import Design
from impactkit.errors import NotEstimableError, RefusalError
from impactkit.estimators.matrix import Adjustment, columns_left_out, trial_matrix
from impactkit.estimators.regression import regress
from impactkit.estimators.rows import ITTRows
from impactkit.estimators.sample import OneArmed, Sample, SampleError, arms_of, complete_rows, draw_sample
from impactkit.results import Estimates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["IntentToTreat", "estimate_linear"]


class IntentToTreat(Analysis):
    r"""Effect of allocation on one or more outcomes, by population, as randomised.

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
    df : {"residual", "satterthwaite", "welch"}
        Degrees of freedom without clusters: n less coefficients; Bell and McCaffrey's, which fall when few
        people carry the effect (a small arm, a large weight); Welch's, for the plain difference in means.
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
    :math:`\sum_b (n_b/n) \hat\tau_b`); arm, covariates and stratum dummies (ANCOVA); arm interacted with
    centred covariates and dummies (Lin 2013). Columns are centred at the mean of the people analysed,
    weighted if they are. Influence values are those of the coefficient, with the small-sample factor of the
    chosen errors; their squares, summed within cluster first, give the variance.

    Complete cases are used outcome by outcome; ``glance()`` counts everybody left out.

    A covariate from which the arm can be told leaves no effect to estimate: the row is refused and the
    covariate named. Other collinear columns are left out as R's ``lm`` does, and named in ``notes()``.
    Where somebody is alone in their arm and stratum (a cluster, if those were allocated) a blocked estimate
    stands without a standard error; Pashley and Miratrix (2021) discuss what more one may assume.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with
    multi-stage samples. *Survey Methodology* 28(2).
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data. *Annals of Applied
    Statistics* 7(1).
    Pustejovsky, J. E. and Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation.
    *Journal of Business & Economic Statistics* 36(4).
    Pashley, N. E. and Miratrix, L. W. (2021). Insights on variance estimation for blocked and matched pairs
    designs. *Journal of Educational and Behavioral Statistics* 46(3).

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
    df: Literal["residual", "satterthwaite", "welch"] = "residual"
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
        """Give the outcomes this analysis reads."""
        return (self.outcome,) if isinstance(self.outcome, str) else self.outcome

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        return tuple(ColumnNeed(column=name, role="any", by=f'analysis "{self.name}"') for name in self.covariates)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour."""
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
        if self.df == "satterthwaite" and design.clusters:
            said.append(f'{who} asks for df="satterthwaite", which CR2 uses already: leave `df` out.')
        if self.df != "residual" and not isinstance(self.inference, HC2 | None):
            said.append(f'{who} asks for df="{self.df}", which belongs to HC2 errors: leave `inference` out.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population and outcome."""
        return estimate_linear(self, study)


def estimate_linear(spec: IntentToTreat, study: StudyData) -> Estimates:
    """Estimate every population and outcome of an :class:`IntentToTreat`, sharing factorisations."""
    inference = choose_inference(spec.inference, study.design, f'IntentToTreat "{spec.name}"')
    covariates = study.covariates(spec.covariates).matrix if spec.covariates else None
    complete = complete_rows(covariates)
    rows = ITTRows(spec, study, inference)
    for population in spec.chosen_populations(study.design):
        groups: dict[tuple[bytes, str | None], list[Sample]] = {}
        for outcome in spec.outcome_names():
            try:
                sample = draw_sample(
                    study, outcome=outcome, population=population, complete=complete, one_armed=spec.one_armed
                )
            except SampleError as fault:
                rows.fail(fault.sample, str(fault))
            else:
                groups.setdefault(sample.key, []).append(sample)
        for group in groups.values():
            _solve_group(spec, study, group, covariates, inference, rows)
    return rows.estimates()


def _solve_group(
    spec: IntentToTreat,
    study: StudyData,
    group: list[Sample],
    covariates: NDArray[np.float64] | None,
    inference: Inference,
    rows: ITTRows,
) -> None:
    member = group[0].member
    weights = None if group[0].weights is None else group[0].weights[member]
    people = np.flatnonzero(member)
    values = np.stack([sample.values[people] for sample in group]).T  # each outcome contiguous
    arm = arms_of(study)[people]
    strata = None if study.strata is None else study.strata[people]
    matrix = trial_matrix(
        arm=arm,
        arms=len(rows.labels) + 1,
        strata=strata,
        covariates=covariates if covariates is None or member.all() else covariates.take(people, axis=0),
        weights=weights,
        adjustment=spec.adjustment_used,
    )
    is_control = arm == 0
    control_member = member.copy()
    control_member[people[~is_control]] = False
    try:
        effects = regress(
            study,
            matrix=matrix,
            outcomes=values,
            member=member,
            weights=weights,
            rows=list(range(1, len(rows.labels) + 1)),
            inference=inference,
            satterthwaite=spec.df == "satterthwaite",
        )
        controls = regress(
            study,
            matrix=np.ones((int(is_control.sum()), 1)),
            outcomes=values.T.compress(is_control, axis=1).T,
            member=control_member,
            weights=None if weights is None else weights[is_control],
            rows=[0],
            inference=inference,
        )
    except NotEstimableError as reason:
        for sample in group:
            rows.fail(sample, str(reason))
        return
    if spec.df == "welch":
        effects = replace(effects, df=_welch_df(arm=arm, values=values, arms=len(rows.labels) + 1))
    left_out = None
    if effects.aliased.any():
        names = list(study.covariates(spec.covariates).names)
        if strata is not None:
            names += [study.strata_labels[code] for code in np.unique(strata)[1:]]
        left_out = columns_left_out(matrix, effects.aliased, labels=rows.labels, controls=names, weights=weights)
        for treated, _ in left_out.with_arm:
            effects.coef[treated - 1] = np.nan
            effects.std_error[treated - 1] = np.nan
            effects.influence[treated - 1][:] = [None] * len(group)
    for place, sample in enumerate(group):
        rows.add(sample, place, effects, controls, left_out)


def _welch_df(*, arm: NDArray[np.int8], values: NDArray[np.float64], arms: int) -> NDArray[np.float64]:
    """Give the Welch-Satterthwaite degrees of freedom of each arm against control, shape (arms − 1, m)."""
    df = np.full((arms - 1, values.shape[1]), np.nan)
    sizes = np.bincount(arm, minlength=arms)
    if sizes[0] < 2:
        return df
    base = values[arm == 0].var(axis=0, ddof=1) / sizes[0]
    for place in np.flatnonzero(sizes[1:] > 1):
        n = sizes[place + 1]
        own = values[arm == place + 1].var(axis=0, ddof=1) / n
        spread = own**2 / (n - 1) + base**2 / (sizes[0] - 1)
        np.divide((own + base) ** 2, spread, out=df[place], where=spread > 0)
    return df
