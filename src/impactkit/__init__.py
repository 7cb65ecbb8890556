"""From person-level records, or published counts, to impact estimates and the return on each £1.

Declare the study once; every estimate, table, figure and pound that follows obeys that declaration and
carries its own uncertainty to the end::

    import impactkit as ik

    design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual",
                            outcomes=(ik.Outcome(name="employment", kind="binary"),))
    result = ik.Evaluation(design, people, [ik.IntentToTreat(name="itt", outcome="employment")]).fit(seed=1)
    result.tidy()

Names load when first used: importing the package alone loads no scientific library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from impactkit._names import PUBLIC, ROOMS
from impactkit._version import __version__

if TYPE_CHECKING:
    from impactkit.analysis import CR2, HC0, HC1, HC2, HC3, Linearised, RowRef
    from impactkit.data import Episodes, StudyData, build_episodes
    from impactkit.design import (
        BeforeAfterDesign,
        ComparisonDesign,
        ControlEpisodes,
        ControlNotes,
        Family,
        FitNoteColumns,
        FitNoteEpisodes,
        Link,
        NormDesign,
        Outcome,
        Population,
        SspLinking,
        TrialDesign,
    )
    from impactkit.econ import (
        BreakEven,
        CostEntry,
        CostPerClient,
        Money,
        ValueSet,
        list_value_sets,
        load_population_norms,
        load_value_set,
        register_value_set,
        score_eq5d,
    )
    from impactkit.estimators import (
        Attrition,
        Balance,
        BinaryEffect,
        Combination,
        CompetingExits,
        ComplierEffect,
        CoxRegression,
        CrossTab,
        Eq5dProfile,
        FitNoteAudit,
        FitNoteNorms,
        Flow,
        IntentToTreat,
        MinimumDetectableEffect,
        MoneyOutcome,
        Multiplicity,
        NormComparison,
        ObservedExpected,
        OddsRatios,
        ParametricDuration,
        Power,
        StandardisedEffect,
        Subgroups,
        SurvivalCurves,
        TakeUp,
        TimeToWork,
        WeeksSaved,
        WeeksSavedGrid,
    )
    from impactkit.estimators.attrition import OutcomeLimits
    from impactkit.estimators.crosstab import CountRow
    from impactkit.estimators.odds_ratios import ModelBased
    from impactkit.estimators.published_norms import NormValue
    from impactkit.evaluation import Evaluation, EvaluationResult, Plan
    from impactkit.inference import PowerDesign
    from impactkit.results import Estimates

__all__ = [
    "CR2",
    "HC0",
    "HC1",
    "HC2",
    "HC3",
    "Attrition",
    "Balance",
    "BeforeAfterDesign",
    "BinaryEffect",
    "BreakEven",
    "Combination",
    "ComparisonDesign",
    "CompetingExits",
    "ComplierEffect",
    "ControlEpisodes",
    "ControlNotes",
    "CostEntry",
    "CostPerClient",
    "CountRow",
    "CoxRegression",
    "CrossTab",
    "Episodes",
    "Eq5dProfile",
    "Estimates",
    "Evaluation",
    "EvaluationResult",
    "Family",
    "FitNoteAudit",
    "FitNoteColumns",
    "FitNoteEpisodes",
    "FitNoteNorms",
    "Flow",
    "IntentToTreat",
    "Linearised",
    "Link",
    "MinimumDetectableEffect",
    "ModelBased",
    "Money",
    "MoneyOutcome",
    "Multiplicity",
    "NormComparison",
    "NormDesign",
    "NormValue",
    "ObservedExpected",
    "OddsRatios",
    "Outcome",
    "OutcomeLimits",
    "ParametricDuration",
    "Plan",
    "Population",
    "Power",
    "PowerDesign",
    "RowRef",
    "SspLinking",
    "StandardisedEffect",
    "StudyData",
    "Subgroups",
    "SurvivalCurves",
    "TakeUp",
    "TimeToWork",
    "TrialDesign",
    "ValueSet",
    "WeeksSaved",
    "WeeksSavedGrid",
    "__version__",
    "build_episodes",
    "list_value_sets",
    "load_population_norms",
    "load_value_set",
    "register_value_set",
    "score_eq5d",
]


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        value = getattr(importlib.import_module(PUBLIC[name]), name)
        globals()[name] = value
        return value
    if name in ROOMS:
        return importlib.import_module(f"impactkit.{name}")
    raise AttributeError(f"module 'impactkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *ROOMS})
