"""Multiplicity through the public road: other software, what it refuses, and what stands in tables."""

from __future__ import annotations

import csv
import importlib.util
import itertools
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import impactkit as ik
from impactkit.errors import AnalysisError, RefusalError, SpecError
from impactkit.inference.multiplicity import joint_normal, step_down_max, two_sided_normal
from impactkit.results.joint import correlation

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "multiplicity"
WITHIN = 0.02  # four standard errors of a share of 9,999 draws, and of the 99,999 that pyfixest was given
NAMES = ("work", "health", "pay")
KEY = ["analysis", "outcome", "population", "term"]


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("multiplicity_make_data", REFERENCE / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def people(size: int = 400, seed: int = 1) -> pd.DataFrame:
    """A small trial: two sites, three outcomes, health known for half, with weights."""
    rng = np.random.default_rng(seed)
    arm = rng.permutation(np.arange(size) % 2)
    shared = rng.normal(size=size)
    health = shared + rng.normal(size=size) + 0.3 * arm
    health[rng.random(size) < 0.5] = np.nan
    return pd.DataFrame(
        {
            "id": np.arange(size),
            "arm": arm,
            "site": np.where(rng.random(size) < 0.5, "SCR", "WMCA"),
            "work": (shared + rng.normal(size=size) + 0.4 * arm > 0).astype(int),
            "health": health,
            "pay": np.exp(shared + rng.normal(size=size)),
            "weight": rng.uniform(0.5, 2.0, size),
        }
    )


def design(**options: Any) -> ik.TrialDesign:
    values: dict[str, Any] = {
        "unit": "id",
        "arm": "arm",
        "treated": 1,
        "control": 0,
        "outcomes": (
            ik.Outcome(name="work", kind="binary"),
            ik.Outcome(name="health", kind="continuous", weights="weight"),
            ik.Outcome(name="pay", kind="money"),
        ),
        "families": (ik.Family(name="main", outcomes=NAMES),),
    }
    return ik.TrialDesign(**values | options)


def fit(
    declared: Any = None, data: Any = None, *, seed: int | None = 1, itt: dict[str, Any] | None = None, **options: Any
) -> ik.EvaluationResult:
    analyses = [
        ik.IntentToTreat(**{"name": "itt", "outcome": NAMES} | (itt or {})),
        ik.Multiplicity(**{"name": "several", "of": ("itt",), "draws": 999} | options),
    ]
    return ik.Evaluation(declared or design(), people() if data is None else data, analyses).fit(seed=seed, strict=True)


def refused(**options: Any) -> str:
    with pytest.raises(RefusalError) as caught:
        fit(**options)
    said = str(caught.value)
    assert said.endswith(".")
    return said


# --- other software -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("redraw", "draws"), [("influence", 9999), ("assignment", 9999)])
def test_on_one_common_sample_agrees_with_pyfixest(redraw: str, draws: int) -> None:
    made = generator()
    outcomes = tuple(ik.Outcome(name=name, kind="continuous") for name in made.OUTCOMES)
    declared = ik.TrialDesign(
        unit="person",
        arm="z",
        treated=1,
        control=0,
        outcomes=outcomes,
        families=(ik.Family(name="ten", outcomes=made.OUTCOMES),),
    )
    result = fit(
        declared,
        made.people(),
        itt={"outcome": made.OUTCOMES, "covariates": ("age",), "inference": ik.HC1()},
        redraw=redraw,
        covariates=("age",) if redraw == "assignment" else (),
        methods=("romano_wolf", "westfall_young"),
        draws=draws,
    )
    ours = result.adjusted().pivot(index="outcome", columns="method", values="p_adjusted")
    raw = result.tidy().query("term == '1'").set_index("outcome")["p_value"]
    with (REFERENCE / "pyfixest.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            assert raw[row["outcome"]] == pytest.approx(float(row["p_value"]), rel=1e-8)
            for method in ("romano_wolf", "westfall_young"):
                assert abs(ours.loc[row["outcome"], method] - float(row[method])) < WITHIN


# --- what it computes -----------------------------------------------------------------------------------------------


def test_draws_follow_the_joint_covariance_of_rows_on_different_samples_and_weights() -> None:
    result = fit(draws=20_000, methods=("romano_wolf",))
    rows = np.flatnonzero(result.tidy()["measure"] == "difference")
    joint = correlation(result.covariance()[np.ix_(rows, rows)])
    assert 0.1 < joint[0, 1] < 0.5
    raw = result.tidy()["p_value"].to_numpy()[rows]
    drawn = joint_normal(joint, 20_000, np.random.default_rng(77))
    np.testing.assert_allclose(
        result.adjusted()["p_adjusted"], step_down_max(two_sided_normal(raw), drawn, own=raw), atol=0.015
    )


def test_raw_p_values_stay_and_adjusted_ones_are_never_smaller() -> None:
    result = fit(methods=("romano_wolf", "westfall_young", "holm", "benjamini_hochberg"))
    frame = result.adjusted()
    assert list(frame.columns) == [*KEY, "family", "method", "p_value", "p_adjusted"]
    assert len(frame) == 4 * 3
    raw = result.tidy().set_index(KEY)["p_value"]
    for row in frame.to_dict("records"):
        assert row["analysis"] == "itt"
        assert row["p_value"] == raw[tuple(row[name] for name in KEY)]
        assert row["p_adjusted"] >= row["p_value"]
    by_method = frame.pivot(index="outcome", columns="method", values="p_adjusted")
    assert (by_method["romano_wolf"] <= by_method["holm"] + 0.02).all()
    assert (by_method["romano_wolf"] == by_method["westfall_young"]).all()


def test_the_order_of_outcomes_changes_no_digit_and_the_seed_does() -> None:
    def adjusted(order: tuple[str, ...], seed: int) -> pd.Series:
        found = fit(seed=seed, itt={"outcome": order}, methods=("romano_wolf",)).adjusted()
        return found.set_index("outcome")["p_adjusted"].sort_index()

    first = adjusted(NAMES, 1)
    pd.testing.assert_series_equal(first, adjusted(NAMES, 1), check_exact=True)
    pd.testing.assert_series_equal(first, adjusted(NAMES[::-1], 1), rtol=1e-12)
    assert not first.equals(adjusted(NAMES, 2))


def test_a_family_of_one_keeps_its_p_value() -> None:
    frame = fit(
        design(families=()), outcomes=("work",), methods=("romano_wolf", "holm", "benjamini_hochberg")
    ).adjusted()
    assert (frame["family"] == "several").all()
    assert (frame["p_adjusted"] == frame["p_value"]).all()


def test_populations_are_families_apart_or_together() -> None:
    declared = design(
        populations=(
            ik.Population(name="SCR", where=(("site", "SCR"),)),
            ik.Population(name="WMCA", where=(("site", "WMCA"),)),
        )
    )
    apart = fit(declared, methods=("holm",))
    together = fit(declared, methods=("holm",), across="outcomes_and_populations")
    raw = apart.adjusted()["p_value"].to_numpy()
    smallest = [raw[:3].min(), raw[3:].min()]
    assert sorted(apart["several"].tidy()["p_value"]) == sorted(3 * p for p in smallest)
    assert together["several"].tidy()["p_value"].tolist() == [6 * raw.min()]
    assert together["several"].tidy()["population"].tolist() == ["SCR & WMCA"]
    assert (together.adjusted()["p_adjusted"].to_numpy() >= apart.adjusted()["p_adjusted"].to_numpy()).all()


def test_analyses_are_joined_into_one_family() -> None:
    analyses = [
        ik.IntentToTreat(name="records", outcome=("work", "pay")),
        ik.StandardisedEffect(name="survey", outcome="health"),
        ik.Multiplicity(name="several", of=("records", "survey"), draws=999),
    ]
    result = ik.Evaluation(design(), people(), analyses).fit(seed=1, strict=True)
    assert set(result.adjusted()["analysis"]) == {"records", "survey"}
    assert result.adjusted().query("method == 'holm'")["p_adjusted"].max() <= 1.0


def test_a_row_without_a_p_value_is_named_and_does_not_count() -> None:
    data = people().assign(pay=5.0)
    result = fit(data=data, methods=("holm", "romano_wolf"))
    frame = result.adjusted()
    assert frame["p_adjusted"].isna().tolist() == [False, False, True] * 2
    said = result["several"].notes()["reason"].str.cat(sep=" ")
    assert "1 of 3 hypotheses have no p value and do not count (pay / all / 1)" in said
    two = frame.query("method == 'holm'")["p_value"].dropna().to_numpy()
    assert frame.query("method == 'holm'")["p_adjusted"].min() == 2 * two.min()


def test_a_part_of_the_covariance_that_nobody_carries_is_in_the_draws() -> None:
    """Two rows whose whole variance is shared between imputations are one hypothesis, and cost nothing."""
    keys = [ik.results.RowKey("imputed", name, "all", "1", "difference", "points") for name in ("work", "pay")]
    shared = ik.Estimates.build(
        keys=keys,
        working=[2.0, 2.1],
        working_se=[1.0, 1.0],
        df=[np.inf, np.inf],
        n=[400, 400],
        extra_covariance=np.array([[1.0, 1.0 - 1e-9], [1.0 - 1e-9, 1.0]]),
    )
    study = ik.StudyData.read(people(), design(families=())).with_seed(1)
    spec = ik.Multiplicity(name="m", of=("imputed",), outcomes=("work", "pay"), methods=("romano_wolf", "holm"))
    rows = spec.run(study, {"imputed": shared}).adjustments
    assert rows[0].p_adjusted == pytest.approx(rows[0].p_value, abs=2e-3)
    assert rows[3].p_adjusted == pytest.approx(2 * rows[3].p_value)


# --- re-draws of the assignment -------------------------------------------------------------------------------------


def test_a_tiny_trial_is_enumerated() -> None:
    rng = np.random.default_rng(8)
    arm = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    data = pd.DataFrame({"id": range(8), "arm": arm, "a": rng.normal(size=8) + 1.5 * arm, "b": rng.normal(size=8)})
    declared = design(outcomes=(), families=())
    result = fit(
        declared,
        data,
        itt={"outcome": ("a", "b")},
        outcomes=("a", "b"),
        redraw="assignment",
        methods=("westfall_young", "romano_wolf"),
    )

    def statistic(y: np.ndarray, treated: tuple[int, ...]) -> float:
        inside = np.isin(np.arange(8), treated)
        gap = y[inside].mean() - y[~inside].mean()
        return abs(gap) / np.sqrt((y[inside].var() + y[~inside].var()) / 4)

    choices = list(itertools.combinations(range(8), 4))
    table = np.array([[statistic(data[name].to_numpy(), chosen) for chosen in choices] for name in ("a", "b")])
    observed = table[:, [choices.index((0, 1, 2, 3))]]
    near = 1e-9
    raw = (table >= observed - near).mean(axis=1)
    leader = int(np.argmax(observed[:, 0]))
    expected = np.empty(2)
    expected[leader] = (table.max(axis=0) >= observed[leader] - near).mean()
    expected[1 - leader] = max(expected[leader], raw[1 - leader])
    frame = result.adjusted().set_index(["method", "outcome"])
    np.testing.assert_allclose(frame.loc["westfall_young", "p_value"], raw)
    np.testing.assert_allclose(frame.loc["romano_wolf", "p_adjusted"], expected)
    assert "all 70 assignments" in result["several"].glance()["inference"][0]


def test_clusters_are_drawn_whole_within_strata() -> None:
    rng = np.random.default_rng(3)
    practice = np.repeat(np.arange(20), 10)
    data = people(200).assign(
        practice=practice, site=np.where(practice < 10, "SCR", "WMCA"), arm=rng.permuted(np.arange(20) % 2)[practice]
    )
    declared = design(clusters="practice", strata=("site",))
    result = fit(declared, data, itt={"one_armed": "drop"}, redraw="assignment", methods=("westfall_young",))
    assert result["several"].glance()["inference"][0] == "999 re-draws of the assignment of practice within site"
    frame = result.adjusted()
    assert (frame["p_adjusted"] >= frame["p_value"]).all()
    mixed = data.assign(arm=np.arange(200) % 2)
    with pytest.raises(AnalysisError, match="both arms occur within some clusters"):
        fit(declared, mixed, redraw="assignment", methods=("westfall_young",))
    crossing = data.assign(site=np.where(np.arange(200) % 2, "SCR", "WMCA"))
    with pytest.raises(AnalysisError, match="lie in several strata"):
        fit(declared, crossing, redraw="assignment", methods=("westfall_young",))


def test_only_effects_of_allocation_are_redrawn() -> None:
    analyses = [
        ik.IntentToTreat(name="itt", outcome=NAMES),
        ik.Combination(
            name="gap",
            how="sum",
            of=(ik.RowRef(analysis="itt", outcome="work"), ik.RowRef(analysis="itt", outcome="work")),
        ),
        ik.Multiplicity(
            name="m", of=("gap",), outcomes=("work",), redraw="assignment", methods=("westfall_young",), draws=99
        ),
    ]
    with pytest.raises(AnalysisError, match="gap estimates something else"):
        ik.Evaluation(design(families=()), people(), analyses).fit(seed=1, strict=True)


# --- what it refuses ------------------------------------------------------------------------------------------------


def test_families_are_declared_beforehand() -> None:
    assert "the design declares none" in refused(declared=design(families=()))
    assert 'Did you mean "main"?' in refused(family="mian")
    assert fit(family="main", methods=("holm",)).adjusted()["family"].unique().tolist() == ["main"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"treated": (1, 2)}, "several treated arms"),
        ({"allocation": "weight"}, "a probability of their own"),
    ],
)
def test_an_assignment_that_cannot_be_drawn_again_is_refused(options: dict[str, Any], words: str) -> None:
    data = people().assign(arm=lambda frame: np.arange(len(frame)) % 3) if "treated" in options else people()
    said = refused(declared=design(**options), data=data, redraw="assignment")
    assert words in said
    assert 'use redraw="influence"' in said


