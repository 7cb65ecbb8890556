"""Time impactkit beside the least work that gives the same answer, and beside other packages, in one run.

    python benchmarks/run.py                      # every case (`make bench`, which has every peer installed)
    python benchmarks/run.py batch import --repeats 30
    python benchmarks/run.py --write              # also write benchmarks/results.md

Only ratios within one run count: seconds are of one machine on one day. Every way to do the work is first
run once and must give the same answer. Each case runs in a process of its own with one thread of linear
algebra, its ways turn by turn; times are medians of CPU seconds, memory is the peak of what Python and numpy
allocate in one call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

CASES: dict[str, tuple[str, str, int]] = {  # name: module, function, repeats
    "batch": ("benchmarks.cases.batch", "case", 15),
    "import": ("benchmarks.cases.imports", "case", 25),
    "trial": ("benchmarks.cases.trial", "case", 25),
    "million": ("benchmarks.cases.trial", "million", 5),
    "clusters": ("benchmarks.cases.clusters", "case", 15),
    "stepdown": ("benchmarks.cases.stepdown", "case", 3),
    "eq5d": ("benchmarks.cases.eq5d", "case", 9),
    "fit_notes": ("benchmarks.cases.fit_notes", "case", 15),
    "kaplan-meier": ("benchmarks.cases.survival", "case", 9),
    "log-rank": ("benchmarks.cases.survival", "between_groups", 5),
    "restricted-mean": ("benchmarks.cases.survival", "rmst_case", 5),
    "cox": ("benchmarks.cases.cox", "case", 5),
    "cox_late": ("benchmarks.cases.cox", "late", 5),
    "cox_large": ("benchmarks.cases.cox", "large", 3),
    "cox_large_late": ("benchmarks.cases.cox", "large_late", 3),
    "cox_robust": ("benchmarks.cases.cox", "robust", 3),
    "cox_million": ("benchmarks.cases.cox", "million", 3),
}
PACKAGES = ("impactkit", "numpy", "pandas", "statsmodels", "linearmodels", "lifelines", "pyfixest", "scikit-survival")
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "BLIS", "NUMEXPR", "NUMBA", "RAYON")
} | {"POLARS_MAX_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}


def build(name: str) -> Any:
    module, function, _ = CASES[name]
    make: Callable[[], Any] = getattr(import_module(module), function)
    return make()


def run_one(name: str, repeats: int) -> dict[str, Any]:
    """Run a case in this process and give what is shown of it."""
    from benchmarks.harness import disagreements, measure

    case = build(name)
    said = disagreements(case)
    if said:
        return {"title": case.title, "disagreements": said}
    timings = measure(case, repeats)
    base = next(timing.median for timing in timings if timing.name == case.beside)
    return {
        "title": case.title,
        "beside": case.beside,
        "remarks": [*_compared(case), *case.remarks],
        "rows": [
            {
                "name": timing.name,
                "seconds": timing.median,
                "runs": len(timing.seconds),
                "ratio": timing.median / base,
                "aim": timing.aim,
                "megabytes": timing.megabytes,
            }
            for timing in timings
        ],
    }


def _compared(case: Any) -> list[str]:
    """Say which answers were compared before anything was timed."""
    if not any(way.answer for way in case.ways):
        return []
    return [f"{case.compares} agree to {case.tolerance:g} (relative beyond 1) in this run"]


def run_apart(name: str, repeats: int) -> dict[str, Any]:
    """Run a case in a process of its own, on one thread."""
    command = [sys.executable, str(Path(__file__).resolve()), name, "--repeats", str(repeats), "--inside"]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'case "{name}" stopped with an error')
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(found: dict[str, Any]) -> list[str]:
    """Lay one case out as a Markdown table that also reads well in a terminal."""
    header = ["", "ms", f"x {found['beside']}", "goal", "peak MB", "runs"]
    lines = [header]
    for row in found["rows"]:
        missed = row["aim"] is not None and row["ratio"] > row["aim"]
        lines.append(
            [
                row["name"],
                f"{1e3 * row['seconds']:,.1f}",
                f"{row['ratio']:.2f}",
                "" if row["aim"] is None else f"<= {row['aim']:g}{' MISSED' if missed else ''}",
                "" if row["megabytes"] is None else f"{row['megabytes']:,.1f}",
                str(row["runs"]),
            ]
        )
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    text = [
        "| "
        + " | ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 1) + (":" if place else "-") for place, width in enumerate(widths)) + "|"
    return [text[0], rule, *text[1:]]


def section(found: dict[str, Any]) -> str:
    lines = [f"## {found['title']}", ""]
    if "disagreements" in found:
        return "\n".join([*lines, "Not timed, because the answers differ:", *found["disagreements"], ""])
    return "\n".join([*lines, *table(found), "", *(f"- {remark}" for remark in found["remarks"]), ""])


def failed(found: dict[str, Any]) -> bool:
    return "disagreements" in found or any(row["aim"] and row["ratio"] > row["aim"] for row in found["rows"])


def versions() -> str:
    from impactkit.results.provenance import describe_platform

    said = []
    for package in PACKAGES:
        try:
            said.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python} on {describe_platform()}; {', '.join(said)}."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which to run: {', '.join(CASES)} (all)")
    parser.add_argument(
        "--repeats", type=int, help="timed turns per case, fewer for slow peers (each case has its own)"
    )
    parser.add_argument("--write", action="store_true", help="write benchmarks/results.md")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}: there are {', '.join(CASES)}")
    chosen = options.cases or list(CASES)
    if options.inside:
        print(json.dumps(run_one(chosen[0], options.repeats)))
        return 0
    found = []
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found.append(run_apart(name, options.repeats or CASES[name][2]))
        print(section(found[-1]), flush=True)
    if options.write:
        heading = [
            "# Benchmarks",
            "",
            f"Written by `python benchmarks/run.py --write` on {date.today().isoformat()}. {versions()}",
            "Medians of CPU time on one thread; only ratios within one table mean anything. Memory is the peak of what",
            "Python and numpy allocate during one call, what is returned included.",
            "",
        ]
        (HERE / "results.md").write_text("\n".join([*heading, *map(section, found)]), encoding="utf-8")
        print(f"written: {HERE / 'results.md'}", file=sys.stderr)
    return int(any(map(failed, found)))


if __name__ == "__main__":
    sys.exit(main())
