"""When synthetic clients are assessed and how long they are followed, and what that makes of the outcomes shown."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from impactkit.data.absence_model import group_pmf, remaining, shorten
from impactkit.data.synthetic_note_facts import fit_note_fact, pilot
from impactkit.errors import SpecError

__all__ = ["DAYS", "ENTRY_BANDS", "Expected", "check_effect", "entry_chances", "expected_outcomes", "mean_weeks"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS = 7
ENTRY_BANDS = ("Less than 4 weeks", "4 to 8 weeks", "Over 8 weeks")
"""Bands of time before assessment in Tables C.3, C.10 and C.17."""

SOONEST = 3
"""Nobody is assessed before the third day: an assumption."""
SHORTEST_FOLLOW_UP = 14


def check_effect(effect: object) -> float:
    """Check an effect."""
    if isinstance(effect, bool) or not isinstance(effect, int | float | np.number) or not 0 < float(effect) <= 5:
        raise SpecError(
            f"`effect` should be a number above 0 and at most 5 (1 for none, 0.8 for a fifth less); got {effect!r}"
        )
    return float(effect)


@cache
def entry_chances(band: str) -> Floats:
    """Give the probability of each day of absence (from day 0) at assessment, within one band.

    Even over days 3 to 27 and 28 to 56; beyond, day 56 + ⌈7x⌉ with x exponential, cut at its longest.
    """
    longest = 8 * DAYS + int(DAYS * fit_note_fact("longest weeks beyond eight"))
    chances = np.zeros(longest + 1)
    if band == ENTRY_BANDS[0]:
        chances[SOONEST : 4 * DAYS] = 1.0
    elif band == ENTRY_BANDS[1]:
        chances[4 * DAYS : 8 * DAYS + 1] = 1.0
    else:
        edges = np.arange(longest - 8 * DAYS + 1) / DAYS
        chances[8 * DAYS + 1 :] = -np.diff(np.exp(-edges / fit_note_fact("mean weeks beyond eight")))
    chances /= chances.sum()
    chances.setflags(write=False)
    return chances


def follow_up_days(mean: float, n: int, rng: np.random.Generator) -> Ints:
    """Draw days of follow-up after assessment: gamma with the given mean in weeks, two weeks at least."""
    shape = fit_note_fact("shape of follow-up")
    drawn: Ints = np.ceil(DAYS * rng.gamma(shape, mean / shape, n)).astype(np.int64)
    return np.maximum(drawn, SHORTEST_FOLLOW_UP)


def mean_weeks(area: str, group: str, days: Ints, effect: float, horizon_weeks: float) -> Floats:
    """Give E min(⌈effect · (T − e)⌉, horizon) in weeks for each day of absence e at assessment."""
    chances = group_pmf(area, group)
    found = np.empty(days.size)
    for place, elapsed in enumerate(days):
        left = remaining(chances, int(elapsed))
        found[place] = left @ np.minimum(shorten(np.arange(1, left.size + 1), effect) / DAYS, horizon_weeks)
    return found


class Expected(dict[str, float]):
    """Expected outcomes of one pilot: share returned (all and by band), medians of those back at work."""


def expected_outcomes(area: str, effect: float, follow_up_weeks: float, other_exits_per_week: float) -> Expected:
    """Give the outcomes that the generator's constants imply for one pilot, exactly.

    Returns
    -------
    Expected
        ``returned``; ``returned`` of each band; ``partial_median`` and ``total_median`` in weeks.
    """
    from scipy.special import gammainc

    about = pilot(area)
    bands = about.margins["Time off work before pilot assessment"]
    shape = fit_note_fact("shape of follow-up")
    longest = 5000
    day = np.arange(longest + 1)
    followed = np.where(day <= SHORTEST_FOLLOW_UP, 1.0, 1 - gammainc(shape, (day - 1) / DAYS * shape / follow_up_weeks))
    seen = followed * np.exp(-other_exits_per_week * np.maximum(day - 1, 0) / DAYS)
    partial, total = np.zeros(longest + 1), np.zeros(longest + 1)
    found = Expected()
    for band, clients in bands.items():
        chances = entry_chances(band)
        back = 0.0
        for group, n in about.groups.items():
            whole = group_pmf(area, group)
            share = clients / sum(bands.values()) * n / sum(about.groups.values())
            for elapsed in np.flatnonzero(chances):
                left = remaining(whole, int(elapsed))
                after = shorten(np.arange(1, left.size + 1), effect)
                weight = share * chances[elapsed] * left * seen[after]
                np.add.at(partial, after, weight)
                np.add.at(total, after + elapsed, weight)
                back += float(weight.sum())
        found[band] = back / (clients / sum(bands.values()))
    found["returned"] = float(partial.sum())
    found["partial_median"] = _median(partial)
    found["total_median"] = _median(total)
    return found


def _median(weight: Floats) -> float:
    """Give the median in weeks, even within the day that holds it."""
    below = np.cumsum(weight) / weight.sum()
    place = int(np.searchsorted(below, 0.5))
    before = below[place - 1]
    return float((place - 1 + (0.5 - before) / (below[place] - before) + 0.5) / DAYS)
