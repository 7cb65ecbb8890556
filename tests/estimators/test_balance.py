"""Balance: against MatchIt and lm, by enumeration, by what must change sign or stay, and where it must refuse."""

from __future__ import annotations

import csv
import itertools
import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import impactkit as ik
from impactkit.compute.balance import assignments, omnibus, permutation_p

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "balance"
TOLERANCE = 1e-10  # relative; both sides add 240 numbers
COVARIATES = ("age", "earnings", "owner", "schooling")


@cache
def people() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "trial.csv", keep_default_na=False)


@cache
def reference(file: str) -> dict[str, dict[str, float]]:
    with (REFERENCE / file).open(encoding="utf-8") as handle:
        return {
            row["case"]: {
                name: math.nan if value == "NA" else float(value) for name, value in row.items() if name != "case"
            }
            for row in csv.DictReader(handle)
        }


def design(arm: str = "z", **options) -> ik.TrialDesign:
    return ik.TrialDesign(**{"unit": "id", "arm": arm, "treated": 1, "control": 0, **options})


def fit(trial, frame=None, *, seed=1, **options) -> pd.DataFrame:
    spec = ik.Balance(**{"name": "baseline", "covariates": COVARIATES, **options})
    return ik.Evaluation(trial, people() if frame is None else frame, [spec]).fit(seed=seed, strict=True)


def value(result, measure: str, outcome: str = "", term: str = "1") -> float:
    rows = result.tidy()
    rows = rows[(rows["measure"] == measure) & (rows["outcome"] == outcome) & (rows["term"] == term)]
    assert len(rows) == 1
    return float(rows["estimate"].iloc[0])


def joint(result, measure: str = "omnibus_f", term: str = "1") -> pd.Series:
    rows = result.tidy()
    return rows[(rows["measure"] == measure) & (rows["outcome"] == "") & (rows["term"] == term)].iloc[0]


# --- references -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", sorted(reference("differences.csv")))
def test_matchit(case: str) -> None:
    estimand, part, column = case.split("/")
    standardiser = {"ATT": "treated", "ATC": "control", "ATE": "pooled"}[estimand]
    result = fit(design(weights="w" if part == "matched" else None), standardiser=standardiser)
    wanted = reference("differences.csv")[case]
    outcome, level = ("schooling", column.removeprefix("schooling")) if column.startswith("school") else (column, "")
    terms = [f"{level}, {arm}" if level else arm for arm in ("1", "0")]
    kind = "mean" if column in ("age", "earnings") else "proportion"
    assert value(result, kind, outcome, terms[0]) == pytest.approx(wanted["treated"], rel=TOLERANCE)
    assert value(result, kind, outcome, terms[1]) == pytest.approx(wanted["control"], rel=TOLERANCE)
    found = value(result, "standardised_mean_difference", outcome, terms[0])
    assert found == pytest.approx(wanted["difference"], rel=1e-9)
    if kind == "mean":
        assert value(result, "variance_ratio", outcome, terms[0]) == pytest.approx(wanted["ratio"], rel=TOLERANCE)
    if part == "matched":
        before = reference("differences.csv")[f"{estimand}/all/{column}"]["difference"]
        assert value(result, "standardised_mean_difference_unweighted", outcome, terms[0]) == pytest.approx(
            before, rel=1e-9
        )


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("people", {}),
        ("people/strata", {"strata": ("stratum",)}),
        ("clusters/strata/plain", {"arm": "zc", "strata": ("stratum",), "clusters": "cluster"}),
        ("clusters/strata/weighted", {"arm": "zc", "strata": ("stratum",), "clusters": "cluster", "weights": "w"}),
    ],
)
def test_joint_test_is_the_f_test_of_lm(case: str, options) -> None:
    wanted = reference("joint.csv")[case]
    result = fit(design(**options))
    found = joint(result)
    assert found["statistic"] == pytest.approx(wanted["statistic"], rel=1e-9)
    assert found["df"] == wanted["df1"]
    assert found["p_value"] == pytest.approx(wanted["p_value"], rel=1e-8)
    assert any(f"F on 5 and {wanted['df2']:.0f} degrees" in reason for reason in result.notes()["reason"])


