"""Size and coverage of competing exits in simulated clients, with delayed entry and with clusters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from impactkit.compute.survival.competing import aalen_johansen, incidence_limits, standard_error
from impactkit.compute.survival.finegray import fine_gray
from impactkit.compute.survival.gray import gray_test

HORIZON = 26.0
REPLICATIONS = 4000
Z = 1.959963984540054
RATES = (0.045, 0.015)


def truth(start: float) -> tuple[float, float]:
    """Incidence of the first exit by the horizon, and mean time since it, of those still absent at ``start``."""
    total, width = sum(RATES), HORIZON - start
    left = 1 - np.exp(-total * width)
    share = RATES[0] / total
    return share * left, share * (width - left / total)


def absences(rng: np.random.Generator, n: int, frail: np.ndarray | float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    first, second = (rng.exponential(1.0, n) / (rate * frail) for rate in RATES)
    return np.minimum(first, second), np.where(first < second, 1, 2)


def clients(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give n people still absent when first seen, in whole weeks of absence, followed for 6 to 40 weeks."""
    whole, cause = absences(rng, n * 3)
    entry = np.where(rng.random(n * 3) < 0.3, 2.0, rng.uniform(2, 20, n * 3))
    kept = np.flatnonzero(whole > entry)[:n]
    whole, cause, entry = whole[kept], cause[kept], entry[kept]
    end = entry + rng.uniform(6, 40, kept.size)
    return entry, np.minimum(whole, end), np.where(whole <= end, cause, 0)


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 200])
def test_intervals_with_delayed_entry_hold_the_truth(n: int) -> None:
    rng = np.random.default_rng(20_261)
    share, area = truth(2.0)
    held = {"log-log": 0, "plain": 0, "time lost": 0}
    for _ in range(REPLICATIONS):
        entry, stop, cause = clients(rng, n)
        fit = aalen_johansen(stop, cause, 2, start=entry)
        estimate = np.array([fit.at(1, HORIZON)])
        error = np.array([standard_error(fit.incidence_influence(1, HORIZON))])
        for kind in ("log-log", "plain"):
            low, high = incidence_limits(estimate, error, quantile=Z, kind=kind)  # type: ignore[arg-type]
            held[kind] += int(low[0] <= share <= high[0])
        held["time lost"] += int(abs(fit.lost(1, HORIZON) - area) <= Z * standard_error(fit.lost_influence(1, HORIZON)))
    rates = {kind: count / REPLICATIONS for kind, count in held.items()}
    print(f"\nn={n}, delayed entry, R={REPLICATIONS}: {rates}")
    assert 0.93 <= rates["log-log"] <= 0.965
    assert all(0.92 <= rate <= 0.965 for rate in rates.values())


@pytest.mark.slow
def test_intervals_with_clusters_hold_the_truth() -> None:
    rng = np.random.default_rng(20_262)
    groups, size = 30, 10
    pull = np.exp(rng.normal(0, 0.5, 400_000))
    whole, cause = absences(rng, pull.size, pull)
    share = float(((whole <= HORIZON) & (cause == 1)).mean())
    clustered = alone = 0
    codes = np.repeat(np.arange(groups), size)
    quantile = float(stdtrit(groups - 1, 0.975))
    for _ in range(REPLICATIONS):
        frail = np.exp(rng.normal(0, 0.5, groups))[codes]
        whole, cause = absences(rng, codes.size, frail)
        end = rng.uniform(10, 60, codes.size)
        fit = aalen_johansen(np.minimum(whole, end), np.where(whole <= end, cause, 0), 2)
        influence, estimate = fit.incidence_influence(1, HORIZON), np.array([fit.at(1, HORIZON)])
        error = np.array([standard_error(influence, codes) * np.sqrt(groups / (groups - 1))])
        low, high = incidence_limits(estimate, error, quantile=quantile)
        clustered += int(low[0] <= share <= high[0])
        low, high = incidence_limits(estimate, np.array([standard_error(influence)]), quantile=Z)
        alone += int(low[0] <= share <= high[0])
    print(
        f"\n{groups} clusters of {size}, R={REPLICATIONS}: {clustered / REPLICATIONS}, "
        f"ignoring them {alone / REPLICATIONS}"
    )
    assert 0.935 <= clustered / REPLICATIONS <= 0.965
    assert alone < clustered


@pytest.mark.slow
def test_tests_without_a_difference_reject_one_in_twenty() -> None:
    rng = np.random.default_rng(20_263)
    n, runs = 150, 2000
    rejected = {"Gray": 0, "Fine-Gray": 0, "Fine-Gray, delayed entry": 0}
    for _ in range(runs):
        whole, cause = absences(rng, n)
        end = rng.uniform(10, 60, n)
        stop, kind = np.ceil(np.minimum(whole, end)), np.where(whole <= end, cause, 0)
        arm = rng.permutation(np.arange(n) % 2)
        rejected["Gray"] += int(gray_test(stop, kind, arm).p_value < 0.05)
        fit = fine_gray(stop, kind, arm[:, None].astype(float))
        rejected["Fine-Gray"] += int(abs(fit.coef[0]) > Z * np.sqrt(fit.vcov[0, 0]))
        entry, stop, kind = clients(rng, n)
        arm = rng.permutation(np.arange(kind.size) % 2)
        fit = fine_gray(stop, kind, arm[:, None].astype(float), start=entry)
        rejected["Fine-Gray, delayed entry"] += int(abs(fit.coef[0]) > Z * np.sqrt(fit.vcov[0, 0]))
    rates = {name: count / runs for name, count in rejected.items()}
    print(f"\nn={n}, R={runs}: {rates}")
    assert all(0.035 <= rate <= 0.068 for rate in rates.values())
