"""The numbers of one norm: quantiles and a restricted mean of a cell's episodes, with limits between practices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.survival.practices import (
    GroupedRisk,
    curve_band,
    episode_influence,
    group_survival_influence,
    mean_slopes,
    quantile_interval,
    quantiles,
    resampled_survival,
    restricted_means,
    survival_slopes,
)
from impactkit.data.columns import Bools, Floats
from impactkit.data.norms import Norm, Reading, Statistic

__all__ = ["Area", "Cell", "Interval", "NormRules", "log_variance", "shrunken_median"]

Interval = Literal["practice", "bootstrap"]

FEW_EPISODES = 10
"""Of fewer episodes nothing is said that would tell of one of them."""
_COLLAPSE = (
    "at {time:.1f} every episode then observed ends, while others that are only observed later last longer: the curve "
    "says nothing from there on; join cells, or leave out episodes that were running when observation began"
)
FEW_REPLICATES = 0.05
"""A resampled interval is refused when more than this share of resamples cannot give the number."""


@dataclass(frozen=True, slots=True)
class NormRules:
    """How a norm is made of episodes; every number in the controls' unit of time.

    Parameters
    ----------
    reading : str
    landmark, shift : float
        Only episodes longer than ``landmark`` count, and ``shift`` is taken off their length.
    horizon : float or None
        How far the restricted mean goes, from the shift on.
    shares : tuple of float
        Quantiles besides the median.
    interval : {"practice", "bootstrap"}
    replications : int
    shrink_below : int
    conf_level : float
    """

    reading: Reading
    landmark: float
    shift: float
    horizon: float | None
    shares: tuple[float, ...]
    interval: Interval
    replications: int
    shrink_below: int
    conf_level: float


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """The practices that are drawn together, and the resamples of them."""

    codes: NDArray[np.int64]
    size: int
    weights: Floats | None


def _some(count: int) -> str:
    return "no" if not count else f"fewer than {FEW_EPISODES}" if count < FEW_EPISODES else f"{count:,}"


def log_variance(norm: Norm) -> float:
    """Give the variance of a log median: by practice or by episode, whichever is larger; NaN where not known."""
    median = norm.statistics[0]
    if not np.isfinite(median.estimate) or median.estimate <= 0 or norm.risk is None:
        return float("nan")
    curve = norm.risk.curve()
    low, high = quantile_interval(norm.risk, 0.5, _greenwood(curve.at_risk, curve.events, curve.survival), 1.0)
    alone = 0.5 * (high - low)
    errors = [error for error in (alone, median.std_error) if np.isfinite(error)]
    return float(max(errors) / median.estimate) ** 2 if np.isfinite(alone) else float("nan")


def shrunken_median(shrunk: tuple[Floats, Floats, float] | None, seat: int | None, below: int) -> Statistic:
    """Write a shrunken median with how much of the cell's own evidence it keeps, or why there is none."""
    if shrunk is None or seat is None:
        why = (
            "fewer than three cells of the area have a median and a variance"
            if shrunk is None
            else "the cell's median or its variance is not known"
        )
        return Statistic("shrunken_median", np.nan, np.nan, notes=(("estimate", f"not shrunken: {why}"),))
    means, own, centre = shrunk
    return Statistic(
        "shrunken_median",
        float(own[seat]),
        float(np.exp(means[seat])),
        notes=(
            (
                "",
                f"fewer than {below} episodes: the shrunken median keeps {own[seat]:.0%} of the cell's own log median "
                f"and takes the rest from {np.exp(centre):.1f}, the mean over the area's cells",
            ),
            ("std_error", "a shrunken median trades bias for variance, so limits around it would say too much"),
        ),
    )


def _greenwood(at_risk: Floats, events: Floats, survival: Floats) -> Floats:
    left = at_risk - events
    parts = np.where(left > 0, events / (at_risk * np.where(left > 0, left, 1.0)), 0.0)
    found: Floats = survival * np.sqrt(np.cumsum(parts))
    return found


