"""A family of 30 outcomes: step-down adjusted p values from 2,000 joint re-draws.

``python -m benchmarks.cases.stepdown`` runs this case by itself and prints how many times faster than pyfixest it was.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

import impactkit as ik
from benchmarks.harness import Answer, Case, Floats, Way, installed, measure, missing

DRAWS = 2000
HYPOTHESES = 30
CHUNK = 250
OUTCOMES = tuple(f"y{number:02d}" for number in range(HYPOTHESES))
COVARIATES = ("x0", "x1", "x2")
NOISE = 0.065  # four standard errors of the difference of two shares of 2,000 draws, at a share of a half


def people(size: int, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    treated = rng.permutation(np.arange(size) % 2)
    covariates = rng.normal(size=(size, len(COVARIATES)))
    effects = np.linspace(0.0, 0.08, HYPOTHESES)
    values = covariates @ rng.normal(size=(len(COVARIATES), HYPOTHESES)) * 0.3 + rng.normal(size=(size, 1))
    values = values + rng.normal(size=(size, HYPOTHESES)) + effects * treated[:, None]
    columns = dict(zip(COVARIATES, covariates.T.copy(), strict=True)) | dict(
        zip(OUTCOMES, values.T.copy(), strict=True)
    )
    return pd.DataFrame({"person": np.arange(size), "z": treated} | columns)


def design() -> ik.TrialDesign:
    return ik.TrialDesign(
        unit="person",
        arm="z",
        treated=1,
        control=0,
        outcomes=tuple(ik.Outcome(name=name, kind="continuous") for name in OUTCOMES),
        families=(ik.Family(name="thirty", outcomes=OUTCOMES),),
    )


def evaluation(frame: pd.DataFrame, method: Any, redraw: Any) -> ik.Evaluation:
    covariates = COVARIATES if redraw == "assignment" else ()
    adjust = ik.Multiplicity(
        name="several", of=("itt",), methods=(method,), redraw=redraw, covariates=covariates, draws=DRAWS
    )
    return ik.Evaluation(
        design(), frame, [ik.IntentToTreat(name="itt", outcome=OUTCOMES, covariates=COVARIATES), adjust]
    )


def of_result(result: ik.EvaluationResult) -> Answer:
    return result.adjusted()["p_adjusted"].to_numpy(), None


def numpy_multipliers(frame: pd.DataFrame) -> Answer:
    """The least work in plain numpy with one multiplier per person: regressions, products, a running maximum."""
    rng = np.random.default_rng(1)
    matrix = np.column_stack([np.ones(len(frame)), frame[["z", *COVARIATES]].to_numpy(float)])
    outcomes = frame[list(OUTCOMES)].to_numpy(float)
    bread = np.linalg.inv(matrix.T @ matrix)
    coefficients = bread @ (matrix.T @ outcomes)
    influence = (matrix @ bread[1])[:, None] * (outcomes - matrix @ coefficients)
    influence /= np.sqrt((influence**2).sum(axis=0))
    errors = np.sqrt((((matrix @ bread[1])[:, None] * (outcomes - matrix @ coefficients)) ** 2).sum(axis=0))
    observed = np.abs(coefficients[1] / errors)
    order = np.argsort(-observed)
    count = np.ones(HYPOTHESES)
    for start in range(0, DRAWS, CHUNK):
        signs = rng.integers(0, 2, size=(min(CHUNK, DRAWS - start), len(frame)), dtype=np.int8) * 2.0 - 1.0
        drawn = np.abs(signs @ influence)[:, order]
        highest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
        count += (highest >= observed[order]).sum(axis=0)
    adjusted: Floats = np.empty(HYPOTHESES)
    adjusted[order] = np.maximum.accumulate(count / (DRAWS + 1))
    return adjusted, None


def pyfixest(frame: pd.DataFrame, name: str) -> Answer:
    import pyfixest as pf

    models: Any = pf.feols(f"{' + '.join(OUTCOMES)} ~ z + {' + '.join(COVARIATES)}", frame, vcov="hetero")
    adjust = {"rwolf": (pf.rwolf, "RW Pr(>|t|)"), "wyoung": (pf.wyoung, "WY Pr(>|t|)")}[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = adjust[0](models, "z", reps=DRAWS, seed=1)
    return found.loc[adjust[1]].to_numpy(float), None


def case(size: int = 10_000) -> Case:
    frame = people(size)
    influence = evaluation(frame, "romano_wolf", "influence")
    assignment = evaluation(frame, "westfall_young", "assignment")
    ways = [
        Way("numpy multipliers", lambda: numpy_multipliers(frame), lambda answer: answer),
        Way("impactkit Romano-Wolf, regressions included", lambda: influence.fit(seed=1), of_result, aim=2.0),
        Way("impactkit Westfall-Young by assignment", lambda: assignment.fit(seed=1), of_result),
    ]
    peers = installed("pyfixest") and installed("wildboottest")
    if peers:
        ways += [
            Way(f"pyfixest {name}", lambda name=name: pyfixest(frame, name), lambda answer: answer)  # type: ignore[misc]
            for name in ("rwolf", "wyoung")
        ]
    return Case(
        title=f"Step-down over {HYPOTHESES} outcomes, {DRAWS:,} joint re-draws, {size:,} people",
        ways=ways,
        beside="numpy multipliers",
        remarks=[
            "by assignment, every re-draw has its own allocation and robust error, so it has no goal beside this limit",
            *missing("pyfixest", "wildboottest"),
        ],
        tolerance=NOISE,
        compares="adjusted p values, simulated on both sides,",
    )


def main() -> None:
    from benchmarks.harness import disagreements

    chosen = case()
    said = disagreements(chosen)
    if said:
        raise SystemExit("\n".join(said))
    timings = {timing.name: timing for timing in measure(chosen, 3)}
    slowest = {name: timing.median for name, timing in timings.items() if name.startswith("pyfixest")}
    for name, timing in timings.items():
        times = "".join(f"; {peer} takes {seconds / timing.median:,.0f}x" for peer, seconds in slowest.items())
        print(f"{name}: {timing.median:.3f} s, {timing.megabytes:,.0f} MB{times}")


if __name__ == "__main__":
    main()
