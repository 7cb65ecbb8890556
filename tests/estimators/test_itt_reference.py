"""IntentToTreat through ``Evaluation.fit`` against estimatr, survey and t.test (scripts in tests/reference)."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from _trial import adjusting, assert_row, design, expected, fit, people, row

import impactkit as ik

LINEAR, OWN = "linear", "estimators"
GRID = list(itertools.product((False, True), (False, True), ("none", "ancova", "lin"), (False, True)))


def _tag(weighted: bool, clustered: bool) -> str:
    return f"{'w' if weighted else 'u'}/{'cr2' if clustered else 'hc2'}"


@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
def test_estimatr_grid(weighted, clustered, adjustment, strata):
    trial = design(weighted=weighted, clustered=clustered, strata=strata)
    result = fit(trial, outcome=("y", "y2"), **adjusting(adjustment))
    for outcome in ("y", "y2"):
        case = f"robust/{outcome}/{_tag(weighted, clustered)}/{adjustment}/{'strata' if strata else 'plain'}"
        assert_row(row(result, outcome=outcome, term="1"), expected(LINEAR)[case])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC3"])
def test_other_hc_kinds(kind, weighted):
    result = fit(design(weighted=weighted), inference=getattr(ik, kind)(), **adjusting("ancova"))
    assert_row(row(result, term="1"), expected(LINEAR)[f"hc/{'w' if weighted else 'u'}/{kind}"])


@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
def test_three_arms(weighted, clustered, adjustment, strata):
    result = fit(design(arm="arm", weighted=weighted, clustered=clustered, strata=strata), **adjusting(adjustment))
    assert result.tidy()["term"].tolist() == ["B", "C", "control_mean"]
    for arm in ("B", "C"):
        case = f"three/{_tag(weighted, clustered)}/{adjustment}/{'strata' if strata else 'plain'}/{arm}"
        assert_row(row(result, term=arm), expected(OWN)[case])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("adjustment", ["none", "ancova"])
def test_assigned_by_cluster(adjustment, weighted):
    trial = design(arm="zc", weighted=weighted, clustered=True, strata=adjustment == "ancova")
    result = fit(trial, **adjusting(adjustment, ("x1",)))
    assert_row(row(result, term="1"), expected(LINEAR)[f"assigned/{'w' if weighted else 'u'}/{adjustment}"])


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outcome", ["y", "y2"])
def test_control_mean(outcome, weighted, clustered):
    found = row(
        fit(design(weighted=weighted, clustered=clustered), outcome=outcome, **adjusting("ancova")), term="control_mean"
    )
    assert pd.isna(found["p_value"])  # a mean of zero is nobody's hypothesis
    reference = expected(OWN)[f"control/{outcome}/{_tag(weighted, clustered)}"]
    assert_row({**found, "p_value": reference["p_value"]}, reference)


@pytest.mark.parametrize("reference", ["t.test", "difference_in_means"])
@pytest.mark.parametrize("outcome", ["y", "y2"])
def test_welch(outcome, reference):
    found = row(fit(design(), outcome=outcome, df="welch"), term="1")
    assert_row(found, expected(OWN)[f"welch/{reference}/{outcome}"])


@pytest.mark.parametrize("strata", [False, True])
@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
@pytest.mark.parametrize("weighted", [False, True])
def test_satterthwaite_df_without_clusters(weighted, adjustment, strata):
    """CR2 with everybody a cluster of one has these degrees of freedom and, without weights, HC2's error."""
    result = fit(design(weighted=weighted, strata=strata), df="satterthwaite", **adjusting(adjustment))
    found = row(result, term="1")
    reference = expected(OWN)[f"alone/{'w' if weighted else 'u'}/{adjustment}/{'strata' if strata else 'plain'}"]
    if weighted:  # HC2 takes the weights for those of unequal variances, CR2's working model does not
        assert found["df"] == pytest.approx(reference["df"], rel=1e-8)
        plain = row(fit(design(weighted=True, strata=strata), **adjusting(adjustment)), term="1")
        assert found["std_error"] == plain["std_error"]
    else:
        assert_row(found, reference)


