"""Synthetic fit notes of control practices, shaped like those of the Fit for Work Service pilots: nobody real."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.absence_model import LONGEST, draw_days
from impactkit.data.note_writing import Notes, write_notes
from impactkit.data.synthetic_note_facts import AREAS, Cell, cells, check_area, client_group, fit_note_fact, note_length
from impactkit.errors import SpecError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SYNTHETIC_NOTES_TITLE", "WINDOW", "synthetic_control_episodes", "synthetic_fit_notes"]

SYNTHETIC_NOTES_TITLE = (
    "SYNTHETIC fit notes and clients shaped like the Fit for Work Service pilots (nobody's real data)"
)
"""Title of every plan and report on these notes and clients."""

WINDOW = ("2011-09-05", "2012-09-02")
"""First and last day on which notes are copied: 52 weeks from September 2011, exact days assumed."""

DAYS = 364
_STREAM = 4638
_CODES = {"Greater Manchester": "GM", "North Staffordshire": "NS", "Leicester": "LE"}
_FLAGS = ("phased_return", "altered_hours", "amended_duties", "workplace_adaptations")

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Absences:
    """Absences of one area that overlap the window, with their notes; days count from the window's first day."""

    area: str
    categories: tuple[str, ...]
    category: Ints
    practice: Ints
    start: Ints
    days: Ints
    seen: Bools
    female: Bools
    patient: Ints
    notes: Notes


def synthetic_fit_notes(
    area: str = "Greater Manchester",
    seed: int = 1,
    *,
    scale: float = 1.0,
    practices: int | None = None,
    earlier: bool = True,
) -> pd.DataFrame:
    """Make synthetic fit notes of control practices over twelve months, shaped like Tables C.1, C.8 and C.15.

    Parameters
    ----------
    area : str, default "Greater Manchester"
        One of the three areas, or "all".
    seed : int, default 1
        The same seed gives the same notes, to the byte.
    scale : float, default 1.0
        Multiplies the episodes; 1 gives the printed numbers.
    practices : int, optional
        Number of practices; the area's own (4, 6 or 9) when left out.
    earlier : bool, default True
        Whether the notes issued before the window of absences that were running when it opened are there too, as
        looked up in the patient's record. With ``False`` only notes issued in the window are there, as on the
        carbon pads of the report: Tables C.1, C.8 and C.15 are matched so, but a running absence then looks
        like a new one, and a norm from these notes is biased.

    Returns
    -------
    DataFrame
        One row per note: ``practice``, ``patient``, ``note_id``, ``issued``, ``assessed``, ``starts``, ``ends``
        (both days included), ``status`` ("not fit" or "may be fit"), ``phased_return``, ``altered_hours``,
        ``amended_duties``, ``workplace_adaptations``, ``diagnosis`` (text), ``icd10``, ``sex``, ``birth_year``,
        ``area``, ``employed``, ``synthetic`` (always true).

    Raises
    ------
    SpecError
        If the area, seed, scale or number of practices is not usable.

    See Also
    --------
    synthetic_control_episodes : the absences behind the notes.
    impactkit.data.synthetic_note_facts.fit_note_facts : every constant, with its source.

    Notes
    -----
    An absence of category c in practice g lasts exp(log m_c + b_g + w) weeks, b_g normal with the spread between
    practices and w with the rest, half of them rounded to whole weeks. New absences start evenly over time. Those
    with a note issued in the window are the printed number in each category. The medians m_c are fitted so that the
    median of the episodes *seen*, cut by the window, is the printed one: docs/fit-note-calibration.md shows how near.

    References
    ----------
    Fit for Work Service pilots, second and third years, final evaluation report, Appendix C, Tables C.1, C.8, C.15.

    Examples
    --------
    >>> notes = synthetic_fit_notes("Greater Manchester", seed=1, earlier=False)
    >>> sorted(notes["practice"].unique())
    ['GM-1', 'GM-2', 'GM-3', 'GM-4']
    >>> bool(notes["synthetic"].all()), int(notes["patient"].nunique())
    (True, 1657)
    """
    import pandas as pd

    parts = [_notes_frame(found, rng, earlier) for found, rng in _areas(area, seed, scale, practices)]
    frame = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    frame.attrs["title"] = SYNTHETIC_NOTES_TITLE
    return frame


