"""Analyses against a norm on the same data: they agree where they must, and say what is wrong with the data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.data import build_episodes, norms_from_episodes
from impactkit.errors import AnalysisError, DataError

CELLS = ("area", "diagnosis")


def clients(n: int = 120, seed: int = 3, cut: float = 1.0) -> pd.DataFrame:
    """Give clients in whole days, every outcome known; what remains at assessment is multiplied by ``cut``."""
    rng = np.random.default_rng(seed)
    diagnosis = rng.choice(["anxiety", "back"], 12 * n)
    whole = np.ceil(np.exp(np.where(diagnosis == "back", 3.6, 4.0) + rng.normal(size=12 * n)))
    entry = np.ceil(rng.gamma(4.0, 9.0, 12 * n))
    met = np.flatnonzero(whole > entry)[:n]
    whole, entry, diagnosis = whole[met], entry[met], diagnosis[met]
    whole = entry + np.ceil((whole - entry) * cut)
    last = entry + rng.integers(90, 200, n)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "area": rng.choice(["north", "south"], n),
            "diagnosis": diagnosis,
            "entry": entry,
            "absent": np.minimum(whole, last),
            "returned": (whole <= last).astype(int),
        }
    )


def controls(n: int = 1200, seed: int = 4, *, censored: bool = True) -> pd.DataFrame:
    """Give control episodes of twelve practices, in whole days."""
    rng = np.random.default_rng(seed)
    practice = np.arange(n) % 12
    diagnosis = rng.choice(["anxiety", "back"], n)
    days = np.ceil(np.exp(np.where(diagnosis == "back", 3.6, 4.0) + rng.normal(size=n)))
    watched = rng.integers(300, 500, n) if censored else np.full(n, 10_000)
    return pd.DataFrame(
        {
            "episode": np.arange(n),
            "area": np.where(practice < 6, "north", "south"),
            "diagnosis": diagnosis,
            "practice": practice,
            "days": np.minimum(days, watched),
            "ended": (days <= watched).astype(int),
        }
    )


def design(**options: Any) -> ik.NormDesign:
    base = ik.NormDesign(
        unit="id",
        entry="entry",
        duration="absent",
        returned="returned",
        norm_by=CELLS,
        time_unit="days",
        controls=ik.ControlEpisodes(duration="days", practice="practice"),
    )
    return base.replace(**options)


def fit(
    analysis: Any, people: pd.DataFrame, episodes: pd.DataFrame | None = None, **options: Any
) -> ik.EvaluationResult:
    data = {"people": people} if episodes is None else {"people": people, "episodes": episodes}
    return ik.Evaluation(design(**options), data, [analysis]).fit(seed=1, strict=True)


def row(result: ik.EvaluationResult, **wanted: str) -> pd.Series:
    rows = result.tidy()
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, wanted
    return rows.iloc[0]


def reasons(result: ik.EvaluationResult) -> str:
    return " | ".join(result.notes()["reason"])


# --- numbers that must agree --------------------------------------------------------------------------------------


def test_observed_weeks_are_the_restricted_mean_of_the_curve_since_assessment() -> None:
    people = clients()
    people["since"] = people["absent"] - people["entry"]
    saved = fit(ik.WeeksSaved(name="saved", horizon=60), people, controls())
    curve = fit(
        ik.SurvivalCurves(name="curve", duration="since", event="returned", horizon=60),
        people,
        controls=None,
        norm_by=(),
    )
    one, other = row(saved, term="observed"), row(curve, measure="restricted_mean")
    assert one["estimate"] == pytest.approx(other["estimate"], rel=1e-12)
    factor = np.sqrt(len(people) / (len(people) - 1))  # weeks saved take G / (G - 1) for clients and for practices
    assert one["std_error"] == pytest.approx(factor * other["std_error"], rel=1e-12)


def test_time_to_work_without_censoring_is_intent_to_treat_on_the_time_cut_at_the_horizon() -> None:
    rng = np.random.default_rng(8)
    n, horizon = 160, 13.0
    people = pd.DataFrame(
        {
            "id": range(n),
            "arm": rng.permutation(np.repeat(["help", "usual"], n // 2)),
            "site": rng.choice(["a", "b", "c"], n),
            "age": rng.integers(18, 64, n),
            "weeks": np.ceil(rng.exponential(9.0, n)),
            "back": 1,
        }
    )
    people["cut"] = np.minimum(people["weeks"], horizon)
    trial = ik.TrialDesign(unit="id", arm="arm", treated="help", control="usual", strata="site")
    for covariates in ((), ("age",)):
        both = ik.Evaluation(
            trial,
            people,
            [
                ik.TimeToWork(
                    name="time",
                    duration="weeks",
                    event="back",
                    horizon=horizon,
                    covariates=covariates,
                    curves="stratum",
                ),
                ik.IntentToTreat(name="cut", outcome="cut", covariates=covariates),
            ],
        ).fit(seed=1, strict=True)
        one = row(both, analysis="time", measure="difference")
        other = row(both, analysis="cut", measure="difference")
        for column in ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value"):
            assert one[column] == pytest.approx(other[column], rel=1e-9), column


@pytest.mark.parametrize("cut", [0.6, 1.6])
def test_hazard_ratio_and_observed_over_expected_point_the_same_way(cut: float) -> None:
    people, episodes = clients(300, cut=cut), controls()
    ratio = row(fit(ik.CoxRegression(name="cox", against_norm=True), people, episodes), measure="hazard_ratio")
    returns = row(
        fit(ik.ObservedExpected(name="returns", restrict="follow_up"), people, episodes), term="observed over expected"
    )
    saved = row(fit(ik.WeeksSaved(name="saved", horizon=60), people, episodes), term="saved")
    faster = cut < 1
    assert (ratio["estimate"] > 1) == (returns["estimate"] > 1) == (saved["estimate"] > 0) == faster
    assert abs(np.log(ratio["estimate"] / returns["estimate"])) < 0.1
    assert max(ratio["p_value"], returns["p_value"], saved["p_value"]) < 0.05


@pytest.mark.parametrize("clock", ["absence", "assessment"])
def test_one_way_out_is_one_less_kaplan_meier(clock: str) -> None:
    people = clients()
    people["exit"] = np.where(people["returned"] == 1, "work", "")
    people["since"] = people["absent"] - people["entry"]
    late = clock == "absence"
    start = {"start": 30.5} if late else {}
    exits = fit(
        ik.CompetingExits(name="exits", exit="exit", horizon=90.0, times=(60.0,), clock=clock, **start),
        people,
        controls=None,
        norm_by=(),
    )
    curve = ik.SurvivalCurves(
        name="curve",
        at=(60.0,),
        since=30.5 if late else 0.0,
        **({} if late else {"duration": "since", "event": "returned"}),
    )
    share = row(fit(curve, people, controls=None, norm_by=()), measure="survival")
    one = row(exits, measure="cumulative_incidence", term="work by 60")
    other = row(exits, measure="one_minus_survival", term="work by 60")
    assert one["estimate"] == pytest.approx(1 - share["estimate"], rel=1e-12)
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        assert one[column] == pytest.approx(other[column], rel=1e-10), column
    assert one["std_error"] == pytest.approx(share["std_error"], rel=1e-9)


def test_norms_and_the_published_comparison_have_the_same_medians() -> None:
    people, episodes = clients(), controls(censored=False)
    norms = fit(ik.FitNoteNorms(name="norms"), people, episodes).tidy()
    norms = norms[(norms["measure"] == "median") & norms["term"].str.contains("diagnosis=")]
    simple = episodes.groupby(["area", "diagnosis"])["days"].median()
    for area, diagnosis in simple.index:
        found = norms.loc[norms["term"] == f"area={area}, diagnosis={diagnosis}", "estimate"]
        assert found.item() == simple[(area, diagnosis)]
    for area in ("north", "south"):
        here = ik.Population(name="here", where=(("area", area),))
        result = fit(ik.NormComparison(name="published", by="diagnosis"), people, episodes, populations=(here,))
        for diagnosis in ("anxiety", "back"):
            norm = row(result, outcome="total episode", term=f"diagnosis[{diagnosis}]", measure="norm_median")
            assert norm["estimate"] == simple[(area, diagnosis)]


def fit_notes(n: int = 900, seed: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    practice = rng.integers(0, 8, n)
    diagnosis = rng.choice(["anxiety", "back"], n)
    days = np.ceil(np.exp(np.where(diagnosis == "back", 3.6, 4.0) + rng.normal(size=n))).astype(int)
    begin = np.datetime64("2011-06-01") + rng.integers(0, 420, n)
    rows = []
    for patient in range(n):
        passed = 0
        while passed < days[patient]:
            length = min(28, int(days[patient]) - passed)
            first = begin[patient] + passed
            rows.append((practice[patient], patient, first, first + length - 1, diagnosis[patient]))
            passed += length
    notes = pd.DataFrame(rows, columns=["practice", "patient", "starts", "ends", "diagnosis"])
    notes = notes[notes["starts"] <= np.datetime64("2012-12-31")]
    return notes.assign(status="not fit", area=np.where(notes["practice"] < 4, "north", "south"))


ANALYSES = (
    ik.WeeksSaved(name="saved", horizon=60, by_cell=True),
    ik.ObservedExpected(name="returns", until=60),
    ik.FitNoteNorms(name="norms", horizon=120.0),
    ik.NormComparison(name="published"),
    ik.CoxRegression(name="cox", against_norm=True),
)


@pytest.mark.parametrize("offset", [0, 7])
def test_notes_and_the_episodes_made_of_them_are_the_same_controls(offset: int) -> None:
    notes, people = fit_notes(), clients()
    rules = ik.FitNoteEpisodes(window=("2011-09-01", "2012-12-31"))
    built = build_episodes(notes, rules, diagnosis_groups="as given").frame
    seen = built[built["observed_to"] > built["observed_from"]]
    episodes = pd.DataFrame(
        {
            "episode": seen["episode"],
            "area": seen["area"],
            "diagnosis": seen["diagnosis"],
            "practice": seen["practice"],
            "days": seen["observed_to"],
            "running": seen["observed_from"],
            "ended": 1 - seen["open"].astype(int),
        }
    )
    assert (episodes["running"] > 0).any()
    assert (episodes["ended"] == 0).any()
    of_notes = ik.ControlNotes(rules=rules, diagnosis_groups="as given", offset_days=offset)
    of_episodes = ik.ControlEpisodes(duration="days", late_entry="running", practice="practice", offset_days=offset)
    first = ik.Evaluation(design(controls=of_notes), {"people": people, "fit_notes": notes}, ANALYSES)
    second = ik.Evaluation(design(controls=of_episodes), {"people": people, "episodes": episodes}, ANALYSES)
    one, other = first.fit(seed=1, strict=True), second.fit(seed=1, strict=True)
    assert one.tidy().to_csv() == other.tidy().to_csv()
    apart = ["data_hash"]
    assert one.glance().drop(columns=apart).to_csv() == other.glance().drop(columns=apart).to_csv()
    assert one.curve().to_csv() == other.curve().to_csv()


def test_weeks_and_days_differ_by_seven() -> None:
    """To seven digits: times in weeks are rounded to eight decimals, so that equal days stay tied."""
    people, episodes = clients(), controls()
    people["exit"] = np.where(people["returned"] == 1, "work", np.where(people.index % 3, "", "job loss"))
    in_weeks = people.assign(entry=people["entry"] / 7, absent=people["absent"] / 7)
    norm_in_weeks = episodes.assign(days=episodes["days"] / 7)

    def analyses(unit: float) -> list[Any]:
        return [
            ik.WeeksSaved(name="saved", horizon=63 / unit, by_cell=True),
            ik.ObservedExpected(name="returns", until=63 / unit),
            ik.FitNoteNorms(name="norms", horizon=119 / unit),
            ik.NormComparison(name="published"),
            ik.CoxRegression(name="cox", against_norm=True),
            ik.SurvivalCurves(name="curves", horizon=119 / unit, at=(63 / unit,), since=28 / unit),
            ik.CompetingExits(name="exits", exit="exit", horizon=119 / unit, start=28 / unit),
        ]

    days = (
        ik.Evaluation(design(), {"people": people, "episodes": episodes}, analyses(1.0)).fit(seed=1, strict=True).tidy()
    )
    weeks = (
        ik.Evaluation(design(time_unit="weeks"), {"people": in_weeks, "episodes": norm_in_weeks}, analyses(7.0))
        .fit(seed=1, strict=True)
        .tidy()
    )
    assert len(days) == len(weeks)
    factor = np.where(days["unit"] == "days", 7.0, 1.0)
    assert (factor == 7.0).sum() > 20
    assert ((days["unit"] == "days") == (weeks["unit"] == "weeks")).all()
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(days[column], weeks[column] * factor, rtol=1e-7, atol=1e-8, err_msg=column)
    for column in ("df", "p_value", "n"):
        np.testing.assert_allclose(days[column], weeks[column], rtol=1e-7, atol=1e-8, err_msg=column)


@pytest.mark.parametrize("back", [0, 1])
def test_a_trial_in_which_nothing_varies_has_no_limits(back: int) -> None:
    """Everybody censored, or everybody back on the same day: no error, and no interval of no width."""
    people = pd.DataFrame(
        {"id": range(40), "arm": ["help", "usual"] * 20, "weeks": 20.0 if not back else 5.0, "back": back}
    )
    trial = ik.TrialDesign(unit="id", arm="arm", treated="help", control="usual")
    time = ik.TimeToWork(name="time", duration="weeks", event="back", horizon=13)
    result = ik.Evaluation(trial, people, [time]).fit(seed=1, strict=True)
    found = row(result, measure="difference")
    assert found["estimate"] == 0.0
    assert found[["std_error", "conf_low", "conf_high", "p_value"]].isna().all()
    assert "times do not vary here" in reasons(result)


# --- what cannot be told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["days", "weeks"])
@pytest.mark.parametrize("limit", ["norm", "clients"])
def test_the_named_horizon_runs_and_a_longer_one_does_not(unit: str, limit: str) -> None:
    scale = 7.0 if unit == "weeks" else 1.0
    people, episodes = clients(), controls()
    if limit == "norm":
        open_ones = episodes["days"] > 150
        episodes["days"] = np.minimum(episodes["days"], 150)
        episodes.loc[open_ones, "ended"] = 0
        people = people[people["entry"] < 100]
    people = people.assign(entry=people["entry"] / scale, absent=people["absent"] / scale)
    episodes = episodes.assign(days=episodes["days"] / scale)
    with pytest.raises(AnalysisError) as caught:
        fit(ik.WeeksSaved(name="saved", horizon=1000.0), people, episodes, time_unit=unit)
    named = float(re.search(r"the longest they can tell is ([\d.]+) ", str(caught.value)).group(1))  # type: ignore[union-attr]
    assert named > 20 / scale
    result = fit(ik.WeeksSaved(name="saved", horizon=named), people, episodes, time_unit=unit)
    assert np.isfinite(row(result, term="saved")["estimate"])
    with pytest.raises(AnalysisError, match="beyond what the data can tell"):
        fit(ik.WeeksSaved(name="saved", horizon=named + 0.011), people, episodes, time_unit=unit)


def test_the_named_limit_of_counting_returns_runs_and_a_longer_one_does_not() -> None:
    people, episodes = clients(), controls()
    people, episodes = people[people["entry"] < 60], episodes[episodes["days"] < 100]
    with pytest.raises(AnalysisError) as caught:
        fit(ik.ObservedExpected(name="returns"), people, episodes)
    named = float(re.search(r"`until=([\d.]+)`", str(caught.value)).group(1))  # type: ignore[union-attr]
    assert named > 20
    assert np.isfinite(
        row(fit(ik.ObservedExpected(name="returns", until=named), people, episodes), term="expected")["estimate"]
    )
    with pytest.raises(AnalysisError, match="watched at elapsed times at which control episodes are"):
        fit(ik.ObservedExpected(name="returns", until=named + 0.011), people, episodes)


def test_job_loss_is_censored_and_said() -> None:
    people, episodes = clients(), controls()
    result = fit(ik.WeeksSaved(name="saved", horizon=60), people, episodes)
    assert "lost the job, moved to a benefit or retired" in reasons(result)
    early = people["returned"].eq(1) & (people.index % 5 == 0)
    lost = people.assign(returned=people["returned"].where(~early, 0))
    unknown = people.assign(returned=people["returned"].astype(float).where(~early, np.nan))
    analysis = ik.WeeksSaved(name="saved", horizon=60)
    censored, left_empty = fit(analysis, lost, episodes), fit(analysis, unknown, episodes)
    worst = fit(analysis.replace(unknown="absent"), unknown, episodes)
    value = row(censored, term="saved")["estimate"]
    assert value == row(left_empty, term="saved")["estimate"]
    assert row(worst, term="saved")["estimate"] < value < row(result, term="saved")["estimate"]


# --- bad input ----------------------------------------------------------------------------------------------------

SAVED = ik.WeeksSaved(name="saved", horizon=60)


def changed(frame: pd.DataFrame, column: str, value: Any, rows: int = 4) -> pd.DataFrame:
    frame = frame.copy()
    kind = object if isinstance(value, str) else float
    frame[column] = frame[column].astype(kind)
    frame.loc[frame.index[:rows], column] = value
    return frame


def test_every_fault_of_both_tables_is_in_one_error() -> None:
    people = changed(changed(clients(), "returned", 2), "entry", -1)
    people.loc[[7, 8], "absent"] = people.loc[[7, 8], "entry"] - 1
    episodes = changed(controls(), "ended", 3, 5).drop(columns="area").assign(running=0.0)
    episodes.loc[:2, "running"] = episodes.loc[:2, "days"] + 1
    episodes.loc[10, "episode"] = episodes.loc[11, "episode"]
    found = design().replace(controls=ik.ControlEpisodes(duration="days", practice="practice", late_entry="running"))
    with pytest.raises(DataError) as caught:
        ik.Evaluation(found, {"people": people, "episodes": episodes}, [SAVED])
    said = str(caught.value)
    assert "7 problems with the data" in said
    for words in (
        "column `area` is missing",
        '`entry` of table "people" should hold durations of 0 or more',
        "negative values in 4 rows",
        '`returned` of table "people" should be 0 or 1',
        "found something else in 5 rows",
        "cannot be shorter than `entry`",
        "found 1 id of `episode` repeated over 2 rows",
        "cannot be longer than `days`, its whole length; found that in 3 rows",
    ):
        assert words in said, words


@pytest.mark.parametrize("table", ["people", "episodes"])
def test_empty_tables_are_one_error(table: str) -> None:
    data = {"people": clients(), "episodes": controls()}
    data[table] = data[table].iloc[:0]
    with pytest.raises(DataError, match="should have at least one row and has none"):
        ik.Evaluation(design(), data, [SAVED])


@pytest.mark.parametrize(
    ("own", "theirs", "meant"),
    [
        ("GM", "Greater Manchester", "Greater Manchester"),
        ("Greater Manchester", "GM", "GM"),
        ("North", "north", "north"),
        ("nortth", "north", "north"),
        ("Leicester", "north", None),
    ],
)
def test_labels_that_do_not_match_are_listed_with_counts_and_what_was_meant(
    own: str, theirs: str, meant: str | None
) -> None:
    people, episodes = clients(), controls()
    people["area"] = people["area"].replace({"north": own})
    episodes["area"] = episodes["area"].replace({"north": theirs})
    count = int((people["area"] == own).sum())
    asked = "" if meant is None else f'; did you mean "{meant}"?'
    expected = f'no control episode has these labels of `area`: "{own}" ({count} clients{asked})'
    for analysis in (SAVED, ik.ObservedExpected(name="returns")):
        with pytest.raises(AnalysisError) as caught:
            fit(analysis, people, episodes)
        assert expected in str(caught.value)
        assert f'Labels of the controls that no client has: "{theirs}"' in str(caught.value)
        assert f"area={own}, diagnosis=anxiety" in str(caught.value)
    for analysis in (ik.NormComparison(name="published"), ik.CoxRegression(name="cox", against_norm=True)):
        assert expected in reasons(fit(analysis, people, episodes))


def test_ids_as_labels_are_never_printed() -> None:
    people = clients().assign(area=[f"person-{row}" for row in range(120)])
    with pytest.raises(AnalysisError, match=r"tells? (most|them)") as caught:
        fit(SAVED, people, controls())
    assert "person-" not in str(caught.value)


def test_weeks_where_days_are_declared_are_said() -> None:
    people, episodes = clients(), controls()
    returns = ik.ObservedExpected(name="returns", restrict="follow_up")
    said = "check that both are in days"
    assert said not in reasons(fit(returns, people, episodes))
    in_weeks = people.assign(entry=people["entry"] / 7, absent=people["absent"] / 7)
    assert said in reasons(fit(returns, in_weeks, episodes))
    assert said in reasons(fit(returns, people, episodes.assign(days=episodes["days"] / 7)))


def test_control_episodes_that_cannot_be_used_are_counted_by_reason() -> None:
    episodes = controls().assign(running=0.0)
    episodes["ended"] = episodes["ended"].astype(float)
    episodes["practice"] = episodes["practice"].astype(float)
    for place, (column, value) in enumerate(
        [("days", np.nan), ("running", np.nan), ("ended", np.nan), ("practice", np.nan)], start=1
    ):
        episodes.loc[100 * place : 100 * place + place - 1, column] = value
    episodes.loc[500:504, "running"] = episodes.loc[500:504, "days"]
    episodes.loc[600:605, "diagnosis"] = None
    found = design(controls=ik.ControlEpisodes(duration="days", practice="practice", late_entry="running"))
    result = ik.Evaluation(found, {"people": clients(), "episodes": episodes}, [SAVED]).fit(seed=1, strict=True)
    for count, what in (
        (1, "`days` empty"),
        (2, "`running` empty"),
        (3, "`ended` empty"),
        (4, "`practice` empty"),
        (5, "no time in which they were watched"),
    ):
        assert f"{count} of 1,200 control episodes have {what} and were left out" in reasons(result)
    assert "6 of 1,185 control episodes have a `norm_by` column empty" in reasons(result)


def test_controls_that_never_end_are_said() -> None:
    result = fit(SAVED, clients(), controls().assign(ended=0))
    assert "none of 1,200 control episodes ended while watched" in reasons(result)
    assert "in 4 of 4 norm cells no control episode ended at a time that counts" in reasons(result)


def test_controls_none_of_which_can_be_used_are_one_error_everywhere() -> None:
    episodes = controls().assign(days=np.nan)
    for analysis in ANALYSES:
        with pytest.raises(AnalysisError, match="none can be used: 1,200 of 1,200 control episodes have `days` empty"):
            fit(analysis, clients(), episodes)


def test_one_client_against_the_norm_has_no_error() -> None:
    people = clients()
    one = people[people["returned"] == 1].iloc[:1]
    found = row(fit(ik.CoxRegression(name="cox", against_norm=True), one, controls()), measure="hazard_ratio")
    assert np.isfinite(found["estimate"])
    assert np.isnan(found["std_error"])
    assert np.isnan(row(fit(SAVED, one, controls()), term="saved")["std_error"])


def notes_design(**rules: Any) -> ik.NormDesign:
    return design(controls=ik.ControlNotes(rules=ik.FitNoteEpisodes(**rules), diagnosis_groups="as given"))


def test_notes_that_contradict_themselves_are_one_error() -> None:
    notes = fit_notes()
    notes.loc[notes.index[:4], "ends"] = np.datetime64("2001-01-01")
    notes.loc[notes.index[4:9], "status"] = "perhaps"
    notes["duration"] = (notes["ends"] - notes["starts"]).dt.days + 1
    notes.loc[notes.index[10:16], "duration"] += 2
    notes.loc[notes.index[20:23], ["starts", "ends"]] = np.datetime64("2199-01-01")
    notes.loc[notes.index[20:23], "duration"] = 1
    with pytest.raises(AnalysisError) as caught:
        ik.Evaluation(notes_design(), {"people": clients(), "fit_notes": notes}, [SAVED]).fit(seed=1, strict=True)
    said = str(caught.value)
    assert "should end on or after its first day; found 4 of" in said
    assert "something else, or nothing, in 5 of" in said
    assert "the duration and the dates of a note should agree; found 6 of" in said
    assert "no later than today; found 3 of" in said


def test_a_mistyped_year_that_widens_the_window_is_said() -> None:
    notes = fit_notes()
    odd = notes.iloc[:1].assign(patient=9999, starts=np.datetime64("2017-01-02"), ends=np.datetime64("2017-01-20"))
    data = {"people": clients(), "fit_notes": notes}
    assert "days on end" not in reasons(ik.Evaluation(notes_design(), data, [SAVED]).fit(seed=1, strict=True))
    data["fit_notes"] = pd.concat([notes, odd])
    result = ik.Evaluation(notes_design(), data, [SAVED]).fit(seed=1, strict=True)
    assert "days on end, and the window is taken from the notes" in reasons(result)


def test_a_patient_number_in_two_practices_is_two_people_unless_asked_otherwise() -> None:
    notes = fit_notes()
    twice = pd.concat([notes, notes.assign(practice=(notes["practice"] + 4) % 8)])
    twice["area"] = np.where(twice["practice"] < 4, "north", "south")
    both = build_episodes(twice, ik.FitNoteEpisodes(window=("2011-09-01", "2012-12-31")))
    assert both.audit["patient numbers in several practices"] > 800
    one = build_episodes(twice, ik.FitNoteEpisodes(window=("2011-09-01", "2012-12-31"), patient_scope="everywhere"))
    assert len(both) == 2 * len(one)


def test_restricting_is_not_advised_to_those_who_did() -> None:
    people = clients().assign(entry=2000.0, absent=2100.0)
    with pytest.raises(AnalysisError, match='restrict="clients"'):
        fit(SAVED, people, controls())
    with pytest.raises(AnalysisError) as caught:
        fit(SAVED.replace(restrict="clients"), people, controls())
    assert "restrict=" not in str(caught.value)


def test_norms_of_a_table_do_not_fill_late_entries_in() -> None:
    episodes = pd.DataFrame({"weeks": [2.0, 4, 6, 8], "ended": 1, "late": [0.0, np.nan, 1, 0]})
    made = norms_from_episodes(episodes, by=(), reading="complete", duration="weeks", late_entry="late", shrink_below=0)
    assert "1 of 4 control episodes" in " ".join(made.notes)
    with pytest.raises(DataError, match="`late` should not be longer than `weeks`, and is in 1 rows"):
        norms_from_episodes(
            episodes.assign(late=[0.0, 5, 0, 0]), by=(), reading="complete", duration="weeks", late_entry="late"
        )


def test_a_risk_set_that_collapses_early_is_said_with_the_time() -> None:
    people = clients().assign(entry=np.where(np.arange(120) % 3, 80.0, 20.0))
    people["absent"] = people["entry"] + 1 + np.arange(120) % 70
    late = controls().query("days > 75").assign(running=75.0)
    first = pd.DataFrame({"area": ["north", "north", "south", "south"], "diagnosis": ["anxiety", "back"] * 2})
    first = pd.concat([first] * 2, ignore_index=True).assign(
        episode=np.arange(8) + 5000,
        practice=[0, 0, 6, 6, 1, 1, 7, 7],
        days=[76.0] * 4 + [41.0] * 4,
        running=0.0,
        ended=1,
    )
    late.loc[late["days"] <= 78, "days"] = 79
    late["running"] = 77.0
    found = design(
        controls=ik.ControlEpisodes(duration="days", practice="practice", late_entry="running"), norm_by=("area",)
    )
    data = {"people": people, "episodes": pd.concat([late, first])}
    norms = ik.Evaluation(found, data, [ik.FitNoteNorms(name="norms")]).fit(seed=1, strict=True)
    assert "at 76.0 every episode then observed ends" in reasons(norms)
    saved = ik.Evaluation(found, data, [SAVED]).fit(seed=1, strict=True)
    assert "the norm of area=north collapses early: at 76 every episode still at risk ended" in reasons(saved)


# --- nothing about a few people leaves the house ------------------------------------------------------------------


def test_what_is_written_counts_no_handful_of_people(tmp_path: Path) -> None:
    people = clients().astype({"returned": float})
    people.loc[people.index[:3], "returned"] = np.nan
    people.loc[people.index[5:7], "entry"] = np.nan
    people.loc[people.index[8:12], "absent"] = people.loc[people.index[8:12], "entry"]
    people.loc[people.index[8:12], "returned"] = 1.0
    episodes = changed(controls(), "days", np.nan, 7)
    analyses = [SAVED, ik.ObservedExpected(name="returns", restrict="follow_up"), *ANALYSES[2:]]
    analyses.append(ik.SurvivalCurves(name="curves"))
    result = ik.Evaluation(design(), {"people": people, "episodes": episodes}, analyses).fit(seed=1, strict=True)
    small = re.compile(r"(?<![\w,.])(?<!than )[1-9] (of [\d,]+ )?(clients|people|control episodes|episodes|patients)")
    assert small.search(reasons(result))
    result.write(tmp_path)
    for path in [tmp_path / "notes.csv", *tmp_path.rglob("*.html"), *tmp_path.rglob("*.txt")]:
        assert not small.search(path.read_text(encoding="utf-8")), path.name
    assert "fewer than 10 clients have no known outcome" in (tmp_path / "notes.csv").read_text(encoding="utf-8")
