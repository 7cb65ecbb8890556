"""One hazard ratio of clients against a norm's control episodes, both entering when observation of them began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impactkit.compute.few_groups import groups_factor
from impactkit.compute.survival.cox import CoxFit, cox, sums_by
from impactkit.compute.survival.cox_checks import proportional_hazards
from impactkit.compute.survival.cox_jackknife import without_each_cluster
from impactkit.compute.survival.two_sources import satterthwaite
from impactkit.data.controls import clients, control_episodes
from impactkit.errors import NotEstimableError
from impactkit.estimators.cox_people import TIES
from impactkit.estimators.cox_rows import CoxRows, counted, observed_people, people_block, why_diverging
from impactkit.estimators.rows import effective_n
from impactkit.results import Estimates, Influence, RowInfluence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.cox import CoxRegression

__all__ = ["CLIENTS_V_NORM", "clients_against_norm"]

CLIENTS_V_NORM = "clients v norm"


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Clients of one population, then the control episodes of their cells.

    Parameters
    ----------
    people : ndarray of shape (n,)
        Rows of the person table.
    episodes : ndarray of shape (m,)
        Rows of the controls.
    """

    people: NDArray[np.int64]
    episodes: NDArray[np.int64]
    stop: NDArray[np.float64]
    start: NDArray[np.float64]
    event: NDArray[np.bool_]
    cells: NDArray[np.int64]
    weights: NDArray[np.float64] | None
    clusters: NDArray[np.int64]

    def cox(self, keep: NDArray[np.bool_], ties: Literal["efron", "breslow"]) -> CoxFit:
        """Fit those who are kept."""
        return cox(
            self.stop[keep],
            self.event[keep],
            self.is_client[keep, None],
            start=self.start[keep],
            strata=self.cells[keep],
            weights=None if self.weights is None else self.weights[keep],
            clusters=self.clusters[keep],
            ties=ties,
            names=["clients"],
        )

    @property
    def is_client(self) -> NDArray[np.float64]:
        return np.repeat([1.0, 0.0], [self.people.size, self.episodes.size])


def clients_against_norm(spec: CoxRegression, study: StudyData) -> Estimates:
    """Fit every population."""
    people, controls = clients(study), control_episodes(study)
    rows = CoxRows(spec, str(getattr(study.design, "returned", "returned")))
    rows.remarks += [spec.note(reason, outcome=rows.outcome) for reason in controls.notes]
    practices = None if controls.practices is None else controls.practices.codes
    if practices is None:
        rows.remarks.append(
            spec.note(
                "the controls name no general practice: control episodes are taken as independent, which understates "
                "the norm's uncertainty if practices differ",
                outcome=rows.outcome,
            )
        )
    for population in spec.chosen_populations(study.design):
        seen = observed_people(rows, study, population, stop=people.duration, event=people.returned, entry=people.entry)
        known = seen.member & (people.cells.codes >= 0)
        with_norm = np.isin(people.cells.codes, controls.cells.codes)
        member = known & with_norm
        lost = int((known & ~with_norm).sum())
        if lost:
            rows.remark(
                population,
                f"{lost:,} of {int(known.sum()):,} clients belong to norm cells without a control episode: they say "
                "nothing about the ratio and were left out",
            )
        counts = seen.counts | {
            "n_missing_covariates": int((seen.member & ~known).sum()),
            "n_dropped_strata": len(np.unique(people.cells.codes[known & ~with_norm])),
            "n_analysed": int(member.sum()),
            "n_treated": int(member.sum()),
        }
        chosen = np.flatnonzero(member)
        own = np.flatnonzero(np.isin(controls.cells.codes, people.cells.codes[member]))
        counts["n_control"] = int(own.size)
        whose = chosen if study.clusters is None else study.clusters[chosen]
        theirs = own if practices is None else practices[own]
        stack = _Stack(
            chosen,
            own,
            np.concatenate([people.duration[chosen], controls.stop[own]]),
            np.concatenate([people.entry[chosen], controls.start[own]]),
            np.concatenate([people.returned[chosen] == 1.0, controls.ended[own]]),
            np.concatenate([people.cells.codes[chosen], controls.cells.codes[own]]).astype(np.int64),
            None if seen.weights is None else np.concatenate([seen.weights[chosen], np.ones(own.size)]),
            np.concatenate([whose, int(np.max(whose, initial=-1)) + 1 + theirs]).astype(np.int64),
        )
        _solve(rows, study, population, stack, counts, practices)
    block = Influence(
        controls.table,
        study.data_hash,
        controls.units,
        None if practices is None else practices,
        (),
    )
    return rows.estimates([people_block(study), block])


