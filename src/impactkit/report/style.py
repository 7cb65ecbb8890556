"""How numbers are dressed for print: decimals, percentage points, money, stars, and what a blank means.

Frames hold fractions, unrounded floats and NaN; none of that is changed here. A `Style` is a value: the
employment trials' house style and the pilots' are two of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from impactkit.errors import SpecError, did_you_mean
from impactkit.report.rounding import MINUS, decimal_text, is_missing
from impactkit.results.measures import MEASURES

__all__ = ["DWP_TRIALS", "PILOTS", "PLAIN", "RATIO_MEASURES", "STYLES", "Scale", "Statistic", "Style", "get_style"]

Statistic = Literal["effect", "std_error", "interval", "p_value", "p_adjusted", "control_mean", "n"]

#: Measures without a unit, whose value of "no difference" is 1 and not 0.
RATIO_MEASURES = frozenset({"ratio", *(name for name, entry in MEASURES.items() if entry.scale == "log")})

_LEVELS = frozenset(name for name, entry in MEASURES.items() if not (entry.is_effect or entry.is_contrast))
_LONG_UNITS = {
    "points": "points",
    "sd": "standard deviations",
    "weeks": "weeks",
    "days": "days",
    "qaly": "QALYs",
    "index": "index points",
}
_SHORT_UNITS = {"sd": "SD", "qaly": "QALY", "index": ""}


class Scale(NamedTuple):
    """How one unit is shown: multiplier, places, sign before and after, and its name in words."""

    factor: int
    decimals: int
    prefix: str
    suffix: str
    words: str


class Style(BaseModel):
    """A house style: everything about print that is not in the data.

    Parameters
    ----------
    name : str
        Name of the style.
    decimals : tuple of (unit, places)
        Places after the point by unit; percentages count as "proportion".
    default_decimals, ratio_decimals, p_decimals : int
        Places for other units, for ratios, and for p values.
    stars : tuple of (threshold, mark)
        From the smallest p value up; the first threshold *above* the unrounded p value gives the mark.
    stars_legend : str
        Sentence that explains the marks, printed under the table.
    statistics : tuple of str
        What is shown of each effect, in this order.
    currencies : tuple of (code, sign)
        Currency signs by the first word of a unit.
    minus, thousands, between : str
        Minus sign, separator of thousands, and the word between the two limits of an interval.
    blank, blank_meaning : str
        What prints where an analysis gives no such row, and the sentence that says so.
    not_given : str
        What prints for NaN; its reason is a footnote.
    suppressed, suppressed_meaning : str
        What prints for a number withheld to protect people, and the sentence that says so.

    Examples
    --------
    >>> style = get_style("dwp_trials")
    >>> style.number(0.0623, "proportion"), style.number(-1580.5, "GBP"), style.p_value(0.0004)
    ('6.2', '−£1,581', '<0.001')
    >>> style.stars_for(0.04), style.stars_for(0.1), get_style("pilots").stars_for(0.04)
    ('**', '', '*')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    decimals: tuple[tuple[str, int], ...] = (
        ("proportion", 1),
        ("GBP", 0),
        ("points", 2),
        ("sd", 2),
        ("weeks", 1),
        ("days", 1),
        ("qaly", 3),
        ("index", 3),
    )
    default_decimals: int = Field(default=2, ge=0)
    ratio_decimals: int = Field(default=2, ge=0)
    p_decimals: int = Field(default=3, ge=1)
    stars: tuple[tuple[float, str], ...] = ()
    stars_legend: str = ""
    statistics: tuple[Statistic, ...] = ("effect", "std_error", "interval", "p_value", "control_mean", "n")
    currencies: tuple[tuple[str, str], ...] = (("GBP", "£"), ("EUR", "€"), ("USD", "$"))
    minus: str = MINUS
    thousands: str = ","
    between: str = " to "
    blank: str = "–"
    blank_meaning: str = "– : not part of this analysis."
    not_given: str = "n/c"
    suppressed: str = "c"
    suppressed_meaning: str = (
        "c : withheld, because it rests on fewer than 10 people or would let a reader work out a count that does."
    )

    @field_validator("stars")
    @classmethod
    def _rising(cls, stars: tuple[tuple[float, str], ...]) -> tuple[tuple[float, str], ...]:
        if [threshold for threshold, _ in stars] != sorted({threshold for threshold, _ in stars}):
            raise ValueError("star thresholds must rise, the smallest p value first, each one once")
        return stars

    def scale(self, unit: object, measure: str = "difference") -> Scale:
        """Say how a unit is shown for a measure: a fraction is "%" as a level and "ppt" as a difference."""
        known = dict(self.decimals)
        if measure in RATIO_MEASURES:
            return Scale(1, self.ratio_decimals, "", "", measure.replace("_", " "))
        text = "" if is_missing(unit) else str(unit).strip()
        if text == "proportion":
            places = known.get("proportion", 1)
            if measure in _LEVELS:
                return Scale(100, places, "", "%", "%")
            return Scale(100, places, "", " ppt", "percentage points")
        code, _, rest = text.partition(" ")
        if sign := dict(self.currencies).get(code, ""):
            return Scale(1, known.get(code, 0), sign, "", f"{sign} {rest}".strip())
        places = known.get(text.lower(), self.default_decimals)
        short = _SHORT_UNITS.get(text.lower(), text)
        return Scale(1, places, "", f" {short}".rstrip(), _LONG_UNITS.get(text.lower(), text))

    def number(self, value: object, unit: object, measure: str = "difference", *, with_unit: bool = False) -> str:
        """Print one number of a unit; NaN prints as ``not_given``, a withheld value as ``suppressed``."""
        if value == "c":
            return self.suppressed
        if is_missing(value):
            return self.not_given
        shown = self.scale(unit, measure)
        text = decimal_text(
            float(value),  # type: ignore[arg-type]
            shown.decimals,
            scale=shown.factor,
            prefix=shown.prefix,
            thousands=self.thousands,
            minus=self.minus,
        )
        return text + shown.suffix if with_unit else text

    def interval(self, low: object, high: object, unit: object, measure: str = "difference") -> str:
        """Print the two limits of an interval.

        Examples
        --------
        >>> get_style("plain").interval(-0.003, 0.127, "proportion")
        '−0.3 to 12.7'
        """
        if low == "c" or high == "c":
            return self.suppressed
        if is_missing(low) and is_missing(high):
            return self.not_given
        return f"{self.number(low, unit, measure)}{self.between}{self.number(high, unit, measure)}"

    def p_value(self, value: object) -> str:
        """Print a p value; never as zero."""
        if value == "c":
            return self.suppressed
        if is_missing(value):
            return self.not_given
        number = float(value)  # type: ignore[arg-type]
        if number < 10.0**-self.p_decimals:
            return f"<{decimal_text(10.0**-self.p_decimals, self.p_decimals)}"
        return decimal_text(number, self.p_decimals)

    def count(self, value: object) -> str:
        """Print a count of people."""
        if value == "c":
            return self.suppressed
        if is_missing(value):
            return self.not_given
        number = float(value)  # type: ignore[arg-type]
        return decimal_text(number, 0 if number.is_integer() else 1, thousands=self.thousands, minus=self.minus)

    def stars_for(self, p: object) -> str:
        """Give the mark of an unrounded p value; nothing for NaN or a withheld value."""
        if p == "c" or is_missing(p):
            return ""
        return next((mark for threshold, mark in self.stars if float(p) < threshold), "")  # type: ignore[arg-type]


DWP_TRIALS = Style(
    name="dwp_trials",
    stars=((0.01, "***"), (0.05, "**"), (0.10, "*")),
    stars_legend="Statistically significant at the * 90%, ** 95%, *** 99% level.",
)
PILOTS = Style(name="pilots", stars=((0.05, "*"),), stars_legend="* P < 0.05.")
PLAIN = Style(name="plain")

STYLES: tuple[Style, ...] = (DWP_TRIALS, PILOTS, PLAIN)


def get_style(style: str | Style) -> Style:
    """Give a style by name, or the style itself.

    Raises
    ------
    SpecError
        If no style has that name.

    Examples
    --------
    >>> get_style("plain").stars
    ()
    """
    if isinstance(style, Style):
        return style
    names = [known.name for known in STYLES]
    if style not in names:
        raise SpecError(f'no style is named "{style}"; the styles are {", ".join(names)}.{did_you_mean(style, names)}')
    return STYLES[names.index(style)]
