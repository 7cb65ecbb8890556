"""Episodes seen through a window of observation: what is known of each, working days, linked periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Seen", "linked_periods", "see_through_window", "working_days"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MONDAY = 4  # 1970-01-05, the first Monday counted from 1970-01-01


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the window shows of each episode.

    Parameters
    ----------
    open : ndarray of bool, shape (k,)
        Whether a later note that could not be seen might have continued the episode.
    prevalent : ndarray of bool, shape (k,)
        Whether it ran before the window opened and on into it.
    outside : ndarray of bool, shape (k,)
        Whether it ended before the window opened or began after it closed.
    before : ndarray of int64, shape (k,)
        Days it had run when the window opened: 0 unless prevalent.
    until : ndarray of int64, shape (k,)
        The last day on which it is known whether it had ended.
    """

    open: Bools
    prevalent: Bools
    outside: Bools
    before: Ints
    until: Ints


def see_through_window(start: Ints, end: Ints, *, opens: int, closes: int, gap: int, last_certain: bool) -> Seen:
    """Mark open and prevalent episodes.

    Parameters
    ----------
    start, end : ndarray of int64, shape (k,)
        First and last certified day.
    opens, closes : int
        First and last day of the window.
    gap : int
        Days without a certificate that do not end an episode.
    last_certain : bool
        Whether an open episode is followed to the last day on which the end of any episode could have been seen
        (``closes - gap - 1``), or to its own last certified day.

    Returns
    -------
    Seen

    Notes
    -----
    An end on day d is known only when no note can follow that would join: a note that begins on day ``d + gap + 1``
    joins, and is seen if it begins by ``closes``. So episodes with ``end >= closes - gap`` are open. Following each to
    its own last certified day stops the watch exactly when it could have ended, which is not independent of its
    length; following all to the same calendar day is.
    """
    is_open = end >= closes - gap
    prevalent = (start < opens) & (end >= opens)
    until = np.where(is_open, np.minimum(end, closes - gap - 1) if last_certain else end, end)
    return Seen(
        open=is_open,
        prevalent=prevalent,
        outside=(end < opens) | (start > closes),
        before=np.where(prevalent, opens - start, 0),
        until=until,
    )


def working_days(start: Ints, end: Ints, holidays: Sequence[int] | Ints = ()) -> Ints:
    """Count Mondays to Fridays from ``start`` to ``end``, both included, less holidays.

    Parameters
    ----------
    start, end : ndarray of int64, shape (k,)
        Days since 1970-01-01.
    holidays : sequence of int
        Days since 1970-01-01; those at a weekend count for nothing.

    Examples
    --------
    >>> working_days(np.array([4]), np.array([10])).tolist()  # a whole week
    [5]
    """

    def until(day: Ints) -> NDArray[np.int32]:
        since = (day - (MONDAY - 1)).astype(np.int32)  # days since 1970: half the width divides twice as fast
        weeks = since // 7
        since -= weeks * 7
        np.minimum(since, 5, out=since)
        weeks *= 5
        weeks += since
        return weeks

    days: Ints = (until(np.asarray(end, dtype=np.int64)) - until(np.asarray(start, dtype=np.int64) - 1)).astype(
        np.int64
    )
    free = np.unique(np.asarray(holidays, dtype=np.int64))
    free = free[(free - MONDAY) % 7 < 5]
    if free.size:
        days -= np.searchsorted(free, end, side="right") - np.searchsorted(free, start, side="left")
    return days


def linked_periods(
    person: Ints, start: Ints, end: Ints, *, since: Sequence[int], days: Sequence[int], shortest: Sequence[int]
) -> Ints:
    """Number the chains of periods of incapacity for work that are linked into one.

    Parameters
    ----------
    person, start, end : ndarray of int64, shape (k,)
        Sorted by person and first day.
    since : sequence of int, length v
        Day from which each version of the rule holds, rising; the rule of a period's first day holds for it.
    days, shortest : sequence of int, length v
        Days between two periods that still link them, and the shortest period that counts.

    Returns
    -------
    ndarray of int64, shape (k,)
        Chain of each period from 0; -1 where it is too short to count or no rule was in force.

    Examples
    --------
    >>> person, start, end = np.zeros(3, int), np.array([1, 60, 200]), np.array([28, 70, 220])
    >>> linked_periods(person, start, end, since=[0], days=[56], shortest=[4]).tolist()
    [0, 0, 1]
    """
    chain = np.full(person.size, -1, dtype=np.int64)
    least, limit = np.full(1, shortest[0]), np.full(1, days[0])
    if len(since) > 1:
        version = np.maximum(np.searchsorted(np.asarray(since), start, side="right") - 1, 0)
        least, limit = np.asarray(shortest)[version], np.asarray(days)[version]
    counted = end - start >= least - 1
    counted &= start >= since[0]
    if not counted.all():
        rows = np.flatnonzero(counted)
        person, start, end = person[rows], start[rows], end[rows]
        limit = limit[rows] if limit.size > 1 else limit
    if start.size:
        new = np.zeros(start.size, dtype=bool)
        np.greater(start[1:] - end[:-1], (limit[1:] if limit.size > 1 else limit) + 1, out=new[1:])
        new[1:] |= person[1:] != person[:-1]
        chain[counted] = np.cumsum(new)
    return chain
