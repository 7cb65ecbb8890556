"""Hazard ratios of Cox models side by side, with their tests of proportional hazards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records, said_once
from impactkit.report.labels import Labels, readable
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COX", "hazard_ratios_table"]

COX = "cox_regression"
"""Kind of analysis, in ``glance()``, that this table shows."""

_ASSOCIATION = (
    "Hazard ratios compare rates of the event among people who have not had it; they are associations, except for an "
    "arm that was allocated at random."
)
_TESTS = "Proportional hazards, P value of the test"
_EMPTY = Cell(None, "", "blank")


def hazard_ratios_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Hazard ratios",
    source: str = "",
    key: str = "hazard-ratios",
) -> Table:
    """Build the table: characteristics down, models across; hazard ratio, interval and P value of each.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        As an evaluation gives them, or as `disclose` returns them. Only analyses of kind ``"cox_regression"`` are
        shown, in their order; a population of such an analysis is a model of its own.
    style : str or Style
        House style.
    labels : Labels, optional
        Display names; those of terms are for categories (``"sex[woman]"``).
    title, source, key : str
        As in `Table`.

    Returns
    -------
    Table
        A reference category prints as 1. Tests of proportional hazards stand below, in the columns of P values.

    Raises
    ------
    SpecError
        If there is no such analysis.
    """
    chosen, words = get_style(style), labels or Labels()
    looks = [look for look in records(glance) if look["kind"] == COX]
    models = [(str(look["analysis"]), str(look["population"])) for look in looks]
    if not models:
        raise SpecError("no analysis here gives hazard ratios by Cox regression: add a CoxRegression to the plan")
    rows = [row for row in records(tidy) if (row["analysis"], row["population"]) in models]
    reasons = Reasons.of(notes, rows)
    found = {(row["analysis"], row["population"], row["term"], row["measure"]): row for row in rows}
    several = len({population for _, population in models}) > 1
    heads = [
        words.analysis(analysis) + (f", {words.population(population)}" if several else "")
        for analysis, population in models
    ]
    columns: list[Column] = []
    for place, (head, look) in enumerate(zip(heads, looks, strict=True)):
        spanner = head if len(models) > 1 else ""
        level = decimal_text(float(look["conf_level"]), 0, scale=100)
        columns += [
            Column(f"ratio_{place}", "Hazard ratio", spanner=spanner),
            Column(f"interval_{place}", f"{level}% confidence interval", spanner=spanner),
            Column(f"p_{place}", "P value", spanner=spanner),
        ]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        test, term = row["measure"] == "proportional_hazards", str(row["term"])
        name, category = (term, "") if test else _split(term)
        head, words_of_row = readable(name), dict(words.terms).get(term) or category or "Per unit"
        if test:
            head, words_of_row = _TESTS, dict(words.terms).get(term) or readable(term)
        elif term == "clients v norm":
            head, words_of_row = "Programme", "Clients against the norm"
        lines = groups.setdefault(head, [])
        if any(line.label == words_of_row for line in lines):
            continue
        cells: list[Cell] = []
        for model in models:
            cells += _cells(found.get((*model, term, row["measure"])), reasons, chosen)
        lines.append(Row(words_of_row, tuple(cells)))
    ordered = {head: lines for head, lines in groups.items() if head != _TESTS}
    if _TESTS in groups:
        ordered[_TESTS] = groups[_TESTS]
    return Table(
        key=key,
        title=title,
        columns=tuple(columns),
        groups=tuple(RowGroup(head, tuple(lines)) for head, lines in ordered.items()),
        notes=_notes(looks, heads, rows, reasons, chosen, words, list(ordered.values())),
        source=source,
        evidence=weakest(look.get("evidence") for look in looks),
    )


def _split(term: str) -> tuple[str, str]:
    """Take ``"sex[woman]"`` apart; a number has no category."""
    name, bracket, rest = term.partition("[")
    return (name, rest[:-1]) if bracket and rest.endswith("]") else (term, "")


def _cells(row: Record | None, reasons: Reasons, style: Style) -> list[Cell]:
    """Ratio, interval and P value of one row in one model."""
    if row is None:
        return [Cell(None, style.blank, "blank")] * 3
    if row["measure"] == "proportional_hazards":
        about = reasons.about(row, ["estimate"], whole_row=True) if is_missing(row["p_value"]) else ()
        return [_EMPTY, _EMPTY, number_cell(row["p_value"], style.p_value(row["p_value"]), style, about)]
    if row["estimate"] == 1.0 and row["std_error"] == 0.0:
        return [Cell(1.0, "1", "number"), _EMPTY, _EMPTY]
    about = reasons.about(row, ["estimate"], whole_row=is_missing(row["estimate"]))
    low, high = row["conf_low"], row["conf_high"]
    mark = style.stars_for(row["p_value"])
    ratio = style.number(row["estimate"], "ratio", "hazard_ratio")
    limits = reasons.about(row, ["conf_low", "conf_high", "std_error"]) or about
    test = reasons.about(row, ["p_value", "std_error"]) or about
    return [
        number_cell(row["estimate"], ratio, style, about, kind="effect", mark=mark),
        number_cell((low, high), style.interval(low, high, "ratio", "hazard_ratio"), style, limits),
        number_cell(row["p_value"], style.p_value(row["p_value"]), style, test),
    ]


def _notes(
    looks: Sequence[Record],
    heads: Sequence[str],
    rows: Sequence[Record],
    reasons: Reasons,
    style: Style,
    words: Labels,
    groups: list[list[Row]],
) -> tuple[str, ...]:
    cells = [cell for lines in groups for row in lines for cell in row.cells]
    lines = [_ASSOCIATION, "A hazard ratio of 1 means no difference from the reference category, which prints as 1."]
    people = [f"{head}, {style.count(look['n_analysed'])}" for head, look in zip(heads, looks, strict=True)]
    lines.append(f"People: {'; '.join(people)}.")
    for name, head in (("method", "Method"), ("inference", "Standard errors")):
        lines += said_once(looks, name, head, words)
    if style.stars_legend:
        lines.append(style.stars_legend)
    if any(cell.kind == "suppressed" for cell in cells):
        lines.append(style.suppressed_meaning)
    if any(cell.kind == "blank" and cell.text for cell in cells):
        lines.append(style.blank_meaning)
    return (*lines, *reasons.general([str(look["analysis"]) for look in looks], rows))
