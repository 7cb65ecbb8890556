"""Regressions on people: coefficients with influence values, errors and degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import CR2, Inference, Linearised
from impactkit.compute.clusters import ClusterInfluence, influence_cr2
from impactkit.compute.leastsquares import FULL_LEVERAGE, Fit, directions, fit, influence_hc
from impactkit.compute.linearised import influence_linearised
from impactkit.design import ALL
from impactkit.errors import NotEstimableError
from impactkit.results import DfParts, Influence, RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Regression", "carries_clusters", "influence_block", "refuse_crossing", "regress"]

EXACT = 1e-12
"""Residuals below this share of the outcome's size are rounding: the outcome is fitted exactly."""

TOO_SMALL = 0.9
"""A clustered variance expected to be below this share of the truth (equal, independent errors) is not given."""

NOTABLE = 0.999
"""A clustered variance expected to be below this share of the truth is given with a remark."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Chosen coefficients of one design matrix for m outcomes.

    Parameters
    ----------
    coef, std_error, df : ndarray of shape (R, m)
        NaN where a coefficient, its error or its degrees of freedom cannot be given.
    influence : list of R lists of m RowInfluence or None
    aliased : ndarray of bool, shape (k,)
        Columns left out because earlier ones imply them.
    residual_df : int
        People less columns kept.
    share : ndarray of shape (R,)
        Expected share of the variance that the standard error sees when errors are equal and independent.
        Less than 1 where a person or cluster is fitted exactly and still moves the coefficient.
    exact : ndarray of bool, shape (m,)
        Outcomes that the regression fits exactly, a constant among them.
    """

    coef: NDArray[np.float64]
    std_error: NDArray[np.float64]
    df: NDArray[np.float64]
    influence: list[list[RowInfluence | None]]
    aliased: NDArray[np.bool_]
    residual_df: int
    share: NDArray[np.float64]
    exact: NDArray[np.bool_]


def regress(
    study: StudyData,
    *,
    matrix: NDArray[np.float64],
    outcomes: NDArray[np.float64],
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    rows: list[int],
    inference: Inference,
    satterthwaite: bool = False,
) -> Regression:
    """Fit m outcomes on one matrix and give the chosen coefficients with their influence values.

    Parameters
    ----------
    matrix : ndarray of shape (n, k)
    outcomes : ndarray of shape (n, m)
    member : ndarray of bool, shape (N,)
        Which people of the study the n rows are, in order.
    weights : ndarray of shape (n,) or None
    rows : list of int
        Columns of ``matrix`` whose coefficients are wanted.
    inference : Inference
    satterthwaite : bool
        Without clusters, Bell and McCaffrey's degrees of freedom in place of n − k: CR2's, each person a cluster.

    Notes
    -----
    Someone fitted exactly (leverage one) who moves a coefficient leaves no residual from which to learn
    their variance: the standard error is then NaN, whatever the kind of errors. With clusters the same is
    asked of them by way of the Satterthwaite matrix P: its trace over the variance of the coefficient under
    equal, independent errors is the share of the variance that CR2 is expected to see, exactly 1 if every
    cluster's adjustment matrix has full rank. Below 0.9 no standard error is given.
    """
    solution = fit(X=matrix, Y=outcomes, weights=weights)
    n, m = outcomes.shape
    residual_df = n - solution.rank
    coef = solution.coef[rows]
    index: NDArray[np.int64] | None = None if member.all() else np.flatnonzero(member)
    people: NDArray[np.int64] | None = None
    parts: list[DfParts | None] = [None] * len(rows)
    share = np.ones(len(rows))
    present = codes = None
    if study.clusters is not None and carries_clusters(inference):
        present, codes = np.unique(study.clusters[member], return_inverse=True)
        clustered = influence_cr2(solution, X=matrix, weights=weights, clusters=codes, rows=rows)
        share = _seen_share(solution, clustered, rows=rows, weights=weights)
    elif 1.0 - solution.leverage.max(initial=0.0) < FULL_LEVERAGE:
        pulled = influence_hc(solution, X=matrix, weights=weights, rows=rows, kind="HC2")
        share = np.where(np.isnan(pulled[:, 0]).any(axis=1), 0.0, 1.0)
    if isinstance(inference, Linearised):
        refuse_crossing(study)
        included = study.population(ALL)
        linearised = influence_linearised(
            solution,
            X=matrix,
            weights=weights,
            rows=rows,
            member=member[included],
            strata=None if study.strata is None else study.strata[included],
            clusters=None if study.clusters is None else study.clusters[included],
        )
        people = np.flatnonzero(member)
        values, index = linearised.values, None if included.all() else np.flatnonzero(included)
        df = np.full((len(rows), m), float(linearised.df))
        groups: NDArray[np.signedinteger[Any]] | None = None if study.clusters is None else study.clusters[included]
    elif isinstance(inference, CR2):
        assert present is not None
        values, groups = clustered.values, codes
        df = np.repeat(clustered.df[:, None], m, axis=1)
        parts = [
            DfParts(present, clustered.norm[row], clustered.left[row], clustered.right[row], clustered.middle)
            for row in range(len(rows))
        ]
    else:
        values = influence_hc(solution, X=matrix, weights=weights, rows=rows, kind=inference.kind)
        df, groups = np.full((len(rows), m), float(residual_df)), None
        if satterthwaite:
            alone = influence_cr2(solution, X=matrix, weights=weights, clusters=np.arange(n), rows=rows)
            df = np.repeat(alone.df[:, None], m, axis=1)
    largest = _largest(outcomes)
    exact = _largest(solution.residuals) <= EXACT * largest
    if exact.any():
        values[:, exact] = 0.0
        coef[:, exact] = np.where(np.abs(coef[:, exact]) <= EXACT * largest[exact], 0.0, coef[:, exact])
    if residual_df <= 0:
        share = np.zeros(len(rows))
    values[share < TOO_SMALL] = np.nan
    return Regression(
        coef=coef,
        std_error=np.sqrt(_sum_of_squares(values, groups)),
        df=np.where(df > 0, df, np.nan),
        influence=[
            [RowInfluence(index, values[row, column], parts[row], people) for column in range(m)]
            for row in range(len(rows))
        ],
        aliased=solution.aliased,
        residual_df=residual_df,
        share=share,
        exact=exact,
    )


