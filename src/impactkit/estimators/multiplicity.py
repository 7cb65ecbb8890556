"""Families of outcomes: p values adjusted for having looked at several, raw ones kept beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis
from impactkit.design import Design, TrialDesign
from impactkit.errors import RefusalError, did_you_mean
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["AdjustmentMethod", "Multiplicity"]

AdjustmentMethod = Literal["romano_wolf", "westfall_young", "holm", "benjamini_hochberg"]

STEP_DOWN = ("romano_wolf", "westfall_young")
OTHERWISE = 'use redraw="influence"'


class Multiplicity(Analysis):
    """Adjust p values for the family of outcomes they belong to.

    Use it when a report tests several outcomes, and lets one of them speak. Families are declared in the
    design, before any data are seen; the raw p values stay where they are, and the adjusted ones stand
    beside them in ``adjusted()`` and in tables.

    Parameters
    ----------
    name : str
    of : tuple of str
        The analyses whose effects are adjusted together. Every effect row they give for an outcome of the
        family is one hypothesis, each treated arm being its own.
    family : str or tuple of str, optional
        Which of the design's families; all of them when left out.
    outcomes : tuple of str
        A family of this plan, for a design that declares none; it then has the name of the analysis.
    methods : tuple of {"romano_wolf", "westfall_young", "holm", "benjamini_hochberg"}
        Tables show the first. The first three hold the chance of any false finding, the last the expected
        share of false findings.
    across : {"outcomes", "outcomes_and_populations"}
        Whether each population is a family by itself, or all of them are one.
    redraw : {"influence", "assignment"}
        What the two step-down methods compare with: the joint law of the influence values, right for any
        estimates, samples, weights and clusters; or re-draws of the trial's own assignment, the same for
        all outcomes, within strata and of whole clusters.
    covariates : tuple of str
        With ``redraw="assignment"``: what outcomes are adjusted for before each re-draw. Name those of the
        analyses.
    draws : int
        Of the step-down methods; ``fit`` needs a seed for them.

    Returns
    -------
    Estimates
        ``adjusted()`` has a row for each hypothesis and method, in which ``analysis`` is the one that gave the
        estimate. ``tidy()`` has for each family and population one ``family_test`` row per method: the test that
        nothing in the family is affected, whose p value is the smallest adjusted one (for Holm that is
        Bonferroni's test, for Benjamini and Hochberg that of Simes).

    Notes
    -----
    With ``redraw="influence"`` each statistic is turned into the normal deviate z of its own p value, so
    that rows with different degrees of freedom weigh alike, and is compared with draws of
    ``N(0, R)``, R being the correlation of the rows' influence values: the multiplier bootstrap in which a
    person has the same multiplier in every row. A part of the covariance that no person carries (between
    imputations) is in R too. In order of falling z,
    ``p_i = P(max(|Z_i|, …, |Z_K|) ≥ z_i)``, then a running maximum. The maximum of z and the minimum of
    p are then the same step-down, and the two methods give the same number. Of the probability, the row's own
    part is its raw p value and only what the others add is simulated: the adjusted value is never smaller,
    and equals the raw one in a family of one.

    With ``redraw="assignment"`` both p values come from re-randomisation: the studentised coefficient on
    the arm, projected off strata and covariates, is formed for the observed and every re-drawn assignment;
    ``p_value`` in ``adjusted()`` is then the randomisation p value of the hypothesis by itself. Romano-Wolf
    steps down on the largest statistic of a re-draw, Westfall-Young on the smallest p value, each taken from
    the t distribution of its row. When there are no more assignments than ``draws``, all are enumerated.

    References
    ----------
    Romano, J. P. and Wolf, M. (2005). Exact and approximate stepdown methods for multiple hypothesis testing.
    *Journal of the American Statistical Association* 100(469).
    Westfall, P. H. and Young, S. S. (1993). *Resampling-Based Multiple Testing*. Wiley.
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. *Scandinavian Journal of
    Statistics* 6(2).
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. *Journal of the Royal
    Statistical Society B* 57(1).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import impactkit as ik
    >>> rng = np.random.default_rng(1)
    >>> arm = np.repeat([1, 0], 200)
    >>> people = pd.DataFrame({"id": range(400), "arm": arm, "work": rng.random(400) < 0.3 + 0.15 * arm,
    ...                        "health": rng.normal(size=400), "wellbeing": rng.normal(size=400)})
    >>> names = ("work", "health", "wellbeing")
    >>> design = ik.TrialDesign(
    ...     unit="id", arm="arm", treated=1, control=0,
    ...     outcomes=tuple(ik.Outcome(name=name, kind="binary" if name == "work" else "continuous")
    ...                    for name in names),
    ...     families=(ik.Family(name="main", outcomes=names),))
    >>> result = ik.Evaluation(design, people, [
    ...     ik.IntentToTreat(name="itt", outcome=names),
    ...     ik.Multiplicity(name="several outcomes", of=("itt",), methods=("holm",))]).fit(seed=1)
    >>> result.adjusted()[["outcome", "family", "method", "p_value", "p_adjusted"]].round(3)
         outcome family method  p_value  p_adjusted
    0       work   main   holm    0.053       0.160
    1     health   main   holm    0.074       0.160
    2  wellbeing   main   holm    0.497       0.497
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})
    reads_people: ClassVar[bool] = False

    kind: Literal["multiplicity"] = "multiplicity"
    of: tuple[str, ...] = Field(min_length=1)
    family: str | tuple[str, ...] | None = None
    outcomes: tuple[str, ...] = ()
    methods: tuple[AdjustmentMethod, ...] = Field(default=("romano_wolf", "holm", "benjamini_hochberg"), min_length=1)
    across: Literal["outcomes", "outcomes_and_populations"] = "outcomes"
    redraw: Literal["influence", "assignment"] = "influence"
    covariates: tuple[str, ...] = ()
    draws: Annotated[int, Field(strict=True, ge=99)] = 9999

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for option, names in (("of", self.of), ("methods", self.methods), ("outcomes", self.outcomes)):
            if len(set(names)) < len(names):
                raise ValueError(f"`{option}` names something twice: {', '.join(names)}")
        if self.outcomes and self.family is not None:
            raise ValueError("`family` names a family of the design and `outcomes` makes one here: leave one out")
        if self.covariates and not self.reassigns:
            raise ValueError('`covariates` belong to redraw="assignment" with a step-down method: leave them out')
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        return self.of

    @property
    def reassigns(self) -> bool:
        """Whether the trial's assignment is drawn again."""
        return self.redraw == "assignment" and any(method in STEP_DOWN for method in self.methods)

    def uses_people(self) -> bool:
        return self.reassigns

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        return tuple(ColumnNeed(column=name, role="any", by=f'analysis "{self.name}"') for name in self.covariates)

    def families(self, design: Design | None) -> dict[str, tuple[str, ...]]:
        """Give the outcomes of each family that is adjusted.

        Raises
        ------
        RefusalError
            If none was declared, or one that is named was not.
        """
        if self.outcomes:
            return {self.name: self.outcomes}
        declared = {} if design is None else {family.name: family.outcomes for family in design.families}
        who = f'Multiplicity "{self.name}"'
        if not declared:
            raise RefusalError(
                f"{who} adjusts families that are declared beforehand, and the design declares none: add "
                "`families=(Family(name=..., outcomes=(...)),)` to it, or name `outcomes` here."
            )
        chosen = (self.family,) if isinstance(self.family, str) else self.family or tuple(declared)
        for name in chosen:
            if name not in declared:
                raise RefusalError(
                    f'{who} names family "{name}", which the design does not declare.{did_you_mean(name, declared)} '
                    f"Declared: {', '.join(declared)}."
                )
        return {name: declared[name] for name in chosen}

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        try:
            self.families(design)
        except RefusalError as error:
            said.append(str(error))
        if self.reassigns and design is not None:
            fault = _not_redrawable(design)
            if fault:
                said.append(f'Multiplicity "{self.name}" cannot re-draw the assignment, because {fault}: {OTHERWISE}.')
        return said

    def run(self, study: StudyData | None, upstream: Mapping[str, Estimates]) -> Estimates:
        from impactkit.estimators.families import adjust_families

        joined = Estimates.concat([upstream[name] for name in self.of])
        return adjust_families(self, study, joined)


def _not_redrawable(design: Design) -> str:
    if not isinstance(design, TrialDesign):
        return "nobody was assigned at random"
    if len(design.treated_labels) > 1:
        return (
            "it has several treated arms, and exchanging all of their labels would test that every arm is the same "
            "rather than one against control"
        )
    if isinstance(design.allocation, str):
        return f"each person has a probability of their own (`{design.allocation}`)"
    return ""
