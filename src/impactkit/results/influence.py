"""Influence values: one per person and estimate, from which every joint uncertainty follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["DfParts", "Influence", "RowInfluence"]


@dataclass(frozen=True, slots=True, eq=False)
class DfParts:
    """What the Satterthwaite degrees of freedom of a stacked contrast need from one row.

    With working model Φ = I the quadratic form of a row is ``P_gh = δ_gh d_g − a_g'b_h − b_g'a_h + b_g'S b_h``;
    that of a combination over disjoint rows of a stacked regression is ``Σ_r c_r² P^(r)``.

    Parameters
    ----------
    clusters : ndarray of shape (G,)
        Codes of the row's clusters, in the coding of the whole table.
    norm : ndarray of shape (G,)
        d.
    left, right : ndarray of shape (G, K)
        a and b.
    middle : ndarray of shape (K, K)
        S.
    """

    clusters: NDArray[np.signedinteger[Any]]
    norm: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    middle: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RowInfluence:
    """Influence values of one estimate.

    Parameters
    ----------
    index : ndarray of shape (n,) or None
        Positions of the people in the table; ``None`` when everyone has a value, in order.
    values : ndarray of shape (n,)
        On the working scale, small-sample-adjusted. Summed within cluster, squared and summed, they give
        the stated variance.
    df_parts : DfParts, optional
    people : ndarray of shape (m,), optional
        Positions of the people the estimate rests on, where others carry a value too (centring within strata
        gives everybody in a stratum one); the people of ``index`` when left out.
    """

    index: NDArray[np.int64] | None
    values: NDArray[np.float64]
    df_parts: DfParts | None = None
    people: NDArray[np.int64] | None = None

    def rests_on(self, size: int) -> NDArray[np.bool_]:
        """Mark, among all people of the table, those the estimate rests on."""
        where = self.index if self.people is None else self.people
        if where is None:
            return np.ones(size, dtype=bool)
        marked = np.zeros(size, dtype=bool)
        marked[where] = True
        return marked


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """Influence values of all rows that come from one table of units.

    Parameters
    ----------
    table : str
        Name of the table.
    token : str
        Identity of the data; rows of two results are joined only when table and token agree.
    units : ndarray of shape (N,)
        Unit ids, in the table's order.
    clusters : ndarray of shape (N,) or None
        Cluster codes; ``None`` when people are independent.
    rows : tuple of RowInfluence or None
        One entry per estimate; ``None`` for a row that no person carries.
    """

    table: str
    token: str
    units: NDArray[Any]
    clusters: NDArray[np.signedinteger[Any]] | None
    rows: tuple[RowInfluence | None, ...]

    def take(self, positions: Sequence[int]) -> Influence:
        """Keep some rows, in the order given."""
        return replace(self, rows=tuple(self.rows[position] for position in positions))

    def by_group(self, positions: Sequence[int]) -> NDArray[np.float64]:
        """Sum within cluster (or leave per person): shape (len(positions), groups)."""
        size = len(self.units) if self.clusters is None else int(self.clusters.max(initial=-1)) + 1
        dense = np.zeros((len(positions), size))
        for line, position in enumerate(positions):
            row = self.rows[position]
            if row is None:
                continue
            if self.clusters is None:
                dense[line, slice(None) if row.index is None else row.index] = row.values
            else:
                codes = self.clusters if row.index is None else self.clusters[row.index]
                inside = codes >= 0  # people of ignored arms have no cluster, and no influence
                dense[line] = np.bincount(codes[inside], weights=row.values[inside], minlength=size)
        return dense

    def linear(self, slopes: Mapping[int, float]) -> RowInfluence | None:
        """Give the influence of a linear combination of rows; ``None`` if none of them is carried by people."""
        used = [(self.rows[position], slope) for position, slope in slopes.items()]
        parts = [(row, slope) for row, slope in used if row is not None and slope != 0.0]
        if not parts:
            return None
        values = np.zeros(len(self.units))
        marked = np.zeros(len(self.units), dtype=bool)
        for row, slope in parts:
            values[slice(None) if row.index is None else row.index] += slope * row.values
            marked |= row.rests_on(len(self.units))
        return RowInfluence(None, values, people=np.flatnonzero(marked))

    def same_units(self, other: Influence) -> bool:
        """Whether two blocks speak of the same table of the same data."""
        return self.table == other.table and self.token == other.token

    def sums_alike(self, other: Influence) -> bool:
        """Whether two blocks speak of the same data and both sum within cluster, or neither does."""
        return self.same_units(other) and (self.clusters is None) == (other.clusters is None)

    def joined(self, other: Influence) -> Influence:
        """Append the rows of another block on the same units."""
        if not self.sums_alike(other):
            raise SpecError(
                f'influence values of table "{self.table}" and table "{other.table}" come from different data '
                "and cannot be joined: fit both on the same data"
            )
        return replace(self, rows=self.rows + other.rows)
