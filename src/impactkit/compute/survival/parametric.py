"""Parametric models of time by maximum likelihood: delayed entry, censoring on either side or between, weights.

Every model is ``S(t) = G(z)`` with ``z = b(log t)'γ + x'δ`` linear in its coefficients (b is 1 and log t for Weibull,
log-normal and generalised gamma, a natural cubic spline for Royston-Parmar), so one exact score and Hessian serve all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.parametric_base import Base, density, tail
from impactkit.compute.survival.splines import spline_basis, spline_knots

__all__ = ["MODELS", "Model", "ModelName", "ParametricFit", "Times", "fit_parametric", "model_of"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
ModelName = Literal["weibull", "lognormal", "generalised_gamma", "royston_parmar"]
MODELS: tuple[ModelName, ...] = ("weibull", "lognormal", "generalised_gamma", "royston_parmar")
_BASES: dict[str, Base] = {"weibull": "extreme", "lognormal": "normal", "generalised_gamma": "log_gamma"}
_SCALES: dict[str, Base] = {"hazard": "extreme", "odds": "logistic"}
_MOST_STEPS = 200
_DECREMENT = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """What is known of each person's time.

    Parameters
    ----------
    lower, upper : ndarray of shape (n,)
        The event lies in (lower, upper]; equal where the time is exact, ``upper`` infinite where the event had not
        happened at ``lower``, ``lower`` 0 where it is only known to come before ``upper``.
    entry : ndarray of shape (n,)
        When observation began (0 without delayed entry): the person counts given no event by then.
    weights : ndarray of shape (n,)
    covariates : ndarray of shape (n, p)
    """

    lower: Floats
    upper: Floats
    entry: Floats
    weights: Floats
    covariates: Floats

    @classmethod
    def of(
        cls,
        lower: Floats,
        upper: Floats,
        *,
        entry: Floats | None = None,
        weights: Floats | None = None,
        covariates: Floats | None = None,
    ) -> Times:
        """Fill in what is left out: everybody seen from 0, weight 1, no covariates."""
        n = lower.size
        return cls(
            np.asarray(lower, dtype=np.float64),
            np.asarray(upper, dtype=np.float64),
            np.zeros(n) if entry is None else np.asarray(entry, dtype=np.float64),
            np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
            np.zeros((n, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64),
        )

    @classmethod
    def right_censored(
        cls,
        stop: Floats,
        event: Bools,
        *,
        entry: Floats | None = None,
        weights: Floats | None = None,
        covariates: Floats | None = None,
    ) -> Times:
        """Give times of which each is exact or censored."""
        return cls.of(stop, np.where(event, stop, np.inf), entry=entry, weights=weights, covariates=covariates)

    def take(self, order: NDArray[np.int64]) -> Times:
        """Give some people, in an order."""
        return Times(
            self.lower[order], self.upper[order], self.entry[order], self.weights[order], self.covariates[order]
        )

    @property
    def exact(self) -> Bools:
        """Who has an exact time."""
        return np.asarray(self.lower == self.upper)

    @property
    def happened(self) -> Bools:
        """Whose event is known to have happened."""
        return np.isfinite(self.upper)

    @property
    def middle(self) -> Floats:
        """Exact times, and the middle of intervals; the last time known where the event had not happened."""
        return np.where(self.happened, 0.5 * (self.lower + np.where(self.happened, self.upper, 0.0)), self.lower)

    @property
    def last(self) -> float:
        """The longest time anybody is known about."""
        return float(np.where(self.happened, self.upper, self.lower).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class Model:
    """A family of distributions of time.

    Parameters
    ----------
    name : str
    base : {"extreme", "normal", "logistic", "log_gamma"}
    knots : tuple of float
        Knots in log time, the outermost two included; empty where z is a straight line in log time.
    """

    name: ModelName
    base: Base
    knots: tuple[float, ...] = ()

    @property
    def has_shape(self) -> bool:
        """Whether Q is estimated."""
        return self.base == "log_gamma"

    @property
    def terms(self) -> int:
        """Number of coefficients of log time."""
        return max(2, len(self.knots))

    def rows(self, time: Floats, covariates: Floats) -> tuple[Floats, Floats]:
        """Give the design rows of z and of its slope in log time, each of shape (n, terms + p)."""
        level, slope = spline_basis(np.log(time), np.array(self.knots))
        return np.hstack([level, covariates]), np.hstack([slope, np.zeros_like(covariates)])


@dataclass(frozen=True, slots=True, eq=False)
class ParametricFit:
    """A fitted model.

    Parameters
    ----------
    model : Model
    theta : ndarray of shape (k,)
        Coefficients of log time, of covariates, and Q if the model has it.
    information : ndarray of shape (k, k)
        Minus the Hessian of the log likelihood at ``theta``.
    scores : ndarray of shape (n, k)
        Each person's contribution to the score, times weight.
    log_likelihood : float
    converged : bool
        Whether Newton's decrement vanished at a point where the information is positive definite.
    steps : int
    decrement : float
        Score' information⁻¹ score at the end, twice what another step could gain.
    monotone : bool
        Whether the fitted curve falls over the whole range of the data.
    """

    model: Model
    theta: Floats
    information: Floats
    scores: Floats
    log_likelihood: float
    converged: bool
    steps: int
    decrement: float
    monotone: bool = True
    _inverse: list[Floats] = field(default_factory=list)

    @property
    def k(self) -> int:
        """Number of parameters."""
        return int(self.theta.size)

    @property
    def aic(self) -> float:
        """Akaike's criterion, −2 log L + 2k."""
        return -2.0 * self.log_likelihood + 2.0 * self.k

    def bic(self, events: float) -> float:
        """Give Schwarz's criterion with the logarithm of the number of events."""
        return -2.0 * self.log_likelihood + self.k * float(np.log(events))

    @property
    def shape(self) -> float:
        """Q, or 0 where the model has none."""
        return float(self.theta[-1]) if self.model.has_shape else 0.0

    @property
    def linear(self) -> Floats:
        """Coefficients of z."""
        return self.theta[:-1] if self.model.has_shape else self.theta

    @property
    def covariance(self) -> Floats:
        """Inverse information, shape (k, k)."""
        if not self._inverse:
            scale = 1.0 / np.sqrt(np.abs(np.diagonal(self.information)))
            self._inverse.append(scale[:, None] * np.linalg.inv(self.information * np.outer(scale, scale)) * scale)
        return self._inverse[0]

    @property
    def influence(self) -> Floats:
        """Influence of each person on ``theta``, shape (n, k): summed within cluster and squared, the sandwich."""
        found: Floats = self.scores @ self.covariance
        return found

    def natural(self) -> tuple[tuple[str, ...], Floats, Floats]:
        """Give the parameters people print, with their derivatives by ``theta`` (one row each).

        Notes
        -----
        Straight lines in log time: location μ = −γ₀/γ₁, log σ = −log γ₁, coefficients −δ/γ₁ (log time ratios), Q.
        Splines: γ as they are, and δ (log hazard ratios, or log odds ratios).
        """
        terms, p = self.model.terms, self.linear.size - self.model.terms
        if self.model.name == "royston_parmar":
            names = tuple(f"gamma{place}" for place in range(terms)) + tuple(f"x{place}" for place in range(p))
            return names, self.theta.copy(), np.eye(self.k)
        slope = self.theta[1]
        values = self.theta.copy()
        jacobian = np.eye(self.k)
        moved = np.concatenate([[0], np.arange(2, 2 + p)])
        values[moved] = -self.theta[moved] / slope
        jacobian[moved, moved] = -1.0 / slope
        jacobian[moved, 1] = self.theta[moved] / slope**2
        values[1], jacobian[1, 1] = -np.log(slope), -1.0 / slope
        names = (
            "location",
            "log_scale",
            *(f"x{place}" for place in range(p)),
            *(("Q",) if self.model.has_shape else ()),
        )
        return names, values, jacobian


