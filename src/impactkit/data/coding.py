"""Arms, strata, clusters and filters as small arrays of codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from impactkit.data.columns import Bools, Codes, Column, Factor, frozen
from impactkit.data.frames import Columns
from impactkit.design import ComparisonDesign, TrialDesign
from impactkit.design.base import Where

__all__ = ["arm_codes", "included_rows", "matching_rows", "restricted", "stratum_codes", "unit_positions"]

IGNORED = -1
UNKNOWN = -2


def arm_codes(column: Column, design: TrialDesign | ComparisonDesign) -> NDArray[np.int8]:
    """Code the arms: 0 control, j the j-th treated label, -1 an ignored arm, -2 an unknown or missing label."""
    codes = np.full(column.size, UNKNOWN, dtype=np.int8)
    codes[column.is_in(design.control)] = 0
    for number, label in enumerate(design.treated_labels, start=1):
        codes[column.is_in(label)] = number
    if design.ignore_arms:
        codes[column.is_in(design.ignore_arms)] = IGNORED
    return codes


def included_rows(arm: NDArray[np.int8] | None, size: int) -> Bools:
    """Mark the rows that count: everybody, or everybody who is not in an ignored arm.

    Rows with an unknown label count here, so that their other faults are listed in the same error.
    """
    return np.ones(size, dtype=bool) if arm is None else arm != IGNORED


def stratum_codes(columns: Sequence[Column], included: Bools) -> Factor:
    """Code the combinations of columns that occur among included rows, in sorted order; other rows are -1."""
    factors = [column.factor(declared=False) for column in columns]
    if len(factors) == 1:
        parts = restricted(factors[0], included)
        return Factor(parts.codes, tuple(f"{columns[0].name}={label}" for label in parts.labels))
    key = np.zeros(len(included), dtype=np.int64)
    valid = included.copy()
    for factor in factors:
        key = key * max(len(factor.labels), 1) + factor.codes
        valid &= factor.codes >= 0
    occurring, inverse = np.unique(key[valid], return_inverse=True)
    codes: Codes = np.full(len(included), -1, dtype=np.int32)
    codes[valid] = inverse
    labels = []
    for combined in occurring.tolist():
        said: list[str] = []
        for column, factor in zip(reversed(columns), reversed(factors), strict=True):
            combined, position = divmod(combined, len(factor.labels))
            said.append(f"{column.name}={factor.labels[position]}")
        labels.append(", ".join(reversed(said)))
    return Factor(frozen(codes), tuple(labels))


def restricted(factor: Factor, included: Bools) -> Factor:
    """Give a factor of the included rows only: labels that occur among them, -1 elsewhere."""
    used = included & (factor.codes >= 0)
    counts = np.bincount(factor.codes[used], minlength=len(factor.labels))
    if used.all() and counts.all():
        return factor
    position = np.where(counts > 0, np.cumsum(counts > 0) - 1, -1).astype(np.int32)
    codes = np.where(used, np.append(position, np.int32(-1))[factor.codes], np.int32(-1))
    return Factor(frozen(codes), tuple(label for label, count in zip(factor.labels, counts, strict=True) if count))


def matching_rows(where: Where, table: Columns) -> Bools:
    """Mark the rows for which every equality holds."""
    rows = np.ones(table.size, dtype=bool)
    for name, labels in where:
        rows &= table.column(name).is_in(labels)
    return rows


def unit_positions(units: Column, column: Column) -> NDArray[np.int64] | None:
    """Find the person row of each row of a linked table, -1 where there is none.

    Returns
    -------
    ndarray of int64 or None
        ``None`` if one of the columns is text and the other numbers, so that nothing can match.
    """
    if units.is_number != column.is_number:
        return None
    if units.codes is not None and units.levels is not None:
        if column.codes is None or column.levels is None:
            return None
        first = np.zeros(len(units.levels), dtype=np.int64)
        known_rows = np.flatnonzero(units.codes >= 0)[::-1]
        first[units.codes[known_rows]] = known_rows  # written backwards: the first row of an id wins
        row = dict(zip(units.levels.tolist(), first.tolist(), strict=True))
        found = np.fromiter((row.get(level, -1) for level in column.levels), np.int64, len(column.levels))
        return np.append(found, -1)[column.codes]
    known, wanted = units.values(), column.values()
    if not known.size:
        return np.full(column.size, -1, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], wanted), known.size - 1)
    rows = order[place]
    return np.where(known[rows] == wanted, rows, -1)
