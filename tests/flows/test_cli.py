import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import TypeAdapter

from flows import cli
from flows.parameters import default_yaml, read_params
from tasks.errors import UsageError
from tasks.pipeline import Params

ROOT = Path(__file__).parents[2]
SCALEMARK = str(Path(sys.executable).with_name("scalemark"))
COMMANDS = ("run", "plan", "report", "status", "params", "serve", "deploy", "watch")


def test_help_names_every_command_and_exit_code(scalemark):
    done = scalemark("--help")
    assert done.returncode == 0
    for word in (*COMMANDS, "130", "quarantined"):
        assert word in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(scalemark, command):
    done = scalemark(command, "--help")
    assert done.returncode == 0
    assert "Usage: scalemark" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from flows.cli import app\n"
        "try: app(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'dask', 'numpy', 'xarray', 'zarr', 'numba', 'PIL', 'pyarrow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_direct_imports_no_prefect(tmp_path):
    code = (
        "import sys; from flows import cli\n"
        f"sys.argv = ['scalemark', 'run', {str(ROOT / 'examples/archive/climate')!r}, "
        f"'--out', {str(tmp_path)!r}, '--direct', '--workers', '1']\n"
        "if __name__ == '__main__':\n"
        "    try: cli.main()\n"
        "    except SystemExit as end: assert end.code == 0, end.code\n"
        "    assert not [name for name in sys.modules if name.split('.')[0] == 'prefect']"
    )
    script = tmp_path / "direct.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_flow_runs_on_a_temporary_server_and_again_does_nothing(scalemark, tmp_path):
    source, out = ROOT / "examples/archive/climate", tmp_path / "out"
    home = {"PREFECT_HOME": str(tmp_path / "home")}
    first = scalemark("run", source, "--out", out, "--workers", "1", **home)
    assert first.returncode == 0, first.stderr
    assert str(out / "report.html") in first.stdout.replace("\n", "")
    table = pq.read_table(out / "items.parquet")
    second = scalemark("run", source, "--out", out, "--workers", "1", **home)
    assert second.returncode == 0, second.stderr
    assert "ingest" not in second.stdout
    assert pq.read_table(out / "items.parquet").equals(table)


def test_a_changed_parameter_is_named(scalemark, tmp_path):
    source, out = ROOT / "examples/archive/degraded", tmp_path / "out"
    assert scalemark("run", source, "--out", out, "--direct").returncode == 0
    file = tmp_path / "params.yaml"
    file.write_text("quality: {piqe: {activity_threshold: 0.2}}")
    again = scalemark("run", source, "--out", out, "--direct", "--params", file)
    assert again.returncode == 0, again.stderr
    words = " ".join(again.stdout.split())
    assert "6 items done again: activity_threshold changed from 0.1 to 0.2" in words


def test_plan_says_what_would_be_done_and_writes_nothing(scalemark, tmp_path):
    (tmp_path / "note.docx").write_bytes(b"PK")
    (tmp_path / "broken.png").write_text("no picture")
    (tmp_path / "good.csv").write_text("1\n2\n3\n4\n")
    before = sorted(tmp_path.rglob("*"))
    done = scalemark("plan", tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("CSV", "1 would be quarantined", "named .png", "1 would be skipped", "about"):
        assert words in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_status_tells_of_a_finished_run(scalemark, tmp_path):
    source = ROOT / "examples/archive/climate"
    assert scalemark("run", source, "--out", tmp_path, "--direct").returncode == 0
    done = scalemark("status", tmp_path)
    assert done.returncode == 0
    assert "no run is going on here" in done.stdout
    assert "run 1: started" in done.stdout


def test_report_rebuilds_what_was_deleted(scalemark, tmp_path):
    source = ROOT / "examples/archive/climate"
    assert scalemark("run", source, "--out", tmp_path, "--direct").returncode == 0
    (tmp_path / "report.html").unlink()
    assert scalemark("report", tmp_path).returncode == 0
    assert (tmp_path / "report.html").exists()


def test_the_printed_parameters_are_the_defaults():
    values = yaml.safe_load(default_yaml())
    assert TypeAdapter(Params).validate_python(values) == Params()


def test_every_fault_of_a_parameters_file_is_named(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("quality: {sharpness: 1}\nonly: movies\nlimits: {max_pixels: many}\n")
    with pytest.raises(UsageError) as caught:
        read_params(file)
    for words in ("quality.sharpness", "only", "limits.max_pixels"):
        assert words in str(caught.value)


def test_ctrl_c_in_a_terminal_stops_the_flow_cleanly(scalemark, tmp_path):
    source, out = ROOT / "examples/archive", tmp_path / "out"
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    process = subprocess.Popen(
        [SCALEMARK, "run", source, "--out", out],
        env=environment | {"PREFECT_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while not (out / "store.zarr").exists() and time.monotonic() < until:
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped; the same command goes on" in said
    assert "Traceback" not in said
    assert len(children) > 2
    assert not psutil.wait_procs(children, timeout=10)[1]
    again = scalemark("run", source, "--out", out, "--direct")
    assert again.returncode == 0, again.stderr
    assert "40 ok" in again.stdout


def test_a_configured_api_that_does_not_answer_is_named(scalemark, tmp_path):
    source = ROOT / "examples/archive/climate"
    dead = "http://127.0.0.1:1/api"
    done = scalemark("run", source, "--out", tmp_path / "out", PREFECT_API_URL=dead)
    assert done.returncode == 1
    assert done.stderr.startswith(f"scalemark: the configured Prefect API at {dead}")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["deploy", "watch"])
def test_what_needs_a_server_is_refused_without_one(scalemark, tmp_path, command):
    done = scalemark(command, PREFECT_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("scalemark: no Prefect API is configured: set PREFECT_API_URL")
    assert "temporary" not in done.stdout


@pytest.mark.parametrize("command", ["deploy", "watch"])
def test_telemetry_is_off_before_prefect_is_imported(monkeypatch, command):
    for name in cli.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    seen = []
    monkeypatch.setattr("flows.deploy.configured_api", lambda: "http://127.0.0.1:1")
    monkeypatch.setattr("flows.deploy.deploy", lambda *_: seen.append(dict(os.environ)) or [])
    monkeypatch.setattr("flows.watch.watch_until_stopped", lambda _: seen.append(dict(os.environ)))
    assert getattr(cli, command)() == 0
    assert seen[0].items() >= cli.OFFLINE.items()
