"""Cumulative incidence of competing exits (Aalen-Johansen) with delayed entry, ties and weights, and its influence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.ties import places, tied, upto

__all__ = [
    "AalenJohansen",
    "IncidenceLimits",
    "aalen_johansen",
    "incidence_limits",
    "reading_times",
    "standard_error",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
IncidenceLimits = Literal["plain", "log", "log-log"]

_EMPTY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class AalenJohansen:
    """Cumulative incidence curves that rise at event times, and what each person contributes to them.

    Parameters
    ----------
    time : ndarray of shape (k,)
        Distinct event times of any cause, rising.
    at_risk : ndarray of shape (k,)
        Sum of weights at risk just before each time.
    events : ndarray of shape (k, m)
        Sums of weights with each of the m causes at each time.
    n_risk, n_events : ndarray of shape (k,) and (k, m)
        The same as numbers of people.
    survival : ndarray of shape (k,)
        Probability of none of the events, just after each time.
    incidence : ndarray of shape (k, m)
        Probability of an event of each cause by each time.
    first, last : float
        The earliest time anybody is observed from, and the latest anybody is observed to.
    collapse : float
        The time at which everybody at risk had left though others come under observation at or after it; infinite
        where that never happens. Curves are not identified from there on.
    restart : float
        After the last such time curves could begin anew; NaN where there is none.
    begin, end : ndarray of shape (n,)
        Each person's time under observation, as rounded.
    start, stop : ndarray of int64, shape (n,)
        Number of event times not after each person's entry, and not after the end of their time.
    cause : ndarray of int64, shape (n,)
        0 none, j the j-th cause.
    weights : ndarray of shape (n,)
    """

    time: Floats
    at_risk: Floats
    events: Floats
    n_risk: Floats
    n_events: Floats
    survival: Floats
    incidence: Floats
    first: float
    last: float
    collapse: float
    restart: float
    begin: Floats
    end: Floats
    start: Integers
    stop: Integers
    cause: Integers
    weights: Floats

    @property
    def causes(self) -> int:
        """How many causes there are."""
        return int(self.events.shape[1])

    @property
    def known_to(self) -> float:
        """The time up to which the curves are known: without limit once nobody is left."""
        if np.isfinite(self.collapse):
            return float(np.nextafter(self.collapse, -np.inf))
        return np.inf if self.survival.size and self.survival[-1] <= _EMPTY else self.last

    def at(self, cause: int, times: Floats | float) -> Floats:
        """Give the incidence of a cause (from 1) at any times."""
        steps = np.concatenate([[0.0], self.incidence[:, cause - 1]])
        found: Floats = steps[places(self.time, times)]
        return found

    def survival_at(self, times: Floats | float) -> Floats:
        """Give the probability of no event at any times."""
        steps = np.concatenate([[1.0], self.survival])
        found: Floats = steps[places(self.time, times)]
        return found

    def lost(self, cause: int, horizon: float) -> float:
        """Give the area under the incidence of a cause up to a horizon: the mean time lost to it."""
        return float((self._area(horizon) * self._jumps(cause)).sum())

    def incidence_influence(self, cause: int, at: float) -> Floats:
        """Give each person's influence, times weight, on the incidence of a cause at a time, shape (n,)."""
        return self._influence(cause, upto(self.time, at).astype(np.float64))

    def lost_influence(self, cause: int, horizon: float) -> Floats:
        """Give each person's influence, times weight, on the mean time lost to a cause by a horizon, shape (n,)."""
        return self._influence(cause, self._area(horizon))

    def _area(self, horizon: float) -> Floats:
        area: Floats = np.maximum(horizon - self.time, 0.0)
        return area

    def _before(self) -> Floats:
        before: Floats = np.concatenate([[1.0], self.survival[:-1]])[: self.time.size]
        return before

    def _jumps(self, cause: int) -> Floats:
        jumps: Floats = self._before() * self.events[:, cause - 1] / self.at_risk
        return jumps

    def _influence(self, cause: int, scale: Floats) -> Floats:
        """Differentiate ``Σ_k scale_k ΔF(t_k)`` in each person's weight; closed form, linear in people and times."""
        total = self.events.sum(axis=1)
        left = self.at_risk - total
        inverse = np.where(self.survival > _EMPTY, 1.0 / np.where(left > 0, left, 1.0), 0.0)
        jumps = self._jumps(cause) * scale
        hazard = _running(total / self.at_risk * inverse)
        whole = _running(jumps)
        inner = _running(hazard[:-1] * jumps)
        own = _running(jumps / self.at_risk)
        s, x = self.start, self.stop
        after = whole[-1] - whole[x]
        value = inner[x] - inner[s] - hazard[s] * (whole[x] - whole[s]) + (hazard[x] - hazard[s]) * after
        value -= own[x] - own[s]
        left_at = x[self.cause > 0] - 1
        value[self.cause > 0] -= inverse[left_at] * after[self.cause > 0]
        with_it = self.cause == cause
        where = x[with_it] - 1
        value[with_it] += (scale * self._before() / self.at_risk)[where]
        influence: Floats = value * self.weights
        return influence


def reading_times(last: float) -> Floats:
    """Give round times from 0 to at most ``last``, five to eight of them, at which numbers at risk are read.

    Examples
    --------
    >>> reading_times(52.0).tolist()
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    """
    size = 10.0 ** np.floor(np.log10(last / 4))
    step = max(unit * size for unit in (1.0, 2.0, 2.5, 5.0) if unit * size <= last / 4)
    times: Floats = step * np.arange(np.floor(last / step + 1e-9) + 1)
    return times


