"""The attrition table and figure: what stands in them, what is withheld, and where reports put them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import SpecError
from impactkit.report.figures import figure_bytes
from impactkit.report.figures_attrition import attrition_alt_text, attrition_figure, can_draw
from impactkit.report.tables_attrition import attrition_blocks, attrition_table


def people(n: int = 240, *, arms: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(12)
    arm = np.arange(n) % arms
    age = rng.integers(18, 65, n)
    seen = rng.random(n) < 0.5 + 0.2 * (arm > 0)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "arm": np.array(["usual", "IPS", "coach"])[arm],
            "age": age,
            "site": rng.choice(["north", "south"], n),
            "work": np.where(seen, (rng.random(n) < 0.3 + 0.3 * (arm > 0)).astype(float), np.nan),
            "score": np.where(seen, rng.normal(size=n).round(2) + arm, np.nan),
        }
    )


def evaluated(
    *, arms: int = 2, data: pd.DataFrame | None = None, beside: bool = True, **options
) -> ik.EvaluationResult:
    design = ik.TrialDesign(
        unit="id", arm="arm", treated="IPS" if arms == 2 else ("IPS", "coach"), control="usual",
        outcomes=(
            ik.Outcome(name="work", kind="binary", label="In work"), ik.Outcome(name="score", kind="continuous")
        ),
        populations=(ik.Population(name="north", where=(("site", "north"),)), ik.Population(
            name="everyone", where=(("site", ("north", "south")),))),
    )  # fmt: skip
    base = {"name": "missing", "outcome": ("work", "score"), "covariates": ("age",)}
    analyses = [ik.IntentToTreat(name="itt", outcome="work")] if beside else []
    check = ik.Attrition(**{**base, **options})
    return ik.Evaluation(design, people(arms=arms) if data is None else data, [*analyses, check]).fit(
        seed=1, strict=True
    )


def test_the_table_has_response_then_methods_in_blocks_with_verdicts():
    table = evaluated().to_table("attrition")
    assert [column.key for column in table.columns] == ["value", "std_error", "interval", "p_value", "n"]
    assert [group.label for group in table.groups] == [
        "In work · north, percentage points", "score · north, points",
        "In work · everyone, percentage points", "score · everyone, points",
    ]  # fmt: skip
    first = table.groups[2]
    assert [row.label for row in first.rows] == [
        "Responded: IPS", "Responded: Usual", "Difference in response",
        "Response predicted differently by arm (joint test)", "Effective sample size, weighted", "Complete cases",
        "Weighted by inverse response", "Multiple imputation", "Lee bounds", "Worst-case bounds",
        "Tipping point: shift of missing outcomes, treated arm",
    ]  # fmt: skip
    assert [group.notes[0].split(":")[0] for group in table.groups] == [
        f"Verdict on {name}, {place}" for place in ("north", "everyone") for name in ("work", "score")
    ]
    worst = first.rows[9].cells
    assert worst[0].kind == "effect"
    assert len(worst[0].value) == len(worst[2].value) == 2
    assert worst[1].kind == "blank"
    assert "Worst-case bounds" not in [row.label for row in table.groups[1].rows]
    assert "Evidence: randomised." in table.notes
    assert not any("no reason was recorded" in note for note in (*table.notes, *table.footnotes))
    for text in (table.to_text(), table.to_html(), table.to_csv(), table.to_markdown()):
        assert "Lee bounds" in text


def test_several_arms_have_a_block_each_and_response_once():
    table = evaluated(arms=3, populations=("everyone",), outcome="work").to_table("attrition")
    assert [group.label for group in table.groups] == [
        "In work · IPS, percentage points",
        "In work · Coach, percentage points",
    ]
    counted = [sum(row.label.startswith("Responded") for row in group.rows) for group in table.groups]
    assert counted == [3, 0]
    assert [group.notes[0].split(":")[0] for group in table.groups] == [
        "Verdict on work, IPS, everyone", "Verdict on work, coach, everyone",
    ]  # fmt: skip


def test_small_counts_are_withheld():
    data = people()
    lost = data.index[data["work"].isna() & (data["arm"] == "IPS")][4:]
    data.loc[lost, "work"] = 1.0
    result = evaluated(data=data, outcome="work", populations=("everyone",))
    table = result.to_table("attrition")
    cells = {row.label: row.cells for group in table.groups for row in group.rows}
    assert cells["Responded: IPS"][0].kind == "suppressed"
    assert "c : withheld" in " ".join(table.notes)


def test_the_figure_is_the_same_bytes_and_is_said_in_words():
    result = evaluated(populations=("everyone",))
    one, two = result.plot("attrition"), evaluated(populations=("everyone",)).plot("attrition")
    assert figure_bytes(one) == figure_bytes(two)
    assert len(one.axes) == 2
    said = attrition_alt_text(result.tidy(), result.glance())
    assert said.startswith("Impact under each method for missing outcomes. Work, in percentage points: Complete cases ")
    for words in (
        "Weighted by inverse response",
        "Multiple imputation",
        "Lee bounds",
        "Worst-case bounds",
        "95% interval",
    ):
        assert words in said


def test_the_worst_case_is_cut_when_it_would_squeeze_the_others():
    limits = (ik.OutcomeLimits(outcome="score", low=-500, high=500),)
    figure = evaluated(populations=("everyone",), outcome="score", limits=limits).plot("attrition")
    low, high = figure.axes[0].get_xlim()
    assert high - low < 20
    assert {line.get_marker() for line in figure.axes[0].lines} >= {"<", ">"}


def test_reports_keep_impacts_apart(tmp_path):
    result = evaluated()
    assert "Lee" not in result.to_table("impacts").to_text()
    files = {path.relative_to(tmp_path).as_posix() for path in result.write(tmp_path / "both", overwrite=True)}
    assert {"both/tables/attrition.csv", "both/figures/attrition.svg", "both/figures/attrition.txt"} <= files
    page = (tmp_path / "both" / "report.html").read_text()
    assert page.index("Verdict on work") < page.index("Weighted by inverse response")
    alone = evaluated(beside=False)
    alone.write(tmp_path / "alone")
    assert "Missing outcomes" in (tmp_path / "alone" / "report.html").read_text()


def test_nothing_to_show_is_said():
    result = evaluated()["itt"]
    with pytest.raises(SpecError, match="no attrition analysis"):
        result.to_table("attrition")
    with pytest.raises(SpecError, match="nothing to draw"):
        result.plot("attrition")
    assert attrition_blocks(result.tidy(), result.glance()) == ()
    assert not can_draw(result.tidy(), result.glance())
    with pytest.raises(SpecError, match='Did you mean "attrition"'):
        result.plot("atrition")


def test_a_failed_outcome_has_its_reason_in_every_cell():
    data = people()
    data.loc[data["arm"] == "IPS", "score"] = np.nan
    result = evaluated(data=data, outcome="score", populations=("everyone",))
    table = attrition_table(result.tidy(), result.glance(), result.notes())
    assert not any("no reason was recorded" in note for note in table.footnotes)
    assert any("nobody is left to analyse" in note.lower() for note in table.footnotes)
    both = pd.concat([result.tidy(), evaluated(populations=("everyone",), outcome="work").tidy()])
    assert len(attrition_figure(both, result.glance()).axes) == 1
