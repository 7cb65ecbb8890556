"""Impact estimators: one file each, loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactkit.estimators.balance import Balance
    from impactkit.estimators.combination import Combination
    from impactkit.estimators.crosstab import CrossTab
    from impactkit.estimators.flow import Flow
    from impactkit.estimators.itt import IntentToTreat
    from impactkit.estimators.standardised import StandardisedEffect

__all__ = ["Balance", "Combination", "CrossTab", "Flow", "IntentToTreat", "StandardisedEffect"]

_HOMES = {
    "Balance": "balance",
    "Combination": "combination",
    "CrossTab": "crosstab",
    "Flow": "flow",
    "IntentToTreat": "itt",
    "StandardisedEffect": "standardised",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
