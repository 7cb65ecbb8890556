"""Recompute what the Fit for Work Service report prints from its own published counts, cell by cell.

The report (DWP Research Report 896, 2015) is reproduced as it was worked: Pearson's chi-square without continuity
correction, means over clients, days of absence at a stated value. Inputs are marked *given*; everything else is
recomputed and marked *agrees*, *rounding* or *differs*. No convention was chosen to turn a mark: where the report
leaves two readings open, both are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from impactkit.compute.contingency import pearson_chi_square
from impactkit.econ.breakeven import break_even_days, break_even_weeks, net_benefit
from impactkit.econ.costs import weighted_cost, weighted_cost_range
from impactkit.published.compare import ComparedCell, Tally, compare_cell, given_cell
from impactkit.published.registry import load
from impactkit.published.table import PublishedTable
from impactkit.report.reproduce_ffws_norms import norm_tables

__all__ = ["Reproduction", "Section", "reproduce"]

ALPHA: Final = 0.05
"""Level at which the report calls a difference significant (its footnote 11)."""

WORKING_DAYS: Final = 5
CALENDAR_DAYS: Final = 7
TRUSTED_EXPECTED: Final = 5.0
"""Expected count below which the chi-square approximation is usually doubted."""

RETURN_TABLES: Final = ("ffws.c3", "ffws.c10", "ffws.c17", "ffws.c22")
YEARS: Final = ("2011/12", "2012/13")
BOTH_YEARS: Final = "2011-13"
ALL_PILOTS: Final = "All pilots"
ADJUSTED_NORMS: Final = (
    ("Greater Manchester", "ffws.c6"),
    ("North Staffordshire", "ffws.c13"),
    ("Leicester", "ffws.c20"),
)

WHY: Final[dict[tuple[str, str], str]] = {
    ("ffws.c3", "Agency referring to the pilot"): (
        "The counts give 0.044, below 0.05, where 0.09 is printed. The printed p follows if 5 of 8 employer referrals "
        "are taken to have returned (0.0898): the complement of the printed 3 of 8. The pooled table needs the 3. "
        "Our reading: the p value was worked with that row the wrong way round."
    ),
    ("ffws.c22", "Dependent children"): (
        "The counts, which are the sums of the three pilots, give 0.059: above 0.05, where the report's text calls the "
        "difference significant. A likelihood ratio (0.058), a test stratified by pilot (0.059), Fisher's test "
        "(0.066), a continuity correction (0.071) and one side only (0.030) do not give 0.04 either. Not resolved."
    ),
    ("ffws.4.2", "2012/13"): (
        "The pilots' printed costs and clients give £1,125. Section 2.3 counts 2,783 clients for this period, Table "
        "4.1 2,636 (two pilots to December 2012 only); over 2,783 the same total is £1,065.8. Our reading: the printed "
        "average divides costs to December by clients to March."
    ),
    ("ffws.4.2", "2011-13"): (
        "The pilots' printed costs and clients give £1,096. Over the 5,300 clients of the executive summary, where "
        "Table 4.1 has 5,153, the same total is £1,065.3; the printed cell is also the mean of the two printed "
        "averages beside it (1,065 and 1,067). Our reading: it carries on the average of 2012/13."
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """Compared cells that belong together.

    Parameters
    ----------
    title : str
        Heading.
    cells : tuple of ComparedCell
        In printed order, given cells before those worked from them.
    evidence : str
        Label of the strength of evidence behind an effect, "comparison with a norm"; empty where no effect is shown.
    """

    title: str
    cells: tuple[ComparedCell, ...]
    evidence: str = ""

    @property
    def tally(self) -> Tally:
        """Count the marks of this section."""
        return Tally.of(self.cells)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A published report recomputed: sections of compared cells, what was assumed, and what to know.

    Parameters
    ----------
    document : str
        Citation.
    sections : tuple of Section
        One per table or passage.
    assumptions : tuple of str
        Parameters and conventions, with their source.
    notes : tuple of str
        What a reader should know before using the figures.
    """

    document: str
    sections: tuple[Section, ...]
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def cells(self) -> tuple[ComparedCell, ...]:
        """All cells in order."""
        return tuple(cell for section in self.sections for cell in section.cells)

    @property
    def tally(self) -> Tally:
        """Count the marks of all cells."""
        return Tally.of(self.cells)


