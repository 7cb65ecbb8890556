"""The attrition workbench: every method, row by row, with notes and one joint uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.analysis import Inference, choose_inference
from impactkit.design import ALL
from impactkit.errors import NotEstimableError
from impactkit.estimators.attrition_bounds import lee_lines, worst_lines
from impactkit.estimators.attrition_filling import (
    Completed,
    completed_rows,
    draw_imputations,
    tip,
    weight_people,
    weighted_line,
)
from impactkit.estimators.attrition_methods import Line, response_lines, response_test
from impactkit.estimators.attrition_people import Assigned, Filled, assigned_people, fill_covariates
from impactkit.estimators.attrition_sheet import Rows, few
from impactkit.estimators.attrition_verdict import Finding, verdict
from impactkit.estimators.itt import estimate_linear
from impactkit.estimators.sample import complete_rows, draw_sample, treated_labels
from impactkit.results import Estimates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.attrition import Attrition

__all__ = ["workbench"]

_NAMES = {"weighting": "inverse probability weighting", "imputation": "multiple imputation", "lee": "Lee bounds"}
_BOUNDS = (
    "both bounds carry the Imbens-Manski interval of the effect between them, and its test; the standard error is the "
    "bound's own"
)
_UNCLEAR = 0.05


def workbench(spec: Attrition, study: StudyData) -> Estimates:
    """Run every method for every population and outcome."""
    inference = choose_inference(spec.inference, study.design, f'Attrition "{spec.name}"')
    base = estimate_linear(spec.complete_cases(), study)
    filled = fill_covariates(study, spec.covariates)
    rows = Rows(spec, study, inference)
    rows.remarks += base.remarks
    for source, count in filled.missing:
        rows.remarks.append(
            spec.note(
                f"`{source}` is missing for {few(count)}; it is set to its mean and marked by a column of its own"
            )
        )
    populations = spec.chosen_populations(study.design)
    imputed: dict[str, NDArray[np.float64] | str] = {}
    groups: dict[str, list[tuple[int, Completed]]] = {}
    for population in populations:
        for outcome in spec.outcome_names():
            if "imputation" in spec.methods and outcome not in imputed:
                try:
                    imputed[outcome] = draw_imputations(
                        spec,
                        study,
                        outcome=outcome,
                        filled=filled,
                        populations=[study.population(name) for name in populations],
                        inference=inference,
                    )
                except NotEstimableError as reason:
                    imputed[outcome] = str(reason)
            done = _one(rows, base, outcome, population, filled, imputed.get(outcome))
            groups.setdefault(outcome, []).extend(done)
    rows.shared = list(groups.values())
    return rows.estimates()


def _one(
    rows: Rows,
    base: Estimates,
    outcome: str,
    population: str,
    filled: Filled,
    imputed: NDArray[np.float64] | str | None,
) -> list[tuple[int, Completed]]:
    spec, study = rows.spec, rows.study
    declared = study.outcome(outcome).spec
    at = (declared.name, population)
    labels = list(treated_labels(study))
    start = base.find(outcome=at[0], population=population, term=labels[0], measure="difference")
    failed = not np.isfinite(base.working[start])
    why = next((note.reason for note in base.remarks if note[1:3] == at and note.column == "estimate"), "")
    people: Assigned | None = None
    try:
        people = assigned_people(
            spec,
            study,
            outcome=outcome,
            population=population,
            filled=filled,
            dropped=_dropped(rows, outcome, population),
        )
    except NotEstimableError as reason:
        why = why or str(reason)
    seen: dict[tuple[str, int], Line] = {}
    response = None if people is None else response_lines(people, study, rows.inference)
    tested = _tested(people, study, rows.inference)
    for place, label in enumerate(labels):
        term = _term("complete_case", label, labels)
        line = _copied(base, start + place)
        rows.add(at, term, "difference", declared.unit, line)
        seen["complete_case", place] = line
        rows.remarks += [note._replace(term=term) for note in base.remarks if note[1:3] == at and note.term == label]
        rows.remarks = [note for note in rows.remarks if not (note[1:3] == at and note.term == label)]
    rows.add(at, "control_mean", "mean", declared.unit, _copied(base, start + len(labels)))
    shared: list[tuple[int, Completed]] = []
    if failed or people is None or response is None:
        for term, measure in _planned(spec, labels, declared.name, declared.kind):
            unit = "people" if measure == "effective_n" else declared.unit
            rows.missing(at, term, unit, why or "complete cases give no estimate", measure=measure)
    else:
        shared = _methods(rows, at, people, labels, seen, imputed, response[1], tested)
    _response(rows, at, people, labels, response, tested, why)
    glance = next((dict(row) for row in base.glances if (row["outcome"], row["population"]) == at), None)
    if glance is not None:
        used = [_NAMES[name] for name in _NAMES if name in spec.methods]
        glance |= {
            "kind": spec.kind,
            "method": f"{glance['method']}; beside it {', '.join(used)}" if used else glance["method"],
            "missing_rule": "complete cases beside methods for missing outcomes",
        }
    else:
        glance = _failed_glance(rows, at, people)
    rows.glances.append(glance)
    return shared


def _failed_glance(rows: Rows, at: tuple[str, str], people: Assigned | None) -> dict[str, Any]:
    """Say who was assigned where complete cases give no estimate."""
    spec, study = rows.spec, rows.study
    counts: dict[str, Any] = {}
    if people is not None:
        counts = {"n_assigned": len(people.people), "n_missing_outcome": int(people.missing.sum())}
    return {
        "analysis": spec.name,
        "outcome": at[0],
        "population": at[1],
        "kind": spec.kind,
        "estimand": "intention to treat",
        "method": "response by arm only",
        "inference": rows.inference.kind,
        "evidence": study.design.evidence,
        **counts,
        "missing_rule": "complete cases beside methods for missing outcomes",
        "conf_level": spec.conf_level,
        "independence_assumed": False,
    }


def _methods(
    rows: Rows,
    at: tuple[str, str],
    people: Assigned,
    labels: list[str],
    seen: dict[tuple[str, int], Line],
    imputed: NDArray[np.float64] | str | None,
    gaps: list[Line],
    tested: tuple[float, float, float] | str,
) -> list[tuple[int, Completed]]:
    spec, study, unit = rows.spec, rows.study, people.outcome.unit
    shared: list[tuple[int, Completed]] = []
    cells = [seen["complete_case", place].cell for place in range(len(labels))]
    limits = _limits(spec, people)
    effective = None
    if "weighting" in spec.methods:
        weighted = weight_people(people, spec.trim)
        effective = weighted.effective
        for place, label in enumerate(labels):
            line = weighted_line(people, weighted, study, rows.inference, place + 1, cells[place])
            rows.number(at, _term("weighting", label, labels), unit, line)
            seen["weighting", place] = line
        _say_weights(rows, at, people, weighted.found.factor[people.responded], weighted.found.trimmed)
    done: list[Completed] = []
    if "imputation" in spec.methods:
        if isinstance(imputed, str) or imputed is None:
            for label in labels:
                rows.missing(at, _term("imputation", label, labels), unit, imputed or "nothing was imputed")
        elif not people.missing.any():
            for place, label in enumerate(labels):
                seen["imputation", place] = seen["complete_case", place]
                rows.number(at, _term("imputation", label, labels), unit, seen["complete_case", place])
        else:
            terms = list(range(1, len(labels) + 1))
            try:
                done = completed_rows(people, imputed, study, rows.inference, terms, cells)
            except NotEstimableError as reason:
                for label in labels:
                    rows.missing(at, _term("imputation", label, labels), unit, str(reason))
            for place, label in enumerate(labels if done else ()):
                seen["imputation", place] = done[place].line
                row = rows.number(at, _term("imputation", label, labels), unit, done[place].line)
                shared.append((row, done[place]))
                _say_imputations(rows, at, _term("imputation", label, labels), done[place])
    if "lee" in spec.methods:
        _lee(rows, at, people, labels, seen, cells, gaps)
    if "worst_case" in spec.methods and limits is None:
        rows.note(at, "", "", f"no worst case of {at[0]}: give the outcome's limits in `limits`")
    elif "worst_case" in spec.methods and limits is not None:
        for place, label in enumerate(labels):
            terms_of = [_term(name, label, labels) for name in ("worst_lower", "worst_upper")]
            try:
                pair = worst_lines(
                    people, study, rows.inference, term=place + 1, limits=limits, cell=cells[place],
                    conf_level=spec.conf_level,
                )  # fmt: skip
            except NotEstimableError as reason:
                for term in terms_of:
                    rows.missing(at, term, unit, str(reason))
                continue
            for name, term, line in zip(("lower", "upper"), terms_of, pair, strict=True):
                rows.number(at, term, unit, line)
                seen[f"worst_{name}", place] = line
    if "tipping_point" in spec.methods:
        for place, label in enumerate(labels):
            for arm in spec.tipping:
                term = _term(f"tipping_{arm}", label, labels)
                if not people.missing.any():
                    rows.missing(
                        at,
                        term,
                        unit,
                        "nobody's outcome is missing, so nothing can be shifted",
                        measure="tipping_point",
                    )
                elif not done or isinstance(imputed, str) or imputed is None:
                    rows.missing(
                        at, term, unit, "it starts from imputations, and there are none", measure="tipping_point"
                    )
                else:
                    _tipping(rows, at, people, term, arm, place, done[place], imputed, limits, cells[place])
    if effective is not None:
        rows.figure(at, "effective_n", "effective_n", "people", effective, float(people.responded.sum()), min(cells))
    for place, label in enumerate(labels):
        _judge(rows, at, people, label if len(labels) > 1 else "", place, seen, tested)
    return shared


def _lee(
    rows: Rows,
    at: tuple[str, str],
    people: Assigned,
    labels: list[str],
    seen: dict[tuple[str, int], Line],
    cells: list[float],
    gaps: list[Line],
) -> None:
    spec, study, unit = rows.spec, rows.study, people.outcome.unit
    control = str(getattr(study.design, "control", "control"))
    groups = _groups(study, spec.tighten_by)
    for place, label in enumerate(labels):
        terms = [_term(name, label, labels) for name in ("lee_lower", "lee_upper")]
        if not people.missing.any():
            for name, term in zip(("lower", "upper"), terms, strict=True):
                line = seen[f"lee_{name}", place] = seen["complete_case", place]
                rows.number(at, term, unit, line)
            continue
        try:
            low, high, trimmed = lee_lines(
                people, study, rows.inference, term=place + 1, groups=groups,
                df=seen["complete_case", place].df, cell=cells[place], conf_level=spec.conf_level,
            )  # fmt: skip
        except NotEstimableError as reason:
            for term in terms:
                rows.missing(at, term, unit, str(reason))
            continue
        for name, term, line in zip(("lower", "upper"), terms, (low, high), strict=True):
            rows.number(at, term, unit, line)
            seen[f"lee_{name}", place] = line
        rows.note(at, terms[0], "", _direction(trimmed, label, control, gaps[place]))
        rows.note(at, terms[0], "", _BOUNDS)


def _direction(trimmed: NDArray[np.float64], label: str, control: str, gap: Line) -> str:
    from scipy.special import stdtr

    up, down = int((trimmed > 0).sum()), int((trimmed < 0).sum())
    if not up and not down:
        return "both arms respond alike, so nothing is trimmed and the bounds coincide"
    if len(trimmed) == 1:
        more, moves = (label, "raise") if up else (control, "lower")
        said = (
            f"more people respond in arm {more}, and {abs(float(trimmed[0])):.1%} of its respondents are trimmed; the "
            f"bounds hold if allocation to {label} can only {moves} anybody's response"
        )
    else:
        said = (
            f"trimmed within {len(trimmed)} groups: arm {label} in {up}, arm {control} in {down}; the bounds hold if "
            "allocation moves response in one direction within each group"
        )
    if gap.std_error > 0 and gap.df > 0 and 2 * stdtr(gap.df, -abs(gap.value) / gap.std_error) >= _UNCLEAR:
        said += "; response does not differ significantly, so the direction itself is uncertain"
    return said


def _tipping(
    rows: Rows,
    at: tuple[str, str],
    people: Assigned,
    term: str,
    arm: Any,
    place: int,
    completed: Completed,
    imputed: NDArray[np.float64],
    limits: tuple[float, float] | None,
    cell: float,
) -> None:
    found = tip(people, completed, imputed, arm=arm, term=place + 1, conf_level=rows.spec.conf_level, limits=limits)
    whose = {"treated": "the treated arm", "control": "the control arm", "both": "both arms"}[arm]
    if not np.isfinite(found.shift):
        rows.missing(
            at, term, people.outcome.unit, f"no shift of the missing outcomes of {whose} changes the conclusion",
            measure="tipping_point",
        )  # fmt: skip
        return
    rows.figure(at, term, "tipping_point", people.outcome.unit, found.shift, _lost(people, arm, place + 1), cell)
    change = "stops being" if found.significant else "becomes"
    said = (
        f"the imputed effect {change} significant when the missing outcomes of {whose} are "
        f"{'higher' if found.shift > 0 else 'lower'} than imputed by this much"
    )
    if not found.possible:
        said += ", which would take them beyond the outcome's limits: no possible shift does it"
    rows.note(at, term, "", said)


def _lost(people: Assigned, arm: str, term: int) -> float:
    """Count the people whose outcomes are shifted."""
    sides = {"treated": (term,), "control": (0,), "both": (0, term)}[arm]
    return float((people.missing & np.isin(people.arm, sides)).sum())


def _say_weights(rows: Rows, at: tuple[str, str], people: Assigned, factors: NDArray[np.float64], trimmed: int) -> None:
    if people.own_weights is not None and people.weights is None:
        rows.note(
            at, "", "",
            "weights are known for respondents only: weighting multiplies them, methods for everybody assigned do "
            "without; if they are response weights already, declare weights=None for this outcome",
        )  # fmt: skip
    if not people.missing.any():
        return
    said = f"response weights of {at[0]} run from {factors.min():.3g} to {factors.max():.3g}"
    if rows.spec.trim is not None:
        said += f"; {few(trimmed)} were trimmed at {1 / rows.spec.trim:.3g} as asked"
    rows.note(at, "", "", said)


def _say_imputations(rows: Rows, at: tuple[str, str], term: str, completed: Completed) -> None:
    """Ask for more imputations where they are fewer than the per cent of the variance due to missing outcomes."""
    m, total = len(completed.estimates), completed.line.std_error**2
    lost = (1 + 1 / m) * float(completed.estimates.var(ddof=1)) / total if total > 0 else 0.0
    if 100 * lost > m:
        rows.note(
            at, term, "",
            f"{lost:.0%} of the variance comes from missing outcomes; {m} imputations are few for that, and another "
            f"seed may move the interval: ask for {int(np.ceil(100 * lost))} or more",
        )  # fmt: skip


def _response(
    rows: Rows,
    at: tuple[str, str],
    people: Assigned | None,
    labels: list[str],
    response: tuple[list[Line], list[Line]] | None,
    tested: tuple[float, float, float] | str,
    why: str,
) -> None:
    control = str(getattr(rows.study.design, "control", "control"))
    arms = [*labels, control]
    differences = [_term("response_difference", label, labels) for label in labels]
    if people is None or response is None:
        for label in arms:
            rows.missing(at, f"response: {label}", "proportion", why, measure="proportion")
        for term in differences:
            rows.missing(at, term, "proportion", why)
        return
    shares, gaps = response
    for label, line in zip(arms, [*shares[1:], shares[0]], strict=True):
        rows.number(at, f"response: {label}", "proportion", line, measure="proportion")
    for term, line in zip(differences, gaps, strict=True):
        rows.number(at, term, "proportion", line)
    if not people.covariates.shape[1]:
        return
    row = rows.add(
        at, "response_model", "chi_square", "", Line(np.nan, np.nan, np.nan, len(people.people), None, gaps[0].cell)
    )
    if isinstance(tested, str):
        rows.note(at, "response_model", "p_value", tested)
        return
    rows.tests[row] = tested
    rows.note(
        at, "response_model", "",
        "joint Wald test of arm by covariate in a linear model of response; its p value is from the F distribution",
    )  # fmt: skip


def _tested(people: Assigned | None, study: StudyData, inference: Inference) -> tuple[float, float, float] | str:
    """Test response by covariate and arm, or say why it cannot be tested."""
    if people is None or not people.covariates.shape[1]:
        return "there are no covariates to predict response"
    try:
        return response_test(people, study, inference)
    except NotEstimableError as reason:
        return str(reason)


def _judge(
    rows: Rows,
    at: tuple[str, str],
    people: Assigned,
    label: str,
    place: int,
    seen: dict[tuple[str, int], Line],
    tested: tuple[float, float, float] | str,
) -> None:
    alpha = 1.0 - rows.spec.conf_level

    def point(method: str) -> Finding | None:
        from scipy.special import stdtr

        line = seen.get((method, place))
        if line is None or not (line.std_error > 0 and line.df > 0):
            return None
        p = 2 * stdtr(line.df, -abs(line.value) / line.std_error)
        start = seen["complete_case", place]
        shift = (line.value - start.value) / start.std_error if start.std_error > 0 else 0.0
        return Finding(method, int(np.sign(line.value)), bool(p < alpha), float(shift))

    def pair(method: str, name: str) -> Finding | None:
        low, high = seen.get((f"{name}_lower", place)), seen.get((f"{name}_upper", place))
        if low is None or high is None or low.interval is None:
            return None
        sign = 1 if low.value > 0 else -1 if high.value < 0 else 0
        return Finding(method, sign, bool(low.interval[0] > 0 or low.interval[1] < 0))

    others = [point("weighting"), point("imputation"), pair("lee", "lee"), pair("worst_case", "worst")]
    _, said = verdict(
        point("complete_case"),
        [found for found in others if found is not None],
        missing=int(people.missing.sum()),
        asked=rows.spec.methods,
        differential=not isinstance(tested, str) and tested[2] < alpha,
    )
    about = ", ".join(part for part in (at[0], label, at[1] if at[1] != ALL else "") if part)
    rows.note(at, "", "", said.replace("Verdict:", f"Verdict on {about}:", 1))


def _term(method: str, label: str, labels: list[str]) -> str:
    return method if len(labels) == 1 else f"{method}: {label}"


def _planned(spec: Attrition, labels: list[str], outcome: str, kind: str) -> list[tuple[str, str]]:
    """List the terms and measures of the methods asked for, in order."""
    bounded = kind == "binary" or any(entry.outcome == outcome for entry in spec.limits)
    planned: list[tuple[str, str]] = []
    for method, names in (
        ("weighting", ("weighting",)),
        ("imputation", ("imputation",)),
        ("lee", ("lee_lower", "lee_upper")),
        ("worst_case", ("worst_lower", "worst_upper") if bounded else ()),
    ):
        if method in spec.methods:
            planned += [(_term(name, label, labels), "difference") for label in labels for name in names]
    if "tipping_point" in spec.methods:
        planned += [
            (_term(f"tipping_{arm}", label, labels), "tipping_point") for label in labels for arm in spec.tipping
        ]
    if "weighting" in spec.methods:
        planned.append(("effective_n", "effective_n"))
    return planned


def _limits(spec: Attrition, people: Assigned) -> tuple[float, float] | None:
    if people.outcome.kind == "binary":
        return (0.0, 1.0)
    return next(((entry.low, entry.high) for entry in spec.limits if entry.outcome == people.outcome.name), None)


def _groups(study: StudyData, names: tuple[str, ...]) -> NDArray[np.int64] | None:
    """Code the combinations of some columns; a missing value is a group of its own."""
    if not names:
        return None
    codes = np.zeros(study.n, dtype=np.int64)
    for name in names:
        factor = study.factor(name)
        codes = codes * (len(factor.labels) + 1) + factor.codes + 1
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _dropped(rows: Rows, outcome: str, population: str) -> tuple[str, ...]:
    """Name the strata that complete cases left out, so that every method leaves them out."""
    spec, study = rows.spec, rows.study
    if spec.one_armed == "error" or study.strata is None:
        return ()
    matrix = study.covariates(spec.covariates).matrix if spec.covariates and spec.adjustment != "none" else None
    try:
        sample = draw_sample(
            study, outcome=outcome, population=population, complete=complete_rows(matrix), one_armed="drop"
        )
    except NotEstimableError:
        return ()
    return sample.dropped_strata


def _copied(base: Estimates, place: int) -> Line:
    numbers = base.numbers
    return Line(
        float(base.working[place]),
        float(base.working_se[place]),
        float(numbers["df"][place]),
        float(numbers["n"][place]),
        base.influence[0].rows[place],
        float(base.min_cell[place]),
    )
