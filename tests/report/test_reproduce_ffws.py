"""The Fit for Work Service report recomputed from its own counts.

Evaluation of the 2010-13 Fit for Work Service pilots: final report. DWP Research Report 896, June 2015. Tables C.3,
C.10, C.17, C.22 (return to work), 4.1, 4.2 (clients, cost per client), C.6, C.13, C.20 (medians); sections 4.2, 5.5.
"""

import pytest

from impactkit.compute.contingency import fisher_exact, likelihood_ratio, pearson_chi_square
from impactkit.published import ComparedCell, Mark, Tally, load
from impactkit.report.reproduce_ffws import RETURN_TABLES, Reproduction, reproduce
from impactkit.report.reproduce_ffws_norms import NEEDS_PERSON_ROWS, SIGNED_RANK_TABLES
from impactkit.report.reproduce_ffws_norms import WHY as NORMS_WHY


@pytest.fixture(scope="module")
def reproduction() -> Reproduction:
    return reproduce()


def find(reproduction: Reproduction, table: str, row: tuple[str, ...], column: str) -> ComparedCell:
    (cell,) = (c for c in reproduction.cells if (c.table, c.row, c.column) == (table, row, column))
    return cell


def test_the_tally_by_section(reproduction: Reproduction) -> None:
    assert {section.title.split(":")[0]: section.tally for section in reproduction.sections[:-1]} == {
        "Table C.3": Tally(agrees=28, rounding=0, differs=1, given=42),
        "Table C.10": Tally(agrees=29, rounding=0, differs=0, given=42),
        "Table C.17": Tally(agrees=27, rounding=1, differs=0, given=42),  # one percentage is not printed
        "Table C.22": Tally(agrees=28, rounding=0, differs=1, given=42),
        "Table C.4": Tally(agrees=6, rounding=0, differs=0, given=12),
        "Table C.5": Tally(given=28),
        "Table C.6": Tally(given=28),
        "Table C.7": Tally(agrees=56, rounding=0, differs=2, given=84),
        "Table C.11": Tally(agrees=6, rounding=0, differs=0, given=12),
        "Table C.12": Tally(given=28),
        "Table C.13": Tally(given=28),
        "Table C.14": Tally(agrees=55, rounding=0, differs=3, given=84),
        "Table C.18": Tally(agrees=4, rounding=0, differs=2, given=12),
        "Table C.19": Tally(given=28),
        "Table C.20": Tally(given=28),
        "Table C.21": Tally(agrees=48, rounding=0, differs=6, given=76),  # two rows are not printed
        "Table C.23": Tally(agrees=53, rounding=0, differs=5, given=84),
        "Table C.24": Tally(agrees=50, rounding=35, differs=5, given=90),
        "Table 4.1": Tally(agrees=10, rounding=0, differs=0, given=14),
        "Table 4.2": Tally(agrees=5, rounding=3, differs=2, given=14),
        "Sections 4.2 and 5.5": Tally(agrees=3, rounding=1, differs=2, given=3),
    }
    assert reproduction.sections[-1].tally == Tally(agrees=2, rounding=1, differs=1, given=9)
    assert reproduction.tally == Tally(agrees=410, rounding=41, differs=30, given=830)


def test_exactly_these_cells_differ_and_each_says_why(reproduction: Reproduction) -> None:
    differing = {(cell.table, *cell.row): cell for cell in reproduction.cells if cell.mark is Mark.DIFFERS}
    norms = {(table, *row) for table, row, _ in NORMS_WHY}
    models = {key for key in differing if key[0] == "ffws.c24"}
    assert len(models) == 3  # two of them differ in two cells
    assert set(differing) - norms - models == {
        ("ffws.c3", "Agency referring to the pilot"),
        ("ffws.c22", "Dependent children"),
        ("ffws.4.2", "All pilots", "2012/13"),
        ("ffws.4.2", "All pilots", "2011-13"),
        ("ffws.prose_costs", "break-even at average cost", "section 5.5", "5-day weeks"),
        ("ffws.prose_costs", "break-even at low cost", "section 5.5", "5-day weeks"),
        ("ffws.prose_costs", "Leicester", 'nonsignificant="point"'),
    }
    assert all(cell.note for cell in differing.values())


