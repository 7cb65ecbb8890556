"""Money outcomes: the mean difference, beside the share at zero, a top-coded mean and medians."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from impactkit.analysis import choose_inference
from impactkit.compute.quantiles import sparsity, weighted_quantile
from impactkit.design import ALL, Design
from impactkit.errors import NotEstimableError, RefusalError
from impactkit.estimators.matrix import Adjustment, trial_matrix
from impactkit.estimators.regression import Regression, influence_block, regress
from impactkit.estimators.rows import glance_row
from impactkit.estimators.sample import (
    Sample,
    arm_sizes,
    arms_of,
    complete_rows,
    draw_sample,
    treated_labels,
)
from impactkit.estimators.sharing_itt import SharingITT
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["MoneyOutcome"]

FEW = 10
"""Below this number of people in an arm a count is not put into words."""

Percentile = Annotated[float, Field(strict=True, gt=0.5, lt=1.0)]
Quantile = Annotated[float, Field(strict=True, gt=0.0, lt=1.0)]


class MoneyOutcome(SharingITT):
    """Effect on an amount of money, with what its mean can hide: zeros, a few large amounts, the middle.

    Use it for earnings, benefits and costs. The first rows are the :class:`IntentToTreat` effect on the mean,
    which is the impact; the others are named "sensitivity" and stand beside it, not instead of it.

    Parameters
    ----------
    name, outcome, populations, covariates, adjustment, inference, one_armed, conf_level
        As in :class:`IntentToTreat`; outcomes are declared with ``kind="money"``.
    top_code : float
        The share of people below the cap, for example ``0.99``: larger amounts count as the amount at that
        percentile of everybody analysed. Always said, since no percentile is right for every amount.
    quantiles : tuple of float
        Quantiles to compare between the arms, the median alone by default.

    Returns
    -------
    Estimates
        For each population and outcome, an effect row per treated arm and the level of the control arm of: the
        mean; the share with exactly zero; the mean after top-coding, with the share top-coded in each arm; each
        quantile. The last three carry "(sensitivity: …)" in their outcome.

    Notes
    -----
    The share at zero and the top-coded mean are estimated exactly as the mean is: same strata, covariates,
    clusters, weights and errors. The cap is taken as known.

    A difference of quantiles compares the arms' own weighted quantiles (each stratum counting alike in both arms),
    without covariates: Q_T(q) − Q_C(q). Its influence values are −(1{y ≤ Q} − q)/f for each person's own arm,
    put through the blocked regression of the design, so that strata, clusters, weights and small-sample factors
    are those of the mean. 1/f is Woodruff's: (Q(q + h) − Q(q − h))/2h with h the half-width of the interval of
    the share below Q. Where the quantile lies in a point mass (often zero) whose share is wider than that interval,
    it has no density, and no standard error is given: read the share at zero.

    The limits are simulated in ``tests/estimators/test_coverage_subgroups_money.py``.

    References
    ----------
    Woodruff, R. S. (1952). Confidence intervals for medians and other position measures. *Journal of the American
    Statistical Association* 47(260).
    Francisco, C. A. and Fuller, W. A. (1991). Quantile estimation with a complex survey design. *Annals of
    Statistics* 19(1).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(8), "arm": ["IPS", "usual"] * 4,
    ...                        "earned": [0, 0, 5200, 0, 8100, 7000, 9300, 6500]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
    ...                         outcomes=(ik.Outcome(name="earned", kind="money"),))
    >>> pay = ik.MoneyOutcome(name="pay", outcome="earned", top_code=0.9)
    >>> rows = ik.Evaluation(design, people, [pay]).fit(seed=1).tidy()
    >>> rows.loc[rows["term"] == "IPS", ["outcome", "estimate"]].round(6).values[:2].tolist()
    [['earned', 2275.0], ['earned (sensitivity: share at zero)', -0.25]]
    """

    kind: Literal["money_outcome"] = "money_outcome"
    top_code: Percentile
    quantiles: tuple[Quantile, ...] = (0.5,)

    @field_validator("quantiles")
    @classmethod
    def _each_once(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(value)) < len(value):
            raise ValueError("`quantiles` holds a value twice: give each once")
        return value

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        for name in self.outcome_names():
            declared = None if design is None else design.outcome(name)
            if declared is not None and declared.kind != "money":
                said.append(
                    f'MoneyOutcome "{self.name}" reads money, and outcome "{name}" is declared as {declared.kind}: '
                    'declare it with kind="money", or use IntentToTreat.'
                )
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        return _Run(self, study).estimates()


_Row = tuple[RowKey, float, float, float, float, RowInfluence | None, float]


class _Run:
    """One pass over populations and outcomes."""

    def __init__(self, spec: MoneyOutcome, study: StudyData) -> None:
        self.spec, self.study = spec, study
        self.inference = choose_inference(spec.inference, study.design, f'MoneyOutcome "{spec.name}"')
        self.labels = treated_labels(study)
        self.adjustment: Adjustment = spec.intention_to_treat().adjustment_used
        self.covariates = study.covariates(spec.covariates).matrix if spec.covariates else None
        self.rows: list[_Row] = []
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = []

    def estimates(self) -> Estimates:
        spec, study = self.spec, self.study
        for population in spec.chosen_populations(study.design):
            for name in spec.outcome_names():
                declared = study.outcome(name).spec
                if declared.kind != "money":
                    raise RefusalError(
                        f'MoneyOutcome "{spec.name}" reads money, and `{name}` is not declared: declare it with '
                        'kind="money"'
                    )
                try:
                    sample = draw_sample(
                        study,
                        outcome=name,
                        population=population,
                        complete=complete_rows(self.covariates),
                        one_armed=spec.one_armed,
                    )
                    self._outcome(sample)
                except NotEstimableError as reason:
                    self._fail(name, population, str(reason))
        if any("sensitivity" in row[0].outcome for row in self.rows):
            self.remarks.append(
                spec.note(
                    'outcomes named "sensitivity" stand beside the difference in means; they are no impacts of their '
                    "own and are in no family"
                )
            )
        rows = self.rows
        return Estimates.build(
            keys=[row[0] for row in rows],
            working=[row[1] for row in rows],
            working_se=[row[2] for row in rows],
            df=[row[3] for row in rows],
            n=[row[4] for row in rows],
            conf_level=spec.conf_level,
            influence=[influence_block(study, [row[5] for row in rows], self.inference)],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[row[6] for row in rows],
        )

    def _names(self, outcome: str) -> dict[str, str]:
        """Give the names of the outcomes derived from one."""
        words = {"mean": outcome, "zero": f"{outcome} (sensitivity: share at zero)"}
        words["cap"] = f"{outcome} (sensitivity: top-coded at percentile {100 * self.spec.top_code:g})"
        for q in self.spec.quantiles:
            called = "median" if q == 0.5 else f"percentile {100 * q:g}"
            words[f"q{q!r}"] = f"{outcome} (sensitivity: {called})"
        return words

    def _fail(self, outcome: str, population: str, reason: str) -> None:
        spec = self.study.outcome(outcome).spec
        for what, name in self._names(spec.name).items():
            unit = "proportion" if what == "zero" else spec.unit
            level = {"zero": "proportion", "mean": "mean", "cap": "mean"}.get(what, "median")
            for term, measure in (*((label, "difference") for label in self.labels), ("control_mean", level)):
                key = RowKey(self.spec.name, name, population, term, measure, unit)
                self.rows.append((key, np.nan, np.nan, np.nan, np.nan, None, np.nan))
                self.remarks.append(Note(*key[:4], "estimate", reason))

    # --- one outcome in one population --------------------------------------------------------------------

    def _outcome(self, sample: Sample) -> None:
        member, arm = sample.member, arms_of(self.study)
        y = sample.values[member]
        weights = None if sample.weights is None else sample.weights[member]
        cap = weighted_quantile(values=y, weights=weights, q=self.spec.top_code)
        outcomes = np.column_stack([y, (y == 0.0).astype(np.float64), np.minimum(y, cap)])
        effects = self._regress(sample, self._matrix(sample, self.adjustment), outcomes)
        controls = self._levels(sample, outcomes, 0)
        names = self._names(sample.outcome.name)
        sizes = arm_sizes(member, arm, len(self.labels) + 1)
        zeros = arm_sizes(member & (sample.values == 0.0), arm, len(sizes))
        above = arm_sizes(member & (sample.values > cap), arm, len(sizes))
        smallest = {
            "mean": float(sizes.min()),
            "zero": float(min(zeros.min(), (sizes - zeros).min())),
            "cap": float(sizes.min()),
        }
        methods = self._methods()
        for place, what in enumerate(("mean", "zero", "cap")):
            unit = "proportion" if what == "zero" else sample.outcome.unit
            for term, label in enumerate(self.labels):
                key = RowKey(self.spec.name, names[what], sample.population, label, "difference", unit)
                self._keep(key, effects, term, place, float(sizes.sum()), smallest[what])
            level = "proportion" if what == "zero" else "mean"
            key = RowKey(self.spec.name, names[what], sample.population, "control_mean", level, unit)
            self._keep(key, controls, 0, place, float(sizes[0]), smallest[what])
            self._glance(sample, names[what], methods[what], effects.df[:, place])
        self._top_coded(sample, names["cap"], y > cap, above, sizes, cap)
        for q in self.spec.quantiles:
            self._quantile(sample, names[f"q{q!r}"], q, sizes)

    def _methods(self) -> dict[str, str]:
        words = {"none": "difference in means", "ancova": "ANCOVA", "lin": "Lin (2013) interacted adjustment"}
        how = words[self.adjustment]
        if self.study.strata is not None:
            how = f"blocked {how}" if self.adjustment == "none" else f"{how} with stratum dummies"
        return {"mean": how, "zero": f"{how}, of exactly zero", "cap": f"{how}, of amounts up to the cap"}

    def _glance(self, sample: Sample, outcome: str, method: str, df: NDArray[np.float64]) -> None:
        row = glance_row(
            self.spec, self.study, sample, estimand="intention to treat", method=method, df=float(np.fmin.reduce(df))
        )
        self.glances.append({**row, "outcome": outcome})

    def _matrix(self, sample: Sample, adjustment: Adjustment) -> NDArray[np.float64]:
        member = sample.member
        return trial_matrix(
            arm=arms_of(self.study)[member],
            arms=len(self.labels) + 1,
            strata=None if self.study.strata is None else self.study.strata[member],
            covariates=None if self.covariates is None else self.covariates[member],
            weights=None if sample.weights is None else sample.weights[member],
            adjustment=adjustment,
        )

    def _regress(self, sample: Sample, matrix: NDArray[np.float64], outcomes: NDArray[np.float64]) -> Regression:
        return regress(
            self.study,
            matrix=matrix,
            outcomes=outcomes,
            member=sample.member,
            weights=None if sample.weights is None else sample.weights[sample.member],
            rows=list(range(1, len(self.labels) + 1)),
            inference=self.inference,
        )

    def _levels(
        self,
        sample: Sample,
        outcomes: NDArray[np.float64],
        place: int,
        weights: NDArray[np.float64] | None = None,
    ) -> Regression:
        """Give the means of one arm, with the sample's weights or others."""
        inside = arms_of(self.study)[sample.member] == place
        chosen = sample.member.copy()
        chosen[np.flatnonzero(sample.member)[~inside]] = False
        own = sample.weights[chosen] if weights is None and sample.weights is not None else None
        return regress(
            self.study,
            matrix=np.ones((int(inside.sum()), 1)),
            outcomes=outcomes[inside],
            member=chosen,
            weights=own if weights is None else weights[inside],
            rows=[0],
            inference=self.inference,
        )

    def _top_coded(
        self,
        sample: Sample,
        outcome: str,
        over: NDArray[np.bool_],
        above: NDArray[np.int64],
        sizes: NDArray[np.int64],
        cap: float,
    ) -> None:
        """Add the share top-coded in each arm, and put the cap into words."""
        names = [str(getattr(self.study.design, "control", "control")), *self.labels]
        for place in (*range(1, len(names)), 0):
            shares = self._levels(sample, over.astype(np.float64)[:, None], place)
            key = RowKey(
                self.spec.name,
                outcome,
                sample.population,
                f"share top-coded: {names[place]}",
                "proportion",
                "proportion",
            )
            cell = float(min(above[place], sizes[place] - above[place]))
            self._keep(key, shares, 0, 0, float(sizes[place]), cell)
        where = "everyone" if sample.population == ALL else sample.population
        count = f"{int(above.sum()):,}" if above.min() >= FEW else "the few"
        self.remarks.append(
            self.spec.note(
                f"in {where}, amounts over {cap:,.0f} (percentile {100 * self.spec.top_code:g} of those analysed) of "
                f"{count} people count as that amount; the cap is taken as known",
                outcome=outcome,
                population=sample.population,
            )
        )

    # --- quantiles ----------------------------------------------------------------------------------------

    def _quantile(self, sample: Sample, outcome: str, q: float, sizes: NDArray[np.int64]) -> None:
        member = sample.member
        y, arm = sample.values[member], arms_of(self.study)[member]
        even = self._even_weights(sample)
        points, scores = np.full(len(sizes), np.nan), np.zeros(len(y))
        unable: dict[int, str] = {}
        near: list[str] = []
        names = [str(getattr(self.study.design, "control", "control")), *self.labels]
        for place in range(len(sizes)):
            inside = arm == place
            own = None if even is None else even[inside]
            points[place] = weighted_quantile(values=y[inside], weights=own, q=q)
            below = (y <= points[place]).astype(np.float64)
            share = self._levels(sample, below[:, None], place, even)
            half = _half_width(float(share.std_error[0, 0]), float(share.df[0, 0]))
            slope = sparsity(values=y[inside], weights=own, q=q, half_width=half)
            heap = float(np.average(y[inside] == points[place], weights=own))
            if slope == 0.0 or heap > 2 * half:
                unable[place] = (
                    f"in arm {names[place]} this quantile lies in a point mass, where it has no standard error: "
                    "read the share at zero"
                )
            elif not np.isfinite(slope):
                unable[place] = f"too few people in arm {names[place]} for the standard error of this quantile"
            else:
                scores[inside] = -slope * (below[inside] - q)
                edge = weighted_quantile(values=y[inside], weights=own, q=q - half)
                if edge == 0.0 and points[place] != 0.0:
                    near.append(names[place])
        effects = self._regress(sample, self._matrix(sample, "none"), scores[:, None])
        unit = sample.outcome.unit
        n, cell = float(sizes.sum()), float(sizes.min())
        for term, label in enumerate(self.labels):
            key = RowKey(self.spec.name, outcome, sample.population, label, "difference", unit)
            reason = unable.get(term + 1) or unable.get(0)
            self._keep(key, effects, term, 0, n, cell, estimate=float(points[term + 1] - points[0]), unable=reason)
        key = RowKey(self.spec.name, outcome, sample.population, "control_mean", "median", unit)
        level = self._levels(sample, scores[:, None], 0, even)
        self._keep(key, level, 0, 0, float(sizes[0]), cell, estimate=float(points[0]), unable=unable.get(0))
        self._glance(
            sample,
            outcome,
            "difference of weighted quantiles, without covariates; Woodruff's density",
            effects.df[:, 0],
        )
        if near:
            self.remarks.append(
                self.spec.note(
                    f"the interval of this quantile reaches the people at zero in arm {', '.join(near)}: its standard "
                    "error is rough",
                    outcome=outcome,
                    population=sample.population,
                )
            )

    def _even_weights(self, sample: Sample) -> NDArray[np.float64] | None:
        """Weigh people so that each stratum counts alike in every arm; ``None`` when nothing needs weighing."""
        member = sample.member
        weights = None if sample.weights is None else sample.weights[member]
        if self.study.strata is None:
            return weights
        strata, arm = self.study.strata[member], arms_of(self.study)[member]
        mass = np.ones(len(arm)) if weights is None else weights
        whole = np.bincount(strata, weights=mass)
        arms = len(self.labels) + 1
        cells = np.bincount(strata * arms + arm, weights=mass, minlength=len(whole) * arms).reshape(-1, arms)
        even: NDArray[np.float64] = mass * whole[strata] / cells[strata, arm]
        return even

    # --- rows -----------------------------------------------------------------------------------------------

    def _keep(
        self,
        key: RowKey,
        found: Regression,
        line: int,
        place: int,
        n: float,
        cell: float,
        *,
        estimate: float | None = None,
        unable: str | None = None,
    ) -> None:
        value = float(found.coef[line, place]) if estimate is None else estimate
        error, df = float(found.std_error[line, place]), float(found.df[line, place])
        own = found.influence[line][place]
        if unable is not None:
            error, own = np.nan, None
            column, reason = "std_error", unable
        elif not np.isfinite(value):
            column, reason = "estimate", "the arm follows from the other columns of the regression (collinear)"
        elif found.residual_df <= 0 or not np.isfinite(df):
            column, reason = "std_error", "no degrees of freedom are left: too few people for this specification"
        elif not np.isfinite(error):
            column, reason = (
                "std_error",
                "somebody is alone in their arm and stratum, so this variance cannot be estimated: join strata",
            )
        elif error == 0.0:
            column, reason = "p_value", "the amounts do not vary, so there is no test"
        else:
            self.rows.append((key, value, error, df, n, own, cell))
            return
        self.remarks.append(Note(*key[:4], column, reason))
        self.rows.append((key, value, error, df, n, own, cell))


def _half_width(error: float, df: float) -> float:
    """Give the half-width of the 95% interval of a share: Woodruff's bandwidth."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.975) * error) if df > 0 and error > 0 else float("nan")
