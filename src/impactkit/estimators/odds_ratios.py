"""Odds ratios of a yes/no outcome by characteristic: logistic regression with reference rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import CR2, HC0, HC1, HC2, HC3, Analysis, ConfLevel, Linearised, choose_inference
from impactkit.design import Design, Spec
from impactkit.design.base import Label
from impactkit.errors import NotEstimableError, RefusalError, did_you_mean
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

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
        from impactkit.estimators.odds_rows import OddsRows

        return OddsRows(self, study, spec).estimates()

    def _not_binary(self, kind: str) -> str:
        return (
            f'OddsRatios "{self.name}" reads a yes/no outcome, and outcome "{self.outcome}" is {kind}: declare a '
            "binary outcome with the `event` that counts as 1."
        )
