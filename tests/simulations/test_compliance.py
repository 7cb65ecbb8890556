"""Coverage of the effect on compliers: t limits of two-stage least squares, and the Anderson-Rubin set.

The Anderson-Rubin set holds the truth exactly when its test does not reject it, which is read off the row's own p
value after the truth times receipt has been taken from the outcome; where the set has limits they must agree.
Where the truth is 0, 100% less the coverage is the size of the 5% test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import impactkit as ik

SEED = 20_260_802
REPLICATIONS = 2000
LEVEL = 0.95
MONTE_CARLO = float(np.sqrt(LEVEL * (1 - LEVEL) / REPLICATIONS))
NOMINAL = (LEVEL - 3 * MONTE_CARLO, LEVEL + 3 * MONTE_CARLO)
# 20 clusters: Satterthwaite's t is an approximation, and the literature finds it within about a point.
FEW_CLUSTERS = (0.93, 0.97)
# A weak first stage is what the Anderson-Rubin set is for: t limits are shown, and nothing is promised of them.
NO_PROMISE = (0.0, 1.0)

CACE = "complier average causal effect"
SIZES = np.round(np.linspace(5, 60, 20)).astype(int)


@dataclass(frozen=True)
class Trial:
    """A way of drawing trials, what is true in them, and the coverage that passes for t limits and for the set."""

    label: str
    design: ik.TrialDesign
    draw: Callable[[np.random.Generator], pd.DataFrame]
    truth: float
    n: str
    clusters: str
    response: str
    t_band: tuple[float, float]
    set_band: tuple[float, float]
    covariates: tuple[str, ...] = ()


def _design(**options: object) -> ik.TrialDesign:
    return ik.TrialDesign(**{"unit": "person", "arm": "z", "treated": 1, "control": 0, "receipt": "d", **options})


def _receipt(ready: np.ndarray, z: np.ndarray, *, always: float, ever: float) -> np.ndarray:
    """The readiest ``always`` receive it whatever their arm, and up to ``ever`` if offered: shares of people."""
    from scipy.special import ndtri

    threshold = np.where(z == 1, -ndtri(ever) if ever < 1 else -np.inf, -ndtri(always) if always > 0 else np.inf)
    return (ready > threshold).astype(int)


def _people(*, n: int, always: float, ever: float, effect: float, pull: float = 0.8):
    """The ready do better in either arm; twice the spread for those who receive the programme."""

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        z = rng.permutation(np.arange(n) % 2)
        ready, x = rng.normal(size=n), rng.normal(size=n)
        d = _receipt(ready, z, always=always, ever=ever)
        y = effect * d + pull * ready + 0.5 * x + rng.normal(size=n) * np.where(d == 1, 2.0, 1.0)
        return pd.DataFrame({"person": np.arange(n), "z": z, "d": d, "y": y, "x": x})

    return draw


def _clustered(*, always: float, ever: float, effect: float, by_cluster: bool, sizes: np.ndarray = SIZES):
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    n = len(cluster)

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        z = rng.permutation(np.arange(len(sizes)) % 2)[cluster] if by_cluster else rng.permutation(np.arange(n) % 2)
        ready = np.sqrt(0.15) * rng.normal(size=len(sizes))[cluster] + np.sqrt(0.85) * rng.normal(size=n)
        d = _receipt(ready, z, always=always, ever=ever)
        y = effect * d + 0.8 * ready + 0.3 * rng.normal(size=len(sizes))[cluster] + rng.normal(size=n)
        return pd.DataFrame({"person": np.arange(n), "cluster": cluster, "z": z, "d": d, "y": y})

    return draw


BLOCKS = ((120, 0.3, 0.9, 0.2), (240, 0.5, 0.7, 0.6), (440, 0.6, 0.4, 1.2))  # people, treated, ever, effect
BLOCK_TRUTH = sum(n * ever * own for n, _, ever, own in BLOCKS) / sum(n * ever for n, _, ever, _ in BLOCKS)


def _survey(rng: np.random.Generator) -> pd.DataFrame:
    """Blocks of unequal allocation, take-up and effect; 46% answer, fewer controls, weighted by their true share."""
    parts = []
    for block, (n, share, ever, own) in enumerate(BLOCKS):
        z = (rng.permutation(n) < round(share * n)).astype(int)
        ready = rng.normal(size=n)
        d = _receipt(ready, z, always=0.0, ever=ever)
        y = 0.7 * block + own * d + 0.6 * ready + rng.normal(size=n)
        answers = np.where(z == 1, 0.53, 0.39) + 0.1 * np.sign(ready)
        seen = rng.random(n) < answers
        parts.append(pd.DataFrame({"z": z, "d": d, "block": block, "y": np.where(seen, y, np.nan), "w": 1.0 / answers}))
    return pd.concat(parts, ignore_index=True).assign(person=lambda frame: np.arange(len(frame)))


def _strong() -> list[Trial]:
    trials = [
        Trial(
            f"two-sided, 45% compliers, effect {effect:g}, HC2",
            _design(),
            _people(n=400, always=0.2, ever=0.65, effect=effect),
            effect,
            "400",
            "none",
            "100%",
            NOMINAL,
            NOMINAL,
        )
        for effect in (0.0, 0.5)
    ]
    trials.append(
        Trial(
            "one-sided, 62% compliers, ANCOVA, HC2",
            _design(),
            _people(n=300, always=0.0, ever=0.62, effect=0.5),
            0.5,
            "300",
            "none",
            "100%",
            NOMINAL,
            NOMINAL,
            covariates=("x",),
        )
    )
    for by_cluster in (False, True):
        trials.append(
            Trial(
                f"{'clusters' if by_cluster else 'people within clusters'} allocated, 45% compliers, CR2",
                _design(clusters="cluster"),
                _clustered(always=0.2, ever=0.65, effect=0.5, by_cluster=by_cluster),
                0.5,
                f"{SIZES.sum()}",
                "20 of 5 to 60",
                "100%",
                FEW_CLUSTERS,
                FEW_CLUSTERS,
            )
        )
    trials.append(
        Trial(
            "blocks with their own allocation, take-up and effect, response weights, HC2",
            _design(strata="block", weights="w"),
            _survey,
            BLOCK_TRUTH,
            "800",
            "none",
            "46%",
            NOMINAL,
            NOMINAL,
        )
    )
    return trials


def _weak() -> list[Trial]:
    trials = [
        Trial(
            f"two-sided, {compliers:.0%} compliers, selection {pull:g}, HC2",
            _design(),
            _people(n=400, always=0.3, ever=0.3 + compliers, effect=0.5, pull=pull),
            0.5,
            "400",
            "none",
            "100%",
            NO_PROMISE,
            NOMINAL,
        )
        for compliers, pull in ((0.0, 0.8), (0.04, 0.8), (0.1, 0.8), (0.0, 8.0), (0.1, 8.0))
    ]
    trials.append(
        Trial(
            "people within clusters allocated, 5% compliers, CR2",
            _design(clusters="cluster"),
            _clustered(always=0.3, ever=0.35, effect=0.5, by_cluster=False, sizes=np.repeat([8, 12, 20], 20)),
            0.5,
            "800",
            "60 of 8 to 20",
            "100%",
            NO_PROMISE,
            NOMINAL,
        )
    )
    return trials


def _run(trial: Trial, rng: np.random.Generator) -> list[dict[str, str]]:
    analysis = ik.ComplierEffect(name="cace", outcome=("y", "centred"), covariates=trial.covariates)
    found = np.empty((REPLICATIONS, 6))
    for turn in range(REPLICATIONS):
        frame = trial.draw(rng)
        frame["centred"] = frame["y"] - trial.truth * frame["d"]
        rows = ik.Evaluation(trial.design, frame, [analysis]).fit(seed=1, strict=True).estimates
        effect, strength = (rows.find(outcome="y", term=term) for term in (CACE, "first-stage F"))
        own, centred = (rows.find(outcome=name, term="Anderson-Rubin") for name in ("y", "centred"))
        low, high = rows.numbers["conf_low"], rows.numbers["conf_high"]
        holds = rows.numbers["p_value"][centred] >= 1 - LEVEL
        if np.isfinite([low[own], high[own]]).any():
            assert holds == (low[own] <= trial.truth <= high[own])
        found[turn] = (
            rows.numbers["estimate"][effect],
            rows.numbers["std_error"][effect],
            low[effect] <= trial.truth <= high[effect],
            holds,
            np.isfinite(low[own]) and np.isfinite(high[own]),
            rows.numbers["statistic"][strength],
        )
    estimate, error, by_t, by_set, bounded, strength = found.T
    lines = []
    for row, covered, band in (("2SLS, t limits", by_t, trial.t_band), ("Anderson-Rubin", by_set, trial.set_band)):
        coverage = float(covered.mean())
        lines.append(
            {
                "trial": trial.label,
                "row": row,
                "n": trial.n,
                "clusters": trial.clusters,
                "response": trial.response,
                "R": f"{REPLICATIONS:,}",
                "truth": f"{trial.truth:.3f}",
                "median error": f"{np.nanmedian(estimate) - trial.truth:+.3f}",
                "median SE": f"{np.nanmedian(error):.3f}",
                "median F": f"{np.median(strength):.1f}",
                "bounded sets": f"{bounded.mean():.1%}",
                "coverage": f"{coverage:.1%}",
                "MC SE": f"{MONTE_CARLO:.2%}",
                "band": "none: shown, not promised" if band == NO_PROMISE else f"{band[0]:.1%} to {band[1]:.1%}",
                "passes": "yes" if band[0] <= coverage <= band[1] else "NO",
            }
        )
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("trials", [_strong, _weak], ids=["strong", "weak"])
def test_coverage(trials):
    lines = [line for place, trial in enumerate(trials()) for line in _run(trial, np.random.default_rng([SEED, place]))]
    head = list(lines[0])
    print("\n| " + " | ".join(head) + " |\n| " + " | ".join("---" for _ in head) + " |")
    for line in lines:
        print("| " + " | ".join(line.values()) + " |")
    assert [line for line in lines if line["passes"] != "yes"] == []
