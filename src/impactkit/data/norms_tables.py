"""Norms from what others have tabulated: printed medians, and counts of episodes by band of length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from impactkit.compute.survival.bands import band_mean, band_quantile
from impactkit.data.columns import Floats
from impactkit.data.norms import READINGS, Norm, NormTable, Reading, Statistic, cell_label
from impactkit.errors import DataError, SpecError

__all__ = ["TOTALS", "norms_from_bands", "norms_from_table"]

TOTALS = ("Total", "All recorded diagnoses", "All")
"""What tables call a row over all cells."""
_MEDIANS = ("norm_median_weeks", "median_weeks", "median")


def norms_from_table(
    source: Any,
    *,
    by: Sequence[str] | Mapping[str, str],
    reading: Reading,
    median: str | None = None,
    n: str | None = None,
    totals: Sequence[str] = TOTALS,
    threshold: float = 4.0,
) -> NormTable:
    """Read norms off a table of medians, in weeks.

    Parameters
    ----------
    source : str or table
        The id of a published table, for example ``"ffws.c1"``, or any frame or file.
    by : sequence of str, or mapping
        Columns of the cells; a mapping gives the table's column for each column of the design:
        ``{"area": "area", "diagnosis": "health_problem"}``.
    reading : {"complete", "adjusted_total", "adjusted_residual"}
        What the table's medians are of. A table that does not say leaves it to the reader: see
        :func:`check_norms`.
    median : str, optional
        Column of the medians; ``norm_median_weeks``, ``median_weeks`` or ``median`` when left out.
    n : str, optional
        Column of the number of episodes; ``n`` when left out, if there is one.
    totals : sequence of str
        Labels of a row over all cells.
    threshold : float
        What counts as long in the adjusted readings, in weeks.

    Returns
    -------
    NormTable
        Without intervals: a printed median carries no uncertainty. Known faults of a published table are in ``notes``.

    Raises
    ------
    SpecError, DataError
        If a column is missing, a median is not more than 0, or a cell is there twice.

    Examples
    --------
    >>> from impactkit.data import norms_from_table
    >>> table = norms_from_table("ffws.c5", by={"area": "area", "diagnosis": "health_problem"}, reading="complete")
    >>> table.norm_for("area=Greater Manchester, diagnosis=Depression")
    8.6
    """
    if reading not in READINGS or reading == "conditional":
        raise SpecError(f"a table of medians holds {', '.join(READINGS[:3])} norms; got reading={reading!r}")
    columns = dict(by) if isinstance(by, Mapping) else {name: name for name in by}
    table, words, faults = _opened(source)
    median = median or next((name for name in _MEDIANS if name in table), "median")
    size = n or ("n" if "n" in table else None)
    absent = [
        table.absent(name, "the norms")
        for name in (*columns.values(), median, *filter(None, (n,)))
        if name not in table
    ]
    if absent:
        raise DataError(absent)
    medians = table.column(median).numbers
    sizes = None if size is None else table.column(size).numbers
    if medians is None or (medians <= 0).any():
        raise DataError([f"column `{median}` should hold numbers of weeks, more than 0: correct it"])
    labels = [table.column(name).factor() for name in columns.values()]
    norms, blank = [], 0
    for row in range(table.size):
        if np.isnan(medians[row]):
            blank += 1
            continue
        texts = [factor.labels[factor.codes[row]] if factor.codes[row] >= 0 else None for factor in labels]
        values = tuple(None if text in totals else text for text in texts)
        number = Statistic(
            "median",
            0.5,
            float(medians[row]),
            notes=(("std_error", "a printed median carries no uncertainty, so it has no interval"),),
        )
        count = float("nan") if sizes is None else float(sizes[row])
        norms.append(Norm(cell_label(tuple(columns), values), values, reading, count, np.nan, 0, (number,), (), words))
    said = (f"{blank} of {table.size} rows print no median and have no norm",) if blank else ()
    return NormTable(tuple(columns), tuple(norms), "weeks", threshold, float("nan"), words, (*said, *faults))


def _opened(source: Any) -> tuple[Any, str, tuple[str, ...]]:
    from impactkit.data.frames import read_table

    if isinstance(source, str) and not source.endswith((".csv", ".parquet")):
        from impactkit.published import load

        table = load(source)
        return read_table(table.frame(), source), table.source, table.contradictions
    return read_table(source), "a table of medians", ()


def norms_from_bands(
    source: Any,
    *,
    by: Sequence[str],
    reading: Reading,
    low: str = "low",
    high: str = "high",
    count: str = "count",
    threshold: float = 4.0,
    elapsed: float | None = None,
    horizon: float | None = None,
    shares: Sequence[float] = (0.25, 0.75),
    conf_level: float = 0.95,
    time_unit: str = "weeks",
) -> NormTable:
    """Make norms of counts of episodes by band of length.

    Parameters
    ----------
    source : table
        One row per cell and band: any frame or file.
    by : sequence of str
        Columns of the cells.
    reading : {"complete", "adjusted_total", "adjusted_residual", "conditional"}
        The threshold (or ``elapsed``) has to be an edge of the bands.
    low, high, count : str
        Columns of each band's edges, in ``time_unit``, and its number of episodes; an empty ``high`` is an open top
        band.
    threshold, elapsed, horizon, shares, conf_level, time_unit
        As in :func:`norms_from_episodes`.

    Returns
    -------
    NormTable
        Medians, quantiles and restricted means; beside a mean, ``restricted_mean_lowest`` and ``_highest``, with every
        episode at the lower or upper edge of its band.

    Raises
    ------
    DataError
        Listing every cell whose bands have gaps, overlaps or counts that are not whole numbers.

    Notes
    -----
    Lengths are taken to be spread evenly over a band. Standard errors are multinomial: counts by band do not say which
    practice an episode comes from, so they are too small as far as practices differ.

    Examples
    --------
    >>> import pandas as pd
    >>> from impactkit.data import norms_from_bands
    >>> counts = pd.DataFrame({"cause": ["back"] * 3, "low": [0, 4, 8], "high": [4, 8, None], "count": [40, 40, 20]})
    >>> norms_from_bands(counts, by=("cause",), reading="complete").norm_for("cause=back")
    5.0
    """
    from impactkit.data.coding import stratum_codes
    from impactkit.data.frames import read_table

    if reading not in READINGS or (reading == "conditional") != (elapsed is not None):
        raise SpecError(f"`reading` is one of {', '.join(READINGS)}, and `elapsed` belongs to conditional only")
    table = read_table(source)
    absent = [table.absent(name, "the norms") for name in (*by, low, high, count) if name not in table]
    if absent:
        raise DataError(absent)
    lows, highs, counts = (table.column(name).numbers for name in (low, high, count))
    if lows is None or highs is None or counts is None:
        raise DataError([f"columns `{low}`, `{high}` and `{count}` should hold numbers: convert them"])
    cells = stratum_codes([table.column(name) for name in by], np.ones(table.size, dtype=bool))
    cut = {"complete": 0.0, "conditional": elapsed}.get(reading, threshold) or 0.0
    shift = cut if reading in ("adjusted_residual", "conditional") else 0.0
    norms, problems = [], []
    for code, label in enumerate(cells.labels):
        rows = np.flatnonzero(cells.codes == code)
        rows = rows[np.argsort(lows[rows], kind="stable")]
        edges = np.concatenate([lows[rows], highs[rows][-1:]])
        edges[-1] = np.inf if np.isnan(edges[-1]) else edges[-1]
        fault = _band_fault(edges, highs[rows], counts[rows], cut)
        if fault:
            problems.append(f'bands of "{label}": {fault}')
            continue
        above = edges[:-1] >= cut - 1e-9
        norms.append(
            _band_norm(
                label,
                tuple(by),
                edges[np.append(above, True)],
                counts[rows][above],
                (reading, shift),
                (horizon, tuple(shares), conf_level),
            )
        )
    if problems:
        raise DataError(problems)
    tau = float("nan") if horizon is None else float(horizon)
    said = "limits are multinomial: counts by band do not say how practices differ, so they are too narrow"
    return NormTable(tuple(by), tuple(norms), time_unit, threshold, tau, "counts by band", (said,))


def _band_fault(edges: Floats, highs: Floats, counts: Floats, cut: float) -> str:
    if np.isnan(edges).any() or np.isnan(counts).any() or (counts < 0).any() or (counts % 1 != 0).any():
        return "lower edges and counts should be given, counts as whole numbers of 0 or more"
    if (np.diff(edges) <= 0).any() or not np.array_equal(edges[1:-1], highs[:-1]):
        return "each band should begin where the one before ends, and only the last may be open"
    if edges[0] < 0 or (edges[0] > cut):
        return f"the first band should begin at 0 or, in this reading, no later than {cut:g}"
    if cut > 0 and not np.isclose(edges, cut).any():
        return f"{cut:g} should be an edge of the bands, or nobody knows how many episodes are longer"
    return ""


def _band_norm(
    label: str,
    by: tuple[str, ...],
    edges: Floats,
    counts: Floats,
    how: tuple[Reading, float],
    what: tuple[float | None, tuple[float, ...], float],
) -> Norm:
    from scipy.special import ndtri

    from impactkit.data.norms import label_values

    (reading, shift), (horizon, shares, level) = how, what
    z = float(ndtri(0.5 * (1.0 + level)))
    n = float(counts.sum())
    found: list[Statistic] = []
    for name, share in (("median", 0.5), *(("quantile", share) for share in shares)):
        value, error = band_quantile(edges, counts, share) if n else (np.nan, np.nan)
        said = "there is no such episode" if not n else f"it lies in the open band that begins at {edges[-2]:g}"
        notes = () if np.isfinite(value) else (("estimate", said),)
        found.append(
            Statistic(name, share, value - shift, error, value - z * error - shift, value + z * error - shift, notes)
        )
    if horizon is not None:
        mean, error, lowest, highest = band_mean(edges - shift, counts, horizon) if n else (np.nan,) * 4
        said = "there is no such episode" if not n else "the open band begins before the horizon: see the bounds"
        notes = () if np.isfinite(mean) else (("estimate", said),)
        found.append(Statistic("restricted_mean", np.nan, mean, error, mean - z * error, mean + z * error, notes))
        bound = (("std_error", "a bound: every episode at one edge of its band"),)
        found.append(Statistic("restricted_mean_lowest", np.nan, lowest, notes=bound))
        found.append(Statistic("restricted_mean_highest", np.nan, highest, notes=bound))
    return Norm(label, label_values(by, label), reading, n, np.nan, 0, tuple(found), (), "counts by band")
