"""One Prefect server, worker and set of deployments for all tests that need them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
SCALEMARK = str(Path(sys.executable).with_name("scalemark"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def scalemark():
    """Run the command line as a person does; returns the finished process."""

    def call(*arguments, timeout=240, **environment):
        clean = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
        return subprocess.run(
            [SCALEMARK, *map(str, arguments)],
            env=clean | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """`scalemark serve` on a free port, its own home, stopped by Ctrl-C at the end."""
    home = tmp_path_factory.mktemp("prefect")
    out = tmp_path_factory.mktemp("served") / "out"
    port = free_port()
    command = [SCALEMARK, "serve", ROOT / "examples/archive", "--out", out]
    process = subprocess.Popen(
        [*map(str, command), "--home", str(home), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stuck = threading.Timer(150, process.kill)
    stuck.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    else:
        pytest.fail("scalemark serve ended by itself:\n" + "".join(lines))
    stuck.cancel()
    environment = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(home)}
    yield SimpleNamespace(
        port=port, home=home, out=out, environment=environment, lines=lines, process=process
    )
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


@pytest.fixture(scope="session")
def manual_run(served):
    """The first run of the served folder, from its deployment: its id, and how it ended."""
    from tests.flows.test_served import api, wait_for_run

    deployment = api(served, "deployments/name/characterise/manual")
    run = api(served, f"deployments/{deployment['id']}/create_flow_run", {"state": None})
    return run["id"], wait_for_run(served, run["id"])
