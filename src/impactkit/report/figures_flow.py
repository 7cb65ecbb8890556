"""The flow of participants as a CONSORT diagram: boxes and arrows, one column for each arm."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.labels import Labels, readable
from impactkit.report.participants import Counted, FlowPart, flow_parts
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["flow_alt_text", "flow_diagram"]

_INK, _QUIET, _EDGE, _STAGE = "#0B0C0C", "#505A5F", "#12436D", "#12436D"
_LINE, _PAD, _GAP, _MARGIN, _BAND, _BETWEEN = 0.165, 0.09, 0.34, 0.12, 0.3, 0.28
_WIDTHS = {1: 4.2, 2: 3.3, 3: 2.75, 4: 2.35}
_SIZE = 8.5
_LOWEST = 0.82  # the name of its stage fits beside it
_CHARACTERS = 13.6  # that fit an inch at this size, bold ones included
_LOSSES = {
    "weight zero": "weight zero",
    "covariates missing": "covariates missing",
    "in strata with one arm only": "in strata with one arm only",
}


@dataclass(frozen=True, slots=True)
class _Text:
    words: str
    indent: int = 0
    bold: bool = False


Lines = list[_Text]


def flow_diagram(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    population: str = "",
    title: str = "",
    threshold: int = THRESHOLD,
) -> Figure:
    """Draw the flow of one population.

    Parameters
    ----------
    tidy : DataFrame
        Of one flow, with no count withheld; counts under ten print "c", zeros do not.
    glance : DataFrame, optional
        Of the whole evaluation, after `disclose`.
    style : str or Style
        House style.
    labels : Labels, optional
        Display names.
    population : str
        Which one; the first when left out.
    title : str
        Heading.
    threshold : int
        Counts under it are withheld; 0 shows all.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen, words = get_style(style), labels or Labels()
    part, several = _chosen(flow_parts(tidy, glance, threshold=threshold), population)
    arms = (*part.arms[1:], part.arms[0])
    wide = _WIDTHS.get(len(arms), 2.2)
    area = len(arms) * wide + (len(arms) - 1) * _BETWEEN
    left = _MARGIN + _BAND + 0.12
    figure_width = left + area + _MARGIN

    rows: list[tuple[str, list[Lines]]] = [("Allocation", [_allocation(part, arm, words, chosen) for arm in arms])]
    if part.outcomes:
        rows.append(("Follow-up", [_follow_up(part, arm, words, chosen) for arm in arms]))
    if any(part.analyses(outcome) for outcome in part.outcomes):
        rows.append(("Analysis", [_analysis(part, arm, words, chosen) for arm in arms]))
    start, aside, chosen_people = _enrolment(part, words, chosen)

    head = 0.42
    core = min(3.2, area * 0.5)
    side_left = left + area / 2 + 0.4
    side_wide = left + area - side_left
    tall = {
        "start": _height(start, core),
        "aside": _height(aside, side_wide) if aside else 0.0,
        "randomised": _height(chosen_people, core),
    }
    middle = max(_GAP, tall["aside"] + 0.3) if aside else _GAP
    heights = [max(_LOWEST, *(_height(lines, wide) for lines in boxes)) for _, boxes in rows]
    total = head + tall["start"] + middle + tall["randomised"] + sum(heights) + 0.5 + _GAP * (len(rows) - 1) + 0.3
    hidden = bool(part.hidden)
    total += 0.2 if hidden else 0.0

    with rc_context({"font.family": "DejaVu Sans", "font.size": _SIZE}):
        figure = Figure(figsize=(figure_width, total), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, figure_width)
        axes.set_ylim(total, 0)
        axes.axis("off")
        heading = title or "Flow of participants"
        if several and not title:
            heading += f": {words.population(part.population)}"
        axes.text(_MARGIN, 0.14, heading, fontsize=11.5, fontweight="bold", color=_INK, va="top")
        centre = left + area / 2
        top = head
        _stage(axes, "Enrolment", top, top + tall["start"] + middle + tall["randomised"])
        _box(axes, start, centre - core / 2, top, core, tall["start"])
        low = top + tall["start"] + middle
        _arrow(axes, (centre, top + tall["start"]), (centre, low))
        if aside:
            level = top + tall["start"] + middle / 2
            _box(axes, aside, side_left, level - tall["aside"] / 2, side_wide, tall["aside"])
            _arrow(axes, (centre, level), (side_left, level))
        _box(axes, chosen_people, centre - core / 2, low, core, tall["randomised"])
        bottom = low + tall["randomised"]
        middles = [left + place * (wide + _BETWEEN) + wide / 2 for place in range(len(arms))]
        top = bottom + 0.5
        axes.plot([centre, centre], [bottom, bottom + 0.22], color=_EDGE, linewidth=1.1)
        axes.plot([middles[0], middles[-1]], [bottom + 0.22] * 2, color=_EDGE, linewidth=1.1)
        for place in middles:
            _arrow(axes, (place, bottom + 0.22), (place, top))
        for number, ((stage, boxes), height) in enumerate(zip(rows, heights, strict=True)):
            _stage(axes, stage, top, top + height)
            for place, lines in zip(middles, boxes, strict=True):
                _box(axes, lines, place - wide / 2, top, wide, height)
                if number < len(rows) - 1:
                    _arrow(axes, (place, top + height), (place, top + height + _GAP))
            top += height + _GAP
        if hidden:
            axes.text(_MARGIN, total - 0.1, chosen.suppressed_meaning, fontsize=7.5, color=_QUIET, va="bottom")
    return figure


