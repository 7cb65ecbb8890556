"""Every kernel against frozen output of estimatr, clubSandwich and survey (tests/reference/linear)."""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kernel_trial import FOLDER, TOLERANCE, assert_row, by_cluster, codes, column, dummies, expected, sample

from impactkit.compute.clusters import influence_cr2
from impactkit.compute.leastsquares import fit, influence_hc
from impactkit.compute.linearised import influence_linearised

Z = [1]


def _check_hc(case, *, X, Y, weights, kind="HC2", row=1):
    fitted = fit(X=X, Y=Y, weights=weights)
    values = influence_hc(fitted, X=X, weights=weights, rows=[row], kind=kind)[0, 0]
    assert_row(case, estimate=fitted.coef[row, 0], variance=(values**2).sum(), df=Y.shape[0] - fitted.rank)


def _check_cr2(case, *, X, Y, weights, clusters, rows=Z):
    fitted = fit(X=X, Y=Y, weights=weights)
    result = influence_cr2(fitted, X=X, weights=weights, clusters=clusters, rows=rows)
    variance = (by_cluster(result.values[0, 0], clusters) ** 2).sum()
    estimate = fitted.coef[rows[0], 0] if isinstance(rows, list) else float(rows[0] @ fitted.coef[:, 0])
    assert_row(case, estimate=estimate, variance=variance, df=result.df[0])


GRID = list(itertools.product(("y", "y2"), ("u", "w"), ("hc2", "cr2"), ("none", "ancova", "lin"), ("plain", "strata")))


@pytest.mark.parametrize(("outcome", "weights", "errors", "adjust", "strata"), GRID)
def test_estimatr_grid(outcome, weights, errors, adjust, strata):
    s = sample(outcome=outcome, weighted=weights == "w", adjust=adjust, strata=strata == "strata")
    case = f"robust/{outcome}/{weights}/{errors}/{adjust}/{strata}"
    if errors == "hc2":
        _check_hc(case, X=s.X, Y=s.Y, weights=s.weights)
    else:
        _check_cr2(case, X=s.X, Y=s.Y, weights=s.weights, clusters=s.clusters)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC3"])
def test_other_hc_kinds(kind, weighted):
    s = sample(weighted=weighted, adjust="ancova")
    _check_hc(f"hc/{'w' if weighted else 'u'}/{kind}", X=s.X, Y=s.Y, weights=s.weights, kind=kind)


@pytest.mark.parametrize("arm", ["B", "C"])
def test_three_arms(arm):
    s = sample(weighted=True)
    X = np.column_stack([np.ones(s.Y.size), dummies(column("arm")[s.member]), column("x1")[s.member]])
    row = {"B": 1, "C": 2}[arm]
    _check_cr2(f"arms/w/cr2/{arm}", X=X, Y=s.Y, weights=s.weights, clusters=s.clusters, rows=[row])
    _check_hc(f"arms/u/hc2/{arm}", X=X, Y=s.Y, weights=None, row=row)


def test_contrast_of_two_arms_is_the_releveled_regression():
    s = sample(weighted=True)
    X = np.column_stack([np.ones(s.Y.size), dummies(column("arm")[s.member]), column("x1")[s.member]])
    contrast = np.array([[0.0, -1.0, 1.0, 0.0]])
    _check_cr2("arms/w/cr2/C-B", X=X, Y=s.Y, weights=s.weights, clusters=s.clusters, rows=contrast)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("adjust", ["none", "ancova"])
def test_assigned_by_cluster(adjust, weighted):
    s = sample(treatment="zc", weighted=weighted, adjust=adjust, strata=adjust == "ancova", covariates=("x1",))
    case = f"assigned/{'w' if weighted else 'u'}/{adjust}"
    _check_cr2(case, X=s.X, Y=s.Y, weights=s.weights, clusters=s.clusters)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("level", ["strata", "clusters"])
def test_absorbed_effects(level, weighted):
    s = sample(weighted=weighted)
    labels = column("stratum" if level == "strata" else "cluster")[s.member]
    clusters = codes(labels)
    absorbed = (clusters[:, None] == np.arange(1, clusters.max() + 1)).astype(float)
    X = np.column_stack([s.X, column("x1")[s.member], absorbed])
    case = f"absorbed/{'w' if weighted else 'u'}/{level}"
    _check_cr2(case, X=X, Y=s.Y, weights=s.weights, clusters=clusters)


@pytest.mark.parametrize(("term", "row"), [("z", 1), ("slope", 2)])
def test_uncentred_column_of_mean_a_million(term, row):
    s = sample(weighted=True)
    X = np.column_stack([s.X, column("level")[s.member]])
    _check_hc(f"million/u/hc2/{term}", X=X, Y=s.Y, weights=None, row=row)
    _check_cr2(f"million/w/cr2/{term}", X=X, Y=s.Y, weights=s.weights, clusters=s.clusters, rows=[row])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("adjust", ["none", "ancova"])
