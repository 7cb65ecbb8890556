"""Population norms of the EQ-5D by age and sex, each with its survey and the value set it is on."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impactkit.data.eq5d.value_sets import ValueSet
from impactkit.errors import SpecError, did_you_mean

__all__ = ["PopulationNorms", "list_population_norms", "load_population_norms"]

_HERE = "impactkit.data.eq5d"


@dataclass(frozen=True, slots=True, eq=False)
class PopulationNorms:
    """Mean index of a general population by sex and age band.

    Parameters
    ----------
    id, title, survey : str
    value_set : str
        The value set the means are on; they are compared with an index on that set and no other.
    citation, doi : str
    sexes : tuple of str
    starts : ndarray of shape (b,)
        First year of age of each band, ascending.
    ends : ndarray of shape (b,)
        Last year of age of each band; infinite for an open band.
    means : ndarray of shape (s, b)

    Examples
    --------
    >>> from impactkit.econ import load_population_norms
    >>> norms = load_population_norms("hse_2012_14")
    >>> norms.value_set, norms.expected([42, 42, 12], ["female", "male", "male"]).tolist()
    ('uk_3l_1997', [0.8695, 0.8877, nan])
    """

    id: str
    title: str
    survey: str
    value_set: str
    citation: str
    doi: str
    sexes: tuple[str, ...]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    means: NDArray[np.float64]

    @property
    def source(self) -> str:
        """One line for a footnote."""
        return f"{self.title}: {self.citation}, doi:{self.doi}"

    def check(self, value_set: str | ValueSet) -> None:
        """Refuse an index that is on another value set.

        Raises
        ------
        SpecError
            Naming both.
        """
        other = value_set.id if isinstance(value_set, ValueSet) else value_set
        if other != self.value_set:
            fitting = [name for name in _register() if _register()[name]["value_set"] == other]
            instead = f"use {' or '.join(map(repr, fitting))}" if fitting else f"there are none on {other!r} here"
            raise SpecError(
                f"the norms {self.id!r} are on the value set {self.value_set!r} and the index is on {other!r}: means "
                f"on two value sets cannot be compared; {instead}, or score the profiles with {self.value_set!r}"
            )

    def expected(self, age: ArrayLike, sex: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        """Give the norm of each person, NaN where age or sex is not known or lies outside the bands.

        Parameters
        ----------
        age : array_like of shape (n,)
            In years; the completed year counts.
        sex : array_like of shape (n,)
            ``"female"`` or ``"male"``.
        """
        years = np.floor(np.asarray(age, dtype=np.float64))
        words = np.asarray(sex, dtype=object)
        band = np.searchsorted(self.starts, years, side="right") - 1
        inside = ~np.isnan(years) & (band >= 0)
        inside &= years <= self.ends[np.where(inside, band, 0)]
        found = np.full(years.shape, np.nan)
        for place, name in enumerate(self.sexes):
            member = inside & (words == name)
            found[member] = self.means[place, band[member]]
        return found

    def table(self) -> Any:
        """Give the norms as a frame."""
        import pandas as pd

        rows = [
            {"sex": sex, "age_from": start, "age_to": end, "mean_index": self.means[place, band]}
            for place, sex in enumerate(self.sexes)
            for band, (start, end) in enumerate(zip(self.starts, self.ends, strict=True))
        ]
        return pd.DataFrame(rows).assign(survey=self.survey, value_set=self.value_set)


def list_population_norms() -> Any:
    """List the population norms there are, with survey, value set and citation.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> from impactkit.econ import list_population_norms
    >>> list_population_norms()[["id", "value_set"]]
                         id          value_set
    0  hse_2017_18_crosswalk  crosswalk_uk_2012
    1     hse_2017_18_copula  eepru_copula_2020
    2            hse_2012_14         uk_3l_1997
    3        hse_2014_aldvmm         uk_3l_1997
    """
    import pandas as pd

    return pd.DataFrame([{"id": name, **entry} for name, entry in _register().items()])


@cache
def load_population_norms(id: str) -> PopulationNorms:
    """Give the population norms of that name.

    Parameters
    ----------
    id : str
        For example ``"hse_2017_18_crosswalk"``.

    Raises
    ------
    SpecError
        If there are none of that name.

    Examples
    --------
    >>> from impactkit.econ import load_population_norms
    >>> load_population_norms("hse_2014_aldvmm").survey
    'Health Survey for England 2014'
    """
    known = _register()
    if id not in known:
        raise SpecError(
            f"there are no population norms {id!r}.{did_you_mean(id, list(known))} There are {', '.join(known)}"
        )
    rows = [row for row in _rows() if row["norms"] == id]
    sexes = tuple(sorted({row["sex"] for row in rows}))
    starts = sorted({float(row["age_from"]) for row in rows})
    ends = {float(row["age_from"]): float(row["age_to"] or "inf") for row in rows}
    cells = {(row["sex"], float(row["age_from"])): float(row["mean_index"]) for row in rows}
    means = np.array([[cells[sex, start] for start in starts] for sex in sexes])
    return PopulationNorms(
        id=id, sexes=sexes, starts=np.array(starts), ends=np.array([ends[start] for start in starts]), means=means,
        **known[id],
    )  # fmt: skip


@cache
def _rows() -> tuple[Mapping[str, str], ...]:
    text = (files(_HERE) / "population_norms.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def _register() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((files(_HERE) / "registry.toml").read_text(encoding="utf-8"))["norms"]
    return found
