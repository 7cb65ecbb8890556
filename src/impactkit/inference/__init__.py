"""Statements about several estimates at once."""

from impactkit.inference.combine import Combined, CombineKind, PooledWeights, combine

__all__ = ["CombineKind", "Combined", "PooledWeights", "combine"]
