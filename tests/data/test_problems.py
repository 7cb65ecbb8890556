"""Each problem alone, many at once, and never a record in a message."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impactkit.data import ColumnNeed, StudyData
from impactkit.design import (
    BeforeAfterDesign,
    Design,
    Link,
    NormDesign,
    Outcome,
    Population,
    TrialDesign,
)
from impactkit.errors import DataError

OUTCOMES = ("employment", "health", "absence")
Change = Callable[[pd.DataFrame], Any]


def problems(data: Any, design: Design, **options: Any) -> tuple[str, ...]:
    """Read and give the problems; fail if there are none."""
    with pytest.raises(DataError) as caught:
        StudyData.read(data, design, **options)
    return caught.value.problems


def with_cells(frame: pd.DataFrame, column: str, rows: list[int], value: Any) -> pd.DataFrame:
    """Give a copy with some cells set, whatever the column's type."""
    cells = frame[column].to_numpy(dtype=object, copy=True)
    for row in rows:
        cells[row] = value
    values = pd.Series(cells, index=frame.index).infer_objects()
    return frame.assign(**{column: values})


def need(column: str, role: Any = "numeric", table: str = "") -> ColumnNeed:
    return ColumnNeed(column, role, 'analysis "itt"', table)


def test_what_fits_is_accepted(people: pd.DataFrame, design: TrialDesign) -> None:
    assert StudyData.read(people, design, outcomes=OUTCOMES).n == len(people)


@pytest.mark.parametrize(
    ("column", "rows", "value", "said"),
    [
        ("arm", [0, 1, 2], "IPs", '3 rows say "IPs": recode them or list them in `ignore_arms`'),
        ("arm", [4, 5], None, "found it empty in 2 rows: fill them in or drop people who were never allocated"),
        ("person_id", [3], None, "1 row without an id"),
        ("person_id", [3, 5, 6], "p000", "found 1 id of `person_id` repeated over 4 rows"),
        (
            "site",
            [1, 2],
            None,
            "stratum column `site` of the data should be known for everybody; found it empty in 2 rows",
        ),
        (
            "practice",
            [7],
            None,
            "cluster column `practice` of the data should be known for everybody; found it empty in 1 row",
        ),
        ("worked", [1, 2], 2, "something else in 2 rows"),
        ("worked", [1], "yes", "found numbers"),
        ("health", [1, 3], np.inf, "should be finite"),
        ("weeks_off", [0, 1], -1.0, "negative values in 2 rows"),
        ("w_12m", [0, 1], None, "the outcome without a weight in 2 rows"),
        ("w_12m", [0], -0.5, "negative weights in 1 row"),
    ],
)
def test_each_fault_of_a_cell_is_counted(
    people: pd.DataFrame, design: TrialDesign, column: str, rows: list[int], value: Any, said: str
) -> None:
    found = problems(with_cells(people, column, rows, value), design, outcomes=OUTCOMES)
    if said == "found numbers":  # text and numbers in one column
        assert "found text in 1 rows, numbers in 23 rows" in found[0]
    else:
        assert any(said in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("values", "role", "said"),
    [
        (["1", "2", "x", None] * 6, "numeric", "not a number in 6 of 18 cells"),
        (["1", "2"] * 12, "numeric", "numbers stored as text in 24 cells"),
        ([1.0, 2.0, 0.0] * 8, "binary", "something else in 8 rows"),
        ([-1.0, 2.0, 0.0] * 8, "duration", "negative values in 8 rows"),
        ([1, 2, 3, 4] * 6, "eq5d3l", "EQ-5D-3L levels 1 to 3 or five-digit profiles"),
        ([1.0, 2.5, np.nan] * 8, "eq5d5l", "something else in 8 rows"),
        ([11111, 55555, 11116] * 8, "eq5d5l", "something else in 8 rows"),
        (["11111", "55555", "9"] * 8, "eq5d5l", "something else in 8 rows"),
        (pd.date_range("2020-01-01", periods=24), "numeric", "found dates"),
        (np.ones(24, dtype=complex), "numeric", "found complex numbers"),
        ([[1]] * 24, "any", "found values of type mixed"),
        (["a", 1, 2.5] * 8, "any", "found text in 8 rows, numbers in 16 rows"),
        (pd.to_timedelta(range(24), unit="D"), "duration", "found values of type timedelta64"),
    ],
)
def test_each_role_is_checked(people: pd.DataFrame, design: TrialDesign, values: Any, role: str, said: str) -> None:
    found = problems(people.assign(new=values), design, needs=[need("new", role)])
    assert len(found) == 1
    assert said in found[0]
    assert 'analysis "itt"' in found[0]


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ([1, 2, 3] * 8, "eq5d3l"),
        ([11111, 55555] * 12, "eq5d5l"),
        (["11111", None] * 12, "eq5d3l"),
        ([-3.0, np.nan] * 12, "money"),
        ([True, None] * 12, "binary"),
        ([None] * 24, "numeric"),
        (["a", None] * 12, "factor"),
    ],
)
def test_what_a_role_allows_passes(people: pd.DataFrame, design: TrialDesign, values: Any, role: str) -> None:
    StudyData.read(people.assign(new=values), design, needs=[need("new", role)])


