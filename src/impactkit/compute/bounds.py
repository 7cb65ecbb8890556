"""Bounds under selection: Lee's trimming bounds with influence values, and the interval of Imbens and Manski."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.leastsquares import FloatArray

__all__ = ["LeeBounds", "TrimmedMean", "imbens_manski", "imbens_manski_p", "lee_bounds", "trimmed_mean"]

TIE = 1e-12  # response rates closer than this are equal: nothing is trimmed


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """Mean of the lowest share of a weighted sample.

    Attributes
    ----------
    mean : float
    quantile : float
        The value at which the sample is cut.
    """

    mean: float
    quantile: float


def trimmed_mean(*, y: FloatArray, weights: FloatArray, keep: float) -> TrimmedMean:
    """Mean of the lowest ``keep`` of a weighted sample; the value at the cut counts with the part that is kept.

    Parameters
    ----------
    y, weights : (n,)
    keep : float
        In (0, 1].

    Examples
    --------
    >>> trimmed_mean(y=np.array([1.0, 2.0, 2.0, 5.0]), weights=np.ones(4), keep=0.625)
    TrimmedMean(mean=1.6, quantile=2.0)
    """
    order = np.argsort(y, kind="stable")
    values, masses = y[order], weights[order]
    total = keep * masses.sum()
    reached = np.cumsum(masses)
    cut = min(int(np.searchsorted(reached, total * (1.0 - TIE))), len(values) - 1)
    kept = masses.copy()
    kept[cut] = total - (reached[cut] - masses[cut])
    kept[cut + 1 :] = 0.0
    return TrimmedMean(float(kept @ values / kept.sum()), float(values[cut]))


@dataclass(frozen=True, slots=True)
class LeeBounds:
    """Bounds on the effect among people who respond in either arm.

    Attributes
    ----------
    lower, upper : float
    influence : (2, n)
        Of the lower and the upper bound; squared (summed within cluster first) and summed, they give the variance.
    trimmed : (C,) float
        Share trimmed in each cell: positive in the treated arm, negative in the control arm.
    share : (C,) float
        Weight of each cell: its always-responders.
    """

    lower: float
    upper: float
    influence: FloatArray
    trimmed: FloatArray
    share: FloatArray


def lee_bounds(
    *,
    y: FloatArray,
    responded: npt.NDArray[np.bool_],
    treated: npt.NDArray[np.bool_],
    bins: npt.NDArray[np.signedinteger],
    cells: npt.NDArray[np.signedinteger] | None = None,
    weights: FloatArray | None = None,
    response_weights: FloatArray | None = None,
) -> LeeBounds:
    r"""Trim the arm with more response until both respond alike, from above and from below (Lee 2009).

    Parameters
    ----------
    y : (n,)
        Outcome; ignored where ``responded`` is false.
    responded, treated : (n,) bool
    bins : (n,) int
        Randomisation strata, codes from 0. Within a cell each arm is weighted to the strata's joint shares, so that
        without missing outcomes the bounds are the blocked difference in means.
    cells : (n,) int, optional
        Groups to trim within (each a union of bins); one when left out.
    weights, response_weights : (n,), optional
        Design weights of outcomes and of response rates; ``response_weights`` equals ``weights`` when these are
        known for everybody.

    Returns
    -------
    LeeBounds

    Notes
    -----
    With response rates :math:`q_1 > q_0` the treated are trimmed to the share :math:`k = q_0/q_1`. The mean of the
    lowest k, :math:`\mu_k`, with quantile Q at the cut, has the influence

    .. math:: \frac{1}{k A}\bigl[(y_i-Q)1(y_i\le Q) - k(\mu_k-Q)\bigr] + \frac{Q-\mu_k}{k}\,\dot k_i,

    A the respondents' total weight, :math:`\dot k_i = k(\dot q_{0i}/q_0 - \dot q_{1i}/q_1)`. Squared and summed this is
    the variance of Lee (2009, Proposition 3). Values are centred within bin and arm and scaled by
    :math:`\sqrt{n_c/(n_c-1)}`, n_c the number assigned there who enter, so that without missing outcomes the
    variance is Neyman's. Cells are averaged by their always-responders :math:`f_x\min(q_{1x}, q_{0x})`; the shares
    f are those of the people assigned and taken as given.
    """
    n = len(y)
    own = np.ones(n) if weights is None else np.where(np.isnan(weights), 0.0, weights)
    rates = own if response_weights is None and weights is not None else response_weights
    rates = np.ones(n) if rates is None else rates
    group = np.zeros(n, dtype=np.intp) if cells is None else np.unique(cells, return_inverse=True)[1].astype(np.intp)
    count = int(group.max(initial=0)) + 1
    bounds, parts = np.zeros((count, 2)), np.zeros((2, n))
    share, cut, spread = np.zeros(count), np.zeros(count), np.zeros((count, n))
    for cell in range(count):
        inside = np.flatnonzero(group == cell)
        found = _one_cell(
            y=y[inside], responded=responded[inside], treated=treated[inside], bins=bins[inside],
            own=own[inside], rates=rates[inside],
        )  # fmt: skip
        bounds[cell], cut[cell] = found.bounds, found.trimmed
        mass = float(rates[inside].sum() / rates.sum())
        share[cell] = mass * found.common
        parts[:, inside] = found.influence
        spread[cell, inside] = mass * found.common_influence
    total = share.sum()
    value = share @ bounds / total
    weight = (share / total)[group]
    influence = parts * weight + (bounds - value).T @ spread / total
    return LeeBounds(float(value[0]), float(value[1]), _centred(influence, treated, bins), cut, share / total)


@dataclass(frozen=True, slots=True)
class _Cell:
    bounds: FloatArray
    influence: FloatArray
    trimmed: float
    common: float
    common_influence: FloatArray


def _one_cell(
    *,
    y: FloatArray,
    responded: npt.NDArray[np.bool_],
    treated: npt.NDArray[np.bool_],
    bins: npt.NDArray[np.signedinteger],
    own: FloatArray,
    rates: FloatArray,
) -> _Cell:
    balance = _to_joint_shares(treated, bins, rates)
    rates, own = rates * balance, own * balance
    q, slope = np.zeros(2), np.zeros((2, len(y)))
    for side in (0, 1):
        rows = treated == bool(side)
        mass = rates[rows].sum()
        q[side] = float(rates[rows] @ responded[rows] / mass)
        slope[side, rows] = rates[rows] * (responded[rows] - q[side]) / mass
    if abs(q[1] - q[0]) > TIE:
        return _trimmed(y, responded, treated, own, q, slope, cut_side=int(q[1] > q[0]))
    # Both respond alike, so either arm could be the one to trim: at this kink each end takes the larger error.
    first, second = (_trimmed(y, responded, treated, own, q, slope, cut_side=side) for side in (0, 1))
    sizes = [(found.influence**2).sum(axis=1) for found in (first, second)]
    larger = np.where((sizes[0] >= sizes[1])[:, None], first.influence, second.influence)
    return replace(first, influence=larger, trimmed=0.0)


def _trimmed(
    y: FloatArray,
    responded: npt.NDArray[np.bool_],
    treated: npt.NDArray[np.bool_],
    own: FloatArray,
    q: FloatArray,
    slope: FloatArray,
    *,
    cut_side: int,
) -> _Cell:
    """Bounds when one given arm is trimmed to the response rate of the other."""
    low, high = min(q), max(q)
    keep = 1.0 if high - low <= TIE else float(low / high)
    log_keep = slope[1 - cut_side] / low - slope[cut_side] / high
    ends, influence = np.zeros((2, 2)), np.zeros((2, 2, len(y)))  # side, direction
    for side in (0, 1):
        rows = np.flatnonzero((treated == bool(side)) & responded & (own > 0))
        mass = own[rows].sum()
        for direction, sign in enumerate((1.0, -1.0)):  # lowest values kept, then highest
            values = sign * y[rows]
            share = keep if side == cut_side else 1.0
            kept = trimmed_mean(y=values, weights=own[rows], keep=share)
            gap = kept.quantile - kept.mean
            inner = (values - kept.quantile) * (values <= kept.quantile) + share * gap
            influence[side, direction, rows] = sign * own[rows] * inner / (share * mass)
            if side == cut_side:
                influence[side, direction] += sign * gap * log_keep
            ends[side, direction] = sign * kept.mean
    order = (0, 1) if cut_side == 1 else (1, 0)  # trimming the control from below gives the lower bound
    bounds = np.array([ends[1, place] - ends[0, place] for place in order])
    moved = np.stack([influence[1, place] - influence[0, place] for place in order])
    signed = (1.0 - keep) * (1.0 if cut_side == 1 else -1.0)
    return _Cell(bounds, moved, signed, float(low), slope[1 - cut_side])


def _to_joint_shares(
    treated: npt.NDArray[np.bool_], bins: npt.NDArray[np.signedinteger], rates: FloatArray
) -> FloatArray:
    """Weights that give each arm the strata's joint shares."""
    codes = np.unique(bins, return_inverse=True)[1]
    joint = np.bincount(codes, weights=rates)
    factor = np.zeros(len(bins))
    for side in (False, True):
        rows = treated == side
        alone = np.bincount(codes[rows], weights=rates[rows], minlength=len(joint))
        with np.errstate(divide="ignore", invalid="ignore"):
            factor[rows] = (joint / alone / joint.sum() * rates[rows].sum())[codes[rows]]
    return factor


