"""Tables as accessible HTML fragments: a caption, scopes on every heading, no script."""

from __future__ import annotations

from html import escape

from impactkit.report.table import Cell, Column, Row, Table

__all__ = ["html"]


def html(table: Table, *, anchor: str = "") -> str:
    """Render a table as an HTML fragment with its notes.

    Parameters
    ----------
    table : Table
        What to render. Every text in it is escaped.
    anchor : str
        Start of every ``id`` in the fragment; give different ones to tables that share a page.

    Returns
    -------
    str
        A ``<div class="ik-table">`` holding a scrolling region with the table, then its notes. The same
        table and anchor give the same text.
    """
    name = escape(anchor or table.key)
    subtitle = f'<span class="ik-subtitle">{escape(table.subtitle)}</span>' if table.subtitle else ""
    lines = [
        f'<div class="ik-table" id="{name}">',
        f'<div class="ik-scroll" role="region" aria-labelledby="{name}-caption" tabindex="0">',
        "<table>",
        f'<caption id="{name}-caption"><span class="ik-caption">'
        f'<span class="ik-title">{escape(table.title)}</span>{subtitle}</span></caption>',
        "<thead>",
        *_head(table),
        "</thead>",
        *_body(table, name),
        "</table>",
        "</div>",
        *_notes(table, name),
        "</div>",
    ]
    return "\n".join(lines) + "\n"


def _head(table: Table) -> list[str]:
    spanned = any(column.spanner for column in table.columns)
    lines = []
    if spanned:
        cells = [_corner(table.stub, rowspan=2)]
        for label, count in table.spanners:
            if label:
                cells.append(f'<th scope="colgroup" colspan="{count}" class="ik-spanner">{escape(label)}</th>')
            else:
                cells.append(f'<td colspan="{count}"></td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    heads = [] if spanned else [_corner(table.stub)]
    heads += [f'<th scope="col" class="ik-{column.align}">{escape(column.label)}</th>' for column in table.columns]
    lines.append(f"<tr>{''.join(heads)}</tr>")
    return lines


def _corner(stub: str, rowspan: int = 1) -> str:
    span = f' rowspan="{rowspan}"' if rowspan > 1 else ""
    return f'<th scope="col" class="ik-left ik-stub"{span}>{escape(stub)}</th>' if stub else f"<td{span}></td>"


def _body(table: Table, name: str) -> list[str]:
    lines = []
    for group in table.groups:
        lines.append("<tbody>")
        if group.label:
            label = f'<span class="ik-stick">{escape(group.label)}{_marks(table, group.notes, name)}</span>'
            span = len(table.columns) + 1
            lines.append(f'<tr class="ik-group"><th scope="rowgroup" colspan="{span}">{label}</th></tr>')
        lines += [_row(table, row, name) for row in group.rows]
        lines.append("</tbody>")
    return lines


def _row(table: Table, row: Row, name: str) -> str:
    head = f'<th scope="row">{escape(row.label)}{_marks(table, row.notes, name)}</th>'
    cells = (_cell(table, cell, column, name) for cell, column in zip(row.cells, table.columns, strict=True))
    return f"<tr>{head}{''.join(cells)}</tr>"


def _cell(table: Table, cell: Cell, column: Column, name: str) -> str:
    digits, tail = cell.parts
    after = escape(tail) + _marks(table, cell.notes, name)
    hang = f'<span class="ik-hang">{after}</span>' if after else ""
    extra = f" ik-{cell.kind.replace('_', '-')}" if cell.kind not in {"number", "text"} else ""
    return f'<td class="ik-{column.align}{extra}">{escape(digits)}{hang}</td>'


def _marks(table: Table, notes: tuple[str, ...], name: str) -> str:
    links = (
        f'<a href="#{name}-note-{number}" aria-label="note {number}">[{number}]</a>' for number in table.numbers(notes)
    )
    marks = "".join(links)
    return f"<sup>{marks}</sup>" if marks else ""


def _notes(table: Table, name: str) -> list[str]:
    lines = []
    if table.footnotes:
        items = (
            f'<li id="{name}-note-{number}"><span class="ik-mark">[{number}]</span> {escape(note)}</li>'
            for number, note in enumerate(table.footnotes, start=1)
        )
        lines.append(f'<ol class="ik-footnotes">{"".join(items)}</ol>')
    lines += [f"<p>{escape(note)}</p>" for note in table.notes]
    if table.source:
        lines.append(f"<p>Source: {escape(table.source)}</p>")
    return ['<div class="ik-notes">', *lines, "</div>"] if lines else []
