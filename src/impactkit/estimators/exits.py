"""Competing exits: how absence ends, when return to work is not the only way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.design import ComparisonDesign, Design, NormDesign, TrialDesign
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["CompetingExits"]

Time = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class CompetingExits(Analysis):
    r"""Share of people who left absence for work, and for each other reason, by given times.

    Use it when some people lose the job, move to a benefit, retire or die: they will not return later, and a curve
    that only counts them as "no longer seen" (1 − Kaplan-Meier) overstates return to work. With arms, the differences
    in cumulative incidence and in time at the horizon come first.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    exit : str
        Column that says how absence ended; an empty cell means still absent at ``duration``.
    horizon : float
        Time to which areas and differences are taken, in the unit of time. Choose it before looking.
    interest : str, default "work"
        The exit of interest; all others compete with it.
    duration : str, optional
        Time at the exit or the last contact; the design's for a :class:`NormDesign`.
    entry : str, optional
        Time already absent when observation began; the design's for a :class:`NormDesign`, else 0.
    clock : {"absence", "assessment"}
        Time counts from the first day of absence, with delayed entry, or from the day observation began.
    start : float, optional
        People still absent at this time, and what happens to them after it. Use it when few are under observation at
        short durations. Left out, curves begin at the earliest entry.
    times : tuple of float, optional
        When cumulative incidences are given; at the horizon when left out.
    time_unit : {"weeks", "days"}, optional
        A norm design has its own; weeks when left out.
    by : str, optional
        Column of groups to set side by side; the arms when the design has them.
    covariates : tuple of str
        Columns of two regressions of the exit of interest: Fine and Gray's, and the cause-specific Cox model.
        A :class:`ComparisonDesign`'s own are used when none are given.
    limits : {"log-log", "log", "plain"}
        The scale on which the interval of a cumulative incidence is symmetric.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        For each population: with arms ``difference`` rows (share out by the horizon, mean time since each exit) and
        Gray's test; ``subdistribution_hazard_ratio`` and ``hazard_ratio`` rows of the arm and covariates; then for
        each group ``cumulative_incidence`` of every exit at the times, ``one_minus_survival`` of the exit of
        interest, and ``time_lost`` to every exit by the horizon. One curve for each group and exit.

    Notes
    -----
    :math:`F_j(t) = \sum_{t_k \le t} S(t_k-) d_{jk}/n_k` (Aalen-Johansen), everybody at risk on (entry, exit]; mean
    time lost is :math:`\int_0^\tau F_j`. Standard errors are infinitesimal-jackknife, summed within the design's
    clusters with the factor G/(G − 1) and t limits on G − 1 (two arms of whole clusters: G − 2). With
    strata an arm's curve is the average of its strata's, weighted by everybody's shares, and regressions have a
    baseline for each stratum. Weights are sampling weights, and take part in the estimate of the censoring
    distribution too.

    Groups of a :class:`ComparisonDesign` are compared only under its weights, or by the regressions with covariates.

    Fine and Gray's model says how a characteristic moves cumulative incidence, the cause-specific model how it moves
    the rate among those still absent: read them together. Gray's test is given only where everybody is observed from
    the start without weights or clusters, for which it was derived.

    Somebody whose observation begins after time 0 and ends on the day it began was never at risk: left out and
    counted. Where everybody is observed from time 0, an exit at 0 counts.

    A number beyond what the data identify (after the last contact, or after the risk set emptied) is not given.

    References
    ----------
    Aalen, O. O. and Johansen, S. (1978). An empirical transition matrix for non-homogeneous Markov chains based on
    censored observations. *Scandinavian Journal of Statistics* 5(3).
    Andersen, P. K. (2013). Decomposition of number of life years lost according to causes of death. *Statistics in
    Medicine* 32(30).
    Fine, J. P. and Gray, R. J. (1999). A proportional hazards model for the subdistribution of a competing risk.
    *Journal of the American Statistical Association* 94(446).
    Geskus, R. B. (2011). Cause-specific cumulative incidence estimation and the Fine and Gray model under both left
    truncation and right censoring. *Biometrics* 67(1).
    Gray, R. J. (1988). A class of K-sample tests for comparing the cumulative incidence of a competing risk. *Annals
    of Statistics* 16(3).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> clients = pd.DataFrame({"id": range(6), "entry": [0, 0, 0, 2, 2, 3], "weeks": [4, 6, 9, 5, 12, 12],
    ...                         "back": [1, 0, 1, 1, 0, 0], "exit": ["work", "job loss", "work", "work", "", ""]})
    >>> design = ik.NormDesign(unit="id", entry="entry", duration="weeks", returned="back")
    >>> exits = ik.CompetingExits(name="exits", exit="exit", horizon=10.0)
    >>> rows = ik.Evaluation(design, clients, [exits]).fit(seed=1).tidy()
    >>> rows[["term", "measure", "estimate", "std_error"]].round(3)
                            term               measure  estimate  std_error
    0                 work by 10  cumulative_incidence     0.500      0.204
    1             job loss by 10  cumulative_incidence     0.167      0.152
    2                 work by 10    one_minus_survival     0.556      0.222
    3      time since work to 10             time_lost     2.000      1.027
    4  time since job loss to 10             time_lost     0.667      0.609
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm", "trial", "comparison"})

    kind: Literal["competing_exits"] = "competing_exits"
    exit: str = Field(min_length=1)
    horizon: Time
    interest: str = Field(default="work", min_length=1)
    duration: str | None = None
    entry: str | None = None
    clock: Literal["absence", "assessment"] = "absence"
    start: Time | None = None
    times: tuple[Time, ...] = ()
    time_unit: Literal["weeks", "days"] | None = None
    by: str | None = None
    covariates: tuple[str, ...] = ()
    limits: Literal["log-log", "log", "plain"] = "log-log"
    populations: tuple[str, ...] | None = None
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if self.start is not None and self.start >= min((self.horizon, *self.times)):
            faults.append("`start` should be earlier than the horizon and every one of `times`")
        if self.start is not None and self.clock == "assessment":
            faults.append('`start` counts in absence and `clock="assessment"` does not: leave one out')
        if len(set(self.times)) < len(self.times):
            faults.append("`times` should be different times")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def times_used(self) -> tuple[float, ...]:
        """The times asked for, or the horizon alone."""
        return self.times or (self.horizon,)

    def duration_of(self, design: Design) -> str:
        """Name the column of durations."""
        return self.duration or str(getattr(design, "duration", ""))

    def entry_of(self, design: Design) -> str | None:
        """Name the column of entry times, if there is one."""
        return self.entry or getattr(design, "entry", None)

    def unit_of(self, design: Design) -> str:
        """Give the unit of time."""
        return str(getattr(design, "time_unit", None) or self.time_unit or "weeks")

    def covariates_of(self, design: Design) -> tuple[str, ...]:
        """Give the covariates of the regressions."""
        if not self.covariates and isinstance(design, ComparisonDesign):
            return design.covariates
        return self.covariates

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        needs = [ColumnNeed(self.exit, "factor", by)]
        needs += [ColumnNeed(column, "duration", by) for column in (self.duration, self.entry) if column is not None]
        needs += [ColumnNeed(column, "any", by) for column in self.covariates]
        return tuple(needs if self.by is None else [*needs, ColumnNeed(self.by, "factor", by)])

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if design is None:
            return said
        who = f'CompetingExits "{self.name}"'
        if not self.duration_of(design):
            said.append(f"{who} needs `duration`, the column of the time at the exit or the last contact.")
        if isinstance(design, NormDesign) and design.strata:
            said.append(f"{who} honours the strata of allocated arms, and a norm design has none: use `by`.")
        if isinstance(design, NormDesign) and self.time_unit not in (None, design.time_unit):
            said.append(f"{who} asks for {self.time_unit} and the design's times are in {design.time_unit}.")
        if isinstance(design, TrialDesign | ComparisonDesign) and self.by is not None and design.strata:
            said.append(f"{who} honours strata when it compares arms, not with `by`: leave `by` out.")
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        from impactkit.estimators.exits_rows import ExitRows

        rows = ExitRows(self, study)
        for population in self.chosen_populations(study.design):
            rows.add_population(population)
        return rows.estimates()
