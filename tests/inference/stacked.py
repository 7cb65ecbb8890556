"""Regressions stacked into one and clustered, written out densely: what influence values have to agree with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Equation:
    """One regression of the stack: whose rows, its design matrix and outcome, and which coefficient is meant."""

    rows: NDArray[np.intp]
    X: Floats
    y: Floats
    wanted: int


def equation(
    data: pd.DataFrame, outcome: str, inside: Any, *, adjustment: str, strata: bool, weights: Floats | None, mean: bool
) -> Equation:
    """Write one row of an intention-to-treat analysis (or its control mean) as a regression."""
    treated = data["arm"].eq("IPS").to_numpy()
    member = np.asarray(inside) & data[outcome].notna().to_numpy() & (~treated | (not mean))
    rows = np.flatnonzero(member)
    y = data[outcome].to_numpy(dtype=float)[rows]
    one = np.ones((len(rows), 1))
    if mean:
        return Equation(rows, one, y, 0)
    z = treated[rows, None].astype(float)
    blocks = []
    if adjustment != "none":
        blocks += [data[["age"]].to_numpy(dtype=float)[rows], data["sex"].eq("woman").to_numpy(dtype=float)[rows, None]]
    if strata:
        blocks.append(data["site"].eq("south").to_numpy(dtype=float)[rows, None])
    controls = np.hstack(blocks) if blocks else np.empty((len(rows), 0))
    if adjustment == "ancova":
        return Equation(rows, np.hstack([one, z, controls]), y, 1)
    w = None if weights is None else weights[rows]
    centred = controls - np.average(controls, axis=0, weights=w) if blocks else controls
    return Equation(rows, np.hstack([one, z, centred, z * centred]), y, 1)


@dataclass(frozen=True)
class Stack:
    """The stacked regression.

    Attributes
    ----------
    covariance : (r, r)
        Of the wanted coefficients.
    lean : (r, G, N)
        For each wanted coefficient and cluster, the weights on errors whose squares give Satterthwaite's df.
    """

    covariance: Floats
    lean: Floats

    def df(self, contrast: Floats) -> float:
        """Satterthwaite degrees of freedom of a contrast, under independent errors of equal variance."""
        p = np.tensordot(contrast, self.lean, axes=1)
        gram = p @ p.T
        return float(np.trace(gram) ** 2 / (gram**2).sum())


def stack(equations: list[Equation], weights: Floats | None, clusters: NDArray[Any], *, kind: str) -> Stack:
    """Fit all equations as one regression and cluster it: under CR2, or with HC2's factor on each row."""
    sizes = [len(part.rows) for part in equations]
    widths = [part.X.shape[1] for part in equations]
    total, width = sum(sizes), sum(widths)
    X, w, wanted = np.zeros((total, width)), np.ones(total), np.zeros((len(equations), width))
    person = np.concatenate([part.rows for part in equations])
    if weights is not None:
        w = weights[person]
    top = left = 0
    for place, part in enumerate(equations):
        X[top : top + len(part.rows), left : left + part.X.shape[1]] = part.X
        wanted[place, left + part.wanted] = 1.0
        top, left = top + len(part.rows), left + part.X.shape[1]
    y = np.concatenate([part.y for part in equations])
    bread = np.linalg.inv(X.T @ (w[:, None] * X))
    hat = X @ bread @ (X.T * w)
    rest = np.eye(total) - hat
    errors = y - hat @ y
    scores = wanted @ bread @ (X.T * w)
    groups = clusters[person]
    sums, lean = [], []
    for label in np.unique(groups):
        own = np.flatnonzero(groups == label)
        if kind == "CR2":
            values, vectors = np.linalg.eigh(rest[own] @ rest[own].T)
            kept = values > 1e-12
            root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
        else:
            root = np.diag(1.0 / np.sqrt(np.diagonal(rest)[own]))
        sums.append(scores[:, own] @ root @ errors[own])
        lean.append(scores[:, own] @ root @ rest[own])
    piled = np.array(sums)
    return Stack(piled.T @ piled, np.swapaxes(np.array(lean), 0, 1))
