"""Missing outcomes weighted for or filled in: inverse probability weights, multiple imputation, the tipping point."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.analysis import Inference
from impactkit.compute.attrition import ResponseWeights, estimated_weight_part, response_weights
from impactkit.compute.imputation import barnard_rubin, impute, rubin
from impactkit.compute.leastsquares import fit, influence_hc
from impactkit.errors import NotEstimableError
from impactkit.estimators.regression import carries_clusters, regress
from impactkit.estimators.sample import arms_of
from impactkit.results import RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.attrition import Attrition, TippingArm
    from impactkit.estimators.attrition_people import Assigned, Filled
from impactkit.estimators.attrition_methods import Line, error_of, group_sums, line_of

__all__ = [
    "Completed",
    "Tipping",
    "Weighted",
    "completed_rows",
    "draw_imputations",
    "tip",
    "weight_people",
    "weighted_line",
]

SLOW = 2.0  # seconds after which imputing says how far it is


FARTHEST = 1e4  # tipping points are sought up to this many standard deviations of the outcome


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Respondents weighted by inverse response.

    Parameters
    ----------
    found : ResponseWeights
    weights : ndarray of shape (respondents,)
        Design weights times inverse probabilities.
    effective : float
        Kish's effective sample size.
    """

    found: ResponseWeights
    weights: NDArray[np.float64]
    effective: float


def weight_people(at: Assigned, floor: float | None) -> Weighted:
    """Estimate response within arm and weight the respondents."""
    found = response_weights(Z=at.predictors, responded=at.responded, arm=at.arm, weights=at.weights, floor=floor)
    weights = found.factor[at.responded]
    if at.own_weights is not None:
        weights = weights * at.own_weights[at.responded]
    return Weighted(found, weights, float(weights.sum() ** 2 / (weights**2).sum()))


def weighted_line(
    at: Assigned, weighted: Weighted, study: StudyData, inference: Inference, term: int, cell: float
) -> Line:
    """Effect among respondents weighted to everybody assigned, its errors counting the estimated weights."""
    rows, matrix = at.responded, at.matrix[at.responded]
    y = at.values[rows][:, None]
    weights = None if at.own_weights is None and not at.missing.any() else weighted.weights
    found = regress(
        study,
        matrix=matrix,
        outcomes=y,
        member=at.member(study.n, rows),
        weights=weights,
        rows=[term],
        inference=inference,
    )
    line = line_of(found, 0, 0, int(rows.sum()), cell)
    if not at.missing.any() or line.influence is None:
        return line
    solved = fit(X=matrix, Y=y, weights=weights)
    pull = influence_hc(solved, X=matrix, weights=weights, rows=[term], kind="HC0")[:, 0, :]
    extra = estimated_weight_part(pull=pull, found=weighted.found, arm=at.arm, responded=rows)[0]
    values = extra.copy()
    values[rows] += line.influence.values
    influence = RowInfluence(at.people, values, line.influence.df_parts)
    return replace(line, influence=influence, std_error=error_of(influence, study, inference))


@dataclass(frozen=True, slots=True, eq=False)
class Completed:
    """One effect from m completed data sets.

    Parameters
    ----------
    line : Line
        Pooled; its influence values are the mean over imputations.
    estimates : ndarray of shape (m,)
    sums : ndarray of shape (m, G)
        Influence values of each completed data set, by person or cluster.
    shifts : mapping of "treated" and "control" to (float, ndarray of shape (G,))
        What a shift of 1 of the arm's missing outcomes adds to the estimate and to its influence.
    complete_df : float
    """

    line: Line
    estimates: NDArray[np.float64]
    sums: NDArray[np.float64]
    shifts: dict[str, tuple[float, NDArray[np.float64]]]
    complete_df: float


def draw_imputations(
    spec: Attrition,
    study: StudyData,
    *,
    outcome: str,
    filled: Filled,
    populations: list[NDArray[np.bool_]],
    inference: Inference,
) -> NDArray[np.float64]:
    """Impute one outcome by arm for everybody of the chosen populations: shape (m, N), observed values as they are.

    Raises
    ------
    NotEstimableError
        If an arm has too few observed outcomes.
    """
    column = study.outcome(outcome)
    arm = arms_of(study)
    everyone = np.logical_or.reduce(populations) & column.eligible
    values = np.repeat(column.values[None], spec.imputations, axis=0)
    clusters = study.clusters if carries_clusters(inference) else None
    if column.spec.kind != "binary":
        kind: Literal["normal", "matching", "logistic"] = spec.imputation_model
    else:
        kind = "logistic" if clusters is None else "normal"
    started, told = time.monotonic(), False
    codes = np.unique(arm[everyone])
    for done, code in enumerate(codes):
        rows = np.flatnonzero(everyone & (arm == code))
        rows = rows[np.argsort(study.units[rows], kind="stable")]  # draws follow the person, not the row's place
        observed = ~np.isnan(column.values[rows])
        if observed.all():
            continue
        if not observed.any():
            raise NotEstimableError("an arm has no observed outcome to impute from")
        blocks = [np.ones((len(rows), 1)), filled.matrix[rows]]
        if study.strata is not None:
            present = np.unique(study.strata[rows])
            blocks.append((study.strata[rows][:, None] == present[1:]).astype(np.float64))
        blocks += [mask[rows].astype(np.float64)[:, None] for mask in populations]
        drawn = impute(
            Z=np.hstack(blocks),
            y=column.values[rows],
            observed=observed,
            kind=kind,
            m=spec.imputations,
            rng=study.rng(f"{spec.name}: imputations of {outcome} in arm {int(code)}"),
            clusters=None if clusters is None else clusters[rows],
        )
        values[:, rows[~observed]] = drawn
        if time.monotonic() - started > SLOW and sys.stderr.isatty():
            print(f"\rimputing {outcome}: arm {done + 1} of {len(codes)}", end="", file=sys.stderr)
            told = True
    if told:
        print(file=sys.stderr)
    return values


