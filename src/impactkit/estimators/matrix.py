"""Design matrices of trials: their columns, the names of those, and what cannot be told from the arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.compute.leastsquares import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Adjustment", "LeftOut", "columns_left_out", "trial_matrix"]

Adjustment = Literal["none", "ancova", "lin"]

INVOLVED = 1e-6
"""Share of a column's size that the arm must contribute before the column counts as following from the arm."""


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

    Returns
    -------
    ndarray of shape (n, k)
        The constant, the arms, covariates, dummies of the strata present but the first; then, unless
        ``"ancova"``, for each treated arm the product of all those with it.
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
    if adjustment == "ancova":
        return np.hstack([intercept, treated, *blocks])
    width = sum(block.shape[1] for block in blocks)
    matrix = np.hstack([intercept, treated, *blocks, np.empty((n, width * (arms - 1)))])
    centred = matrix[:, arms : arms + width]
    centred -= np.average(centred, axis=0, weights=weights)
    for place in range(arms - 1):
        start = arms + width * (place + 1)
        np.multiply(centred, treated[:, [place]], out=matrix[:, start : start + width])
    return matrix


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Columns of a design matrix that the regression left out, by what that means.

    Parameters
    ----------
    redundant : tuple of str
        Covariates and strata that are constant here or follow from others; the effect is the same without.
    crossed : tuple of str
        Products with the arm that follow from other columns though their covariate does not: nobody, or
        nobody else, has that value in the arm. The adjustment is not interacted there.
    with_arm : tuple of (int, str)
        Columns from which the arm can be told, by the treated arm's place (1 and up): the effect of that
        arm and theirs cannot be separated.
    """

    redundant: tuple[str, ...]
    crossed: tuple[str, ...]
    with_arm: tuple[tuple[int, str], ...]


def columns_left_out(
    matrix: NDArray[np.float64],
    aliased: NDArray[np.bool_],
    *,
    labels: Sequence[str],
    controls: Sequence[str],
    weights: NDArray[np.float64] | None,
) -> LeftOut:
    """Sort the columns that a regression on a trial's matrix left out.

    Parameters
    ----------
    matrix : ndarray of shape (n, k)
        As :func:`trial_matrix` built it.
    aliased : ndarray of bool, shape (k,)
    labels : sequence of str
        The treated arms.
    controls : sequence of str
        Names of covariates and stratum dummies, in the matrix's order.
    weights : ndarray of shape (n,) or None
    """
    first = 1 + len(labels)
    width = len(controls)
    gone = [place for place in range(width) if aliased[first + place]]
    with_arm = [
        (arm, controls[place])
        for place in gone
        for arm in _arms_within(matrix[:, : first + place], matrix[:, first + place], first, weights)
    ]
    products = [
        f"{controls[place]} × {label}"
        for block, label in enumerate(labels, start=1)
        for place in range(width)
        if first + block * width + place < len(aliased)
        and aliased[first + block * width + place]
        and not aliased[first + place]
    ]
    told = {name for _, name in with_arm}
    return LeftOut(
        redundant=tuple(controls[place] for place in gone if controls[place] not in told),
        crossed=tuple(products),
        with_arm=tuple(with_arm),
    )


def _arms_within(
    before: NDArray[np.float64], column: NDArray[np.float64], first: int, weights: NDArray[np.float64] | None
) -> list[int]:
    """Give the arms that take part in explaining a column by the columns before it."""
    solved = fit(X=before, Y=column[:, None], weights=weights).coef[1:first, 0]
    size = float(np.abs(column).max(initial=0.0))
    return [place for place, value in enumerate(solved, start=1) if abs(value) > INVOLVED * size]