def _centred(influence: FloatArray, treated: npt.NDArray[np.bool_], bins: npt.NDArray[np.signedinteger]) -> FloatArray:
    """Centre within bin and arm, and scale by sqrt(n / (n - 1)); NaN where somebody is alone."""
    pair = np.unique(2 * bins.astype(np.intp) + treated, return_inverse=True)[1]
    sizes = np.bincount(pair)
    scale = groups_factor(sizes)
    means = np.stack([np.bincount(pair, weights=row) / sizes for row in influence])
    result: FloatArray = (influence - means[:, pair]) * scale[pair]
    return result


def imbens_manski(*, width: float, largest_error: float, conf_level: float, df: float = np.inf) -> float:
    r"""Critical value of the interval for a parameter between two estimated bounds (Imbens and Manski 2004).

    Parameters
    ----------
    width : float
        Upper bound less lower bound, not negative.
    largest_error : float
        The larger of the two bounds' standard errors.
    conf_level : float
    df : float
        Of the t distribution used in place of the normal; ``inf`` is the published form.

    Returns
    -------
    float
        c with :math:`\Phi(c + \Delta/\max(\sigma_l, \sigma_u)) - \Phi(-c) = 1-\alpha`: the two-sided quantile when
        the bounds coincide, the one-sided quantile when they are far apart.

    Examples
    --------
    >>> [round(imbens_manski(width=w, largest_error=1.0, conf_level=0.95), 4) for w in (0.0, 1.0, 100.0)]
    [1.96, 1.6815, 1.6449]
    """
    from scipy.optimize import brentq

    cdf = _t(df)
    if not largest_error > 0:
        return float("nan")
    shift = max(width, 0.0) / largest_error

    def short(c: float) -> float:
        return float(cdf(c + shift) - cdf(-c)) - conf_level

    top = 2.0
    while short(top) < 0:
        top *= 2.0
    return float(brentq(short, 0.0, top, xtol=1e-13)) if short(0.0) < 0 else 0.0


def imbens_manski_p(*, lower: float, upper: float, errors: tuple[float, float], df: float = np.inf) -> float:
    r"""P value of "no effect" from two bounds: the level at which the Imbens-Manski interval just reaches zero.

    Parameters
    ----------
    lower, upper : float
    errors : tuple of float
        Their standard errors.
    df : float

    Returns
    -------
    float
        :math:`1 - \Phi(t + \Delta/\max\sigma) + \Phi(-t)` with t the distance of zero from the nearer bound in
        standard errors; 1 when zero lies between the bounds.
    """
    if lower <= 0.0 <= upper:
        return 1.0
    t = lower / errors[0] if lower > 0 else -upper / errors[1]
    cdf = _t(df)
    return float(1.0 - cdf(t + (upper - lower) / max(errors)) + cdf(-t))


def _t(df: float) -> Callable[[float], float]:
    from scipy.special import ndtr, stdtr

    return lambda value: float(ndtr(value) if np.isinf(df) else stdtr(df, value))
