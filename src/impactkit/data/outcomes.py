"""One outcome of a study as arrays: who can have it, their values and their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impactkit.data.allocation import type_hint
from impactkit.data.checks import number_problem, rows
from impactkit.data.coding import matching_rows
from impactkit.data.columns import Bools, Column, Floats, frozen
from impactkit.data.frames import Columns
from impactkit.design import Design, Outcome
from impactkit.errors import did_you_mean

__all__ = ["OutcomeColumn", "read_outcome", "resolve_outcome"]


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeColumn:
    """The values of one outcome, one per person.

    Parameters
    ----------
    spec : Outcome
        As declared, or inferred from the column.
    values : ndarray of float64, shape (n,)
        In the outcome's unit; a binary outcome is 0 or 1. NaN where missing, and for people who are
        not eligible.
    weights : ndarray of float64, shape (n,), or None
        The weights that apply to this outcome; checked only where the outcome is observed, and NaN
        where the cell is empty.
    eligible : ndarray of bool, shape (n,)
        Who can have the outcome at all.
    """

    spec: Outcome
    values: Floats
    weights: Floats | None
    eligible: Bools


def resolve_outcome(name: str, design: Design, people: Columns) -> Outcome | str:
    """Give the declared outcome, or one inferred from the column of that name, or a problem sentence."""
    declared = design.outcome(name)
    if declared is not None:
        return declared
    if name not in people or name in people.repeated:
        hint = did_you_mean(name, [*(outcome.name for outcome in design.outcomes), *people.names])
        return (
            f'outcome "{name}" should be declared in the design or be a column of {people.words}; it is neither.{hint} '
            "Declare it or correct the name"
        )
    column = people.column(name)
    if column.numbers is None:
        if column.kind == "text":
            return (
                f'outcome "{name}" is not declared and its column in {people.words} holds text: '
                f'declare it, for example Outcome(name="{name}", kind="binary", event=...) with the value that '
                "counts as 1, or store it as numbers"
            )
        return number_problem(column, people.words, f'outcome "{name}"')
    seen = column.numbers[~np.isnan(column.numbers)]
    binary = column.kind == "truth" or (seen.size > 0 and bool(((seen == 0) | (seen == 1)).all()))
    return Outcome(name=name, kind="binary" if binary else "continuous")


def read_outcome(
    spec: Outcome, weights: str | None, people: Columns, included: Bools
) -> tuple[OutcomeColumn | None, list[str]]:
    """Read one outcome whose columns are known to exist; rows that cannot count are not judged.

    Returns
    -------
    outcome : OutcomeColumn or None
        ``None`` if there are problems.
    problems : list of str
    """
    by = f'outcome "{spec.name}"'
    column = people.column(spec.column)
    eligible = matching_rows(spec.eligible, people)
    counted = eligible & included
    values, problems = _values(spec, column, people.words, counted)
    weight_values: Floats | None = None
    if weights is not None:
        weight_column = people.column(weights)
        weight_values = weight_column.numbers
        unreadable = number_problem(weight_column, people.words, f"{by} for its weights")
        if unreadable:
            problems.append(unreadable)
        elif weight_values is not None and values is not None:
            observed = counted & ~np.isnan(values)
            problems += _weight_problems(weight_values, weights, observed, by, people.words)
    if problems or values is None:
        return None, problems
    if spec.eligible:
        values = np.where(eligible, values, np.nan)
    heavy = None if weight_values is None else frozen(weight_values)
    return OutcomeColumn(spec, frozen(values), heavy, frozen(eligible)), []


def _values(spec: Outcome, column: Column, words: str, counted: Bools) -> tuple[Floats | None, list[str]]:
    by = f'outcome "{spec.name}"'
    if spec.event is not None:
        happened = column.is_in(spec.event)
        if not happened.any():
            hint = type_hint(column, [spec.event])
            return None, [
                f"{by} counts its `event` as 1; no cell of column `{column.name}` in {words} holds it.{hint} "
                "Correct `event`"
            ]
        return np.where(column.missing, np.nan, happened.astype(np.float64)), []
    if spec.kind == "binary" and column.kind == "text":
        return None, [
            f"column `{column.name}` of {words} should be 0 or 1 ({by}); found text: "
            "say which value counts as 1 with the outcome's `event`"
        ]
    problem = number_problem(column, words, by)
    if problem or column.numbers is None:
        return None, [problem]
    values = column.numbers
    present = counted & ~np.isnan(values)
    if spec.kind == "binary":
        bad = int((present & (values != 0) & (values != 1)).sum())
        if bad:
            return values, [
                f"column `{column.name}` of {words} should be 0 or 1 ({by}); found something else in {rows(bad)}: "
                "recode it (empty where not known), or say which value counts as 1 with the outcome's `event`"
            ]
    if spec.kind == "duration":
        bad = int((present & (values < 0)).sum())
        if bad:
            return values, [
                f"column `{column.name}` of {words} should hold durations of 0 or more ({by}); "
                f"found negative values in {rows(bad)}: correct the dates behind them"
            ]
    return values, []


def _weight_problems(weights: Floats, name: str, observed: Bools, by: str, words: str) -> list[str]:
    problems: list[str] = []
    missing = int((observed & np.isnan(weights)).sum())
    negative = int((observed & (weights < 0)).sum())
    start = f"weight column `{name}` of {words} should be"
    if missing:
        problems.append(
            f"{start} known wherever {by} is observed; found the outcome without a weight in {rows(missing)}: "
            "give weights, or empty the outcome of people who are not in the survey"
        )
    if negative:
        problems.append(
            f"{start} 0 or more wherever {by} is observed; found negative weights in {rows(negative)}: correct them"
        )
    if not missing and not negative and observed.any() and not weights[observed].any():
        problems.append(
            f"{start} above 0 for somebody with {by} observed; all {rows(int(observed.sum()))} have weight 0: "
            "correct the weights or set the outcome's `weights=None`"
        )
    return problems
