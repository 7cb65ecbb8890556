"""The effect on those who take the programme up because they are offered it, under the trial's own design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from impactkit.design import Design
from impactkit.estimators.receipt import receipt_refusal
from impactkit.estimators.sharing_itt import SharingITT
from impactkit.estimators.stages import estimate_compliers

if TYPE_CHECKING:
    from impactkit.data import StudyData
    from impactkit.results import Estimates

__all__ = ["ComplierEffect"]


class ComplierEffect(SharingITT):
    r"""Effect of receiving the programme on those who receive it because they were allocated to it.

    Use it beside the impact of allocation when not everybody offered the programme took it up, or when some
    of the control arm found it. It is the :class:`IntentToTreat` estimate over the difference in take-up, both
    on the same people and under the same options: two-stage least squares. Who received the programme is read
    from the design's ``receipt``; strata, clusters, weights and populations are the design's too. People who
    did as allocated are never compared with others ("per protocol"), which randomisation does not support.

    Parameters
    ----------
    name, outcome, populations, covariates, adjustment, inference, one_armed, conf_level
        As in :class:`IntentToTreat`.

    Returns
    -------
    Estimates
        For each population, outcome and treated arm:

        - ``complier average causal effect``, a ``difference`` in the outcome's unit;
        - ``share of compliers``, the ``first_stage``: the difference in take-up that allocation made;
        - ``first-stage F``, a test that this difference is zero, on 1 and ``df`` degrees of freedom;
        - ``Anderson-Rubin``, a confidence set that holds however weak the first stage is, with the p value of
          no effect. Infinite limits mean that it does not end; when it is two rays the limits are NaN and
          ``notes()`` gives the set in words;
        - ``Bloom``, the impact of allocation over the share of the arm that received the programme;

        then the control mean. Only the first row is an effect that other analyses take by the analysis's name.
        With several treated arms each term names its arm.

    Notes
    -----
    With :math:`\hat\rho` and :math:`\hat\pi` the coefficients on the arm in the same regression of the outcome
    and of receipt, :math:`\hat\tau = \hat\rho/\hat\pi` is 2SLS with the arm as the instrument for receipt and
    all other columns as exogenous. Its influence values are exactly
    :math:`(\psi_y - \hat\tau\psi_d)/\hat\pi`, with the errors and degrees of freedom of R's
    ``estimatr::iv_robust`` (HC2; with clusters CR2 and Satterthwaite's). Strata without covariates give the
    ratio of two blocked differences, which averages over compliers; 2SLS with stratum dummies would weigh
    strata by their allocation too. Lin's adjustment is the ratio of two Lin estimates.

    The estimate is causal for compliers if allocation changes the outcome only through receipt (exclusion) and
    nobody does the opposite of their allocation (monotonicity). If nobody of the control arm received the
    programme, monotonicity holds by itself and compliers are all who receive it when offered.

    F is the squared t of :math:`\hat\pi`; with clusters it is the CR2 Wald statistic, on Satterthwaite degrees of
    freedom (for one instrument the same as HTZ). With one instrument it is also the effective F of Montiel
    Olea and Pflueger (2013). The Anderson-Rubin set inverts the t test of the arm in the regression of the
    outcome less τ times receipt; its test of no effect is that of :class:`IntentToTreat`.

    Bloom's estimate equals 2SLS if nobody of the control arm received the programme and nothing is adjusted
    for; if some did, it lies nearer to zero and bounds the size of the effect from below. Its degrees of
    freedom are those of the numerator.

    People whose receipt is not recorded are left out and counted with the missing covariates of ``glance()``.
    For disclosure control an empty cell of arm by receipt is the programme's rule and hides nothing.

    References
    ----------
    Angrist, J. D., Imbens, G. W. and Rubin, D. B. (1996). Identification of causal effects using instrumental
    variables. *Journal of the American Statistical Association* 91(434).
    Anderson, T. W. and Rubin, H. (1949). Estimation of the parameters of a single equation in a complete
    system of stochastic equations. *Annals of Mathematical Statistics* 20(1).
    Bloom, H. S. (1984). Accounting for no-shows in experimental evaluation designs. *Evaluation Review* 8(2).
    Montiel Olea, J. L. and Pflueger, C. (2013). A robust test for weak instruments. *Journal of Business &
    Economic Statistics* 31(3).
    Staiger, D. and Stock, J. H. (1997). Instrumental variables regression with weak instruments.
    *Econometrica* 65(3).

    Examples
    --------
    Six of eight people offered the programme took it up:

    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(16), "arm": ["IPS"] * 8 + ["usual"] * 8,
    ...                        "enrolled": [1] * 6 + [0] * 10, "work": [1, 1, 1, 1, 0, 0, 1, 0] + [0, 0] * 3 + [1, 1]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual", receipt="enrolled",
    ...                         outcomes=(ik.Outcome(name="work", kind="binary"),))
    >>> result = ik.Evaluation(design, people, [ik.ComplierEffect(name="cace", outcome="work")]).fit(seed=1)
    >>> print(result.tidy()[["term", "estimate", "conf_low", "conf_high", "p_value"]].round(3).to_string())
                                 term  estimate  conf_low  conf_high  p_value
    0  complier average causal effect      0.50    -0.215      1.215    0.156
    1              share of compliers      0.75     0.399      1.101    0.000
    2                   first-stage F       NaN       NaN        NaN    0.000
    3                  Anderson-Rubin       NaN    -0.221      1.408    0.149
    4                           Bloom      0.50    -0.215      1.215    0.156
    5                    control_mean      0.25    -0.137      0.637      NaN
    """

    kind: Literal["complier_effect"] = "complier_effect"

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        return said if design is None else said + receipt_refusal(design, f'ComplierEffect "{self.name}"')

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population and outcome."""
        return estimate_compliers(self, study)
