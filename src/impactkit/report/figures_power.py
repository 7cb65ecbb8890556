"""Power curves: power of planned studies against the true effect, or against the size of the sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.errors import SpecError
from impactkit.report.figures import COLOURS
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text
from impactkit.report.style import Style, get_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from impactkit.inference import PowerDesign

__all__ = ["power_alt_text", "power_curves"]

Against = Literal["effect", "size"]

_INK, _QUIET, _LINE = "#0B0C0C", "#505A5F", "#B1B4B6"
_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = ((0, ()), (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
_WIDTH, _TALL, _LEGEND_ROW, _WRAP = 7.2, 3.1, 0.24, 78
_POINTS = 161
#: How far beyond the last crossing of the target the axis goes.
_BEYOND = 1.5
#: Where nothing crosses the target, the axis ends here.
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class _Curve:
    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crossing: float
    target: float


def power_curves(
    designs: Sequence[PowerDesign],
    *,
    against: Against = "effect",
    style: str | Style = "plain",
    labels: Labels | None = None,
    title: str = "",
) -> Figure:
    """Draw power curves, one line for each planned study, with the power sought.

    Parameters
    ----------
    designs : sequence of PowerDesign
        All in one unit.
    against : {"effect", "size"}
        The true effect of taking part (each design needs its size), or the size of the sample (each needs its
        effect): people, or clusters when all have clusters.
    style : str or Style
        House style of the numbers.
    labels : Labels, optional
        Names given for populations are shown for scenarios of that name.
    title : str
        In place of the usual heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If the designs do not share an axis, or lack what the curve needs.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = get_style(style)
    curves = _curves(designs, against, labels or Labels())
    height = 0.55 + _TALL + 0.62 + _LEGEND_ROW * len(curves)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or f"Power against the {'true effect' if against == 'effect' else 'size of the sample'}"
        figure.text(0.08 / _WIDTH, 1 - 0.18 / height, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        bottom = (0.62 + _LEGEND_ROW * len(curves)) / height
        axes = figure.add_axes((0.62 / _WIDTH, bottom, (_WIDTH - 0.92) / _WIDTH, _TALL / height))
        _draw(axes, curves, designs, against, chosen)
        for place, curve in enumerate(curves):
            _legend_line(figure, curve, place, (bottom * height - 0.62 - _LEGEND_ROW * place) / height)
    return figure


def power_alt_text(
    designs: Sequence[PowerDesign],
    *,
    against: Against = "effect",
    style: str | Style = "plain",
    labels: Labels | None = None,
) -> str:
    """Say in words what `power_curves` draws: where each line reaches the power sought.

    Examples
    --------
    >>> from impactkit.inference import PowerDesign
    >>> plan = PowerDesign(name="pilot", n=400, control_rate=0.3, effect=0.1)
    >>> power_alt_text([plan])
    'Power curves against the true effect, percentage points. pilot: 80% power at 13.4.'
    """
    chosen = get_style(style)
    axis = _axis_words(designs, against, chosen)
    parts = []
    for curve in _curves(designs, against, labels or Labels()):
        target = decimal_text(curve.target, 0, scale=100)
        where = _number(curve.crossing, designs, against, chosen)
        parts.append(
            f"{curve.label}: {target}% power at {where}"
            if math.isfinite(curve.crossing)
            else f"{curve.label}: {target}% power is not reached"
        )
    return f"Power curves against {axis[:1].lower()}{axis[1:]}. {'; '.join(parts)}."


def _curves(designs: Sequence[PowerDesign], against: Against, labels: Labels) -> list[_Curve]:
    if not designs:
        raise SpecError("there is nothing to draw: no scenario was given")
    units = {design.shown_unit for design in designs}
    if against == "effect" and len(units) > 1:
        raise SpecError(f"scenarios in {', '.join(sorted(units))} do not share an axis: draw each unit by itself")
    lacking = [d.name for d in designs if (d.size if against == "effect" else d.effect) is None]
    if lacking:
        wanted = "a size (`n` or `clusters`)" if against == "effect" else "an `effect`"
        raise SpecError(f"{', '.join(lacking)}: a curve against the {against} needs {wanted}")
    crossings = [_crossing(design, against, designs) for design in designs]
    known = [crossing for crossing in crossings if math.isfinite(crossing)]
    if against == "effect":
        end = _BEYOND * max(known) if known else max(float(d.std_error(0.0)) / d.dilution for d in designs) * 4
    else:
        end = min(_BEYOND * max(known), _MOST) if known else _MOST
        end = max([end, *(_shown_size(design, designs, design.size or 0) for design in designs)])
    found = []
    for design, crossing in zip(designs, crossings, strict=True):
        if against == "effect":
            x = np.linspace(0.0, end, _POINTS)
            y = design.power(x)
            if design.control_rate is not None:
                room = (design.furthest_rate - design.control_rate) / design.dilution
                y = np.where(x <= abs(room), y, np.nan)
        else:
            each = float(design.people(1)) if _in_people(designs) else 1.0
            whole = np.unique(np.round(np.linspace(4, max(end / each, 5), _POINTS)))
            x, y = whole * each, design.power(size=whole)
        label = dict(labels.populations).get(design.name, design.name)
        found.append(_Curve(label, x, y, crossing, design.target_power))
    return found


def _crossing(design: PowerDesign, against: Against, designs: Sequence[PowerDesign]) -> float:
    if against == "effect":
        return float(design.minimum_detectable_effect())
    needed = design.required_size()
    return float("nan") if needed is None else _shown_size(design, designs, needed)


def _in_people(designs: Sequence[PowerDesign]) -> bool:
    return not all(design.clustered for design in designs)


def _shown_size(design: PowerDesign, designs: Sequence[PowerDesign], size: int) -> float:
    return float(design.people(size)) if _in_people(designs) else float(size)


def _axis_words(designs: Sequence[PowerDesign], against: Against, style: Style) -> str:
    if against == "size":
        return f"{'People' if _in_people(designs) else 'Clusters'} randomised"
    scale = style.scale(designs[0].shown_unit, "minimum_detectable_effect")
    of = "" if all(design.dilution == 1 for design in designs) else " of taking part"
    return f"The true effect{of}, {f'in {scale.words}' if scale.prefix else scale.words}"


def _number(value: float, designs: Sequence[PowerDesign], against: Against, style: Style) -> str:
    if against == "size":
        return style.count(math.ceil(value))
    return style.number(value, designs[0].shown_unit, "minimum_detectable_effect")


def _draw(axes: Axes, curves: Sequence[_Curve], designs: Sequence[PowerDesign], against: Against, style: Style) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    end = max(float(curve.x[-1]) for curve in curves)
    axes.set_xlim(0.0, end)
    axes.set_ylim(0.0, 1.0)
    for target in sorted({curve.target for curve in curves}):
        axes.axhline(target, color=_QUIET, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        words = f"{decimal_text(target, 0, scale=100)}% power"
        axes.text(0.01 * end, target + 0.015, words, color=_QUIET, fontsize=8.5, va="bottom")
    for place, curve in enumerate(curves):
        colour, marker = COLOURS[place % len(COLOURS)]
        axes.plot(curve.x, curve.y, color=colour, linewidth=1.8, linestyle=_DASHES[place % len(_DASHES)], zorder=2)
        if math.isfinite(curve.crossing):
            axes.plot(
                [curve.crossing], [curve.target], marker=marker, color=colour, markersize=7, zorder=3, clip_on=False
            )
    axes.set_xlabel(_axis_words(designs, against, style), color=_INK)
    axes.set_ylabel("Power", color=_INK)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{decimal_text(value, 0, scale=100)}%"))
    locator = MaxNLocator(nbins=7, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(locator)
    if against == "size":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.count(round(value))))
    else:
        scale = style.scale(designs[0].shown_unit, "minimum_detectable_effect")
        ticks = locator.tick_values(0.0, end)
        places = max(0, -math.floor(math.log10(float(ticks[1] - ticks[0]) * scale.factor) + 1e-9))
        marks = {"prefix": scale.prefix, "thousands": style.thousands, "minus": style.minus}
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: decimal_text(value, places, scale=scale.factor, **marks))
        )
    axes.grid(axis="y", color=_LINE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(_LINE)
    axes.tick_params(color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)


def _legend_line(figure: Figure, curve: _Curve, place: int, bottom: float) -> None:
    """Name a line under the plot, with its own colour, dashes and marker."""
    import textwrap

    from matplotlib.lines import Line2D

    colour, marker = COLOURS[place % len(COLOURS)]
    left, right = 0.62 / _WIDTH, 1.07 / _WIDTH
    figure.add_artist(
        Line2D([left, right], [bottom, bottom], color=colour, linewidth=1.8, linestyle=_DASHES[place % len(_DASHES)])
    )
    figure.add_artist(Line2D([(left + right) / 2], [bottom], color=colour, marker=marker, markersize=6))
    words = textwrap.shorten(curve.label, _WRAP, placeholder="…")
    figure.text(1.2 / _WIDTH, bottom, words, color=_INK, va="center")
