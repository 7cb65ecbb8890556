"""Calibrate: mean estimates over 200 seeds beside the printed Table 1. Writes docs/trial-calibration.md and .csv.

    python docs/trial_calibration.py [SEEDS]

Takes about two minutes. `make slow` runs the same and holds it to the committed table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import impactkit as ik
from impactkit.cli.trials import health_led_plan
from impactkit.data import synthetic_health_led_trials
from impactkit.data.synthetic_facts import GROUPS, fact
from impactkit.published import PublishedValue, load
from impactkit.report import get_style

HERE = Path(__file__).parent
SEEDS = 200
SHOWN = {
    "employment": "Employment, ppt",
    "earnings": "Earnings, £",
    "health": "Health, SD",
    "wellbeing": "Wellbeing, SD",
}
DECIMALS = {"employment": 2, "earnings": 0, "health": 3, "wellbeing": 3}


def estimates(seeds: range) -> pd.DataFrame:
    """Give one row per seed, population and outcome: the effect as printed (ppt, £, SD), its error and its stars."""
    plan = health_led_plan()
    chosen = plan.replace(analyses=plan.analyses[:2])
    style = get_style("dwp_trials")
    frames = []
    for seed in seeds:
        result = ik.Evaluation.from_plan(chosen, synthetic_health_led_trials(seed)).fit(seed=seed, strict=True)
        rows = result.tidy()
        rows = rows[rows["measure"].isin(["difference", "standardised_difference"])]
        factor = np.where(rows["unit"] == "proportion", 100.0, 1.0)
        frames.append(
            pd.DataFrame(
                {
                    "seed": seed,
                    "population": rows["population"],
                    "outcome": rows["outcome"],
                    "estimate": rows["estimate"] * factor,
                    "std_error": rows["std_error"] * factor,
                    "stars": [style.stars_for(p) for p in rows["p_value"]],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Set the printed figure, the target, the mean over seeds and the shares of stars side by side."""
    printed = load("hlet.1")
    stars = printed.frame(as_printed=True).set_index(["group", "outcome"])["stars"]
    rows = []
    for (population, outcome), mine in found.groupby(["population", "outcome"], sort=False):
        where = {"group": str(population), "outcome": str(outcome).capitalize()}
        cell = printed.cell(where, "impact")
        target = np.nan
        if population in GROUPS:
            target = fact(f"impact on {outcome}", str(population)) * (100 if outcome == "employment" else 1)
        mean, error = mine["estimate"].mean(), mine["estimate"].std(ddof=1) / np.sqrt(len(mine))
        mark = stars[where["group"], where["outcome"]]
        rows.append(
            {
                "population": population,
                "outcome": outcome,
                "printed": cell.text,
                "printed_stars": mark,
                "target": target,
                "mean": mean,
                "mc_se": error,
                "mc_errors_off": (mean - (cell.value if np.isnan(target) else target)) / error,
                "verdict": _verdict(mean, error, cell, target),
                "mean_std_error": mine["std_error"].mean(),
                "sd_of_estimates": mine["estimate"].std(ddof=1),
                **{f"share {label}": float((mine["stars"] == text).mean()) for label, text in STARS.items()},
                "share_as_printed": float((mine["stars"] == mark).mean()),
                "seeds": len(mine),
            }
        )
    return pd.DataFrame(rows)


STARS = {"none": "", "*": "*", "**": "**", "***": "***"}
CLOSE = 3.0
"""A mean over seeds within this many of its Monte Carlo errors is the same as the target."""


def _verdict(mean: float, error: float, cell: PublishedValue, target: float) -> str:
    """Say whether the mean over seeds is what is printed, allowing for Monte Carlo error and the printed rounding."""
    has_target = not np.isnan(target)
    if has_target and abs(target - cell.value) > cell.rounding_unit:
        return "not tuned to (misprint)"
    slack = CLOSE * error + (0.0 if has_target else cell.rounding_unit / 2)
    return "equal within MC error" if abs(mean - cell.value) <= slack else "gap"


def page(table: pd.DataFrame) -> str:
    """Write the table as a page of the documentation."""
    seeds = int(table["seeds"].iloc[0])
    lines = [
        "# Calibration of the synthetic trials",
        "",
        f"Made by `python docs/trial_calibration.py`: {seeds} seeds (0 to {seeds - 1}), each evaluated with the",
        "plan that ships with the package. *Off* is the distance from the target in Monte Carlo standard errors. The",
        "pooled columns have no target: they are what the three groups imply. Their distance is from the printed",
        "figure, and a gap is more than half a unit of its last place and three Monte Carlo standard errors.",
        "",
    ]
    for name, chosen in (("Targets", True), ("Pooled columns: outputs, never targets", False)):
        lines += [
            f"## {name}",
            "",
            "| group | outcome | printed | target | mean over seeds | MC SE | off | |",
            "| --- " * 8 + "|",
        ]
        for row in table[table["target"].notna() == chosen].to_dict("records"):
            places = DECIMALS[row["outcome"]]
            cells = [
                row["population"],
                SHOWN[row["outcome"]],
                row["printed"] + _shown(row["printed_stars"]),
                f"{row['target']:.{places}f}" if chosen else "",
                f"{row['mean']:.{places}f}",
                f"{row['mc_se']:.{places + 1}f}",
                f"{row['mc_errors_off']:+.1f}",
                row["verdict"],
            ]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += [
        "Table 1 prints 0.9 for wellbeing in WMCA, without a star; the target is 0.09, for the reason in",
        "[the trial impact table](trial-table.md). So that cell is not the printed one, and is left so.",
        "",
        "## Share of seeds by number of stars",
        "",
        "| group | outcome | printed | none | \\* | \\*\\* | \\*\\*\\* | as printed |",
        "| --- " * 8 + "|",
    ]
    for row in table.to_dict("records"):
        shares = [f"{row[f'share {label}']:.0%}" for label in (*STARS,)]
        cells = [row["population"], SHOWN[row["outcome"]], _shown(row["printed_stars"]) or "none", *shares]
        lines.append("| " + " | ".join([*cells, f"{row['share_as_printed']:.0%}"]) + " |")
    lines += [
        "",
        "Stars depend on the errors, and the summary prints no errors: how well the baseline columns predict an",
        "outcome is our assumption. A printed star is one draw; these shares say how usual it would be.",
        "",
    ]
    return "\n".join(lines)


def _shown(stars: str) -> str:
    return stars.replace("*", "\\*")


def main(seeds: int = SEEDS) -> None:
    """Run the seeds and write both files."""
    table = summary(estimates(range(seeds)))
    (HERE / "trial-calibration.csv").write_text(table.round(6).to_csv(index=False), encoding="utf-8")
    (HERE / "trial-calibration.md").write_text(page(table), encoding="utf-8")
    print(page(table))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
