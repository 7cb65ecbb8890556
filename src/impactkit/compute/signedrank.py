"""The Wilcoxon signed-rank test of differences against zero, and the shift it estimates.

It tests that the differences are *symmetric about zero*, not that their median is zero: skewed differences with median
zero are rejected more often the more people there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impactkit.errors import DataError, NotEstimableError, SpecError

__all__ = ["MOST_EXACT", "Shift", "SignedRank", "hodges_lehmann", "signed_rank", "signed_rank_distribution"]

Floats = NDArray[np.float64]
Zeros = Literal["dropped", "pratt"]

MOST_EXACT = 500
"""Most differences for which the exact distribution is worked out; the normal is then good to four digits."""

_ENUMERATED = 1_500  # most differences whose pairwise means are all written down; beyond, they are counted
_SAME = 1e-9  # differences this close, relative to the largest, are one: weeks made of days are not exact


@dataclass(frozen=True, slots=True)
class SignedRank:
    """A signed-rank test.

    Parameters
    ----------
    statistic : float
        Sum of the ranks of positive differences (R's V).
    z : float
        Its distance from what symmetry expects, in standard deviations; NaN for an exact test.
    p_value : float
        Two-sided.
    n, zeros, tied : int
        Differences ranked with a sign; differences that are zero; and those that share their absolute value with
        another.
    exact : bool
    """

    statistic: float
    z: float
    p_value: float
    n: int
    zeros: int
    tied: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """The Hodges-Lehmann estimate with its interval.

    Parameters
    ----------
    estimate, low, high : float
        In the unit of the differences.
    conf_level : float
        What was asked for.
    achieved : float
        What the interval has exactly, for differences without ties from a symmetric distribution.
    n : int
    """

    estimate: float
    low: float
    high: float
    conf_level: float
    achieved: float
    n: int


def signed_rank(
    differences: ArrayLike, *, exact: bool = False, continuity: bool = False, zeros: Zeros = "dropped"
) -> SignedRank:
    r"""Test that differences are symmetric about zero.

    Parameters
    ----------
    differences : array_like of shape (n,)
        For example each client's duration less the norm.
    exact : bool, default False
        Use the exact distribution given the absolute differences (ties included) in place of the normal.
    continuity : bool, default False
        Move the statistic half a rank towards its expectation; only for the normal. The published tests do not.
    zeros : {"dropped", "pratt"}, default "dropped"
        Zero differences leave the sample (R's ``wilcox.test``, SPSS), or are ranked and then leave it (Pratt).

    Returns
    -------
    SignedRank

    Raises
    ------
    DataError
        If a difference is missing or infinite.
    NotEstimableError
        If no difference is other than zero, or an exact test is asked of more than 500.

    Notes
    -----
    With mid-ranks :math:`r_i` of :math:`|d_i|`, :math:`V=\sum_{d_i>0} r_i` has, given the ranks, mean
    :math:`\tfrac12\sum r_i` and variance :math:`\tfrac14\sum r_i^2`, which is
    :math:`n(n+1)(2n+1)/24-\sum(t^3-t)/48` with ties of size t. The exact distribution is the convolution of n fair
    coins worth :math:`r_i`; the two-sided p value is twice the smaller tail, at most 1.

    Differences that agree to nine digits of the largest are taken as equal: days divided by seven are not exact.

    References
    ----------
    Wilcoxon, F. (1945). Individual comparisons by ranking methods. *Biometrics Bulletin* 1(6), 80-83.
    Pratt, J. W. (1959). Remarks on zeros and ties in the Wilcoxon signed rank procedures. *Journal of the American
    Statistical Association* 54, 655-667.

    Examples
    --------
    >>> test = signed_rank([1.1, 2.2, 0.3, -0.4, 3.5])
    >>> test.statistic, round(test.p_value, 4)
    (13.0, 0.138)
    >>> signed_rank([1.1, 2.2, 0.3, -0.4, 3.5], exact=True).p_value
    0.1875
    """
    if zeros not in ("dropped", "pratt"):
        raise SpecError(f'`zeros` should be "dropped" or "pratt"; got {zeros!r}')
    d = _snapped(_checked(differences))
    nonzero = d != 0.0
    n, empty = int(nonzero.sum()), int((~nonzero).sum())
    if n == 0:
        raise NotEstimableError("every difference is zero, so there is nothing to rank")
    if zeros == "dropped":
        d, nonzero = d[nonzero], np.ones(n, dtype=bool)
    ranks, sizes = _mid_ranks(np.abs(d))
    ranks, positive = ranks[nonzero], d[nonzero] > 0
    tied = int((sizes[nonzero] > 1).sum())
    statistic = float(ranks[positive].sum())
    if exact:
        if n > MOST_EXACT:
            raise NotEstimableError(f"the exact test is for at most {MOST_EXACT} differences; there are {n:,}")
        return SignedRank(statistic, np.nan, _exact_p(ranks, statistic), n, empty, tied, True)
    from scipy.special import ndtr

    away = statistic - float(ranks.sum()) / 2.0
    if continuity:
        away -= 0.5 * float(np.sign(away))
    z = away / float(np.sqrt((ranks**2).sum() / 4.0))
    return SignedRank(statistic, z, float(2.0 * ndtr(-abs(z))), n, empty, tied, False)


def signed_rank_distribution(ranks: ArrayLike) -> Floats:
    """Give the chance of each value of twice the statistic, 0 to twice the sum of the ranks.

    Parameters
    ----------
    ranks : array_like of shape (n,)
        Ranks or mid-ranks: whole and half numbers.

    Returns
    -------
    ndarray of shape (2 Σ ranks + 1,)
    """
    doubled = np.rint(2.0 * np.asarray(ranks, dtype=np.float64)).astype(np.int64)
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    reached = 0
    for step in np.sort(doubled):
        reached += int(step)
        head = chances[: reached + 1]
        moved = np.zeros(reached + 1)
        moved[step:] = head[: reached + 1 - step]
        chances[: reached + 1] = 0.5 * (head + moved)
    return chances


def hodges_lehmann(differences: ArrayLike, *, conf_level: float = 0.95) -> Shift:
    r"""Estimate the centre of symmetry of differences, with the interval that the exact test does not reject.

    Parameters
    ----------
    differences : array_like of shape (n,)
        Zeros and ties included.
    conf_level : float, default 0.95

    Returns
    -------
    Shift
        Limits are NaN where so few differences cannot reach the level.

    Raises
    ------
    DataError
        If a difference is missing or infinite.
    NotEstimableError
        If there are no differences.

    Notes
    -----
    The estimate is the median of the :math:`n(n+1)/2` pairwise means :math:`(d_i+d_j)/2`, :math:`i\le j`. The limits
    are the means of rank :math:`q` from either end, :math:`q` the :math:`\alpha/2` quantile of the statistic without
    ties (its normal approximation for more than 500 differences). Skewed differences have no centre of symmetry: the
    estimate is then neither their mean nor their median.

    References
    ----------
    Hodges, J. L. and Lehmann, E. L. (1963). Estimates of location based on rank tests. *Annals of Mathematical
    Statistics* 34, 598-611.

    Examples
    --------
    >>> shift = hodges_lehmann([1.1, 2.2, 0.3, -0.4, 3.5, 2.9])
    >>> round(shift.estimate, 3), round(shift.low, 3), round(shift.high, 3), round(shift.achieved, 4)
    (1.6, -0.4, 3.5, 0.9688)
    """
    if not 0.0 < conf_level < 1.0:
        raise SpecError(f"`conf_level` must lie between 0 and 1, found {conf_level}: 0.95 is usual")
    d = np.sort(_checked(differences))
    n = d.size
    if n == 0:
        raise NotEstimableError("there are no differences")
    total = n * (n + 1) // 2
    find = _Walsh(d)
    middle = 0.5 * (find(total // 2 - 1 if total % 2 == 0 else total // 2) + find(total // 2))
    rank, achieved = _limit_rank(n, 1.0 - conf_level)
    if achieved < conf_level - 1e-12:
        return Shift(middle, np.nan, np.nan, conf_level, np.nan, n)
    return Shift(middle, find(rank - 1), find(total - rank), conf_level, achieved, n)


class _Walsh:
    """The k-th smallest pairwise mean, counted from 0, of sorted numbers."""

    def __init__(self, sorted_values: Floats) -> None:
        self.values = sorted_values
        self.means: Floats | None = None
        if sorted_values.size <= _ENUMERATED:
            first, second = np.triu_indices(sorted_values.size)
            self.means = np.sort(0.5 * (sorted_values[first] + sorted_values[second]))

    def __call__(self, place: int) -> float:
        if self.means is not None:
            return float(self.means[place])
        low, high = float(self.values[0]), float(self.values[-1])
        while True:
            middle = 0.5 * (low + high)
            if middle in (low, high):
                return low if self._not_above(low) > place else high
            if self._not_above(middle) > place:
                high = middle
            else:
                low = middle

    def _not_above(self, bound: float) -> int:
        """Count the pairwise means that are not above a bound."""
        reach = np.searchsorted(self.values, 2.0 * bound - self.values, side="right")
        return int(np.maximum(reach - np.arange(self.values.size), 0).sum())


def _limit_rank(n: int, alpha: float) -> tuple[int, float]:
    """Give the rank of the limits from either end, as R's ``qsignrank`` does, and the level they have."""
    if n > MOST_EXACT:
        from scipy.special import ndtri

        spread = np.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)
        rank = int(np.floor(n * (n + 1) / 4.0 + ndtri(alpha / 2.0) * spread))
        return max(rank, 1), 1.0 - alpha
    below = np.cumsum(signed_rank_distribution(np.arange(1.0, n + 1.0))[::2])
    rank = max(1, int(np.searchsorted(below, alpha / 2.0 * (1.0 - 64 * np.finfo(float).eps))))
    return rank, 1.0 - 2.0 * float(below[rank - 1])


def _exact_p(ranks: Floats, statistic: float) -> float:
    chances = signed_rank_distribution(ranks)
    place = round(2.0 * statistic)
    smaller = min(float(chances[: place + 1].sum()), float(chances[place:].sum()))
    return min(1.0, 2.0 * smaller)


def _mid_ranks(values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Give mid-ranks, and how many share each."""
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    middle = last - (sizes - 1) / 2.0
    return np.asarray(middle[place], dtype=np.float64), sizes[place].astype(np.int64)


def _checked(differences: ArrayLike) -> Floats:
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1:
        raise DataError([f"one difference per person was expected, found an array of shape {d.shape}"])
    wrong = int((~np.isfinite(d)).sum())
    if wrong:
        raise DataError([f"differences should be finite, and {wrong:,} of {d.size:,} are not: leave those people out"])
    return d


def _snapped(d: Floats) -> Floats:
    """Make differences equal that differ by rounding alone."""
    largest = float(np.abs(d).max(initial=0.0))
    if largest == 0.0:
        return d
    unit = 10.0 ** np.floor(np.log10(largest * _SAME))
    return np.asarray(np.rint(d / unit) * unit, dtype=np.float64) + 0.0
