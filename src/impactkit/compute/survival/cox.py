"""Cox regression: Efron or Breslow ties, delayed entry, strata, weights, and what each person contributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.partial import NEAR, At, Partial
from impactkit.compute.survival.risksets import lay_out
from impactkit.errors import DataError, NotEstimableError

__all__ = ["CoxFit", "cox", "sums_by"]

Floats = NDArray[np.float64]

MOST_STEPS = 60
CLOSE = 1e-7  # a Newton step this small, columns scaled to SD 1, is the last: what is left is its square
FLAT = 1e-6  # the log likelihood no longer rises, whatever its size, in units of the mean weight of an event ...
MOVING = NEAR  # ... though some log hazard still moves by this much across the range of a column
ALIASED = 1e-9  # share of a column's own information that earlier columns leave


@dataclass(frozen=True, eq=False)
class CoxFit:
    """A fitted Cox model.

    Parameters
    ----------
    coef : ndarray of shape (p,)
        Log hazard ratios; plus or minus infinity for a column of :attr:`diverging`.
    vcov : ndarray of shape (p, p)
        Inverse information: takes the model as true. NaN when the likelihood has no maximum.
    loglik : tuple of (null, fitted)
    score_test : tuple of (statistic, df, p)
        All coefficients zero, by the information at zero.
    n_events, n : int
    iterations : int
    converged : bool
    diverging : ndarray of int8, shape (p,)
        The sign in which each coefficient runs to infinity; 0 for finite ones.
    """

    coef: Floats
    vcov: Floats
    loglik: tuple[float, float]
    score_test: tuple[float, int, float]
    n_events: int
    n: int
    iterations: int
    converged: bool
    diverging: NDArray[np.int8]
    _partial: Partial
    _at: At
    _clusters: NDArray[Any] | None

    @cached_property
    def influence(self) -> Floats:
        """What each row contributes to each coefficient, shape (n, p): the infinitesimal jackknife.

        Notes
        -----
        The derivative of the coefficient with respect to the row's weight, times its weight: R's
        ``residuals(fit, type = "dfbeta")``, exact under Efron's ties, delayed entry and weights.
        """
        if not self.converged:
            return np.full((self.n, self.coef.size), np.nan)
        return self._partial.influence(self._at, self.vcov)

    @cached_property
    def robust(self) -> Floats:
        """Robust covariance of the coefficients, shape (p, p): products of influence values, summed in clusters first.

        No small-sample factor, as in R.
        """
        values = self.influence
        if self._clusters is not None:
            values = sums_by(values, self._clusters)
        found: Floats = values.T @ values
        return found


def cox(
    stop: Floats,
    event: NDArray[np.bool_],
    x: Floats,
    *,
    start: Floats | None = None,
    strata: NDArray[Any] | None = None,
    weights: Floats | None = None,
    clusters: NDArray[Any] | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    names: Sequence[str] | None = None,
) -> CoxFit:
    r"""Fit a Cox model by maximum partial likelihood.

    Parameters
    ----------
    stop : ndarray of shape (n,)
        Time of the event or of the end of observation; times that differ by rounding alone are the same time.
    event : ndarray of bool, shape (n,)
    x : ndarray of shape (n, p)
    start : ndarray of shape (n,), optional
        When observation began: a row is at risk on (start, stop]. Someone censored at an event time is at risk there.
    strata : ndarray of int of shape (n,), optional
        Codes from 0; each stratum has a baseline hazard of its own.
    weights : ndarray of shape (n,), optional
        Above zero. With whole numbers and Breslow's ties the coefficients are those of repeated rows.
    clusters : ndarray of shape (n,), optional
        Groups within which :attr:`CoxFit.robust` sums influence values.
    ties : {"efron", "breslow"}
    names : sequence of str, optional
        Columns' names, for messages.

    Returns
    -------
    CoxFit

    Raises
    ------
    DataError
        Numbers that are missing or out of range, with counts.
    NotEstimableError
        If nobody has the event, or columns say nothing that earlier ones do not.

    Notes
    -----
    With d tied events at t, weights w, :math:`r_i = w_i e^{x_i'\beta}`, sums S over those at risk and D over those
    with the event, Efron's log likelihood is
    :math:`\sum_t \{\sum_{i \in D_t} w_i x_i'\beta - \bar w_t \sum_{k<d} \log(S_t - (k/d) D_t)\}`. Newton's method with
    step halving on centred, scaled columns; the information is one weighted cross-product of the rows less a product
    over event times, so that its cost is linear in n. Risk sets so small beside what has left them that a difference
    of sums would lose digits are summed directly.

    When the likelihood rises without limit (monotone likelihood: everybody with the event is at the top of a column
    among those at risk, say) no estimate exists: ``converged`` is false, ``diverging`` says which coefficients run
    away and where to, and no standard errors are given.

    References
    ----------
    Efron, B. (1977). The efficiency of Cox's likelihood function for censored data. *JASA* 72, 557-565.
    Lin, D. Y. and Wei, L. J. (1989). The robust inference for the Cox proportional hazards model. *JASA* 84.
    Therneau, T. M. and Grambsch, P. M. (2000). *Modeling Survival Data: Extending the Cox Model*. Springer.
    """
    stop = np.asarray(stop, dtype=np.float64)
    event = np.asarray(event, dtype=bool)
    x = np.asarray(x, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    called = [f"column {place + 1}" for place in range(x.shape[1])] if names is None else list(names)
    _check(stop, event, x, start, strata, weights, clusters)
    sets = lay_out(stop, event, start=None if start is None else np.asarray(start, dtype=np.float64), strata=strata)
    partial = Partial.build(sets, x, weights=weights, efron=ties == "efron")
    p = x.shape[1]
    at = partial.at(np.zeros(p))
    null = at
    _refuse_aliased(partial, at, called)
    score_test = _score_test(at)
    coef: Floats = np.zeros(p)
    converged, steps, moving = p == 0, 0, 0
    step: Floats = np.zeros(p)
    unit = float(partial.event_weight.sum()) / sets.events.size
    while not converged and steps < MOST_STEPS:
        steps += 1
        try:
            step = np.asarray(np.linalg.solve(at.information, at.score), dtype=np.float64)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all():
            break
        if bool((np.abs(step) <= CLOSE * (1.0 + np.abs(coef))).all()):
            coef, converged = coef + step, True
            at = partial.at(coef)
            break
        trial = partial.at(coef + step)
        halved = 0
        while not trial.loglik >= at.loglik - 1e-12 * abs(at.loglik) and halved < 30:
            step, halved = step / 2.0, halved + 1
            trial = partial.at(coef + step)
        risen = trial.loglik - at.loglik
        if halved == 30:
            break
        coef, at = coef + step, trial
        flat = risen <= FLAT * unit
        moving = moving + 1 if flat and float(partial.reach(step).max()) > MOVING else 0
        if moving == 2:
            break
    diverging = np.zeros(p, dtype=np.int8)
    if not converged:
        diverging = _diverging(partial, at, coef, step)
    shown = coef / partial.scale
    shown[diverging > 0], shown[diverging < 0] = np.inf, -np.inf
    vcov = np.full((p, p), np.nan)
    if converged:
        vcov = np.linalg.inv(at.information) / np.outer(partial.scale, partial.scale)
        vcov = (vcov + vcov.T) / 2.0
    elif not diverging.any():
        shown = np.full(p, np.nan)
    return CoxFit(
        coef=shown,
        vcov=vcov,
        loglik=(null.loglik, at.loglik),
        score_test=score_test,
        n_events=int(sets.events.size),
        n=stop.size,
        iterations=steps,
        converged=converged,
        diverging=diverging,
        _partial=partial,
        _at=at,
        _clusters=None if clusters is None else np.asarray(clusters),
    )


def sums_by(values: Floats, clusters: NDArray[Any]) -> Floats:
    """Sum rows within clusters: shape (G, p)."""
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    size = int(codes.max(initial=-1)) + 1
    return np.column_stack([np.bincount(codes, weights=column, minlength=size) for column in values.T])


def _score_test(at: At) -> tuple[float, int, float]:
    from scipy.stats import chi2

    if not at.score.size:
        return 0.0, 0, 1.0
    statistic = float(at.score @ np.linalg.solve(at.information, at.score))
    return statistic, at.score.size, float(chi2.sf(statistic, at.score.size))


def _diverging(partial: Partial, at: At, coef: Floats, step: Floats) -> NDArray[np.int8]:
    """Say which coefficients run away: those the last steps still move."""
    pull = partial.reach(step)
    if not np.isfinite(pull).all() or pull.max(initial=0.0) <= MOVING:
        values, vectors = np.linalg.eigh(np.nan_to_num(at.information))
        step = vectors[:, 0] * (1.0 if vectors[:, 0] @ coef >= 0 else -1.0)
        if values[0] > ALIASED * values[-1]:
            return np.zeros(step.size, dtype=np.int8)
        pull = partial.reach(step)
    found: NDArray[np.int8] = np.where(pull > 0.05 * pull.max(), np.sign(step), 0.0).astype(np.int8)
    return found


def _refuse_aliased(partial: Partial, at: At, called: list[str]) -> None:
    """Refuse columns that do not vary where it matters, or follow from earlier ones, by name."""
    p = len(called)
    if not p:
        return
    own = np.diagonal(at.information)
    flat = partial.constant | (own <= ALIASED * float(partial.event_weight.sum()))
    size = np.sqrt(np.where(flat, 1.0, own))
    matrix = at.information / np.outer(size, size)
    used: list[int] = []
    implied: list[str] = []
    for place in np.flatnonzero(~flat).tolist():
        cross = matrix[used, place]
        left = matrix[place, place] - cross @ np.linalg.solve(matrix[np.ix_(used, used)], cross)
        if left <= ALIASED:
            implied.append(called[place])
        else:
            used.append(place)
    said = []
    if flat.any():
        listed = ", ".join(called[place] for place in np.flatnonzero(flat))
        said.append(f"{listed}: the same for everybody at risk whenever somebody has the event")
    if implied:
        said.append(f"{', '.join(implied)}: given by the columns before (collinear)")
    if said:
        raise NotEstimableError(f"no hazard ratio can be told for {'; '.join(said)}. Leave such columns out")


def _check(
    stop: Floats,
    event: NDArray[np.bool_],
    x: Floats,
    start: Floats | None,
    strata: NDArray[Any] | None,
    weights: Floats | None,
    clusters: NDArray[Any] | None,
) -> None:
    n, faults = stop.size, []
    given = {"event": event, "x": x, "start": start, "strata": strata, "weights": weights, "clusters": clusters}
    for name, values in given.items():
        if values is not None and len(values) != n:
            faults.append(f"`{name}` should have a row for each of the {n:,} times, and has {len(values):,}")
    lost = int((~np.isfinite(x)).sum())
    if lost:
        faults.append(f"`x` should be finite numbers, and {lost:,} are not: leave out people with missing values")
    if weights is not None:
        bad = int((~(np.asarray(weights) > 0) | ~np.isfinite(weights)).sum())
        if bad:
            faults.append(f"`weights` should be above zero, and {bad:,} are not: leave those people out")
    if strata is not None and len(strata) and int(np.min(strata)) < 0:
        faults.append(f"`strata` should be codes from 0; {int((np.asarray(strata) < 0).sum()):,} are below")
    if faults:
        raise DataError(faults)
