"""Episodes built day by day, the slow and obvious way, equal those of the kernel for every rule."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import impactkit as ik
from impactkit.compute import episodes
from impactkit.compute.episode_majority import majority_diagnosis
from impactkit.compute.episode_window import linked_periods, see_through_window, working_days
from impactkit.compute.episodes import merge_notes, only_may_be_fit, sort_notes

Note = tuple[int, int, int, int, bool, bool]  # person, first day, last day, diagnosis, may be fit, backdated

GAPS = (0, 3, 7, 14, 56)
CAUSES = 4


@st.composite
def many_notes(draw: st.DrawFn) -> list[Note]:
    note = st.tuples(
        st.integers(0, 3),
        st.integers(0, 150),
        st.integers(1, 40),
        st.integers(0, CAUSES - 1),
        st.booleans(),
        st.booleans(),
    )
    found = draw(st.lists(note, min_size=1, max_size=14))
    notes = [(person, first, first + length - 1, cause, may, back) for person, first, length, cause, may, back in found]
    return notes + draw(st.lists(st.sampled_from(notes), max_size=4))  # copies


def by_hand(notes: list[Note], gap: int) -> list[dict[str, Any]]:
    """Colour in days on a calendar for each person, then cut it where more than ``gap`` days are empty."""
    found = []
    different = {note[:5]: False for note in notes}
    for note in notes:
        different[note[:5]] |= note[5]
    for person in sorted({note[0] for note in notes}):
        own = [note for note in different if note[0] == person]
        days = sorted({day for _, first, last, _, _ in own for day in range(first, last + 1)})
        parts = [[days[0]]]
        for day in days[1:]:
            if day - parts[-1][-1] - 1 > gap:
                parts.append([])
            parts[-1].append(day)
        for part in parts:
            covered = set(part)
            mine = [note for note in own if note[1] in covered]
            not_fit = {day for _, first, last, _, may in mine for day in range(first, last + 1) if not may}
            found.append(
                {
                    "person": person,
                    "start": part[0],
                    "end": part[-1],
                    "certified": len(part),
                    "only_may": sorted(covered - not_fit),
                    "notes": mine,
                    "backdated": any(different[note] for note in mine),
                }
            )
    return found


def votes(notes: list[Note], rules: tuple[str, ...], rank: list[int], silent: int | None) -> tuple[int, bool]:
    """Choose a diagnosis by asking one rule after another among those that are left."""
    causes = sorted({note[3] for note in notes})
    if silent is not None and len(causes) > 1:
        causes = [cause for cause in causes if cause != silent]
    left, tied = causes, False
    for place, rule in enumerate([*rules, "hierarchy"]):
        score = {}
        for cause in left:
            own = [note for note in notes if note[3] == cause]
            score[cause] = {
                "notes": len(own),
                "days": len({day for note in own for day in range(note[1], note[2] + 1)}),
                "earliest": -min(note[1] for note in own),
                "hierarchy": -rank[cause],
            }[rule]
        best = max(score.values())
        left = [cause for cause in left if score[cause] == best]
        tied |= place == 0 and len(left) > 1
        if len(left) == 1:
            break
    return left[0], tied


def arrays(notes: list[Note]) -> list[np.ndarray]:
    kinds = (np.int64, np.int64, np.int64, np.int64, bool, bool)
    return [np.array(column, dtype=kind) for column, kind in zip(zip(*notes, strict=True), kinds, strict=True)]


@pytest.mark.parametrize("bits", [63, 0], ids=["packed", "column by column"])
@pytest.mark.parametrize("gap", GAPS)
@given(notes=many_notes(), limit=st.integers(-5, 200))
@settings(max_examples=60, deadline=None)
def test_episodes_equal_days_on_a_calendar(gap: int, bits: int, notes: list[Note], limit: int) -> None:
    person, start, end, cause, may, back = arrays(notes)
    with patch.object(episodes, "BITS", bits):
        sorted_notes = sort_notes(person, start, end, gap=gap, diagnosis=cause, may_be_fit=may, backdated=back)
    assert sorted_notes.packed == (bits == 63)
    merged = merge_notes(sorted_notes, gap=gap)
    expected = by_hand(notes, gap)
    assert merged.person.tolist() == [one["person"] for one in expected]
    assert merged.start.tolist() == [one["start"] for one in expected]
    assert merged.end.tolist() == [one["end"] for one in expected]
    assert merged.certified.tolist() == [one["certified"] for one in expected]
    assert merged.count.tolist() == [len(one["notes"]) for one in expected]
    assert merged.backdated.tolist() == [one["backdated"] for one in expected]
    assert sorted_notes.collapsed == len(notes) - sum(len(one["notes"]) for one in expected)
    assert only_may_be_fit(merged).tolist() == [len(one["only_may"]) for one in expected]
    up_to = only_may_be_fit(merged, np.full(len(expected), limit))
    assert up_to.tolist() == [sum(day <= limit for day in one["only_may"]) for one in expected]
    bridged = [one["end"] - one["start"] + 1 - one["certified"] for one in expected]
    assert merged.bridged_days == sum(bridged)
    lengths = sum(note[2] - note[1] + 1 for one in expected for note in one["notes"])
    assert merged.overlap_days == lengths - sum(one["certified"] for one in expected)


@given(
    notes=many_notes(),
    rules=st.permutations(["notes", "days", "earliest"]).flatmap(
        lambda r: st.integers(1, 3).map(lambda k: tuple(r[:k]))
    ),
    rank=st.permutations(range(CAUSES)),
    silent=st.sampled_from([None, CAUSES - 1]),
    gap=st.sampled_from(GAPS),
)
@settings(max_examples=300, deadline=None)
def test_the_vote_equals_rule_after_rule(
    notes: list[Note], rules: tuple[str, ...], rank: list[int], silent: int | None, gap: int
) -> None:
    person, start, end, cause, may, _ = arrays(notes)
    merged = merge_notes(sort_notes(person, start, end, gap=gap, diagnosis=cause, may_be_fit=may), gap=gap)
    found = majority_diagnosis(merged, rules, np.array(rank), silent)
    expected = [votes(one["notes"], rules, rank, silent) for one in by_hand(notes, gap)]
    assert found.diagnosis.tolist() == [cause for cause, _ in expected]
    assert found.tied.tolist() == [tied for _, tied in expected]


@given(st.integers(-3000, 30000), st.integers(1, 400), st.lists(st.integers(-3000, 30000), max_size=20))
def test_working_days_equal_numpy_busdays(first: int, length: int, holidays: list[int]) -> None:
    start, end = np.array([first]), np.array([first + length - 1])
    expected = np.busday_count(
        np.datetime64(first, "D"), np.datetime64(first + length, "D"), holidays=np.array(holidays, "datetime64[D]")
    )
    assert working_days(start, end, holidays).tolist() == [expected]


@given(notes=many_notes(), gap=st.sampled_from(GAPS), opens=st.integers(0, 60), width=st.integers(70, 150))
def test_what_the_window_shows_does_not_change_when_more_is_seen(
    notes: list[Note], gap: int, opens: int, width: int
) -> None:
    """Hide all notes that begin after the window: what is called closed and certain stays true with them."""
    closes = opens + width
    seen = [note for note in notes if note[1] <= closes]
    if not seen:
        return
    whole = {(one["person"], one["start"]): one for one in by_hand(notes, gap)}
    part = by_hand(seen, gap)
    start, end = np.array([one["start"] for one in part]), np.array([one["end"] for one in part])
    found = see_through_window(start, end, opens=opens, closes=closes, gap=gap, last_certain=True)
    for place, one in enumerate(part):
        true = whole[one["person"], one["start"]]
        if found.open[place]:
            assert true["end"] > found.until[place]
        else:
            assert true["end"] == one["end"] == found.until[place]
        assert found.prevalent[place] == (one["start"] < opens <= one["end"])


@given(
    notes=many_notes(),
    versions=st.lists(st.tuples(st.integers(-5, 150), st.integers(0, 60), st.integers(1, 10)), min_size=1, max_size=3),
)
def test_linked_periods_equal_a_walk(notes: list[Note], versions: list[tuple[int, int, int]]) -> None:
    versions = sorted({version[0]: version for version in versions}.values())
    part = by_hand(notes, 0)
    columns = [np.array([one[name] for one in part]) for name in ("person", "start", "end")]
    since, days, shortest = ([version[place] for version in versions] for place in range(3))
    found = linked_periods(*columns, since=since, days=days, shortest=shortest).tolist()
    last: dict[int, int] = {}
    chains = -1
    for one, chain in zip(part, found, strict=True):
        rule = next((version for version in reversed(versions) if version[0] <= one["start"]), None)
        if rule is None or one["end"] - one["start"] + 1 < rule[2]:
            assert chain == -1
            continue
        before = last.get(one["person"])
        if before is None or one["start"] - before - 1 > rule[1]:
            chains += 1
        assert chain == chains
        last[one["person"]] = one["end"]


@given(notes=many_notes(), gap=st.sampled_from(GAPS), may=st.sampled_from(["counted", "halved", "ignored"]))
@settings(max_examples=60, deadline=None)
def test_every_note_is_accounted_for(notes: list[Note], gap: int, may: str) -> None:
    origin = np.datetime64("2011-12-01")
    names = ["anxiety", "back pain", "nothing known", None]
    frame = pd.DataFrame(
        {
            "practice": ["A" if note[0] < 2 else "B" for note in notes],
            "patient": [note[0] % 2 for note in notes],
            "starts": [origin + note[1] for note in notes],
            "ends": [origin + note[2] for note in notes],
            "status": ["may be fit" if note[4] else "not fit" for note in notes],
            "diagnosis": [names[note[3]] for note in notes],
        }
    )
    rules = ik.FitNoteEpisodes(
        gap_days=gap, may_be_fit=may, window=("2011-12-20", "2012-03-20"), after_window="dropped", prevalent="dropped"
    )
    if may == "ignored" and all(note[4] or note[1] > 110 for note in notes):
        return
    if all(note[1] > 110 for note in notes):
        return
    found = ik.build_episodes(frame, rules)
    assert found.audit.balance("notes") == 0
    assert found.audit.balance("episodes") == 0
    assert found.audit["episodes used"] == len(found)
    assert found.audit["notes used"] == found.frame["notes"].sum()
    counts = defaultdict(int)
    for note in notes:
        if note[1] <= 110 and not (may == "ignored" and note[4]):
            counts[(note[0], note[1], note[2], names[note[3]] if note[3] < 2 else "", note[4])] += 1
    assert found.audit["exact duplicates"] + found.audit["reissues"] == sum(counts.values()) - len(counts)
    frames = found.frame
    assert ((frames["observed_from"] >= 0) & (frames["certified_days"] <= frames["calendar_days"])).all()