def test_a_missing_column_is_one_sentence_naming_everyone_who_needs_it(
    people: pd.DataFrame, design: TrialDesign
) -> None:
    found = problems(people.rename(columns={"worked": "workd"}), design, outcomes=OUTCOMES, needs=[need("worked")])
    assert found == (
        'column `worked` is missing from the data; needed by outcome "employment" and analysis "itt".'
        ' Did you mean "workd"? Add the column or correct the name',
    )


def test_an_id_in_the_index_is_pointed_out(people: pd.DataFrame, design: TrialDesign) -> None:
    assert "reset_index()" in problems(people.set_index("person_id"), design)[0]


def test_a_column_that_is_there_twice(people: pd.DataFrame, design: TrialDesign) -> None:
    twice = pd.concat([people, people[["age"]]], axis=1)
    assert "is there more than once" in problems(twice, design, needs=[need("age")])[0]
    assert StudyData.read(twice, design).n == 24


def test_number_and_text_labels_are_told_apart(people: pd.DataFrame, design: TrialDesign) -> None:
    coded = people.assign(arm=[1, 0] * 12)
    found = problems(coded, design.replace(treated="1", control="0"))
    assert any("design names text" in sentence for sentence in found)
    for treated, control in [(1, 0), (1.0, 0.0), (True, False)]:
        assert StudyData.read(coded, design.replace(treated=treated, control=control)).arm is not None
    assert any("design names numbers" in sentence for sentence in problems(people, design.replace(treated=1)))


def test_an_arm_without_people(people: pd.DataFrame, design: TrialDesign) -> None:
    found = problems(people, design.replace(treated=("IPS", "usuall")))
    assert found == (
        'the design names the arm "usuall"; no row of `arm` in the data has it. Did you mean "usual"? '
        "Correct the label in the design or in the data",
    )


def test_labels_are_not_listed_when_the_arm_column_may_hold_identifiers(design: TrialDesign) -> None:
    many = pd.DataFrame({"person_id": range(200), "arm": [f"secret{row}" for row in range(200)], "site": "a"})
    found = problems(many.assign(practice=1, group="OOW"), design)
    assert "200 other labels, not shown" in found[0]
    assert "secret" not in " ".join(found)


def test_one_armed_strata_are_named_with_their_rows(people: pd.DataFrame, design: TrialDesign) -> None:
    people.loc[people["site"] == "WMCA", "arm"] = "usual"
    found = problems(people, design.replace(strata=("site", "group")))
    assert found == (
        "every stratum of the data should have control and treated people; found 2 of 4 without one of the two: "
        "site=WMCA, group=IW (6 rows, no treated); site=WMCA, group=OOW (6 rows, no treated). "
        "Merge strata as the allocation allows, or correct the arm or the strata",
    )


def test_ignored_arms_do_not_make_a_stratum_one_armed(people: pd.DataFrame, design: TrialDesign) -> None:
    extra = people.iloc[:2].assign(person_id=["x1", "x2"], arm="pilot", site=["only here", None], practice=None)
    study = StudyData.read(pd.concat([people, extra], ignore_index=True), design.replace(ignore_arms=("pilot",)))
    assert study.arm is not None
    assert study.strata is not None
    assert study.clusters is not None
    assert study.arm[-2:].tolist() == study.strata[-2:].tolist() == study.clusters[-2:].tolist() == [-1, -1]
    assert study.strata_labels == ("site=SCR", "site=WMCA")
    assert not study.population("SCR OOW")[-2:].any()
    assert study.population("all").sum() == 24
    assert study.notes == ("2 rows of the data left out because of `ignore_arms`",)


