"""A made-up trial of 192 people with everything a design may declare, and the designs that declare it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import impactkit as ik

TIDY = [
    "analysis", "outcome", "population", "term", "measure", "unit", "estimate", "std_error", "conf_low", "conf_high",
    "statistic", "p_value", "df", "n",
]  # fmt: skip
GLANCE = [
    "analysis", "outcome", "population", "kind", "estimand", "method", "inference", "evidence", "n_assigned",
    "n_analysed", "n_treated", "n_control", "n_missing_outcome", "n_missing_covariates", "n_not_eligible",
    "n_zero_weight", "n_dropped_strata", "clusters", "missing_rule", "weights", "effective_n", "conf_level",
    "design_df", "seed", "data_hash", "version", "independence_assumed",
]  # fmt: skip
NOTES = ["analysis", "outcome", "population", "term", "column", "reason"]
ADJUSTED = ["analysis", "outcome", "population", "term", "family", "method", "p_value", "p_adjusted"]

POPULATIONS = (
    ik.Population(name="out of work", where=(("group", "OOW"),)),
    ik.Population(name="out of work or sick", where=(("group", ("OOW", "sick")),)),
)
"""The second holds the first: joint uncertainty has to see that they share people."""

FEATURES: dict[str, dict[str, Any]] = {
    "strata": {"strata": ("site",)},
    "clusters": {"clusters": "practice"},
    "weights": {"weights": "w"},
    "populations": {"populations": POPULATIONS},
}


def people(n: int = 192, seed: int = 20) -> pd.DataFrame:
    """Give people in two sites of unequal allocation and 16 practices; a fifth have no health answer."""
    rng = np.random.default_rng(seed)
    practice = np.arange(n) % 16
    site = np.where(practice < 6, "north", "south")
    treated = rng.random(n) < np.where(site == "north", 0.4, 0.6)
    age = rng.integers(18, 65, n)
    pull = rng.normal(size=16)[practice]
    well = 0.5 + 0.1 * treated - 0.004 * age + 0.1 * pull + rng.normal(scale=0.2, size=n)
    health = np.where(rng.random(n) < 0.2, np.nan, well.round(3))
    weeks = np.round(12 + 2.5 * treated + 2 * (site == "south") + pull + rng.normal(scale=3, size=n), 1)
    return pd.DataFrame(
        {
            "id": [f"p{row:03d}" for row in range(n)],
            "arm": np.where(treated, "IPS", "usual"),
            "site": site,
            "practice": [f"g{code:02d}" for code in practice],
            "group": rng.choice(["OOW", "sick", "IW"], n),
            "sex": rng.choice(["man", "woman"], n),
            "age": age,
            "worked": (rng.random(n) < 0.3 + 0.2 * treated + 0.1 * (site == "south")).astype(int),
            "trained": rng.integers(0, 2, n),
            "health": health,
            "weeks": np.abs(weeks),
            "w": rng.uniform(0.5, 3, n).round(3),
            "w_health": np.where(np.isnan(health), np.nan, rng.uniform(0.5, 3, n).round(3)),
            "enrolled": np.where(treated, np.arange(n) % 4 > 0, np.arange(n) % 9 == 0).astype(int),
            "twice": rng.integers(1, 3, n),
            "earned": np.where(rng.random(n) < 0.3, 0.0, rng.lognormal(9 + 0.2 * treated, 0.6, n).round()),
            **_exits(rng, treated, site),
            "stopped": (rng.random(n) < 0.8).astype(int),
            "joined": np.minimum(np.abs(weeks), rng.integers(0, 4, n)),
            **_eq5d(rng, treated),
        }
    )


def _exits(rng: np.random.Generator, treated: np.ndarray, site: np.ndarray) -> dict[str, np.ndarray]:
    """Give whole weeks off work until an exit or the last contact, and which exit it was."""
    n = treated.size
    times = np.column_stack(
        [
            rng.uniform(20, 60, n),
            rng.exponential(30 - 8 * treated + 4 * (site == "south")),
            rng.exponential(80, n),
        ]
    )
    return {
        "weeks_off": np.ceil(times.min(axis=1)),
        "exit": np.array([None, "work", "job loss"], dtype=object)[times.argmin(axis=1)],
    }


def _eq5d(rng: np.random.Generator, treated: np.ndarray) -> dict[str, np.ndarray]:
    """Give EQ-5D-5L profiles at entry and a year later, and the levels of the latter; a sixth are not followed up."""
    n = treated.size
    ill = rng.normal(0.5, 0.8, n)
    before, after = (
        np.clip(np.round(1.5 + (ill - 0.3 * year * treated)[:, None] + rng.normal(0, 0.9, (n, 5))), 1, 5).astype(int)
        for year in (0, 1)
    )
    digits = np.array([10_000, 1_000, 100, 10, 1])
    followed = rng.random(n) > 1 / 6
    levels = np.where(followed[:, None], after, np.nan)
    names = ("mobility", "self_care", "activities", "pain", "anxiety")
    return {
        "profile_0m": before @ digits,
        "profile_12m": levels @ digits,
        **{name: levels[:, place] for place, name in enumerate(names)},
    }


def design(*features: str, **options: Any) -> ik.TrialDesign:
    """Give the trial's design, declaring the named features."""
    declared = {key: value for feature in features for key, value in FEATURES[feature].items()}
    base = ik.TrialDesign(
        unit="id",
        arm="arm",
        treated="IPS",
        control="usual",
        receipt="enrolled",
        outcomes=(
            ik.Outcome(name="worked", kind="binary"),
            ik.Outcome(name="trained", kind="binary"),
            ik.Outcome(name="health", kind="index"),
            ik.Outcome(name="weeks", kind="duration", unit="weeks"),
            ik.Outcome(name="earned", kind="money"),
        ),
    )
    return base.replace(**{**declared, **options})


def pounds(amount: float, unit: str = "GBP per client", price_year: int | str = "as printed") -> ik.Money:
    return ik.Money(amount, unit=unit, price_year=price_year, source="made up")


def unexplained(tidy: pd.DataFrame, notes: pd.DataFrame) -> list[str]:
    """List the missing numbers without a reason.

    A reason is a note on the row (an empty outcome, population or term stands for all) and on the column or on one
    that it is made from. Two kinds of gap need none: the p value of a description, whose measure has no value of
    "no effect", and the estimate, error and limits of a test row beyond one remark on the row.
    """
    made_from = {
        "estimate": {"estimate"},
        "std_error": {"estimate", "std_error"},
        "conf_low": {"estimate", "std_error", "conf_low", "conf_high"},
        "conf_high": {"estimate", "std_error", "conf_low", "conf_high"},
        "p_value": {"estimate", "std_error", "p_value"},
    }
    gaps = []
    for row in tidy.to_dict("records"):
        measure = ik.results.measure(row["measure"])
        about = [
            note
            for note in notes.to_dict("records")
            if note["analysis"] == row["analysis"]
            and all(note[name] in ("", row[name]) for name in ("outcome", "population", "term"))
        ]
        for column, enough in made_from.items():
            if not np.isnan(row[column]):
                continue
            if column == "p_value" and np.isnan(measure.null) and not measure.is_test:
                continue
            if measure.is_test and column != "p_value":
                said = any(note["term"] == row["term"] for note in about)
            else:
                said = any(note["column"] in enough and note["reason"] for note in about)
            if not said:
                gaps.append(f"{column} of {' / '.join(str(row[name]) for name in TIDY[:5])}")
    return gaps
