"""The two regressions of an exit: Fine and Gray's subdistribution hazard, and the cause-specific Cox model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.survival.cox import cox
from impactkit.compute.survival.finegray import fine_gray
from impactkit.errors import NotEstimableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.exits_people import Exits

__all__ = ["Models", "fit_models"]

Fit = tuple[str, "NDArray[np.float64]", "NDArray[np.float64]", str]


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """Fitted regressions of the exit of interest on the same people.

    Parameters
    ----------
    names : tuple of str
        Treated arms first, then covariates.
    people : ndarray of int64, shape (n,)
        Rows of the person table.
    fits : tuple of (measure, coefficients, influence, fault)
        Influence of shape (n, p), times weight.
    left_out : int
        People without every covariate.
    smallest : float
        Smallest number of people with, or without, the exit.
    """

    names: tuple[str, ...]
    people: NDArray[np.int64]
    fits: tuple[Fit, ...]
    left_out: int
    smallest: float


def fit_models(
    exits: Exits,
    study: StudyData,
    member: NDArray[np.bool_],
    covariates: tuple[str, ...],
    arms: tuple[str, ...],
    strata: NDArray[np.int64] | None,
) -> Models:
    """Fit both models by Efron's ties, with a baseline for each stratum.

    Parameters
    ----------
    exits : Exits
    study : StudyData
    member : ndarray of bool, shape (N,)
    covariates : tuple of str
        Columns; text becomes dummies.
    arms : tuple of str
        Treated arms, each with a term of its own.
    strata : ndarray of int64, shape (N,), optional
    """
    read = study.covariates(covariates)
    complete = member & ~np.isnan(read.matrix).any(axis=1)
    people = np.flatnonzero(complete)
    dummies = [(exits.group[people] == code).astype(np.float64) for code in range(len(arms))]
    x = np.column_stack([*dummies, read.matrix[people]]) if dummies or covariates else np.zeros((people.size, 0))
    own = None if strata is None else np.unique(strata[people], return_inverse=True)[1].astype(np.int64)
    weights = None if exits.weights is None else exits.weights[people]
    start = exits.start[people] if exits.delayed else None
    cause, stop = exits.cause[people], exits.stop[people]
    names = (*arms, *read.names)
    empty = np.zeros(0)
    fits: list[Fit] = []
    try:
        subdistribution = fine_gray(stop, cause, x, start=start, strata=own, weights=weights)
        fits.append(("subdistribution_hazard_ratio", subdistribution.coef, subdistribution.influence, ""))
    except NotEstimableError as fault:
        fits.append(("subdistribution_hazard_ratio", empty, empty, str(fault)))
    try:
        specific = cox(stop, cause == 1, x, start=exits.start[people], strata=own, weights=weights, names=names)
        fault_said = "" if specific.converged else "some value of a covariate never, or alone, has the exit"
        fits.append(("hazard_ratio", specific.coef, specific.influence, fault_said))
    except NotEstimableError as fault:
        fits.append(("hazard_ratio", empty, empty, str(fault)))
    done = int((cause == 1).sum())
    return Models(
        names=names,
        people=people,
        fits=tuple(fits),
        left_out=int(member.sum()) - people.size,
        smallest=float(min(done, people.size - done)),
    )
