"""What every analysis returns, and the joint uncertainty of its rows."""

from impactkit.results.curves import CURVE_COLUMNS, Curve, time_ticks
from impactkit.results.estimates import (
    ADJUSTED_COLUMNS,
    GLANCE_COLUMNS,
    NOTE_COLUMNS,
    TIDY_COLUMNS,
    Adjusted,
    Estimates,
    Note,
    RowKey,
)
from impactkit.results.influence import DfParts, Influence, RowInfluence
from impactkit.results.measures import MEASURES, Measure, measure

__all__ = [
    "ADJUSTED_COLUMNS",
    "CURVE_COLUMNS",
    "GLANCE_COLUMNS",
    "MEASURES",
    "NOTE_COLUMNS",
    "TIDY_COLUMNS",
    "Adjusted",
    "Curve",
    "DfParts",
    "Estimates",
    "Influence",
    "Measure",
    "Note",
    "RowInfluence",
    "RowKey",
    "measure",
    "time_ticks",
]
