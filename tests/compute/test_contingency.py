"""Tests on tables of counts against base R (tests/reference/counts: script, output, versions), and their properties."""

import csv
import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from impactkit.compute.contingency import (
    CountTest,
    cochran_armitage,
    fisher_exact,
    likelihood_ratio,
    pearson_chi_square,
    wilson_interval,
)
from impactkit.compute.fisher import TIE_TOLERANCE
from impactkit.errors import DataError, NotEstimableError, SpecError

REFERENCE = Path(__file__).parents[1] / "reference" / "counts" / "counts.csv"
SAME_AS_R = 1e-8  # relative: both compute in double precision, by different series for the tails

Reference = dict[tuple[str, str], dict[str, float]]


def _read() -> Reference:
    found: Reference = defaultdict(dict)
    with REFERENCE.open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            found[row["table"], row["test"]][row["quantity"]] = float(row["value"])
    return dict(found)


R = _read()
NAMES = sorted({name for name, _ in R})
TWO_ANSWERS = sorted({name for name, test in R if test == "trend"})


def _counts(name: str) -> NDArray[np.int64]:
    cells = {tuple(map(int, place.split("_"))): int(value) for place, value in R[name, "counts"].items()}
    rows, columns = (1 + max(place[axis] for place in cells) for axis in (0, 1))
    return np.array([[cells[i, j] for j in range(columns)] for i in range(rows)])


def test_the_reference_covers_what_is_claimed() -> None:
    assert len(NAMES) == 10
    assert len(TWO_ANSWERS) == 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("label", "test"),
    [("pearson", pearson_chi_square), ("likelihood_ratio", likelihood_ratio), ("fisher", fisher_exact)],
)
def test_independence_equals_r(name: str, label: str, test: Callable[..., CountTest]) -> None:
    ours = test(_counts(name))
    for quantity, value in R[name, label].items():
        assert getattr(ours, quantity) == pytest.approx(value, rel=SAME_AS_R, abs=0), quantity


@pytest.mark.parametrize("name", TWO_ANSWERS)
@pytest.mark.parametrize(("label", "power"), [("trend", 1), ("trend_squared", 2)])
def test_trend_equals_r(name: str, label: str, power: int) -> None:
    counts = _counts(name)
    scores = np.arange(1, len(counts) + 1) ** power
    ours = cochran_armitage(counts[:, 0], counts.sum(axis=1), scores)
    assert ours.df == 1
    for quantity, value in R[name, label].items():
        assert getattr(ours, quantity) == pytest.approx(value, rel=SAME_AS_R, abs=1e-14), quantity


@pytest.mark.parametrize("name", TWO_ANSWERS)
@pytest.mark.parametrize("level", [0.95, 0.9])
def test_wilson_equals_r(name: str, level: float) -> None:
    counts = _counts(name)
    ours = wilson_interval(counts[:, 0], counts.sum(axis=1), conf_level=level)
    for row in range(len(counts)):
        limits = R[name, f"wilson_{row}_{level}"]
        assert ours.low[row] == pytest.approx(limits["low"], rel=SAME_AS_R, abs=1e-14)
        assert ours.high[row] == pytest.approx(limits["high"], rel=SAME_AS_R)


def test_a_simulated_fisher_test_is_near_the_exact_one() -> None:
    counts = _counts("pooled_referral")
    simulated = fisher_exact(counts, n_resamples=4_000, seed=1).p_value
    assert simulated == pytest.approx(fisher_exact(counts).p_value, abs=4 * math.sqrt(0.25 / 4_000))


def test_fisher_refuses_to_list_too_many_tables_and_never_simulates_unasked() -> None:
    counts = _counts("pooled_referral")
    with pytest.raises(NotEstimableError, match="table_limit"):
        fisher_exact(counts, table_limit=1_000)
    with pytest.raises(SpecError, match="seed"):
        fisher_exact(counts, n_resamples=1_000)
    with pytest.raises(SpecError, match="n_resamples"):
        fisher_exact(counts, seed=1)
    assert "1000 tables, seed 3" in fisher_exact(counts, n_resamples=1_000, seed=3).method
    assert (
        fisher_exact(counts, n_resamples=1_000, seed=3).p_value
        == fisher_exact(counts, n_resamples=1_000, seed=3).p_value
    )


