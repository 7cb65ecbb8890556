"""Power beside R (power.t.test, power.prop.test, pwr) and beside the closed forms of Bloom and PowerUp!."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from impactkit.inference import PowerDesign, bloom_multiplier, detectable_multiplier, pooled_proportions_power, t_power
from impactkit.inference.power import arm_variance, cluster_df, size_variation, smallest_size

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "power" / "power.csv"

# R's noncentral t stops its series at 1e-12, and its own help promises no more.
POWER_TOLERANCE = 1e-10
# R inverts with uniroot, here to 1e-12 of delta or n; the power it sees is itself good to 1e-12.
INVERSE_TOLERANCE = 1e-7


def frame(function: str, quantity: str) -> pd.DataFrame:
    rows = pd.read_csv(REFERENCE)
    found = rows[(rows["case"] == function) & (rows["quantity"] == quantity)]
    assert len(found)
    return found


@pytest.mark.parametrize("function", ["power.t.test", "pwr.t.test", "pwr.t2n.test"])
def test_power_of_the_t_test_is_that_of_r(function: str) -> None:
    rows = frame(function, "power")
    error = rows["sd"] * np.sqrt(1 / rows["n1"] + 1 / rows["n0"])
    ours = t_power(rows["effect"] / error, rows["n1"] + rows["n0"] - 2, alpha=rows["alpha"])
    assert (np.abs(ours - rows["power"].to_numpy()) < POWER_TOLERANCE).all()


def test_planned_studies_have_the_power_of_r() -> None:
    for row in frame("power.t.test", "power").itertuples():
        plan = PowerDesign(name="r", n=int(row.n1 + row.n0), effect=row.effect, alpha=row.alpha)
        assert abs(float(plan.power()) - row.power) < POWER_TOLERANCE


def test_detectable_effects_are_those_of_r() -> None:
    for row in frame("power.t.test", "delta").itertuples():
        plan = PowerDesign(name="r", n=int(2 * row.n1), sd=row.sd, target_power=row.power)
        assert abs(float(plan.minimum_detectable_effect()) / row.effect - 1) < INVERSE_TOLERANCE


def test_required_sizes_are_those_of_r() -> None:
    for row in frame("power.t.test", "n").itertuples():

        def power_of(each: int, row: object = row) -> float:
            return float(t_power(row.effect * math.sqrt(each / 2), 2 * each - 2))  # type: ignore[attr-defined]

        assert smallest_size(power_of, row.power) == math.ceil(row.n1)
        needed = PowerDesign(name="r", effect=row.effect, target_power=row.power).required_size()
        assert needed is not None
        assert 0 <= needed - 2 * row.n1 < 2  # arms of whole people, which may differ by one


def test_power_of_two_proportions_is_that_of_r() -> None:
    rows = frame("power.prop.test", "power")
    for row in rows.itertuples():
        ours = pooled_proportions_power(row.effect, row.sd, row.n1, row.n0, alpha=row.alpha)
        assert abs(float(ours) - row.power) < POWER_TOLERANCE


def powerup_individual(n: int, share: float, r2: float, covariates: int) -> float:
    """Give PowerUp!'s IRA: M √((1 − R²)/(P(1 − P)n)) with n − g − 2 degrees of freedom."""
    df = n - covariates - 2
    multiplier = stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)
    return float(multiplier * math.sqrt((1 - r2) / (share * (1 - share) * n)))


def powerup_blocked(blocks: int, each: int, share: float, r2: float, covariates: int) -> float:
    """Give PowerUp!'s BIRA with constant block effects: J(n − 1) − g − 1 degrees of freedom."""
    df = blocks * (each - 1) - covariates - 1
    multiplier = stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)
    return float(multiplier * math.sqrt((1 - r2) / (share * (1 - share) * blocks * each)))


def powerup_clustered(
    clusters: int, each: int, icc: float, share: float, r2: float, r2_clusters: float, covariates: int
) -> float:
    """Give PowerUp!'s CRA2: both levels of variance, J − g − 2 degrees of freedom."""
    df = clusters - covariates - 2
    multiplier = stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)
    between = icc * (1 - r2_clusters) / (share * (1 - share) * clusters)
    within = (1 - icc) * (1 - r2) / (share * (1 - share) * clusters * each)
    return float(multiplier * math.sqrt(between + within))


# PowerUp! adds central t quantiles (Bloom); ours is the exact noncentral t.
BLOOM_TOLERANCE = 0.003


