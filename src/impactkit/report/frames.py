"""Reading the frames: rows in order, the words of notes(), and the cells made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impactkit.report.labels import Labels
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style
from impactkit.report.table import Cell, CellKind, Value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NOT_EXPLAINED", "Reasons", "Record", "is_effect", "is_test", "number_cell", "records", "said_once"]

Record = Mapping[str, Any]

NOT_EXPLAINED = "n/c : not calculated; no reason was recorded."


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a frame's rows as dictionaries, in order; ``pd.NA`` becomes ``None``."""
    import pandas as pd

    names = [str(name) for name in frame.columns]
    rows = frame.itertuples(index=False, name=None)
    return [{name: None if value is pd.NA else value for name, value in zip(names, row, strict=True)} for row in rows]


def is_test(measure: str) -> bool:
    """Say whether rows of this measure are tests without an estimate."""
    from impactkit.results.measures import MEASURES

    return measure in MEASURES and MEASURES[measure].is_test


def is_effect(measure: str) -> bool:
    """Say whether rows of this measure compare people; an unknown measure is taken to."""
    from impactkit.results.measures import MEASURES

    return measure not in MEASURES or MEASURES[measure].is_effect


@dataclass(frozen=True, slots=True)
class Reasons:
    """The sentences of ``notes()``, found by the row and column they concern."""

    notes: tuple[Record, ...]
    rows: tuple[Record, ...] = ()

    @classmethod
    def of(cls, notes: pd.DataFrame | None, rows: Iterable[Record] = ()) -> Reasons:
        """Read a notes frame (None is no notes) that goes with these tidy rows."""
        return cls(() if notes is None else tuple(records(notes)), tuple(rows))

    def about(self, row: Record, columns: Iterable[str], *, whole_row: bool = False) -> tuple[str, ...]:
        """Give the sentences on some columns of a tidy row.

        Parameters
        ----------
        row : mapping
            A tidy row.
        columns : iterable of str
            The columns wanted.
        whole_row : bool
            Also give sentences on the row as a whole, whose ``column`` is empty but whose term is given.
        """
        wanted = set(columns)
        found: dict[str, None] = {}
        for note in self.notes:
            column = "" if is_missing(note["column"]) else str(note["column"])
            hit = column in wanted or (not column and whole_row and _text(note["term"]))
            if hit and _matches(note, row) and not self._for_a_sibling(row, column):
                found[sentence(note["reason"])] = None
        return tuple(found)

    def _for_a_sibling(self, row: Record, column: str) -> bool:
        """Say whether the note on this column explains a gap in another measure of the same term, not in this row.

        Notes name no measure: a missing ratio must not put a footnote on the difference beside it.
        """
        if not column or is_missing(row.get(column)):
            return False
        names = ("analysis", "outcome", "population", "term")
        alike = (other for other in self.rows if all(other[name] == row[name] for name in names))
        return any(is_missing(other.get(column)) for other in alike)

    def general(self, analyses: Iterable[str], rows: Iterable[Record]) -> tuple[str, ...]:
        """Give the remarks that belong under the table: on no column and no term, or on a row that does not exist."""
        shown, names = list(rows), set(analyses)
        found: dict[str, None] = {}
        for note in self.notes:
            remark = not _text(note["column"]) and not _text(note["term"])
            orphan = not any(_matches(note, row) for row in shown)
            if (remark or orphan) and (not _text(note["analysis"]) or note["analysis"] in names or not shown):
                where = [_text(note[name]) for name in ("analysis", "outcome", "population")]
                head = ", ".join(part for part in where if part and part != "all")
                found[f"{head}: {sentence(note['reason'])}" if orphan and head else sentence(note["reason"])] = None
        return tuple(found)


def number_cell(
    value: object, text: str, style: Style, reasons: tuple[str, ...] = (), *, kind: CellKind = "number", mark: str = ""
) -> Cell:
    """Make the cell of a number: withheld, not given (always with a reason), or printed.

    Parameters
    ----------
    value : object
        The unrounded number, a (low, high) pair, NaN, or "c" when withheld.
    text : str
        Its printed form.
    style : Style
        For what a missing or withheld number prints as.
    reasons : tuple of str
        Footnotes for this cell.
    kind, mark : str
        Kind and stars of the cell when there is a number.
    """
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, str) and part == "c" for part in parts):
        return Cell("c", style.suppressed, "suppressed", reasons)
    if all(is_missing(part) for part in parts):
        return Cell(None, style.not_given, "not_given", reasons or (NOT_EXPLAINED,))
    return Cell(_plain(value), text, kind, reasons, mark)


def said_once(looks: Iterable[Record], name: str, head: str, labels: Labels) -> list[str]:
    """Give one line on a column of glance: its value, or each value with the analyses it belongs to."""
    by_value: dict[str, dict[str, None]] = {}
    for look in looks:
        value = look.get(name)
        if not is_missing(value) and str(value):
            by_value.setdefault(str(value), {})[labels.analysis(look["analysis"])] = None
    if not by_value:
        return []
    if len(by_value) == 1:
        return [f"{head}: {next(iter(by_value))}."]
    return [f"{head}: " + "; ".join(f"{value} ({', '.join(names)})" for value, names in by_value.items()) + "."]


def sentence(reason: object) -> str:
    """Give a reason with a capital and a full stop."""
    text = str(reason).strip()
    if not text:
        return NOT_EXPLAINED
    return text[:1].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def _plain(value: object) -> Value:
    if isinstance(value, tuple):
        low, high = value
        return (float(low), float(high))
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, int | float | str) else str(value)


def _text(value: object) -> str:
    return "" if is_missing(value) else str(value)


def _matches(note: Record, row: Record) -> bool:
    for name in ("analysis", "outcome", "population", "term"):
        wanted = _text(note[name])
        if wanted and wanted != str(row[name]):
            return False
    return True
