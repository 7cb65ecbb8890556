"""The table of times to return: quartiles and restricted means by group, with the test between groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SURVIVAL_MEASURES", "survival_table"]

_COLUMNS = (
    ("lower_quartile", "A quarter returned by"),
    ("median", "Half returned by"),
    ("upper_quartile", "Three quarters returned by"),
    ("restricted_mean", "Restricted mean"),
)
SURVIVAL_MEASURES = (*(measure for measure, _ in _COLUMNS), "log_rank", "survival")
"""Measures of ``SurvivalCurves`` that this table shows, or that the figure does."""


def survival_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Time to return",
    key: str = "survival",
) -> Table:
    """Build the table of one ``SurvivalCurves`` analysis: a line for each group, by population.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Rows of one analysis; rows of other measures are left out.
    style : str or Style
    labels : Labels, optional
        Names of populations, and of groups as terms.
    title, key : str

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If there are no such rows, or rows of several analyses.
    """
    chosen, words, rows = get_style(style), labels or Labels(), records(tidy)
    measures = [measure for measure, _ in _COLUMNS if any(row["measure"] == measure for row in rows)]
    analyses = list(dict.fromkeys(str(row["analysis"]) for row in rows))
    if "median" not in measures or len(analyses) != 1:
        raise SpecError(f"the rows of one SurvivalCurves analysis were expected; there are {len(analyses)} analyses")
    reasons = Reasons.of(notes, rows)
    unit = next(str(row["unit"]) for row in rows if row["measure"] == "median")
    columns = [Column("n", "People")]
    for measure, head in _COLUMNS:
        if measure in measures:
            columns += [Column(measure, f"{head} ({unit})"), Column(f"{measure} interval", "Interval")]
    groups = []
    for population in dict.fromkeys(str(row["population"]) for row in rows):
        inside = [row for row in rows if str(row["population"]) == population]
        terms = dict.fromkeys(str(row["term"]) for row in inside if row["measure"] == "median")
        lines = [_line(inside, term, measures, words, chosen, reasons) for term in terms]
        groups.append(RowGroup(words.population(population), (*lines, *_test(inside, len(columns), chosen, reasons))))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    said = [chosen.suppressed_meaning] if "suppressed" in kinds else []
    return Table(
        key=key,
        title=title,
        columns=tuple(columns),
        groups=tuple(groups),
        stub="Group",
        notes=(*said, *reasons.general(set(analyses), rows)),
        evidence="" if glance is None else weakest(look.get("evidence") for look in records(glance)),
    )


def _line(
    rows: Sequence[Record], term: str, measures: Sequence[str], words: Labels, style: Style, reasons: Reasons
) -> Row:
    found = {str(row["measure"]): row for row in rows if str(row["term"]) == term}
    size = found["median"]["n"]
    cells = [number_cell(size, style.count(size), style)]
    for measure in measures:
        row = found.get(measure)
        if row is None:
            cells += [Cell(None, style.blank, "blank")] * 2
            continue
        limits = (row["conf_low"], row["conf_high"])
        why, text = reasons.about(row, ("estimate",)), style.number(row["estimate"], row["unit"], measure)
        cells.append(number_cell(row["estimate"], text, style, why))
        why = reasons.about(row, ("conf_low", "conf_high", "std_error", "estimate"))
        cells.append(number_cell(limits, style.interval(*limits, row["unit"], measure), style, why))
    return Row(words.term(term), tuple(cells))


def _test(rows: Sequence[Record], width: int, style: Style, reasons: Reasons) -> list[Row]:
    """Give the line of the log-rank test, if groups were compared."""
    found = [row for row in rows if row["measure"] == "log_rank"]
    if not found:
        return []
    p_value = found[0]["p_value"]
    shown = number_cell(p_value, style.p_value(p_value), style, reasons.about(found[0], ("p_value", "estimate")))
    blanks = [Cell(None, "", "blank")] * (width - 2)
    return [Row("Log-rank test between groups, P", (Cell(None, "", "blank"), shown, *blanks))]
