"""Made-up absences for the reference figures: whole days with many ties, delayed entry, weights, clusters, strata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
n = 240
group = np.arange(n) % 3
site = np.arange(n) // 3 % 4
entry = np.where(np.arange(n) < 40, 0, rng.integers(0, 25, n))
length = np.round(np.exp(rng.normal(3.6 + 0.25 * (group == 1) - 0.1 * site, 0.9, n))).astype(int) + entry // 2 + 1
length = np.maximum(length, entry + 1)
end = np.maximum(entry + 1, rng.integers(30, 160, n))
frame = pd.DataFrame(
    {
        "entry": entry,
        "stop": np.minimum(length, end),
        "event": (length <= end).astype(int),
        "group": group,
        "site": site,
        "practice": rng.integers(0, 20, n),
        "w": rng.uniform(0.4, 3.0, n).round(3),
        "x": rng.normal(size=n).round(4),
    }
)
frame.to_csv(Path(__file__).with_name("absences.csv"), index=False)
