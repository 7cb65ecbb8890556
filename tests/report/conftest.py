"""Give the tests here their made-up frames, whatever the import mode."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("report_made_up", Path(__file__).with_name("made_up.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["report_made_up"] = _module
_spec.loader.exec_module(_module)

_norms = Path(__file__).parents[1] / "contract" / "made_up_norms.py"
if "made_up_norms" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("made_up_norms", _norms)
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules["made_up_norms"] = _module
    _spec.loader.exec_module(_module)
