"""The base of every analysis: options in, one verb, Estimates out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from impactkit.design import ALL, Design, Spec
from impactkit.results import Note

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData
    from impactkit.results import Estimates

__all__ = ["FEATURES", "Analysis", "ConfLevel", "RowRef", "weakest_evidence"]

FEATURES = ("strata", "clusters", "weights", "populations")
"""What a design may declare and an analysis must honour or refuse."""

_EVIDENCE = ("randomised", "adjusted comparison", "comparison with a norm", "before-after only")

ConfLevel = Annotated[float, Field(strict=True, gt=0.0, lt=1.0)]


class RowRef(Spec):
    """Points at one row of another analysis.

    Parameters
    ----------
    analysis : str
    population : str, optional
        Needed when the analysis has several.
    outcome, term, measure : str, optional
        Needed when they do not follow.
    """

    analysis: str = Field(min_length=1)
    population: str | None = None
    outcome: str | None = None
    term: str | None = None
    measure: str | None = None

    def wanted(self) -> dict[str, str]:
        """Give what identifies the row, as keywords for ``Estimates.find``."""
        return {str(name): value for name, value in self if value is not None}

    def __str__(self) -> str:
        return " / ".join(self.wanted().values())

    def locate(self, estimates: Estimates) -> int:
        """Give the position of the row; an effect is meant unless a term or a measure says otherwise.

        Raises
        ------
        SpecError
            If no row or more than one row matches.
        """
        from impactkit.results import measure

        wanted = self.wanted()
        if self.term is None and self.measure is None:
            effects = [place for place, key in enumerate(estimates.keys) if measure(key.measure).is_effect]
            keys = (estimates.keys[place] for place in effects)
            if any(all(getattr(key, name) == value for name, value in wanted.items()) for key in keys):
                return effects[estimates.take(effects).find(**wanted)]
        return estimates.find(**wanted)


class Analysis(Spec, ABC):
    """An analysis *is* its options: frozen, comparable, JSON there and back.

    Subclasses give ``kind``, say what they ``honour`` and which designs they ``accept``, and write
    :meth:`run`. Nothing is ever fitted or changed: ``run`` returns a value.

    Parameters
    ----------
    name : str
        What result tables and other analyses call it.
    """

    honours: ClassVar[frozenset[str]] = frozenset()
    accepts: ClassVar[frozenset[str]] = frozenset()
    reads_people: ClassVar[bool] = True

    name: str = Field(min_length=1)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the analyses that must run before this one."""
        return ()

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Columns this analysis reads besides those the design names."""
        return ()

    def outcome_names(self) -> tuple[str, ...]:
        """Names of the outcomes this analysis reads."""
        return ()

    def refusals(self, design: Design | None) -> list[str]:
        """Say, a sentence each, what the design declares and this analysis cannot honour."""
        if design is None or not self.uses_people():
            return []
        who = f'{type(self).__name__} "{self.name}"'
        kind = str(getattr(design, "kind", ""))
        said = []
        if kind not in self.accepts:
            said.append(f"{who} reads {_listed(sorted(self.accepts))} designs, not a {kind} design.")
        declared = {
            "strata": bool(design.strata),
            "clusters": design.clusters is not None,
            "weights": self._declares_weights(design),
            "populations": bool(design.populations),
        }
        for feature in FEATURES:
            if declared[feature] and feature not in self.honours and feature not in self.set_aside():
                aside = f'list "{feature}" in its `ignore`, which every result then states'
                way_out = aside if "ignore" in type(self).model_fields else "use a design without them"
                said.append(
                    f"{who} cannot honour the {feature} that the design declares; to go on without them, {way_out}."
                )
        return said

    def _declares_weights(self, design: Design) -> bool:
        for name in self.outcome_names():
            outcome = design.outcome(name)
            column = design.weights if outcome is None else design.weights_of(outcome)
            if column is not None:
                return True
        return False

    def set_aside(self) -> tuple[str, ...]:
        """Features the user has knowingly set aside."""
        return tuple(getattr(self, "ignore", ()))

    def uses_people(self) -> bool:
        """Whether this analysis, with these options, reads person rows."""
        return self.reads_people

    @abstractmethod
    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Analyse and return; changes nothing.

        Parameters
        ----------
        study : StudyData
            Checked data and the design they fit.
        upstream : mapping of str to Estimates
            Results of the analyses named in :attr:`needs`.
        """

    def note(self, reason: str, *, outcome: str = "", population: str = "", term: str = "", column: str = "") -> Note:
        """Make a remark that belongs to this analysis."""
        return Note(self.name, outcome, population, term, column, reason)

    def chosen_populations(self, design: Design) -> tuple[str, ...]:
        """Populations to report on: the analysis's own choice, else all declared ones, else everybody."""
        own = getattr(self, "populations", None)
        if own:
            for name in own:
                design.population(name)
            return tuple(own)
        return design.population_names or (ALL,)


def weakest_evidence(estimates: Estimates, names: Sequence[str]) -> str:
    """Give the weakest label of evidence among some analyses; empty when none has one (accounts, published counts)."""
    found = {str(row.get("evidence", "")) for row in estimates.glances if row.get("analysis") in names}
    return next((label for label in reversed(_EVIDENCE) if label in found), "")


def _listed(words: list[str]) -> str:
    return " and ".join(words) if words else "no"
