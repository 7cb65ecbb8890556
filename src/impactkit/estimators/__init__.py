"""Impact estimators: one file each, loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactkit.estimators.combination import Combination
    from impactkit.estimators.crosstab import CrossTab
    from impactkit.estimators.itt import IntentToTreat
    from impactkit.estimators.money_outcome import MoneyOutcome
    from impactkit.estimators.standardised import StandardisedEffect
    from impactkit.estimators.subgroups import Subgroups

__all__ = ["Combination", "CrossTab", "IntentToTreat", "MoneyOutcome", "StandardisedEffect", "Subgroups"]

_HOMES = {
    "Combination": "combination",
    "CrossTab": "crosstab",
    "IntentToTreat": "itt",
    "MoneyOutcome": "money_outcome",
    "StandardisedEffect": "standardised",
    "Subgroups": "subgroups",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
