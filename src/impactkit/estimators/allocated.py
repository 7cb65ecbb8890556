"""What was allocated, and among which others: people or clusters, within strata, for tests that re-draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.design import TrialDesign
from impactkit.errors import NotEstimableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Allocated", "allocated_units"]


@dataclass(frozen=True, slots=True, eq=False)
class Allocated:
    """The units of one comparison as they were allocated.

    Parameters
    ----------
    treated : ndarray of bool, shape (u,)
    strata : ndarray of int, shape (u,)
    totals : ndarray of shape (u, p)
        Of each column the unit's weighted sum of deviations from the stratum's weighted mean.
    people : int
    words : str
        What is re-drawn, in words.
    """

    treated: NDArray[np.bool_]
    strata: NDArray[np.intp]
    totals: NDArray[np.float64]
    people: int
    words: str


def allocated_units(
    study: StudyData,
    *,
    member: NDArray[np.bool_],
    treated: NDArray[np.bool_],
    columns: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
) -> Allocated:
    """Group people into the units that were allocated.

    Parameters
    ----------
    study : StudyData
    member, treated : ndarray of bool, shape (N,)
        Who takes part, and who of them is treated.
    columns : ndarray of shape (N, p)
        Complete among members.
    weights : ndarray of shape (N,) or None

    Raises
    ------
    NotEstimableError
        If nobody was randomised, or the declared design does not say how.

    Notes
    -----
    Clusters whose people are all in one arm were allocated whole. If as many clusters are mixed as individual
    allocation would mix, people were allocated. Anything between the two is refused: the difference decides the size
    of the test.
    """
    design = study.design
    if not isinstance(design, TrialDesign):
        raise NotEstimableError(
            "nobody was randomised, so there is no allocation to re-draw: read the standardised differences instead"
        )
    people = np.flatnonzero(member)
    z = treated[people]
    if not z.any() or z.all():
        raise NotEstimableError("one of the two arms is empty")
    strata = np.zeros_like(people) if study.strata is None else study.strata[people].astype(np.intp)
    _constant_probability(study, design, people, strata)
    values = columns[people]
    w = np.ones(len(people)) if weights is None else weights[people]
    size = np.bincount(strata, weights=w)
    means = np.stack([np.bincount(strata, weights=w * x) / np.where(size > 0, size, 1.0) for x in values.T], axis=1)
    deviations: NDArray[np.float64] = np.asarray(w[:, None] * (values - means[strata]), dtype=np.float64)
    within = "" if study.strata is None else " within strata"
    if study.clusters is None:
        return Allocated(z, strata, deviations, len(people), f"people{within}")
    _, first, codes = np.unique(study.clusters[people], return_index=True, return_inverse=True)
    count = np.bincount(codes)
    inside = np.bincount(codes, weights=z)
    mixed = int(((inside > 0) & (inside < count)).sum())
    share = float(z.mean())
    expected = float((1 - share**count - (1 - share) ** count).sum())
    name = f"`{design.clusters}`"
    if mixed and mixed >= expected / 2:
        return Allocated(
            z,
            strata,
            deviations,
            len(people),
            f"people{within} (arms vary inside {mixed} of {len(count)} clusters {name})",
        )
    if mixed:
        raise NotEstimableError(
            f"arms vary inside {mixed} of {len(count)} clusters {name}: too many for clusters allocated whole, too few "
            "for people allocated one by one; correct the arm, or the cluster that the design declares"
        )
    if (strata != strata[first][codes]).any():
        raise NotEstimableError(
            f"clusters {name} were allocated whole, but people of one cluster are in several strata: "
            "declare the strata in which clusters were allocated"
        )
    sums = [np.bincount(codes, weights=column) for column in deviations.T]
    totals: NDArray[np.float64] = np.stack(sums, axis=1).astype(np.float64)
    return Allocated(z[first], strata[first], totals, len(people), f"clusters {name}{within}")


def _constant_probability(
    study: StudyData, design: TrialDesign, people: NDArray[np.intp], strata: NDArray[np.intp]
) -> None:
    """Refuse a probability of allocation that differs inside a stratum: not every re-draw is then as likely."""
    if not isinstance(design.allocation, str):
        return
    chance = study.numeric(design.allocation)[people]
    high, low = (np.full(int(strata.max()) + 1, start) for start in (-np.inf, np.inf))
    np.maximum.at(high, strata, chance)
    np.minimum.at(low, strata, chance)
    varying = int((high - low > 1e-12).sum())
    if varying:
        raise NotEstimableError(
            f"the probability of allocation (`{design.allocation}`) differs inside {varying} strata, so that not every "
            "re-draw is equally likely: declare the strata in which it is the same"
        )
