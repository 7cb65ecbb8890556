"""Weeks saved, observed over expected returns and the grid: what they say, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import AnalysisError, RefusalError, SpecError
from impactkit.results.joint import covariance


def people(**columns: Any) -> pd.DataFrame:
    base = {"entry": [4.0, 4, 6, 6, 8, 8], "absent": [5.0, 9, 7, 12, 10, 16], "returned": [1.0, 1, 1, 1, 1, 0]}
    frame = pd.DataFrame({**base, **columns})
    return frame.assign(id=range(len(frame)))


def episodes(**columns: Any) -> pd.DataFrame:
    base = {"weeks": [2.0, 5, 8, 11, 14, 17, 20, 26], "ended": [1] * 8, "practice": list("aabbccdd")}
    frame = pd.DataFrame({**base, **columns})
    return frame.assign(episode=range(len(frame)))


def norm_design(**options: Any) -> ik.NormDesign:
    base = ik.NormDesign(
        unit="id",
        entry="entry",
        duration="absent",
        returned="returned",
        controls=ik.ControlEpisodes(duration="weeks", practice="practice"),
    )
    return base.replace(**options)


def fit(analysis: Any, clients: pd.DataFrame, norm: pd.DataFrame, **options: Any) -> ik.EvaluationResult:
    data = {"people": clients, "episodes": norm}
    return ik.Evaluation(norm_design(**options), data, [analysis]).fit(seed=1, strict=True)


def saved(**options: Any) -> ik.WeeksSaved:
    return ik.WeeksSaved(**{"name": "saved", "horizon": 8.0, **options})


def value(result: ik.EvaluationResult, term: str = "saved", column: str = "estimate") -> float:
    rows = result.tidy()
    return float(rows.loc[rows["term"] == term, column].iloc[0])


def reasons(result: ik.EvaluationResult) -> str:
    return " | ".join(result.notes()["reason"])


def test_the_definition_by_hand() -> None:
    """From 4 weeks seven episodes run on (to 5, 8, 11 and beyond 12), and so on; observed is a plain mean here."""
    result = fit(saved(), people(), episodes())
    from_4, from_6, from_8 = 1 + 6 / 7 * 3 + 5 / 7 * 3 + 4 / 7, 2 + 5 / 6 * 3 + 4 / 6 * 3, 3 + 4 / 5 * 3 + 3 / 5 * 2
    assert value(result, "expected") == pytest.approx((from_4 + from_6 + from_8) / 3)
    assert value(result, "observed") == pytest.approx((1 + 5 + 1 + 6 + 2 + 8) / 6)
    assert value(result) == pytest.approx(value(result, "expected") - value(result, "observed"))
    assert value(result, "saved", "p_value") < 1
    assert result.glance().loc[0, "evidence"] == "comparison with a norm"
    assert result.glance().loc[0, "n_control"] == 8
    assert "Volunteers" in reasons(result)


def test_money_carries_both_sources_of_variance() -> None:
    found = fit(saved(), people(), episodes()).parts["saved"]
    clients, norm = found.influence
    assert norm.table == "episodes"
    parts = [float((block.by_group([0]) ** 2).sum()) for block in (clients, norm)]
    assert sum(parts) == pytest.approx(found.working_se[0] ** 2)
    assert parts[1] / sum(parts) == pytest.approx(found.numbers["estimate"][3])
    # saved = expected - observed, and so are their joint errors
    joint = covariance(found, [0, 1, 2])
    assert np.array([1.0, -1.0, 1.0]) @ joint @ np.array([1.0, -1.0, 1.0]) == pytest.approx(0.0, abs=1e-12)
    # Welch and Satterthwaite: five clients' degrees of freedom, and at most three practices', which are unequal
    assert 2 < found.numbers["df"][0] < sum(parts) ** 2 / (parts[0] ** 2 / 5 + parts[1] ** 2 / 3)


def test_days_and_weeks_agree() -> None:
    weeks = fit(saved(), people(), episodes())
    days = fit(
        saved(horizon=56.0),
        people(entry=people()["entry"] * 7, absent=people()["absent"] * 7),
        episodes(weeks=episodes()["weeks"] * 7),
        time_unit="days",
    )
    assert value(days) == pytest.approx(7 * value(weeks))
    assert set(days.tidy()["unit"]) == {"days", "share"}


def test_a_horizon_beyond_the_norm_is_one_error_that_names_the_largest() -> None:
    open_ended = episodes(ended=[1] * 6 + [0, 0])
    with pytest.raises(AnalysisError) as caught:
        fit(saved(horizon=20.0), people(), open_ended)
    said = str(caught.value)
    assert "the longest they can tell is 8 weeks" in said  # the last client was watched for 8, and was not back
    assert "2 of 6 clients" not in said.split("the longest")[0]
    assert "no client was watched longer than 8 weeks" in said
    assert 'restrict="clients"' in said
    with pytest.raises(AnalysisError, match=r"longest they can tell is 18 weeks.*2 of 6 clients"):
        fit(saved(horizon=20.0), people(returned=[1.0] * 6), open_ended)
    fit(saved(horizon=18.0), people(returned=[1.0] * 6), open_ended)


def test_clients_the_norm_does_not_cover_can_be_left_out_and_are_counted() -> None:
    open_ended, everybody_back = episodes(ended=[1] * 6 + [0, 0]), people(returned=[1.0] * 6)
    result = fit(saved(horizon=20.0, restrict="clients"), everybody_back, open_ended)
    look = result.glance().iloc[0]
    assert (look["n_analysed"], look["n_not_eligible"]) == (4, 2)
    assert "2 of 6 clients were left out as asked" in reasons(result)


def test_clients_longer_absent_than_any_episode_are_named() -> None:
    with pytest.raises(AnalysisError, match=r"1 of them absent at assessment longer than any episode"):
        fit(saved(), people(entry=[4.0, 4, 6, 6, 8, 30], absent=[5.0, 9, 7, 12, 10, 40]), episodes())


def test_nothing_is_known_where_no_episode_is_watched() -> None:
    """A gap in the control episodes is not a time at which nobody returns."""
    controls = episodes(
        weeks=[2.0, 5, 6, 6, 14, 17, 20, 26], ended=[1, 1, 0, 0, 1, 1, 1, 1], late=[0.0] * 4 + [10.0] * 4
    )
    declared = ik.ControlEpisodes(duration="weeks", practice="practice", late_entry="late")
    with pytest.raises(AnalysisError, match="not known that far for 6 of 6 clients"):
        fit(saved(), people(), controls, controls=declared)


def test_a_cell_without_control_episodes_is_one_error_with_counts() -> None:
    clients, controls = people(diagnosis=["back"] * 4 + ["heart"] * 2), episodes(diagnosis=["back"] * 8)
    with pytest.raises(AnalysisError, match=r"none for diagnosis=heart \(2 clients\)"):
        fit(saved(), clients, controls, norm_by=("diagnosis",))
    with pytest.raises(AnalysisError, match=r"none for diagnosis=heart \(2 clients\)"):
        fit(ik.ObservedExpected(name="returns"), clients, controls, norm_by=("diagnosis",))


def test_everything_wrong_is_said_at_once() -> None:
    clients = people(w=[1.0, 1, -1, 1, 1, 1], sex=["m"] * 6)
    here = ik.Population(name="men", where=(("sex", "m"),))
    with pytest.raises(
        AnalysisError, match=r"2 problems with the data:(.|\n)*1 of 6 clients(.|\n)*1 of 6 clients of population"
    ):
        fit(saved(populations=("all", "men")), clients, episodes(), weights="w", populations=(here,))


def test_everyone_censored_is_allowed_and_said() -> None:
    result = fit(saved(horizon=4.0), people(absent=[9.0, 9, 10, 12, 13, 16], returned=[0.0] * 6), episodes())
    assert value(result, "observed") == 4.0
    assert "no client is known to have returned" in reasons(result)
    assert np.isnan(value(result, "observed", "std_error"))
    assert value(result, "saved", "std_error") > 0


def test_ties_only() -> None:
    result = fit(saved(horizon=3.0), people(entry=[4.0] * 6, absent=[6.0] * 6, returned=[1.0] * 6), episodes())
    assert value(result, "observed") == 2.0
    assert np.isnan(value(result, "observed", "std_error"))


def test_assessed_on_the_day_absence_ended() -> None:
    result = fit(saved(), people(absent=[4.0, 9, 7, 12, 8, 16], returned=[1.0, 1, 1, 1, 0, 0]), episodes())
    assert value(result, "observed") == pytest.approx((5 + 1 + 6 + 8) / 4)
    assert "1 of 5 clients were last seen on the day of assessment" in reasons(result)
    assert "1 of 6 clients returned on the day of assessment (`entry` equals `absent`) and were left out" in reasons(
        result
    )
    row = result.glance().iloc[0]
    assert (row["n_assigned"], row["n_analysed"], row["n_not_eligible"]) == (6, 5, 1)


def test_clients_who_are_the_control_episodes_themselves_save_nothing() -> None:
    """Assessed at 8 weeks, the norm's own episodes must fit it exactly, with the one that ended that very day."""
    norm = episodes()
    own = norm[norm["weeks"] >= 8.0]
    clients = people(entry=[8.0] * len(own), absent=own["weeks"].to_list(), returned=[1.0] * len(own))
    result = fit(saved(horizon=18.0), clients, norm)
    assert value(result) == pytest.approx(0.0, abs=1e-12)
    ratio = fit(ik.ObservedExpected(name="returns", until=3.0), clients, norm)
    assert value(ratio, "observed over expected") == pytest.approx(1.0)  # one of five at risk at 11 weeks


