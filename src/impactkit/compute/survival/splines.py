"""Natural cubic splines in log time, as Royston and Parmar write them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["spline_basis", "spline_knots"]

Floats = NDArray[np.float64]


def spline_knots(log_times: Floats, internal: int) -> Floats:
    """Place knots at the ends of the log event times and, inside, at their evenly spaced quantiles.

    Returns
    -------
    ndarray of shape (internal + 2,)
        Fewer where quantiles coincide.

    Examples
    --------
    >>> import numpy as np
    >>> spline_knots(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 1)
    array([0., 2., 4.])
    """
    found: Floats = np.unique(np.quantile(log_times, np.linspace(0.0, 1.0, internal + 2)))
    return found


def spline_basis(x: Floats, knots: Floats) -> tuple[Floats, Floats]:
    r"""Give the basis and its slope at x, straight beyond the outer knots.

    Parameters
    ----------
    x : ndarray of shape (n,)
    knots : ndarray of shape (m,)
        Rising; with fewer than three the basis is 1 and x.

    Returns
    -------
    level, slope : ndarray of shape (n, max(2, m))
        Columns 1, x and, for each internal knot k_j,
        :math:`(x - k_j)_+^3 - \lambda_j (x - k_1)_+^3 - (1 - \lambda_j)(x - k_m)_+^3` with
        :math:`\lambda_j = (k_m - k_j) / (k_m - k_1)`.
    """
    level, slope = [np.ones(x.size), x], [np.zeros(x.size), np.ones(x.size)]
    if knots.size > 2:
        first, last = knots[0], knots[-1]
        for knot in knots[1:-1]:
            share = (last - knot) / (last - first)
            own, low, high = (np.maximum(x - place, 0.0) for place in (knot, first, last))
            level.append(own**3 - share * low**3 - (1.0 - share) * high**3)
            slope.append(3.0 * (own**2 - share * low**2 - (1.0 - share) * high**2))
    return np.column_stack(level), np.column_stack(slope)
