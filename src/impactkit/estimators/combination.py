"""Contrasts and averages of rows that other analyses of the plan produced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, RowRef, weakest_evidence
from impactkit.inference import CombineKind, combine
from impactkit.results import Estimates, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["Combination"]


class Combination(Analysis):
    """Difference, sum, ratio or pooled mean of estimates, right also when they share people.

    Use it to say whether an impact differs between groups, to add streams, or to pool sites.

    Parameters
    ----------
    name : str
    how : {"difference", "sum", "ratio", "pooled"}
        A difference is the first row minus the second; a ratio the first over the second.
    of : tuple of RowRef
        The rows, by analysis, population, outcome, term or measure; an effect is meant unless a term says
        otherwise.
    weights : {"precision", "size"} or tuple of float
        How ``"pooled"`` weighs.
    conf_level : float

    Returns
    -------
    Estimates
        One row, in the measure and unit of its parts (``ratio`` for a ratio).

    Notes
    -----
    With influence values ψ the variance of Σ c_r θ_r is Σ_g (Σ_r c_r ψ_gr)², cluster by cluster, so people
    who count in two populations are counted once. Ratios have Fieller limits (Fieller 1954), and their p
    value tests a numerator of zero.

    References
    ----------
    Fieller, E. C. (1954). Some problems in interval estimation. *Journal of the Royal Statistical Society B*
    16(2).

    Examples
    --------
    >>> import impactkit as ik
    >>> ik.Combination(name="gap", how="difference", of=(
    ...     ik.RowRef(analysis="itt", population="SCR IW"), ik.RowRef(analysis="itt", population="SCR OOW"))).needs
    ('itt',)
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})
    reads_people: ClassVar[bool] = False

    kind: Literal["combination"] = "combination"
    how: CombineKind
    of: tuple[RowRef, ...] = Field(min_length=2)
    weights: Literal["precision", "size"] | tuple[float, ...] = "precision"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.how in ("difference", "ratio") and len(self.of) != 2:
            raise ValueError(f"a {self.how} takes exactly two rows in `of`, and {len(self.of)} were given")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reference.analysis for reference in self.of))

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        joined = Estimates.concat([upstream[name] for name in self.needs])
        return combine_rows(joined, self)


def combine_rows(joined: Estimates, spec: Combination) -> Estimates:
    """Combine rows of one joined result as a :class:`Combination` says."""
    positions = [reference.locate(joined) for reference in spec.of]
    combined = combine(joined, positions, kind=spec.how, weights=spec.weights, conf_level=spec.conf_level)
    keys = [joined.keys[position] for position in positions]
    outcome = _common([key.outcome for key in keys], spec.how)
    population = _common([key.population for key in keys], spec.how)
    term = _common([key.term for key in keys], spec.how)
    key = RowKey(spec.name, outcome, population, term, combined.measure, combined.unit)
    p_values = None
    if spec.how == "ratio":
        first = joined.take([positions[0]]).numbers
        p_values = {0: (float(first["statistic"][0]), float(first["p_value"][0]))}
    glance = {
        "analysis": spec.name,
        "outcome": outcome,
        "population": population,
        "kind": spec.kind,
        "estimand": spec.how,
        "method": f"{spec.how} of {' and '.join(str(reference) for reference in spec.of)}",
        "inference": "influence values of the parts",
        "evidence": weakest_evidence(joined, spec.needs),
        "n_analysed": combined.n,
        "conf_level": spec.conf_level,
        "design_df": combined.df,
        "independence_assumed": combined.independence_assumed or _assumed(joined, keys),
    }
    return Estimates.build(
        keys=[key],
        working=[combined.value],
        working_se=[combined.std_error],
        df=[combined.df],
        n=[combined.n],
        conf_level=spec.conf_level,
        intervals=None if combined.limits is None else {0: combined.limits},
        p_values=p_values,
        influence=combined.influence,
        extra_covariance=np.array([[combined.extra_variance]]) if combined.extra_variance > 0 else None,
        glances=[glance],
        remarks=[
            spec.note(reason, outcome=outcome, population=population, term=term, column=column)
            for column, reason in (*(("", reason) for reason in combined.reasons), *combined.gaps)
        ],
        min_cell=[float(np.min(joined.min_cell[positions]))],
    )


def _common(words: list[str], how: str) -> str:
    joiner = {"difference": " − ", "ratio": " / ", "sum": " + ", "pooled": " & "}[how]
    unique = list(dict.fromkeys(words))
    return unique[0] if len(unique) == 1 else joiner.join(unique)


def _assumed(joined: Estimates, keys: list[RowKey]) -> bool:
    """Whether a part already rests on parts that were taken as independent."""
    names = ("analysis", "outcome", "population")
    wanted = {key[:3] for key in keys}
    return any(row.get("independence_assumed") for row in joined.glances if tuple(map(row.get, names)) in wanted)
