"""Tables as CSV: plain values to full precision, no footnotes among them."""

from __future__ import annotations

import csv as standard
import io
from dataclasses import replace

from impactkit.report.rounding import is_missing
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

__all__ = ["csv", "plain"]


def csv(table: Table) -> str:
    r"""Render a table's values as CSV.

    The columns are ``group``, ``row``, then the table's own. An interval becomes two columns, or two rows
    where the table keeps it as a row. Floats are written so that they read back exactly; a withheld count is
    "c", a quantity that cannot be given is "n/c", a blank is empty.

    Parameters
    ----------
    table : Table
        What to render.

    Returns
    -------
    str
        CSV text with ``\n`` line ends.
    """
    split = _split_columns(_split_rows(table))
    heads = [f"{column.spanner}: {column.label}" if column.spanner else column.label for column in split.columns]
    out = io.StringIO()
    writer = standard.writer(out, lineterminator="\n")
    writer.writerow(["group", "row", *heads])
    for group in split.groups:
        for row in group.rows:
            writer.writerow([group.label, row.label, *(_value(cell) for cell in row.cells)])
    return out.getvalue()


def plain(value: object) -> str:
    """Write one value so that it reads back exactly; nothing for a missing one.

    Examples
    --------
    >>> plain(0.1 + 0.2), plain(12), plain(None), plain("c"), plain(True)
    ('0.30000000000000004', '12', '', 'c', 'True')
    """
    if is_missing(value):
        return ""
    if hasattr(value, "item"):
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)


def _value(cell: Cell) -> str:
    return cell.text if cell.kind in {"suppressed", "not_given"} else plain(cell.value)


def _is_interval_row(row: Row) -> bool:
    filled = [cell for cell in row.cells if cell.kind not in {"blank", "suppressed", "not_given"}]
    return bool(filled) and all(isinstance(cell.value, tuple) for cell in filled)


def _ends(cell: Cell) -> tuple[Cell, Cell]:
    if isinstance(cell.value, tuple):
        low, high = cell.value
        return replace(cell, value=low), replace(cell, value=high)
    return cell, cell


def _split_rows(table: Table) -> Table:
    groups: list[RowGroup] = []
    for group in table.groups:
        rows: list[Row] = []
        for row in group.rows:
            if len(table.columns) > 0 and _is_interval_row(row):
                ends = [_ends(cell) for cell in row.cells]
                rows.append(replace(row, label=f"{row.label}, low", cells=tuple(low for low, _ in ends)))
                rows.append(replace(row, label=f"{row.label}, high", cells=tuple(high for _, high in ends)))
            else:
                rows.append(row)
        groups.append(replace(group, rows=tuple(rows)))
    return replace(table, groups=tuple(groups))


def _split_columns(table: Table) -> Table:
    pairs = {place for row in table.rows() for place, cell in enumerate(row.cells) if isinstance(cell.value, tuple)}
    if not pairs:
        return table
    columns: list[Column] = []
    for place, column in enumerate(table.columns):
        if place in pairs:
            columns += [replace(column, label=f"{column.label}, low"), replace(column, label=f"{column.label}, high")]
        else:
            columns.append(column)
    groups = []
    for group in table.groups:
        rows = []
        for row in group.rows:
            cells: list[Cell] = []
            for place, cell in enumerate(row.cells):
                cells.extend(_ends(cell) if place in pairs else (cell,))
            rows.append(replace(row, cells=tuple(cells)))
        groups.append(replace(group, rows=tuple(rows)))
    return replace(table, columns=tuple(columns), groups=tuple(groups))
