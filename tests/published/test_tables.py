"""The published tables that come with the package: every one loads, cites its page and reads as printed.

Figures checked against: Evaluation of the 2010-13 Fit for Work Service pilots: final report, DWP Research Report 896
(2015); Summary: Evaluation of the Health-led Employment Trials (2023); Health and Work Support pilot evaluations.
"""

import dataclasses
import math
import subprocess
import sys
from importlib.resources import files

import pytest

from impactkit.errors import SpecError
from impactkit.published import PublishedTable, list_tables, load

IDS = [entry.id for entry in list_tables()]


def test_every_data_file_is_in_the_register() -> None:
    data = files("impactkit.published") / "data"
    on_disk = {path.name for path in data.iterdir() if path.name.endswith(".csv")}
    register = (files("impactkit.published") / "registry.toml").read_text(encoding="utf-8")
    assert on_disk == {name for name in on_disk if f'file = "{name}"' in register}
    assert len(IDS) == len(on_disk) == 51


@pytest.mark.parametrize("table_id", IDS)
def test_a_table_states_its_provenance_and_reads_whole(table_id: str) -> None:
    table = load(table_id)
    assert table.document.licence == "Open Government Licence v3.0"
    assert "Crown copyright" in table.document.attribution
    assert table.source == f"{table.label}, {table.document.citation}"
    assert table.rows
    numbers, text = table.frame(), table.frame(as_printed=True)
    assert numbers.shape == text.shape == (len(table.rows), len(table.columns))
    for column in table.columns:
        assert column.name == column.name.lower()
        if column.role == "value":
            assert column.unit
            assert numbers[column.name].dtype == float
            assert (numbers[column.name].isna() == (text[column.name] == "")).all()


def test_a_cell_carries_its_rounding_and_source() -> None:
    cell = load("ffws.c3").cell({"characteristic": "Gender", "category": "Male"}, "percent")
    assert (cell.value, cell.text, cell.decimals, cell.low, cell.high) == (58.0, "58.0", 1, 57.95, 58.05)
    assert (cell.operator, cell.unit, cell.source) == ("=", "percent", "Table C.3, DWP Research Report 896 (2015)")


def test_p_values_keep_sign_and_lost_zeros() -> None:
    small = load("ffws.c3").cell({"category": "Over 8 weeks"}, "p")
    assert (small.text, small.operator, small.value, small.high) == ("<0.001", "<", 0.001, 0.001)
    assert small.low == -math.inf
    bare = load("ffws.c10").cell({"characteristic": "Dependent children"}, "p")  # printed 0.1 in a column of 0.12s
    assert (bare.text, bare.low, bare.high) == ("0.1", 0.095, 0.105)
    fine = load("ffws.c12").cell({"health_problem": "Other musculoskeletal"}, "p")
    assert (fine.text, fine.low, fine.high) == ("0.006", 0.0055, 0.0065)
    unsigned = load("ffws.c5").cell({"health_problem": "All recorded diagnoses"}, "p")
    assert unsigned.may_mean_at_most
    assert not small.may_mean_at_most


def test_prose_figures_have_a_declared_unit_of_rounding() -> None:
    prose = load("ffws.prose_costs")
    net = prose.cell({"claim": "net benefit", "area": "Greater Manchester"}, "value")
    assert (net.rounding_unit, net.low, net.high, net.unit) == (100.0, 1450.0, 1550.0, "GBP per client")
    words = prose.cell({"claim": "break-even at low cost", "section": "4.2"}, "value")
    assert (words.text, words.low, words.high) == ("5 to 6", 5.0, 6.0)


def test_units_that_differ_by_row_are_read_from_the_row() -> None:
    table = load("hlet.1")
    health = table.cell({"group": "SCR IW", "outcome": "Health"}, "impact")
    earnings = table.cell({"group": "SCR OOW", "outcome": "Earnings"}, "impact")
    assert (health.unit, health.value, health.low) == ("sd", 0.10, 0.095)
    assert (earnings.unit, earnings.value, earnings.low) == ("GBP", -233.0, -233.5)


def test_known_figures_of_the_reports() -> None:
    costs = load("ffws.4.2")
    assert costs.cell({"pilot": "All pilots", "period": "2011-13"}, "cost_per_client").value == 1066
    assert load("hlet.2").cell({"group": "SCR IW"}, "economic_return").value == 2.32
    assert load("ffws.d").cell({"dimension": "Area", "group": "Scotland"}, "mean_gain").value == 0.331
    assert load("hws.1").cell({"stage": "Enrolments (Salus)", "area": "Total"}, "n").value == 929
    assert load("ffws.c15").cell({"diagnosis": "Total"}, "n").value == 5651


def test_contradictions_travel_with_the_table() -> None:
    assert any("0.044" in text for text in load("ffws.c3").contradictions)
    assert any("2,292" in text for text in load("hlet.2").contradictions)


def test_a_table_cannot_be_changed() -> None:
    table = load("ffws.c3")
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.title = "another"  # type: ignore[misc]
    frame = table.frame()
    frame.loc[0, "n"] = -1
    assert load("ffws.c3").texts("n")[0] == "69"


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda t: load("ffws.c33"), 'Did you mean "ffws.c3"'),
        (lambda t: t.cell({"category": "Male"}, "percnt"), 'Did you mean "percent"'),
        (lambda t: t.cell({"category": "Mail"}, "percent"), 'Did you mean "Male"'),
        (lambda t: t.cell({"categorie": "Male"}, "percent"), 'Did you mean "category"'),
        (lambda t: t.cell({"category": "Other"}, "percent"), "2 rows match"),
        (lambda t: t.cell({"category": "Male"}, "area"), "holds text"),
        (lambda t: load("ffws.c17").cell({"category": "Employer"}, "percent"), "nothing is printed"),
    ],
)
def test_a_wrong_question_is_answered_with_the_right_one(action: object, words: str) -> None:
    with pytest.raises(SpecError, match=words.replace("?", r"\?")):
        action(load("ffws.c3"))  # type: ignore[operator]


def test_select_keeps_printed_order() -> None:
    table = load("ffws.c3").select({"characteristic": "Size of employer"})
    assert isinstance(table, PublishedTable)
    assert table.texts("returned") == ("14", "14", "71")


def test_loading_a_table_loads_no_pandas() -> None:
    code = (
        "import sys; from impactkit.published import load; "
        "load('ffws.c3').cell({'category': 'Male'}, 'percent'); "
        "print(sorted(m for m in ('pandas', 'scipy', 'numpy') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pandas" not in done.stdout
    assert "scipy" not in done.stdout
