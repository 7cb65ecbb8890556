"""Rows of clients against a norm under construction: both sources of variance, influence values and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.survival.two_sources import satterthwaite
from impactkit.results import Curve, Estimates, Influence, Note, RowInfluence, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.norm_sample import ClientSample, Norms

__all__ = ["Carried", "PendingRow", "carry", "finish"]


@dataclass(frozen=True, slots=True, eq=False)
class PendingRow:
    """A row before its error is formed.

    Parameters
    ----------
    key : RowKey
    working : float
        Estimate on the working scale; NaN with a ``reason``.
    sample : ClientSample
    clients : ndarray of shape (n,) or None
        Influence values of the sample's clients before the small-sample factor; None if the row has no error of theirs.
    episodes : ndarray of shape (m,) or None
        The same of the control episodes.
    reason : str
        Why there is no estimate.
    describes : str
        Why there is no standard error.
    """

    key: RowKey
    working: float
    sample: ClientSample
    clients: NDArray[np.float64] | None = None
    episodes: NDArray[np.float64] | None = None
    reason: str = ""
    describes: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """The error of a row and what carries it.

    Parameters
    ----------
    std_error, df : float
    norm_share : float
        Part of the variance that is the norm's.
    clients, episodes : RowInfluence or None
    why : str
        Why there is no standard error.
    """

    std_error: float = np.nan
    df: float = np.nan
    norm_share: float = np.nan
    clients: RowInfluence | None = None
    episodes: RowInfluence | None = None
    why: str = ""


def carry(row: PendingRow, norms: Norms) -> Carried:
    """Give the standard error of a row, from clients and practices, and its degrees of freedom."""
    if row.clients is None and row.episodes is None:
        return Carried(why=row.describes)
    parts: list[NDArray[np.float64]] = [np.zeros(0), np.zeros(0)]
    freedom: list[NDArray[np.float64]] = [np.zeros(0), np.zeros(0)]
    clients = episodes = None
    if row.clients is not None:
        groups = row.sample.groups
        if groups.sizes[0] < 2:
            alone = "one client" if groups.codes is None else "one cluster of clients"
            return Carried(why=f"{alone} alone carries this row, so its variance cannot be estimated")
        values = groups.adjusted(row.clients)
        clients = RowInfluence(row.sample.rows, values)
        parts[0], freedom[0] = groups.variances(values), groups.df
    if row.episodes is not None:
        values = norms.groups.adjusted(row.episodes)
        if not np.isfinite(values).all():
            return Carried(why="a norm rests on one control episode, so its variance cannot be estimated")
        used = np.flatnonzero(np.isin(norms.controls.cells.codes, np.unique(row.sample.cells)))
        episodes = RowInfluence(used, values[used])
        parts[1], freedom[1] = norms.groups.variances(values), norms.groups.df
    total = float(sum(part.sum() for part in parts))
    if total <= 0.0:
        return Carried(why="nothing varies here, so a standard error of 0 says nothing")
    df = satterthwaite(np.concatenate(parts), np.concatenate(freedom))
    return Carried(float(np.sqrt(total)), df, float(parts[1].sum()) / total, clients, episodes)


def finish(
    study: StudyData,
    norms: Norms,
    rows: Sequence[PendingRow],
    carried: Sequence[Carried],
    *,
    conf_level: float,
    glances: Sequence[Mapping[str, Any]],
    remarks: Sequence[Note],
    curves: Sequence[Curve] = (),
    block: str = "",
) -> Estimates:
    """Close the rows.

    Parameters
    ----------
    block : str
        Name of the table the episodes' influence values belong to, where it is not that of the design's episodes.
    """
    said = list(remarks)
    for row, found in zip(rows, carried, strict=True):
        if row.reason:
            said.append(Note(*row.key[:4], "estimate", row.reason))
        elif found.why:
            said.append(Note(*row.key[:4], "std_error", found.why))
    sizes = [float(row.sample.n) for row in rows]
    return Estimates.build(
        keys=[row.key for row in rows],
        working=[row.working for row in rows],
        working_se=[found.std_error for found in carried],
        df=[found.df for found in carried],
        n=sizes,
        conf_level=conf_level,
        influence=[
            Influence(
                study.design.table,
                study.data_hash,
                study.units,
                study.clusters,
                tuple(each.clients for each in carried),
            ),
            Influence(
                block or norms.controls.table,
                study.data_hash,
                norms.controls.units,
                norms.groups.codes,
                tuple(each.episodes for each in carried),
            ),
        ],
        glances=glances,
        remarks=said,
        min_cell=sizes,
        curves=curves,
    )
