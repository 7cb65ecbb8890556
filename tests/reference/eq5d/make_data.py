"""Write made-up EQ-5D-5L profiles of 240 people of two arms, before and after; run once, output is kept."""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(11)
n = 240
arm = np.where(rng.random(n) < 0.5, "IPS", "usual")
ill = rng.normal(0.7, 0.8, n)
treated = arm == "IPS"
before = np.clip(np.round(1.6 + ill[:, None] + rng.normal(0, 0.9, (n, 5))), 1, 5).astype(int)
better = 0.2 + 0.3 * treated
after = np.clip(np.round(1.6 + (ill - better)[:, None] + rng.normal(0, 0.9, (n, 5))), 1, 5).astype(int)
digits = np.array([10_000, 1_000, 100, 10, 1])
people = pd.DataFrame({"id": np.arange(n), "arm": arm, "before": before @ digits, "after": after @ digits})
people["after"] = people["after"].astype("Int64").mask(rng.random(n) < 0.1)
people["before"] = people["before"].astype("Int64").mask(rng.random(n) < 0.05)
people["practice"] = rng.integers(0, 20, n)
people.to_csv(Path(__file__).with_name("people.csv"), index=False)
