"""The result contract itself: rows on their own scale, draws that keep each row's limits, joining, finding, taking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_trial import ADJUSTED, GLANCE, NOTES, TIDY
from scipy import stats

from impactkit.errors import SpecError
from impactkit.results import (
    ADJUSTED_COLUMNS,
    GLANCE_COLUMNS,
    MEASURES,
    NOTE_COLUMNS,
    TIDY_COLUMNS,
    Estimates,
    Influence,
    Note,
    RowInfluence,
    RowKey,
    measure,
)
from impactkit.results.joint import correlation, covariance, draws

EXACT = 1e-12

N_DRAWS = 40_000
MONTE_CARLO = 4.5  # standard errors of a drawn quantile: about one false alarm in 100,000 comparisons
CORRELATION = 0.02  # 4 standard errors of a correlation at 40,000 draws

DF = (3.0, 8.0, 40.0, np.inf, 5.0)
NAMES = ("difference", "difference", "mean", "net_benefit", "odds_ratio")


def keys(analysis: str = "a", names: tuple[str, ...] = NAMES) -> list[RowKey]:
    return [RowKey(analysis, "y", f"p{place}", "IPS", name, "points") for place, name in enumerate(names)]


def five(analysis: str = "a", *, token: str = "data", level: float = 0.95, clusters: bool = False) -> Estimates:
    """Five rows that share 60 people, the last on a log scale."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(5, 60)) + 0.8 * rng.normal(size=60)
    values *= np.array([0.3, 1.0, 2.0, 5.0, 0.1])[:, None] / np.sqrt(60)
    codes = np.arange(60) % 6 if clusters else None
    block = Influence("people", token, np.arange(60), codes, tuple(RowInfluence(None, line) for line in values))
    return Estimates.build(
        keys=keys(analysis),
        working=[1.0, -2.0, 50.0, 1_486.0, 0.3],
        working_se=np.sqrt((block.by_group(range(5)) ** 2).sum(axis=1)),
        df=DF,
        n=[60.0] * 5,
        conf_level=level,
        influence=[block],
        glances=[{"analysis": analysis, "outcome": "y", "population": "p0", "n_analysed": 60}],
        remarks=[Note(analysis, "y", "", "", "", "a remark")],
        min_cell=[11.0] * 5,
    )


def test_the_columns_are_fixed() -> None:
    assert list(TIDY_COLUMNS) == TIDY
    assert list(GLANCE_COLUMNS) == GLANCE
    assert list(NOTE_COLUMNS) == NOTES
    assert list(ADJUSTED_COLUMNS) == ADJUSTED
    for made in (five(), Estimates()):
        for frame, columns in (("tidy", TIDY), ("glance", GLANCE), ("notes", NOTES), ("adjusted", ADJUSTED)):
            assert list(getattr(made, frame)().columns) == columns


# --- scales ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, entry in MEASURES.items() if not entry.is_test])
@pytest.mark.parametrize("df", [3.0, np.inf])
def test_rows_are_formed_on_the_working_scale_and_shown_on_their_own(name: str, df: float) -> None:
    working, error, level = 0.4, 0.15, 0.9
    made = Estimates.build(
        keys=keys(names=(name,)), working=[working], working_se=[error], df=[df], n=[10], conf_level=level
    )
    (row,) = made.tidy().to_dict("records")
    t = stats.t(df).ppf(0.95) if np.isfinite(df) else stats.norm.ppf(0.95)
    low, high = working - t * error, working + t * error
    if measure(name).scale == "log":
        assert row["estimate"] == pytest.approx(np.exp(working), rel=EXACT)
        assert row["std_error"] == pytest.approx(np.exp(working) * error, rel=EXACT)
        low, high, null = np.exp(low), np.exp(high), 0.0
        assert measure(name).null == 1.0
    else:
        assert (row["estimate"], row["std_error"]) == (working, error)
        null = measure(name).null
    assert [row["conf_low"], row["conf_high"]] == pytest.approx([low, high], rel=1e-10)
    if np.isnan(null):
        assert np.isnan([row["statistic"], row["p_value"]]).all()
    else:
        z = (working - null) / error
        expected = 2 * (stats.t.sf(z, df) if np.isfinite(df) else stats.norm.sf(z))
        assert [row["statistic"], row["p_value"]] == pytest.approx([z, expected], rel=1e-10)


def test_a_row_without_error_or_freedom_has_no_limits() -> None:
    made = Estimates.build(
        keys=keys(names=("difference",) * 4),
        working=[1.0, 1.0, 1.0, np.nan],
        working_se=[np.nan, 0.0, 0.5, np.nan],
        df=[10, 10, np.nan, np.nan],
        n=[5] * 4,
    ).tidy()
    assert made["conf_low"].isna().tolist() == [True, False, True, True]
    assert made["p_value"].isna().tolist() == [True] * 4
    assert made["conf_low"][1] == made["conf_high"][1] == 1.0


