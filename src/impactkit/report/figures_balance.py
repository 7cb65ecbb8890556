"""Love plot: the standardised difference of each characteristic, before and after weighting."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactkit.errors import SpecError
from impactkit.report.baseline import BaselineLine, BaselinePart, baseline_parts
from impactkit.report.figures import COLOURS
from impactkit.report.labels import Labels, readable
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.suppression import THRESHOLD

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LIMIT", "love", "love_alt_text"]

#: Differences beyond this many standard deviations are usually called imbalance.
LIMIT = 0.1

_INK, _QUIET, _LINE, _BAND = "#0B0C0C", "#505A5F", "#B1B4B6", "#F3F2F1"
_ROW, _LABEL, _PLOT, _GAP, _TOP, _FOOT = 0.27, 2.9, 3.3, 0.35, 0.95, 0.62
_AFTER, _BEFORE = "standardised_mean_difference", "standardised_mean_difference_unweighted"


@dataclass(frozen=True, slots=True)
class _Point:
    label: str
    arm: int
    after: float
    before: float


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    arms: tuple[str, ...]
    points: tuple[_Point, ...]
    withheld: int


def love(tidy: pd.DataFrame, *, labels: Labels | None = None, title: str = "", threshold: int = THRESHOLD) -> Figure:
    """Draw the standardised differences of one balance analysis, one panel for each population.

    Parameters
    ----------
    tidy : DataFrame
        Rows of one balance analysis with no count withheld; lines that rest on fewer than ten people are left out
        and counted below the figure.
    labels : Labels, optional
        Display names; covariates count as outcomes.
    title : str
        Heading.
    threshold : int
        Counts under it are protected.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is no difference to draw.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(tidy, labels or Labels(), threshold)
    if not any(panel.points for panel in panels):
        raise SpecError("there is nothing to draw: no standardised difference may be shown")
    names = list(dict.fromkeys(point.label for panel in panels for point in panel.points))
    weighted = any(not math.isnan(point.before) for panel in panels for point in panel.points)
    arms = list(dict.fromkeys(arm for panel in panels for arm in panel.arms))
    body = _ROW * len(names)
    width = _LABEL + len(panels) * (_PLOT + _GAP)
    top = _TOP if len(panels) > 1 else _TOP - 0.2
    height = top + body + _FOOT
    edge = _edge(panels)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or "Standardised differences at baseline"
        figure.text(0.08 / width, 1 - 0.16 / height, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        for place, panel in enumerate(panels):
            left = (_LABEL + place * (_PLOT + _GAP)) / width
            axes = figure.add_axes((left, _FOOT / height, _PLOT / width, body / height))
            _draw(axes, panel, names, edge, weighted=weighted)
            if len(panels) > 1:
                axes.set_title(panel.title, fontsize=9, color=_INK, pad=5, loc="left")
            if not place:
                for row, name in enumerate(names):
                    axes.text(
                        -(_LABEL - 0.08) / _PLOT, row + 0.5, textwrap.shorten(name, 44, placeholder="…"),
                        transform=axes.get_yaxis_transform(), va="center", color=_INK,
                    )  # fmt: skip
        _key(figure, arms, weighted=weighted, width=width, height=height)
        hidden = sum(panel.withheld for panel in panels)
        if hidden:
            said = f"{hidden} differences that would give away fewer than 10 people are not shown."
            figure.text(0.08 / width, 0.08 / height, said, color=_QUIET, fontsize=8)
    return figure


def love_alt_text(tidy: pd.DataFrame, *, labels: Labels | None = None, threshold: int = THRESHOLD) -> str:
    """Say in words what `love` draws.

    Parameters
    ----------
    tidy : DataFrame
        As for `love`.
    labels : Labels, optional
    threshold : int

    Returns
    -------
    str
    """
    panels = _panels(tidy, labels or Labels(), threshold)
    said = ["Love plot of standardised differences between arms at baseline, with lines at −0.1 and 0.1."]
    for panel in panels:
        for place, arm in enumerate(panel.arms):
            own = [point for point in panel.points if point.arm == place]
            if not own:
                continue
            over = [point for point in own if abs(point.after) > LIMIT]
            largest = max(own, key=lambda point: abs(point.after))
            named = "; ".join(f"{point.label} {_signed(point.after)}" for point in over[:12])
            where = f"{panel.title}, " if len(panels) > 1 else ""
            count = f"{len(over)} of {len(own)} lie beyond them"
            largest_words = f"the largest is {largest.label}, {_signed(largest.after)}"
            detail = f": {named}" if over else f"; {largest_words}"
            before = [abs(point.before) for point in own if not math.isnan(point.before)]
            drop = f" Before weighting {sum(value > LIMIT for value in before)} did." if before else ""
            said.append(f"{where}{arm}: {count}{detail}.{drop}")
    hidden = sum(panel.withheld for panel in panels)
    if hidden:
        said.append(f"{hidden} are withheld to protect people.")
    return " ".join(said)


def _signed(value: float) -> str:
    return decimal_text(value, 2)


def _panels(tidy: pd.DataFrame, labels: Labels, threshold: int) -> tuple[_Panel, ...]:
    return tuple(_panel(part, labels) for part in baseline_parts(tidy, threshold=threshold) if part.lines)


def _panel(part: BaselinePart, labels: Labels) -> _Panel:
    control, treated = part.arms[0], part.arms[1:]
    points, withheld = [], 0
    for line in part.lines:
        for place, arm in enumerate(treated):
            after = line.numbers.get((arm, _AFTER))
            if is_missing(after) or after is None:
                continue
            if line.withheld(arm, control):
                withheld += 1
                continue
            before = line.numbers.get((arm, _BEFORE), math.nan)
            points.append(_Point(_label(line, labels), place, float(after), float(before)))
    return _Panel(
        labels.population(part.population), tuple(labels.term(arm) for arm in treated), tuple(points), withheld
    )


def _label(line: BaselineLine, labels: Labels) -> str:
    name = labels.outcome(line.covariate)
    level = "not known" if line.level == "missing" else readable(line.level)
    return f"{name}: {level}" if level else name


def _edge(panels: tuple[_Panel, ...]) -> float:
    values = [abs(value) for panel in panels for point in panel.points for value in (point.after, point.before)]
    return max(0.25, 1.12 * max(value for value in values if not math.isnan(value)))


def _draw(axes: Axes, panel: _Panel, names: list[str], edge: float, *, weighted: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(-edge, edge)
    axes.set_ylim(len(names), 0)
    for row in range(0, len(names), 2):
        axes.axhspan(row, row + 1, color=_BAND, linewidth=0, zorder=0)
    axes.axvline(0.0, color=_QUIET, linewidth=1.0, zorder=1)
    for limit in (-LIMIT, LIMIT):
        axes.axvline(limit, color=_QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    several = len(panel.arms)
    for point in panel.points:
        colour, marker = COLOURS[point.arm % len(COLOURS)]
        place = (
            names.index(point.label)
            + 0.5
            + (0.3 * (point.arm - (several - 1) / 2) / max(several - 1, 1) if several > 1 else 0)
        )
        if weighted and not math.isnan(point.before):
            axes.plot([point.before, point.after], [place, place], color=colour, linewidth=0.8, alpha=0.6, zorder=2)
            axes.plot(
                [point.before], [place], marker=marker, color=colour, markersize=5.5, zorder=3,
                markerfacecolor="white", markeredgewidth=1.1, linestyle="none",
            )  # fmt: skip
        axes.plot([point.after], [place], marker=marker, color=colour, markersize=5.5, zorder=4, markeredgewidth=0)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(axis="x", color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.1f}".replace("-", "−")))
    axes.set_xlabel("Standard deviations (dashed: −0.1 and 0.1)", color=_QUIET, fontsize=8.5, labelpad=3)


def _key(figure: Figure, arms: list[str], *, weighted: bool, width: float, height: float) -> None:
    from matplotlib.lines import Line2D

    handles = []
    if len(arms) > 1 or not weighted:
        for place, arm in enumerate(arms):
            colour, marker = COLOURS[place % len(COLOURS)]
            handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", label=arm, markeredgewidth=0))
    if weighted:
        colour, marker = (_QUIET, "s") if len(arms) > 1 else COLOURS[0]
        shared = {"color": colour, "marker": marker, "linestyle": "none"}
        handles.append(Line2D([], [], markerfacecolor="white", label="Before weighting", **shared))  # type: ignore[arg-type]
        handles.append(Line2D([], [], markeredgewidth=0, label="After weighting", **shared))  # type: ignore[arg-type]
    figure.legend(
        handles=handles, loc="upper left", ncols=len(handles), frameon=False, fontsize=8.5, handletextpad=0.2,
        columnspacing=1.4, borderaxespad=0, bbox_to_anchor=(0.05 / width, 1 - 0.42 / height), labelcolor=_INK,
    )  # fmt: skip