def synthetic_control_episodes(
    area: str = "Greater Manchester",
    seed: int = 1,
    *,
    scale: float = 1.0,
    practices: int | None = None,
) -> pd.DataFrame:
    """Give the true absences behind :func:`synthetic_fit_notes` of the same arguments.

    Returns
    -------
    DataFrame
        One row per absence that overlaps the window:

        - ``episode``, ``practice``, ``patient``, ``area``, ``diagnosis`` (26 categories), ``client_group`` (six),
          ``sex``, ``starts``, ``true_days`` (its whole length, known only here), ``note_in_window``, ``synthetic``;
        - as observed: ``running_days`` (how long it had run when the window opened, 0 if it began later),
          ``duration_days`` (so far, when it ended or the window closed), ``ended`` (1 or 0), and the same in weeks
          as ``running_weeks`` and ``duration_weeks``.

    Notes
    -----
    :func:`synthetic_norm_design` with ``controls="episodes"`` reads this table. Absences that overlap the window but
    have no note issued in it are here, and are not among the printed numbers.

    Examples
    --------
    >>> episodes = synthetic_control_episodes("Greater Manchester", seed=1)
    >>> int(episodes["note_in_window"].sum())  # the rows of Table C.1; its total row prints 2,181
    2183
    """
    import pandas as pd

    parts = [_episodes_frame(found) for found, _ in _areas(area, seed, scale, practices)]
    frame = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    frame.attrs["title"] = SYNTHETIC_NOTES_TITLE
    return frame