def reproduce() -> Reproduction:
    """Recompute the tables of Appendix C from their counts, Tables 4.1 and 4.2, and the money of chapters 4 and 5.

    Returns
    -------
    Reproduction
        The same every time: it reads package data only.

    References
    ----------
    Evaluation of the 2010-13 Fit for Work Service pilots: final report. DWP Research Report 896 (2015).

    Examples
    --------
    >>> reproduction = reproduce()
    >>> [section.title for section in reproduction.sections][:2]
    ['Table C.3: Return to work by characteristic, Greater Manchester', \
'Table C.10: Return to work by characteristic, North Staffordshire']
    """
    returns = tuple(_return_section(load(table_id)) for table_id in RETURN_TABLES)
    document = load("ffws.4.2").document
    value_of_day = load("ffws.prose_costs").cell({"claim": "value of a day"}, "value").value
    return Reproduction(
        document=f"{document.title}. {document.citation}",
        sections=(
            *returns,
            *(Section(*table) for table in norm_tables()),
            _clients_section(),
            _costs_section(),
            _break_even_section(),
            _net_benefit_section(),
        ),
        assumptions=(
            "P values: Pearson's chi-square without continuity correction, over each characteristic's printed rows.",
            f"Value of a day of absence: £{value_of_day:.0f}, the report's figure for a working day (section 4.2, from "
            "the CIPD absence survey of 2009), taken as exact.",
            f"Weeks saved are turned into pounds at {WORKING_DAYS} working days a week.",
            "Costs per client are the printed ones of 2011-13, in prices as printed: the report states no price year.",
            "Means over years and pilots are weighted by the clients of Table 4.1.",
            "Rounding: half a unit of the last printed place to each side. The unit is £100 for around £1,500, one day "
            "for 11 working days, half a week for one and a half weeks; five to six working days is read as 5 to 6.",
            f"A difference with a printed p of {ALPHA} or more counts as not significant.",
        ),
        notes=(
            "Tables C.3, C.4, C.10, C.11, C.17, C.18 and C.22 show associations among clients, not effects of the "
            "pilots.",
            "Tables C.5, C.6, C.12, C.13, C.19 and C.20 (medians and signed-rank tests) and the models of Table C.24 "
            "need person rows, which are not published. Of Table C.24 it is asked whether odds ratio, interval and p "
            "value fit one another: an odds ratio is the geometric mean of its limits, and p follows from their width.",
            "Tables C.7, C.14, C.21 and C.23 count returned clients with an absence shorter than a norm. Clients who "
            "did not return are left out, and a client enters only if still absent at assessment: no share is an "
            "effect.",
            "Weeks saved are the adjusted norm's median less the median of clients who returned to work (rows for all "
            "recorded diagnoses). That comparison leaves out clients who did not return and sets time since assessment "
            "against a norm with a different start, so it can show a difference where there is none: the pounds are "
            "the report's arithmetic and not an estimate of what the pilots achieved.",
            "Leicester is shown twice: with its difference as printed, and with a difference that is not significant "
            "counted as zero. The printed net cost of around £1,500 follows from the second only.",
            "Section 5.5 is shown on two day bases. Its weeks follow from seven days a week, though £90 is the value "
            "of a working day; the break-even of five-day weeks is longer by two fifths. Both bases are counted, so "
            "two of the cells that differ are our second basis.",
            "One percentage of Table C.17 is not printed (Leicester's single employer referral) and is not compared.",
        ),
    )


