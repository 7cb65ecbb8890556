"""Variances from few groups of unequal size: what each value is multiplied by, and the degrees of freedom left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.conditional import ConditionalNorm

__all__ = ["Corrected", "Correction", "correction", "leverage_df", "leverage_factor"]

Floats = NDArray[np.float64]
Codes = NDArray[np.signedinteger]


def leverage_factor(share: Floats) -> Floats:
    """Give what each group's part is multiplied by, from its share f of what is averaged; NaN where it is all of it.

    Parameters
    ----------
    share : ndarray of shape (g, ...)
        Shares along the first axis, 1 in all.

    Notes
    -----
    ``1 / sqrt(1 - 2 f_g + Σ f²)``. A group's deviation from an average of which it is itself the part f has the
    variance ``(1 - 2 f_g + Σ f²) σ²`` where groups vary alike, each by σ². Where people are independent, and groups do
    not matter, sums are then a little too wide, and exact where groups are equally large.
    """
    left = 1.0 - 2.0 * share + (share**2).sum(axis=0)
    factor: Floats = 1.0 / np.sqrt(np.where(left > 1e-12, left, np.nan))
    return factor


def leverage_df(share: Floats, variance: Floats) -> float:
    """Give the degrees of freedom of a variance formed from corrected sums of groups.

    Parameters
    ----------
    share : ndarray of shape (g,)
        Each group's share f of what is averaged, 1 in all.
    variance : ndarray of shape (g,)
        Variance of each group's part, up to a constant, in the working model.

    Returns
    -------
    float
        ``(tr P)² / tr P²``: g - 1 for g groups alike, fewer for unequal ones; NaN where one group is everything.

    Notes
    -----
    With independent parts ``D_g`` of the given variances, a corrected sum is ``c_g (D_g - f_g Σ D)``, with c
    of :func:`leverage_factor`, and P is the covariance of these. Nothing of size g × g is formed.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage
    samples. *Survey Methodology* 28.
    """
    used = variance > 0
    f, w = share[used], variance[used] / variance[used].sum() if used.any() else variance[used]
    factor = leverage_factor(f)
    if f.size < 2 or not np.isfinite(factor).all():
        return float("nan")
    a, b, own = factor * f, factor * w, factor**2 * w
    spread = own - 2.0 * a * b + a * a
    gram = np.array([[a @ a, a @ b], [a @ b, b @ b]])
    core = np.array([[1.0, -1.0], [-1.0, 0.0]]) @ gram
    square = own @ own + np.trace(core @ core) + 2.0 * (own @ (a * a - 2.0 * a * b))
    return float(spread.sum() ** 2 / square)


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """What control episodes contribute to a quantity, corrected for few groups.

    Parameters
    ----------
    values : ndarray of shape (m,)
        Contribution of each episode.
    working : ndarray of shape (g,)
        Variance of each group's part if episodes were independent.
    unseen : float
        Such variance at times at which one group alone is at risk, of which groups tell nothing.
    """

    values: Floats
    working: Floats
    unseen: float


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """The correction of one norm for its groups.

    Parameters
    ----------
    norm : ConditionalNorm
    groups : ndarray of shape (g,)
        Code of each group of the norm.
    place : ndarray of shape (m,) or None
        Position of each episode's group among them; ``None`` if every episode is a group of its own.
    at_risk : ndarray of shape (g, k), or (1, k) of ones if every episode is a group of its own
        Episodes of each group running just before each time.
    factor : ndarray of the same shape
        What contributions at each time are multiplied by.
    lonely : ndarray of bool, shape (k,)
        Times at which one group alone is at risk.
    """

    norm: ConditionalNorm
    groups: NDArray[np.int64]
    place: NDArray[np.intp] | None
    at_risk: Floats
    factor: Floats
    lonely: NDArray[np.bool_]

    def contributions(self, step: Floats) -> Corrected:
        """Correct a quantity that moves by ``step_j (dN_kj - Y_kj d_j / n_j)`` with each episode k.

        Parameters
        ----------
        step : ndarray of shape (k,)
        """
        norm = self.norm
        factor, lonely = self.factor, self.lonely
        steps = np.concatenate([step * factor, np.zeros((factor.shape[0], 1))], axis=1)
        running = np.concatenate(
            [np.zeros((factor.shape[0], 1)), np.cumsum(steps[:, :-1] * (norm.events / norm.at_risk), axis=1)], axis=1
        )
        row = np.zeros(norm.size, dtype=np.intp) if self.place is None else self.place
        values = steps[row, norm.ended_at] - (running[row, norm.until] - running[row, norm.first])
        hazard = norm.events / norm.at_risk
        each = step**2 * hazard * (1.0 - hazard)
        # one episode at risk: n h (1 - h) is 0 whether it ended or not, and d is what a count would vary by
        lost = np.where(norm.at_risk > 1.0, each * norm.at_risk, step**2 * norm.events)
        seen = np.where(lonely, 0.0, each)
        if self.place is None:
            total = np.concatenate([[0.0], np.cumsum(seen)])
            working = total[norm.until] - total[norm.first]
        else:
            working = self.at_risk @ seen
        return Corrected(values, working, float(lost[lonely].sum()))


def correction(norm: ConditionalNorm, codes: Codes | None, groups: Codes) -> Correction:
    """Prepare the correction of a norm.

    Parameters
    ----------
    norm : ConditionalNorm
    codes : ndarray of shape (m,) or None
        Group of each of its episodes; ``None`` if every episode is a group of its own.
    groups : ndarray of shape (m,)
        The code under which each episode's group goes; used without ``codes`` only.

    Notes
    -----
    At each time practice g is compared with an average of which it is the share ``Y_g / n`` of those at risk: its
    contributions at that time take the factor of :func:`leverage_factor` for that share. With G practices of which
    equally many are at risk this is the usual ``sqrt(G / (G - 1))``.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002), as in :func:`leverage_df`, for the correction called CR2.
    """
    if codes is None:
        lonely: NDArray[np.bool_] = np.asarray(norm.at_risk <= 1.0)
        factor = np.where(lonely, 0.0, np.sqrt(norm.at_risk / np.where(lonely, 1.0, norm.at_risk - 1.0)))[None]
        return Correction(norm, groups.astype(np.int64), None, np.ones((1, norm.time.size)), factor, lonely)
    found, place = np.unique(codes, return_inverse=True)
    place = place.reshape(-1)
    width = norm.time.size + 1
    enters = np.bincount(place * width + norm.first, minlength=found.size * width)
    leaves = np.bincount(place * width + norm.until, minlength=found.size * width)
    at_risk = np.cumsum((enters - leaves).reshape(found.size, width), axis=1)[:, :-1].astype(np.float64)
    lonely = np.asarray((at_risk >= norm.at_risk).any(axis=0), dtype=bool)
    factor = np.where(lonely, 0.0, np.nan_to_num(leverage_factor(at_risk / norm.at_risk)))
    return Correction(norm, found.astype(np.int64), place, at_risk, factor, lonely)
