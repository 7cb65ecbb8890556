"""Diagnosis groups as data: ICD-10 ranges and keywords to the categories of a report, in a file users can replace."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.errors import DataError, SpecError

__all__ = ["AS_GIVEN", "DiagnosisGroup", "DiagnosisGroups", "Grouped", "group_diagnoses"]

REPORT, AS_GIVEN = "report", "as given"

_RANGE = re.compile(r"([A-Z]\d[0-9A-Z])(?:-([A-Z]\d[0-9A-Z])|\.?(\w{1,4}))?")
_CODE = re.compile(r"[A-Z]\d[0-9A-Z](\.?\w{1,4})?")


@dataclass(frozen=True, slots=True)
class DiagnosisGroup:
    """One group: its name, the clients' group it belongs to, and what is put in it.

    Parameters
    ----------
    name : str
    client_group : str
    icd10 : tuple of str
        Categories, ranges of categories, or subcategories.
    keywords : tuple of str
        Words or phrases; a final ``*`` stands for any ending.
    part_of : str
        Heading over several groups.
    first : bool
        Whether its keywords win over those of all other groups.
    """

    name: str
    client_group: str
    icd10: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    part_of: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True)
class DiagnosisGroups:
    """A mapping of diagnoses to groups; the last group takes what nothing matches.

    Parameters
    ----------
    title : str
    citation : str
        Where the names are from, and whose reading the rest is.
    groups : tuple of DiagnosisGroup

    Examples
    --------
    >>> groups = DiagnosisGroups.load()
    >>> len(groups.groups), groups.of_text("Low back pain"), groups.of_code("F32.1"), groups.of_text("xyzzy")
    (26, 'Back problem', 'Depression', None)
    >>> groups.client_group("Bone fracture")
    'Other health problem'
    """

    title: str
    citation: str
    groups: tuple[DiagnosisGroup, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups, in order."""
        return tuple(group.name for group in self.groups)

    @property
    def unclassified(self) -> str:
        """The group of what nothing matches."""
        return self.groups[-1].name

    @classmethod
    def load(cls, name: str = REPORT) -> DiagnosisGroups:
        """Load the package's own groups (``"report"``), or those of a TOML file.

        Raises
        ------
        SpecError
            If there is no such file, or it is not written like the package's own.
        """
        if name == REPORT:
            return _own()
        path = Path(name)
        if path.suffix.lower() != ".toml" or not path.is_file():
            raise SpecError(
                f'`diagnosis_groups` should be "{REPORT}", "{AS_GIVEN}" or the path of a .toml file; got "{name}", '
                "which is not there: correct the path"
            )
        return _read(path.read_text(encoding="utf-8"), f'the file "{path.name}"')

    def of_code(self, code: str) -> str | None:
        """Give the group of an ICD-10 code, ``None`` when no range has it."""
        plain = code.strip().upper().replace(" ", "")
        if not _CODE.fullmatch(plain):
            return None
        plain = plain.replace(".", "")
        best: tuple[int, str] | None = None
        for low, high, name in _ranges(self):
            width = len(low) if low == high else 3
            if low <= plain[:width] <= high:
                narrow = _width(low, high)
                if best is None or narrow < best[0]:
                    best = (narrow, name)
        return None if best is None else best[1]

    def of_text(self, text: str) -> str | None:
        """Give the group of a diagnosis in words, ``None`` when nothing matches."""
        plain = _plain(text)
        for group in self.groups:
            if plain == _plain(group.name):
                return group.name
        best: tuple[bool, int, str] | None = None
        for pattern, length, first, name in _patterns(self):
            if (best is None or (first, length) > best[:2]) and pattern.search(plain):
                best = (first, length, name)
        return None if best is None else best[2]

    def client_group(self, name: str) -> str:
        """Give the clients' group of a group."""
        return next(group.client_group for group in self.groups if group.name == name)


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """The group of every note.

    Parameters
    ----------
    codes : ndarray of int32, shape (n,)
        Position in ``names``.
    names : tuple of str
        Groups, the unclassified last.
    client_groups : tuple of str
        The clients' group of each.
    missing : ndarray of bool, shape (n,)
        Notes without a diagnosis.
    unmapped : ndarray of bool, shape (n,)
        Notes with one that nothing matches.
    unmapped_texts : int
        Different diagnoses among them.
    disagree : ndarray of bool, shape (n,)
        Notes whose code and text are of different groups; the code was taken.
    """

    codes: NDArray[np.int32]
    names: tuple[str, ...]
    client_groups: tuple[str, ...]
    missing: NDArray[np.bool_]
    unmapped: NDArray[np.bool_]
    unmapped_texts: int
    disagree: NDArray[np.bool_]


