"""What an import costs, and that the top of the package shows what it says it shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import impactkit as ik
from impactkit import _names
from impactkit.errors import ImpactkitError, MissingExtraError, require_extra

HEAVY = ("pandas", "statsmodels", "lifelines", "linearmodels", "scipy.stats", "sklearn", "matplotlib")
SCIENTIFIC = (*HEAVY, "scipy", "narwhals", "formulaic", "joblib", "polars", "pyarrow", "duckdb", "jinja2", "xlsxwriter")


def loaded(code: str, among: tuple[str, ...]) -> list[str]:
    """Run code in a Python of its own and give which of some modules it loaded."""
    report = f"\nimport sys; print('loaded:', *[name for name in {among!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("loaded:")]
    return line.split()[1:]


HELP = """
from typer.testing import CliRunner
from impactkit.cli import app
done = CliRunner().invoke(app, {words})
assert done.exit_code == 0, done.output
assert "Usage" in done.output
"""


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded("import scipy.stats", HEAVY) == ["scipy.stats"]


@pytest.mark.parametrize(
    "code",
    [
        "import impactkit",
        "import impactkit; dir(impactkit); impactkit.__version__",
        "import impactkit as ik; ik.TrialDesign(unit='id', arm='z', treated=1, control=0)",
        HELP.format(words=["--help"]),
        HELP.format(words=["run", "--help"]),
    ],
    ids=["import", "dir", "a design", "help", "run help"],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code: str) -> None:
    assert loaded(code, HEAVY) == []


def test_the_bare_import_loads_no_other_package_at_all() -> None:
    assert loaded("import impactkit", ("numpy", "pydantic", *SCIENTIFIC)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import impactkit.econ",
        "from impactkit.econ import break_even_days, net_benefit; break_even_days(1000, 90); "
        "net_benefit(4.6, days_per_week=5, value_of_day=90, cost=584)",
        "import impactkit as ik; m = lambda x: ik.Money(x, unit='GBP', price_year=2019, source='x'); "
        "ik.BreakEven(name='pay', cost=m(584), value_of_day=m(90), days_per_week=5, weeks_saved=4.6).to_dict()",
    ],
    ids=["import", "break-even", "a spec"],
)
def test_economics_loads_numpy_and_pydantic_only(code: str) -> None:
    assert loaded(code, SCIENTIFIC) == []
    assert loaded(code, ("numpy", "pydantic")) == ["numpy", "pydantic"]


# --- what is visible ------------------------------------------------------------------------------------------------


def test_all_is_what_is_visible() -> None:
    assert set(ik.__all__) == {*_names.PUBLIC, "__version__"}
    assert len(set(ik.__all__)) == len(ik.__all__)
    assert dir(ik) == sorted({*ik.__all__, *_names.ROOMS})
    for name in ik.__all__:
        assert getattr(ik, name) is not None
    for name in _names.ROOMS:
        assert getattr(ik, name).__name__ == f"impactkit.{name}"
    with pytest.raises(AttributeError, match="no attribute 'Evalution'"):
        ik.Evalution  # noqa: B018  # the access is the test


@pytest.mark.parametrize("name", sorted(_names.PUBLIC))
def test_a_public_name_is_the_one_of_its_room(name: str) -> None:
    import importlib

    module = importlib.import_module(_names.PUBLIC[name])
    assert getattr(ik, name) is getattr(module, name)
    rooms = name if _names.PUBLIC[name].count(".") == 1 else None
    assert rooms is None or name in module.__all__


def test_type_checkers_are_shown_every_name() -> None:
    source = Path(ik.__file__).read_text(encoding="utf-8")
    shown = source.split("if TYPE_CHECKING:")[1].split("__all__")[0]
    for name in _names.PUBLIC:
        assert f"{name}" in shown.replace(",", " ").split(), name


# --- extras ---------------------------------------------------------------------------------------------------------


def test_a_missing_extra_is_an_import_error_that_names_it() -> None:
    with pytest.raises(
        ImportError, match=r"a table in Word needs the package 'no_such_package'.*impactkit\[tables\]"
    ) as caught:
        require_extra("no_such_package", "tables", "a table in Word")
    assert isinstance(caught.value, MissingExtraError)
    assert isinstance(caught.value, ImpactkitError)
    assert caught.value.name == "no_such_package"
    assert require_extra("json", "tables", "anything").__name__ == "json"
