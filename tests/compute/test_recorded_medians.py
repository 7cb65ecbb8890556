"""Medians of recorded episodes and of what is left of them, against the definition and R's `survfit`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.recorded import (
    curve_median,
    medians_by_cell,
    order_limits,
    product_limit_median,
    recorded_median_after,
    weighted_median,
)

lengths = st.lists(st.integers(1, 30), min_size=1, max_size=25)


@given(lengths, st.lists(st.integers(0, 32), min_size=1, max_size=5))
def test_the_median_after_e_is_that_of_the_longer_episodes(values: list[int], elapsed: list[int]) -> None:
    v = np.array(values) / 7
    found = recorded_median_after(v, np.array(elapsed) / 7)
    for ours, e in zip(found, elapsed, strict=True):
        longer = v[np.array(values) > e]
        if longer.size:
            assert ours == pytest.approx(np.median(longer))
        else:
            assert np.isnan(ours)


@given(lengths)
def test_without_open_episodes_all_medians_are_one(values: list[int]) -> None:
    v = np.array(values, dtype=float)
    plain = np.median(v)
    assert weighted_median(v, np.full(v.size, 0.3)) == pytest.approx(plain)
    assert product_limit_median(v, np.ones(v.size, dtype=bool), np.zeros(v.size)) == pytest.approx(plain)
    assert medians_by_cell(v, np.zeros(v.size, dtype=int), 2)[0] == plain


@given(lengths)
def test_a_whole_weight_is_so_many_copies(values: list[int]) -> None:
    v = np.array(values, dtype=float)
    copies = np.arange(v.size) % 3 + 1
    assert weighted_median(v, copies.astype(float)) == pytest.approx(np.median(np.repeat(v, copies)))


def test_a_curve_that_does_not_come_down_has_no_median() -> None:
    stop, ended = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False])
    assert np.isnan(curve_median(product_limit(stop, ended)))
    assert np.isnan(product_limit_median(stop, np.zeros(4, dtype=bool), np.zeros(4)))


def test_a_step_at_a_half_gives_its_middle_as_survfit_does() -> None:
    """R: survfit(Surv(c(1, 2, 3, 4), c(1, 1, 1, 1)) ~ 1) has median 2.5; with the last two censored 2."""
    stop = np.array([1.0, 2.0, 3.0, 4.0])
    assert curve_median(product_limit(stop, np.ones(4, dtype=bool))) == 2.5
    assert curve_median(product_limit(stop, np.array([True, True, False, False]))) == 2.0


@pytest.mark.parametrize(("n", "rank"), [(5, 0), (6, 1), (10, 2), (25, 8), (100, 40)])
def test_order_limits_are_those_of_the_sign_test(n: int, rank: int) -> None:
    """Ranks of the 95 per cent sign interval: Conover, Practical Nonparametric Statistics (1999), section 3.2."""
    low, high = order_limits(np.arange(1.0, n + 1.0), conf_level=0.95)
    if rank == 0:
        assert np.isnan(low)
        assert np.isnan(high)
    else:
        assert (low, high) == (rank, n + 1 - rank)


def test_nobody_longer_is_nan() -> None:
    assert np.isnan(recorded_median_after(np.zeros(0), np.array([1.0]))).all()
