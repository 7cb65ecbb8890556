"""Rows of a Cox regression as they fill up: hazard ratios, tests, and why some cannot be given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.survival.ties import later
from impactkit.estimators.durations import never_at_risk
from impactkit.results import Estimates, Influence, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from impactkit.compute.survival.cox import CoxFit
    from impactkit.data import StudyData
    from impactkit.estimators.cox import CoxRegression

__all__ = ["CoxRows", "Line", "counted", "observed_people", "people_block", "why_diverging"]

SMALLEST_SAID = 10
"""Counts of events below this are not said in words, which no disclosure rule reads."""

NO_PERSON = np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class Line:
    """One row: a hazard ratio, on the log scale, or a test.

    Parameters
    ----------
    influence : tuple of RowInfluence or None
        One entry per block of the result.
    test : tuple of (statistic, df, p), optional
        Of a row that is a test.
    """

    key: RowKey
    estimate: float = float("nan")
    error: float = float("nan")
    df: float = float("nan")
    n: float = float("nan")
    cell: float = float("nan")
    influence: tuple[RowInfluence | None, ...] = (None,)
    test: tuple[float, float, float] | None = None


@dataclass(slots=True)
class CoxRows:
    """All rows of one analysis.

    Parameters
    ----------
    spec : CoxRegression
    outcome : str
        What the rows call the event.
    """

    spec: CoxRegression
    outcome: str
    lines: list[Line] = field(default_factory=list)
    remarks: list[Note] = field(default_factory=list)
    glances: list[dict[str, Any]] = field(default_factory=list)

    def line(self, population: str, term: str, measure: str, n: int) -> Line:
        """Open a row."""
        unit = "ratio" if measure == "hazard_ratio" else "chi-square"
        line = Line(RowKey(self.spec.name, self.outcome, population, term, measure, unit), n=float(n))
        self.lines.append(line)
        return line

    def note(self, line: Line, column: str, reason: str) -> None:
        """Remark on one row."""
        self.remarks.append(Note(*line.key[:4], column, reason))

    def remark(self, population: str, reason: str) -> None:
        """Remark on a population."""
        self.remarks.append(self.spec.note(reason, outcome=self.outcome, population=population))

    def tested(self, line: Line, found: tuple[float, float, float], why_not: str) -> None:
        """Fill a test row."""
        line.test = found
        if np.isnan(found[0]):
            self.note(line, "estimate", why_not)
        else:
            self.note(line, "estimate", "a test, which has no estimate: a small p value says the ratio changes in time")

    def failed(self, lines: Sequence[Line], reason: str) -> None:
        """Say why none of these rows can be given; once for each term."""
        for key in dict.fromkeys(line.key[:4] for line in lines):
            self.remarks.append(Note(*key, "estimate", reason))

    def estimates(self, blocks: Sequence[Influence]) -> Estimates:
        """Close the rows; ``blocks`` are empty blocks of influence values, filled in the order of the lines'."""
        filled = [
            Influence(block.table, block.token, block.units, block.clusters,
                      tuple(line.influence[place] if place < len(line.influence) else None for line in self.lines))
            for place, block in enumerate(blocks)
        ]  # fmt: skip
        return Estimates.build(
            keys=[line.key for line in self.lines],
            working=[line.estimate for line in self.lines],
            working_se=[line.error for line in self.lines],
            df=[line.df for line in self.lines],
            n=[line.n for line in self.lines],
            conf_level=self.spec.conf_level,
            tests={place: line.test for place, line in enumerate(self.lines) if line.test is not None},
            influence=filled,
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[line.cell for line in self.lines],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Who of a population can be in the model, before covariates are looked at.

    Parameters
    ----------
    member : ndarray of bool, shape (N,)
    counts : dict of str to int
        Columns of ``glance()``.
    weights : ndarray of shape (N,) or None
    """

    member: NDArray[np.bool_]
    counts: dict[str, int]
    weights: NDArray[np.float64] | None


def observed_people(
    rows: CoxRows,
    study: StudyData,
    population: str,
    *,
    stop: NDArray[np.float64],
    event: NDArray[np.float64],
    entry: NDArray[np.float64] | None,
) -> Observed:
    """Find the people of a population whose times are known and who are observed for some time; count the others."""
    everyone = study.population(population)
    known = everyone & ~(np.isnan(stop) | np.isnan(event))
    seen = known.copy()
    if entry is not None:
        known &= ~np.isnan(entry)
        seen = known & later(stop, entry)
    weights = None
    member = seen
    if study.design.weights is not None:
        weights = study.numeric(study.design.weights)
        member = seen & (np.nan_to_num(weights) > 0)
    never = int((known & ~seen).sum())
    if never:
        rows.remark(population, never_at_risk(never, int(everyone.sum()), "entry equals the end"))
    counts = {
        "n_assigned": everyone.sum(),
        "n_not_eligible": never,
        "n_missing_outcome": (everyone & ~known).sum(),
        "n_zero_weight": (seen & ~member).sum(),
        "n_dropped_strata": 0,
    }
    if counts["n_missing_outcome"]:
        rows.remark(
            population,
            f"{counts['n_missing_outcome']:,} people without a time or a known event were left out; if the reason has "
            "to do with the event, hazard ratios are biased",
        )
    return Observed(member, {name: int(count) for name, count in counts.items()}, weights)


def counted(events: int) -> str:
    """Say how many had the event.

    Examples
    --------
    >>> counted(1234), counted(3)
    ('1,234', 'fewer than 10')
    """
    return f"{events:,}" if events >= SMALLEST_SAID else f"fewer than {SMALLEST_SAID}"


def people_block(study: StudyData) -> Influence:
    """Give the block of influence values of people, without rows."""
    return Influence(study.design.table, study.data_hash, study.units, study.clusters, ())


def why_diverging(fit: CoxFit, names: Sequence[str]) -> str:
    """Say which hazard ratios have no limit, or that no maximum was found."""
    said = [
        f"the hazard ratio of {name} runs to {'infinity' if sign > 0 else 'zero'}"
        for name, sign in zip(names, fit.diverging.tolist(), strict=True)
        if sign
    ]
    if not said:
        return f"the likelihood has no maximum that could be found in {fit.iterations} steps"
    return (
        f"the likelihood rises without limit (monotone likelihood): {' and '.join(said)}, because events can be told "
        "apart by it; group categories or leave the column out"
    )