def test_a_norm_that_collapses_early_is_said_with_the_time() -> None:
    controls = episodes(weeks=[2.0, 5, 6, 7, 14, 17, 20, 26], late=[0.0] * 4 + [6.5] * 4)
    controls.loc[3, "weeks"] = 6.2
    declared = ik.ControlEpisodes(duration="weeks", practice="practice", late_entry="late")
    result = fit(saved(horizon=8.0), people(), controls, controls=declared)
    assert "collapses early: at 6.2 every episode still at risk ended" in reasons(result)
    assert "fewer than 10 control episodes" in reasons(result)


def test_without_practices_the_interval_is_said_to_be_too_narrow() -> None:
    declared = ik.ControlEpisodes(duration="weeks")
    result = fit(saved(), people(), episodes(), controls=declared)
    assert "too narrow if practices differ" in reasons(result)
    assert value(result, "saved", "std_error") > 0
    one = fit(saved(), people(), episodes(practice=["a"] * 8))
    assert "come from one practice" in reasons(one)
    assert value(one, "saved", "std_error") == pytest.approx(value(result, "saved", "std_error"))


def test_one_client_has_no_error() -> None:
    result = fit(saved(horizon=4.0), people().iloc[[3]], episodes())
    assert np.isnan(value(result, "saved", "std_error"))
    assert "one client alone" in reasons(result)
    assert "the variance of `saved` cannot be given" in reasons(result)


