"""Binary outcomes: what is refused, what separation is called, and which rows a plan gets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from _binary import MEASURES, clients, design, effect, fit, odds, people
from _trial import row

import impactkit as ik
from impactkit.errors import AnalysisError, DataError, RefusalError, SpecError

BINARY = (ik.Outcome(name="back", kind="binary"),)


def before_after(**options) -> ik.BeforeAfterDesign:
    return ik.BeforeAfterDesign(unit="person", before="person", after="person", outcomes=BINARY, **options)


def reasons(result: ik.EvaluationResult, **wanted: str) -> str:
    notes = result.notes()
    for name, value in wanted.items():
        notes = notes[notes[name] == value]
    return " | ".join(notes["reason"])


def returned(n: int = 90, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    agency = np.array(["GP", "IAPT", "Employer"])[rng.integers(0, 3, n)]
    return clients(z=rng.integers(0, 2, n), agency=agency, age=rng.normal(45, 9, n), back=rng.integers(0, 2, n))


# --- rows ----------------------------------------------------------------------------------------------------


def test_rows_come_in_the_promised_order():
    trial = design(arm="arm")
    result = effect(trial, covariates=("x1",), conditional=True)
    frame = result.tidy()
    assert list(zip(frame["term"], frame["measure"], strict=True)) == [
        ("B", "difference"), ("B", "risk_ratio"), ("B", "odds_ratio"), ("B, conditional", "odds_ratio"),
        ("C", "difference"), ("C", "risk_ratio"), ("C", "odds_ratio"), ("C, conditional", "odds_ratio"),
        ("control_mean", "mean"),
    ]  # fmt: skip
    assert "not collapsible" in reasons(result, term="B, conditional")
    assert "marginal" in reasons(result, term="")
    assert result.glance()["method"].item() == "standardised risks from a logistic model with covariates"


def test_conditional_odds_ratios_are_further_from_one_than_marginal_ones():
    rng = np.random.default_rng(1)
    n = 4000
    frame = clients(z=np.arange(n) % 2, x=rng.normal(size=n))
    frame["y2"] = (rng.random(n) < 1 / (1 + np.exp(-(2.5 * frame["x"] + frame["z"])))).astype(float)
    result = effect(design(), frame=frame, covariates=("x",), conditional=True)
    marginal = row(result, term="1", measure="odds_ratio")["estimate"]
    assert row(result, term="1, conditional")["estimate"] > 1.3 * marginal


def test_reference_rows_are_one_and_come_first():
    result = odds(design())
    frame = result.tidy()
    assert frame["term"].tolist() == ["x1", "x2[low]", "x2[high]", "x2[mid]", "z[0]", "z[1]"]
    reference = row(result, term="x2[low]")
    assert (reference["estimate"], reference["conf_low"], reference["conf_high"]) == (1.0, 1.0, 1.0)
    assert np.isnan(reference["p_value"])
    assert "reference category" in reasons(result, term="x2[low]")


def test_another_reference_is_the_same_model():
    low, mid = odds(design()), odds(design(), reference=(("x2", "mid"), ("z", 0)))
    ratio = row(low, term="x2[high]")["estimate"] / row(low, term="x2[mid]")["estimate"]
    assert row(mid, term="x2[high]")["estimate"] == pytest.approx(ratio, rel=1e-10)
    assert row(mid, term="x2[low]")["p_value"] == pytest.approx(row(low, term="x2[mid]")["p_value"], rel=1e-9)
    assert row(mid, term="x1")["estimate"] == pytest.approx(row(low, term="x1")["estimate"], rel=1e-12)


def test_numbers_become_categories_when_a_reference_is_named():
    result = odds(design(), covariates=("group",), reference=(("group", 2),))
    assert result.tidy()["term"].tolist() == ["group[2]", "group[0]", "group[1]", "group[3]", "group[4]"]


def test_the_control_arm_is_the_reference_by_itself():
    assert odds(design(arm="arm"), covariates=("arm",), reference=()).tidy()["term"].tolist() == [
        "arm[A]", "arm[B]", "arm[C]",
    ]  # fmt: skip


def test_an_association_is_never_called_randomised():
    result = odds(design())
    assert result.glance()["evidence"].item() == "adjusted comparison"
    assert "allocated at random" in reasons(result, term="")
    plain = fit(before_after(), ik.OddsRatios(name="o", outcome="back", covariates=("agency",)), frame=returned())
    assert plain.glance()["evidence"].item() == "before-after only"


@pytest.mark.parametrize("power", [10, 1e-6])
def test_units_of_a_number_change_its_odds_ratio_only(power):
    frame = people().assign(x1=lambda d: d["x1"] / power)
    one, other = odds(design()), odds(design(), frame=frame)
    assert row(other, term="x1")["estimate"] == pytest.approx(row(one, term="x1")["estimate"] ** power, rel=1e-9)
    assert row(other, term="x1")["p_value"] == pytest.approx(row(one, term="x1")["p_value"], rel=1e-9)


# --- separation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1])
def test_a_pure_category_is_named_with_its_direction(value):
    frame = returned()
    frame.loc[frame["agency"] == "IAPT", "back"] = value
    model = ik.OddsRatios(name="o", outcome="back", covariates=("agency", "age"))
    result = fit(before_after(), model, frame=frame)
    assert result.tidy()["estimate"].isna().all()
    said = reasons(result, term="agency[IAPT]")
    assert f"{'everybody' if value else 'nobody'} with agency = IAPT has the outcome" in said
    assert "quasi-complete separation" in said
    assert "firth=True" in said
    with_penalty = fit(before_after(), model.replace(firth=True), frame=frame)
    found = row(with_penalty, term="agency[IAPT]")
    assert (found["estimate"] > 1) == (value == 1)
    assert np.isfinite([found["conf_low"], found["conf_high"]]).all()
    assert "profile penalised likelihood" in with_penalty.glance()["method"].item()
    assert with_penalty.glance()["inference"].item() == "model-based"


def test_a_pure_reference_is_named_too():
    frame = returned()
    frame.loc[frame["agency"] == "Employer", "back"] = 1
    result = fit(before_after(), ik.OddsRatios(name="o", outcome="back", covariates=("agency",)), frame=frame)
    assert "everybody with agency = Employer has the outcome" in reasons(result, term="agency[GP]")


def test_complete_separation_by_a_number_says_which_way():
    frame = returned().assign(back=lambda d: (d["age"] < 45).astype(int))
    result = fit(before_after(), ik.OddsRatios(name="o", outcome="back", covariates=("age",)), frame=frame)
    said = reasons(result, term="age")
    assert said.startswith("complete separation")
    assert "age falling" in said


def test_separation_by_columns_together_names_them():
    frame = returned().assign(score=lambda d: d["age"] * 0.5 + np.random.default_rng(0).normal(size=len(d)))
    frame["back"] = (frame["score"] - 0.5 * frame["age"] > 0).astype(int)
    result = fit(before_after(), ik.OddsRatios(name="o", outcome="back", covariates=("age", "score")), frame=frame)
    assert "age (falling); score (rising)" in reasons(result, term="age")


def test_separation_in_a_trial_leaves_ratios_open_and_offers_firth():
    frame = people().assign(y2=lambda d: d["y2"].where(d["x2"] != "high", 1.0))
    result = effect(design(), frame=frame, covariates=("x1", "x2"))
    assert np.isnan(row(result, term="1", measure="difference")["estimate"])
    assert np.isfinite(row(result, term="control_mean")["estimate"])
    assert "everybody with x2 = high has the outcome" in reasons(result, term="1")
    penalised = effect(design(), frame=frame, covariates=("x1", "x2"), firth=True)
    assert penalised.tidy()["std_error"].notna().all()
    assert "Firth" in penalised.glance()["method"].item()


def test_no_separation_is_cried_when_there_is_none():
    """Odds ratios of thousands are estimates too."""
    frame = clients(g=np.repeat(["a", "b"], 2000), back=np.r_[np.ones(3), np.zeros(1997), np.ones(1997), np.zeros(3)])
    result = fit(before_after(), ik.OddsRatios(name="o", outcome="back", covariates=("g",)), frame=frame)
    assert row(result, term="g[b]")["estimate"] == pytest.approx((1997 / 3) ** 2, rel=1e-9)


# --- hard data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_outcome_that_never_varies(value):
    frame = people().assign(y2=value)
    result = effect(design(), frame=frame)
    assert row(result, term="1", measure="difference")["estimate"] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(row(result, term="1", measure="odds_ratio")["estimate"])
    assert "read the difference" in reasons(result, term="1", column="estimate")
    assert "nothing to compare" in reasons(odds(design(), frame=frame), term="x1")


def test_nobody_in_one_arm_has_the_outcome():
    frame = people().assign(y2=lambda d: d["y2"].where(d["z"] == 1, 0.0))
    result = effect(design(), frame=frame)
    assert row(result, term="1", measure="difference")["std_error"] > 0
    for measure in MEASURES[1:]:
        assert np.isnan(row(result, term="1", measure=measure)["estimate"])


def test_categories_without_people_are_reported_by_population():
    populations = (ik.Population(name="some", where=(("x2", ("low", "mid")),)),)
    result = odds(design(populations=populations))
    assert "nobody analysed is in this category" in reasons(result, term="x2[high]")
    assert np.isfinite(row(result, term="x2[mid]")["estimate"])
    result = odds(design(populations=populations), reference=(("x2", "high"),))
    assert "nobody analysed is in the reference category x2[high]" in reasons(result, term="x2[mid]")


def test_a_column_that_follows_from_others_is_named():
    frame = people().assign(twice=lambda d: 2 * d["x1"] + 1)
    result = odds(design(), frame=frame, covariates=("x1", "twice"), reference=(), marginal_effects=True)
    assert "collinear" in reasons(result, term="twice")
    assert np.isfinite(row(result, term="x1", measure="difference")["estimate"])


def test_everybody_missing_is_said():
    frame = returned().assign(age=np.nan)
    result = fit(before_after(), ik.OddsRatios(name="o", outcome="back", covariates=("age",)), frame=frame)
    assert "nobody has the outcome and every covariate observed" in reasons(result, term="age")


# --- refusals ----------------------------------------------------------------------------------------------------


def test_other_outcomes_are_refused():
    for analysis in (
        ik.BinaryEffect(name="b", outcome="y"),
        ik.OddsRatios(name="o", outcome="y", covariates=("x1",)),
    ):
        with pytest.raises(RefusalError, match="is continuous"):
            ik.Evaluation(design(), people(), [analysis])
        with pytest.raises(AnalysisError, match="is continuous"):
            ik.Evaluation(design(outcomes=()), people(), [analysis]).fit(seed=1, strict=True)


def test_options_that_contradict_each_other():
    with pytest.raises(SpecError, match="belongs to a logistic model"):
        ik.BinaryEffect(name="b", outcome="y2", firth=True)
    with pytest.raises(SpecError, match="differs from person to person"):
        ik.BinaryEffect(name="b", outcome="y2", covariates=("x1",), adjustment="lin", conditional=True)
    with pytest.raises(SpecError, match='Did you mean "agency"'):
        ik.OddsRatios(name="o", outcome="y", covariates=("agency",), reference=(("agencyy", "GP"),))
    with pytest.raises(SpecError, match="more than once"):
        ik.OddsRatios(name="o", outcome="y", covariates=("age", "age"))


def test_a_reference_that_nobody_has():
    with pytest.raises((AnalysisError, DataError), match='Did you mean "low"'):
        odds(design(), reference=(("x2", "lowe"),))


@pytest.mark.parametrize("declared", [{"clustered": True}, {"weighted": True}])
def test_model_based_errors_are_refused_when_the_design_says_otherwise(declared):
    model = ik.OddsRatios(name="o", outcome="y2", covariates=("x1",), inference=ik.ModelBased())
    with pytest.raises(RefusalError, match="model-based"):
        ik.Evaluation(design(**declared), people(), [model])


def test_firth_with_weights_or_clusters_has_wald_intervals_and_says_so():
    for declared in ({"clustered": True}, {"weighted": True}):
        result = odds(design(**declared), firth=True)
        assert "Wald intervals" in result.glance()["method"].item()
        found = row(result, term="z[1]")
        assert found["conf_low"] * found["conf_high"] == pytest.approx(found["estimate"] ** 2, rel=1e-10)


# --- tables ----------------------------------------------------------------------------------------------------


def test_models_stand_side_by_side_and_apart_from_effects(tmp_path):
    models = [
        ik.OddsRatios(name="First", outcome="y2", covariates=("x2", "x1")),
        ik.OddsRatios(
            name="Second", outcome="y2", covariates=("x2", "z"), reference=(("z", 0),), marginal_effects=True
        ),
    ]
    result = fit(design(), ik.IntentToTreat(name="itt", outcome="y2"), *models)
    table = result.to_table("odds_ratios", style="pilots")
    assert table.spanners == (("First", 3), ("Second", 4))
    assert [group.label for group in table.groups] == ["X2", "X1", "Z"]
    first = next(table.rows())
    assert [cell.text for cell in first.cells] == ["1", "", "", "1", "", "", ""]
    assert "impact" not in table.title.lower()
    assert "not effects" in table.notes[0]
    assert "associations" not in result.to_table("impacts").to_text()
    assert result.to_table("impacts").evidence == "randomised"
    written = {path.name for path in result.write(tmp_path)}
    assert {"impacts.csv", "odds-ratios.csv", "odds-ratios.html"} <= written
    with pytest.raises(SpecError, match="add an OddsRatios"):
        result["itt"].to_table("odds_ratios")
    alone = result["First"].write(tmp_path / "alone")
    assert "impacts.csv" not in {path.name for path in alone}


def test_small_categories_are_withheld():
    frame = returned(seed=5)
    frame.loc[:6, "agency"] = "Other"
    model = ik.OddsRatios(name="o", outcome="back", covariates=("agency", "age"))
    result = fit(before_after(), model, frame=frame)
    texts = [cell.text for line in result.to_table("odds_ratios").rows() for cell in line.cells]
    assert "c" in texts


@pytest.mark.parametrize("clusters", [None, "site"])
def test_people_of_ignored_arms_change_no_linearised_error(clusters) -> None:
    """They are no sampling units of the comparison, here as in `IntentToTreat`."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"id": range(80), "arm": ["a", "b"] * 40, "sex": ["m", "f", "f", "m"] * 20})
    frame["site"], frame["y"] = np.arange(80) % 8, rng.integers(0, 2, 80)
    others = frame.iloc[:40].assign(id=lambda f: f["id"] + 1000, arm="other", site=99)
    declared = ik.TrialDesign(
        unit="id", arm="arm", treated="a", control="b", ignore_arms=("other",), clusters=clusters,
        outcomes=(ik.Outcome(name="y", kind="binary"),),
    )  # fmt: skip
    analyses = [
        ik.OddsRatios(name="o", outcome="y", covariates=("sex",), inference=ik.Linearised()),
        ik.BinaryEffect(name="b", outcome="y", inference=ik.Linearised()),
    ]
    alone, beside = (
        ik.Evaluation(declared, data, analyses).fit(seed=1).tidy() for data in (frame, pd.concat([frame, others]))
    )
    columns = ["estimate", "std_error", "df", "p_value"]
    np.testing.assert_allclose(beside[columns].to_numpy(float), alone[columns].to_numpy(float), rtol=1e-12)
