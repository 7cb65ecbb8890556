"""Size and coverage of weeks saved and of observed over expected returns, on clients whose true effect is known."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import impactkit as ik
from impactkit.data import StudyData, control_episodes
from impactkit.estimators.weeks_saved import saved_rows

sys.path.insert(0, str(Path(__file__).parent))
from norm_trial import WORLD, World, no_effect, norm_design, true_weeks_saved

RUNS = 2000
HORIZON = 13.0
SIZE = (0.03, 0.075)
COVERAGE = (0.93, 0.97)

WORLDS = {
    "60 clients, 4 practices alike": replace(WORLD, clients=60, practices=4, episodes=400),
    "60 clients, 4 practices": replace(WORLD, clients=60, practices=4, episodes=400, practice_sd=0.2),
    "100 clients, 6 practices": replace(WORLD, clients=100, practices=6, episodes=600, practice_sd=0.2),
    "150 clients, 4 practices": replace(WORLD, clients=150, practices=4, episodes=400, practice_sd=0.2),
    "150 clients, 9 practices": replace(WORLD, clients=150, practices=9, episodes=900, practice_sd=0.2),
}

DESIGN = norm_design()
SAVED = ik.WeeksSaved(name="saved", horizon=HORIZON)
RETURNS = ik.ObservedExpected(name="returns", until=HORIZON)


def draw(seed: int, world: World, effect: float) -> tuple[StudyData, ik.Estimates]:
    study = StudyData.read(no_effect(seed, effect, world), DESIGN)
    return study, saved_rows(SAVED, study, control_episodes(study), curves=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_without_an_effect_the_test_has_its_level_and_the_fixed_norm_has_not(name: str) -> None:
    world, seed = WORLDS[name], 31_000
    saved, returns, fixed = np.zeros(RUNS, bool), np.zeros(RUNS, bool), np.zeros(RUNS, bool)
    for run in range(RUNS):
        study, found = draw(seed + run, world, 1.0)
        saved[run] = found.numbers["p_value"][0] < 0.05
        clients = (found.influence[0].by_group([0]) ** 2).sum()
        fixed[run] = abs(found.working[0]) > 1.96 * np.sqrt(clients)
        returns[run] = RETURNS.run(study, {}).numbers["p_value"][0] < 0.05
    print(f"{name}: size {saved.mean():.4f}, returns {returns.mean():.4f}, norm taken as fixed {fixed.mean():.4f}")
    assert SIZE[0] <= saved.mean() <= SIZE[1]
    assert SIZE[0] <= returns.mean() <= SIZE[1]
    assert fixed.mean() > saved.mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_a_cut_of_a_fifth_is_recovered_with_the_stated_coverage(name: str) -> None:
    world, seed = WORLDS[name], 57_000
    truth = true_weeks_saved(0.8, HORIZON, world)
    estimates, errors, inside = np.zeros(RUNS), np.zeros(RUNS), np.zeros(RUNS, bool)
    for run in range(RUNS):
        _, found = draw(seed + run, world, 0.8)
        estimates[run], errors[run] = found.working[0], found.working_se[0]
        inside[run] = found.numbers["conf_low"][0] <= truth <= found.numbers["conf_high"][0]
    print(
        f"{name}: true {truth:.3f}, mean {estimates.mean():.3f}, sd {estimates.std():.3f}, "
        f"root mean variance {np.sqrt((errors**2).mean()):.3f}, coverage {inside.mean():.4f}"
    )
    assert COVERAGE[0] <= inside.mean() <= COVERAGE[1]
    assert abs(estimates.mean() - truth) < 4 * estimates.std() / np.sqrt(RUNS) + 0.01


@pytest.mark.slow
def test_what_is_drawn_is_what_an_evaluation_gives() -> None:
    world = WORLDS["60 clients, 4 practices"]
    _, found = draw(5, world, 1.0)
    whole = ik.Evaluation(DESIGN, no_effect(5, 1.0, world), [SAVED]).fit(seed=1).tidy()
    assert whole["p_value"][0] == found.numbers["p_value"][0]