class Cell:
    """The numbers of one cell."""

    def __init__(
        self,
        rules: NormRules,
        area: Area,
        risk: GroupedRisk,
        episodes: tuple[Floats, Bools, Floats, NDArray[np.int64]],
        by: bool,
    ) -> None:
        from scipy.special import ndtri, stdtrit

        self.rules, self.risk, self.area, self.by_practice = rules, risk, area, by
        self.stop, self.ended, self.start, self._groups = episodes
        self.curve = risk.curve()
        upper = 0.5 * (1.0 + rules.conf_level)
        present = int((risk.last > risk.landmark).sum())
        self.factor, self.critical, self.reason = 1.0, float(ndtri(upper)), ""
        if by:
            if area.size < 2:
                self.reason = "the episodes come from one practice, so how practices differ is not known"
            elif present < 2:
                self.reason = "the cell's episodes come from one practice, so how practices differ is not known"
            else:
                self.factor = groups_factor(area.size)
                self.critical = float(stdtrit(area.size - 1, upper))
        curve = self.curve
        if by:
            spread = group_survival_influence(risk)
            self.error = self.factor * np.sqrt((spread**2).sum(axis=0))
        else:
            self.error = _greenwood(curve.at_risk, curve.events, curve.survival)
        self.resampled = None if area.weights is None else resampled_survival(risk, area.weights)

    def numbers(self) -> tuple[list[Statistic], list[str], tuple[Floats, Floats] | None]:
        """Give the statistics, remarks on the whole cell, and the pointwise limits of its curve."""
        rules = self.rules
        notes: list[str] = []
        if not self.stop.size:
            empty = (("estimate", "the controls have no such episode"),)
            names = [("median", 0.5), *(("quantile", share) for share in rules.shares)]
            names += [("restricted_mean", np.nan)] if rules.horizon is not None else []
            return [Statistic(name, share, np.nan, notes=empty) for name, share in names], notes, None
        statistics = [self._quantile("median", 0.5)]
        statistics += [self._quantile("quantile", share) for share in rules.shares]
        if rules.horizon is not None:
            statistics.append(self._mean(rules.horizon))
        notes += self._remarks(statistics[0].estimate)
        band = None if self.reason else curve_band(self.curve.survival, self.error, self.critical)
        return statistics, notes, band

    def _remarks(self, median: float) -> list[str]:
        """Say what the simple median would be, and where the curve rests on few; never of a handful of episodes."""
        rules, said = self.rules, []
        late, still = int((self.start > rules.landmark).sum()), int((~self.ended).sum())
        if (late or still) and self.stop.size >= FEW_EPISODES:
            simple = float(np.median(self.stop)) - rules.shift
            gap = simple - median
            size = f", {abs(gap):.1f} {'shorter' if gap < 0 else 'longer'}" if abs(gap) >= 0.05 else ""
            said.append(
                f"{_some(still)} episodes were still open and {_some(late)} were running when observation began; taken "
                f"as ended and seen from the start their median would be {simple:.1f}{size}"
            )
        before = np.concatenate([[1.0], self.curve.survival[:-1]])[: self.curve.time.size]
        thin = self.curve.time[(self.curve.at_risk < 5) & (before > 0.5)]
        if thin.size:
            said.append(
                "fewer than 5 episodes are observed at some time before half have ended: the rest hangs on them"
            )
        return said

    def _longest(self) -> str:
        """Name the longest time observed, unless it would tell of one of a handful."""
        words = "the longest time observed"
        return words if self.stop.size < FEW_EPISODES else f"{self.curve.last:g}, {words}"

    def _quantile(self, name: str, share: float) -> Statistic:
        curve, risk, shift = self.curve, self.risk, self.rules.shift
        value = float(quantiles(risk.time, curve.survival[None], share, np.array([curve.last]))[0])
        if not np.isfinite(value):
            said = f"fewer than {share:.0%} of episodes had ended by {self._longest()}"
            return Statistic(name, share, np.nan, notes=(("estimate", said),))
        if value >= risk.collapse:
            return Statistic(name, share, np.nan, notes=(("estimate", _COLLAPSE.format(time=risk.collapse)),))
        if self.reason:
            return Statistic(name, share, value - shift, notes=(("std_error", self.reason),))
        low, high = quantile_interval(risk, share, self.error, self.critical)
        notes: list[tuple[str, str]] = []
        error, influence = np.nan, None
        if np.isfinite(high):
            error = (high - low) / (2.0 * self.critical)
            raw = episode_influence(risk, survival_slopes(risk, value), self.stop, self.ended, self.start)
            influence = self._scaled(raw, error)
            if influence is None:
                error = np.nan
                notes.append(
                    ("std_error", "practices do not differ here at all, so a standard error of 0 says nothing")
                )
            elif error == 0.0:
                notes.append(("", "lengths are heaped on a few values, so that the interval is a single one"))
        else:
            notes.append(("std_error", "the upper limit of the curve does not fall so low, so the interval is open"))
            notes.append(("conf_high", f"the upper limit lies beyond {self._longest()}"))
            high = np.nan
        if self.resampled is not None:
            survival, last = self.resampled
            low, high = self._percentiles(quantiles(risk.time, survival, share, last), notes)
        elif value > high or value < low:
            low, high = min(low, value), max(high, value)
        return Statistic(name, share, value - shift, error, low - shift, high - shift, tuple(notes), influence)

    def _mean(self, horizon: float) -> Statistic:
        risk, rules = self.risk, self.rules
        until = horizon + rules.shift
        base = rules.landmark - rules.shift
        value = float(restricted_means(risk, self.curve.survival[None], until, np.array([self.curve.last]))[0]) + base
        if until > risk.collapse:
            return Statistic(
                "restricted_mean", np.nan, np.nan, notes=(("estimate", _COLLAPSE.format(time=risk.collapse)),)
            )
        if not np.isfinite(value):
            known = self.curve.last - rules.shift
            said = f"the curve is known to {known:g} only, not to {horizon:g}: choose a horizon of {known:g} or less"
            if self.stop.size < FEW_EPISODES:
                said = f"the curve is not known to {horizon:g}: choose a shorter horizon, or join cells"
            return Statistic("restricted_mean", np.nan, np.nan, notes=(("estimate", said),))
        if self.reason:
            return Statistic("restricted_mean", np.nan, value, notes=(("std_error", self.reason),))
        values = self.factor * episode_influence(risk, mean_slopes(risk, until), self.stop, self.ended, self.start)
        error = float(np.sqrt((self._sums(values) ** 2).sum()))
        notes: list[tuple[str, str]] = []
        low, high = value - self.critical * error, value + self.critical * error
        if self.resampled is not None:
            survival, last = self.resampled
            low, high = self._percentiles(restricted_means(risk, survival, until, last) + base, notes)
        return Statistic("restricted_mean", np.nan, value, error, low, high, tuple(notes), values)

    def _sums(self, values: Floats) -> Floats:
        """Sum within practice, or leave as they are."""
        if not self.by_practice:
            return values
        return np.asarray(np.bincount(self._groups, weights=values, minlength=self.area.size), dtype=np.float64)

    def _scaled(self, raw: Floats, error: float) -> Floats | None:
        """Give influence values in proportion to those on S, of the size of the quantile's standard error."""
        size = float(np.sqrt((self._sums(raw) ** 2).sum()))
        return None if size == 0.0 else -raw * (error / size)

    def _percentiles(self, numbers: Floats, notes: list[tuple[str, str]]) -> tuple[float, float]:
        lost = float(np.isnan(numbers).mean())
        if lost > FEW_REPLICATES:
            notes.append(("conf_low", f"{lost:.0%} of the resamples of practices cannot give the number"))
            notes.append(("conf_high", f"{lost:.0%} of the resamples of practices cannot give the number"))
            return float("nan"), float("nan")
        known = np.sort(numbers[~np.isnan(numbers)])
        tail = 0.5 * (1.0 - self.rules.conf_level) * (known.size + 1)
        low, high = (
            known[max(int(np.floor(tail)) - 1, 0)],
            known[min(int(np.ceil(known.size + 1 - tail)) - 1, known.size - 1)],
        )
        if not np.isfinite(high):
            notes.append(
                ("conf_high", "too many resamples of practices do not reach it, so the interval is open above")
            )
        if not np.isfinite(low):
            notes.append(("conf_low", "too many resamples of practices do not reach it"))
        return (float(low) if np.isfinite(low) else np.nan), (float(high) if np.isfinite(high) else np.nan)
