"""Cox regression: hazard ratios of return to work by characteristic, or of clients against a norm's episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.design import Design, NormDesign
from impactkit.design.base import Label
from impactkit.errors import SpecError, did_you_mean
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["CoxRegression"]

MOST_REFITS = 100
"""With more clusters than this the sandwich is close enough, and fitting without each would take long."""


class CoxRegression(Analysis):
    r"""Hazard ratios of an event, such as return to work, by characteristic, each adjusted for the others.

    A hazard ratio of 1.3 says that, among people still absent, return to work comes at 1.3 times the rate. Use it to
    ask who returns sooner; on a norm design with ``against_norm=True``, to ask whether clients return at another rate
    than control episodes *that have lasted as long*: clients enter at assessment, so that nobody's earlier absence is
    counted as success or failure.

    Parameters
    ----------
    name : str
        What tables call this model.
    duration : str, optional
        Column of the time of the event or of the end of observation; the design's own on a norm design.
    event : str, optional
        Column that is 1 if the event came at ``duration``, 0 if observation stopped; the design's ``returned`` on a
        norm design.
    entry : str, optional
        Column of the time at which observation of the person began (delayed entry); the design's ``entry`` on a norm
        design, time 0 elsewhere.
    covariates : tuple of str
        Columns in the order of the table. Text, categories and truth values are categorical; numbers enter as they
        are, one hazard ratio per unit, unless ``reference`` names them.
    reference : tuple of (column, level) pairs
        The category with hazard ratio 1; by default the first, or the control arm.
    strata_by : tuple of str
        Columns whose combinations have baseline hazards of their own, besides the design's strata.
    against_norm : bool
        Stack clients and the design's control episodes, stratified by the norm's cells (``norm_by``), for one hazard
        ratio, "clients v norm".
    ties : {"efron", "breslow"}
        How people with the event on the same day share the risk set.
    inference : {"robust", "model"}
        Robust errors (the infinitesimal jackknife; clustered when the design has clusters), or those of the model.
    cluster_errors : {"jackknife", "sandwich"}, optional
        How clusters' errors are formed: by fitting again without each cluster, or by summing influence values. The
        jackknife with at most 100 clusters when left out, because the sandwich of few clusters is too small.
    test : {"km", "identity", "log", "rank", "none"}
        The function of time in the test of proportional hazards, or no test.
    populations : tuple of str, optional
    conf_level : float

    Returns
    -------
    Estimates
        For each population a ``hazard_ratio`` row for every category (term ``"column[level]"``; the reference is 1
        without an interval) and number, or one for "clients v norm"; then ``proportional_hazards`` rows, a chi-square
        test for each covariate and, if there are several, one for all.

    Notes
    -----
    :math:`h_i(t) = h_{s(i)}(t)\, e^{x_i'\beta}` by maximum partial likelihood. A person is at risk from entry, not
    included, to ``duration``, included. Robust variance: influence values, squared and summed. With G clusters it is
    the jackknife's, :math:`\frac{G-1}{G}\sum_g (\hat\beta - \hat\beta_{(-g)})^2`, or the sandwich's times G/(G - 1),
    with a t distribution on G - 1 degrees of freedom. Errors of the model (``inference="model"``) are refused with
    weights and clusters.

    Against the norm the variance has two parts: clients (by cluster if the design has clusters) and control episodes,
    by practice where the design's controls name one; degrees of freedom are Welch and Satterthwaite's of the two. The
    weights of the design are clients'; a control episode has weight 1. Clients of cells without control episodes say
    nothing about the ratio: they are left out and counted.

    Only on a trial, and only for the arm, is a hazard ratio an effect of the programme; even then it compares those
    still absent at each time, who are no longer as randomised. Else it is an association.

    Without clusters and weights the test of proportional hazards is R's ``cox.zph``; with them it is its robust form.
    Under monotone likelihood (nobody of a category has the event, say) the whole model is n/c and the reason names
    the column and direction.

    References
    ----------
    Cox, D. R. (1972). Regression models and life-tables. *Journal of the Royal Statistical Society B* 34.
    Efron, B. (1977). The efficiency of Cox's likelihood function for censored data. *Journal of the American
    Statistical Association* 72.
    Lin, D. Y. and Wei, L. J. (1989). The robust inference for the Cox proportional hazards model. *Journal of the
    American Statistical Association* 84.
    Lipsitz, S. R., Dear, K. B. G. and Zhao, L. (1994). Jackknife estimators of variance for parameter estimates from
    estimating equations with applications to clustered survival data. *Biometrics* 50.
    Grambsch, P. M. and Therneau, T. M. (1994). Proportional hazards tests and diagnostics based on weighted residuals.
    *Biometrika* 81.

    Examples
    --------
    Twelve made-up clients, all absent when they were assessed:

    >>> import pandas as pd
    >>> import impactkit as ik
    >>> clients = pd.DataFrame({"id": range(12), "group": ["IAPT", "other"] * 6,
    ...     "entry": [2, 3, 1, 4, 6, 2, 5, 1, 3, 2, 4, 3], "weeks": [9, 20, 7, 15, 12, 26, 8, 11, 30, 18, 10, 24],
    ...     "back": [1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1]})
    >>> design = ik.NormDesign(unit="id", entry="entry", duration="weeks", returned="back")
    >>> model = ik.CoxRegression(name="return", covariates=("group",), reference=(("group", "other"),))
    >>> rows = ik.Evaluation(design, clients, [model]).fit(seed=1).tidy()
    >>> rows[["term", "measure", "estimate", "p_value", "n"]].round(2)
               term               measure  estimate  p_value     n
    0  group[other]          hazard_ratio      1.00      NaN  12.0
    1   group[IAPT]          hazard_ratio      2.25     0.24  12.0
    2         group  proportional_hazards       NaN     0.04  12.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm"})

    kind: Literal["cox_regression"] = "cox_regression"
    duration: str | None = Field(default=None, min_length=1)
    event: str | None = Field(default=None, min_length=1)
    entry: str | None = Field(default=None, min_length=1)
    covariates: tuple[str, ...] = ()
    reference: tuple[tuple[str, Label], ...] = ()
    strata_by: tuple[str, ...] = ()
    against_norm: bool = False
    ties: Literal["efron", "breslow"] = "efron"
    inference: Literal["robust", "model"] = "robust"
    cluster_errors: Literal["jackknife", "sandwich"] | None = None
    test: Literal["km", "identity", "log", "rank", "none"] = "km"
    populations: tuple[str, ...] | None = None
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        for what, names in (("covariate", self.covariates), ("`strata_by` column", self.strata_by)):
            faults += [f"{what} `{name}` is named more than once" for name in set(names) if names.count(name) > 1]
        faults += [
            f"`{name}` is among the covariates and in `strata_by`: a column is one or the other"
            for name in self.covariates
            if name in self.strata_by
        ]
        for name, _ in self.reference:
            if name not in self.covariates:
                hint = did_you_mean(name, self.covariates)
                faults.append(f"`reference` names `{name}`, which is not among the covariates.{hint}")
        if self.against_norm and (self.covariates or self.strata_by):
            faults.append(
                "`against_norm` compares clients with control episodes, which have the `norm_by` columns only: leave "
                "`covariates` and `strata_by` out, or add what both tables have to the design's `norm_by`"
            )
        if self.against_norm and any((self.duration, self.event, self.entry)):
            faults.append("`against_norm` reads the design's own times: leave `duration`, `event` and `entry` out")
        if self.against_norm and self.inference == "model":
            faults.append("`against_norm` adds the variance of clients and of the norm: leave `inference` out")
        if not self.against_norm and not self.covariates:
            faults.append("`covariates` names no column: give at least one, or `against_norm=True` on a norm design")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def times(self, design: Design) -> tuple[str, str, str | None]:
        """Give the columns of duration, event and entry.

        Raises
        ------
        SpecError
            If the design does not name them and the analysis does not either.
        """
        own = design if isinstance(design, NormDesign) else None
        duration = self.duration or (None if own is None else own.duration)
        event = self.event or (None if own is None else own.returned)
        entry = self.entry or (own.entry if own is not None and duration == own.duration else None)
        if duration is None or event is None:
            lacking = " and ".join(f"`{what}`" for what, at in (("duration", duration), ("event", event)) if at is None)
            raise SpecError(f'CoxRegression "{self.name}" needs {lacking}: only a norm design names such columns')
        return duration, event, entry

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        duration, event, entry = self.times(design)
        needs = [ColumnNeed(duration, "duration", by), ColumnNeed(event, "binary", by)]
        needs += [] if entry is None else [ColumnNeed(entry, "duration", by)]
        needs += [ColumnNeed(name, "any", by) for name in self.covariates]
        return (*needs, *(ColumnNeed(name, "factor", by) for name in self.strata_by))

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if design is None:
            return said
        who = f'CoxRegression "{self.name}"'
        try:
            self.times(design)
        except SpecError as error:
            said.append(f"{error}.")
        if self.inference == "model" and (design.clusters is not None or design.weights is not None):
            said.append(
                f"{who} asks for model-based errors, which take people as independent and equally weighted, but the "
                "design declares clusters or weights: leave `inference` out."
            )
        if self.against_norm and getattr(design, "controls", None) is None:
            said.append(f"{who} compares clients with control episodes, and the design declares no `controls`.")
        return said

    def by_jackknife(self, clusters: int) -> bool:
        """Whether errors of so many clusters are formed by leaving each out in turn."""
        return self.cluster_errors == "jackknife" or (self.cluster_errors is None and clusters <= MOST_REFITS)

    def cluster_words(self, clusters: int) -> str:
        """Name the errors of so many clusters."""
        return "jackknife" if self.by_jackknife(clusters) else "robust, G/(G - 1),"

    def _declares_weights(self, design: Design) -> bool:
        return design.weights is not None

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Estimate every population."""
        from impactkit.estimators.cox_people import by_characteristic

        if self.against_norm:
            from impactkit.estimators.cox_norm import clients_against_norm

            return clients_against_norm(self, study)
        return by_characteristic(self, study)
