"""Adjusted p values: R, the definitions written out, and what must hold of any of them."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import t

from impactkit.inference.multiplicity import (
    benjamini_hochberg,
    equivalent_normal,
    holm,
    joint_normal,
    own_shares,
    step_down_max,
    two_sided_normal,
)

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "multiplicity"
FLOATING = 1e-14  # products and quotients of the same few numbers

Floats = NDArray[np.float64]

p_values = arrays(np.float64, st.integers(1, 12), elements=st.floats(0.0, 1.0))


def cases() -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    with (REFERENCE / "p_adjust.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            case = row.pop("case")
            found.setdefault(case, []).append(
                {name: float("nan") if value == "NA" else float(value) for name, value in row.items()}
            )
    return found


# --- from p values alone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
def test_agrees_with_p_adjust_of_r(case: str, method: type) -> None:
    rows = cases()[case]
    ours = method([row["p"] for row in rows])
    np.testing.assert_allclose(ours, [row[method.__name__] for row in rows], rtol=FLOATING, equal_nan=True)


@given(p_values)
def test_adjusting_never_makes_a_p_value_smaller_and_keeps_their_order(p: Floats) -> None:
    for method in (holm, benjamini_hochberg):
        adjusted = method(p)
        assert (adjusted >= p * (1 - FLOATING)).all()
        assert (adjusted <= 1.0).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert (holm(p) >= benjamini_hochberg(p) * (1 - FLOATING)).all()


@given(p_values, st.randoms(use_true_random=False))
def test_the_order_of_the_hypotheses_does_not_matter(p: Floats, random: object) -> None:
    order = np.arange(len(p))
    random.shuffle(order)  # type: ignore[attr-defined]
    for method in (holm, benjamini_hochberg):
        np.testing.assert_array_equal(method(p)[order], method(p[order]))


# --- the step-down kernels against their definitions, written out ---------------------------------------------------


def slow_step_down_max(observed: Floats, redraws: Floats) -> Floats:
    """Romano and Wolf, one hypothesis and one re-draw at a time."""
    order = sorted(range(len(observed)), key=lambda place: -observed[place])
    adjusted = np.empty(len(observed))
    highest = 0.0
    for step, place in enumerate(order):
        count = 1
        for draw in redraws.T:
            count += max(draw[other] for other in order[step:]) >= observed[place]
        highest = max(highest, count / (redraws.shape[1] + 1))
        adjusted[place] = highest
    return adjusted


def slow_step_down_min_p(observed: Floats, redraws: Floats, df: Floats) -> Floats:
    """Westfall and Young, algorithm 2.8: one hypothesis and one re-draw at a time, p values from t distributions."""
    raw = [2 * t.sf(value, nu) for value, nu in zip(observed, df, strict=True)]
    order = sorted(range(len(raw)), key=lambda place: raw[place])
    adjusted = np.empty(len(raw))
    highest = 0.0
    for step, place in enumerate(order):
        count = 1
        for draw in redraws.T:
            count += min(2 * t.sf(draw[other], df[other]) for other in order[step:]) <= raw[place]
        highest = max(highest, count / (redraws.shape[1] + 1))
        adjusted[place] = highest
    return adjusted


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("hypotheses", [1, 2, 5])
def test_the_fast_step_downs_are_the_slow_ones(seed: int, hypotheses: int) -> None:
    rng = np.random.default_rng(seed)
    observed = np.abs(rng.normal(size=hypotheses)) * 1.5
    redraws = np.abs(rng.normal(size=(hypotheses, 60)) + 0.7 * rng.normal(size=60))
    np.testing.assert_allclose(step_down_max(observed, redraws), slow_step_down_max(observed, redraws), rtol=1e-12)
    df = rng.choice([4.0, 9.0, 500.0], hypotheses)
    least_p = step_down_max(equivalent_normal(observed[:, None], df)[:, 0], equivalent_normal(redraws, df))
    np.testing.assert_allclose(least_p, slow_step_down_min_p(observed, redraws, df), rtol=1e-12)


def test_the_own_part_is_not_simulated() -> None:
    """With the same draws, counting all of P(M >= t) or adding the known part to what others add differs by noise."""
    rng = np.random.default_rng(2)
    p = np.array([0.004, 0.03, 0.2, 0.6])
    draws = 200_000
    redraws = joint_normal(np.full((4, 4), 0.5) + 0.5 * np.eye(4), draws, rng)
    observed = two_sided_normal(p)
    with_own = step_down_max(observed, redraws, own=p)
    np.testing.assert_allclose(with_own, step_down_max(observed, redraws), atol=4 * 0.5 / np.sqrt(draws))
    assert (with_own >= p).all()
    assert step_down_max(observed[:1], redraws[:1], own=p[:1]).tolist() == [0.004]


def test_every_sign_change_is_a_test_without_simulation() -> None:
    """All 2^8 sign changes of eight pairs: the definitions by enumeration, the observed signs among them."""
    rng = np.random.default_rng(9)
    pairs = rng.normal(size=(3, 8)) + np.array([[0.9], [0.3], [0.0]])
    signs = np.array(list(itertools.product([1, -1], repeat=8)))
    redraws = np.abs(pairs @ signs.T)
    observed = np.abs(pairs.sum(axis=1))
    own = own_shares(observed, redraws, exact=True)
    by_max = step_down_max(observed, redraws, exact=True)
    near = 1e-12
    raw = [(line >= value - near).mean() for line, value in zip(redraws, observed, strict=True)]
    np.testing.assert_allclose(own, raw)
    order = np.argsort(-observed)
    expected = np.empty(3)
    floor = 0.0
    for step, place in enumerate(order):
        floor = max(floor, (redraws[order[step:]].max(axis=0) >= observed[place] - near).mean())
        expected[place] = floor
    np.testing.assert_allclose(by_max, expected)
    assert (by_max >= own).all()
    assert (own * 256 == np.round(own * 256)).all()


statistics = arrays(np.float64, (4, 30), elements=st.floats(0.0, 5.0))


@given(arrays(np.float64, 4, elements=st.floats(0.0, 5.0)), statistics)
def test_step_downs_keep_the_order_and_are_never_below_the_raw_value(observed: Floats, redraws: Floats) -> None:
    by_max = step_down_max(observed, redraws)
    assert (by_max >= own_shares(observed, redraws)).all()
    assert (np.diff(by_max[np.argsort(-observed, kind="stable")]) >= 0).all()
    assert (by_max > 0).all()


# --- the joint normal law -------------------------------------------------------------------------------------------


def test_drawing_from_the_law_is_the_multiplier_bootstrap() -> None:
    """One standard normal multiplier per person, the same in every row, on samples that overlap in part."""
    rng = np.random.default_rng(4)
    people, draws = 400, 40_000
    influence = rng.normal(size=(4, people)) + 0.8 * rng.normal(size=people)
    influence[0, :100] = influence[1, 50:200] = influence[2, 300:] = 0.0
    errors = np.sqrt((influence**2).sum(axis=1))
    joint = (influence @ influence.T) / np.outer(errors, errors)
    observed = np.array([2.6, 2.2, 1.4, 0.3])
    multiplied = np.abs(influence @ rng.standard_normal((people, draws))) / errors[:, None]
    drawn = joint_normal(joint, draws, rng)
    noise = 4 * np.sqrt(2 * 0.25 / draws)  # both sides are simulated
    np.testing.assert_allclose(step_down_max(observed, multiplied), step_down_max(observed, drawn), atol=noise)


def test_a_singular_correlation_can_be_drawn_from() -> None:
    drawn = joint_normal(np.ones((3, 3)), 50, np.random.default_rng(1))
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-7)
    np.testing.assert_allclose(drawn[0], drawn[2], atol=1e-7)


def test_identical_outcomes_cost_nothing_and_independent_ones_cost_what_sidak_says() -> None:
    p = np.array([0.02, 0.02, 0.02])
    same = joint_normal(np.ones((3, 3)), 20_000, np.random.default_rng(1))
    np.testing.assert_allclose(step_down_max(two_sided_normal(p), same, own=p), p, atol=1e-3)
    apart = joint_normal(np.eye(3), 200_000, np.random.default_rng(1))
    adjusted = step_down_max(two_sided_normal(p), apart, own=p)
    np.testing.assert_allclose(adjusted, 1 - (1 - 0.02) ** 3, atol=0.0015)  # four standard errors of 200,000 draws
