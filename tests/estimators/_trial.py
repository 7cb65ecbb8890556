"""The synthetic trial of tests/reference/linear as a frame, read only through the public road."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import impactkit as ik

REFERENCE = Path(__file__).resolve().parents[1] / "reference"

# Absolute or relative to the reference, whichever is larger: the digits R itself can be trusted for.
TOLERANCE = 1e-8

COLUMNS = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")
OUTCOMES = (
    ik.Outcome(name="y", kind="continuous"),
    ik.Outcome(name="y2", kind="binary"),
)


@cache
def people() -> pd.DataFrame:
    """Everybody of trial.csv, with an id."""
    frame = pd.read_csv(REFERENCE / "linear" / "trial.csv")
    return frame.assign(person=range(len(frame)))


@cache
def expected(room: str, file: str = "expected.csv") -> dict[str, dict[str, float]]:
    """Frozen figures by case."""
    with (REFERENCE / room / file).open(encoding="utf-8") as handle:
        return {
            row["case"]: {name: float(value) for name, value in row.items() if name != "case"}
            for row in csv.DictReader(handle)
        }


def design(
    *, arm: str = "z", weighted: bool = False, clustered: bool = False, strata: bool = False, **options: Any
) -> ik.TrialDesign:
    """Give the trial's design, with what the case declares."""
    named = {"treated": 1, "control": 0} if arm != "arm" else {"treated": ("B", "C"), "control": "A"}
    return ik.TrialDesign(
        **{
            "unit": "person",
            "arm": arm,
            **named,
            "strata": ("stratum",) if strata else (),
            "clusters": "cluster" if clustered else None,
            "weights": "w" if weighted else None,
            "outcomes": OUTCOMES,
            **options,
        }
    )


def adjusting(adjustment: str, covariates: tuple[str, ...] = ("x1", "x2")) -> dict[str, Any]:
    """Give the options of an analysis that adjusts that way."""
    return {} if adjustment == "none" else {"adjustment": adjustment, "covariates": covariates}


def fit(
    trial: ik.TrialDesign, frame: pd.DataFrame | None = None, *, outcome: Any = "y", **options: Any
) -> ik.EvaluationResult:
    """Fit one IntentToTreat named "itt"."""
    analysis = ik.IntentToTreat(name="itt", outcome=outcome, **options)
    return ik.Evaluation(trial, people() if frame is None else frame, [analysis]).fit(seed=1, strict=True)


def row(result: ik.EvaluationResult, **wanted: Any) -> dict[str, float]:
    """Give the one row of tidy() that matches."""
    frame = result.tidy()
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, f"{len(frame)} rows match {wanted}"
    found: dict[str, float] = frame.iloc[0].to_dict()
    return found


def assert_row(found: dict[str, float], reference: dict[str, float]) -> None:
    """Compare estimate, SE, df, p value and both limits with frozen figures."""
    for name in COLUMNS:
        error = abs(found[name] - reference[name])
        assert error <= TOLERANCE * max(1.0, abs(reference[name])), (
            f"{name}: {found[name]!r} is not {reference[name]!r}"
        )
