"""For every test: no network, examples that repeat in CI, plots without a screen."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

# The same examples each time, so that a red run is about the change; HYPOTHESIS_PROFILE=explore draws others, and more.
settings.register_profile("repeat", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost", ""}


def _refuse_elsewhere(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name not in LOCAL_HOSTS:
        # pytest.fail is no Exception subclass: code under test that catches errors cannot hide it.
        pytest.fail(
            f"a test reached for the network ({name}): tests use only what the repository and its packages hold"
        )


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Fail any connection from this process to another host (a browser started here is still reachable)."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(address: Any) -> Any:
        if isinstance(address, tuple):  # a Unix socket's address is a path
            _refuse_elsewhere(address[0])
        return address

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda self, address: connect(self, checked(address)))
        patch.setattr(socket.socket, "connect_ex", lambda self, address: connect_ex(self, checked(address)))

        def resolve(host: Any, *rest: Any, **named: Any) -> Any:
            _refuse_elsewhere(host)
            return getaddrinfo(host, *rest, **named)

        patch.setattr(socket, "getaddrinfo", resolve)
        yield


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; a test that asks for it fails, and is not skipped, where there is none."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        pytest.fail(f"no Chromium at {path}: install it, or name yours in the environment variable CHROMIUM")
    return path
