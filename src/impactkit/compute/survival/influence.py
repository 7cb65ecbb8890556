"""What each person contributes to a product-limit curve, and the variances that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.curves import ProductLimit
from impactkit.compute.survival.ties import later, tied, upto, whole

__all__ = [
    "greenwood",
    "nelson_aalen_variance",
    "person_rmst",
    "person_survival",
    "rmst",
    "rmst_greenwood",
    "robust_error",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.signedinteger[Any]]


def greenwood(curve: ProductLimit) -> Floats:
    """Give Greenwood's standard error of log S at each event time, infinite once S is zero.

    Notes
    -----
    ``√ Σ_{t_j ≤ t} d_j / (n_j (n_j − d_j))``.
    """
    with np.errstate(divide="ignore"):
        steps = np.where(curve.emptied, np.inf, curve.events / (curve.at_risk * (curve.at_risk - curve.events)))
    found: Floats = np.sqrt(np.cumsum(steps))
    return found


def nelson_aalen_variance(curve: ProductLimit) -> Floats:
    """Give the variance of the cumulative hazard at each event time, Σ d_j / n_j²."""
    found: Floats = np.cumsum(curve.events / curve.at_risk**2)
    return found


def rmst(curve: ProductLimit, horizon: float) -> float:
    """Give the restricted mean, the area under S from the beginning of the curve to the horizon.

    A horizon beyond ``curve.known_to`` gives NaN: the curve does not reach so far.
    """
    return float(curve.area(horizon)) if upto(horizon, curve.known_to) else float("nan")


def rmst_greenwood(curve: ProductLimit, horizon: float) -> float:
    """Give the Greenwood-type standard error of the restricted mean.

    Notes
    -----
    ``√ Σ_{t_j ≤ τ} A_j² d_j / (n_j (n_j − d_j))`` with A_j the area under S from t_j to τ; a time at which
    everybody at risk has the event adds nothing.

    References
    ----------
    Klein, J. P. and Moeschberger, M. L. (2003). *Survival Analysis*, 2nd edition, section 4.5.
    """
    inside, area = _areas(curve, horizon)
    open_ = inside & ~curve.emptied
    n, d = curve.at_risk[open_], curve.events[open_]
    return float(np.sqrt(np.sum(area[open_] ** 2 * d / (n * (n - d)))))


def person_rmst(
    curve: ProductLimit, stop: Floats, event: NDArray[np.bool_], horizon: float, *, start: Floats | None = None
) -> Floats:
    """Give each person's influence on the restricted mean: its derivative by their weight.

    Parameters
    ----------
    curve : ProductLimit
        Of these people.
    stop, event, start : ndarray of shape (n,)
        As they were given to :func:`~impactkit.compute.survival.curves.product_limit`.
    horizon : float

    Returns
    -------
    ndarray of shape (n,)
        Times the weights they add to 0; without weights and delayed entry their squares add to the squared
        Greenwood-type error exactly.

    Notes
    -----
    ``−Σ_j (dN_ij − Y_ij d_j / n_j) A_j / (n_j − d_j)``, the term being 0 where everybody at risk has the event
    (the infinitesimal jackknife, Efron 1981). One sort and two look-ups: O(n log n).
    """
    inside, area = _areas(curve, horizon)
    open_ = inside & ~curve.emptied
    share = np.zeros(curve.time.size)
    share[open_] = area[open_] / (curve.at_risk[open_] - curve.events[open_])
    return _summed(curve, share, stop, event, start)


def person_survival(
    curve: ProductLimit, stop: Floats, event: NDArray[np.bool_], time: float, *, start: Floats | None = None
) -> Floats:
    """Give each person's influence on S(time), as :func:`person_rmst` does for the restricted mean."""
    open_ = upto(curve.time, time) & ~curve.emptied
    share = np.zeros(curve.time.size)
    share[open_] = 1.0 / (curve.at_risk[open_] - curve.events[open_])
    found: Floats = float(curve.at(time)) * _summed(curve, share, stop, event, start)
    return found


