"""Run simulations and write docs/simulations.md: ``.venv/bin/python tests/simulations/report.py [NAME ...]``.

With names only these are run, and their sections put in place of those on the page, or added at its end.
"""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from _simulate import SEED, Table
from joblib import Parallel, delayed
from norm_tables import NORM_TABLES
from test_time_to_work_coverage import table as time_to_work
from trials import TABLES as TRIALS

TABLES = {**TRIALS, "time_to_work": time_to_work, **NORM_TABLES}

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulations.md"

HEAD = f"""\
# Size and coverage

How often the 95% interval of an estimate holds the truth, and how often the 5% test rejects a null that is true, in
trials drawn by computer. Unless a section says otherwise every row goes the public way,
`Evaluation(design, data, analyses).fit()`, as often as R says, with seed {SEED}. *SE / SD* is the mean standard error
over the standard deviation of the estimates, *MC SE* the Monte Carlo standard error of a coverage of 95%. A row passes
when its coverage lies in the band, which is 95% ± 3 of those unless a wider one is given with its reason.

This page was written by `.venv/bin/python tests/simulations/report.py`; `make slow` runs the same simulations as tests.
The trials are defined in `tests/simulations/trials.py`.
"""


def _run(name: str) -> tuple[Table, str]:
    return TABLES[name](), inspect.cleandoc(TABLES[name].__doc__ or "")


def _written() -> dict[str, str]:
    """Give the sections of the page as it stands, by title."""
    if not PAGE.exists():
        return {}
    return {part.split("\n", 1)[0]: "## " + part for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]}


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(TABLES)
    found = Parallel(n_jobs=-1)(delayed(_run)(name) for name in chosen)
    sections = _written() if sys.argv[1:] else {}
    for table, words in found:
        sections[table.title] = f"## {table.title}\n\n{words}\n\n{table}\n"
    PAGE.write_text("\n".join([HEAD, *(part.rstrip("\n") + "\n" for part in sections.values())]), encoding="utf-8")
    for table, _ in found:
        print(f"{table.title}: {[row for row in table.rows if row['passes'] == 'NO'] or 'all pass'}")
    sys.exit(any(row["passes"] == "NO" for table, _ in found for row in table.rows))
