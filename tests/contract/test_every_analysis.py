"""What every registered analysis keeps to; a new kind is tested by its line in the table of examples."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from contract_examples import EXAMPLES, TARGET, Example
from made_up_trial import ADJUSTED, FEATURES, GLANCE, NOTES, TIDY, design, people, unexplained
from norm_examples import EXAMPLES as NORM_EXAMPLES

import impactkit as ik
from impactkit._names import ANALYSES
from impactkit.analysis import FEATURES as DECLARABLE
from impactkit.analysis import analysis_class, read_analysis
from impactkit.errors import RefusalError

EXACT = 1e-12  # sums of the same numbers in another order
SQUARES = 1e-10  # a sum of squares and the square of its root
PEOPLE_NOT_WEIGHTS = 0.02  # a small-sample factor of 1 - 3/(4n - 1), n about 90, counts people rather than weights

CASES = [
    pytest.param(example, id=f"{kind}-{example.label.replace(' ', '-')}")
    for kind, examples in EXAMPLES.items()
    for example in examples
]
every_analysis = pytest.mark.parametrize("example", CASES)


def fit(example: Example, declared: ik.TrialDesign, data: Any) -> ik.EvaluationResult:
    return ik.Evaluation(declared, data, example.build(declared)).fit(seed=1, strict=True)


def written(result: ik.EvaluationResult) -> bytes:
    return result.tidy().to_csv(index=False).encode()


def agree(ours: pd.DataFrame, theirs: pd.DataFrame, *, columns: list[str] = TIDY[6:], tolerance: float = EXACT) -> None:
    assert ours[TIDY[:6]].to_dict("records") == theirs[TIDY[:6]].to_dict("records")
    for column in columns:
        np.testing.assert_allclose(ours[column], theirs[column], rtol=tolerance, atol=tolerance, err_msg=column)


# --- the table of names ---------------------------------------------------------------------------------------------


def test_every_registered_analysis_has_an_example() -> None:
    assert set(EXAMPLES) | set(NORM_EXAMPLES) == set(ANALYSES), "add the new kind to EXAMPLES in examples.py"
    for kind, examples in EXAMPLES.items():
        for example in examples:
            assert type(example.target) is analysis_class(kind)
            assert example.target.name == TARGET


@pytest.mark.parametrize("kind", ANALYSES)
def test_the_class_says_its_kind_and_only_features_that_exist(kind: str) -> None:
    cls = analysis_class(kind)
    assert cls.model_fields["kind"].default == kind
    assert set(DECLARABLE) == set(FEATURES)
    assert cls.honours <= set(DECLARABLE)
    assert cls.accepts
    assert getattr(ik, cls.__name__) is cls


# --- a value in, a value out ----------------------------------------------------------------------------------------


@every_analysis
def test_data_and_spec_are_left_as_they_were(example: Example) -> None:
    data, declared = people(), example.design()
    before, target = data.copy(deep=True), example.target
    saved = target.model_dump_json()
    fit(example, declared, data)
    pd.testing.assert_frame_equal(data, before, check_exact=True)
    assert list(data.columns) == list(before.columns)
    assert target.model_dump_json() == saved
    assert hash(target) == hash(example.target)
    assert target == example.target
    assert {target, example.target} == {target}
    with pytest.raises(ValueError, match="frozen"):
        target.name = "another"


@every_analysis
def test_the_same_twice_to_the_byte(example: Example) -> None:
    declared = example.design()
    evaluation = ik.Evaluation(declared, people(), example.build(declared))
    first = evaluation.fit(seed=1)
    again, afresh = evaluation.fit(seed=1), fit(example, declared, people())
    assert written(first) == written(again) == written(afresh)
    for frame in ("glance", "notes", "adjusted"):
        ours, theirs = getattr(first, frame)(), getattr(afresh, frame)()
        assert ours.to_csv(index=False) == theirs.to_csv(index=False)


@every_analysis
def test_reading_changes_nothing(example: Example) -> None:
    result = fit(example, example.design(), people())
    before = written(result)
    for frame in (result.tidy(), result.glance(), result.notes(), result.cells()):
        frame.iloc[:, 0] = "changed"
        frame.loc[:, [name for name in frame if frame[name].dtype == float]] = 7.0
    result.covariance()[:] = 7.0
    result.draws(n=3, seed=1)
    assert written(result) == before
    assert result.glance().to_csv() == fit(example, example.design(), people()).glance().to_csv()


@every_analysis
def test_rows_in_another_order_agree(example: Example) -> None:
    data, declared = people(), example.design()
    shuffled = data.sample(frac=1.0, random_state=3)
    assert list(shuffled["id"]) != list(data["id"])
    agree(fit(example, declared, data).tidy(), fit(example, declared, shuffled).tidy())


@every_analysis
def test_a_person_twice_is_a_person_of_weight_two(example: Example) -> None:
    data = people()
    features = [name for name in example.honoured if name != "weights"]
    weighing = "weights" in example.honoured
    again = data[data["twice"] == 2] if weighing else data
    doubled = pd.concat([data, again.assign(id="again " + again["id"])], ignore_index=True)
    assert len(doubled) > len(data)
    whole = fit(example, design(*features), doubled).tidy()
    weighted = fit(example, design(*features, weights="twice" if weighing else None), data).tidy()
    if example.describes:
        means = ["mean", "proportion"]
        whole, weighted = (frame[frame["measure"].isin(means)].reset_index(drop=True) for frame in (whole, weighted))
        if whole.empty:
            return
    estimates = whole["measure"].map(lambda name: not ik.results.measure(name).is_test)
    estimates &= ~whole["term"].isin(example.not_moments)
    tolerance = PEOPLE_NOT_WEIGHTS if example.counts_people else 1e-10  # weighted sums, then a matrix solved
    agree(whole[estimates], weighted[estimates], columns=["estimate"], tolerance=tolerance)
    if example.reads and not example.counts_people:
        assert whole["n"].sum() > weighted["n"].sum() or whole["n"].isna().all()


# --- plans ----------------------------------------------------------------------------------------------------------


@every_analysis
def test_json_and_toml_there_and_back(example: Example) -> None:
    import tomllib

    for analysis in example.build(example.design()):
        values = analysis.to_dict()
        assert read_analysis(values) == analysis
        assert read_analysis(tomllib.loads(tomli_w.dumps(values))) == analysis
        assert type(analysis).model_validate_json(analysis.model_dump_json()) == analysis
        assert read_analysis(values).digest == analysis.digest
        assert analysis.replace() == analysis
        assert analysis.replace(name="another").digest != analysis.digest


@every_analysis
def test_a_loaded_plan_gives_the_same_bytes(example: Example, tmp_path: Path) -> None:
    declared = example.design()
    plan = ik.Plan(design=declared, analyses=example.build(declared), title="a plan")
    for name in ("plan.toml", "plan.json"):
        loaded = ik.Plan.load(plan.save(tmp_path / name))
        assert loaded == plan
        assert loaded.digest == plan.digest
        result = ik.Evaluation.from_plan(loaded, people()).fit(seed=1)
        assert written(result) == written(fit(example, declared, people()))


# --- what comes out -------------------------------------------------------------------------------------------------


@every_analysis
def test_frames_have_their_columns(example: Example) -> None:
    result = fit(example, example.design(), people())[TARGET]
    assert list(result.tidy().columns) == TIDY
    assert list(result.glance().columns) == GLANCE
    assert list(result.notes().columns) == NOTES
    assert list(result.adjusted().columns) == ADJUSTED
    tidy, glance = result.tidy(), result.glance()
    assert len(tidy) > 0
    assert tidy[TIDY[6:]].dtypes.eq(float).all()
    assert not tidy.duplicated(TIDY[:5]).any()
    assert (tidy["analysis"] == TARGET).all()
    assert (glance["kind"] == example.target.kind).all()  # type: ignore[attr-defined]
    assert (glance["seed"] == 1).all()
    assert glance["version"].notna().all()
    assert not glance.duplicated(["analysis", "outcome", "population"]).any()
    about = ["population"] if example.describes else ["outcome", "population"]
    assert set(tidy[about].itertuples(index=False)) == set(glance[about].itertuples(index=False))
    assert set(result.notes()["analysis"]) <= {TARGET}
    inside = tidy.dropna(subset=["estimate", "conf_low", "conf_high"])
    assert (inside["conf_low"] <= inside["estimate"]).all()
    assert (inside["estimate"] <= inside["conf_high"]).all()
    assert tidy["p_value"].dropna().between(0, 1).all()
    assert (tidy["std_error"].dropna() >= 0).all()


@every_analysis
def test_every_missing_number_has_its_reason(example: Example) -> None:
    result = fit(example, example.design(), people())
    assert unexplained(result.tidy(), result.notes()) == []


@every_analysis
def test_every_missing_number_has_its_reason_on_hard_data(example: Example) -> None:
    data = people()
    alone = data["arm"].eq("IPS").idxmax()
    pair = [alone + 20 + (data["arm"][alone + 20 :] == arm).to_numpy().argmax() for arm in ("IPS", "usual")]
    data["group"] = "OOW"
    data.loc[pair, "group"] = "pair"
    data.loc[alone, "group"] = "alone"
    data.loc[[alone, *pair], "health"] = 0.5
    data["trained"] = 0
    tiny = tuple(ik.Population(name=name, where=(("group", name),)) for name in ("pair", "alone", "OOW"))
    declared = example.design()
    if "populations" in example.honoured:
        declared = declared.replace(populations=tiny)
    result = ik.Evaluation(declared, data, example.build(declared)).fit(seed=1)
    said = result.notes()
    assert unexplained(result.tidy(), said) == []
    failed = said[(said["analysis"] == TARGET) & said["reason"].str.startswith("failed")]
    if len(failed):
        assert len(result[TARGET].tidy()) == 0
        assert re.search(r"[a-z]{3,}", failed["reason"].iloc[0])
    else:
        assert len(result[TARGET].tidy()) > 0


@every_analysis
def test_influence_values_squared_give_the_stated_variance(example: Example) -> None:
    result = fit(example, example.design(), people())
    found = result.parts[TARGET]
    carried = np.zeros(len(found), dtype=bool)
    total = np.zeros(len(found)) if found.extra_covariance is None else np.diagonal(found.extra_covariance).copy()
    for block in found.influence:
        assert len(block.rows) == len(found)
        carried |= [row is not None for row in block.rows]
        total += (block.by_group(range(len(found))) ** 2).sum(axis=1)
    stated = found.working_se**2
    np.testing.assert_allclose(total[carried], stated[carried], rtol=SQUARES)
    if example.target.uses_people() and not example.describes:
        estimates = np.isfinite(found.numbers["estimate"])
        assert carried[estimates].all()
    # and the same after the whole result has been joined
    joint = np.diagonal(result.covariance())[[key.analysis == TARGET for key in result.estimates.keys]]
    np.testing.assert_allclose(joint, stated, rtol=SQUARES)


@every_analysis
def test_evidence_travels(example: Example) -> None:
    shown = fit(example, example.design(), people())[TARGET].glance()["evidence"]
    assert (shown == (example.evidence if example.reads else "")).all()


# --- declared once, honoured everywhere -----------------------------------------------------------------------------


@every_analysis
@pytest.mark.parametrize("feature", FEATURES)
def test_declared_once_honoured_everywhere(example: Example, feature: str) -> None:
    data, declared = people(), design(feature)
    if example.reads and feature not in example.honoured:
        with pytest.raises(RefusalError) as caught:
            ik.Evaluation(declared, data, example.build(declared))
        sentence = str(caught.value)
        assert feature in sentence
        assert sentence.endswith(".")
        assert not re.search(r"[.!?]\s", sentence), "one sentence"
        return
    without = fit(example, design(), data)[TARGET].tidy()
    with_it = fit(example, declared, data)[TARGET].tidy()
    changed = not without.drop(columns="analysis").equals(with_it.drop(columns="analysis"))
    moves = example.reads and feature in example.moves
    assert changed == moves, "the declared feature does not reach the numbers" if moves else "it does"


@every_analysis
def test_what_is_set_aside_is_said(example: Example) -> None:
    target = example.target
    if not target.uses_people():
        return
    aside = [name for name in FEATURES if name not in target.honours]
    for feature in aside:
        declared, asked = design(feature), target.replace(ignore=(feature,))
        result = ik.Evaluation(declared, people(), [asked]).fit(seed=1)
        assert result.glance()["method"].str.contains(feature).all()
    if not aside:
        assert "ignore" not in type(target).model_fields


# --- where data come from -------------------------------------------------------------------------------------------


@every_analysis
def test_the_kind_of_frame_makes_no_difference(example: Example, tmp_path: Path) -> None:
    pl = pytest.importorskip("polars", reason="group: test")
    data, declared = people(), example.design()
    data.to_csv(tmp_path / "people.csv", index=False)
    data.to_csv(tmp_path / "text.csv", index=False)
    kinds: dict[str, Any] = {
        "polars": pl.DataFrame({name: [None if cell != cell else cell for cell in data[name]] for name in data}),
        "csv": tmp_path / "people.csv",
        "text path": str(tmp_path / "text.csv"),
        "mapping": {"people": data},
    }
    first = fit(example, declared, data)
    for kind, frame in kinds.items():
        other = fit(example, declared, frame)
        assert written(other) == written(first), kind
        assert other.glance().to_csv() == first.glance().to_csv(), kind


@every_analysis
def test_arrow_makes_no_difference(example: Example) -> None:
    pa = pytest.importorskip("pyarrow", reason="extra: data")
    data, declared = people(), example.design()
    other = fit(example, declared, pa.Table.from_pandas(data, preserve_index=False))
    assert written(other) == written(fit(example, declared, data))


@every_analysis
def test_a_misspelt_name_is_one_error_that_asks_what_was_meant(example: Example) -> None:
    if example.misspelt is None:
        # Only an analysis that names nothing outside itself may do without.
        target = example.target
        assert not target.needs or any(other.misspelt for other in EXAMPLES[target.to_dict()["kind"]])
        assert not target.outcome_names() or any(other.misspelt for other in EXAMPLES[target.to_dict()["kind"]])
        return
    with pytest.raises(example.error) as caught:
        ik.Evaluation(design(), people(), [example.misspelt])
    assert f'Did you mean "{example.meant}"?' in str(caught.value)
    assert str(caught.value).startswith("1 problem ")


# --- documentation --------------------------------------------------------------------------------------------------


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", sorted(set(ik.__all__) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    thing = getattr(ik, name)
    text = inspect.getdoc(thing) or ""
    first = text.split("\n\n")[0]
    assert first.endswith("."), f"{name}: the first paragraph is a sentence"
    assert thing.__doc__, f"{name} inherits its docstring"
    options = [field for field in getattr(thing, "model_fields", {}) if field != "kind"]
    if options:
        parameters = _sections(text).get("Parameters", "")
        missing = [option for option in options if not re.search(rf"\b{option}\b", parameters)]
        inherited = (
            "See :class:`Design`" in parameters or "As in :class:" in parameters or thing.__mro__[1] is ik.design.Design
        )
        assert not missing or inherited, f"{name} does not describe {', '.join(missing)}"


@pytest.mark.parametrize("kind", ANALYSES)
def test_every_analysis_shows_an_example_and_what_it_returns(kind: str) -> None:
    sections = _sections(inspect.getdoc(analysis_class(kind)) or "")
    assert ">>> " in sections.get("Examples", "")
    assert {"Parameters", "Returns", "Notes", "References"} <= set(sections)
