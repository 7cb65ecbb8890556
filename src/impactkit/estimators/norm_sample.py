"""The clients of one population as a comparison with a norm reads them, with every exclusion counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from impactkit.compute.survival.conditional import ConditionalNorm, conditional_norm
from impactkit.compute.survival.small_sample import Correction, correction, leverage_df
from impactkit.compute.survival.ties import later, upto
from impactkit.compute.survival.two_sources import Groups, client_groups, practice_groups
from impactkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from impactkit.data import ControlData, StudyData
    from impactkit.design import NormDesign

__all__ = [
    "OUTCOME", "ClientSample", "Norms", "ReturnDate", "UnknownRule", "draw_clients", "glance_row", "missing_norms",
    "number", "of_population", "read_norms", "time_unit",
]  # fmt: skip

OUTCOME = "return to work"

MOST_CELLS = 12
"""Cells listed in one sentence."""

RARE = 0.05
"""A chance of a known outcome below this is said."""

UnknownRule = Literal["censored", "returned", "absent", "ipcw"]
ReturnDate = Literal["latest", "middle", "earliest"]


@dataclass(frozen=True, slots=True, eq=False)
class ClientSample:
    """The clients one estimate rests on.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Their places in the person table.
    entry, since : ndarray of shape (n,)
        Time absent at assessment, and from there to return or last contact.
    back : ndarray of bool, shape (n,)
    weights : ndarray of shape (n,)
        The design's weights, 1 without any.
    watched : ndarray of shape (n,)
        Weights of the observed side: those of clients with a known outcome are larger under ``"ipcw"``, and those
        of the others 0.
    cells : ndarray of shape (n,)
    clusters : ndarray of shape (n,) or None
    counts : dict
        The ``n_…`` columns of ``glance()``.
    remarks : tuple of str
    """

    rows: NDArray[np.int64]
    entry: NDArray[np.float64]
    since: NDArray[np.float64]
    back: NDArray[np.bool_]
    weights: NDArray[np.float64]
    watched: NDArray[np.float64]
    cells: NDArray[np.int32]
    clusters: NDArray[np.int32] | None
    counts: dict[str, int]
    remarks: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of clients."""
        return self.rows.size

    @property
    def groups(self) -> Groups:
        """Who varies together: persons, or the design's clusters."""
        return client_groups(self.n, self.clusters)

    def only(self, kept: NDArray[np.bool_], *said: str) -> ClientSample:
        """Keep some clients, with what is to be said about it."""
        counts = {**self.counts, "n_analysed": int(kept.sum()), "n_treated": int(kept.sum())}
        counts["n_not_eligible"] += int((~kept).sum())
        return ClientSample(
            self.rows[kept],
            self.entry[kept],
            self.since[kept],
            self.back[kept],
            self.weights[kept],
            self.watched[kept],
            self.cells[kept],
            None if self.clusters is None else self.clusters[kept],
            counts,
            (*self.remarks, *said),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Norms:
    """The norms of a study, made once and read for every population.

    Parameters
    ----------
    controls : ControlData
    groups : Groups
        The episodes by practice.
    by_cell, corrections : dict
        Made when first asked for.
    """

    controls: ControlData
    groups: Groups
    by_cell: dict[int, ConditionalNorm] = field(default_factory=dict)
    corrections: dict[int, Correction] = field(default_factory=dict)

    def of(self, cell: int) -> ConditionalNorm:
        """Give the norm of a cell."""
        if cell not in self.by_cell:
            inside = self.controls.cells.codes == cell
            self.by_cell[cell] = conditional_norm(
                self.controls.start[inside], self.controls.stop[inside], self.controls.ended[inside]
            )
        return self.by_cell[cell]

    def values(self, steps: Mapping[int, NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give what each control episode contributes to a quantity, corrected, and each set's degrees of freedom.

        Parameters
        ----------
        steps : mapping of int to ndarray
            For each cell, by how much the quantity moves with the ends at each time of its norm.

        Returns
        -------
        values : ndarray of shape (m,)
            NaN where the groups tell nothing of a variance that is not 0.
        df : ndarray of shape (s,)

        Notes
        -----
        Variance at times at which one practice alone is at risk cannot be seen between practices. It is taken to be
        there in proportion: values of the set are multiplied by the root of all working variance over what is seen.
        """
        sets, codes = self.groups.sizes.size, self.controls.cells.codes
        values, unseen = np.zeros(codes.size), np.zeros(sets)
        of_group: list[NDArray[np.int64]] = []
        working: list[NDArray[np.float64]] = []
        home: list[NDArray[np.int64]] = []
        for cell, step in steps.items():
            inside = np.flatnonzero(codes == cell)
            found = self._correction(cell, inside).contributions(step)
            values[inside] = found.values
            place = int(self.groups.stratum[inside[0]])
            unseen[place] += found.unseen
            of_group.append(self.corrections[cell].groups)
            working.append(found.working)
            home.append(np.full(found.working.size, place, dtype=np.int64))
        groups, back = np.unique(np.concatenate(of_group), return_inverse=True)
        back = back.reshape(-1)
        variance = np.bincount(back, weights=np.concatenate(working))
        stratum = np.zeros(groups.size, dtype=np.int64)
        stratum[back] = np.concatenate(home)
        df = np.full(sets, np.nan)
        factor = np.ones(sets)
        for place in range(sets):
            own = variance[stratum == place]
            total = float(own.sum())
            if total <= 0.0:
                factor[place] = np.nan if unseen[place] > 0 else 1.0
                continue
            factor[place] = np.sqrt((total + unseen[place]) / total)
            share = own / total
            df[place] = leverage_df(share, share)
            if self.groups.codes is not None and not self.groups.alone[place]:
                df[place] = min(df[place], leverage_df(share, share**2))
        return values * factor[self.groups.stratum], df

    def _correction(self, cell: int, inside: NDArray[np.intp]) -> Correction:
        if cell not in self.corrections:
            grouped = self.groups.codes is not None and not self.groups.alone[self.groups.stratum[inside[0]]]
            codes = inside if self.groups.codes is None else self.groups.codes[inside]
            self.corrections[cell] = correction(self.of(cell), codes if grouped else None, codes)
        return self.corrections[cell]

    def label(self, cell: int) -> str:
        """Name a cell."""
        return self.controls.cells.labels[cell]

    def remarks(self) -> list[str]:
        """Say how the norm's uncertainty was taken."""
        said = list(self.controls.notes)
        if self.controls.practices is None:
            said.append(
                "the design names no practice of the control episodes: they were taken as independent, and the "
                "interval is too narrow if practices differ"
            )
        elif self.groups.alone.any():
            said.append(
                f"{int(self.groups.alone.sum())} of {self.groups.alone.size} sets of norms come from one practice: its "
                "episodes were taken as independent, and the interval is too narrow if practices differ"
            )
        return said


def read_norms(controls: ControlData) -> Norms:
    """Group the control episodes by practice; the norms themselves are made when a population asks."""
    practices = None if controls.practices is None else controls.practices.codes
    return Norms(controls, practice_groups(controls.cells.codes, practices))


def missing_norms(samples: Iterable[ClientSample], norms: Norms, study: StudyData) -> list[str]:
    """Name, once, the cells that clients of any population are in and no control episode is."""
    from impactkit.data.controls import control_table, unmatched_labels

    codes = norms.controls.cells.codes
    counts = np.bincount(codes[codes >= 0], minlength=len(norms.controls.cells.labels))
    lacking: dict[int, int] = {}
    for sample in samples:
        for cell in np.unique(sample.cells).tolist():
            if not counts[cell]:
                lacking[cell] = max(lacking.get(cell, 0), int((sample.cells == cell).sum()))
    if not lacking:
        return []
    clients = sum(lacking.values())
    most = sorted(lacking, key=lambda cell: (-lacking[cell], cell))[:MOST_CELLS]
    listed = "; ".join(f"{norms.label(cell)} ({lacking[cell]:,} clients)" for cell in sorted(most))
    if 2 * len(lacking) > max(clients, 2 * MOST_CELLS):
        listed = (
            f"{len(lacking):,} cells of {clients:,} clients: a column of groups is needed, and this tells them apart"
        )
    elif len(lacking) > len(most):
        listed += (
            f"; {len(lacking) - len(most):,} more cells ({clients - sum(lacking[cell] for cell in most):,} clients)"
        )
    return [
        f"every client needs control episodes of the same `norm_by` cell, and there are none for {listed}: give "
        "episodes for them, declare fewer or wider `norm_by` columns, or a population without them",
        *unmatched_labels(study, control_table(study)),
    ]


def draw_clients(
    study: StudyData,
    population: str,
    *,
    unknown: UnknownRule = "censored",
    known_by: tuple[str, ...] = (),
    still_absent_at: str | None = None,
    return_date: ReturnDate = "latest",
    horizon: float = np.inf,
) -> ClientSample:
    """Read the clients of a population.

    Parameters
    ----------
    study : StudyData
    population : str
    unknown : {"censored", "returned", "absent", "ipcw"}
        What a client whose outcome is not known counts as: still absent at the last contact and not watched beyond;
        returned then; still absent to the horizon; or stood for by clients like them whose outcome is known.
    known_by : tuple of str
        For ``"ipcw"``: columns that a known outcome may depend on, besides elapsed time at assessment.
    still_absent_at : str, optional
        Column of the last contact at which a client who returned was still absent.
    return_date : {"latest", "middle", "earliest"}
        When between that contact and the recorded return the return is taken to be.
    horizon : float

    Raises
    ------
    DataError
        With every problem: nobody in the population, a negative or missing weight, a contact before assessment.
    """
    from impactkit.data.controls import clients

    design: NormDesign = study.design  # type: ignore[assignment]  # clients() refuses any other
    read = clients(study)
    member = study.population(population)
    who = "clients" if population == "all" else f'clients of population "{population}"'
    assigned = int(member.sum())
    weights = np.ones(study.n) if design.weights is None else study.numeric(design.weights)
    problems, remarks = [], []
    if not assigned:
        problems.append(f"there should be some {who}; found none: correct its `where`")
    bad = int((member & ~(weights >= 0)).sum())
    if bad:
        problems.append(
            f"weight column `{design.weights}` should be known and not negative for everybody; it is not for {bad:,} "
            f"of {assigned:,} {who}: correct it"
        )
    no_entry, no_cell = member & np.isnan(read.entry), member & ~np.isnan(read.entry) & (read.cells.codes < 0)
    for lacking, what in ((no_entry, f"`{design.entry}`"), (no_cell, "a `norm_by` column")):
        if lacking.any():
            remarks.append(f"{int(lacking.sum()):,} of {assigned:,} clients have {what} empty and were left out")
    zero = member & (weights == 0)
    same = member & ~no_entry & ~no_cell & upto(read.duration, read.entry) & (read.returned == 1.0)
    if same.any():
        remarks.append(
            f"{int(same.sum()):,} of {assigned:,} clients returned on the day of assessment (`{design.entry}` equals "
            f"`{design.duration}`) and were left out: the norm is of absences that go on after it, and theirs did not"
        )
    usable = member & ~no_entry & ~no_cell & ~zero & ~same
    if assigned and not bad and not usable.any():
        problems.append(
            f"none of {assigned:,} {who} has an entry time, a norm, a weight above 0 and time after assessment: fill "
            "them in"
        )
    if problems:
        raise DataError(problems)
    rows = np.flatnonzero(usable)
    entry = read.entry[rows]
    no_date = np.isnan(read.duration[rows])
    since = np.where(no_date, 0.0, read.duration[rows] - entry)
    returned = np.where(no_date, np.nan, read.returned[rows])
    back = returned == 1.0
    dated = _dated(study, design, rows, entry, since, back, still_absent_at, return_date)
    unseen = np.isnan(returned)
    watched = weights[rows].copy()
    if no_date.any():
        remarks.append(
            f"{int(no_date.sum()):,} of {rows.size:,} clients have `{design.duration}` empty: their outcome counts as "
            "not known, and assessment as the last contact"
        )
    if unseen.any():
        if unknown == "returned":
            back = back | unseen
        elif unknown == "absent":
            dated = np.where(unseen, np.maximum(dated, horizon), dated)
        elif unknown == "ipcw":
            factor, alone = _inverse_known(study, rows, entry, ~unseen, known_by, who)
            watched = watched * factor
            remarks.append(
                f"the weight of a client with a known outcome is at most {factor.max():.1f}, as if the observed curve "
                f"rested on {watched.sum() ** 2 / (watched**2).sum():,.0f} clients"
            )
            if alone:
                remarks.append(
                    f"{alone:,} of {int(unseen.sum()):,} clients with no known outcome have hardly anybody like them "
                    f"with a known one (a chance below {RARE:.0%}): nobody stands for them; "
                    "name fewer `known_by` columns"
                )
        said = {
            "censored": "still absent at the last contact, and not watched beyond. This is right if contact broke off "
            "at some moment whoever was then absent, and not if it is those who stay absent whose outcome is missing",
            "returned": "returned at the last contact (the best case)",
            "absent": "still absent at the horizon (the worst case)",
            "ipcw": "stood for by clients like them whose outcome is known, weighted up. This is right if an outcome "
            "is missing for reasons the `known_by` columns and the time at assessment tell, and not if contact broke "
            "off at some moment: long absences are then the ones not seen to end, and weeks saved comes out too large",
        }
        remarks.append(f"{int(unseen.sum()):,} of {rows.size:,} clients have no known outcome: {said[unknown]}")
    early = int((upto(dated, 0.0) & ~back & ~unseen).sum())
    if early:
        remarks.append(
            f"{early:,} of {rows.size:,} clients were last seen on the day of assessment: they say nothing of return"
        )
    counts = {
        "n_assigned": assigned,
        "n_analysed": rows.size,
        "n_treated": rows.size,
        "n_control": 0,
        "n_missing_outcome": int(unseen.sum()),
        "n_missing_covariates": int((no_entry | no_cell).sum()),
        "n_not_eligible": int((same & ~zero).sum()),
        "n_zero_weight": int((zero & ~no_entry & ~no_cell).sum()),
        "n_dropped_strata": 0,
    }
    return ClientSample(
        rows,
        entry,
        dated,
        back,
        weights[rows],
        watched,
        read.cells.codes[rows],
        None if study.clusters is None else study.clusters[rows],
        counts,
        tuple(remarks),
    )


def _dated(
    study: StudyData,
    design: NormDesign,
    rows: NDArray[np.int64],
    entry: NDArray[np.float64],
    since: NDArray[np.float64],
    back: NDArray[np.bool_],
    still_absent_at: str | None,
    return_date: ReturnDate,
) -> NDArray[np.float64]:
    """Move returns within the interval between the last contact in absence and the recorded return."""
    if still_absent_at is None or return_date == "latest":
        return since
    contact = study.numeric(still_absent_at)[rows] - entry
    known = back & ~np.isnan(contact)
    wrong = int((known & (later(0.0, contact) | later(contact, since))).sum())
    if wrong:
        raise DataError(
            [
                f"`{still_absent_at}` should lie between `{design.entry}` and `{design.duration}`, and does not for "
                f"{wrong:,} of {int(known.sum()):,} clients who returned: all three count from the first day of "
                "absence; correct them"
            ]
        )
    earlier = contact if return_date == "earliest" else (contact + since) / 2
    moved: NDArray[np.float64] = np.where(known, earlier, since)
    return moved


def _inverse_known(
    study: StudyData,
    rows: NDArray[np.int64],
    entry: NDArray[np.float64],
    known: NDArray[np.bool_],
    known_by: tuple[str, ...],
    who: str,
) -> tuple[NDArray[np.float64], int]:
    """Give 1 / P(known) for clients with a known outcome and 0 for the others; how many of these are like nobody."""
    from impactkit.compute.logistic import fit_logistic

    if not known.any():
        raise DataError([f"none of {known.size:,} {who} has a known outcome: they cannot be weighted up"])
    covariates = study.covariates(known_by).matrix[rows] if known_by else np.zeros((rows.size, 0))
    gaps = int(np.isnan(covariates).any(axis=1).sum())
    if gaps:
        raise DataError(
            [
                f"`known_by` columns should be filled for all {known.size:,} {who}; found a gap in {gaps:,}: fill "
                "them, or name other columns"
            ]
        )
    matrix = np.column_stack([np.ones(rows.size), entry, covariates])
    chance = fit_logistic(X=matrix, y=known.astype(np.float64)).probability
    weight: NDArray[np.float64] = np.where(known, 1.0 / np.maximum(chance, 1e-12), 0.0)
    return weight, int((~known & (chance < RARE)).sum())


def glance_row(
    name: str, kind: str, study: StudyData, sample: ClientSample, norms: Norms, population: str, *, method: str,
    estimand: str, df: float, conf_level: float, missing_rule: str,
) -> dict[str, object]:  # fmt: skip
    """Fill the glance row of an analysis of clients against a norm."""
    cells = np.unique(sample.cells)
    used = int(np.isin(norms.controls.cells.codes, cells).sum())
    errors = "clients" if study.design.clusters is None else f"clients by {study.design.clusters}"
    errors += ", norm by practice" if norms.controls.practices is not None else ", norm by episode"
    return {
        "analysis": name,
        "outcome": OUTCOME,
        "population": population,
        "kind": kind,
        "estimand": estimand,
        "method": method,
        "inference": errors,
        "evidence": study.design.evidence,
        **sample.counts,
        "n_control": used,
        "clusters": None if sample.clusters is None else int(np.unique(sample.clusters).size),
        "missing_rule": missing_rule,
        "weights": study.design.weights or "none",
        "effective_n": float(sample.weights.sum() ** 2 / (sample.weights**2).sum()),
        "conf_level": conf_level,
        "design_df": df,
        "independence_assumed": False,
    }


def of_population(said: Iterable[str], population: str, samples: Mapping[str, ClientSample]) -> list[str]:
    """Say whose remarks these are, where there are several populations."""
    return [f"{population}: {reason}" for reason in said] if len(samples) > 1 else list(said)


def number(value: float) -> str:
    """Print a time in words."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def time_unit(study: StudyData) -> str:
    """Give the unit of every time of a norm design."""
    return str(getattr(study.design, "time_unit", "weeks"))
