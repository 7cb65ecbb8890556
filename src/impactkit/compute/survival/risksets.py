"""Risk sets of a Cox model: who is at risk at each event time of each stratum, laid out once for whole-array sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.ties import runs
from impactkit.errors import DataError, NotEstimableError

__all__ = ["RiskSets", "lay_out", "ranked_times", "running_sums", "suffix_sums"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

MOST_FLAGS = 8
"""A flag for every possible (stratum, time) is used while there are at most this many per row."""


@dataclass(frozen=True, slots=True, eq=False)
class RiskSets:
    """Event times in order of stratum and time, and the run of them at which each person is at risk.

    A *slot* is an event time of one stratum. A person is at risk at slots ``first`` to ``last - 1``.

    Parameters
    ----------
    n : int
        Rows given.
    rows : ndarray of shape (a,)
        Rows that are at risk at some slot, in order of ``last``.
    first, last : ndarray of shape (a,)
    late : ndarray of shape (l,)
        Positions in ``rows`` of those who are not yet at risk at the first slot of their stratum.
    bounds : ndarray of shape (s + 1,)
        Where the slots of each stratum begin; strata without an event have none.
    strata : ndarray of shape (s,)
        Code of the stratum of each run of slots.
    time : ndarray of shape (J,)
    events : ndarray of shape (E,)
        Positions in ``rows`` of those with the event, in order of slot.
    event_slot : ndarray of shape (E,)
    deaths : ndarray of shape (J,)
        Events at each slot.
    """

    n: int
    rows: Places
    first: Places
    last: Places
    late: Places
    bounds: Places
    strata: Places
    time: Floats
    events: Places
    event_slot: Places
    deaths: Places

    @property
    def slots(self) -> int:
        """How many event times there are, over all strata."""
        return int(self.time.size)

    def at_risk(self, slot: int) -> Places:
        """Give the positions in ``rows`` of the people at risk at one slot."""
        begin = int(np.searchsorted(self.last, slot, side="right"))
        found: Places = begin + np.flatnonzero(self.first[begin:] <= slot)
        return found


def lay_out(
    stop: Floats, event: NDArray[np.bool_], *, start: Floats | None = None, strata: NDArray[Any] | None = None
) -> RiskSets:
    """Lay out the risk sets of people observed on (start, stop].

    Raises
    ------
    DataError
        If a time is not finite or somebody's observation does not end after it began (with counts).
    NotEstimableError
        If nobody has the event.
    """
    n = stop.size
    if not event.any():
        raise NotEstimableError("nobody has the event while observed, so hazards cannot be compared")
    stop_rank, start_rank, values = ranked_times(stop, start)
    width = values.size
    code = np.zeros(n, dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    groups = int(code.max(initial=0)) + 1
    key = stop_rank if strata is None else code * width + stop_rank
    begin = np.zeros(n, dtype=np.int64) if strata is None else code * width
    if groups * width <= MOST_FLAGS * n + 1024:
        flags = np.zeros(groups * width + 1, dtype=np.int64)
        flags[key[event] + 1] = 1
        before = np.cumsum(flags)
        slots = np.flatnonzero(flags) - 1
        last, floor = before[key + 1], before[begin]
        first = floor if start_rank is None else before[begin + start_rank + 1]
    else:
        slots = np.unique(key[event])
        last = np.searchsorted(slots, key, side="right")
        floor = np.searchsorted(slots, begin, side="left")
        first = floor if start_rank is None else np.searchsorted(slots, begin + start_rank, side="right")
    rows = np.flatnonzero(last > first)
    rows = rows[_stable_order(last[rows], slots.size)]
    first, last, floor, has_event = first[rows], last[rows], floor[rows], event[rows]
    events = np.flatnonzero(has_event)
    event_slot = last[events] - 1
    slot_stratum = slots // width
    heads = np.flatnonzero(np.diff(slot_stratum, prepend=-1))
    return RiskSets(
        n=n,
        rows=rows,
        first=first,
        last=last,
        late=np.flatnonzero(first > floor) if start is not None else np.zeros(0, dtype=np.int64),
        bounds=np.append(heads, slots.size),
        strata=slot_stratum[heads],
        time=values[slots % width],
        events=events,
        event_slot=event_slot,
        deaths=np.bincount(event_slot, minlength=slots.size),
    )


def ranked_times(stop: Floats, start: Floats | None = None) -> tuple[Places, Places | None, Floats]:
    """Rank times so that those which differ by rounding alone (days over seven) have the same rank.

    Returns
    -------
    stop_rank, start_rank : ndarray of shape (n,)
        ``start_rank`` is ``None`` without ``start``.
    values : ndarray of shape (k,)
        The time of each rank, rising.
    """
    both: Sequence[Floats] = (stop,) if start is None else (stop, start)
    lost = sum(int((~np.isfinite(each)).sum()) for each in both)
    if lost:
        raise DataError([f"times should be finite numbers; {lost:,} are not: leave those people out, or correct them"])
    low = min(float(each.min(initial=np.inf)) for each in both)
    high = max(float(each.max(initial=-np.inf)) for each in both)
    if high - low <= 4 * stop.size + 1024 and all(bool((each == np.floor(each)).all()) for each in both):
        ranks = [(each - low).astype(np.int64) for each in both]
        values = low + np.arange(int(high - low) + 1, dtype=np.float64)
    else:
        distinct, place = np.unique(np.concatenate(both), return_inverse=True)
        new = runs(distinct)
        group = np.cumsum(new) - 1
        values = distinct[new]
        place = group[place.reshape(-1)]
        ranks = [place[: stop.size], place[stop.size :]]
    if start is None:
        return ranks[0], None, values
    short = int((ranks[0] <= ranks[1]).sum())
    if short:
        raise DataError(
            [
                f"observation should end after it began, and does not for {short:,} of {stop.size:,}: leave out people "
                "who are never observed, or correct their times"
            ]
        )
    return ranks[0], ranks[1], values


def suffix_sums(layers: Floats, bounds: Places) -> Floats:
    """Sum from each slot to the end of its stratum, in place; ``layers`` is of shape (J,) or (J, p)."""
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end - begin > 1:
            backwards = layers[begin:end][::-1]
            np.cumsum(backwards, axis=0, out=backwards)
    return layers


def running_sums(layers: Floats, bounds: Places) -> Floats:
    """Sum from the beginning of each slot's stratum up to it, in place."""
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end - begin > 1:
            np.cumsum(layers[begin:end], axis=0, out=layers[begin:end])
    return layers


def _stable_order(keys: Places, largest: int) -> Places:
    """Order small whole numbers; sixteen bits are sorted by counting."""
    narrow = keys.astype(np.uint16) if largest < 2**16 else keys
    order: Places = np.argsort(narrow, kind="stable")
    return order
