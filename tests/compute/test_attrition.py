"""Kernels for missing outcomes against R, brute force and closed forms (script in tests/reference/attrition)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from impactkit.compute.attrition import estimated_weight_part, fit_logistic, response_weights
from impactkit.compute.bounds import imbens_manski, imbens_manski_p, lee_bounds, trimmed_mean
from impactkit.compute.imputation import barnard_rubin, impute, nearest_donors, rubin

REFERENCE = Path(__file__).parents[1] / "reference" / "attrition"
EXACT = 1e-12
ROOTS = 1e-9  # both sides are root finders
EXPECTED = pd.read_csv(REFERENCE / "expected.csv").set_index("case")
DATA = pd.read_csv(REFERENCE / "trial.csv")


# --- logistic regression and weights ----------------------------------------------------------------------------------


def test_logistic_solves_its_equations_also_with_weights_and_repeated_columns():
    rng = np.random.default_rng(1)
    Z = np.column_stack([np.ones(300), rng.normal(50, 10, 300), rng.integers(0, 2, 300)])
    Z = np.column_stack([Z, Z[:, 1] + Z[:, 2]])
    w = rng.uniform(0.2, 3, 300)
    y = (rng.random(300) < 1 / (1 + np.exp(2.5 - 0.05 * Z[:, 1]))).astype(float)
    for weights in (None, w):
        found = fit_logistic(Z=Z, y=y, weights=weights)
        own = np.ones(300) if weights is None else weights
        assert np.abs(Z.T @ (own * (y - found.fitted))).max() < 1e-6 * np.abs(Z).sum(axis=0).max()
        assert found.aliased.tolist() == [False, False, False, True]


def test_separated_response_reaches_its_limit_instead_of_failing():
    Z = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20)])
    y = np.concatenate([np.ones(20), np.tile([0.0, 1.0], 10)])  # everybody of the first group responded
    found = fit_logistic(Z=Z, y=y)
    np.testing.assert_allclose(found.fitted, np.repeat([1.0, 0.5], 20), atol=1e-6)
    weights = response_weights(Z=Z, responded=y == 1, arm=np.zeros(40, int))
    np.testing.assert_allclose(weights.factor[:20], 1.0, atol=1e-6)
    assert np.isfinite(weights.scores[0]).all()


def test_everybody_responding_needs_no_model():
    found = response_weights(Z=np.ones((5, 1)), responded=np.ones(5, bool), arm=np.array([0, 1, 0, 1, 0]))
    assert (found.factor == 1).all()
    assert not any(part.any() for part in found.scores)


def test_a_floor_caps_the_weights_and_is_counted():
    rng = np.random.default_rng(3)
    x = rng.normal(size=400)
    seen = rng.random(400) < 1 / (1 + np.exp(-1.5 * x))
    Z = np.column_stack([np.ones(400), x])
    found = response_weights(Z=Z, responded=seen, arm=np.zeros(400, int), floor=0.4)
    low = seen & (found.probability < 0.4)
    assert found.trimmed == low.sum() > 0
    np.testing.assert_allclose(found.factor[low], 2.5)
    assert not found.slopes[low].any()


def test_weighting_cells_is_poststratification():
    """With one binary covariate the weighted mean is the cell means at the arm's shares, and so is its influence."""
    rng = np.random.default_rng(4)
    x = rng.integers(0, 2, 500).astype(float)
    y = 2 * x + rng.normal(size=500)
    seen = rng.random(500) < np.where(x == 1, 0.4, 0.8)
    Z, arm = np.column_stack([np.ones(500), x]), np.zeros(500, int)
    found = response_weights(Z=Z, responded=seen, arm=arm)
    w = found.factor[seen]
    mean = w @ y[seen] / w.sum()
    cells = [y[seen & (x == value)].mean() for value in (0, 1)]
    assert mean == pytest.approx(np.mean(np.where(x == 1, cells[1], cells[0])), abs=1e-9)
    pull = (w * (y[seen] - mean) / w.sum())[None]
    total = estimated_weight_part(pull=pull, found=found, arm=arm, responded=seen)[0]
    total[seen] += pull[0]
    expected = (np.take(cells, x.astype(int)) - mean) / 500
    for value in (0, 1):
        rows = seen & (x == value)
        expected[rows] += (y[rows] - cells[value]) * (x == value).mean() / rows.sum()
    np.testing.assert_allclose(total, expected, atol=1e-9)


