"""Draw the pictures of the README and of the pages on power, weeks saved and the EQ-5D: ``make picture``."""

from pathlib import Path

import numpy as np
import pandas as pd

import impactkit as ik
from impactkit.cli.demo import jobs2_data, jobs2_plan
from impactkit.data import synthetic_fit_notes, synthetic_norm_design, synthetic_pilot_clients
from impactkit.report import eq5d_problems, figure_bytes, weeks_saved_forest, weeks_saved_tornado

IMAGES = Path(__file__).parent / "images"
TARGET = IMAGES / "jobs2-forest.png"


def main() -> None:
    """Write the forest plot of the JOBS II demonstration, three methods side by side, and power curves."""
    result = ik.Evaluation.from_plan(jobs2_plan(), jobs2_data()).fit(seed=1)
    TARGET.write_bytes(figure_bytes(result[["Unadjusted", "ANCOVA", "Lin"]].plot("forest"), "png", dpi=110))
    power = ik.Evaluation.from_plan(ik.Plan.load(IMAGES.parent / "power.toml")).fit()
    (IMAGES / "power-curves.png").write_bytes(figure_bytes(power.plot("power"), "png", dpi=110))
    weeks_saved()
    eq5d()


def eq5d() -> None:
    """Draw the problems by dimension of the page on the EQ-5D, from the same synthetic answers."""
    rng = np.random.default_rng(7)
    ill, digits = rng.normal(0.9, 0.8, 400), np.array([10_000, 1_000, 100, 10, 1])
    entry, discharge = (
        np.clip(np.round(1.4 + (ill - better)[:, None] + rng.normal(0, 0.8, (400, 5))), 1, 5).astype(int) @ digits
        for better in (0.0, 0.5)
    )
    clients = pd.DataFrame({"id": np.arange(400), "entry": entry, "discharge": discharge})
    rng.integers(18, 65, 400), rng.choice(["female", "male"], 400)  # ages and sexes, which the page draws here
    clients["discharge"] = clients["discharge"].astype("Int64").mask(rng.random(400) < 0.15)
    design = ik.BeforeAfterDesign(unit="id", before="entry", after="discharge")
    profile = ik.Eq5dProfile(name="health", instrument="EQ-5D-5L")
    result = ik.Evaluation(design, clients, [profile]).fit(seed=1)
    figure = eq5d_problems(result.tidy(), result.glance(), title="People with problems, synthetic data")
    (IMAGES / "eq5d-problems.png").write_bytes(figure_bytes(figure, "png", dpi=110))


def weeks_saved() -> None:
    """Draw the forest and the tornado of the page on weeks saved, from the same synthetic data."""
    people, notes = synthetic_pilot_clients(effect=0.8, seed=1), synthetic_fit_notes(area="all", seed=1)
    saved = ik.WeeksSaved(name="saved", horizon=13, restrict="clients", by_cell=True)
    base = saved.replace(populations=("All areas",))
    grid = ik.WeeksSavedGrid(name="grid", base=base, horizons=(6.5, 19.5, 26))
    data = {"people": people, "fit_notes": notes}
    result = ik.Evaluation(synthetic_norm_design(), data, [saved, grid]).fit(seed=1)
    for name, draw in (("forest", weeks_saved_forest), ("tornado", weeks_saved_tornado)):
        figure = draw(result.tidy(), result.glance(), title="weeks saved per client, synthetic data")
        (IMAGES / f"weeks-saved-{name}.png").write_bytes(figure_bytes(figure, "png", dpi=110))


if __name__ == "__main__":
    main()
