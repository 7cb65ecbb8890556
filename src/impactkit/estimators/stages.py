"""The two stages behind :class:`ComplierEffect`: both from one regression, and the rows that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import CR2, Inference, choose_inference
from impactkit.compute.twostage import ConfidenceSet, anderson_rubin, ratio_influence
from impactkit.estimators.itt import estimate_linear
from impactkit.estimators.receipt import receipt_cells, receipt_column, receipt_of, with_receipt
from impactkit.estimators.regression import influence_block, regress
from impactkit.estimators.sample import Sample, arms_of, complete_rows, draw_sample, treated_labels
from impactkit.results import DfParts, Estimates, Note, RowInfluence, RowKey
from impactkit.results.joint import covariance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.complier import ComplierEffect

__all__ = ["estimate_compliers"]

CACE = "complier average causal effect"
SHARE, STRENGTH, SET, BLOOM = "share of compliers", "first-stage F", "Anderson-Rubin", "Bloom"

WEAK = 10.0
"""First-stage F below which the t interval is not to be trusted (Staiger and Stock 1997)."""

EXACT = 1e-12
"""A first stage, or its standard error, below this is rounding."""


@dataclass
class _Rows:
    """Rows under construction."""

    rows: list[tuple[RowKey, float, float, float, float, RowInfluence | None, float]] = field(default_factory=list)
    tests: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    intervals: dict[int, tuple[float, float]] = field(default_factory=dict)
    p_values: dict[int, tuple[float, float]] = field(default_factory=dict)
    remarks: list[Note] = field(default_factory=list)

    def add(
        self,
        key: RowKey,
        value: float = np.nan,
        error: float = np.nan,
        df: float = np.nan,
        n: float = np.nan,
        influence: RowInfluence | None = None,
        cell: float = np.nan,
    ) -> int:
        self.rows.append((key, value, error, df, n, influence, cell))
        return len(self.rows) - 1

    def say(self, key: RowKey, column: str, reason: str) -> None:
        self.remarks.append(Note(*key[:4], column, reason))


@dataclass(frozen=True, slots=True, eq=False)
class _Stages:
    """One outcome in one population for one arm: where its two stages stand among the rows of ``base``.

    Parameters
    ----------
    base : Estimates
        Effects of allocation on the outcome and on receipt.
    outcome, receipt : int
        Rows of the reduced form and of the first stage.
    suffix : str
        Names the arm in the terms, when there are several.
    """

    base: Estimates
    outcome: int
    receipt: int
    suffix: str

    def key(self, term: str, measure: str, unit: str | None = None) -> RowKey:
        own = self.base.keys[self.outcome]
        return own._replace(term=term + self.suffix, measure=measure, unit=own.unit if unit is None else unit)

    @property
    def coefficients(self) -> NDArray[np.float64]:
        return self.base.working[[self.outcome, self.receipt]]

    @property
    def df(self) -> float:
        return float(self.base.numbers["df"][self.outcome])

    @property
    def n(self) -> float:
        return float(self.base.numbers["n"][self.outcome])

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """What the effect of allocation could not be given for, by column."""
        own = self.base.keys[self.outcome][:4]
        return [(note.column, note.reason) for note in self.base.remarks if note[:4] == own and note.column]

    def influence(self, place: int) -> RowInfluence | None:
        return self.base.influence[0].rows[place]


def estimate_compliers(spec: ComplierEffect, study: StudyData) -> Estimates:
    """Estimate every population, outcome and treated arm of a :class:`ComplierEffect`."""
    inference = choose_inference(spec.inference, study.design, f'ComplierEffect "{spec.name}"')
    receipts = {name: f"{receipt_column(study.design)} | {name}" for name in spec.outcome_names()}
    paired = study
    for outcome, receipt in receipts.items():
        paired = with_receipt(paired, outcome, receipt)
    base = estimate_linear(spec.intention_to_treat(*receipts.values()), paired)
    at = {(key.outcome, key.population, key.term): place for place, key in enumerate(base.keys)}
    labels = treated_labels(study)
    rows, glances = _Rows(), []
    for population in spec.chosen_populations(study.design):
        for outcome, receipt in receipts.items():
            for arm, label in enumerate(labels, start=1):
                suffix = f": {label}" if len(labels) > 1 else ""
                stages = _Stages(base, at[outcome, population, label], at[receipt, population, label], suffix)
                _add_arm(spec, paired, stages, arm, inference, rows)
            place = at[outcome, population, "control_mean"]
            numbers = (base.working[place], base.working_se[place], base.numbers["df"][place], base.numbers["n"][place])
            rows.add(base.keys[place], *numbers, base.influence[0].rows[place], base.min_cell[place])
            glances += [
                _glance(spec, study, glance)
                for glance in base.glances
                if (glance["outcome"], glance["population"]) == (outcome, population)
            ]
    rows.remarks += [
        note for note in base.remarks if note.outcome not in receipts.values() and note.term in ("", "control_mean")
    ]
    return Estimates.build(
        keys=[row[0] for row in rows.rows],
        working=[row[1] for row in rows.rows],
        working_se=[row[2] for row in rows.rows],
        df=[row[3] for row in rows.rows],
        n=[row[4] for row in rows.rows],
        conf_level=spec.conf_level,
        tests=rows.tests,
        intervals=rows.intervals,
        p_values=rows.p_values,
        influence=[influence_block(study, [row[5] for row in rows.rows], inference)],
        glances=glances,
        remarks=rows.remarks,
        min_cell=[row[6] for row in rows.rows],
    )


def _glance(spec: ComplierEffect, study: StudyData, glance: Mapping[str, Any]) -> dict[str, Any]:
    """Say what was done, and count people without a record of receipt apart from those without the outcome."""
    column, taken = study.outcome(glance["outcome"]), receipt_of(study)
    lost = study.population(glance["population"]) & column.eligible & ~np.isnan(column.values) & np.isnan(taken)
    weighted = lost if column.weights is None else lost & (np.nan_to_num(column.weights) > 0)
    counted = np.count_nonzero(weighted)
    return {
        **glance,
        "kind": spec.kind,
        "estimand": CACE,
        "method": f"two-stage least squares: {glance['method']} of the outcome over the same of receipt",
        "n_missing_outcome": glance["n_missing_outcome"] - np.count_nonzero(lost),
        "n_zero_weight": glance["n_zero_weight"] + np.count_nonzero(lost) - counted,
        "n_missing_covariates": glance["n_missing_covariates"] + counted,
        "missing_rule": f"{glance['missing_rule']}; receipt known",
    }


def _add_arm(
    spec: ComplierEffect, study: StudyData, stages: _Stages, arm: int, inference: Inference, rows: _Rows
) -> None:
    """Add the rows of one treated arm."""
    cace, share = stages.key(CACE, "difference"), stages.key(SHARE, "first_stage", "proportion")
    strength, ar = stages.key(STRENGTH, "first_stage_f", ""), stages.key(SET, "confidence_set")
    bloom = stages.key(BLOOM, "bloom")
    reduced, first = stages.influence(stages.outcome), stages.influence(stages.receipt)
    if reduced is None or first is None or not np.isfinite(stages.coefficients).all():
        for key in (cace, share, strength, ar, bloom):
            at = rows.add(key)
            if key is strength:
                rows.tests[at] = (np.nan, np.nan, np.nan)
                rows.say(key, "p_value", "there is no first stage to test")
            for _, reason in stages.reasons:
                rows.say(key, "estimate", reason)
        return
    sample = draw_sample(
        study,
        outcome=stages.base.keys[stages.receipt].outcome,
        population=cace.population,
        complete=complete_rows(study.covariates(spec.covariates).matrix if spec.covariates else None),
        one_armed=spec.one_armed,
    )
    cells = receipt_cells(sample.member, arms_of(study), sample.values, len(treated_labels(study)) + 1)
    pair = cells[[0, arm]]
    # Receipt that does not vary within arms is fitted exactly: what is left is rounding.
    fixed = not (cells.min(axis=1) > 0).any()
    pi = float(pair[1, 1] > 0) - float(pair[0, 1] > 0) if fixed else float(stages.coefficients[1])
    if fixed:
        first = replace(first, values=np.zeros_like(first.values))
    joint = covariance(stages.base, [stages.outcome, stages.receipt])
    if fixed:
        joint[1, :] = joint[:, 1] = 0.0
    cell = float(np.fmin(stages.base.min_cell[stages.outcome], pair[pair > 0].min()))
    found = _Found(stages, pi, joint, reduced, first, inference, cell)

    _add_effect(study, found, cace, rows)
    at = rows.add(share, pi, float(np.sqrt(joint[1, 1])), stages.df, stages.n, first, cell)
    if fixed:
        rows.say(share, "p_value", "receipt does not vary within arms, so the share is known and there is no test")
    elif not joint[1, 1] > 0.0:
        for column, reason in stages.reasons:
            rows.say(share, column, reason)
    _add_strength(found, strength, rows)
    _add_set(spec, found, ar, rows)
    _add_bloom(study, found, bloom, rows, sample=sample, arm=arm, one_sided=not cells[0, 1])
    if np.isfinite(rows.rows[at - 1][1]):
        _say_assumptions(cells, cace, rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The two stages of one arm, in numbers."""

    stages: _Stages
    pi: float
    joint: NDArray[np.float64]
    reduced: RowInfluence
    first: RowInfluence
    inference: Inference
    cell: float

    @property
    def rho(self) -> float:
        return float(self.stages.coefficients[0])


