"""`scalemark serve`: a Prefect server on this machine, a worker and the deployments, in one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.server import PROJECT, running, serving
from tasks.errors import RunError, UsageError

POOL = "scalemark"


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
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make --home {home}: {error.strerror}") from error
    environment = {
        **os.environ,
        **settings,
        "PREFECT_HOME": str(home.absolute()),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_CLI_PROMPT": "false",
    }
    console.print("starting the server …")
    with serving(port, environment, home / "server.log") as server:
        _prefect(["work-pool", "create", POOL, "--type", "process", "--overwrite"], environment)
        _prefect(["deploy", "--all", "--no-prompt"], environment)
        arguments = ["worker", "start", "--pool", POOL, "--type", "process"]
        with (
            (home / "worker.log").open("ab") as log,
            running(arguments, environment, log) as worker,
        ):
            console.print(f"open http://127.0.0.1:{port}/deployments", soft_wrap=True)
            console.print(f"logs are in {home}; Ctrl-C stops everything", soft_wrap=True)
            _watch({"server": server, "worker": worker})
    return 0


def _require_free(port: int) -> None:
    if not 0 < port < 65536:
        raise UsageError(f"--port must be 1 to 65535, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} is taken: a server may be running already; else choose --port"
            ) from error


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
