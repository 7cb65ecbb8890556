"""Curves by practice against R survival, numerical derivatives and brute force."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from impactkit.compute.survival.bands import band_mean, band_quantile
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.practices import (
    GroupedRisk,
    curve_band,
    episode_influence,
    group_survival_influence,
    grouped_risk,
    mean_slopes,
    quantile_interval,
    quantiles,
    resampled_survival,
    restricted_means,
    survival_slopes,
)
from impactkit.compute.survival.shrinkage import between_variance, shrink
from impactkit.compute.survival.ties import tied

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "norms"
CASES = {"complete": (0.0, 90.0), "longer than 28": (28.0, 118.0), "seen throughout": (0.0, 90.0)}
EXACT = 1e-12
TOLERANCE = 1e-9


@cache
def episodes() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "episodes.csv")


def case(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    frame = episodes()
    if name == "seen throughout":
        frame = frame[frame["ended"] == 1].assign(late=0)
    columns = (frame[column].to_numpy() for column in ("stop", "ended", "practice", "late"))
    stop, ended, practice, late = columns
    return stop.astype(float), ended == 1, practice, late.astype(float)


def risk_of(name: str) -> GroupedRisk:
    stop, ended, practice, late = case(name)
    return grouped_risk(stop, ended, practice, 6, start=late, landmark=CASES[name][0])


def expected(name: str, file: str = "expected.csv") -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / file, skipinitialspace=True)
    return frame[frame["case"] == name]


@pytest.mark.parametrize("name", CASES)
def test_the_curve_its_errors_and_its_limits_are_those_of_survfit(name: str) -> None:
    risk, wanted = risk_of(name), expected(name, "curve.csv")
    curve = risk.curve()
    error = np.sqrt((group_survival_influence(risk) ** 2).sum(axis=0))
    low, high = curve_band(curve.survival, error, float(ndtri(0.975)))
    np.testing.assert_array_equal(curve.time, wanted["time"])
    np.testing.assert_array_equal(curve.at_risk, wanted["n_risk"])
    np.testing.assert_allclose(curve.survival, wanted["survival"], rtol=TOLERANCE, atol=1e-14)
    live = curve.survival > 0
    np.testing.assert_allclose(error[live], wanted["std_error"][live], rtol=TOLERANCE)
    np.testing.assert_allclose(low[live], wanted["conf_low"][live], rtol=TOLERANCE)
    np.testing.assert_allclose(high[live], wanted["conf_high"][live], rtol=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_quantiles_and_their_intervals_are_those_of_survfit(name: str, share: float) -> None:
    risk = risk_of(name)
    wanted = expected(name).set_index("name").loc[f"q{share:g}"]
    curve = risk.curve()
    error = np.sqrt((group_survival_influence(risk) ** 2).sum(axis=0))
    found = quantiles(risk.time, curve.survival[None], share, np.array([curve.last]))[0]
    assert found == wanted["estimate"]
    assert quantile_interval(risk, share, error, float(ndtri(0.975))) == (wanted["conf_low"], wanted["conf_high"])


@pytest.mark.parametrize("name", CASES)
def test_the_restricted_mean_and_its_error_by_practice_are_those_of_survival(name: str) -> None:
    risk, (landmark, horizon) = risk_of(name), CASES[name]
    stop, ended, practice, late = case(name)
    wanted = expected(name).set_index("name").loc["restricted_mean"]
    curve = risk.curve()
    found = restricted_means(risk, curve.survival[None], horizon, np.array([curve.last]))[0] + landmark
    values = episode_influence(risk, mean_slopes(risk, horizon), stop, ended, late)
    error = np.sqrt((np.bincount(practice, weights=values) ** 2).sum())
    np.testing.assert_allclose([found, error], [wanted["estimate"], wanted["std_error"]], rtol=TOLERANCE)


def test_with_everything_seen_the_median_is_the_ordinary_one() -> None:
    rng = np.random.default_rng(4)
    for n in range(1, 40):
        stop = rng.integers(1, 12, n).astype(float)
        risk = grouped_risk(stop, np.ones(n, bool), np.zeros(n, int), 1)
        found = quantiles(risk.time, risk.curve().survival[None], 0.5, risk.last)[0]
        assert found == np.median(stop)


@pytest.mark.parametrize("name", CASES)
def test_influence_is_the_derivative_in_the_weight(name: str) -> None:
    stop, ended, _, late = case(name)
    landmark, horizon = CASES[name]
    risk = risk_of(name)
    kept = stop > landmark
    begun = np.maximum(late, landmark)
    area = episode_influence(risk, mean_slopes(risk, horizon), stop, ended, late)
    level = episode_influence(risk, survival_slopes(risk, 60.0), stop, ended, late)
    step = 1e-6
    for row in np.flatnonzero(kept)[::17]:
        moved = []
        for sign in (1, -1):
            weight = np.ones(stop.size)
            weight[row] += sign * step
            curve = product_limit(stop[kept], ended[kept], start=begun[kept], weights=weight[kept])
            moved.append((float(curve.area(horizon)), float(curve.at(60.0))))
        slope = (np.array(moved[0]) - np.array(moved[1])) / (2 * step)
        np.testing.assert_allclose([area[row], level[row]], slope, rtol=1e-5, atol=1e-7)
    assert abs(area.sum()) < 1e-9
    assert abs(level.sum()) < 1e-9


def test_episodes_add_up_to_their_practice() -> None:
    stop, ended, practice, late = case("complete")
    risk = risk_of("complete")
    by_practice = group_survival_influence(risk)
    for place in range(0, risk.time.size, 9):
        values = episode_influence(risk, survival_slopes(risk, risk.time[place]), stop, ended, late)
        np.testing.assert_allclose(np.bincount(practice, weights=values), by_practice[:, place], atol=1e-13)


def test_the_error_of_the_mean_is_near_the_one_from_leaving_practices_out() -> None:
    stop, ended, practice, late = case("complete")
    risk = risk_of("complete")
    without, last = resampled_survival(risk, 1.0 - np.eye(6))
    left = restricted_means(risk, without, 90.0, last)
    jackknife = np.sqrt(5 / 6 * ((left - left.mean()) ** 2).sum())
    values = episode_influence(risk, mean_slopes(risk, 90.0), stop, ended, late)
    ours = np.sqrt(6 / 5 * (np.bincount(practice, weights=values) ** 2).sum())
    assert abs(ours / jackknife - 1) < 0.1


@pytest.mark.parametrize("landmark", [0.0, 28.0])
def test_a_resample_is_what_the_resampled_episodes_give(landmark: float) -> None:
    stop, ended, practice, late = case("complete")
    risk = grouped_risk(stop, ended, practice, 6, start=late, landmark=landmark)
    weights = np.random.default_rng(8).multinomial(6, np.full(6, 1 / 6), 60).astype(float)
    survival, last = resampled_survival(risk, weights)
    medians = quantiles(risk.time, survival, 0.5, last)
    means = restricted_means(risk, survival, landmark + 80.0, last)
    for row, weight in enumerate(weights):
        rows = np.concatenate([np.repeat(np.flatnonzero(practice == code), int(weight[code])) for code in range(6)])
        own = grouped_risk(stop[rows], ended[rows], np.zeros(rows.size, int), 1, start=late[rows], landmark=landmark)
        curve = own.curve()
        brute = quantiles(own.time, curve.survival[None], 0.5, own.last)[0]
        area = restricted_means(own, curve.survival[None], landmark + 80.0, own.last)[0]
        np.testing.assert_allclose(medians[row], brute, rtol=EXACT)
        np.testing.assert_allclose(means[row], area, rtol=EXACT)


def test_times_that_differ_by_rounding_noise_are_tied() -> None:
    days = np.arange(1, 400)
    weeks, again = days / 7, np.round(days / 7, 10)
    first, second = tied(weeks, again)
    np.testing.assert_array_equal(first, second)
    assert np.unique(first).size == days.size
    assert tied(np.empty(0))[0].size == 0


def test_a_curve_not_known_to_the_horizon_gives_no_mean_and_one_that_stays_high_no_median() -> None:
    risk = grouped_risk(np.array([2.0, 9.0, 9.0, 9.0]), np.array([True, False, False, False]), np.zeros(4, int), 1)
    curve = risk.curve()
    assert np.isinf(quantiles(risk.time, curve.survival[None], 0.5, risk.last)[0])
    assert np.isnan(restricted_means(risk, curve.survival[None], 9.1, risk.last)[0])
    assert restricted_means(risk, curve.survival[None], 9.0, risk.last)[0] == 2.0 + 7.0 * 0.75


lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 30), st.booleans(), st.integers(0, 3)), min_size=4,
                   max_size=60)  # fmt: skip


def _numbers(rows: list[tuple[int, int, bool, int]], unit: float = 1.0, landmark: float = 0.0) -> tuple[float, float]:
    begun = np.array([row[1] for row in rows]) / unit
    stop = begun + np.array([row[0] for row in rows]) / unit
    ended, practice = np.array([row[2] for row in rows]), np.array([row[3] for row in rows])
    stop, begun = tied(stop, begun)
    risk = grouped_risk(stop, ended, practice, 4, start=begun, landmark=landmark / unit)
    curve = risk.curve()
    return (
        float(quantiles(risk.time, curve.survival[None], 0.5, np.array([curve.last]))[0]),
        float(np.sqrt((group_survival_influence(risk) ** 2).sum())),
    )


@given(lengths, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_and_unit_make_no_difference(rows: list[tuple[int, int, bool, int]], order) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    np.testing.assert_allclose(_numbers(rows), _numbers(shuffled), rtol=1e-10, atol=1e-12)
    in_weeks = _numbers(rows, 7.0)
    np.testing.assert_allclose((in_weeks[0] * 7.0, in_weeks[1]), _numbers(rows), rtol=1e-8, atol=1e-10)


@given(lengths)
@settings(deadline=None)
def test_a_higher_threshold_never_gives_a_shorter_total(rows: list[tuple[int, int, bool, int]]) -> None:
    seen = [(stop, 0, True, code) for stop, _, _, code in rows]
    medians = [_numbers(seen, landmark=cut)[0] for cut in (0.0, 5.0, 20.0, 40.0)]
    assert all(first <= second for first, second in itertools.pairwise(medians))


def test_bands_against_a_large_sample_and_by_hand() -> None:
    edges, counts = np.array([0.0, 4.0, 8.0, 16.0, np.inf]), np.array([50.0, 25.0, 15.0, 10.0])
    assert band_quantile(edges, counts, 0.5)[0] == 4.0
    assert band_quantile(edges, counts, 0.75)[0] == 8.0
    assert np.isnan(band_quantile(edges, counts, 0.95)).all()
    rng = np.random.default_rng(3)
    drawn = rng.multinomial(10_000, counts / 100, 20_000).astype(float)
    counts = counts * 100
    spread = np.std([band_quantile(edges, row, 0.6)[0] for row in drawn])
    assert abs(spread / band_quantile(edges, counts, 0.6)[1] - 1) < 0.03
    means = np.std([band_mean(edges, row, 16.0)[0] for row in drawn[:5000]])
    assert abs(means / band_mean(edges, counts, 16.0)[1] - 1) < 0.04
    np.testing.assert_allclose(band_mean(edges, counts, 16.0)[0], 0.5 * 2 + 0.25 * 6 + 0.15 * 12 + 0.1 * 16)
    middle, _, low, high = band_mean(edges, counts, 6.0)
    assert low < middle < high
    assert np.isnan(band_mean(edges, counts, 20.0)[0])


def test_shrinkage_by_hand() -> None:
    assert between_variance(np.array([1.0, 1.01, 0.99, 1.0]), np.full(4, 1.0)) == 0.0
    assert np.isnan(between_variance(np.array([1.0, 2.0]), np.ones(2)))
    values, variances = np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0])
    means, own, centre = shrink(values, variances, 3.0)
    np.testing.assert_allclose(centre, 2.0)
    np.testing.assert_allclose(own, 0.75)
    np.testing.assert_allclose(means, [0.5, 2.0, 3.5])
