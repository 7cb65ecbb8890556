"""A table as frozen data: what is in it, not how it looks.

Four renderers read the same object: text, Markdown, HTML and CSV. A footnote is carried by the cell it
belongs to; its number is its order of first appearance, so moving a row can never leave a wrong number
behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from impactkit.errors import SpecError

__all__ = ["Cell", "Column", "Row", "RowGroup", "Table"]

Value = float | int | str | tuple[float, float] | None
CellKind = Literal["number", "effect", "text", "blank", "not_given", "suppressed"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the value for machines, the text for people, and the footnotes it carries.

    Parameters
    ----------
    value : float, int, str, (low, high) or None
        Plain and unrounded: what the CSV holds. An interval is a pair. None leaves the CSV cell empty.
    text : str
        What is printed.
    mark : str
        Stars, printed after the text and outside the alignment of the digits.
    kind : str
        "number", "effect" (printed strong), "text", "blank", "not_given" or "suppressed".
    notes : tuple of str
        Footnotes, as sentences.
    """

    value: Value
    text: str
    kind: CellKind = "number"
    notes: tuple[str, ...] = ()
    mark: str = ""

    @property
    def parts(self) -> tuple[str, str]:
        """The text as aligned digits and what hangs after them: stars, or a closing bracket.

        Examples
        --------
        >>> Cell(0.062, "6.2", mark="*").parts, Cell(0.033, "(3.3)").parts
        (('6.2', '*'), ('(3.3', ')'))
        """
        if self.text.startswith("(") and self.text.endswith(")"):
            return self.text[:-1], ")" + self.mark
        return self.text, self.mark


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key, heading, alignment, and the spanner it stands under ("" for none)."""

    key: str
    label: str
    align: Literal["left", "right", "center"] = "right"
    spanner: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its heading and one cell per column."""

    label: str
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows under one heading ("" for none)."""

    label: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A table ready to be rendered.

    Parameters
    ----------
    key : str
        Short name, used for file names and anchors: letters, digits, hyphens and underscores.
    title : str
        Heading of the table.
    columns : tuple of Column
        The columns after the row headings.
    groups : tuple of RowGroup
        The body.
    subtitle : str
        A line under the title.
    stub : str
        Heading over the row headings.
    notes : tuple of str
        Notes on the whole table, printed after the numbered footnotes.
    source : str
        Where the figures come from.
    evidence : str
        Weakest strength of evidence in the table, as in ``glance()``; "" when it makes no comparison.

    Attributes
    ----------
    footnotes : tuple of str
        In order of first appearance, reading left to right and down; number one is the first.

    Examples
    --------
    >>> table = Table(
    ...     key="t", title="People", columns=(Column("n", "People"),),
    ...     groups=(RowGroup("", (Row("Leeds", (Cell(1204, "1,204"),)),)),),
    ... )
    >>> print(table.to_text())
    People
    ─────────────
           People
    ─────────────
    Leeds   1,204
    ─────────────
    <BLANKLINE>
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    subtitle: str = ""
    stub: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""
    evidence: str = ""
    footnotes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "footnotes", self._gathered_footnotes())
        if not self.key or not all(letter.isalnum() or letter in "-_" for letter in self.key):
            raise SpecError(f'a table\'s key is letters, digits, "-" and "_"; got "{self.key}": choose another')
        for row in self.rows():
            if len(row.cells) != len(self.columns):
                raise SpecError(
                    f'row "{row.label}" of table "{self.key}" has {len(row.cells)} cells for '
                    f"{len(self.columns)} columns: give one cell per column"
                )

    def rows(self) -> Iterator[Row]:
        """Iterate over all rows, group after group."""
        for group in self.groups:
            yield from group.rows

    def _gathered_footnotes(self) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        for group in self.groups:
            seen.update(dict.fromkeys(group.notes))
            for row in group.rows:
                seen.update(dict.fromkeys(row.notes))
                for cell in row.cells:
                    seen.update(dict.fromkeys(cell.notes))
        return tuple(seen)

    def numbers(self, notes: tuple[str, ...]) -> tuple[int, ...]:
        """Give the numbers of some of this table's footnotes."""
        order = self.footnotes
        return tuple(order.index(note) + 1 for note in notes)

    @property
    def spanners(self) -> tuple[tuple[str, int], ...]:
        """Runs of neighbouring columns under one spanner, as (label, number of columns)."""
        runs: list[tuple[str, int]] = []
        for column in self.columns:
            if runs and runs[-1][0] == column.spanner:
                runs[-1] = (column.spanner, runs[-1][1] + 1)
            else:
                runs.append((column.spanner, 1))
        return tuple(runs)

    def with_notes(self, *notes: str) -> Table:
        """Give the same table with more notes under it."""
        return replace(self, notes=(*self.notes, *notes))

    def to_text(self) -> str:
        """Render for a terminal."""
        from impactkit.report.render_text import text

        return text(self)

    def to_markdown(self) -> str:
        """Render as a Markdown table."""
        from impactkit.report.render_text import markdown

        return markdown(self)

    def to_html(self, anchor: str = "") -> str:
        """Render as an HTML fragment; ``anchor`` starts its ids and defaults to the key."""
        from impactkit.report.render_html import html

        return html(self, anchor=anchor)

    def to_csv(self) -> str:
        """Render the plain values as CSV."""
        from impactkit.report.render_csv import csv

        return csv(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()
