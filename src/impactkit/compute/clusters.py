"""Cluster-robust CR2 influence values with Satterthwaite degrees of freedom (Bell & McCaffrey 2002).

Clusters are handled in batches of like size: small ones by the eigenvalues of their own n_g x n_g matrix,
large ones by those of a matrix as wide as the design. Neither the n x n hat matrix nor the G x G matrix of
the degrees of freedom is ever formed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from impactkit.compute.leastsquares import BLOCK, Fit, FloatArray, IntArray, Rows, directions, whitened

__all__ = ["ClusterInfluence", "ContrastPart", "influence_cr2", "satterthwaite", "stacked_contrast"]

ContrastPart: TypeAlias = tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]

ZERO_EIGENVALUE = 1e-12  # an absorbed direction of a cluster: estimatr's and clubSandwich's threshold
BATCH_CELLS = 1 << 17  # numbers in the largest stack of matrices: it stays in the cache
PADDING = 1.15  # large clusters up to this ratio of sizes share a batch; shorter ones get empty rows
ZERO_TRACE = 1e-12  # a trace below this share of its terms is rounding: the direction has no variance


@dataclass(frozen=True, slots=True)
class ClusterInfluence:
    """CR2 influence values and what their degrees of freedom are made of.

    Attributes
    ----------
    values : (R, m, n)
        Per unit; summed within cluster, squared and summed they give the CR2 variance.
    df : (R,)
        Satterthwaite degrees of freedom of each row.
    norm : (R, G)
        ``d_g = ||q_g||^2``.
    left, right : (R, G, K)
        ``a_g`` and ``b_g``, K the rank of the design.
    middle : (K, K)
        ``S``, so that ``P_gh = delta_gh d_g - a_g'b_h - b_g'a_h + b_g' S b_h`` is the matrix whose
        trace and squares give the degrees of freedom.
    """

    values: FloatArray
    df: FloatArray
    norm: FloatArray
    left: FloatArray
    right: FloatArray
    middle: FloatArray


def influence_cr2(
    fit: Fit, *, X: FloatArray, weights: FloatArray | None, clusters: npt.NDArray[np.integer], rows: Rows
) -> ClusterInfluence:
    """Influence values of coefficients under the bias-reduced clustered variance CR2.

    Parameters
    ----------
    fit : Fit
    X : (n, k)
        The design matrix that was fitted.
    weights : (n,) or None
        The weights that were used.
    clusters : (n,) int
        Cluster codes 0..G-1; a code without rows contributes nothing.
    rows : sequence of int, or (R, k)
        Coefficients wanted, or linear combinations of coefficients.

    Returns
    -------
    ClusterInfluence

    Notes
    -----
    The working model is independent errors of equal variance, also when there are weights, as in
    estimatr and in clubSandwich for sampling weights. With ``M = (X'WX)^-1``, ``H = X M X'W`` and
    ``S = M X'W^2 X M``, cluster g has

    ``B_g = I - H_gg - H_gg' + X_g S X_g'``, ``A_g = B_g^{+1/2}``, influence ``c'M X_g' W_g A_g e_g``.

    Effects absorbed within clusters make ``B_g`` singular: eigenvalues up to 1e-12 are set to zero
    (the Moore-Penrose root). Degrees of freedom use ``q_g = A_g W_g X_g M c``, ``b_g = X_g'q_g``,
    ``a_g = M X_g'W_g q_g``, all in the basis in which ``X'WX = I``.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression
    with multi-stage samples. Survey Methodology 28, 169-181.
    Pustejovsky, J. E. and Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation.
    Journal of Business & Economic Statistics 36, 672-683.
    """
    mean_weight = 1.0 if weights is None else float(weights.mean())
    combos = directions(fit, rows=rows) * np.sqrt(mean_weight)
    row_count, outcomes, rank = combos.shape[0], fit.residuals.shape[1], fit.rank
    sizes = np.bincount(clusters)
    order = np.argsort(clusters, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    middle = _middle(fit, X=X, weights=weights, mean_weight=mean_weight)
    widest = rank if weights is None else 2 * rank

    values = np.empty((X.shape[0], row_count, outcomes))
    norm = np.zeros((row_count, sizes.size))
    left, right = np.zeros((2, row_count, sizes.size, rank))
    for batch, width in _batches(sizes=sizes, dense=widest):
        inside = np.arange(width) < sizes[batch][:, None]
        person = order[np.where(inside, starts[batch][:, None] + np.arange(width), 0)]
        z = whitened(fit, X=X[person])
        if weights is None:
            wz = z
        else:
            z *= np.sqrt(mean_weight)
            wz = z * (weights[person] / mean_weight)[..., None]
        residuals = fit.residuals[person]
        if not inside.all():
            for part in (z, wz, residuals):
                part[~inside] = 0.0
        scores = wz @ combos.T
        adjusted = _adjust(
            z=z,
            wz=None if weights is None else wz,
            middle=middle,
            columns=np.concatenate([residuals, scores], axis=2),
            dense=width <= widest,
        )
        q = adjusted[..., outcomes:]
        people = person[inside]
        values[people] = (scores[..., :, None] * adjusted[..., None, :outcomes])[inside]
        norm[:, batch] = (q**2).sum(axis=1).T
        right[:, batch] = np.moveaxis(np.swapaxes(z, 1, 2) @ q, 2, 0)
        left[:, batch] = np.moveaxis(np.swapaxes(wz, 1, 2) @ q, 2, 0)
    df = np.array([satterthwaite(norm=norm[r], left=left[r], right=right[r], middle=middle) for r in range(row_count)])
    return ClusterInfluence(
        values=np.ascontiguousarray(values.transpose(1, 2, 0)),
        df=df,
        norm=norm,
        left=left,
        right=right,
        middle=middle,
    )


def satterthwaite(*, norm: FloatArray, left: FloatArray, right: FloatArray, middle: FloatArray) -> float:
    """Satterthwaite degrees of freedom ``(sum_g P_gg)^2 / sum_gh P_gh^2`` without forming P.

    Parameters
    ----------
    norm : (G,)
    left, right : (G, K)
    middle : (K, K)
        The parts of ``P``, as in `ClusterInfluence`.

    Returns
    -------
    float
        NaN when the contrast has no variance at all.

    Notes
    -----
    ``P = D + F C F'`` with ``F = [left, right]``, so that the sum of squares is
    ``sum d^2 + 2 sum_g d_g (F C F')_gg + tr (C F'F)^2``: time and memory O(G K) plus O(G K^2) products.
    """
    zero = np.zeros_like(middle)
    unit = np.eye(middle.shape[0])
    core = np.block([[zero, -unit], [-unit, middle]])
    factors = np.concatenate([left, right], axis=1)
    diagonal = np.einsum("gi,gi->g", factors @ core, factors)
    trace = float((norm + diagonal).sum())
    product = core @ (factors.T @ factors)
    squares = float((norm**2).sum() + 2.0 * (norm @ diagonal) + (product * product.T).sum())
    if not trace > ZERO_TRACE * float(norm.sum()):
        return float("nan")
    return trace**2 / squares


def stacked_contrast(
    *, parts: Sequence[ContrastPart], clusters: Sequence[npt.NDArray[np.integer]], count: int | None = None
) -> float:
    """Satterthwaite degrees of freedom of a combination of coefficients from several regressions.

    Parameters
    ----------
    parts : sequence of (coef, norm, left, right, middle)
        For each regression the multiplier of its coefficient in the combination and the parts of its
        ``P``: one row of a `ClusterInfluence`.
    clusters : sequence of (G_r,) int
        For each regression where its clusters stand in the common list of clusters, each place once;
        populations may overlap in part or not at all.
    count : int, optional
        Length of the common list.

    Returns
    -------
    float
        What CR2 gives for the regressions stacked into one, design blocks apart, and clustered by the
        common clusters: ``P = sum_r coef_r^2 P^(r)``.

    Notes
    -----
    Each part must be a regression of its own (another outcome or another population). For two coefficients
    of one regression ask `influence_cr2` for the combination.
    """
    total = count if count is not None else 1 + max(int(codes.max()) for codes in clusters)
    width = sum(part[4].shape[0] for part in parts)
    norm = np.zeros(total)
    left, right, middle = np.zeros((total, width)), np.zeros((total, width)), np.zeros((width, width))
    start = 0
    for (multiplier, part_norm, part_left, part_right, part_middle), codes in zip(parts, clusters, strict=True):
        block = slice(start, start + part_middle.shape[0])
        norm[codes] += multiplier**2 * part_norm
        left[codes, block] = multiplier * part_left
        right[codes, block] = multiplier * part_right
        middle[block, block] = part_middle
        start = block.stop
    return satterthwaite(norm=norm, left=left, right=right, middle=middle)


def _middle(fit: Fit, *, X: FloatArray, weights: FloatArray | None, mean_weight: float) -> FloatArray:
    """``S = Z'W^2Z`` in the whitened basis, weights scaled to mean one; the identity without weights."""
    if weights is None:
        return np.eye(fit.rank)
    middle = np.zeros((fit.rank, fit.rank))
    for start in range(0, X.shape[0], BLOCK):
        block = slice(start, start + BLOCK)
        part = whitened(fit, X=X[block]) * (weights[block] / np.sqrt(mean_weight))[:, None]
        middle += part.T @ part
    return middle


def _batches(*, sizes: IntArray, dense: int) -> Iterator[tuple[IntArray, int]]:
    """Clusters in batches with the width to pad them to: exact for small ones, nearly so for large ones."""
    ranked = np.argsort(sizes, kind="stable")
    ordered = sizes[ranked]
    position = int(np.searchsorted(ordered, 0, side="right"))
    while position < ordered.size:
        size = int(ordered[position])
        limit = size if size <= dense else int(PADDING * size)
        stop = int(np.searchsorted(ordered, limit, side="right"))
        cells = limit * max(limit, dense) if size <= dense else limit * dense
        stop = min(stop, position + max(1, BATCH_CELLS // cells))
        yield ranked[position:stop], int(ordered[stop - 1])
        position = stop


def _adjust(
    *, z: FloatArray, wz: FloatArray | None, middle: FloatArray, columns: FloatArray, dense: bool
) -> FloatArray:
    """``A_g`` times some columns for a stack of clusters.

    Parameters
    ----------
    z, wz : (b, n_g, K)
        Whitened design rows and the same times their weights; ``wz`` None without weights.
    middle : (K, K)
    columns : (b, n_g, c)
    dense : bool
        Work in n_g dimensions rather than in those of the design.

    Returns
    -------
    (b, n_g, c)
    """
    z_t = np.swapaxes(z, 1, 2)
    if dense:
        if wz is None:
            matrix = -(z @ z_t)
        else:
            half = (0.5 * z @ middle - wz) @ z_t
            matrix = half + np.swapaxes(half, 1, 2)
        index = np.arange(z.shape[1])
        matrix[:, index, index] += 1.0
        if z.shape[1] == 1:
            return _inverse_sqrt(matrix) * columns
        values, vectors = np.linalg.eigh(matrix)
        scaled = _inverse_sqrt(values)[..., None] * (np.swapaxes(vectors, 1, 2) @ columns)
        result: FloatArray = vectors @ scaled
        return result
    if wz is None:
        values, vectors = np.linalg.eigh(z_t @ z)
        slack = 1.0 - values
        kept = slack > ZERO_EIGENVALUE
        root = np.sqrt(np.where(kept, slack, 1.0))
        gain = np.where(kept, 1.0 / (root * (1.0 + root)), -1.0 / np.where(kept, 1.0, values))
        span = z @ vectors
    else:
        span, gain = _span(z=z, wz=wz, middle=middle)
    moved: FloatArray = columns + span @ (gain[..., None] * (np.swapaxes(span, 1, 2) @ columns))
    return moved


def _span(*, z: FloatArray, wz: FloatArray, middle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormal eigenvectors of ``B_g`` in the span of ``[Z_g, W_g Z_g]`` and ``mu^{-1/2} - 1``.

    ``B_g = I + U K U'`` with ``U = [Z, WZ]`` and ``K = [[S, -I], [-I, 0]]``. Directions of U that are only
    rounding (equal weights within a cluster) come out with a length of rounding and do no harm.
    """
    rank = z.shape[2]
    unit = np.eye(rank)
    kernel = np.block([[middle, -unit], [-unit, np.zeros_like(unit)]])
    both = np.concatenate([z, wz], axis=2)
    lengths, axes = np.linalg.eigh(np.swapaxes(both, 1, 2) @ both)
    real = lengths > np.finfo(float).eps ** 2
    stretch = np.sqrt(np.where(real, lengths, 0.0))
    shrink = np.where(real, 1.0 / np.where(real, stretch, 1.0), 0.0)
    inner = axes * stretch[:, None, :]
    excess = np.swapaxes(inner, 1, 2) @ kernel @ inner
    values, vectors = np.linalg.eigh(0.5 * (excess + np.swapaxes(excess, 1, 2)))
    span = both @ ((axes * shrink[:, None, :]) @ vectors)
    return span, _inverse_sqrt(1.0 + values) - 1.0


def _inverse_sqrt(eigenvalues: FloatArray) -> FloatArray:
    """``lambda^{-1/2}``, and 0 for eigenvalues that are zero within rounding."""
    kept = eigenvalues > ZERO_EIGENVALUE
    root: FloatArray = np.where(kept, 1.0 / np.sqrt(np.where(kept, eigenvalues, 1.0)), 0.0)
    return root
