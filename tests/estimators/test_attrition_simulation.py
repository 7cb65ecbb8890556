"""Coverage of the methods for missing outcomes, at the response of the Health-led Employment Trials: 55% and 46%.

To write the table that is committed: python tests/estimators/test_attrition_simulation.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import impactkit as ik

pytestmark = pytest.mark.slow

R = 2000
NOMINAL = 0.95
ERROR = float(np.sqrt(NOMINAL * (1 - NOMINAL) / R))
ALLOWED = 3
WIDE = 0.025
"""Matching on five donors: draws repeat donors where respondents are sparse, which leaves a little bias and an error
that is a little too small (Morris, White and Royston 2014). It is an option and not the default for that reason."""
SAME = 0.0005  # the committed table is this simulation, to its last digit but for the machine's arithmetic
COMMITTED = Path(__file__).parents[1] / "reference" / "attrition" / "coverage.csv"
EFFECT = 0.3


@dataclass(frozen=True)
class Scenario:
    label: str
    make: Callable[[np.random.Generator], pd.DataFrame]
    truth: float
    design: ik.TrialDesign
    options: dict[str, object]


def expit(value):
    return 1 / (1 + np.exp(-value))


def _responding(rng, z, x, slope, level):
    """Respond at 55% (treated) and 46% (control), the more so with x in one arm and the less so in the other."""
    return rng.random(len(z)) < expit(np.where(z == 1, level[1] + slope * x, level[0] - slope * x))


SLOPE = 0.5
LEVEL = (-0.1697, 0.2124)  # with that slope and x standard normal: 46% and 55%; see test_response_is_as_stated


def continuous(rng, n=600):
    site = rng.random(n) < 0.4
    z = (rng.random(n) < np.where(site, 0.5, 0.4)).astype(int)
    x = rng.normal(size=n)
    y = x + 0.5 * site + EFFECT * z + rng.normal(size=n)
    seen = _responding(rng, z, x, SLOPE, LEVEL)
    return pd.DataFrame({"id": np.arange(n), "z": z, "site": site.astype(int), "x": x, "y": np.where(seen, y, np.nan)})


def binary(rng, n=800):
    z = rng.permutation(n) % 2
    x = rng.normal(size=n)
    y = (rng.random(n) < expit(-0.5 + x + 0.5 * z)).astype(float)
    seen = _responding(rng, z, x, SLOPE, LEVEL)
    return pd.DataFrame({"id": np.arange(n), "z": z, "site": 0, "x": x, "y": np.where(seen, y, np.nan)})


def clustered(rng, clusters=40, size=20):
    """Arms allocated by cluster; a fifth of the outcome's remaining variance lies between clusters."""
    n = clusters * size
    code = np.repeat(np.arange(clusters), size)
    z = np.isin(code, rng.permutation(clusters)[: clusters // 2]).astype(int)
    x = rng.normal(size=n)
    y = x + EFFECT * z + rng.normal(scale=np.sqrt(0.2), size=clusters)[code] + rng.normal(scale=np.sqrt(0.8), size=n)
    seen = _responding(rng, z, x, SLOPE, LEVEL)
    return pd.DataFrame({"id": np.arange(n), "z": z, "code": code, "x": x, "y": np.where(seen, y, np.nan)})


def clustered_binary(rng, clusters=40, size=20):
    n = clusters * size
    code = np.repeat(np.arange(clusters), size)
    z = np.isin(code, rng.permutation(clusters)[: clusters // 2]).astype(int)
    x = rng.normal(size=n)
    y = (rng.random(n) < expit(-0.5 + x + 0.5 * z + rng.normal(scale=0.5, size=clusters)[code])).astype(float)
    seen = _responding(rng, z, x, SLOPE, LEVEL)
    return pd.DataFrame({"id": np.arange(n), "z": z, "code": code, "x": x, "y": np.where(seen, y, np.nan)})


def monotone(rng, *, edge: bool, n=800):
    """Everybody who would respond as a control would respond as treated; on the edge, those whom treatment adds have
    the lowest outcomes of all, so that the truth is the upper bound itself."""
    z = rng.permutation(n) % 2
    u = rng.normal(size=n)
    treated_answers = rng.random(n) < 0.55
    share = 0.46 / 0.55
    if edge:
        from scipy.stats import norm

        always = treated_answers & (u > norm.ppf(1 - share))
    else:
        always = treated_answers & (rng.random(n) < share)
    seen = np.where(z == 1, treated_answers, always)
    return pd.DataFrame({"id": np.arange(n), "z": z, "site": 0, "x": 0.0, "y": np.where(seen, u + EFFECT * z, np.nan)})


def _binary_truth(spread: float = 1.0) -> float:
    """Integrate the difference in probability over a normal linear predictor."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    return float(weights @ (expit(spread * nodes) - expit(-0.5 + spread * nodes)))


def _design(kind="continuous", **options):
    return ik.TrialDesign(
        unit="id", arm="z", treated=1, control=0, outcomes=(ik.Outcome(name="y", kind=kind),), **options
    )


POINTS: dict[str, object] = {"covariates": ("x",), "methods": ("weighting", "imputation")}
SCENARIOS = {
    "continuous, two strata, matching": Scenario(
        "n 600", continuous, EFFECT, _design(strata=("site",)), {**POINTS, "imputation_model": "matching"}
    ),
    "continuous, two strata, normal": Scenario("n 600", continuous, EFFECT, _design(strata=("site",)), POINTS),
    "binary, logistic": Scenario("n 800", binary, _binary_truth(), _design("binary"), POINTS),
    "40 clusters allocated, normal": Scenario(
        "n 800, 40 clusters", clustered, EFFECT, _design(clusters="code"), POINTS
    ),
    "40 clusters allocated, binary": Scenario(
        "n 800, 40 clusters", clustered_binary, _binary_truth(np.sqrt(1.25)), _design("binary", clusters="code"), POINTS
    ),
    "monotone, inside the bounds": Scenario(
        "n 800", lambda rng: monotone(rng, edge=False), EFFECT, _design(), {"methods": ("lee",)}
    ),
    "monotone, on the upper bound": Scenario(
        "n 800", lambda rng: monotone(rng, edge=True), EFFECT, _design(), {"methods": ("lee",)}
    ),
}


def simulate(name: str, replications: int = R) -> pd.DataFrame:
    """Bias, mean standard error, spread and coverage of each term."""
    scenario = SCENARIOS[name]
    spec = ik.Attrition(name="a", outcome="y", **scenario.options)  # type: ignore[arg-type]
    found = []
    for replication in range(replications):
        rng = np.random.default_rng([20260803, replication])
        data = scenario.make(rng)
        tidy = ik.Evaluation(scenario.design, data, [spec]).fit(seed=replication, strict=True).tidy()
        found.append(tidy[tidy["measure"].eq("difference") & ~tidy["term"].str.startswith("response")])
    whole = pd.concat(found)
    whole["covered"] = (whole["conf_low"] <= scenario.truth) & (scenario.truth <= whole["conf_high"])
    groups = whole.groupby("term", sort=False)
    return pd.DataFrame({
        "bias": groups["estimate"].mean() - scenario.truth, "spread": groups["estimate"].std(),
        "mean error": groups["std_error"].mean(), "coverage": groups["covered"].mean(),
    })  # fmt: skip


def show(name: str, table: pd.DataFrame) -> None:
    print(f"\n{name}: {SCENARIOS[name].label}, response 55% and 46%, R {R}, Monte Carlo standard error {ERROR:.4f}")
    print(table.round(4).to_string())


def same_as_committed(name: str, table: pd.DataFrame) -> None:
    committed = pd.read_csv(COMMITTED, index_col=["scenario", "term"]).loc[name]
    assert list(committed.index) == list(table.index)
    np.testing.assert_allclose(table, committed[table.columns], atol=SAME)


def test_response_is_as_stated():
    rng = np.random.default_rng(1)
    z, x = np.arange(2_000_000) % 2, rng.normal(size=2_000_000)
    seen = _responding(rng, z, x, SLOPE, LEVEL)
    assert seen[z == 1].mean() == pytest.approx(0.55, abs=0.002)
    assert seen[z == 0].mean() == pytest.approx(0.46, abs=0.002)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if not name.startswith("monotone")])
def test_weighting_and_imputation_cover_where_complete_cases_do_not(name):
    table = simulate(name)
    show(name, table)
    coverage, bias = table["coverage"], table["bias"]
    same_as_committed(name, table)
    assert abs(coverage["weighting"] - NOMINAL) <= ALLOWED * ERROR
    assert abs(coverage["imputation"] - NOMINAL) <= (WIDE if "matching" in name else ALLOWED * ERROR)
    assert coverage["complete_case"] < 0.80
    for method in ("weighting", "imputation"):
        assert abs(bias[method]) < 0.1 * abs(bias["complete_case"])


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("monotone")])
def test_lee_intervals_cover_at_least_as_stated(name):
    table = simulate(name)
    show(name, table)
    same_as_committed(name, table)
    assert table.loc["lee_lower", "coverage"] >= NOMINAL - ALLOWED * ERROR


if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor() as pool:
        tables = pool.map(simulate, SCENARIOS)
        written = {
            name: table.assign(R=R, mc_error=round(ERROR, 4)) for name, table in zip(SCENARIOS, tables, strict=True)
        }
    pd.concat(written, names=["scenario"]).round(4).to_csv(COMMITTED, lineterminator="\n")
