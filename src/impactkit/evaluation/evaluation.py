"""One object: design, data and analyses in; a closed, indexable result out."""

from __future__ import annotations

import contextlib
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from impactkit._version import __version__
from impactkit.analysis import Analysis
from impactkit.data import ColumnNeed, StudyData
from impactkit.design import Design
from impactkit.errors import AnalysisError, ImpactkitError, SpecError
from impactkit.evaluation.plan import Plan
from impactkit.evaluation.result import EvaluationResult
from impactkit.results import Estimates
from impactkit.results.provenance import Manifest, describe_platform, package_versions

__all__ = ["Evaluation"]


class Evaluation:
    """A study ready to be analysed: checked when it is made, fitted as often as you like.

    Parameters
    ----------
    design : Design or None
        ``None`` when every analysis works from published figures.
    data : frame, path, mapping of names to either, or None
        Anything narwhals reads, or a CSV or Parquet path.
    analyses : sequence of Analysis
    title : str, optional
        Heading of the report.

    Raises
    ------
    SpecError, RefusalError
        If the plan contradicts itself, or an analysis cannot honour the design.
    DataError
        If the data do not fit: every problem, with counts.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(6), "z": [1, 0] * 3, "score": [3.0, 1.0, 5.0, 2.0, 4.0, 3.0]})
    >>> design = ik.TrialDesign(unit="id", arm="z", treated=1, control=0)
    >>> result = ik.Evaluation(design, people, [ik.IntentToTreat(name="itt", outcome="score")]).fit(seed=1)
    >>> round(float(result.tidy()["estimate"][0]), 6)
    2.0
    """

    def __init__(
        self, design: Design | None, data: Any = None, analyses: Sequence[Analysis] = (), *, title: str = ""
    ) -> None:
        self._plan = Plan(design=design, analyses=tuple(analyses), title=title)
        self._plan.refuse()
        self._study = _read(self._plan, data)

    @classmethod
    def from_plan(cls, plan: Plan, data: Any = None) -> Evaluation:
        """Make an evaluation from a plan and data."""
        return cls(plan.design, data, plan.analyses, title=plan.title)

    @property
    def plan(self) -> Plan:
        """Design and analyses, without data."""
        return self._plan

    @property
    def data_notes(self) -> tuple[str, ...]:
        """What reading the data did to them, in plain sentences."""
        return self._study.notes if self._study is not None else ()

    def fit(self, seed: int | None = None, *, progress: bool = False, strict: bool = False) -> EvaluationResult:
        """Run every analysis once the ones it needs have run.

        Parameters
        ----------
        seed : int, optional
            Analyses that draw random numbers need it; the same seed gives the same bytes.
        progress : bool
            Show a bar on standard error, when it is a terminal.
        strict : bool
            Raise when an analysis fails, rather than note it and go on with the others.

        Returns
        -------
        EvaluationResult

        Raises
        ------
        AnalysisError
            With ``strict=True``, when an analysis fails.
        """
        study = self._study if self._study is None or seed is None else self._study.with_seed(seed)
        done: dict[str, Estimates] = {}
        failures: dict[str, str] = {}
        seconds: dict[str, float] = {}
        heard: list[str] = []
        order = self._plan.in_order()
        shared = {"seed": seed, "data_hash": "" if study is None else study.data_hash, "version": __version__}
        with _bar(len(order), progress) as step:
            for analysis in order:
                step(analysis.name)
                started = time.perf_counter()
                reason = _blocked(analysis, failures)
                if reason is None:
                    try:
                        with _hearing(analysis.name, heard):
                            upstream = {name: done[name] for name in analysis.needs}
                            found = analysis.run(study, upstream)  # type: ignore[arg-type]
                        done[analysis.name] = found.with_glances(shared)
                    except Exception as error:  # one analysis must not lose the others
                        reason = str(error) if isinstance(error, ImpactkitError) else _unexpected(error)
                        if strict:
                            raise AnalysisError(f'analysis "{analysis.name}" failed: {reason}') from error
                if reason is not None:
                    failures[analysis.name] = reason
                    done[analysis.name] = Estimates(remarks=(analysis.note(f"failed: {reason}", column="estimate"),))
                seconds[analysis.name] = time.perf_counter() - started
        manifest = Manifest(
            version=__version__,
            plan_hash=self._plan.digest,
            data_hash=str(shared["data_hash"]),
            seed=seed,
            platform=describe_platform(),
            versions=package_versions(),
            analyses=tuple(analysis.name for analysis in order),
            warnings=tuple(heard),
            failures=tuple(f"{name}: {reason}" for name, reason in failures.items()),
            seconds=seconds,
        )
        declared = {analysis.name: done[analysis.name] for analysis in self._plan.analyses}
        return EvaluationResult(plan=self._plan, parts=declared, manifest=manifest, data_notes=self.data_notes)


def _unexpected(error: Exception) -> str:
    """Say where an error that is not ours arose, without its text, which could quote a value of the data."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"an unexpected {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}; "
        "fit(strict=True) raises it in full"
    )


def _read(plan: Plan, data: Any) -> StudyData | None:
    if plan.design is None:
        if data is not None:
            raise SpecError("data were given without a design: say which column is the person and which the arm")
        return None
    needs: list[ColumnNeed] = []
    outcomes: dict[str, None] = {}
    for analysis in plan.analyses:
        if analysis.uses_people():
            needs += analysis.columns(plan.design)
            outcomes |= dict.fromkeys(analysis.outcome_names())
    return StudyData.read(data, plan.design, needs=needs, outcomes=tuple(outcomes))


@contextlib.contextmanager
def _hearing(name: str, heard: list[str]) -> Iterator[None]:
    """Keep the warnings of one analysis for the manifest, also when it fails."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            heard += [f"{name}: {warning.category.__name__}: {warning.message}" for warning in caught]


def _blocked(analysis: Analysis, failures: Mapping[str, str]) -> str | None:
    missing = [name for name in analysis.needs if name in failures]
    return f"not run, because it needs {', '.join(missing)}, which failed" if missing else None


@contextlib.contextmanager
def _bar(total: int, wanted: bool) -> Iterator[Any]:
    if not wanted:
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=total)
        first = True

        def step(name: str) -> None:
            nonlocal first
            progress.update(task, description=name, advance=0 if first else 1)
            first = False

        yield step
        progress.update(task, advance=1)
