"""Curves that belong to a result: what a figure draws and a table of rows would bury."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CURVE_COLUMNS", "Curve", "curves_frame"]

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