def test_without_randomisation_there_is_no_assignment_to_draw() -> None:
    declared = ik.ComparisonDesign(unit="id", arm="arm", treated=1, control=0)
    spec = ik.Multiplicity(name="m", of=("x",), outcomes=("work",), redraw="assignment")
    assert "nobody was assigned at random" in " ".join(spec.refusals(declared))
    assert spec.replace(methods=("holm",)).refusals(declared) == []


def test_options_that_contradict_each_other() -> None:
    for options, words in (
        ({"methods": ("holm", "holm")}, "twice"),
        ({"outcomes": ("work",), "family": "main"}, "leave one out"),
        ({"covariates": ("age",)}, "leave them out"),
    ):
        with pytest.raises(SpecError, match=words):
            ik.Multiplicity(name="m", of=("itt",), **options)


def test_an_outcome_that_no_analysis_estimates_is_an_error() -> None:
    with pytest.raises(AnalysisError, match=r'family "main" has the outcome pay, for which itt give no effect'):
        fit(itt={"outcome": ("work", "health")})


def test_a_seed_is_needed_for_draws_only() -> None:
    with pytest.raises(AnalysisError, match="no seed was given"):
        fit(seed=None)
    assert len(fit(seed=None, methods=("holm", "benjamini_hochberg")).adjusted()) == 6


