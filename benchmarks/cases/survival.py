"""Kaplan-Meier and the log-rank test on whole days, beside a plain count by day, lifelines, scikit-survival and R."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import Answer, Case, Floats, Way, installed, missing
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.influence import person_rmst, rmst_greenwood
from impactkit.compute.survival.logrank import log_rank

PEERS = ("lifelines", "sksurv")
R_SAYS = "R: its own processor time, of the best of three once the data are read"
R_SCRIPT = """
suppressMessages(library(survival))
given <- commandArgs(TRUE)
d <- matrix(readBin(given[1], "double", 3 * as.integer(given[2])), ncol = 3)
what <- given[3]
run <- function() if (what == "curve") survfit(Surv(d[, 1], d[, 2]) ~ 1) else survdiff(Surv(d[, 1], d[, 2]) ~ d[, 3])
taken <- min(sapply(1:3, function(i) sum(system.time(run())[1:2])))
found <- run()
out <- if (what == "curve") found$surv[found$n.event > 0] else found$chisq
writeLines(format(c(taken, out), digits = 17), given[4])
"""


class R:
    """R's survival in a process of its own: the clock adds up what R said of its own processor time."""

    def __init__(self, what: str, *columns: np.ndarray) -> None:
        self.what, self.columns, self.total = what, columns, 0.0

    def __call__(self) -> Floats:
        table = np.column_stack([np.asarray(column, dtype=float) for column in self.columns])
        with tempfile.TemporaryDirectory() as folder:
            at = Path(folder)
            (at / "d.bin").write_bytes(np.asfortranarray(table).tobytes(order="F"))
            (at / "run.R").write_text(R_SCRIPT)
            files = [str(at / "run.R"), str(at / "d.bin"), str(len(table)), self.what, str(at / "out")]
            subprocess.run(["Rscript", *files], check=True)
            numbers = np.array([float(line) for line in (at / "out").read_text().split()])
        self.total += float(numbers[0])
        return numbers[1:]

    def clock(self) -> float:
        return self.total


def absences(size: int, seed: int = 5) -> tuple[Floats, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, size)
    length = np.ceil(rng.lognormal(3.5 + 0.1 * group, 1.0))
    end = rng.integers(60, 366, size).astype(float)
    return np.minimum(length, end), length <= end, group


def count_by_day(stop: Floats, event: np.ndarray) -> Floats:
    """The least work: exits and events of each day, and one running product."""
    days = stop.astype(np.int64)
    gone = np.bincount(days)
    had = np.bincount(days[event], minlength=gone.size)
    risk = np.cumsum(gone[::-1])[::-1]
    survival: Floats = np.cumprod(1.0 - had / risk)
    return survival[had > 0]


def case(size: int = 1_000_000) -> Case:
    stop, event, group = absences(size)
    ways = [
        Way("impactkit", lambda: product_limit(stop, event).survival, _alone, aim=3.0),
        Way("numpy, counts by day", lambda: count_by_day(stop, event), _alone),
    ]
    if installed("lifelines"):
        ways.append(Way("lifelines KaplanMeierFitter", lambda: _lifelines(stop, event), _alone))
    if installed("sksurv"):
        ways.append(Way("scikit-survival", lambda: _sksurv(stop, event), _alone))
    if shutil.which("Rscript"):
        r = R("curve", stop, event, group)
        ways.append(Way("R survfit", r, _alone, clock=r.clock, memory=False))
    return Case(
        f"Kaplan-Meier, {size:,} people, whole days",
        ways,
        beside="numpy, counts by day",
        remarks=[*missing(*PEERS), R_SAYS],
        tolerance=1e-9,
        compares="the curve at every event time",
    )


def between_groups(size: int = 1_000_000) -> Case:
    stop, event, group = absences(size)

    def own() -> Answer:
        return np.array([log_rank(stop, event, group).statistic]), None

    ways = [Way("impactkit", own, lambda found: found, aim=1.0)]
    if installed("lifelines"):
        ways.append(Way("lifelines logrank_test", lambda: _lifelines_test(stop, event, group), _alone))
    if installed("sksurv"):
        ways.append(Way("scikit-survival compare_survival", lambda: _sksurv_test(stop, event, group), _alone))
    if shutil.which("Rscript"):
        r = R("test", stop, event, group)
        ways.append(Way("R survdiff", r, _alone, clock=r.clock, memory=False))
    beside = "lifelines logrank_test" if installed("lifelines") else "impactkit"
    return Case(
        f"Log-rank test of two groups, {size:,} people, whole days",
        ways,
        beside=beside,
        remarks=[*missing(*PEERS), R_SAYS],
        tolerance=1e-7,
        compares="the chi-square",
    )


def rmst_case(size: int = 1_000_000) -> Case:
    """Every person's influence on a restricted mean: the price of carrying them, beside the error alone."""
    stop, event, _ = absences(size)
    curve = product_limit(stop, event)

    def influence() -> Floats:
        return np.array([np.sqrt((person_rmst(curve, stop, event, 180.0) ** 2).sum())])

    def alone() -> Floats:
        return np.array([rmst_greenwood(product_limit(stop, event), 180.0)])

    return Case(
        f"Restricted mean to 180 days, {size:,} people: its error",
        [Way("influence of every person", influence, _alone), Way("curve and Greenwood's sum", alone, _alone)],
        beside="curve and Greenwood's sum",
        tolerance=1e-9,
        compares="the standard error",
    )


def _alone(found: Floats) -> Answer:
    return found, None


def _lifelines(stop: Floats, event: np.ndarray) -> Floats:
    from lifelines import KaplanMeierFitter

    fitter = KaplanMeierFitter().fit(stop, event)
    table = fitter.event_table
    survival: Floats = fitter.survival_function_.to_numpy()[:, 0]
    return survival[table["observed"].to_numpy() > 0]


def _sksurv(stop: Floats, event: np.ndarray) -> Floats:
    from sksurv.nonparametric import kaplan_meier_estimator

    time, survival = kaplan_meier_estimator(event, stop)
    found: Floats = survival[np.isin(time, np.unique(stop[event]))]
    return found


def _lifelines_test(stop: Floats, event: np.ndarray, group: np.ndarray) -> Floats:
    from lifelines.statistics import logrank_test

    one = group == 1
    return np.array([logrank_test(stop[one], stop[~one], event[one], event[~one]).test_statistic])


def _sksurv_test(stop: Floats, event: np.ndarray, group: np.ndarray) -> Floats:
    from sksurv.compare import compare_survival

    made = np.zeros(stop.size, dtype=[("event", bool), ("time", float)])
    made["event"], made["time"] = event, stop
    return np.array([compare_survival(made, group)[0]])
