"""The options that analyses built on intention to treat share with it, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, Inference
from impactkit.design import Design
from impactkit.estimators.itt import IntentToTreat
from impactkit.estimators.matrix import Adjustment
from impactkit.estimators.sample import OneArmed

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed

__all__ = ["SharingITT"]


class SharingITT(Analysis):
    """Base of analyses that take the sample, matrix and errors of :class:`IntentToTreat` under the same options.

    Parameters
    ----------
    name, outcome, populations, covariates, adjustment, inference, one_armed, conf_level
        As in :class:`IntentToTreat`, which also checks them.
    """

    honours: ClassVar[frozenset[str]] = IntentToTreat.honours
    accepts: ClassVar[frozenset[str]] = IntentToTreat.accepts

    outcome: str | tuple[str, ...] = Field(min_length=1)
    populations: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    adjustment: Adjustment | None = None
    inference: Inference | None = None
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _checked_as_intention_to_treat(self) -> Self:
        self.intention_to_treat()
        return self

    def intention_to_treat(self, *more: str) -> IntentToTreat:
        """Give the intention-to-treat analysis with the same options, of these outcomes and perhaps more."""
        own = (self.outcome,) if isinstance(self.outcome, str) else self.outcome
        return IntentToTreat(
            name=self.name,
            outcome=(*own, *more),
            populations=self.populations,
            covariates=self.covariates,
            adjustment=self.adjustment,
            inference=self.inference,
            one_armed=self.one_armed,
            conf_level=self.conf_level,
        )

    def outcome_names(self) -> tuple[str, ...]:
        return self.intention_to_treat().outcome_names()

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        return self.intention_to_treat().columns(design)

    def refusals(self, design: Design | None) -> list[str]:
        own = type(self).__name__
        return [said.replace("IntentToTreat", own) for said in self.intention_to_treat().refusals(design)]