def robust_error(
    curve: ProductLimit,
    stop: Floats,
    event: NDArray[np.bool_],
    *,
    start: Floats | None = None,
    weights: Floats | None = None,
    clusters: Codes | None = None,
    hazard: bool = False,
) -> Floats:
    """Give the infinitesimal-jackknife standard error of log S (or of H) at every event time.

    Parameters
    ----------
    curve : ProductLimit
    stop, event, start, weights : ndarray of shape (n,)
        As they were given to the estimator.
    clusters : ndarray of int, shape (n,), optional
        Groups whose contributions are summed before they are squared; each person by themselves when left out.
    hazard : bool
        For the cumulative hazard in place of log S.

    Returns
    -------
    ndarray of shape (k,)
        Without a small-sample factor, as R's ``survfit(robust=TRUE)``.

    Notes
    -----
    While person i is at risk their value at t is K(t) − K(start), with K the sum of ``d_j / (n_j (n_j − d_j))``;
    when they leave it is fixed. A group's sum is therefore ``D_g + K(t) B_g`` with D and B that change only when
    one of its people enters or leaves, and the sum of squares over groups is a quadratic in K(t) whose three
    coefficients are running sums: O(n log n) for all times, whatever the number of groups.
    """
    if hazard:
        share: Floats = 1.0 / curve.at_risk
    else:
        share = np.zeros(curve.time.size)
        open_ = ~curve.emptied
        share[open_] = 1.0 / (curve.at_risk[open_] - curve.events[open_])
    n = stop.size
    weight = np.ones(n) if weights is None else weights
    group = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    leaving, entering, own = _places(curve, stop, event, start)
    total = np.concatenate([[0.0], np.cumsum(share * curve.hazard)])
    fixed = total[leaving] - np.where(own, share[np.maximum(leaving - 1, 0)], 0.0) if share.size else np.zeros(n)
    base = total[entering]
    # An entry (if any event time is still to come) adds w to B and −w K(start) to D; an exit takes B back and leaves
    # the fixed value. A person under observation at no event time does neither.
    seen = leaving > entering
    moment = np.concatenate([entering[seen], leaving[seen] + 0])
    is_exit = np.repeat([False, True], int(seen.sum()))
    who = np.concatenate([np.flatnonzero(seen)] * 2)
    slope = np.where(is_exit, -weight[who], weight[who])
    level = np.where(is_exit, weight[who] * fixed[who], -weight[who] * base[who])
    # an event at the exit's own time belongs to that time: an exit after place p is felt from time p − 1 on
    felt = np.where(is_exit, moment - 1, moment)
    # At its own time an exiting person has K(t) = K(leaving), so the exit may be booked before the time is read.
    order = np.lexsort((is_exit, felt, group[who]))
    codes = group[who][order]
    b, d = _within(slope[order], codes), _within(level[order], codes)
    before_b, before_d = b - slope[order], d - level[order]
    k = curve.time.size
    place = felt[order]

    def running(change: Floats) -> Floats:
        summed: Floats = np.cumsum(np.bincount(place, weights=change, minlength=k), dtype=np.float64)[:k]
        return summed

    level_now = total[1:]
    square = running(d * d - before_d * before_d) + level_now * (
        2.0 * running(d * b - before_d * before_b) + level_now * running(b * b - before_b * before_b)
    )
    found: Floats = np.sqrt(np.maximum(square, 0.0))
    if not hazard:
        found[np.flatnonzero(np.cumsum(curve.emptied) > 0)] = np.inf
    return found


def _within(values: Floats, codes: Codes) -> Floats:
    """Running sums that begin anew with each code; codes are sorted."""
    if values.size == 0:
        return values
    sums = np.cumsum(values)
    first = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    offset = np.concatenate([[0.0], sums])[first]
    found: Floats = sums - np.repeat(offset, np.diff(np.append(first, values.size)))
    return found


def _areas(curve: ProductLimit, horizon: float) -> tuple[NDArray[np.bool_], Floats]:
    inside: NDArray[np.bool_] = curve.time <= horizon
    return inside, np.where(inside, curve.area(horizon) - curve.area(np.minimum(curve.time, horizon)), 0.0)


def _places(
    curve: ProductLimit, stop: Floats, event: NDArray[np.bool_], start: Floats | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Give how many event times are not after each exit and each entry, and whose exit is an event."""
    if whole(stop) is None:
        columns = (curve.time, stop) if start is None else (curve.time, stop, start)
        _, stop, *others = tied(*columns)
        start = others[0] if others else None
    leaving = np.searchsorted(curve.time, stop, side="right")
    entering = np.zeros(stop.size, dtype=np.intp)
    if start is not None:
        entering = np.searchsorted(curve.time, start, side="right")
    early = later(curve.since, stop)
    leaving = np.where(early, 0, leaving)
    entering = np.where(early, 0, entering)
    own: NDArray[np.bool_] = np.asarray(event, dtype=bool) & ~early
    return leaving, entering, own


def _summed(curve: ProductLimit, share: Floats, stop: Floats, event: NDArray[np.bool_], start: Floats | None) -> Floats:
    leaving, entering, own = _places(curve, stop, event, start)
    total = np.concatenate([[0.0], np.cumsum(share * curve.hazard)])
    values: Floats = total[leaving] - total[entering]
    values[own] -= share[leaving[own] - 1]
    return values
