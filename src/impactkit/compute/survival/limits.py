"""Limits of survival curves, and quantiles with the limits read off them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from impactkit.compute.survival.curves import ProductLimit

__all__ = ["ConfType", "quantile", "quantile_limits", "survival_limits"]

Floats = NDArray[np.float64]

ConfType = Literal["log-log", "log", "plain"]

FLAT = 1.5e-8
"""A curve within this of a level lies on it."""


def survival_limits(
    survival: Floats, log_error: Floats, *, conf_level: float = 0.95, conf_type: ConfType = "log-log"
) -> tuple[Floats, Floats]:
    """Give the limits of S.

    Parameters
    ----------
    survival : ndarray of shape (k,)
    log_error : ndarray of shape (k,)
        Standard error of log S.
    conf_level : float
    conf_type : {"log-log", "log", "plain"}
        The scale on which the limits are symmetric.

    Returns
    -------
    low, high : ndarray of shape (k,)
        NaN where S is 0 (and, by log-log, 1): such a curve carries no error of its own there.

    Notes
    -----
    log-log ``S^exp(± z σ / log S)``, log ``S exp(± z σ)`` up to 1, plain ``S ± z σ S`` within 0 and 1, σ being
    the error of log S; as R's ``survfit``, except that a plain interval of a curve at 0 is not given.
    """
    z = float(ndtri(0.5 * (1.0 + conf_level)))
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (survival > 0.0) & np.isfinite(log_error)
        if conf_type == "log-log":
            inside &= survival < 1.0
            safe = np.where(inside, survival, 0.5)
            move = z * np.where(inside, log_error, 0.0) / np.log(safe)
            low, high = safe ** np.exp(-move), safe ** np.exp(move)
        else:
            move = z * np.where(inside, log_error, 0.0)
            if conf_type == "log":
                low, high = survival * np.exp(-move), np.minimum(survival * np.exp(move), 1.0)
            else:
                low, high = np.maximum(survival * (1 - move), 0.0), np.minimum(survival * (1 + move), 1.0)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def quantile(curve: ProductLimit, shares: Floats) -> Floats:
    """Give the times by which the shares have had the event.

    Parameters
    ----------
    curve : ProductLimit
    shares : ndarray of shape (q,)
        Between 0 and 1: 0.5 for the median.

    Returns
    -------
    ndarray of shape (q,)
        NaN where the curve does not come down so far.

    Notes
    -----
    The first time at which S ≤ 1 − p. Where S lies on 1 − p for a while, the middle of that while, to the last
    time anybody is observed if it never falls further: R's convention, and that of most textbooks.
    """
    return _crossing(curve, curve.survival, shares)


def quantile_limits(
    curve: ProductLimit,
    log_error: Floats,
    shares: Floats,
    *,
    conf_level: float = 0.95,
    conf_type: ConfType = "log-log",
) -> tuple[Floats, Floats]:
    """Give the limits of quantiles: where the limits of the curve cross the level (Brookmeyer and Crowley 1982).

    Returns
    -------
    low, high : ndarray of shape (q,)
        NaN where a limit of the curve does not come down so far.

    References
    ----------
    Brookmeyer, R. and Crowley, J. (1982). A confidence interval for the median survival time. *Biometrics* 38.
    """
    low, high = survival_limits(curve.survival, log_error, conf_level=conf_level, conf_type=conf_type)
    return _crossing(curve, low, shares), _crossing(curve, high, shares)


def _crossing(curve: ProductLimit, levels: Floats, shares: Floats) -> Floats:
    # Once S is zero its limits are unknown: so is where they end.
    known = np.isfinite(levels)
    time, fall = curve.time[known], 1.0 - levels[known]
    fall = np.maximum.accumulate(fall) if fall.size else fall
    wanted = np.atleast_1d(np.asarray(shares, dtype=np.float64))
    found = np.full(wanted.shape, np.nan)
    if time.size == 0:
        return found
    ends = max(curve.last, float(curve.time[-1]))
    for place, share in enumerate(wanted):
        reached = np.flatnonzero(fall >= share - FLAT)
        if reached.size == 0:
            continue
        beyond = np.flatnonzero(fall > share + FLAT)
        on_it = fall[reached[0]] <= share + FLAT
        if not on_it:
            found[place] = time[reached[0]]
        else:
            upper = float(time[beyond[0]]) if beyond.size else ends
            found[place] = 0.5 * (float(time[reached[0]]) + upper)
    return found
