"""Attrition through ``Evaluation.fit``: against R, against IntentToTreat, and what must hold of any trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import impactkit as ik
from impactkit.errors import RefusalError, SpecError

REFERENCE = Path(__file__).parents[1] / "reference" / "attrition"
EXPECTED = pd.read_csv(REFERENCE / "expected.csv").set_index("case")
EXACT = 1e-10
NUMERIC = 1e-6  # the reference takes its derivatives numerically
MONTE_CARLO = 3  # standard errors of a mean over the reference's 1,000 and our 1,000 imputations

POINTS = ("complete_case", "weighting", "imputation")
BOUNDS = ("lee_lower", "lee_upper", "worst_lower", "worst_upper")


def trial() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "trial.csv")


def design(**options) -> ik.TrialDesign:
    outcomes = (ik.Outcome(name="score", kind="continuous"), ik.Outcome(name="work", kind="binary"))
    base = {"unit": "id", "arm": "z", "treated": 1, "control": 0, "outcomes": outcomes}
    return ik.TrialDesign(**{**base, **options})


def fit(spec: ik.Attrition, data: pd.DataFrame | None = None, *, seed: int = 1, **options) -> ik.EvaluationResult:
    return ik.Evaluation(design(**options), trial() if data is None else data, [spec]).fit(seed=seed, strict=True)


def attrition(**options) -> ik.Attrition:
    base = {"name": "a", "outcome": "score", "covariates": ("age", "woman")}
    return ik.Attrition(**{**base, **options})


def rows(result: ik.EvaluationResult) -> pd.DataFrame:
    return result.tidy().set_index("term")


# --- against other implementations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outcome", ["score", "work"])
def test_weighting_against_glm_and_svyglm(outcome, weighted):
    spec = attrition(outcome=outcome, methods=("weighting",), inference=ik.HC0())
    found = rows(fit(spec, strata=("site",), **({"weights": "w"} if weighted else {}))).loc["weighting"]
    case = EXPECTED.loc[f"ipw/{outcome}/{'weighted' if weighted else 'plain'}/estimated"]
    assert found["estimate"] == pytest.approx(case["estimate"], abs=EXACT)
    assert found["std_error"] == pytest.approx(case["std_error"], rel=NUMERIC)


@pytest.mark.parametrize("outcome", ["score", "work"])
def test_lee_bounds_against_the_published_formula(outcome):
    found = rows(fit(attrition(outcome=outcome, methods=("lee",))))
    for side in ("lower", "upper"):
        case = EXPECTED.loc[f"lee/{outcome}/{side}"]
        assert found.loc[f"lee_{side}", "estimate"] == pytest.approx(case["estimate"], abs=EXACT)
        assert found.loc[f"lee_{side}", "std_error"] == pytest.approx(case["std_error"], rel=EXACT)


@pytest.mark.parametrize(("ours", "theirs"), [("normal", "norm"), ("matching", "pmm")])
def test_imputation_agrees_with_mice_within_monte_carlo_error(ours, theirs):
    spec = attrition(methods=("imputation",), imputation_model=ours, imputations=1000)
    found = rows(fit(spec, strata=("site",))).loc["imputation"]
    between = EXPECTED.loc[f"mice/{theirs}/between", "estimate"]
    allowed = MONTE_CARLO * between * np.sqrt(2 / 1000)
    assert found["estimate"] == pytest.approx(EXPECTED.loc[f"mice/{theirs}", "estimate"], abs=allowed)
    assert found["std_error"] == pytest.approx(EXPECTED.loc[f"mice/{theirs}", "std_error"], rel=0.03)


# --- complete cases, arithmetic -------------------------------------------------------------------------------------


@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
@pytest.mark.parametrize("options", [{}, {"strata": ("site",)}, {"strata": ("site",), "weights": "w"}])
def test_complete_cases_are_intention_to_treat(adjustment, options):
    asked = {"covariates": ("age", "woman"), "adjustment": adjustment} if adjustment != "none" else {}
    itt = ik.IntentToTreat(name="a", outcome=("score", "work"), **asked)
    plain = ik.Evaluation(design(**options), trial(), [itt]).fit(seed=1).tidy()
    spec = attrition(outcome=("score", "work"), adjustment=adjustment, methods=("weighting",))
    both = fit(spec, **options).tidy()
    ours = both[both["term"].isin(["complete_case", "control_mean"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours.drop(columns="term"), plain.drop(columns="term"), check_exact=True)


def test_worst_case_is_arithmetic():
    data = trial()
    found = rows(fit(attrition(outcome="work", methods=("worst_case",))))
    for side, (treated, control) in {"worst_lower": (0, 1), "worst_upper": (1, 0)}.items():
        filled = data["work"].fillna(data["z"].map({1: treated, 0: control}))
        means = filled.groupby(data["z"]).mean()
        assert found.loc[side, "estimate"] == pytest.approx(means[1] - means[0], abs=EXACT)
    itt = ik.IntentToTreat(name="a", outcome="work")
    low = data.assign(work=data["work"].fillna(1 - data["z"]))
    plain = ik.Evaluation(design(), low, [itt]).fit(seed=1).tidy()
    assert found.loc["worst_lower", "std_error"] == pytest.approx(plain["std_error"][0], rel=EXACT)
    width = found.loc["worst_upper", "estimate"] - found.loc["worst_lower", "estimate"]
    missing = data["work"].isna().groupby(data["z"]).mean().sum()
    assert width == pytest.approx(missing, abs=EXACT)


def test_limits_are_asked_for_and_checked():
    spec = attrition(methods=("worst_case",))
    assert "worst_lower" not in rows(fit(spec)).index
    assert fit(spec).notes()["reason"].str.contains("give the outcome's limits").any()
    narrow = attrition(methods=("worst_case",), limits=(ik.OutcomeLimits(outcome="score", low=0, high=2),))
    result = fit(narrow)
    assert np.isnan(rows(result).loc["worst_lower", "estimate"])
    assert result.notes()["reason"].str.contains("outside the declared limits 0 to 2").any()


@pytest.mark.parametrize("arm", ["treated", "control", "both"])
@pytest.mark.parametrize("outcome", ["score", "work"])
@pytest.mark.parametrize("options", [{}, {"strata": ("site",), "weights": "w"}])
def test_at_the_tipping_point_the_p_value_is_five_per_cent(arm, outcome, options):
    """Add the shift to the very imputations and pool by hand."""
    from impactkit.compute.imputation import barnard_rubin
    from impactkit.data import StudyData
    from impactkit.estimators.attrition_filling import draw_imputations
    from impactkit.estimators.attrition_people import fill_covariates

    spec = attrition(outcome=outcome, methods=("imputation", "tipping_point"), tipping=(arm,))
    data, trial_design = trial(), design(**options)
    result = rows(fit(spec, **options))
    delta = result.loc[f"tipping_{arm}", "estimate"]
    assert np.isfinite(delta)
    study = StudyData.read(data, trial_design, outcomes=[outcome]).with_seed(1)
    drawn = draw_imputations(
        spec, study, outcome=outcome, filled=fill_covariates(study, spec.covariates),
        populations=[study.population("all")], inference=ik.HC2(),
    )  # fmt: skip
    lost = data[outcome].isna().to_numpy()
    chosen = lost & {"treated": data["z"] == 1, "control": data["z"] == 0, "both": data["z"] >= 0}[arm].to_numpy()

    def pooled(shift):
        estimates, variances, df = [], [], np.nan
        for values in drawn:
            full = data.assign(score=values + shift * chosen)
            own = design(**options).replace(outcomes=(ik.Outcome(name="score", kind="continuous"),))
            row = ik.Evaluation(own, full, [ik.IntentToTreat(name="i", outcome="score")]).fit(seed=1).tidy().iloc[0]
            estimates.append(row["estimate"])
            variances.append(row["std_error"] ** 2)
            df = row["df"]
        between = (1 + 1 / len(drawn)) * np.var(estimates, ddof=1)
        total = np.mean(variances) + between
        return np.mean(estimates), total, barnard_rubin(m=len(drawn), lost=between / total, complete_df=df)

    from scipy.stats import t

    value, total, df = pooled(0.0)
    row = result.loc["imputation"]
    np.testing.assert_allclose([row["estimate"], row["std_error"], row["df"]], [value, np.sqrt(total), df], rtol=1e-9)
    value, total, df = pooled(delta)
    assert 2 * t.sf(abs(value) / np.sqrt(total), df) == pytest.approx(0.05, abs=1e-6)


def test_one_covariance_over_the_rows_of_the_same_imputations():
    populations = (
        ik.Population(name="north", where=(("site", "north"),)), ik.Population(name="both", where=(("z", (0, 1)),)),
    )  # fmt: skip
    spec = attrition(outcome=("score", "work"), methods=("imputation",))
    result = fit(spec, populations=populations)
    found = result.parts["a"]
    names = [(key.outcome, key.population, key.term) for key in found.keys]
    extra = found.extra_covariance
    one, other = (names.index(("score", place, "imputation")) for place in ("north", "both"))
    work = names.index(("work", "both", "imputation"))
    assert extra[one, other] > 0
    assert extra[one, work] == 0
    assert np.linalg.eigvalsh(extra).min() > -1e-12
    assert not extra[[names.index(("score", "both", "complete_case"))]].any()
    np.testing.assert_allclose(np.diagonal(result.covariance()), found.working_se**2, rtol=1e-10)


# --- what must hold of any trial ------------------------------------------------------------------------------------


def made(seed: int, *, n: int = 80, missing: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "id": np.arange(n), "z": rng.permutation(n) % 2, "site": np.where(np.arange(n) % 3 == 0, "north", "south"),
        "age": rng.integers(18, 65, n), "woman": rng.integers(0, 2, n), "w": rng.uniform(0.5, 2, n),
        "practice": np.arange(n) % 11,
    })  # fmt: skip
    score = 0.05 * frame["age"] + frame["z"] + rng.normal(size=n)
    seen = rng.random(n) < (0.6 + 0.2 * frame["z"] if missing else 2.0)
    frame["score"] = score.round(1).where(seen)
    frame["work"] = (score > 3).astype(float).where(seen)
    return frame


DESIGNS = ({}, {"strata": ("site",)}, {"strata": ("site",), "weights": "w"}, {"clusters": "practice"})
WIDE = (ik.OutcomeLimits(outcome="score", low=-5, high=10),)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), place=st.integers(0, 3))
def test_with_nothing_missing_every_method_is_intention_to_treat(seed, place):
    found = rows(fit(attrition(limits=WIDE), made(seed, missing=False), **DESIGNS[place]))
    base = found.loc["complete_case"]
    for term in (*POINTS[1:], *BOUNDS):
        for column in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            assert found.loc[term, column] == pytest.approx(base[column], rel=1e-8), (term, column)
    assert np.isnan(found.loc["tipping_treated", "estimate"])
    assert found.loc["response_difference", "estimate"] == 0
    assert found.loc["response: 1", "estimate"] == 1


@settings(max_examples=12, deadline=None)
@example(seed=281, place=0)  # both arms respond alike: either could be the one to trim
@given(seed=st.integers(0, 10_000), place=st.integers(0, 3))
def test_swapping_the_arms_flips_the_signs(seed, place):
    data = made(seed)
    spec = attrition(limits=WIDE, methods=("weighting", "lee", "worst_case"))
    one, two = rows(fit(spec, data, **DESIGNS[place])), rows(fit(spec, data, treated=0, control=1, **DESIGNS[place]))
    mirror = {
        "lee_lower": "lee_upper",
        "worst_lower": "worst_upper",
        "lee_upper": "lee_lower",
        "worst_upper": "worst_lower",
    }
    for term in ("complete_case", "weighting", "response_difference", *BOUNDS):
        other = two.loc[mirror.get(term, term)]
        assert one.loc[term, "estimate"] == pytest.approx(-other["estimate"], abs=1e-9)
        assert one.loc[term, "std_error"] == pytest.approx(other["std_error"], rel=1e-7)
        assert one.loc[term, "conf_low"] == pytest.approx(-other["conf_high"], abs=1e-7)
    assert one.loc["response_model", "statistic"] == pytest.approx(two.loc["response_model", "statistic"], rel=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_bounds_hold_one_another(seed):
    found = rows(fit(attrition(outcome="work", methods=("lee", "worst_case"), covariates=()), made(seed)))
    estimate = found["estimate"]
    assert estimate["lee_lower"] <= estimate["complete_case"] + EXACT <= estimate["lee_upper"] + 2 * EXACT
    assert estimate["worst_lower"] <= estimate["complete_case"] <= estimate["worst_upper"]


def test_scale_and_shift_of_the_outcome():
    data = made(3)
    moved = data.assign(score=10 * data["score"] - 400)
    spec = attrition(imputation_model="normal")
    one, two = rows(fit(spec, data)), rows(fit(spec, moved))
    for term in ("complete_case", "weighting", "imputation", "lee_lower", "lee_upper", "tipping_treated"):
        assert two.loc[term, "estimate"] == pytest.approx(10 * one.loc[term, "estimate"], rel=1e-7)


# --- bad input ------------------------------------------------------------------------------------------------------


def test_an_arm_without_outcomes_is_said_and_response_still_counted():
    data = made(4)
    data.loc[data["z"] == 1, "score"] = np.nan
    result = fit(attrition(), data)
    found = rows(result)
    assert np.isnan(found.loc[["complete_case", "weighting", "imputation", "lee_lower"], "estimate"]).all()
    assert found.loc["response: 1", "estimate"] == 0
    assert result.notes()["reason"].str.contains("nobody is left to analyse in arm").any()


def test_full_response_in_one_arm_only():
    data = made(5)
    data["score"] = data["score"].fillna(2.0).where(data["z"].eq(1) | data["score"].notna())
    result = fit(attrition(), data)
    found = rows(result)
    assert found.loc["response: 1", "estimate"] == 1
    assert np.isfinite(found.loc[[*POINTS, "lee_lower", "lee_upper"], "std_error"]).all()
    assert result.notes()["reason"].str.contains("tipping|starts|shift").any()


def test_missing_covariates_lose_nobody_and_are_counted():
    data = made(6)
    data["age"] = data["age"].astype(float)
    data.loc[:9, "age"] = np.nan
    result = fit(attrition(), data)
    assert rows(result).loc["imputation", "n"] == len(data)
    assert result.notes()["reason"].str.contains("`age` is missing for 10 people").any()


def test_weights_of_respondents_only_are_used_and_said():
    data = made(7)
    data["w"] = data["w"].where(data["score"].notna())
    result = fit(attrition(), data, weights="w")
    assert np.isfinite(rows(result).loc[list(POINTS), "std_error"]).all()
    assert result.notes()["reason"].str.contains("known for respondents only").any()


def test_trimming_is_recorded():
    result = fit(attrition(trim=0.9, methods=("weighting",)), made(8))
    assert result.notes()["reason"].str.contains("people were trimmed at 1.11 as asked").any()


def test_several_arms_have_their_own_rows_and_verdicts():
    data = made(9, n=150)
    data["arm"] = data["id"] % 3
    result = fit(attrition(), data, arm="arm", treated=(1, 2), control=0)
    found = rows(result)
    assert {"weighting: 1", "weighting: 2", "lee_lower: 2", "tipping_treated: 1", "response: 0"} <= set(found.index)
    said = result.notes()["reason"]
    assert said.str.startswith("Verdict on score, 1:").sum() == said.str.startswith("Verdict on score, 2:").sum() == 1
    pair = data[data["arm"] != 2]
    alone = rows(fit(attrition(methods=("weighting", "lee")), pair, arm="arm"))
    for term in ("complete_case", "weighting", "lee_lower", "lee_upper"):
        assert found.loc[f"{term}: 1", "estimate"] == pytest.approx(alone.loc[term, "estimate"], abs=1e-9)


def test_imputation_needs_a_seed():
    evaluation = ik.Evaluation(design(), made(1), [attrition()])
    assert "seed" in evaluation.fit().notes()["reason"].iloc[0]
    assert len(ik.Evaluation(design(), made(1), [attrition(methods=("lee",))]).fit().tidy())


@pytest.mark.parametrize("wrong", [
    {"imputations": 19}, {"methods": ("tipping_point",)}, {"tighten_by": ("age",), "methods": ("weighting",)},
    {"adjustment": "lin", "covariates": ()}, {"trim": 0.1, "methods": ("lee",)},
    {"limits": (ik.OutcomeLimits(outcome="other", low=0, high=1),)}, {"tipping": ()},
])  # fmt: skip
def test_options_that_contradict_each_other(wrong):
    with pytest.raises(SpecError):
        attrition(**wrong)
    with pytest.raises(SpecError, match="should rise"):
        ik.OutcomeLimits(outcome="score", low=1, high=1)


def test_linearised_errors_are_refused():
    with pytest.raises(RefusalError, match="HC and CR2 errors only"):
        fit(attrition(inference=ik.Linearised()))


# --- verdict --------------------------------------------------------------------------------------------------------


def test_verdicts_follow_their_rule():
    from impactkit.estimators.attrition_verdict import Finding, verdict

    def grade(base, **found):
        others = [Finding(name, *value) for name, value in found.items()]
        return verdict(Finding("complete_case", *base), others, missing=5, asked=("weighting", "imputation", "lee"))

    up, flat, unclear = (1, True), (1, False), (0, False)
    assert grade(up, weighting=up, imputation=up, lee=up, worst_case=unclear)[0] == "robust"
    assert grade(up, weighting=up, imputation=up, lee=unclear)[0] == "depends on who is missing"
    assert grade(up, weighting=flat, imputation=up, lee=up)[0] == "not robust"
    assert grade(up, weighting=(-1, True), imputation=up, lee=up)[0] == "not robust"
    assert grade(flat, weighting=flat, imputation=(-1, False), lee=unclear)[0] == "robust"
    assert grade(flat, weighting=flat, imputation=up, lee=unclear)[0] == "not robust"
    assert grade(up, weighting=up)[0] == "not judged"
    assert "No answer from imputation and Lee bounds" in grade(up, weighting=up)[1]
    assert grade(up, weighting=(1, True, -1.4), imputation=up, lee=up)[0] == "size not robust"
    assert "under weighting (1.4)." in grade(up, weighting=(1, True, -1.4), imputation=up, lee=up)[1]
    assert grade(up, weighting=(1, True, 0.9), imputation=up, lee=up)[0] == "robust"
    assert grade(up, weighting=(1, True, 2.0), imputation=up, lee=unclear)[0] == "depends on who is missing"
    assert verdict(None, [], missing=5, asked=())[0] == "not judged"
    assert verdict(None, [], missing=0, asked=())[0] == "nothing missing"
