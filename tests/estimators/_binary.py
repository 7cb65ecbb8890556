"""Binary outcomes of the synthetic trial in tests/reference/linear, read through the public road."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from _trial import design, people

import impactkit as ik

MEASURES = ("difference", "risk_ratio", "odds_ratio")


def fit(trial: ik.design.Design, *analyses: Any, frame: pd.DataFrame | None = None) -> ik.EvaluationResult:
    """Fit on the synthetic trial; a failed analysis fails the test."""
    return ik.Evaluation(trial, people() if frame is None else frame, analyses).fit(seed=1, strict=True)


def effect(trial: ik.design.Design, *, frame: pd.DataFrame | None = None, **options: Any) -> ik.EvaluationResult:
    """Fit one BinaryEffect."""
    return fit(trial, ik.BinaryEffect(**{"name": "b", "outcome": "y2", **options}), frame=frame)


def odds(trial: ik.design.Design, *, frame: pd.DataFrame | None = None, **options: Any) -> ik.EvaluationResult:
    """Fit one OddsRatios with the covariates of the reference."""
    given = {"covariates": ("x1", "x2", "z"), "reference": (("x2", "low"), ("z", 0)), **options}
    return fit(trial, ik.OddsRatios(**{"name": "o", "outcome": "y2", **given}), frame=frame)


def clients(**columns: Any) -> pd.DataFrame:
    """Give people with ids."""
    frame = pd.DataFrame(columns)
    return frame.assign(person=range(len(frame)))


__all__ = ["MEASURES", "clients", "design", "effect", "fit", "odds", "people"]
