"""`scalemark watch`: looks for files that have arrived, and starts the `watch` deployment.

It lists the folder instead of asking the kernel for events: those say nothing of what another
machine writes to a network share, and nothing of what came while nobody listened. It starts the run
itself instead of through an event and an automation: the listing's hash and the hour are the run's
idempotency key, so that the same files start one run, however many watch, and are tried again an
hour later if that run ended before it saw them.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from tasks import lock
from tasks.arrivals import Arrivals, arrivals
from tasks.errors import UsageError
from tasks.output import Output

DEPLOYMENT = "characterise/watch"
PAUSE = 10.0
"""Between two looks, in times that the last one took."""
logger = logging.getLogger("scalemark.watch")


def watch_until_stopped(seconds: float) -> None:
    """Look every few seconds, until this process is stopped."""
    if not seconds > 0:
        raise UsageError(f"--every must be positive, got {seconds:g}")
    watcher = Watcher()
    while True:
        began = time.monotonic()
        try:
            watcher.look()
        except Exception as error:  # the API or a share may come back
            logger.warning("cannot look now: %s: %s", type(error).__name__, error)
        # A large archive is not listed all the time.
        time.sleep(max(seconds, PAUSE * (time.monotonic() - began)))


@dataclass
class Watcher:
    """Starts a run when what has arrived stays as it is from one look to the next."""

    before: Arrivals = field(default_factory=Arrivals)

    def look(self) -> None:
        """List the source once."""
        with get_client(sync_client=True) as client:
            try:
                deployment = client.read_deployment_by_name(DEPLOYMENT)
            except ObjectNotFound:
                logger.warning("there is no deployment %s: run scalemark deploy", DEPLOYMENT)
                return
            if deployment.paused:
                return
            found = self._settled(deployment.parameters)
            if found:
                run = client.create_flow_run_from_deployment(
                    deployment.id,
                    state=Scheduled(),
                    idempotency_key=f"watch-{found.key}-{time.strftime('%Y-%m-%dT%H')}",
                )
                logger.info("%d files have arrived: run %s", found.count, run.name)

    def _settled(self, parameters: dict[str, Any]) -> Arrivals | None:
        """Return what has arrived, once it is whole and no run is about to find it."""
        output = Output(Path(parameters["out"]))
        if lock.owner(output.lock):
            return None
        found, before = arrivals(Path(parameters["source"]), output), self.before
        self.before = found
        return found if found.count and found == before else None
