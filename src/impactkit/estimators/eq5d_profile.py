"""EQ-5D profiles before and after: problems by dimension, how health changed, and the index beside a population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel, Inference, choose_inference
from impactkit.data.eq5d.norms import load_population_norms
from impactkit.data.eq5d.value_sets import Rounding, load_value_set
from impactkit.design import BeforeAfterDesign, Design
from impactkit.errors import RefusalError
from impactkit.estimators.sample import OneArmed

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData
    from impactkit.results import Estimates

__all__ = ["Eq5dProfile"]

Instrument = Literal["EQ-5D-3L", "EQ-5D-5L"]
Columns = str | tuple[str, ...]


class Eq5dProfile(Analysis):
    """EQ-5D answers before and after: who has problems, whose health changed, and which way.

    With one group of people it describes change, and change without a comparison is never an impact: the label of
    evidence is "before-after only", for clients of a norm design too. In a trial it compares the arms afterwards.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    before, after : str or tuple of five str, optional
        The column of five-digit profiles, or the five columns of levels (mobility, self-care, usual activities, pain
        or discomfort, anxiety or depression). Left out, the ``before`` and ``after`` of a before-after design. In a
        long table they are the values of ``visit``.
    table, visit, answers : str, optional
        For a long table that is linked to the people: its name, the column that says which visit a row is, and the
        column (or five columns) with the answers.
    labels : tuple of two str
        What rows call the two times.
    instrument : {"EQ-5D-3L", "EQ-5D-5L"}, optional
        The questionnaire; that of the value set when one is given.
    value_set : str, optional
        Adds the index. There is no default value set.
    rounding : {"published", "exact"}
        As in :func:`impactkit.econ.load_value_set`.
    impossible : {"error", "missing"}
        Answers that no questionnaire has: one error that counts them, or count them and leave the profile out.
    missing : tuple of int or str
        Codes that mean "no answer".
    check_questionnaire : bool
        Refuse answers that look like those of the other questionnaire.
    norms : str, optional
        Population norms to set the index beside; they must be on the same value set.
    age, sex : str, optional
        Columns the norms are looked up by.
    sexes : tuple of two str
        The words of ``sex`` for female and for male.
    adjust : bool
        In a trial, adjust each difference between the arms for the same measure before.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    inference : HC0, HC1, HC2, HC3, CR2 or Linearised, optional
        CR2 when the design has clusters, HC2 otherwise.
    one_armed : {"error", "drop"}
        As in :class:`IntentToTreat`.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        By dimension: with one group, the change in the share of people with any problem, McNemar's test and its exact
        form, both shares, and the shares with a problem at one time only; in a trial the difference between arms
        afterwards, the control mean, and both shares by arm. Then the level sum score, the index (with a value set),
        the gap to the population norm (with norms), and the share in each Paretian class.

    Notes
    -----
    Everything rests on the people who answered all five questions both times, so that every row has one base; the
    others are counted in ``glance()`` and ``notes()``. A problem is any level above 1. The change of a share is the
    mean of the within-person change and honours weights and clusters; McNemar's test knows neither and is given
    without them only. Paretian classes: better on some dimension and worse on none is improved, the reverse is
    worsened, both is mixed, neither is no change; 11111 both times is a class of its own.

    The level sum score adds levels as if they were numbers: it describes, and is no measure of value. A population
    norm is taken as known, without an error of its own; it is weighted to the ages and sexes of the people here.

    References
    ----------
    Devlin, N. J., Parkin, D. and Browne, J. (2010). Patient-reported outcome measures in the NHS: new methods for
    analysing and reporting EQ-5D data. *Health Economics* 19(8).
    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or percentages.
    *Psychometrika* 12(2).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> clients = pd.DataFrame({
    ...     "id": range(6),
    ...     "entry": [21232, 11131, 22233, 11121, 31243, 11111],
    ...     "discharge": [11121, 11121, 22223, 11121, 11132, 11121],
    ... })
    >>> design = ik.BeforeAfterDesign(unit="id", before="entry", after="discharge")
    >>> profile = ik.Eq5dProfile(name="health", value_set="uk_5l_2026")
    >>> result = ik.Evaluation(design, clients, [profile]).fit(seed=1)
    >>> rows = result.tidy()
    >>> rows.loc[rows["outcome"] == "mobility", ["term", "measure", "estimate", "p_value"]].round(3)
            term        measure  estimate  p_value
    0     change         change    -0.333    0.175
    1     change        mcnemar       NaN    0.157
    2     change  mcnemar_exact       NaN    0.500
    3      entry     proportion     0.500      NaN
    4  discharge     proportion     0.167      NaN
    5  entry only    proportion     0.333      NaN
    6  discharge only  proportion   0.000      NaN
    >>> set(result.glance()["evidence"])
    {'before-after only'}
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "norm", "before_after"})

    kind: Literal["eq5d_profile"] = "eq5d_profile"
    before: Columns | None = None
    after: Columns | None = None
    table: str | None = Field(default=None, min_length=1)
    visit: str | None = Field(default=None, min_length=1)
    answers: Columns | None = None
    labels: tuple[str, str] = ("entry", "discharge")
    instrument: Instrument | None = None
    value_set: str | None = None
    rounding: Rounding = "published"
    impossible: Literal["error", "missing"] = "error"
    missing: tuple[int | str, ...] = ()
    check_questionnaire: bool = True
    norms: str | None = None
    age: str | None = Field(default=None, min_length=1)
    sex: str | None = Field(default=None, min_length=1)
    sexes: tuple[str, str] = ("female", "male")
    adjust: bool = True
    populations: tuple[str, ...] | None = None
    inference: Inference | None = None
    one_armed: OneArmed = "error"
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.instrument is None and self.value_set is None:
            raise ValueError("say which questionnaire it was with `instrument`, or give a `value_set`")
        if self.value_set is not None:
            tariff = load_value_set(self.value_set)
            if self.instrument not in (None, tariff.instrument):
                raise ValueError(
                    f'the value set "{self.value_set}" is for the {tariff.instrument}, not the {self.instrument}'
                )
        long = (self.table, self.visit, self.answers)
        if any(part is not None for part in long) and any(part is None for part in long):
            raise ValueError("a long table needs `table`, `visit` and `answers` together")
        sides = (self.answers,) if self.visit is not None else (self.before, self.after)
        if any(isinstance(side, tuple) and len(side) != 5 for side in sides):
            raise ValueError("levels are five columns: mobility, self-care, usual activities, pain, anxiety")
        if self.visit is not None and any(isinstance(side, tuple) for side in (self.before, self.after)):
            raise ValueError("with a long table `before` and `after` are values of `visit`, one each")
        if self.before is not None and self.before == self.after:
            raise ValueError("`before` and `after` are the same: nothing could change")
        if self.labels[0] == self.labels[1]:
            raise ValueError("`labels` must be two different words")
        if self.norms is not None:
            if self.value_set is None:
                raise ValueError("`norms` are set beside an index: give the `value_set`")
            if self.age is None or self.sex is None:
                raise ValueError("`norms` need the columns `age` and `sex`")
            load_population_norms(self.norms).check(self.value_set)
        return self

    @property
    def instrument_used(self) -> str:
        """The questionnaire."""
        if self.instrument is not None or self.value_set is None:
            return str(self.instrument)
        return load_value_set(self.value_set).instrument

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """Columns of the long table that hold the answers."""
        return _several(self.answers)

    def visit_labels(self, design: Design) -> tuple[str, str]:
        """Values of ``visit`` that mean before and after."""
        own = (self.before, self.after)
        declared = (getattr(design, "before", None), getattr(design, "after", None))
        before, after = (str(mine or its or "") for mine, its in zip(own, declared, strict=True))
        return before, after

    def sides(self, design: Design) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Columns of the answers before and after, in a wide table."""
        declared = design if isinstance(design, BeforeAfterDesign) else None
        before = self.before if self.before is not None or declared is None else declared.before
        after = self.after if self.after is not None or declared is None else declared.after
        return _several(before), _several(after)

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        by = f'analysis "{self.name}"'
        strict = self.impossible == "error" and not self.missing and self.check_questionnaire
        role = ("eq5d3l" if self.instrument_used == "EQ-5D-3L" else "eq5d5l") if strict else "any"
        table = self.table or ""
        if self.visit is not None:
            needs = [ColumnNeed(self.visit, "factor", by, table)]
            needs += [ColumnNeed(name, role, by, table) for name in self.answer_columns]  # type: ignore[arg-type]
        else:
            before, after = self.sides(design)
            needs = [ColumnNeed(name, role, by) for name in (*before, *after)]  # type: ignore[arg-type]
        if self.norms is not None:
            needs += [ColumnNeed(str(self.age), "numeric", by), ColumnNeed(str(self.sex), "factor", by)]
        return tuple(needs)

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if design is None:
            return said
        who = f'Eq5dProfile "{self.name}"'
        try:
            choose_inference(self.inference, design, who)
        except RefusalError as error:
            said.append(str(error))
        found = self.visit_labels(design) if self.visit is not None else self.sides(design)
        if not all(found):
            said.append(f"{who} needs `before` and `after`, which this design does not declare.")
        if self.table is not None and self.table not in [link.table for link in design.links]:
            said.append(f'{who} reads table "{self.table}", which the design does not link to the people.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Describe every population, or compare its arms."""
        from impactkit.estimators.eq5d_rows import compare_arms, describe_group

        return describe_group(self, study) if study.arm is None else compare_arms(self, study)


def _several(columns: Columns | None) -> tuple[str, ...]:
    if columns is None:
        return ()
    return (columns,) if isinstance(columns, str) else columns
