"""The flow: every sum holds, the numbers analysed are those of glance(), and a difference of one is an error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import impactkit as ik
from impactkit.errors import AnalysisError, RefusalError, SpecError
from impactkit.report.participants import ALL_ARMS, Counted, flow_parts

LOSSES = ("weight zero", "covariates missing", "in strata with one arm only")


def trial(seed: int = 1, n: int = 300, arms: tuple[str, ...] = ("IPS", "phone", "usual"), gaps: float = 0.2):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": range(n),
            "arm": [*arms, *arms, *rng.choice([*arms, "pilot", "screened"], n - 2 * len(arms))],
            "site": np.where(np.arange(n) < 2 * len(arms), "s", rng.choice(list("pqr"), n)),
            "age": rng.normal(40, 9, n),
            "got": rng.choice([0.0, 1.0, np.nan], n, p=[0.5, 0.45, 0.05]),
            "met": rng.integers(0, 2, n),
            "rang": rng.integers(0, 2, n),
            "w": np.where(rng.random(n) < 0.1, 0.0, rng.uniform(0.5, 2, n)),
            "health": rng.normal(size=n),
            "work": rng.integers(0, 2, n).astype(float),
            "young": rng.integers(0, 2, n),
            "why": rng.choice(["moved", "refused", None], n),
            "whynot": rng.choice(["too ill", None], n),
        }
    )
    for name in ("age", "health", "work"):
        frame.loc[rng.random(n) < gaps, name] = np.nan
    frame["assessed"] = 1
    design = ik.TrialDesign(
        unit="id", arm="arm", treated=arms[:-1], control=arms[-1], ignore_arms=("pilot", "screened"), strata="site",
        receipt="got",
        outcomes=(
            ik.Outcome(name="health", kind="continuous", weights="w"),
            ik.Outcome(name="work", kind="binary", eligible=(("young", 1),)),
        ),
        populations=(
            ik.Population(name="young", where=(("young", 1),)),
            ik.Population(name="both", where=(("young", (0, 1)),)),
        ),
    )  # fmt: skip
    return design, frame


def analyses(**flow) -> list:
    shared = {"one_armed": "drop", "populations": ("both", "young")}
    return [
        ik.IntentToTreat(name="itt", outcome=("health", "work"), **shared),
        ik.IntentToTreat(name="ancova", outcome=("health", "work"), covariates=("age",), **shared),
        ik.IntentToTreat(name="survey", outcome="work", covariates=("age",), inference=ik.Linearised(), **shared),
        ik.Flow(
            **{
                "name": "flow", "analyses": ("itt", "ancova", "survey"), "assessed": "assessed",
                "outside": ("screened",), "covariates": ("age",), "reasons_lost": "why",
                "reasons_not_received": "whynot", "attended": ("met", "rang"),
                **flow,
            }
        ),
    ]  # fmt: skip


@given(seed=st.integers(0, 2**32 - 1), gaps=st.sampled_from([0.0, 0.1, 0.4]))
def test_every_sum_holds_and_glance_agrees(seed: int, gaps: float) -> None:
    design, frame = trial(seed, gaps=gaps)
    result = ik.Evaluation(design, frame, analyses()).fit(strict=True)
    for part in flow_parts(result["flow"].tidy(), threshold=0):
        counts = part.counts
        assert not part.hidden

        def total(outcome: str, steps: tuple[str, ...], arm: str, analysis: str = "", counts=counts) -> int:
            return sum(counts.get((Counted(outcome, step, analysis=analysis), arm), 0) for step in steps)

        left_out = counts.get((Counted("", "in arms left out"), ""), 0)
        assert total("", ("randomised",), ALL_ARMS) + left_out == counts[Counted("", "randomised"), ""]
        assert (
            counts[Counted("", "randomised"), ""] + counts[Counted("", "not randomised"), ""]
            == counts[Counted("", "assessed"), ""]
        )
        for arm in part.arms:
            randomised = counts[Counted("", "randomised"), arm]
            assert total("", ("received", "did not receive", "receipt not known"), arm) == randomised
            for outcome in part.outcomes:
                assert total(outcome, ("not eligible", "followed up", "lost"), arm) == randomised
                lost = [
                    counts.get((Counted(outcome, "lost", reason), arm), 0) for reason in part.reasons(outcome, "lost")
                ]
                assert sum(lost) == counts[Counted(outcome, "lost"), arm]
                known = counts[Counted(outcome, "followed up"), arm]
                for name in part.analyses(outcome):
                    assert total(outcome, ("analysed", *LOSSES), arm, name) == known
        looks = result.glance()
        for look in looks[(looks["population"] == part.population) & (looks["outcome"] != "")].itertuples():
            ended = Counted(look.outcome, "analysed", analysis=look.analysis)
            assert counts[ended, ALL_ARMS] == look.n_analysed
            assert counts[ended, part.arms[0]] == look.n_control
            assert sum(counts[ended, arm] for arm in part.arms[1:]) == look.n_treated
            for step, name in zip(LOSSES, ("n_zero_weight", "n_missing_covariates", "n_dropped_strata"), strict=True):
                assert counts.get((Counted(look.outcome, step, analysis=look.analysis), ALL_ARMS), 0) == getattr(
                    look, name
                )


def test_a_difference_of_one_person_is_an_error() -> None:
    from impactkit.estimators.flow import Flow

    design, frame = trial()
    itt = ik.IntentToTreat(name="itt", outcome="health", one_armed="drop")
    study = ik.StudyData.read(frame, design, outcomes=["health"])
    found = itt.run(study, {})
    wrong = found.with_glances({"n_control": found.glances[0]["n_control"] - 1})
    with pytest.raises(ik.errors.NotEstimableError, match=r'disagree about "health"'):
        Flow(name="flow", analyses=("itt",)).run(study, {"itt": wrong})


def test_without_its_covariates_a_linearised_analysis_is_not_guessed() -> None:
    design, frame = trial()
    with pytest.raises(AnalysisError, match="name them in the flow's `covariates`"):
        ik.Evaluation(design, frame, analyses(covariates=())).fit(strict=True)


def test_attendance_adds_up_to_nothing_and_says_so() -> None:
    design, frame = trial()
    result = ik.Evaluation(design, frame, analyses()).fit(strict=True)
    tidy = result["flow"].tidy()
    rows = tidy[(tidy["population"] == "both") & (tidy["outcome"] == "")].set_index("term")["estimate"]
    inside = frame[frame["arm"] == "IPS"]
    assert rows["attended met, IPS"] == inside["met"].sum()
    assert rows["attended met, IPS"] + rows["attended rang, IPS"] != rows["received, IPS"]
    table = result.to_table("flow")
    assert any("do not add up" in note for note in table.notes)


def test_the_screening_log() -> None:
    design, frame = trial()
    options = {"assessed": 500, "outside": (), "populations": ("both",)}
    given_reasons = (("not eligible", 120), ("declined", 40))
    rows = (
        ik.Evaluation(design, frame, analyses(**options, reasons_not_randomised=given_reasons))
        .fit(strict=True)["flow"]
        .tidy()
    )
    enrolled = rows[rows["outcome"] == ""].set_index("term")["estimate"]
    assert enrolled["not randomised"] == 200
    assert enrolled["not randomised: no reason recorded"] == 40
    with pytest.raises(AnalysisError, match="250 people were assessed and 300 randomised"):
        ik.Evaluation(design, frame, analyses(**{**options, "assessed": 250})).fit(strict=True)
    with pytest.raises(AnalysisError, match="reasons are given for 210 people and 200 were not randomised"):
        ik.Evaluation(design, frame, analyses(**options, reasons_not_randomised=(("declined", 210),))).fit(strict=True)
    with pytest.raises(RefusalError, match="belongs to one population"):
        ik.Evaluation(design, frame, analyses(assessed=500))
    with pytest.raises(SpecError, match="need the number `assessed`"):
        ik.Flow(name="f", reasons_not_randomised=(("declined", 2),))


def test_somebody_randomised_and_never_assessed() -> None:
    design, frame = trial()
    frame.loc[frame.index[frame["arm"] == "IPS"][0], "assessed"] = 0
    with pytest.raises(AnalysisError, match="1 people in an arm are not marked as assessed"):
        ik.Evaluation(design, frame, analyses()).fit(strict=True)


def test_outside_must_be_among_the_arms_left_out() -> None:
    design, frame = trial()
    with pytest.raises(RefusalError, match="does not list in `ignore_arms`"):
        ik.Evaluation(design, frame, analyses(outside=("nobody",)))


def test_an_arm_in_which_nobody_is_left_is_counted_as_such() -> None:
    design, frame = trial()
    frame.loc[frame["arm"] == "usual", "health"] = np.nan
    flow = ik.Flow(name="flow", analyses=("itt",), outcomes=("health",))
    result = ik.Evaluation(design, frame, [ik.IntentToTreat(name="itt", outcome="health"), flow]).fit()
    rows = result["flow"].tidy().query("population == 'both'").set_index("term")["estimate"]
    assert rows["analysed [itt], usual"] == 0
    assert rows["lost, usual"] == rows["randomised, usual"]
    assert result["itt"].tidy()["estimate"].isna().any()


def test_plan_keeps_it() -> None:
    design, _ = trial()
    spec = ik.Flow(name="f", assessed=900, reasons_not_randomised=(("declined", 3),), outside=("screened",))
    plan = ik.Plan(design=design.replace(populations=()), analyses=(spec,))
    assert ik.Plan.from_dict(plan.to_dict()).analyses == (spec,)