def test_published_estimates_take_holm_and_say_what_the_others_need() -> None:
    keys = [ik.results.RowKey("printed", name, "all", "1", "difference", "points") for name in ("a", "b")]
    printed = ik.Estimates.build(keys=keys, working=[2.0, 1.0], working_se=[1.0, 1.0], df=[np.inf] * 2, n=[9, 9])
    spec = ik.Multiplicity(name="m", of=("printed",), outcomes=("a", "b"), methods=("holm",))
    assert len(spec.run(None, {"printed": printed}).adjustments) == 2
    with pytest.raises(SpecError, match="needs a design with data and a seed"):
        spec.replace(methods=("romano_wolf",)).run(None, {"printed": printed})


# --- plans, tables, files -------------------------------------------------------------------------------------------


def test_a_plan_keeps_it() -> None:
    plan = ik.Plan(
        design=design(),
        analyses=(
            ik.IntentToTreat(name="itt", outcome=NAMES),
            ik.Multiplicity(name="several", of=("itt",), family=("main",), methods=("westfall_young",)),
        ),
    )
    assert ik.Plan.from_dict(plan.to_dict()) == plan


def test_tables_reports_and_files_show_the_first_method_and_say_which(tmp_path: Path) -> None:
    result = fit(methods=("holm", "benjamini_hochberg"))
    table = result.to_table("impacts")
    assert 'Adjusted P values: family "main", Holm.' in table.notes
    assert "Adjusted P value" in [column.label for column in table.columns]
    result.write(tmp_path)
    assert len(pd.read_csv(tmp_path / "adjusted.csv")) == 6
    assert "Adjusted P value" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_p_values_of_few_people_are_rounded_together(tmp_path: Path) -> None:
    data = people(60).assign(work=lambda frame: (np.arange(60) < 7).astype(int))
    result = fit(data=data, methods=("holm",))
    result.write(tmp_path)
    written = pd.read_csv(tmp_path / "adjusted.csv").set_index("outcome")
    full = result.adjusted().set_index("outcome")
    assert (
        written.loc["work", "p_adjusted"] == round(full.loc["work", "p_adjusted"], 4) != full.loc["work", "p_adjusted"]
    )
    assert written.loc["pay", "p_adjusted"] == pytest.approx(full.loc["pay", "p_adjusted"], rel=1e-12)
