"""Everything impactkit raises on purpose.

::

    ImpactkitError
    ├── SpecError            a design or an analysis contradicts itself        (also ValueError)
    ├── DataError            the data do not fit the design: every problem     (also ValueError)
    ├── RefusalError         an analysis cannot honour the declared design     (also ValueError)
    ├── NotEstimableError    one row cannot be estimated; the others go on     (also ValueError)
    ├── AnalysisError        an analysis failed and ``strict=True`` was asked  (also RuntimeError)
    ├── OutputError          an output exists already or cannot be written     (also OSError)
    └── MissingExtraError    an optional package is not installed              (also ImportError)

Each message has three parts in plain words: what was expected, what was found (with counts, never a
record), and what to do.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import NoReturn, Self

__all__ = [
    "AnalysisError",
    "DataError",
    "ImpactkitError",
    "MissingExtraError",
    "NotEstimableError",
    "OutputError",
    "RefusalError",
    "SpecError",
    "did_you_mean",
    "require_extra",
]


class ImpactkitError(Exception):
    """Root of the tree: catch this to catch everything impactkit raises on purpose."""


class SpecError(ImpactkitError, ValueError):
    """A design, an analysis or a plan contradicts itself, before any data are seen."""

    faults: tuple[str, ...] = ()
    """Each fault with where it stands, when there may be several."""

    @classmethod
    def listing(cls, faults: Sequence[str], what: str) -> Self:
        """Make one error that lists every fault of a specification."""
        count = len(faults)
        head = f"{count} problem{'' if count == 1 else 's'} in {what}:"
        error = cls("\n".join([head, *(f"  {fault}" for fault in faults)]))
        error.faults = tuple(faults)
        return error


class DataError(ImpactkitError, ValueError):
    """The data do not fit the design; carries every problem found in one pass.

    Parameters
    ----------
    problems : sequence of str
        One sentence or two each: expected, found (with counts), what to do. No record is ever echoed.

    Examples
    --------
    >>> from impactkit.errors import DataError
    >>> print(DataError(["column `arm` is missing: add it or rename the design's `arm`"]))
    1 problem with the data:
      1. column `arm` is missing: add it or rename the design's `arm`
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'' if count == 1 else 's'} with the data:"
        lines = [f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1)]
        super().__init__("\n".join([head, *lines]))


class RefusalError(ImpactkitError, ValueError):
    """An analysis cannot honour something the design declares, and says so in one sentence."""


class NotEstimableError(ImpactkitError, ValueError):
    """One outcome in one population cannot be estimated; the reason goes to ``notes()``."""


class AnalysisError(ImpactkitError, RuntimeError):
    """An analysis failed while ``strict=True`` was asked for."""


class OutputError(ImpactkitError, OSError):
    """An output would overwrite a file, or cannot be written."""


class MissingExtraError(ImpactkitError, ImportError):
    """A feature needs an optional package; the message names the extra to install."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give `` Did you mean "x"?`` for the closest known word, or an empty string.

    Examples
    --------
    >>> did_you_mean("emplyed", ["employed", "age"])
    ' Did you mean "employed"?'
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""


def require_extra(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package or say which extra brings it.

    Parameters
    ----------
    module : str
        Importable name, for example ``"great_tables"``.
    extra : str
        The extra of this package that installs it, for example ``"tables"``.
    purpose : str
        What the user was trying to do, to start the sentence with.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        _raise_missing(module, extra, purpose, error)


def _raise_missing(module: str, extra: str, purpose: str, error: ImportError) -> NoReturn:
    raise MissingExtraError(
        f"{purpose} needs the package {module!r}, which is not installed: pip install 'impactkit[{extra}]'",
        name=module,
    ) from error
