"""The EQ-5D profile against R, and what a before-after description may and may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import AnalysisError, DataError, RefusalError, SpecError
from impactkit.estimators.eq5d_rows import DIMENSION_NAMES, IMPROVED, INDEX, LEVEL_SUM, PARETIAN_OUTCOME

HERE = Path(__file__).parents[1] / "reference" / "eq5d"
PEOPLE = pd.read_csv(HERE / "people.csv")
EXPECTED = pd.read_csv(HERE / "expected.csv").set_index(["outcome", "term", "what"])["value"]
VALUES = [(*row[:3], float(row[3])) for row in EXPECTED.reset_index().itertuples(index=False)]
CODES = dict(zip(("mo", "sc", "ua", "pd", "ad"), DIMENSION_NAMES, strict=True)) | {
    "sum": LEVEL_SUM,
    "index": INDEX,
    "class": PARETIAN_OUTCOME,
}
CLOSE = 1e-9
GROUP = ik.BeforeAfterDesign(unit="id", before="before", after="after")
TRIAL = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual")
PROFILE = ik.Eq5dProfile(name="health", value_set="uk_5l_2026")
IN_TRIAL = PROFILE.replace(before="before", after="after")


def rows(design: Any, analysis: Any = PROFILE, data: Any = PEOPLE) -> pd.DataFrame:
    return ik.Evaluation(design, data, [analysis]).fit(seed=1, strict=True).tidy()


def one(frame: pd.DataFrame, outcome: str, term: str, measure: str = "") -> pd.Series:
    found = frame[(frame["outcome"] == outcome) & (frame["term"] == term)]
    if measure:
        found = found[found["measure"] == measure]
    return found.iloc[0]


def test_one_group_agrees_with_r() -> None:
    frame = rows(GROUP)
    checked = 0
    for code, term, what, value in VALUES:
        if term == "IPS":
            continue
        test = term.startswith("mcnemar")
        found = one(frame, CODES[code], "change" if test else term, term if test else "")
        np.testing.assert_allclose(found[what], value, rtol=CLOSE, err_msg=f"{code} {term} {what}")
        checked += 1
    assert checked == 5 * 8 + 2 * 6 + 5


def test_arms_agree_with_r() -> None:
    frame = rows(TRIAL, IN_TRIAL)
    for code, term, what, value in VALUES:
        if term == "IPS":
            np.testing.assert_allclose(
                one(frame, CODES[code], "IPS")[what], value, rtol=CLOSE, err_msg=f"{code} {what}"
            )


def test_arms_have_their_own_shares() -> None:
    frame = rows(TRIAL, IN_TRIAL)
    both = PEOPLE.dropna()
    for arm, own in both.groupby("arm"):
        share = (own["before"] // 10_000 > 1).mean()
        found = one(frame, "mobility", f"entry: {arm}")
        assert found["estimate"] == pytest.approx(share, rel=1e-12)
        assert found["n"] == len(own)
        classes = frame[(frame["outcome"] == IMPROVED) & frame["term"].str.endswith(f": {arm}")]
        assert classes["estimate"].sum() == pytest.approx(1.0)
    plain = rows(TRIAL, IN_TRIAL.replace(adjust=False))
    gap = one(plain, "mobility", "discharge: IPS")["estimate"] - one(plain, "mobility", "discharge: usual")["estimate"]
    assert one(plain, "mobility", "IPS")["estimate"] == pytest.approx(gap, rel=1e-12)


def test_change_within_people_is_never_called_an_impact() -> None:
    result = ik.Evaluation(GROUP, PEOPLE, [PROFILE]).fit(seed=1)
    assert set(result.glance()["evidence"]) == {"before-after only"}
    assert not [name for name in set(result.tidy()["measure"]) if ik.results.measure(name).is_effect]
    trial = ik.Evaluation(TRIAL, PEOPLE, [IN_TRIAL]).fit(seed=1)
    assert set(trial.glance()["evidence"]) == {"randomised"}


def test_shares_add_up_and_the_base_is_said() -> None:
    result = ik.Evaluation(GROUP, PEOPLE, [PROFILE]).fit(seed=1)
    frame, said = result.tidy(), " ".join(result.notes()["reason"])
    base = int((PEOPLE["before"].notna() & PEOPLE["after"].notna()).sum())
    assert set(frame["n"]) == {float(base)}
    assert frame.loc[frame["outcome"] == PARETIAN_OUTCOME, "estimate"].sum() == pytest.approx(1.0)
    assert f"{base} people are the base of every row" in said
    assert "Rowen" in said
    assert set(result.glance()["n_missing_outcome"]) == {len(PEOPLE) - base}
    for name in DIMENSION_NAMES:
        change = one(frame, name, "change")["estimate"]
        assert change == pytest.approx(
            one(frame, name, "discharge")["estimate"] - one(frame, name, "entry")["estimate"]
        )


def test_clusters_and_weights_leave_mcnemar_out() -> None:
    for options in ({"clusters": "practice"}, {"weights": "w"}):
        design = GROUP.replace(**options)
        data = PEOPLE.assign(w=np.where(PEOPLE["id"] % 2, 1.0, 2.0))
        result = ik.Evaluation(design, data, [PROFILE]).fit(seed=1)
        tests = result.tidy()[lambda f: f["measure"].str.startswith("mcnemar")]
        assert tests["p_value"].isna().all()
        assert result.notes()["reason"].str.contains("McNemar's test knows no").sum() == 5
        assert np.isfinite(one(result.tidy(), "mobility", "change")["p_value"])


def test_a_long_table_gives_the_same() -> None:
    long = PEOPLE.melt(id_vars="id", value_vars=["before", "after"], var_name="visit", value_name="profile")
    long = long.sample(frac=1.0, random_state=2)
    tables = {"people": PEOPLE[["id", "arm"]], "visits": long}
    design = GROUP.replace(links=(ik.Link(table="visits"),))
    analysis = PROFILE.replace(table="visits", visit="visit", answers="profile")
    pd.testing.assert_frame_equal(rows(design, analysis, tables), rows(GROUP))
    again = {**tables, "visits": pd.concat([long, long.head(3)])}
    with pytest.raises((DataError, AnalysisError), match="rows repeat one"):
        rows(design, analysis, again)
    with pytest.raises((DataError, AnalysisError), match=r'Did you mean "after"'):
        rows(design, analysis.replace(after="afer"), tables)
    with pytest.raises(RefusalError, match="does not link"):
        rows(GROUP, analysis, tables)


def test_level_columns_give_the_same_as_profiles() -> None:
    data = PEOPLE.copy()
    for place, name in enumerate(("mo", "sc", "ua", "pd", "ad")):
        data[name] = data["after"] // 10 ** (4 - place) % 10
    analysis = PROFILE.replace(before="before", after=("mo", "sc", "ua", "pd", "ad"))
    pd.testing.assert_frame_equal(rows(GROUP, analysis, data), rows(GROUP))


def test_the_gap_to_the_population() -> None:
    data = PEOPLE.assign(age=np.where(PEOPLE["id"] < 5, 12, 42), sex=np.where(PEOPLE["id"] % 2, "female", "male"))
    analysis = ik.Eq5dProfile(
        name="health", value_set="crosswalk_uk_2012", norms="hse_2017_18_crosswalk", age="age", sex="sex"
    )
    frame = rows(GROUP, analysis, data)
    norm, gap = one(frame, INDEX, "population norm"), one(frame, INDEX, "entry less norm")
    known = data.dropna()[lambda f: f["age"] > 15]
    scores = ik.score_eq5d(known["before"], "crosswalk_uk_2012").index
    assert norm["n"] == gap["n"] == len(known)
    assert gap["estimate"] == pytest.approx(scores.mean() - norm["estimate"], rel=1e-12)
    notes = ik.Evaluation(GROUP, data, [analysis]).fit(seed=1).notes()["reason"]
    assert notes.str.contains("no age and sex within the bands").any()
    assert notes.str.contains("taken as known").any()
    arms = rows(TRIAL, analysis.replace(before="before", after="after"), data)
    sizes = arms[arms["term"].str.startswith("population norm")]["n"]
    assert sizes.sum() == len(known)
    with pytest.raises(SpecError, match="two value sets cannot be compared"):
        analysis.replace(value_set="uk_5l_2026")
    with pytest.raises((DataError, AnalysisError), match="female"):
        rows(GROUP, analysis, data.assign(sex="f"))


def test_faults_are_told_at_once() -> None:
    bad = PEOPLE.copy()
    bad.loc[:2, "after"] = 11116
    with pytest.raises(DataError, match="3 rows"):
        rows(GROUP, data=bad)
    asked = PROFILE.replace(impossible="missing")
    result = ik.Evaluation(GROUP, bad, [asked]).fit(seed=1, strict=True)
    assert result.notes()["reason"].str.contains("impossible answers and count as missing").any()
    three = PEOPLE.assign(before=np.tile([11213, 21232], 120), after=np.tile([11212, 11211], 120))
    with pytest.raises((DataError, AnalysisError), match="look like three-level answers"):
        rows(GROUP, data=three)
    assert len(rows(GROUP, ik.Eq5dProfile(name="h", value_set="uk_3l_1997"), three))
    with pytest.raises(RefusalError, match="needs `before` and `after`"):
        rows(TRIAL, PROFILE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "questionnaire"),
        ({"value_set": "uk_5l_2026", "instrument": "EQ-5D-3L"}, "is for the EQ-5D-5L"),
        ({"value_set": "uk_5l_2027"}, "Did you mean"),
        ({"instrument": "EQ-5D-5L", "norms": "hse_2012_14"}, "give the `value_set`"),
        ({"value_set": "uk_3l_1997", "norms": "hse_2012_14"}, "`age` and `sex`"),
        ({"instrument": "EQ-5D-5L", "visit": "v"}, "together"),
        ({"instrument": "EQ-5D-5L", "before": ("a", "b")}, "five columns"),
        ({"instrument": "EQ-5D-5L", "before": "a", "after": "a"}, "nothing could change"),
        ({"instrument": "EQ-5D-5L", "labels": ("a", "a")}, "different"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ik.Eq5dProfile(name="h", **options)


def test_nobody_and_one_person() -> None:
    design = GROUP.replace(populations=(ik.Population(name="one", where=(("id", 3),)),))
    result = ik.Evaluation(design, PEOPLE, [PROFILE]).fit(seed=1)
    assert result.tidy()["std_error"].dropna().eq(0).all() or result.tidy()["std_error"].isna().any()
    gone = PEOPLE.assign(after=np.nan)
    frame = ik.Evaluation(GROUP, gone, [PROFILE]).fit(seed=1)
    assert frame.tidy()["estimate"].isna().all()
    assert frame.notes()["reason"].str.contains("nobody here answered").any()
