"""Made-up clients and control episodes of one and the same absence, so that the programme's true effect is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import impactkit as ik

MEDIAN = 8.6
SIGMA = 1.05
WEEK = 7.0


@dataclass(frozen=True)
class World:
    """How absence, assessment and observation come about; every time in weeks.

    Parameters
    ----------
    clients, episodes, practices : int
        Clients assessed, control episodes, and the practices these come from.
    median, sigma : float
        Absence is log-normal with this median and this standard deviation of its logarithm.
    assessment, assessment_sd : float
        Elapsed absence at assessment: log-normal with this median and this standard deviation of the logarithm. Only
        people still absent then become clients.
    follow_up : tuple of two floats
        Time watched after assessment, uniform between these.
    window : float
        Length of the window in which control episodes start, uniformly, and at whose end observation stops.
    practice_sd : float
        Standard deviation between practices of the mean logarithm of absence, part of ``sigma``.
    """

    clients: int = 60
    episodes: int = 400
    practices: int = 4
    median: float = MEDIAN
    sigma: float = SIGMA
    assessment: float = 8.0
    assessment_sd: float = 0.25
    follow_up: tuple[float, float] = (6.0, 26.0)
    window: float = 52.0
    practice_sd: float = 0.0


WORLD = World()


def no_effect(seed: int, effect: float = 1.0, world: World = WORLD) -> dict[str, pd.DataFrame]:
    """Give clients and control episodes, whole days counted in weeks.

    Parameters
    ----------
    seed : int
    effect : float, default 1.0
        What absence after assessment is multiplied by: 1 is a programme without effect, 0.8 cuts what remains of every
        absence by a fifth.
    world : World

    Returns
    -------
    dict
        ``"people"``: id, area, diagnosis, sex, age_group, entry, absent, returned (0 where the end of follow-up came
        first) and ``whole``, the absence that nobody observes; ``"episodes"``: episode, area, diagnosis, practice,
        weeks, ended.
    """
    rng = np.random.default_rng(seed)
    entry, whole = assessed(rng, world, world.clients)
    whole = entry + np.ceil((whole - entry) * effect)
    last = entry + np.ceil(rng.uniform(*world.follow_up, world.clients) * WEEK)
    people = pd.DataFrame(
        {
            "id": np.arange(world.clients),
            "area": "here",
            "diagnosis": "any",
            "sex": rng.choice(["man", "woman"], world.clients),
            "age_group": rng.choice(["40 or under", "over 40"], world.clients),
            "entry": entry / WEEK,
            "absent": np.minimum(whole, last) / WEEK,
            "returned": (whole <= last).astype(float),
            "whole": whole / WEEK,
        }
    )
    practice = np.arange(world.episodes) % world.practices
    shift = rng.normal(0.0, world.practice_sd, world.practices)[practice]
    within = np.sqrt(world.sigma**2 - world.practice_sd**2)
    days = np.ceil(WEEK * world.median * np.exp(shift + within * rng.standard_normal(world.episodes)))
    watched = np.maximum(1.0, np.ceil(rng.uniform(0.0, world.window, world.episodes) * WEEK))
    controls = pd.DataFrame(
        {
            "episode": np.arange(world.episodes),
            "area": "here",
            "diagnosis": "any",
            "practice": practice,
            "weeks": np.minimum(days, watched) / WEEK,
            "ended": (days <= watched).astype(int),
        }
    )
    return {"people": people, "episodes": controls}


def assessed(rng: np.random.Generator, world: World, clients: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give elapsed absence at assessment and the whole absence, in whole days, of people absent at assessment."""
    entry, whole = np.empty(0), np.empty(0)
    while entry.size < clients:
        asked = np.ceil(WEEK * world.assessment * np.exp(world.assessment_sd * rng.standard_normal(clients * 3)))
        days = np.ceil(WEEK * world.median * np.exp(world.sigma * rng.standard_normal(clients * 3)))
        entry, whole = np.append(entry, asked[days > asked]), np.append(whole, days[days > asked])
    return entry[:clients], whole[:clients]


def true_weeks_saved(effect: float, horizon: float, world: World = WORLD, draws: int = 400_000, seed: int = 0) -> float:
    """Give the mean weeks saved per client between assessment and the horizon, by brute force."""
    entry, whole = assessed(np.random.default_rng(seed), world, draws)
    rest = (whole - entry) / WEEK
    shorter = np.ceil((whole - entry) * effect) / WEEK
    return float(np.mean(np.minimum(rest, horizon) - np.minimum(shorter, horizon)))


def norm_design() -> ik.NormDesign:
    """Give the design of the made-up study, with everybody set against one norm."""
    return ik.NormDesign(
        unit="id",
        entry="entry",
        duration="absent",
        returned="returned",
        norm_by=("area", "diagnosis"),
        controls=ik.ControlEpisodes(duration="weeks", practice="practice"),
    )
