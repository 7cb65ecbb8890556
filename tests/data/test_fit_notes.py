"""Fit notes to episodes: examples by hand, every kind of input, and one error that lists everything wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.data import DiagnosisGroups, control_episodes
from impactkit.data.fitnotes.names import FIELDS, find_columns
from impactkit.errors import DataError, SpecError

YEAR = ik.FitNoteEpisodes(window=("2012-01-01", "2012-12-31"))


def notes(*rows: tuple[Any, ...], **more: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["patient", "starts", "ends", "diagnosis"][: len(rows[0])])
    return frame.assign(**{"practice": "A", "status": "not fit", **more})


def one(frame: pd.DataFrame, rules: ik.FitNoteEpisodes = YEAR, **options: Any) -> dict[str, Any]:
    (row,) = ik.build_episodes(frame, rules, **options).frame.to_dict("records")
    return row


def test_a_note_of_28_days_covers_days_1_to_28() -> None:
    row = one(notes((1, "2012-03-01", "2012-03-28")))
    assert (row["calendar_days"], row["certified_days"], row["working_days"]) == (28, 28, 20)


@pytest.mark.parametrize(("gap", "episodes"), [(0, 4), (3, 4), (7, 3), (14, 2), (56, 1)])
def test_gaps(gap: int, episodes: int) -> None:
    frame = notes(
        (1, "2012-03-01", "2012-03-07"),
        (1, "2012-03-13", "2012-03-14"),  # 5 days without
        (1, "2012-03-25", "2012-03-26"),  # 10
        (1, "2012-05-01", "2012-05-02"),  # 35
    )
    found = ik.build_episodes(frame, YEAR.replace(gap_days=gap))
    assert len(found) == episodes
    assert found.frame["certified_days"].sum() == 13
    assert found.audit["days in bridged gaps"] == found.frame["calendar_days"].sum() - 13


def test_leap_days_and_calendar_months() -> None:
    frame = notes((1, "2012-02-01"), (2, "2012-01-31"), (3, "2011-02-01"), duration=1, unit="month")
    found = ik.build_episodes(frame, ik.FitNoteEpisodes(window=("2011-01-01", "2012-12-31")))
    assert found.frame["end"].dt.strftime("%Y-%m-%d").tolist() == ["2012-02-29", "2012-02-29", "2011-02-28"]
    assert found.frame["calendar_days"].tolist() == [29, 30, 28]


def test_durations_in_weeks_and_days() -> None:
    frame = notes(
        (1, "2012-03-01"), (2, "2012-03-01"), (3, "2012-03-01"), duration=[2, 10, 0.5], unit=["weeks", "d", "wk"]
    )
    with pytest.raises(DataError, match="1 of 3 notes"):
        ik.build_episodes(frame, YEAR)
    found = ik.build_episodes(frame, YEAR.replace(faulty="dropped"))
    assert found.frame["calendar_days"].tolist() == [14, 10]
    assert found.audit["notes: odd duration"] == 1


def test_copies_reissues_and_overlaps() -> None:
    frame = notes(
        (1, "2012-03-01", "2012-03-14", "back pain"),
        (1, "2012-03-01", "2012-03-14", "back pain"),  # the same row
        (1, "2012-03-01", "2012-03-14", "sciatica"),  # written again: same group
        (1, "2012-03-10", "2012-03-20", "back pain"),  # overlaps by five days
        note_id=["n1", "n1", "n2", "n3"],
    )
    found = ik.build_episodes(frame, YEAR)
    row = found.frame.iloc[0]
    assert (row["notes"], row["calendar_days"], row["certified_days"]) == (2, 20, 20)
    audit = found.audit
    assert (audit["exact duplicates"], audit["reissues"], audit["days covered more than once"]) == (1, 1, 5)
    assert audit.balance("notes") == 0


def test_may_be_fit() -> None:
    frame = notes((1, "2012-03-01", "2012-03-14"), (1, "2012-03-15", "2012-03-24"), status=["not fit", "May be fit"])
    counted, halved, ignored = (one(frame, YEAR.replace(may_be_fit=rule)) for rule in ("counted", "halved", "ignored"))
    assert [row["observed_to"] for row in (counted, halved, ignored)] == [24, 19, 14]
    assert counted["may_be_fit_days"] == 10


def test_the_majority_and_its_ties() -> None:
    frame = notes(
        (1, "2012-03-01", "2012-03-07", "anxiety"),
        (1, "2012-03-08", "2012-03-14", "depression"),
        (1, "2012-03-15", "2012-04-15", "depression"),
        (1, "2012-04-16", "2012-04-20", "stress"),
        (1, "2012-04-21", "2012-04-25", "stress"),
    )
    assert one(frame)["diagnosis"] == "Depression"  # two notes each, more days
    assert one(frame)["tied"]
    assert one(frame, YEAR.replace(ties=("earliest",)))["diagnosis"] == "Depression"
    assert one(frame, YEAR.replace(ties=(), hierarchy=("Stress",)))["diagnosis"] == "Stress"
    assert not one(frame, YEAR.replace(majority="days"))["tied"]
    with pytest.raises(SpecError, match='Did you mean "Stress"'):
        ik.build_episodes(frame, YEAR.replace(hierarchy=("Stres",)))


def test_the_window() -> None:
    frame = notes(
        (1, "2011-12-20", "2012-01-20"),  # prevalent: 12 days before the window
        (2, "2011-11-01", "2011-12-20"),  # over before it
        (3, "2012-06-01", "2012-06-14"),
        (4, "2012-12-01", "2012-12-27"),  # might go on
        (5, "2012-12-28", "2013-01-20"),  # began too late to see any end
        (6, "2012-12-01", "2012-12-23"),  # a note that joined would have been seen
    )
    found = ik.build_episodes(frame, YEAR)
    rows = found.frame
    assert rows["patient"].tolist() == ["1", "3", "4", "5", "6"]
    assert rows["open"].tolist() == [False, False, True, True, False]
    assert rows["observed_from"].tolist() == [12, 0, 0, 0, 0]
    assert rows["observed_to"].tolist() == [32, 14, 23, 0, 23]
    assert found.audit["open episodes too late to be watched"] == 1
    assert len(ik.build_episodes(frame, YEAR.replace(prevalent="dropped"))) == 4
    until = YEAR.replace(open_until="last_certified_day")
    assert ik.build_episodes(frame, until).frame["observed_to"].tolist() == [32, 14, 27, 24, 23]


def test_the_window_is_that_of_the_days_of_issue() -> None:
    frame = notes((1, "2012-03-01", "2012-06-28"), (2, "2012-03-05", "2012-03-18"), issued=["2012-03-02", "2012-04-05"])
    found = ik.build_episodes(frame)
    assert found.window == ("2012-03-02", "2012-04-05")
    assert found.frame["open"].tolist() == [True, False]
    assert found.frame["backdated"].tolist() == [True, True]


def test_statutory_sick_pay_links_over_eight_weeks() -> None:
    frame = notes((1, "2012-03-01", "2012-03-14"), (1, "2012-05-01", "2012-05-14"), (1, "2012-08-01", "2012-08-14"))
    assert ik.build_episodes(frame, YEAR).frame["ssp_link"].tolist() == [0, 0, 1]


def test_notes_longer_than_the_rules_allow_are_counted() -> None:
    frame = notes((1, "2012-03-01", "2012-05-31"), (2, "2012-03-01", "2012-06-01"))
    assert ik.build_episodes(frame, YEAR).audit["notes over 3 months in the first 6"] == 1


def test_patient_numbers_are_per_practice_unless_said() -> None:
    frame = notes((1, "2012-03-01", "2012-03-14"), (1, "2012-03-15", "2012-03-20"), practice=["A", "B"])
    found = ik.build_episodes(frame, YEAR)
    assert len(found) == 2
    assert found.audit["patient numbers in several practices"] == 1
    row = one(frame, YEAR.replace(patient_scope="everywhere"))
    assert (row["practice"], row["calendar_days"]) == ("A", 20)


def test_everything_wrong_is_one_error_and_shows_no_record() -> None:
    frame = notes(
        (None, "2012-03-01", "2012-03-14"),
        ("secret", "2012-03-15", "2012-03-01"),
        ("secret", None, "2012-03-01"),
        ("other", "2012-03-01", "2012-03-28"),
        ("other", "2013-03-01", "2013-03-28"),
        ("other", "2012-05-01", "2012-05-28"),
        status=["not fit"] * 5 + ["off sick"],
        duration=[14, np.nan, np.nan, 27, 28, 28],
    )
    with pytest.raises(DataError) as caught:
        ik.build_episodes(frame, YEAR)
    said = str(caught.value)
    for text in ("6 problems", "whose it is", "on or after its first day", "have a first day", "by one day"):
        assert text in said
    for text in ("unknown_status", 'after_window="dropped"', "1 of 6"):
        assert text in said
    assert "secret" not in said
    lenient = YEAR.replace(faulty="dropped", disagree="dates", after_window="dropped", unknown_status="not_fit")
    found = ik.build_episodes(frame, lenient)
    assert found.frame["calendar_days"].tolist() == [28, 28]
    assert found.audit.balance("notes") == 0
    by_duration = ik.build_episodes(frame, lenient.replace(disagree="duration"))
    assert by_duration.frame["calendar_days"].tolist() == [27, 28]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issued": "2012-02-01", "assessed": "2012-02-05"}, "on or after the assessment"),
        ({"issued": "2102-03-01"}, "within a year"),
        ({"birth_year": 2020}, "age of 0 to 120"),
        ({"status": 1}, "found numbers"),
        ({"starts": "01/03/2012"}, "date_format"),
        ({"starts": 20120301}, "found numbers"),
        ({"starts": pd.to_datetime(["2012-05-31 23:00", "2012-01-01 00:00"])}, "tz_convert"),
        ({"Status": "not fit"}, "1 problem .*\n.*several columns"),
    ],
)
def test_bad_input(change: dict[str, Any], said: str) -> None:
    frame = notes((1, "2012-03-01", "2012-03-14"), (2, "2012-03-01", "2012-03-14")).assign(**change)
    with pytest.raises(DataError, match=said):
        ik.build_episodes(frame, YEAR)


def test_a_column_that_is_not_there() -> None:
    frame = notes((1, "2012-03-01", "2012-03-14"))
    with pytest.raises(DataError, match='Did you mean "ends"'):
        ik.build_episodes(frame, columns=ik.FitNoteColumns(ends="endss"))
    with pytest.raises(DataError, match="should have a column `status`"):
        ik.build_episodes(frame.drop(columns="status"))
    with pytest.raises(DataError, match="several columns"):
        ik.build_episodes(frame.rename(columns={"starts": "from"}).assign(start="2012-03-01"))


def test_columns_go_by_other_names() -> None:
    frame = notes((1, "01/03/2012", "14/03/2012", "back pain"))
    frame = frame.rename(
        columns={"patient": "Patient ID", "starts": "Date from", "ends": "Date to", "status": "Fit status"}
    )
    found = ik.build_episodes(frame, YEAR, columns=ik.FitNoteColumns(date_format="%d/%m/%Y"))
    assert found.frame["calendar_days"].tolist() == [14]
    usual, problems = find_columns(ik.FitNoteColumns(), FIELDS, "the notes")
    assert not problems
    assert usual == {name: name for name in FIELDS}


def many(size: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    start = pd.Timestamp("2012-01-02") + pd.to_timedelta(rng.integers(0, 360, size), "D")
    return pd.DataFrame(
        {
            "practice": rng.choice(["007", "008", "9"], size),
            "patient": rng.integers(1, 90, size),
            "starts": start,
            "ends": start + pd.to_timedelta(rng.choice([6, 13, 27], size), "D"),
            "status": rng.choice(["not fit", "may be fit"], size, p=[0.9, 0.1]),
            "diagnosis": rng.choice(["Low back pain", "depression", "Work stress", "anxiety", "xyzzy"], size),
            "icd10": rng.choice(["", "M54.5", "F32.9"], size, p=[0.8, 0.1, 0.1]),
            "sex": rng.choice(["f", "m"], size),
            "birth_year": 1970,
            "area": "north",
        }
    ).replace({"icd10": {"": None}})


def test_any_frame_and_any_order_give_the_same(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars", reason="group: test")
    frame = many()
    expected = ik.build_episodes(frame, YEAR)
    assert len(expected) > 100
    frame.to_csv(tmp_path / "notes.csv", index=False)
    zoned = frame.assign(starts=frame["starts"].dt.tz_localize("Europe/London"))
    sources = {
        "csv": tmp_path / "notes.csv",
        "shuffled": frame.sample(frac=1.0, random_state=1),
        "polars": pl.from_dicts(frame.to_dict("records")),
        "zoned": zoned,
        "dates": frame.assign(starts=frame["starts"].dt.date),
    }
    for name, source in sources.items():
        found = ik.build_episodes(source, YEAR)
        pd.testing.assert_frame_equal(found.frame, expected.frame, obj=name)
        assert found.audit == expected.audit


def test_groups_of_the_report() -> None:
    printed = set(ik.published.load("ffws.c1").texts("diagnosis")) - {"Total"}
    groups = DiagnosisGroups.load()
    assert set(groups.names) == printed
    assert len(groups.names) == 26
    for text, group in {
        "anxiety & depression": "Depression",
        "Work-related stress": "Stress",
        "fractured wrist": "Bone fracture",
        "post-op hip replacement": "Post op recovery",
        "BACK PAIN": "Back problem",
        "chest infection": "Respiratory",
        "Other mild-moderate mental disorder": "Other mild-moderate mental disorder",
    }.items():
        assert groups.of_text(text) == group
    for code, group in {
        "M54.5": "Back problem",
        "m545": "Back problem",
        "M54.2": "Other musculoskeletal",
        "F32.3": "Severe mental disorder",
        "F41": "Anxiety",
        "S62.0": "Bone fracture",
        "Z54.0": "Post op recovery",
    }.items():
        assert groups.of_code(code) == group
    assert groups.of_code("back") is None
    assert {group.client_group for group in groups.groups} == {
        "Anxiety", "Depression", "Stress", "Back problem", "Other musculoskeletal", "Other health problem"
    }  # fmt: skip


def test_groups_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'title = "own"\n[[group]]\nname = "Mind"\nclient_group = "Mind"\nicd10 = ["F00-F99"]\nkeywords = ["stress*"]\n'
        '[[group]]\nname = "Rest"\nclient_group = "Rest"\n'
    )
    frame = notes((1, "2012-03-01", "2012-03-14", "stressed"), (2, "2012-03-01", "2012-03-14", "leg"))
    found = ik.build_episodes(frame, YEAR, diagnosis_groups=str(path))
    assert found.frame["diagnosis"].tolist() == ["Mind", "Rest"]
    assert found.audit["notes with a diagnosis that nothing matches"] == 1
    given = ik.build_episodes(frame, YEAR, diagnosis_groups="as given")
    assert given.frame["diagnosis"].tolist() == ["stressed", "leg"]
    with pytest.raises(SpecError, match="correct the path"):
        ik.build_episodes(frame, YEAR, diagnosis_groups="nowhere.toml")


def norm_design(**options: Any) -> ik.NormDesign:
    controls = ik.ControlNotes(rules=YEAR, **options)
    return ik.NormDesign(
        unit="id",
        entry="entry",
        duration="weeks",
        returned="returned",
        norm_by=("area", "client_group"),
        controls=controls,
    )


CLIENTS = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "area": ["north", "north", "south"],
        "client_group": ["Stress", "Back problem", "Stress"],
        "entry": [3.0, 4.0, 5.0],
        "weeks": [9.0, 8.0, 7.0],
        "returned": [1, 0, 1],
    }
)


def test_controls_of_a_design_are_built_from_its_notes(tmp_path: Path) -> None:
    data = {"people": CLIENTS, "fit_notes": many()}
    study = ik.StudyData.read(data, norm_design())
    found = control_episodes(study)
    built = ik.build_episodes(many(), YEAR).frame
    watched = built[built["observed_to"] > built["observed_from"]]
    np.testing.assert_allclose(found.stop * 7, watched["observed_to"])
    np.testing.assert_array_equal(found.ended, ~watched["open"])
    assert found.practices is not None
    assert found.practices.labels == ("007", "008", "9")
    assert found.cells.labels[:2] == ("area=north, client_group=Back problem", "area=north, client_group=Stress")
    labels = [found.cells.labels[code] for code in found.cells.codes]
    assert labels == [f"area=north, client_group={group}" for group in watched["client_group"]]
    assert control_episodes(study, YEAR.replace(gap_days=56)).stop.size < found.stop.size
    later = control_episodes(ik.StudyData.read(data, norm_design(offset_days=7)))
    np.testing.assert_allclose(later.stop - found.stop, 1.0)
    assert any("notes used" in note for note in found.notes)
    many().to_csv(tmp_path / "notes.csv", index=False)
    again = ik.StudyData.read({"people": CLIENTS, "fit_notes": tmp_path / "notes.csv"}, norm_design())
    assert again.data_hash == study.data_hash


def test_the_hash_covers_the_notes() -> None:
    frame = many()
    first = ik.StudyData.read({"people": CLIENTS, "fit_notes": frame}, norm_design()).data_hash
    frame.loc[3, "ends"] += pd.Timedelta(1, "D")
    assert ik.StudyData.read({"people": CLIENTS, "fit_notes": frame}, norm_design()).data_hash != first


def test_a_design_says_what_its_notes_lack() -> None:
    with pytest.raises(DataError, match='table "fit_notes" is missing'):
        ik.StudyData.read({"people": CLIENTS}, norm_design())
    with pytest.raises(DataError, match="`status`"):
        ik.StudyData.read({"people": CLIENTS, "fit_notes": many().drop(columns="status")}, norm_design())
    with pytest.raises(DataError, match=r"`area` is missing .*`norm_by`"):
        ik.StudyData.read({"people": CLIENTS, "fit_notes": many().drop(columns="area")}, norm_design())


def test_the_audit_is_an_analysis() -> None:
    data = {"people": CLIENTS, "fit_notes": many()}
    rows = ik.Evaluation(norm_design(), data, [ik.FitNoteAudit(name="audit")]).fit(strict=True).tidy()
    audit = ik.build_episodes(many(), YEAR).audit
    assert dict(zip(rows["term"], rows["estimate"], strict=True)) == {line.item: line.count for line in audit}


def test_rules_that_contradict_themselves() -> None:
    with pytest.raises(SpecError, match="open before it closes"):
        ik.FitNoteEpisodes(window=("2012-12-31", "2012-01-01"))
    with pytest.raises(SpecError, match="like 2012-03-31"):
        ik.FitNoteEpisodes(window=("31/12/2012", "2013-01-01"))
    with pytest.raises(SpecError, match="`age_bands` should rise"):
        ik.FitNoteEpisodes(age_bands=(40, 30))
    assert ik.FitNoteEpisodes.from_dict(YEAR.to_dict()) == YEAR


def test_ages() -> None:
    frame = notes((1, "2012-03-01", "2012-03-14"), (2, "2012-03-01", "2012-03-14"), birth_year=[1972, 1971])
    assert ik.build_episodes(frame, YEAR).frame["age_band"].tolist() == ["40 or under", "over 40"]
    three = ik.build_episodes(frame, YEAR.replace(age_bands=(24, 40, 64)))
    assert three.frame["age_band"].tolist() == ["25 to 40", "41 to 64"]


def test_records_that_begin_with_the_window_are_named() -> None:
    frame = notes((1, "2012-01-05", "2012-01-20"), (2, "2012-06-01", "2012-06-14"))
    assert "look like new ones" in ik.build_episodes(frame, YEAR).audit.remarks()[0]
    assert not ik.build_episodes(frame, YEAR.replace(run_in_days=35)).audit.warnings
    assert len(ik.build_episodes(frame, YEAR.replace(run_in_days=35))) == 1
    earlier = pd.concat([frame, notes((3, "2011-12-05", "2011-12-20"))])
    assert not ik.build_episodes(earlier, YEAR).audit.warnings
    assert ik.build_episodes(frame).audit.warnings
    data = {"people": CLIENTS, "fit_notes": frame.assign(area="north")}
    result = ik.Evaluation(norm_design(), data, [ik.FitNoteAudit(name="audit")]).fit()
    assert result.notes()["reason"].str.contains("look like new ones").any()
