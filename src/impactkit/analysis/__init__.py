"""The base of every analysis, how its errors are formed, and the registry of kinds."""

from impactkit.analysis.base import FEATURES, Analysis, ConfLevel, RowRef, weakest_evidence
from impactkit.analysis.inference import CR2, HC0, HC1, HC2, HC3, Inference, Linearised, choose_inference
from impactkit.analysis.registry import analysis_class, kinds, read_analysis

__all__ = [
    "CR2",
    "FEATURES",
    "HC0",
    "HC1",
    "HC2",
    "HC3",
    "Analysis",
    "ConfLevel",
    "Inference",
    "Linearised",
    "RowRef",
    "analysis_class",
    "choose_inference",
    "kinds",
    "read_analysis",
    "weakest_evidence",
]
