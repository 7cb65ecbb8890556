"""Running a plan: who is analysed, what fails alone, what the manifest says, and the result as a closed value."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest
from made_up_trial import GLANCE, TIDY, design, people, unexplained

import impactkit as ik
from impactkit.analysis import Analysis
from impactkit.errors import AnalysisError, DataError, NotEstimableError, SpecError
from impactkit.results import Estimates

ITT = ik.IntentToTreat(name="itt", outcome="worked")


class Odd(Analysis):
    """An analysis that does what a test asks of it."""

    reads_people: ClassVar[bool] = False
    kind: Literal["odd"] = "odd"
    after: tuple[str, ...] = ()
    does: str = "nothing"

    @property
    def needs(self) -> tuple[str, ...]:
        return self.after

    def run(self, study: Any, upstream: Mapping[str, Estimates]) -> Estimates:
        assert tuple(upstream) == self.after
        if "warn" in self.does:
            warnings.warn("a library is unhappy", RuntimeWarning, stacklevel=2)
        if "refuse" in self.does:
            raise NotEstimableError("there is nothing to estimate")
        if "break" in self.does:
            raise KeyError("somewhere")
        return Estimates(remarks=(self.note("done"),))


# --- one failure does not lose the others ---------------------------------------------------------------------------


def odd(*analyses: Odd) -> ik.Evaluation:
    return ik.Evaluation(design(), people(), [*analyses, ITT])


@pytest.mark.parametrize(
    ("does", "reason"), [("refuse", "there is nothing to estimate"), ("break", "an unexpected KeyError in ")]
)
@pytest.mark.parametrize("name", ["first", "first: again"])
def test_a_failure_is_noted_and_the_others_run(does: str, reason: str, name: str) -> None:
    evaluation = odd(
        Odd(name="third", after=("second",)),
        Odd(name=name, does=does),
        Odd(name="second", after=(name,)),
        Odd(name="free"),
    )
    result = evaluation.fit(seed=1)
    notes = result.notes().set_index("analysis")["reason"]
    assert notes[name].startswith(f"failed: {reason}")
    assert "somewhere" not in notes[name]  # what a library says could quote a value of the data
    assert notes["second"] == f"failed: not run, because it needs {name}, which failed"
    assert notes["third"] == "failed: not run, because it needs second, which failed"
    assert notes["free"] == "done"
    assert result.tidy()["analysis"].unique().tolist() == ["itt"]
    assert result.names == ("third", name, "second", "free", "itt")
    assert result.manifest.failures[0].startswith(f"{name}: {reason}")
    assert len(result.manifest.failures) == 3
    assert "3 failed" in repr(result)
    assert len(result[name].tidy()) == 0
    with pytest.raises(AnalysisError, match=f'analysis "{name}" failed: ') as caught:
        evaluation.fit(seed=1, strict=True)
    assert caught.value.__cause__ is not None


def test_warnings_go_to_the_manifest_also_from_what_fails() -> None:
    result = odd(Odd(name="a", does="warn"), Odd(name="b", does="warn and refuse")).fit(seed=1)
    assert result.manifest.warnings == (
        "a: RuntimeWarning: a library is unhappy",
        "b: RuntimeWarning: a library is unhappy",
    )


# --- the manifest ---------------------------------------------------------------------------------------------------


def test_the_manifest_says_how_and_holds_nobody() -> None:
    data = people()
    data["id"] = "secret-" + data["id"]
    evaluation = ik.Evaluation(design("strata", "clusters"), data, [ITT, Odd(name="odd", does="refuse")])
    manifest = evaluation.fit(seed=7).manifest
    values = json.loads(json.dumps(manifest.to_dict()))
    assert set(values) == {
        "version", "plan_hash", "data_hash", "seed", "platform", "versions", "analyses", "warnings", "failures",
        "seconds",
    }  # fmt: skip
    assert values["version"] == ik.__version__ == values["versions"]["impactkit"]
    assert values["versions"]["numpy"] == np.__version__
    assert values["seed"] == 7
    assert values["analyses"] == ["itt", "odd"]
    assert values["plan_hash"] == evaluation.plan.digest
    assert set(values["seconds"]) == {"itt", "odd"}
    assert all(0 <= spent < 60 for spent in values["seconds"].values())
    text = json.dumps(values)
    for record in (*data["id"], *data["practice"]):
        assert record not in text
    again = evaluation.fit(seed=7).manifest.to_dict()
    assert {**again, "seconds": 0} == {**manifest.to_dict(), "seconds": 0}
    assert ik.Evaluation(design("strata"), data, [ITT]).fit().manifest.plan_hash != manifest.plan_hash
    changed = data.assign(worked=1 - data["worked"])
    assert ik.Evaluation(design("strata", "clusters"), changed, [ITT]).fit().manifest.data_hash != manifest.data_hash


def test_glance_carries_seed_hash_and_version() -> None:
    result = ik.Evaluation(design(), people(), [ITT]).fit(seed=7)
    (look,) = result.glance().to_dict("records")
    assert (look["seed"], look["version"], look["data_hash"]) == (7, ik.__version__, result.manifest.data_hash)
    assert ik.Evaluation(design(), people(), [ITT]).fit().glance()["seed"].isna().all()
    with pytest.raises(SpecError, match="whole number"):
        ik.Evaluation(design(), people(), [ITT]).fit(seed=-1)


# --- progress -------------------------------------------------------------------------------------------------------


def test_no_bar_unless_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    ik.Evaluation(design(), people(), [ITT]).fit(seed=1)
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_drawn_on_a_terminal_only(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = ik.Evaluation(design(), people(), [ITT, Odd(name="odd")])
    plain = evaluation.fit(seed=1, progress=True)
    assert "itt" not in capfd.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = evaluation.fit(seed=1, progress=True)
    assert "odd" in capfd.readouterr().err
    assert shown.tidy().equals(plain.tidy())


# --- who is analysed ------------------------------------------------------------------------------------------------


def mixed(**changes: Any) -> ik.TrialDesign:
    outcomes = (
        ik.Outcome(name="employment", column="worked", kind="binary", weights=None),
        ik.Outcome(name="health", kind="index", weights="w_health"),
        ik.Outcome(name="weeks", kind="duration", unit="weeks"),
    )
    return design(outcomes=outcomes, weights="w", **changes)


def wls(data: pd.DataFrame, outcome: str, weights: str | None) -> float:
    seen = data[data[outcome].notna()]
    w = np.ones(len(seen)) if weights is None else seen[weights]
    treated = seen["arm"] == "IPS"
    return float(np.average(seen.loc[treated, outcome], weights=w[treated])) - float(
        np.average(seen.loc[~treated, outcome], weights=w[~treated])
    )


def test_one_analysis_mixes_survey_and_administrative_outcomes() -> None:
    data = people()
    spec = ik.IntentToTreat(name="itt", outcome=("employment", "health", "weeks"))
    result = ik.Evaluation(mixed(), data, [spec]).fit(seed=1, strict=True)
    rows = result.tidy().query("term == 'IPS'").set_index("outcome")
    assert rows["estimate"]["employment"] == pytest.approx(wls(data, "worked", None), rel=1e-12)
    assert rows["estimate"]["health"] == pytest.approx(wls(data, "health", "w_health"), rel=1e-12)
    assert rows["estimate"]["weeks"] == pytest.approx(wls(data, "weeks", "w"), rel=1e-12)
    looks = result.glance().set_index("outcome")
    assert looks["weights"].to_dict() == {"employment": "none", "health": "w_health", "weeks": "w"}
    assert looks["n_analysed"].tolist() == [192, data["health"].notna().sum(), 192]
    assert looks["n_missing_outcome"].tolist() == [0, data["health"].isna().sum(), 0]
    seen = data["w_health"].dropna()
    assert looks["effective_n"]["employment"] == 192
    assert looks["effective_n"]["health"] == pytest.approx(seen.sum() ** 2 / (seen**2).sum())
    for name in ("employment", "health", "weeks"):
        alone = ik.Evaluation(mixed(), data, [spec.replace(outcome=name)]).fit(seed=1).tidy()
        both = result.tidy().query("outcome == @name").reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, both, rtol=1e-12)
    again = ik.Plan.from_dict(ik.Plan(design=mixed(), analyses=(spec,)).to_dict())
    assert ik.Evaluation.from_plan(again, data).fit(seed=1).tidy().equals(result.tidy())


def test_people_of_weight_zero_leave_and_are_counted() -> None:
    data = people()
    data.loc[data.index[:30], "w"] = 0.0
    result = ik.Evaluation(design("weights", "clusters"), data, [ITT]).fit(seed=1)
    without = ik.Evaluation(design("weights", "clusters"), data[30:], [ITT]).fit(seed=1)
    (look,) = result.glance().to_dict("records")
    assert (look["n_zero_weight"], look["n_assigned"], look["n_analysed"]) == (30, 192, 162)
    pd.testing.assert_frame_equal(result.tidy(), without.tidy(), rtol=1e-12)


def test_a_missing_weight_matters_only_where_the_outcome_is_observed() -> None:
    data = people()
    assert data["w_health"].isna().any()
    ik.Evaluation(mixed(), data, [ITT.replace(outcome="health")]).fit(strict=True)
    data.loc[data["health"].notna().idxmax(), "w_health"] = np.nan
    with pytest.raises(DataError, match="the outcome without a weight in 1 row"):
        ik.Evaluation(mixed(), data, [ITT.replace(outcome="health")])
    ik.Evaluation(mixed(), data, [ITT.replace(outcome="employment")]).fit(strict=True)


def test_who_cannot_have_the_outcome_is_not_missing() -> None:
    data = people()
    eligible = ik.Outcome(name="kept", column="worked", kind="binary", eligible=(("group", ("OOW", "sick")),))
    result = ik.Evaluation(design(outcomes=(eligible,)), data, [ITT.replace(outcome="kept")]).fit(seed=1)
    inside = data[data["group"] != "IW"]
    (look,) = result.glance().to_dict("records")
    assert (look["n_assigned"], look["n_not_eligible"]) == (len(inside), len(data) - len(inside))
    assert look["n_missing_outcome"] == 0
    assert result.tidy()["estimate"][0] == pytest.approx(wls(inside, "worked", None), rel=1e-12)


def test_several_treated_arms_are_a_term_each_and_ignored_arms_are_nobody() -> None:
    data = people()
    data.loc[data.index[::4], "arm"] = "light"
    data.loc[data.index[1::8], "arm"] = "withdrawn"
    declared = design(treated=("IPS", "light"), ignore_arms=("withdrawn",))
    result = ik.Evaluation(declared, data, [ITT]).fit(seed=1)
    tidy = result.tidy()
    assert tidy["term"].tolist() == ["IPS", "light", "control_mean"]
    means = data.groupby("arm")["worked"].mean()
    assert tidy["estimate"].tolist() == pytest.approx(
        [means["IPS"] - means["usual"], means["light"] - means["usual"], means["usual"]], rel=1e-12
    )
    assert result.glance()["n_assigned"].tolist() == [(data["arm"] != "withdrawn").sum()]
    assert any("24 rows" in note and "ignore_arms" in note for note in result_notes(declared, data))
    with pytest.raises(DataError, match="withdrawn"):
        ik.Evaluation(declared.replace(ignore_arms=()), data, [ITT])


def result_notes(declared: ik.TrialDesign, data: pd.DataFrame) -> tuple[str, ...]:
    return ik.Evaluation(declared, data, [ITT]).fit().data_notes


def one_armed() -> tuple[ik.TrialDesign, pd.DataFrame]:
    data = people()
    lone = (data["site"] == "north") & (data["group"] == "OOW") & (data["arm"] == "usual")
    data.loc[lone, "group"] = "IW"
    assert ((data["site"] == "north") & (data["group"] == "OOW")).sum() > 5
    return design("strata", "populations"), data


def test_a_one_armed_stratum_of_a_population_fails_only_its_rows() -> None:
    declared, data = one_armed()
    result = ik.Evaluation(declared, data, [ITT]).fit(strict=True)
    rows = result.tidy().set_index("population")["estimate"]
    assert rows["out of work"].isna().all()
    assert rows["out of work or sick"].notna().all()
    notes = result.notes()
    assert notes["population"].unique().tolist() == ["out of work"]
    assert notes["reason"].str.contains("1 of 2 strata lack an arm.*site=north").all()
    assert unexplained(result.tidy(), notes) == []


def test_one_armed_strata_may_be_dropped_and_are_counted() -> None:
    declared, data = one_armed()
    spec = ITT.replace(one_armed="drop")
    result = ik.Evaluation(declared, data, [spec]).fit(strict=True)
    lone = (data["site"] == "north") & (data["group"] == "OOW")
    look = result.glance().set_index("population").loc["out of work"]
    assert look["n_dropped_strata"] == lone.sum()
    assert look["n_analysed"] == (data["group"] == "OOW").sum() - lone.sum()
    assert result.notes()["reason"].str.contains("left out as asked").any()
    rest = data[(data["group"] == "OOW") & ~lone]
    assert result.tidy()["estimate"][0] == pytest.approx(wls(rest, "worked", None), rel=1e-12)


def test_data_may_be_several_tables() -> None:
    data = people()
    visits = pd.DataFrame({"person": data["id"].repeat(2), "visit": [0, 12] * len(data)})
    declared = design(links=(ik.Link(table="visits", unit="person"),))
    first = ik.Evaluation(design(), data, [ITT]).fit(seed=1).tidy()
    result = ik.Evaluation(declared, {"people": data, "visits": visits}, [ITT]).fit(seed=1)
    assert result.tidy().equals(first)
    named = declared.replace(table="clients")
    assert ik.Evaluation(named, {"clients": data, "visits": visits}, [ITT]).fit(seed=1).tidy().equals(first)
    with pytest.raises(DataError, match="visits"):
        ik.Evaluation(declared, {"people": data}, [ITT])
    with pytest.raises(DataError, match="people"):
        ik.Evaluation(declared, {"persons": data, "visits": visits}, [ITT])


def test_several_problems_are_one_error() -> None:
    data = people().drop(columns="site")
    data.loc[3, "id"] = data.loc[2, "id"]
    spec = ik.IntentToTreat(name="itt", outcome=("worked", "heatlh"), covariates=("agee",))
    with pytest.raises(DataError) as caught:
        ik.Evaluation(design("strata"), data, [spec])
    assert len(caught.value.problems) == 4
    assert str(caught.value).startswith("4 problems with the data:")


# --- the result -----------------------------------------------------------------------------------------------------


def result() -> ik.EvaluationResult:
    analyses = [ik.IntentToTreat(name="a", outcome="worked"), ik.IntentToTreat(name="b", outcome="weeks")]
    return ik.Evaluation(design(), people(), analyses).fit(seed=1)


def test_a_part_of_a_result_is_a_result() -> None:
    whole = result()
    part = whole["a"]
    assert type(part) is type(whole["a"]["a"]) is ik.EvaluationResult
    assert part["a"].tidy().equals(part.tidy())
    assert part.tidy()["analysis"].unique().tolist() == ["a"]
    assert whole[["b", "a"]].tidy()["analysis"].unique().tolist() == ["b", "a"]
    assert (list(whole), len(whole), len(part)) == (["a", "b"], 2, 1)
    assert "a" in part
    assert "b" not in part
    with pytest.raises(SpecError, match=r'no analysis is called "b".*There are: a'):
        part["b"]
    with pytest.raises(AttributeError):
        part.plan = None  # type: ignore[misc]
    for frame, columns in (("tidy", TIDY), ("glance", GLANCE)):
        assert list(getattr(part, frame)().columns) == columns


def test_a_misspelt_analysis_asks_what_was_meant() -> None:
    whole = ik.Evaluation(design(), people(), [ik.IntentToTreat(name="employment", outcome="worked")]).fit()
    with pytest.raises(SpecError, match='Did you mean "employment"'):
        whole["emploment"]


def test_covariance_is_symmetric_and_never_negative() -> None:
    matrix = result().covariance()
    assert (matrix == matrix.T).all()
    assert np.linalg.eigvalsh(matrix).min() > -1e-12 * np.linalg.eigvalsh(matrix).max()
    np.testing.assert_allclose(np.sqrt(np.diagonal(matrix)), result().tidy()["std_error"], rtol=1e-12)


def test_draws_are_named_repeatable_and_of_one_analysis_if_asked() -> None:
    whole = result()
    first = whole.draws(n=5, seed=3)
    assert first.shape == (5, 4)
    assert first.columns.names == ["analysis", "outcome", "population", "term", "measure"]
    assert first.columns[0] == ("a", "worked", "all", "IPS", "difference")
    assert first.equals(whole.draws(n=5, seed=3))
    assert not first.equals(whole.draws(n=5, seed=4))
    assert whole.draws("b", n=5, seed=3).equals(whole["b"].draws(n=5, seed=3))
    assert list(whole.draws("b", n=5, seed=3).columns) == list(first.columns[2:])


def test_an_evaluation_without_analyses_is_an_empty_result() -> None:
    empty = ik.Evaluation(design(), people(), []).fit(seed=1)
    assert len(empty.tidy()) == 0
    assert list(empty.tidy().columns) == TIDY
    assert list(empty.glance().columns) == GLANCE
    assert empty.covariance().shape == (0, 0)
