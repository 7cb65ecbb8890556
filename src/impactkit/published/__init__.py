"""Published tables as data, with their provenance, and the question whether our figures agree with them.

A published table is data with faults: it is kept as printed, with its rounding, its document and any
contradiction known to us, and nothing is corrected or tuned to a misprint.

>>> from impactkit.published import compare, load
>>> table = load("ffws.c3")
>>> printed = table.cell({"category": "Male"}, "percent")
>>> printed.text, printed.low, printed.high
('58.0', 57.95, 58.05)
>>> compare(100 * 40 / 69, printed)
<Mark.AGREES: 'agrees'>

Contains public sector information licensed under the Open Government Licence v3.0.
"""

from __future__ import annotations

from impactkit.published.compare import ComparedCell, Mark, Tally, compare, compare_cell, given_cell
from impactkit.published.registry import list_tables, load
from impactkit.published.table import Column, Document, PublishedTable, TableEntry
from impactkit.published.value import PublishedValue

__all__ = [
    "Column",
    "ComparedCell",
    "Document",
    "Mark",
    "PublishedTable",
    "PublishedValue",
    "TableEntry",
    "Tally",
    "compare",
    "compare_cell",
    "given_cell",
    "list_tables",
    "load",
]
