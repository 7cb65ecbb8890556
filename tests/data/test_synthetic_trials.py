"""Synthetic trials: reproducible, shaped as published where published, and calibrated to Table 1 (slow)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.data import (
    SYNTHETIC_TITLE,
    health_led_facts,
    health_led_facts_frame,
    synthetic_health_led_design,
    synthetic_health_led_trials,
)
from impactkit.data.synthetic_facts import GROUPS, fact
from impactkit.errors import SpecError
from impactkit.published import load

DOCS = Path(__file__).parents[2] / "docs"
ERRORS = 4.0  # a share of thousands of people, one seed: this many standard errors


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return synthetic_health_led_trials(seed=1)


def test_the_same_seed_gives_the_same_people(people: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(people, synthetic_health_led_trials(seed=1), check_exact=True)
    assert not people.equals(synthetic_health_led_trials(seed=2))
    for seed in (-1, 1.5, True, "1"):
        with pytest.raises(SpecError, match="seed"):
            synthetic_health_led_trials(seed)  # type: ignore[arg-type]


def test_group_sizes_are_published_and_add_up(people: pd.DataFrame) -> None:
    sizes = people["trial_group"].value_counts()
    assert {name: sizes[name] for name in GROUPS} == {"WMCA": 3675, "SCR IW": 2519, "SCR OOW": 3591}
    total = load("hlet.text").cell({"item": "People randomised, May 2018 to October 2019", "group": "All"}, "value")
    assert len(people) == total.value
    for name in GROUPS:
        arms = people.loc[people["trial_group"] == name, "arm"].value_counts()
        assert abs(arms["IPS"] - arms["usual"]) <= 1


def test_response_is_the_published_rate_and_lower_among_controls(people: pd.DataFrame) -> None:
    for column, months in (("confidence_4m", 4), ("health_12m", 12)):
        rate = fact(f"response at {months} months")
        answered = people[column].notna()
        assert abs(answered.mean() - rate) < ERRORS * np.sqrt(rate * (1 - rate) / len(people))
        by_arm = answered.groupby(people["arm"]).mean()
        assert by_arm["usual"] < by_arm["IPS"]
    assert people["wellbeing_12m"].notna().equals(people["health_12m"].notna())


def test_weights_bring_the_survey_back_to_everybody(people: pd.DataFrame) -> None:
    answered = people["health_12m"].notna()
    plain = people.loc[answered, "health_0m"].mean()
    weighted = np.average(people.loc[answered, "health_0m"], weights=people.loc[answered, "w_12m"])
    whole = people["health_0m"].mean()
    assert abs(weighted - whole) < 0.4 < plain - whole


def test_baseline_predicts_outcomes_and_half_have_six_conditions(people: pd.DataFrame) -> None:
    assert abs((people["conditions"] >= 6).mean() - 0.5) < ERRORS * 0.5 / np.sqrt(len(people))
    assert people["health_0m"].corr(people["health_12m"]) > 0.35
    assert people["wellbeing_0m"].corr(people["wellbeing_12m"]) > 0.3
    out_of_work = people[people["group"] == "OOW"]
    assert out_of_work["weeks_worked_2y"].corr(out_of_work["worked_13_weeks"]) > 0.15
    earned = out_of_work["earnings_12m"].dropna()
    assert 0.5 < (earned == 0).mean() < 0.8
    assert earned[earned > 0].skew() > 1
    assert (people.loc[people["arm"] == "usual", "enrolled"] == 0).all()
    assert 0.6 < people.loc[people["arm"] == "IPS", "enrolled"].mean() < 0.9


def test_every_constant_has_a_source_and_the_misprint_is_kept() -> None:
    assert all(one.source and one.status in ("published", "derived", "assumption") for one in health_led_facts())
    assert not health_led_facts_frame().duplicated(["name", "group"]).any()
    printed = [one for one in health_led_facts() if one.name == "impact on wellbeing, as printed"]
    assert [one.value for one in printed] == [0.9]
    used = next(one for one in health_led_facts() if (one.name, one.group) == ("impact on wellbeing", "WMCA"))
    assert used.value == pytest.approx(0.09)
    assert used.status == "assumption"
    assert "three stars" in used.source
    with pytest.raises(SpecError, match="no constant"):
        fact("impact on happiness")


def test_control_employment_follows_from_twenty_per_cent_more_likely() -> None:
    assert fact("control employment", "WMCA") == pytest.approx(0.04 / 0.20)
    low, high = 0.035 / 0.205, 0.045 / 0.195
    assert (round(low, 3), round(high, 3)) == (0.171, 0.231)


def test_every_output_says_synthetic(people: pd.DataFrame, tmp_path: Path) -> None:
    assert people["synthetic"].all()
    assert people["person_id"].str.startswith("synthetic-").all()
    assert people.attrs["title"] == SYNTHETIC_TITLE
    plan = ik.Plan(
        design=synthetic_health_led_design(),
        analyses=(ik.IntentToTreat(name="itt", outcome="employment"),),
        title=SYNTHETIC_TITLE,
    )
    ik.Evaluation.from_plan(plan, people).fit(seed=1).write(tmp_path)
    for name in ("report.html", "plan.toml"):
        assert "SYNTHETIC" in (tmp_path / name).read_text(encoding="utf-8")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trial_calibration", DOCS / "trial_calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _committed() -> pd.DataFrame:
    text = {"printed": str, "printed_stars": str}
    return pd.read_csv(DOCS / "trial-calibration.csv", keep_default_na=False, na_values={"target": [""]}, dtype=text)


def test_the_page_is_made_from_the_committed_table() -> None:
    script = _script()
    table = _committed()
    assert script.page(table) == (DOCS / "trial-calibration.md").read_text(encoding="utf-8")
    assert table["seeds"].eq(script.SEEDS).all()


@pytest.mark.slow
def test_means_over_seeds_are_table_1_within_monte_carlo_error() -> None:
    script = _script()
    table = script.summary(script.estimates(range(script.SEEDS)))
    print(script.page(table))
    targets = table[table["target"].notna()]
    assert len(targets) == 12
    assert (targets["mc_errors_off"].abs() <= script.CLOSE).all()
    # honest errors: the mean standard error is the spread of the estimates (its own error is 5% over 200 seeds)
    assert (table["mean_std_error"] / table["sd_of_estimates"]).between(0.84, 1.16).all()
    committed = _committed()
    # numpy's generators give the same draws everywhere; sums may differ in the last digits
    np.testing.assert_allclose(committed["mean"], table["mean"], rtol=1e-4, atol=1e-5)