def model_of(name: ModelName, times: Times, *, knots: int = 2, scale: Literal["hazard", "odds"] = "hazard") -> Model:
    """Choose a model; the knots of a spline are at quantiles of the log event times (middles of intervals).

    Parameters
    ----------
    name : {"weibull", "lognormal", "generalised_gamma", "royston_parmar"}
    times : Times
    knots : int
        Internal knots of the spline.
    scale : {"hazard", "odds"}
        What the spline is of.
    """
    if name != "royston_parmar":
        return Model(name, _BASES[name])
    happened = times.happened & (times.middle > 0)
    places = spline_knots(np.log(times.middle[happened]), knots)
    return Model(name, _SCALES[scale], tuple(float(place) for place in places))


def fit_parametric(model: Model, times: Times) -> ParametricFit:
    """Fit a model by maximum likelihood.

    Parameters
    ----------
    model : Model
    times : Times
        Exact times above 0, everybody observed for some time (``upper > entry``).

    Returns
    -------
    ParametricFit

    Notes
    -----
    The log likelihood of a person is ``w [log f(t)]``, ``w [log S(l)]`` or ``w [log(S(l) − S(u))]``, less
    ``w log S(entry)``. Newton steps use the exact Hessian (halved until the likelihood rises). Weibull and log-normal
    start from a line through the Kaplan-Meier estimate; the spline starts at Weibull, and generalised gamma at Weibull
    (Q = 1) and at log-normal (Q = 0), which they contain, so neither can end below them.

    References
    ----------
    Prentice, R. L. (1974). A log gamma model and its maximum likelihood estimation. *Biometrika* 61(3).
    Royston, P. and Parmar, M. K. B. (2002). Flexible parametric proportional-hazards and proportional-odds models for
    censored survival data. *Statistics in Medicine* 21(15).

    Examples
    --------
    >>> import numpy as np
    >>> times = Times.right_censored(np.array([1.0, 2.0, 4.0, 5.0]), np.array([True, True, True, False]))
    >>> fit = fit_parametric(Model("weibull", "extreme"), times)
    >>> fit.converged, [round(float(value), 4) for value in fit.natural()[1]]
    (True, [1.3581, -0.417])
    """
    # in an order of their own, so that the order of people changes nothing, not even by rounding
    order = np.lexsort((times.weights, *times.covariates.T, times.entry, times.upper, times.lower))
    fit = _fit(model, times.take(order))
    scores = np.empty_like(fit.scores)
    scores[order] = fit.scores
    return replace(fit, scores=scores, monotone=_falls(fit, times))


