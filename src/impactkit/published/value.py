"""One printed figure: its number, its text and the interval its rounding leaves open."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from impactkit.errors import SpecError

__all__ = ["Operator", "PublishedValue", "parse_printed"]

Operator = Literal["=", "<", ">"]

_NUMBER = r"-?\d+(?:\.\d+)?"
_SINGLE = re.compile(rf"^([<>]?)({_NUMBER})$")
_RANGE = re.compile(rf"^({_NUMBER}) to ({_NUMBER})$")


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """A figure as a page prints it, with the interval of unrounded figures it may stand for.

    Parameters
    ----------
    value : float
        The printed number; for a range in words ("five to six") its midpoint.
    text : str
        The cell as printed, for example ``"58.0"``, ``"<0.001"`` or ``"5 to 6"``.
    decimals : int
        Decimals of the rounding; 0 for whole numbers and for coarser rounding.
    rounding_unit : float
        One unit of the last printed place: 0.1 for ``"58.0"``, 100 for "around £1,500".
    low, high : float
        The rounding interval, half a unit to each side and both ends included. A range in words is its own
        interval. For ``"<"`` and ``">"`` the open side is infinite.
    operator : {"=", "<", ">"}
        The sign printed before the number.
    unit : str
        What is counted, for example ``"percent"`` or ``"GBP per client"``; ``"p"`` for a p value.
    source : str
        Where it is printed, for example ``"Table C.3, DWP Research Report 896 (2015)"``.

    Notes
    -----
    Both ends are included because the rule for halves differs between programs (half up, half to even).
    """

    value: float
    text: str
    decimals: int
    rounding_unit: float
    low: float
    high: float
    operator: Operator
    unit: str
    source: str

    @property
    def may_mean_at_most(self) -> bool:
        """Whether this is a p value printed as 0.001 without a sign, which may stand for "0.001 or less"."""
        return self.unit == "p" and self.operator == "=" and self.text == "0.001"


def parse_printed(
    text: str, *, unit: str, source: str, decimals: int | None = None, rounding_unit: float | None = None
) -> PublishedValue:
    """Read one printed cell.

    Parameters
    ----------
    text : str
        The cell: a number, ``<`` or ``>`` and a number, or ``"5 to 6"``. No thousands separator, no currency sign.
    unit, source : str
        Passed on to the value.
    decimals : int, optional
        Decimals the column prints. A cell with fewer has lost trailing zeros, one with more keeps its own.
    rounding_unit : float, optional
        A declared unit of rounding, for figures given in words; takes the place of ``decimals``.

    Returns
    -------
    PublishedValue

    Raises
    ------
    SpecError
        If the cell is empty or is not a number.

    Examples
    --------
    >>> value = parse_printed("1500", unit="GBP per client", source="section 4.2", rounding_unit=100)
    >>> value.low, value.high
    (1450.0, 1550.0)
    """
    found = _RANGE.match(text)
    if found:
        low, high = float(found[1]), float(found[2])
        unit_of_rounding = 1.0 if rounding_unit is None else rounding_unit
        return PublishedValue((low + high) / 2, text, 0, unit_of_rounding, low, high, "=", unit, source)
    found = _SINGLE.match(text)
    if not found:
        what = "nothing is printed" if not text else f"{text!r} is printed"
        raise SpecError(
            f"{source}: a number was expected and {what}: choose another cell, or read the row's `note` for the reason"
        )
    operator: Operator = "<" if found[1] == "<" else ">" if found[1] == ">" else "="
    digits = Decimal(found[2])
    own_decimals = len(found[2].partition(".")[2])
    places = max(own_decimals, decimals or 0)
    step = Decimal(1).scaleb(-places) if rounding_unit is None else Decimal(str(rounding_unit))
    low, high = float(digits - step / 2), float(digits + step / 2)
    if operator == "<":
        low, high = -math.inf, float(digits)
    elif operator == ">":
        low, high = float(digits), math.inf
    return PublishedValue(float(digits), text, places, float(step), low, high, operator, unit, source)
