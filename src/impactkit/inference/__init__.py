"""Statements about several estimates at once, and about studies not yet run."""

from impactkit.inference.combine import Combined, CombineKind, PooledWeights, combine
from impactkit.inference.power import bloom_multiplier, detectable_multiplier, pooled_proportions_power, t_power
from impactkit.inference.power_design import PowerDesign

__all__ = [
    "CombineKind",
    "Combined",
    "PooledWeights",
    "PowerDesign",
    "bloom_multiplier",
    "combine",
    "detectable_multiplier",
    "pooled_proportions_power",
    "t_power",
]
