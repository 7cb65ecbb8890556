"""90 regressions: 5 overlapping populations, 6 outcomes and 3 specifications of one trial."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import impactkit as ik
from benchmarks.harness import Answer, Case, Floats, Way, installed, missing

BLOCK = 1024
OUTCOMES = tuple(f"y{number}" for number in range(6))
COVARIATES = tuple(f"x{number}" for number in range(8))
SPECIFICATIONS: tuple[Literal["none", "ancova", "lin"], ...] = ("none", "ancova", "lin")
POPULATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "SCR": (("site", "SCR"),),
    "WMCA": (("site", "WMCA"),),
    "OOW": (("work", "out"),),
    "SCR OOW": (("site", "SCR"), ("work", "out")),
    "IW": (("work", "in"),),
}


def people(size: int, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(size, len(COVARIATES)))
    covariates[:, 4:] = covariates[:, 4:] > 0.3
    treated = rng.random(size) < 0.5
    signal = covariates @ rng.normal(size=(len(COVARIATES), len(OUTCOMES))) * 0.3
    values = signal + 0.1 * treated[:, None] + rng.normal(size=(size, len(OUTCOMES)))
    values[:, :2] = values[:, :2] > 0.0
    return pd.DataFrame(
        {
            "person": np.arange(size),
            "arm": np.where(treated, "IPS", "usual"),
            "site": rng.choice(["SCR", "WMCA"], size),
            "work": rng.choice(["out", "in"], size),
        }
        | dict(zip(COVARIATES, covariates.T.copy(), strict=True))
        | dict(zip(OUTCOMES, values.T.copy(), strict=True))
    )


def design() -> ik.TrialDesign:
    binary = {OUTCOMES[0], OUTCOMES[1]}
    return ik.TrialDesign(
        unit="person",
        arm="arm",
        treated="IPS",
        control="usual",
        outcomes=tuple(
            ik.Outcome(name=name, kind="binary") if name in binary else ik.Outcome(name=name, kind="continuous")
            for name in OUTCOMES
        ),
        populations=tuple(ik.Population(name=name, where=where) for name, where in POPULATIONS.items()),
    )


def analyses() -> list[ik.IntentToTreat]:
    return [
        ik.IntentToTreat(
            name=name,
            outcome=OUTCOMES,
            adjustment=name,
            covariates=() if name == "none" else COVARIATES,
        )
        for name in SPECIFICATIONS
    ]


def of_result(result: ik.EvaluationResult) -> Answer:
    frame = result.tidy()
    effects = frame[frame["measure"] == "difference"]
    return effects["estimate"].to_numpy(), effects["std_error"].to_numpy()


class Arrays:
    """The same trial as arrays, in the order specification, population, outcome."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.treated: Floats = np.asarray(frame["arm"] == "IPS", dtype=np.float64)
        self.covariates = np.ascontiguousarray(frame[list(COVARIATES)].to_numpy(float))
        self.outcomes = np.ascontiguousarray(frame[list(OUTCOMES)].to_numpy(float))
        self.members = [
            np.logical_and.reduce([(frame[column] == label).to_numpy() for column, label in where])
            for where in POPULATIONS.values()
        ]

    def of(self, member: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        rows = np.flatnonzero(member)
        return self.treated[rows], self.covariates.take(rows, axis=0), self.outcomes.take(rows, axis=0)


def design_matrix(treated: Floats, covariates: Floats, specification: str) -> Floats:
    width = {"none": 0, "ancova": 1, "lin": 2}[specification] * covariates.shape[1]
    matrix = np.empty((len(treated), 2 + width))
    matrix[:, 0] = 1.0
    matrix[:, 1] = treated
    if specification == "ancova":
        matrix[:, 2:] = covariates
    elif specification == "lin":
        centred = matrix[:, 2 : 2 + covariates.shape[1]]
        np.subtract(covariates, covariates.mean(axis=0), out=centred)
        np.multiply(treated[:, None], centred, out=matrix[:, 2 + covariates.shape[1] :])
    return matrix


def stacked_numpy(arrays: Arrays) -> Answer:
    """The least work that gives estimate and HC2 standard error: one factorisation, all outcomes at once."""
    estimates = np.empty((len(SPECIFICATIONS), len(POPULATIONS), len(OUTCOMES)))
    errors = np.empty_like(estimates)
    for place, member in enumerate(arrays.members):
        treated, covariates, outcomes = arrays.of(member)
        for number, specification in enumerate(SPECIFICATIONS):
            matrix = design_matrix(treated, covariates, specification)
            root = np.linalg.inv(np.linalg.cholesky(matrix.T @ matrix)).T
            coefficients = root @ (root.T @ (matrix.T @ outcomes))
            variance = np.zeros(len(OUTCOMES))
            for start in range(0, len(matrix), BLOCK):
                rows = matrix[start : start + BLOCK]
                residuals = outcomes[start : start + BLOCK] - rows @ coefficients
                basis = rows @ root
                pull = basis @ root[1]
                leverage = np.einsum("ij,ij->i", basis, basis)
                np.multiply(residuals, residuals, out=residuals)
                variance += (pull * pull / (1.0 - leverage)) @ residuals
            estimates[number, place] = coefficients[1]
            errors[number, place] = np.sqrt(variance)
    return estimates.ravel(), errors.ravel()


def statsmodels_arrays(arrays: Arrays) -> Answer:
    import statsmodels.api as sm

    found = []
    for specification in SPECIFICATIONS:
        for member in arrays.members:
            treated, covariates, outcomes = arrays.of(member)
            matrix = design_matrix(treated, covariates, specification)
            for column in range(len(OUTCOMES)):
                fitted = sm.OLS(outcomes[:, column], matrix).fit(cov_type="HC2")
                found.append((fitted.params[1], fitted.bse[1]))
    estimates, errors = np.array(found).T
    return estimates, errors


def _frames(frame: pd.DataFrame, arrays: Arrays) -> list[pd.DataFrame]:
    """Each population's people, with their covariates centred there under names of their own."""
    found = []
    for member in arrays.members:
        own = frame[member].assign(z=arrays.treated[member])
        found.append(own.assign(**{f"c{name}": own[name] - own[name].mean() for name in COVARIATES}))
    return found


def _right_side(specification: str) -> str:
    return {
        "none": "z",
        "ancova": " + ".join(("z", *COVARIATES)),
        "lin": f"z * ({' + '.join(f'c{name}' for name in COVARIATES)})",
    }[specification]


def statsmodels_formulas(frame: pd.DataFrame, arrays: Arrays) -> Answer:
    import statsmodels.formula.api as smf

    found = []
    frames = _frames(frame, arrays)
    for specification in SPECIFICATIONS:
        right = _right_side(specification)
        for own in frames:
            for outcome in OUTCOMES:
                fitted = smf.ols(f"{outcome} ~ {right}", own).fit(cov_type="HC2")
                found.append((fitted.params["z"], fitted.bse["z"]))
    estimates, errors = np.array(found).T
    return estimates, errors


def pyfixest(frame: pd.DataFrame, arrays: Arrays) -> Answer:
    import pyfixest as pf

    found: list[float] = []
    frames = _frames(frame, arrays)
    for specification in SPECIFICATIONS:
        right = _right_side(specification)
        for own in frames:
            several: Any = pf.feols(f"{' + '.join(OUTCOMES)} ~ {right}", own, vcov="HC2")
            found += [float(fitted.coef().loc["z"]) for fitted in several.to_list()]
    return np.array(found), None  # its "HC2" carries a further factor of n / (n - k)


def case(size: int = 10_000) -> Case:
    frame = people(size)
    arrays = Arrays(frame)
    evaluation = ik.Evaluation(design(), frame, analyses())
    ways = [
        Way("stacked numpy", lambda: stacked_numpy(arrays), lambda answer: answer),
        Way("impactkit fit", lambda: evaluation.fit(seed=1), of_result, aim=6.0),
        Way("impactkit construct + fit", lambda: ik.Evaluation(design(), frame, analyses()).fit(seed=1), of_result),
    ]
    if installed("statsmodels"):
        ways += [
            Way("statsmodels arrays", lambda: statsmodels_arrays(arrays), lambda answer: answer),
            Way("statsmodels formulas", lambda: statsmodels_formulas(frame, arrays), lambda answer: answer),
        ]
    if installed("pyfixest"):
        ways.append(Way("pyfixest", lambda: pyfixest(frame, arrays), lambda answer: answer))
    return Case(
        title=f"90 regressions (5 populations x 6 outcomes x 3 specifications), HC2, {size:,} people",
        ways=ways,
        beside="stacked numpy",
        remarks=[
            "fit: of an evaluation that was fitted before, whose covariates and populations are arrays already",
            "impactkit also gives control means, degrees of freedom, intervals, counts and every influence value",
            "pyfixest: only estimates are compared, because its HC2 carries a further factor",
            *missing("pyfixest"),
        ],
    )
