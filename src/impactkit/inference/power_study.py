"""A planned study from one in hand: size, arms, blocks, clusters, response and take-up counted, spread estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.design import TrialDesign
from impactkit.errors import NotEstimableError, SpecError
from impactkit.inference.power import size_variation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["intracluster_correlation", "options_from_study"]


def options_from_study(study: StudyData, *, outcome: str, population: str = "all") -> dict[str, Any]:
    """Give the options of a :class:`PowerDesign` that a trial's data answer.

    Parameters
    ----------
    study : StudyData
        Of a trial with one treated arm.
    outcome, population : str

    Returns
    -------
    dict

    Raises
    ------
    SpecError
        If the design is not a trial with one treated arm.
    NotEstimableError
        If an arm has fewer than two outcomes, or the outcome does not vary among controls.
    """
    design = study.design
    if not isinstance(design, TrialDesign) or len(design.treated_labels) != 1:
        raise SpecError("a planned study is filled from a trial with one treated arm: give the other options by hand")
    measured = study.outcome(outcome)
    arm = study.arm
    assert arm is not None  # a trial has arms
    people = study.population(population) & measured.eligible & (arm >= 0)
    seen = people & np.isfinite(measured.values)
    if measured.weights is not None:
        seen = seen & (measured.weights > 0)
    treated, control = people & (arm == 1), people & (arm == 0)
    counts = [int((seen & group).sum()) for group in (treated, control)]
    if min(counts) < 2:
        raise NotEstimableError(
            f'"{outcome}" is observed for {counts[0]} treated people and {counts[1]} controls: two of each are needed'
        )
    values = measured.values
    found: dict[str, Any] = {"outcome": measured.spec.name, "unit": measured.spec.unit}
    found["response"] = float(seen[treated].mean())
    found["response_control"] = float(seen[control].mean())
    weights = None if measured.weights is None else measured.weights[seen & control]
    mean, variance = _moments(values[seen & control], weights)
    if not variance > 0:
        raise NotEstimableError(f'"{outcome}" does not vary among controls, so there is no spread to plan with')
    if measured.spec.kind == "binary":
        found["control_rate"] = mean
    else:
        found["sd"] = float(np.sqrt(variance))
    if measured.weights is not None:
        used = measured.weights[seen]
        found["weights_cv"] = float(used.std() / used.mean())
    if design.receipt is not None:
        took = study.numeric(design.receipt)
        found["take_up"] = float(np.nanmean(took[treated]))
        found["control_take_up"] = float(np.nanmean(took[control]))
    if study.strata is not None:
        found["blocks"] = len(np.unique(study.strata[people]))
    if study.clusters is None:
        found["n"] = int(people.sum())
        found["allocation"] = float(treated.sum() / people.sum())
        return found
    clusters = study.clusters
    sizes = np.bincount(clusters[people])
    found["clusters"] = int((sizes > 0).sum())
    found["cluster_size"], found["cluster_size_cv"] = size_variation(sizes[sizes > 0])
    found["allocation"] = len(np.unique(clusters[treated])) / found["clusters"]
    found["icc"] = max(intracluster_correlation(values[seen], clusters[seen], arm[seen]), 0.0)
    return found


def intracluster_correlation(
    values: NDArray[np.float64], clusters: NDArray[np.signedinteger[Any]], arm: NDArray[np.signedinteger[Any]]
) -> float:
    r"""Estimate the intracluster correlation within arms by analysis of variance, for unequal clusters.

    Parameters
    ----------
    values, clusters, arm : ndarray of shape (n,)
        Outcome, cluster and arm of each person.

    Returns
    -------
    float
        May be negative; 0 when every cluster has one person.

    Notes
    -----
    :math:`(B - W)/(B + (m_0 - 1) W)` with the mean squares B between clusters within arms and W within clusters, and
    :math:`m_0 = (n - \sum_a \sum_j m_j^2/n_a)/(G - A)`.

    References
    ----------
    Donner, A. and Koval, J. J. (1980). The estimation of intraclass correlation in the analysis of family data.
    *Biometrics* 36(1).

    Examples
    --------
    >>> values = np.array([1.0, 2, 5, 6, 1, 2, 5, 6])
    >>> clusters, arm = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> round(intracluster_correlation(values, clusters, arm), 4)
    0.9394
    """
    _, group = np.unique(clusters, return_inverse=True)
    _, side = np.unique(arm, return_inverse=True)
    sizes = np.bincount(group).astype(float)
    means = np.bincount(group, weights=values) / sizes
    of_arm = np.zeros(len(sizes), dtype=np.intp)
    of_arm[group] = side
    people = np.bincount(side).astype(float)
    centre = np.bincount(side, weights=values) / people
    between_df, within_df = len(sizes) - len(people), len(values) - len(sizes)
    if between_df < 1 or within_df < 1:
        return 0.0
    between = float((sizes * (means - centre[of_arm]) ** 2).sum() / between_df)
    within = float(((values - means[group]) ** 2).sum() / within_df)
    typical = (len(values) - float((sizes**2 / people[of_arm]).sum())) / between_df
    total = between + (typical - 1) * within
    return (between - within) / total if total > 0 else 0.0


def _moments(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> tuple[float, float]:
    share = np.full(len(values), 1 / len(values)) if weights is None else weights / weights.sum()
    mean = float(share @ values)
    return mean, float(share @ (values - mean) ** 2) * len(values) / (len(values) - 1)
