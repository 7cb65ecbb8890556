"""Tables of norms: how many local episodes of each cause there are, how long they last, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD, hide
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["norm_counts_to_hide", "norms_table"]

_TOTAL = "Total"
_SHRUNKEN = "shrunken_median"
_REST = ""
"""Stands for the cells of an area that are not shown."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """One line: the cell's label and its rows by measure (and share)."""

    label: str
    parts: frozenset[str]
    rows: dict[str, Record]


def norms_table(
    tidy: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    population: str = "all",
    quantiles: bool = False,
    threshold: int = THRESHOLD,
    labels: Labels | None = None,
    title: str = "Control episodes and how long they last",
    key: str = "norms",
) -> Table:
    """Build the table of norms: episodes, their share, the median and its interval, by area and cause.

    Parameters
    ----------
    tidy, notes : DataFrame
        Rows of one ``FitNoteNorms`` analysis.
    style : str or Style
    population : str
        Which population's cells.
    quantiles : bool
        Also show the quantiles, the restricted mean and the shrunken median, where there are any.
    threshold : int
        Cells with fewer episodes are withheld, with another of the area where a total would give them back.
    labels : Labels, optional
        ``terms`` renames cells, for example ``"diagnosis=back"``.
    title, key : str

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If there are no such rows.

    Notes
    -----
    The layout is that of Table C.1 of DWP Research Report 896 (2015), with an interval beside each median.
    """
    chosen, words = get_style(style), labels or Labels()
    rows = [row for row in records(tidy) if str(row["population"]) == population]
    cells = _cells(rows)
    if not cells:
        known = ", ".join(dict.fromkeys(str(row["population"]) for row in records(tidy))) or "none"
        raise SpecError(f'there are no norms of population "{population}"; there: {known}: add a FitNoteNorms analysis')
    reasons = Reasons.of(notes, rows)
    unit = str(rows[0]["unit"])
    totals = [cell for cell in cells if _is_total(cell, cells)]
    own = [cell for cell in cells if cell not in totals]
    more = [name for name in dict.fromkeys(name for cell in cells for name in cell.rows) if name != "median"]
    extra = [name for name in more if quantiles or name == _SHRUNKEN]
    groups, withheld = [], 0
    parents: list[_Cell | None] = [*totals] or [None]
    for total in parents:
        inside = [cell for cell in own if total is None or _within(cell, total)]
        hidden, small = _hidden(inside, total, threshold)
        withheld += len(hidden)
        whole = None if total is None else total.rows["median"]["n"]
        whole = sum(_n(cell) for cell in inside) if total is None else whole
        lines = [
            _line(
                cell,
                _name(cell, total, words),
                whole,
                extra,
                (cell.label in hidden, cell.label in small),
                reasons,
                chosen,
            )
            for cell in inside
        ]
        if total is not None:
            few = (total.label in hidden, total.label in small)
            lines.append(_line(total, _TOTAL, whole, extra, few, reasons, chosen))
        groups.append(RowGroup(_heading(total, words), tuple(lines)))
    said = list(dict.fromkeys(reasons.general({str(rows[0]["analysis"])}, rows)))
    if withheld:
        said.insert(0, chosen.suppressed_meaning)
    if any(cell.kind == "blank" for group in groups for row in group.rows for cell in row.cells):
        said.insert(0, chosen.blank_meaning)
    return Table(
        key=key,
        title=title,
        columns=(
            Column("n", "N"),
            Column("percent", "Col %"),
            Column("median", f"Median ({unit})"),
            Column("interval", "Interval"),
            *(Column(f"extra{place}", f"{name} ({unit})") for place, name in enumerate(map(_headed, extra))),
        ),
        groups=tuple(groups),
        stub="Episodes",
        notes=tuple(said),
        source=f"{rows[0]['analysis']}, {rows[0]['outcome']}",
    )


def norm_counts_to_hide(rows: Sequence[Record], threshold: int = THRESHOLD) -> set[tuple[str, str, str]]:
    """Give the rows of norms whose number of episodes would tell, with the totals, how many a small cell has.

    Parameters
    ----------
    rows : sequence of mappings
        Tidy rows of any analyses; those that are no norms are passed over. A cell has the same episodes in every
        population, so it is hidden in all of them or in none.
    threshold : int

    Returns
    -------
    set of (analysis, outcome, term)
    """
    found = set()
    for place in dict.fromkeys((str(row["analysis"]), str(row["outcome"])) for row in rows):
        own = [row for row in rows if (str(row["analysis"]), str(row["outcome"])) == place and "=" in str(row["term"])]
        cells = _cells([*own, *(row for row in rows if row["analysis"] == place[0] and row["term"] == "all")])
        for total in [cell for cell in cells if _is_total(cell, cells)]:
            inside = [
                cell for cell in cells if cell is not total and not _is_total(cell, cells) and _within(cell, total)
            ]
            hidden, _ = _hidden(inside, total, threshold)
            found |= {
                (*place, str(row["term"])) for cell in cells if cell.label in hidden for row in cell.rows.values()
            }
    return found


