"""Forest plots: the same bytes, one unit to an axis, and the same in words."""

from __future__ import annotations

import pytest
from report_made_up import NAN, control, effect, glance, look, tidy

from impactkit.errors import SpecError
from impactkit.report import Labels, figure_bytes, forest, forest_alt_text

FRAME = tidy(
    effect(),
    control(),
    effect(analysis="ancova", estimate=0.08, conf_low=0.02, conf_high=0.14),
    effect(outcome="pay", unit="GBP", estimate=812.0, conf_low=48.0, conf_high=1576.0),
    effect(outcome="low mood", unit="points", estimate=-0.06, conf_low=-0.14, conf_high=0.02),
    effect(measure="risk_ratio", unit="ratio", estimate=1.2, conf_low=0.9, conf_high=1.6),
    effect(outcome="rare", estimate=NAN),
)
LOOKS = glance(look(), look(analysis="ancova"))


def texts(figure: object) -> list[str]:
    from matplotlib.text import Text

    return [found.get_text() for found in figure.findobj(Text)]  # type: ignore[attr-defined]


def test_units_never_share_an_axis() -> None:
    figure = forest(FRAME, LOOKS)
    assert len(figure.axes) == 4
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log", "linear", "linear"]
    said = texts(figure)
    assert {"Percentage points", "Risk ratio", "In £", "Points"} <= set(said)
    assert "6.3 (−0.3 to 12.8)" in said
    assert "£812 (£48 to £1,576)" in said


def test_the_side_that_is_favoured_follows_the_outcome() -> None:
    frame = tidy(effect(), effect(outcome="days ill", estimate=-0.01))
    figure = forest(frame, LOOKS, directions={"work": "higher", "days ill": "lower"})
    assert len(figure.axes) == 2
    higher, lower = ({text.get_text() for text in axes.texts} for axes in figure.axes)
    assert {"← favours control", "favours programme →"} <= higher
    assert {"← favours programme", "favours control →"} <= lower
    assert not any("favours" in text for text in texts(forest(frame, LOOKS)))


def test_an_unusually_long_interval_is_cut_and_marked() -> None:
    frame = tidy(effect(), effect(outcome="b"), effect(outcome="c", conf_low=-3.0, conf_high=3.0))
    axes = forest(frame, LOOKS).axes[0]
    assert axes.get_xlim()[1] < 0.6
    assert {"<", ">"} <= {line.get_marker() for line in axes.lines}


def test_svg_and_png_bytes_are_the_same_each_time_and_carry_no_date() -> None:
    for kind in ("svg", "png"):
        first, second = (figure_bytes(forest(FRAME, LOOKS), kind) for _ in range(2))
        assert first == second
        assert b"Date" not in first
        assert b"dc:date" not in first
        assert b"atplotlib version" not in first
    same = forest(FRAME, LOOKS)
    assert figure_bytes(same) == figure_bytes(same)


def test_drawing_changes_no_global_state() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figure_bytes(forest(FRAME, LOOKS))
    assert dict(mpl.rcParams) == before


def test_alt_text_says_what_is_drawn() -> None:
    labels = Labels.of(outcomes={"work": "In paid work"})
    text = forest_alt_text(tidy(effect(), control()), LOOKS, labels=labels, title="a trial")
    assert text == "Forest plot. Impact: a trial. Percentage points: In paid work 6.3 (95% interval −0.3 to 12.8)."
    many = tidy(*(effect(outcome=f"y{number}", conf_low=0.01 if number else -0.1) for number in range(30)))
    brief = forest_alt_text(many, LOOKS)
    assert "30 estimates from 6.3 to 6.3; the 95% interval of 29 of them leaves out no difference." in brief


def test_a_title_may_not_claim_too_much_and_nothing_drawn_is_said() -> None:
    weak = glance(look(evidence="before-after only"))
    assert "Before-after change (not causal)" in texts(forest(tidy(effect()), weak))
    with pytest.raises(SpecError, match="says impact"):
        forest(tidy(effect()), weak, title="Impact on work")
    with pytest.raises(SpecError, match="nothing to draw"):
        forest(tidy(control(), effect(estimate="c")))


@pytest.mark.parametrize("reach", [0.125, 0.031, 0.7, 0.0042, 3.3])
def test_every_tick_is_written_as_the_number_it_stands_at(reach: float) -> None:
    figure = forest(tidy(effect(estimate=0.4 * reach, conf_low=-0.1 * reach, conf_high=reach)), LOOKS)
    figure.canvas.draw()
    axes = figure.axes[0]
    shown = [(tick, label.get_text()) for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)]
    assert len(shown) >= 3
    for tick, words in shown:
        assert float(words.replace("−", "-").replace(",", "")) == pytest.approx(100 * tick, abs=1e-9)
