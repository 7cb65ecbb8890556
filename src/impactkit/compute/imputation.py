"""Multiple imputation of one outcome in one arm, and Rubin's rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from impactkit.compute.attrition import fit_logistic
from impactkit.compute.leastsquares import FloatArray, fit, whitened
from impactkit.errors import NotEstimableError

__all__ = ["ImputationKind", "Pooled", "barnard_rubin", "impute", "nearest_donors", "rubin"]

ImputationKind = Literal["normal", "matching", "logistic"]

SAME = 1e-9  # predictions closer than this share of the outcome's range are one
DONORS = 5  # as in mice: few enough to be alike, enough to vary


def impute(
    *,
    Z: FloatArray,
    y: FloatArray,
    observed: npt.NDArray[np.bool_],
    kind: ImputationKind,
    m: int,
    rng: np.random.Generator,
    clusters: npt.NDArray[np.signedinteger] | None = None,
) -> FloatArray:
    r"""Draw the missing values of one arm m times, each time from a new draw of the model's coefficients.

    Parameters
    ----------
    Z : (n, k)
        Constant, covariates and strata of everybody in the arm; complete.
    y : (n,)
        The outcome; read where ``observed``.
    observed : (n,) bool
    kind : {"normal", "matching", "logistic"}
        Bayesian linear regression; predictive mean matching on it with five donors; Bayesian logistic regression.
    m : int
    rng : numpy.random.Generator
    clusters : (n,) int, optional
        With clusters, linear predictions carry a drawn intercept of each cluster.

    Returns
    -------
    (m, missing)

    Raises
    ------
    NotEstimableError
        If there are too few observed values for the columns.

    Notes
    -----
    Linear: :math:`\sigma_*^2 = RSS/\chi^2_{n-k}`, :math:`\beta_* \sim N(\hat\beta, \sigma_*^2 (Z'Z)^{-1})`,
    :math:`y_* = z\beta_* + \sigma_*\epsilon`. Matching: a donor drawn among the five whose :math:`z\hat\beta` is
    nearest to the :math:`z\beta_*` of the missing one. Logistic: :math:`\beta_* \sim N(\hat\beta, H^{-1})` with the
    augmentation of White, Daniel and Royston (2010) against separation.

    With clusters the residual is :math:`u_g + e` with moment estimates of both variances; :math:`u_g` is drawn from its
    normal posterior given the cluster's residuals from :math:`\beta_*`, itself drawn from the clustered
    sandwich. Approximate, and checked by simulation.

    References
    ----------
    Rubin, D. B. (1987). *Multiple Imputation for Nonresponse in Surveys*. Wiley.
    White, I. R., Daniel, R. and Royston, P. (2010). Avoiding bias due to perfect prediction in multiple imputation of
    incomplete categorical variables. *Computational Statistics & Data Analysis* 54(10).
    """
    missing = ~observed
    if not missing.any():
        return np.zeros((m, 0))
    if kind == "logistic":
        return _logistic(Z, y, observed, m, rng)
    known = Z[observed]
    solved = fit(X=known, Y=y[observed][:, None])
    left = int(observed.sum()) - solved.rank
    if left < 2:
        raise NotEstimableError(
            f"{int(observed.sum())} observed outcomes in an arm are too few to impute from {solved.rank} columns: "
            "name fewer covariates, or leave imputation out"
        )
    coef = np.where(solved.aliased, 0.0, solved.coef[:, 0])
    residuals = solved.residuals[:, 0]
    squares = float(residuals @ residuals)
    root = solved.root
    codes = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    level = None if codes is None else _ClusterLevel.of(residuals, codes[observed], int(codes.max()) + 1, solved.rank)
    if codes is not None:
        root = _clustered_root(whitened(solved, X=known), residuals, codes[observed], root)
    drawn = np.empty((m, int(missing.sum())))
    centre = known @ coef
    if level is not None and codes is not None:
        centre = centre + level.mean(residuals, codes[observed])[codes[observed]]
    grid = float(np.ptp(y[observed])) * SAME
    donors, values = _sorted_donors(_on_grid(centre, grid), y[observed])
    for place in range(m):
        sigma = np.sqrt(squares / rng.chisquare(left))
        scale = 1.0 if codes is not None else sigma
        beta = coef + scale * (root @ rng.standard_normal(root.shape[1]))
        mean = Z[missing] @ beta
        noise = sigma
        if level is not None and codes is not None:
            gaps = y[observed] - known @ beta  # intercepts follow the drawn coefficients
            mean = mean + level.draw(gaps, codes[observed], rng)[codes[missing]]
            noise = level.within * np.sqrt(left / rng.chisquare(left))
        if kind == "normal":
            drawn[place] = mean + noise * rng.standard_normal(len(mean))
        else:
            drawn[place] = nearest_donors(donors=donors, values=values, targets=_on_grid(mean, grid), rng=rng)
    return drawn


@dataclass(frozen=True, slots=True)
class _ClusterLevel:
    """Intercepts of clusters: how far the mean residual of each is shrunk, and the error that is left."""

    sizes: FloatArray
    shrink: FloatArray
    error: FloatArray
    within: float

    @classmethod
    def of(cls, residuals: FloatArray, codes: npt.NDArray[np.intp], groups: int, rank: int) -> _ClusterLevel:
        sizes = np.bincount(codes, minlength=groups).astype(np.float64)
        totals = np.bincount(codes, weights=residuals, minlength=groups)
        there = sizes > 0
        means = np.divide(totals, sizes, out=np.zeros(groups), where=there)
        n, used = float(sizes.sum()), int(there.sum())
        inside = float(((residuals - means[codes]) ** 2).sum())
        free = max(n - used - max(rank - 1, 0), 1.0)
        within = inside / free if n > used else float(residuals @ residuals) / max(n - rank, 1.0)
        even = (n - float((sizes**2).sum()) / n) / max(used - 1, 1)
        between = max((float((sizes * means**2).sum()) / max(used - 1, 1) - within) / even, 0.0) if even > 0 else 0.0
        shrink = np.divide(sizes * between, sizes * between + within, out=np.zeros(groups), where=within > 0)
        return cls(sizes, shrink, np.sqrt(between * (1.0 - shrink)), float(np.sqrt(within)))

    def mean(self, residuals: FloatArray, codes: npt.NDArray[np.intp]) -> FloatArray:
        totals = np.bincount(codes, weights=residuals, minlength=len(self.sizes))
        found: FloatArray = self.shrink * totals / np.maximum(self.sizes, 1.0)
        return found

    def draw(self, residuals: FloatArray, codes: npt.NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
        return self.mean(residuals, codes) + self.error * rng.standard_normal(len(self.sizes))


def _clustered_root(
    basis: FloatArray, residuals: FloatArray, codes: npt.NDArray[np.intp], root: FloatArray
) -> FloatArray:
    """Give a root of the clustered sandwich of the coefficients (CR1)."""
    groups = int(codes.max()) + 1
    scores = np.zeros((groups, basis.shape[1]))
    np.add.at(scores, codes, basis * residuals[:, None])
    used = max(len(np.unique(codes)), 2)
    values, vectors = np.linalg.eigh(scores.T @ scores * used / (used - 1.0))
    spread: FloatArray = root @ (vectors * np.sqrt(np.clip(values, 0.0, None)))
    return spread


def _on_grid(values: FloatArray, grid: float) -> FloatArray:
    """Round predictions, so that people with the same covariates are tied whatever their last digit."""
    return values if grid == 0.0 else np.asarray(np.round(values / grid) * grid)


def _sorted_donors(centre: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(centre, kind="stable")
    return centre[order], values[order]


def nearest_donors(
    *, donors: FloatArray, values: FloatArray, targets: FloatArray, rng: np.random.Generator, k: int = DONORS
) -> FloatArray:
    """Give each target the value of a donor drawn among the k nearest; of equally near ones all may be drawn.

    Parameters
    ----------
    donors : (d,)
        Predictions of the donors, rising.
    values : (d,)
        Their outcomes.
    targets : (t,)
        Predictions to match.
    rng : numpy.random.Generator
    k : int

    Returns
    -------
    (t,)
    """
    d = len(donors)
    k = min(k, d)
    low = np.searchsorted(donors, targets, side="left")
    high = np.searchsorted(donors, targets, side="right")
    start = np.clip(
        low - k, 0, d - k
    )  # the window of k nearest slides up while the next donor is nearer than the first
    for _ in range(k):
        following = np.minimum(start + k, d - 1)
        better = (start + k < d) & (np.abs(donors[following] - targets) < np.abs(donors[start] - targets))
        start = start + better
    end = start + k
    # a run of equal predictions that the window cuts is taken whole
    first = np.searchsorted(donors, donors[start], side="left")
    last = np.searchsorted(donors, donors[end - 1], side="right")
    tied_low = np.abs(donors[start] - targets) >= np.abs(donors[end - 1] - targets)
    tied_high = np.abs(donors[end - 1] - targets) >= np.abs(donors[start] - targets)
    start = np.where((high - low >= k), low, np.where(tied_low, first, start))
    end = np.where((high - low >= k), high, np.where(tied_high, last, end))
    picked = start + np.floor(rng.random(len(targets)) * (end - start)).astype(np.intp)
    found: FloatArray = values[np.minimum(picked, end - 1)]
    return found


def _logistic(
    Z: FloatArray, y: FloatArray, observed: npt.NDArray[np.bool_], m: int, rng: np.random.Generator
) -> FloatArray:
    from scipy.special import expit

    known, answers, weights = _augmented(Z[observed], y[observed])
    model = fit_logistic(Z=known, y=answers, weights=weights)
    values, vectors = np.linalg.eigh(model.inverse_information)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    draws = model.coef + rng.standard_normal((m, root.shape[1])) @ root.T
    chance = expit(draws @ Z[~observed].T)
    drawn: FloatArray = (rng.random(chance.shape) < chance).astype(np.float64)
    return drawn


def _augmented(Z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Append few lightly weighted rows that no covariate separates."""
    means, spread = Z.mean(axis=0), Z.std(axis=0)
    varying = np.flatnonzero(spread > 0)
    if not len(varying):  # the constant alone: one row of each answer
        varying = np.array([0])
    rows = np.repeat(means[None], 4 * len(varying), axis=0)
    rows[np.arange(len(rows)), np.repeat(varying, 4)] += np.repeat(spread[varying], 4) * np.tile(
        [1, 1, -1, -1], len(varying)
    )
    extra = np.tile([0.0, 1.0], 2 * len(varying))
    weights = np.concatenate([np.ones(len(Z)), np.full(len(rows), (len(varying) + 1) / len(rows))])
    return np.concatenate([Z, rows]), np.concatenate([y, extra]), weights


