"""Size of the EQ-5D profile's tests: answers before and after are exchangeable, so the true change is zero."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import impactkit as ik

SEED = 20_261_123
REPLICATIONS = 2000
BAND = 3 * float(np.sqrt(0.05 * 0.95 / REPLICATIONS))
DIGITS = np.array([10_000, 1_000, 100, 10, 1])
PROFILE = ik.Eq5dProfile(name="health", before="before", after="after", value_set="uk_5l_2026")


def drawn(rng: np.random.Generator, n: int, groups: int = 0) -> pd.DataFrame:
    """Give people whose two profiles come from one distribution, with a pull of their cluster at each time."""
    ill = rng.normal(0.7, 0.8, (n, 1))
    code = np.arange(n) % groups if groups else np.arange(n)
    sides = []
    for _ in range(2):
        pull = rng.normal(0, 0.4, groups)[code][:, None] if groups else 0.0
        sides.append(np.clip(np.round(1.4 + ill + pull + rng.normal(0, 0.8, (n, 5))), 1, 5).astype(int) @ DIGITS)
    arm = rng.permutation(np.where(np.arange(n) % 2, "IPS", "usual"))
    return pd.DataFrame({"id": np.arange(n), "practice": code, "arm": arm, "before": sides[0], "after": sides[1]})


GROUP = ik.BeforeAfterDesign(unit="id", before="before", after="after")
TRIAL = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual")
CASES: dict[str, tuple[ik.BeforeAfterDesign | ik.TrialDesign, int, dict[str, tuple[str, str, str, float, float]]]] = {
    "150 people": (
        GROUP,
        0,
        {
            "change of a share": ("mobility", "change", "change", 0.05 - BAND, 0.05 + BAND),
            "McNemar": ("mobility", "change", "mcnemar", 0.05 - BAND, 0.05 + BAND),
            "McNemar exact": ("mobility", "change", "mcnemar_exact", 0.01, 0.05 + BAND),  # conservative by nature
            "index": ("EQ-5D index", "change", "change", 0.05 - BAND, 0.05 + BAND),
        },
    ),
    "150 people in 15 practices": (
        GROUP.replace(clusters="practice"),
        15,
        {
            "change of a share": ("mobility", "change", "change", 0.05 - BAND, 0.05 + BAND),
            "index": ("EQ-5D index", "change", "change", 0.05 - BAND, 0.05 + BAND),
        },
    ),
    "a trial of 150": (
        TRIAL,
        0,
        {
            "adjusted share": ("mobility", "IPS", "difference", 0.05 - BAND, 0.05 + BAND),
            "adjusted index": ("EQ-5D index", "IPS", "difference", 0.05 - BAND, 0.05 + BAND),
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_five_per_cent_is_five_per_cent(name: str) -> None:
    design, groups, watched = CASES[name]
    rng = np.random.default_rng(SEED)
    rejected = dict.fromkeys(watched, 0)
    for _ in range(REPLICATIONS):
        rows = ik.Evaluation(design, drawn(rng, 150, groups), [PROFILE]).fit(seed=1, strict=True).estimates
        for label, (outcome, term, measure, *_limits) in watched.items():
            place = rows.find(outcome=outcome, term=term, measure=measure)
            rejected[label] += bool(rows.numbers["p_value"][place] < 0.05)
    found = {label: count / REPLICATIONS for label, count in rejected.items()}
    print(name, found)
    assert all(low <= found[label] <= high for label, (_, _, _, low, high) in watched.items()), found
