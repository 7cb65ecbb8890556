"""How absence ends: stacked cumulative incidence of each exit, one panel for each group, with numbers at risk."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.survival.competing import reading_times
from impactkit.errors import SpecError
from impactkit.report.evidence import refuse_impact_heading, weakest
from impactkit.report.figures import COLOURS
from impactkit.report.frames import records
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["incidence", "incidence_alt_text"]

_INK, _QUIET, _LINE, _ABSENT = "#0B0C0C", "#505A5F", "#B1B4B6", "#E4E6E8"
_HATCHES = ("", "///", "...", "xxx", "---", "+++")
_PANEL, _NAMES, _TALL, _LEFT = 2.75, 1.35, 2.6, 0.62
_APART = 0.075
_STILL, _TOGETHER, _REST = "still absent", "other exits", "still absent or other exit"


@dataclass(frozen=True, slots=True)
class _Panel:
    """One group: its exits from the bottom up, on shared times."""

    title: str
    unit: str
    exits: tuple[str, ...]
    time: NDArray[np.float64]
    shares: NDArray[np.float64]
    at_risk: NDArray[np.float64]
    shown: NDArray[np.bool_]
    top: str

    @property
    def end(self) -> float:
        """The last time drawn."""
        return float(self.time[self.shown][-1])

    @property
    def ends(self) -> list[tuple[str, float]]:
        """Share of each exit, and of those still absent, where the drawing ends."""
        last = self.shares[:, self.shown][:, -1]
        named = [(name, float(share)) for name, share in zip(self.exits, last, strict=True)]
        return [*named, (self.top, 1.0 - float(last.sum()))]


def incidence(
    curve: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> Figure:
    """Draw how absence ended: back at work, other exits, still absent, stacked to 100%.

    Parameters
    ----------
    curve : DataFrame
        From ``result.curve()``; curves of measure "cumulative_incidence" of one analysis are drawn, one panel for
        each population and group.
    glance : DataFrame, optional
        For the strength of evidence. A title that says "impact" over weaker evidence is refused.
    style : str or Style
        House style of the numbers.
    labels : Labels, optional
        Names of populations, and of exits and groups as terms.
    title : str
        In place of the usual heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is nothing to draw, several analyses, or a heading that claims too much.

    Notes
    -----
    An area is drawn only where at least ten people are under observation; smaller numbers at risk print "c". An exit of
    one to nine people is drawn together with other exits, or with those still absent.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, panels = get_style(style), _panels(curve, labels or Labels())
    if glance is not None:
        refuse_impact_heading(title, weakest(row.get("evidence") for row in records(glance)))
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    each, width = _TALL + 1.35, across * (_LEFT + _PANEL + _NAMES) + 0.15
    notes = _footnotes(panels)
    height = 0.5 + down * each + 0.2 * len(notes) + 0.1
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0, "hatch.linewidth": 0.6}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or "How absence ended"
        figure.text(0.08 / width, 1 - 0.15 / height, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        for place, panel in enumerate(panels):
            line, column = divmod(place, across)
            left = column * (_LEFT + _PANEL + _NAMES) + _LEFT
            bottom = height - 0.5 - line * each - 0.3 - _TALL
            axes = figure.add_axes((left / width, bottom / height, _PANEL / width, _TALL / height))
            _draw(axes, panel, chosen)
        for place, words in enumerate(reversed(notes)):
            figure.text(0.08 / width, (0.12 + 0.2 * place) / height, words, color=_QUIET, fontsize=8)
    return figure


def incidence_alt_text(
    curve: pd.DataFrame, style: str | Style = "plain", *, labels: Labels | None = None, title: str = ""
) -> str:
    """Say in words what `incidence` draws: the shares where each panel ends.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"analysis": "a", "outcome": "exit", "population": "all", "term": ["work", "work"],
    ...                       "measure": "cumulative_incidence", "unit": "weeks", "time": [0.0, 26.0],
    ...                       "estimate": [0.0, 0.6], "n_risk": [40.0, 12.0], "n_events": [0.0, 24.0]})
    >>> incidence_alt_text(frame)
    'How absence ended, shares of people. Everyone at 26 weeks: work 60%, still absent 40%.'
    """
    get_style(style)
    parts = []
    for panel in _panels(curve, labels or Labels()):
        if not panel.shown.any():
            parts.append(f"{panel.title}: withheld, fewer than {THRESHOLD} people")
            continue
        shares = ", ".join(f"{name} {decimal_text(share, 0, scale=100)}%" for name, share in panel.ends)
        parts.append(f"{panel.title} at {panel.end:.6g} {panel.unit}: {shares}")
    return f"{title or 'How absence ended'}, shares of people. {'; '.join(parts)}."


def _panels(curve: pd.DataFrame, labels: Labels) -> list[_Panel]:
    own = curve[curve["measure"] == "cumulative_incidence"]
    if own.empty:
        raise SpecError("there is nothing to draw: add a CompetingExits analysis, whose curves these are")
    analyses = list(dict.fromkeys(own["analysis"]))
    if len(analyses) > 1:
        raise SpecError(f"curves of {', '.join(analyses)} do not share a figure: choose one analysis")
    populations = list(dict.fromkeys(own["population"]))
    panels = []
    for population in populations:
        part = own[own["population"] == population]
        terms = [str(term) for term in dict.fromkeys(part["term"])]
        groups = list(dict.fromkeys(_split(term)[0] for term in terms))
        for group in groups:
            named = [term for term in terms if _split(term)[0] == group]
            frames = [part[part["term"] == term] for term in named]
            words = [labels.population(population)] if len(populations) > 1 or not group else []
            exits = [dict(labels.terms).get(_split(term)[1], _split(term)[1]) for term in named]
            panels.append(_panel(" · ".join([*words, *([labels.term(group)] if group else [])]), exits, frames))
    return panels


def _panel(title: str, exits: Sequence[str], frames: Sequence[pd.DataFrame]) -> _Panel:
    """Lay out one group; an exit of one to nine people joins others, or those still absent if that is not enough."""
    first = frames[0]
    at_risk = first["n_risk"].to_numpy(float)
    shown = _enough(at_risk)
    shares = [frame["estimate"].to_numpy(float) for frame in frames]
    last = int(np.flatnonzero(shown)[-1]) if shown.any() else -1
    counts = [float(frame["n_events"].to_numpy(float)[last]) for frame in frames]
    small = [place for place in range(1, len(exits)) if 0 < counts[place] < THRESHOLD]
    if 0 < counts[0] < THRESHOLD:
        shown = np.zeros_like(shown)
    kept = [place for place in range(len(exits)) if place not in small and (place == 0 or counts[place] > 0)]
    names, areas, top = [exits[place] for place in kept], [shares[place] for place in kept], _STILL
    together = sum(counts[place] for place in small)
    while small and together < THRESHOLD and len(kept) > 2:
        spare = min(kept[1:], key=lambda place: counts[place])
        small, together = [*small, spare], together + counts[spare]
        kept.remove(spare)
        names, areas = [exits[place] for place in kept], [shares[place] for place in kept]
    if small and together >= THRESHOLD:
        names.append(_TOGETHER)
        areas.append(np.sum([shares[place] for place in small], axis=0))
    elif small:
        top = _REST
    return _Panel(
        title,
        str(first["unit"].iloc[0]),
        tuple(names),
        first["time"].to_numpy(float),
        np.stack(areas),
        at_risk,
        shown,
        top,
    )


def _split(term: str) -> tuple[str, str]:
    """Split a term into its group and its exit."""
    group, colon, name = term.rpartition(": ")
    return (group, name) if colon else ("", term)


def _enough(at_risk: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the stretch between the first and the last time at which enough people are under observation."""
    shown = np.zeros(at_risk.size, dtype=bool)
    many = np.flatnonzero(at_risk >= THRESHOLD)
    if many.size:
        shown[many[0] : many[-1] + 1] = True
    return shown


def _footnotes(panels: Sequence[_Panel]) -> list[str]:
    notes = ["Shares of people (Aalen-Johansen). Those still absent when last seen count as absent only until then."]
    if any(not panel.shown.all() for panel in panels):
        notes.append(f"Areas are drawn where at least {THRESHOLD} people are under observation; c : fewer.")
    if any(_TOGETHER in panel.exits or panel.top == _REST for panel in panels):
        notes.append(f"Exits of fewer than {THRESHOLD} people are not shown apart.")
    return notes


def _draw(axes: Axes, panel: _Panel, style: Style) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    last = float(panel.time[-1])
    axes.set_xlim(0.0, last)
    axes.set_ylim(0.0, 1.0)
    axes.set_title(textwrap.shorten(panel.title, 44, placeholder="…"), loc="left", fontsize=9.5, color=_INK)
    ticks = reading_times(last)
    if panel.shown.any():
        _areas(axes, panel)
        _names(axes, panel, last)
    else:
        axes.text(0.5 * last, 0.5, f"c : fewer than {THRESHOLD} people", ha="center", color=_QUIET)
    axes.set_xticks(ticks)
    axes.set_xlabel(f"Time, {panel.unit}", color=_INK, labelpad=1)
    axes.yaxis.set_major_locator(MultipleLocator(0.25))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{decimal_text(value, 0, scale=100)}%"))
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(_LINE)
    axes.tick_params(color=_LINE, labelcolor=_QUIET, labelsize=8.5, length=3)
    axes.annotate(
        "Under observation",
        (0, 0),
        xycoords="axes fraction",
        xytext=(-_LEFT * 72 + 6, -40),
        textcoords="offset points",
        color=_QUIET,
        fontsize=8,
    )
    for tick in ticks:
        found = np.flatnonzero(np.isclose(panel.time, tick))
        number = float(panel.at_risk[found[0]]) if found.size else np.nan
        words = style.suppressed if 0 < number < THRESHOLD else "–" if np.isnan(number) else style.count(round(number))
        axes.annotate(
            words,
            (tick, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -52),
            textcoords="offset points",
            color=_INK,
            fontsize=8,
            ha="center",
        )


def _areas(axes: Axes, panel: _Panel) -> None:
    time, shares = panel.time[panel.shown], panel.shares[:, panel.shown]
    bottom = np.zeros(time.size)
    for place, share in enumerate(shares):
        top = bottom + share
        colour, hatch = COLOURS[place % len(COLOURS)][0], _HATCHES[place % len(_HATCHES)]
        axes.fill_between(
            time, bottom, top, step="post", facecolor=colour, edgecolor="white", linewidth=0.0, hatch=hatch, zorder=2
        )
        axes.plot(time, top, drawstyle="steps-post", color="white", linewidth=1.0, zorder=3)
        bottom = top
    axes.fill_between(time, bottom, 1.0, step="post", facecolor=_ABSENT, linewidth=0.0, zorder=1)


def _names(axes: Axes, panel: _Panel, last: float) -> None:
    """Name each area beside its right-hand end, apart enough to read, in the area's own colour."""
    axes.annotate(
        f"at {panel.end:.4g} {panel.unit}",
        (1.045, 1.0),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        color=_QUIET,
        fontsize=8,
    )
    centres, low = [], 0.0
    for _, share in panel.ends:
        centres.append(low + share / 2)
        low += share
    wanted = np.array(centres)
    places = wanted.copy()
    for place in range(1, places.size):
        places[place] = max(places[place], places[place - 1] + _APART)
    over = max(0.0, float(places[-1]) - 0.99)
    places[-1] -= over
    for place in range(places.size - 2, -1, -1):
        places[place] = min(places[place], places[place + 1] - _APART)
    for place, ((name, share), height) in enumerate(zip(panel.ends, places, strict=True)):
        absent = place == len(panel.exits)
        colour = _QUIET if absent else COLOURS[place % len(COLOURS)][0]
        axes.plot(
            [panel.end, last * 1.02],
            [wanted[place], height],
            color=colour,
            linewidth=0.8,
            clip_on=False,
            zorder=4,
        )
        words = "\n".join(
            textwrap.wrap(f"{name} {decimal_text(share, 0, scale=100)}%", 20, max_lines=2, placeholder="…")
        )
        axes.text(last * 1.045, height, words, color=_INK, fontsize=8.5, va="center", linespacing=0.95)
        axes.plot([last * 1.02], [height], marker="s", markersize=4, color=colour, clip_on=False, zorder=5)
