"""The one result contract: rows with fixed columns, what they rest on, and their joint uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from impactkit.errors import SpecError
from impactkit.results.curves import Curve, curves_frame
from impactkit.results.influence import Influence, RowInfluence
from impactkit.results.measures import form_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "ADJUSTED_COLUMNS",
    "GLANCE_COLUMNS",
    "NOTE_COLUMNS",
    "TIDY_COLUMNS",
    "Adjusted",
    "Estimates",
    "Note",
    "RowKey",
]

TIDY_COLUMNS = (
    "analysis", "outcome", "population", "term", "measure", "unit", "estimate", "std_error",
    "conf_low", "conf_high", "statistic", "p_value", "df", "n",
)  # fmt: skip
GLANCE_COLUMNS = (
    "analysis", "outcome", "population", "kind", "estimand", "method", "inference", "evidence",
    "n_assigned", "n_analysed", "n_treated", "n_control", "n_missing_outcome", "n_missing_covariates",
    "n_not_eligible", "n_zero_weight", "n_dropped_strata", "clusters", "missing_rule", "weights", "effective_n",
    "conf_level", "design_df", "seed", "data_hash", "version", "independence_assumed",
)  # fmt: skip
NOTE_COLUMNS = ("analysis", "outcome", "population", "term", "column", "reason")
ADJUSTED_COLUMNS = ("analysis", "outcome", "population", "term", "family", "method", "p_value", "p_adjusted")


class RowKey(NamedTuple):
    """What a row is about."""

    analysis: str
    outcome: str
    population: str
    term: str
    measure: str
    unit: str


class Note(NamedTuple):
    """Why a number is missing, or what was done to get it; ``column`` is empty for a general remark."""

    analysis: str
    outcome: str
    population: str
    term: str
    column: str
    reason: str


class Adjusted(NamedTuple):
    """A p value before and after it is adjusted for the others of its family."""

    analysis: str
    outcome: str
    population: str
    term: str
    family: str
    method: str
    p_value: float
    p_adjusted: float


_NUMBERS = ("estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value", "df", "n")


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What an analysis returns: a value that reading never changes.

    Parameters
    ----------
    keys : tuple of RowKey
        Length r.
    numbers : mapping of str to ndarray of shape (r,)
        The columns ``estimate`` to ``n`` of :meth:`tidy`.
    working, working_se : ndarray of shape (r,)
        Estimate and standard error on the working scale (log for ratio measures).
    influence : tuple of Influence
        One block per table of units.
    extra_covariance : ndarray of shape (r, r) or None
        The part of the covariance that no unit carries.
    glances : tuple of mappings
        One per analysis, outcome and population.
    remarks : tuple of Note
    min_cell : ndarray of shape (r,)
        Smallest number of people behind the row, for disclosure control; NaN for published counts.
    adjustments : tuple of Adjusted
        p values adjusted for several outcomes; ``analysis`` is the one whose row it is.
    curves : tuple of Curve
        Functions of time that figures draw.

    See Also
    --------
    impactkit.results.joint : covariance and draws of any rows.
    """

    keys: tuple[RowKey, ...] = ()
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=lambda: {name: np.empty(0) for name in _NUMBERS})
    working: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    working_se: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    influence: tuple[Influence, ...] = ()
    extra_covariance: NDArray[np.float64] | None = None
    glances: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[Note, ...] = ()
    min_cell: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    adjustments: tuple[Adjusted, ...] = ()
    curves: tuple[Curve, ...] = ()

    def __post_init__(self) -> None:
        for column in (*self.numbers.values(), self.working, self.working_se, self.min_cell):
            column.setflags(write=False)

    @classmethod
    def build(
        cls,
        *,
        keys: Sequence[RowKey],
        working: Sequence[float] | NDArray[np.float64],
        working_se: Sequence[float] | NDArray[np.float64],
        df: Sequence[float] | NDArray[np.float64],
        n: Sequence[float] | NDArray[np.float64],
        conf_level: float = 0.95,
        tests: Mapping[int, tuple[float, float, float]] | None = None,
        intervals: Mapping[int, tuple[float, float]] | None = None,
        p_values: Mapping[int, tuple[float, float]] | None = None,
        influence: Sequence[Influence] = (),
        extra_covariance: NDArray[np.float64] | None = None,
        glances: Sequence[Mapping[str, Any]] = (),
        remarks: Sequence[Note] = (),
        min_cell: Sequence[float] | NDArray[np.float64] | None = None,
        curves: Sequence[Curve] = (),
    ) -> Estimates:
        """Form all columns from working-scale estimates.

        Parameters
        ----------
        tests : mapping of row to (statistic, df, p), optional
            Rows that are tests without an estimate.
        intervals : mapping of row to (low, high), optional
            Shown limits of rows whose interval is not symmetric on the working scale.
        p_values : mapping of row to (statistic, p), optional
            Rows whose test is not the usual Wald test.
        """
        estimates, errors = _floats(working), _floats(working_se)
        freedom, sizes = _floats(df), _floats(n)
        formed = form_rows(
            names=[key.measure for key in keys], working=estimates, working_se=errors, df=freedom, conf_level=conf_level
        )
        numbers = {name: getattr(formed, name).copy() for name in _NUMBERS[:6]} | {"df": freedom.copy(), "n": sizes}
        for row, (statistic, test_df, p_value) in (tests or {}).items():
            for name, value in (("statistic", statistic), ("df", test_df), ("p_value", p_value)):
                numbers[name][row] = value
        for row, (low, high) in (intervals or {}).items():
            numbers["conf_low"][row], numbers["conf_high"][row] = low, high
        for row, (statistic, p_value) in (p_values or {}).items():
            numbers["statistic"][row], numbers["p_value"][row] = statistic, p_value
        return cls(
            keys=tuple(keys),
            numbers=numbers,
            working=estimates,
            working_se=errors,
            influence=tuple(influence),
            extra_covariance=extra_covariance,
            glances=tuple(glances),
            remarks=tuple(remarks),
            min_cell=np.full(len(keys), np.nan) if min_cell is None else _floats(min_cell),
            curves=tuple(curves),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(key.analysis for key in self.keys))
        return f"<Estimates: {len(self)} rows of {names or 'nothing'}>"

    # --- frames -------------------------------------------------------------------------------------

    def tidy(self) -> pd.DataFrame:
        """Give one frame with the fixed columns, one row per estimate."""
        import pandas as pd

        columns: dict[str, Any] = {
            name: pd.Series([key[place] for key in self.keys], dtype=object)
            for place, name in enumerate(RowKey._fields)
        }
        return pd.DataFrame(columns | {name: np.array(self.numbers[name]) for name in _NUMBERS})

    def glance(self) -> pd.DataFrame:
        """Give one row per analysis, outcome and population: who was analysed, and how."""
        import pandas as pd

        frame = pd.DataFrame([dict(row) for row in self.glances], columns=list(GLANCE_COLUMNS))
        counts = [name for name in GLANCE_COLUMNS if name.startswith("n_") or name == "clusters"]
        return frame.astype(dict.fromkeys(counts, "Int64"))

    def notes(self) -> pd.DataFrame:
        """Give the reason of every number that could not be given, and what was done to the data."""
        import pandas as pd

        return pd.DataFrame(list(self.remarks), columns=list(NOTE_COLUMNS))

    def adjusted(self) -> pd.DataFrame:
        """Give p values adjusted for several outcomes; empty unless a family was adjusted."""
        import pandas as pd

        return pd.DataFrame(list(self.adjustments), columns=list(ADJUSTED_COLUMNS))

    def curve(self) -> pd.DataFrame:
        """Give the curves of the result (survival, cumulative incidence), one row per time; empty without any."""
        return curves_frame(self.curves)

    def cells(self) -> pd.DataFrame:
        """Give the smallest number of people behind each row, which disclosure control reads."""
        import pandas as pd

        names = ("analysis", "outcome", "population", "term")
        columns: dict[str, Any] = {name: [key[RowKey._fields.index(name)] for key in self.keys] for name in names}
        return pd.DataFrame(columns | {"min_cell": np.array(self.min_cell)})

    # --- rows ---------------------------------------------------------------------------------------

    def find(self, **wanted: str) -> int:
        """Give the position of the one row that matches, by any of the key columns.

        Raises
        ------
        SpecError
            If no row or more than one row matches.
        """
        unknown = [name for name in wanted if name not in RowKey._fields]
        if unknown:
            raise SpecError(f"rows have no {', '.join(unknown)}: use {', '.join(RowKey._fields)}")
        hits = [
            position
            for position, key in enumerate(self.keys)
            if all(getattr(key, name) == value for name, value in wanted.items())
        ]
        if len(hits) != 1:
            said = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
            found = "no row matches" if not hits else f"{len(hits)} rows match"
            near = hits or range(len(self.keys))
            listed = "; ".join(" / ".join(self.keys[position][:5]) for position in list(near)[:8])
            raise SpecError(f"exactly one row was expected for {said}, and {found}. Rows: {listed}")
        return hits[0]

    def take(self, positions: Sequence[int]) -> Estimates:
        """Keep some rows; what they rest on stays."""
        chosen = np.asarray(positions, dtype=np.intp)
        return replace(
            self,
            keys=tuple(self.keys[position] for position in positions),
            numbers={name: column[chosen] for name, column in self.numbers.items()},
            working=self.working[chosen],
            working_se=self.working_se[chosen],
            influence=tuple(block.take(positions) for block in self.influence),
            extra_covariance=None if self.extra_covariance is None else self.extra_covariance[np.ix_(chosen, chosen)],
            min_cell=self.min_cell[chosen],
        )

    @staticmethod
    def concat(parts: Sequence[Estimates]) -> Estimates:
        """Put several results under one another, joining influence values on the same units."""
        parts = [part for part in parts if len(part) or part.glances or part.remarks or part.adjustments or part.curves]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Estimates()
        sizes = [len(part) for part in parts]
        blocks: list[Influence] = []
        for block in (block for part in parts for block in part.influence):
            if not any(block.sums_alike(seen) for seen in blocks):
                blocks.append(block)
        joined = []
        for block in blocks:
            rows: tuple[RowInfluence | None, ...] = ()
            for part, size in zip(parts, sizes, strict=True):
                own = next((candidate for candidate in part.influence if candidate.sums_alike(block)), None)
                rows += (None,) * size if own is None else own.rows
            joined.append(replace(block, rows=rows))
        return Estimates(
            keys=tuple(key for part in parts for key in part.keys),
            numbers={name: np.concatenate([part.numbers[name] for part in parts]) for name in _NUMBERS},
            working=np.concatenate([part.working for part in parts]),
            working_se=np.concatenate([part.working_se for part in parts]),
            influence=tuple(joined),
            extra_covariance=_block_diagonal([part.extra_covariance for part in parts], sizes),
            glances=tuple(row for part in parts for row in part.glances),
            remarks=tuple(note for part in parts for note in part.remarks),
            min_cell=np.concatenate([part.min_cell for part in parts]),
            adjustments=tuple(row for part in parts for row in part.adjustments),
            curves=tuple(curve for part in parts for curve in part.curves),
        )

    def with_glances(self, extra: Mapping[str, Any]) -> Estimates:
        """Fill columns that only the evaluation knows (seed, data hash, version) into every glance row."""
        return replace(self, glances=tuple({**row, **extra} for row in self.glances))


def _floats(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _block_diagonal(parts: Sequence[NDArray[np.float64] | None], sizes: Sequence[int]) -> NDArray[np.float64] | None:
    if all(part is None for part in parts):
        return None
    whole = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for part, size in zip(parts, sizes, strict=True):
        if part is not None:
            whole[start : start + size, start : start + size] = part
        start += size
    return whole
