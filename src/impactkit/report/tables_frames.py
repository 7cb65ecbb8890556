"""Tables from any frame: the tidy rows as they are, one line per analysis, and rows of compared figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, is_effect, is_test, number_cell, records, said_once
from impactkit.report.labels import Labels, readable
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["counts_table", "frame_table", "glance_table", "tidy_table"]

_TIDY_HEADS = {
    "term": "Term",
    "measure": "Measure",
    "estimate": "Estimate",
    "std_error": "Standard error",
    "interval": "Interval",
    "statistic": "Statistic",
    "p_value": "P value",
    "df": "df",
    "n": "People",
}
_GLANCE_WORDS = {
    "evidence": "Evidence",
    "estimand": "Estimand",
    "method": "Method",
    "inference": "Standard errors",
    "missing_rule": "Missing answers",
    "weights": "Weights",
}
_GLANCE_HEADS = {
    "n_assigned": "Assigned",
    "n_analysed": "Analysed",
    "n_treated": "Programme",
    "n_control": "Control",
    "n_missing_outcome": "Outcome missing",
    "n_missing_covariates": "Covariates missing",
    "n_not_eligible": "Not eligible",
    "n_zero_weight": "Weight zero",
    "n_dropped_strata": "In dropped strata",
    "clusters": "Clusters",
    "effective_n": "Effective number",
}


def frame_table(
    frame: pd.DataFrame,
    *,
    key: str,
    title: str,
    heads: Mapping[str, str] | None = None,
    row_label: str = "",
    group_by: str = "",
    units: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    style: str | Style = "plain",
    subtitle: str = "",
    notes: Iterable[str] = (),
    source: str = "",
) -> Table:
    """Build a table from any frame.

    Parameters
    ----------
    frame : DataFrame
        One row per line. "c" prints as withheld; NaN and None print as a blank.
    key, title, subtitle, source : str
        As in `Table`.
    heads : mapping of column to heading, optional
        Which columns to show, in this order; all of them by default, with readable names.
    row_label : str
        The column whose values head the rows; the first shown column by default.
    group_by : str
        A column whose runs of equal values become groups.
    units : mapping of column to unit, optional
        Units of number columns: "proportion", "GBP", "p_value", "count", "weeks", … Whole numbers print as
        counts and others with two places when no unit is given.
    values : mapping of column to (value to label), optional
        Display names for values.
    style : str or Style
        House style.
    notes : iterable of str
        Notes under the table.

    Returns
    -------
    Table

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"pilot": ["Leicester"], "share": [0.295], "cost": [-1580.5]})
    >>> table = frame_table(frame, key="pilots", title="Pilots", units={"share": "proportion", "cost": "GBP"})
    >>> [cell.text for cell in next(table.rows()).cells]
    ['29.5%', '−£1,581']
    """
    chosen, known = get_style(style), [str(name) for name in frame.columns]
    shown = dict(heads) if heads is not None else {name: readable(name) for name in known}
    if missing := [name for name in (*shown, *([group_by] if group_by else [])) if name not in known]:
        raise SpecError(f"the frame has no column {', '.join(missing)}; it has {', '.join(known)}")
    label = row_label or next(iter(shown))
    stub = shown.pop(label, readable(label))
    shown.pop(group_by, None)
    lines = records(frame)
    names, named = dict(units or {}), dict(values or {})

    def words(name: str, value: object) -> str:
        return "" if is_missing(value) else dict(named.get(name, {})).get(str(value), str(value))

    def cell(name: str, value: object) -> Cell:
        if is_missing(value):
            return Cell(None, chosen.blank, "blank")
        if value == "c":
            return Cell("c", chosen.suppressed, "suppressed")
        if isinstance(value, str | bool) or not _is_number(value):
            return Cell(str(value), words(name, value), "text")
        return number_cell(value, _number(value, names.get(name, ""), chosen), chosen)

    numeric = {name for name in shown if _numeric_column(lines, name)}
    columns = tuple(Column(name, head, "right" if name in numeric else "left") for name, head in shown.items())
    groups: list[RowGroup] = []
    for line in lines:
        row = Row(words(label, line[label]), tuple(cell(name, line[name]) for name in shown))
        head = words(group_by, line[group_by]) if group_by else ""
        if groups and groups[-1].label == head:
            groups[-1] = RowGroup(head, (*groups[-1].rows, row))
        else:
            groups.append(RowGroup(head, (row,)))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    extra = [chosen.suppressed_meaning] if "suppressed" in kinds else []
    return Table(
        key=key,
        title=title,
        columns=columns,
        groups=tuple(groups),
        subtitle=subtitle,
        stub=stub,
        notes=(*notes, *extra),
        source=source,
    )


def tidy_table(
    tidy: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    title: str = "All estimates",
    labels: Labels | None = None,
    key: str = "tidy",
    evidence: str = "",
) -> Table:
    """Build a table with one line for every tidy row, tests and control means included.

    Parameters
    ----------
    tidy, notes : DataFrame
        As an evaluation gives them. NaN prints as "n/c" with its reason.
    style : str or Style
        House style.
    title, key, evidence : str
        As in `Table`.
    labels : Labels, optional
        Display names.

    Returns
    -------
    Table
    """
    chosen, words, lines = get_style(style), labels or Labels(), records(tidy)
    reasons = Reasons.of(notes, lines)
    groups: list[RowGroup] = []
    for line in lines:
        head = " · ".join(part for part in (words.analysis(line["analysis"]), words.outcome(line["outcome"])) if part)
        row = Row(words.population(line["population"]), _tidy_cells(line, reasons, chosen, words))
        if groups and groups[-1].label == head:
            groups[-1] = RowGroup(head, (*groups[-1].rows, row))
        else:
            groups.append(RowGroup(head, (row,)))
    texts = {"term", "measure"}
    general = list(reasons.general({str(line["analysis"]) for line in lines}, lines))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    if "suppressed" in kinds:
        general.insert(0, chosen.suppressed_meaning)
    return Table(
        key=key,
        title=title,
        columns=tuple(Column(name, head, "left" if name in texts else "right") for name, head in _TIDY_HEADS.items()),
        groups=tuple(groups),
        stub="Population",
        notes=tuple(general),
        evidence=evidence,
    )


def _tidy_cells(line: Record, reasons: Reasons, style: Style, words: Labels) -> tuple[Cell, ...]:
    unit, measure = line["unit"], str(line["measure"])
    test, level = is_test(measure), not is_test(measure) and not is_effect(measure)

    def number(*names: str) -> Cell:
        value = tuple(line[name] for name in names) if len(names) > 1 else line[names[0]]
        parts = value if isinstance(value, tuple) else (value,)
        absent = {"estimate", "std_error", "conf_low"} if test else {"statistic", "p_value"} if level else set()
        if names[0] in absent and all(map(is_missing, parts)) and not reasons.about(line, names):
            return Cell(None, style.blank, "blank")
        if names[0] == "p_value":
            text = style.p_value(value)
        elif names[0] in {"statistic", "df"}:
            text = _plain_number(value, style)
        elif names[0] == "n":
            text = style.count(value)
        elif len(names) > 1:
            text = style.interval(parts[0], parts[1], unit, measure)
        else:
            text = style.number(value, unit, measure)
        whole = all(map(is_missing, parts))
        return number_cell(value, text, style, reasons.about(line, names, whole_row=whole))

    shown = measure.replace("_", " ").capitalize()
    scale = style.scale(unit, measure).words if not test else ""
    named = f"{shown}, {scale}" if scale and scale.casefold() != shown.casefold() else shown
    return (
        Cell(str(line["term"]), words.term(line["term"]), "text"),
        Cell(measure, named, "text"),
        number("estimate"),
        number("std_error"),
        number("conf_low", "conf_high"),
        number("statistic"),
        number("p_value"),
        number("df"),
        number("n"),
    )


def glance_table(
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    title: str = "Who was analysed, and how",
    labels: Labels | None = None,
    key: str = "glance",
    source: str = "",
) -> Table:
    """Build the table of methods and people: one line per analysis, outcome and population.

    Numbers of people are in the table, methods in words under it. A column that is empty, or an effective
    number equal to the number analysed, is left out; one that is zero throughout is named below instead.

    Parameters
    ----------
    glance : DataFrame
        As an evaluation gives it, or as `disclose` returns it.
    style : str or Style
        House style.
    title, key, source : str
        As in `Table`.
    labels : Labels, optional
        Display names.

    Returns
    -------
    Table
    """
    chosen, words = get_style(style), labels or Labels()
    lines = records(glance)
    columns: list[Column] = []
    same = [line for name, head in _GLANCE_WORDS.items() for line in said_once(lines, name, head, words)]
    zero: list[str] = []
    for name, head in _GLANCE_HEADS.items():
        values = [line.get(name) for line in lines]
        if all(is_missing(value) or value == "" for value in values):
            continue
        if name == "effective_n" and values == [line.get("n_analysed") for line in lines]:
            continue
        if all(value == 0 for value in values):
            zero.append(head.lower())
        else:
            columns.append(Column(name, head))
    groups: list[RowGroup] = []
    order = list(dict.fromkeys(str(line["outcome"]) for line in lines))
    for line in sorted(lines, key=lambda line: order.index(str(line["outcome"]))):
        head = words.outcome(line["outcome"])
        label = words.analysis(line["analysis"])
        if len({str(other["population"]) for other in lines}) > 1:
            label += f" · {words.population(line['population'])}"
        row = Row(label, tuple(_glance_cell(line.get(column.key), chosen) for column in columns))
        if groups and groups[-1].label == head:
            groups[-1] = RowGroup(head, (*groups[-1].rows, row))
        else:
            groups.append(RowGroup(head, (row,)))
    notes = [*same, *([f"None in any line: {', '.join(zero)}."] if zero else [])]
    if any(cell.kind == "suppressed" for group in groups for row in group.rows for cell in row.cells):
        notes.append(chosen.suppressed_meaning)
    return Table(
        key=key,
        title=title,
        columns=tuple(columns),
        groups=tuple(groups),
        stub="Analysis",
        notes=tuple(notes),
        source=source,
        evidence=weakest(line.get("evidence") for line in lines),
    )


def counts_table(
    rows: pd.DataFrame | Sequence[object],
    *,
    key: str,
    title: str,
    heads: Mapping[str, str] | None = None,
    row_label: str = "",
    group_by: str = "",
    units: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    style: str | Style = "plain",
    subtitle: str = "",
    notes: Iterable[str] = (),
    source: str = "",
) -> Table:
    """Build a table from a frame, or from a sequence of mappings or dataclasses such as compared cells.

    All other parameters are those of `frame_table`.

    Examples
    --------
    >>> cells = [{"cell": "C.3 men", "printed": "41.0", "ours": 41.03, "verdict": "agrees"}]
    >>> print(counts_table(cells, key="c3", title="Table C.3").to_csv(), end="")
    group,row,Printed,Ours,Verdict
    ,C.3 men,41.0,41.03,agrees
    """
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([_mapping(row) for row in rows])
    return frame_table(
        frame,
        key=key,
        title=title,
        heads=heads,
        row_label=row_label,
        group_by=group_by,
        units=units,
        values=values,
        style=style,
        subtitle=subtitle,
        notes=notes,
        source=source,
    )


def _mapping(row: object) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return {str(name): value for name, value in row.items()}
    if is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in fields(row)}
    raise SpecError(f"rows must be a frame, mappings or dataclasses; got {type(row).__name__}")


def _is_number(value: object) -> bool:
    return not isinstance(value, str | bool) and hasattr(value, "__float__")


def _numeric_column(lines: Sequence[Record], name: str) -> bool:
    filled = [line.get(name) for line in lines if not is_missing(line.get(name)) and line.get(name) != "c"]
    withheld = any(isinstance(line.get(name), str) and line.get(name) == "c" for line in lines)
    return all(map(_is_number, filled)) and (bool(filled) or withheld)


def _plain_number(value: Any, style: Style) -> str:
    if value == "c":
        return style.suppressed
    if is_missing(value):
        return style.not_given
    return style.count(value) if float(value).is_integer() else style.number(value, "")


def _number(value: Any, unit: str, style: Style) -> str:
    if unit == "p_value":
        return style.p_value(value)
    if unit == "count":
        return style.count(value)
    if not unit:
        return _plain_number(value, style)
    text = style.number(value, unit, "mean")
    return f"{text}%" if unit == "proportion" else text


def _glance_cell(value: Any, style: Style) -> Cell:
    if is_missing(value) or value == "":
        return Cell(None, style.blank, "blank")
    if isinstance(value, str) and value == "c":
        return Cell("c", style.suppressed, "suppressed")
    if _is_number(value):
        return number_cell(value, style.count(value), style)
    return Cell(str(value), str(value), "text")
