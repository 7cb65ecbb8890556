"""Differences, sums, ratios and pooled means: equal, disjoint and overlapping people, and people nobody shares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_trial import design, people, unexplained
from scipy import stats

import impactkit as ik
from impactkit.errors import AnalysisError, SpecError
from impactkit.estimators.crosstab import CountRow
from impactkit.inference import combine
from impactkit.results import Estimates, Influence, RowInfluence, RowKey

EXACT = 1e-10  # the same sums in another order

SITES = (
    ik.Population(name="north", where=(("site", "north"),)),
    ik.Population(name="south", where=(("site", "south"),)),
    ik.Population(name="both", where=(("site", ("north", "south")),)),
    ik.Population(name="both again", where=(("site", ("south", "north")),)),
)


def ref(population: str, outcome: str = "worked", **more: str) -> ik.RowRef:
    return ik.RowRef(analysis="itt", population=population, outcome=outcome, **more)


def evaluate(*combinations: ik.Combination, features: tuple[str, ...] = (), **options: Any) -> ik.EvaluationResult:
    declared = design(*features, populations=SITES)
    itt = ik.IntentToTreat(name="itt", outcome=("worked", "health", "trained"), **options)
    return ik.Evaluation(declared, people(), [itt, *combinations]).fit(seed=1, strict=True)


def row(result: ik.EvaluationResult, name: str) -> Any:
    (only,) = result[name].tidy().to_dict("records")
    return only


def effects(result: ik.EvaluationResult, outcome: str = "worked") -> Any:
    tidy = result["itt"].tidy()
    return tidy[(tidy["outcome"] == outcome) & (tidy["term"] == "IPS")].set_index("population")


# --- who shares people ----------------------------------------------------------------------------------------------


def test_disjoint_people_add_their_variances() -> None:
    gap = ik.Combination(name="gap", how="difference", of=(ref("north"), ref("south")))
    total = ik.Combination(name="total", how="sum", of=(ref("north"), ref("south")))
    result = evaluate(gap, total)
    one = effects(result)
    error = float(np.hypot(one["std_error"]["north"], one["std_error"]["south"]))
    ours = row(result, "gap")
    assert ours["estimate"] == pytest.approx(one["estimate"]["north"] - one["estimate"]["south"], rel=EXACT)
    assert ours["std_error"] == pytest.approx(error, rel=EXACT)
    assert ours["df"] == min(one["df"]["north"], one["df"]["south"])
    assert ours["n"] == len(people())
    assert ours["statistic"] == pytest.approx(ours["estimate"] / error)
    assert ours["p_value"] == pytest.approx(2 * stats.t.sf(abs(ours["statistic"]), ours["df"]))
    assert ours["population"] == "north − south"
    assert row(result, "total")["estimate"] == pytest.approx(one["estimate"][["north", "south"]].sum(), rel=EXACT)
    assert row(result, "total")["std_error"] == pytest.approx(error, rel=EXACT)
    assert row(result, "total")["population"] == "north + south"


def test_overlapping_people_are_counted_once() -> None:
    result = evaluate(ik.Combination(name="gap", how="difference", of=(ref("both"), ref("north"))))
    one, ours = effects(result), row(result, "gap")
    assert ours["n"] == len(people())
    apart = float(np.hypot(one["std_error"]["both"], one["std_error"]["north"]))
    assert ours["std_error"] < 0.9 * apart, "the part inside the whole makes their difference steadier"
    assert not result["gap"].glance()["independence_assumed"].any()


@pytest.mark.parametrize("inference", [None, ik.Linearised()], ids=["HC2", "linearised"])
def test_only_the_people_analysed_are_counted(inference: Any) -> None:
    """Centring within strata gives people an influence on an estimate they are no part of."""
    strong = ik.Population(name="women of the north", where=(("site", "north"), ("sex", "f")))
    others = ik.Population(name="women of the south", where=(("site", "south"), ("sex", "f")))
    data = people().assign(sex=["f", "m", "m"] * (len(people()) // 3) + ["f"] * (len(people()) % 3))
    of = tuple(ik.RowRef(analysis="itt", population=part.name) for part in (strong, others))
    specs = [
        ik.IntentToTreat(name="itt", outcome="worked", inference=inference),
        ik.Combination(name="gap", how="difference", of=of),
    ]
    declared = design("strata").replace(populations=(strong, others))
    result = ik.Evaluation(declared, data, specs).fit(seed=1, strict=True)
    assert row(result, "gap")["n"] == effects(result)["n"].sum() < len(data)


@pytest.mark.parametrize("features", [(), ("clusters",)], ids=["people", "clusters"])
def test_the_same_people_under_two_names_do_not_differ(features: tuple[str, ...]) -> None:
    same = ik.Combination(name="same", how="difference", of=(ref("both"), ref("both again")))
    result = evaluate(same, features=features)
    ours = row(result, "same")
    assert ours["estimate"] == ours["std_error"] == ours["conf_low"] == ours["conf_high"] == 0.0
    assert np.isnan(ours["p_value"])
    assert unexplained(result.tidy(), result.notes()) == []
    twice = evaluate(ik.Combination(name="twice", how="sum", of=(ref("both"), ref("both again"))), features=features)
    assert row(twice, "twice")["std_error"] == pytest.approx(2 * effects(twice)["std_error"]["both"], rel=EXACT)


# --- pooled ---------------------------------------------------------------------------------------------------------


def test_halves_pooled_by_size_are_the_blocked_estimate_of_the_whole() -> None:
    pooled = ik.Combination(name="pooled", how="pooled", of=(ref("north"), ref("south")), weights="size")
    ours = row(evaluate(pooled), "pooled")
    blocked = ik.Evaluation(design("strata"), people(), [ik.IntentToTreat(name="itt", outcome="worked")]).fit().tidy()
    assert ours["estimate"] == pytest.approx(blocked["estimate"][0], rel=EXACT)
    assert ours["std_error"] == pytest.approx(blocked["std_error"][0], rel=EXACT)
    assert ours["n"] == blocked["n"][0]


def test_pooled_by_precision_weighs_disjoint_parts_by_inverse_variance() -> None:
    result = evaluate(ik.Combination(name="pooled", how="pooled", of=(ref("north"), ref("south"))))
    one = effects(result).loc[["north", "south"]]
    weights = 1 / one["std_error"] ** 2
    ours = row(result, "pooled")
    assert ours["estimate"] == pytest.approx((weights * one["estimate"]).sum() / weights.sum(), rel=EXACT)
    assert ours["std_error"] == pytest.approx(weights.sum() ** -0.5, rel=EXACT)


def test_pooled_by_precision_is_generalised_least_squares_when_people_are_shared() -> None:
    of = (ref("both"), ref("north"))
    result = evaluate(ik.Combination(name="pooled", how="pooled", of=of))
    places = [result.estimates.find(**reference.wanted(), term="IPS") for reference in of]
    inverse = np.linalg.inv(result.covariance()[np.ix_(places, places)])
    weights = inverse.sum(axis=0) / inverse.sum()
    ours = row(result, "pooled")
    assert ours["estimate"] == pytest.approx(weights @ result.estimates.working[places], rel=EXACT)
    assert ours["std_error"] == pytest.approx(inverse.sum() ** -0.5, rel=EXACT)
    own = evaluate(ik.Combination(name="pooled", how="pooled", of=of, weights=(3.0, 1.0)))
    assert row(own, "pooled")["estimate"] == pytest.approx(np.average(result.estimates.working[places], weights=[3, 1]))
    assert row(own, "pooled")["std_error"] > ours["std_error"]


# --- ratios ---------------------------------------------------------------------------------------------------------


def test_ratio_limits_are_fiellers_closed_form() -> None:
    ratio = ik.Combination(
        name="ratio", how="ratio", of=(ref("north", term="control_mean"), ref("both", term="control_mean"))
    )
    result = evaluate(ratio)
    places = [
        result.estimates.find(analysis="itt", outcome="worked", population=name, term="control_mean")
        for name in ("north", "both")
    ]
    a, b = result.estimates.working[places]
    v = result.covariance()[np.ix_(places, places)]
    ours = row(result, "ratio")
    t = stats.t.ppf(0.975, ours["df"])
    # (a - θb)² = t² (V_aa - 2θ V_ab + θ² V_bb)
    roots = np.roots([b**2 - t**2 * v[1, 1], -2 * (a * b - t**2 * v[0, 1]), a**2 - t**2 * v[0, 0]])
    assert ours["estimate"] == pytest.approx(a / b, rel=EXACT)
    assert [ours["conf_low"], ours["conf_high"]] == pytest.approx(sorted(roots), rel=1e-8)
    gradient = np.array([1 / b, -a / b**2])
    assert ours["std_error"] == pytest.approx(np.sqrt(gradient @ v @ gradient), rel=EXACT)
    assert (ours["measure"], ours["unit"]) == ("ratio", "ratio")
    assert result["ratio"].notes()["column"].tolist() == [""]


def test_the_p_value_of_a_ratio_is_that_of_its_numerator() -> None:
    result = evaluate(ik.Combination(name="ratio", how="ratio", of=(ref("north"), ref("both"))))
    assert row(result, "ratio")["p_value"] == effects(result)["p_value"]["north"]


def test_an_unbounded_ratio_has_no_limits_and_says_why() -> None:
    result = evaluate(ik.Combination(name="ratio", how="ratio", of=(ref("both"), ref("both", "trained"))))
    assert effects(result, "trained")["p_value"]["both"] > 0.05
    ours = row(result, "ratio")
    assert np.isfinite(ours["estimate"])
    assert np.isnan([ours["conf_low"], ours["conf_high"]]).all()
    notes = result["ratio"].notes()
    assert notes.loc[notes["column"] == "conf_low", "reason"].str.contains("unbounded").all()
    assert unexplained(result.tidy(), result.notes()) == []


# --- parts that carry no people -------------------------------------------------------------------------------------


def published() -> ik.CrossTab:
    rows = (("Male", 69, 40), ("Female", 99, 59), ("Not known", 0, 0))
    counts = tuple(CountRow(characteristic="Gender", category=label, n=n, count=count) for label, n, count in rows)
    return ik.CrossTab(name="c3", outcome="returned", counts=counts)


def share(category: str) -> ik.RowRef:
    return ik.RowRef(analysis="c3", term=f"Gender: {category}")


def test_published_parts_are_taken_as_independent_and_flagged() -> None:
    gap = ik.Combination(name="gap", how="difference", of=(share("Male"), share("Female")))
    first = ik.RowRef(analysis="gap", measure="proportion")
    again = ik.Combination(name="again", how="sum", of=(first, first))  # its parts carry people neither, one step back
    result = ik.Evaluation(None, None, [published(), gap, again]).fit(strict=True)
    p, q = 40 / 69, 59 / 99
    ours = row(result, "gap")
    assert ours["estimate"] == pytest.approx(p - q, rel=EXACT)
    assert ours["std_error"] == pytest.approx(np.sqrt(p * (1 - p) / 69 + q * (1 - q) / 99), rel=EXACT)
    assert ours["n"] == 168
    assert row(result, "again")["std_error"] == pytest.approx(2 * ours["std_error"], rel=EXACT)
    for name in ("gap", "again"):
        assert result[name].glance()["independence_assumed"].all()
    assert result["gap"].notes()["reason"].str.contains("2 of 2 parts carry no person rows").any()
    joint = result.covariance()[-2:, -2:]
    assert np.sqrt(np.diagonal(joint)) == pytest.approx(result.estimates.working_se[-2:], rel=EXACT)


def test_a_published_part_adds_its_variance_to_that_of_people() -> None:
    data = people()
    tab = ik.CrossTab(name="tab", outcome="worked", by="sex")
    gap = ik.Combination(name="gap", how="difference", of=(ik.RowRef(analysis="tab", term="sex: man"), share("Male")))
    result = ik.Evaluation(design(), data, [tab, published(), gap]).fit(strict=True)
    p, n = data.loc[data["sex"] == "man", "worked"].mean(), (data["sex"] == "man").sum()
    q = 40 / 69
    expected = np.sqrt(p * (1 - p) / n + q * (1 - q) / 69)
    assert row(result, "gap")["std_error"] == pytest.approx(expected, rel=EXACT)
    assert result["gap"].glance()["independence_assumed"].all()
    assert row(result, "gap")["n"] == n + 69
    assert np.sqrt(result.covariance()[-1, -1]) == pytest.approx(expected, rel=EXACT)
    # the person part of the combination still moves with its person row; the published part does not
    places = [result.estimates.find(analysis="tab", term="sex: man"), len(result.estimates) - 1]
    assert result.covariance()[places[0], places[1]] == pytest.approx(p * (1 - p) / n, rel=EXACT)


def test_a_part_that_sets_clusters_aside_keeps_its_own_variance() -> None:
    tab = ik.CrossTab(name="tab", outcome="worked", by="sex", ignore=("clusters",))
    itt = ik.IntentToTreat(name="itt", outcome="worked")
    mean = ik.RowRef(analysis="itt", term="control_mean")
    gap = ik.Combination(name="gap", how="ratio", of=(ik.RowRef(analysis="tab", term="sex: man"), mean))
    results = [
        ik.Evaluation(design("clusters"), people(), order).fit(strict=True)
        for order in ([tab, itt, gap], [itt, tab, gap])
    ]
    for result in results:
        np.testing.assert_allclose(np.diagonal(result.covariance()), result.estimates.working_se**2, rtol=EXACT)
        assert result["gap"].glance()["independence_assumed"].all()
        assert result["gap"].notes()["reason"].str.contains("set clusters aside").any()
    assert str(row(results[0], "gap")) == str(row(results[1], "gap"))


# --- what cannot be given -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["difference", "sum", "ratio", "pooled"])
@pytest.mark.parametrize("category", ["Not known", "Male"])
def test_a_part_without_an_estimate_gives_a_row_that_says_so(how: str, category: str) -> None:
    spec = ik.Combination(name="gap", how=how, of=(share(category), share("Not known")))
    result = ik.Evaluation(None, None, [published(), spec]).fit(strict=True)
    assert np.isnan(row(result, "gap")["estimate"])
    assert unexplained(result.tidy(), result.notes()) == []
    assert "Gender: Not known" in " ".join(result["gap"].notes()["reason"])


def rows(*entries: tuple[str, str, float, float]) -> Estimates:
    """Make rows of (measure, unit, working estimate, working error) that share two people."""
    keys = [RowKey("a", "y", f"p{place}", "t", name, unit) for place, (name, unit, _, _) in enumerate(entries)]
    values = [np.array([error, 0.0]) if np.isfinite(error) else None for *_, error in entries]
    block = Influence(
        "people", "x", np.arange(2), None, tuple(None if v is None else RowInfluence(None, v) for v in values)
    )
    return Estimates.build(
        keys=keys,
        working=[entry[2] for entry in entries],
        working_se=[entry[3] for entry in entries],
        df=[20.0 + place for place in range(len(entries))],
        n=[50.0] * len(entries),
        influence=[block],
    )


def test_the_difference_of_log_rows_is_their_ratio() -> None:
    both = rows(("risk_ratio", "ratio", np.log(3.0), 0.2), ("risk_ratio", "ratio", np.log(2.0), 0.5))
    found = combine(both, [0, 1], kind="difference")
    assert np.exp(found.value) == pytest.approx(1.5)
    assert found.std_error == pytest.approx(0.3)  # the two rows move as one, so the errors subtract
    assert (found.measure, found.df) == ("risk_ratio", 20.0)


@pytest.mark.parametrize(
    ("entries", "options", "words"),
    [
        (
            [("difference", "weeks", 1, 1), ("difference", "points", 1, 1)],
            {"kind": "sum"},
            "one measure and unit.*points, weeks",
        ),
        ([("difference", "weeks", 1, 1), ("mean", "weeks", 1, 1)], {"kind": "difference"}, "difference, mean"),
        ([("risk_ratio", "", 1, 1)] * 2, {"kind": "sum"}, "multiply rather than add"),
        ([("risk_ratio", "", 1, 1)] * 2, {"kind": "ratio"}, "difference on the log scale"),
        ([("difference", "", 1, 1)] * 3, {"kind": "difference"}, "exactly two rows, and 3"),
        ([("difference", "", 1, 1)], {"kind": "sum"}, "at least two rows, and 1"),
        ([("chi_square", "", 1, 1)] * 2, {"kind": "sum"}, "is a test without an estimate"),
        ([("difference", "", 1, 1)] * 2, {"kind": "pooled", "weights": (1.0,)}, "as many weights"),
        ([("difference", "", 1, 1)] * 2, {"kind": "pooled", "weights": (1.0, -1.0)}, "none negative"),
        ([("difference", "", 1, 1)] * 2, {"kind": "pooled", "weights": (0.0, 0.0)}, "not all zero"),
    ],
)
def test_what_does_not_combine_is_refused(entries: list[Any], options: dict[str, Any], words: str) -> None:
    made = rows(*entries)
    with pytest.raises(SpecError, match=words):
        combine(made, range(len(entries)), **options)


@pytest.mark.parametrize(
    ("kind", "entries", "column", "words"),
    [
        ("ratio", [("difference", "", 1, 0.1), ("difference", "", 0, 0.1)], "estimate", "denominator is zero"),
        ("difference", [("difference", "", 1, 0.1), ("difference", "", 2, np.nan)], "std_error", "a / y / p1"),
        ("pooled", [("difference", "", 1, 0.1), ("difference", "", 2, np.nan)], "estimate", "no standard error"),
    ],
)
def test_gaps_are_named(kind: Any, entries: list[Any], column: str, words: str) -> None:
    found = combine(rows(*entries), [0, 1], kind=kind)
    ((where, reason),) = found.gaps
    assert where == column
    assert words in reason
    assert np.isnan(found.std_error)
    assert np.isnan(found.value) == (column == "estimate")


def test_strong_overlap_is_said() -> None:
    made = rows(("difference", "", 1, 0.1), ("difference", "", 1, np.hypot(0.2, 0.05)))
    first = made.influence[0].rows[0]
    joined = replace(made.influence[0], rows=(first, RowInfluence(None, np.array([0.2, 0.05]))))
    found = combine(replace(made, influence=(joined,)), [0, 1], kind="pooled")
    assert (found.coefficients < 0).any()
    assert found.std_error < 0.1
    assert any("negative" in reason for reason in found.reasons)


# --- on the result --------------------------------------------------------------------------------------------------


def test_combining_afterwards_gives_what_the_plan_gives() -> None:
    spec = ik.Combination(name="gap", how="difference", of=(ref("north"), ref("south")))
    result = evaluate(spec)
    after = result.combine("difference", ref("north"), ref("south"), name="gap").tidy()
    assert after.equals(result["gap"].tidy())
    with pytest.raises(SpecError, match=r'no analysis is called "it".*Did you mean "itt"'):
        result.combine("sum", ik.RowRef(analysis="it"), ref("north"))


def test_a_reference_that_does_not_find_one_row_says_what_there_is() -> None:
    spec = ik.Combination(name="gap", how="difference", of=(ik.RowRef(analysis="itt"), ref("south")))
    with pytest.raises(AnalysisError, match=r"12 rows match. Rows: itt / worked / north / IPS"):
        evaluate(spec)
    with pytest.raises(SpecError, match="exactly two rows"):
        ik.Combination(name="gap", how="ratio", of=(ref("north"), ref("south"), ref("both")))


def test_accounts_combine_though_they_are_no_effects() -> None:
    pounds = ik.Money(90_000, unit="GBP", price_year="as printed", source="accounts")
    entries = tuple(ik.econ.CostEntry(service=name, clients=n, total=pounds) for name, n in (("a", 90), ("b", 100)))
    costs = ik.CostPerClient(name="costs", entries=entries)
    gap = ik.Combination(
        name="gap",
        how="difference",
        of=tuple(ik.RowRef(analysis="costs", population=name) for name in ("a", "b")),
    )
    result = ik.Evaluation(None, None, [costs, gap]).fit(strict=True)
    assert row(result, "gap")["estimate"] == pytest.approx(100.0)
    assert np.isnan(row(result, "gap")["std_error"])
    assert unexplained(result.tidy(), result.notes()) == []
