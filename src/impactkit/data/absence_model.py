"""The distribution of days absent that synthetic controls and clients share: log-normal, heaped on whole weeks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.synthetic_note_facts import cells, client_group, fit_note_fact

__all__ = ["LONGEST", "draw_days", "draw_remaining", "group_pmf", "pmf", "remaining", "shorten"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS = 7
LONGEST = 728
"""Longest absence in days: 104 weeks."""


def draw_days(median_weeks: Floats, rng: np.random.Generator) -> Ints:
    """Draw days absent around medians that already hold the practice's effect.

    Parameters
    ----------
    median_weeks : ndarray of float64, shape (n,)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape (n,)
        1 to 728.
    """
    total, between = fit_note_fact("spread of log absence"), fit_note_fact("between practices")
    within = np.sqrt(total**2 - between**2)
    days = DAYS * median_weeks * np.exp(within * rng.standard_normal(median_weeks.size))
    whole = rng.random(median_weeks.size) < fit_note_fact("absences in whole weeks")
    weeks = DAYS * np.maximum(np.rint(days / DAYS), 1)
    drawn: Ints = np.minimum(np.where(whole, weeks, np.ceil(days)), LONGEST).astype(np.int64)
    return drawn


def pmf(median_weeks: float) -> Floats:
    """Give the probability of each number of days absent over all practices, from day 0 (never) to day 728.

    Notes
    -----
    With Φ the normal distribution function, F(d) = Φ(log(d/7m)/σ). A share h is rounded to whole weeks, w ≥ 2 with
    probability F(7w + 3.5) − F(7w − 3.5); the others have day d with F(d) − F(d − 1). What lies beyond 728 days is
    set to 728.
    """
    from scipy.special import ndtr

    spread, heaped = fit_note_fact("spread of log absence"), fit_note_fact("absences in whole weeks")

    def below(days: NDArray[np.floating[Any]]) -> Floats:
        found: Floats = ndtr(np.log(np.maximum(days, 1e-9) / (DAYS * median_weeks)) / spread)
        return found

    daily = np.diff(below(np.arange(LONGEST + 1.0)), prepend=0.0)
    daily[-1] += 1.0 - daily.sum()
    edges = DAYS * (np.arange(LONGEST // DAYS) + 1.5)
    edges[-1] = np.inf
    weekly = np.diff(below(edges), prepend=0.0)
    mixed = (1 - heaped) * daily
    mixed[DAYS::DAYS] += heaped * weekly
    return mixed


@cache
def group_pmf(area: str, group: str) -> Floats:
    """Give the probability of each number of days absent, for new absences of one area and client group.

    Categories of a group are mixed as their absences arise: episodes seen over the days in which they could start.
    """
    chosen = [cell for cell in cells(area) if client_group(cell.diagnosis) == group]
    rates = np.array([cell.episodes / cell.exposure for cell in chosen])
    mixed: Floats = (rates / rates.sum()) @ np.array([pmf(cell.median) for cell in chosen])
    mixed.setflags(write=False)
    return mixed


def remaining(chances: Floats, elapsed: int) -> Floats:
    """Give the probabilities of 1, 2, ... further days of absence for those still absent after ``elapsed`` days."""
    left = chances[elapsed + 1 :]
    found: Floats = left / left.sum()
    return found


def draw_remaining(area: str, group: str, elapsed: Ints, rng: np.random.Generator) -> Ints:
    """Draw further days of absence for people of one area and group still absent after ``elapsed`` days."""
    below = np.cumsum(group_pmf(area, group))
    gone = below[elapsed]
    chance = gone + rng.random(elapsed.size) * (below[-1] - gone)
    day = np.searchsorted(below, chance, side="right")
    found: Ints = np.clip(day, elapsed + 1, LONGEST) - elapsed
    return found


def shorten(days: Ints, effect: float) -> Ints:
    """Multiply remaining days by the effect, rounding up to whole days."""
    found: Ints = np.maximum(np.ceil(effect * days - 1e-9), 1).astype(np.int64)
    return found