def test_rows_may_bring_their_own_test_and_limits() -> None:
    made = Estimates.build(
        keys=keys(names=("chi_square", "proportion", "ratio")),
        working=[np.nan, 0.5, 2.0],
        working_se=[np.nan, 0.1, 0.2],
        df=[np.nan, np.inf, 9],
        n=[20] * 3,
        tests={0: (3.84, 1.0, 0.05)},
        intervals={1: (0.2, 0.7)},
        p_values={2: (1.5, 0.16)},
    ).tidy()
    assert made.loc[0, ["statistic", "df", "p_value"]].tolist() == [3.84, 1.0, 0.05]
    assert made.loc[1, ["conf_low", "conf_high"]].tolist() == [0.2, 0.7]
    assert made.loc[2, ["statistic", "p_value"]].tolist() == [1.5, 0.16]


def test_unknown_measures_ask_what_was_meant() -> None:
    with pytest.raises(SpecError, match='Did you mean "odds_ratio"'):
        measure("odd_ratio")


def test_numbers_cannot_be_written_to() -> None:
    for made in (five(), five().take([0, 1]), Estimates.concat([five(), five("b")])):
        for array in (*made.numbers.values(), made.working, made.working_se, made.min_cell):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 7.0


# --- draws ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_draw_limits_of_a_row_are_its_printed_limits(level: float) -> None:
    made = five(level=level)
    drawn = draws(made, N_DRAWS, seed=1)
    tail = (1 - level) / 2
    for place, df in enumerate(DF):
        law = stats.t(df) if np.isfinite(df) else stats.norm()
        log = measure(NAMES[place]).scale == "log"
        for side, q in (("conf_low", tail), ("conf_high", 1 - tail)):
            # on the working scale, where the density is known: sd of a quantile is √(q(1−q)/n)/f
            spread = np.sqrt(q * (1 - q) / N_DRAWS) / law.pdf(law.ppf(q)) * made.working_se[place]
            ours, printed = np.quantile(drawn[:, place], q), made.numbers[side][place]
            if log:
                ours, printed = np.log(ours), np.log(printed)
            assert abs(ours - printed) < MONTE_CARLO * spread, (place, side)
    assert (drawn[:, 4] > 0).all()


def test_joint_draws_have_the_joint_correlation() -> None:
    made = five()
    joint = correlation(covariance(made))
    assert np.abs(joint[~np.eye(5, dtype=bool)]).min() > 5 * CORRELATION, "there is something to find"
    drawn = draws(made, N_DRAWS, seed=2)
    drawn[:, 4] = np.log(drawn[:, 4])
    # back through each row's own t distribution to the copula
    standard = (drawn - made.working) / made.working_se
    normal = np.column_stack(
        [
            line if np.isinf(df) else stats.norm.ppf(stats.t(df).cdf(line))
            for line, df in zip(standard.T, DF, strict=True)
        ]
    )
    np.testing.assert_allclose(np.corrcoef(normal.T), joint, atol=CORRELATION)


def test_draws_repeat_by_seed_and_leave_out_what_cannot_be_drawn() -> None:
    made = five()
    assert (draws(made, 10, seed=1) == draws(made, 10, seed=1)).all()
    assert (draws(made, 10, seed=1) != draws(made, 10, seed=2)).all()
    lost = Estimates.build(
        keys=keys("b", ("mean", "mean")), working=[1, np.nan], working_se=[np.nan, np.nan], df=[3, 3], n=[2, 2]
    )
    both = draws(Estimates.concat([made, lost]), 100, seed=1)
    assert np.isfinite(both[:, :5]).all()
    assert np.isnan(both[:, 5:]).all()


def test_rows_that_move_as_one_are_drawn_as_one() -> None:
    made = five()
    block = made.influence[0]
    again = replace(made, influence=(replace(block, rows=(block.rows[0],) * 5),))
    drawn = draws(again, 50, seed=1)
    order = np.argsort(drawn[:, 0])
    assert (np.diff(drawn[order], axis=0) > 0).all()


# --- covariance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", [False, True])
def test_covariance_adds_what_no_unit_carries(clusters: bool) -> None:
    made = five(clusters=clusters)
    base = covariance(made)
    assert np.sqrt(np.diagonal(base)) == pytest.approx(made.working_se, rel=EXACT)
    between = np.diag(np.arange(1.0, 6.0))
    assert covariance(replace(made, extra_covariance=between)) == pytest.approx(base + between)
    chosen = [3, 1]
    np.testing.assert_allclose(covariance(made, chosen), base[np.ix_(chosen, chosen)], rtol=EXACT)


