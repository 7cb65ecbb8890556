"""Cost per client: totals over people, and means over services weighted by their clients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from impactkit.econ.checks import Floats, array_of
from impactkit.errors import DataError

__all__ = ["cost_per_client", "weighted_cost", "weighted_cost_range"]


def cost_per_client(total: ArrayLike, clients: ArrayLike) -> Floats:
    """Divide what a service cost by the people it served.

    Parameters
    ----------
    total : array_like of float
        Pounds in the period, zero or more.
    clients : array_like of float
        Clients of the same period, more than zero; broadcasts with ``total``.

    Returns
    -------
    ndarray of float
        Pounds per client.

    Raises
    ------
    DataError
        If a cost is negative, a service has no clients, or a number is missing.

    Examples
    --------
    >>> float(cost_per_client(348_144, 597).round(2))
    583.16
    """
    return array_of(total, "total costs", least=0.0) / array_of(clients, "clients", above=0.0)


def weighted_cost(costs: ArrayLike, clients: ArrayLike) -> Floats:
    r"""Average costs per client over services or years, each counted by its clients.

    Parameters
    ----------
    costs : array_like of float, shape (..., k)
        Pounds per client of each part, zero or more.
    clients : array_like of float, shape (..., k)
        Clients of each part, zero or more, not all zero.

    Returns
    -------
    ndarray of float, shape (...)
        Pounds per client.

    Notes
    -----
    :math:`\bar c = \sum_i c_i n_i / \sum_i n_i`, which is total cost over total clients. The simple mean of the
    parts is something else unless they are of one size.

    References
    ----------
    DWP Research Report 896 (2015), Tables 4.1 and 4.2.

    Examples
    --------
    Greater Manchester, £684 for 251 clients and £510 for 346, printed as £584:

    >>> float(weighted_cost([684, 510], [251, 346]).round(1))
    583.2
    """
    c, n = _parts(costs, clients)
    mean: Floats = (c * n).sum(axis=-1) / n.sum(axis=-1)
    return mean


def weighted_cost_range(
    costs: ArrayLike, clients: ArrayLike, *, cost_half_unit: float, clients_half_unit: float = 0.0
) -> tuple[float, float]:
    """Give the lowest and highest weighted mean that rounded inputs leave open.

    Parameters
    ----------
    costs, clients : array_like of float, shape (k,)
        As in `weighted_cost`.
    cost_half_unit : float
        Half a unit of rounding of the costs: 0.5 for whole pounds.
    clients_half_unit : float, default 0.0
        Half a unit of rounding of the clients; counts are exact.

    Returns
    -------
    (float, float)
        Pounds per client.

    Notes
    -----
    The mean rises with every cost, so the ends take all costs down or all up. In the clients it is a ratio of linear
    forms, whose extremes lie at corners: weights at their upper end above some cost and at their lower end below
    it (or the reverse). All k + 1 such corners are tried.

    Examples
    --------
    >>> low, high = weighted_cost_range([684, 510], [251, 346], cost_half_unit=0.5)
    >>> round(low, 1), round(high, 1)
    (582.7, 583.7)
    """
    c, n = _parts(costs, clients)
    if c.ndim != 1:
        raise DataError([f"one list of parts was expected, found costs of shape {c.shape}: give one mean at a time"])
    if cost_half_unit < 0.0 or clients_half_unit < 0.0:
        raise DataError(["half a unit of rounding must be zero or more"])
    order = np.argsort(c, kind="stable")
    c, n = c[order], n[order]
    fewer, more = np.maximum(n - clients_half_unit, 0.0), n + clients_half_unit
    high_corners = [np.concatenate([fewer[:cut], more[cut:]]) for cut in range(c.size + 1)]
    low_corners = [np.concatenate([more[:cut], fewer[cut:]]) for cut in range(c.size + 1)]
    high = max(_mean(c + cost_half_unit, weights) for weights in high_corners if weights.sum() > 0.0)
    low = min(_mean(np.maximum(c - cost_half_unit, 0.0), weights) for weights in low_corners if weights.sum() > 0.0)
    return low, high


def _parts(costs: ArrayLike, clients: ArrayLike) -> tuple[Floats, Floats]:
    c, n = array_of(costs, "costs per client", least=0.0), array_of(clients, "clients", least=0.0)
    if c.shape != n.shape or c.ndim == 0:
        raise DataError([f"costs and clients must be lists of one shape, found {c.shape} and {n.shape}"])
    if empty := int((n.sum(axis=-1) == 0.0).sum()):
        raise DataError([f"a mean over clients needs clients: {empty} of the lists add to zero"])
    return c, n


def _mean(costs: Floats, weights: Floats) -> float:
    return float((costs * weights).sum() / weights.sum())
