"""One function per way of dealing with missing outcomes; each gives lines with influence values."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.analysis import CR2, Inference
from impactkit.compute.attrition import ResponseWeights, estimated_weight_part, response_weights
from impactkit.compute.bounds import imbens_manski, imbens_manski_p, lee_bounds
from impactkit.compute.imputation import barnard_rubin, impute, rubin
from impactkit.compute.leastsquares import fit, influence_hc
from impactkit.errors import NotEstimableError
from impactkit.estimators.matrix import trial_matrix
from impactkit.estimators.regression import carries_clusters, regress
from impactkit.estimators.sample import arms_of
from impactkit.results import RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.attrition import Attrition, TippingArm
    from impactkit.estimators.attrition_people import Assigned, Filled

__all__ = [
    "Completed",
    "Line",
    "Tipping",
    "Weighted",
    "completed_rows",
    "draw_imputations",
    "group_sums",
    "lee_lines",
    "response_lines",
    "response_test",
    "tip",
    "weight_people",
    "weighted_line",
    "worst_lines",
]

SLOW = 2.0  # seconds after which imputing says how far it is
FARTHEST = 1e4  # tipping points are sought up to this many standard deviations of the outcome
ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One row before it is named.

    Parameters
    ----------
    value, std_error, df, n : float
    influence : RowInfluence or None
    cell : float
        Smallest count behind it.
    interval : tuple of float, optional
        Limits of an interval that is not symmetric.
    test : tuple of float, optional
        Statistic and p value of a test that is not Wald's.
    """

    value: float
    std_error: float
    df: float
    n: float
    influence: RowInfluence | None
    cell: float
    interval: tuple[float, float] | None = None
    test: tuple[float, float] | None = None


def group_sums(influence: RowInfluence, study: StudyData, inference: Inference) -> NDArray[np.float64]:
    """Sum influence values within cluster, or set them out by person."""
    if carries_clusters(inference) and study.clusters is not None:
        codes = study.clusters if influence.index is None else study.clusters[influence.index]
        inside = codes >= 0
        size = int(study.clusters.max()) + 1
        sums = np.bincount(codes[inside], weights=influence.values[inside], minlength=size)
        return np.asarray(sums, dtype=np.float64)
    dense = np.zeros(study.n)
    dense[slice(None) if influence.index is None else influence.index] = influence.values
    return dense


def _error(influence: RowInfluence, study: StudyData, inference: Inference) -> float:
    return float(np.sqrt((group_sums(influence, study, inference) ** 2).sum()))


# --- response -------------------------------------------------------------------------------------------------------


def response_lines(at: Assigned, study: StudyData, inference: Inference) -> tuple[list[Line], list[Line]]:
    """Response of each arm, control first, and its difference from control for each treated arm."""
    answered = at.responded.astype(np.float64)[:, None]
    arms = int(arms_of(study).max()) + 1
    cell = at.smallest_response()
    shares = []
    for code in range(arms):
        rows = at.arm == code
        weights = None if at.weights is None else at.weights[rows]
        found = regress(
            study,
            matrix=np.ones((int(rows.sum()), 1)),
            outcomes=answered[rows],
            member=at.member(study.n, rows),
            weights=weights,
            rows=[0],
            inference=inference,
        )
        line = _line(found, 0, 0, int(rows.sum()), cell)
        shares.append(_exact(line, 1.0) if at.responded[rows].all() else line)
    # the difference is blocked by strata, never adjusted: it describes who is missing
    matrix = trial_matrix(
        arm=at.arm, arms=arms, strata=at.strata, covariates=None, weights=at.weights, adjustment="none"
    )
    found = regress(
        study,
        matrix=matrix,
        outcomes=answered,
        member=at.member(study.n),
        weights=at.weights,
        rows=list(range(1, arms)),
        inference=inference,
    )
    gaps = [_line(found, row, 0, len(at.people), cell) for row in range(arms - 1)]
    if at.responded.all() or not at.responded.any():  # then exactly so, rather than but for a rounding
        return shares, [_exact(line, 0.0) for line in gaps]
    return shares, gaps