@pytest.mark.parametrize(
    ("row", "ours", "mark"),
    [
        (("Greater Manchester", 'nonsignificant="point"'), 1_486, Mark.AGREES),
        (("North Staffordshire", 'nonsignificant="point"'), -1_581, Mark.ROUNDING),
        (("Leicester", 'nonsignificant="point"'), -1_948, Mark.DIFFERS),
        (("Leicester", 'nonsignificant="zero"'), -1_543, Mark.AGREES),
        (("break-even at average cost", "section 4.2", "working days"), 1_000 / 90, Mark.AGREES),
        (("break-even at low cost", "section 4.2", "working days"), 500 / 90, Mark.AGREES),
        (("break-even at average cost", "section 5.5", "7-day weeks"), 1_000 / 630, Mark.AGREES),
        (("break-even at low cost", "section 5.5", "7-day weeks"), 500 / 630, Mark.ROUNDING),
        (("break-even at average cost", "section 5.5", "5-day weeks"), 1_000 / 450, Mark.DIFFERS),
        (("break-even at low cost", "section 5.5", "5-day weeks"), 500 / 450, Mark.DIFFERS),
    ],
)
def test_the_money_of_chapters_4_and_5(
    reproduction: Reproduction, row: tuple[str, ...], ours: float, mark: Mark
) -> None:
    cell = find(reproduction, "ffws.prose_costs", row, "value")
    assert cell.ours == pytest.approx(ours, rel=1e-12)
    assert cell.mark is mark


@pytest.mark.parametrize(
    ("pilot", "period", "ours", "mark"),
    [
        ("Greater Manchester", "2011-13", 583.1558, Mark.ROUNDING),
        ("Inner NW London", "2011-13", 2108.0385, Mark.AGREES),
        ("North Staffordshire", "2011-13", 2750.3735, Mark.ROUNDING),
        ("Nottinghamshire", "2011-13", 814.5718, Mark.ROUNDING),
        ("All pilots", "2011/12", 1064.6659, Mark.AGREES),
        ("All pilots", "2012/13", 1125.2470, Mark.DIFFERS),
        ("All pilots", "2011-13", 1095.6559, Mark.DIFFERS),
    ],
)
def test_costs_are_means_over_clients(
    reproduction: Reproduction, pilot: str, period: str, ours: float, mark: Mark
) -> None:
    cell = find(reproduction, "ffws.4.2", (pilot, period), "cost_per_client")
    assert cell.ours == pytest.approx(ours, abs=5e-5)
    assert cell.mark is mark


def test_the_stated_reasons_are_arithmetic_that_holds(reproduction: Reproduction) -> None:
    """Each figure named in a note of a differing cell, worked again."""
    total_2012, total_both = 1125.2469650986343 * 2636, 1095.6559285852902 * 5153
    assert round(total_2012 / 2783, 1) == 1065.8
    assert round(total_both / 5300, 1) == 1065.3
    both_years = load("ffws.4.2").cell({"pilot": "All pilots", "period": "2011-13"}, "cost_per_client")
    assert both_years.value == (1065 + 1067) / 2
    turned_round = pearson_chi_square([[44, 37], [33, 10], [5, 3], [21, 17]]).p_value
    assert round(turned_round, 4) == 0.0898
    returned = [load(table_id).cell({"category": "Employer"}, "returned").value for table_id in RETURN_TABLES]
    assert returned[:3] == [3, 23, 1]
    assert returned[3] == sum(returned[:3])
    assert round(find(reproduction, "ffws.c3", ("Agency referring to the pilot",), "p").ours, 3) == 0.044
    assert round(find(reproduction, "ffws.c22", ("Dependent children",), "p").ours, 3) == 0.059


def test_the_other_tests_named_in_a_note(reproduction: Reproduction) -> None:
    """Dependent children, pooled: what other tests give, stratified being Mantel-Haenszel as R's mantelhaen.test."""
    from scipy.stats import chi2, chi2_contingency

    counts = [[242, 174], [155, 81]]
    gap = spread = 0.0
    for table_id in ("ffws.c3", "ffws.c10", "ffws.c17"):
        block = load(table_id).select({"characteristic": "Dependent children"})
        (n1, n2), (x1, x2) = (map(float, block.texts(column)) for column in ("n", "returned"))
        n, x = n1 + n2, x1 + x2
        gap += x1 - n1 * x / n
        spread += n1 * n2 * x * (n - x) / (n * n * (n - 1))
    note = find(reproduction, "ffws.c22", ("Dependent children",), "p").note
    for name, p_value in (
        ("likelihood ratio", likelihood_ratio(counts).p_value),
        ("stratified by pilot", chi2.sf(gap**2 / spread, 1)),
        ("Fisher's test", fisher_exact(counts).p_value),
        ("continuity correction", chi2_contingency(counts, correction=True).pvalue),
        ("one side only", pearson_chi_square(counts).p_value / 2),
    ):
        assert f"{name} ({p_value:.3f})" in note


