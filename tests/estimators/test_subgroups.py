"""Subgroups agree with R, with separate analyses, and with the joint covariance of overlapping rows."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from _trial import TOLERANCE, assert_row, design, expected, people

import impactkit as ik
from impactkit.errors import DataError, RefusalError, SpecError

LEVELS = ("high", "low", "mid")
EXACT = 1e-10  # the same sums in another order


def fit(trial: ik.TrialDesign, frame: pd.DataFrame | None = None, **options: Any) -> ik.EvaluationResult:
    analysis = ik.Subgroups(name="sub", **{"outcome": "y", "by": "x2", **options})
    return ik.Evaluation(trial, people() if frame is None else frame, [analysis]).fit(seed=1, strict=True)


def row(result: ik.EvaluationResult, term: str, measure: str = "difference", **wanted: Any) -> dict[str, Any]:
    frame = result.tidy()
    for name, value in {"term": term, "measure": measure, **wanted}.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, f"{len(frame)} rows for {term}"
    return dict(frame.iloc[0])


@cache
def cases() -> list[tuple[str, str, bool, bool]]:
    return [
        (outcome, name, weighted, clustered)
        for outcome in ("y", "y2")
        for weighted in (False, True)
        for clustered in (False, True)
        for name in ("none", "ancova")
    ]


@cache
def reference_fit(outcome: str, name: str, weighted: bool, clustered: bool) -> ik.EvaluationResult:
    trial = design(weighted=weighted, clustered=clustered, strata=name == "ancova")
    options = {"covariates": ("x1",), "adjustment": "ancova"} if name == "ancova" else {}
    # the reference keeps people with every column, whichever of them the model uses
    columns = [outcome, "x1", "x2", "w", "cluster", "stratum"]
    return fit(trial, people().dropna(subset=columns), outcome=outcome, **options)


@pytest.mark.parametrize(("outcome", "name", "weighted", "clustered"), cases())
def test_levels_and_differences_are_those_of_lm_robust(
    outcome: str, name: str, weighted: bool, clustered: bool
) -> None:
    result = reference_fit(outcome, name, weighted, clustered)
    tag = "/".join([outcome, "w" if weighted else "u", "cr2" if clustered else "hc2", name])
    frozen = expected("subgroups")
    for level in LEVELS:
        assert_row(row(result, f"x2: {level}"), frozen[f"{tag}/level/{level}"])
    for level in LEVELS[1:]:
        assert_row(row(result, f"x2: {level} − {LEVELS[0]}"), frozen[f"{tag}/difference/{level}"])


@pytest.mark.parametrize(("outcome", "name", "weighted", "clustered"), cases())
def test_joint_test_is_walds_f_or_htz(outcome: str, name: str, weighted: bool, clustered: bool) -> None:
    result = reference_fit(outcome, name, weighted, clustered)
    tag = "/".join([outcome, "w" if weighted else "u", "cr2" if clustered else "hc2", name])
    frozen = expected("subgroups", "joint.csv")[tag]
    found = row(result, "x2: all levels alike", "wald_f")
    assert found["df"] == pytest.approx(frozen["df2"], rel=TOLERANCE)
    assert found["p_value"] == pytest.approx(frozen["p_value"], rel=1e-7)  # the p value magnifies the statistic's error
    assert found["statistic"] == pytest.approx(frozen["statistic"], rel=TOLERANCE)


@pytest.mark.parametrize("options", [{}, {"covariates": ("x1",), "adjustment": "lin"}])
@pytest.mark.parametrize("weighted", [False, True])
def test_without_common_slopes_each_level_is_its_own_itt(options: dict[str, Any], weighted: bool) -> None:
    populations = tuple(ik.Population(name=level, where=(("x2", level),)) for level in LEVELS)
    whole = design(weighted=weighted, strata=True)
    itt = ik.Evaluation(
        whole.replace(populations=populations),
        people(),
        [ik.IntentToTreat(name="itt", outcome="y", one_armed="drop", **options)],
    ).fit(seed=1)
    together = fit(whole, one_armed="drop", **options)
    for level in LEVELS:
        alone = itt.tidy().query("population == @level and term == '1'").iloc[0]
        found = row(together, f"x2: {level}")
        assert found["estimate"] == pytest.approx(alone["estimate"], rel=EXACT)
        assert found["std_error"] == pytest.approx(alone["std_error"], rel=EXACT)
    gap = itt.combine(
        "difference", *(ik.RowRef(analysis="itt", population=level, term="1") for level in (LEVELS[1], LEVELS[0]))
    )
    contrast = row(together, f"x2: {LEVELS[1]} − {LEVELS[0]}")
    assert contrast["estimate"] == pytest.approx(gap.numbers["estimate"][0], rel=EXACT)
    assert contrast["std_error"] == pytest.approx(gap.numbers["std_error"][0], rel=EXACT)


@pytest.mark.parametrize("clustered", [False, True])
def test_the_difference_is_that_of_the_level_rows_with_their_covariance(clustered: bool) -> None:
    result = fit(design(clustered=clustered))
    terms = list(result.tidy()["term"])
    high, low = terms.index("x2: high"), terms.index("x2: low")
    joint = result.covariance()
    contrast = row(result, "x2: low − high")
    assert contrast["std_error"] ** 2 == pytest.approx(
        joint[low, low] + joint[high, high] - 2 * joint[low, high], rel=1e-8
    )


def test_several_arms_are_terms_of_their_own() -> None:
    result = fit(design(arm="arm"))
    assert row(result, "B, x2: low − high")["estimate"] == pytest.approx(
        row(result, "B, x2: low")["estimate"] - row(result, "B, x2: high")["estimate"], rel=EXACT
    )
    assert np.isfinite(row(result, "C, x2: all levels alike", "wald_f")["p_value"])


def test_holm_is_over_the_columns() -> None:
    trial = design()
    result = fit(trial, by=("x2", "stratum"), adjust="holm")
    raw = sorted(result.tidy().query("term.str.endswith('alike')")["p_value"])
    adjusted = sorted(result.tidy().query("term.str.contains('Holm over 2')")["p_value"])
    assert adjusted == pytest.approx([min(1, 2 * raw[0]), max(min(1, 2 * raw[0]), raw[1])])


def test_stars_across_samples_are_warned_of() -> None:
    assert fit(design()).notes()["reason"].str.contains("no evidence that they differ").any()


def test_an_arm_that_is_empty_in_a_level_is_said_and_the_others_go_on() -> None:
    frame = people()
    frame = frame[~((frame["x2"] == "high") & (frame["z"] == 1))]
    result = fit(design(), frame)
    assert np.isnan(row(result, "x2: high")["estimate"])
    assert result.notes().query("term == 'x2: high'")["reason"].iloc[0].startswith("nobody is left")
    assert np.isfinite(row(result, "x2: mid − low")["std_error"])
    for term, measure in (("x2: high − low", "difference"), ("control_mean: x2: high", "mean")):
        assert np.isnan(row(result, term, measure)["estimate"])
        assert result.notes()["term"].eq(term).sum() == 1


def test_people_without_the_characteristic_are_counted() -> None:
    frame = people().copy()
    frame.loc[frame.index[:7], "x2"] = None
    glance = fit(design(), frame).glance().iloc[0]
    assert glance["n_missing_covariates"] >= 6
    assert glance["n_analysed"] + glance["n_missing_covariates"] + glance["n_missing_outcome"] == len(frame)


def test_bad_plans_are_one_clear_error() -> None:
    with pytest.raises(RefusalError, match="not a baseline characteristic"):
        fit(design(), by="z")
    with pytest.raises(SpecError, match="two columns"):
        ik.Subgroups(name="s", outcome="y", by="x2", adjust="holm")
    with pytest.raises(SpecError, match="twice"):
        ik.Subgroups(name="s", outcome="y", by=("x2", "x2"))
    with pytest.raises(DataError, match="x9"):
        fit(design(), by="x9")
    with pytest.raises(Exception, match="cut it into bands"):
        fit(design(), by="x1")


def test_the_forest_plot_draws_levels_and_differences() -> None:
    figure = fit(design()).plot("forest")
    words = " ".join(text.get_text() for axes in figure.axes for text in axes.texts) + " ".join(
        label.get_text() for axes in figure.axes for label in axes.get_yticklabels()
    )
    assert "x2: low − high" in words


@settings(max_examples=25, deadline=None)
@given(shift=st.floats(-1e3, 1e3), factor=st.floats(0.01, 100.0), seed=st.integers(0, 10_000))
def test_shifting_and_scaling_the_outcome(shift: float, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 80
    frame = pd.DataFrame(
        {
            "person": range(n),
            "z": rng.permutation(n) % 2,
            "x2": rng.choice(["a", "b", "c"], n),
            "y": rng.normal(size=n),
        }
    )
    trial = design(outcomes=(ik.Outcome(name="y", kind="continuous"),))
    before = fit(trial, frame).tidy()
    after = fit(trial, frame.assign(y=shift + factor * frame["y"])).tidy()
    effects = (before["measure"] == "difference").to_numpy()
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(
            after[column][effects], factor * before[column][effects], rtol=1e-6, atol=1e-8 * factor
        )
    tests = (before["measure"] == "wald_f").to_numpy()
    np.testing.assert_allclose(after["p_value"][tests], before["p_value"][tests], rtol=1e-5, atol=1e-9)
