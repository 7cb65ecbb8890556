"""The effects of a trial's outcomes under re-draws of its own assignment, the same re-draws for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.errors import NotEstimableError
from impactkit.estimators.sample import Sample, arms_of, complete_rows, draw_sample
from impactkit.inference.reassignment import (
    CELLS,
    Contrast,
    contrast,
    count_assignments,
    every_assignment,
    reassignments,
    studentised,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Reassigned", "reassigned_statistics"]


@dataclass(frozen=True, slots=True, eq=False)
class Reassigned:
    """Absolute studentised effects.

    Parameters
    ----------
    observed : ndarray of shape (K,)
    redraws : ndarray of shape (K, B)
    exact : bool
        All assignments were enumerated, the observed one among them.
    words : str
        How they were drawn.
    """

    observed: NDArray[np.float64]
    redraws: NDArray[np.float64]
    exact: bool
    words: str


def reassigned_statistics(
    study: StudyData,
    wanted: Sequence[tuple[str, str]],
    *,
    covariates: Sequence[str],
    draws: int,
    rng: np.random.Generator,
) -> Reassigned:
    """Re-draw the declared assignment and estimate every outcome under each re-draw.

    Parameters
    ----------
    study : StudyData
        A trial with one treated arm.
    wanted : sequence of (outcome, population)
    covariates : sequence of str
    draws : int
    rng : Generator

    Raises
    ------
    NotEstimableError
        If arms vary within clusters, or clusters lie in several strata: the declaration then does not say
        how people were assigned.
    """
    arm = arms_of(study)
    units, unit_arm, unit_strata = _units(study, arm)
    groups = _contrasts(study, wanted, covariates)
    assigned = arm[None, :] == 1

    def statistics(assignments: NDArray[np.int8]) -> NDArray[np.float64]:
        found = np.empty((len(wanted), len(assignments)))
        for problem, places in groups:
            found[places] = studentised(assignments, problem)
        return found

    def people(by_unit: NDArray[np.int8]) -> NDArray[np.int8]:
        spread = np.zeros((len(by_unit), len(arm)), dtype=np.int8)
        inside = units >= 0
        spread[:, inside] = by_unit[:, units[inside]]
        return spread

    observed = statistics(assigned.astype(np.int8))[:, 0]
    count = count_assignments(unit_arm, unit_strata)
    exact = count <= draws
    if exact:
        every = every_assignment(unit_arm, unit_strata)
        batch = max(1, CELLS // max(len(arm), 1))
        parts = [statistics(people(every[start : start + batch])) for start in range(0, count, batch)]
    else:
        parts = [
            statistics(people(batch)) for batch in reassignments(unit_arm, unit_strata, draws, rng, people=len(arm))
        ]
    how = f"all {count:,} assignments" if exact else f"{draws:,} re-draws of the assignment"
    if study.clusters is not None:
        how += f" of {study.design.clusters}"
    if study.strata is not None:
        how += f" within {', '.join(study.design.strata)}"
    return Reassigned(observed, np.hstack(parts), exact, how)


def _units(
    study: StudyData, arm: NDArray[np.int8]
) -> tuple[NDArray[np.intp], NDArray[np.int8], NDArray[np.intp] | None]:
    """Give each person's unit of assignment (-1 in ignored arms), and the arm and stratum of each unit."""
    included = arm >= 0
    if study.clusters is None:
        units = np.where(included, np.cumsum(included) - 1, -1)
    else:
        units = np.full(len(arm), -1, dtype=np.intp)
        units[included] = np.unique(study.clusters[included], return_inverse=True)[1]
    count = int(units.max(initial=-1)) + 1
    unit_arm = np.zeros(count, dtype=np.int8)
    unit_arm[units[included]] = arm[included]
    if (unit_arm[units[included]] != arm[included]).any():
        raise NotEstimableError(
            f"both arms occur within some clusters (`{study.design.clusters}`), so they were not assigned as a whole "
            'and their assignment cannot be drawn again: use redraw="influence"'
        )
    if study.strata is None:
        return units, unit_arm, None
    unit_strata = np.zeros(count, dtype=np.intp)
    unit_strata[units[included]] = study.strata[included]
    if (unit_strata[units[included]] != study.strata[included]).any():
        raise NotEstimableError(
            f"some clusters (`{study.design.clusters}`) lie in several strata, so they were not assigned as a whole "
            'within strata and their assignment cannot be drawn again: use redraw="influence"'
        )
    return units, unit_arm, unit_strata


def _contrasts(
    study: StudyData, wanted: Sequence[tuple[str, str]], covariates: Sequence[str]
) -> list[tuple[Contrast, list[int]]]:
    """Prepare each set of people once, for all outcomes that are measured on it."""
    matrix = study.covariates(covariates).matrix if covariates else None
    complete = complete_rows(matrix)
    groups: dict[tuple[bytes, str | None], list[tuple[int, Sample]]] = {}
    for place, (outcome, population) in enumerate(wanted):
        sample = draw_sample(study, outcome=outcome, population=population, complete=complete, one_armed="drop")
        groups.setdefault(sample.key, []).append((place, sample))
    found = []
    for members in groups.values():
        first = members[0][1]
        problem = contrast(
            member=first.member,
            outcomes=np.stack([sample.values for _, sample in members], axis=1),
            weights=first.weights,
            strata=study.strata,
            covariates=matrix,
            clusters=study.clusters,
        )
        found.append((problem, [place for place, _ in members]))
    return found
