"""Cox regression with Efron's ties: 20 covariates, whole days, a year of observation."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness import Answer, Case, Floats, Way, installed, missing
from impactkit.compute.survival.cox import CoxFit, cox

COVARIATES = 20

R_SCRIPT = """
suppressPackageStartupMessages(library(survival))
at <- commandArgs(TRUE)
d <- as.data.frame(matrix(readBin(at[1], "double", as.integer(at[2]) * 23), ncol = 23))
x <- as.matrix(d[, 1:20])
late <- at[3] == "late"
y <- if (late) Surv(d[[23]], d[[21]], d[[22]]) else Surv(d[[21]], d[[22]])
taken <- Inf
for (turn in 1:3) {
  used <- system.time(m <- coxph(y ~ x, robust = at[4] == "robust", id = if (at[4] == "robust") seq_len(nrow(d)),
    control = coxph.control(eps = 1e-11, toler.chol = 1e-13)))
  taken <- min(taken, used[[1]] + used[[2]])
  if (used[[1]] > 20) break
}
writeLines(format(c(taken, coef(m), sqrt(diag(m$var))), digits = 17), at[5])
"""


class Data:
    """Arrays of one study."""

    def __init__(self, size: int, *, late: bool, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(size, COVARIATES))
        self.x[:, 10:] = self.x[:, 10:] > 0.5
        pull = self.x @ rng.normal(0, 0.1, COVARIATES)
        whole = np.ceil(150.0 * rng.exponential(np.exp(-pull)))
        last = np.ceil(rng.uniform(30, 365, size))
        self.stop: Floats = np.minimum(whole, last)
        self.event: NDArray[np.bool_] = whole <= last
        before = np.floor(rng.random(size) * self.stop * (rng.random(size) < 0.5))
        self.start: Floats | None = before if late else None

    def fit(self) -> CoxFit:
        return cox(self.stop, self.event, self.x, start=self.start)

    def fit_robust(self) -> Answer:
        found = self.fit()
        return found.coef, np.sqrt(np.diagonal(found.robust))


def lifelines(data: Data) -> Any:
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(data.x, columns=[f"x{place}" for place in range(COVARIATES)])
    frame["stop"], frame["event"] = data.stop, data.event
    if data.start is not None:
        frame["start"] = data.start
    entry = None if data.start is None else "start"
    return CoxPHFitter().fit(frame, "stop", "event", entry_col=entry, fit_options={"precision": 1e-9})


def scikit_survival(data: Data) -> Any:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    return CoxPHSurvivalAnalysis(ties="efron").fit(data.x, Surv.from_arrays(data.event, data.stop))


class R:
    """R's coxph in a process of its own, which reads the data first and then times itself.

    The harness reads `clock` before and after `call`: the clock adds up what R said of its own processor time.
    """

    def __init__(self, data: Data, *, robust: bool = False) -> None:
        self.data, self.robust, self.total = data, robust, 0.0

    def __call__(self) -> Answer:
        data = self.data
        start = np.zeros(data.stop.size) if data.start is None else data.start
        table = np.column_stack([data.x, data.stop, data.event, start])
        with tempfile.TemporaryDirectory() as folder:
            at = Path(folder)
            (at / "d.bin").write_bytes(np.asfortranarray(table).tobytes(order="F"))
            (at / "run.R").write_text(R_SCRIPT)
            late, errors = "none" if data.start is None else "late", "robust" if self.robust else "model"
            command = ["Rscript", str(at / "run.R"), str(at / "d.bin"), str(len(table)), late, errors, str(at / "out")]
            subprocess.run(command, check=True)
            numbers = np.array([float(line) for line in (at / "out").read_text().split()])
        self.total += float(numbers[0])
        return numbers[1 : 1 + COVARIATES], numbers[1 + COVARIATES :]

    def clock(self) -> float:
        return self.total


def _case(size: int, *, late: bool, robust: bool = False, peers: bool = True) -> Case:
    data = Data(size, late=late)
    ways = []
    if robust:
        ways.append(Way("impactkit, robust errors", data.fit_robust, lambda answer: answer))
    ways.append(Way("impactkit", data.fit, None if robust else lambda fit: (fit.coef, np.sqrt(np.diagonal(fit.vcov)))))
    if peers and installed("lifelines") and not robust:
        ways.append(
            Way(
                "lifelines",
                lambda: lifelines(data),
                lambda fit: (fit.params_.to_numpy(), fit.standard_errors_.to_numpy()),
                memory=False,
            )
        )
    if peers and installed("sksurv") and not late and not robust:
        ways.append(Way("scikit-survival", lambda: scikit_survival(data), lambda fit: (fit.coef_, None), memory=False))
    if peers and shutil.which("Rscript"):
        r = R(data, robust=robust)
        ways.append(Way("R coxph", r, lambda answer: answer, clock=r.clock, memory=False))
    words = f"{', delayed entry' if late else ''}{', robust errors' if robust else ''}"
    return Case(
        title=f"Cox, Efron's ties, {COVARIATES} covariates, whole days{words}, {size:,} people",
        ways=ways,
        beside=ways[0].name,
        remarks=["R: its own processor time, of the best of three fits once the data are read", *missing("sksurv")],
        tolerance=1e-6,
        compares="log hazard ratios and their standard errors",
    )


def case(size: int = 10_000) -> Case:
    return _case(size, late=False)


def late(size: int = 10_000) -> Case:
    return _case(size, late=True)


def large(size: int = 100_000) -> Case:
    return _case(size, late=False)


def large_late(size: int = 100_000) -> Case:
    return _case(size, late=True)


def robust(size: int = 10_000) -> Case:
    return _case(size, late=False, robust=True)


def million(size: int = 1_000_000) -> Case:
    return _case(size, late=False, peers=False)
