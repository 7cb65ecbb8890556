"""BinaryEffect and OddsRatios against glm with sandwich, clubSandwich and svyglm(quasibinomial).

The averages over people (marginal risks, marginal effects) are checked against stacked estimating equations
differentiated numerically, and against survey's variance of a total. Script: tests/reference/binary.
"""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from _binary import MEASURES, clients, design, effect, fit, odds, people
from _trial import REFERENCE, assert_row, expected, row

import impactkit as ik
from impactkit.compute.firth import fit_firth

ROOM = "binary"
TERMS = {"x1": "x1", "x2high": "x2[high]", "x2mid": "x2[mid]", "z": "z[1]"}
UNITS = {"person": False, "psu": True}

# How far the standard error and degrees of freedom of clubSandwich's CR2 of a glm may be from ours, as a share.
ANOTHER_ROOT = 0.002


# --- conditional odds ratios ----------------------------------------------------------------------------------


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "model"])
def test_glm_with_sandwich(kind, term):
    inference = ik.ModelBased() if kind == "model" else getattr(ik, kind)()
    found = row(odds(design(), inference=inference), term=TERMS[term])
    reference = expected(ROOM)[f"odds/{kind}/{term}"]
    if kind == "model":
        assert found["df"] == reference["df"] == np.inf
        found, reference = {**found, "df": 0.0}, {**reference, "df": 0.0}
    assert_row(found, reference)


@pytest.mark.parametrize("term", TERMS)
def test_weighted_glm_with_sandwich(term):
    found = row(odds(design(weighted=True), inference=ik.HC0()), term=TERMS[term])
    assert_row(found, expected(ROOM)[f"odds/HC0/w/{term}"])


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_club_sandwich(weighted, term):
    found = row(odds(design(weighted=weighted, clustered=True)), term=TERMS[term])
    case = f"{'w' if weighted else 'u'}/{term}"
    assert_row(found, expected(ROOM)[f"odds/CR2/{case}"])
    # Its CR2 of a glm takes another root of the same matrix: both are unbiased under the working model.
    other = expected(ROOM)[f"odds/club/{case}"]
    assert found["std_error"] == pytest.approx(other["std_error"], rel=ANOTHER_ROOT)
    assert found["df"] == pytest.approx(other["df"], rel=ANOTHER_ROOT)


GRID = list(itertools.product((False, True), UNITS, (False, True)))


@pytest.mark.parametrize(("weighted", "unit", "strata"), GRID)
def test_svyglm_quasibinomial(weighted, unit, strata):
    trial = design(weighted=weighted, clustered=UNITS[unit], strata=strata)
    result = odds(trial, inference=ik.Linearised())
    for term, name in TERMS.items():
        case = f"odds/svyglm/{'w' if weighted else 'u'}/{unit}/{'strata' if strata else 'plain'}/{term}"
        assert_row(row(result, term=name), expected(ROOM)[case])


# --- marginal effects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_marginal_effects(weighted):
    result = odds(design(weighted=weighted), inference=ik.HC0(), marginal_effects=True)
    for term, name in TERMS.items():
        found = row(result, term=name, measure="difference")
        assert_row(found, expected(ROOM)[f"effects/HC0/{'w' if weighted else 'u'}/{term}"])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_marginal_effects_by_design(weighted, unit):
    trial = design(weighted=weighted, clustered=UNITS[unit])
    result = odds(trial, inference=ik.Linearised(), marginal_effects=True)
    for term, name in TERMS.items():
        found = row(result, term=name, measure="difference")
        assert_row(found, expected(ROOM)[f"effects/svy/{unit}/{'w' if weighted else 'u'}/{term}"])


# --- marginal risks of a trial ------------------------------------------------------------------------------------

MODELS = list(itertools.product((False, True), ("ancova", "lin"), (False, True)))


