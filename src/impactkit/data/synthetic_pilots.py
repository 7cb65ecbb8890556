"""Synthetic clients of the three Fit for Work Service pilots, with a known effect on their absence: nobody real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.data.absence_model import draw_remaining, shorten
from impactkit.data.pilot_model import DAYS, ENTRY_BANDS, check_effect, entry_chances, follow_up_days, mean_weeks
from impactkit.data.synthetic_fit_notes import SYNTHETIC_NOTES_TITLE, WINDOW, check_scale, check_seed
from impactkit.data.synthetic_note_facts import AREAS, CLIENT_GROUPS, Pilot, check_area, fit_note_fact, pilot
from impactkit.design import ControlEpisodes, ControlNotes, FitNoteEpisodes, NormDesign, Population
from impactkit.errors import DataError, SpecError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["synthetic_norm_design", "synthetic_pilot_clients", "synthetic_truth"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_STREAM = 948
_CODES = {"Greater Manchester": "GM", "North Staffordshire": "NS", "Leicester": "LE"}
_TIME = "Time off work before pilot assessment"
_COLUMNS = {
    "gender": "Gender",
    "age_band": "Age",
    "ethnicity": "Ethnicity",
    "marital_status": "Marital status",
    "dependent_children": "Dependent children",
    "referred_by": "Agency referring to the pilot",
    "employer_size": "Size of employer",
}
_EXITS = ("job loss", "benefit", "retirement")


def synthetic_pilot_clients(
    effect: float = 1.0,
    seed: int = 1,
    *,
    area: str = "all",
    scale: float = 1.0,
    missing: bool = True,
    unknown: float | None = None,
) -> pd.DataFrame:
    """Make synthetic clients of the three pilots whose absence after assessment is shortened by a known factor.

    Parameters
    ----------
    effect : float, default 1.0
        What each client's remaining absence at assessment is multiplied by: 1 means that the pilot does nothing,
        0.8 that it cuts a fifth.
    seed : int, default 1
        The same seed gives the same clients, to the byte. It may be that of the fit notes: the draws are others.
    area : str, default "all"
        One of the three areas, or "all".
    scale : float, default 1.0
        Multiplies the clients; 1 gives the printed 172, 221 and 555 with a known outcome.
    missing : bool, default True
        Whether the health problem and the first day of absence are empty for as many clients as in the report.
    unknown : float, optional
        Share of all clients whose outcome is not known, on top of the printed ones; 0.03, an assumption, when left
        out.

    Returns
    -------
    DataFrame
        One row per client:

        - ``client_id``, ``area``, ``synthetic`` (always true), ``assessed`` (date);
        - ``client_group`` (six groups; empty where not recorded), ``gender``, ``age_band``, ``age``, ``ethnicity``,
          ``marital_status``, ``dependent_children``, ``referred_by``, ``employer_size``, with the tables' labels;
        - ``entry_weeks`` (absent at assessment), ``time_band`` (its three bands), ``duration_weeks`` (absent at
          return or last contact), both from the first day of absence, and the same in days as ``entry_days`` and
          ``duration_days``;
        - ``returned``: 1 back at work, 0 not at last contact, empty if not known; ``exit``: "work", "job loss",
          "benefit", "retirement", or empty while still absent or not known;
        - ``after_weeks``: from assessment to return or last contact, also where ``duration_weeks`` is not known.

    Raises
    ------
    SpecError
        If an argument is not usable.

    See Also
    --------
    synthetic_truth : the weeks saved that an analysis of these clients should find.

    Notes
    -----
    *Absence.* Client i of area a and group g is assessed on day e of absence and would, without the pilot, be absent
    for T days, drawn from the distribution of *new absences* in a and g given T > e: the one the synthetic fit notes
    are drawn from. With the pilot T' = e + ⌈effect · (T − e)⌉. With effect 1 the clients therefore follow the norm
    S₀(e + u)/S₀(e) exactly.

    *What is seen.* Follow-up lasts C days (gamma) and another exit comes after X days (exponential), neither related
    to T. The client is seen to return if T' − e is at most C and X. Both constants are fitted for each pilot, under
    effect 1, to its printed share back at work and the printed median time from assessment to return. Clients whose
    outcome is not known are those whose contact breaks off first, after an exponential time unrelated to T.

    *Margins.* Characteristics, groups and bands of time before assessment have the printed counts in every seed.
    They are unrelated to one another and to the outcome: an assumption, since no table prints them jointly.

    References
    ----------
    Fit for Work Service pilots, second and third years, final evaluation report, Appendix C, Tables C.2 to C.6, C.9
    to C.13, C.16 to C.20.

    Examples
    --------
    >>> clients = synthetic_pilot_clients(effect=0.8, seed=1)
    >>> clients.loc[clients["returned"].notna(), "area"].value_counts().to_dict()
    {'Leicester': 555, 'North Staffordshire': 221, 'Greater Manchester': 172}
    """
    import pandas as pd

    effect, seed, scale = check_effect(effect), check_seed(seed), check_scale(scale)
    share: object = fit_note_fact("outcome unknown") if unknown is None else unknown
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise SpecError(f"`unknown` should be a share from 0 up to but not including 1; got {unknown!r}")
    parts = []
    for name in check_area(area):
        rng = np.random.default_rng([seed, _STREAM, AREAS.index(name)])
        parts.append(pd.DataFrame(_clients(pilot(name), effect, scale, missing, float(share), rng)))
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs["title"] = SYNTHETIC_NOTES_TITLE
    return frame


def _clients(
    about: Pilot, effect: float, scale: float, missing: bool, unknown: float, rng: np.random.Generator
) -> dict[str, Any]:
    known = max(1, round(about.clients * scale))
    group, no_group = _spread(about.groups, about.clients, known, rng)
    band, no_time = _spread(about.margins[_TIME], about.clients, known, rng)
    traits = _characteristics(about, known, rng)
    slot, seen = _seen(about, effect, group, band, unknown, rng)
    order = rng.permutation(slot.size)
    slot, seen = slot[order], {name: values[order] for name, values in seen.items()}
    days, last, lost = seen["days"], seen["last"], seen["lost"]
    n = slot.size
    why = np.where(seen["work"], "work", "").astype(object)
    kinds = np.array([fit_note_fact(f"exits to {name}") for name in _EXITS]).cumsum()
    kind = np.minimum(np.searchsorted(kinds, rng.random(n), side="right"), len(_EXITS) - 1)
    why[seen["elsewhere"]] = np.array(_EXITS, dtype=object)[kind[seen["elsewhere"]]]
    discharged = np.datetime64("2012-01-01", "D") + rng.integers(0, 366, n).astype("timedelta64[D]")
    empty = no_time[slot] if missing else np.zeros(n, dtype=bool)
    entry = np.where(empty, np.nan, days.astype(float))
    total = np.where(empty, np.nan, (days + last).astype(float))
    return {
        "client_id": np.array([f"{_CODES[about.area]}-c{place:05d}" for place in range(1, n + 1)], dtype=object),
        "area": np.full(n, about.area, dtype=object),
        "synthetic": True,
        "assessed": (discharged - seen["contact"].astype("timedelta64[D]")).astype("datetime64[s]"),
        "client_group": _labelled(CLIENT_GROUPS, group, no_group if missing else np.zeros(known, dtype=bool))[slot],
        **{name: values[slot] for name, values in traits.items()},
        "entry_weeks": entry / DAYS,
        "time_band": _labelled(ENTRY_BANDS, band[slot], empty),
        "duration_weeks": total / DAYS,
        "entry_days": entry,
        "duration_days": total,
        "returned": np.where(lost, np.nan, seen["work"].astype(float)),
        "exit": why,
        "after_weeks": last / DAYS,
    }


def _seen(
    about: Pilot, effect: float, group: Ints, band: Ints, unknown: float, rng: np.random.Generator
) -> tuple[Ints, dict[str, NDArray[Any]]]:
    """Draw clients until every place in the printed margins has one whose outcome is known; keep the others too.

    Contact breaks off after an exponential time that is unrelated to everything else, and whose rate gives the share
    of unknown outcomes: what is censored then tells nothing of who returns.
    """
    slot, rate = np.arange(group.size), -1.0
    slots: list[Ints] = []
    drawn: list[dict[str, NDArray[Any]]] = []
    while slot.size:
        one = _absence(about, effect, group[slot], band[slot], rng)
        if rate < 0:
            rate = _rate(one["last"], unknown)
        breaks = rng.exponential(1.0, slot.size) / rate if rate > 0 else np.full(slot.size, np.inf)
        lost = breaks < one["last"]
        one["lost"] = lost
        one["last"] = np.where(lost, np.floor(np.where(lost, breaks, 0.0)).astype(np.int64), one["last"])
        one["work"], one["elsewhere"] = one["work"] & ~lost, one["elsewhere"] & ~lost
        slots.append(slot)
        drawn.append(one)
        slot = slot[lost]
    return np.concatenate(slots), {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}


def _absence(about: Pilot, effect: float, group: Ints, band: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Draw, for clients of a group and a band, the day of assessment and what comes first after it."""
    n = group.size
    days, rest = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for place, label in enumerate(ENTRY_BANDS):
        chosen = np.flatnonzero(band == place)
        chances = entry_chances(label)
        days[chosen] = rng.choice(chances.size, size=chosen.size, p=chances)
    for place, name in enumerate(CLIENT_GROUPS):
        chosen = np.flatnonzero(group == place)
        rest[chosen] = draw_remaining(about.area, name, days[chosen], rng)
    rest = shorten(rest, effect)
    contact = follow_up_days(about.follow_up_weeks, n, rng)
    other = np.ceil(DAYS * rng.exponential(1.0, n) / about.other_exits_per_week).astype(np.int64)
    last = np.minimum(np.minimum(rest, contact), other)
    work = rest == last
    return {"days": days, "last": last, "contact": contact, "work": work, "elsewhere": ~work & (other == last)}


