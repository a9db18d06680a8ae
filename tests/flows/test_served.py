"""The chain as others run it: a real server, its worker, its deployments, a real cluster."""

import contextlib
import csv
import inspect
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tasks import pipeline
from tasks.learning.train import TrainParams, train

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)


def api(served, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{served.port}/api/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    for _ in range(20):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:  # its database is locked: Prefect's own clients ask again, too
                raise
            time.sleep(0.5)
    raise AssertionError(f"the server is too busy for {path}")


def wait_for_run(served, run_id, seconds=240):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        state = api(served, f"flow_runs/{run_id}")["state"]
        if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return state
        time.sleep(0.5)
    raise AssertionError(f"run {run_id} is still {state['type']}")


@pytest.fixture(scope="module")
def direct_rows(scalemark, tmp_path_factory):
    """The example archive's table, made without Prefect."""
    out = tmp_path_factory.mktemp("direct")
    done = scalemark("run", ROOT / "examples/archive", "--out", out, "--direct")
    assert done.returncode == 0, done.stderr
    return pq.read_table(out / "items.parquet")


def test_a_deployment_characterises_the_example_archive(served, manual_run, direct_rows):
    _, state = manual_run
    assert state["type"] == "COMPLETED", state
    table = pq.read_table(served.out / "items.parquet")
    assert table.equals(direct_rows)
    assert (served.out / "report.html").stat().st_size > 100_000


def test_the_run_leaves_its_artifacts(served, manual_run):
    found = {
        artifact["key"]: artifact
        for artifact in api(served, "artifacts/filter", {"limit": 100})
        if artifact["flow_run_id"] == manual_run[0]
    }
    assert found["progress-piqe-images"]["data"] == 100.0
    assert "| ok |" in found["summary"]["data"]
    worst = json.loads(found["worst-items"]["data"])
    assert worst[0]["PIQE"] == 100.0
    assert found["scores"]["data"].startswith("data:image/png;base64,")
    assert "This was the first run." in found["summary"]["data"]
    [address] = re.findall(r"\((http://127[^)]*)\)", found["report"]["data"])
    with urllib.request.urlopen(address, timeout=30) as page:
        assert page.read() == (served.out / "report.html").read_bytes()
    assert not (served.home / "storage").exists()  # nothing was pickled


def test_task_runs_are_stages_not_items(served, manual_run):
    runs = api(
        served, "task_runs/filter", {"flow_runs": {"id": {"any_": [manual_run[0]]}}, "limit": 100}
    )
    chain = inspect.getsource(pipeline)
    stages = re.findall(r"^    run\((?:session\.)?(\w+)\)", chain, re.MULTILINE)
    assert "score" in stages
    assert sorted(run["name"] for run in runs) == sorted(s.replace("_", " ") for s in stages)


def test_the_form_explains_and_bounds_the_parameters(served):
    deployment = api(served, "deployments/name/characterise/manual")
    schema = deployment["parameter_openapi_schema"]
    assert schema["required"] == ["source", "out"]
    knobs = schema["definitions"]["Params"]["properties"]
    assert "quarantined items again" in knobs["retry_failed"]["description"]
    assert knobs["only"]["enum"] == ["all", "images", "signals"]
    piqe = schema["definitions"]["PiqeParams"]["properties"]
    assert "variance" in piqe["activity_threshold"]["description"]


def test_a_wrong_parameter_is_refused_before_anything_runs(served, tmp_path):
    deployment = api(served, "deployments/name/characterise/manual")
    parameters = {"out": str(tmp_path / "o"), "params": {"quality": {"sharpness": 1}}}
    run = api(
        served,
        f"deployments/{deployment['id']}/create_flow_run",
        {"parameters": parameters, "enforce_parameter_schema": False},
    )
    state = wait_for_run(served, run["id"])
    assert state["type"] == "FAILED"
    assert "sharpness" in state["message"]
    assert not (tmp_path / "o").exists()


def test_a_relative_path_is_refused_before_anything_runs(served):
    deployment = api(served, "deployments/name/characterise/manual")
    path = f"deployments/{deployment['id']}/create_flow_run"
    body = {"parameters": {"out": "photos-report"}}
    with pytest.raises(urllib.error.HTTPError, match="409"):
        api(served, path, body)
    run = api(served, path, body | {"enforce_parameter_schema": False})
    state = wait_for_run(served, run["id"])
    assert (state["type"], "out: Value error, must be absolute" in state["message"]) == (
        "FAILED",
        True,
    )


def test_the_nightly_deployment_has_its_schedule(served):
    nightly = api(served, "deployments/name/characterise/nightly")
    assert nightly["schedules"][0]["schedule"]["cron"] == "0 2 * * *"
    assert nightly["entrypoint"] == "flows.characterise:characterise"
    # Prefect would end a run whose place in a limit it cannot renew, as when its API goes away.
    assert [
        one["name"]
        for one in api(served, "deployments/filter", {})
        if one["concurrency_options"] or one["global_concurrency_limit"]
    ] == []


def test_every_flow_has_its_deployment_and_a_dead_run_is_found(served):
    found = api(served, "deployments/filter", {})
    names = {one["entrypoint"].partition(":")[2] for one in found}
    assert names >= {"characterise", "ingest", "image_quality", "signal_structure", "report"}
    assert "learn_apply" in names
    assert {one["name"] for one in found} >= {"manual", "nightly", "watch"}
    [zombies] = api(served, "automations/filter", {})
    assert zombies["name"] == "Crash zombie flows"


def test_a_part_runs_alone_and_a_missing_store_is_named_without_a_traceback(served, tmp_path):
    deployment = api(served, "deployments/name/report/report")
    run = api(
        served,
        f"deployments/{deployment['id']}/create_flow_run",
        {"parameters": {"out": str(tmp_path / "nowhere")}},
    )
    state = wait_for_run(served, run["id"])
    assert (state["type"], "holds no scalemark run" in state["message"]) == ("FAILED", True)


def test_a_source_that_has_vanished_is_named_and_its_store_is_kept(served, manual_run):
    assert manual_run[1]["type"] == "COMPLETED"
    deployment = api(served, "deployments/name/characterise/manual")
    table = (served.out / "items.parquet").read_bytes()
    run = api(
        served,
        f"deployments/{deployment['id']}/create_flow_run",
        {"parameters": {"source": "/nowhere/photos", "out": str(served.out)}},
    )
    state = wait_for_run(served, run["id"])
    assert state["type"] == "FAILED"
    assert "/nowhere/photos does not exist: name a folder" in state["message"]
    assert (served.out / "items.parquet").read_bytes() == table


def test_a_model_is_applied_by_its_deployment(served, manual_run):
    out = served.out
    rows = [row for row in pq.read_table(out / "items.parquet").to_pylist() if row["piqe"]]
    labels = out.with_name("labels.csv")
    with labels.open("w", newline="") as file:
        cells = csv.writer(file)
        cells.writerow(("name", "label"))
        for row in rows:
            name = f"{row['path']} ({row['part']})" if row["part"] else row["path"]
            cells.writerow((name, "good" if row["piqe"] < 40 else "bad"))
    train(out, labels, TrainParams(), out / "model.json")
    deployment = api(served, "deployments/name/learn-apply/nightly")
    assert deployment["schedules"][0]["schedule"]["cron"] == "0 4 * * *"
    assert deployment["schedules"][0]["active"] is False
    run = api(served, f"deployments/{deployment['id']}/create_flow_run", {"state": None})
    state = wait_for_run(served, run["id"])
    assert state["type"] == "COMPLETED", state["message"]
    found = pq.read_table(out / "items.parquet").to_pylist()
    assert {row["predicted"] for row in found if row["piqe"]} == {"good", "bad"}
    assert "Your rule for images" in (out / "report.html").read_text()


def test_two_runs_of_one_store_go_one_after_the_other(served, manual_run):
    parts = ("report/report", "image-quality/image-quality")
    ids = [api(served, f"deployments/name/{name}")["id"] for name in parts]
    runs = [api(served, f"deployments/{one}/create_flow_run", {})["id"] for one in ids]
    assert [wait_for_run(served, run)["type"] for run in runs] == ["COMPLETED", "COMPLETED"]


def test_of_missed_nights_one_is_caught_up(served, manual_run):
    nightly = api(served, "deployments/name/characterise/nightly")
    body = {
        "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "2026-01-01T02:00Z"}}
    }
    path = f"deployments/{nightly['id']}/create_flow_run"
    runs = [api(served, path, body)["id"] for _ in range(4)]
    ends = sorted((wait_for_run(served, run) for run in runs), key=lambda state: state["type"])
    assert [state["type"] for state in ends] == ["CANCELLED"] * 3 + ["COMPLETED"]
    assert "all that was due has been done by the run archive into out" in ends[0]["message"]


def test_a_second_server_on_the_same_home_is_refused(served, scalemark):
    done = scalemark("serve", "--home", served.home, "--port", served.port + 7)
    assert done.returncode == 2
    assert "is running already" in done.stderr


def test_every_socket_is_on_loopback(served):
    process = psutil.Process(served.process.pid)
    listening = [
        connection.laddr.ip
        for child in [process, *process.children(recursive=True)]
        for connection in child.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}


@contextlib.contextmanager
def dask(*arguments, cwd):
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_the_same_flow_on_a_scheduler_with_two_separate_workers(
    served, scalemark, tmp_path, direct_rows
):
    address_file = tmp_path / "scheduler.json"
    scheduler = ("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    worker = ("dask_worker", "--scheduler-file", str(address_file), "--nthreads", "1")
    worker += ("--host", "127.0.0.1", "--no-dashboard")
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask(*scheduler, "--scheduler-file", str(address_file), cwd=tmp_path))
        for _ in range(2):
            stack.enter_context(dask(*worker, cwd="/"))
        until = time.monotonic() + 60
        while not address_file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        address = json.loads(address_file.read_text())["address"]
        done = scalemark(
            "run", ROOT / "examples/archive", "--out", tmp_path / "out",
            "--scheduler", address, **served.environment,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "out/items.parquet").equals(direct_rows)
    runs = api(served, "flow_runs/filter", {"limit": 100})
    [run] = [run for run in runs if run["parameters"].get("scheduler") == address]
    assert run["state"]["type"] == "COMPLETED"


def test_a_second_server_on_the_port_is_refused(served, scalemark, tmp_path):
    done = scalemark("serve", "--home", tmp_path, "--port", served.port)
    assert done.returncode == 2
    assert f"port {served.port} is taken" in done.stderr
