"""Repeat a trial through ``Evaluation.fit`` and see how often its intervals hold the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import impactkit as ik

SEED = 20_260_801
LEVEL = 0.95


@dataclass(frozen=True)
class Target:
    """One row to watch in every replication.

    Parameters
    ----------
    label : str
    find : mapping
        What identifies the row in ``tidy()``.
    truth : float
    band : (float, float), optional
        Coverage that passes; by default 95% ± 3 Monte Carlo standard errors.
    reason : str
        Why the band is wider.
    """

    label: str
    find: dict[str, str]
    truth: float
    band: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """A way of drawing trials, and what is to be found in them."""

    name: str
    design: ik.TrialDesign
    draw: Callable[[np.random.Generator], pd.DataFrame]
    analyses: tuple[Any, ...]
    targets: tuple[Target, ...]
    n: str
    clusters: str = "none"
    response: str = "100%"
    replications: int = 2000


@dataclass
class Table:
    """Rows of a printed table of size and coverage."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        names = list(self.rows[0])
        lines = [names, *([str(row[name]) for name in names] for row in self.rows)]
        head, *body = ["| " + " | ".join(line) + " |" for line in lines]
        why = "; ".join(f"{band}: {reason}" for band, reason in self.reasons.items())
        notes = [f"\n\\* wider than 95% ± 3 Monte Carlo standard errors. {why}."] if why else []
        return "\n".join([head, "| " + " | ".join("---" for _ in names) + " |", *body, *notes])

    def failures(self) -> list[str]:
        return [f"{row['trial']}, {row['row']}: {row['coverage']}" for row in self.rows if row["passes"] != "yes"]


def simulate(title: str, trials: Iterable[Trial]) -> Table:
    """Run every trial; one line per target, with coverage of the 95% interval and what explains it.

    Size is the share of p values below 5% where the truth is 0.
    """
    table = Table(title)
    for place, trial in enumerate(trials):
        found = _replicate(trial, np.random.default_rng([SEED, len(title), place]))
        for target, (estimate, error, low, high, p_value) in zip(trial.targets, found, strict=True):
            assert np.isfinite(error).all(), f"{trial.name}, {target.label}: an interval is missing"
            r = len(estimate)
            coverage = float(((low <= target.truth) & (target.truth <= high)).mean())
            monte_carlo = float(np.sqrt(LEVEL * (1 - LEVEL) / r))
            band = target.band or (LEVEL - 3 * monte_carlo, LEVEL + 3 * monte_carlo)
            if target.reason:
                table.reasons[f"{band[0]:.1%} to {band[1]:.1%}"] = target.reason
            size = f"{(p_value < 1 - LEVEL).mean():.1%}" if target.truth == 0 else ""
            table.rows.append(
                {
                    "trial": trial.name,
                    "row": target.label,
                    "n": trial.n,
                    "clusters": trial.clusters,
                    "response": trial.response,
                    "R": f"{r:,}",
                    "truth": f"{target.truth:.3f}",
                    "bias": f"{estimate.mean() - target.truth:+.3f}",
                    "SE / SD": f"{error.mean() / estimate.std(ddof=1):.3f}",
                    "coverage": f"{coverage:.1%}",
                    "size": size,
                    "MC SE": f"{monte_carlo:.1%}",
                    "band": f"{band[0]:.1%} to {band[1]:.1%}" + ("*" if target.reason else ""),
                    "passes": "yes" if band[0] <= coverage <= band[1] else "NO",
                }
            )
    return table


def _replicate(trial: Trial, rng: np.random.Generator) -> np.ndarray:
    """Give estimate, error, both limits and p value of each target: shape (targets, 5, R)."""
    columns = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
    found = np.full((len(trial.targets), 5, trial.replications), np.nan)
    places: list[int] | None = None
    for turn in range(trial.replications):
        result = ik.Evaluation(trial.design, trial.draw(rng), trial.analyses).fit(seed=1, strict=True)
        estimates = result.estimates
        if places is None:
            places = [estimates.find(**target.find) for target in trial.targets]
        for line, column in enumerate(columns):
            found[:, line, turn] = estimates.numbers[column][places]
    return found
