"""Survival curves, their limits, quantiles and restricted means against frozen output of R's survival."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.influence import (
    greenwood,
    nelson_aalen_variance,
    person_rmst,
    person_survival,
    rmst,
    rmst_greenwood,
    robust_error,
)
from impactkit.compute.survival.limits import quantile, quantile_limits, survival_limits
from impactkit.compute.survival.logrank import log_rank
from impactkit.compute.survival.ties import tied

FOLDER = Path(__file__).parents[1] / "reference" / "survival"
DATA = pd.read_csv(FOLDER / "absences.csv")
CURVES = pd.read_csv(FOLDER / "curves.csv")
QUANTILES = pd.read_csv(FOLDER / "quantiles.csv")
RMST = pd.read_csv(FOLDER / "rmst.csv")
TESTS = pd.read_csv(FOLDER / "tests.csv").set_index("case")
EXACT = {"rtol": 1e-9, "atol": 1e-12}
CASES = sorted(CURVES["case"].unique())
SHARES = np.array([0.25, 0.5, 0.75])


def pieces(case):
    """Give the case's people, their curve and the error of log S at its times, and what R was asked."""
    times, kind, begun = case.split("/")
    unit = 7.0 if "weeks" in times else 1.0
    stop, event = DATA["stop"].to_numpy(float) / unit, DATA["event"].to_numpy(bool)
    start = DATA["entry"].to_numpy(float) / unit if "entry" in times else None
    weights = DATA["w"].to_numpy() if "weighted" in kind else None
    clusters = DATA["practice"].to_numpy() if "clustered" in kind else None
    curve = product_limit(stop, event, start=start, weights=weights, since=12.0 if begun == "since" else None)
    people = {"start": start, "weights": weights, "clusters": clusters}
    error = greenwood(curve) if kind == "greenwood" else robust_error(curve, stop, event, **people)
    return curve, error, stop, event, people, kind


@pytest.mark.parametrize("case", CASES)
def test_curve_error_and_limits_are_those_of_survfit(case):
    curve, error, stop, event, people, kind = pieces(case)
    theirs = CURVES[CURVES["case"] == case]
    for ours, name in (
        (curve.time, "time"),
        (curve.at_risk, "n_risk"),
        (curve.events, "n_event"),
        (curve.survival, "surv"),
        (curve.cumulative_hazard, "chaz"),
    ):
        np.testing.assert_allclose(ours, theirs[name], **EXACT, err_msg=name)
    known = np.isfinite(theirs["std_err"].to_numpy()) & (curve.survival > 0)
    np.testing.assert_allclose(error[known], theirs["std_err"][known], rtol=1e-8)
    hazard = (
        np.sqrt(nelson_aalen_variance(curve))
        if kind == "greenwood"
        else robust_error(curve, stop, event, **people, hazard=True)
    )
    np.testing.assert_allclose(hazard, theirs["std_chaz"], rtol=1e-8)
    for conf_type, word in (("log-log", "ll"), ("log", "log"), ("plain", "plain")):
        low, high = survival_limits(curve.survival, error, conf_type=conf_type)
        np.testing.assert_allclose(low[known], theirs[f"{word}_low"][known], rtol=1e-8)
        np.testing.assert_allclose(high[known], theirs[f"{word}_high"][known], rtol=1e-8)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_quantiles_and_their_limits_are_those_of_survfit(case, conf_type):
    curve, error, *_ = pieces(case)
    theirs = QUANTILES[(QUANTILES["case"] == case) & (QUANTILES["conf_type"] == conf_type)]
    np.testing.assert_allclose(quantile(curve, SHARES), theirs["quantile"], **EXACT)
    low, high = quantile_limits(curve, error, SHARES, conf_type=conf_type)
    np.testing.assert_allclose(low, theirs["low"], **EXACT)
    np.testing.assert_allclose(high, theirs["high"], **EXACT)


