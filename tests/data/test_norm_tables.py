"""Norms from episodes, from printed medians and from bands; and which pairs of norms cannot both be right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from impactkit.data import NormTable, check_norms, norms_from_bands, norms_from_episodes, norms_from_table
from impactkit.data.columns import Factor
from impactkit.errors import DataError, SpecError

BY = {"area": "area", "diagnosis": "health_problem"}
PAIRS = (("ffws.c5", "ffws.c6"), ("ffws.c12", "ffws.c13"), ("ffws.c19", "ffws.c20"))


def episodes(n: int = 600, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    practice = rng.integers(0, 9, n)
    days = np.ceil(np.exp(3.2 + 0.2 * (practice % 3) + rng.normal(0, 1, n)))
    late = np.where(rng.random(n) < 0.1, rng.integers(1, 40, n), 0)
    watched = late + rng.integers(20, 300, n)
    frame = pd.DataFrame(
        {
            "area": np.where(practice < 4, "north", "south"),
            "cause": rng.choice(["back", "stress", "anxiety", "rare"], n, p=[0.4, 0.3, 0.25, 0.05]),
            "practice": practice,
            "late": late,
            "duration": np.minimum(days, watched),
            "ended": (days <= watched).astype(int),
        }
    )
    return frame[days > late].reset_index(drop=True)


def made(frame: pd.DataFrame, reading: Any = "complete", **options: Any) -> NormTable:
    base: dict[str, Any] = {"by": ("area", "cause"), "time_unit": "days", "late_entry": "late", "practice": "practice"}
    return norms_from_episodes(frame, reading=reading, **(base | options))


def test_readings_of_fully_seen_episodes_are_ordinary_medians() -> None:
    frame = episodes().assign(ended=1, late=0)
    for (area, cause), part in frame.groupby(["area", "cause"]):
        label = f"area={area}, cause={cause}"
        long = part["duration"][part["duration"] > 28]
        assert made(frame).norm_for(label) == part["duration"].median()
        assert made(frame, "adjusted_total").norm_for(label, "adjusted_total") == long.median()
        assert made(frame, "adjusted_residual").norm_for(label, "adjusted_residual") == long.median() - 28
        left = part["duration"][part["duration"] > 10] - 10
        table = made(frame, "conditional", elapsed=10.0, horizon=50.0)
        assert table.norm_for(label, "conditional") == left.median()
        mean = table.norm_for(label, "conditional", "restricted_mean")
        np.testing.assert_allclose(mean, np.minimum(left, 50).mean())
    whole = made(frame).norm_for("area=north")
    assert whole == frame["duration"][frame["area"] == "north"].median()


def test_ignoring_censoring_gives_the_simple_medians_and_says_so() -> None:
    frame = episodes()
    table = made(frame, ignore_censoring=True)
    for (area, cause), part in frame.groupby(["area", "cause"]):
        assert table.norm_for(f"area={area}, cause={cause}") == part["duration"].median()
    assert "count as ended" in table.notes[0]
    assert "their median would be" in made(frame).find("area=north").notes[0]


def test_conditional_for_each_client() -> None:
    frame = episodes().assign(ended=1, late=0)
    table = made(frame, horizon=60.0)
    label = "area=south, cause=back"
    lengths = frame.loc[(frame["area"] == "south") & (frame["cause"] == "back"), "duration"]
    elapsed = np.array([0.0, 5.0, 33.0, 5.0, 10_000.0, np.nan])
    medians, means = table.conditional(label, elapsed)
    for row in range(4):
        left = lengths[lengths > elapsed[row]] - elapsed[row]
        np.testing.assert_allclose([medians[row], means[row]], [left.median(), np.minimum(left, 60).mean()])
    assert np.isnan(medians[4:]).all()
    assert np.isnan(means[4:]).all()


def test_aligned_with_clients() -> None:
    table = made(episodes())
    cells = Factor(np.array([1, 0, -1, 2], dtype=np.int32), ("area=north, cause=back", "area=south, cause=back", "new"))
    found = table.aligned(cells)
    assert found[0] == table.norm_for("area=south, cause=back")
    assert found[1] == table.norm_for("area=north, cause=back")
    assert np.isnan(found[2:]).all()


def test_weeks_and_days_agree_in_spite_of_rounding() -> None:
    frame = episodes()
    weeks = frame.assign(duration=frame["duration"] / 7, late=frame["late"] / 7)
    for reading in ("complete", "adjusted_total", "adjusted_residual"):
        ours = made(frame, reading, horizon=90.0, shrink_below=60).frame()
        theirs = made(weeks, reading, horizon=90.0 / 7, shrink_below=60, time_unit="weeks").frame()
        for column in ("estimate", "std_error", "conf_low", "conf_high"):
            np.testing.assert_allclose(ours[column], theirs[column] * 7, rtol=1e-7, err_msg=column)
        np.testing.assert_array_equal(ours["n"], theirs["n"])


def test_four_weeks_to_the_day_is_not_longer_than_four_weeks() -> None:
    frame = pd.DataFrame({"cause": "back", "duration": np.array([28, 29, 35, 42]) / 7 + 1e-12, "ended": 1})
    table = norms_from_episodes(frame, by="cause", reading="adjusted_total", shrink_below=0)
    assert table.find("cause=back", "adjusted_total").n == 3


def test_more_open_episodes_never_give_a_shorter_norm() -> None:
    frame = episodes()
    before = made(frame, by=())
    after = made(frame.assign(ended=frame["ended"].where(frame.index % 7 != 0, 0)), by=())
    assert after.norm_for("everyone") >= before.norm_for("everyone")


def test_bootstrap_is_seeded_and_by_area() -> None:
    frame = episodes()

    def draws() -> np.random.Generator:
        return np.random.default_rng(4)

    first = made(frame, interval="bootstrap", draws=draws, horizon=60.0).frame()
    again = made(frame.sample(frac=1, random_state=1), interval="bootstrap", draws=draws, horizon=60.0).frame()
    pd.testing.assert_frame_equal(first, again)
    wide = made(frame, horizon=60.0).frame()
    means = first["statistic"] == "restricted_mean"
    narrower = (first["conf_high"] - first["conf_low"])[means] < (wide["conf_high"] - wide["conf_low"])[means]
    assert narrower.mean() > 0.8  # four or five practices: percentiles are too narrow


def test_one_practice_has_no_interval_and_no_practice_has_one_of_episodes() -> None:
    one = made(episodes().assign(practice=1, area="north"))
    median = one.find("area=north, cause=back").statistic("median")
    assert median is not None
    assert np.isfinite(median.estimate)
    assert np.isnan(median.std_error)
    assert "one practice" in median.notes[0][1]
    none = made(episodes(), practice=None).find("area=north, cause=back").statistic("median")
    assert none is not None
    assert none.std_error > 0


def test_a_median_not_reached_and_a_mean_beyond_the_curve_are_said() -> None:
    frame = pd.DataFrame({"cause": "back", "duration": [3.0, 9, 9, 9] * 3, "ended": [1, 0, 0, 0] * 3})
    norm = norms_from_episodes(frame, by="cause", reading="complete", horizon=12.0).find("cause=back")
    median, mean = norm.statistic("median"), norm.statistic("restricted_mean")
    assert median is not None
    assert mean is not None
    assert np.isnan(median.estimate)
    assert "fewer than 50% of episodes had ended by 9" in median.notes[0][1]
    assert np.isnan(mean.estimate)
    assert "a horizon of 9 or less" in mean.notes[0][1]


def test_a_risk_set_that_collapses_early_gives_no_number() -> None:
    frame = pd.DataFrame(
        {"cause": "back", "duration": [2.0, *range(30, 50)], "late": [0.0, *[20.0] * 20], "ended": 1, "practice": 1}
    )
    table = norms_from_episodes(frame, by="cause", reading="complete", horizon=10.0, late_entry="late", shrink_below=0)
    norm = table.find("cause=back")
    for number in norm.statistics:
        assert np.isnan(number.estimate)
        assert "only observed later last longer" in number.notes[0][1]
    assert np.isnan(table.conditional("cause=back", np.array([0.0, 1.0]))).all()
    late = norms_from_episodes(
        frame, by="cause", reading="conditional", elapsed=20.0, horizon=10.0, late_entry="late", shrink_below=0
    )
    assert late.norm_for("cause=back", "conditional") == 19.5


def test_nothing_is_said_that_tells_of_one_of_a_handful() -> None:
    frame = pd.DataFrame({"cause": "back", "duration": [3.0, 9, 9.25, 9], "ended": [1, 0, 0, 0]})
    notes = " ".join(norms_from_episodes(frame, by="cause", reading="complete", horizon=12.0).frame()["note"])
    assert "9.25" not in notes
    assert "still open" not in notes


def test_shrinking_moves_small_cells_towards_the_others_and_says_how_far() -> None:
    table = made(episodes(2000), shrink_below=80)
    norm = table.find("area=north, cause=rare")
    shrunk, median = norm.statistic("shrunken_median"), norm.statistic("median")
    assert shrunk is not None
    assert median is not None
    assert 0 <= shrunk.share <= 1
    assert f"keeps {shrunk.share:.0%} of the cell's own" in shrunk.notes[0][1]
    assert table.find("area=north, cause=back").statistic("shrunken_median") is None


def test_options_that_contradict_each_other_are_listed_together() -> None:
    with pytest.raises(SpecError) as caught:
        made(episodes(), "conditional", horizon=-1.0, interval="bootstrap", replications=5, shares=(1.0,))
    assert len(caught.value.faults) == 5


def test_bad_episodes_are_one_error() -> None:
    with pytest.raises(DataError, match="1 \\(ended\\) and 0"):
        made(episodes().assign(ended=2))
    with pytest.raises(DataError) as caught:
        norms_from_episodes(episodes().drop(columns="ended"), by=("aera",), reading="complete")
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="more than 0"):
        made(episodes().assign(duration=0))
    with pytest.raises(SpecError, match='Did you mean "area=north, cause=back"'):
        made(episodes()).norm_for("area=north, cause=bak")


def test_printed_medians() -> None:
    table = norms_from_table("ffws.c1", by={"area": "area", "diagnosis": "diagnosis"}, reading="complete")
    assert table.norm_for("area=Greater Manchester, diagnosis=Depression") == 8.6
    assert table.norm_for("area=Greater Manchester") == 4.0
    assert table.find("area=Greater Manchester").n == 2181
    assert table.frame()["conf_low"].isna().all()
    lost = norms_from_table("ffws.c8", by={"area": "area", "diagnosis": "diagnosis"}, reading="complete")
    assert "print no median" in lost.notes[0]
    assert "lost at a page break" in lost.notes[1]


@pytest.mark.parametrize(("complete", "adjusted"), PAIRS)
def test_two_printed_pairs_are_impossible_as_totals_and_none_as_residuals(complete: str, adjusted: str) -> None:
    first = norms_from_table(complete, by=BY, reading="complete")
    second = norms_from_table(adjusted, by=BY, reading="adjusted_total")
    as_totals = check_norms(first, second, "adjusted_total")
    assert len(as_totals) == 7
    wrong = as_totals.loc[~as_totals["possible"], "cell"].tolist()
    assert (
        wrong
        == {
            "ffws.c5": ["area=Greater Manchester, diagnosis=Depression"],
            "ffws.c12": ["area=North Staffordshire, diagnosis=Anxiety"],
            "ffws.c19": [],
        }[complete]
    )
    assert check_norms(first, second, "adjusted_residual")["possible"].all()


def test_norms_of_real_episodes_are_always_possible() -> None:
    for seed in range(8):
        frame = episodes(seed=seed).assign(ended=1, late=0)
        complete = made(frame)
        assert check_norms(complete, made(frame, "adjusted_total"), "adjusted_total", rounding=0.0)["possible"].all()
        residual = made(frame, "adjusted_residual")
        assert check_norms(complete, residual, "adjusted_residual", rounding=0.0)["possible"].all()


def test_a_total_outside_its_cells_and_a_median_beyond_the_quartile_are_impossible() -> None:
    def printed(values: dict[str, float], reading: Any) -> NormTable:
        frame = pd.DataFrame({"cause": list(values), "median": list(values.values())})
        return norms_from_table(frame, by=("cause",), reading=reading)

    found = check_norms(
        printed({"a": 5.0, "b": 6.0, "Total": 9.0}, "complete"),
        printed({"a": 9.0, "b": 9.5, "Total": 9.2}, "adjusted_total"),
        "adjusted_total",
    )
    assert found["possible"].tolist() == [True, True, False]
    assert "outside the 5 to 6 of its cells" in found["reason"].iloc[2]
    with pytest.raises(SpecError, match="share no cell"):
        check_norms(printed({"a": 1.0}, "complete"), printed({"z": 5.0}, "adjusted_total"), "adjusted_total")


def test_bands() -> None:
    frame = pd.DataFrame(
        {
            "cause": ["back"] * 4 + ["rare"] * 4,
            "low": [0, 4, 8, 16] * 2,
            "high": [4, 8, 16, None] * 2,
            "count": [50, 25, 15, 10, 1, 1, 1, 7],
        }
    )
    table = norms_from_bands(frame, by=("cause",), reading="complete", horizon=16.0)
    assert table.norm_for("cause=back") == 4.0
    rare = table.find("cause=rare").statistic("median")
    assert rare is not None
    assert np.isnan(rare.estimate)
    assert "open band" in rare.notes[0][1]
    later = norms_from_bands(frame, by=("cause",), reading="adjusted_residual")
    assert later.norm_for("cause=back", "adjusted_residual") == 4.0
    low, middle, high = (
        table.norm_for("cause=back", "complete", name)
        for name in ("restricted_mean_lowest", "restricted_mean", "restricted_mean_highest")
    )
    assert low < middle < high
    with pytest.raises(DataError) as caught:
        norms_from_bands(frame.assign(low=[0, 5, 8, 16, 0, 4, 8, 16]), by=("cause",), reading="complete")
    assert "begin where the one before ends" in caught.value.problems[0]
    with pytest.raises(DataError, match="should be an edge"):
        norms_from_bands(frame, by=("cause",), reading="conditional", elapsed=5.0)
