"""Value sets of the EQ-5D: each a small file with its citation, found by name. There is no default one."""

from __future__ import annotations

import csv
import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.eq5d import (
    DIMENSIONS,
    additive_table,
    crosswalk_table,
    digits_lookup,
    level_table,
    round_half_up,
)
from impactkit.errors import DataError, SpecError, did_you_mean

__all__ = ["Rounding", "ValueSet", "list_value_sets", "load_value_set", "register_value_set"]

Rounding = Literal["published", "exact"]

_HERE = "impactkit.data.eq5d"
_REQUIRED = ("id", "title", "version", "instrument", "citation")
_OPTIONAL = ("country", "doi", "note", "target", "rounding")
_LEVELS = {"EQ-5D-3L": 3, "EQ-5D-5L": 5}
_FORMS = {
    ("term", "level", "value"): "additive",
    ("dimension", "level", "target_level", "probability"): "crosswalk",
    ("profile", "index"): "table",
}
_REGISTERED: dict[str, tuple[ValueSet, str]] = {}


@dataclass(frozen=True, slots=False, eq=False)
class ValueSet:
    """What each EQ-5D profile is worth, according to one publication.

    Parameters
    ----------
    id, title, version : str
    instrument : {"EQ-5D-3L", "EQ-5D-5L"}
        The questionnaire whose profiles it values.
    citation : str
    country, doi, note : str
        Empty where there is none.
    rounding : {"published", "exact"}
        Whether values are rounded as published.
    values : ndarray of shape (243,) or (3125,)
        Value of each profile in digit order, from 11111.

    Examples
    --------
    >>> from impactkit.econ import load_value_set
    >>> tariff = load_value_set("uk_5l_2026")
    >>> tariff.value("55555"), tariff.version, tariff.doi
    (-0.567, '2026', '10.1016/j.jval.2026.03.008')
    """

    id: str
    title: str
    version: str
    instrument: str
    citation: str
    country: str = ""
    doi: str = ""
    note: str = ""
    rounding: Rounding = "published"
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False)

    @property
    def levels(self) -> int:
        """3 or 5."""
        return _LEVELS[self.instrument]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the lines ``11111,1.000`` ... in digit order; six decimals unless rounded to three."""
        places = 3 if np.array_equal(np.round(self.values, 3), self.values) else 6
        lines = [f"{name},{value + 0.0:.{places}f}" for name, value in zip(self.profiles, self.values, strict=True)]
        zero = f"-{0:.{places}f}"
        text = "\n".join(line.replace(f",{zero}", f",{zero[1:]}") for line in lines)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def profiles(self) -> tuple[str, ...]:
        """Every profile as five digits, in the order of ``values``."""
        return _profile_names(self.levels)

    @property
    def source(self) -> str:
        """One line for a footnote: title, version, citation."""
        doi = f", doi:{self.doi}" if self.doi else ""
        exact = ", unrounded" if self.rounding == "exact" else ""
        return f"{self.title} ({self.version}{exact}): {self.citation}{doi}"

    def value(self, profile: str | int) -> float:
        """Give the value of one profile.

        Raises
        ------
        SpecError
            If it is no profile of this instrument.
        """
        text = str(profile)
        place = -2
        if re.fullmatch(r"[0-9]{5}", text):
            place = int(_lookup(self.levels)[int(text)])
        if place < 0:
            raise SpecError(
                f"{text!r} is not a profile of the {self.instrument}: expected five digits from 1 to {self.levels}"
            )
        return float(self.values[place])

    def table(self) -> Any:
        """Give all values as a frame with the columns ``profile`` and ``index``."""
        import pandas as pd

        return pd.DataFrame({"profile": self.profiles, "index": self.values})


def list_value_sets() -> Any:
    """List the value sets there are: those of the package, then those registered.

    Returns
    -------
    DataFrame
        ``id``, ``title``, ``version``, ``instrument``, ``country``, ``lowest``, ``citation``, ``doi``, ``note``.

    Examples
    --------
    >>> from impactkit.econ import list_value_sets
    >>> list_value_sets()[["id", "instrument", "lowest"]].head(4)
                      id instrument  lowest
    0         uk_3l_1997   EQ-5D-3L  -0.594
    1    england_5l_2018   EQ-5D-5L  -0.285
    2         uk_5l_2026   EQ-5D-5L  -0.567
    3  crosswalk_uk_2012   EQ-5D-5L  -0.594
    """
    import pandas as pd

    names = ("id", "title", "version", "instrument", "country", "lowest", "citation", "doi", "note")
    sets = [load_value_set(name) for name in _known()]
    rows = [
        {name: entry.values.min() if name == "lowest" else getattr(entry, name) for name in names} for entry in sets
    ]
    return pd.DataFrame(rows, columns=list(names))


def load_value_set(id: str | ValueSet, *, rounding: Rounding = "published") -> ValueSet:
    """Give a value set by name.

    Parameters
    ----------
    id : str or ValueSet
        For example ``"uk_5l_2026"``; :func:`list_value_sets` names them. A value set is given back as it is.
    rounding : {"published", "exact"}
        The published UK crosswalk was rounded to four decimals and then to three; ``"exact"`` gives the expected
        values themselves. The coefficients of the other sets have three decimals, so it changes nothing there.

    Returns
    -------
    ValueSet

    Raises
    ------
    SpecError
        If there is none of that name.

    Examples
    --------
    >>> from impactkit.econ import load_value_set
    >>> load_value_set("crosswalk_uk_2012").value(21111)
    0.877
    >>> round(load_value_set("crosswalk_uk_2012", rounding="exact").value(21111), 6)
    0.876602
    """
    if isinstance(id, ValueSet):
        return id
    if rounding not in ("published", "exact"):
        raise SpecError(f'`rounding` must be "published" or "exact", found {rounding!r}')
    if id in _REGISTERED:
        found, text = _REGISTERED[id]
        return found if rounding == "published" else read_value_set(text, f"value set {id!r}", rounding)
    if id not in _register():
        known = _known()
        raise SpecError(
            f"there is no value set {id!r}.{did_you_mean(str(id), known)} There are {', '.join(known)}; "
            "register_value_set() adds one from a file"
        )
    return _packaged(id, rounding)


def register_value_set(path: str | Path) -> ValueSet:
    """Add a value set from a small file of your own.

    Parameters
    ----------
    path : str or Path
        A CSV file that starts with lines ``# key: value`` (``id``, ``title``, ``version``, ``instrument`` and
        ``citation`` are needed; ``country``, ``doi``, ``note``, ``rounding`` and ``check 55555`` may be given) and
        then has one of three forms:

        - ``profile,index``: every profile with its value;
        - ``term,level,value``: ``constant``, the five dimensions by level (level 1 and levels worth nothing may be
          left out) and ``any_at_least`` (added once if any dimension is at that level or worse);
        - ``dimension,level,target_level,probability``: a crosswalk to the value set named by ``# target:``.

    Returns
    -------
    ValueSet
        It can now be used by its id, for this run of Python.

    Raises
    ------
    DataError
        Listing everything that is wrong with the file.
    SpecError
        If another value set has that id.

    Notes
    -----
    A line ``# check 55555: -0.285`` is compared with the table the file gives, so that a misplaced coefficient is
    seen. ``# rounding: 4 then 3`` rounds in two steps, halves away from zero; without it nothing is rounded.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from impactkit.econ import register_value_set
    >>> text = '''# id: made_up
    ... # title: Made-up 3L set
    ... # version: 1
    ... # instrument: EQ-5D-3L
    ... # citation: nobody
    ... # check 33333: 0
    ... term,level,value
    ... constant,,1
    ... any_at_least,3,-1
    ... '''
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "made_up.csv"
    ...     _ = path.write_text(text)
    ...     register_value_set(path).value("21111")
    1.0
    """
    text = Path(path).read_text(encoding="utf-8")
    found = read_value_set(text, f"value set file {Path(path).name}")
    same = _REGISTERED[found.id][0] if found.id in _REGISTERED else None
    if found.id in _register() or (same is not None and (same.digest, same.source) != (found.digest, found.source)):
        raise SpecError(
            f"there is already another value set {found.id!r}: give yours an id of its own, with its version in it"
        )
    _REGISTERED[found.id] = (found, text)
    return found


def read_value_set(text: str, what: str, rounding: Rounding = "published") -> ValueSet:
    """Read the file of a value set; see :func:`register_value_set` for the form."""
    head, body = _split(text)
    problems = [f"{what} needs a line `# {key}: ...`" for key in _REQUIRED if not head.get(key)]
    stray = [key for key in head if key not in (*_REQUIRED, *_OPTIONAL) and not re.fullmatch("check [1-5]{5}", key)]
    problems += [f"{what} has a line `# {key}:` that means nothing here" for key in stray]
    instrument = head.get("instrument", "")
    if instrument and instrument not in _LEVELS:
        problems.append(f"the instrument of {what} should be EQ-5D-3L or EQ-5D-5L, found {instrument!r}")
    rows = list(csv.reader(body))
    form = _FORMS.get(tuple(rows[0])) if rows else None
    if form is None:
        ways = "; ".join(",".join(columns) for columns in _FORMS)
        problems.append(f"{what} should have one of these first lines after its comments: {ways}")
    steps = re.findall(r"\d+", head.get("rounding", ""))
    if problems or form is None:
        raise DataError(problems)
    reader = {"additive": _read_additive, "crosswalk": _read_crosswalk, "table": _read_table}[form]
    values, problems = reader(rows[1:], _LEVELS[instrument], head, what)
    if problems:
        raise DataError(problems)
    if steps and rounding == "published":
        values = round_half_up(values, [int(step) for step in steps])
    values.setflags(write=False)
    found = ValueSet(
        **{key: head[key] for key in _REQUIRED},
        **{key: head.get(key, "") for key in ("country", "doi", "note")},
        rounding=rounding,
        values=values,
    )
    for key, stated in head.items():
        if key.startswith("check ") and not _agrees(found, key[6:], stated):
            problems.append(f"{what} says {key[6:]} is worth {stated}, and its table gives another value")
    if problems:
        raise DataError(problems)
    return found


def _agrees(found: ValueSet, profile: str, stated: str) -> bool:
    try:
        return (
            abs(found.value(profile) - float(stated)) < 6e-4
            if found.rounding == "exact"
            else (abs(found.value(profile) - float(stated)) < 1e-9)
        )
    except ValueError:
        return False


def _split(text: str) -> tuple[dict[str, str], list[str]]:
    head: dict[str, str] = {}
    body = []
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            head[key.strip()] = value.strip()
        elif line.strip():
            body.append(line)
    return head, body


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


_Read = tuple[NDArray[np.float64], list[str]]


def _read_additive(rows: list[list[str]], levels: int, head: dict[str, str], what: str) -> _Read:
    steps, at_least, constant = np.zeros((5, levels)), dict[int, float](), 0.0
    seen: set[tuple[str, str]] = set()
    bad = 0
    for row in rows:
        value = _number(row[2]) if len(row) == 3 else None
        good = value is not None and (row[0], row[1]) not in seen
        if good and value is not None:
            seen.add((row[0], row[1]))
            level = int(row[1]) if re.fullmatch(f"[1-{levels}]", row[1]) else 0
            if row[0] == "constant" and not row[1]:
                constant = value
            elif row[0] == "any_at_least" and level > 1:
                at_least[level] = value
            elif row[0] in DIMENSIONS and level:
                steps[DIMENSIONS.index(row[0]), level - 1] = value
            else:
                good = False
        bad += not good
    problems = []
    if bad:
        problems.append(
            f"{bad} lines of {what} are not a constant, `any_at_least` with a level from 2, or one of "
            f"{', '.join(DIMENSIONS)} with a level 1 to {levels}, each once and with a number"
        )
    if ("constant", "") not in seen:
        problems.append(f"{what} needs a line `constant,,` with the value of 11111, mostly 1")
    return additive_table(levels, constant, steps, at_least), problems


def _read_crosswalk(rows: list[list[str]], levels: int, head: dict[str, str], what: str) -> _Read:
    if "target" not in head:
        return np.empty(0), [f"{what} needs a line `# target:` with the id of the value set it maps to"]
    target = load_value_set(head["target"])
    chances = np.zeros((5, levels, target.levels))
    bad = 0
    for row in rows:
        value = _number(row[3]) if len(row) == 4 else None
        if (
            value is None
            or not 0.0 <= value <= 1.0
            or row[0] not in DIMENSIONS
            or not re.fullmatch(f"[1-{levels}]", row[1])
            or not re.fullmatch(f"[1-{target.levels}]", row[2])
        ):
            bad += 1
        else:
            chances[DIMENSIONS.index(row[0]), int(row[1]) - 1, int(row[2]) - 1] += value
    problems = [f"{bad} lines of {what} are not a dimension, two levels and a probability"] if bad else []
    off = int((np.abs(chances.sum(axis=2) - 1.0) > 1e-9).sum())
    if off:
        problems.append(f"the probabilities of {what} should sum to 1 for every dimension and level; {off} do not")
    return crosswalk_table(chances, target.values), problems


def _read_table(rows: list[list[str]], levels: int, head: dict[str, str], what: str) -> _Read:
    place = {name: number for number, name in enumerate(_profile_names(levels))}
    values = np.full(levels**5, np.nan)
    bad = 0
    for row in rows:
        value = _number(row[1]) if len(row) == 2 else None
        where = place.get(row[0])
        if value is None or where is None or not np.isnan(values[where]):
            bad += 1
        else:
            values[where] = value
    empty = int(np.isnan(values).sum())
    problems = [f"{bad} lines of {what} are not a profile of levels 1 to {levels}, once, with a number"] if bad else []
    if empty:
        problems.append(f"{what} should value all {levels**5:,} profiles; {empty:,} are missing")
    return values, problems


@cache
def _packaged(id: str, rounding: Rounding) -> ValueSet:
    name = _register()[id]["file"]
    return read_value_set((files(_HERE) / name).read_text(encoding="utf-8"), name, rounding)


@cache
def _register() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((files(_HERE) / "registry.toml").read_text(encoding="utf-8"))["value_set"]
    return found


def _known() -> list[str]:
    return [*_register(), *_REGISTERED]


@cache
def _profile_names(levels: int) -> tuple[str, ...]:
    return tuple("".join(map(str, row)) for row in level_table(levels).tolist())


@cache
def _lookup(levels: int) -> NDArray[np.int16]:
    lookup = digits_lookup(levels)
    lookup.setflags(write=False)
    return lookup
