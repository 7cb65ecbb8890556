"""Find the columns of a table of fit notes by their usual names and aliases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from impactkit.design import FitNoteColumns
from impactkit.errors import did_you_mean

__all__ = ["ALIASES", "FIELDS", "find_columns", "key_names"]

ALIASES: dict[str, tuple[str, ...]] = {
    "patient": ("patient id", "patient number", "patient no", "pseudo nhs number", "person id"),
    "practice": ("practice id", "practice code", "gp practice", "gp practice code", "organisation code"),
    "note_id": ("note", "fit note id", "certificate id", "statement id"),
    "starts": ("start", "start date", "from", "from date", "date from", "valid from"),
    "ends": ("end", "end date", "to", "to date", "date to", "valid to", "until"),
    "duration": ("length", "period", "duration days", "duration weeks"),
    "unit": ("duration unit", "duration units", "period unit"),
    "issued": ("issue date", "date issued", "issued on", "date of statement"),
    "assessed": ("assessment date", "date assessed", "assessed on", "date of assessment"),
    "status": ("fit status", "fitness status", "fit note type", "advice"),
    "diagnosis": ("diagnosis text", "condition", "reason", "health problem"),
    "icd10": ("icd 10", "icd 10 code", "icd code", "diagnosis code"),
    "sex": ("gender",),
    "birth_year": ("year of birth", "yob"),
    "area": ("pilot area", "region"),
    "employed": ("in employment", "is employed"),
    "phased_return": ("phased return to work",),
    "altered_hours": (),
    "amended_duties": (),
    "workplace_adaptations": ("workplace adaptation",),
}
"""Other names under which each column is found.

The words are those of the form itself (Med3: "date of assessment", "date of statement", "not fit for work", "a phased
return to work", "altered hours", "amended duties", "workplace adaptations") and of NHS England's published statistics
("GP practice code", "ICD-10", "duration").
"""

FIELDS = tuple(ALIASES)


def find_columns(columns: FitNoteColumns, names: Sequence[str], words: str) -> tuple[dict[str, str], list[str]]:
    """Say which column each field is in.

    Parameters
    ----------
    columns : FitNoteColumns
    names : sequence of str
        Columns of the table.
    words : str
        What messages call the table.

    Returns
    -------
    found : dict of str to str
        Field and column; fields that are not there are left out.
    problems : list of str

    Examples
    --------
    >>> find_columns(FitNoteColumns(), ["Patient ID", "From", "To", "fit status"], "the notes")[0]
    {'patient': 'Patient ID', 'starts': 'From', 'ends': 'To', 'status': 'fit status'}
    """
    by_plain: dict[str, list[str]] = {}
    for name in names:
        by_plain.setdefault(_plain(name), []).append(name)
    found: dict[str, str] = {}
    problems: list[str] = []
    for field in FIELDS:
        given = getattr(columns, field)
        if given is not None:
            if given in names:
                found[field] = given
            else:
                problems.append(
                    f"column `{given}` of {words} was named as `{field}` and is missing.{did_you_mean(given, names)} "
                    "Correct the name"
                )
            continue
        usual = by_plain.get(_plain(field), [])
        candidates = usual or [name for alias in ALIASES[field] for name in by_plain.get(_plain(alias), [])]
        if len(candidates) > 1:
            listed = ", ".join(f"`{name}`" for name in candidates)
            problems.append(f"several columns of {words} could be `{field}` ({listed}): name one in FitNoteColumns")
        if candidates:
            found[field] = candidates[0]
    twice = {column for column in found.values() if list(found.values()).count(column) > 1}
    problems += [f"column `{column}` of {words} is named for two fields: give each its own" for column in sorted(twice)]
    problems += _missing(found, columns, names, words)
    return found, problems


def _missing(found: dict[str, str], columns: FitNoteColumns, names: Sequence[str], words: str) -> list[str]:
    """Name the columns that nothing can be done without."""
    said = []
    wanted = [("patient",), ("starts",), ("ends", "duration"), ("status",)]
    for fields in wanted:
        if any(field in found or getattr(columns, field) is not None for field in fields):
            continue
        known = [field for field in fields]
        listed = " or ".join(f"`{field}`" for field in known)
        aliases = ", ".join(f'"{alias}"' for field in known for alias in ALIASES[field])
        hint = next((text for text in (did_you_mean(field, names) for field in known) if text), "")
        said.append(
            f"{words} should have a column {listed} and has none under that name or another known one ({aliases})."
            f"{hint} Name it in FitNoteColumns, for example FitNoteColumns({known[0]}=...)"
        )
    return said


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-.]+", " ", str(name)).strip().casefold()


def key_names(columns: FitNoteColumns) -> tuple[str, ...]:
    """Give spellings of the columns of identifiers, so that ``007`` in a CSV file stays ``"007"``."""
    names: list[str] = []
    for field in ("patient", "practice", "note_id"):
        given = getattr(columns, field)
        for name in (field, *ALIASES[field]) if given is None else (given,):
            spaced = name.replace("_", " ")
            spellings = (name, spaced, spaced.title(), spaced.capitalize(), spaced.upper())
            names += [word for text in spellings for word in (text, text.replace(" ", "_"), text.replace(" ", ""))]
    return tuple(dict.fromkeys(names))