def test_people_outside_every_cluster_count_for_nothing() -> None:
    block = Influence(
        "people", "x", np.arange(4), np.array([0, 0, 1, -1]), (RowInfluence(None, np.array([1.0, 2, 4, 100])),)
    )
    assert block.by_group([0]).tolist() == [[3.0, 4.0]]
    some = replace(block, rows=(RowInfluence(np.array([1, 3]), np.array([2.0, 100.0])), None))
    assert some.by_group([0, 1]).tolist() == [[2.0, 0.0], [0.0, 0.0]]


# --- joining --------------------------------------------------------------------------------------------------------


def test_rows_on_the_same_people_are_joined() -> None:
    one, two = five("a"), five("b")
    joined = Estimates.concat([one, two])
    assert len(joined) == 10
    assert len(joined.influence) == 1
    joint, own = covariance(joined), covariance(one)
    for block in (joint[:5, :5], joint[5:, 5:], joint[:5, 5:]):
        np.testing.assert_allclose(block, own, rtol=EXACT)
    assert joined.tidy()["analysis"].tolist() == ["a"] * 5 + ["b"] * 5
    assert (len(joined.glances), len(joined.remarks), len(joined.min_cell)) == (2, 2, 10)


@pytest.mark.parametrize("other", [{"token": "other data"}, {"clusters": True}])
def test_rows_on_other_people_or_summed_otherwise_keep_their_own_variance(other: dict[str, object]) -> None:
    one, two = five("a"), five("b", **other)  # type: ignore[arg-type]
    for parts in ((one, two), (two, one)):
        joint = covariance(Estimates.concat(parts))
        np.testing.assert_allclose(joint[:5, :5], covariance(parts[0]), rtol=EXACT)
        np.testing.assert_allclose(joint[5:, 5:], covariance(parts[1]), rtol=EXACT)
        assert not joint[:5, 5:].any()
    with pytest.raises(SpecError, match="cannot be joined"):
        one.influence[0].joined(two.influence[0])


def test_joining_keeps_the_part_no_unit_carries_in_its_place() -> None:
    extra = replace(five("b"), extra_covariance=np.full((5, 5), 0.5))
    joined = Estimates.concat([five("a"), extra])
    assert joined.extra_covariance is not None
    assert joined.extra_covariance[:5].sum() == 0
    assert (joined.extra_covariance[5:, 5:] == 0.5).all()
    assert joined.take([6, 0]).extra_covariance.tolist() == [[0.5, 0.0], [0.0, 0.0]]  # type: ignore[union-attr]


def test_nothing_joined_is_nothing_and_one_is_itself() -> None:
    one, remark = five(), Estimates(remarks=(Note("x", "", "", "", "", "said"),))
    assert len(Estimates.concat([])) == len(Estimates.concat([Estimates()])) == 0
    assert Estimates.concat([Estimates(), one]) is one
    assert Estimates.concat([one, remark]).notes()["analysis"].tolist() == ["a", "x"]
    assert Estimates.concat([one, remark]).tidy().equals(one.tidy())


# --- rows -----------------------------------------------------------------------------------------------------------


def test_taken_rows_keep_their_numbers_and_their_joint_uncertainty() -> None:
    made = five()
    some = made.take([4, 0])
    assert some.tidy().equals(made.tidy().iloc[[4, 0]].reset_index(drop=True))
    assert covariance(some) == pytest.approx(covariance(made)[np.ix_([4, 0], [4, 0])])
    assert len(some.glances) == len(made.glances)
    assert len(made.take([])) == 0
    assert some.cells()["min_cell"].tolist() == [11.0, 11.0]


def test_finding_takes_exactly_one_row() -> None:
    made = five()
    assert made.find(population="p3") == 3
    assert made.find(measure="odds_ratio", analysis="a") == 4
    with pytest.raises(SpecError, match=r"term='IPS', and 5 rows match. Rows: a / y / p0 / IPS / difference; "):
        made.find(term="IPS")
    with pytest.raises(SpecError, match=r"no row matches. Rows: a / y / p0"):
        made.find(population="p9")
    with pytest.raises(SpecError, match="rows have no colour: use analysis, outcome"):
        made.find(colour="blue")


def test_glance_is_filled_without_changing_the_original() -> None:
    made = five()
    filled = made.with_glances({"seed": 3})
    assert filled.glance()["seed"].tolist() == [3]
    assert made.glance()["seed"].isna().all()
    assert repr(made) == "<Estimates: 5 rows of a>"
    assert repr(Estimates()) == "<Estimates: 0 rows of nothing>"