def response_test(at: Assigned, study: StudyData, inference: Inference) -> tuple[float, float, float]:
    """Test jointly whether covariates predict response differently by arm: statistic, df and p value.

    Raises
    ------
    NotEstimableError
        If everybody responded, or there are too few people or clusters.
    """
    from scipy.special import fdtrc

    if at.responded.all() or not at.responded.any():
        raise NotEstimableError("response does not vary, so nothing can predict it")
    arms = int(arms_of(study).max()) + 1
    width = at.covariates.shape[1]
    matrix = trial_matrix(
        arm=at.arm, arms=arms, strata=at.strata, covariates=at.covariates, weights=at.weights, adjustment="lin"
    )
    per_arm = (matrix.shape[1] - arms) // arms
    rows = [arms + per_arm * arm + place for arm in range(1, arms) for place in range(width)]
    found = regress(
        study,
        matrix=matrix,
        outcomes=at.responded.astype(np.float64)[:, None],
        member=at.member(study.n),
        weights=at.weights,
        rows=rows,
        inference=inference,
    )
    carried = {place: parts[0] for place, parts in enumerate(found.influence) if parts[0] is not None}
    usable = [place for place in carried if np.isfinite(found.std_error[place, 0])]
    if not usable or found.residual_df <= 0:
        raise NotEstimableError("too few people for a model of response with these covariates")
    coef = found.coef[usable, 0]
    sums = np.stack([group_sums(carried[place], study, inference) for place in usable])
    variance = sums @ sums.T
    scale = np.sqrt(np.diagonal(variance))
    safe = np.where(scale > 0, scale, 1.0)
    roots, vectors = np.linalg.eigh(variance / np.outer(safe, safe))
    kept = roots > ROUNDING * roots.max()
    rank = int(kept.sum())
    turned = vectors[:, kept].T @ (coef / safe)
    statistic = float((turned**2 / roots[kept]).sum())
    clustered = isinstance(inference, CR2) and at.clusters is not None
    free = float(found.residual_df)
    if isinstance(inference, CR2) and at.clusters is not None:
        free = float(len(np.unique(at.clusters)) - 1)
    if free - rank + 1 <= 0:
        what = "clusters" if clustered else "people"
        raise NotEstimableError(f"{rank} differences in response cannot be tested jointly with so few {what}")
    return statistic, float(rank), float(fdtrc(rank, free - rank + 1, statistic * (free - rank + 1) / (free * rank)))


def _line(found: object, row: int, column: int, n: float, cell: float) -> Line:
    from impactkit.estimators.regression import Regression

    assert isinstance(found, Regression)
    return Line(
        float(found.coef[row, column]),
        float(found.std_error[row, column]),
        float(found.df[row, column]),
        n,
        found.influence[row][column],
        cell,
    )


def _exact(line: Line, value: float) -> Line:
    assert line.influence is not None
    nothing = RowInfluence(line.influence.index, np.zeros(len(line.influence.values)))
    return replace(line, value=value, std_error=0.0, influence=nothing)


# --- weighting ------------------------------------------------------------------------------------------------------


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
    line = _line(found, 0, 0, int(rows.sum()), cell)
    if not at.missing.any() or line.influence is None:
        return line
    solved = fit(X=matrix, Y=y, weights=weights)
    pull = influence_hc(solved, X=matrix, weights=weights, rows=[term], kind="HC0")[:, 0, :]
    extra = estimated_weight_part(pull=pull, found=weighted.found, arm=at.arm, responded=rows)[0]
    values = extra.copy()
    values[rows] += line.influence.values
    influence = RowInfluence(at.people, values, line.influence.df_parts)
    return replace(line, influence=influence, std_error=_error(influence, study, inference))


# --- imputation -----------------------------------------------------------------------------------------------------


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


# --- bounds ---------------------------------------------------------------------------------------------------------


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
        used = len(np.unique(at.clusters[rows]))
        factor = float(np.sqrt(used / (used - 1.0))) if used > 1 else np.nan
    n = float(at.responded[rows].sum())
    lines = []
    for value, values in zip((found.lower, found.upper), found.influence, strict=True):
        influence = RowInfluence(at.people[rows], factor * values)
        lines.append(Line(value, _error(influence, study, inference), df, n, influence, cell))
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
    lines = [_line(found, 0, column, len(at.people), cell) for column in (0, 1)]
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
