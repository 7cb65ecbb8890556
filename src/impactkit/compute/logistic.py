"""Logistic regression: weighted likelihood by Newton's method, and the linear regression it ends in.

The last step of iteratively reweighted least squares *is* a linear regression: of the working response on the
columns scaled by the root of the binomial variance. Given that regression, the kernels of linear models (HC0 to
HC3, CR2 with Satterthwaite degrees of freedom, Taylor linearisation) serve logistic coefficients unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from impactkit.compute.leastsquares import Fit, FloatArray, IntArray
from impactkit.compute.leastsquares import fit as fit_linear

__all__ = [
    "LogisticFit",
    "Solution",
    "chance",
    "fit_logistic",
    "log_likelihood",
    "orthonormal",
    "pack",
    "working_regression",
]

CONVERGED = 1e-10  # largest change of a linear predictor in the last step; the error left is about its square
MOST_STEPS = 60
MOST_HALVINGS = 30
RUNAWAY = 20.0  # a linear predictor beyond this that still moves by half a unit a step is on its way to infinity


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """A fitted logistic regression.

    Attributes
    ----------
    coef : (k,)
        Log odds ratios; NaN for a column dropped because earlier columns explain it.
    log_odds : (n,)
        Fitted linear predictor.
    residual : (n,)
        ``y - p``; under Firth's penalty ``y - p + h (1/2 - p) / w``. Weighted, they are orthogonal to the columns.
    information : (k, k)
        Inverse of ``X'W diag(p(1-p)) X``, rows and columns of dropped columns zero. With weights it is no variance.
    kept : (rank,) int
        Columns that were not dropped.
    log_likelihood : float
        At the solution, penalised under Firth's penalty.
    iterations : int
    converged : bool
        False when the likelihood has no maximum (separation) or none was found.
    """

    coef: FloatArray
    log_odds: FloatArray
    residual: FloatArray
    information: FloatArray
    kept: IntArray
    log_likelihood: float
    iterations: int
    converged: bool

    @property
    def probability(self) -> FloatArray:
        """Fitted chance of a 1, shape (n,)."""
        return chance(self.log_odds)

    @property
    def variance(self) -> FloatArray:
        """``p (1 - p)`` without cancellation, shape (n,)."""
        return chance(self.log_odds) * chance(-self.log_odds)

    @property
    def rank(self) -> int:
        """Number of coefficients that were estimated."""
        return int(self.kept.size)


def fit_logistic(*, X: FloatArray, y: FloatArray, weights: FloatArray | None = None) -> LogisticFit:
    """Fit a logistic regression by (weighted) maximum likelihood.

    Parameters
    ----------
    X : (n, k)
        Design matrix, the constant first; complete.
    y : (n,)
        Zeros and ones.
    weights : (n,), optional
        Positive probability or response weights; their scale matters to nothing but ``information``.

    Returns
    -------
    LogisticFit

    Notes
    -----
    Columns are dropped as R's ``lm`` drops them, then whitened, so that collinearity and units cost no digits.
    Newton's steps are halved while the likelihood falls. The steps stop when no linear predictor moves by more
    than 1e-10; convergence being quadratic, what is then left is rounding. Point estimates are those of ``glm``
    with weights and of ``svyglm(family = quasibinomial)``.

    References
    ----------
    McCullagh, P. and Nelder, J. A. (1989). Generalized linear models, 2nd edition, chapter 4.
    """
    basis, root, kept = orthonormal(X=X, y=y, weights=weights)
    w = np.ones(y.size) if weights is None else weights / weights.mean()
    gamma = np.zeros(basis.shape[1])
    eta = np.zeros(y.size)
    value = log_likelihood(eta, y, w)
    converged, steps = False, 0
    while not converged and steps < MOST_STEPS:
        steps += 1
        p = chance(eta)
        gram = basis.T @ (basis * (w * p * (1.0 - p))[:, None])
        try:
            step = np.linalg.solve(gram, basis.T @ (w * (y - p)))
        except np.linalg.LinAlgError:
            break
        move = basis @ step
        for _ in range(MOST_HALVINGS):
            trial = log_likelihood(eta + move, y, w)
            if trial >= value - 1e-12 * abs(value):
                break
            step, move = step / 2.0, move / 2.0
        gamma, eta, value = gamma + step, eta + move, trial
        largest = float(np.abs(move).max(initial=0.0))
        converged = largest <= CONVERGED
        if not np.isfinite(value) or (largest > 0.5 and float(np.abs(eta).max()) > RUNAWAY):
            break
    solution = Solution(gamma, eta, value, y - chance(eta), steps, converged)
    return pack(solution, X=X, root=root, kept=kept, w=w)


@dataclass(frozen=True, slots=True)
class Solution:
    """Where an iteration ended, in the coordinates of the orthonormal basis."""

    gamma: FloatArray
    eta: FloatArray
    value: float
    residual: FloatArray
    steps: int
    converged: bool


def pack(solution: Solution, *, X: FloatArray, root: FloatArray, kept: IntArray, w: FloatArray) -> LogisticFit:
    """Put a solution in the orthonormal basis back on the columns that were asked for."""
    columns = X.shape[1]
    coef = np.full(columns, np.nan)
    coef[kept] = (root @ solution.gamma)[kept]
    variance = chance(solution.eta) * chance(-solution.eta)
    gram = X[:, kept].T @ (X[:, kept] * (w * variance)[:, None])
    scale = np.sqrt(np.diagonal(gram))
    information = np.zeros((columns, columns))
    if (scale > 0).all():
        outer = np.outer(scale, scale)
        information[np.ix_(kept, kept)] = np.linalg.pinv(gram / outer, hermitian=True) / outer
    return LogisticFit(
        coef=coef,
        log_odds=solution.eta,
        residual=solution.residual,
        information=information,
        kept=kept,
        log_likelihood=solution.value,
        iterations=solution.steps,
        converged=solution.converged,
    )


def orthonormal(*, X: FloatArray, y: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, FloatArray, IntArray]:
    """Give ``Q`` with ``Q'WQ = n I`` (W of mean one), ``root`` with ``X root = Q``, and the columns kept."""
    w = None if weights is None else weights / weights.mean()
    linear = fit_linear(X=X, Y=y[:, None], weights=w)
    root = linear.root * np.sqrt(y.size)
    basis = ((X - linear.shift) @ linear.whitener) * np.sqrt(y.size)
    return basis, root, np.flatnonzero(~linear.aliased).astype(np.intp)


