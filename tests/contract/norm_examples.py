"""Examples of every kind of analysis that reads a norm design: a new kind is tested by adding a line to `EXAMPLES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from made_up_norms import FEATURES, design

import impactkit as ik
from impactkit.analysis import Analysis
from impactkit.design import Design
from impactkit.errors import DataError

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


EXAMPLES: dict[str, tuple[Example, ...]] = {
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
}
