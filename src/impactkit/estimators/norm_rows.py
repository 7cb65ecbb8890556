"""Rows of the published comparison under construction: shares, medians, signed-rank and chi-square tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.contingency import pearson_chi_square, wilson_interval
from impactkit.compute.signedrank import hodges_lehmann, signed_rank
from impactkit.compute.survival.recorded import order_limits
from impactkit.errors import NotEstimableError
from impactkit.results import Estimates, Influence, Note, RowInfluence, RowKey, measure

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["NormRows"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRUSTED_EXPECTED = 5.0
_SYMMETRY = "a signed-rank test has no estimate; it tests that differences are symmetric about zero, not medians"
_TEST = "a test has no estimate, standard error or limits"


@dataclass(slots=True)
class NormRows:
    """Rows of one analysis.

    Parameters
    ----------
    analysis : str
    unit : str
        Of times.
    conf_level : float
    """

    analysis: str
    unit: str
    conf_level: float
    keys: list[RowKey] = field(default_factory=list)
    numbers: list[tuple[float, float, float, float]] = field(default_factory=list)
    influences: list[RowInfluence | None] = field(default_factory=list)
    intervals: dict[int, tuple[float, float]] = field(default_factory=dict)
    tests: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    remarks: list[Note] = field(default_factory=list)
    glances: list[dict[str, Any]] = field(default_factory=list)

    def note(self, reason: str, outcome: str = "", population: str = "", term: str = "", column: str = "") -> None:
        """Add a remark."""
        found = Note(self.analysis, outcome, population, term, column, reason)
        if found not in self.remarks:
            self.remarks.append(found)

    def add(
        self, place: tuple[str, str, str], name: str, value: float, *, unit: str = "", n: float = float("nan"),
        error: float = float("nan"), cell: float = float("nan"), influence: RowInfluence | None = None,
    ) -> int:  # fmt: skip
        """Add a row about (outcome, population, term) and give its position."""
        self.keys.append(RowKey(self.analysis, *place, name, unit))
        self.numbers.append((value, error, n, cell))
        self.influences.append(influence)
        return len(self.keys) - 1

    def shares(
        self, outcome: str, population: str, column: str, labels: tuple[str, ...], codes: NDArray[Any],
        answers: Floats, places: NDArray[np.int64], *, test: bool,
    ) -> None:  # fmt: skip
        """Add the share of each category of a column, and the chi-square test over categories with anybody.

        Parameters
        ----------
        codes, answers, places : ndarray of shape (m,)
            Category, 0 or 1, and position in the person table of the people with both.
        """
        n = np.bincount(codes, minlength=len(labels)).astype(np.int64)
        count = np.bincount(codes, weights=answers, minlength=len(labels)).astype(np.int64)
        for code, label in enumerate(labels):
            self.share((outcome, population, f"{column}[{label}]"), answers[codes == code], places[codes == code])
        if not test:
            return
        row = self.add((outcome, population, column), "chi_square", np.nan, n=float(n.sum()), cell=_least(n))
        try:
            found = pearson_chi_square(np.column_stack([count, n - count]))
        except NotEstimableError as reason:
            self.note(str(reason), outcome, population, column, "p_value")
            return
        self.tests[row] = (found.statistic, float(found.df), found.p_value)
        self.note(_TEST, outcome, population, column)
        if found.smallest_expected < TRUSTED_EXPECTED:
            said = f"the smallest expected count is {found.smallest_expected:.1f}: below 5 the approximation is poor"
            self.note(said, outcome, population, column)

    def share(self, place: tuple[str, str, str], answers: Floats, places: NDArray[np.int64]) -> None:
        """Add one share with Wilson's limits."""
        n = answers.size
        if not n:
            self.add(place, "proportion", np.nan, unit="proportion", n=0.0, cell=0.0)
            self.note("nobody is in this category", *place, "estimate")
            return
        share, count = float(answers.mean()), int(answers.sum())
        influence = RowInfluence(places, (answers - share) / n)
        error = float(np.sqrt(((answers - share) ** 2).sum())) / n
        row = self.add(
            place, "proportion", share, unit="proportion", n=float(n), error=error,
            cell=_least(np.array([count, n - count])), influence=influence,
        )  # fmt: skip
        limits = wilson_interval([count], [n], conf_level=self.conf_level)
        self.intervals[row] = (float(limits.low[0]), float(limits.high[0]))

    def durations(
        self, place: tuple[str, str, str], lengths: Floats, norms: Floats, *, continuity: bool, exact: bool
    ) -> None:
        """Add clients' median, their norm, the signed-rank tests, and the shift.

        Parameters
        ----------
        lengths, norms : ndarray of shape (m,)
            Of the clients compared, with the norm each is compared with.
        """
        n = float(lengths.size)
        median = float(np.median(lengths)) if n else np.nan
        row = self.add(place, "median", median, unit=self.unit, n=n, cell=n)
        self.intervals[row] = order_limits(lengths, conf_level=self.conf_level)
        norm = float(np.median(norms)) if n else np.nan
        self.add(place, "norm_median", norm, unit=self.unit, n=n, cell=n)
        tests = ["signed_rank", *(["signed_rank_exact"] if exact else [])]
        rows = [self.add(place, name, np.nan, n=n, cell=n) for name in tests]
        shift = self.add(place, "pseudomedian", np.nan, unit=self.unit, n=n, cell=n)
        if not n:
            self.note("no client who returned has a known duration and a norm", *place, "estimate")
            return
        if norms.max() - norms.min() > 1e-9:
            self.note(
                f"clients have norms from {norms.min():.1f} to {norms.max():.1f} {self.unit}, each compared with their "
                "own; the median of them is shown",
                *place,
            )
        self.note(_SYMMETRY, *place)
        differences = lengths - norms
        for name, position in zip(tests, rows, strict=True):
            try:
                found = signed_rank(
                    differences, exact=name.endswith("exact"), continuity=continuity and not name.endswith("exact")
                )
            except NotEstimableError as reason:
                self.note(str(reason), *place, "p_value")
                continue
            statistic = found.statistic if found.exact else found.z
            self.tests[position] = (statistic, np.nan, found.p_value)
            if found.zeros:
                whose = "1 client is" if found.zeros == 1 else f"{found.zeros:,} clients are"
                self.note(f"{whose} exactly at the norm and left out of the signed-rank test", *place)
        estimate = hodges_lehmann(differences, conf_level=self.conf_level)
        _, error, size, cell = self.numbers[shift]
        self.numbers[shift] = (estimate.estimate, error, size, cell)
        self.intervals[shift] = (estimate.low, estimate.high)
        if np.isnan(estimate.low) or np.isnan(self.intervals[row][0]):
            self.note("too few clients for limits of this level", *place, "conf_low")

    def estimates(self, study: StudyData) -> Estimates:
        """Form the rows."""
        values, errors, sizes, cells = (np.array(column, dtype=float) for column in zip(*self.numbers, strict=True))
        is_test = np.array([measure(key.measure).is_test for key in self.keys])
        return Estimates.build(
            keys=self.keys,
            working=values,
            working_se=errors,
            df=np.where(is_test | ~np.isfinite(errors), np.nan, np.inf),
            n=sizes,
            conf_level=self.conf_level,
            tests=self.tests,
            intervals=self.intervals,
            influence=[Influence(study.design.table, study.data_hash, study.units, None, tuple(self.influences))],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=cells,
        )


def _least(counts: NDArray[Any]) -> float:
    return float(counts.min()) if counts.size else 0.0