@pytest.mark.parametrize(("unknown", "times"), [("censored", None), ("returned", 3.0), ("absent", 8.0)])
def test_unknown_outcomes(unknown: str, times: float | None) -> None:
    clients = people(absent=[5.0, 9, 7, 9, 10, 16], returned=[1, 1, 1, None, 1, 0])
    result = fit(saved(unknown=unknown), clients, episodes())
    if times is None:  # watched to week 3 only: five left after 2, four of them in the risk set after that
        assert value(result, "observed") == pytest.approx(1 + 4 / 6 * 1 + 3 / 6 * 3 + 0.5 / 2 * 3)
    else:
        assert value(result, "observed") == pytest.approx((1 + 5 + 1 + times + 2 + 8) / 6)
    assert "1 of 6 clients have no known outcome" in reasons(result)
    assert result.glance().loc[0, "n_missing_outcome"] == 1


def test_weighting_up_known_outcomes_is_a_mean_within_groups() -> None:
    """With one column of two groups and one entry time the weights are the groups' inverse shares of known."""
    clients = people(
        entry=[4.0] * 6, absent=[5.0, 7, 9, 6, 8, 10], returned=[1, 1, 1, 1, 1, None], group=list("aaabbb")
    )
    result = fit(saved(unknown="ipcw", known_by=("group",)), clients, episodes())
    assert value(result, "observed") == pytest.approx(((1 + 3 + 5) + 3 / 2 * (2 + 4)) / 6, rel=1e-6)
    whole = fit(saved(), people(entry=[4.0] * 6), episodes())
    assert value(result, "expected") == pytest.approx(value(whole, "expected"))


