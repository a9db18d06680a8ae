"""A scheduler and two workers over TLS: the same results; strangers and unfit workers kept out."""

import importlib.metadata
import json
import signal
import ssl
import subprocess
import sys

import distributed
import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from tests.faults import runs
from tests.faults.dask_cluster import Cluster

UNFIT = {
    "other-version": (
        "import importlib.metadata as metadata\n"
        "def other(name, true=metadata.version): return '0.1' if name == 'numpy' else true(name)\n"
        "metadata.version = other\n",
        f"has numpy 0.1 instead of {importlib.metadata.version('numpy')}",
    ),
    "no-scalemark": ("import sys\nsys.modules['tasks'] = None\n", "has no scalemark"),
}


@pytest.fixture(scope="module")
def certificates(scalemark_command, tmp_path_factory):
    """Return the Dask configurations of two authorities."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "theirs"):
        subprocess.run([scalemark_command, "certificates", folder / name], check=True)
    return {name: str(folder / name / "dask.yaml") for name in ("ours", "theirs")}


@pytest.fixture(scope="module")
def scalemark_command():
    return runs.command("", "")[0]


@pytest.fixture(scope="module")
def cluster(certificates, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(folder, protocol="tls", DASK_CONFIG=certificates["ours"])
    yield cluster
    cluster.end()


def test_over_tls_the_results_are_those_of_a_direct_run(
    cluster, certificates, tiny, tiny_clean, tmp_path
):
    assert cluster.address.startswith("tls://127.0.0.1:")
    ended = runs.complete(
        tiny, tmp_path / "o", "--scheduler", cluster.address, DASK_CONFIG=certificates["ours"]
    )
    assert ended.code == 0, ended
    runs.assert_as_clean(tmp_path / "o", tiny_clean)


def test_no_socket_of_the_cluster_is_open_to_other_machines(cluster):
    started = [cluster.scheduler, *cluster.workers]
    processes = [psutil.Process(one.pid) for one in started]
    processes += [child for one in processes for child in one.children(recursive=True)]
    connections = [one for each in processes for one in each.net_connections(kind="inet")]
    listening = {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("whose", "protocol", "complaint"),
    [
        ("theirs", "tls", "do not trust each other's certificates"),
        (None, "tls", "tls:// needs certificates, and none are configured"),
        ("lost", "tls", "cannot read the certificates for tls://"),
        (None, "tcp", "hangs up at once: it is no Dask scheduler, or one that wants tls://"),
    ],
)
def test_a_stranger_is_refused_in_one_line(
    cluster, certificates, tiny, tmp_path, whose, protocol, complaint
):
    lost = tmp_path / "lost.yaml"
    config = json.dumps({"ca-file": "gone.pem", "client": {"cert": "gone.pem", "key": "gone.pem"}})
    lost.write_text(f"distributed: {{comm: {{tls: {config}}}}}")
    file = {"lost": str(lost), **certificates}.get(whose, "")
    address = cluster.address.replace("tls", protocol)
    ended = runs.complete(tiny, tmp_path / "o", "--scheduler", address, DASK_CONFIG=file)
    assert ended.code == 2, ended
    assert complaint in ended.complaint
    assert ended.complaint.startswith("scalemark: ")
    assert ended.complaint.count("\n") == 1, ended.complaint


def test_a_worker_with_other_certificates_does_not_get_in(cluster, certificates, tmp_path):
    environment = {**cluster.environment, "DASK_CONFIG": certificates["theirs"]}
    worker = ("-m", "distributed.cli.dask_worker", cluster.address, "--no-nanny", "--no-dashboard")
    done = subprocess.run(
        [sys.executable, *worker, "--host", "tls://127.0.0.1", "--death-timeout", "5"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "TLS handshake failed" in (cluster.folder / "scheduler.log").read_text()
    with client_of(cluster, certificates) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2


def client_of(cluster, certificates):
    folder = certificates["ours"].removesuffix("dask.yaml")
    security = distributed.Security(
        tls_ca_file=f"{folder}ca.pem",
        tls_client_cert=f"{folder}certificate.pem",
        tls_client_key=f"{folder}key.pem",
    )
    return distributed.Client(cluster.address, security=security, set_as_default=False)


def add_unfit_workers(cluster, certificates, folder):
    """Start one worker of each kind beside the two good ones, and wait for both."""
    workers = []
    for kind, (preload, _) in UNFIT.items():
        file = folder / f"{kind}.py"
        file.write_text(preload)
        workers.append(cluster.add_worker("--preload", file))
    await_workers(cluster, certificates, 2 + len(UNFIT))
    return workers


def test_unfit_workers_are_named_before_the_run_starts(cluster, certificates, tiny, tmp_path):
    workers = add_unfit_workers(cluster, certificates, tmp_path)
    out = tmp_path / "o"
    where = ("--scheduler", cluster.address)
    ended = runs.complete(tiny, out, *where, DASK_CONFIG=certificates["ours"])
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    assert ended.code == 2, ended
    for _, complaint in UNFIT.values():
        assert complaint in ended.complaint
    assert "needs the same installation" in ended.complaint
    assert not (out / "ledger.sqlite").exists()


def test_unfit_workers_that_join_late_are_sent_away(cluster, certificates, tmp_path):
    archive, out = tmp_path / "archive", tmp_path / "o"
    archive.mkdir()
    rng = np.random.default_rng(4)
    for number in range(48):  # most of them in stacks, and so in batches, of their own
        pixels = rng.integers(0, 256, (30 * (1 + number % 6), 30 * (1 + number // 6)), np.uint8)
        Image.fromarray(pixels).save(archive / f"{number:02d}.png")
    runs.here(archive, tmp_path / "calm")
    where = ("--scheduler", cluster.address)
    process = runs.start(archive, out, *where, DASK_CONFIG=certificates["ours"])
    runs.await_commits(process, out, "ingest", 1)
    process.send_signal(signal.SIGSTOP)  # so that they are there while there is work left
    workers = add_unfit_workers(cluster, certificates, tmp_path)
    process.send_signal(signal.SIGCONT)
    ended = runs.end(process)
    assert ended.code == 0, ended
    said = " ".join(ended.printed.split())
    assert f"{UNFIT['other-version'][1]}, and is sent away" in said, said
    for worker in workers:  # one that has no scalemark fails to read its first task, and leaves
        worker.wait(30)
    runs.assert_as_clean(out, runs.results(archive, tmp_path / "calm"))


def await_workers(cluster, certificates, number):
    with client_of(cluster, certificates) as client:
        client.wait_for_workers(number, timeout=60)


def test_the_certificates_name_the_hosts_they_were_made_for(scalemark_command, tmp_path):
    made = [scalemark_command, "certificates", tmp_path / "c", "--host", "node.example"]
    said = subprocess.run(made, check=True, capture_output=True, text=True).stdout
    assert said == f"export DASK_CONFIG={tmp_path / 'c' / 'dask.yaml'}\n"
    again = subprocess.run(made, check=False, capture_output=True, text=True)
    assert again.returncode == 2
    assert "already" in again.stderr
    assert (tmp_path / "c" / "key.pem").stat().st_mode & 0o077 == 0
    for name, right in (("node.example", True), ("127.0.0.1", True), ("other.example", False)):
        assert trusted(tmp_path / "c", name) == right


def test_certificates_for_another_place_name_that_place(scalemark_command, tmp_path):
    folder = tmp_path / "c"
    subprocess.run(
        [scalemark_command, "certificates", folder, "--seen-at", "/certificates"], check=True
    )
    tls = yaml.safe_load((folder / "dask.yaml").read_text())["distributed"]["comm"]["tls"]
    assert tls["ca-file"] == "/certificates/ca.pem"
    assert tls["worker"]["key"] == "/certificates/key.pem"


def trusted(folder, name):
    """Shake hands with a strict client that compares host names."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    strict = ssl.create_default_context(cafile=folder / "ca.pem")
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        strict.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return True
