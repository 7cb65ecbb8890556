"""The table of effects: from tidy, glance and notes frames to a `Table`.

Two layouts of the same numbers. *Stacked* puts populations (or analyses) side by side and, for each outcome,
the statistics under one another, as the trial reports do. *Wide* gives each estimate one line, with the
statistics side by side. The heading comes from the strength of evidence: only a randomised comparison is
headed "Impact".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from impactkit.errors import SpecError, did_you_mean
from impactkit.report.evidence import effect_heading, effect_label, normalise_evidence, refuse_impact_heading, weakest
from impactkit.report.frames import Reasons, Record, is_effect, number_cell, records, said_once
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import RATIO_MEASURES, Statistic, Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table
from impactkit.report.trial_grid import trial_grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["impacts_table"]

INDEPENDENCE = "These intervals take estimates from different sources to be independent of each other."

ADJUSTMENTS = {
    "romano_wolf": "Romano-Wolf step-down",
    "westfall_young": "Westfall-Young step-down",
    "holm": "Holm",
    "benjamini_hochberg": "Benjamini-Hochberg",
}


class Block(NamedTuple):
    """What the rows of one block of the table share."""

    outcome: str
    measure: str
    unit: str
    term: str


def impacts_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "dwp_trials",
    *,
    title: str = "",
    subtitle: str = "",
    labels: Labels | None = None,
    layout: Literal["auto", "stacked", "wide", "trial"] = "auto",
    across: Literal["auto", "population", "analysis"] = "auto",
    analyses: Iterable[str] | None = None,
    outcomes: Iterable[str] | None = None,
    populations: Iterable[str] | None = None,
    adjusted: pd.DataFrame | None = None,
    source: str = "",
    key: str = "impacts",
) -> Table:
    """Build the table of effects with their errors, intervals, control means and numbers of people.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        As an evaluation gives them, or as `disclose` returns them. Test rows are left to `tidy_table`.
    style : str or Style
        House style.
    title : str
        Added to the heading, which the evidence decides: "Impact: …" for a randomised comparison.
    subtitle : str
        A line under the title.
    labels : Labels, optional
        Display names.
    layout : {"auto", "stacked", "wide", "trial"}
        Stacked when there is something to set side by side and the grid has no holes; else wide. ``"trial"`` has one
        row per outcome and one column per population.
    across : {"auto", "population", "analysis"}
        What stands side by side in the stacked layout: populations when there are several, else analyses.
    analyses, outcomes, populations : iterable of str, optional
        Which to show, and in which order; all, in the order of the frame, by default.
    adjusted : DataFrame, optional
        p values adjusted for several outcomes, shown in their own line or column.
    source : str
        Where the figures come from.
    key : str
        The table's short name.

    Returns
    -------
    Table

    Raises
    ------
    SpecError
        If a name is unknown, nothing is left to show, or the title says "impact" over weaker evidence.

    Examples
    --------
    >>> import pandas as pd
    >>> shared = {"analysis": "lin", "outcome": "work", "population": "all", "unit": "proportion"}
    >>> tidy = pd.DataFrame([
    ...     {**shared, "term": "IPS", "measure": "difference", "estimate": 0.062, "std_error": 0.033,
    ...      "conf_low": -0.003, "conf_high": 0.127, "statistic": 1.88, "p_value": 0.061, "df": 895, "n": 899},
    ...     {**shared, "term": "control_mean", "measure": "mean", "estimate": 0.35, "n": 299},
    ... ])
    >>> glance = pd.DataFrame([{**shared, "evidence": "randomised", "conf_level": 0.95}])
    >>> print(impacts_table(tidy, glance, title="A trial").to_markdown().splitlines()[0])
    **Impact: A trial**
    >>> [cell.text + cell.mark for cell in next(impacts_table(tidy, glance).rows()).cells]
    ['6.2*', '3.3', '−0.3 to 12.7', '0.061', '35.0', '899']
    """
    chosen, words = get_style(style), labels or Labels()
    limits = {"analysis": analyses, "outcome": outcomes, "population": populations}
    rows = _chosen(records(tidy), limits)
    effects = [row for row in rows if is_effect(row["measure"]) and row["term"] != "control_mean"]
    if not effects:
        raise SpecError("the frame has no effect rows to show: give one with rows other than control means and tests")
    looks = _chosen(records(glance), {name: {row[name] for row in effects} for name in ("analysis",)}, strict=False)
    builder = _Builder(rows, effects, looks, Reasons.of(notes, rows), chosen, words, adjusted)
    evidence = builder.evidence()
    heading = effect_heading(evidence)
    refuse_impact_heading(f"{title} {subtitle}", evidence)

    side = builder.side() if across == "auto" else across
    stacked = layout == "stacked" or (layout == "auto" and builder.grid_is_full(side))
    if layout == "trial":
        columns, groups = trial_grid(builder)
    else:
        columns, groups = builder.stacked(side) if stacked else builder.wide()
    return Table(
        key=key,
        title=f"{heading}: {title}" if title else heading,
        subtitle=subtitle,
        columns=columns,
        groups=groups,
        notes=builder.notes(groups),
        source=source,
        evidence=evidence,
    )


def _chosen(rows: list[dict[str, Any]], limits: dict[str, Any], *, strict: bool = True) -> list[dict[str, Any]]:
    """Keep the wanted names of each column, in the wanted order."""
    for column, wanted in limits.items():
        if wanted is None:
            continue
        known = list(dict.fromkeys(row[column] for row in rows))
        order = list(wanted) if not isinstance(wanted, set) else [name for name in known if name in wanted]
        for name in order if strict else ():
            if name not in known:
                said = ", ".join(map(str, known))
                raise SpecError(f'no {column} is named "{name}"; the frame has {said}.{did_you_mean(str(name), known)}')
        rows = sorted((row for row in rows if row[column] in order), key=lambda row: order.index(row[column]))
    return rows


@dataclass(frozen=True, slots=True)
class _Builder:
    rows: list[dict[str, Any]]
    effects: list[dict[str, Any]]
    looks: list[dict[str, Any]]
    reasons: Reasons
    style: Style
    labels: Labels
    adjusted: pd.DataFrame | None

    # --- what the frames say ------------------------------------------------------------------------

    def look(self, row: Record) -> Record:
        """Give the glance row of a tidy row."""
        names = ("analysis", "outcome", "population")
        return next((look for look in self.looks if all(look[name] == row[name] for name in names)), {})

    def evidence(self) -> str:
        return weakest(self.look(row).get("evidence") for row in self.effects)

    def effect_word(self, rows: Iterable[Record]) -> str:
        return effect_label(weakest(self.look(row).get("evidence") for row in rows))

    def names(self, column: str) -> list[str]:
        return list(dict.fromkeys(row[column] for row in self.effects))

    def level(self) -> str:
        levels = {float(look["conf_level"]) for look in self.looks if not is_missing(look.get("conf_level"))}
        return f"{decimal_text(levels.pop(), 0, scale=100)}% c" if len(levels) == 1 else "C"

    def blocks(self) -> list[Block]:
        """Give the blocks in order: outcome after outcome, with their measures together."""
        terms = len(self.names("term")) > 1
        found = dict.fromkeys(_block(row, terms) for row in self.effects)
        order = self.names("outcome")
        return sorted(found, key=lambda block: order.index(block.outcome))

    def in_block(self, block: Block) -> list[dict[str, Any]]:
        return [row for row in self.effects if _block(row, bool(block.term)) == block]

    def block_label(self, block: Block) -> str:
        scale = self.style.scale(block.unit, block.measure)
        parts = [self.labels.outcome(block.outcome)]
        parts += [self.labels.term(block.term)] if block.term else []
        return ", ".join([*parts, *([scale.words] if scale.words else [])])

    def control(self, row: Record) -> Record | None:
        names = ("analysis", "outcome", "population")
        return next(
            (
                other
                for other in self.rows
                if other["term"] == "control_mean" and all(other[name] == row[name] for name in names)
            ),
            None,
        )

    # --- cells --------------------------------------------------------------------------------------

    def cell(self, statistic: Statistic, row: Record, *, brackets: bool = False, percent: bool = False) -> Cell:
        makers: dict[Statistic, Callable[[Record], Cell]] = {
            "effect": self._effect,
            "interval": self._interval,
            "p_value": self._p_value,
            "p_adjusted": self._p_adjusted,
            "control_mean": lambda row: self._control_mean(row, percent),
            "n": self._people,
        }
        return self._std_error(row, brackets) if statistic == "std_error" else makers[statistic](row)

    def _effect(self, row: Record) -> Cell:
        text = self.style.number(row["estimate"], row["unit"], row["measure"])
        reasons = self.reasons.about(row, ["estimate"], whole_row=True)
        stars = self.style.stars_for(row["p_value"])
        return number_cell(row["estimate"], text, self.style, reasons, kind="effect", mark=stars)

    def _std_error(self, row: Record, brackets: bool) -> Cell:
        text = self.style.number(row["std_error"], row["unit"], row["measure"])
        reasons = self.reasons.about(row, ["std_error"]) or self._inherited(row, row["std_error"])
        return number_cell(row["std_error"], f"({text})" if brackets else text, self.style, reasons)

    def _interval(self, row: Record) -> Cell:
        low, high = row["conf_low"], row["conf_high"]
        text = self.style.interval(low, high, row["unit"], row["measure"])
        reasons = self.reasons.about(row, ["conf_low", "conf_high"]) or self._inherited(row, low, high)
        return number_cell((low, high), text, self.style, reasons)

    def _p_value(self, row: Record) -> Cell:
        p = row["p_value"]
        reasons = self.reasons.about(row, ["p_value"]) or self._inherited(row, p)
        return number_cell(p, self.style.p_value(p), self.style, reasons)

    def _adjustment(self, row: Record) -> Record | None:
        """Give the first adjustment of a row: that of the first method asked for."""
        names = ("analysis", "outcome", "population", "term")
        entries = [] if self.adjusted is None else records(self.adjusted)
        return next((entry for entry in entries if all(entry[name] == row[name] for name in names)), None)

    def _p_adjusted(self, row: Record) -> Cell:
        entry = self._adjustment(row)
        if entry is None:
            return self._blank()
        return number_cell(entry["p_adjusted"], self.style.p_value(entry["p_adjusted"]), self.style)

    def _adjusted_words(self) -> list[str]:
        """Say which family and method the adjusted P values shown belong to."""
        entries = [entry for row in self.effects if (entry := self._adjustment(row)) is not None]
        shown = dict.fromkeys((str(entry["family"]), str(entry["method"])) for entry in entries)
        said = [f'family "{family}", {ADJUSTMENTS.get(method, method)}' for family, method in shown]
        return [f"Adjusted P values: {'; '.join(said)}."] if said else []

    def _control_mean(self, row: Record, percent: bool) -> Cell:
        control = self.control(row)
        if control is None:
            return self._blank()
        text = self.style.number(control["estimate"], control["unit"], control["measure"])
        if percent and self.style.scale(control["unit"], control["measure"]).suffix == "%":
            text += "%"
        reasons = self.reasons.about(control, ["estimate"], whole_row=True)
        return number_cell(control["estimate"], text, self.style, reasons)

    def _people(self, row: Record) -> Cell:
        reasons = self.reasons.about(row, ["n", "n_analysed"]) or self._inherited(row, row["n"])
        return number_cell(row["n"], self.style.count(row["n"]), self.style, reasons)

    def _inherited(self, row: Record, *values: object) -> tuple[str, ...]:
        """Give the estimate's reason to another number of its row that is missing as well."""
        if all(is_missing(value) for value in values):
            every = ("estimate", "std_error", "conf_low", "conf_high", "p_value", "n")
            return self.reasons.about(row, every, whole_row=True)
        return ()

    def _blank(self) -> Cell:
        return Cell(None, self.style.blank, "blank")

    # --- layouts ------------------------------------------------------------------------------------

    def side(self) -> Literal["population", "analysis"]:
        return "population" if len(self.names("population")) > 1 or len(self.names("analysis")) == 1 else "analysis"

    def grid_is_full(self, side: Literal["population", "analysis"]) -> bool:
        panels, other = self.names(side), _other(side)
        lines = {(block, row[other]) for block in self.blocks() for row in self.in_block(block)}
        return len(panels) > 1 and len(self.effects) == len(panels) * len(lines)

    def shown(self) -> tuple[Statistic, ...]:
        """Give the statistics of the style that exist in these frames."""
        has_control = any(self.control(row) is not None for row in self.effects)
        wanted = [name for name in self.style.statistics if name != "control_mean" or has_control]
        if self.adjusted is not None and len(self.adjusted) and "p_adjusted" not in wanted:
            place = wanted.index("p_value") + 1 if "p_value" in wanted else len(wanted)
            wanted.insert(place, "p_adjusted")
        return tuple(name for name in wanted if name != "p_adjusted" or self.adjusted is not None)

    def control_unit(self, rows: Iterable[Record]) -> str:
        """Give the one unit of these rows' control means; nothing if there are several."""
        controls = [control for row in rows if (control := self.control(row)) is not None]
        units = {self.style.scale(control["unit"], control["measure"]).words for control in controls}
        return units.pop() if len(units) == 1 else ""

    def head(self, statistic: Statistic, rows: list[dict[str, Any]]) -> str:
        if statistic == "effect":
            return self.effect_word(rows)
        if statistic == "control_mean":
            words = self.control_unit(rows)
            return f"Control mean, {words}" if words else "Control mean"
        return {
            "std_error": "Standard error",
            "interval": f"{self.level()}onfidence interval",
            "p_value": "P value",
            "p_adjusted": "Adjusted P value",
            "n": "People",
        }[statistic]

    def stacked(self, side: Literal["population", "analysis"]) -> tuple[tuple[Column, ...], tuple[RowGroup, ...]]:
        label = self.labels.population if side == "population" else self.labels.analysis
        panels, other = self.names(side), _other(side)
        columns = tuple(Column(key=name, label=label(name)) for name in panels)
        groups = []
        for block in self.blocks():
            members = self.in_block(block)
            for name in dict.fromkeys(row[other] for row in members):
                lines = {row[side]: row for row in members if row[other] == name}
                rows = []
                for statistic in self.shown():
                    cells = tuple(
                        self.cell(statistic, lines[panel], brackets=True) if panel in lines else self._blank()
                        for panel in panels
                    )
                    if statistic == "control_mean" and all(cell.kind == "blank" for cell in cells):
                        continue
                    rows.append(Row(self.head(statistic, list(lines.values())), cells))
                heading = self.block_label(block)
                if len(self.names(other)) > 1:
                    heading += f" · {(self.labels.analysis if other == 'analysis' else self.labels.population)(name)}"
                groups.append(RowGroup(heading, tuple(rows)))
        return columns, tuple(groups)

    def wide(self) -> tuple[tuple[Column, ...], tuple[RowGroup, ...]]:
        many = {name: len(self.names(name)) > 1 for name in ("analysis", "population")}
        columns = tuple(Column(key=name, label=self.head(name, self.effects)) for name in self.shown())
        percent = not self.control_unit(self.effects)
        groups: list[RowGroup] = []
        loose: list[Row] = []
        for block in self.blocks():
            rows = []
            for row in self.in_block(block):
                parts = [self.labels.analysis(row["analysis"])] if many["analysis"] else []
                parts += [self.labels.population(row["population"])] if many["population"] else []
                cells = tuple(self.cell(statistic, row, percent=percent) for statistic in self.shown())
                rows.append(Row(" · ".join(parts) or self.block_label(block), cells))
            if any(many.values()):
                groups.append(RowGroup(self.block_label(block), tuple(rows)))
            else:
                loose += rows
        return columns, (*groups, *([RowGroup("", tuple(loose))] if loose else []))

    # --- what stands under the table ----------------------------------------------------------------

    def notes(self, groups: tuple[RowGroup, ...]) -> tuple[str, ...]:
        cells = [cell for group in groups for row in group.rows for cell in row.cells]
        kinds = {cell.kind for cell in cells}
        lines = [f"Evidence: {self._evidence_words()}."]
        for name, head in (("estimand", "Estimand"), ("method", "Method"), ("inference", "Standard errors")):
            lines += self._said(name, head)
        lines += self._adjusted_words()
        if self.style.stars_legend:
            lines.append(self.style.stars_legend)
        if any(row["measure"] in RATIO_MEASURES and row["measure"] != "ratio" for row in self.effects):
            lines.append("A ratio of 1 means no difference.")
        if "suppressed" in kinds:
            lines.append(self.style.suppressed_meaning)
        if "blank" in kinds:
            lines.append(self.style.blank_meaning)
        if any(str(look.get("independence_assumed")) == "True" for look in self.looks):
            lines.append(INDEPENDENCE)
        return (*lines, *self.reasons.general(self.names("analysis"), self.rows))

    def _evidence_words(self) -> str:
        by_label: dict[str, dict[str, None]] = {}
        for row in self.effects:
            label = normalise_evidence(self.look(row).get("evidence"))
            by_label.setdefault(label, {})[self.labels.analysis(row["analysis"])] = None
        if len(by_label) == 1:
            return next(iter(by_label))
        return "; ".join(f"{label} ({', '.join(names)})" for label, names in by_label.items())

    def _said(self, name: str, head: str) -> list[str]:
        """Give one line on a column of glance: its value, or its values by analysis."""
        return said_once([self.look(row) for row in self.effects], name, head, self.labels)


def _other(side: Literal["population", "analysis"]) -> Literal["population", "analysis"]:
    return "analysis" if side == "population" else "population"


def _block(row: Record, with_term: bool) -> Block:
    unit = "" if is_missing(row["unit"]) else str(row["unit"])
    return Block(str(row["outcome"]), str(row["measure"]), unit, str(row["term"]) if with_term else "")
