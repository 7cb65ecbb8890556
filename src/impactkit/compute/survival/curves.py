"""The product-limit and Nelson-Aalen estimators with delayed entry, ties and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.ties import places, tied, upto, whole

__all__ = ["ProductLimit", "product_limit"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ProductLimit:
    """A step curve S(t) that drops at event times.

    Parameters
    ----------
    time : ndarray of shape (k,)
        Distinct event times, rising.
    at_risk, events : ndarray of shape (k,)
        Sums of weights at risk just before, and with the event at, each time.
    survival : ndarray of shape (k,)
        S just after each time.
    last : float
        The longest time anybody is observed: the curve is not known beyond, unless it has reached zero.
    people_at_risk, people_events : ndarray of shape (k,)
        The same counted in people; what decides whether everybody at risk had the event.
    since : float
        Where the curve begins: S is conditional on no event before.
    """

    time: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    last: float
    people_at_risk: Floats
    people_events: Floats
    since: float = 0.0

    @property
    def known_to(self) -> float:
        """The time up to which S is known: without limit once it is zero."""
        return np.inf if self.survival.size and self.survival[-1] == 0.0 else self.last

    @property
    def emptied(self) -> NDArray[np.bool_]:
        """Mark the times at which everybody at risk has the event."""
        found: NDArray[np.bool_] = self.people_events >= self.people_at_risk
        return found

    @property
    def collapsed(self) -> float:
        """The time at which the risk set is used up though others are observed later; NaN if that never happens.

        From there on S is 0 whatever those who come under observation later show: with delayed entry and few people
        at risk early, begin the curve later (``since``).
        """
        empty = np.flatnonzero(self.emptied)
        if empty.size == 0 or self.last <= self.time[empty[0]]:
            return float("nan")
        return float(self.time[empty[0]])

    @property
    def hazard(self) -> Floats:
        """Share of those at risk who have the event, at each time."""
        found: Floats = np.where(self.emptied, 1.0, self.events / self.at_risk)
        return found

    @property
    def cumulative_hazard(self) -> Floats:
        """Nelson and Aalen's H just after each time, the sum of the shares."""
        found: Floats = np.cumsum(self.hazard)
        return found

    def at(self, times: Floats | float) -> Floats:
        """Give S at any times; a step that rounding alone puts after a time is at it."""
        steps = np.concatenate([[1.0], self.survival])
        found: Floats = steps[places(self.time, times)]
        return found

    def area(self, times: Floats | float) -> Floats:
        """Give the integral of S from the beginning of the curve to each time, in the unit of time."""
        knots = np.concatenate([[self.since], self.time])
        steps = np.concatenate([[1.0], self.survival])
        full = np.concatenate([[0.0], np.cumsum(np.diff(knots) * steps[:-1])])
        where = np.searchsorted(self.time, times, side="right")
        found: Floats = full[where] + steps[where] * (np.asarray(times, dtype=np.float64) - knots[where])
        return found


def product_limit(
    stop: Floats,
    event: NDArray[np.bool_],
    *,
    start: Floats | None = None,
    weights: Floats | None = None,
    since: float | None = None,
) -> ProductLimit:
    """Estimate S(t), the probability of no event by t.

    Parameters
    ----------
    stop : ndarray of shape (n,)
        Time of the event or of the end of observation.
    event : ndarray of bool, shape (n,)
    start : ndarray of shape (n,), optional
        When observation began; a person is at risk on (start, stop].
    weights : ndarray of shape (n,), optional
    since : float, optional
        Begin here: S is then the probability of no event by t among those without one before ``since``, and those
        observed only before it are left out (as R's ``start.time``, an event at ``since`` itself counts).

    Returns
    -------
    ProductLimit

    Notes
    -----
    ``S(t) = Π_{t_j ≤ t} (1 − d_j / n_j)`` over distinct event times, with n_j the weight of those with
    ``start < t_j ≤ stop``. Who is censored at an event time is still at risk there. Times that differ by less than
    rounding are one time. Whole-number times are counted, others sorted.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958). Nonparametric estimation from incomplete observations. *Journal of the
    American Statistical Association* 53.
    """
    event = np.asarray(event, dtype=bool)
    if since is not None:
        kept = upto(since, stop)
        stop, event = stop[kept], event[kept]
        start = None if start is None else start[kept]
        weights = None if weights is None else weights[kept]
    begun = 0.0 if since is None else float(since)
    last = float(stop.max(initial=0.0))
    days, first = whole(stop), None if start is None else whole(np.maximum(start, 0.0))
    if days is not None and (start is None or first is not None):
        time, people, heavy = _counted(days, event, start, first, weights)
    else:
        time, people, heavy = _sorted(stop, event, start, weights)
    (at_risk_people, had), (at_risk, events) = people, heavy
    left = np.where(had >= at_risk_people, 0.0, 1.0 - events / at_risk)
    survival: Floats = np.cumprod(left, dtype=np.float64)
    return ProductLimit(time, at_risk, events, survival, last, at_risk_people, had, begun)


_Pair = tuple[Floats, Floats]


def _counted(
    days: NDArray[np.int64],
    event: NDArray[np.bool_],
    start: Floats | None,
    first: NDArray[np.int64] | None,
    weights: Floats | None,
) -> tuple[Floats, _Pair, _Pair]:
    """Count exits, events and entries by day."""
    size = int(days.max()) + 1
    both = (days << 1) | event

    def tally(load: Floats | None) -> tuple[Floats, Floats]:
        cells = np.bincount(both, weights=load, minlength=2 * size).reshape(size, 2)
        risk = np.cumsum(cells.sum(axis=1)[::-1])[::-1]
        if start is not None and first is not None:
            # Who begins on day f is at risk from f + 1; a negative beginning is before every day.
            inside = start >= 0.0
            late = first if inside.all() else first[inside]
            own = None if load is None else (load if inside.all() else load[inside])
            entered = np.bincount(np.minimum(late, size), weights=own, minlength=size + 1)
            risk = risk - np.cumsum(entered[::-1])[::-1][:size]
        return np.asarray(risk, dtype=np.float64), np.asarray(cells[:, 1], dtype=np.float64)

    risk, had = tally(None)
    time = np.flatnonzero(had)
    people = risk[time], had[time]
    if weights is None:
        return time.astype(np.float64), people, people
    risk, had = tally(weights)
    return time.astype(np.float64), people, (risk[time], had[time])


def _sorted(
    stop: Floats, event: NDArray[np.bool_], start: Floats | None, weights: Floats | None
) -> tuple[Floats, _Pair, _Pair]:
    """Rank every exit and entry among the distinct event times."""
    stop, *others = tied(stop) if start is None else tied(stop, start)
    time = np.unique(stop[event])
    leaving = np.searchsorted(time, stop, side="right")
    entering = np.searchsorted(time, others[0], side="right") if others else None
    own = leaving[event] - 1

    def tally(load: Floats | None) -> tuple[Floats, Floats]:
        risk = _at_least(leaving, load, time.size)
        if entering is not None:
            risk = risk - _at_least(entering, load, time.size)
        had = np.bincount(own, weights=None if load is None else load[event], minlength=time.size)
        return risk, np.asarray(had, dtype=np.float64)

    people = tally(None)
    return time, people, people if weights is None else tally(weights)


def _at_least(place: NDArray[np.intp], load: Floats | None, size: int) -> Floats:
    """Sum those whose moment is not before each time."""
    sums = np.asarray(np.bincount(place, weights=load, minlength=size + 1), dtype=np.float64)
    total: Floats = np.cumsum(sums[::-1])[::-1][1:]
    return total
