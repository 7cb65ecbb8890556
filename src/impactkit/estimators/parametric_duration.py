"""Parametric models of the time to return to work, side by side, with what they say beyond the data kept apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.design import ComparisonDesign, Design, NormDesign
from impactkit.errors import NotEstimableError
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["ParametricDuration"]

ModelName = Literal["weibull", "lognormal", "generalised_gamma", "royston_parmar"]
_Column = Field(default=None, min_length=1)


class ParametricDuration(Analysis):
    r"""Distributions fitted to the time to return, compared by AIC; what they extrapolate is labelled as such.

    Use it where a mean beyond the end of follow-up is needed (a cost model, say), or where returns are known only
    between two dates. Within follow-up prefer curves that assume no distribution: these stand beside the models.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    duration, event : str, optional
        Columns of the time to return or to the end of follow-up, and of 1 returned, 0 not yet, empty not known. Those
        of a norm design when left out.
    entry : str, optional
        Column of the time already absent when observation began (delayed entry); that of a norm design when left out.
    lower, upper : str, optional
        In place of ``duration`` and ``event``: the return came after ``lower`` and not after ``upper`` (equal: exactly
        then; ``upper`` empty: not yet returned at ``lower``).
    time_unit : {"weeks", "days"}, optional
        Unit of all times; that of a norm design, else weeks, when left out.
    models : tuple of {"weibull", "lognormal", "generalised_gamma", "royston_parmar"}
        All four when left out.
    knots : int, default 2
        Internal knots of the Royston-Parmar spline.
    scale : {"hazard", "odds"}
        What the spline is of: log cumulative hazard (covariates act on the hazard) or log odds of having returned.
    covariates : tuple of str
        Enter with those that a comparison declares, and dummies of the strata.
    horizon : float
        Restricted means run to this time from the first day of absence; within follow-up.
    extrapolate_to : float, optional
        Adds the mean to this time, labelled an extrapolation, and the share of it that lies beyond follow-up.
    since : float, default 0
        Curves and means are of people still absent at this time, and count from it. With delayed entry nobody is seen
        before the earliest entry.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        With arms, first the effects of each model: ``time_ratio`` (or the spline's ``hazard_ratio`` or ``odds_ratio``)
        and the ``difference`` of restricted means. Then for each model ``aic``, ``log_likelihood``, each
        ``parameter``, ``restricted_mean``, ``extrapolated_mean`` and ``extrapolated_share``. Curves: ``survival`` up
        to the end of follow-up, ``survival_extrapolated`` beyond it, and the Kaplan-Meier (or Turnbull) estimate.

    Notes
    -----
    A person adds ``w log f(t)``, ``w log S(l)`` or ``w log[S(l) − S(u)]`` to the log likelihood, less
    ``w log S(entry)``. With log T = μ + x'β + σW: W is the smallest extreme value (Weibull), normal (log-normal) or
    Prentice's log-gamma with shape Q (generalised gamma: Q = 1 Weibull, Q = 0 log-normal). Royston-Parmar:
    log H(t) = s(log t) + x'δ with s a natural cubic spline, knots at quantiles of the log times of return (middles of
    intervals). Covariates are centred, so ``location`` and ``gamma0`` are at their means (in the control arm).

    Standard errors are of the sandwich, summed within the design's clusters, times G/(G − 1); with clusters t on
    G − 1 degrees of freedom. Means are averages over the covariates of the people analysed. Weights are scaled to the
    number of people; with them AIC is of a pseudo-likelihood and only roughly comparable.

    AIC compares models where there are data. It says nothing about which is right beyond follow-up, where models of
    equal AIC may differ by months: the interval of an extrapolated mean holds the model to be true.

    References
    ----------
    Prentice, R. L. (1974). A log gamma model and its maximum likelihood estimation. *Biometrika* 61(3).
    Royston, P. and Parmar, M. K. B. (2002). Flexible parametric proportional-hazards and proportional-odds models for
    censored survival data. *Statistics in Medicine* 21(15).
    Turnbull, B. W. (1976). The empirical distribution function with arbitrarily grouped, censored and truncated data.
    *Journal of the Royal Statistical Society B* 38(3).
    Latimer, N. R. (2013). Survival analysis for economic evaluations alongside clinical trials. *Medical Decision
    Making* 33(6).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(10), "seen": [1.0, 2, 1, 3, 2, 1, 4, 2, 1, 3],
    ...                        "off": [3.0, 5, 4, 9, 6, 12, 8, 14, 10, 20], "back": [1, 1, 1, 1, 1, 1, 0, 1, 1, 0]})
    >>> design = ik.NormDesign(unit="id", entry="seen", duration="off", returned="back")
    >>> spec = ik.ParametricDuration(name="durations", models=("weibull",), horizon=16, extrapolate_to=52, since=1)
    >>> rows = ik.Evaluation(design, people, [spec]).fit(seed=1).tidy()
    >>> rows[["term", "measure", "estimate"]].round(2)
                      term             measure  estimate
    0              Weibull                 aic     54.44
    1              Weibull      log_likelihood    -25.22
    2    Weibull: location           parameter      2.33
    3   Weibull: log_scale           parameter     -0.33
    4              Weibull     restricted_mean      7.82
    5  Weibull to 52 weeks   extrapolated_mean      8.73
    6  Weibull to 52 weeks  extrapolated_share      0.05
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm"})

    kind: Literal["parametric_duration"] = "parametric_duration"
    duration: str | None = _Column
    event: str | None = _Column
    entry: str | None = _Column
    lower: str | None = _Column
    upper: str | None = _Column
    time_unit: Literal["weeks", "days"] | None = None
    models: tuple[ModelName, ...] = ("weibull", "lognormal", "generalised_gamma", "royston_parmar")
    knots: int = Field(default=2, strict=True, ge=1, le=8)
    scale: Literal["hazard", "odds"] = "hazard"
    covariates: tuple[str, ...] = ()
    horizon: float = Field(gt=0.0)
    extrapolate_to: float | None = Field(default=None, gt=0.0)
    since: float = Field(default=0.0, ge=0.0)
    populations: tuple[str, ...] | None = None
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if (self.lower is None) != (self.upper is None):
            faults.append("`lower` and `upper` belong together: give both or neither")
        if (self.duration is None) != (self.event is None):
            faults.append("`duration` and `event` belong together: give both or neither")
        if self.lower is not None and self.duration is not None:
            faults.append("give `duration` and `event`, or `lower` and `upper`, not both")
        if not self.models or len(set(self.models)) < len(self.models):
            faults.append("`models` should name one or more different models")
        if self.since >= self.horizon:
            faults.append(f"`since` ({self.since:g}) should be before the horizon ({self.horizon:g})")
        if self.extrapolate_to is not None and self.extrapolate_to <= self.horizon:
            faults.append(
                f"`extrapolate_to` ({self.extrapolate_to:g}) should be beyond the horizon ({self.horizon:g}), which is "
                "for the mean within follow-up"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def times_of(self, design: Design) -> dict[str, str | None]:
        """Give the columns of the times, those of a norm design where none was named."""
        norm = design if isinstance(design, NormDesign) else None
        found: dict[str, str | None] = {
            "duration": self.duration, "event": self.event, "entry": self.entry, "lower": self.lower,
            "upper": self.upper,
        }  # fmt: skip
        if norm is not None:
            found["entry"] = self.entry or norm.entry
            if self.lower is None and self.duration is None:
                found["duration"], found["event"] = norm.duration, norm.returned
        return found

    def unit_of(self, design: Design) -> str:
        """Give the unit of all times."""
        return self.time_unit or str(getattr(design, "time_unit", "weeks"))

    def covariates_with(self, design: Design) -> tuple[str, ...]:
        """Give the covariates asked for after those a comparison declares."""
        declared = design.covariates if isinstance(design, ComparisonDesign) else ()
        return tuple(dict.fromkeys([*declared, *self.covariates]))

    def outcome_names(self) -> tuple[str, ...]:
        """Give the outcome this analysis reads, if it names one."""
        return () if self.duration is None else (self.duration,)

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        needs = [ColumnNeed(self.event, "binary", by)] if self.event is not None else []
        needs += [ColumnNeed(name, "duration", by) for name in (self.entry, self.lower, self.upper) if name is not None]
        return (*needs, *(ColumnNeed(name, "any", by) for name in self.covariates))

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if design is None:
            return said
        who = f'ParametricDuration "{self.name}"'
        if not isinstance(design, NormDesign) and self.duration is None and self.lower is None:
            said.append(f"{who} needs `duration` and `event`, or `lower` and `upper`, which only a norm design names.")
        if isinstance(design, NormDesign) and self.time_unit not in (None, design.time_unit):
            said.append(
                f'{who} asks for time_unit="{self.time_unit}" and the design is in {design.time_unit}: leave it out.'
            )
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Fit every model in every population."""
        from impactkit.estimators.parametric_people import draw_group, read_people
        from impactkit.estimators.parametric_rows import ParametricRows
        from impactkit.estimators.sample import complete_rows

        people = read_people(self, study)
        names = self.covariates_with(study.design)
        covariates = study.covariates(names) if names else None
        complete = None if covariates is None else complete_rows(covariates.matrix)
        rows = ParametricRows(self, study, people, covariates)
        for population in self.chosen_populations(study.design):
            group = draw_group(study, people, population, complete)
            try:
                rows.add(group)
            except NotEstimableError as fault:
                rows.fail(group, str(fault))
        return rows.estimates()
