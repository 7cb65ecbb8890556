"""The nonparametric estimate of a curve from interval-censored times with delayed entry (Turnbull)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TurnbullCurve", "turnbull"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FULL = 36.0
_NOBODY = 1e-9
_SWEEPS = 60
_ROUNDS = 400
_REACHED = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class TurnbullCurve:
    """The maximum likelihood curve: how much probability lies in each of some short intervals.

    Parameters
    ----------
    left, right : ndarray of shape (m,)
        The intervals (left, right] that may hold mass; equal where it sits at one point. Within an interval the
        likelihood does not say where the mass lies: between ``left`` and ``right`` the curve is not unique.
    mass : ndarray of shape (m,)
    survival : ndarray of shape (m,)
        S just after ``right``.
    log_likelihood : float
    gap : float
        The largest violation of the conditions of a maximum per unit of weight (the reduced gradient of Gentleman and
        Geyer, for increments of the cumulative hazard); 0 at the maximum.
    converged : bool
    unique : bool
        Whether the masses themselves are unique (the Hessian on those above zero has full rank).
    steps : int
    """

    left: Floats
    right: Floats
    mass: Floats
    survival: Floats
    log_likelihood: float
    gap: float
    converged: bool
    unique: bool
    steps: int

    @property
    def regions(self) -> tuple[tuple[float, float, float], ...]:
        """Give (left, right, mass) of each interval within which the curve is not unique."""
        held = (self.mass > 1e-10) & (self.right > self.left)
        return tuple(zip(*(part[held].tolist() for part in (self.left, self.right, self.mass)), strict=True))

    def at(self, times: Floats | float, *, side: str = "right") -> Floats:
        """Give S at any times; within an interval of mass, with the mass at its right (or left) end."""
        ends = self.right if side == "right" else self.left
        steps = np.concatenate([[1.0], self.survival])
        found: Floats = steps[np.searchsorted(ends, times, side="right")]
        return found


def turnbull(
    lower: Floats, upper: Floats, *, entry: Floats | None = None, weights: Floats | None = None
) -> TurnbullCurve:
    """Estimate S(t) from times known to lie in (lower, upper].

    Parameters
    ----------
    lower, upper : ndarray of shape (n,)
        Equal where the time is exact; ``upper`` infinite where the event had not happened at ``lower``.
    entry : ndarray of shape (n,), optional
        The person is known of only because the event came after this time; not above ``lower``.
    weights : ndarray of shape (n,), optional

    Returns
    -------
    TurnbullCurve

    Notes
    -----
    Mass can lie only in intervals from some left end to the next right end with no other end between; with delayed
    entry the times of entry count as right ends (Frydman 1994). In increments h of the cumulative hazard the log
    likelihood ``Σ w [log(1 − exp(−Σ_{l<j≤u} h_j)) − Σ_{entry<j≤l} h_j]`` is concave, delayed entry or not. A sweep of
    expectation-maximisation on h finds the neighbourhood and projected Newton steps the maximum.

    References
    ----------
    Turnbull, B. W. (1976). The empirical distribution function with arbitrarily grouped, censored and truncated data.
    *Journal of the Royal Statistical Society B* 38(3).
    Frydman, H. (1994). A note on nonparametric estimation of the distribution function from interval-censored and
    truncated observations. *Journal of the Royal Statistical Society B* 56(1).
    Gentleman, R. and Geyer, C. J. (1994). Maximum likelihood for interval censored data: consistency and computation.
    *Biometrika* 81(3).

    Examples
    --------
    >>> import numpy as np
    >>> curve = turnbull(np.array([0.0, 1.0, 2.0, 4.0]), np.array([2.0, 3.0, 5.0, np.inf]))
    >>> [(float(a), float(b), round(float(c), 4)) for a, b, c in zip(curve.left, curve.right, curve.survival)]
    [(1.0, 2.0, 0.5), (2.0, 3.0, 0.5), (4.0, 5.0, 0.0)]
    """
    start = np.zeros(lower.size) if entry is None else entry
    weight = np.ones(lower.size) if weights is None else weights
    left, right = _support(lower, upper, start)
    if not left.size:
        return TurnbullCurve(left, right, left.copy(), left.copy(), 0.0, 0.0, True, True, 0)
    place = _places(lower, upper, start, left, right)
    patterns, which = np.unique(np.column_stack(place), axis=0, return_inverse=True)
    counts = np.asarray(np.bincount(which.ravel(), weights=weight), dtype=np.float64)
    begin, first, last = (patterns[:, column] for column in range(3))
    solver = _Concave(begin, first, last, counts, left.size)
    hazard, value, gap, steps, unique = solver.solve()
    survival = np.exp(-np.cumsum(np.where(hazard < 1e-11, 0.0, hazard)))
    survival[survival < _NOBODY] = 0.0
    mass = -np.diff(np.concatenate([[1.0], survival]))
    return TurnbullCurve(left, right, mass, survival, value, gap, gap <= _REACHED, unique, steps)


def _support(lower: Floats, upper: Floats, entry: Floats) -> tuple[Floats, Floats]:
    """Find the intervals that may hold mass.

    At one time the ends come in the order: beginning of an exact time, closed right end, open left end.
    """
    exact = lower == upper
    moments = np.concatenate([lower, upper[np.isfinite(upper)], entry[entry > 0]])
    kinds = np.concatenate(
        [np.where(exact, 0, 2), np.ones(int(np.isfinite(upper).sum()), int), np.ones(int((entry > 0).sum()), int)]
    )
    ends = np.unique(np.column_stack([moments, kinds]), axis=0)  # by time, then kind
    opens = ends[:, 1] != 1
    pairs = np.flatnonzero(opens[:-1] & ~opens[1:])
    return ends[pairs, 0].copy(), ends[pairs + 1, 0].copy()


def _places(lower: Floats, upper: Floats, entry: Floats, left: Floats, right: Floats) -> tuple[Ints, Ints, Ints]:
    """Give, for each person, the first interval at risk, and the first and one past the last that may hold the event.

    The last two are equal where the event had not happened.
    """
    exact = lower == upper
    # an interval lies after l if its left end is not before l; a point at l itself does not
    point = left == right
    # intervals are ordered; count those that end at or before a moment
    begin = np.searchsorted(right, entry, side="right")
    first = np.searchsorted(right, lower, side="right")
    at = np.searchsorted(right, lower, side="left")
    inside = np.minimum(at, max(left.size - 1, 0))
    first = np.where(exact & (at < left.size) & point[inside] & (right[inside] == lower), at, first)
    finite = np.isfinite(upper)
    last = np.where(finite, np.searchsorted(right, np.where(finite, upper, 0.0), side="right"), first)
    return begin.astype(np.int64), first.astype(np.int64), last.astype(np.int64)


class _Concave:
    """The log likelihood in increments of the cumulative hazard."""

    def __init__(self, begin: Ints, first: Ints, last: Ints, counts: Floats, m: int) -> None:
        self.m, self.total = m, float(counts.sum())
        self.happened = last > first
        self.first, self.last = first[self.happened], last[self.happened]
        self.counts = counts[self.happened]
        # weight of those who passed each interval without the event
        steps = np.zeros(m + 1)
        np.add.at(steps, begin, counts)
        np.add.at(steps, first, -counts)
        self.passed = np.cumsum(steps)[:m]

    def value(self, hazard: Floats) -> float:
        upto = np.concatenate([[0.0], np.cumsum(hazard)])
        with np.errstate(divide="ignore"):
            inside = np.log(-np.expm1(-(upto[self.last] - upto[self.first])))
        return float(self.counts @ inside - self.passed @ hazard)

    def gradient(self, hazard: Floats) -> tuple[Floats, Floats]:
        """Give the gradient, and each pattern's 1 / (e^H - 1)."""
        upto = np.concatenate([[0.0], np.cumsum(hazard)])
        with np.errstate(divide="ignore", over="ignore"):
            odds = 1.0 / np.expm1(upto[self.last] - upto[self.first])
        return self._spread(self.counts * odds) - self.passed, odds

    def hessian(self, odds: Floats) -> Floats:
        """Give minus the Hessian: people whose interval holds both j and k add w odds (1 + odds)."""
        corner = np.zeros((self.m + 1, self.m + 1))
        amount = self.counts * odds * (1.0 + odds)
        for rows, columns, sign in (
            (self.first, self.first, 1.0),
            (self.first, self.last, -1.0),
            (self.last, self.first, -1.0),
            (self.last, self.last, 1.0),
        ):
            np.add.at(corner, (rows, columns), sign * amount)
        found: Floats = np.cumsum(np.cumsum(corner, axis=0), axis=1)[: self.m, : self.m]
        return found

    def _spread(self, amount: Floats) -> Floats:
        steps = np.zeros(self.m + 1)
        np.add.at(steps, self.first, amount)
        np.add.at(steps, self.last, -amount)
        found: Floats = np.cumsum(steps)[: self.m]
        return found

    def solve(self) -> tuple[Floats, float, float, int, bool]:
        """Climb to the maximum over h between 0 and a value at which nobody is left."""
        m = self.m
        if m == 0 or not self.counts.size:
            return np.zeros(m), 0.0, 0.0, 0, True
        hazard = np.full(m, 1.0 / m)
        for _ in range(_SWEEPS):
            slope, _ = self.gradient(hazard)
            held = slope + self.passed
            covered = self._spread(self.counts)
            # E step of Poisson counts: expected events at j over exposure, those of unseen parts included
            exposure = self.passed + covered
            hazard = np.where(exposure > 0, hazard * (held + covered) / np.maximum(exposure, 1e-300), 0.0)
            hazard = np.minimum(hazard, _FULL)
        value = self.value(hazard)
        steps, gap = 0, np.inf
        damping = 0.0
        while steps < _ROUNDS:
            steps += 1
            slope, odds = self.gradient(hazard)
            gap = self._gap(hazard, slope)
            if gap <= 1e-13:
                break
            free = ~(((hazard <= 0) & (slope <= 0)) | ((hazard >= _FULL) & (slope >= 0)))
            index = np.flatnonzero(free)
            curve = self.hessian(odds)[np.ix_(index, index)]
            ridge = (1e-12 + damping) * max(float(np.diagonal(curve).max(initial=0.0)), 1e-12)
            move = np.linalg.solve(curve + ridge * np.eye(index.size), slope[index])
            length, risen = 1.0, False
            while length > 1e-12:
                attempt = hazard.copy()
                attempt[index] = np.clip(hazard[index] + length * move, 0.0, _FULL)
                found = self.value(attempt)
                if found > value or (found >= value - 1e-13 * (1 + abs(value)) and gap < 1e-6):
                    risen = True
                    break
                length *= 0.5
            if not risen:
                # clipping may turn a Newton step downhill: lean towards the gradient
                damping = max(10.0 * damping, 1e-6)
                if damping > 1e3:
                    break
                continue
            damping = 0.0 if length == 1.0 else damping
            new_gap = self._gap(attempt, self.gradient(attempt)[0])
            if found <= value and new_gap >= gap:
                break
            hazard, value = attempt, found
        slope, odds = self.gradient(hazard)
        gap = self._gap(hazard, slope)
        inside = np.flatnonzero((hazard > 1e-10) & (np.cumsum(hazard) < -np.log(_NOBODY)))
        unique = True
        if inside.size:
            curve = self.hessian(odds)[np.ix_(inside, inside)]
            scale = 1.0 / np.sqrt(np.maximum(np.diagonal(curve), 1e-300))
            unique = bool(np.linalg.matrix_rank(curve * np.outer(scale, scale), tol=1e-9) == inside.size)
        return hazard, self.value(hazard), gap, steps, unique

    def _gap(self, hazard: Floats, slope: Floats) -> float:
        """Give the largest gain per unit of weight that some increment still offers."""
        up = np.where(hazard < _FULL, slope, 0.0).max(initial=0.0)
        down = np.where(hazard > 0, -slope, 0.0)
        down = np.where(hazard > 1e-14, down, np.minimum(down, 0.0)).max(initial=0.0)
        return float(max(up, down)) / self.total
