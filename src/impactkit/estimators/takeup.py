"""Take-up: who of each arm received the programme, and by how much allocation moved that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from impactkit.analysis import Analysis, ConfLevel, Inference, choose_inference
from impactkit.compute.shares import wilson_limits
from impactkit.design import Design
from impactkit.errors import NotEstimableError
from impactkit.estimators.itt import IntentToTreat, estimate_linear
from impactkit.estimators.receipt import receipt_cells, receipt_column, receipt_refusal, with_receipt
from impactkit.estimators.regression import influence_block, regress
from impactkit.estimators.sample import OneArmed, Sample, arms_of, draw_sample, treated_labels
from impactkit.results import Estimates, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["TakeUp"]

_Row = tuple[RowKey, float, float, float, float, RowInfluence | None, float]


class TakeUp(Analysis):
    """Share of each arm that received the programme, by population, and the difference between arms.

    Use it beside the impacts, to say how many of those offered the programme were reached, and whether
    anybody of the control arm was. Receipt comes from the design, as do strata, clusters, weights and
    populations.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    among : str, optional
        Only people with this outcome, weighted as it is: the sample its impact rests on. Left out, everybody
        allocated whose receipt is recorded.
    inference : HC0, HC1, HC2, HC3, CR2 or Linearised, optional
        CR2 when the design has clusters, HC2 otherwise.
    one_armed : {"error", "drop"}
        As in :class:`IntentToTreat`.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        For each population one ``difference`` row per treated arm (the effect of allocation on receipt), the
        control mean, then a ``proportion`` row for each arm, with n people and Wilson limits.

    Notes
    -----
    The difference is what :class:`IntentToTreat` gives with receipt as its outcome. Wilson's interval takes
    n / D people, D being the design effect: the squared standard error of the share under the design's weights
    and clusters over p(1 − p)/(n − 1). Without either it is Wilson's interval exactly. Where everybody or
    nobody received the programme D is not known and the effective number by weights is used.

    A share carries the smallest number of people in it for disclosure control. An empty cell (nobody of the
    control arm received the programme) is the programme's rule and hides nothing.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. *Journal of the
    American Statistical Association* 22.
    Dean, N. and Pagano, M. (2015). Evaluating confidence interval methods for binomial proportions in
    clustered surveys. *Journal of Survey Statistics and Methodology* 3(4).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(8), "arm": ["IPS"] * 4 + ["usual"] * 4, "enrolled": [1, 1, 1, 0] + [0] * 4})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual", receipt="enrolled")
    >>> rows = ik.Evaluation(design, people, [ik.TakeUp(name="take-up")]).fit(seed=1).tidy()
    >>> rows[["term", "measure", "estimate", "conf_low", "n"]].round(3)
                  term     measure  estimate  conf_low    n
    0              IPS  difference      0.75     0.138  8.0
    1     control_mean        mean      0.00     0.000  4.0
    2    received: IPS  proportion      0.75     0.301  4.0
    3  received: usual  proportion      0.00     0.000  4.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial"})

    kind: Literal["take_up"] = "take_up"
    populations: tuple[str, ...] | None = None
    among: str | None = Field(default=None, min_length=1)
    inference: Inference | None = None
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    def outcome_names(self) -> tuple[str, ...]:
        """Name of the outcome whose sample is described, if one is."""
        return () if self.among is None else (self.among,)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = self._difference("receipt").refusals(design)
        if design is None:
            return said
        who = f'TakeUp "{self.name}"'
        return [line.replace("IntentToTreat", "TakeUp") for line in said] + receipt_refusal(design, who)

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        outcome = _name(self, study.design)
        if self.among is not None:
            study = with_receipt(study, self.among, outcome)
        base = estimate_linear(self._difference(outcome), study)
        return _with_shares(self, study, outcome, base)

    def _difference(self, outcome: str) -> IntentToTreat:
        return IntentToTreat(
            name=self.name,
            outcome=outcome,
            populations=self.populations,
            inference=self.inference,
            one_armed=self.one_armed,
            conf_level=self.conf_level,
        )


