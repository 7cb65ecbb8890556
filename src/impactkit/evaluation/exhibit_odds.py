"""Odds ratios by characteristic in a result: associations, in a table of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.evaluation.exhibits import Exhibit, View
from impactkit.report.tables_odds import ODDS_RATIOS, odds_ratios_table

if TYPE_CHECKING:
    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]


class _Odds(Exhibit):
    kinds = (ODDS_RATIOS,)
    title = "Associations"
    table_names = (ODDS_RATIOS,)
    takes_descriptions = False  # its tests of characteristics stay with the other tests

    def tables(self, view: View) -> list[Table]:
        shown = bool((view.frames.glance["kind"] == ODDS_RATIOS).any())
        return [self.named_table(view, ODDS_RATIOS)] if shown else []

    def named_table(self, view: View, name: str) -> Table:
        frames = view.frames
        return odds_ratios_table(frames.tidy, frames.glance, frames.notes, view.style, labels=view.labels)


EXHIBITS = (_Odds(),)
