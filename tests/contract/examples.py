"""Examples of every registered kind of analysis: a new kind is tested by adding a line to `EXAMPLES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from made_up_trial import FEATURES, design, pounds

import impactkit as ik
from impactkit.analysis import Analysis
from impactkit.design import Design
from impactkit.econ import CostEntry
from impactkit.errors import DataError, SpecError
from impactkit.estimators.attrition import OutcomeLimits
from impactkit.estimators.crosstab import CountRow

TARGET = "target"


@dataclass(frozen=True)
class Example:
    """An analysis called "target", after those it needs.

    Parameters
    ----------
    label : str
    build : callable
        Gives the analyses for a design, the target last.
    misspelt : Analysis or None
        The target with a name in it that nothing has.
    error, meant : exception, str
        What that raises, and what the message asks whether it was meant.
    counts_people : bool
        Whether a point estimate has a small-sample factor that counts people, so that two people are not one person
        of weight 2 to the last digit.
    not_moments : tuple of str
        Terms that are drawn at random, or follow from standard errors, or count people: no weighted mean of answers.
    evidence : str
        What a trial's data support in this analysis; an association among all its people is never "randomised".
    describes : bool
        Whether the target only describes the people in hand: its rows have no standard error and so no influence
        values, their outcome may be a characteristic, and only its means and shares follow the weights.
    moves : tuple of str
        Features that change its numbers on the made-up people. Declared clusters change nothing where people were
        allocated one by one, and a count of people knows only populations.
    """

    label: str
    build: Callable[[Design], tuple[Analysis, ...]]
    misspelt: Analysis | None = None
    error: type[Exception] = DataError
    meant: str = ""
    counts_people: bool = False
    not_moments: tuple[str, ...] = ()
    evidence: str = "randomised"
    describes: bool = False
    moves: tuple[str, ...] = tuple(FEATURES)

    @property
    def target(self) -> Analysis:
        return self.build(design())[-1]

    @property
    def reads(self) -> bool:
        """Whether people's answers reach the target, directly or through what it needs."""
        return any(analysis.uses_people() for analysis in self.build(design()))

    @property
    def honoured(self) -> tuple[str, ...]:
        """The features that every analysis of the example honours."""
        readers = [analysis for analysis in self.build(design()) if analysis.uses_people()]
        return tuple(name for name in FEATURES if all(name in analysis.honours for analysis in readers))

    def design(self) -> ik.TrialDesign:
        """Everything the example honours, declared."""
        return design(*self.honoured)


def _row(declared: Design, outcome: str, place: int = 0) -> ik.RowRef:
    return ik.RowRef(analysis="itt", outcome=outcome, population=declared.population_names[place], term="IPS")


def _itt(*outcomes: str) -> ik.IntentToTreat:
    return ik.IntentToTreat(name="itt", outcome=outcomes)


def _counts(*rows: tuple[str, int, int]) -> tuple[CountRow, ...]:
    return tuple(CountRow(characteristic="sex", category=label, n=n, count=count) for label, n, count in rows)


