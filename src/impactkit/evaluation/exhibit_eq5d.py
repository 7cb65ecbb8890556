"""EQ-5D answers in a result: problems by dimension, scores, and who got better or worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.evaluation.exhibits import Drawing, Exhibit, View, drawing, evidence_of, keyed
from impactkit.report.figures_eq5d import (
    eq5d_changes,
    eq5d_changes_alt_text,
    eq5d_problems,
    eq5d_problems_alt_text,
)
from impactkit.report.tables_eq5d import eq5d_changes_table, eq5d_problems_table, eq5d_scores_table

if TYPE_CHECKING:
    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]

_TABLES = (
    ("eq5d-problems", eq5d_problems_table),
    ("eq5d-scores", eq5d_scores_table),
    ("eq5d-changes", eq5d_changes_table),
)
_FIGURES = (
    ("eq5d_problems", eq5d_problems, eq5d_problems_alt_text, "Share with any problem, by dimension."),
    ("eq5d_changes", eq5d_changes, eq5d_changes_alt_text, "Better, worse, mixed or the same, in the sense of Pareto."),
)


class _Profiles(Exhibit):
    kinds = ("eq5d_profile",)
    title = "EQ-5D answers"
    table_names = ("eq5d_problems", "eq5d_scores", "eq5d_changes")
    figure_names = ("eq5d_problems", "eq5d_changes")

    def tables(self, view: View) -> list[Table]:
        made = []
        names = view.names(*self.kinds)
        for name in names:
            own = view.keeping([name])
            for stem, build in _TABLES:
                key = keyed(names, stem)[name]
                try:
                    made.append(build(own.tidy, own.glance, own.notes, view.style, labels=view.labels, key=key))
                except SpecError:
                    continue  # this analysis was not asked for it
        return made

    def drawings(self, view: View) -> list[Drawing]:
        drawn = []
        names = view.names(*self.kinds)
        for name in names:
            own = view.keeping([name])
            for stem, draw, words, caption in _FIGURES:
                frames = (own.tidy, own.glance, view.style)
                try:
                    alt = words(*frames, labels=view.labels)
                except SpecError:
                    continue
                make = drawing(draw, *frames, labels=view.labels)
                drawn.append(Drawing(keyed(names, stem)[name], make, alt, caption, evidence_of(own)))
        return drawn


EXHIBITS = (_Profiles(),)
