"""Made-up pilots of many shapes and of known truth: cells, delayed entry, advisers, weights, lost outcomes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import impactkit as ik

WEEK = 7.0
LONG = 104.0
"""Control absences begin evenly over this many weeks before the window opens, where the window meets running ones."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pilot:
    """How clients, control episodes and what is seen of them come about; times in weeks.

    Parameters
    ----------
    clients, episodes : tuple of int
        Number in each norm cell; cells are areas by diagnoses, the diagnoses of the first area first.
    areas : int
    practices : tuple of int
        Practices of each area.
    unequal : bool
        Practices whose sizes rise as 1, 2, 3, ... instead of equal ones.
    practice_sd : float
        Standard deviation between practices of the mean logarithm of absence, of ``sigma`` in all.
    running : bool
        Control absences begin at any time, and those that are running when the window opens are seen from then on;
        otherwise all begin in the window.
    follow_up : tuple of two floats
        Clients are watched so long after assessment, uniformly.
    advisers : tuple of int
        Clients of each adviser; empty if they have none. Advisers do not follow the cells.
    adviser_sd : float
        Standard deviation between advisers of the logarithm of what remains of an absence.
    weighted : bool
        Weights of clients, larger for those assessed late.
    lost : {"", "alike", "moment"}
        A third of outcomes unknown: as depends on a column that also says how long an absence lasts; or because
        contact breaks off at some moment, to whomever is then absent.
    entry : float
        Median elapsed time at assessment.
    """

    clients: tuple[int, ...] = (60,)
    episodes: tuple[int, ...] = (400,)
    areas: int = 1
    practices: tuple[int, ...] = (4,)
    unequal: bool = False
    practice_sd: float = 0.2
    running: bool = False
    window: float = 52.0
    follow_up: tuple[float, float] = (6.0, 26.0)
    advisers: tuple[int, ...] = ()
    adviser_sd: float = 0.0
    weighted: bool = False
    lost: str = ""
    entry: float = 8.0
    sigma: float = 1.05

    @property
    def medians(self) -> Floats:
        """Median absence of each cell: cells differ."""
        cells = len(self.clients)
        return 8.6 * np.exp(0.35 * (np.arange(cells) % 4 - 1.0)) if cells > 1 else np.array([8.6])


def people(rng: np.random.Generator, pilot: Pilot, effect: float, times: int = 1) -> pd.DataFrame:
    """Draw clients, ``times`` as many of each cell; ``whole`` and ``alone`` are what nobody observes."""
    cell = np.repeat(np.arange(len(pilot.clients)), np.array(pilot.clients) * times)
    n = cell.size
    entry, whole, sign, open_ = np.zeros(n), np.zeros(n), np.zeros(n), np.arange(n)
    while open_.size:
        asked = np.ceil(WEEK * pilot.entry * np.exp(0.25 * rng.standard_normal(open_.size)))
        told = rng.standard_normal(open_.size)  # half of the spread of absence can be told from a column
        rest = rng.standard_normal(open_.size)
        days = np.ceil(
            WEEK * pilot.medians[cell[open_]] * np.exp(pilot.sigma * (np.sqrt(0.5) * told + np.sqrt(0.5) * rest))
        )
        fits = days > asked
        entry[open_[fits]], whole[open_[fits]], sign[open_[fits]] = asked[fits], days[fits], told[fits]
        open_ = open_[~fits]
    adviser = np.zeros(n, dtype=int)
    pull = np.ones(n)
    if pilot.advisers:
        adviser = (
            rng.permutation(np.repeat(np.arange(len(pilot.advisers)), pilot.advisers)) if times == 1 else (np.arange(n))
        )
        pull = np.exp(pilot.adviser_sd * rng.standard_normal(adviser.max() + 1))[adviser]
    rest = np.maximum(1.0, np.ceil((whole - entry) * effect * pull))
    watched = np.ceil(rng.uniform(*pilot.follow_up, n) * WEEK)
    returned = (rest <= watched).astype(float)
    seen = np.minimum(rest, watched)
    if pilot.lost == "alike":
        returned[rng.random(n) < 1 / (1 + np.exp(0.9 - 0.9 * sign))] = np.nan
    if pilot.lost == "moment":
        breaks = np.ceil(rng.exponential(25.0, n) * WEEK)
        returned[breaks < seen] = np.nan
        seen = np.minimum(seen, breaks)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "cell": cell,
            "area": cell // (len(pilot.clients) // pilot.areas),
            "sign": sign,
            "adviser": adviser,
            "weight": np.clip(entry / (WEEK * pilot.entry), 0.5, 2.0) ** 2 if pilot.weighted else 1.0,
            "entry": entry / WEEK,
            "absent": (entry + seen) / WEEK,
            "returned": returned,
            "alone": (whole - entry) / WEEK,
            "rest": rest / WEEK,
        }
    )


