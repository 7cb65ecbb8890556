"""Response models: logistic regression, inverse probability weights, and what estimating them does to influence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impactkit.compute.leastsquares import FloatArray, fit

__all__ = ["Logistic", "ResponseWeights", "estimated_weight_part", "fit_logistic", "response_weights"]

STEPS = 60  # separated data gain a factor e per step and stop at the deviance's own precision long before this
SETTLED = 1e-12  # relative change of the deviance at which the steps end
LEAST_VARIANCE = 1e-10  # p(1 - p) below this is held there, so that a working response stays finite
CUT = 1e-12  # singular values of the information below this share of the largest are directions without data


@dataclass(frozen=True, slots=True)
class Logistic:
    """A (weighted) logistic regression.

    Attributes
    ----------
    coef : (k,)
        Zero for a column dropped because earlier columns explain it.
    fitted : (n,)
        Probabilities.
    aliased : (k,) bool
    inverse_information : (k, k)
        ``(Z'WZ)^-1`` with ``W = w p (1 - p)``; a generalised inverse when data are separated.
    """

    coef: FloatArray
    fitted: FloatArray
    aliased: npt.NDArray[np.bool_]
    inverse_information: FloatArray


def fit_logistic(*, Z: FloatArray, y: FloatArray, weights: FloatArray | None = None) -> Logistic:
    """Fit a logistic regression by iteratively reweighted least squares.

    Parameters
    ----------
    Z : (n, k)
        Design matrix, the constant first.
    y : (n,)
        0 or 1.
    weights : (n,), optional

    Returns
    -------
    Logistic

    Notes
    -----
    Separated data have no finite estimate: the steps then stop when the deviance no longer falls, with fitted
    probabilities at 0 or 1 for the separated rows, which is their limit. An outcome that does not vary is
    given back as it is.
    """
    count, columns = Z.shape
    own = np.ones(count) if weights is None else weights
    if count == 0 or (y == y[0]).all():
        value = float(y[0]) if count else 0.0
        return Logistic(np.zeros(columns), np.full(count, value), np.zeros(columns, bool), np.zeros((columns, columns)))
    share = float(np.average(y, weights=own))
    eta = np.full(count, np.log(share / (1.0 - share)))
    coef, aliased = np.zeros(columns), np.zeros(columns, dtype=bool)
    last = _deviance(y, eta, own)
    for _ in range(STEPS):
        p = _expit(eta)
        variance = np.maximum(p * (1.0 - p), LEAST_VARIANCE)
        working = eta + (y - p) / variance
        solved = fit(X=Z, Y=working[:, None], weights=own * variance)
        aliased = solved.aliased
        proposal = np.where(aliased, 0.0, solved.coef[:, 0])
        step, found = 1.0, _deviance(y, Z @ proposal, own)
        while not found <= last * (1.0 + SETTLED) and step > 1e-4 and coef.any():
            step /= 2.0
            proposal = (coef + proposal) / 2.0
            found = _deviance(y, Z @ proposal, own)
        coef, eta = proposal, Z @ proposal
        if abs(last - found) <= SETTLED * (abs(found) + 0.1):
            break
        last = found
    p = _expit(eta)
    scale = np.sqrt(own * p * (1.0 - p))[:, None]
    information = (Z * scale).T @ (Z * scale)
    inverse = np.zeros((columns, columns))
    kept = np.flatnonzero(~aliased)
    inverse[np.ix_(kept, kept)] = np.linalg.pinv(information[np.ix_(kept, kept)], rcond=CUT, hermitian=True)
    return Logistic(coef, p, aliased, inverse)


def _expit(eta: FloatArray) -> FloatArray:
    from scipy.special import expit

    p: FloatArray = expit(eta)
    return p


def _deviance(y: FloatArray, eta: FloatArray, weights: FloatArray) -> float:
    return float(2.0 * (weights * (np.logaddexp(0.0, eta) - y * eta)).sum())


@dataclass(frozen=True, slots=True)
class ResponseWeights:
    """Inverse probabilities of response, estimated within arm.

    Attributes
    ----------
    probability : (n,)
        Fitted response probability of everybody.
    factor : (n,)
        ``1 / probability`` for respondents, 0 for the others.
    trimmed : int
        Respondents whose probability was raised to the floor.
    scores : list of (n, k) arrays
        One per arm: ``inverse information @ score`` of each person, zero outside the arm; what the coefficients of the
        response model owe to each person.
    slopes : (n, k)
        Derivative of ``factor`` by the coefficients of the person's own arm.
    """

    probability: FloatArray
    factor: FloatArray
    trimmed: int
    scores: list[FloatArray]
    slopes: FloatArray


def response_weights(
    *,
    Z: FloatArray,
    responded: npt.NDArray[np.bool_],
    arm: npt.NDArray[np.signedinteger],
    weights: FloatArray | None = None,
    floor: float | None = None,
) -> ResponseWeights:
    """Fit response on covariates within each arm, and invert the fitted probabilities.

    Parameters
    ----------
    Z : (n, k)
        Constant and covariates of everybody assigned; complete.
    responded : (n,) bool
    arm : (n,) int
        0 to A - 1.
    weights : (n,), optional
        Design weights, used in the response model.
    floor : float, optional
        Probabilities below it are raised to it, that is, weights are trimmed at ``1 / floor``.

    Returns
    -------
    ResponseWeights
    """
    count, columns = Z.shape
    own = np.ones(count) if weights is None else weights
    probability = np.ones(count)
    scores: list[FloatArray] = []
    for code in range(int(arm.max(initial=0)) + 1):
        rows = arm == code
        answered = responded[rows].astype(np.float64)
        model = fit_logistic(Z=Z[rows], y=answered, weights=None if weights is None else own[rows])
        probability[rows] = model.fitted
        owed = np.zeros((count, columns))
        owed[rows] = ((own[rows] * (answered - model.fitted))[:, None] * Z[rows]) @ model.inverse_information
        scores.append(owed)
    low = np.zeros(count, dtype=bool) if floor is None else responded & (probability < floor)
    used = probability if floor is None else np.maximum(probability, floor)
    factor = np.where(responded, 1.0 / np.where(responded, used, 1.0), 0.0)
    bend = np.where(responded & ~low, -(1.0 - probability) * factor, 0.0)
    return ResponseWeights(probability, factor, int(low.sum()), scores, bend[:, None] * Z)


def estimated_weight_part(
    *, pull: FloatArray, found: ResponseWeights, arm: npt.NDArray[np.signedinteger], responded: npt.NDArray[np.bool_]
) -> FloatArray:
    r"""Part of the influence values that comes from estimating the response model.

    Parameters
    ----------
    pull : (R, m)
        Influence of each respondent on R estimates with the weights taken as known, not small-sample-adjusted.
    found : ResponseWeights
    arm : (n,) int
    responded : (n,) bool
        The m respondents among the n people, in order.

    Returns
    -------
    (R, n)
        To be added to ``pull``, nonrespondents included.

    Notes
    -----
    With :math:`w_i = d_i/\hat p_i` an estimate solves :math:`\sum_i w_i x_i e_i = 0`. Its influence is
    :math:`\psi_i = a_i + D\,H^{-1} U_i`, :math:`a_i = (X'WX)^{-1} x_i w_i e_i`,
    :math:`D = -\sum_i a_i (1-\hat p_i) z_i'`, H the information and
    :math:`U_i = d_i z_i (R_i - \hat p_i)` the score of the response model. The second part makes errors smaller
    than with known weights, as far as covariates predict the outcome (Robins, Rotnitzky and Zhao 1994).
    """
    relative = found.slopes[responded] / found.factor[responded][:, None]
    total = np.zeros((pull.shape[0], len(arm)))
    inside = arm[responded]
    for code, owed in enumerate(found.scores):
        rows = inside == code
        total += (pull[:, rows] @ relative[rows]) @ owed.T
    return total