@pytest.mark.parametrize(
    ("case", "stop", "event"),
    [("flat", [1, 2, 3, 4, 6, 8], [1] * 6), ("ends", [1, 2, 5, 9], [1, 1, 0, 0])],
)
def test_a_level_part_of_the_curve_gives_its_middle(case, stop, event):
    curve = product_limit(np.array(stop, float), np.array(event, bool))
    theirs = QUANTILES[QUANTILES["case"] == case]
    np.testing.assert_allclose(quantile(curve, SHARES), theirs["quantile"], **EXACT)
    low, high = quantile_limits(curve, greenwood(curve), SHARES)
    np.testing.assert_allclose(low, theirs["low"], **EXACT)
    np.testing.assert_allclose(high, theirs["high"], **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_restricted_mean_and_its_error(case):
    curve, _, stop, event, people, kind = pieces(case)
    (theirs,) = RMST[RMST["case"] == case].to_dict("records")
    tau = theirs["tau"]
    assert rmst(curve, tau) == pytest.approx(theirs["estimate"], rel=1e-10)
    own = person_rmst(curve, stop, event, tau, start=people["start"])
    weight = np.ones(stop.size) if people["weights"] is None else people["weights"]
    assert (weight * own).sum() == pytest.approx(0.0, abs=1e-10)
    if kind == "greenwood":
        assert rmst_greenwood(curve, tau) == pytest.approx(theirs["std_error"], rel=1e-10)
        return
    parts = weight * own
    if people["clusters"] is not None:
        parts = np.bincount(people["clusters"], weights=parts)
    assert np.sqrt((parts**2).sum()) == pytest.approx(theirs["std_error"], rel=1e-8)


@pytest.mark.parametrize("case", TESTS.index)
def test_log_rank(case):
    stop, event = DATA["stop"].to_numpy(float), DATA["event"].to_numpy(bool)
    rho = {"groups_rho": 1.0, "groups_half": 0.5, "strata_rho": 1.0}.get(case, 0.0)
    options = {
        "strata": DATA["site"].to_numpy() if "strata" in case or case == "robust_weighted_entry" else None,
        "start": DATA["entry"].to_numpy(float) if "entry" in case or case == "robust_clustered" else None,
        "weights": DATA["w"].to_numpy() if case in ("robust_weighted_entry", "robust_clustered") else None,
        "clusters": DATA["practice"].to_numpy() if case == "robust_clustered" else None,
        "robust": True if case == "robust" else None,
    }
    if case.startswith("entry"):
        stop = stop + np.arange(1, stop.size + 1) / 1000
    found = log_rank(stop / 7 if case == "weeks" else stop, event, DATA["group"].to_numpy(), rho=rho, **options)
    theirs = TESTS.loc[case]
    assert found.statistic == pytest.approx(theirs["statistic"], rel=1e-7)
    assert found.df == theirs["df"]
    if np.isfinite(theirs["v1"]):
        assert found.observed[0] == pytest.approx(theirs["o1"], rel=1e-9)
        assert found.expected[0] == pytest.approx(theirs["e1"], rel=1e-9)
        assert found.variance[0, 0] == pytest.approx(theirs["v1"], rel=1e-9)


# --- what must hold for any data -----------------------------------------------------------------------------------

people = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 12), min_size=n, max_size=n),
        st.lists(st.integers(1, 9), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.integers(1, 3), min_size=n, max_size=n),
    )
)


def arrays(drawn):
    start, spell, event, weight = (np.array(column) for column in drawn)
    return start.astype(float), (start + spell).astype(float), event.astype(bool), weight.astype(float)


@given(people)
def test_counting_by_day_is_sorting(drawn):
    start, stop, event, weight = arrays(drawn)
    for own_start in (None, start):
        for load in (None, weight):
            ours = product_limit(stop, event, start=own_start, weights=load)
            moved = product_limit(
                stop / 10 + 0.05, event, start=None if own_start is None else own_start / 10 + 0.05, weights=load
            )
            np.testing.assert_allclose(ours.survival, moved.survival, rtol=1e-12)
            np.testing.assert_array_equal(ours.at_risk, moved.at_risk)
            np.testing.assert_allclose(ours.time / 10 + 0.05, moved.time)


@given(people)
def test_weight_two_is_two_people(drawn):
    start, stop, event, weight = arrays(drawn)
    heavy = product_limit(stop, event, start=start, weights=weight)
    twice = np.repeat(np.arange(stop.size), weight.astype(int))
    many = product_limit(stop[twice], event[twice], start=start[twice])
    np.testing.assert_allclose(heavy.survival, many.survival, rtol=1e-12)
    np.testing.assert_allclose(heavy.area(15.0), many.area(15.0))


@given(people, st.integers(1, 20))
def test_influence_is_the_derivative_by_weight(drawn, horizon):
    start, stop, event, weight = arrays(drawn)
    curve = product_limit(stop, event, start=start, weights=weight)
    own = person_rmst(curve, stop, event, horizon, start=start)
    alive = person_survival(curve, stop, event, horizon, start=start)
    for person in range(min(stop.size, 5)):
        step = np.zeros(stop.size)
        step[person] = 1e-6
        up, down = (product_limit(stop, event, start=start, weights=weight + sign * step) for sign in (1, -1))
        slope = (up.area(float(horizon)) - down.area(float(horizon))) / 2e-6
        assert own[person] == pytest.approx(slope, abs=2e-6)
        slope = (up.at(float(horizon)) - down.at(float(horizon))) / 2e-6
        assert alive[person] == pytest.approx(slope, abs=2e-6)


