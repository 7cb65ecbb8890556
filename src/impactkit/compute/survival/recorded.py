"""Medians of episodes as they were recorded, and of what is left of them: the arithmetic of published norms.

A median of recorded lengths takes an episode that was still open when observation stopped as if it had ended then.
The product limit beside it does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.curves import ProductLimit, product_limit
from impactkit.compute.survival.limits import FLAT
from impactkit.compute.survival.ties import later, places

__all__ = [
    "curve_median",
    "medians_by_cell",
    "order_limits",
    "product_limit_median",
    "recorded_median_after",
    "weighted_median",
]

Floats = NDArray[np.float64]


def medians_by_cell(values: Floats, codes: NDArray[np.integer], cells: int) -> Floats:
    """Give the median of each cell, shape (cells,); NaN where a cell is empty.

    Parameters
    ----------
    values : ndarray of shape (m,)
    codes : ndarray of integers, shape (m,)
        Cell of each value; −1 is in none.
    cells : int
    """
    found = np.full(cells, np.nan)
    for cell in np.unique(codes[codes >= 0]):
        found[cell] = np.median(values[codes == cell])
    return found


def recorded_median_after(values: Floats, elapsed: Floats) -> Floats:
    """Give, for each elapsed time e, the median recorded length of the episodes longer than e; NaN if there is none.

    Parameters
    ----------
    values : ndarray of shape (m,)
        Recorded lengths.
    elapsed : ndarray of shape (n,)
    """
    ranked = np.sort(values)
    first = places(ranked, elapsed)
    left = ranked.size - first
    middle = first + left / 2.0
    low = np.clip(np.ceil(middle - 1.0).astype(int), 0, max(ranked.size - 1, 0))
    high = np.clip(np.floor(middle).astype(int), 0, max(ranked.size - 1, 0))
    if not ranked.size:
        return np.full(elapsed.size, np.nan)
    found: Floats = np.where(left > 0, 0.5 * (ranked[low] + ranked[high]), np.nan)
    return found


def curve_median(curve: ProductLimit) -> float:
    """Give the median of a curve: the first time S is at most a half, the middle of a step at a half.

    NaN where the curve does not come down to a half. A step at a half that no later event ends has its start as
    median. These are the rules of R's ``survfit``.
    """
    reached = np.flatnonzero(curve.survival <= 0.5 + FLAT)
    if not reached.size:
        return float("nan")
    first = int(reached[0])
    if abs(curve.survival[first] - 0.5) > FLAT:
        return float(curve.time[first])
    later = np.flatnonzero(curve.survival < 0.5 - FLAT)
    if not later.size:
        return float(curve.time[first])
    return float(0.5 * (curve.time[first] + curve.time[later[0]]))


def product_limit_median(stop: Floats, ended: NDArray[np.bool_], start: Floats, *, after: float = 0.0) -> float:
    """Give the product-limit median length of the episodes longer than ``after``; NaN where it is not known.

    Parameters
    ----------
    stop, ended, start : ndarray of shape (m,)
        Length so far, whether it ended, and how long it had run when observation began.
    after : float, default 0
    """
    long = later(stop, after)
    if not ended[long].any():
        return float("nan")
    return curve_median(product_limit(stop[long], ended[long], start=np.maximum(start[long], after)))


def weighted_median(values: Floats, weights: Floats) -> float:
    """Give the median of weighted values: the middle of the step where half the weight falls between two values."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order]) / weights.sum()
    low = int(np.searchsorted(sums, 0.5 - FLAT))
    high = int(np.searchsorted(sums, 0.5 + FLAT))
    ranked = values[order]
    return float(0.5 * (ranked[low] + ranked[min(high, ranked.size - 1)]))


def order_limits(values: Floats, *, conf_level: float) -> tuple[float, float]:
    """Give the interval for a median between two order statistics; NaN where there are too few values.

    Notes
    -----
    Limits are the k-th smallest and k-th largest value, k the largest with ``2 P(B < k) <= 1 - level`` for B binomial
    of n and a half: at least the level whatever the distribution (sign test).
    """
    from scipy.stats import binom

    n = values.size
    k = int(binom.ppf((1.0 - conf_level) / 2.0, n, 0.5)) if n else 0
    if k > 0 and 2.0 * binom.cdf(k - 1, n, 0.5) > 1.0 - conf_level + 1e-12:
        k -= 1
    if k < 1:
        return (float("nan"), float("nan"))
    ranked = np.sort(values)
    return float(ranked[k - 1]), float(ranked[n - k])
