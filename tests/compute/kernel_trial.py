"""The synthetic trial of tests/reference/linear as arrays, with a plain design-matrix builder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import stats

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "linear"

# Absolute or relative to the reference, whichever is larger: the digits R itself can be trusted for.
TOLERANCE = 1e-8

COLUMNS = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")


@cache
def column(name: str) -> np.ndarray:
    """A column of trial.csv: numbers as float (NA as NaN), labels as str."""
    with (FOLDER / "trial.csv").open(encoding="utf-8") as file:
        cells = [row[name] for row in csv.DictReader(file)]
    try:
        return np.array([np.nan if cell == "NA" else float(cell) for cell in cells])
    except ValueError:
        return np.array(cells)


@cache
def expected() -> dict[str, dict[str, float]]:
    """Frozen figures by case."""
    with (FOLDER / "expected.csv").open(encoding="utf-8") as file:
        return {row["case"]: {name: float(row[name]) for name in COLUMNS} for row in csv.DictReader(file)}


def codes(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1]


def dummies(labels: np.ndarray) -> np.ndarray:
    """Indicators of all levels but the first in sorted order, as R's treatment contrasts."""
    return (labels[:, None] == np.unique(labels)[1:]).astype(float)


@dataclass(frozen=True)
class Sample:
    """One regression: its design matrix (constant, z, ...), outcome, weights and clusters."""

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray | None
    clusters: np.ndarray
    member: np.ndarray


def sample(
    *,
    outcome: str = "y",
    treatment: str = "z",
    weighted: bool = False,
    adjust: str = "none",
    strata: bool = False,
    covariates: tuple[str, ...] = ("x1", "x2"),
    domain: np.ndarray | None = None,
) -> Sample:
    """Build the regression that the R script fits under the same words."""
    y = column(outcome)
    member = ~np.isnan(y) if domain is None else domain & ~np.isnan(y)
    weights = column("w")[member] if weighted else None
    z = column(treatment)[member]
    parts = [] if adjust == "none" else [column(name)[member] for name in covariates]
    interact = adjust == "lin" or (adjust == "none" and strata)
    if strata:
        parts.append(column("stratum")[member])
    columns = [dummies(part) if part.dtype.kind == "U" else part[:, None] for part in parts]
    x = np.hstack(columns) if columns else np.zeros((z.size, 0))
    if interact:
        x = x - np.average(x, axis=0, weights=weights)
        x = np.hstack([x, z[:, None] * x])
    return Sample(
        X=np.hstack([np.ones((z.size, 1)), z[:, None], x]),
        Y=y[member][:, None],
        weights=weights,
        clusters=codes(column("cluster")[member]),
        member=member,
    )


def assert_row(case: str, *, estimate: float, variance: float, df: float) -> None:
    """Estimate, SE, df, p value and both limits against the frozen figures of a case."""
    se = float(np.sqrt(variance))
    half = float(stats.t.ppf(0.975, df)) * se
    row = {
        "estimate": estimate,
        "std_error": se,
        "df": df,
        "p_value": float(2.0 * stats.t.sf(abs(estimate) / se, df)),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }
    for name, reference in expected()[case].items():
        error = abs(row[name] - reference)
        assert error <= TOLERANCE * max(1.0, abs(reference)), f"{case}: {name} {row[name]!r} is not {reference!r}"


def by_cluster(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Totals of the last axis by cluster code."""
    totals = np.zeros((*values.shape[:-1], int(clusters.max()) + 1))
    np.add.at(totals, (..., clusters), values)
    return totals
