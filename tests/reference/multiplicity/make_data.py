"""The synthetic trial that the step-down references are computed on: 2,000 people, ten dependent outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd

OUTCOMES = tuple(f"y{number}" for number in range(10))
EFFECTS = (0.0, 0.05, 0.08, 0.1, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18)


def people(size: int = 2000, seed: int = 11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    treated = rng.permutation(np.arange(size) % 2)
    age = rng.normal(size=size)
    common = rng.normal(size=size)
    noise = rng.normal(size=(size, len(OUTCOMES)))
    values = 0.3 * age[:, None] + 0.6 * common[:, None] + 0.8 * noise + treated[:, None] * np.array(EFFECTS)
    values[:, 0] = values[:, 0] > 0.2
    values[:, 9] = np.exp(values[:, 9])
    columns = dict(zip(OUTCOMES, values.round(12).T, strict=True))
    return pd.DataFrame({"person": np.arange(size), "z": treated, "age": age.round(12)} | columns)
