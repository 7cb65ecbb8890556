"""Plans: saved and loaded, ordered, and refused with every fault named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_trial import design, people, pounds

import impactkit as ik
from impactkit.analysis import read_analysis
from impactkit.errors import OutputError, RefusalError, SpecError

ITT = ik.IntentToTreat(name="itt", outcome="worked")


def gap(name: str, *needs: str) -> ik.Combination:
    return ik.Combination(name=name, how="sum", of=tuple(ik.RowRef(analysis=need) for need in needs))


def plan() -> ik.Plan:
    day = pounds(90, "GBP per day")
    analyses = (
        ik.BreakEven(
            name="pay",
            cost=pounds(584),
            value_of_day=day,
            days_per_week=5,
            weeks_saved=ik.RowRef(analysis="itt", term="IPS"),
        ),
        gap("gap", "itt", "itt"),
        ik.IntentToTreat(
            name="itt", outcome=("worked", "weeks"), covariates=("age",), inference=ik.CR2(), conf_level=0.9
        ),
        ik.CrossTab(name="tab", outcome="worked", by="sex", ignore=("clusters", "strata"), test="trend"),
    )
    declared = design("strata", "clusters", "populations", weights="w")
    outcomes = (ik.Outcome(name="admin", column="worked", kind="binary", weights=None), *declared.outcomes)
    return ik.Plan(design=declared.replace(outcomes=outcomes), analyses=analyses, title="A plan – £")


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plan.toml", "plan.json"])
def test_a_plan_survives_the_disk(name: str, tmp_path: Path) -> None:
    saved = plan().save(tmp_path / name)
    assert saved == tmp_path / name
    read = ik.Plan.load(saved)
    assert read == plan()
    assert repr(read) == repr(plan())
    assert read.digest == plan().digest
    assert [type(analysis) for analysis in read.analyses] == [type(analysis) for analysis in plan().analyses]
    assert type(read.design) is ik.TrialDesign


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"plan\.toml"):
        plan().save(path)
    assert path.read_text() == "mine"
    plan().save(path, overwrite=True)
    assert ik.Plan.load(path) == plan()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("plan.toml", "title = ", "is not TOML"),
        ("plan.json", "{", "is not JSON"),
        ("plan.toml", "titel = 'x'\nanalyses = []", 'unknown option `titel`. Did you mean "title"'),
        ("plan.toml", "analyses = ['itt']", "analyses"),
        ("plan.toml", "[analyses]\nkind = 'cross_tab'", "analyses"),
        ("plan.toml", "[[analyses]]\nname = 'a'", 'analysis "a" has no `kind`: give one of intent_to_treat'),
        ("plan.toml", "[[analyses]]\nkind = 'intent_to_trea'\nname = 'a'", 'Did you mean "intent_to_treat"'),
        (
            "plan.toml",
            "[design]\nkind = 'trial'\nunit = 'id'\n",
            "3 problems in Plan:\n  design: trial.arm: Field required",
        ),
    ],
)
def test_a_file_that_is_no_plan_says_why(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as caught:
        ik.Plan.load(tmp_path / name)
    assert words in str(caught.value)
    with pytest.raises(SpecError, match="cannot be read"):
        ik.Plan.load(tmp_path / "nowhere.toml")


def test_faults_of_several_analyses_come_together() -> None:
    values = {
        "analyses": [
            {"kind": "intent_to_treat", "name": "a"},
            {"kind": "intent_to_treat", "name": "b", "outcome": "y", "covariate": ["x"]},
            {"kind": "break_even", "name": "c"},
        ]
    }
    with pytest.raises(SpecError) as caught:
        ik.Plan.from_dict(values)
    said = str(caught.value)
    assert said.startswith("5 problems in Plan:\n")
    for words in (
        'analyses: "a": outcome: Field required',
        'analyses: "b": unknown option `covariate`. Did you mean "covariates"?',
        'analyses: "c": cost: Field required',
        'analyses: "c": days_per_week: Field required',
    ):
        assert f"\n  {words}" in said


# --- the schema -----------------------------------------------------------------------------------------------------


def broken(values: dict[str, Any], fault: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(values))
    match fault:
        case "kind":
            changed["analyses"][0]["kind"] = "intent_to_trea"
        case "no kind":
            del changed["analyses"][0]["kind"]
        case "option":
            changed["analyses"][2]["covariate"] = []
        case "type":
            changed["analyses"][2]["conf_level"] = "0.9"
        case "outcome":
            changed["design"]["outcomes"][0]["kind"] = "scale"
        case "key":
            changed["titel"] = "x"
    return changed


def test_the_schema_accepts_what_is_written_and_refuses_what_is_not_a_plan() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="extra: plots")
    schema = ik.Plan.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    values = plan().to_dict()
    validator.validate(values)
    for fault in ("kind", "no kind", "option", "type", "outcome", "key"):
        wrong = broken(values, fault)
        assert not validator.is_valid(wrong), fault
        with pytest.raises(SpecError):
            ik.Plan.from_dict(wrong)


def test_the_schema_is_json_and_knows_every_kind() -> None:
    schema = json.loads(json.dumps(ik.Plan.json_schema()))
    from impactkit._names import ANALYSES

    offered = [entry["$ref"].rsplit("/", 1)[1] for entry in schema["properties"]["analyses"]["items"]["oneOf"]]
    assert offered == [name for _, name in ANALYSES.values()]
    kinds = [schema["$defs"][name]["properties"]["kind"]["const"] for name in offered]
    assert kinds == list(ANALYSES)
    text = json.dumps(schema)
    for reference in set(part.split('"')[0] for part in text.split("#/$defs/")[1:]):
        assert reference in schema["$defs"]


# --- order and names ------------------------------------------------------------------------------------------------


def test_analyses_run_after_those_they_need_and_else_as_declared() -> None:
    made = ik.Plan(analyses=(gap("c", "b", "a"), gap("b", "a", "d"), ITT, gap("a", "d", "d"), ITT.replace(name="d")))
    assert [analysis.name for analysis in made.in_order()] == ["d", "a", "b", "c", "itt"]


@pytest.mark.parametrize(
    ("analyses", "words"),
    [
        ((ITT, ITT), 'two analyses are called "itt"'),
        ((gap("a", "b", "b"), gap("b", "a", "a")), "in a circle: "),
        ((gap("a", "a", "a"),), "in a circle: a → a"),
        ((ITT, gap("a", "it", "itt")), 'needs "it", which is not in the plan. Did you mean "itt"?'),
    ],
)
def test_names_that_do_not_fit_are_refused(analyses: tuple[Any, ...], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        ik.Plan(analyses=analyses)
    assert words in str(caught.value)


def test_refusals_come_together() -> None:
    tab = ik.CrossTab(name="tab", outcome="weeks", by="sex")
    other = ik.IntentToTreat(name="other", outcome="worked", populations=("out of wrok",), inference=ik.HC1())
    with pytest.raises(RefusalError) as caught:
        ik.Evaluation(design("strata", "clusters", "populations"), people(), [tab, other])
    said = str(caught.value)
    assert said.startswith("5 refusals:\n")
    for words in ("the strata", "the clusters", 'weeks" is duration', "asks for HC1", 'Did you mean "out of work"'):
        assert words in said


def test_designs_and_data_that_are_missing_are_said() -> None:
    with pytest.raises(RefusalError, match='IntentToTreat "itt" reads people and needs a design'):
        ik.Evaluation(None, None, [ITT])
    with pytest.raises(SpecError, match="data were given without a design"):
        ik.Evaluation(None, people(), [])
    with pytest.raises(RefusalError, match="reads trial designs, not a before_after design"):
        ik.Evaluation(ik.BeforeAfterDesign(unit="id", before="health", after="health"), people(), [ITT])
    with pytest.raises(SpecError, match="no `kind`"):
        read_analysis({"name": "a"})
