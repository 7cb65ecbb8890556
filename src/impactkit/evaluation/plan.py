"""The plan: design and analyses without data, in TOML or JSON; the pre-analysis plan and the command line's input."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, SerializeAsAny, field_validator, model_validator

from impactkit.analysis import Analysis, analysis_class, kinds, read_analysis
from impactkit.design import Design, Spec, read_design
from impactkit.errors import RefusalError, SpecError, did_you_mean

__all__ = ["Plan"]


class Plan(Spec):
    """A design and the analyses declared on it, before any data.

    Parameters
    ----------
    design : Design, optional
        May be left out when every analysis works from published figures.
    analyses : tuple of Analysis
        Names must differ.
    title : str, optional
        Heading of the report.

    Examples
    --------
    >>> import impactkit as ik
    >>> plan = ik.Plan(design=ik.TrialDesign(unit="id", arm="arm", treated=1, control=0),
    ...                analyses=(ik.IntentToTreat(name="work", outcome="employed"),))
    >>> ik.Plan.from_dict(plan.to_dict()) == plan
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    title: str = ""
    design: SerializeAsAny[Design] | None = None
    analyses: tuple[SerializeAsAny[Analysis], ...] = ()

    @field_validator("design", mode="before")
    @classmethod
    def _read_design(cls, value: Any) -> Any:
        return read_design(value) if isinstance(value, dict) else value

    @field_validator("analyses", mode="before")
    @classmethod
    def _read_analyses(cls, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str):
            faults: list[str] = []
            read = []
            for entry in value:
                try:
                    read.append(read_analysis(entry) if isinstance(entry, dict) else entry)
                except SpecError as error:
                    who = f'"{entry.get("name", "?")}"'
                    faults += [f"{who}: {fault}" for fault in error.faults or (str(error),)]
            if faults:
                raise SpecError.listing(faults, "the analyses")
            return tuple(read)
        return value

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [analysis.name for analysis in self.analyses]
        faults = [f'two analyses are called "{name}"' for name in sorted({n for n in names if names.count(n) > 1})]
        for analysis in self.analyses:
            faults.extend(
                f'analysis "{analysis.name}" needs "{needed}", which is not in the plan.{did_you_mean(needed, names)}'
                for needed in analysis.needs
                if needed not in names
            )
        if not faults:
            try:
                tuple(self._sorter().static_order())
            except CycleError as error:
                faults.append(f"analyses need each other in a circle: {' → '.join(error.args[1])}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _sorter(self) -> TopologicalSorter[str]:
        return TopologicalSorter({analysis.name: analysis.needs for analysis in self.analyses})

    def in_order(self) -> tuple[Analysis, ...]:
        """Give the analyses in an order in which each comes after those it needs, else as declared."""
        by_name = {analysis.name: analysis for analysis in self.analyses}
        done: dict[str, Analysis] = {}

        def visit(name: str) -> None:
            if name not in done:
                for needed in by_name[name].needs:
                    visit(needed)
                done[name] = by_name[name]

        for name in by_name:
            visit(name)
        return tuple(done.values())

    def refuse(self) -> None:
        """Raise one error listing everything the analyses cannot honour.

        Raises
        ------
        RefusalError
        """
        said = [sentence for analysis in self.analyses for sentence in analysis.refusals(self.design)]
        if self.design is None:
            said += [
                f'{type(analysis).__name__} "{analysis.name}" reads people and needs a design.'
                for analysis in self.analyses
                if analysis.uses_people()
            ]
        else:
            said += self._unknown_populations()
        if said:
            raise RefusalError(
                said[0] if len(said) == 1 else "\n".join([f"{len(said)} refusals:", *(f"  {s}" for s in said)])
            )

    def _unknown_populations(self) -> list[str]:
        assert self.design is not None
        said = []
        for analysis in self.analyses:
            try:
                analysis.chosen_populations(self.design)
            except SpecError as error:
                said.append(f'analysis "{analysis.name}": {error}')
        return said

    # --- files --------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self.title:
            values["title"] = self.title
        if self.design is not None:
            values["design"] = _kind_first(self.design.to_dict())
        values["analyses"] = [_kind_first(analysis.to_dict()) for analysis in self.analyses]
        return values

    def to_toml(self) -> str:
        """Give the plan as TOML; a key that is left out is ``None`` or empty."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the plan as TOML, or as JSON if the name ends so.

        Raises
        ------
        OutputError
            If the file exists and ``overwrite`` is false.
        """
        from impactkit.report.write import write_file

        target = Path(path)
        text = (
            json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
            if target.suffix == ".json"
            else self.to_toml()
        )
        write_file(target, text, overwrite=overwrite)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan from TOML or JSON.

        Raises
        ------
        SpecError
            If the file is missing, is not TOML or JSON, or says something a plan cannot hold.
        """
        source = Path(path)
        try:
            text = source.read_text(encoding="utf-8")
        except OSError as error:
            raise SpecError(f"the plan {source} cannot be read: {error.strerror or error}") from None
        try:
            values = json.loads(text) if source.suffix == ".json" else tomllib.loads(text)
        except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
            raise SpecError(
                f"the plan {source} is not {'JSON' if source.suffix == '.json' else 'TOML'}: {error}"
            ) from None
        return cls.from_dict(values)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Give the JSON Schema of a plan file, for editors that complete and check it."""
        from impactkit.design import BeforeAfterDesign, ComparisonDesign, NormDesign, TrialDesign

        definitions: dict[str, Any] = {}

        def add(model: type[Spec]) -> dict[str, str]:
            schema = model.model_json_schema(ref_template="#/$defs/{model}")
            definitions.update(schema.pop("$defs", {}))
            definitions[model.__name__] = {**schema, "required": sorted({*schema.get("required", []), "kind"})}
            return {"$ref": f"#/$defs/{model.__name__}"}

        designs = [add(model) for model in (TrialDesign, ComparisonDesign, NormDesign, BeforeAfterDesign)]
        analyses = [add(analysis_class(kind)) for kind in kinds()]
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "impactkit plan",
            "type": "object",
            "additionalProperties": False,
            "required": ["analyses"],
            "properties": {
                "title": {"type": "string"},
                "design": {"oneOf": designs},
                "analyses": {"type": "array", "items": {"oneOf": analyses}},
            },
            "$defs": definitions,
        }


def _kind_first(values: dict[str, Any]) -> dict[str, Any]:
    first = {key: values[key] for key in ("kind", "name") if key in values}
    return first | values
