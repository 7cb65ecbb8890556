"""The designs: how the people were compared, declared once and honoured by every analysis."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from impactkit.design.base import ColumnName, Label, Labels, Probability, Spec, spec_error
from impactkit.design.controls import AnyControls
from impactkit.design.outcome import ALL, DESIGN_WEIGHTS, Family, Outcome, Population
from impactkit.errors import SpecError, did_you_mean

__all__ = [
    "AnyDesign",
    "BeforeAfterDesign",
    "ComparisonDesign",
    "Design",
    "Link",
    "NormDesign",
    "TrialDesign",
    "read_design",
]

PEOPLE = "people"


class Link(Spec):
    """How another table of the study belongs to the person table.

    Parameters
    ----------
    table : str
        Name of the other table in ``data``, for example ``"visits"``.
    unit : str, optional
        The column of that table that holds the person's id; the design's ``unit`` when left out.
    """

    table: str = Field(min_length=1)
    unit: ColumnName | None = None


class Design(Spec):
    """What every design declares; use one of its four kinds.

    Parameters
    ----------
    unit : str
        Column that identifies a person, one row each in the person table.
    strata : tuple of str
        Columns whose combinations are the blocks within which people were allocated.
    clusters : str, optional
        Column of the groups that were allocated or sampled together.
    weights : str, optional
        Default weight column; an outcome may have its own, or none.
    populations : tuple of Population
        Named groups to report on; with none declared, everybody (``"all"``).
    outcomes : tuple of Outcome
    families : tuple of Family
        Outcomes whose p values belong together.
    table : str, default "people"
        Which table of ``data`` is the person table, when there are several.
    links : tuple of Link
        How the other tables belong to the people.
    """

    evidence: ClassVar[str] = ""

    unit: ColumnName
    strata: tuple[ColumnName, ...] = ()
    clusters: ColumnName | None = None
    weights: ColumnName | None = None
    populations: tuple[Population, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    families: tuple[Family, ...] = ()
    table: str = PEOPLE
    links: tuple[Link, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_stratum_column(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("strata"), str):
            return {**values, "strata": (values["strata"],)}
        return values

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        faults = [
            *_repeated("outcome", [outcome.name for outcome in self.outcomes]),
            *_repeated("population", [population.name for population in self.populations]),
            *_repeated("family", [family.name for family in self.families]),
            *_repeated("link to table", [link.table for link in self.links]),
        ]
        names = [outcome.name for outcome in self.outcomes]
        for family in self.families:
            faults.extend(
                f'family "{family.name}" names outcome "{name}", which is not declared.{did_you_mean(name, names)}'
                for name in family.outcomes
                if name not in names
            )
        if any(link.table == self.table for link in self.links):
            faults.append(f'table "{self.table}" is the person table and needs no link')
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def population_names(self) -> tuple[str, ...]:
        """Declared populations in order, or ``("all",)``."""
        return tuple(population.name for population in self.populations) or (ALL,)

    def population(self, name: str) -> Population | None:
        """Give the declared population of that name; ``None`` stands for everybody."""
        if name == ALL:
            return None
        for population in self.populations:
            if population.name == name:
                return population
        known = [ALL, *(population.name for population in self.populations)]
        raise SpecError(f'population "{name}" is not declared.{did_you_mean(name, known)} Declared: {", ".join(known)}')

    def outcome(self, name: str) -> Outcome | None:
        """Give the declared outcome of that name, or ``None`` if it is not declared."""
        return next((outcome for outcome in self.outcomes if outcome.name == name), None)

    def weights_of(self, outcome: Outcome) -> str | None:
        """Give the weight column that applies to an outcome, or ``None``."""
        return self.weights if outcome.weights == DESIGN_WEIGHTS else outcome.weights


class _ArmDesign(Design):
    arm: ColumnName
    treated: Labels
    control: Label
    ignore_arms: tuple[Label, ...] = ()
    receipt: ColumnName | None = None

    @property
    def treated_labels(self) -> tuple[Any, ...]:
        """Labels of the treated arms, one term each."""
        return self.treated if isinstance(self.treated, tuple) else (self.treated,)

    @model_validator(mode="after")
    def _arms_differ(self) -> Self:
        labels = [*self.treated_labels, self.control, *self.ignore_arms]
        if not self.treated_labels:
            raise ValueError("`treated` names no arm: give one label or a tuple of labels")
        faults = _repeated("arm label", labels)
        if faults:
            raise ValueError("; ".join(faults) + ": `treated`, `control` and `ignore_arms` must not overlap")
        return self


class TrialDesign(_ArmDesign):
    """A randomised trial: who was allocated to what, how, and what is measured.

    Declare it once; every analysis then honours the strata, clusters, weights and populations, or
    refuses in one sentence.

    Parameters
    ----------
    unit : str
        Column that identifies a person, one row each.
    arm : str
        Column of the allocation.
    treated, control : label
        Labels in ``arm``. ``treated`` may be a tuple: each label is then its own term, contrasted with
        ``control``.
    ignore_arms : tuple of labels
        Arms left out on purpose; any other label is an error.
    allocation : float or str, optional
        Known probability of allocation to treatment, or the column that holds it per person.
    strata, clusters, weights, populations, outcomes, families, table, links
        See :class:`Design`.
    receipt : str, optional
        Column that is 1 for people who received the treatment.

    Examples
    --------
    >>> from impactkit.design import Outcome, TrialDesign
    >>> design = TrialDesign(unit="person_id", arm="arm", treated="IPS", control="usual", strata="site",
    ...                      outcomes=(Outcome(name="employment", column="worked_13_weeks", kind="binary"),))
    >>> TrialDesign.from_dict(design.to_dict()) == design
    True
    """

    evidence: ClassVar[str] = "randomised"

    kind: Literal["trial"] = "trial"
    allocation: Probability | ColumnName | None = None


class ComparisonDesign(_ArmDesign):
    """A programme group and a comparison group that were not randomised.

    Parameters
    ----------
    unit, arm, treated, control, ignore_arms, receipt
        As in :class:`TrialDesign`; ``arm`` is group membership, not allocation.
    covariates : tuple of str
        What the comparison is to be adjusted for, declared beforehand.
    """

    evidence: ClassVar[str] = "adjusted comparison"

    kind: Literal["comparison"] = "comparison"
    covariates: tuple[ColumnName, ...] = ()


class NormDesign(Design):
    """Clients of a programme whose absence is set against a norm, for example local fit notes.

    Parameters
    ----------
    unit : str
        Column that identifies a client.
    entry : str
        Time already absent at assessment, in ``time_unit``.
    duration : str
        Total time absent at return or at the end of follow-up, in ``time_unit``.
    returned : str
        1 if the client returned to work, 0 if still absent at ``duration``; empty if the outcome is not known.
    norm_by : tuple of str
        Columns that choose a client's norm, for example area and diagnosis.
    time_unit : {"weeks", "days"}
        Unit of ``entry`` and ``duration``, and of every time in the results.
    controls : ControlNotes or ControlEpisodes, optional
        The table the norm is made from, with columns of the same names as ``norm_by``.
    """

    evidence: ClassVar[str] = "comparison with a norm"

    kind: Literal["norm"] = "norm"
    entry: ColumnName
    duration: ColumnName
    returned: ColumnName
    norm_by: tuple[ColumnName, ...] = ()
    time_unit: Literal["weeks", "days"] = "weeks"
    controls: AnyControls | None = None


class BeforeAfterDesign(Design):
    """The same people before and after, with nobody to compare them with: never an impact.

    Parameters
    ----------
    unit : str
        Column that identifies a person.
    before, after : str
        Columns of the measurement at entry and at exit, or of the value of ``visit`` in a long table.
    """

    evidence: ClassVar[str] = "before-after only"

    kind: Literal["before_after"] = "before_after"
    before: ColumnName
    after: ColumnName


AnyDesign = Annotated[TrialDesign | ComparisonDesign | NormDesign | BeforeAfterDesign, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyDesign)


def read_design(values: dict[str, Any]) -> Design:
    """Read a design from plain data, as written by ``design.to_dict()``.

    Raises
    ------
    SpecError
        If ``kind`` is unknown or an option does not fit.
    """
    try:
        design: Design = _ADAPTER.validate_python(values)
    except ValidationError as error:
        raise spec_error(error, "the design") from None
    return design


def _repeated(what: str, names: list[Any]) -> list[str]:
    keys = [(isinstance(name, str), name) for name in names]
    seen = sorted({str(name) for (text, name), key in zip(keys, keys, strict=True) if keys.count(key) > 1})
    return [f'{what} "{name}" is declared more than once' for name in seen]
