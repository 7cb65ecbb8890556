"""The ledger of the published comparison: each known bias, its direction, and its size on the data in hand.

Sizes in weeks are signed: positive makes clients look quicker than a fair comparison would, negative slower. They are
not parts of one sum, but rows 2 and 3 together are what the adjusted norm exceeds a client's own expectation by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.signedrank import hodges_lehmann
from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.recorded import (
    curve_median,
    product_limit_median,
    recorded_median_after,
    weighted_median,
)
from impactkit.compute.survival.ties import later

if TYPE_CHECKING:
    from impactkit.data import Clients, StudyData
    from impactkit.estimators.norm_comparison import NormComparison
    from impactkit.estimators.published_norms import ClientNorms

__all__ = ["LEDGER", "Bias", "LedgerRow", "ledger_rows"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

QUICKER = "makes clients look quicker"
SLOWER = "makes clients look slower"
EITHER = "either way"
SURER = "makes the tests too sure"


@dataclass(frozen=True, slots=True)
class Bias:
    """One known bias.

    Parameters
    ----------
    title : str
        What is done.
    direction : str
        What it does to the published comparison.
    """

    title: str
    direction: str


LEDGER: dict[str, Bias] = {
    "returners": Bias("Only clients who returned are kept", QUICKER),
    "totals": Bias("Time since assessment is set against whole absences", QUICKER),
    "shift": Bias("Everybody is taken as assessed after the same four weeks", EITHER),
    "truncation": Bias("Only people still absent can be assessed", SLOWER),
    "norm_error": Bias("The norm is taken as known", SURER),
    "symmetry": Bias("The signed-rank test tests symmetry, not medians", EITHER),
    "case_mix": Bias("The norm of all diagnoses has another case mix", EITHER),
    "volunteers": Bias("Clients chose, or were chosen, to take part", EITHER),
    "window": Bias("The window of observation cuts control episodes", EITHER),
    "certificates": Bias("Certificates are not absence", EITHER),
    "exits": Bias("Absences also end otherwise than by a return to work", EITHER),
}
"""The known biases, in the order of the ledger."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One line of the ledger.

    Parameters
    ----------
    key : str
        Its bias in :data:`LEDGER`.
    term : str
        Names the row.
    size : float
        In ``unit``; NaN when it cannot be measured.
    unit : str
        The design's unit of time, or "proportion".
    n : float
        Clients, or control episodes, it rests on.
    said : str
        How it was measured, or why it was not.
    least : float
        For a share, the smaller of those counted and the others; NaN otherwise.
    """

    key: str
    term: str
    size: float
    unit: str
    n: float
    said: str
    least: float = float("nan")


def ledger_rows(
    spec: NormComparison, study: StudyData, people: Clients, norms: ClientNorms, member: Bools
) -> list[LedgerRow]:
    """Measure every bias on the clients of a population.

    Parameters
    ----------
    spec : NormComparison
    study : StudyData
    people : Clients
    norms : ClientNorms
    member : ndarray of bool, shape (n,)
        Clients of the population.

    Returns
    -------
    list of LedgerRow
        At least one for each key of :data:`LEDGER`.
    """
    ledger = _Ledger(spec, study, people, norms, member)
    return [row for key in LEDGER for row in getattr(ledger, f"_{key}")()]


class _Ledger:
    def __init__(
        self, spec: NormComparison, study: StudyData, people: Clients, norms: ClientNorms, member: Bools
    ) -> None:
        self.spec, self.study, self.people, self.norms, self.member = spec, study, people, norms, member
        self.unit = str(getattr(study.design, "time_unit", "weeks"))
        self.since = people.duration - people.entry
        timed = member & np.isfinite(self.since)
        back = timed & (people.returned == 1.0)
        self.known = timed & ~np.isnan(people.returned)
        self.tested = back & np.isfinite(norms.adjusted)
        self.whole_tested = back & np.isfinite(norms.complete)

    # --- rows ---------------------------------------------------------------------------------------------

    def _returners(self) -> Iterator[LedgerRow]:
        term = "returners only"
        back = self.known & (self.people.returned == 1.0)
        if not back.any():
            yield self._no("returners", term, "nobody returned")
            return
        curve = product_limit(self.since[self.known], self.people.returned[self.known] == 1.0)
        middle, lost = curve_median(curve), int(self.known.sum() - back.sum())
        if np.isfinite(middle):
            size = middle - float(np.median(self.since[back]))
            how = (
                f"median time from assessment of all clients ({lost} censored) less that of the {back.sum()} who "
                "returned"
            )
        else:
            size = float(curve.area(curve.last)) - float(self.since[back].mean())
            how = (
                f"mean time from assessment of all clients, to {curve.last:.1f} {self.unit} ({lost} censored; "
                f"fewer than half return, so there is no median), less that of the {back.sum()} who returned"
            )
        yield LedgerRow("returners", term, size, self.unit, float(self.known.sum()), how)

    def _totals(self) -> Iterator[LedgerRow]:
        term = "totals against time since assessment"
        if self.spec.reading == "adjusted_residual":
            yield LedgerRow(
                "totals", term, 0.0, self.unit, float(self.tested.sum()),
                "nothing under this reading: the adjusted norm is what is left after four weeks",
            )  # fmt: skip
            return
        yield LedgerRow(
            "totals", term, self.norms.shift, self.unit, float(self.tested.sum()),
            "the adjusted norm counts from the first day of absence, clients' time from assessment: the norm holds the "
            "four weeks that every one of its episodes had lasted",
        )  # fmt: skip

    def _shift(self) -> Iterator[LedgerRow]:
        term = "the same four weeks for everybody"
        own, missing = self._expected(self.tested)
        if own is None:
            yield self._no("shift", term, missing)
            return
        residual = self.norms.adjusted - (self.norms.shift if self.spec.reading == "adjusted_total" else 0.0)
        usable = self.tested & np.isfinite(own)
        size = float((residual - (own - self.people.entry))[usable].mean())
        yield LedgerRow(
            "shift", term, size, self.unit, float(usable.sum()),
            "median left after four weeks less the median left at each client's own time of assessment, mean over "
            f"clients tested{missing}",
        )  # fmt: skip

    def _truncation(self) -> Iterator[LedgerRow]:
        term = "still absent at assessment"
        own, missing = self._expected(self.whole_tested)
        if own is None:
            yield self._no("truncation", term, missing)
            return
        usable = self.whole_tested & np.isfinite(own)
        yield LedgerRow(
            "truncation", term, float((self.norms.complete - own)[usable].mean()), self.unit, float(usable.sum()),
            "the norm less the median whole length of control episodes that lasted beyond each client's own time of "
            f"assessment, mean over clients tested{missing}",
        )  # fmt: skip

    def _norm_error(self) -> Iterator[LedgerRow]:
        terms = ("norm taken as known, whole absence", "norm taken as known, after assessment")
        controls = self.norms.controls
        if controls is None or controls.practices is None or not self.whole_tested.any():
            why = "no client is compared with a norm"
            if controls is None or controls.practices is None:
                why = (
                    "the norms were typed in"
                    if controls is None
                    else "the design names no practice of control episodes"
                )
            for term in terms:
                yield self._no("norm_error", term, why)
            return
        strata = self._practices()
        means: list[list[tuple[float, float]]] = []
        for practices in strata:
            parts = [self.norms.without(controls.practices.codes != practice) for practice in practices]
            means.append([(self._mean_norm(part.complete, 0), self._mean_norm(part.adjusted, 1)) for part in parts])
        for place, term in enumerate(terms):
            values = [np.array(stratum)[:, place] for stratum in means]
            if min(len(stratum) for stratum in strata) < 2:
                yield self._no("norm_error", term, "all control episodes of an area come from one practice")
                continue
            if not all(np.isfinite(stratum).all() for stratum in values):
                yield self._no("norm_error", term, "without one of the practices some client has no norm at all")
                continue
            squares = [(v.size - 1) / v.size * float(((v - v.mean()) ** 2).sum()) for v in values]
            number = sum(v.size for v in values)
            yield LedgerRow(
                "norm_error", term, float(np.sqrt(sum(squares))), self.unit, float(controls.stop.size),
                f"standard error of the mean norm of clients tested, leaving out each of {number} practices in turn",
            )  # fmt: skip

    def _practices(self) -> list[NDArray[np.int32]]:
        """Give the practices of each area; all together if a practice is in several."""
        controls = self.norms.controls
        assert controls is not None
        assert controls.practices is not None
        codes, places = controls.practices.codes, self.norms.control_places
        wanted = np.isin(places, self.norms.places[self.whole_tested])
        found = [np.unique(codes[wanted & (places == place)]) for place in np.unique(places[wanted])]
        together = np.unique(codes[wanted])
        return found if found and sum(map(len, found)) == len(together) else [together]

    def _symmetry(self) -> Iterator[LedgerRow]:
        for words, norm, tested, length in (
            ("whole absence", self.norms.complete, self.whole_tested, self.people.duration),
            ("after assessment", self.norms.adjusted, self.tested, self.since),
        ):
            term = f"symmetry, not medians, {words}"
            if not tested.any():
                yield self._no("symmetry", term, "no client is compared with a norm")
                continue
            gap = (length - norm)[tested]
            size = float(np.median(gap)) - hodges_lehmann(gap, conf_level=0.95).estimate
            yield LedgerRow(
                "symmetry", term, size, self.unit, float(gap.size),
                "median difference from the own norm less the centre that the signed-rank test tests"
                f"{_skewness(gap)}",
            )  # fmt: skip

    def _case_mix(self) -> Iterator[LedgerRow]:
        controls = self.norms.controls
        for words, tested, after, whole in (
            ("whole absence", self.whole_tested, 0.0, self.norms.whole_complete),
            ("after assessment", self.tested, self.norms.shift, self.norms.whole_adjusted),
        ):
            term = f"case mix, {words}"
            if controls is None or not tested.any():
                why = (
                    "there are no control episodes to weight"
                    if controls is None
                    else "no client is compared with a norm"
                )
                yield self._no("case_mix", term, why)
                continue
            less = self.norms.shift if after and self.spec.reading == "adjusted_residual" else 0.0
            mixed = np.full(whole.size, np.nan)
            for place in np.unique(self.norms.places[tested]):
                here = tested & (self.norms.places == place)
                mixed[here] = self._mixed(here, int(place), after) - less
            usable = tested & np.isfinite(mixed) & np.isfinite(whole)
            if not usable.any():
                yield self._no("case_mix", term, "no control episodes are long enough")
                continue
            yield LedgerRow(
                "case_mix", term, float((whole - mixed)[usable].mean()), self.unit, float(usable.sum()),
                "norm over all control episodes less the norm of episodes weighted to the clients' diagnoses; bears on "
                'the row "all recorded diagnoses" only',
            )  # fmt: skip

    def _volunteers(self) -> Iterator[LedgerRow]:
        yield self._no(
            "volunteers", "volunteers", "nothing is known of people who were offered the service and stayed away"
        )

    def _window(self) -> Iterator[LedgerRow]:
        controls = self.norms.controls
        terms = ("window, share of control episodes open", "window, whole absence", "window, after assessment")
        if controls is None:
            for term in terms:
                yield self._no("window", term, "the norms were typed in")
            return
        yield LedgerRow(
            "window", terms[0], float((~controls.ended).mean()), "proportion", float(controls.stop.size),
            "share of control episodes still open when observation stopped, which the norm takes as ended",
            least=float(min(controls.ended.sum(), (~controls.ended).sum())),
        )  # fmt: skip
        for term, tested, after, norm in (
            (terms[1], self.whole_tested, 0.0, self.norms.complete),
            (terms[2], self.tested, self.norms.shift, self.norms.adjusted),
        ):
            less = self.norms.shift if after and self.spec.reading == "adjusted_residual" else 0.0
            known = np.full(norm.size, np.nan)
            for code in np.unique(self.people.cells.codes[tested]):
                inside = controls.cells.codes == code
                here = tested & (self.people.cells.codes == code)
                known[here] = product_limit_median(
                    controls.stop[inside], controls.ended[inside], controls.start[inside], after=after
                ) - less  # fmt: skip
            usable = tested & np.isfinite(known)
            if not usable.any():
                yield self._no("window", term, "no curve of control episodes comes down to a half")
                continue
            short = int(tested.sum() - usable.sum())
            yield LedgerRow(
                "window", term, float((norm - known)[usable].mean()), self.unit, float(usable.sum()),
                "norm of recorded lengths less the product-limit median, mean over clients tested: episodes still open "
                "shorten the norm, those that were running at the start lengthen it"
                + (f"; not known for {short} clients" if short else ""),
            )  # fmt: skip

    def _certificates(self) -> Iterator[LedgerRow]:
        offset = getattr(getattr(self.study.design, "controls", None), "offset_days", 0)
        added = (
            f"{offset} days before the first certificate are added to control episodes by the design; "
            if offset
            else "no days before the first certificate are added (seven are self-certified); "
        )
        unknown = (
            "whether people were absent on certified days, and whether 'may be fit' meant work, is not in the data"
        )
        yield self._no("certificates", "certificates are not absence", added + unknown)

    def _exits(self) -> Iterator[LedgerRow]:
        term = "other exits"
        if self.spec.exit is None:
            yield self._no("exits", term, "no column of why an absence ended is named (`exit`)")
            return
        factor = self.study.factor(self.spec.exit)
        said = self.member & (factor.codes >= 0) & ~np.isin(factor.codes, [
            code for code, label in enumerate(factor.labels) if not label.strip()
        ])  # fmt: skip
        if not said.any():
            yield self._no("exits", term, f"`{self.spec.exit}` is empty for everybody")
            return
        work = [code for code, label in enumerate(factor.labels) if label == str(self.spec.exit_to_work)]
        other = ~np.isin(factor.codes[said], work)
        yield LedgerRow(
            "exits", term, float(other.mean()), "proportion", float(said.sum()),
            f"share of clients' known exits other than to {self.spec.exit_to_work}; not known of control episodes",
            least=float(min(other.sum(), (~other).sum())),
        )  # fmt: skip

    # --- parts --------------------------------------------------------------------------------------------

    def _no(self, key: str, term: str, why: str) -> LedgerRow:
        unit = "proportion" if key == "exits" or "share" in term else self.unit
        return LedgerRow(
            key, term, np.nan, unit, float(self.member.sum()), f"not measurable here: {why or 'no clients'}"
        )

    def _mean_norm(self, norm: Floats, which: int) -> float:
        tested = self.tested if which else self.whole_tested
        return float(norm[tested].mean()) if tested.any() else float("nan")

    def _expected(self, tested: Bools) -> tuple[Floats | None, str]:
        """Give the median recorded length of control episodes that outlast each client's own time of assessment."""
        controls = self.norms.controls
        if controls is None or not tested.any():
            return None, "the norms were typed in" if controls is None else "no client is compared with a norm"
        found = np.full(self.people.entry.size, np.nan)
        for code in np.unique(self.people.cells.codes[tested]):
            here = tested & (self.people.cells.codes == code)
            found[here] = recorded_median_after(controls.stop[controls.cells.codes == code], self.people.entry[here])
        short = int((tested & np.isnan(found)).sum())
        if short == int(tested.sum()):
            return None, "no control episode lasted as long as any client had at assessment"
        return found, f"; for {short} clients no control episode lasted so long" if short else ""

    def _mixed(self, here: Bools, place: int, after: float) -> float:
        """Give the median of the control episodes of an area, weighted to its clients' cells."""
        controls = self.norms.controls
        assert controls is not None
        codes = controls.cells.codes
        inside = (self.norms.control_places == place) & later(controls.stop, after)
        cells = len(controls.cells.labels)
        wanted = np.bincount(self.people.cells.codes[here], minlength=cells).astype(np.float64)
        there = np.bincount(codes[inside], minlength=cells)
        weight = np.divide(wanted, there, out=np.zeros(cells), where=there > 0)[codes[inside]]
        if not weight.any():
            return float("nan")
        return weighted_median(controls.stop[inside][weight > 0], weight[weight > 0])


def _skewness(values: Floats) -> str:
    spread = float(values.std())
    if values.size < 3 or spread == 0.0:
        return ""
    return f"; skewness of the differences {float(((values - values.mean()) ** 3).mean()) / spread**3:.2f}"
