"""No small count can be read, nor worked out from what is printed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from report_made_up import NAN, cells, control, effect, glance, look, notes, tidy

from impactkit.errors import SpecError
from impactkit.report import disclose, glance_table, impacts_table, suppress_counts


def with_totals(inner: np.ndarray) -> np.ndarray:
    wide = np.column_stack([inner, inner.sum(axis=1)])
    return np.vstack([wide, wide.sum(axis=0)])


def determined(mask: np.ndarray) -> list[tuple[int, int]]:
    """Hidden cells whose value follows from the printed ones, by rank, written without the code under test.

    A cell is determined when adding "this cell is known" to all equations does not raise their rank.
    """
    height, width = mask.shape
    rows = []
    for r in range(height):
        line = np.zeros(mask.shape)
        line[r, :-1], line[r, -1] = 1, -1
        rows.append(line.ravel())
    for c in range(width):
        line = np.zeros(mask.shape)
        line[:-1, c], line[-1, c] = 1, -1
        rows.append(line.ravel())
    for place in zip(*np.nonzero(~mask), strict=True):
        line = np.zeros(mask.shape)
        line[place] = 1
        rows.append(line.ravel())
    system = np.array(rows)
    rank = np.linalg.matrix_rank(system)
    found = []
    for place in zip(*np.nonzero(mask), strict=True):
        line = np.zeros(mask.shape)
        line[place] = 1
        if np.linalg.matrix_rank(np.vstack([system, line.ravel()])) == rank:
            found.append((int(place[0]), int(place[1])))
    return found


@settings(max_examples=150, deadline=None)
@given(
    arrays(np.int64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5), elements=st.integers(0, 40)),
    st.sampled_from(["hide", "show"]),
)
def test_no_withheld_count_follows_from_the_totals(inner: np.ndarray, zeros: str) -> None:
    table = with_totals(inner)
    kept = suppress_counts(table, zeros=zeros)  # type: ignore[arg-type]
    small = (table < 10) & ((table > 0) | (zeros == "hide"))
    assert kept.hidden[small].all()
    assert determined(kept.hidden) == []
    assert ((kept.table == "c") == kept.hidden).all()
    assert (kept.table[~kept.hidden] == table[~kept.hidden]).all()
    assert kept.under_threshold + kept.complementary == kept.hidden.sum()


@settings(max_examples=50, deadline=None)
@given(arrays(np.int64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=4), elements=st.integers(10, 99)))
def test_nothing_is_withheld_without_need(inner: np.ndarray) -> None:
    assert not suppress_counts(with_totals(inner)).hidden.any()


def test_one_small_count_costs_three_others_and_no_total() -> None:
    kept = suppress_counts(with_totals(np.array([[4, 60, 80], [30, 70, 90], [50, 55, 99]])))
    assert kept.under_threshold == 1
    assert kept.complementary == 3
    assert not kept.hidden[-1].any()
    assert not kept.hidden[:, -1].any()


def test_wrong_totals_are_refused() -> None:
    with pytest.raises(SpecError, match="2 rows and 0 columns do not add up"):
        suppress_counts([[4, 60, 65], [30, 70, 100], [34, 130, 165]])
    assert suppress_counts([[4, 60]], margins=False).complementary == 0
    with pytest.raises(SpecError, match="whole numbers"):
        suppress_counts([[1.5, 2.0]])


def shown(value: object) -> bool:
    return not (isinstance(value, str) and value == "c")


def test_a_small_arm_hides_the_other_arm_everywhere() -> None:
    frame = tidy(effect(n=107.0, unit="GBP", estimate=500.0), control(n=99.0, unit="GBP", estimate=1000.0))
    looks = glance(look(n_assigned=150, n_analysed=107, n_treated=8, n_control=99, n_missing_outcome=43))
    safe = disclose(frame, looks, notes(), cells(frame, [8, 99]))
    line = safe.glance.iloc[0]
    assert [line[name] for name in ("n_assigned", "n_analysed", "n_treated", "n_control")] == [150, 107, "c", "c"]
    assert list(safe.tidy["n"]) == [107.0, "c"]
    assert safe.tidy["estimate"].tolist() == [500.0, 1000.0]


def test_a_few_missing_answers_cannot_be_had_by_subtraction() -> None:
    """Four people lost from one outcome: everyone assigned is withheld, in the other outcome's row as well."""
    looks = glance(
        look(n_assigned=903, n_analysed=899, n_missing_outcome=4),
        look(outcome="pay", n_assigned=903, n_analysed=850, n_treated=560, n_control=290, n_missing_outcome=53),
    )
    frame = tidy(effect(), effect(outcome="pay", unit="GBP", n=850.0))
    safe = disclose(frame, looks, notes(), cells(frame, [90, 290]))
    assert safe.glance["n_analysed"].tolist() == [899, 850]
    assert safe.glance["n_missing_outcome"].tolist() == ["c", "c"]
    assert safe.glance["n_assigned"].tolist() == ["c", "c"]
    assert safe.glance["n_missing_covariates"].tolist() == [0, 0]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(0, 30), st.integers(0, 30)),
        min_size=1,
        max_size=3,
    )
)
def test_no_glance_count_follows_from_the_others(lines: list[tuple[int, int, int, int]]) -> None:
    looks = []
    for number, (treated, untreated, missing, covariates) in enumerate(lines):
        analysed = treated + untreated
        looks.append(
            look(
                outcome=f"y{number}", population=f"p{number}", n_treated=treated, n_control=untreated,
                n_analysed=analysed, n_missing_outcome=missing, n_missing_covariates=covariates,
                n_assigned=analysed + missing + covariates,
            )
        )  # fmt: skip
    frame = tidy()
    safe = disclose(frame, glance(*looks), notes(), cells(frame, []))
    for (_, line), original in zip(safe.glance.iterrows(), looks, strict=True):
        names = ["n_treated", "n_control", "n_analysed", "n_missing_outcome", "n_missing_covariates", "n_assigned"]
        for name in names:
            if 0 < original[name] < 10:
                assert line[name] == "c"
        system = [[1, 1, -1, 0, 0, 0], [0, 0, 1, 1, 1, -1]]
        system += [[int(other == name) for other in names] for name in names if shown(line[name])]
        rank = np.linalg.matrix_rank(np.array(system))
        for name in names:
            if not shown(line[name]):
                known = [int(other == name) for other in names]
                assert np.linalg.matrix_rank(np.array([*system, known])) == rank + 1