def group_diagnoses(
    size: int,
    text: tuple[NDArray[np.int32], Sequence[str]] | None,
    icd10: tuple[NDArray[np.int32], Sequence[str]] | None,
    groups: DiagnosisGroups | None,
) -> Grouped:
    """Group diagnoses given as codes and labels; an ICD-10 code comes before the text.

    Parameters
    ----------
    size : int
        Number of notes.
    text, icd10 : (codes, labels) or None
        Position in the labels, -1 where missing.
    groups : DiagnosisGroups or None
        ``None`` takes the text, or else the code, as the group.

    Returns
    -------
    Grouped
    """
    nothing = np.zeros(size, dtype=bool)
    given = [part for part in (icd10, text) if part is not None]
    missing = np.all([codes < 0 for codes, _ in given], axis=0) if given else ~nothing
    if groups is None:
        codes, labels = text or icd10 or (np.full(size, -1, dtype=np.int32), ())
        names = (*labels, "Unclassified") if "Unclassified" not in labels else tuple(labels)
        last = names.index("Unclassified")
        found = np.where(codes < 0, last, codes).astype(np.int32)
        return Grouped(found, names, names, codes < 0, nothing, 0, nothing)
    place = {name: code for code, name in enumerate(groups.names)}
    last = len(place) - 1
    by_code = _coded(icd10, groups.of_code, place, size)
    by_text = _coded(text, groups.of_text, place, size)
    chosen = np.where(by_code >= 0, by_code, by_text)
    unmapped = (chosen < 0) & ~missing
    different = 0
    for part in given[-1:]:
        different = int(np.unique(part[0][unmapped & (part[0] >= 0)]).size)
    return Grouped(
        codes=np.where(chosen < 0, last, chosen).astype(np.int32),
        names=groups.names,
        client_groups=tuple(group.client_group for group in groups.groups),
        missing=missing,
        unmapped=unmapped,
        unmapped_texts=different,
        disagree=(by_code >= 0) & (by_text >= 0) & (by_code != by_text),
    )


def _coded(
    part: tuple[NDArray[np.int32], Sequence[str]] | None,
    group_of: Callable[[str], str | None],
    place: dict[str, int],
    size: int,
) -> NDArray[np.int32]:
    if part is None:
        return np.full(size, -1, dtype=np.int32)
    found = [group_of(level) for level in part[1]]
    levels = np.array([-1 if name is None else place[name] for name in found] + [-1], dtype=np.int32)
    coded: NDArray[np.int32] = levels[part[0]]
    return coded


@cache
def _own() -> DiagnosisGroups:
    text = files("impactkit.data.fitnotes").joinpath("diagnosis_groups.toml").read_text(encoding="utf-8")
    return _read(text, "the package's own groups")


def _read(text: str, words: str) -> DiagnosisGroups:
    try:
        raw: dict[str, Any] = tomllib.loads(text)
        groups = tuple(
            DiagnosisGroup(
                name=str(entry["name"]),
                client_group=str(entry["client_group"]),
                icd10=tuple(entry.get("icd10", ())),
                keywords=tuple(entry.get("keywords", ())),
                part_of=str(entry.get("part_of", "")),
                first=bool(entry.get("first", False)),
            )
            for entry in raw["group"]
        )
        found = DiagnosisGroups(str(raw["title"]), str(raw.get("citation", "")), groups)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise SpecError(
            f"{words} should have a `title` and [[group]] entries with `name`, `client_group`, `icd10` and `keywords`, "
            f"as the package's own has; found a fault: {error}"
        ) from None
    faults = [f'group "{name}" is there twice' for name in sorted({n for n in found.names if found.names.count(n) > 1})]
    faults += [
        f'"{entry}" of group "{group.name}" is no ICD-10 category, range or subcategory'
        for group in groups
        for entry in group.icd10
        if not _RANGE.fullmatch(entry)
    ]
    if faults:
        raise DataError([f"{words}: {fault}: correct it" for fault in faults])
    return found


@cache
def _ranges(groups: DiagnosisGroups) -> tuple[tuple[str, str, str], ...]:
    found = []
    for group in groups.groups:
        for entry in group.icd10:
            match = _RANGE.fullmatch(entry)
            low, high, sub = match.groups() if match else ("", None, None)
            found.append((low + (sub or ""), high or low + (sub or ""), group.name))
    return tuple(found)


def _width(low: str, high: str) -> int:
    """Measure how much a range holds: subcategories least, then categories, then ranges by their length."""
    if low == high:
        return -len(low)
    return (ord(high[0]) - ord(low[0])) * 100 + int(high[1:3], 36) - int(low[1:3], 36)


@cache
def _patterns(groups: DiagnosisGroups) -> tuple[tuple[re.Pattern[str], int, bool, str], ...]:
    found = []
    for group in groups.groups:
        for keyword in group.keywords:
            stem = re.escape(_plain(keyword.rstrip("*")))
            ending = r"\w*" if keyword.endswith("*") else ""
            found.append((re.compile(rf"\b{stem}{ending}\b"), len(stem), group.first, group.name))
    return tuple(found)


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z&+]+", " ", text.casefold()).strip().replace("&", "and")
