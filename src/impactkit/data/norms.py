"""Norms of certified absence: what local episodes say a spell of each cause lasts, with its uncertainty."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.curves import ProductLimit
from impactkit.compute.survival.practices import GroupedRisk, quantiles
from impactkit.compute.survival.ties import later
from impactkit.data.columns import Factor, Floats
from impactkit.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["READINGS", "Norm", "NormTable", "Reading", "Statistic", "all_label", "cell_label", "label_values"]

Reading = Literal["complete", "adjusted_total", "adjusted_residual", "conditional"]
READINGS: tuple[Reading, ...] = ("complete", "adjusted_total", "adjusted_residual", "conditional")
"""What a norm is of; see :class:`NormTable`."""

ALL_CELLS = "all"
FRAME = (
    "cell", "reading", "statistic", "share", "unit", "estimate", "std_error", "conf_low", "conf_high", "n", "n_open",
    "practices", "min_cell", "source", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Statistic:
    """One number of a norm.

    Parameters
    ----------
    name : {"median", "quantile", "restricted_mean", "shrunken_median"}
    share : float
        The share of episodes that are over by then, for a median or quantile; the share of its own evidence that a
        shrunken median keeps.
    estimate, std_error, conf_low, conf_high : float
        In the table's unit of time; NaN where it cannot be given, for the reason in ``notes``.
    notes : tuple of (column, reason)
    influence : ndarray of shape (n,), optional
        One value per episode of the cell: summed within practice, squared and summed they give the squared
        standard error.
    """

    name: str
    share: float
    estimate: float
    std_error: float = float("nan")
    conf_low: float = float("nan")
    conf_high: float = float("nan")
    notes: tuple[tuple[str, str], ...] = ()
    influence: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """The norm of one cell under one reading.

    Parameters
    ----------
    label : str
        The cell, written as the design writes strata: ``"area=north, diagnosis=back"``.
    values : tuple of (str or None)
        Its value of each column of the table's ``by``; ``None`` stands for all.
    reading : str
    n : float
        Episodes it rests on: those longer than the reading's threshold; NaN where a source does not say.
    n_open : float
        How many of them had not ended when observation stopped.
    practices : int
        Practices the episodes of its area come from; 0 where not known.
    statistics : tuple of Statistic
    notes : tuple of str
    source : str
    rows : ndarray of integers, optional
        Positions of the episodes among the controls.
    risk : GroupedRisk, optional
        The counts by practice and time.
    band : pair of ndarray of shape (k,), optional
        Pointwise limits of the curve at the times of ``risk``.
    """

    label: str
    values: tuple[str | None, ...]
    reading: Reading
    n: float
    n_open: float
    practices: int
    statistics: tuple[Statistic, ...]
    notes: tuple[str, ...] = ()
    source: str = ""
    rows: NDArray[np.int64] | None = None
    risk: GroupedRisk | None = None
    band: tuple[Floats, Floats] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it stands for all values of some column."""
        return None in self.values or not self.values

    def statistic(self, name: str, share: float | None = None) -> Statistic | None:
        """Give one of its numbers, ``None`` if it has no such number."""
        for found in self.statistics:
            if found.name == name and (share is None or abs(found.share - share) < 1e-12):
                return found
        return None

    @property
    def curve(self) -> ProductLimit | None:
        """The product limit behind it, conditional on lasting to the reading's threshold."""
        return None if self.risk is None else self.risk.curve()


