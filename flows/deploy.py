"""`scalemark deploy`: work pool, deployments, automation and limit, against a Prefect API."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows.server import POOL, PROJECT, require_answer
from flows.turns import limit_name
from tasks.errors import RunError, UsageError

HEARTBEAT = "prefect.flow-run.heartbeat"
SILENCE = timedelta(seconds=90)
"""Three heartbeats, as prefect.yaml sets them."""
ZOMBIES = "Crash zombie flows"


def deploy(source: Path, out: Path) -> str:
    """Register everything for an archive; once more with the same changes nothing.

    Parameters
    ----------
    source, out : Path
        What the deployments read and where they write unless told.

    Returns
    -------
    str
        The API's address.

    Raises
    ------
    RunError
        When no API is configured, it does not answer, or it refuses.
    """
    address = get_current_settings().api.url
    if not address:
        raise UsageError(
            "no Prefect API is configured: set PREFECT_API_URL, or let `scalemark serve` start one"
        )
    require_answer(address)
    try:
        with get_client(sync_client=True) as client:
            _make_pool(client)
            _make_automation(client)
            client.upsert_global_concurrency_limit_by_name(limit_name(out), 1)
    except PrefectHTTPStatusError as error:
        code = error.response.status_code
        remedy = "set PREFECT_API_AUTH_STRING to its password" if code == 401 else str(error)
        raise RunError(f"the Prefect API at {address} refuses ({code}): {remedy}") from error
    _make_deployments(source, out)
    return address


def _make_pool(client: SyncPrefectClient) -> None:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def zombie_automation() -> AutomationCore:
    """Return what marks a run as crashed when its heartbeat stops without a last word."""
    ends = {f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed")}
    return AutomationCore(
        name=ZOMBIES,
        description="A run whose process is gone sends no heartbeat: it is marked as crashed.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ends},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                force=False,
                message=(
                    f"No heartbeat for {SILENCE.seconds} s: its process is gone. "
                    "What was committed is kept; the next run goes on from there."
                ),
            )
        ],
    )


def _make_automation(client: SyncPrefectClient) -> None:
    if not client.read_automations_by_name(ZOMBIES):
        client.create_automation(zombie_automation())


def _make_deployments(source: Path, out: Path) -> None:
    if not (PROJECT / "prefect.yaml").exists():
        raise RunError(f"{PROJECT} holds no prefect.yaml: deploy from a clone of scalemark")
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt"],
        env={
            **os.environ,
            "SCALEMARK_SOURCE": str(source.absolute()),
            "SCALEMARK_OUT": str(out.absolute()),
            "SCALEMARK_TIMEZONE": timezone(),
        },
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunError(f"prefect deploy failed:\n{done.stdout}{done.stderr}")


def timezone() -> str:
    """Return the name of this machine's time zone, such as Europe/Zurich, as far as it tells."""
    if "TZ" in os.environ:
        return os.environ["TZ"].removeprefix(":") or "UTC"
    _, _, name = os.path.realpath("/etc/localtime").partition("zoneinfo/")
    return name or "UTC"
