"""Which diagnosis an episode has when its notes name several: a vote with a stated rule for ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.episodes import MergedNotes, notes_of

__all__ = ["RULES", "Majority", "majority_diagnosis"]

Ints = NDArray[np.int64]

RULES = ("notes", "days", "earliest", "hierarchy")


@dataclass(frozen=True, slots=True, eq=False)
class Majority:
    """The diagnosis of each episode and how it was chosen.

    Parameters
    ----------
    diagnosis : ndarray of int64, shape (k,)
    several : ndarray of bool, shape (k,)
        Whether the notes name more than one.
    tied : ndarray of bool, shape (k,)
        Whether the first rule left more than one.
    decided_by : ndarray of int8, shape (k,)
        Position of the rule that decided, in the rules asked for with ``"hierarchy"`` last; -1 where all notes agree.
    """

    diagnosis: Ints
    several: NDArray[np.bool_]
    tied: NDArray[np.bool_]
    decided_by: NDArray[np.int8]


def majority_diagnosis(merged: MergedNotes, rules: Sequence[str], rank: Ints, silent: int | None = None) -> Majority:
    """Choose one diagnosis for each episode.

    Parameters
    ----------
    merged : MergedNotes
    rules : sequence of {"notes", "days", "earliest", "hierarchy"}
        What counts first, and what decides when that leaves several: most notes, most certified days (the union of
        the days certified with the diagnosis), the earliest first day, the lowest rank. The rank decides at last.
    rank : ndarray of int64, shape (d,)
        Rank of each diagnosis in the hierarchy; no two alike.
    silent : int, optional
        A diagnosis (not classified, not stated) that counts only where no note names another.

    Returns
    -------
    Majority

    Examples
    --------
    >>> from impactkit.compute.episodes import merge_notes, sort_notes
    >>> start, end, cause = np.array([1, 8, 15]), np.array([7, 14, 42]), np.array([0, 0, 1])
    >>> merged = merge_notes(sort_notes(np.zeros(3, int), start, end, gap=7, diagnosis=cause), gap=7)
    >>> majority_diagnosis(merged, ["notes"], np.arange(2)).diagnosis.tolist()
    [0]
    >>> majority_diagnosis(merged, ["days"], np.arange(2)).diagnosis.tolist()
    [1]
    """
    k = merged.first.size
    causes = merged.notes.diagnosis
    chosen = causes[merged.first]
    several, tied = np.zeros(k, dtype=bool), np.zeros(k, dtype=bool)
    decided = np.full(k, -1, dtype=np.int8)
    changes = causes[1:] != causes[:-1]
    changes[merged.first[1:] - 1] = False  # at an episode's first note it is a change of episode
    changes = np.flatnonzero(changes) + 1
    several[merged.episode[changes]] = True
    some = np.flatnonzero(several)
    if not some.size:
        return Majority(chosen, several, tied, decided)
    rows, _ = notes_of(merged, some)
    group = np.repeat(np.arange(some.size), merged.count[some]) * rank.size + causes[rows]
    group, order = _sorted_stably(group)
    rows = rows[order]
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    owner, cause = np.divmod(group[first], rank.size)
    columns: dict[str, Ints] = {"earliest": merged.notes.begins[rows[first]], "hierarchy": rank[cause]}
    columns["notes"] = -np.diff(np.append(first, group.size))
    asked = [*dict.fromkeys([*rules, "hierarchy"])]
    if "days" in asked:
        columns["days"] = -_union_days(merged.notes.begins[rows], merged.notes.ends[rows], group, first)
    alive = np.ones(owner.size, dtype=bool) if silent is None else cause != silent
    ballot = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    winner = np.full(some.size, -1, dtype=np.int8)
    for place, rule in enumerate(asked):
        score = np.where(alive, columns[rule], np.iinfo(np.int64).max)
        alive = score == np.minimum.reduceat(score, ballot)[owner]
        left = np.add.reduceat(alive, ballot, dtype=np.int64)
        winner[(winner < 0) & (left == 1)] = place
        if (left == 1).all():
            break
    chosen[some] = cause[alive]
    decided[some], tied[some] = winner, winner > 0
    return Majority(chosen, several, tied, decided)


def _sorted_stably(group: Ints) -> tuple[Ints, Ints]:
    """Sort, equal values in their order: value and place packed into one integer and its values sorted, if they fit."""
    bits = int(group.size).bit_length()
    if int(group.max()).bit_length() + bits > 62:
        order: Ints = np.argsort(group, kind="stable")
        return group[order], order
    key = (group << bits) | np.arange(group.size)
    key.sort()
    return key >> bits, key & ((1 << bits) - 1)


def _union_days(begins: Ints, ends: Ints, group: Ints, first: Ints) -> Ints:
    """Count the days covered in each group of rows, sorted by group and first day."""
    lowest = int(begins.min())
    span = int(ends.max()) - lowest + 2
    if int(group[-1]) * span >= 2**62:  # number the groups by order instead: they are sorted
        group = np.repeat(np.arange(first.size), np.diff(np.append(first, group.size)))
    begin, end = group * span + (begins - lowest), group * span + (ends - lowest)
    reach = np.maximum.accumulate(end)
    new = np.empty_like(reach)
    new[0] = end[0] - begin[0] + 1
    np.subtract(reach[1:], np.maximum(reach[:-1], begin[1:] - 1), out=new[1:])
    days: Ints = np.add.reduceat(new, first)
    return days