def flow_alt_text(
    tidy: pd.DataFrame,
    glance: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    population: str = "",
    threshold: int = THRESHOLD,
) -> str:
    """Say in words what `flow_diagram` draws."""
    chosen, words = get_style(style), labels or Labels()
    part, several = _chosen(flow_parts(tidy, glance, threshold=threshold), population)
    where = f", {words.population(part.population)}" if several else ""
    said = [f"Flow of participants{where}."]
    start, aside, people = _enrolment(part, words, chosen)
    said += [_spoken(lines) for lines in (start, aside, people) if lines]
    for arm in (*part.arms[1:], part.arms[0]):
        said.append(_spoken(_allocation(part, arm, words, chosen)))
        said.append(f"Follow-up, {words.term(arm)}: {_spoken(_follow_up(part, arm, words, chosen))}")
        ends = _analysis(part, arm, words, chosen)
        if ends:
            said.append(f"Analysis, {words.term(arm)}: {_spoken(ends)}")
    return " ".join(text for text in said if text)


def _spoken(lines: Lines) -> str:
    return "; ".join(line.words.rstrip(":") for line in lines) + "." if lines else ""


def _chosen(parts: tuple[FlowPart, ...], population: str) -> tuple[FlowPart, bool]:
    for part in parts:
        if not population or part.population == population:
            return part, len(parts) > 1
    raise SpecError(f'the flow has no population "{population}"; it has {", ".join(part.population for part in parts)}')


# --- what the boxes say ---------------------------------------------------------------------------------


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _n(value: Any, style: Style) -> str:
    return f"(n = {style.count(value)})"


def _enrolment(part: FlowPart, words: Labels, style: Style) -> tuple[Lines, Lines, Lines]:
    verb, assessed, gone = part.verb, Counted("", "assessed"), Counted("", f"not {part.verb}")
    aside: Lines = []
    if part.has(assessed):
        start = [_Text(f"Assessed for eligibility {_n(part.value(assessed), style)}", bold=True)]
        aside.append(_Text(f"Not {verb} {_n(part.value(gone), style)}", bold=True))
        for reason in part.reasons("", gone.step):
            aside.append(_Text(f"{_capital(reason)} {_n(part.value(Counted('', gone.step, reason)), style)}", 1))
    else:
        start = [_Text("Assessed for eligibility", bold=True), _Text("Number not given")]
    people = [_Text(f"{verb[:1].upper()}{verb[1:]} {_n(part.value(Counted('', verb)), style)}", bold=True)]
    others = Counted("", "in arms left out")
    if part.has(others):
        people.append(_Text(f"In arms not compared here {_n(part.value(others), style)}"))
    return start, aside, people


def _allocation(part: FlowPart, arm: str, words: Labels, style: Style) -> Lines:
    lead = "Allocated to" if part.verb == "randomised" else "In group"
    lines = [_Text(f"{lead} {words.term(arm)} {_n(part.value(Counted('', part.verb), arm), style)}", bold=True)]
    got, missed = Counted("", "received"), Counted("", "did not receive")
    if part.has(got):
        control = arm == part.arms[0]
        lines.append(_Text(f"Received it{' all the same' if control else ''} {_n(part.value(got, arm), style)}"))
        if not control or part.counts[got, arm]:
            lines.append(_Text(f"Did not receive it {_n(part.value(missed, arm), style)}"))
            lines += _given(part, "", "did not receive", arm, style)
        unknown = Counted("", "receipt not known")
        if part.has(unknown):
            lines.append(_Text(f"Receipt not known {_n(part.value(unknown, arm), style)}"))
    for what in dict.fromkeys(what for what, _ in part.counts if what.step.startswith("attended ")):
        name = readable(what.step.removeprefix("attended "))
        lines.append(_Text(f"Attended {name} {_n(part.value(what, arm), style)}"))
    return lines


