"""Evaluation: the study, run."""

from impactkit.evaluation.evaluation import Evaluation
from impactkit.evaluation.plan import Plan
from impactkit.evaluation.result import EvaluationResult

__all__ = ["Evaluation", "EvaluationResult", "Plan"]