# --- bounds -----------------------------------------------------------------------------------------------------------


def brute(y, seen, treated):
    """Bounds by repeating every respondent until the share to trim is a whole number of them."""
    q = [seen[treated == side].mean() for side in (0, 1)]
    arms = [np.sort(y[seen & (treated == side)]) for side in (0, 1)]
    cut = int(q[1] > q[0])
    times = int((treated != cut).sum() * seen[treated == cut].sum())  # makes keep * times * n whole
    repeated = np.repeat(arms[cut], times)
    keep = round(min(q) / max(q) * len(repeated))
    low, high = repeated[:keep].mean(), repeated[len(repeated) - keep :].mean()
    other = arms[1 - cut].mean()
    return (low - other, high - other) if cut else (other - high, other - low)


@pytest.mark.parametrize("seed", range(12))
def test_lee_bounds_by_brute_force_with_ties(seed):
    rng = np.random.default_rng(seed)
    n = 24
    treated = rng.permutation(n) < 11
    y = rng.integers(0, 4, n).astype(float)
    seen = rng.random(n) < np.where(treated, 0.8, 0.5)
    seen[:2] = True
    seen[np.flatnonzero(treated)[0]] = seen[np.flatnonzero(~treated)[0]] = True
    found = lee_bounds(y=y, responded=seen, treated=treated, bins=np.zeros(n, int))
    np.testing.assert_allclose((found.lower, found.upper), brute(y, seen, treated), atol=EXACT)
    assert found.lower <= found.upper + EXACT


def test_equal_response_is_the_boundary_where_bounds_meet():
    rng = np.random.default_rng(5)
    y = rng.normal(size=40)
    treated = np.arange(40) % 2 == 0
    seen = np.arange(40) < 30
    found = lee_bounds(y=y, responded=seen, treated=treated, bins=np.zeros(40, int))
    plain = y[seen & treated].mean() - y[seen & ~treated].mean()
    assert found.lower == pytest.approx(plain, abs=EXACT)
    assert found.upper == pytest.approx(plain, abs=EXACT)
    assert found.trimmed.tolist() == [0.0]
    neyman = sum(y[seen & (treated == side)].var(ddof=1) / 15 for side in (True, False))
    assert (found.influence**2).sum(axis=1).min() >= neyman * 0.9  # the unknown direction only adds to it


@pytest.mark.parametrize(("outcome", "case", "swap"), [
    ("score", "lee/score", False), ("work", "lee/work", False), ("score", "lee/score/swapped", True),
])  # fmt: skip
def test_lee_bounds_and_their_errors_against_the_published_formula(outcome, case, swap):
    y, treated = DATA[outcome].to_numpy(), DATA["z"].to_numpy() == (0 if swap else 1)
    found = lee_bounds(y=y, responded=~np.isnan(y), treated=treated, bins=np.zeros(len(y), int))
    errors = np.sqrt((found.influence**2).sum(axis=1))
    for place, (value, name) in enumerate(((found.lower, "lower"), (found.upper, "upper"))):
        row = EXPECTED.loc[f"{case}/{name}"]
        assert value == pytest.approx(row["estimate"], abs=EXACT)
        assert errors[place] == pytest.approx(row["std_error"], rel=1e-10)


def test_weights_of_two_are_people_counted_twice():
    rng = np.random.default_rng(6)
    n = 60
    treated, y = rng.random(n) < 0.5, rng.integers(0, 6, n).astype(float)
    seen = rng.random(n) < np.where(treated, 0.9, 0.6)
    w = rng.integers(1, 3, n).astype(float)
    bins = rng.integers(0, 2, n)
    twice = np.repeat(np.arange(n), w.astype(int))
    for cells in (None, bins):
        one = lee_bounds(y=y, responded=seen, treated=treated, bins=bins, cells=cells, weights=w)
        two = lee_bounds(
            y=y[twice], responded=seen[twice], treated=treated[twice], bins=bins[twice],
            cells=None if cells is None else cells[twice],
        )  # fmt: skip
        np.testing.assert_allclose((one.lower, one.upper), (two.lower, two.upper), atol=1e-10)