def _is_total(cell: _Cell, cells: Sequence[_Cell]) -> bool:
    return cell.label == "all" or any(cell.parts < other.parts for other in cells)


def _within(cell: _Cell, total: _Cell) -> bool:
    return total.label == "all" or total.parts < cell.parts


def _cells(rows: Sequence[Record]) -> list[_Cell]:
    found: dict[str, _Cell] = {}
    for row in rows:
        if row["measure"] not in ("median", "quantile", "restricted_mean", _SHRUNKEN):
            continue
        share, label = "", str(row["term"])
        if row["measure"] in ("quantile", _SHRUNKEN):
            share, _, label = label.partition(": ")
        share = share if row["measure"] == "quantile" else ""
        if label not in found:
            parts = frozenset() if label == "all" else frozenset(re.split(r", (?=[^,=]+=)", label))
            found[label] = _Cell(label, parts, {})
        found[label].rows[share or str(row["measure"])] = row
    return [cell for cell in found.values() if "median" in cell.rows]


def _n(cell: _Cell) -> float:
    value = cell.rows["median"]["n"]
    return float(value) if isinstance(value, int | float) and not is_missing(value) else float("nan")


def _hidden(cells: list[_Cell], total: _Cell | None, threshold: int) -> tuple[set[str], set[str]]:
    """Give the cells whose count is withheld, and those whose every number is."""
    everyone = [*cells, *([] if total is None else [total])]
    small = {cell.label for cell in everyone if not _n(cell) >= threshold}
    counts = {cell.label: _n(cell) for cell in cells}
    rest = 0.0 if total is None else _n(total) - sum(counts.values())
    if rest > 0:  # cells that are not shown: the total tells how many episodes they have
        counts[_REST] = rest
    few = small | ({_REST} if 0 < rest < threshold else set())
    if total is None or not few:
        return set(small), small
    cost = {label: 0.0 if label in few else count for label, count in counts.items()}
    cost |= {total.label: float("inf"), _REST: 0.0}
    return hide([dict.fromkeys(counts, 1) | {total.label: -1}], few, cost) - {_REST}, small


def _line(
    cell: _Cell,
    name: str,
    whole: object,
    extra: list[str],
    withheld: tuple[bool, bool],
    reasons: Reasons,
    style: Style,
) -> Row:
    row, (no_count, nothing) = cell.rows["median"], withheld
    n = "c" if no_count else row["n"]
    percent: object = "c" if no_count else _percent(row["n"], whole)
    limits: object = (row["conf_low"], row["conf_high"])
    shown = "c" if nothing else row["estimate"]
    cells = [
        number_cell(n, style.count(row["n"]), style),
        number_cell(percent, "" if not isinstance(percent, float) else f"{percent:.1f}", style),
        number_cell(shown, _number(row, style), style, () if nothing else reasons.about(row, ("estimate",))),
        number_cell(
            "c" if nothing else limits,
            "" if nothing else style.interval(row["conf_low"], row["conf_high"], row["unit"], "median"),
            style,
            () if nothing else reasons.about(row, ("estimate", "conf_low", "conf_high", "std_error")),
        ),
    ]
    for wanted in extra:
        other = cell.rows.get(wanted)
        if other is None:
            cells.append(Cell(None, style.blank, "blank"))
            continue
        said = () if nothing else reasons.about(other, ("estimate",), whole_row=wanted == _SHRUNKEN)
        cells.append(number_cell("c" if nothing else other["estimate"], _number(other, style), style, said))
    return Row(name, tuple(cells))


def _percent(n: object, whole: object) -> float:
    known = [value for value in (n, whole) if isinstance(value, int | float) and not is_missing(value)]
    return 100.0 * known[0] / known[1] if len(known) == 2 and known[1] else float("nan")


def _number(row: Record, style: Style) -> str:
    return style.number(row["estimate"], row["unit"], str(row["measure"]))


def _name(cell: _Cell, total: _Cell | None, words: Labels) -> str:
    own = re.split(r", (?=[^,=]+=)", cell.label)
    left = [part for part in own if total is None or part not in total.parts]
    given = dict(words.terms).get(", ".join(left))
    return given or ", ".join(part.partition("=")[2] or part for part in left)


def _heading(total: _Cell | None, words: Labels) -> str:
    if total is None or total.label == "all":
        return ""
    given = dict(words.terms).get(total.label)
    return given or ", ".join(part.partition("=")[2] for part in re.split(r", (?=[^,=]+=)", total.label))


def _headed(name: str) -> str:
    return {"restricted_mean": "Restricted mean", _SHRUNKEN: "Shrunken median"}.get(
        name, f"{name} of episodes ended by"
    )
