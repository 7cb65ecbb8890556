"""Whether two norms of the same cells can both be right: what any distribution of lengths has to satisfy."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.data.norms import NormTable
from impactkit.errors import SpecError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHECK_COLUMNS", "check_norms"]

CHECK_COLUMNS = ("cell", "complete", "adjusted", "reading", "possible", "reason")


def check_norms(
    complete: NormTable,
    adjusted: NormTable,
    reading: Literal["adjusted_total", "adjusted_residual"],
    *,
    rounding: float = 0.1,
) -> pd.DataFrame:
    """Say for each cell whether a complete norm and an adjusted one can both be right under a reading.

    Parameters
    ----------
    complete, adjusted : NormTable
        Cells are matched by label; those that only one of them has are left out. ``adjusted`` is read under
        ``reading`` whatever reading it was made with, so that both readings of a printed column can be tried.
    reading : {"adjusted_total", "adjusted_residual"}
    rounding : float, default 0.1
        One unit of the last place printed: a cell is impossible only if every pair of numbers that rounds to those
        printed is.

    Returns
    -------
    DataFrame
        One row per cell: ``cell, complete, adjusted, reading, possible, reason``.

    Raises
    ------
    SpecError
        If the tables differ in columns, unit or threshold, or share no cell.

    Notes
    -----
    With m the median of T, a the median of T among those with T > c (a residual norm plus c), and Q3 the upper quartile
    of T: leaving out the short episodes raises every quantile, so a ≥ m; and a > c. With s the share longer than c,
    a is the quantile of T at 1 − s/2. If m > c then s ≥ 1/2, so a ≤ Q3; if m < c then s ≤ 1/2, so a ≥ Q3. Whatever
    the cells, the median over all of them lies between the smallest and the largest of their medians.

    Examples
    --------
    >>> from impactkit.data import check_norms, norms_from_table
    >>> by = {"area": "area", "diagnosis": "health_problem"}
    >>> found = check_norms(norms_from_table("ffws.c5", by=by, reading="complete"),
    ...                     norms_from_table("ffws.c6", by=by, reading="adjusted_total"), "adjusted_total")
    >>> found.loc[~found["possible"], "cell"].tolist()
    ['area=Greater Manchester, diagnosis=Depression']
    """
    import pandas as pd

    if reading not in ("adjusted_total", "adjusted_residual"):
        raise SpecError(f'`reading` is "adjusted_total" or "adjusted_residual"; got {reading!r}')
    for word, first, second in (
        ("columns", complete.by, adjusted.by),
        ("unit", complete.time_unit, adjusted.time_unit),
        ("threshold", complete.threshold, adjusted.threshold),
    ):
        if first != second:
            raise SpecError(f"the two tables of norms should have the same {word}; they have {first} and {second}")
    whole = {norm.label: norm for norm in complete.norms if norm.reading == "complete"}
    long = {norm.label: norm for norm in adjusted.norms if norm.reading != "complete"}
    shared = [label for label in whole if label in long]
    if not shared:
        raise SpecError("the two tables of norms share no cell: give them the same columns and labels")
    half, cut = 0.5 * rounding, complete.threshold
    rows = []
    for label in shared:
        middle, upper = whole[label].statistic("median"), whole[label].statistic("quantile", 0.75)
        later = long[label].statistic("median")
        m = np.nan if middle is None else middle.estimate
        shown = np.nan if later is None else later.estimate
        a = shown + (cut if reading == "adjusted_residual" else 0.0)
        q3 = np.nan if upper is None else upper.estimate
        reason = _impossible(m, a, q3, cut, half, reading)
        if np.isnan(m) or np.isnan(shown):
            reason = "not known: one of the medians is not given"
        rows.append((label, m, shown, reading, not reason, reason))
    for name, table, among in (("complete", complete, whole), ("adjusted", adjusted, long)):
        for label, reason in _outside(table, among, half):
            place = next((place for place, row in enumerate(rows) if row[0] == label), None)
            if place is not None:
                row = rows[place]
                rows[place] = (*row[:4], False, "; ".join(filter(None, (row[5], f"{name}: {reason}"))))
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))


def _impossible(m: float, a: float, q3: float, cut: float, half: float, reading: str) -> str:
    said = []
    if a + half < m - half:
        what = "the adjusted norm" if reading == "adjusted_total" else f"the adjusted norm plus {cut:g}"
        said.append(
            f"{what} ({a:g}) is less than the complete norm ({m:g}): leaving out short episodes cannot lower a median"
        )
    if a + half <= cut:
        said.append(f"the median of episodes longer than {cut:g} is not more than {cut:g}")
    if m - half > cut and a - half > q3 + half:
        said.append(f"more than half are longer than {cut:g}, so the median of those cannot exceed the upper quartile")
    if m + half < cut and a + half < q3 - half:
        said.append(f"fewer than half are longer than {cut:g}, so their median cannot lie below the upper quartile")
    return "; ".join(said)


def _outside(table: NormTable, among: Collection[str], half: float) -> list[tuple[str, str]]:
    """Find norms over all cells that lie outside the range of those cells' norms."""
    found = []
    for norm in table.norms:
        if norm.label not in among or not norm.is_whole or not table.by:
            continue
        parts = [
            number.estimate
            for other in table.norms
            if other.reading == norm.reading and not other.is_whole
            and all(own in (None, value) for own, value in zip(norm.values, other.values, strict=True))
            for number in other.statistics[:1]
        ]  # fmt: skip
        value = norm.statistics[0].estimate
        if len(parts) > 1 and not min(parts) - 2 * half <= value <= max(parts) + 2 * half:
            found.append((norm.label, f"{value:g} lies outside the {min(parts):g} to {max(parts):g} of its cells"))
    return found
