"""The register of published tables: find one by its id, read it once, keep it."""

from __future__ import annotations

import csv
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from impactkit.errors import SpecError, did_you_mean
from impactkit.published.table import Column, Document, PublishedTable, TableEntry

__all__ = ["list_tables", "load"]


def list_tables() -> tuple[TableEntry, ...]:
    """List every published table that comes with the package.

    Returns
    -------
    tuple of TableEntry
        In the order of the register: id, label, title and the document's citation.

    Examples
    --------
    >>> [entry.label for entry in list_tables() if entry.id == "ffws.c3"]
    ['Table C.3']
    """
    register = _register()
    return tuple(
        TableEntry(id, entry["label"], entry["title"], register["document"][entry["document"]]["citation"])
        for id, entry in register["table"].items()
    )


@cache
def load(id: str) -> PublishedTable:
    """Load one published table.

    Parameters
    ----------
    id : str
        For example ``"ffws.c3"``; `list_tables` names them all.

    Returns
    -------
    PublishedTable

    Raises
    ------
    SpecError
        If there is no such table.

    Examples
    --------
    >>> load("ffws.c3").title
    'Return to work by characteristic, Greater Manchester'
    """
    register = _register()
    if id not in register["table"]:
        known = list(register["table"])
        raise SpecError(
            f"there is no published table {id!r}.{did_you_mean(id, known)} "
            f"list_tables() gives the {len(known)} tables there are"
        )
    entry = register["table"][id]
    text = (files("impactkit.published") / "data" / entry["file"]).read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    specs = {spec["column"]: spec for spec in entry["values"]}
    stray = [name for name in specs if name not in header]
    ragged = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if stray or ragged:
        raise SpecError(
            f"{entry['file']} does not fit its entry in the register: columns not found {stray}, "
            f"lines with another number of cells {ragged}"
        )
    return PublishedTable(
        id=id,
        title=entry["title"],
        label=entry["label"],
        document=_document(entry["document"]),
        columns=tuple(_column(name, specs.get(name)) for name in header),
        rows=tuple(tuple(row) for row in rows),
        contradictions=tuple(entry["contradictions"]),
    )


def _column(name: str, spec: dict[str, Any] | None) -> Column:
    if spec is None:
        return Column(name, "note" if name == "note" else "label")
    return Column(name, "value", spec["unit"], spec.get("decimals"), spec.get("rounding_column"))


@cache
def _document(id: str) -> Document:
    register = _register()
    licence = register["licence"]
    return Document(
        id=id,
        licence=licence["name"],
        licence_url=licence["url"],
        attribution=licence["attribution"],
        **register["document"][id],
    )


@cache
def _register() -> dict[str, Any]:
    return tomllib.loads((files("impactkit.published") / "registry.toml").read_text(encoding="utf-8"))
