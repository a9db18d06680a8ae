"""Prefect processes of our own on this machine: started, watched, and ended with us.

They run in sessions of their own, so that a Ctrl-C in the terminal reaches us alone and we can
tell the server how the run ended. On Linux the kernel ends them if we are killed.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.errors import RunError

PROJECT = Path(__file__).parents[1]
POOL = "scalemark"
"""The work pool of the deployments."""
START_SECONDS = 90.0
STOP_SECONDS = 15.0

# PR_SET_PDEATHSIG is 1; it survives exec.
END_WITH_PARENT = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
except AttributeError:
    pass
os.execv(sys.argv[1], sys.argv[1:])
"""
PREFECT = (sys.executable, "-m", "prefect")

lost = threading.Event()
"""Set when the API has gone away in mid-run: Prefect would try for minutes to send it the rest."""


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Any,  # noqa: ANN401
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command while the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-c", END_WITH_PARENT, *command],
        env=environment,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(port: int, environment: Mapping[str, str], log: Path) -> Iterator[Any]:
    """Run a Prefect server on this machine's loopback while the context lasts."""
    command = (*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port))
    with log.open("ab") as file, running(command, environment, file) as server:
        _wait_until_healthy(port, server, log)
        yield server


@contextmanager
def api() -> Iterator[str]:
    """Yield the address of the configured Prefect API, else of a temporary server."""
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

    settings = get_current_settings()
    if settings.api.url:
        require_answer(settings.api.url)
        yield settings.api.url
        return
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    settings.home.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PREFECT_HOME": str(settings.home), "PREFECT_API_URL": address}
    with (
        serving(port, environment, settings.home / "temporary-server.log"),
        temporary_settings({PREFECT_API_URL: address}),
    ):
        try:
            yield address
        finally:
            if not lost.is_set():
                APILogHandler().flush()  # while there is a server to send them to


def require_answer(address: str) -> None:
    """Refuse early where nobody answers at the address of a Prefect API."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=10):  # noqa: S310
            return
    except urllib.error.HTTPError:
        return  # somebody answers; whether we may in, Prefect will say
    except (OSError, ValueError) as error:
        raise RunError(
            f"the configured Prefect API at {address} does not answer ({error}): "
            "start it, unset PREFECT_API_URL, or run with --direct"
        ) from error


def free_port() -> int:
    """Return a port of this machine's loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RunError(f"the Prefect server did not start; {log} says why")
