"""The table of names: what `impactkit` offers, and the kinds of analysis a plan may hold.

A new analysis is one file and one line here.
"""

from __future__ import annotations

ANALYSES: dict[str, tuple[str, str]] = {
    "intent_to_treat": ("impactkit.estimators.itt", "IntentToTreat"),
    "standardised_effect": ("impactkit.estimators.standardised", "StandardisedEffect"),
    "binary_effect": ("impactkit.estimators.binary", "BinaryEffect"),
    "odds_ratios": ("impactkit.estimators.odds_ratios", "OddsRatios"),
    "complier_effect": ("impactkit.estimators.complier", "ComplierEffect"),
    "take_up": ("impactkit.estimators.takeup", "TakeUp"),
    "cox_regression": ("impactkit.estimators.cox", "CoxRegression"),
    "attrition": ("impactkit.estimators.attrition", "Attrition"),
    "cross_tab": ("impactkit.estimators.crosstab", "CrossTab"),
    "balance": ("impactkit.estimators.balance", "Balance"),
    "flow": ("impactkit.estimators.flow", "Flow"),
    "combination": ("impactkit.estimators.combination", "Combination"),
    "power": ("impactkit.estimators.power", "Power"),
    "minimum_detectable_effect": ("impactkit.estimators.detectable", "MinimumDetectableEffect"),
    "multiplicity": ("impactkit.estimators.multiplicity", "Multiplicity"),
    "subgroups": ("impactkit.estimators.subgroups", "Subgroups"),
    "money_outcome": ("impactkit.estimators.money_outcome", "MoneyOutcome"),
    "fit_note_norms": ("impactkit.estimators.norms", "FitNoteNorms"),
    "weeks_saved": ("impactkit.estimators.weeks_saved", "WeeksSaved"),
    "weeks_saved_grid": ("impactkit.estimators.weeks_saved_grid", "WeeksSavedGrid"),
    "observed_expected": ("impactkit.estimators.observed_expected", "ObservedExpected"),
    "fit_note_audit": ("impactkit.estimators.fit_note_audit", "FitNoteAudit"),
    "norm_comparison": ("impactkit.estimators.norm_comparison", "NormComparison"),
    "competing_exits": ("impactkit.estimators.exits", "CompetingExits"),
    "survival_curves": ("impactkit.estimators.survival_curves", "SurvivalCurves"),
    "time_to_work": ("impactkit.estimators.time_to_work", "TimeToWork"),
    "parametric_duration": ("impactkit.estimators.parametric_duration", "ParametricDuration"),
    "cost_per_client": ("impactkit.econ.analyses", "CostPerClient"),
    "break_even": ("impactkit.econ.analyses", "BreakEven"),
}
"""Kind in the plan file: where its class lives."""

PUBLIC: dict[str, str] = {
    "BeforeAfterDesign": "impactkit.design",
    "ComparisonDesign": "impactkit.design",
    "ControlEpisodes": "impactkit.design",
    "ControlNotes": "impactkit.design",
    "Family": "impactkit.design",
    "FitNoteColumns": "impactkit.design",
    "FitNoteEpisodes": "impactkit.design",
    "Link": "impactkit.design",
    "NormDesign": "impactkit.design",
    "Outcome": "impactkit.design",
    "Population": "impactkit.design",
    "TrialDesign": "impactkit.design",
    "SspLinking": "impactkit.design",
    "StudyData": "impactkit.data",
    "Episodes": "impactkit.data",
    "build_episodes": "impactkit.data",
    "Estimates": "impactkit.results",
    "CR2": "impactkit.analysis",
    "HC0": "impactkit.analysis",
    "HC1": "impactkit.analysis",
    "HC2": "impactkit.analysis",
    "HC3": "impactkit.analysis",
    "Linearised": "impactkit.analysis",
    "RowRef": "impactkit.analysis",
    "PowerDesign": "impactkit.inference",
    "CostEntry": "impactkit.econ",
    "CountRow": "impactkit.estimators.crosstab",
    "ModelBased": "impactkit.estimators.odds_ratios",
    "NormValue": "impactkit.estimators.published_norms",
    "OutcomeLimits": "impactkit.estimators.attrition",
    "Money": "impactkit.econ",
    "Evaluation": "impactkit.evaluation",
    "EvaluationResult": "impactkit.evaluation",
    "Plan": "impactkit.evaluation",
    **{name: module for module, name in ANALYSES.values()},
}
"""Public name: the module it is loaded from when first used."""

ROOMS = ("analysis", "data", "design", "econ", "errors", "estimators", "evaluation", "published", "report", "results")
