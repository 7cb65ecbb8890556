"""FitNoteNorms through ``Evaluation.fit``: rows, populations, refusals, curves and the printed table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
from made_up_norms import design, tables

import impactkit as ik
from impactkit.data import StudyData, norms_from_episodes
from impactkit.errors import RefusalError, SpecError
from impactkit.report import norms_table


def fit(data: dict[str, pd.DataFrame] | None = None, declared: Any = None, **options: Any) -> ik.EvaluationResult:
    spec = ik.FitNoteNorms(name="norms", **options)
    return ik.Evaluation(declared or design(), data or tables(), [spec]).fit(seed=1, strict=True)


def test_rows_are_those_of_the_norm_table() -> None:
    spec = ik.FitNoteNorms(name="norms", horizon=90.0)
    table = spec.table(StudyData.read(tables(), design()))
    rows = fit(horizon=90.0).tidy()
    for norm in table.norms:
        own = rows[(rows["term"] == norm.label) & (rows["measure"] == "median")].iloc[0]
        assert own["estimate"] == table.norm_for(norm.label)
        assert own["df"] == norm.practices - 1
        assert own["n"] == norm.n
    assert [norm.label for norm in table.norms][-2:] == ["area=north", "area=south"]
    assert (rows["unit"] == "days").all()


def test_the_norm_does_not_depend_on_the_population() -> None:
    data = tables()
    data["people"]["area"] = np.where(data["people"]["sex"] == "woman", "north", "south")
    rows = fit(data, design("populations", "clusters", "weights")).tidy()
    women = rows[rows["population"] == "women"]
    assert set(women["term"].str.partition("area=")[2].str[:5]) == {"north"}
    everyone = fit(data).tidy()
    same = women.merge(everyone, on=["term", "measure"], suffixes=("", "_all"))
    assert len(same) == len(women)
    np.testing.assert_array_equal(same["conf_low"], same["conf_low_all"])


def test_influence_makes_two_norms_of_one_area_move_together() -> None:
    found = fit(horizon=90.0).parts["norms"]
    names = [found.find(term=f"area=north{rest}", measure="restricted_mean") for rest in (", diagnosis=back", "")]
    sums = found.influence[0].by_group(names)
    assert np.corrcoef(sums)[0, 1] > 0


def test_fewer_columns() -> None:
    rows = fit(by=("diagnosis",)).tidy()
    assert set(rows.loc[rows["measure"] == "median", "term"]) == {"diagnosis=anxiety", "diagnosis=back", "all"}
    data = tables()
    brute = norms_from_episodes(
        data["episodes"], by=("diagnosis",), reading="complete", time_unit="days", duration="days",
        late_entry="running", practice="practice",
    )  # fmt: skip
    assert rows.loc[0, "estimate"] == brute.norm_for("diagnosis=anxiety")
    assert set(fit(by=()).tidy()["term"]) == {"everyone", "25%: everyone", "75%: everyone"}


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(RefusalError, match="declares no `controls`"):
        fit(declared=design(controls=None))
    bare = design(controls=ik.ControlEpisodes(duration="days", late_entry="running"))
    with pytest.raises(RefusalError, match="resamples practices"):
        fit(declared=bare, interval="bootstrap")
    assert "independent" in fit(declared=bare).notes()["reason"].str.cat()
    with pytest.raises(SpecError, match="elapsed"):
        ik.FitNoteNorms(name="norms", reading="conditional")
    with pytest.raises(SpecError, match="besides the median"):
        ik.FitNoteNorms(name="norms", quantiles=(0.5,))


def test_clients_in_a_cell_without_episodes() -> None:
    data = tables()
    data["people"]["diagnosis"] = "gout"
    declared = design("populations")
    result = fit(data, declared)
    women = result.tidy().query("population == 'women'")
    assert set(women.loc[women["measure"] == "median", "term"]) == {
        "area=north, diagnosis=gout", "area=south, diagnosis=gout", "area=north", "area=south",
    }  # fmt: skip
    empty = women[women["term"] == "area=north, diagnosis=gout"]
    assert empty["estimate"].isna().all()
    assert (empty["n"] == 0).all()
    assert "no such episode" in result.notes()["reason"].str.cat()


def test_curves_have_limits_and_counts() -> None:
    curve = fit().curve()
    assert set(curve["measure"]) == {"norm_survival"}
    whole = curve[curve["term"] == "area=north"]
    known = whole.dropna()
    assert (known["conf_low"] <= known["estimate"]).all()
    assert (known["estimate"] <= known["conf_high"]).all()
    assert whole["n_risk"].is_monotonic_decreasing or whole["n_risk"].max() > 100
    residual = fit(reading="adjusted_residual").curve()
    assert residual["time"].min() == 1.0


def test_small_cells_are_withheld_with_what_would_give_them_back() -> None:
    data = tables()
    data["episodes"].loc[:5, "diagnosis"] = "rare"
    result = fit(data)
    table = norms_table(result.tidy(), result.notes())
    text = table.to_text()
    north = [row for row in table.groups[0].rows]
    assert [row.label for row in north] == ["anxiety", "back", "rare", "Total"]
    rare = north[2]
    assert all(cell.kind == "suppressed" for cell in rare.cells[:4])
    assert not rare.cells[3].notes
    assert sum(row.cells[0].kind == "suppressed" for row in north) == 2
    assert "withheld" in text
    assert north[3].cells[1].text == "100.0"
    wide = norms_table(result.tidy(), result.notes(), quantiles=True)
    assert len(wide.columns) > len(table.columns)
    with pytest.raises(SpecError, match="no norms of population"):
        norms_table(result.tidy(), population="men")


def test_disclosure_lets_no_total_give_a_small_cell_back() -> None:
    from impactkit.report.disclosure import disclose

    data = tables()
    data["episodes"].loc[:5, "diagnosis"] = "rare"
    for declared in (
        design(),
        design("populations"),
    ):  # with populations the rare cell, where no client is, is not shown
        result = fit(data, declared)
        hidden = disclose(result.tidy(), result.glance(), result.notes(), result.parts["norms"].cells()).tidy
        north = hidden[hidden["term"].str.contains("area=north,") & (hidden["measure"] == "median")]
        for _, rows in north.groupby("population"):
            assert (rows["n"] == "c").sum() == 1 + rows["term"].str.contains("rare").sum()
    shown = hidden[(hidden["term"] == "area=north") & (hidden["measure"] == "median")]
    assert (shown["n"] != "c").all()
    clean = fit()
    kept = disclose(clean.tidy(), clean.glance(), clean.notes(), clean.parts["norms"].cells()).tidy
    assert not (kept["n"].astype(str) == "c").any()
