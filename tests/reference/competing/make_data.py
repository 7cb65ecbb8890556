"""Make the people of the reference for competing exits: whole days with many ties, delayed entry, weights, clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    rng = np.random.default_rng(41)
    n = 260
    x = rng.normal(size=n).round(3)
    z = rng.integers(0, 2, n)
    group = rng.choice(["a", "b", "c"], n)
    block = rng.choice(["north", "south"], n)
    work = rng.exponential(30 * np.exp(-0.5 * x - 0.3 * z - 0.4 * (group == "b")))
    other = rng.exponential(70 * np.exp(0.4 * z), n)
    third = rng.exponential(150, n)
    censored = rng.uniform(10, 90, n)
    times = np.column_stack([censored, work, other, third])
    cause = times.argmin(axis=1)
    smooth = times.min(axis=1) + 0.01
    entry = np.where(np.arange(n) < 60, 0.0, np.floor(rng.uniform(0, 20, n)))
    days = np.ceil(smooth)
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "entry": entry,
            "days": days,
            "smooth": smooth.round(6),
            "cause": cause,
            "x": x,
            "z": z,
            "group": group,
            "block": block,
            "cluster": np.arange(n) % 23,
            "w": rng.uniform(0.5, 3, n).round(3),
            "late": (entry < days).astype(int),
        }
    )
    assert frame["smooth"].is_unique
    frame.to_csv(Path(__file__).parent / "people.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
