"""Requests that cannot be carried out: one clear message, the documented code, nothing lost."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from functools import partial

import pyarrow.parquet as pq
import pytest
import yaml

from flows import cli, cluster
from tasks import lock
from tests.bad_input.conftest import ROOT, command, ended, snapshot
from tests.bad_input.entries import without_override
from tests.bad_input.hostile_images import good_images


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "photo.png").write_bytes(good_images()["png"])
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def scalemark(monkeypatch, capfd):
    """Call the command line in this process; returns its exit code, output and complaint."""
    parser = cli.app

    def call(*words):
        monkeypatch.setattr(cli, "app", partial(parser, list(map(str, words))))
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as ending:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        return ending.value.code, *capfd.readouterr()

    return call


@pytest.fixture
def here(monkeypatch):
    """Carry the work in this process, for tests to which the cluster is all the same."""
    monkeypatch.setattr(cluster, "opened", lambda **_: contextlib.nullcontext())


def assert_one_message(complaint, *words):
    assert complaint.startswith("scalemark: ")
    assert complaint.count("scalemark: ") == 1
    assert "Traceback" not in complaint
    assert "Warning" not in complaint
    for word in words:
        assert word in complaint


WRONG_PARAMETERS = {
    "colour: red": ["colour"],
    "quality: {piqe: {blok: 3}}": ["quality.piqe.blok"],
    "limits: {max_pixels: many}": ["limits.max_pixels", "integer"],
    "limits: {max_pixels: -5}": ["max_pixels must be 1 or more", "-5"],
    "limits: {max_samples: 0}": ["max_samples must be 1 or more", "0"],
    "item_timeout: 0": ["item_timeout must be positive", "0"],
    "item_timeout: .inf": ["item_timeout must be positive", "inf"],
    "item_timeout: .nan": ["item_timeout must be positive", "nan"],
    "only: sounds": ["only", "images"],
    "verdict: {worst_score: 500}": ["worst_score must be within 0 to 100", "500"],
    "colour: red\nsize: 3": ["colour", "size"],
    "- 1": ["the file"],
    "7": ["the file"],
    "a: [1,": ["cannot read", "line 1|line 2"],
    "!!python/object/apply:os.system ['echo hi']": ["cannot read", "os.system"],
    "\0": ["cannot read"],
}


@pytest.mark.parametrize(("text", "words"), WRONG_PARAMETERS.items(), ids=range(16))
def test_wrong_parameters_are_refused_and_named(scalemark, source, out, text, words, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    code, stdout, complaint = scalemark("run", source, "--out", out, "--direct", "--params", path)
    assert (code, stdout.strip()) == (2, "")
    assert_one_message(complaint, "params.yaml")
    assert all(any(way in complaint for way in word.split("|")) for word in words), complaint
    assert not out.exists()


@pytest.mark.parametrize("name", ["nowhere.yaml", "source", "binary.yaml"])
def test_a_parameters_file_that_cannot_be_read(scalemark, source, out, name, tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    code, _, complaint = scalemark(
        "run", source, "--out", out, "--direct", "--params", tmp_path / name
    )
    assert code == 2
    assert_one_message(complaint, "cannot read the parameters file", name)


def scheduler(address):
    return ["--scheduler", address]


BEYOND = ["beyond this machine and not encrypted", "tls://"]
WRONG_OPTIONS = [
    (["--workers", "0"], ["--workers must be 1 or more", "0"]),
    (["--workers", "-1"], ["--workers must be 1 or more", "-1"]),
    (["--max-pixels", "0"], ["max_pixels must be 1 or more", "0"]),
    ([*scheduler("tcp://127.0.0.1:1"), "--cluster", "c.yaml"], ["not both"]),
    ([*scheduler("tcp://127.0.0.1:1"), "--workers", "2"], ["leave it out"]),
    (scheduler("tcp://10.1.2.3:8786"), BEYOND),
    (scheduler("10.1.2.3:8786"), BEYOND),
    (scheduler("tcp://[::ffff:10.1.2.3]:8786"), BEYOND),
    (scheduler("tcp://localhost.example.org:8786"), BEYOND),
    (scheduler("tcp://127.0.0.1@10.1.2.3:8786"), BEYOND),
    (scheduler("ws://10.1.2.3:8786"), BEYOND),
    (scheduler("tcp://127.0.0.1:port"), ["tcp://127.0.0.1:port", "cannot be used"]),
    (scheduler("morse://127.0.0.1:1"), ["morse", "cannot be used"]),
    (scheduler("tls://127.0.0.1:1"), ["tls://", "needs certificates", "scalemark certificates"]),
]


@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS, ids=range(len(WRONG_OPTIONS)))
def test_wrong_options_are_refused(scalemark, source, out, options, words):
    code, stdout, complaint = scalemark("run", source, "--out", out, "--direct", *options)
    assert (code, stdout.strip()) == (2, "")
    assert_one_message(complaint, *words)


@pytest.mark.parametrize(
    "options",
    [["--frobnicate"], ["--workers", "two"], ["--only", "sounds"], ["--max-pixels", "1e3"]],
    ids=lambda options: options[0],
)
def test_the_parser_names_the_option(scalemark, source, out, options):
    code, stdout, complaint = scalemark("run", source, "--out", out, "--direct", *options)
    assert (code, stdout) == (2, "")
    assert options[0] in complaint
    assert "Traceback" not in complaint
    assert not out.exists()


WRONG_CLUSTERS = {
    "cluster_class: 7": "7",
    "cluster_class: os.system\ncluster_kwargs: {command: 'touch touched'}": "os.system",
    "cluster_class: no.such.Cluster": "no.such.Cluster",
    "cluster_class: distributed.LocalCluster\ncluster_kwargs: [1]": "cluster_kwargs holds names",
    "cluster: distributed.LocalCluster": "must hold cluster_class",
    "7": "must hold cluster_class",
    "a: [1,": "cannot read the cluster file",
}


@pytest.mark.parametrize(("text", "word"), WRONG_CLUSTERS.items(), ids=range(len(WRONG_CLUSTERS)))
def test_a_wrong_cluster_file(scalemark, source, out, text, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(text)
    code, _, complaint = scalemark("run", source, "--out", out, "--direct", "--cluster", "c.yaml")
    assert code == 2
    assert_one_message(complaint, "c.yaml", word)
    assert not (tmp_path / "touched").exists()


def test_a_source_that_is_missing(scalemark, tmp_path, out):
    code, _, complaint = scalemark("run", tmp_path / "nowhere", "--out", out, "--direct")
    assert code == 2
    assert_one_message(complaint, "nowhere does not exist")
    assert not out.exists()


@pytest.mark.parametrize("spelling", ["source", "source/../source", "link"])
def test_the_source_as_output(scalemark, source, spelling, tmp_path):
    (tmp_path / "link").symlink_to(source)
    before = snapshot(source)
    code, _, complaint = scalemark("run", source, "--out", tmp_path / spelling, "--direct")
    assert code == 2
    assert_one_message(complaint, "is the source itself", "choose another")
    assert snapshot(source) == before


@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_output_that_is_a_file(scalemark, source, out, below):
    out.write_text("precious")
    code, _, complaint = scalemark("run", source, "--out", out / below, "--direct")
    assert code == 5
    assert_one_message(complaint, str(out), "choose another --out")
    assert out.read_text() == "precious"


@pytest.mark.parametrize("name", ["new/out", "there"])
def test_an_output_that_may_not_be_written(source, tmp_path, name):
    if without_override() is None:
        pytest.skip("root cannot give up writing everywhere here: no setpriv")
    for folder in ("new", "there"):
        (tmp_path / folder).mkdir(mode=0o555)
    words = command("-m", "flows.cli", "run", source, "--out", tmp_path / name, "--direct")
    run = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 5, run.stderr
    assert_one_message(run.stderr, str(tmp_path / name), "Permission denied")


def test_an_output_inside_the_source(scalemark, source, here):
    inner = source / "results" / "first"
    for _ in range(2):
        code, _, complaint = scalemark("run", source, "--out", inner, "--direct")
        assert (code, complaint) == (0, "")
        rows = pq.read_table(inner / "items.parquet").to_pylist()
        found = {row["path"]: (row["status"], row["code"]) for row in rows}
        assert found.keys() == {"photo.png", "results/first"}
        assert found["results/first"] == ("skipped", "own")


def test_the_output_of_another_source(scalemark, source, out, tmp_path, here):
    other = tmp_path / "other"
    other.mkdir()
    assert scalemark("run", source, "--out", out, "--direct")[0] == 0
    before = {path: found for path, found in snapshot(out).items() if path.name != "run.lock"}
    code, _, complaint = scalemark("run", other, "--out", out, "--direct")
    assert code == 2
    assert_one_message(complaint, str(source), str(other), "choose another --out")
    after = snapshot(out)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("route", [[], ["--direct"]], ids=["flow", "direct"])
def test_an_output_that_another_run_owns(scalemark, source, out, route):
    out.mkdir()
    with lock.owned(out / "run.lock"):
        since = json.loads((out / "run.lock").read_text())["since"]
        code, _, complaint = scalemark("run", source, "--out", out, *route)
        assert code == 6
        assert_one_message(complaint, f"process {os.getpid()}", socket.gethostname(), since)
        assert sorted(path.name for path in out.iterdir()) == ["run.lock"]


@pytest.mark.parametrize("what", ["status", "report"])
@pytest.mark.parametrize("where", ["empty", "nowhere", "source/photo.png"])
def test_a_folder_without_a_run(scalemark, source, tmp_path, what, where):
    (tmp_path / "empty").mkdir()
    code, _, complaint = scalemark(what, tmp_path / where)
    assert code == 2
    assert_one_message(complaint, "holds no scalemark run", where)
    assert not any((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("what", ["status", "report"])
def test_a_ledger_that_is_none(scalemark, out, what):
    out.mkdir()
    (out / "ledger.sqlite").write_bytes(b"no database at all" * 99)
    code, _, complaint = scalemark(what, out)
    assert code == 5
    assert_one_message(complaint, "cannot open the ledger", "ledger.sqlite")


def test_the_printed_parameters_are_no_wrong_ones(scalemark, source, out, tmp_path, here):
    code, text, _ = scalemark("params")
    assert code == 0
    assert yaml.safe_load(text)["only"] == "all"
    (tmp_path / "params.yaml").write_text(text)
    arguments = ["run", source, "--out", out, "--direct", "--params", tmp_path / "params.yaml"]
    assert scalemark(*arguments)[0] == 0


def test_a_scheduler_that_does_not_answer(unanswered):
    process, streams, out = unanswered
    run = ended(process, *streams, out)
    assert run.code == 4
    assert_one_message(run.stderr, "no Dask scheduler answers at tcp://127.0.0.1:1")
