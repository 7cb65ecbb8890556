"""Run every simulation and write docs/simulations.md: ``.venv/bin/python tests/simulations/report.py``."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from _simulate import SEED, Table
from joblib import Parallel, delayed
from trials import TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulations.md"

HEAD = f"""\
# Size and coverage

How often the 95% interval of an estimate holds the truth, and how often the 5% test rejects a null that is true, in
trials drawn by computer. Every row goes the public way, `Evaluation(design, data, analyses).fit()`, as often as R
says, with seed {SEED}. *SE / SD* is the mean standard error over the standard deviation of the estimates, *MC SE* the
Monte Carlo standard error of a coverage of 95%. A row passes when its coverage lies in the band, which is 95% ± 3 of
those unless a wider one is given with its reason.

This page was written by `.venv/bin/python tests/simulations/report.py`; `make slow` runs the same simulations as tests.
The trials are defined in `tests/simulations/trials.py`.
"""


def _run(name: str) -> tuple[Table, str]:
    return TABLES[name](), textwrap.dedent(TABLES[name].__doc__ or "").strip()


if __name__ == "__main__":
    found = Parallel(n_jobs=-1)(delayed(_run)(name) for name in TABLES)
    parts = [f"## {table.title}\n\n{words}\n\n{table}\n" for table, words in found]
    PAGE.write_text("\n".join([HEAD, *parts]), encoding="utf-8")
    print(f"{PAGE}\n" + "\n".join(f"{table.title}: {table.failures() or 'all pass'}" for table, _ in found))
    sys.exit(any(table.failures() for table, _ in found))
