"""Designs, outcomes and populations are values: the same after any trip, refused with every fault named at once."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from impactkit.design import (
    ALL,
    BeforeAfterDesign,
    ComparisonDesign,
    Design,
    Family,
    Link,
    NormDesign,
    Outcome,
    Population,
    TrialDesign,
    read_design,
)
from impactkit.errors import SpecError

# --- strategies -----------------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
labels = st.one_of(
    words,
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0),
)
where = st.lists(
    st.tuples(words, st.one_of(labels, st.lists(labels, min_size=1, max_size=3).map(tuple))), min_size=1, max_size=3
).map(tuple)
names = st.lists(words, max_size=3, unique=True)


@st.composite
def outcomes(draw: st.DrawFn, name: str) -> Outcome:
    kind = draw(st.sampled_from(["binary", "continuous", "money", "index", "duration"]))
    options: dict[str, Any] = {"name": name, "kind": kind, "good": draw(st.sampled_from(["higher", "lower"]))}
    if kind == "duration":
        options["unit"] = draw(st.sampled_from(["weeks", "days"]))
    if kind == "binary" and draw(st.booleans()):
        options["event"] = draw(labels)
    for option, values in (("column", words), ("label", words), ("weights", st.none() | words), ("eligible", where)):
        if draw(st.booleans()):
            options[option] = draw(values)
    return Outcome(**options)


@st.composite
def designs(draw: st.DrawFn) -> Design:
    measured = tuple(draw(outcomes(name)) for name in draw(names))
    options: dict[str, Any] = {
        "unit": draw(words),
        "strata": tuple(draw(names)),
        "clusters": draw(st.none() | words),
        "weights": draw(st.none() | words),
        "outcomes": measured,
        "populations": tuple(Population(name=name, where=draw(where)) for name in draw(names) if name != ALL),
        "links": tuple(Link(table=name, unit=draw(st.none() | words)) for name in draw(names) if name != "people"),
    }
    if len(measured) > 1:
        options["families"] = (Family(name=draw(words), outcomes=tuple(outcome.name for outcome in measured)),)
    kind = draw(st.sampled_from([TrialDesign, ComparisonDesign, NormDesign, BeforeAfterDesign]))
    if kind in (TrialDesign, ComparisonDesign):
        arms = draw(st.lists(labels, min_size=2, max_size=4, unique_by=lambda label: (isinstance(label, str), label)))
        options |= {"arm": draw(words), "control": arms[0], "treated": arms[1] if len(arms) == 2 else tuple(arms[1:3])}
        options["ignore_arms"] = tuple(arms[3:])
    if kind is TrialDesign:
        options["allocation"] = draw(st.none() | st.floats(0.01, 0.99) | words)
    if kind is NormDesign:
        options |= {"entry": draw(words), "duration": draw(words), "returned": draw(words)}
    if kind is BeforeAfterDesign:
        options |= {"before": draw(words), "after": draw(words)}
    made: Design = kind(**options)
    return made


def same(ours: Design, theirs: Design) -> None:
    """Equal, and of the same types: True is 1 to Python and to no evaluator."""
    assert type(ours) is type(theirs)
    assert ours == theirs
    assert repr(ours) == repr(theirs)
    assert ours.digest == theirs.digest
    assert hash(ours) == hash(theirs)


@given(designs())
@settings(max_examples=60)
def test_a_design_is_the_same_after_json_toml_and_replace(made: Design) -> None:
    same(read_design(json.loads(json.dumps(made.to_dict()))), made)
    same(read_design(tomllib.loads(tomli_w.dumps(made.to_dict()))), made)
    same(type(made).from_dict(made.to_dict()), made)
    same(type(made).model_validate_json(made.model_dump_json()), made)
    same(made.replace(), made)
    assert made.replace(unit=made.unit + "2").digest != made.digest


# --- weights: left out, none, named ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_weights", "applies"), [({}, "w"), ({"weights": None}, None), ({"weights": "w_12m"}, "w_12m")]
)
def test_weights_left_out_none_and_named_stay_apart(given_weights: dict[str, Any], applies: str | None) -> None:
    outcome = Outcome(name="health", kind="index", **given_weights)
    design = TrialDesign(unit="id", arm="arm", treated=1, control=0, weights="w", outcomes=(outcome,))
    for trip in (design, read_design(tomllib.loads(tomli_w.dumps(design.to_dict()))), design.replace(strata=("site",))):
        (read,) = trip.outcomes
        assert read == outcome
        assert trip.weights_of(read) == applies
    others = [{}, {"weights": None}, {"weights": "w_12m"}]
    digests = {Outcome(name="health", kind="index", **other).digest for other in others}
    assert len(digests) == 3


def test_labels_keep_their_type() -> None:
    for label in ("1", 1, 1.5, True):
        made = Outcome(name="y", kind="binary", event=label)
        read = Outcome.from_dict(json.loads(json.dumps(made.to_dict())))
        assert type(read.event) is type(label)
        assert read.event == label
    assert TrialDesign(unit="id", arm="z", treated=1, control="1").treated_labels == (1,)


# --- what is filled in ----------------------------------------------------------------------------------------------


def test_an_outcome_fills_in_what_follows() -> None:
    made = Outcome(name="work", kind="binary")
    assert (made.column, made.label, made.unit) == ("work", "work", "proportion")
    assert Outcome(name="pay", kind="money").unit == "GBP"
    assert Outcome(name="pay", kind="money", unit="EUR").unit == "EUR"
    assert Outcome(name="off", kind="duration", unit="days").unit == "days"


def test_one_stratum_may_be_named_plainly() -> None:
    assert TrialDesign(unit="id", arm="z", treated=1, control=0, strata="site").strata == ("site",)


def test_populations_and_outcomes_by_name() -> None:
    population = Population(name="All OOW", where=(("group", "OOW"),))
    design = TrialDesign(
        unit="id", arm="z", treated=1, control=0, populations=(population,), outcomes=(Outcome(name="y", kind="index"),)
    )
    assert design.population("All OOW") is population
    assert design.population(ALL) is None
    assert design.population_names == ("All OOW",)
    assert design.replace(populations=()).population_names == (ALL,)
    assert design.outcome("y") is not None
    assert design.outcome("x") is None
    with pytest.raises(SpecError, match=r'"All OWO" is not declared. Did you mean "All OOW"'):
        design.population("All OWO")


@pytest.mark.parametrize(
    ("cls", "evidence"),
    [
        (TrialDesign, "randomised"),
        (ComparisonDesign, "adjusted comparison"),
        (NormDesign, "comparison with a norm"),
        (BeforeAfterDesign, "before-after only"),
    ],
)
def test_each_design_says_what_it_can_support(cls: type[Design], evidence: str) -> None:
    assert cls.evidence == evidence


# --- faults ---------------------------------------------------------------------------------------------------------


def trial(**changes: Any) -> dict[str, Any]:
    return {"unit": "id", "arm": "arm", "treated": "IPS", "control": "usual"} | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stratum": "site"}, 'unknown option `stratum`. Did you mean "strata"?'),
        ({"kind": "trail"}, "kind: "),
        (
            {"outcomes": ({"name": "y", "kind": "binary", "even": 1},)},
            'outcomes.0: unknown option `even`. Did you mean "event"',
        ),
        ({"outcomes": ({"name": "y", "kind": "scale"},)}, "outcomes.0.kind: Input should be 'binary'"),
        ({"outcomes": ({"name": "y", "kind": "duration"},)}, "is a duration: give its unit"),
        ({"outcomes": ({"name": "y", "kind": "binary", "unit": "points"},)}, 'always "proportion", not "points"'),
        ({"outcomes": ({"name": "y", "kind": "index", "event": 1},)}, "`event` belongs to binary outcomes only"),
        ({"outcomes": ({"name": "y", "kind": "index"},) * 2}, 'outcome "y" is declared more than once'),
        ({"populations": ({"name": "a", "where": (("g", 1),)},) * 2}, 'population "a" is declared more than once'),
        ({"populations": ({"name": "all", "where": (("g", 1),)},)}, "stands for everybody"),
        ({"populations": ({"name": "a", "where": ()},)}, "populations.0.where: "),
        ({"populations": ({"name": "a", "where": (("g", float("nan")),)},)}, "populations.0.where"),
        ({"links": ({"table": "people"},)}, 'table "people" is the person table'),
        ({"links": ({"table": "visits"},) * 2}, 'link to table "visits" is declared more than once'),
        ({"families": ({"name": "f", "outcomes": ("y",)},)}, "families.0.outcomes: "),
        ({"treated": "usual"}, 'arm label "usual" is declared more than once'),
        ({"treated": ("a", "b"), "ignore_arms": ("b",)}, "must not overlap"),
        ({"treated": 1, "control": True}, "must not overlap"),
        ({"treated": ()}, "`treated` names no arm"),
        ({"treated": None}, "treated"),
        ({"allocation": 1.5}, "allocation"),
        ({"unit": ""}, "unit: "),
        ({"control": ""}, "control"),
        ({"populations": ({"name": "a", "where": (("g", ""),)},)}, "populations.0.where"),
    ],
)
def test_faults_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        TrialDesign(**trial(**changes))
    assert words in str(caught.value)
    with pytest.raises(SpecError):
        TrialDesign.from_dict(trial(**changes))
    assert isinstance(caught.value, ValueError)


def test_a_family_names_declared_outcomes() -> None:
    measured = tuple(Outcome(name=name, kind="index") for name in ("health", "wellbeing"))
    with pytest.raises(SpecError, match=r'names outcome "helth", which is not declared. Did you mean "health"'):
        TrialDesign(**trial(outcomes=measured, families=(Family(name="f", outcomes=("helth", "wellbeing")),)))


def test_every_fault_in_one_error() -> None:
    with pytest.raises(SpecError) as caught:
        TrialDesign.from_dict(
            trial(
                unit="",
                outcomes=({"name": "a", "kind": "scale"}, {"name": "b", "kind": "duration"}, {"naem": "c"}),
                populations=({"name": "all", "where": (("g", 1),)},),
            )
        )
    said = str(caught.value)
    assert said.startswith("5 problems in TrialDesign:\n")
    for where_it_stands in ("unit: ", "outcomes.0.kind: ", "outcomes.1: ", "outcomes.2: ", "populations.0.name: "):
        assert f"\n  {where_it_stands}" in said
    assert "Value error" not in said
    assert "pydantic" not in said


def test_a_design_of_no_kind_is_refused() -> None:
    with pytest.raises(SpecError, match="the design"):
        read_design({"unit": "id"})
    with pytest.raises(SpecError, match="experiment"):
        read_design({"kind": "experiment", "unit": "id"})


def test_specs_are_frozen_and_replace_checks() -> None:
    made = TrialDesign(**trial())
    with pytest.raises(ValidationError, match="frozen"):
        made.unit = "other"  # type: ignore[misc]
    assert made.replace(unit="other").unit == "other"
    assert made.unit == "id"
    with pytest.raises(SpecError, match="unknown option `units`"):
        made.replace(units="other")
    with pytest.raises(SpecError, match="unit"):
        made.replace(unit="")


def test_the_digest_is_the_same_on_every_machine() -> None:
    made = Outcome(
        name="health", label="health – 12 months", kind="index", weights=None, eligible=(("seen", (1, "x")),)
    )
    canonical = (
        '{"column":"health","eligible":[["seen",[1,"x"]]],"good":"higher","kind":"index","label":"health – 12 months",'
        '"name":"health","unit":"index points","weights":"@none"}'
    )
    assert made.digest == hashlib.sha256(canonical.encode()).hexdigest()
