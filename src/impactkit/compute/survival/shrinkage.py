"""Empirical Bayes: pull uncertain numbers towards what their neighbours say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["between_variance", "shrink"]

Floats = NDArray[np.float64]


def between_variance(values: Floats, variances: Floats) -> float:
    """Estimate how much true values differ between cells, by restricted maximum likelihood.

    Parameters
    ----------
    values, variances : ndarray of shape (m,)
        Estimates and their squared standard errors, all positive.

    Returns
    -------
    float
        Zero or more; NaN with fewer than three cells.

    Notes
    -----
    The maximum over τ² ≥ 0 of
    ``−½ [Σ log(v_i + τ²) + log Σ w_i + Σ w_i (y_i − ȳ_w)²]`` with ``w_i = 1 / (v_i + τ²)``.

    Examples
    --------
    >>> import numpy as np
    >>> round(between_variance(np.array([1.0, 2.0, 3.0]), np.full(3, 0.25)), 6)
    0.75
    """
    from scipy.optimize import minimize_scalar

    if values.size < 3:
        return float("nan")

    def loss(tau2: float) -> float:
        weight = 1.0 / (variances + tau2)
        centre = (weight * values).sum() / weight.sum()
        return float(-np.log(weight).sum() + np.log(weight.sum()) + (weight * (values - centre) ** 2).sum())

    top = 10.0 * float(np.var(values)) + float(variances.max())
    grid = np.concatenate([[0.0], np.geomspace(top * 1e-6, top, 60)])
    best = int(np.argmin([loss(point) for point in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12 * top})
    return 0.0 if loss(0.0) <= found.fun else float(found.x)


def shrink(values: Floats, variances: Floats, between: float) -> tuple[Floats, Floats, float]:
    """Give the posterior means, the share of its own evidence each keeps, and the common mean.

    Notes
    -----
    ``B_i = τ² / (τ² + v_i)`` and the posterior mean is ``μ + B_i (y_i − μ)``, with μ the mean weighted by
    ``1 / (v_i + τ²)``.
    """
    weight = 1.0 / (variances + between)
    centre = float((weight * values).sum() / weight.sum())
    own = between * weight
    return centre + own * (values - centre), own, centre
