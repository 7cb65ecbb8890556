"""Everybody assigned, with and without the outcome: the sample that methods for missing outcomes work on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.errors import NotEstimableError
from impactkit.estimators.matrix import trial_matrix
from impactkit.estimators.sample import arms_of, treated_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.design import Outcome
    from impactkit.estimators.attrition import Attrition

__all__ = ["Assigned", "Filled", "assigned_people", "fill_covariates"]


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """Covariates of everybody, missing ones at the mean and marked.

    Parameters
    ----------
    matrix : ndarray of shape (N, p)
        Covariates, then one 0/1 column per source column with missing values.
    missing : tuple of (str, int)
        Source columns with missing values, and how many people each.
    """

    matrix: NDArray[np.float64]
    missing: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """The people of one outcome in one population, whether the outcome was observed or not.

    Parameters
    ----------
    outcome : Outcome
    population : str
    people : ndarray of shape (n,)
        Positions in the person table.
    arm : ndarray of shape (n,)
    responded : ndarray of bool, shape (n,)
    values : ndarray of shape (n,)
        The outcome, NaN where missing.
    weights : ndarray of shape (n,) or None
        Design weights, if they are known for everybody.
    own_weights : ndarray of shape (n,) or None
        Weights as the outcome has them: NaN where not known.
    strata : ndarray of shape (n,) or None
    clusters : ndarray of shape (n,) or None
    covariates : ndarray of shape (n, p)
    matrix : ndarray of shape (n, k)
        Design matrix of the effect, centred over everybody assigned.
    """

    outcome: Outcome
    population: str
    people: NDArray[np.int64]
    arm: NDArray[np.int8]
    responded: NDArray[np.bool_]
    values: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    own_weights: NDArray[np.float64] | None
    strata: NDArray[np.int32] | None
    clusters: NDArray[np.int32] | None
    covariates: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Who has no outcome."""
        return ~self.responded

    @property
    def predictors(self) -> NDArray[np.float64]:
        """Constant, covariates and strata: the columns of a response model."""
        return np.hstack([np.ones((len(self.people), 1)), self.covariates, _dummies(self.strata, len(self.people))])

    def member(self, size: int, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Mark these people, or some of them, over the whole person table."""
        mask = np.zeros(size, dtype=bool)
        mask[self.people if chosen is None else self.people[chosen]] = True
        return mask

    def smallest_response(self) -> float:
        """Give the smallest count of people with, or without, the outcome in an arm; no gap tells of nobody."""
        sizes = [
            int(np.count_nonzero((self.arm == code) & kind))
            for code in np.unique(self.arm)
            for kind in (self.responded, self.missing)
        ]
        return float(min((size for size in sizes if size), default=0))


def fill_covariates(study: StudyData, names: Sequence[str]) -> Filled:
    """Set missing covariates to the mean of those known, and mark them in a column per source column."""
    if not names:
        return Filled(np.zeros((study.n, 0)), ())
    found = study.covariates(tuple(names))
    everyone = study.population("all")
    matrix = found.matrix.copy()
    marks, missing = [], []
    for source in dict.fromkeys(found.source):
        columns = [place for place, name in enumerate(found.source) if name == source]
        gaps = np.isnan(matrix[:, columns]).any(axis=1)
        lost = int(np.count_nonzero(gaps & everyone))
        known = everyone & ~gaps
        for column in columns:
            # an exact sum, so that the order of the rows cannot reach the imputations
            matrix[gaps, column] = math.fsum(matrix[known, column]) / known.sum() if known.any() else 0.0
        if lost:
            marks.append(gaps.astype(np.float64))
            missing.append((source, lost))
    return Filled(np.column_stack([matrix, *marks]), tuple(missing))


def assigned_people(
    spec: Attrition, study: StudyData, *, outcome: str, population: str, filled: Filled, dropped: tuple[str, ...] = ()
) -> Assigned:
    """Select everybody assigned who may have the outcome.

    Raises
    ------
    NotEstimableError
        If an arm is empty.
    """
    column = study.outcome(outcome)
    arm = arms_of(study)
    own = column.weights
    chosen = study.population(population) & column.eligible
    observed = ~np.isnan(column.values)
    if own is not None:
        chosen = chosen & ~(np.nan_to_num(own, nan=1.0) <= 0) & ~(observed & np.isnan(own))
    if dropped and study.strata is not None:
        codes = [study.strata_labels.index(label) for label in dropped]
        chosen = chosen & ~np.isin(study.strata, codes)
    people = np.flatnonzero(chosen)
    arms = len(treated_labels(study)) + 1
    if (np.bincount(arm[people], minlength=arms) == 0).any():
        raise NotEstimableError(f"an arm has nobody assigned to it in this population ({len(people)} people)")
    weights = None if own is None or np.isnan(own[people]).any() else own[people]
    strata = None if study.strata is None else study.strata[people]
    covariates = filled.matrix[people]
    varying = np.ptp(covariates, axis=0) > 0 if covariates.size else np.zeros(covariates.shape[1], dtype=bool)
    covariates = covariates[:, varying]
    adjusted = spec.adjustment != "none" and covariates.shape[1] > 0
    matrix = trial_matrix(
        arm=arm[people],
        arms=arms,
        strata=strata,
        covariates=covariates if adjusted else None,
        weights=weights,
        adjustment=spec.adjustment if adjusted else "none",
    )
    return Assigned(
        outcome=column.spec,
        population=population,
        people=people,
        arm=arm[people],
        responded=observed[people],
        values=column.values[people],
        weights=weights,
        own_weights=None if own is None else own[people],
        strata=strata,
        clusters=None if study.clusters is None else study.clusters[people],
        covariates=covariates,
        matrix=matrix,
    )


def _dummies(codes: NDArray[np.int32] | None, n: int) -> NDArray[np.float64]:
    if codes is None:
        return np.zeros((n, 0))
    present = np.unique(codes)
    return np.asarray(codes[:, None] == present[1:], dtype=np.float64)
