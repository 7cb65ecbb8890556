"""Numbers as printed: rounding, signs, stars, units."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.errors import SpecError
from impactkit.report import DWP_TRIALS, PILOTS, PLAIN, Style, get_style
from impactkit.report.rounding import decimal_text


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (0.5, 0, "1"),
        (1.5, 0, "2"),
        (2.5, 0, "3"),
        (-2.5, 0, "−3"),
        (2.675, 2, "2.68"),
        (1.005, 2, "1.01"),
        (0.1 + 0.2, 1, "0.3"),
        (-0.04, 1, "0.0"),
        (-0.0, 1, "0.0"),
        (-0.05, 1, "−0.1"),
        (1234567.5, 0, "1,234,568"),
        (1e-9, 3, "0.000"),
        (math.inf, 1, "∞"),
        (-math.inf, 1, "−∞"),
    ],
)
def test_halves_go_away_from_zero_and_zero_has_no_sign(value: float, places: int, text: str) -> None:
    assert decimal_text(value, places) == text


@given(st.integers(-(10**7), 10**7), st.integers(0, 4))
def test_a_number_with_enough_places_prints_as_itself(whole: int, places: int) -> None:
    exact = Decimal(whole).scaleb(-places)
    printed = decimal_text(float(exact), places, thousands="", minus="-")
    assert Decimal(printed) == exact


@given(st.integers(-(10**6), 10**6))
def test_swapping_the_sign_only_swaps_the_sign(thousandths: int) -> None:
    up, down = (decimal_text(sign * thousandths / 1000, 1) for sign in (1, -1))
    assert up.lstrip("−") == down.lstrip("−")


def test_fractions_are_percentages_scaled_before_they_are_rounded() -> None:
    assert PLAIN.number(0.0625, "proportion") == "6.3"
    assert PLAIN.number(0.285, "proportion", "mean", with_unit=True) == "28.5%"
    assert PLAIN.number(-0.0625, "proportion", with_unit=True) == "−6.3 ppt"
    assert PLAIN.model_copy(update={"decimals": (("proportion", 0),)}).number(0.285, "proportion") == "29"


def test_money_carries_its_sign_inside_the_minus() -> None:
    assert PLAIN.number(-1580.5, "GBP") == "−£1,581"
    assert PLAIN.number(-0.4, "GBP per client") == "£0"
    assert PLAIN.interval(-120.0, 1400.4, "GBP") == "−£120 to £1,400"
    assert PLAIN.scale("GBP per client").words == "£ per client"


def test_ratios_have_no_unit() -> None:
    assert PLAIN.number(1.2345, "ratio", "risk_ratio", with_unit=True) == "1.23"
    assert PLAIN.number(2.3249, "", "ratio") == "2.32"


@pytest.mark.parametrize(
    ("p", "trials", "pilots"),
    [
        (0.0099999, "***", "*"),
        (0.01, "**", "*"),
        (0.0499, "**", "*"),
        (0.05, "*", ""),
        (0.0999, "*", ""),
        (0.1, "", ""),
        (math.nan, "", ""),
        ("c", "", ""),
    ],
)
def test_stars_read_the_unrounded_p_value_and_stop_at_the_threshold(p: object, trials: str, pilots: str) -> None:
    assert (DWP_TRIALS.stars_for(p), PILOTS.stars_for(p), PLAIN.stars_for(p)) == (trials, pilots, "")


def test_p_values_never_print_as_zero() -> None:
    assert [PLAIN.p_value(p) for p in (0.0, 0.00099, 0.001, 0.0595, 1.0)] == [
        "<0.001",
        "<0.001",
        "0.001",
        "0.060",
        "1.000",
    ]


def test_missing_and_withheld_print_as_such() -> None:
    assert PLAIN.number(math.nan, "GBP") == PLAIN.p_value(None) == PLAIN.count(math.nan) == "n/c"
    assert PLAIN.number("c", "GBP") == PLAIN.p_value("c") == PLAIN.interval("c", "c", "GBP") == "c"
    assert PLAIN.interval(math.nan, 1.0, "GBP") == "n/c to £1"
    assert PLAIN.count(1204) == "1,204"
    assert PLAIN.count(math.inf) == "∞"


def test_a_style_is_a_value() -> None:
    assert get_style("pilots") is PILOTS
    assert Style.model_validate_json(DWP_TRIALS.model_dump_json()) == DWP_TRIALS
    with pytest.raises(SpecError, match='Did you mean "pilots"'):
        get_style("pilot")
    with pytest.raises(ValueError, match="must rise"):
        Style(name="x", stars=((0.1, "*"), (0.05, "**")))
