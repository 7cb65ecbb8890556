"""What starting costs: `import impactkit` beside numpy and the packages it spares its user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks.harness import Case, Way, installed, missing

PEERS = ("pandas", "statsmodels.api", "linearmodels", "lifelines", "pyfixest")
FIRST_NAMES = "from impactkit import Evaluation, IntentToTreat, Outcome, TrialDesign"


class Import:
    """Run one statement in a fresh interpreter, which reports its own CPU seconds."""

    def __init__(self, statement: str) -> None:
        self.statement = statement
        self.seconds = 0.0

    def __call__(self) -> None:
        program = f"import time; start = time.process_time(); {self.statement}; print(time.process_time() - start)"
        done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        self.seconds += float(done.stdout)

    def clock(self) -> Callable[[], float]:
        return lambda: self.seconds


def _way(name: str, statement: str, aim: float | None = None) -> Way:
    run = Import(statement)
    return Way(name, run, aim=aim, clock=run.clock(), memory=False)


def case() -> Case:
    present = [peer for peer in PEERS if installed(peer.split(".")[0])]
    return Case(
        title="Import, files warm",
        ways=[
            _way("import numpy", "import numpy"),
            _way("import impactkit", "import impactkit", aim=1.6),
            _way("impactkit, names of a first trial", FIRST_NAMES),
            *(_way(f"import {peer}", f"import {peer}") for peer in present),
        ],
        beside="import numpy",
        remarks=[f"names of a first trial: `{FIRST_NAMES}`", *missing(*(peer.split(".")[0] for peer in PEERS))],
    )
