"""Fisher's exact test for tables of any size: every table with the same margins, listed or sampled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from impactkit.compute.counts import Counts, CountTable, CountTest, Floats, checked_table, count_test
from impactkit.errors import NotEstimableError, SpecError

__all__ = ["fisher_exact"]

TIE_TOLERANCE = 1e-7
"""Relative tolerance for "as likely as the observed table": the tolerance of R's fisher.test."""

DEFAULT_TABLE_LIMIT = 5_000_000
"""Tables that exact enumeration may hold in memory: some 40 bytes each, in about a second."""


def fisher_exact(
    counts: ArrayLike,
    *,
    table_limit: int = DEFAULT_TABLE_LIMIT,
    n_resamples: int | None = None,
    seed: int | None = None,
) -> CountTest:
    r"""Test independence exactly, given both margins, by listing every table that has them.

    Parameters
    ----------
    counts : array_like of int, shape (r, c)
        People by group and answer.
    table_limit : int, default 5,000,000
        Refuse to enumerate when more (partial) tables than this would have to be held.
    n_resamples, seed : int, optional
        Give both to simulate instead: that many random tables with the same margins, by scipy. Simulation is never
        a silent fallback.

    Returns
    -------
    CountTest
        ``statistic`` is the probability of the observed table; ``method`` says if the p value was simulated.

    Raises
    ------
    NotEstimableError
        If enumeration would exceed ``table_limit``.
    SpecError
        If only one of ``n_resamples`` and ``seed`` is given.

    Notes
    -----
    The p value adds the probabilities of all tables that are at most as likely as the observed one (within a relative
    tolerance of 1e-7, as R does). Rows are filled one after another and the longest is left to the end, where it
    is determined by the others; memory is O(tables x columns). The simulated p value is
    :math:`(1 + \#) / (1 + R)`.

    References
    ----------
    Freeman GH, Halton JH (1951). Note on an exact treatment of contingency, goodness of fit and other problems of
    significance. Biometrika 38, 141-149.

    Examples
    --------
    >>> round(fisher_exact([[8, 6], [90, 59]]).p_value, 2)
    1.0
    """
    table = checked_table(counts)
    if (n_resamples is None) != (seed is None):
        raise SpecError("a simulated Fisher test needs both `n_resamples` and `seed`: give both, or neither")
    if n_resamples is not None:
        return _fisher_simulated(table, n_resamples=n_resamples, seed=seed)
    arranged = table.counts if table.counts.shape[1] <= table.counts.shape[0] else table.counts.T
    arranged = arranged[np.argsort(arranged.sum(axis=1), kind="stable")]
    log_factorial = _log_factorials(table.n)
    margins = log_factorial[arranged.sum(axis=1)].sum() + log_factorial[arranged.sum(axis=0)].sum()
    constant = float(margins - log_factorial[table.n])
    observed = constant - float(log_factorial[arranged].sum())
    log_probability = constant - _enumerate_cells(arranged, log_factorial, table_limit)
    as_unlikely = log_probability <= observed + math.log1p(TIE_TOLERANCE)
    p_value = min(1.0, float(np.exp(log_probability[as_unlikely]).sum()))
    return count_test(table, "Fisher exact", math.exp(observed), math.nan, p_value)


def _log_factorials(n: int) -> Floats:
    """Give log 0!, log 1!, ..., log n!, shape (n + 1,)."""
    from scipy.special import gammaln

    values: Floats = gammaln(np.arange(n + 1, dtype=np.float64) + 1.0)
    return values


def _enumerate_cells(counts: Counts, log_factorial: Floats, table_limit: int) -> Floats:
    """Give the sum of log cell factorials of every table with the margins of ``counts``, shape (tables,)."""
    remaining = counts.sum(axis=0)[np.newaxis, :]
    weight = np.zeros(1)
    for row_total in counts.sum(axis=1)[:-1]:
        parts = _compositions(int(row_total), counts.sum(axis=0), table_limit)
        if remaining.shape[0] * parts.shape[0] > table_limit:
            raise _too_many_tables(table_limit)
        left = (remaining[:, np.newaxis, :] - parts[np.newaxis, :, :]).reshape(-1, counts.shape[1])
        added = (weight[:, np.newaxis] + log_factorial[parts].sum(axis=1)[np.newaxis, :]).ravel()
        possible = (left >= 0).all(axis=1)
        remaining, weight = left[possible], added[possible]
    cells: Floats = weight + log_factorial[remaining].sum(axis=1)
    return cells


def _compositions(total: int, limits: Counts, table_limit: int) -> Counts:
    """Give every way to put ``total`` into cells that hold at most ``limits``, shape (ways, c)."""
    ways = np.zeros((1, 0), dtype=np.int64)
    left = np.array([total], dtype=np.int64)
    for position, limit in enumerate(limits[:-1]):
        room_after = int(limits[position + 1 :].sum())
        lowest, highest = np.maximum(0, left - room_after), np.minimum(left, limit)
        choices = highest - lowest + 1
        if int(choices.sum()) > table_limit:
            raise _too_many_tables(table_limit)
        source = np.repeat(np.arange(left.size), choices)
        step = np.arange(source.size) - np.repeat(np.cumsum(choices) - choices, choices)
        taken = lowest[source] + step
        ways = np.column_stack([ways[source], taken])
        left = left[source] - taken
    return np.column_stack([ways, left])


def _too_many_tables(table_limit: int) -> NotEstimableError:
    return NotEstimableError(
        f"Fisher's exact test would list more than {table_limit:,} tables: raise `table_limit`, give `n_resamples` "
        "and `seed` to simulate, or use the chi-square test"
    )


def _fisher_simulated(table: CountTable, *, n_resamples: int, seed: int | None) -> CountTest:
    from scipy import stats

    method = stats.MonteCarloMethod(n_resamples=n_resamples, rng=np.random.default_rng(seed))
    simulated = stats.fisher_exact(table.counts, method=method)
    log_factorial = _log_factorials(table.n)
    margins = log_factorial[table.counts.sum(axis=1)].sum() + log_factorial[table.counts.sum(axis=0)].sum()
    probability = math.exp(float(margins - log_factorial[table.n] - log_factorial[table.counts].sum()))
    name = f"Fisher by simulation ({n_resamples} tables, seed {seed})"
    return count_test(table, name, probability, math.nan, float(simulated.pvalue))
