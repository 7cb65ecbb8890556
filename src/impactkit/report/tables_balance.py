"""Table 1: baseline characteristics by arm, with standardised differences and the joint test in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from impactkit.report.baseline import BaselineLine, BaselinePart, baseline_parts
from impactkit.report.evidence import weakest
from impactkit.report.frames import Record, records, sentence
from impactkit.report.labels import Labels, readable
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.suppression import THRESHOLD
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["balance_table"]

_DF = re.compile(r"re-draws (.+) and refers to F on (\d+ and \d+) degrees of freedom")
_NOTHING = "Does not vary, or nobody has a value."


def balance_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "",
    key: str = "balance",
    threshold: int = THRESHOLD,
) -> Table:
    """Lay out one balance analysis as Table 1; counts under ten are withheld here.

    Parameters
    ----------
    tidy, notes : DataFrame
        Of one balance analysis, as an evaluation gives them: with no count withheld.
    glance : DataFrame
        Of the same analysis; where it withholds the size of an arm, so does the table.
    style : str or Style
        House style.
    labels : Labels, optional
        Display names; covariates count as outcomes.
    title, key : str
        As in `Table`.
    threshold : int
        Counts under it are withheld; 0 shows all, where whoever is responsible for the data permits that.

    Returns
    -------
    Table
        For each arm two columns (people and per cent, or mean and standard deviation), treated arms first, then the
        standardised difference of each treated arm from control.
    """
    chosen, words = get_style(style), labels or Labels()
    looks = records(glance)
    sealed = {str(look["population"]) for look in looks if "c" in (look.get("n_control"), look.get("n_treated"))}
    parts = [part for part in baseline_parts(tidy, threshold=threshold, sealed=sealed) if part.lines]
    tested = any(row["outcome"] for part in parts for row in part.tests)
    columns: list[Column] = []
    for part in parts:
        columns += _columns(part, words, chosen, several=len(parts) > 1, tested=tested)
    order = list(dict.fromkeys((line.covariate, line.level) for part in parts for line in part.lines))
    by_part = [{(line.covariate, line.level): line for line in part.lines} for part in parts]
    groups: list[RowGroup] = []
    for covariate in dict.fromkeys(name for name, _ in order):
        levels = [level for name, level in order if name == covariate]
        rows = []
        for place, level in enumerate(levels):
            cells: list[Cell] = []
            for part, lines in zip(parts, by_part, strict=True):
                cells += _cells(part, lines.get((covariate, level)), chosen, tested=tested, first=place == 0)
            share = any(lines[covariate, level].is_share for lines in by_part if (covariate, level) in lines)
            rows.append(Row(_head(covariate, level, levels, words, share=share), tuple(cells)))
        alone = levels in ([""], ["", "missing"])
        if alone and groups and not groups[-1].label:
            groups[-1] = RowGroup("", (*groups[-1].rows, *rows))
        else:
            groups.append(RowGroup("" if alone else f"{words.outcome(covariate)}, n (%)", tuple(rows)))
    kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
    withheld = "suppressed" in kinds or any("c" in part.sizes.values() for part in parts)
    return Table(
        key=key,
        title=title or "Characteristics at baseline",
        columns=tuple(columns),
        groups=tuple(groups),
        subtitle=_who(looks, words),
        notes=(
            *_method(looks),
            *(said for part in parts for said in _tests(part, words, chosen, notes, several=len(parts) > 1)),
            *_remarks(notes),
            *([chosen.suppressed_meaning] if withheld else []),
        ),
        evidence=weakest(look.get("evidence") for look in looks),
    )


def _columns(part: BaselinePart, words: Labels, style: Style, *, several: bool, tested: bool) -> list[Column]:
    control, treated = part.arms[0], part.arms[1:]
    where = f"{words.population(part.population)}: " if several else ""
    columns = []
    for arm in (*treated, control):
        spanner = f"{where}{words.term(arm)} (N = {style.count(part.sizes[arm])})"
        columns += [
            Column(f"{part.population}/{arm}/level", "n or mean", spanner=spanner),
            Column(f"{part.population}/{arm}/spread", "% or SD", spanner=spanner),
        ]
    over = f"{where}Standardised difference" if several or len(treated) > 1 else ""
    for arm in treated:
        head = words.term(arm) if over else "Standardised difference"
        columns.append(Column(f"{part.population}/{arm}/difference", head, spanner=over))
    for arm in treated if tested else ():
        head = f"P value, {words.term(arm)}" if len(treated) > 1 else "P value"
        columns.append(Column(f"{part.population}/{arm}/p", head, spanner=over))
    return columns


def _cells(
    part: BaselinePart, line: BaselineLine | None, style: Style, *, tested: bool, first: bool
) -> tuple[Cell, ...]:
    control, treated = part.arms[0], part.arms[1:]
    blank = Cell(None, style.blank, "blank")
    if line is None:
        wide = 2 * len(part.arms) + len(treated) * (2 if tested else 1)
        return (blank,) * wide
    cells: list[Cell] = []
    for arm in (*treated, control):
        cells += _arm_cells(line, arm, style)
    for arm in treated:
        value = line.numbers.get((arm, "standardised_mean_difference"))
        cells.append(
            Cell("c", style.suppressed, "suppressed")
            if line.withheld(arm, control)
            else _number(value, lambda number: decimal_text(number, 2, minus=style.minus), style)
        )
    for arm in treated if tested else ():
        found = [row for row in part.tests if row["outcome"] == line.covariate and row["term"] == arm]
        p_value: Any = found[0]["p_value"] if found and first else None
        cells.append(_number(p_value, style.p_value, style) if found and first else Cell(None, "", "blank"))
    return tuple(cells)


def _arm_cells(line: BaselineLine, arm: str, style: Style) -> tuple[Cell, Cell]:
    gone = Cell("c", style.suppressed, "suppressed")
    if arm in line.hidden:
        return gone, gone
    if not line.is_share:
        mean, spread = line.numbers.get((arm, "mean")), line.numbers.get((arm, "sd"))
        return _number(mean, lambda value: _measured(value, mean, style), style), _number(
            spread, lambda value: f"({_measured(value, mean, style)})", style
        )
    share = line.numbers.get((arm, "proportion"))
    return _number(line.numbers.get((arm, "count")), style.count, style), (
        gone
        if arm in line.no_share
        else _number(share, lambda value: f"({style.number(value, 'proportion', 'proportion')})", style)
    )


def _measured(value: float, mean: Any, style: Style) -> str:
    """Print a mean or a standard deviation with places that suit the size of the mean."""
    size = abs(float(mean)) if not is_missing(mean) else abs(value)
    places = 0 if size >= 1000 else 1 if size >= 10 else 2
    return decimal_text(value, places, thousands=style.thousands, minus=style.minus)


def _number(value: Any, text: Any, style: Style) -> Cell:
    if is_missing(value):
        return Cell(None, style.not_given, "not_given", (_NOTHING,))
    return Cell(float(value), text(float(value)))


def _head(covariate: str, level: str, levels: list[str], words: Labels, *, share: bool) -> str:
    name = words.outcome(covariate)
    if level == "missing":
        return "Not known" if len(levels) > 2 or levels[0] else f"{name} not known, n (%)"
    if not level:
        return f"{name}, n (%)" if share else f"{name}, mean (SD)"
    return readable(level)


def _who(looks: Sequence[Record], words: Labels) -> str:
    outcome = next((str(look["outcome"]) for look in looks if look.get("outcome")), "")
    weights = next((str(look["weights"]) for look in looks if look.get("weights") not in (None, "", "none")), "")
    who = f"People with {words.outcome(outcome)} known" if outcome else "Everybody assigned"
    if weights:
        return f"{who}; counts are of people, other figures are weighted by {weights}"
    return who


def _method(looks: Sequence[Record]) -> list[str]:
    said = dict.fromkeys(str(look["method"]) for look in looks if not is_missing(look.get("method")))
    return [
        f"Differences in means and shares are {method}. Percentages are of those whose value is known."
        for method in said
    ]


def _tests(part: BaselinePart, words: Labels, style: Style, notes: pd.DataFrame | None, *, several: bool) -> list[str]:
    """Say the joint test in one sentence for each treated arm."""
    remarks = [] if notes is None else [row for row in records(notes) if row["population"] == part.population]
    where = f"{words.population(part.population)}, " if several else ""
    said = []
    for arm in part.arms[1:]:
        rows: Mapping[str, Record] = {
            str(row["measure"]): row for row in part.tests if not row["outcome"] and row["term"] == arm
        }
        parts = []
        main, drawn = rows.get("omnibus_f"), rows.get("omnibus_permutation")
        if main is not None and not is_missing(main["p_value"]):
            freedom = next(
                (found[2] for row in remarks if row["term"] == arm and (found := _DF.search(row["reason"]))), ""
            )
            on = f" on {freedom} degrees of freedom" if freedom else ""
            parts.append(
                f"F = {decimal_text(float(main['statistic']), 2)}{on}, p {_equals(style.p_value(main['p_value']))}"
            )
        if drawn is not None and not is_missing(drawn["p_value"]):
            parts.append(f"by re-drawing the allocation p {_equals(style.p_value(drawn['p_value']))}")
        if parts:
            said.append(
                f"{where}joint test of all characteristics, {words.term(arm)} against {words.term(part.arms[0])}: "
                f"{'; '.join(parts)}."
            )
    return [text[:1].upper() + text[1:] for text in said]


def _equals(text: str) -> str:
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def _remarks(notes: pd.DataFrame | None) -> list[str]:
    """Give the remarks on the whole analysis: how the test was formed, what failed."""
    if notes is None:
        return []
    said = [row for row in records(notes) if not row["column"] or row["column"] == "p_value"]
    short = (_DF.sub(r"re-draws \1", str(row["reason"])) for row in said)
    return list(dict.fromkeys(sentence(reason) for reason in short))
