"""Attrition: does the conclusion survive the outcomes that are missing? Several answers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, Inference
from impactkit.design import Design
from impactkit.design.base import ColumnName, Probability, Spec
from impactkit.estimators.itt import IntentToTreat
from impactkit.estimators.matrix import Adjustment
from impactkit.estimators.sample import OneArmed
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["Attrition", "AttritionMethod", "OutcomeLimits", "TippingArm"]

AttritionMethod = Literal["weighting", "imputation", "lee", "worst_case", "tipping_point"]
TippingArm = Literal["treated", "control", "both"]

_ALL: tuple[AttritionMethod, ...] = ("weighting", "imputation", "lee", "worst_case", "tipping_point")
FEWEST_IMPUTATIONS = 20


class OutcomeLimits(Spec):
    """The least and the greatest value an outcome can take, for worst-case bounds.

    Parameters
    ----------
    outcome : str
    low, high : float
        In the outcome's own unit. Binary outcomes are always 0 and 1.
    """

    outcome: str = Field(min_length=1)
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f'limits of outcome "{self.outcome}" should rise; got {self.low:g} to {self.high:g}')
        return self


class Attrition(Analysis):
    r"""Who is missing, what each way of dealing with it gives, and whether the conclusion survives: one table.

    Use it beside every headline whose outcome is missing for some people. Strata, clusters, weights and populations
    are those of the design.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    outcome : str or tuple of str
        Declared outcomes, or columns.
    covariates : tuple of str
        Baseline columns that predict response or the outcome. Strata always take part too. A missing covariate is
        set to its mean and marked by a column of its own, so nobody is lost to it.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    methods : tuple of {"weighting", "imputation", "lee", "worst_case", "tipping_point"}
        What to set beside complete cases; everything by default. A tipping point starts from the imputations.
    adjustment : {"none", "ancova", "lin"}
        How complete cases, weighting, imputation and the worst case use the covariates for the effect itself; Lee
        bounds never do.
    trim : float, optional
        Response probabilities below it are raised to it in the weights; the number of people is noted.
    imputations : int
        At least 20. They need ``fit(seed=…)``.
    imputation_model : {"normal", "matching"}
        For outcomes that are not binary: Bayesian linear regression, or predictive mean matching with five donors,
        whose values are all possible ones but whose intervals are a little short. Binary outcomes are imputed by
        Bayesian logistic regression; in a design with clusters by the linear model, unrounded, because it can carry
        the clusters.
    tighten_by : tuple of str
        Columns of groups within which Lee bounds are formed (crossed with the design's strata) and then averaged.
    limits : tuple of OutcomeLimits
        Limits of outcomes that are not binary; without them an outcome has no worst case.
    tipping : tuple of {"treated", "control", "both"}
        To whose missing outcomes the shift is added.
    inference : HC0, HC1, HC2, HC3 or CR2, optional
        As in :class:`IntentToTreat`.
    one_armed : {"error", "drop"}
        A stratum in which an arm has no observed outcome.
    conf_level : float
        Level of intervals, and of what counts as significant.

    Returns
    -------
    Estimates
        For each population and outcome: ``complete_case`` and ``control_mean`` (the rows of :class:`IntentToTreat`),
        ``weighting``, ``imputation``, ``lee_lower``, ``lee_upper``, ``worst_lower``, ``worst_upper``,
        ``tipping_treated`` and the like, the response of each arm (``response: IPS``), ``response_difference``, the
        joint test ``response_model`` and ``effective_n``. With several treated arms the arm is added to the term:
        ``weighting: IPS``. A general note holds the verdict.

    Notes
    -----
    *Weighting*: response is modelled by logistic regression within each arm; respondents are weighted by
    :math:`d_i/\hat p_i`. The influence values include the estimation of the response model.

    *Imputation*: within arm, from covariates, strata and membership of the declared populations; one set of
    imputations serves all populations of an outcome. Rubin's rules with Barnard and Rubin's degrees of freedom. The
    row's influence values are the mean over imputations; what is left of Rubin's total variance is
    ``extra_covariance``, one matrix over all rows of the same imputations.

    *Lee bounds*: the effect among people who would respond in either arm, if allocation moves response in one
    direction only. The arm with more response is trimmed; ties at the cut count in part. *Worst case*: missing
    outcomes at whichever limit hurts, then helps. Both bound rows carry the interval of Imbens and Manski (2004) and
    its p value, with t quantiles at the degrees of freedom of complete cases.

    *Tipping point*: the least shift of the imputed outcomes at which significance is gained or lost at
    ``1 − conf_level``.

    *Verdict*: a method "agrees" when it has the sign and the significance of complete cases (bounds: when their
    interval leaves out zero on the same side; where complete cases are not significant: when the method is not
    either). Weighting or imputation disagrees: "not robust". They agree and Lee bounds do not: "depends on who is
    missing". All three agree, but weighting or imputation moves the estimate by more than one standard error of
    complete cases: "size not robust". Else: "robust". The worst case never decides. If one of the three is not there:
    "not judged".

    References
    ----------
    Barnard, J. and Rubin, D. B. (1999). Small-sample degrees of freedom with multiple imputation. *Biometrika* 86(4).
    Imbens, G. W. and Manski, C. F. (2004). Confidence intervals for partially identified parameters. *Econometrica*
    72(6).
    Lee, D. S. (2009). Training, wages, and sample selection: estimating sharp bounds on treatment effects. *Review of
    Economic Studies* 76(3).
    Robins, J. M., Rotnitzky, A. and Zhao, L. P. (1994). Estimation of regression coefficients when some regressors are
    not always observed. *Journal of the American Statistical Association* 89(427).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(80), "arm": ["IPS", "usual"] * 40, "age": [20 + i % 37 for i in range(80)],
    ...                        "work": [None if i % 5 == 0 else float(i % 3 == 0 or i % 8 == 2) for i in range(80)]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
    ...                         outcomes=(ik.Outcome(name="work", kind="binary"),))
    >>> check = ik.Attrition(name="attrition", outcome="work", covariates=("age",), methods=("weighting", "worst_case"))
    >>> result = ik.Evaluation(design, people, [check]).fit(seed=1)
    >>> result.tidy()[["term", "estimate"]].round(3).head(5)
                term  estimate
    0  complete_case     0.188
    1   control_mean     0.312
    2      weighting     0.187
    3    worst_lower    -0.050
    4    worst_upper     0.350
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial"})

    kind: Literal["attrition"] = "attrition"
    outcome: str | tuple[str, ...] = Field(min_length=1)
    covariates: tuple[ColumnName, ...] = ()
    populations: tuple[str, ...] | None = None
    methods: tuple[AttritionMethod, ...] = _ALL
    adjustment: Adjustment = "none"
    trim: Probability | None = None
    imputations: Annotated[int, Field(strict=True, ge=FEWEST_IMPUTATIONS)] = FEWEST_IMPUTATIONS
    imputation_model: Literal["normal", "matching"] = "normal"
    tighten_by: tuple[ColumnName, ...] = ()
    limits: tuple[OutcomeLimits, ...] = ()
    tipping: tuple[TippingArm, ...] = ("treated",)
    inference: Inference | None = None
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.adjustment != "none" and not self.covariates:
            raise ValueError(f'`adjustment="{self.adjustment}"` needs `covariates`')
        if "tipping_point" in self.methods and "imputation" not in self.methods:
            raise ValueError('a tipping point starts from the imputations: add "imputation" to `methods`')
        if "tipping_point" in self.methods and not self.tipping:
            raise ValueError("`tipping` names no arm: give treated, control or both")
        if self.tighten_by and "lee" not in self.methods:
            raise ValueError('`tighten_by` belongs to Lee bounds: add "lee" to `methods`')
        if self.trim is not None and "weighting" not in self.methods:
            raise ValueError('`trim` belongs to the weights: add "weighting" to `methods`')
        names = [entry.outcome for entry in self.limits]
        if len(set(names)) < len(names):
            raise ValueError("`limits` gives an outcome twice")
        strange = [name for name in names if name not in self.outcome_names()]
        if strange:
            raise ValueError(f"`limits` names outcomes that are not analysed: {', '.join(strange)}")
        return self

    def outcome_names(self) -> tuple[str, ...]:
        return (self.outcome,) if isinstance(self.outcome, str) else self.outcome

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        return (
            *(ColumnNeed(column=name, role="any", by=by) for name in self.covariates),
            *(ColumnNeed(column=name, role="factor", by=by) for name in self.tighten_by),
        )

    def refusals(self, design: Design | None) -> list[str]:
        said = [sentence.replace("IntentToTreat", "Attrition") for sentence in self.complete_cases().refusals(design)]
        if self.inference is not None and self.inference.kind == "linearised":
            said.append(
                f'Attrition "{self.name}" forms HC and CR2 errors only, not linearised ones: leave `inference` out.'
            )
        return said

    def complete_cases(self) -> IntentToTreat:
        """The intention-to-treat analysis that the other methods stand beside."""
        adjusted = self.adjustment != "none"
        return IntentToTreat(
            name=self.name,
            outcome=self.outcome,
            populations=self.populations,
            covariates=self.covariates if adjusted else (),
            adjustment=self.adjustment if adjusted else None,
            inference=self.inference,
            one_armed=self.one_armed,
            conf_level=self.conf_level,
        )

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        from impactkit.estimators.attrition_rows import workbench

        return workbench(self, study)
