"""Size and coverage of TimeToWork: restricted means and hazard ratios under strata, clusters, covariates, late entry.

Run by itself to print the table: python tests/simulations/test_time_to_work_coverage.py [REPLICATIONS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))
from _simulate import Target, Trial, simulate

import impactkit as ik

HORIZON = 13.0
CUT = -0.3  # of the mean log absence, where there is an effect
SPREAD, MIDDLE = 0.9, 2.4
PULL = 0.3  # spread between clusters


def restricted(middle: float, spread: float) -> float:
    """Mean of a log-normal time cut at the horizon."""
    edge = (np.log(HORIZON) - middle) / spread
    return float(np.exp(middle + spread**2 / 2) * norm.cdf(edge - spread) + HORIZON * (1.0 - norm.cdf(edge)))


def gap(effect: float, middle: float = MIDDLE, spread: float = SPREAD) -> float:
    return restricted(middle + effect, spread) - restricted(middle, spread)


def followed(rng, times, arm, **columns) -> pd.DataFrame:
    """Follow everybody for a while that is shorter in one arm, to 60 weeks at most."""
    n = times.size
    end = np.where(rng.random(n) < 0.3 + 0.1 * arm, rng.uniform(4, HORIZON, n), rng.uniform(HORIZON, 60, n))
    return pd.DataFrame(
        {"id": range(n), "arm": np.where(arm == 1, "help", "usual"), "weeks": np.minimum(times, end),
         "back": (times <= end).astype(int)} | columns
    )  # fmt: skip


def plain(effect):
    def draw(rng):
        arm = (rng.permutation(200) < 70).astype(int)
        return followed(rng, rng.lognormal(MIDDLE + effect * arm, SPREAD), arm)

    return draw


def stratified(effect):
    def draw(rng):
        site = (np.arange(480) < 180).astype(int)
        arm = np.concatenate([rng.permutation(180) < 90, rng.permutation(300) < 180]).astype(int)
        times = rng.lognormal(MIDDLE - 0.2 * site + effect * arm, SPREAD)
        return followed(rng, times, arm, site=np.where(site == 1, "north", "south"))

    return draw


def clustered(effect):
    def draw(rng):
        practice = np.repeat(np.arange(24), rng.integers(5, 16, 24))
        arm = rng.permutation(np.arange(24) % 2)[practice]
        pull = rng.normal(scale=PULL, size=24)[practice]
        return followed(rng, rng.lognormal(MIDDLE + pull + effect * arm, SPREAD), arm, practice=practice)

    return draw


def prognostic(effect):
    def draw(rng):
        arm = (rng.permutation(200) < 100).astype(int)
        x = rng.normal(size=200)
        return followed(rng, rng.lognormal(MIDDLE + 0.6 * x + effect * arm, 0.7), arm, x=x)

    return draw


def late(rng):
    many = 1200
    times, entry = rng.lognormal(MIDDLE, SPREAD, many), rng.uniform(1, 12, many)
    kept = np.flatnonzero(times > entry)[:300]
    arm = (rng.permutation(kept.size) < kept.size // 2).astype(int)
    frame = followed(rng, times[kept] - entry[kept], arm)
    return frame.assign(weeks=frame["weeks"] + entry[kept], entry=entry[kept])


def trials(replications: int):
    base = ik.TrialDesign(unit="id", arm="arm", treated="help", control="usual")
    analysis = ik.TimeToWork(name="t", duration="weeks", event="back", horizon=HORIZON)

    def made(name, declared, draw, n, truth, *, clusters="none", **options):
        targets = [Target("difference", {"measure": "difference"}, truth)]
        if truth == 0.0:
            targets.append(Target("ratio of means", {"measure": "restricted_mean_ratio"}, 1.0))
            targets.append(Target("hazard ratio", {"measure": "hazard_ratio"}, 1.0, HAZARD, SMALL))
        return Trial(
            name, declared, draw, (analysis.replace(**options),), tuple(targets), n, clusters, "100%", replications
        )

    sites = (180 * gap(CUT, MIDDLE - 0.2) + 300 * gap(CUT)) / 480
    wide = float(np.hypot(SPREAD, PULL))
    covariate = float(np.hypot(0.7, 0.6))
    by_site, by_practice = base.replace(strata="site"), base.replace(clusters="practice")
    return [
        made("no effect", base, plain(0.0), "70 + 130", 0.0),
        made("shorter", base, plain(CUT), "70 + 130", gap(CUT)),
        made("strata, no effect", by_site, stratified(0.0), "270 + 210", 0.0),
        made("strata, shorter", by_site, stratified(CUT), "270 + 210", sites),
        made("clusters, no effect", by_practice, clustered(0.0), "about 240", 0.0, clusters="24"),
        made("clusters, shorter", by_practice, clustered(CUT), "about 240", gap(CUT, spread=wide), clusters="24"),
        made("covariate, no effect", base, prognostic(0.0), "100 + 100", 0.0, covariates=("x",)),
        made("covariate, shorter", base, prognostic(CUT), "100 + 100", gap(CUT, spread=covariate), covariates=("x",)),
        made("late entry, no effect", base, late, "150 + 150", 0.0, entry="entry", clock="onset", since=4.0),
    ]


HAZARD = (0.925, 0.965)
SMALL = "robust errors of a hazard ratio have no small-sample correction without clusters"


def table(replications: int = 2000):
    """Restricted means within 13 weeks and hazard ratios of `TimeToWork`; strata, clusters, covariates, late entry."""
    return simulate("Time to work", trials(replications))


@pytest.mark.slow
def test_size_and_coverage():
    found = table()
    print(f"\n{found.title}\n{found}")
    assert not found.failures()


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
