"""What a design and its analyses need from the data, collected before anything is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from impactkit.data.fitnotes.names import find_columns, key_names
from impactkit.design import (
    BeforeAfterDesign,
    ComparisonDesign,
    ControlEpisodes,
    ControlNotes,
    Design,
    NormDesign,
    Outcome,
    TrialDesign,
)

if TYPE_CHECKING:
    from impactkit.data.frames import Columns

__all__ = ["ColumnNeed", "Role", "design_needs", "key_columns", "note_needs", "outcome_needs", "said_by"]

Role = Literal["numeric", "factor", "any", "binary", "money", "duration", "eq5d3l", "eq5d5l"]

MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class ColumnNeed:
    """One column that somebody needs, and what must be in it.

    Parameters
    ----------
    column : str
    role : {"numeric", "factor", "any", "binary", "money", "duration", "eq5d3l", "eq5d5l"}
        What the column is checked for. Empty cells are always allowed. ``"duration"`` must not be
        negative; ``"eq5d3l"`` and ``"eq5d5l"`` are levels from 1, or five-digit profiles.
    by : str
        Who needs it, in words, for example ``'analysis "employment"'``.
    table : str, optional
        The table; the person table when left out.
    """

    column: str
    role: Role
    by: str
    table: str = ""


def design_needs(design: Design, columns: Iterable[str] = ()) -> list[ColumnNeed]:
    """List what the design itself needs from the person table; ``columns`` are those the table has."""
    needs = [ColumnNeed(design.unit, "any", "the design's `unit`")]
    needs += [ColumnNeed(column, "factor", "the design's `strata`") for column in design.strata]
    if design.clusters is not None:
        needs.append(ColumnNeed(design.clusters, "factor", "the design's `clusters`"))
    if design.weights is not None:
        needs.append(ColumnNeed(design.weights, "numeric", "the design's `weights`"))
    if isinstance(design, TrialDesign | ComparisonDesign):
        needs.append(ColumnNeed(design.arm, "any", "the design's `arm`"))
        if design.receipt is not None:
            needs.append(ColumnNeed(design.receipt, "binary", "the design's `receipt`"))
    if isinstance(design, TrialDesign) and isinstance(design.allocation, str):
        needs.append(ColumnNeed(design.allocation, "numeric", "the design's `allocation`"))
    if isinstance(design, ComparisonDesign):
        needs += [ColumnNeed(column, "any", "the design's `covariates`") for column in design.covariates]
    if isinstance(design, NormDesign):
        needs.append(ColumnNeed(design.entry, "duration", "the design's `entry`"))
        needs.append(ColumnNeed(design.duration, "duration", "the design's `duration`"))
        needs.append(ColumnNeed(design.returned, "binary", "the design's `returned`"))
        needs += [ColumnNeed(column, "factor", "the design's `norm_by`") for column in design.norm_by]
        needs += _control_needs(design)
    if isinstance(design, BeforeAfterDesign):
        known = set(columns)
        in_long_table = bool(design.links) and design.before not in known and design.after not in known
        if not in_long_table:  # else they are values of a visit column, which the analysis names
            needs.append(ColumnNeed(design.before, "any", "the design's `before`"))
            needs.append(ColumnNeed(design.after, "any", "the design's `after`"))
    for population in design.populations:
        by = f'population "{population.name}"'
        needs += [ColumnNeed(column, "factor", by) for column, _ in population.where]
    return needs


def _control_needs(design: NormDesign) -> list[ColumnNeed]:
    controls, by = design.controls, "the design's `controls`"
    if not isinstance(controls, ControlEpisodes):
        return []
    table = controls.table
    needs = [ColumnNeed(column, "factor", "the design's `norm_by`", table) for column in design.norm_by]
    needs.append(ColumnNeed(controls.episode, "any", by, table))
    needs.append(ColumnNeed(controls.duration, "duration", by, table))
    needs.append(ColumnNeed(controls.ended, "binary", by, table))
    if controls.late_entry is not None:
        needs.append(ColumnNeed(controls.late_entry, "duration", by, table))
    if controls.practice is not None:
        needs.append(ColumnNeed(controls.practice, "factor", by, table))
    return needs


def note_needs(design: Design, tables: Mapping[str, Columns]) -> tuple[list[ColumnNeed], list[str]]:
    """List what controls given as fit notes need from their table, and what is wrong with its names."""
    controls = design.controls if isinstance(design, NormDesign) else None
    if not isinstance(controls, ControlNotes) or not isinstance(design, NormDesign):
        return [], []
    by, table = "the design's `controls`", tables.get(controls.table)
    if table is None:
        return [ColumnNeed(controls.columns.patient or "patient", "any", by, controls.table)], []
    found, problems = find_columns(controls.columns, table.names, table.words)
    needs = [ColumnNeed(column, "any", by, controls.table) for column in found.values()]
    for name in design.norm_by:
        if name in found or name == "client_group":
            continue
        if name == "age_band":
            if "birth_year" not in found:
                problems.append(f"`age_band` in the design's `norm_by` needs a column `birth_year` in {table.words}")
            continue
        needs.append(ColumnNeed(name, "factor", "the design's `norm_by`", controls.table))
    return needs, problems


def outcome_needs(outcome: Outcome, weights: str | None) -> list[ColumnNeed]:
    """List what one outcome needs; its values are checked where they count, so here they may be anything."""
    by = f'outcome "{outcome.name}"'
    needs = [ColumnNeed(outcome.column, "any", by)]
    needs += [ColumnNeed(column, "factor", by) for column, _ in outcome.eligible]
    if weights is not None:
        needs.append(ColumnNeed(weights, "any", f"{by} for its weights"))
    return needs


def key_columns(design: Design) -> dict[str, tuple[str, ...]]:
    """Name the columns of identifiers by table, the person table under ``""``."""
    clusters = () if design.clusters is None else (design.clusters,)
    controls = design.controls if isinstance(design, NormDesign) else None
    keys = {
        "": (design.unit, *clusters),
        **{link.table: (link.unit or design.unit, *clusters) for link in design.links},
    }
    if isinstance(controls, ControlEpisodes):
        keys[controls.table] = (controls.episode, *filter(None, (controls.practice,)))
    if isinstance(controls, ControlNotes):
        keys[controls.table] = key_names(controls.columns)
    return keys


def said_by(needs: Sequence[ColumnNeed]) -> str:
    """Join who needs a column, each once.

    Examples
    --------
    >>> said_by([ColumnNeed("age", "numeric", 'analysis "a"'), ColumnNeed("age", "any", 'analysis "b"')])
    'analysis "a" and analysis "b"'
    """
    names = list(dict.fromkeys(need.by for need in needs))
    if len(names) > MOST_NAMED:
        names = [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
