"""Power in a result: its tables, its curves, and its section of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from impactkit.errors import SpecError
from impactkit.report.document import Block, Picture, Section
from impactkit.report.figures import figure_bytes
from impactkit.report.figures_power import power_alt_text, power_curves
from impactkit.report.labels import Labels
from impactkit.report.tables_power import detectable_table, power_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from impactkit.estimators.detectable import MinimumDetectableEffect
    from impactkit.estimators.power import Power
    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.disclosure import Disclosed
    from impactkit.report.style import Style
    from impactkit.report.table import Table

__all__ = ["POWER_KINDS", "power_figure", "power_files", "power_section", "power_tables"]

POWER_KINDS = ("power", "minimum_detectable_effect")
"""Kinds of analysis whose rows have a section of their own."""


def _planned(result: EvaluationResult) -> list[Power]:
    from impactkit.estimators.power import Power

    return [one for one in result.plan.analyses if isinstance(one, Power) and len(result.parts.get(one.name, ()))]


def _detectable(result: EvaluationResult) -> list[MinimumDetectableEffect]:
    from impactkit.estimators.detectable import MinimumDetectableEffect

    return [
        one
        for one in result.plan.analyses
        if isinstance(one, MinimumDetectableEffect) and len(result.parts.get(one.name, ()))
    ]


def _labels(planned: list[Power], labels: Labels) -> Labels:
    """Scenario names print as they were written, not made readable."""
    names = {scenario.name: scenario.name for analysis in planned for scenario in analysis.scenarios}
    return Labels(labels.outcomes, (*labels.populations, *names.items()), labels.analyses, labels.terms)


def power_figure(result: EvaluationResult, style: str | Style, labels: Labels) -> Figure:
    """Draw the curves of the result's one Power analysis; select it where there are several."""
    analysis, against = _one(result)
    return power_curves(analysis.scenarios, against=against, style=style, labels=_labels([analysis], labels))


def _one(result: EvaluationResult) -> tuple[Power, Literal["effect", "size"]]:
    planned = _planned(result)
    if len(planned) != 1:
        names = ", ".join(analysis.name for analysis in planned)
        advice = (
            f'choose one of {names}, for example result["{planned[0].name}"]' if planned else "add a Power analysis"
        )
        raise SpecError(f"power curves are of one Power analysis, and the result has {len(planned)}: {advice}")
    return planned[0], planned[0].curve


def power_tables(result: EvaluationResult, frames: Disclosed, style: str | Style, labels: Labels) -> list[Table]:
    """Give the table of planned studies and that of detectable effects, as far as the result has them."""
    tables = []
    if planned := _planned(result):
        rows = frames.tidy[frames.tidy["analysis"].isin([analysis.name for analysis in planned])]
        tables.append(power_table(rows, frames.notes, style, labels=_labels(planned, labels)))
    if detectable := _detectable(result):
        pairs = [(analysis.name, analysis.of) for analysis in detectable]
        tables.append(detectable_table(frames.tidy, frames.glance, frames.notes, pairs, style, labels=labels))
    return tables


def power_section(result: EvaluationResult, frames: Disclosed, style: str | Style, labels: Labels) -> list[Section]:
    """Give the section of a report on power: tables, and a picture for each Power analysis."""
    blocks: list[Block] = [*power_tables(result, frames, style, labels)]
    for analysis in _planned(result):
        words = _labels([analysis], labels)
        drawn = power_curves(analysis.scenarios, against=analysis.curve, style=style, labels=words)
        alt = power_alt_text(analysis.scenarios, against=analysis.curve, style=style, labels=words)
        blocks.append(
            Picture(figure_bytes(drawn), alt, caption="Power of a two-sided test at the level of each scenario.")
        )
    return [Section("Power", tuple(blocks))] if blocks else []


def power_files(result: EvaluationResult, style: str | Style, labels: Labels) -> dict[str, str | bytes]:
    """Give the files of the power curves by name; with several Power analyses each name ends in its place."""
    files: dict[str, str | bytes] = {}
    planned = _planned(result)
    for place, analysis in enumerate(planned, start=1):
        name = "power" if len(planned) == 1 else f"power-{place}"
        words = _labels([analysis], labels)
        drawn = power_curves(analysis.scenarios, against=analysis.curve, style=style, labels=words)
        files[f"figures/{name}.svg"] = figure_bytes(drawn)
        files[f"figures/{name}.png"] = figure_bytes(drawn, "png")
        files[f"figures/{name}.txt"] = (
            power_alt_text(analysis.scenarios, against=analysis.curve, style=style, labels=words) + "\n"
        )
    return files
