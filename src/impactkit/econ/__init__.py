"""Costs, money and returns. Importing this loads numpy and pydantic, and nothing heavier."""

from __future__ import annotations

from impactkit.econ.analyses import BreakEven, CostEntry, CostPerClient
from impactkit.econ.breakeven import break_even_days, break_even_weeks, net_benefit
from impactkit.econ.costs import cost_per_client, weighted_cost, weighted_cost_range
from impactkit.econ.money import Money

__all__ = [
    "BreakEven",
    "CostEntry",
    "CostPerClient",
    "Money",
    "break_even_days",
    "break_even_weeks",
    "cost_per_client",
    "net_benefit",
    "weighted_cost",
    "weighted_cost_range",
]