@pytest.mark.parametrize(
    ("standardiser", "scale"),
    [
        ("all", lambda x, y: np.concatenate([x, y]).std(ddof=1)),
        (
            "cohen",
            lambda x, y: math.sqrt(
                ((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / (len(x) + len(y) - 2)
            ),
        ),
    ],
)
def test_other_denominators(standardiser: str, scale) -> None:
    frame = people()
    x, y = (frame.loc[frame["z"] == arm, "age"].to_numpy() for arm in (1, 0))
    found = value(fit(design(), standardiser=standardiser), "standardised_mean_difference", "age")
    assert found == pytest.approx((x.mean() - y.mean()) / scale(x, y), rel=TOLERANCE)


# --- enumeration ------------------------------------------------------------------------------------------


def test_the_permutation_test_goes_through_every_allocation() -> None:
    rng = np.random.default_rng(4)
    strata = np.array([0] * 4 + [1] * 5)
    x = rng.normal(size=(9, 2))
    z = np.array([1, 0, 1, 0, 0, 1, 0, 0, 1], dtype=bool)

    def distance(treated: np.ndarray) -> float:
        d, v = np.zeros(2), np.zeros((2, 2))
        for code in (0, 1):
            inside = strata == code
            n, m = inside.sum(), treated[inside].sum()
            centred = x[inside] - x[inside].mean(axis=0)
            d += (treated[inside] - m / n) @ centred
            v += m * (n - m) / (n * (n - 1)) * centred.T @ centred
        return float(d @ np.linalg.solve(v, d))

    every = []
    for first in itertools.combinations(range(4), 2):
        for second in itertools.combinations(range(4, 9), 2):
            treated = np.zeros(9, dtype=bool)
            treated[list(first + second)] = True
            every.append(distance(treated))
    found = omnibus(treated=z, strata=strata, totals=x)
    assert found.distance == pytest.approx(distance(z), rel=1e-12)
    assert np.mean(every) == pytest.approx(2.0, rel=1e-12)  # its expectation is its rank, exactly
    assert assignments(found) == len(every) == 60
    exact, used = permutation_p(found, draws=1999, rng=rng)
    assert used == 60
    assert exact == np.mean(np.array(every) >= distance(z) - 1e-9)
    drawn, used = permutation_p(found, draws=59, rng=rng)
    assert used == 59
    assert 0 < drawn <= 1


def test_permutation_agrees_with_f_and_repeats() -> None:
    trial = design(strata=("stratum",))
    first, second, other = (fit(trial, permutations=1999, seed=seed) for seed in (1, 1, 2))
    drawn = joint(first, "omnibus_permutation")["p_value"]
    assert drawn == joint(second, "omnibus_permutation")["p_value"]
    assert drawn != joint(other, "omnibus_permutation")["p_value"]
    assert drawn == pytest.approx(joint(first)["p_value"], abs=0.035)  # 3 Monte Carlo errors, and the approximation
    with pytest.raises(ik.errors.AnalysisError, match="no seed was given"):
        fit(trial, permutations=99, seed=None)


# --- what must change and what must stay ----------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.01, 1e6),
    shift=st.floats(-1e6, 1e6),
    strata=st.booleans(),
    weighted=st.booleans(),
)
def test_swapping_rescaling_and_reordering(seed, scale, shift, strata, weighted) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    frame = pd.DataFrame(
        {
            "id": range(n),
            "z": rng.permutation([0, 1] * 20),
            "x": rng.normal(size=n),
            "g": rng.choice(["a", "b"], n),
            "site": rng.choice(["p", "q"], n),
            "w": rng.uniform(0.5, 2, n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "x"] = np.nan
    options = {"strata": ("site",) if strata else (), "weights": "w" if weighted else None}
    trial = design(**options)
    kept = {"covariates": ("x", "g")}
    base = fit(trial, frame, **kept)
    swapped = fit(design(treated=0, control=1, **options), frame, **kept)
    differences = ("standardised_mean_difference", "standardised_mean_difference_unweighted")
    one, two = base.tidy(), swapped.tidy()
    for measure in differences:
        np.testing.assert_allclose(
            one.loc[one["measure"] == measure, "estimate"].to_numpy(dtype=float),
            -two.loc[two["measure"] == measure, "estimate"].to_numpy(dtype=float),
            rtol=1e-9, atol=1e-12,
        )  # fmt: skip
    assert joint(base)["p_value"] == pytest.approx(joint(swapped, term="0")["p_value"], rel=1e-7)
    moved = fit(trial, frame.assign(x=frame["x"] * scale + shift), **kept).tidy()
    free = one["measure"].isin([*differences, "omnibus_f"])
    # a shift of a million leaves ten of sixteen digits to a difference of a hundredth
    tolerance = 1e-6 * (1 + abs(shift) / scale * 1e-3)
    for name in ("estimate", "p_value"):
        np.testing.assert_allclose(moved.loc[free, name], one.loc[free, name], rtol=tolerance, atol=tolerance)
    shuffled = fit(trial, frame.sample(frac=1.0, random_state=seed), **kept).tidy()
    np.testing.assert_allclose(shuffled["estimate"], one["estimate"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shuffled["p_value"], one["p_value"], rtol=1e-7)


def test_a_missing_covariate_drops_nobody_from_other_rows() -> None:
    frame = people().copy()
    frame.loc[frame.index % 5 == 0, "age"] = np.nan
    whole, gaps = fit(design()).tidy(), fit(design(), frame).tidy()
    keep = ["outcome", "term", "measure", "estimate", "n"]
    others = whole[whole["outcome"].isin(["earnings", "owner", "schooling"])][keep].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        gaps[gaps["outcome"].isin(["earnings", "owner", "schooling"])][keep].reset_index(drop=True), others
    )
    missing = gaps[gaps["term"].str.startswith("missing") & (gaps["measure"] == "count")]
    assert missing["estimate"].sum() == frame["age"].isna().sum()
    assert joint(fit(design(), frame))["df"] == 6  # the indicator is tested too


def test_each_treated_arm_is_tested_against_control_alone() -> None:
    frame = people().assign(arm=lambda d: np.where(d["z"] == 1, "IPS", np.where(d["id"] % 3 == 0, "phone", "usual")))
    both = fit(design(arm="arm", treated=("IPS", "phone"), control="usual"), frame)
    alone = fit(design(arm="arm", treated="IPS", control="usual", ignore_arms=("phone",)), frame)
    assert joint(both, term="IPS")["p_value"] == joint(alone, term="IPS")["p_value"]
    smd = "standardised_mean_difference"
    assert value(both, smd, "age", "IPS") == value(alone, smd, "age", "IPS")
    assert value(both, "count", "", "phone") == (frame["arm"] == "phone").sum()


def test_p_values_of_single_covariates_only_on_request() -> None:
    rows = fit(design()).tidy()
    assert rows.loc[rows["outcome"] != "", "p_value"].isna().all()
    asked = fit(design(), p_values=True).tidy()
    single = asked[(asked["measure"] == "omnibus_f") & (asked["outcome"] != "")]
    assert single["outcome"].tolist() == list(COVARIATES)
    assert single["df"].tolist() == [1, 1, 1, 2]


def test_rows_are_no_effects() -> None:
    from impactkit.report.frames import is_effect

    assert not any(map(is_effect, fit(design(weights="w"), permutations=19, p_values=True).tidy()["measure"]))


def test_those_analysed_for_an_outcome_with_its_weights() -> None:
    frame = people().assign(y=lambda d: np.where(d["id"] % 4 == 0, np.nan, d["age"]))
    frame.loc[frame["id"] % 10 == 1, "w"] = 0
    trial = design(outcomes=(ik.Outcome(name="y", kind="continuous", weights="w"),))
    result = ik.Evaluation(
        trial,
        frame,
        [ik.Balance(name="b", covariates=COVARIATES, outcome="y"), ik.IntentToTreat(name="itt", outcome="y")],
    ).fit(strict=True)
    counts = [name for name in result.glance().columns if name.startswith("n_")]
    mine, theirs = (result[name].glance()[counts].iloc[0] for name in ("b", "itt"))
    assert mine.equals(theirs)
    assert result["b"].glance()["effective_n"].iloc[0] == result["itt"].glance()["effective_n"].iloc[0]


# --- where it must say no ----------------------------------------------------------------------------------


def reasons(result) -> str:
    return " ".join(result.notes()["reason"])


def test_nobody_was_randomised() -> None:
    trial = ik.ComparisonDesign(unit="id", arm="z", treated=1, control=0)
    result = fit(trial)
    assert math.isnan(joint(result)["p_value"])
    assert "nobody was randomised" in reasons(result)
    assert not math.isnan(value(result, "standardised_mean_difference", "age"))


def test_clusters_neither_whole_nor_split_are_refused() -> None:
    frame = people().copy()
    frame.loc[3, "zc"] = 1 - frame.loc[3, "zc"]
    result = fit(design(arm="zc", clusters="cluster"), frame)
    assert "arms vary inside 1 of 48 clusters" in reasons(result)
    assert math.isnan(joint(result)["p_value"])


def test_people_allocated_inside_clusters_are_people() -> None:
    assert joint(fit(design(clusters="cluster")))["p_value"] == joint(fit(design()))["p_value"]


def test_clusters_across_strata_are_refused() -> None:
    frame = people().assign(half=lambda d: d["id"] % 2)
    assert "several strata" in reasons(fit(design(arm="zc", clusters="cluster", strata=("half",)), frame))


def test_varying_probability_inside_strata_is_refused() -> None:
    frame = people().assign(chance=lambda d: np.where(d["stratum"] == "south", 0.25, 0.45))
    assert "differs inside 1 strata" in reasons(fit(design(allocation="chance"), frame))
    assert not math.isnan(joint(fit(design(allocation="chance", strata=("stratum",)), frame))["p_value"])


def test_more_covariates_than_units() -> None:
    frame = people().iloc[::30].reset_index(drop=True).assign(z=[0, 1] * 4)
    rng = np.random.default_rng(1)
    names = tuple(f"x{place}" for place in range(9))
    frame = frame.assign(**{name: rng.normal(size=8) for name in names})
    result = fit(design(), frame, covariates=names)
    assert "name fewer covariates" in reasons(result)


def test_collinear_and_constant_covariates_are_named() -> None:
    frame = people().assign(double=lambda d: 2 * d["age"], same=1.0)
    result = fit(design(), frame, covariates=("age", "double", "same"))
    assert "leaves out what follows from other columns or strata: double, same" in reasons(result)
    assert joint(result)["df"] == 1
    assert math.isnan(value(result, "standardised_mean_difference", "same"))
    assert "`same`: does not vary" in reasons(result)


def test_unknown_weights_of_people_assigned() -> None:
    frame = people().assign(w=lambda d: d["w"].where(d["id"] > 40))
    result = fit(design(weights="w"), frame)
    assert "not known for 41 of 240" in reasons(result)
    assert "name the `outcome` they belong to" in reasons(result)


def test_plan_keeps_it() -> None:
    spec = ik.Balance(name="b", covariates=("age",), standardiser="control", permutations=1999)
    plan = ik.Plan(design=design(), analyses=(spec,))
    assert ik.Plan.from_dict(plan.to_dict()).analyses == (spec,)
