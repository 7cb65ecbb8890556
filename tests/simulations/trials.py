"""The trials that are simulated: how people are drawn, allocated and lost, and what the truth then is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import impactkit as ik

sys.path.insert(0, str(Path(__file__).parent))
from _simulate import Table, Target, Trial, simulate

Draw = Callable[[np.random.Generator], pd.DataFrame]
EFFECTS = (0.0, 0.5)

# 20 clusters: Satterthwaite's t is an approximation, and the literature finds it within about a point.
FEW_CLUSTERS = ((0.93, 0.97), "few clusters: t with Satterthwaite's df approximates")
# The ratio of an effect and a standard deviation is only about t: 93% to 97% was asked of it beforehand.
RATIO = ((0.93, 0.97), "a ratio is not exactly t")
# Weights of up to 10 that fall as the outcome rises, 90 respondents an arm: the lowest outcomes weigh most.
HARD = ((0.915, 0.97), "weights tied to the outcome itself: 90 respondents an arm are few for a variance")


def _design(**options: object) -> ik.TrialDesign:
    return ik.TrialDesign(**{"unit": "person", "arm": "z", "treated": 1, "control": 0, **options})


def _frame(**columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"person": np.arange(len(columns["z"])), **columns})


def _itt(name: str = "itt", **options: object) -> ik.IntentToTreat:
    return ik.IntentToTreat(**{"name": name, "outcome": "y", **options})


def _effect(label: str, truth: float, name: str = "itt", band=None, **find: str) -> Target:
    limits, reason = band or (None, "")
    return Target(label, {"analysis": name, "term": "1", **find}, truth, limits, reason)


# --- blocks ---------------------------------------------------------------------------------------------

BLOCKS = ((24, 6), (40, 20), (60, 20), (76, 46))  # people, of them treated


def _blocked(effect: float) -> Draw:
    block = np.repeat(np.arange(len(BLOCKS)), [size for size, _ in BLOCKS])

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        z = np.concatenate([rng.permutation(np.arange(size) < treated) for size, treated in BLOCKS]).astype(int)
        own = effect * (1.0 + 0.5 * (block - 1.5))  # a larger effect in later blocks
        y = 0.8 * block + own * z + rng.normal(size=len(z)) * np.where(z == 1, 2.0, 1.0)
        return _frame(z=z, block=block, y=y)

    return draw


def blocked() -> Table:
    """Blocked difference in means, HC2, n − k df."""
    sizes = np.array([size for size, _ in BLOCKS])
    trials = []
    for effect in EFFECTS:
        truth = float(np.average(effect * (1.0 + 0.5 * (np.arange(4) - 1.5)), weights=sizes))
        trials.append(
            Trial(
                "blocks of 24 to 76, 25% to 61% treated, SD twice as large if treated",
                _design(strata="block"),
                _blocked(effect),
                (_itt(),),
                (_effect("blocked, HC2", truth),),
                n="200",
                replications=4000,
            )
        )
    return simulate("Blocked difference in means", trials)


# --- clusters -------------------------------------------------------------------------------------------

SIZES = np.round(np.linspace(5, 60, 20)).astype(int)
ICC = 0.1


def _clustered(effect: float, *, by_cluster: bool) -> Draw:
    cluster = np.repeat(np.arange(len(SIZES)), SIZES)

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        shared = rng.normal(size=len(SIZES)) * np.sqrt(ICC)
        if by_cluster:
            z = rng.permutation(np.arange(len(SIZES)) % 2)[cluster]
        else:
            z = rng.permutation(np.arange(len(cluster)) % 2)
        level = rng.normal(size=len(SIZES))
        x = 0.5 * level[cluster] + rng.normal(size=len(cluster))
        y = effect * z + shared[cluster] + 0.5 * x + rng.normal(size=len(cluster)) * np.sqrt(1 - ICC)
        return _frame(z=z, cluster=cluster, x=x, y=y)

    return draw


def clustered() -> Table:
    """CR2 with Satterthwaite df, twenty clusters of 5 to 60."""
    trials = []
    for effect, by_cluster in ((0.0, True), (0.0, False), (0.5, True)):
        trials.append(
            Trial(
                f"ICC 0.1, {'clusters' if by_cluster else 'people within clusters'} allocated",
                _design(clusters="cluster"),
                _clustered(effect, by_cluster=by_cluster),
                (
                    _itt(),
                    _itt("ancova", covariates=("x",)),
                    _itt("lin", covariates=("x",), adjustment="lin"),
                ),
                (
                    _effect("no covariates, CR2", effect, band=FEW_CLUSTERS),
                    _effect("ANCOVA, CR2", effect, "ancova", band=FEW_CLUSTERS),
                    _effect("Lin, CR2", effect, "lin", band=FEW_CLUSTERS),
                ),
                n=str(SIZES.sum()),
                clusters="20 of 5 to 60",
            )
        )
    return simulate("Clusters, few and unequal", trials)


# --- response weights -----------------------------------------------------------------------------------


def _responding(effect: float) -> Draw:
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        n = 800
        z = rng.permutation(np.arange(n) % 2)
        x = rng.normal(size=n)
        chance = 1 / (1 + np.exp(0.28 - 0.9 * x - 0.3 * z))
        chance = np.clip(chance, 0.1, None)
        y = effect * (1 + x) * z + x + rng.normal(size=n) * np.where(z == 1, 1.5, 1.0)
        y = np.where(rng.random(n) < chance, y, np.nan)
        return _frame(z=z, x=x, w=1 / chance, y=y)

    return draw


def weighted() -> Table:
    """Response weights at 46% response, HC2 and linearised."""
    trials = [
        Trial(
            "response depends on x and arm, weights 1/probability",
            _design(outcomes=(ik.Outcome(name="y", kind="continuous", weights="w"),)),
            _responding(effect),
            (
                _itt(),
                _itt("linearised", inference=ik.Linearised()),
                _itt("lin", covariates=("x",), adjustment="lin"),
            ),
            (
                _effect("weighted, HC2", effect),
                _effect("weighted, linearised", effect, "linearised"),
                _effect("weighted, Lin, HC2", effect, "lin"),
            ),
            n="800",
            response="46%",
            replications=3000,
        )
        for effect in EFFECTS
    ]
    return simulate("Response weights", trials)


# --- Lin ------------------------------------------------------------------------------------------------


def _heteroskedastic(effect: float) -> Draw:
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        n = 150
        z = rng.permutation(np.arange(n) < 50).astype(int)
        x = rng.exponential(size=n) - 1.0
        y = effect * z + (0.5 + 0.8 * z) * x + rng.normal(size=n) * (0.5 + np.abs(x)) * np.where(z == 1, 1.5, 1.0)
        return _frame(z=z, x=x, y=y)

    return draw


def adjusted() -> Table:
    """Lin's adjustment where errors and slopes differ by arm and covariate."""
    wider = ((0.925, 0.965), "a skewed covariate of high leverage at 50 treated")
    trials = [
        Trial(
            "a third treated, skewed covariate, slopes and variance differ by arm",
            _design(),
            _heteroskedastic(effect),
            (_itt(), _itt("lin", covariates=("x",), adjustment="lin"), _itt("welch", df="welch")),
            (
                _effect("difference in means, HC2", effect, band=wider),
                _effect("difference in means, Welch", effect, "welch", band=wider),
                _effect("Lin, HC2", effect, "lin", band=wider),
            ),
            n="150",
            replications=4000,
        )
        for effect in EFFECTS
    ]
    return simulate("Covariate adjustment under heteroskedasticity", trials)