def _name(spec: TakeUp, design: Design) -> str:
    """Name receipt as an outcome: as declared, if it is declared, else by its column."""
    column = str(receipt_column(design))
    if spec.among is not None:
        return f"{column} among people with {spec.among}"
    return next((declared.name for declared in design.outcomes if declared.column == column), column)


def _with_shares(spec: TakeUp, study: StudyData, outcome: str, base: Estimates) -> Estimates:
    inference = choose_inference(spec.inference, study.design, f'TakeUp "{spec.name}"')
    labels = (str(getattr(study.design, "control", "control")), *treated_labels(study))
    rows: list[_Row] = []
    remarks = list(base.remarks)
    intervals: dict[int, tuple[float, float]] = {}
    for population in spec.chosen_populations(study.design):
        places = [place for place, key in enumerate(base.keys) if key.population == population]
        sample, cells, reason = None, None, ""
        try:
            sample = draw_sample(study, outcome=outcome, population=population, one_armed=spec.one_armed)
            cells = receipt_cells(sample.member, arms_of(study), sample.values, len(labels))
        except NotEstimableError as fault:
            reason = str(fault)
        smallest = float("nan") if cells is None else float(cells[cells > 0].min())
        for place in places:
            numbers = (base.working[place], base.working_se[place], base.numbers["df"][place], base.numbers["n"][place])
            rows.append((base.keys[place], *numbers, base.influence[0].rows[place], smallest))
        for arm in (*range(1, len(labels)), 0):
            key = RowKey(spec.name, outcome, population, f"received: {labels[arm]}", "proportion", "proportion")
            if sample is None or cells is None:
                rows.append((key, np.nan, np.nan, np.nan, np.nan, None, np.nan))
                remarks.append(Note(*key[:4], "estimate", reason))
                continue
            row, limits, said = _share(study, sample, key, arm, inference, spec.conf_level)
            if said is not None:
                remarks.append(said)
            intervals[len(rows)] = limits
            own = cells[arm][cells[arm] > 0]
            rows.append((*row, float(own.min())))
    return Estimates.build(
        keys=[row[0] for row in rows],
        working=[row[1] for row in rows],
        working_se=[row[2] for row in rows],
        df=[row[3] for row in rows],
        n=[row[4] for row in rows],
        conf_level=spec.conf_level,
        intervals=intervals,
        influence=[influence_block(study, [row[5] for row in rows], inference)],
        glances=[{**glance, "kind": spec.kind, "estimand": "take-up"} for glance in base.glances],
        remarks=remarks,
        min_cell=[row[6] for row in rows],
    )


def _share(
    study: StudyData, sample: Sample, key: RowKey, arm: int, inference: Inference, conf_level: float
) -> tuple[tuple[Any, ...], tuple[float, float], Note | None]:
    """Estimate one arm's share, its error under the design, and Wilson's limits on the effective number of people."""
    member = sample.member & (arms_of(study) == arm)
    taken = sample.values[member]
    weights = None if sample.weights is None else sample.weights[member]
    n = len(taken)
    fitted = regress(
        study,
        matrix=np.ones((n, 1)),
        outcomes=taken[:, None],
        member=member,
        weights=weights,
        rows=[0],
        inference=inference,
    )
    error, df, influence = float(fitted.std_error[0, 0]), float(fitted.df[0, 0]), fitted.influence[0][0]
    size = float(n) if weights is None else float(weights.sum() ** 2 / (weights**2).sum())
    note = None
    constant = bool((taken == taken[0]).all())
    share = float(taken[0]) if constant else float(fitted.coef[0, 0])
    if constant:
        error, influence = 0.0, RowInfluence(np.flatnonzero(member), np.zeros(n))
        note = Note(*key[:4], "", f"{'everybody' if share else 'nobody'} of this arm received the programme")
    elif not np.isfinite(error):
        size, note = np.nan, Note(*key[:4], "std_error", "somebody, or one cluster, alone carries this share")
    else:
        size = n * share * (1.0 - share) / ((n - 1) * error**2)
    return (key, share, error, df, n, influence), wilson_limits(share, size, conf_level=conf_level), note
