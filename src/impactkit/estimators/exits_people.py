"""Times and exits of the people of a study: what `CompetingExits` reads, checked in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.survival.ties import tied
from impactkit.design import NormDesign
from impactkit.errors import DataError, did_you_mean
from impactkit.estimators.durations import late_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.exits import CompetingExits

__all__ = ["FROM_THE_FIRST", "Exits", "read_exits"]

FROM_THE_FIRST = -1.0
"""Entry of people observed from time 0 on, so that an exit at 0 counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """People's time under observation and how it ended, in the order of the person table.

    Parameters
    ----------
    start, stop : ndarray of float64, shape (N,)
        Observation on (start, stop]; NaN where not known. ``FROM_THE_FIRST`` where observation begins at 0.
    cause : ndarray of int64, shape (N,)
        0 still absent at ``stop``, j the j-th label, -1 not known.
    labels : tuple of str
        Exits, the one of interest first.
    usable : ndarray of bool, shape (N,)
        Who has times, a known ending and some time under observation.
    no_times, unknown, no_follow_up : ndarray of bool, shape (N,)
        Why the others have not.
    group : ndarray of int64, shape (N,)
        Position in ``groups``, -1 where there is none.
    groups : tuple of str
        Empty without groups; for arms the treated in order, then the control.
    weights : ndarray of float64, shape (N,) or None
    delayed : bool
        Whether people come under observation at different times.
    """

    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    cause: NDArray[np.int64]
    labels: tuple[str, ...]
    usable: NDArray[np.bool_]
    no_times: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    no_follow_up: NDArray[np.bool_]
    group: NDArray[np.int64]
    groups: tuple[str, ...]
    weights: NDArray[np.float64] | None
    delayed: bool


def read_exits(spec: CompetingExits, study: StudyData) -> Exits:
    """Read and check.

    Raises
    ------
    DataError
        Listing every problem with counts: the exit of interest does not occur, durations end before entry, the
        design's ``returned`` contradicts the exits, weights that are missing or negative.
    """
    design = study.design
    problems: list[str] = []
    factor = study.factor(spec.exit)
    named = [label for label in factor.labels if label.strip()]  # a cell of spaces is an empty cell
    if spec.interest not in named:
        known = ", ".join(f'"{label}"' for label in named) or "no exit"
        problems.append(
            f'`interest="{spec.interest}"` should be one of the exits in column `{spec.exit}`, and is not.'
            f"{did_you_mean(spec.interest, named)} The column has {known}: correct the name"
        )
    if any(": " in label for label in named):
        problems.append(f'exits in column `{spec.exit}` should not contain ": ", which separates groups: rename them')
    labels = (spec.interest, *(label for label in named if label != spec.interest))
    place = [labels.index(label) + 1 if label in named else 0 for label in factor.labels]
    cause = np.array([*place, 0], dtype=np.int64)[factor.codes]
    duration = study.numeric(spec.duration_of(design))
    column = spec.entry_of(design)
    entry = np.zeros(study.n) if column is None else study.numeric(column)
    included = study.population("all")
    problems += late_entries(str(column), entry, spec.duration_of(design), duration, included)
    negative = int((included & ((duration < 0) | (entry < 0))).sum())
    if negative:
        problems.append(f"times should be 0 or more; {negative:,} people have a negative one: correct them")
    unknown = np.zeros(study.n, dtype=bool)
    if isinstance(design, NormDesign):
        returned = study.numeric(design.returned)
        unknown = np.isnan(returned) & (cause == 0)
        if spec.interest in named:
            problems += _contradictions(spec, design, returned, cause, included)
    weights, said = _weights(study, included)
    problems += said
    if problems:
        raise DataError(problems)
    if spec.clock == "absence" and column is not None:
        start, stop = entry, duration
    else:  # who left on the very first day was at risk on it
        start, stop = np.where(np.isnan(entry), np.nan, FROM_THE_FIRST), duration - entry
    stop, start, begins = tied(stop, start, np.array([np.nan if spec.start is None else spec.start]))
    no_times = np.isnan(start) | np.isnan(stop)
    delayed = bool(np.nanmax(start[included], initial=0.0) > np.nanmin(stop[included], initial=np.inf))
    if spec.start is not None:
        start = np.maximum(start, begins[0])
    with np.errstate(invalid="ignore"):
        nothing = ~no_times & ~(stop > start)
    group, groups = _groups(spec, study)
    return Exits(
        start=start,
        stop=stop,
        cause=np.where(unknown, -1, cause),
        labels=labels,
        usable=included & ~no_times & ~unknown & ~nothing,
        no_times=no_times,
        unknown=unknown & ~no_times,
        no_follow_up=nothing & ~unknown,
        group=group,
        groups=groups,
        weights=weights,
        delayed=delayed,
    )


def _contradictions(
    spec: CompetingExits,
    design: NormDesign,
    returned: NDArray[np.float64],
    cause: NDArray[np.int64],
    included: NDArray[np.bool_],
) -> list[str]:
    said = []
    stayed = int((included & (returned == 1) & (cause == 0)).sum())
    elsewhere = int((included & (returned == 1) & (cause > 1)).sum())
    denied = int((included & (returned == 0) & (cause == 1)).sum())
    for count, words in (
        (stayed, f"have `{design.returned}` 1 and an empty `{spec.exit}`, which means still absent"),
        (elsewhere, f'have `{design.returned}` 1 and an exit other than "{spec.interest}"'),
        (denied, f'have `{design.returned}` 0 and the exit "{spec.interest}"'),
    ):
        if count:
            said.append(
                f"`{design.returned}` and `{spec.exit}` should tell the same story; {count:,} of "
                f"{int(included.sum()):,} people {words}: correct one of the columns"
            )
    return said


def _weights(study: StudyData, included: NDArray[np.bool_]) -> tuple[NDArray[np.float64] | None, list[str]]:
    column = study.design.weights
    if column is None:
        return None, []
    weights = study.numeric(column)
    missing, negative = int((included & np.isnan(weights)).sum()), int((included & (weights < 0)).sum())
    said = []
    if missing:
        said.append(f"weights should be there for everybody; `{column}` is empty for {missing:,} people: fill them in")
    if negative:
        said.append(f"weights should be 0 or more; `{column}` is negative for {negative:,} people: correct them")
    return weights, said


def _groups(spec: CompetingExits, study: StudyData) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if spec.by is not None:
        factor = study.factor(spec.by)
        return factor.codes.astype(np.int64), factor.labels
    arm = study.arm
    if arm is None:
        return np.zeros(study.n, dtype=np.int64), ()
    treated = tuple(str(label) for label in getattr(study.design, "treated_labels", ()))
    control = str(getattr(study.design, "control", "control"))
    codes = np.where(arm > 0, arm.astype(np.int64) - 1, np.where(arm == 0, len(treated), -1))
    return codes, (*treated, control)
