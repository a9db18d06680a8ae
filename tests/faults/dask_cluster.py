"""`dask scheduler` and `dask worker`s in processes of their own, as a person starts them."""

import json
import os
import signal
import subprocess
import sys
import time

from tests.faults import runs


class Cluster:
    """A scheduler and two workers, on this machine's loopback."""

    def __init__(self, folder, *options, protocol="tcp", **environment):
        self.folder, self.file = folder, folder / "scheduler.json"
        self.where = ("--host", f"{protocol}://127.0.0.1", "--no-dashboard")
        self.where += ("--dashboard-address", "127.0.0.1:0")
        self.environment = {**os.environ, **environment}
        self.scheduler = self._start("scheduler", "--port", "0")
        self.workers = []
        for _ in range(2):
            self.add_worker(*options)
        self.address = self._await_address()

    def add_worker(self, *options):
        self.workers.append(self._start("worker", "--nthreads", "1", *options))
        return self.workers[-1]

    def _start(self, role, *options):
        module = f"distributed.cli.dask_{role}"
        options = (*self.where, "--scheduler-file", self.file, *options)
        with (self.folder / f"{role}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *map(str, options)],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await_address(self):
        until = time.monotonic() + runs.PATIENCE
        while time.monotonic() < until:
            try:
                return json.loads(self.file.read_text())["address"]
            except (OSError, ValueError):
                time.sleep(0.05)
        raise TimeoutError("the scheduler did not start")

    def end(self):
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
