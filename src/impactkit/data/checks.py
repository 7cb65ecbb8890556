"""The one pass over the data: pure functions that give the problems they find as sentences.

Every sentence says what was expected, what was found with counts, and what to do. Ids, answers and other
cells are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.coding import unit_positions
from impactkit.data.columns import Column
from impactkit.data.frames import Columns
from impactkit.data.needs import ColumnNeed, Role, said_by
from impactkit.design import Design
from impactkit.errors import did_you_mean

__all__ = [
    "cell_problems",
    "link_problems",
    "number_problem",
    "presence_problems",
    "rows",
    "unit_problems",
]

EQ5D_LEVELS: dict[str, int] = {"eq5d3l": 3, "eq5d5l": 5}


def rows(count: int, of: str = "row") -> str:
    """Write a count of rows.

    Examples
    --------
    >>> rows(1), rows(12_000), rows(2, "id")
    ('1 row', '12,000 rows', '2 ids')
    """
    return f"{count:,} {of}{'' if count == 1 else 's'}"


def presence_problems(
    tables: Mapping[str, Columns], needs: Sequence[ColumnNeed], person_table: str
) -> tuple[list[str], list[ColumnNeed]]:
    """Check that every table and column is there; give the needs that can be met."""
    problems: list[str] = []
    met: list[ColumnNeed] = []
    by_column: dict[tuple[str, str], list[ColumnNeed]] = {}
    for need in needs:
        by_column.setdefault((need.table, need.column), []).append(need)
    absent = dict.fromkeys(table for table, _ in by_column if table not in tables)
    for name in absent:
        if not name:
            continue  # said once, when the tables were opened
        asking = said_by([need for need in needs if need.table == name])
        given = [table or person_table for table in tables]
        known = ", ".join(f'"{table}"' for table in given)
        problems.append(
            f'table "{name}" is missing; needed by {asking}; the data have {known}.{did_you_mean(name, given)} '
            "Give data as a mapping of names to tables that has it"
        )
    for (table, column), asking_needs in by_column.items():
        if table in absent:
            continue
        columns = tables[table]
        if column in columns and column not in columns.repeated:
            met.extend(asking_needs)
        else:
            problems.append(columns.absent(column, said_by(asking_needs)))
    problems.extend(
        f"{tables[table].words} should have at least one row and has none: check the file or the filter that made it"
        for table in dict.fromkeys(need.table for need in met)
        if not tables[table].size
    )
    return problems, met


def cell_problems(column: Column, words: str, needs: Sequence[ColumnNeed]) -> list[str]:
    """Check the cells of one column for everything its needs ask; each fault is said once."""
    if column.kind in ("mixed", "other"):
        return [
            f"column `{column.name}` of {words} should hold text, numbers or dates ({said_by(needs)}); "
            f"found {column.found}: convert it to one of these"
        ]
    problems: list[str] = []
    for role in dict.fromkeys(need.role for need in needs):
        by = said_by([need for need in needs if need.role == role])
        problem = _role_problem(column, words, role, by)
        if problem:
            problems.append(problem)
    if column.numbers is not None:
        infinite = int(np.isinf(column.numbers).sum())
        if infinite:
            problems.append(
                f"column `{column.name}` of {words} should be finite ({said_by(needs)}); "
                f"found infinite values in {rows(infinite)}: correct them or leave the cells empty"
            )
    return problems


def number_problem(column: Column, words: str, by: str) -> str:
    """Say that a column which should hold numbers does not, or give an empty string."""
    if column.is_number:
        return ""
    start = f"column `{column.name}` of {words} should hold numbers ({by}); found"
    if column.codes is None or column.levels is None:
        return f"{start} {column.found}: convert it to numbers"
    if column.kind == "date":
        return f"{start} dates: give the time between two dates as a number instead"
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    total = int(counts.sum())
    bad = int(counts[[not _is_number_text(level) for level in column.levels]].sum())
    if bad:
        return (
            f"{start} text that is not a number in {bad:,} of {rows(total, 'cell')}: correct them or leave them empty, "
            "and store the column as numbers"
        )
    return f"{start} numbers stored as text in {rows(total, 'cell')}: store the column as numbers"


def _role_problem(column: Column, words: str, role: Role, by: str) -> str:
    if role in ("any", "factor"):
        return ""
    if role in ("eq5d3l", "eq5d5l"):
        return _eq5d_problem(column, words, role, by)
    problem = number_problem(column, words, by)
    if problem or column.numbers is None:
        return problem
    start = f"column `{column.name}` of {words} should"
    if role == "binary":
        bad = int((~np.isin(column.numbers, (0.0, 1.0)) & ~np.isnan(column.numbers)).sum())
        if bad:
            return f"{start} be 0 or 1 ({by}); found something else in {rows(bad)}: recode it, empty where not known"
    if role == "duration":
        bad = int((column.numbers < 0).sum())
        if bad:
            found = f"found negative values in {rows(bad)}"
            return f"{start} hold durations of 0 or more ({by}); {found}: correct the dates behind them"
    return ""


def _eq5d_problem(column: Column, words: str, role: str, by: str) -> str:
    top = EQ5D_LEVELS[role]
    if column.codes is not None and column.levels is not None:
        profile = re.compile(f"[1-{top}]{{5}}|[1-{top}]")
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
        bad = int(counts[[profile.fullmatch(level) is None for level in column.levels]].sum())
    elif column.numbers is not None:
        present = column.numbers[np.isfinite(column.numbers)]
        if present.size and present.max() > 99:  # five-digit profiles such as 11213
            digits = [present // 10**power % 10 for power in range(5)]
            good = (present == np.floor(present)) & (present < 100_000)
            for digit in digits:
                good &= (digit >= 1) & (digit <= top)
        else:
            good = np.isin(present, np.arange(1, top + 1))
        bad = int((~good).sum())
    else:
        return f"column `{column.name}` of {words} should hold EQ-5D levels ({by}); found {column.found}: recode it"
    if not bad:
        return ""
    return (
        f"column `{column.name}` of {words} should hold EQ-5D-{top}L levels 1 to {top} or five-digit profiles ({by}); "
        f"found something else in {rows(bad)}: correct them, leave missing answers empty, and check that the "
        f"questionnaire was the {top}-level one"
    )


def unit_problems(column: Column, clusters: Column | None, words: str, cluster_by: str) -> list[str]:
    """Check that every person has an id, one row, and (if there are clusters) one cluster."""
    problems: list[str] = []
    missing = int(column.missing.sum())
    if missing:
        problems.append(
            f"column `{column.name}` of {words} should identify every person; found {rows(missing)} without an id: "
            "give ids or drop the rows"
        )
    codes, groups = column.groups()
    counts = np.bincount(codes[codes >= 0], minlength=groups)
    repeated = counts > 1
    if repeated.any():
        problems.append(
            f"{words} should have one row per person; found {rows(int(repeated.sum()), 'id')} of `{column.name}` "
            f"repeated over {rows(int(counts[repeated].sum()))}: keep one row each, or give the long table under its "
            "own name with a link"
        )
    if clusters is not None:
        split = _split_units(codes, groups, clusters)
        if split:
            problems.append(_split_sentence(column.name, words, split, cluster_by))
    return problems


def _split_units(codes: NDArray[Any], groups: int, clusters: Column) -> int:
    """Count the units whose rows disagree about their cluster."""
    cluster, _ = clusters.groups()
    known = (codes >= 0) & (cluster >= 0)
    low = np.full(groups, np.iinfo(np.int32).max)
    high = np.full(groups, -1)
    np.minimum.at(low, codes[known], cluster[known])
    np.maximum.at(high, codes[known], cluster[known])
    return int((low < high).sum())


def _split_sentence(unit: str, words: str, count: int, cluster: str) -> str:
    return (
        f"a person should belong to one cluster; found {rows(count, 'id')} of `{unit}` in {words} with several "
        f"values of `{cluster}`: settle the cluster at allocation"
    )


def link_problems(units: Column, table: Columns, unit: str, design: Design) -> list[str]:
    """Check a linked table: ids present, known to the person table, and each in one cluster."""
    column = table.column(unit)
    problems: list[str] = []
    missing = int(column.missing.sum())
    if missing:
        problems.append(
            f"column `{unit}` of {table.words} should say whose row it is; found {rows(missing)} without an id: "
            "give ids or drop the rows"
        )
    if column.kind not in ("mixed", "other") and units.kind not in ("mixed", "other"):
        positions = unit_positions(units, column)
        if positions is None:
            problems.append(
                f"ids should be stored alike; `{units.name}` of the person table holds "
                f"{'numbers' if units.is_number else 'text'} and `{unit}` of {table.words} "
                f"{'numbers' if column.is_number else 'text'}: convert one"
            )
        else:
            strange = (positions < 0) & ~column.missing
            if strange.any():
                codes, _ = column.groups()
                problems.append(
                    f"everybody in {table.words} should be in the person table; "
                    f"found {rows(len(np.unique(codes[strange])), 'id')} in {rows(int(strange.sum()))} that it lacks: "
                    "add the people or drop the rows"
                )
    clusters = design.clusters
    if clusters is not None and clusters in table and clusters not in table.repeated:
        codes, groups = column.groups()
        split = _split_units(codes, groups, table.column(clusters))
        if split:
            problems.append(_split_sentence(unit, table.words, split, clusters))
    return problems


def _is_number_text(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
