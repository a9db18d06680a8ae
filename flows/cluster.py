"""Where the work runs: a Dask cluster on this machine, at an address, or of a configured class."""

import importlib
import importlib.metadata
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
import yaml

from flows.address import connected, require_private
from tasks import fitness, session, window
from tasks.errors import ClusterLost, UsageError

# One death is enough to look at a batch item by item; a worker that is leaving is no poison.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.daemon": True,
    "distributed.comm.timeouts.connect": "15s",
    # Batches are short and few wait at a time: not worth a worker, Dask's own default would say.
    "distributed.adaptive.target-duration": "500ms",
    # What glibc comes to by itself; Dask's own limit has every larger array cleared page by page.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 64 << 20,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 32 << 20,
}
MOST_TOLD = 4
ON_THIS_MACHINE = {
    "host": "127.0.0.1",
    "dashboard_address": None,
    "silence_logs": logging.CRITICAL,
}
ADAPTATION = {"minimum": 1}
OPTIONAL = {"cluster_kwargs", "adapt_kwargs", "patience"}


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
        YAML with `cluster_class`, `cluster_kwargs`, `adapt_kwargs` and `patience`, the seconds
        to wait for a worker.

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
            yield from connected(scheduler)
        elif cluster:
            yield from _configured(cluster)
        else:
            yield from _local(workers or cores())


def _local(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    try:
        # Encryption may be required elsewhere; these processes talk on loopback only.
        with _deaf_to_interrupts(), dask.config.set({"distributed.comm.require-encryption": False}):
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


def _configured(path: Path) -> Iterator[Any]:
    from distributed import Client

    config = read_cluster(path)
    with ExitStack() as stack:
        try:
            with _deaf_to_interrupts():
                cluster = stack.enter_context(_make(config))
                require_private(cluster.scheduler_address)
        except (ImportError, AttributeError, TypeError, ValueError, RuntimeError, OSError) as error:
            raise UsageError(f"{path}: cannot make {config['cluster_class']}: {error}") from error
        client = stack.enter_context(Client(cluster))
        adaptation = config.get("adapt_kwargs")
        if adaptation:
            cluster.adapt(**adaptation)
        settings = {
            "scalemark.patience": config.get("patience", window.PATIENCE),
            "scalemark.most-workers": adaptation["maximum"] if adaptation else 1,
        }
        with dask.config.set(settings):
            yield client


def _make(config: dict[str, Any]) -> Any:  # noqa: ANN401
    from distributed import LocalCluster

    module, _, name = str(config["cluster_class"]).rpartition(".")
    cluster_class = getattr(importlib.import_module(module), name)
    if not isinstance(cluster_class, type) or not hasattr(cluster_class, "__enter__"):
        raise TypeError("it is no class of Dask clusters")
    defaults = ON_THIS_MACHINE if issubclass(cluster_class, LocalCluster) else {}
    return cluster_class(**(defaults | config.get("cluster_kwargs", {})))


def read_cluster(path: Path) -> dict[str, Any]:
    """Read a cluster file, checked."""
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the cluster file {path}: {error}") from error
    if (
        not isinstance(config, dict)
        or "cluster_class" not in config
        or set(config) - {"cluster_class"} - OPTIONAL
    ):
        raise UsageError(
            f"{path} must hold cluster_class, and may hold {', '.join(sorted(OPTIONAL))}; "
            f"got {sorted(map(str, config)) if isinstance(config, dict) else type(config).__name__}"
        )
    _require_types(path, config)
    if adaptation := config.get("adapt_kwargs"):
        adaptation = ADAPTATION | adaptation
        least, most = adaptation["minimum"], adaptation.get("maximum")
        if not (isinstance(least, int) and isinstance(most, int) and 1 <= least <= most):
            raise UsageError(
                f"{path}: adapt_kwargs needs maximum, and minimum from 1 to that; "
                f"got minimum {least}, maximum {most}"
            )
        config["adapt_kwargs"] = adaptation
    return config


def _require_types(path: Path, config: dict[str, Any]) -> None:
    """Refuse values of another kind; a name that is left empty is as one that is left out."""
    for name in OPTIONAL & set(config):
        value = config[name]
        if value is None:
            del config[name]
        elif name == "patience":
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise UsageError(f"{path}: patience is a number of seconds above 0, got {value!r}")
        elif not isinstance(value, dict):
            raise UsageError(f"{path}: {name} holds names and values, got {value!r}")


def require_fit(client: Any, source: Path | None, out: Path) -> None:  # noqa: ANN401
    """Check that every worker has this process' software and sees the same files.

    Workers that join later are checked by the engine, before their first batch. Without a
    `source` only the output folder is looked for.

    Raises
    ------
    UsageError
        Naming the worker and what it lacks.
    ClusterLost
        When there is no worker, or no scheduler.
    """
    seconds = window.patience()
    try:
        client.wait_for_workers(1, timeout=seconds)
        client.run_on_scheduler(importlib.metadata.version, "scalemark")
        unfit = session.unfit_workers(client, source, out)
    except TimeoutError as error:
        raise ClusterLost(
            f"the Dask scheduler has no worker after {seconds:.0f} s: start some"
        ) from error
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(f"the scheduler has no scalemark: {fitness.REMEDY}") from error
    except OSError as error:
        raise ClusterLost("the Dask scheduler is gone: run the same command again") from error
    if unfit:
        told = [f"worker {worker} {fault}" for worker, fault in list(unfit.items())[:MOST_TOLD]]
        raise UsageError(f"{'; '.join(told)}: {fitness.REMEDY}")