@dataclass(frozen=True, slots=True)
class Pooled:
    """Several completed-data estimates made into one.

    Attributes
    ----------
    estimate : (r,)
    within, between, total : (r, r)
        ``total = within + (1 + 1/m) between``.
    df : (r,)
        Barnard and Rubin's.
    """

    estimate: FloatArray
    within: FloatArray
    between: FloatArray
    total: FloatArray
    df: FloatArray


def rubin(*, estimates: FloatArray, within: FloatArray, complete_df: FloatArray) -> Pooled:
    """Pool r estimates over m imputations by Rubin's rules, jointly.

    Parameters
    ----------
    estimates : (m, r)
    within : (r, r)
        Covariance of the estimates with complete data, averaged over the imputations.
    complete_df : (r,)
        Degrees of freedom had nothing been missing.

    Returns
    -------
    Pooled
    """
    m = len(estimates)
    mean = estimates.mean(axis=0)
    spread = estimates - mean
    between = spread.T @ spread / (m - 1)
    total = within + (1.0 + 1.0 / m) * between
    own = np.array([total[row, row] for row in range(len(mean))])
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(own > 0, (1.0 + 1.0 / m) * np.diagonal(between) / own, 0.0)
    df = np.array(
        [barnard_rubin(m=m, lost=float(a), complete_df=float(b)) for a, b in zip(lost, complete_df, strict=True)]
    )
    return Pooled(mean, within, between, total, df)


def barnard_rubin(*, m: int, lost: float, complete_df: float) -> float:
    r"""Degrees of freedom of Barnard and Rubin (1999) after multiple imputation.

    Parameters
    ----------
    m : int
    lost : float
        Share of the variance due to missing values, :math:`\lambda = (1+1/m)B/T`.
    complete_df : float

    Returns
    -------
    float
        :math:`1/(1/\nu_m + 1/\hat\nu)`, :math:`\nu_m = (m-1)/\lambda^2`,
        :math:`\hat\nu = \frac{\nu+1}{\nu+3}\,\nu\,(1-\lambda)`.

    Examples
    --------
    >>> round(barnard_rubin(m=20, lost=0.3, complete_df=200.0), 3)
    83.677
    """
    if not np.isfinite(lost) or np.isnan(complete_df):
        return float("nan")
    large = np.inf if lost <= 0 else (m - 1) / lost**2
    if np.isinf(complete_df):
        return large
    seen = (complete_df + 1.0) / (complete_df + 3.0) * complete_df * (1.0 - lost)
    return float(1.0 / (1.0 / large + 1.0 / seen)) if seen > 0 else float("nan")
