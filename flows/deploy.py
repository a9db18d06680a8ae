"""`scalemark deploy`: work pool, deployments, automation and limit, against a Prefect API."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows import deployments
from flows.fields import TAG
from flows.server import POOL, require_answer
from flows.turns import limit_name
from tasks.errors import RunError, UsageError
from tasks.pipeline import Params

HEARTBEAT = "prefect.flow-run.heartbeat"
SILENCE = timedelta(seconds=90)
"""Three heartbeats, as prefect.yaml sets them."""
ZOMBIES = "Crash zombie flows"


def deploy(source: Path, out: Path, params: Params | None = None) -> list[str]:
    """Register everything for an archive; once more with the same changes nothing.

    Parameters
    ----------
    source, out : Path
        What the deployments read and where they write unless told.
    params : Params, optional
        With which parameters they run unless told.

    Returns
    -------
    list of str
        What a person should know of the change.

    Raises
    ------
    RunError
        When no API is configured, it does not answer, or it refuses.
    """
    address = configured_api()
    require_answer(address)
    try:
        with get_client(sync_client=True) as client:
            _make_pool(client)
            _make_automation(client)
            client.upsert_global_concurrency_limit_by_name(limit_name(out), 1)
            return deployments.register(client, source, out, params)
    except PrefectHTTPStatusError as error:
        code = error.response.status_code
        remedy = "set PREFECT_API_AUTH_STRING to its password" if code == 401 else str(error)
        raise RunError(f"the Prefect API at {address} refuses ({code}): {remedy}") from error


def configured_api() -> str:
    """Return the address of the configured Prefect API; Prefect would start one of its own else."""
    if address := get_current_settings().api.url:
        return address
    raise UsageError(
        "no Prefect API is configured: set PREFECT_API_URL, or let `scalemark serve` start one"
    )


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
            # Other people's runs on the server may well be silent for longer.
            match_related={
                "prefect.resource.id": f"prefect.tag.{TAG}",
                "prefect.resource.role": "tag",
            },
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
    ours, there = zombie_automation(), client.read_automations_by_name(ZOMBIES)
    if not there:
        client.create_automation(ours)
    for one in there:
        if _what_it_does(one) != _what_it_does(ours):
            ours.enabled = one.enabled
            client.update_automation(one.id, ours)


def _what_it_does(automation: AutomationCore) -> tuple[Any, ...]:
    return automation.trigger, automation.actions
