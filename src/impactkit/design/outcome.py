"""What is measured, on whom: outcomes, populations and families, held as data so that a plan can be saved."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_serializer, field_validator, model_validator

from impactkit.design.base import ColumnName, Label, Spec, Where

__all__ = ["ALL", "DESIGN_WEIGHTS", "Family", "Outcome", "OutcomeKind", "Population"]

ALL = "all"
"""Name of the population of everybody the design includes."""

DESIGN_WEIGHTS = "@design"
"""The value of ``Outcome.weights`` that stands for "whatever the design says"."""

_NO_WEIGHTS = "@none"

OutcomeKind = Literal["binary", "continuous", "money", "index", "duration"]

_DEFAULT_UNITS: dict[str, str] = {
    "binary": "proportion",
    "continuous": "points",
    "money": "GBP",
    "index": "index points",
}


class Outcome(Spec):
    """One thing that is measured on each person.

    Parameters
    ----------
    name : str
        What the result tables call it.
    column : str, optional
        The column that holds it; the name itself when left out.
    kind : {"binary", "continuous", "money", "index", "duration"}
        How it is checked, analysed and shown. Binary outcomes are shown in percentage points.
    unit : str, optional
        Unit of the column's values. Binary outcomes are always ``"proportion"``; money is ``"GBP"``
        unless said otherwise; a duration must say its unit (``"weeks"``, ``"days"``).
    event : str, number or bool, optional
        For a binary outcome that is not coded 0/1: the value that counts as 1.
    good : {"higher", "lower"}, default "higher"
        Which direction is better for the person; figures say which side "favours" the programme.
    label : str, optional
        Words for tables and figures; the name when left out.
    weights : str or None, optional
        The column of this outcome's own weights, for a survey outcome; ``None`` for data that cover
        everybody (administrative records). Left out, the design's ``weights`` apply.
    eligible : tuple of (column, value) pairs
        Who can have this outcome at all; people outside are not "missing".

    Examples
    --------
    >>> from impactkit.design import Outcome
    >>> Outcome(name="health", column="eq5d_12m", kind="index", weights="w_12m").unit
    'index points'
    """

    name: str = Field(min_length=1)
    column: ColumnName = ""
    kind: OutcomeKind
    unit: str = ""
    event: Label | None = None
    good: Literal["higher", "lower"] = "higher"
    label: str = ""
    weights: ColumnName | None = DESIGN_WEIGHTS
    eligible: Where = ()

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "name" not in values or "kind" not in values:
            return values
        filled = dict(values)
        filled["column"] = filled.get("column") or filled["name"]
        filled["label"] = filled.get("label") or filled["name"]
        filled["unit"] = filled.get("unit") or _DEFAULT_UNITS.get(str(filled["kind"]), "")
        return filled

    @field_validator("weights", mode="before")
    @classmethod
    def _read_no_weights(cls, value: Any) -> Any:
        return None if value == _NO_WEIGHTS else value

    @field_serializer("weights", when_used="always")
    def _write_no_weights(self, value: str | None) -> str:
        return _NO_WEIGHTS if value is None else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "duration" and not self.unit:
            raise ValueError(f'outcome "{self.name}" is a duration: give its unit, for example unit="weeks"')
        if self.kind == "binary" and self.unit != "proportion":
            raise ValueError(f'outcome "{self.name}" is binary: its unit is always "proportion", not "{self.unit}"')
        if self.event is not None and self.kind != "binary":
            raise ValueError(f'outcome "{self.name}" is {self.kind}: `event` belongs to binary outcomes only')
        return self


class Population(Spec):
    """A named group of people that results are reported for; populations may overlap.

    Parameters
    ----------
    name : str
        The column heading in result tables, for example ``"SCR OOW"``.
    where : tuple of (column, value) pairs
        Equalities joined by "and"; a tuple of values means "one of".
    label : str, optional
        Longer words for footnotes.

    Examples
    --------
    >>> from impactkit.design import Population
    >>> Population(name="All OOW", where=(("group", "OOW"),)).where
    (('group', 'OOW'),)
    """

    name: str = Field(min_length=1)
    where: Where = Field(min_length=1)
    label: str = ""

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value == ALL:
            raise ValueError(f'the name "{ALL}" stands for everybody and is always there: choose another')
        return value


class Family(Spec):
    """A group of outcomes declared beforehand whose p values are to be adjusted together.

    Parameters
    ----------
    name : str
        What tables of adjusted p values call it.
    outcomes : tuple of str
        Names of declared outcomes, at least two.
    """

    name: str = Field(min_length=1)
    outcomes: tuple[str, ...] = Field(min_length=2)
