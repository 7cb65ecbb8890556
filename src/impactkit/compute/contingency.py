"""Tests on tables of counts, on plain arrays: chi-square, likelihood ratio, Fisher, trend, and Wilson's interval.

Rows are groups, columns are answers. No function applies a continuity correction: that is the convention of the
reports this package reproduces, and for 2 x 2 tables it makes the chi-square test equal the test of two proportions.
A row or column without a single count cannot inform a test: it is left out of the arithmetic, and the result says
which ones were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from impactkit.compute.counts import Counts, CountTest, Floats, checked_counts, checked_table, count_test, positions
from impactkit.compute.fisher import fisher_exact
from impactkit.errors import DataError, NotEstimableError, SpecError

__all__ = [
    "CountTest",
    "ProportionInterval",
    "cochran_armitage",
    "fisher_exact",
    "likelihood_ratio",
    "pearson_chi_square",
    "wilson_interval",
]


@dataclass(frozen=True, slots=True)
class ProportionInterval:
    """Proportions with Wilson's interval.

    Parameters
    ----------
    proportion, low, high : ndarray of float
        Fractions from 0 to 1, in the shape of the totals; NaN where a total is zero.
    conf_level : float
        Confidence level of each interval.
    empty : tuple of int
        Positions, in the flattened totals, of groups without anyone.
    """

    proportion: Floats
    low: Floats
    high: Floats
    conf_level: float
    empty: tuple[int, ...]


def pearson_chi_square(counts: ArrayLike) -> CountTest:
    r"""Test independence in a table of counts by Pearson's chi-square, without continuity correction.

    Parameters
    ----------
    counts : array_like of int, shape (r, c)
        People by group and answer.

    Returns
    -------
    CountTest

    Raises
    ------
    DataError
        If counts are negative, fractional or missing, or do not form a table.
    NotEstimableError
        If fewer than two rows or two columns hold a count.

    Notes
    -----
    :math:`X^2 = \sum_{ij} (O_{ij} - E_{ij})^2 / E_{ij}` with :math:`E_{ij} = n_{i.} n_{.j} / n`, referred to a
    chi-square with :math:`(r-1)(c-1)` degrees of freedom. The approximation is usually trusted when no expected
    count is below 5: ``smallest_expected`` says how far that holds.

    References
    ----------
    Pearson K (1900). On the criterion that a given system of deviations [...]. Philosophical Magazine 50, 157-175.

    Examples
    --------
    Return to work by gender in Greater Manchester (40 of 69 men, 59 of 99 women):

    >>> test = pearson_chi_square([[40, 29], [59, 40]])
    >>> round(test.p_value, 2), round(test.smallest_expected, 1)
    (0.83, 28.3)
    """
    table = checked_table(counts)
    expected = table.expected
    statistic = float(((table.counts - expected) ** 2 / expected).sum())
    return count_test(table, "Pearson chi-square", statistic, table.df, _chi_square_tail(statistic, table.df))


def likelihood_ratio(counts: ArrayLike) -> CountTest:
    r"""Test independence in a table of counts by the likelihood ratio.

    Parameters
    ----------
    counts : array_like of int, shape (r, c)
        People by group and answer.

    Returns
    -------
    CountTest

    Notes
    -----
    :math:`G = 2 \sum_{ij} O_{ij} \log(O_{ij} / E_{ij})`, where an empty cell adds nothing, referred to a chi-square
    with :math:`(r-1)(c-1)` degrees of freedom. The same errors as `pearson_chi_square`.

    References
    ----------
    Wilks SS (1938). The large-sample distribution of the likelihood ratio for testing composite hypotheses.
    Annals of Mathematical Statistics 9, 60-62.

    Examples
    --------
    >>> round(likelihood_ratio([[40, 29], [59, 40]]).p_value, 2)
    0.83
    """
    table = checked_table(counts)
    observed = table.counts.astype(np.float64)
    ratio = np.divide(observed, table.expected, out=np.ones_like(observed), where=observed > 0)
    statistic = max(0.0, float(2.0 * (observed * np.log(ratio)).sum()))
    return count_test(table, "likelihood ratio G", statistic, table.df, _chi_square_tail(statistic, table.df))


def cochran_armitage(successes: ArrayLike, totals: ArrayLike, scores: ArrayLike | None = None) -> CountTest:
    r"""Test whether a proportion rises or falls along ordered groups.

    Parameters
    ----------
    successes, totals : array_like of int, shape (k,)
        People with the answer, and people, in each group.
    scores : array_like of float, shape (k,), optional
        The groups' places on the scale of the trend; 0, 1, 2, ... when left out.

    Returns
    -------
    CountTest
        One degree of freedom. A group without anyone is listed in ``empty_rows``.

    Notes
    -----
    With :math:`\hat p = \sum x_i / \sum n_i` and :math:`\bar s = \sum n_i s_i / \sum n_i`,

    .. math:: X^2 = \frac{[\sum x_i (s_i - \bar s)]^2}{\hat p (1 - \hat p) \sum n_i (s_i - \bar s)^2} .

    References
    ----------
    Armitage P (1955). Tests for linear trends in proportions and frequencies. Biometrics 11, 375-386.

    Examples
    --------
    Return to work by time off before assessment (under 4 weeks, 4 to 8, over 8), Greater Manchester:

    >>> round(cochran_armitage([38, 19, 34], [47, 28, 74]).p_value, 5)
    0.0001
    """
    x, n = _checked_proportions(successes, totals)
    if x.ndim != 1:
        raise DataError([f"one success count for each ordered group was expected, found an array of shape {x.shape}"])
    s = np.arange(x.size, dtype=np.float64) if scores is None else np.asarray(scores, dtype=np.float64)
    if s.shape != x.shape or not np.isfinite(s).all():
        raise DataError([f"{x.size} finite scores were expected, one for each group: found shape {s.shape}"])
    table = checked_table(np.column_stack([x, n - x]))
    total = float(n.sum())
    rate = float(x.sum()) / total
    centred = s - float((n * s).sum()) / total
    spread = float((n * centred**2).sum())
    if spread == 0.0:
        raise NotEstimableError("a trend needs people at two different scores: all of them share one")
    statistic = float((x * centred).sum()) ** 2 / (rate * (1.0 - rate) * spread)
    return count_test(table, "Cochran-Armitage trend", statistic, 1, _chi_square_tail(statistic, 1))


def wilson_interval(successes: ArrayLike, totals: ArrayLike, *, conf_level: float = 0.95) -> ProportionInterval:
    r"""Give each proportion its score interval, which stays inside 0 to 1 and holds for small groups.

    Parameters
    ----------
    successes, totals : array_like of int, any shape
        People with the answer, and people, in each group.
    conf_level : float, default 0.95
        Confidence level.

    Returns
    -------
    ProportionInterval

    Notes
    -----
    With :math:`z` the normal quantile of :math:`(1 + \text{level}) / 2`,

    .. math:: \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n} .

    References
    ----------
    Wilson EB (1927). Probable inference, the law of succession, and statistical inference. Journal of the American
    Statistical Association 22, 209-212.

    Examples
    --------
    >>> interval = wilson_interval([40], [69])
    >>> [round(float(limit[0]), 3) for limit in (interval.proportion, interval.low, interval.high)]
    [0.58, 0.462, 0.689]
    """
    from scipy.special import ndtri

    if not 0.0 < conf_level < 1.0:
        raise SpecError(f"`conf_level` must lie between 0 and 1, found {conf_level}: 0.95 is usual")
    x, n = _checked_proportions(successes, totals)
    z = float(ndtri(0.5 + conf_level / 2.0))
    people = np.where(n > 0, n, np.nan)
    p = x / people
    centre = p + z**2 / (2.0 * people)
    half = z * np.sqrt(p * (1.0 - p) / people + z**2 / (4.0 * people**2))
    scale = 1.0 + z**2 / people
    low, high = np.clip((centre - half) / scale, 0.0, 1.0), np.clip((centre + half) / scale, 0.0, 1.0)
    return ProportionInterval(p, low, high, conf_level, positions(n.ravel() == 0))


def _checked_proportions(successes: ArrayLike, totals: ArrayLike) -> tuple[Counts, Counts]:
    x, n = checked_counts(successes, "successes"), checked_counts(totals, "totals")
    if x.shape != n.shape:
        raise DataError([f"successes and totals must have one shape, found {x.shape} and {n.shape}"])
    if (x > n).any():
        raise DataError([f"successes exceed the total in {int((x > n).sum())} groups: check which comes first"])
    return x, n


def _chi_square_tail(statistic: float, df: int) -> float:
    from scipy.special import gammaincc

    return float(gammaincc(df / 2.0, statistic / 2.0))
