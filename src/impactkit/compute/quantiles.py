"""Weighted quantiles, and how fast they move with probability: what their standard errors need."""

from __future__ import annotations

import numpy as np

from impactkit.compute.leastsquares import FloatArray

__all__ = ["sparsity", "weighted_quantile"]

TIE = 1e-10
"""Shares of weight this close are equal: sums of the same weights in another order."""


def weighted_quantile(*, values: FloatArray, weights: FloatArray | None, q: float) -> float:
    """Give the q-quantile of a weighted sample: the smallest value with a share of weight of at least q.

    Parameters
    ----------
    values : (n,)
    weights : (n,) or None
        Positive.
    q : float
        Between 0 and 1.

    Returns
    -------
    float

    Notes
    -----
    When a value's share is exactly q the result is the mean of it and the next one: type 2 of Hyndman and Fan
    (1996), under which a person of weight 2 is a person twice, and the median of an even number is the usual one.

    References
    ----------
    Hyndman, R. J. and Fan, Y. (1996). Sample quantiles in statistical packages. The American Statistician 50(4),
    361-365.

    Examples
    --------
    >>> import numpy as np
    >>> weighted_quantile(values=np.array([1.0, 2.0, 4.0, 8.0]), weights=None, q=0.5)
    3.0
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    mass = np.ones(len(values)) if weights is None else weights[order]
    share = np.cumsum(mass) / mass.sum()
    place = min(int(np.searchsorted(share, q - TIE, side="left")), len(ordered) - 1)
    if abs(share[place] - q) <= TIE and place + 1 < len(ordered):
        return float((ordered[place] + ordered[place + 1]) / 2)
    return float(ordered[place])


def sparsity(*, values: FloatArray, weights: FloatArray | None, q: float, half_width: float) -> float:
    """Give dQ/dq near q: ``(Q(q + h) − Q(q − h)) / 2h``, one over the density at the quantile.

    Parameters
    ----------
    values, weights, q
        As in `weighted_quantile`.
    half_width : float
        h.

    Returns
    -------
    float
        0 inside a point mass; NaN when q ± h leaves (0, 1).
    """
    if not 0.0 < half_width < min(q, 1.0 - q):
        return float("nan")
    low, high = (weighted_quantile(values=values, weights=weights, q=q + side * half_width) for side in (-1, 1))
    return (high - low) / (2 * half_width)
