"""Cost per client and break-even as analyses of a plan, so that a first run reaches pounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, RowRef, weakest_evidence
from impactkit.design import Spec
from impactkit.design.base import Probability
from impactkit.econ.breakeven import break_even_days, break_even_weeks, net_benefit
from impactkit.econ.costs import cost_per_client
from impactkit.econ.money import AS_PRINTED, Money
from impactkit.errors import SpecError
from impactkit.results import Estimates, Influence, Note, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["BreakEven", "CostEntry", "CostPerClient"]

_ANY_DESIGN = frozenset({"trial", "comparison", "norm", "before_after"})
_AS_PRINTED_NOTE = "amounts are added in prices as printed: the document does not state their price year"


class CostEntry(Spec):
    """What a service cost in a period, in total or per client, and how many clients it had.

    Parameters
    ----------
    service : str
    clients : int
        More than zero.
    total : Money, optional
        Of the period.
    per_client : Money, optional
        Give this or ``total``.
    period : str, optional
    """

    service: str = Field(min_length=1)
    clients: int = Field(strict=True, gt=0)
    total: Money | None = None
    per_client: Money | None = None
    period: str = ""

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.total is None) == (self.per_client is None):
            raise ValueError(f'service "{self.service}": give either `total` or `per_client`')
        if self.money.amount < 0:
            raise ValueError(f'service "{self.service}": a cost cannot be negative, found {self.money.amount:g}')
        return self

    @property
    def money(self) -> Money:
        """The amount given."""
        money = self.total if self.total is not None else self.per_client
        assert money is not None
        return money

    @property
    def spent(self) -> float:
        """Total spent in the period."""
        return self.money.amount * (1 if self.total is not None else self.clients)


class CostPerClient(Analysis):
    r"""Cost per client of each service, and of all of them weighted by their clients.

    Parameters
    ----------
    name : str
    entries : tuple of CostEntry
        A service with several periods has several entries.

    Returns
    -------
    Estimates
        One ``cost_per_client`` row per service (in the column ``population``), then ``"all"`` when there are
        several.

    Notes
    -----
    :math:`\sum_t C_t / \sum_t n_t` over the periods of a service, and over everything for ``"all"``. Amounts
    of different price years are an error.

    References
    ----------
    DWP Research Report 896 (2015), Tables 4.1 and 4.2.

    Examples
    --------
    >>> import impactkit as ik
    >>> from impactkit.econ import CostEntry
    >>> pounds = lambda amount: ik.Money(amount, unit="GBP per client", price_year="as printed", source="Table 4.2")
    >>> costs = ik.CostPerClient(name="costs", entries=(
    ...     CostEntry(service="Greater Manchester", period="2011/12", clients=251, per_client=pounds(684)),
    ...     CostEntry(service="Greater Manchester", period="2012/13", clients=346, per_client=pounds(510))))
    >>> round(float(ik.Evaluation(None, None, [costs]).fit().tidy()["estimate"][0]), 2)
    583.16
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = _ANY_DESIGN
    reads_people: ClassVar[bool] = False

    kind: Literal["cost_per_client"] = "cost_per_client"
    entries: tuple[CostEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_price_year(self) -> Self:
        years = sorted({str(entry.money.price_year) for entry in self.entries})
        if len(years) > 1:
            raise ValueError(
                f"amounts are in prices of {', '.join(years)}: restate them in one year first, "
                "with money.restated(price_year=..., factor=..., source=...)"
            )
        return self

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        services = list(dict.fromkeys(entry.service for entry in self.entries))
        groups = [(service, [e for e in self.entries if e.service == service]) for service in services]
        if len(services) > 1:
            groups.append(("all", list(self.entries)))
        clients = [sum(entry.clients for entry in group) for _, group in groups]
        values = [
            float(cost_per_client(sum(entry.spent for entry in group), count))
            for (_, group), count in zip(groups, clients, strict=True)
        ]
        price_year = self.entries[0].money.price_year
        unit = f"GBP per client ({'prices as printed' if price_year == AS_PRINTED else f'{price_year} prices'})"
        nothing = np.full(len(groups), np.nan)
        remarks = [self.note(_AS_PRINTED_NOTE)] if price_year == AS_PRINTED else []
        return Estimates.build(
            keys=[RowKey(self.name, "cost", service, "per_client", "cost_per_client", unit) for service, _ in groups],
            working=values,
            working_se=nothing,
            df=nothing,
            n=[float(count) for count in clients],
            glances=[
                _glance(self, "cost", service, "cost per client", "total cost over clients", n=count)
                for (service, _), count in zip(groups, clients, strict=True)
            ],
            remarks=[
                *remarks,
                *(
                    self.note("a total of accounts: it has no sampling error", population=service, column="std_error")
                    for service, _ in groups
                ),
            ],
        )


class BreakEven(Analysis):
    """Days a client must be spared for a service to pay for itself, and the net benefit of the weeks it saved.

    Parameters
    ----------
    name : str
    cost : Money or RowRef
        Per client; or a row of a :class:`CostPerClient`.
    value_of_day : Money
        What a day of absence costs, in the same prices.
    days_per_week : {5, 7}
        Valued days in a week; it has no default.
    weeks_saved : float or RowRef, optional
        Weeks saved per client, typed in or estimated by another analysis; with it the net benefit is given.
    p_value : float, optional
        Of typed-in weeks, for the rule ``"zero"``.
    nonsignificant : {"point", "zero"}
        Whether weeks that do not differ from zero at ``alpha`` count as estimated or as none.
    alpha : float, optional
        Needed by ``"zero"``; it has no default.
    population : str
        The name of the service in tables.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        Two ``break_even`` rows, in days and in weeks; with ``weeks_saved`` also a ``net_benefit`` row.

    Notes
    -----
    Break-even is ``cost / value_of_day`` days. Net benefit per client is ``weeks · days_per_week ·
    value_of_day − cost``; its interval carries the error of estimated weeks (and of an estimated cost, with
    their covariance).

    References
    ----------
    DWP Research Report 896 (2015), section 4.2.

    Examples
    --------
    >>> import impactkit as ik
    >>> cost = ik.Money(584, unit="GBP per client", price_year="as printed", source="Table 4.2")
    >>> day = ik.Money(90, unit="GBP per day", price_year="as printed", source="section 4.2")
    >>> spec = ik.BreakEven(name="pay", cost=cost, value_of_day=day, days_per_week=5, weeks_saved=8.0 - 3.4)
    >>> ik.Evaluation(None, None, [spec]).fit().tidy()[["measure", "unit", "estimate"]].round(2).values.tolist()
    [['break_even', 'days', 6.49], ['break_even', 'weeks', 1.3], ['net_benefit', 'GBP per client', 1486.0]]
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = _ANY_DESIGN
    reads_people: ClassVar[bool] = False

    kind: Literal["break_even"] = "break_even"
    cost: Money | RowRef
    value_of_day: Money
    days_per_week: Literal[5, 7]
    weeks_saved: float | RowRef | None = None
    p_value: float | None = Field(default=None, ge=0.0, le=1.0)
    nonsignificant: Literal["point", "zero"] = "point"
    alpha: Probability | None = None
    population: str = "all"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if isinstance(self.cost, Money) and self.cost.price_year != self.value_of_day.price_year:
            faults.append(
                f"the cost is in {self.cost.price_year} prices and a day in {self.value_of_day.price_year}: restate "
                "one with money.restated(price_year=..., factor=..., source=...)"
            )
        if self.value_of_day.amount <= 0:
            faults.append("the value of a day must be more than zero")
        if isinstance(self.cost, Money) and self.cost.amount < 0:
            faults.append("a cost cannot be negative")
        if self.nonsignificant == "zero" and self.alpha is None:
            faults.append('`nonsignificant="zero"` needs `alpha`, which has no default')
        if self.nonsignificant == "zero" and self.p_value is None and not isinstance(self.weeks_saved, RowRef):
            faults.append('`nonsignificant="zero"` needs the `p_value` of the weeks saved')
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        references = [part.analysis for part in (self.cost, self.weeks_saved) if isinstance(part, RowRef)]
        return tuple(dict.fromkeys(references))

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        joined = Estimates.concat([upstream[name] for name in self.needs])
        cost, cost_row = _amount(self.cost, joined)
        weeks, weeks_row = _amount(self.weeks_saved, joined)
        day, basis = self.value_of_day.amount, self.days_per_week
        if weeks_row is not None and joined.keys[weeks_row].unit != "weeks":
            raise SpecError(
                f'the weeks saved come from a row in "{joined.keys[weeks_row].unit}": '
                "point `weeks_saved` at a row in weeks"
            )
        prices = self._check_prices(joined, cost_row)
        days = float(break_even_days(cost, day))
        slopes: list[dict[int, float]] = [{}, {}]
        if cost_row is not None:
            slopes = [{cost_row: 1 / day}, {cost_row: 1 / (day * basis)}]
        keys = [
            RowKey(self.name, "break_even", self.population, "days", "break_even", "days"),
            RowKey(self.name, "break_even", self.population, "weeks", "break_even", "weeks"),
        ]
        values = [days, float(break_even_weeks(days, days_per_week=basis))]
        remarks = [self.note(f"a week counts {basis} days of £{day:g}; {prices}")]
        if self.weeks_saved is not None:
            counted, slope = self._counted_weeks(weeks, joined, weeks_row, remarks)
            keys.append(
                RowKey(self.name, "net_benefit", self.population, "net_benefit", "net_benefit", "GBP per client")
            )
            known = not np.isnan(counted)
            values.append(
                float(net_benefit(counted, days_per_week=basis, value_of_day=day, cost=cost)) if known else np.nan
            )
            pull = {} if weeks_row is None else {weeks_row: slope * basis * day}
            if cost_row is not None:
                pull[cost_row] = pull.get(cost_row, 0.0) - 1.0
            slopes.append(pull if known else {})
        return _propagate(self, keys, values, slopes, joined, remarks)

    def _check_prices(self, joined: Estimates, cost_row: int | None) -> str:
        year = self.value_of_day.price_year
        said = "prices as printed" if year == AS_PRINTED else f"{year} prices"
        if cost_row is not None and f"({said})" not in joined.keys[cost_row].unit:
            raise SpecError(
                f'a day is in {said} and the cost row in "{joined.keys[cost_row].unit}": restate one of them first'
            )
        return said

    def _counted_weeks(
        self, weeks: float, joined: Estimates, row: int | None, remarks: list[Note]
    ) -> tuple[float, float]:
        p_value = self.p_value if row is None else float(joined.numbers["p_value"][row])
        unknown = np.isnan(weeks) or (self.nonsignificant == "zero" and (p_value is None or np.isnan(p_value)))
        if unknown:
            lost = "estimate" if np.isnan(weeks) else 'p value, which nonsignificant="zero" asks for'
            remarks.append(
                self.note(
                    f"the weeks saved have no {lost}",
                    outcome="net_benefit",
                    population=self.population,
                    term="net_benefit",
                    column="estimate",
                )
            )
            return np.nan, 0.0
        if self.nonsignificant == "point":
            return weeks, 1.0
        assert self.alpha is not None and p_value is not None
        if p_value < self.alpha:
            return weeks, 1.0
        remarks.append(
            self.note(
                f'weeks saved of {weeks:.2f} are set to zero by the rule nonsignificant="zero": p = {p_value:.3g} is '
                f"not below {self.alpha:g}",
                population=self.population,
                term="net_benefit",
            )
        )
        return 0.0, 0.0


def _amount(part: Money | RowRef | float | None, joined: Estimates) -> tuple[float, int | None]:
    if part is None:
        return float("nan"), None
    if isinstance(part, RowRef):
        row = part.locate(joined)
        return float(joined.numbers["estimate"][row]), row
    return (part.amount if isinstance(part, Money) else float(part)), None


def _propagate(
    spec: BreakEven,
    keys: list[RowKey],
    values: list[float],
    slopes: list[dict[int, float]],
    joined: Estimates,
    remarks: list[Note],
) -> Estimates:
    from impactkit.results.joint import covariance, rows_without_units

    errors, df = np.full(len(keys), np.nan), np.full(len(keys), np.nan)
    blocks: list[Influence] = []
    matrix = covariance(joined) if len(joined) else np.zeros((0, 0))
    cells = np.full(len(keys), np.nan)
    used_rows: set[int] = set()
    for place, pull in enumerate(slopes):
        rows = [row for row, slope in pull.items() if slope != 0.0 and np.isfinite(joined.working_se[row])]
        used_rows.update(rows)
        if not rows:
            if np.isfinite(values[place]):
                remarks.append(
                    spec.note("from figures given without sampling error", term=keys[place].term, column="std_error")
                )
            continue
        slope = np.array([pull[row] for row in rows])
        errors[place] = float(np.sqrt(slope @ matrix[np.ix_(rows, rows)] @ slope))
        df[place] = float(np.nanmin(joined.numbers["df"][rows]))
        cells[place] = float(np.min(joined.min_cell[rows]))
    for block in joined.influence:
        carried = tuple(block.linear(pull) for pull in slopes)
        blocks.append(Influence(block.table, block.token, block.units, block.clusters, carried))
    evidence = weakest_evidence(joined, spec.needs)
    alone = rows_without_units(joined, sorted(used_rows))
    assumed = not used_rows or len(alone) > 0
    return Estimates.build(
        keys=keys,
        working=values,
        working_se=errors,
        df=df,
        n=np.full(len(keys), np.nan),
        conf_level=spec.conf_level,
        influence=blocks,
        glances=[
            _glance(
                spec,
                outcome,
                spec.population,
                outcome.replace("_", " "),
                "typed-in or estimated weeks and cost",
                evidence=evidence,
                assumed=assumed,
            )
            for outcome in dict.fromkeys(key.outcome for key in keys)
        ],
        remarks=remarks,
        min_cell=cells,
    )


def _glance(
    spec: Any,
    outcome: str,
    population: str,
    estimand: str,
    method: str,
    n: int | None = None,
    *,
    evidence: str = "",
    assumed: bool = True,
) -> dict[str, Any]:
    return {
        "analysis": spec.name,
        "outcome": outcome,
        "population": population,
        "kind": spec.kind,
        "estimand": estimand,
        "method": method,
        "inference": "from its parts",
        "evidence": evidence,
        "n_analysed": n,
        "conf_level": getattr(spec, "conf_level", None),
        "independence_assumed": assumed,
    }