@given(people)
def test_without_delayed_entry_squares_of_influence_are_greenwood(drawn):
    _, stop, event, _ = arrays(drawn)
    curve = product_limit(stop, event)
    parts = person_rmst(curve, stop, event, 15.0)
    assert np.sqrt((parts**2).sum()) == pytest.approx(rmst_greenwood(curve, 15.0), rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(robust_error(curve, stop, event), greenwood(curve), rtol=1e-9)


@given(people)
def test_robust_error_is_that_of_the_influence_values(drawn):
    start, stop, event, weight = arrays(drawn)
    clusters = np.arange(stop.size) % 3
    curve = product_limit(stop, event, start=start, weights=weight)
    error = robust_error(curve, stop, event, start=start, weights=weight, clusters=clusters)
    for place, time in enumerate(curve.time):
        if curve.survival[place] > 0:
            own = weight * person_survival(curve, stop, event, time, start=start) / curve.survival[place]
            parts = np.bincount(clusters, weights=own)
            assert error[place] == pytest.approx(np.sqrt((parts**2).sum()), rel=1e-8, abs=1e-7)


@given(people)
def test_a_record_cut_in_two_changes_nothing(drawn):
    start, stop, event, _ = arrays(drawn)
    group = np.arange(stop.size) % 2
    cut = (start + stop) / 2 + 0.25
    ok = cut < stop
    twice_start = np.concatenate([start, cut[ok]])
    twice_stop = np.concatenate([np.where(ok, cut, stop), stop[ok]])
    twice_event = np.concatenate([event & ~ok, event[ok]])
    twice_group = np.concatenate([group, group[ok]])
    whole, parts = product_limit(stop, event, start=start), product_limit(twice_stop, twice_event, start=twice_start)
    np.testing.assert_allclose(whole.survival, parts.survival)
    one = log_rank(stop, event, group, start=start)
    two = log_rank(twice_stop, twice_event, twice_group, start=twice_start)
    np.testing.assert_allclose([one.statistic, one.df], [two.statistic, two.df], rtol=1e-9)


def test_weeks_made_of_days_stay_tied():
    weeks = np.array([0.1 + 0.2, 0.3, 1.0, 2.0])
    curve = product_limit(weeks, np.ones(4, bool))
    assert curve.time.size == 3
    assert tied(np.array([1.0, 2.0]))[0].tolist() == [1.0, 2.0]


def test_a_risk_set_used_up_early_is_told():
    start, stop = np.array([0.0, 10, 10, 10]), np.array([4.0, 20, 25, 30])
    curve = product_limit(stop, np.array([True, True, True, False]), start=start)
    assert curve.collapsed == 4.0
    assert curve.known_to == np.inf
    later = product_limit(stop, np.array([True, True, True, False]), start=start, since=10.0)
    assert np.isnan(later.collapsed)
    assert later.survival.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert later.area(20.0) == pytest.approx(10.0)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_limits_hold_the_curve(seed):
    rng = np.random.default_rng(seed)
    stop, event = rng.exponential(5, 40), rng.random(40) < 0.7
    curve = product_limit(stop, event)
    for conf_type in ("log-log", "log", "plain"):
        low, high = survival_limits(curve.survival, greenwood(curve), conf_type=conf_type)
        known = np.isfinite(low)
        assert (low[known] <= curve.survival[known]).all()
        assert (curve.survival[known] <= high[known]).all()


def test_nobody_and_no_events():
    nobody = product_limit(np.zeros(0), np.zeros(0, bool))
    assert nobody.time.size == 0
    censored = product_limit(np.array([3.0, 4.0]), np.zeros(2, bool))
    assert censored.at(10.0) == 1.0
    assert rmst(censored, 4.0) == 4.0
    assert np.isnan(rmst(censored, 5.0))
    assert np.isnan(quantile(censored, SHARES)).all()
    found = log_rank(np.array([3.0, 4.0]), np.zeros(2, bool), np.array([0, 1]))
    assert np.isnan(found.p_value)


def test_one_cluster_alone_is_no_test():
    """The scores of one cluster are observed less expected itself: their square says 1 whatever the data."""
    rng = np.random.default_rng(2)
    stop, event, group = rng.exponential(9, 40), rng.random(40) < 0.8, np.arange(40) % 2
    found = log_rank(stop, event, group, clusters=np.zeros(40, dtype=int))
    assert np.isnan([found.statistic, found.p_value]).all()
    assert np.isfinite(log_rank(stop, event, group, clusters=np.arange(40) % 5).p_value)
