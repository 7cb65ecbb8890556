"""Cox regression as an analysis: against R's survival, and what it says when it cannot answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import AnalysisError, RefusalError, SpecError

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from made_up_norms import design, tables

EXPECTED = pd.read_csv(Path(__file__).parents[1] / "reference" / "cox" / "analyses.csv")
NUMBERS = ["estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value", "df"]
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "robust": ((), {}),
    "model": ((), {"inference": "model"}),
    "clustered": (("clusters", "weights"), {"cluster_errors": "sandwich"}),
    "jackknife": (("clusters", "weights"), {}),
    "norm": ((), {"against_norm": True, "cluster_errors": "sandwich"}),
    "norm-jackknife": ((), {"against_norm": True}),
    "norm-clustered": (("clusters", "weights"), {"against_norm": True, "cluster_errors": "sandwich"}),
    "norm-clustered-jackknife": (("clusters", "weights"), {"against_norm": True}),
}
BY_CHARACTERISTIC = {"covariates": ("sex", "age", "referred_by"), "strata_by": ("diagnosis",)}


def fit(features: tuple[str, ...] = (), data: Any = None, **options: Any) -> ik.EvaluationResult:
    chosen = options if options.get("against_norm") else BY_CHARACTERISTIC | options
    analysis = ik.CoxRegression(name="cox", **chosen)
    return ik.Evaluation(design(*features), tables() if data is None else data, [analysis]).fit(seed=1, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_coxph(case: str) -> None:
    features, options = CASES[case]
    options = options if "against_norm" in options else options | {"reference": (("referred_by", "employer"),)}
    tidy = fit(features, **options).tidy()
    ours = tidy[(tidy["measure"] == "hazard_ratio") & tidy["p_value"].notna()]
    theirs = EXPECTED[EXPECTED["case"] == case]
    assert len(ours) == len(theirs)
    for column in NUMBERS:
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-7, err_msg=column)


def test_the_reference_category_is_one_and_says_so() -> None:
    result = fit(reference=(("sex", "woman"),))
    row = result.tidy().set_index("term").loc["sex[woman]"]
    assert row["estimate"] == 1.0
    assert (result.notes().set_index("term").loc["sex[woman]", "reason"]).str.startswith("reference category").all()
    other = fit().tidy().set_index("term")
    assert result.tidy().set_index("term").loc["sex[man]", "estimate"] == pytest.approx(
        1.0 / other.loc["sex[woman]", "estimate"], rel=1e-9
    )


def test_people_left_out_are_counted() -> None:
    data = tables()
    people = data["people"]
    people.loc[:2, "entry"] = people.loc[:2, "absent"]
    people.loc[3:4, "sex"] = None
    people.loc[5, "w"] = 0.0
    result = fit(("weights",), data)
    glance = result.glance().iloc[0]
    unknown = int(people["returned"].isna().sum())
    assert glance["n_missing_outcome"] == unknown
    assert glance["n_not_eligible"] == people.loc[:2, "returned"].notna().sum()
    assert glance["n_zero_weight"] == int(not np.isnan(people.loc[5, "returned"]))
    shown = ["n_analysed", "n_missing_outcome", "n_not_eligible", "n_zero_weight", "n_missing_covariates"]
    assert glance[shown].sum() == glance["n_assigned"] == len(people)
    assert result.notes()["reason"].str.contains("never at risk").any()


def test_cells_without_control_episodes_are_left_out_and_counted() -> None:
    data = tables()
    data["people"].loc[:9, "diagnosis"] = "other"
    result = fit((), data, against_norm=True)
    known = data["people"]["returned"].notna()
    assert result.glance().iloc[0]["n_treated"] == known[10:].sum()
    said = result.notes()["reason"]
    assert said.str.contains(f"{known[:10].sum()} of {known.sum()} clients belong to norm cells without").any()


def test_nobody_with_the_event_in_a_category_is_no_number() -> None:
    data = tables()
    people = data["people"]
    people.loc[people["referred_by"] == "self", "returned"] = 0.0
    result = fit((), data)
    tidy = result.tidy()
    assert tidy["estimate"].isna().all()
    assert result.notes()["reason"].str.contains(r"referred_by\[self\] runs to zero").any()


def test_collinear_columns_are_named() -> None:
    data = tables()
    data["people"]["months"] = data["people"]["age"] * 12
    result = fit((), data, covariates=("age", "months"))
    assert result.notes()["reason"].str.contains("months: given by the columns before").any()
    assert result.tidy()["estimate"].isna().all()


def test_few_clusters_give_no_error() -> None:
    data = tables()
    data["people"]["adviser"] = np.where(np.arange(len(data["people"])) % 2, "a", "b")
    result = fit(("clusters",), data)
    tidy = result.tidy()
    effects = tidy[(tidy["measure"] == "hazard_ratio") & (tidy["estimate"] != 1.0)]
    assert effects["estimate"].notna().all()
    assert effects["std_error"].isna().all()
    assert result.notes()["reason"].str.contains("2 clusters are too few for 4 columns").any()


def test_controls_without_practices_are_said_to_be_independent() -> None:
    declared = design(controls=ik.ControlEpisodes(duration="days", late_entry="running"))
    analysis = ik.CoxRegression(name="cox", against_norm=True)
    result = ik.Evaluation(declared, tables(), [analysis]).fit(seed=1, strict=True)
    assert result.notes()["reason"].str.contains("understates the norm's uncertainty").any()
    assert np.isinf(result.tidy()["df"].iloc[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "names no column"),
        ({"covariates": ("sex", "sex")}, "more than once"),
        ({"covariates": ("sex",), "strata_by": ("sex",)}, "one or the other"),
        ({"covariates": ("sex",), "reference": (("sx", "man"),)}, 'Did you mean "sex"'),
        ({"against_norm": True, "covariates": ("sex",)}, "`norm_by` columns only"),
        ({"against_norm": True, "duration": "weeks"}, "the design's own times"),
        ({"against_norm": True, "inference": "model"}, "leave `inference` out"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ik.CoxRegression(name="cox", **options)


def test_what_the_design_lacks_is_refused() -> None:
    trial = ik.TrialDesign(unit="id", arm="sex", treated="man", control="woman")
    with pytest.raises((RefusalError, SpecError), match="needs `duration` and `event`"):
        ik.Evaluation(trial, tables()["people"], [ik.CoxRegression(name="cox", covariates=("age",))])
    with pytest.raises(RefusalError, match="declares no `controls`"):
        ik.Evaluation(design(controls=None), tables(), [ik.CoxRegression(name="cox", against_norm=True)])
    with pytest.raises(RefusalError, match="independent and equally weighted"):
        fit(("weights",), inference="model")


def test_an_arm_allocated_at_random_is_said_to_be_an_effect() -> None:
    trial = ik.TrialDesign(unit="id", arm="sex", treated="man", control="woman")
    analysis = ik.CoxRegression(name="cox", duration="absent", event="returned", covariates=("sex", "age"))
    result = ik.Evaluation(trial, tables()["people"], [analysis]).fit(seed=1, strict=True)
    assert result.tidy()["term"].iloc[0] == "sex[woman]"
    assert result.notes()["reason"].str.contains("was allocated at random").any()
    assert result.glance()["evidence"].iloc[0] == "adjusted comparison"


def test_the_table_of_hazard_ratios() -> None:
    from impactkit.report.tables_cox import hazard_ratios_table

    analyses = [ik.CoxRegression(name="who", **BY_CHARACTERISTIC), ik.CoxRegression(name="norm", against_norm=True)]
    result = ik.Evaluation(design(), tables(), analyses).fit(seed=1, strict=True)
    table = hazard_ratios_table(result.tidy(), result.glance(), result.notes())
    heads = [group.label for group in table.groups]
    assert heads == ["Sex", "Age", "Referred by", "Programme", "Proportional hazards, P value of the test"]
    assert [row.label for row in table.groups[0].rows] == ["man", "woman"]
    assert table.groups[0].rows[0].cells[0].text == "1"
    assert not any("no reason was recorded" in note for note in table.notes)
    with pytest.raises(SpecError, match="add a CoxRegression"):
        hazard_ratios_table(result.tidy(), result.glance().assign(kind="odds_ratios"))


def test_nobody_returned() -> None:
    data = tables()
    data["people"]["returned"] = 0.0
    for options in ({}, {"against_norm": True}):
        result = fit((), data, **options)
        assert result.tidy()["p_value"].isna().all()
        said = result.notes()["reason"]
        assert said.str.contains("nobody has the event|no client returned").any()


def test_an_entry_after_the_end_is_an_error_with_its_count() -> None:
    """On a design that names no times of its own nothing else would catch it: they would count as not eligible."""
    frame = pd.DataFrame({"id": range(40), "arm": ["a", "b"] * 20, "event": 1, "start": 0.0})
    frame["stop"] = np.arange(1.0, 41.0)
    frame.loc[:2, "start"] = 99.0
    declared = ik.TrialDesign(unit="id", arm="arm", treated="a", control="b")
    model = ik.CoxRegression(name="c", covariates=("arm",), duration="stop", event="event", entry="start")
    with pytest.raises(AnalysisError, match="in 3 rows"):
        ik.Evaluation(declared, frame, [model]).fit(seed=1, strict=True)
