"""A binary outcome three ways: percentage points, risk ratio and odds ratio from the same marginal risks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from impactkit.design import Design
from impactkit.errors import NotEstimableError
from impactkit.estimators.binary_rows import Run
from impactkit.estimators.sharing_itt import SharingITT
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["BinaryEffect"]

"""A risk nearer than this to 0 or 1 is 0 or 1, give or take rounding."""


class BinaryEffect(SharingITT):
    r"""Effect of allocation on a yes/no outcome as percentage points, a risk ratio and an odds ratio.

    Use it for employment, attendance or recovery when readers ask both "how many more?" and "how many times
    as many?". The three answers come from one pair of risks, so they cannot contradict each other.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    outcome : str or tuple of str
        Binary outcomes; others are refused.
    populations, covariates, one_armed, conf_level
        As in :class:`IntentToTreat`.
    adjustment : {"none", "ancova", "lin"}, optional
        ``"ancova"``, the default when covariates are given, is one logistic model with a term for each arm;
        ``"lin"`` lets every covariate act differently in each arm. Strata join the covariates.
    inference : HC0, HC1, HC2, HC3, CR2 or Linearised, optional
        CR2 when the design has clusters, HC2 otherwise.
    conditional : bool
        Also give the odds ratio of the logistic model itself, given covariates and strata, labelled conditional.
    firth : bool
        Fit the logistic model by Firth's penalised likelihood, which has an answer under separation.

    Returns
    -------
    Estimates
        For each population and outcome, per treated arm: ``difference``, ``risk_ratio``, ``odds_ratio`` (all
        marginal), on request the conditional ``odds_ratio``; then the control mean, which is not adjusted.

    Notes
    -----
    With :math:`\mu_a` the marginal risk under arm a, the rows are :math:`\mu_1-\mu_0`, :math:`\mu_1/\mu_0` and
    :math:`\frac{\mu_1/(1-\mu_1)}{\mu_0/(1-\mu_0)}`. Ratios are worked on the log scale, where their influence
    values are :math:`\psi_1/\mu_1-\psi_0/\mu_0` and
    :math:`\psi_1/\{\mu_1(1-\mu_1)\}-\psi_0/\{\mu_0(1-\mu_0)\}`.

    *Without covariates* :math:`\mu_a` is the (weighted) share in arm a, within strata :math:`\sum_b(n_b/n)\bar y_{ab}`;
    the difference is that of :class:`IntentToTreat` to the last digit, and all three share its errors.

    *With covariates* :math:`\mu_a=\sum_i w_i\,\mathrm{expit}(x_i(a)'\hat\beta)/\sum_i w_i`, the mean over everybody
    analysed of the logistic model's prediction with the arm set to a (standardisation, g-computation). Its
    influence is :math:`w_i(\hat p_i(a)-\mu_a)/\sum w + D_a'\psi_{\beta,i}` with :math:`D_a` the mean gradient: the
    first part because people are drawn, the second because :math:`\beta` is estimated. HC and CR2 factors
    belong to the second part, on the working regression in which the logistic fit ends; degrees of freedom are
    n − k, Satterthwaite's of the contrast :math:`D`, or those of ``svyglm``. Under randomisation the marginal risks
    are consistent even if the logistic model is wrong.

    References
    ----------
    Freedman, D. A. (2008). Randomization does not justify logistic regression. *Statistical Science* 23(2).
    Graubard, B. I. and Korn, E. L. (1999). Predictive margins with survey data. *Biometrics* 55(2).
    Greenland, S., Robins, J. M. and Pearl, J. (1999). Confounding and collapsibility in causal inference.
    *Statistical Science* 14(1).

    Examples
    --------
    In work at follow-up: 60 of 100 offered the programme, 50 of 100 not.

    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(200), "arm": ["IPS"] * 100 + ["usual"] * 100,
    ...                        "work": [1] * 60 + [0] * 40 + [1] * 50 + [0] * 50})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
    ...                         outcomes=(ik.Outcome(name="work", kind="binary"),))
    >>> result = ik.Evaluation(design, people, [ik.BinaryEffect(name="work", outcome="work")]).fit(seed=1)
    >>> result.tidy()[["term", "measure", "estimate", "conf_low", "conf_high"]].round(3)
               term     measure  estimate  conf_low  conf_high
    0           IPS  difference       0.1    -0.039      0.239
    1           IPS  risk_ratio       1.2     0.929      1.550
    2           IPS  odds_ratio       1.5     0.851      2.643
    3  control_mean        mean       0.5     0.400      0.600
    """

    kind: Literal["binary_effect"] = "binary_effect"
    conditional: bool = False
    firth: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.firth and not (self.covariates or self.conditional):
            raise ValueError("`firth=True` belongs to a logistic model: give `covariates`, or leave it out")
        if self.conditional and self.adjustment == "lin":
            raise ValueError(
                '`conditional=True` asks for one odds ratio of the arm given covariates; with `adjustment="lin"` it '
                'differs from person to person: use "ancova"'
            )
        return self

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour."""
        said = super().refusals(design)
        for name in self.outcome_names() if design is not None else ():
            declared = design.outcome(name) if design is not None else None
            if declared is not None and declared.kind != "binary":
                said.append(_not_binary(self.name, name, declared.kind))
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population and outcome."""
        for name in self.outcome_names():
            kind = study.outcome(name).spec.kind
            if kind != "binary":
                raise NotEstimableError(_not_binary(self.name, name, kind))
        return Run(self, study).estimates()


def _not_binary(analysis: str, outcome: str, kind: str) -> str:
    return (
        f'BinaryEffect "{analysis}" reads yes/no outcomes, and outcome "{outcome}" is {kind}: use IntentToTreat, or '
        "declare a binary outcome with the `event` that counts as 1."
    )
