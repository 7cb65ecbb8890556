"""The published comparison with a norm: against R, its rows, its ledger, and what it refuses.

DWP Research Report 896 (2015), Appendix C.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import AnalysisError, RefusalError, SpecError
from impactkit.estimators.bias_ledger import LEDGER
from impactkit.report.tables_norm_comparison import bias_ledger_table, norm_comparison_tables

FOLDER = Path(__file__).parents[1] / "reference" / "norm_comparison"
EXACT = {"float_precision": "round_trip"} if pd.__version__.startswith("2.") else {}  # what pandas 3 does anyway
EXPECTED = pd.read_csv(FOLDER / "expected.csv", **EXACT)
ALL = "all recorded diagnoses"
SHORTER = {
    "total episode": "total episode shorter than norm",
    "partial episode": "partial episode shorter than adjusted norm",
}


def tables() -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(FOLDER / f"{name}.csv") for name in ("people", "episodes")}


def design(**options: object) -> ik.NormDesign:
    given = {
        "controls": ik.ControlEpisodes(duration="days", late_entry="running", practice="practice"),
        "norm_by": ("area", "diagnosis"),
    }
    return ik.NormDesign(
        unit="id", entry="entry", duration="absent", returned="returned", time_unit="days", **(given | options)
    )


def fit(data: dict[str, pd.DataFrame] | None = None, declared: ik.NormDesign | None = None, **options: object):
    analysis = ik.NormComparison(name="published", **options)
    return ik.Evaluation(declared or design(), tables() if data is None else data, [analysis]).fit(seed=1, strict=True)


@pytest.fixture(scope="module")
def result():
    return fit(characteristics=("sex", "age_group"), covariates=("diagnosis", "sex"), exit="exit")


def value(tidy: pd.DataFrame, outcome: str, term: str, measure: str, column: str = "estimate") -> float:
    rows = tidy[(tidy["outcome"] == outcome) & (tidy["term"] == term) & (tidy["measure"] == measure)]
    assert len(rows) == 1
    return float(rows[column].iloc[0])


@pytest.mark.parametrize("row", list(EXPECTED.itertuples()), ids=lambda row: f"{row.outcome}-{row.term}-{row.name}")
def test_every_number_equals_r(result, row) -> None:
    measure, column = {
        "n": ("median", "n"),
        "signed_rank": ("signed_rank", "p_value"),
        "chi_square": ("chi_square", "p_value"),
        "odds_ratio": ("conditional_odds_ratio", "estimate"),
        "odds_p": ("conditional_odds_ratio", "p_value"),
        "odds_low": ("conditional_odds_ratio", "conf_low"),
    }.get(row.name, (row.name, "estimate"))
    outcome = row.outcome
    if row.name in ("proportion", "chi_square", "odds_ratio", "odds_p", "odds_low"):
        outcome = SHORTER.get(outcome, outcome)
    assert value(result.tidy(), outcome, row.term, measure, column) == pytest.approx(row.value, rel=1e-9, abs=1e-12)


def test_every_known_bias_has_a_row_and_a_direction(result) -> None:
    ledger = result.tidy()[result.tidy()["measure"] == "bias"]
    notes = result.notes()
    assert ledger["p_value"].isna().all()
    for row in ledger.itertuples():
        (said,) = notes[(notes["outcome"] == row.outcome) & (notes["term"] == row.term)]["reason"]
        assert any(said.startswith(bias.direction) for bias in LEDGER.values())
        assert ("not measurable here" in said) == np.isnan(row.estimate)
    assert set(ledger["unit"]) == {"days", "proportion"}
    assert len(bias_ledger_table(result.tidy(), result.glance(), notes).groups[0].rows) == len(ledger)


def test_what_adjusted_total_adds_is_the_four_weeks() -> None:
    total, residual = fit().tidy(), fit(reading="adjusted_residual").tidy()
    for term in ("diagnosis[anxiety]", "diagnosis[back]", ALL):
        gap = value(total, "partial episode", term, "norm_median") - value(
            residual, "partial episode", term, "norm_median"
        )
        assert gap == pytest.approx(28)
    term = "totals against time since assessment"
    assert [value(t, "bias ledger", term, "bias") for t in (total, residual)] == [28, 0]


def test_typed_norms_give_the_same_comparison_and_say_what_cannot_be_measured() -> None:
    episodes = tables()["episodes"]
    long = episodes[episodes["days"] > 28]
    values = []
    for (area, diagnosis), part in episodes.groupby(["area", "diagnosis"]):
        kept = long[(long["area"] == area) & (long["diagnosis"] == diagnosis)]
        cell = f"area={area}, diagnosis={diagnosis}"
        values.append(
            ik.NormValue(cell=cell, complete=float(part["days"].median()), adjusted=float(kept["days"].median()))
        )
    for area, part in episodes.groupby("area"):
        kept = long[long["area"] == area]
        values.append(
            ik.NormValue(
                cell=f"area={area}", complete=float(part["days"].median()), adjusted=float(kept["days"].median())
            )
        )
    typed = fit({"people": tables()["people"]}, design(controls=None), norms=tuple(values)).tidy()
    made = fit().tidy()
    typed, made = (
        frame[~frame["outcome"].str.startswith("bias ledger")].reset_index(drop=True) for frame in (typed, made)
    )
    pd.testing.assert_frame_equal(typed, made)


def test_weeks_and_days_give_the_same_tests() -> None:
    """Days divided by seven are not exact; ties and clients at the norm must survive it."""
    data = tables()
    for name, columns in (("people", ["entry", "absent"]), ("episodes", ["days", "running"])):
        data[name][columns] = data[name][columns] / 7
    weeks, days = fit(data, design().replace(time_unit="weeks")).tidy(), fit().tidy()
    np.testing.assert_allclose(weeks["p_value"], days["p_value"], rtol=1e-10)
    times = (days["unit"] == "days").to_numpy()
    np.testing.assert_allclose(weeks["estimate"][times] * 7, days["estimate"][times], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(weeks["estimate"][~times], days["estimate"][~times], rtol=1e-9)


def test_an_adjusted_norm_below_the_norm_is_named_as_impossible() -> None:
    """Greater Manchester, depression: norm 8.6 weeks (Table C.5), adjusted norm 8.0 weeks (Table C.6)."""
    cells = [f"area={area}, diagnosis={cause}" for area in ("north", "south") for cause in ("anxiety", "back")]
    norms = tuple(ik.NormValue(cell=cell, complete=8.6, adjusted=8.0) for cell in cells)
    for reading, said in (("adjusted_total", True), ("adjusted_residual", False)):
        notes = fit({"people": tables()["people"]}, design(controls=None), norms=norms, reading=reading).notes()
        assert any("cannot be a median" in reason for reason in notes["reason"]) == said


def test_unknown_outcomes_and_lengths_are_counted() -> None:
    data = tables()
    back = data["people"].index[data["people"]["returned"] == 1]
    data["people"].loc[back[:3], "absent"] = np.nan
    data["people"].loc[back[3:5], "diagnosis"] = "nothing like it"
    found = fit(data)
    said = " ".join(found.notes()["reason"])
    assert "3 clients returned, and the length is not known" in said
    assert "2 clients belong to cells without a norm" in said
    assert "2 clients returned, and have no norm" in said
    looks = found.glance().set_index("outcome")
    unknown = int(data["people"]["returned"].isna().sum())
    assert looks.loc["any return to work", "n_missing_outcome"] == unknown
    assert looks.loc["total episode", "n_missing_outcome"] == 5


def test_a_client_at_the_norm_is_not_shorter() -> None:
    people = pd.DataFrame({"id": [1, 2], "d": "x", "entry": [1 / 7, 1 / 7], "absent": [35 / 7, 34 / 7], "back": 1})
    episodes = pd.DataFrame({"episode": [1], "d": ["x"], "duration": [5.0], "ended": [1]})
    declared = ik.NormDesign(
        unit="id", entry="entry", duration="absent", returned="back", norm_by=("d",), controls=ik.ControlEpisodes()
    )
    tidy = fit({"people": people, "episodes": episodes}, declared).tidy()
    assert value(tidy, SHORTER["total episode"], "d[x]", "proportion") == 0.5


def test_nobody_returned_is_said_and_not_a_number() -> None:
    data = tables()
    data["people"]["returned"] = 0.0
    found = fit(data)
    tidy = found.tidy()
    assert np.isnan(value(tidy, "total episode", ALL, "median"))
    assert "nobody returned" in " ".join(found.notes()["reason"])


def test_no_norm_at_all_is_one_error() -> None:
    data = tables()
    data["episodes"]["diagnosis"] = "other"
    with pytest.raises(AnalysisError, match="no control episodes"):
        fit(data)
    with pytest.raises(RefusalError, match="needs a norm"):
        ik.Evaluation(design(controls=None), tables(), [ik.NormComparison(name="published")])
    with pytest.raises(AnalysisError, match='Did you mean "area=north, diagnosis=back"'):
        fit(norms=(ik.NormValue(cell="area=north, diagnosis=bac", complete=1.0, adjusted=2.0),))


def test_clusters_are_refused_unless_set_aside() -> None:
    declared = design(clusters="adviser")
    with pytest.raises(RefusalError, match="clusters"):
        fit(declared=declared)
    aside = fit(declared=declared, ignore=("clusters",), covariates=("sex",))
    assert "set aside" in aside.glance()["method"].iloc[0]
    pd.testing.assert_frame_equal(aside.tidy(), fit(covariates=("sex",)).tidy())


def test_every_table_says_that_it_is_no_impact(result) -> None:
    made = norm_comparison_tables(result.tidy(), result.glance(), result.notes())
    assert [table.key for table in made] == [
        "norm-returns", "norm-total", "norm-partial", "norm-return-shares", "norm-shares", "norm-models", "bias-ledger",
    ]  # fmt: skip
    for table in made:
        assert table.evidence == "comparison with a norm"
        assert "Not an impact" in table.notes[0]
        assert "impact" not in table.title.lower()
    total = made[1]
    assert [row.label for row in total.rows()] == ["anxiety", "back", "All recorded diagnoses"]


def test_no_row_counts_as_an_effect(result) -> None:
    assert not any(ik.results.measure(name).is_effect for name in result.tidy()["measure"])
    with pytest.raises(SpecError):
        result.to_table("impacts")


def test_a_small_share_does_not_withhold_the_medians(result) -> None:
    from impactkit.report.disclosure import disclose

    shown = disclose(result.tidy(), result.glance(), result.notes(), result.cells()).tidy
    medians = shown[shown["measure"].isin(["median", "norm_median", "pseudomedian"])]
    assert not (medians["estimate"] == "c").any()
    assert (shown.loc[shown["outcome"] == SHORTER["total episode"], "estimate"] == "c").any()


def test_withheld_numbers_stay_withheld(result) -> None:
    tidy = result.tidy().astype(object)
    shares = tidy["measure"] == "proportion"
    tidy.loc[shares, ["estimate", "n"]] = "c"
    for table in norm_comparison_tables(tidy, result.glance(), result.notes()):
        assert table.to_text()
        for row in table.rows():
            assert not any("/" in cell.text for cell in row.cells if cell.kind == "text")
