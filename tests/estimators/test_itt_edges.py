"""What a referee tries first: nobody left, no variance, one person alone, collinear columns, arms set aside."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from _trial import row

import impactkit as ik
from impactkit.errors import RefusalError

OPTIONS = ({}, {"covariates": ("x",)}, {"inference": ik.Linearised()})


@pytest.fixture
def people():
    rng = np.random.default_rng(1)
    n = 60
    frame = pd.DataFrame({"id": range(n), "z": np.tile([0, 1], n // 2), "x": rng.normal(size=n)})
    return frame.assign(
        stratum=np.repeat(["a", "b", "c"], 20), cluster=np.repeat(range(20), 3), y=rng.normal(size=n) + frame["z"]
    )


def _fit(frame, *, design=None, **options):
    trial = ik.TrialDesign(**{"unit": "id", "arm": "z", "treated": 1, "control": 0, **(design or {})})
    analysis = ik.IntentToTreat(**{"name": "itt", "outcome": "y", **options})
    result = ik.Evaluation(trial, frame, [analysis]).fit(seed=1, strict=True)
    assert result.manifest.warnings == ()
    return result


def _reasons(result, **wanted):
    notes = result.notes()
    for name, value in wanted.items():
        notes = notes[notes[name] == value]
    return "; ".join(notes["reason"])


# --- outcomes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize(
    ("design", "options"),
    [
        *(({}, options) for options in (*OPTIONS, {"df": "welch"})),
        *(({"clusters": "cluster"}, options) for options in OPTIONS),
    ],
)
def test_constant_outcome_has_no_test(people, value, design, options):
    result = _fit(people.assign(y=value), design=design, **options)
    effect = row(result, term="1")
    assert effect["estimate"] == 0.0
    assert effect["std_error"] == 0.0
    assert np.isnan(effect["p_value"])
    assert row(result, term="control_mean")["estimate"] == pytest.approx(value, rel=1e-14)
    assert "does not vary" in _reasons(result, term="1", column="std_error")


def test_constant_outcome_leaves_its_batch_alone(people):
    both = _fit(people.assign(k=0.1), outcome=("k", "y")).tidy()
    alone = _fit(people).tidy()
    pd.testing.assert_frame_equal(both[both["outcome"] == "y"].reset_index(drop=True), alone, rtol=1e-12)


def test_arm_without_an_outcome_is_named_and_counted(people):
    result = _fit(people.assign(y=people["y"].where(people["z"] == 0)))
    assert result.tidy()["estimate"].isna().all()
    assert 'arm "1" (of 60 assigned, 30 have no outcome)' in _reasons(result, term="1")
    glance = result.glance().iloc[0]
    assert (glance["n_assigned"], glance["n_missing_outcome"], glance["n_treated"]) == (60, 30, 0)


def test_one_population_fails_alone(people):
    populations = tuple(ik.Population(name=name, where=(("stratum", name),)) for name in ("a", "b"))
    frame = people.assign(y=people["y"].mask((people["stratum"] == "a") & (people["z"] == 0)))
    result = _fit(frame, design={"populations": populations})
    assert np.isnan(row(result, population="a", term="1")["estimate"])
    assert np.isfinite(row(result, population="b", term="1")["std_error"])
    assert list(result.glance()["population"]) == ["a", "b"]


# --- too few ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inference", [ik.HC0(), ik.HC1(), ik.HC2(), ik.HC3()])
def test_no_degrees_of_freedom(people, inference):
    result = _fit(people.iloc[:4], covariates=("x",), adjustment="lin", inference=inference)
    effect = row(result, term="1")
    assert np.isfinite(effect["estimate"])
    assert np.isnan([effect["std_error"], effect["df"], effect["p_value"], effect["conf_low"]]).all()
    assert "no degrees of freedom" in _reasons(result, term="1", column="std_error")


def test_no_design_degrees_of_freedom_keeps_the_error(people):
    design = {"clusters": "stratum"}  # three sampling units
    assert row(_fit(people, design=design, inference=ik.Linearised()), term="1")["df"] == 1
    result = _fit(people, design=design, covariates=("x",), inference=ik.Linearised())
    effect = row(result, term="1")
    assert effect["std_error"] > 0
    assert np.isnan([effect["p_value"], effect["conf_high"]]).all()
    assert "no degrees of freedom" in _reasons(result, term="1", column="p_value")


@pytest.mark.parametrize(
    "inference", [None, ik.HC0(), ik.HC1(), ik.HC3(), ik.Linearised()], ids=lambda one: getattr(one, "kind", "default")
)
def test_singleton_arm_of_a_block(people, inference):
    last = people["stratum"] == "c"
    frame = people.assign(z=people["z"].mask(last, (people["id"] == 59).astype(int)))
    result = _fit(frame, design={"strata": "stratum"}, inference=inference)
    effect = row(result, term="1")
    blocks = [group.groupby("z")["y"].mean().diff().iloc[-1] for _, group in frame.groupby("stratum")]
    assert effect["estimate"] == pytest.approx(np.mean(blocks))
    assert np.isnan([effect["std_error"], effect["p_value"]]).all()
    assert "somebody is alone in their arm (and stratum)" in _reasons(result, term="1", column="std_error")
    ancova = _fit(frame, design={"strata": "stratum"}, covariates=("x",), inference=inference)
    assert row(ancova, term="1")["std_error"] > 0


@pytest.mark.parametrize("inference", [None, ik.Linearised()])
def test_matched_pairs_of_clusters_have_no_blocked_error(people, inference):
    """Every cluster's total is fitted exactly: CR2 would be 4e-17 and p 1e-127 (and is, in estimatr)."""
    frame = people.assign(pair=people["cluster"] // 2, z=people["cluster"] % 2)
    result = _fit(frame, design={"strata": "pair", "clusters": "cluster"}, inference=inference)
    effect = row(result, term="1")
    assert np.isfinite(effect["estimate"])
    assert np.isnan([effect["std_error"], effect["p_value"]]).all()
    assert "a cluster is fitted exactly (alone in its arm and stratum" in _reasons(result, term="1", column="std_error")
    ancova = _fit(frame, design={"strata": "pair", "clusters": "cluster"}, covariates=("x",))
    assert row(ancova, term="1")["std_error"] > 0.01


@pytest.mark.parametrize("labels", [lambda frame: 1, lambda frame: frame["z"]], ids=["one cluster", "one per arm"])
def test_a_single_cluster_in_an_arm_has_no_error(people, labels):
    result = _fit(people.assign(school=labels), design={"clusters": "school"})
    assert result.tidy()["estimate"].notna().all()
    assert result.tidy()["std_error"].isna().all()
    assert "a cluster alone carries this mean" in _reasons(result, term="control_mean")


def test_weighted_absorbed_clusters_say_how_much_is_missing(people):
    """With weights and a dummy per cluster CR2's working model is not met: the share it misses is said."""
    weights = np.exp(0.2 * np.random.default_rng(2).normal(size=60))
    frame = people.assign(w=weights, dummy=people["cluster"].astype(str))
    result = _fit(frame, design={"clusters": "cluster", "weights": "w"}, covariates=("dummy",))
    assert row(result, term="1")["std_error"] > 0
    assert "too small" in _reasons(result, term="1")


# --- collinear columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("adjustment", ["ancova", "lin"])
def test_covariate_that_is_the_arm(people, adjustment):
    frame = people.assign(leak=2 * people["z"] + 1)
    result = _fit(frame, covariates=("x", "leak"), adjustment=adjustment)
    assert np.isnan(row(result, term="1")["estimate"])
    assert "the arm can be told from leak" in _reasons(result, term="1", column="estimate")
    assert np.isfinite(row(result, term="control_mean")["estimate"])


def test_covariate_that_is_one_of_two_arms(people):
    frame = people.assign(z=np.tile([0, 1, 2], 20))
    frame["second"] = (frame["z"] == 2).astype(int)
    result = _fit(frame, design={"treated": (1, 2)}, covariates=("second",))
    assert np.isfinite(row(result, term="1")["std_error"])
    assert np.isnan(row(result, term="2")["estimate"])


def test_redundant_covariates_are_named_and_change_nothing(people):
    frame = people.assign(twice=2 * people["x"], same=1.0)
    result = _fit(frame, design={"strata": "stratum"}, covariates=("x", "twice", "same"))
    alone = _fit(frame, design={"strata": "stratum"}, covariates=("x",))
    pd.testing.assert_frame_equal(result.tidy(), alone.tidy(), rtol=1e-10)
    assert "implied by other columns, without changing the effect: twice, same" in _reasons(result)


def test_stratum_implied_by_a_covariate_is_named(people):
    result = _fit(people.assign(copy=people["stratum"]), design={"strata": "stratum"}, covariates=("copy",))
    assert "stratum=b, stratum=c" in _reasons(result)


def test_level_of_one_arm_only_is_not_interacted(people):
    frame = people.assign(level=np.where((people["z"] == 1) & (people["x"] > 0.8), "rare", "usual"))
    frame["level"] = pd.Categorical(frame["level"], categories=["usual", "rare"])
    result = _fit(frame, covariates=("level",), adjustment="lin")
    assert np.isfinite(row(result, term="1")["std_error"])
    assert "level[rare] × 1" in _reasons(result)


# --- arms set aside, strata lacking an arm, options ---------------------------------------------------------


@pytest.mark.parametrize("clusters", [None, "cluster"])
@pytest.mark.parametrize("strata", [(), ("stratum",)])
@pytest.mark.parametrize("inference", [None, ik.Linearised()])
def test_ignored_arms_are_as_if_they_were_not_there(people, inference, strata, clusters):
    frame = people.assign(stratum=np.repeat(["a", "b"], 30)) if clusters else people
    third = frame.assign(z=2, id=frame["id"] + 1000, y=5.0, cluster=frame["cluster"] + 100)
    design = {"strata": strata, "clusters": clusters}
    without = _fit(frame, design=design, inference=inference).tidy()
    among = _fit(pd.concat([third, frame]), design={**design, "ignore_arms": (2,)}, inference=inference).tidy()
    pd.testing.assert_frame_equal(among, without, rtol=1e-12)


@pytest.mark.parametrize("treated", [1, (1, 2)])
def test_one_armed_stratum(people, treated):
    arms = 3 if isinstance(treated, tuple) else 2
    frame = people.assign(z=np.arange(60) % arms)
    frame["y"] = frame["y"].mask((frame["stratum"] == "b") & (frame["z"] == 1))
    design = {"strata": "stratum", "treated": treated}
    result = _fit(frame, design=design)
    assert "1 of 3 strata lack an arm among the people analysed (stratum=b" in _reasons(result, term="1")
    dropped = _fit(frame, design=design, one_armed="drop")
    glance = dropped.glance().iloc[0]
    assert glance["n_dropped_strata"] == ((frame["stratum"] == "b") & frame["y"].notna()).sum()
    rest = _fit(frame[frame["stratum"] != "b"], design=design)
    pd.testing.assert_frame_equal(dropped.tidy(), rest.tidy(), rtol=1e-12)


@pytest.mark.parametrize("inference", [ik.HC0(), ik.HC1(), ik.HC3(), ik.Linearised()])
def test_welch_belongs_to_hc2(people, inference):
    with pytest.raises(RefusalError, match="belongs to HC2"):
        _fit(people, df="welch", inference=inference)


@pytest.mark.parametrize("options", [{"inference": ik.HC1()}, {"design": {"clusters": "cluster"}}])
def test_satterthwaite_df_belong_to_hc2_without_clusters(people, options):
    with pytest.raises(RefusalError, match='asks for df="satterthwaite", which'):
        _fit(people, df="satterthwaite", **options)


def test_satterthwaite_df_fall_with_a_large_weight(people):
    frame = people.assign(w=np.where(people["id"] == 0, 30.0, 1.0))
    heavy = row(_fit(frame, design={"weights": "w"}, df="satterthwaite"), term="1")
    assert heavy["df"] < 5
    assert row(_fit(people, df="satterthwaite"), term="1")["df"] == pytest.approx(58)


def test_welch_with_somebody_alone(people):
    result = _fit(people.iloc[:3], df="welch")
    assert np.isnan(row(result, term="1")["df"])
    assert np.isfinite(row(result, term="control_mean")["std_error"])


def test_zero_weights_leave_the_sample_and_are_counted(people):
    weights = np.where(people["id"] < 6, 0.0, 1.5)
    result = _fit(people.assign(w=weights), design={"weights": "w"})
    assert result.glance().loc[0, "n_zero_weight"] == 6
    rest = _fit(people[6:].assign(w=1.0), design={"weights": "w"})
    pd.testing.assert_frame_equal(result.tidy(), rest.tidy(), rtol=1e-12)
    assert result.glance().loc[0, "effective_n"] == pytest.approx(54)
