"""The attrition figure: one line per method, points with intervals, bounds as bars; and its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.evidence import effect_heading, weakest
from impactkit.report.figures import COLOURS
from impactkit.report.frames import Record, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.tables_attrition import attrition_blocks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["attrition_alt_text", "attrition_figure", "can_draw"]

_INK, _QUIET, _LINE = "#0B0C0C", "#505A5F", "#B1B4B6"
_ROW, _HEAD, _FOOT, _TOP = 0.32, 0.42, 0.62, 0.55
_LABEL, _PLOT, _NUMBERS = 2.35, 3.75, 2.7
_LONG = 2.5  # a line this many times longer than the longest of the others is cut, and ends in an arrow


@dataclass(frozen=True, slots=True)
class _Line:
    heading: str
    low: float
    high: float
    values: tuple[float, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Panel:
    heading: str
    words: str
    unit: str
    lines: tuple[_Line, ...]


def attrition_figure(
    tidy: pd.DataFrame, glance: pd.DataFrame, style: str | Style = "plain", *, labels: Labels | None = None
) -> Figure:
    """Draw the estimates of each method under one another, a panel per outcome, population and treated arm.

    Parameters
    ----------
    tidy, glance : DataFrame
        As an evaluation gives them, or as `disclose` returns them.
    style : str or Style
        House style of the numbers.
    labels : Labels, optional
        Display names.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If no attrition analysis has an estimate with an interval.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = get_style(style)
    panels = _panels(tidy, glance, chosen, labels or Labels())
    if not panels:
        raise SpecError("there is nothing to draw: no attrition analysis has an estimate with an interval")
    heights = [_HEAD + _ROW * len(panel.lines) + _FOOT for panel in panels]
    width, height = _LABEL + _PLOT + _NUMBERS, _TOP + sum(heights)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        title = f"{_heading(glance)} under each method for missing outcomes"
        figure.text(0.08 / width, 1 - 0.16 / height, title, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        used = _TOP
        for panel, tall in zip(panels, heights, strict=True):
            bottom = (height - used - tall + _FOOT) / height
            axes = figure.add_axes((_LABEL / width, bottom, _PLOT / width, _ROW * len(panel.lines) / height))
            _draw(axes, panel, chosen, _level(glance))
            used += tall
    return figure


def attrition_alt_text(
    tidy: pd.DataFrame, glance: pd.DataFrame, style: str | Style = "plain", *, labels: Labels | None = None
) -> str:
    """Say in words what `attrition_figure` draws."""
    panels = _panels(tidy, glance, get_style(style), labels or Labels())
    level = _level(glance)
    parts = [f"{_heading(glance)} under each method for missing outcomes."]
    for panel in panels:
        said = "; ".join(f"{line.heading} {line.text.replace(' (', f' ({level} ', 1)}" for line in panel.lines)
        parts.append(f"{panel.heading}, in {panel.words}: {said}.")
    return " ".join(parts)


def can_draw(tidy: pd.DataFrame, glance: pd.DataFrame) -> bool:
    """Whether any method gave an estimate with an interval that may be shown."""
    return bool(_panels(tidy, glance, get_style("plain"), Labels()))


def _heading(glance: pd.DataFrame) -> str:
    return effect_heading(weakest(look.get("evidence") for look in records(glance) if look.get("kind") == "attrition"))


def _level(glance: pd.DataFrame) -> str:
    looks = [look for look in records(glance) if look.get("kind") == "attrition"]
    levels = {float(look["conf_level"]) for look in looks if not is_missing(look.get("conf_level"))}
    return f"{decimal_text(levels.pop(), 0, scale=100)}% interval" if len(levels) == 1 else "interval"


def _panels(tidy: pd.DataFrame, glance: pd.DataFrame, style: Style, labels: Labels) -> tuple[_Panel, ...]:
    blocks = attrition_blocks(tidy, glance)
    panels = []
    for block in blocks:
        lines = [found for heading, rows in block.methods if (found := _line(heading, rows, style)) is not None]
        if lines:
            unit = block.methods[0][1][0]["unit"]
            words = style.scale(unit, "difference").words or "the outcome's unit"
            panels.append(_Panel(block.heading(labels, blocks), words, unit, tuple(lines)))
    return tuple(panels)


def _line(heading: str, rows: tuple[Record, ...], style: Style) -> _Line | None:
    first = rows[0]
    numbers = [first["conf_low"], first["conf_high"], *(row["estimate"] for row in rows)]
    if any(is_missing(value) or isinstance(value, str) for value in numbers):
        return None
    low, high, *values = (float(value) for value in numbers)
    unit = first["unit"]
    interval = style.interval(low, high, unit, "difference")
    value = (
        style.number(values[0], unit) if len(values) == 1 else style.interval(values[0], values[1], unit, "difference")
    )
    return _Line(heading, low, high, tuple(values), f"{value} ({interval})")


def _draw(axes: Axes, panel: _Panel, style: Style, level: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = _limits(panel)
    axes.set_xlim(low, high)
    axes.set_ylim(len(panel.lines), 0)
    axes.axvline(0.0, color=_QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    beside = axes.get_yaxis_transform()
    left, right = -_LABEL / _PLOT + 0.08 / _PLOT, 1 + _NUMBERS / _PLOT - 0.08 / _PLOT
    axes.text(left, -0.45, panel.heading, transform=beside, fontweight="bold", color=_INK, va="center")
    axes.text(right, -0.45, f"estimate or bounds ({level})", transform=beside, ha="right", va="center", color=_QUIET)
    for place, line in enumerate(panel.lines):
        middle = place + 0.5
        colour, marker = COLOURS[0] if len(line.values) == 1 else COLOURS[1]
        axes.text(left, middle, line.heading, transform=beside, va="center", color=_INK)
        axes.text(right, middle, line.text, transform=beside, va="center", ha="right", color=_INK)
        ends = [max(line.low, low), min(line.high, high)]
        axes.plot(ends, [middle] * 2, color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
        for cut, end, sign in ((line.low < low, low, "<"), (line.high > high, high, ">")):
            if cut:
                axes.plot([end], [middle], marker=sign, color=colour, markersize=6, clip_on=False, zorder=4)
        if len(line.values) == 1:
            axes.plot(
                [line.values[0]], [middle], marker=marker, color=colour, markersize=6, zorder=3, markeredgewidth=0
            )
        else:
            start, end = max(line.values[0], low), min(line.values[1], high)
            axes.barh(middle, max(end - start, 0.0), left=start, height=0.34, color=colour, zorder=3, linewidth=0)
            for value in line.values:
                if low <= value <= high:
                    axes.plot([value] * 2, [middle - 0.24, middle + 0.24], color=colour, linewidth=1.8, zorder=3)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(axis="x", color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
    locator = MaxNLocator(nbins=6, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(locator)
    ticks = locator.tick_values(low, high)
    step = float(ticks[1] - ticks[0])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, panel, style, step)))
    axes.set_xlabel(panel.words, color=_QUIET, fontsize=8.5, labelpad=2)


def _tick(value: float, panel: _Panel, style: Style, step: float) -> str:
    """Write a tick with the decimals its step needs."""
    import math

    scale = style.scale(panel.unit, "difference")
    places = max(0, -math.floor(math.log10(step * scale.factor) + 1e-9))
    return decimal_text(
        value, places, scale=scale.factor, prefix=scale.prefix, thousands=style.thousands, minus=style.minus
    )


def _limits(panel: _Panel) -> tuple[float, float]:
    """Take in zero and every line, but cut the worst case where it would squeeze the others."""
    points = [line for line in panel.lines if line.heading != "Worst-case bounds"] or list(panel.lines)
    low, high = min(0.0, *(line.low for line in points)), max(0.0, *(line.high for line in points))
    span = (high - low) or 1.0
    for line in panel.lines:
        low = min(low, max(line.low, low - (_LONG - 1) / 2 * span))
        high = max(high, min(line.high, high + (_LONG - 1) / 2 * span))
    pad = 0.04 * ((high - low) or 1.0)
    return low - pad, high + pad