def test_unknown_outcomes_like_nobody_known_are_said() -> None:
    clients = people(
        entry=[4.0] * 6, absent=[5.0, 7, 9, 14, 8, 10], returned=[1, 1, 1, 0, None, None], group=list("aaaabb")
    )
    result = fit(saved(unknown="ipcw", known_by=("group",)), clients, episodes())
    assert "2 of 2 clients with no known outcome have hardly anybody like them" in reasons(result)
    assert "at most 1.0" in reasons(result)


def test_clusters_of_clients_by_hand() -> None:
    clients = people(adviser=list("aabbcc"))
    alone = fit(saved(), clients, episodes()).parts["saved"]
    found = fit(saved(), clients, episodes(), clusters="adviser").parts["saved"]
    each = alone.influence[0].by_group([0])[0] / np.sqrt(6 / 5)
    sums = each.reshape(3, 2).sum(axis=1)
    theirs = (found.influence[1].by_group([0]) ** 2).sum()
    assert found.working_se[0] ** 2 == pytest.approx(3 / 2 * (sums**2).sum() + theirs)


def test_a_return_between_two_contacts() -> None:
    clients = people(seen=[4.0, 7, 6, 8, 8, 10])
    times = {"earliest": (0, 3, 0, 2, 0, 8), "middle": (0.5, 4, 0.5, 4, 1, 8), "latest": (1, 5, 1, 6, 2, 8)}
    for date, expected in times.items():
        result = fit(saved(still_absent_at="seen", return_date=date), clients, episodes())
        assert value(result, "observed") == pytest.approx(np.mean(expected))
    wrong = clients.assign(seen=[6.0, 7, 6, 8, 8, 10])
    with pytest.raises(AnalysisError, match="does not for 1 of 5 clients who returned"):
        fit(saved(still_absent_at="seen", return_date="middle"), wrong, episodes())


def test_empty_cells_of_the_table_are_counted() -> None:
    absent, returned = [5.0, 9, 7, np.nan, 10, 16], [1, 1, 1, None, 1, 0]
    clients = people(entry=[np.nan, 4, 6, 6, 8, 8], absent=absent, returned=returned)
    result = fit(saved(), clients, episodes())
    assert "1 of 6 clients have `entry` empty and were left out" in reasons(result)
    assert "1 of 5 clients have `absent` empty" in reasons(result)
    assert result.glance().loc[0, "n_analysed"] == 5


