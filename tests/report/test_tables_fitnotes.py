"""Tables of fit notes: every count there, small ones withheld so that no total gives them back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import impactkit as ik
from impactkit.cli import app
from impactkit.errors import SpecError
from impactkit.report.tables_fitnotes import audit_lines_table, audit_table, episodes_by_diagnosis_table


def notes(size: int = 60) -> pd.DataFrame:
    days = pd.date_range("2012-02-01", periods=size, freq="D")
    causes = ["anxiety", "back pain"] * 25 + ["eczema"] * 4 + ["flu"] * (size - 54)
    return pd.DataFrame(
        {
            "practice": "A",
            "patient": range(size),
            "starts": days.strftime("%Y-%m-%d"),
            "ends": (days + pd.Timedelta(13, "D")).strftime("%Y-%m-%d"),
            "status": "not fit",
            "diagnosis": causes,
        }
    )


RULES = ik.FitNoteEpisodes(window=("2012-01-01", "2012-12-31"))


def test_the_layout_of_table_c1() -> None:
    found = ik.build_episodes(notes(), RULES).by_diagnosis()
    assert found["group"].tolist() == ["Anxiety", "Back problem", "Respiratory", "Skin", "Total"]
    assert found["n"].tolist() == [25, 25, 6, 4, 60]
    assert found["median_weeks"].tolist() == [2.0] * 5
    table = episodes_by_diagnosis_table(found)
    kinds = {row.label: row.cells[0].kind for row in table.rows()}
    assert [kind for kind in kinds.values()].count("suppressed") == 2  # two unknowns in one sum
    assert kinds["Total"] == "number"
    assert not any(cell.notes for row in table.rows() for cell in row.cells)
    open_table = episodes_by_diagnosis_table(found, threshold=0)
    assert [row.cells[0].value for row in open_table.rows()] == [25, 25, 6, 4, 60]


def test_one_small_count_takes_another_with_it() -> None:
    few = notes(54)
    table = episodes_by_diagnosis_table(ik.build_episodes(few, RULES).by_diagnosis())
    assert sum(row.cells[0].kind == "suppressed" for row in table.rows()) == 2


def test_the_account() -> None:
    frame = pd.concat([notes(), notes().head(3)])
    found = ik.build_episodes(frame, RULES)
    cells = {row.label: row.cells[0] for row in audit_lines_table(found.audit.frame(), threshold=0).rows()}
    assert cells["Exact duplicates"].value == 3
    hidden = {row.label: row.cells[0] for row in audit_lines_table(found.audit.frame()).rows()}
    assert hidden["Exact duplicates"].kind == "suppressed"
    assert hidden["Notes used"].kind == "suppressed"
    assert hidden["Notes in the table"].value == 63
    clients = pd.DataFrame({"id": [1], "entry": [1.0], "weeks": [2.0], "returned": [1]})
    design = ik.NormDesign(
        unit="id", entry="entry", duration="weeks", returned="returned", controls=ik.ControlNotes(rules=RULES)
    )
    result = ik.Evaluation(design, {"people": clients, "fit_notes": frame}, [ik.FitNoteAudit(name="audit")]).fit()
    table = audit_table(result.tidy(), result.notes())
    assert {row.label: row.cells[0].value for row in table.rows()} == {label: c.value for label, c in cells.items()}
    assert "gap_days = 7" in table.to_text()
    with pytest.raises(SpecError, match="FitNoteAudit"):
        audit_table(result.tidy().head(0))


def test_the_command_writes_counts_and_episodes_only_when_asked(tmp_path: Path) -> None:
    source, out = tmp_path / "notes.csv", tmp_path / "out"
    notes().to_csv(source, index=False)
    said = CliRunner().invoke(app, ["episodes", str(source), "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert {path.name for path in out.iterdir()} == {
        "fit-note-audit.csv", "episodes-by-diagnosis.csv", "episodes-by-client-group.csv"
    }  # fmt: skip
    again = CliRunner().invoke(app, ["episodes", str(source), "--out", str(out), "--overwrite", "--episodes"])
    assert again.exit_code == 0
    assert len(pd.read_csv(out / "episodes.csv")) == 60
    notes().assign(status="off").to_csv(source, index=False)
    bad = CliRunner().invoke(app, ["episodes", str(source), "--out", str(out), "--overwrite"])
    assert bad.exit_code == 1
