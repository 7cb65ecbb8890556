"""One type for money, so that pounds of different years or per different people are never added by accident."""

from __future__ import annotations

import re
from numbers import Real
from typing import Annotated, Any, Final, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from impactkit.errors import SpecError

__all__ = ["AS_PRINTED", "Money"]

AS_PRINTED: Final = "as printed"
"""Price year of an amount whose prices a document does not state: it adds only to itself."""

_FINANCIAL_YEAR = re.compile(r"^(\d{4})-(\d{2})$")
_CALENDAR_YEAR = re.compile(r"^\d{4}$")


class Money(BaseModel):
    """An amount of money with its unit, the year of its prices and where it comes from.

    Parameters
    ----------
    amount : float
        Pounds (or the currency the unit names). Text and truth values are refused, and so are NaN and infinity.
    unit : str
        Currency, and what it is counted for: ``"GBP per client"``, ``"GBP per recruit"``, ``"GBP"``.
    price_year : int or str
        A calendar year (``2019``), a financial year (``"2011-12"``), or ``"as printed"`` when the document does not
        say, which adds only to itself.
    source : str
        Document and table, or how it was worked out.

    Raises
    ------
    SpecError
        If a part is not valid, or amounts of different units or price years are added or compared.

    Notes
    -----
    Amounts of one unit and price year add and subtract; a plain number multiplies or divides; one amount divided by
    another is a plain number. Nothing is converted behind the scenes: `restated` does that with a stated factor.

    Examples
    --------
    >>> cost = Money(584, unit="GBP per client", price_year="as printed", source="Table 4.2")
    >>> print(cost)
    £584 per client (prices as printed)
    >>> print(2 * cost - cost / 2)
    £876 per client (prices as printed)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    unit: Annotated[str, Field(min_length=1)]
    price_year: int | str
    source: Annotated[str, Field(min_length=1)]

    def __init__(self, amount: float, unit: str, price_year: int | str, source: str, **unknown: Any) -> None:
        try:
            super().__init__(amount=amount, unit=unit, price_year=price_year, source=source, **unknown)
        except ValidationError as error:
            raise SpecError(_explain(error)) from None

    # Inside another specification, amounts are validated together with it, so that one error lists every fault.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @field_validator("price_year", mode="before")
    @classmethod
    def _check_price_year(cls, value: object) -> int | str:
        if isinstance(value, int) and not isinstance(value, bool) and 1900 <= value <= 2200:
            return value
        if isinstance(value, str):
            if value == AS_PRINTED:
                return value
            if _CALENDAR_YEAR.match(value):
                return int(value)
            financial = _FINANCIAL_YEAR.match(value)
            if financial and (int(financial[1]) + 1) % 100 == int(financial[2]):
                return value
        raise ValueError('expected a year such as 2019, a financial year such as "2011-12", or "as printed"')

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        self._must_match(other, "add")
        return self._with(self.amount + other.amount, _join(self.source, other.source))

    def __radd__(self, other: object) -> Money:
        if isinstance(other, int) and other == 0:  # what sum() starts from
            return self
        return NotImplemented

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        self._must_match(other, "subtract")
        return self._with(self.amount - other.amount, _join(self.source, other.source))

    def __neg__(self) -> Money:
        return self._with(-self.amount, self.source)

    def __mul__(self, factor: float) -> Money:
        if not _plain(factor):
            return NotImplemented
        return self._with(self.amount * float(factor), self.source)

    __rmul__ = __mul__

    @overload
    def __truediv__(self, other: Money) -> float: ...
    @overload
    def __truediv__(self, other: float) -> Money: ...
    def __truediv__(self, other: Money | float) -> Money | float:
        divisor = other.amount if isinstance(other, Money) else other
        if not _plain(divisor):
            return NotImplemented
        if divisor == 0:
            raise SpecError(f"{self} cannot be divided by zero")
        if isinstance(other, Money):
            self._must_match(other, "divide")
            return self.amount / other.amount
        return self._with(self.amount / float(other), self.source)

    def restated(
        self, *, factor: float, source: str, price_year: int | str | None = None, unit: str | None = None
    ) -> Money:
        """Give the same money in other prices or another unit, by a stated factor.

        Parameters
        ----------
        factor : float
            What to multiply by: the ratio of two years' deflators, or of two counts.
        source : str
            Where the factor comes from; added to the source.
        price_year, unit : optional
            The new price year or unit.

        Returns
        -------
        Money

        Examples
        --------
        >>> cost = Money(100, unit="GBP per client", price_year="2011-12", source="accounts")
        >>> print(cost.restated(factor=1.02, price_year="2012-13", source="a deflator series"))
        £102 per client (2012-13 prices)
        """
        if not _plain(factor):
            raise SpecError(f"`factor` must be a plain number, found {factor!r}")
        return Money(
            self.amount * float(factor),
            unit=self.unit if unit is None else unit,
            price_year=self.price_year if price_year is None else price_year,
            source=_join(self.source, source),
        )

    def __str__(self) -> str:
        prices = "prices as printed" if self.price_year == AS_PRINTED else f"{self.price_year} prices"
        size = abs(self.amount)
        number = f"{size:,.0f}" if size == round(size) else f"{size:,.2f}"
        sign = "-" if self.amount < 0 and float(number.replace(",", "")) != 0 else ""
        currency, _, rest = self.unit.partition(" ")
        shown = f"{sign}£{number} {rest}" if currency == "GBP" else f"{sign}{number} {self.unit}"
        return f"{shown.strip()} ({prices})"

    def _with(self, amount: float, source: str) -> Money:
        return Money(amount, unit=self.unit, price_year=self.price_year, source=source)

    def _must_match(self, other: Money, verb: str) -> None:
        if self.unit != other.unit:
            raise SpecError(
                f"cannot {verb} {self} and {other}: their units are {self.unit!r} and {other.unit!r}. Restate one of "
                "them first with money.restated(unit=..., factor=..., source=...)"
            )
        if self.price_year != other.price_year:
            raise SpecError(
                f"cannot {verb} {self} and {other}: their prices are of different years. Restate one of them first "
                "with money.restated(price_year=..., factor=..., source=...), where factor is the deflator of the new "
                "year divided by the deflator of the old one; prices as printed need a year to be found for them first"
            )


def _plain(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _join(first: str, second: str) -> str:
    """Give both sources, each once, in order of appearance."""
    return "; ".join(dict.fromkeys([*first.split("; "), *second.split("; ")]))


def _explain(error: ValidationError) -> str:
    said = [f"`{problem['loc'][0]}`: {problem['msg']}, found {problem['input']!r}" for problem in error.errors()]
    return "an amount of money needs amount, unit, price_year and source: " + "; ".join(said)