def _return_section(table: PublishedTable) -> Section:
    cells: list[ComparedCell] = []
    for characteristic in dict.fromkeys(table.texts("characteristic")):
        block = table.select({"characteristic": characteristic})
        counts: list[tuple[float, float]] = []
        for category, percent in zip(block.texts("category"), block.texts("percent"), strict=True):
            where = {"category": category}
            row = (characteristic, category)
            n, returned = block.cell(where, "n"), block.cell(where, "returned")
            cells.append(given_cell(n, table=table.id, row=row, column="n"))
            cells.append(given_cell(returned, table=table.id, row=row, column="returned"))
            counts.append((returned.value, n.value - returned.value))
            if percent:
                ours = 100.0 * returned.value / n.value
                cells.append(
                    compare_cell(ours, block.cell(where, "percent"), table=table.id, row=row, column="percent")
                )
        test = pearson_chi_square(counts)
        note = WHY.get((table.id, characteristic), "")
        if test.smallest_expected < TRUSTED_EXPECTED:
            weak = f"Smallest expected count {test.smallest_expected:.1f}: the chi-square approximation is weak."
            note = f"{note} {weak}".strip()
        cells.append(
            compare_cell(
                test.p_value, block.cell({}, "p"), table=table.id, row=(characteristic,), column="p", note=note
            )
        )
    return Section(f"{table.label}: {table.title}", tuple(cells))


def _pilots(table: PublishedTable) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(table.texts("pilot")) if name != ALL_PILOTS)


def _year_cells(table: PublishedTable, column: str) -> Iterator[ComparedCell]:
    for pilot in _pilots(table):
        for year in YEARS:
            printed = table.cell({"pilot": pilot, "period": year}, column)
            yield given_cell(printed, table=table.id, row=(pilot, year), column=column)


