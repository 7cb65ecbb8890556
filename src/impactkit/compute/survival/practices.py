"""The product limit of episodes in groups (general practices): quantiles, restricted means and their uncertainty.

Everything follows from two tables of counts, groups by distinct event times: how many are at risk and how many end.
A resample of groups is a weighted sum of their rows; the influence of a group is a weighted sum of its row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.curves import ProductLimit
from impactkit.compute.survival.limits import FLAT
from impactkit.compute.survival.ties import upto

__all__ = [
    "GroupedRisk",
    "curve_band",
    "episode_influence",
    "group_survival_influence",
    "grouped_risk",
    "mean_slopes",
    "quantile_interval",
    "quantiles",
    "resampled_survival",
    "restricted_means",
    "survival_slopes",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.signedinteger]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class GroupedRisk:
    """Who is at risk and whose episode ends, by group and distinct event time.

    Parameters
    ----------
    time : ndarray of shape (k,)
        Distinct event times after ``landmark``, rising.
    at_risk, events : ndarray of shape (g, k)
        Episodes of each group at risk just before, and ending at, each time.
    last : ndarray of shape (g,)
        Longest time observed in each group; ``landmark`` for a group without an episode.
    landmark : float
        Only what happens after this time counts: the curve is of those still absent then.
    """

    time: Floats
    at_risk: Floats
    events: Floats
    last: Floats
    landmark: float

    def curve(self) -> ProductLimit:
        """Give the product limit over all groups, conditional on lasting to the landmark."""
        n, d = self.at_risk.sum(axis=0), self.events.sum(axis=0)
        last = float(self.last.max(initial=self.landmark))
        return ProductLimit(self.time, n, d, _products(n[None], d[None])[0], last, n, d, since=self.landmark)

    @property
    def collapse(self) -> float:
        """When everybody at risk ends though others are observed later; ``inf`` if that never happens.

        With delayed entry the curve then stays at zero, and says nothing from that time on.
        """
        n, d = self.at_risk.sum(axis=0), self.events.sum(axis=0)
        empty = np.flatnonzero((d >= n)[:-1])
        return float(self.time[empty[0]]) if empty.size else float("inf")

    @property
    def groups(self) -> int:
        """How many groups there are, those without an episode included."""
        return int(self.last.size)


def grouped_risk(
    stop: Floats,
    event: Bools,
    groups: Codes,
    size: int,
    *,
    start: Floats | None = None,
    landmark: float = 0.0,
) -> GroupedRisk:
    """Count who is at risk and whose episode ends, by group.

    Parameters
    ----------
    stop : ndarray of shape (n,)
        Time of the end of the episode, or of observation; an episode is at risk on (start, stop].
    event : ndarray of bool, shape (n,)
    groups : ndarray of integers, shape (n,)
        0 to ``size`` - 1.
    size : int
        Number of groups, those without an episode included.
    start : ndarray of shape (n,), optional
        When observation of the episode began.
    landmark : float
        Episodes no longer than this are left out, and the others are at risk from it on.
    """
    kept = stop > landmark
    begun = np.full(stop.size, landmark) if start is None else np.maximum(start, landmark)
    stop, event, begun = stop[kept], event[kept], begun[kept]
    place_of = np.asarray(groups, dtype=np.int64)[kept]
    time, place = np.unique(stop[event], return_inverse=True)
    width = time.size
    flat = np.asarray(np.bincount(place_of[event] * width + place, minlength=size * width), dtype=np.float64)
    at_risk: Floats = _from(stop, place_of, time, size) - _from(begun, place_of, time, size)
    last: Floats = np.full(size, landmark, dtype=np.float64)
    np.maximum.at(last, place_of, stop)
    return GroupedRisk(time, at_risk, flat.reshape(size, width), last, landmark)


def _from(moments: Floats, groups: Codes, time: Floats, size: int) -> Floats:
    """Count, by group, those whose moment is not before each time."""
    width = time.size + 1
    where = np.searchsorted(time, moments, side="right")
    flat = np.asarray(np.bincount(groups * width + where, minlength=size * width), dtype=np.float64)
    total: Floats = np.cumsum(flat.reshape(size, width)[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return total


def _products(n: Floats, d: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(d > 0, np.where(d >= n, 0.0, 1.0 - d / n), 1.0)
    found: Floats = np.cumprod(left, axis=1, dtype=np.float64)
    return found


def resampled_survival(risk: GroupedRisk, weights: Floats) -> tuple[Floats, Floats]:
    """Give the curve of every resample of groups.

    Parameters
    ----------
    risk : GroupedRisk
    weights : ndarray of shape (r, g)
        How often each group is drawn in each resample.

    Returns
    -------
    survival : ndarray of shape (r, k)
    last : ndarray of shape (r,)
        The longest time observed in each resample.
    """
    drawn = np.where(weights > 0, risk.last, risk.landmark)
    return _products(weights @ risk.at_risk, weights @ risk.events), drawn.max(axis=1, initial=risk.landmark)


def quantiles(time: Floats, survival: Floats, share: float, last: Floats) -> Floats:
    """Give a quantile of every curve, ``inf`` where it is not reached.

    Parameters
    ----------
    time : ndarray of shape (k,)
    survival : ndarray of shape (r, k)
    share : float
        0.5 for the median.
    last : ndarray of shape (r,)
        Longest time observed.

    Notes
    -----
    The first time at which ``S(t) ≤ 1 − share``. Where S equals 1 − share over an interval it is the middle of the
    interval (to ``last``, if S never falls below), as in R's ``survfit``; with every episode seen from beginning to
    end the median is then the ordinary one.
    """
    rows = survival.shape[0]
    if not time.size:
        return np.full(rows, np.inf)
    target = 1.0 - share
    reached, below = survival <= target + FLAT, survival < target - FLAT
    first, second = reached.argmax(axis=1), below.argmax(axis=1)
    at = survival[np.arange(rows), first]
    high = np.where(below.any(axis=1), time[second], np.maximum(last, time[first]))
    found = np.where(at >= target - FLAT, 0.5 * (time[first] + high), time[first])
    return np.where(reached.any(axis=1), found, np.inf)


def restricted_means(risk: GroupedRisk, survival: Floats, horizon: float, last: Floats) -> Floats:
    """Give the area under every curve from the landmark to ``horizon``; NaN where the curve is not known so far.

    Parameters
    ----------
    risk : GroupedRisk
        For its times and landmark.
    survival : ndarray of shape (r, k)
    horizon : float
        On the scale of ``risk.time``, beyond the landmark.
    last : ndarray of shape (r,)
    """
    inside = risk.time < horizon
    knots = np.concatenate([[risk.landmark], risk.time[inside], [horizon]])
    steps = np.concatenate([np.ones((survival.shape[0], 1)), survival[:, inside]], axis=1)
    known = upto(horizon, last)
    if risk.time.size:
        known = known | (survival[:, -1] == 0.0)
    return np.where(known, steps @ np.diff(knots), np.nan)


# --- influence ------------------------------------------------------------------------------------------------


def _hazard_parts(risk: GroupedRisk) -> tuple[Floats, Floats]:
    """Give what being at risk and what ending does to log S at each time; nothing once the curve is at zero."""
    n, d = risk.at_risk.sum(axis=0), risk.events.sum(axis=0)
    some = d < n
    spare = np.where(some, n - d, 1.0)
    return np.where(some, d / (n * spare), 0.0), np.where(some, 1.0 / spare, 0.0)


def group_survival_influence(risk: GroupedRisk) -> Floats:
    """Give the influence of each group on S at each event time, shape (g, k)."""
    stay, leave = _hazard_parts(risk)
    found: Floats = risk.curve().survival * np.cumsum(risk.at_risk * stay - risk.events * leave, axis=1)
    return found


def survival_slopes(risk: GroupedRisk, moment: float) -> Floats:
    """Give the derivative of S(moment) in log(1 − hazard) of each event time, shape (k,)."""
    return np.where(upto(risk.time, moment), float(risk.curve().at(moment)), 0.0)


def mean_slopes(risk: GroupedRisk, horizon: float) -> Floats:
    """Give the derivative of the area from landmark to horizon in log(1 − hazard) of each event time, shape (k,)."""
    curve = risk.curve()
    return np.where(risk.time < horizon, curve.area(horizon) - curve.area(np.minimum(risk.time, horizon)), 0.0)


def episode_influence(risk: GroupedRisk, slopes: Floats, stop: Floats, event: Bools, start: Floats) -> Floats:
    """Give the influence of each episode on a number that is a smooth function of the curve.

    Parameters
    ----------
    risk : GroupedRisk
    slopes : ndarray of shape (k,)
        From :func:`survival_slopes` or :func:`mean_slopes`.
    stop, event, start : ndarray of shape (n,)
        The episodes the counts were made of.

    Notes
    -----
    With a_j the slope, n_j at risk and d_j ending, episode i contributes
    ``Σ_j a_j [Y_ij d_j / (n_j (n_j − d_j)) − dN_ij / (n_j − d_j)]``: the derivative in its weight (infinitesimal
    jackknife). The values add to zero.
    """
    stay, leave = _hazard_parts(risk)
    sums = np.concatenate([[0.0], np.cumsum(slopes * stay)])
    begun = np.maximum(start, risk.landmark)
    upto = np.searchsorted(risk.time, stop, side="right")
    value = sums[upto] - sums[np.minimum(np.searchsorted(risk.time, begun, side="right"), upto)]
    ends = event & (stop > risk.landmark)
    value[ends] -= (slopes * leave)[upto[ends] - 1]
    return np.where(stop > risk.landmark, value, 0.0)


def curve_band(survival: Floats, std_error: Floats, critical: float) -> tuple[Floats, Floats]:
    """Give pointwise limits of S formed on the log(−log) scale; NaN where S is 0, 1 where S is 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(survival)
        width = critical * std_error / (survival * np.abs(log))
        low, high = np.exp(log * np.exp(width)), np.exp(log * np.exp(-width))
    flat = survival >= 1.0
    gone = survival <= 0.0
    return (
        np.where(flat, 1.0, np.where(gone, np.nan, low)),
        np.where(flat, 1.0, np.where(gone, np.nan, high)),
    )


def quantile_interval(risk: GroupedRisk, share: float, std_error: Floats, critical: float) -> tuple[float, float]:
    """Give the interval of a quantile: the times at which ``1 − share`` lies within the limits of S.

    Parameters
    ----------
    risk : GroupedRisk
    share : float
    std_error : ndarray of shape (k,)
        Of S at each event time.
    critical : float
        Quantile of the normal or the t distribution.

    Returns
    -------
    low, high : float
        ``high`` is ``inf`` where the upper limit of S never falls so low.

    References
    ----------
    Brookmeyer, R. and Crowley, J. (1982). A confidence interval for the median survival time. *Biometrics* 38.
    """
    curve = risk.curve()
    low, high = curve_band(curve.survival, std_error, critical)
    low = np.where(curve.survival <= 0.0, 0.0, low)
    if high.size > 1 and curve.survival[-1] <= 0.0:
        high = np.where(curve.survival <= 0.0, high[curve.survival > 0.0].min(initial=1.0), high)
    high = np.where(np.isnan(high), 1.0, high)
    found = quantiles(risk.time, np.stack([low, high]), share, np.full(2, curve.last))
    return float(found[0]), float(found[1])
