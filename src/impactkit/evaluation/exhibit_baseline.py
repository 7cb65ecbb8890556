"""Who took part: Table 1, the love plot and the flow of participants of a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.evaluation.exhibits import Drawing, Exhibit, View, drawing, keyed
from impactkit.report.disclosure import Disclosed
from impactkit.report.document import Block, Section
from impactkit.report.figures_balance import love, love_alt_text
from impactkit.report.figures_flow import flow_alt_text, flow_diagram
from impactkit.report.participants import hidden_rows
from impactkit.report.tables_balance import balance_table
from impactkit.report.tables_flow import flow_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.table import Table

__all__ = ["EXHIBITS", "protect_flows"]

_CAPTIONS = {
    "flow": "Flow of participants, counted from the data that were analysed.",
    "balance": "Standardised differences; beyond the dashed lines they exceed 0.1.",
}


class _Baseline(Exhibit):
    kinds = ("flow", "balance")
    title = "Baseline"
    table_names = ("balance", "flow")
    figure_names = ("love", "flow")
    before_effects = True
    takes_effects = False  # it has none
    takes_people = True

    def tables(self, view: View) -> list[Table]:
        return [*_flows(view).values(), *_balances(view).values()]

    def named_table(self, view: View, name: str) -> Table:
        return (_flow if name == "flow" else _balance)(view, view.only(name), name)

    def named_figure(self, view: View, name: str) -> Figure:
        """Give the figure ``"love"`` or ``"flow"`` (of the first population)."""
        if name == "love":
            return love(view.result.parts[view.only("balance")].tidy(), labels=view.labels)
        flow = view.result.parts[view.only("flow")].tidy()
        return flow_diagram(flow, view.frames.glance, view.style, labels=view.labels)

    def drawings(self, view: View) -> list[Drawing]:
        return [one for kind in self.kinds for name in view.names(kind) for one in _drawn(view, kind, name)]

    def sections(self, view: View) -> list[Section]:
        sections = []
        for kind, title, tables in (
            ("flow", "Flow of participants", _flows(view)),
            ("balance", "Baseline", _balances(view)),
        ):
            blocks: list[Block] = []
            for name, table in tables.items():
                pictures = [one.picture() for one in _drawn(view, kind, name)]
                blocks += [*pictures, table] if kind == "flow" else [table, *pictures]
            if blocks:
                sections.append(Section(title, tuple(blocks)))
        return sections


EXHIBITS = (_Baseline(),)


def _flows(view: View) -> dict[str, Table]:
    return {name: _flow(view, name, key) for name, key in keyed(view.names("flow"), "flow").items()}


def _balances(view: View) -> dict[str, Table]:
    return {name: _balance(view, name, key) for name, key in keyed(view.names("balance"), "balance").items()}


def _flow(view: View, name: str, key: str) -> Table:
    part = view.result.parts[name]
    return flow_table(part.tidy(), view.frames.glance, part.notes(), view.style, labels=view.labels, key=key)


def _balance(view: View, name: str, key: str) -> Table:
    part = view.result.parts[name]
    looks = view.frames.glance[view.frames.glance["analysis"] == name]
    return balance_table(part.tidy(), looks, part.notes(), view.style, labels=view.labels, key=key)


def _drawn(view: View, kind: str, name: str) -> list[Drawing]:
    """Give the figures of one analysis."""
    key = keyed(view.names(kind), "love" if kind == "balance" else kind)[name]
    tidy, glance, labels = view.result.parts[name].tidy(), view.frames.glance, view.labels
    if kind == "balance":
        try:
            love(tidy, labels=labels)
        except SpecError:
            return []
        make = drawing(love, tidy, labels=labels)
        return [Drawing(key, make, love_alt_text(tidy, labels=labels), _CAPTIONS[kind])]
    populations = list(dict.fromkeys(tidy["population"]))
    drawn = []
    for place, population in enumerate(populations, start=1):
        stem = key if len(populations) == 1 else f"{key}-population-{place}"
        make = drawing(flow_diagram, tidy, glance, view.style, labels=labels, population=population)
        alt = flow_alt_text(tidy, glance, view.style, labels=labels, population=population)
        drawn.append(Drawing(stem, make, alt, _CAPTIONS[kind]))
    return drawn


def protect_flows(frames: Disclosed, result: EvaluationResult) -> Disclosed:
    """Withhold, in the rows of flows and in glance, also what would give a small count of a flow back."""
    tidy, glance = frames.tidy, frames.glance
    flows = set(glance.loc[glance["kind"] == "flow", "analysis"])
    for name in [name for name in result.parts if name in flows]:
        gone, looks = hidden_rows(result.parts[name].tidy(), glance)
        rows = [place for place, analysis in enumerate(tidy["analysis"]) if analysis == name]
        tidy = _withheld(tidy, "estimate", [place for place, hidden in zip(rows, gone, strict=True) if hidden])
        for row, column in sorted(looks):
            look = glance.iloc[row]
            if look[column] == "c":
                continue
            tidy = _withheld(tidy, "n", _rows_of(tidy, look, look[column]))
            if look["kind"] == "balance" and column in ("n_control", "n_treated"):
                sized = [
                    place
                    for place in _rows_of(tidy, look)
                    if tidy["term"].iloc[place] and not tidy["outcome"].iloc[place]
                ]
                tidy = _withheld(tidy, "estimate", [place for place in sized if tidy["measure"].iloc[place] == "count"])
            glance = _withheld(glance, column, [row])
    return replace(frames, tidy=tidy, glance=glance)


def _rows_of(tidy: pd.DataFrame, look: pd.Series, n: object = None) -> list[int]:
    """Find the tidy rows of a row of glance, those of one number of people if it is given."""
    same = (tidy["analysis"] == look["analysis"]) & (tidy["population"] == look["population"])
    if look["outcome"]:
        same &= tidy["outcome"] == look["outcome"]
    return [place for place, hit in enumerate(same) if hit and (n is None or tidy["n"].iloc[place] == n)]


def _withheld(frame: pd.DataFrame, column: str, places: list[int]) -> pd.DataFrame:
    if not places:
        return frame
    values = frame[column].astype(object)
    values.iloc[places] = "c"
    return frame.assign(**{column: values})
