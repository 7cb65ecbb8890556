"""Draw the pictures of the README and of the page on power: ``make picture``."""

from pathlib import Path

import impactkit as ik
from impactkit.cli.demo import jobs2_data, jobs2_plan
from impactkit.report import figure_bytes

IMAGES = Path(__file__).parent / "images"
TARGET = IMAGES / "jobs2-forest.png"


def main() -> None:
    """Write the forest plot of the JOBS II demonstration, three methods side by side, and power curves."""
    result = ik.Evaluation.from_plan(jobs2_plan(), jobs2_data()).fit(seed=1)
    TARGET.write_bytes(figure_bytes(result[["Unadjusted", "ANCOVA", "Lin"]].plot("forest"), "png", dpi=110))
    power = ik.Evaluation.from_plan(ik.Plan.load(IMAGES.parent / "power.toml")).fit()
    (IMAGES / "power-curves.png").write_bytes(figure_bytes(power.plot("power"), "png", dpi=110))


if __name__ == "__main__":
    main()
