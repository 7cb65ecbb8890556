"""What the synthetic fit notes and pilot clients are made from: each constant is printed, derived, fitted or assumed.

Published figures are read from the published tables that come with the package; none is typed in here. The fitted
constants stand in ``fit_note_calibration.csv``, written by ``python docs/fit_note_calibration.py fit``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from impactkit.data.synthetic_facts import EVERY, Fact
from impactkit.errors import SpecError, did_you_mean
from impactkit.published import PublishedTable, load

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AREAS",
    "CLIENT_GROUPS",
    "Cell",
    "Pilot",
    "cells",
    "client_group",
    "fit_note_fact",
    "fit_note_facts",
    "fit_note_facts_frame",
    "pilot",
]

AREAS = ("Greater Manchester", "North Staffordshire", "Leicester")
"""The three areas with control practices and pilot clients (Appendix C of the report)."""

CLIENT_GROUPS = ("Anxiety", "Depression", "Stress", "Back problem", "Other musculoskeletal", "Other health problem")
"""The six groups of health problem that clients are reported by (Tables C.4, C.11, C.18)."""

CONTROLS = {"Greater Manchester": "ffws.c1", "North Staffordshire": "ffws.c8", "Leicester": "ffws.c15"}
PROBLEMS = {"Greater Manchester": "ffws.c4", "North Staffordshire": "ffws.c11", "Leicester": "ffws.c18"}
CHARACTERISTICS = {"Greater Manchester": "ffws.c3", "North Staffordshire": "ffws.c10", "Leicester": "ffws.c17"}
TOTALS = {"Greater Manchester": "ffws.c5", "North Staffordshire": "ffws.c12", "Leicester": "ffws.c19"}
PARTIALS = {"Greater Manchester": "ffws.c6", "North Staffordshire": "ffws.c13", "Leicester": "ffws.c20"}
REPORT = "Fit for Work Service pilots, second and third years, final evaluation report, Appendix C"


@dataclass(frozen=True, slots=True)
class Cell:
    """One diagnostic category of one area.

    Parameters
    ----------
    area, diagnosis : str
    episodes : int
        Episodes with a note issued in the window.
    observed_median : float
        Median weeks of those episodes, from their notes issued in the window: the target.
    status : {"published", "derived"}
    median : float
        Median weeks of a new absence (fitted): larger or smaller than the observed one, because the window cuts.
    exposure : float
        Days of the calendar in which a new absence must start to have a note issued in the window (fitted): an
        absence rate times this gives the episodes seen.
    """

    area: str
    diagnosis: str
    episodes: int
    observed_median: float
    status: str
    median: float
    exposure: float


@dataclass(frozen=True, slots=True)
class Pilot:
    """One pilot: its clients by characteristic, and the two constants fitted to its outcomes.

    Parameters
    ----------
    area : str
    clients : int
        Clients whose outcome is known.
    returned : int
        Of them, back at work after the pilot.
    margins : dict of str to dict of str to int
        Clients by characteristic and category; what is missing to ``clients`` was not recorded.
    groups : dict of str to int
        Clients by group of health problem.
    total_median, partial_median : float
        Median weeks of absence, in total and after assessment, of clients back at work, all diagnoses.
    follow_up_weeks : float
        Mean weeks of follow-up after assessment (fitted).
    other_exits_per_week : float
        Rate of leaving absence other than by a return to work (fitted).
    """

    area: str
    clients: int
    returned: int
    margins: dict[str, dict[str, int]]
    groups: dict[str, int]
    total_median: float
    partial_median: float
    follow_up_weeks: float
    other_exits_per_week: float


def client_group(diagnosis: str) -> str:
    """Give the client group of a diagnostic category.

    Examples
    --------
    >>> client_group("Back problem"), client_group("Bone fracture")
    ('Back problem', 'Other health problem')
    """
    return diagnosis if diagnosis in CLIENT_GROUPS else "Other health problem"


def check_area(area: str) -> tuple[str, ...]:
    """Give the areas meant by a name or by "all"."""
    if area == "all":
        return AREAS
    if area not in AREAS:
        raise SpecError(f'no area "{area}".{did_you_mean(area, AREAS)} Areas: {", ".join(AREAS)}, or "all"')
    return (area,)


@cache
def cells(area: str) -> tuple[Cell, ...]:
    """Give the 26 categories of one area, in the order of the tables.

    Notes
    -----
    Eight rows of Table C.8 (North Staffordshire) are lost in the source text. Their episodes, the printed total less
    the printed rows, are shared out as the same categories are shared in the other two areas together (largest
    remainders); their medians are the mean of the other two areas' medians, weighted by episodes.
    """
    check_area(area)
    fitted = {
        (row["area"], row["name"]): (float(row["value"]), float(row["second"]))
        for row in _calibration()
        if row["what"] == "absence"
    }
    found = []
    for name, episodes, median, status in control_targets(area):
        true, exposure = fitted.get((area, name), (median, 364.0))
        found.append(Cell(area, name, episodes, median, status, true, exposure))
    return tuple(found)


@cache
def control_targets(area: str) -> tuple[tuple[str, int, float, str], ...]:
    """Give (category, episodes, observed median weeks, status) for each category of one area."""
    rows = {name: (n, median) for name, n, median in _printed_controls(area)}
    lost = [name for name, (n, _) in rows.items() if n is None]
    if not lost:
        return tuple((name, int(n or 0), float(median or 0), "published") for name, (n, median) in rows.items())
    others = [{name: (n or 0, m or 0.0) for name, n, m in _printed_controls(a)} for a in AREAS if a != area]
    weight = {name: sum(other[name][0] for other in others) for name in lost}
    left = _total(area) - sum(n for n, _ in rows.values() if n is not None)
    share = _shared_out(left, weight)
    out = []
    for name, (n, median) in rows.items():
        if n is not None:
            out.append((name, n, float(median or 0), "published"))
        else:
            mean = sum(other[name][0] * other[name][1] for other in others) / weight[name]
            out.append((name, share[name], round(mean, 1), "derived"))
    return tuple(out)


def _shared_out(total: int, weight: dict[str, int]) -> dict[str, int]:
    whole = sum(weight.values())
    exact = {name: total * value / whole for name, value in weight.items()}
    given = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: (given[name] - exact[name], name))
    for name in order[: total - sum(given.values())]:
        given[name] += 1
    return given


def _printed_controls(area: str) -> list[tuple[str, int | None, float | None]]:
    frame = load(CONTROLS[area]).frame()
    rows = []
    for name, n, median in zip(frame["diagnosis"], frame["n"], frame["median_weeks"], strict=True):
        if name != "Total":
            rows.append((str(name), int(n) if n == n else None, float(median) if median == median else None))
    return rows


def _total(area: str) -> int:
    return int(load(CONTROLS[area]).cell({"diagnosis": "Total"}, "n").value)


@cache
def pilot(area: str) -> Pilot:
    """Give what is known of the clients of one pilot."""
    check_area(area)
    margins: dict[str, dict[str, int]] = {}
    frame = load(CHARACTERISTICS[area]).frame()
    for kind, category, n in zip(frame["characteristic"], frame["category"], frame["n"], strict=True):
        margins.setdefault(str(kind), {})[str(category)] = int(n)
    problems = load(PROBLEMS[area]).frame()
    groups = {str(name): int(n) for name, n in zip(problems["health_problem"], problems["n"], strict=True)}
    fitted = {
        row["name"]: float(row["value"]) for row in _calibration() if (row["what"], row["area"]) == ("pilot", area)
    }
    where = {"health_problem": "All recorded diagnoses"}
    return Pilot(
        area=area,
        clients=int(fit_note_fact("clients", area)),
        returned=int(fit_note_fact("clients returned", area)),
        margins=margins,
        groups=groups,
        total_median=_all_recorded(TOTALS[area], where),
        partial_median=_all_recorded(PARTIALS[area], where),
        follow_up_weeks=fitted.get("follow-up weeks", 16.0),
        other_exits_per_week=fitted.get("other exits per week", 0.01),
    )


def note_length(area: str) -> float:
    """Give how often a note of one area is a long one (fitted to notes per episode)."""
    for row in _calibration():
        if (row["what"], row["area"]) == ("notes", area):
            return float(row["value"])
    return 0.5


def _all_recorded(table: str, where: dict[str, str]) -> float:
    return float(load(table).cell(where, "client_median_weeks").value)


@cache
def _calibration() -> tuple[dict[str, str], ...]:
    source = files("impactkit.data") / "fit_note_calibration.csv"
    if not source.is_file():
        return ()
    return tuple(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))


def fit_note_fact(name: str, area: str = EVERY) -> float:
    """Give the value of one constant.

    Examples
    --------
    >>> fit_note_fact("fit notes", "Greater Manchester"), fit_note_fact("clients", "Leicester")
    (4638.0, 555.0)
    """
    for entry in fit_note_facts():
        if entry.name == name and entry.group in (area, EVERY):
            return entry.value
    raise SpecError(f'the synthetic fit notes have no constant "{name}" for "{area}": fit_note_facts() lists them')


def fit_note_facts_frame() -> pd.DataFrame:
    """Give :func:`fit_note_facts` as a frame, one row per constant."""
    import pandas as pd

    rows = [(one.name, one.group, one.value, one.unit, one.status, one.source) for one in fit_note_facts()]
    return pd.DataFrame(rows, columns=["name", "area", "value", "unit", "status", "source"])


@cache
def fit_note_facts() -> tuple[Fact, ...]:
    """Give every constant of the synthetic fit notes and clients that no published table holds, with its source.

    The counts and medians by diagnosis and by characteristic are in the published tables ``ffws.c1`` to ``ffws.c20``
    and are read from there.

    Notes
    -----
    The report prints the same notes, patients and episodes for Leicester as for Greater Manchester, while its Table
    C.15 totals 5,651 episodes. The generator uses Table C.15 for the episodes, and for notes and patients the
    numbers that the other two areas imply together per episode.
    """
    return (*_published(), *_derived(), *_assumed())


def _published() -> tuple[Fact, ...]:
    printed = {
        "control practices": ((4, 6, 9), "practices", "text, Collection of 'control' data (the Leicester text says 8)"),
        "clients": ((172, 221, 555), "clients", "text, Pooled data from the three pilots"),
        "clients returned": ((102, 142, 320), "clients", "text, Return to work, each pilot"),
    }
    rows = [
        Fact(name, area, float(value), unit, "published", f"{REPORT}, {where}")
        for name, (values, unit, where) in printed.items()
        for area, value in zip(AREAS, values, strict=True)
    ]
    counts = {"fit notes": ((4638, 5591), "notes"), "patients": ((1657, 2304), "patients")}
    rows += [
        Fact(name, area, float(value), unit, "published", f"{REPORT}, text, 'Control' fit note episodes")
        for name, (values, unit) in counts.items()
        for area, value in zip(AREAS[:2], values, strict=True)
    ]
    return tuple(rows)


def _derived() -> tuple[Fact, ...]:
    episodes = {area: _total(area) for area in AREAS}
    other = episodes[AREAS[0]] + episodes[AREAS[1]]
    how = (
        "episodes of Table C.15 times the ratio of the other two areas together; the text repeats Greater "
        "Manchester's figures, which do not go with that table"
    )
    return (
        *(
            Fact("episodes", area, float(n), "episodes", "published", f"Table {CONTROLS[area][-2:].upper()}, total")
            for area, n in episodes.items()
        ),
        Fact("fit notes", "Leicester", round(episodes["Leicester"] * (4638 + 5591) / other), "notes", "derived", how),
        Fact("patients", "Leicester", round(episodes["Leicester"] * (1657 + 2304) / other), "patients", "derived", how),
    )


_ASSUMPTIONS = (
    ("spread of log absence", 1.05, "log weeks", "not printed; log-normal, the same in every category"),
    ("between practices", 0.10, "log weeks", "not printed; part of the spread, shared by a practice's absences"),
    ("longest absence", 104.0, "weeks", "not printed; longer ones are set to this"),
    ("absences in whole weeks", 0.50, "proportion", "not printed; notes are written for whole weeks"),
    ("case mix between practices", 0.15, "log odds", "not printed"),
    ("next note overlaps", 0.06, "proportion", "not printed; by 1 to 5 days"),
    ("next note after a gap", 0.08, "proportion", "not printed; of 1 to 4 days"),
    ("note entered twice", 0.005, "proportion", "not printed; the same note id"),
    ("note issued again", 0.010, "proportion", "not printed; the same dates under another note id"),
    ("note issued late", 0.20, "proportion", "not printed; by 1 to 5 days, so backdated"),
    ("assessed before issue", 0.10, "proportion", "not printed; 1 to 3 days before"),
    ("may be fit", 0.08, "proportion", "not printed; of second and later notes, and twice that of last ones"),
    ("diagnosis differs", 0.06, "proportion", "not printed; the second note of episodes of three or more notes"),
    ("women among patients", 0.55, "proportion", "not printed; everybody with pregnancy or childbirth"),
    ("employed among patients", 0.92, "proportion", "not printed; the others need notes for benefits"),
    ("days between absences", 15.0, "days", "not printed; two absences of one patient are at least this far apart"),
    ("outcome unknown", 0.03, "proportion", "not printed alone; added to the clients of the report, who exclude them"),
    ("mean weeks beyond eight", 6.0, "weeks", "not printed; exponential, for clients over eight weeks absent"),
    ("longest weeks beyond eight", 16.0, "weeks", "not printed; no assessment after week 24, where norms run thin"),
    ("shape of follow-up", 3.0, "shape", "not printed; gamma, two weeks at least"),
    ("exits to job loss", 0.50, "proportion", "not printed; of exits other than to work"),
    ("exits to benefit", 0.30, "proportion", "not printed; of exits other than to work"),
    ("exits to retirement", 0.20, "proportion", "not printed; of exits other than to work"),
)


def _assumed() -> tuple[Fact, ...]:
    return tuple(Fact(name, EVERY, value, unit, "assumption", why) for name, value, unit, why in _ASSUMPTIONS)


def pilot_tables(area: str) -> tuple[PublishedTable, ...]:
    """Give the published tables on one pilot's clients: characteristics, problems, total and partial episodes."""
    return tuple(load(found[area]) for found in (CHARACTERISTICS, PROBLEMS, TOTALS, PARTIALS))
