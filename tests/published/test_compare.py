"""The four marks: what agrees, what rounding explains, what differs, and what was given."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.errors import SpecError
from impactkit.published import Mark, PublishedValue, Tally, compare, compare_cell, given_cell
from impactkit.published.value import parse_printed


def printed(text: str, **options: object) -> PublishedValue:
    return parse_printed(text, **{"unit": "percent", "source": "Table 1", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ours", "mark"),
    [
        (58.0, Mark.AGREES),
        (57.95, Mark.AGREES),  # both ends of the interval are in: rules for halves differ between programs
        (58.05, Mark.AGREES),
        (58.0500001, Mark.ROUNDING),  # within one unit of the last printed place
        (58.1, Mark.ROUNDING),
        (57.9, Mark.ROUNDING),
        (58.1001, Mark.DIFFERS),
        (57.8999, Mark.DIFFERS),
    ],
)
def test_marks_around_a_printed_figure(ours: float, mark: Mark) -> None:
    assert compare(ours, printed("58.0")) is mark


def test_reachable_inputs_turn_differs_into_rounding_only_if_they_meet_the_interval() -> None:
    cell = printed("1066", unit="GBP")
    assert compare(1070.0, cell) is Mark.DIFFERS
    assert compare(1070.0, cell, reachable=(1066.4, 1073.6)) is Mark.ROUNDING
    assert compare(1070.0, cell, reachable=(1066.6, 1073.4)) is Mark.DIFFERS
    assert compare(1066.2, cell, reachable=(1060.0, 1070.0)) is Mark.AGREES
    with pytest.raises(SpecError, match="low to high"):
        compare(1070.0, cell, reachable=(2.0, 1.0))


def test_signs() -> None:
    small, large = printed("<0.001", unit="p"), printed(">0.9", unit="p")
    assert compare(0.0009, small) is Mark.AGREES
    assert compare(0.001, small) is Mark.ROUNDING
    assert compare(0.0021, small) is Mark.DIFFERS
    assert compare(0.95, large) is Mark.AGREES
    assert compare(0.7, large) is Mark.DIFFERS


def test_a_bare_0001_may_mean_at_most_and_is_flagged() -> None:
    cell = printed("0.001", unit="p", decimals=2)
    assert compare(1e-9, cell) is Mark.AGREES
    assert compare(0.0015, cell) is Mark.AGREES
    assert compare(0.0019, cell) is Mark.ROUNDING
    assert compare(0.0021, cell) is Mark.DIFFERS
    assert "0.001 or less" in compare_cell(1e-9, cell, table="t", row=("r",), column="p").note
    assert compare(1e-9, printed("0.001")) is not Mark.AGREES  # a percentage has no such reading
    assert compare(0.0001, printed("0.002", unit="p")) is not Mark.AGREES


def test_figures_in_words() -> None:
    around = printed("1500", unit="GBP", rounding_unit=100)
    assert compare(1450, around) is Mark.AGREES
    assert compare(1581, around) is Mark.ROUNDING
    assert compare(1601, around) is Mark.DIFFERS
    five_to_six = printed("5 to 6", unit="working days")
    assert compare(5.56, five_to_six) is Mark.AGREES
    assert compare(6.0, five_to_six) is Mark.AGREES
    assert compare(6.01, five_to_six) is not Mark.AGREES


def test_lost_trailing_zeros() -> None:
    assert compare(0.13, printed("0.1", unit="p", decimals=2)) is Mark.DIFFERS
    assert compare(0.13, printed("0.1", unit="p")) is Mark.AGREES
    assert compare(0.0052, printed("0.005", unit="p", decimals=2)) is Mark.AGREES


def test_a_missing_figure_is_no_figure() -> None:
    with pytest.raises(SpecError, match="finite"):
        compare(math.nan, printed("58.0"))
    for text in ("", "n/c", "1,066"):
        with pytest.raises(SpecError, match="number was expected"):
            printed(text)


@given(st.integers(-10_000, 10_000), st.integers(0, 4))
def test_a_figure_agrees_with_its_own_rounding(number: int, decimals: int) -> None:
    ours = number / 7
    assert compare(ours, printed(f"{ours:.{decimals}f}")) is Mark.AGREES
    assert compare(ours, printed(f"{ours + 2.6 * 10.0**-decimals:.{decimals}f}")) is Mark.DIFFERS


def test_given_cells_are_never_counted_as_reproduced() -> None:
    cell = printed("58.0")
    cells = [
        given_cell(cell, table="t", column="c", row=("a",)),
        compare_cell(58.0, cell, table="t", column="c", row=("b",)),
        compare_cell(58.1, cell, table="t", column="c", row=("c",)),
        compare_cell(60.0, cell, table="t", column="c", row=("d",), note="why"),
        compare_cell(61.0, cell, table="t", column="c", row=("e",)),
    ]
    tally = Tally.of(cells)
    assert tally == Tally(agrees=1, rounding=1, differs=2, given=1)
    assert tally.compared == 4
    assert str(tally) == "4 cells compared: 1 agree, 1 within rounding, 2 differ; 1 given"
    assert (cells[0].ours, cells[0].mark, cells[3].note) == (58.0, Mark.GIVEN, "why")
