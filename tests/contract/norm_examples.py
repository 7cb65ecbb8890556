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
}
