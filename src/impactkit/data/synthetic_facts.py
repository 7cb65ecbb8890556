"""What the synthetic trials are made from: each constant is a fact with its source, or is called an assumption.

Published figures are read from the published tables that come with the package; none is typed in here. What the
published summary does not give is an assumption, with the reason for its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from impactkit.errors import SpecError
from impactkit.published import load

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GROUPS", "Fact", "fact", "health_led_facts", "health_led_facts_frame"]

GROUPS = ("WMCA", "SCR IW", "SCR OOW")
"""The three groups that recruited; All SCR and All OOW are made of them."""

EVERY = "every group"


@dataclass(frozen=True, slots=True)
class Fact:
    """One constant of the synthetic trials.

    Parameters
    ----------
    name : str
    group : str
        One of the three groups, or "every group".
    value : float
        Fractions are 0 to 1.
    unit : str
    status : {"published", "derived", "assumption"}
        Printed; follows from what is printed; or ours, because nothing is printed.
    source : str
        Where it is printed, how it follows, or why this value.
    """

    name: str
    group: str
    value: float
    unit: str
    status: Literal["published", "derived", "assumption"]
    source: str


def fact(name: str, group: str = EVERY) -> float:
    """Give the value of one fact.

    Examples
    --------
    >>> fact("recruits", "WMCA"), round(fact("control employment", "WMCA"), 10)
    (3675.0, 0.2)
    """
    for entry in health_led_facts():
        if entry.name == name and entry.group in (group, EVERY):
            return entry.value
    raise SpecError(f'the synthetic trials have no constant "{name}" for "{group}": health_led_facts() lists them')


def health_led_facts_frame() -> pd.DataFrame:
    """Give :func:`health_led_facts` as a frame, one row per constant."""
    import pandas as pd

    rows = [(one.name, one.group, one.value, one.unit, one.status, one.source) for one in health_led_facts()]
    return pd.DataFrame(rows, columns=["name", "group", "value", "unit", "status", "source"])


@cache
def health_led_facts() -> tuple[Fact, ...]:
    """Give every constant of :func:`~impactkit.data.synthetic_health_led_trials`, with its source.

    Notes
    -----
    *Control employment in WMCA.* The summary prints an impact of 4 percentage points and says that the treatment
    group was "20% more likely to have worked for 13+ weeks" than the control group. So 0.04 = 0.20 × control,
    which gives a control share of 0.20 and a treatment share of 0.24. Within the rounding of both printed figures
    (3.5 to 4.5 points, 19.5% to 20.5%) the control share is 17.1% to 23.1%.

    *Wellbeing in WMCA.* Table 1 prints 0.9 sd without a star. An effect of 0.9 sd would carry three stars, and All
    OOW, which holds WMCA, prints 0.10. The figure is kept as printed and the generator uses 0.09.
    """
    return (*_published(), *_derived(), *_assumed())


def _published() -> tuple[Fact, ...]:
    text, impacts = load("hlet.text"), load("hlet.1")
    found = []
    for group in GROUPS:
        cell = text.cell({"item": "Individuals recruited", "group": group}, "value")
        found.append(Fact("recruits", group, cell.value, "people", "published", cell.source))
    share = text.cell({"item": "Share of recruits allocated to control", "group": "All"}, "value")
    found.append(Fact("share allocated to control", EVERY, share.value / 100, "proportion", "published", share.source))
    for months in (4, 12):
        cell = text.cell({"item": f"Survey response rate, {months} months", "group": "All"}, "value")
        found.append(
            Fact(f"response at {months} months", EVERY, cell.value / 100, "proportion", "published", cell.source)
        )
    names = {
        "Employment": ("proportion", 0.01),
        "Earnings": ("GBP", 1.0),
        "Health": ("sd", 1.0),
        "Wellbeing": ("sd", 1.0),
    }
    for group in GROUPS:
        for outcome, (unit, factor) in names.items():
            cell = impacts.cell({"group": group, "outcome": outcome}, "impact")
            name = f"impact on {outcome.lower()}"
            if (group, outcome) == ("WMCA", "Wellbeing"):
                found.append(Fact(f"{name}, as printed", group, cell.value, unit, "published", cell.source))
                reason = (
                    f"{cell.source}, prints 0.9 without a star; 0.9 would carry three stars and All OOW, which holds "
                    "WMCA, prints 0.10, so the misprint is taken to be of 0.09"
                )
                found.append(Fact(name, group, cell.value / 10, unit, "assumption", reason))
            else:
                found.append(Fact(name, group, cell.value * factor, unit, "published", cell.source))
    return tuple(found)


def _derived() -> tuple[Fact, ...]:
    text, impacts = load("hlet.text"), load("hlet.1")
    likelier = text.cell({"item": "Relative effect on working 13 or more weeks", "group": "WMCA"}, "value")
    points = impacts.cell({"group": "WMCA", "outcome": "Employment"}, "impact")
    control = (points.value / 100) / (likelier.value / 100)
    how = f"{points.text} percentage points ({points.source}) are {likelier.text}% of it ({likelier.source})"
    return (Fact("control employment", "WMCA", control, "proportion", "derived", how),)


def _assumed() -> tuple[Fact, ...]:
    def each(name: str, values: tuple[float, float, float], unit: str, why: str) -> tuple[Fact, ...]:
        return tuple(
            Fact(name, group, value, unit, "assumption", why) for group, value in zip(GROUPS, values, strict=True)
        )

    def every(name: str, value: float, unit: str, why: str) -> Fact:
        return Fact(name, EVERY, value, unit, "assumption", why)

    oow = Fact(
        "control employment",
        "SCR OOW",
        0.20,
        "proportion",
        "assumption",
        "not printed; taken as in WMCA, also out of work",
    )
    sick = Fact(
        "control employment", "SCR IW", 0.72, "proportion", "assumption",
        "not printed; people in work but off sick, so well above those out of work",
    )  # fmt: skip
    return (
        sick,
        oow,
        *each("take-up", (0.80, 0.70, 0.70), "proportion", "not printed; WMCA enrolled more rapidly than SCR"),
        *each("mean earnings if employed", (11_000.0, 14_000.0, 11_000.0), "GBP", "not printed; part of a year"),
        every("mean earnings of a shorter job", 1_500.0, "GBP", "not printed; less than 13 weeks of work"),
        every("share with a shorter job", 0.15, "proportion", "not printed; of those not employed for 13 weeks"),
        every("spread of log earnings", 0.60, "log GBP", "not printed; right skew as in earnings surveys"),
        every("response gap", 0.06, "proportion", "lower among controls (printed); its size is not printed"),
        every("slope of response", 0.45, "probit", "not printed; older and healthier people answer more often"),
        every("linked to administrative data", 0.95, "proportion", 'printed as "a large majority"; unrelated to arm'),
        every("health explained at baseline", 0.45, "correlation", "not printed"),
        every("wellbeing explained at baseline", 0.40, "correlation", "not printed"),
        every(
            "impact on job-search confidence at 4 months", 0.12, "sd",
            "printed as significant for SCR IW and All OOW, without a size",
        ),
        every("median health conditions", 6.0, "conditions", "half had 6 or more (printed); the spread is ours"),
    )  # fmt: skip
