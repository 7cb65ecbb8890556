"""The rows of effects by subgroup and of the differences between subgroups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import choose_inference
from impactkit.compute.clusters import influence_cr2
from impactkit.compute.leastsquares import fit
from impactkit.compute.wald import WaldTest, cross_forms, htz_test, wald_test
from impactkit.design import Outcome
from impactkit.errors import NotEstimableError
from impactkit.estimators.matrix import trial_matrix
from impactkit.estimators.regression import Regression, carries_clusters, influence_block, regress
from impactkit.estimators.rows import glance_row
from impactkit.estimators.sample import (
    Sample,
    arm_sizes,
    arms_of,
    complete_rows,
    draw_sample,
    treated_labels,
)
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.subgroups import Subgroups

__all__ = ["Run"]

MOST_LEVELS = 20


MOST_CLUSTERS = 1500


_STARS = (
    "one subgroup's effect with stars and another's without is no evidence that they differ: the rows of differences "
    "between levels test that"
)


_METHODS = {
    "none": "difference in means within each level",
    "ancova": "ANCOVA with common slopes, arm interacted with the levels",
    "lin": "Lin (2013) interacted adjustment within each level",
}


@dataclass(slots=True)
class _Row:
    key: RowKey
    estimate: float = np.nan
    error: float = np.nan
    df: float = np.nan
    n: float = np.nan
    influence: RowInfluence | None = None
    cell: float = np.nan
    test: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Between:
    """A column's test of "no difference between levels", for one arm."""

    column: str
    arm: str
    statistic: float
    df: float
    p_value: float


