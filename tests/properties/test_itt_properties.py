"""What must flip, scale or stay when the same trial is told differently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_trial import design, people

import impactkit as ik

EXACT = 1e-9  # a least-squares solution in other units, relative to its own standard error

few = settings(
    max_examples=6, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
adjusted = pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
declared = pytest.mark.parametrize(
    "features", [(), ("strata",), ("clusters",), ("strata", "clusters", "weights", "populations")], ids="-".join
)
seeds = st.integers(0, 10_000)


def fit(data: pd.DataFrame, features: tuple[str, ...], adjustment: str, **options: Any) -> pd.DataFrame:
    adjusting = {} if adjustment == "none" else {"covariates": ("age", "sex"), "adjustment": adjustment}
    spec = ik.IntentToTreat(name="itt", outcome=("health", "weeks"), **adjusting)
    return ik.Evaluation(design(*features, **options), data, [spec]).fit(seed=1, strict=True).tidy()


def close(ours: Any, theirs: Any, scale: Any) -> None:
    assert (np.abs(np.asarray(ours) - np.asarray(theirs)) <= EXACT * np.asarray(scale)).all()


@adjusted
@declared
@given(seed=seeds)
@few
def test_swapping_the_arms_flips_the_sign(seed: int, features: tuple[str, ...], adjustment: str) -> None:
    data = people(seed=seed)
    one = fit(data, features, adjustment).query("measure == 'difference'")
    two = fit(data, features, adjustment, treated="usual", control="IPS").query("measure == 'difference'")
    assert (one["term"] == "IPS").all()
    assert (two["term"] == "usual").all()
    scale = one["std_error"].to_numpy()
    close(two["estimate"], -one["estimate"], scale)
    close(two["std_error"], one["std_error"], scale)
    close(two["conf_low"], -one["conf_high"], 10 * scale)
    np.testing.assert_allclose(two["p_value"], one["p_value"], rtol=1e-6)
    np.testing.assert_allclose(two["df"], one["df"], rtol=1e-8)


@adjusted
@declared
@given(seed=seeds, factor=st.sampled_from([-3.0, 0.01, 1_000.0]), shift=st.sampled_from([0.0, 50.0, -1_000.0]))
@few
def test_other_units_rescale_and_a_constant_moves_the_control_mean_only(
    seed: int, factor: float, shift: float, features: tuple[str, ...], adjustment: str
) -> None:
    data = people(seed=seed)
    moved = data.assign(health=factor * data["health"] + shift)
    one = fit(data, features, adjustment).query("outcome == 'health'")
    two = fit(moved, features, adjustment).query("outcome == 'health'")
    scale = (abs(factor) * one["std_error"] + 1e-3 * abs(shift)).to_numpy()
    is_mean = one["term"].to_numpy() == "control_mean"
    assert is_mean.any()
    close(two["estimate"], factor * one["estimate"] + shift * is_mean, scale)
    close(two["std_error"], abs(factor) * one["std_error"], scale)
    np.testing.assert_allclose(two["df"], one["df"], rtol=1e-8)
    np.testing.assert_allclose(
        two["statistic"][~is_mean], np.sign(factor) * one["statistic"][~is_mean], rtol=1e-5, atol=1e-8
    )


@adjusted
@given(seed=seeds)
@few
def test_columns_that_nobody_reads_change_nothing(seed: int, adjustment: str) -> None:
    data = people(seed=seed)
    other = data.assign(unread=range(len(data)), w=data["w"] * 2)[sorted([*data.columns, "unread"])]
    first = fit(data, ("strata", "clusters"), adjustment)
    assert fit(other, ("strata", "clusters"), adjustment).to_csv() == first.to_csv()


@adjusted
@given(seed=seeds, factor=st.sampled_from([0.5, 4.0, 1_000.0]))
@few
def test_weights_are_relative(seed: int, factor: float, adjustment: str) -> None:
    data = people(seed=seed)
    one = fit(data, ("weights", "clusters"), adjustment)
    two = fit(data.assign(w=factor * data["w"]), ("weights", "clusters"), adjustment)
    for column in ("estimate", "std_error", "conf_low"):
        close(two[column], one[column], one["std_error"])


@given(seed=seeds)
@few
def test_a_covariate_said_otherwise_adjusts_alike(seed: int) -> None:
    data = people(seed=seed)
    one = fit(data, ("strata",), "lin")
    two = fit(
        data.assign(age=(data["age"] - 40) * 365.25, sex=data["sex"].map({"man": 1, "woman": 0})), ("strata",), "lin"
    )
    close(two["estimate"], one["estimate"], one["std_error"])
    close(two["std_error"], one["std_error"], one["std_error"])


@given(seed=seeds)
@few
def test_identical_input_gives_identical_bytes(seed: int) -> None:
    features = ("strata", "clusters", "weights", "populations")
    data = people(seed=seed)
    assert fit(data, features, "lin").to_csv() == fit(people(seed=seed), features, "lin").to_csv()


@given(seed=seeds)
@few
def test_a_population_is_the_study_of_its_people(seed: int) -> None:
    data = people(seed=seed)
    inside = fit(data, ("clusters", "populations"), "ancova").query("population == 'out of work'")
    alone = fit(data[data["group"] == "OOW"], ("clusters",), "ancova")
    for column in ("estimate", "std_error", "df", "n"):
        np.testing.assert_allclose(inside[column], alone[column], rtol=1e-8)
