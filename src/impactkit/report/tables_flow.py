"""The flow of participants as a table: one column for each arm, small counts withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactkit.report.evidence import weakest
from impactkit.report.frames import records, sentence
from impactkit.report.labels import Labels, readable
from impactkit.report.participants import ALL_ARMS, Counted, FlowPart, flow_parts
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["flow_table"]

_LOSSES = {
    "weight zero": "Left out: weight zero",
    "covariates missing": "Left out: covariates missing",
    "in strata with one arm only": "Left out: in strata with one arm only",
}


def flow_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
    key: str = "flow",
    threshold: int = THRESHOLD,
) -> Table:
    """Lay out one flow of participants; counts under ten are withheld here, zeros are not.

    Parameters
    ----------
    tidy, notes : DataFrame
        Of one flow, with no count withheld.
    glance : DataFrame, optional
        Of the whole evaluation, after `disclose`.
    style : str or Style
        House style.
    labels : Labels, optional
        Display names.
    title, key : str
        As in `Table`.
    threshold : int
        Counts under it are withheld; 0 shows all, where whoever is responsible for the data permits that.
    """
    chosen, words = get_style(style), labels or Labels()
    parts = flow_parts(tidy, glance, threshold=threshold)
    columns: list[Column] = []
    for part in parts:
        spanner = words.population(part.population) if len(parts) > 1 else ""
        for arm in (*part.arms[1:], part.arms[0]):
            columns.append(Column(f"{part.population}/{arm}", words.term(arm), spanner=spanner))
        columns.append(Column(f"{part.population}/{ALL_ARMS}", "All", spanner=spanner))
    order: dict[tuple[str, str], dict[Counted, None]] = {}
    for part in parts:
        for group, what in _steps(part, words):
            order.setdefault(group, {})[what] = None
    groups = []
    for (label, _), steps in order.items():
        rows = []
        for what in steps:
            cells = [cell for part in parts for cell in _cells(part, what, chosen)]
            rows.append(Row(_head(what, parts, words), tuple(cells)))
        groups.append(RowGroup(label, tuple(rows)))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    said = []
    if any("attended " in what.step for steps in order.values() for what in steps):
        said.append("One person may have attended several things: those counts do not add up to anything.")
    if any(what.step == "received" for steps in order.values() for what in steps):
        said.append("People who did not receive the programme stay in follow-up and in the analysis.")
    remarks = [] if notes is None else [row for row in records(notes) if not row["column"]]
    said += list(dict.fromkeys(sentence(row["reason"]) for row in remarks))
    if "suppressed" in kinds:
        said.append(chosen.suppressed_meaning)
    evidence = [] if glance is None else [look.get("evidence") for look in records(glance)]
    return Table(
        key=key,
        title=title or "Flow of participants",
        columns=tuple(columns),
        groups=tuple(groups),
        notes=tuple(said),
        evidence=weakest(evidence) if evidence else "",
    )


def _steps(part: FlowPart, words: Labels) -> list[tuple[tuple[str, str], Counted]]:
    """Give what is counted in reading order, with the heading it stands under."""
    found: list[tuple[tuple[str, str], Counted]] = []

    def add(heading: tuple[str, str], *whats: Counted) -> None:
        found.extend((heading, what) for what in whats if part.has(what))

    verb = part.verb
    start, given = ("Enrolment", ""), ("Allocation", "")
    add(start, Counted("", "assessed"), Counted("", f"not {verb}"))
    add(start, *(Counted("", f"not {verb}", reason) for reason in part.reasons("", f"not {verb}")))
    if (Counted("", "in arms left out"), "") in part.counts:
        add(start, Counted("", "in arms left out"))
    add(given, Counted("", verb), Counted("", "received"), Counted("", "did not receive"))
    add(given, *(Counted("", "did not receive", reason) for reason in part.reasons("", "did not receive")))
    add(given, Counted("", "receipt not known"))
    add(given, *(what for what, _ in part.counts if what.step.startswith("attended ")))
    for outcome in part.outcomes:
        heading = (f"Follow-up: {words.outcome(outcome)}", outcome)
        add(heading, Counted(outcome, "not eligible"), Counted(outcome, "followed up"), Counted(outcome, "lost"))
        add(heading, *(Counted(outcome, "lost", reason) for reason in part.reasons(outcome, "lost")))
        heading = (f"Analysis: {words.outcome(outcome)}", outcome)
        for analysis in part.analyses(outcome):
            add(heading, *(Counted(outcome, step, analysis=analysis) for step in _LOSSES))
            add(heading, Counted(outcome, "analysed", analysis=analysis))
    return list(dict.fromkeys(found))


def _cells(part: FlowPart, what: Counted, style: Style) -> list[Cell]:
    arms = [*part.arms[1:], part.arms[0]]
    by_arm = (what, part.arms[0]) in part.counts
    cells = [_cell(part.value(what, arm) if by_arm else None, style) for arm in arms]
    overall = part.value(what, "") if not by_arm else part.value(what, ALL_ARMS)
    return [*cells, _cell(overall, style)]


def _cell(value: Any, style: Style) -> Cell:
    if value is None:
        return Cell(None, "", "blank")
    if value == "c":
        return Cell("c", style.suppressed, "suppressed")
    return Cell(int(value), style.count(value))


def _head(what: Counted, parts: tuple[FlowPart, ...], words: Labels) -> str:
    if what.reason:
        return f"– {what.reason[:1].upper()}{what.reason[1:]}"
    if what.analysis:
        several = any(len(part.analyses(what.outcome)) > 1 for part in parts)
        text = _LOSSES.get(what.step, "Analysed")
        return f"{text} ({words.analysis(what.analysis)})" if several else text
    if what.step.startswith("attended "):
        return f"Attended: {readable(what.step.removeprefix('attended '))}"
    known = {"assessed": "Assessed for eligibility", "lost": "Outcome not known", "followed up": "Outcome known"}
    if what.step == "not eligible":
        return "Cannot have this outcome"
    return known.get(what.step, what.step[:1].upper() + what.step[1:])
