"""Numbers of a distribution known only by counts in bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["band_mean", "band_quantile"]

Floats = NDArray[np.float64]


def band_quantile(edges: Floats, counts: Floats, share: float) -> tuple[float, float]:
    """Give a quantile by straight lines between the edges, and its multinomial standard error.

    Parameters
    ----------
    edges : ndarray of shape (m + 1,)
        Rising; the last is ``inf`` for an open top band.
    counts : ndarray of shape (m,)
    share : float

    Returns
    -------
    estimate, std_error : float
        Both NaN in the open band. Where the cumulative share meets ``share`` at an edge that empty bands follow, the
        lower edge.

    Notes
    -----
    In band k of width w with share π_k, ``q = a + w (p − F(a)) / π_k``. The gradient is ``−w / π_k`` for each band
    below and ``−w (p − F(a)) / π_k²`` for band k; the variance is ``[Σ g²π − (Σ gπ)²] / n``.

    Examples
    --------
    >>> import numpy as np
    >>> found = band_quantile(np.array([0.0, 4.0, 8.0, np.inf]), np.array([40.0, 40.0, 20.0]), 0.5)
    >>> [round(value, 4) for value in found]
    [5.0, 0.4183]
    """
    n = counts.sum()
    shares = counts / n
    upto = np.cumsum(shares)
    band = int(np.argmax(upto >= share - 1e-12))
    low, width = edges[band], edges[band + 1] - edges[band]
    if not np.isfinite(width):
        return float("nan"), float("nan")
    before = upto[band] - shares[band]
    gradient = np.zeros(counts.size)
    gradient[:band] = -width / shares[band]
    gradient[band] = -width * (share - before) / shares[band] ** 2
    variance = ((gradient**2 * shares).sum() - (gradient * shares).sum() ** 2) / n
    return float(low + width * (share - before) / shares[band]), float(np.sqrt(variance))


def band_mean(edges: Floats, counts: Floats, horizon: float) -> tuple[float, float, float, float]:
    """Give the mean of min(T, horizon) with lengths spread evenly over each band, its error, and its bounds.

    Parameters
    ----------
    edges, counts : ndarray
        As in :func:`band_quantile`.
    horizon : float

    Returns
    -------
    estimate, std_error, lowest, highest : float
        The bounds put every length at the lower or at the upper edge of its band. Estimate and error are NaN where an
        open band begins before the horizon.

    Examples
    --------
    >>> import numpy as np
    >>> found = band_mean(np.array([0.0, 4.0, 8.0, np.inf]), np.array([40.0, 40.0, 20.0]), 8.0)
    >>> [round(value, 3) for value in found]
    [4.8, 0.24, 3.2, 6.4]
    """
    n = counts.sum()
    shares = counts / n
    low, high = np.minimum(edges[:-1], horizon), np.minimum(edges[1:], horizon)
    lowest, highest = float(low @ shares), float(high @ shares)
    open_ = ~np.isfinite(edges[1:]) & (edges[:-1] < horizon) & (counts > 0)
    if open_.any():
        return float("nan"), float("nan"), lowest, highest
    width = np.where(np.isfinite(edges[1:]), edges[1:] - edges[:-1], 1.0)
    inside = 0.5 * (low + high) * (high - low) / width + horizon * (1.0 - (high - low) / width)
    middle = np.where(edges[:-1] >= horizon, horizon, inside)
    estimate = float(middle @ shares)
    error = float(np.sqrt(max(float((middle**2) @ shares) - estimate**2, 0.0) / n))
    return estimate, error, lowest, highest
