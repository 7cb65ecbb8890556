"""What a kind of analysis has to show beside the tables of effects: an exhibit, and the list of all of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from impactkit.errors import SpecError
from impactkit.report.document import Block, Headline, Picture, Section
from impactkit.report.figures import figure_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.disclosure import Disclosed
    from impactkit.report.labels import Labels
    from impactkit.report.style import Style
    from impactkit.report.table import Table

__all__ = [
    "Drawing",
    "Exhibit",
    "View",
    "curve_drawings",
    "drawing",
    "evidence_of",
    "exhibits",
    "keyed",
    "needed_beside_tables",
]

_HOMES = (
    "exhibit_baseline",
    "exhibit_weeks_saved",
    "exhibit_durations",
    "exhibit_eq5d",
    "exhibit_attrition",
    "exhibit_odds",
    "exhibit_norms",
    "exhibit_power",
)
"""Modules that hold ``EXHIBITS``, in the order of a report."""


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

    def curves(self, name: str) -> pd.DataFrame:
        """Give the curves of one analysis; figures withhold small numbers at risk themselves."""
        return self.result.parts[name].curve()

    def populations(self, name: str) -> list[str]:
        """Name the populations of one analysis, in order."""
        return list(dict.fromkeys(str(row["population"]) for row in self.result.parts[name].glances))

    def keeping(self, names: Sequence[str]) -> Disclosed:
        """Give the frames of some analyses only, with the remarks that a reader of their tables needs."""
        tidy, glance, notes = self.frames.tidy, self.frames.glance, self.frames.notes
        own = notes[notes["analysis"].isin(names)]
        return replace(
            self.frames,
            tidy=tidy[tidy["analysis"].isin(names)],
            glance=glance[glance["analysis"].isin(names)],
            notes=own[needed_beside_tables(own, glance)],
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


def needed_beside_tables(notes: pd.DataFrame, glance: pd.DataFrame) -> pd.Series:
    """Mark what belongs to a row, and remarks on everybody or on the first population of an analysis.

    What was done in every further population is in ``notes()`` and its file.
    """
    first = glance.drop_duplicates("analysis").set_index("analysis")["population"]
    everybody = (notes["population"] == "") | (notes["population"] == notes["analysis"].map(first))
    needed: pd.Series = (notes["column"] != "") | (notes["term"] != "") | everybody
    return needed


def evidence_of(frames: Disclosed) -> str:
    """Give the weakest evidence of some frames."""
    from impactkit.report.evidence import weakest

    return weakest([str(label) for label in frames.glance["evidence"] if label])


def curve_drawings(view: View, kinds: Sequence[str], stem: str, caption: str) -> list[Drawing]:
    """Give a figure of survival curves for each analysis and population of some kinds."""
    from impactkit.report.figures_survival import survival_alt_text, survival_figure

    drawn = []
    for name, key in keyed(view.names(*kinds), stem).items():
        curves, own = view.curves(name), view.keeping([name])
        curves = curves[curves["measure"].isin(["survival", "norm_survival"])]
        populations = list(dict.fromkeys(curves.loc[curves["measure"] == "survival", "population"]))
        for place, population in enumerate(populations, start=1):
            about = {"analysis": name, "population": population}
            make = drawing(survival_figure, curves, own.glance, view.style, labels=view.labels, **about)
            alt = survival_alt_text(curves, own.glance, view.style, labels=view.labels, **about)
            one = key if len(populations) == 1 else f"{key}-population-{place}"
            drawn.append(Drawing(one, make, alt, caption, evidence_of(own)))
    return drawn


class Exhibit(ABC):
    """Tables and figures that some kinds of analysis have for themselves.

    A new exhibit is a class in a module's ``EXHIBITS``; a new module is a line in this one.
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
    own_measures: ClassVar[tuple[str, ...]] = ()
    """Measures of its analyses that leave that table though others stay."""
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
        found = [table for table in self.tables(view) if re.sub(r"-\d+$", "", table.key).replace("-", "_") == name]
        if len(found) > 1:
            listed = ", ".join(f'result["{one}"]' for one in view.names(*self.kinds))
            raise SpecError(f'{len(found)} analyses have the table "{name}": choose one of {listed}')
        if found:
            return found[0]
        raise SpecError(f'the table "{name}" needs {self.needed(name)}, and the result has none')

    def named_figure(self, view: View, name: str) -> Figure:
        """Give the figure of that name, one of ``figure_names``; the first where there are several."""
        for one in self.drawings(view):
            if one.stem == name or one.stem.startswith(f"{name}-"):
                return one.make()  # that of the first analysis and population
        raise SpecError(f'the figure "{name}" needs {self.needed(name)}, and the result has none')

    def needed(self, name: str) -> str:
        """Say which analysis a table or figure needs."""
        from impactkit.analysis.registry import analysis_class

        classes = [analysis_class(kind).__name__ for kind in self.kinds]
        return f"an analysis of kind {' or '.join(classes)}"

    def headlines(self, view: View) -> list[Headline]:
        """Give the results a reader should leave with, in large type."""
        return []

    def blocks(self, view: View) -> list[Block]:
        """Give what its section holds."""
        return [*self.tables(view), *(one.picture() for one in self.drawings(view))]

    def sections(self, view: View) -> list[Section]:
        """Give its sections of a report."""
        blocks = self.blocks(view)
        return [Section(self.title, tuple(blocks))] if blocks else []

    def undescribed(self, frame: pd.DataFrame, glance: pd.DataFrame) -> pd.DataFrame:
        """Give rows without those that its tables show."""
        if self.takes_descriptions:
            return self.without(frame, glance)
        own = set(glance.loc[glance["kind"].isin(self.kinds), "analysis"])
        return frame[~(frame["analysis"].isin(own) & frame["measure"].isin(self.own_measures))]

    def without(self, frame: pd.DataFrame, glance: pd.DataFrame) -> pd.DataFrame:
        """Give rows without those of its analyses."""
        own = set(glance.loc[glance["kind"].isin(self.kinds), "analysis"])
        return frame[~frame["analysis"].isin(own)]


@cache
def exhibits() -> tuple[Exhibit, ...]:
    """Give every exhibit, in the order of a report."""
    modules = (import_module(f"impactkit.evaluation.{home}") for home in _HOMES)
    return tuple(exhibit for module in modules for exhibit in module.EXHIBITS)
