"""The measures a row can be on, and the scale its interval is formed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MEASURES", "FormedRows", "Measure", "form_rows", "measure"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What a row's number is.

    Parameters
    ----------
    name : str
        The word in the ``measure`` column.
    scale : {"identity", "log"}
        The working scale on which the interval and the p value are formed.
    null : float
        The value of "no effect" on the shown scale; NaN when a p value would answer no question.
    is_effect : bool
        Whether the row compares people (and may carry stars) or only describes them.
    is_test : bool
        Whether the row is a test without an estimate.
    is_contrast : bool
        Whether the row compares people but only accompanies an effect: printed as a difference, never with stars.
    """

    name: str
    scale: Literal["identity", "log"] = "identity"
    null: float = 0.0
    is_effect: bool = True
    is_test: bool = False
    is_contrast: bool = False


_NO_NULL = float("nan")

MEASURES: dict[str, Measure] = {
    entry.name: entry
    for entry in (
        Measure("difference"),
        Measure("standardised_difference"),
        Measure("ratio", null=_NO_NULL),
        Measure("risk_ratio", scale="log", null=1.0),
        Measure("odds_ratio", scale="log", null=1.0),
        Measure("hazard_ratio", scale="log", null=1.0),
        Measure("subdistribution_hazard_ratio", scale="log", null=1.0),
        Measure("restricted_mean_ratio", scale="log", null=1.0),
        Measure("time_ratio", scale="log", null=1.0),
        Measure("mean", null=_NO_NULL, is_effect=False),
        Measure("survival", null=_NO_NULL, is_effect=False),
        Measure("lower_quartile", null=_NO_NULL, is_effect=False),
        Measure("upper_quartile", null=_NO_NULL, is_effect=False),
        Measure("log_rank", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("median", null=_NO_NULL, is_effect=False),
        Measure("quantile", null=_NO_NULL, is_effect=False),
        Measure("restricted_mean", null=_NO_NULL, is_effect=False),
        Measure("shrunken_median", null=_NO_NULL, is_effect=False),
        Measure("standardised_return_ratio", scale="log", null=1.0),
        Measure("aic", null=_NO_NULL, is_effect=False),
        Measure("log_likelihood", null=_NO_NULL, is_effect=False),
        Measure("parameter", null=_NO_NULL, is_effect=False),
        Measure("extrapolated_mean", null=_NO_NULL, is_effect=False),
        Measure("extrapolated_share", null=_NO_NULL, is_effect=False),
        Measure("sd", null=_NO_NULL, is_effect=False),
        Measure("proportion", null=_NO_NULL, is_effect=False),
        Measure("cumulative_incidence", null=_NO_NULL, is_effect=False),
        Measure("one_minus_survival", null=_NO_NULL, is_effect=False),
        Measure("time_lost", null=_NO_NULL, is_effect=False),
        Measure("cost_per_client", null=_NO_NULL, is_effect=False),
        Measure("break_even", null=_NO_NULL, is_effect=False),
        Measure("net_benefit"),
        Measure("tipping_point", null=_NO_NULL, is_effect=False),
        Measure("effective_n", null=_NO_NULL, is_effect=False),
        Measure("minimum_detectable_effect", null=_NO_NULL, is_effect=False, is_contrast=True),
        Measure("minimum_detectable_ratio", scale="log", null=1.0, is_effect=False),
        Measure("power", null=_NO_NULL, is_effect=False),
        Measure("sample_size", null=_NO_NULL, is_effect=False),
        Measure("standardised_mean_difference", null=_NO_NULL, is_effect=False),
        Measure("standardised_mean_difference_unweighted", null=_NO_NULL, is_effect=False),
        Measure("variance_ratio", null=_NO_NULL, is_effect=False),
        Measure("count", null=_NO_NULL, is_effect=False),
        Measure("chi_square", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("likelihood_ratio", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("wald_f", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("fisher_exact", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("proportional_hazards", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("family_test", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("trend", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("omnibus_f", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("omnibus_permutation", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("first_stage", is_effect=False),
        Measure("first_stage_f", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("confidence_set", is_effect=False, is_contrast=True),
        Measure("bloom", is_effect=False, is_contrast=True),
        Measure("norm_median", null=_NO_NULL, is_effect=False),
        Measure("pseudomedian", null=_NO_NULL, is_effect=False),
        Measure("signed_rank", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("signed_rank_exact", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("bias", null=_NO_NULL, is_effect=False),
        Measure("change", is_effect=False, is_contrast=True),
        Measure("norm_gap", is_effect=False, is_contrast=True),
        Measure("mcnemar", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("mcnemar_exact", is_effect=False, is_test=True, null=_NO_NULL),
        Measure("conditional_odds_ratio", scale="log", null=1.0, is_effect=False),
    )
}


def measure(name: str) -> Measure:
    """Give the registered measure of that name.

    Raises
    ------
    SpecError
        If there is none.
    """
    try:
        return MEASURES[name]
    except KeyError:
        raise SpecError(
            f'measure "{name}" is not known.{did_you_mean(name, MEASURES)} Known: {", ".join(MEASURES)}'
        ) from None


@dataclass(frozen=True, slots=True)
class FormedRows:
    """Columns on the shown scale, each of shape (r,)."""

    estimate: NDArray[np.float64]
    std_error: NDArray[np.float64]
    conf_low: NDArray[np.float64]
    conf_high: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]


def form_rows(
    *,
    names: Sequence[str],
    working: NDArray[np.float64],
    working_se: NDArray[np.float64],
    df: NDArray[np.float64],
    conf_level: float,
) -> FormedRows:
    """Form interval, statistic and p value on the working scale and show them on the measure's own.

    Parameters
    ----------
    names : sequence of str
        Measure of each row, length r.
    working, working_se, df : ndarray of shape (r,)
        Estimate and standard error on the working scale; degrees of freedom, ``inf`` for the normal.
    conf_level : float
        Between 0 and 1.

    Notes
    -----
    Limits are ``working ± t_{df, (1+level)/2} · se``. On log scales the shown standard error is the
    delta-method error ``exp(working) · se``.
    """
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    measures = [measure(name) for name in names]
    is_log = np.array([entry.scale == "log" for entry in measures], dtype=bool)
    null = np.array([entry.null for entry in measures], dtype=float)
    null = np.where(is_log, 0.0, null)  # the null of every ratio measure is 1, so 0 on the log scale
    normal = np.isinf(df)
    finite_df = np.where(normal | ~(df > 0), 1.0, df)
    upper = 0.5 * (1.0 + conf_level)
    quantile = np.where(normal, ndtri(upper), stdtrit(finite_df, upper))
    quantile = np.where(normal | (df > 0), quantile, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(working_se > 0, (working - null) / working_se, np.nan)
        tail = np.where(normal, ndtr(-np.abs(statistic)), stdtr(finite_df, -np.abs(statistic)))
    p_value = np.where(normal | (df > 0), 2.0 * tail, np.nan)
    low, high = working - quantile * working_se, working + quantile * working_se
    shown = np.where(is_log, np.exp(np.where(is_log, working, 0.0)), working)
    return FormedRows(
        estimate=shown,
        std_error=np.where(is_log, shown * working_se, working_se),
        conf_low=np.where(is_log, np.exp(np.where(is_log, low, 0.0)), low),
        conf_high=np.where(is_log, np.exp(np.where(is_log, high, 0.0)), high),
        statistic=statistic,
        p_value=p_value,
    )
