"""EQ-5D value sets and scoring: every published value, every way to hand profiles over, every fault told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from impactkit.compute.eq5d import (
    PARETIAN,
    digits_lookup,
    level_table,
    mcnemar,
    paretian_classes,
    profile_states,
    round_half_up,
)
from impactkit.data.eq5d import value_sets
from impactkit.econ import (
    list_population_norms,
    list_value_sets,
    load_population_norms,
    load_value_set,
    register_value_set,
    score_eq5d,
)
from impactkit.errors import DataError, SpecError

HERE = Path(__file__).parents[1] / "reference" / "eq5d"
SETS = ("uk_3l_1997", "england_5l_2018", "uk_5l_2026", "crosswalk_uk_2012")
CROSSWALK = "f80bc99e2b9e8c4362c9128c32124fe2160d5cd575fc8aaf23adcc9aa963f101"
LEVELS = ["mo", "sc", "ua", "pd", "ad"]


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    yield
    value_sets._REGISTERED.clear()


def values_in(name: str, column: str) -> pd.Series:
    return pd.read_csv(HERE / name, dtype={"profile": str}).set_index("profile")[column]


# --- value sets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_every_value_agrees_with_r(name: str) -> None:
    found = load_value_set(name)
    theirs = values_in(f"values_{found.levels}l.csv", name)
    assert list(theirs.index) == list(found.profiles)
    np.testing.assert_allclose(found.values, theirs.to_numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "profile", "value"),
    [
        ("uk_3l_1997", 33333, -0.594),
        ("uk_3l_1997", "21232", 0.088),
        ("england_5l_2018", 55555, -0.285),
        ("uk_5l_2026", 55555, -0.567),
        ("crosswalk_uk_2012", 55555, -0.594),
    ],
)
def test_values_as_published(name: str, profile: Any, value: float) -> None:
    assert load_value_set(name).value(profile) == value
    assert load_value_set(name).value(11111) == 1.0


def test_the_published_crosswalk_is_rounded_twice() -> None:
    published, exact = (load_value_set("crosswalk_uk_2012", rounding=way) for way in ("published", "exact"))
    theirs = values_in("values_5l.csv", "crosswalk_exact")
    np.testing.assert_allclose(exact.values, theirs.to_numpy(), rtol=0, atol=1e-11)
    assert int((np.abs(published.values - round_half_up(exact.values, (3,))) > 1e-9).sum()) == 192
    lines = "\n".join(
        f"{name},{value:.3f}".replace("-0.000", "0.000")
        for name, value in zip(published.profiles, published.values, strict=True)
    )
    assert hashlib.sha256(lines.encode()).hexdigest() == CROSSWALK == published.digest
    assert "unrounded" in exact.source
    assert "unrounded" not in published.source


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("rounding", ["published", "exact"])
def test_worse_levels_are_never_worth_more(name: str, rounding: Any) -> None:
    found = load_value_set(name, rounding=rounding)
    grid = found.values.reshape((found.levels,) * 5)
    for axis in range(5):
        assert (np.diff(grid, axis=axis) <= 1e-12).all()
    assert found.values[0] == 1.0 == found.values.max()
    assert found.values[-1] == found.values.min()


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_its_source(name: str) -> None:
    found = load_value_set(name)
    assert found.citation
    assert found.doi
    assert found.version in found.source
    assert not found.values.flags.writeable
    assert name in set(list_value_sets()["id"])


def test_there_is_no_default_and_a_misspelt_set_is_asked_about() -> None:
    with pytest.raises(TypeError):
        score_eq5d(["11111"])  # type: ignore[call-arg]
    with pytest.raises(SpecError, match=r'Did you mean "uk_5l_2026"'):
        score_eq5d(["11111"], "uk_5l_2025")
    with pytest.raises(SpecError, match="published"):
        load_value_set("uk_5l_2026", rounding="none")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="not a profile"):
        load_value_set("uk_3l_1997").value(11114)


HEAD = "# id: {id}\n# title: made up\n# version: 1\n# instrument: EQ-5D-3L\n# citation: nobody\n"


def write(folder: Path, body: str, id: str = "made_up_test") -> Path:
    path = folder / "set.csv"
    path.write_text(HEAD.format(id=id) + body)
    return path


def test_a_set_of_your_own_in_three_forms(tmp_path: Path) -> None:
    own = register_value_set(
        write(tmp_path, "# check 33333: 0.5\nterm,level,value\nconstant,,1\nany_at_least,3,-0.5\n")
    )
    assert own.value("11112") == 1.0
    assert score_eq5d(["11113"], "made_up_test").index.tolist() == [0.5]
    assert register_value_set(tmp_path / "set.csv").digest == own.digest  # the same again is no fault
    with pytest.raises(SpecError, match="another value set"):
        register_value_set(write(tmp_path, "term,level,value\nconstant,,1\n"))
    table = load_value_set("uk_3l_1997").table().to_csv(index=False)
    assert np.array_equal(
        register_value_set(write(tmp_path, table, "made_up_table")).values, load_value_set("uk_3l_1997").values
    )
    text = (Path(__file__).parents[2] / "src/impactkit/data/eq5d/crosswalk_uk_2012.csv").read_text()
    (tmp_path / "cross.csv").write_text(text.replace("id: crosswalk_uk_2012", "id: made_up_cross"))
    assert register_value_set(tmp_path / "cross.csv").digest == CROSSWALK
    own_exact = load_value_set("made_up_cross", rounding="exact")
    assert np.array_equal(own_exact.values, load_value_set("crosswalk_uk_2012", rounding="exact").values)
    with pytest.raises(SpecError, match="already another"):
        register_value_set(write(tmp_path, table, "uk_3l_1997"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("term,value\n", "first lines after its comments"),
        ("term,level,value\nmobility,2,-0.1\n", "needs a line `constant,,`"),
        ("term,level,value\nconstant,,1\nmobility,4,-0.1\nmobilty,2,-1\nself_care,2,x\n", "3 lines"),
        ("term,level,value\nconstant,,1\nmobility,2,-0.1\nmobility,2,-0.2\n", "1 lines"),
        ("# check 33333: 0.9\nterm,level,value\nconstant,,1\n", "33333 is worth 0.9"),
        ("profile,index\n11111,1\n11111,1\n", "242 are missing"),
        ("dimension,level,target_level,probability\n", "# target:"),
        ("# target: uk_3l_1997\ndimension,level,target_level,probability\nmobility,1,1,0.9\n", "sum to 1"),
        ("# citatoin: x\nterm,level,value\nconstant,,1\n", "means nothing here"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        register_value_set(write(tmp_path, body, "made_up_faulty"))
    with pytest.raises(SpecError):
        load_value_set("made_up_faulty")


# --- scoring --------------------------------------------------------------------------------------------------------


def made_up(n: int = 500, levels: int = 5, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(1, levels + 1, (n, 5)), columns=LEVELS)
    frame["profile"] = frame[LEVELS].to_numpy() @ np.array([10_000, 1_000, 100, 10, 1])
    return frame.assign(id=[f"p{row}" for row in range(n)])


@pytest.mark.parametrize("name", SETS)
def test_index_take_is_dictionary_lookup_for_every_state(name: str) -> None:
    tariff = load_value_set(name)
    known = dict(zip(tariff.profiles, tariff.values.tolist(), strict=True))
    every = pd.DataFrame(level_table(tariff.levels), columns=LEVELS)
    scores = score_eq5d(every, name, levels=LEVELS)
    assert scores.index.tolist() == [known["".join(map(str, row))] for row in every.to_numpy()]
    assert scores.profiles.tolist() == list(tariff.profiles)
    assert np.array_equal(scores.level_sum, every.sum(axis=1))


@given(hnp.arrays(np.int16, st.tuples(st.integers(1, 30), st.just(5)), elements=st.integers(1, 5)))
def test_states_count_up_in_digit_order(levels: np.ndarray) -> None:
    states = profile_states(list(levels.T), 5)
    assert np.array_equal(level_table(5)[states], levels)
    assert np.array_equal(digits_lookup(5)[levels @ np.array([10_000, 1_000, 100, 10, 1])], states)


WAYS: dict[str, Callable[[pd.DataFrame], tuple[Any, dict[str, Any]]]] = {
    "levels": lambda f: (f, {"levels": LEVELS}),
    "small integers": lambda f: (f.astype(dict.fromkeys(LEVELS, "int8")), {"levels": LEVELS}),
    "float levels": lambda f: (f.astype(dict.fromkeys(LEVELS, float)), {"levels": LEVELS}),
    "text levels": lambda f: (f.astype(dict.fromkeys(LEVELS, str)), {"levels": LEVELS}),
    "nullable": lambda f: (f.astype(dict.fromkeys(LEVELS, "Int64")), {"levels": LEVELS}),
    "categories": lambda f: (f.astype(dict.fromkeys(LEVELS, "category")), {"levels": LEVELS}),
    "integer profiles": lambda f: (f, {"profile": "profile"}),
    "float profiles": lambda f: (f.astype({"profile": float}), {"profile": "profile"}),
    "text profiles": lambda f: (f.astype({"profile": str}), {"profile": "profile"}),
    "a series": lambda f: (f["profile"], {}),
    "a list": lambda f: (f["profile"].astype(str).tolist(), {}),
    "an array": lambda f: (f[LEVELS].to_numpy(), {}),
    "polars": lambda f: (pytest.importorskip("polars").from_dicts(f.to_dict("records")), {"levels": LEVELS}),
    "arrow": lambda f: (pytest.importorskip("pyarrow").Table.from_pandas(f), {"profile": "profile"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_hand_profiles_over(way: str) -> None:
    frame = made_up()
    kept = frame.copy(deep=True)
    data, where = WAYS[way](frame)
    tariff = load_value_set("uk_5l_2026")
    expected = [tariff.value(profile) for profile in frame["profile"]]
    assert score_eq5d(data, "uk_5l_2026", **where).index.tolist() == expected
    pd.testing.assert_frame_equal(frame, kept)


def test_a_file(tmp_path: Path) -> None:
    made_up().to_csv(tmp_path / "people.csv", index=False)
    scores = score_eq5d(tmp_path / "people.csv", "uk_5l_2026", levels=LEVELS, unit="id")
    assert scores.counts["scored"] == 500
    assert scores.frame()["unit"].tolist()[:2] == ["p0", "p1"]


def test_missing_answers_are_counted_and_not_scored() -> None:
    frame = made_up().astype(dict.fromkeys(LEVELS, float))
    frame.loc[:9, "mo"] = np.nan
    frame.loc[5:14, "ad"] = np.nan
    scores = score_eq5d(frame, "uk_5l_2026", levels=LEVELS)
    assert np.isnan(scores.index[:15]).all()
    assert scores.counts == {"profiles": 500, "scored": 485, "missing": 15, "impossible": 0}
    assert scores.missing["all"] == {
        "mobility": 10, "self_care": 0, "usual_activities": 0, "pain_discomfort": 0, "anxiety_depression": 10,
    }  # fmt: skip
    nines = frame.fillna(9).astype(dict.fromkeys(LEVELS, int))
    assert np.array_equal(
        score_eq5d(nines, "uk_5l_2026", levels=LEVELS, missing=(9,)).index, scores.index, equal_nan=True
    )
    text = pd.Series(["11111", " 21111", "", None, "11911"])
    found = score_eq5d(text, "uk_5l_2026", missing=(9,))
    assert found.counts == {"profiles": 5, "scored": 2, "missing": 3, "impossible": 0}


def test_impossible_answers_are_one_error_with_counts() -> None:
    frame = made_up().astype(dict.fromkeys(LEVELS, object))
    frame.loc[:2, "mo"] = 6
    frame.loc[3, "mo"] = 0
    frame.loc[0, "sc"] = "2a"
    frame.loc[7, "pd"] = 2.5
    with pytest.raises(DataError) as caught:
        score_eq5d(frame, "uk_5l_2026", levels=LEVELS)
    said = str(caught.value)
    assert said.startswith("1 problem with the data:")
    assert "found something else in 5 rows" in said
    assert "mobility: '6' 3 times, '0' 1 time" in said
    assert "self_care: '2a' 1 time" in said
    assert "pain_discomfort: '2.5' 1 time" in said
    scores = score_eq5d(frame, "uk_5l_2026", levels=LEVELS, impossible="missing")
    assert scores.counts == {"profiles": 500, "scored": 495, "missing": 0, "impossible": 5}
    assert scores.impossible["all"]["mobility"] == {"6": 3, "0": 1}
    numbers = made_up().astype(dict.fromkeys(LEVELS, float))
    numbers.loc[0, "mo"], numbers.loc[1, "mo"], numbers.loc[2, "mo"] = 2.5, -1.0, np.inf
    assert score_eq5d(numbers, "uk_5l_2026", levels=LEVELS, impossible="missing").counts["impossible"] == 3


@pytest.mark.parametrize(
    "wrong", ["1123", "112345", "11116", "01111", "hello", 1123, 112345, 11116, 11111.5, True, -11111, 65536 + 11111]
)
def test_impossible_profiles(wrong: Any) -> None:
    for data in ([wrong, "11111"], pd.Series([wrong, 11111], dtype=object)):
        with pytest.raises(DataError, match="something else in 1 row"):
            score_eq5d(data, "uk_5l_2026")
        assert score_eq5d(data, "uk_5l_2026", impossible="missing").counts["impossible"] == 1


@pytest.mark.parametrize("wrong", [256 + 1, 65536 + 1, 2**40])
def test_large_levels_do_not_wrap_round(wrong: int) -> None:
    frame = made_up().assign(mo=wrong)
    with pytest.raises(DataError, match="500 rows"):
        score_eq5d(frame, "uk_5l_2026", levels=LEVELS)


def test_an_identifier_taken_for_a_profile_is_not_repeated() -> None:
    for data in (["AB123456C", "QQ987654A"], [10234, 20567]):
        with pytest.raises(DataError) as caught:
            score_eq5d(data, "uk_5l_2026")
        said = str(caught.value)
        assert not [value for value in data if str(value) in said]
        assert "found something else in 2 rows" in said
    frame = made_up().assign(mo="AB123456C")
    with pytest.raises(DataError, match="'something longer' 500 times"):
        score_eq5d(frame, "uk_5l_2026", levels=LEVELS)


def test_missing_codes_within_numbers_and_text_agree() -> None:
    for data in ([11911, 11111, 99999, 11811], ["11911", "11111", "99999", "11811"]):
        found = score_eq5d(np.array(data), "uk_5l_2026", missing=(9,), impossible="missing")
        assert found.counts == {"profiles": 4, "scored": 1, "missing": 2, "impossible": 1}
    assert score_eq5d(["99999"], "uk_5l_2026", missing=("99999",)).counts["missing"] == 1


def test_what_a_reader_should_know_is_said() -> None:
    assert "NICE" in " ".join(score_eq5d(["11111"], "england_5l_2018").remarks)
    frame = made_up(20).assign(visit=[None] + ["entry"] * 19)
    assert "1 rows do not say" in score_eq5d(frame, "uk_5l_2026", levels=LEVELS, visit="visit").remarks[-1]


def test_mixed_questionnaires_are_seen() -> None:
    five, three = made_up(), made_up(levels=3)
    with pytest.raises(DataError, match="levels 4 and 5 belong to the five-level"):
        score_eq5d(five, "uk_3l_1997", levels=LEVELS)
    with pytest.raises(DataError, match="does not have"):
        score_eq5d(five, "uk_3l_1997", levels=LEVELS, impossible="missing")
    assert score_eq5d(five, "uk_3l_1997", levels=LEVELS, impossible="missing", check_questionnaire=False).counts[
        "impossible"
    ]
    with pytest.raises(DataError, match="look like three-level answers"):
        score_eq5d(three, "uk_5l_2026", levels=LEVELS)
    assert score_eq5d(three, "uk_5l_2026", levels=LEVELS, check_questionnaire=False).counts["scored"] == 500
    few = score_eq5d(three.head(20), "uk_5l_2026", levels=LEVELS)
    assert "no level 4 or 5 among" in few.remarks[0]
    both = pd.concat([five.assign(visit="entry"), three.assign(visit="exit")])
    with pytest.raises(DataError, match="visit 'exit': no level 4 or 5"):
        score_eq5d(both, "uk_5l_2026", levels=LEVELS, visit="visit", unit="id")
    wide = five.assign(later=three["profile"])
    with pytest.raises(DataError, match="exit: no level 4 or 5"):
        score_eq5d(wide, "uk_5l_2026", visits={"entry": LEVELS, "exit": "later"})


def test_long_and_wide_visits_agree() -> None:
    first, second = made_up(seed=1), made_up(seed=2)
    second.loc[3, "profile"] = np.nan
    wide = first.assign(later=second["profile"])
    long = pd.concat([first.assign(visit="entry"), second.assign(visit="later")]).sample(frac=1, random_state=1)
    a = score_eq5d(wide, "uk_5l_2026", visits={"entry": LEVELS, "later": "later"}, unit="id")
    b = score_eq5d(long, "uk_5l_2026", profile="profile", visit="visit", unit="id")
    pd.testing.assert_frame_equal(a.wide().sort_index(), b.wide().sort_index())
    summary = a.summary()
    assert summary["scored"].tolist() == [500, 499]
    assert summary["missing"].tolist() == [0, 1]
    assert set(summary["value_set"]) == {"uk_5l_2026"}
    assert summary["citation"].str.contains("Rowen").all()
    assert set(a.frame()["version"]) == {"2026"}
    with pytest.raises(DataError, match="2 rows repeat"):
        score_eq5d(pd.concat([long, long.head(2)]), "uk_5l_2026", profile="profile", visit="visit", unit="id")


def test_what_is_not_clear_is_asked_about() -> None:
    frame = made_up()
    for options, said in (
        ({}, "in one way"),
        ({"levels": LEVELS, "profile": "profile"}, "in one way"),
        ({"levels": LEVELS[:4]}, "five columns"),
        ({"visits": {"a": "profile"}, "visit": "id"}, "wide table"),
    ):
        with pytest.raises(SpecError, match=said):
            score_eq5d(frame, "uk_5l_2026", **options)
    with pytest.raises(DataError, match=r'`profle` is missing from the data\. Did you mean "profile"'):
        score_eq5d(frame, "uk_5l_2026", profile="profle")
    with pytest.raises(SpecError, match="no frame"):
        score_eq5d(["11111"], "uk_5l_2026", profile="profile")
    assert score_eq5d([], "uk_5l_2026").counts["profiles"] == 0


# --- kernels and norms ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3124), st.integers(0, 3124)), min_size=1, max_size=40))
def test_paretian_classes_follow_their_definition(pairs: list[tuple[int, int]]) -> None:
    before, after = (np.array(side) for side in zip(*pairs, strict=True))
    table = level_table(5).astype(int)
    for code, (b, a) in zip(paretian_classes(before, after, 5), pairs, strict=True):
        step = table[a] - table[b]
        expected = {
            (False, False): "no problems" if a == b == 0 else "no change",
            (True, False): "improved",
            (False, True): "worsened",
            (True, True): "mixed",
        }[bool((step < 0).any()), bool((step > 0).any())]
        assert PARETIAN[code] == expected
    turned = paretian_classes(after, before, 5)
    swap = np.array([0, 1, 3, 2, 4])
    assert np.array_equal(turned, swap[paretian_classes(before, after, 5)])


def test_mcnemar_with_nobody_changing() -> None:
    assert np.isnan(mcnemar(0, 0)).all()
    assert mcnemar(3, 3) == (0.0, 1.0, 1.0)


def test_norms_belong_to_their_value_set() -> None:
    norms = load_population_norms("hse_2017_18_crosswalk")
    norms.check("crosswalk_uk_2012")
    with pytest.raises(SpecError, match="two value sets cannot be compared"):
        norms.check("uk_5l_2026")
    with pytest.raises(SpecError, match="hse_2017_18_crosswalk"):
        load_population_norms("hse_2012_14").check("crosswalk_uk_2012")
    with pytest.raises(SpecError, match=r'Did you mean "hse_2012_14"'):
        load_population_norms("hse_2012")
    found = norms.expected([16.9, 17.9, 18, 95, 15, np.nan, 40], ["female"] * 6 + ["other"])
    assert found[:4].tolist() == [0.8809, 0.8809, 0.8637, 0.6651]
    assert np.isnan(found[4:]).all()
    for name in list_population_norms()["id"]:
        table = load_population_norms(name).table()
        assert len(table) == 34
        assert table["mean_index"].between(0.6, 1).all()
