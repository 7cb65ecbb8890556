"""Competing exits as an analysis: what it reads, refuses, says, and how arms, strata and clusters enter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.compute.survival.competing import aalen_johansen, standard_error
from impactkit.errors import AnalysisError, DataError, RefusalError, SpecError

REFERENCE = Path(__file__).parents[1] / "reference" / "competing"


def clients() -> pd.DataFrame:
    frame = pd.read_csv(REFERENCE / "people.csv")
    frame = frame[frame["late"] == 1].reset_index(drop=True)
    names = np.array([None, "work", "other", "third"], dtype=object)
    frame["exit"] = names[frame["cause"]]
    frame["back"] = (frame["cause"] == 1).astype(float)
    return frame.drop(columns="cause")


def norm(**options: Any) -> ik.NormDesign:
    base = ik.NormDesign(unit="id", entry="entry", duration="days", returned="back", time_unit="days")
    return base.replace(**options)


def fit(analysis: ik.CompetingExits, design: Any, data: pd.DataFrame) -> ik.EvaluationResult:
    return ik.Evaluation(design, data, [analysis]).fit(seed=1, strict=True)


def row(result: ik.EvaluationResult, term: str, measure: str) -> pd.Series:
    tidy = result.tidy()
    found = tidy[(tidy["term"] == term) & (tidy["measure"] == measure)]
    assert len(found) == 1
    return found.iloc[0]


EXITS = ik.CompetingExits(name="exits", exit="exit", horizon=60.0, times=(20.0, 60.0))


@pytest.mark.parametrize(("case", "weights"), [("entry", None), ("entry weights", "w")])
def test_rows_are_those_of_survfit(case: str, weights: str | None) -> None:
    expected = pd.read_csv(REFERENCE / "expected.csv")
    expected = expected[(expected["case"] == case) & expected["time"].isin([20, 60]) & (expected["term"] != "absent")]
    result = fit(EXITS, norm(weights=weights), clients())
    for r in expected.itertuples():
        if r.what in ("estimate", "std_error"):
            found = row(result, f"{r.term} by {r.time:g}", "cumulative_incidence")[r.what]
        elif r.what in ("lost", "lost_se"):
            column = "estimate" if r.what == "lost" else "std_error"
            found = row(result, f"time since {r.term} to 60", "time_lost")[column]
        elif r.what == "low log-log":
            found = row(result, f"{r.term} by {r.time:g}", "cumulative_incidence")["conf_low"]
        else:
            continue
        assert found == pytest.approx(r.value, rel=1e-9)


def test_the_subdistribution_ratio_is_that_of_finegray() -> None:
    expected = pd.read_csv(REFERENCE / "expected.csv")
    expected = expected[expected["case"] == "finegray entry efron"].set_index(["what", "term"])["value"].sort_index()
    result = fit(EXITS.replace(covariates=("x", "z")), norm(), clients())
    for name in ("x", "z"):
        found = row(result, name, "subdistribution_hazard_ratio")
        coef = expected["coef", name]
        assert found["estimate"] == pytest.approx(np.exp(coef), rel=1e-9)
        error = expected["std_error", name]
        assert found["std_error"] == pytest.approx(np.exp(coef) * error, rel=1e-9)
        assert np.isfinite(row(result, name, "hazard_ratio")["estimate"])


def test_one_minus_kaplan_meier_overstates_and_says_so() -> None:
    result = fit(EXITS, norm(), clients())
    naive = row(result, "work by 60", "one_minus_survival")
    assert naive["estimate"] > row(result, "work by 60", "cumulative_incidence")["estimate"] + 0.05
    said = result.notes()
    assert said.loc[said["term"] == "work by 60", "reason"].str.contains("overstates").any()


def test_clusters_give_a_factor_and_t_limits() -> None:
    data = clients()
    found = row(fit(EXITS, norm(clusters="cluster"), data), "work by 60", "cumulative_incidence")
    cause = data["exit"].map({"work": 1, "other": 2, "third": 3}).fillna(0).astype(int).to_numpy()
    curves = aalen_johansen(data["days"].to_numpy(float), cause, 3, start=data["entry"].to_numpy(float))
    codes = np.unique(data["cluster"], return_inverse=True)[1]
    many = codes.max() + 1
    plain = standard_error(curves.incidence_influence(1, 60.0), codes)
    assert found["std_error"] == pytest.approx(plain * np.sqrt(many / (many - 1)), rel=1e-12)
    assert found["df"] == many - 1


# --- arms -----------------------------------------------------------------------------------------------------------


def trial(**options: Any) -> ik.TrialDesign:
    return ik.TrialDesign(unit="id", arm="arm", treated="new", control="old").replace(**options)


def randomised(n: int = 300, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    site = rng.choice(["a", "b"], n)
    times = np.column_stack([rng.uniform(20, 60, n), rng.exponential(25, n), rng.exponential(70, n)])
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "arm": rng.choice(["new", "old"], n),
            "site": site,
            "team": np.arange(n) % 20,
            "weeks": np.ceil(times.min(axis=1)),
            "exit": np.array([None, "work", "job loss"], dtype=object)[times.argmin(axis=1)],
        }
    )


ARMS = ik.CompetingExits(name="exits", exit="exit", duration="weeks", horizon=26.0)


def test_the_difference_is_between_the_arms_and_comes_first() -> None:
    result = fit(ARMS, trial(), randomised())
    tidy = result.tidy()
    new, old = (row(result, f"{arm}: work by 26", "cumulative_incidence") for arm in ("new", "old"))
    difference = tidy.iloc[0]
    assert difference["measure"] == "difference"
    assert difference["estimate"] == pytest.approx(new["estimate"] - old["estimate"], abs=1e-14)
    assert difference["std_error"] == pytest.approx(np.hypot(new["std_error"], old["std_error"]), rel=1e-12)
    assert (result.glance()["evidence"] == "randomised").all()
    assert {"chi_square", "subdistribution_hazard_ratio", "hazard_ratio"} <= set(tidy["measure"])


def test_strata_average_the_curves_of_each_stratum() -> None:
    data = randomised()
    result = fit(ARMS, trial(strata=("site",)), data)
    share = (data["site"] == "a").mean()
    by_site = [fit(ARMS, trial(), data[data["site"] == site]) for site in ("a", "b")]
    ours = row(result, "new: work by 26", "difference")
    parts = [row(one, "new: work by 26", "difference") for one in by_site]
    expected = share * parts[0]["estimate"] + (1 - share) * parts[1]["estimate"]
    assert ours["estimate"] == pytest.approx(expected, rel=1e-12)
    error = np.hypot(share * parts[0]["std_error"], (1 - share) * parts[1]["std_error"])
    assert ours["std_error"] == pytest.approx(error, rel=1e-12)


def test_grays_test_is_withheld_where_it_was_not_derived() -> None:
    result = fit(ARMS, trial(clusters="team"), randomised())
    assert "chi_square" not in set(result.tidy()["measure"])
    assert result.notes()["reason"].str.contains("Gray's test .* not given").any()


def test_groups_that_were_not_randomised_are_not_compared_unadjusted() -> None:
    data = randomised().assign(age=np.arange(300) % 41, w=1.0 + np.arange(300) % 3)
    design = ik.ComparisonDesign(unit="id", arm="arm", treated="new", control="old")
    bare = fit(ARMS, design, data)
    effects = bare.tidy()["measure"].isin(["difference", "hazard_ratio", "subdistribution_hazard_ratio"])
    assert bare.tidy().loc[effects, "estimate"].isna().all()
    assert bare.notes()["reason"].str.contains("nothing adjusts this number").any()
    assert row(bare, "new: work by 26", "cumulative_incidence")["estimate"] > 0
    adjusted = fit(ARMS, design.replace(covariates=("age",)), data)
    assert np.isfinite(row(adjusted, "new", "subdistribution_hazard_ratio")["estimate"])
    assert np.isnan(row(adjusted, "new: work by 26", "difference")["estimate"])
    weighted = fit(ARMS, design.replace(weights="w"), data)
    assert np.isfinite(row(weighted, "new: work by 26", "difference")["estimate"])
    assert (weighted.glance()["evidence"] == "adjusted comparison").all()


def test_a_stratum_without_one_arm_fails_its_rows_only() -> None:
    data = randomised()
    data["seen"] = np.where((data["site"] == "b") & (data["arm"] == "new"), "no", "yes")
    seen = ik.Population(name="seen", where=(("seen", "yes"),))
    tidy = fit(ARMS, trial(strata=("site",), populations=(seen,)), data).tidy()
    assert tidy.loc[tidy["measure"] == "difference", "estimate"].isna().all()
    assert tidy.loc[tidy["term"] == "old: work by 26", "estimate"].notna().any()


# --- what is not known ----------------------------------------------------------------------------------------------


def test_beyond_follow_up_nothing_is_given() -> None:
    data = clients()
    data.loc[data["days"].idxmax(), ["exit", "back"]] = [None, 0.0]
    result = fit(EXITS.replace(horizon=400.0, times=(20.0, 400.0)), norm(), data)
    tidy = result.tidy()
    late = tidy[tidy["term"].str.endswith(" 400")]
    assert len(late) == 7
    assert late["estimate"].isna().all()
    assert result.notes()["reason"].str.contains("nobody was followed beyond").any()
    assert tidy.loc[tidy["term"] == "work by 20", "estimate"].notna().all()


def test_an_early_collapse_names_where_to_start() -> None:
    data = pd.DataFrame(
        {
            "id": range(16),
            "entry": [0.0, 1.0] + [6.0] * 14,
            "weeks": [3.0, 5.0, *np.arange(8.0, 22.0)],
            "back": [1, 1] + [1, 0] * 7,
            "exit": ["work", "work"] + ["work", None] * 7,
        }
    )
    design = norm(duration="weeks", time_unit="weeks")
    analysis = ik.CompetingExits(name="exits", exit="exit", horizon=12.0)
    result = fit(analysis, design, data)
    assert result.tidy()["estimate"].isna().all()
    reason = result.notes()["reason"].str.cat(sep=" ")
    assert "had left at 5 weeks" in reason
    assert "set `start` to 5 weeks" in reason
    later = fit(analysis.replace(start=5.0), design, data)
    assert later.tidy()["estimate"].notna().all()
    assert later.notes()["reason"].str.contains("2 of 16 people with no time under observation").any()
    assessed = fit(analysis.replace(clock="assessment"), design, data)
    assert assessed.tidy()["estimate"].notna().all()


def test_few_at_risk_early_is_said() -> None:
    data = clients()
    said = fit(EXITS, norm(), data[(data["entry"] > 5) | (data.index < 6)]).notes()["reason"]
    assert said.str.contains("fewer than 10 people were at risk").any()


def test_unknown_endings_are_left_out_and_counted() -> None:
    data = clients()
    gone = data.index[data["exit"].isna()][:4]
    data.loc[gone, "back"] = np.nan
    result = fit(EXITS, norm(), data)
    assert result.glance()["n_missing_outcome"].iloc[0] == 4
    assert result.notes()["reason"].str.contains(f"4 of {len(data)} people whose ending is not known").any()


def test_contradictions_are_one_error_with_counts() -> None:
    data = clients()
    work, other = data.index[data["exit"] == "work"], data.index[data["exit"] == "other"]
    data.loc[work[:3], "back"] = 0.0
    data.loc[other[:2], "back"] = 1.0
    data.loc[data.index[data["exit"].isna()][0], "back"] = 1.0
    with pytest.raises(AnalysisError, match=r'Did you mean "work"\?') as caught:
        fit(EXITS.replace(interest="wrok"), norm(), data)
    assert "1 problem " in str(caught.value)
    with pytest.raises(AnalysisError) as caught:
        fit(EXITS, norm(), data)
    assert isinstance(caught.value.__cause__, DataError)
    problems = caught.value.__cause__.problems
    assert len(problems) == 3
    assert [any(f"; {count} of" in problem for problem in problems) for count in (1, 2, 3)] == [True] * 3


def test_an_exit_on_the_first_day_counts_where_everybody_is_observed_from_it() -> None:
    data = randomised()
    data.loc[:29, ["weeks", "exit"]] = [0.0, "work"]
    result = fit(ARMS, trial(), data)
    assert result.glance()["n_analysed"].iloc[0] == len(data)
    curve = result.curve()
    for arm in ("new", "old"):
        first = curve[curve["term"] == f"{arm}: work"].iloc[0]
        own = data[data["arm"] == arm]
        assert first["time"] == 0.0
        assert first["n_risk"] == len(own)
        assert first["estimate"] == pytest.approx((own["weeks"] == 0).mean(), rel=1e-12)
    clients_too = clients()
    clients_too.loc[:3, "days"] = clients_too.loc[:3, "entry"]
    assert fit(EXITS, norm(), clients_too).glance()["n_not_eligible"].iloc[0] == 4
    assert fit(EXITS.replace(clock="assessment"), norm(), clients_too).glance()["n_not_eligible"].iloc[0] == 0


def test_text_of_spaces_is_an_empty_cell() -> None:
    data = clients()
    spaced = data.assign(exit=data["exit"].fillna("  "))
    pd.testing.assert_frame_equal(fit(EXITS, norm(), data).tidy(), fit(EXITS, norm(), spaced).tidy())


def test_weeks_made_of_days_stay_tied() -> None:
    data = clients()
    weeks = data.assign(days=data["days"] / 7, entry=data["entry"] / 7)
    ours = fit(EXITS, norm(), data).tidy()
    theirs = fit(EXITS.replace(horizon=60 / 7, times=(20 / 7 + 1e-6, 60 / 7)), norm(time_unit="weeks"), weeks).tidy()
    share = ours["unit"] == "proportion"
    np.testing.assert_allclose(ours.loc[share, "std_error"], theirs.loc[share, "std_error"], rtol=1e-6)


def test_weights_must_be_there() -> None:
    data = clients()
    data.loc[:2, "w"] = np.nan
    data.loc[3, "w"] = -1.0
    with pytest.raises(AnalysisError, match="empty for 3 people"):
        fit(EXITS, norm(weights="w"), data)


def test_contradictory_options_are_refused() -> None:
    with pytest.raises(SpecError, match="earlier than the horizon"):
        ik.CompetingExits(name="x", exit="exit", horizon=10.0, start=12.0)
    with pytest.raises(SpecError, match="leave one out"):
        ik.CompetingExits(name="x", exit="exit", horizon=10.0, start=2.0, clock="assessment")
    with pytest.raises(RefusalError, match="duration"):
        ik.Evaluation(trial(), randomised(), [ik.CompetingExits(name="x", exit="exit", horizon=10.0)])
    with pytest.raises(RefusalError, match="in days"):
        ik.Evaluation(norm(), clients(), [EXITS.replace(time_unit="weeks")])
    with pytest.raises(RefusalError, match="strata"):
        ik.Evaluation(norm(strata=("block",)), clients(), [EXITS])


def test_curves_hold_the_rows_and_the_numbers_at_risk() -> None:
    data = clients()
    result = fit(EXITS, norm(), data)
    curve = result.curve()
    assert set(curve["term"]) == {"work", "other", "third"}
    last = curve[(curve["term"] == "work") & (curve["time"] == 60)].iloc[0]
    shown = row(result, "work by 60", "cumulative_incidence")
    for name in ("estimate", "conf_low", "conf_high"):
        assert last[name] == pytest.approx(shown[name], rel=1e-12)
    assert last["n_risk"] == ((data["entry"] < 60) & (data["days"] >= 60)).sum()
    assert last["n_events"] == ((data["exit"] == "work") & (data["days"] <= 60)).sum()
