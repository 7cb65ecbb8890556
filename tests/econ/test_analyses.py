"""Cost per client and break-even as analyses of a plan.

Published figures from: Evaluation of the 2010-13 Fit for Work Service pilots: final report, DWP Research Report 896
(2015), sections 4.2 and 5.5 and Tables 4.1, 4.2, C.6, C.13 and C.20.
"""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest
import tomli_w
from made_up_trial import design, people, pounds, unexplained

import impactkit as ik
from impactkit.analysis import Analysis, read_analysis
from impactkit.econ import CostEntry
from impactkit.errors import AnalysisError, SpecError

EXACT = 1e-12  # a handful of products and sums in double precision
DAY = pounds(90, "GBP per day")


def entry(service: str, clients: int, amount: float, *, period: str = "", year: int | str = "as printed") -> CostEntry:
    return CostEntry(service=service, clients=clients, period=period, per_client=pounds(amount, price_year=year))


# Table 4.2, in whole pounds: Greater Manchester £684 for 251 clients in 2011/12 and £510 for 346 in 2012/13.
MANCHESTER = (
    entry("Greater Manchester", 251, 684, period="2011/12"),
    entry("Greater Manchester", 346, 510, period="2012/13"),
)
COSTS = ik.CostPerClient(name="costs", entries=(*MANCHESTER, entry("Elsewhere", 10, 1_000)))


def pay(**options: Any) -> ik.BreakEven:
    return ik.BreakEven(**{"name": "pay", "cost": pounds(584), "value_of_day": DAY, "days_per_week": 5} | options)


def run(*analyses: Analysis) -> ik.EvaluationResult:
    return ik.Evaluation(None, None, analyses).fit(seed=1, strict=True)


def measured(result: ik.EvaluationResult, name: str = "pay") -> dict[str, float]:
    return result[name].tidy().set_index("term")["estimate"].to_dict()


# --- costs ----------------------------------------------------------------------------------------------------------


def test_cost_per_client_weighs_periods_and_services_by_their_clients() -> None:
    result = run(COSTS)
    rows = result.tidy().set_index("population")
    manchester = (684 * 251 + 510 * 346) / 597
    assert rows["estimate"]["Greater Manchester"] == pytest.approx(manchester, rel=EXACT)
    assert round(manchester) == 583  # the table prints 584, from unrounded totals
    assert rows["estimate"]["all"] == pytest.approx((manchester * 597 + 10_000) / 607, rel=EXACT)
    assert rows["n"].to_dict() == {"Greater Manchester": 597, "Elsewhere": 10, "all": 607}
    assert rows["unit"].unique().tolist() == ["GBP per client (prices as printed)"]
    assert rows["std_error"].isna().all()
    assert unexplained(result.tidy(), result.notes()) == []
    assert result.notes()["reason"].str.contains("does not state their price year").any()
    assert run(ik.CostPerClient(name="one", entries=MANCHESTER)).tidy()["population"].tolist() == ["Greater Manchester"]


