"""How standard errors are formed: a small spec inside an analysis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from impactkit.design import Design, Spec
from impactkit.errors import RefusalError

__all__ = ["CR2", "HC0", "HC1", "HC2", "HC3", "Inference", "Linearised", "choose_inference"]


class HC0(Spec):
    """White's heteroskedasticity-robust errors, without a small-sample factor."""

    kind: Literal["HC0"] = "HC0"


class HC1(Spec):
    """HC0 times n/(n − k), what many packages call "robust"."""

    kind: Literal["HC1"] = "HC1"


class HC2(Spec):
    """Squared residuals over 1 − leverage: the default; equals Neyman's variance without covariates."""

    kind: Literal["HC2"] = "HC2"


class HC3(Spec):
    """Squared residuals over (1 − leverage)²: conservative."""

    kind: Literal["HC3"] = "HC3"


class CR2(Spec):
    """Bias-reduced cluster-robust errors with Satterthwaite degrees of freedom (Bell and McCaffrey 2002).

    The default when the design has clusters. The working model is Φ = I, also with weights.
    """

    kind: Literal["CR2"] = "CR2"


class Linearised(Spec):
    """Taylor-linearised errors of survey statistics: strata and clusters are those of the sample.

    Notes
    -----
    Degrees of freedom are primary sampling units − strata − coefficients + 1. Agrees with ``svyglm`` of the R
    package survey.
    """

    kind: Literal["linearised"] = "linearised"


_PLAIN, _CLUSTERED = HC2(), CR2()

Inference = Annotated[HC0 | HC1 | HC2 | HC3 | CR2 | Linearised, Field(discriminator="kind")]


def choose_inference(asked: Inference | None, design: Design, who: str) -> Inference:
    """Give the inference asked for, or CR2 with clusters and HC2 without.

    Raises
    ------
    RefusalError
        If what was asked for would not honour the declared clusters.
    """
    if asked is None:
        return _PLAIN if design.clusters is None else _CLUSTERED
    if design.clusters is not None and not isinstance(asked, CR2 | Linearised):
        raise RefusalError(
            f"{who} asks for {asked.kind}, which treats people as independent, but the design declares clusters "
            f"(`{design.clusters}`): leave `inference` out, or use CR2() or Linearised()."
        )
    if design.clusters is None and isinstance(asked, CR2):
        raise RefusalError(f"{who} asks for CR2, but the design declares no clusters: declare them, or use HC2().")
    return asked
