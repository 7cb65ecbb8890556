"""Time to work and survival curves: against R, against intention to treat without censoring, and on hard data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import AnalysisError, SpecError
from impactkit.estimators import time_to_work_rows

FOLDER = Path(__file__).parents[1] / "reference" / "survival"
DATA = pd.read_csv(FOLDER / "absences.csv")
R = pd.read_csv(FOLDER / "trial.csv").set_index("case")


def people() -> pd.DataFrame:
    frame = DATA[DATA["group"] < 2].reset_index(drop=True)
    return frame.assign(
        id=frame.index,
        arm=np.where(frame["group"] == 1, "help", "usual"),
        site=frame["site"].astype(str),
        length=frame["stop"] - frame["entry"],
    )


def design(**options):
    return ik.TrialDesign(unit="id", arm="arm", treated="help", control="usual", **options)


def fit(frame, declared, **options):
    base = {"duration": "stop", "event": "event", "entry": "entry", "horizon": 40, "time_unit": "days"}
    return ik.Evaluation(declared, frame, [ik.TimeToWork(name="t", **(base | options))]).fit(seed=1)


def row(result, measure):
    found = result.tidy()
    (one,) = found[found["measure"] == measure].to_dict("records")
    return one


def test_differences_ratios_and_errors_are_those_of_r():
    result = fit(people(), design(), inference=ik.HC0())
    for measure, case in (("difference", "difference"), ("mean", "control")):
        assert row(result, measure)["estimate"] == pytest.approx(R["estimate"][case], rel=1e-10)
        assert row(result, measure)["std_error"] == pytest.approx(R["std_error"][case], rel=1e-10)
    ratio = row(result, "restricted_mean_ratio")
    assert np.log(ratio["estimate"]) == pytest.approx(R["estimate"]["log_ratio"], rel=1e-10)
    assert ratio["std_error"] / ratio["estimate"] == pytest.approx(R["std_error"]["log_ratio"], rel=1e-10)


def test_the_stratified_difference_weighs_strata_by_size():
    one = row(fit(people(), design(strata="site"), horizon=25, inference=ik.HC0()), "difference")
    assert one["estimate"] == pytest.approx(R["estimate"]["stratified"], rel=1e-10)
    assert one["std_error"] == pytest.approx(R["std_error"]["stratified"], rel=1e-10)


@pytest.mark.parametrize(
    ("case", "declared", "options", "factor"),
    [
        ("hazard", {}, {}, 1.0),
        ("hazard_strata", {"strata": "site"}, {"covariates": ("x",), "horizon": 20}, 1.0),
        ("hazard_clusters", {"clusters": "practice", "weights": "w"}, {}, None),
        ("hazard_onset", {}, {"clock": "onset"}, 1.0),
    ],
)
def test_hazard_ratios_and_robust_errors_are_those_of_r(case, declared, options, factor, monkeypatch):
    monkeypatch.setattr(time_to_work_rows, "MOST_REFITS", 0)
    one = row(fit(people(), design(**declared), **options), "hazard_ratio")
    if factor is None:  # the sandwich: with few clusters the jackknife is reported instead
        groups = people()["practice"].nunique()
        factor = np.sqrt(groups / (groups - 1))
        assert one["df"] == groups - 1
    assert np.log(one["estimate"]) == pytest.approx(R["estimate"][case], rel=1e-7)
    assert one["std_error"] / one["estimate"] == pytest.approx(R["std_error"][case] * factor, rel=1e-7)


def test_few_clusters_are_left_out_one_by_one():
    frame, declared = people(), design(clusters="practice")
    one = row(fit(frame, declared), "hazard_ratio")
    groups = frame["practice"].unique()
    others = [
        np.log(row(fit(frame[frame["practice"] != group], declared), "hazard_ratio")["estimate"]) for group in groups
    ]
    moved = np.array(others) - np.log(one["estimate"])
    jackknife = np.sqrt((len(groups) - 1) / len(groups) * (moved**2).sum())
    assert one["std_error"] / one["estimate"] == pytest.approx(jackknife, rel=1e-8)


@pytest.mark.parametrize("strata", [(), ("site",)])
@pytest.mark.parametrize("clusters", [None, "practice"])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("options", [{}, {"covariates": ("x",)}, {"covariates": ("x",), "adjustment": "lin"}])
@pytest.mark.parametrize("curves", ["stratum", "arm"])
def test_without_censoring_it_is_intention_to_treat_on_time_up_to_the_horizon(
    strata, clusters, weights, options, curves
):
    frame = people().assign(event=1)
    frame["short"] = np.minimum(frame["length"], 40.0)
    declared = design(strata=strata, clusters=clusters, weights=weights)
    ours = row(fit(frame, declared, curves=curves, **options), "difference")
    itt = ik.IntentToTreat(name="i", outcome="short", **options)
    theirs = row(ik.Evaluation(declared, frame, [itt]).fit(seed=1), "difference")
    for column in ("estimate", "std_error", "conf_low", "conf_high", "p_value", "df", "n"):
        assert ours[column] == pytest.approx(theirs[column], rel=1e-8), column


def test_another_unit_of_time_changes_the_unit_only():
    frame = people()
    weeks = frame.assign(stop=frame["stop"] / 7, entry=frame["entry"] / 7)
    days = fit(frame, design(), horizon=42)
    ours = fit(weeks, design(), horizon=6, time_unit="weeks")
    for measure, scale in (("difference", 7), ("mean", 7), ("restricted_mean_ratio", 1), ("hazard_ratio", 1)):
        assert row(ours, measure)["estimate"] * scale == pytest.approx(row(days, measure)["estimate"], rel=1e-9)
        assert row(ours, measure)["p_value"] == pytest.approx(row(days, measure)["p_value"], rel=1e-7, nan_ok=True)


def test_a_horizon_beyond_the_data_names_the_largest():
    result = fit(people(), design(), horizon=5000)
    (reason,) = result.notes().query("term == 'control_mean'")["reason"]
    assert "choose a horizon of at most" in reason
    assert np.isfinite(row(result, "hazard_ratio")["estimate"])
    assert np.isnan(row(result, "difference")["estimate"])


def test_a_risk_set_that_collapses_early_is_said_with_the_time():
    frame = people().assign(entry=lambda f: np.where(f.index < 4, 0, np.minimum(20, f["stop"] - 1)))
    frame.loc[:3, ["stop", "event"]] = [5, 1]
    frame["arm"] = np.where(frame.index % 2, "help", "usual")
    frame = frame[frame["stop"] > frame["entry"]]
    said = fit(frame, design(), clock="onset").notes()["reason"]
    assert said.str.contains("has returned by 5 days").any()


def test_bad_times_are_one_error_with_counts():
    frame = people()
    frame.loc[:2, "entry"] = 10_000
    time = ik.TimeToWork(name="t", duration="stop", event="event", entry="entry", horizon=40)
    with pytest.raises(AnalysisError, match="3 rows"):
        ik.Evaluation(design(), frame, [time]).fit(seed=1, strict=True)
    with pytest.raises(SpecError, match="before the horizon"):
        ik.TimeToWork(name="t", duration="a", event="b", horizon=5, entry="e", clock="onset", since=9)
    with pytest.raises(SpecError, match="needs `entry`"):
        ik.TimeToWork(name="t", duration="a", event="b", horizon=5, clock="onset")


def test_missing_endings_are_counted_as_missing():
    frame = people()
    frame["event"] = frame["event"].astype(float)
    frame.loc[:6, "event"] = np.nan
    result = fit(frame, design())
    assert int(result.glance()["n_missing_outcome"].iloc[0]) == 7
    assert result.notes()["reason"].str.startswith("7 people have a time but no known ending").any()


def test_who_is_observed_for_no_time_is_not_missing():
    frame = people().assign(entry=lambda f: np.where(f.index < 3, f["stop"], 0))
    result = fit(frame, design(), clock="onset")
    (look,) = result.glance().to_dict("records")
    assert (look["n_not_eligible"], look["n_missing_outcome"]) == (3, 0)
    assert look["n_assigned"] == look["n_analysed"] == len(frame) - 3
    assert result.notes()["reason"].str.contains("3 of .* never at risk").any()


def test_nobody_returns():
    result = fit(people().assign(event=0), design(), horizon=10)
    assert np.isnan(row(result, "hazard_ratio")["estimate"])
    assert np.isnan(row(result, "difference")["std_error"]) or row(result, "difference")["std_error"] == 0


def test_curves_count_people_at_risk():
    frame = people()
    curve = fit(frame, design()).curve()
    assert set(curve["term"]) == {"help", "usual"}
    first = curve.groupby("term").first()
    assert first["n_risk"].to_dict() == frame["arm"].value_counts().to_dict()
    later = curve.query("time == 28 and term == 'help'")
    assert float(later["n_risk"].iloc[0]) == ((frame["arm"] == "help") & (frame["length"] >= 28)).sum()


def test_a_comparison_is_adjusted_for_what_it_declares():
    declared = ik.ComparisonDesign(unit="id", arm="arm", treated="help", control="usual", covariates=("x",))
    ours = fit(people(), declared)
    same = fit(people(), design(), covariates=("x",))
    assert row(ours, "difference")["estimate"] == pytest.approx(row(same, "difference")["estimate"], rel=1e-12)
    assert ours.glance()["evidence"].iloc[0] == "adjusted comparison"


# --- survival curves -----------------------------------------------------------------------------------------------


def test_a_later_beginning_in_weeks_is_that_in_days():
    frame = people().assign(stop=lambda f: np.maximum(f["stop"], f["entry"] + 1))
    frame.loc[frame.index % 5 == 0, "stop"] = np.maximum(28, frame["entry"] + 1)  # some end on the very day
    declared = ik.TrialDesign(unit="id", arm="arm", treated="help", control="usual")
    weeks = frame.assign(stop=frame["stop"] / 7, entry=frame["entry"] / 7)
    days = {"since": 28, "horizon": 40, "at": (35,), "entry": "entry", "time_unit": "days"}
    found = []
    for data, scale, unit in ((frame, 1, "days"), (weeks, 7, "weeks")):
        asked = days | {"since": 28 / scale, "horizon": 40 / scale, "at": (35 / scale,), "time_unit": unit}
        curves = ik.SurvivalCurves(name="s", duration="stop", event="event", by="arm", **asked)
        found.append(ik.Evaluation(declared, data, [curves]).fit(seed=1))
    (one, other) = (result.tidy() for result in found)
    tests = one["measure"] == "log_rank"
    np.testing.assert_allclose(other.loc[tests, "statistic"], one.loc[tests, "statistic"], rtol=1e-9)
    means = one["measure"] == "restricted_mean"
    np.testing.assert_allclose(other.loc[means, "estimate"] * 7, one.loc[means, "estimate"], rtol=1e-9)
    alive = one["measure"] == "survival"
    assert tests.sum() == 1
    assert alive.sum() == 2
    np.testing.assert_allclose(other.loc[alive, "estimate"], one.loc[alive, "estimate"], rtol=1e-9)
    np.testing.assert_allclose(other.loc[alive, "std_error"], one.loc[alive, "std_error"], rtol=1e-9)


def test_survival_curves_are_those_of_r():
    frame = DATA.assign(id=range(len(DATA)))
    declared = ik.NormDesign(unit="id", entry="entry", duration="stop", returned="event", time_unit="days")
    found = ik.Evaluation(declared, frame, [ik.SurvivalCurves(name="s", since=12, horizon=60, at=(30,))]).fit(seed=1)
    quartiles = pd.read_csv(FOLDER / "quantiles.csv").query("case == 'entry/robust/since' and conf_type == 'log-log'")
    for measure, share in (("lower_quartile", 0.25), ("median", 0.5), ("upper_quartile", 0.75)):
        (theirs,) = quartiles[quartiles["p"] == share].to_dict("records")
        ours = row(found, measure)
        for column, name in (("estimate", "quantile"), ("conf_low", "low"), ("conf_high", "high")):
            assert ours[column] == pytest.approx(theirs[name], nan_ok=True)
    (mean,) = pd.read_csv(FOLDER / "rmst.csv").query("case == 'entry/robust/since'").to_dict("records")
    assert row(found, "restricted_mean")["estimate"] == pytest.approx(mean["estimate"], rel=1e-10)
    assert row(found, "restricted_mean")["std_error"] == pytest.approx(mean["std_error"], rel=1e-8)
    curve = pd.read_csv(FOLDER / "curves.csv").query("case == 'entry/robust/since' and time <= 30").iloc[-1]
    ours = row(found, "survival")
    assert [ours["estimate"], ours["conf_low"], ours["conf_high"]] == pytest.approx(
        [curve["surv"], curve["ll_low"], curve["ll_high"]], rel=1e-8
    )


def test_the_log_rank_row_is_that_of_r():
    frame = DATA.assign(id=range(len(DATA)), group=DATA["group"].astype(str))
    declared = ik.TrialDesign(unit="id", arm="group", treated=("1", "2"), control="0", strata="site")
    found = ik.Evaluation(
        declared, frame, [ik.SurvivalCurves(name="s", duration="stop", event="event", time_unit="days")]
    ).fit(seed=1)
    theirs = pd.read_csv(FOLDER / "tests.csv").set_index("case").loc["strata"]
    assert row(found, "log_rank")["statistic"] == pytest.approx(theirs["statistic"], rel=1e-9)
    assert row(found, "log_rank")["df"] == 2
