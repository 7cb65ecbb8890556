"""Size and coverage of the estimators under the designs they claim to honour; each prints its table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from trials import TABLES


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_coverage(name):
    table = TABLES[name]()
    print(f"\n{table.title}\n{table}")
    assert not table.failures()
