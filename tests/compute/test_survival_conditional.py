"""The conditional norm and time saved: closed forms, R's survival package, and numerical derivatives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactkit.compute.survival.conditional import ConditionalNorm, conditional_norm
from impactkit.compute.survival.since_assessment import Saved, expected_survival, observed, weeks_saved
from impactkit.compute.survival.two_sources import client_groups, practice_groups, satterthwaite

REFERENCE = Path(__file__).parents[1] / "reference" / "weeks_saved"
CLOSE = 1e-10  # R and we do the same sums in another order
TAU = 45.0


def reference() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    clients, episodes = (pd.read_csv(REFERENCE / f"{name}.csv") for name in ("clients", "episodes"))
    frozen = pd.read_csv(REFERENCE / "expected.csv")
    return clients, episodes, dict(zip(frozen["what"], frozen["value"], strict=True))


def norms_of(episodes: pd.DataFrame) -> tuple[dict[int, ConditionalNorm], np.ndarray]:
    cells = (episodes["cell"] == "mind").to_numpy().astype(np.int32)
    found = {}
    for code in (0, 1):
        part = episodes[cells == code]
        found[code] = conditional_norm(
            part["start"].to_numpy(float), part["stop"].to_numpy(float), part["ended"].to_numpy() == 1
        )
    return found, cells


def solve(clients: pd.DataFrame, episodes: pd.DataFrame, weights: np.ndarray, horizon: float = TAU) -> Saved:
    norms, cells = norms_of(episodes)
    return weeks_saved(
        entry=clients["entry"].to_numpy(float),
        since=(clients["absent"] - clients["entry"]).to_numpy(float),
        back=clients["returned"].to_numpy() == 1,
        weights=weights,
        cells=(clients["cell"] == "mind").to_numpy().astype(np.int32),
        norms=norms,
        episode_cells=cells,
        horizon=horizon,
    )


@pytest.mark.parametrize("tag", ["plain", "weighted"])
def test_estimates_and_both_variances_are_those_of_r(tag: str) -> None:
    clients, episodes, frozen = reference()
    weights = np.ones(len(clients)) if tag == "plain" else clients["w"].to_numpy()
    found = solve(clients, episodes, weights)
    mine = found.client_expected - found.client_observed
    practices, advisers = (pd.factorize(column)[0] for column in (episodes["practice"], clients["adviser"]))
    ours = {
        "expected": found.expected,
        "observed": found.observed,
        "saved": found.saved,
        "norm_variance_episodes": (found.episodes**2).sum(),
        "norm_variance_practices": (np.bincount(practices, weights=found.episodes) ** 2).sum(),
        "observed_variance": (found.client_observed**2).sum(),
        "client_variance": (mine**2).sum(),
        "client_variance_clusters": (np.bincount(advisers, weights=mine) ** 2).sum(),
    }
    for what, value in ours.items():
        assert value == pytest.approx(frozen[f"{tag}_{what}"], rel=CLOSE), what


@pytest.mark.parametrize("tag", ["plain", "weighted"])
def test_returns_expected_with_delayed_entry_are_those_of_r(tag: str) -> None:
    clients, episodes, frozen = reference()
    weights = np.ones(len(clients)) if tag == "plain" else clients["w"].to_numpy()
    norms, cells = norms_of(episodes)
    hazards, influence = np.zeros(len(clients)), np.zeros(len(episodes))
    for code, name in enumerate(("back", "mind")):
        mine = (clients["cell"] == name).to_numpy()
        entry, leave = (clients.loc[mine, column].to_numpy(float) for column in ("entry", "absent"))
        hazards[mine] = norms[code].hazard(entry, leave)
        influence[cells == code] = norms[code].hazard_influence(entry, leave, weights[mine])
    returned = clients["returned"].to_numpy()
    due, seen = weights @ hazards, weights @ returned
    sums = np.bincount(pd.factorize(episodes["practice"])[0], weights=influence / due)
    assert due == pytest.approx(frozen[f"{tag}_returns_expected"], rel=CLOSE)
    assert seen / due == pytest.approx(frozen[f"{tag}_returns_ratio"], rel=CLOSE)
    assert (sums**2).sum() == pytest.approx(frozen[f"{tag}_returns_norm_variance"], rel=CLOSE)
    own = weights * (returned / seen - hazards / due)
    assert (own**2).sum() == pytest.approx(frozen[f"{tag}_returns_client_variance"], rel=CLOSE)


def test_without_weights_the_variance_of_the_observed_mean_is_greenwoods() -> None:
    clients, episodes, frozen = reference()
    found = solve(clients, episodes, np.ones(len(clients)))
    assert found.observed == pytest.approx(frozen["greenwood_rmean"], rel=CLOSE)
    assert np.sqrt((found.client_observed**2).sum()) == pytest.approx(frozen["greenwood_se"], rel=CLOSE)


@pytest.mark.parametrize("entry", [10, 25])
def test_a_conditional_curve_is_r_s_with_a_start_time(entry: int) -> None:
    _, episodes, frozen = reference()
    share = norms_of(episodes)[0][0].survival(np.array([float(entry)]), 30.0)[0]
    assert share == pytest.approx(frozen[f"conditional_from_{entry}"], rel=CLOSE)


def test_memoryless_absence_expects_the_same_of_everybody() -> None:
    """With a constant chance p of returning each week, the mean of what remains is Σ (1 - p)^k whatever has passed."""
    p, horizon = 0.2, 10
    counts = np.round(1e6 * p * (1 - p) ** np.arange(30)).astype(int)
    stop = np.append(np.repeat(np.arange(1.0, 31.0), counts), np.full(1_000_000 - counts.sum(), 31.0))
    norm = conditional_norm(np.zeros(stop.size), stop, stop < 31.0)
    found = norm.residual_mean(np.array([0.0, 3.0, 7.5, 12.0]), horizon)
    whole = ((1 - p) ** np.arange(horizon)).sum()
    assert found[[0, 1, 3]] == pytest.approx([whole] * 3, rel=2e-4)
    # from the middle of a week: half a week at 1, nine whole weeks, half a week
    middle = 0.5 + ((1 - p) ** np.arange(1, 10)).sum() + 0.5 * (1 - p) ** 10
    assert found[2] == pytest.approx(middle, rel=2e-4)


def test_without_censoring_the_expected_is_the_mean_of_what_was_left() -> None:
    rng = np.random.default_rng(4)
    stop = np.ceil(rng.exponential(20, 300))
    norm = conditional_norm(np.zeros(300), stop, np.ones(300, dtype=bool))
    entry = np.array([0.0, 5.0, 12.0, 30.0])
    by_hand = [np.minimum(stop[stop > e] - e, 15.0).mean() for e in entry]
    assert norm.residual_mean(entry, 15.0) == pytest.approx(by_hand, rel=CLOSE)


def brute(
    start: np.ndarray, stop: np.ndarray, ended: np.ndarray, weight: np.ndarray, entry: float, horizon: float
) -> float:
    """Integrate the conditional curve by the definition."""
    area, share, last = 0.0, 1.0, entry
    for time in np.unique(stop[ended & (stop > entry) & (stop <= entry + horizon)]):
        area += share * (time - last)
        last = time
        at_risk = weight[(start < time) & (stop >= time)].sum()
        share *= 1.0 - weight[ended & (stop == time)].sum() / at_risk
    return float(area + share * (entry + horizon - last))


def derivative(of: Callable[[np.ndarray], float], weight: np.ndarray, step: float = 1e-5) -> np.ndarray:
    found = np.zeros(weight.size)
    for place in range(weight.size):
        up, down = weight.copy(), weight.copy()
        up[place] += step
        down[place] -= step
        found[place] = (of(up) - of(down)) / (2 * step)
    return found


@given(seed=st.integers(0, 10_000), whole=st.booleans())
def test_influence_values_are_derivatives_by_weight(seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    m, n, horizon = 24, 7, float(rng.integers(2, 15))
    stop = np.ceil(rng.exponential(12, m)) if whole else rng.exponential(12, m) + 0.1
    start = np.where(rng.random(m) < 0.4, np.floor(rng.random(m) * stop), 0.0)
    start = np.where(start >= stop, 0.0, start)
    ended = rng.random(m) < 0.8
    norm = conditional_norm(start, stop, ended)
    entry = np.floor(rng.exponential(6, n))
    entry = entry[norm.known_to(entry) >= entry + horizon]
    if not entry.size:
        return
    share = rng.uniform(0.5, 2.0, entry.size)
    ours = norm.log_influence(norm.residual_mean_slopes(entry, horizon, share))
    ones = np.ones(m)
    assert norm.residual_mean(entry, horizon) == pytest.approx(
        [brute(start, stop, ended, ones, e, horizon) for e in entry], rel=1e-9
    )
    numeric = derivative(
        lambda weight: share @ np.array([brute(start, stop, ended, weight, e, horizon) for e in entry]), ones
    )
    np.testing.assert_allclose(ours, numeric, atol=2e-6)
    assert ours.sum() == pytest.approx(0.0, abs=1e-9)


@given(seed=st.integers(0, 10_000))
def test_influence_of_the_observed_mean_is_a_derivative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, horizon = 15, 12.0
    since, back = np.floor(rng.exponential(9, n)), rng.random(n) < 0.7
    weights = rng.uniform(0.5, 2.0, n)
    if observed(since, back, weights).curve.known_to < horizon:
        return
    numeric = derivative(lambda w: observed(since, back, w).mean(horizon), weights) * weights
    np.testing.assert_allclose(observed(since, back, weights).mean_influence(horizon), numeric, atol=1e-6)


def test_the_expected_curve_integrates_to_the_expected_mean() -> None:
    clients, episodes, _ = reference()
    found = solve(clients, episodes, np.ones(len(clients)))
    norms, cells = norms_of(episodes)
    grid = np.arange(0.0, TAU)  # whole days: the curve is flat between
    values = list(
        expected_survival(
            entry=clients["entry"].to_numpy(float),
            weights=np.ones(len(clients)),
            cells=(clients["cell"] == "mind").to_numpy().astype(np.int32),
            norms=norms,
            times=grid,
        )
    )
    assert sum(value for value, _, _ in values) == pytest.approx(found.expected, rel=CLOSE)
    np.testing.assert_allclose(sum(own for _, own, _ in values), found.client_expected, atol=1e-10)
    whole = {code: sum(steps[code] for _, _, steps in values) for code in norms}
    for code, norm in norms.items():
        np.testing.assert_allclose(norm.contributions(whole[code]), found.episodes[cells == code], atol=1e-10)


def test_weeks_made_of_days_give_what_days_give() -> None:
    clients, episodes, _ = reference()
    days = solve(clients, episodes, np.ones(len(clients)))
    in_weeks = clients.assign(entry=clients["entry"] / 7, absent=clients["absent"] / 7)
    weeks = solve(
        in_weeks, episodes.assign(start=episodes["start"] / 7, stop=episodes["stop"] / 7), np.ones(40), TAU / 7
    )
    assert weeks.saved * 7 == pytest.approx(days.saved, rel=1e-6)
    np.testing.assert_allclose(weeks.episodes * 7, days.episodes, atol=1e-6)
    np.testing.assert_allclose(weeks.client_observed * 7, days.client_observed, atol=1e-6)


def test_what_is_not_watched_is_not_known() -> None:
    """Episodes are watched on (0, 5] and (8, 20]: nothing is known between, and the last one was open."""
    norm = conditional_norm(
        np.array([0.0, 0.0, 8.0, 8.0]), np.array([4.0, 5.0, 12.0, 20.0]), np.array([True, False, True, False])
    )
    entry = np.array([1.0, 5.0, 6.0, 8.0, 10.0, 25.0])
    assert norm.known_to(entry).tolist() == [5.0, 5.0, 6.0, 20.0, 20.0, 25.0]


def test_a_norm_that_falls_to_zero_is_known_for_good() -> None:
    norm = conditional_norm(np.zeros(3), np.array([2.0, 4.0, 6.0]), np.ones(3, dtype=bool))
    assert norm.known_to(np.array([3.0])).tolist() == [np.inf]
    assert norm.residual_mean(np.array([3.0]), 50.0) == pytest.approx([0.5 * 1 + 0.5 * 3])
    assert norm.known_to(np.array([6.0])).tolist() == [6.0]


def test_an_early_collapse_does_not_spoil_what_comes_after() -> None:
    """The only episode at risk at 2 ended then; later ones entered after. From 5 on the curve is theirs alone."""
    norm = conditional_norm(np.array([0.0, 4.0, 4.0]), np.array([2.0, 7.0, 9.0]), np.ones(3, dtype=bool))
    assert norm.collapse.tolist() == [2.0, 9.0]
    assert norm.residual_mean(np.array([5.0]), 3.0) == pytest.approx([2.0 + 0.5])
    assert norm.survival(np.array([1.0, 5.0]), 2.5) == pytest.approx([0.0, 0.5])


@given(seed=st.integers(0, 10_000))
def test_expected_time_is_within_the_horizon_and_rises_with_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stop = np.ceil(rng.exponential(12, 40))
    norm = conditional_norm(np.zeros(40), stop, rng.random(40) < 0.7)
    entry = np.array([0.0, 2.0])
    short, long = norm.residual_mean(entry, 2.0), norm.residual_mean(entry, 4.0)
    if (norm.known_to(entry) >= entry + 4.0).all():
        assert (short >= 0).all()
        assert (short <= 2.0 + 1e-9).all()
        assert (long >= short - 1e-9).all()


def test_practices_are_compared_within_areas() -> None:
    cells, practices = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 0, 2, 3])
    groups = practice_groups(cells, practices)
    assert groups.stratum.tolist() == [0, 0, 0, 0, 1, 1]
    assert groups.sizes.tolist() == [2, 2]
    values = np.array([1.0, -1.0, 2.0, -2.0, 0.5, -0.5])
    adjusted = groups.adjusted(values)
    assert adjusted == pytest.approx(values * np.sqrt(2))
    assert groups.variances(adjusted) == pytest.approx([2 * (1 + 1), 2 * (0.25 + 0.25)])


def test_episodes_of_no_norm_join_nothing() -> None:
    groups = practice_groups(np.array([0, 0, 1, 1, -1, -1]), np.array([0, 1, 2, 3, 1, 2]))
    assert groups.sizes.tolist() == [2, 2]
    assert groups.stratum.tolist() == [0, 0, 1, 1, 0, 1]
    values = np.array([1.0, -1.0, 2.0, -2.0, 0.0, 0.0])
    assert groups.variances(groups.adjusted(values)) == pytest.approx([4.0, 16.0])


def test_one_practice_alone_falls_back_to_its_episodes() -> None:
    groups = practice_groups(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 2]))
    assert groups.alone.tolist() == [True, False]
    assert groups.sizes.tolist() == [3, 2]
    assert groups.codes is not None
    assert np.unique(groups.codes).size == 5


def test_degrees_of_freedom_follow_welch_and_satterthwaite() -> None:
    assert satterthwaite([2.0, 0.0], [9.0, 3.0]) == pytest.approx(9.0)
    assert satterthwaite([1.0, 1.0], [10.0, 10.0]) == pytest.approx(20.0)
    assert np.isnan(satterthwaite([0.0], [4.0]))
    assert np.isnan(satterthwaite([1.0], [0.0]))
    assert client_groups(5, np.array([3, 3, 7, 7, 9])).df.tolist() == [2.0]
