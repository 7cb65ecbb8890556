"""The stacked figure of exits: what is drawn, what is withheld, and what is said in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import SpecError
from impactkit.report.figures import figure_bytes
from impactkit.report.figures_incidence import incidence, incidence_alt_text
from impactkit.report.labels import Labels
from impactkit.report.tables_incidence import incidence_table

TIME = np.array([0.0, 5.0, 10.0, 15.0, 20.0])


def curve(term: str, events: list[float], n: float = 100.0, population: str = "all") -> pd.DataFrame:
    done = np.array(events)
    return pd.DataFrame(
        {
            "analysis": "exits",
            "outcome": "exit",
            "population": population,
            "term": term,
            "measure": "cumulative_incidence",
            "unit": "weeks",
            "time": TIME,
            "estimate": done / n,
            "conf_low": np.nan,
            "conf_high": np.nan,
            "n_risk": [n, 0.9 * n, 0.5 * n, 0.2 * n, 0.06 * n],
            "n_events": done,
        }
    )


def two() -> pd.DataFrame:
    return pd.concat([curve("work", [0, 10, 30, 50, 60]), curve("job loss", [0, 5, 10, 20, 25])])


def words(figure) -> list[str]:  # type: ignore[no-untyped-def]
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [text.get_text() for text in figure.texts]


def test_areas_end_where_fewer_than_ten_are_under_observation() -> None:
    said = words(incidence(two()))
    assert "at 15 weeks" in said
    assert "work 50%" in said
    assert "still absent 30%" in said
    assert said.count("c") == 1
    assert any("c : fewer" in line for line in said)
    assert incidence_alt_text(two()).endswith("Everyone at 15 weeks: work 50%, job loss 20%, still absent 30%.")


def test_an_exit_of_few_people_is_not_shown_apart() -> None:
    frame = pd.concat([curve("work", [0, 10, 30, 50, 60]), curve("job loss", [0, 1, 1, 3, 3])])
    said = words(incidence(frame))
    assert not any(line.startswith("job loss") for line in said)
    assert "still absent or\nother exit 50%" in said
    assert "still absent or other exit 50%" in incidence_alt_text(frame)
    more = pd.concat([frame, curve("retired", [0, 1, 2, 8, 8])])
    assert "other exits 11%" in words(incidence(more))
    many = pd.concat([frame, curve("benefit", [0, 2, 9, 15, 20])])
    assert {"benefit 15%", "still absent or\nother exit 35%"} <= set(words(incidence(many)))


def test_a_group_of_few_is_withheld() -> None:
    small = curve("a: work", [0, 1, 2, 3, 3], n=8.0)
    frame = pd.concat([small, curve("b: work", [0, 10, 30, 50, 60])])
    assert "c : fewer than 10 people" in words(incidence(frame))
    assert "A: withheld" in incidence_alt_text(frame)
    few = pd.concat([curve("work", [0, 1, 2, 3, 4]), curve("job loss", [0, 5, 10, 20, 25])])
    assert "withheld" in incidence_alt_text(few)


def trial_rows() -> ik.EvaluationResult:
    rng = np.random.default_rng(5)
    times = np.column_stack([rng.uniform(20, 40, 200), rng.exponential(25, 200), rng.exponential(60, 200)])
    people = pd.DataFrame(
        {
            "id": range(200),
            "arm": np.tile(["new", "old"], 100),
            "weeks": np.ceil(times.min(axis=1)),
            "exit": np.array([None, "work", "job loss"], dtype=object)[times.argmin(axis=1)],
        }
    )
    design = ik.TrialDesign(unit="id", arm="arm", treated="new", control="old")
    exits = ik.CompetingExits(name="exits", exit="exit", duration="weeks", horizon=16.0, times=(8.0, 16.0, 90.0))
    return ik.Evaluation(design, people, [exits]).fit(seed=1)


def test_the_table_has_a_line_for_each_exit_and_group() -> None:
    result = trial_rows()
    table = incidence_table(result.tidy(), result.glance(), result.notes())
    assert [group.label for group in table.groups] == ["Everyone · New", "Everyone · Old"]
    assert [row.label for row in table.groups[0].rows] == ["work", "job loss", "work, 1 − Kaplan-Meier"]
    labels = [column.label for column in table.columns]
    assert labels[0] == "Left by 8 weeks"
    assert labels[-2] == "Mean weeks since, to 16"
    tidy = result.tidy()
    shown = tidy[(tidy["term"] == "new: work by 16") & (tidy["measure"] == "cumulative_incidence")].iloc[0]
    cells = table.groups[0].rows[0].cells
    assert cells[2].value == shown["estimate"]
    assert cells[3].value == (shown["conf_low"], shown["conf_high"])
    assert cells[4].kind == "not_given"
    assert "nobody was followed beyond" in cells[4].notes[0].lower()
    assert table.evidence == "randomised"
    with pytest.raises(SpecError, match="no exits"):
        incidence_table(tidy[tidy["measure"] == "difference"])
    with pytest.raises(SpecError, match="choose one"):
        incidence_table(pd.concat([tidy, tidy.assign(analysis="other")]))


def test_the_same_bytes_each_time_and_labels_are_used() -> None:
    assert figure_bytes(incidence(two())) == figure_bytes(incidence(two()))
    labels = Labels.of(terms={"work": "back at work"})
    assert "back at work 50%" in incidence_alt_text(two(), labels=labels)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(SpecError, match="nothing to draw"):
        incidence(two().iloc[:0])
    with pytest.raises(SpecError, match="choose one analysis"):
        incidence(pd.concat([two(), two().assign(analysis="other")]))
    glance = pd.DataFrame({"analysis": ["exits"], "evidence": ["comparison with a norm"]})
    with pytest.raises(SpecError, match="impact"):
        incidence(two(), glance, title="Impact on return")
