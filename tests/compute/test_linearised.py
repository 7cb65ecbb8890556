"""Linearised influence values: where they lie, what they sum to, and when they are refused."""

from __future__ import annotations

import numpy as np
import pytest

from impactkit.compute.leastsquares import fit
from impactkit.compute.linearised import influence_linearised
from impactkit.errors import NotEstimableError


def _design(seed=5):
    rng = np.random.default_rng(seed)
    size = 160
    strata = np.repeat([3, 7, 9], [80, 50, 30])
    clusters = rng.integers(0, 6, size)
    member = rng.random(size) < 0.6
    X = np.column_stack([np.ones(size), rng.random(size) < 0.5]).astype(float)[member]
    return X, rng.normal(size=(member.sum(), 2)), rng.uniform(0.5, 2.0, member.sum()), member, strata, clusters


def test_variance_is_between_sampling_units_within_strata():
    X, Y, weights, member, strata, clusters = _design()
    fitted = fit(X=X, Y=Y, weights=weights)
    result = influence_linearised(
        fitted, X=X, weights=weights, rows=[0, 1], member=member, strata=strata, clusters=clusters
    )
    assert result.values.shape == (2, 2, member.size)
    for row, outcome in np.ndindex(2, 2):
        scores = np.zeros(member.size)
        scores[member] = weights * fitted.residuals[:, outcome] * (X @ fitted.bread[row])
        variance, summed = 0.0, 0.0
        for stratum in np.unique(strata):
            units = [(strata == stratum) & (clusters == c) for c in np.unique(clusters[strata == stratum])]
            z = np.array([scores[unit].sum() for unit in units])
            variance += len(units) / (len(units) - 1) * ((z - z.mean()) ** 2).sum()
            totals = np.array([result.values[row, outcome, unit].sum() for unit in units])
            summed += (totals**2).sum()
            assert totals.sum() == pytest.approx(0.0, abs=1e-12)
        assert summed == pytest.approx(variance, rel=1e-12)


def test_people_of_a_sampling_unit_share_its_centring():
    X, Y, weights, member, strata, clusters = _design()
    fitted = fit(X=X, Y=Y, weights=weights)
    values = influence_linearised(
        fitted, X=X, weights=weights, rows=[1], member=member, strata=strata, clusters=clusters
    ).values[0, 0]
    for stratum in np.unique(strata):
        for cluster in np.unique(clusters):
            outside = values[(strata == stratum) & (clusters == cluster) & ~member]
            assert outside.size < 2 or np.ptp(outside) == 0.0


def test_without_design_it_is_hc1_but_for_the_rank():
    X, Y, weights, _, _, _ = _design()
    fitted = fit(X=X, Y=Y, weights=weights)
    n = len(X)
    result = influence_linearised(
        fitted, X=X, weights=weights, rows=[1], member=np.ones(n, dtype=bool), strata=None, clusters=None
    )
    direct = n / (n - 1) * ((weights * (X @ fitted.bread[1])) ** 2 @ fitted.residuals**2)
    np.testing.assert_allclose((result.values[0] ** 2).sum(axis=1), direct, rtol=1e-12)
    assert result.df == n - 2


def test_lonely_sampling_unit_is_refused_by_name():
    X, Y, weights, member, strata, clusters = _design()
    clusters = np.where(strata == 7, 0, clusters)
    fitted = fit(X=X, Y=Y, weights=weights)
    with pytest.raises(NotEstimableError, match="stratum 7 has only one"):
        influence_linearised(fitted, X=X, weights=weights, rows=[1], member=member, strata=strata, clusters=clusters)
    with pytest.raises(NotEstimableError, match="the design has only one"):
        influence_linearised(
            fitted, X=X, weights=weights, rows=[1], member=member, strata=None, clusters=np.zeros(160, dtype=int)
        )


def test_lonely_sampling_unit_outside_the_domain_does_no_harm():
    X, Y, weights, member, strata, clusters = _design()
    keep = strata[member] != 9
    inside = member & (strata != 9)
    lonely = np.where(strata == 9, 0, clusters)
    fitted = fit(X=X[keep], Y=Y[keep], weights=weights[keep])
    results = [
        influence_linearised(
            fitted, X=X[keep], weights=weights[keep], rows=[1], member=inside, strata=strata, clusters=codes
        )
        for codes in (clusters, lonely)
    ]
    np.testing.assert_array_equal(results[0].values[..., strata != 9], results[1].values[..., strata != 9])
    assert not results[1].values[..., strata == 9].any()
    assert results[0].df == results[1].df
