"""Tables: exact small pictures, footnotes, evidence, escaping."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import pandas as pd
import pytest
from report_made_up import NAN, control, effect, glance, look, notes, tidy

from impactkit.errors import SpecError
from impactkit.report import (
    Cell,
    Column,
    Labels,
    Row,
    RowGroup,
    Table,
    counts_table,
    frame_table,
    glance_table,
    impacts_table,
    tidy_table,
)

LABELS = Labels.of(outcomes={"work": "In paid work"}, analyses={"ancova": "ANCOVA"})


def two_analyses() -> tuple[pd.DataFrame, pd.DataFrame]:
    other = {"analysis": "ancova", "estimate": 0.08, "std_error": 0.03, "p_value": 0.004}
    return tidy(effect(), control(), effect(**other), control(analysis="ancova")), glance(
        look(), look(analysis="ancova")
    )


def test_the_stacked_layout_sets_analyses_side_by_side() -> None:
    frame, looks = two_analyses()
    table = impacts_table(frame, looks, labels=LABELS, title="a trial")
    assert [column.label for column in table.columns] == ["Lin", "ANCOVA"]
    lines = table.to_text().splitlines()
    assert lines[0] == "Impact: a trial"
    assert [" ".join(line.split()) for line in lines[4:11]] == [
        "In paid work, percentage points",
        "Impact 6.3* 8.0***",
        "Standard error (3.3) (3.0)",
        "95% confidence interval −0.3 to 12.8 −0.3 to 12.8",
        "P value 0.059 0.004",
        "Control mean, % 35.0 35.0",
        "People 899 899",
    ]
    assert lines[12:] == [
        "Evidence: randomised.",
        "Estimand: intention to treat.",
        "Method: Lin.",
        "Standard errors: HC2.",
        "Statistically significant at the * 90%, ** 95%, *** 99% level.",
    ]


def test_digits_line_up_whatever_hangs_after_them() -> None:
    frame, looks = two_analyses()
    lines = impacts_table(frame, looks).to_text().splitlines()
    impact, error = lines[5], lines[6]
    assert impact.index("8.0") == error.index("3.0)")
    assert impact.index("6.3") == error.index("3.3)")


def test_the_wide_layout_in_markdown() -> None:
    frame, looks = two_analyses()
    table = impacts_table(frame, looks, style="plain", labels=LABELS, layout="wide", title="a trial")
    assert table.to_markdown().splitlines()[:6] == [
        "**Impact: a trial**",
        "",
        "|  | Impact | Standard error | 95% confidence interval | P value | Control mean, % | People |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| **In paid work, percentage points** |  |  |  |  |  |  |",
        "| Lin | 6.3 | 3.3 | −0.3 to 12.8 | 0.059 | 35.0 | 899 |",
    ]


def test_csv_holds_plain_values_and_no_footnotes() -> None:
    frame, looks = two_analyses()
    frame.loc[0, "estimate"] = 0.1 + 0.2
    wide = list(csv.reader(io.StringIO(impacts_table(frame, looks, layout="wide").to_csv())))
    assert wide[0] == ["group", "row", "Impact", "Standard error", "95% confidence interval, low",
                       "95% confidence interval, high", "P value", "Control mean, %", "People"]  # fmt: skip
    assert wide[1] == ["Work, percentage points", "Lin", "0.30000000000000004", "0.033", "-0.0025", "0.1275", "0.0586",
                       "0.3501", "899.0"]  # fmt: skip
    stacked = list(csv.reader(io.StringIO(impacts_table(frame, looks).to_csv())))
    assert [row[1] for row in stacked[3:5]] == ["95% confidence interval, low", "95% confidence interval, high"]
    assert [float(row[2]) for row in stacked[3:5]] == [-0.0025, 0.1275]


def test_a_missing_number_says_why_once_and_only_where_it_is_missing() -> None:
    gone = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value"), NAN)
    frame = tidy(
        effect(**gone), effect(measure="standardised_difference", unit="sd"), effect(population="SCR"), control()
    )
    why = {"analysis": "lin", "outcome": "work", "population": "all", "column": "estimate", "reason": "nobody worked"}
    table = impacts_table(frame, glance(look(), look(population="SCR")), notes({**why, "term": "IPS"}), layout="wide")
    cells = {row.label: row.cells for row in table.groups[0].rows}
    assert [cell.text for cell in cells["Everyone"][:4]] == ["n/c"] * 4
    assert table.footnotes == ("Nobody worked.",)
    assert all(cell.notes == () for cell in table.groups[1].rows[0].cells)
    assert "n/c[1]" in table.to_text()
    assert "[1] Nobody worked." in table.to_text()


def test_a_missing_number_without_a_reason_says_that() -> None:
    frame = tidy(effect(estimate=NAN))
    assert impacts_table(frame, glance(look())).footnotes == ("n/c : not calculated; no reason was recorded.",)


def test_a_failed_analysis_is_named_under_the_table() -> None:
    failed = {"analysis": "broken", "outcome": "work", "population": "", "reason": "the covariate is constant"}
    table = tidy_table(tidy(), notes(failed))
    assert table.notes == ("broken, work: The covariate is constant.",)


@pytest.mark.parametrize(
    ("evidence", "heading"),
    [
        ("randomised", "Impact"),
        ("adjusted comparison", "Adjusted comparison"),
        ("comparison with a norm", "Comparison with a norm"),
        ("before-after only", "Before-after change (not causal)"),
        (None, "Comparison (strength of evidence not stated)"),
        ("something new", "Comparison (strength of evidence not stated)"),
    ],
)
def test_only_a_randomised_comparison_is_headed_impact(evidence: str | None, heading: str) -> None:
    table = impacts_table(tidy(effect()), glance(look(evidence=evidence)))
    assert table.title == heading
    assert ("impact" in table.to_text().lower()) == (evidence == "randomised")


def test_mixed_evidence_takes_the_weakest_heading_and_names_both() -> None:
    frame = tidy(effect(), effect(analysis="change"))
    table = impacts_table(frame, glance(look(), look(analysis="change", evidence="before-after only")))
    assert table.title == "Before-after change (not causal)"
    assert table.notes[0] == "Evidence: randomised (Lin); before-after only (Change)."


def test_a_title_may_not_claim_an_impact_the_design_cannot_support() -> None:
    with pytest.raises(SpecError, match='write "Before-after change'):
        impacts_table(tidy(effect()), glance(look(evidence="before-after only")), title="Impacts on health")


def test_an_estimate_without_a_glance_row_claims_nothing() -> None:
    table = impacts_table(tidy(effect()), glance(look(outcome="another")))
    assert table.evidence == "not stated"


def test_assumed_independence_is_said() -> None:
    table = impacts_table(tidy(effect()), glance(look(independence_assumed=True)))
    assert any("independent of each other" in note for note in table.notes)


def test_adjusted_p_values_stand_beside_the_raw_ones() -> None:
    adjusted = pd.DataFrame([{**effect(), "family": "main", "method": "holm", "p_adjusted": 0.117}])
    table = impacts_table(tidy(effect()), glance(look()), adjusted=adjusted)
    assert [column.label for column in table.columns][3:5] == ["P value", "Adjusted P value"]
    assert next(table.rows()).cells[4].text == "0.117"


def test_a_hole_in_the_grid_makes_the_table_wide() -> None:
    frame = tidy(effect(), effect(population="SCR"), effect(outcome="pay", unit="GBP", estimate=812.0))
    table = impacts_table(frame, glance(look()))
    assert table.columns[0].key == "effect"
    forced = impacts_table(frame, glance(look()), layout="stacked")
    assert "– : not part of this analysis." in forced.notes


def test_unknown_names_are_met_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match='Did you mean "work"'):
        impacts_table(tidy(effect()), glance(look()), outcomes=["wrok"])


def test_html_escapes_every_text() -> None:
    evil = '<script>alert("1")</script>'
    frame = tidy(effect(population=evil, outcome=evil), effect(population="b", outcome=evil))
    looks = glance(look(population=evil, outcome=evil), look(population="b", outcome=evil, method=evil))
    page = impacts_table(frame, looks, title=evil, subtitle=evil, source=evil).to_html(anchor='"><script>')
    assert "<script" not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)" in page


def test_html_names_every_heading_for_a_screen_reader() -> None:
    frame, looks = two_analyses()
    page = impacts_table(frame, looks).to_html(anchor="t1")
    assert '<caption id="t1-caption">' in page
    assert page.count('scope="col"') == 2
    assert page.count('scope="row"') == 6
    assert page.count('scope="rowgroup"') == 1
    assert 'role="region" aria-labelledby="t1-caption" tabindex="0"' in page


def test_spanners_are_rendered() -> None:
    columns = (Column("a", "Est", spanner="SCR"), Column("b", "SE", spanner="SCR"), Column("c", "Est", spanner="WM"))
    row = Row("work", (Cell(1.0, "1.0"), Cell(2.0, "(2.0)"), Cell(3.0, "3.0")))
    table = Table(key="s", title="S", columns=columns, groups=(RowGroup("", (row,)),))
    assert table.spanners == (("SCR", 2), ("WM", 1))
    assert '<th scope="colgroup" colspan="2" class="ik-spanner">SCR</th>' in table.to_html()
    assert table.to_csv().splitlines()[0] == "group,row,SCR: Est,SCR: SE,WM: Est"
    assert "SCR: Est" in table.to_markdown()
    assert table.to_text().splitlines()[2].split() == ["SCR", "WM"]


def test_markdown_cannot_be_broken_out_of() -> None:
    table = Table(key="m", title="a|b", columns=(Column("n", "n|*"),),
                  groups=(RowGroup("", (Row("<b>|\n", (Cell("x", "**|**", "text"),)),)),))  # fmt: skip
    assert "| \\<b\\>\\|  | \\*\\*\\|\\*\\* |" in table.to_markdown()


def test_a_table_checks_its_shape_where_it_is_made() -> None:
    with pytest.raises(SpecError, match="has 0 cells for 1 columns"):
        Table(key="t", title="T", columns=(Column("n", "n"),), groups=(RowGroup("", (Row("a", ()),)),))
    with pytest.raises(SpecError, match="key is letters"):
        Table(key="a b", title="T", columns=(), groups=())


def test_tidy_table_shows_tests_without_inventing_gaps() -> None:
    test = effect(
        term="test",
        measure="chi_square",
        estimate=NAN,
        std_error=NAN,
        conf_low=NAN,
        conf_high=NAN,
        statistic=4.8,
        df=1.0,
    )
    table = tidy_table(tidy(test, control()))
    rows = list(table.rows())
    assert [cell.text for cell in rows[0].cells] == ["Test", "Chi square", "–", "–", "–", "4.80", "0.059", "1", "899"]
    assert rows[1].cells[5].text == "–"
    assert table.footnotes == ()


def test_glance_table_says_what_is_the_same_once() -> None:
    table = glance_table(glance(look(), look(analysis="ancova", method="ANCOVA")), labels=LABELS)
    assert [column.label for column in table.columns] == [
        "Assigned",
        "Analysed",
        "Programme",
        "Control",
        "Outcome missing",
    ]
    assert "Method: Lin (Lin); ANCOVA (ANCOVA)." in table.notes
    assert "Standard errors: HC2." in table.notes


@dataclass(frozen=True)
class Compared:
    cell: str
    printed: str
    ours: float
    verdict: str


def test_counts_table_takes_dataclasses() -> None:
    rows = [Compared("men", "41.0", 0.4103, "agrees"), Compared("women", "59.0", 0.5897, "agrees")]
    table = counts_table(
        rows, key="c3", title="C.3", units={"ours": "proportion"}, values={"verdict": {"agrees": "Agrees"}}
    )
    assert [cell.text for cell in next(table.rows()).cells] == ["41.0", "41.0%", "Agrees"]
    assert [column.align for column in table.columns] == ["left", "right", "left"]


def test_frame_table_groups_and_says_which_columns_there_are() -> None:
    frame = pd.DataFrame({"t": ["A", "A", "B"], "r": ["x", "y", "z"], "n": [1, "c", NAN]})
    table = frame_table(frame, key="f", title="F", row_label="r", group_by="t")
    assert [(group.label, len(group.rows)) for group in table.groups] == [("A", 2), ("B", 1)]
    assert [row.cells[0].kind for row in table.rows()] == ["number", "suppressed", "blank"]
    with pytest.raises(SpecError, match="no column nope"):
        frame_table(frame, key="f", title="F", heads={"nope": "No"})


def test_the_same_input_gives_the_same_bytes_and_is_left_alone() -> None:
    frame, looks = two_analyses()
    before = frame.copy(), looks.copy()
    first, second = (impacts_table(frame, looks, notes()) for _ in range(2))
    assert first == second
    for one, two in zip(
        *((t.to_text(), t.to_markdown(), t.to_html(), t.to_csv()) for t in (first, second)), strict=True
    ):
        assert one == two
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_frame_equal(looks, before[1])
