"""Times that are equal but for rounding: weeks made of whole days must stay tied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERANCE", "tied", "whole"]

Floats = NDArray[np.float64]

TOLERANCE = 1.5e-8
"""Times closer than this share of their mean size are one time, as in R's survival (its ``timefix``)."""


def whole(times: Floats) -> NDArray[np.int64] | None:
    """Give times as whole numbers of 0 or more, if all of them are and the largest is not many times their number."""
    if times.size == 0:
        return None
    last = float(times.max())
    if not (0.0 <= last <= 4.0 * times.size + 10_000.0) or float(times.min()) < 0.0:
        return None
    codes: NDArray[np.int64] = times.astype(np.int64)
    return codes if bool((codes == times).all()) else None


def tied(*times: Floats) -> tuple[Floats, ...]:
    """Make equal what differs only by rounding.

    Parameters
    ----------
    *times : ndarray of shape (n,)
        Several columns of times on one axis, all finite.

    Returns
    -------
    tuple of ndarray
        The same columns, each time replaced by the smallest of a run of times no further apart than the tolerance;
        the very arrays given when nothing differs so little.

    Examples
    --------
    >>> weeks = np.array([0.1 + 0.2, 0.3, 1.0])
    >>> bool(weeks[0] == weeks[1]), bool(tied(weeks)[0][0] == tied(weeks)[0][1])
    (False, True)
    """
    if not any(column.size for column in times):
        return times
    ordered = np.sort(np.concatenate(times))
    gaps = np.diff(ordered)
    scale = float(np.abs(ordered).mean())
    if not bool(((gaps > 0.0) & (gaps <= TOLERANCE * max(scale, 1.0))).any()):
        return times
    distinct = np.unique(ordered)
    spread = np.diff(distinct)
    close = (spread <= TOLERANCE) | (spread <= TOLERANCE * float(np.abs(distinct).mean()))
    cuts = distinct[np.concatenate([[True], ~close])]
    return tuple(cuts[np.searchsorted(cuts, column, side="right") - 1] for column in times)
