"""The norm of each client, as the published method makes it: medians of recorded episodes, or typed figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from impactkit.compute.survival.recorded import medians_by_cell
from impactkit.compute.survival.ties import later
from impactkit.data import ControlData, control_episodes
from impactkit.data.columns import Factor
from impactkit.data.controls import DAYS_A_WEEK, Clients
from impactkit.data.norms import cell_label, label_values
from impactkit.design import NormDesign, Spec
from impactkit.errors import DataError, SpecError, did_you_mean

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["ALL_RECORDED", "ClientNorms", "NormReading", "NormValue", "client_norms", "in_unit", "medians_of"]

Floats = NDArray[np.float64]
NormReading = Literal["adjusted_total", "adjusted_residual"]
Positive = Annotated[float, Field(strict=True, gt=0.0)]

ALL_RECORDED = "all recorded diagnoses"


class NormValue(Spec):
    """A published norm of one cell, typed in.

    Parameters
    ----------
    cell : str
        The cell as the results name it: ``"area=north, diagnosis=back"``. The norm over all diagnoses of an area is
        ``"area=north"``, of everybody ``"all"``.
    complete, adjusted : float
        The norm, and the adjusted norm, in the design's time unit.
    """

    cell: str = Field(min_length=1)
    complete: Positive
    adjusted: Positive


@dataclass(frozen=True, slots=True, eq=False)
class ClientNorms:
    """Norms of clients, in the design's time unit.

    Parameters
    ----------
    complete, adjusted : ndarray of shape (n,)
        The norm of each client's own cell; NaN without one.
    whole_complete, whole_adjusted : ndarray of shape (n,)
        The norm over all episodes of the client's area.
    controls : ControlData or None
        The episodes behind them; ``None`` for typed norms.
    cells : Factor
        The clients' cells.
    places, control_places : ndarray of integers
        Area of each client, and of each control episode, by number; −1 without one.
    shift : float
        The adjusted norm is over episodes longer than this.
    reading : str
    notes : tuple of str
    """

    complete: Floats
    adjusted: Floats
    whole_complete: Floats
    whole_adjusted: Floats
    controls: ControlData | None
    cells: Factor
    places: NDArray[np.int64]
    control_places: NDArray[np.int64]
    shift: float
    reading: NormReading
    notes: tuple[str, ...] = ()

    def without(self, keep: NDArray[np.bool_]) -> ClientNorms:
        """Give the norms made from some of the control episodes."""
        assert self.controls is not None
        part = replace(
            self.controls,
            units=self.controls.units[keep],
            start=self.controls.start[keep],
            stop=self.controls.stop[keep],
            ended=self.controls.ended[keep],
            cells=Factor(self.controls.cells.codes[keep], self.controls.cells.labels),
            practices=None,
        )
        return _filled(replace(self, controls=part, control_places=self.control_places[keep]))


def in_unit(weeks: float, design: NormDesign) -> float:
    """Give a number of weeks in the design's unit of time."""
    return weeks * (1.0 if design.time_unit == "weeks" else DAYS_A_WEEK)


def medians_of(
    stop: Floats, codes: NDArray[np.integer], cells: int, *, shift: float, reading: NormReading
) -> tuple[Floats, Floats]:
    """Give the norm and the adjusted norm of each cell from recorded lengths, each of shape (cells,)."""
    long = later(stop, shift)
    adjusted = medians_by_cell(stop[long], codes[long], cells)
    return medians_by_cell(stop, codes, cells), adjusted - (shift if reading == "adjusted_residual" else 0.0)