def test_given_cells_are_inputs_and_carry_the_printed_number(reproduction: Reproduction) -> None:
    given = [cell for cell in reproduction.cells if cell.mark is Mark.GIVEN]
    assert {cell.column for cell in given} == {
        "n", "returned", "clients", "cost_per_client", "value", "norm_median_weeks", "client_median_weeks", "p",
        "total_n", "total_shorter", "partial_n", "partial_shorter", "ci_low", "ci_high",
    }  # fmt: skip
    assert all(cell.source.endswith("DWP Research Report 896 (2015)") for cell in reproduction.cells)
    keys = [(cell.table, cell.row, cell.column) for cell in reproduction.cells]
    assert len(set(keys)) == len(keys)  # no printed figure is counted twice under one rule


def test_weak_approximations_say_so(reproduction: Reproduction) -> None:
    note = find(reproduction, "ffws.c17", ("Agency referring to the pilot",), "p").note
    assert "Smallest expected count 0.4" in note
    assert find(reproduction, "ffws.c10", ("Gender",), "p").note == ""


def test_what_was_assumed_is_said(reproduction: Reproduction) -> None:
    said = " ".join(reproduction.assumptions)
    for words in ("£90", "without continuity correction", "5 working days", "no price year"):
        assert words in said
    assert reproduction.sections[-1].evidence == "comparison with a norm"
    assert any("not an estimate" in note for note in reproduction.notes)


def test_the_same_every_time(reproduction: Reproduction) -> None:
    assert reproduce() == reproduction


def test_every_reason_of_the_norm_tables_belongs_to_a_cell_that_differs(reproduction: Reproduction) -> None:
    differing = {(c.table, c.row, c.column) for c in reproduction.cells if c.mark is Mark.DIFFERS}
    assert set(NORMS_WHY) <= differing
    assert {key for key in differing if key[0] in {table for table, _, _ in NORMS_WHY}} == set(NORMS_WHY)


def test_what_counts_cannot_give_says_that_it_needs_person_rows(reproduction: Reproduction) -> None:
    cells = [cell for cell in reproduction.cells if cell.note == NEEDS_PERSON_ROWS]
    assert {cell.table for cell in cells} == set(SIGNED_RANK_TABLES)
    assert {cell.column for cell in cells} == {"client_median_weeks", "norm_median_weeks", "p"}
    assert {cell.mark for cell in cells} == {Mark.GIVEN}


def test_the_readings_of_the_norm_tables_are_arithmetic_that_holds() -> None:
    def p(*rows: tuple[int, int]) -> float:
        return round(pearson_chi_square([(x, n - x) for x, n in rows]).p_value, 2)

    assert p((70, 131), (24, 39), (15, 24)) == 0.54  # Leicester, one single client fewer
    assert p((1, 25), (18, 126), (0, 1)) == 0.34  # Leicester, the employer's row that is not printed
    assert p((18, 33), (97, 175), (0, 1), (0, 1)) == 0.48  # the employer's and the self-referred
    assert [round(100 * x, 1) for x in (18 / 126, 97 / 175, 24 / 39, 45 / 89, 14 / 45)] == [
        14.3,
        55.4,
        61.5,
        50.6,
        31.1,
    ]
    assert p((45, 71), (24, 28)) == 0.03  # Greater Manchester, large employers against all others
    assert p((8, 90), (56, 289)) == 0.02  # pooled, IAPT against all others
    ethnicity = [(15, 103), (3, 4)]
    assert round(likelihood_ratio(ethnicity).p_value, 3) == 0.058
    assert round(fisher_exact(ethnicity).p_value, 3) == 0.061
    from scipy.stats import chi2_contingency

    assert round(chi2_contingency(ethnicity, correction=True).pvalue, 3) == 0.098
    sizes = [
        load(table).cell({"category": "Under 50 employees"}, "total_n").value
        for table in ("ffws.c7", "ffws.c14", "ffws.c21")
    ]
    assert sum(sizes) == 45
