"""Re-draws of a trial's own assignment, and the studentised effect of every outcome under each of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CELLS", "Contrast", "contrast", "count_assignments", "every_assignment", "reassignments", "studentised"]

CELLS = 1_000_000  # people times re-draws that are worked on at once: 8 MB per array


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """Outcomes measured on the same people with the same weights, ready to be set against any assignment.

    Parameters
    ----------
    people : (n,) ndarray
        Their positions, sorted by cluster where there are clusters.
    root : (n,) ndarray or None
        Square roots of the weights.
    basis : (n, k) ndarray
        Orthonormal columns that span the weighted constant, stratum dummies and covariates.
    residuals : (n, m) ndarray
        Weighted outcomes less their projection on the basis.
    starts : (G,) ndarray or None
        Where each cluster begins among ``people``.
    """

    people: NDArray[np.intp]
    root: NDArray[np.float64] | None
    basis: NDArray[np.float64]
    residuals: NDArray[np.float64]
    starts: NDArray[np.intp] | None


def contrast(
    *,
    member: NDArray[np.bool_],
    outcomes: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    strata: NDArray[np.signedinteger[Any]] | None = None,
    covariates: NDArray[np.float64] | None = None,
    clusters: NDArray[np.signedinteger[Any]] | None = None,
) -> Contrast:
    """Project outcomes off constant, strata and covariates once, for all re-draws (Frisch and Waugh 1933).

    Parameters
    ----------
    member : (N,) ndarray of bool
        Who is analysed.
    outcomes : (N, m) ndarray
        Complete for members.
    weights, strata, clusters : (N,) ndarray, optional
    covariates : (N, p) ndarray, optional
        Complete for members.
    """
    people = np.flatnonzero(member)
    starts = None
    if clusters is not None:
        people = people[np.argsort(clusters[people], kind="stable")]
        codes = clusters[people]
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    columns = [np.ones((len(people), 1))]
    if strata is not None:
        columns.append((strata[people, None] == np.unique(strata[people])[1:]).astype(np.float64))
    if covariates is not None and covariates.shape[1]:
        own = covariates[people]
        spread = own.std(axis=0)
        columns.append((own - own.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    matrix = np.hstack(columns)
    values = outcomes[people] - outcomes[people].mean(axis=0)
    root = None if weights is None else np.sqrt(weights[people])
    if root is not None:
        matrix, values = matrix * root[:, None], values * root[:, None]
    left, size, _ = np.linalg.svd(matrix, full_matrices=False)
    basis = left[:, size > size.max() * 1e-10]
    residuals = values - basis @ (basis.T @ values)
    noise = np.sqrt((values**2).sum(axis=0)) * 1e-12  # an outcome that the controls explain has no effect to find
    residuals[:, np.sqrt((residuals**2).sum(axis=0)) <= noise] = 0.0
    return Contrast(people, root, np.ascontiguousarray(basis), residuals, starts)


def studentised(assignments: NDArray[np.int8], problem: Contrast) -> NDArray[np.float64]:
    """Give the absolute studentised effect of each outcome under each assignment.

    Parameters
    ----------
    assignments : (B, N) ndarray
        1 for people allocated to the programme.
    problem : Contrast

    Returns
    -------
    (m, B) ndarray
        Infinite where the effect leaves no residual, zero where the assignment does not vary.

    Notes
    -----
    With z̃ the assignment and r the outcome, both weighted and projected off the controls,
    ``τ = z̃'r / z̃'z̃`` and its robust variance is ``Σ z̃²(r − τ z̃)² / (z̃'z̃)²``, the scores being summed
    within cluster first. Expanded in powers of z̃, one matrix product serves all outcomes. Studentising
    keeps the test right when the programme changes the spread but not the mean (Wu and Ding 2021).

    References
    ----------
    Wu, J. and Ding, P. (2021). Randomization tests for weak null hypotheses in randomized experiments.
    *Journal of the American Statistical Association* 116(536).
    """
    z = assignments[:, problem.people].astype(np.float64)
    if problem.root is not None:
        z *= problem.root
    before = np.einsum("bn,bn->b", z, z)
    z -= (z @ problem.basis) @ problem.basis.T
    r = problem.residuals
    square = z * z
    total = square.sum(axis=1)
    varies = total > 1e-12 * np.maximum(before, 1e-300)
    safe = np.where(varies, total, 1.0)
    effect = (z @ r) / safe[:, None]
    if problem.starts is None:
        variance = square @ (r * r)
        variance -= 2.0 * effect * ((square * z) @ r)
        variance += effect**2 * np.einsum("bn,bn->b", square, square)[:, None]
    else:
        norm = np.add.reduceat(square, problem.starts, axis=1)
        variance = np.empty_like(effect)
        for column in range(r.shape[1]):
            scores = np.add.reduceat(z * r[:, column], problem.starts, axis=1) - effect[:, [column]] * norm
            variance[:, column] = np.einsum("bg,bg->b", scores, scores)
    numerator = np.abs(effect) * safe[:, None]
    moves = varies[:, None] & (numerator > 0)
    floor = numerator**2 * 1e-14  # rounding error of the expansion
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(variance > floor, numerator / np.sqrt(np.maximum(variance, floor)), np.inf)
    return np.ascontiguousarray(np.where(moves, ratio, 0.0).T)


def count_assignments(arm: NDArray[np.int8], strata: NDArray[np.signedinteger[Any]] | None) -> int:
    """Count the ways to allocate as many units in each stratum as were allocated."""
    total = 1
    for places in _blocks(len(arm), strata):
        total *= math.comb(len(places), int(arm[places].sum()))
    return total


def every_assignment(arm: NDArray[np.int8], strata: NDArray[np.signedinteger[Any]] | None) -> NDArray[np.int8]:
    """List all assignments with the observed number of treated units in each stratum: (count, units)."""
    blocks = _blocks(len(arm), strata)
    choices = [itertools.combinations(places.tolist(), int(arm[places].sum())) for places in blocks]
    found = np.zeros((count_assignments(arm, strata), len(arm)), dtype=np.int8)
    for line, chosen in enumerate(itertools.product(*choices)):
        found[line, list(itertools.chain.from_iterable(chosen))] = 1
    return found


def reassignments(
    arm: NDArray[np.int8],
    strata: NDArray[np.signedinteger[Any]] | None,
    draws: int,
    rng: np.random.Generator,
    *,
    people: int | None = None,
) -> Iterator[NDArray[np.int8]]:
    """Re-draw the assignment, as many units treated in each stratum as were, in batches of shape (b, units).

    Parameters
    ----------
    arm : (units,) ndarray of 0 and 1
    strata : (units,) ndarray or None
    draws : int
    rng : Generator
    people : int, optional
        Number of people behind the units, for the size of a batch.
    """
    blocks = _blocks(len(arm), strata)
    batch = max(1, CELLS // max(people or len(arm), 1))
    for start in range(0, draws, batch):
        size = min(batch, draws - start)
        found = np.empty((size, len(arm)), dtype=np.int8)
        for places in blocks:
            found[:, places] = _choose(len(places), int(arm[places].sum()), size, rng)
        yield found


def _choose(units: int, treated: int, draws: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose so many units in each draw, all choices being equally likely: those with the smallest random keys."""
    if treated in (0, units):
        return np.full((draws, units), treated > 0)
    keys = rng.integers(0, 2**32, size=(draws, units), dtype=np.uint32)
    chosen: NDArray[np.bool_] = keys < np.partition(keys, treated, axis=1)[:, [treated]]
    tied = np.flatnonzero(np.count_nonzero(chosen, axis=1) != treated)  # equal keys at the cut
    if len(tied):
        chosen[tied] = _choose(units, treated, len(tied), rng)
    return chosen


def _blocks(units: int, strata: NDArray[np.signedinteger[Any]] | None) -> Sequence[NDArray[np.intp]]:
    if strata is None:
        return [np.arange(units)]
    order = np.argsort(strata, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(strata[order])) + 1)
