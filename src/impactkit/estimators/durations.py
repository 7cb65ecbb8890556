"""Times to an event as arrays: whose are known, on which clock, and the curves drawn of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.survival.curves import ProductLimit, product_limit
from impactkit.compute.survival.influence import robust_error
from impactkit.compute.survival.limits import ConfType, survival_limits
from impactkit.compute.survival.ties import later, places, upto
from impactkit.design import Outcome
from impactkit.errors import DataError
from impactkit.results import Curve, time_ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Clock", "Spells", "cluster_factor", "curve_of", "fit_curve", "late_entries", "never_at_risk", "read_spells"]

Clock = Literal["entry", "onset"]


@dataclass(frozen=True, slots=True, eq=False)
class Spells:
    """Everybody's time to the event.

    Parameters
    ----------
    study : StudyData
        The study with the spell as its outcome: missing where a time or the ending is not known, and not eligible
        who is observed for no time or ended before the analysis begins.
    outcome : str
        Name of that outcome.
    stop : ndarray of shape (N,)
        On the clock; NaN where not known.
    event : ndarray of bool, shape (N,)
    start : ndarray of shape (N,) or None
        When observation began, on the same clock; ``None`` when it began at 0 for everybody.
    remarks : tuple of str
        What was left out, with counts.
    """

    study: StudyData
    outcome: str
    stop: NDArray[np.float64]
    event: NDArray[np.bool_]
    start: NDArray[np.float64] | None
    remarks: tuple[str, ...]

    def rows(self, member: NDArray[np.bool_]) -> tuple[Any, Any, Any]:
        """Give stop, event and start of the chosen people."""
        return self.stop[member], self.event[member], None if self.start is None else self.start[member]


def read_spells(
    study: StudyData,
    *,
    duration: str,
    event: str,
    entry: str | None,
    clock: Clock,
    since: float,
    unit: str,
) -> Spells:
    """Read times and endings, and say who has none.

    Parameters
    ----------
    study : StudyData
    duration, event, entry : str
        Columns; ``duration`` may be a declared outcome.
    clock : {"entry", "onset"}
        Whether time runs from ``entry``, or from the onset with people under observation from ``entry`` on.
    since : float
        The clock's time at which the analysis begins.
    unit : str

    Raises
    ------
    DataError
        If somebody comes under observation after the spell ended, or an ending is neither 0 nor 1, with counts.
    """
    column = study.outcome(duration)
    declared = study.design.outcome(duration) is not None
    length, ended = column.values, study.numeric(event)
    problems = []
    included = study.population("all")
    odd = int(np.sum(included & ~np.isnan(ended) & (ended != 0) & (ended != 1)))
    if odd:
        problems.append(
            f"column `{event}` should be 1 (ended) or 0 (not yet), and is neither in {odd:,} rows: recode it"
        )
    negative = int(np.sum(included & (length < 0)))
    if negative:
        problems.append(f"`{duration}` should be 0 or more, and is negative in {negative:,} rows: correct the dates")
    begun = None if entry is None else study.numeric(entry)
    if begun is not None:
        problems += late_entries(str(entry), begun, duration, length, included)
        before = int(np.sum(included & (begun < 0)))
        if before:
            problems.append(f"`{entry}` should be 0 or more, and is negative in {before:,} rows: correct the dates")
    if problems:
        raise DataError(problems)
    outside = np.zeros(study.n, dtype=bool)
    known = ~(np.isnan(length) | np.isnan(ended))
    remarks = []
    half = int(np.sum(included & ~np.isnan(length) & np.isnan(ended)))
    if half:
        remarks.append(f"{half:,} people have a time but no known ending (`{event}`) and are left out as missing")
    stop, start = length, None
    if begun is not None:
        lost = int(np.sum(included & known & np.isnan(begun)))
        if lost:
            remarks.append(f"{lost:,} people have no `{entry}` and are left out as missing")
        known &= ~np.isnan(begun)
        if clock == "entry":
            stop = length - begun
        else:
            start = begun
            none = known & upto(length, begun)
            if (none & included).any():
                remarks.append(
                    never_at_risk(int((none & included).sum()), int(included.sum()), f"`{entry}` equals `{duration}`")
                )
            outside |= none
    if since > 0:
        short = known & ~outside & later(since, stop)
        if (short & included).any():
            remarks.append(f"{int((short & included).sum()):,} people end before {since:g} {unit} and are left out")
        outside |= short
    known &= ~outside
    stop = np.where(known, stop, np.nan)
    spec = column.spec if declared else Outcome(name=duration, kind="duration", unit=unit)
    again = study.with_outcome(replace(column, spec=spec, values=stop, eligible=column.eligible & ~outside))
    return Spells(again, spec.name, stop, known & (ended == 1.0), start, tuple(remarks))


def never_at_risk(count: int, among: int, why: str) -> str:
    """Say that people are observed for no time; they count as not eligible, not as missing."""
    return f"{count:,} of {among:,} people with no time under observation ({why}) are never at risk and were left out"


def late_entries(
    entry: str, begun: NDArray[np.float64], duration: str, length: NDArray[np.float64], included: NDArray[np.bool_]
) -> list[str]:
    """Say how many come under observation after their time ended, if anybody does; rounding aside."""
    late = int(np.sum(included & later(begun, length)))
    if not late:
        return []
    return [
        f"`{entry}` should not be later than `{duration}`, and is in {late:,} rows: both count from the same day; "
        "correct the dates behind them"
    ]


def cluster_factor(clusters: NDArray[Any] | None) -> tuple[float, float]:
    """Give √(G / (G − 1)) and G − 1 for clusters, 1 and no limit without; NaN with one cluster only."""
    if clusters is None:
        return 1.0, float("inf")
    many = len(np.unique(clusters))
    return groups_factor(many), many - 1.0 if many > 1 else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class FittedCurve:
    """A curve with the error of log S at its event times, and who it is of."""

    curve: ProductLimit
    log_error: NDArray[np.float64]
    stop: NDArray[np.float64]
    start: NDArray[np.float64] | None


def fit_curve(
    stop: NDArray[np.float64],
    event: NDArray[np.bool_],
    start: NDArray[np.float64] | None,
    weights: NDArray[np.float64] | None,
    clusters: NDArray[Any] | None,
    since: float = 0.0,
) -> FittedCurve:
    """Estimate a curve with errors that honour weights, clusters and delayed entry."""
    curve = product_limit(stop, event, start=start, weights=weights, since=since or None)
    error = robust_error(curve, stop, event, start=start, weights=weights, clusters=clusters)
    return FittedCurve(curve, error * cluster_factor(clusters)[0], stop, start)


def curve_of(
    fitted: FittedCurve,
    *,
    about: tuple[str, str, str, str],
    unit: str,
    conf_level: float,
    conf_type: ConfType = "log-log",
    until: float = np.inf,
) -> Curve:
    """Put a fitted curve into the shape figures read: at every event time, and at the times an axis labels.

    Parameters
    ----------
    about : tuple of str
        Analysis, outcome, population and term.
    until : float
        Nothing is drawn beyond.
    """
    curve = fitted.curve
    last = min(curve.last, until)
    marks = time_ticks(until if np.isfinite(until) else curve.last, unit)
    marks = np.append(marks[(marks >= curve.since) & (marks <= last)], last)
    time = np.unique(np.concatenate([[curve.since], curve.time[curve.time <= last], marks]))
    low, high = survival_limits(curve.survival, fitted.log_error, conf_level=conf_level, conf_type=conf_type)
    place = places(curve.time, time)
    leaving = np.sort(fitted.stop)
    n_risk = leaving.size - places(leaving, time, before=True)
    if fitted.start is not None:
        arriving = np.sort(fitted.start)
        at_first = places(arriving, time)
        n_risk = n_risk - (arriving.size - np.where(time == curve.since, at_first, places(arriving, time, before=True)))
    had = np.concatenate([[0.0], np.cumsum(curve.people_events)])
    return Curve(
        *about,
        measure="survival",
        unit=unit,
        time=time,
        estimate=curve.at(time),
        conf_low=np.concatenate([[np.nan], low])[place],
        conf_high=np.concatenate([[np.nan], high])[place],
        n_risk=n_risk.astype(np.float64),
        n_events=had[place],
    )
