"""The layout of a trial's summary table: one row per outcome, one column per population."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.table import Cell, Column, Row, RowGroup

if TYPE_CHECKING:
    from impactkit.report.style import Statistic
    from impactkit.report.tables_impacts import Block, _Builder

__all__ = ["trial_grid"]

SHOWN: tuple[Statistic, ...] = ("effect", "std_error", "control_mean", "n")
"""What the layout has room for; intervals and p values are in the other layouts."""


def trial_grid(builder: _Builder) -> tuple[tuple[Column, ...], tuple[RowGroup, ...]]:
    """Set outcomes under one another and populations side by side, statistic after statistic.

    Outcomes may come from several analyses (percentage points from one, standard deviations from another), as long
    as each outcome is estimated once in each population. How a number was formed stays in ``notes()``; a cell has
    footnotes only on its own estimate.

    Raises
    ------
    SpecError
        If two analyses, or two terms, claim one row.
    """
    panels = builder.names("population")
    columns = tuple(Column(key=name, label=builder.labels.population(name)) for name in panels)
    lines = {block: _by_population(builder, block) for block in builder.blocks()}
    groups = []
    for statistic in builder.shown():
        if statistic not in SHOWN:
            continue
        rows = []
        for block, found in lines.items():
            cells = tuple(_cell(builder, statistic, found.get(name)) for name in panels)
            if statistic == "control_mean" and all(cell.kind == "blank" for cell in cells):
                continue
            rows.append(Row(_label(builder, statistic, block, list(found.values())), cells))
        if rows:
            heading = "Control mean" if statistic == "control_mean" else builder.head(statistic, builder.effects)
            groups.append(RowGroup(heading, tuple(rows)))
    return columns, tuple(groups)


def _by_population(builder: _Builder, block: Block) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in builder.in_block(block):
        other = found.setdefault(row["population"], row)
        if other is not row:
            names = ", ".join(dict.fromkeys(f'"{claim["analysis"]}"' for claim in (other, row)))
            raise SpecError(
                f'the trial layout has one row per outcome, and outcome "{block.outcome}" is estimated more than '
                f"once in {row['population']} (by {names}): select analyses, for example "
                f'result["{row["analysis"]}"].to_table("impacts", layout="trial")'
            )
    return found


def _cell(builder: _Builder, statistic: Statistic, row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(None, builder.style.blank, "blank")
    cell = builder.cell(statistic, row, brackets=True)
    if statistic == "effect" and cell.kind == "effect":
        return replace(cell, notes=builder.reasons.about(row, ["estimate"]))
    return cell


def _label(builder: _Builder, statistic: Statistic, block: Block, rows: list[dict[str, Any]]) -> str:
    if statistic in ("effect", "std_error"):
        return builder.block_label(block)
    words = builder.control_unit(rows) if statistic == "control_mean" else ""
    parts = [builder.labels.outcome(block.outcome), *([builder.labels.term(block.term)] if block.term else []), words]
    return ", ".join(part for part in parts if part)
