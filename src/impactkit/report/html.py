"""A report as one HTML file: no script, nothing fetched, everything inside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from impactkit.report.document import (
    Block,
    Bullets,
    Callout,
    Document,
    Headlines,
    Paragraph,
    Picture,
    Section,
    slug,
)
from impactkit.report.table import Table

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["report_html"]


@dataclass(frozen=True, slots=True)
class _Item:
    """A block as the template takes it: its kind, and its content (for a table, finished HTML)."""

    kind: str
    content: object


@dataclass(frozen=True, slots=True)
class _Part:
    anchor: str
    title: str
    items: tuple[_Item, ...]
    parts: tuple[_Part, ...]


def report_html(document: Document) -> str:
    """Write a document as one self-contained, accessible HTML page.

    Parameters
    ----------
    document : Document
        What to write. All text in it is escaped.

    Returns
    -------
    str
        The same document gives the same text: there is no clock here, only what the manifest says.

    Examples
    --------
    >>> from impactkit.report.document import Document, Paragraph, Section
    >>> page = report_html(Document("Findings", (Section("Who", (Paragraph("899 <people>"),)),)))
    >>> "899 &lt;people&gt;" in page, "<script" in page
    (True, False)
    """
    taken = {"top", "content", "contents", "manifest", "summary"}
    summary = _items(document.summary, taken)
    parts = tuple(_part(section, taken) for section in document.all_sections())
    page = _template().render(document=document, summary=summary, parts=parts)
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("impactkit.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _part(section: Section, taken: set[str]) -> _Part:
    anchor = slug(section.title, taken)
    items = _items(section.blocks, taken)
    return _Part(anchor, section.title, items, tuple(_part(inner, taken) for inner in section.sections))


def _items(blocks: Sequence[Block], taken: set[str]) -> tuple[_Item, ...]:
    return tuple(_item(block, taken) for block in blocks)


def _item(block: Block, taken: set[str]) -> _Item:
    from markupsafe import Markup

    match block:
        case Table():
            # to_html() escapes every text of the table itself
            return _Item("table", Markup(block.to_html(anchor=slug(f"table {block.key}", taken))))
        case Picture():
            return _Item("picture", block)
        case Paragraph():
            return _Item("prose", [part.strip() for part in re.split(r"\n\s*\n", block.text) if part.strip()])
        case Bullets():
            return _Item("bullets", block)
        case Callout():
            return _Item("callout", block)
        case Headlines():
            return _Item("headlines", block)
