import importlib
import os
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from flows import address, cluster
from flows.run import characterise_on_cluster
from tasks.batches import Batch, Item, Order, carry
from tasks.errors import ClusterLost, UsageError
from tasks.ledger import Outcome
from tasks.output import Output
from tasks.pipeline import Params

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "url", ["tcp://10.1.2.3:8786", "example.org:8786", "tcp://[2001:db8::1]:1"]
)
def test_work_is_not_sent_in_the_clear(url):
    with pytest.raises(UsageError, match="use tls://"):
        address.require_private(url)


@pytest.mark.parametrize(
    "url", ["tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:1", "tls://10.1.2.3:8786"]
)
def test_this_machine_and_tls_are_fine(url):
    address.require_private(url)


@pytest.fixture(scope="module")
def client():
    # Dask leaves the limits of an earlier cluster in this process, and would take them for a wish.
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "OMP_NUM_THREADS"):
            patch.delenv(name, raising=False)
        with cluster.opened(workers=1) as client:
            yield client


def hide(path):
    """Make a folder vanish from a worker's sight, as where it is not mounted."""
    kept = os.access
    os.access = lambda name, mode: Path(name) != path and kept(name, mode)


def see_again(path):
    importlib.reload(os)


def test_a_worker_with_the_same_software_and_files_is_fit(client, tmp_path):
    cluster.require_fit(client, ROOT / "examples/archive/climate", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "run.lock"]


def test_workers_keep_the_memory_that_they_use_again(client):
    found = client.run(lambda: {k: v for k, v in os.environ.items() if k.startswith("MALLOC")})
    limits = {"MALLOC_TRIM_THRESHOLD_": "67108864", "MALLOC_MMAP_THRESHOLD_": "33554432"}
    assert list(found.values()) == [limits]
    threads = client.run(lambda: os.environ["OMP_NUM_THREADS"])
    assert list(threads.values()) == ["1"]


def test_a_worker_that_does_not_see_the_source_is_named(client, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    client.run(hide, source)
    with pytest.raises(
        UsageError, match=r"worker tcp://127.0.0.1:\d+ does not see .*source: every"
    ):
        cluster.require_fit(client, source, out)
    client.run(see_again, source)
    cluster.require_fit(client, source, out)


def test_a_cluster_that_gets_no_worker_is_given_up_when_patience_ends(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "cluster_class: distributed.LocalCluster\ncluster_kwargs: {n_workers: 0}\npatience: 1\n"
    )
    with (
        cluster.opened(cluster=file) as client,
        pytest.raises(ClusterLost, match="no worker after 1 s: start some"),
    ):
        cluster.require_fit(client, tmp_path, tmp_path)


def test_the_environment_names_a_scheduler_where_the_call_names_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("SCALEMARK_SCHEDULER", "tcp://10.1.2.3:8786")

    def start(**where):
        characterise_on_cluster(
            ROOT / "examples/archive/climate", tmp_path, Params(), listener=print, **where
        )

    with pytest.raises(UsageError, match=r"tcp://10\.1\.2\.3:8786 is beyond this machine"):
        start()
    with pytest.raises(UsageError, match="--workers must be 1 or more"):
        start(workers=-1)


def test_a_cluster_file_gives_the_same_table(scalemark, tmp_path):
    source = ROOT / "examples/archive/climate"
    file = ROOT / "deploy/clusters/local.yaml"
    for out, where in (("a", ["--cluster", file]), ("b", ["--workers", "1"])):
        done = scalemark("run", source, "--out", tmp_path / out, "--direct", *where)
        assert done.returncode == 0, done.stderr
        # On a busy machine Dask may say that a worker, no longer needed, was already forgotten.
        told = [line for line in done.stderr.splitlines() if "shutting down" not in line]
        assert told == []
    tables = [pq.read_table(tmp_path / out / "items.parquet") for out in ("a", "b")]
    assert tables[0].equals(tables[1])


def test_a_name_left_empty_is_as_one_left_out(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text("cluster_class: distributed.LocalCluster\ncluster_kwargs:\n")
    assert cluster.read_cluster(path) == {"cluster_class": "distributed.LocalCluster"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cluster_class: distributed.LocalCluster\nworkers: 3\n", "workers"),
        ("cluster_class: distributed.LocalCluster\nadapt_kwargs: {minimum: 2}\n", "maximum None"),
        ("cluster_class: a.B\nadapt_kwargs: {minimum: 0, maximum: 2}\n", "minimum 0"),
        ("[1, 2]", "got list"),
        ("cluster_class: a.B\npatience: 10 min\n", "seconds above 0, got '10 min'"),
        ("cluster_class: a.B\nadapt_kwargs: [1, 2]\n", r"adapt_kwargs holds names .* \[1, 2\]"),
        ("cluster_class: a.B\ncluster_kwargs: 3\n", "cluster_kwargs holds names"),
    ],
)
def test_a_cluster_file_that_does_not_fit_is_refused(tmp_path, text, word):
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=word):
        cluster.read_cluster(file)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cluster_class: distributed.NoCluster", "NoCluster"),
        ("cluster_class: pathlib.PurePath", "no class of Dask clusters"),
        (
            "cluster_class: distributed.LocalCluster\n"
            "cluster_kwargs: {host: 0.0.0.0, n_workers: 0}\n",
            "beyond this machine and not encrypted",
        ),
    ],
)
def test_a_cluster_that_cannot_be_made_says_why(tmp_path, text, word):
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=word), cluster.opened(cluster=file):
        pass


def listening():
    """Return the addresses where this process and those below it listen."""
    here = psutil.Process()
    return {
        connection.laddr.ip
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_cluster_file_that_says_nothing_of_addresses_opens_none_to_others(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("cluster_class: distributed.LocalCluster\ncluster_kwargs: {n_workers: 1}\n")
    with cluster.opened(cluster=file) as client:
        client.wait_for_workers(1)
        assert client.scheduler.address.startswith("tcp://127.0.0.1:")
        assert listening() == {"127.0.0.1"}


def test_an_adaptive_cluster_grows_to_its_maximum_for_the_engine(tmp_path):
    """The window of the engine is wide enough for Dask to see that more workers are wanted."""
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "cluster_class: distributed.LocalCluster\n"
        "cluster_kwargs: {n_workers: 1, threads_per_worker: 1}\n"
        "adapt_kwargs: {maximum: 3, interval: 100ms}\n"
    )
    most = 0

    def commit(outcomes):
        nonlocal most
        most = max(most, len(client.nthreads()))

    with cluster.opened(cluster=file) as client:
        order = Order(output=Output(tmp_path), source=tmp_path)
        each = (Batch(items=(Item(id=n),)) for n in range(30))
        carry(each, slow_batch, order, stage="slow", total=30, commit=commit)
    assert most == 3


def slow_batch(order, batch):
    time.sleep(0.3)
    return [Outcome(item=item.id) for item in batch.items]
