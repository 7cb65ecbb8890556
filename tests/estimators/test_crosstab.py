"""CrossTab: person rows and published counts say the same, and both say what base R says."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

import impactkit as ik
from impactkit.estimators.crosstab import CountRow
from impactkit.published import load

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "crosstab" / "expected.csv"
SAME_AS_R = 1e-8  # relative: both compute in double precision, by different series for the tails
TABLES = ("c3", "c10", "c17", "c22")
NUMBERS = ["estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value", "df", "n"]


def _published(table: str) -> tuple[CountRow, ...]:
    rows = load(f"ffws.{table}").frame().to_dict("records")
    return tuple(
        CountRow(
            characteristic=row["characteristic"], category=row["category"], n=int(row["n"]), count=int(row["returned"])
        )
        for row in rows
    )


def _people(counts: tuple[CountRow, ...]) -> pd.DataFrame:
    """Write counts out as persons, one per count; categories keep the order of the table."""
    answers = [1] * sum(row.count for row in counts) + [0] * sum(row.n - row.count for row in counts)
    labels = [row.category for row in counts for _ in range(row.count)]
    labels += [row.category for row in counts for _ in range(row.n - row.count)]
    category = pd.Categorical(labels, categories=[row.category for row in counts])
    frame = pd.DataFrame({"returned": answers, counts[0].characteristic: category})
    return frame.assign(person=range(len(frame)), before=0, after=0)


@pytest.mark.parametrize("test", ["chi_square", "likelihood_ratio", "fisher_exact", "trend"])
def test_rows_and_counts_agree(test):
    by_characteristic = defaultdict(list)
    for row in _published("c3"):
        by_characteristic[row.characteristic].append(row)
    design = ik.BeforeAfterDesign(
        unit="person", before="before", after="after", outcomes=(ik.Outcome(name="returned", kind="binary"),)
    )
    for name, rows in by_characteristic.items():
        from_counts = ik.CrossTab(name="t", outcome="returned", counts=tuple(rows), test=test)
        from_rows = ik.CrossTab(name="t", outcome="returned", by=name, test=test)
        left = ik.Evaluation(None, None, [from_counts]).fit(strict=True).tidy()
        right = ik.Evaluation(design, _people(tuple(rows)), [from_rows]).fit(strict=True).tidy()
        assert left["term"].tolist() == right["term"].tolist()
        pd.testing.assert_frame_equal(left[NUMBERS], right[NUMBERS], check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_published_counts_against_chisq_test(table):
    with REFERENCE.open(encoding="utf-8") as file:
        reference = {row["characteristic"]: row for row in csv.DictReader(file) if row["table"] == table}
    analysis = ik.CrossTab(name="t", outcome="returned", counts=_published(table))
    tidy = ik.Evaluation(None, None, [analysis]).fit(strict=True).tidy()
    tests = tidy[tidy["measure"] == "chi_square"].set_index("term")
    assert tests.index.tolist() == list(reference)
    for name, expected in reference.items():
        for column in ("statistic", "df", "p_value"):
            assert tests.loc[name, column] == pytest.approx(float(expected[column]), rel=SAME_AS_R)


def test_table_c3_percentages():
    """Shares recomputed from the counts round to the percentages that Table C.3 prints."""
    analysis = ik.CrossTab(name="t", outcome="returned", counts=_published("c3"))
    tidy = ik.Evaluation(None, None, [analysis]).fit(strict=True).tidy()
    shares = tidy.loc[tidy["measure"] == "proportion", "estimate"]
    printed = load("ffws.c3").frame()["percent"].astype(float)
    for share, percent in zip(shares, printed, strict=True):
        assert abs(100 * share - percent) <= 0.05 + 1e-9  # half a unit of the last printed place
