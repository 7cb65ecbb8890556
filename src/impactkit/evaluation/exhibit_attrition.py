"""Missing outcomes in a result: one table by method with verdicts, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactkit.evaluation.exhibits import Drawing, Exhibit, View, drawing
from impactkit.report.document import Block, Bullets
from impactkit.report.figures_attrition import attrition_alt_text, attrition_figure, can_draw
from impactkit.report.tables_attrition import attrition_blocks, attrition_table, verdicts_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from impactkit.report.table import Table

__all__ = ["EXHIBITS"]

_CAPTION = "Points with intervals; bars are bounds, with the interval of the effect between them."


class _Attrition(Exhibit):
    kinds = ("attrition",)
    title = "Missing outcomes"
    table_names = ("attrition",)
    figure_names = ("attrition",)

    def tables(self, view: View) -> list[Table]:
        frames = view.frames
        return [self._table(view)] if attrition_blocks(frames.tidy, frames.glance) else []

    def named_table(self, view: View, name: str) -> Table:
        return self._table(view)

    def named_figure(self, view: View, name: str) -> Figure:
        return attrition_figure(view.frames.tidy, view.frames.glance, view.style, labels=view.labels)

    def drawings(self, view: View) -> list[Drawing]:
        tidy, glance = view.frames.tidy, view.frames.glance
        if not attrition_blocks(tidy, glance) or not can_draw(tidy, glance):
            return []
        alt = attrition_alt_text(tidy, glance, view.style, labels=view.labels)
        make = drawing(attrition_figure, tidy, glance, view.style, labels=view.labels)
        return [Drawing("attrition", make, alt, _CAPTION, self._table(view).evidence)]

    def blocks(self, view: View) -> list[Block]:
        verdicts = verdicts_of(view.frames.notes, view.frames.glance)
        return [*([Bullets(verdicts)] if verdicts else []), *super().blocks(view)] if self.tables(view) else []

    def _table(self, view: View) -> Table:
        frames = view.frames
        return attrition_table(frames.tidy, frames.glance, frames.notes, view.style, labels=view.labels)


EXHIBITS = (_Attrition(),)
