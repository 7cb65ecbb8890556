"""Write the data of the reference: run from this folder with `python make_data.py`."""

from __future__ import annotations

import csv

import numpy as np


def main() -> None:
    """Draw clients and control episodes with ties, delayed entry and open episodes."""
    rng = np.random.default_rng(20)
    with open("episodes.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["episode", "cell", "practice", "start", "stop", "ended"])
        for number in range(160):
            stop = int(np.ceil(np.exp(rng.normal(3.6, 1.0))))
            start = int(rng.integers(0, stop)) if rng.random() < 0.3 else 0
            watched = int(rng.integers(40, 300))
            ended = int(stop <= start + watched)
            cell, practice = ("back", "mind")[number % 2], f"g{number % 7}"
            rows.writerow([number, cell, practice, start, min(stop, start + watched), ended])
    with open("clients.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["id", "cell", "adviser", "entry", "absent", "returned", "w"])
        for number in range(40):
            entry, since = int(rng.integers(5, 60)), int(np.ceil(rng.exponential(40)))
            watched = int(rng.integers(40, 130))
            returned = int(since <= watched)
            cell, weight = ("back", "mind")[int(rng.random() < 0.5)], round(float(rng.uniform(0.5, 2.0)), 3)
            rows.writerow([number, cell, f"a{number % 6}", entry, entry + min(since, watched), returned, weight])


if __name__ == "__main__":
    main()