def test_the_mean_of_a_rare_yes_is_withheld_and_its_difference_rounded() -> None:
    frame = tidy(
        effect(estimate=0.062512345, conf_high=0.12751111),
        effect(measure="risk_ratio", unit="ratio", estimate=1.61),
        control(estimate=7 / 299),
        effect(population="SCR"),
        control(population="SCR"),
    )
    safe = disclose(frame, glance(look(), look(population="SCR")), notes(), cells(frame, [7, 7, 7, 50, 50])).tidy
    assert safe["estimate"].tolist() == [0.063, "c", "c", 0.0625, 0.3501]
    assert safe.loc[0, "conf_high"] == 0.128
    assert [safe.loc[2, name] for name in ("std_error", "conf_low", "conf_high", "df")] == ["c"] * 4
    table = impacts_table(safe, glance(look(), look(population="SCR")), analyses=["lin"], layout="wide")
    text = table.to_text()
    assert "c : withheld" in text
    assert next(table.rows()).cells[4].text == "c"


def test_published_counts_are_exempt_and_marked() -> None:
    frame = tidy(effect(n=8.0), control(n=4.0))
    looks = glance(look(n_assigned=8, n_analysed=8, n_treated=4, n_control=4, n_missing_outcome=0))
    safe = disclose(frame, looks, notes(), cells(frame, [NAN, NAN]))
    assert safe.withheld == ()
    assert safe.tidy["n"].tolist() == [8.0, 4.0]
    assert safe.glance.loc[0, "n_treated"] == 4
    table = impacts_table(safe.tidy, safe.glance, safe.notes)
    assert table.footnotes == ("From published counts, shown as published.",)


