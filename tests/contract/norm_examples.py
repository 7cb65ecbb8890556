"""Examples of every kind of analysis that reads a norm design: a new kind is tested by adding a line to `EXAMPLES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from made_up_norms import FEATURES, design

import impactkit as ik
from impactkit.analysis import Analysis
from impactkit.design import Design
from impactkit.errors import DataError, RefusalError

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
    describes : bool
        Whether some rows only describe the people in hand, without a standard error.
    moves : tuple of str
        Declared features that change its numbers.
    evidence : str
        What clients of a norm design support in it: change within people is never more than before-after.
    draws : bool
        Whether it draws random numbers, so that rows in another order agree only in what is not drawn.
    """

    label: str
    build: Callable[[Design], tuple[Analysis, ...]]
    misspelt: Analysis | None = None
    error: type[Exception] = DataError
    meant: str = ""
    describes: bool = False
    moves: tuple[str, ...] = tuple(FEATURES)
    draws: bool = False
    evidence: str = "comparison with a norm"

    @property
    def target(self) -> Analysis:
        return self.build(design())[-1]

    @property
    def honoured(self) -> tuple[str, ...]:
        return tuple(name for name in FEATURES if name in self.target.honours)

    def design(self) -> ik.NormDesign:
        """Everything the example honours, declared."""
        return design(*self.honoured)


def _norms(**options: object) -> Callable[[Design], tuple[Analysis, ...]]:
    return lambda _: (ik.FitNoteNorms(name=TARGET, **options),)


def _published(**options: object) -> tuple[Analysis, ...]:
    return (ik.NormComparison(name=TARGET, **options),)


EXAMPLES: dict[str, tuple[Example, ...]] = {
    "eq5d_profile": (
        Example(
            "beside a population",
            lambda declared: (
                ik.Eq5dProfile(
                    name=TARGET,
                    before="health_in",
                    after="health_out",
                    value_set="crosswalk_uk_2012",
                    norms="hse_2017_18_crosswalk",
                    age="age",
                    sex="sex",
                    sexes=("woman", "man"),
                ),
            ),
            misspelt=ik.Eq5dProfile(name=TARGET, before="health_in", after="health_ot", value_set="crosswalk_uk_2012"),
            meant="health_out",
            evidence="before-after only",
        ),
    ),
    "fit_note_norms": (
        Example(
            "complete",
            _norms(horizon=120.0),
            misspelt=ik.FitNoteNorms(name=TARGET, by=("diagnoses",)),
            error=RefusalError,
            meant="diagnosis",
            moves=("populations",),
        ),
        Example("residual", _norms(reading="adjusted_residual", by=("diagnosis",)), moves=("populations",)),
        Example(
            "resampled",
            _norms(reading="adjusted_total", interval="bootstrap", replications=199),
            moves=("populations",),
        ),
        Example(
            "conditional",
            _norms(reading="conditional", elapsed=40.0, shrink_below=150),
            describes=True,
            moves=("populations",),
        ),
    ),
    "weeks_saved": (
        Example(
            "mean days saved",
            lambda design: (ik.WeeksSaved(name=TARGET, horizon=80, by_cell=True),),
            describes=True,
        ),
        Example(
            "unknown outcomes weighted",
            lambda design: (ik.WeeksSaved(name=TARGET, horizon=60, unknown="ipcw", known_by=("sex", "age")),),
            misspelt=ik.WeeksSaved(name=TARGET, horizon=60, unknown="ipcw", known_by=("sexx",)),
            meant="sex",
            describes=True,
        ),
    ),
    "weeks_saved_grid": (
        Example(
            "one rule at a time",
            lambda design: (ik.WeeksSavedGrid(name=TARGET, base=ik.WeeksSaved(name="saved", horizon=80)),),
        ),
    ),
    "observed_expected": (
        Example(
            "returns",
            lambda design: (ik.ObservedExpected(name=TARGET, until=120),),
            describes=True,
        ),
    ),
    "fit_note_audit": (Example("episodes", lambda _: (ik.FitNoteAudit(name=TARGET),), describes=True, moves=()),),
    "norm_comparison": (
        Example(
            "all of it",
            lambda design: _published(
                characteristics=("sex", "age_group"),
                covariates=("diagnosis", "sex"),
                exit="exit",
                reference=(("sex", "woman"),),
            ),
            misspelt=ik.NormComparison(name=TARGET, characteristics=("age_grup",)),
            meant="age_group",
            describes=True,
        ),
        Example(
            "residual reading and own norms",
            lambda design: _published(by="diagnosis", reading="adjusted_residual", all_norm="own", continuity=True),
            describes=True,
        ),
    ),
    "cox_regression": (
        Example(
            "by characteristic",
            lambda declared: (
                ik.CoxRegression(name=TARGET, covariates=("sex", "age", "referred_by"), strata_by=("diagnosis",)),
            ),
            misspelt=ik.CoxRegression(name=TARGET, covariates=("sx",)),
            meant="sex",
        ),
        Example("against the norm", lambda declared: (ik.CoxRegression(name=TARGET, against_norm=True),)),
    ),
    "survival_curves": (
        Example(
            "clients",
            lambda _: (ik.SurvivalCurves(name=TARGET, by="referred_by", horizon=120.0, at=(60.0,), since=20.0),),
            misspelt=ik.SurvivalCurves(name=TARGET, by="refered_by"),
            meant="referred_by",
            describes=True,
        ),
    ),
    "competing_exits": (
        Example(
            "since absence began",
            lambda declared: (
                ik.CompetingExits(name=TARGET, exit="exit", horizon=120.0, times=(60.0, 120.0), start=14.0),
            ),
            misspelt=ik.CompetingExits(name=TARGET, exit="exti", horizon=120.0),
            meant="exit",
        ),
        Example(
            "since assessment with covariates",
            lambda declared: (
                ik.CompetingExits(
                    name=TARGET,
                    exit="exit",
                    horizon=60.0,
                    clock="assessment",
                    by="referred_by",
                    covariates=("age", "sex"),
                ),
            ),
        ),
    ),
    "parametric_duration": (
        Example(
            "four models",
            lambda _: (
                ik.ParametricDuration(
                    name=TARGET, horizon=150.0, extrapolate_to=730.0, since=7.0, covariates=("age",), knots=1
                ),
            ),
            misspelt=ik.ParametricDuration(name=TARGET, horizon=150.0, covariates=("agee",)),
            meant="age",
            describes=True,
        ),
    ),
}
