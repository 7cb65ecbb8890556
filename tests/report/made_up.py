"""Small frames in the shape an evaluation gives, made by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

TIDY = [
    "analysis", "outcome", "population", "term", "measure", "unit", "estimate", "std_error", "conf_low", "conf_high",
    "statistic", "p_value", "df", "n",
]  # fmt: skip
NOTES = ["analysis", "outcome", "population", "term", "column", "reason"]
NAN = math.nan


def effect(**changes: Any) -> dict[str, Any]:
    """An effect row on a yes/no outcome; p values and intervals need not fit one another."""
    row = dict(
        analysis="lin", outcome="work", population="all", term="IPS", measure="difference", unit="proportion",
        estimate=0.0625, std_error=0.033, conf_low=-0.0025, conf_high=0.1275, statistic=1.894, p_value=0.0586,
        df=895.0, n=899.0,
    )  # fmt: skip
    return row | changes


def control(**changes: Any) -> dict[str, Any]:
    """The control mean that goes with it."""
    row = effect(term="control_mean", measure="mean", estimate=0.3501, statistic=NAN, p_value=NAN, n=299.0)
    return row | changes


def look(**changes: Any) -> dict[str, Any]:
    """A glance row."""
    row = dict(
        analysis="lin", outcome="work", population="all", kind="intent_to_treat", estimand="intention to treat",
        method="Lin", inference="HC2", evidence="randomised", n_assigned=920, n_analysed=899, n_treated=600,
        n_control=299, n_missing_outcome=21, n_missing_covariates=0, n_not_eligible=0, n_zero_weight=0,
        n_dropped_strata=0, clusters=NAN, missing_rule="complete cases", weights="", effective_n=899.0,
        conf_level=0.95, design_df=895.0, seed=1, data_hash="ab", version="0.1", independence_assumed=False,
    )  # fmt: skip
    return row | changes


def tidy(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=TIDY)


def glance(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def notes(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([dict.fromkeys(NOTES, "") | row for row in rows], columns=NOTES)


def cells(frame: pd.DataFrame, people: list[float]) -> pd.DataFrame:
    return frame[["analysis", "outcome", "population", "term"]].assign(min_cell=people)
