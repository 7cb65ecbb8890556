"""What a norm expects of somebody already absent for a while, and what each control episode contributes to that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.ties import places, tied, upto

__all__ = ["ConditionalNorm", "conditional_norm"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalNorm:
    """The product-limit norm of one cell, read from any elapsed time onwards.

    Make one with :func:`conditional_norm`. Times given to its methods are compared by the rules of
    :mod:`~impactkit.compute.survival.ties`: give them as they are.

    Parameters
    ----------
    time : ndarray of shape (k,)
        Distinct times at which control episodes ended, rising.
    at_risk, events : ndarray of shape (k,)
        Episodes running just before, and ending at, each time.
    last : float
        The longest time any episode is observed.
    begins, reaches : ndarray of shape (c,)
        The stretches of time, rising, on which at least one episode is at risk: ``(begins, reaches]``.
    first, until : ndarray of shape (m,)
        Positions in ``time`` between which each episode is at risk: ``first <= j < until``.
    ended_at : ndarray of shape (m,)
        Position in ``time`` at which each episode ended, -1 if it was open.
    log_left : ndarray of shape (k + 1,)
        Sum of ``log(1 - d/n)`` before each position, leaving out the times at which every episode at risk ended.
    area_after : ndarray of shape (k + 1,)
        Integral of ``exp`` of that sum from each time in ``(0, *time)`` to ``last``.
    collapse : ndarray
        Times at which every episode at risk ended.
    """

    time: Floats
    at_risk: Floats
    events: Floats
    last: float
    begins: Floats
    reaches: Floats
    first: Places
    until: Places
    ended_at: Places
    log_left: Floats
    area_after: Floats
    collapse: Floats

    @property
    def size(self) -> int:
        """Number of control episodes."""
        return self.first.size

    def known_to(self, entry: Floats) -> Floats:
        """Give the time up to which the curve from each entry is known.

        Parameters
        ----------
        entry : ndarray of shape (n,)

        Returns
        -------
        ndarray of shape (n,)
            The entry itself if no episode is at risk just after it; infinite if the curve falls to zero while it
            is known.
        """
        reach = self.observed_to(entry)
        known: Floats = np.where(upto(self._falls_to_zero(entry), reach), np.inf, reach)
        return known

    def observed_to(self, entry: Floats) -> Floats:
        """Give the time up to which at least one episode is at risk at every moment after each entry."""
        place = places(self.begins, entry) - 1
        reach = np.append(self.reaches, -np.inf)[place]  # place -1 picks the appended value
        seen: Floats = np.maximum(entry, reach)
        return seen

    def fewest_at_risk(self, entry: Floats, end: Floats) -> float:
        """Give the smallest number at risk at an event time in ``(entry, end]`` of anybody; infinite without one."""
        low, high = self._window(entry, end)
        fewest = np.inf
        for one, other in {*zip(low.tolist(), high.tolist(), strict=True)}:
            if other > one:
                fewest = min(fewest, float(self.at_risk[one:other].min()))
        return fewest

    def survival(self, entry: Floats, elapsed: Floats | float) -> Floats:
        """Give S(entry + elapsed) / S(entry): the share still absent that much later."""
        end = entry + elapsed
        low, high = self._window(entry, end)
        share: Floats = np.where(
            upto(self._falls_to_zero(entry), end), 0.0, np.exp(self.log_left[high] - self.log_left[low])
        )
        return share

    def residual_mean(self, entry: Floats, horizon: float) -> Floats:
        """Give the mean time still absent within the horizon, counted from entry.

        Notes
        -----
        ``∫_0^τ S(e + u) / S(e) du``, in the unit of time.
        """
        end = self._end(entry, horizon)
        return (self._area_beyond(entry) - self._area_beyond(end)) / self._level(entry)

    def residual_mean_slopes(self, entry: Floats, horizon: float, weights: Floats) -> Floats:
        """Give the derivative of the weighted sum of residual means by ``log(1 - h_j)``, shape (k,).

        Notes
        -----
        ``C_j = Σ_i w_i ∫_{t_j}^{e_i + τ} S(t) / S(e_i) dt`` over those with ``e_i < t_j <= e_i + τ``.
        """
        end = self._end(entry, horizon)
        low, high = self._window(entry, end)
        scaled = weights / self._level(entry)
        total, beyond = self._spread(low, high, scaled), self._spread(low, high, scaled * self._area_beyond(end))
        slopes: Floats = self.area_after[1:] * total - beyond
        return slopes

    def survival_slopes(self, entry: Floats, elapsed: float, weights: Floats) -> Floats:
        """Give the derivative of the weighted sum of ``S(e_i + u) / S(e_i)`` by ``log(1 - h_j)``, shape (k,)."""
        low, high = self._window(entry, entry + elapsed)
        return self._spread(low, high, weights * self.survival(entry, elapsed))

    def log_steps(self, slopes: Floats) -> Floats:
        """Give by how much a quantity with these derivatives by ``log(1 - h_j)`` moves with each end, shape (k,).

        Notes
        -----
        ``Σ_j C_j · ∂ log(1 - h_j) / ∂ w_k`` with ``-(dN_kj - Y_kj d_j / n_j) / (n_j - d_j)``, and 0 where every
        episode at risk ended.
        """
        left = self.at_risk - self.events
        return -np.divide(slopes, left, out=np.zeros_like(slopes), where=left > 0)

    def log_influence(self, slopes: Floats) -> Floats:
        """Give what each episode contributes to a quantity with these derivatives by ``log(1 - h_j)``, shape (m,)."""
        return self.contributions(self.log_steps(slopes))

    def hazard(self, entry: Floats, leave: Floats) -> Floats:
        """Give the cumulative hazard between two times, ``H(leave) - H(entry)``, of Nelson and Aalen."""
        low, high = self._window(entry, leave)
        cumulative = np.concatenate([[0.0], np.cumsum(self.events / self.at_risk)])
        between: Floats = cumulative[high] - cumulative[low]
        return between

    def hazard_steps(self, entry: Floats, leave: Floats, weights: Floats) -> Floats:
        """Give by how much the weighted sum of cumulative hazards moves with each end, shape (k,)."""
        low, high = self._window(entry, leave)
        steps: Floats = self._spread(low, high, weights) / self.at_risk
        return steps

    def hazard_influence(self, entry: Floats, leave: Floats, weights: Floats) -> Floats:
        """Give what each episode contributes to the weighted sum of cumulative hazards, shape (m,)."""
        return self.contributions(self.hazard_steps(entry, leave, weights))

    def contributions(self, step: Floats) -> Floats:
        """Sum ``step_j (dN_kj - Y_kj d_j / n_j)`` over times, for each episode, shape (m,)."""
        running = np.concatenate([[0.0], np.cumsum(step * self.events / self.at_risk)])
        own = np.append(step, 0.0)[self.ended_at]
        total: Floats = own - (running[self.until] - running[self.first])
        return total

    def _window(self, entry: Floats, end: Floats) -> tuple[Places, Places]:
        low = places(self.time, entry)
        return low, np.maximum(places(self.time, end), low)

    def _spread(self, low: Places, high: Places, amount: Floats) -> Floats:
        """Add each amount to the positions ``low <= j < high``."""
        size = self.time.size + 1
        change = np.bincount(low, weights=amount, minlength=size) - np.bincount(high, weights=amount, minlength=size)
        total: Floats = np.cumsum(change)[:-1]
        return total

    def _falls_to_zero(self, entry: Floats) -> Floats:
        """Give the first time after each entry at which every episode at risk ended; infinite without one."""
        found: Floats = np.append(self.collapse, np.inf)[places(self.collapse, entry)]
        return found

    def _end(self, entry: Floats, horizon: float) -> Floats:
        end: Floats = np.minimum(entry + horizon, self._falls_to_zero(entry))
        return end

    def _level(self, times: Floats) -> Floats:
        level: Floats = np.exp(self.log_left[places(self.time, times)])
        return level

    def _area_beyond(self, times: Floats) -> Floats:
        """Integrate from each time to ``last``; negative beyond it, where nothing is known."""
        place = places(self.time, times)
        knots = np.concatenate([[0.0], self.time])
        beyond: Floats = self.area_after[place] - np.exp(self.log_left[place]) * (times - knots[place])
        return beyond


def conditional_norm(start: Floats, stop: Floats, ended: Bools) -> ConditionalNorm:
    """Estimate the norm of one cell from its control episodes.

    Parameters
    ----------
    start : ndarray of shape (m,)
        How long each episode had run when observation of it began; at risk on ``(start, stop]``.
    stop : ndarray of shape (m,)
        How long it had run when it ended or observation stopped.
    ended : ndarray of bool, shape (m,)

    Returns
    -------
    ConditionalNorm

    Notes
    -----
    ``S(t) = Π_{t_j ≤ t} (1 - d_j / n_j)``. The curve from an elapsed time e onwards is the product over
    ``t_j > e`` alone, so that it does not depend on anything before e.
    """
    stop, start = tied(stop, start)
    curve = product_limit(stop, ended, start=start)
    time = curve.time
    left = 1.0 - curve.events / curve.at_risk
    empty = curve.events >= curve.at_risk
    steps = np.where(empty, 0.0, np.log(np.where(empty, 1.0, left)))
    log_left = np.concatenate([[0.0], np.cumsum(steps)])
    knots = np.concatenate([[0.0], time, [max(curve.last, float(time[-1]) if time.size else 0.0)]])
    pieces = np.diff(knots) * np.exp(log_left)
    begins, reaches = _stretches(start, stop)
    place = np.searchsorted(time, stop, side="left")
    return ConditionalNorm(
        time=time,
        at_risk=curve.at_risk,
        events=curve.events,
        last=curve.last,
        begins=begins,
        reaches=reaches,
        first=np.searchsorted(time, start, side="right"),
        until=np.searchsorted(time, stop, side="right"),
        ended_at=np.where(ended, place, -1),
        log_left=log_left,
        area_after=np.cumsum(pieces[::-1])[::-1],
        collapse=time[empty],
    )


def _stretches(start: Floats, stop: Floats) -> tuple[Floats, Floats]:
    """Give the union of the intervals ``(start, stop]`` as separate stretches."""
    if not start.size:
        return np.zeros(0), np.zeros(0)
    order = np.argsort(start, kind="stable")
    reach = np.maximum.accumulate(stop[order])
    opens = np.concatenate([[True], start[order][1:] > reach[:-1]])
    closes = np.concatenate([opens[1:], [True]])
    return start[order][opens], reach[closes]
