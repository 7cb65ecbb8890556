"""Least squares: what must not matter does not, and what cannot be estimated says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactkit.compute.clusters import influence_cr2
from impactkit.compute.leastsquares import fit, influence_hc

EXAMPLES = settings(max_examples=25, derandomize=True, deadline=None)

# Sums in another order: machine rounding times the square root of the number of terms, with room.
ROUNDING = 1e-12
# Against an independent solution of the same equations: its own rounding times the condition number.
SOLVED = 1e-9


@st.composite
def problems(draw):
    """A regression with a constant, up to six other columns of various means and scales, weights, clusters."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n, k, m = draw(st.integers(30, 120)), draw(st.integers(2, 7)), draw(st.integers(1, 3))
    X = np.column_stack(
        [np.ones(n), rng.normal(size=(n, k - 1)) * rng.uniform(0.1, 20.0, k - 1) + rng.normal(size=k - 1)]
    )
    Y = rng.normal(size=(n, m)) + X[:, 1:2] * 0.3
    weights = rng.uniform(0.3, 3.0, n) if draw(st.booleans()) else None
    clusters = rng.integers(0, 12, n)
    return X, Y, weights, clusters


def _summary(X, Y, weights, clusters, row=1):
    fitted = fit(X=X, Y=Y, weights=weights)
    hc = influence_hc(fitted, X=X, weights=weights, rows=[row], kind="HC2")[0]
    cr = influence_cr2(fitted, X=X, weights=weights, clusters=clusters, rows=[row])
    return fitted, hc, cr


def _close(a, b, tolerance=ROUNDING):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@EXAMPLES
@given(problems())
def test_definitions_hold(problem):
    X, Y, weights, _ = problem
    w = np.ones(len(X)) if weights is None else weights
    fitted = fit(X=X, Y=Y, weights=weights)
    root = np.sqrt(w)[:, None]
    _close(fitted.coef, np.linalg.lstsq(X * root, Y * root, rcond=None)[0], SOLVED)
    _close(fitted.bread, np.linalg.inv((X * w[:, None]).T @ X), SOLVED)
    _close(fitted.residuals, Y - X @ fitted.coef, SOLVED)
    _close(fitted.leverage, w * np.einsum("ij,jk,ik->i", X, fitted.bread, X), SOLVED)
    assert fitted.leverage.sum() == pytest.approx(fitted.rank, rel=ROUNDING)
    _close(fitted.root @ fitted.root.T, fitted.bread, SOLVED)
    for kind, scale in {
        "HC0": np.ones(len(X)),
        "HC1": np.full(len(X), np.sqrt(len(X) / (len(X) - fitted.rank))),
        "HC2": (1 - fitted.leverage) ** -0.5,
        "HC3": (1 - fitted.leverage) ** -1.0,
    }.items():
        values = influence_hc(fitted, X=X, weights=weights, rows=[0, 1], kind=kind)
        direct = np.einsum("ri,ij->rij", (fitted.bread @ X.T)[:2] * w * scale, fitted.residuals).transpose(0, 2, 1)
        _close(values, direct, SOLVED)


