"""The deployments of prefect.yaml at a server: made where they are absent, else brought up to date.

What a person may have set in the UI stays: schedules, pauses, parameters, tags, limits.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from pydantic import TypeAdapter

from flows.fields import TAG
from flows.server import PREFECT, PROJECT
from flows.timezone import timezone
from tasks.errors import RunError
from tasks.pipeline import Params

FILE = "prefect.yaml"


def register(
    client: SyncPrefectClient, source: Path, out: Path, params: Params | None = None
) -> list[str]:
    """Register every deployment.

    Parameters
    ----------
    client : SyncPrefectClient
        Of the server.
    source, out : Path
        What the deployments read and where they write unless told.
    params : Params, optional
        With which parameters they run unless told; by default those that they have.

    Returns
    -------
    list of str
        What a person should know: deployments that had another source or output folder before.

    Raises
    ------
    RunError
        When this is no clone of scalemark, or Prefect refuses.
    """
    if not (PROJECT / FILE).exists():
        raise RunError(f"{PROJECT} holds no {FILE}: deploy from a clone of scalemark")
    project = yaml.safe_load((PROJECT / FILE).read_text())
    paths = {"source": str(source.absolute()), "out": str(out.absolute())}
    before: dict[tuple[str, str], list[str]] = {}
    for one in project["deployments"]:
        flow: Flow[Any, Any] = load_flow_from_entrypoint(one["entrypoint"])
        given = _taken(flow, paths, params)
        name = f"{flow.name}/{one['name']}"
        try:
            there = client.read_deployment_by_name(name)
        except ObjectNotFound:
            one["parameters"] = given
            continue
        for path in paths.keys() & given.keys():
            if (was := there.parameters.get(path, given[path])) != given[path]:
                before.setdefault((path, str(was)), []).append(name)
        _keep(one, there, given)
    _apply(project)
    return [
        f"{path} is {paths[path]} from now on, was {was} for {', '.join(names)}"
        for (path, was), names in sorted(before.items())
    ]


def _taken(flow: Flow[Any, Any], paths: Mapping[str, str], params: Params | None) -> dict[str, Any]:
    """Return the parameters that a flow takes: all knobs as one, or those of its part."""
    offered: dict[str, Any] = dict(paths)
    if params is not None:
        knobs = TypeAdapter(Params).dump_python(params, mode="json")
        offered |= {**knobs, "params": knobs}
    return {name: offered[name] for name in flow.parameters.properties if name in offered}


def _keep(one: dict[str, Any], there: DeploymentResponse, given: Mapping[str, Any]) -> None:
    """Put what is set at the server into an entry of prefect.yaml, changed in place."""
    one.pop("schedules", None)  # those at the server stay as they are
    one["paused"] = there.paused
    one["parameters"] = {**there.parameters, **given}
    one["tags"] = [*there.tags, *({TAG} - {*there.tags})]
    ours, set_there = one["work_pool"]["job_variables"], there.job_variables
    environment = {**ours["env"], **(set_there.get("env") or {})}
    one["work_pool"] = {
        "name": there.work_pool_name or one["work_pool"]["name"],
        "work_queue_name": there.work_queue_name,
        "job_variables": {**ours, **set_there, "env": environment},
    }
    limit, options = there.global_concurrency_limit, there.concurrency_options
    if limit and options:
        strategy = options.collision_strategy.value
        one["concurrency_limit"] = {"limit": limit.limit, "collision_strategy": strategy}
    elif limit:
        one["concurrency_limit"] = limit.limit


def _apply(project: Mapping[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        file.write_text(yaml.safe_dump(project, sort_keys=False))
        done = subprocess.run(
            [*PREFECT, "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
            env=os.environ | {"SCALEMARK_TIMEZONE": timezone()},
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RunError(f"prefect deploy failed:\n{done.stdout}{done.stderr}")
