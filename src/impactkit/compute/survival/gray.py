"""Gray's test that groups have the same cumulative incidence of one kind of exit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.ties import tied
from impactkit.errors import NotEstimableError

__all__ = ["GrayTest", "gray_test"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GrayTest:
    """A test of equal cumulative incidence.

    Parameters
    ----------
    statistic : float
        Chi-square.
    df : int
        Groups less one.
    p_value : float
    """

    statistic: float
    df: int
    p_value: float


def gray_test(
    stop: Floats,
    cause: NDArray[np.integer],
    group: NDArray[np.integer],
    *,
    interest: int = 1,
    strata: NDArray[np.integer] | None = None,
) -> GrayTest:
    """Test whether the groups have the same cumulative incidence of one kind of exit.

    Parameters
    ----------
    stop : ndarray of shape (n,)
        Time of the exit or of the end of observation; everybody is observed from the start.
    cause : ndarray of int, shape (n,)
        0 for censored, else the kind of exit.
    group : ndarray of int, shape (n,)
        Codes from 0.
    interest : int, default 1
    strata : ndarray of int, shape (n,), optional
        Groups are compared within strata, and scores and variances added.

    Returns
    -------
    GrayTest

    Raises
    ------
    NotEstimableError
        With fewer than two groups, or where the groups cannot be told apart.

    Notes
    -----
    With n_k at risk in group k and S_k, F_k its own survival and incidence, R_k = n_k (1 − F_k) / S_k estimates who
    is at risk of the subdistribution. The score of group k is Σ (d_k − d R_k / Σ R) over times of the exit of
    interest, each value just before the time. The variance is Gray's (1988, section 3) with a correction for ties,
    as in R's ``cmprsk::cuminc``.

    References
    ----------
    Gray, R. J. (1988). A class of K-sample tests for comparing the cumulative incidence of a competing risk.
    *Annals of Statistics* 16(3).
    """
    from scipy.special import chdtrc

    groups = int(group.max(initial=-1)) + 1
    if groups < 2:
        raise NotEstimableError("there is one group only, so there is nothing to compare")
    (stop,) = tied(stop)
    kind = np.where(cause == interest, 1, np.where(cause == 0, 0, 2))
    block = np.zeros(stop.size, dtype=np.int64) if strata is None else strata
    score, variance = np.zeros(groups), np.zeros((groups, groups))
    for code in np.unique(block):
        inside = block == code
        own_score, own_variance = _one_stratum(stop[inside], kind[inside], group[inside], groups)
        score += own_score
        variance += own_variance
    score, variance = score[:-1], variance[:-1, :-1]
    size = np.sqrt(np.diag(variance))
    if not bool((size > 0).all()) or np.linalg.cond(variance / np.outer(size, size)) > 1e10:
        raise NotEstimableError("too few exits of interest to tell the groups apart")
    statistic = float(score @ np.linalg.solve(variance, score))
    return GrayTest(statistic, groups - 1, float(chdtrc(groups - 1, statistic)))


def _one_stratum(
    stop: Floats, kind: NDArray[np.integer], group: NDArray[np.integer], groups: int
) -> tuple[Floats, Floats]:
    """Give the scores, shape (K,), and their variance, shape (K, K)."""
    time = np.unique(stop[kind > 0])
    many = time.size
    place = np.searchsorted(time, stop, side="right")

    def by_time(mask: NDArray[np.bool_], places: NDArray[np.integer]) -> Floats:
        cells = np.bincount(places[mask] * groups + group[mask], minlength=(many + 1) * groups)
        return np.asarray(cells, dtype=np.float64).reshape(many + 1, groups)

    gone = np.cumsum(by_time(np.ones(stop.size, dtype=bool), place), axis=0)[:many]
    n = np.bincount(group, minlength=groups) - gone
    events = [by_time(kind == code, np.maximum(place - 1, 0))[:many] for code in (1, 2)]
    d, other = events
    here = n > 0
    safe = np.where(here, n, 1.0)
    after = np.cumprod(np.where(here, (n - d - other) / safe, 1.0), axis=0)
    before = np.vstack([np.ones(groups), after[:-1]])
    own = np.cumsum(np.where(here, before * d / safe, 0.0), axis=0)
    own_before = np.vstack([np.zeros(groups), own[:-1]])
    weight = np.where(here, n / np.where(before > 0, before, 1.0), 0.0)
    total, at_sub = weight.sum(axis=1), weight * (1.0 - own_before)
    exits = d.sum(axis=1)
    pooled = np.cumsum(exits / total)
    pooled_before = np.concatenate([[0.0], pooled[:-1]])
    score = (d - exits[:, None] * at_sub / at_sub.sum(axis=1, keepdims=True)).sum(axis=0)
    shares = weight / total[:, None]
    # a[t, i, k]: how the score of group i moves with the incidence of group k; c: its running sum over exits
    a = weight[:, :, None] * (np.eye(groups) - shares[:, None, :])
    rate = np.where(pooled_before < 1.0, exits / (total * np.where(pooled_before < 1.0, 1.0 - pooled_before, 1.0)), 0.0)
    c = np.cumsum(a * rate[:, None, None], axis=0)
    left = (1.0 - pooled)[:, None]
    alive = here & (after > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(here, np.where(after > 0, 1.0 - left / np.where(after > 0, after, 1.0), 1.0), 0.0)
        tie = np.where(exits[:, None] > 1, 1.0 - (exits[:, None] - 1.0) / (total[:, None] * before - 1.0), 1.0)
        spread = np.where(here, tie * before * exits[:, None] / (total[:, None] * safe), 0.0)
        tie_other = np.where(other > 1, 1.0 - (other - 1.0) / (safe - 1.0), 1.0)
        slope_other = np.where(alive, left / np.where(after > 0, after, 1.0), 0.0)
        spread_other = np.where(alive, tie_other * before**2 * other / safe**2, 0.0)
    to_come = c[-1] - c  # what later exits still owe to the present one
    loads, loads_other = a + slope[:, None, :] * to_come, slope_other[:, None, :] * to_come
    variance = np.einsum("tik,tjk,tk->ij", loads, loads, spread)
    variance += np.einsum("tik,tjk,tk->ij", loads_other, loads_other, spread_other)
    return score, variance