@EXAMPLES
@given(problems(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(problem, random):
    X, Y, weights, clusters = problem
    order = np.array(random.sample(range(len(X)), len(X)))
    fitted, hc, cr = _summary(X, Y, weights, clusters)
    again, hc_again, cr_again = _summary(
        X[order], Y[order], None if weights is None else weights[order], clusters[order]
    )
    _close(again.coef, fitted.coef)
    _close(hc_again, hc[:, order])
    _close(cr_again.values, cr.values[..., order])
    _close(cr_again.df, cr.df)


@EXAMPLES
@given(problems(), st.floats(1e-3, 1e3))
def test_scale_of_weights_does_not_matter(problem, factor):
    X, Y, weights, clusters = problem
    weights = np.ones(len(X)) if weights is None else weights
    fitted, hc, cr = _summary(X, Y, weights, clusters)
    again, hc_again, cr_again = _summary(X, Y, weights * factor, clusters)
    _close(again.coef, fitted.coef)
    _close(again.leverage, fitted.leverage)
    _close(hc_again, hc)
    _close(cr_again.values, cr.values)
    _close(cr_again.df, cr.df)


@EXAMPLES
@given(problems())
def test_weights_of_one_are_no_weights(problem):
    X, Y, _, clusters = problem
    fitted, hc, cr = _summary(X, Y, None, clusters)
    again, hc_again, cr_again = _summary(X, Y, np.full(len(X), 3.0), clusters)
    _close(again.coef, fitted.coef)
    _close(hc_again, hc)
    _close(cr_again.values, cr.values, SOLVED)
    _close(cr_again.df, cr.df, SOLVED)


@EXAMPLES
@given(problems(), st.floats(1e-4, 1e4))
def test_unit_of_a_column_only_rescales_its_coefficient(problem, unit):
    X, Y, weights, clusters = problem
    scaled = X.copy()
    scaled[:, 1] *= unit
    fitted, hc, cr = _summary(X, Y, weights, clusters)
    again, hc_again, cr_again = _summary(scaled, Y, weights, clusters)
    _close(again.coef[1] * unit, fitted.coef[1])
    _close(np.delete(again.coef, 1, axis=0), np.delete(fitted.coef, 1, axis=0))
    _close(hc_again * unit, hc)
    _close(cr_again.values * unit, cr.values)
    _close(cr_again.df, cr.df)


@EXAMPLES
@given(problems(), st.integers(0, 10))
def test_a_repeated_column_drops_and_changes_nothing_else(problem, which):
    X, Y, weights, clusters = problem
    k = X.shape[1]
    fitted, hc, cr = _summary(X, Y, weights, clusters)
    again, hc_again, cr_again = _summary(np.column_stack([X, X[:, which % k]]), Y, weights, clusters)
    assert again.aliased.tolist() == [False] * k + [True]
    assert again.rank == k
    assert np.isnan(again.coef[k]).all()
    assert not again.bread[k].any()
    assert not again.bread[:, k].any()
    _close(again.coef[:k], fitted.coef)
    _close(hc_again, hc)
    _close(cr_again.values, cr.values)
    _close(cr_again.df, cr.df)


def _columns(n=200, seed=4):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.random(n) < 0.4, rng.normal(size=n)]).astype(float)
    return X, rng.normal(size=(n, 1)) + X[:, 1:2], rng


def test_row_of_a_dropped_column_is_nan():
    X, Y, _ = _columns()
    X = np.column_stack([X, X[:, 2]])
    fitted = fit(X=X, Y=Y)
    values = influence_hc(fitted, X=X, weights=None, rows=[3, 1], kind="HC2")
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1]).all()
    combined = influence_hc(fitted, X=X, weights=None, rows=np.array([[0.0, 1, 0, -1], [0, 1, -1, 0]]), kind="HC2")
    assert np.isnan(combined[0]).all()
    assert np.isfinite(combined[1]).all()
    result = influence_cr2(fitted, X=X, weights=None, clusters=np.arange(200) % 20, rows=[3, 1])
    assert np.isnan(result.values[0]).all()
    assert np.isnan(result.df[0])
    assert np.isfinite(result.df[1])


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_unit_absorbed_by_its_own_dummy_counts_for_nothing(kind, weighted):
    X, Y, rng = _columns()
    weights = rng.uniform(0.5, 2.0, 200) if weighted else None
    dummy = np.zeros((200, 1))
    dummy[7] = 1.0
    with_dummy = np.hstack([X, dummy])
    values = influence_hc(
        fit(X=with_dummy, Y=Y, weights=weights), X=with_dummy, weights=weights, rows=[1, 3], kind=kind
    )
    keep = np.arange(200) != 7
    rest = None if weights is None else weights[keep]
    without = influence_hc(fit(X=X[keep], Y=Y[keep], weights=rest), X=X[keep], weights=rest, rows=[1], kind=kind)
    assert values[0, 0, 7] == 0.0
    _close(values[0, 0, keep], without[0, 0])
    assert np.isnan(values[1]).all()


