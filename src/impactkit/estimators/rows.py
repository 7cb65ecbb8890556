"""Rows of the intention-to-treat analysis under construction: numbers, reasons and the glance row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import Inference, Linearised, choose_inference
from impactkit.estimators.regression import NOTABLE, TOO_SMALL, Regression, carries_clusters, influence_block
from impactkit.estimators.sample import Sample, arms_of, treated_labels
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.itt import IntentToTreat
    from impactkit.estimators.matrix import LeftOut

__all__ = ["ITTRows", "effective_n", "glance_row"]

_METHODS = {"none": "difference in means", "ancova": "ANCOVA", "lin": "Lin (2013) interacted adjustment"}


class ITTRows:
    """Rows under construction, in the order outcomes were asked for within each population."""

    def __init__(self, spec: IntentToTreat, study: StudyData, inference: Inference) -> None:
        self.spec = spec
        self.study = study
        self.inference = inference
        self.labels = list(treated_labels(study))
        self.found: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self.glances: dict[tuple[str, str], dict[str, Any]] = {}
        self.remarks: list[Note] = []

    def add(
        self, sample: Sample, place: int, effects: Regression, controls: Regression, left_out: LeftOut | None
    ) -> None:
        """Add an outcome's rows: its place among those solved together, and what the regression left out."""
        outcome, counts = sample.outcome, sample.counts
        smallest = sample.smallest_cell(arms_of(self.study))
        rows: list[tuple[Any, ...]] = []
        for term, label in enumerate((*self.labels, "control_mean")):
            is_mean = term == len(self.labels)
            source, line = (controls, 0) if is_mean else (effects, term)
            key = self._key(sample, label)
            n = counts["n_control" if is_mean else "n_analysed"]
            numbers = (source.coef[line, place], source.std_error[line, place], source.df[line, place])
            self._explain(key, *numbers, source, line, bool(source.exact[place]), left_out)
            rows.append((key, *numbers, n, source.influence[line][place], smallest))
        self.found[outcome.name, sample.population] = rows
        known = effects.df[np.isfinite(effects.df[:, place]), place]
        self._glance(sample, float(known.min()) if len(known) else float("nan"))
        if sample.dropped_strata:
            self._remark(
                sample,
                f"{len(sample.dropped_strata)} strata with one arm only were left out as asked "
                f"({counts['n_dropped_strata']} rows): {_listed(sample.dropped_strata)}",
            )
        if left_out is not None and left_out.redundant:
            self._remark(
                sample,
                f"left out because constant here or implied by other columns, without changing the effect: "
                f"{_listed(left_out.redundant)}",
            )
        if left_out is not None and left_out.crossed:
            self._remark(
                sample,
                "not interacted with the arm, because too few people of an arm are there to tell: "
                f"{_listed(left_out.crossed)}",
            )

    def fail(self, sample: Sample, reason: str) -> None:
        """Add an outcome's rows without numbers, each with the reason; the counts are shown all the same."""
        rows: list[tuple[Any, ...]] = []
        for label in (*self.labels, "control_mean"):
            key = self._key(sample, label)
            rows.append((key, np.nan, np.nan, np.nan, np.nan, None, np.nan))
            self.remarks.append(Note(*key[:4], "estimate", reason))
        self.found[sample.outcome.name, sample.population] = rows
        self._glance(sample, float("nan"))

    def _key(self, sample: Sample, term: str) -> RowKey:
        measure = "mean" if term == "control_mean" else "difference"
        outcome = sample.outcome
        return RowKey(self.spec.name, outcome.name, sample.population, term, measure, outcome.unit)

    def _glance(self, sample: Sample, df: float) -> None:
        adjustment = self.spec.adjustment_used
        blocked = self.study.strata is not None and adjustment == "none"
        method = ("blocked " if blocked else "") + _METHODS[adjustment]
        if self.study.strata is not None and not blocked:
            method += " with stratum dummies"
        self.glances[sample.outcome.name, sample.population] = glance_row(
            self.spec, self.study, sample, estimand="intention to treat", method=method, df=df
        )

    def _explain(
        self,
        key: RowKey,
        estimate: float,
        error: float,
        df: float,
        source: Regression,
        line: int,
        exact: bool,
        left_out: LeftOut | None,
    ) -> None:
        one = "a cluster" if self._by_cluster else "somebody"
        if not np.isfinite(estimate):
            said = left_out.with_arm if left_out is not None and key.measure == "difference" else ()
            names = _listed([name for treated, name in said if treated == line + 1])
            column, reason = "estimate", f"the arm can be told from {names}, so there is no effect apart from it"
        elif source.residual_df <= 0:
            column, reason = "std_error", "no degrees of freedom are left: too few people for this specification"
        elif source.share[line] < TOO_SMALL:
            alone = f"{one} is alone in their arm (and stratum)"
            if self._by_cluster:
                alone = "a cluster is fitted exactly (alone in its arm and stratum, or with a dummy of its own)"
            cure = ": join strata, or adjust by ANCOVA"
            if key.measure == "mean":
                alone, cure = f"{one} alone carries this mean", ""
            column, reason = "std_error", f"{alone}, so this variance cannot be estimated{cure}"
        elif error == 0.0 and exact:
            column, reason = "std_error", "the outcome does not vary here, so a standard error of 0 says nothing"
        elif not np.isfinite(df):
            column, reason = "p_value", "the design leaves no degrees of freedom for a test or limits"
        elif source.share[line] < NOTABLE:
            column, reason = (
                "",
                f"{one} is fitted exactly: with equal, independent errors the variance would be "
                f"{1 - source.share[line]:.1%} too small",
            )
        else:
            return
        self.remarks.append(Note(*key[:4], column, reason))

    @property
    def _by_cluster(self) -> bool:
        return self.study.clusters is not None and carries_clusters(self.inference)

    def _remark(self, sample: Sample, reason: str) -> None:
        self.remarks.append(self.spec.note(reason, outcome=sample.outcome.name, population=sample.population))

    def estimates(self) -> Estimates:
        """Close the rows: populations in order, outcomes in the order asked for."""
        order = [
            (self.study.outcome(outcome).spec.name, population)
            for population in self.spec.chosen_populations(self.study.design)
            for outcome in self.spec.outcome_names()
        ]
        rows = [row for key in order for row in self.found[key]]
        influences: list[RowInfluence | None] = [row[5] for row in rows]
        return Estimates.build(
            keys=[row[0] for row in rows],
            working=[row[1] for row in rows],
            working_se=[row[2] for row in rows],
            df=[row[3] for row in rows],
            n=[row[4] for row in rows],
            conf_level=self.spec.conf_level,
            influence=[influence_block(self.study, influences, self.inference)],
            glances=[self.glances[key] for key in order],
            remarks=self.remarks,
            min_cell=[row[6] for row in rows],
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def effective_n(weights: NDArray[np.float64] | None, n: int) -> float:
    """Give Kish's effective sample size, (Σw)²/Σw²."""
    if weights is None:
        return float(n)
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def glance_row(spec: Any, study: StudyData, sample: Sample, *, estimand: str, method: str, df: float) -> dict[str, Any]:
    """Fill the glance row that every estimator on people gives."""
    inference = choose_inference(spec.inference, study.design, spec.name)
    weights = None if sample.weights is None else sample.weights[sample.member]
    clusters = None if study.clusters is None else len(np.unique(study.clusters[sample.member]))
    errors: str = inference.kind if not isinstance(inference, Linearised) else "Taylor linearised"
    if clusters is not None:
        errors += f" by {study.design.clusters}"
    return {
        "analysis": spec.name,
        "outcome": sample.outcome.name,
        "population": sample.population,
        "kind": spec.kind,
        "estimand": estimand,
        "method": method,
        "inference": errors,
        "evidence": study.design.evidence,
        **sample.counts,
        "clusters": clusters,
        "missing_rule": "complete cases, outcome by outcome",
        "weights": sample.weights_column or "none",
        "effective_n": effective_n(weights, sample.counts["n_analysed"]),
        "conf_level": spec.conf_level,
        "design_df": df,
        "independence_assumed": False,
    }
