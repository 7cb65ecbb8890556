"""Make the synthetic absences that R and Python both read. Run: python make_data.py"""

import numpy as np
import pandas as pd

rng = np.random.default_rng(2026)
n = 320
x = rng.normal(size=n).round(3)
arm = rng.integers(0, 2, n)
practice = rng.integers(0, 24, n)
pull = rng.normal(0, 0.2, 24)[practice]
time = np.exp(2.0 + 0.3 * x - 0.25 * arm + pull + 0.8 * rng.gumbel(size=n) * np.where(rng.random(n) < 0.5, 1.0, 0.7))
entry = np.where(rng.random(n) < 0.5, rng.uniform(0.5, 6, n), 0.0).round(2)
time = np.maximum(time, 0.2).round(2)
end = (entry + rng.uniform(4, 45, n)).round(2)
kept = time > entry
frame = pd.DataFrame(
    {
        "x": x,
        "arm": arm,
        "practice": practice,
        "entry": entry,
        "stop": np.minimum(time, end),
        "event": (time <= end).astype(int),
        "w": rng.uniform(0.4, 2.5, n).round(3),
    }
)
width = rng.choice([0.0, 2.0, 4.0, 8.0], n, p=[0.4, 0.2, 0.2, 0.2])
low = np.where(width > 0, np.floor(frame["stop"] / np.maximum(width, 1)) * width, frame["stop"])
frame["lower"] = np.where(frame["event"] == 1, low, frame["stop"])
frame["upper"] = np.where(frame["event"] == 1, np.where(width > 0, low + width, frame["stop"]), np.inf)
frame["lower_late"] = np.maximum(frame["lower"], entry)
frame[kept].to_csv("absences.csv", index=False, na_rep="")
