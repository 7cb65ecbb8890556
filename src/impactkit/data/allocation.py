"""Checks of how people were allocated and grouped: arms, probabilities, strata, clusters and filters.

The labels of arms and strata are shown, up to ten of them, unless there are so many that they may be
identifiers; nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.checks import rows
from impactkit.data.coding import UNKNOWN
from impactkit.data.columns import Bools, Column, Factor, label_text
from impactkit.data.frames import Columns
from impactkit.design import ComparisonDesign, TrialDesign
from impactkit.design.base import Where
from impactkit.errors import did_you_mean

__all__ = [
    "allocation_problems",
    "arm_problems",
    "filter_problems",
    "group_problems",
    "one_armed_problems",
    "type_hint",
]

MOST_LABELS = 10
MOST_GROUPS = 50
"""A column with more different labels than this may hold identifiers: its labels are never shown."""


def _may_be_shown(column: Column) -> bool:
    """Whether the labels of a column name groups: few, and each on several rows, so that none is an identifier."""
    _, groups = column.groups()
    return groups <= MOST_GROUPS and 2 * groups <= column.size


def _shown(labels: Sequence[tuple[str, int]], column: Column) -> str:
    """List labels, with counts if there are several, unless they may be identifiers."""
    if not _may_be_shown(column):
        return rows(len(labels), "other label") + ", not shown because they may identify people"
    if len(labels) == 1:
        return f'"{labels[0][0]}"'
    listed = ", ".join(f'"{label}" ({count:,})' for label, count in labels[:MOST_LABELS])
    return listed + (f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else "")


def type_hint(column: Column, labels: Sequence[Any]) -> str:
    """Point out that the design names text where the column holds numbers, or the other way round."""
    texts = [label for label in labels if isinstance(label, str)]
    if column.is_number and texts:
        kind = "truth values" if column.kind == "truth" else "numbers"
        return f' The column holds {kind} and the design names text: "1" is not 1.'
    if not column.is_number and len(texts) < len(labels):
        return ' The column holds text and the design names numbers or truth values: 1 is not "1".'
    return ""


def arm_problems(
    column: Column, arm: NDArray[np.int8], design: TrialDesign | ComparisonDesign, words: str
) -> list[str]:
    """Check the labels of the arm column: none unknown, none missing, every arm with people in it."""
    problems: list[str] = []
    wanted = [*design.treated_labels, design.control]
    names = ", ".join(_written(label) for label in [*wanted, *design.ignore_arms])
    missing = int(column.missing.sum())
    unknown = (arm == UNKNOWN) & ~column.missing
    if unknown.any():
        factor = column.factor()
        counts = np.bincount(factor.codes[unknown], minlength=len(factor.labels))
        strange = [(label, int(times)) for label, times in zip(factor.labels, counts, strict=True) if times]
        count = int(unknown.sum())
        hint = type_hint(column, wanted)
        problems.append(
            f"arm column `{column.name}` of {words} should hold {names}; "
            f"{rows(count)} {'says' if count == 1 else 'say'} {_shown(strange, column)}: "
            f"recode them or list them in `ignore_arms`{f'.{hint}' if hint else ''}"
        )
    if missing:
        problems.append(
            f"arm column `{column.name}` of {words} should say everybody's arm; found it empty in {rows(missing)}: "
            "fill them in or drop people who were never allocated"
        )
    for number, label in enumerate(design.treated_labels, start=1):
        if not (arm == number).any():
            problems.append(_empty_arm(column, label, words))
    if not (arm == 0).any():
        problems.append(_empty_arm(column, design.control, words))
    return problems


def _empty_arm(column: Column, label: Any, words: str) -> str:
    hint = did_you_mean(str(label), column.factor().labels) if _may_be_shown(column) else ""
    return (
        f"the design names the arm {_written(label)}; no row of `{column.name}` in {words} has it.{hint} "
        "Correct the label in the design or in the data"
    )


def _written(label: Any) -> str:
    return f'"{label}"' if isinstance(label, str) else label_text(label, truth=isinstance(label, bool))


def allocation_problems(column: Column, included: Bools, words: str) -> list[str]:
    """Check that the allocation probability is known and strictly between 0 and 1 for everybody included."""
    if column.numbers is None:
        return []
    outside = int((included & ~((column.numbers > 0) & (column.numbers < 1)) & ~column.missing).sum())
    missing = int((included & column.missing).sum())
    problems = []
    if outside:
        problems.append(
            f"allocation column `{column.name}` of {words} should lie between 0 and 1; "
            f"found other values in {rows(outside)}: give the probability of allocation to treatment as a fraction"
        )
    if missing:
        problems.append(
            f"allocation column `{column.name}` of {words} should be known for everybody allocated; "
            f"found it empty in {rows(missing)}: fill them in"
        )
    return problems


def group_problems(column: Column, included: Bools, words: str, what: str) -> list[str]:
    """Check that everybody included has a stratum or a cluster."""
    missing = int((included & column.missing).sum())
    if not missing:
        return []
    return [
        f"{what} column `{column.name}` of {words} should be known for everybody; found it empty in {rows(missing)}: "
        "fill them in from the allocation records"
    ]


def one_armed_problems(strata: Factor, arm: NDArray[np.int8], words: str) -> list[str]:
    """Name the strata that lack either control or treated people, with their number of rows."""
    used = (strata.codes >= 0) & (arm >= 0)
    control = np.bincount(strata.codes[used & (arm == 0)], minlength=len(strata.labels))
    treated = np.bincount(strata.codes[used & (arm > 0)], minlength=len(strata.labels))
    lone = np.flatnonzero((control == 0) | (treated == 0))
    if not lone.size:
        return []
    if 2 * len(strata.labels) > int(used.sum()):
        named = f"{rows(int((control + treated)[lone].sum()))} in all (not named: there are too many strata)"
    else:
        listed = [
            f"{strata.labels[code]} ({rows(int(control[code] + treated[code]))}, "
            f"{'no treated' if not treated[code] else 'no control'})"
            for code in lone[:MOST_LABELS]
        ]
        more = f" and {lone.size - MOST_LABELS} more" if lone.size > MOST_LABELS else ""
        named = "; ".join(listed) + more
    return [
        f"every stratum of {words} should have control and treated people; found {lone.size} of {len(strata.labels)} "
        f"without one of the two: {named}. Merge strata as the allocation allows, or correct the arm or the strata"
    ]


def filter_problems(where: Where, table: Columns, included: Bools, who: str) -> list[str]:
    """Check that every value a filter names occurs, and that somebody is left."""
    problems: list[str] = []
    chosen = included.copy()
    for name, labels in where:
        if name not in table or name in table.repeated:
            return problems  # said when the columns were looked for
        column = table.column(name)
        if column.kind in ("mixed", "other"):
            return problems
        for label in labels if isinstance(labels, tuple) else (labels,):
            if not column.is_in(label).any():
                hint = type_hint(column, [label])
                if not hint and _may_be_shown(column):
                    hint = did_you_mean(str(label), column.factor().labels)
                problems.append(
                    f"{who} asks for {name} = {_written(label)}; no row of {table.words} has it.{hint} "
                    "Correct the value in the design or in the data"
                )
        chosen &= column.is_in(labels)
    if not problems and not chosen.any():
        said = " and ".join(f"`{name}`" for name, _ in where)
        problems.append(
            f"{who} should have people in it; no row of {table.words} meets all its conditions on {said}: "
            "change or remove it"
        )
    return problems