def test_rows_by_cell() -> None:
    clients = pd.concat([people(area=list("nnnsss"))] * 4, ignore_index=True).assign(id=range(24))
    controls = episodes(area=list("nsnsnsns"), practice=list("asasbtbt"))
    result = fit(saved(by_cell=True, horizon=6.0), clients, controls, norm_by=("area",))
    terms = [term for term in result.tidy()["term"] if term.startswith("saved in")]
    assert terms == ["saved in area=n", "saved in area=s"]
    mean = np.mean([value(result, "saved in area=n"), value(result, "saved in area=s")])
    assert mean == pytest.approx(value(result))  # nobody was lost before the horizon, so that halves average
    assert result.cells().set_index("term").loc["saved in area=n", "min_cell"] == 12
    few = fit(saved(by_cell=True, horizon=6.0), clients[clients["id"] > 8], controls, norm_by=("area",))
    assert np.isnan(value(few, "saved in area=n"))
    assert "fewer than 10 clients" in reasons(few)


def test_curves_start_at_one_and_lie_within_their_limits() -> None:
    curve = fit(saved(), people(), episodes()).curve()
    assert set(curve["measure"]) == {"survival", "norm_survival"}
    for _, part in curve.groupby("measure"):
        assert part["estimate"].iloc[0] == pytest.approx(1.0)
        assert part["time"].max() == 8.0
        assert (part["estimate"].diff().dropna() <= 1e-12).all()
        inside = part.dropna(subset=["conf_low"])
        assert (inside["conf_low"] <= inside["estimate"]).all()
        assert (inside["estimate"] <= inside["conf_high"]).all()


def test_contradictions_are_refused_where_they_are_written() -> None:
    with pytest.raises(SpecError, match="known_by"):
        saved(known_by=("sex",))
    with pytest.raises(SpecError, match="still_absent_at"):
        saved(return_date="middle")
    with pytest.raises(SpecError, match="horizon"):
        saved(horizon=0.0)
    with pytest.raises(RefusalError, match="give the design its `controls`"):
        ik.Evaluation(norm_design(controls=None), people(), [saved()])


# --- observed over expected -------------------------------------------------------------------------------------


def test_the_ratio_by_hand() -> None:
    result = fit(ik.ObservedExpected(name="returns"), people(), episodes())
    due = 1 / 7 + (1 / 7 + 1 / 6) + 0 + (1 / 6 + 1 / 5) + 0 + (1 / 5 + 1 / 4)
    assert value(result, "expected") == pytest.approx(due)
    assert value(result, "observed over expected") == pytest.approx(5 / due)
    early = fit(ik.ObservedExpected(name="returns", until=2.0), people(), episodes())
    assert value(early, "observed") == 3.0


def test_no_return_gives_no_ratio_but_both_counts() -> None:
    result = fit(ik.ObservedExpected(name="returns"), people(returned=[0.0] * 6), episodes())
    assert np.isnan(value(result, "observed over expected"))
    assert "no client returned while watched" in reasons(result)
    assert value(result, "observed") == 0.0


def test_watched_longer_than_any_episode_is_an_error() -> None:
    with pytest.raises(AnalysisError, match=r"1 of 6 clients in everyone: stop counting earlier with `until=18`"):
        fit(ik.ObservedExpected(name="returns"), people(absent=[5.0, 9, 7, 12, 10, 40]), episodes())
    fit(ik.ObservedExpected(name="returns", until=18.0), people(absent=[5.0, 9, 7, 12, 10, 40]), episodes())


def test_counting_can_stop_where_the_norm_ends() -> None:
    clients = people(absent=[5.0, 9, 7, 12, 10, 40], returned=[1.0] * 6)
    result = fit(ik.ObservedExpected(name="returns", restrict="follow_up"), clients, episodes())
    shorter = people(absent=[5.0, 9, 7, 12, 10, 26], returned=[1.0, 1, 1, 1, 1, 0])
    assert value(result, "observed over expected") == pytest.approx(
        value(fit(ik.ObservedExpected(name="returns"), shorter, episodes()), "observed over expected")
    )
    assert "1 of 6 clients were counted, as asked, only to" in reasons(result)
    assert "(1 of them returned after it)" in reasons(result)


