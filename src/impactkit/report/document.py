"""A report as frozen data: sections of prose, tables and figures, and what they rest on."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Literal

from impactkit.errors import SpecError
from impactkit.report.evidence import RANDOMISED, refuse_impact_heading, weakest
from impactkit.report.table import Table

__all__ = ["Block", "Bullets", "Callout", "Document", "Headline", "Headlines", "Paragraph", "Picture", "Section"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text; an empty line in it starts another."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of plain sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Callout:
    """A sentence or two set apart: a caution, or what a result rests on."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """One result in large type: what it is, the number, and its uncertainty."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Headlines:
    """The few results a reader should leave with."""

    items: tuple[Headline, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure: its bytes, the words for those who cannot see it, and its caption.

    Parameters
    ----------
    content : bytes
        SVG or PNG, as `figure_bytes` gives them.
    alt : str
        What it shows, in words; never empty.
    caption : str
        Text under the figure.
    kind : {"svg", "png"}
        What ``content`` is.
    evidence : str
        Weakest strength of evidence in the figure; "" when it makes no comparison.
    """

    content: bytes
    alt: str
    caption: str = ""
    kind: Literal["svg", "png"] = "svg"
    evidence: str = ""

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise SpecError("a picture needs `alt`, the words for readers who cannot see it: use forest_alt_text()")

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address: within it nothing can run or be fetched."""
        mime = "image/svg+xml" if self.kind == "svg" else "image/png"
        return f"data:{mime};base64,{base64.b64encode(self.content).decode('ascii')}"


Block = Paragraph | Bullets | Callout | Headlines | Picture | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A section with a heading.

    Parameters
    ----------
    title : str
        Heading. It may say "impact" only over randomised comparisons.
    blocks : tuple
        Prose, tables and figures, in order.
    sections : tuple of Section
        Sections one level down; they may not hold sections of their own.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()

    def __post_init__(self) -> None:
        if any(inner.sections for inner in self.sections):
            raise SpecError(f'section "{self.title}" goes three levels deep: two are the most, so split it')
        labels = self.evidence()
        if labels:
            refuse_impact_heading(self.title, weakest(labels))

    def evidence(self) -> tuple[str, ...]:
        """Give the strengths of evidence of all tables and figures in this section."""
        own = tuple(block.evidence for block in self.blocks if isinstance(block, Table | Picture) and block.evidence)
        return own + tuple(label for inner in self.sections for label in inner.evidence())


@dataclass(frozen=True, slots=True)
class Document:
    """A report, ready for `report_html`.

    Parameters
    ----------
    title : str
        Heading of the report. It may say "impact" only if some of what it shows is a randomised comparison.
    sections : tuple of Section
        The body.
    subtitle : str
        A line under the title.
    summary : tuple
        Blocks before the first section: headline results and a sentence or two.
    assumptions : Table, optional
        Parameters used, with their sources, under a heading of their own.
    method_notes : tuple
        Blocks for the section "How sure are we".
    manifest : tuple of (name, value)
        Versions, hashes, seed: shown folded away. The only place where a time may stand.
    """

    title: str
    sections: tuple[Section, ...]
    subtitle: str = ""
    summary: tuple[Block, ...] = ()
    assumptions: Table | None = None
    method_notes: tuple[Block, ...] = ()
    manifest: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        labels = [label for section in self.sections for label in section.evidence()]
        if labels and RANDOMISED not in labels:
            refuse_impact_heading(self.title, weakest(labels))

    def all_sections(self) -> tuple[Section, ...]:
        """Give the sections with those that follow from the other parts."""
        extra: list[Section] = []
        if self.method_notes:
            extra.append(Section("How sure are we", self.method_notes))
        if self.assumptions is not None:
            extra.append(Section("Assumptions used", (self.assumptions,)))
        return (*self.sections, *extra)


def slug(title: str, taken: set[str]) -> str:
    """Make an anchor from a heading, different from those taken, and take it.

    Examples
    --------
    >>> taken = {"jobs-ii"}
    >>> slug("JOBS II", taken), slug("£ per client", taken)
    ('jobs-ii-2', 'per-client')
    """
    base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name
