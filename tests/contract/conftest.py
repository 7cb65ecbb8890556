"""Makes the made-up trial importable by name, whatever folder a test stands in."""

import importlib.util
import sys
from pathlib import Path


def _load(name: str, path: Path) -> None:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


_load("made_up_trial", Path(__file__).resolve().parents[1] / "contract" / "made_up_trial.py")
_load("contract_examples", Path(__file__).with_name("examples.py"))
_load("made_up_norms", Path(__file__).with_name("made_up_norms.py"))
_load("norm_examples", Path(__file__).with_name("norm_examples.py"))