@dataclass(frozen=True, slots=True, eq=False)
class NormTable:
    """Norms by cell: a value, made from episodes, from a published table or from counts by band.

    Parameters
    ----------
    by : tuple of str
        The columns whose combinations are the cells.
    norms : tuple of Norm
    time_unit : {"weeks", "days"}
    threshold : float
        What "long" means in the adjusted readings, in that unit: four weeks unless said otherwise.
    horizon : float
        To which the restricted means go, in that unit; NaN for none.
    source : str
    notes : tuple of str

    Notes
    -----
    With T the whole length of an episode and c the threshold the readings are of

    - ``complete``: T, over all episodes;
    - ``adjusted_total``: T, over episodes with T > c;
    - ``adjusted_residual``: T − c, over episodes with T > c;
    - ``conditional``: T − e, over episodes with T > e, at a time e already absent.

    Examples
    --------
    >>> import pandas as pd
    >>> from impactkit.data import norms_from_episodes
    >>> episodes = pd.DataFrame({"diagnosis": ["back"] * 5, "duration": [1, 2, 6, 8, 20], "ended": [1] * 5})
    >>> table = norms_from_episodes(episodes, by=("diagnosis",), reading="complete", shrink_below=0)
    >>> table.norm_for("diagnosis=back", "complete")
    6.0
    """

    by: tuple[str, ...]
    norms: tuple[Norm, ...]
    time_unit: str = "weeks"
    threshold: float = 4.0
    horizon: float = float("nan")
    source: str = ""
    notes: tuple[str, ...] = ()
    _places: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for place, norm in enumerate(self.norms):
            key = (norm.label, norm.reading)
            if key in self._places:
                raise SpecError(f'a norm for "{norm.label}" ({norm.reading}) is given more than once: keep one')
            self._places[key] = place

    @property
    def labels(self) -> tuple[str, ...]:
        """Cells that have a norm, in order."""
        return tuple(dict.fromkeys(norm.label for norm in self.norms))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Readings the table holds."""
        return tuple(dict.fromkeys(norm.reading for norm in self.norms))

    def find(self, label: str, reading: str = "complete") -> Norm:
        """Give the norm of a cell.

        Raises
        ------
        SpecError
            If the table has no such norm.
        """
        place = self._places.get((label, reading))
        if place is not None:
            return self.norms[place]
        if reading not in self.readings:
            raise SpecError(
                f'norms were asked for under the reading "{reading}" and the table holds '
                f"{', '.join(self.readings) or 'none'}: make the table with that reading"
            )
        raise SpecError(
            f'no norm for "{label}".{did_you_mean(label, self.labels)} The table has {len(self.labels)} cells, by '
            f"{', '.join(self.by) or 'nothing'}: add episodes of that cell, or join cells"
        )

    def norm_for(self, label: str, reading: str = "complete", statistic: str = "median") -> float:
        """Give one number of a cell, in the table's unit; NaN where it could not be given.

        Parameters
        ----------
        label : str
            As in :attr:`labels`.
        reading : str
        statistic : {"median", "restricted_mean", "shrunken_median"}

        Raises
        ------
        SpecError
            If the table has no such norm or no such number.
        """
        found = self.find(label, reading).statistic(statistic)
        if found is None:
            raise SpecError(f'the norm of "{label}" has no {statistic}: choose "median", or make the table with it')
        return found.estimate

    def aligned(self, cells: Factor, reading: str = "complete", statistic: str = "median") -> Floats:
        """Give each client the number of their cell.

        Parameters
        ----------
        cells : Factor
            The clients' cells, as :func:`impactkit.data.clients` gives them.
        reading, statistic : str
            As in :meth:`norm_for`.

        Returns
        -------
        ndarray of shape (n,)
            NaN for clients without a cell, or whose cell has no norm: count them.
        """
        values = np.full(len(cells.labels) + 1, np.nan)
        for code, label in enumerate(cells.labels):
            if (label, reading) in self._places:
                values[code] = self.norm_for(label, reading, statistic)
        found: Floats = values[cells.codes]
        return found

    def conditional(self, label: str, elapsed: Floats, horizon: float | None = None) -> tuple[Floats, Floats]:
        """Give what an episode of the cell has left, given that it has lasted ``elapsed``.

        Parameters
        ----------
        label : str
        elapsed : ndarray of shape (n,)
            Time already absent, in the table's unit, one per client.
        horizon : float, optional
            Restrict the mean to this much time from ``elapsed`` on; the table's horizon when left out.

        Returns
        -------
        median, restricted_mean : ndarray of shape (n,)
            In the table's unit. NaN where the curve is not known so far, or nobody was still absent.

        Notes
        -----
        The median is the smallest u with ``S(e + u) ≤ S(e) / 2`` and the mean ``∫_0^τ S(e + u) / S(e) du``.
        """
        norm = self.find(label, "complete")
        curve, end = norm.curve, float("inf") if norm.risk is None else norm.risk.collapse
        if curve is None:
            raise SpecError(f'the norm of "{label}" has no curve, so nothing is known given time absent: use episodes')
        tau = self.horizon if horizon is None else horizon
        moments, place = np.unique(np.asarray(elapsed, dtype=np.float64), return_inverse=True)
        medians, means = np.full(moments.size, np.nan), np.full(moments.size, np.nan)
        for row, moment in enumerate(moments):
            left = float(curve.at(moment)) if np.isfinite(moment) and moment <= curve.known_to else 0.0
            if left <= 0.0:
                continue
            after = later(curve.time, moment)
            middle = quantiles(curve.time[after], curve.survival[after][None] / left, 0.5, np.array([curve.last]))[0]
            medians[row] = middle - moment if np.isfinite(middle) and middle < end else np.nan
            if moment + tau <= min(curve.known_to, end):
                means[row] = float(curve.area(moment + tau) - curve.area(moment)) / left
        return medians[place], means[place]

    def frame(self) -> pd.DataFrame:
        """Give one row per cell, reading and number, with its interval, the counts behind it and every remark."""
        import pandas as pd

        rows = []
        for norm in self.norms:
            for number in norm.statistics:
                said = (*norm.notes, *(reason for _, reason in number.notes))
                rows.append(
                    (
                        norm.label, norm.reading, number.name, number.share, self.time_unit, number.estimate,
                        number.std_error, number.conf_low, number.conf_high, norm.n, norm.n_open, norm.practices,
                        norm.n, norm.source or self.source, "; ".join(said),
                    )
                )  # fmt: skip
        return pd.DataFrame(rows, columns=list(FRAME))

    def joined(self, other: NormTable) -> NormTable:
        """Give one table of both: other readings of the same cells, or other cells.

        Raises
        ------
        SpecError
            If the two are not by the same columns in the same unit and with the same threshold.
        """
        mine, theirs = (self.by, self.time_unit, self.threshold), (other.by, other.time_unit, other.threshold)
        if mine != theirs:
            raise SpecError(f"norms by {mine} and by {theirs} cannot stand in one table: make them alike")
        notes = tuple(dict.fromkeys((*self.notes, *other.notes)))
        return replace(self, norms=(*self.norms, *other.norms), notes=notes, _places={})


def cell_label(by: Sequence[str], values: Sequence[str | None]) -> str:
    """Write the label of a cell as the design writes strata; columns with ``None`` are left out.

    Examples
    --------
    >>> cell_label(("area", "diagnosis"), ("north", "back")), cell_label(("area",), (None,))
    ('area=north, diagnosis=back', 'all')
    """
    return (
        ", ".join(f"{name}={value}" for name, value in zip(by, values, strict=True) if value is not None) or ALL_CELLS
    )


def all_label(by: Sequence[str], areas: Mapping[str, str]) -> str:
    """Write the label of the norm over all cells of an area."""
    return cell_label(by, [areas.get(name) for name in by])


def label_values(by: Sequence[str], label: str) -> tuple[str | None, ...]:
    """Read the values of a cell off its label.

    Examples
    --------
    >>> label_values(("area", "diagnosis"), "area=north, diagnosis=back")
    ('north', 'back')
    """
    if not by:
        return ()
    pattern = ", ".join(f"{re.escape(name)}=(.*)" for name in by)
    found = re.fullmatch(pattern, label, flags=re.DOTALL)
    if found is None:
        raise SpecError(f'"{label}" is no cell by {", ".join(by)}')
    values: tuple[Any, ...] = found.groups()
    return values
