"""One column of a table as numpy, the same whatever kind of frame it came from.

A number is a number whether it was stored as an integer, a float or a decimal; text is codes and labels;
a missing cell is NaN or code -1. Nothing here knows a design.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Codes", "Column", "Factor", "Floats", "frozen", "label_text"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]

AnyArray = TypeVar("AnyArray", bound=NDArray[Any])

Kind = Literal["number", "truth", "text", "date", "mixed", "other"]

LARGEST_EXACT = 2**53
"""Whole numbers beyond this lose digits as float64, so such a column is also kept as integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A column as groups.

    Parameters
    ----------
    codes : ndarray of int32, shape (n,)
        Position in ``labels``; -1 where missing.
    labels : tuple of str
        Labels that occur: in the order of the frame's categories if it declares one, else sorted
        (numbers by size).
    """

    codes: Codes
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column in canonical form.

    Parameters
    ----------
    name : str
    kind : {"number", "truth", "text", "date", "mixed", "other"}
        What the cells are. ``"mixed"`` is text and numbers in one column, ``"other"`` what cannot be
        analysed (lists, complex numbers, time spans); both are only ever reported.
    size : int
        Number of rows.
    numbers : ndarray of float64, optional
        Numbers and truth values, NaN where missing.
    exact : ndarray of integers, optional
        The same numbers when they are whole and too long for float64 (some identifiers).
    codes, levels : ndarray, optional
        Text and dates: position in ``levels`` (-1 where missing) and the labels in order of first
        appearance. Dates are ISO text.
    declared : tuple, optional
        The order of categories, if the frame declares one.
    found : str
        For ``"mixed"`` and ``"other"``: what was found, in words, with counts.
    """

    name: str
    kind: Kind
    size: int
    numbers: Floats | None = None
    exact: NDArray[Any] | None = None
    codes: Codes | None = None
    levels: NDArray[np.object_] | None = None
    declared: tuple[Any, ...] | None = None
    found: str = ""

    @property
    def missing(self) -> Bools:
        """True where the cell is empty, shape (n,)."""
        if self.numbers is not None:
            empty: Bools = np.isnan(self.numbers)
            return empty
        if self.codes is not None:
            return self.codes < 0
        return np.zeros(self.size, dtype=bool)

    @property
    def is_number(self) -> bool:
        """Whether every cell is a number or a truth value (or empty)."""
        return self.numbers is not None

    def is_in(self, labels: Any) -> Bools:
        """Mark the rows that hold one of the labels; text matches text, numbers and truth values match by size."""
        wanted = labels if isinstance(labels, tuple) else (labels,)
        if self.numbers is not None:
            found = np.zeros(self.size, dtype=bool)
            for label in wanted:
                if not isinstance(label, str):
                    found |= self.numbers == float(label)
            return found
        if self.codes is not None and self.levels is not None:
            texts = {label for label in wanted if isinstance(label, str)}
            hit = np.fromiter((level in texts for level in self.levels), dtype=bool, count=len(self.levels))
            return np.append(hit, False)[self.codes]  # code -1 picks the appended False
        return np.zeros(self.size, dtype=bool)

    def groups(self) -> tuple[Codes, int]:
        """Give any codes, -1 where missing, and how many groups there are; the cheapest grouping, in no order."""
        if self.codes is not None and self.levels is not None:
            return self.codes, len(self.levels)
        codes, values = _number_groups(self)
        return codes, len(values)

    def factor(self, declared: bool = True) -> Factor:
        """Give codes by sorted label, or in the frame's own order of categories unless ``declared`` is false."""
        if self.codes is not None and self.levels is not None:
            codes, values = self.codes, list(self.levels)
            rank = sorted(range(len(values)), key=values.__getitem__)
        else:
            codes, values = _number_groups(self)
            rank = list(range(len(values)))
        if declared and self.declared is not None:
            place = {value: position for position, value in enumerate(self.declared)}
            rank.sort(key=lambda index: place.get(values[index], len(place)))
        labels = tuple(label_text(values[index], truth=self.kind == "truth") for index in rank)
        position = np.empty(len(values) + 1, dtype=np.int32)
        position[rank] = np.arange(len(values), dtype=np.int32)
        position[-1] = -1
        return Factor(frozen(position[codes]), labels)

    def values(self) -> NDArray[Any]:
        """Give the cells as one array: integers, float64, text (object, ``None`` where missing) or datetime64."""
        if self.exact is not None:
            return frozen(self.exact)
        if self.numbers is not None:
            return frozen(self.numbers)
        if self.codes is None or self.levels is None:
            return frozen(np.full(self.size, None, dtype=object))
        if self.kind == "date":
            return frozen(np.append(self.levels.astype("datetime64[us]"), np.datetime64("NaT", "us"))[self.codes])
        padded = np.empty(len(self.levels) + 1, dtype=object)
        padded[:-1] = self.levels
        return frozen(padded[self.codes])

    def update(self, digest: hashlib._Hash) -> None:
        """Feed the column to a digest in a form that does not depend on the kind of frame."""
        kind = "text" if self.kind == "date" else self.kind
        digest.update(f"{len(self.name.encode())}:{self.name}:{kind}:{self.size}:".encode())
        if self.exact is not None:
            digest.update(b"exact:" + self.exact.astype(np.uint64).astype("<u8").tobytes())
        elif self.numbers is not None:
            canonical = self.numbers + 0.0  # -0.0 becomes 0.0
            canonical[np.isnan(canonical)] = np.nan  # one bit pattern
            digest.update(canonical.astype("<f8", copy=False).data)
        elif self.codes is not None and self.levels is not None:
            texts = self.levels.tolist()
            joined = "".join(texts)
            encoded = joined.encode(errors="surrogatepass")
            plain = len(encoded) == len(joined)
            lengths = map(len, texts) if plain else (len(text.encode(errors="surrogatepass")) for text in texts)
            digest.update(np.fromiter(lengths, dtype="<i8", count=len(texts)).tobytes())
            digest.update(encoded)
            digest.update(np.ascontiguousarray(self.codes, dtype="<i4").data)


def _number_groups(column: Column) -> tuple[Codes, list[Any]]:
    """Code numbers by size, -1 where missing."""
    if column.exact is not None:
        whole, inverse = np.unique(column.exact, return_inverse=True)
        return inverse.astype(np.int32), whole.tolist()
    if column.numbers is None:
        return np.full(column.size, -1, dtype=np.int32), []
    codes = np.full(column.size, -1, dtype=np.int32)
    present = ~np.isnan(column.numbers)
    values, inverse = np.unique(column.numbers[present], return_inverse=True)
    codes[present] = inverse
    return codes, values.tolist()


def label_text(value: Any, *, truth: bool = False) -> str:
    """Write a label as people write it: ``1``, ``2.5``, ``True``, ``sales workers``.

    Examples
    --------
    >>> label_text(1.0), label_text(2.5), label_text(1.0, truth=True)
    ('1', '2.5', 'True')
    """
    if isinstance(value, str):
        return value
    if truth:
        return str(bool(value))
    number = float(value)
    if isinstance(value, int) or (number.is_integer() and abs(number) < LARGEST_EXACT):
        return str(int(value))
    return repr(number)


def frozen(array: AnyArray) -> AnyArray:
    """Give a read-only view; the array it came from, which may be the user's, is left as it was."""
    view = array.view()
    view.setflags(write=False)
    return view