def test_totals_and_amounts_per_client_agree() -> None:
    total = CostEntry(service="a", clients=40, total=pounds(20_000, "GBP", 2019))
    each = CostEntry(service="a", clients=40, per_client=pounds(500, price_year=2019))
    ours = [run(ik.CostPerClient(name="costs", entries=(one,))).tidy() for one in (total, each)]
    assert ours[0].equals(ours[1])
    assert ours[0]["unit"].tolist() == ["GBP per client (2019 prices)"]
    assert ours[0]["estimate"].tolist() == [500.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CostEntry(service="a", clients=1), "give either `total` or `per_client`"),
        (lambda: CostEntry(service="a", clients=1, total=pounds(1), per_client=pounds(1)), "give either"),
        (lambda: CostEntry(service="a", clients=0, total=pounds(1)), "clients: "),
        (lambda: entry("a", 1, -5), "a cost cannot be negative, found -5"),
        (lambda: ik.CostPerClient(name="c", entries=()), "entries: "),
        (
            lambda: ik.CostPerClient(name="c", entries=(entry("a", 1, 1, year=2011), entry("a", 1, 1, year="2012-13"))),
            "prices of 2011, 2012-13: restate them in one year first",
        ),
        (lambda: pay(cost=pounds(584, price_year=2019)), "cost is in 2019 prices and a day in as printed"),
        (lambda: pay(cost=pounds(-1)), "a cost cannot be negative"),
        (lambda: pay(value_of_day=pounds(0, "GBP per day")), "value of a day must be more than zero"),
        (lambda: pay(days_per_week=6), "days_per_week"),
        (lambda: ik.BreakEven(name="pay", cost=pounds(1), value_of_day=DAY), "days_per_week: Field required"),
        (lambda: pay(weeks_saved=1.0, p_value=0.2, nonsignificant="zero"), "needs `alpha`, which has no default"),
        (lambda: pay(weeks_saved=1.0, nonsignificant="zero", alpha=0.05), "needs the `p_value` of the weeks saved"),
        (lambda: pay(p_value=1.2), "p_value"),
    ],
)
def test_what_does_not_add_up_is_refused(make: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert words in str(caught.value)


def test_faults_come_together() -> None:
    with pytest.raises(SpecError, match=r"2019 prices.*more than zero.*needs `alpha`"):
        pay(
            cost=pounds(1, price_year=2019),
            value_of_day=pounds(0, "GBP per day"),
            weeks_saved=1.0,
            p_value=0.5,
            nonsignificant="zero",
        )


# --- break-even -----------------------------------------------------------------------------------------------------


def test_greater_manchester_pays_1486_a_client() -> None:
    result = run(pay(weeks_saved=8.0 - 3.4, population="Greater Manchester"))
    assert measured(result) == pytest.approx({"days": 584 / 90, "weeks": 584 / 450, "net_benefit": 1_486}, rel=EXACT)
    assert result.tidy()["unit"].tolist() == ["days", "weeks", "GBP per client"]
    assert result.tidy()["std_error"].isna().all()
    assert unexplained(result.tidy(), result.notes()) == []
    assert result.glance()["independence_assumed"].all()
    assert (result.glance()["evidence"] == "").all()


def test_the_cost_may_be_a_row_of_another_analysis() -> None:
    cost = ik.RowRef(analysis="costs", population="Greater Manchester")
    weeks = 8.0 - 3.4
    ours = measured(run(pay(cost=cost, weeks_saved=weeks), COSTS))
    exact = (684 * 251 + 510 * 346) / 597
    assert ours == pytest.approx(
        {"days": exact / 90, "weeks": exact / 450, "net_benefit": weeks * 450 - exact}, rel=EXACT
    )
    rounded = CostEntry(service="Greater Manchester", clients=597, total=pounds(348_648, "GBP"))  # £584 each
    as_printed = run(
        pay(cost=ik.RowRef(analysis="costs"), weeks_saved=weeks), ik.CostPerClient(name="costs", entries=(rounded,))
    )
    assert measured(as_printed)["net_benefit"] == pytest.approx(1_486, rel=EXACT)


def test_without_weeks_there_is_no_net_benefit() -> None:
    assert list(measured(run(pay()))) == ["days", "weeks"]
    assert measured(run(pay(days_per_week=7)))["weeks"] == pytest.approx(584 / 630, rel=EXACT)


@pytest.mark.parametrize(("rule", "p_value", "expected"), [
    ("point", None, 0.9 * 450 - 1_543),
    ("zero", 0.2, -1_543),
    ("zero", 0.05, -1_543),  # not below alpha
    ("zero", 0.049, 0.9 * 450 - 1_543),
])  # fmt: skip
def test_weeks_that_are_not_significant_count_or_not_as_asked(
    rule: str, p_value: float | None, expected: float
) -> None:
    alpha = {"alpha": 0.05} if rule == "zero" else {}
    spec = pay(cost=pounds(1_543), weeks_saved=0.9, p_value=p_value, nonsignificant=rule, **alpha)
    result = run(spec)
    assert measured(result)["net_benefit"] == pytest.approx(expected, rel=EXACT)
    assert result.notes()["reason"].str.contains("set to zero").any() == (expected == -1_543)


def test_the_cost_of_a_row_in_other_prices_is_refused() -> None:
    costs = ik.CostPerClient(name="costs", entries=(entry("a", 10, 500, year="2011-12"),))
    with pytest.raises(AnalysisError, match=r"a day is in prices as printed and the cost row in .*2011-12 prices"):
        run(costs, pay(cost=ik.RowRef(analysis="costs")))


# --- estimated weeks ------------------------------------------------------------------------------------------------

ITT = ik.IntentToTreat(name="itt", outcome=("weeks", "worked", "health"))
WEEKS = ik.RowRef(analysis="itt", outcome="weeks")


def evaluate(*analyses: Analysis, features: tuple[str, ...] = (), **fitting: Any) -> ik.EvaluationResult:
    options = {"strict": True} | fitting
    return ik.Evaluation(design(*features), people(), [ITT, *analyses]).fit(seed=1, **options)


@pytest.mark.parametrize("features", [(), ("strata", "clusters", "weights")], ids=["plain", "everything"])
def test_net_benefit_carries_the_error_of_estimated_weeks(features: tuple[str, ...]) -> None:
    result = evaluate(pay(weeks_saved=WEEKS), features=features)
    weeks = result["itt"].tidy().iloc[0]
    (benefit,) = result["pay"].tidy().query("term == 'net_benefit'").to_dict("records")
    slope = 5 * 90  # days a week times the value of a day
    assert benefit["estimate"] == pytest.approx(slope * weeks["estimate"] - 584, rel=EXACT)
    assert benefit["std_error"] == pytest.approx(slope * weeks["std_error"], rel=EXACT)
    assert benefit["df"] == weeks["df"]
    for side in ("conf_low", "conf_high"):
        assert benefit[side] == pytest.approx(slope * weeks[side] - 584, rel=1e-10)
    assert benefit["statistic"] == pytest.approx(benefit["estimate"] / benefit["std_error"])
    place = result.estimates.find(analysis="pay", term="net_benefit")
    joint = result.covariance()
    assert joint[place, place] == pytest.approx(benefit["std_error"] ** 2, rel=EXACT)
    assert joint[place, 0] == pytest.approx(slope * weeks["std_error"] ** 2, rel=EXACT)
    np.testing.assert_allclose(joint[place], slope * joint[0], rtol=1e-9, atol=1e-12)
    looks = result["pay"].glance()
    assert (looks["evidence"] == "randomised").all()
    assert not looks["independence_assumed"].any()
    assert unexplained(result.tidy(), result.notes()) == []


def test_draws_of_net_benefit_move_with_the_weeks() -> None:
    result = evaluate(pay(weeks_saved=WEEKS))
    drawn = result.draws(n=200, seed=1)
    weeks = drawn["itt", "weeks", "all", "IPS", "difference"]
    benefit = drawn["pay", "net_benefit", "all", "net_benefit", "net_benefit"]
    np.testing.assert_allclose(benefit, 450 * weeks - 584, rtol=1e-6)


@pytest.mark.parametrize("outcome", ["worked", "health"])
def test_weeks_must_be_weeks(outcome: str) -> None:
    with pytest.raises(AnalysisError, match=r'come from a row in ".*": point `weeks_saved` at a row in weeks'):
        evaluate(pay(weeks_saved=WEEKS.replace(outcome=outcome)))


def test_estimated_weeks_may_be_set_to_zero_by_rule() -> None:
    p_value = float(evaluate().tidy()["p_value"][0])
    assert p_value > 1e-12
    cautious = evaluate(pay(weeks_saved=WEEKS, nonsignificant="zero", alpha=p_value / 2))
    assert measured(cautious)["net_benefit"] == -584
    rows = cautious["pay"].tidy()
    assert rows["std_error"].isna().all()
    assert np.isnan(np.diagonal(cautious["pay"].covariance())).all()
    assert unexplained(cautious.tidy(), cautious.notes()) == []
    bold = evaluate(pay(weeks_saved=WEEKS, nonsignificant="zero", alpha=min(0.5, 2 * p_value)))
    assert bold["pay"].tidy().equals(evaluate(pay(weeks_saved=WEEKS))["pay"].tidy())


@pytest.mark.parametrize("rule", [{}, {"nonsignificant": "zero", "alpha": 0.05}])
def test_weeks_that_could_not_be_estimated_give_no_net_benefit_and_say_so(rule: dict[str, Any]) -> None:
    data = people()
    data.loc[data["arm"] == "IPS", "weeks"] = np.nan
    result = ik.Evaluation(design(), data, [ITT, pay(weeks_saved=WEEKS, **rule)]).fit(strict=True)
    assert measured(result)["days"] == pytest.approx(584 / 90)
    assert np.isnan(measured(result)["net_benefit"])
    assert unexplained(result.tidy(), result.notes()) == []


def test_weeks_without_a_p_value_are_not_silently_zero() -> None:
    data = people()
    data["weeks"] = np.where(data["arm"] == "IPS", 9.0, 5.0)  # no variance: an estimate, but no test
    result = ik.Evaluation(design(), data, [ITT, pay(weeks_saved=WEEKS, nonsignificant="zero", alpha=0.05)]).fit()
    assert np.isnan(result["itt"].tidy()["p_value"][0])
    assert np.isnan(measured(result)["net_benefit"])
    assert result["pay"].notes()["reason"].str.contains("have no p value").any()
    point = ik.Evaluation(design(), data, [ITT, pay(weeks_saved=WEEKS)]).fit()
    assert measured(point)["net_benefit"] == pytest.approx(4 * 450 - 584)


def test_what_break_even_needs_that_failed_is_said() -> None:
    data = people().assign(weeks=np.nan)
    gap = ik.Combination(name="gap", how="sum", of=(WEEKS, WEEKS.replace(term="nobody")))
    result = ik.Evaluation(design(), data, [ITT, gap, pay(weeks_saved=ik.RowRef(analysis="gap"))]).fit()
    assert result["pay"].notes()["reason"].tolist() == ["failed: not run, because it needs gap, which failed"]


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", ["as printed", "2011-12", 2019])
def test_money_survives_toml(year: int | str) -> None:
    specs = (
        pay(cost=pounds(584.5, price_year=year), value_of_day=pounds(90, "GBP per day", year), weeks_saved=0.0),
        pay(
            cost=ik.RowRef(analysis="costs", population="a"),
            value_of_day=pounds(90, "GBP per day", year),
            weeks_saved=WEEKS,
        ),
        ik.CostPerClient(name="costs", entries=(entry("a", 3, 0.0, year=year),)),
    )
    for spec in specs:
        read = read_analysis(tomllib.loads(tomli_w.dumps(spec.to_dict())))
        assert read == spec
        assert repr(read) == repr(spec)
        assert read.digest == spec.digest
    assert specs[1].needs == ("costs", "itt")
