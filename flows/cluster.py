"""Where the work runs: a Dask cluster on this machine, at an address, or of a configured class."""

import importlib
import ipaddress
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
import yaml

from tasks.errors import ClusterLost, UsageError

# One death is enough to look at a batch item by item; a worker that is leaving is no poison.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.daemon": True,
    "distributed.comm.timeouts.connect": "15s",
}
KEYS = {"cluster_class", "cluster_kwargs", "adapt_kwargs"}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def opened(
    *, workers: int | None = None, scheduler: str | None = None, cluster: Path | None = None
) -> Iterator[Any]:
    """Open a Dask client for the steps while the context lasts.

    Parameters
    ----------
    workers : int, optional
        Worker processes on this machine, of one thread each; by default one a core.
    scheduler : str, optional
        Address of a scheduler that is running; beyond this machine it must be tls://.
    cluster : Path, optional
        YAML with `cluster_class`, `cluster_kwargs` and `adapt_kwargs`.

    Raises
    ------
    UsageError
        When these do not go together, or one is wrong.
    ClusterLost
        When nobody answers at the address.
    """
    if scheduler and cluster:
        raise UsageError("give --scheduler or --cluster, not both")
    if workers is not None and (scheduler or cluster):
        raise UsageError("--workers is for the cluster on this machine: leave it out here")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be 1 or more, got {workers}")
    importlib.import_module("distributed")  # before: imported inside, its defaults go when ours do
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is told by those who call
    with dask.config.set(SETTINGS):
        if scheduler:
            yield from _at_address(scheduler)
        elif cluster:
            yield from _configured(cluster)
        else:
            yield from _local(workers or cores())


def _local(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    try:
        with _deaf_to_interrupts():
            local = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                # None would ask for port 8787, and warn where another cluster has it.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            )
    except RuntimeError as error:
        raise ClusterLost(
            f"a worker died while it started ({error.__cause__ or error}): "
            "see that memory is free, and run the same command again"
        ) from error
    with local, Client(local) as client:
        yield client


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let what is started here, and all that it starts, not hear the Ctrl-C of a terminal.

    A terminal interrupts every process of the run; workers are to finish what this one drains.
    """
    resource_tracker.ensure_running()  # now: its start lifts the block again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _at_address(address: str) -> Iterator[Any]:
    from distributed import Client

    require_private(address)
    try:
        # A client that fails to connect stays the process' default one, so the first is not.
        Client(address, timeout="15s", set_as_default=False).close()
    except (OSError, TimeoutError) as error:
        raise ClusterLost(f"no Dask scheduler answers at {address}: {error}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"--scheduler {address} cannot be used: {error}") from error
    with Client(address, timeout="15s") as client:
        yield client


def require_private(address: str) -> None:
    """Refuse to send work in the clear beyond this machine."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme != "tls" and not loopback:
        raise UsageError(
            f"{address} is beyond this machine and not encrypted, and whoever reaches a Dask "
            "scheduler can run code on it: use tls:// with distributed.comm.tls configured"
        )


def _configured(path: Path) -> Iterator[Any]:
    from distributed import Client

    config = read_cluster(path)
    module, _, name = str(config["cluster_class"]).rpartition(".")
    try:
        cluster_class = getattr(importlib.import_module(module), name)
        if not isinstance(cluster_class, type) or not hasattr(cluster_class, "__enter__"):
            raise TypeError("it is no class of Dask clusters")
        with _deaf_to_interrupts():
            cluster = cluster_class(**config.get("cluster_kwargs", {}))
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{path}: cannot make {config['cluster_class']}: {error}") from error
    with cluster, Client(cluster) as client:
        if "adapt_kwargs" in config:
            cluster.adapt(**config["adapt_kwargs"])
        yield client


def read_cluster(path: Path) -> dict[str, Any]:
    """Read a cluster file, checked."""
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the cluster file {path}: {error}") from error
    if not isinstance(config, dict) or "cluster_class" not in config or set(config) - KEYS:
        raise UsageError(
            f"{path} must hold cluster_class, and may hold cluster_kwargs and adapt_kwargs; "
            f"got {sorted(map(str, config)) if isinstance(config, dict) else type(config).__name__}"
        )
    return config


def require_reach(client: Any, *paths: Path) -> None:  # noqa: ANN401
    """Check that every worker sees the same files as this process.

    Raises
    ------
    UsageError
        Naming the worker and what it lacks.
    """
    try:
        client.wait_for_workers(1, timeout=60)
        unreachable = client.run(_unreachable, [str(path) for path in paths])
    except TimeoutError as error:
        raise ClusterLost("the Dask scheduler has no worker after 60 s: start some") from error
    except OSError as error:
        raise ClusterLost("the Dask scheduler is gone: run the same command again") from error
    for worker, missing in unreachable.items():
        if missing:
            raise UsageError(
                f"worker {worker} does not see {', '.join(missing)}: "
                "source and output must lie where every worker reaches them"
            )


def _unreachable(paths: list[str]) -> list[str]:
    return [path for path in paths if not Path(path).exists()]
