"""What the terminal sees: results on standard output, everything else on standard error, no tracebacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from impactkit.errors import AnalysisError, DataError, ImpactkitError

if TYPE_CHECKING:
    from impactkit.evaluation import EvaluationResult

__all__ = ["Talk", "guarded"]


class Talk:
    """Prints, unless asked to be quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Print to standard output."""
        if not self.quiet:
            typer.echo(text)

    def warn(self, text: str) -> None:
        """Print to standard error, also when quiet."""
        typer.echo(text, err=True)

    @contextlib.contextmanager
    def working(self, words: str) -> Iterator[None]:
        """Show on standard error that something takes a while, when it is a terminal and nobody asked for quiet."""
        from rich.console import Console

        console = Console(stderr=True)
        if self.quiet or not console.is_terminal:
            yield
            return
        with console.status(words):
            yield

    def table(self, result: EvaluationResult, *, style: str) -> None:
        """Print the impact table, small counts withheld."""
        from impactkit.evaluation.present import printable_tables

        for table in printable_tables(result, style):
            self.say(table.to_text())


@contextlib.contextmanager
def guarded(*, findings: bool = False) -> Iterator[None]:
    """Turn what impactkit raises on purpose into a message and an exit code.

    Parameters
    ----------
    findings : bool
        Data that do not fit are what was looked for (code 1), not a wrong input (code 2).
    """
    try:
        yield
    except DataError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1 if findings else 2) from None
    except AnalysisError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except ImpactkitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