# --- linearised: survey::svyglm -------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
def test_svyglm_without_strata(adjustment, clustered, weighted):
    result = fit(design(weighted=weighted, clustered=clustered), inference=ik.Linearised(), **adjusting(adjustment))
    unit = "psu" if clustered else "person"
    case = f"linearised/{'w' if weighted else 'u'}/{unit}/{adjustment}/plain"
    assert_row(row(result, term="1"), expected(LINEAR)[case])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
@pytest.mark.parametrize("outcome", ["y", "y2"])
def test_svyglm_with_strata(outcome, adjustment, clustered, weighted):
    trial = design(weighted=weighted, clustered=clustered, strata=True)
    result = fit(trial, outcome=outcome, inference=ik.Linearised(), **adjusting(adjustment))
    case = f"svyglm/{outcome}/{'w' if weighted else 'u'}/{'psu' if clustered else 'person'}/{adjustment}"
    assert_row(row(result, term="1"), expected(OWN)[case])


DOMAINS = {
    "group": ("y", True, (("group", (0, 1)),)),
    "two_strata": ("y2", True, (("stratum", ("s1", "s3")),)),
    "few_units": ("y", True, (("cluster", tuple(code for code in range(30) if code % 3)),)),
    "no_clusters": ("y2", False, (("group", (0, 1, 2)),)),
}


@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
@pytest.mark.parametrize("name", DOMAINS)
def test_svyglm_in_a_declared_population(name, adjustment):
    outcome, clustered, where = DOMAINS[name]
    populations = (ik.Population(name=name, where=where),)
    trial = design(weighted=True, clustered=clustered, strata=True, populations=populations)
    result = fit(trial, outcome=outcome, inference=ik.Linearised(), **adjusting(adjustment))
    assert_row(row(result, population=name, term="1"), expected(OWN)[f"domain/{name}/{adjustment}"])


def test_svyglm_in_a_population_without_strata():
    populations = (ik.Population(name="first nine", where=(("cluster", tuple(range(9))),)),)
    trial = design(weighted=True, clustered=True, populations=populations)
    result = fit(trial, inference=ik.Linearised())
    assert_row(row(result, term="1"), expected(LINEAR)["domain/no_strata"])


# --- populations that lack a level or a stratum, and batches ------------------------------------------------


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("adjustment", ["ancova", "lin"])
def test_population_without_a_level_and_a_stratum(adjustment, weighted, clustered):
    where = (("x2", ("high", "mid")), ("stratum", ("s1", "s2", "s3")))
    trial = design(
        weighted=weighted, clustered=clustered, strata=True, populations=(ik.Population(name="part", where=where),)
    )
    found = row(fit(trial, **adjusting(adjustment)), term="1")
    assert_row(found, expected(OWN)[f"absent/{_tag(weighted, clustered)}/{adjustment}"])


@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
def test_a_batch_equals_its_single_fits(weighted, clustered, adjustment, strata):
    populations = (
        ik.Population(name="most", where=(("group", (0, 1, 2, 3)),)),
        ik.Population(name="part", where=(("stratum", ("s1", "s3")),)),
    )
    options = adjusting(adjustment)
    trial = design(weighted=weighted, clustered=clustered, strata=strata, populations=populations)
    frame = people().assign(y3=people()["y"] * 2 + people()["group"])  # shares y's sample, so one factorisation
    together = fit(trial, frame, outcome=("y", "y2", "y3"), **options).tidy()
    for population, outcome in itertools.product(("most", "part"), ("y", "y2", "y3")):
        alone = fit(trial, frame, outcome=outcome, populations=(population,), **options).tidy()
        both = together[(together["population"] == population) & (together["outcome"] == outcome)]
        if outcome == "y2":  # the only one of its sample: the very same sums
            pd.testing.assert_frame_equal(both.reset_index(drop=True), alone, check_exact=True)
        else:  # a product with two columns may add in another order than with one
            pd.testing.assert_frame_equal(both.reset_index(drop=True), alone, rtol=1e-12, atol=1e-12)


def test_every_case_of_this_fixture_is_read():
    heads = [case.split("/")[0] for case in expected(OWN)]
    counted = {head: heads.count(head) for head in dict.fromkeys(heads)}
    assert counted == {"control": 8, "three": 48, "welch": 4, "alone": 12, "svyglm": 24, "domain": 12, "absent": 8}