def _solve(
    rows: CoxRows,
    study: StudyData,
    population: str,
    stack: _Stack,
    counts: dict[str, int],
    practices: NDArray[Any] | None,
) -> None:
    spec, n = rows.spec, stack.people.size
    line = rows.line(population, CLIENTS_V_NORM, "hazard_ratio", n)
    tests = [] if spec.test == "none" else [rows.line(population, CLIENTS_V_NORM, "proportional_hazards", n)]
    back = int(stack.event[:n].sum())
    line.cell = float(min(back, n - back))
    for test in tests:
        test.cell = line.cell
    fit: CoxFit | None = None
    reason = ""
    if not n:
        reason = "no client has known times and a norm cell with control episodes"
    elif not back:
        reason = "no client returned while observed, so the ratio would be zero"
    else:
        try:
            fit = stack.cox(np.ones(stack.stop.size, dtype=bool), spec.ties)
        except NotEstimableError as fault:
            reason = str(fault)
        else:
            reason = "" if fit.converged else why_diverging(fit, ["clients"])
    errors = "robust: clients and control episodes"
    if study.clusters is not None:
        errors = f"clients: {spec.cluster_words(len(np.unique(stack.clusters[:n])))} by {study.design.clusters}"
    if practices is not None:
        how = spec.cluster_words(len(np.unique(stack.clusters[n:])))
        errors = (
            errors.replace("robust: clients and control episodes", "clients: robust") + f"; norm: {how} by practice"
        )
    if fit is None or reason:
        rows.failed([line, *tests], reason)
    else:
        _fill(rows, study, stack, fit, practices)
        for test in tests:
            transform = "km" if spec.test == "none" else spec.test
            found = proportional_hazards(
                fit, stack.stop, stack.event, start=stack.start, transform=transform, robust=True
            )
            rows.tested(test, found.overall, "too few clusters, or events at too few times, for this test")
    weights = None if stack.weights is None else stack.weights[:n]
    rows.glances.append(
        {
            "analysis": spec.name,
            "outcome": rows.outcome,
            "population": population,
            "kind": spec.kind,
            "estimand": "hazard ratio of clients to control episodes that have lasted as long",
            "method": f"Cox regression, {TIES[spec.ties]} ties, delayed entry, baseline hazards by norm cell; "
            f"{counted(back)} clients returned, {counted(int(stack.event[n:].sum()))} control episodes ended",
            "inference": errors,
            "evidence": study.design.evidence,
            **counts,
            "clusters": None if study.clusters is None else len(np.unique(stack.clusters[:n])),
            "missing_rule": "complete cases",
            "weights": study.design.weights or "none",
            "effective_n": effective_n(weights, n),
            "conf_level": spec.conf_level,
            "design_df": line.df,
            "independence_assumed": False,
        }
    )


def _fill(rows: CoxRows, study: StudyData, stack: _Stack, fit: CoxFit, practices: NDArray[Any] | None) -> None:
    """Give the ratio its two parts of variance, each with the small-sample factor of its own clusters."""
    line = next(found for found in reversed(rows.lines) if found.key.measure == "hazard_ratio")
    n = stack.people.size
    line.estimate = float(fit.coef[0])
    parts, variances, freedom = [], [], []
    for place, index, clustered in (
        (slice(0, n), stack.people, study.clusters is not None),
        (slice(n, None), stack.episodes, practices is not None),
    ):
        values, codes = fit.influence[place, 0], stack.clusters[place]
        groups = len(np.unique(codes))
        if groups < 2:
            alone = "one cluster, or one practice," if clustered else "one client, or one control episode,"
            rows.note(line, "std_error", f"{alone} alone: its variance cannot be estimated")
            return
        if clustered and rows.spec.by_jackknife(groups):
            at = np.arange(stack.stop.size)[place]
            values = without_each_cluster(fit, lambda keep: stack.cox(keep, rows.spec.ties), codes, at)[:, 0]
        elif clustered:
            values = values * groups_factor(groups)
        parts.append(RowInfluence(index.astype(np.int64), values))
        variances.append(float((sums_by(values[:, None], codes) ** 2).sum()))
        freedom.append(groups - 1.0 if clustered else float("inf"))
    total = sum(variances)
    if np.isnan(total):
        rows.note(line, "std_error", "without one of the clusters or practices the model has no estimate")
        return
    line.error = float(np.sqrt(total))
    line.df = satterthwaite(variances, freedom)
    line.influence = tuple(parts)
