"""Hazard ratios by characteristic, population by population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.survival.cox import CoxFit, cox, sums_by
from impactkit.compute.survival.cox_checks import proportional_hazards
from impactkit.compute.survival.cox_jackknife import without_each_cluster
from impactkit.errors import DataError, NotEstimableError
from impactkit.estimators.covariate_terms import Term, dummies, read_term
from impactkit.estimators.cox_rows import (
    NO_PERSON,
    CoxRows,
    Line,
    Observed,
    counted,
    observed_people,
    people_block,
    why_diverging,
)
from impactkit.estimators.durations import late_entries
from impactkit.estimators.rows import effective_n
from impactkit.results import Estimates, RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.cox import CoxRegression

__all__ = ["by_characteristic"]

EVERY_COVARIATE = "all covariates"
TIES = {"efron": "Efron's", "breslow": "Breslow's"}
Place = tuple[str, int]


def by_characteristic(spec: CoxRegression, study: StudyData) -> Estimates:
    """Fit every population."""
    duration, event, entry = spec.times(study.design)
    rows = CoxRows(spec, event)
    asked = dict(spec.reference)
    terms = [read_term(study, name, asked, f'CoxRegression "{spec.name}"') for name in spec.covariates]
    stop, happened = study.numeric(duration), study.numeric(event)
    start = None if entry is None else study.numeric(entry)
    if start is not None:
        late = late_entries(str(entry), start, duration, stop, study.population("all"))
        if late:
            raise DataError(late)
    strata, labels = _strata(spec, study)
    for population in spec.chosen_populations(study.design):
        seen = observed_people(rows, study, population, stop=stop, event=happened, entry=start)
        complete = np.logical_and.reduce([~np.isnan(term.values) for term in terms])
        if strata is not None:
            complete &= strata >= 0
        member = seen.member & complete
        seen.counts["n_missing_covariates"] = int((seen.member & ~member).sum())
        seen.counts["n_analysed"] = int(member.sum())
        one = _Population(rows, study, population, terms, member, seen, stop, happened, start, strata)
        one.solve()
        one.glance(labels)
    return rows.estimates([people_block(study)])


def _strata(spec: CoxRegression, study: StudyData) -> tuple[NDArray[np.int64] | None, str]:
    """Cross the design's strata with those of the analysis; -1 where a column is empty."""
    parts = [] if study.strata is None else [(study.strata.astype(np.int64), len(study.strata_labels))]
    for name in spec.strata_by:
        factor = study.factor(name)
        parts.append((factor.codes.astype(np.int64), len(factor.labels)))
    if not parts:
        return None, ""
    code, known = np.zeros(study.n, dtype=np.int64), np.ones(study.n, dtype=bool)
    for own, size in parts:
        code = code * size + own
        known &= own >= 0
    said = ", ".join(dict.fromkeys([*study.design.strata, *spec.strata_by]))
    return np.where(known, code, -1), said


