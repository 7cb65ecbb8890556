"""Does a year's window of fit notes give back the curve of absence? Bias of each reading, by simulation.

Absences begin evenly over two years, last a log-normal time (median eight weeks, sigma 1), and are certified without a
gap by notes of one to eight weeks, each issued on its first day. The window is the second year.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.compute.survival.curves import product_limit

RUNS = 200
ABSENCES = 1500
OPENS, CLOSES = np.datetime64("2012-01-01"), np.datetime64("2012-12-31")
AT = np.array([28.0, 56.0, 112.0])
WINDOW = ("2012-01-01", "2012-12-31")


def absences(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.maximum(1, np.round(np.exp(rng.normal(np.log(56), 1.0, size)))).astype(int)


def notes(rng: np.random.Generator) -> pd.DataFrame:
    days = absences(rng, ABSENCES)
    begin = rng.integers(-366, 366, ABSENCES)
    per = 1 + days.max() // 7
    lengths = rng.choice([7, 14, 28, 56], (ABSENCES, per), p=[0.2, 0.3, 0.4, 0.1])
    passed = np.cumsum(lengths, axis=1) - lengths
    person, place = np.nonzero(passed < days[:, None])
    first = begin[person] + passed[person, place]
    last = np.minimum(first + lengths[person, place], begin[person] + days[person]) - 1
    frame = pd.DataFrame({"patient": person, "starts": OPENS + first, "ends": OPENS + last, "status": "not fit"})
    frame["issued"] = frame["starts"]
    return frame[frame["starts"] <= CLOSES]


def curve(frame: pd.DataFrame, rules: ik.FitNoteEpisodes) -> np.ndarray:
    found = ik.build_episodes(frame, rules).frame
    found = found[found["observed_to"] > found["observed_from"]]
    estimate = product_limit(
        found["observed_to"].to_numpy(), ~found["open"].to_numpy(), start=found["observed_from"].to_numpy()
    )
    return estimate.at(AT)


READINGS = {
    "every note kept": (False, ik.FitNoteEpisodes(window=WINDOW)),
    "every note kept, gap 28": (False, ik.FitNoteEpisodes(window=WINDOW, gap_days=28)),
    "prevalent dropped": (False, ik.FitNoteEpisodes(window=WINDOW, prevalent="dropped")),
    "followed to the last certified day": (False, ik.FitNoteEpisodes(window=WINDOW, open_until="last_certified_day")),
    "followed to the last certified day, gap 28": (
        False,
        ik.FitNoteEpisodes(window=WINDOW, gap_days=28, open_until="last_certified_day"),
    ),
    "records begin with the window": (True, ik.FitNoteEpisodes(window=WINDOW)),
    "records begin with the window, run-in 64": (True, ik.FitNoteEpisodes(window=WINDOW, run_in_days=64)),
}


def simulate(runs: int) -> pd.DataFrame:
    """Give bias and Monte Carlo error of S(t), in percentage points, for every reading."""
    truth = (absences(np.random.default_rng(0), 4_000_000)[:, None] > AT).mean(axis=0)
    found: dict[str, list[np.ndarray]] = {name: [] for name in READINGS}
    for run in range(runs):
        frame = notes(np.random.default_rng([7, run]))
        late = frame[frame["issued"] >= OPENS]
        for name, (from_window, rules) in READINGS.items():
            found[name].append(100 * (curve(late if from_window else frame, rules) - truth))
    rows = []
    for name, values in found.items():
        bias, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(runs)
        rows += [(name, int(day), bias[place], error[place]) for place, day in enumerate(AT)]
    return pd.DataFrame(rows, columns=["reading", "day", "bias", "error"])


@pytest.mark.slow
def test_the_default_reading_is_unbiased_and_the_others_are_not() -> None:
    table = simulate(RUNS).set_index(["reading", "day"])
    for name in (
        "every note kept",
        "every note kept, gap 28",
        "prevalent dropped",
        "records begin with the window, run-in 64",
    ):
        rows = table.loc[name]
        assert (rows["bias"].abs() < 3.5 * rows["error"]).all(), (name, rows)
    assert table.loc[("followed to the last certified day", 56), "bias"] > 1.0
    assert table.loc[("followed to the last certified day, gap 28", 56), "bias"] > 2.0
    assert table.loc[("records begin with the window", 112), "bias"] > 0.5


if __name__ == "__main__":
    print(simulate(RUNS).round(2).to_string(index=False))
