"""EQ-5D, costs, money and returns. Importing this loads numpy and pydantic, and nothing heavier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactkit.econ.analyses import BreakEven, CostEntry, CostPerClient
from impactkit.econ.breakeven import break_even_days, break_even_weeks, net_benefit
from impactkit.econ.costs import cost_per_client, weighted_cost, weighted_cost_range
from impactkit.econ.money import Money

if TYPE_CHECKING:
    from impactkit.data.eq5d import (
        Eq5dScores,
        PopulationNorms,
        ValueSet,
        list_population_norms,
        list_value_sets,
        load_population_norms,
        load_value_set,
        register_value_set,
        score_eq5d,
    )

__all__ = [
    "BreakEven",
    "CostEntry",
    "CostPerClient",
    "Eq5dScores",
    "Money",
    "PopulationNorms",
    "ValueSet",
    "break_even_days",
    "break_even_weeks",
    "cost_per_client",
    "list_population_norms",
    "list_value_sets",
    "load_population_norms",
    "load_value_set",
    "net_benefit",
    "register_value_set",
    "score_eq5d",
    "weighted_cost",
    "weighted_cost_range",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # what is not imported above lives with the data, and is loaded when first used
        from impactkit.data import eq5d

        return getattr(eq5d, name)
    raise AttributeError(f"module 'impactkit.econ' has no attribute {name!r}")
