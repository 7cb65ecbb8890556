"""Draw the pictures of the README and of the pages on power and on weeks saved: ``make picture``."""

from pathlib import Path

import impactkit as ik
from impactkit.cli.demo import jobs2_data, jobs2_plan
from impactkit.data import synthetic_fit_notes, synthetic_norm_design, synthetic_pilot_clients
from impactkit.report import figure_bytes, weeks_saved_forest, weeks_saved_tornado

IMAGES = Path(__file__).parent / "images"
TARGET = IMAGES / "jobs2-forest.png"


def main() -> None:
    """Write the forest plot of the JOBS II demonstration, three methods side by side, and power curves."""
    result = ik.Evaluation.from_plan(jobs2_plan(), jobs2_data()).fit(seed=1)
    TARGET.write_bytes(figure_bytes(result[["Unadjusted", "ANCOVA", "Lin"]].plot("forest"), "png", dpi=110))
    power = ik.Evaluation.from_plan(ik.Plan.load(IMAGES.parent / "power.toml")).fit()
    (IMAGES / "power-curves.png").write_bytes(figure_bytes(power.plot("power"), "png", dpi=110))
    weeks_saved()


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
