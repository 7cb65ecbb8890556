"""Write episodes.csv: synthetic control episodes in whole days, with open ones and late entry, in six practices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(20_260_811)
practices, m = 6, 260
practice = rng.integers(0, practices, m)
shift = rng.normal(0.0, 0.25, practices)
days = np.ceil(np.exp(3.3 + shift[practice] + rng.normal(0.0, 1.0, m)))
days = np.where(rng.random(m) < 0.4, np.ceil(days / 7) * 7, days)
late = np.where(rng.random(m) < 0.2, np.floor(rng.uniform(0, 50, m)), 0.0)
kept = days > late
watched = late + np.round(rng.uniform(20, 200, m))
frame = pd.DataFrame(
    {
        "practice": practice,
        "late": late.astype(int),
        "stop": np.minimum(days, watched).astype(int),
        "ended": (days <= watched).astype(int),
    }
)[kept & (watched > late)]
frame.to_csv(Path(__file__).with_name("episodes.csv"), index=False)
