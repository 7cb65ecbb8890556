"""How often a family shows a false finding, through the public road: `make slow` prints the table.

``python tests/simulations/test_family_wise_error.py`` gives it as the Markdown table of docs/families.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik

R = 4000
DRAWS = 499  # (499 + 1) times 5% is whole, so a p value from re-draws can be exactly 5%
LEVEL = 0.05
LOW, HIGH = 0.03, 0.07  # what a family-wise error of 5% must stay within for a step-down method
BORDERS = 3.0  # Monte Carlo standard errors, for the methods that only promise not to exceed 5%

K = 6
NAMES = tuple(f"y{number}" for number in range(K))
FALSE_NULLS = ("y0", "y1")
EFFECT = 0.6  # standard deviations: found nearly always, so the step-down goes on to the true nulls


@dataclass(frozen=True)
class Scenario:
    """One kind of trial."""

    people: int
    correlation: float
    clusters: int = 0
    strata: int = 0
    survey: bool = False
    skewed: bool = False
    redraw: str = "influence"
    partial: bool = False

    def words(self) -> str:
        parts = [f"n={self.people}", f"correlation {self.correlation:g}"]
        parts += [f"{self.clusters} clusters"] if self.clusters else []
        parts += [f"{self.strata} strata"] if self.strata else []
        parts += ["3 of 6 outcomes from a 46% survey, weighted"] if self.survey else []
        parts += ["skewed"] if self.skewed else []
        parts += ["2 of 6 nulls false" if self.partial else "all nulls true", f"re-draws: {self.redraw}"]
        return ", ".join(parts)

    def design(self) -> ik.TrialDesign:
        surveyed = NAMES[K // 2 :] if self.survey else ()
        return ik.TrialDesign(
            unit="person",
            arm="arm",
            treated=1,
            control=0,
            strata=("site",) if self.strata else (),
            clusters="jobcentre" if self.clusters else None,
            outcomes=tuple(
                ik.Outcome(name=name, kind="continuous", weights="weight" if name in surveyed else None)
                for name in NAMES
            ),
            families=(ik.Family(name="main", outcomes=NAMES),),
        )

    def draw(self, rng: np.random.Generator) -> pd.DataFrame:
        n = self.people
        site = rng.integers(0, max(self.strata, 1), n)
        jobcentre = np.arange(n)
        if self.clusters:
            jobcentre = rng.permutation(np.arange(n) % self.clusters)
            arm = rng.permutation(np.arange(self.clusters) % 2)[jobcentre]
        else:
            arm = np.empty(n, dtype=int)
            for stratum in range(max(self.strata, 1)):
                inside = np.flatnonzero(site == stratum)
                arm[inside] = rng.permutation(np.arange(len(inside)) % 2)
        age = rng.normal(size=n)
        shared = rng.normal(size=(n, 1))
        values = np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * rng.normal(size=(n, K))
        values += 0.3 * age[:, None] + 0.3 * site[:, None]
        if self.clusters:
            between = np.sqrt(self.correlation) * rng.normal(size=(self.clusters, 1))
            between = between + np.sqrt(1 - self.correlation) * rng.normal(size=(self.clusters, K))
            values += 0.5 * between[jobcentre]
        if self.skewed:
            values = np.exp(values)
        if self.partial:
            values[:, :2] += EFFECT * values[:, :2].std(axis=0) * arm[:, None] * (2.0 if self.clusters else 1.0)
        frame = pd.DataFrame({"person": np.arange(n), "arm": arm, "site": site, "jobcentre": jobcentre})
        if self.survey:  # response falls with age; weights are its inverse
            chance = 1.0 / (1.0 + np.exp(0.16 + 0.5 * age))
            values[rng.random(n) >= chance, K // 2 :] = np.nan
            frame["weight"] = 1.0 / chance
        return frame.assign(**dict(zip(NAMES, values.T, strict=True)))


SCENARIOS = {
    "independent": Scenario(300, 0.0),
    "independent, partial": Scenario(300, 0.0, partial=True),
    "dependent": Scenario(300, 0.6),
    "dependent, partial": Scenario(300, 0.6, partial=True),
    "skewed, strata": Scenario(400, 0.6, strata=4, skewed=True),
    "survey": Scenario(600, 0.6, survey=True),
    "survey, partial": Scenario(600, 0.6, survey=True, partial=True),
    "clusters": Scenario(600, 0.5, clusters=30),
    "clusters, survey": Scenario(600, 0.5, clusters=30, survey=True),
    "clusters, partial": Scenario(600, 0.5, clusters=30, partial=True),
    "assignment, strata": Scenario(300, 0.6, strata=4, redraw="assignment"),
    "assignment, survey, partial": Scenario(400, 0.6, survey=True, partial=True, redraw="assignment"),
    "assignment, clusters": Scenario(400, 0.5, clusters=20, redraw="assignment"),
}
METHODS = ("romano_wolf", "westfall_young", "holm", "benjamini_hochberg")


def simulate(scenario: Scenario, replications: int, seed: int = 5) -> dict[str, Any]:
    """Count false findings at 5% over replications, by method; for Benjamini-Hochberg their share."""
    rng = np.random.default_rng(seed)
    analyses = [
        ik.IntentToTreat(name="itt", outcome=NAMES),
        ik.Multiplicity(name="m", of=("itt",), methods=METHODS, draws=DRAWS, redraw=scenario.redraw),
    ]
    true_null = np.array([not (scenario.partial and name in FALSE_NULLS) for name in NAMES])
    hits = dict.fromkeys(("raw", *METHODS), 0.0)
    found = 0.0
    for replication in range(replications):
        result = ik.Evaluation(scenario.design(), scenario.draw(rng), analyses).fit(seed=replication, strict=True)
        rows = result["m"].estimates.adjustments
        for place, method in enumerate(METHODS):
            own = rows[place * K : (place + 1) * K]
            rejected = np.array([row.p_adjusted <= LEVEL for row in own])
            false = np.count_nonzero(rejected & true_null)
            if method == "benjamini_hochberg":
                hits[method] += false / max(np.count_nonzero(rejected), 1)
            else:
                hits[method] += false > 0
            if method == "holm":
                hits["raw"] += bool((np.array([row.p_value for row in own]) <= LEVEL)[true_null].any())
                found += np.count_nonzero(rejected & ~true_null)
    rates = {name: count / replications for name, count in hits.items()}
    power = found / replications / max(np.count_nonzero(~true_null), 1)
    return {"rates": rates, "true": np.count_nonzero(true_null), "power": power}


def line(name: str, done: dict[str, Any]) -> str:
    """Give one line of the Markdown table, in percent."""
    rates = " | ".join(f"{100 * rate:.1f}" for rate in done["rates"].values())
    return f"| {SCENARIOS[name].words()} | {rates} |"


def heading() -> str:
    names = ("any raw P ≤ 5%", "Romano-Wolf", "Westfall-Young", "Holm", "Benjamini-Hochberg, false share")
    return f"| trial | {' | '.join(names)} |\n| --- |{' ---: |' * len(names)}"


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_family_shows_a_false_finding_in_about_one_of_twenty_trials(name: str) -> None:
    scenario = SCENARIOS[name]
    done = simulate(scenario, R)
    error = np.sqrt(LEVEL * (1 - LEVEL) / R)
    print(f"{heading()}\n{line(name, done)}\nR={R}, Monte Carlo SE of 5%: {100 * error:.2f} points")
    rates = done["rates"]
    assert LOW <= rates["romano_wolf"] <= HIGH
    assert LOW <= rates["westfall_young"] <= HIGH
    assert rates["holm"] <= max(HIGH, LEVEL + BORDERS * error)
    # Benjamini and Hochberg (1995): the expected share is at most level times the share of true nulls.
    assert rates["benjamini_hochberg"] <= LEVEL * done["true"] / K + 0.02


def test_the_simulation_runs() -> None:
    done = simulate(Scenario(120, 0.3, survey=True, partial=True), 3)
    assert set(done["rates"]) == {"raw", *METHODS}


if __name__ == "__main__":
    print(heading())
    for scenario_name in SCENARIOS:
        print(line(scenario_name, simulate(SCENARIOS[scenario_name], R)), flush=True)
    print(f"\nR={R}, seed 5, Monte Carlo SE of 5%: {100 * np.sqrt(LEVEL * (1 - LEVEL) / R):.2f} points")
