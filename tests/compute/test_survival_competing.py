"""Competing exits against R's survfit, cmprsk, finegray and coxph, and what the estimates must keep to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.compute.survival.competing import AalenJohansen, aalen_johansen, incidence_limits, standard_error
from impactkit.compute.survival.cox import cox
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.finegray import fine_gray
from impactkit.compute.survival.gray import gray_test
from impactkit.errors import NotEstimableError

REFERENCE = Path(__file__).parents[1] / "reference" / "competing"
CLOSE = 1e-9
Z = 1.959963984540054
CAUSES = {"work": 1, "other": 2, "third": 3}


def people(late: bool = False) -> pd.DataFrame:
    frame = pd.read_csv(REFERENCE / "people.csv")
    return frame[frame["late"] == 1].reset_index(drop=True) if late else frame


def expected(case: str) -> pd.DataFrame:
    frame = pd.read_csv(REFERENCE / "expected.csv")
    found = frame[frame["case"] == case]
    assert len(found)
    return found


def curves(case: str) -> tuple[AalenJohansen, np.ndarray | None]:
    frame = people(late="entry" in case)
    fit = aalen_johansen(
        frame["days"].to_numpy(float),
        frame["cause"].to_numpy(),
        3,
        start=frame["entry"].to_numpy(float) if "entry" in case else None,
        weights=frame["w"].to_numpy() if "weights" in case else None,
    )
    return fit, frame["cluster"].to_numpy() if "clusters" in case else None


@pytest.mark.parametrize("case", ["ties", "entry", "entry weights", "entry weights clusters"])
def test_incidence_and_time_lost_as_survfit(case: str) -> None:
    fit, clusters = curves(case)
    for row in expected(case).itertuples():
        if row.term == "absent":
            influence = sum(fit.incidence_influence(cause, row.time) for cause in (1, 2, 3))
            ours = float(fit.survival_at(row.time)) if row.what == "estimate" else standard_error(influence, clusters)
        else:
            cause = CAUSES[row.term]
            error = standard_error(fit.incidence_influence(cause, row.time), clusters)
            if row.what == "estimate":
                ours = float(fit.at(cause, row.time))
            elif row.what == "std_error":
                ours = error
            elif row.what == "lost":
                ours = fit.lost(cause, row.time)
            elif row.what == "lost_se":
                ours = standard_error(fit.lost_influence(cause, row.time), clusters)
            else:
                side, kind = row.what.split()
                low, high = incidence_limits(
                    np.array([fit.at(cause, row.time)]), np.array([error]), quantile=Z, kind=kind
                )
                ours = float((low if side == "low" else high)[0])
        assert ours == pytest.approx(row.value, rel=CLOSE, abs=1e-14), f"{row.what} {row.term} at {row.time}"


def test_incidence_as_cuminc_and_its_variance_nearly() -> None:
    fit, _ = curves("ties")
    for row in expected("cuminc").itertuples():
        cause = CAUSES[row.term]
        if row.what == "estimate":
            assert float(fit.at(cause, row.time)) == pytest.approx(row.value, rel=CLOSE)
        else:  # another estimator of the same variance
            assert standard_error(fit.incidence_influence(cause, row.time)) ** 2 == pytest.approx(row.value, rel=0.03)


def fitted(case: str):
    words = case.split()
    late = "entry" in words
    frame = people(late=late)
    column = "smooth" if words[0] == "crr" else "days"
    block = (frame["block"] == "south").to_numpy().astype(int)
    return fine_gray(
        frame[column].to_numpy(float),
        frame["cause"].to_numpy(),
        frame[["x", "z"]].to_numpy(float),
        start=frame["entry"].to_numpy(float) if late else None,
        strata=block if "strata" in words else None,
        censoring=block if "cengroup" in words else None,
        clusters=frame["cluster"].to_numpy() if "clusters" in words else None,
        ties="efron" if "efron" in words else "breslow",
        weights_known=words[0] == "finegray",
    )


WHAT = ("", "entry ", "entry clusters ", "entry strata ")
MODELS = ["crr", "crr cengroup", *(f"finegray {what}{ties}" for what in WHAT for ties in ("efron", "breslow"))]


@pytest.mark.parametrize("case", MODELS)
def test_fine_gray_as_r(case: str) -> None:
    fit, rows = fitted(case), expected(case)
    np.testing.assert_allclose(fit.coef, rows.loc[rows["what"] == "coef", "value"], rtol=CLOSE)
    # with several groups of censoring cmprsk 2.2-11 forms the small term of the variance another way: 2e-4 apart
    close = 5e-4 if case == "crr cengroup" else CLOSE
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov)), rows.loc[rows["what"] == "std_error", "value"], rtol=close)


def test_fine_gray_needs_the_exit_and_covariates_that_vary() -> None:
    stop, cause = np.arange(1.0, 9.0), np.array([1, 2, 0, 1, 2, 0, 1, 2])
    with pytest.raises(NotEstimableError, match="nobody"):
        fine_gray(stop, cause, np.arange(8.0)[:, None], interest=3)
    with pytest.raises(NotEstimableError, match="vary"):
        fine_gray(stop, cause, np.ones((8, 1)))
    with pytest.raises(NotEstimableError, match="finite maximum"):
        fine_gray(stop, cause, (cause == 1).astype(float)[:, None])
    with pytest.raises(NotEstimableError, match="risk set is empty"):
        fine_gray(
            stop, cause, np.array([1.0, 0, 1, 1, 0, 1, 0, 0])[:, None], start=np.array([0, 0, 0, 4, 4, 4, 4, 4.0])
        )


@pytest.mark.parametrize("case", ["gray ties", "gray smooth", "gray strata", "gray two"])
def test_equal_incidence_as_cuminc(case: str) -> None:
    frame = people()
    if case == "gray two":
        frame = frame[frame["group"] != "c"]
    stop = frame["smooth" if case == "gray smooth" else "days"].to_numpy(float)
    group = pd.factorize(frame["group"], sort=True)[0]
    strata = pd.factorize(frame["block"], sort=True)[0] if case == "gray strata" else None
    for row in expected(case).itertuples():
        found = gray_test(stop, frame["cause"].to_numpy(), group, interest=CAUSES[row.term], strata=strata)
        assert getattr(found, row.what) == pytest.approx(row.value, rel=CLOSE)


def test_equal_incidence_needs_groups_and_exits() -> None:
    stop, cause = np.arange(1.0, 7.0), np.array([1, 2, 0, 1, 2, 0])
    with pytest.raises(NotEstimableError, match="one group"):
        gray_test(stop, cause, np.zeros(6, dtype=int))
    with pytest.raises(NotEstimableError, match="too few"):
        gray_test(stop, np.where(cause == 1, 2, cause), np.array([0, 1, 0, 1, 0, 1]))


# --- properties -----------------------------------------------------------------------------------------------------


@st.composite
def made_up(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(4, 60))
    start = np.where(rng.random(n) < 0.5, 0.0, rng.integers(0, 6, n)).astype(float)
    start[:3] = 0.0
    stop = start + rng.integers(1, 9, n)
    return start, stop, rng.integers(0, 3, n), rng.integers(1, 4, n).astype(float)


@given(made_up())
def test_incidences_and_survival_add_to_one(data: tuple[np.ndarray, ...]) -> None:
    start, stop, cause, weights = data
    fit = aalen_johansen(stop, cause, 2, start=start, weights=weights)
    np.testing.assert_allclose(fit.incidence.sum(axis=1) + fit.survival, 1.0, atol=1e-12)
    assert (np.diff(fit.incidence, axis=0) >= 0).all()


@given(made_up())
def test_one_cause_is_one_minus_the_product_limit(data: tuple[np.ndarray, ...]) -> None:
    start, stop, cause, weights = data
    fit = aalen_johansen(stop, (cause == 1).astype(int), 1, start=start, weights=weights)
    times = np.arange(16.0)
    km = product_limit(stop, cause == 1, start=start, weights=weights)
    np.testing.assert_allclose(fit.at(1, times), 1 - km.at(times), atol=1e-12)


@given(made_up())
def test_weights_are_copies_and_order_does_not_matter(data: tuple[np.ndarray, ...]) -> None:
    start, stop, cause, weights = data
    whole = aalen_johansen(stop, cause, 2, start=start, weights=weights)
    copies = np.repeat(np.arange(stop.size), weights.astype(int))
    again = aalen_johansen(stop[copies], cause[copies], 2, start=start[copies])
    np.testing.assert_allclose(whole.incidence, again.incidence, atol=1e-12)
    # a person's copies, summed, are the person's influence
    summed = np.bincount(copies, weights=again.incidence_influence(1, 6.0), minlength=stop.size)
    np.testing.assert_allclose(whole.incidence_influence(1, 6.0), summed, atol=1e-12)
    turned = np.arange(stop.size)[::-1]
    other = aalen_johansen(stop[turned], cause[turned], 2, start=start[turned], weights=weights[turned])
    np.testing.assert_allclose(other.incidence, whole.incidence, atol=1e-12)
    np.testing.assert_allclose(other.lost_influence(2, 7.0)[turned], whole.lost_influence(2, 7.0), atol=1e-12)


@given(made_up())
def test_influence_is_the_derivative_in_each_weight(data: tuple[np.ndarray, ...]) -> None:
    start, stop, cause, weights = data
    fit = aalen_johansen(stop, cause, 2, start=start, weights=weights)
    step = 1e-6
    for person in range(0, stop.size, 7):
        up, down = weights.copy(), weights.copy()
        up[person] += step
        down[person] -= step
        high, low = (aalen_johansen(stop, cause, 2, start=start, weights=w) for w in (up, down))
        slope = (high.lost(1, 8.0) - low.lost(1, 8.0)) / (2 * step) * weights[person]
        assert fit.lost_influence(1, 8.0)[person] == pytest.approx(slope, abs=1e-6)


@given(made_up())
def test_fine_gray_weights_are_copies_under_breslow_and_order_does_not_matter(data: tuple[np.ndarray, ...]) -> None:
    start, stop, cause, weights = data
    x = np.column_stack([np.sin(np.arange(stop.size)), np.cos(3.0 * np.arange(stop.size))])
    try:
        whole = fine_gray(stop, cause, x, start=start, weights=weights, ties="breslow")
    except NotEstimableError:
        return
    if np.abs(whole.coef).max() > 10:  # next to no information: a handful of people, nearly told apart
        return
    copies = np.repeat(np.arange(stop.size), weights.astype(int))
    again = fine_gray(stop[copies], cause[copies], x[copies], start=start[copies], ties="breslow")
    size = 1.0 + np.abs(whole.coef).max()
    np.testing.assert_allclose(whole.coef, again.coef, atol=1e-6 * size)
    summed = np.column_stack([np.bincount(copies, weights=again.influence[:, j]) for j in (0, 1)])
    np.testing.assert_allclose(whole.influence, summed, atol=1e-6 * np.abs(whole.influence).max())
    turned = np.arange(stop.size)[::-1]
    sides = (stop[turned], cause[turned], x[turned])
    other = fine_gray(*sides, start=start[turned], weights=weights[turned], ties="breslow")
    np.testing.assert_allclose(other.coef, whole.coef, atol=1e-6 * size)


def test_one_cause_is_coxs_model() -> None:
    frame = people(late=True)
    stop, start, x = frame["days"].to_numpy(float), frame["entry"].to_numpy(float), frame[["x", "z"]].to_numpy(float)
    event = frame["cause"].to_numpy() == 1
    ours = fine_gray(stop, event.astype(int), x, start=start, weights=frame["w"].to_numpy())
    theirs = cox(stop, event, x, start=start, weights=frame["w"].to_numpy())
    np.testing.assert_allclose(ours.coef, theirs.coef, rtol=1e-8)
    np.testing.assert_allclose(ours.vcov, theirs.robust, rtol=1e-8)


def test_days_over_seven_stay_tied() -> None:
    frame = people()
    days = frame["days"].to_numpy(float)
    noisy = np.where(np.arange(days.size) % 2, days / 7.0, days * (1.0 / 7.0))
    assert np.unique(noisy).size > np.unique(days).size
    fit, _ = curves("ties")
    weeks = aalen_johansen(noisy, frame["cause"].to_numpy(), 3)
    np.testing.assert_allclose(weeks.incidence, fit.incidence, rtol=1e-12)


def test_a_risk_set_that_empties_early_is_named() -> None:
    start = np.array([0.0, 2.0, 5.0, 5.0])
    fit = aalen_johansen(np.array([3.0, 4.0, 8.0, 9.0]), np.array([1, 2, 1, 0]), 2, start=start)
    assert fit.collapse == 4.0
    assert fit.known_to < 4.0
    later = aalen_johansen(np.array([8.0, 9.0]), np.array([1, 0]), 2, start=start[2:])
    assert later.collapse == np.inf
    assert later.known_to == 9.0
