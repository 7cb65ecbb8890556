"""What a parametric model says in units of time: survival, quantiles and restricted means, with their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.parametric import ParametricFit
from impactkit.compute.survival.parametric_base import Tail, density, tail

__all__ = ["Averaged", "Quantity"]

Floats = NDArray[np.float64]
_POINTS = 12
_PANELS = 24
_RATIO = 2.5
_CHUNK = 40_000
_MANY = 20_000
_MESH = 0.01
_GONE = -60.0


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A number made from the parameters.

    Parameters
    ----------
    value : float
    gradient : ndarray of shape (k,)
        Derivative by the fit's ``theta``.
    each : ndarray of shape (m,)
        The number at each row of covariates that was averaged.
    """

    value: float
    gradient: Floats
    each: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """A fitted model averaged over rows of covariates, among those with no event by ``since``.

    Parameters
    ----------
    fit : ParametricFit
    covariates : ndarray of shape (m, p)
    weights : ndarray of shape (m,)
    since : float, default 0

    Notes
    -----
    Survival is ``Σ w S(t|x) / S(since|x) / Σ w``; the restricted mean its integral from ``since`` to a horizon, by
    Gauss-Legendre quadrature on panels that shrink towards 0 and break at the knots.

    Examples
    --------
    >>> import numpy as np
    >>> from impactkit.compute.survival.parametric import Model, Times, fit_parametric
    >>> times = Times.right_censored(np.array([1.0, 2.0, 4.0, 5.0]), np.array([True, True, True, False]))
    >>> fit = fit_parametric(Model("weibull", "extreme"), times)
    >>> one = Averaged(fit, np.zeros((1, 0)), np.ones(1))
    >>> round(one.restricted_mean(5.0).value, 3), round(one.quantile(0.5).value, 3)
    (3.057, 3.054)
    """

    fit: ParametricFit
    covariates: Floats
    weights: Floats
    since: float = 0.0

    def survival(self, times: Floats) -> tuple[Floats, Floats, Floats]:
        """Give S at times not before ``since``, its gradient, and S at each row: (t,), (t, k) and (m, t)."""
        share = self.weights / self.weights.sum()
        m, t = self.weights.size, times.size
        each, gradient = np.empty((m, t)), np.zeros((t, self.fit.k))
        size = max(1, _CHUNK // max(t, 1))
        for begin in range(0, m, size):
            part = slice(begin, begin + size)
            each[part], slopes = self._grid(times, part)
            gradient += np.einsum("m,mtk->tk", share[part], slopes)
        return share @ each, gradient, each

    def restricted_mean(self, until: float) -> Quantity:
        """Give the mean time without the event between ``since`` and ``until``.

        Notes
        -----
        Gradients are integrated as the values are.
        """
        nodes, amounts = self._nodes(until)
        share = self.weights / self.weights.sum()
        k, m = self.fit.k, self.weights.size
        each, gradient = np.empty(m), np.zeros(k)
        size = max(1, _CHUNK // nodes.size)
        for begin in range(0, m, size):
            part = slice(begin, begin + size)
            values, slopes = self._grid(nodes, part)
            each[part] = values @ amounts
            gradient += np.einsum("m,mtk,t->k", share[part], slopes, amounts)
        return Quantity(float(share @ each), gradient, each)

    def quantile(self, share: float) -> Quantity:
        """Give the first time by which a share has had the event, at which averaged survival is 1 − share.

        Raises
        ------
        ValueError
            If the curve does not come down so far within any time a computer can hold.
        """
        from scipy.optimize import brentq

        target = 1.0 - share

        def above(log_time: float) -> float:
            return float(self.survival(np.array([np.exp(log_time)]))[0][0]) - target

        low = np.log(self.since) if self.since > 0 else -50.0
        high = max(low, 0.0) + 2.0
        while above(high) > 0:
            high += 4.0
            if high > 300.0:
                raise ValueError("the curve does not come down so far")
        place = float(np.exp(brentq(above, low, high, xtol=1e-14, rtol=1e-14)))
        gradient = self.survival(np.array([place]))[1][0]
        step = 1e-5 * place
        ends = self.survival(np.array([place - step, place + step]))[0]
        fall = (ends[1] - ends[0]) / (2.0 * step)
        return Quantity(place, -gradient / fall, np.array([place]))

    def _nodes(self, until: float) -> tuple[Floats, Floats]:
        edges = until * _RATIO ** -np.arange(_PANELS, dtype=np.float64)
        knots = np.exp(np.array(self.fit.model.knots))
        edges = np.concatenate([edges, knots, [self.since, until]])
        edges = np.unique(edges[(edges >= self.since) & (edges <= until)])
        if self.since == 0.0:
            edges = np.concatenate([[0.0], edges[edges > 0]])
        points, amounts = np.polynomial.legendre.leggauss(_POINTS)
        half = 0.5 * np.diff(edges)[:, None]
        middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
        return (middle + half * points).ravel(), (half * amounts).ravel()

    def _grid(self, times: Floats, part: slice = slice(None)) -> tuple[Floats, Floats]:
        """Give S(t|x)/S(since|x) and gradients for each row of covariates and time: (m, t) and (m, t, k)."""
        covariates = self.covariates[part]
        log, gradient = self._log(times, covariates)
        if self.since > 0:
            base, slope = self._log(np.array([self.since]), covariates)
            log, gradient = log - base, gradient - slope
        alive = np.exp(log)
        # where S is zero to a computer, so is its gradient
        return alive, np.where(alive[..., None] > 0, alive[..., None] * np.nan_to_num(gradient), 0.0)

    def _log(self, times: Floats, covariates: Floats) -> tuple[Floats, Floats]:
        fit, m, t = self.fit, covariates.shape[0], times.size
        safe = np.maximum(times, 1e-300)
        level, _ = fit.model.rows(safe, np.zeros((t, 0)))
        terms = fit.model.terms
        z = (level @ fit.linear[:terms])[None, :] + (covariates @ fit.linear[terms:])[:, None]
        with np.errstate(all="ignore"):
            end = _tail(fit, z.ravel())
            ratio = np.exp(density(fit.model.base, z.ravel(), fit.shape).log - end.log).reshape(m, t)
        gradient = np.empty((m, t, fit.k))
        gradient[..., :terms] = -ratio[..., None] * level[None]
        gradient[..., terms : fit.linear.size] = -ratio[..., None] * covariates[:, None, :]
        if fit.model.has_shape:
            gradient[..., -1] = end.q.reshape(m, t)
        return end.log.reshape(m, t), gradient


def _tail(fit: ParametricFit, z: Floats) -> Tail:
    """Give the tail; with a shape and many points by cubic splines through a fine mesh, good to about 1e-9."""
    if not fit.model.has_shape or z.size < _MANY:
        return tail(fit.model.base, z, fit.shape)
    from scipy.interpolate import CubicSpline

    mesh = np.arange(float(z.min()) - _MESH, float(z.max()) + 2 * _MESH, _MESH)
    if mesh.size > z.size:
        return tail(fit.model.base, z, fit.shape)
    with np.errstate(all="ignore"):
        fine = tail(fit.model.base, mesh, fit.shape)
    kept = (fine.log > _GONE) & np.isfinite(fine.q)
    if int(kept.sum()) < 4 or not kept[: int(kept.sum())].all():
        return tail(fit.model.base, z, fit.shape)
    inside = z <= mesh[kept][-1]
    log, slope = np.full(z.size, -np.inf), np.zeros(z.size)
    log[inside] = CubicSpline(mesh[kept], fine.log[kept])(z[inside])
    slope[inside] = CubicSpline(mesh[kept], fine.q[kept])(z[inside])
    return Tail(np.minimum(log, 0.0), slope, np.zeros(z.size))
