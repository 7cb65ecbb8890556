"""Kernels of two-stage least squares: the ratio is 2SLS itself, and the set holds what a grid of tests holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from impactkit.compute.clusters import influence_cr2
from impactkit.compute.contingency import wilson_interval
from impactkit.compute.leastsquares import fit, influence_hc
from impactkit.compute.shares import wilson_limits
from impactkit.compute.twostage import anderson_rubin, anderson_rubin_statistic, ratio_influence

CLOSE = 1e-9  # a set's limits where the statistic is compared with the critical value, relative


def _study(seed: int = 7, n: int = 240):
    rng = np.random.default_rng(seed)
    cluster = np.sort(rng.integers(0, 25, n))
    z = rng.integers(0, 2, n).astype(float)
    x = rng.normal(size=(n, 2))
    ready = rng.normal(size=n) + 0.4 * rng.normal(size=25)[cluster]
    d = (ready > 0.6 - 1.1 * z).astype(float)
    y = 0.5 * d + ready + x[:, 0] + rng.normal(size=n)
    return z, d, y, x, cluster, rng.uniform(0.3, 3.0, n)


def _two_stage(Z, X, y, weights):
    """2SLS as it is written in books: project, regress on the projection, structural residuals."""
    w = np.ones(len(y)) if weights is None else weights
    projected = Z @ np.linalg.solve(Z.T @ (w[:, None] * Z), Z.T @ (w[:, None] * X))
    beta = np.linalg.solve(projected.T @ (w[:, None] * X), projected.T @ (w * y))
    return projected, beta, y - X @ beta


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "CR2"])
def test_the_ratio_has_the_influence_values_of_two_stages(kind, weighted):
    from dataclasses import replace

    z, d, y, x, cluster, w = _study()
    weights = w if weighted else None
    Z = np.column_stack([np.ones(len(y)), z, x, z[:, None] * (x - x.mean(axis=0))])
    X = Z.copy()
    X[:, 1] = d
    projected, beta, residuals = _two_stage(Z, X, y, weights)
    second = replace(fit(X=projected, Y=y[:, None], weights=weights), residuals=residuals[:, None])
    stages = fit(X=Z, Y=np.column_stack([y, d]), weights=weights)
    rho, pi = stages.coef[1]
    if kind == "CR2":
        book = influence_cr2(second, X=projected, weights=weights, clusters=cluster, rows=[1])
        ours = influence_cr2(stages, X=Z, weights=weights, clusters=cluster, rows=[1])
        np.testing.assert_allclose(book.df, ours.df, rtol=1e-9)
        wanted, (psi_y, psi_d) = book.values[0, 0], ours.values[0]
    else:
        wanted = influence_hc(second, X=projected, weights=weights, rows=[1], kind=kind)[0, 0]
        psi_y, psi_d = influence_hc(stages, X=Z, weights=weights, rows=[1], kind=kind)[0]
    np.testing.assert_allclose(rho / pi, beta[1], rtol=1e-10)
    found = ratio_influence(ratio=rho / pi, denominator=pi, numerator_values=psi_y, denominator_values=psi_d)
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-12)


finite = st.floats(-5, 5, allow_nan=False)
spread = st.floats(0.05, 2)
SETS = {
    "reduced": finite,
    "first": finite,
    "sd_y": spread,
    "sd_d": spread,
    "r": st.floats(-0.95, 0.95),
    "critical": st.floats(0.5, 4),
}


def _inputs(reduced, first, sd_y, sd_d, r):
    covariance = np.array([[sd_y**2, r * sd_y * sd_d], [r * sd_y * sd_d, sd_d**2]])
    return {"coefficients": np.array([reduced, first]), "covariance": covariance}


@given(**SETS)
def test_the_set_is_what_a_grid_of_tests_accepts(reduced, first, sd_y, sd_d, r, critical):
    assume(abs(first**2 - (critical * sd_d) ** 2) > 1e-6)
    given_ = _inputs(reduced, first, sd_y, sd_d, r)
    found = anderson_rubin(**given_, critical=critical)
    for value in np.tan(np.linspace(-1.57, 1.57, 401)):
        excess = abs(anderson_rubin_statistic(value, **given_)) - critical
        if abs(excess) > 1e-9:  # right at a limit rounding decides
            assert found.holds(value) == (excess < 0), f"{found} and {value}"


@given(**SETS)
def test_at_the_ends_the_statistic_is_the_critical_value(reduced, first, sd_y, sd_d, r, critical):
    assume(abs(first**2 - (critical * sd_d) ** 2) > 1e-3)
    given_ = _inputs(reduced, first, sd_y, sd_d, r)
    found = anderson_rubin(**given_, critical=critical)
    for end in (found.low, found.high):
        if np.isfinite(end):
            assert abs(anderson_rubin_statistic(end, **given_)) == pytest.approx(critical, rel=CLOSE)


@given(**SETS)
def test_the_estimate_is_in_the_set(reduced, first, sd_y, sd_d, r, critical):
    assume(abs(first) > 1e-6)
    found = anderson_rubin(**_inputs(reduced, first, sd_y, sd_d, r), critical=critical)
    assert found.shape != "empty"
    assert found.holds(reduced / first)


@given(**SETS, scale=st.floats(0.01, 100))
def test_a_unit_of_the_outcome_and_a_turned_sign_carry_over(reduced, first, sd_y, sd_d, r, critical, scale):
    assume(abs(first**2 - (critical * sd_d) ** 2) > 1e-3)
    found = anderson_rubin(**_inputs(reduced, first, sd_y, sd_d, r), critical=critical)
    larger = anderson_rubin(**_inputs(scale * reduced, first, scale * sd_y, sd_d, r), critical=critical)
    turned = anderson_rubin(**_inputs(-reduced, first, sd_y, sd_d, -r), critical=critical)
    assert found.shape == larger.shape == turned.shape
    near = {"rel": 1e-7, "abs": 1e-9 * max(1.0, scale)}
    assert (larger.low, larger.high) == pytest.approx((scale * found.low, scale * found.high), **near)
    assert (-turned.high, -turned.low) == pytest.approx((found.low, found.high), **near)


def test_every_shape():
    unit = np.eye(2)
    shapes = {
        "interval": ([1.0, 5.0], unit, 2.0),
        "two rays": ([5.0, 1.0], unit, 2.0),
        "line": ([0.5, 1.0], unit, 2.0),
        "ray": ([3.0, 2.0], unit, 2.0),
        "empty": ([3.0, 0.0], np.diag([1.0, 0.0]), 2.0),
    }
    for shape, (coefficients, covariance, critical) in shapes.items():
        found = anderson_rubin(coefficients=np.array(coefficients), covariance=covariance, critical=critical)
        assert found.shape == shape
        assert str(found)
    assert not found.holds(0.0)
    ray = anderson_rubin(coefficients=np.array([-3.0, 2.0]), covariance=unit, critical=2.0)
    assert (ray.low, ray.holds(-7.0), ray.holds(7.0)) == (-np.inf, True, False)
    assert str(ray).startswith("every value up to -0.41")
    still = anderson_rubin(coefficients=np.zeros(2), covariance=np.diag([1.0, 0.0]), critical=2.0)
    assert still.shape == "line"
    assert np.isnan(anderson_rubin_statistic(0.0, coefficients=np.ones(2), covariance=np.zeros((2, 2))))


@pytest.mark.parametrize(("count", "n"), [(0, 12), (3, 12), (12, 12), (372, 600)])
def test_wilson_on_as_many_people_as_there_are(count, n):
    known = wilson_interval([count], [n], conf_level=0.9)
    assert wilson_limits(count / n, n, conf_level=0.9) == pytest.approx((known.low[0], known.high[0]), abs=1e-14)


def test_wilson_without_people():
    assert np.isnan(wilson_limits(0.5, 0.0)).all()
