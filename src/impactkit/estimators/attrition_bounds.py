"""Missing outcomes bounded: Lee's trimming bounds and worst cases, with the interval of the effect between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from impactkit.analysis import Inference
from impactkit.compute.bounds import imbens_manski, imbens_manski_p, lee_bounds
from impactkit.compute.few_groups import groups_factor
from impactkit.errors import NotEstimableError
from impactkit.estimators.regression import carries_clusters, regress
from impactkit.results import RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.attrition_people import Assigned
from impactkit.estimators.attrition_methods import Line, error_of, line_of

__all__ = ["lee_lines", "worst_lines"]


def lee_lines(
    at: Assigned,
    study: StudyData,
    inference: Inference,
    *,
    term: int,
    groups: NDArray[np.signedinteger] | None,
    df: float,
    cell: float,
    conf_level: float,
) -> tuple[Line, Line, NDArray[np.float64]]:
    """Lee bounds of one treated arm, and the share trimmed in each cell.

    Raises
    ------
    NotEstimableError
        If a cell has an arm without an observed outcome.
    """
    rows = np.flatnonzero((at.arm == 0) | (at.arm == term))
    treated = at.arm[rows] == term
    strata = np.zeros(len(rows), dtype=np.int64) if at.strata is None else at.strata[rows].astype(np.int64)
    bins, cells = strata, None
    if groups is not None:
        cells = np.unique(strata * (int(groups.max(initial=0)) + 1) + groups[at.people[rows]], return_inverse=True)[1]
        bins = cells
        heads = np.bincount(2 * cells + treated, weights=at.responded[rows], minlength=2 * (int(cells.max()) + 1))
        empty = int((heads.reshape(-1, 2) == 0).any(axis=1).sum())
        if empty:
            raise NotEstimableError(
                f"{empty} of {len(heads) // 2} groups to tighten the bounds within have an arm without an observed "
                "outcome: join groups"
            )
    found = lee_bounds(
        y=at.values[rows],
        responded=at.responded[rows],
        treated=treated,
        bins=bins,
        cells=cells,
        weights=None if at.own_weights is None else at.own_weights[rows],
        response_weights=np.ones(len(rows)) if at.weights is None and at.own_weights is not None else None,
    )
    factor = 1.0
    if carries_clusters(inference) and at.clusters is not None:
        factor = groups_factor(len(np.unique(at.clusters[rows])))
    n = float(at.responded[rows].sum())
    lines = []
    for value, values in zip((found.lower, found.upper), found.influence, strict=True):
        influence = RowInfluence(at.people[rows], factor * values)
        lines.append(Line(value, error_of(influence, study, inference), df, n, influence, cell))
    low, high = _bounded(lines[0], lines[1], conf_level)
    return low, high, found.trimmed


def worst_lines(
    at: Assigned,
    study: StudyData,
    inference: Inference,
    *,
    term: int,
    limits: tuple[float, float],
    cell: float,
    conf_level: float,
) -> tuple[Line, Line]:
    """Effects with all missing outcomes at one limit in the treated arm and at the other in the control arm.

    Raises
    ------
    NotEstimableError
        If an observed outcome lies outside the limits.
    """
    low, high = limits
    seen = at.values[at.responded]
    if ((seen < low) | (seen > high)).any():
        raise NotEstimableError(
            f"some observed outcomes lie outside the declared limits {low:g} to {high:g}: correct the limits"
        )
    control = at.arm == 0
    filled = [
        np.where(at.missing, np.where(control, *ends), at.values)
        for ends in ((high, low), (low, high))
    ]  # fmt: skip
    found = regress(
        study,
        matrix=at.matrix,
        outcomes=np.column_stack(filled),
        member=at.member(study.n),
        weights=at.weights,
        rows=[term],
        inference=inference,
    )
    lines = [line_of(found, 0, column, len(at.people), cell) for column in (0, 1)]
    return _bounded(lines[0], lines[1], conf_level)


def _bounded(lower: Line, upper: Line, conf_level: float) -> tuple[Line, Line]:
    """Give both bounds the interval and the test of the effect that lies between them."""
    errors = (lower.std_error, upper.std_error)
    if not (np.isfinite(errors).all() and lower.df > 0 and max(errors) > 0):
        return lower, upper
    width = max(upper.value - lower.value, 0.0)
    c = imbens_manski(width=width, largest_error=max(errors), conf_level=conf_level, df=lower.df)
    interval = (lower.value - c * errors[0], upper.value + c * errors[1])
    p = imbens_manski_p(lower=lower.value, upper=upper.value, errors=errors, df=lower.df)
    nearest = 0.0
    if lower.value > 0:
        nearest = lower.value / errors[0]
    elif upper.value < 0:
        nearest = upper.value / errors[1]
    return tuple(replace(line, interval=interval, test=(float(nearest), p)) for line in (lower, upper))  # type: ignore[return-value]
