"""The EQ-5D: answers, value sets, the index, and population norms."""

from impactkit.data.eq5d.norms import PopulationNorms, list_population_norms, load_population_norms
from impactkit.data.eq5d.scoring import Eq5dScores, score_eq5d
from impactkit.data.eq5d.value_sets import ValueSet, list_value_sets, load_value_set, register_value_set

__all__ = [
    "Eq5dScores",
    "PopulationNorms",
    "ValueSet",
    "list_population_norms",
    "list_value_sets",
    "load_population_norms",
    "load_value_set",
    "register_value_set",
    "score_eq5d",
]