# --- the grid ---------------------------------------------------------------------------------------------------


def test_each_row_of_the_grid_is_the_analysis_with_one_rule_changed() -> None:
    clients = people(returned=[1, 1, None, 1, 1, 0], seen=[4.0, 7, 6, 8, 8, 10])
    base = saved(still_absent_at="seen")
    grid = fit(ik.WeeksSavedGrid(name="grid", base=base, horizons=(4.0, 20.0)), clients, episodes())
    assert value(grid, "as declared") == value(fit(base, clients, episodes()))
    for rule in ("returned", "absent", "ipcw"):
        assert value(grid, f"unknown outcomes: {rule}") == value(fit(base.replace(unknown=rule), clients, episodes()))
    for date in ("earliest", "middle"):
        assert value(grid, f"return date: {date}") == value(fit(base.replace(return_date=date), clients, episodes()))
    assert value(grid, "horizon: 4 weeks") == value(fit(base.replace(horizon=4.0), clients, episodes()))
    shifted = ik.ControlEpisodes(duration="weeks", practice="practice", offset_days=7)
    assert value(grid, "first week: 7 days") == value(fit(base, clients, episodes(), controls=shifted))
    for lacking in ("gap", "may be fit", "horizon: 20 weeks"):
        assert np.isnan(value(grid, lacking))
    assert "the controls are episodes already" in reasons(grid)
    assert "the longest they can tell is 8 weeks" in reasons(grid)
    assert set(grid.glance()["kind"]) == {"weeks_saved_grid"}


def test_rows_of_the_grid_are_joined_by_their_clients() -> None:
    found = fit(ik.WeeksSavedGrid(name="grid", base=saved(), horizons=(4.0,)), people(), episodes()).parts["grid"]
    places = [found.find(term=term) for term in ("as declared", "horizon: 4 weeks")]
    joint = covariance(found, places)
    assert 0.5 < joint[0, 1] / np.sqrt(joint[0, 0] * joint[1, 1]) < 1


def test_a_rule_named_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="more than once"):
        ik.WeeksSavedGrid(name="grid", base=saved(), offset_days=(0, 0))


def test_the_rules_of_fit_notes_are_those_of_a_design_that_declares_them() -> None:
    """Gap, may be fit and the first week, each against a plan that declares the other rule."""
    from impactkit.data import synthetic_fit_notes, synthetic_norm_design, synthetic_pilot_clients

    area = "Greater Manchester"
    data = {"people": synthetic_pilot_clients(0.8, seed=2, area=area), "fit_notes": synthetic_fit_notes(area, seed=2)}
    declared = synthetic_norm_design().replace(populations=())
    assert declared.controls is not None
    base = saved(restrict="clients")
    grid = ik.WeeksSavedGrid(name="grid", base=base, gap_days=(0, 28), may_be_fit=("ignored",), horizons=(4.0,))
    result = ik.Evaluation(declared, data, [grid]).fit(seed=1, strict=True)
    rules = declared.controls.rules  # type: ignore[union-attr]
    others = {
        "gap: 0 days": {"rules": rules.replace(gap_days=0)},
        "gap: 28 days": {"rules": rules.replace(gap_days=28)},
        "may be fit: ignored": {"rules": rules.replace(may_be_fit="ignored")},
        "first week: 7 days": {"offset_days": 7},
    }
    seen = {value(result, "as declared")}
    for term, change in others.items():
        design = declared.replace(controls=declared.controls.replace(**change))
        alone = ik.Evaluation(design, data, [base]).fit(seed=1, strict=True)
        assert value(result, term) == value(alone)
        assert value(result, term, "std_error") == value(alone, "saved", "std_error")
        seen.add(value(alone))
    assert len(seen) == 5
    tables = {block.table for block in result.parts["grid"].influence}
    assert {"fit_notes", "fit_notes (gap: 0 days)"} <= tables