def _add_effect(study: StudyData, found: _Found, key: RowKey, rows: _Rows) -> None:
    stages = found.stages
    if abs(found.pi) <= EXACT:
        rows.add(key, n=stages.n, cell=found.cell)
        rows.say(key, "estimate", "receipt is as common in both arms, so allocation makes no compliers")
        return
    ratio = found.rho / found.pi
    values = ratio_influence(
        ratio=ratio,
        denominator=found.pi,
        numerator_values=found.reduced.values,
        denominator_values=found.first.values,
    )
    influence = RowInfluence(found.reduced.index, values, _scaled(found.reduced.df_parts, 1.0 / found.pi))
    error = _std_error(study, influence, found.inference)
    rows.add(key, ratio, error, stages.df, stages.n, influence, found.cell)
    for column, reason in stages.reasons:
        rows.say(key, column, reason)
    if found.pi < 0:
        rows.say(
            key, "", "fewer of this arm than of the control arm received the programme: is `receipt` the right way?"
        )


def _add_strength(found: _Found, key: RowKey, rows: _Rows) -> None:
    from scipy.special import stdtr

    df, variance = found.stages.df, float(found.joint[1, 1])
    at = rows.add(key, n=found.stages.n, cell=found.cell)
    errors = (
        "CR2, on 1 and Satterthwaite degrees of freedom (HTZ)"
        if isinstance(found.inference, CR2)
        else (f"{found.inference.kind}, on 1 and the regression's degrees of freedom")
    )
    if not variance > 0.0 or not df > 0:
        rows.tests[at] = (np.nan, df, np.nan)
        reason = "receipt does not vary within arms" if variance == 0.0 else "the first stage has no standard error"
        rows.say(key, "p_value", f"{reason}, so there is no test")
    else:
        statistic = found.pi**2 / variance
        tail = 2.0 * float(stdtr(df, -np.sqrt(statistic)))
        rows.tests[at] = (statistic, df, tail)
        if statistic < WEAK:
            rows.say(key, "", f"F below {WEAK:g}: the first stage is weak, so read the Anderson-Rubin set")
    rows.say(key, "", f"Wald test of no difference in take-up, {errors}; it has no estimate or limits")


