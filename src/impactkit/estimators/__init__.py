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
    from impactkit.estimators.cox import CoxRegression
    from impactkit.estimators.crosstab import CrossTab
    from impactkit.estimators.detectable import MinimumDetectableEffect
    from impactkit.estimators.eq5d_profile import Eq5dProfile
    from impactkit.estimators.exits import CompetingExits
    from impactkit.estimators.fit_note_audit import FitNoteAudit
    from impactkit.estimators.flow import Flow
    from impactkit.estimators.itt import IntentToTreat
    from impactkit.estimators.money_outcome import MoneyOutcome
    from impactkit.estimators.multiplicity import Multiplicity
    from impactkit.estimators.norm_comparison import NormComparison
    from impactkit.estimators.norms import FitNoteNorms
    from impactkit.estimators.observed_expected import ObservedExpected
    from impactkit.estimators.odds_ratios import OddsRatios
    from impactkit.estimators.parametric_duration import ParametricDuration
    from impactkit.estimators.power import Power
    from impactkit.estimators.standardised import StandardisedEffect
    from impactkit.estimators.subgroups import Subgroups
    from impactkit.estimators.survival_curves import SurvivalCurves
    from impactkit.estimators.takeup import TakeUp
    from impactkit.estimators.time_to_work import TimeToWork
    from impactkit.estimators.weeks_saved import WeeksSaved
    from impactkit.estimators.weeks_saved_grid import WeeksSavedGrid

__all__ = [
    "Attrition",
    "Balance",
    "BinaryEffect",
    "Combination",
    "CompetingExits",
    "ComplierEffect",
    "CoxRegression",
    "CrossTab",
    "Eq5dProfile",
    "FitNoteAudit",
    "FitNoteNorms",
    "Flow",
    "IntentToTreat",
    "MinimumDetectableEffect",
    "MoneyOutcome",
    "Multiplicity",
    "NormComparison",
    "ObservedExpected",
    "OddsRatios",
    "ParametricDuration",
    "Power",
    "StandardisedEffect",
    "Subgroups",
    "SurvivalCurves",
    "TakeUp",
    "TimeToWork",
    "WeeksSaved",
    "WeeksSavedGrid",
]

_HOMES = {
    "Attrition": "attrition",
    "Balance": "balance",
    "BinaryEffect": "binary",
    "Combination": "combination",
    "CompetingExits": "exits",
    "ComplierEffect": "complier",
    "CoxRegression": "cox",
    "CrossTab": "crosstab",
    "Eq5dProfile": "eq5d_profile",
    "FitNoteAudit": "fit_note_audit",
    "FitNoteNorms": "norms",
    "Flow": "flow",
    "IntentToTreat": "itt",
    "MinimumDetectableEffect": "detectable",
    "MoneyOutcome": "money_outcome",
    "Multiplicity": "multiplicity",
    "NormComparison": "norm_comparison",
    "ObservedExpected": "observed_expected",
    "OddsRatios": "odds_ratios",
    "ParametricDuration": "parametric_duration",
    "Power": "power",
    "StandardisedEffect": "standardised",
    "Subgroups": "subgroups",
    "SurvivalCurves": "survival_curves",
    "TakeUp": "takeup",
    "TimeToWork": "time_to_work",
    "WeeksSaved": "weeks_saved",
    "WeeksSavedGrid": "weeks_saved_grid",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
