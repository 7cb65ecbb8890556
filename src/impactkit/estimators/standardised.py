"""Effects in standard deviations: which standard deviation is named, and its own uncertainty is carried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impactkit.analysis import Inference, choose_inference
from impactkit.estimators.itt import estimate_linear
from impactkit.estimators.regression import EXACT, carries_clusters, influence_block, regress
from impactkit.estimators.rows import effective_n
from impactkit.estimators.sample import arms_of, complete_rows, draw_sample, treated_labels
from impactkit.estimators.sharing_itt import SharingITT
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = ["StandardisedEffect", "Standardiser", "small_sample_factor"]

Standardiser = Literal["control", "pooled", "total"]

_NAMES = {
    "control": "standard deviation of the control arm (Glass)",
    "pooled": "pooled within-arm standard deviation (Hedges)",
    "total": "unconditional standard deviation of both arms together",
}


class StandardisedEffect(SharingITT):
    r"""Effect of allocation in standard deviations of the outcome, from the adjusted, weighted estimate.

    Use it for scales without a natural unit (health, wellbeing) and to compare outcomes. The numerator is
    exactly the :class:`IntentToTreat` estimate under the same options.

    Parameters
    ----------
    name, outcome, populations, covariates, adjustment, inference, one_armed, conf_level
        As in :class:`IntentToTreat`.
    standardiser : {"control", "pooled", "total"}
        The unadjusted standard deviation to divide by: of the control arm (Glass's delta), pooled within
        arms (Hedges' g), or of everybody together. Weighted where the outcome is weighted. Covariates
        change the numerator only.

    Returns
    -------
    Estimates
        For each population and outcome a ``standardised_difference`` row per treated arm, then the
        standard deviation used and the control mean in the outcome's own unit.

    Notes
    -----
    :math:`g = J(\nu)\,\hat\tau/s` with the exact :math:`J(\nu) = \Gamma(\nu/2) /
    (\sqrt{\nu/2}\,\Gamma((\nu-1)/2))`. Without weights and clusters ν is n₀ − 1, n − 2 or n − 1; with
    weights n is Kish's effective size; with clusters ν is the Satterthwaite value 2s⁴/V(s²) if that is
    smaller. The influence of g is :math:`J(\psi_\tau/s - \hat\tau\,\psi_{s^2}/(2s^3))`, so the
    interval carries the standard deviation's own error, whatever the outcome's kurtosis. Its degrees of
    freedom are the numerator's or, if smaller, :math:`2V^2/\{\sum\psi^4 - V^2/m\}`, Satterthwaite's for a
    variance V of m influence values (cluster sums with clusters): squares and response weights have longer
    tails than the outcome. The p value is that of this interval, so it differs a little from the numerator's.

    The weighted variance is unbiased for independent people of equal variance:
    :math:`s^2 = \sum w (y - \bar y)^2 / \{\sum w\,(1 - \sum w^2/(\sum w)^2)\}` for one group.

    References
    ----------
    Hedges, L. V. (1981). Distribution theory for Glass's estimator of effect size and related estimators.
    *Journal of Educational Statistics* 6(2).
    Hedges, L. V. (2007). Effect sizes in cluster-randomized designs. *Journal of Educational and Behavioral
    Statistics* 32(4).

    Examples
    --------
    >>> import impactkit as ik
    >>> ik.StandardisedEffect(name="sd", outcome="health", standardiser="pooled").standardiser
    'pooled'
    """

    kind: Literal["standardised_effect"] = "standardised_effect"
    standardiser: Standardiser = "control"

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population and outcome."""
        return _standardise(self, study)


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """A standard deviation, the influence and variance of its square, and the degrees of freedom of its factor."""

    sd: float
    influence: RowInfluence | None
    variance_of_square: float
    variance_df: float
    factor_df: float
    n: int

    @property
    def missing(self) -> str:
        """Why nothing can be divided by it; empty if it can."""
        if self.sd == 0.0:
            return "the outcome does not vary, so there is nothing to divide by"
        if not np.isfinite(self.sd) or not self.factor_df > 1:
            return "too few people for a standard deviation to divide by"
        return ""


def small_sample_factor(df: float) -> float:
    """Give the exact correction J(df) of Hedges (1981), about 1 − 3/(4·df − 1).

    Examples
    --------
    >>> round(small_sample_factor(10), 6)
    0.922746
    """
    from scipy.special import gammaln

    if not df > 1:
        return float("nan")
    return float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def _standardise(spec: StandardisedEffect, study: StudyData) -> Estimates:
    inference = choose_inference(spec.inference, study.design, spec.name)
    base = estimate_linear(spec.intention_to_treat(), study)
    matrix = study.covariates(spec.covariates).matrix if spec.covariates else None
    complete = complete_rows(matrix)
    labels = list(treated_labels(study))
    block = base.influence[0]
    rows: list[tuple[RowKey, float, float, float, float, RowInfluence | None, float]] = []
    remarks = list(base.remarks)
    for place, key in enumerate(base.keys):
        df, n, cell = base.numbers["df"][place], base.numbers["n"][place], base.min_cell[place]
        own = block.rows[place]
        if key.term == "control_mean":
            rows.append((key, base.working[place], base.working_se[place], df, n, own, cell))
            continue
        effect_key = key._replace(measure="standardised_difference", unit="sd")
        scale_key = key._replace(term=f"standardiser: {key.term}" if len(labels) > 1 else "standardiser", measure="sd")
        if own is None:
            rows.append((effect_key, np.nan, np.nan, np.nan, n, None, cell))
            rows.append((scale_key, np.nan, np.nan, np.nan, np.nan, None, cell))
            reason = next((note.reason for note in base.remarks if note[:4] == key[:4]), "")
            remarks.append(Note(*scale_key[:4], "estimate", reason))
            continue
        sample = draw_sample(
            study, outcome=key.outcome, population=key.population, complete=complete, one_armed=spec.one_armed
        )
        scale = _scale(
            study,
            member=sample.member,
            values=sample.values,
            weights=sample.weights,
            term=labels.index(key.term) + 1,
            standardiser=spec.standardiser,
            inference=inference,
        )
        square = scale.influence
        if scale.missing or square is None:
            remarks.append(Note(*effect_key[:4], "estimate", scale.missing))
            remarks.append(Note(*scale_key[:4], "std_error", scale.missing))
            rows.append((effect_key, np.nan, np.nan, np.nan, n, None, cell))
            rows.append((scale_key, scale.sd, np.nan, np.nan, scale.n, None, cell))
            continue
        factor = small_sample_factor(scale.factor_df)
        tau = float(base.working[place])
        dense = np.zeros(study.n)
        dense[slice(None) if own.index is None else own.index] += factor / scale.sd * own.values
        dense[slice(None) if square.index is None else square.index] -= factor * tau / (2 * scale.sd**3) * square.values
        error, own_df = _error(dense, block.clusters)
        value = factor * tau / scale.sd
        rows.append(
            (
                effect_key,
                value,
                error,
                _smaller(df, own_df),
                n,
                RowInfluence(None, dense, people=np.flatnonzero(sample.member)),
                cell,
            )
        )
        half = RowInfluence(square.index, square.values / (2 * scale.sd), people=square.people)
        spread = float(np.sqrt(scale.variance_of_square)) / (2 * scale.sd)
        rows.append((scale_key, scale.sd, spread, _smaller(df, scale.variance_df), scale.n, half, cell))
        remarks.append(
            Note(
                *effect_key[:4],
                "",
                f"divided by the {_NAMES[spec.standardiser]}; small-sample factor {factor:.6f} at "
                f"{scale.factor_df:.4g} degrees of freedom",
            )
        )
    return Estimates.build(
        keys=[row[0] for row in rows],
        working=[row[1] for row in rows],
        working_se=[row[2] for row in rows],
        df=[row[3] for row in rows],
        n=[row[4] for row in rows],
        conf_level=spec.conf_level,
        influence=[influence_block(study, [row[5] for row in rows], inference)],
        glances=[
            {**glance, "kind": spec.kind, "method": f"{glance['method']}, over the {_NAMES[spec.standardiser]}"}
            for glance in base.glances
        ],
        remarks=remarks,
        min_cell=[row[6] for row in rows],
    )


def _smaller(first: float, second: float) -> float:
    """Give the smaller degrees of freedom; NaN if the first are."""
    return first if np.isnan(first) or np.isnan(second) else min(first, second)


def _error(values: NDArray[np.float64], clusters: NDArray[Any] | None) -> tuple[float, float]:
    """Give the standard error that influence values carry and the degrees of freedom of that error's square."""
    sums: NDArray[Any] = values
    if clusters is not None:
        inside = clusters >= 0
        sums = np.bincount(clusters[inside], weights=values[inside])
    squares = sums[sums != 0.0] ** 2
    variance = float(squares.sum())
    spread = float((squares**2).sum()) - variance**2 / max(len(squares), 1)
    return float(np.sqrt(variance)), 2.0 * variance**2 / spread if spread > 0 else float("nan")


def _scale(
    study: StudyData,
    *,
    member: NDArray[np.bool_],
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    term: int,
    standardiser: Standardiser,
    inference: Inference,
) -> _Scale:
    """Estimate the variance as mean squares, by regressions that bring their own influence values.

    The factor before the squares makes the variance unbiased for independent people of equal variance, whatever
    the weights: n/(n − groups) without, n/(n − 1) at Kish's effective n for one group.
    """
    wanted = (0,) if standardiser == "control" else (0, term)
    chosen = member & np.isin(arms_of(study), wanted)
    arm, y = arms_of(study)[chosen], values[chosen]
    w = np.ones(len(y)) if weights is None else weights[chosen]
    pooled = standardiser == "pooled"
    groups = (arm[:, None] == np.array(wanted)).astype(np.float64) if pooled else np.ones((len(y), 1))
    mass = groups.T @ w
    shares = mass / mass.sum()
    nominal = effective_n(None if weights is None else w, len(y)) - groups.shape[1]
    spent = float((groups.T @ w**2 / mass).sum() / mass.sum())
    residuals = y - groups @ ((groups.T @ (w * y)) / mass)
    if np.abs(residuals).max() <= EXACT * np.abs(y).max():
        return _Scale(0.0 if len(y) > groups.shape[1] else np.nan, None, np.nan, np.nan, nominal, len(y))
    fitted = regress(
        study,
        matrix=groups,
        outcomes=(residuals**2 / (1.0 - spent))[:, None],
        member=chosen,
        weights=None if weights is None else w,
        rows=list(range(len(shares))),
        inference=inference,
    )
    variance = float(shares @ fitted.coef[:, 0])
    parts = [row[0] for row in fitted.influence]
    index = None if parts[0] is None else parts[0].index
    combined = np.sum([share * part.values for share, part in zip(shares, parts, strict=True) if part], axis=0)
    clusters = study.clusters if carries_clusters(inference) else None
    if clusters is not None and index is not None:
        clusters = clusters[index]
    error, variance_df = _error(combined, clusters)
    spread = error**2
    df = min(nominal, 2 * variance**2 / spread) if clusters is not None and spread > 0 else nominal
    return _Scale(
        float(np.sqrt(variance)),
        RowInfluence(index, combined, people=np.flatnonzero(chosen)),
        spread,
        variance_df,
        df,
        len(y),
    )
