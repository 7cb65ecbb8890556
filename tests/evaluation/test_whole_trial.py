"""One plan with every analysis a trial report needs, on synthetic people: it runs, is saved, and is written whole."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import impactkit as ik
from impactkit.cli import app
from impactkit.data.synthetic_trials import synthetic_health_led_design, synthetic_health_led_trials

AGE = ("age",)


def plan() -> ik.Plan:
    return ik.Plan(
        title="Synthetic Health-led Employment Trials",
        design=synthetic_health_led_design(),
        analyses=(
            ik.IntentToTreat(name="itt", outcome=("employment", "earnings"), covariates=AGE),
            ik.BinaryEffect(name="binary", outcome="employment", covariates=AGE, populations=("WMCA",)),
            ik.ComplierEffect(name="complier", outcome="employment", covariates=AGE, populations=("WMCA",)),
            ik.TakeUp(name="take-up", populations=("WMCA",)),
            ik.StandardisedEffect(name="sd", outcome=("health", "wellbeing"), covariates=AGE),
            ik.Multiplicity(name="families", of=("itt", "sd"), draws=199),
            ik.Balance(name="balance", covariates=("age", "sex"), populations=("WMCA",)),
            ik.Flow(name="flow", analyses=("itt", "sd"), covariates=AGE, populations=("WMCA",)),
            ik.MinimumDetectableEffect(name="mde", of="itt"),
            ik.Subgroups(name="by sex", outcome="employment", by="sex", populations=("WMCA",)),
            ik.MoneyOutcome(name="money", outcome="earnings", top_code=0.99, populations=("WMCA",)),
            ik.Attrition(name="attrition", outcome="health", covariates=("age", "sex"), populations=("WMCA",)),
            ik.CrossTab(name="who works", outcome="employment", by="sex", ignore=("strata",), populations=("WMCA",)),
        ),
    )


@pytest.fixture(scope="module")
def result() -> ik.EvaluationResult:
    return ik.Evaluation.from_plan(plan(), synthetic_health_led_trials(1)).fit(seed=1, strict=True)


def test_nothing_fails_and_the_plan_comes_back(result: ik.EvaluationResult, tmp_path: Path) -> None:
    assert result.manifest.failures == ()
    assert result.manifest.warnings == ()
    assert ik.Plan.load(plan().save(tmp_path / "plan.toml")) == plan()


@pytest.mark.parametrize("name", ["impacts", "balance", "flow", "attrition", "detectable", "tidy", "glance"])
def test_every_table_prints(result: ik.EvaluationResult, name: str) -> None:
    assert len(result.to_table(name).to_text().splitlines()) > 5


@pytest.mark.parametrize("name", ["forest", "love", "flow", "attrition"])
def test_every_figure_draws(result: ik.EvaluationResult, name: str) -> None:
    assert result.plot(name).axes


def test_adjusted_p_values_stand_beside_raw_ones_in_the_impact_table(result: ik.EvaluationResult) -> None:
    text = result.to_table("impacts").to_text()
    assert "djusted" in text
    assert len(result.adjusted()) > 0


def test_the_command_line_writes_it_whole(tmp_path: Path) -> None:
    plan().save(tmp_path / "plan.toml")
    synthetic_health_led_trials(1).to_csv(tmp_path / "people.csv", index=False)
    words = ["run", str(tmp_path / "plan.toml"), "--data", str(tmp_path / "people.csv"), "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(app, [*words, "--quiet"])
    assert ran.exit_code == 0, ran.output
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for heading in ("Effects", "Missing outcomes", "Power", "Who was analysed"):
        assert heading in page
    assert (tmp_path / "out" / "adjusted.csv").exists()
