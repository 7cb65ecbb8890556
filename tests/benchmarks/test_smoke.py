"""The benchmarks still run, and compare like with like; nothing here is timed."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL: dict[str, tuple[int, ...]] = {
    "batch": (600,),
    "trial": (300,),
    "clusters": (400, 40),
    "fit_notes": (3000,),
    "eq5d": (900,),
    "cox": (400,),
    "cox_robust": (300,),
    "kaplan-meier": (900,),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    yield import_module("benchmarks.run")
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


# lifelines 0.30 passes the axis of var by position, which pandas 3 warns about
@pytest.mark.filterwarnings("ignore:Starting with pandas version 4.0")
@pytest.mark.parametrize("name", SMALL)
def test_every_way_gives_the_same_answer(run: Any, name: str) -> None:
    case = import_module(run.CASES[name][0]).case(*SMALL[name])
    assert import_module("benchmarks.harness").disagreements(case) == []
    assert case.beside in [way.name for way in case.ways]


def test_every_case_can_be_found_and_shown(run: Any) -> None:
    for module, function, repeats in run.CASES.values():
        assert callable(getattr(import_module(module), function))
        assert repeats > 0
    row = {"name": "a", "seconds": 0.5, "runs": 3, "ratio": 7.0, "aim": 6.0, "megabytes": None}
    found = {"title": "Work", "beside": "a", "remarks": ["said"], "rows": [row]}
    assert "<= 6 MISSED" in run.section(found)
    assert run.failed(found)


def test_a_wrong_answer_is_told(run: Any) -> None:
    harness = import_module("benchmarks.harness")
    numpy = import_module("numpy")
    ways = [
        harness.Way("right", lambda: 1.0, lambda value: (numpy.array([value]), None)),
        harness.Way("wrong", lambda: 1.1, lambda value: (numpy.array([value]), None)),
    ]
    (said,) = harness.disagreements(harness.Case("Work", ways, beside="right"))
    assert said.startswith("wrong: estimates differ from right")
