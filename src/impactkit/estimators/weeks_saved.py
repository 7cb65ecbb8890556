"""Weeks saved: how much sooner clients were back at work than the norm expects of people absent as long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.compute.survival.since_assessment import Saved, weeks_saved
from impactkit.compute.survival.ties import later
from impactkit.design import Design, NormDesign
from impactkit.errors import DataError
from impactkit.estimators.norm_curves import saved_curves
from impactkit.estimators.norm_limits import FEW, beyond_horizon, observed_reach, thin_places, within_norm
from impactkit.estimators.norm_sample import (
    OUTCOME,
    ClientSample,
    Norms,
    ReturnDate,
    UnknownRule,
    draw_clients,
    glance_row,
    missing_norms,
    number,
    of_population,
    read_norms,
    time_unit,
)
from impactkit.estimators.norm_variance import Carried, PendingRow, carry, finish
from impactkit.results import Curve, Estimates, Note, RowKey

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, ControlData, StudyData

__all__ = ["WeeksSaved", "saved_rows"]

Horizon = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

_SHARE = "how much of the variance of `saved` is the norm's: a description, with no error of its own"

ASSUMPTIONS = (
    "weeks saved rests on this: clients would have returned as the control episodes of their norm cell did, from the "
    "same elapsed time on. Volunteers and severity within a diagnosis may differ from that, and no figure here "
    "measures by how much",
    "a client who lost the job, moved to a benefit or retired counts, with `returned` 0, as watched to then and no "
    "longer, as if they would have returned later as the others did; how much hangs on that is shown by leaving their "
    '`returned` empty and `unknown="absent"`',
    "control episodes are certified absence and clients' is absence as they report it: a first week without a "
    "certificate moves the norm's clock (`offset_days` of the controls), and an end of certificates is not always a "
    "return",
)


class WeeksSaved(Analysis):
    r"""Mean weeks saved per client between assessment and a horizon, against the norm at each client's elapsed time.

    Time runs from assessment. What the norm expects is conditional: of the control episodes that had run as long as
    this client's, how long did they still run? Everybody assessed while absent is in it, whether they
    returned or not. The variance is that of the clients and that of the norm, between practices.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    horizon : float
        Time from assessment, in the design's ``time_unit``, within which absence is counted: choose it before looking.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    unknown : {"censored", "returned", "absent", "ipcw"}
        What clients with no known outcome count as: watched to their last contact; returned then (best
        case); still absent to the horizon (worst case); or stood for by clients like them, weighted up by one over
        the modelled chance of a known outcome.
    known_by : tuple of str
        With ``"ipcw"``: columns that chance may depend on, besides elapsed time at assessment (logistic).
    still_absent_at : str, optional
        Column of the last contact at which a client who returned was still absent, in the clock of ``entry``.
    return_date : {"latest", "middle", "earliest"}
        Where between that contact and ``duration`` the return is placed.
    by_cell : bool
        Also a row for each norm cell.
    restrict : {"none", "clients"}
        ``"clients"`` leaves out, and counts, clients whose norm is not known to the horizon; otherwise they are
        an error.
    conf_level : float

    Returns
    -------
    Estimates
        For each population the rows ``saved`` (a difference, positive when time was saved), ``expected`` and
        ``observed`` (restricted means), and the share of the variance of ``saved`` that is the norm's. With
        ``by_cell``, a ``saved in …`` row for each cell with ten clients or more. Curves: the share still absent by
        time since assessment, observed and expected.

    Notes
    -----
    .. math::

        \text{saved} = \sum_i p_i \int_0^\tau \frac{S_0(e_i + u)}{S_0(e_i)}\,du - \int_0^\tau \hat S(u)\,du

    with :math:`e_i` the client's time absent at assessment, :math:`S_0` the product-limit curve of the control
    episodes in the client's cell (delayed entry; only end times after :math:`e_i` enter), :math:`\hat S` the
    Kaplan-Meier curve of clients by time since assessment, and p equal, or the design's weights.

    Influence values are infinitesimal jackknife values of both sides. A client carries their own expected time and
    their part of the observed curve; a control episode its part of the norm. They are summed within practice, and
    within the design's clusters of clients if it declares any; practices are compared within sets that share a norm,
    such as an area. Each value takes the factor ``1 / sqrt(1 - 2 f + Σ f²)`` for the share f its practice has of the
    episodes at risk at that time, or its cluster of the clients: sqrt(G / (G − 1)) for groups alike. Degrees of freedom
    are those of Bell and McCaffrey for groups so unequal, joined over these parts by Welch and Satterthwaite's formula.
    Where one practice alone is at risk, the variance it may have there is taken from that of independent episodes.

    ``"censored"`` is right if contact broke off at some moment; ``"ipcw"`` if outcomes are missing for reasons that
    ``known_by`` and elapsed time tell. Each is wrong for the other.

    A client whose absence ends in another way than a return (job lost, benefit, retirement) has ``returned`` 0 and is
    censored then, as the formula asks. That assumes they would have returned as the others did; competing exits as
    such are in :class:`CompetingExits`. With ``returned`` left empty for them, ``unknown="absent"`` has them absent to
    the horizon instead, together with all others whose outcome is not known: the least that can have been saved.

    A client who returned on the very day of assessment is left out and counted: the norm is of absences that last
    beyond it. Who was last seen, still absent, on that day counts in the expected time only.

    Clients who take up a service are never the controls: see the remarks of every result for what is assumed.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage
    samples. *Survey Methodology* 28.
    Kaplan, E. L. and Meier, P. (1958). Nonparametric estimation from incomplete observations. *Journal of the
    American Statistical Association* 53.
    Royston, P. and Parmar, M. K. B. (2013). Restricted mean survival time. *BMC Medical Research Methodology* 13.
    Fit for Work Service pilots evaluation, Appendix C, for the comparison this stands beside.

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
    >>> saved = ik.WeeksSaved(name="saved", horizon=8)
    >>> rows = ik.Evaluation(design, {"people": people, "episodes": notes}, [saved]).fit(seed=1).tidy()
    >>> rows[["term", "measure", "unit", "estimate"]].round(2)
                           term          measure   unit  estimate
    0                     saved       difference  weeks      2.63
    1                  expected  restricted_mean  weeks      6.46
    2                  observed  restricted_mean  weeks      3.83
    3  norm's share of variance       proportion  share      0.47
    """

    honours: ClassVar[frozenset[str]] = frozenset({"clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm"})

    kind: Literal["weeks_saved"] = "weeks_saved"
    horizon: Horizon
    populations: tuple[str, ...] | None = None
    unknown: UnknownRule = "censored"
    known_by: tuple[str, ...] = ()
    still_absent_at: str | None = Field(default=None, min_length=1)
    return_date: ReturnDate = "latest"
    by_cell: bool = False
    restrict: Literal["none", "clients"] = "none"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.known_by and self.unknown != "ipcw":
            raise ValueError(f'`known_by` belongs to `unknown="ipcw"`; with "{self.unknown}" it would not be used')
        if self.return_date != "latest" and self.still_absent_at is None:
            raise ValueError(
                f'`return_date="{self.return_date}"` needs `still_absent_at`, the column of the contact before'
            )
        return self

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        needs = [ColumnNeed(column=name, role="any", by=by) for name in self.known_by]
        if self.still_absent_at is not None:
            needs.append(ColumnNeed(column=self.still_absent_at, role="duration", by=by))
        return tuple(needs)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if isinstance(design, NormDesign) and design.controls is None:
            said.append(f'{type(self).__name__} "{self.name}" needs control episodes: give the design its `controls`.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        from impactkit.data import control_episodes

        return saved_rows(self, study, control_episodes(study))


def saved_rows(
    spec: WeeksSaved, study: StudyData, controls: ControlData, *, block: str = "", curves: bool = True
) -> Estimates:
    """Estimate every population of a :class:`WeeksSaved` with these control episodes.

    Parameters
    ----------
    block : str
        Name of the table the episodes' influence values belong to, where it is not that of the design's episodes.
    curves : bool
        Whether the curves are wanted.

    Raises
    ------
    DataError
        If a cell has no control episodes, or the horizon is beyond what the norm or the clients can tell.
    """
    norms, unit = read_norms(controls), time_unit(study)
    samples: dict[str, ClientSample] = {}
    problems: list[str] = []
    for population in spec.chosen_populations(study.design):
        try:
            sample = draw_clients(
                study,
                population,
                unknown=spec.unknown,
                known_by=spec.known_by,
                still_absent_at=spec.still_absent_at,
                return_date=spec.return_date,
                horizon=spec.horizon,
            )
        except DataError as error:
            problems += error.problems
            continue
        samples[population] = sample
    lacking = missing_norms(samples.values(), norms, study)
    problems += lacking
    for population, sample in samples.items() if not lacking else ():
        if spec.restrict == "clients":
            samples[population] = within_norm(sample, norms, spec.horizon)
        problems += beyond_horizon(
            spec.horizon, study, samples[population], norms, population, restricted=spec.restrict == "clients"
        )
    if problems:
        raise DataError(list(dict.fromkeys(problems)))
    rows: list[PendingRow] = []
    found: list[Carried] = []
    drawn: list[Curve] = []
    remarks: list[Note] = []
    glances = []
    for population, sample in samples.items():
        own = _population_rows(spec, study, sample, _solve(sample, norms, spec.horizon), population)
        if spec.by_cell:
            own += _cell_rows(spec, study, sample, norms, population)
        carried = [carry(row, norms) for row in own]
        share = carried[0].norm_share
        no_share = "" if np.isfinite(share) else "the variance of `saved` cannot be given"
        own[3] = replace(own[3], working=share, reason=no_share)
        rows += own
        found += carried
        glances.append(
            glance_row(
                spec.name,
                spec.kind,
                study,
                sample,
                norms,
                population,
                estimand=f"mean {unit} saved per client within {spec.horizon:g} {unit} of assessment",
                method="conditional residual norm less restricted mean since assessment",
                df=carried[0].df,
                conf_level=spec.conf_level,
                missing_rule=f"unknown outcomes: {spec.unknown}",
            )
        )
        if curves:
            drawn += saved_curves(spec, study, sample, norms, population)
        said = [*sample.remarks, *thin_places(sample, norms, spec.horizon)]
        remarks += [
            spec.note(reason, outcome=OUTCOME, population=population)
            for reason in of_population(said, population, samples)
        ]
    remarks += [spec.note(reason, outcome=OUTCOME) for reason in (*norms.remarks(), *ASSUMPTIONS)]
    return finish(
        study,
        norms,
        rows,
        found,
        conf_level=spec.conf_level,
        glances=glances,
        remarks=remarks,
        curves=drawn,
        block=block,
    )


def _solve(sample: ClientSample, norms: Norms, horizon: float) -> Saved:
    return weeks_saved(
        entry=sample.entry,
        since=sample.since,
        back=sample.back,
        weights=sample.weights,
        watched=sample.watched,
        cells=sample.cells,
        norms={cell: norms.of(cell) for cell in np.unique(sample.cells).tolist()},
        episode_cells=norms.controls.cells.codes,
        horizon=horizon,
    )


def _population_rows(
    spec: WeeksSaved, study: StudyData, sample: ClientSample, whole: Saved, population: str
) -> list[PendingRow]:
    unit = time_unit(study)

    def key(term: str, measure: str, shown: str = unit) -> RowKey:
        return RowKey(spec.name, OUTCOME, population, term, measure, shown)

    both, mean = whole.client_expected - whole.client_observed, "restricted_mean"
    return [
        PendingRow(key("saved", "difference"), whole.saved, sample, both, whole.steps),
        PendingRow(key("expected", mean), whole.expected, sample, whole.client_expected, whole.steps),
        PendingRow(key("observed", mean), whole.observed, sample, whole.client_observed),
        PendingRow(key("norm's share of variance", "proportion", "share"), np.nan, sample, describes=_SHARE),
    ]


def _cell_rows(
    spec: WeeksSaved, study: StudyData, sample: ClientSample, norms: Norms, population: str
) -> list[PendingRow]:
    unit = time_unit(study)
    rows = []
    for cell in np.unique(sample.cells).tolist():
        own = sample.only(sample.cells == cell)
        key = RowKey(spec.name, OUTCOME, population, f"saved in {norms.label(cell)}", "difference", unit)
        if own.n < FEW:
            reason = f"fewer than {FEW} clients: too few for an interval"
            rows.append(PendingRow(key, np.nan, own, reason=reason))
            continue
        reach = observed_reach(own) if (own.watched > 0).any() else 0.0
        if later(spec.horizon, reach):
            reason = (
                f"no client of this cell was watched longer than {number(reach)} {unit} after assessment, and not all "
                "were back: the horizon is beyond what they can tell"
            )
            rows.append(PendingRow(key, np.nan, own, reason=reason))
            continue
        part = _solve(own, norms, spec.horizon)
        clients = part.client_expected - part.client_observed
        rows.append(PendingRow(key, part.saved, own, clients, part.steps))
    return rows
