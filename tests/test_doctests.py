"""Every example in a docstring of the package runs and shows what it says."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import impactkit

ROOT = Path(impactkit.__file__).parent
MODULES = sorted(
    ".".join(("impactkit", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.skipif(
    int(np.__version__.split(".")[0]) < 2,
    reason="numpy 1 prints scalars without their type; ends when the floor of numpy reaches 2",
)
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} (see the captured output)"
