"""Curves that belong to a result: what a figure draws and a table of rows would bury."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CURVE_COLUMNS", "Curve", "curves_frame", "time_ticks"]

CURVE_COLUMNS = (
    "analysis", "outcome", "population", "term", "measure", "unit", "time", "estimate", "conf_low", "conf_high",
    "n_risk", "n_events",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A function of time, estimated at some times.

    Parameters
    ----------
    analysis, outcome, population, term : str
        As in a row of results.
    measure : str
        What the curve is: ``"survival"``, ``"cumulative_incidence"``, ``"norm_survival"``.
    unit : str
        Unit of time.
    time, estimate, conf_low, conf_high : ndarray of shape (k,)
        NaN limits where there are none.
    n_risk, n_events : ndarray of shape (k,)
        People still at risk just before each time, and events up to and including it; NaN where they say nothing.
    """

    analysis: str
    outcome: str
    population: str
    term: str
    measure: str
    unit: str
    time: NDArray[np.float64]
    estimate: NDArray[np.float64]
    conf_low: NDArray[np.float64]
    conf_high: NDArray[np.float64]
    n_risk: NDArray[np.float64]
    n_events: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in CURVE_COLUMNS[6:]:
            getattr(self, name).setflags(write=False)


def curves_frame(curves: Sequence[Curve]) -> pd.DataFrame:
    """Put curves under one another, one row per time."""
    import pandas as pd

    names = [field.name for field in fields(Curve)]
    if not curves:
        return pd.DataFrame({name: pd.Series(dtype=object if place < 6 else float) for place, name in enumerate(names)})
    columns = {
        name: np.concatenate(
            [
                np.full(curve.time.size, getattr(curve, name), dtype=object) if place < 6 else getattr(curve, name)
                for curve in curves
            ]
        )
        for place, name in enumerate(names)
    }
    return pd.DataFrame(columns)


def time_ticks(last: float, unit: str, *, most: int = 8) -> NDArray[np.float64]:
    """Give round times from 0 to ``last`` at which a figure labels its axis and counts who is at risk.

    Examples
    --------
    >>> time_ticks(26.0, "weeks").tolist()
    [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0]
    """
    if not (np.isfinite(last) and last > 0):
        return np.zeros(1)
    steps = {"weeks": (1, 2, 4, 8, 13, 26, 52, 104), "days": (1, 2, 7, 14, 28, 56, 91, 182, 364, 728)}.get(unit, ())
    rounds = [factor * 10.0**power for power in range(-3, 7) for factor in (1, 2, 5)]
    step = next((step for step in (*steps, *rounds) if last / step <= most and (last / step >= 1 or not steps)), last)
    return np.arange(0.0, last + 1e-9 * last, step)
