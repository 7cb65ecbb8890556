"""The survival figure: what it draws, what it withholds, what it says in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from impactkit.errors import SpecError
from impactkit.report.figures_survival import survival_alt_text, survival_figure

COLUMNS = ["analysis", "outcome", "population", "term", "measure", "unit"]


def frames(norm: bool = False):
    rows = []
    for term, slope in (("help", 0.1), ("usual", 0.06)):
        for time in (0.0, 4.0, 8.0, 12.0, 16.0, 20.0):
            level = float(np.exp(-slope * time))
            rows.append(
                [
                    "t",
                    "weeks",
                    "all",
                    term,
                    "survival",
                    "weeks",
                    time,
                    level,
                    level - 0.05,
                    level + 0.02,
                    50 - 2.4 * time,
                    time,
                ]
            )
            if norm and term == "usual":
                rows.append(
                    [
                        "t",
                        "weeks",
                        "all",
                        "local norm",
                        "norm_survival",
                        "weeks",
                        time,
                        level,
                        level - 0.1,
                        level,
                        np.nan,
                        np.nan,
                    ]
                )
    curve = pd.DataFrame(rows, columns=[*COLUMNS, "time", "estimate", "conf_low", "conf_high", "n_risk", "n_events"])
    glance = pd.DataFrame(
        [{"analysis": "t", "population": "all", "conf_level": 0.95, "evidence": "randomised", "method": "Kaplan-Meier"}]
    )
    return curve, glance


def words(figure):
    return [text.get_text() for text in figure.texts]


def test_numbers_at_risk_are_printed_and_few_withheld():
    said = words(survival_figure(*frames()))
    assert "50" in said
    assert "c" in said
    assert "2" not in said
    assert any("fewer than 10" in line for line in said)
    assert any("randomised" in line for line in said)


def test_the_norm_is_a_band_and_is_named():
    figure = survival_figure(*frames(norm=True))
    assert "local norm" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "grey band" in survival_alt_text(*frames(norm=True))


def test_the_axis_is_in_the_unit_and_the_words_tell_medians():
    assert survival_figure(*frames()).axes[0].get_xlabel() == "Weeks"
    assert "half by 8.0" in survival_alt_text(*frames())


def test_nothing_to_draw_is_an_error():
    curve, glance = frames()
    with pytest.raises(SpecError, match="no survival curves"):
        survival_figure(curve[curve["measure"] == "none"], glance)
