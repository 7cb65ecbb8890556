"""Separation in words: which level or column tells those with the outcome from those without, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.separation import find_separation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["why_not_fitted"]

MOST_NAMED = 5


def why_not_fitted(
    *,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    names: Sequence[str],
    levels: Sequence[tuple[str, NDArray[np.bool_]]],
) -> str:
    """Say why a logistic regression has no finite estimate, and what to do about it.

    Parameters
    ----------
    X : ndarray of shape (n, k)
        The columns that were kept, the constant first.
    y : ndarray of shape (n,)
    names : sequence of str
        One per column.
    levels : sequence of (words, mask)
        Every level of every categorical column, the references included, and who is in it.

    Returns
    -------
    str
        Names no person and no count.
    """
    found = find_separation(X=X, y=y)
    if found is None:
        return (
            "the iterations did not settle: the columns are nearly collinear, or differ in size by many powers of ten"
        )
    start = f"{found.kind} separation, so no maximum likelihood estimate exists: "
    end = "; set firth=True, join levels, or leave the column out"
    pure = [
        f"{'everybody' if y[mask].min() == 1 else 'nobody'} with {words} has the outcome"
        for words, mask in levels
        if mask.any() and not mask.all() and y[mask].min() == y[mask].max()
    ]
    if pure:
        return start + _listed(pure) + end
    running = [
        (name, "rising" if sign > 0 else "falling")
        for name, sign in zip(names[1:], found.direction[1:], strict=True)
        if sign
    ]
    if len(running) == 1:
        name, way = running[0]
        side = "above it everybody and below it nobody" if way == "rising" else "below it everybody and above it nobody"
        return f"{start}there is a value of {name} so that {side} has the outcome ({name} {way}){end}"
    said = _listed([f"{name} ({way})" for name, way in running])
    return f"{start}together these tell who has the outcome: {said}{end}"


def _listed(words: Sequence[str]) -> str:
    shown = list(words[:MOST_NAMED]) + ([f"{len(words) - MOST_NAMED} more"] if len(words) > MOST_NAMED else [])
    return "; ".join(shown)