def _fit(model: Model, times: Times) -> ParametricFit:
    problem = _Problem(model, times)
    if model.name == "royston_parmar":
        basic = _fit(Model("weibull" if model.base == "extreme" else "lognormal", model.base), times)
        start = np.concatenate([basic.theta[:2], np.zeros(model.terms - 2), basic.theta[2:]])
        fit = _newton(problem, start)
    elif model.has_shape:
        starts = [
            np.append(_fit(simple, times).theta, shape)
            for simple, shape in ((Model("weibull", "extreme"), 1.0), (Model("lognormal", "normal"), 0.0))
        ]
        fits = [_newton(problem, start) for start in starts]
        fit = max(fits, key=lambda found: (found.converged, found.log_likelihood))
        best = max(fits, key=lambda found: found.log_likelihood)
        if best.log_likelihood > fit.log_likelihood + 1e-6:
            fit = best
    else:
        fit = _newton(problem, _first_guess(model, times))
    return fit


class _Problem:
    """The log likelihood of one model on some times, with exact derivatives."""

    def __init__(self, model: Model, times: Times) -> None:
        self.model, self.n = model, times.lower.size
        self.width = model.terms + times.covariates.shape[1]
        exact, happened = times.exact, times.happened
        between = happened & ~exact
        self.weights = times.weights
        self.exact, self.exact_rows = self._rows(exact, times.lower, times)
        self.constant = -float((times.weights[exact] * np.log(times.lower[exact])).sum())
        self.censored, self.censored_rows = self._rows(~happened & (times.lower > 0), times.lower, times)
        self.between, self.upper_rows = self._rows(between, times.upper, times)
        self.from_zero = times.lower[self.between] <= 0
        floor = np.where(times.lower > 0, times.lower, 1.0)
        self.lower_rows = self._rows(between, floor, times)[1]
        self.late, self.late_rows = self._rows(times.entry > 0, times.entry, times)

    def _rows(self, who: Bools, moment: Floats, times: Times) -> tuple[NDArray[np.int64], tuple[Floats, Floats]]:
        index = np.flatnonzero(who)
        return index, self.model.rows(moment[index], times.covariates[index])

    def at(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """Give the log likelihood, weighted scores (n, k) and the Hessian (k, k)."""
        k = theta.size
        shape = float(theta[-1]) if self.model.has_shape else 0.0
        gamma = theta[: self.width]
        scores, hessian = np.zeros((self.n, k)), np.zeros((k, k))
        total = self.constant
        with np.errstate(all="ignore"):
            for index, value, score, curve in self._parts(gamma, shape, k):
                weight = self.weights[index]
                total += float(weight @ value)
                scores[index] += weight[:, None] * score
                for left, right, amount in curve:
                    hessian += left.T @ ((weight * amount)[:, None] * right)
        if not np.isfinite(total):
            return -np.inf, scores, hessian
        return total, scores, 0.5 * (hessian + hessian.T)

    def _parts(
        self, gamma: Floats, shape: float, k: int
    ) -> list[tuple[NDArray[np.int64], Floats, Floats, list[tuple[Floats, Floats, Floats]]]]:
        found = []
        if self.exact.size:
            level, slope = (_widen(rows, k) for rows in self.exact_rows)
            rate = self.exact_rows[1] @ gamma
            own = density(self.model.base, self.exact_rows[0] @ gamma, shape)
            last = _last(self.exact.size, k) if self.model.has_shape else None
            value = own.log + np.where(rate > 0, np.log(rate), -np.inf)
            score = own.z[:, None] * level + slope / rate[:, None]
            curve = [(level, level, own.zz), (slope, slope, -1.0 / rate**2)]
            if last is not None:
                score = score + own.q[:, None] * last
                curve += [(last, last, own.qq), (level, last, own.zq), (last, level, own.zq)]
            found.append((self.exact, value, score, curve))
        for index, rows, sign in ((self.censored, self.censored_rows[0], 1.0), (self.late, self.late_rows[0], -1.0)):
            if index.size:
                log, grad, second = self._survivor(rows, gamma, shape, k)
                curve = [(left, right, sign * amount) for left, right, amount in second]
                curve.append((grad, grad, np.full(index.size, -sign)))
                found.append((index, sign * log, sign * grad, curve))
        if self.between.size:
            found.append(self._between(gamma, shape, k))
        return found

    def _survivor(
        self, rows: Floats, gamma: Floats, shape: float, k: int
    ) -> tuple[Floats, Floats, list[tuple[Floats, Floats, Floats]]]:
        """Give log S, the gradient of S over S, and the Hessian of S over S in pieces."""
        z = rows @ gamma
        own, end = density(self.model.base, z, shape), tail(self.model.base, z, shape)
        level = _widen(rows, k)
        ratio = np.exp(own.log - end.log)
        grad = -ratio[:, None] * level
        second = [(level, level, -ratio * own.z)]
        if self.model.has_shape:
            last = _last(z.size, k)
            grad = grad + end.q[:, None] * last
            cross = -ratio * own.q
            second += [(last, last, end.qq + end.q**2), (level, last, cross), (last, level, cross)]
        return end.log, grad, second

    def _between(
        self, gamma: Floats, shape: float, k: int
    ) -> tuple[NDArray[np.int64], Floats, Floats, list[tuple[Floats, Floats, Floats]]]:
        low, low_grad, low_second = self._survivor(self.lower_rows[0], gamma, shape, k)
        high, high_grad, high_second = self._survivor(self.upper_rows[0], gamma, shape, k)
        zero = self.from_zero
        low = np.where(zero, 0.0, low)
        kept = np.where(zero, 0.0, 1.0)
        gap = high - low
        inside = -np.expm1(gap)
        value = np.where(gap < 0, low + np.log(inside), -np.inf)
        left, right = kept / inside, np.exp(gap) / inside
        score = left[:, None] * np.where(zero[:, None], 0.0, low_grad) - right[:, None] * high_grad
        curve = [(a, b, np.where(zero, 0.0, left * amount)) for a, b, amount in low_second]
        curve += [(a, b, -right * amount) for a, b, amount in high_second]
        curve.append((score, score, np.full(value.size, -1.0)))
        return self.between, value, score, curve


def _newton(problem: _Problem, start: Floats) -> ParametricFit:
    """Climb by Newton's steps; where the Hessian is not negative definite, by its eigenvalues turned about."""
    theta = start.copy()
    value, scores, hessian = problem.at(theta)
    decrement, steps, definite = np.inf, 0, False
    while steps < _MOST_STEPS:
        steps += 1
        gradient = scores.sum(axis=0)
        move, definite = _direction(-hessian, gradient)
        decrement = float(gradient @ move)
        small = definite and decrement <= _DECREMENT * (1.0 + abs(value))
        length, risen = 1.0, False
        while length > 1e-10:
            attempt = problem.at(theta + length * move)
            # near the top the gain drowns in rounding: a full step is taken as it is
            if attempt[0] > value or (small and attempt[0] >= value - 1e-9 * (1.0 + abs(value))):
                risen = True
                break
            length *= 0.5
        if risen:
            theta = theta + length * move
            value, scores, hessian = attempt
        if small or not risen:
            break
    gradient = scores.sum(axis=0)
    move, definite = _direction(-hessian, gradient)
    decrement = abs(float(gradient @ move))
    converged = definite and decrement <= 1e-10 * (1.0 + abs(value)) and bool(np.isfinite(theta).all())
    return ParametricFit(problem.model, theta, -hessian, scores, value, converged, steps, decrement)


def _direction(information: Floats, gradient: Floats) -> tuple[Floats, bool]:
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(information)), 1e-300))
    if not (np.isfinite(information).all() and np.isfinite(gradient).all()):
        return np.zeros_like(gradient), False
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    definite = bool(values[0] > 1e-12 * values[-1])
    used = np.maximum(np.abs(values), 1e-8 * np.abs(values).max())
    found: Floats = (vectors @ ((vectors.T @ (gradient / scale)) / (values if definite else used))) / scale
    return found, definite


