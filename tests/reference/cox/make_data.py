"""Make cohort.csv, made-up people with ties, delayed entry, strata, weights and clusters, and the made-up clients and
control episodes of the contract tests as one table (stacked.csv). Run in this folder: python make_data.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

PEOPLE = 400


def cohort(seed: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x1 = rng.normal(size=PEOPLE).round(4)
    x2 = rng.integers(0, 2, PEOPLE)
    x3 = (x1 * 0.4 + rng.normal(size=PEOPLE)).round(4) * 30 + 1000
    cluster = rng.integers(0, 25, PEOPLE)
    shared = rng.normal(size=25)[cluster] * 0.4
    days = np.ceil(40 * rng.exponential(np.exp(-0.4 * x1 + 0.3 * x2 - 0.01 * (x3 - 1000) - shared)))
    entry = np.where(rng.random(PEOPLE) < 0.6, np.floor(rng.gamma(2.0, 6.0, PEOPLE)), 0.0)
    kept = days > entry
    seen = entry + np.ceil(rng.uniform(5, 90, PEOPLE))
    frame = pd.DataFrame(
        {
            "entry": entry,
            "days": np.minimum(days, seen),
            "event": (days <= seen).astype(int),
            "x1": x1,
            "x2": x2,
            "x3": x3.round(4),
            "stratum": rng.integers(0, 4, PEOPLE),
            "cluster": cluster,
            "w": rng.uniform(0.5, 3, PEOPLE).round(3),
        }
    )
    return frame[kept].reset_index(drop=True)


def stacked() -> pd.DataFrame:
    sys.path.insert(0, str(Path(__file__).parents[2] / "contract"))
    from made_up_norms import tables

    data = tables()
    people = data["people"].rename(columns={"absent": "stop", "returned": "event", "entry": "start"})
    episodes = data["episodes"].rename(columns={"days": "stop", "ended": "event", "running": "start"})
    frame = pd.concat([people.assign(client=1), episodes.assign(client=0, w=1.0)], ignore_index=True)
    frame["group"] = np.where(frame["client"] == 1, frame["adviser"], frame["practice"])
    frame["alone"] = np.where(frame["client"] == 1, frame["id"], frame["practice"])
    names = [
        "client",
        "area",
        "diagnosis",
        "start",
        "stop",
        "event",
        "w",
        "group",
        "alone",
        "sex",
        "age",
        "referred_by",
    ]
    return frame[names]


if __name__ == "__main__":
    cohort().to_csv(Path(__file__).parent / "cohort.csv", index=False)
    stacked().to_csv(Path(__file__).parent / "stacked.csv", index=False)
