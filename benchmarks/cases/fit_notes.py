"""A million fit notes to episodes: all rules beside the least work, one packed key sorted and scanned.

The least work knows no rule but the gap: it packs person, first day and length, sorts, takes the running maximum of
last days and flags the gaps. There are two of it: one keeps the order of the notes (``argsort``), which is what code
needs that goes back to the notes; one sorts the packed values alone, as our own does. Episodes are counted by both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Answer, Case, Floats, Way
from impactkit.compute.episode_majority import majority_diagnosis
from impactkit.compute.episode_window import linked_periods, see_through_window, working_days
from impactkit.compute.episodes import MergedNotes, merge_notes, only_may_be_fit, sort_notes

GAP = 7
GROUPS = 26
OPENS, CLOSES = 15_030, 15_600


@dataclass(frozen=True)
class Notes:
    """Notes as arrays, in no order."""

    person: np.ndarray
    start: np.ndarray
    end: np.ndarray
    diagnosis: np.ndarray
    may_be_fit: np.ndarray
    backdated: np.ndarray


def notes(size: int, seed: int = 4) -> Notes:
    """Draw about three notes a person: follow-up notes with small gaps and overlaps, new spells, some copies."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(size // 3 + 1), 3)[:size]
    length = rng.choice([7, 14, 28, 56], size, p=[0.3, 0.35, 0.3, 0.05])
    follow_up = rng.random(size) < 0.6
    apart = np.where(follow_up, rng.choice([0, 0, 0, 2, -2], size), rng.integers(20, 200, size))
    passed = np.cumsum(length + apart)
    start = 15_000 + np.repeat(rng.integers(0, 300, size // 3 + 1), 3)[:size]
    start = start + passed - np.repeat(passed[::3], 3)[:size]
    copied = rng.random(size) < 0.02
    copied[::3] = False
    start = np.where(copied, np.roll(start, 1), start)
    length = np.where(copied, np.roll(length, 1), length)
    cause = np.repeat(rng.integers(0, GROUPS, size // 3 + 1), 3)[:size]
    cause = np.where(rng.random(size) < 0.1, rng.integers(0, GROUPS, size), cause)
    order = rng.permutation(size)
    columns = (person, start, start + length - 1, cause)
    return Notes(
        *(column[order].astype(np.int32) for column in columns),
        may_be_fit=rng.random(size) < 0.07,
        backdated=rng.random(size) < 0.1,
    )


def least(given: Notes, *, ordered: bool) -> Floats:
    """Flag the notes that open an episode, and count them."""
    key = given.person.astype(np.int64)
    key <<= 12
    key += given.start
    key -= 15_000
    key <<= 6
    key |= given.end - given.start
    if ordered:
        key = key[np.argsort(key)]
    else:
        key.sort()
    begins = key >> 6
    reach = np.maximum.accumulate(begins + (key & 63))
    opens = np.empty(key.size, dtype=bool)
    opens[0] = True
    np.greater(begins[1:] - reach[:-1], GAP + 1, out=opens[1:])
    return np.array([np.count_nonzero(opens)], dtype=float)


def every_rule(given: Notes) -> MergedNotes:
    """Do all that a frame of episodes needs and the report of what was done, arrays in, arrays out."""
    sorted_notes = sort_notes(
        given.person,
        given.start,
        given.end,
        gap=GAP,
        diagnosis=given.diagnosis,
        may_be_fit=given.may_be_fit,
        backdated=given.backdated,
    )
    merged = merge_notes(sorted_notes, gap=GAP)
    start, end = merged.start, merged.end
    majority_diagnosis(merged, ("notes", "days", "earliest"), np.arange(GROUPS), GROUPS - 1)
    only_may_be_fit(merged)
    see_through_window(start, end, opens=OPENS, closes=CLOSES, gap=GAP, last_certain=True)
    working_days(start, end)
    linked_periods(merged.person, start, end, since=[0], days=[56], shortest=[4])
    assert merged.backdated.size == start.size
    return merged


def counted(merged: MergedNotes) -> Answer:
    return np.array([merged.first.size], dtype=float), None


def case(size: int = 1_000_000) -> Case:
    given = notes(size)
    return Case(
        title=f"Fit notes to episodes, {size:,} notes",
        ways=[
            Way("numpy: pack, argsort, scan", lambda: least(given, ordered=True), lambda answer: (answer, None)),
            Way("numpy: pack, sort values, scan", lambda: least(given, ordered=False), lambda answer: (answer, None)),
            Way("impactkit, all rules", lambda: every_rule(given), counted, aim=3.0),
        ],
        beside="numpy: pack, argsort, scan",
        compares="numbers of episodes",
    )
