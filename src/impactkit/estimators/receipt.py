"""Receipt of the programme as an outcome, on exactly the people an outcome is analysed for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impactkit.data.outcomes import OutcomeColumn
from impactkit.design import Design, Outcome
from impactkit.errors import NotEstimableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["receipt_cells", "receipt_column", "receipt_of", "receipt_refusal", "with_receipt"]


def receipt_column(design: Design) -> str | None:
    """Give the column that says who received the programme, if the design declares one."""
    column: str | None = getattr(design, "receipt", None)
    return column


def receipt_refusal(design: Design, who: str) -> list[str]:
    """Refuse a design that does not say who received the programme."""
    if receipt_column(design) is not None:
        return []
    return [f"{who} needs to know who received the programme: declare the column as `receipt` in the design."]


def receipt_of(study: StudyData) -> NDArray[np.float64]:
    """Give 1 for those who received the programme, 0 for those who did not, NaN where that is not recorded."""
    column = receipt_column(study.design)
    if column is None:
        raise NotEstimableError("the design does not say who received the programme: declare `receipt`")
    return study.numeric(column)


def with_receipt(study: StudyData, outcome: str, name: str) -> StudyData:
    """Give the study with an outcome and receipt both observed for the same people, or for neither.

    Parameters
    ----------
    study : StudyData
    outcome : str
        An outcome of the study; it is emptied where receipt is not known.
    name : str
        Name of the outcome that holds receipt: empty where the outcome is, with its weights and eligibility.
    """
    column, taken = study.outcome(outcome), receipt_of(study)
    values = np.where(np.isnan(taken), np.nan, column.values)
    spec = Outcome(name=name, column=str(receipt_column(study.design)), kind="binary", weights=column.spec.weights)
    twin = OutcomeColumn(spec, np.where(np.isnan(values), np.nan, taken), column.weights, column.eligible)
    return study.with_outcome(replace(column, values=values)).with_outcome(twin)


def receipt_cells(
    member: NDArray[np.bool_], arm: NDArray[np.int8], taken: NDArray[np.float64], arms: int
) -> NDArray[np.int64]:
    """Count those who did not and did receive by arm, shape (arms, 2)."""
    cells = arm[member] * 2 + taken[member].astype(np.int64)
    return np.bincount(cells, minlength=2 * arms).reshape(arms, 2)
