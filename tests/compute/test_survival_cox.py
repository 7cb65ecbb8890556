"""The Cox kernel against R's survival, and what must hold of any data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactkit.compute.survival.cox import CoxFit, cox, sums_by
from impactkit.compute.survival.cox_checks import baseline, proportional_hazards, scaled_schoenfeld, schoenfeld
from impactkit.compute.survival.cox_jackknife import without_each_cluster
from impactkit.errors import DataError, NotEstimableError

HERE = Path(__file__).parents[1] / "reference" / "cox"
COHORT = pd.read_csv(HERE / "cohort.csv")
FITS = pd.read_csv(HERE / "fits.csv")
CASES = tuple(FITS["case"].unique())
CLOSE = 1e-9


def arguments(case: str) -> dict[str, Any]:
    parts, unit = case.split("-"), 7.0 if "weeks" in case else 1.0
    return {
        "stop": COHORT["days"].to_numpy(float) / unit,
        "event": COHORT["event"].to_numpy() == 1,
        "x": COHORT[["x1", "x2", "x3"]].to_numpy(float),
        "start": COHORT["entry"].to_numpy(float) / unit if "late" in parts else None,
        "weights": COHORT["w"].to_numpy(float) if "weighted" in parts else None,
        "strata": COHORT["stratum"].to_numpy() if "strata" in parts else None,
        "clusters": COHORT["cluster"].to_numpy(),
        "ties": parts[0],
    }


def fit(case: str, **changes: Any) -> CoxFit:
    return cox(**{**arguments(case), **changes})


@pytest.mark.parametrize("case", CASES)
def test_fits_agree_with_coxph(case: str) -> None:
    theirs, ours = FITS[FITS["case"] == case], fit(case)
    alone = fit(case, clusters=None)
    assert ours.converged
    assert not ours.diverging.any()
    np.testing.assert_allclose(ours.coef, theirs["coef"], rtol=CLOSE)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.vcov)), theirs["se"], rtol=CLOSE)
    np.testing.assert_allclose(np.sqrt(np.diag(alone.robust)), theirs["robust"], rtol=CLOSE)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.robust)), theirs["clustered"], rtol=CLOSE)
    np.testing.assert_allclose(alone.robust[0, 1], theirs["robust12"].iloc[0], rtol=1e-8)
    np.testing.assert_allclose(ours.vcov[0, 1], theirs["vcov12"].iloc[0], rtol=1e-8)
    np.testing.assert_allclose(ours.loglik, theirs[["null", "loglik"]].iloc[0], rtol=1e-12)
    np.testing.assert_allclose(ours.score_test[0], theirs["score"].iloc[0], rtol=CLOSE)
    assert (ours.n, ours.n_events) == (len(COHORT), COHORT["event"].sum())


@pytest.mark.parametrize("case", pd.read_csv(HERE / "dfbeta.csv")["case"].unique())
def test_influence_agrees_with_dfbeta(case: str) -> None:
    frame = pd.read_csv(HERE / "dfbeta.csv")
    theirs = frame.loc[frame["case"] == case, ["X1", "X2", "X3"]].to_numpy()
    np.testing.assert_allclose(fit(case).influence, theirs, rtol=1e-8, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("case", CASES)
def test_baseline_agrees_with_basehaz(case: str) -> None:
    frame = pd.read_csv(HERE / "baseline.csv")
    theirs, ours = frame[frame["case"] == case], baseline(fit(case))
    for stratum, part in theirs.groupby("stratum"):
        own = ours.stratum == stratum
        places = np.searchsorted(ours.time[own], part["time"] + 1e-9, side="right")
        steps = np.concatenate([[0.0], ours.cumulative[own]])
        np.testing.assert_allclose(steps[places], part["hazard"], rtol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_proportional_hazards_agrees_with_cox_zph(case: str) -> None:
    frame = pd.read_csv(HERE / "zph.csv")
    given = arguments(case)
    for transform, part in frame[frame["case"] == case].groupby("transform"):
        found = proportional_hazards(
            fit(case), given["stop"], given["event"], start=given["start"], transform=transform
        )
        np.testing.assert_allclose(found.statistic, part["chisq"].iloc[:3], rtol=1e-7)
        np.testing.assert_allclose(found.p_value, part["p"].iloc[:3], rtol=1e-6)
        np.testing.assert_allclose(found.overall, part[["chisq", "df", "p"]].iloc[3], rtol=1e-6)


def test_schoenfeld_residuals_agree() -> None:
    frame = pd.read_csv(HERE / "schoenfeld.csv")
    for case, part in frame.groupby("case"):
        ours = np.column_stack([schoenfeld(fit(case))[1], scaled_schoenfeld(fit(case))[1]])
        theirs = part.iloc[:, 1:].to_numpy()
        size = np.abs(theirs).max(axis=0)
        order = [np.lexsort(np.round(rows / size, 7).T) for rows in (ours, theirs)]  # tied people in any order
        np.testing.assert_allclose(ours[order[0]] / size, theirs[order[1]] / size, atol=1e-9)


def test_rossi() -> None:
    from lifelines.datasets import load_rossi

    rossi = load_rossi()
    x = rossi.drop(columns=["week", "arrest"]).to_numpy(float)
    found = cox(rossi["week"].to_numpy(float), rossi["arrest"].to_numpy() == 1, x)
    assert round(float(found.coef[0]), 3) == -0.379
    assert round(float(np.sqrt(found.vcov[0, 0])), 3) == 0.191


# --- what must hold of any data ------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_makes_no_difference(seed: int) -> None:
    whole = arguments("efron-late-weighted-strata")
    order = np.random.default_rng(seed).permutation(len(COHORT))
    shuffled = {name: value[order] if isinstance(value, np.ndarray) else value for name, value in whole.items()}
    first, second = cox(**whole), cox(**shuffled)
    np.testing.assert_allclose(second.coef, first.coef, rtol=1e-10)
    np.testing.assert_allclose(second.robust, first.robust, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(second.influence, first.influence[order], rtol=1e-7, atol=1e-10)


@settings(max_examples=15, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_columns_in_another_unit(shift: float, scale: float) -> None:
    plain = fit("efron-late")
    moved = fit("efron-late", x=arguments("efron-late")["x"] * scale + shift)
    np.testing.assert_allclose(moved.coef * scale, plain.coef, rtol=1e-7)
    np.testing.assert_allclose(moved.robust * scale**2, plain.robust, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(moved.loglik, plain.loglik, rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_a_weight_is_a_number_of_people_under_breslow(seed: int) -> None:
    copies = np.random.default_rng(seed).integers(1, 4, len(COHORT))
    whole = arguments("breslow-late") | {"clusters": None}
    row = np.repeat(np.arange(len(COHORT)), copies)
    many = {name: value[row] if isinstance(value, np.ndarray) else value for name, value in whole.items()}
    weighted, repeated = cox(**whole | {"weights": copies.astype(float)}), cox(**many | {"clusters": row})
    np.testing.assert_allclose(weighted.coef, repeated.coef, rtol=1e-9)
    np.testing.assert_allclose(weighted.vcov, repeated.vcov, rtol=1e-8)
    np.testing.assert_allclose(weighted.robust, repeated.robust, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_weights_makes_no_difference_to_robust_errors(scale: float) -> None:
    whole = arguments("efron-late-weighted-strata")
    plain, scaled = cox(**whole), cox(**whole | {"weights": whole["weights"] * scale})
    assert scaled.converged
    np.testing.assert_allclose(scaled.coef, plain.coef, rtol=1e-10)
    np.testing.assert_allclose(scaled.robust, plain.robust, rtol=1e-9, atol=1e-16)
    np.testing.assert_allclose(scaled.vcov * scale, plain.vcov, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_entry_before_every_event_is_no_entry(ties: str) -> None:
    stop = arguments("efron")["stop"]
    before = np.random.default_rng(3).uniform(0.0, 0.9, stop.size)
    plain, late = fit(ties), fit(ties, start=before)
    np.testing.assert_allclose(late.coef, plain.coef, rtol=1e-10)
    np.testing.assert_allclose(late.influence, plain.influence, rtol=1e-8, atol=1e-12)


def test_influence_is_the_derivative_by_weight() -> None:
    whole = arguments("efron-late-weighted-strata")
    found, small = cox(**whole), 1e-4
    for row in (0, 7, 100, 250):
        moved = []
        for sign in (1.0, -1.0):
            weights = whole["weights"].copy()
            weights[row] *= 1.0 + sign * small
            moved.append(cox(**whole | {"weights": weights}).coef)
        np.testing.assert_allclose((moved[0] - moved[1]) / (2 * small), found.influence[row], rtol=1e-5, atol=1e-10)


def test_a_stratum_of_its_own_adds_likelihoods() -> None:
    whole = arguments("efron-late")
    half = COHORT["x2"].to_numpy()
    x = whole["x"][:, [0, 2]]
    both = cox(**whole | {"x": x, "strata": half})
    parts = []
    for code in (0, 1):
        own = {name: value[half == code] if isinstance(value, np.ndarray) else value for name, value in whole.items()}
        parts.append(cox(**own | {"x": x[half == code]}))
    assert both.loglik[0] == pytest.approx(sum(part.loglik[0] for part in parts), rel=1e-12)
    assert both.loglik[1] <= sum(part.loglik[1] for part in parts) + 1e-9


def test_many_strata_and_times_without_ties() -> None:
    rng = np.random.default_rng(4)
    n = 3000
    stop, x = rng.exponential(size=n), rng.normal(size=(n, 2))
    strata = rng.integers(0, 1000, n)
    ours = cox(stop, rng.random(n) < 0.7, x, start=stop * rng.uniform(0, 0.9, n), strata=strata)
    sparse = cox(
        np.round(stop * 1e6), rng.random(n) < 0.7, x, start=np.round(stop * 1e5), strata=strata * 7
    )  # codes with gaps
    assert ours.converged
    assert sparse.converged


def test_small_risk_sets_beside_large_sums_lose_no_digits() -> None:
    rng = np.random.default_rng(9)
    n = 30_000
    x = rng.normal(size=(n, 2))
    early = np.arange(n) < 40
    start = np.where(early, 0.0, 100.0)
    stop = np.where(early, rng.integers(1, 60, n), 100.0 + rng.integers(1, 300, n)).astype(float)
    x[early, 0] -= 12.0  # of little weight beside those who come later
    event = rng.random(n) < 0.8
    whole = cox(stop, event, x, start=start)
    parts = cox(stop, event, x, strata=(~early).astype(int))  # the two groups are never at risk together
    np.testing.assert_allclose(whole.coef, parts.coef, rtol=1e-10)
    np.testing.assert_allclose(whole.vcov, parts.vcov, rtol=1e-10)
    np.testing.assert_allclose(whole.robust, parts.robust, rtol=1e-10)


# --- what cannot be estimated --------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("late", [False, True])
def test_monotone_likelihood_is_said_and_not_a_huge_number(sign: int, late: bool) -> None:
    whole = arguments("efron-late" if late else "efron")
    never = np.random.default_rng(1).random(len(COHORT)) < 0.3
    x = np.column_stack([whole["x"][:, :2], -sign * never.astype(float)])
    found = cox(**whole | {"x": x, "event": whole["event"] & ~never})
    assert not found.converged
    assert found.diverging.tolist() == [0, 0, sign]
    assert found.coef[2] == sign * np.inf
    assert np.isnan(found.vcov).all()
    assert np.isnan(found.robust).all()
    assert np.isnan(found.influence).all()


def test_a_rare_level_without_events_is_monotone() -> None:
    rng = np.random.default_rng(2)
    n = 20_000
    rare = np.arange(n) < 3
    stop, event = rng.integers(1, 365, n).astype(float), (rng.random(n) < 0.5) & ~rare
    stop[:3] = 400.0
    found = cox(stop, event, np.column_stack([rng.normal(size=n), rare]))
    assert found.diverging.tolist() == [0, -1]


def test_one_event_among_a_few_of_very_many_is_finite() -> None:
    rng = np.random.default_rng(3)
    n = 100_000
    stop, event = rng.integers(1, 365, n).astype(float), rng.random(n) < 0.5
    rare = np.arange(n) < 6
    stop[:6], event[:6] = [360.0, 362, 363, 363, 362, 364], [True, False, False, False, False, False]
    found = cox(stop, event, np.column_stack([rng.normal(size=n), rare]))
    assert found.converged
    assert -4.0 < found.coef[1] < -0.5
    assert 0.9 < np.sqrt(found.vcov[1, 1]) < 1.1


def test_a_strong_effect_is_not_taken_for_an_infinite_one() -> None:
    rng = np.random.default_rng(5)
    group = np.arange(4000) % 2
    stop = np.ceil(rng.exponential(200 * np.exp(-5.0 * group)))
    found = cox(np.minimum(stop, 365.0), stop <= 365, group[:, None].astype(float))
    assert found.converged
    assert 4.5 < found.coef[0] < 5.5


def test_collinear_and_constant_columns_are_named() -> None:
    whole = arguments("efron")
    x = whole["x"]
    wide = np.column_stack([x, x[:, 0] - x[:, 1], np.full(len(x), 3.0)])
    with pytest.raises(NotEstimableError, match=r"e: the same for everybody.*; d: given by the columns before"):
        cox(**whole | {"x": wide, "names": list("abcde")})
    with pytest.raises(NotEstimableError, match="x2: the same for everybody"):
        cox(**whole | {"strata": COHORT["x2"].to_numpy(), "names": ["x1", "x2", "x3"]})


def test_bad_input_is_one_error_with_counts() -> None:
    whole = arguments("efron-weighted")
    x, weights = whole["x"].copy(), whole["weights"].copy()
    x[:3, 0], weights[:2] = np.nan, 0.0
    with pytest.raises(DataError, match=r"(?s)2 problems.*3 are not.*2 are not"):
        cox(**whole | {"x": x, "weights": weights})
    with pytest.raises(DataError, match="does not for 5 of 346"):
        cox(**whole | {"start": np.where(np.arange(346) < 5, whole["stop"], 0.0)})
    with pytest.raises(DataError, match="1 are not"):
        cox(**whole | {"stop": np.where(np.arange(346) < 1, np.nan, whole["stop"])})
    with pytest.raises(NotEstimableError, match="nobody has the event"):
        cox(**whole | {"event": np.zeros(346, dtype=bool)})


def test_leaving_out_each_cluster() -> None:
    whole = arguments("efron-late-weighted-strata")
    found, clusters = cox(**whole), whole["clusters"]

    def refit(keep: np.ndarray) -> CoxFit:
        return cox(**{name: value[keep] if isinstance(value, np.ndarray) else value for name, value in whole.items()})

    sums = sums_by(without_each_cluster(found, refit, clusters), clusters)
    others = np.array([refit(clusters != code).coef for code in np.unique(clusters)])
    count = len(others)
    np.testing.assert_allclose(sums, np.sqrt((count - 1) / count) * (found.coef - others), rtol=1e-8, atol=1e-12)


def test_the_robust_test_of_proportional_hazards_is_near_the_other_without_clusters() -> None:
    rng = np.random.default_rng(6)
    n = 20_000
    x = rng.normal(size=(n, 2))
    stop = np.ceil(60 * rng.exponential(np.exp(-0.4 * x[:, 0])))
    event = stop <= 120
    stop = np.minimum(stop, 120.0)
    found = cox(stop, event, x)
    plain, robust = (proportional_hazards(found, stop, event, robust=way) for way in (False, True))
    np.testing.assert_allclose(robust.statistic, plain.statistic, rtol=0.05)
    assert robust.overall[0] == pytest.approx(plain.overall[0], rel=0.05)


def test_nothing_is_changed_and_numbers_may_come_in_any_layout() -> None:
    whole = arguments("efron-late-weighted")
    before = {name: value.copy() for name, value in whole.items() if isinstance(value, np.ndarray)}
    first = cox(**whole)
    fortran = cox(**whole | {"x": np.asfortranarray(whole["x"]), "event": whole["event"].astype(int)})
    np.testing.assert_allclose(fortran.coef, first.coef, rtol=1e-12)
    for name, value in before.items():
        np.testing.assert_array_equal(whole[name], value)
