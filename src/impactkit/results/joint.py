"""Joint uncertainty of any rows: covariance from influence values, and draws that keep each row's own limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.results.estimates import Estimates

__all__ = ["correlation", "covariance", "draws", "rows_without_units"]


def covariance(estimates: Estimates, positions: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Give the joint covariance of rows on their working scale.

    Parameters
    ----------
    estimates : Estimates
    positions : sequence of int, optional
        Which rows; all when left out.

    Returns
    -------
    ndarray of shape (r, r)

    Notes
    -----
    ``Cov(a, b) = Σ_g ψ_g(a) ψ_g(b)``, where ``ψ_g`` is the influence summed within cluster ``g`` (or the
    person's own), added over tables of units, plus the part no unit carries. A row without influence values
    has its own variance and no covariance with the others.
    """
    chosen = list(range(len(estimates))) if positions is None else list(positions)
    total = np.zeros((len(chosen), len(chosen)))
    for block in estimates.influence:
        sums = block.by_group(chosen)
        total += sums @ sums.T
    if estimates.extra_covariance is not None:
        total += estimates.extra_covariance[np.ix_(chosen, chosen)]
    alone = rows_without_units(estimates, chosen)
    own = estimates.working_se[chosen] ** 2
    total[alone, alone] = own[alone]
    return total


def rows_without_units(estimates: Estimates, positions: Sequence[int] | None = None) -> NDArray[np.intp]:
    """Give the places, among ``positions``, of rows that no person carries and that are taken as independent."""
    chosen = list(range(len(estimates))) if positions is None else list(positions)
    carried = np.zeros(len(chosen), dtype=bool)
    for block in estimates.influence:
        carried |= np.array([block.rows[position] is not None for position in chosen], dtype=bool)
    if estimates.extra_covariance is not None:
        carried |= np.diagonal(estimates.extra_covariance)[chosen] > 0
    return np.flatnonzero(~carried)


def correlation(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a covariance into a correlation; a row without variance is uncorrelated with all others."""
    scale = np.sqrt(np.diagonal(matrix))
    safe = np.where(scale > 0, scale, 1.0)
    result: NDArray[np.float64] = matrix / np.outer(safe, safe)
    np.fill_diagonal(result, 1.0)
    return result


def draws(estimates: Estimates, n: int, *, seed: int, positions: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Draw rows jointly, on the scale each row is shown on.

    Each row keeps its own t distribution, so the draw limits of one row are its printed limits within
    Monte Carlo error; the rows are joined by their correlation through a Gaussian copula.

    Parameters
    ----------
    estimates : Estimates
    n : int
        Number of draws.
    seed : int
        The same seed gives the same draws.
    positions : sequence of int, optional

    Returns
    -------
    ndarray of shape (n, r)
        NaN in the columns of rows that have no estimate or no standard error.
    """
    from scipy.special import ndtr, stdtrit

    from impactkit.results.measures import measure

    chosen = list(range(len(estimates))) if positions is None else list(positions)
    matrix = covariance(estimates, chosen)
    usable = (
        np.isfinite(estimates.working[chosen])
        & np.isfinite(np.diagonal(matrix))
        & np.isfinite(estimates.working_se[chosen])
    )
    joint = correlation(np.where(np.outer(usable, usable), matrix, 0.0))
    values, vectors = np.linalg.eigh(joint)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    normal = np.random.default_rng(seed).standard_normal((n, len(chosen))) @ root.T
    result = np.full((n, len(chosen)), np.nan)
    for place, row in enumerate(chosen):
        if not usable[place]:
            continue
        df = float(estimates.numbers["df"][row])
        t = normal[:, place] if not np.isfinite(df) else stdtrit(df, ndtr(normal[:, place]))
        value = estimates.working[row] + estimates.working_se[row] * t
        result[:, place] = np.exp(value) if measure(estimates.keys[row].measure).scale == "log" else value
    return result
