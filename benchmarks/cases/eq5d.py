"""EQ-5D-5L: a million profiles from a data frame, checked and scored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.harness import Answer, Case, Floats, Way
from impactkit.econ import load_value_set, score_eq5d

LEVELS = ["mobility", "self_care", "usual_activities", "pain_discomfort", "anxiety_depression"]
SET = "uk_5l_2026"
PLACES = np.array([625, 125, 25, 5, 1])
DIGITS = np.array([10_000, 1_000, 100, 10, 1])


def people(size: int, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.integers(1, 6, size) for name in LEVELS})
    profile = frame[LEVELS].to_numpy() @ DIGITS
    return frame.assign(profile=profile, text=profile.astype(str))


def index_and_take(frame: pd.DataFrame, table: Floats) -> Floats:
    """The least work that still checks what it is given: whole levels, none missing, all from 1 to 5."""
    levels = frame[LEVELS].to_numpy()
    if levels.dtype.kind not in "iu":
        raise TypeError("levels are whole numbers")
    if not ((levels >= 1) & (levels <= 5)).all():
        raise ValueError("levels run from 1 to 5")
    index: Floats = table[(levels - 1) @ PLACES]
    return index


def merge(frame: pd.DataFrame, lookup: pd.DataFrame) -> Floats:
    return np.asarray(frame[LEVELS].merge(lookup, on=LEVELS, how="left")["index"], dtype=np.float64)


def apply(frame: pd.DataFrame, known: dict[tuple[int, ...], float]) -> Floats:
    return np.asarray(frame[LEVELS].apply(lambda row: known[tuple(row)], axis=1), dtype=np.float64)


def mapped(frame: pd.DataFrame, known: dict[str, float]) -> Floats:
    return np.asarray(frame["text"].map(known), dtype=np.float64)


def case(size: int = 1_000_000) -> Case:
    frame, tariff = people(size), load_value_set(SET)
    lookup = pd.DataFrame([list(map(int, name)) for name in tariff.profiles], columns=LEVELS).assign(
        index=tariff.values
    )
    by_levels = {tuple(map(int, name)): value for name, value in zip(tariff.profiles, tariff.values, strict=True)}
    by_text = dict(zip(tariff.profiles, tariff.values, strict=True))
    states = (frame[LEVELS].to_numpy() - 1) @ PLACES

    def answer(index: Floats) -> Answer:
        return index, None

    return Case(
        title=f"EQ-5D-5L index of {size:,} profiles in a data frame",
        ways=[
            Way("checked index and take", lambda: index_and_take(frame, tariff.values), answer),
            Way("take alone", lambda: tariff.values[states], answer),
            Way("impactkit levels", lambda: score_eq5d(frame, SET, levels=LEVELS).index, answer, aim=1.2),
            Way("impactkit numbers", lambda: score_eq5d(frame, SET, profile="profile").index, answer, aim=1.2),
            Way("impactkit text", lambda: score_eq5d(frame, SET, profile="text").index, answer),
            Way("pandas map of text", lambda: mapped(frame, by_text), answer),
            Way("pandas merge", lambda: merge(frame, lookup), answer),
            Way("pandas apply", lambda: apply(frame, by_levels), answer),
        ],
        beside="checked index and take",
        remarks=[
            "take alone: positions are there already and nothing is checked",
            "impactkit counts missing and impossible answers and looks for three-level answers as well",
        ],
        compares="index values",
    )
