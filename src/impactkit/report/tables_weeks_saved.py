"""Tables of time saved against a norm: by population and cell, returns, and one rule at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["observed_expected_table", "weeks_saved_grid_table", "weeks_saved_table"]

CELL = "saved in "
DECLARED = "as declared"
_EFFECT = (Column("interval", "Interval"), Column("p_value", "P value"))


def weeks_saved_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Time saved per client, against the norm",
    key: str = "weeks-saved",
) -> Table:
    """Build the table of time saved: expected, observed, saved, and the share of its variance that is the norm's.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Results with ``WeeksSaved`` analyses; other rows are left out.
    style : str or Style
    labels : Labels, optional
    title, key : str

    Returns
    -------
    Table
        A line for each population, and below it one for each norm cell if the analysis was asked for them; a cell
        whose clients are the same in two populations stands in the later one.

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    chosen, words = get_style(style), labels or Labels()
    rows, looks = _of_kind(tidy, glance, "weeks_saved")
    reasons = Reasons.of(notes, rows)
    unit = str(next(row["unit"] for row in rows if row["measure"] == "difference"))
    groups = []
    for analysis in dict.fromkeys(row["analysis"] for row in rows):
        lines = []
        own = [row for row in rows if row["analysis"] == analysis]
        last = {(row["term"], row["n"]): row["population"] for row in own}  # a cell within its narrowest population
        for population in dict.fromkeys(row["population"] for row in own):
            part = {row["term"]: row for row in own if row["population"] == population}
            lines.append(_saved_line(words.population(population), part, reasons, chosen))
            for term, row in part.items():
                if str(term).startswith(CELL) and last[term, row["n"]] == population:
                    label = f"  {cell_words(term)}"
                    lines.append(_saved_line(label, {"saved": row}, reasons, chosen))
        look = next(look for look in looks if look["analysis"] == analysis)
        groups.append(RowGroup(f"{words.analysis(analysis)}: {look['estimand']}", tuple(lines)))
    columns = (
        Column("n", "Clients"),
        Column("expected", f"Expected ({unit})"),
        Column("observed", f"Observed ({unit})"),
        Column("saved", f"Saved ({unit})"),
        *_EFFECT,
        Column("norm_share", "Norm's share of the variance"),
    )
    return Table(
        key=key,
        title=title,
        columns=columns,
        groups=tuple(groups),
        stub="Population",
        notes=_remarks(reasons, rows, groups, chosen),
        evidence=weakest(look.get("evidence") for look in looks),
    )


def observed_expected_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Returns to work, observed and expected by the norm",
    key: str = "observed-expected",
) -> Table:
    """Build the table of returns observed and expected, and their ratio.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Results with ``ObservedExpected`` analyses; other rows are left out.
    style : str or Style
    labels : Labels, optional
    title, key : str

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    chosen, words = get_style(style), labels or Labels()
    rows, looks = _of_kind(tidy, glance, "observed_expected")
    reasons = Reasons.of(notes, rows)
    groups = []
    for analysis in dict.fromkeys(row["analysis"] for row in rows):
        own = [row for row in rows if row["analysis"] == analysis]
        lines = []
        for population in dict.fromkeys(row["population"] for row in own):
            part = {row["term"]: row for row in own if row["population"] == population}
            ratio = part["observed over expected"]
            cells = (
                _count(ratio, chosen),
                _number(part["observed"], reasons, chosen),
                _number(part["expected"], reasons, chosen),
                _number(ratio, reasons, chosen, effect=True),
                *_limits(ratio, reasons, chosen),
            )
            lines.append(Row(words.population(population), cells))
        look = next(look for look in looks if look["analysis"] == analysis)
        groups.append(RowGroup(f"{words.analysis(analysis)}: {look['estimand']}", tuple(lines)))
    columns = (
        Column("n", "Clients"),
        Column("observed", "Observed"),
        Column("expected", "Expected"),
        Column("ratio", "Ratio"),
        *_EFFECT,
    )
    return Table(
        key=key,
        title=title,
        columns=columns,
        groups=tuple(groups),
        stub="Population",
        notes=_remarks(reasons, rows, groups, chosen),
        evidence=weakest(look.get("evidence") for look in looks),
    )


def weeks_saved_grid_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Time saved per client under other rules",
    key: str = "weeks-saved-grid",
) -> Table:
    """Build the table of time saved with one rule changed at a time.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Results with ``WeeksSavedGrid`` analyses; other rows are left out.
    style : str or Style
    labels : Labels, optional
    title, key : str

    Returns
    -------
    Table
        A group of lines for each population; "change" is against the line "as declared".

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    chosen, words = get_style(style), labels or Labels()
    rows, looks = _of_kind(tidy, glance, "weeks_saved_grid")
    reasons = Reasons.of(notes, rows)
    several = len({row["analysis"] for row in rows}) > 1
    groups = []
    for analysis, population in dict.fromkeys((row["analysis"], row["population"]) for row in rows):
        own = [row for row in rows if row["analysis"] == analysis and row["population"] == population]
        declared = next(row for row in own if row["term"] == DECLARED)
        lines = []
        for row in own:
            cells = (
                _count(row, chosen),
                _number(row, reasons, chosen, effect=True),
                _change(row, declared, chosen),
                *_limits(row, reasons, chosen),
            )
            lines.append(Row(words.term(row["term"]), cells))
        head = f"{words.analysis(analysis)} · " if several else ""
        groups.append(RowGroup(f"{head}{words.population(population)}", tuple(lines)))
    unit = str(rows[0]["unit"])
    columns = (Column("n", "Clients"), Column("saved", f"Saved ({unit})"), Column("change", "Change"), *_EFFECT)
    return Table(
        key=key,
        title=title,
        columns=columns,
        groups=tuple(groups),
        stub="Rule",
        notes=_remarks(reasons, rows, groups, chosen),
        evidence=weakest(look.get("evidence") for look in looks),
    )


