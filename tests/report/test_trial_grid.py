"""The trial layout: structure, refusals, and the covariance between its overlapping columns."""

from __future__ import annotations

import numpy as np
import pytest

import impactkit as ik
from impactkit.cli.trials import health_led_plan
from impactkit.data import SYNTHETIC_TITLE, synthetic_health_led_trials
from impactkit.errors import SpecError

COLUMNS = ["WMCA", "SCR IW", "SCR OOW", "All SCR", "All OOW"]
TABLE = ["Synthetic: records", "Synthetic: survey"]
EXACT = 1e-10  # the same sums in another order


@pytest.fixture(scope="module")
def result() -> ik.EvaluationResult:
    return ik.Evaluation.from_plan(health_led_plan(), synthetic_health_led_trials(seed=1)).fit(seed=1, strict=True)


def test_one_row_per_outcome_and_one_column_per_population(result: ik.EvaluationResult) -> None:
    table = result[TABLE].to_table("impacts", layout="trial")
    assert [column.label for column in table.columns] == COLUMNS
    shape = {group.label: [row.label for row in group.rows] for group in table.groups}
    effects = [
        "Employment (synthetic), percentage points",
        "Earnings (synthetic), £",
        "Health (synthetic), standard deviations",
        "Wellbeing (synthetic), standard deviations",
    ]
    assert shape == {
        "Impact": effects,
        "Standard error": effects,
        "Control mean": [
            "Employment (synthetic), %",
            "Earnings (synthetic), £",
            "Health (synthetic), points",
            "Wellbeing (synthetic), points",
        ],
        "People": [f"{name} (synthetic)" for name in ("Employment", "Earnings", "Health", "Wellbeing")],
    }
    assert table.subtitle == SYNTHETIC_TITLE
    assert table.footnotes == ()
    assert "Statistically significant at the * 90%, ** 95%, *** 99% level." in table.notes
    frame = result[TABLE].tidy()
    for row, outcome in zip(table.groups[0].rows, ("employment", "earnings", "health", "wellbeing"), strict=True):
        for cell, population in zip(row.cells, COLUMNS, strict=True):
            where = (frame["outcome"] == outcome) & (frame["population"] == population) & (frame["term"] == "IPS")
            found = frame[where].iloc[0]
            assert cell.value == found["estimate"]
            p = found["p_value"]
            assert cell.mark == ("***" if p < 0.01 else "**" if p < 0.05 else "*" if p < 0.1 else "")


def test_html_and_csv_say_synthetic_and_have_every_number(result: ik.EvaluationResult) -> None:
    table = result[TABLE].to_table("impacts", layout="trial")
    assert "SYNTHETIC" in table.to_html()
    assert "SYNTHETIC" in table.to_text()
    assert result.tidy()["analysis"].str.startswith("Synthetic").all()
    assert len([cell for row in table.rows() for cell in row.cells if cell.value is not None]) == 16 * 5


def test_two_claims_on_one_row_are_refused(result: ik.EvaluationResult) -> None:
    with pytest.raises(SpecError, match=r'"earnings" is estimated more than once in WMCA .*select analyses'):
        result[["Synthetic: records", "Synthetic: earnings in full"]].to_table("impacts", layout="trial")


def test_a_hole_prints_as_not_part_of_the_analysis() -> None:
    plan = health_led_plan()
    records = plan.analyses[0].replace(populations=("WMCA",))
    some = plan.replace(analyses=(records, plan.analyses[1]))
    table = ik.Evaluation.from_plan(some, synthetic_health_led_trials(seed=1)).fit(seed=1).to_table(layout="trial")
    assert [cell.kind for cell in table.groups[0].rows[0].cells] == ["effect", *["blank"] * 4]


def test_covariance_between_overlapping_columns() -> None:
    """Blocked, All SCR is a mean of two disjoint groups: its difference from one of them has a known error."""
    plan = health_led_plan()
    plain = ik.IntentToTreat(name="itt", outcome="earnings")
    result = ik.Evaluation(plan.design, synthetic_health_led_trials(seed=1), [plain]).fit(seed=1)
    rows = result.tidy().query("term == 'IPS'").set_index("population")
    share = rows.loc["SCR OOW", "n"] / rows.loc["All SCR", "n"]
    gap = result.combine(
        "difference", *(ik.RowRef(analysis="itt", population=name) for name in ("All SCR", "SCR IW"))
    ).numbers
    independent = np.hypot(rows.loc["SCR OOW", "std_error"], rows.loc["SCR IW", "std_error"])
    assert gap["estimate"][0] == pytest.approx(
        share * (rows.loc["SCR OOW", "estimate"] - rows.loc["SCR IW", "estimate"]), rel=1e-8
    )
    assert gap["std_error"][0] == pytest.approx(share * independent, rel=EXACT)
    naive = np.hypot(rows.loc["All SCR", "std_error"], rows.loc["SCR IW", "std_error"])
    assert abs(gap["std_error"][0] / naive - 1) > 0.05  # taking the columns as independent is visibly wrong


def test_the_plan_carries_the_difference(result: ik.EvaluationResult) -> None:
    found = result["Synthetic: All SCR against SCR IW"].tidy().iloc[0]
    names = [(key.analysis, key.outcome, key.population, key.term) for key in result.estimates.keys]
    first, second = (names.index(("Synthetic: records", "employment", name, "IPS")) for name in ("All SCR", "SCR IW"))
    joint = result.covariance()
    variance = joint[first, first] + joint[second, second] - 2 * joint[first, second]
    assert found["std_error"] ** 2 == pytest.approx(variance, rel=1e-8)