def test_tightened_bounds_lie_within_and_average_their_cells():
    rng = np.random.default_rng(7)
    n = 4000
    cells, treated = rng.integers(0, 2, n), rng.random(n) < 0.5
    y = 3.0 * cells + rng.normal(size=n)
    seen = rng.random(n) < np.where(treated, 0.8, 0.6)
    wide = lee_bounds(y=y, responded=seen, treated=treated, bins=np.zeros(n, int))
    tight = lee_bounds(y=y, responded=seen, treated=treated, bins=cells, cells=cells)
    assert wide.lower < tight.lower < tight.upper < wide.upper
    parts = [
        lee_bounds(y=y[cells == c], responded=seen[cells == c], treated=treated[cells == c], bins=cells[cells == c])
        for c in (0, 1)
    ]
    assert tight.lower == pytest.approx(sum(s * p.lower for s, p in zip(tight.share, parts, strict=True)), abs=EXACT)


def test_lee_influence_is_the_derivative_of_the_bound():
    """Weighting one person a little more moves the bound by their influence."""
    rng = np.random.default_rng(8)
    n = 300
    treated, y = rng.random(n) < 0.5, rng.normal(size=n)
    seen = rng.random(n) < np.where(treated, 0.9, 0.6)
    bins = np.zeros(n, int)
    base = lee_bounds(y=y, responded=seen, treated=treated, bins=bins, weights=np.ones(n))
    sizes = np.where(treated, treated.sum(), (~treated).sum())
    for person in range(0, n, 37):
        w = np.ones(n)
        w[person] += 1e-6
        moved = lee_bounds(y=y, responded=seen, treated=treated, bins=bins, weights=w)
        own = base.influence[:, person] / np.sqrt(sizes[person] / (sizes[person] - 1))
        np.testing.assert_allclose(
            [(moved.lower - base.lower) / 1e-6, (moved.upper - base.upper) / 1e-6], own, atol=2e-5
        )


def test_trimmed_mean_counts_the_value_at_the_cut_in_part():
    found = trimmed_mean(y=np.array([3.0, 1.0, 2.0]), weights=np.array([1.0, 1.0, 2.0]), keep=0.5)
    assert found.mean == pytest.approx((1 + 2) / 2)
    assert trimmed_mean(y=np.array([3.0, 1.0]), weights=np.ones(2), keep=1.0).mean == 2.0


@pytest.mark.parametrize("case", [name for name in EXPECTED.index if name.startswith("imbens_manski")])
def test_critical_value_against_r(case):
    _, level, width = case.split("/")
    found = imbens_manski(width=float(width), largest_error=1.0, conf_level=float(level))
    assert found == pytest.approx(EXPECTED.loc[case, "estimate"], abs=ROOTS)


def test_critical_value_closed_forms():
    assert imbens_manski(width=0.0, largest_error=2.0, conf_level=0.9) == pytest.approx(norm.ppf(0.95), abs=ROOTS)
    assert imbens_manski(width=1e9, largest_error=2.0, conf_level=0.9) == pytest.approx(norm.ppf(0.9), abs=ROOTS)
    assert imbens_manski(width=0.0, largest_error=1.0, conf_level=0.95, df=7) == pytest.approx(
        t.ppf(0.975, 7), abs=ROOTS
    )
    assert np.isnan(imbens_manski(width=1.0, largest_error=0.0, conf_level=0.95))


