"""Time saved against a norm: weeks saved, observed and expected returns, and the same by other rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.evaluation.exhibits import Drawing, Exhibit, View, curve_drawings, drawing, evidence_of, keyed
from impactkit.report.document import Headline
from impactkit.report.figures_weeks_saved import (
    weeks_saved_alt_text,
    weeks_saved_forest,
    weeks_saved_tornado,
    weeks_saved_tornado_alt_text,
)
from impactkit.report.style import get_style
from impactkit.report.tables_weeks_saved import observed_expected_table, weeks_saved_grid_table, weeks_saved_table

if TYPE_CHECKING:
    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]


class _WeeksSaved(Exhibit):
    kinds = ("weeks_saved",)
    title = "Time saved against the norm"
    table_names = ("weeks_saved",)
    figure_names = ("weeks_saved", "absence")

    def tables(self, view: View) -> list[Table]:
        own = view.of(*self.kinds)
        if not view.names(*self.kinds):
            return []
        return [weeks_saved_table(own.tidy, own.glance, own.notes, view.style, labels=view.labels)]

    def headlines(self, view: View) -> list[Headline]:
        found, style = [], get_style(view.style)
        for name in view.names(*self.kinds):
            own = view.keeping([name])
            row = own.tidy[own.tidy["term"] == "saved"].iloc[0]  # of the first population
            if _is_number(row["estimate"]):
                unit, where = str(row["unit"]), view.labels.population(str(row["population"]))
                limits = style.interval(row["conf_low"], row["conf_high"], unit)
                detail = f"95% interval {limits}" if own.glance["conf_level"].iloc[0] == 0.95 else f"interval {limits}"
                label = f"{unit.capitalize()} saved per client ({where}), against the norm"
                found.append(Headline(label, style.number(row["estimate"], unit), detail))
        return found

    def drawings(self, view: View) -> list[Drawing]:
        if not view.names(*self.kinds):
            return []
        own = view.of(*self.kinds)
        drawn = []
        if own.tidy.loc[own.tidy["measure"] == "difference", "std_error"].map(_is_number).any():
            make = drawing(weeks_saved_forest, own.tidy, own.glance, view.style, labels=view.labels)
            alt = weeks_saved_alt_text(own.tidy, own.glance, view.style, labels=view.labels)
            caption = "Time saved per client, with intervals that carry the norm's own uncertainty."
            drawn.append(Drawing("weeks_saved", make, alt, caption, evidence_of(own)))
        caption = "Clients since assessment (line), and what the norm expects of people absent as long (grey)."
        return [*drawn, *curve_drawings(view, self.kinds, "absence", caption)]


class _Grid(Exhibit):
    kinds = ("weeks_saved_grid",)
    title = "Time saved by other rules"
    table_names = ("weeks_saved_grid",)
    figure_names = ("tornado",)

    def tables(self, view: View) -> list[Table]:
        stems = keyed(view.names(*self.kinds), "weeks-saved-grid")
        made = []
        for name, key in stems.items():
            own = view.keeping([name])
            made.append(
                weeks_saved_grid_table(own.tidy, own.glance, own.notes, view.style, labels=view.labels, key=key)
            )
        return made

    def drawings(self, view: View) -> list[Drawing]:
        drawn = []
        for name, stem in keyed(view.names(*self.kinds), "tornado").items():
            own, populations = view.keeping([name]), view.populations(name)
            for place, population in enumerate(populations, start=1):
                frames = (own.tidy, own.glance, view.style)
                make = drawing(weeks_saved_tornado, *frames, population=population, labels=view.labels)
                alt = weeks_saved_tornado_alt_text(*frames, population=population, labels=view.labels)
                one = stem if len(populations) == 1 else f"{stem}-population-{place}"
                caption = "How far time saved moves when one rule is changed and the others stay."
                drawn.append(Drawing(one, make, alt, caption, evidence_of(own)))
        return drawn


class _ObservedExpected(Exhibit):
    kinds = ("observed_expected",)
    title = "Returns observed and expected"
    table_names = ("observed_expected",)

    def tables(self, view: View) -> list[Table]:
        if not view.names(*self.kinds):
            return []
        own = view.of(*self.kinds)
        return [observed_expected_table(own.tidy, own.glance, own.notes, view.style, labels=view.labels)]


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and value == value


EXHIBITS = (_WeeksSaved(), _ObservedExpected(), _Grid())
