"""`scalemark serve`: a Prefect server on this machine, a worker and the deployments, in one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flows import reports
from flows.parameters import read_params
from flows.server import POOL, PREFECT, running, serving
from tasks import lock
from tasks.errors import RunError, UsageError

SCALEMARK = (sys.executable, "-m", "flows.cli")
DEFAULTS = {
    # Places in a queue outlive the server: else a restart leaves them taken for ever.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
}
"""What a person may set otherwise."""


def serve_until_stopped(
    console: Any,  # noqa: ANN401
    source: Path,
    out: Path,
    params: Path | None,
    *,
    home: Path,
    port: int,
    look: float,
    settings: Mapping[str, str],
) -> int:
    """Start everything, print the address, and wait for Ctrl-C.

    Parameters
    ----------
    console : rich.console.Console
        Where to write.
    source, out : Path
        What the deployments read and where they write unless told.
    params : Path, optional
        YAML of the parameters that they run with unless told.
    home : Path
        The server's own folder: database, logs.
    port : int
        Port on this machine's loopback; the next one is for the reports.
    look : float
        Seconds between two looks for files that have arrived; 0 for none.
    settings : mapping
        Prefect's settings for all that is started here.
    """
    if look < 0:
        raise UsageError(f"--look must be 0 or more, got {look:g}")
    read_params(params)
    with ExitStack() as stack:
        stack.enter_context(_owned(home))
        for each in (port, port + 1):
            _require_free(each)
        environment = _environment(home, port, settings)
        address = stack.enter_context(reports.served(port + 1, reports.secret_of(home)))
        environment["SCALEMARK_REPORTS"] = address
        console.print("starting the server …")
        processes = {"server": stack.enter_context(serving(port, environment, home / "server.log"))}
        for line in _deploy(source, out, params, environment):
            console.print(line, soft_wrap=True, markup=False)
        worker = (*PREFECT, "worker", "start", "--pool", POOL, "--type", "process")
        watch = (*SCALEMARK, "watch", "--every", str(look))
        for name, command in ({"worker": worker} | ({"watch": watch} if look else {})).items():
            log = stack.enter_context((home / f"{name}.log").open("ab"))
            processes[name] = stack.enter_context(running(command, environment, log))
        console.print(f"open http://127.0.0.1:{port}/v2/deployments", soft_wrap=True)
        console.print(f"logs are in {home}; Ctrl-C stops everything", soft_wrap=True)
        _watch(processes)
    return 0


@contextmanager
def _owned(home: Path) -> Iterator[None]:
    """Own the server's folder: two servers on one database would undo each other's work."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make --home {home}: {error.strerror}") from error
    path = home / "serve.lock"
    if owner := lock.owner(path):
        raise UsageError(
            f"a server with --home {home} is running already ({owner}): use that one, stop it, "
            "or choose another --home and --port"
        )
    with lock.owned(path):
        yield


def _environment(home: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    origins = f"http://127.0.0.1:{port},http://localhost:{port}"
    environment = {
        **DEFAULTS,
        # Any page that a browser shows might use the API otherwise.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
        **os.environ,
        **settings,
        "PREFECT_HOME": str(home.absolute()),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_CLI_PROMPT": "false",
    }
    if password := environment.get("PREFECT_SERVER_API_AUTH_STRING"):
        environment["PREFECT_API_AUTH_STRING"] = password
    return environment


def _require_free(port: int) -> None:
    if not 0 < port < 65536:
        raise UsageError(f"--port must be 1 to 65534, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} is taken: a server may be running already; else choose --port"
            ) from error


def _deploy(source: Path, out: Path, params: Path | None, environment: dict[str, str]) -> list[str]:
    """Register the deployments; return what the command has to tell."""
    done = subprocess.run(
        [
            *(*SCALEMARK, "deploy", str(source), "--out", str(out)),
            *(("--params", str(params)) if params else ()),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunError(f"the deployments cannot be made:\n{done.stdout}{done.stderr}")
    return [line for line in done.stderr.splitlines() if line.startswith("scalemark: ")]


def _watch(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise RunError(f"the {name} stopped by itself (exit {process.returncode})")
        time.sleep(0.5)
