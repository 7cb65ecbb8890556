"""The variance of a comparison of clients with a norm: that of the clients, and that of the norm between practices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.few_groups import groups_factor

__all__ = ["Groups", "client_groups", "practice_groups", "satterthwaite"]

Floats = NDArray[np.float64]
Codes = NDArray[np.signedinteger]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Who varies together, and among how many.

    Parameters
    ----------
    codes : ndarray of shape (n,) or None
        The group of each unit; ``None`` when every unit is its own.
    stratum : ndarray of shape (n,)
        The stratum of each unit: groups of one stratum are compared with one another.
    sizes : ndarray of shape (s,)
        Number of groups in each stratum.
    alone : ndarray of bool, shape (s,)
        Strata with one group only, whose units were taken as groups instead.
    """

    codes: NDArray[np.int64] | None
    stratum: NDArray[np.int64]
    sizes: NDArray[np.int64]
    alone: NDArray[np.bool_]

    def adjusted(self, values: Floats) -> Floats:
        """Multiply influence values by ``sqrt(G / (G - 1))`` of their stratum; NaN in a stratum of one unit."""
        return np.where(values == 0.0, 0.0, values * groups_factor(self.sizes)[self.stratum])

    def variances(self, adjusted: Floats) -> Floats:
        """Give the part of the variance that each stratum carries, shape (s,)."""
        if self.codes is None:
            return np.asarray(
                np.bincount(self.stratum, weights=adjusted**2, minlength=self.sizes.size), dtype=np.float64
            )
        sums = np.bincount(self.codes, weights=adjusted)
        home = np.zeros(sums.size, dtype=np.int64)
        home[self.codes] = self.stratum
        return np.asarray(np.bincount(home, weights=sums**2, minlength=self.sizes.size), dtype=np.float64)

    @property
    def df(self) -> Floats:
        """Groups less one in each stratum, shape (s,)."""
        freedom: Floats = self.sizes.astype(np.float64) - 1.0
        return freedom


def client_groups(n: int, clusters: Codes | None) -> Groups:
    """Group the clients: each their own, or by the design's clusters, in one stratum."""
    stratum = np.zeros(n, dtype=np.int64)
    size = n if clusters is None else np.unique(clusters).size
    codes = None if clusters is None else clusters.astype(np.int64)
    return Groups(codes, stratum, np.array([size]), np.zeros(1, dtype=bool))


def practice_groups(cells: Codes, practices: Codes | None) -> Groups:
    """Group the control episodes by practice, with practices that share a norm in one stratum.

    Parameters
    ----------
    cells : ndarray of shape (m,)
        The norm of each episode; -1 for one that belongs to none, which then neither counts nor joins practices.
    practices : ndarray of shape (m,) or None
        ``None`` when practices are not known: episodes then vary each by itself.

    Notes
    -----
    Two practices are in one stratum when a chain of norms joins them: with norms by area and diagnosis, and each
    practice in one area, the strata are the areas. Influence values of episodes sum to zero within a norm and so
    within a stratum: the sums of practices need no centring.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    used = np.flatnonzero(cells >= 0)
    stratum = np.zeros(cells.size, dtype=np.int64)
    if not used.size:
        return Groups(None, stratum, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=bool))
    if practices is None:
        found, place = np.unique(cells[used], return_inverse=True)
        stratum[used] = place.reshape(-1)
        return Groups(None, stratum, np.bincount(stratum[used]), np.zeros(found.size, dtype=bool))
    cell_count, practice_count = int(cells.max()) + 1, int(practices.max()) + 1
    links = coo_array(
        (np.ones(used.size), (cells[used], cell_count + practices[used].astype(np.int64))),
        shape=(cell_count + practice_count,) * 2,
    )
    _, part = connected_components(links, directed=False)
    found, place = np.unique(part[cells[used]], return_inverse=True)
    stratum[used] = place.reshape(-1)
    of_practice = np.zeros(practice_count, dtype=np.int64)
    of_practice[practices[used]] = stratum[used]
    stratum = of_practice[practices]
    pairs = np.unique(np.column_stack([stratum[used], practices[used]]), axis=0)
    sizes = np.bincount(pairs[:, 0], minlength=found.size)
    alone = sizes == 1
    codes = np.where(alone[stratum], practice_count + np.arange(cells.size), practices).astype(np.int64)
    sizes = np.where(alone, np.bincount(stratum[used], minlength=found.size), sizes)
    return Groups(codes, stratum, sizes, alone)


def satterthwaite(variances: Sequence[float] | Floats, df: Sequence[float] | Floats) -> float:
    """Give the degrees of freedom of a sum of independent variances.

    Notes
    -----
    ``(Σ V_k)² / (Σ V_k² / ν_k)``, ν_k infinite for a variance that is taken as known.

    References
    ----------
    Welch, B. L. (1947). The generalization of Student's problem when several different population variances are
    involved. *Biometrika* 34.
    """
    parts, freedom = np.asarray(variances, dtype=np.float64), np.asarray(df, dtype=np.float64)
    used = parts > 0
    if not used.any() or not np.isfinite(parts).all() or (freedom[used] <= 0).any():
        return float("nan")
    spread = float(np.sum(parts[used] ** 2 / freedom[used]))
    return float(parts.sum() ** 2 / spread) if spread > 0 else float("inf")