@pytest.mark.parametrize("test", [pearson_chi_square, likelihood_ratio, fisher_exact])
def test_empty_rows_and_columns_are_reported_and_change_nothing_else(test: Callable[..., CountTest]) -> None:
    full = test([[8, 6], [9, 5], [3, 7]])
    padded = test([[8, 0, 6], [0, 0, 0], [9, 0, 5], [3, 0, 7]])
    assert (padded.empty_rows, padded.empty_columns) == ((1,), (1,))
    assert (full.empty_rows, full.empty_columns) == ((), ())
    assert (padded.p_value, padded.n, padded.smallest_expected) == (full.p_value, full.n, full.smallest_expected)
    assert padded.df == full.df or math.isnan(padded.df)


def test_empty_groups_in_trend_and_interval() -> None:
    trend = cochran_armitage([38, 0, 34], [47, 0, 74], [0, 1, 2])
    assert trend.empty_rows == (1,)
    assert trend.p_value == pytest.approx(pearson_chi_square([[38, 9], [34, 40]]).p_value)
    interval = wilson_interval([3, 0], [10, 0])
    assert interval.empty == (1,)
    assert np.isnan([interval.proportion[1], interval.low[1], interval.high[1]]).all()


def test_wilson_stays_inside_zero_and_one() -> None:
    interval = wilson_interval([0, 5], [5, 5])
    assert interval.low[0] == 0.0
    assert interval.high[1] == 1.0
    assert interval.high[0] == pytest.approx(1 - interval.low[1])


small_tables = st.integers(2, 3).flatmap(
    lambda columns: st.lists(st.lists(st.integers(1, 8), min_size=columns, max_size=columns), min_size=2, max_size=3)
)


@given(small_tables)
def test_transposed_and_permuted_tables_give_the_same(counts: list[list[int]]) -> None:
    table = np.array(counts)
    for test in (pearson_chi_square, likelihood_ratio, fisher_exact):
        p = test(table).p_value
        assert test(table.T).p_value == pytest.approx(p, rel=1e-9)
        assert test(table[::-1, ::-1]).p_value == pytest.approx(p, rel=1e-9)
        assert 0.0 <= p <= 1.0


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_fisher_equals_the_hypergeometric_sum(a: int, b: int, c: int, d: int) -> None:
    row, column, n = a + b, a + c, a + b + c + d
    chance = {
        x: math.comb(column, x) * math.comb(n - column, row - x) / math.comb(n, row)
        for x in range(max(0, row + column - n), min(row, column) + 1)
    }
    expected = sum(p for p in chance.values() if p <= chance[a] * (1 + TIE_TOLERANCE))
    ours = fisher_exact([[a, b], [c, d]])
    assert ours.p_value == pytest.approx(expected, rel=1e-10)
    assert ours.statistic == pytest.approx(chance[a], rel=1e-10)


def test_trend_of_two_groups_is_pearson_and_scores_may_be_shifted_and_stretched() -> None:
    x, n = [40, 59, 12], [69, 99, 30]
    two = cochran_armitage(x[:2], n[:2])
    assert two.statistic == pytest.approx(pearson_chi_square([[40, 29], [59, 40]]).statistic)
    assert cochran_armitage(x, n, [5, 15, 25]).statistic == pytest.approx(cochran_armitage(x, n).statistic)


@pytest.mark.parametrize(
    "bad", [[[1, -1], [2, 3]], [[1.5, 1], [2, 3]], [[float("nan"), 1], [2, 3]], [[1, 2], [3]], "abc"]
)
def test_counts_that_are_none_are_refused(bad: object) -> None:
    with pytest.raises(DataError, match="whole numbers"):
        pearson_chi_square(bad)  # type: ignore[arg-type]


def test_degenerate_tables_say_why() -> None:
    with pytest.raises(NotEstimableError, match="two rows and two columns"):
        pearson_chi_square([[3, 0], [5, 0]])
    with pytest.raises(DataError, match="two dimensions"):
        pearson_chi_square([3, 5])
    with pytest.raises(DataError, match="exceed the total"):
        cochran_armitage([5, 2], [4, 9])
    with pytest.raises(DataError, match="one success count"):
        cochran_armitage([[5, 2]], [[9, 9]])
    with pytest.raises(NotEstimableError, match="table_limit"):
        fisher_exact([[5, 2], [9, 9]], table_limit=1)
    with pytest.raises(DataError, match="one shape"):
        wilson_interval([5, 2], [9])
    with pytest.raises(NotEstimableError, match="score"):
        cochran_armitage([5, 2], [9, 9], [1, 1])
    with pytest.raises(DataError, match="finite scores"):
        cochran_armitage([5, 2], [9, 9], [1])
    with pytest.raises(SpecError, match="conf_level"):
        wilson_interval([5], [9], conf_level=95)
