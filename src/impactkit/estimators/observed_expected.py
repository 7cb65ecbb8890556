"""Observed over expected returns: how many clients went back, against how many the norm expects of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from impactkit.analysis import Analysis, ConfLevel
from impactkit.compute.survival.ties import upto
from impactkit.design import Design, NormDesign
from impactkit.errors import DataError
from impactkit.estimators.norm_sample import (
    OUTCOME,
    ClientSample,
    Norms,
    draw_clients,
    glance_row,
    missing_norms,
    of_population,
    read_norms,
    time_unit,
)
from impactkit.estimators.norm_variance import Carried, PendingRow, carry, finish
from impactkit.results import Estimates, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["ObservedExpected"]

_COUNTED = "a count of what happened, which has no error"
ASSUMPTION = (
    "a ratio above 1 says that clients returned at a higher rate than the control episodes of their norm cell at the "
    "same elapsed time; that this is the programme's doing assumes they would have returned alike without it. A client "
    "who left in another way (job lost, benefit, retirement) counts as watched until then, while any end of "
    "certificates is an end of a control episode"
)


class ObservedExpected(Analysis):
    """Returns to work among clients over the returns that the norm expects of them, with delayed entry.

    Each client is expected to return at the rate of the control episodes of their norm cell, from the elapsed time
    at which they were assessed to the time they returned or were last seen. It needs no horizon, so that it uses
    everybody's whole follow-up; weeks saved is the figure to put a price on.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    until : float, optional
        Time from assessment, in the design's ``time_unit``, after which nothing is counted.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    unknown : {"censored", "returned"}
        What clients with no known outcome count as at their last contact.
    restrict : {"none", "follow_up"}
        ``"follow_up"`` stops counting a client, and says of how many, at the elapsed time at which no control episode
        of their norm cell is watched any longer; otherwise such clients are an error.
    conf_level : float

    Returns
    -------
    Estimates
        For each population the ratio (above 1: more returns than expected), then both counts. The error of the
        expected count is the norm's alone, for these clients.

    Notes
    -----
    ``O / E`` with ``E = Σ_i w_i (H0(exit_i) - H0(e_i))`` and H0 the Nelson-Aalen cumulative hazard of the
    control episodes in the client's cell. On the log scale a client's influence is ``w_i d_i / O - w_i E_i / E``, and
    a control episode's is ``-1/E`` times its part of the sum of hazards. Both are summed as in :class:`WeeksSaved`,
    which says how practices and clusters enter. Taking the norm as fixed would leave the second part out.

    References
    ----------
    Aalen, O. (1978). Nonparametric inference for a family of counting processes. *Annals of Statistics* 6.
    Breslow, N. E. and Day, N. E. (1987). *Statistical Methods in Cancer Research II*. IARC, chapter 2.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(6), "entry": [4, 4, 6, 6, 8, 8], "absent": [5, 9, 7, 12, 10, 16],
    ...                        "returned": [1, 1, 1, 1, 1, 0]})
    >>> notes = pd.DataFrame({"episode": range(8), "weeks": [2, 5, 8, 11, 14, 17, 20, 26], "ended": 1,
    ...                       "practice": list("aabbccdd")})
    >>> design = ik.NormDesign(unit="id", entry="entry", duration="absent", returned="returned",
    ...                        controls=ik.ControlEpisodes(duration="weeks", practice="practice"))
    >>> ratio = ik.ObservedExpected(name="returns")
    >>> rows = ik.Evaluation(design, {"people": people, "episodes": notes}, [ratio]).fit(seed=1).tidy()
    >>> rows[["term", "measure", "estimate"]].round(2)
                         term                    measure  estimate
    0  observed over expected  standardised_return_ratio      3.94
    1                observed                      count      5.00
    2                expected                      count      1.27
    """

    honours: ClassVar[frozenset[str]] = frozenset({"clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm"})

    kind: Literal["observed_expected"] = "observed_expected"
    until: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    populations: tuple[str, ...] | None = None
    unknown: Literal["censored", "returned"] = "censored"
    restrict: Literal["none", "follow_up"] = "none"
    conf_level: ConfLevel = 0.95

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if isinstance(design, NormDesign) and design.controls is None:
            said.append(f'ObservedExpected "{self.name}" needs control episodes: give the design its `controls`.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        from impactkit.data import control_episodes

        norms = read_norms(control_episodes(study))
        samples: dict[str, ClientSample] = {}
        problems: list[str] = []
        for population in self.chosen_populations(study.design):
            try:
                sample = draw_clients(study, population, unknown=self.unknown)
            except DataError as error:
                problems += error.problems
                continue
            samples[population] = sample
        lacking = missing_norms(samples.values(), norms, study)
        problems += lacking
        for population, sample in samples.items() if not lacking else ():
            if self.restrict == "follow_up":
                samples[population] = _while_known(self, sample, norms)
                continue
            problems += _unwatched(self, study, sample, norms, population)
        if problems:
            raise DataError(list(dict.fromkeys(problems)))
        rows: list[PendingRow] = []
        found: list[Carried] = []
        glances, remarks = [], []
        for population, sample in samples.items():
            own = _rows(self, sample, norms, population)
            carried = [carry(row, norms) for row in own]
            rows += own
            found += carried
            span = "" if self.until is None else f" within {self.until:g} {time_unit(study)} of assessment"
            glances.append(
                glance_row(
                    self.name,
                    self.kind,
                    study,
                    sample,
                    norms,
                    population,
                    estimand=f"returns observed over returns expected{span}",
                    method="indirect standardisation with delayed entry",
                    df=carried[0].df,
                    conf_level=self.conf_level,
                    missing_rule=f"unknown outcomes: {self.unknown}",
                )
            )
            remarks += [
                self.note(reason, outcome=OUTCOME, population=population)
                for reason in of_population(sample.remarks, population, samples)
            ]
        remarks += [self.note(reason, outcome=OUTCOME) for reason in (*norms.remarks(), ASSUMPTION)]
        return finish(study, norms, rows, found, conf_level=self.conf_level, glances=glances, remarks=remarks)


def _exits(spec: ObservedExpected, sample: ClientSample) -> tuple[np.ndarray, np.ndarray]:
    limit = np.inf if spec.until is None else spec.until
    leave = sample.entry + np.minimum(sample.since, limit)
    return leave, sample.back & upto(sample.since, limit)


def _rows(spec: ObservedExpected, sample: ClientSample, norms: Norms, population: str) -> list[PendingRow]:
    leave, back = _exits(spec, sample)
    hazards = np.zeros(sample.n)
    steps = {}
    for cell in np.unique(sample.cells).tolist():
        mine, norm = sample.cells == cell, norms.of(cell)
        hazards[mine] = norm.hazard(sample.entry[mine], leave[mine])
        steps[cell] = norm.hazard_steps(sample.entry[mine], leave[mine], sample.weights[mine])
    seen, due = float(sample.weights @ back), float(sample.weights @ hazards)

    def key(term: str, measure: str) -> RowKey:
        unit = "ratio" if measure != "count" else "returns"
        return RowKey(spec.name, OUTCOME, population, term, measure, unit)

    head = key("observed over expected", "standardised_return_ratio")
    counts = [
        PendingRow(key("observed", "count"), seen, sample, describes=_COUNTED),
        PendingRow(key("expected", "count"), due, sample, norm=steps),
    ]
    if seen == 0.0 or due == 0.0:
        lacking = "no client returned" if seen == 0.0 else "the norm expects no return"
        return [PendingRow(head, np.nan, sample, reason=f"{lacking} while watched, so there is no ratio"), *counts]
    clients = sample.weights * (back / seen - hazards / due)
    return [
        PendingRow(
            head, float(np.log(seen / due)), sample, clients, {cell: -step / due for cell, step in steps.items()}
        ),
        *counts,
    ]


def _while_known(spec: ObservedExpected, sample: ClientSample, norms: Norms) -> ClientSample:
    """Stop counting each client where their norm ends."""
    leave, _ = _exits(spec, sample)
    reach = np.zeros(sample.n)
    for cell in np.unique(sample.cells).tolist():
        mine = sample.cells == cell
        reach[mine] = norms.of(cell).observed_to(sample.entry[mine])
    short = leave > reach
    if not short.any():
        return sample
    said = (
        f"{int(short.sum()):,} of {sample.n:,} clients were counted, as asked, only to the elapsed time at which no "
        f"control episode was watched any longer ({int((short & sample.back).sum()):,} of them returned after it)"
    )
    return replace(
        sample,
        since=np.where(short, reach - sample.entry, sample.since),
        back=sample.back & ~short,
        remarks=(*sample.remarks, said),
    )


def _unwatched(
    spec: ObservedExpected, study: StudyData, sample: ClientSample, norms: Norms, population: str
) -> list[str]:
    """Say where clients were watched at elapsed times at which no control episode was."""
    leave, _ = _exits(spec, sample)
    said, largest = [], np.inf
    for cell in np.unique(sample.cells).tolist():
        mine = sample.cells == cell
        reach = norms.of(cell).observed_to(sample.entry[mine])
        short = leave[mine] > reach
        if short.any():
            said.append(f"{int(short.sum()):,} of {int(mine.sum()):,} clients in {norms.label(cell)}")
            largest = min(largest, float((reach - sample.entry[mine])[short].min()))
    if not said:
        return []
    where = "" if population == "all" else f' of population "{population}"'
    shorter = f"stop counting earlier with `until={np.floor(largest * 100) / 100:g}`" if largest >= 0.01 else (
        "leave those clients out with a population"
    )  # fmt: skip
    return [
        f"every client{where} should be watched at elapsed times at which control episodes are; found longer for "
        f'{"; ".join(said)}: {shorter}, stop counting each such client there with `restrict="follow_up"`, or use '
        f"fewer or wider `norm_by` columns (times in {time_unit(study)})"
    ]
