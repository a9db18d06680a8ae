"""A Prefect server that somebody else runs, with a password: deploying to it, and watching."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.generate import generate
from flows.cli import OFFLINE
from flows.server import free_port, serving
from tests.faults import runs as faults

PASSWORD = "me:hush"
pytestmark = pytest.mark.timeout(300)


@contextmanager
def guarded_server(home):
    """Run a server; yields the environment of those who know the password."""
    port = free_port()
    own = {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    asked = os.environ | OFFLINE | own | {"PREFECT_SERVER_API_AUTH_STRING": PASSWORD}
    with serving(port, asked, home / "server.log"):
        yield own | {"PREFECT_API_AUTH_STRING": PASSWORD}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with guarded_server(tmp_path_factory.mktemp("guarded")) as environment:
        yield environment


@pytest.fixture
def edited(tmp_path_factory):
    """A server of its own, for what is changed there."""
    with guarded_server(tmp_path_factory.mktemp("edited")) as environment:
        yield environment


@pytest.fixture
def archive(scalemark, tmp_path):
    """A folder that a run has been through."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    Image.effect_noise((64, 64), 40).save(source / "first.png")
    done = scalemark("run", source, "--out", out, "--direct")
    assert done.returncode == 0, done.stderr
    return source, out


def ask(guarded, path, body=None, method=None):
    request = urllib.request.Request(
        f"{guarded['PREFECT_API_URL']}/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    if password := guarded.get("PREFECT_API_AUTH_STRING"):
        token = base64.b64encode(password.encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    for _ in range(20):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            if error.code != 503:  # its database is locked: Prefect's own clients ask again, too
                raise
            time.sleep(0.5)
    raise AssertionError(f"the server is too busy for {path}")


def registered(guarded):
    """What a person sees of every deployment, and of the automation."""
    found = {
        f"{one['entrypoint'].partition(':')[2]}/{one['name']}": (
            one["id"],
            one["parameters"],
            one["paused"],
            one["tags"],
            one["job_variables"],
            one["global_concurrency_limit"] and one["global_concurrency_limit"]["limit"],
            one["concurrency_options"],
            [(each["id"], each["schedule"], each["active"]) for each in one["schedules"]],
        )
        for one in ask(guarded, "deployments/filter", {})
    }
    [zombies] = ask(guarded, "automations/filter", {})
    return found, zombies["id"], zombies["trigger"], zombies["enabled"]


def test_the_password_is_asked_for_and_deploying_twice_changes_nothing(
    guarded, scalemark, tmp_path
):
    stranger = {key: value for key, value in guarded.items() if "AUTH" not in key}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(stranger, "deployments/filter", {})
    refused = scalemark("deploy", tmp_path, "--out", tmp_path / "out", **stranger)
    assert refused.returncode != 0
    assert "refuses (401): set PREFECT_API_AUTH_STRING" in refused.stderr
    assert "Traceback" not in refused.stderr
    before = None
    for _ in range(2):
        done = scalemark("deploy", tmp_path, "--out", tmp_path / "out", **guarded)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"registered at {guarded['PREFECT_API_URL']}" in done.stdout
        assert before in (None, registered(guarded))
        before = registered(guarded)
    assert len(before[0]) == 8


def test_what_a_person_has_set_stays_and_what_the_command_sets_is_told(edited, scalemark, tmp_path):
    source, out = tmp_path / "first", tmp_path / "out"
    assert scalemark("deploy", source, "--out", out, **edited).returncode == 0
    edit(edited, "characterise/watch", paused=True)
    edit(edited, "characterise/nightly", tags=["mine"], concurrency_limit=2)
    edit(edited, "report/report", job_variables={"env": {"LANG": "C"}, "stream_output": False})
    params = {"verdict": {"worst_score": 30}}
    edit(edited, "characterise/manual", parameters={**paths(source, out), "params": params})
    reschedule(edited, "learn-apply/nightly", active=True)
    five = {"cron": "0 5 * * *", "timezone": "Asia/Tokyo"}
    reschedule(edited, "characterise/nightly", schedule=five, active=False)
    [zombies] = ask(edited, "automations/filter", {})
    older = zombies["trigger"] | {"match_related": {}}  # as it was registered before
    body = {key: zombies[key] for key in ("name", "description", "actions")}
    ask(edited, f"automations/{zombies['id']}", body | {"trigger": older, "enabled": False}, "PUT")

    before = registered(edited)
    done = scalemark("deploy", source, "--out", out, **edited)
    assert (done.returncode, done.stderr) == (0, "")
    after = registered(edited)
    # Put back is what a run that has died is found by.
    before[0]["characterise/nightly"][3].append("scalemark")
    before[0]["report/report"][4]["env"] |= before[0]["characterise/watch"][4]["env"]
    assert after[0] == before[0]
    assert after[0]["characterise/nightly"][7][0][1]["cron"] == "0 5 * * *"
    assert after[1] == zombies["id"]
    assert after[2]["match_related"] == zombies["trigger"]["match_related"] != {}
    assert after[3] is False

    file = tmp_path / "params.yaml"
    file.write_text("{verdict: {worst_score: 40}, limits: {max_pixels: 1000}, only: images}")
    other = tmp_path / "second"
    done = scalemark("deploy", other, "--out", out, "--params", file, **edited)
    assert done.returncode == 0, done.stderr
    assert f"source is {other} from now on, was {source} for characterise/manual" in done.stderr
    assert "out is" not in done.stderr
    found = {name: one[1] for name, one in registered(edited)[0].items()}
    assert {one["source"] for one in found.values() if "source" in one} == {str(other)}
    for name in ("manual", "nightly", "watch"):
        params = found[f"characterise/{name}"]["params"]
        assert (params["only"], params["verdict"]["worst_score"]) == ("images", 40)
    assert found["report/report"]["verdict"]["worst_score"] == 40
    assert found["ingest/ingest"]["limits"]["max_pixels"] == 1000
    assert found["ingest/ingest"]["only"] == "images"
    assert found["learn_apply/nightly"] == {"out": str(out)}
    assert registered(edited)[0]["characterise/watch"][2] is True


def test_the_parameters_file_is_refused_before_anything_is_registered(scalemark, tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("sharpness: 1")
    for command in ("deploy", "serve"):
        done = scalemark(command, tmp_path, "--params", file, PREFECT_API_URL="http://127.0.0.1:1")
        assert (done.returncode, "sharpness" in done.stderr) == (2, True)


def paths(source, out):
    return {"source": str(source), "out": str(out)}


def edit(guarded, name, **change):
    there = ask(guarded, f"deployments/name/{name}")
    ask(guarded, f"deployments/{there['id']}", change, "PATCH")


def reschedule(guarded, name, **change):
    there = ask(guarded, f"deployments/name/{name}")
    [schedule] = there["schedules"]
    ask(guarded, f"deployments/{there['id']}/schedules/{schedule['id']}", change, "PATCH")


def test_files_that_arrive_start_one_run_which_takes_them_in(guarded, scalemark, archive):
    source, out = archive
    done = scalemark("deploy", source, "--out", out, **guarded)
    assert done.returncode == 0, done.stderr
    watch = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "watch", "--every", "0.5"],
        env=os.environ | OFFLINE | guarded,
    )
    try:
        time.sleep(6)
        assert runs(guarded) == []  # nothing has arrived yet
        Image.effect_noise((64, 64), 40).save(source / "second.png")
        until = time.monotonic() + 60
        while not runs(guarded):
            assert time.monotonic() < until, "nothing was started"
            time.sleep(0.2)
        time.sleep(3)  # some looks more
    finally:
        watch.terminate()
        watch.wait(30)
    [run] = runs(guarded)
    assert run["deployment_id"] == deployment(guarded)["id"]
    worker = ["worker", "start", "--pool", "scalemark", "--type", "process", "--run-once"]
    subprocess.run(
        [sys.executable, "-m", "prefect", *worker],
        env=os.environ | OFFLINE | guarded,
        check=True,
        capture_output=True,
        timeout=200,
    )
    assert runs(guarded)[0]["state"]["type"] == "COMPLETED"
    table = pq.read_table(out / "items.parquet")
    assert table["path"].to_pylist() == ["first.png", "second.png"]


def test_a_dead_run_is_marked_and_the_next_one_goes_on(guarded, scalemark, tmp_path):
    source, out = tmp_path / "ended", tmp_path / "out"
    generate(source, 72, extents=(64, 96))
    done = scalemark("deploy", source, "--out", out, **guarded)
    assert done.returncode == 0, done.stderr
    command = ["run", str(source), "--out", str(out), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *command],
        env=os.environ | guarded,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    faults.await_commits(process, out, "ingest", 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 240
    kept = faults.committed(out, "ingest")
    again = scalemark(*command, **guarded)
    assert again.returncode == 0, again.stderr
    assert faults.committed(out, "ingest") == 72 > kept > 0
    while (states := run_states(guarded, "ended into out")) != ["COMPLETED", "CRASHED"]:
        assert time.monotonic() < until, states
        time.sleep(2)


def run_states(guarded, name):
    found = ask(guarded, "flow_runs/filter", {"flow_runs": {"name": {"like_": name}}})
    return sorted(run["state"]["type"] for run in found)


def deployment(guarded):
    return ask(guarded, "deployments/name/characterise/watch")


def runs(guarded):
    chosen = {"deployments": {"id": {"any_": [deployment(guarded)["id"]]}}}
    return ask(guarded, "flow_runs/filter", chosen)
