"""Who took part: Table 1, the love plot and the flow of participants of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.disclosure import Disclosed
from impactkit.report.document import Block, Picture, Section
from impactkit.report.figures import figure_bytes
from impactkit.report.figures_balance import love, love_alt_text
from impactkit.report.figures_flow import flow_alt_text, flow_diagram
from impactkit.report.labels import Labels
from impactkit.report.participants import hidden_rows
from impactkit.report.table import Table
from impactkit.report.tables_balance import balance_table
from impactkit.report.tables_flow import flow_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.style import Style

__all__ = [
    "FIGURES",
    "TABLES",
    "baseline_files",
    "baseline_sections",
    "baseline_tables",
    "named_figure",
    "named_table",
    "protect_flows",
    "without_baseline",
]

TABLES = ("balance", "flow")
FIGURES = ("love", "flow")


def _of_kind(result: EvaluationResult, kind: str) -> list[str]:
    """Name the analyses of a kind that have something to show."""
    kinds = {analysis.name: getattr(analysis, "kind", "") for analysis in result.plan.analyses}
    return [name for name, part in result.parts.items() if kinds.get(name) == kind and part.glances]


def _only(result: EvaluationResult, kind: str) -> str:
    names = _of_kind(result, kind)
    if len(names) == 1:
        return names[0]
    if not names:
        raise SpecError(f"the result has no analysis of kind {kind} with anything to show: add one to the plan")
    listed = ", ".join(f'result["{name}"]' for name in names)
    raise SpecError(f"the result has {len(names)} analyses of kind {kind}: choose one of {listed}")


def without_baseline(result: EvaluationResult, tidy: pd.DataFrame) -> pd.DataFrame:
    """Give the tidy rows that have no table of their own here."""
    own = {*_of_kind(result, "balance"), *_of_kind(result, "flow")}
    return tidy[~tidy["analysis"].isin(own)]


def protect_flows(frames: Disclosed, result: EvaluationResult) -> Disclosed:
    """Withhold, in the rows of flows and in glance, also what would give a small count of a flow back."""
    tidy, glance = frames.tidy, frames.glance
    for name in _of_kind(result, "flow"):
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


def _balance(
    result: EvaluationResult, name: str, style: str | Style, frames: Disclosed, labels: Labels, key: str
) -> Table:
    part = result.parts[name]
    looks = frames.glance[frames.glance["analysis"] == name]
    return balance_table(part.tidy(), looks, part.notes(), style, labels=labels, key=key)


def _flow(
    result: EvaluationResult, name: str, style: str | Style, frames: Disclosed, labels: Labels, key: str
) -> Table:
    part = result.parts[name]
    return flow_table(part.tidy(), frames.glance, part.notes(), style, labels=labels, key=key)


def named_table(result: EvaluationResult, name: str, style: str | Style, frames: Disclosed, labels: Labels) -> Table:
    """Give the table ``"balance"`` or ``"flow"``."""
    one = _only(result, name)
    if name == "balance":
        return _balance(result, one, style, frames, labels, name)
    return _flow(result, one, style, frames, labels, name)


def named_figure(result: EvaluationResult, name: str, style: str | Style, frames: Disclosed, labels: Labels) -> Figure:
    """Give the figure ``"love"`` or ``"flow"`` (of the first population)."""
    if name == "love":
        return love(result.parts[_only(result, "balance")].tidy(), labels=labels)
    return flow_diagram(result.parts[_only(result, "flow")].tidy(), frames.glance, style, labels=labels)


def _keyed(names: list[str], stem: str) -> dict[str, str]:
    """Give each analysis a short key for files: the stem, numbered when there are several."""
    return {name: stem if len(names) == 1 else f"{stem}-{place}" for place, name in enumerate(names, start=1)}


def baseline_tables(result: EvaluationResult, style: str | Style, frames: Disclosed, labels: Labels) -> list[Table]:
    """Give the flow and Table 1 of every analysis that has one."""
    flows, balances = _of_kind(result, "flow"), _of_kind(result, "balance")
    tables = [_flow(result, name, style, frames, labels, key) for name, key in _keyed(flows, "flow").items()]
    return tables + [
        _balance(result, name, style, frames, labels, key) for name, key in _keyed(balances, "balance").items()
    ]


def _figures(
    result: EvaluationResult, style: str | Style, frames: Disclosed, labels: Labels
) -> Iterator[tuple[str, str, Callable[[], Figure], str]]:
    """Give file stem, analysis, drawing and words of every figure."""
    for name, key in _keyed(_of_kind(result, "flow"), "flow").items():
        tidy = result.parts[name].tidy()
        populations = list(dict.fromkeys(tidy["population"]))
        for place, population in enumerate(populations, start=1):
            stem = key if len(populations) == 1 else f"{key}-population-{place}"
            shared = {"labels": labels, "population": population}
            words = flow_alt_text(tidy, frames.glance, style, **shared)
            yield stem, name, _drawing(flow_diagram, tidy, frames.glance, style, **shared), words
    for name, key in _keyed(_of_kind(result, "balance"), "love").items():
        tidy = result.parts[name].tidy()
        try:
            love(tidy, labels=labels)
        except SpecError:
            continue
        yield key, name, _drawing(love, tidy, labels=labels), love_alt_text(tidy, labels=labels)


def _drawing(draw: Callable[..., Figure], *values: object, **options: object) -> Callable[[], Figure]:
    return lambda: draw(*values, **options)


def baseline_sections(
    result: EvaluationResult, style: str | Style, frames: Disclosed, labels: Labels
) -> tuple[Section, ...]:
    """Give the sections of a report on who took part."""
    figures = list(_figures(result, style, frames, labels))
    sections = []
    for kind, title, caption in (
        ("flow", "Flow of participants", "Flow of participants, counted from the data that were analysed."),
        ("balance", "Baseline", "Standardised differences; beyond the dashed lines they exceed 0.1."),
    ):
        names = _of_kind(result, kind)
        blocks: list[Block] = []
        for name, key in _keyed(names, kind).items():
            pictures = [
                Picture(figure_bytes(draw()), words, caption=caption)
                for _, owner, draw, words in figures
                if owner == name
            ]
            table = (
                _flow(result, name, style, frames, labels, key)
                if kind == "flow"
                else _balance(result, name, style, frames, labels, key)
            )
            blocks += [*pictures, table] if kind == "flow" else [table, *pictures]
        if blocks:
            sections.append(Section(title, tuple(blocks)))
    return tuple(sections)


def baseline_files(
    result: EvaluationResult, style: str | Style, frames: Disclosed, labels: Labels
) -> dict[str, str | bytes]:
    """Give the figures as files with their words."""
    files: dict[str, str | bytes] = {}
    for stem, _, draw, words in _figures(result, style, frames, labels):
        drawn = draw()
        files[f"figures/{stem}.svg"] = figure_bytes(drawn)
        files[f"figures/{stem}.png"] = figure_bytes(drawn, "png")
        files[f"figures/{stem}.txt"] = words + "\n"
    return files
