"""When two times are one: weeks made of whole days must stay tied, however they were computed.

Every kernel of this package takes its answer from here. Times of one sample are put together by :func:`tied` before
they are counted; a moment is read against the times of a curve by :func:`places`, :func:`upto` and :func:`later`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERANCE", "later", "places", "runs", "tied", "upto", "whole"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))
"""Times no further apart than this, or than this share of their mean size, are one: the ``timefix`` of R's survival."""


def whole(times: Floats) -> NDArray[np.int64] | None:
    """Give times as whole numbers of 0 or more, if all of them are and the largest is not many times their number."""
    if times.size == 0:
        return None
    last = float(times.max())
    if not (0.0 <= last <= 4.0 * times.size + 10_000.0) or float(times.min()) < 0.0:
        return None
    codes: NDArray[np.int64] = times.astype(np.int64)
    return codes if bool((codes == times).all()) else None


def runs(distinct: Floats) -> Bools:
    """Mark which of some times, all different and rising, begins a run of times no further apart than the tolerance."""
    if not distinct.size:
        return np.zeros(0, dtype=bool)
    gap = np.diff(distinct)
    found: Bools = np.concatenate([[True], gap > TOLERANCE * max(1.0, float(np.abs(distinct).mean()))])
    return found


def tied(*times: Floats) -> tuple[Floats, ...]:
    """Make equal what differs only by rounding.

    Parameters
    ----------
    *times : ndarray of shape (n,)
        Several columns of times on one axis; what is not finite stays as it is.

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
    ordered = np.sort(np.concatenate(times)) if times else np.zeros(0)
    ordered = ordered[np.isfinite(ordered)]
    if not ordered.size:
        return times
    gaps = np.diff(ordered)
    widest = TOLERANCE * max(1.0, abs(float(ordered[0])), abs(float(ordered[-1])))
    if not bool(((gaps > 0.0) & (gaps <= widest)).any()):
        return times
    distinct = ordered[np.concatenate([[True], gaps > 0.0])]
    cuts = distinct[runs(distinct)]
    found = []
    for column in times:
        finite = np.isfinite(column)
        snapped = cuts[np.searchsorted(cuts, column, side="right") - 1]
        found.append(np.where(finite, snapped, column))
    return tuple(found)


def places(times: Floats, moments: Floats | float, *, before: bool = False) -> NDArray[np.intp]:
    """Count, for each moment, the times that are not after it, or with ``before`` those that are before it.

    Parameters
    ----------
    times : ndarray of shape (k,)
        Rising.
    moments : ndarray or float
        A time this close to a moment is at it.

    Examples
    --------
    >>> back = np.array([30.0, 762 / 7 - 398 / 7])  # the second is day 364, a last digit above 52 weeks
    >>> int(np.searchsorted(back, 52.0, side="right")), int(places(back, 52.0)), int(places(back, 52.0, before=True))
    (1, 2, 1)
    """
    at = np.asarray(moments, dtype=np.float64)
    if before:
        return np.asarray(np.searchsorted(times, at - TOLERANCE, side="left"))
    return np.asarray(np.searchsorted(times, at + TOLERANCE, side="right"))


def later(times: Floats | float, moments: Floats | float) -> Bools:
    """Mark the times that are after a moment by more than rounding."""
    return np.asarray(np.asarray(times, dtype=np.float64) > np.asarray(moments, dtype=np.float64) + TOLERANCE)


def upto(times: Floats | float, moments: Floats | float) -> Bools:
    """Mark the times that are not after a moment, rounding aside; a time that is not known is not."""
    return np.asarray(np.asarray(times, dtype=np.float64) <= np.asarray(moments, dtype=np.float64) + TOLERANCE)