def _rate(last: Ints, unknown: float) -> float:
    """Give the rate at which contact must break off for a share of outcomes to be unknown."""
    from scipy.optimize import brentq

    if unknown == 0.0:
        return 0.0
    return float(brentq(lambda rate: 1.0 - np.exp(-rate * last).mean() - unknown, 0.0, 1e3))


def _characteristics(about: Pilot, n: int, rng: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, characteristic in _COLUMNS.items():
        margin = about.margins[characteristic]
        codes, empty = _spread(margin, about.clients, n, rng)
        found[column] = _labelled(tuple(margin), codes, empty)
        if column == "age_band":
            young = codes == 0
            age = np.where(young, rng.integers(18, 41, n), rng.integers(41, 66, n)).astype(float)
            found["age"] = np.where(empty, np.nan, age)
    return found


def _labelled(labels: tuple[str, ...], codes: Ints, empty: Bools) -> NDArray[Any]:
    text = np.array(labels, dtype=object)[codes]
    text[empty] = None
    return text


def _spread(margin: dict[str, int], clients: int, n: int, rng: np.random.Generator) -> tuple[Ints, Bools]:
    """Give everybody a category, in the printed shares as nearly as whole clients allow, and say who has it empty."""
    counts = np.array(list(margin.values()), dtype=float)
    empty = np.zeros(n, dtype=bool)
    empty[rng.permutation(n)[: round(n * (clients - counts.sum()) / clients)]] = True
    codes = np.zeros(n, dtype=np.int64)
    for part in (np.flatnonzero(empty), np.flatnonzero(~empty)):
        exact = part.size * counts / counts.sum()
        whole = np.floor(exact).astype(np.int64)
        whole[np.argsort(whole - exact, kind="stable")[: part.size - whole.sum()]] += 1
        codes[part] = rng.permutation(np.repeat(np.arange(counts.size), whole))
    return codes, empty


def synthetic_truth(
    effect: float = 1.0,
    horizon_weeks: float = 26.0,
    *,
    area: str = "all",
    clients: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give the true weeks saved of the synthetic clients to a horizon after assessment.

    Parameters
    ----------
    effect : float, default 1.0
        As given to :func:`synthetic_pilot_clients`.
    horizon_weeks : float, default 26.0
    area : str, default "all"
        One of the three areas, or "all"; not used with ``clients``.
    clients : DataFrame, optional
        Clients of :func:`synthetic_pilot_clients`: the truth is then the mean over their own times at assessment and
        groups, of those who have both. Left out, it is over the distribution that clients are drawn from.

    Returns
    -------
    DataFrame
        ``area``, ``client_group``, ``share`` (of all clients), ``expected_weeks`` (without the pilot),
        ``actual_weeks`` (with it), ``saved_weeks``: one row for each area and group, each area ("all" groups), and
        "all" areas.

    Notes
    -----
    Expected = E min(T − e, τ) and actual = E min(⌈effect · (T − e)⌉, τ), given T > e, summed exactly over the
    distribution of T: no simulation. Both are of the absence itself, as if no other exit ended it first.

    Examples
    --------
    >>> truth = synthetic_truth(effect=1.0, horizon_weeks=26)
    >>> float(truth["saved_weeks"].abs().max())
    0.0
    >>> float(synthetic_truth(effect=0.8)["saved_weeks"].min()) > 0
    True
    """
    import pandas as pd

    effect = check_effect(effect)
    given: object = horizon_weeks
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 104:
        raise SpecError(f"`horizon_weeks` should be above 0 and at most 104; got {horizon_weeks!r}")
    weights = _entries(area) if clients is None else _own_entries(clients)
    rows = []
    for (name, group), (days, weight) in weights.items():
        expected = weight @ mean_weeks(name, group, days, 1.0, horizon_weeks) / weight.sum()
        actual = weight @ mean_weeks(name, group, days, effect, horizon_weeks) / weight.sum()
        rows.append((name, group, weight.sum(), expected, actual))
    cells = pd.DataFrame(rows, columns=["area", "client_group", "share", "expected_weeks", "actual_weeks"])
    cells["share"] /= cells["share"].sum()
    parts = [cells]
    for label in ("all", *dict.fromkeys(cells["area"])):
        part = cells if label == "all" else cells[cells["area"] == label]
        means = {
            column: float((part["share"] * part[column]).sum() / part["share"].sum())
            for column in ("expected_weeks", "actual_weeks")
        }
        row = {"area": label, "client_group": "all", "share": float(part["share"].sum()), **means}
        parts.append(pd.DataFrame([row]))
    found = pd.concat([*parts[1:], parts[0]], ignore_index=True)
    found["saved_weeks"] = found["expected_weeks"] - found["actual_weeks"]
    found.attrs["title"] = SYNTHETIC_NOTES_TITLE
    return found


def _entries(area: str) -> dict[tuple[str, str], tuple[Ints, NDArray[np.float64]]]:
    found = {}
    for name in check_area(area):
        about = pilot(name)
        bands = about.margins[_TIME]
        weights = np.array([bands[kind] for kind in ENTRY_BANDS]) / sum(bands.values())
        chances = weights @ np.array([entry_chances(kind) for kind in ENTRY_BANDS])
        days = np.flatnonzero(chances)
        for group, n in about.groups.items():
            found[name, group] = (days, about.clients * n / sum(about.groups.values()) * chances[days])
    return found


def _own_entries(clients: pd.DataFrame) -> dict[tuple[str, str], tuple[Ints, NDArray[np.float64]]]:
    needed = ["area", "client_group", "entry_days"]
    lacking = [name for name in needed if name not in clients.columns]
    if lacking:
        raise DataError([f"`clients` lacks {', '.join(lacking)}: give the frame of synthetic_pilot_clients"])
    whole = clients[needed].dropna()
    if whole.empty:
        raise DataError(["no client has both a group and a time at assessment: there is nothing to average over"])
    found = {}
    for (name, group), part in whole.groupby(["area", "client_group"], sort=False):
        days, count = np.unique(part["entry_days"].to_numpy(dtype=np.int64), return_counts=True)
        found[str(name), str(group)] = (days, count.astype(np.float64))
    return found


def synthetic_norm_design(
    controls: Literal["notes", "episodes"] = "notes", time_unit: Literal["weeks", "days"] = "weeks"
) -> NormDesign:
    """Give the design of the synthetic clients against the synthetic fit notes, by area and client group.

    Parameters
    ----------
    controls : {"notes", "episodes"}, default "notes"
        Whether the norm is made from ``fit_notes`` (:func:`~impactkit.data.synthetic_fit_notes`) or from
        ``episodes`` (:func:`~impactkit.data.synthetic_control_episodes`).
    time_unit : {"weeks", "days"}, default "weeks"

    Returns
    -------
    NormDesign
        With all areas together and each area as populations. The window in which notes were copied is declared,
        so that running and open episodes are known as such.

    Examples
    --------
    >>> design = synthetic_norm_design()
    >>> design.norm_by, design.entry, design.controls.table
    (('area', 'client_group'), 'entry_weeks', 'fit_notes')
    """
    source: ControlNotes | ControlEpisodes
    if controls == "notes":
        source = ControlNotes(table="fit_notes", rules=FitNoteEpisodes(window=WINDOW))
    elif controls == "episodes":
        source = ControlEpisodes(
            table="episodes",
            duration=f"duration_{time_unit}",
            late_entry=f"running_{time_unit}",
            practice="practice",
        )
    else:
        raise SpecError(f'`controls` should be "notes" or "episodes"; got {controls!r}')
    return NormDesign(
        unit="client_id",
        entry=f"entry_{time_unit}",
        duration=f"duration_{time_unit}",
        returned="returned",
        norm_by=("area", "client_group"),
        time_unit=time_unit,
        controls=source,
        populations=(
            Population(name="All areas", where=(("area", AREAS),)),
            *(Population(name=name, where=(("area", name),)) for name in AREAS),
        ),
    )
