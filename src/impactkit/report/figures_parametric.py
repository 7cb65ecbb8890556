"""Fitted curves of the time to return over the estimate without a model; what is extrapolated is dashed and shaded."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.errors import SpecError
from impactkit.report.figures import COLOURS
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["parametric_alt_text", "parametric_figure"]

_INK, _QUIET, _LINE, _SHADE = "#0B0C0C", "#505A5F", "#B1B4B6", "#F3F2F1"
_WIDTH, _TALL, _ROW, _LEFT = 7.2, 3.4, 0.22, 0.8
_FREE = ("Kaplan-Meier", "Turnbull")
FEWEST = 10
"""Where fewer people than this are at risk, the estimate without a model is not drawn."""


@dataclass(frozen=True, slots=True)
class _Line:
    term: str
    time: NDArray[np.float64]
    level: NDArray[np.float64]
    far_time: NDArray[np.float64]
    far_level: NDArray[np.float64]
    free: bool
    stopped: bool = False


def parametric_figure(
    curve: pd.DataFrame,
    *,
    labels: Labels | None = None,
    analysis: str = "",
    population: str = "",
    arm: str = "",
    title: str = "",
) -> Figure:
    """Draw each model's curve over the Kaplan-Meier (or Turnbull) estimate.

    Parameters
    ----------
    curve : DataFrame
        ``result.curve()`` of a ``ParametricDuration``.
    labels : Labels, optional
    analysis, population : str
        Which to draw; the first in the frame when left out.
    arm : str
        Which arm of a trial; the first in the frame (control) when left out.
    title : str
        In place of the usual heading.

    Returns
    -------
    matplotlib.figure.Figure
        The step line stops where fewer than 10 people are at risk.

    Raises
    ------
    SpecError
        If the frame holds no curves of models.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    named = labels or Labels()
    lines, unit, about = _lines(curve, analysis, population, arm)
    last = max(float(line.time[-1]) for line in lines if not line.free)
    notes = _notes(lines, last, unit)
    below = 0.6 + _ROW * len(lines) + 0.17 * len(notes) + 0.1
    height = 0.5 + _TALL + below
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "axes.unicode_minus": True}):
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or "Still absent: models and data"
        place = named.population(about[1])
        heading += f", {place}" if not title and about[1] != "all" else ""
        heading += f" · {about[2]}" if not title and about[2] else ""
        figure.text(0.08 / _WIDTH, 1 - 0.16 / height, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        axes = figure.add_axes((_LEFT / _WIDTH, below / height, (_WIDTH - _LEFT - 0.28) / _WIDTH, _TALL / height))
        _draw(axes, lines, last, unit)
        models = [line for line in lines if not line.free]
        for row, line in enumerate(lines):
            level = (below - 0.6 - _ROW * row) / height
            colour = _INK if line.free else COLOURS[models.index(line) % len(COLOURS)][0]
            figure.add_artist(
                Line2D(
                    [_LEFT / _WIDTH, (_LEFT + 0.45) / _WIDTH],
                    [level, level],
                    color=colour,
                    linewidth=1.2 if line.free else 1.8,
                )
            )
            figure.text((_LEFT + 0.58) / _WIDTH, level, line.term.split(": ")[0], color=_INK, va="center")
        for row, note in enumerate(notes):
            level = (below - 0.6 - _ROW * len(lines) - 0.17 * row) / height
            figure.text(_LEFT / _WIDTH, level, note, color=_QUIET, fontsize=8.0, va="center")
    return figure


def parametric_alt_text(
    curve: pd.DataFrame, *, labels: Labels | None = None, analysis: str = "", population: str = "", arm: str = ""
) -> str:
    """Say in words what `parametric_figure` draws: each line at the end of follow-up, and where it is taken to."""
    lines, unit, about = _lines(curve, analysis, population, arm)
    last = max(float(line.time[-1]) for line in lines if not line.free)
    said = []
    for line in lines:
        share = decimal_text(float(line.level[-1]), 0, scale=100)
        text = f"{line.term}: {share}% still absent at {decimal_text(float(line.time[-1]), 0)} {unit}"
        if line.far_time.size:
            beyond = decimal_text(float(line.far_level[-1]), 0, scale=100)
            text += f", {beyond}% at {decimal_text(float(line.far_time[-1]), 0)} by extrapolation"
        said.append(text)
    where = (labels or Labels()).population(about[1])
    return f"Curves of the share still absent, {where}; follow-up ends at {last:g} {unit}. {'; '.join(said)}."


def _lines(
    curve: pd.DataFrame, analysis: str, population: str, arm: str
) -> tuple[list[_Line], str, tuple[str, str, str]]:
    own = curve[curve["measure"].isin(["survival", "survival_extrapolated"])]
    for name, wanted in (("analysis", analysis), ("population", population)):
        if len(own):
            own = own[own[name] == (wanted or own[name].iloc[0])]
    terms = list(dict.fromkeys(own["term"]))
    arms = list(dict.fromkeys(term.split(": ", 1)[1] for term in terms if ": " in term))
    shown = arm or (arms[0] if arms else "")
    terms = [term for term in terms if not arms or term.endswith(f": {shown}")]
    found = []
    for term in terms:
        rows = own[own["term"] == term]
        near, far = rows[rows["measure"] == "survival"], rows[rows["measure"] == "survival_extrapolated"]
        free = term.split(": ")[0] in _FREE
        risk = near["n_risk"].to_numpy()
        seen = ~(risk < FEWEST) if free else np.ones(len(near), dtype=bool)
        until = int(np.argmin(seen)) if not seen.all() and seen[0] else len(near) if seen.all() else 0
        if free and not seen[0]:
            # with delayed entry few are at risk at first: they are drawn from where there are enough
            begin = int(np.argmax(seen)) if seen.any() else len(near)
            rest = seen[begin:]
            until = begin + (int(np.argmin(rest)) if rest.size and not rest.all() else rest.size)
        else:
            begin = 0
        time, level = near["time"].to_numpy()[begin:until], near["estimate"].to_numpy()[begin:until]
        if time.size:
            found.append(
                _Line(
                    term, time, level, far["time"].to_numpy(), far["estimate"].to_numpy(), free,
                    stopped=until < len(near) or begin > 0,
                )
            )  # fmt: skip
    if not any(not line.free for line in found):
        raise SpecError("there are no curves of models to draw: add a ParametricDuration analysis to the plan")
    first = own.iloc[0]
    return found, str(first["unit"]), (str(first["analysis"]), str(first["population"]), shown)


def _notes(lines: list[_Line], last: float, unit: str) -> list[str]:
    said = []
    if any(line.far_time.size for line in lines):
        said.append(
            f"Dashed, on grey: extrapolated. Nobody was followed beyond {last:.1f} {unit}; each model speaks alone."
        )
    if any(line.stopped for line in lines):
        said.append(f"The black step line is drawn where {FEWEST} people or more are at risk.")
    if any(line.term.startswith("Turnbull") for line in lines):
        said.append("Turnbull's estimate slopes where the data do not say when it falls.")
    return [part for note in said for part in textwrap.wrap(note, 105)]


def _draw(axes: Axes, lines: list[_Line], last: float, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    begin = min(float(line.time[0]) for line in lines)
    end = max([last, *(float(line.far_time[-1]) for line in lines if line.far_time.size)])
    axes.set_xlim(begin, end)
    axes.set_ylim(0.0, 1.02)
    if end > last:
        axes.axvspan(last, end, color=_SHADE, zorder=0)
        axes.axvline(last, color=_QUIET, linewidth=1.0, zorder=1)
        axes.text(last + 0.01 * (end - begin), 0.98, "Extrapolated", color=_QUIET, fontsize=8.5, va="top")
    models = [line for line in lines if not line.free]
    for line in lines:
        if line.free:
            if line.term.startswith("Turnbull"):  # slopes where the data do not say where it falls
                axes.plot(line.time, line.level, color=_INK, linewidth=1.2, zorder=3)
            else:
                axes.step(line.time, line.level, where="post", color=_INK, linewidth=1.2, zorder=3)
            continue
        colour = COLOURS[models.index(line) % len(COLOURS)][0]
        axes.plot(line.time, line.level, color=colour, linewidth=1.8, zorder=2)
        if line.far_time.size:
            axes.plot(line.far_time, line.far_level, color=colour, linewidth=1.8, linestyle=(0, (4, 2)), zorder=2)
    axes.set_xlabel(f"{unit.capitalize()} since the first day of absence", color=_INK)
    axes.set_ylabel("Still absent", color=_INK)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{decimal_text(value, 0, scale=100)}%"))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.grid(axis="y", color=_LINE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(_LINE)
    axes.tick_params(color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