def test_detectable_effects_are_powerups() -> None:
    cases = [
        (PowerDesign(name="ira", n=400, r2=0.5, covariates=1), powerup_individual(400, 0.5, 0.5, 1)),
        (PowerDesign(name="ira", n=90, allocation=0.4, covariates=3), powerup_individual(90, 0.4, 0.0, 3)),
        (
            PowerDesign(name="bira", n=480, blocks=12, block_terms="shared", r2=0.3, covariates=2),
            powerup_blocked(12, 40, 0.5, 0.3, 2),
        ),
        (
            PowerDesign(
                name="cra",
                clusters=20,
                cluster_size=60,
                icc=0.2,
                r2=0.4,
                r2_clusters=0.6,
                cluster_covariates=1,
                df_rule="design",
            ),
            powerup_clustered(20, 60, 0.2, 0.5, 0.4, 0.6, 1),
        ),
        (
            PowerDesign(name="cra", clusters=40, cluster_size=25, icc=0.05, allocation=0.25, df_rule="design"),
            powerup_clustered(40, 25, 0.05, 0.25, 0.0, 0.0, 0),
        ),
    ]
    for plan, reference in cases:
        df = float(plan.df())
        exact_over_bloom = float(detectable_multiplier(df) / bloom_multiplier(df))
        ours = float(plan.minimum_detectable_effect())
        assert abs(ours / exact_over_bloom / reference - 1) < 1e-12
        assert abs(ours / reference - 1) < BLOOM_TOLERANCE


def test_multipliers_of_bloom_are_the_quantiles() -> None:
    df = np.array([3.0, 8.0, 17.5, 38.0, 998.0])
    for power in (0.7, 0.8, 0.9):
        reference = stats.t.ppf(0.975, df) + stats.t.ppf(power, df)
        assert np.allclose(bloom_multiplier(df, power=power), reference, rtol=1e-12)
    gap = bloom_multiplier(np.arange(8, 400)) / detectable_multiplier(np.arange(8, 400)) - 1
    assert np.abs(gap).max() < 0.002  # as the docstring says


def test_unequal_clusters_have_eldridges_design_effect() -> None:
    sizes = np.array([4, 10, 10, 25, 60, 11])
    mean, spread = size_variation(sizes)
    icc = 0.07
    eldridge = 1 + ((1 + spread**2) * mean - 1) * icc
    ours = float(arm_variance(1.0, len(sizes), size=mean, size_cv=spread, icc=icc))
    assert ours == pytest.approx(eldridge / sizes.sum(), rel=1e-12)
    exact = icc * (sizes**2).sum() / sizes.sum() ** 2 + (1 - icc) / sizes.sum()  # variance of the mean of all people
    assert ours == pytest.approx(exact, rel=1e-12)


def test_response_and_weights_in_clusters_are_what_their_moments_say() -> None:
    """The variance of a weighted mean over respondents, from the expected squares of the clusters' sums of weights."""
    sizes = np.array([8.0, 20.0, 32.0, 50.0])
    response, cv_w, icc = 0.55, 0.4, 0.1
    second = response * (1 + cv_w**2)  # E of the squared weight of somebody allocated, mean weight of respondents 1
    sums = sizes * second + sizes * (sizes - 1) * response**2
    total = sizes.sum() * response
    by_hand = (icc * sums.sum() + (1 - icc) * sizes.sum() * second) / total**2
    mean, spread = size_variation(sizes)
    ours = arm_variance(1.0, 4, size=mean, size_cv=spread, response=response, icc=icc, weights_cv=cv_w)
    assert float(ours) == pytest.approx(by_hand, rel=1e-12)


def test_degrees_of_freedom_of_clusters_are_those_cr2_finds() -> None:
    import impactkit as ik

    rng = np.random.default_rng(3)
    sizes = [10, 15, 20, 30, 50, 80]
    # Both arms have the same sizes, so that only the approximation 1/Σa² − 1 stands between the two numbers.
    cluster = np.repeat(np.arange(48), np.tile(sizes, 8))
    arm = (cluster < 24).astype(int)
    people = pd.DataFrame({"id": np.arange(len(arm)), "arm": arm, "cluster": cluster, "y": rng.normal(size=len(arm))})
    design = ik.TrialDesign(unit="id", arm="arm", treated=1, control=0, clusters="cluster")
    found = ik.Evaluation(design, people, [ik.IntentToTreat(name="itt", outcome="y")]).fit().tidy()["df"].iloc[0]
    assert float(cluster_df(24, 24, size_cv=size_variation(sizes)[1])) == pytest.approx(found, rel=0.02)
    equal = pd.DataFrame({"id": np.arange(200), "arm": np.repeat([1, 0], [50, 150]), "cluster": np.arange(200) // 5})
    equal["y"] = rng.normal(size=200)
    found = ik.Evaluation(design, equal, [ik.IntentToTreat(name="itt", outcome="y")]).fit().tidy()["df"].iloc[0]
    assert float(cluster_df(10, 30)) == pytest.approx(found, rel=1e-9)
