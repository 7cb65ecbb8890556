"""Tables of EQ-5D profiles: problems by dimension, the index beside a population, and how health changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from impactkit.compute.eq5d import PARETIAN
from impactkit.errors import SpecError
from impactkit.report.evidence import effect_label, weakest
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["eq5d_changes_table", "eq5d_problems_table", "eq5d_scores_table", "of_eq5d", "sides_of"]

SHARE = "proportion"


def eq5d_problems_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "People with problems, by dimension of the EQ-5D",
    key: str = "eq5d-problems",
) -> Table:
    """Build the table of people with any problem on each dimension, before and after.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Results with ``Eq5dProfile`` analyses; other rows are left out.
    style : str or Style
    labels : Labels, optional
    title, key : str

    Returns
    -------
    Table
        A group of lines for each population, a line for each dimension: both shares, the change and McNemar's exact
        p value; in a trial both shares of each arm and the difference between them afterwards.

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    return _table(tidy, glance, notes, style, labels, title, key, "Dimension", shares=True)


def eq5d_scores_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "EQ-5D scores",
    key: str = "eq5d-scores",
) -> Table:
    """Build the table of level sum score and index before and after, with the gaps to a population norm.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Results with ``Eq5dProfile`` analyses; other rows are left out.
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
    return _table(tidy, glance, notes, style, labels, title, key, "Score", shares=False)


def eq5d_changes_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "How health changed (Paretian classification)",
    key: str = "eq5d-changes",
) -> Table:
    """Build the table of the Paretian classification: a line for each population, or each arm in it.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Results with ``Eq5dProfile`` analyses; other rows are left out.
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
    chosen, words = get_style(style), labels or Labels()
    rows, looks = of_eq5d(tidy, glance)
    reasons = Reasons.of(notes, rows)
    groups = []
    for analysis in dict.fromkeys(row["analysis"] for row in rows):
        lines: dict[tuple[str, str], dict[str, Record]] = {}
        for row in rows:
            name, _, arm = str(row["term"]).partition(": ")
            if row["analysis"] == analysis and name in PARETIAN and row["measure"] == SHARE:
                lines.setdefault((row["population"], arm), {})[name] = row
        shown = []
        for (population, arm), part in lines.items():
            head = words.population(population) + (f", {words.term(arm)}" if arm else "")
            any_row = next(iter(part.values()))
            cells = [_count(any_row, chosen), *(_number(part[name], reasons, chosen) for name in PARETIAN)]
            shown.append(Row(head, tuple(cells)))
        groups.append(RowGroup(words.analysis(analysis), tuple(shown)))
    return Table(
        key=key,
        title=title,
        columns=(Column("n", "People"), *(Column(name.replace(" ", "_"), name.capitalize()) for name in PARETIAN)),
        groups=tuple(groups),
        stub="Population",
        notes=_remarks(reasons, rows, groups, chosen),
        evidence=weakest(look.get("evidence") for look in looks),
    )


def of_eq5d(tidy: pd.DataFrame, glance: pd.DataFrame) -> tuple[list[Record], list[Record]]:
    """Give the rows of ``Eq5dProfile`` analyses, and what glance says of them."""
    looks: list[Record] = [look for look in records(glance) if look["kind"] == "eq5d_profile"]
    names = {look["analysis"] for look in looks}
    rows: list[Record] = [row for row in records(tidy) if row["analysis"] in names]
    if not rows:
        raise SpecError("there is nothing to show: the plan has no Eq5dProfile analysis")
    return rows, looks


def sides_of(rows: Sequence[Record]) -> dict[str, list[Record]]:
    """Give the means or shares before and after of one outcome and population, by arm ("" for one group)."""
    found: dict[str, list[Record]] = {}
    for row in rows:
        if row["measure"] in (SHARE, "mean") and row["term"] != "control_mean":
            _, mark, arm = str(row["term"]).partition(": ")
            found.setdefault(arm if mark else "", []).append(row)
    return {arm: side[:2] for arm, side in found.items()}  # those with a problem once only come after


