"""From certified periods to episodes: one sort of packed keys, one scan; arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MergedNotes", "SortedNotes", "merge_notes", "notes_of", "only_may_be_fit", "sort_notes"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BITS = 63


@dataclass(frozen=True, slots=True, eq=False)
class SortedNotes:
    """Different notes in the order of person, first day and length.

    Parameters
    ----------
    begins, ends : ndarray of int64, shape (n,)
        First and last day with the person before it: ``person * 2**width + (day - origin)``. No two people's days
        are within the gap of each other, so one scan needs no look at the person.
    diagnosis : ndarray of int64, shape (n,)
    may_be_fit : ndarray of bool, shape (n,), or None
        ``None`` when there is no such note.
    backdated : ndarray of bool, shape (n,), or None
        Whether the note, or a copy of it, was backdated.
    width : int
        Bits of a day.
    origin : int
        The day that is 0.
    collapsed : int
        Copies that were left out: the same person, days, status and diagnosis.
    packed : bool
        Whether one 64-bit key held everything.
    """

    begins: Ints
    ends: Ints
    diagnosis: Ints
    may_be_fit: Bools | None
    backdated: Bools | None
    width: int
    origin: int
    collapsed: int
    packed: bool

    def person(self, values: Ints) -> Ints:
        """Give the person of some days."""
        return values >> self.width

    def day(self, values: Ints) -> Ints:
        """Give the day itself."""
        days: Ints = (values & ((1 << self.width) - 1)) + self.origin
        return days


@dataclass(frozen=True, slots=True, eq=False)
class MergedNotes:
    """Episodes, in the order of person and first day.

    Parameters
    ----------
    notes : SortedNotes
    episode : ndarray of int32, shape (n,)
        Position of the episode that each note belongs to.
    first : ndarray of int64, shape (k,)
        Position in ``notes`` of each episode's first note.
    count : ndarray of int64, shape (k,)
        Notes of each episode, copies left out.
    begins, ends : ndarray of int64, shape (k,)
        First and last day, coded as in ``notes``.
    certified : ndarray of int64, shape (k,)
        Days that some note covers: the union, so that a day covered twice counts once.
    overlapping : int
        Notes that begin on a day that an earlier one covers.
    overlap_days : int
        Days covered more than once, each time after the first.
    bridged : int
        Gaps inside episodes.
    bridged_days : int
        Days in them.
    """

    notes: SortedNotes
    episode: NDArray[np.int32]
    first: Ints
    count: Ints
    begins: Ints
    ends: Ints
    certified: Ints
    overlapping: int
    overlap_days: int
    bridged: int
    bridged_days: int

    @property
    def person(self) -> Ints:
        """Person of each episode."""
        return self.notes.person(self.begins)

    @property
    def start(self) -> Ints:
        """First day of each episode."""
        return self.notes.day(self.begins)

    @property
    def end(self) -> Ints:
        """Last certified day of each episode."""
        return self.notes.day(self.ends)

    @property
    def backdated(self) -> Bools:
        """Whether any note of the episode was backdated."""
        if self.notes.backdated is None:
            return np.zeros(self.first.size, dtype=bool)
        found = np.zeros(self.first.size, dtype=bool)
        found[self.episode[self.notes.backdated]] = True
        return found


def sort_notes(
    person: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    *,
    gap: int,
    diagnosis: NDArray[Any] | None = None,
    may_be_fit: Bools | None = None,
    backdated: Bools | None = None,
) -> SortedNotes:
    """Sort notes and collapse copies.

    Parameters
    ----------
    person : ndarray of integers, shape (n,)
        Codes from 0.
    start, end : ndarray of integers, shape (n,)
        First and last day that the note covers, both included; ``end`` is not before ``start``.
    gap : int
        The longest gap that will be asked of :func:`merge_notes`.
    diagnosis : ndarray of integers, shape (n,), optional
        Codes from 0.
    may_be_fit, backdated : ndarray of bool, shape (n,), optional

    Returns
    -------
    SortedNotes

    Notes
    -----
    Person, first day, length, diagnosis, status and the flag of backdating are packed into one integer of 63 bits and
    its values are sorted: nothing is gathered. When they do not fit, the columns are sorted one after another.
    Notes that differ only in the flag of backdating are copies.

    Examples
    --------
    >>> notes = sort_notes(np.array([0, 0, 0]), np.array([8, 1, 1]), np.array([14, 7, 7]), gap=7)
    >>> notes.collapsed, notes.day(notes.begins).tolist()
    (1, [1, 8])
    """
    n = int(person.size)
    empty = np.zeros(0, dtype=np.int64)
    if not n:
        return SortedNotes(empty, empty, empty, None, None, 1, 0, 0, packed=True)
    origin = int(start.min())
    width = int(int(end.max()) - origin + gap + 2).bit_length()
    lengths = np.subtract(end, start, dtype=np.int64)
    fields: list[tuple[NDArray[Any] | None, int]] = [
        (lengths, max(int(lengths.max()).bit_length(), 1)),
        (diagnosis, 0 if diagnosis is None else int(diagnosis.max()).bit_length()),
        (None if may_be_fit is None or not may_be_fit.any() else may_be_fit, 1),
        (None if backdated is None or not backdated.any() else backdated, 1),
    ]
    fields = [(values, bits if values is not None else 0) for values, bits in fields]
    begins = person.astype(np.int64)
    begins <<= width
    begins += start
    begins -= origin
    packed = int(person.max()).bit_length() + width + sum(bits for _, bits in fields) <= BITS
    parts: list[NDArray[Any] | None]
    if packed:
        key = begins
        for values, bits in fields:
            if values is not None and bits:
                key <<= bits
                key |= values
        key.sort()
        parts = []
        low = sum(bits for _, bits in fields)
        kept, collapsed = _different(key >> fields[3][1] if fields[3][1] else key)
        if collapsed:
            key = key[kept]
        begins = key >> low
        for values, bits in fields:
            low -= bits
            if values is not None:
                part = key >> low if low else key.copy()
                part &= (1 << bits) - 1
                values = part
            parts.append(values)
    else:
        given = [values for values, _ in fields if values is not None]
        order = np.lexsort((*reversed(given), begins))
        begins = begins[order]
        parts = [None if values is None else values[order] for values, _ in fields]
        kept, collapsed = _different(begins, *(values for values in parts[:3] if values is not None))
        begins = begins[kept]
        parts = [None if values is None else values[kept] for values in parts]
    length, cause, status, back = parts
    if length is None:
        raise AssertionError("lengths are always given")
    return SortedNotes(
        begins=begins,
        ends=begins + length,
        diagnosis=np.zeros(begins.size, dtype=np.int64) if cause is None else cause.astype(np.int64, copy=False),
        may_be_fit=None if status is None else status.astype(bool),
        backdated=None if back is None else back.astype(bool),
        width=width,
        origin=origin,
        collapsed=collapsed,
        packed=packed,
    )


def merge_notes(notes: SortedNotes, *, gap: int) -> MergedNotes:
    """Join the notes of one person that overlap, touch, or lie at most ``gap`` days apart.

    Parameters
    ----------
    notes : SortedNotes
    gap : int
        Days without a certificate that do not end an episode.

    Returns
    -------
    MergedNotes

    Examples
    --------
    >>> person, start, end = np.array([0, 0, 1]), np.array([1, 33, 1]), np.array([28, 40, 7])
    >>> found = merge_notes(sort_notes(person, start, end, gap=7), gap=7)
    >>> found.start.tolist(), found.end.tolist(), found.certified.tolist()
    ([1, 1], [40, 7], [36, 7])
    """
    n = int(notes.begins.size)
    if not n:
        empty = np.zeros(0, dtype=np.int64)
        return MergedNotes(notes, empty.astype(np.int32), empty, empty, empty, empty, empty, 0, 0, 0, 0)
    reach = np.maximum.accumulate(notes.ends)
    apart = notes.begins[1:] - reach[:-1]  # 1 where a note begins on the day after
    opens = np.empty(n, dtype=bool)
    opens[0] = True
    np.greater(apart, gap + 1, out=opens[1:])
    first = np.flatnonzero(opens)
    episode = np.cumsum(opens, dtype=np.int32)
    episode -= 1
    last = np.append(first[1:], n) - 1
    begins, ends = notes.begins[first], reach[last]
    certified = ends - begins + 1
    total = int(notes.ends.sum() - notes.begins.sum()) + n
    inside = (np.flatnonzero((apart > 1) > opens[1:]) + 1) if gap else np.zeros(0, dtype=np.int64)
    missing = apart[inside - 1] - 1
    if inside.size:
        certified -= np.bincount(episode[inside], weights=missing, minlength=first.size).astype(np.int64)
    return MergedNotes(
        notes=notes,
        episode=episode,
        first=first,
        count=last - first + 1,
        begins=begins,
        ends=ends,
        certified=certified,
        overlapping=int(np.count_nonzero(apart <= 0)),
        overlap_days=total - int(certified.sum()),
        bridged=int(inside.size),
        bridged_days=int(missing.sum()),
    )


def only_may_be_fit(merged: MergedNotes, until: Sequence[int] | Ints | None = None) -> Ints:
    """Count the days of each episode that "may be fit" notes cover and no "not fit" note does.

    Parameters
    ----------
    merged : MergedNotes
    until : sequence of int, shape (k,), optional
        Count only days up to this one, for each episode.

    Returns
    -------
    ndarray of int64, shape (k,)
    """
    notes = merged.notes
    days = np.zeros(merged.first.size, dtype=np.int64)
    if notes.may_be_fit is None or not merged.first.size:
        return days
    of = merged.episode[notes.may_be_fit]
    some = of[np.append(True, of[1:] != of[:-1])].astype(np.int64)  # they are sorted
    rows, first = notes_of(merged, some)
    begins, every = notes.begins[rows], notes.ends[rows]
    not_fit = np.where(notes.may_be_fit[rows], begins - 1, every)
    if until is not None:
        latest = np.maximum(np.asarray(until, dtype=np.int64)[some] - notes.origin, -1)
        limit = np.repeat((merged.begins[some] >> notes.width << notes.width) + latest, merged.count[some])
        every, not_fit = np.minimum(every, limit), np.minimum(not_fit, limit)
    days[some] = _covered(begins, every, first) - _covered(begins, not_fit, first)
    return days


def notes_of(merged: MergedNotes, episodes: Ints) -> tuple[Ints, Ints]:
    """Give the positions of the notes of some episodes, one episode after another, and where each begins in them."""
    count = merged.count[episodes]
    first = np.cumsum(count) - count
    rows: Ints = np.arange(int(count.sum())) + np.repeat(merged.first[episodes] - first, count)
    return rows, first


def _covered(begins: Ints, ends: Ints, first: Ints) -> Ints:
    """Count the days of each episode that its notes cover; a note that ends before it begins covers none."""
    reach = np.maximum.accumulate(np.maximum(ends, begins - 1))
    new = np.empty_like(reach)
    new[0] = reach[0] - begins[0] + 1
    np.subtract(reach[1:], np.maximum(reach[:-1], begins[1:] - 1), out=new[1:])
    days: Ints = np.add.reduceat(np.maximum(new, 0), first)
    return days


def _different(*columns: NDArray[Any]) -> tuple[Any, int]:
    """Mark the last row of every run of equal rows, and count the others."""
    differs = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        differs |= column[1:] != column[:-1]
    kept = np.append(differs, True)
    return kept, int(kept.size - np.count_nonzero(kept))
