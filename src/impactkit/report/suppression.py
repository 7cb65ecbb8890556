"""Hiding small counts so that no total gives them back.

A published table is a set of linear equations: parts add to totals. A hidden count is safe when those
equations, with everything printed put in, leave more than one answer. The rule here hides the counts under
the threshold, then, as long as some hidden count has one answer only, the cheapest further count that shares
an equation with it; at the end, whatever turned out not to be needed is shown again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from impactkit.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["THRESHOLD", "SuppressedCounts", "hide", "recoverable", "suppress_counts"]

THRESHOLD = 10

Key = TypeVar("Key", bound=Hashable)
Equation = Mapping[Key, int]


def recoverable(equations: Sequence[Equation[Key]], hidden: Iterable[Key]) -> set[Key]:
    """Give the hidden counts that the equations and the printed counts determine.

    Parameters
    ----------
    equations : sequence of mappings
        Each gives the coefficients of counts that add to zero: parts 1, their total -1.
    hidden : iterable
        The counts not printed.

    Returns
    -------
    set
        Those with exactly one possible value.

    Notes
    -----
    With A the coefficients of the hidden counts, a count is determined when its unit vector lies in the row
    space of A, that is when it is zero throughout the null space of A.

    Examples
    --------
    >>> total = [{"treated": 1, "control": 1, "all": -1}]
    >>> recoverable(total, {"treated"}), recoverable(total, {"treated", "control"})
    ({'treated'}, set())
    """
    import numpy as np

    names = sorted(set(hidden), key=repr)
    if not names:
        return set()
    rows = [[equation.get(name, 0) for name in names] for equation in equations]
    matrix = np.array([row for row in rows if any(row)], dtype=float).reshape(-1, len(names))
    if not len(matrix):
        return set()
    _, sizes, right = np.linalg.svd(matrix)
    rank = int((sizes > 1e-9 * sizes.max()).sum())
    null = right[rank:]
    loose = np.abs(null).max(axis=0, initial=0.0) > 1e-7
    return {name for name, free in zip(names, loose, strict=True) if not free}


def hide(
    equations: Sequence[Equation[Key]], primary: Iterable[Key], cost: Mapping[Key, float], known: Iterable[Key] = ()
) -> set[Key]:
    """Choose which counts to hide so that none of the hidden ones can be worked out.

    Parameters
    ----------
    equations : sequence of mappings
        As in `recoverable`.
    primary : iterable
        Counts that must be hidden.
    cost : mapping
        What hiding each count costs; the cheapest goes first.
    known : iterable
        Counts that do not help when hidden (a zero that everybody expects); used only when nothing else is left.

    Returns
    -------
    set
        Everything to hide, the primary counts included.
    """
    first = set(primary)
    hidden, useless = set(first), set(known) - first
    while exposed := recoverable(equations, hidden):
        near = {name for equation in equations if exposed & equation.keys() for name in equation}
        linked = {name for equation in equations if hidden & equation.keys() for name in equation}
        for pool in (near - useless, linked - useless, near, linked):
            if candidates := pool - hidden:
                hidden.add(min(candidates, key=lambda name: (cost.get(name, 0.0), repr(name))))
                break
        else:
            break
    for name in sorted(hidden - first, key=lambda name: (-cost.get(name, 0.0), repr(name))):
        if name in hidden:
            follow = recoverable(equations, hidden - {name})
            if not follow & first:  # what follows from the printed counts anyway is printed with it
                hidden -= {name, *follow}
    return hidden


@dataclass(frozen=True, slots=True, eq=False)
class SuppressedCounts:
    """A table of counts with some withheld.

    Parameters
    ----------
    table : ndarray of object, shape (r, c)
        The counts, "c" where withheld.
    hidden : ndarray of bool, shape (r, c)
        What is withheld.
    under_threshold, complementary : int
        How many cells were withheld because they are small, and how many to protect those.
    """

    table: NDArray[np.object_]
    hidden: NDArray[np.bool_]
    under_threshold: int
    complementary: int


def suppress_counts(
    table: ArrayLike,
    threshold: int = THRESHOLD,
    *,
    margins: bool = True,
    zeros: Literal["hide", "show"] = "hide",
) -> SuppressedCounts:
    """Withhold small counts of a two-way table, and enough others that no total gives one back.

    Parameters
    ----------
    table : array of int, shape (r, c)
        Counts of people. With ``margins`` the last row and the last column are the totals.
    threshold : int
        Counts under it are withheld.
    margins : bool
        Whether the last row and column hold totals. Without totals only the small counts themselves go.
    zeros : {"hide", "show"}
        Whether a zero is a small count. It says of a whole group that nobody is in the cell, so it is by
        default.

    Returns
    -------
    SuppressedCounts

    Raises
    ------
    SpecError
        If the table is not two-way, not of whole numbers, or its totals are not the sums of its parts.

    Examples
    --------
    >>> kept = suppress_counts([[4, 60, 64], [30, 70, 100], [34, 130, 164]])
    >>> print(kept.table)
    [['c' 'c' 64]
     ['c' 'c' 100]
     [34 130 164]]
    >>> kept.under_threshold, kept.complementary
    (1, 3)
    """
    import numpy as np

    counts = np.asarray(table)
    if counts.ndim != 2 or counts.size == 0 or not np.array_equal(counts, np.floor(counts)) or (counts < 0).any():
        raise SpecError("a two-way table of counts is an array of whole numbers, zero or more, with rows and columns")
    height, width = counts.shape
    if margins:
        _check_totals(counts)
    small = (counts < threshold) & ((counts > 0) | (zeros == "hide"))
    first = {(int(row), int(column)) for row, column in zip(*np.nonzero(small), strict=True)}
    hidden = set(first)
    if margins:
        lines = [[(row, column) for column in range(width)] for row in range(height)]
        lines += [[(row, column) for row in range(height)] for column in range(width)]
        equations = [{cell: 1 if cell != line[-1] else -1 for cell in line} for line in lines if len(line) > 1]
        places = [(row, column) for row in range(height) for column in range(width)]
        grand = float(counts.sum()) + 1.0
        cost = {
            (row, column): float(counts[row, column]) + grand * ((row == height - 1) + (column == width - 1))
            for row, column in places
        }
        zero = [place for place in places if counts[place] == 0]
        hidden = hide(equations, first, cost, known=zero)
    mask = np.zeros(counts.shape, dtype=bool)
    for place in hidden:
        mask[place] = True
    shown = counts.astype(object)
    shown[mask] = "c"
    return SuppressedCounts(shown, mask, len(first), len(hidden) - len(first))


def _check_totals(counts: NDArray[np.generic]) -> None:
    numbers = counts.astype(float)
    rows = int((numbers[:, :-1].sum(axis=1) != numbers[:, -1]).sum()) if counts.shape[1] > 1 else 0
    columns = int((numbers[:-1].sum(axis=0) != numbers[-1]).sum()) if counts.shape[0] > 1 else 0
    if rows or columns:
        raise SpecError(
            f"the last row and column were expected to be totals; {rows} rows and {columns} columns do not add up: "
            "append the totals, or say margins=False"
        )
