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


EXAMPLES: dict[str, tuple[Example, ...]] = {
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
