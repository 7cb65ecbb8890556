"""Kernels for baseline balance: weighted moments, and a test that all covariates differ by chance alone.

The test knows one thing only: within each stratum every choice of the observed number of treated units was as
likely as any other. Nothing is assumed about the covariates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impactkit.compute.leastsquares import FloatArray, fit

__all__ = ["Moments", "Omnibus", "assignments", "omnibus", "permutation_p", "weighted_moments"]

FLAT = 1e-10  # a column whose norm falls below this share of its own after centring does not vary within strata
TIE = 1e-9  # draws this close to the observed statistic, relative to its largest value, count as equal to it
CELLS = 1 << 21  # random numbers drawn at a time


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and variance of one column in one group."""

    mean: float
    variance: float


def weighted_moments(values: FloatArray, weights: FloatArray | None = None, *, binary: bool = False) -> Moments:
    """Give the weighted mean and variance of known values.

    Parameters
    ----------
    values : (n,)
        Without missing values.
    weights : (n,), optional
    binary : bool
        The variance of a share, ``p (1 − p)``.

    Notes
    -----
    With ``v = w / Σw`` the variance is ``Σ v (x − x̄)² / (1 − Σ v²)``, which is the usual ``n − 1`` variance when
    the weights are equal (R's ``cov.wt``). NaN for fewer than two people.
    """
    if not len(values):
        return Moments(math.nan, math.nan)
    share = np.full(len(values), 1.0 / len(values)) if weights is None else weights / weights.sum()
    origin = float(values[0])  # so that a constant has variance zero and not that of its rounding
    mean = origin + float(share @ (values - origin))
    if binary:
        return Moments(mean, mean * (1.0 - mean))
    slack = 1.0 - float(share @ share)
    if len(values) < 2 or slack <= 0:
        return Moments(mean, math.nan)
    return Moments(mean, float(share @ (values - mean) ** 2) / slack)


@dataclass(frozen=True, slots=True, eq=False)
class Omnibus:
    """The statistic of the test and what its re-draws need.

    Attributes
    ----------
    distance : float
        ``d' V⁺ d``, the squared distance between the arms in units of its own randomisation covariance.
    statistic : float
        The same as an F statistic.
    rank, rest : int
        Its degrees of freedom; NaN statistic and p value when either is 0.
    p_value : float
    aliased : (p,) bool
        Columns that follow from earlier ones, or do not vary within strata.
    basis : (u, rank)
        Orthonormal; units in the order of ``strata``.
    target : (u,)
        The scaled allocation: what a re-draw shuffles within strata.
    strata : (u,) int
        Codes from 0, sorted.
    sizes : tuple of (units, treated)
        By stratum.
    """

    distance: float
    statistic: float
    rank: int
    rest: int
    p_value: float
    aliased: npt.NDArray[np.bool_]
    basis: FloatArray
    target: FloatArray
    strata: npt.NDArray[np.intp]
    sizes: tuple[tuple[int, int], ...]


