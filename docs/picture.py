"""Draw the picture of the README: ``make picture``."""

from pathlib import Path

import impactkit as ik
from impactkit.cli.demo import jobs2_data, jobs2_plan
from impactkit.report import figure_bytes

TARGET = Path(__file__).parent / "images" / "jobs2-forest.png"


def main() -> None:
    """Write the forest plot of the JOBS II demonstration, three methods side by side."""
    result = ik.Evaluation.from_plan(jobs2_plan(), jobs2_data()).fit(seed=1)
    TARGET.write_bytes(figure_bytes(result[["Unadjusted", "ANCOVA", "Lin"]].plot("forest"), "png", dpi=110))


if __name__ == "__main__":
    main()
