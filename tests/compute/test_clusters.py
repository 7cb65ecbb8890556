"""CR2: against the formulae written out in full, across batches, and for stacked regressions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kernel_trial import TOLERANCE, by_cluster, codes, column, sample

from impactkit.compute.clusters import influence_cr2, satterthwaite, stacked_contrast
from impactkit.compute.leastsquares import fit, influence_hc

# Two ways through the same algebra: rounding times the condition of (I - H)_gg.
SAME = 1e-10


def _full_algebra(X, Y, weights, clusters, contrast):
    """Psi_g, P and df with n x n matrices, term by term as Pustejovsky & Tipton write them."""
    n = len(X)
    w = np.ones(n) if weights is None else weights
    bread = np.linalg.pinv((X * w[:, None]).T @ X)
    residual_maker = np.eye(n) - X @ bread @ (X * w[:, None]).T
    e = residual_maker @ Y[:, 0]
    psi, p = [], []
    for g in range(clusters.max() + 1):
        own = clusters == g
        rows = residual_maker[own]
        values, vectors = np.linalg.eigh(rows @ rows.T)
        kept = values > 1e-12
        adjust = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
        q = adjust @ (w[own] * (X[own] @ bread @ contrast))
        psi.append(q @ e[own])
        p.append(rows.T @ q)
    P = np.array(p) @ np.array(p).T
    return np.array(psi), P, np.trace(P) ** 2 / (P**2).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scheme", ["many small", "few large", "mixed", "single", "two", "absorbed"])
def test_full_algebra(scheme, weighted):
    rng = np.random.default_rng(11)
    n = 240
    X = np.column_stack([np.ones(n), rng.random(n) < 0.5, rng.normal(size=(n, 3)) + 4.0])
    clusters = {
        "many small": rng.permutation(n) // 3,
        "few large": np.arange(n) % 5,
        "mixed": codes(np.minimum((rng.pareto(0.7, n) * 10).astype(int), 30)),
        "single": np.arange(n),
        "two": np.arange(n) % 2,
        "absorbed": np.arange(n) % 20,
    }[scheme]
    if scheme == "absorbed":
        X = np.column_stack([X, (clusters[:, None] == np.arange(1, 20)).astype(float)])
    Y = rng.normal(size=(n, 1)) + rng.normal(size=clusters.max() + 1)[clusters][:, None]
    weights = rng.uniform(0.3, 3.0, n) if weighted else None
    contrasts = np.zeros((2, X.shape[1]))
    contrasts[0, 1], contrasts[1, 1:4] = 1.0, (0.5, -1.0, 2.0)
    result = influence_cr2(fit(X=X, Y=Y, weights=weights), X=X, weights=weights, clusters=clusters, rows=contrasts)
    totals = by_cluster(result.values[:, 0], clusters)
    for row, contrast in enumerate(contrasts):
        psi, P, df = _full_algebra(X, Y, weights, clusters, contrast)
        np.testing.assert_allclose(totals[row], psi, rtol=SAME, atol=SAME * np.abs(psi).max())
        assert result.df[row] == pytest.approx(df, rel=SAME)
        a, b = result.left[row], result.right[row]
        rebuilt = np.diag(result.norm[row]) - a @ b.T - b @ a.T + b @ result.middle @ b.T
        np.testing.assert_allclose(rebuilt, P, rtol=SAME, atol=SAME * np.abs(P).max())


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-7, 1e-5])
def test_weights_all_but_equal_within_clusters_are_no_trouble(spread):
    rng = np.random.default_rng(3)
    n = 300
    clusters = np.arange(n) % 6
    X = np.column_stack([np.ones(n), rng.random(n) < 0.5, rng.normal(size=(n, 2))])
    Y = rng.normal(size=(n, 1))
    weights = rng.uniform(0.5, 2.0, 6)[clusters] * (1.0 + spread * rng.normal(size=n))
    result = influence_cr2(fit(X=X, Y=Y, weights=weights), X=X, weights=weights, clusters=clusters, rows=[1])
    psi, _, df = _full_algebra(X, Y, weights, clusters, np.array([0.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(by_cluster(result.values[0, 0], clusters), psi, rtol=TOLERANCE)
    assert result.df[0] == pytest.approx(df, rel=TOLERANCE)


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_do_not_show(monkeypatch, weighted):
    s = sample(weighted=weighted, adjust="ancova")
    fitted = fit(X=s.X, Y=s.Y, weights=s.weights)
    whole = influence_cr2(fitted, X=s.X, weights=s.weights, clusters=s.clusters, rows=[1])
    monkeypatch.setattr("impactkit.compute.clusters.BATCH_CELLS", 1)
    monkeypatch.setattr("impactkit.compute.clusters.PADDING", 3.0)
    pieces = influence_cr2(fitted, X=s.X, weights=s.weights, clusters=s.clusters, rows=[1])
    monkeypatch.setattr("impactkit.compute.clusters.BATCH_CELLS", 10**9)
    padded = influence_cr2(fitted, X=s.X, weights=s.weights, clusters=s.clusters, rows=[1])
    for other in (pieces, padded):
        np.testing.assert_allclose(other.values, whole.values, rtol=SAME, atol=1e-14)
        assert other.df[0] == pytest.approx(whole.df[0], rel=SAME)


def test_unused_codes_contribute_nothing():
    s = sample(adjust="ancova")
    fitted = fit(X=s.X, Y=s.Y)
    plain = influence_cr2(fitted, X=s.X, weights=None, clusters=s.clusters, rows=[1])
    gaps = influence_cr2(fitted, X=s.X, weights=None, clusters=2 * s.clusters + 1, rows=[1])
    np.testing.assert_allclose(gaps.values, plain.values, rtol=SAME)
    assert gaps.df[0] == pytest.approx(plain.df[0], rel=SAME)
    assert not gaps.norm[0, ::2].any()


def test_unweighted_cr2_by_person_is_hc2():
    s = sample(adjust="lin", strata=True)
    fitted = fit(X=s.X, Y=s.Y)
    person = influence_cr2(fitted, X=s.X, weights=None, clusters=np.arange(len(s.X)), rows=[1])
    hc2 = influence_hc(fitted, X=s.X, weights=None, rows=[1], kind="HC2")
    np.testing.assert_allclose(person.values, hc2, rtol=SAME, atol=1e-14)


def test_contrast_without_variance_has_no_df():
    assert np.isnan(satterthwaite(norm=np.zeros(4), left=np.zeros((4, 2)), right=np.zeros((4, 2)), middle=np.eye(2)))


@pytest.mark.parametrize("by", ["cluster", "person"])
@pytest.mark.parametrize("weighted", [(False, False), (True, True), (True, False)])
def test_two_regressions_on_overlapping_people_stacked(by, weighted):
    first = sample(outcome="y", adjust="ancova", weighted=weighted[0], domain=column("group") <= 3)
    second = sample(outcome="y2", adjust="lin", strata=True, weighted=weighted[1], domain=column("cluster") >= 6)
    assert (first.member & second.member).sum() > 50
    common = column("cluster").astype(int) if by == "cluster" else np.arange(first.member.size)

    parts, places, estimates, totals = [], [], [], []
    multipliers = (1.0, -0.5)
    for s, multiplier in zip((first, second), multipliers, strict=True):
        place, own = np.unique(common[s.member], return_inverse=True)
        fitted = fit(X=s.X, Y=s.Y, weights=s.weights)
        result = influence_cr2(fitted, X=s.X, weights=s.weights, clusters=own, rows=[1])
        parts.append((multiplier, result.norm[0], result.left[0], result.right[0], result.middle))
        places.append(place)
        estimates.append(fitted.coef[1, 0])
        total = np.zeros(common.max() + 1)
        np.add.at(total, common[s.member], result.values[0, 0])
        totals.append(total)

    k1, k2 = first.X.shape[1], second.X.shape[1]
    X = np.zeros((len(first.X) + len(second.X), k1 + k2))
    X[: len(first.X), :k1], X[len(first.X) :, k1:] = first.X, second.X
    weights = np.concatenate([np.ones(len(s.X)) if s.weights is None else s.weights for s in (first, second)])
    if weighted == (False, False):
        weights = None
    clusters = np.concatenate([common[first.member], common[second.member]])
    contrasts = np.zeros((3, k1 + k2))
    contrasts[0, 1], contrasts[1, k1 + 1] = 1.0, 1.0
    contrasts[2] = multipliers @ contrasts[:2]
    fitted = fit(X=X, Y=np.vstack([first.Y, second.Y]), weights=weights)
    stacked = influence_cr2(fitted, X=X, weights=weights, clusters=clusters, rows=contrasts)
    psi = by_cluster(stacked.values[:, 0], clusters)

    np.testing.assert_allclose(contrasts[:2] @ fitted.coef[:, 0], estimates, rtol=TOLERANCE)
    covariance = np.array(totals) @ np.array(totals).T
    np.testing.assert_allclose(covariance, psi[:2] @ psi[:2].T, rtol=TOLERANCE)
    assert abs(covariance[0, 1]) > 1e-4  # the overlap is there to be seen
    combined = np.array(multipliers) @ covariance @ np.array(multipliers)
    assert combined == pytest.approx((psi[2] ** 2).sum(), rel=TOLERANCE)
    assert stacked_contrast(parts=parts, clusters=places) == pytest.approx(stacked.df[2], rel=TOLERANCE)
    for row, part in enumerate(parts):
        alone = satterthwaite(norm=part[1], left=part[2], right=part[3], middle=part[4])
        assert alone == pytest.approx(stacked.df[row], rel=TOLERANCE)


def test_two_hc2_regressions_stacked_by_person():
    first = sample(outcome="y", adjust="ancova", domain=column("group") <= 3)
    second = sample(outcome="y2", domain=column("cluster") >= 6)
    size = first.member.size
    spread = np.zeros((2, size))
    for row, s in enumerate((first, second)):
        spread[row, s.member] = influence_hc(fit(X=s.X, Y=s.Y), X=s.X, weights=None, rows=[1], kind="HC2")[0, 0]
    k1 = first.X.shape[1]
    X = np.zeros((len(first.X) + len(second.X), k1 + 2))
    X[: len(first.X), :k1], X[len(first.X) :, k1:] = first.X, second.X
    person = np.concatenate([np.flatnonzero(first.member), np.flatnonzero(second.member)])
    fitted = fit(X=X, Y=np.vstack([first.Y, second.Y]))
    stacked = influence_cr2(fitted, X=X, weights=None, clusters=person, rows=[1, k1 + 1])
    psi = by_cluster(stacked.values[:, 0], person)
    np.testing.assert_allclose(spread @ spread.T, psi @ psi.T, rtol=TOLERANCE)
