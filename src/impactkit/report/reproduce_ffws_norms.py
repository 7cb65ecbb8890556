"""The Fit for Work Service report's comparison with local norms, recomputed from its own counts where that can be done.

Shares and chi-square tests follow from the printed counts. The signed-rank tests and the logistic models do not: they
need a row per client. Of the models it is asked whether odds ratio, interval and p value fit one another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from impactkit.compute.contingency import pearson_chi_square
from impactkit.published.compare import ComparedCell, compare_cell, given_cell
from impactkit.published.registry import load

if TYPE_CHECKING:
    from impactkit.published.table import PublishedTable
    from impactkit.published.value import PublishedValue

__all__ = ["MODEL_TABLE", "NEEDS_PERSON_ROWS", "SHARE_TABLES", "SHORTER_TABLES", "SIGNED_RANK_TABLES", "norm_tables"]

SHARE_TABLES: Final = ("ffws.c4", "ffws.c11", "ffws.c18")
SHORTER_TABLES: Final = ("ffws.c7", "ffws.c14", "ffws.c21", "ffws.c23")
SIGNED_RANK_TABLES: Final = ("ffws.c5", "ffws.c6", "ffws.c12", "ffws.c13", "ffws.c19", "ffws.c20")
MODEL_TABLE: Final = "ffws.c24"

NEEDS_PERSON_ROWS: Final = "Needs person rows: a median and a signed-rank test do not follow from counts."
"""Note of every printed figure that counts cannot give."""

TRUSTED_EXPECTED: Final = 5.0

_AGENCY = "Agency referring to the pilot"
_ROWS_NOT_PRINTED = (
    "The rows for employers and self-referral are not printed. {counts} That also gives the printed percentage. Our "
    "reading: the printed count is of everybody else, the unprinted rows among them."
)
_OFF_CENTRE = (
    "The printed odds ratio is not the geometric mean of its limits ({limits}), which a Wald interval's is. The lower "
    "limit and the p value fit the odds ratio; the upper limit does not. Which figure is wrong is not known."
)

WHY: Final[dict[tuple[str, tuple[str, ...], str], str]] = {
    ("ffws.c18", ("Stress",), "percent"): "62 of 99 is 62.6 per cent. Not resolved.",
    ("ffws.c18", ("Other health problem",), "percent"): (
        "45 of 90 is 50.0 per cent; the printed one is 45 of 89. Our reading: one episode was counted to another row."
    ),
    ("ffws.c7", (_AGENCY,), "partial_p"): (
        "The counts give 0.25. Neither leaving a row out, nor joining two, nor a complement gives 0.34. Not resolved."
    ),
    ("ffws.c7", ("Size of employer",), "partial_p"): (
        "The counts give 0.09: not significant at 5%, where the text calls the difference significant. The text sets "
        "large employers against all others (45 of 71 and 24 of 28), for which the counts give 0.03. Not resolved."
    ),
    ("ffws.c14", ("Gender",), "partial_p"): "The counts give 0.59. Not resolved.",
    ("ffws.c14", ("Ethnicity",), "total_p"): (
        "The counts give 0.03, where 0.09 is printed. A likelihood ratio (0.058), Fisher's test (0.061) and a "
        "continuity correction (0.098) do not give 0.09 either. Not resolved."
    ),
    ("ffws.c14", ("Time off work before pilot assessment", "Less than 4 weeks"), "partial_percent"): (
        "18 of 31 is 58.1 per cent. Not resolved."
    ),
    ("ffws.c21", ("Marital status", "Single"), "partial_percent"): (
        "25 of 39 is 64.1 per cent; the printed 61.5 is 24 of 39. The pooled table needs the 24 too. Our reading: the "
        "count is a misprint."
    ),
    ("ffws.c21", ("Marital status",), "partial_p"): (
        "With 24 single clients in place of the printed 25 the counts give 0.54, as printed."
    ),
    ("ffws.c21", (_AGENCY, "GP/other health professional"), "total_percent"): (
        "18 of 127 is 14.2 per cent; the printed 14.3 is 18 of 126."
    ),
    ("ffws.c21", (_AGENCY, "GP/other health professional"), "partial_percent"): (
        "97 of 177 is 54.8 per cent; the printed 55.4 is 97 of 175."
    ),
    ("ffws.c21", (_AGENCY,), "total_p"): _ROWS_NOT_PRINTED.format(
        counts="With 18 of 126 for GPs and one employer referral that was not shorter the counts give 0.34, as printed."
    ),
    ("ffws.c21", (_AGENCY,), "partial_p"): _ROWS_NOT_PRINTED.format(
        counts="With 97 of 175 for GPs and one referral each by employer and self, neither shorter, the counts give "
        "0.48, as printed."
    ),
    ("ffws.c23", ("Dependent children", "No"), "total_percent"): "35 of 175 is 20.0 per cent. Not resolved.",
    ("ffws.c23", (_AGENCY,), "total_p"): (
        "The counts give 0.13: not significant at 5%, where the text calls the difference significant. The text sets "
        "IAPT against all others (8 of 90 and 56 of 289), for which the counts give 0.02. Not resolved."
    ),
    ("ffws.c23", (_AGENCY, "GP/other health professional"), "partial_percent"): (
        "151 of 248 is 60.9 per cent. Not resolved."
    ),
    ("ffws.c23", (_AGENCY,), "partial_p"): "The counts give 0.86. Not resolved.",
    ("ffws.c23", ("Size of employer", "Under 50 employees"), "total_percent"): (
        "14 of 55 is 25.5 per cent; the printed 31.1 is 14 of 45, and the three pilots add to 45. Our reading: the "
        "number of episodes is a misprint."
    ),
}
"""Why a cell differs, by table, row and column. The figures in these sentences are worked again by the tests."""

_MODEL_WHY: Final[dict[tuple[str, str], str]] = {
    ("Partial", "Musculoskeletal"): _OFF_CENTRE.format(limits="1.01 and 4.82 have 2.21"),
    ("Partial", "Yes"): _OFF_CENTRE.format(limits="0.78 and 2.23 have 1.32"),
    ("Partial", "IAPT"): "The limits' rounding reaches 0.564; the printed figure begins at 0.565.",
}


def norm_tables() -> Iterator[tuple[str, tuple[ComparedCell, ...], str]]:
    """Give the title, the cells and the label of evidence of every table of the comparison with norms.

    Returns
    -------
    iterator of (str, tuple of ComparedCell, str)
        In the report's order: Tables C.4 to C.7, C.11 to C.14, C.18 to C.21, C.23 and C.24.

    Examples
    --------
    >>> [title for title, _, _ in norm_tables()][0]
    'Table C.4: Return to work by health problem, Greater Manchester'
    """
    makers = (
        dict.fromkeys(SHARE_TABLES, _shares)
        | dict.fromkeys(SHORTER_TABLES, _shorter)
        | dict.fromkeys(SIGNED_RANK_TABLES, _signed_rank)
        | {MODEL_TABLE: _models}
    )
    for table_id in sorted(makers, key=lambda known: int(known.removeprefix("ffws.c"))):
        table = load(table_id)
        yield (
            f"{table.label}: {table.title}",
            tuple(makers[table_id](table)),
            "" if table_id in SHARE_TABLES else "comparison with a norm",
        )


def _shares(table: PublishedTable) -> Iterator[ComparedCell]:
    """Return to work by health problem: the percentage from its counts."""
    for problem in table.texts("health_problem"):
        where, row = {"health_problem": problem}, (problem,)
        n, returned = table.cell(where, "n"), table.cell(where, "returned")
        yield given_cell(n, table=table.id, row=row, column="n")
        yield given_cell(returned, table=table.id, row=row, column="returned")
        yield _compared(100.0 * returned.value / n.value, table, where, row, "percent")


def _shorter(table: PublishedTable) -> Iterator[ComparedCell]:
    """Episodes shorter than the norm by characteristic: percentages, and a chi-square over the printed rows."""
    for characteristic in dict.fromkeys(table.texts("characteristic")):
        block = table.select({"characteristic": characteristic})
        for part in ("total", "partial"):
            counts: list[tuple[float, float]] = []
            for category in block.texts("category"):
                where, row = {"category": category}, (characteristic, category)
                n, shorter = block.cell(where, f"{part}_n"), block.cell(where, f"{part}_shorter")
                yield given_cell(n, table=table.id, row=row, column=f"{part}_n")
                yield given_cell(shorter, table=table.id, row=row, column=f"{part}_shorter")
                yield _compared(100.0 * shorter.value / n.value, block, where, row, f"{part}_percent")
                counts.append((shorter.value, n.value - shorter.value))
            test = pearson_chi_square(counts)
            weak = ""
            if test.smallest_expected < TRUSTED_EXPECTED:
                weak = f"Smallest expected count {test.smallest_expected:.1f}: the chi-square approximation is weak."
            yield _compared(test.p_value, block, {}, (characteristic,), f"{part}_p", note=weak)


def _signed_rank(table: PublishedTable) -> Iterator[ComparedCell]:
    """Medians against the norm: shown, since nothing of them follows from counts."""
    for problem in table.texts("health_problem"):
        where = {"health_problem": problem}
        for column in ("returned", "client_median_weeks", "norm_median_weeks", "p"):
            note = "" if column == "returned" else NEEDS_PERSON_ROWS
            yield given_cell(table.cell(where, column), table=table.id, row=(problem,), column=column, note=note)


def _models(table: PublishedTable) -> Iterator[ComparedCell]:
    """Ask whether each odds ratio is the geometric mean of its limits, and each p value follows from the three."""
    compared = table.select({"role": "compared"})
    keys = ("model", "characteristic", "category")
    for row in zip(*(compared.texts(name) for name in keys), strict=True):
        where = dict(zip(keys, row, strict=True))
        odds, low, high = (table.cell(where, column) for column in ("odds_ratio", "ci_low", "ci_high"))
        note = _MODEL_WHY.get((row[0].split()[0], row[2]), "")
        for printed, column in ((low, "ci_low"), (high, "ci_high")):
            yield given_cell(printed, table=table.id, row=row, column=column)
        middles = [float(np.sqrt(bottom * top)) for bottom, top in _corners(low, high)]
        yield _compared(
            float(np.sqrt(low.value * high.value)),
            table,
            where,
            row,
            "odds_ratio",
            reachable=(min(middles), max(middles)),
            note="" if row[2] == "IAPT" else note,
        )
        reached = [_p_of(*corner) for corner in _corners(odds, low, high)]
        yield _compared(
            _p_of(odds.value, low.value, high.value),
            table,
            where,
            row,
            "p",
            reachable=(min(reached), 1.0 if odds.low < 1.0 < odds.high else max(reached)),
            note=note,
        )


def _corners(*values: PublishedValue) -> list[tuple[float, ...]]:
    return list(itertools.product(*((value.low, value.high) for value in values)))


def _p_of(odds: float, low: float, high: float) -> float:
    """Give the p value that an odds ratio and the width of its 95 per cent interval imply."""
    from scipy.special import ndtr, ndtri

    width = np.log(high / low) / (2.0 * ndtri(0.975))
    return float(2.0 * ndtr(-abs(np.log(odds)) / width))


def _compared(
    ours: float,
    table: PublishedTable,
    where: dict[str, str],
    row: tuple[str, ...],
    column: str,
    *,
    reachable: tuple[float, float] | None = None,
    note: str = "",
) -> ComparedCell:
    said = " ".join(filter(None, (WHY.get((table.id, row, column), ""), note)))
    printed = table.cell(where, column)
    return compare_cell(ours, printed, table=table.id, row=row, column=column, reachable=reachable, note=said)
