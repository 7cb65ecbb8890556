"""Does our figure agree with the printed one? Four answers, and none of them is tuned.

*agrees*
    Our unrounded figure lies in the printed figure's rounding interval, ends included. Behind a printed ``<`` our
    figure must be smaller than the number, behind ``>`` larger.
*rounding*
    It does not, but the inputs within their own rounding reach that interval, or our figure is within one unit of
    the last printed place.
*differs*
    Neither.
*given*
    The figure is an input of the calculation. It is shown and never counted as reproduced.

A p value printed as 0.001 without a sign may mean "0.001 or less", since some programs print the smallest p value they
show that way. Such a cell agrees when ours is at most 0.0015, and its note says which reading was used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from impactkit.errors import SpecError
from impactkit.published.value import PublishedValue

__all__ = ["ComparedCell", "Mark", "Tally", "compare", "compare_cell", "given_cell"]

BINARY_SLACK = 1e-9
"""Relative slack at the ends of an interval: 62.25 and 0.1 + 0.2 have no exact binary form."""


class Mark(StrEnum):
    """What a comparison found; see the module's text for the four rules."""

    AGREES = "agrees"
    ROUNDING = "rounding"
    DIFFERS = "differs"
    GIVEN = "given"


def compare(ours: float, printed: PublishedValue, reachable: tuple[float, float] | None = None) -> Mark:
    r"""Mark our figure against a printed one: *agrees*, *rounding* or *differs*.

    Parameters
    ----------
    ours : float
        Our figure, unrounded, in the printed unit.
    printed : PublishedValue
        The printed figure with its rounding interval.
    reachable : (float, float), optional
        Lowest and highest figure that the inputs can give within their own rounding.

    Returns
    -------
    Mark

    Notes
    -----
    With printed value :math:`v`, unit of the last place :math:`u` and reachable interval :math:`[a, b]`:
    *agrees* if :math:`v - u/2 \le x \le v + u/2`; else *rounding* if :math:`[a, b]` meets
    :math:`[v - u/2, v + u/2]` or :math:`|x - v| \le u`; else *differs*.

    Examples
    --------
    North Staffordshire's cost per client for 2011-13 is the mean of two rounded costs weighted by clients:

    >>> from impactkit.published import load
    >>> printed = load("ffws.4.2").cell({"pilot": "North Staffordshire", "period": "2011-13"}, "cost_per_client")
    >>> ours = (244 * 2638 + 187 * 2897) / 431
    >>> compare(ours, printed).value, compare(ours, printed, reachable=(ours - 0.5, ours + 0.5)).value
    ('rounding', 'rounding')
    """
    if not math.isfinite(ours):
        raise SpecError(f"{printed.source}: a finite figure was expected beside {printed.text!r}, found {ours}")
    if _inside(ours, ours, printed):
        return Mark.AGREES
    if reachable is not None:
        low, high = reachable
        if not low <= high:
            raise SpecError(f"{printed.source}: reachable must run from low to high, found {reachable}")
        if _inside(low, high, printed):
            return Mark.ROUNDING
    within_one_unit = abs(ours - printed.value) <= printed.rounding_unit + BINARY_SLACK * max(1.0, abs(printed.value))
    return Mark.ROUNDING if within_one_unit else Mark.DIFFERS


def _inside(low: float, high: float, printed: PublishedValue) -> bool:
    """Whether the interval from low to high meets the printed figure's."""
    if printed.operator == "<":
        return low < printed.value
    if printed.operator == ">":
        return high > printed.value
    slack = BINARY_SLACK * max(1.0, abs(printed.value))
    floor = 0.0 if printed.may_mean_at_most else printed.low
    return high >= floor - slack and low <= printed.high + slack


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One cell of a published table beside our figure.

    Parameters
    ----------
    table : str
        Id of the published table.
    row : tuple of str
        The row's labels, and the rule used where a cell is shown under two rules.
    column : str
        Column name.
    ours : float
        Our figure, unrounded; for a given cell the printed number.
    printed : str
        The cell as printed.
    mark : Mark
        What the comparison found.
    unit : str
        Unit of both figures.
    source : str
        Where it is printed.
    note : str
        Why it differs, or which reading was used; empty when there is nothing to say.
    """

    table: str
    row: tuple[str, ...]
    column: str
    ours: float
    printed: str
    mark: Mark
    unit: str
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cells have each mark. Given cells are inputs and are no part of ``compared``."""

    agrees: int = 0
    rounding: int = 0
    differs: int = 0
    given: int = 0

    @classmethod
    def of(cls, cells: Iterable[ComparedCell]) -> Tally:
        """Count the marks of some cells."""
        marks = [cell.mark for cell in cells]
        return cls(*(marks.count(mark) for mark in Mark))

    @property
    def compared(self) -> int:
        """Cells that were recomputed: agrees, rounding and differs."""
        return self.agrees + self.rounding + self.differs

    def __str__(self) -> str:
        return (
            f"{self.compared} cells compared: {self.agrees} agree, {self.rounding} within rounding, "
            f"{self.differs} differ; {self.given} given"
        )


def compare_cell(
    ours: float,
    printed: PublishedValue,
    *,
    table: str,
    row: tuple[str, ...],
    column: str,
    reachable: tuple[float, float] | None = None,
    note: str = "",
) -> ComparedCell:
    """Compare and keep the result as a cell; flags a printed 0.001 that may mean "at most".

    Parameters
    ----------
    ours, printed, reachable
        As in `compare`.
    table, column : str
        The published table's id and column.
    row : tuple of str
        Labels of the row.
    note : str
        What a reader should know.

    Returns
    -------
    ComparedCell
    """
    if printed.may_mean_at_most:
        note = " ".join(filter(None, [note, "A printed 0.001 is read as 0.001 or less."]))
    mark = compare(ours, printed, reachable)
    return ComparedCell(table, row, column, float(ours), printed.text, mark, printed.unit, printed.source, note)


def given_cell(
    printed: PublishedValue, *, table: str, row: tuple[str, ...], column: str, note: str = ""
) -> ComparedCell:
    """Keep an input as a cell marked *given*."""
    return ComparedCell(table, row, column, printed.value, printed.text, Mark.GIVEN, printed.unit, printed.source, note)
