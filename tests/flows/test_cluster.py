from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows import cluster
from tasks.errors import UsageError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "address", ["tcp://10.1.2.3:8786", "example.org:8786", "tcp://[2001:db8::1]:1"]
)
def test_work_is_not_sent_in_the_clear(address):
    with pytest.raises(UsageError, match="use tls://"):
        cluster.require_private(address)


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:1", "tls://10.1.2.3:8786"]
)
def test_this_machine_and_tls_are_fine(address):
    cluster.require_private(address)


def test_workers_that_do_not_see_the_files_are_named(tmp_path):
    with (
        cluster.opened(workers=1) as client,
        pytest.raises(UsageError, match=r"worker tcp://127.0.0.1:\d+ does not see .*nowhere"),
    ):
        cluster.require_reach(client, tmp_path, tmp_path / "nowhere")


def test_a_cluster_file_gives_the_same_table(scalemark, tmp_path):
    source = ROOT / "examples/archive/climate"
    file = ROOT / "deploy/clusters/local.yaml"
    for out, where in (("a", ["--cluster", file]), ("b", ["--workers", "1"])):
        done = scalemark("run", source, "--out", tmp_path / out, "--direct", *where)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    tables = [pq.read_table(tmp_path / out / "items.parquet") for out in ("a", "b")]
    assert tables[0].equals(tables[1])


def test_a_cluster_file_with_other_keys_is_refused(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("cluster_class: distributed.LocalCluster\nworkers: 3\n")
    with pytest.raises(UsageError, match="workers"):
        cluster.read_cluster(file)