def test_a_population_of_a_value_that_never_occurs(people: pd.DataFrame, design: TrialDesign) -> None:
    found = problems(people, design.replace(populations=(Population(name="SCR OOW", where=(("group", "OWW"),)),)))
    assert found == (
        'population "SCR OOW" asks for group = "OWW"; no row of the data has it. Did you mean "OOW"? '
        "Correct the value in the design or in the data",
    )


def test_an_empty_population(people: pd.DataFrame, design: TrialDesign) -> None:
    where = (("site", "SCR"), ("practice", ("g4", "g5")))
    found = problems(people, design.replace(populations=(Population(name="none", where=where),)))
    assert found == (
        'population "none" should have people in it; no row of the data meets all its conditions on `site` and '
        "`practice`: change or remove it",
    )


def test_allocation_and_receipt(people: pd.DataFrame, design: TrialDesign) -> None:
    people["p"] = [0.5, 1.0, None, 0.0] * 6
    people["enrolled"] = [0, 1, 2, None] * 6
    found = problems(people, design.replace(allocation="p", receipt="enrolled"))
    assert any("should lie between 0 and 1; found other values in 12 rows" in sentence for sentence in found)
    assert any("should be known for everybody allocated; found it empty in 6 rows" in sentence for sentence in found)
    assert any(
        "should be 0 or 1 (the design's `receipt`); found something else in 6 rows" in sentence for sentence in found
    )
    assert len(found) == 3


def test_weights_count_only_where_the_outcome_is_observed_by_the_eligible(
    people: pd.DataFrame, design: TrialDesign
) -> None:
    health = Outcome(name="health", kind="index", weights="w_12m", eligible=(("site", "SCR"),))
    people.loc[people["site"] == "WMCA", "w_12m"] = -1.0
    column = StudyData.read(people, design.replace(outcomes=(health,)), outcomes=["health"]).outcome("health")
    assert column.eligible.tolist() == [True] * 12 + [False] * 12
    assert np.isnan(column.values[12:]).all()
    people["w_12m"] = 0.0
    assert "have weight 0" in problems(people, design.replace(outcomes=(health,)), outcomes=["health"])[0]


def test_text_outcomes(people: pd.DataFrame, design: TrialDesign) -> None:
    people["answer"] = ["yes", "no", None] * 8
    assert "declare it, for example" in problems(people, design, outcomes=["answer"])[0]
    plain = design.replace(outcomes=(Outcome(name="answer", kind="binary"),))
    assert "the outcome's `event`" in problems(people, plain, outcomes=["answer"])[0]
    absent = design.replace(outcomes=(Outcome(name="answer", kind="binary", event="YES"),))
    assert "no cell of column `answer` in the data holds it" in problems(people, absent, outcomes=["answer"])[0]
    good = design.replace(outcomes=(Outcome(name="answer", kind="binary", event="yes"),))
    values = StudyData.read(people, good, outcomes=["answer"]).outcome("answer").values
    np.testing.assert_array_equal(values[:3], [1.0, 0.0, np.nan])


def test_an_outcome_that_is_nowhere(people: pd.DataFrame, design: TrialDesign) -> None:
    assert problems(people, design, outcomes=["employmnt"]) == (
        'outcome "employmnt" should be declared in the design or be a column of the data; it is neither. '
        'Did you mean "employment"? Declare it or correct the name',
    )


def test_outcomes_not_announced_are_checked_when_asked_for(people: pd.DataFrame, design: TrialDesign) -> None:
    study = StudyData.read(with_cells(people, "worked", [0], 7), design)
    with pytest.raises(DataError, match="found something else in 1 row"):
        study.outcome("employment")
    with pytest.raises(DataError, match="neither"):
        study.outcome("nothing")
    without = StudyData.read(people.drop(columns="w_12m"), design)
    with pytest.raises(DataError, match="column `w_12m` is missing"):
        without.outcome("health")


def test_empty_tables(people: pd.DataFrame, design: TrialDesign) -> None:
    assert problems(people.iloc[:0], design) == (
        "the data should have at least one row and has none: check the file or the filter that made it",
    )


