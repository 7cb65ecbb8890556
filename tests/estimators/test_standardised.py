"""StandardisedEffect: R's effectsize for raw means, and what must hold for the rest."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from _trial import TOLERANCE, adjusting, design, expected, people, row

import impactkit as ik
from impactkit.errors import SpecError
from impactkit.estimators.standardised import small_sample_factor

SIZES = ("estimators", "effect_sizes.csv")
GRID = list(itertools.product((False, True), (False, True), ("none", "ancova", "lin"), (False, True)))
STANDARDISERS = ("control", "pooled", "total")

# effectsize's limits are those of the noncentral t, exact for normal outcomes of equal variance; ours come from
# influence values, so that they hold whatever the shape and the two variances and carry to weights, covariates and
# clusters. At n = 278 and effects of a quarter of a standard deviation the two differ in the third decimal.
OTHER_METHOD = 0.01


def _fit(trial, frame=None, *, outcome="y", standardiser="control", **options):
    analysis = ik.StandardisedEffect(name="sd", outcome=outcome, standardiser=standardiser, **options)
    itt = ik.IntentToTreat(name="itt", outcome=outcome, **options)
    return ik.Evaluation(trial, people() if frame is None else frame, [analysis, itt]).fit(seed=1, strict=True)


def _sd(result, term="1"):
    return row(result["sd"], term=term, measure="standardised_difference")


@pytest.mark.parametrize("outcome", ["y", "y2"])
def test_hedges_g(outcome):
    reference = expected(*SIZES)[f"hedges_g/{outcome}"]
    found = _sd(_fit(design(), outcome=outcome, standardiser="pooled"))
    assert found["estimate"] == pytest.approx(reference["estimate"], rel=TOLERANCE)
    assert 0.5 * reference["df"] < found["df"] <= reference["df"]
    for name in ("conf_low", "conf_high"):
        assert found[name] == pytest.approx(reference[name], abs=OTHER_METHOD)


@pytest.mark.parametrize("outcome", ["y", "y2"])
def test_glass_delta(outcome):
    reference = expected(*SIZES)[f"glass_delta/{outcome}"]
    factor = small_sample_factor(reference["df"])  # effectsize 0.8.3 leaves Glass's delta uncorrected
    found = _sd(_fit(design(), outcome=outcome))
    assert found["estimate"] / factor == pytest.approx(reference["estimate"], rel=TOLERANCE)
    for name in ("conf_low", "conf_high"):
        assert found[name] / factor == pytest.approx(reference[name], abs=2 * OTHER_METHOD)


@pytest.mark.parametrize("outcome", ["y", "y2"])
def test_factor_is_what_effectsize_multiplies_by(outcome):
    sizes = expected(*SIZES)
    ratio = sizes[f"hedges_g/{outcome}"]["estimate"] / sizes[f"cohens_d/{outcome}"]["estimate"]
    assert small_sample_factor(sizes[f"hedges_g/{outcome}"]["df"]) == pytest.approx(ratio, rel=1e-12)


def test_factor_in_closed_form():
    # J(2) = Γ(1)/(√1 Γ(1/2)), J(3) = Γ(3/2)/(√(3/2) Γ(1)), J(4) = Γ(2)/(√2 Γ(3/2))
    assert small_sample_factor(2) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-14)
    assert small_sample_factor(3) == pytest.approx(math.sqrt(math.pi) / 2 / math.sqrt(1.5), rel=1e-14)
    assert small_sample_factor(4) == pytest.approx(1 / (math.sqrt(2) * math.sqrt(math.pi) / 2), rel=1e-14)
    assert small_sample_factor(1e4) == pytest.approx(1 - 3 / (4e4 - 1), rel=1e-8)  # Hedges's own approximation
    assert small_sample_factor(1e7) == pytest.approx(1 - 3 / (4e7 - 1), rel=1e-7)
    assert math.isnan(small_sample_factor(1.0))


@pytest.mark.parametrize("standardiser", STANDARDISERS)
@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
def test_numerator_is_the_itt_estimate(weighted, clustered, adjustment, strata, standardiser):
    trial = design(weighted=weighted, clustered=clustered, strata=strata)
    result = _fit(trial, standardiser=standardiser, **adjusting(adjustment))
    found, itt = _sd(result), row(result["itt"], term="1")
    scale = row(result["sd"], term="standardiser")
    factor = float(_reason(result).split("factor ")[1].split(" ")[0])
    assert found["estimate"] == pytest.approx(factor * itt["estimate"] / scale["estimate"], rel=2e-6)  # 6 digits said
    assert 0.1 * itt["df"] < found["df"] <= itt["df"]
    assert found["std_error"] > 0
    assert found["n"] == itt["n"]
    pd.testing.assert_frame_equal(
        result["sd"].tidy().query("term == 'control_mean'").drop(columns="analysis").reset_index(drop=True),
        result["itt"].tidy().query("term == 'control_mean'").drop(columns="analysis").reset_index(drop=True),
        check_exact=True,
    )


def _reason(result) -> str:
    notes = result["sd"].notes()
    return str(notes.loc[notes["reason"].str.startswith("divided by"), "reason"].iloc[0])


@pytest.mark.parametrize(("clustered", "weighted"), [(False, False), (False, True), (True, True)])
def test_df_is_the_smaller_of_the_numerators_and_its_own(clustered, weighted):
    result = _fit(design(weighted=weighted, clustered=clustered), standardiser="pooled")
    block = result["sd"].estimates.influence[0]
    for place, term in enumerate(("1", "standardiser")):
        sums = block.by_group([place])[0]
        squares = sums[sums != 0] ** 2
        own = 2 * squares.sum() ** 2 / ((squares**2).sum() - squares.sum() ** 2 / len(squares))
        found = row(result["sd"], term=term)
        assert found["df"] == pytest.approx(min(row(result["itt"], term="1")["df"], own), rel=1e-9)
        assert found["std_error"] == pytest.approx(math.sqrt(squares.sum()), rel=1e-9)


@pytest.mark.parametrize("standardiser", STANDARDISERS)
def test_standardiser_rows(standardiser):
    result = _fit(design(), standardiser=standardiser)
    frame = people().dropna(subset=["y"])
    control, treated = frame.loc[frame["z"] == 0, "y"], frame.loc[frame["z"] == 1, "y"]
    n0, n1 = len(control), len(treated)
    by_hand = {
        "control": control.std(),
        "pooled": math.sqrt(((n0 - 1) * control.var() + (n1 - 1) * treated.var()) / (n0 + n1 - 2)),
        "total": frame["y"].std(),
    }[standardiser]
    scale = row(result["sd"], term="standardiser", measure="sd")
    assert scale["estimate"] == pytest.approx(by_hand, rel=1e-12)
    assert scale["n"] == (n0 if standardiser == "control" else n0 + n1)
    assert scale["unit"] == "points"
    df = {"control": n0 - 1, "pooled": n0 + n1 - 2, "total": n0 + n1 - 1}[standardiser]
    assert f"at {df} degrees" in _reason(result)


def test_weighted_variance_is_unbiased_for_independent_people():
    """Σw(y − ȳ)² over Σw(1 − Σw²/(Σw)²), the reliability-weights formula; equal weights are no weights."""
    result = _fit(design(weighted=True))
    control = people().query("z == 0").dropna(subset=["y"])
    w, y = control["w"], control["y"]
    mean = (w * y).sum() / w.sum()
    by_hand = (w * (y - mean) ** 2).sum() / (w.sum() * (1 - (w**2).sum() / w.sum() ** 2))
    assert row(result["sd"], term="standardiser")["estimate"] == pytest.approx(math.sqrt(by_hand), rel=1e-12)
    assert f"at {w.sum() ** 2 / (w**2).sum() - 1:.4g} degrees" in _reason(result)
    equal = _fit(design(weighted=True), people().assign(w=2.5)).tidy()
    pd.testing.assert_frame_equal(equal, _fit(design()).tidy(), rtol=1e-10)


def test_three_arms():
    result = _fit(design(arm="arm"), standardiser="pooled")["sd"]
    assert result.tidy()["term"].tolist() == ["B", "standardiser: B", "C", "standardiser: C", "control_mean"]
    two = people().query("arm != 'C'")
    alone = _fit(design(arm="arm", treated="B"), two, standardiser="pooled")["sd"]
    kept = row(alone, term="standardiser")["estimate"]
    assert row(result, term="standardiser: B")["estimate"] == pytest.approx(kept, rel=1e-12)
    assert _sd({"sd": result}, "B")["estimate"] == pytest.approx(_sd({"sd": alone}, "B")["estimate"], rel=1e-12)


@pytest.mark.parametrize("standardiser", STANDARDISERS)
@pytest.mark.parametrize("clustered", [False, True])
def test_scale_and_sign(standardiser, clustered):
    """Pounds or pence, plus a constant: the same effect; the outcome turned round: the opposite one."""
    trial = design(clustered=clustered, weighted=True)
    start = _sd(_fit(trial, standardiser=standardiser, **adjusting("ancova")))
    for factor in (100.0, -1.0):
        frame = people().assign(y=1000.0 + factor * people()["y"])
        other = _sd(_fit(trial, frame, standardiser=standardiser, **adjusting("ancova")))
        assert other["estimate"] == pytest.approx(np.sign(factor) * start["estimate"], rel=1e-8)
        assert other["std_error"] == pytest.approx(start["std_error"], rel=1e-8)


def test_error_is_larger_than_with_a_known_standard_deviation():
    """In large normal samples V(g) is 1/n₁ + 1/n₀ + g²/(2n₀) for Glass, with g²/(2n) for Hedges."""
    rng = np.random.default_rng(3)
    n = 40_000
    z = np.arange(n) % 2
    frame = pd.DataFrame({"person": np.arange(n), "z": z, "y": 2.0 * z + rng.normal(size=n)})
    trial = design(outcomes=(ik.Outcome(name="y", kind="continuous"),))
    for standardiser, extra in (("control", 4 / n), ("pooled", 2 / n)):
        found = _sd(_fit(trial, frame, standardiser=standardiser))
        assert found["std_error"] == pytest.approx(math.sqrt(4 / n + extra), rel=0.02)


@pytest.mark.parametrize("standardiser", STANDARDISERS)
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_outcome_without_variance(value, standardiser):
    result = _fit(design(), people().assign(y=value), standardiser=standardiser)["sd"]
    assert np.isnan(_sd({"sd": result})["estimate"])
    assert row(result, term="standardiser")["estimate"] == 0.0
    notes = result.notes().query("term == '1' and column == 'estimate'")
    assert "does not vary" in notes["reason"].iloc[0]


def test_one_person_is_no_standard_deviation():
    frame = people().dropna(subset=["y"]).groupby("z").head(5)
    frame = frame[(frame["z"] == 1) | (frame.index == frame.index[frame["z"] == 0][0])]
    result = _fit(design(), frame)["sd"]
    assert np.isnan(_sd({"sd": result})["estimate"])
    assert np.isnan(row(result, term="standardiser")["estimate"])
    assert "too few people" in "; ".join(result.notes()["reason"])


def test_failed_rows_keep_their_shape():
    frame = people().assign(y=people()["y"].where(people()["z"] == 0))
    found = _fit(design(), frame)["sd"]
    assert found.tidy()["term"].tolist() == ["1", "standardiser", "control_mean"]
    assert found.tidy()["estimate"].isna().all()
    assert set(found.notes()["term"]) == {"1", "standardiser", "control_mean"}


def test_options_that_contradict_themselves_are_refused_where_they_are_written():
    with pytest.raises(SpecError, match="needs `covariates`"):
        ik.StandardisedEffect(name="sd", outcome="y", adjustment="lin")
