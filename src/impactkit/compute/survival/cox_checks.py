"""After a Cox model: its baseline hazard, Schoenfeld residuals, and the test of proportional hazards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.cox import CoxFit, sums_by
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.risksets import ranked_times, running_sums
from impactkit.errors import DataError, NotEstimableError

__all__ = ["Baseline", "ProportionalHazards", "baseline", "proportional_hazards", "scaled_schoenfeld", "schoenfeld"]

Floats = NDArray[np.float64]
Transform = Literal["km", "identity", "log", "rank"]


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Cumulative hazard of somebody with given columns, by stratum.

    Parameters
    ----------
    stratum : ndarray of int, shape (J,)
    time : ndarray of shape (J,)
        Event times, rising within stratum.
    cumulative : ndarray of shape (J,)
        Just after each time.
    """

    stratum: NDArray[np.int64]
    time: Floats
    cumulative: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ProportionalHazards:
    """Score tests that log hazard ratios do not change with time.

    Parameters
    ----------
    statistic, df, p_value : ndarray of shape (g,)
        For each group of columns.
    overall : tuple of (statistic, df, p)
    """

    statistic: Floats
    df: Floats
    p_value: Floats
    overall: tuple[float, int, float]


def baseline(fit: CoxFit, x: Floats | None = None) -> Baseline:
    """Give the cumulative baseline hazard, consistent with how the model treats ties.

    Parameters
    ----------
    fit : CoxFit
    x : ndarray of shape (p,), optional
        For whom; all columns zero when left out, as R's ``basehaz(fit, centered = FALSE)``.

    Notes
    -----
    The step at t is the sum over tied terms of weight / denominator: with Efron's ties the estimate R's
    ``survfit(coxph)`` gives. Within a stratum time runs from its first event.
    """
    _needs_convergence(fit)
    partial, at = fit._partial, fit._at
    sets = partial.sets
    away = (np.zeros(fit.coef.size) if x is None else np.asarray(x, dtype=np.float64)) - partial.centre
    cumulative = running_sums(at.step.copy(), sets.bounds) * np.exp(away @ fit.coef)
    return Baseline(np.repeat(sets.strata, np.diff(sets.bounds)), sets.time.copy(), cumulative)


def schoenfeld(fit: CoxFit) -> tuple[Floats, Floats]:
    """Give Schoenfeld residuals: what somebody with the event had, less what was expected of the risk set.

    Returns
    -------
    time : ndarray of shape (E,)
    residuals : ndarray of shape (E, p)
        Ordered by stratum and time; under Efron's ties the mean of the tied terms is expected of each.
    """
    _needs_convergence(fit)
    partial, at = fit._partial, fit._at
    sets = partial.sets
    own = partial.x[sets.events] - partial.means(at)[sets.event_slot]
    return sets.time[sets.event_slot], own * partial.scale


def scaled_schoenfeld(fit: CoxFit) -> tuple[Floats, Floats]:
    """Give Schoenfeld residuals turned into a log hazard ratio at each event, shape (E, p).

    Notes
    -----
    ``coef + E · residual · vcov`` (Grambsch and Therneau 1994): a smooth of it over time shows how a log hazard
    ratio moves.
    """
    time, residuals = schoenfeld(fit)
    return time, fit.coef + fit.n_events * residuals @ fit.vcov


def proportional_hazards(
    fit: CoxFit,
    stop: Floats,
    event: NDArray[np.bool_],
    *,
    start: Floats | None = None,
    transform: Transform = "km",
    groups: Sequence[Sequence[int]] | None = None,
    robust: bool = False,
) -> ProportionalHazards:
    """Test that hazard ratios are the same at all times.

    Parameters
    ----------
    fit : CoxFit
    stop, event, start : ndarray of shape (n,)
        As the model was fitted to.
    transform : {"km", "identity", "log", "rank"}
        The function g of time against which a log hazard ratio may have a slope; ``"km"`` is one less the
        product-limit curve just before t, all strata together.
    groups : sequence of sequences of int, optional
        Columns to be tested together (the dummies of one covariate); each alone when left out.
    robust : bool
        Take the variance of the score from what each row, or each cluster of the model, adds to it.

    Notes
    -----
    The score test of adding x·g(t), at slope zero, with g centred at its mean over events: R's ``cox.zph`` from
    survival 3.0 on. That takes people as independent, also in a model with clusters, and a weight as a number of
    people. With ``robust`` the score U of x·g(t), less its projection on the score of x, is held against the sum
    over clusters of the squares of their parts of it. NaN where there are no more clusters than columns tested.

    References
    ----------
    Grambsch, P. M. and Therneau, T. M. (1994). Proportional hazards tests and diagnostics based on weighted
    residuals. *Biometrika* 81, 515-526.
    """
    from scipy.stats import chi2

    _needs_convergence(fit)
    partial, at = fit._partial, fit._at
    sets, p = partial.sets, fit.coef.size
    chosen = [[place] for place in range(p)] if groups is None else [list(group) for group in groups]
    g = _of_time(transform, stop, event, start)
    slope = g[sets.rows[sets.events]] - g[event].mean()
    factor = np.zeros(sets.slots)
    factor[sets.event_slot] = slope
    pulled = partial.x[sets.events] - partial.means(at)[sets.event_slot]
    score = (partial.event[sets.events] * slope) @ pulled
    plain, mixed = at.information, partial.information(at, factor)
    squared = partial.information(at, factor**2)
    onto: Floats = np.asarray(np.linalg.solve(plain, mixed), dtype=np.float64)
    left = squared - mixed @ onto
    groups_left = np.inf
    if robust:
        parts: Floats = partial.residuals(at, np.eye(p), factor) - partial.residuals(at, onto)
        if fit._clusters is not None:
            parts = sums_by(parts, fit._clusters)
        left, groups_left = parts.T @ parts, len(parts)

    def test(columns: list[int]) -> tuple[float, int, float]:
        own = score[columns]
        if len(columns) >= groups_left:
            return float("nan"), len(columns), float("nan")
        try:
            statistic = float(own @ np.linalg.solve(left[np.ix_(columns, columns)], own))
        except np.linalg.LinAlgError:
            return float("nan"), len(columns), float("nan")
        if not statistic >= 0.0:
            return float("nan"), len(columns), float("nan")
        return statistic, len(columns), float(chi2.sf(statistic, len(columns)))

    found = np.array([test(group) for group in chosen], dtype=np.float64).reshape(len(chosen), 3)
    return ProportionalHazards(found[:, 0], found[:, 1], found[:, 2], test(list(range(p))))


def _of_time(transform: Transform, stop: Floats, event: NDArray[np.bool_], start: Floats | None) -> Floats:
    stop_rank, start_rank, values = ranked_times(stop, start)
    times = values[stop_rank]
    if transform == "identity":
        return times
    if transform == "log":
        early = int((times[event] <= 0).sum())
        if early:
            raise DataError([f"the log of time needs times above zero, and {early:,} events are not: use another one"])
        return np.log(np.maximum(times, np.finfo(np.float64).tiny))
    if transform == "rank":
        from scipy.stats import rankdata

        return np.asarray(rankdata(times), dtype=np.float64)
    curve = product_limit(times, event, start=None if start_rank is None else values[start_rank])
    before = np.concatenate([[1.0], curve.survival])[np.searchsorted(curve.time, times, side="left")]
    return np.asarray(1.0 - before, dtype=np.float64)


def _needs_convergence(fit: CoxFit) -> None:
    if not fit.converged:
        raise NotEstimableError("the Cox model has no estimate, so nothing follows from it")