def test_a_lone_treated_unit_has_no_hc2_error():
    X, Y, _ = _columns()
    X[:, 1] = 0.0
    X[3, 1] = 1.0
    fitted = fit(X=X, Y=Y)
    assert np.isnan(influence_hc(fitted, X=X, weights=None, rows=[1], kind="HC2")).all()
    assert np.isfinite(influence_hc(fitted, X=X, weights=None, rows=[2], kind="HC2")).all()
    assert np.isfinite(influence_hc(fitted, X=X, weights=None, rows=[1], kind="HC1")).all()


def test_no_constant_and_constant_elsewhere_give_the_same_fit():
    X, Y, rng = _columns()
    label = rng.integers(0, 3, 200)
    full = (label[:, None] == np.arange(3)).astype(float)
    plain = fit(X=np.column_stack([np.ones(200), X[:, 1], X[:, 2] + 1e6, full[:, 1:]]), Y=Y)
    dummies = fit(X=np.column_stack([X[:, 1], X[:, 2] + 1e6, full]), Y=Y)
    last = fit(X=np.column_stack([X[:, 1], X[:, 2] + 1e6, full[:, 1:], np.full(200, 5.0)]), Y=Y)
    for other in (dummies, last):
        assert other.rank == 5
        _close(other.coef[:2], plain.coef[1:3], 1e-8)
        _close(other.residuals, plain.residuals, 1e-8)
        _close(other.bread[:2, :2], plain.bread[1:3, 1:3], 1e-8)


def test_large_means_cost_no_digits():
    X, Y, _ = _columns()
    X[:, 2], Y = np.round(X[:, 2] * 2**20) / 2**20, np.round(Y * 2**20) / 2**20
    moved = X.copy()
    moved[:, 2] += 2.0**20  # exact in binary: the two problems are the same to the last digit
    exact, far = fit(X=X, Y=Y), fit(X=moved, Y=Y + 2.0**20)
    _close(far.coef[1:], exact.coef[1:])
    _close(far.residuals, exact.residuals)
    _close(far.leverage, exact.leverage)
    clusters = np.arange(200) % 20
    for kind in ("HC0", "HC2"):
        a = influence_hc(far, X=moved, weights=None, rows=[1, 2], kind=kind)
        _close(a, influence_hc(exact, X=X, weights=None, rows=[1, 2], kind=kind))
    a = influence_cr2(far, X=moved, weights=None, clusters=clusters, rows=[1, 2])
    b = influence_cr2(exact, X=X, weights=None, clusters=clusters, rows=[1, 2])
    _close(a.values, b.values)
    _close(a.df, b.df)


def test_more_columns_than_rows():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(5), rng.normal(size=(5, 7))])
    fitted = fit(X=X, Y=rng.normal(size=(5, 2)))
    assert fitted.rank == 5
    assert fitted.aliased.tolist() == [False] * 5 + [True] * 3
    np.testing.assert_allclose(fitted.residuals, 0.0, atol=1e-10)


def test_blocks_of_rows_do_not_show(monkeypatch):
    X, Y, rng = _columns(n=500)
    weights = rng.uniform(0.5, 2.0, 500)
    whole = influence_hc(fit(X=X, Y=Y, weights=weights), X=X, weights=weights, rows=[1], kind="HC3")
    monkeypatch.setattr("impactkit.compute.leastsquares.BLOCK", 64)
    pieces = influence_hc(fit(X=X, Y=Y, weights=weights), X=X, weights=weights, rows=[1], kind="HC3")
    _close(pieces, whole)


def test_unknown_kind_names_the_known_ones():
    X, Y, _ = _columns()
    with pytest.raises(ValueError, match=r"'HC2'.*got 'hc2'"):
        influence_hc(fit(X=X, Y=Y), X=X, weights=None, rows=[1], kind="hc2")