def test_clubsandwich(adjust, weighted):
    s = sample(adjust=adjust, strata=adjust == "ancova", weighted=weighted)
    case = f"clubsandwich/{'w' if weighted else 'u'}/{adjust}"
    _check_cr2(case, X=s.X, Y=s.Y, weights=s.weights, clusters=s.clusters)


def _check_linearised(case, *, s, strata, clusters):
    fitted = fit(X=s.X, Y=s.Y, weights=s.weights)
    result = influence_linearised(
        fitted, X=s.X, weights=s.weights, rows=Z, member=s.member, strata=strata, clusters=clusters
    )
    values = result.values[0, 0]
    assert values.shape == s.member.shape
    unit = np.arange(values.size)
    if clusters is not None:
        unit = codes(clusters if strata is None else strata * 1000 + clusters)
    variance = (by_cluster(values, unit) ** 2).sum()
    assert_row(case, estimate=fitted.coef[1, 0], variance=variance, df=result.df)


@pytest.mark.parametrize("weights", ["u", "w"])
@pytest.mark.parametrize("unit", ["person", "psu"])
@pytest.mark.parametrize("adjust", ["none", "ancova", "lin"])
@pytest.mark.parametrize("strata", ["plain", "strata"])
def test_svyglm(weights, unit, adjust, strata):
    s = sample(weighted=weights == "w", adjust=adjust)
    stratum = codes(column("stratum")) if strata == "strata" else None
    cluster = None
    if unit == "psu":
        cluster = column("cluster" if stratum is None else "local_cluster").astype(int)
    _check_linearised(f"linearised/{weights}/{unit}/{adjust}/{strata}", s=s, strata=stratum, clusters=cluster)


DOMAINS = {
    "group": ("y", "none", "strata", "psu", lambda: column("group") <= 1),
    "two_strata": ("y2", "ancova", "strata", "psu", lambda: np.isin(column("stratum"), ["s1", "s3"])),
    "few_units": ("y", "lin", "strata", "psu", lambda: column("cluster") % 3 != 0),
    "no_clusters": ("y2", "ancova", "strata", "person", lambda: column("group") == 2),
    "no_strata": ("y", "none", "plain", "psu", lambda: column("cluster") < 9),
    "single_unit": (
        "y",
        "none",
        "strata",
        "psu",
        lambda: (column("stratum") != "s4") | (column("local_cluster") == 1),
    ),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_svyglm_domain(name):
    outcome, adjust, strata, unit, domain = DOMAINS[name]
    s = sample(outcome=outcome, weighted=True, adjust=adjust, domain=domain())
    stratum = codes(column("stratum")) if strata == "strata" else None
    cluster = None
    if unit == "psu":
        cluster = column("cluster" if stratum is None else "local_cluster").astype(int)
    _check_linearised(f"domain/{name}", s=s, strata=stratum, clusters=cluster)


def _alias_designs():
    s = sample(weighted=True)
    z, w, one, x1 = s.X[:, 1], s.weights, np.ones(s.Y.size), column("x1")[s.member]
    stratum = codes(column("stratum")[s.member])
    full = (stratum[:, None] == np.arange(4)).astype(float)
    inside = (s.clusters[:, None] == np.arange(1, s.clusters.max() + 1)).astype(float)
    size = np.sqrt((x1**2).mean())
    designs = {
        "twice": ((one, z, x1, z, w), None),
        "sum": ((one, z, x1, x1 + 2 * z, w), w),
        "constant_last": ((full, z, one), None),
        "constant_last_alone": ((z, x1, one), None),
        "dummies_after": ((one, z, full), None),
        "nested": ((one, inside, full, z), w),
        "zero": ((one, 0 * one, z), None),
        "million_constant": ((column("level")[s.member], one, z), None),
        "million_narrow": ((one, 1e6 + (column("level")[s.member] - 1e6) / 32, z), None),
        "near_kept": ((one, x1, x1 + 1e-5 * size * (2 * z - 1)), None),
        "near_dropped": ((one, x1, x1 + 1e-9 * size * (2 * z - 1)), None),
    }
    return {case: (np.column_stack(parts), s.Y, weights) for case, (parts, weights) in designs.items()}


@pytest.mark.parametrize("case", _alias_designs())
def test_same_columns_dropped_as_lm(case):
    X, Y, weights = _alias_designs()[case]
    with (FOLDER / "aliased.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["case"] == case]
    reference = np.array([np.nan if row["estimate"] == "NA" else float(row["estimate"]) for row in rows])
    fitted = fit(X=X, Y=Y, weights=weights)
    assert fitted.aliased.tolist() == np.isnan(reference).tolist()
    np.testing.assert_allclose(fitted.coef[:, 0], reference, rtol=TOLERANCE, atol=TOLERANCE)


def test_every_frozen_case_is_read():
    heads = {case.split("/")[0] for case in expected()}
    assert heads == {
        "robust", "hc", "arms", "assigned", "absorbed", "million", "clubsandwich", "linearised", "domain",
    }  # fmt: skip
    assert len(expected()) == 48 + 6 + 5 + 4 + 4 + 4 + 4 + 24 + 6
