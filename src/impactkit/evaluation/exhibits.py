"""What a kind of analysis has to show beside the tables of effects: an exhibit, and the list of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from impactkit.errors import SpecError
from impactkit.report.document import Block, Picture, Section
from impactkit.report.figures import figure_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.disclosure import Disclosed
    from impactkit.report.labels import Labels
    from impactkit.report.style import Style
    from impactkit.report.table import Table

__all__ = ["Drawing", "Exhibit", "View", "drawing", "exhibits", "keyed"]

_HOMES = (
    "exhibit_baseline",
    "exhibit_attrition",
    "exhibit_odds",
    "exhibit_power",
)
"""Modules that hold an ``EXHIBIT``, in the order of a report."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A result as it may be shown: small counts withheld, a style, and the words of the plan."""

    result: EvaluationResult
    frames: Disclosed
    style: str | Style
    labels: Labels

    def names(self, *kinds: str) -> list[str]:
        """Name the analyses of some kinds that have something to show, in the order of the plan."""
        kind_of = {analysis.name: getattr(analysis, "kind", "") for analysis in self.result.plan.analyses}
        return [name for name, part in self.result.parts.items() if kind_of.get(name) in kinds and part.glances]

    def only(self, kind: str) -> str:
        """Name the one analysis of a kind.

        Raises
        ------
        SpecError
            If there is none, or more than one.
        """
        names = self.names(kind)
        if len(names) == 1:
            return names[0]
        if not names:
            raise SpecError(f"the result has no analysis of kind {kind} with anything to show: add one to the plan")
        listed = ", ".join(f'result["{name}"]' for name in names)
        raise SpecError(f"the result has {len(names)} analyses of kind {kind}: choose one of {listed}")

    def of(self, *kinds: str) -> Disclosed:
        """Give the frames of some kinds of analysis only."""
        return self.keeping(self.names(*kinds))

    def keeping(self, names: Sequence[str]) -> Disclosed:
        """Give the frames of some analyses only."""
        tidy, glance, notes = self.frames.tidy, self.frames.glance, self.frames.notes
        return replace(
            self.frames,
            tidy=tidy[tidy["analysis"].isin(names)],
            glance=glance[glance["analysis"].isin(names)],
            notes=notes[notes["analysis"].isin(names)],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A figure of a result.

    Parameters
    ----------
    stem : str
        Name of its files, and of the figure in ``plot()``.
    make : callable
        Draws it.
    alt, caption, evidence : str
        As in :class:`~impactkit.report.document.Picture`.
    """

    stem: str
    make: Callable[[], Figure]
    alt: str
    caption: str = ""
    evidence: str = ""

    def picture(self) -> Picture:
        """Give the figure for a report."""
        return Picture(figure_bytes(self.make()), self.alt, caption=self.caption, evidence=self.evidence)

    def files(self) -> dict[str, str | bytes]:
        """Give the files of the figure and its words, by name."""
        drawn = self.make()
        return {
            f"figures/{self.stem}.svg": figure_bytes(drawn),
            f"figures/{self.stem}.png": figure_bytes(drawn, "png"),
            f"figures/{self.stem}.txt": self.alt + "\n",
        }


def drawing(draw: Callable[..., Figure], *values: Any, **options: Any) -> Callable[[], Figure]:
    """Bind a drawing to what it draws."""
    return lambda: draw(*values, **options)


def keyed(names: Sequence[str], stem: str) -> dict[str, str]:
    """Give each analysis a short key for files: the stem, numbered when there are several."""
    return {name: stem if len(names) == 1 else f"{stem}-{place}" for place, name in enumerate(names, start=1)}


class Exhibit(ABC):
    """Tables and figures that some kinds of analysis have for themselves.

    A new exhibit is one module with an ``EXHIBIT`` and a line in this one.
    """

    kinds: ClassVar[tuple[str, ...]]
    """Kinds of analysis it shows."""
    title: ClassVar[str]
    """Heading of its section in a report."""
    table_names: ClassVar[tuple[str, ...]] = ()
    figure_names: ClassVar[tuple[str, ...]] = ()
    before_effects: ClassVar[bool] = False
    """Whether its section stands before that of the effects."""
    takes_effects: ClassVar[bool] = True
    """Whether its effects leave the tables of impacts, unless there are no others."""
    takes_descriptions: ClassVar[bool] = True
    """Whether its other rows leave the table of descriptions and tests."""
    takes_people: ClassVar[bool] = False
    """Whether its rows of glance leave the table of people."""

    @abstractmethod
    def tables(self, view: View) -> list[Table]:
        """Give its tables; none when the result has nothing of its kinds."""

    def drawings(self, view: View) -> list[Drawing]:
        """Give its figures."""
        return []

    def named_table(self, view: View, name: str) -> Table:
        """Give the table of that name, one of ``table_names``."""
        for table in self.tables(view):
            if table.key == name:
                return table
        raise SpecError(f'the table "{name}" needs {self.needed(name)}, and the result has none')

    def named_figure(self, view: View, name: str) -> Figure:
        """Give the figure of that name, one of ``figure_names``."""
        for one in self.drawings(view):
            if one.stem == name:
                return one.make()
        raise SpecError(f'the figure "{name}" needs {self.needed(name)}, and the result has none')

    def needed(self, name: str) -> str:
        """Say which analysis a table or figure needs."""
        from impactkit.analysis.registry import analysis_class

        classes = [analysis_class(kind).__name__ for kind in self.kinds]
        return f"an analysis of kind {' or '.join(classes)}"

    def blocks(self, view: View) -> list[Block]:
        """Give what its section holds."""
        return [*self.tables(view), *(one.picture() for one in self.drawings(view))]

    def sections(self, view: View) -> list[Section]:
        """Give its sections of a report."""
        blocks = self.blocks(view)
        return [Section(self.title, tuple(blocks))] if blocks else []

    def without(self, frame: pd.DataFrame, glance: pd.DataFrame) -> pd.DataFrame:
        """Give rows without those of its analyses."""
        own = set(glance.loc[glance["kind"].isin(self.kinds), "analysis"])
        return frame[~frame["analysis"].isin(own)]


@cache
def exhibits() -> tuple[Exhibit, ...]:
    """Give every exhibit, in the order of a report."""
    return tuple(import_module(f"impactkit.evaluation.{home}").EXHIBIT for home in _HOMES)