class TestSeveralTables:
    @pytest.fixture
    def linked(self, design: TrialDesign) -> TrialDesign:
        return design.replace(links=(Link(table="visits", unit="pid"),))

    @pytest.fixture
    def visits(self) -> pd.DataFrame:
        return pd.DataFrame({"pid": ["p000", "p000", "p001"], "week": [0.0, 4.0, 0.0], "practice": ["g0", "g0", "g0"]})

    def test_what_fits(self, people: pd.DataFrame, visits: pd.DataFrame, linked: TrialDesign) -> None:
        study = StudyData.read({"people": people, "visits": visits}, linked, needs=[need("week", "duration", "visits")])
        assert study.person_rows("visits").tolist() == [0, 0, 1]
        assert study.numeric("week", "visits").tolist() == [0.0, 4.0, 0.0]
        assert study.table("visits")["pid"].tolist() == ["p000", "p000", "p001"]
        assert dict(study.table("people")).keys() == set(people.columns)

    def test_the_plan_of_a_larger_study_runs_on_the_people_alone(
        self, people: pd.DataFrame, linked: TrialDesign
    ) -> None:
        assert StudyData.read(people, linked).n == 24

    def test_missing_tables(self, people: pd.DataFrame, visits: pd.DataFrame, linked: TrialDesign) -> None:
        assert problems({"people": people, "visit": visits}, linked) == (
            'table "visits" is missing; needed by the link to table "visits"; the data have "people", "visit". '
            'Did you mean "visit"? Give data as a mapping of names to tables that has it',
        )
        asked = problems(people, linked, needs=[need("week", "duration", "visits")])
        assert 'needed by the link to table "visits" and analysis "itt"' in asked[0]
        assert 'person table is "people"; the data have tables "visits"' in problems({"visits": visits}, linked)[0]

    def test_strangers_and_rows_without_id(
        self, people: pd.DataFrame, visits: pd.DataFrame, linked: TrialDesign
    ) -> None:
        visits["pid"] = [None, "zz", "p001"]
        found = problems({"people": people, "visits": visits}, linked)
        assert any("1 row without an id" in sentence for sentence in found)
        assert any("1 id in 1 row that it lacks" in sentence for sentence in found)
        assert "zz" not in " ".join(found)

    def test_ids_stored_differently(self, people: pd.DataFrame, visits: pd.DataFrame, linked: TrialDesign) -> None:
        found = problems({"people": people, "visits": visits.assign(pid=[1, 2, 3])}, linked)
        assert found[0].startswith("ids should be stored alike")

    def test_a_unit_in_two_clusters(self, people: pd.DataFrame, visits: pd.DataFrame, linked: TrialDesign) -> None:
        visits["practice"] = ["g0", "g1", "g0"]
        assert "1 id of `pid` in table" in problems({"people": people, "visits": visits}, linked)[0]
        people = with_cells(people, "person_id", [23], "p000")
        found = problems(people, linked)
        assert len(found) == 2
        assert "1 id of `person_id` in the data with several values of `practice`" in found[1]

    def test_integer_ids(self, people: pd.DataFrame, visits: pd.DataFrame, linked: TrialDesign) -> None:
        long = 2**60 + np.arange(24)  # longer than a float64 can tell apart
        people = people.assign(person_id=long)
        study = StudyData.read({"people": people, "visits": visits.assign(pid=long[[5, 5, 7]])}, linked)
        assert study.person_rows("visits").tolist() == [5, 5, 7]
        assert study.units.tolist() == long.tolist()


def test_other_designs() -> None:
    clients = pd.DataFrame(
        {"id": [1, 2, 3], "e": [8.0, 8.0, 2.0], "d": [10.0, 6.0, np.nan], "r": [1, 0, 3], "area": ["a", "b", "a"]}
    )
    norm = NormDesign(unit="id", entry="e", duration="d", returned="r", norm_by=("area",))
    found = problems(clients, norm)
    assert len(found) == 2
    assert "found something else in 1 row" in found[0]
    assert "cannot be shorter than `e`" in found[1]
    study = StudyData.read(clients.assign(r=[1, 0, 1], d=10.0), norm)
    assert study.arm is None
    assert study.population("all").all()
    before_after = BeforeAfterDesign(unit="id", before="e", after="x")
    assert "`after`" in problems(clients, before_after)[0]
    long = before_after.replace(before="entry", after="exit", links=(Link(table="visits"),))
    visits = pd.DataFrame({"id": [1, 1], "visit": ["entry", "exit"]})
    assert StudyData.read({"people": clients, "visits": visits}, long).n == 3