@pytest.mark.parametrize(("weighted", "adjustment", "strata"), MODELS)
@pytest.mark.parametrize("kind", ["HC0", "HC2", "CR2", "svy/person", "svy/psu"])
def test_standardised_risks(kind, weighted, adjustment, strata):
    name = f"trial/{'w' if weighted else 'u'}/{adjustment}/{'strata' if strata else 'plain'}/{kind}"
    trial = design(weighted=weighted, clustered=kind in ("CR2", "svy/psu"), strata=strata)
    inference = ik.Linearised() if kind.startswith("svy") else getattr(ik, kind)()
    result = effect(trial, covariates=("x1", "x2"), adjustment=adjustment, inference=inference)
    for measure in MEASURES:
        assert_row(row(result, term="1", measure=measure), expected(ROOM)[f"{name}/{measure}"])


@pytest.mark.parametrize("arm", ["B", "C"])
@pytest.mark.parametrize("weighted", [False, True])
def test_three_arms(weighted, arm):
    trial = design(arm="arm", weighted=weighted)
    result = effect(trial, covariates=("x1", "x2"), inference=ik.HC0())
    for measure in MEASURES:
        case = f"three/{'w' if weighted else 'u'}/{arm}/{measure}"
        assert_row(row(result, term=arm, measure=measure), expected(ROOM)[case])


def test_every_case_of_this_fixture_is_read():
    heads = [case.split("/")[0] for case in expected(ROOM)]
    assert {head: heads.count(head) for head in dict.fromkeys(heads)} == {
        "odds": 72,
        "effects": 24,
        "trial": 120,
        "three": 12,
    }


# --- the same by other roads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weighted", "clustered", "strata"), list(itertools.product((False, True), repeat=3)))
@pytest.mark.parametrize("linearised", [False, True])
def test_without_covariates_the_difference_is_intention_to_treat(weighted, clustered, strata, linearised):
    trial = design(weighted=weighted, clustered=clustered, strata=strata)
    options = {"outcome": "y2", "inference": ik.Linearised() if linearised else None}
    result = fit(trial, ik.IntentToTreat(name="itt", **options), ik.BinaryEffect(name="b", **options))
    frame = result.tidy().drop(columns=["analysis", "unit"])
    for term, measure in (("1", "difference"), ("control_mean", "mean")):
        ours, theirs = (
            frame[(result.tidy()["analysis"] == name) & (frame["term"] == term) & (frame["measure"] == measure)]
            for name in ("b", "itt")
        )
        assert ours.to_csv(index=False) == theirs.to_csv(index=False)


@pytest.mark.parametrize("inference", [ik.HC0(), ik.HC2()])
def test_ratios_without_covariates_have_the_closed_form_of_a_two_by_two_table(inference):
    one, zero = (45, 75), (30, 82)  # with the outcome, without
    frame = clients(z=np.repeat([1, 0], [120, 112]), y2=np.repeat([1, 0, 1, 0], [*one, *zero]))
    result = effect(design(), frame=frame, inference=inference)
    factor = [n / (n - 1) if inference.kind == "HC2" else 1.0 for n in (120, 112)]
    odds_variance = factor[0] * (1 / 45 + 1 / 75) + factor[1] * (1 / 30 + 1 / 82)  # Woolf
    risk_variance = factor[0] * (1 / 45 - 1 / 120) + factor[1] * (1 / 30 - 1 / 112)  # Katz
    for measure, ratio, variance in (
        ("odds_ratio", (45 / 75) / (30 / 82), odds_variance),
        ("risk_ratio", (45 / 120) / (30 / 112), risk_variance),
    ):
        found = row(result, term="1", measure=measure)
        assert found["estimate"] == pytest.approx(ratio, rel=1e-12)
        assert found["std_error"] == pytest.approx(ratio * np.sqrt(variance), rel=1e-12)
        assert found["conf_low"] * found["conf_high"] == pytest.approx(ratio**2, rel=1e-12)


@pytest.mark.parametrize(("weighted", "clustered", "strata"), list(itertools.product((False, True), repeat=3)))
def test_the_marginal_effect_of_the_arm_is_the_standardised_difference(weighted, clustered, strata):
    """Two roads to one number: g-computation of a trial, and an average marginal effect."""
    trial = design(weighted=weighted, clustered=clustered, strata=strata)
    left = row(effect(trial, covariates=("x1", "x2"), conditional=True), term="1", measure="difference")
    result = odds(trial, covariates=("x1", "x2", "z"), marginal_effects=True)
    right = row(result, term="z[1]", measure="difference")
    assert_row(left, right)
    conditional = row(effect(trial, covariates=("x1", "x2"), conditional=True), term="1, conditional")
    assert_row(conditional, row(result, term="z[1]", measure="odds_ratio"))


