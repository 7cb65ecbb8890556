"""The synthetic trial runs as a script and from its plan, and everything it writes says that it is synthetic."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from typer.testing import CliRunner

from impactkit.cli import app
from impactkit.cli.trials import health_led_plan

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "src" / "impactkit" / "cli" / "plans" / "health_led_trials.toml"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("health_led_trials", ROOT / "examples" / "health_led_trials.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_script_and_shipped_plan_are_one_plan(example: ModuleType) -> None:
    assert health_led_plan() == example.plan


def test_script_then_command_line_give_the_same_figures(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script"
    result = example.main(script)
    assert not result.manifest.failures
    assert not result.manifest.warnings
    assert "SYNTHETIC" in capsys.readouterr().out
    arguments = ["--data", str(script / "people.csv"), "--out", str(tmp_path / "line"), "--quiet"]
    ran = CliRunner().invoke(app, ["run", str(PLAN), *arguments])
    assert ran.exit_code == 0, ran.output
    assert (script / "tidy.csv").read_bytes() == (tmp_path / "line" / "tidy.csv").read_bytes()
    silent = [
        path.name
        for path in script.rglob("*")
        if path.suffix in (".csv", ".html", ".toml") and "synthetic" not in path.read_text("utf-8").lower()
    ]
    assert not silent, "these files do not say that the people are synthetic"
    assert pd.read_csv(script / "people.csv")["synthetic"].all()
