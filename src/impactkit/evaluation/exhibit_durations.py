"""How long absence lasts: survival curves, how absence ended, and hazard ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.evaluation.exhibits import Drawing, Exhibit, View, curve_drawings, drawing, evidence_of, keyed
from impactkit.report.figures_incidence import incidence, incidence_alt_text
from impactkit.report.figures_parametric import parametric_alt_text, parametric_figure
from impactkit.report.tables_cox import hazard_ratios_table
from impactkit.report.tables_durations import durations_table
from impactkit.report.tables_incidence import incidence_table
from impactkit.report.tables_survival import SURVIVAL_MEASURES, survival_table

if TYPE_CHECKING:
    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]


class _Curves(Exhibit):
    kinds = ("time_to_work", "survival_curves")
    title = "Time to return"
    table_names = ("survival",)
    figure_names = ("survival",)
    takes_effects = False  # a trial's differences stand with its other effects
    takes_descriptions = False
    own_measures = SURVIVAL_MEASURES

    def tables(self, view: View) -> list[Table]:
        made = []
        for name, key in keyed(view.names("survival_curves"), "survival").items():
            own = view.keeping([name])
            made.append(survival_table(own.tidy, own.glance, own.notes, view.style, labels=view.labels, key=key))
        return made

    def drawings(self, view: View) -> list[Drawing]:
        return curve_drawings(view, self.kinds, "survival", "Still absent, with pointwise limits and numbers at risk.")


class _Exits(Exhibit):
    kinds = ("competing_exits",)
    title = "How absence ended"
    table_names = ("incidence",)
    figure_names = ("incidence",)
    takes_effects = False
    takes_descriptions = False  # its tests stay with the other tests
    own_measures = ("cumulative_incidence", "one_minus_survival", "time_lost")

    def tables(self, view: View) -> list[Table]:
        made = []
        for name, key in keyed(view.names(*self.kinds), "incidence").items():
            own = view.keeping([name])
            made.append(incidence_table(own.tidy, own.glance, own.notes, view.style, labels=view.labels, key=key))
        return made

    def drawings(self, view: View) -> list[Drawing]:
        drawn = []
        for name, stem in keyed(view.names(*self.kinds), "incidence").items():
            curves, own = view.curves(name), view.keeping([name])
            make = drawing(incidence, curves, own.glance, view.style, labels=view.labels)
            alt = incidence_alt_text(curves, view.style, labels=view.labels)
            drawn.append(Drawing(stem, make, alt, "Everybody is in one of the areas at any time.", evidence_of(own)))
        return drawn


class _Hazards(Exhibit):
    kinds = ("cox_regression",)
    title = "Hazard ratios"
    table_names = ("hazard_ratios",)

    def tables(self, view: View) -> list[Table]:
        made = []
        for name, key in keyed(view.names(*self.kinds), "hazard-ratios").items():
            own = view.keeping([name])
            made.append(hazard_ratios_table(own.tidy, own.glance, own.notes, view.style, labels=view.labels, key=key))
        return made


class _Models(Exhibit):
    kinds = ("parametric_duration",)
    title = "Models of the time to return"
    table_names = ("durations",)
    figure_names = ("models",)
    takes_effects = False  # a trial's time ratios stand with its other effects

    def tables(self, view: View) -> list[Table]:
        made = []
        for name, key in keyed(view.names(*self.kinds), "durations").items():
            own = view.keeping([name])
            made.append(durations_table(own.tidy, own.notes, view.style, labels=view.labels, key=key))
        return made

    def drawings(self, view: View) -> list[Drawing]:
        drawn = []
        for name, stem in keyed(view.names(*self.kinds), "models").items():
            curves = view.curves(name)
            populations = list(dict.fromkeys(curves["population"]))
            for place, population in enumerate(populations, start=1):
                make = drawing(parametric_figure, curves, labels=view.labels, population=population)
                alt = parametric_alt_text(curves, labels=view.labels, population=population)
                one = stem if len(populations) == 1 else f"{stem}-population-{place}"
                drawn.append(Drawing(one, make, alt, "Dashed and shaded: beyond what anybody was watched for."))
        return drawn


EXHIBITS = (_Curves(), _Exits(), _Hazards(), _Models())