def test_what_was_withheld_is_told_as_numbers_of_cells() -> None:
    frame = tidy(effect(n=107.0, unit="GBP"), control(n=99.0, unit="GBP"))
    looks = glance(look(n_assigned=107, n_analysed=107, n_treated=8, n_control=99, n_missing_outcome=0))
    safe = disclose(frame, looks, notes(), cells(frame, [8, 99]))
    assert {(entry.frame, entry.column): entry[2:4] for entry in safe.withheld} == {
        ("glance", "n_control"): (0, 1),
        ("glance", "n_treated"): (1, 0),
        ("tidy", "n"): (0, 1),
    }


def test_a_row_without_its_number_of_people_is_never_printed() -> None:
    frame = tidy(effect(), control())
    with pytest.raises(SpecError, match="must be the same rows"):
        disclose(frame, glance(look()), notes(), cells(frame, [50, 50]).iloc[:1])


def test_frames_are_left_alone_and_a_safe_one_keeps_its_types() -> None:
    frame, looks = tidy(effect(), control()), glance(look())
    before = frame.copy(), looks.copy()
    safe = disclose(frame, looks, notes(), cells(frame, [50, 50]))
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_frame_equal(looks, before[1])
    pd.testing.assert_frame_equal(safe.tidy, frame)
    pd.testing.assert_frame_equal(safe.glance, looks)


def test_withheld_cells_go_through_the_tables() -> None:
    frame = tidy(effect(n=107.0, unit="GBP"))
    counts = {"n_assigned": 107, "n_analysed": 107, "n_treated": 8, "n_control": 99, "n_missing_outcome": 0}
    looks = glance(look(**counts, effective_n=107.0))
    safe = disclose(frame, looks, notes(), cells(frame, [8]))
    table = glance_table(safe.glance)
    texts = [cell.text for cell in next(table.rows()).cells]
    assert texts == ["107", "107", "c", "c"]
    assert any(note.startswith("c : withheld") for note in table.notes)


def shares(*sizes: tuple[str, float, float]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    key = {"analysis": "returns", "outcome": "any return", "population": "all"}
    rows = [
        {**key, "term": term, "measure": "proportion", "unit": "proportion", "estimate": 0.5, "n": n}
        for term, n, _ in sizes
    ]
    frame = pd.DataFrame(rows).reindex(columns=[*rows[0], "std_error", "conf_low", "conf_high", "p_value", "df"])
    behind = pd.DataFrame([{**key, "term": term, "min_cell": least} for term, _, least in sizes])
    looks = pd.DataFrame([{**key, "n_assigned": 200, "n_analysed": 200, "n_treated": None, "n_control": None}])
    return frame, looks, pd.DataFrame(columns=["analysis", "outcome", "population", "term", "column", "reason"]), behind


def test_a_small_category_takes_one_other_of_its_characteristic_with_it_and_no_more() -> None:
    frames = shares(
        ("sex[man]", 90, 40), ("sex[woman]", 110, 50),
        ("age[under 40]", 60, 6), ("age[40 to 50]", 60, 20), ("age[over 50]", 80, 30), ("all", 200, 90),
    )  # fmt: skip
    shown = disclose(*frames).tidy
    assert shown["estimate"].tolist() == [0.5, 0.5, "c", "c", 0.5, 0.5]
    assert shown["n"].tolist() == [90, 110, 60, 60, 80, 200]


def test_a_small_size_takes_another_of_its_characteristic_with_it() -> None:
    frames = shares(("age[under 40]", 7, 3), ("age[40 to 50]", 60, 20), ("age[over 50]", 80, 30), ("all", 147, 53))
    shown = disclose(*frames).tidy
    assert shown["n"].tolist() == ["c", "c", 80, 147]
    assert shown["estimate"].tolist() == ["c", "c", 0.5, 0.5]
