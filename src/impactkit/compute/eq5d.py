"""Kernels of the EQ-5D on arrays: profiles as positions, value tables, Paretian classes, McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DIMENSIONS",
    "PARETIAN",
    "additive_table",
    "crosswalk_table",
    "digits_lookup",
    "level_table",
    "mcnemar",
    "paretian_classes",
    "profile_states",
    "round_half_up",
]

Floats = NDArray[np.float64]
States = NDArray[np.int16]

DIMENSIONS = ("mobility", "self_care", "usual_activities", "pain_discomfort", "anxiety_depression")
"""The five dimensions, in the order of the questionnaire and of the five digits of a profile."""

PARETIAN = ("no problems", "no change", "improved", "worsened", "mixed")
"""Paretian classification of health change, in the order of the codes of `paretian_classes`."""

TIE = 1e-9
"""Products of the coefficients carry rounding noise of about 1e-16; a tie within this of a half is a half."""


def level_table(levels: int) -> NDArray[np.int8]:
    """Give the levels of every profile in digit order, shape (levels⁵, 5).

    Examples
    --------
    >>> level_table(3)[[0, 1, 242]].tolist()
    [[1, 1, 1, 1, 1], [1, 1, 1, 1, 2], [3, 3, 3, 3, 3]]
    """
    grid = np.indices((levels,) * 5, dtype=np.int8).reshape(5, -1).T + 1
    return np.ascontiguousarray(grid, dtype=np.int8)


def profile_states(columns: Sequence[NDArray[np.int16]], levels: int) -> States:
    """Give the position of each profile in digit order from its five levels.

    Parameters
    ----------
    columns : sequence of five ndarrays of int16, shape (n,)
        Levels 1 to ``levels``, in the order of :data:`DIMENSIONS`; already checked.
    levels : int
        3 or 5.

    Returns
    -------
    ndarray of int16, shape (n,)
        Σ (level − 1) · levels^(4 − place), from 0.
    """
    state = columns[0] * np.int16(levels)
    for column in columns[1:4]:
        state += column
        state *= np.int16(levels)
    state += columns[4]
    state -= np.int16(sum(levels**power for power in range(5)))
    return state


def digits_lookup(levels: int) -> NDArray[np.int16]:
    """Give, for each whole number below 100,000, the position of the profile with those digits; -2 where none has."""
    lookup = np.full(100_000, -2, dtype=np.int16)
    table = level_table(levels).astype(np.int64)
    lookup[table @ np.array([10_000, 1_000, 100, 10, 1])] = np.arange(levels**5, dtype=np.int16)
    return lookup


def additive_table(levels: int, constant: float, steps: NDArray[np.float64], at_least: dict[int, float]) -> Floats:
    """Give the value of every profile of an additive value set, unrounded.

    Parameters
    ----------
    levels : int
    constant : float
        Value of 11111.
    steps : ndarray of shape (5, levels)
        What each level of each dimension adds (mostly negative; the first column is level 1).
    at_least : dict of int to float
        What is added once if any dimension is at that level or a worse one (Dolan's "any problem" and N3).

    Returns
    -------
    ndarray of shape (levels⁵,)
    """
    table = level_table(levels)
    parts = [np.full(len(table), constant)]
    parts += [steps[place, table[:, place] - 1] for place in range(5)]
    worst = table.max(axis=1)
    parts += [np.where(worst >= level, value, 0.0) for level, value in at_least.items()]
    return np.array([math.fsum(row) for row in np.stack(parts, axis=1)])


def crosswalk_table(probabilities: NDArray[np.float64], target: Floats) -> Floats:
    """Give the expected value of every profile, mapped to the profiles of another instrument.

    Parameters
    ----------
    probabilities : ndarray of shape (5, levels, target levels)
        Chance that someone at a level of the one is at a level of the other, independent between dimensions.
    target : ndarray of shape (target levels⁵,)
        Values of the other instrument's profiles, in digit order.

    Returns
    -------
    ndarray of shape (levels⁵,)
        Σ_s P(s) V(s) over every target profile s, not the value of an average profile: terms such as N3 are not
        linear in the levels.
    """
    width = probabilities.shape[2]
    values = target.reshape((width,) * 5)
    for place in range(5):  # contract the first axis, append the new one: after five turns the order is the same
        values = np.tensordot(values, probabilities[place], axes=([0], [1]))
    return np.asarray(values.reshape(-1), dtype=np.float64)


def round_half_up(values: Floats, decimals: Sequence[int]) -> Floats:
    """Round to each number of decimals in turn, halves away from zero.

    Examples
    --------
    >>> round_half_up(np.array([0.12345, -0.12345]), (4, 3)).tolist(), round_half_up(np.array([0.12345]), (3,)).tolist()
    ([0.124, -0.124], [0.123])
    """
    size, sign = np.abs(values), np.sign(values)
    for places in decimals:
        scale = 10.0**places
        size = np.floor(size * scale + 0.5 + TIE) / scale
    return np.asarray(sign * size + 0.0, dtype=np.float64)


def paretian_classes(before: NDArray[np.integer], after: NDArray[np.integer], levels: int) -> NDArray[np.int8]:
    """Classify the change between two profiles (Devlin, Parkin and Browne 2010).

    Parameters
    ----------
    before, after : ndarray of int, shape (n,)
        Positions of the profiles in digit order.
    levels : int

    Returns
    -------
    ndarray of int8, shape (n,)
        Positions in :data:`PARETIAN`: better on some dimension and worse on none is improved, the reverse
        worsened, both mixed, neither no change (11111 twice is a class of its own).
    """
    table = level_table(levels)
    first, second = table[before], table[after]
    better, worse = (second < first).any(axis=1), (second > first).any(axis=1)
    code = np.where(better, np.where(worse, 4, 2), np.where(worse, 3, 1))
    code[(np.asarray(before) == 0) & (np.asarray(after) == 0)] = 0
    return code.astype(np.int8)


def mcnemar(lost: int, gained: int) -> tuple[float, float, float]:
    """Test whether as many people changed one way as the other.

    Parameters
    ----------
    lost, gained : int
        People with a problem before only, and after only.

    Returns
    -------
    statistic, p_value, exact : float
        McNemar's chi-square on one degree of freedom without continuity correction, its p value, and the exact
        two-sided binomial p value. NaN when nobody changed.

    Examples
    --------
    >>> [round(value, 4) for value in mcnemar(25, 10)]
    [6.4286, 0.0112, 0.0167]
    """
    from scipy.special import bdtr, chdtrc

    total = lost + gained
    if total == 0:
        return math.nan, math.nan, math.nan
    statistic = (lost - gained) ** 2 / total
    exact = min(1.0, 2.0 * float(bdtr(min(lost, gained), total, 0.5)))
    return statistic, float(chdtrc(1, statistic)), exact