def _largest(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the largest absolute value of each column, without a copy of them."""
    size: NDArray[np.float64] = np.maximum(columns.max(axis=0), -columns.min(axis=0))
    return size


def _seen_share(
    solution: Fit, found: ClusterInfluence, *, rows: list[int], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Trace of the Satterthwaite matrix over the variance of the coefficient, both under the working model."""
    scale = 1.0 if weights is None else float(weights.mean())
    combos = directions(solution, rows=rows)
    truth = scale * np.einsum("ri,ij,rj->r", combos, found.middle, combos)
    crossed = np.einsum("rgi,ij,rgj->r", found.right, found.middle, found.right)
    trace = found.norm.sum(axis=1) - 2.0 * np.einsum("rgi,rgi->r", found.left, found.right) + crossed
    share: NDArray[np.float64] = trace / truth
    return share


def refuse_crossing(study: StudyData) -> None:
    """Linearised errors take clusters as sampling units within strata."""
    if study.strata is None or study.clusters is None:
        return
    pairs = np.unique(study.clusters.astype(np.int64) * (int(study.strata.max(initial=0)) + 1) + study.strata)
    crossing = len(pairs) - len(np.unique(study.clusters))
    if crossing:
        raise NotEstimableError(
            f"linearised errors take each cluster (`{study.design.clusters}`) within one stratum, and clusters fall in "
            f"{crossing} strata too many: use CR2(), or name sampling units within strata"
        )


def _sum_of_squares(values: NDArray[np.float64], codes: NDArray[np.signedinteger[Any]] | None) -> NDArray[np.float64]:
    if codes is None:
        total: NDArray[np.float64] = np.einsum("rmn,rmn->rm", values, values)
        return total
    flat = values.reshape(-1, values.shape[-1])
    inside = codes >= 0
    sums = np.stack([np.bincount(codes[inside], weights=line[inside]) for line in flat])
    squared: NDArray[np.float64] = (sums**2).sum(axis=1).reshape(values.shape[:2])
    return squared


def carries_clusters(inference: Inference) -> bool:
    """Whether influence values are to be summed within the design's clusters."""
    return isinstance(inference, CR2 | Linearised)


def influence_block(study: StudyData, rows: list[RowInfluence | None], inference: Inference) -> Influence:
    """Wrap row influences as one block on the study's person table."""
    return Influence(
        table=study.design.table,
        token=study.data_hash,
        units=study.units,
        clusters=study.clusters if carries_clusters(inference) else None,
        rows=tuple(rows),
    )
