"""Synthetic fit notes and clients over many seeds: printed figures, the truth, the norm of new absences (slow).

``python docs/fit_note_calibration.py`` writes the table that is held to here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from impactkit.data import synthetic_control_episodes, synthetic_pilot_clients, synthetic_truth
from impactkit.data.absence_model import group_pmf
from impactkit.data.synthetic_note_facts import AREAS, CLIENT_GROUPS

DOCS = Path(__file__).parents[2] / "docs"
R = 2000
HORIZON = 13.0


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_note_calibration", DOCS / "fit_note_calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_means_over_seeds_are_the_committed_ones_and_hit_the_targets(script: ModuleType) -> None:
    table = script.summary(script.achieved(range(script.SEEDS)))
    committed = script.committed()
    np.testing.assert_allclose(committed["mean"], table["mean"], rtol=1e-4, atol=1e-4)
    targets = table[table["status"] != "compared"]
    assert (targets["verdict"] == "equal within MC error").mean() > 0.95
    counts = targets[targets["figure"].isin(["patients", "episodes"])]
    by_category = counts[counts["name"] != "all"]
    assert (by_category["mean"] == by_category["printed"]).all()
    medians = targets[targets["figure"] == "median weeks"]
    assert np.abs(medians["mean"] / medians["printed"] - 1).median() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("effect", [1.0, 0.8])
def test_the_mean_over_seeds_is_the_stated_truth(effect: float) -> None:
    """The restricted mean of the clients shown is the truth in each area; pooled, censoring differs between areas."""
    truth = synthetic_truth(effect, HORIZON)
    truth = truth[truth["client_group"] == "all"].set_index("area")["actual_weeks"]
    rows = []
    for seed in range(R):
        people = synthetic_pilot_clients(effect, seed, missing=False, unknown=0)
        rows.append(
            {"all": _restricted_mean(people)}
            | {str(area): _restricted_mean(own) for area, own in people.groupby("area")}
        )
    found = pd.DataFrame(rows)
    for area, values in found.items():
        mean, error = values.mean(), values.std(ddof=1) / np.sqrt(R)
        print(f"effect {effect:g}, {area}: truth {truth[area]:.4f} weeks, mean {mean:.4f}, MC error {error:.4f}")
        slack = 0.03 if area == "all" else 0.0
        assert abs(mean - truth[area]) < 3 * error + slack


def _restricted_mean(people: pd.DataFrame) -> float:
    time, back = people["after_weeks"].to_numpy(), people["returned"].to_numpy() == 1
    times, place = np.unique(time, return_inverse=True)
    leaving = np.bincount(place)
    ended = np.bincount(place, weights=back)
    risk = time.size - np.cumsum(leaving) + leaving
    surviving = np.concatenate([[1.0], np.cumprod(1 - ended / risk)])
    edges = np.concatenate([[0.0], np.minimum(times, HORIZON), [HORIZON]])
    return float(surviving @ np.diff(edges))


@pytest.mark.slow
def test_control_episodes_with_delayed_entry_give_the_norm_of_new_absences() -> None:
    """Over seeds, endings observed less expected from the stated law have mean 0 in every area and group."""
    z = []
    for area in AREAS:
        seeds = [synthetic_control_episodes(area, seed, practices=60) for seed in range(150)]
        for group in CLIENT_GROUPS:
            chances = group_pmf(area, group)
            alive = 1 - np.concatenate([[0.0], np.cumsum(chances)[:-1]])
            hazard = np.cumsum(np.divide(chances, alive, out=np.zeros_like(chances), where=alive > 1e-12))
            off = []
            for found in seeds:
                own = found[found["client_group"] == group]
                expected = hazard[own["duration_days"]].sum() - hazard[own["running_days"]].sum()
                off.append((own["ended"].sum() - expected) / expected)
            mean, error = np.mean(off), np.std(off, ddof=1) / np.sqrt(len(off))
            print(f"{area}, {group}: observed {mean:+.4f} of expected beyond it, MC error {error:.4f}")
            z.append(mean / error)
            assert abs(mean) < 0.01 + 3 * error
    assert np.mean(np.abs(z) < 3) > 0.8
