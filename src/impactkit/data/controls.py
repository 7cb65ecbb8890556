"""Control episodes of a study whose clients are set against a norm, as arrays beside the clients'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.coding import stratum_codes
from impactkit.data.columns import Bools, Codes, Factor, Floats, frozen
from impactkit.data.fitnotes.build import MADE, Episodes, build_episodes
from impactkit.data.frames import Columns
from impactkit.data.study import StudyData
from impactkit.design import ControlEpisodes, ControlNotes, FitNoteEpisodes, NormDesign
from impactkit.errors import DataError, SpecError, did_you_mean

__all__ = [
    "Clients",
    "ControlData",
    "clients",
    "control_episodes",
    "control_table",
    "note_episodes",
    "unmatched_labels",
]

DAYS_A_WEEK = 7.0

LEAST_RATIO, LARGEST_RATIO = 0.5, 7.0
"""Clients are still absent when assessed, so the median of their absences is as a rule a few times that of control
episodes; outside these ratios one of the two may be in days and the other in weeks."""

MOST_LABELS = 6
"""Labels listed in one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Clients:
    """The clients of a norm design, in the order of the person table.

    Parameters
    ----------
    entry, duration : ndarray of float64, shape (n,)
        Time absent at assessment, and at return or last contact, in the design's unit; NaN where missing.
    returned : ndarray of float64, shape (n,)
        1 returned, 0 still absent at ``duration``, NaN not known.
    cells : Factor
        Which norm each client belongs to; code -1 where a ``norm_by`` column is empty.
    """

    entry: Floats
    duration: Floats
    returned: Floats
    cells: Factor


@dataclass(frozen=True, slots=True, eq=False)
class ControlData:
    """Control episodes, in the design's time unit.

    Parameters
    ----------
    table : str
        Name of the table the episodes (or the notes they are made of) come from.
    units : ndarray, shape (m,)
        Identifiers of the episodes.
    start : ndarray of float64, shape (m,)
        How long the episode had run when observation of it began.
    stop : ndarray of float64, shape (m,)
        How long it had run when it ended or observation stopped.
    ended : ndarray of bool, shape (m,)
    cells : Factor
        The norm each episode belongs to, coded as :attr:`Clients.cells`, with labels no client has after those.
    practices : Factor or None
        General practice of each episode.
    notes : tuple of str
        What was done to get the episodes, for ``notes()``.
    """

    table: str
    units: NDArray[Any]
    start: Floats
    stop: Floats
    ended: Bools
    cells: Factor
    practices: Factor | None = None
    notes: tuple[str, ...] = ()


def clients(study: StudyData) -> Clients:
    """Give the clients' times and norm cells.

    Raises
    ------
    SpecError
        If the design is not a :class:`~impactkit.design.NormDesign`.
    DataError
        If a client is assessed after the absence ended (with the count).
    """
    design = _norm_design(study)
    entry, duration = study.numeric(design.entry), study.numeric(design.duration)
    late = int(np.sum(entry > duration))
    if late:
        raise DataError(
            [
                f"`{design.entry}` should not be later than `{design.duration}`, and is for {late:,} of {study.n:,} "
                "clients: both count from the first day of absence; correct them"
            ]
        )
    everybody = np.ones(study.n, dtype=bool)
    people = study.table("")
    if design.norm_by:
        cells = stratum_codes([people.column(name) for name in design.norm_by], everybody)
    else:
        cells = Factor(frozen(np.zeros(study.n, dtype=np.int32)), ("everyone",))
    return Clients(entry, duration, study.numeric(design.returned), cells)


def control_episodes(study: StudyData, rules: FitNoteEpisodes | None = None) -> ControlData:
    """Give the control episodes of the study's design.

    Parameters
    ----------
    study : StudyData
    rules : FitNoteEpisodes, optional
        Other rules than the design's, for a sensitivity analysis; only for controls given as notes.

    Raises
    ------
    SpecError
        If the design declares no controls, or other rules are asked of controls that are episodes already.
    """
    design = _norm_design(study)
    controls = design.controls
    if controls is None:
        raise SpecError("the design declares no `controls`: name the table of fit notes or episodes the norm is from")
    if isinstance(controls, ControlEpisodes):
        if rules is not None:
            raise SpecError("rules for fit notes were given, and the controls are episodes already: give the notes")
        return _from_episodes(study, design, controls)
    return _from_notes(study, design, controls, rules)