def _add_set(spec: ComplierEffect, found: _Found, key: RowKey, rows: _Rows) -> None:
    from scipy.special import ndtri, stdtr, stdtrit

    stages = found.stages
    df, upper = stages.df, 0.5 * (1.0 + spec.conf_level)
    at = rows.add(key, df=df, n=stages.n, cell=found.cell)
    for column in ("estimate", "std_error"):
        rows.say(key, column, "a set found by inverting a test has limits, and no estimate or error of its own")
    if not np.isfinite(found.joint).all() or not df > 0 or not found.joint[0, 0] > 0:
        for column, reason in stages.reasons:
            rows.say(key, column, reason)
        return
    critical = float(ndtri(upper)) if np.isinf(df) else float(stdtrit(df, upper))
    shape = anderson_rubin(coefficients=np.array([found.rho, found.pi]), covariance=found.joint, critical=critical)
    statistic = found.rho / float(np.sqrt(found.joint[0, 0]))
    rows.p_values[at] = (statistic, 2.0 * float(stdtr(df, -abs(statistic))))
    rows.intervals[at] = (shape.low, shape.high) if shape.shape not in ("two rays", "empty") else (np.nan, np.nan)
    if shape.shape != "interval":
        rows.say(key, "conf_low", _in_words(shape))


