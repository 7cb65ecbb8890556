"""Firth's penalised likelihood: logistic regression that has an answer under separation.

The likelihood is multiplied by the root of the determinant of the information (Jeffreys' prior), which takes away the
first-order bias of the log odds ratios and keeps them finite. Intervals come from the profile of the penalised
likelihood, since the likelihood of a separated level is far from symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impactkit.compute.leastsquares import FloatArray
from impactkit.compute.logistic import LogisticFit, Solution, chance, log_likelihood, orthonormal, pack

__all__ = ["Profile", "fit_firth", "profile_firth"]

CONVERGED = 1e-10
MOST_STEPS = 200
MOST_HALVINGS = 40
LONGEST = 5.0  # largest change of a linear predictor in one step
MOST_WIDENINGS = 60


@dataclass(frozen=True, slots=True)
class Profile:
    """Profile of the penalised likelihood for one coefficient.

    Attributes
    ----------
    low, high : float
        Limits of the interval on the log odds scale; NaN where none was found.
    statistic : float
        Root of the likelihood ratio against zero, with the sign of the coefficient.
    p_value : float
        Of the penalised likelihood ratio test against zero, chi-squared on one degree of freedom.
    """

    low: float
    high: float
    statistic: float
    p_value: float


def fit_firth(*, X: FloatArray, y: FloatArray, weights: FloatArray | None = None) -> LogisticFit:
    """Fit a logistic regression by Firth's penalised likelihood.

    Parameters
    ----------
    X, y, weights
        As in `fit_logistic`. Weights are scaled to mean one, since the penalty counts as half a person in all.

    Returns
    -------
    LogisticFit
        ``information`` is that of the unpenalised likelihood at the penalised estimate, as in logistf and brglm2.

    Notes
    -----
    Solves ``sum_i x_i (w_i (y_i - p_i) + h_i (1/2 - p_i)) = 0`` with ``h`` the leverages of the working
    regression, by Fisher scoring with steps halved while the penalised likelihood falls.

    References
    ----------
    Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80, 27-38.
    Heinze, G. and Schemper, M. (2002). A solution to the problem of separation in logistic regression.
    Statistics in Medicine 21, 2409-2419.
    """
    basis, root, kept = orthonormal(X=X, y=y, weights=weights)
    w = np.ones(y.size) if weights is None else weights / weights.mean()
    found = _maximise(basis, y, w, start=np.zeros(basis.shape[1]), free=None)
    return pack(found, X=X, root=root, kept=kept, w=w)


def profile_firth(fit: LogisticFit, *, X: FloatArray, y: FloatArray, column: int, conf_level: float) -> Profile:
    """Profile the penalised likelihood of independent, unweighted units for one coefficient.

    Parameters
    ----------
    fit : LogisticFit
        From `fit_firth` on the same arrays.
    column : int
    conf_level : float

    Notes
    -----
    The limits are the values of the coefficient at which twice the fall of the penalised log-likelihood, maximised
    over the other coefficients, is the quantile of the chi-squared distribution on one degree of freedom. The
    penalty keeps the full information matrix, as in logistf.
    """
    from scipy.optimize import brentq
    from scipy.special import chdtrc, chdtri

    if column not in fit.kept:
        return Profile(np.nan, np.nan, np.nan, np.nan)
    basis, root, _ = orthonormal(X=X, y=y, weights=None)
    w = np.ones(y.size)
    direction = root[column]
    free = np.linalg.svd(direction[None, :])[2][1:].T  # what may move while the coefficient stays
    size = float(direction @ direction)
    centre = float(fit.coef[column])
    start = np.linalg.lstsq(basis, fit.log_odds, rcond=None)[0]
    quantile = float(chdtri(1.0, 1.0 - conf_level))
    last = {"gamma": start}

    def fall(value: float) -> float:
        """Twice the fall of the penalised log-likelihood when the coefficient is held at a value."""
        begin = last["gamma"]
        begin = begin + direction * (value - direction @ begin) / size
        found = _maximise(basis, y, w, start=begin, free=free)
        if not found.converged:
            return np.nan
        last["gamma"] = found.gamma
        return 2.0 * (fit.log_likelihood - found.value)

    def limit(sign: float) -> float:
        last["gamma"] = start
        step = float(np.sqrt(fit.information[column, column]))
        inner, outer = centre, centre + sign * step
        for _ in range(MOST_WIDENINGS):
            height = fall(outer)
            if not np.isfinite(height):
                return np.nan
            if height > quantile:
                low, high = sorted((inner, outer))
                return float(brentq(lambda value: fall(value) - quantile, low, high, xtol=1e-11, rtol=1e-13))
            inner, outer = outer, outer + sign * step
        return np.nan

    low, high = limit(-1.0), limit(1.0)
    last["gamma"] = start
    ratio = max(fall(0.0), 0.0) if abs(centre) > 0 else 0.0
    return Profile(low, high, float(np.sign(centre) * np.sqrt(ratio)), float(chdtrc(1.0, ratio)))


def _maximise(
    basis: FloatArray, y: FloatArray, w: FloatArray, *, start: FloatArray, free: FloatArray | None
) -> Solution:
    """Maximise the penalised likelihood over all coordinates, or from a start along some directions only."""
    gamma, eta = start, basis @ start
    value, residual, gram, score = _penalised(basis, eta, y, w)
    converged, steps = False, 0
    while not converged and steps < MOST_STEPS:
        steps += 1
        if free is None:
            step = np.linalg.solve(gram, score)
        elif free.shape[1]:
            step = free @ np.linalg.solve(free.T @ gram @ free, free.T @ score)
        else:
            step = np.zeros_like(gamma)
        move = basis @ step
        largest = float(np.abs(move).max(initial=0.0))
        if largest > LONGEST:
            step, move = step * (LONGEST / largest), move * (LONGEST / largest)
        for _ in range(MOST_HALVINGS):
            trial = _penalised(basis, eta + move, y, w)
            if trial[0] >= value - 1e-13 * max(1.0, abs(value)):
                break
            step, move = step / 2.0, move / 2.0
        gamma, eta = gamma + step, eta + move
        value, residual, gram, score = trial
        converged = float(np.abs(move).max(initial=0.0)) <= CONVERGED
    return Solution(gamma, eta, value, residual, steps, converged)


def _penalised(
    basis: FloatArray, eta: FloatArray, y: FloatArray, w: FloatArray
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Penalised log-likelihood, residuals of the modified score, information and modified score."""
    p = chance(eta)
    scaled = basis * np.sqrt(w * p * (1.0 - p))[:, None]
    gram = scaled.T @ scaled
    sign, logdet = np.linalg.slogdet(gram)
    if sign <= 0:
        return -np.inf, y - p, gram, np.zeros(basis.shape[1])
    leverage = np.einsum("ij,ij->i", scaled @ np.linalg.inv(gram), scaled)
    residual = y - p + leverage * (0.5 - p) / w
    return log_likelihood(eta, y, w) + 0.5 * float(logdet), residual, gram, basis.T @ (w * residual)
