"""Coverage of marginal percentage points, risk ratios and odds ratios, with and without covariates.

Each test prints its table: n, clusters, response, R and the Monte Carlo standard error. Truths are those of the
population that people are drawn from, by averaging over two million draws of the covariates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import impactkit as ik

SEED = 20_260_802
R = 2000
LEVEL = 0.95
MEASURES = ("difference", "risk_ratio", "odds_ratio")

# Satterthwaite's t with twenty unequal clusters is an approximation; the literature finds it within about a point.
FEW_CLUSTERS = (0.93, 0.97)


def expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@dataclass(frozen=True)
class World:
    """Chances of the outcome by arm, who is drawn and how they are allocated."""

    name: str
    declared: dict[str, object]
    draw: Callable[[np.random.Generator, int], dict[str, np.ndarray]]
    chance: Callable[[dict[str, np.ndarray], int], np.ndarray]
    n: int
    clusters: str = "none"
    response: str = "100%"
    band: tuple[float, float] | None = None

    def truth(self) -> dict[str, float]:
        people = self.draw(np.random.default_rng(SEED), 2_000_000)
        share = people.get("mass", np.ones(len(people["x"])))
        one, zero = (float(np.average(self.chance(people, arm), weights=share)) for arm in (1, 0))
        odds = one / (1 - one) / (zero / (1 - zero))
        return {"difference": one - zero, "risk_ratio": one / zero, "odds_ratio": odds}


BLOCKS = np.repeat(np.arange(4), (60, 80, 100, 160))
SHARES = np.array([0.4, 0.25, 0.5, 0.6])
CLUSTER_SIZES = np.round(np.linspace(8, 40, 20)).astype(int)


def _blocked(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    reps = int(np.ceil(n / len(BLOCKS)))
    block = np.tile(BLOCKS, reps)
    return {"x": rng.normal(size=len(block)) + 0.3 * block, "block": block}


def _allocate_in_blocks(rng: np.random.Generator, people: dict[str, np.ndarray]) -> np.ndarray:
    z = np.zeros(len(people["block"]), dtype=int)
    for block, share in enumerate(SHARES):
        place = np.flatnonzero(people["block"] == block)
        z[rng.permutation(place)[: round(share * len(place))]] = 1
    return z


def _clustered(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    reps = int(np.ceil(n / CLUSTER_SIZES.sum()))
    sizes = np.tile(CLUSTER_SIZES, reps)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    shared = 0.4 * rng.normal(size=len(sizes))[cluster]
    return {"x": rng.normal(size=len(cluster)) + shared, "u": shared, "cluster": cluster}


def _individual(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {"x": rng.normal(size=n)}


def _strong(people: dict[str, np.ndarray], arm: int) -> np.ndarray:
    return expit(-0.8 + 1.2 * people["x"] + arm * (0.7 - 0.3 * people["x"]))


def _blocks_chance(people: dict[str, np.ndarray], arm: int) -> np.ndarray:
    return expit(-0.7 + 0.9 * people["x"] + 0.2 * people["block"] + 0.6 * arm)


def _clusters_chance(people: dict[str, np.ndarray], arm: int) -> np.ndarray:
    return expit(-0.5 + 0.8 * people["x"] + 0.6 * people["u"] + 0.5 * arm)


WORLDS = (
    World("individual", {}, _individual, _strong, n=300),
    World("blocked, 25% to 60% treated", {"strata": "block"}, _blocked, _blocks_chance, n=400),
    World(
        "clusters allocated",
        {"clusters": "cluster"},
        _clustered,
        _clusters_chance,
        n=int(CLUSTER_SIZES.sum()),
        clusters="20 of 8 to 40",
        band=FEW_CLUSTERS,
    ),
    World("46% respond, weighted", {"weights": "w"}, _individual, _strong, n=900, response="46%"),
)


def _trial(world: World, rng: np.random.Generator) -> pd.DataFrame:
    people = world.draw(rng, world.n)
    count = len(people["x"])
    if "block" in people:
        z = _allocate_in_blocks(rng, people)
    elif "cluster" in people:
        z = (rng.permutation(len(CLUSTER_SIZES)) % 2)[people["cluster"]]
    else:
        z = rng.permutation(np.arange(count) % 2)
    y = (rng.random(count) < np.where(z == 1, world.chance(people, 1), world.chance(people, 0))).astype(float)
    w = np.ones(count)
    if world.response != "100%":
        answering = expit(-0.2 + 0.5 * people["x"] + 0.1 * z)
        y[rng.random(count) > answering] = np.nan
        w = 1 / answering
    kept = {name: values for name, values in people.items() if name != "u"}
    return pd.DataFrame({"person": np.arange(count), "z": z, "y": y, "w": w, **kept})


ANALYSES = (
    ik.BinaryEffect(name="no covariates", outcome="y"),
    ik.BinaryEffect(name="logistic, one slope", outcome="y", covariates=("x",)),
    ik.BinaryEffect(name="logistic, slopes by arm", outcome="y", covariates=("x",), adjustment="lin"),
)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_coverage(world: World) -> None:
    design = ik.TrialDesign(
        unit="person", arm="z", treated=1, control=0, outcomes=(ik.Outcome(name="y", kind="binary"),), **world.declared
    )
    truth, rng = world.truth(), np.random.default_rng([SEED, len(world.name)])
    found = np.full((len(ANALYSES), len(MEASURES), 4, R), np.nan)
    for turn in range(R):
        estimates = ik.Evaluation(design, _trial(world, rng), ANALYSES).fit(seed=1, strict=True).estimates
        for a, analysis in enumerate(ANALYSES):
            for m, measure in enumerate(MEASURES):
                place = estimates.find(analysis=analysis.name, term="1", measure=measure)
                found[a, m, :, turn] = [
                    estimates.working[place],
                    estimates.working_se[place],
                    estimates.numbers["conf_low"][place],
                    estimates.numbers["conf_high"][place],
                ]
    assert np.isfinite(found).all(), "a row is missing"
    monte_carlo = np.sqrt(LEVEL * (1 - LEVEL) / R)
    low, high = world.band or (LEVEL - 3 * monte_carlo, LEVEL + 3 * monte_carlo)
    head = f"{world.name}: n = {world.n}, clusters {world.clusters}, response {world.response}, R = {R:,}"
    print(f"\n{head}, Monte Carlo SE {monte_carlo:.2%}, passes at {low:.1%} to {high:.1%}")
    print("| analysis | measure | truth | bias (working scale) | SE / SD | coverage |\n|---|---|---|---|---|---|")
    failures = []
    for a, analysis in enumerate(ANALYSES):
        for m, measure in enumerate(MEASURES):
            estimate, error, lower, upper = found[a, m]
            target = truth[measure]
            working = target if measure == "difference" else np.log(target)
            covered = float(((lower <= target) & (target <= upper)).mean())
            line = f"| {analysis.name} | {measure} | {target:.3f} | {estimate.mean() - working:+.4f} "
            print(f"{line}| {error.mean() / estimate.std(ddof=1):.3f} | {covered:.1%} |")
            if not low <= covered <= high:
                failures.append(f"{analysis.name}, {measure}: {covered:.1%}")
    assert not failures
