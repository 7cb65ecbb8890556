"""The base of every specification: frozen, comparable, and the same after a trip through JSON or TOML."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from impactkit.errors import SpecError, did_you_mean

__all__ = ["ColumnName", "Label", "Labels", "Probability", "Spec", "Where", "spec_error"]

Label = Annotated[StrictStr, Field(min_length=1)] | StrictBool | StrictInt | StrictFloat
"""A value as it stands in a column: text, number or truth value. Empty text is a missing cell, not a label."""

Labels = Label | tuple[Label, ...]
ColumnName = Annotated[str, Field(min_length=1)]
Probability = Annotated[float, Field(strict=True, gt=0.0, lt=1.0)]
Where = tuple[tuple[ColumnName, Labels], ...]
"""Equalities joined by "and"; a tuple of values means "one of"."""


class Spec(BaseModel):
    """A small frozen object of options: validated where it is made, compared by value, saved as data.

    To change an option make another: ``spec.model_copy(update={...})`` skips validation, so prefer
    ``spec.replace(option=value)``, which validates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_options(cls, values: Any) -> Any:
        if isinstance(values, dict):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            unknown = [str(key) for key in values if key not in known]
            if unknown:
                said = "; ".join(f"unknown option `{key}`.{did_you_mean(key, known)}" for key in unknown)
                raise ValueError(f"{said} Options of {cls.__name__}: {', '.join(sorted(known))}")
        return values

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise spec_error(error, type(self).__name__) from None

        # Nested models are still validated as one, so that every fault is listed in one error.
        __init__.__pydantic_base_init__ = True

    def replace(self, **changes: Any) -> Self:
        """Give a validated copy with some options changed."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**values, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Give plain data ready for JSON or TOML; what is ``None`` or empty is a key left out."""
        dumped: dict[str, Any] = _without_empty(self.model_dump(mode="json"))
        return dumped

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        SpecError
            With every fault found, each beginning with where it stands.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise spec_error(error, cls.__name__) from None

    @property
    def digest(self) -> str:
        """SHA-256 of the specification's canonical JSON, the same on every machine."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        pruned = {key: _without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in pruned.items() if inner not in (None, "", [])}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def spec_error(error: ValidationError, what: str) -> SpecError:
    """Turn pydantic's report into one :class:`SpecError` in plain words."""
    lines = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"] if part != "function-after")
        inside = getattr(fault.get("ctx", {}).get("error"), "faults", ())  # a specification within this one
        for message in inside or (fault["msg"].removeprefix("Value error, "),):
            lines.append(f"{where + ': ' if where else ''}{message}")
    return SpecError.listing(lines, what)
