"""What is known of each person's time to return: exact, not yet, or between two dates; with delayed entry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.design import NormDesign
from impactkit.errors import DataError
from impactkit.estimators.sample import treated_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.parametric_duration import ParametricDuration

__all__ = ["RETURN", "Group", "People", "draw_group", "read_people"]

RETURN = "time to return to work"
_SAME = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Times of everybody in the person table; arrays of shape (N,).

    Parameters
    ----------
    lower, upper, entry : ndarray of float64
        Bounds of the time of return (``upper`` infinite if not yet) and when observation began; NaN where not known.
    known : ndarray of bool
        Whose times are known.
    under : ndarray of bool
        Who was under observation for some time.
    eligible : ndarray of bool
    weights : ndarray of float64 or None
    weights_column : str or None
    outcome : str
        Name in the results.
    interval : bool
        Whether returns are known only between dates.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    entry: NDArray[np.float64]
    known: NDArray[np.bool_]
    under: NDArray[np.bool_]
    eligible: NDArray[np.bool_]
    weights: NDArray[np.float64] | None
    weights_column: str | None
    outcome: str
    interval: bool


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Who is analysed in one population.

    Parameters
    ----------
    population : str
    index : ndarray of int64, shape (n,)
        Positions in the person table.
    weights : ndarray of shape (n,)
        Sum n.
    arm : ndarray of int8, shape (n,)
        0 without arms.
    counts : dict
        The ``n_...`` columns of ``glance()``.
    """

    population: str
    index: NDArray[np.int64]
    weights: NDArray[np.float64]
    arm: NDArray[np.int8]
    counts: dict[str, Any]


def read_people(spec: ParametricDuration, study: StudyData) -> People:
    """Read the times.

    Raises
    ------
    DataError
        Listing with counts what cannot be: bounds the wrong way round, a return before entry or at time 0.
    """
    design = study.design
    names = spec.times_of(design)
    everybody = np.ones(study.n, dtype=bool)
    weights, column, eligible = None, design.weights, everybody
    outcome, by_outcome = RETURN, False
    entry = np.zeros(study.n) if names["entry"] is None else study.numeric(names["entry"])
    problems: list[str] = []
    if names["lower"] is not None and names["upper"] is not None:
        lower, upper = study.numeric(names["lower"]), study.numeric(names["upper"])
        no_lower = int((np.isnan(lower) & ~np.isnan(upper)).sum())
        wrong = int((upper < lower).sum())
        if no_lower:
            problems.append(
                f"`{names['lower']}` should say when a person was last known not to have returned, and is empty for "
                f"{no_lower:,} of {study.n:,} people with `{names['upper']}`: write 0, or the time of entry"
            )
        if wrong:
            problems.append(
                f"`{names['upper']}` should not be before `{names['lower']}`, and is for {wrong:,} of {study.n:,} "
                "people: correct them"
            )
        known = ~np.isnan(lower) & ~np.isnan(entry)
        upper = np.where(np.isnan(upper), np.inf, upper)
        before = int((known & (lower < entry)).sum())
        if before:
            problems.append(
                f"`{names['lower']}` should not be before `{names['entry']}` (a person was still absent at entry), and "
                f"is for {before:,} of {study.n:,} people: raise it to the time of entry"
            )
        with np.errstate(invalid="ignore"):
            upper = np.where(upper - lower <= _SAME * np.maximum(lower, 1e-300), lower, upper)
    else:
        assert names["duration"] is not None and names["event"] is not None
        event = study.numeric(names["event"])
        if isinstance(design, NormDesign) and spec.duration is None:
            stop = study.numeric(names["duration"])
        else:
            own = study.outcome(names["duration"])
            stop, outcome = own.values, own.spec.name
            weights, column, eligible = own.weights, design.weights_of(own.spec), own.eligible
            by_outcome = True
        known = ~(np.isnan(stop) | np.isnan(event) | np.isnan(entry))
        lower, upper = stop, np.where(event == 1.0, stop, np.inf)
        late = int((known & (entry > stop)).sum())
        if late:
            problems.append(
                f"`{names['entry']}` should not be later than `{names['duration']}`, and is for {late:,} of "
                f"{study.n:,} people: both count from the first day of absence; correct them"
            )
    if design.weights is not None and not by_outcome:
        weights = study.numeric(design.weights)
    for name, values in (("times", lower), ("times of entry", entry)):
        negative = int((values < 0).sum())
        if negative:
            problems.append(f"{name} should be 0 or more, and {negative:,} of {study.n:,} are negative: correct them")
    at_zero = int((known & (upper <= 0)).sum())
    if at_zero:
        problems.append(
            f"a return should come after time 0, and does not for {at_zero:,} of {study.n:,} people, which no "
            "distribution of log time allows: say what a return on the first day means, for example half a day"
        )
    if problems:
        raise DataError(problems)
    under = known & (np.where(np.isfinite(upper), upper, lower) > entry)
    return People(
        lower, upper, entry, known, under, eligible, weights, None if weights is None else column, outcome,
        names["lower"] is not None,
    )  # fmt: skip


def draw_group(study: StudyData, people: People, population: str, complete: NDArray[np.bool_] | None) -> Group:
    """Choose complete cases of a population; every exclusion is counted."""
    whole = study.population(population)
    assigned = whole & people.eligible
    observed = assigned & people.under
    weighted = observed if people.weights is None else observed & (np.nan_to_num(people.weights) > 0)
    member = weighted if complete is None else weighted & complete
    index = np.flatnonzero(member)
    weights = np.ones(index.size) if people.weights is None else people.weights[index]
    arm = np.zeros(index.size, dtype=np.int8) if study.arm is None else study.arm[index]
    counts: dict[str, Any] = {
        "n_assigned": int(assigned.sum()),
        "n_not_eligible": int((whole & ~assigned).sum()),
        "n_missing_outcome": int((assigned & ~observed).sum()),
        "n_zero_weight": int((observed & ~weighted).sum()),
        "n_missing_covariates": int((weighted & ~member).sum()),
        "n_dropped_strata": 0,
        "n_analysed": int(index.size),
    }
    if treated_labels(study):
        counts |= {"n_treated": int((arm > 0).sum()), "n_control": int((arm == 0).sum())}
    if index.size:
        weights = weights * (index.size / math.fsum(weights))
    return Group(population, index, weights, arm, counts)