def _grid(table: PublishedTable, column: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Give the pilots' year cells, shape (pilots, years)."""
    return np.array(
        [[table.cell({"pilot": pilot, "period": year}, column).value for year in YEARS] for pilot in _pilots(table)]
    )


def _parts(pilots: tuple[str, ...]) -> Iterator[tuple[str, str, tuple[slice, slice]]]:
    """Give each cell that is worked from year cells: pilot, period, and which year cells it takes."""
    for position, pilot in enumerate(pilots):
        yield pilot, BOTH_YEARS, (slice(position, position + 1), slice(None))
    for position, year in enumerate(YEARS):
        yield ALL_PILOTS, year, (slice(None), slice(position, position + 1))
    yield ALL_PILOTS, BOTH_YEARS, (slice(None), slice(None))


def _clients_section() -> Section:
    table = load("ffws.4.1")
    cells = list(_year_cells(table, "clients"))
    clients = _grid(table, "clients")
    for pilot, period, part in _parts(_pilots(table)):
        printed = table.cell({"pilot": pilot, "period": period}, "clients")
        ours = float(clients[part].sum())
        cells.append(compare_cell(ours, printed, table=table.id, row=(pilot, period), column="clients"))
    return Section(f"{table.label}: {table.title}", tuple(cells))


def _costs_section() -> Section:
    table = load("ffws.4.2")
    cells = list(_year_cells(table, "cost_per_client"))
    costs, clients = _grid(table, "cost_per_client"), _grid(load("ffws.4.1"), "clients")
    half_unit = table.cell({"pilot": ALL_PILOTS, "period": BOTH_YEARS}, "cost_per_client").rounding_unit / 2
    for pilot, period, part in _parts(_pilots(table)):
        c, n = costs[part].ravel(), clients[part].ravel()
        cells.append(
            compare_cell(
                float(weighted_cost(c, n)),
                table.cell({"pilot": pilot, "period": period}, "cost_per_client"),
                reachable=weighted_cost_range(c, n, cost_half_unit=half_unit),
                table=table.id,
                row=(pilot, period),
                column="cost_per_client",
                note=WHY.get((table.id, period), "") if pilot == ALL_PILOTS else "",
            )
        )
    return Section(f"{table.label}: {table.title}", tuple(cells))


def _break_even_section() -> Section:
    table = load("ffws.prose_costs")
    day = table.cell({"claim": "value of a day"}, "value")
    cells = [given_cell(day, table=table.id, row=("value of a day",), column="value")]
    for level in ("average cost", "low cost"):
        cost = table.cell({"claim": level}, "value")
        cells.append(given_cell(cost, table=table.id, row=(level,), column="value"))
        days = break_even_days(cost.value, day.value)
        claim = f"break-even at {level}"
        printed_days = table.cell({"claim": claim, "section": "4.2"}, "value")
        row = (claim, "section 4.2", "working days")
        cells.append(compare_cell(float(days), printed_days, table=table.id, row=row, column="value"))
        printed_weeks = table.cell({"claim": claim, "section": "5.5"}, "value")
        for basis, note in (
            (CALENDAR_DAYS, "Follows from seven days a week at the value of a working day."),
            (WORKING_DAYS, "The same days as weeks of five working days; the printed figure is on a seven-day basis."),
        ):
            cells.append(
                compare_cell(
                    float(break_even_weeks(days, days_per_week=basis)),
                    printed_weeks,
                    table=table.id,
                    row=(claim, "section 5.5", f"{basis}-day weeks"),
                    column="value",
                    note=note,
                )
            )
    return Section("Sections 4.2 and 5.5: Break-even days and weeks", tuple(cells))


def _net_benefit_section() -> Section:
    prose = load("ffws.prose_costs")
    value_of_day = prose.cell({"claim": "value of a day"}, "value").value
    cells: list[ComparedCell] = []
    for pilot, table_id in ADJUSTED_NORMS:
        table = load(table_id)
        where = {"health_problem": "All recorded diagnoses"}
        norm, client = table.cell(where, "norm_median_weeks"), table.cell(where, "client_median_weeks")
        p = table.cell(where, "p")
        for column, printed in (("norm_median_weeks", norm), ("client_median_weeks", client), ("p", p)):
            cells.append(given_cell(printed, table=table_id, row=(pilot, "All recorded diagnoses"), column=column))
        cost = load("ffws.4.2").cell({"pilot": pilot, "period": BOTH_YEARS}, "cost_per_client")
        for rule in _rules(p.value):
            counted = 0.0 if rule == "zero" else 1.0
            saved = np.array([norm.value - client.value, norm.low - client.high, norm.high - client.low])
            weeks = counted * saved + 0.0  # no negative zero
            ours, low, high = net_benefit(
                weeks,
                days_per_week=WORKING_DAYS,
                value_of_day=value_of_day,
                cost=[cost.value, cost.high, cost.low],
            ).tolist()
            cells.append(
                compare_cell(
                    ours,
                    prose.cell({"claim": "net benefit", "area": pilot}, "value"),
                    reachable=(low, high),
                    table=prose.id,
                    row=(pilot, f'nonsignificant="{rule}"'),
                    column="value",
                    note=_net_benefit_note(pilot, rule, float(weeks[0]), cost.value, p.text),
                )
            )
    return Section("Section 4.2: Net benefit per client", tuple(cells), evidence="comparison with a norm")


def _rules(p_value: float) -> tuple[Literal["point", "zero"], ...]:
    """Give the rules for a difference that is not significant; one is enough where it is."""
    return ("point", "zero") if p_value >= ALPHA else ("point",)


def _net_benefit_note(pilot: str, rule: str, weeks: float, cost: float, p: str) -> str:
    worked = f"{weeks:.1f} weeks saved, printed cost £{cost:,.0f}, printed p {p}."
    if pilot != "Leicester":
        return worked
    if rule == "zero":
        return f"{worked} The difference is not significant and counts as zero, which leaves the cost alone."
    return (
        f"{worked} The printed figure follows only if this difference, which is not significant, counts as zero; "
        "the report does not say so."
    )
