"""Where a norm comes from, and the published comparison with it: the audit of fit notes, norms, and the bias ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.evaluation.exhibits import Exhibit, View, keyed
from impactkit.report.document import Block, Callout
from impactkit.report.tables_fitnotes import audit_table
from impactkit.report.tables_norm_comparison import norm_comparison_tables
from impactkit.report.tables_norms import norms_table

if TYPE_CHECKING:
    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]


class _Audit(Exhibit):
    kinds = ("fit_note_audit",)
    title = "From fit notes to episodes"
    table_names = ("fit_note_audit",)
    takes_people = True

    def tables(self, view: View) -> list[Table]:
        made = []
        for name, key in keyed(view.names(*self.kinds), "fit-note-audit").items():
            own = view.keeping([name])
            made.append(audit_table(own.tidy, own.notes, view.style, key=key))
        return made


class _Norms(Exhibit):
    kinds = ("fit_note_norms",)
    title = "Norms of certified absence"
    table_names = ("norms",)
    takes_people = True

    def tables(self, view: View) -> list[Table]:
        made = []
        for name, key in keyed(view.names(*self.kinds), "norms").items():
            own, seen = view.keeping([name]), set[str]()
            notes = own.notes[(own.notes["term"] == "") | (own.notes["column"] != "")]  # those on cells are in the file
            populations = []
            for population in view.populations(name):
                cells = set(own.tidy.loc[own.tidy["population"] == population, "term"])
                if not cells <= seen:  # a population that only repeats cells has no table of its own
                    populations.append(population)
                seen |= cells
            for place, population in enumerate(populations, start=1):
                one = key if len(populations) == 1 else f"{key}-population-{place}"
                words = view.labels.population(population)
                title = "Control episodes and how long they last"
                if len(populations) > 1:
                    title = f"{title}: {words}"
                made.append(
                    norms_table(
                        own.tidy,
                        notes,
                        view.style,
                        population=population,
                        quantiles=True,
                        labels=view.labels,
                        title=title,
                        key=one,
                    )
                )
        return made


class _Published(Exhibit):
    kinds = ("norm_comparison",)
    title = "The published comparison with the norm"
    table_names = (
        "norm_returns",
        "norm_total",
        "norm_partial",
        "norm_return_shares",
        "norm_shares",
        "norm_models",
        "bias_ledger",
    )

    def tables(self, view: View) -> list[Table]:
        if not view.names(*self.kinds):
            return []
        own = view.of(*self.kinds)
        return list(norm_comparison_tables(own.tidy, own.glance, own.notes, view.style, labels=view.labels))

    def blocks(self, view: View) -> list[Block]:
        tables = self.tables(view)
        said = (
            "These tables repeat the method of DWP Research Report 896. It calls returns sooner, or later, than the "
            "norm far too often when a programme does nothing: read the bias ledger, and rest decisions on time saved."
        )
        return [Callout(said, "Read with care"), *tables] if tables else []


EXHIBITS = (_Audit(), _Norms(), _Published())