def test_many_problems_come_in_one_error(people: pd.DataFrame, design: TrialDesign) -> None:
    people = people.rename(columns={"practice": "practise"})
    people = with_cells(people, "arm", [0], "IPs")
    people = with_cells(people, "person_id", [3], "p000")
    people = with_cells(people, "worked", [1], 9)
    with pytest.raises(DataError) as caught:
        StudyData.read(people, design, outcomes=OUTCOMES, needs=[need("mobility", "eq5d3l")])
    assert str(caught.value) == MANY


MANY = """\
5 problems with the data:
  1. column `practice` is missing from the data; needed by the design's `clusters`. Did you mean "practise"? \
Add the column or correct the name
  2. column `mobility` of the data should hold EQ-5D-3L levels 1 to 3 or five-digit profiles (analysis "itt"); \
found something else in 7 rows: correct them, leave missing answers empty, and check that the questionnaire was the \
3-level one
  3. the data should have one row per person; found 1 id of `person_id` repeated over 2 rows: keep one row each, or \
give the long table under its own name with a link
  4. arm column `arm` of the data should hold "IPS", "usual"; 1 row says "IPs": recode them or list them in \
`ignore_arms`
  5. column `worked` of the data should be 0 or 1 (outcome "employment"); found something else in 1 row: recode it \
(empty where not known), or say which value counts as 1 with the outcome's `event`"""


def test_no_person_data(design: TrialDesign) -> None:
    study = StudyData.read(None, design)
    assert study.n == 0
    for ask in (
        lambda: study.population("all"),
        lambda: study.arm,
        lambda: study.outcome("health"),
        lambda: study.numeric("age"),
        lambda: study.covariates(["age"]),
        lambda: study.table("people"),
    ):
        with pytest.raises(DataError, match="no person data"):
            ask()
    assert (
        'needed by analysis "itt", outcome "health"'
        in problems(None, design, needs=[need("age")], outcomes=["health"])[0]
    )


def test_what_is_no_table_is_refused(design: TrialDesign, tmp_path: Any) -> None:
    assert "is of type list" in problems([1, 2], design)[0]
    assert 'table "people" is of type list' in problems({"people": [1]}, design)[0]
    assert "is not there" in problems("nowhere.csv", design)[0]
    assert "give a .csv or .parquet file" in problems("data.xlsx", design)[0]
    for content, said in [
        (b"", "is empty"),
        (b"a,b\n1,2\n1,2,3\n", "more cells than its first line"),
        ("name\nZoë\n".encode("latin-1"), "not UTF-8"),
    ]:
        path = tmp_path / "broken.csv"
        path.write_bytes(content)
        assert said in problems(path, design)[0]
    (tmp_path / "broken.parquet").write_bytes(b"no")
    assert "is not a Parquet file" in problems(tmp_path / "broken.parquet", design)[0]


SECRET = "Zq7-secret"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    column=st.sampled_from(["person_id", "worked", "health", "w_12m", "weeks_off", "age", "practice"]),
    rows=st.lists(st.integers(0, 23), min_size=1, max_size=24),
    role=st.sampled_from(["numeric", "factor", "any", "binary", "money", "duration", "eq5d3l", "eq5d5l"]),
    everywhere=st.booleans(),
)
def test_no_record_is_ever_echoed(
    people: pd.DataFrame, design: TrialDesign, column: str, rows: list[int], role: Any, everywhere: bool
) -> None:
    broken = with_cells(people, column, list(range(24)) if everywhere else rows, SECRET)
    broken = with_cells(broken, "arm", [0], None)  # so that there is always an error
    visits = pd.DataFrame({"person_id": [SECRET, "p001"]})
    found = problems(
        {"people": broken, "visits": visits},
        design.replace(links=(Link(table="visits"),)),
        outcomes=[*OUTCOMES, column],
        needs=[need(column, role)],
    )
    assert SECRET not in " ".join(found)
