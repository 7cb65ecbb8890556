"""Forest plots: from a tidy frame to a matplotlib Figure, with no global state and the same bytes each time.

One panel per unit, so that pounds and percentage points never share an axis. The numbers stand beside the
intervals, and `forest_alt_text` says the same in words.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from impactkit.errors import SpecError
from impactkit.report.evidence import effect_heading, refuse_impact_heading, weakest
from impactkit.report.frames import is_effect, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import RATIO_MEASURES, Style, get_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "figure_bytes", "forest", "forest_alt_text"]

#: Colours with enough contrast on white and against each other, for readers with any colour vision, and a
#: marker for each, so that colour never carries the meaning alone.
COLOURS: tuple[tuple[str, str], ...] = (
    ("#12436D", "s"),
    ("#F46A25", "o"),
    ("#28A197", "D"),
    ("#801650", "^"),
    ("#3D3D3D", "v"),
    ("#A285D1", "P"),
)
_INK, _QUIET, _LINE = "#0B0C0C", "#505A5F", "#B1B4B6"
_ROW, _HEAD, _FOOT = 0.30, 0.34, 0.74
_LABEL, _PLOT, _NUMBERS = 2.75, 3.65, 2.3
#: An interval longer than this many times the middle one is cut, and ends in an arrow.
_LONG = 4.0


@dataclass(frozen=True, slots=True)
class _Line:
    heading: str
    label: str
    low: float
    point: float
    high: float
    text: str
    colour: int


@dataclass(frozen=True, slots=True)
class _Panel:
    words: str
    null: float
    log: bool
    unit: str
    measure: str
    good: str
    lines: tuple[_Line, ...]


def forest(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    directions: Mapping[str, Literal["higher", "lower"]] | None = None,
    title: str = "",
) -> Figure:
    """Draw estimates and their intervals, one line each, one panel per unit.

    Parameters
    ----------
    tidy : DataFrame
        Effect rows are drawn; control means, tests, withheld rows and rows without an estimate are not.
    glance : DataFrame, optional
        For the strength of evidence and the confidence level. Without it no strength is claimed.
    style : str or Style
        House style of the numbers.
    labels : Labels, optional
        Display names.
    directions : mapping of outcome to "higher" or "lower", optional
        Which way is good; outcomes of one unit that differ in it get panels of their own. Nothing is said of
        who is favoured for an outcome not listed.
    title : str
        Added to the heading, which the evidence decides.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is nothing to draw, or the title says "impact" over weaker evidence.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, words = get_style(style), labels or Labels()
    panels = _panels(tidy, chosen, words, dict(directions or {}))
    if not panels:
        raise SpecError("there is nothing to draw: the frame has no effect row with an estimate and an interval")
    evidence = _evidence(tidy, glance)
    refuse_impact_heading(title, evidence)
    heading = effect_heading(evidence)
    top = 0.62
    heights = [_HEAD + _ROW * _slots(panel) + _FOOT for panel in panels]
    width, height = _LABEL + _PLOT + _NUMBERS, top + sum(heights)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        line = f"{heading}: {title}" if title else heading
        figure.text(0.08 / width, 1 - 0.18 / height, line, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        used = top
        for panel, tall in zip(panels, heights, strict=True):
            bottom = (height - used - tall + _FOOT) / height
            axes = figure.add_axes((_LABEL / width, bottom, _PLOT / width, _ROW * _slots(panel) / height))
            _draw(axes, panel, chosen, _interval_words(glance))
            used += tall
    return figure


def forest_alt_text(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
    longest: int = 24,
) -> str:
    """Say in words what `forest` draws.

    Parameters
    ----------
    tidy, glance, style, labels, title
        As for `forest`.
    longest : int
        With more lines than this, each panel is summed up instead of read out.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> tidy = pd.DataFrame([{
    ...     "analysis": "lin", "outcome": "work", "population": "all", "term": "IPS", "measure": "difference",
    ...     "unit": "proportion", "estimate": 0.062, "conf_low": -0.003, "conf_high": 0.127,
    ... }])
    >>> glance = pd.DataFrame([{"analysis": "lin", "evidence": "randomised", "conf_level": 0.95}])
    >>> forest_alt_text(tidy, glance)
    'Forest plot. Impact. Percentage points: Work 6.2 (95% interval −0.3 to 12.7).'
    """
    chosen, words = get_style(style), labels or Labels()
    panels = _panels(tidy, chosen, words, {})
    heading = effect_heading(_evidence(tidy, glance))
    parts = [f"Forest plot. {heading}: {title}." if title else f"Forest plot. {heading}."]
    brief = sum(len(panel.lines) for panel in panels) > longest
    level = _interval_words(glance)
    for panel in panels:
        unit = panel.words[:1].upper() + panel.words[1:]
        if brief:
            clear = sum(line.low > panel.null or line.high < panel.null for line in panel.lines)
            low = chosen.number(min(line.point for line in panel.lines), panel.unit, panel.measure)
            high = chosen.number(max(line.point for line in panel.lines), panel.unit, panel.measure)
            parts.append(
                f"{unit}: {len(panel.lines)} estimates from {low} to {high}; "
                f"the {level} of {clear} of them leaves out no difference."
            )
        else:
            said = (f"{_full_label(line)} {line.text.replace(' (', f' ({level} ', 1)}" for line in panel.lines)
            parts.append(f"{unit}: {'; '.join(said)}.")
    return " ".join(parts)


def figure_bytes(
    figure: Figure, kind: Literal["svg", "png"] = "svg", *, salt: str = "impactkit", dpi: int = 200
) -> bytes:
    """Write a figure to bytes that depend on the figure alone: no date, no program, fixed identifiers.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    kind : {"svg", "png"}
        Letters in an SVG are outlines, so that it looks alike on every machine.
    salt : str
        Seeds the identifiers inside an SVG.
    dpi : int
        Dots per inch of a PNG.

    Returns
    -------
    bytes
    """
    from matplotlib import rc_context

    out = io.BytesIO()
    settings: dict[Any, Any] = {"svg.hashsalt": salt, "svg.fonttype": "path"}
    with rc_context(settings):
        if kind == "svg":
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        else:
            figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def _evidence(tidy: pd.DataFrame, glance: pd.DataFrame | None) -> str:
    looks = [] if glance is None else records(glance)
    drawn = {row["analysis"] for row in records(tidy)}
    return weakest(look.get("evidence") for look in looks if look["analysis"] in drawn)


def _interval_words(glance: pd.DataFrame | None) -> str:
    looks = [] if glance is None else records(glance)
    levels = {float(look["conf_level"]) for look in looks if not is_missing(look.get("conf_level"))}
    return f"{decimal_text(levels.pop(), 0, scale=100)}% interval" if len(levels) == 1 else "interval"


def _panels(tidy: pd.DataFrame, style: Style, labels: Labels, directions: Mapping[str, str]) -> tuple[_Panel, ...]:
    rows = [row for row in records(tidy) if _drawable(row)]
    columns = ("analysis", "population", "term", "outcome")
    names = {name: list(dict.fromkeys(row[name] for row in rows)) for name in columns}
    order = sorted(rows, key=lambda row: names["outcome"].index(row["outcome"]))
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in order:
        scale = style.scale(row["unit"], row["measure"])
        groups.setdefault((scale.words, scale.prefix, directions.get(row["outcome"], "")), []).append(row)
    panels = []
    for (words, _, good), members in groups.items():
        first = members[0]
        ratio = first["measure"] in RATIO_MEASURES
        panels.append(
            _Panel(
                words=f"In {words}" if len(words) == 1 else words or "difference",
                null=1.0 if ratio else 0.0,
                log=ratio and all(float(row["conf_low"]) > 0 for row in members),
                unit=first["unit"],
                measure=first["measure"],
                good=good,
                lines=tuple(_line(row, names, style, labels) for row in members),
            )
        )
    return tuple(panels)


def _drawable(row: Mapping[str, Any]) -> bool:
    if not is_effect(row["measure"]) or row["term"] == "control_mean":
        return False
    values = [row["estimate"], row["conf_low"], row["conf_high"]]
    return not any(is_missing(value) or isinstance(value, str) for value in values) and math.isfinite(values[0])


def _line(row: Mapping[str, Any], names: Mapping[str, Sequence[Any]], style: Style, labels: Labels) -> _Line:
    unit, measure = row["unit"], row["measure"]
    parts = [labels.term(row["term"])] if len(names["term"]) > 1 else []
    parts += [labels.analysis(row["analysis"])] if len(names["analysis"]) > 1 else []
    parts += [labels.population(row["population"])] if len(names["population"]) > 1 else []
    interval = style.interval(row["conf_low"], row["conf_high"], unit, measure)
    return _Line(
        heading=labels.outcome(row["outcome"]),
        label=" · ".join(parts),
        low=float(row["conf_low"]),
        point=float(row["estimate"]),
        high=float(row["conf_high"]),
        text=f"{style.number(row['estimate'], unit, measure)} ({interval})",
        colour=names["analysis"].index(row["analysis"]) % len(COLOURS),
    )


def _full_label(line: _Line) -> str:
    return f"{line.heading}, {line.label}" if line.label else line.heading


def _slots(panel: _Panel) -> float:
    """Give the height of a panel in lines: headings count as one, with a little air before each."""
    headings = len({line.heading for line in panel.lines}) if any(line.label for line in panel.lines) else 0
    return len(panel.lines) + headings + 0.35 * max(headings - 1, 0) + 0.4


def _limits(panel: _Panel) -> tuple[float, float]:
    """Choose the ends of the axis: all points, the null, and all but unusually long intervals."""
    spans = sorted(line.high - line.low for line in panel.lines if math.isfinite(line.high - line.low))
    middle = spans[len(spans) // 2] if spans else 1.0
    lows, highs = [panel.null], [panel.null]
    for line in panel.lines:
        short = line.high - line.low <= _LONG * middle
        lows.append(line.low if short else max(line.low, line.point - _LONG / 2 * middle))
        highs.append(line.high if short else min(line.high, line.point + _LONG / 2 * middle))
    low, high = min(lows), max(highs)
    if panel.log:
        positive = [value for value in (*lows, *(line.low for line in panel.lines)) if value > 0]
        low = low if low > 0 else min(positive)
        return low / (high / low) ** 0.05, high * (high / low) ** 0.05
    pad = 0.05 * (high - low or 1.0)
    return low - pad, high + pad


def _draw(axes: Axes, panel: _Panel, style: Style, level: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

    low, high = _limits(panel)
    if panel.log:
        axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(_slots(panel), 0.0)
    axes.axvline(panel.null, color=_QUIET, linewidth=1.0, zorder=1)
    beside = axes.get_yaxis_transform()
    left, right = -(_LABEL - 0.08) / _PLOT, 1 + (_NUMBERS - 0.08) / _PLOT
    grouped = any(line.label for line in panel.lines)
    axes.text(left, -0.45, panel.words[:1].upper() + panel.words[1:], transform=beside, color=_QUIET, fontsize=9)
    head = f"Estimate ({level})"
    axes.text(right, -0.45, head, transform=beside, color=_QUIET, fontsize=9, ha="right")
    place, seen = 0.2, ""
    for line in panel.lines:
        if grouped and line.heading != seen:
            place += 0.35 if seen else 0.0
            bold = _short(line.heading, 40)
            axes.text(left, place + 0.5, bold, transform=beside, va="center", fontweight="bold", color=_INK)
            place, seen = place + 1.0, line.heading
        middle = place + 0.5
        label = line.label if grouped else line.heading
        indent = 0.12 / _PLOT if grouped else 0.0
        axes.text(left + indent, middle, _short(label or line.heading, 38), transform=beside, va="center", color=_INK)
        axes.text(right, middle, line.text, transform=beside, va="center", ha="right", color=_INK)
        _interval(axes, line, middle, (low, high))
        place += 1.0
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(axis="x", which="both", color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
    if panel.log:
        nice = [tick for tick in (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10) if low <= tick <= high]
        axes.xaxis.set_major_locator(FixedLocator(nice))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        locator = MaxNLocator(nbins=6, steps=[1, 2, 5, 10])  # steps that one digit writes exactly
        ticks = locator.tick_values(low, high)
        step = float(ticks[1] - ticks[0])
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, panel, style, step)))
    _favours(axes, panel)


def _interval(axes: Axes, line: _Line, place: float, limits: tuple[float, float]) -> None:
    colour, marker = COLOURS[line.colour]
    low, high = max(line.low, limits[0]), min(line.high, limits[1])
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
    for cut, end, sign in ((line.low < limits[0], low, "<"), (line.high > limits[1], high, ">")):
        if cut:
            axes.plot([end], [place], marker=sign, color=colour, markersize=6, clip_on=False, zorder=3)
    axes.plot([line.point], [place], marker=marker, color=colour, markersize=6, zorder=3, markeredgewidth=0)


def _favours(axes: Axes, panel: _Panel) -> None:
    if panel.good not in {"higher", "lower"}:
        return
    sides = ["← favours control", "favours programme →"]
    if panel.good == "lower":
        sides = ["← favours programme", "favours control →"]
    below = -0.44 / (_ROW * _slots(panel))
    for text, align, place in ((sides[0], "left", 0.0), (sides[1], "right", 1.0)):
        axes.text(place, below, text, transform=axes.transAxes, ha=align, va="center", color=_QUIET, fontsize=8.5)


def _tick(value: float, panel: _Panel, style: Style, step: float) -> str:
    """Write a tick with the decimals its step needs, so that no tick is rounded to another number."""
    scale = style.scale(panel.unit, panel.measure)
    places = max(0, -math.floor(math.log10(step * scale.factor) + 1e-9))
    marks = {"thousands": style.thousands, "minus": style.minus}
    return decimal_text(value, places, scale=scale.factor, prefix=scale.prefix, **marks)


def _short(label: str, longest: int) -> str:
    return textwrap.shorten(label, longest, placeholder="…")