def note_episodes(study: StudyData, rules: FitNoteEpisodes | None = None) -> Episodes:
    """Build the control episodes of a design whose controls are fit notes; built once for each set of rules.

    Raises
    ------
    SpecError
        If the design's controls are not fit notes.
    """
    design = _norm_design(study)
    controls = design.controls
    if not isinstance(controls, ControlNotes):
        raise SpecError("the design's `controls` are not fit notes: there are no rules to apply")
    chosen = controls.rules if rules is None else rules
    key = ("fit_notes", controls.replace(rules=chosen).digest)
    if key not in study._cache:
        study._cache[key] = build_episodes(
            study.table(controls.table),
            chosen,
            columns=controls.columns,
            diagnosis_groups=controls.diagnosis_groups,
            carry=tuple(name for name in design.norm_by if name not in MADE),
        )
    built: Episodes = study._cache[key]
    return built


def _from_notes(
    study: StudyData, design: NormDesign, controls: ControlNotes, rules: FitNoteEpisodes | None
) -> ControlData:
    built = note_episodes(study, rules)
    table = Columns(built.frame, f'the episodes made of table "{controls.table}"')
    unit = DAYS_A_WEEK if design.time_unit == "weeks" else 1.0
    offset = controls.offset_days
    late, until = table["observed_from"], table["observed_to"]
    start = np.where(late > 0, late + offset, 0.0)
    usable = until > late
    people = clients(study)
    cells = cells_like(people.cells, table, design.norm_by)
    practices = table.column("practice").factor(declared=False)
    remarks = list(built.audit.remarks())
    unwatched = int((~usable).sum())
    if unwatched:
        remarks.append(
            f"{unwatched:,} of {len(built):,} episodes began too near the end of the window "
            f"({built.window[1]}) for any end of theirs to be seen and were left out"
        )
    stop, ended = (until[usable] + offset) / unit, table["open"][usable] == 0.0
    remarks += control_remarks(study, people.duration, table, stop, ended, cells.codes[usable])
    return ControlData(
        table=controls.table,
        units=table["episode"][usable].astype(np.int64),
        start=frozen(start[usable] / unit),
        stop=frozen(stop),
        ended=frozen(ended),
        cells=Factor(frozen(cells.codes[usable]), cells.labels),
        practices=Factor(frozen(practices.codes[usable]), practices.labels) if "" not in practices.labels else None,
        notes=tuple(remarks),
    )


def _from_episodes(study: StudyData, design: NormDesign, controls: ControlEpisodes) -> ControlData:
    name = controls.table
    table = study.table(name)
    offset = controls.offset_days / (DAYS_A_WEEK if design.time_unit == "weeks" else 1.0)
    stop = study.numeric(controls.duration, name) + offset
    start = np.zeros(table.size)
    if controls.late_entry is not None:
        late = study.numeric(controls.late_entry, name)
        start = np.where(late > 0, late + offset, late)
    ended = study.numeric(controls.ended, name)
    practices = None if controls.practice is None else study.factor(controls.practice, name)
    people = clients(study)
    cells = cells_like(people.cells, table, design.norm_by)
    nowhere = np.zeros(table.size, dtype=bool) if practices is None else practices.codes < 0
    usable, remarks = np.ones(table.size, dtype=bool), []
    for lacking, what in (
        (np.isnan(stop), f"`{controls.duration}` empty"),
        (np.isnan(start), f"`{controls.late_entry}` empty"),
        (np.isnan(ended), f"`{controls.ended}` empty"),
        (nowhere, f"`{controls.practice}` empty"),
        (stop - offset <= np.where(start > 0, start - offset, 0.0), "no time in which they were watched"),
    ):
        count = int((usable & lacking).sum())
        if count:
            remarks.append(f"{count:,} of {table.size:,} control episodes have {what} and were left out")
        usable &= ~lacking
    if not usable.any():
        raise DataError(
            [
                f"control episodes of {table.words} were expected and none can be used: {'; '.join(remarks)}: correct "
                "them"
            ]
        )
    remarks += control_remarks(study, people.duration, table, stop[usable], ended[usable] == 1.0, cells.codes[usable])
    return ControlData(
        table=name,
        units=table[controls.episode][usable],
        start=frozen(start[usable]),
        stop=frozen(stop[usable]),
        ended=frozen(ended[usable] == 1.0),
        cells=Factor(frozen(cells.codes[usable]), cells.labels),
        practices=None if practices is None else Factor(frozen(practices.codes[usable]), practices.labels),
        notes=tuple(remarks),
    )


def control_table(study: StudyData) -> Columns:
    """Give the table in which the control episodes have the ``norm_by`` columns."""
    controls = _norm_design(study).controls
    if isinstance(controls, ControlEpisodes):
        return study.table(controls.table)
    return Columns(note_episodes(study).frame, "the episodes made of the fit notes")


