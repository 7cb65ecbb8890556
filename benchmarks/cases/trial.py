"""One intention-to-treat estimate from a frame: HC2, 20 covariates, at the size of a trial and at a million people."""

from __future__ import annotations

import numpy as np
import pandas as pd

import impactkit as ik
from benchmarks.harness import Answer, Case, Floats, Way, installed, missing

BLOCK = 4096
COVARIATES = tuple(f"x{number}" for number in range(20))
DESIGN = ik.TrialDesign(
    unit="person",
    arm="arm",
    treated=1,
    control=0,
    outcomes=(ik.Outcome(name="earnings", kind="money"),),
)
ANALYSIS = ik.IntentToTreat(name="itt", outcome="earnings", covariates=COVARIATES, adjustment="ancova")


def people(size: int, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(len(COVARIATES), size))
    arm = rng.integers(0, 2, size)
    earnings = 20_000.0 + 900.0 * arm + 2_000.0 * covariates[0] + 4_000.0 * (1.0 + 0.5 * arm) * rng.normal(size=size)
    columns = dict(zip(COVARIATES, covariates, strict=True))
    return pd.DataFrame({"person": np.arange(size), "arm": arm, "earnings": earnings} | columns)


def matrix_of(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    matrix = np.empty((len(frame), len(COVARIATES) + 2))
    matrix[:, 0] = 1.0
    for place, name in enumerate(("arm", *COVARIATES), start=1):
        matrix[:, place] = frame[name].to_numpy()
    return matrix, frame["earnings"].to_numpy()


def blocked_numpy(frame: pd.DataFrame) -> Answer:
    """Least work that gives estimate and HC2 standard error, in blocks of rows that never make a matrix of all rows."""
    columns = [frame[name].to_numpy() for name in ("arm", *COVARIATES)]
    earnings = frame["earnings"].to_numpy()
    size, width = len(earnings), len(columns) + 1
    rows = np.empty((BLOCK, width))

    def block(start: int) -> tuple[Floats, Floats]:
        stop = min(start + BLOCK, size)
        part = rows[: stop - start]
        part[:, 0] = 1.0
        for place, column in enumerate(columns, start=1):
            part[:, place] = column[start:stop]
        return part, earnings[start:stop]

    gram, products = np.zeros((width, width)), np.zeros(width)
    for start in range(0, size, BLOCK):
        part, outcome = block(start)
        gram += part.T @ part
        products += part.T @ outcome
    root = np.linalg.inv(np.linalg.cholesky(gram)).T
    coefficients = root @ (root.T @ products)
    variance = 0.0
    for start in range(0, size, BLOCK):
        part, outcome = block(start)
        basis = part @ root
        leverage = np.einsum("ij,ij->i", basis, basis)
        scores = (basis @ root[1]) * (outcome - part @ coefficients)
        variance += float((scores * scores / (1.0 - leverage)).sum())
    return coefficients[[1]], np.sqrt([variance])


def impactkit(frame: pd.DataFrame) -> ik.EvaluationResult:
    return ik.Evaluation(DESIGN, frame, [ANALYSIS]).fit(seed=1)


def of_result(result: ik.EvaluationResult) -> Answer:
    frame = result.tidy()
    return frame["estimate"].to_numpy()[:1], frame["std_error"].to_numpy()[:1]


def statsmodels_arrays(frame: pd.DataFrame) -> Answer:
    import statsmodels.api as sm

    matrix, earnings = matrix_of(frame)
    fitted = sm.OLS(earnings, matrix).fit(cov_type="HC2")
    return fitted.params[[1]], fitted.bse[[1]]


def statsmodels_formula(frame: pd.DataFrame) -> Answer:
    import statsmodels.formula.api as smf

    fitted = smf.ols(f"earnings ~ arm + {' + '.join(COVARIATES)}", frame).fit(cov_type="HC2")
    return np.array([fitted.params["arm"]]), np.array([fitted.bse["arm"]])


def linearmodels(frame: pd.DataFrame) -> Answer:
    from linearmodels.iv import IV2SLS

    controls = frame[["arm", *COVARIATES]].assign(constant=1.0)
    fitted = IV2SLS(frame["earnings"], controls, None, None).fit(cov_type="robust")
    return np.array([fitted.params["arm"]]), None  # its "robust" is not HC2


def pyfixest(frame: pd.DataFrame) -> Answer:
    import pyfixest as pf

    fitted = pf.feols(f"earnings ~ arm + {' + '.join(COVARIATES)}", frame, vcov="HC2")
    return np.array([fitted.coef().loc["arm"]]), None  # its "HC2" carries a further factor of n / (n - k)


def case(size: int = 10_000, aim: float | None = 2.0) -> Case:
    frame = people(size)
    evaluation = ik.Evaluation(DESIGN, frame, [ANALYSIS])
    ways = [
        Way("blocked numpy", lambda: blocked_numpy(frame), lambda answer: answer),
        Way("impactkit fit", lambda: evaluation.fit(seed=1), of_result, aim=aim),
        Way("impactkit construct + fit", lambda: impactkit(frame), of_result),
    ]
    if installed("statsmodels"):
        ways.append(Way("statsmodels arrays", lambda: statsmodels_arrays(frame), lambda answer: answer))
        ways.append(Way("statsmodels formula", lambda: statsmodels_formula(frame), lambda answer: answer))
    if installed("linearmodels"):
        ways.append(Way("linearmodels", lambda: linearmodels(frame), lambda answer: answer))
    if installed("pyfixest"):
        ways.append(Way("pyfixest", lambda: pyfixest(frame), lambda answer: answer))
    return Case(
        title=f"ITT from a frame, 20 covariates, HC2, {size:,} people",
        ways=ways,
        beside="blocked numpy",
        remarks=[
            "fit: of an evaluation that was fitted before, whose covariates are a matrix already",
            "impactkit keeps, by design, an influence value per person and estimate (the effect and the control mean): "
            "whatever is later combined, tested jointly or drawn from follows from them",
            "linearmodels and pyfixest: only estimates are compared, because their robust errors are not plain HC2",
            *missing("statsmodels", "linearmodels", "pyfixest"),
        ],
        tolerance=1e-7,  # the numpy kernel forms products of columns that are not centred
    )


def million() -> Case:
    return case(1_000_000, aim=None)
