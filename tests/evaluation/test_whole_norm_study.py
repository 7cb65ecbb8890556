"""Every analysis of clients against a norm in one plan, on synthetic people: Python, plan file and report."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

import impactkit as ik
from impactkit.cli import app
from impactkit.data import synthetic_truth

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return load("fit_notes")


def test_nothing_failed_and_the_known_effect_is_within_the_interval(study: ModuleType) -> None:
    result = study.result
    assert result.manifest.failures == ()
    row = result["Weeks saved"].tidy().iloc[0]
    true = synthetic_truth(effect=0.8, horizon_weeks=study.HORIZON).iloc[0]["saved_weeks"]
    assert row["conf_low"] < true < row["conf_high"]
    assert row["conf_low"] > 0


def test_the_published_method_finds_a_gain_where_there_is_none_and_weeks_saved_does_not(study: ModuleType) -> None:
    rows = study.nothing.tidy()
    wrong = rows[(rows["term"] == "all recorded diagnoses") & (rows["measure"] == "signed_rank")]
    assert (wrong["p_value"] < 0.001).all()
    assert len(wrong) == 2
    right = rows[(rows["analysis"] == "Weeks saved") & (rows["term"] == "saved")].iloc[0]
    assert right["conf_low"] < 0 < right["conf_high"]


def test_weeks_saved_carry_their_interval_into_pounds(study: ModuleType) -> None:
    tidy = study.result.tidy()
    saved = tidy[(tidy["analysis"] == "Weeks saved") & (tidy["term"] == "saved")].iloc[0]
    pounds = tidy[(tidy["analysis"] == "Worth it?") & (tidy["measure"] == "net_benefit")].iloc[0]
    for column in ("estimate", "conf_low", "conf_high"):
        assert pounds[column] == pytest.approx(saved[column] * 5 * 90 - 584, rel=1e-9)


def test_script_plan_file_and_command_line_are_one_study(study: ModuleType, tmp_path: Path) -> None:
    assert ik.Plan.load(EXAMPLES / "fit_notes.toml") == study.plan
    result = study.main(tmp_path / "script")
    tables = [f"--data={name}={tmp_path / 'script' / name}.csv" for name in ("people", "fit_notes")]
    ran = CliRunner().invoke(
        app, ["run", str(EXAMPLES / "fit_notes.toml"), *tables, "--out", str(tmp_path / "line"), "--quiet"]
    )
    assert ran.exit_code == 0, ran.output
    script, line = ((tmp_path / folder / "tidy.csv").read_bytes() for folder in ("script", "line"))
    assert script == line
    report = (tmp_path / "line" / "report.html").read_text(encoding="utf-8")
    for heading in ("Time saved against the norm", "From fit notes to episodes", "The published comparison"):
        assert heading in report
    assert "Synthetic" in result.plan.title or "synthetic" in result.plan.title
    assert not any(str(name) in report for name in study.clients["client_id"].head(50))


def test_every_table_and_figure_of_the_study_can_be_asked_for_by_name(study: ModuleType) -> None:
    from impactkit.evaluation.exhibits import exhibits

    kinds = {getattr(analysis, "kind", "") for analysis in study.plan.analyses}
    shown = 0
    for exhibit in exhibits():
        if set(exhibit.kinds) <= kinds:
            for name in exhibit.table_names:
                assert study.result.to_table(name).rows()
                shown += 1
            for name in exhibit.figure_names:
                assert study.result.plot(name).axes
                shown += 1
    assert shown >= 15


def test_the_notebook_is_up_to_date() -> None:
    pytest.importorskip("nbclient", reason="group: dev")
    assert load("notebooks").main(check=True) == 0
