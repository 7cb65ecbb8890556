"""Money outcomes: the mean is the ITT's, the sensitivity rows are what they say, quantiles agree with R."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))
from _trial import REFERENCE, TOLERANCE, design, people

import impactkit as ik
from impactkit.compute.quantiles import sparsity, weighted_quantile
from impactkit.errors import AnalysisError, RefusalError, SpecError

EXACT = 1e-10  # the same sums in another order
NUMBERS = ["estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "n"]
PAY = ik.Outcome(name="pay", kind="money")


def frame() -> pd.DataFrame:
    """The reference trial with amounts: a third at zero, the others skewed; missing where `y` is."""
    data = people()
    rng = np.random.default_rng(7)
    amounts = np.where(rng.random(len(data)) < 0.3, 0.0, np.round(np.exp(6 + 0.4 * data["y"]), 0))
    return data.assign(pay=np.where(data["y"].isna(), np.nan, amounts))


def fit(trial: ik.TrialDesign, data: pd.DataFrame | None = None, **options: Any) -> ik.EvaluationResult:
    asked = ik.MoneyOutcome(name="money", **{"outcome": "pay", "top_code": 0.95, **options})
    trial = trial.replace(outcomes=(*trial.outcomes, PAY))
    return ik.Evaluation(trial, frame() if data is None else data, [asked]).fit(seed=1, strict=True)


def rows(result: ik.EvaluationResult, outcome: str) -> pd.DataFrame:
    found = result.tidy()
    return found[found["outcome"] == outcome].reset_index(drop=True)


DESIGNS = [
    {"weighted": weighted, "clustered": clustered, "strata": strata}
    for weighted in (False, True)
    for clustered in (False, True)
    for strata in (False, True)
]


@pytest.mark.parametrize("declared", DESIGNS)
@pytest.mark.parametrize("options", [{}, {"covariates": ("x1", "x2"), "adjustment": "ancova"}])
def test_mean_zero_and_top_code_are_intention_to_treat(declared: dict[str, bool], options: dict[str, Any]) -> None:
    trial, data = design(**declared), frame()
    result = fit(trial, **options)
    complete = data.dropna(subset=["pay", *(["x1", "x2"] if options else [])])
    if declared["weighted"]:
        complete = complete[complete["w"] > 0]
    cap = weighted_quantile(
        values=complete["pay"].to_numpy(), weights=complete["w"].to_numpy() if declared["weighted"] else None, q=0.95
    )
    data = data.assign(
        none=(data["pay"] == 0).astype(float).where(data["pay"].notna()), capped=data["pay"].clip(upper=cap)
    )
    outcomes = (PAY, ik.Outcome(name="none", kind="binary"), ik.Outcome(name="capped", kind="money"))
    itt = ik.Evaluation(
        trial.replace(outcomes=outcomes),
        data,
        [ik.IntentToTreat(name="itt", outcome=("pay", "none", "capped"), **options)],
    ).fit(seed=1)
    pairs = {
        "pay": "pay",
        "pay (sensitivity: share at zero)": "none",
        "pay (sensitivity: top-coded at percentile 95)": "capped",
    }
    for ours, theirs in pairs.items():
        mine, reference = rows(result, ours).iloc[:2], rows(itt, theirs)
        assert list(mine["term"]) == list(reference["term"])
        np.testing.assert_allclose(mine[NUMBERS], reference[NUMBERS], rtol=EXACT, atol=EXACT)


def test_medians_are_those_of_the_arms() -> None:
    data = frame()
    found = rows(fit(design()), "pay (sensitivity: median)").set_index("term")["estimate"]
    medians = data.groupby("z")["pay"].median()
    assert found["control_mean"] == medians[0]
    assert found["1"] == medians[1] - medians[0]


def test_strata_count_alike_in_both_arms() -> None:
    data = frame()
    found = rows(fit(design(strata=True)), "pay (sensitivity: median)").set_index("term")["estimate"]
    known = data.dropna(subset=["pay"])
    mass = known.groupby("stratum")["z"].transform("size") / known.groupby(["stratum", "z"])["z"].transform("size")
    medians = {
        arm: weighted_quantile(
            values=known.loc[known["z"] == arm, "pay"].to_numpy(), weights=mass[known["z"] == arm].to_numpy(), q=0.5
        )
        for arm in (0, 1)
    }
    assert found["1"] == pytest.approx(medians[1] - medians[0], rel=EXACT)


def _quantile_cases() -> list[tuple[str, float, float, float]]:
    table = pd.read_csv(REFERENCE / "subgroups" / "quantiles.csv")
    return list(table.itertuples(index=False, name=None))


@pytest.mark.parametrize(("case", "estimate", "low", "high"), _quantile_cases())
def test_weighted_quantiles_and_woodruffs_limits_are_those_of_survey(
    case: str, estimate: float, low: float, high: float
) -> None:
    weighting, arm, asked = case.split("/")
    q = float(asked)
    part = people().query("z == @arm_number", local_dict={"arm_number": int(arm)}).dropna(subset=["y"])
    y = part["y"].to_numpy()
    w = part["w"].to_numpy() if weighting == "w" else np.ones(len(part))
    point = weighted_quantile(values=y, weights=w, q=q)
    assert point == pytest.approx(estimate, rel=TOLERANCE)
    below = (y <= point).astype(float)
    share = np.average(below, weights=w)
    error = np.sqrt(((w * (below - share)) ** 2).sum() * len(y) / (len(y) - 1)) / w.sum()
    half = stats.t.ppf(0.975, len(y) - 1) * error
    limits = [weighted_quantile(values=y, weights=w, q=share + side * half) for side in (-1, 1)]
    assert limits == pytest.approx([low, high], rel=TOLERANCE)
    slope = sparsity(values=y, weights=w, q=share, half_width=half)
    assert slope == pytest.approx((high - low) / (2 * half), rel=1e-7)


@pytest.mark.parametrize("share", [0.53, 0.7])  # just inside the mass, where the interval leaves it, and well inside
def test_a_quantile_in_a_point_mass_has_an_estimate_and_a_reason(share: float) -> None:
    data = frame()
    for arm in (0, 1):
        pay = data.loc[data["z"] == arm, "pay"]
        data.loc[(data["z"] == arm) & (data["pay"] < pay.quantile(share)), "pay"] = 0.0
    result = fit(design(), data)
    found = rows(result, "pay (sensitivity: median)").set_index("term")
    assert found.loc["1", "estimate"] == 0.0
    assert np.isnan(found.loc["1", "std_error"])
    said = result.notes().query("outcome == 'pay (sensitivity: median)' and column == 'std_error'")["reason"]
    assert said.str.contains("point mass").all()
    assert len(said) == 2


def test_every_other_row_is_called_sensitivity_and_the_share_top_coded_is_reported() -> None:
    result = fit(design())
    names = [name for name in result.tidy()["outcome"].unique() if name != "pay"]
    assert names
    assert all("sensitivity" in name for name in names)
    shares = rows(result, "pay (sensitivity: top-coded at percentile 95)").query("measure == 'proportion'")
    assert list(shares["term"]) == ["share top-coded: 1", "share top-coded: 0"]
    assert (shares["estimate"] * shares["n"]).sum() <= 0.05 * shares["n"].sum()
    text = result.to_table("impacts").to_text()
    assert "sensitivity: median" in text


def test_few_top_coded_people_are_not_counted_in_words() -> None:
    said = fit(design(), top_code=0.99).notes()["reason"]
    assert said.str.contains("of the few people").any()


def test_the_percentile_is_always_said_and_the_outcome_is_money() -> None:
    with pytest.raises(SpecError, match="top_code"):
        ik.MoneyOutcome(name="money", outcome="pay")  # type: ignore[call-arg]
    with pytest.raises(SpecError, match="top_code"):
        ik.MoneyOutcome(name="money", outcome="pay", top_code=0.3)
    with pytest.raises(SpecError, match="twice"):
        ik.MoneyOutcome(name="money", outcome="pay", top_code=0.9, quantiles=(0.5, 0.5))
    with pytest.raises(RefusalError, match='kind="money"'):
        fit(design(), outcome="y")
    undeclared = ik.Evaluation(design(), frame(), [ik.MoneyOutcome(name="money", outcome="pay", top_code=0.9)])
    with pytest.raises(AnalysisError, match='kind="money"'):
        undeclared.fit(seed=1, strict=True)


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(0.01, 1000.0), seed=st.integers(0, 10_000))
def test_another_currency_changes_pounds_and_no_share(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 120
    amounts = np.where(rng.random(n) < 0.2, 0.0, rng.lognormal(size=n))
    data = pd.DataFrame({"person": range(n), "z": rng.permutation(n) % 2, "pay": amounts})
    trial = ik.TrialDesign(unit="person", arm="z", treated=1, control=0)
    before, after = fit(trial, data).tidy(), fit(trial, data.assign(pay=factor * data["pay"])).tidy()
    scale = np.where(before["unit"] == "GBP", factor, 1.0)
    for column in ("estimate", "std_error", "conf_low"):
        np.testing.assert_allclose(after[column], scale * before[column], rtol=1e-7, atol=1e-9 * factor)