def _given(part: FlowPart, outcome: str, step: str, arm: str, style: Style) -> Lines:
    found = []
    for reason in part.reasons(outcome, step):
        what = Counted(outcome, step, reason)
        if part.counts.get((what, arm)):
            found.append(_Text(f"{_capital(reason)} {_n(part.value(what, arm), style)}", 1))
    return found


def _follow_up(part: FlowPart, arm: str, words: Labels, style: Style) -> Lines:
    lines: Lines = []
    several = len(part.outcomes) > 1
    for outcome in part.outcomes:
        if several:
            lines.append(_Text(f"{_capital(words.outcome(outcome))}:", bold=True))
        deep = 1 if several else 0
        lines.append(
            _Text(f"Outcome known {_n(part.value(Counted(outcome, 'followed up'), arm), style)}", deep, not several)
        )
        lines.append(_Text(f"Outcome not known {_n(part.value(Counted(outcome, 'lost'), arm), style)}", deep))
        lines += [_Text(line.words, line.indent + deep) for line in _given(part, outcome, "lost", arm, style)]
        barred = Counted(outcome, "not eligible")
        if part.has(barred):
            lines.append(_Text(f"Cannot have it {_n(part.value(barred, arm), style)}", deep))
    return lines


def _analysis(part: FlowPart, arm: str, words: Labels, style: Style) -> Lines:
    lines: Lines = []
    several = len(part.outcomes) > 1
    for outcome in part.outcomes:
        if several and part.analyses(outcome):
            lines.append(_Text(f"{_capital(words.outcome(outcome))}:", bold=True))
        deep = 1 if several else 0
        seen: dict[tuple[str, ...], list[str]] = {}
        for analysis in part.analyses(outcome):
            seen.setdefault(tuple(line.words for line in _ends(part, outcome, analysis, arm, style)), []).append(
                analysis
            )
        for names in seen.values():
            ends = _ends(part, outcome, names[0], arm, style)
            for place, line in enumerate(ends):
                who = f", {', '.join(words.analysis(name) for name in names)}" if not place and len(seen) > 1 else ""
                text = line.words.replace("Analysed", f"Analysed{who}", 1) if who else line.words
                lines.append(_Text(text, line.indent + deep, line.bold and not several))
    return lines


def _ends(part: FlowPart, outcome: str, analysis: str, arm: str, style: Style) -> Lines:
    what = Counted(outcome, "analysed", analysis=analysis)
    lines = [_Text(f"Analysed {_n(part.value(what, arm), style)}", bold=True)]
    for step, text in _LOSSES.items():
        lost = Counted(outcome, step, analysis=analysis)
        if part.has(lost):
            lines.append(_Text(f"Left out, {text} {_n(part.value(lost, arm), style)}", 1))
    return lines


# --- drawing --------------------------------------------------------------------------------------------


def _wrapped(lines: Lines, wide: float) -> list[tuple[str, int, bool]]:
    found = []
    for line in lines:
        room = int((wide - 2 * _PAD - 0.14 * line.indent) * _CHARACTERS * (0.92 if line.bold else 1.0))
        whole = line.words.replace("(n = ", "(n\u00a0=\u00a0")
        for place, text in enumerate(textwrap.wrap(whole, max(room, 12)) or [""]):
            mark = "• " if line.indent and not place else "   " if line.indent else ""
            found.append((mark + text, line.indent, line.bold))
    return found


def _height(lines: Lines, wide: float) -> float:
    return len(_wrapped(lines, wide)) * _LINE + 2 * _PAD


def _box(axes: Axes, lines: Lines, left: float, top: float, wide: float, tall: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, top), wide, tall, facecolor="white", edgecolor=_EDGE, linewidth=1.1, zorder=3))
    for place, (text, indent, bold) in enumerate(_wrapped(lines, wide)):
        axes.text(
            left + _PAD + 0.14 * max(indent - 1, 0), top + _PAD + (place + 0.5) * _LINE, text, va="center", color=_INK,
            fontsize=_SIZE, fontweight="bold" if bold else "normal", zorder=4,
        )  # fmt: skip


def _stage(axes: Axes, name: str, top: float, bottom: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((_MARGIN, top), _BAND, bottom - top, facecolor=_STAGE, edgecolor="none", zorder=3))
    axes.text(
        _MARGIN + _BAND / 2, (top + bottom) / 2, name, rotation=90, ha="center", va="center", color="white",
        fontsize=_SIZE, fontweight="bold", zorder=4,
    )  # fmt: skip


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", xy=end, xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": _EDGE, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0},
        zorder=2,
    )  # fmt: skip
