"""Effects in standard deviations: which standard deviation is named, and its own uncertainty is carried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from impactkit.analysis import Analysis, ConfLevel, Inference, choose_inference
from impactkit.design import Design
from impactkit.estimators.itt import IntentToTreat, effective_n, estimate_linear
from impactkit.estimators.regression import Adjustment, influence_block, regress
from impactkit.estimators.sample import OneArmed, arms_of, complete_rows, draw_sample, treated_labels
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["StandardisedEffect", "Standardiser", "small_sample_factor"]

Standardiser = Literal["control", "pooled", "total"]

_NAMES = {
    "control": "standard deviation of the control arm (Glass)",
    "pooled": "pooled within-arm standard deviation (Hedges)",
    "total": "unconditional standard deviation of both arms together",
}


class StandardisedEffect(Analysis):
    """Effect of allocation in standard deviations of the outcome, from the adjusted, weighted estimate.

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
    :math:`g = J(\\nu)\\,\\hat\\tau/s` with the exact :math:`J(\\nu) = \\Gamma(\\nu/2) /
    (\\sqrt{\\nu/2}\\,\\Gamma((\\nu-1)/2))`. Without weights and clusters ν is n₀ − 1, n − 2 or n − 1; with
    weights n is Kish's effective size; with clusters ν is the Satterthwaite value 2s⁴/V(s²) if that is
    smaller. The influence of g is :math:`J(\\psi_\\tau/s - \\hat\\tau\\,\\psi_{s^2}/(2s^3))`, so the
    interval carries the standard deviation's own error, whatever the outcome's kurtosis.

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

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial"})

    kind: Literal["standardised_effect"] = "standardised_effect"
    outcome: str | tuple[str, ...] = Field(min_length=1)
    standardiser: Standardiser = "control"
    populations: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    adjustment: Adjustment | None = None
    inference: Inference | None = None
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    def outcome_names(self) -> tuple[str, ...]:
        return self.numerator().outcome_names()

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        return self.numerator().columns(design)

    def refusals(self, design: Design | None) -> list[str]:
        return [said.replace("IntentToTreat", "StandardisedEffect") for said in self.numerator().refusals(design)]

    def numerator(self) -> IntentToTreat:
        """The intention-to-treat analysis whose estimate is standardised."""
        return IntentToTreat(
            name=self.name,
            outcome=self.outcome,
            populations=self.populations,
            covariates=self.covariates,
            adjustment=self.adjustment,
            inference=self.inference,
            one_armed=self.one_armed,
            conf_level=self.conf_level,
        )

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        return _standardise(self, study)


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """A standard deviation, the influence of its square, and the degrees of freedom of its factor."""

    sd: float
    influence: RowInfluence
    variance_of_square: float
    factor_df: float
    n: int


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
    numerator = spec.numerator()
    base = estimate_linear(numerator, study)
    inference = choose_inference(spec.inference, study.design, spec.name)
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
            rows.append((effect_key, np.nan, np.nan, np.nan, np.nan, None, np.nan))
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
        if not scale.sd > 0:
            remarks.append(
                Note(*effect_key[:4], "estimate", "the outcome does not vary, so there is nothing to divide by")
            )
            rows.append((effect_key, np.nan, np.nan, np.nan, n, None, np.nan))
            continue
        factor = small_sample_factor(scale.factor_df)
        tau = float(base.working[place])
        dense = np.zeros(study.n)
        dense[slice(None) if own.index is None else own.index] += factor / scale.sd * own.values
        square = scale.influence
        dense[slice(None) if square.index is None else square.index] -= factor * tau / (2 * scale.sd**3) * square.values
        error = _error(dense, block.clusters)
        rows.append((effect_key, factor * tau / scale.sd, error, df, n, RowInfluence(None, dense), cell))
        half = RowInfluence(square.index, square.values / (2 * scale.sd))
        spread = float(np.sqrt(scale.variance_of_square)) / (2 * scale.sd)
        rows.append((scale_key, scale.sd, spread, df, scale.n, half, cell))
        remarks.append(
            Note(
                *effect_key[:4],
                "",
                f"divided by the {_NAMES[spec.standardiser]}; small-sample factor {factor:.6f} at {scale.factor_df:.4g} "
                "degrees of freedom",
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


def _error(values: NDArray[np.float64], clusters: NDArray[Any] | None) -> float:
    sums: NDArray[Any] = values
    if clusters is not None:
        inside = clusters >= 0
        sums = np.bincount(clusters[inside], weights=values[inside])
    return float(np.sqrt((sums**2).sum()))


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
    """Estimate the variance as mean squares, by regressions that bring their own influence values."""
    wanted = (0,) if standardiser == "control" else (0, term)
    chosen = member & np.isin(arms_of(study), wanted)
    arm, y = arms_of(study)[chosen], values[chosen]
    w = np.ones(len(y)) if weights is None else weights[chosen]
    if standardiser == "pooled":
        groups = (arm[:, None] == np.array(wanted)).astype(np.float64)
    else:
        groups = np.ones((len(y), 1))
    mass = groups.T @ w
    means = (groups.T @ (w * y)) / mass
    shares = mass / mass.sum()
    size = effective_n(None if weights is None else w, len(y))
    spent = groups.shape[1]
    correction = len(y) / (len(y) - spent) if len(y) > spent else np.nan
    squares = correction * (y - groups @ means) ** 2
    fitted = regress(
        study,
        matrix=groups,
        outcomes=squares[:, None],
        member=chosen,
        weights=None if weights is None else w,
        rows=list(range(spent)),
        inference=inference,
    )
    variance = float(shares @ fitted.coef[:, 0])
    parts = [fitted.influence[row][0] for row in range(spent)]
    combined = np.sum([share * part.values for share, part in zip(shares, parts, strict=True)], axis=0)
    influence = RowInfluence(parts[0].index, combined)
    clusters = study.clusters if inference.kind in ("CR2", "linearised") else None
    if clusters is not None and influence.index is not None:
        clusters = clusters[influence.index]
    spread = _error(combined, clusters) ** 2
    nominal = size - spent
    df = min(nominal, 2 * variance**2 / spread) if clusters is not None and spread > 0 else nominal
    return _Scale(float(np.sqrt(variance)), influence, spread, df, len(y))
