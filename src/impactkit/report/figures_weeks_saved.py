"""Figures of time saved against a norm: a forest by population and cell, and a tornado of rules."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.evidence import effect_heading, refuse_impact_heading, weakest
from impactkit.report.figures import COLOURS, forest, forest_alt_text
from impactkit.report.frames import Record, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.tables_weeks_saved import CELL, DECLARED, cell_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["weeks_saved_alt_text", "weeks_saved_forest", "weeks_saved_tornado", "weeks_saved_tornado_alt_text"]

_INK, _QUIET, _LINE = "#0B0C0C", "#505A5F", "#B1B4B6"
_WIDTH, _LABEL, _ROW = 8.2, 1.9, 0.46
_TOP, _FOOT = 0.86, 0.62
_FOREST = "time saved per client, against the norm"


@dataclass(frozen=True, slots=True)
class _Bar:
    choice: str
    points: tuple[tuple[str, float], ...]
    declared: float

    @property
    def ends(self) -> tuple[float, float]:
        values = [self.declared, *(value for _, value in self.points)]
        return min(values), max(values)


@dataclass(frozen=True, slots=True)
class _Tornado:
    bars: tuple[_Bar, ...]
    declared: Record
    lacking: tuple[str, ...]
    unit: str
    population: str
    evidence: str


def weeks_saved_forest(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> Figure:
    """Draw time saved by population, and by norm cell where the analysis was asked for cells.

    Parameters
    ----------
    tidy, glance : DataFrame
        Results with ``WeeksSaved`` analyses; other rows are left out.
    style : str or Style
    labels : Labels, optional
    title : str
        Added to the heading, which the evidence decides.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is nothing to draw, or the title says "impact".
    """
    rows, looks, words = _saved_rows(tidy, glance, labels)
    return forest(rows, looks, style, labels=words, title=title or _FOREST)


def weeks_saved_alt_text(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> str:
    """Say in words what `weeks_saved_forest` draws."""
    rows, looks, words = _saved_rows(tidy, glance, labels)
    return forest_alt_text(rows, looks, style, labels=words, title=title or _FOREST)


def weeks_saved_tornado(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    population: str | None = None,
    labels: Labels | None = None,
    title: str = "",
) -> Figure:
    """Draw how far time saved moves with each rule: the longest bar on top.

    Parameters
    ----------
    tidy, glance : DataFrame
        Results with one ``WeeksSavedGrid`` analysis.
    style : str or Style
    population : str, optional
        The first when left out.
    labels : Labels, optional
    title : str
        In place of the usual words after the heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is nothing to draw, or the title says "impact".
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, words = get_style(style), labels or Labels()
    tornado = _tornado(tidy, glance, population)
    refuse_impact_heading(title, tornado.evidence)
    lost = textwrap.wrap(f"Not drawn, no number: {', '.join(tornado.lacking)}.", 110) if tornado.lacking else []
    height = _TOP + _ROW * len(tornado.bars) + _FOOT + 0.2 * len(lost)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or f"time saved under other rules, {words.population(tornado.population)}"
        line = f"{effect_heading(tornado.evidence)}: {heading}"
        figure.text(0.08 / _WIDTH, 1 - 0.16 / height, line, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        figure.text(0.08 / _WIDTH, 1 - 0.44 / height, _declared_words(tornado, chosen), color=_QUIET, va="top")
        bottom = (_FOOT + 0.2 * len(lost)) / height
        axes = figure.add_axes(
            (_LABEL / _WIDTH, bottom, (_WIDTH - _LABEL - 0.35) / _WIDTH, _ROW * len(tornado.bars) / height)
        )
        _draw(axes, tornado, chosen)
        for place, text in enumerate(lost):
            figure.text(0.08 / _WIDTH, (0.2 * (len(lost) - place) - 0.06) / height, text, color=_QUIET, fontsize=8)
    return figure


def weeks_saved_tornado_alt_text(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    population: str | None = None,
    labels: Labels | None = None,
) -> str:
    """Say in words what `weeks_saved_tornado` draws."""
    chosen, words = get_style(style), labels or Labels()
    tornado = _tornado(tidy, glance, population)
    parts = [
        f"{bar.choice}: " + ", ".join(f"{name} {_shown(value, tornado, chosen)}" for name, value in bar.points)
        for bar in tornado.bars
    ]
    lost = f" Not drawn, no number: {', '.join(tornado.lacking)}." if tornado.lacking else ""
    head = f"Tornado chart of time saved per client, {words.population(tornado.population)}"
    return f"{head}. {_declared_words(tornado, chosen)}. {'; '.join(parts)}.{lost}"


def _saved_rows(
    tidy: pd.DataFrame, glance: pd.DataFrame, labels: Labels | None
) -> tuple[pd.DataFrame, pd.DataFrame, Labels]:
    """Give the rows as the forest wants them: populations as headings, cells as lines.

    A cell whose clients are the same in two populations is shown in the later one.
    """
    from dataclasses import replace

    looks = glance[glance["kind"] == "weeks_saved"]
    rows = tidy[tidy["analysis"].isin(set(looks["analysis"])) & (tidy["measure"] == "difference")]
    if rows.empty:
        raise SpecError("there is nothing to draw: the plan has no WeeksSaved analysis")
    words = labels or Labels()
    is_cell = rows["term"].str.startswith(CELL)
    rows = rows[~(is_cell & rows.duplicated(["analysis", "term", "n"], keep="last"))]
    populations = {name: words.population(name) for name in rows["population"]}
    terms = {"saved": "All clients"}
    for term, name in zip(rows["term"], rows["population"], strict=True):
        if str(term).startswith(CELL):
            terms[term] = cell_words(term).removeprefix(f"{populations[name]}, ")
    if not rows["term"].str.startswith(CELL).any():
        terms = {"saved": "Saved"}
    rows = rows.assign(outcome=rows["population"], population="all")
    return rows, looks, replace(words, terms=(*words.terms, *terms.items()), outcomes=tuple(populations.items()))


def _tornado(tidy: pd.DataFrame, glance: pd.DataFrame, population: str | None) -> _Tornado:
    looks = [look for look in records(glance) if look["kind"] == "weeks_saved_grid"]
    names = list(dict.fromkeys(look["analysis"] for look in looks))
    if len(names) > 1:
        raise SpecError(f"one tornado shows one grid, and there are {len(names)}: keep one analysis")
    rows = [row for row in records(tidy) if row["analysis"] in names]
    here = next((row["population"] for row in rows), "") if population is None else population
    rows = [row for row in rows if row["population"] == here]
    declared = next((row for row in rows if row["term"] == DECLARED), None)
    if declared is None or not _known(declared):
        raise SpecError(
            "there is nothing to draw: the plan has no WeeksSavedGrid analysis whose declared row has a number"
        )
    base = float(declared["estimate"])
    found: dict[str, list[tuple[str, float]]] = {}
    lacking = []
    for row in rows:
        if row is declared:
            continue
        choice, _, rule = str(row["term"]).partition(": ")
        if _known(row):
            found.setdefault(choice, []).append((rule or choice, float(row["estimate"])))
        else:
            lacking.append(str(row["term"]))
    if not found:
        raise SpecError("there is nothing to draw: no other rule has a number")
    bars = [_Bar(choice[:1].upper() + choice[1:], tuple(points), base) for choice, points in found.items()]
    bars.sort(key=lambda bar: bar.ends[0] - bar.ends[1])
    evidence = weakest(look.get("evidence") for look in looks)
    return _Tornado(tuple(bars), declared, tuple(lacking), str(declared["unit"]), here, evidence)


def _known(row: Record) -> bool:
    value = row["estimate"]
    return not (is_missing(value) or isinstance(value, str)) and math.isfinite(float(value))


def _declared_words(tornado: _Tornado, style: Style) -> str:
    row = tornado.declared
    text = _shown(float(row["estimate"]), tornado, style)
    limits = (row["conf_low"], row["conf_high"])
    if any(is_missing(limit) or isinstance(limit, str) for limit in limits):
        return f"As declared: {text} {tornado.unit} saved"
    return f"As declared: {text} {tornado.unit} saved ({style.interval(*limits, tornado.unit, 'difference')})"


def _shown(value: float, tornado: _Tornado, style: Style) -> str:
    return style.number(value, tornado.unit, "difference")


def _draw(axes: Axes, tornado: _Tornado, style: Style) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    base = tornado.bars[0].declared
    ends = [end for bar in tornado.bars for end in bar.ends]
    low, high = min(0.0, *ends), max(0.0, *ends)
    pad = 0.14 * (high - low or 1.0)
    low, high = low - pad, high + pad
    axes.set_xlim(low, high)
    axes.set_ylim(len(tornado.bars), 0.0)
    axes.axvline(0.0, color=_QUIET, linewidth=1.0, zorder=1)
    axes.axvline(base, color=_INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    colour, marker = COLOURS[0]
    beside = axes.get_yaxis_transform()
    for place, bar in enumerate(tornado.bars):
        middle = place + 0.62
        axes.barh([middle], [bar.ends[1] - bar.ends[0]], left=[bar.ends[0]], height=0.26, color=colour, alpha=0.28)
        axes.text(
            -(_LABEL - 0.08) / (_WIDTH - _LABEL - 0.35), middle, bar.choice, transform=beside, va="center", color=_INK
        )
        taken: list[tuple[float, float]] = []
        for name, value in sorted(bar.points, key=lambda point: -abs(point[1] - base)):
            axes.plot([value], [middle], marker=marker, color=colour, markersize=5, zorder=3, markeredgewidth=0)
            room = 0.0115 * (high - low) * len(name)  # half the width of the words, in units of the axis
            centre = min(max(value, low + room), high - room)
            if all(centre + room < other - half or centre - room > other + half for other, half in taken):
                axes.text(centre, middle - 0.25, name, ha="center", va="center", color=_QUIET, fontsize=7.5)
                taken.append((centre, room))
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(axis="x", color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
    locator = MaxNLocator(nbins=7, steps=[1, 2, 5, 10])
    ticks = locator.tick_values(low, high)
    places = max(0, -math.floor(math.log10(float(ticks[1] - ticks[0])) + 1e-9))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: decimal_text(value, places, thousands=style.thousands, minus=style.minus))
    )
    axes.set_xlabel(f"{tornado.unit[:1].upper()}{tornado.unit[1:]} saved per client; dashed: as declared", color=_INK)
