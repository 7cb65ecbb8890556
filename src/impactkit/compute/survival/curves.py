"""The product-limit estimator with delayed entry, ties and weights, and what each person contributes to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """

    time: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    last: float

    @property
    def known_to(self) -> float:
        """The time up to which S is known: without limit once it is zero."""
        return np.inf if self.survival.size and self.survival[-1] == 0.0 else self.last

    def at(self, times: Floats | float) -> Floats:
        """Give S at any times."""
        steps = np.concatenate([[1.0], self.survival])
        found: Floats = steps[np.searchsorted(self.time, times, side="right")]
        return found

    def area(self, times: Floats | float) -> Floats:
        """Give the integral of S from 0 to each time, in the unit of time."""
        knots = np.concatenate([[0.0], self.time])
        steps = np.concatenate([[1.0], self.survival])
        whole = np.concatenate([[0.0], np.cumsum(np.diff(knots) * steps[:-1])])
        where = np.searchsorted(self.time, times, side="right")
        found: Floats = whole[where] + steps[where] * (np.asarray(times, dtype=np.float64) - knots[where])
        return found


def product_limit(
    stop: Floats,
    event: NDArray[np.bool_],
    *,
    start: Floats | None = None,
    weights: Floats | None = None,
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

    Notes
    -----
    ``S(t) = Π_{t_j ≤ t} (1 − d_j / n_j)`` over distinct event times, with n_j the weight of those with
    ``start < t_j ≤ stop``. Who is censored at an event time is still at risk there.
    """
    weight = np.ones(stop.size) if weights is None else weights
    time, place = np.unique(stop[event], return_inverse=True)
    events = np.asarray(np.bincount(place, weights=weight[event], minlength=time.size), dtype=np.float64)
    at_risk = _at_least(stop, weight, time)
    if start is not None:
        at_risk = at_risk - _at_least(start, weight, time)
    with np.errstate(invalid="ignore"):
        left = np.where(events >= at_risk, 0.0, 1.0 - events / at_risk)
    survival: Floats = np.cumprod(left, dtype=np.float64)
    return ProductLimit(time, at_risk, events, survival, float(stop.max(initial=0.0)))


def _at_least(moments: Floats, weight: Floats, time: Floats) -> Floats:
    """Sum the weights of those whose moment is not before each time."""
    where = np.searchsorted(time, moments, side="right")
    sums = np.asarray(np.bincount(where, weights=weight, minlength=time.size + 1), dtype=np.float64)
    total: Floats = np.cumsum(sums[::-1])[::-1][1:]
    return total
