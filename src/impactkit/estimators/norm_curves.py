"""The curves beside weeks saved: the share still absent by time since assessment, observed and expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.survival.since_assessment import expected_survival, observed
from impactkit.compute.survival.ties import places, upto
from impactkit.estimators.norm_sample import OUTCOME, ClientSample, Norms, time_unit
from impactkit.estimators.norm_variance import PendingRow, carry
from impactkit.results import Curve, RowKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.weeks_saved import WeeksSaved

__all__ = ["saved_curves"]

POINTS = 41
"""Times at which the expected curve is drawn, evenly from assessment to the horizon."""


def saved_curves(
    spec: WeeksSaved, study: StudyData, sample: ClientSample, norms: Norms, population: str
) -> list[Curve]:
    """Give the observed curve of a population and what the norm expects of it, with limits.

    Notes
    -----
    Limits are formed on the scale of log(-log S) from the same influence values as the rows; there are none where
    the curve is 0 or 1.
    """
    seen = sample.watched > 0
    own = observed(sample.since[seen], sample.back[seen], sample.watched[seen])
    reached = upto(own.curve.time, spec.horizon)
    times = np.unique(np.concatenate([[0.0], own.curve.time[reached], [spec.horizon]]))
    shares = np.asarray(own.curve.at(times))
    full = np.zeros(sample.n)
    errors = []
    for time in times.tolist():
        full[seen] = own.survival_influence(time)
        errors.append(_error(sample, norms, full.copy(), None))
    returns = np.sort(own.since[own.back])
    risk = own.since.size - places(np.sort(own.since), times, before=True).astype(np.float64)
    gone = places(returns, times).astype(np.float64)
    found = [_curve(spec, study, population, "observed", "survival", times, shares, errors, risk, gone)]
    grid = np.linspace(0.0, spec.horizon, POINTS)
    values, errors = [], []
    for share, clients, steps in expected_survival(
        entry=sample.entry,
        weights=sample.weights,
        cells=sample.cells,
        norms={cell: norms.of(cell) for cell in np.unique(sample.cells).tolist()},
        times=grid,
    ):
        values.append(share)
        errors.append(_error(sample, norms, clients, steps))
    nothing = np.full(grid.size, np.nan)
    found.append(
        _curve(spec, study, population, "expected", "norm_survival", grid, np.array(values), errors, nothing, nothing)
    )
    return found


def _error(
    sample: ClientSample, norms: Norms, clients: NDArray[np.float64], steps: Mapping[int, NDArray[np.float64]] | None
) -> tuple[float, float]:
    key = RowKey("", "", "", "", "proportion", "proportion")
    found = carry(PendingRow(key, 0.0, sample, clients, steps), norms)
    return found.std_error, found.df


def _curve(
    spec: WeeksSaved,
    study: StudyData,
    population: str,
    term: str,
    measure: str,
    times: NDArray[np.float64],
    shares: NDArray[np.float64],
    errors: list[tuple[float, float]],
    risk: NDArray[np.float64],
    events: NDArray[np.float64],
) -> Curve:
    from scipy.special import stdtrit

    error, df = np.array(errors).T
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = stdtrit(df, 0.5 * (1.0 + spec.conf_level)) * error / np.abs(shares * np.log(shares))
        low, high = shares ** np.exp(wide), shares ** np.exp(-wide)
    inside = (shares > 0) & (shares < 1) & np.isfinite(wide)
    return Curve(
        spec.name,
        OUTCOME,
        population,
        term,
        measure,
        time_unit(study),
        times,
        shares,
        np.where(inside, low, np.nan),
        np.where(inside, high, np.nan),
        risk,
        events,
    )