def aalen_johansen(
    stop: Floats,
    cause: NDArray[np.integer],
    causes: int,
    *,
    start: Floats | None = None,
    weights: Floats | None = None,
) -> AalenJohansen:
    """Estimate the probability of each kind of exit by each time, when other exits compete with it.

    Parameters
    ----------
    stop : ndarray of shape (n,)
        Time of the exit or of the end of observation.
    cause : ndarray of int, shape (n,)
        0 for censored, 1 to ``causes`` for the kind of exit.
    causes : int
        Number of kinds.
    start : ndarray of shape (n,), optional
        When observation began; a person is at risk on (start, stop]. 0 for everybody when left out.
    weights : ndarray of shape (n,), optional
        Sampling weights.

    Returns
    -------
    AalenJohansen

    Notes
    -----
    ``F_j(t) = Σ_{t_k ≤ t} S(t_k−) d_jk / n_k`` with S the product-limit estimate of no exit of any kind. Ties stay
    ties. Influence values are infinitesimal-jackknife: the derivative of the estimate in a person's weight, times
    the weight. Their squares, summed within person or cluster first, give the variance of R's
    ``survfit(Surv(start, stop, factor) ~ 1, id=, cluster=)``.

    References
    ----------
    Aalen, O. O. and Johansen, S. (1978). An empirical transition matrix for non-homogeneous Markov chains based on
    censored observations. *Scandinavian Journal of Statistics* 5(3).
    """
    stop, begin = tied(stop, np.zeros(stop.size) if start is None else start)
    weight = np.ones(stop.size) if weights is None else np.asarray(weights, dtype=np.float64)
    kind = np.asarray(cause, dtype=np.int64)
    leaving = (kind > 0) & (weight > 0)
    time = np.unique(stop[leaving])
    first, last = np.searchsorted(time, begin, side="right"), np.searchsorted(time, stop, side="right")
    cell = (last[leaving] - 1) * causes + kind[leaving] - 1
    shape = (time.size, causes)
    events = np.bincount(cell, weights=weight[leaving], minlength=time.size * causes).reshape(shape).astype(np.float64)
    n_events = np.bincount(cell, minlength=time.size * causes).reshape(shape).astype(np.float64)
    at_risk = _present(first, last, weight, time.size)
    n_risk = _present(first, last, (weight > 0).astype(np.float64), time.size)
    total = events.sum(axis=1)
    everybody = n_events.sum(axis=1) >= n_risk
    at_risk = np.where(everybody, total, at_risk)  # exactly, so that nobody is left
    survival = np.cumprod(1.0 - total / at_risk)
    jumps = np.concatenate([[1.0], survival[:-1]])[: time.size, None] * events / at_risk[:, None]
    emptied = time[everybody & (time < stop[weight > 0].max(initial=-np.inf))]
    return AalenJohansen(
        time=time,
        at_risk=at_risk,
        events=events,
        n_risk=n_risk,
        n_events=n_events,
        survival=survival,
        incidence=np.cumsum(jumps, axis=0),
        first=float(begin.min(initial=np.inf)),
        last=float(stop.max(initial=0.0)),
        collapse=float(emptied[0]) if emptied.size else np.inf,
        restart=float(emptied[-1]) if emptied.size else np.nan,
        begin=begin,
        end=stop,
        start=first.astype(np.int64),
        stop=last.astype(np.int64),
        cause=np.where(leaving, kind, 0),
        weights=weight,
    )


def standard_error(influence: Floats, clusters: NDArray[np.integer] | None = None) -> float:
    """Give the square root of the sum of squared influence, summed within cluster first."""
    summed = influence if clusters is None else np.bincount(clusters, weights=influence)
    return float(np.sqrt((summed**2).sum()))


def incidence_limits(
    estimate: Floats, std_error: Floats, *, quantile: float, kind: IncidenceLimits = "log-log"
) -> tuple[Floats, Floats]:
    """Give limits of a cumulative incidence.

    Parameters
    ----------
    estimate, std_error : ndarray of shape (k,)
    quantile : float
        Of the normal or t distribution, for example 1.96.
    kind : {"log-log", "log", "plain"}
        The scale the interval is symmetric on: log(−log p), log p, or p itself (kept within 0 and 1).

    Returns
    -------
    low, high : ndarray of shape (k,)
        NaN where the estimate is 0 or 1 (the error says nothing there), except on the plain scale.

    Notes
    -----
    As ``conf.type`` of R's ``survfit``. The log and plain limits are cut at 0 and 1.
    """
    inside = (estimate > 0.0) & (estimate < 1.0) & (std_error > 0)
    p, error = np.where(inside, estimate, 0.5), np.where(inside, std_error, 0.0)
    if kind == "plain":
        low, high = estimate - quantile * std_error, estimate + quantile * std_error
        return np.maximum(low, 0.0), np.minimum(high, 1.0)
    if kind == "log":
        low, high = p * np.exp(-quantile * error / p), np.minimum(p * np.exp(quantile * error / p), 1.0)
    else:
        spread = quantile * error / (p * np.log(p))
        low, high = p ** np.exp(-spread), p ** np.exp(spread)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def _running(values: Floats) -> Floats:
    """Cumulate from 0: shape (k + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _present(first: Integers, last: Integers, weight: Floats, size: int) -> Floats:
    """Sum the weights of those at risk at each time: entered before it, and not gone before it."""
    # still to leave, less still to come: summed from the end, so that small late risk sets keep their digits
    leave, come = (np.bincount(places, weights=weight, minlength=size + 1) for places in (last, first))
    change = np.asarray(leave - come, dtype=np.float64)
    present: Floats = np.cumsum(change[::-1])[::-1][1:]
    return present
