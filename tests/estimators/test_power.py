"""Power and minimum detectable effects as analyses of a plan: rows, tables, figure, files and command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import impactkit as ik
from impactkit.analysis import Analysis
from impactkit.data import StudyData
from impactkit.design.base import Spec
from impactkit.errors import SpecError
from impactkit.estimators import MinimumDetectableEffect
from impactkit.inference import detectable_multiplier, t_power
from impactkit.report import figure_bytes, power_alt_text, power_curves
from impactkit.results import Estimates, RowKey

PLAN = ik.PowerDesign(name="all take part", outcome="work", n=800, control_rate=0.30, effect=0.10)
SCENARIOS = (
    PLAN,
    PLAN.replace(name="6 in 10 do", take_up=0.6),
    ik.PowerDesign(
        name="job centres", outcome="work", clusters=40, cluster_size=30, icc=0.03, control_rate=0.3, effect=0.1
    ),
)


def fit(*analyses: Analysis) -> ik.EvaluationResult:
    return ik.Evaluation(None, None, list(analyses)).fit(strict=True)


def people(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    site, arm = np.arange(n) % 3, np.arange(n) // 3 % 2
    work = (rng.random(n) < 0.3 + 0.05 * arm).astype(int)
    return pd.DataFrame({"id": np.arange(n), "arm": arm, "site": site, "work": work, "pay": rng.gamma(2, 6000, n)})


DESIGN = ik.TrialDesign(
    unit="id",
    arm="arm",
    treated=1,
    control=0,
    strata=("site",),
    outcomes=(ik.Outcome(name="work", kind="binary"), ik.Outcome(name="pay", kind="money")),
    populations=(
        ik.Population(name="north", where=(("site", (0, 1)),)),
        ik.Population(name="south", where=(("site", 2),)),
    ),
)
ITT = ik.IntentToTreat(name="itt", outcome=("work", "pay"))


def test_each_effect_gets_a_row_that_keeps_its_place() -> None:
    result = ik.Evaluation(DESIGN, people(), [ITT, ik.MinimumDetectableEffect(name="mde", of="itt")]).fit(strict=True)
    tidy = result.tidy()
    effects, found = tidy[tidy["measure"] == "difference"], tidy[tidy["analysis"] == "mde"]
    names = ["outcome", "population", "term", "unit", "df", "n"]
    assert effects[names].values.tolist() == found[names].values.tolist()
    assert set(found["measure"]) == {"minimum_detectable_effect"}
    chance = t_power(found["estimate"].to_numpy() / effects["std_error"].to_numpy(), effects["df"])
    assert np.allclose(chance, 0.8, atol=1e-8)
    glance = result["mde"].glance()
    assert list(glance["evidence"].unique()) == ["randomised"]
    assert glance["n_analysed"].tolist() == result["itt"].glance()["n_analysed"].tolist()
    said = " ".join(result["mde"].notes()["reason"])
    assert "it is not observed power" in said


def test_options_move_the_detectable_effect() -> None:
    analyses = [
        ITT,
        ik.MinimumDetectableEffect(name="usual", of="itt"),
        ik.MinimumDetectableEffect(name="strict", of="itt", alpha=0.01, power=0.9),
    ]
    tidy = ik.Evaluation(DESIGN, people(), analyses).fit(strict=True).tidy()
    usual, strict = (tidy[tidy["analysis"] == name] for name in ("usual", "strict"))
    ratio = detectable_multiplier(usual["df"], alpha=0.01, power=0.9) / detectable_multiplier(usual["df"])
    assert np.allclose(strict["estimate"].to_numpy() / usual["estimate"].to_numpy(), ratio)
    with pytest.raises(SpecError, match="more than `alpha`"):
        ik.MinimumDetectableEffect(name="x", of="itt", alpha=0.1, power=0.05)


def made_up(measure: str, *, error: float = 0.2, df: float = np.inf) -> Estimates:
    key = RowKey("made", "work", "all", "IPS", measure, "ratio")
    looks = [{"analysis": "made", "outcome": "work", "population": "all", "evidence": "randomised"}]
    return Estimates.build(keys=[key], working=[0.1], working_se=[error], df=[df], n=[100.0], glances=looks)


def test_ratios_are_detectable_ratios() -> None:
    spec = MinimumDetectableEffect(name="mde", of="made")
    study = StudyData.read(None, DESIGN)
    found = spec.run(study, {"made": made_up("odds_ratio")})
    assert found.keys[0] == RowKey("mde", "work", "all", "IPS", "minimum_detectable_ratio", "odds ratio")
    assert found.numbers["estimate"][0] == pytest.approx(np.exp(0.2 * 2.8015818), rel=1e-7)
    empty = spec.run(study, {"made": made_up("ratio")})  # the ratio of two estimates has no value of no difference
    assert len(empty) == 0
    assert any("no effect that is tested" in note.reason for note in empty.remarks)
    unknown = spec.run(study, {"made": made_up("risk_ratio", error=np.nan)})
    assert np.isnan(unknown.numbers["estimate"][0])
    assert any(note.column == "estimate" for note in unknown.remarks)


def test_detectable_effects_stand_beside_the_effects() -> None:
    result = ik.Evaluation(DESIGN, people(), [ITT, ik.MinimumDetectableEffect(name="mde", of="itt")]).fit(strict=True)
    table = result.to_table("detectable")
    assert [column.label for column in table.columns][-1] == "Minimum detectable effect"
    assert [group.label for group in table.groups] == ["work (percentage points)", "pay (£)"]
    cells = [[cell.text for cell in row.cells] for group in table.groups for row in group.rows]
    assert len(cells) == 4
    assert all(text.startswith("£") for text in (cells[2][3], cells[3][3]))
    assert table.notes[0].startswith("Minimum detectable effect: 80% power at the 0.05 level")
    alone = result["mde"].to_table("detectable")
    assert [cell.kind for cell in alone.groups[0].rows[0].cells] == ["blank", "blank", "blank", "number"]
    with pytest.raises(SpecError, match="needs a MinimumDetectableEffect"):
        result["itt"].to_table("detectable")
    with pytest.raises(SpecError, match="needs a Power"):
        result.to_table("power")


def test_small_counts_withhold_the_detectable_effect_too() -> None:
    few = people(24)
    result = ik.Evaluation(DESIGN, few, [ITT, ik.MinimumDetectableEffect(name="mde", of="itt")]).fit(strict=True)
    kinds = {cell.kind for row in result.to_table("detectable").groups[0].rows for cell in row.cells[3:]}
    assert kinds == {"suppressed"}


def test_scenarios_give_what_their_designs_give() -> None:
    result = fit(ik.Power(name="power", scenarios=SCENARIOS))
    tidy = result.tidy().set_index(["population", "term"])["estimate"]
    for plan in SCENARIOS:
        assert tidy[plan.name, "planned"] == plan.size
        assert tidy[plan.name, "power"] == pytest.approx(float(plan.power()))
        whole = float(plan.minimum_detectable_effect())
        assert tidy[plan.name, "allocation"] == pytest.approx(whole * plan.dilution)
        assert tidy[plan.name, "required"] == plan.required_size()
    assert tidy["6 in 10 do", "taking part"] == pytest.approx(tidy["6 in 10 do", "allocation"] / 0.6)
    assert ("all take part", "taking part") not in tidy.index
    missing = result.tidy()
    reasons = result.notes()
    for column in ("std_error", "n"):
        assert missing[column].isna().all()
        assert (reasons["column"] == column).sum() == len(missing)


def test_a_scenario_may_lack_its_size_or_its_effect() -> None:
    sizeless = ik.PowerDesign(name="how many?", effect=0.2)
    rows = fit(ik.Power(name="power", scenarios=(sizeless,), curve="size")).tidy()
    assert rows["term"].tolist() == ["required"]
    rows = fit(ik.Power(name="power", scenarios=(ik.PowerDesign(name="what?", n=200),))).tidy()
    assert rows["term"].tolist() == ["planned", "allocation"]
    rows = fit(ik.Power(name="power", scenarios=(ik.PowerDesign(name="few", n=12, control_rate=0.9),)))
    assert "falls short" in " ".join(rows.notes()["reason"])
    with pytest.raises(SpecError, match="needs `n` or `clusters` for a curve"):
        ik.Power(name="power", scenarios=(sizeless,))
    with pytest.raises(SpecError, match='two scenarios are called "all take part"'):
        ik.Power(name="power", scenarios=(PLAN, PLAN))


def test_the_table_of_scenarios() -> None:
    table = fit(ik.Power(name="power", scenarios=SCENARIOS)).to_table("power")
    rows = {row.label: [cell.text for cell in row.cells] for group in table.groups for row in group.rows}
    chance, smallest = f"{float(PLAN.power()):.1%}", f"{100 * float(PLAN.minimum_detectable_effect()):.1f} ppt"
    assert rows["all take part"] == ["800 people", chance, smallest, "–", f"{PLAN.required_size():,} people"]
    assert rows["job centres"][0] == "40 clusters"
    assert "there are no data behind it" in " ".join(table.notes)


def test_curves_mark_where_the_power_sought_is_reached() -> None:
    figure = fit(ik.Power(name="power", scenarios=SCENARIOS)).plot("power")
    (axes,) = figure.axes
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [float(line.get_xdata()[0]) for line in marks] == pytest.approx(
        [float(plan.minimum_detectable_effect()) for plan in SCENARIOS]
    )
    assert len({line.get_color() for line in marks}) == len({line.get_marker() for line in marks}) == 3
    said = [text.get_text() for text in figure.texts]
    assert {"all take part", "6 in 10 do", "job centres"} <= set(said)
    first, second = (figure_bytes(power_curves(SCENARIOS)) for _ in range(2))
    assert first == second


def test_curves_against_the_sample() -> None:
    result = fit(ik.Power(name="power", scenarios=SCENARIOS, curve="size"))
    (axes,) = result.plot("power").axes
    assert axes.get_xlabel() == "People randomised"  # people and clusters meet in people
    needed = SCENARIOS[2].required_size()
    assert needed is not None
    assert axes.get_xlim()[1] > needed * 30
    clusters = power_curves(SCENARIOS[2:], against="size")
    assert clusters.axes[0].get_xlabel() == "Clusters randomised"
    words = power_alt_text(SCENARIOS, against="size")
    start = f"Power curves against people randomised. all take part: 80% power at {PLAN.required_size()};"
    assert words.startswith(start)


def test_curves_that_cannot_be_drawn_say_why() -> None:
    pounds = ik.PowerDesign(name="pay", n=400, sd=9_000.0, unit="GBP", effect=900.0)
    with pytest.raises(SpecError, match="do not share an axis"):
        power_curves((PLAN, pounds))
    with pytest.raises(SpecError, match="nothing to draw"):
        power_curves(())
    with pytest.raises(SpecError, match="needs an `effect`"):
        power_curves((ik.PowerDesign(name="x", n=100),), against="size")
    out_of_reach = ik.PowerDesign(name="few", n=12, control_rate=0.9)
    assert power_alt_text((out_of_reach,)).endswith("few: 80% power is not reached.")
    power_curves((out_of_reach,))
    assert "£" in power_alt_text((pounds,))
    with pytest.raises(SpecError, match="has 0: add a Power analysis"):
        ik.Evaluation(DESIGN, people(), [ITT]).fit().plot("power")
    two = fit(ik.Power(name="a", scenarios=(PLAN,)), ik.Power(name="b", scenarios=(PLAN,)))
    with pytest.raises(SpecError, match=r'for example result\["a"\]'):
        two.plot("power")
    two["b"].plot("power")
    with pytest.raises(SpecError, match=r"There are: forest, love, flow, .*power"):
        two.plot("curves")


def test_a_plan_file_with_power_alone_runs_from_the_command_line(tmp_path: Path) -> None:
    from impactkit.cli import app

    plan = ik.Plan(title="How many?", analyses=(ik.Power(name="power", scenarios=SCENARIOS),))
    path = plan.save(tmp_path / "plan.toml")
    assert ik.Plan.load(path) == plan
    called = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert called.exit_code == 0, called.output
    assert "Power of planned studies" in called.output
    written = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.*")}
    assert {"figures/power.svg", "figures/power.png", "figures/power.txt", "tables/power.csv"} <= written
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Power curves against the true effect of taking part, percentage points." in report
    assert "From published counts" not in report


def test_effects_and_plans_share_a_report(tmp_path: Path) -> None:
    analyses = [ITT, ik.MinimumDetectableEffect(name="mde", of="itt"), ik.Power(name="next", scenarios=(PLAN,))]
    result = ik.Evaluation(DESIGN, people(), analyses).fit(strict=True)
    names = {path.name for path in result.write(tmp_path / "out")}
    assert {"forest.svg", "power.svg", "detectable.csv", "power.csv", "impacts.csv"} <= names
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What the study could have found" in report


def test_specifications_survive_a_plan_file() -> None:
    specs: list[Spec] = [
        ik.MinimumDetectableEffect(name="mde", of="itt", power=0.9),
        ik.Power(name="power", scenarios=SCENARIOS, curve="size"),
    ]
    for spec in specs:
        assert type(spec).from_dict(spec.to_dict()) == spec


def test_the_documented_example_has_its_numbers() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    table = ik.Evaluation.from_plan(ik.Plan.load(docs / "power.toml")).fit(strict=True).to_table("power")
    said = (docs / "power.md").read_text(encoding="utf-8")
    for row in table.rows():
        assert f"| {row.label} | {' | '.join(cell.text for cell in row.cells)} |" in said
