"""Design matrices of trials, and the regressions on them: estimates with influence values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impactkit.analysis import CR2, Inference, Linearised
from impactkit.compute.clusters import influence_cr2
from impactkit.compute.leastsquares import fit, influence_hc
from impactkit.compute.linearised import influence_linearised
from impactkit.errors import NotEstimableError
from impactkit.results import DfParts, Influence, RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Adjustment", "Regression", "carries_clusters", "influence_block", "regress", "trial_matrix"]

Adjustment = Literal["none", "ancova", "lin"]


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Chosen coefficients of one design matrix for m outcomes.

    Parameters
    ----------
    coef, std_error, df : ndarray of shape (R, m)
    influence : list of R lists of m RowInfluence
    aliased : ndarray of bool, shape (k,)
        Columns left out because earlier ones imply them.
    residual_df : int
    """

    coef: NDArray[np.float64]
    std_error: NDArray[np.float64]
    df: NDArray[np.float64]
    influence: list[list[RowInfluence]]
    aliased: NDArray[np.bool_]
    residual_df: int


def trial_matrix(
    *,
    arm: NDArray[np.int8],
    arms: int,
    strata: NDArray[np.int32] | None,
    covariates: NDArray[np.float64] | None,
    weights: NDArray[np.float64] | None,
    adjustment: Adjustment,
) -> NDArray[np.float64]:
    """Build the design matrix of a trial; columns 1 to ``arms − 1`` are the treated arms.

    Parameters
    ----------
    arm : ndarray of shape (n,)
        0 for control, j for the j-th treated arm.
    arms : int
        Number of arms.
    strata : ndarray of shape (n,) or None
    covariates : ndarray of shape (n, p) or None
    weights : ndarray of shape (n,) or None
        Interacted columns are centred at their weighted mean.
    adjustment : {"none", "ancova", "lin"}
        With ``"none"`` and strata the matrix gives the blocked difference in means.
    """
    n = len(arm)
    treated = (arm[:, None] == np.arange(1, arms)).astype(np.float64)
    blocks: list[NDArray[np.float64]] = []
    if covariates is not None and adjustment != "none":
        blocks.append(covariates)
    if strata is not None:
        present = np.unique(strata)
        if len(present) > 1:
            blocks.append((strata[:, None] == present[1:]).astype(np.float64))
    intercept = np.ones((n, 1))
    if not blocks:
        return np.hstack([intercept, treated])
    controls = np.hstack(blocks)
    if adjustment == "ancova":
        return np.hstack([intercept, treated, controls])
    centred = controls - np.average(controls, axis=0, weights=weights)
    crossed = [treated[:, [place]] * centred for place in range(arms - 1)]
    return np.hstack([intercept, treated, centred, *crossed])


def regress(
    study: StudyData,
    *,
    matrix: NDArray[np.float64],
    outcomes: NDArray[np.float64],
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    rows: list[int],
    inference: Inference,
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
    """
    solution = fit(X=matrix, Y=outcomes, weights=weights)
    n, m = outcomes.shape
    residual_df = n - solution.rank
    coef = solution.coef[rows]
    index: NDArray[np.int64] | None = np.flatnonzero(member)
    parts: list[DfParts | None] = [None] * len(rows)
    if isinstance(inference, Linearised):
        _refuse_crossing(study)
        linearised = influence_linearised(
            solution,
            X=matrix,
            weights=weights,
            rows=rows,
            member=member,
            strata=study.strata,
            clusters=study.clusters,
        )
        values, index = linearised.values, None
        df = np.full((len(rows), m), float(linearised.df))
        variance = _sum_of_squares(values, study.clusters)
    elif isinstance(inference, CR2):
        assert study.clusters is not None
        present, codes = np.unique(study.clusters[member], return_inverse=True)
        clustered = influence_cr2(solution, X=matrix, weights=weights, clusters=codes, rows=rows)
        values = clustered.values
        df = np.repeat(clustered.df[:, None], m, axis=1)
        variance = _sum_of_squares(values, codes)
        parts = [
            DfParts(present, clustered.norm[row], clustered.left[row], clustered.right[row], clustered.middle)
            for row in range(len(rows))
        ]
    else:
        values = influence_hc(solution, X=matrix, weights=weights, rows=rows, kind=inference.kind)
        df = np.full((len(rows), m), float(residual_df))
        variance = _sum_of_squares(values, None)
    df = np.where(df > 0, df, np.nan)
    return Regression(
        coef=coef,
        std_error=np.sqrt(variance),
        df=df,
        influence=[
            [RowInfluence(index, values[row, column], parts[row]) for column in range(m)] for row in range(len(rows))
        ],
        aliased=solution.aliased,
        residual_df=residual_df,
    )


def _refuse_crossing(study: StudyData) -> None:
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
