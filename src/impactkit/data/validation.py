"""The order of the one validation pass: tables, columns, cells, people, arms, groups, filters, outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from impactkit.data.allocation import (
    allocation_problems,
    arm_problems,
    filter_problems,
    group_problems,
    one_armed_problems,
)
from impactkit.data.checks import cell_problems, link_problems, presence_problems, rows, unit_problems
from impactkit.data.coding import arm_codes, included_rows, restricted, stratum_codes
from impactkit.data.columns import Bools, Column, Factor, frozen
from impactkit.data.frames import Columns
from impactkit.data.needs import ColumnNeed, design_needs, note_needs, outcome_needs
from impactkit.data.outcomes import OutcomeColumn, read_outcome, resolve_outcome
from impactkit.design import ComparisonDesign, ControlEpisodes, Design, NormDesign, Outcome, TrialDesign

__all__ = ["Assignment", "Checked", "validate"]

Usable = set[tuple[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Who was allocated to what, and within what, one entry per person."""

    arm: NDArray[np.int8] | None = None
    strata: Factor | None = None
    clusters: Factor | None = None
    included: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))


@dataclass(slots=True, eq=False)
class Checked:
    """What one pass found."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: Usable = field(default_factory=set)
    assignment: Assignment = field(default_factory=Assignment)
    outcomes: dict[str, OutcomeColumn] = field(default_factory=dict)


def validate(
    tables: Mapping[str, Columns],
    design: Design,
    needs: Sequence[ColumnNeed],
    outcomes: Sequence[str],
    *,
    several: bool,
) -> Checked:
    """Check everything once.

    Parameters
    ----------
    tables : mapping of str to Columns
        The person table under ``""``; it may be absent, which was then said already.
    design : Design
    needs : sequence of ColumnNeed
        What analyses need.
    outcomes : sequence of str
        Outcomes that analyses read.
    several : bool
        Whether data were given as a mapping, so that every linked table is expected in it.
    """
    checked = Checked()
    people = tables.get("")
    wanted = [*design_needs(design, people.names if people is not None else ()), *_link_needs(design, needs, several)]
    of_notes, misnamed = note_needs(design, tables)
    wanted += of_notes
    checked.problems += misnamed
    specs: list[Outcome] = []
    if people is not None:
        for name in dict.fromkeys(outcomes):
            spec = resolve_outcome(name, design, people)
            if isinstance(spec, str):
                checked.problems.append(spec)
                continue
            specs.append(spec)
            wanted += outcome_needs(spec, design.weights_of(spec))
            if design.outcome(name) is None:
                checked.notes.append(f'outcome "{name}" is not declared in the design and was read as {spec.kind}')
    wanted += needs
    absent, met = presence_problems(tables, wanted, design.table)
    checked.problems += absent
    usable = _check_cells(tables, met, checked)
    _check_controls(tables, design, usable, checked)
    if people is not None and people.size:
        _check_people(people, design, usable, checked)
        _check_links(tables, design, usable, checked)
        _check_filters(people, design, checked)
        for spec in specs:
            _check_outcome(people, design, spec, usable, checked)
    return checked


def _link_needs(design: Design, needs: Sequence[ColumnNeed], several: bool) -> list[ColumnNeed]:
    asked = {need.table for need in needs}
    return [
        ColumnNeed(link.unit or design.unit, "any", f'the link to table "{link.table}"', link.table)
        for link in design.links
        if several or link.table in asked
    ]


def _check_cells(tables: Mapping[str, Columns], met: Sequence[ColumnNeed], checked: Checked) -> Usable:
    """Check cells column by column; give the columns that can be read further."""
    by_column: dict[tuple[str, str], list[ColumnNeed]] = {}
    for need in met:
        by_column.setdefault((need.table, need.column), []).append(need)
    usable: Usable = set()
    for (table, name), needs in by_column.items():
        column = tables[table].column(name)
        checked.used.add((table, name))
        checked.problems += cell_problems(column, tables[table].words, needs)
        if column.kind not in ("mixed", "other"):
            usable.add((table, name))
    return usable


def _check_people(people: Columns, design: Design, usable: Usable, checked: Checked) -> None:
    def column(name: str | None) -> Column | None:
        return people.column(name) if name is not None and ("", name) in usable else None

    words = people.words
    unit, cluster_column = column(design.unit), column(design.clusters)
    if unit is not None:
        checked.problems += unit_problems(unit, cluster_column, words, design.clusters or "")
    arm: NDArray[np.int8] | None = None
    if isinstance(design, TrialDesign | ComparisonDesign):
        arm_column = column(design.arm)
        if arm_column is not None:
            arm = arm_codes(arm_column, design)
            checked.problems += arm_problems(arm_column, arm, design, words)
            ignored = int((arm == -1).sum())
            if ignored:
                checked.notes.append(f"{rows(ignored)} of {words} left out because of `ignore_arms`")
    included = included_rows(arm, people.size)
    if isinstance(design, TrialDesign) and isinstance(design.allocation, str):
        probability = column(design.allocation)
        if probability is not None:
            checked.problems += allocation_problems(probability, included, words)
    if isinstance(design, NormDesign):
        checked.problems += _entry_problems(column(design.entry), column(design.duration), words)
    strata: Factor | None = None
    blocks = [column(name) for name in design.strata]
    found = [block for block in blocks if block is not None]
    for block in found:
        checked.problems += group_problems(block, included, words, "stratum")
    if found and len(found) == len(blocks):
        strata = stratum_codes(found, included)
        if arm is not None:
            checked.problems += one_armed_problems(strata, arm, words)
    clusters: Factor | None = None
    if cluster_column is not None:
        checked.problems += group_problems(cluster_column, included, words, "cluster")
        clusters = restricted(cluster_column.factor(declared=False), included)
    checked.assignment = Assignment(
        None if arm is None else frozen(arm),
        None if strata is None else strata,
        None if clusters is None else clusters,
        frozen(included),
    )


def _entry_problems(entry: Column | None, duration: Column | None, words: str) -> list[str]:
    if entry is None or duration is None or entry.numbers is None or duration.numbers is None:
        return []
    impossible = int((entry.numbers > duration.numbers).sum())
    if not impossible:
        return []
    return [
        f"`{duration.name}` of {words} is the total time absent and cannot be shorter than `{entry.name}`, the time "
        f"already absent at assessment; found that in {rows(impossible)}: correct the dates behind them"
    ]


def _check_controls(tables: Mapping[str, Columns], design: Design, usable: Usable, checked: Checked) -> None:
    """Check that control episodes have one row each and end after observation of them began."""
    controls = design.controls if isinstance(design, NormDesign) else None
    if not isinstance(controls, ControlEpisodes) or controls.table not in tables:
        return
    table = tables[controls.table]
    if (controls.table, controls.episode) in usable:
        codes, groups = table.column(controls.episode).groups()
        counts = np.bincount(codes[codes >= 0], minlength=groups)
        missing = int((codes < 0).sum())
        if missing:
            checked.problems.append(
                f"column `{controls.episode}` of {table.words} should identify every episode; found {rows(missing)} "
                "without an id: give ids or drop the rows"
            )
        if (counts > 1).any():
            checked.problems.append(
                f"{table.words} should have one row per episode; found {rows(int((counts > 1).sum()), 'id')} of "
                f"`{controls.episode}` repeated over {rows(int(counts[counts > 1].sum()))}: keep one row each, or give "
                "the notes themselves with `ControlNotes`"
            )
    if (
        controls.late_entry is None
        or not {(controls.table, controls.late_entry), (controls.table, controls.duration)} <= usable
    ):
        return
    late, length = table.column(controls.late_entry).numbers, table.column(controls.duration).numbers
    if late is None or length is None:
        return
    wrong = int((late > length).sum())
    if wrong:
        checked.problems.append(
            f"`{controls.late_entry}` of {table.words}, how long an episode had run when observation of it began, "
            f"cannot be longer than `{controls.duration}`, its whole length; found that in {rows(wrong)}: correct the "
            "dates behind them"
        )


def _check_links(tables: Mapping[str, Columns], design: Design, usable: Usable, checked: Checked) -> None:
    for link in design.links:
        unit = link.unit or design.unit
        if (link.table, unit) in usable and ("", design.unit) in usable:
            units = tables[""].column(design.unit)
            checked.problems += link_problems(units, tables[link.table], unit, design)


def _check_filters(people: Columns, design: Design, checked: Checked) -> None:
    included = checked.assignment.included
    for population in design.populations:
        who = f'population "{population.name}"'
        checked.problems += filter_problems(population.where, people, included, who)


def _check_outcome(people: Columns, design: Design, spec: Outcome, usable: Usable, checked: Checked) -> None:
    weights = design.weights_of(spec)
    columns = {spec.column, *(column for column, _ in spec.eligible), *([] if weights is None else [weights])}
    if not all(("", name) in usable for name in columns):
        return
    included = checked.assignment.included
    if spec.eligible:
        checked.problems += filter_problems(spec.eligible, people, included, f'the `eligible` of outcome "{spec.name}"')
    column, problems = read_outcome(spec, weights, people, included)
    checked.problems += [problem for problem in problems if problem not in checked.problems]
    if column is not None:
        checked.outcomes[spec.name] = column
