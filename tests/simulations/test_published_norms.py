"""With no programme effect at all, the published comparison with a norm rejects nearly always.

Printed: the share of runs at 5% in which the published tests call post-assessment time shorter than the adjusted norm,
and total time longer than the norm; the same for the residual reading of the adjusted norm; and the mean sizes of the
ledger.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import impactkit as ik
from impactkit.data import StudyData

sys.path.append(str(Path(__file__).parent))
from norm_trial import WORLD, no_effect, norm_design

pytestmark = pytest.mark.slow

REPLICATIONS = 1000
LEVEL = 0.05


def rejections(world, reading: str, seed: int) -> tuple[float, float, dict[str, float]]:
    """Give the shares of runs with "shorter after assessment" and "longer in total", and the mean ledger."""
    design = norm_design()
    analysis = ik.NormComparison(name="published", reading=reading, exact=False)
    shorter = longer = 0
    ledger: dict[str, list[float]] = {}
    for run in range(REPLICATIONS):
        study = StudyData.read(no_effect(seed + run, world=world), design)
        rows = analysis.run(study, {})
        numbers = rows.numbers
        for outcome, sign in (("partial episode", -1), ("total episode", 1)):
            test = rows.find(outcome=outcome, term="all recorded diagnoses", measure="signed_rank")
            hit = numbers["p_value"][test] < LEVEL and np.sign(numbers["statistic"][test]) == sign
            shorter += hit and sign < 0
            longer += hit and sign > 0
        for place, key in enumerate(rows.keys):
            if key.measure == "bias":
                ledger.setdefault(key.term, []).append(float(numbers["estimate"][place]))
    means = {term: float(np.mean(values)) for term, values in ledger.items()}
    return shorter / REPLICATIONS, longer / REPLICATIONS, means


@pytest.mark.parametrize(
    ("reading", "least"), [("adjusted_total", 0.9), ("adjusted_residual", 0.08)], ids=["as printed", "residual reading"]
)
def test_the_published_tests_reject_without_an_effect(reading: str, least: float) -> None:
    shorter, longer, ledger = rejections(WORLD, reading, 100_000)
    print(f"\n{reading}, R = {REPLICATIONS}: shorter after assessment {shorter:.3f}, longer in total {longer:.3f}")
    for term, size in ledger.items():
        print(f"  {term}: {size:.2f}")
    assert shorter > least  # the published tests would do so in 2.5% of runs
    assert longer > 0.9
    assert ledger["returners only"] > 0
    assert ledger["still absent at assessment"] < 0


def test_the_made_up_absence_is_what_it_says() -> None:
    """Control episodes have the stated median, and clients' later absence is that of controls as long absent."""
    tables = [no_effect(seed) for seed in range(400)]
    whole = np.concatenate([part["people"]["whole"] for part in tables])
    entry = np.concatenate([part["people"]["entry"] for part in tables])
    draws = np.exp(np.log(WORLD.median) + WORLD.sigma * np.random.default_rng(0).standard_normal(2_000_000))
    near = (entry > 7) & (entry < 9)
    expected = np.median(draws[draws > 8.0])
    assert np.median(whole[near]) == pytest.approx(expected, rel=0.03)
