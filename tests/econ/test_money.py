"""Money never adds what does not add up."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from impactkit.econ import Money
from impactkit.errors import SpecError


def pounds(amount: float, unit: str = "GBP per client", price_year: int | str = "as printed") -> Money:
    return Money(amount, unit=unit, price_year=price_year, source="Table 4.2")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (pounds(584), "£584 per client (prices as printed)"),
        (pounds(2751.5), "£2,751.50 per client (prices as printed)"),
        (pounds(-1581), "-£1,581 per client (prices as printed)"),
        (pounds(1_000_000, "GBP", "2011-12"), "£1,000,000 (2011-12 prices)"),
        (pounds(70_000, "GBP per QALY", 2021), "£70,000 per QALY (2021 prices)"),
        (pounds(12, "EUR per day", "2019"), "12 EUR per day (2019 prices)"),
        (pounds(-0.001), "£0.00 per client (prices as printed)"),
    ],
)
def test_it_reads_like_money(money: Money, text: str) -> None:
    assert str(money) == text


def test_arithmetic() -> None:
    assert (pounds(600) + pounds(84)).amount == 684
    assert (pounds(600) - pounds(84)).amount == 516
    assert sum([pounds(1), pounds(2), pounds(3)]) == pounds(6)
    assert (2 * pounds(3) * 0.5, pounds(6) / 2, -pounds(3)) == (pounds(3), pounds(3), pounds(-3))
    assert pounds(6) / pounds(3) == 2.0
    assert isinstance(pounds(6) / pounds(3), float)


def test_sources_are_kept_once_each() -> None:
    other = Money(1, unit="GBP per client", price_year="as printed", source="accounts")
    assert (pounds(1) + other + pounds(1)).source == "Table 4.2; accounts"


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__truediv__"])
def test_other_years_and_units_are_errors_that_say_what_to_do(operation: str) -> None:
    old, new = pounds(1, price_year="2011-12"), pounds(1, price_year="2012-13")
    with pytest.raises(SpecError, match=r"different years.*restated\(price_year"):
        getattr(old, operation)(new)
    with pytest.raises(SpecError, match="different years"):
        getattr(pounds(1), operation)(old)
    with pytest.raises(SpecError, match=r"units are .*restated\(unit"):
        getattr(old, operation)(pounds(1, "GBP per recruit", "2011-12"))


def test_restated_money_adds() -> None:
    old, new = pounds(100, price_year="2011-12"), pounds(1, price_year="2012-13")
    total = old.restated(factor=1.02, price_year="2012-13", source="a deflator series") + new
    assert total.amount == pytest.approx(103)
    assert total.source == "Table 4.2; a deflator series"


@pytest.mark.parametrize("amount", [True, "584", None, float("nan"), float("inf"), [1]])
def test_an_amount_is_a_number(amount: object) -> None:
    with pytest.raises(SpecError, match="`amount`"):
        pounds(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("year", ["2011/12", "2011-13", "11-12", True, 12, 2011.0, None, "asprinted"])
def test_a_price_year_is_a_year(year: object) -> None:
    with pytest.raises(SpecError, match=r"`price_year`.*2011-12"):
        pounds(1, price_year=year)  # type: ignore[arg-type]


def test_numpy_numbers_are_numbers_and_a_century_turns() -> None:
    assert pounds(np.float64(2.5)) == pounds(2.5)
    assert pounds(np.int64(2)) == pounds(2)  # type: ignore[arg-type]
    assert pounds(1, price_year="1999-00").price_year == "1999-00"


def test_what_is_not_money_is_refused() -> None:
    one: Any = pounds(1)
    for operation, other in (("__add__", 1), ("__radd__", 1), ("__sub__", 1), ("__mul__", one), ("__mul__", True)):
        assert getattr(one, operation)(other) is NotImplemented
    with pytest.raises(TypeError):
        one + 1
    for factor in (True, "2"):
        with pytest.raises(SpecError, match="plain number"):
            pounds(1).restated(factor=factor, source="x")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="zero"):
        pounds(1) / 0
    with pytest.raises(SpecError, match="zero"):
        pounds(1) / pounds(0)
    with pytest.raises(SpecError, match="`colour`"):
        Money(1, unit="GBP", price_year=2019, source="x", colour="blue")
    with pytest.raises(SpecError, match="`source`"):
        Money(1, unit="GBP", price_year=2019, source="")


def test_frozen_hashable_and_the_same_after_json() -> None:
    money = pounds(584)
    with pytest.raises(ValueError, match="frozen"):
        money.amount = 1.0  # type: ignore[misc]
    assert hash(money) == hash(pounds(584))
    for price_year in ("as printed", "2011-12", 2019):
        saved = pounds(1, price_year=price_year)
        assert Money.model_validate_json(saved.model_dump_json()) == saved


def test_importing_and_breaking_even_load_numpy_and_pydantic_only() -> None:
    code = (
        "import sys; from impactkit.econ import Money, break_even_days; break_even_days(1000, 90); "
        "Money(1, unit='GBP', price_year=2019, source='x'); "
        "print([m for m in ('pandas', 'scipy', 'statsmodels', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
