"""The covariance of any two linear rows is that of their regressions stacked and clustered, through `Evaluation`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_up_trial import design, people
from stacked import Stack, equation, stack

import impactkit as ik
from impactkit.analysis import Inference

STACKED = 1e-8  # the promise: of the product of the two standard errors

OUTCOMES = ("worked", "trained", "health")
ADJUSTMENTS = ("none", "ancova", "lin")


def evaluated(
    *features: str, adjustment: str, inference: Inference | None = None, extra: tuple[ik.Combination, ...] = ()
) -> ik.EvaluationResult:
    adjusting = {} if adjustment == "none" else {"covariates": ("age", "sex"), "adjustment": adjustment}
    itt = ik.IntentToTreat(name="itt", outcome=OUTCOMES, inference=inference, **adjusting)
    declared = design("populations", *features)
    return ik.Evaluation(declared, people(), [itt, *extra]).fit(seed=1, strict=True)


def reference(*features: str, adjustment: str, kind: str) -> Stack:
    """Stack the regressions of all rows, in the order of the result."""
    data = people()
    weights = data["w"].to_numpy() if "weights" in features else None
    equations = [
        equation(
            data,
            outcome,
            data["group"].isin(groups),
            adjustment=adjustment,
            strata="strata" in features,
            weights=weights,
            mean=mean,
        )
        for groups in (["OOW"], ["OOW", "sick"])
        for outcome in OUTCOMES
        for mean in (False, True)
    ]
    clusters = data["practice" if "clusters" in features else "id"].to_numpy()
    return stack(equations, weights, clusters, kind=kind)


def assert_covariance(ours: np.ndarray, theirs: np.ndarray) -> None:
    scale = np.sqrt(np.outer(np.diagonal(theirs), np.diagonal(theirs)))
    np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0, atol=STACKED)


@pytest.mark.parametrize("strata", [(), ("strata",)], ids=["", "strata"])
@pytest.mark.parametrize("adjustment", ADJUSTMENTS)
@pytest.mark.parametrize("declared", [(), ("clusters",), ("weights",), ("clusters", "weights")], ids="-".join)
def test_covariance_is_that_of_the_stacked_regressions(
    declared: tuple[str, ...], adjustment: str, strata: tuple[str, ...]
) -> None:
    # Weighted without clusters, HC2 follows estimatr: each row of the stack has its own factor 1/(1 - w x'Mx).
    kind = "HC2" if declared == ("weights",) else "CR2"
    ours = evaluated(*declared, *strata, adjustment=adjustment)
    theirs = reference(*declared, *strata, adjustment=adjustment, kind=kind)
    assert_covariance(ours.covariance(), theirs.covariance)
    assert (np.abs(theirs.covariance) > 0).all(), "every pair of rows shares people, so nothing is zero by accident"
    np.testing.assert_allclose(ours.tidy()["std_error"] ** 2, np.diagonal(theirs.covariance), rtol=STACKED)


@pytest.mark.parametrize("adjustment", ADJUSTMENTS)
def test_covariance_of_linearised_rows_is_centred_within_strata(adjustment: str) -> None:
    declared = ("weights", "strata", "clusters")
    ours = evaluated(*declared, adjustment=adjustment, inference=ik.Linearised()).covariance()
    data, sums = people(), []
    weights = data["w"].to_numpy()
    practice = data["practice"].to_numpy()
    site = data.groupby("practice")["site"].first()
    for groups, outcome, mean in itertools.product((["OOW"], ["OOW", "sick"]), OUTCOMES, (False, True)):
        part = equation(
            data,
            outcome,
            data["group"].isin(groups),
            adjustment=adjustment,
            strata=True,
            weights=weights,
            mean=mean,
        )
        w = weights[part.rows]
        bread = np.linalg.inv(part.X.T @ (w[:, None] * part.X))
        errors = part.y - part.X @ (bread @ (part.X.T @ (w * part.y)))
        scores = np.zeros(len(data))
        scores[part.rows] = (bread @ (part.X.T * (w * errors)))[part.wanted]
        sums.append([scores[practice == label].sum() for label in site.index])
    totals, theirs = np.array(sums), 0.0
    for label in ("north", "south"):
        own = totals[:, (site == label).to_numpy()]
        centred = own - own.mean(axis=1, keepdims=True)
        theirs = theirs + own.shape[1] / (own.shape[1] - 1) * centred @ centred.T
    assert_covariance(ours, np.asarray(theirs))


def _ref(outcome: str, population: str) -> ik.RowRef:
    return ik.RowRef(analysis="itt", outcome=outcome, population=population)


@pytest.mark.parametrize("adjustment", ADJUSTMENTS)
@pytest.mark.parametrize("weights", [(), ("weights",)], ids=["", "weights"])
def test_df_of_a_clustered_combination_is_satterthwaites_of_the_stacked_contrast(
    adjustment: str, weights: tuple[str, ...]
) -> None:
    small, large = ("out of work", "out of work or sick")
    pairs = {
        "overlapping populations": (("worked", small), ("worked", large)),
        "two outcomes of one regression": (("worked", small), ("trained", small)),
        "two of everything": (("trained", large), ("worked", small)),
    }
    extra = tuple(
        ik.Combination(name=name, how="difference", of=(_ref(*first), _ref(*second)))
        for name, (first, second) in pairs.items()
    )
    pooled = ik.Combination(
        name="pooled", how="pooled", of=(_ref("worked", small), _ref("worked", large)), weights=(1.0, 3.0)
    )
    ours = evaluated("clusters", *weights, adjustment=adjustment, extra=(*extra, pooled))
    theirs = reference("clusters", *weights, adjustment=adjustment, kind="CR2")
    places = {
        (outcome, population): 2 * place
        for place, (population, outcome) in enumerate(itertools.product((small, large), OUTCOMES))
    }
    contrasts = {name: ((first, 1.0), (second, -1.0)) for name, (first, second) in pairs.items()}
    contrasts["pooled"] = ((("worked", small), 0.25), (("worked", large), 0.75))
    smallest = ours["itt"].tidy()["df"].min()
    for name, parts in contrasts.items():
        contrast = np.zeros(len(theirs.covariance))
        for key, coefficient in parts:
            contrast[places[key]] = coefficient
        row = ours[name].tidy().iloc[0]
        assert row["df"] == pytest.approx(theirs.df(contrast), rel=STACKED)
        assert row["df"] != pytest.approx(smallest, rel=1e-3)
        assert row["std_error"] == pytest.approx(np.sqrt(contrast @ theirs.covariance @ contrast), rel=STACKED)
        assert ours[name].notes()["reason"].str.contains("Satterthwaite").any()


def test_two_arms_of_one_regression_take_the_smallest_df_and_say_so() -> None:
    data = people()
    data.loc[data.index[::3], "arm"] = "light"
    declared = design("clusters", treated=("IPS", "light"))
    itt = ik.IntentToTreat(name="itt", outcome="worked")
    gap = ik.Combination(
        name="gap",
        how="difference",
        of=(ik.RowRef(analysis="itt", term="IPS"), ik.RowRef(analysis="itt", term="light")),
    )
    result = ik.Evaluation(declared, data, [itt, gap]).fit(seed=1)
    tidy = result.tidy()
    assert tidy["df"].iloc[3] == tidy["df"].iloc[:2].min()
    assert result["gap"].notes()["reason"].str.contains("smallest of the parts").any()
    # The difference of two arms against one control is the contrast of the arms: the control drops out.
    straight = (
        ik.Evaluation(design("clusters", control="light", treated=("IPS", "usual")), data, [itt]).fit(seed=1).tidy()
    )
    assert tidy["estimate"].iloc[3] == pytest.approx(straight["estimate"].iloc[0])
    assert tidy["std_error"].iloc[3] == pytest.approx(straight["std_error"].iloc[0], rel=0.05)