def check_seed(seed: object) -> int:
    """Check a seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SpecError(f"a seed should be a whole number of 0 or more; got {seed!r}: choose one and write it down")
    return int(seed)


def check_scale(scale: object) -> float:
    """Check a scale."""
    if isinstance(scale, bool) or not isinstance(scale, int | float | np.number) or not 0 < float(scale) <= 10_000:
        raise SpecError(f"`scale` should be a number above 0 and at most 10,000; got {scale!r}")
    return float(scale)


def _areas(area: str, seed: int, scale: float, practices: int | None) -> list[tuple[Absences, np.random.Generator]]:
    seed, scale = check_seed(seed), check_scale(scale)
    given: object = practices
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise SpecError(f"`practices` should be a whole number of 1 or more; got {practices!r}")
    out = []
    for name in check_area(area):
        rng = np.random.default_rng([seed, _STREAM, AREAS.index(name)])
        g = practices if practices is not None else int(fit_note_fact("control practices", name))
        patients = round(fit_note_fact("patients", name) * scale)
        found = make_absences(name, cells(name), rng, scale, g, patients, note_length(name))
        out.append((found, rng))
    return out


def make_absences(
    area: str,
    chosen: tuple[Cell, ...],
    rng: np.random.Generator,
    scale: float,
    practices: int,
    patients: int,
    long_notes: float,
) -> Absences:
    """Make the absences and notes of one area until each category has its number of episodes seen."""
    wanted = np.array([max(1, round(cell.episodes * scale)) for cell in chosen])
    median = np.array([cell.median for cell in chosen])
    size = rng.dirichlet(np.full(practices, 10.0))
    log_effect = fit_note_fact("between practices") * rng.standard_normal(practices)
    mix = np.exp(fit_note_fact("case mix between practices") * rng.standard_normal((len(chosen), practices))) * size
    edges = np.cumsum(mix / mix.sum(axis=1, keepdims=True), axis=1)
    more = 1.0
    while True:
        expected = np.array([cell.exposure for cell in chosen]) / (LONGEST + DAYS)
        tries = np.ceil(more * 1.15 * (wanted + 6 * np.sqrt(wanted) + 10) / expected).astype(np.int64)
        category = np.repeat(np.arange(len(chosen)), tries)
        chance = rng.random(category.size)
        practice = np.minimum((edges[category] < chance[:, None]).sum(axis=1), practices - 1)
        days = draw_days(median[category] * np.exp(log_effect[practice]), rng)
        start = rng.integers(-LONGEST, DAYS, category.size)
        touching = np.flatnonzero(start + days > 0)
        category, practice, days, start = (v[touching] for v in (category, practice, days, start))
        notes = write_notes(start, days, long_notes, rng)
        inside = (notes.issued >= 0) & (notes.issued < DAYS)
        seen = np.zeros(category.size, dtype=bool)
        seen[notes.absence[inside]] = True
        count = np.cumsum(seen)
        before = np.concatenate([[0], count])[np.searchsorted(category, np.arange(len(chosen)))]
        rank = count - before[category]
        if np.all(np.bincount(category, weights=seen, minlength=len(chosen)) >= wanted):
            break
        more *= 1.5
    kept = (rank < wanted[category]) | ((rank == wanted[category]) & seen)
    place = np.cumsum(kept) - 1
    notes = notes.take(kept[notes.absence])
    notes = Notes(place[notes.absence], notes.number, notes.starts, notes.ends, notes.issued, notes.last)
    category, practice, days, start, seen = (v[kept] for v in (category, practice, days, start, seen))
    names = tuple(cell.diagnosis for cell in chosen)
    female = rng.random(category.size) < fit_note_fact("women among patients")
    female |= np.array([name == "Pregnancy/childbirth" for name in names])[category]
    patient = _patients(practice, start, days, seen, female, int(seen.sum()) - patients, rng)
    return Absences(area, names, category, practice, start, days, seen, female, patient, notes)


def _patients(
    practice: Ints, start: Ints, days: Ints, seen: Bools, female: Bools, links: int, rng: np.random.Generator
) -> Ints:
    """Join absences into patients: ``links`` of them follow an earlier one of the same practice and sex."""
    n = start.size
    parent = np.arange(n)
    has_next, joined = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    apart = int(fit_note_fact("days between absences"))
    pool = np.flatnonzero(seen)
    key = practice[pool] * 2 + female[pool]
    order = pool[np.lexsort((start[pool], key))]
    key = np.sort(key, kind="stable")
    low = np.searchsorted(key, key, side="left")
    left = max(0, links)
    for _ in range(200):
        if left == 0:
            break
        later = np.flatnonzero(~joined[order])
        later = rng.permutation(later)[: max(2 * left, 50)]
        first = low[later] + np.floor(rng.random(later.size) * (later - low[later])).astype(np.int64)
        child, mother = order[later], order[first]
        fits = (start[mother] + days[mother] + apart <= start[child]) & ~has_next[mother]
        child, mother = child[fits], mother[fits]
        _, once = np.unique(mother, return_index=True)
        once = rng.permutation(once)[:left]
        parent[child[once]] = mother[once]
        joined[child[once]], has_next[mother[once]] = True, True
        left -= once.size
    while True:
        above = parent[parent]
        if np.array_equal(above, parent):
            break
        parent = above
    root, codes = np.unique(parent, return_inverse=True)
    shuffled: Ints = rng.permutation(root.size)[codes]
    return shuffled


@cache
def _texts() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    source = files("impactkit.data") / "fit_note_texts.csv"
    for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines()):
        found.setdefault(row["diagnosis"], []).append((row["text"], row["icd10"]))
    return found


def _notes_frame(found: Absences, rng: np.random.Generator, earlier: bool) -> pd.DataFrame:
    import pandas as pd

    notes = found.notes
    about = _Patients.draw(found, rng)
    wording = _Wording.draw(found, rng)
    written = notes.issued < DAYS
    if not earlier:
        written &= notes.issued >= 0
    rows = np.flatnonzero(written)
    number = rng.permutation(notes.absence.size)
    rate = fit_note_fact("may be fit") * np.where(notes.last, 2.0, 1.0)
    partial = (notes.number > 0) & (rng.random(number.size) < rate)
    flags = (rng.random((number.size, len(_FLAGS))) < 0.35) & partial[:, None]
    soon = rng.random(number.size) < fit_note_fact("assessed before issue")
    before = np.where(soon, rng.integers(1, 4, number.size), 0)
    twice = rows[rng.random(rows.size) < fit_note_fact("note entered twice")]
    again = rows[rng.random(rows.size) < fit_note_fact("note issued again")]
    delay = np.minimum(notes.issued[again] + rng.integers(1, 8, again.size), DAYS - 1)
    whole = np.concatenate([rows, twice, again])
    issued = np.concatenate([notes.issued[rows], notes.issued[twice], delay])
    ids = np.concatenate([number[rows], number[twice], number.size + np.arange(again.size)])
    order = np.lexsort((ids, issued))
    whole, issued, ids = whole[order], issued[order], ids[order]
    absence = notes.absence[whole]
    patient = found.patient[absence]
    code = _CODES[found.area]
    text, icd10 = wording.of(notes, whole)
    origin = np.datetime64(WINDOW[0], "D")
    columns: dict[str, Any] = {
        "practice": _labels(code, int(found.practice.max(initial=0)) + 1, 1)[found.practice[absence]],
        "patient": _labels(f"{code}-p", int(found.patient.max(initial=0)) + 1, 6)[patient],
        "note_id": _labels(f"{code}-n", number.size + again.size, 7)[ids],
        "issued": _dates(origin, issued),
        "assessed": _dates(origin, notes.issued[whole] - before[whole]),
        "starts": _dates(origin, notes.starts[whole]),
        "ends": _dates(origin, notes.ends[whole]),
        "status": np.where(partial[whole], "may be fit", "not fit").astype(object),
        **{name: flags[whole, place].astype(int) for place, name in enumerate(_FLAGS)},
        "diagnosis": text,
        "icd10": icd10,
        "sex": np.where(about.female[patient], "woman", "man").astype(object),
        "birth_year": about.born[patient],
        "area": np.full(whole.size, found.area, dtype=object),
        "employed": about.employed[patient].astype(int),
        "synthetic": True,
    }
    return pd.DataFrame(columns)


def _labels(prefix: str, n: int, width: int) -> NDArray[Any]:
    return np.array([f"{prefix}-{place:0{width}d}" for place in range(1, n + 1)], dtype=object)


def _dates(origin: np.datetime64, days: Ints) -> NDArray[Any]:
    dates: NDArray[Any] = (origin + days.astype("timedelta64[D]")).astype("datetime64[s]")
    return dates


@dataclass(frozen=True, slots=True, eq=False)
class _Patients:
    female: Bools
    born: Ints
    employed: Bools

    @classmethod
    def draw(cls, found: Absences, rng: np.random.Generator) -> _Patients:
        n = int(found.patient.max(initial=-1)) + 1
        female = np.zeros(n, dtype=bool)
        female[found.patient] = found.female
        age = np.clip(np.round(43 + 12 * rng.standard_normal(n)), 18, 65)
        return cls(female, (2012 - age).astype(np.int64), rng.random(n) < fit_note_fact("employed among patients"))


@dataclass(frozen=True, slots=True, eq=False)
class _Wording:
    """Which words stand on each note: those of the absence's category, and now and then those of another."""

    text: NDArray[Any]
    icd10: NDArray[Any]
    usual: Ints
    other: Ints

    @classmethod
    def draw(cls, found: Absences, rng: np.random.Generator) -> _Wording:
        known = [(name, *pair) for name in found.categories for pair in _texts()[name]]
        first = np.searchsorted([found.categories.index(name) for name, *_ in known], np.arange(len(found.categories)))
        size = np.diff(np.append(first, len(known)))
        n = found.category.size
        usual = first[found.category] + np.floor(rng.random(n) * size[found.category]).astype(np.int64)
        other = rng.integers(0, len(known), n)
        length = np.bincount(found.notes.absence, minlength=n)
        rare = (length >= 3) & (rng.random(n) < fit_note_fact("diagnosis differs"))
        words = np.array([text for _, text, _ in known], dtype=object)
        codes = np.array([code for *_, code in known], dtype=object)
        return cls(words, codes, usual, np.where(rare, other, usual))

    def of(self, notes: Notes, rows: Ints) -> tuple[NDArray[Any], NDArray[Any]]:
        absence = notes.absence[rows]
        chosen = np.where(notes.number[rows] == 1, self.other[absence], self.usual[absence])
        return self.text[chosen], self.icd10[chosen]


def _episodes_frame(found: Absences) -> pd.DataFrame:
    import pandas as pd

    code = _CODES[found.area]
    running = np.maximum(-found.start, 0)
    end = found.start + found.days
    duration = np.minimum(end, DAYS) - found.start
    names = np.array(found.categories, dtype=object)
    groups = np.array([client_group(name) for name in found.categories], dtype=object)
    origin = np.datetime64(WINDOW[0], "D")
    return pd.DataFrame(
        {
            "episode": _labels(f"{code}-e", found.start.size, 6),
            "practice": _labels(code, int(found.practice.max(initial=0)) + 1, 1)[found.practice],
            "patient": _labels(f"{code}-p", int(found.patient.max(initial=0)) + 1, 6)[found.patient],
            "area": np.full(found.start.size, found.area, dtype=object),
            "diagnosis": names[found.category],
            "client_group": groups[found.category],
            "sex": np.where(found.female, "woman", "man").astype(object),
            "starts": _dates(origin, found.start),
            "true_days": found.days,
            "note_in_window": found.seen,
            "running_days": running,
            "duration_days": duration,
            "running_weeks": running / 7,
            "duration_weeks": duration / 7,
            "ended": (end <= DAYS).astype(int),
            "synthetic": True,
        }
    )
