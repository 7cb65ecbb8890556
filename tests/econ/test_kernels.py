"""Costs, break-even and net benefit.

Published figures from: Evaluation of the 2010-13 Fit for Work Service pilots: final report, DWP Research Report 896
(2015), sections 4.2 and 5.5 and Tables 4.1, 4.2, C.6, C.13 and C.20.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.econ import (
    break_even_days,
    break_even_weeks,
    cost_per_client,
    net_benefit,
    weighted_cost,
    weighted_cost_range,
)
from impactkit.errors import DataError, SpecError

EXACT = 1e-12  # a handful of products and sums in double precision


def test_break_even_as_published() -> None:
    days = break_even_days([1_000, 500], 90)
    assert days.round(1).tolist() == [11.1, 5.6]
    assert break_even_weeks(days, days_per_week=7).round(3).tolist() == [1.587, 0.794]
    assert break_even_weeks(days, days_per_week=5).round(3).tolist() == [2.222, 1.111]


@pytest.mark.parametrize(
    ("norm", "client", "cost", "expected"),
    [(8.0, 3.4, 584, 1_486), (6.0, 3.4, 2_751, -1_581), (6.0, 6.9, 1_543, -1_948), (0.0, 0.0, 1_543, -1_543)],
)
def test_net_benefit_as_published(norm: float, client: float, cost: float, expected: float) -> None:
    ours = net_benefit(norm - client, days_per_week=5, value_of_day=90, cost=cost)
    assert float(ours) == pytest.approx(expected, rel=EXACT)


def test_arrays_in_arrays_out() -> None:
    ours = net_benefit([[4.6], [2.6]], days_per_week=5, value_of_day=[90, 100], cost=[584, 0])
    assert ours == pytest.approx(np.array([[1486, 2300], [586, 1300]]))
    assert cost_per_client([10, 20], [2, 5]).tolist() == [5, 4]
    assert weighted_cost([[684, 510], [2638, 2897]], [[251, 346], [244, 187]]).round(2).tolist() == [583.16, 2750.37]


def test_weighted_cost_is_total_cost_over_total_clients() -> None:
    costs, clients = np.array([684.0, 2464, 1438]), np.array([251.0, 143, 404])
    assert float(weighted_cost(costs, clients)) == pytest.approx(
        float(cost_per_client((costs * clients).sum(), clients.sum())), rel=EXACT
    )


parts = st.lists(st.tuples(st.integers(1, 3_000), st.integers(2, 900)), min_size=1, max_size=5)


@given(parts, st.sampled_from([0.0, 0.5, 5.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_range_is_what_trying_every_corner_gives(
    pairs: list[tuple[int, int]], cost_half: float, client_half: float
) -> None:
    costs, clients = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    low, high = weighted_cost_range(costs, clients, cost_half_unit=cost_half, clients_half_unit=client_half)
    signs = [np.array(corner) for corner in itertools.product((-1, 1), repeat=len(pairs))]
    tried = [
        float(weighted_cost(np.maximum(costs + shift, 0), clients + client_half * sign))
        for shift in (-cost_half, cost_half)
        for sign in signs
    ]
    assert low == pytest.approx(min(tried), rel=EXACT)
    assert high == pytest.approx(max(tried), rel=EXACT)
    assert low <= float(weighted_cost(costs, clients)) * (1 + EXACT)


@given(st.floats(0, 1e6), st.floats(1, 1e4))
def test_at_break_even_nothing_is_gained(cost: float, value: float) -> None:
    weeks = break_even_weeks(break_even_days(cost, value), days_per_week=5)
    assert float(net_benefit(weeks, days_per_week=5, value_of_day=value, cost=cost)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cost_per_client(1000, 0), "clients must be more than 0"),
        (lambda: cost_per_client([-1, 5], 2), "at least 0: 1 of 2"),
        (lambda: weighted_cost([5, 6], [0, 0]), "needs clients"),
        (lambda: weighted_cost([5, 6], [1, 2, 3]), "one shape"),
        (lambda: weighted_cost([5, -6], [1, 2]), "costs per client must be at least 0"),
        (lambda: weighted_cost_range([[5]], [[1]], cost_half_unit=0.5), "one list of parts"),
        (lambda: weighted_cost_range([5], [1], cost_half_unit=-1), "half a unit"),
        (lambda: break_even_days(1000, 0), "value of a day must be more than 0"),
        (lambda: break_even_days(-1, 90), "costs must be at least 0"),
        (lambda: break_even_days(float("nan"), 90), "finite"),
        (lambda: break_even_days("many", 90), "must be numbers"),
        (lambda: net_benefit(1, days_per_week=5, value_of_day=-90, cost=1), "value of a day"),
    ],
)
def test_impossible_inputs_are_named(call: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("basis", [6, 0, True, 5.5, None])
def test_a_week_has_five_days_or_seven(basis: object) -> None:
    with pytest.raises(SpecError, match="working days"):
        break_even_weeks(11, days_per_week=basis)  # type: ignore[arg-type]


def test_the_day_basis_has_no_default() -> None:
    with pytest.raises(TypeError, match="days_per_week"):
        break_even_weeks(11)  # type: ignore[call-arg]
