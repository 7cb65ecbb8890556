"""Weighted least squares for many outcomes at once, and heteroskedasticity-consistent influence values.

The fit centres every column at its weighted mean before any product is summed, so that incomes near a
million keep their digits, and works in a basis in which ``X'WX`` is the identity. Everything downstream
(leverages, scores, clustered adjustments) reads that basis instead of inverting a Gram matrix again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Fit", "FloatArray", "HCKind", "IntArray", "Rows", "directions", "fit", "influence_hc", "whitened"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.intp]
Rows: TypeAlias = Sequence[int] | FloatArray
HCKind: TypeAlias = Literal["HC0", "HC1", "HC2", "HC3"]

BLOCK = 4096  # rows per block: a block of 20 columns fits the cache
ALIAS = 1e-7  # R's lm: a column whose residual norm falls below this share of its norm is dropped
REFINE = 1e3  # largest variance inflation beyond which the Gram matrix is formed a second time
SINGULAR = 1e10  # largest variance inflation beyond which columns are examined one by one by QR
FULL_LEVERAGE = 1e-10  # 1 - h below this counts as zero
NEGLIGIBLE = 1e-8  # share of the largest weight a unit may have in a coefficient and be said not to move it


@dataclass(frozen=True, slots=True)
class Fit:
    """A weighted least squares fit of m outcomes on one design matrix.

    Attributes
    ----------
    coef : (k, m)
        Coefficients; NaN for a column dropped because earlier columns explain it.
    residuals : (n, m)
        ``y - X b``, not weighted.
    bread : (k, k)
        ``(X'WX)^-1``, rows and columns of dropped columns zero.
    leverage : (n,)
        ``w_i x_i' bread x_i``.
    rank : int
        Columns kept.
    aliased : (k,) bool
        Columns dropped, the later of any collinear set, as R's ``lm`` drops them.
    shift : (k,)
        Subtracted from the columns before any product is formed: their weighted means where the
        design has a constant column, else zero.
    whitener : (k, rank)
        ``Q = (X - shift) @ whitener`` has ``Q'WQ = I``.
    root : (k, rank)
        ``bread = root @ root.T`` and ``bread @ x_i = root @ q_i``: scores without cancellation.
    """

    coef: FloatArray
    residuals: FloatArray
    bread: FloatArray
    leverage: FloatArray
    rank: int
    aliased: npt.NDArray[np.bool_]
    shift: FloatArray
    whitener: FloatArray
    root: FloatArray


@dataclass(frozen=True, slots=True)
class _Basis:
    """The centring and orthonormal basis of some kept columns, with the outcomes' coordinates in it.

    Attributes
    ----------
    anchor : int
        Index of the constant column among the kept ones, or -1.
    level : float
        Value of the constant column.
    shift : (p,)
    centre : (m,)
        Subtracted from the outcomes.
    whitener : (p, p)
    gamma : (p, m)
        ``Q'W(y - centre)``.
    targets : (m, n)
        ``y - centre``, each outcome contiguous.
    """

    anchor: int
    level: float
    shift: FloatArray
    centre: FloatArray
    whitener: FloatArray
    gamma: FloatArray
    targets: FloatArray


def fit(*, X: FloatArray, Y: FloatArray, weights: FloatArray | None = None) -> Fit:
    """Fit m outcomes on one design matrix by (weighted) least squares.

    Parameters
    ----------
    X : (n, k)
        Design matrix, the constant included; complete.
    Y : (n, m)
        Outcomes observed for the same n units; complete.
    weights : (n,), optional
        Positive probability or response weights; their scale does not matter to anything but ``bread``.

    Returns
    -------
    Fit

    Notes
    -----
    1. Centre columns and outcomes at their weighted means if the first column is constant.
    2. Sum the Gram matrix in blocks of rows, standardise, factorise by Cholesky. If it is moderately
       conditioned, whiten and do so once more, which brings the basis to machine accuracy.
    3. If it is near singular, find by QR in column order which columns to drop (residual norm below
       1e-7 of the column's norm, R's rule) and repeat with the others.

    Extra memory beyond the answer is that of a block of rows; the matrix is copied only when columns drop.
    """
    count, columns = X.shape
    kept = np.arange(columns)
    basis = _basis(X=X, Y=Y, weights=weights, anchor=_leading_constant(X=X), trusted=False)
    if basis is None:
        triangle = _triangle(X=X, weights=weights)
        kept = _independent(triangle=triangle)
        anchor = next((i for i, column in enumerate(kept) if _is_constant(X[:, column])), -1)
        basis = _basis(X=np.ascontiguousarray(X[:, kept]), Y=Y, weights=weights, anchor=anchor, trusted=True)
        assert basis is not None
    rank = kept.size
    shift, whitener = np.zeros(columns), np.zeros((columns, rank))
    shift[kept], whitener[kept] = basis.shift, basis.whitener

    root = whitener.copy()
    coef = np.full((columns, Y.shape[1]), np.nan)
    coef[kept] = basis.whitener @ basis.gamma
    if basis.anchor >= 0:
        anchor = int(kept[basis.anchor])
        ratio = basis.shift / basis.level
        root[anchor] -= ratio @ basis.whitener
        coef[anchor] += basis.centre / basis.level - ratio @ coef[kept]

    leverage, residuals = np.empty(count), basis.targets
    for block in _blocks(count):
        basis_rows = (X[block] - shift) @ whitener
        np.einsum("ij,ij->i", basis_rows, basis_rows, out=leverage[block])
        residuals[:, block] -= basis.gamma.T @ basis_rows.T
    if weights is not None:
        leverage *= weights
    aliased = np.ones(columns, dtype=bool)
    aliased[kept] = False
    return Fit(
        coef=coef,
        residuals=residuals.T,
        bread=root @ root.T,
        leverage=leverage,
        rank=rank,
        aliased=aliased,
        shift=shift,
        whitener=whitener,
        root=root,
    )


def influence_hc(
    fit: Fit, *, X: FloatArray, weights: FloatArray | None, rows: Rows, kind: HCKind
) -> npt.NDArray[np.float64]:
    """Influence values of coefficients under heteroskedasticity-consistent errors.

    Parameters
    ----------
    fit : Fit
    X : (n, k)
        The design matrix that was fitted.
    weights : (n,) or None
        The weights that were used.
    rows : sequence of int, or (R, k)
        Coefficients wanted, or linear combinations of coefficients.
    kind : {"HC0", "HC1", "HC2", "HC3"}

    Returns
    -------
    (R, m, n)
        ``(bread x_i)_r w_i e_ij`` times 1 (HC0), ``sqrt(n / (n - rank))`` (HC1), ``(1 - h_i)^-1/2`` (HC2)
        or ``(1 - h_i)^-1`` (HC3). Their squares sum to the variance, their products to covariances.

    Notes
    -----
    The leverage of a weighted fit is ``h_i = w_i x_i' bread x_i``: the adjustment of the regression
    scaled by ``sqrt(w)``. A unit fitted exactly (``h_i = 1``) has influence 0 if it does not move
    the coefficient, as when a dummy of its own absorbs it; if it does, no such standard error exists
    and the whole row is NaN. A row for a dropped column is NaN.
    """
    combos = directions(fit, rows=rows)
    pull = _pull(fit, X=X, weights=weights, combos=combos)
    if kind == "HC0":
        scale = np.ones(fit.leverage.size)
    elif kind == "HC1":
        count = fit.leverage.size
        scale = np.full(count, np.sqrt(count / (count - fit.rank)) if count > fit.rank else np.nan)
    elif kind in ("HC2", "HC3"):
        slack = 1.0 - fit.leverage
        full = slack < FULL_LEVERAGE
        scale = np.where(full, 1.0, slack) ** (-0.5 if kind == "HC2" else -1.0)
        if full.any():
            largest = np.abs(pull).max(axis=1)
            moved = (np.abs(pull[:, full]) > NEGLIGIBLE * largest[:, None]).any(axis=1)
            scale[full] = 0.0
            pull[moved] = np.nan
    else:
        raise ValueError(f"kind must be 'HC0', 'HC1', 'HC2' or 'HC3', got {kind!r}.")
    pull *= scale
    values: FloatArray = pull[:, None, :] * fit.residuals.T
    return values


def directions(fit: Fit, *, rows: Rows) -> FloatArray:
    """Rows of ``root`` (or combinations of them): the coefficients as directions in the whitened basis.

    Parameters
    ----------
    fit : Fit
    rows : sequence of int, or (R, k)
        Coefficients, or linear combinations of coefficients.

    Returns
    -------
    (R, rank)
        NaN where a dropped column takes part.
    """
    wanted = np.asarray(rows)
    if wanted.ndim == 2:
        combos: FloatArray = wanted @ fit.root
        combos[(wanted[:, fit.aliased] != 0).any(axis=1)] = np.nan
    else:
        index = wanted.astype(np.intp)
        combos = fit.root[index]
        combos[fit.aliased[index]] = np.nan
    return combos


def whitened(fit: Fit, *, X: FloatArray) -> FloatArray:
    """Rows of the design matrix in the basis in which ``X'WX = I``.

    Parameters
    ----------
    fit : Fit
    X : (..., k)
        Rows of the design matrix that was fitted.

    Returns
    -------
    (..., rank)
    """
    rows: FloatArray = (X - fit.shift) @ fit.whitener
    return rows


def _pull(fit: Fit, *, X: FloatArray, weights: FloatArray | None, combos: FloatArray) -> FloatArray:
    """``(bread x_i)_r w_i``, shape (R, n): what one more unit of y_i adds to coefficient r."""
    lens = fit.whitener @ combos.T
    pull = np.empty((combos.shape[0], X.shape[0]))
    for block in _blocks(X.shape[0]):
        pull[:, block] = ((X[block] - fit.shift) @ lens).T
    if weights is not None:
        pull *= weights
    return pull


def _blocks(count: int) -> Iterator[slice]:
    """Consecutive blocks of rows."""
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def _is_constant(column: FloatArray) -> bool:
    return bool(column.size and column[0] != 0.0 and (column == column[0]).all())


def _leading_constant(*, X: FloatArray) -> int:
    return 0 if X.shape[1] and _is_constant(X[:, 0]) else -1


def _basis(*, X: FloatArray, Y: FloatArray, weights: FloatArray | None, anchor: int, trusted: bool) -> _Basis | None:
    """Centre and whiten the columns; None if they may be collinear and are not ``trusted`` not to be."""
    count, columns = X.shape
    shift, centre, level = np.zeros(columns), np.zeros(Y.shape[1]), 1.0
    if anchor >= 0:
        level = float(X[0, anchor])
        shares = np.full(count, 1.0 / count) if weights is None else weights / weights.sum()
        shift, centre = shares @ X, shares @ Y
        shift[anchor] = 0.0
    targets = np.empty((Y.shape[1], count))
    targets[:] = Y.T
    targets -= centre[:, None]
    gram, products = _gram(X=X, targets=targets, weights=weights, shift=shift, whitener=None)
    norms = np.sqrt(np.diagonal(gram))
    if not trusted and not (norms > 0.0).all():
        return None
    scales = 1.0 / norms
    standardised = gram * scales * scales[:, None]
    inverse = _inverse_root(gram=standardised)
    inflation = np.full(columns, np.inf) if inverse is None else (inverse**2).sum(axis=1)
    worst = float(inflation.max(initial=0.0))
    if not trusted:
        if worst > SINGULAR:
            return None
        mass = float(count) if weights is None else float(weights.sum())
        alone = norms / np.sqrt(inflation)
        if (alone < 10.0 * ALIAS * np.sqrt(norms**2 + shift**2 * mass)).any():
            return None
    if inverse is None or worst > SINGULAR:
        whitener = scales[:, None] * _solve_upper(_triangle(X=X, weights=weights, shift=shift, scales=scales))
        worst = np.inf
    else:
        whitener = scales[:, None] * inverse
    gamma = whitener.T @ products
    if worst > REFINE:
        gram, products = _gram(X=X, targets=targets, weights=weights, shift=shift, whitener=whitener)
        second = _inverse_root(gram=gram)
        if second is not None:
            whitener, gamma = whitener @ second, second.T @ products
    return _Basis(
        anchor=anchor, level=level, shift=shift, centre=centre, whitener=whitener, gamma=gamma, targets=targets
    )


def _gram(
    *,
    X: FloatArray,
    targets: FloatArray,
    weights: FloatArray | None,
    shift: FloatArray,
    whitener: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Sum ``Z'WZ`` and ``Z'W targets'`` in blocks, Z the centred (and whitened) columns."""
    columns = X.shape[1]
    gram, products = np.zeros((columns, columns)), np.zeros((columns, targets.shape[0]))
    for block in _blocks(X.shape[0]):
        left, right = X[block] - shift, targets[:, block]
        if whitener is not None:
            left = left @ whitener
        if weights is not None:
            scale = np.sqrt(weights[block])
            left *= scale[:, None]
            right = right * scale
        gram += left.T @ left
        products += left.T @ right.T
    return gram, products


def _inverse_root(*, gram: FloatArray) -> FloatArray | None:
    """Upper triangular T with ``T' gram T = I``, or None when the matrix is not positive definite."""
    try:
        lower = np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return _solve_upper(lower.T)


def _solve_upper(upper: FloatArray) -> FloatArray:
    """Inverse of an upper triangular matrix."""
    return np.triu(np.asarray(np.linalg.inv(upper), dtype=np.float64))


def _triangle(
    *,
    X: FloatArray,
    weights: FloatArray | None,
    shift: FloatArray | None = None,
    scales: FloatArray | None = None,
) -> FloatArray:
    """Give the R of a QR factorisation of ``sqrt(W)(X - shift) scales``, one block of rows after another."""
    triangle: FloatArray = np.zeros((0, X.shape[1]))
    for block in _blocks(X.shape[0]):
        part = X[block] if shift is None else X[block] - shift
        if scales is not None:
            part = part * scales
        if weights is not None:
            part = part * np.sqrt(weights[block])[:, None]
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, part]), mode="r"), dtype=np.float64)
    return triangle


def _independent(*, triangle: FloatArray) -> IntArray:
    """Columns kept when each is dropped that the kept ones before it explain (Gram-Schmidt, done twice)."""
    kept: list[int] = []
    directions = np.zeros((triangle.shape[0], 0))
    for column in range(triangle.shape[1]):
        vector = triangle[:, column]
        residual = vector - directions @ (directions.T @ vector)
        residual -= directions @ (directions.T @ residual)
        length = float(np.linalg.norm(residual))
        if length > 0.0 and length >= ALIAS * float(np.linalg.norm(vector)):
            kept.append(column)
            directions = np.column_stack([directions, residual / length])
    return np.asarray(kept, dtype=np.intp)
