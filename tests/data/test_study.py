"""The same study from every container, and what it hands out."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from impactkit.data import ColumnNeed, StudyData, read_table
from impactkit.design import Outcome, Population, TrialDesign
from impactkit.errors import DataError, SpecError

OUTCOMES = ("employment", "health", "absence", "woman", "age")
NEEDS = [
    ColumnNeed("age", "numeric", 'analysis "itt"'),
    ColumnNeed("group", "factor", 'analysis "itt"'),
    ColumnNeed("woman", "any", 'analysis "itt"'),
    ColumnNeed("assessed", "any", 'analysis "itt"'),
]
CONTAINERS = (
    "pandas",
    "pandas nullable",
    "pandas arrow",
    "pandas objects",
    "pandas categories",
    "polars",
    "polars lazy",
    "polars enum",
    "pyarrow",
    "pyarrow chunks",
    "duckdb",
    "csv",
    "parquet",
    "parquet of categories",
    "parquet by polars",
)


@pytest.fixture
def full(people: pd.DataFrame) -> pd.DataFrame:
    people["assessed"] = pd.date_range("2019-01-01", periods=len(people))
    people.loc[5, "assessed"] = pd.NaT
    people["consent"] = [True, None, False] * 8
    people["job"] = ["sales", None, "care", "trade"] * 6
    return people


def container(kind: str, frame: pd.DataFrame, folder: Path) -> Any:
    """Put the same values in another container."""
    categories = frame.assign(**{name: frame[name].astype("category") for name in ("arm", "site", "group", "job")})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    chunks = pa.concat_tables([table.slice(0, 10), table.slice(10)])
    match kind:
        case "pandas":
            return frame
        case "pandas nullable":
            return frame.convert_dtypes()
        case "pandas arrow":
            return frame.convert_dtypes(dtype_backend="pyarrow")
        case "pandas objects":
            return frame.astype(object).where(frame.notna(), None)
        case "pandas categories":
            return categories
        case "polars":
            return pl.from_arrow(table)
        case "polars lazy":
            return pl.from_arrow(table).lazy()
        case "polars enum":
            return pl.from_arrow(table).with_columns(
                pl.col("arm").cast(pl.Enum(["IPS", "usual"])), pl.col("job").cast(pl.Categorical)
            )
        case "pyarrow":
            return table
        case "pyarrow chunks":
            names = ["arm", "site"]
            columns = zip(chunks.column_names, chunks.columns, strict=True)
            return pa.table({name: cells.dictionary_encode() if name in names else cells for name, cells in columns})
        case "duckdb":
            duckdb = pytest.importorskip("duckdb", reason="extra: data")
            return duckdb.from_arrow(table)
        case "csv":
            frame.to_csv(folder / "people.csv", index=False)
            return folder / "people.csv"
        case "parquet" | "parquet of categories":
            (categories if kind != "parquet" else frame).to_parquet(folder / "people.parquet", index=False)
            return str(folder / "people.parquet")
        case _:
            pl.from_arrow(table).write_parquet(folder / "people.parquet")
            return folder / "people.parquet"


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_gives_the_same_study(
    kind: str, full: pd.DataFrame, design: TrialDesign, tmp_path: Path
) -> None:
    first = StudyData.read(full, design, outcomes=OUTCOMES, needs=NEEDS)
    study = StudyData.read(container(kind, full, tmp_path), design, outcomes=OUTCOMES, needs=NEEDS)
    assert study.data_hash == first.data_hash
    assert study.units.tolist() == first.units.tolist()
    assert study.strata_labels == first.strata_labels
    for one, other in [(study.arm, first.arm), (study.strata, first.strata), (study.clusters, first.clusters)]:
        np.testing.assert_array_equal(one, other)
    for name in OUTCOMES:
        np.testing.assert_array_equal(study.outcome(name).values, first.outcome(name).values)
        assert study.outcome(name).spec == first.outcome(name).spec
    np.testing.assert_array_equal(study.outcome("health").weights, first.outcome("health").weights)
    for name in ("SCR OOW", "All OOW", "all"):
        np.testing.assert_array_equal(study.population(name), first.population(name))
    ours, theirs = study.covariates(["age", "job", "consent"]), first.covariates(["age", "job", "consent"])
    assert ours.names == theirs.names == ("age", "job[sales]", "job[trade]", "consent[True]")
    np.testing.assert_array_equal(ours.matrix, theirs.matrix)
    if kind != "csv":  # a CSV file has no dates, only their text
        np.testing.assert_array_equal(study.table("people")["assessed"], first.table("people")["assessed"])


@pytest.mark.parametrize("change", ["one cell", "one id", "row order", "column name"])
def test_the_hash_sees_every_change(change: str, people: pd.DataFrame, design: TrialDesign) -> None:
    first = StudyData.read(people, design, outcomes=["health"])
    assert StudyData.read(people.assign(unused=1), design, outcomes=["health"]).data_hash == first.data_hash
    if change == "one cell":
        people.loc[0, "health"] += 1e-9
    elif change == "one id":
        people.loc[0, "person_id"] = "p00"
    elif change == "row order":
        people = people.iloc[::-1]
    else:
        people = people.rename(columns={"practice": "gp"})
        design = design.replace(clusters="gp")
    assert StudyData.read(people, design, outcomes=["health"]).data_hash != first.data_hash


def test_inputs_are_left_alone_and_arrays_are_read_only(people: pd.DataFrame, design: TrialDesign) -> None:
    before = people.copy(deep=True)
    study = StudyData.read(people, design, outcomes=OUTCOMES)
    arrays = [
        study.units,
        study.arm,
        study.strata,
        study.clusters,
        study.population("SCR OOW"),
        study.population("all"),
        study.outcome("health").values,
        study.outcome("health").weights,
        study.outcome("health").eligible,
        study.numeric("age"),
        study.numeric("weeks_off"),
        study.factor("site").codes,
        study.covariates(["age", "site"]).matrix,
        study.table("people")["health"],
        study.table("people")["site"],
    ]
    for array in arrays:
        assert array is not None
        assert not array.flags.writeable
    pd.testing.assert_frame_equal(people, before)
    people.loc[0, "health"] = 1.0  # the user's own frame can still be written
    assert people["weeks_off"].to_numpy(copy=True).flags.writeable


def test_category_order_is_kept_where_there_is_one(people: pd.DataFrame, design: TrialDesign, tmp_path: Path) -> None:
    order = ["trade", "unused", "care", "sales"]
    jobs = ["sales", None, "care", "trade"] * 6
    declared = people.assign(job=pd.Categorical(jobs, categories=order))
    declared.to_parquet(tmp_path / "people.parquet")
    enum = pl.from_pandas(people).with_columns(pl.Series("job", jobs, dtype=pl.Enum(order)))
    enum.write_parquet(tmp_path / "polars.parquet")
    duckdb = pytest.importorskip("duckdb", reason="extra: data")
    connection = duckdb.connect()
    connection.register("arrow", pa.Table.from_pandas(people.assign(job=jobs), preserve_index=False))
    relation = connection.sql(f"select * exclude (job), job::enum{tuple(order)} as job from arrow")
    hashes = set()
    sources = [declared, enum, relation, tmp_path / "people.parquet", enum.lazy()]
    if pq.read_schema(tmp_path / "polars.parquet").field("job").type.ordered:  # polars 1.0 did not write the order
        sources.append(tmp_path / "polars.parquet")
    for data in sources:
        study = StudyData.read(data, design, needs=[ColumnNeed("job", "factor", "a test")])
        assert study.factor("job").labels == ("trade", "care", "sales")
        assert study.factor("job").codes.tolist() == [2, -1, 1, 0] * 6
        assert study.covariates(["job"]).names == ("job[care]", "job[sales]")
        hashes.add(study.data_hash)
    assert len(hashes) == 1


def test_categories_of_numbers_and_truth_values(people: pd.DataFrame, design: TrialDesign) -> None:
    people["band"] = pd.Categorical([3, 1, 2, None] * 6, categories=[3, 2, 1])
    people["flag"] = pd.Categorical([True, False] * 12)
    study = StudyData.read(people, design)
    np.testing.assert_array_equal(study.numeric("band")[:4], [3.0, 1.0, 2.0, np.nan])
    assert study.factor("band").labels == ("3", "2", "1")
    assert study.covariates(["band", "flag", "age"]).names == ("band[2]", "band[1]", "flag[True]", "age")
    assert study.factor("woman").labels == ("False", "True")


def test_factors_of_numbers_are_sorted_by_size(people: pd.DataFrame, design: TrialDesign) -> None:
    people["dose"] = [10, 9, 2.5, np.nan] * 6
    factor = StudyData.read(people, design).factor("dose")
    assert factor.labels == ("2.5", "9", "10")
    assert factor.codes.tolist() == [2, 1, 0, -1] * 6


def test_strata_of_several_columns(people: pd.DataFrame, design: TrialDesign) -> None:
    study = StudyData.read(people[people.index != 99], design.replace(strata=("site", "group")))
    assert study.strata_labels == (
        "site=SCR, group=IW",
        "site=SCR, group=OOW",
        "site=WMCA, group=IW",
        "site=WMCA, group=OOW",
    )
    assert study.strata is not None
    assert study.strata.tolist() == [1] * 6 + [0] * 6 + [3] * 6 + [2] * 6


def test_several_treated_arms(people: pd.DataFrame, design: TrialDesign) -> None:
    people["arm"] = ["IPS", "usual", "IPS-LITE"] * 8
    study = StudyData.read(people, design.replace(treated=("IPS-LITE", "IPS")))
    assert study.arm is not None
    assert study.arm.dtype == np.int8
    assert study.arm[:3].tolist() == [2, 0, 1]


def test_undeclared_outcomes_are_inferred_and_noted(people: pd.DataFrame, design: TrialDesign) -> None:
    study = StudyData.read(people.assign(never=np.nan), design, outcomes=["woman", "age", "worked", "never"])
    kinds = {name: study.outcome(name).spec.kind for name in ("woman", "age", "worked", "never")}
    assert kinds == {"woman": "binary", "age": "continuous", "worked": "binary", "never": "continuous"}
    assert study.notes[0] == 'outcome "woman" is not declared in the design and was read as binary'


def test_the_designs_weights_are_the_default_and_an_outcome_may_have_none(
    people: pd.DataFrame, design: TrialDesign
) -> None:
    people["w"] = 1.5
    outcomes = (
        Outcome(name="worked", kind="binary", weights=None),
        Outcome(name="health", kind="index", weights="w_12m"),
        Outcome(name="age", kind="continuous"),
    )
    study = StudyData.read(people, design.replace(weights="w", outcomes=outcomes), outcomes=["worked", "health", "age"])
    assert study.outcome("worked").weights is None
    np.testing.assert_array_equal(study.outcome("health").weights, people["w_12m"])
    np.testing.assert_array_equal(study.outcome("age").weights, people["w"])


def test_csv_files(people: pd.DataFrame, design: TrialDesign, tmp_path: Path) -> None:
    people["person_id"] = [f"{row:03d}" for row in range(24)]
    people["health"] = ["NA", "", "nan", *map(str, range(21))]
    people["w_12m"] = 1.0
    people["arm"] = ["None", "usual"] * 12  # a label that pandas would take for missing
    path = tmp_path / "people.csv"
    path.write_bytes(b"\xef\xbb\xbf" + people.to_csv(index=False).encode())
    study = StudyData.read(path, design.replace(treated="None"), outcomes=["health"])
    assert study.units[:2].tolist() == ["000", "001"]
    assert study.data_hash == StudyData.read(path, design.replace(treated="None"), outcomes=["health"]).data_hash
    assert study.notes == (
        "column `person_id` of the data has numbers with leading zeros and was read as text",
        'column `health` of the data: 2 cells with the text "NA" or "NaN" were read as missing',
    )


def test_covariates_that_cannot_be_one(people: pd.DataFrame, design: TrialDesign) -> None:
    people["seen"] = pd.date_range("2020-01-01", periods=24)
    with pytest.raises(DataError, match="holds dates"):
        StudyData.read(people, design).covariates(["seen"])
    many = pd.concat([people] * 10, ignore_index=True)
    many["person_id"] = [f"id{row}" for row in range(240)]
    with pytest.raises(DataError, match="240 levels") as caught:
        StudyData.read(many, design).covariates(["person_id"])
    assert "id1" not in str(caught.value)
    with pytest.raises(DataError, match=r"column `agee` is missing.*Did you mean"):
        StudyData.read(people, design).covariates(["agee"])
    assert StudyData.read(people, design).covariates([]).matrix.shape == (24, 0)


def test_levels_only_in_ignored_arms_get_no_dummy(people: pd.DataFrame, design: TrialDesign) -> None:
    people["job"] = ["care", "sales"] * 12
    extra = people.iloc[:1].assign(person_id="x", arm="pilot", job="art")
    everyone = pd.concat([people, extra], ignore_index=True)
    study = StudyData.read(everyone, design.replace(ignore_arms=("pilot",)))
    assert study.covariates(["job"]).names == ("job[sales]",)


def test_streams_follow_the_seed_and_the_name(people: pd.DataFrame, design: TrialDesign) -> None:
    study = StudyData.read(people, design)
    with pytest.raises(SpecError, match="no seed was given"):
        study.rng("bootstrap")
    seeded = study.with_seed(1)
    assert study.seed is None
    draws = seeded.rng("bootstrap").integers(0, 1000, 4).tolist()
    assert draws == seeded.with_seed(1).rng("bootstrap").integers(0, 1000, 4).tolist()
    assert draws != seeded.rng("permutation").integers(0, 1000, 4).tolist()
    assert draws != study.with_seed(2).rng("bootstrap").integers(0, 1000, 4).tolist()
    for wrong in (-1, 1.5, True, "1"):
        with pytest.raises(SpecError, match="whole number"):
            study.with_seed(wrong)  # type: ignore[arg-type]


def test_undeclared_populations_and_tables(people: pd.DataFrame, design: TrialDesign) -> None:
    study = StudyData.read(people, design)
    with pytest.raises(SpecError, match='Did you mean "SCR OOW"'):
        study.population("SCR OW")
    with pytest.raises(DataError, match='table "visits" is missing; the data have "people"'):
        study.table("visits")
    with pytest.raises(DataError, match="column `agee` is missing"):
        study.table("people")["agee"]


def test_one_of_several_values(people: pd.DataFrame, design: TrialDesign) -> None:
    both = design.replace(populations=(Population(name="some", where=(("practice", ("g0", "g5")),)),))
    assert StudyData.read(people, both).population("some").sum() == 8


def test_a_study_shows_no_record_and_travels_to_other_processes(people: pd.DataFrame, design: TrialDesign) -> None:
    for data in (people, pl.from_pandas(people)):
        study = StudyData.read(data, design, outcomes=["health"])
        assert repr(study) == f"StudyData(people: 24; seed=None; hash {study.data_hash[:12]})"
        again = pickle.loads(pickle.dumps(study))
        assert again.data_hash == study.data_hash
        np.testing.assert_array_equal(again.numeric("age"), study.numeric("age"))
    assert repr(read_table(people)) == "Columns(the data: 24 rows, 12 columns)"


def test_importing_the_room_loads_no_frame_library() -> None:
    code = "import impactkit.data, sys; print([m for m in ('pandas', 'narwhals', 'pyarrow') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
