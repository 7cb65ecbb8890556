"""Standard distributions of log time: survivor functions, densities and their derivatives, accurate in both tails.

A model of time says ``S(t) = G(z)`` with ``z`` rising in log t. With G of the smallest extreme value it is Weibull (or
a spline on the hazard scale), with the normal log-normal, with the logistic a spline on the odds scale, and with
Prentice's log-gamma generalised gamma, whose shape Q may be positive, zero (normal) or negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Base", "Density", "Tail", "density", "log_survivor", "quantile", "tail"]

Floats = NDArray[np.float64]
Base = Literal["extreme", "normal", "logistic", "log_gamma"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_NEAR_NORMAL = 1e-3
_SERIES = 0.2
_STEP = 0.0125
_FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0.0, 4 / 5, -1 / 5, 4 / 105, -1 / 280]) / _STEP
_SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560]) / _STEP**2
# Stirling's series of log Gamma(a), a = Q^-2: coefficients of Q^(4j + 2), j = 0, 1, ...
_STIRLING = np.array([1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156])
# Temme's uniform expansion of the incomplete gamma ratio: powers of eta, for the first two powers of 1/a
_TEMME = (
    np.array([-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777600]),
    np.array([-1 / 540, -1 / 288, 25 / 12096]),
)


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Log density of z with derivatives by z and by the shape; arrays of shape (n,).

    Parameters
    ----------
    log : ndarray
    z, zz : ndarray
        First and second derivative by z.
    q, qq, zq : ndarray
        Derivatives by Q; zero for distributions without a shape.
    """

    log: Floats
    z: Floats
    zz: Floats
    q: Floats
    qq: Floats
    zq: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Log survivor function with its derivatives by the shape; arrays of shape (n,)."""

    log: Floats
    q: Floats
    qq: Floats


def log_survivor(base: Base, z: Floats, shape: float = 0.0) -> Floats:
    """Give log S(z).

    Examples
    --------
    >>> import numpy as np
    >>> z = np.array([-1.0, 0.5])
    >>> bool(np.allclose(log_survivor("log_gamma", z, 1.0), log_survivor("extreme", z)))
    True
    >>> bool(np.allclose(log_survivor("log_gamma", z, 0.0), log_survivor("normal", z)))
    True
    """
    from scipy.special import log_ndtr

    found: Floats
    with np.errstate(over="ignore"):
        if base == "extreme":
            found = -np.exp(z)
        elif base == "normal":
            found = log_ndtr(-z)
        elif base == "logistic":
            found = -np.logaddexp(0.0, z)
        else:
            found = _log_gamma_survivor(z, shape)
    return found


def tail(base: Base, z: Floats, shape: float = 0.0) -> Tail:
    """Give log S(z) with its derivatives by the shape.

    Notes
    -----
    The incomplete gamma ratio has no closed derivative by its shape: central differences of eighth order are used,
    whose error near Q = 0 is of the order 1e-11 of the derivative for z within 5.
    """
    if base != "log_gamma":
        zero = np.zeros(z.size)
        return Tail(log_survivor(base, z), zero, zero)
    around = np.stack([_log_gamma_survivor(z, shape + step * _STEP) for step in range(-4, 5)])
    with np.errstate(invalid="ignore"):
        return Tail(around[4], _FIRST @ around, _SECOND @ around)


def density(base: Base, z: Floats, shape: float = 0.0) -> Density:
    """Give the log density of z with its derivatives."""
    zero = np.zeros(z.size)
    with np.errstate(over="ignore", invalid="ignore"):
        if base == "extreme":
            power = np.exp(z)
            return Density(z - power, 1.0 - power, -power, zero, zero, zero)
        if base == "normal":
            return Density(-0.5 * z**2 - _HALF_LOG_2PI, -z, np.full(z.size, -1.0), zero, zero, zero)
        if base == "logistic":
            from scipy.special import expit

            share = expit(z)
            log = z - 2.0 * np.logaddexp(0.0, z)
            return Density(log, 1.0 - 2.0 * share, -2.0 * share * (1.0 - share), zero, zero, zero)
        level, slope, bend = _normaliser(shape)
        y = shape * z
        h0, h1, h2, k0, k1 = _exponential_parts(y)
        return Density(
            log=level - z**2 * h0,
            z=-z * k0,
            zz=-np.exp(y),
            q=slope - z**3 * h1,
            qq=bend - z**4 * h2,
            zq=-(z**2) * k1,
        )


def quantile(base: Base, survival: float, shape: float = 0.0) -> float:
    """Give the z at which S(z) has a value."""
    from scipy.special import gammainccinv, gammaincinv, ndtri

    if base == "extreme":
        return float(np.log(-np.log(survival)))
    if base == "normal":
        return float(-ndtri(survival))
    if base == "logistic":
        return float(np.log1p(-survival) - np.log(survival))
    if abs(shape) < _NEAR_NORMAL:
        from scipy.optimize import brentq

        return float(
            brentq(
                lambda z: float(_log_gamma_survivor(np.array([z]), shape)[0]) - np.log(survival),
                -38.0,
                38.0,
                xtol=1e-14,
            )
        )
    a = shape**-2
    x = gammainccinv(a, survival) if shape > 0 else gammaincinv(a, survival)
    return float(np.log(x / a) / shape)


def _log_gamma_survivor(z: Floats, shape: float) -> Floats:
    from scipy.special import gammainc, gammaincc, log_ndtr, ndtr

    found: Floats
    if abs(shape) >= _NEAR_NORMAL:
        a = shape**-2
        with np.errstate(over="ignore", divide="ignore"):
            x = a * np.exp(shape * z)
            upper, lower = gammaincc(a, x), gammainc(a, x)
            alive, gone = (upper, lower) if shape > 0 else (lower, upper)
            found = np.where(alive > 0.5, np.log1p(-gone), np.log(alive))
        return found
    if shape == 0.0:
        found = log_ndtr(-z)
        return found
    eta = shape * z * np.sqrt(2.0 * _exponential_parts(shape * z)[0])
    zeta = eta / shape
    series = sum(shape ** (2 * power) * np.polynomial.polynomial.polyval(eta, row) for power, row in enumerate(_TEMME))
    log_right = log_ndtr(-zeta)
    with np.errstate(divide="ignore", invalid="ignore"):
        extra = np.exp(-0.5 * zeta**2 - _HALF_LOG_2PI) * shape * series
        ratio = np.exp(-0.5 * zeta**2 - _HALF_LOG_2PI - log_right) * shape * series
        found = np.where(zeta < 0, np.log1p(-(ndtr(zeta) - extra)), log_right + np.log1p(ratio))
    return found


def _normaliser(shape: float) -> tuple[float, float, float]:
    """Give log|Q| + a log a - a - log Gamma(a), a = Q^-2, with two derivatives by Q; smooth through Q = 0."""
    from scipy.special import digamma, gammaln, polygamma

    if abs(shape) < _SERIES:
        powers = 4.0 * np.arange(_STIRLING.size) + 2.0
        level = -_HALF_LOG_2PI - float(_STIRLING @ shape**powers)
        slope = -float((_STIRLING * powers) @ shape ** (powers - 1.0))
        bend = -float((_STIRLING * powers * (powers - 1.0)) @ shape ** (powers - 2.0))
        return level, slope, bend
    a = shape**-2
    gap, curve = float(np.log(a) - digamma(a)), float(1.0 / a - polygamma(1, a))
    level = float(np.log(abs(shape)) + a * np.log(a) - a - gammaln(a))
    slope = 1.0 / shape - 2.0 * gap / shape**3
    bend = -(shape**-2) + 4.0 * curve * shape**-6 + 6.0 * gap * shape**-4
    return level, slope, bend


def _exponential_parts(y: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Give h = (e^y - 1 - y)/y^2 with two derivatives, and k = (e^y - 1)/y with one; series where y is small."""
    small = np.abs(y) < 0.5
    near, far = np.where(small, y, 0.0), np.where(small, 1.0, y)
    order = np.arange(20)
    factorial = np.cumprod(np.concatenate([[1.0], np.arange(1.0, 22.0)]))
    h_row, k_row = 1.0 / factorial[order + 2], 1.0 / factorial[order + 1]
    poly = np.polynomial.polynomial
    power = np.expm1(far)
    h = (power - far) / far**2
    h1 = (power - 2.0 * h * far) / far**2
    h2 = (power + 1.0 - 4.0 * h1 * far - 2.0 * h) / far**2
    k = power / far
    k1 = (power + 1.0 - k) / far
    return (
        np.where(small, poly.polyval(near, h_row), h),
        np.where(small, poly.polyval(near, poly.polyder(h_row)), h1),
        np.where(small, poly.polyval(near, poly.polyder(h_row, 2)), h2),
        np.where(small, poly.polyval(near, k_row), k),
        np.where(small, poly.polyval(near, poly.polyder(k_row)), k1),
    )
