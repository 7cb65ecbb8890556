"""Impact estimators: one file each, loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactkit.estimators.attrition import Attrition
    from impactkit.estimators.combination import Combination
    from impactkit.estimators.crosstab import CrossTab
    from impactkit.estimators.itt import IntentToTreat
    from impactkit.estimators.standardised import StandardisedEffect

__all__ = ["Attrition", "Combination", "CrossTab", "IntentToTreat", "StandardisedEffect"]

_HOMES = {
    "Attrition": "attrition",
    "Combination": "combination",
    "CrossTab": "crosstab",
    "IntentToTreat": "itt",
    "StandardisedEffect": "standardised",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
