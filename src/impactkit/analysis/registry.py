"""Kinds of analysis by name, loaded when first read from a plan."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from impactkit._names import ANALYSES
from impactkit.analysis.base import Analysis
from impactkit.errors import SpecError, did_you_mean

__all__ = ["analysis_class", "kinds", "read_analysis"]


def kinds() -> tuple[str, ...]:
    """Every registered kind of analysis."""
    return tuple(ANALYSES)


def analysis_class(kind: str) -> type[Analysis]:
    """Give the class of a kind.

    Raises
    ------
    SpecError
        If the kind is not registered.
    """
    if kind not in ANALYSES:
        raise SpecError(
            f'analysis kind "{kind}" is not known.{did_you_mean(kind, ANALYSES)} Known: {", ".join(ANALYSES)}'
        )
    module, name = ANALYSES[kind]
    found: type[Analysis] = getattr(importlib.import_module(module), name)
    return found


def read_analysis(values: Mapping[str, Any]) -> Analysis:
    """Read one analysis from plain data, as written by ``analysis.to_dict()``."""
    if "kind" not in values:
        raise SpecError(f'analysis "{values.get("name", "")}" has no `kind`: give one of {", ".join(ANALYSES)}')
    return analysis_class(str(values["kind"])).from_dict(dict(values))
