"""What must turn round, and what must stay, whatever the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import impactkit as ik

CLOSE = 1e-8  # two fits of one model, each solved to rounding
TRIALS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "n": st.integers(60, 160),
        "weighted": st.booleans(),
        "clustered": st.booleans(),
        "adjustment": st.sampled_from(("none", "ancova", "lin")),
    }
)


def trial(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    z = rng.permutation(np.arange(n) % 2)
    y = (rng.random(n) < 1 / (1 + np.exp(-(0.2 + 0.6 * x + rng.normal() * z)))).astype(int)
    practice = np.arange(n) % 12
    return pd.DataFrame({"id": range(n), "z": z, "x": x, "y": y, "w": rng.uniform(0.5, 2, n), "g": practice})


def rows(frame: pd.DataFrame, *, weighted: bool, clustered: bool, adjustment: str, treated: int = 1) -> pd.DataFrame:
    design = ik.TrialDesign(
        unit="id",
        arm="z",
        treated=treated,
        control=1 - treated,
        weights="w" if weighted else None,
        clusters="g" if clustered else None,
        outcomes=(ik.Outcome(name="y", kind="binary"),),
    )
    options = {} if adjustment == "none" else {"covariates": ("x",), "adjustment": adjustment}
    if adjustment == "ancova":
        options["conditional"] = True
    analysis = ik.BinaryEffect(name="b", outcome="y", **options)
    found = ik.Evaluation(design, frame, [analysis]).fit(seed=1, strict=True).tidy()
    found = found[found["term"] != "control_mean"].reset_index(drop=True)
    assume(found["std_error"].notna().all())  # separation, rare at this size, has tests of its own
    return found


def close(left: object, right: object) -> None:
    np.testing.assert_allclose(left, right, rtol=CLOSE, atol=CLOSE)


def turned(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Ratios are inverted and differences change their sign, with their limits; tests stay."""
    for place, line in one.iterrows():
        mirror = other.loc[place]
        if line["measure"] == "difference":
            close(line["estimate"], -mirror["estimate"])
            close(line["conf_low"], -mirror["conf_high"])
        else:
            close(line["estimate"], 1 / mirror["estimate"])
            close(line["conf_low"], 1 / mirror["conf_high"])
        close(line["p_value"], mirror["p_value"])
        close(line["df"], mirror["df"])


@settings(max_examples=40)
@given(TRIALS)
def test_swapping_the_arms_inverts_ratios_and_flips_differences(case: dict) -> None:
    frame = trial(case.pop("seed"), case.pop("n"))
    turned(rows(frame, **case), rows(frame, **case, treated=0))


@settings(max_examples=40)
@given(TRIALS)
def test_recoding_the_outcome_inverts_odds_ratios(case: dict) -> None:
    frame = trial(case.pop("seed"), case.pop("n"))
    one, other = (
        found[found["measure"] != "risk_ratio"]
        for found in (rows(frame, **case), rows(frame.assign(y=1 - frame["y"]), **case))
    )
    turned(one, other)


@settings(max_examples=40)
@given(TRIALS)
def test_three_answers_come_from_two_risks(case: dict) -> None:
    frame = trial(case.pop("seed"), case.pop("n"))
    found = rows(frame, **case).set_index("measure")["estimate"][:3]
    assume(abs(found["risk_ratio"] - 1) > 1e-3)
    zero = found["difference"] / (found["risk_ratio"] - 1)
    one = zero * found["risk_ratio"]
    assert found["odds_ratio"] == pytest.approx(one / (1 - one) / (zero / (1 - zero)), rel=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_odds_ratios_of_a_recoded_outcome_are_inverted(seed: int, firth: bool) -> None:
    frame = trial(seed, 90)
    design = ik.BeforeAfterDesign(unit="id", before="x", after="x", outcomes=(ik.Outcome(name="y", kind="binary"),))
    model = ik.OddsRatios(name="o", outcome="y", covariates=("x", "z"), reference=(("z", 0),), firth=firth)
    one, other = (
        ik.Evaluation(design, data, [model]).fit(seed=1, strict=True).tidy()
        for data in (frame, frame.assign(y=1 - frame["y"]))
    )
    close(one["estimate"], 1 / other["estimate"])
    close(one["conf_low"], 1 / other["conf_high"])
    close(one["p_value"], other["p_value"])