def client_norms(
    study: StudyData,
    people: Clients,
    *,
    by: str | None,
    shift_weeks: float,
    reading: NormReading,
    norms: tuple[NormValue, ...],
) -> ClientNorms:
    """Give every client a norm.

    Parameters
    ----------
    study : StudyData
    people : Clients
    by : str or None
        The column of ``norm_by`` that is not an area: the norm over all diagnoses runs over its values.
    shift_weeks : float
    reading : {"adjusted_total", "adjusted_residual"}
    norms : tuple of NormValue
        Typed norms, in place of the design's controls.

    Raises
    ------
    SpecError
        If there are neither controls nor norms, or a typed cell is unknown.
    DataError
        If no client has a norm.
    """
    design = study.design
    assert isinstance(design, NormDesign)
    controls = None if norms else control_episodes(study)
    labels = people.cells.labels if controls is None else controls.cells.labels
    place_of, place_names = _places(labels, design.norm_by, by)
    nowhere = np.append(place_of, -1)
    empty = np.full(people.cells.codes.size, np.nan)
    made = ClientNorms(
        empty, empty, empty, empty, controls, people.cells,
        places=nowhere[people.cells.codes],
        control_places=np.zeros(0, dtype=np.int64) if controls is None else nowhere[controls.cells.codes],
        shift=in_unit(shift_weeks, design),
        reading=reading,
    )  # fmt: skip
    if controls is None:
        made = _typed(made, norms, place_names)
    else:
        made = _filled(made)
        stray = int((controls.cells.codes >= len(people.cells.labels)).sum())
        said = list(controls.notes)
        if stray:
            said.append(
                f"{stray:,} of {controls.stop.size:,} control episodes are of a cell without clients: they count in "
                f'the norm of "{ALL_RECORDED}" only'
            )
        if controls.start.any():
            said.append(
                f"{int((controls.start > 0).sum()):,} of {controls.stop.size:,} control episodes were running when "
                "observation began; the published norm counts them with their whole length"
            )
        if not controls.ended.all():
            said.append(
                f"{int((~controls.ended).sum()):,} of {controls.stop.size:,} control episodes were still open when "
                "observation stopped; the published norm takes them as ended then (see the ledger)"
            )
        made = replace(made, notes=tuple(said))
    used = np.unique(people.cells.codes[people.cells.codes >= 0])
    per_cell = np.full(len(people.cells.labels), np.nan)
    per_cell[people.cells.codes[people.cells.codes >= 0]] = made.complete[people.cells.codes >= 0]
    bare = [people.cells.labels[code] for code in used if np.isnan(per_cell[code])]
    if len(bare) == len(used):
        raise DataError(
            [
                "a norm was expected for the clients' cells, and none has one: "
                f"{'no control episodes' if controls is not None else 'no typed norm'} for {'; '.join(bare[:8])}. "
                "Check that the controls have the same words in `norm_by` as the clients"
            ]
        )
    if bare:
        left = int(np.isin(people.cells.codes, [people.cells.labels.index(label) for label in bare]).sum())
        said_bare = (
            f"{left:,} clients belong to cells without a norm and are in no comparison with one: {'; '.join(bare[:8])}"
        )
        made = replace(made, notes=(*made.notes, said_bare))
    return made


def _filled(norms: ClientNorms) -> ClientNorms:
    """Fill in norms from the control episodes."""
    controls = norms.controls
    assert controls is not None
    cells, places = len(controls.cells.labels), int(norms.control_places.max(initial=-1)) + 1
    places = max(places, int(norms.places.max(initial=-1)) + 1)
    own = medians_of(controls.stop, controls.cells.codes, cells, shift=norms.shift, reading=norms.reading)
    whole = medians_of(controls.stop, norms.control_places, places, shift=norms.shift, reading=norms.reading)
    codes, areas = norms.cells.codes, norms.places
    complete, adjusted = (np.append(values, np.nan)[codes] for values in own)
    whole_complete, whole_adjusted = (np.append(values, np.nan)[areas] for values in whole)
    return replace(
        norms, complete=complete, adjusted=adjusted, whole_complete=whole_complete, whole_adjusted=whole_adjusted
    )


def _typed(norms: ClientNorms, given: tuple[NormValue, ...], place_names: tuple[str, ...]) -> ClientNorms:
    known = (*norms.cells.labels, *place_names)
    wrong = [value.cell for value in given if value.cell not in known]
    if wrong:
        hint = did_you_mean(wrong[0], known)
        raise SpecError(
            f"`norms` names cells that no client has: {'; '.join(wrong[:8])}.{hint} Cells: {'; '.join(known[:20])}"
        )
    table = {value.cell: value for value in given}
    nothing = (np.nan, np.nan)

    def numbers(labels: tuple[str, ...], codes: NDArray[np.integer]) -> tuple[Floats, Floats]:
        pairs = [(table[name].complete, table[name].adjusted) if name in table else nothing for name in labels]
        pairs.append(nothing)
        values = np.array(pairs)[codes]
        return values[:, 0], values[:, 1]

    complete, adjusted = numbers(norms.cells.labels, norms.cells.codes)
    whole_complete, whole_adjusted = numbers(place_names, norms.places)
    said = ["the norms were typed in: nothing is known of the episodes behind them"]
    odd = [value.cell for value in given if value.adjusted < value.complete]
    if odd and norms.reading == "adjusted_total":
        said.append(
            "an adjusted norm below the norm cannot be a median of whole lengths of longer episodes: "
            f"{'; '.join(odd)}. "
            'The reading "adjusted_residual" is possible'
        )
    return replace(
        norms,
        complete=complete,
        adjusted=adjusted,
        whole_complete=whole_complete,
        whole_adjusted=whole_adjusted,
        notes=tuple(said),
    )


def _places(
    labels: tuple[str, ...], norm_by: tuple[str, ...], by: str | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give the area of each cell: its label without the diagnosis."""
    if not norm_by:
        return np.zeros(len(labels), dtype=np.int64), ("all",)
    names = []
    for label in labels:
        values = label_values(norm_by, label)
        names.append(cell_label(norm_by, [None if name == by else v for name, v in zip(norm_by, values, strict=True)]))
    distinct = tuple(dict.fromkeys(names))
    return np.array([distinct.index(name) for name in names], dtype=np.int64), distinct