def _first_guess(model: Model, times: Times) -> Floats:
    """Draw a line through the transformed Kaplan-Meier estimate of the middles."""
    from scipy.special import ndtri

    stop, happened = times.middle, times.happened
    seen = (stop > times.entry) & (stop > 0)
    curve = product_limit(stop[seen], happened[seen], start=times.entry[seen], weights=times.weights[seen])
    inside = (curve.survival > 1e-6) & (curve.survival < 1.0 - 1e-6)
    log_time, alive = np.log(curve.time[inside]), curve.survival[inside]
    if model.base == "extreme":
        z = np.log(-np.log(alive))
    elif model.base == "normal":
        z = -ndtri(alive)
    else:
        z = np.log1p(-alive) - np.log(alive)
    events = np.log(stop[happened & (stop > 0)])
    centre = float(np.average(events)) if events.size else 0.0
    slope = 1.0
    if log_time.size > 1 and np.ptp(log_time) > 0:
        slope = float(np.polyfit(log_time, z, 1)[0])
        slope = min(max(slope, 0.05), 50.0)
    level = float(np.mean(z - slope * log_time)) if log_time.size else -slope * centre
    return np.concatenate([[level, slope], np.zeros(times.covariates.shape[1])])


def _falls(fit: ParametricFit, times: Times) -> bool:
    """Whether z rises over the whole range of the data."""
    moments = np.concatenate([times.lower, times.upper, times.entry])
    moments = moments[np.isfinite(moments) & (moments > 0)]
    grid = np.exp(np.linspace(np.log(moments.min()), np.log(moments.max()), 501))
    slope = spline_basis(np.log(grid), np.array(fit.model.knots))[1] @ fit.theta[: fit.model.terms]
    return bool((slope > 0).all())


def _widen(rows: Floats, k: int) -> Floats:
    return rows if rows.shape[1] == k else np.hstack([rows, np.zeros((rows.shape[0], k - rows.shape[1]))])


def _last(n: int, k: int) -> Floats:
    found = np.zeros((n, k))
    found[:, -1] = 1.0
    return found
