"""Coverage of restricted means of parametric models under delayed entry, in simulated absences (slow)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma, gammainc, gammaincc

from impactkit.compute.survival.parametric import ModelName, Times, fit_parametric, model_of
from impactkit.compute.survival.parametric_quantities import Averaged

REPLICATIONS = 2000
HORIZON, SINCE = 26.0, 1.0


def _truth(shape: float, scale: float) -> float:
    """Mean time from 1 to 26 weeks of Weibull absences still running at week 1."""

    def area(until: float) -> float:
        power = (until / scale) ** shape
        whole = scale * gamma(1 + 1 / shape)
        return float(whole * gammainc(1 + 1 / shape, power) + until * gammaincc(1.0, power))

    return (area(HORIZON) - area(SINCE)) / float(np.exp(-((SINCE / scale) ** shape)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weibull", "royston_parmar"])
def test_intervals_of_restricted_means_hold_the_truth(name: ModelName) -> None:
    rng = np.random.default_rng(404)
    shape, scale = 1.2, 12.0
    truth = _truth(shape, scale)
    held = failed = 0
    for _ in range(REPLICATIONS):
        time = scale * rng.weibull(shape, 500)
        entry = np.maximum(SINCE, rng.gamma(2.0, 2.0, 500))
        kept = time > entry
        time, entry = time[kept], entry[kept]
        end = entry + rng.uniform(8, 40, time.size)
        times = Times.right_censored(np.minimum(time, end), time <= end, entry=entry)
        fit = fit_parametric(model_of(name, times, knots=1), times)
        if not (fit.converged and fit.monotone):
            failed += 1
            continue
        found = Averaged(fit, np.zeros((1, 0)), np.ones(1), SINCE).restricted_mean(HORIZON)
        error = np.sqrt(((fit.influence @ found.gradient) ** 2).sum())
        held += bool(abs(found.value - truth) <= 1.959964 * error)
    assert failed <= REPLICATIONS // 100
    coverage = held / (REPLICATIONS - failed)
    print(f"\n{name}: coverage {coverage:.3f} of {REPLICATIONS - failed}, {failed} not fitted")
    assert 0.935 <= coverage <= 0.965