@pytest.mark.parametrize("width", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("df", [np.inf, 9.0])
def test_the_p_value_is_where_the_interval_just_reaches_zero(width, df):
    errors = (0.4, 0.7)
    p = imbens_manski_p(lower=0.8, upper=0.8 + width, errors=errors, df=df)
    c = imbens_manski(width=width, largest_error=0.7, conf_level=1 - p, df=df)
    assert 0.8 - c * errors[0] == pytest.approx(0.0, abs=1e-9)
    assert imbens_manski_p(lower=-0.8 - width, upper=-0.8, errors=errors[::-1], df=df) == pytest.approx(p)
    assert imbens_manski_p(lower=-0.1, upper=0.1, errors=errors) == 1.0


# --- imputation -------------------------------------------------------------------------------------------------------


def test_rubin_and_barnard_rubin_against_mice():
    drawn = pd.read_csv(REFERENCE / "imputations.csv", index_col="id")
    X = np.column_stack([np.ones(len(DATA)), DATA["z"], DATA["age"]])
    bread = np.linalg.inv(X.T @ X)
    coefs, within = [], []
    for name in drawn:
        y = DATA["score"].to_numpy(copy=True)
        y[drawn.index] = drawn[name]
        beta = bread @ X.T @ y
        coefs.append(beta)
        within.append(bread * ((y - X @ beta) ** 2).sum() / (len(y) - 3))
    found = rubin(
        estimates=np.array(coefs)[:, 1:],
        within=np.mean(within, axis=0)[1:, 1:],
        complete_df=np.full(2, len(DATA) - 3.0),
    )
    for place, term in enumerate(("z", "age")):
        row = EXPECTED.loc[f"pool/{term}"]
        assert found.estimate[place] == pytest.approx(row["estimate"], rel=1e-10)
        assert np.sqrt(found.total[place, place]) == pytest.approx(row["std_error"], rel=1e-10)
        assert found.df[place] == pytest.approx(row["df"], rel=1e-9)


def test_barnard_rubin_limits():
    assert barnard_rubin(m=20, lost=0.0, complete_df=np.inf) == np.inf
    assert barnard_rubin(m=20, lost=0.5, complete_df=np.inf) == pytest.approx(19 / 0.25)
    assert barnard_rubin(m=20, lost=0.2, complete_df=50.0) < 50
    assert np.isnan(barnard_rubin(m=20, lost=0.2, complete_df=np.nan))


def test_nearest_donors_are_the_nearest_and_ties_are_all_drawn():
    rng = np.random.default_rng(9)
    donors = np.sort(rng.normal(size=60))
    targets = np.concatenate([rng.normal(size=30), [-9.0, 9.0]])
    for _ in range(20):
        found = nearest_donors(donors=donors, values=donors, targets=targets, rng=rng)
        fifth = np.sort(np.abs(donors - targets[:, None]), axis=1)[:, 4]
        assert (np.abs(found - targets) <= fifth + EXACT).all()
    tied = nearest_donors(donors=np.repeat([0.0, 1.0], 50), values=np.arange(100.0), targets=np.zeros(4000), rng=rng)
    assert set(tied) == set(range(50))
    few = nearest_donors(donors=np.array([1.0, 2.0]), values=np.array([5.0, 6.0]), targets=np.zeros(50), rng=rng)
    assert set(few) == {5.0, 6.0}


@pytest.mark.parametrize("kind", ["normal", "matching", "logistic"])
def test_draws_follow_the_model_and_vary_with_its_coefficients(kind):
    rng = np.random.default_rng(10)
    n = 800
    x = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(float) if kind == "logistic" else 2 + x + rng.normal(size=n)
    seen = rng.random(n) < 1 / (1 + np.exp(-0.5 - x))
    Z = np.column_stack([np.ones(n), x])
    drawn = impute(Z=Z, y=y, observed=seen, kind=kind, m=200, rng=rng)
    assert drawn.shape == (200, (~seen).sum())
    assert drawn.mean() == pytest.approx(y[~seen].mean(), abs=4 * y.std() / np.sqrt((~seen).sum()))
    noise = drawn.var(axis=0).mean() / (~seen).sum()
    assert drawn.mean(axis=1).var() > 1.2 * noise  # more than independent draws around one fitted line
    if kind != "normal":
        assert np.isin(drawn, y[seen]).all()


def test_clustered_draws_carry_the_clusters():
    rng = np.random.default_rng(11)
    codes = np.repeat(np.arange(40), 20)
    y = rng.normal(size=40)[codes] + rng.normal(size=800)
    seen = rng.random(800) < 0.5
    drawn = impute(Z=np.ones((800, 1)), y=y, observed=seen, kind="normal", m=50, rng=rng, clusters=codes)
    lost = codes[~seen]
    means = np.stack([np.bincount(lost, weights=row, minlength=40) / np.bincount(lost, minlength=40) for row in drawn])
    truth = np.array([y[codes == g].mean() for g in range(40)])
    assert np.corrcoef(means.mean(axis=0), truth)[0, 1] > 0.8
