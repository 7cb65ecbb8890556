"""Time since assessment: the clients' own Kaplan-Meier, what the norm expects of them, and the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.conditional import ConditionalNorm
from impactkit.compute.survival.curves import ProductLimit, product_limit
from impactkit.compute.survival.ties import tied, upto

__all__ = ["Observed", "Saved", "expected_survival", "observed", "weeks_saved"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.signedinteger]


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Kaplan-Meier of some people, all watched from time 0.

    Parameters
    ----------
    curve : ProductLimit
    since : ndarray of shape (n,)
        Time from assessment to return or last contact.
    back : ndarray of bool, shape (n,)
    weights : ndarray of shape (n,)
    """

    curve: ProductLimit
    since: Floats
    back: Bools
    weights: Floats

    def mean(self, horizon: float) -> float:
        """Give the mean time still absent within the horizon."""
        return float(self.curve.area(horizon))

    def mean_influence(self, horizon: float) -> Floats:
        """Give what each person contributes to :meth:`mean`, their weight included, shape (n,)."""
        curve = self.curve
        inside = curve.time <= horizon
        slopes = np.where(inside, curve.area(horizon) - curve.area(curve.time), 0.0)
        return self._influence(slopes)

    def survival_influence(self, time: float) -> Floats:
        """Give what each person contributes to the share still absent at a time, shape (n,)."""
        share = float(self.curve.at(time))
        return self._influence(np.where(upto(self.curve.time, time), share, 0.0))

    def _influence(self, slopes: Floats) -> Floats:
        curve = self.curve
        left = curve.at_risk - curve.events
        # weights that sum to the number at risk only to the last digit must not divide by what is left of rounding
        step = np.divide(slopes, left, out=np.zeros_like(slopes), where=left > 1e-12 * curve.at_risk)
        running = np.concatenate([[0.0], np.cumsum(step * curve.events / curve.at_risk)])
        place = np.searchsorted(curve.time, self.since, side="right")
        own = np.where(self.back, np.append(step, 0.0)[place - 1], 0.0)
        total: Floats = self.weights * (running[place] - own)
        return total


def observed(since: Floats, back: Bools, weights: Floats) -> Observed:
    """Estimate the share still absent by time since assessment.

    Parameters
    ----------
    since : ndarray of shape (n,)
        Time from assessment to return, or to the last contact of those not back yet.
    back : ndarray of bool, shape (n,)
    weights : ndarray of shape (n,)
    """
    (since,) = tied(since)
    return Observed(product_limit(since, back, weights=weights), since, back, weights)


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """Mean time saved per client, and what every client and every control episode contributes to it.

    Parameters
    ----------
    expected, observed : float
        Mean time still absent within the horizon: by the norm, and of the clients.
    by_client : ndarray of shape (n,)
        Each client's own expected time.
    client_expected, client_observed : ndarray of shape (n,)
        Influence values of the clients; those of time saved are the first minus the second.
    episodes : ndarray of shape (m,)
        Influence values of the control episodes, for expected and saved alike.
    steps : dict of int to ndarray
        For each norm, by how much both move with the ends at each of its times.
    """

    expected: float
    observed: float
    by_client: Floats
    client_expected: Floats
    client_observed: Floats
    episodes: Floats
    steps: dict[int, Floats]

    @property
    def saved(self) -> float:
        """Expected minus observed."""
        return self.expected - self.observed


def weeks_saved(
    *,
    entry: Floats,
    since: Floats,
    back: Bools,
    weights: Floats,
    cells: Codes,
    norms: Mapping[int, ConditionalNorm],
    episode_cells: Codes,
    horizon: float,
    watched: Floats | None = None,
) -> Saved:
    """Estimate the mean time saved within a horizon counted from assessment.

    Parameters
    ----------
    entry, since : ndarray of shape (n,)
        Time already absent at assessment, and from there to return or last contact.
    back : ndarray of bool, shape (n,)
    weights : ndarray of shape (n,)
    cells : ndarray of shape (n,)
        The norm of each client, a key of ``norms``.
    norms : mapping of int to ConditionalNorm
        Made from the episodes of each cell in their order.
    episode_cells : ndarray of shape (m,)
        The cell of every control episode.
    horizon : float
    watched : ndarray of shape (n,), optional
        Weights on the observed side where they differ, 0 for clients not watched.

    Notes
    -----
    ``saved = Σ_i p_i ∫_0^τ S0(e_i + u)/S0(e_i) du - ∫_0^τ S(u) du`` with p the weights over their sum. A client's
    influence is ``p_i (R_i - R̄)`` minus that of the restricted mean; an episode's follows from the derivatives of
    the norm's increments. Whether the norm and the observed curve are known that far is for the caller to check.
    """
    share = weights / weights.sum()
    by_client = np.full(entry.size, np.nan)
    episodes = np.zeros(episode_cells.size)
    steps = {}
    for code in np.unique(cells).tolist():
        mine, norm = cells == code, norms[code]
        by_client[mine] = norm.residual_mean(entry[mine], horizon)
        slopes = norm.residual_mean_slopes(entry[mine], horizon, share[mine])
        steps[code] = norm.log_steps(slopes)
        episodes[episode_cells == code] = norm.contributions(steps[code])
    expected = float(share @ by_client)
    own = observed(since, back, weights if watched is None else watched)
    return Saved(
        expected=expected,
        observed=own.mean(horizon),
        by_client=by_client,
        client_expected=share * (by_client - expected),
        client_observed=own.mean_influence(horizon),
        episodes=episodes,
        steps=steps,
    )


def expected_survival(
    *,
    entry: Floats,
    weights: Floats,
    cells: Codes,
    norms: Mapping[int, ConditionalNorm],
    times: Sequence[float] | Floats,
) -> Iterator[tuple[float, Floats, dict[int, Floats]]]:
    """Give, for each time since assessment, the mean share the norm expects to be absent still.

    Yields
    ------
    estimate : float
    clients : ndarray of shape (n,)
        Influence values.
    steps : dict of int to ndarray
        For each norm, by how much the estimate moves with the ends at each of its times.
    """
    share = weights / weights.sum()
    codes = np.unique(cells).tolist()
    mine = {code: np.flatnonzero(cells == code) for code in codes}
    for time in np.asarray(times, dtype=np.float64).tolist():
        values, steps = np.zeros(entry.size), {}
        for code in codes:
            norm, own = norms[code], mine[code]
            values[own] = norm.survival(entry[own], time)
            steps[code] = norm.log_steps(norm.survival_slopes(entry[own], time, share[own]))
        estimate = float(share @ values)
        yield estimate, share * (values - estimate), steps
