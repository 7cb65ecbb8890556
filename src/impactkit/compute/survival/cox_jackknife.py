"""Influence values of few clusters: the model fitted again without each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.cox import CoxFit
from impactkit.errors import NotEstimableError

__all__ = ["without_each_cluster"]

Floats = NDArray[np.float64]


def without_each_cluster(
    fit: CoxFit,
    refit: Callable[[NDArray[np.bool_]], CoxFit],
    clusters: NDArray[Any],
    rows: NDArray[np.int64] | None = None,
) -> Floats:
    r"""Give influence values whose sums by cluster are the jackknife's.

    Parameters
    ----------
    fit : CoxFit
        The model on everybody.
    refit : callable
        Fits the same model to the rows that are marked, shape (n,).
    clusters : ndarray of shape (m,)
        Cluster of each of ``rows``.
    rows : ndarray of shape (m,), optional
        Rows of the model that are in these clusters; all of them when left out.

    Returns
    -------
    ndarray of shape (m, p)
        The infinitesimal jackknife's value of each row, moved by the same amount for everybody of a cluster. NaN where
        the model has no estimate without one of the clusters.

    Notes
    -----
    Sums within cluster g are :math:`\sqrt{(G-1)/G}\,(\hat\beta - \hat\beta_{(-g)})`, so that their squares sum to the
    delete-one-cluster jackknife variance about the estimate. The sandwich of few clusters is too small, because a
    cluster pulls the estimate towards itself; leaving it out is what that costs.

    References
    ----------
    Lipsitz, S. R., Dear, K. B. G. and Zhao, L. (1994). Jackknife estimators of variance for parameter estimates from
    estimating equations with applications to clustered survival data. *Biometrics* 50, 842-846.
    """
    chosen = np.arange(fit.n) if rows is None else rows
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    count = int(codes.max(initial=-1)) + 1
    values = fit.influence[chosen].copy()
    keep = np.ones(fit.n, dtype=bool)
    for group in range(count):
        own = codes == group
        keep[chosen[own]] = False
        try:
            moved = refit(keep)
            other = moved.coef if moved.converged else np.full(fit.coef.size, np.nan)
        except NotEstimableError:
            other = np.full(fit.coef.size, np.nan)
        keep[chosen[own]] = True
        wanted = np.sqrt((count - 1) / count) * (fit.coef - other)
        values[own] += (wanted - values[own].sum(axis=0)) / own.sum()
    return values
