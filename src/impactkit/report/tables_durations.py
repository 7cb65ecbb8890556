"""Tables of parametric models of time: how well each fits, and how much of its mean is extrapolated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from impactkit.errors import SpecError
from impactkit.report.frames import Reasons, number_cell, records
from impactkit.report.labels import Labels
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.style import Style, get_style
from impactkit.report.table import Cell, Column, Row, RowGroup, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["durations_table"]

_HEADS = {
    "count": "Parameters",
    "log_likelihood": "Log lik.",
    "aic": "AIC",
    "more": "Above lowest",
    "restricted_mean": "Restricted mean",
    "extrapolated_mean": "Extrapolated mean",
    "extrapolated_share": "Share of it",
}


def durations_table(
    tidy: pd.DataFrame,
    notes: pd.DataFrame | None = None,
    style: str | Style = "plain",
    *,
    labels: Labels | None = None,
    title: str = "Models of the time to return, by AIC",
    key: str = "durations",
) -> Table:
    """Build the table of models, one line each (and one for each arm), the best AIC of a population first.

    Parameters
    ----------
    tidy, notes : DataFrame
        Rows of ``ParametricDuration`` analyses.
    style : str or Style
    labels : Labels, optional
    title, key : str

    Returns
    -------
    Table
        Columns: parameters, log likelihood, AIC, its difference from the lowest, restricted mean within follow-up,
        mean with the extrapolation, and the share of it that lies beyond follow-up.

    Raises
    ------
    SpecError
        If there are no such rows.
    """
    chosen, words, rows = get_style(style), labels or Labels(), records(tidy)
    fits = [row for row in rows if row["measure"] == "aic"]
    if not fits:
        raise SpecError("there are no models of time to show: add a ParametricDuration analysis to the plan")
    reasons = Reasons.of(notes, rows)
    groups = []
    several = len({(row["analysis"], row["outcome"], row["population"]) for row in fits}) > 1
    far = any(row["measure"] == "extrapolated_mean" for row in rows)
    columns = [name for name in _HEADS if far or not name.startswith("extrapolated")]
    for place in dict.fromkeys((row["analysis"], row["outcome"], row["population"]) for row in fits):
        own = [row for row in rows if (row["analysis"], row["outcome"], row["population"]) == place]
        models = sorted(
            (row for row in own if row["measure"] == "aic"),
            key=lambda row: _number(row["estimate"]),
        )
        lines = [line for model in models for line in _lines(model, models[0], own, columns, chosen, reasons)]
        head = f"{words.population(place[2])} · {words.outcome(place[1])}" if several else ""
        groups.append(RowGroup(head, tuple(lines)))
    unit = next((str(row["unit"]) for row in rows if row["measure"] == "restricted_mean"), "")
    notes_said = [f"Means are in {unit}. AIC judges the fit where there are data, not beyond."]
    if far:
        notes_said.append(
            "Extrapolated mean: beyond follow-up each model speaks alone; the last column says for how much of it. "
            "Its interval holds the model to be true."
        )
    notes_said += list(reasons.general({str(row["analysis"]) for row in fits}, rows))
    return Table(
        key=key,
        title=title,
        columns=tuple(Column(name, _HEADS[name]) for name in columns),
        groups=tuple(groups),
        stub="Model",
        notes=tuple(dict.fromkeys(notes_said)),
    )


def _lines(
    model: dict[str, Any],
    best: dict[str, Any],
    rows: list[dict[str, Any]],
    columns: list[str],
    style: Style,
    reasons: Reasons,
) -> list[Row]:
    """Give a model's line, or one for each arm with the fit on the first."""
    label = str(model["term"])
    means = [
        row
        for row in rows
        if row["measure"] == "restricted_mean" and (row["term"] == label or str(row["term"]).startswith(f"{label}: "))
    ]
    found = []
    for place, mean in enumerate(means):
        own = {
            row["measure"]: row
            for row in rows
            if row["measure"].startswith("extrapolated") and str(row["term"]).startswith(f"{mean['term']} to ")
        }
        own |= {"restricted_mean": mean}
        if place == 0:
            own |= {
                row["measure"]: row
                for row in rows
                if row["term"] == label and row["measure"] in ("aic", "log_likelihood")
            }
        cells = tuple(_cell(name, own, best, style, reasons) for name in columns)
        found.append(Row(str(mean["term"]), cells))
    return found


def _cell(name: str, own: dict[str, dict[str, Any]], best: dict[str, Any], style: Style, reasons: Reasons) -> Cell:
    if name in ("count", "more"):
        fit, likelihood = own.get("aic"), own.get("log_likelihood")
        if fit is None or likelihood is None or not math.isfinite(_number(fit["estimate"])):
            return Cell(None, style.blank, "blank")
        aic = float(fit["estimate"])
        if name == "count":
            k = round(aic / 2.0 + _number(likelihood["estimate"]))
            return Cell(float(k), style.count(k))
        gap = aic - _number(best["estimate"])
        return Cell(gap, decimal_text(gap, 1, thousands=style.thousands, minus=style.minus))
    row = own.get(name)
    if row is None:
        return Cell(None, style.blank, "blank")
    value = row["estimate"]
    if not math.isfinite(_number(value)):
        text = ""
    elif name in ("aic", "log_likelihood"):
        text = decimal_text(float(value), 1, thousands=style.thousands, minus=style.minus)
    elif name == "extrapolated_share":
        text = decimal_text(float(value), 0, scale=100) + "%"
    else:
        text = decimal_text(float(value), 1, thousands=style.thousands, minus=style.minus)
    return number_cell(value, text, style, reasons.about(row, ("estimate",)))


def _number(value: object) -> float:
    """Give a number, or infinity where it is missing or withheld."""
    return float("inf") if isinstance(value, str) or is_missing(value) else float(value)  # type: ignore[arg-type]
