"""Tables as plain text for a terminal, and as Markdown."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

from impactkit.report.table import Cell, Table

__all__ = ["markdown", "text"]

GAP = "  "
RULE = "─"
#: Notes are wrapped to at least this many characters, however narrow the table.
NOTE_WIDTH = 78


def text(table: Table) -> str:
    """Render a table for a terminal: aligned columns, three rules, footnotes in square brackets.

    Parameters
    ----------
    table : Table
        What to render.

    Returns
    -------
    str
        Lines ending in a newline, without trailing spaces.
    """
    indented = any(group.label for group in table.groups)
    hangs = _hanging(table)
    grid = [[table.stub, *(column.label for column in table.columns)]]
    for group in table.groups:
        for row in group.rows:
            label = ("  " if indented and group.label else "") + row.label + _marks(table, row.notes)
            cells = (_cell(table, cell, hang) for cell, hang in zip(row.cells, hangs, strict=True))
            grid.append([label, *cells])
    widths = [max(_width(line[place]) for line in grid) for place in range(len(grid[0]))]
    _widen_for_spanners(table, widths)
    total = max(sum(widths) + len(GAP) * (len(widths) - 1), 1)
    aligns = ["left", *(column.align for column in table.columns)]

    lines = textwrap.wrap(table.title, max(total, NOTE_WIDTH))
    if table.subtitle:
        lines += textwrap.wrap(table.subtitle, max(total, NOTE_WIDTH))
    lines.append(RULE * total)
    if any(column.spanner for column in table.columns):
        lines += _spanner_lines(table, widths)
    lines.append(_line(grid[0], widths, aligns))
    lines.append(RULE * total)
    body = iter(grid[1:])
    for number, group in enumerate(table.groups):
        if group.label:
            if number:
                lines.append("")
            lines.append(group.label + _marks(table, group.notes))
        lines += [_line(next(body), widths, aligns) for _ in group.rows]
    lines.append(RULE * total)
    for number, note in enumerate(table.footnotes, start=1):
        lines += _wrapped(f"[{number}] ", note, total)
    for note in table.notes:
        lines += _wrapped("", note, total)
    if table.source:
        lines += _wrapped("Source: ", table.source, total)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def markdown(table: Table) -> str:
    """Render a table as GitHub-flavoured Markdown; a spanner is written before each heading under it."""
    marks = {"left": ":---", "right": "---:", "center": ":---:"}
    heads = [f"{column.spanner}: {column.label}" if column.spanner else column.label for column in table.columns]
    lines = [f"**{_escape(table.title)}**", ""]
    if table.subtitle:
        lines += [_escape(table.subtitle), ""]
    lines.append(_pipes([_escape(table.stub), *map(_escape, heads)]))
    lines.append(_pipes([":---", *(marks[column.align] for column in table.columns)]))
    for group in table.groups:
        if group.label:
            head = f"**{_escape(group.label)}**{_marks(table, group.notes)}"
            lines.append(_pipes([head, *("" for _ in table.columns)]))
        for row in group.rows:
            cells = (_escape(cell.text + cell.mark) + _marks(table, cell.notes) for cell in row.cells)
            lines.append(_pipes([_escape(row.label) + _marks(table, row.notes), *cells]))
    lines.append("")
    notes = [f"[{number}] {_escape(note)}" for number, note in enumerate(table.footnotes, start=1)]
    notes += [_escape(note) for note in table.notes]
    notes += [f"Source: {_escape(table.source)}"] if table.source else []
    for note in notes:
        lines += [note, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _hanging(table: Table) -> list[int]:
    """Give the room each right-aligned column keeps for what hangs after its digits."""
    rooms = [0] * len(table.columns)
    for row in table.rows():
        for place, cell in enumerate(row.cells):
            tail = cell.parts[1] + _marks(table, cell.notes)
            rooms[place] = max(rooms[place], len(tail)) if table.columns[place].align == "right" else 0
    return rooms


def _cell(table: Table, cell: Cell, hang: int) -> str:
    digits, tail = cell.parts
    return digits + (tail + _marks(table, cell.notes)).ljust(hang)


def _marks(table: Table, notes: tuple[str, ...]) -> str:
    return "".join(f"[{number}]" for number in table.numbers(notes))


def _width(line: str) -> int:
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return len(line) + wide - sum(unicodedata.combining(letter) > 0 for letter in line)


def _pad(word: str, width: int, align: str) -> str:
    space = max(width - _width(word), 0)
    if align == "right":
        return " " * space + word
    if align == "center":
        return " " * (space // 2) + word + " " * (space - space // 2)
    return word + " " * space


def _line(words: list[str], widths: list[int], aligns: Sequence[str]) -> str:
    return GAP.join(_pad(word, width, align) for word, width, align in zip(words, widths, aligns, strict=True))


def _span_width(widths: list[int], start: int, count: int) -> int:
    return sum(widths[start : start + count]) + len(GAP) * (count - 1)


def _widen_for_spanners(table: Table, widths: list[int]) -> None:
    start = 1
    for label, count in table.spanners:
        widths[start + count - 1] += max(_width(label) - _span_width(widths, start, count), 0)
        start += count


def _spanner_lines(table: Table, widths: list[int]) -> list[str]:
    heads, rules, start = [" " * widths[0]], [" " * widths[0]], 1
    for label, count in table.spanners:
        width = _span_width(widths, start, count)
        heads.append(_pad(label, width, "center"))
        rules.append((RULE if label else " ") * width)
        start += count
    return [GAP.join(heads), GAP.join(rules)]


def _wrapped(head: str, note: str, total: int) -> list[str]:
    width = max(total, NOTE_WIDTH)
    return textwrap.wrap(head + note, width, subsequent_indent=" " * (4 if head.startswith("[") else 0))


def _escape(word: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", word.replace("\n", " "))


def _pipes(words: list[str]) -> str:
    return "| " + " | ".join(words) + " |"
