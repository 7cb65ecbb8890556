"""Write pyfixest.csv and pyfixest_versions.txt: `python make_pyfixest.py`, with pyfixest and wildboottest installed."""

from __future__ import annotations

import csv
import sys
from importlib import metadata
from pathlib import Path

import pyfixest as pf
from make_data import OUTCOMES, people

HERE = Path(__file__).resolve().parent
REPS, SEED = 99_999, 7  # so that nearly all the noise is on our side


def main() -> None:
    models = pf.feols(f"{' + '.join(OUTCOMES)} ~ z + age", people(), vcov="hetero")
    raw = [model.pvalue().loc["z"] for model in models.to_list()]
    romano_wolf = pf.rwolf(models, "z", reps=REPS, seed=SEED).loc["RW Pr(>|t|)"].to_list()
    westfall_young = pf.wyoung(models, "z", reps=REPS, seed=SEED).loc["WY Pr(>|t|)"].to_list()
    with (HERE / "pyfixest.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["outcome", "p_value", "romano_wolf", "westfall_young"])
        for row in zip(OUTCOMES, raw, romano_wolf, westfall_young, strict=True):
            writer.writerow([row[0], *(repr(float(value)) for value in row[1:])])
    packages = ("pyfixest", "wildboottest", "numba", "numpy", "pandas", "scipy")
    lines = [f"python {sys.version.split()[0]}", *(f"{name} {metadata.version(name)}" for name in packages)]
    (HERE / "pyfixest_versions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
