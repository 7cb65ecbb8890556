"""What must hold of every planned study: monotone, inverse, minimal, and every fault in one error."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from hypothesis import assume, given
from hypothesis import strategies as st

import impactkit as ik
from impactkit.data import StudyData
from impactkit.errors import NotEstimableError, SpecError
from impactkit.inference import PowerDesign, detectable_multiplier, t_power
from impactkit.inference.power_study import intracluster_correlation

INVERSE_TOLERANCE = 1e-8


@st.composite
def designs(draw: st.DrawFn) -> PowerDesign:
    """Draw a planned study: people or clusters, means or rates."""
    options: dict[str, Any] = {
        "name": "drawn",
        "effect": draw(st.floats(0.03, 0.6)),
        "take_up": draw(st.floats(0.3, 1.0)),
        "response": draw(st.floats(0.3, 1.0)),
        "r2": draw(st.floats(0.0, 0.8)),
        "weights_cv": draw(st.floats(0.0, 1.0)),
        "allocation": draw(st.sampled_from([0.25, 1 / 3, 0.5, 0.7])),
        "alpha": draw(st.sampled_from([0.01, 0.05, 0.1])),
        "target_power": draw(st.sampled_from([0.7, 0.8, 0.9])),
    }
    if draw(st.booleans()):
        options |= {
            "clusters": draw(st.integers(16, 200)),
            "cluster_size": draw(st.floats(2, 80)),
            "cluster_size_cv": draw(st.floats(0.0, 0.9)),
            "icc": draw(st.floats(0.0, 0.3)),
            "df_rule": draw(st.sampled_from(["design", "satterthwaite"])),
        }
    else:
        options |= {"n": draw(st.integers(60, 3000)), "blocks": draw(st.integers(1, 6))}
    if draw(st.booleans()):
        options |= {"control_rate": draw(st.floats(0.05, 0.35))}
    else:
        options |= {"sd": draw(st.floats(0.5, 2.0))}
    return PowerDesign(**options)


@given(designs())
def test_power_rises_with_size_and_with_effect(plan: PowerDesign) -> None:
    assert plan.size is not None
    assert plan.effect is not None
    # Arms are whole. Where that changes the allocation from one size to the next, clusters' degrees of freedom may
    # fall, so sizes are compared that have the same allocation.
    step = {0.25: 4, 1 / 3: 3, 0.5: 2, 0.7: 10}[plan.allocation] if plan.clustered else 1
    by_size = plan.power(size=step * np.arange(plan.size, plan.size + 60))
    assert (np.diff(by_size) > -1e-12).all()
    by_effect = plan.power(np.linspace(0.0, plan.effect, 40))
    assert (np.diff(by_effect) > -1e-12).all()
    assert by_effect[0] == pytest.approx(plan.alpha, abs=1e-10)


@given(designs())
def test_the_detectable_effect_is_the_inverse_of_power(plan: PowerDesign) -> None:
    smallest = float(plan.minimum_detectable_effect())
    if np.isnan(smallest):
        assert plan.control_rate is not None
        assert float(plan.power((1 - plan.control_rate) / plan.dilution)) < plan.target_power
    else:
        assert abs(float(plan.power(smallest)) - plan.target_power) < INVERSE_TOLERANCE


@given(designs())
def test_the_required_size_is_the_smallest_that_will_do(plan: PowerDesign) -> None:
    needed = plan.required_size()
    assert needed is not None
    assert float(plan.power(size=needed)) >= plan.target_power
    if needed > 4:
        before = float(plan.power(size=needed - 1))
        assert np.isnan(before) or before < plan.target_power


@given(designs())
def test_a_design_survives_toml(plan: PowerDesign) -> None:
    assert PowerDesign.from_dict(tomllib.loads(tomli_w.dumps(plan.to_dict()))) == plan


@given(st.floats(1, 5000), st.floats(0.001, 0.2), st.floats(0.3, 0.99))
def test_the_multiplier_is_the_inverse_of_t_power(df: float, alpha: float, power: float) -> None:
    assume(power > alpha)
    size = detectable_multiplier(df, alpha=alpha, power=power)
    assert abs(float(t_power(size, df, alpha=alpha)) - power) < INVERSE_TOLERANCE


def test_curves_are_vectors_and_agree_with_single_values() -> None:
    plan = PowerDesign(name="a", n=500, effect=0.2, take_up=0.6)
    effects, sizes = np.array([0.1, 0.3]), np.array([100, 500, 900])
    grid = plan.power(effects[:, None], sizes)
    assert grid.shape == (2, 3)
    assert grid[1, 2] == pytest.approx(float(plan.power(0.3, 900)), abs=1e-15)
    assert plan.minimum_detectable_effect(sizes).shape == (3,)
    rates = PowerDesign(name="b", n=500, control_rate=0.3)
    assert (np.diff(rates.minimum_detectable_effect(sizes)) < 0).all()


def test_losses_on_the_way_cost_what_they_should() -> None:
    plan = PowerDesign(name="a", n=1_000)
    base = float(plan.std_error())
    assert float(plan.replace(response=0.5).std_error()) == pytest.approx(base * 2**0.5)
    assert float(plan.replace(weights_cv=0.5).std_error()) == pytest.approx(base * 1.25**0.5)
    assert plan.replace(weights_cv=0.5).design_effect() == pytest.approx(1.25)
    assert float(plan.replace(r2=0.36).std_error()) == pytest.approx(base * 0.8)
    half = plan.replace(take_up=0.5)
    assert float(half.minimum_detectable_effect()) == pytest.approx(2 * float(plan.minimum_detectable_effect()))
    assert float(plan.replace(n=400, blocks=10).df()) == 380
    assert float(plan.replace(n=400, blocks=10, block_terms="shared", covariates=2).df()) == 387
    down = PowerDesign(name="b", n=400, control_rate=0.3, direction="decrease")
    assert float(down.minimum_detectable_effect()) < float(
        down.replace(direction="increase").minimum_detectable_effect()
    )


def test_a_rate_that_cannot_rise_far_enough_has_no_detectable_effect() -> None:
    plan = PowerDesign(name="few", n=12, control_rate=0.9)
    assert np.isnan(float(plan.minimum_detectable_effect()))


def test_every_fault_is_in_one_error() -> None:
    with pytest.raises(SpecError) as caught:
        PowerDesign(name="x", n=-3, icc=1.2, allocation=1.0, response=2.0, r2=-0.1, effect=-0.2, sd=0.0)
    said = str(caught.value)
    for name in ("n", "icc", "allocation", "response", "r2", "effect", "sd"):
        assert f"`{name}` must be" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing to work out"),
        ({"n": 100, "clusters": 10, "cluster_size": 10}, "give `n` where people"),
        ({"clusters": 10}, "`clusters` needs their `cluster_size`"),
        ({"n": 100, "icc": 0.1}, "`icc` is about clusters"),
        ({"cluster_sizes": (5, 5, 0, 9, 9)}, "every one of `cluster_sizes`"),
        ({"cluster_sizes": (5, 5)}, "4 clusters or more"),
        ({"cluster_sizes": (5, 5, 6, 6), "cluster_size": 9}, "not both"),
        ({"n": 100, "control_rate": 0.4, "sd": 1.0}, "leave `sd`"),
        ({"n": 100, "control_rate": 0.4, "unit": "GBP"}, 'is "proportion"'),
        ({"n": 100, "sd_treated": 2.0}, "`sd_treated` needs `sd`"),
        ({"n": 100, "take_up": 0.4, "control_take_up": 0.5}, "nothing would differ"),
        ({"n": 100, "control_rate": 0.9, "effect": 0.2}, "a rate of 1.1"),
        ({"n": 100, "target_power": 0.04}, "more than `alpha`"),
        ({"n": 10, "blocks": 5}, "no degrees of freedom"),
        ({"n": 10, "allocation": 0.01}, "each arm needs two"),
        ({"clusters": 4, "cluster_size": 10, "cluster_size_cv": 1.5}, "no degrees of freedom"),
    ],
)
def test_contradictions_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        PowerDesign(name="x", **options)


def test_asking_without_a_size_or_an_effect_says_which_is_missing() -> None:
    with pytest.raises(ValueError, match="no size"):
        PowerDesign(name="x", effect=0.2).minimum_detectable_effect()
    with pytest.raises(ValueError, match="no `effect`"):
        PowerDesign(name="x", n=100).power()


def trial(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    cluster = np.repeat(np.arange(30), n // 30)
    arm = (cluster % 3 == 0).astype(int)
    work = (rng.random(n) < 0.3 + 0.1 * arm).astype(float)
    work[rng.random(n) > 0.8] = np.nan
    score = rng.normal(size=30)[cluster] * 0.5 + rng.normal(size=n)
    frame = {
        "id": np.arange(n),
        "arm": arm,
        "cluster": cluster,
        "work": work,
        "score": score,
        "w": rng.uniform(1, 2, n),
    }
    return pd.DataFrame({**frame, "took": ((rng.random(n) < 0.7) & (arm == 1)).astype(int)})


def read(people: pd.DataFrame, **options: Any) -> StudyData:
    outcomes = (ik.Outcome(name="work", kind="binary"), ik.Outcome(name="score", kind="continuous", weights="w"))
    design = ik.TrialDesign(unit="id", arm="arm", treated=1, control=0, receipt="took", outcomes=outcomes, **options)
    return StudyData.read(people, design, outcomes=["work", "score"])


def test_a_trial_in_hand_fills_the_plan_of_the_next() -> None:
    people = trial()
    plan = PowerDesign.from_trial(read(people), outcome="work", effect=0.1)
    control, treated = people[people["arm"] == 0], people[people["arm"] == 1]
    assert (plan.n, plan.name, plan.shown_unit) == (600, "work", "proportion")
    assert plan.allocation == pytest.approx(1 / 3)
    assert plan.control_rate == pytest.approx(control["work"].mean())
    assert plan.response == pytest.approx(treated["work"].notna().mean())
    assert plan.response_control == pytest.approx(control["work"].notna().mean())
    assert plan.take_up == pytest.approx(treated["took"].mean())

    plan = PowerDesign.from_trial(read(people, clusters="cluster"), outcome="score", name="next", take_up=1.0)
    assert (plan.clusters, plan.cluster_size, plan.take_up) == (30, 20.0, 1.0)
    assert plan.weights_cv == pytest.approx(people["w"].std(ddof=0) / people["w"].mean())
    assert 0.05 < plan.icc < 0.4  # drawn with 0.2
    people["block"] = people["cluster"] // 3
    blocks = PowerDesign.from_trial(read(people, strata="block"), outcome="work", block_terms="shared")
    assert blocks.blocks == 10


def test_the_plan_of_the_same_trial_has_its_standard_error() -> None:
    people = trial().assign(w=1.0)
    plan = PowerDesign.from_trial(read(people, clusters="cluster"), outcome="score")
    design = ik.TrialDesign(unit="id", arm="arm", treated=1, control=0, clusters="cluster")
    result = ik.Evaluation(design, people, [ik.IntentToTreat(name="itt", outcome="score")]).fit()
    # One trial's clustered error has its own error: about 1/sqrt(2 df), that is 21% at 12 degrees of freedom.
    assert float(plan.std_error()) == pytest.approx(result.tidy()["std_error"].iloc[0], rel=0.21)


def test_a_trial_that_cannot_fill_a_plan_says_why() -> None:
    people = trial().assign(score=1.0)
    with pytest.raises(NotEstimableError, match="does not vary"):
        PowerDesign.from_trial(read(people), outcome="score")
    people["work"] = people["work"].where(people["arm"] == 0)
    with pytest.raises(NotEstimableError, match="0 treated people"):
        PowerDesign.from_trial(read(people), outcome="work")
    norm = ik.BeforeAfterDesign(unit="id", before="score", after="w")
    with pytest.raises(SpecError, match="one treated arm"):
        PowerDesign.from_trial(StudyData.read(people, norm), outcome="score")


def test_the_intracluster_correlation_is_found_again() -> None:
    rng = np.random.default_rng(11)
    cluster = np.repeat(np.arange(600), rng.integers(5, 40, 600))
    values = np.sqrt(0.1) * rng.normal(size=600)[cluster] + np.sqrt(0.9) * rng.normal(size=len(cluster))
    # Three standard errors of this estimate with 600 clusters of about 22 are 0.022.
    assert intracluster_correlation(values, cluster, cluster % 2) == pytest.approx(0.1, abs=0.022)
    assert intracluster_correlation(values[:50], np.arange(50), np.arange(50) % 2) == 0.0
