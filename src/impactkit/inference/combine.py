"""Differences, sums, ratios and averages of estimates, right when they share people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.compute.clusters import stacked_contrast
from impactkit.errors import SpecError
from impactkit.results.influence import Influence
from impactkit.results.joint import covariance, rows_without_units
from impactkit.results.measures import measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.results import Estimates, RowKey

__all__ = ["CombineKind", "Combined", "PooledWeights", "combine"]

CombineKind = Literal["difference", "sum", "ratio", "pooled"]
ROUNDING = 1e-10
"""A part of the variance below this share is rounding, not something that no unit carries."""

_UNBOUNDED = (
    "the denominator is not clearly different from zero, so the Fieller set is unbounded and no limits are given"
)

PooledWeights = Literal["precision", "size"] | tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """One combined number on its working scale.

    Parameters
    ----------
    value, std_error, df : float
    coefficients : ndarray of shape (r,)
        Of the parts; for a ratio, of its linearisation.
    measure, unit : str
    n : float
        People behind the parts, each counted once.
    influence : tuple of Influence
        One row per block.
    extra_variance : float
        The part no unit carries.
    limits : tuple of float or None
        Limits that are not symmetric (Fieller, for a ratio).
    reasons : tuple of str
        What has to be said about it.
    independence_assumed : bool
    gaps : tuple of (column, reason)
        Columns of the row that cannot be given, and why.
    """

    value: float
    std_error: float
    df: float
    coefficients: NDArray[np.float64]
    measure: str
    unit: str
    n: float
    influence: tuple[Influence, ...]
    extra_variance: float
    limits: tuple[float, float] | None
    reasons: tuple[str, ...]
    independence_assumed: bool
    gaps: tuple[tuple[str, str], ...] = ()


def combine(
    estimates: Estimates,
    positions: Sequence[int],
    *,
    kind: CombineKind,
    weights: PooledWeights = "precision",
    conf_level: float = 0.95,
) -> Combined:
    """Combine rows of one result, carrying the covariance of those that share people.

    Parameters
    ----------
    estimates : Estimates
    positions : sequence of int
        At least two rows; exactly two for a difference or a ratio.
    kind : {"difference", "sum", "ratio", "pooled"}
        A difference is the first row minus the second, a ratio the first over the second; ``"pooled"`` is a
        weighted mean.
    weights : {"precision", "size"} or tuple of float
        For ``"pooled"``: generalised least squares (the least variance), number of people, or your own.
    conf_level : float

    Notes
    -----
    On log scales the difference of logs is formed, so the "difference" of two risk ratios is their ratio.
    The variance is ``c'Vc`` with V from influence values, so overlapping populations are right. A ratio has
    Fieller limits, from the parts' covariance. Degrees of freedom are the Satterthwaite degrees of freedom
    of the stacked contrast where every part carries what they need, else the smallest of the parts'.
    """
    parts = [estimates.keys[position] for position in positions]
    _check(parts, kind)
    working = estimates.working[list(positions)]
    joint = covariance(estimates, positions)
    reasons: list[str] = []
    alone = rows_without_units(estimates, positions)
    if len(alone):
        reasons.append(f"{len(alone)} of {len(parts)} parts carry no person rows and are taken as independent")
    split = _taken_apart(estimates, positions)
    if split:
        reasons.append("parts that sum within clusters and parts that set clusters aside are taken as independent")
    gaps = _gaps(parts, working, joint, kind, weights)
    shared = measure(parts[0].measure)
    if any(column == "estimate" for column, _ in gaps):
        coefficients, value, variance = np.full(len(parts), np.nan), float("nan"), float("nan")
    else:
        coefficients = _coefficients(estimates, positions, kind, weights, working, joint, reasons)
        value = float(working[0] / working[1]) if kind == "ratio" else float(coefficients @ working)
        variance = float(coefficients @ joint @ coefficients)
        if abs(variance) <= ROUNDING**1.5 * float(np.abs(coefficients) @ np.abs(joint) @ np.abs(coefficients)):
            variance = 0.0  # the same people under two names: what is left is rounding
            gaps.append(("p_value", "the parts vary as one, so their combination does not vary and there is no test"))
    known = np.isfinite(variance)
    df = _degrees_of_freedom(estimates, positions, coefficients, reasons) if known else float("nan")
    limits = None
    if kind == "ratio" and known:
        limits = _fieller(working, joint, df, conf_level)
        if limits is None:
            limits = (np.nan, np.nan)
            gaps.append(("conf_low", _UNBOUNDED))
    blocks = tuple(_combined_block(block, positions, coefficients) for block in estimates.influence) if known else ()
    used = tuple(block for block in blocks if block.rows[0] is not None)
    carried = sum(float((block.by_group([0]) ** 2).sum()) for block in used)
    rest = variance - carried
    return Combined(
        value=value,
        std_error=float(np.sqrt(variance)) if variance >= 0 else float("nan"),
        df=df,
        coefficients=coefficients,
        measure="ratio" if kind == "ratio" else shared.name,
        unit="ratio" if kind == "ratio" else parts[0].unit,
        n=_people(estimates, positions),
        influence=used,
        extra_variance=rest if rest > ROUNDING * variance else 0.0,
        limits=limits,
        reasons=tuple(reasons),
        independence_assumed=bool(len(alone)) or split,
        gaps=tuple(gaps),
    )


def _taken_apart(estimates: Estimates, positions: Sequence[int]) -> bool:
    """Whether parts stand on the same people but some sum within clusters and some do not."""
    used = [block for block in estimates.influence if any(block.rows[position] is not None for position in positions)]
    return any(one.same_units(other) and not one.sums_alike(other) for one in used for other in used)


def _gaps(
    parts: Sequence[RowKey],
    working: NDArray[np.float64],
    joint: NDArray[np.float64],
    kind: CombineKind,
    weights: PooledWeights,
) -> list[tuple[str, str]]:
    """Say which columns cannot be given, and why."""

    def named(missing: NDArray[np.bool_]) -> str:
        return "; ".join(" / ".join(part[:4]) for part, lost in zip(parts, missing, strict=True) if lost)

    no_error = ~np.isfinite(np.diagonal(joint))
    if (lost := ~np.isfinite(working)).any():
        return [("estimate", f"a part has no estimate: {named(lost)}")]
    if kind == "ratio" and working[1] == 0.0:
        return [("estimate", "the denominator is zero")]
    if no_error.any():
        column = "estimate" if kind == "pooled" and weights == "precision" else "std_error"
        return [(column, f"a part has no standard error: {named(no_error)}")]
    return []


def _check(parts: Sequence[object], kind: CombineKind) -> None:
    from impactkit.results import RowKey

    keys = [part for part in parts if isinstance(part, RowKey)]
    if kind in ("difference", "ratio") and len(keys) != 2:
        raise SpecError(f"a {kind} takes exactly two rows, and {len(keys)} were given")
    if len(keys) < 2:
        raise SpecError(f"a combination takes at least two rows, and {len(keys)} were given")
    for key in keys:
        if measure(key.measure).is_test:
            raise SpecError(f'row "{" / ".join(key[:4])}" is a test without an estimate and cannot be combined')
    measures, units = {key.measure for key in keys}, {key.unit for key in keys}
    if kind == "ratio":
        if any(measure(name).scale == "log" for name in measures):
            raise SpecError("a ratio of ratio measures is their difference on the log scale: use kind='difference'")
        return
    if len(measures) > 1 or len(units) > 1:
        raise SpecError(
            f"a {kind} takes rows of one measure and unit, and found {', '.join(sorted(measures))} in "
            f"{', '.join(sorted(units))}: combine like with like"
        )
    if kind == "sum" and any(measure(name).scale == "log" for name in measures):
        raise SpecError("ratio measures multiply rather than add: combine the differences instead")


def _coefficients(
    estimates: Estimates,
    positions: Sequence[int],
    kind: CombineKind,
    weights: PooledWeights,
    working: NDArray[np.float64],
    joint: NDArray[np.float64],
    reasons: list[str],
) -> NDArray[np.float64]:
    if kind == "difference":
        return np.array([1.0, -1.0])
    if kind == "sum":
        return np.ones(len(positions))
    if kind == "ratio":
        return np.array([1.0 / working[1], -working[0] / working[1] ** 2])
    if isinstance(weights, tuple):
        given = np.asarray(weights, dtype=float)
        if len(given) != len(positions) or not np.isfinite(given).all() or given.sum() <= 0 or (given < 0).any():
            raise SpecError(
                f"pooling {len(positions)} rows takes as many weights, none negative and not all zero; found {weights}"
            )
        return np.asarray(given / given.sum())
    if weights == "size":
        sizes = estimates.numbers["n"][list(positions)]
        return np.asarray(sizes / sizes.sum())
    solved = np.linalg.lstsq(joint, np.ones(len(positions)), rcond=None)[0]
    coefficients = np.asarray(solved / solved.sum())
    if (coefficients < 0).any():
        reasons.append("some precision weights are negative because the parts overlap strongly")
    return coefficients


def _degrees_of_freedom(
    estimates: Estimates, positions: Sequence[int], coefficients: NDArray[np.float64], reasons: list[str]
) -> float:
    own = estimates.numbers["df"][list(positions)]
    for block in estimates.influence:
        rows = [block.rows[position] for position in positions]
        parts = [row.df_parts for row in rows if row is not None and row.df_parts is not None]
        # Outcomes solved together share their parts; each outcome is still a regression of its own in the stack.
        keys = [estimates.keys[position][:3] for position in positions]
        regressions = {(id(part.middle), key) for part, key in zip(parts, keys, strict=False)}
        if len(parts) == len(rows) == len(regressions):
            found = stacked_contrast(
                parts=[
                    (float(coefficient), part.norm, part.left, part.right, part.middle)
                    for coefficient, part in zip(coefficients, parts, strict=True)
                ],
                clusters=[part.clusters for part in parts],
            )
            if np.isfinite(found):
                reasons.append("degrees of freedom are Satterthwaite's for the stacked contrast")
                return found
    if np.isnan(own).all():
        return float("nan")
    smallest = float(np.nanmin(own))
    if len(set(own.tolist())) > 1:
        reasons.append(f"degrees of freedom are the smallest of the parts' ({smallest:g})")
    return smallest


def _fieller(
    working: NDArray[np.float64], joint: NDArray[np.float64], df: float, conf_level: float
) -> tuple[float, float] | None:
    from scipy.special import ndtri, stdtrit

    upper = 0.5 * (1.0 + conf_level)
    t = float(ndtri(upper) if np.isinf(df) else stdtrit(df, upper))
    a, b = working
    bound = b * b - t * t * joint[1, 1]
    if not bound > 0:
        return None
    middle = a * b - t * t * joint[0, 1]
    inside = middle**2 - bound * (a * a - t * t * joint[0, 0])
    if inside < 0:
        return None
    half = float(np.sqrt(inside))
    return float((middle - half) / bound), float((middle + half) / bound)


def _combined_block(block: Influence, positions: Sequence[int], coefficients: NDArray[np.float64]) -> Influence:
    from dataclasses import replace

    slopes: dict[int, float] = {}
    for position, coefficient in zip(positions, coefficients, strict=True):
        slopes[position] = slopes.get(position, 0.0) + float(coefficient)
    return replace(block, rows=(block.linear(slopes),))


def _people(estimates: Estimates, positions: Sequence[int]) -> float:
    carried: set[int] = set()
    tables: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for block in estimates.influence:
        seen = tables.setdefault((block.table, block.token), np.zeros(len(block.units), dtype=bool))
        for position in positions:
            row = block.rows[position]
            if row is not None:
                carried.add(position)
                seen |= row.rests_on(len(block.units))
    total = float(sum(seen.sum() for seen in tables.values()))
    alone = [position for position in positions if position not in carried]
    return total + float(np.nansum(estimates.numbers["n"][alone])) if carried or alone else float("nan")
