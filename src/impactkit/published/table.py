"""A published table: its document, its columns and its rows, every cell as it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from impactkit.errors import SpecError, did_you_mean
from impactkit.published.value import PublishedValue, parse_printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "Document", "PublishedTable", "TableEntry"]


@dataclass(frozen=True, slots=True)
class Document:
    """The document a table is printed in, and the terms on which it may be reused.

    Parameters
    ----------
    id : str
        Short name, for example ``"ffws"``.
    title, publisher : str
        As on the title page.
    citation : str
        How cells cite it, for example ``"DWP Research Report 896 (2015)"``.
    licence, licence_url, attribution : str
        The licence, where it stands, and the sentence it asks for.
    authors, number, isbn : str, optional
        Where the document states them.
    year : int, optional
        Year of publication.
    """

    id: str
    title: str
    publisher: str
    citation: str
    licence: str
    licence_url: str
    attribution: str
    authors: str | None = None
    number: str | None = None
    year: int | None = None
    isbn: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a published table.

    Parameters
    ----------
    name : str
        Name in the data file, snake_case.
    role : {"label", "value", "note"}
        Labels find a row, values are figures, notes are ours.
    unit : str, optional
        Unit of a value, ``"p"`` for p values, ``"see column unit"`` where rows differ.
    decimals : int, optional
        Decimals the page prints in this column; None when each cell is read at its own precision.
    rounding_column : str, optional
        Column that holds each row's unit of rounding, for figures given in words.
    """

    name: str
    role: Literal["label", "value", "note"]
    unit: str | None = None
    decimals: int | None = None
    rounding_column: str | None = None


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One line of the list of tables: what there is, before it is loaded."""

    id: str
    label: str
    title: str
    document: str


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table, frozen, every cell the text that is printed.

    Parameters
    ----------
    id : str
        For example ``"ffws.c3"``.
    title, label : str
        What it shows, and what the document calls it, for example ``"Table C.3"``.
    document : Document
        Where it is printed.
    columns : tuple of Column
        In the order of the rows' cells.
    rows : tuple of tuple of str
        One tuple per row; an empty string where nothing is printed.
    contradictions : tuple of str
        What is known to be wrong or at odds with another place. Nothing has been corrected.

    Examples
    --------
    >>> from impactkit.published import load
    >>> table = load("ffws.4.2")
    >>> cost = table.cell({"pilot": "Greater Manchester", "period": "2011-13"}, "cost_per_client")
    >>> cost.value, cost.low, cost.high, cost.source
    (584.0, 583.5, 584.5, 'Table 4.2, DWP Research Report 896 (2015)')
    """

    id: str
    title: str
    label: str
    document: Document
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    contradictions: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Label and document in one line, as every value of the table cites it."""
        return f"{self.label}, {self.document.citation}"

    def select(self, where: Mapping[str, str]) -> PublishedTable:
        """Keep the rows whose cells equal every pair in ``where``, in printed order.

        Parameters
        ----------
        where : mapping of str to str
            Column name to cell text, joined by "and"; an empty mapping keeps all rows.

        Returns
        -------
        PublishedTable
        """
        wanted = [(self._position(name), cell) for name, cell in where.items()]
        for position, cell in wanted:
            printed = dict.fromkeys(row[position] for row in self.rows)
            if cell not in printed:
                raise SpecError(
                    f"{self.id}: no row has {self.columns[position].name} = {cell!r}.{did_you_mean(cell, printed)} "
                    f"Printed there: {', '.join(repr(text) for text in printed)}"
                )
        kept = tuple(row for row in self.rows if all(row[position] == cell for position, cell in wanted))
        return PublishedTable(self.id, self.title, self.label, self.document, self.columns, kept, self.contradictions)

    def texts(self, column: str) -> tuple[str, ...]:
        """Give one column's cells as printed, in printed order."""
        position = self._position(column)
        return tuple(row[position] for row in self.rows)

    def cell(self, where: Mapping[str, str], column: str) -> PublishedValue:
        """Read one figure with its rounding interval.

        Parameters
        ----------
        where : mapping of str to str
            Column name to cell text, for example ``{"characteristic": "Age", "category": "Over 40"}``. Several rows
            may match if they all print the same figure, as the p value of a characteristic does.
        column : str
            A value column.

        Returns
        -------
        PublishedValue

        Raises
        ------
        SpecError
            If no row matches, rows that match print different figures, or nothing is printed there.
        """
        position = self._position(column)
        spec = self.columns[position]
        if spec.role != "value":
            values = [other.name for other in self.columns if other.role == "value"]
            raise SpecError(f"{self.id}: {column!r} holds text, not figures; figures are in {', '.join(values)}")
        rows = self.select(where).rows
        found = dict.fromkeys(row[position] for row in rows)
        if len(found) != 1:
            raise SpecError(
                f"{self.id}: one cell was expected, {len(rows)} rows match {dict(where)} and print "
                f"{len(found)} different figures in {column!r}: name more columns in `where`"
            )
        unit = spec.unit or ""
        if unit == "see column unit":
            unit = rows[0][self._position("unit")]
        rounding = None if spec.rounding_column is None else float(rows[0][self._position(spec.rounding_column)])
        return parse_printed(
            rows[0][position], unit=unit, source=self.source, decimals=spec.decimals, rounding_unit=rounding
        )

    def frame(self, *, as_printed: bool = False) -> pd.DataFrame:
        """Give the table as a pandas frame.

        Parameters
        ----------
        as_printed : bool, default False
            True gives every cell as its text. False turns value columns into floats: NaN where nothing is printed,
            the limit itself for ``"<0.001"`` and the midpoint for ``"5 to 6"``.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        frame = pd.DataFrame(list(self.rows), columns=[column.name for column in self.columns], dtype=object)
        if as_printed:
            return frame
        for column in self.columns:
            if column.role == "value":
                frame[column.name] = [
                    parse_printed(text, unit=column.unit or "", source=self.source).value if text else float("nan")
                    for text in self.texts(column.name)
                ]
        return frame

    def _position(self, column: str) -> int:
        names = [known.name for known in self.columns]
        if column not in names:
            raise SpecError(
                f"{self.id} has no column {column!r}.{did_you_mean(column, names)} Its columns: {', '.join(names)}"
            )
        return names.index(column)
