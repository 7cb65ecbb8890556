"""Parametric models and Turnbull's estimate: against R, numerical derivatives, closed forms and one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import gamma, gammainc

from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.parametric import (
    MODELS,
    Model,
    ModelName,
    ParametricFit,
    Times,
    _Problem,
    fit_parametric,
    model_of,
)
from impactkit.compute.survival.parametric_base import Base, density, log_survivor, quantile, tail
from impactkit.compute.survival.parametric_quantities import Averaged
from impactkit.compute.survival.turnbull import turnbull

FOLDER = Path(__file__).parents[1] / "reference" / "parametric"
DATA = pd.read_csv(FOLDER / "absences.csv").fillna({"upper": np.inf})
EXPECTED = pd.read_csv(FOLDER / "expected.csv")
NAMES: dict[str, tuple[ModelName, str]] = {
    "weibull": ("weibull", "hazard"),
    "lognormal": ("lognormal", "hazard"),
    "gg": ("generalised_gamma", "hazard"),
    "hazard": ("royston_parmar", "hazard"),
    "odds": ("royston_parmar", "odds"),
}


def times_of(case: str) -> tuple[Model, Times]:
    late = case.startswith("late")
    dist, data, weighted = case.removeprefix("late|").split("|") if not late else (*case.split("|")[1:], "TRUE")
    lower, upper = DATA["stop"].to_numpy(), np.where(DATA["event"] == 1, DATA["stop"], np.inf)
    if data == "interval":
        lower, upper = DATA["lower_late" if late else "lower"].to_numpy(), DATA["upper"].to_numpy()
    times = Times.of(
        lower,
        upper,
        entry=DATA["entry"].to_numpy() if late else None,
        weights=DATA["w"].to_numpy() if weighted == "TRUE" else None,
        covariates=DATA[["x", "arm"]].to_numpy(float),
    )
    name, scale = NAMES[dist]
    return model_of(name, times, knots=2, scale=scale), times  # type: ignore[arg-type]


def named(fit: ParametricFit) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    kinds, values, jacobian = fit.natural()
    names = [{"x0": "x", "x1": "arm"}.get(kind, kind) for kind in kinds]
    model = np.sqrt(np.diagonal(jacobian @ fit.covariance @ jacobian.T))
    carried = np.zeros((24, fit.k))
    np.add.at(carried, DATA["practice"].to_numpy(), fit.influence @ jacobian.T)
    return names, values, model, np.sqrt((carried**2).sum(axis=0))


@pytest.mark.parametrize("case", EXPECTED["case"].unique())
def test_agrees_with_r(case: str) -> None:
    expected = EXPECTED[EXPECTED["case"] == case].set_index("name")
    model, times = times_of(case)
    fit = fit_parametric(model, times)
    assert fit.converged
    assert fit.monotone
    names, values, errors, robust = named(fit)
    theirs = expected.loc[names]
    np.testing.assert_allclose(values, theirs["value"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(errors, theirs["se"], rtol=1e-6)
    if case.startswith("late") or case.endswith("right|FALSE"):
        # survreg's robust errors leave weights out (weights of 2 do not give those of doubled rows), and its residuals
        # of intervals are not scores: there the likelihood written out in R is the reference
        np.testing.assert_allclose(robust, theirs["robust"], rtol=1e-6)
    np.testing.assert_allclose(fit.log_likelihood, expected.loc["loglik", "value"], rtol=1e-9)
    if "rmst30" in expected.index:
        one = Averaged(fit, np.zeros((1, 2)), np.ones(1))
        np.testing.assert_allclose(one.restricted_mean(30.0).value, expected.loc["rmst30", "value"], rtol=1e-8)
        np.testing.assert_allclose(one.quantile(0.5).value, expected.loc["median", "value"], rtol=1e-8)


@pytest.mark.parametrize(
    "case", ["late|gg|interval", "late|hazard|interval", "late|odds|right", "late|weibull|interval"]
)
def test_scores_and_hessian_are_the_derivatives(case: str) -> None:
    model, times = times_of(case)
    fit = fit_parametric(model, times)
    problem = _Problem(model, times)
    theta = fit.theta * 1.01
    _, scores, hessian = problem.at(theta)
    step = 1e-5 * np.eye(fit.k)
    slope = [(problem.at(theta + e)[0] - problem.at(theta - e)[0]) / 2e-5 for e in step]
    np.testing.assert_allclose(scores.sum(axis=0), slope, rtol=1e-6, atol=1e-5)
    bend = [(problem.at(theta + e)[1].sum(axis=0) - problem.at(theta - e)[1].sum(axis=0)) / 2e-5 for e in step]
    np.testing.assert_allclose(hessian, bend, rtol=1e-5, atol=1e-6 * np.abs(hessian).max())


@pytest.mark.parametrize("shape", [-2.0, -0.7, -0.15, -1e-3, -5e-4, 1e-9, 0.0, 4e-4, 0.01, 0.25, 1.0, 1.8])
def test_log_gamma_integrates_to_its_tail_through_shape_zero(shape: float) -> None:
    for z in (-1.5, 0.0, 0.8):
        area = quad(lambda v: float(np.exp(density("log_gamma", np.array([v]), shape).log[0])), z, 40, epsabs=1e-13)[0]
        # a long lower tail is not integrated: the upper one ends soon for positive shapes
        end = 0.0 if shape >= 0 else float(np.exp(log_survivor("log_gamma", np.array([40.0]), shape)[0]))
        np.testing.assert_allclose(
            area + end, np.exp(log_survivor("log_gamma", np.array([z]), shape)[0]), rtol=1e-7, atol=1e-12
        )
    np.testing.assert_allclose(
        log_survivor("log_gamma", np.array([quantile("log_gamma", 0.3, shape)]), shape), np.log(0.3), rtol=1e-9
    )


def test_tail_is_smooth_where_its_formula_changes() -> None:
    z = np.linspace(-4, 4, 17)
    for shape in (1e-3, -1e-3):
        inside, outside = log_survivor("log_gamma", z, shape * (1 - 1e-9)), log_survivor("log_gamma", z, shape)
        np.testing.assert_allclose(inside, outside, rtol=1e-9, atol=1e-11)
    at = tail("log_gamma", z, 0.0)
    wide = (log_survivor("log_gamma", z, 0.05) - log_survivor("log_gamma", z, -0.05)) / 0.1
    np.testing.assert_allclose(at.q, wide, rtol=0.02, atol=1e-3)


def test_weibull_means_have_a_closed_form() -> None:
    rng = np.random.default_rng(1)
    times = Times.right_censored(10 * rng.weibull(0.8, 400), np.ones(400, bool))
    fit = fit_parametric(Model("weibull", "extreme"), times)
    (mu, log_sigma), a = fit.natural()[1], np.exp(-fit.natural()[1][1])
    scale = np.exp(mu)
    whole = scale * gamma(1 + 1 / a)
    one = Averaged(fit, np.zeros((1, 0)), np.ones(1))
    for until in (3.0, 25.0, 400.0):
        power = (until / scale) ** a
        closed = whole * gammainc(1 + 1 / a, power) + until * np.exp(-power)
        np.testing.assert_allclose(one.restricted_mean(until).value, closed, rtol=1e-9)
    np.testing.assert_allclose(one.quantile(0.25).value, scale * (-np.log(0.75)) ** np.exp(log_sigma), rtol=1e-10)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("since", [0.0, 2.0])
def test_gradients_of_what_the_model_says(name: ModelName, since: float) -> None:
    import dataclasses

    _, times = times_of("late|gg|right")
    fit = fit_parametric(model_of(name, times), times)
    rows = DATA[["x", "arm"]].to_numpy(float)[:5]
    weights = np.arange(1.0, 6.0)

    def say(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        own = Averaged(dataclasses.replace(fit, theta=theta), rows, weights, since)
        return np.array([own.survival(np.array([9.0]))[0][0], own.restricted_mean(26.0).value, own.quantile(0.4).value])

    own = Averaged(fit, rows, weights, since)
    analytic = np.array(
        [own.survival(np.array([9.0]))[1][0], own.restricted_mean(26.0).gradient, own.quantile(0.4).gradient]
    )
    step = 1e-5 * np.eye(fit.k)
    numeric = np.array([(say(fit.theta + e) - say(fit.theta - e)) / 2e-5 for e in step]).T
    np.testing.assert_allclose(analytic, numeric, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [-0.8, 0.0, 0.4, 1.6])
def test_means_over_many_rows_are_those_of_each(shape: float) -> None:
    import dataclasses

    _, times = times_of("late|gg|right")
    fit = fit_parametric(model_of("generalised_gamma", times), times)
    fit = dataclasses.replace(fit, theta=np.append(fit.theta[:-1], shape))
    rows = np.random.default_rng(0).normal(size=(300, 2))
    many = Averaged(fit, rows, np.ones(300), 1.0).restricted_mean(26.0)
    each = [Averaged(fit, row[None], np.ones(1), 1.0).restricted_mean(26.0) for row in rows]
    np.testing.assert_allclose(many.each, [one.value for one in each], rtol=1e-8)
    np.testing.assert_allclose(many.gradient, np.mean([one.gradient for one in each], axis=0), rtol=1e-6, atol=1e-9)


def test_agrees_with_lifelines_where_it_is_right() -> None:
    lifelines = pytest.importorskip("lifelines", reason="group: test")
    stop, event, entry = DATA["stop"], DATA["event"], DATA["entry"]
    times = Times.right_censored(stop.to_numpy(), event.to_numpy() == 1, entry=entry.to_numpy())
    weibull = lifelines.WeibullFitter().fit(stop, event, entry=entry)
    ours = fit_parametric(Model("weibull", "extreme"), times)
    np.testing.assert_allclose(ours.log_likelihood, weibull.log_likelihood_, rtol=1e-7)
    np.testing.assert_allclose(np.exp(ours.natural()[1]), [weibull.lambda_, 1 / weibull.rho_], rtol=1e-4)
    normal = lifelines.LogNormalFitter().fit(stop, event, entry=entry)
    ours = fit_parametric(Model("lognormal", "normal"), times)
    np.testing.assert_allclose(ours.log_likelihood, normal.log_likelihood_, rtol=1e-7)
    general = lifelines.GeneralizedGammaFitter().fit(stop, event, entry=entry)
    ours = fit_parametric(Model("generalised_gamma", "log_gamma"), times)
    assert ours.log_likelihood >= general.log_likelihood_ - 1e-6


def small(seed: int, n: int = 60) -> Times:
    rng = np.random.default_rng(seed)
    time = np.exp(rng.normal(2, rng.uniform(0.4, 1.2), n))
    entry = np.where(rng.random(n) < 0.4, rng.uniform(0, 4, n), 0.0)
    end = entry + rng.uniform(3, 40, n)
    kept = time > entry
    return Times.right_censored(
        np.minimum(time, end)[kept], (time <= end)[kept], entry=entry[kept], weights=rng.uniform(0.5, 2, n)[kept]
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_nested_models_are_never_above(seed: int) -> None:
    times = small(seed)
    fits = {name: fit_parametric(model_of(name, times, knots=1), times) for name in MODELS}
    assert fits["generalised_gamma"].log_likelihood >= fits["weibull"].log_likelihood - 1e-7
    assert fits["generalised_gamma"].log_likelihood >= fits["lognormal"].log_likelihood - 1e-7
    assert fits["royston_parmar"].log_likelihood >= fits["weibull"].log_likelihood - 1e-7


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), unit=st.floats(0.01, 100.0))
def test_differences_of_aic_do_not_depend_on_the_unit(seed: int, unit: float) -> None:
    times = small(seed)
    other = Times.of(times.lower * unit, times.upper * unit, entry=times.entry * unit, weights=times.weights)
    names: tuple[ModelName, ...] = ("weibull", "lognormal", "royston_parmar")
    ours = [fit_parametric(model_of(name, times, knots=1), times).aic for name in names]
    theirs = [fit_parametric(model_of(name, other, knots=1), other).aic for name in names]
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_tiny_interval_is_an_exact_time(name: ModelName) -> None:
    times = small(3, 150)
    narrow = Times.of(
        np.where(times.exact, times.lower - 1e-5, times.lower), times.upper, entry=times.entry, weights=times.weights
    )
    model = model_of(name, times)
    exact, near = fit_parametric(model, times), fit_parametric(model, narrow)
    np.testing.assert_allclose(exact.natural()[1], near.natural()[1], rtol=2e-4, atol=2e-4)
    gain = float(times.weights[times.exact].sum()) * np.log(1e-5)
    np.testing.assert_allclose(near.log_likelihood - gain, exact.log_likelihood, rtol=1e-5)


@pytest.mark.parametrize("base", ["extreme", "normal", "logistic"])
def test_quantiles_invert_the_tail(base: Base) -> None:
    for share in (0.01, 0.5, 0.97):
        assert np.exp(log_survivor(base, np.array([quantile(base, share)])))[0] == pytest.approx(share, rel=1e-12)


# --- Turnbull ----------------------------------------------------------------------------------------------------


def test_turnbull_agrees_with_r() -> None:
    theirs = pd.read_csv(FOLDER / "turnbull.csv")
    ours = turnbull(DATA["lower"].to_numpy(), DATA["upper"].to_numpy(), weights=DATA["w"].to_numpy())
    assert ours.converged
    # R stops when its steps are small; its times are middles of the intervals of mass
    held = ours.mass > 1e-6
    middle = 0.5 * (ours.left + np.minimum(ours.right, 1e9))[held]
    steps = np.concatenate([[1.0], theirs["surv"]])
    found = steps[np.searchsorted(theirs["time"], middle + 1e-9, side="right")]
    np.testing.assert_allclose(ours.survival[held], found, atol=2e-3)


def test_turnbull_of_exact_times_is_the_product_limit() -> None:
    times = small(5, 200)
    stop, event = times.lower.round(1), times.happened
    entry = np.minimum(times.entry.round(1), stop - 0.1)
    curve = turnbull(stop, np.where(event, stop, np.inf), entry=entry, weights=times.weights)
    plain = product_limit(stop, event, start=entry, weights=times.weights)
    np.testing.assert_allclose(curve.at(plain.time), plain.survival, atol=1e-9)
    assert curve.regions == ()


def test_turnbull_satisfies_the_conditions_of_a_maximum() -> None:
    rng = np.random.default_rng(8)
    n = 400
    time = 10 * rng.weibull(1.3, n)
    entry = np.where(rng.random(n) < 0.5, rng.integers(0, 4, n), 0.0)
    kept = time > entry
    time, entry = time[kept], entry[kept]
    grid = rng.choice([1.0, 2.5, 4.0], time.size)
    lower, upper = np.maximum(np.floor(time / grid) * grid, entry), (np.floor(time / grid) + 1) * grid
    upper[lower > 14] = np.inf
    curve = turnbull(lower, upper, entry=entry)
    assert curve.converged
    inside = (curve.left[None] >= lower[:, None]) & (curve.right[None] <= upper[:, None])
    after = curve.right[None] > entry[:, None]
    beyond = np.maximum(1.0 - curve.mass.sum(), 0.0)
    mass = np.append(curve.mass, beyond)
    a = np.hstack([inside, np.isinf(upper)[:, None]])
    b = np.hstack([after, np.ones((time.size, 1), bool)])

    def value(p: NDArray[np.float64]) -> float:
        return float(np.log(a @ p).sum() - np.log(b @ p).sum())

    # Gentleman and Geyer: no mass gains by growing, and those above zero gain nothing either way
    slope = (a / (a @ mass)[:, None]).sum(axis=0) - (b / (b @ mass)[:, None]).sum(axis=0)
    assert slope.max() <= 1e-5
    assert np.abs(slope[mass > 1e-7]).max() <= 1e-5
    np.testing.assert_allclose(value(mass), curve.log_likelihood, rtol=1e-9)
    for _ in range(50):
        other = np.maximum(mass * np.exp(rng.normal(0, 0.1, mass.size)), 1e-12)
        assert value(other / other.sum()) <= curve.log_likelihood + 1e-9
    assert curve.regions


def test_turnbull_of_nobody_returning_is_one() -> None:
    curve = turnbull(np.array([3.0, 5.0]), np.array([np.inf, np.inf]))
    assert curve.mass.size == 0
    assert float(curve.at(10.0)) == 1.0
