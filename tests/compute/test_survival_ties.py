"""One rule for when two times are one, whichever kernel reads them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.compute.survival.competing import aalen_johansen
from impactkit.compute.survival.conditional import conditional_norm
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.influence import person_survival
from impactkit.compute.survival.practices import grouped_risk
from impactkit.compute.survival.risksets import ranked_times
from impactkit.compute.survival.since_assessment import observed
from impactkit.compute.survival.ties import TOLERANCE, later, places, tied, upto

UNITS = (7.0, 30.4375, 365.25)  # days in a week, a month, a year

days_and_entries = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 500)), min_size=1, max_size=30)


@given(days_and_entries, st.sampled_from(UNITS))
def test_days_since_assessment_tie_as_days_do(pairs: list[tuple[int, int]], unit: float) -> None:
    days, entry = np.array(pairs, dtype=float).T
    since = (days + entry) / unit - entry / unit  # how a file of weeks gives the time from assessment
    event = np.ones(days.size, dtype=bool)
    wanted = np.unique(days).size
    (snapped,) = tied(since)
    assert np.unique(snapped).size == wanted
    assert np.unique(ranked_times(since)[0]).size == wanted
    assert product_limit(since, event).time.size == wanted
    assert aalen_johansen(since, event.astype(int), 1).time.size == wanted
    assert conditional_norm(np.zeros(days.size), since, event).time.size == wanted
    assert observed(since, event, np.ones(days.size)).curve.time.size == wanted
    assert grouped_risk(snapped, event, np.zeros(days.size, dtype=int), 1).time.size == wanted


@given(days_and_entries, st.integers(0, 400), st.sampled_from(UNITS))
def test_every_curve_is_read_alike_at_a_day(pairs: list[tuple[int, int]], at: int, unit: float) -> None:
    """A return on the very day of the milestone has happened, whatever the last digit of its time."""
    days, entry = np.array(pairs, dtype=float).T
    since = (days + entry) / unit - entry / unit
    event, ones = np.ones(days.size, dtype=bool), np.ones(days.size)
    moment, wanted = at / unit, float((days > at).mean())
    curve = product_limit(since, event)
    assert float(curve.at(moment)) == pytest.approx(wanted, abs=1e-12)
    assert float(aalen_johansen(since, event.astype(int), 1).at(1, moment)) == pytest.approx(1.0 - wanted, abs=1e-12)
    norm = conditional_norm(np.zeros(days.size), since, event)
    assert float(norm.survival(np.zeros(1), moment)[0]) == pytest.approx(wanted, abs=1e-12)
    whole = product_limit(days, event)
    exact = person_survival(whole, days, event, float(at))
    np.testing.assert_allclose(person_survival(curve, since, event, moment), exact, atol=1e-12)
    own = observed(since, event, ones)
    np.testing.assert_allclose(own.survival_influence(moment), exact, atol=1e-12)
    fit = aalen_johansen(since, event.astype(int), 1)
    np.testing.assert_allclose(fit.incidence_influence(1, moment), -exact, atol=1e-12)


def test_a_year_of_weeks_is_a_year() -> None:
    """762 and 398 days are 364 apart, but 762/7 − 398/7 is more than 52."""
    since = np.array([30.0, 762 / 7 - 398 / 7, 60.0])
    assert since[1] > 52.0
    assert float(product_limit(since, np.ones(3, dtype=bool)).at(52.0)) == pytest.approx(1 / 3)
    assert not later(since[1], 52.0)
    assert upto(since[1], 52.0)


def test_before_and_not_after_differ_by_what_is_at_the_moment() -> None:
    times = np.array([1.0, 2.0, 3.0])
    near = np.array([2.0 - 1e-12, 2.0, 2.0 + 1e-12])
    assert places(times, near).tolist() == [2, 2, 2]
    assert places(times, near, before=True).tolist() == [1, 1, 1]


def test_what_is_not_known_is_left_alone() -> None:
    stop, start = tied(np.array([0.1 + 0.2, np.nan, 0.3]), np.array([-np.inf, 0.0, np.nan]))
    assert stop[0] == stop[2] == 0.3
    assert np.isnan(stop[1])
    assert np.isneginf(start[0])
    assert np.isnan(start[2])
    assert not upto(np.nan, 1.0)
    assert not later(np.nan, 1.0)


def test_times_further_apart_than_rounding_stay_apart() -> None:
    two = np.array([1.0, 1.0 + 2 * TOLERANCE])
    assert tied(two)[0].tolist() == two.tolist()
    assert places(two, 1.0) == 1
