"""Tables of fit notes: what every rule did, and episodes by diagnosis in the layout of Table C.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.frames import number_cell, records, sentence
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD, hide
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["audit_lines_table", "audit_table", "episodes_by_diagnosis_table"]

_HEADS = {"notes": "Notes", "patients": "Patients", "episodes": "Episodes", "gaps": "Gaps", "days": "Days"}
_HEADS |= {"diagnoses": "Diagnoses"}
_PEOPLE = ("notes", "episodes", "patients")


def audit_table(
    tidy: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    title: str = "From fit notes to episodes",
    key: str = "fit-note-audit",
) -> Table:
    """Lay out the rows of a ``FitNoteAudit``.

    Parameters
    ----------
    tidy, notes : DataFrame
        Rows and notes of one ``FitNoteAudit``; a count that is withheld is "c".
    style : str or Style
    title, key : str

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    rows = [row for row in records(tidy) if row["measure"] == "count" and row["unit"] in _HEADS]
    if not rows:
        raise SpecError("there is no account of fit notes to show: add a FitNoteAudit to the plan")
    said = [] if notes is None else records(notes)
    rules = {
        str(note["term"]): str(note["reason"]).removeprefix("rule: ")
        for note in said
        if str(note["reason"]).startswith("rule: ")
    }
    general = [sentence(note["reason"]) for note in said if not note["term"] and not note["column"]]
    lines = [(str(row["term"]), row["estimate"], str(row["unit"]), rules.get(str(row["term"]), "")) for row in rows]
    return _audit(lines, get_style(style), title, key, general)


def audit_lines_table(
    frame: pd.DataFrame,
    style: str | Style = "plain",
    *,
    title: str = "From fit notes to episodes",
    key: str = "fit-note-audit",
    threshold: int = THRESHOLD,
) -> Table:
    """Lay out ``Episodes.audit.frame()``; small counts are withheld, and others that would give them back.

    Parameters
    ----------
    frame : DataFrame
        Columns ``item, count, unit, role, rule``.
    style : str or Style
    title, key : str
    threshold : int
        Counts of notes, episodes and patients from 1 to below it are withheld; 0 shows all.

    Returns
    -------
    Table
    """
    rows = records(frame)
    counts = {place: float(row["count"]) for place, row in enumerate(rows)}
    small = {place for place, row in enumerate(rows) if row["unit"] in _PEOPLE and 0 < counts[place] < threshold}
    equations = []
    for unit in ("notes", "episodes"):
        sign = {"in": -1, "out": 1, "kept": 1}
        equation = {p: sign[row["role"]] for p, row in enumerate(rows) if row["unit"] == unit and row["role"] in sign}
        equations.append(equation)
    cost = {place: count + (1e12 if rows[place]["role"] == "in" else 0.0) for place, count in counts.items()}
    hidden = hide(equations, small, cost, known=[place for place, count in counts.items() if count == 0])
    lines = [
        (str(row["item"]), "c" if place in hidden else float(row["count"]), str(row["unit"]), str(row["rule"]))
        for place, row in enumerate(rows)
    ]
    return _audit(lines, get_style(style), title, key, [])


def _audit(
    lines: Sequence[tuple[str, Any, str, str]], style: Style, title: str, key: str, general: Sequence[str]
) -> Table:
    groups: list[RowGroup] = []
    for unit, head in _HEADS.items():
        rows = tuple(
            Row(item[:1].upper() + item[1:], (_count(value, style), Cell(rule, rule, "text")))
            for item, value, of, rule in lines
            if of == unit
        )
        if rows:
            groups.append(RowGroup(head, rows))
    withheld = any(cell.kind == "suppressed" for group in groups for row in group.rows for cell in row.cells)
    return Table(
        key=key,
        title=title,
        columns=(Column("count", "Count"), Column("rule", "Rule", align="left")),
        groups=tuple(groups),
        stub="Counted",
        notes=(*general, *([style.suppressed_meaning] if withheld else [])),
    )


def _count(value: Any, style: Style) -> Cell:
    text = "" if isinstance(value, str) or is_missing(value) else style.count(float(value))
    return number_cell(value, text, style)


def episodes_by_diagnosis_table(
    frame: pd.DataFrame,
    style: str | Style = "plain",
    *,
    title: str = "Fit note-based patient episodes by diagnosis",
    key: str = "episodes-by-diagnosis",
    threshold: int = THRESHOLD,
) -> Table:
    """Lay out ``Episodes.by_diagnosis()`` as Table C.1: number, column per cent, median weeks.

    Parameters
    ----------
    frame : DataFrame
        Columns ``group, n, percent, median_weeks``; the total is the last row.
    style : str or Style
    title, key : str
    threshold : int
        Groups with fewer episodes are withheld, and the smallest other one when the total would give one back; 0
        shows all.

    Returns
    -------
    Table
    """
    chosen, rows = get_style(style), records(frame)
    counts = {place: float(row["n"]) for place, row in enumerate(rows)}
    total = len(rows) - 1
    small = {place for place, count in counts.items() if 0 < count < threshold}
    equation = {place: -1 if place == total else 1 for place in counts}
    cost = {place: count + (1e12 if place == total else 0.0) for place, count in counts.items()}
    hidden = hide([equation], small, cost) if len(rows) > 1 else small
    body = []
    for place, row in enumerate(rows):
        if place in hidden:
            body.append(Row(str(row["group"]), (Cell("c", chosen.suppressed, "suppressed"),) * 3))
            continue
        cells = (
            Cell(int(row["n"]), chosen.count(float(row["n"]))),
            Cell(float(row["percent"]), f"{row['percent']:.1f}"),
            number_cell(row["median_weeks"], f"{row['median_weeks']:.1f}", chosen),
        )
        body.append(Row(str(row["group"]), cells))
    notes = ["Weeks from the first to the last certified day; episodes still open count as long as they were seen."]
    if hidden:
        notes.append(chosen.suppressed_meaning)
    return Table(
        key=key,
        title=title,
        columns=(Column("n", "N"), Column("percent", "Col %"), Column("median", "Median duration (weeks)")),
        groups=(RowGroup("", tuple(body)),),
        stub="Diagnostic category of episode",
        notes=tuple(notes),
    )
