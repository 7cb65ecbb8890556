"""Impact estimators: one file each, loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactkit.estimators.attrition import Attrition
    from impactkit.estimators.balance import Balance
    from impactkit.estimators.binary import BinaryEffect
    from impactkit.estimators.combination import Combination
    from impactkit.estimators.complier import ComplierEffect
    from impactkit.estimators.crosstab import CrossTab
    from impactkit.estimators.detectable import MinimumDetectableEffect
    from impactkit.estimators.flow import Flow
    from impactkit.estimators.itt import IntentToTreat
    from impactkit.estimators.money_outcome import MoneyOutcome
    from impactkit.estimators.multiplicity import Multiplicity
    from impactkit.estimators.norms import FitNoteNorms
    from impactkit.estimators.odds_ratios import OddsRatios
    from impactkit.estimators.parametric_duration import ParametricDuration
    from impactkit.estimators.power import Power
    from impactkit.estimators.standardised import StandardisedEffect
    from impactkit.estimators.subgroups import Subgroups
    from impactkit.estimators.takeup import TakeUp

__all__ = [
    "Attrition",
    "Balance",
    "BinaryEffect",
    "Combination",
    "ComplierEffect",
    "CrossTab",
    "FitNoteNorms",
    "Flow",
    "IntentToTreat",
    "MinimumDetectableEffect",
    "MoneyOutcome",
    "Multiplicity",
    "OddsRatios",
    "ParametricDuration",
    "Power",
    "StandardisedEffect",
    "Subgroups",
    "TakeUp",
]

_HOMES = {
    "Attrition": "attrition",
    "Balance": "balance",
    "BinaryEffect": "binary",
    "Combination": "combination",
    "ComplierEffect": "complier",
    "CrossTab": "crosstab",
    "FitNoteNorms": "norms",
    "Flow": "flow",
    "IntentToTreat": "itt",
    "MinimumDetectableEffect": "detectable",
    "MoneyOutcome": "money_outcome",
    "Multiplicity": "multiplicity",
    "OddsRatios": "odds_ratios",
    "ParametricDuration": "parametric_duration",
    "Power": "power",
    "StandardisedEffect": "standardised",
    "Subgroups": "subgroups",
    "TakeUp": "takeup",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
