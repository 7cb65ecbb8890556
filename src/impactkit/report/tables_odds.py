"""Odds ratios of several logistic models side by side, in the layout of Table C.24 of DWP Research Report 896."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records, said_once
from impactkit.report.labels import Labels, readable
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ODDS_RATIOS", "odds_ratios_table"]

ODDS_RATIOS = "odds_ratios"
"""Kind of analysis, in ``glance()``, that this table shows."""

_ASSOCIATION = "These are associations between characteristics and the outcome, not effects of the characteristics."


def odds_ratios_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Odds ratios by characteristic",
    source: str = "",
    key: str = "odds-ratios",
) -> Table:
    """Build the table: characteristics down, models across; odds ratio, interval and P value of each.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        As an evaluation gives them, or as `disclose` returns them. Only analyses of kind ``"odds_ratios"`` are
        shown, in their order; a population of such an analysis is a model of its own.
    style : str or Style
        House style.
    labels : Labels, optional
        Display names; those of terms are for categories (``"agency[IAPT]"``).
    title, source, key : str
        As in `Table`.

    Returns
    -------
    Table
        A reference category prints as 1. Marginal effects, where there are any, have a column of their own.

    Raises
    ------
    SpecError
        If there is no such analysis.
    """
    chosen, words = get_style(style), labels or Labels()
    looks = [look for look in records(glance) if look["kind"] == ODDS_RATIOS]
    models = [(str(look["analysis"]), str(look["population"])) for look in looks]
    if not models:
        raise SpecError("no analysis here gives odds ratios by characteristic: add an OddsRatios to the plan")
    rows = [row for row in records(tidy) if (row["analysis"], row["population"]) in models]
    reasons = Reasons.of(notes, rows)
    found = {(row["analysis"], row["population"], row["term"], row["measure"]): row for row in rows}
    effects = {(row["analysis"], row["population"]) for row in rows if row["measure"] == "difference"}
    columns: list[Column] = []
    several = len({population for _, population in models}) > 1
    for place, (analysis, population) in enumerate(models):
        head = words.analysis(analysis) + (f", {words.population(population)}" if several else "")
        spanner = head if len(models) > 1 else ""
        columns += [
            Column(f"odds_{place}", "Odds ratio", spanner=spanner),
            Column(f"interval_{place}", _interval_head(looks[place]), spanner=spanner),
            Column(f"p_{place}", "P value", spanner=spanner),
        ]
        if (analysis, population) in effects:
            columns.append(Column(f"effect_{place}", "Marginal effect, ppt", spanner=spanner))
    groups: dict[str, list[Row]] = {}
    for term in dict.fromkeys(str(row["term"]) for row in rows):
        name, category = _split(term)
        cells: list[Cell] = []
        for model in models:
            row = found.get((*model, term, "odds_ratio"))
            cells += _cells(row, reasons, chosen)
            if model in effects:
                cells.append(_effect(found.get((*model, term, "difference")), row, reasons, chosen))
        shown = dict(words.terms).get(term) or category or "Per unit"
        groups.setdefault(readable(name), []).append(Row(shown, tuple(cells)))
    return Table(
        key=key,
        title=title,
        columns=tuple(columns),
        groups=tuple(RowGroup(head, tuple(lines)) for head, lines in groups.items()),
        notes=_notes(looks, models, rows, reasons, chosen, words, groups.values()),
        source=source,
        evidence=weakest(look.get("evidence") for look in looks),
    )


def _split(term: str) -> tuple[str, str]:
    """Take ``"agency[IAPT]"`` apart; a number has no category."""
    name, bracket, rest = term.partition("[")
    return (name, rest[:-1]) if bracket and rest.endswith("]") else (term, "")


def _interval_head(look: Record) -> str:
    return f"{decimal_text(float(look['conf_level']), 0, scale=100)}% confidence interval"


def _is_reference(row: Record) -> bool:
    return bool(row["estimate"] == 1.0 and row["std_error"] == 0.0)


def _cells(row: Record | None, reasons: Reasons, style: Style) -> list[Cell]:
    """Odds ratio, interval and P value of one category in one model."""
    blank = Cell(None, style.blank, "blank")
    if row is None:
        return [blank] * 3
    if _is_reference(row):
        empty = Cell(None, "", "blank")
        return [Cell(1.0, "1", "number"), empty, empty]
    about = reasons.about(row, ["estimate"], whole_row=is_missing(row["estimate"]))
    low, high = row["conf_low"], row["conf_high"]
    return [
        number_cell(
            row["estimate"],
            style.number(row["estimate"], "ratio", "odds_ratio"),
            style,
            about,
            kind="effect",
            mark=style.stars_for(row["p_value"]),
        ),
        number_cell(
            (low, high),
            style.interval(low, high, "ratio", "odds_ratio"),
            style,
            reasons.about(row, ["conf_low", "conf_high", "std_error"]) or about,
        ),
        number_cell(
            row["p_value"], style.p_value(row["p_value"]), style, reasons.about(row, ["p_value", "std_error"]) or about
        ),
    ]


def _effect(row: Record | None, odds: Record | None, reasons: Reasons, style: Style) -> Cell:
    if row is None:
        text = "" if odds is not None and _is_reference(odds) else style.blank
        return Cell(None, text, "blank")
    text = style.number(row["estimate"], "proportion", "difference")
    return number_cell(row["estimate"], text, style, reasons.about(row, ["estimate"], whole_row=True))


def _notes(
    looks: list[dict[str, Any]],
    models: list[tuple[str, str]],
    rows: list[dict[str, Any]],
    reasons: Reasons,
    style: Style,
    words: Labels,
    groups: Iterable[list[Row]],
) -> tuple[str, ...]:
    cells = [cell for lines in groups for row in lines for cell in row.cells]
    lines = [_ASSOCIATION, "An odds ratio of 1 means no difference from the reference category, which prints as 1."]
    people: dict[str, Any] = {}
    for look, (analysis, population) in zip(looks, models, strict=True):
        several = len({name for _, name in models}) > 1
        head = words.analysis(analysis) + (f", {words.population(population)}" if several else "")
        people[f"{head}: {words.outcome(look['outcome'])}"] = style.count(look["n_analysed"])
    lines.append("People: " + "; ".join(f"{head}, {count}" for head, count in people.items()) + ".")
    for name, head in (("method", "Method"), ("inference", "Standard errors")):
        lines += said_once(looks, name, head, words)
    if style.stars_legend:
        lines.append(style.stars_legend)
    if any(cell.kind == "suppressed" for cell in cells):
        lines.append(style.suppressed_meaning)
    if any(cell.kind == "blank" and cell.text for cell in cells):
        lines.append(style.blank_meaning)
    return (*lines, *reasons.general([analysis for analysis, _ in models], rows))