# --- Firth --------------------------------------------------------------------------------------------------------


def firth() -> dict[str, dict[str, float]]:
    with (REFERENCE / ROOM / "firth.csv").open(encoding="utf-8") as handle:
        return {line["case"]: {name: float(line[name]) for name in list(line)[1:]} for line in csv.DictReader(handle)}


@pytest.mark.parametrize("outcome", ["y2", "separated"])
def test_firth_is_brglm2(outcome):
    frame = people().assign(
        separated=lambda d: np.where(d["y2"].isna(), np.nan, np.where(d["x2"] == "high", 1.0, d["y2"]))
    )
    trial = design(outcomes=(ik.Outcome(name=outcome, kind="binary"),))
    result = odds(trial, frame=frame, outcome=outcome, firth=True)
    for term, name in TERMS.items():
        reference, found = firth()[f"{outcome}/{term}"], row(result, term=name)
        assert np.log(found["estimate"]) == pytest.approx(reference["log_odds_ratio"], abs=1e-8)
        assert found["std_error"] / found["estimate"] == pytest.approx(reference["std_error"], abs=1e-8)


def test_firth_profile_is_what_an_optimiser_finds():
    """logistf's definition: twice the fall of the penalised likelihood, maximised over the rest, is 3.84."""
    from scipy.optimize import minimize
    from scipy.stats import chi2

    rng = np.random.default_rng(4)
    n = 60
    group, age = np.repeat([0, 1, 2], 20), rng.normal(size=n)
    y = (rng.random(n) < 0.5).astype(float)
    y[group == 2] = 1.0
    X = np.column_stack([np.ones(n), group == 1, group == 2, age]).astype(float)

    def penalised(beta):
        eta = X @ beta
        p = 1 / (1 + np.exp(-eta))
        logdet = np.linalg.slogdet(X.T @ (X * (p * (1 - p))[:, None]))[1]
        return y @ eta - np.logaddexp(0, eta).sum() + 0.5 * logdet

    def best(place=None, value=0.0):
        free = [j for j in range(4) if j != place]

        def negative(part):
            beta = np.zeros(4)
            beta[free] = part
            if place is not None:
                beta[place] = value
            return -penalised(beta)

        found = minimize(negative, np.zeros(len(free)), method="BFGS", options={"gtol": 1e-9})
        return -found.fun

    frame = clients(group=np.array(["a", "b", "c"])[group], age=age, back=y)
    plain = ik.BeforeAfterDesign(
        unit="person", before="age", after="age", outcomes=(ik.Outcome(name="back", kind="binary"),)
    )
    model = ik.OddsRatios(name="o", outcome="back", covariates=("group", "age"), firth=True)
    result = fit(plain, model, frame=frame)
    top = best()
    for place, term in ((1, "group[b]"), (2, "group[c]"), (3, "age")):
        found = row(result, term=term)
        for limit in (found["conf_low"], found["conf_high"]):
            assert 2 * (top - best(place, np.log(limit))) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-5)
        ratio = 2 * (top - best(place, 0.0))
        assert found["p_value"] == pytest.approx(chi2.sf(ratio, 1), abs=1e-6)
        assert found["statistic"] ** 2 == pytest.approx(ratio, abs=1e-5)
    assert row(result, term="group[c]")["conf_low"] > 1.0


def test_firth_of_a_saturated_model_adds_half_a_person_to_each_cell():
    """Its closed form: log odds ratio of the table with 1/2 added everywhere."""
    X = np.column_stack([np.ones(30), np.repeat([1.0, 0.0], [12, 18])])
    y = np.repeat([1.0, 0.0, 1.0], [12, 10, 8])
    found = fit_firth(X=X, y=y)
    assert found.coef[1] == pytest.approx(np.log((12.5 / 0.5) / (8.5 / 10.5)), abs=1e-10)
