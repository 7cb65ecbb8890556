"""Printing numbers: half away from zero, a true minus sign, no "-0.0".

Python's own formatting rounds halves to even and sees the binary number (``f"{2.675:.2f}"`` is 2.67), so a
table made with it can differ in the last place from the same table made by hand. Here a float is first read
as the decimal number a person would write (12 significant digits), scaled exactly, then rounded half away
from zero.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

__all__ = ["MINUS", "as_decimal", "decimal_text", "is_missing"]

MINUS = "\N{MINUS SIGN}"

#: Digits kept before rounding: takes 0.15000000000000002 for 0.15, and platforms agree on them.
SIGNIFICANT = 12


def is_missing(value: object) -> bool:
    """Say whether a value is None, NaN or pandas' NA (without importing pandas).

    Examples
    --------
    >>> is_missing(float("nan")), is_missing(None), is_missing(0.0), is_missing("c")
    (True, True, False, False)
    """
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def as_decimal(value: float) -> Decimal:
    """Read a finite float as the decimal number a person would write down.

    Examples
    --------
    >>> as_decimal(0.1 + 0.2)
    Decimal('0.3')
    """
    return Decimal(f"{float(value):.{SIGNIFICANT}g}")


def decimal_text(
    value: float, decimals: int, *, scale: int = 1, prefix: str = "", thousands: str = ",", minus: str = MINUS
) -> str:
    """Print a number to a fixed number of places, half away from zero.

    Parameters
    ----------
    value : float
        The number; infinities print as the sign ∞.
    decimals : int
        Places after the point; zero or more.
    scale : int
        Exact multiplier applied first, 100 to show a fraction as a percentage.
    prefix : str
        Currency sign, placed between the minus sign and the digits.
    thousands : str
        Separator of thousands; ``""`` for none.
    minus : str
        The minus sign to print.

    Returns
    -------
    str

    Examples
    --------
    >>> decimal_text(-1580.5, 0, prefix="£")
    '−£1,581'
    >>> decimal_text(0.285, 0, scale=100), decimal_text(2.675, 2), decimal_text(-0.04, 1)
    ('29', '2.68', '0.0')
    """
    if math.isinf(value):
        return f"{minus if value < 0 else ''}{prefix}∞"
    exact = as_decimal(value) * scale
    rounded = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    digits = f"{abs(rounded):,f}".replace(",", thousands)
    return f"{minus if rounded < 0 else ''}{prefix}{digits}"
