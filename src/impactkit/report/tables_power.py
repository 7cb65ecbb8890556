"""Tables of power: planned studies side by side, and what a finished study could have found beside what it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["detectable_table", "power_table"]

_HEADS = {"planned": "Planned sample", "power": "Power", "allocation": "Detectable effect of allocation"}
_HEADS |= {"taking part": "Detectable effect of taking part", "required": "Sample required"}
_DETECTABLE = ("minimum_detectable_effect", "minimum_detectable_ratio")


def power_table(
    tidy: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    title: str = "Power of planned studies",
    labels: Labels | None = None,
    key: str = "power",
) -> Table:
    """Build the table of planned studies, one line for each scenario.

    Parameters
    ----------
    tidy, notes : DataFrame
        Rows of ``Power`` analyses.
    style : str or Style
    title, key : str
    labels : Labels, optional

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    chosen, words, rows = get_style(style), labels or Labels(), records(tidy)
    if not any(row["measure"] in ("power", "sample_size") for row in rows):
        raise SpecError("there are no planned studies to show: add a Power analysis to the plan")
    reasons = Reasons.of(notes, rows)
    terms = [term for term in _HEADS if any(row["term"] == term for row in rows)]
    scenarios = list(dict.fromkeys((row["analysis"], row["outcome"], row["population"]) for row in rows))
    by_place = {(row["analysis"], row["outcome"], row["population"], row["term"]): row for row in rows}
    groups: list[RowGroup] = []
    several = len({scenario[:2] for scenario in scenarios}) > 1
    for analysis, outcome, scenario in scenarios:
        cells = tuple(
            _planned_cell(by_place.get((analysis, outcome, scenario, term)), reasons, chosen) for term in terms
        )
        head = f"{words.analysis(analysis)} · {words.outcome(outcome)}" if several else ""
        row = Row(words.population(scenario), cells)
        if groups and groups[-1].label == head:
            groups[-1] = RowGroup(head, (*groups[-1].rows, row))
        else:
            groups.append(RowGroup(head, (row,)))
    notes_said = list(reasons.general({str(row["analysis"]) for row in rows}, rows))
    if any(cell.kind == "blank" for group in groups for row in group.rows for cell in row.cells):
        notes_said.insert(0, chosen.blank_meaning)
    return Table(
        key=key,
        title=title,
        columns=tuple(Column(term, _HEADS[term]) for term in terms),
        groups=tuple(groups),
        stub="Scenario",
        notes=tuple(notes_said),
    )


def _planned_cell(row: Record | None, reasons: Reasons, style: Style) -> Cell:
    if row is None:
        return Cell(None, style.blank, "blank")
    value, unit, measure = row["estimate"], str(row["unit"]), str(row["measure"])
    if measure == "sample_size":
        text = f"{style.count(value)} {unit}"
    else:
        text = style.number(value, unit, measure, with_unit=True)
    return number_cell(value, text, style, reasons.about(row, ("estimate",)))


def detectable_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "What the study could have found",
    key: str = "detectable",
) -> Table:
    """Build the table of effects with, beside each, the smallest true effect the study would have found.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Rows of the effects and of their ``MinimumDetectableEffect`` analyses.
    pairs : sequence of (name, of)
        Each such analysis, and the one whose effects it is about.
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
    from impactkit.report.evidence import effect_label, weakest

    chosen, words, rows = get_style(style), labels or Labels(), records(tidy)
    about = dict(pairs)
    detectable = [row for row in rows if row["measure"] in _DETECTABLE and row["analysis"] in about]
    if not detectable:
        raise SpecError("there are no detectable effects to show: add a MinimumDetectableEffect analysis to the plan")
    reasons = Reasons.of(notes, rows)
    effects = {_place(row, row["analysis"], _named(row)): row for row in rows}
    looks = records(glance)
    evidence = weakest(look.get("evidence") for look in looks if look["analysis"] in about)
    groups: list[RowGroup] = []
    many = {name: len({row[name] for row in detectable}) > 1 for name in ("analysis", "population", "term")}
    for row in sorted(detectable, key=lambda row: _first(rows, "outcome", row["outcome"])):
        effect = effects.get(_place(row, about[row["analysis"]], _wanted(row)))
        parts = [words.analysis(about[row["analysis"]])] if many["analysis"] else []
        parts += [words.population(row["population"])] if many["population"] else []
        parts += [words.term(row["term"])] if many["term"] else []
        unit, measure = row["unit"], row["measure"]
        scale = chosen.scale(unit, measure) if measure != "minimum_detectable_ratio" else None
        head = f"{words.outcome(row['outcome'])} ({unit if scale is None else scale.words})"
        value = row["estimate"]
        cells = (
            *_effect_cells(effect, reasons, chosen),
            number_cell(value, chosen.number(value, unit, measure), chosen, reasons.about(row, ("estimate",))),
        )
        line = Row(" · ".join(parts) or effect_label(evidence), cells)
        if groups and groups[-1].label == head:
            groups[-1] = RowGroup(head, (*groups[-1].rows, line))
        else:
            groups.append(RowGroup(head, (line,)))
    said = list(reasons.general(set(about), rows))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    said[:0] = [chosen.suppressed_meaning] if "suppressed" in kinds else []
    said[:0] = [chosen.blank_meaning] if "blank" in kinds else []
    columns = (Column("effect", "Estimate"), Column("interval", "Interval"), Column("p_value", "P value"))
    return Table(
        key=key,
        title=title,
        columns=(*columns, Column("detectable", "Minimum detectable effect")),
        groups=tuple(groups),
        stub="Effect",
        notes=(*_target_words(looks, about), *said),
        evidence=evidence,
    )


def _effect_cells(effect: Record | None, reasons: Reasons, style: Style) -> tuple[Cell, ...]:
    if effect is None:
        return (Cell(None, style.blank, "blank"),) * 3
    unit, measure = effect["unit"], effect["measure"]
    value, limits, p = effect["estimate"], (effect["conf_low"], effect["conf_high"]), effect["p_value"]
    return (
        number_cell(value, style.number(value, unit, measure), style, reasons.about(effect, ("estimate",))),
        number_cell(
            limits, style.interval(*limits, unit, measure), style, reasons.about(effect, ("conf_low", "std_error"))
        ),
        number_cell(p, style.p_value(p), style, reasons.about(effect, ("p_value", "std_error"))),
    )


def _target_words(looks: Sequence[Record], about: dict[str, str]) -> list[str]:
    said = dict.fromkeys(str(look["method"]).split(" for ")[0] for look in looks if look["analysis"] in about)
    return [f"Minimum detectable effect: {method}." for method in said]


def _place(row: Record, analysis: str, named: str) -> tuple[Any, ...]:
    return (analysis, row["outcome"], row["population"], row["term"], named)


def _named(row: Record) -> str:
    """Give what tells rows of one outcome and term apart: ratios by their measure, others by their unit."""
    from impactkit.results.measures import MEASURES

    known = MEASURES.get(str(row["measure"]))
    return str(row["measure"]).replace("_", " ") if known is not None and known.scale == "log" else str(row["unit"])


def _wanted(row: Record) -> str:
    return str(row["unit"])


def _first(rows: Sequence[Record], name: str, value: object) -> int:
    return next((place for place, row in enumerate(rows) if row[name] == value), len(rows))
