"""Synthetic fit notes and clients: reproducible, with the printed counts, and clients that follow the controls' law."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import impactkit as ik
from impactkit.data import (
    SYNTHETIC_NOTES_TITLE,
    clients,
    control_episodes,
    fit_note_facts,
    fit_note_facts_frame,
    synthetic_control_episodes,
    synthetic_fit_notes,
    synthetic_norm_design,
    synthetic_pilot_clients,
    synthetic_truth,
)
from impactkit.data.absence_model import LONGEST, draw_days, group_pmf, pmf
from impactkit.data.note_writing import write_notes
from impactkit.data.pilot_model import ENTRY_BANDS, entry_chances, expected_outcomes
from impactkit.data.synthetic_fit_notes import WINDOW
from impactkit.data.synthetic_note_facts import (
    AREAS,
    CLIENT_GROUPS,
    cells,
    client_group,
    control_targets,
    fit_note_fact,
    pilot,
)
from impactkit.errors import DataError, SpecError
from impactkit.published import load

DOCS = Path(__file__).parents[2] / "docs"
ERRORS = 4.0


@pytest.fixture(scope="module")
def notes() -> pd.DataFrame:
    return synthetic_fit_notes("all", seed=1)


@pytest.fixture(scope="module")
def episodes() -> pd.DataFrame:
    return synthetic_control_episodes("all", seed=1)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return synthetic_pilot_clients(seed=1)


# ---- facts -----------------------------------------------------------------------------------------------------------
def test_every_constant_has_a_status_and_a_source() -> None:
    frame = fit_note_facts_frame()
    assert set(frame["status"]) == {"published", "derived", "assumption"}
    assert frame["source"].str.len().min() > 10
    assert len(frame) == len(fit_note_facts()) == len(frame.drop_duplicates(["name", "area"]))
    with pytest.raises(SpecError, match="no constant"):
        fit_note_fact("shoe size")


def test_lost_rows_are_what_is_left_of_the_total() -> None:
    rows = control_targets("North Staffordshire")
    derived = [row for row in rows if row[3] == "derived"]
    assert len(rows) == 26
    assert len(derived) == 8
    assert sum(row[1] for row in rows) == 2865
    printed = {row[0]: row[2] for area in ("Greater Manchester", "Leicester") for row in control_targets(area)}
    assert all(name in printed for name, *_ in derived)
    for name, n, median, _ in derived:
        others = [r[2] for a in ("Greater Manchester", "Leicester") for r in control_targets(a) if r[0] == name]
        assert n > 0
        assert min(others) <= median + 0.05
        assert median - 0.05 <= max(others)


def test_every_category_has_words_and_fitted_constants() -> None:
    for area in AREAS:
        for cell in cells(area):
            assert 0.5 < cell.median / cell.observed_median < 1.6
            assert 360 < cell.exposure < 364 + LONGEST
            assert client_group(cell.diagnosis) in CLIENT_GROUPS


# ---- the shared law of absence ---------------------------------------------------------------------------------------
def test_draws_follow_the_stated_probabilities() -> None:
    rng = np.random.default_rng(1)
    effect = np.exp(fit_note_fact("between practices") * rng.standard_normal(400_000))
    share = np.bincount(draw_days(4.8 * effect, rng), minlength=LONGEST + 1) / effect.size
    chances = pmf(4.8)
    assert chances.sum() == pytest.approx(1.0, abs=1e-12)
    assert chances.min() >= 0
    assert chances[0] < 1e-100
    error = np.sqrt(np.maximum(chances * (1 - chances), 1e-9) / effect.size)
    assert np.max(np.abs(share - chances) / (error + 1e-6)) < 5.0


@pytest.mark.parametrize("area", AREAS)
def test_absences_behind_the_notes_follow_the_norm_that_clients_are_drawn_from(area: str) -> None:
    """Observed and expected endings, with delayed entry, over many practices so that their effects average out."""
    found = synthetic_control_episodes(area, seed=3, scale=3, practices=500)
    for group, own in found.groupby("client_group"):
        observed, expected, variance = _observed_expected(
            group_pmf(area, str(group)), own["running_days"], own["duration_days"], own["ended"]
        )
        assert abs(observed - expected) < ERRORS * np.sqrt(variance), (area, group)


def _observed_expected(
    chances: np.ndarray, start: pd.Series, stop: pd.Series, ended: pd.Series
) -> tuple[float, float, float]:
    alive = 1 - np.concatenate([[0.0], np.cumsum(chances)[:-1]])
    hazard = np.divide(chances, alive, out=np.zeros_like(chances), where=alive > 1e-12)
    total, spread = np.cumsum(hazard), np.cumsum(hazard * (1 - hazard))
    a, b = start.to_numpy(dtype=int), stop.to_numpy(dtype=int)
    return float(ended.sum()), float((total[b] - total[a]).sum()), float((spread[b] - spread[a]).sum())


# ---- notes -----------------------------------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_notes_and_episodes() -> None:
    for make in (synthetic_fit_notes, synthetic_control_episodes):
        one = make("Greater Manchester", seed=1)
        pd.testing.assert_frame_equal(one, make("Greater Manchester", seed=1), check_exact=True)
        assert not one.equals(make("Greater Manchester", seed=2))
        assert one.attrs["title"] == SYNTHETIC_NOTES_TITLE
        assert one["synthetic"].all()
        for seed in (-1, 1.5, True, "1"):
            with pytest.raises(SpecError, match="seed"):
                make("Greater Manchester", seed)  # type: ignore[arg-type]
        with pytest.raises(SpecError, match=r"no area.*Leicester"):
            make("Leicestershire", 1)
        with pytest.raises(SpecError, match="scale"):
            make("Leicester", 1, scale=0)
        with pytest.raises(SpecError, match="practices"):
            make("Leicester", 1, practices=0)


def test_one_area_is_the_same_alone_and_among_all(notes: pd.DataFrame) -> None:
    alone = synthetic_fit_notes("Leicester", seed=1)
    among = notes[notes["area"] == "Leicester"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among, check_exact=True)


def test_counts_are_the_printed_ones(episodes: pd.DataFrame) -> None:
    pads = synthetic_fit_notes("all", seed=1, earlier=False)
    seen = episodes[episodes["note_in_window"]]
    for area in AREAS:
        assert pads.loc[pads["area"] == area, "practice"].nunique() == fit_note_fact("control practices", area)
        assert pads.loc[pads["area"] == area, "patient"].nunique() == fit_note_fact("patients", area)
        count = seen.loc[seen["area"] == area, "diagnosis"].value_counts()
        assert {name: count[name] for name, *_ in control_targets(area)} == {
            name: n for name, n, *_ in control_targets(area)
        }
        assert (pads["area"] == area).sum() == pytest.approx(fit_note_fact("fit notes", area), rel=0.06)


def test_notes_on_the_pads_are_those_of_the_record_issued_in_the_window(notes: pd.DataFrame) -> None:
    pads = synthetic_fit_notes("all", seed=1, earlier=False)
    first, last = (pd.Timestamp(day) for day in WINDOW)
    assert pads["issued"].between(first, last).all()
    assert notes["issued"].max() <= last
    assert (notes["issued"] < first).any()
    assert len(notes) > len(pads)
    key = ["patient", "starts", "ends"]
    assert len(pads[key].drop_duplicates().merge(notes[key].drop_duplicates())) == len(pads[key].drop_duplicates())


def test_notes_look_like_notes(notes: pd.DataFrame) -> None:
    days = (notes["ends"] - notes["starts"]).dt.days + 1
    assert days.min() >= 1
    assert days.max() <= 84
    assert 0.6 < (days % 7 == 0).mean() < 0.9
    assert (notes["assessed"] <= notes["issued"]).all()
    assert (notes["starts"] <= notes["issued"]).all()
    assert 0.1 < (notes["issued"] > notes["starts"]).mean() < 0.3
    assert set(notes["status"]) == {"not fit", "may be fit"}
    assert 0.03 < (notes["status"] == "may be fit").mean() < 0.12
    flags = ["phased_return", "altered_hours", "amended_duties", "workplace_adaptations"]
    assert not notes.loc[notes["status"] == "not fit", flags].any(axis=None)
    assert notes["birth_year"].between(1946, 1995).all()
    same = notes.duplicated(["patient", "starts", "ends"], keep=False)
    assert same.any()
    assert notes["note_id"].duplicated().any()


def test_patients_have_one_sex_one_birth_year_and_one_practice(notes: pd.DataFrame) -> None:
    fixed = ["sex", "birth_year", "practice", "area", "employed"]
    assert (notes.groupby("patient")[fixed].nunique() == 1).all(axis=None)
    rare = notes.loc[notes["sex"] == "man", "diagnosis"].str.contains("regnancy").mean()
    assert rare < 0.01  # only where a note's diagnosis differs from its episode's


def test_absences_of_one_patient_are_apart(episodes: pd.DataFrame) -> None:
    own = episodes.sort_values(["patient", "starts"])
    before = own.groupby("patient")[["starts", "true_days"]].shift()
    gap = (own["starts"] - before["starts"]).dt.days - before["true_days"]
    seen = sum(cell.episodes for area in AREAS for cell in cells(area))
    assert gap.notna().sum() == seen - sum(fit_note_fact("patients", area) for area in AREAS)
    assert gap.min() >= fit_note_fact("days between absences")


def test_episodes_are_cut_by_the_window(episodes: pd.DataFrame) -> None:
    assert (episodes["running_days"] < episodes["duration_days"]).all()
    assert (episodes["duration_days"] <= episodes["true_days"]).all()
    over = episodes["ended"] == 1
    assert (episodes.loc[over, "duration_days"] == episodes.loc[over, "true_days"]).all()
    end = episodes["starts"] + pd.to_timedelta(episodes["duration_days"] - 1, unit="D")
    assert (end[~over] == pd.Timestamp(WINDOW[1])).all()
    assert (episodes["running_days"] > 0).mean() > 0.05
    assert (~over).mean() > 0.05


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, LONGEST), min_size=1, max_size=60), st.floats(0.02, 0.98), st.integers(0, 10**6))
def test_notes_cover_their_absence_and_nothing_else(days: list[int], long_notes: float, seed: int) -> None:
    length = np.array(days, dtype=np.int64)
    start = np.arange(length.size, dtype=np.int64) * 10
    notes = write_notes(start, length, long_notes, np.random.default_rng(seed))
    frame = pd.DataFrame({"absence": notes.absence, "first": notes.starts, "end": notes.ends, "last": notes.last})
    by = frame.groupby("absence")
    np.testing.assert_array_equal(by["first"].min().to_numpy(), start)
    np.testing.assert_array_equal(by["end"].max().to_numpy(), start + length - 1)
    assert (by["last"].sum() == 1).all()
    assert (frame["end"] >= frame["first"]).all()
    assert (notes.issued <= notes.ends).all()
    gap = (frame["first"] - by["end"].shift()).dropna() - 1
    assert gap.between(-5, 4).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(AREAS), st.sampled_from([0.05, 0.3]), st.sampled_from([None, 1, 20]))
def test_any_seed_makes_a_sound_set(seed: int, area: str, scale: float, practices: int | None) -> None:
    notes = synthetic_fit_notes(area, seed, scale=scale, practices=practices)
    episodes = synthetic_control_episodes(area, seed, scale=scale, practices=practices)
    assert set(notes["patient"]) <= set(episodes["patient"])
    assert (notes["ends"] >= notes["starts"]).all()
    assert not notes[["patient", "note_id", "issued", "starts", "ends", "sex"]].isna().any(axis=None)
    own = episodes.sort_values(["patient", "starts"])
    before = own.groupby("patient")[["starts", "true_days"]].shift()
    gap = ((own["starts"] - before["starts"]).dt.days - before["true_days"]).dropna()
    assert (gap >= fit_note_fact("days between absences")).all()


# ---- clients ---------------------------------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_clients(people: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(people, synthetic_pilot_clients(seed=1), check_exact=True)
    assert not people.equals(synthetic_pilot_clients(seed=2))
    assert people.attrs["title"] == SYNTHETIC_NOTES_TITLE
    assert people["client_id"].is_unique
    for wrong in ({"effect": 0}, {"effect": True}, {"seed": -1}, {"unknown": 1.0}, {"area": "York"}, {"scale": -1}):
        with pytest.raises(SpecError):
            synthetic_pilot_clients(**wrong)  # type: ignore[arg-type]


def test_margins_are_the_printed_ones() -> None:
    everybody = synthetic_pilot_clients(seed=4, unknown=0)
    columns = {
        "gender": "Gender",
        "age_band": "Age",
        "ethnicity": "Ethnicity",
        "marital_status": "Marital status",
        "dependent_children": "Dependent children",
        "referred_by": "Agency referring to the pilot",
        "employer_size": "Size of employer",
        "time_band": "Time off work before pilot assessment",
    }
    for area in AREAS:
        own, about = everybody[everybody["area"] == area], pilot(area)
        assert len(own) == about.clients
        for column, kind in columns.items():
            assert own[column].value_counts().to_dict() == about.margins[kind], (area, column)
        assert own["client_group"].value_counts().to_dict() == about.groups
    young = everybody["age_band"] == "40 or under"
    assert (everybody.loc[young, "age"] <= 40).all()
    assert (everybody.loc[everybody["age_band"] == "Over 40", "age"] > 40).all()
    problems = load("ffws.c2").frame()
    group = problems[problems["health_problem"] != "Total"].assign(g=lambda f: f["health_problem"].map(client_group))
    assert group.groupby("g")["n"].sum().to_dict() == {k: float(v) for k, v in pilot(AREAS[0]).groups.items()}


def test_every_client_is_absent_at_assessment(people: pd.DataFrame) -> None:
    timed = people[people["entry_days"].notna()]
    assert (timed["entry_days"] >= 3).all()
    unknown = people["returned"].isna()
    assert unknown.any()
    assert (timed["duration_days"] >= timed["entry_days"]).all()
    known = timed[timed["returned"].notna()]
    assert (known["duration_days"] > known["entry_days"]).all()
    np.testing.assert_allclose(known["after_weeks"], (known["duration_days"] - known["entry_days"]) / 7, atol=1e-12)
    assert (people.loc[people["returned"] == 1, "exit"] == "work").all()
    assert (people.loc[unknown, "exit"] == "").all()
    assert set(people["exit"]) == {"work", "job loss", "benefit", "retirement", ""}
    band = pd.cut(timed["entry_days"], [0, 27, 56, 1000], labels=list(ENTRY_BANDS)).astype(object)
    assert (band == timed["time_band"]).all()
    assert not synthetic_pilot_clients(seed=1, missing=False)[["entry_days", "client_group"]].isna().any(axis=None)


@pytest.mark.parametrize("area", AREAS)
def test_without_an_effect_clients_follow_the_norm_from_their_own_day(area: str) -> None:
    own = synthetic_pilot_clients(1.0, seed=5, area=area, scale=40, missing=False, unknown=0)
    z = []
    for group, part in own.groupby("client_group"):
        observed, expected, variance = _observed_expected(
            group_pmf(area, str(group)), part["entry_days"], part["duration_days"], part["returned"]
        )
        z.append((observed - expected) / np.sqrt(variance))
    assert np.max(np.abs(z)) < ERRORS
    shortened = synthetic_pilot_clients(0.8, seed=5, area=area, scale=40, missing=False, unknown=0)
    part = shortened[shortened["client_group"] == "Depression"]
    observed, expected, variance = _observed_expected(
        group_pmf(area, "Depression"), part["entry_days"], part["duration_days"], part["returned"]
    )
    assert observed - expected > ERRORS * np.sqrt(variance)


@pytest.mark.parametrize("effect", [1.0, 0.8, 0.5])
def test_the_truth_is_what_the_clients_show(effect: float) -> None:
    horizon = 13.0
    people = synthetic_pilot_clients(effect, seed=6, scale=20, missing=False, unknown=0)
    truth = synthetic_truth(effect, horizon, clients=people).iloc[0]
    mean, error = _restricted_mean(people["after_weeks"].to_numpy(), people["returned"].to_numpy() == 1, horizon)
    assert abs(mean - truth["actual_weeks"]) < ERRORS * error
    assert truth["saved_weeks"] == pytest.approx(truth["expected_weeks"] - truth["actual_weeks"])


def _restricted_mean(time: np.ndarray, back: np.ndarray, horizon: float) -> tuple[float, float]:
    times = np.unique(time[back & (time <= horizon)])
    risk = (time[None, :] >= times[:, None]).sum(axis=1)
    ended = ((time[None, :] == times[:, None]) & back).sum(axis=1)
    surviving = np.cumprod(1 - ended / risk)
    edges = np.concatenate([[0.0], times, [horizon]])
    area = np.concatenate([[1.0], surviving]) * np.diff(edges)
    beyond = np.cumsum(area[::-1])[::-1][1:]
    return float(area.sum()), float(np.sqrt((beyond**2 * ended / (risk * (risk - ended))).sum()))


def test_truth_adds_up_and_refuses_nonsense(people: pd.DataFrame) -> None:
    truth = synthetic_truth(0.8, 26)
    whole, cells_ = truth.iloc[0], truth[truth["client_group"] != "all"]
    assert cells_["share"].sum() == pytest.approx(1.0)
    assert (cells_["share"] * cells_["saved_weeks"]).sum() == pytest.approx(whole["saved_weeks"])
    areas = truth[(truth["client_group"] == "all") & (truth["area"] != "all")]
    assert (areas["share"] * areas["saved_weeks"]).sum() == pytest.approx(whole["saved_weeks"])
    assert synthetic_truth(1.0)["saved_weeks"].abs().max() == 0
    assert synthetic_truth(1.2)["saved_weeks"].max() < 0
    near = synthetic_truth(0.8, 26, clients=people).iloc[0]["saved_weeks"]
    assert near == pytest.approx(whole["saved_weeks"], rel=0.03)
    for horizon in (0, True, 1000):
        with pytest.raises(SpecError, match="horizon"):
            synthetic_truth(0.8, horizon)
    with pytest.raises(DataError, match="client_group"):
        synthetic_truth(0.8, clients=people[["area", "entry_days"]])
    with pytest.raises(DataError, match="nothing to average"):
        synthetic_truth(0.8, clients=people[people["entry_days"].isna()])


def test_entry_days_stay_in_their_band() -> None:
    first, middle, late = (np.flatnonzero(entry_chances(band)) for band in ENTRY_BANDS)
    assert (first.min(), first.max(), middle.min(), middle.max()) == (3, 27, 28, 56)
    assert (late.min(), late.max()) == (57, 56 + 7 * 16)


def test_fitted_outcomes_are_the_printed_ones() -> None:
    for area in AREAS:
        about = pilot(area)
        got = expected_outcomes(area, 1.0, about.follow_up_weeks, about.other_exits_per_week)
        assert got["returned"] == pytest.approx(about.returned / about.clients, abs=5e-4)
        if area != "Leicester":
            assert got["partial_median"] == pytest.approx(about.partial_median, abs=0.07)


def test_leicester_partial_median_is_impossible_twice_over() -> None:
    printed = load("ffws.c20").frame().set_index("health_problem")["client_median_weeks"]
    assert printed["All recorded diagnoses"] > printed.drop("All recorded diagnoses").max()
    everybody = expected_outcomes("Leicester", 1.0, 5000.0, 1e-9)
    assert everybody["returned"] > 0.999
    assert everybody["partial_median"] < printed["All recorded diagnoses"]


# ---- design ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unit", ["weeks", "days"])
def test_the_design_reads_clients_and_episodes(unit: str, people: pd.DataFrame, episodes: pd.DataFrame) -> None:
    design = synthetic_norm_design("episodes", time_unit=unit)  # type: ignore[arg-type]
    study = ik.StudyData.read({"people": people, "episodes": episodes}, design)
    found, norm = clients(study), control_episodes(study)
    assert norm.practices is not None
    assert len(norm.practices.labels) == 4 + 6 + 9
    assert set(norm.cells.labels) == set(found.cells.labels)
    assert norm.stop.size == len(episodes)
    factor = 7.0 if unit == "weeks" else 1.0
    assert np.nanmax(np.abs(found.entry * factor - people["entry_days"])) < 1e-9
    assert type(design).from_dict(design.to_dict()) == design
    assert design.time_unit == unit
    assert study.n == len(people)
    with pytest.raises(SpecError, match="controls"):
        synthetic_norm_design("pads")  # type: ignore[arg-type]


# ---- calibration -----------------------------------------------------------------------------------------------------
def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_note_calibration", DOCS / "fit_note_calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_seed_is_within_the_spread_of_the_committed_table() -> None:
    script = _script()
    mine = script.achieved(range(1)).merge(
        pd.read_csv(DOCS / "fit-note-calibration.csv"), on=["area", "figure", "name"], how="inner"
    )
    assert len(mine) > 150
    slack = 1e-6 + 0.001
    assert ((mine["value"] >= mine["min"] - slack) & (mine["value"] <= mine["max"] + slack)).all()


def test_the_committed_page_is_of_the_committed_table_and_hardly_a_target_is_off() -> None:
    script = _script()
    table = script.committed()
    assert table["seeds"].max() == script.SEEDS  # a small group may have nobody back at work in some seeds
    assert script.page(table) == (DOCS / "fit-note-calibration.md").read_text(encoding="utf-8")
    targets = table[table["status"] != "compared"]
    assert (targets["verdict"] == "equal within MC error").mean() > 0.98
