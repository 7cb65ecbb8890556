"""The sheet that rows of an attrition analysis are written on, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import Inference
from impactkit.estimators.attrition_filling import Completed
from impactkit.estimators.attrition_methods import Line
from impactkit.estimators.regression import influence_block
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.attrition import Attrition

__all__ = ["NO_ERROR", "SMALL", "Rows", "few"]

NO_ERROR = "a shift and a size describe the sample and have no standard error"
SMALL = 10

_BLANK = Line(np.nan, np.nan, np.nan, np.nan, None, np.nan)


@dataclass(slots=True)
class Rows:
    """Rows under construction."""

    spec: Attrition
    study: StudyData
    inference: Inference
    keys: list[RowKey] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    tests: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    remarks: list[Note] = field(default_factory=list)
    glances: list[dict[str, Any]] = field(default_factory=list)
    shared: list[list[tuple[int, Completed]]] = field(default_factory=list)

    def add(self, at: tuple[str, str], term: str, measure: str, unit: str, line: Line) -> int:
        self.keys.append(RowKey(self.spec.name, *at, term, measure, unit))
        self.lines.append(line)
        return len(self.keys) - 1

    def note(self, at: tuple[str, str], term: str, column: str, reason: str) -> None:
        self.remarks.append(self.spec.note(reason, outcome=at[0], population=at[1], term=term, column=column))

    def number(self, at: tuple[str, str], term: str, unit: str, line: Line, *, measure: str = "difference") -> int:
        """Add a row, and say why if its error or its test cannot be given."""
        place = self.add(at, term, measure, unit, line)
        if not np.isfinite(line.value):
            self.note(at, term, "estimate", "the arm follows from the other columns of the regression (collinear)")
        elif not line.df > 0:
            self.note(at, term, "std_error", "no degrees of freedom are left: too few people for this specification")
        elif not np.isfinite(line.std_error):
            self.note(
                at, term, "std_error",
                "somebody is alone in their arm and stratum, so this variance cannot be estimated: join strata, or "
                "adjust by ANCOVA",
            )  # fmt: skip
        elif line.std_error == 0.0 and line.test is None:
            self.note(at, term, "p_value", "it does not vary, so there is no test")
        return place

    def missing(self, at: tuple[str, str], term: str, unit: str, reason: str, *, measure: str = "difference") -> None:
        self.add(at, term, measure, unit, _BLANK)
        self.note(at, term, "estimate", reason)

    def figure(
        self, at: tuple[str, str], term: str, measure: str, unit: str, value: float, n: float, cell: float
    ) -> int:
        """Add a number that describes the sample: it has no error, and so its influence is not a number."""
        nobody = RowInfluence(np.array([0]), np.array([np.nan]))
        place = self.add(at, term, measure, unit, Line(value, np.nan, np.nan, n, nobody, cell))
        self.note(at, term, "std_error", NO_ERROR)
        return place

    def estimates(self) -> Estimates:
        lines = self.lines
        return Estimates.build(
            keys=self.keys,
            working=[line.value for line in lines],
            working_se=[line.std_error for line in lines],
            df=[line.df for line in lines],
            n=[line.n for line in lines],
            conf_level=self.spec.conf_level,
            tests=self.tests,
            intervals={row: line.interval for row, line in enumerate(lines) if line.interval is not None},
            p_values={row: line.test for row, line in enumerate(lines) if line.test is not None},
            influence=[influence_block(self.study, [line.influence for line in lines], self.inference)],
            extra_covariance=self._extra(),
            glances=self.glances,
            remarks=self.remarks,
            min_cell=[line.cell for line in lines],
        )

    def _extra(self) -> NDArray[np.float64] | None:
        """Give what Rubin's covariance has beyond the mean influence values, over rows of the same imputations."""
        if not any(self.shared):
            return None
        whole = np.zeros((len(self.keys), len(self.keys)))
        for group in self.shared:
            for one, left in group:
                for other, right in group:
                    m = len(left.estimates)
                    own = float(
                        (left.sums * right.sums).sum(axis=1).mean() - left.sums.mean(axis=0) @ right.sums.mean(axis=0)
                    )
                    spread = float(
                        (left.estimates - left.estimates.mean()) @ (right.estimates - right.estimates.mean())
                    )
                    whole[one, other] = own + (1 + 1 / m) * spread / (m - 1)
        return whole


def few(count: int) -> str:
    """Say how many people, without telling a small count apart."""
    if count == 0:
        return "none"
    return f"{count} people" if count >= SMALL else f"fewer than {SMALL} people"
