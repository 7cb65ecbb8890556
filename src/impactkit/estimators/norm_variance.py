"""Rows of clients against a norm under construction: both sources of variance, influence values and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.survival.small_sample import leverage_df, leverage_factor
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
    norm : mapping of int to ndarray, or None
        For each norm cell, by how much the row moves with the ends at each of its times; None if it does not.
    reason : str
        Why there is no estimate.
    describes : str
        Why there is no standard error.
    """

    key: RowKey
    working: float
    sample: ClientSample
    clients: NDArray[np.float64] | None = None
    norm: Mapping[int, NDArray[np.float64]] | None = None
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
    """Give the standard error of a row, from clients and practices, and its degrees of freedom.

    Notes
    -----
    A client's value is multiplied by the factor of :func:`~impactkit.compute.survival.small_sample.leverage_factor`
    for the share of their weight, or of their cluster's; that of an episode by that for its practice's share of those
    at risk. With clients, or practices, alike both give G / (G - 1). The degrees of freedom of each part are those of
    Bell and McCaffrey; Welch and Satterthwaite's formula joins them.
    """
    if row.clients is None and row.norm is None:
        return Carried(why=row.describes)
    parts: list[NDArray[np.float64]] = []
    freedom: list[NDArray[np.float64]] = []
    clients = episodes = None
    norm_variance = 0.0
    if row.clients is not None:
        groups = row.sample.groups
        if groups.sizes[0] < 2:
            alone = "one client" if groups.codes is None else "one cluster of clients"
            return Carried(why=f"{alone} alone carries this row, so its variance cannot be estimated")
        values, df = client_values(row.sample, row.clients)
        if not np.isfinite(values).all():
            return Carried(why="one client or cluster has all the weight, so the variance cannot be estimated")
        clients = RowInfluence(row.sample.rows, values)
        parts.append(groups.variances(values))
        freedom.append(np.array([df]))
    if row.norm is not None:
        values, df_norm = norms.values(row.norm)
        if not np.isfinite(values).all():
            return Carried(
                why="a norm rests on one practice, or one episode, at every time that counts, so its variance cannot "
                "be estimated"
            )
        used = np.flatnonzero(np.isin(norms.controls.cells.codes, np.unique(row.sample.cells)))
        episodes = RowInfluence(used, values[used])
        parts.append(norms.groups.variances(values))
        freedom.append(df_norm)
        norm_variance = float(parts[-1].sum())
    total = float(sum(part.sum() for part in parts))
    if total <= 0.0:
        return Carried(why="nothing varies here, so a standard error of 0 says nothing")
    df = satterthwaite(np.concatenate(parts), np.concatenate(freedom))
    return Carried(float(np.sqrt(total)), df, norm_variance / total, clients, episodes)


def client_values(sample: ClientSample, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Correct clients' influence values for the share of each client or cluster, and give the degrees of freedom.

    Notes
    -----
    Clusters are taken to differ, or not to, whichever leaves fewer degrees of freedom.
    """
    share = np.maximum(sample.weights / sample.weights.sum(), sample.watched / sample.watched.sum())
    share /= share.sum()
    own = share**2
    if sample.clusters is None:
        return values * leverage_factor(share), leverage_df(share, own)
    _, place = np.unique(sample.clusters, return_inverse=True)
    place = place.reshape(-1)
    of_cluster, apart = (np.asarray(np.bincount(place, weights=each), dtype=np.float64) for each in (share, own))
    df = min(leverage_df(of_cluster, apart), leverage_df(of_cluster, of_cluster**2))
    return values * leverage_factor(of_cluster)[place], df


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
