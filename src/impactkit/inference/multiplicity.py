"""p values of several hypotheses, adjusted so that the family as a whole keeps its error rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "benjamini_hochberg",
    "equivalent_normal",
    "holm",
    "joint_normal",
    "own_shares",
    "step_down_max",
    "two_sided_normal",
]

TIE = 1e-9  # relative: statistics this close are the same number computed in another order


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust by Holm's step-down Bonferroni, which holds the family-wise error under any dependence.

    Parameters
    ----------
    p_values : (K,)
        NaN stays NaN and does not count.

    Returns
    -------
    (K,) ndarray

    Notes
    -----
    With ``p_(1) ≤ … ≤ p_(K)`` the adjusted value is ``max_{j ≤ i} min(1, (K − j + 1) p_(j))``.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. *Scandinavian Journal of
    Statistics* 6(2).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = _ascending(p)
    count = len(order)
    stepped = np.maximum.accumulate(p[order] * np.arange(count, 0, -1))
    return _placed(p, order, stepped)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust by Benjamini and Hochberg's step-up, which holds the expected share of false discoveries.

    Parameters
    ----------
    p_values : (K,)
        NaN stays NaN and does not count.

    Returns
    -------
    (K,) ndarray

    Notes
    -----
    The adjusted value is ``min_{j ≥ i} min(1, K p_(j) / j)``. The rate holds for independent or positively
    dependent statistics.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate: a practical and powerful
    approach to multiple testing. *Journal of the Royal Statistical Society B* 57(1).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = _ascending(p)
    count = len(order)
    stepped = np.minimum.accumulate((p[order] * count / np.arange(1, count + 1))[::-1])[::-1]
    return _placed(p, order, stepped)


def two_sided_normal(p_values: ArrayLike) -> NDArray[np.float64]:
    """Give the absolute normal deviate that has these two-sided p values, whatever their own t distributions."""
    from scipy.special import ndtri

    deviates: NDArray[np.float64] = np.asarray(-ndtri(0.5 * np.asarray(p_values, dtype=np.float64)))
    return deviates


def joint_normal(correlation: NDArray[np.float64], draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw absolute statistics under the complete null hypothesis, each standard normal, joined by a correlation.

    Parameters
    ----------
    correlation : (K, K)
        May be singular (more hypotheses than clusters).
    draws : int
    rng : Generator

    Returns
    -------
    (K, draws) ndarray

    Notes
    -----
    Given the data, the multiplier bootstrap ``T_r = Σ_g ξ_g ψ_gr / se_r`` with one standard normal ``ξ_g``
    per person or cluster, the same for every row, is exactly normal with the correlation of the influence
    values. Drawing from that law is therefore the same bootstrap, at a cost that does not grow with the
    number of people. The symmetric root is used: it does not depend on the order of the rows, nor on the
    signs that an eigendecomposition happens to choose.
    """
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    root /= np.sqrt(np.einsum("ij,ij->i", root, root))[:, None]
    found: NDArray[np.float64] = root @ rng.standard_normal((len(root), draws))
    return np.abs(found, out=found)


def step_down_max(
    observed: NDArray[np.float64],
    redraws: NDArray[np.float64],
    *,
    own: NDArray[np.float64] | None = None,
    exact: bool = False,
) -> NDArray[np.float64]:
    """Adjust by the step-down maximum of Romano and Wolf.

    Parameters
    ----------
    observed : (K,)
        Absolute studentised statistics.
    redraws : (K, B)
        The same statistics under the null hypothesis, every column from one joint re-draw.
    own : (K,), optional
        Each hypothesis's own p value under the law of the re-draws, where it is known: only what the others
        add is then simulated, so a family of one keeps its p value to the last digit.
    exact : bool
        The columns are all possible re-draws, the observed one among them.

    Returns
    -------
    (K,) ndarray
        Never less than ``own``.

    Notes
    -----
    With hypotheses in order of falling ``t``, ``M_i = max(T_i, …, T_K)`` in one re-draw and
    ``p_i = P(M_i ≥ t_i)``, made monotone by a running maximum. The probability is ``(1 + #) / (1 + B)``;
    ``# / B`` if exact; with ``own``, ``own_i + #{M_i ≥ t_i > T_i} / B``.

    References
    ----------
    Romano, J. P. and Wolf, M. (2005). Exact and approximate stepdown methods for multiple hypothesis testing.
    *Journal of the American Statistical Association* 100(469).

    Examples
    --------
    >>> every_sign = np.abs(np.array([[3.0, 1.0, 1.0, 3.0], [2.0, 2.0, 2.0, 2.0]]))
    >>> step_down_max(np.array([3.0, 2.0]), every_sign, exact=True).tolist()
    [0.5, 1.0]
    """
    order = np.argsort(-observed, kind="stable")
    sorted_draws = redraws[order]
    highest = np.maximum.accumulate(sorted_draws[::-1], axis=0)[::-1]
    bar = (observed[order] * (1.0 - TIE))[:, None]
    beyond = highest >= bar
    size = redraws.shape[1]
    if own is not None:
        raw = own[order] + np.count_nonzero(beyond & (sorted_draws < bar), axis=1) / size
    else:
        raw = _share(np.count_nonzero(beyond, axis=1), size, exact)
    return _restored(order, raw)


def own_shares(
    observed: NDArray[np.float64], redraws: NDArray[np.float64], *, exact: bool = False
) -> NDArray[np.float64]:
    """Give the p value of each hypothesis by itself from the same re-draws: ``(1 + #{T ≥ t}) / (1 + B)``.

    Parameters
    ----------
    observed, redraws, exact
        As in :func:`step_down_max`.
    """
    beyond = redraws >= (observed * (1.0 - TIE))[:, None]
    return _share(np.count_nonzero(beyond, axis=1), redraws.shape[1], exact)


def equivalent_normal(statistics: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn absolute t statistics into the normal deviates of the same p values, so that the least p is the largest.

    Parameters
    ----------
    statistics : (K, B)
    df : (K,)
        Degrees of freedom of each row; ``inf`` for the normal.

    Notes
    -----
    Westfall and Young step down on the smallest p value of a re-draw, each p taken from the row's own t
    distribution: rows on small samples or few clusters then weigh like the others.

    References
    ----------
    Westfall, P. H. and Young, S. S. (1993). *Resampling-Based Multiple Testing*, algorithm 2.8. Wiley.

    Examples
    --------
    >>> equivalent_normal(np.array([[1.96], [1.96]]), np.array([np.inf, 10.0])).round(2).tolist()
    [[1.96], [1.76]]
    """
    from scipy.special import ndtri, stdtr

    finite = np.isfinite(df)
    deviates = statistics.copy()
    deviates[finite] = -ndtri(stdtr(df[finite][:, None], -statistics[finite]))
    return deviates


def _share(count: NDArray[np.intp], size: int, exact: bool) -> NDArray[np.float64]:
    return np.asarray(count / size if exact else (1.0 + count) / (1.0 + size))


def _ascending(p: NDArray[np.float64]) -> NDArray[np.intp]:
    order = np.argsort(p, kind="stable")
    return order[: np.count_nonzero(~np.isnan(p))]


def _placed(p: NDArray[np.float64], order: NDArray[np.intp], stepped: NDArray[np.float64]) -> NDArray[np.float64]:
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _restored(order: NDArray[np.intp], raw: NDArray[np.float64]) -> NDArray[np.float64]:
    return _placed(raw, order, np.maximum.accumulate(raw))
