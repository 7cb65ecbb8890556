"""The factor by which errors that sum over groups (clusters, practices) are too small when groups are few."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["groups_factor"]


@overload
def groups_factor(groups: int) -> float: ...
@overload
def groups_factor(groups: NDArray[Any]) -> NDArray[np.float64]: ...
def groups_factor(groups: int | NDArray[Any]) -> float | NDArray[np.float64]:
    """Give √(G / (G − 1)), by which influence values are multiplied; NaN for fewer than two groups.

    Parameters
    ----------
    groups : int or ndarray
        Number of groups, of each stratum if there are several.

    Examples
    --------
    >>> round(groups_factor(5), 4), groups_factor(1)
    (1.118, nan)
    """
    many = np.asarray(groups, dtype=np.float64)
    found: NDArray[np.float64] = np.full(many.shape, np.nan)
    some = many > 1
    found[some] = np.sqrt(many[some] / (many[some] - 1.0))
    return found if found.ndim else float(found)
