"""What every analysis of clients against a norm keeps to; a new kind is tested by its line in the examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from made_up_norms import FEATURES, design, tables
from made_up_trial import GLANCE, NOTES, TIDY, unexplained
from norm_examples import EXAMPLES, TARGET, Example

import impactkit as ik
from impactkit.analysis import analysis_class, read_analysis
from impactkit.errors import RefusalError

EXACT = 1e-10  # sums of the same numbers in another order
SQUARES = 1e-10  # a sum of squares and the square of its root

every_norm_analysis = pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, id=f"{kind}-{example.label.replace(' ', '-')}")
        for kind, examples in EXAMPLES.items()
        for example in examples
    ],
)


def fit(example: Example, declared: ik.NormDesign, data: Any) -> ik.EvaluationResult:
    return ik.Evaluation(declared, data, example.build(declared)).fit(seed=1, strict=True)


def written(result: ik.EvaluationResult) -> bytes:
    return (result.tidy().to_csv(index=False) + result.curve().to_csv(index=False)).encode()


@every_norm_analysis
def test_the_example_is_of_its_kind(example: Example) -> None:
    (kind,) = [kind for kind, examples in EXAMPLES.items() if example in examples]
    assert type(example.target) is analysis_class(kind)
    assert "norm" in type(example.target).accepts
    assert example.target.name == TARGET


@every_norm_analysis
def test_data_and_spec_are_left_as_they_were(example: Example) -> None:
    data, target = tables(), example.target
    saved = target.model_dump_json()
    fit(example, example.design(), data)
    for name, frame in tables().items():
        pd.testing.assert_frame_equal(data[name], frame, check_exact=True)
    assert target.model_dump_json() == saved
    assert target == example.target


@every_norm_analysis
def test_the_same_twice_to_the_byte(example: Example) -> None:
    declared = example.design()
    evaluation = ik.Evaluation(declared, tables(), example.build(declared))
    first = evaluation.fit(seed=1)
    assert written(first) == written(evaluation.fit(seed=1)) == written(fit(example, declared, tables()))
    assert first.notes().to_csv() == fit(example, declared, tables()).notes().to_csv()


@every_norm_analysis
def test_rows_in_another_order_agree(example: Example) -> None:
    data, declared = tables(), example.design()
    shuffled = {name: frame.sample(frac=1.0, random_state=3) for name, frame in data.items()}
    ours, theirs = fit(example, declared, data).tidy(), fit(example, declared, shuffled).tidy()
    assert ours[TIDY[:6]].to_dict("records") == theirs[TIDY[:6]].to_dict("records")
    for column in ["estimate", "n"] if example.draws else TIDY[6:]:
        np.testing.assert_allclose(ours[column], theirs[column], rtol=EXACT, atol=EXACT, err_msg=column)


@every_norm_analysis
def test_json_and_toml_there_and_back(example: Example, tmp_path: Path) -> None:
    import tomllib

    declared = example.design()
    for analysis in example.build(declared):
        values = analysis.to_dict()
        assert read_analysis(values) == analysis
        assert read_analysis(tomllib.loads(tomli_w.dumps(values))) == analysis
        assert analysis.replace() == analysis
    plan = ik.Plan(design=declared, analyses=example.build(declared))
    loaded = ik.Plan.load(plan.save(tmp_path / "plan.toml"))
    assert loaded == plan
    assert written(ik.Evaluation.from_plan(loaded, tables()).fit(seed=1)) == written(fit(example, declared, tables()))


@every_norm_analysis
def test_frames_have_their_columns(example: Example) -> None:
    result = fit(example, example.design(), tables())[TARGET]
    tidy, glance = result.tidy(), result.glance()
    assert list(tidy.columns) == TIDY
    assert list(glance.columns) == GLANCE
    assert list(result.notes().columns) == NOTES
    assert len(tidy) > 0
    assert not tidy.duplicated(TIDY[:5]).any()
    assert (glance["kind"] == example.target.to_dict()["kind"]).all()
    assert (glance["evidence"] == example.evidence).all()
    assert not glance.duplicated(["analysis", "outcome", "population"]).any()
    assert set(tidy[["outcome", "population"]].itertuples(index=False)) == set(
        glance[["outcome", "population"]].itertuples(index=False)
    )
    inside = tidy.dropna(subset=["estimate", "conf_low", "conf_high"])
    assert (inside["conf_low"] <= inside["estimate"] + 1e-12).all()
    assert (inside["estimate"] <= inside["conf_high"] + 1e-12).all()
    assert tidy["p_value"].dropna().between(0, 1).all()
    assert len(result.cells()) == len(tidy)


@every_norm_analysis
def test_every_missing_number_has_its_reason(example: Example) -> None:
    result = fit(example, example.design(), tables())
    assert unexplained(result.tidy(), result.notes()) == []


@every_norm_analysis
def test_influence_values_squared_give_the_stated_variance(example: Example) -> None:
    found = fit(example, example.design(), tables()).parts[TARGET]
    carried = np.zeros(len(found), dtype=bool)
    total = np.zeros(len(found)) if found.extra_covariance is None else np.diagonal(found.extra_covariance).copy()
    for block in found.influence:
        assert len(block.rows) == len(found)
        carried |= [row is not None for row in block.rows]
        total += (block.by_group(range(len(found))) ** 2).sum(axis=1)
    np.testing.assert_allclose(total[carried], (found.working_se**2)[carried], rtol=SQUARES)
    if not example.describes:
        assert carried[np.isfinite(found.numbers["estimate"])].all()


@every_norm_analysis
@pytest.mark.parametrize("feature", FEATURES)
def test_declared_once_honoured_everywhere(example: Example, feature: str) -> None:
    data, declared = tables(), design(feature)
    if feature not in example.honoured:
        with pytest.raises(RefusalError, match=feature):
            ik.Evaluation(declared, data, example.build(declared))
        return
    without, with_it = fit(example, design(), data)[TARGET].tidy(), fit(example, declared, data)[TARGET].tidy()
    assert (not without.equals(with_it)) == (feature in example.moves)


@every_norm_analysis
def test_the_kind_of_frame_makes_no_difference(example: Example, tmp_path: Path) -> None:
    pl = pytest.importorskip("polars", reason="group: test")
    data, declared = tables(), example.design()
    paths = {name: tmp_path / f"{name}.csv" for name in data}
    for name, frame in data.items():
        frame.to_csv(paths[name], index=False)
    first = written(fit(example, declared, data))
    assert written(fit(example, declared, paths)) == first
    polars = {name: pl.from_dicts(frame.to_dict("records"), infer_schema_length=None) for name, frame in data.items()}
    polars = {name: frame.fill_nan(None) for name, frame in polars.items()}
    assert written(fit(example, declared, polars)) == first


@every_norm_analysis
def test_a_misspelt_name_is_one_error_that_asks_what_was_meant(example: Example) -> None:
    if example.misspelt is None:
        return
    with pytest.raises(example.error) as caught:
        ik.Evaluation(design(), tables(), [example.misspelt])
    assert re.search(rf'Did you mean "{re.escape(example.meant)}"\?', str(caught.value))
