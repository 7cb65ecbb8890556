"""ParametricDuration: its rows are what the kernels say, and what cannot be given says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.compute.survival.parametric import Times, fit_parametric, model_of
from impactkit.compute.survival.parametric_quantities import Averaged
from impactkit.errors import AnalysisError, SpecError
from impactkit.report.figures_parametric import parametric_alt_text, parametric_figure
from impactkit.report.tables_durations import durations_table

DESIGN = ik.NormDesign(unit="id", entry="seen", duration="off", returned="back")


def clients(n: int = 400, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    weeks = np.exp(rng.normal(2.2, 0.9, n))
    seen = rng.uniform(0.5, 8, n)
    end = seen + rng.uniform(6, 30, n)
    kept = weeks > seen
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "seen": seen,
            "off": np.minimum(weeks, end),
            "back": (weeks <= end).astype(int),
            "arm": rng.choice(["usual", "support"], n),
            "age": rng.integers(20, 60, n),
            "adviser": rng.integers(0, 15, n),
            "w": rng.uniform(0.5, 2, n),
        }
    )
    return frame[kept].reset_index(drop=True)


def rows(design: Any, frame: pd.DataFrame, **options: Any) -> ik.EvaluationResult:
    spec = ik.ParametricDuration(name="d", **{"horizon": 20.0, "models": ("weibull",), **options})
    return ik.Evaluation(design, frame, [spec]).fit(seed=1, strict=True)


def value(result: ik.EvaluationResult, term: str, measure: str, column: str = "estimate") -> float:
    tidy = result.tidy()
    return float(tidy[(tidy["term"] == term) & (tidy["measure"] == measure)][column].item())


def test_rows_are_what_the_kernels_say() -> None:
    frame = clients()
    result = rows(DESIGN, frame, since=1.0, extrapolate_to=80.0)
    times = Times.right_censored(frame["off"].to_numpy(), frame["back"].to_numpy() == 1, entry=frame["seen"].to_numpy())
    fit = fit_parametric(model_of("weibull", times), times)
    one = Averaged(fit, np.zeros((1, 0)), np.ones(1), 1.0)
    mean, far, seen = (one.restricted_mean(until) for until in (20.0, 80.0, times.last))
    assert value(result, "Weibull", "aic") == pytest.approx(fit.aic)
    assert value(result, "Weibull", "restricted_mean") == pytest.approx(mean.value, rel=1e-12)
    n = len(frame)
    error = np.sqrt(((fit.influence @ mean.gradient) ** 2).sum() * n / (n - 1))
    assert value(result, "Weibull", "restricted_mean", "std_error") == pytest.approx(error, rel=1e-9)
    assert value(result, "Weibull to 80 weeks", "extrapolated_mean") == pytest.approx(far.value, rel=1e-12)
    share = value(result, "Weibull to 80 weeks", "extrapolated_share")
    assert share == pytest.approx(1 - seen.value / far.value, rel=1e-9)
    assert result.notes()["reason"].str.contains("an extrapolation: nobody was followed beyond").any()


def test_scale_of_weights_changes_nothing() -> None:
    frame = clients()
    design = DESIGN.replace(weights="w", clusters="adviser")
    ours = rows(design, frame).tidy()
    theirs = rows(design, frame.assign(w=frame["w"] * 7)).tidy()
    np.testing.assert_allclose(ours["estimate"], theirs["estimate"], rtol=1e-10)
    np.testing.assert_allclose(ours["std_error"], theirs["std_error"], rtol=1e-9)
    assert (ours.loc[ours["measure"] == "restricted_mean", "df"] == 14).all()


def test_a_trial_gives_time_ratios_first() -> None:
    frame = clients(900)
    frame["off"] = np.where(
        frame["arm"] == "support", frame["seen"] + 0.6 * (frame["off"] - frame["seen"]), frame["off"]
    )
    design = ik.TrialDesign(unit="id", arm="arm", treated="support", control="usual")
    result = rows(
        design,
        frame,
        duration="off",
        event="back",
        entry="seen",
        models=("weibull", "royston_parmar"),
        covariates=("age",),
    )
    tidy = result.tidy()
    assert list(tidy["measure"][:4]) == ["time_ratio", "difference", "hazard_ratio", "difference"]
    assert (
        value(result, "Weibull: support", "time_ratio") < 1 < value(result, "Royston-Parmar: support", "hazard_ratio")
    )
    gap = value(result, "Weibull: support", "restricted_mean") - value(result, "Weibull: usual", "restricted_mean")
    assert value(result, "Weibull: support", "difference") == pytest.approx(gap)
    slope = np.log(value(result, "Weibull: support", "time_ratio"))
    assert slope == pytest.approx(value(result, "Weibull: support", "parameter"))


def test_intervals_of_no_width_are_exact_times() -> None:
    frame = clients()
    frame["low"], frame["high"] = frame["off"], np.where(frame["back"] == 1, frame["off"], np.nan)
    exact, interval = rows(DESIGN, frame), rows(DESIGN, frame, lower="low", upper="high")
    np.testing.assert_allclose(exact.tidy()["estimate"], interval.tidy()["estimate"], rtol=1e-10)
    assert set(interval.curve()["term"]) == {"Weibull", "Turnbull"}


def test_bad_intervals_are_one_error_with_counts() -> None:
    frame = clients()
    frame["low"], frame["high"] = frame["off"], frame["off"] + 2.0
    frame.loc[:2, "high"] = 0.1
    frame.loc[3:4, "low"] = np.nan
    with pytest.raises(AnalysisError) as caught:
        rows(DESIGN, frame, lower="low", upper="high")
    assert "is for 3 of" in str(caught.value)
    assert "is empty for 2 of" in str(caught.value)


def test_a_return_at_time_zero_is_an_error() -> None:
    frame = clients()
    frame.loc[:1, ["seen", "off", "back"]] = [0.0, 0.0, 1]
    with pytest.raises(AnalysisError, match="does not for 2 of"):
        rows(DESIGN, frame)


def test_beyond_follow_up_there_is_no_restricted_mean() -> None:
    result = rows(DESIGN, clients(), horizon=60.0)
    assert np.isnan(value(result, "Weibull", "restricted_mean"))
    assert result.notes()["reason"].str.contains("nobody was followed to 60 weeks").any()


def test_nobody_returned_has_its_reason() -> None:
    result = rows(DESIGN, clients().assign(back=0))
    assert result.tidy()["estimate"].isna().all()
    assert result.notes()["reason"].str.contains("is known to have returned").any()


def test_an_arm_that_covariates_give_away_has_no_effect() -> None:
    frame = clients()
    frame["twin"] = (frame["arm"] == "support").astype(int)
    design = ik.TrialDesign(unit="id", arm="arm", treated="support", control="usual")
    result = rows(design, frame, duration="off", event="back", covariates=("twin",))
    assert result.tidy()["estimate"].isna().all()


@pytest.mark.parametrize(
    "options",
    [
        {"lower": "a"},
        {"duration": "a"},
        {"models": ()},
        {"since": 30.0},
        {"extrapolate_to": 10.0},
    ],
)
def test_contradictions_are_refused_where_they_are_written(options: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        ik.ParametricDuration(name="d", **{"horizon": 20.0, **options})


def test_table_and_figure() -> None:
    result = rows(DESIGN, clients(), models=("weibull", "lognormal"), since=1.0, extrapolate_to=80.0)
    table = durations_table(result.tidy(), result.notes())
    (group,) = table.groups
    gaps = [row.cells[3].value for row in group.rows]
    assert gaps[0] == 0.0
    assert float(gaps[1]) > 0  # type: ignore[arg-type]
    assert [row.cells[0].value for row in group.rows] == [2.0, 2.0]
    figure = parametric_figure(result.curve())
    (axes,) = figure.axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    assert "by extrapolation" in parametric_alt_text(result.curve())
    with pytest.raises(SpecError):
        parametric_figure(result.curve().iloc[:0])
