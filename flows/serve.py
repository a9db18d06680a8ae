"""`scalemark serve`: a Prefect server on this machine, a worker and the deployments, in one."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tasks.errors import RunError, UsageError

POOL = "scalemark"
PROJECT = Path(__file__).parents[1]
START_SECONDS = 90.0
STOP_SECONDS = 15.0


def serve_until_stopped(console: Any, home: Path, port: int, settings: Mapping[str, str]) -> int:  # noqa: ANN401
    """Start everything, print the address, and wait for Ctrl-C.

    Parameters
    ----------
    console : rich.console.Console
        Where to write.
    home : Path
        The server's own folder: database, logs.
    port : int
        Port on this machine's loopback.
    settings : mapping
        Environment for the deployments: SCALEMARK_SOURCE, SCALEMARK_OUT.
    """
    _require_free(port)
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        **settings,
        "PREFECT_HOME": str(home.absolute()),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_CLI_PROMPT": "false",
    }
    with ExitStack() as stack:
        console.print("starting the server …")
        log = stack.enter_context((home / "server.log").open("ab"))
        server = stack.enter_context(
            _running(
                ["server", "start", "--host", "127.0.0.1", "--port", str(port)], environment, log
            )
        )
        _wait_until_healthy(port, server, home / "server.log")
        _prefect(["work-pool", "create", POOL, "--type", "process", "--overwrite"], environment)
        _prefect(["deploy", "--all", "--no-prompt"], environment)
        log = stack.enter_context((home / "worker.log").open("ab"))
        worker = stack.enter_context(
            _running(["worker", "start", "--pool", POOL, "--type", "process"], environment, log)
        )
        console.print(f"open http://127.0.0.1:{port}/deployments", soft_wrap=True)
        console.print(f"logs are in {home}; Ctrl-C stops everything", soft_wrap=True)
        _watch({"server": server, "worker": worker})
    return 0


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} is taken: a server may be running already; else choose --port"
            ) from error


@contextmanager
def _running(
    arguments: list[str],
    environment: dict[str, str],
    log: Any,  # noqa: ANN401
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Prefect process of ours, out of reach of the terminal's Ctrl-C; end it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", *arguments],
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


def _wait_until_healthy(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise RunError(f"the Prefect server did not start; {log} says why")


def _prefect(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        env=environment,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunError(f"prefect {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


def _watch(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise RunError(f"the {name} stopped by itself (exit {process.returncode})")
        time.sleep(0.5)