def _table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None,
    style: str | Style,
    labels: Labels | None,
    title: str,
    key: str,
    stub: str,
    *,
    shares: bool,
) -> Table:
    chosen, words = get_style(style), labels or Labels()
    rows, looks = of_eq5d(tidy, glance)
    reasons = Reasons.of(notes, rows)
    wanted = [row for row in rows if _is_share(row, rows) == shares]
    in_trial = any(row["term"] == "control_mean" for row in wanted)
    columns: list[Column] = []
    groups = []
    for analysis, population in dict.fromkeys((row["analysis"], row["population"]) for row in wanted):
        own = [row for row in wanted if row["analysis"] == analysis and row["population"] == population]
        lines = []
        for outcome in dict.fromkeys(row["outcome"] for row in own):
            part = [row for row in own if row["outcome"] == outcome]
            sides = sides_of(part)
            if not columns:
                columns = _columns(sides, words, effect_label(weakest(look.get("evidence") for look in looks)), shares)
            effects = [row for row in part if row["measure"] in ("change", "difference")]
            means = [row for side in sides.values() for row in side]
            for effect in effects:
                named = words.outcome(outcome)
                name = named[:1].upper() + named[1:] + (f", {words.term(effect['term'])}" if len(effects) > 1 else "")
                cells = [_count(effect, chosen), *(_number(row, reasons, chosen) for row in means)]
                cells += [_number(effect, reasons, chosen, effect=True), *_limits(effect, reasons, chosen)]
                if shares and not in_trial:
                    exact = next(row for row in part if row["measure"] == "mcnemar_exact")
                    cells.append(_p_value(exact, reasons, chosen))
                lines.append(Row(name, tuple(cells)))
            lines += [_gap(row, means, shares, reasons, chosen) for row in part if row["measure"] == "norm_gap"]
        groups.append(RowGroup(f"{words.analysis(analysis)}: {words.population(population)}", tuple(lines)))
    return Table(
        key=key,
        title=title,
        columns=tuple(columns),
        groups=tuple(groups),
        stub=stub,
        notes=(*_estimands(looks, wanted, in_trial), *_remarks(reasons, rows, groups, chosen)),
        evidence=weakest(look.get("evidence") for look in looks),
    )


def _estimands(looks: Sequence[Record], wanted: Sequence[Record], in_trial: bool) -> list[str]:
    if not in_trial:
        return []
    shown = {(row["analysis"], row["outcome"]) for row in wanted}
    found = dict.fromkeys(str(look["estimand"]) for look in looks if (look["analysis"], look["outcome"]) in shown)
    return [f"Between arms: {'; '.join(found)}."]


def _is_share(row: Record, rows: Sequence[Record]) -> bool | None:
    """Whether a row is about a dimension (True), a score (False) or the classes of change (None)."""
    own = [other for other in rows if other["outcome"] == row["outcome"] and other["analysis"] == row["analysis"]]
    if any(str(other["term"]).partition(": ")[0] in PARETIAN for other in own):
        return None
    return str(row["unit"]) == SHARE


def _columns(sides: dict[str, list[Record]], words: Labels, effect: str, shares: bool) -> list[Column]:
    found = [Column("n", "People")]
    for arm, side in sides.items():
        for row in side:
            term = str(row["term"]).partition(": ")[0]
            name = words.term(term)
            found.append(
                Column(f"{term}_{arm}".strip("_"), name[:1].upper() + name[1:], spanner=words.term(arm) if arm else "")
            )
    found += [Column("effect", effect), Column("interval", "Interval"), Column("p_value", "P value")]
    if shares and "" in sides:
        found.append(Column("mcnemar", "McNemar's exact P"))
    return found


def _gap(row: Record, means: Sequence[Record], shares: bool, reasons: Reasons, style: Style) -> Row:
    cells = [_count(row, style), *(_blank(style) for _ in means)]
    return Row(str(row["term"]), (*cells, _number(row, reasons, style), *_limits(row, reasons, style)))


def _number(row: Record, reasons: Reasons, style: Style, *, effect: bool = False) -> Cell:
    value, unit, measure = row["estimate"], row["unit"], str(row["measure"])
    text = style.number(value, unit, measure, with_unit=unit == SHARE)
    return number_cell(value, text, style, reasons.about(row, ("estimate",)), kind="effect" if effect else "number")


def _limits(row: Record, reasons: Reasons, style: Style) -> tuple[Cell, Cell]:
    limits = (row["conf_low"], row["conf_high"])
    lost = () if not is_missing(row["estimate"]) else ("estimate",)
    about = reasons.about(row, (*lost, "conf_low", "std_error"))
    shown = style.interval(*limits, row["unit"], str(row["measure"]))
    return number_cell(limits, shown, style, about), _p_value(row, reasons, style)


def _p_value(row: Record, reasons: Reasons, style: Style) -> Cell:
    lost = () if not is_missing(row["estimate"]) else ("estimate",)
    return number_cell(
        row["p_value"], style.p_value(row["p_value"]), style, reasons.about(row, (*lost, "p_value", "std_error"))
    )


def _count(row: Record, style: Style) -> Cell:
    value = row["n"]
    return _blank(style) if is_missing(value) else number_cell(value, style.count(value), style)


def _blank(style: Style) -> Cell:
    return Cell(None, style.blank, "blank")


def _remarks(reasons: Reasons, rows: Sequence[Record], groups: Sequence[RowGroup], style: Style) -> tuple[str, ...]:
    said = list(reasons.general({str(row["analysis"]) for row in rows}, rows))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    said[:0] = [style.suppressed_meaning] if "suppressed" in kinds else []
    said[:0] = [style.blank_meaning] if "blank" in kinds else []
    return tuple(said)