class _Population:
    """One model."""

    def __init__(
        self,
        rows: CoxRows,
        study: StudyData,
        population: str,
        terms: list[Term],
        member: NDArray[np.bool_],
        seen: Observed,
        stop: NDArray[np.float64],
        happened: NDArray[np.float64],
        start: NDArray[np.float64] | None,
        strata: NDArray[np.int64] | None,
    ) -> None:
        self.rows, self.spec, self.study, self.population = rows, rows.spec, study, population
        self.terms, self.member, self.seen = terms, member, seen
        self.stop, self.event = stop[member], happened[member] == 1.0
        self.start = None if start is None else start[member]
        self.strata = None if strata is None else np.unique(strata[member], return_inverse=True)[1].reshape(-1)
        self.weights = None if seen.weights is None else seen.weights[member]
        self.clusters = None if study.clusters is None else study.clusters[member]
        n = int(member.sum())
        self.ratios = {
            (term.name, code): rows.line(population, term.label(code), "hazard_ratio", n)
            for term in terms
            for code in term.codes
        }
        self.tests: dict[str, Line] = {}
        if self.spec.test != "none":
            names = [*(term.name for term in terms), *([EVERY_COVARIATE] if len(terms) > 1 else [])]
            self.tests = {name: rows.line(population, name, "proportional_hazards", n) for name in names}
        self.df = float("nan")

    def solve(self) -> None:
        """Fit, or say why not."""
        self._cells()
        fit, places = self._fit()
        if fit is None:
            return
        self._fill(fit, places)
        self._test(fit, places)

    def _fit(self) -> tuple[CoxFit | None, list[Place]]:
        reason = self._nothing_to_fit()
        self.x, places = dummies(self.terms, self.member)
        names = [self._name(place) for place in places]
        fit = None
        if not reason:
            try:
                fit = self._cox(np.ones(len(self.x), dtype=bool), names)
            except NotEstimableError as fault:
                reason = str(fault)
            else:
                reason = "" if fit.converged else why_diverging(fit, names)
        if reason:
            self.rows.failed([*self.ratios.values(), *self.tests.values()], reason)
            return None, places
        return fit, places

    def _cox(self, keep: NDArray[np.bool_], names: list[str] | None = None) -> CoxFit:
        """Fit those who are kept."""
        return cox(
            self.stop[keep],
            self.event[keep],
            self.x[keep],
            start=None if self.start is None else self.start[keep],
            strata=None if self.strata is None else self.strata[keep],
            weights=None if self.weights is None else self.weights[keep],
            clusters=None if self.clusters is None else self.clusters[keep],
            ties=self.spec.ties,
            names=names,
        )

    def _nothing_to_fit(self) -> str:
        if not self.member.any():
            return "nobody has known times and every covariate observed"
        for term in self.terms:
            if term.levels and not (term.values[self.member] == term.reference).any():
                return (
                    f"nobody analysed is in the reference category {term.label(term.reference)}: choose another with "
                    "`reference`"
                )
        return ""

    def _name(self, place: Place) -> str:
        return next(term.label(place[1]) for term in self.terms if term.name == place[0])

    def _cells(self) -> None:
        """Count people behind each row; with one covariate and no strata, by event."""
        for term in self.terms:
            values = term.values[self.member]
            for code in term.codes:
                masks = [self.event, ~self.event]
                if code >= 0:
                    groups = [values == code, values == term.reference]
                    alone = len(self.terms) == 1 and self.strata is None
                    masks = [group & mask for group in groups for mask in masks] if alone else groups
                self.ratios[term.name, code].cell = float(min(int(mask.sum()) for mask in masks))
        for line in self.tests.values():
            line.cell = float(min(int(self.event.sum()), int((~self.event).sum())))

    def _fill(self, fit: CoxFit, places: list[Place]) -> None:
        values, df, reason = fit.influence, float("inf"), ""
        if self.clusters is not None:
            count = len(np.unique(self.clusters))
            df = float(count - 1)
            if count <= len(places):
                reason = f"{count} clusters are too few for {len(places)} columns: no error can be estimated"
            elif self.spec.by_jackknife(count):
                values = without_each_cluster(fit, self._cox, self.clusters)
            else:
                values = values * groups_factor(count)
        sums = values if self.clusters is None else sums_by(values, self.clusters)
        variance = (sums**2).sum(axis=0)
        factors = np.ones(len(places))
        if self.spec.inference == "model":
            factors, variance = np.sqrt(np.diagonal(fit.vcov) / variance), np.diagonal(fit.vcov)
        elif not reason and np.isnan(variance).any():
            reason = "without one of the clusters the model has no estimate, so no error can be given"
        df = df if not reason else float("nan")
        self.df = df
        index = np.flatnonzero(self.member)
        for column, place in enumerate(places):
            line = self.ratios[place]
            line.estimate = float(fit.coef[column])
            if reason:
                self.rows.note(line, "std_error", reason)
                continue
            line.error, line.df = float(np.sqrt(variance[column])), df
            line.influence = (RowInfluence(index, values[:, column] * factors[column]),)
        for term in self.terms:
            for code in term.codes:
                self._without_estimate(term, code, places)

    def _without_estimate(self, term: Term, code: int, places: list[Place]) -> None:
        """Reference rows are 1 by definition; a category of nobody has no row of its own."""
        line = self.ratios[term.name, code]
        if term.levels and code == term.reference:
            line.estimate, line.error, line.df = 0.0, 0.0, float("inf")
            line.influence = (RowInfluence(NO_PERSON, np.zeros(0)),)
            for column in ("statistic", "p_value"):
                self.rows.note(line, column, "reference category: hazard ratio 1 by definition")
        elif (term.name, code) not in places:
            self.rows.note(line, "estimate", "nobody analysed is in this category")

    def _test(self, fit: CoxFit, places: list[Place]) -> None:
        if not self.tests:
            return
        transform = "km" if self.spec.test == "none" else self.spec.test
        if transform == "log" and (self.stop[self.event] <= 0).any():
            for line in self.tests.values():
                self.rows.tested(line, (np.nan,) * 3, "somebody has the event at time 0, which has no logarithm")
            return
        groups = [[at for at, (name, _) in enumerate(places) if name == term.name] for term in self.terms]
        found = proportional_hazards(
            fit,
            self.stop,
            self.event,
            start=self.start,
            transform=transform,
            groups=groups,
            robust=self._robust_test(),
        )
        why_not = "too few clusters, or events at too few times, for this test"
        for place, term in enumerate(self.terms):
            one = (float(found.statistic[place]), float(found.df[place]), float(found.p_value[place]))
            self.rows.tested(self.tests[term.name], one, why_not)
        if EVERY_COVARIATE in self.tests:
            self.rows.tested(self.tests[EVERY_COVARIATE], found.overall, why_not)

    def _robust_test(self) -> bool:
        return self.clusters is not None or self.weights is not None

    def glance(self, strata: str) -> None:
        """Say who was analysed, and how."""
        spec, study, counts = self.spec, self.study, self.seen.counts
        method = f"Cox regression, {TIES[spec.ties]} ties, {counted(int(self.event.sum()))} events"
        method += "; delayed entry" if self.start is not None else ""
        method += f"; baseline hazards of their own by {strata}" if strata else ""
        errors = "model-based" if spec.inference == "model" else "robust (infinitesimal jackknife)"
        clusters = None
        if self.clusters is not None:
            clusters = len(np.unique(self.clusters))
            errors = f"{spec.cluster_words(clusters)} by {study.design.clusters}, t on {max(0, clusters - 1)}"
        if study.arm is not None:
            counts["n_treated"] = int((self.member & (study.arm > 0)).sum())
            counts["n_control"] = int((self.member & (study.arm == 0)).sum())
        evidence = study.design.evidence
        row: dict[str, Any] = {
            "analysis": spec.name,
            "outcome": self.rows.outcome,
            "population": self.population,
            "kind": spec.kind,
            "estimand": "association of hazards, conditional on the other columns",
            "method": method,
            "inference": errors,
            "evidence": "adjusted comparison" if evidence == "randomised" else evidence,
            **counts,
            "clusters": clusters,
            "missing_rule": "complete cases, model by model",
            "weights": study.design.weights or "none",
            "effective_n": effective_n(self.weights, counts["n_analysed"]),
            "conf_level": spec.conf_level,
            "design_df": self.df,
            "independence_assumed": False,
        }
        self.rows.glances.append(row)
        if self._robust_test() and self.tests:
            self.rows.remark(
                self.population,
                "the test of proportional hazards is the robust one, which honours weights and clusters",
            )
        if evidence == "randomised" and getattr(study.design, "arm", None) in spec.covariates:
            self.rows.remark(
                self.population,
                f"`{study.design.arm}` was allocated at random, so its hazard ratio is an effect, conditional on the "  # type: ignore[attr-defined]
                "other columns; it compares those without the event so far, who are no longer as randomised",
            )
