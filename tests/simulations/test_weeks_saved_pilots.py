"""Weeks saved on made-up pilots: cells, delayed entry, advisers, weights, unknown outcomes, thin norms."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from norm_tables import NORM_TABLES


@pytest.mark.slow
@pytest.mark.parametrize("name", NORM_TABLES)
def test_weeks_saved_holds_its_level(name: str) -> None:
    table = NORM_TABLES[name]()
    print(f"\n{table.title}\n{table}")
    assert not [row for row in table.rows if row["passes"] == "NO"]
