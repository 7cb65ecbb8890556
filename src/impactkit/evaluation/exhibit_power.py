"""Power in a result: its tables, its curves, and its section of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.evaluation.exhibits import Drawing, Exhibit, View, drawing, keyed
from impactkit.report.figures_power import power_alt_text, power_curves
from impactkit.report.labels import Labels
from impactkit.report.tables_power import detectable_table, power_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from impactkit.estimators.detectable import MinimumDetectableEffect
    from impactkit.estimators.power import Power
    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]


class _PowerExhibit(Exhibit):
    kinds = ("power", "minimum_detectable_effect")
    title = "Power"
    table_names = ("power", "detectable")
    figure_names = ("power",)
    takes_effects = False  # it has none
    takes_people = True

    def tables(self, view: View) -> list[Table]:
        frames, tables = view.frames, []
        if planned := _planned(view):
            rows = frames.tidy[frames.tidy["analysis"].isin([analysis.name for analysis in planned])]
            tables.append(power_table(rows, frames.notes, view.style, labels=_labels(planned, view.labels)))
        if detectable := _detectable(view):
            pairs = [(analysis.name, analysis.of) for analysis in detectable]
            tables.append(
                detectable_table(frames.tidy, frames.glance, frames.notes, pairs, view.style, labels=view.labels)
            )
        return tables

    def needed(self, name: str) -> str:
        return f"a {'Power' if name == 'power' else 'MinimumDetectableEffect'} analysis"

    def named_figure(self, view: View, name: str) -> Figure:
        planned = _planned(view)
        if len(planned) != 1:
            names = ", ".join(analysis.name for analysis in planned)
            advice = (
                f'choose one of {names}, for example result["{planned[0].name}"]' if planned else "add a Power analysis"
            )
            raise SpecError(f"power curves are of one Power analysis, and the result has {len(planned)}: {advice}")
        return self.drawings(view)[0].make()

    def drawings(self, view: View) -> list[Drawing]:
        planned = _planned(view)
        stems = keyed([analysis.name for analysis in planned], "power")
        drawn = []
        for analysis in planned:
            scenarios, against, labels = analysis.scenarios, analysis.curve, _labels([analysis], view.labels)
            drawn.append(
                Drawing(
                    stems[analysis.name],
                    drawing(power_curves, scenarios, against=against, style=view.style, labels=labels),
                    power_alt_text(scenarios, against=against, style=view.style, labels=labels),
                    "Power of a two-sided test at the level of each scenario.",
                )
            )
        return drawn


def _planned(view: View) -> list[Power]:
    from impactkit.estimators.power import Power

    plan, parts = view.result.plan, view.result.parts
    return [one for one in plan.analyses if isinstance(one, Power) and len(parts.get(one.name, ()))]


def _detectable(view: View) -> list[MinimumDetectableEffect]:
    from impactkit.estimators.detectable import MinimumDetectableEffect

    plan, parts = view.result.plan, view.result.parts
    return [one for one in plan.analyses if isinstance(one, MinimumDetectableEffect) and len(parts.get(one.name, ()))]


def _labels(planned: list[Power], labels: Labels) -> Labels:
    """Scenario names print as they were written, not made readable."""
    names = {scenario.name: scenario.name for analysis in planned for scenario in analysis.scenarios}
    return Labels(labels.outcomes, (*labels.populations, *names.items()), labels.analyses, labels.terms)


EXHIBITS = (_PowerExhibit(),)
