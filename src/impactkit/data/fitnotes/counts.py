"""Count what every rule did to the notes, patients and episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.episode_majority import Majority
from impactkit.compute.episode_window import Seen
from impactkit.compute.episodes import MergedNotes, only_may_be_fit
from impactkit.data.columns import Bools, Factor
from impactkit.data.fitnotes.audit import Audit, AuditLine, Role, Unit
from impactkit.data.fitnotes.dates import add_months
from impactkit.data.fitnotes.diagnosis import Grouped
from impactkit.data.fitnotes.schema import Notes
from impactkit.design import FitNoteEpisodes

__all__ = ["account"]

SHORTEST_MONTH = 28


def account(
    *,
    notes: Notes,
    grouped: Grouped,
    rules: FitNoteEpisodes,
    used: Bools,
    person: NDArray[np.int64],
    practice: Factor,
    patient: Factor,
    backdated: Bools,
    merged: MergedNotes,
    majority: Majority,
    seen: Seen,
    run_in: Bools,
    kept: Bools,
) -> Audit:
    """Give the audit: each note and each episode counted once among those left out or kept."""
    lines: list[AuditLine] = []

    def say(item: str, count: Any, unit: Unit, role: Role = "of which", rule: str = "") -> None:
        lines.append(AuditLine(item, int(count), unit, role, rule))

    say("notes in the table", notes.size, "notes", "in")
    for reason, count in notes.out.items():
        say(f"notes {reason}" if reason.startswith("of ") else f"notes: {reason}", count, "notes", "out")
    for item, count in notes.said.items():
        say(item, count, "notes", rule=f"disagree = {rules.disagree}" if "disagree" in item else "")
    ignored = int((~used).sum())
    if rules.may_be_fit == "ignored":
        say("may be fit notes ignored", ignored, "notes", "out", "may_be_fit = ignored")
    else:
        say("may be fit notes", notes.may_be_fit.sum(), "notes", rule=f"may_be_fit = {rules.may_be_fit}")
    copies = merged.notes.collapsed
    exact = min(_exact_copies(notes, person, grouped, used), copies)
    say("exact duplicates", exact, "notes", "out", "same patient, days, status, diagnosis, dates and note id")
    say("reissues", copies - exact, "notes", "out", "same patient, days, status and diagnosis group")
    outside = _notes_of(merged, seen.outside)
    dropped = seen.prevalent & (rules.prevalent == "dropped")
    say("notes of episodes outside the window", outside, "notes", "out", "window")
    if rules.prevalent == "dropped":
        say("notes of prevalent episodes", _notes_of(merged, dropped), "notes", "out", "prevalent = dropped")
    if rules.run_in_days:
        say("notes of run-in episodes", _notes_of(merged, run_in), "notes", "out", f"run_in_days = {rules.run_in_days}")
    say("notes used", _notes_of(merged, kept), "notes", "kept")
    say("notes that overlap an earlier one", merged.overlapping, "notes", rule="overlaps are a union, never a sum")
    say("days covered more than once", merged.overlap_days, "days", rule="each counted once")
    say("gaps bridged", merged.bridged, "gaps", rule=f"gap_days = {rules.gap_days}")
    say("days in bridged gaps", merged.bridged_days, "days", rule="part of calendar days, not of certified days")
    say("backdated notes", backdated[used].sum(), "notes", rule=f"backdated_days = {rules.backdated_days}")
    say("days that only may be fit notes cover", only_may_be_fit(merged).sum(), "days")
    say(
        f"notes over {rules.longest_months} months in the first {rules.within_months}",
        _too_long(merged, rules),
        "notes",
        rule="not allowed by the rules of certification; counted as they are",
    )
    say("notes without a diagnosis", grouped.missing[used].sum(), "notes", rule="no vote unless no note has one")
    say("notes with a diagnosis that nothing matches", grouped.unmapped[used].sum(), "notes", rule="as without one")
    say("different diagnoses that nothing matches", grouped.unmapped_texts, "diagnoses")
    say("notes whose ICD-10 code and text disagree", grouped.disagree[used].sum(), "notes", rule="the code was taken")
    say("patients", np.unique(person).size, "patients", rule=f"patient_scope = {rules.patient_scope}")
    say("patient numbers in several practices", _in_several(patient, practice), "patients")
    say("episodes built", merged.first.size, "episodes", "in")
    say("episodes outside the window", seen.outside.sum(), "episodes", "out", "window")
    if rules.prevalent == "dropped":
        say("prevalent episodes dropped", dropped.sum(), "episodes", "out", "prevalent = dropped")
    if rules.run_in_days:
        say("run-in episodes", run_in.sum(), "episodes", "out", f"run_in_days = {rules.run_in_days}")
    say("episodes used", kept.sum(), "episodes", "kept")
    say("prevalent episodes", (seen.prevalent & kept).sum(), "episodes", rule=f"prevalent = {rules.prevalent}")
    say("open episodes", (seen.open & kept).sum(), "episodes", rule=f"open_until = {rules.open_until}")
    unseen = kept & (seen.until < merged.start)
    say("open episodes too late to be watched", unseen.sum(), "episodes", rule=f"gap_days = {rules.gap_days}")
    say(
        "episodes with several diagnoses",
        (majority.several & kept).sum(),
        "episodes",
        rule=f"majority = {rules.majority}",
    )
    say("tied episodes", (majority.tied & kept).sum(), "episodes")
    for place, rule in enumerate(rules.vote[1:], start=1):
        say(f"ties decided by {rule}", ((majority.decided_by == place) & kept).sum(), "episodes")
    last = len(grouped.names) - 1
    say("unclassified episodes", ((majority.diagnosis == last) & kept).sum(), "episodes")
    return Audit(tuple(lines))


def _notes_of(merged: MergedNotes, episodes: Bools) -> int:
    return int(merged.count[episodes].sum())


def _exact_copies(notes: Notes, person: NDArray[np.int64], grouped: Grouped, used: Bools) -> int:
    """Count rows that repeat another in every field that is read."""
    import pandas as pd

    columns: dict[str, Any] = {
        "person": person,
        "start": notes.start,
        "end": notes.end,
        "status": notes.may_be_fit,
        "group": grouped.codes,
        "issued": notes.issued,
        "assessed": notes.assessed,
    }
    for name in ("note_id", "diagnosis", "icd10"):
        column = notes.fields.get(name)
        if column is not None:
            columns[name] = column.groups()[0][notes.rows]
    frame = pd.DataFrame(columns)[used]
    return int(frame.duplicated().sum())


def _too_long(merged: MergedNotes, rules: FitNoteEpisodes) -> int:
    notes = merged.notes
    long = np.flatnonzero(notes.ends - notes.begins >= SHORTEST_MONTH * rules.longest_months)
    if not long.size:
        return 0
    begin, end = notes.day(notes.begins[long]), notes.day(notes.ends[long])
    first = merged.start[np.searchsorted(merged.first, long, side="right") - 1]
    early = begin <= add_months(first, rules.within_months)
    return int((early & (end > add_months(begin, rules.longest_months))).sum())


def _in_several(patient: Factor, practice: Factor) -> int:
    low = np.full(len(patient.labels), np.iinfo(np.int32).max)
    high = np.full(len(patient.labels), -1)
    np.minimum.at(low, patient.codes, practice.codes)
    np.maximum.at(high, patient.codes, practice.codes)
    return int((low < high).sum())
