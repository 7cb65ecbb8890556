"""Figures of EQ-5D profiles: problems by dimension before and after, and the Paretian classes of change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactkit.compute.eq5d import PARETIAN
from impactkit.errors import SpecError
from impactkit.report.evidence import effect_heading, normalise_evidence, refuse_impact_heading, weakest
from impactkit.report.frames import Record
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD
from impactkit.report.tables_eq5d import of_eq5d, sides_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["eq5d_changes", "eq5d_changes_alt_text", "eq5d_problems", "eq5d_problems_alt_text"]

_INK, _QUIET, _LINE = "#0B0C0C", "#505A5F", "#B1B4B6"
_BEFORE, _AFTER = "#8CA5C0", "#1D4F91"
_CLASS_COLOURS = {
    "no problems": "#E4E6E8",
    "no change": "#B1B4B6",
    "improved": "#1D4F91",
    "worsened": "#D4652F",
    "mixed": "#A58CC0",
}
_DARK = ("improved", "worsened")
_JOINED = "#DCD6CC"
_LEFT, _RIGHT, _PLOT, _LINE_HEIGHT = 1.75, 2.05, 3.6, 0.62


_Shares = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class _Panel:
    """One population (or arm) of one analysis: a line for each dimension."""

    title: str
    names: tuple[str, ...]
    sides: tuple[str, str]
    shares: tuple[tuple[float | None, float | None], ...]
    beside: tuple[str, ...]
    people: str
    heading: str


def eq5d_problems(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> Figure:
    """Draw the share of people with any problem on each dimension, before and after.

    Parameters
    ----------
    tidy, glance : DataFrame
        Results with ``Eq5dProfile`` analyses; a panel for each population, or for each arm of it.
    style : str or Style
        House style of the numbers.
    labels : Labels, optional
        Names of outcomes (dimensions), populations, and of arms and times as terms.
    title : str
        In place of the usual heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is nothing to draw, or the heading claims an impact.

    Notes
    -----
    Change within people has no comparison, whatever the design: the figure never says "impact". A share of one to
    nine people, with or without a problem, prints "c".
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, words = get_style(style), labels or Labels()
    panels, evidence = _panels(tidy, glance, chosen, words)
    refuse_impact_heading(title, "before-after only")
    heights = [0.55 + _LINE_HEIGHT * len(panel.names) for panel in panels]
    height, width = 0.5 + sum(heights) + 0.25 * len(heights), _LEFT + _PLOT + _RIGHT
    if any(None in pair for panel in panels for pair in panel.shares):
        height += 0.2
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        figure.text(
            0.1 / width, 1 - 0.12 / height, title or "People with problems, by dimension of the EQ-5D",
            fontsize=11.5, fontweight="bold", color=_INK, va="top",
        )  # fmt: skip
        figure.text(0.1 / width, 1 - 0.38 / height, evidence, fontsize=8.5, color=_QUIET, va="top")
        top = height - 0.65
        for panel, tall in zip(panels, heights, strict=True):
            inside = _LINE_HEIGHT * len(panel.names)
            axes = figure.add_axes((_LEFT / width, (top - 0.35 - inside) / height, _PLOT / width, inside / height))
            _draw(axes, panel, chosen)
            top -= tall + 0.25
        if any(None in pair for panel in panels for pair in panel.shares):
            figure.text(0.1 / width, 0.1 / height, chosen.suppressed_meaning, fontsize=8, color=_QUIET)
    return figure