# --- standard deviation units ---------------------------------------------------------------------------


def _scaled(kind: str, effect: float) -> Draw:
    """Control SD 1, treated SD 1.3."""

    def noise(rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.gamma(2.0, size=n) / np.sqrt(2.0) - np.sqrt(2.0) if kind == "skewed" else rng.normal(size=n)

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        if kind == "clustered":
            cluster = np.repeat(np.arange(len(SIZES)), SIZES)
            z = rng.permutation(np.arange(len(SIZES)) % 2)[cluster]
            error = rng.normal(size=len(SIZES))[cluster] * np.sqrt(ICC) + rng.normal(size=len(z)) * np.sqrt(1 - ICC)
            return _frame(z=z, cluster=cluster, y=effect * z + error * np.where(z == 1, 1.3, 1.0))
        n = {"weighted": 800, "hard": 400}.get(kind, 120)
        z = rng.permutation(np.arange(n) % 2)
        error = noise(rng, n)
        y = effect * z + error * np.where(z == 1, 1.3, 1.0)
        if kind not in ("weighted", "hard"):
            return _frame(z=z, y=y)
        x = error if kind == "hard" else np.sqrt(0.5) * (error + rng.normal(size=n))
        chance = np.clip(1 / (1 + np.exp(0.17 - 0.7 * x)), 0.1, None)
        return _frame(z=z, w=1 / chance, y=np.where(rng.random(n) < chance, y, np.nan))

    return draw


def standardised() -> Table:
    """StandardisedEffect for each standardiser."""
    trials = []
    kinds = {
        "normal": ("normal outcome", "120", "none", "100%", {}),
        "skewed": ("skewed outcome (gamma, skewness 1.4)", "120", "none", "100%", {}),
        "clustered": (
            "ICC 0.1, clusters allocated",
            str(SIZES.sum()),
            "20 of 5 to 60",
            "100%",
            {"clusters": "cluster"},
        ),
        "weighted": ("response depends on a correlate, weighted", "800", "none", "46%", {"weights": "w"}),
        "hard": ("response depends on the outcome, weighted", "400", "none", "46%", {"weights": "w"}),
    }
    for effect in (0.0, 1.0):
        for kind, (words, n, clusters, response, options) in kinds.items():
            spread = {
                "control": 1.0,
                "pooled": np.sqrt(0.5 * (1 + 1.3**2)),
                "total": np.sqrt(0.5 * (1 + 1.3**2) + 0.25 * effect**2),
            }
            trials.append(
                Trial(
                    words,
                    _design(**options),
                    _scaled(kind, effect),
                    (_itt(), *(ik.StandardisedEffect(name=name, outcome="y", standardiser=name) for name in spread)),
                    (
                        *((_effect("the effect itself", effect, band=HARD),) if kind == "hard" else ()),
                        *(
                            _effect(
                                f"over the {name} SD", float(effect / sd), name, band=HARD if kind == "hard" else RATIO
                            )
                            for name, sd in spread.items()
                        ),
                    ),
                    n=n,
                    clusters=clusters,
                    response=response,
                )
            )
    return simulate("Effects in standard deviations", trials)


# --- overlapping populations ------------------------------------------------------------------------------


def _overlapping(gap: float, *, clusters: bool) -> Draw:
    cluster = np.repeat(np.arange(40), 15)

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        n = len(cluster)
        z = rng.permutation(np.arange(n) % 2)
        site = rng.permutation(np.repeat(["a", "b", "c"], [200, 250, 150]))
        shared = rng.normal(size=40)[cluster] * 0.4 if clusters else 0.0
        y = (0.3 + gap * (site == "c")) * z + shared * z + rng.normal(size=n) * np.where(site == "c", 1.5, 1.0)
        return _frame(z=z, site=site, cluster=cluster, y=y)

    return draw


def overlapping() -> Table:
    """Differences between populations that share people: a and b against b and c."""
    trials = []
    for gap in (0.0, 0.6):
        for clusters in (False, True):
            first, second = 0.3, 0.3 + gap * 150 / 400
            populations = (
                ik.Population(name="ab", where=(("site", ("a", "b")),)),
                ik.Population(name="bc", where=(("site", ("b", "c")),)),
            )
            of = tuple(ik.RowRef(analysis="itt", population=name) for name in ("ab", "bc"))
            trials.append(
                Trial(
                    "populations share 250 people" + (", effects vary by cluster" if clusters else ""),
                    _design(populations=populations, **({"clusters": "cluster"} if clusters else {})),
                    _overlapping(gap, clusters=clusters),
                    (
                        _itt(),
                        ik.Combination(name="gap", how="difference", of=of),
                        ik.Combination(name="pooled", how="pooled", weights="size", of=of),
                    ),
                    (
                        _effect("difference of effects", first - second, "gap"),
                        _effect("mean of effects, by size", (450 * first + 400 * second) / 850, "pooled"),
                    ),
                    n="600",
                    clusters="40 of 15" if clusters else "none",
                    replications=2000,
                )
            )
    return simulate("Combinations of overlapping populations", trials)


TABLES: dict[str, Callable[[], Table]] = {
    found.__name__: found for found in (blocked, clustered, weighted, adjusted, standardised, overlapping)
}
