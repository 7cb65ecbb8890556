"""The table of competing exits: share out by each time and reason, and the mean time since each exit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["incidence_table"]

_SHARES = ("cumulative_incidence", "one_minus_survival")


def incidence_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "How absence ended",
    key: str = "incidence",
) -> Table:
    """Build the table of exits: one line for each, by population and group, with 1 − Kaplan-Meier under them.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Rows of one ``CompetingExits`` analysis; its other rows (differences, tests, regressions) are left to the
        tables of effects.
    style : str or Style
    labels : Labels, optional
        Names of populations, and of groups and exits as terms.
    title, key : str

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If there are no such rows, or rows of several analyses.
    """
    chosen, words, rows = get_style(style), labels or Labels(), records(tidy)
    own = [row for row in rows if row["measure"] in (*_SHARES, "time_lost")]
    if not own:
        raise SpecError("there are no exits to show: add a CompetingExits analysis to the plan")
    analyses = list(dict.fromkeys(str(row["analysis"]) for row in own))
    if len(analyses) > 1:
        raise SpecError(f"rows of {', '.join(analyses)} do not share a table: choose one analysis")
    reasons = Reasons.of(notes, rows)
    times = list(dict.fromkeys(_parts(row)[2] for row in own if row["measure"] in _SHARES))
    lost = [row for row in own if row["measure"] == "time_lost"]
    unit = str(lost[0]["unit"]) if lost else ""
    columns = []
    for time in times:
        columns += [Column(f"share {time}", f"Left by {time} {unit}".rstrip()), Column(f"interval {time}", "Interval")]
    if lost:
        to = _parts(lost[0])[2]
        columns += [Column("lost", f"Mean {unit} since, to {to}"), Column("lost interval", "Interval")]
    groups: list[RowGroup] = []
    for population, group in dict.fromkeys((str(row["population"]), _parts(row)[0]) for row in own):
        inside = [row for row in own if (str(row["population"]), _parts(row)[0]) == (population, group)]
        lines = list(dict.fromkeys((row["measure"] == "one_minus_survival", _parts(row)[1]) for row in inside))
        head = " · ".join(part for part in (words.population(population), words.term(group) if group else "") if part)
        groups.append(
            RowGroup(
                head,
                tuple(
                    _line(inside, naive, name, times, lost, words, chosen, reasons)
                    for naive, name in sorted(lines, key=lambda line: line[0])
                ),
            )
        )
    said = list(reasons.general(set(analyses), rows))
    said[:0] = [
        "Shares are cumulative incidences (Aalen-Johansen). 1 − Kaplan-Meier takes other exits for censored and "
        "overstates return: it is shown for comparison only."
    ]
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    said[:0] = [chosen.suppressed_meaning] if "suppressed" in kinds else []
    said[:0] = [chosen.blank_meaning] if "blank" in kinds else []
    return Table(
        key=key,
        title=title,
        columns=tuple(columns),
        groups=tuple(groups),
        stub="Exit",
        notes=tuple(said),
        evidence="" if glance is None else weakest(look.get("evidence") for look in records(glance)),
    )


def _line(
    inside: Sequence[Record],
    naive: bool,
    name: str,
    times: Sequence[str],
    lost: Sequence[Record],
    words: Labels,
    style: Style,
    reasons: Reasons,
) -> Row:
    measure = "one_minus_survival" if naive else "cumulative_incidence"
    cells: list[Cell] = []
    for time in times:
        cells += _cells(_find(inside, measure, name, time), style, reasons)
    if lost:
        cells += _cells(None if naive else _find(inside, "time_lost", name, ""), style, reasons)
    shown = dict(words.terms).get(name, name)
    return Row(f"{shown}, 1 − Kaplan-Meier" if naive else shown, tuple(cells))


def _find(rows: Sequence[Record], measure: str, name: str, time: str) -> Record | None:
    found = (row for row in rows if row["measure"] == measure and _parts(row)[1] == name)
    return next((row for row in found if not time or _parts(row)[2] == time), None)


def _cells(row: Record | None, style: Style, reasons: Reasons) -> list[Cell]:
    if row is None:
        return [Cell(None, style.blank, "blank")] * 2
    unit, measure, value = row["unit"], row["measure"], row["estimate"]
    limits = (row["conf_low"], row["conf_high"])
    return [
        number_cell(
            value,
            style.number(value, unit, measure, with_unit=unit == "proportion"),
            style,
            reasons.about(row, ("estimate",)),
        ),
        number_cell(
            limits,
            style.interval(*limits, unit, measure),
            style,
            reasons.about(row, ("conf_low", "std_error", "estimate")),
        ),
    ]


def _parts(row: Record) -> tuple[str, str, str]:
    """Split a term into group, exit and time."""
    group, colon, rest = str(row["term"]).rpartition(": ")
    if not colon:
        group, rest = "", str(row["term"])
    name, _, time = rest.rpartition(" to " if row["measure"] == "time_lost" else " by ")
    return group, name.removeprefix("time since ") if row["measure"] == "time_lost" else name, time