def episodes(rng: np.random.Generator, pilot: Pilot) -> pd.DataFrame:
    """Draw control episodes."""
    cell = np.repeat(np.arange(len(pilot.episodes)), pilot.episodes)
    area = cell // (len(pilot.clients) // pilot.areas)
    first = np.concatenate([[0], np.cumsum(pilot.practices)])
    practice = np.zeros(cell.size, dtype=int)
    shift = rng.normal(0.0, pilot.practice_sd, first[-1])
    begin, days, open_ = np.zeros(cell.size), np.zeros(cell.size), np.arange(cell.size)
    spread = np.sqrt(pilot.sigma**2 - pilot.practice_sd**2)
    while open_.size:
        for place, count in enumerate(pilot.practices):  # absences arise in practices: those not seen leave no trace
            size = np.arange(1.0, count + 1) if pilot.unequal else np.ones(count)
            own = open_[area[open_] == place]
            practice[own] = first[place] + rng.choice(count, size=own.size, p=size / size.sum())
        starts = np.floor(rng.uniform(-LONG if pilot.running else 0.0, pilot.window, open_.size) * WEEK)
        lasts = np.ceil(
            WEEK
            * pilot.medians[cell[open_]]
            * np.exp(shift[practice[open_]] + spread * rng.standard_normal(open_.size))
        )
        seen = starts + lasts > 0
        begin[open_[seen]], days[open_[seen]] = starts[seen], lasts[seen]
        open_ = open_[~seen]
    late = np.maximum(0.0, -begin)
    closes = pilot.window * WEEK - begin
    return pd.DataFrame(
        {
            "episode": np.arange(cell.size),
            "cell": cell,
            "practice": practice,
            "late": late / WEEK,
            "weeks": np.minimum(days, closes) / WEEK,
            "ended": (days <= closes).astype(int),
        }
    )


def tables(seed: int, pilot: Pilot, effect: float) -> dict[str, pd.DataFrame]:
    """Give the two tables of one draw."""
    rng = np.random.default_rng([20_261_123, seed])
    return {"people": people(rng, pilot, effect), "episodes": episodes(rng, pilot)}


def truth(pilot: Pilot, effect: float, horizon: float) -> tuple[float, float]:
    """Give the mean weeks saved within the horizon and its Monte Carlo error, from 400,000 clients or so."""
    many = people(np.random.default_rng(3), replace(pilot, lost=""), effect, 400_000 // sum(pilot.clients))
    gain = np.minimum(many["alone"], horizon) - np.minimum(many["rest"], horizon)
    share = many["weight"] / many["weight"].sum()
    mean = float(share @ gain)
    return mean, float(np.sqrt((share**2) @ (gain - mean) ** 2))


def design(pilot: Pilot) -> ik.NormDesign:
    """Give the design of a pilot."""
    return ik.NormDesign(
        unit="id",
        entry="entry",
        duration="absent",
        returned="returned",
        norm_by=("cell",),
        clusters="adviser" if pilot.advisers else None,
        weights="weight" if pilot.weighted else None,
        controls=ik.ControlEpisodes(duration="weeks", practice="practice", late_entry="late"),
    )
