"""Time several ways to do the same work, turn by turn in one process, once their answers agree."""

from __future__ import annotations

import gc
import importlib.util
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Answer = tuple[Floats, Floats | None]  # estimates, and standard errors where they are of the same kind

SLOW = 0.5  # seconds: what takes longer is repeated less often
RUNS_OF_SLOW = 3


@dataclass(frozen=True)
class Way:
    """One way to do the work.

    Parameters
    ----------
    name : str
    call : callable
        Does the work and returns whatever it returns.
    answer : callable, optional
        From what ``call`` returned, the estimates and standard errors in the case's order; left out for
        a way that does no more than another one that is checked.
    aim : float, optional
        Largest ratio to ``beside`` that is good enough.
    clock : callable
        CPU seconds by default, so that a busy machine does not count.
    """

    name: str
    call: Callable[[], Any]
    answer: Callable[[Any], Answer] | None = None
    aim: float | None = None
    clock: Callable[[], float] = time.process_time
    memory: bool = True


@dataclass(frozen=True)
class Case:
    """Work that can be done in several ways; ``beside`` is the one that ratios are taken to."""

    title: str
    ways: Sequence[Way]
    beside: str
    remarks: Sequence[str] = ()
    tolerance: float = 1e-8
    compares: str = "estimates and HC2 or CR2 standard errors"


@dataclass
class Timing:
    """What one way took."""

    name: str
    aim: float | None
    seconds: list[float] = field(default_factory=list)
    megabytes: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def missing(*packages: str) -> list[str]:
    """Say which peers are left out; `make bench` has an environment with all of them."""
    lacking = [package for package in packages if not installed(package)]
    return [f"{', '.join(lacking)} not installed, so left out: `make bench` installs every peer"] if lacking else []


def disagreements(case: Case) -> list[str]:
    """Run every way once and say, a sentence each, where its answer differs from that of ``beside``."""
    found = {way.name: way.answer(way.call()) for way in case.ways if way.answer is not None}
    said: list[str] = []
    if not found:
        return said
    reference = found[case.beside]
    for name, answer in found.items():
        for what, own, other in zip(("estimates", "standard errors"), answer, reference, strict=True):
            if own is None or other is None:
                continue
            if own.shape != other.shape:
                said.append(f"{name}: {own.shape} {what}, {case.beside}: {other.shape}")
                continue
            apart = np.abs(own - other) / np.maximum(1.0, np.abs(other))
            if not (apart <= case.tolerance).all():  # NaN is a disagreement too
                said.append(f"{name}: {what} differ from {case.beside} by up to {apart.max():.1e}")
    return said


def measure(case: Case, repeats: int) -> list[Timing]:
    """Time the ways turn by turn, so that a change of the machine's pace meets all of them alike."""
    timings = {way.name: Timing(way.name, way.aim) for way in case.ways}
    for turn in range(repeats + 1):  # the first turn warms caches and is not kept
        for way in case.ways:
            taken = timings[way.name].seconds
            if turn > RUNS_OF_SLOW and statistics.median(taken) > SLOW:
                continue
            gc.collect()
            started = way.clock()
            way.call()
            if turn:
                taken.append(way.clock() - started)
    for way in case.ways:
        if way.memory:
            timings[way.name].megabytes = peak(way.call)
    return list(timings.values())


def peak(call: Callable[[], Any]) -> float:
    """Peak of what Python and numpy allocate during one call, what it returns included, in MB."""
    gc.collect()
    tracemalloc.start()
    try:
        returned = call()
        highest = tracemalloc.get_traced_memory()[1]
        del returned
    finally:
        tracemalloc.stop()
    return highest / 1e6
