"""The log-rank test: several groups, strata, delayed entry, weights that stress early or late times, clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.survival.ties import tied, whole

__all__ = ["LogRank", "log_rank"]

Floats = NDArray[np.float64]
Codes = NDArray[np.signedinteger[Any]]

ZERO = 1e-10
"""A direction whose variance is this share of the largest is no direction at all."""


@dataclass(frozen=True, slots=True, eq=False)
class LogRank:
    """What a log-rank test finds.

    Parameters
    ----------
    observed, expected : ndarray of shape (g,)
        Events in each group, and as many as if all groups had one hazard (weighted by S^rho if rho is not 0).
    variance : ndarray of shape (g, g)
        Of observed − expected.
    statistic, df, p_value : float
        Chi-square; NaN without two groups that are at risk together at an event, and with one cluster only.
    """

    observed: Floats
    expected: Floats
    variance: Floats
    statistic: float
    df: float
    p_value: float


def log_rank(
    stop: Floats,
    event: NDArray[np.bool_],
    group: Codes,
    *,
    start: Floats | None = None,
    strata: Codes | None = None,
    weights: Floats | None = None,
    clusters: Codes | None = None,
    robust: bool | None = None,
    rho: float = 0.0,
    groups: int | None = None,
) -> LogRank:
    """Test that groups have one hazard.

    Parameters
    ----------
    stop : ndarray of shape (n,)
    event : ndarray of bool, shape (n,)
    group : ndarray of int, shape (n,)
        Codes from 0.
    start : ndarray of shape (n,), optional
        Delayed entry: at risk on (start, stop].
    strata : ndarray of int, shape (n,), optional
        Observed and expected are compared within each and summed.
    weights : ndarray of shape (n,), optional
        Sampling weights; the variance is then robust.
    clusters : ndarray of int, shape (n,), optional
        People who are not independent; the variance is then robust, summed within clusters, times G / (G − 1).
    robust : bool, optional
        The hypergeometric variance (False) or the robust one (True); robust with weights or clusters when left out.
    rho : float, default 0
        Weight S(t−)^rho: 0 the log-rank test, 1 Peto and Peto's version of the Wilcoxon test.
    groups : int, optional
        Number of groups; the largest code plus 1 when left out.

    Returns
    -------
    LogRank

    Raises
    ------
    ValueError
        If the hypergeometric variance is asked for with weights or clusters.

    Notes
    -----
    With n_j at risk and d_j events at time t_j, n_aj and d_aj of them in group a,
    ``O_a − E_a = Σ_j w_j (d_aj − d_j n_aj / n_j)`` and
    ``V_ab = Σ_j w_j² d_j (n_j − d_j)/(n_j − 1) · n_aj/n_j (1[a = b] − n_bj/n_j)``. The robust variance sums the
    squares of people's score residuals (Lin and Wei 1989), as for a Cox model at no effect.

    References
    ----------
    Harrington, D. P. and Fleming, T. R. (1982). A class of rank test procedures for censored survival data.
    *Biometrika* 69.
    Lin, D. Y. and Wei, L. J. (1989). The robust inference for the Cox proportional hazards model. *Journal of the
    American Statistical Association* 84.
    """
    size = int(group.max(initial=-1)) + 1 if groups is None else groups
    is_robust = (weights is not None or clusters is not None) if robust is None else robust
    if not is_robust and (weights is not None or clusters is not None):
        raise ValueError("the hypergeometric variance counts independent people of weight 1: leave `robust` out")
    event = np.asarray(event, dtype=bool)
    if whole(stop) is None:
        stop, *others = tied(stop) if start is None else tied(stop, start)
        start = others[0] if others else None
    observed, expected, variance = np.zeros(size), np.zeros(size), np.zeros((size, size))
    scores = np.zeros((stop.size, size)) if is_robust else None
    for rows in _strata(strata, stop.size):
        part = _Stratum(
            stop[rows],
            event[rows],
            group[rows],
            None if start is None else start[rows],
            None if weights is None else weights[rows],
            size,
            rho,
        )
        observed += part.observed
        expected += part.expected
        if scores is None:
            variance += part.variance()
        else:
            scores[rows] = part.scores()
    if scores is not None:
        if clusters is not None:
            codes = np.unique(clusters, return_inverse=True)[1]
            many = int(codes.max(initial=-1)) + 1
            sums = np.zeros((many, size))
            np.add.at(sums, codes, scores)
            scores = sums * groups_factor(many)
        variance = scores.T @ scores
    statistic, df = _quadratic(observed - expected, variance)
    p_value = float(chdtrc(df, statistic)) if df else float("nan")
    return LogRank(observed, expected, variance, statistic if df else float("nan"), float(df) or float("nan"), p_value)


class _Stratum:
    """Risk sets of one stratum, by group."""

    def __init__(
        self,
        stop: Floats,
        event: NDArray[np.bool_],
        group: Codes,
        start: Floats | None,
        weights: Floats | None,
        size: int,
        rho: float,
    ) -> None:
        self.event, self.group, self.weights, self.size = event, group, weights, size
        self._place(stop, start)
        risk, had, people, events = self._tally(weights), self._had(weights), None, None
        if weights is not None:
            people, events = self._tally(None).sum(axis=0), self._had(None).sum(axis=0)
        self.total, self.died = risk.sum(axis=0), had.sum(axis=0)
        self.share = risk / np.where(self.total > 0, self.total, 1.0)
        full = self.died >= self.total if people is None else events >= people
        if rho == 0.0:
            self.stress = np.ones(self.total.size)
        else:
            left = np.where(full, 0.0, 1.0 - self.died / np.where(self.total > 0, self.total, 1.0))
            self.stress = np.concatenate([[1.0], np.cumprod(left)[:-1]]) ** rho if left.size else left
        self.observed = had @ self.stress
        self.expected = self.share @ (self.stress * self.died)

    def _place(self, stop: Floats, start: Floats | None) -> None:
        """Number the event times, and find each exit and entry among them."""
        days = whole(stop)
        if days is not None:
            seen = np.bincount(days[self.event], minlength=int(days.max()) + 1) > 0
            rank: NDArray[np.intp] = np.cumsum(seen, dtype=np.intp)
            self.leaving: NDArray[np.intp] = rank[days]
            self.k = int(rank[-1])
            if start is None:
                self.entering: NDArray[np.intp] | None = None
                return
            first = whole(np.maximum(start, 0.0))
            if first is not None:
                self.entering = np.where(start < 0, 0, rank[np.minimum(first, rank.size - 1)])
                return
            time = np.flatnonzero(seen).astype(np.float64)
        else:
            time = np.unique(stop[self.event])
            self.leaving = np.searchsorted(time, stop, side="right")
            self.k = time.size
        self.entering = None if start is None else np.searchsorted(time, start, side="right")

    def _tally(self, load: Floats | None) -> Floats:
        """Sum those at risk, shape (groups, times)."""
        width = self.k + 1
        cells = np.bincount(self.group * width + self.leaving, weights=load, minlength=self.size * width)
        sums = np.asarray(cells, dtype=np.float64).reshape(self.size, width)
        if self.entering is not None:
            late = np.bincount(self.group * width + self.entering, weights=load, minlength=self.size * width)
            sums = sums - late.reshape(self.size, width)
        total: Floats = np.cumsum(sums[:, ::-1], axis=1)[:, ::-1][:, 1:]
        return total

    def _had(self, load: Floats | None) -> Floats:
        own = self.group[self.event] * self.k + self.leaving[self.event] - 1
        cells = np.bincount(own, weights=None if load is None else load[self.event], minlength=self.size * self.k)
        return np.asarray(cells, dtype=np.float64).reshape(self.size, self.k)

    def variance(self) -> Floats:
        n, d = self.total, self.died
        many = n > 1
        load = np.where(many, self.stress**2 * d * (n - d) / np.where(many, n - 1, 1.0), 0.0)
        diagonal = np.diag(self.share @ load)
        found: Floats = diagonal - (self.share * load) @ self.share.T
        return found

    def scores(self) -> Floats:
        """Each person's part of observed − expected, shape (n, groups); they add up to it."""
        hazard = self.stress * self.died / np.where(self.total > 0, self.total, 1.0)
        spent = np.concatenate([[0.0], np.cumsum(hazard)])
        crossed = np.zeros((self.size, self.k + 1))
        np.cumsum(self.share * hazard, axis=1, out=crossed[:, 1:])
        entering = np.zeros(self.leaving.size, dtype=np.intp) if self.entering is None else self.entering
        found: Floats = (crossed[:, self.leaving] - crossed[:, entering]).T
        rows = np.arange(self.leaving.size)
        found[rows, self.group] -= spent[self.leaving] - spent[entering]
        own = np.flatnonzero(self.event)
        at = self.leaving[own] - 1
        found[own] -= (self.stress[at] * self.share[:, at]).T
        found[own, self.group[own]] += self.stress[at]
        return found if self.weights is None else found * self.weights[:, None]


def _strata(strata: Codes | None, n: int) -> list[slice | NDArray[np.intp]]:
    if strata is None:
        return [slice(None)] if n else []
    order = np.argsort(strata, kind="stable")
    cuts = np.flatnonzero(np.diff(strata[order])) + 1
    return [part for part in np.split(order, cuts) if part.size]


def _quadratic(gap: Floats, variance: Floats) -> tuple[float, int]:
    """Give x'V⁻x and the rank of V, leaving out groups that are never at risk with another."""
    used = np.diagonal(variance) > ZERO * max(float(np.diagonal(variance).max(initial=0.0)), 1e-300)
    x, v = gap[used], variance[np.ix_(used, used)]
    if x.size < 2:
        return float("nan"), 0
    scale = np.sqrt(np.diagonal(v))
    values, vectors = np.linalg.eigh(v / np.outer(scale, scale))
    kept = values > ZERO * values[-1]
    along = vectors[:, kept].T @ (x / scale)
    return float(np.sum(along**2 / values[kept])), int(kept.sum())
