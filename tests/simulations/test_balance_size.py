"""The joint test of balance has its size under the allocation that was declared; robust Wald tests have not.

Columns of the printed lines: people, units allocated, covariates; sizes at 5% of the F test, of its permutation
version (399 draws), of the same distance referred to chi-square, and of a Wald F from the regression of the arm on
covariates and strata with HC2 or CR2 errors.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from impactkit.compute.balance import omnibus, permutation_p
from impactkit.compute.clusters import influence_cr2
from impactkit.compute.leastsquares import fit, influence_hc

pytestmark = pytest.mark.slow

REPLICATIONS = 4000
PERMUTED = 2000
DRAWS = 399
LEVEL = 0.05
MC_SE = (LEVEL * (1 - LEVEL) / REPLICATIONS) ** 0.5
PERMUTED_SE = (LEVEL * (1 - LEVEL) / PERMUTED) ** 0.5


def covariates(rng: np.random.Generator, n: int, p: int, shared: np.ndarray) -> np.ndarray:
    """Skewed, rare and ordinary columns that hang together a little; fixed over the replications."""
    x = rng.normal(size=(n, p)) + shared[:, None]
    x[:, 0] = np.exp(1.2 * x[:, 0])
    x[:, 1] = rng.random(n) < 0.06
    x[:, 2] = x[:, 2] > 0.5
    return x


def blocked() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, list[int]]:
    rng = np.random.default_rng(11)
    strata = np.repeat(np.arange(4), [30, 40, 50, 80])
    x = covariates(rng, 200, 15, 0.3 * strata)
    return x, strata, np.arange(200), None, [15, 12, 25, 20]


def clustered(strata_count: int, per_stratum: int, treated: int, p: int, seed: int):
    rng = np.random.default_rng(seed)
    count = strata_count * per_stratum
    sizes = rng.integers(4, 40, count)
    codes = np.repeat(np.arange(count), sizes)
    strata = np.repeat(np.arange(strata_count), per_stratum)
    x = covariates(rng, len(codes), p, 0.6 * rng.normal(size=count)[codes])
    return x, strata, codes, None, [treated] * strata_count


def weighted():
    x, strata, units, _, treated = blocked()
    return x, strata, units, np.random.default_rng(5).lognormal(0, 0.6, len(x)), treated


SCENARIOS = {
    "200 people in 4 strata, 15 covariates": blocked,
    "the same, weighted": weighted,
    "24 clusters, 12 treated, 5 covariates": lambda: clustered(1, 24, 12, 5, 3),
    "40 clusters in 4 strata, 4 of 10 treated, 8 covariates": lambda: clustered(4, 10, 4, 8, 4),
    "20 clusters in 10 pairs, 4 covariates": lambda: clustered(10, 2, 1, 4, 6),
}


def allocations(strata: np.ndarray, treated: list[int], rng: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        z = np.zeros(len(strata), dtype=bool)
        for code, number in enumerate(treated):
            z[rng.choice(np.flatnonzero(strata == code), number, replace=False)] = True
        yield z


def totals_of(x, strata_of_people, units, weights):
    w = np.ones(len(x)) if weights is None else weights
    size = np.bincount(strata_of_people, weights=w)
    deviations = np.empty_like(x)
    for column in range(x.shape[1]):
        mean = np.bincount(strata_of_people, weights=w * x[:, column]) / size
        deviations[:, column] = w * (x[:, column] - mean[strata_of_people])
    return np.stack([np.bincount(units, weights=deviations[:, column]) for column in range(x.shape[1])], axis=1)


def robust_wald(z: np.ndarray, x: np.ndarray, strata: np.ndarray, units: np.ndarray, weights) -> float:
    """P value of the regression of the arm on covariates and strata with HC2 or CR2 errors, F on p and n - k."""
    dummies = (strata[:, None] == np.arange(1, strata.max() + 1)).astype(float)
    matrix = np.hstack([np.ones((len(x), 1)), x, dummies])
    rows = list(range(1, 1 + x.shape[1]))
    solution = fit(X=matrix, Y=z[:, None].astype(float), weights=weights)
    if units.max() + 1 < len(x):
        values = influence_cr2(solution, X=matrix, weights=weights, clusters=units, rows=rows).values[:, 0]
        values = np.stack([np.bincount(units, weights=row) for row in values])
        rest = units.max() + 1 - matrix.shape[1]
    else:
        values = influence_hc(solution, X=matrix, weights=weights, rows=rows, kind="HC2")[:, 0]
        rest = len(x) - matrix.shape[1]
    coef = solution.coef[rows, 0]
    wald = coef @ np.linalg.pinv(values @ values.T) @ coef
    return float(stats.f.sf(wald / len(rows), len(rows), max(rest, 1)))


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_size_of_the_joint_test(name: str) -> None:
    x, strata, units, weights, treated = SCENARIOS[name]()
    people_strata = strata[units]
    totals = totals_of(x, people_strata, units, weights)
    draws = allocations(strata, treated, np.random.default_rng(2026))
    rng = np.random.default_rng(7)
    ours, chi, wald, permuted = 0, 0, 0, 0
    for replication in range(REPLICATIONS):
        z = next(draws)
        found = omnibus(treated=z, strata=strata, totals=totals)
        ours += found.p_value < LEVEL
        chi += stats.chi2.sf(found.distance, found.rank) < LEVEL
        if replication < PERMUTED:
            permuted += permutation_p(found, draws=DRAWS, rng=rng)[0] <= LEVEL
            wald += robust_wald(z[units], x, people_strata, units, weights) < LEVEL
    sizes = (ours / REPLICATIONS, permuted / PERMUTED, chi / REPLICATIONS, wald / PERMUTED)
    shown = " | ".join(f"{size:.3f}" for size in sizes)
    print(f"\n| {name} | {len(x)} | {len(strata)} | {x.shape[1]} | {shown} |")
    print(
        f"R = {REPLICATIONS} (MC SE {MC_SE:.4f}) for F and chi-square, {PERMUTED} (MC SE {PERMUTED_SE:.4f}) otherwise"
    )
    assert abs(sizes[1] - LEVEL) <= 3 * PERMUTED_SE
    assert abs(sizes[0] - LEVEL) <= 3 * MC_SE
