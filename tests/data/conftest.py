"""A small trial that fits its design, for tests that then break one thing."""

import numpy as np
import pandas as pd
import pytest

from impactkit.design import Outcome, Population, TrialDesign


@pytest.fixture
def people() -> pd.DataFrame:
    """Give 24 people in two sites and six clusters; three have no health answer."""
    n = 24
    rng = np.random.default_rng(20)
    health = rng.normal(size=n).round(3)
    health[[2, 9, 17]] = np.nan
    weights = rng.uniform(0.5, 2.0, size=n).round(3)
    weights[[2, 9]] = np.nan
    return pd.DataFrame(
        {
            "person_id": [f"p{row:03d}" for row in range(n)],
            "arm": ["IPS", "usual"] * (n // 2),
            "site": ["SCR"] * 12 + ["WMCA"] * 12,
            "group": ["OOW"] * 6 + ["IW"] * 6 + ["OOW"] * 6 + ["IW"] * 6,
            "practice": [f"g{row // 4}" for row in range(n)],
            "worked": rng.integers(0, 2, size=n),
            "health": health,
            "w_12m": weights,
            "weeks_off": rng.integers(0, 30, size=n).astype(float),
            "age": rng.integers(18, 65, size=n),
            "woman": rng.integers(0, 2, size=n).astype(bool),
            "mobility": rng.integers(1, 6, size=n),
        }
    )


@pytest.fixture
def design() -> TrialDesign:
    """Give the design that fits the people."""
    return TrialDesign(
        unit="person_id",
        arm="arm",
        treated="IPS",
        control="usual",
        strata=("site",),
        clusters="practice",
        outcomes=(
            Outcome(name="employment", column="worked", kind="binary"),
            Outcome(name="health", kind="index", weights="w_12m"),
            Outcome(name="absence", column="weeks_off", kind="duration", unit="weeks"),
        ),
        populations=(
            Population(name="SCR OOW", where=(("site", "SCR"), ("group", "OOW"))),
            Population(name="All OOW", where=(("group", "OOW"),)),
        ),
    )