def cell_words(term: object) -> str:
    """Give the words of a norm cell: its labels without the columns' names.

    Examples
    --------
    >>> cell_words("saved in area=north, diagnosis=back")
    'north, back'
    """
    return ", ".join(part.partition("=")[2] or part for part in str(term).removeprefix(CELL).split(", "))


def _of_kind(tidy: pd.DataFrame, glance: pd.DataFrame, kind: str) -> tuple[list[Record], list[Record]]:
    looks = [look for look in records(glance) if look["kind"] == kind]
    names = {look["analysis"] for look in looks}
    rows: list[Record] = [row for row in records(tidy) if row["analysis"] in names]
    if not rows:
        analysis = "".join(part.capitalize() for part in kind.split("_"))
        raise SpecError(f"there is nothing to show: the plan has no {analysis} analysis")
    return rows, list(looks)


def _saved_line(label: str, part: dict[str, Record], reasons: Reasons, style: Style) -> Row:
    saved, share = part["saved"], part.get("norm's share of variance")
    cells = (
        _count(saved, style),
        *(_number(part[term], reasons, style) if term in part else _blank(style) for term in ("expected", "observed")),
        _number(saved, reasons, style, effect=True),
        *_limits(saved, reasons, style),
        _blank(style) if share is None else _number(share, reasons, style),
    )
    return Row(label, cells)


def _number(row: Record, reasons: Reasons, style: Style, *, effect: bool = False) -> Cell:
    value, unit, measure = row["estimate"], row["unit"], str(row["measure"])
    unit = "proportion" if unit == "share" else unit  # of a variance, not of people
    with_unit = measure == "proportion"
    text = style.number(value, unit, measure, with_unit=with_unit)
    if measure == "count" and not is_missing(value) and value != "c" and float(value) == int(value):
        text = style.count(int(value))
    return number_cell(value, text, style, reasons.about(row, ("estimate",)), kind="effect" if effect else "number")


def _limits(row: Record, reasons: Reasons, style: Style) -> tuple[Cell, Cell]:
    unit, measure, p = row["unit"], str(row["measure"]), row["p_value"]
    limits = (row["conf_low"], row["conf_high"])
    lost = () if not is_missing(row["estimate"]) else ("estimate",)
    about = reasons.about(row, (*lost, "conf_low", "std_error"))
    return (
        number_cell(limits, style.interval(*limits, unit, measure), style, about),
        number_cell(p, style.p_value(p), style, reasons.about(row, (*lost, "p_value", "std_error"))),
    )


def _change(row: Record, declared: Record, style: Style) -> Cell:
    values = (row["estimate"], declared["estimate"])
    if row is declared or any(is_missing(value) or isinstance(value, str) for value in values):
        return _blank(style)
    change = float(values[0]) - float(values[1])
    return Cell(change, style.number(change, row["unit"], "difference"))


def _count(row: Record, style: Style) -> Cell:
    value = row["n"]
    return _blank(style) if is_missing(value) else number_cell(value, style.count(value), style)


def _blank(style: Style) -> Cell:
    return Cell(None, style.blank, "blank")


def _remarks(reasons: Reasons, rows: Sequence[Record], groups: Sequence[RowGroup], style: Style) -> tuple[str, ...]:
    said = list(reasons.general({str(row["analysis"]) for row in rows}, rows))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    said[:0] = [style.suppressed_meaning] if "suppressed" in kinds else []
    said[:0] = [style.blank_meaning] if "blank" in kinds else []
    return tuple(said)
