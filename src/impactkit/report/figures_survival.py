"""Survival curves by group, with the number of people still at risk under the axis."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.errors import SpecError
from impactkit.report.figures import COLOURS
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text
from impactkit.report.style import Style, get_style
from impactkit.results import time_ticks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["survival_alt_text", "survival_figure"]

_INK, _QUIET, _LINE, _BAND = "#0B0C0C", "#505A5F", "#B1B4B6", "#D9DBDC"
_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = ((0, ()), (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
_WIDTH, _TALL, _ROW, _NOTE = 7.2, 3.3, 0.2, 0.17
_LEFT, _RIGHT = 1.45, 0.3
FEWEST = 10
"""Fewer people at risk than this are not printed."""
HIDDEN = "c"


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    time: NDArray[np.float64]
    level: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_risk: NDArray[np.float64]

    def at_risk(self, moment: float) -> float:
        """People at risk just before a time; NaN where the curve does not say."""
        if moment > self.time[-1]:
            return 0.0
        place = np.flatnonzero(np.isclose(self.time, moment, rtol=1e-9, atol=1e-9))
        return float(self.n_risk[place[0]]) if place.size else float("nan")

    def median(self) -> float:
        down = np.flatnonzero(self.level <= 0.5)
        return float(self.time[down[0]]) if down.size else float("nan")


def survival_figure(
    curve: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    analysis: str = "",
    population: str = "",
    limits: bool = True,
    title: str = "",
) -> Figure:
    """Draw the survival curves of one analysis and population, with the number at risk beneath.

    Parameters
    ----------
    curve : DataFrame
        As ``result.curve()`` gives it; rows of measure ``"survival"`` are lines, ``"norm_survival"`` a grey band.
    glance : DataFrame
        As ``result.glance()``: says what kind of evidence the curves are.
    style : str or Style
        House style of the numbers.
    labels : Labels, optional
    analysis, population : str
        Which to draw; the first in the frame when left out.
    limits : bool
        Shade the pointwise limits of each line.
    title : str
        In place of the usual heading.

    Returns
    -------
    matplotlib.figure.Figure
        Fewer than 10 people at risk print as "c".

    Raises
    ------
    SpecError
        If the frame holds no such survival curves.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, named = get_style(style), labels or Labels()
    lines, norms, unit, about = _lines(curve, named, analysis, population)
    end = max(float(line.time[-1]) for line in lines)
    ticks = time_ticks(end, unit)
    notes = _notes(glance, about, norms, limits, lines, ticks)
    below = 0.62 + _ROW * (len(lines) + 1.4) + _NOTE * len(notes) + 0.1
    height = 0.62 + _TALL + below
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or _heading(about, named)
        figure.text(0.08 / _WIDTH, 1 - 0.16 / height, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        wide = (_WIDTH - _LEFT - _RIGHT) / _WIDTH
        axes = figure.add_axes((_LEFT / _WIDTH, below / height, wide, _TALL / height))
        _draw(axes, lines, norms, unit, ticks, end, limits)
        top = below - 0.62
        figure.text(
            0.08 / _WIDTH, top / height, "Still at risk", fontsize=8.5, fontweight="bold", color=_INK, va="center"
        )
        for place, line in enumerate(lines):
            level = (top - _ROW * (place + 1.1)) / height
            colour = COLOURS[place % len(COLOURS)][0]
            words = textwrap.shorten(line.label, 22, placeholder="…")
            figure.text(0.08 / _WIDTH, level, words, fontsize=8.5, color=colour, va="center", fontweight="bold")
            for moment in ticks:
                where = (_LEFT + (_WIDTH - _LEFT - _RIGHT) * moment / end) / _WIDTH
                figure.text(
                    where,
                    level,
                    _count(line.at_risk(moment), chosen),
                    fontsize=8.5,
                    color=_INK,
                    ha="center",
                    va="center",
                )
        for place, note in enumerate(notes):
            level = (_NOTE * (len(notes) - place) - 0.04) / height
            figure.text(0.08 / _WIDTH, level, note, fontsize=7.8, color=_QUIET, va="center")
    return figure


def survival_alt_text(
    curve: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    analysis: str = "",
    population: str = "",
) -> str:
    """Say in words what `survival_figure` draws: each group's median and where its line ends."""
    chosen, named = get_style(style), labels or Labels()
    lines, norms, unit, about = _lines(curve, named, analysis, population)
    parts = []
    for line in lines:
        median = line.median()
        middle = (
            f"half by {chosen.number(median, unit, 'median')}" if np.isfinite(median) else "fewer than half by the end"
        )
        share = decimal_text(float(line.level[-1]), 0, scale=100)
        parts.append(f"{line.label}: {middle}, {share}% left at {chosen.number(float(line.time[-1]), unit, 'median')}")
    norm = f" A grey band shows the norm ({', '.join(line.label for line in norms)})." if norms else ""
    return f"{_heading(about, named)}, in {unit}. {'; '.join(parts)}.{norm}"


def _lines(
    curve: pd.DataFrame, labels: Labels, analysis: str, population: str
) -> tuple[list[_Line], list[_Line], str, tuple[str, str, str]]:
    rows = curve[curve["measure"].isin(["survival", "norm_survival"])]
    for column, wanted in (("analysis", analysis), ("population", population)):
        drawn = rows[rows["measure"] == "survival"]
        own = wanted or (str(drawn[column].iloc[0]) if len(drawn) else "")
        rows = rows[rows[column] == own]
    drawn = rows[rows["measure"] == "survival"]
    if drawn.empty:
        raise SpecError("there are no survival curves to draw: fit a SurvivalCurves or TimeToWork analysis")
    about = (str(drawn["analysis"].iloc[0]), str(drawn["outcome"].iloc[0]), str(drawn["population"].iloc[0]))

    def made(frame: pd.DataFrame) -> list[_Line]:
        columns = ("time", "estimate", "conf_low", "conf_high", "n_risk")
        return [
            _Line(labels.term(str(term)), *(part[name].to_numpy(dtype=float) for name in columns))
            for term, part in frame.groupby("term", sort=False)
        ]

    return made(drawn), made(rows[rows["measure"] == "norm_survival"]), str(drawn["unit"].iloc[0]), about


def _heading(about: tuple[str, str, str], labels: Labels) -> str:
    _, outcome, population = about
    return ", ".join(
        [
            f"Not yet returned, by time: {labels.outcome(outcome)}",
            *([labels.population(population)] if population != "all" else []),
        ]
    )


def _notes(
    glance: pd.DataFrame,
    about: tuple[str, str, str],
    norms: list[_Line],
    limits: bool,
    lines: list[_Line],
    ticks: NDArray[np.float64],
) -> list[str]:
    said: list[str] = []
    own: Any = glance[(glance["analysis"] == about[0]) & (glance["population"] == about[2])]
    if len(own):
        row = own.iloc[0]
        level = f"{100 * float(row['conf_level']):g}%"
        if limits:
            said.append(f"Shaded: {level} limits at each time by itself.")
        said.append(f"Evidence: {row['evidence']}. Method: {row['method']}.")
    if norms:
        said.append(f"Grey band: {', '.join(line.label for line in norms)}.")
    few = any(0 < line.at_risk(moment) < FEWEST for line in lines for moment in ticks)
    if few:
        said.append(f"{HIDDEN} = fewer than {FEWEST} people.")
    return [part for note in said for part in textwrap.wrap(note, 112)]


def _count(value: float, style: Style) -> str:
    if np.isnan(value):
        return ""
    return HIDDEN if 0 < value < FEWEST else style.count(round(value))


def _draw(
    axes: Axes,
    lines: list[_Line],
    norms: list[_Line],
    unit: str,
    ticks: NDArray[np.float64],
    end: float,
    limits: bool,
) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.set_xlim(0.0, end)
    axes.set_ylim(0.0, 1.0)
    for norm in norms:
        low, high = (np.where(np.isnan(edge), norm.level, edge) for edge in (norm.low, norm.high))
        axes.fill_between(norm.time, low, high, step="post", color=_BAND, linewidth=0, zorder=1)
        axes.step(norm.time, norm.level, where="post", color=_QUIET, linewidth=1.0, zorder=1)
    for place, line in enumerate(lines):
        colour = COLOURS[place % len(COLOURS)][0]
        if limits:
            axes.fill_between(
                line.time, line.low, line.high, step="post", color=colour, alpha=0.14, linewidth=0, zorder=2
            )
        axes.step(
            line.time, line.level, where="post", color=colour, linewidth=1.8,
            linestyle=_DASHES[place % len(_DASHES)], zorder=3, label=line.label,
        )  # fmt: skip
    for norm in norms:
        axes.plot([], [], color=_QUIET, linewidth=5, alpha=0.4, label=norm.label)
    axes.legend(frameon=False, loc="upper right", fontsize=8.5, handlelength=3.2)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{decimal_text(value, 0, scale=100)}%"))
    axes.set_xlabel(unit.capitalize(), color=_INK)
    axes.set_ylabel("Not yet returned", color=_INK)
    axes.grid(axis="y", color=_LINE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(_LINE)
    axes.tick_params(color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
