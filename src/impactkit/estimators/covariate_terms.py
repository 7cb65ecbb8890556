"""Covariates of a model as terms: numbers as they are, categories with a named reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["Term", "dummies", "read_term"]


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One covariate: its numbers, or its categories with the reference's place.

    Parameters
    ----------
    name : str
    values : ndarray of shape (N,)
        Numbers; for categories their codes, NaN where missing.
    levels : tuple of str
        Empty for a number.
    reference : int
        Code of the reference; -1 for a number.
    """

    name: str
    values: NDArray[np.float64]
    levels: tuple[str, ...]
    reference: int

    @property
    def codes(self) -> tuple[int, ...]:
        """Categories in the order of a table, the reference first; -1 for a number."""
        if not self.levels:
            return (-1,)
        return (self.reference, *(code for code in range(len(self.levels)) if code != self.reference))

    def label(self, code: int) -> str:
        """Name a row: the column and its category, or the column alone."""
        return self.name if code < 0 else f"{self.name}[{self.levels[code]}]"


def read_term(study: StudyData, name: str, reference: Mapping[str, Any], who: str) -> Term:
    """Read one covariate of the person table.

    Parameters
    ----------
    study : StudyData
    name : str
        Column: text, categories and truth values are categorical; numbers are numbers unless ``reference`` names them.
        The design's arm is categorical, with the control arm as reference.
    reference : mapping of column to level
    who : str
        The analysis, for messages.

    Raises
    ------
    DataError
        If the column holds dates, or nobody has the reference level.
    """
    from impactkit.data.columns import label_text

    arm = getattr(study.design, "arm", None)
    column = study.table("").column(name)
    if column.kind == "number" and column.declared is None and name not in reference and name != arm:
        return Term(name, study.numeric(name), (), -1)
    if column.kind == "date":
        raise DataError([f"covariate `{name}` holds dates: give a length of time as a number instead"])
    factor = study.factor(name)
    included = study.population("all") & (factor.codes >= 0)
    present = np.unique(factor.codes[included])
    levels = tuple(factor.labels[code] for code in present)
    codes = np.full(study.n, np.nan)
    codes[included] = np.searchsorted(present, factor.codes[included])
    wanted = reference.get(name, getattr(study.design, "control", None) if name == arm else None)
    if wanted is None:
        return Term(name, codes, levels, 0)
    text = label_text(wanted, truth=column.kind == "truth")
    if text not in levels:
        raise DataError(
            [
                f'`reference` of {who} should be a category of `{name}`; nobody has "{text}".'
                f"{did_you_mean(text, levels)} There are: {', '.join(levels[:20])}"
            ]
        )
    return Term(name, codes, levels, levels.index(text))


def dummies(terms: list[Term], member: NDArray[np.bool_]) -> tuple[NDArray[np.float64], list[tuple[str, int]]]:
    """Lay out columns of some people: numbers, and a dummy for each category that occurs but the reference.

    Returns
    -------
    matrix : ndarray of shape (n, k)
    places : list of (term, code)
        What each column is.
    """
    blocks: list[NDArray[np.float64]] = []
    places: list[tuple[str, int]] = []
    for term in terms:
        values = term.values[member]
        for code in term.codes[1:] if term.levels else term.codes:
            block = values if code < 0 else (values == code).astype(np.float64)
            if code >= 0 and not block.any():
                continue
            blocks.append(block)
            places.append((term.name, code))
    matrix = np.column_stack(blocks) if blocks else np.zeros((int(member.sum()), 0))
    return matrix, places
