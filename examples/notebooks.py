"""Build the notebooks of this folder from their scripts, and run them.

A script with lines ``# %%`` (code) and ``# %% [markdown]`` (text) is the source; the notebook beside it holds the same
cells with the output they gave. ``python examples/notebooks.py`` writes them, ``--check`` says which are out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SOURCES = ("fit_notes.py",)
MARK = re.compile(r"^# %%(?: \[(markdown)\])?\s*$", re.MULTILINE)


def cells(script: str) -> list[Any]:
    """Give the cells of a script; what stands before the first mark belongs to the script alone."""
    parts = MARK.split(script)[1:]
    made = []
    for place, (kind, body) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if kind:
            lines = [re.sub(r"^# ?", "", line) for line in body.strip("\n").splitlines()]
            made.append(nbformat.v4.new_markdown_cell("\n".join(lines)))
        else:
            made.append(nbformat.v4.new_code_cell(body.strip("\n")))
        made[-1]["id"] = f"cell-{place:02d}"
    return made


def run(source: Path) -> Any:
    """Make the notebook of a script and run it."""
    notebook = nbformat.v4.new_notebook(cells=cells(source.read_text(encoding="utf-8")))
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
    notebook.metadata.pop("language_info", None)  # the version of Python that ran it
    return notebook


def said(notebook: Any) -> list[str]:
    """Give what the cells say and print, without pictures: those depend on fonts."""
    shown = []
    for cell in notebook.cells:
        shown.append(cell.source)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            shown += [output.get("text", ""), data.get("text/html", ""), data.get("text/plain", "")]
    return shown


def main(check: bool = False) -> int:
    """Write every notebook, or say which are out of date."""
    stale = []
    for name in SOURCES:
        source = HERE / name
        made, target = run(source), source.with_suffix(".ipynb")
        if check:
            known = said(nbformat.read(target, as_version=4)) if target.exists() else []
            if known != said(made):
                stale.append(target.name)
        else:
            nbformat.write(made, target)
            print(f"examples/{target.name}: {len(made.cells)} cells")
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make notebooks`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
