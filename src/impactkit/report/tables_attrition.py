"""The attrition table: who responded, and the effect by every way of dealing with those who did not.

One block per outcome, population and treated arm. Two bounds share a line: their values, and the interval of the
effect between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records, said_once, sentence
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METHOD_WORDS", "AttritionBlock", "attrition_blocks", "attrition_table", "verdicts_of"]

#: Methods in order: the first words of a term, or of the two bounds, and how the line is headed.
METHOD_WORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("complete_case",), "Complete cases"),
    (("weighting",), "Weighted by inverse response"),
    (("imputation",), "Multiple imputation"),
    (("lee_lower", "lee_upper"), "Lee bounds"),
    (("worst_lower", "worst_upper"), "Worst-case bounds"),
)
_TIPPING = {
    "tipping_treated": "Tipping point: shift of missing outcomes, treated arm",
    "tipping_control": "Tipping point: shift of missing outcomes, control arm",
    "tipping_both": "Tipping point: shift of missing outcomes, both arms",
}
_VERDICT = "Verdict on"
_COLUMNS = ("value", "std_error", "interval", "p_value", "n")


@dataclass(frozen=True, slots=True)
class AttritionBlock:
    """Rows of one outcome, population and treated arm.

    Parameters
    ----------
    analysis, outcome, population : str
    arm : str
        The treated arm; empty when there is one only.
    methods : tuple of (heading, rows)
        One row, or two for bounds.
    tipping : tuple of (heading, row)
    response : tuple of rows
    """

    analysis: str
    outcome: str
    population: str
    arm: str
    methods: tuple[tuple[str, tuple[Record, ...]], ...]
    tipping: tuple[tuple[str, Record], ...]
    response: tuple[Record, ...]

    def heading(self, labels: Labels, blocks: tuple[AttritionBlock, ...]) -> str:
        """Name the block by what differs between blocks."""
        parts = [labels.outcome(self.outcome)]
        parts += [labels.term(self.arm)] if self.arm else []
        parts += [labels.population(self.population)] if len({block.population for block in blocks}) > 1 else []
        parts += [labels.analysis(self.analysis)] if len({block.analysis for block in blocks}) > 1 else []
        return " · ".join(parts)


def attrition_blocks(tidy: pd.DataFrame, glance: pd.DataFrame) -> tuple[AttritionBlock, ...]:
    """Sort the rows of attrition analyses into blocks, in the order of the frame."""
    names = {look["analysis"] for look in records(glance) if look.get("kind") == "attrition"}
    places: dict[tuple[str, str, str], list[Record]] = {}
    for row in records(tidy):
        if row["analysis"] in names:
            places.setdefault((row["analysis"], row["outcome"], row["population"]), []).append(row)
    blocks = []
    for (analysis, outcome, population), rows in places.items():
        by_term = {str(row["term"]): row for row in rows}
        arms = [
            term.removeprefix("complete_case").removeprefix(": ")
            for term in by_term
            if term.startswith("complete_case")
        ]
        for arm in arms:
            suffix = f": {arm}" if arm else ""
            methods = tuple(
                (words, tuple(by_term[name + suffix] for name in names_of))
                for names_of, words in METHOD_WORDS
                if all(name + suffix in by_term for name in names_of)
            )
            tipping = tuple((words, by_term[n + suffix]) for n, words in _TIPPING.items() if n + suffix in by_term)
            wanted = {f"response_difference{suffix}", "response_model", "effective_n"}
            response = tuple(
                row
                for kind in ("response: ", "response_difference", "response_model", "effective_n")
                for term, row in by_term.items()
                if term.startswith(kind) and (kind == "response: " or term in wanted)
            )
            blocks.append(AttritionBlock(analysis, outcome, population, arm, methods, tipping, response))
    return tuple(blocks)


def attrition_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "dwp_trials",
    *,
    labels: Labels | None = None,
    source: str = "",
    key: str = "attrition",
) -> Table:
    """Build the table of response and of estimates side by side.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        As an evaluation gives them, or as `disclose` returns them.
    style : str or Style
        House style.
    labels : Labels, optional
        Display names.
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
        If the frames hold no attrition analysis.
    """
    chosen, words = get_style(style), labels or Labels()
    blocks = attrition_blocks(tidy, glance)
    if not blocks:
        raise SpecError("there is no attrition analysis with estimates in this result: declare Attrition(...)")
    looks = [look for look in records(glance) if look.get("kind") == "attrition"]
    every = records(tidy)
    builder = _Builder(Reasons.of(notes, every), chosen, words)
    groups: list[RowGroup] = []
    counted: set[tuple[str, str, str]] = set()
    for block in blocks:
        unit = chosen.scale(block.methods[0][1][0]["unit"], "difference").words
        heading = block.heading(words, blocks) + (f", {unit}" if unit else "")
        rows = [builder.method(head, rows) for head, rows in block.methods]
        rows += [builder.tipping(head, row) for head, row in block.tipping]
        place = (block.analysis, block.outcome, block.population)
        shown = [
            row for row in block.response if place not in counted or str(row["term"]).startswith("response_difference")
        ]
        counted.add(place)
        verdicts = tuple(note for note in _general(notes, place) if note.startswith(_verdict_words(block)))
        groups.append(RowGroup(heading, (*(builder.response(row) for row in shown), *rows), verdicts))
    levels = {float(look["conf_level"]) for look in looks if not is_missing(look.get("conf_level"))}
    level = f"{decimal_text(levels.pop(), 0, scale=100)}% c" if len(levels) == 1 else "C"
    evidence = weakest(look.get("evidence") for look in looks)
    cells = [cell for group in groups for row in group.rows for cell in row.cells]
    lines = [f"Evidence: {evidence}."]
    for name, head in (("method", "Method"), ("inference", "Standard errors")):
        lines += said_once(looks, name, head, words)
    lines.append(
        "Bounds: the two bounds, and the Imbens-Manski interval and P value of the effect between them. Tipping point: "
        "how far the missing outcomes would have to lie from the imputed ones for significance to change."
    )
    lines += [chosen.stars_legend] if chosen.stars_legend else []
    lines += [chosen.suppressed_meaning] if any(cell.kind == "suppressed" for cell in cells) else []
    lines += ["A dash stands where a line has no such number."]
    places = dict.fromkeys((block.analysis, block.outcome, block.population) for block in blocks)
    said = dict.fromkeys(note for place in places for note in _general(notes, place) if not note.startswith(_VERDICT))
    return Table(
        key=key,
        title="Missing outcomes: who responded, and what each method gives",
        columns=tuple(
            Column(name, label)
            for name, label in zip(
                _COLUMNS,
                ("Estimate", "Standard error", f"{level}onfidence interval", "P value", "People"),
                strict=True,
            )
        ),
        groups=tuple(groups),
        notes=(*lines, *said),
        source=source,
        evidence=evidence,
    )


def verdicts_of(notes: pd.DataFrame, glance: pd.DataFrame) -> tuple[str, ...]:
    """Give the verdicts of attrition analyses, as sentences."""
    names = {look["analysis"] for look in records(glance) if look.get("kind") == "attrition"}
    said = (str(note["reason"]) for note in records(notes) if note["analysis"] in names)
    return tuple(dict.fromkeys(sentence(reason) for reason in said if reason.startswith(_VERDICT)))


def _general(notes: pd.DataFrame | None, place: tuple[str, str, str]) -> tuple[str, ...]:
    """Give the remarks on an analysis, or on one of its outcomes and populations, that concern no single number."""
    found = [
        sentence(note["reason"])
        for note in ([] if notes is None else records(notes))
        if note["analysis"] == place[0]
        and note["outcome"] in ("", place[1])
        and note["population"] in ("", place[2])
        and not note["term"]
        and not note["column"]
    ]
    return tuple(dict.fromkeys(found))


def _verdict_words(block: AttritionBlock) -> str:
    return f"{_VERDICT} {block.outcome}" + (f", {block.arm}" if block.arm else "")


@dataclass(frozen=True, slots=True)
class _Builder:
    reasons: Reasons
    style: Style
    labels: Labels

    def blank(self) -> Cell:
        return Cell(None, self.style.blank, "blank")

    def method(self, heading: str, rows: tuple[Record, ...]) -> Row:
        first = rows[0]
        unit, measure = first["unit"], "difference"
        p = self._number(first, "p_value", self.style.p_value(first["p_value"]))
        interval = self._pair(first, (first["conf_low"], first["conf_high"]), ("conf_low", "conf_high"))
        n = self._number(first, "n", self.style.count(first["n"]))
        stars = self.style.stars_for(first["p_value"])
        if len(rows) == 2:
            reasons = self.reasons.about(first, ["estimate"], whole_row=True)
            values = (first["estimate"], rows[1]["estimate"])
            text = self.style.interval(*values, unit, measure)
            value = number_cell(values, text, self.style, reasons, kind="effect", mark=stars)
            return Row(heading, (value, self.blank(), interval, p, n))
        text = self.style.number(first["estimate"], unit, measure)
        reasons = self.reasons.about(first, ["estimate"], whole_row=True)
        value = number_cell(first["estimate"], text, self.style, reasons, kind="effect", mark=stars)
        error = self._number(first, "std_error", self.style.number(first["std_error"], unit, measure))
        return Row(heading, (value, error, interval, p, n))

    def tipping(self, heading: str, row: Record) -> Row:
        text = self.style.number(row["estimate"], row["unit"], "difference", with_unit=True)
        reasons = self.reasons.about(row, ["estimate"], whole_row=True)
        value = number_cell(row["estimate"], text, self.style, reasons)
        blank = self.blank()
        people = blank if is_missing(row["n"]) else self._number(row, "n", self.style.count(row["n"]))
        return Row(heading, (value, blank, blank, blank, people))

    def response(self, row: Record) -> Row:
        term, blank = str(row["term"]), self.blank()
        n = self._number(row, "n", self.style.count(row["n"]))
        reasons = self.reasons.about(row, ["estimate"], whole_row=True)
        if term == "response_model":
            p = self._number(row, "p_value", self.style.p_value(row["p_value"]))
            return Row("Response predicted differently by arm (joint test)", (blank, blank, blank, p, n), reasons)
        if term == "effective_n":
            size = (
                row["estimate"]
                if isinstance(row["estimate"], str) or is_missing(row["estimate"])
                else round(float(row["estimate"]), 1)
            )
            return Row(
                "Effective sample size, weighted",
                (blank, blank, blank, blank, number_cell(row["estimate"], self.style.count(size), self.style, reasons)),
            )
        unit, measure = row["unit"], row["measure"]
        heading = f"Responded: {self.labels.term(term.removeprefix('response: '))}"
        p = blank
        if measure == "difference":
            heading = "Difference in response"
            p = self._number(row, "p_value", self.style.p_value(row["p_value"]))
        value = number_cell(
            row["estimate"], self.style.number(row["estimate"], unit, measure, with_unit=True), self.style, reasons
        )
        error = self._number(row, "std_error", self.style.number(row["std_error"], unit, measure))
        return Row(
            heading,
            (value, error, self._pair(row, (row["conf_low"], row["conf_high"]), ("conf_low", "conf_high")), p, n),
        )

    def _number(self, row: Record, column: str, text: str) -> Cell:
        return number_cell(row[column], text, self.style, self._why(row, (column,), is_missing(row[column])))

    def _pair(self, row: Record, values: tuple[Any, Any], columns: tuple[str, ...]) -> Cell:
        text = self.style.interval(*values, row["unit"], row["measure"])
        return number_cell(
            values, text, self.style, self._why(row, columns, all(is_missing(value) for value in values))
        )

    def _why(self, row: Record, columns: tuple[str, ...], missing: bool) -> tuple[str, ...]:
        said = self.reasons.about(row, columns)
        if missing and not said:
            return self.reasons.about(row, ("estimate", "std_error", "conf_low", "conf_high", "p_value", "n"))
        return said