def chance(eta: FloatArray) -> FloatArray:
    """Turn log odds into chances without overflow."""
    small = np.exp(-np.abs(eta))
    found: FloatArray = np.where(eta >= 0, 1.0 / (1.0 + small), small / (1.0 + small))
    return found


def log_likelihood(eta: FloatArray, y: FloatArray, weights: FloatArray) -> float:
    """Weighted Bernoulli log-likelihood of log odds."""
    return float(weights @ (y * eta - np.logaddexp(0.0, eta)))


def working_regression(fit: LogisticFit, *, X: FloatArray, weights: FloatArray | None) -> tuple[Fit, FloatArray]:
    """Give the linear regression that the last step of a logistic fit is, for the kernels of linear models.

    Parameters
    ----------
    fit : LogisticFit
    X : (n, k)
        The design matrix that was fitted.
    weights : (n,) or None
        The weights that were used.

    Returns
    -------
    fit : Fit
        Of rank columns: coefficients, residuals ``(y - p) / sqrt(v)``, leverages ``w v x'(X'WVX)^-1 x``.
    columns : (n, rank)
        ``sqrt(v) x``, the kept columns only.

    Notes
    -----
    With ``v = p(1-p)`` the score of unit i is ``w_i (sqrt(v_i) x_i)(y_i - p_i) / sqrt(v_i) = w_i x_i (y_i - p_i)``.
    HC0 to HC3 are those of R's ``sandwich::vcovHC`` for a ``glm``. CR2 takes independent errors of variance ``v``
    as its working model, which on this scale is the identity: it is clubSandwich's CR2 of this very regression.
    For a ``glm`` clubSandwich takes another root of the same matrix, also unbiased under the working model; the two
    differ by about a thousandth of the standard error.
    """
    spread = np.sqrt(fit.variance)
    columns = X[:, fit.kept] * spread[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(spread > 0, fit.residual / spread, 0.0)
    response = columns @ fit.coef[fit.kept] + residual
    linear = fit_linear(X=columns, Y=response[:, None], weights=weights)
    return replace(linear, residuals=residual[:, None]), columns
