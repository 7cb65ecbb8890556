"""Tables of the published comparison with a norm, in the layouts of DWP Research Report 896, and its bias ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.estimators.bias_ledger import LEDGER
from impactkit.estimators.norm_comparison import (
    ANY_RETURN,
    BIAS_LEDGER,
    BIAS_SHARES,
    PARTIAL,
    PARTIAL_SHORTER,
    TOTAL,
    TOTAL_SHORTER,
)
from impactkit.estimators.published_norms import ALL_RECORDED
from impactkit.report.evidence import weakest
from impactkit.report.frames import Reasons, Record, number_cell, records
from impactkit.report.labels import Labels, readable
from impactkit.report.rounding import is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table
from impactkit.report.tables_odds import odds_ratios_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NORM_COMPARISON",
    "bias_ledger_table",
    "norm_comparison_tables",
    "norm_episodes_table",
    "norm_models_table",
    "norm_returns_table",
    "norm_shares_table",
]

NORM_COMPARISON = "norm_comparison"
"""Kind of analysis, in ``glance()``, that these tables show."""

_BIASED = "Comparison with a norm by the published method: biased, see the bias ledger. Not an impact."
_SYMMETRY = (
    "P: Wilcoxon signed-rank test of the differences, which tests that they are symmetric about zero, not medians."
)
_MODEL_PEOPLE = "have the outcome and every covariate of the model."
_LAYOUT = "Layout of {} of DWP Research Report 896 (2015)."


def norm_comparison_tables(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
) -> tuple[Table, ...]:
    """Build all tables of the NormComparison analyses of a result, the ledger last.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        As an evaluation gives them, or as `disclose` returns them.
    style : str or Style
    labels : Labels, optional

    Returns
    -------
    tuple of Table
        Return by health problem; whole and partial episodes against the norm; shares by characteristic; the three
        models; the bias ledger. A table whose rows the analysis does not have is left out.

    Raises
    ------
    SpecError
        If there is no such analysis.
    """
    given = _Rows(tidy, glance, notes, style, labels)
    args = (tidy, glance, notes, style)
    tables = [norm_returns_table(*args, labels=labels)]
    tables += [norm_episodes_table(*args, outcome=outcome, labels=labels) for outcome in (TOTAL, PARTIAL)]
    if any(row["measure"] == "chi_square" for row in given.rows):
        tables += [
            norm_shares_table(*args, outcomes=outcomes, labels=labels)
            for outcomes in ((ANY_RETURN,), (TOTAL_SHORTER, PARTIAL_SHORTER))
        ]
    if any(row["measure"] == "conditional_odds_ratio" for row in given.rows):
        tables.append(norm_models_table(*args, labels=labels))
    return (*tables, bias_ledger_table(*args, labels=labels))


class _Rows:
    """The rows of these analyses, by place."""

    def __init__(
        self, tidy: pd.DataFrame, glance: pd.DataFrame, notes: pd.DataFrame | None, style: str | Style,
        labels: Labels | None,
    ) -> None:  # fmt: skip
        self.style, self.words = get_style(style), labels or Labels()
        self.looks = [look for look in records(glance) if look["kind"] == NORM_COMPARISON]
        names = {look["analysis"] for look in self.looks}
        if not names:
            raise SpecError("no analysis here compares clients with a norm: add a NormComparison to the plan")
        self.rows = [row for row in records(tidy) if row["analysis"] in names]
        self.reasons = Reasons.of(notes, self.rows)
        self.places = list(dict.fromkeys((row["analysis"], row["population"]) for row in self.rows))
        keys = ("analysis", "population", "outcome", "term", "measure")
        self.by_key = {tuple(row[key] for key in keys): row for row in self.rows}
        self.evidence = weakest(look.get("evidence") for look in self.looks)

    def find(self, place: tuple[Any, Any], outcome: str, term: str, measure: str) -> Record | None:
        """Give one row."""
        return self.by_key.get((*place, outcome, term, measure))

    def head(self, place: tuple[Any, Any]) -> str:
        """Name an analysis and population, as far as there are several."""
        parts = [self.words.analysis(place[0])] if len({a for a, _ in self.places}) > 1 else []
        parts += [self.words.population(place[1])] if len({p for _, p in self.places}) > 1 else []
        return " · ".join(parts)

    def problems(self, place: tuple[Any, Any]) -> list[str]:
        """Give the terms that have a norm: diagnosis groups, and all of them."""
        return [
            row["term"] for row in self.rows
            if (row["analysis"], row["population"]) == place
            and (row["outcome"], row["measure"]) == (TOTAL, "norm_median")
        ]  # fmt: skip

    def number(self, row: Record | None, column: str = "estimate") -> Cell:
        """Give the cell of one number of a row."""
        if row is None:
            return Cell(None, self.style.blank, "blank")
        value = row[column]
        if column == "p_value":
            return number_cell(value, self.style.p_value(value), self.style, self.reasons.about(row, ["p_value"]))
        if column == "n":
            return number_cell(value, self.style.count(value), self.style)
        text = self.style.number(value, row["unit"], row["measure"])
        return number_cell(value, text, self.style, self.reasons.about(row, ["estimate"]))

    def share(self, row: Record | None) -> tuple[Cell, Cell]:
        """Give a percentage, and the count it is of as "n/N"."""
        if row is None:
            blank = Cell(None, self.style.blank, "blank")
            return blank, blank
        value, n = row["estimate"], row["n"]
        if value == "c" or n == "c":
            hidden = Cell("c", self.style.suppressed, "suppressed")
            return hidden, hidden
        why = self.reasons.about(row, ["estimate"])
        shown = number_cell(value, self.style.number(value, "proportion", "proportion"), self.style, why)
        if is_missing(value):
            return shown, Cell("0/0", "0/0", "text")
        count = f"{self.style.count(float(round(value * n)))}/{self.style.count(n)}"
        return shown, Cell(count, count, "text")

    def table(
        self, key: str, title: str, columns: Sequence[Column], groups: Iterable[RowGroup], *, stub: str,
        notes: tuple[str, ...] = (), layout: str = "",
    ) -> Table:  # fmt: skip
        """Put a table together with the label that every one of them carries."""
        groups = tuple(groups)
        kinds = {cell.kind for group in groups for row in group.rows for cell in row.cells}
        said = [self.style.suppressed_meaning] if "suppressed" in kinds else []
        said += [self.style.blank_meaning] if "blank" in kinds else []
        general = [
            line for line in self.reasons.general({look["analysis"] for look in self.looks}, self.rows)
            if not line.startswith("Comparison with") and not line.endswith(_MODEL_PEOPLE)
        ]  # fmt: skip
        source = (_LAYOUT.format(layout),) if layout else ()
        return Table(
            key=key, title=title, columns=tuple(columns), groups=groups, stub=stub,
            notes=(_BIASED, *notes, *said, *general, *source),
            evidence=self.evidence,
        )  # fmt: skip


def norm_returns_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    key: str = "norm-returns",
) -> Table:
    """Build the table of return to work by health problem, in the layout of Table C.4."""
    given = _Rows(tidy, glance, notes, style, labels)
    groups = []
    for place in given.places:
        lines = []
        for term in given.problems(place):
            row = given.find(place, ANY_RETURN, term, "proportion")
            lines.append(Row(_category(term, given.words), (given.number(row, "n"), *reversed(given.share(row)))))
        groups.append(RowGroup(given.head(place), tuple(lines)))
    columns = (Column("n", "N"), Column("count", "Returned/N"), Column("percent", "% returning"))
    return given.table(
        key, "Return to work by health problem", columns, groups, stub="Health problem", layout="Table C.4"
    )


def norm_episodes_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    outcome: str = TOTAL,
    labels: Labels | None = None,
    key: str = "",
) -> Table:
    """Build the table of medians against the norm: Table C.5 for whole episodes, C.6 for those after assessment.

    Parameters
    ----------
    tidy, glance, notes, style, labels
        As in :func:`norm_comparison_tables`.
    outcome : {"total episode", "partial episode"}
    key : str
    """
    given = _Rows(tidy, glance, notes, style, labels)
    unit = next((str(row["unit"]) for row in given.rows if row["measure"] == "norm_median"), "")
    whole = outcome == TOTAL
    exact = any(row["measure"] == "signed_rank_exact" for row in given.rows)
    columns = [
        Column("n", "N returning"),
        Column("client", f"Client median ({unit})"),
        Column("norm", f"{'Norm' if whole else 'Adjusted norm'} (median {unit})"),
        Column("p", "P"),
        *([Column("exact", "P, exact")] if exact else []),
    ]
    groups = []
    for place in given.places:
        lines = []
        for term in given.problems(place):
            client = given.find(place, outcome, term, "median")
            tests = [given.find(place, outcome, term, name) for name in ("signed_rank", "signed_rank_exact")]
            cells = (
                given.number(client, "n"),
                given.number(client),
                given.number(given.find(place, outcome, term, "norm_median")),
                *(given.number(test, "p_value") for test in tests[: 1 + exact]),
            )
            lines.append(Row(_category(term, given.words), cells))
        groups.append(RowGroup(given.head(place), tuple(lines)))
    title = "Whole absence of returned clients against the norm" if whole else (
        "Time from assessment to return against the adjusted norm"
    )  # fmt: skip
    return given.table(
        key or ("norm-total" if whole else "norm-partial"), title, columns, groups, stub="Health problem",
        notes=(_SYMMETRY,), layout="Table C.5" if whole else "Table C.6",
    )  # fmt: skip


def norm_shares_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    outcomes: tuple[str, ...] = (TOTAL_SHORTER, PARTIAL_SHORTER),
    labels: Labels | None = None,
    key: str = "",
) -> Table:
    """Build the table of shares by characteristic with their chi-square test.

    Table C.7 for episodes shorter than the norm; with ``outcomes=("any return to work",)`` Table C.3.
    """
    given = _Rows(tidy, glance, notes, style, labels)
    returns = outcomes == (ANY_RETURN,)
    heads = {ANY_RETURN: "Any return", TOTAL_SHORTER: "Total episode", PARTIAL_SHORTER: "Partial episode"}
    columns = [
        Column(f"{name}_{place}", head, spanner=heads[outcome] if len(outcomes) > 1 else "")
        for place, outcome in enumerate(outcomes)
        for name, head in (("percent", "%"), ("count", "n/N"), ("p", "P"))
    ]
    groups: list[RowGroup] = []
    for place in given.places:
        tested = [
            row["term"] for row in given.rows
            if (row["analysis"], row["population"]) == place
            and (row["outcome"], row["measure"]) == (outcomes[0], "chi_square")
        ]  # fmt: skip
        for name in tested:
            terms = dict.fromkeys(
                row["term"] for row in given.rows
                if row["measure"] == "proportion" and str(row["term"]).startswith(f"{name}[")
            )  # fmt: skip
            lines = []
            for number, term in enumerate(terms):
                cells: list[Cell] = []
                for outcome in outcomes:
                    cells += given.share(given.find(place, outcome, term, "proportion"))
                    test = given.find(place, outcome, name, "chi_square")
                    cells.append(given.number(test, "p_value") if number == 0 else Cell(None, "", "text"))
                lines.append(Row(_category(term, given.words), tuple(cells)))
            groups.append(RowGroup(" · ".join(filter(None, [given.head(place), readable(name)])), tuple(lines)))
    return given.table(
        key or ("norm-return-shares" if returns else "norm-shares"),
        "Return to work by characteristic" if returns else "Returned clients with an episode shorter than the norm",
        columns, groups, stub="Characteristic", layout="Table C.3" if returns else "Table C.7",
        notes=("P: Pearson chi-square over the categories, without continuity correction.",),
    )  # fmt: skip


def norm_models_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    key: str = "norm-models",
) -> Table:
    """Build the table of the three logistic models side by side, in the layout of Table C.24."""
    names = {
        ANY_RETURN: "Any return to work",
        TOTAL_SHORTER: "Total episode shorter than norm",
        PARTIAL_SHORTER: "Partial episode shorter than adjusted norm",
    }
    several = glance.loc[glance["kind"] == NORM_COMPARISON, "analysis"].nunique() > 1

    def as_model(frame: pd.DataFrame) -> pd.DataFrame:
        """Name each model after its outcome: odds_ratios_table sets analyses side by side."""
        kept = frame[frame["outcome"].isin(list(names))].copy()
        head = kept["outcome"].map(names)
        kept["analysis"] = kept["analysis"] + ": " + head if several else head
        return kept

    rows = tidy[(tidy["measure"] == "conditional_odds_ratio") & tidy["outcome"].isin(list(names))]
    rows = rows.assign(measure="odds_ratio")
    if not len(rows):
        raise SpecError("no models here: give NormComparison `covariates`")
    looks = as_model(glance[glance["kind"] == NORM_COMPARISON]).assign(
        kind="odds_ratios", method="logistic regression", inference="model-based"
    )
    said = None if notes is None else as_model(notes[(notes["column"] != "") & (notes["term"] != "")])
    table = odds_ratios_table(
        as_model(rows), looks, said, style, labels=labels, key=key,
        title="Independent association of characteristics with return to work",
        source=_LAYOUT.format("Table C.24"),
    )  # fmt: skip
    counts = [] if notes is None else [
        f"{names[note['outcome']]}: {note['reason']}." for note in records(notes)
        if note["outcome"] in names and f"{note['reason']}.".endswith(_MODEL_PEOPLE)
    ]  # fmt: skip
    people = tuple(line for line in table.notes if not line.startswith("People: "))
    return Table(
        key=table.key, title=table.title, columns=table.columns, groups=table.groups, stub=table.stub,
        notes=(_BIASED, *people, *counts), source=table.source, evidence=table.evidence,
    )  # fmt: skip


def bias_ledger_table(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    key: str = "bias-ledger",
) -> Table:
    """Build the ledger: each known bias of the published comparison, its direction and its size on these data.

    Returns
    -------
    Table
        One group for each population; a size that cannot be measured prints as n/c with its reason.
    """
    given = _Rows(tidy, glance, notes, style, labels)
    directions = {bias.direction for bias in LEDGER.values()}
    groups = []
    for place in given.places:
        lines = []
        for row in given.rows:
            here = (row["analysis"], row["population"]) == place
            if not here or row["outcome"] not in (BIAS_LEDGER, BIAS_SHARES):
                continue
            said = given.reasons.about(row, ["estimate"], whole_row=True)
            direction = next((way for way in directions for line in said if line.lower().startswith(way)), "")
            said = tuple(_after(line, direction) for line in said)
            size = given.style.number(row["estimate"], row["unit"], "proportion", with_unit=True)
            value = number_cell(row["estimate"], size, given.style, said)
            lines.append(Row(_capital(str(row["term"])), (Cell(direction, direction, "text"), value)))
        groups.append(RowGroup(given.head(place), tuple(lines)))
    return given.table(
        key, "Bias ledger of the published comparison",
        (Column("direction", "Direction", align="left"), Column("size", "Size on these data")),
        groups, stub="Bias",
        notes=(
            "Weeks or days are signed: positive makes clients look quicker than a fair comparison would. Sizes do not "
            "add up to one correction; n/c is not measurable here.",
        ),
    )  # fmt: skip


def _after(line: str, direction: str) -> str:
    rest = line[len(direction) :].lstrip(": ") if direction and line.lower().startswith(direction) else line
    return _capital(rest)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _category(term: str, words: Labels) -> str:
    shown = dict(words.terms).get(term)
    if shown:
        return str(shown)
    if term == ALL_RECORDED:
        return "All recorded diagnoses"
    _, bracket, rest = term.partition("[")
    return rest[:-1] if bracket else term