def cells_like(known: Factor, table: Columns, norm_by: tuple[str, ...]) -> Factor:
    """Code the norm cells of a table as the clients' are, with labels that no client has after them."""
    if not norm_by:
        return Factor(frozen(np.zeros(table.size, dtype=np.int32)), known.labels)
    own = stratum_codes([table.column(name) for name in norm_by], np.ones(table.size, dtype=bool))
    labels = (*known.labels, *(label for label in own.labels if label not in set(known.labels)))
    place = {label: code for code, label in enumerate(labels)}
    recode: Codes = np.array([place[label] for label in own.labels] + [-1], dtype=np.int32)
    return Factor(frozen(recode[own.codes]), labels)


def control_remarks(
    study: StudyData, durations: Floats, table: Columns, stop: Floats, ended: Bools, cells: Codes
) -> list[str]:
    """Say what about the controls makes any comparison with them doubtful, with counts.

    Parameters
    ----------
    study : StudyData
    durations : ndarray of shape (n,)
        The clients' whole absence.
    table : Columns
        The controls with the ``norm_by`` columns, for labels that differ from the clients'.
    stop, ended, cells : ndarray of shape (m,)
        The control episodes that are used.
    """
    said = []
    nowhere = int((cells < 0).sum())
    if nowhere:
        said.append(
            f"{nowhere:,} of {cells.size:,} control episodes have a `norm_by` column empty and are in no norm of a cell"
        )
    said += unmatched_labels(study, table)
    if stop.size and not ended.any():
        said.append(
            f"none of {stop.size:,} control episodes ended while watched: a norm of them expects nobody ever to return"
        )
    known = durations[~np.isnan(durations)]
    if known.size and stop.size:
        own, theirs = float(np.median(known)), float(np.median(stop))
        unit = "weeks" if getattr(study.design, "time_unit", "weeks") == "weeks" else "days"
        if own < theirs * LEAST_RATIO or own > theirs * LARGEST_RATIO:
            said.append(
                f"the median length is {own:,.1f} {unit} of clients' absences and {theirs:,.1f} {unit} of control "
                f"episodes: check that both are in {unit}, as the design's `time_unit` says; a week is seven days"
            )
    return said


def unmatched_labels(study: StudyData, table: Columns) -> list[str]:
    """Name the labels of ``norm_by`` columns that clients have and control episodes never do, with counts.

    A column whose labels tell most clients apart is an id, and its labels are not printed.
    """
    people, said = study.table(""), []
    for name in _norm_design(study).norm_by:
        own, theirs = people.column(name).factor(declared=False), table.column(name).factor(declared=False)
        counts = np.bincount(own.codes[own.codes >= 0], minlength=len(own.labels))
        occurring = {theirs.labels[code] for code in np.unique(theirs.codes[theirs.codes >= 0]).tolist()}
        lacking = [own.labels[code] for code in np.flatnonzero(counts) if own.labels[code] not in occurring]
        if not lacking:
            continue
        if 2 * int((counts > 0).sum()) > max(int(counts.sum()), 2 * MOST_LABELS):
            said.append(
                f"no control episode has {len(lacking):,} of the labels of `{name}`, which tells most clients apart: a "
                "norm needs a column of groups"
            )
            continue
        clients_only = dict(zip(own.labels, counts.tolist(), strict=True))
        spare = sorted(occurring - set(own.labels))
        listed = [
            f'"{label}" ({clients_only[label]:,} clients{_meant(label, spare or sorted(occurring))})'
            for label in lacking[:MOST_LABELS]
        ]
        if len(lacking) > MOST_LABELS:
            listed.append(f"{len(lacking) - MOST_LABELS:,} more")
        unused = ", ".join(f'"{label}"' for label in spare[:MOST_LABELS]) or "none"
        if len(spare) > MOST_LABELS:
            unused += f" and {len(spare) - MOST_LABELS:,} more"
        said.append(
            f"no control episode has these labels of `{name}`: {'; '.join(listed)}. Labels of the controls that no "
            f"client has: {unused}. If they mean the same, write them alike in both tables"
        )
    return said


def _meant(label: str, known: list[str]) -> str:
    """Ask which label was meant: the closest in any case, or the one of which it is the initials."""
    plain = {other.casefold(): other for other in known}
    if label.casefold() in plain:
        return f'; did you mean "{plain[label.casefold()]}"?'
    initials = [
        other for other in known if label.casefold() == _initials(other) or other.casefold() == _initials(label)
    ]
    if initials:
        return f'; did you mean "{initials[0]}"?'
    asked = did_you_mean(label.casefold(), plain)
    return f'; did you mean "{plain[asked.split(chr(34))[1]]}"?' if asked else ""


def _initials(label: str) -> str:
    words = label.casefold().replace("-", " ").split()
    return "".join(word[0] for word in words) if len(words) > 1 else ""


def _norm_design(study: StudyData) -> NormDesign:
    if not isinstance(study.design, NormDesign):
        raise SpecError("clients and controls belong to a NormDesign: declare one")
    return study.design
