"""Tables and figures of EQ-5D profiles: what is printed, what is withheld, and what may not be said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import SpecError
from impactkit.report.figures import figure_bytes
from impactkit.report.figures_eq5d import (
    eq5d_changes,
    eq5d_changes_alt_text,
    eq5d_problems,
    eq5d_problems_alt_text,
)
from impactkit.report.render_text import text
from impactkit.report.tables_eq5d import eq5d_changes_table, eq5d_problems_table, eq5d_scores_table

PEOPLE = pd.read_csv(Path(__file__).parents[1] / "reference" / "eq5d" / "people.csv")


def result(trial: bool, data: pd.DataFrame = PEOPLE) -> ik.EvaluationResult:
    analysis = ik.Eq5dProfile(name="health", before="before", after="after", value_set="uk_5l_2026")
    design = (
        ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual")
        if trial
        else ik.BeforeAfterDesign(unit="id", before="before", after="after")
    )
    return ik.Evaluation(design, data, [analysis]).fit(seed=1)


@pytest.mark.parametrize("trial", [False, True])
def test_tables_have_a_line_for_each_dimension(trial: bool) -> None:
    found = result(trial)
    frames = (found.tidy(), found.glance(), found.notes())
    shown = text(eq5d_problems_table(*frames))
    for name in ("Mobility", "Self-care", "Usual activities", "Pain or discomfort", "Anxiety or depression"):
        assert name in shown
    assert ("Impact" in shown) == trial
    assert ("McNemar" in shown) != trial
    assert ("adjusted for entry" in shown) == trial
    assert "Rowen" in shown
    scores = text(eq5d_scores_table(*frames))
    assert "EQ-5D index" in scores
    assert "Level sum score" in scores
    classes = eq5d_changes_table(*frames)
    assert [column.label for column in classes.columns][1:] == [
        "No problems", "No change", "Improved", "Worsened", "Mixed",
    ]  # fmt: skip
    assert len(classes.groups[0].rows) == (2 if trial else 1)


@pytest.mark.parametrize("trial", [False, True])
def test_figures_say_what_they_show_and_never_impact(trial: bool) -> None:
    found = result(trial)
    frames = (found.tidy(), found.glance())
    for draw, words in ((eq5d_problems, eq5d_problems_alt_text), (eq5d_changes, eq5d_changes_alt_text)):
        assert figure_bytes(draw(*frames), "png", dpi=50)[:4] == b"\x89PNG"
        said = words(*frames)
        assert "impact" not in said.lower()
        assert ("not causal" in said) != trial
        with pytest.raises(SpecError, match="impact"):
            draw(*frames, title="Impact on health")
    share = (PEOPLE.dropna()["before"] // 10_000 > 1).mean()
    if not trial:
        assert f"Mobility {share:.0%} at entry" in eq5d_problems_alt_text(*frames)


def test_few_people_are_withheld() -> None:
    few = PEOPLE.dropna().head(60).assign(before=12345, after=lambda f: np.where(np.arange(60) < 4, 22345, 12345))
    found = result(False, few)
    said = eq5d_problems_alt_text(found.tidy(), found.glance())
    assert "Mobility 0% at entry, c at discharge" in said
    assert "no change or worsened 100%" in eq5d_changes_alt_text(found.tidy(), found.glance())
    nine = result(False, PEOPLE.dropna().head(9))
    assert "%" not in eq5d_problems_alt_text(nine.tidy(), nine.glance())
    assert "withheld" in eq5d_changes_alt_text(nine.tidy(), nine.glance())


def test_small_counts_cannot_be_worked_out() -> None:
    from impactkit.report import disclose

    data = PEOPLE.dropna().head(120).assign(before=12345, after=lambda f: np.where(np.arange(120) < 4, 22345, 12344))
    found = result(False, data)
    shown = disclose(found.tidy(), found.glance(), found.notes(), found.cells()).tidy
    mobility = shown[shown["outcome"] == "mobility"].set_index("term")["estimate"]
    assert mobility["discharge"] == "c"
    assert mobility["discharge only"] == "c"
    assert mobility["change"].iloc[0] == "c"
    change = shown[(shown["outcome"] == "mobility") & (shown["term"] == "change")]
    assert (change["p_value"] == "c").all()  # the statistic would give the counts away
    classes = shown[shown["outcome"] == "health change"].set_index("term")["estimate"]
    assert (classes[["worsened", "improved"]] == "c").all()  # they add up to everybody: neither may stand alone


def test_withheld_cells_stay_withheld() -> None:
    found = result(False)
    tidy = found.tidy().astype(object)
    numbers = ["estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value", "df", "n"]
    tidy.loc[tidy["outcome"] == "mobility", numbers] = "c"
    assert "Mobility c at entry" in eq5d_problems_alt_text(tidy, found.glance())
    assert figure_bytes(eq5d_problems(tidy, found.glance()), "png", dpi=50)
    line = next(row for row in text(eq5d_problems_table(tidy, found.glance())).splitlines() if "Mobility" in row)
    assert "%" not in line


def test_nothing_to_show_is_said() -> None:
    found = result(False)
    tidy, glance = found.tidy().iloc[:0], found.glance()
    for show in (eq5d_problems_table, eq5d_scores_table, eq5d_changes_table, eq5d_problems, eq5d_changes):
        with pytest.raises(SpecError, match="nothing to show"):
            show(tidy, glance)
