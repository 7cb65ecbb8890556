"""Simulations: coverage of subgroup contrasts, size of their joint test, coverage of median differences (make slow)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import impactkit as ik

pytestmark = pytest.mark.slow

R = 2000
MC = 3.0  # a pass is nominal within this many Monte Carlo standard errors, unless a wider band is given with its reason
GAP = 0.3  # true difference between levels


def _print(title: str, found: dict[str, float], error: float, **about: Any) -> None:
    said = ", ".join(f"{name} {value}" for name, value in about.items())
    print(
        f"{title}: {said}, R {R}, MC SE {error:.4f}: " + ", ".join(f"{key} {value:.4f}" for key, value in found.items())
    )


def _people(rng: np.random.Generator, kind: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Give one trial of a kind: blocked, clustered, or a 46% survey with weights."""
    n = {"blocked": 240, "clustered": 320, "survey": 520}[kind]
    block = np.arange(n) % 4
    level = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    practice = np.arange(n) % 32
    if kind == "clustered":
        z = rng.permutation(32)[practice] % 2
    else:
        z = np.zeros(n, dtype=int)
        for place in range(4):
            inside = block == place
            z[inside] = rng.permutation(int(inside.sum())) < inside.sum() // 2
    pull = 0.5 * rng.normal(size=32)[practice] if kind == "clustered" else 0.0
    y = 0.2 * z + GAP * z * (level == "b") + 0.3 * block + pull + rng.normal(size=n) * (1 + 0.5 * z)
    flat = 0.2 * z + 0.3 * block + pull + rng.normal(size=n) * (1 + 0.5 * z)
    frame = pd.DataFrame(
        {"id": range(n), "z": z, "block": block, "practice": practice, "g": level, "y": y, "flat": flat}
    )
    options: dict[str, Any] = {"strata": ("block",)}
    if kind == "clustered":
        options = {"clusters": "practice"}
    if kind == "survey":
        chance = stats.norm.cdf(-0.11 + 0.3 * block / 3 + 0.4 * (level == "a") - 0.25)
        answers = rng.random(n) < chance
        frame.loc[~answers, ["y", "flat"]] = np.nan
        frame["w"] = 1 / chance
        options |= {"weights": "w"}
    return frame, options


@pytest.mark.parametrize("kind", ["blocked", "clustered", "survey"])
def test_contrasts_cover_and_the_joint_test_has_its_size(kind: str) -> None:
    rng = np.random.default_rng(20_001)
    covered, rejected, done = 0, 0, 0
    adjusting = {"covariates": ("block",), "adjustment": "ancova"} if kind == "clustered" else {}
    for _ in range(R):
        frame, options = _people(rng, kind)
        design = ik.TrialDesign(unit="id", arm="z", treated=1, control=0, **options)
        asked = ik.Subgroups(name="s", outcome=("y", "flat"), by="g", **adjusting)
        rows = ik.Evaluation(design, frame, [asked]).fit(seed=1, strict=True).tidy()
        contrast = rows[(rows["outcome"] == "y") & (rows["term"] == "g: b − a")].iloc[0]
        joint = rows[(rows["outcome"] == "flat") & (rows["measure"] == "wald_f")]
        if not np.isfinite(contrast["conf_low"]) or not len(joint):
            continue  # a block lacks an arm within a level: a row with its reason, and no interval
        done += 1
        covered += contrast["conf_low"] <= GAP <= contrast["conf_high"]
        rejected += joint["p_value"].iloc[0] < 0.05
    error = np.sqrt(0.05 * 0.95 / done)
    _print(f"subgroups, {kind}", {"coverage": covered / done, "size of joint test": rejected / done}, error, done=done)
    # Where a block lacks an arm within a level there is no row to judge: 5% of the surveys' 520 people, 46% answering.
    assert done > 0.94 * R
    assert abs(covered / done - 0.95) <= MC * error
    assert abs(rejected / done - 0.05) <= MC * error


ZERO = 0.25
UPLIFT = 0.25


def _median(shift: float) -> float:
    """Median of a quarter of zeros and a lognormal of spread 0.7."""
    return float(np.exp(9 + shift + 0.7 * stats.norm.ppf((0.5 - ZERO) / (1 - ZERO))))


@pytest.mark.parametrize("kind", ["plain", "weighted", "clustered"])
def test_median_differences_cover(kind: str) -> None:
    rng = np.random.default_rng(20_002)
    truth = _median(UPLIFT) - _median(0.0)
    found: list[tuple[float, float, float]] = []
    n = {"plain": 400, "weighted": 800, "clustered": 600}[kind]
    for _ in range(R):
        z = np.arange(n) % 2
        options: dict[str, Any] = {}
        noise = 0.7 * rng.normal(size=n)
        frame = pd.DataFrame({"id": range(n), "z": z})
        if kind == "clustered":
            practice = np.arange(n) % 40
            z = (rng.permutation(40) % 2)[practice]
            noise = 0.7 * (np.sqrt(0.1) * rng.normal(size=40)[practice] + np.sqrt(0.9) * rng.normal(size=n))
            frame = frame.assign(z=z, practice=practice)
            options = {"clusters": "practice"}
        pay = np.where(rng.random(n) < ZERO, 0.0, np.exp(9 + UPLIFT * z + noise))
        if kind == "weighted":
            # those with more pay answer more often, in the same way in both arms
            chance = stats.norm.cdf(-0.1 + 0.5 * noise)
            pay = np.where(rng.random(n) < chance, pay, np.nan)
            frame = frame.assign(w=1 / chance)
            options = {"weights": "w"}
        design = ik.TrialDesign(
            unit="id", arm="z", treated=1, control=0, outcomes=(ik.Outcome(name="pay", kind="money"),), **options
        )
        asked = ik.MoneyOutcome(name="m", outcome="pay", top_code=0.99)
        rows = ik.Evaluation(design, frame.assign(pay=pay), [asked]).fit(seed=1, strict=True).tidy()
        row = rows[(rows["outcome"] == "pay (sensitivity: median)") & (rows["term"] == "1")].iloc[0]
        found.append((row["estimate"], row["std_error"], float(row["conf_low"] <= truth <= row["conf_high"])))
    estimate, error, covered = np.array(found).T
    mc = np.sqrt(0.05 * 0.95 / R)
    _print(
        f"median difference, {kind}",
        {
            "coverage": covered.mean(),
            "mean SE over SD of estimates": error.mean() / estimate.std(ddof=1),
            "bias": estimate.mean() - truth,
        },
        mc,
        n=n,
        truth=round(truth),
    )
    assert abs(covered.mean() - 0.95) <= MC * mc
