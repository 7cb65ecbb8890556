"""Standard errors of smooth functions of coefficients, and of averages over people, under the declared design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.analysis import CR2, Inference, Linearised
from impactkit.compute.clusters import influence_cr2
from impactkit.compute.leastsquares import Fit, fit, influence_hc
from impactkit.compute.linearised import influence_linearised
from impactkit.compute.logistic import chance
from impactkit.design import ALL
from impactkit.estimators.regression import refuse_crossing
from impactkit.results import RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Spread", "average_part", "marginal_effect", "spread", "spread_of_model"]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Uncertainty of R rows.

    Parameters
    ----------
    std_error, df : ndarray of shape (R,)
    influence : list of RowInfluence
        Summed within cluster, squared and summed they give the squares of ``std_error``.
    """

    std_error: NDArray[np.float64]
    df: NDArray[np.float64]
    influence: list[RowInfluence]


def average_part(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Influence of each person on a (weighted) mean of n known values: ``w_i (v_i − v̄) / Σw``, shape (n,)."""
    w = np.ones(len(values)) if weights is None else weights
    mean = np.average(values, weights=w)
    found: NDArray[np.float64] = w * (values - mean) / w.sum()
    return found


def marginal_effect(
    matrix: NDArray[np.float64],
    coef: NDArray[np.float64],
    column: int,
    *,
    weights: NDArray[np.float64] | None,
    siblings: list[int] | None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Give the average marginal effect of a column of a logistic model.

    Parameters
    ----------
    matrix : ndarray of shape (n, k)
    coef : ndarray of shape (k,)
    column : int
    weights : ndarray of shape (n,) or None
    siblings : list of int or None
        The columns of a category's fellows and its own: the effect is then the change from the reference. ``None`` for
        a number, whose effect is the derivative.

    Returns
    -------
    effect : float
    gradient : ndarray of shape (k,)
        Its derivative in the coefficients.
    averaging : ndarray of shape (n,)
        What each person adds because the effect is averaged over them.
    """
    if siblings is None:
        p = chance(matrix @ coef)
        slope = p * (1.0 - p)
        each = slope * coef[column]
        gradient = np.average(coef[column] * (slope * (1.0 - 2.0 * p))[:, None] * matrix, axis=0, weights=weights)
        gradient[column] += np.average(slope, weights=weights)
        return float(np.average(each, weights=weights)), gradient, average_part(each, weights)
    predicted, gradients = [], []
    for value in (1.0, 0.0):
        as_if = matrix.copy()
        as_if[:, siblings] = 0.0
        as_if[:, column] = value
        eta = as_if @ coef
        predicted.append(chance(eta))
        gradients.append(np.average(as_if * (chance(eta) * chance(-eta))[:, None], axis=0, weights=weights))
    each = predicted[0] - predicted[1]
    return float(np.average(each, weights=weights)), gradients[0] - gradients[1], average_part(each, weights)


def spread(
    study: StudyData,
    *,
    regression: Fit,
    columns: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    rows: NDArray[np.float64],
    averaging: NDArray[np.float64] | None,
    member: NDArray[np.bool_],
    inference: Inference,
) -> Spread:
    """Give errors, degrees of freedom and influence values of functions of regression coefficients.

    Parameters
    ----------
    study : StudyData
    regression : Fit
        A linear regression, or the working regression of a logistic one.
    columns : ndarray of shape (n, k)
        Its design matrix.
    weights : ndarray of shape (n,) or None
    rows : ndarray of shape (R, k)
        Gradient of each function with respect to the coefficients.
    averaging : ndarray of shape (R, n) or None
        What each person adds because a function also averages over the people analysed; rows sum to zero.
    member : ndarray of bool, shape (N,)
        Which people of the study the n are, in order.
    inference : Inference
        HC0 to HC3 and CR2 adjust the part that comes through the coefficients. Linearised errors centre the sum
        of both parts within strata.

    Notes
    -----
    Degrees of freedom: n − rank for HC errors; for CR2 Satterthwaite's of the gradient, a contrast of the
    regression; sampling units − strata − rank + 1 for linearised errors.
    """
    n = len(columns)
    index = np.flatnonzero(member)
    if isinstance(inference, CR2):
        assert study.clusters is not None
        codes = np.unique(study.clusters[index], return_inverse=True)[1]
        clustered = influence_cr2(regression, X=columns, weights=weights, clusters=codes, rows=rows)
        values, df = clustered.values[:, 0], clustered.df
        values = values if averaging is None else values + averaging
        sums = np.stack([np.bincount(codes, weights=line) for line in values])
        return _packed(values, index, np.sqrt((sums**2).sum(axis=1)), df)
    kind = "HC0" if isinstance(inference, Linearised) else inference.kind
    values = influence_hc(regression, X=columns, weights=weights, rows=rows, kind=kind)[:, 0]
    values = values if averaging is None else values + averaging
    if not isinstance(inference, Linearised):
        residual = float(n - regression.rank)
        df = np.full(len(values), residual if residual > 0 else np.nan)
        return _packed(values, index, np.sqrt((values**2).sum(axis=1)), df)
    refuse_crossing(study)
    included = study.population(ALL)
    # A mean of n values has their n-th part as its influence, so this centres and scales any influence values.
    ones = np.ones((n, 1))
    mean = fit(X=ones, Y=n * values.T)
    linearised = influence_linearised(
        mean,
        X=ones,
        weights=None,
        rows=[0],
        member=member[included],
        strata=None if study.strata is None else study.strata[included],
        clusters=None if study.clusters is None else study.clusters[included],
    )
    everybody = linearised.values[0]
    freedom = float(linearised.df + 1 - regression.rank)
    error = np.sqrt(_squares(everybody, None if study.clusters is None else study.clusters[included]))
    people = None if included.all() else np.flatnonzero(included)
    return _packed(everybody, people, error, np.full(len(values), freedom if freedom > 0 else np.nan))


def spread_of_model(
    *,
    regression: Fit,
    columns: NDArray[np.float64],
    information: NDArray[np.float64],
    rows: NDArray[np.float64],
    averaging: NDArray[np.float64] | None,
    member: NDArray[np.bool_],
) -> Spread:
    """Give errors that take the logistic model as true: the inverse information, and the normal distribution.

    Notes
    -----
    Influence values are the sandwich's, scaled row by row to the model's variance, so that rows keep their
    correlation with other estimates on the same people.
    """
    values = influence_hc(regression, X=columns, weights=None, rows=rows, kind="HC0")[:, 0]
    variance = np.einsum("rk,kl,rl->r", rows, information, rows)
    if averaging is not None:
        values = values + averaging
        variance = variance + (averaging**2).sum(axis=1)
    own = (values**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = values * np.where(own > 0, np.sqrt(variance / own), 0.0)[:, None]
    return _packed(values, np.flatnonzero(member), np.sqrt(variance), np.full(len(rows), np.inf))


def _packed(
    values: NDArray[np.float64], index: NDArray[np.intp] | None, error: NDArray[np.float64], df: NDArray[np.float64]
) -> Spread:
    place = None if index is None else index.astype(np.int64)
    return Spread(error, df, [RowInfluence(place, line) for line in values])


def _squares(values: NDArray[np.float64], clusters: NDArray[np.int32] | None) -> NDArray[np.float64]:
    if clusters is None:
        squares: NDArray[np.float64] = (values**2).sum(axis=1)
        return squares
    inside = clusters >= 0
    sums = np.stack([np.bincount(clusters[inside], weights=line[inside]) for line in values])
    squares = (sums**2).sum(axis=1)
    return squares
