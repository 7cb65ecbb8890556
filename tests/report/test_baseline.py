"""Table 1, love plot and flow: nothing under ten can be read or worked out, and the same bytes each time."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import impactkit as ik
from impactkit.errors import SpecError
from impactkit.evaluation.present import disclosed
from impactkit.report import (
    balance_table,
    figure_bytes,
    flow_alt_text,
    flow_diagram,
    flow_table,
    love,
    love_alt_text,
)
from impactkit.report.baseline import baseline_parts
from impactkit.report.participants import ALL_ARMS, Counted, flow_parts


def study(seed: int = 1, n: int = 240, rare: float = 0.02, lost: float = 0.04) -> tuple[ik.TrialDesign, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": range(n),
            "arm": rng.permutation(["IPS"] * (n // 2) + ["usual"] * (n - n // 2)),
            "age": rng.normal(40, 9, n),
            "sex": rng.choice(["female", "male", "other"], n, p=[0.6 - rare, 0.4, rare]),
            "renting": rng.integers(0, 2, n),
            "got": rng.integers(0, 2, n),
            "work": rng.integers(0, 2, n).astype(float),
            "pay": rng.normal(size=n),
            "w": rng.uniform(0.5, 2, n),
        }
    )
    frame.loc[rng.random(n) < rare, "age"] = np.nan
    frame.loc[rng.random(n) < lost, "work"] = np.nan
    frame.loc[rng.random(n) < 0.4, "pay"] = np.nan
    design = ik.TrialDesign(
        unit="id", arm="arm", treated="IPS", control="usual", receipt="got",
        outcomes=(ik.Outcome(name="work", kind="binary"), ik.Outcome(name="pay", kind="continuous", weights="w")),
    )  # fmt: skip
    return design, frame


COVARIATES = ("age", "sex", "renting")


def fitted(seed: int = 1, **options) -> ik.EvaluationResult:
    design, frame = study(seed, **options)
    analyses = [
        ik.IntentToTreat(name="itt", outcome=("work", "pay")),
        ik.IntentToTreat(name="ancova", outcome="pay", covariates=("age",)),
        ik.Balance(name="baseline", covariates=COVARIATES, permutations=199),
        ik.Balance(name="paid", covariates=COVARIATES, outcome="pay"),
        ik.Flow(name="flow", analyses=("itt", "ancova"), assessed=n_assessed(frame)),
    ]
    return ik.Evaluation(design, frame, analyses).fit(seed=1, strict=True)


def n_assessed(frame: pd.DataFrame) -> int:
    return len(frame) + 30


def cells(table, row: str) -> list[str]:
    return [cell.text for found in table.rows() if found.label == row for cell in found.cells]


def test_table_1_as_it_is_laid_out() -> None:
    result = fitted(rare=0.3)
    table = result["baseline"].to_table("balance")
    assert [column.label for column in table.columns] == [
        "n or mean", "% or SD", "n or mean", "% or SD", "Standardised difference",
    ]  # fmt: skip
    assert [spanner for spanner, _ in table.spanners] == ["IPS (N = 120)", "Usual (N = 120)", ""]
    assert [row.label for row in table.rows()] == [
        "Age, mean (SD)", "Age not known, n (%)", "Female", "Male", "Other", "Renting, n (%)",
    ]  # fmt: skip
    frame = study(rare=0.3)[1]
    ips = frame[frame["arm"] == "IPS"]
    assert cells(table, "Male")[:2] == [
        str((ips["sex"] == "male").sum()),
        f"({100 * (ips['sex'] == 'male').mean():.1f})",
    ]
    assert cells(table, "Age, mean (SD)")[:2] == [f"{ips['age'].mean():.1f}", f"({ips['age'].std():.1f})"]
    assert any(
        "joint test of all characteristics" in note.lower() and "by re-drawing the allocation p = " in note
        for note in table.notes
    )
    assert not any(cell.mark for row in table.rows() for cell in row.cells)
    weighted = result["paid"].to_table("balance")
    assert weighted.subtitle == "People with pay known; counts are of people, other figures are weighted by w"
    assert "P value" in {c.label for c in _with_p().to_table("balance").columns}


def _with_p() -> ik.EvaluationResult:
    design, frame = study()
    return ik.Evaluation(design, frame, [ik.Balance(name="b", covariates=COVARIATES, p_values=True)]).fit()


def test_which_analysis_must_be_said() -> None:
    result = fitted()
    with pytest.raises(SpecError, match=r'choose one of result\["baseline"\], result\["paid"\]'):
        result.to_table("balance")
    with pytest.raises(SpecError, match="no analysis of kind flow"):
        result["itt"].plot("flow")


def test_small_levels_take_another_with_them_and_their_differences() -> None:
    table = fitted()["baseline"].to_table("balance")
    hidden = {row.label for row in table.rows() if "c" in [cell.text for cell in row.cells]}
    assert "Other" in hidden
    assert len(hidden & {"Female", "Male"}) == 1
    assert cells(table, "Other") == ["c"] * 5
    assert any(note.startswith("c :") for note in table.notes)


def test_a_hidden_number_without_value_takes_the_shares() -> None:
    """With 100 of 240 printed as 41.8%, the number whose value is known would be 239, so one is missing."""
    design, frame = study(rare=0.3)
    frame["sex"] = frame["sex"].where(frame.index > 3)
    result = ik.Evaluation(design, frame, [ik.Balance(name="b", covariates=("sex",))]).fit()
    for part in baseline_parts(result.tidy()):
        for line in part.lines:
            assert line.no_share or "usual" in line.hidden


def _enumerated(part, level_counts: dict, printed: dict, total: int) -> set[int]:
    """List what the reader may think the small count is: every split of the arm that agrees with what is printed."""
    levels = list(level_counts)
    free = [level for level in levels if level not in printed]
    rest = total - sum(printed.values())
    found = set()
    for split in itertools.product(range(rest + 1), repeat=max(len(free) - 1, 0)):
        if sum(split) <= rest:
            found.add((*split, rest - sum(split))[free.index("other")])
    return found


def test_every_hidden_level_has_more_than_one_answer() -> None:
    for seed in range(5):
        result = fitted(seed)
        (part,) = baseline_parts(result["baseline"].tidy())
        for arm in part.arms:
            sex = {line.level: line for line in part.lines if line.covariate == "sex"}
            counts = {level: line.numbers[arm, "count"] for level, line in sex.items()}
            if not 0 < counts["other"] < 10:
                continue
            printed = {level: int(counts[level]) for level, line in sex.items() if arm not in line.hidden}
            assert len(_enumerated(part, counts, printed, int(part.sizes[arm]))) > 1


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), lost=st.sampled_from([0.0, 0.03, 0.2]))
def test_flow_and_glance_together_give_no_small_count_back(seed: int, lost: float) -> None:
    """Solve, apart from the code under test, the sums of one outcome in one arm with every number that is printed."""
    result = fitted(seed, lost=lost)
    frames = disclosed(result)
    (part,) = flow_parts(result["flow"].tidy(), disclosed(result).glance)
    look = frames.glance.query("analysis == 'itt' and outcome == 'work'").iloc[0]
    names = [f"{step} {arm}" for step in ("known", "lost") for arm in part.arms]
    rows, sides = [], []

    def fact(parts: dict[str, float], value) -> None:
        if value != "c":
            rows.append([parts.get(name, 0.0) for name in names])
            sides.append(float(value))

    for arm in part.arms:
        fact({f"known {arm}": 1, f"lost {arm}": 1}, part.value(Counted("", "randomised"), arm))
        fact({f"known {arm}": 1}, part.value(Counted("work", "followed up"), arm))
        fact({f"known {arm}": 1}, part.value(Counted("work", "analysed", analysis="itt"), arm))
        fact({f"known {arm}": 1}, look["n_control" if arm == "usual" else "n_treated"])
        fact({f"lost {arm}": 1}, part.value(Counted("work", "lost"), arm))
    for step, column in (("known", "n_analysed"), ("lost", "n_missing_outcome")):
        everybody = {f"{step} {arm}": 1.0 for arm in part.arms}
        fact(everybody, look[column])
        fact(everybody, part.value(Counted("work", "followed up" if step == "known" else "lost"), ALL_ARMS))
    matrix = np.array(rows)
    for place, name in enumerate(names):
        step, arm = name.split(" ", 1)
        count = part.counts[Counted("work", "lost" if step == "lost" else "followed up"), arm]
        if 0 < count < 10:
            unit = np.eye(len(names))[place]
            assert np.linalg.matrix_rank(np.vstack([matrix, unit])) > np.linalg.matrix_rank(matrix), name


def test_people_of_weight_zero_are_the_same_in_every_analysis() -> None:
    design, frame = study(n=400)
    frame.loc[np.random.default_rng(2).random(400) < 0.06, "w"] = 0.0
    analyses = [
        ik.IntentToTreat(name="itt", outcome="pay"),
        ik.IntentToTreat(name="ancova", outcome="pay", covariates=("age",)),
        ik.Flow(name="flow", analyses=("itt", "ancova")),
    ]
    result = ik.Evaluation(design, frame, analyses).fit(strict=True)
    (part,) = flow_parts(result["flow"].tidy(), disclosed(result).glance)
    for arm in (*part.arms, ALL_ARMS):
        shown = {part.value(Counted("pay", "weight zero", analysis=name), arm) for name in ("itt", "ancova")}
        assert len(shown) == 1


def test_tidy_withholds_what_the_table_withholds() -> None:
    result = fitted()
    frames = disclosed(result)
    flow = frames.tidy[frames.tidy["analysis"] == "flow"]
    raw = result["flow"].tidy()
    small = raw["estimate"].between(1, 9).to_numpy()
    assert (flow.loc[small, "estimate"] == "c").all() if small.any() else True
    assert (flow["estimate"].to_numpy()[(raw["estimate"] == 0).to_numpy()] != "c").any() or not (
        raw["estimate"] == 0
    ).any()
    sex = frames.tidy[(frames.tidy["analysis"] == "baseline") & (frames.tidy["outcome"] == "sex")]
    assert (sex["estimate"] == "c").all()


def test_all_counts_where_that_is_permitted() -> None:
    result = fitted()
    tidy = result["flow"].tidy()
    assert "c" not in [cell.text for row in flow_table(tidy, threshold=0).rows() for cell in row.cells]
    part = result["baseline"]
    table = balance_table(part.tidy(), part.glance(), threshold=0)
    assert "c" not in [cell.text for row in table.rows() for cell in row.cells]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_figures_are_the_same_bytes_each_time(kind: str) -> None:
    result = fitted()
    drawings = (
        lambda: result.plot("flow"),
        lambda: result["paid"].plot("love"),
        lambda: result["baseline"].plot("love"),
    )
    for draw in drawings:
        first, second = (figure_bytes(draw(), kind) for _ in range(2))
        assert first == second
        assert b"Date" not in first


def texts(figure) -> list[str]:
    from matplotlib.text import Text

    return [found.get_text() for found in figure.findobj(Text)]


def test_the_diagram_says_what_the_table_says() -> None:
    result = fitted(lost=0.3)
    tidy = result["flow"].tidy()
    said = [text.replace("\u00a0", " ") for text in texts(flow_diagram(tidy, threshold=0))]
    lost = int(tidy.loc[(tidy["outcome"] == "work") & (tidy["term"] == "lost, IPS"), "estimate"].iloc[0])
    assert f"• Outcome not known (n = {lost})" in said
    assert "Allocated to IPS (n = 120)" in said
    assert "Assessed for eligibility (n = 270)" in said
    alt = flow_alt_text(tidy, threshold=0)
    assert f"Outcome not known (n = {lost})" in alt
    assert alt.count("Allocated to") == 2


def test_every_box_holds_its_text() -> None:
    from matplotlib.patches import Rectangle

    result = fitted(lost=0.3)
    figure = result.plot("flow")
    figure.canvas.draw()
    boxes = [patch.get_window_extent() for patch in figure.findobj(Rectangle) if patch.get_zorder() == 3]
    for text in figure.axes[0].texts:
        if text.get_zorder() == 4:
            extent = text.get_window_extent()
            assert any(
                box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1
                for box in boxes
            ), text.get_text()


def test_love_plot_lines_points_and_words() -> None:
    result = fitted(rare=0.3)
    axes = result["paid"].plot("love").axes[0]
    upright = sorted(line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1])
    assert upright == [-0.1, 0.0, 0.1]
    said = love_alt_text(result["paid"].tidy())
    assert "lie beyond them" in said
    assert "Before weighting" in said
    assert "Before weighting" not in love_alt_text(result["baseline"].tidy())
    assert "Before weighting" in texts(result["paid"].plot("love"))
    with pytest.raises(SpecError, match="nothing to draw"):
        love(result["baseline"].tidy(), threshold=10_000)


def test_everything_is_written(tmp_path) -> None:
    fitted().write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        "tables/flow.csv",
        "tables/balance-1.html",
        "figures/flow.svg",
        "figures/love-2.png",
        "figures/flow.txt",
    } <= written
    page = (tmp_path / "report.html").read_text()
    assert "Flow of participants" in page
    assert "Characteristics at baseline" in page
