"""Tables of counts, checked once: what the tests on them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impactkit.errors import DataError, NotEstimableError

__all__ = ["CountTable", "CountTest", "Counts", "Floats", "checked_counts", "checked_table", "count_test", "positions"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CountTest:
    """A test of a table of counts.

    Parameters
    ----------
    method : str
        Name of the test, and for a simulated p value how it was simulated.
    statistic : float
        Chi-square or G; for Fisher's test the probability of the observed table given its margins.
    df : float
        Degrees of freedom; NaN for Fisher's test.
    p_value : float
        Two-sided.
    n : int
        Sum of the counts.
    smallest_expected : float
        Smallest expected count under independence, over rows and columns that are not empty.
    empty_rows, empty_columns : tuple of int
        Positions of rows and columns without a count, which took no part in the test.
    """

    method: str
    statistic: float
    df: float
    p_value: float
    n: int
    smallest_expected: float
    empty_rows: tuple[int, ...]
    empty_columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CountTable:
    """A checked table without its empty rows and columns."""

    counts: Counts  # shape (r, c)
    empty_rows: tuple[int, ...]
    empty_columns: tuple[int, ...]

    @property
    def n(self) -> int:
        """Sum of the counts."""
        return int(self.counts.sum())

    @property
    def expected(self) -> Floats:
        """Expected counts under independence, shape (r, c)."""
        rows = self.counts.sum(axis=1, dtype=np.float64)
        columns = self.counts.sum(axis=0, dtype=np.float64)
        product: Floats = np.outer(rows, columns) / self.n
        return product

    @property
    def df(self) -> int:
        """Degrees of freedom of a test of independence."""
        rows, columns = self.counts.shape
        return int((rows - 1) * (columns - 1))


def checked_table(counts: ArrayLike) -> CountTable:
    """Give a table of counts without its empty rows and columns, or say what is wrong with it."""
    array = checked_counts(counts, "counts")
    if array.ndim != 2:
        raise DataError([f"a table of counts has two dimensions (groups by answers), found shape {array.shape}"])
    rows, columns = array.sum(axis=1) > 0, array.sum(axis=0) > 0
    kept = array[np.ix_(rows, columns)]
    if min(kept.shape) < 2:
        raise NotEstimableError(
            f"a test needs two rows and two columns with counts, found {kept.shape[0]} and {kept.shape[1]} of "
            f"{array.shape[0]} and {array.shape[1]}: everyone is in one group or gave one answer"
        )
    return CountTable(kept, positions(~rows), positions(~columns))


def checked_counts(counts: ArrayLike, name: str) -> Counts:
    """Give whole numbers of zero or more, or say how many are not."""
    try:
        array = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError([f"{name} must be whole numbers in a rectangular array: {error}"]) from error
    wrong = ~np.isfinite(array) | (array < 0) | (array != np.floor(array))
    if wrong.any():
        raise DataError(
            [f"{name} must be whole numbers of zero or more: {int(wrong.sum())} are missing, negative or fractional"]
        )
    return array.astype(np.int64)


def positions(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    """Give the positions of true values."""
    return tuple(int(position) for position in np.flatnonzero(chosen))


def count_test(table: CountTable, method: str, statistic: float, df: float, p_value: float) -> CountTest:
    """Give a test's result together with what the table says of itself."""
    return CountTest(
        method=method,
        statistic=statistic,
        df=df,
        p_value=p_value,
        n=table.n,
        smallest_expected=float(table.expected.min()),
        empty_rows=table.empty_rows,
        empty_columns=table.empty_columns,
    )
