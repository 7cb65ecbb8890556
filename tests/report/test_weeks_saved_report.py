"""Tables and figures of weeks saved, from frames alone."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_norms import FEATURES, design, tables

import impactkit as ik
from impactkit.errors import SpecError
from impactkit.report import (
    figure_bytes,
    observed_expected_table,
    weeks_saved_alt_text,
    weeks_saved_forest,
    weeks_saved_grid_table,
    weeks_saved_table,
    weeks_saved_tornado,
    weeks_saved_tornado_alt_text,
)

BASE = ik.WeeksSaved(name="saved", horizon=60, by_cell=True)


@pytest.fixture(scope="module")
def result() -> ik.EvaluationResult:
    analyses = [
        BASE,
        ik.ObservedExpected(name="returns", until=120),
        ik.WeeksSavedGrid(name="grid", base=BASE, horizons=(30,)),
    ]
    declared = design(**FEATURES["populations"])
    return ik.Evaluation(declared, tables(), analyses).fit(seed=1, strict=True)


def test_the_table_of_weeks_saved_has_a_line_for_each_population_and_cell(result: ik.EvaluationResult) -> None:
    table = weeks_saved_table(result.tidy(), result.glance(), result.notes())
    (group,) = table.groups
    assert [row.label for row in group.rows[:2]] == ["Women", "  north, anxiety"]
    assert len(group.rows) == 10
    whole = group.rows[0]
    assert [column.key for column in table.columns][1:4] == ["expected", "observed", "saved"]
    expected, seen, saved = (float(cell.value) for cell in whole.cells[1:4])  # type: ignore[arg-type]
    assert saved == pytest.approx(expected - seen)
    assert table.evidence == "comparison with a norm"
    assert any("Volunteers" in note for note in table.notes)


def test_the_table_of_returns(result: ik.EvaluationResult) -> None:
    table = observed_expected_table(result.tidy(), result.glance(), result.notes())
    row = table.groups[0].rows[0]
    observed, expected, ratio = (float(cell.value) for cell in row.cells[1:4])  # type: ignore[arg-type]
    assert ratio == pytest.approx(observed / expected)


def test_the_table_of_rules_says_how_each_moves_the_answer(result: ik.EvaluationResult) -> None:
    table = weeks_saved_grid_table(result.tidy(), result.glance(), result.notes())
    first, *others = table.groups[0].rows
    assert first.label == "as declared"
    assert first.cells[2].kind == "blank"
    given = [row for row in others if row.cells[1].kind == "effect"]
    for row in given:
        assert float(row.cells[2].value) == pytest.approx(  # type: ignore[arg-type]
            float(row.cells[1].value) - float(first.cells[1].value)  # type: ignore[arg-type]
        )
    (gap,) = [row for row in others if row.label == "Gap"]
    assert gap.cells[1].kind == "not_given"
    assert "episodes already" in gap.cells[1].notes[0]


def test_figures_say_in_words_what_they_draw(result: ik.EvaluationResult) -> None:
    tidy, glance = result.tidy(), result.glance()
    for figure in (weeks_saved_forest(tidy, glance), weeks_saved_tornado(tidy, glance, population="women and GP")):
        assert figure_bytes(figure, "png").startswith(b"\x89PNG")
    words = weeks_saved_alt_text(tidy, glance)
    assert "Women, All clients" in words
    assert "Women, south, back" in words
    tornado = weeks_saved_tornado_alt_text(tidy, glance)
    assert "Unknown outcomes: returned" in tornado
    assert "Not drawn, no number: gap, may be fit, return date" in tornado


def test_nothing_to_show_is_said(result: ik.EvaluationResult) -> None:
    tidy, glance = result["returns"].tidy(), result["returns"].glance()
    for draw in (weeks_saved_forest, weeks_saved_tornado, weeks_saved_table, weeks_saved_grid_table):
        with pytest.raises(SpecError, match="no WeeksSaved"):
            draw(tidy, glance)
    with pytest.raises(SpecError, match="no ObservedExpected"):
        observed_expected_table(result["saved"].tidy(), result["saved"].glance())
    blank = result["grid"].tidy().assign(estimate=np.nan)
    with pytest.raises(SpecError, match="declared row has a number"):
        weeks_saved_tornado(blank, result["grid"].glance())


def test_no_heading_says_impact(result: ik.EvaluationResult) -> None:
    for draw in (weeks_saved_forest, weeks_saved_tornado):
        with pytest.raises(SpecError, match=r"[Ii]mpact"):
            draw(result.tidy(), result.glance(), title="impact on weeks")
