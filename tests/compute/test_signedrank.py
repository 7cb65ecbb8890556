"""The signed-rank test and the Hodges-Lehmann shift, against R and by enumeration.

Wilcoxon (1945); Pratt (1959); Hodges and Lehmann (1963). R's `wilcox.test` and `coin::wilcoxsign_test`.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.compute import signedrank
from impactkit.compute.signedrank import hodges_lehmann, signed_rank
from impactkit.errors import DataError, NotEstimableError, SpecError

FOLDER = Path(__file__).parents[1] / "reference" / "signedrank"
EXACT = {"float_precision": "round_trip"} if pd.__version__.startswith("2.") else {}  # what pandas 3 does anyway
EXPECTED = pd.read_csv(FOLDER / "expected.csv", **EXACT)
DATA = pd.read_csv(FOLDER / "data.csv", **EXACT)
SETS = list(dict.fromkeys(DATA["set"]))
DIGITS = 1e-9
few = st.lists(st.integers(-5, 7), min_size=1, max_size=9).filter(any)


def sample(name: str) -> np.ndarray:
    return DATA.loc[DATA["set"] == name, "difference"].to_numpy()


def wanted(name: str) -> dict[str, float]:
    rows = EXPECTED[EXPECTED["set"] == name]
    return dict(zip(rows["name"], rows["value"], strict=True))


@pytest.mark.parametrize("name", SETS)
def test_asymptotic_tests_equal_r(name: str) -> None:
    d, theirs = sample(name), wanted(name)
    plain = signed_rank(d)
    assert plain.statistic == pytest.approx(theirs["statistic"], rel=DIGITS)
    assert plain.p_value == pytest.approx(theirs["p_plain"], rel=DIGITS)
    assert signed_rank(d, continuity=True).p_value == pytest.approx(theirs["p_continuity"], rel=DIGITS)
    for zeros, words in (("dropped", "Wilcoxon"), ("pratt", "Pratt")):
        ours = signed_rank(d, zeros=zeros)
        assert abs(ours.z) == pytest.approx(abs(theirs[f"z_{words}"]), rel=DIGITS)
        assert ours.p_value == pytest.approx(theirs[f"p_{words}"], rel=DIGITS)


@pytest.mark.parametrize("name", SETS)
def test_exact_tests_equal_r(name: str) -> None:
    d, theirs = sample(name), wanted(name)
    for zeros, words in (("dropped", "Wilcoxon"), ("pratt", "Pratt")):
        assert signed_rank(d, exact=True, zeros=zeros).p_value == pytest.approx(theirs[f"exact_{words}"], rel=1e-7)
    if "p_exact" in theirs:
        assert signed_rank(d, exact=True).p_value == pytest.approx(theirs["p_exact"], rel=DIGITS)


@pytest.mark.parametrize("name", [name for name in SETS if "estimate" in wanted(name)])
def test_shift_and_interval_equal_r(name: str) -> None:
    d, theirs = sample(name), wanted(name)
    shift, narrow = hodges_lehmann(d), hodges_lehmann(d, conf_level=0.9)
    for ours, key in (
        (shift.estimate, "estimate"), (shift.low, "low"), (shift.high, "high"), (narrow.low, "low90"),
        (narrow.high, "high90"),
    ):  # fmt: skip
        assert ours == pytest.approx(theirs[key], rel=DIGITS)


@given(few)
def test_the_exact_p_value_is_that_of_all_signs(values: list[int]) -> None:
    d = np.array([value for value in values if value], dtype=float)
    ours = signed_rank(values, exact=True)
    observed = ours.statistic
    sums = [signed_rank(np.abs(d) * signs).statistic for signs in itertools.product((-1, 1), repeat=d.size)]
    below = np.mean([value <= observed for value in sums])
    above = np.mean([value >= observed for value in sums])
    assert math.isclose(ours.p_value, min(1.0, 2 * min(below, above)), rel_tol=1e-12)


@given(few)
def test_signs_turned_give_the_same_p_value_and_the_turned_shift(values: list[int]) -> None:
    d = np.array(values, dtype=float)
    assert math.isclose(signed_rank(d).p_value, signed_rank(-d).p_value, rel_tol=1e-12)
    there, back = hodges_lehmann(d), hodges_lehmann(-d)
    assert math.isclose(there.estimate, -back.estimate, abs_tol=1e-12)
    np.testing.assert_allclose([there.low, there.high], [-back.high, -back.low], atol=1e-12)


def test_days_in_weeks_stay_tied() -> None:
    days = np.array([-20, -15, -10, 10, 10, 15, 25, 40, 41, 60])
    assert signed_rank(days / 7 + 3.1 - 3.1).p_value == pytest.approx(signed_rank(days).p_value, rel=1e-12)


def test_counted_pairwise_means_equal_enumerated_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    d = np.random.default_rng(2).lognormal(1, 1, 300) - 3
    listed = hodges_lehmann(d)
    monkeypatch.setattr(signedrank, "_ENUMERATED", 10)
    counted = hodges_lehmann(d)
    np.testing.assert_allclose(
        [counted.estimate, counted.low, counted.high], [listed.estimate, listed.low, listed.high], rtol=1e-12
    )


def test_too_few_for_the_level_gives_no_interval() -> None:
    shift = hodges_lehmann([1.0, 2.0, 4.0])
    assert shift.estimate == 2.25  # median of 1, 1.5, 2, 2.5, 3, 4
    assert math.isnan(shift.low)
    assert math.isnan(shift.high)


def test_what_cannot_be_tested_says_so() -> None:
    with pytest.raises(NotEstimableError, match="every difference is zero"):
        signed_rank([0.0, 0.0])
    with pytest.raises(NotEstimableError, match="at most 500"):
        signed_rank(np.arange(1.0, 600.0), exact=True)
    with pytest.raises(NotEstimableError, match="no differences"):
        hodges_lehmann([])
    with pytest.raises(DataError, match="1 of 2 are not"):
        signed_rank([1.0, np.nan])
    with pytest.raises(SpecError, match="pratt"):
        signed_rank([1.0], zeros="kept")  # type: ignore[arg-type]
