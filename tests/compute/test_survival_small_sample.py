"""Corrections for few unequal groups, against the matrices they stand for and what they should be unbiased for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.compute.survival.conditional import conditional_norm
from impactkit.compute.survival.small_sample import correction, leverage_df, leverage_factor

weights = st.lists(st.floats(0.05, 1.0), min_size=3, max_size=12).map(lambda found: np.array(found) / sum(found))


def explicit(share: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Covariance of the corrected sums, formed in full."""
    maker = np.diag(leverage_factor(share)) @ (np.eye(share.size) - np.outer(share, np.ones(share.size)))
    return maker @ np.diag(variance) @ maker.T


@given(weights, weights)
def test_degrees_of_freedom_are_those_of_the_full_matrix(share: np.ndarray, other: np.ndarray) -> None:
    variance = other if other.size == share.size else share**2
    full = explicit(share, variance)
    left = 1 - 2 * share + (share**2).sum()
    if (left > 1e-6).all():
        assert leverage_df(share, variance) == pytest.approx(np.trace(full) ** 2 / np.trace(full @ full), rel=1e-8)


@given(weights)
def test_the_variance_is_unbiased_where_groups_vary_alike(share: np.ndarray) -> None:
    left = 1 - 2 * share + (share**2).sum()
    if (left > 1e-6).all():
        assert np.trace(explicit(share, share**2)) == pytest.approx((share**2).sum(), rel=1e-8)


@pytest.mark.parametrize("groups", [2, 4, 9])
def test_groups_alike_have_one_degree_of_freedom_less_than_groups(groups: int) -> None:
    share = np.full(groups, 1 / groups)
    assert leverage_df(share, share) == pytest.approx(groups - 1)
    assert leverage_df(share, share**2) == pytest.approx(groups - 1)
    assert leverage_factor(share) == pytest.approx(np.sqrt(groups / (groups - 1)))


def test_unequal_groups_leave_fewer() -> None:
    share = np.array([0.7, 0.1, 0.1, 0.1])
    assert leverage_df(share, share**2) < 2
    assert np.isnan(leverage_df(np.array([1.0]), np.array([1.0])))
    assert np.isnan(leverage_df(np.array([1.0, 0.0]), np.array([1.0, 0.0])))


def test_practices_alike_give_the_usual_factor() -> None:
    stop = np.repeat(np.arange(1.0, 21.0), 3)
    practice = np.tile([0, 1, 2], 20)
    ended = np.ones(60, dtype=bool)
    norm = conditional_norm(np.zeros(60), stop, ended)
    step = norm.log_steps(norm.residual_mean_slopes(np.array([0.0, 4.0]), 10.0, np.array([0.5, 0.5])))
    found = correction(norm, practice, practice).contributions(step)
    assert found.values == pytest.approx(norm.contributions(step) * np.sqrt(3 / 2))
    assert found.working == pytest.approx(np.full(3, found.working[0]))
    assert found.unseen == 0.0


def test_without_practices_every_episode_is_a_group() -> None:
    rng = np.random.default_rng(1)
    stop, ended = np.ceil(rng.exponential(10, 50)), rng.random(50) < 0.8
    norm = conditional_norm(np.zeros(50), stop, ended)
    step = norm.log_steps(norm.residual_mean_slopes(np.array([0.0]), 6.0, np.array([1.0])))
    alone = correction(norm, None, np.arange(50)).contributions(step)
    each = correction(norm, np.arange(50), np.arange(50)).contributions(step)
    assert alone.values == pytest.approx(each.values)
    assert alone.working == pytest.approx(each.working)


def test_times_with_one_practice_alone_at_risk_are_counted_and_not_lost() -> None:
    stop = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    practice = np.array([0, 1, 0, 1, 1, 1, 1, 1])  # after 3, practice 1 alone
    norm = conditional_norm(np.zeros(8), stop, np.ones(8, dtype=bool))
    step = norm.log_steps(norm.residual_mean_slopes(np.array([0.0]), 7.0, np.array([1.0])))
    found = correction(norm, practice, practice).contributions(step)
    hazard = norm.events / norm.at_risk
    greenwood = step**2 * norm.at_risk * hazard * (1 - hazard)
    assert found.unseen == pytest.approx(greenwood[norm.time > 3].sum())
    assert found.working.sum() == pytest.approx(greenwood[norm.time <= 3].sum())