_ENTRIES = (
    CostEntry(service="north", period="2011/12", clients=251, per_client=pounds(684)),
    CostEntry(service="north", period="2012/13", clients=346, per_client=pounds(510)),
    CostEntry(service="south", clients=100, total=pounds(90_000, "GBP")),
)

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "eq5d_profile": (
        Example(
            "profiles",
            lambda declared: (
                ik.Eq5dProfile(name=TARGET, before="profile_0m", after="profile_12m", value_set="uk_5l_2026"),
            ),
            misspelt=ik.Eq5dProfile(name=TARGET, before="profile_0", after="profile_12m", value_set="uk_5l_2026"),
            meant="profile_0m",
        ),
        Example(
            "levels without adjustment",
            lambda declared: (
                ik.Eq5dProfile(
                    name=TARGET,
                    before="profile_0m",
                    after=("mobility", "self_care", "activities", "pain", "anxiety"),
                    instrument="EQ-5D-5L",
                    labels=("start", "12 months"),
                    adjust=False,
                ),
            ),
        ),
    ),
    "competing_exits": (
        Example(
            "arms",
            lambda declared: (
                ik.CompetingExits(
                    name=TARGET, exit="exit", duration="weeks_off", horizon=16.0, times=(8.0, 16.0), covariates=("age",)
                ),
            ),
            misspelt=ik.CompetingExits(name=TARGET, exit="exit", duration="weeks_of", horizon=16.0),
            meant="weeks_off",
            not_moments=("IPS", "age"),  # Efron's ties tell two people from one of weight two
        ),
    ),
    "intent_to_treat": (
        Example(
            "plain",
            lambda declared: (ik.IntentToTreat(name=TARGET, outcome=("worked", "health")),),
            misspelt=ik.IntentToTreat(name=TARGET, outcome="heatlh"),
            meant="health",
        ),
        Example(
            "Lin",
            lambda declared: (
                ik.IntentToTreat(
                    name=TARGET, outcome=("worked", "health"), covariates=("age", "sex"), adjustment="lin"
                ),
            ),
            misspelt=ik.IntentToTreat(name=TARGET, outcome="health", covariates=("agee",)),
            meant="age",
        ),
        Example(
            "linearised",
            lambda declared: (
                ik.IntentToTreat(name=TARGET, outcome="health", covariates=("age",), inference=ik.Linearised()),
            ),
        ),
    ),
    "standardised_effect": tuple(
        Example(
            by,
            lambda declared, by=by: (ik.StandardisedEffect(name=TARGET, outcome=("health", "weeks"), standardiser=by),),
            misspelt=ik.StandardisedEffect(name=TARGET, outcome="week"),
            meant="weeks",
            counts_people=True,
        )
        for by in ("control", "pooled", "total")
    ),
    "attrition": (
        Example(
            "everything",
            lambda declared: (
                ik.Attrition(
                    name=TARGET,
                    outcome=("health", "worked"),
                    covariates=("age", "sex"),
                    limits=(OutcomeLimits(outcome="health", low=-0.6, high=1.7),),
                    tipping=("treated", "both"),
                ),
            ),
            misspelt=ik.Attrition(name=TARGET, outcome="health", covariates=("agee",)),
            meant="age",
            not_moments=("imputation", "tipping_treated", "tipping_both", "effective_n"),
        ),
        Example(
            "adjusted",
            lambda declared: (
                ik.Attrition(
                    name=TARGET,
                    outcome="health",
                    covariates=("age",),
                    adjustment="lin",
                    imputation_model="normal",
                    methods=("weighting", "imputation", "lee"),
                    tighten_by=("sex",),
                    trim=0.3,
                ),
            ),
            not_moments=("imputation", "effective_n"),
        ),
    ),
    "binary_effect": (
        Example(
            "plain",
            lambda declared: (ik.BinaryEffect(name=TARGET, outcome=("worked", "trained")),),
            misspelt=ik.BinaryEffect(name=TARGET, outcome="wroked"),
            meant="worked",
        ),
        Example(
            "standardised",
            lambda declared: (
                ik.BinaryEffect(name=TARGET, outcome="worked", covariates=("age", "sex"), conditional=True),
            ),
            misspelt=ik.BinaryEffect(name=TARGET, outcome="worked", covariates=("agee",)),
            meant="age",
        ),
        Example(
            "linearised",
            lambda declared: (
                ik.BinaryEffect(name=TARGET, outcome="worked", covariates=("age",), inference=ik.Linearised()),
            ),
        ),
    ),
    "cox_regression": (
        Example(
            "breslow",
            lambda declared: (
                ik.CoxRegression(
                    name=TARGET, duration="weeks", event="worked", covariates=("arm", "age", "sex"), ties="breslow"
                ),
            ),
            misspelt=ik.CoxRegression(name=TARGET, duration="weeks", event="worked", covariates=("agee",)),
            meant="age",
            evidence="adjusted comparison",
        ),
        Example(
            "efron",
            lambda declared: (
                ik.CoxRegression(
                    name=TARGET, duration="weeks", event="worked", covariates=("arm", "group"), strata_by=("sex",)
                ),
            ),
            counts_people=True,
            evidence="adjusted comparison",
        ),
    ),
    "odds_ratios": (
        Example(
            "categories",
            lambda declared: (
                ik.OddsRatios(name=TARGET, outcome="worked", covariates=("sex", "age"), marginal_effects=True),
            ),
            misspelt=ik.OddsRatios(name=TARGET, outcome="worked", covariates=("sexx",)),
            meant="sex",
            evidence="adjusted comparison",
        ),
    ),
    "complier_effect": (
        Example(
            "plain",
            lambda declared: (ik.ComplierEffect(name=TARGET, outcome=("worked", "health")),),
            misspelt=ik.ComplierEffect(name=TARGET, outcome="heatlh"),
            meant="health",
        ),
        Example(
            "Lin",
            lambda declared: (
                ik.ComplierEffect(name=TARGET, outcome="health", covariates=("age", "sex"), adjustment="lin"),
            ),
            misspelt=ik.ComplierEffect(name=TARGET, outcome="health", covariates=("agee",)),
            meant="age",
        ),
        Example(
            "linearised",
            lambda declared: (ik.ComplierEffect(name=TARGET, outcome="health", inference=ik.Linearised()),),
        ),
    ),
    "take_up": (
        Example("all", lambda declared: (ik.TakeUp(name=TARGET),)),
        Example(
            "among",
            lambda declared: (ik.TakeUp(name=TARGET, among="health"),),
            misspelt=ik.TakeUp(name=TARGET, among="heatlh"),
            meant="health",
        ),
    ),
    "subgroups": (
        Example(
            "plain",
            lambda declared: (ik.Subgroups(name=TARGET, outcome=("worked", "health"), by="sex"),),
            misspelt=ik.Subgroups(name=TARGET, outcome="health", by="sexx"),
            meant="sex",
        ),
        Example(
            "several columns",
            lambda declared: (
                ik.Subgroups(
                    name=TARGET,
                    outcome="weeks",
                    by=("sex", "group"),
                    covariates=("age",),
                    adjustment="ancova",
                    adjust="holm",
                ),
            ),
        ),
    ),
    "money_outcome": (
        Example(
            "plain",
            lambda declared: (ik.MoneyOutcome(name=TARGET, outcome="earned", top_code=0.95, quantiles=(0.5, 0.75)),),
            misspelt=ik.MoneyOutcome(name=TARGET, outcome="earnd", top_code=0.95),
            meant="earned",
        ),
        Example(
            "adjusted",
            lambda declared: (ik.MoneyOutcome(name=TARGET, outcome="earned", top_code=0.9, covariates=("age", "sex")),),
        ),
    ),
    "cross_tab": (
        Example(
            "people",
            lambda declared: (ik.CrossTab(name=TARGET, outcome="worked", by=("sex", "group")),),
            misspelt=ik.CrossTab(name=TARGET, outcome="worked", by="gruop"),
            meant="group",
        ),
        Example(
            "counts",
            lambda declared: (
                ik.CrossTab(
                    name=TARGET,
                    outcome="worked",
                    counts=_counts(("man", 69, 40), ("woman", 99, 59), ("not known", 0, 0)),
                    test="fisher_exact",
                ),
            ),
        ),
    ),
    "balance": tuple(
        Example(
            label,
            lambda declared, outcome=outcome, standardiser=standardiser: (
                ik.Balance(
                    name=TARGET,
                    covariates=("age", "sex", "trained", "health"),
                    outcome=outcome,
                    standardiser=standardiser,
                    permutations=19,
                    p_values=True,
                ),
            ),
            misspelt=ik.Balance(name=TARGET, covariates=("agee",)),
            meant="age",
            describes=True,
            moves=("strata", "weights", "populations"),
        )
        for label, outcome, standardiser in (("everybody", None, "pooled"), ("respondents", "health", "control"))
    ),
    "flow": (
        Example(
            "two outcomes",
            lambda declared: (
                _itt("worked", "health"),
                ik.Flow(name=TARGET, analyses=("itt",), attended=("trained",), reasons_lost="group"),
            ),
            misspelt=ik.Flow(name=TARGET, outcomes=("heatlh",)),
            meant="health",
            describes=True,
            moves=("populations",),
        ),
    ),
    "combination": tuple(
        Example(
            how,
            lambda declared, how=how: (
                _itt("worked", "trained"),
                # Weights by precision follow the variances, which people and weights of 2 do not share.
                ik.Combination(
                    name=TARGET,
                    how=how,
                    weights=(1.0, 2.0),
                    of=(_row(declared, "worked"), _row(declared, "trained", -1)),
                ),
            ),
            misspelt=ik.Combination(
                name=TARGET, how=how, of=(ik.RowRef(analysis="target2"), ik.RowRef(analysis="target2"))
            ),
            error=SpecError,
            meant="target",
        )
        for how in ("difference", "sum", "ratio", "pooled")
    ),
    "power": (
        Example(
            "people and clusters",
            lambda declared: (
                ik.Power(
                    name=TARGET,
                    scenarios=(
                        ik.PowerDesign(name="people", outcome="worked", n=800, control_rate=0.3, effect=0.1),
                        ik.PowerDesign(name="centres", clusters=30, cluster_size=20, icc=0.05, take_up=0.6),
                    ),
                ),
            ),
        ),
    ),
    "minimum_detectable_effect": (
        Example(
            "effects",
            lambda declared: (_itt("worked", "health"), ik.MinimumDetectableEffect(name=TARGET, of="itt")),
            misspelt=ik.MinimumDetectableEffect(name=TARGET, of="targte"),
            error=SpecError,
            meant="target",
            counts_people=True,
        ),
    ),
    "multiplicity": (
        Example(
            "families",
            lambda declared: (
                _itt("worked", "health"),
                ik.Multiplicity(name=TARGET, of=("itt",), outcomes=("worked", "health"), draws=199),
            ),
            misspelt=ik.Multiplicity(name=TARGET, of=("targte",), outcomes=("worked", "health")),
            error=SpecError,
            meant="target",
        ),
    ),
    "survival_curves": (
        Example(
            "by arm",
            lambda declared: (
                ik.SurvivalCurves(name=TARGET, duration="weeks", event="stopped", entry="joined", horizon=16, at=(12,)),
            ),
            misspelt=ik.SurvivalCurves(name=TARGET, duration="week", event="stopped"),
            meant="weeks",
            describes=True,
        ),
        Example(
            "by group",
            lambda declared: (ik.SurvivalCurves(name=TARGET, duration="weeks", event="stopped", by="sex", rho=1),),
            misspelt=ik.SurvivalCurves(name=TARGET, duration="weeks", event="stopped", by="sexx"),
            meant="sex",
            describes=True,
        ),
    ),
    "time_to_work": (
        Example(
            "plain",
            lambda declared: (
                ik.TimeToWork(name=TARGET, duration="weeks", event="stopped", horizon=14, ties="breslow"),
            ),
            misspelt=ik.TimeToWork(name=TARGET, duration="week", event="stopped", horizon=14),
            meant="weeks",
        ),
        Example(
            "adjusted",
            lambda declared: (
                ik.TimeToWork(
                    name=TARGET,
                    duration="weeks",
                    event="stopped",
                    entry="joined",
                    horizon=10,
                    covariates=("age", "sex"),
                    curves="arm",
                    ties="breslow",
                ),
            ),
            misspelt=ik.TimeToWork(name=TARGET, duration="weeks", event="stopped", horizon=14, covariates=("agee",)),
            meant="age",
        ),
        Example(
            "late entry",
            lambda declared: (
                ik.TimeToWork(
                    name=TARGET,
                    duration="weeks",
                    event="stopped",
                    entry="joined",
                    clock="onset",
                    since=4,
                    horizon=14,
                    ties="breslow",
                ),
            ),
            misspelt=ik.TimeToWork(name=TARGET, duration="weeks", event="stoped", horizon=14),
            meant="stopped",
        ),
    ),
    "cost_per_client": (Example("accounts", lambda declared: (ik.CostPerClient(name=TARGET, entries=_ENTRIES),)),),
    "break_even": (
        Example(
            "estimated",
            lambda declared: (
                _itt("weeks"),
                ik.CostPerClient(name="costs", entries=_ENTRIES),
                ik.BreakEven(
                    name=TARGET,
                    cost=ik.RowRef(analysis="costs", population="north"),
                    value_of_day=pounds(90, "GBP per day"),
                    days_per_week=5,
                    weeks_saved=_row(declared, "weeks"),
                ),
            ),
            misspelt=ik.BreakEven(
                name=TARGET, cost=ik.RowRef(analysis="targte"), value_of_day=pounds(90), days_per_week=5
            ),
            error=SpecError,
            meant="target",
        ),
        Example(
            "typed in",
            lambda declared: (
                ik.BreakEven(
                    name=TARGET,
                    cost=pounds(584),
                    value_of_day=pounds(90, "GBP per day"),
                    days_per_week=5,
                    weeks_saved=6.9 - 6.0,
                    p_value=0.2,
                    nonsignificant="zero",
                    alpha=0.05,
                ),
            ),
        ),
    ),
    "parametric_duration": (
        Example(
            "plain",
            lambda declared: (ik.ParametricDuration(name=TARGET, duration="weeks", event="stopped", horizon=14.0),),
            misspelt=ik.ParametricDuration(name=TARGET, duration="week", event="stopped", horizon=14.0),
            meant="weeks",
            describes=True,
        ),
        Example(
            "late entry",
            lambda declared: (
                ik.ParametricDuration(
                    name=TARGET,
                    duration="weeks",
                    event="stopped",
                    entry="joined",
                    horizon=14.0,
                    extrapolate_to=26.0,
                    models=("weibull", "royston_parmar"),
                    scale="odds",
                    knots=1,
                    covariates=("age", "sex"),
                ),
            ),
            misspelt=ik.ParametricDuration(name=TARGET, duration="weeks", event="stoped", horizon=14.0),
            meant="stopped",
            describes=True,
        ),
    ),
}