class Run:
    """One pass over populations, outcomes and columns."""

    def __init__(self, spec: Subgroups, study: StudyData) -> None:
        self.spec, self.study = spec, study
        self.inference = choose_inference(spec.inference, study.design, f'Subgroups "{spec.name}"')
        self.labels = treated_labels(study)
        self.adjustment = spec.intention_to_treat().adjustment_used
        self.covariates = study.covariates(spec.covariates).matrix if spec.covariates else None
        self.factors = {name: study.factor(name) for name in spec.by_names()}
        for name, factor in self.factors.items():
            if len(factor.labels) > MOST_LEVELS:
                raise NotEstimableError(
                    f"subgroup column `{name}` has {len(factor.labels):,} levels (limit {MOST_LEVELS}): "
                    "cut it into bands"
                )
        known = np.all([factor.codes >= 0 for factor in self.factors.values()], axis=0)
        complete = complete_rows(self.covariates)
        self.complete: NDArray[np.bool_] = known if complete is None else known & complete
        self.rows: list[_Row] = []
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = [spec.note(_STARS)]

    def estimates(self) -> Estimates:
        spec, study = self.spec, self.study
        for population in spec.chosen_populations(study.design):
            for outcome in spec.outcome_names():
                self._outcome(outcome, population)
        rows = self.rows
        return Estimates.build(
            keys=[row.key for row in rows],
            working=[row.estimate for row in rows],
            working_se=[row.error for row in rows],
            df=[row.df for row in rows],
            n=[row.n for row in rows],
            conf_level=spec.conf_level,
            tests={place: row.test for place, row in enumerate(rows) if row.test is not None},
            influence=[influence_block(study, [row.influence for row in rows], self.inference)],
            glances=self.glances,
            remarks=list(dict.fromkeys(self.remarks)),
            min_cell=[row.cell for row in rows],
        )

    def _outcome(self, outcome: str, population: str) -> None:
        spec, study = self.spec, self.study
        try:
            sample = draw_sample(
                study, outcome=outcome, population=population, complete=self.complete, one_armed=spec.one_armed
            )
        except NotEstimableError as reason:
            for column in spec.by_names():
                why = dict.fromkeys(self._levels(population, column), str(reason))
                self._fail(study.outcome(outcome).spec, population, column, why)
            return
        tests: list[_Between] = []
        smallest = np.nan
        for column in spec.by_names():
            found, df = self._column(sample, column)
            tests += found
            smallest = float(np.fmin(smallest, df))
        if spec.adjust == "holm":
            self._holm(sample, tests)
        method = _METHODS[self.adjustment]
        if study.strata is not None:
            method = f"blocked {method}" if self.adjustment == "none" else f"{method}, with stratum dummies"
        self.glances.append(
            glance_row(spec, study, sample, estimand="intention to treat by subgroup", method=method, df=smallest)
        )

    # --- one column -------------------------------------------------------------------------------------

    def _column(self, sample: Sample, column: str) -> tuple[list[_Between], float]:
        """Estimate one column's rows; give its tests of no difference, by arm, and its smallest df."""
        factor, arm = self.factors[column], arms_of(self.study)
        outcome, population = sample.outcome, sample.population
        levels = self._levels(population, column)
        member = sample.member.copy()
        why: dict[int, str] = {}
        for code in levels:
            inside = member & (factor.codes == code)
            inside = self._without_one_armed(sample, inside, column)
            member &= inside | (factor.codes != code)
            reason = self._cannot(inside)
            if reason:
                why[code] = reason
                member &= ~inside
        used = [code for code in levels if code not in why]
        if not used:
            self._fail(outcome, population, column, why)
            return [], np.nan
        sizes = {code: arm_sizes(member & (factor.codes == code), arm, len(self.labels) + 1) for code in used}
        cells = {code: self._cell(sample, member & (factor.codes == code)) for code in used}
        try:
            matrix, places = self._matrix(sample, member, column, used)
            each = self._regress(sample, member, matrix, [place for row in places for place in row])
            apart = matrix.copy()
            for further in places[1:]:
                apart[:, places[0]] += matrix[:, further]
            contrast_places = [place for row in places[1:] for place in row]
            between = self._regress(sample, member, apart, contrast_places) if contrast_places else None
            controls = self._controls(sample, member, factor.codes, used)
        except NotEstimableError as reason:
            self._fail(outcome, population, column, {code: why.get(code, str(reason)) for code in levels})
            return [], np.nan
        if each.aliased.any():
            self.remarks.append(
                self.spec.note(
                    f"by {column}: {int(each.aliased.sum())} of {len(each.aliased)} columns of the regression follow "
                    "from the others and were left out; the effects do not depend on which",
                    outcome=sample.outcome.name,
                    population=sample.population,
                )
            )
        tests: list[_Between] = []
        arms = len(self.labels)
        for term in range(len(self.labels)):
            for code in levels:
                if code in why:
                    self._missing(outcome, population, pairs={self._level_term(column, code, term): why[code]})
                    continue
                line = used.index(code) * arms + term
                n = float(sizes[code].sum())
                self._keep(sample, self._level_term(column, code, term), each, line, n, cells[code])
            first = factor.labels[used[0]]
            chosen: list[int] = []
            for code in levels:
                words = self._with_arm(f"{column}: {factor.labels[code]} − {first}", term)
                if code in why:
                    self._missing(outcome, population, pairs={words: why[code]})
                if code in why or code == used[0]:
                    continue
                assert between is not None
                line = (used.index(code) - 1) * arms + term
                chosen.append(line)
                n = float(sizes[code].sum() + sizes[used[0]].sum())
                self._keep(sample, words, between, line, n, min(cells[code], cells[used[0]]))
            if between is not None and chosen:
                tests.append(self._joint(sample, member, apart, contrast_places, between, chosen, column, term, cells))
        for place, code in enumerate(used):
            words = f"control_mean: {column}: {factor.labels[code]}"
            self._keep(sample, words, controls[place], 0, float(sizes[code][0]), cells[code], measure="mean")
        lost = {f"control_mean: {column}: {factor.labels[code]}": reason for code, reason in why.items()}
        self._missing(outcome, population, pairs=lost)
        return tests, float(np.fmin.reduce(each.df.ravel()))

    def _cannot(self, inside: NDArray[np.bool_]) -> str:
        """Say why a level cannot be estimated; nothing if it can."""
        if (arm_sizes(inside, arms_of(self.study), len(self.labels) + 1) == 0).any():
            return "nobody is left to analyse in an arm of this subgroup"
        faulty = self._one_armed_strata(inside)
        if not faulty.any():
            return ""
        return (
            f"{int(faulty.sum())} strata lack an arm within this subgroup: join strata or levels, adjust by ANCOVA "
            '(where stratum dummies are common to the levels), or set one_armed="drop"'
        )

    def _one_armed_strata(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark the strata that lack an arm among some people, where strata are interacted with the levels."""
        strata, arms = self.study.strata, len(self.labels) + 1
        if strata is None or self.adjustment == "ancova":
            return np.zeros(len(self.study.strata_labels), dtype=bool)
        codes = strata[inside] * arms + arms_of(self.study)[inside]
        cells = np.bincount(codes, minlength=len(self.study.strata_labels) * arms).reshape(-1, arms)
        faulty: NDArray[np.bool_] = (cells.sum(axis=1) > 0) & (cells == 0).any(axis=1)
        return faulty

    def _without_one_armed(self, sample: Sample, inside: NDArray[np.bool_], column: str) -> NDArray[np.bool_]:
        """Leave out the strata that lack an arm within a level, if that was asked for, and count their rows."""
        faulty = self._one_armed_strata(inside)
        if self.spec.one_armed != "drop" or not faulty.any():
            return inside
        assert self.study.strata is not None
        lost = inside & faulty[self.study.strata]
        self.remarks.append(
            self.spec.note(
                f"by {column}: {int(faulty.sum())} strata with one arm only within a subgroup were left out as asked",
                outcome=sample.outcome.name,
                population=sample.population,
            )
        )
        kept: NDArray[np.bool_] = inside & ~lost
        return kept

    def _matrix(
        self, sample: Sample, member: NDArray[np.bool_], column: str, used: list[int]
    ) -> tuple[NDArray[np.float64], list[list[int]]]:
        """Build the matrix with one effect column per level and arm, and say where they stand."""
        study, codes = self.study, self.factors[column].codes[member]
        arm, arms = arms_of(study)[member], len(self.labels) + 1
        weights = None if sample.weights is None else sample.weights[member]
        strata = None if study.strata is None else study.strata[member]
        covariates = None if self.covariates is None else self.covariates[member]
        blocks: list[NDArray[np.float64]] = [np.ones((len(codes), 1))]
        blocks += [(codes == code).astype(np.float64)[:, None] for code in used[1:]]
        places: list[list[int]] = []
        start = len(used)
        rest: list[NDArray[np.float64]] = []
        for code in used:
            inside = codes == code
            own = trial_matrix(
                arm=arm[inside],
                arms=arms,
                strata=None if strata is None or self.adjustment == "ancova" else strata[inside],
                covariates=None if covariates is None or self.adjustment == "ancova" else covariates[inside],
                weights=None if weights is None else weights[inside],
                adjustment="none" if self.adjustment == "ancova" else self.adjustment,
            )
            whole = np.zeros((len(codes), own.shape[1] - 1))
            whole[inside] = own[:, 1:]
            blocks.append(whole[:, : arms - 1])
            rest.append(whole[:, arms - 1 :])
            places.append(list(range(start, start + arms - 1)))
            start += arms - 1
        if self.adjustment == "ancova":
            common = trial_matrix(
                arm=arm, arms=arms, strata=strata, covariates=covariates, weights=weights, adjustment="ancova"
            )
            rest = [common[:, arms:]]
        return np.hstack([*blocks, *rest]), places

    def _regress(
        self, sample: Sample, member: NDArray[np.bool_], matrix: NDArray[np.float64], rows: list[int]
    ) -> Regression:
        return regress(
            self.study,
            matrix=matrix,
            outcomes=sample.values[member][:, None],
            member=member,
            weights=None if sample.weights is None else sample.weights[member],
            rows=rows,
            inference=self.inference,
        )

    def _controls(
        self, sample: Sample, member: NDArray[np.bool_], codes: NDArray[np.int32], used: list[int]
    ) -> list[Regression]:
        found = []
        for code in used:
            inside = member & (codes == code) & (arms_of(self.study) == 0)
            found.append(self._regress(sample, inside, np.ones((int(inside.sum()), 1)), [0]))
        return found

    def _joint(
        self,
        sample: Sample,
        member: NDArray[np.bool_],
        matrix: NDArray[np.float64],
        places: list[int],
        between: Regression,
        chosen: list[int],
        column: str,
        term: int,
        cells: Mapping[int, float],
    ) -> _Between:
        """Test one arm's contrasts together, and add the row when there are several."""
        arm = self.labels[term]
        if len(chosen) == 1:
            line = chosen[0]
            estimate, error, df = between.coef[line, 0], between.std_error[line, 0], between.df[line, 0]
            alone = wald_test(estimates=np.array([estimate]), covariance=np.array([[error**2]]), df=float(df))
            return _Between(column, arm, alone.statistic, alone.df2, alone.p_value)
        covariance = self._covariance(between, chosen)
        estimates = between.coef[chosen, 0]
        reason = "the differences between levels have no joint covariance that can be inverted"
        if self.inference.kind == "CR2":
            test, unable = self._htz(sample, member, matrix, [places[line] for line in chosen], estimates, covariance)
            reason = unable or reason
        else:
            test = wald_test(estimates=estimates, covariance=covariance, df=float(between.df[chosen[0], 0]))
        key = self._key(sample, self._with_arm(f"{column}: all levels alike", term), "wald_f", "")
        row = _Row(key, n=float(np.count_nonzero(member)), cell=min(cells.values()))
        row.test = (test.statistic, test.df2, test.p_value)
        row.df = test.df2
        self.rows.append(row)
        said = f"F test of {len(chosen)} differences, of every level that could be estimated,"
        said += f" on {len(chosen)} and {test.df2:.4g} degrees of freedom"
        if self.inference.kind == "CR2":
            said += " (HTZ)"
        if np.isfinite(test.p_value):
            self._note(key, "", said)
        else:
            self._note(key, "p_value", reason)
        return _Between(column, arm, test.statistic, test.df2, test.p_value)

    def _covariance(self, between: Regression, chosen: list[int]) -> NDArray[np.float64]:
        """Give the covariance of contrasts from their influence values."""
        clusters = self.study.clusters if carries_clusters(self.inference) else None
        sums = []
        for line in chosen:
            own = between.influence[line][0]
            if own is None:  # a contrast without a standard error
                return np.full((len(chosen), len(chosen)), np.nan)
            values: NDArray[Any] = own.values
            if clusters is not None:
                codes = clusters if own.index is None else clusters[own.index]
                inside = codes >= 0
                values = np.bincount(codes[inside], weights=values[inside], minlength=int(clusters.max()) + 1)
            sums.append(values)
        stacked = np.stack(sums)
        covariance: NDArray[np.float64] = stacked @ stacked.T
        return covariance

    def _htz(
        self,
        sample: Sample,
        member: NDArray[np.bool_],
        matrix: NDArray[np.float64],
        places: list[int],
        estimates: NDArray[np.float64],
        covariance: NDArray[np.float64],
    ) -> tuple[WaldTest, str]:
        assert self.study.clusters is not None
        _, codes = np.unique(self.study.clusters[member], return_inverse=True)
        none = WaldTest(np.nan, np.nan, np.nan, np.nan)
        if codes.max() >= MOST_CLUSTERS:
            return none, f"the joint test is given for up to {MOST_CLUSTERS} clusters"
        weights = None if sample.weights is None else sample.weights[member]
        solution = fit(X=matrix, Y=sample.values[member][:, None], weights=weights)
        q = len(places)
        picks = np.zeros((q, matrix.shape[1]))
        picks[np.arange(q), places] = 1.0
        first, second = np.triu_indices(q, k=1)
        found = influence_cr2(
            solution, X=matrix, weights=weights, clusters=codes, rows=np.vstack([picks, picks[first] + picks[second]])
        )
        norm = np.zeros((q, q, found.norm.shape[1]))
        norm[np.arange(q), np.arange(q)] = found.norm[:q]
        crossed = (found.norm[q:] - found.norm[first] - found.norm[second]) / 2
        norm[first, second] = norm[second, first] = crossed
        forms = cross_forms(norm=norm, left=found.left[:q], right=found.right[:q], middle=found.middle)
        return htz_test(estimates=estimates, covariance=covariance, forms=forms), ""

    # --- rows -------------------------------------------------------------------------------------------

    def _with_arm(self, words: str, term: int) -> str:
        return words if len(self.labels) == 1 else f"{self.labels[term]}, {words}"

    def _level_term(self, column: str, code: int, term: int) -> str:
        return self._with_arm(f"{column}: {self.factors[column].labels[code]}", term)

    def _key(self, sample: Sample, term: str, measure: str, unit: str | None = None) -> RowKey:
        shown = sample.outcome.unit if unit is None else unit
        return RowKey(self.spec.name, sample.outcome.name, sample.population, term, measure, shown)

    def _note(self, key: RowKey, column: str, reason: str) -> None:
        self.remarks.append(Note(*key[:4], column, reason))

    def _keep(
        self,
        sample: Sample,
        term: str,
        found: Regression,
        line: int,
        n: float,
        cell: float,
        *,
        measure: str = "difference",
    ) -> None:
        key = self._key(sample, term, measure)
        estimate, error, df = found.coef[line, 0], found.std_error[line, 0], found.df[line, 0]
        if not np.isfinite(estimate):
            self._note(key, "estimate", "the arm follows from the other columns of the regression (collinear)")
        elif found.residual_df <= 0 or not np.isfinite(df):
            self._note(key, "std_error", "no degrees of freedom are left: too few people for this specification")
        elif not np.isfinite(error):
            self._note(
                key,
                "std_error",
                "somebody is alone in their arm and subgroup (or stratum), so this variance cannot be estimated",
            )
        elif error == 0.0:
            self._note(key, "p_value", "the outcome does not vary, so there is no test")
        self.rows.append(_Row(key, float(estimate), float(error), float(df), n, found.influence[line][0], cell))

    def _cell(self, sample: Sample, inside: NDArray[np.bool_]) -> float:
        """Give the smallest head count of a level: by arm, and by answer for a binary outcome."""
        arm, arms = arms_of(self.study), len(self.labels) + 1
        sizes = arm_sizes(inside, arm, arms)
        if sample.outcome.kind == "binary":
            positive = arm_sizes(inside & (sample.values == 1.0), arm, arms)
            sizes = np.concatenate([positive, sizes - positive])
        return float(sizes.min())

    def _missing(self, outcome: Outcome, population: str, *, pairs: Mapping[str, str]) -> None:
        """Give rows without numbers, each with its reason: terms of differences, and control means."""
        for term, reason in pairs.items():
            measure = "mean" if term.startswith("control_mean") else "difference"
            key = RowKey(self.spec.name, outcome.name, population, term, measure, outcome.unit)
            self.rows.append(_Row(key))
            self._note(key, "estimate", reason)

    def _fail(self, outcome: Outcome, population: str, column: str, why: Mapping[int, str]) -> None:
        """Give every row of a column without numbers."""
        labels = self.factors[column].labels
        codes = list(why)
        for term in range(len(self.labels)):
            words = {self._level_term(column, code, term): why[code] for code in codes}
            for code in codes[1:]:
                words[self._with_arm(f"{column}: {labels[code]} − {labels[codes[0]]}", term)] = why[code]
            self._missing(outcome, population, pairs=words)
        controls = {f"control_mean: {column}: {labels[code]}": why[code] for code in codes}
        self._missing(outcome, population, pairs=controls)

    def _levels(self, population: str, column: str) -> list[int]:
        """Give the levels that occur in a population; all of them when nobody is in it."""
        factor, assigned = self.factors[column], self.study.population(population)
        every = range(len(factor.labels))
        return [code for code in every if (assigned & (factor.codes == code)).any()] or list(every)

    def _holm(self, sample: Sample, tests: list[_Between]) -> None:
        """Add a row for each column's test with Holm's p value, arm by arm."""
        for term, arm in enumerate(self.labels):
            mine = [test for test in tests if test.arm == arm]
            adjusted = _holm([test.p_value for test in mine])
            for test, p in zip(mine, adjusted, strict=True):
                words = self._with_arm(f"{test.column}: all levels alike, Holm over {len(mine)}", term)
                key = self._key(sample, words, "wald_f", "")
                row = _Row(key, n=float(sample.counts["n_analysed"]), df=test.df, cell=np.nan)
                row.cell = sample.smallest_cell(arms_of(self.study))
                row.test = (test.statistic, test.df, p)
                self.rows.append(row)
                if np.isfinite(p):
                    self._note(key, "", f"p value adjusted by Holm over the tests of {len(mine)} columns")
                else:
                    self._note(key, "p_value", "this column has no test of differences between levels to adjust")


def _holm(p_values: list[float]) -> list[float]:
    """Give Holm's step-down p values; a test without a p value is not counted."""
    known = [place for place, p in enumerate(p_values) if np.isfinite(p)]
    adjusted = [float("nan")] * len(p_values)
    running = 0.0
    for step, place in enumerate(sorted(known, key=lambda place: p_values[place])):
        running = max(running, min(1.0, (len(known) - step) * p_values[place]))
        adjusted[place] = running
    return adjusted
