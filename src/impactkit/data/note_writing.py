"""How synthetic absences are certified: an absence becomes a chain of notes, with overlaps, gaps and late issue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.data.synthetic_note_facts import fit_note_fact

__all__ = ["Notes", "write_notes"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHORT = ((7, 14, 28), (0.45, 0.40, 0.15))
LONG = ((14, 28, 56, 84), (0.10, 0.40, 0.30, 0.20))
"""Days a note covers and how usual they are: an assumption. A note may cover three months: 84 days are always less."""
STUB = 3
"""A note that would leave so few days covers them too."""
FIRST_IS_SHORT = 0.6
"""The first note is long this much as often as the later ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Notes:
    """Notes in the order of absence and number; days count from the first day of the window.

    Parameters
    ----------
    absence : ndarray of int64, shape (m,)
        Position of the absence a note belongs to.
    number : ndarray of int64, shape (m,)
        0 for the first note of an absence.
    starts, ends : ndarray of int64, shape (m,)
        First and last day covered.
    issued : ndarray of int64, shape (m,)
    last : ndarray of bool, shape (m,)
    """

    absence: Ints
    number: Ints
    starts: Ints
    ends: Ints
    issued: Ints
    last: Bools

    def take(self, chosen: Bools | Ints) -> Notes:
        """Give the chosen notes."""
        return Notes(
            self.absence[chosen],
            self.number[chosen],
            self.starts[chosen],
            self.ends[chosen],
            self.issued[chosen],
            self.last[chosen],
        )


def write_notes(start: Ints, days: Ints, long_notes: float, rng: np.random.Generator) -> Notes:
    """Write notes for absences.

    Parameters
    ----------
    start, days : ndarray of int64, shape (n,)
        First day of each absence and how long it lasts; notes cover its first and its last day and none outside.
    long_notes : float
        How often a note is a long one (0 to 1): sets the notes per absence.
    rng : numpy.random.Generator
    """
    overlap, gap = fit_note_fact("next note overlaps"), fit_note_fact("next note after a gap")
    live = np.arange(start.size, dtype=np.int64)
    at = np.zeros(start.size, dtype=np.int64)
    pieces: list[tuple[Ints, Ints, Ints, Ints, Bools]] = []
    number = 0
    while live.size:
        left = days[live] - at
        share = long_notes * (FIRST_IS_SHORT if number == 0 else 1.0)
        long = rng.random(live.size) < share
        length = np.where(long, _lengths(LONG, live.size, rng), _lengths(SHORT, live.size, rng))
        last = left <= np.minimum(length + STUB, max(LONG[0]))
        length = np.where(last, left, length).astype(np.int64)
        first = start[live] + at
        pieces.append((live, np.full(live.size, number, dtype=np.int64), first, first + length - 1, last))
        move, size = rng.random(live.size), rng.random(live.size)
        step = np.where(move < overlap, -(1 + np.floor(5 * size)), 0.0)
        step = np.where((move >= overlap) & (move < overlap + gap), 1 + np.floor(4 * size), step)
        step = np.minimum(step, left - length - 1)
        at = (at + length + step.astype(np.int64))[~last]
        live, number = live[~last], number + 1
    absence, numbers, first, end, last = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    order = np.lexsort((numbers, absence))
    late = np.where(rng.random(order.size) < fit_note_fact("note issued late"), rng.integers(1, 6, order.size), 0)
    first, end = first[order], end[order]
    issued = first + np.minimum(late, end - first)
    return Notes(absence[order], numbers[order], first, end, issued, last[order])


def _lengths(kind: tuple[tuple[int, ...], tuple[float, ...]], n: int, rng: np.random.Generator) -> Ints:
    lengths, shares = np.array(kind[0], dtype=np.int64), np.cumsum(kind[1])
    drawn: Ints = lengths[np.searchsorted(shares[:-1], rng.random(n), side="right")]
    return drawn