def completed_rows(
    at: Assigned,
    imputed: NDArray[np.float64],
    study: StudyData,
    inference: Inference,
    terms: list[int],
    cells: list[float],
) -> list[Completed]:
    """Estimate the effects in each completed data set and pool each by Rubin's rules."""
    m = len(imputed)
    shifted = [at.missing & (at.arm == term) for term in (0, *terms)]
    outcomes = np.column_stack([imputed[:, at.people].T, *(mask.astype(np.float64) for mask in shifted)])
    found = regress(
        study,
        matrix=at.matrix,
        outcomes=outcomes,
        member=at.member(study.n),
        weights=at.weights,
        rows=terms,
        inference=inference,
    )
    results = []
    for row, _ in enumerate(terms):
        parts = [part for part in found.influence[row] if part is not None]
        if len(parts) < m + len(shifted):
            raise NotEstimableError("the arm follows from the other columns of the regression (collinear)")
        sums = np.stack([group_sums(part, study, inference) for part in parts])
        mean = RowInfluence(parts[0].index, np.mean([part.values for part in parts[:m]], axis=0))
        estimates = found.coef[row, :m]
        complete_df = float(found.df[row, 0])
        within = np.array([[float((sums[:m] ** 2).sum(axis=1).mean())]])
        pooled = rubin(estimates=estimates[:, None], within=within, complete_df=np.array([complete_df]))
        line = Line(
            float(pooled.estimate[0]),
            float(np.sqrt(pooled.total[0, 0])),
            float(pooled.df[0]),
            len(at.people),
            mean,
            cells[row],
        )
        shifts = {
            "control": (float(found.coef[row, m]), sums[m]),
            "treated": (float(found.coef[row, m + 1 + row]), sums[m + 1 + row]),
        }
        results.append(Completed(line, estimates, sums[:m], shifts, complete_df))
    return results


@dataclass(frozen=True, slots=True)
class Tipping:
    """Where the conclusion changes.

    Parameters
    ----------
    shift : float
        NaN when no shift changes it.
    significant : bool
        Whether the imputation estimate, unshifted, is significant.
    possible : bool
        Whether outcomes so shifted stay, on average, within the outcome's limits.
    """

    shift: float
    significant: bool
    possible: bool


def tip(
    at: Assigned,
    completed: Completed,
    imputed: NDArray[np.float64],
    *,
    arm: TippingArm,
    term: int,
    conf_level: float,
    limits: tuple[float, float] | None,
) -> Tipping:
    r"""Find the least shift of an arm's imputed outcomes at which significance is gained or lost.

    Notes
    -----
    With shift δ the estimate is :math:`\bar q + \delta g` and each completed data set's influence
    :math:`\psi_k + \delta\psi_g`, so the p value is exact for every δ without imputing again.
    """
    from scipy.optimize import brentq

    sides = ("treated", "control") if arm == "both" else (arm,)
    gain = sum(completed.shifts[side][0] for side in sides)
    pull = np.sum([completed.shifts[side][1] for side in sides], axis=0)
    m = len(completed.estimates)
    between = float(completed.estimates.var(ddof=1))
    within = float((completed.sums**2).sum(axis=1).mean())
    cross = float((completed.sums @ pull).mean())
    square = float(pull @ pull)
    alpha = 1.0 - conf_level

    def margin(shift: float) -> float:
        from scipy.special import stdtr

        total = within + 2 * shift * cross + shift**2 * square + (1 + 1 / m) * between
        if not total > 0:
            return 1.0 - alpha
        df = barnard_rubin(m=m, lost=(1 + 1 / m) * between / total, complete_df=completed.complete_df)
        t = abs(completed.estimates.mean() + shift * gain) / np.sqrt(total)
        return float(2 * stdtr(df, -t)) - alpha

    start = margin(0.0)
    spread = float(np.nanstd(at.values)) or 1.0
    found = np.nan
    if gain != 0.0:
        steps = spread * np.concatenate([np.arange(0.02, 4.0, 0.02), np.geomspace(4.0, FARTHEST, 200)])
        best = np.inf
        for sign in (1.0, -1.0):
            last = 0.0
            for step in steps:
                if step > best:
                    break
                if (margin(sign * step) > 0) != (start > 0):
                    edge = float(brentq(lambda d, s=sign: margin(s * d), last, step, xtol=1e-12 * spread + 1e-14))
                    if edge < best:
                        best, found = edge, sign * edge
                    break
                last = float(step)
    masks = [at.missing & (at.arm == (0 if side == "control" else term)) for side in sides]
    possible = True
    if limits is not None and np.isfinite(found):
        for mask in masks:
            if mask.any():
                mean = float(imputed[:, at.people[mask]].mean()) + found
                possible &= limits[0] <= mean <= limits[1]
    return Tipping(float(found), start < 0, possible)
