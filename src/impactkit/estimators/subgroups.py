"""Subgroups: the effect in each group of people, and whether it differs between groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from impactkit.design import Design
from impactkit.estimators.sharing_itt import SharingITT
from impactkit.estimators.subgroup_rows import Run
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = ["Subgroups"]

"""The joint test by clusters holds a square of this side for each pair of contrasts."""


class Subgroups(SharingITT):
    """Effect of allocation in each group of people, and the differences between those effects.

    Use it for the subgroups declared before looking at outcomes. Read the differences, not the stars: an effect
    that is significant among women and not among men is no evidence that women gain more.

    Parameters
    ----------
    name, outcome, populations, covariates, adjustment, inference, one_armed, conf_level
        As in :class:`IntentToTreat`.
    by : str or tuple of str
        Baseline columns; each column is a subgroup analysis of its own. Measured before allocation, and cut into
        bands if it is a number with many values (20 levels at most).
    adjust : {"none", "holm"}
        Whether to add, with two columns in ``by`` or more, Holm's p values over their tests of "no difference
        between levels", within each outcome, population and arm.

    Returns
    -------
    Estimates
        For each population, outcome and column: a ``difference`` row for each level (``"sex: man"``), the
        difference of every other level from the first one that can be estimated (``"sex: woman − man"``), a
        ``wald_f`` test row across levels when there are more than two, and the control mean of each level.
        With several treated arms the arm's label comes first.

    Notes
    -----
    One regression for each column: the arm interacted with the dummies of the levels. With ``"none"`` and
    ``"lin"`` everything else is interacted too, so that the row of a level is the :class:`IntentToTreat` estimate
    among its people, blocked by strata where the design has them; with ``"ancova"`` slopes and stratum dummies are
    common to the levels, which is ``lm_robust(y ~ z * g + x)`` of R. A difference between levels is a coefficient
    of the same regression, with its own influence values and degrees of freedom, so its standard error is right
    also when clusters hold people of several levels.

    The joint test is Wald's F: under CR2 with Hotelling's approximation to the degrees of freedom (HTZ), else on
    the residual or design degrees of freedom.

    People without a value in a column of ``by`` are counted with those who lack a covariate, and left out of
    every column's analysis.

    References
    ----------
    Assmann, S. F., Pocock, S. J., Enos, L. E. and Kasten, L. E. (2000). Subgroup analysis and other (mis)uses of
    baseline data in clinical trials. *The Lancet* 355(9209).
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. *Scandinavian Journal of Statistics*
    6(2).
    Tipton, E. and Pustejovsky, J. E. (2015). Small-sample adjustments for tests of moderators and model fit using
    robust variance estimation in meta-regression. *Journal of Educational and Behavioral Statistics* 40(6).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(12), "arm": ["IPS", "usual"] * 6, "sex": ["man"] * 6 + ["woman"] * 6,
    ...                        "work": [1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
    ...                         outcomes=(ik.Outcome(name="work", kind="binary"),))
    >>> result = ik.Evaluation(design, people, [ik.Subgroups(name="by sex", outcome="work", by="sex")]).fit(seed=1)
    >>> result.tidy()[["term", "estimate", "n"]].round(2).head(3)
                     term  estimate     n
    0            sex: man      0.33   6.0
    1          sex: woman      0.67   6.0
    2  sex: woman − man      0.33  12.0
    """

    kind: Literal["subgroups"] = "subgroups"
    by: str | tuple[str, ...] = Field(min_length=1)
    adjust: Literal["none", "holm"] = "none"

    @field_validator("by")
    @classmethod
    def _each_once(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(value, str) and (len(set(value)) < len(value) or "" in value):
            raise ValueError("`by` names a column twice, or an empty one: give each column once")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.adjust == "holm" and len(self.by_names()) < 2:
            raise ValueError('`adjust="holm"` needs two columns in `by` or more: with one there is one test')
        return self

    def by_names(self) -> tuple[str, ...]:
        """Columns of subgroups, in order."""
        return (self.by,) if isinstance(self.by, str) else self.by

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        groups = tuple(ColumnNeed(column=name, role="factor", by=f'analysis "{self.name}"') for name in self.by_names())
        return (*groups, *super().columns(design))

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        after = {"receipt": getattr(design, "receipt", None), "arm": getattr(design, "arm", None)}
        said += [
            f'Subgroups "{self.name}" divides people by `{name}`, the design\'s {what}, which is not a baseline '
            "characteristic: choose one measured before allocation."
            for what, column in after.items()
            for name in self.by_names()
            if name == column
        ]
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        return Run(self, study).estimates()
