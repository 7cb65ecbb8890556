"""Time to work in a trial: restricted means, their ratio and the hazard ratio, by arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, Inference, Linearised, choose_inference
from impactkit.design import ComparisonDesign, Design
from impactkit.errors import RefusalError
from impactkit.estimators.durations import Clock, read_spells
from impactkit.estimators.matrix import Adjustment
from impactkit.estimators.sample import OneArmed, SampleError, complete_rows, draw_sample
from impactkit.estimators.time_to_work_rows import TimeRows
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["TimeToWork"]


class TimeToWork(Analysis):
    r"""Effect of allocation on the time to return to work, some returns not being seen before follow-up ends.

    Use it where the outcome is a time and not everybody has reached it. The headline is a difference of restricted
    means: weeks of absence within the first τ weeks, in the unit of the data, and true whatever the hazards do.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    duration : str
        Column, or declared outcome, of the time to return, or to the end of follow-up for who has not returned.
    event : str
        Column that is 1 if the person returned, 0 if not yet; empty if not known.
    horizon : float
        τ, in the unit of ``duration``. Choose it before looking at the data.
    time_unit : {"weeks", "days"}
        Unit of all times.
    entry : str, optional
        Column of the time already absent when the person was allocated (or assessed), if ``duration`` counts from
        the first day of absence.
    clock : {"entry", "onset"}
        Where time 0 is. ``"entry"``: at allocation, so that everybody is under observation from 0 on. ``"onset"``:
        at the first day of absence, people being at risk from ``entry`` on (left truncation).
    since : float
        With ``clock="onset"``: curves begin here, among those still absent; early on too few may be under observation.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    covariates : tuple of str
        Baseline columns to adjust for, with those a comparison design declares.
    adjustment : {"none", "ancova", "lin"}, optional
        As in :class:`IntentToTreat`.
    curves : {"stratum", "arm"}
        Who shares a survival curve: people of one arm and stratum, or all of an arm, which assumes that the end of
        follow-up has nothing to do with the stratum.
    ties : {"efron", "breslow"}
        How the hazard ratio treats equal times.
    inference : HC0, HC1, HC2, HC3 or CR2, optional
        CR2 when the design has clusters, HC2 otherwise.
    one_armed : {"error", "drop"}
        As in :class:`IntentToTreat`.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        For each population and treated arm a ``difference`` of restricted means, their ``restricted_mean_ratio`` and a
        ``hazard_ratio`` (above 1: sooner back to work), then the control mean; survival curves by arm in
        ``curve()``.

    Notes
    -----
    Each person's pseudo-value is the restricted mean of their arm (and stratum) plus their influence on it times the
    number of people (infinitesimal jackknife), :math:`P_i = \hat\mu(\tau) + n\,\hat\psi_i`. Pseudo-values are then the
    outcome of the regressions of :class:`IntentToTreat`: strata, covariates, clusters and weights enter as there.
    If nobody's time is cut short before τ, P is min(T, τ) and the rows are those of :class:`IntentToTreat` on it.
    Without covariates the difference is that of the areas under the Kaplan-Meier curves (with strata, weighted by the
    size of the stratum); with ``HC0()`` its error is Greenwood's, and the default is larger by about √(n/(n − 1)).
    With covariates, pseudo-values assume that follow-up ends independently of them within arm (and stratum), and
    their errors are slightly too large in large samples (Jacobsen and Martinussen 2016).

    The hazard ratio is that of a Cox model with the arms and covariates, stratified by the strata; its error is
    robust; with up to 100 clusters it is the jackknife's that leaves out each cluster (a cluster pulls the estimate
    towards itself, so that the sandwich of few is too small), with more the sandwich's times G/(G − 1), both on G − 1
    degrees of freedom. It is an average over time if hazards are not proportional.

    A horizon beyond what a curve shows gives no row but the largest horizon that all curves reach.

    References
    ----------
    Andersen, P. K., Hansen, M. G. and Klein, J. P. (2004). Regression analysis of restricted mean survival time based
    on pseudo-observations. *Lifetime Data Analysis* 10(4).
    Andersen, P. K. and Pohar Perme, M. (2010). Pseudo-observations in survival analysis. *Statistical Methods in
    Medical Research* 19(1).
    Jacobsen, M. and Martinussen, T. (2016). A note on the large sample properties of estimators based on generalized
    linear models for correlated pseudo-observations. *Scandinavian Journal of Statistics* 43(3).
    Royston, P. and Parmar, M. K. B. (2013). Restricted mean survival time: an alternative to the hazard ratio.
    *BMC Medical Research Methodology* 13.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(12), "arm": ["support", "usual"] * 6,
    ...     "weeks": [3, 5, 4, 9, 6, 12, 8, 14, 10, 20, 20, 20], "back": [1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="support", control="usual")
    >>> time = ik.TimeToWork(name="return", duration="weeks", event="back", horizon=16)
    >>> result = ik.Evaluation(design, people, [time]).fit(seed=1)
    >>> result.tidy()[["term", "measure", "estimate", "n"]].round(2)
               term                measure  estimate     n
    0       support             difference     -3.33  12.0
    1       support  restricted_mean_ratio      0.72  12.0
    2       support           hazard_ratio      1.84  12.0
    3  control_mean                   mean     12.00   6.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison"})

    kind: Literal["time_to_work"] = "time_to_work"
    duration: str = Field(min_length=1)
    event: str = Field(min_length=1)
    horizon: float = Field(gt=0.0)
    time_unit: Literal["weeks", "days"] = "weeks"
    entry: str | None = Field(default=None, min_length=1)
    clock: Clock = "entry"
    since: float = Field(default=0.0, ge=0.0)
    populations: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    adjustment: Adjustment | None = None
    curves: Literal["stratum", "arm"] = "stratum"
    ties: Literal["efron", "breslow"] = "efron"
    inference: Inference | None = None
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if self.adjustment in ("ancova", "lin") and not self.covariates:
            faults.append(f'`adjustment="{self.adjustment}"` needs `covariates`')
        if self.adjustment == "none" and self.covariates:
            faults.append('`covariates` are given but `adjustment="none"` would not use them: leave one out')
        if self.clock == "onset" and self.entry is None:
            faults.append('`clock="onset"` needs `entry`: when each person came under observation')
        if self.clock == "onset" and (self.covariates or self.curves == "arm"):
            faults.append(
                '`clock="onset"` compares curves with delayed entry, which pseudo-values cannot adjust: leave '
                '`covariates` and `curves` out, or use `clock="entry"`'
            )
        if self.since and self.clock == "entry":
            faults.append('`since` belongs to `clock="onset"`: from entry everybody is observed from 0 on')
        if self.since >= self.horizon:
            faults.append(f"`since` ({self.since:g}) should be before the horizon ({self.horizon:g})")
        if isinstance(self.inference, Linearised):
            faults.append("`inference` should be HC0 to HC3, or CR2 with clusters; linearised errors are not offered")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def outcome_names(self) -> tuple[str, ...]:
        """Give the outcome this analysis reads."""
        return (self.duration,)

    def covariates_with(self, design: Design) -> tuple[str, ...]:
        """Give the covariates asked for after those a comparison declares."""
        declared = design.covariates if isinstance(design, ComparisonDesign) else ()
        return tuple(dict.fromkeys([*declared, *self.covariates]))

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        needs = [ColumnNeed(self.event, "binary", by)]
        if self.entry is not None:
            needs.append(ColumnNeed(self.entry, "duration", by))
        return (*needs, *(ColumnNeed(name, "any", by) for name in self.covariates))

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour."""
        said = super().refusals(design)
        if design is None:
            return said
        who = f'TimeToWork "{self.name}"'
        try:
            choose_inference(self.inference, design, who)
        except RefusalError as error:
            said.append(str(error))
        if self.clock == "onset" and self.covariates_with(design):
            said.append(
                f'{who} cannot adjust for the covariates the design declares with clock="onset": use clock="entry".'
            )
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        inference = choose_inference(self.inference, study.design, f'TimeToWork "{self.name}"')
        spells = read_spells(
            study,
            duration=self.duration,
            event=self.event,
            entry=self.entry,
            clock=self.clock,
            since=self.since,
            unit=self.time_unit,
        )
        names = self.covariates_with(study.design)
        covariates = study.covariates(names).matrix if names else None
        rows = TimeRows(self, spells, inference, covariates)
        for population in self.chosen_populations(study.design):
            try:
                sample = draw_sample(
                    spells.study,
                    outcome=spells.outcome,
                    population=population,
                    complete=complete_rows(covariates),
                    one_armed=self.one_armed,
                )
            except SampleError as fault:
                rows.fail(fault.sample, str(fault))
            else:
                rows.add(sample)
        return rows.estimates()
