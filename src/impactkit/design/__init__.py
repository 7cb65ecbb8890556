"""Designs, outcomes and populations: the study, declared once."""

from impactkit.design.base import Spec
from impactkit.design.controls import (
    AnyControls,
    ControlEpisodes,
    ControlNotes,
    FitNoteColumns,
    FitNoteEpisodes,
    SspLinking,
)
from impactkit.design.designs import (
    AnyDesign,
    BeforeAfterDesign,
    ComparisonDesign,
    Design,
    Link,
    NormDesign,
    TrialDesign,
    read_design,
)
from impactkit.design.outcome import ALL, DESIGN_WEIGHTS, Family, Outcome, Population

__all__ = [
    "ALL",
    "DESIGN_WEIGHTS",
    "AnyControls",
    "AnyDesign",
    "BeforeAfterDesign",
    "ComparisonDesign",
    "ControlEpisodes",
    "ControlNotes",
    "Design",
    "Family",
    "FitNoteColumns",
    "FitNoteEpisodes",
    "Link",
    "NormDesign",
    "Outcome",
    "Population",
    "Spec",
    "SspLinking",
    "TrialDesign",
    "read_design",
]
