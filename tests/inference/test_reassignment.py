"""Re-draws of an assignment: how many there are, what stays fixed, and the effect under each of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from impactkit.inference.reassignment import (
    contrast,
    count_assignments,
    every_assignment,
    reassignments,
    studentised,
)


def test_all_assignments_of_a_small_blocked_trial() -> None:
    arm = np.array([1, 0, 0, 1, 1, 0, 0], dtype=np.int8)
    strata = np.array([0, 0, 0, 1, 1, 1, 1])
    every = every_assignment(arm, strata)
    assert count_assignments(arm, strata) == math.comb(3, 1) * math.comb(4, 2) == len(every)
    assert len(np.unique(every, axis=0)) == len(every)
    assert (every[:, strata == 0].sum(axis=1) == 1).all()
    assert (every[:, strata == 1].sum(axis=1) == 2).all()
    assert any((line == arm).all() for line in every)


def test_redraws_keep_the_arms_of_each_stratum_and_are_equally_likely() -> None:
    arm = np.array([1, 0, 0, 1, 0, 1, 0, 0], dtype=np.int8)
    strata = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    drawn = np.vstack(list(reassignments(arm, strata, 30_000, np.random.default_rng(3))))
    assert drawn.shape == (30_000, 8)
    assert (drawn[:, :3].sum(axis=1) == 1).all()
    assert (drawn[:, 3:].sum(axis=1) == 2).all()
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == count_assignments(arm, strata) == 30
    expected = 30_000 / 30
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 58.3  # 99.9% point at 29 degrees of freedom


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_studentised_effects_are_those_of_the_regression_written_out(clustered: bool, weighted: bool) -> None:
    rng = np.random.default_rng(6)
    n = 60
    strata = rng.integers(0, 3, n)
    covariates = rng.normal(size=(n, 2))
    clusters = rng.integers(0, 12, n) if clustered else None
    weights = rng.uniform(0.5, 3.0, n) if weighted else None
    member = rng.random(n) < 0.8
    outcomes = rng.normal(size=(n, 3)) + covariates[:, [0]] + 1000.0
    problem = contrast(
        member=member, outcomes=outcomes, weights=weights, strata=strata, covariates=covariates, clusters=clusters
    )
    assignments = (rng.random((5, n)) < 0.5).astype(np.int8)
    ours = studentised(assignments, problem)
    for draw, z in enumerate(assignments):
        matrix = np.column_stack([np.ones(n), z, strata == 1, strata == 2, covariates])[member].astype(float)
        for column in range(3):
            own = np.ones(int(member.sum())) if weights is None else weights[member]
            fitted = sm.WLS(outcomes[member, column], matrix, weights=own).fit()
            if clusters is None:
                error = fitted.get_robustcov_results("HC0").bse[1]
            else:
                error = fitted.get_robustcov_results("cluster", groups=clusters[member], use_correction=False).bse[1]
            np.testing.assert_allclose(ours[column, draw], abs(fitted.params[1]) / error, rtol=1e-7)


def test_an_assignment_that_does_not_vary_has_no_effect_and_a_perfect_fit_an_infinite_one() -> None:
    outcome = np.array([[1.0], [1.0], [0.0], [0.0]])
    problem = contrast(member=np.ones(4, dtype=bool), outcomes=outcome)
    drawn = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=np.int8)
    assert studentised(drawn, problem).tolist() == [[0.0, np.inf, 0.0]]


def test_an_outcome_that_never_varies_has_no_effect() -> None:
    problem = contrast(member=np.ones(4, dtype=bool), outcomes=np.full((4, 1), 0.1))
    assert studentised(np.array([[1, 1, 0, 0]], dtype=np.int8), problem).tolist() == [[0.0]]
