"""Where a result came from: versions, data, plan, seed, warnings and the time it took."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from impactkit._version import __version__

__all__ = ["Manifest", "package_versions"]

_LIBRARIES = ("numpy", "scipy", "pandas", "narwhals", "pydantic", "matplotlib", "jinja2")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything needed to say how a result was made; no record of any person.

    Parameters
    ----------
    version : str
        Of impactkit.
    plan_hash, data_hash : str
        SHA-256 of the plan's canonical JSON and of the columns read, the same whatever the file format.
    seed : int or None
    platform : str
    versions : mapping of str to str
    analyses : tuple of str
        In the order they ran.
    warnings : tuple of str
    failures : tuple of str
        Analyses that failed, with the reason.
    seconds : mapping of str to float
        Time taken by each analysis; the only entry that differs between identical runs.
    """

    version: str
    plan_hash: str
    data_hash: str
    seed: int | None
    platform: str
    versions: Mapping[str, str]
    analyses: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give plain data for ``manifest.json``."""
        return asdict(self)


@functools.cache
def package_versions() -> dict[str, str]:
    """Give versions of Python and of the libraries that numbers pass through."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "impactkit": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_platform() -> str:
    """Name the operating system and processor family, without the computer's own name."""
    return f"{platform.system()} {platform.machine()}, {sys.implementation.name}"
