"""Write trial.csv: a synthetic trial in strata, with clusters, weights and gaps. Run: python make_data.py"""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(20260729)
n = 240
stratum = np.repeat(["north", "south", "west"], [60, 80, 100])
cluster = np.concatenate([np.repeat(range(12), 5), 12 + np.repeat(range(16), 5), 28 + np.repeat(range(20), 5)])
treated = np.zeros(n, dtype=int)
for name, share in (("north", 0.5), ("south", 0.25), ("west", 0.4)):
    people = np.flatnonzero(stratum == name)
    treated[rng.choice(people, int(share * len(people)), replace=False)] = 1
whole = np.zeros(n, dtype=int)
for name, number in (("north", 6), ("south", 4), ("west", 10)):
    codes = np.unique(cluster[stratum == name])
    whole[np.isin(cluster, rng.choice(codes, number, replace=False))] = 1
shared = rng.normal(size=cluster.max() + 1)[cluster]
age = np.round(40 + 9 * rng.normal(size=n) + 3 * shared, 1)
pd.DataFrame(
    {
        "id": range(n),
        "z": treated,
        "zc": whole,
        "stratum": stratum,
        "cluster": cluster,
        "w": np.round(rng.uniform(0.4, 2.5, n), 3),
        "age": age,
        "earnings": np.round(np.exp(9 + 0.7 * rng.normal(size=n) + 0.2 * shared), 0),
        "owner": (rng.random(n) < 0.35 + 0.1 * (shared > 0)).astype(int),
        "schooling": rng.choice(["none", "school", "degree"], n, p=[0.3, 0.5, 0.2]),
    }
).to_csv(Path(__file__).parent / "trial.csv", index=False)