def eq5d_problems_alt_text(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> str:
    """Say in words what `eq5d_problems` draws."""
    chosen = get_style(style)
    panels, evidence = _panels(tidy, glance, chosen, labels or Labels())
    parts = [f"{title or 'People with problems, by dimension of the EQ-5D'}. {evidence}"]
    for panel in panels:
        lines = [
            f"{name} {_percent(first, chosen)} at {panel.sides[0]}, {_percent(second, chosen)} at {panel.sides[1]}"
            for name, (first, second) in zip(panel.names, panel.shares, strict=True)
        ]
        parts.append(f"{panel.title} ({panel.people}): {'; '.join(lines)}.")
    return " ".join(parts)


def eq5d_changes(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> Figure:
    """Draw the Paretian classes of change as one stacked bar for each population, or each arm of it.

    Parameters
    ----------
    tidy, glance : DataFrame
        Results with ``Eq5dProfile`` analyses.
    style : str or Style
    labels : Labels, optional
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecError
        If there is nothing to draw, or the heading claims an impact.

    Notes
    -----
    Classes of one to nine people are drawn together with the next smallest class, hatched.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, words = get_style(style), labels or Labels()
    bars, evidence = _bars(tidy, glance, words)
    refuse_impact_heading(title, "before-after only")
    left, plot = 2.1, 5.2
    withheld = any(not shares for _, shares in bars)
    together = list(dict.fromkeys(name for _, shares in bars for name, _ in shares if " or " in name))
    below = 0.2 * (len(together) + withheld)
    height, width = 1.2 + 0.42 * len(bars) + below, left + plot + 0.2
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.0}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        heading = title or "How health changed: Paretian classification of the EQ-5D"
        figure.text(0.1 / width, 1 - 0.12 / height, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        figure.text(0.1 / width, 1 - 0.38 / height, evidence, fontsize=8.5, color=_QUIET, va="top")
        axes = figure.add_axes((left / width, (0.12 + below) / height, plot / width, 0.42 * len(bars) / height))
        _plain(axes)
        axes.set(xlim=(0, 1), ylim=(len(bars) - 0.5, -0.5), xticks=[])
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        for place, (_, shares) in enumerate(bars):
            if not shares:
                axes.text(0.01, place, chosen.suppressed, va="center", color=_QUIET)
                continue
            start = 0.0
            for name, share in shares:
                joined = " or " in name
                colour = _JOINED if joined else _CLASS_COLOURS[name]
                hatch = "///" if joined else None
                axes.barh(place, share, left=start, height=0.68, color=colour, edgecolor="white", hatch=hatch)
                if share >= 0.045:
                    ink = "white" if name in _DARK else _INK
                    behind = {"boxstyle": "round,pad=0.15", "fc": _JOINED, "ec": "none"} if joined else None
                    middle, shown = start + share / 2, _percent(share, chosen)
                    axes.text(middle, place, shown, ha="center", va="center", color=ink, bbox=behind)
                start += share
        across = left
        for name in [part for part in PARETIAN if any(part == own for _, shares in bars for own, _ in shares)]:
            y = 1 - 0.78 / height
            figure.text(across / width, y, "■", color=_CLASS_COLOURS[name], va="center", fontsize=11)
            figure.text((across + 0.16) / width, y, name, color=_INK, va="center", fontsize=8.5)
            across += 0.35 + 0.075 * len(name)
        said = [f"hatched: {name} (too few to show apart)" for name in together]
        said += [chosen.suppressed_meaning] if withheld else []
        for place, line in enumerate(reversed(said)):
            figure.text(0.1 / width, (0.1 + 0.2 * place) / height, line, fontsize=8, color=_QUIET)
    return figure


def eq5d_changes_alt_text(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
) -> str:
    """Say in words what `eq5d_changes` draws."""
    chosen = get_style(style)
    bars, evidence = _bars(tidy, glance, labels or Labels())
    parts = [f"{title or 'How health changed: Paretian classification of the EQ-5D'}. {evidence}"]
    for name, shares in bars:
        if not shares:
            parts.append(f"{name}: withheld, fewer than {THRESHOLD} people.")
        else:
            parts.append(f"{name}: {', '.join(f'{part} {_percent(share, chosen)}' for part, share in shares)}.")
    return " ".join(parts)


def _panels(tidy: pd.DataFrame, glance: pd.DataFrame, style: Style, words: Labels) -> tuple[list[_Panel], str]:
    rows, looks = of_eq5d(tidy, glance)
    dimensions = [row for row in rows if _is_dimension(row, rows)]
    found: list[_Panel] = []
    several = len({row["analysis"] for row in rows}) > 1
    levels = {look.get("conf_level") for look in looks}
    known = next(iter(levels)) if len(levels) == 1 else None
    level = "" if known is None or is_missing(known) else f"{decimal_text(float(known), 0, scale=100)}% "
    for analysis, population in dict.fromkeys((row["analysis"], row["population"]) for row in dimensions):
        own = [row for row in dimensions if row["analysis"] == analysis and row["population"] == population]
        by_outcome = {name: [row for row in own if row["outcome"] == name] for name in _order(own)}
        arms = list(sides_of(next(iter(by_outcome.values()))))
        for arm in arms:
            pairs = {name: sides_of(part)[arm] for name, part in by_outcome.items()}
            first, second = next(iter(pairs.values()))
            title = words.population(population) + (f": {_arm(arm, words)}" if arm else "")
            changes = ["" if arm else _change(part, style) for part in by_outcome.values()]
            n = first["n"]
            found.append(
                _Panel(
                    f"{words.analysis(analysis)}, {title}" if several else title,
                    tuple(_capital(words.outcome(name)) for name in pairs),
                    (_time(first, words), _time(second, words)),
                    tuple((_shown(before), _shown(after)) for before, after in pairs.values()),
                    tuple(changes),
                    "number of people not given" if is_missing(n) else f"{style.count(n)} people",
                    f"Change (ppt, {level}interval)",
                )
            )
    if not found:
        raise SpecError("there is nothing to draw: no dimension of the EQ-5D is in these rows")
    return found, _evidence(looks)


def _bars(tidy: pd.DataFrame, glance: pd.DataFrame, words: Labels) -> tuple[list[tuple[str, _Shares]], str]:
    rows, looks = of_eq5d(tidy, glance)
    several = len({row["analysis"] for row in rows}) > 1
    bars: dict[tuple[str, str, str], dict[str, Record]] = {}
    for row in rows:
        name, _, arm = str(row["term"]).partition(": ")
        if name in PARETIAN and row["measure"] == "proportion":
            bars.setdefault((row["analysis"], row["population"], arm), {})[name] = row
    found: list[tuple[str, _Shares]] = []
    for (analysis, population, arm), part in bars.items():
        head = words.population(population) + (f": {_arm(arm, words)}" if arm else "")
        found.append((f"{words.analysis(analysis)}, {head}" if several else head, _together(part)))
    return found, _evidence(looks)


def _together(part: dict[str, Record]) -> _Shares:
    """Give the share of each class in order, classes of fewer than ten people joined with the next smallest."""
    n = next(iter(part.values()))["n"]
    if isinstance(n, str) or is_missing(n) or float(n) < THRESHOLD:
        return []
    shares = {name: part[name]["estimate"] for name in PARETIAN}
    if any(isinstance(share, str) or is_missing(share) for share in shares.values()):
        return []
    counts = {name: float(share) * float(n) for name, share in shares.items()}
    left = sorted((name for name in PARETIAN if counts[name] >= 0.5), key=lambda name: counts[name])
    joined: list[str] = []
    while left and (counts[left[0]] < THRESHOLD - 0.5 or 0 < sum(counts[name] for name in joined) < THRESHOLD - 0.5):
        joined.append(left.pop(0))
    if len(joined) == 1 and left:
        joined.append(left.pop(0))
    drawn = [(name, float(shares[name])) for name in PARETIAN if name in left]
    if joined:
        names = [name for name in PARETIAN if name in joined]
        drawn.append((" or ".join(names), sum(float(shares[name]) for name in names)))
    return drawn


def _evidence(looks: list[Record]) -> str:
    label = weakest(look.get("evidence") for look in looks)
    if normalise_evidence(label) == "randomised":
        return "Change within each arm; only the difference between arms is the programme's doing."
    return f"{effect_heading('before-after only')}."


def _is_dimension(row: Record, rows: list[Record]) -> bool:
    if str(row["unit"]) != "proportion":
        return False
    own = (other for other in rows if other["outcome"] == row["outcome"] and other["analysis"] == row["analysis"])
    return not any(str(other["term"]).partition(": ")[0] in PARETIAN for other in own)


def _order(rows: list[Record]) -> list[str]:
    return list(dict.fromkeys(str(row["outcome"]) for row in rows))


def _time(row: Record, words: Labels) -> str:
    term = str(row["term"]).partition(": ")[0]
    shown = words.term(term)
    return term if shown.lower() == term.lower() else shown


def _arm(arm: str, words: Labels) -> str:
    shown = words.term(arm)
    return arm if shown.lower() == arm.lower() else shown


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shown(row: Record) -> float | None:
    """Give a share, or None where it rests on one to nine people, or on all but that many."""
    share, n = row["estimate"], row["n"]
    if isinstance(share, str) or is_missing(share) or is_missing(n) or isinstance(n, str):
        return None
    counts = (float(share) * float(n), (1.0 - float(share)) * float(n))
    if float(n) < THRESHOLD or any(0.5 <= count < THRESHOLD - 0.5 for count in counts):
        return None
    return float(share)


def _change(part: list[Record], style: Style) -> str:
    row = next(row for row in part if row["measure"] == "change")
    if (
        isinstance(row["estimate"], str)
        or is_missing(row["estimate"])
        or any(_shown(side) is None for side in sides_of(part)[""])
    ):
        return ""
    shown = style.number(row["estimate"], row["unit"], "change")
    once = [side for side in part if side["measure"] == "proportion" and str(side["term"]).endswith(" only")]
    if is_missing(row["conf_low"]) or any(_shown(side) is None for side in once):
        return shown  # the width of the interval would give away how many changed each way
    return f"{shown} ({style.interval(row['conf_low'], row['conf_high'], row['unit'], 'change')})"


def _percent(share: float | None, style: Style) -> str:
    return style.suppressed if share is None else f"{decimal_text(share, 0, scale=100)}%"


def _plain(axes: Axes) -> None:
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=_INK)


def _draw(axes: Axes, panel: _Panel, style: Style) -> None:
    _plain(axes)
    axes.spines["left"].set_visible(True)
    axes.spines["left"].set_color(_LINE)
    axes.set(xlim=(0, 1.1), ylim=(len(panel.names) - 0.5, -0.5), xticks=[])
    axes.set_yticks(range(len(panel.names)), list(panel.names))
    for place, pair in enumerate(panel.shares):
        for shift, share, colour in zip((-0.19, 0.19), pair, (_BEFORE, _AFTER), strict=True):
            if share is not None:
                axes.barh(place + shift, share, height=0.34, color=colour)
            axes.text(
                (share or 0.0) + 0.015, place + shift, _percent(share, style), va="center", fontsize=8.5, color=_INK
            )
        axes.text(1.16, place, panel.beside[place], va="center", fontsize=8.5, color=_INK, clip_on=False)
    top = -0.72
    axes.text(-0.02, top, panel.title, ha="right", va="center", fontweight="bold", color=_INK)
    for across, name, colour in ((0.0, panel.sides[0], _BEFORE), (0.28, panel.sides[1], _AFTER)):
        axes.text(across, top, "■", color=colour, va="center", fontsize=11)
        axes.text(across + 0.05, top, name, va="center", fontsize=8.5, color=_INK)
    axes.text(0.62, top, panel.people, va="center", fontsize=8.5, color=_QUIET)
    if any(panel.beside):
        axes.text(1.16, top, panel.heading, va="center", fontsize=8.5, color=_QUIET, clip_on=False)
