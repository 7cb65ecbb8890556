"""Power by formula beside power by simulation, with impactkit's own IntentToTreat as the test that rejects or not.

``make slow`` prints one line for each design. R is 4,000 for each, and Monte Carlo error alone is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.inference import PowerDesign

R = 4_000
MCSE_ALLOWED = 3.0


@dataclass(frozen=True)
class Case:
    plan: PowerDesign
    draw: Callable[[np.random.Generator, PowerDesign], pd.DataFrame]


def shuffled(rng: np.random.Generator, units: int, share: float) -> np.ndarray:
    arm = np.zeros(units, dtype=int)
    arm[: int(np.floor(units * share + 0.5))] = 1
    return rng.permutation(arm)


def outcome(
    rng: np.random.Generator, plan: PowerDesign, arm: np.ndarray, base: np.ndarray, noise_sd: float
) -> pd.DataFrame:
    """Draw take-up, outcome and response; the outcome of those who do not answer is missing."""
    takes = rng.random(len(arm)) < np.where(arm == 1, plan.take_up, plan.control_take_up)
    assert plan.effect is not None
    if plan.control_rate is None:
        values = base + noise_sd * rng.standard_normal(len(arm)) + plan.effect * takes
    else:
        values = (rng.random(len(arm)) < plan.control_rate + base + plan.effect * takes).astype(float)
    control = plan.response if plan.response_control is None else plan.response_control
    answers = rng.random(len(arm)) < np.where(arm == 1, plan.response, control)
    return pd.DataFrame({"id": np.arange(len(arm)), "arm": arm, "y": np.where(answers, values, np.nan)})


def individual(rng: np.random.Generator, plan: PowerDesign) -> pd.DataFrame:
    assert plan.n is not None
    arm = shuffled(rng, plan.n, plan.allocation)
    return outcome(rng, plan, arm, np.zeros(plan.n), plan.sd or 1.0)  # take-up widens the treated arm to sd_treated


def blocked(rng: np.random.Generator, plan: PowerDesign) -> pd.DataFrame:
    """Block means carry the share r2 of the variance, the same in each replication."""
    assert plan.n is not None
    each = plan.n // plan.blocks
    block = np.repeat(np.arange(plan.blocks), each)
    arm = np.concatenate([shuffled(rng, each, plan.allocation) for _ in range(plan.blocks)])
    steps = np.linspace(-1.0, 1.0, plan.blocks)
    base = (steps / steps.std() * np.sqrt(plan.r2))[block]
    return outcome(rng, plan, arm, base, np.sqrt(1 - plan.r2)).assign(block=block)


def clustered(rng: np.random.Generator, plan: PowerDesign) -> pd.DataFrame:
    sizes = plan.cluster_sizes or (int(plan.cluster_size or 0),) * (plan.clusters or 0)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    arm = shuffled(rng, len(sizes), plan.allocation)[cluster]
    base = np.sqrt(plan.icc) * rng.standard_normal(len(sizes))[cluster]
    return outcome(rng, plan, arm, base, np.sqrt(1 - plan.icc)).assign(cluster=cluster)


UNEQUAL = tuple(int(size) for size in np.tile([10, 15, 20, 30, 50, 80], 8))  # 48 clusters, cv 0.71

CASES = {
    "individual, 30 people": Case(PowerDesign(name="a", n=30, effect=1.0), individual),
    "individual, 1:2, rates": Case(
        PowerDesign(name="b", n=900, allocation=1 / 3, control_rate=0.2, effect=0.09), individual
    ),
    "individual, 55% response, 60% take-up": Case(
        PowerDesign(
            name="c", n=1_000, sd=1.0, sd_treated=(1 + 0.4**2 * 0.24) ** 0.5, effect=0.4, take_up=0.6, response=0.55
        ),
        individual,
    ),
    "individual, rates, response 55% and 46%, 60% take-up": Case(
        PowerDesign(
            name="d", n=2_400, control_rate=0.3, effect=0.12, take_up=0.6, response=0.55, response_control=0.46
        ),
        individual,
    ),
    "blocked, 20 blocks of 12, R² 0.4": Case(PowerDesign(name="e", n=240, blocks=20, r2=0.4, effect=0.28), blocked),
    "clustered, 20 of 25, ICC 0.05": Case(
        PowerDesign(name="f", clusters=20, cluster_size=25, icc=0.05, effect=0.38), clustered
    ),
    "clustered, 60 of 25, ICC 0.05, 55% response, 60% take-up": Case(
        PowerDesign(name="g", clusters=60, cluster_size=25, icc=0.05, effect=0.42, response=0.55, take_up=0.6),
        clustered,
    ),
    "clustered, 48 unequal, ICC 0.05": Case(
        PowerDesign(name="h", cluster_sizes=UNEQUAL, icc=0.05, effect=0.27), clustered
    ),
    "clustered, 48 unequal, ICC 0.05, 55% response, 60% take-up": Case(
        PowerDesign(name="i", cluster_sizes=UNEQUAL, icc=0.05, effect=0.50, response=0.55, take_up=0.6),
        clustered,
    ),
    "clustered, 10 against 30 of 20, ICC 0.1": Case(
        PowerDesign(name="j", clusters=40, cluster_size=20, allocation=0.25, icc=0.1, effect=0.45),
        clustered,
    ),
}


def simulated(case: Case) -> float:
    columns = {"blocked": {"strata": ("block",)}, "clustered": {"clusters": "cluster"}}.get(case.draw.__name__, {})
    design = ik.TrialDesign(
        unit="id", arm="arm", treated=1, control=0, outcomes=(ik.Outcome(name="y", kind="continuous"),), **columns
    )
    rng = np.random.default_rng(20_250_101)
    rejected = 0
    for _ in range(R):
        people = case.draw(rng, case.plan)
        result = ik.Evaluation(design, people, [ik.IntentToTreat(name="itt", outcome="y")]).fit()
        rejected += float(result.estimates.numbers["p_value"][0]) < case.plan.alpha
    return rejected / R


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_simulated_power_is_the_formula(name: str) -> None:
    case = CASES[name]
    formula = float(case.plan.power())
    found = simulated(case)
    error = float(np.sqrt(formula * (1 - formula) / R))
    allowed = MCSE_ALLOWED * error
    print(
        f"{name}: n {float(case.plan.people()):.0f}, df {float(case.plan.df()):.1f}, formula {formula:.3f}, "
        f"simulated {found:.3f}, difference {found - formula:+.3f}, R {R}, Monte Carlo SE {error:.4f}, "
        f"allowed ±{allowed:.3f}"
    )
    assert abs(found - formula) <= allowed
