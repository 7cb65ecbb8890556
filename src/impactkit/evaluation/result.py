"""The closed, indexable result of an evaluation: frames, joint uncertainty, tables, figures, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError, did_you_mean
from impactkit.evaluation.plan import Plan
from impactkit.results import Estimates
from impactkit.results.provenance import Manifest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from impactkit.analysis import RowRef
    from impactkit.evaluation.present import Layout
    from impactkit.inference import CombineKind, PooledWeights
    from impactkit.report.style import Style
    from impactkit.report.table import Table

__all__ = ["EvaluationResult"]


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Results of a whole evaluation, or of some of its analyses; reading never changes it.

    ``result["employment"]`` is again an :class:`EvaluationResult`, so whatever works on all works on one.

    Parameters
    ----------
    plan : Plan
    parts : mapping of str to Estimates
    manifest : Manifest
    data_notes : tuple of str
    """

    plan: Plan
    parts: Mapping[str, Estimates]
    manifest: Manifest
    data_notes: tuple[str, ...] = field(default=())

    # --- a mapping of analyses ------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the analyses, in the plan's order."""
        return tuple(self.parts)

    @property
    def plan_names(self) -> tuple[str, ...]:
        """Names of all analyses of the plan, also of those not selected."""
        return tuple(analysis.name for analysis in self.plan.analyses)

    def __getitem__(self, name: str | Sequence[str]) -> EvaluationResult:
        wanted = [name] if isinstance(name, str) else list(name)
        for one in wanted:
            if one not in self.parts:
                raise SpecError(
                    f'no analysis is called "{one}".{did_you_mean(one, self.parts)} There are: {", ".join(self.parts)}'
                )
        return EvaluationResult(self.plan, {one: self.parts[one] for one in wanted}, self.manifest, self.data_notes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    def __repr__(self) -> str:
        rows = sum(len(part) for part in self.parts.values())
        failed = f", {len(self.manifest.failures)} failed" if self.manifest.failures else ""
        return f"<EvaluationResult: {', '.join(self.parts)} ({rows} rows{failed})>"

    # --- frames -----------------------------------------------------------------------------------------

    @cached_property
    def estimates(self) -> Estimates:
        """All rows as one :class:`Estimates`."""
        return Estimates.concat(list(self.parts.values()))

    def tidy(self) -> pd.DataFrame:
        """Give every row: one frame with fixed columns."""
        return self.estimates.tidy()

    def glance(self) -> pd.DataFrame:
        """Give who was analysed, and how: one row per analysis, outcome and population."""
        return self.estimates.glance()

    def notes(self) -> pd.DataFrame:
        """Give why a number is missing, what failed, and what was done to the data."""
        return self.estimates.notes()

    def adjusted(self) -> pd.DataFrame:
        """Give p values adjusted for several outcomes."""
        return self.estimates.adjusted()

    def curve(self) -> pd.DataFrame:
        """Give survival and cumulative incidence curves, one row per time; empty without any."""
        return self.estimates.curve()

    def cells(self) -> pd.DataFrame:
        """Give the smallest head count behind each row."""
        return self.estimates.cells()

    # --- joint uncertainty --------------------------------------------------------------------------------

    def covariance(self) -> NDArray[Any]:
        """Give the joint covariance of all rows, in the order of :meth:`tidy`, on the working scale."""
        from impactkit.results.joint import covariance

        return covariance(self.estimates)

    def draws(self, name: str | None = None, *, n: int, seed: int) -> pd.DataFrame:
        """Draw rows jointly: each row keeps its own t distribution, rows are joined by their correlation.

        Parameters
        ----------
        name : str, optional
            One analysis; all rows when left out.
        n : int
            Number of draws.
        seed : int

        Returns
        -------
        DataFrame
            One column per row of :meth:`tidy`, labelled by analysis, outcome, population, term and measure.
        """
        import pandas as pd

        from impactkit.results.joint import draws

        chosen = self if name is None else self[name]
        columns = pd.MultiIndex.from_tuples(
            [key[:5] for key in chosen.estimates.keys], names=["analysis", "outcome", "population", "term", "measure"]
        )
        return pd.DataFrame(draws(chosen.estimates, n, seed=seed), columns=columns)

    def combine(
        self, how: CombineKind, *of: RowRef, name: str = "combined", weights: PooledWeights = "precision"
    ) -> Estimates:
        """Give a difference, sum, ratio or pooled mean of rows, right also when they share people.

        To keep it in the plan, declare a ``Combination`` instead.

        Parameters
        ----------
        how : {"difference", "sum", "ratio", "pooled"}
        *of : RowRef
        name : str
        weights : {"precision", "size"} or tuple of float
        """
        from impactkit.estimators.combination import Combination, combine_rows

        spec = Combination(name=name, how=how, of=of, weights=weights)
        missing = [needed for needed in spec.needs if needed not in self.parts]
        if missing:
            self[missing]
        return combine_rows(self.estimates, spec)

    # --- tables, figures, files -----------------------------------------------------------------------------

    def to_table(self, name: str = "impacts", *, style: str | Style = "dwp_trials", layout: Layout = "auto") -> Table:
        """Give a table ready to be shown.

        ``"impacts"``, ``"balance"``, ``"flow"``, ``"odds_ratios"``, ``"power"``, ``"detectable"``, ``"attrition"``,
        ``"tidy"`` or ``"glance"``.

        Parameters
        ----------
        name : str
        style : str or Style
            ``"dwp_trials"`` (``* 90%``, ``** 95%``, ``*** 99%``), ``"pilots"`` (P < 0.05) or ``"plain"``.
        layout : {"auto", "stacked", "wide", "trial"}
            Of ``"impacts"``: ``"trial"`` sets outcomes under one another and populations side by side.
        """
        from impactkit.evaluation.present import make_table

        return make_table(self, name, style, layout)

    def plot(self, name: str = "forest", *, style: str | Style = "dwp_trials") -> Figure:
        """Give a figure ready to be shown.

        ``"forest"`` (effects), ``"love"`` (baseline differences), ``"flow"`` (of participants), ``"power"`` or
        ``"attrition"`` (each method for missing outcomes).
        """
        from impactkit.evaluation.present import make_figure

        return make_figure(self, name, style)

    def write(self, directory: str | Path, *, style: str | Style = "dwp_trials", overwrite: bool = False) -> list[Path]:
        """Write tables (CSV and HTML), a forest plot (PNG and SVG), ``report.html``, the plan and the manifest.

        Counts under 10 from person rows print "c", with a complementary cell.

        Parameters
        ----------
        directory : path
            Made if it does not exist.
        style : str or Style
        overwrite : bool
            Replace files that are already there; otherwise their presence is an error.

        Returns
        -------
        list of Path

        Raises
        ------
        OutputError
        """
        from impactkit.evaluation.present import write_result

        return write_result(self, Path(directory), style=style, overwrite=overwrite)