def _in_words(found: ConfidenceSet) -> str:
    """Say what a set that is not an interval holds."""
    if found.shape == "empty":
        return "no value passes the test: receipt is the same for everybody, and yet the arms differ"
    why = "the first stage is not clearly different from zero, so the set does not end"
    return f"{why}: it holds {found}"


def _add_bloom(
    study: StudyData, found: _Found, key: RowKey, rows: _Rows, *, sample: Sample, arm: int, one_sided: bool
) -> None:
    """Add the impact over the share of the arm that received the programme."""
    stages = found.stages
    member = sample.member & (arms_of(study) == arm)
    taken = sample.values[member]
    if not taken.any():
        rows.add(key, n=stages.n, cell=found.cell)
        rows.say(key, "estimate", "nobody of this arm received the programme")
        return
    fitted = regress(
        study,
        matrix=np.ones((len(taken), 1)),
        outcomes=taken[:, None],
        member=member,
        weights=None if sample.weights is None else sample.weights[member],
        rows=[0],
        inference=found.inference,
    )
    everybody = bool(taken.all())
    share, own = (1.0, None) if everybody else (float(fitted.coef[0, 0]), fitted.influence[0][0])
    ratio = found.rho / share
    dense = np.zeros(study.n)
    dense[slice(None) if found.reduced.index is None else found.reduced.index] += found.reduced.values / share
    if own is not None:
        dense[slice(None) if own.index is None else own.index] -= ratio / share * own.values
    influence = RowInfluence(None, dense)
    error = _std_error(study, influence, found.inference)
    rows.add(key, ratio, error, stages.df, stages.n, influence, found.cell)
    for column, reason in stages.reasons:
        rows.say(key, column, reason)
    if np.isnan(error) and not stages.reasons:
        rows.say(key, "std_error", "somebody, or one cluster, alone carries the share who received the programme")
    if not one_sided:
        said = "some of the control arm received the programme: nearer to zero than the effect, a bound on its size"
    elif abs(share - found.pi) <= 1e-10:
        said = "nobody of the control arm received the programme: the same as two-stage least squares"
    else:
        said = (
            "nobody of the control arm received the programme: differs from two-stage least squares only because the "
            "first stage there is adjusted and the share here is not"
        )
    rows.say(key, "", said)


def _say_assumptions(cells: NDArray[np.int64], key: RowKey, rows: _Rows) -> None:
    exclusion = "allocation changes the outcome only through receipt (exclusion)"
    if not cells[0, 1]:
        rows.say(
            key,
            "",
            f"nobody of the control arm received the programme: the effect on those who received it, if {exclusion}",
        )
        return
    rows.say(
        key,
        "",
        "some of the control arm received the programme: a local average treatment effect, on people who receive it "
        f"because they are allocated to it, if {exclusion} and nobody does the opposite of their allocation "
        "(monotonicity)",
    )


def _scaled(parts: DfParts | None, factor: float) -> DfParts | None:
    """Parts of the degrees of freedom of a contrast times a number."""
    if parts is None:
        return None
    return replace(parts, norm=parts.norm * factor**2, left=parts.left * factor, right=parts.right * factor)


def _std_error(study: StudyData, row: RowInfluence, inference: Inference) -> float:
    sums = influence_block(study, [row], inference).by_group([0])
    return float(np.sqrt((sums**2).sum()))