def omnibus(*, treated: npt.NDArray[np.bool_], strata: npt.NDArray[np.integer], totals: FloatArray) -> Omnibus:
    """Test that covariates differ between arms by no more than the re-drawing of the allocation explains.

    Parameters
    ----------
    treated : (u,) bool
        One entry per unit that was allocated: a person, or a cluster.
    strata : (u,) int
        Any codes; a stratum with one arm only says nothing and is left out.
    totals : (u, p)
        Covariates of the unit: of a cluster, their sums over its people.

    Notes
    -----
    In stratum b, with ``n`` units of which ``m`` are treated, ``d = Σ (z − m/n) x`` has under re-drawing the exact
    covariance ``V = Σ_b c_b Σ_i (x − x̄_b)(x − x̄_b)'``, ``c_b = m (n − m) / {n (n − 1)}``. The distance
    ``d' V⁺ d`` (Hansen and Bowers 2008) has expectation r, the rank of V, exactly.

    Scale the allocation to ``z* = (z − m/n) / √c_b`` and the covariates to ``x* = √c_b (x − x̄_b)``. Then
    ``d' V⁺ d`` is the squared length of the projection of ``z*`` on the span of ``x*``, and ``|z*|² = N = Σ (n_b − 1)``
    in every re-draw, so that the distance cannot exceed N. A chi-square does not know this bound and is
    conservative with few units. A direction that is uniform on the sphere of dimension N has

    ``F = (distance / r) / {(N − distance) / (N − r)}``

    distributed as F with r and N − r degrees of freedom: that is the reference used. With one stratum it is the F
    statistic of the regression of the arm on the covariates.

    References
    ----------
    Hansen, B. B. and Bowers, J. (2008). Covariate balance in simple, stratified and clustered comparative studies.
    Statistical Science 23(2), 219-236.
    """
    from scipy.special import fdtrc

    _, codes = np.unique(strata, return_inverse=True)
    units = np.bincount(codes)
    chosen = np.bincount(codes, weights=treated.astype(float)).astype(int)
    usable = (chosen > 0) & (chosen < units)
    rows = np.flatnonzero(usable[codes])
    # By stratum, then by what the unit is: the order of the rows given must not reach the re-draws.
    order = rows[np.lexsort((treated[rows], *totals[rows].T, codes[rows]))]
    _, codes = np.unique(codes[order], return_inverse=True)
    sizes = tuple((int(n), int(m)) for n, m in zip(units[usable], chosen[usable], strict=True))
    n, m = (np.array([size[place] for size in sizes], dtype=float) for place in (0, 1))
    x, z = totals[order], treated[order].astype(float)
    count = len(order)
    limit = count - len(sizes)
    if not count:
        nothing = np.zeros(totals.shape[1], dtype=bool)
        return Omnibus(
            math.nan, math.nan, 0, 0, math.nan, nothing, np.zeros((0, 0)), np.zeros(0), np.zeros(0, dtype=np.intp), ()
        )
    scale = np.sqrt(m * (n - m) / (n * (n - 1.0)))[codes]
    means = np.stack([np.bincount(codes, weights=column) / n for column in x.T], axis=1) if x.shape[1] else x[:0]
    centred = x - means[codes] if x.shape[1] else x
    target = (z - (m / n)[codes]) / scale
    norms = np.sqrt((centred**2).sum(axis=0))
    varies = norms > FLAT * np.sqrt((x**2).sum(axis=0))
    aliased = ~varies
    basis = np.zeros((count, 0))
    if varies.any():
        columns = np.ascontiguousarray(scale[:, None] * centred[:, varies] / norms[varies])
        solution = fit(X=columns, Y=target[:, None])
        basis = (columns - solution.shift) @ solution.whitener
        aliased = aliased.copy()
        aliased[np.flatnonzero(varies)[solution.aliased]] = True
    rank = basis.shape[1]
    rest = limit - rank
    distance = float(((basis.T @ target) ** 2).sum())
    statistic = p_value = math.nan
    if rank and rest > 0:
        left = max(limit - distance, 0.0)
        statistic = math.inf if left <= TIE * limit else (distance / rank) / (left / rest)
        p_value = float(fdtrc(rank, rest, statistic)) if math.isfinite(statistic) else 0.0
    return Omnibus(distance, statistic, rank, rest, p_value, aliased, basis, target, codes, sizes)


def assignments(found: Omnibus) -> int:
    """Count the allocations that could have been drawn."""
    return math.prod(math.comb(n, m) for n, m in found.sizes)


def permutation_p(found: Omnibus, *, draws: int, rng: np.random.Generator) -> tuple[float, int]:
    """Give the permutation p value and how many allocations it rests on.

    Parameters
    ----------
    found : Omnibus
    draws : int
        When no more allocations than this exist, all of them are gone through and the p value is exact.
    rng : Generator

    Returns
    -------
    p_value : float
        ``(1 + #{distance ≥ observed}) / (1 + draws)``; with all allocations, the share of them.
    used : int
    """
    if not found.rank or found.rest <= 0:
        return math.nan, 0
    bar = found.distance - TIE * max(float(len(found.target)), 1.0)
    possible = assignments(found)
    if possible <= draws:
        hits = sum(float(((line @ found.basis) ** 2).sum()) >= bar for line in _all(found))
        return hits / possible, possible
    size = max(1, CELLS // len(found.target))
    hits = 0
    for start in range(0, draws, size):
        lines = min(size, draws - start)
        keys = rng.random((lines, len(found.target))) + found.strata
        shuffled = found.target[np.argsort(keys, axis=1)]
        hits += int((((shuffled @ found.basis) ** 2).sum(axis=1) >= bar).sum())
    return (1 + hits) / (1 + draws), draws


def _all(found: Omnibus) -> Iterator[FloatArray]:
    """Go through every allocation as a scaled target of shape (u,)."""
    starts = np.concatenate([[0], np.cumsum([n for n, _ in found.sizes])[:-1]]).astype(int)
    choices = [itertools.combinations(range(n), m) for n, m in found.sizes]
    highs = [float(found.target[start : start + n].max()) for start, (n, _) in zip(starts, found.sizes, strict=True)]
    lows = [float(found.target[start : start + n].min()) for start, (n, _) in zip(starts, found.sizes, strict=True)]
    for picked in itertools.product(*choices):
        line = np.empty(len(found.target))
        for start, (n, _), inside, low, high in zip(starts, found.sizes, picked, lows, highs, strict=True):
            line[start : start + n] = low
            line[start + np.array(inside)] = high
        yield line
