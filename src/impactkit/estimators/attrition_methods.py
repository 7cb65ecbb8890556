"""One function per way of dealing with missing outcomes; each gives lines with influence values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from impactkit.analysis import CR2, Inference
from impactkit.errors import NotEstimableError
from impactkit.estimators.matrix import trial_matrix
from impactkit.estimators.regression import carries_clusters, regress
from impactkit.estimators.sample import arms_of
from impactkit.results import RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.attrition_people import Assigned

__all__ = ["Line", "error_of", "group_sums", "line_of", "response_lines", "response_test"]

ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One row before it is named.

    Parameters
    ----------
    value, std_error, df, n : float
    influence : RowInfluence or None
    cell : float
        Smallest count behind it.
    interval : tuple of float, optional
        Limits of an interval that is not symmetric.
    test : tuple of float, optional
        Statistic and p value of a test that is not Wald's.
    """

    value: float
    std_error: float
    df: float
    n: float
    influence: RowInfluence | None
    cell: float
    interval: tuple[float, float] | None = None
    test: tuple[float, float] | None = None


def group_sums(influence: RowInfluence, study: StudyData, inference: Inference) -> NDArray[np.float64]:
    """Sum influence values within cluster, or set them out by person."""
    if carries_clusters(inference) and study.clusters is not None:
        codes = study.clusters if influence.index is None else study.clusters[influence.index]
        inside = codes >= 0
        size = int(study.clusters.max()) + 1
        sums = np.bincount(codes[inside], weights=influence.values[inside], minlength=size)
        return np.asarray(sums, dtype=np.float64)
    dense = np.zeros(study.n)
    dense[slice(None) if influence.index is None else influence.index] = influence.values
    return dense


def error_of(influence: RowInfluence, study: StudyData, inference: Inference) -> float:
    """Give the standard error that influence values state."""
    return float(np.sqrt((group_sums(influence, study, inference) ** 2).sum()))


# --- response -------------------------------------------------------------------------------------------------------


def response_lines(at: Assigned, study: StudyData, inference: Inference) -> tuple[list[Line], list[Line]]:
    """Response of each arm, control first, and its difference from control for each treated arm."""
    answered = at.responded.astype(np.float64)[:, None]
    arms = int(arms_of(study).max()) + 1
    cell = at.smallest_response()
    shares = []
    for code in range(arms):
        rows = at.arm == code
        weights = None if at.weights is None else at.weights[rows]
        found = regress(
            study,
            matrix=np.ones((int(rows.sum()), 1)),
            outcomes=answered[rows],
            member=at.member(study.n, rows),
            weights=weights,
            rows=[0],
            inference=inference,
        )
        line = line_of(found, 0, 0, int(rows.sum()), cell)
        shares.append(_exact(line, 1.0) if at.responded[rows].all() else line)
    # the difference is blocked by strata, never adjusted: it describes who is missing
    matrix = trial_matrix(
        arm=at.arm, arms=arms, strata=at.strata, covariates=None, weights=at.weights, adjustment="none"
    )
    found = regress(
        study,
        matrix=matrix,
        outcomes=answered,
        member=at.member(study.n),
        weights=at.weights,
        rows=list(range(1, arms)),
        inference=inference,
    )
    gaps = [line_of(found, row, 0, len(at.people), cell) for row in range(arms - 1)]
    if at.responded.all() or not at.responded.any():  # then exactly so, rather than but for a rounding
        return shares, [_exact(line, 0.0) for line in gaps]
    return shares, gaps


def response_test(at: Assigned, study: StudyData, inference: Inference) -> tuple[float, float, float]:
    """Test jointly whether covariates predict response differently by arm: statistic, df and p value.

    Raises
    ------
    NotEstimableError
        If everybody responded, or there are too few people or clusters.
    """
    from scipy.special import fdtrc

    if at.responded.all() or not at.responded.any():
        raise NotEstimableError("response does not vary, so nothing can predict it")
    arms = int(arms_of(study).max()) + 1
    width = at.covariates.shape[1]
    matrix = trial_matrix(
        arm=at.arm, arms=arms, strata=at.strata, covariates=at.covariates, weights=at.weights, adjustment="lin"
    )
    per_arm = (matrix.shape[1] - arms) // arms
    rows = [arms + per_arm * arm + place for arm in range(1, arms) for place in range(width)]
    found = regress(
        study,
        matrix=matrix,
        outcomes=at.responded.astype(np.float64)[:, None],
        member=at.member(study.n),
        weights=at.weights,
        rows=rows,
        inference=inference,
    )
    carried = {place: parts[0] for place, parts in enumerate(found.influence) if parts[0] is not None}
    usable = [place for place in carried if np.isfinite(found.std_error[place, 0])]
    if not usable or found.residual_df <= 0:
        raise NotEstimableError("too few people for a model of response with these covariates")
    coef = found.coef[usable, 0]
    sums = np.stack([group_sums(carried[place], study, inference) for place in usable])
    variance = sums @ sums.T
    scale = np.sqrt(np.diagonal(variance))
    safe = np.where(scale > 0, scale, 1.0)
    roots, vectors = np.linalg.eigh(variance / np.outer(safe, safe))
    kept = roots > ROUNDING * roots.max()
    rank = int(kept.sum())
    turned = vectors[:, kept].T @ (coef / safe)
    statistic = float((turned**2 / roots[kept]).sum())
    clustered = isinstance(inference, CR2) and at.clusters is not None
    free = float(found.residual_df)
    if isinstance(inference, CR2) and at.clusters is not None:
        free = float(len(np.unique(at.clusters)) - 1)
    if free - rank + 1 <= 0:
        what = "clusters" if clustered else "people"
        raise NotEstimableError(f"{rank} differences in response cannot be tested jointly with so few {what}")
    return statistic, float(rank), float(fdtrc(rank, free - rank + 1, statistic * (free - rank + 1) / (free * rank)))


def line_of(found: object, row: int, column: int, n: float, cell: float) -> Line:
    """Read one coefficient of a regression as a line."""
    from impactkit.estimators.regression import Regression

    assert isinstance(found, Regression)
    return Line(
        float(found.coef[row, column]),
        float(found.std_error[row, column]),
        float(found.df[row, column]),
        n,
        found.influence[row][column],
        cell,
    )


def _exact(line: Line, value: float) -> Line:
    assert line.influence is not None
    nothing = RowInfluence(line.influence.index, np.zeros(len(line.influence.values)))
    return replace(line, value=value, std_error=0.0, influence=nothing)


# --- weighting ------------------------------------------------------------------------------------------------------


# --- imputation -----------------------------------------------------------------------------------------------------


# --- bounds ---------------------------------------------------------------------------------------------------------
