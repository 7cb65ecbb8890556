"""Rows of the EQ-5D profile: one group before and after, or the arms of a trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import choose_inference
from impactkit.compute.eq5d import PARETIAN, mcnemar
from impactkit.compute.shares import wilson_limits
from impactkit.data.eq5d.norms import load_population_norms
from impactkit.data.outcomes import OutcomeColumn
from impactkit.design import ALL, Outcome
from impactkit.errors import DataError, NotEstimableError
from impactkit.estimators.eq5d_people import Pairs, read_pairs
from impactkit.estimators.itt import IntentToTreat, estimate_linear
from impactkit.estimators.regression import influence_block, regress
from impactkit.estimators.rows import glance_row
from impactkit.estimators.sample import Sample, SampleError, arms_of, draw_sample, treated_labels
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.eq5d_profile import Eq5dProfile

__all__ = ["DIMENSION_NAMES", "IMPROVED", "INDEX", "LEVEL_SUM", "PARETIAN_OUTCOME", "compare_arms", "describe_group"]


DIMENSION_NAMES = ("mobility", "self-care", "usual activities", "pain or discomfort", "anxiety or depression")
LEVEL_SUM = "level sum score"
INDEX = "EQ-5D index"
PARETIAN_OUTCOME = "health change"
IMPROVED = "improved health"
BEFORE_AFTER = "before-after only"
THRESHOLD = 10  # below which a count is hidden, as in the reports


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """One thing that is measured before and after."""

    name: str
    kind: str
    unit: str
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def share(self) -> bool:
        return self.kind == "binary"


@dataclass(slots=True)
class _Rows:
    """Rows under construction."""

    keys: list[RowKey] = field(default_factory=list)
    numbers: list[tuple[float, float, float, float]] = field(default_factory=list)
    influence: list[RowInfluence | None] = field(default_factory=list)
    cells: list[float] = field(default_factory=list)
    intervals: dict[int, tuple[float, float]] = field(default_factory=dict)
    tests: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def add(
        self, key: RowKey, numbers: tuple[float, float, float, float], influence: RowInfluence | None, cell: float
    ) -> None:
        self.keys.append(key)
        self.numbers.append(numbers)
        self.influence.append(influence)
        self.cells.append(cell)

    def missing(self, key: RowKey, reason: str) -> None:
        self.add(key, (np.nan, np.nan, np.nan, np.nan), None, np.nan)
        self.notes.append(Note(*key[:4], "estimate", reason))


def describe_group(spec: Eq5dProfile, study: StudyData) -> Estimates:
    """Describe change in each population of a design without arms."""
    pairs = read_pairs(spec, study)
    rows, glances = _Rows(), []
    weights = _weights(spec, study, pairs.complete)
    rows.notes += [spec.note(remark) for remark in pairs.remarks]
    for population in spec.chosen_populations(study.design):
        assigned = study.population(population)
        member = assigned & pairs.complete
        if weights is not None:
            member = member & (np.nan_to_num(weights) > 0)
        rows.notes += _counted(spec, pairs, assigned, population)
        for measured in _measured(pairs):
            _before_after(spec, study, measured, member, weights, population, rows)
            if measured.name == INDEX and spec.norms is not None:
                _beside_norm(spec, study, measured, pairs, member, weights, population, rows)
            glances.append(
                _glance(spec, study, measured.name, measured.kind, member, assigned, pairs, weights, population)
            )
        _paretian(spec, study, pairs, member, weights, population, rows, "")
        glances.append(_glance(spec, study, PARETIAN_OUTCOME, "binary", member, assigned, pairs, weights, population))
    return _build(spec, study, rows, glances)


def compare_arms(spec: Eq5dProfile, study: StudyData) -> Estimates:
    """Compare the arms afterwards, with both shares of each arm, in every population."""
    pairs = read_pairs(spec, study)
    weights = _weights(spec, study, pairs.complete)
    labels = ("control", *treated_labels(study))
    labels = (str(getattr(study.design, "control", "control")), *labels[1:])
    parts = [Estimates(remarks=tuple(spec.note(remark) for remark in pairs.remarks))]
    classes = pairs.classes()
    improved = np.where(classes >= 0, (classes == PARETIAN.index("improved")).astype(np.float64), np.nan)
    everything = [*_measured(pairs), _Measured(IMPROVED, "binary", "proportion", np.full(study.n, np.nan), improved)]
    for measured in everything:
        own = _with_outcome(study, measured, weights)
        adjusted = spec.adjust and measured.name != IMPROVED
        before = f"{measured.name} at {spec.labels[0]}"
        if adjusted:
            own = own.with_covariate(before, measured.before)
        effect = IntentToTreat(
            name=spec.name,
            outcome=measured.name,
            covariates=(before,) if adjusted else (),
            populations=spec.populations,
            inference=spec.inference,
            one_armed=spec.one_armed,
            conf_level=spec.conf_level,
        )
        base = estimate_linear(effect, own)
        rows = _Rows()
        for population in spec.chosen_populations(study.design):
            _arm_rows(spec, own, measured, pairs, weights, population, labels, rows)
        beside = _build(spec, study, rows, [])
        estimand = f"difference at {spec.labels[1]}" + (f", adjusted for {spec.labels[0]}" if adjusted else "")
        glances = tuple({**row, "kind": spec.kind, "estimand": estimand} for row in base.glances)
        joined = Estimates.concat([base, beside])
        parts.append(_with(joined, glances))
    for population in spec.chosen_populations(study.design):
        parts.append(Estimates(remarks=tuple(_counted(spec, pairs, study.population(population), population))))
    return _in_order(Estimates.concat(parts), spec.chosen_populations(study.design))


def _with(estimates: Estimates, glances: tuple[Any, ...]) -> Estimates:
    from dataclasses import replace

    return replace(estimates, glances=glances)


def _in_order(estimates: Estimates, populations: tuple[str, ...]) -> Estimates:
    """Put the rows of each population together, outcomes in order."""
    place = {name: number for number, name in enumerate(populations)}
    order = sorted(range(len(estimates)), key=lambda row: place[estimates.keys[row].population])
    return estimates.take(order)


def _measured(pairs: Pairs) -> list[_Measured]:
    found = [
        _Measured(name, "binary", "proportion", *pairs.problems(place)) for place, name in enumerate(DIMENSION_NAMES)
    ]
    found.append(_Measured(LEVEL_SUM, "continuous", "points", *pairs.sums()))
    if pairs.value_set is not None:
        found.append(_Measured(INDEX, "index", "index", *pairs.index()))
    return found


def _with_outcome(study: StudyData, measured: _Measured, weights: NDArray[np.float64] | None) -> StudyData:
    kind: Any = measured.kind
    declared = Outcome(
        name=measured.name,
        kind=kind,
        unit=measured.unit,
        good="higher" if measured.name in (INDEX, IMPROVED) else "lower",
    )
    return study.with_outcome(OutcomeColumn(declared, measured.after, weights, np.ones(study.n, dtype=bool)))


def _weights(spec: Eq5dProfile, study: StudyData, complete: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    if study.design.weights is None:
        return None
    weights = study.numeric(study.design.weights)
    bad = int((complete & ~(weights >= 0)).sum())
    if bad:
        raise DataError(
            [
                f"weight column `{study.design.weights}` should be known and 0 or more wherever the EQ-5D was answered "
                f'("{spec.name}"); found {bad} rows where it is not: give weights, or empty the answers of people who '
                "are not in the survey"
            ]
        )
    return weights


def _counted(spec: Eq5dProfile, pairs: Pairs, assigned: NDArray[np.bool_], population: str) -> list[Note]:
    """Say who is not in the base."""
    gone_before, gone_after = (assigned & (states < 0) for states in (pairs.before, pairs.after))
    entry, later = spec.labels
    said = []
    if (gone_before | gone_after).any():
        only_before, only_after = int((gone_before & ~gone_after).sum()), int((gone_after & ~gone_before).sum())
        both = int((gone_before & gone_after).sum())
        where = "" if population == ALL else f"{population}: "
        said.append(
            f"{where}left out because an answer is missing: {only_before} at {entry} only, {only_after} at {later} "
            f"only, {both} at both; {int((assigned & pairs.complete).sum())} people are the base of every row"
        )
    if pairs.value_set is not None:
        said.append(f"index: {pairs.value_set.source}" + (f". {pairs.value_set.note}" if pairs.value_set.note else ""))
    if spec.norms is not None:
        said.append(f"population norms, taken as known: {load_population_norms(spec.norms).source}")
    return [spec.note(line, population=population) for line in said]


def _glance(
    spec: Eq5dProfile,
    study: StudyData,
    outcome: str,
    kind: str,
    member: NDArray[np.bool_],
    assigned: NDArray[np.bool_],
    pairs: Pairs,
    weights: NDArray[np.float64] | None,
    population: str,
) -> dict[str, Any]:
    observed = assigned & pairs.complete
    counts: dict[str, Any] = {
        "n_assigned": int(assigned.sum()),
        "n_not_eligible": 0,
        "n_missing_outcome": int((assigned & ~pairs.complete).sum()),
        "n_zero_weight": int((observed & ~member).sum()),
        "n_missing_covariates": 0,
        "n_dropped_strata": 0,
        "n_analysed": int(member.sum()),
        "n_treated": None,
        "n_control": None,
    }
    any_kind: Any = kind
    declared = Outcome(name=outcome, kind=any_kind)
    sample = Sample(
        declared, population, member, pairs.before.astype(np.float64), weights, study.design.weights, counts, ()
    )
    estimand = "change within people" if outcome != PARETIAN_OUTCOME else "Paretian classification of health change"
    df = float(member.sum() - 1)
    row = glance_row(spec, study, sample, estimand=estimand, method="paired means", df=df)
    return {**row, "evidence": BEFORE_AFTER, "missing_rule": "complete answers at both times"}


def _before_after(
    spec: Eq5dProfile,
    study: StudyData,
    measured: _Measured,
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    population: str,
    rows: _Rows,
) -> None:
    key = RowKey(spec.name, measured.name, population, "change", "change", measured.unit)
    change = measured.after - measured.before
    cell = _fourfold(measured, member) if measured.share else None
    _mean(spec, study, key, change, member, weights, rows, cell)
    if measured.share:
        _mcnemar(spec, study, measured, member, weights, key, rows)
    measure = "proportion" if measured.share else "mean"
    for label, values in zip(spec.labels, (measured.before, measured.after), strict=True):
        own = RowKey(spec.name, measured.name, population, label, measure, measured.unit)
        _mean(spec, study, own, values, member, weights, rows)
    if measured.share:  # the two cells McNemar's test rests on
        for label, once in zip(spec.labels, (change < 0, change > 0), strict=True):
            own = RowKey(spec.name, measured.name, population, f"{label} only", measure, measured.unit)
            _mean(spec, study, own, once.astype(np.float64), member, weights, rows, cell)


def _fourfold(measured: _Measured, member: NDArray[np.bool_]) -> float:
    """Smallest count behind a change of shares: its error gives away how many changed each way."""
    before, after = measured.before[member] == 1.0, measured.after[member] == 1.0
    changed = (before & ~after, ~before & after)
    return _smallest(*(int(part.sum()) for part in (*changed, before, ~before, after, ~after)))


def _mcnemar(
    spec: Eq5dProfile,
    study: StudyData,
    measured: _Measured,
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    change: RowKey,
    rows: _Rows,
) -> None:
    lost = int((measured.before[member] > measured.after[member]).sum())
    gained = int((measured.before[member] < measured.after[member]).sum())
    reason = "McNemar's test counts who had a problem at one of the two times only; it has no estimate"
    statistic, p_value, exact = mcnemar(lost, gained)
    if study.clusters is not None or weights is not None:
        what = "clusters" if study.clusters is not None else "weights"
        statistic = p_value = exact = np.nan
        reason = f"McNemar's test knows no {what}, which the design declares: read the test of the change row"
    elif lost + gained == 0:
        reason = "nobody changed, so there is nothing to test"
    for measure, found in (("mcnemar", (statistic, 1.0, p_value)), ("mcnemar_exact", (np.nan, np.nan, exact))):
        key = change._replace(measure=measure)
        if np.isfinite(found[2]):
            rows.tests[len(rows.keys)] = found
        n = float(member.sum())
        rows.add(key, (np.nan, np.nan, 1.0 if measure == "mcnemar" else np.nan, n), None, _fourfold(measured, member))
    rows.notes.append(Note(*change[:4], "p_value" if not np.isfinite(p_value) else "", reason))


def _smallest(*counts: int) -> float:
    positive = [count for count in counts if count > 0]
    return float(min(positive)) if positive else np.nan


def _beside_norm(
    spec: Eq5dProfile,
    study: StudyData,
    measured: _Measured,
    pairs: Pairs,
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    population: str,
    rows: _Rows,
    arm: str = "",
) -> None:
    assert pairs.expected is not None
    where = f": {arm}" if arm else ""
    known = member & ~np.isnan(pairs.expected)
    without = int((member & ~known).sum())
    for label, values in zip(spec.labels, (measured.before, measured.after), strict=True):
        key = RowKey(spec.name, INDEX, population, f"{label} less norm{where}", "norm_gap", measured.unit)
        _mean(spec, study, key, values - pairs.expected, known, weights, rows)
    key = RowKey(spec.name, INDEX, population, f"population norm{where}", "mean", measured.unit)
    _mean(spec, study, key, pairs.expected, known, weights, rows)
    if without:
        reason = f"{without} people have no age and sex within the bands of the norm; the gaps rest on the others"
        term = f"population norm{where}" if arm else ""
        rows.notes.append(spec.note(reason, outcome=INDEX, population=population, term=term))


def _paretian(
    spec: Eq5dProfile,
    study: StudyData,
    pairs: Pairs,
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    population: str,
    rows: _Rows,
    arm: str,
    outcome: str = PARETIAN_OUTCOME,
) -> None:
    classes = pairs.classes()
    cells = _class_cells([int((classes[member] == code).sum()) for code in range(len(PARETIAN))])
    for code, name in enumerate(PARETIAN):
        term = f"{name}: {arm}" if arm else name
        key = RowKey(spec.name, outcome, population, term, "proportion", "proportion")
        _mean(spec, study, key, (classes == code).astype(np.float64), member, weights, rows, cells[code])


def _class_cells(counts: list[int]) -> list[float]:
    """Smallest count behind each class: a small one is hidden with the next smallest, as all add up to everybody."""
    total = sum(counts)
    cells = [float(count or total) for count in counts]
    order = sorted((code for code, count in enumerate(counts) if count), key=lambda code: counts[code])
    hidden = 0
    for place, code in enumerate(order):
        if counts[code] < THRESHOLD or (place and 0 < hidden < THRESHOLD) or (place == 1 and hidden):
            hidden += counts[code]
            cells[code] = float(counts[order[0]])
    return cells


def _arm_rows(
    spec: Eq5dProfile,
    study: StudyData,
    measured: _Measured,
    pairs: Pairs,
    weights: NDArray[np.float64] | None,
    population: str,
    labels: tuple[str, ...],
    rows: _Rows,
) -> None:
    try:
        sample = draw_sample(
            study, outcome=measured.name, population=population, complete=pairs.complete, one_armed=spec.one_armed
        )
    except SampleError as fault:
        sample = fault.sample
    arm = arms_of(study)
    for code in (*range(1, len(labels)), 0):
        member = sample.member & (arm == code)
        if measured.name == IMPROVED:
            _paretian(spec, study, pairs, member, weights, population, rows, labels[code], IMPROVED)
            continue
        measure = "proportion" if measured.share else "mean"
        for label, values in zip(spec.labels, (measured.before, measured.after), strict=True):
            key = RowKey(spec.name, measured.name, population, f"{label}: {labels[code]}", measure, measured.unit)
            _mean(spec, study, key, values, member, weights, rows)
        if measured.name == INDEX and spec.norms is not None:
            _beside_norm(spec, study, measured, pairs, member, weights, population, rows, labels[code])


def _mean(
    spec: Eq5dProfile,
    study: StudyData,
    key: RowKey,
    values: NDArray[np.float64],
    member: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    rows: _Rows,
    given: float | None = None,
) -> None:
    """Add a mean or a share with its error under the design; a share has Wilson's limits."""
    n = int(member.sum())
    if n == 0:
        rows.missing(key, "nobody here answered everything both times")
        return
    inference = choose_inference(spec.inference, study.design, f'Eq5dProfile "{spec.name}"')
    taken = values[member]
    heavy = None if weights is None else weights[member]
    try:
        fitted = regress(
            study,
            matrix=np.ones((n, 1)),
            outcomes=taken[:, None],
            member=member,
            weights=heavy,
            rows=[0],
            inference=inference,
        )
    except NotEstimableError as fault:
        rows.missing(key, str(fault))
        return
    estimate, error, df = float(fitted.coef[0, 0]), float(fitted.std_error[0, 0]), float(fitted.df[0, 0])
    influence = fitted.influence[0][0]
    share = key.measure == "proportion"
    constant = bool((taken == taken[0]).all())
    size = float(n) if heavy is None else float(heavy.sum() ** 2 / (heavy**2).sum())
    cell = float(n)
    if constant:
        estimate = float(taken[0])
        if n > 1 or share:
            error, influence = 0.0, RowInfluence(np.flatnonzero(member), np.zeros(n))
        if not share:
            rows.notes.append(Note(*key[:4], "std_error", "the values do not vary here, so an error of 0 says nothing"))
    elif not np.isfinite(error):
        size = np.nan
        rows.notes.append(Note(*key[:4], "std_error", "somebody, or one cluster, alone carries this mean"))
    elif share:
        size = n * estimate * (1.0 - estimate) / ((n - 1) * error**2)
        cell = _smallest(int((taken == 1.0).sum()), int((taken == 0.0).sum()))
    if constant and not share and not np.isfinite(error):
        influence = None
    if np.isfinite(error) and not np.isfinite(df):
        rows.notes.append(Note(*key[:4], "p_value", "the design leaves no degrees of freedom for a test or limits"))
        rows.notes.append(Note(*key[:4], "conf_low", "the design leaves no degrees of freedom for a test or limits"))
    if share:
        rows.intervals[len(rows.keys)] = wilson_limits(estimate, size, conf_level=spec.conf_level)
    rows.add(key, (estimate, error, df, float(n)), influence, cell if given is None else given)


def _build(spec: Eq5dProfile, study: StudyData, rows: _Rows, glances: list[dict[str, Any]]) -> Estimates:
    inference = choose_inference(spec.inference, study.design, f'Eq5dProfile "{spec.name}"')
    columns = np.array(rows.numbers, dtype=np.float64).reshape(-1, 4).T
    return Estimates.build(
        keys=rows.keys,
        working=columns[0],
        working_se=columns[1],
        df=columns[2],
        n=columns[3],
        conf_level=spec.conf_level,
        intervals=rows.intervals,
        tests=rows.tests,
        influence=[influence_block(study, rows.influence, inference)],
        glances=glances,
        remarks=rows.notes,
        min_cell=rows.cells,
    )
