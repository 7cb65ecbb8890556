"""Made-up clients and control episodes with everything a norm design may declare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import impactkit as ik

POPULATIONS = (
    ik.Population(name="women", where=(("sex", "woman"),)),
    ik.Population(name="women and GP", where=(("sex", "woman"), ("referred_by", "GP"))),
)

FEATURES: dict[str, dict[str, Any]] = {
    "clusters": {"clusters": "adviser"},
    "weights": {"weights": "w"},
    "populations": {"populations": POPULATIONS},
}


def tables(clients: int = 150, episodes: int = 900, seed: int = 11) -> dict[str, pd.DataFrame]:
    """Give clients, all absent at assessment, and control episodes of nine practices in two areas."""
    rng = np.random.default_rng(seed)
    spread = {"anxiety": 1.4, "back": 1.2}

    def absence(diagnosis: np.ndarray) -> np.ndarray:
        return np.round(np.exp([rng.normal(spread[name], 1.0) for name in diagnosis]) * 7) + 1

    practice = np.arange(episodes) % 9
    causes = rng.choice(["anxiety", "back"], episodes)
    days = absence(causes)
    watched = rng.uniform(100, 365, episodes).round()
    running = np.where(rng.random(episodes) < 0.15, np.floor(rng.random(episodes) * days), 0.0)
    controls = pd.DataFrame(
        {
            "episode": [f"e{row:04d}" for row in range(episodes)],
            "area": np.where(practice < 4, "north", "south"),
            "diagnosis": causes,
            "practice": [f"g{code}" for code in practice],
            "days": np.minimum(days, running + watched),
            "ended": (days <= running + watched).astype(int),
            "running": running,
        }
    )
    own = rng.choice(["anxiety", "back"], clients * 8)
    whole = absence(own)
    entry = np.maximum(1.0, (rng.gamma(3.0, 12.0, clients * 8)).round())
    kept = np.flatnonzero(whole > entry)[:clients]
    assert kept.size == clients
    last = entry[kept] + rng.uniform(42, 182, clients).round()
    back = whole[kept] <= last
    returned = np.where(back, 1.0, 0.0)
    returned[rng.random(clients) < 0.05] = np.nan
    people = pd.DataFrame(
        {
            "id": [f"c{row:03d}" for row in range(clients)],
            "area": rng.choice(["north", "south"], clients),
            "diagnosis": own[kept],
            "sex": rng.choice(["man", "woman"], clients),
            "age_group": rng.choice(["40 or under", "over 40"], clients),
            "referred_by": rng.choice(["GP", "employer", "self"], clients),
            "age": rng.integers(18, 65, clients),
            "adviser": [f"a{row % 12:02d}" for row in range(clients)],
            "entry": entry[kept],
            "absent": np.minimum(whole[kept], last),
            "returned": returned,
            "exit": rng.choice(["work", "job loss"], clients, p=[0.85, 0.15]),
            "w": rng.uniform(0.5, 3, clients).round(3),
        }
    )
    # the draw above says who would lose the job; "work" is for those who came back, and nobody else
    lost = (people["exit"] == "job loss") & ~back
    people["exit"] = np.where(back, "work", np.where(lost | (~back & (rng.random(clients) < 0.25)), "job loss", ""))
    ill = rng.normal(0.8, 0.8, clients)
    for name, better in (("health_in", 0.0), ("health_out", 0.6)):
        levels = np.clip(np.round(1.6 + (ill - better)[:, None] + rng.normal(0, 0.9, (clients, 5))), 1, 5)
        people[name] = np.where(rng.random(clients) < 0.1, np.nan, levels @ np.array([10_000, 1_000, 100, 10, 1]))
    return {"people": people, "episodes": controls}


def design(*features: str, **options: Any) -> ik.NormDesign:
    """Give the design, declaring the named features."""
    declared = {key: value for feature in features for key, value in FEATURES[feature].items()}
    base = ik.NormDesign(
        unit="id",
        entry="entry",
        duration="absent",
        returned="returned",
        norm_by=("area", "diagnosis"),
        time_unit="days",
        controls=ik.ControlEpisodes(duration="days", late_entry="running", practice="practice"),
    )
    return base.replace(**{**declared, **options})
