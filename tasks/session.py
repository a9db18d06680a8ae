"""The frame around a run: its folder, its lock, its row in the ledger, what is tried again."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from tasks import chunks, fitness, lock, store, window
from tasks.batches import Order
from tasks.errors import StoreFailed, UsageError
from tasks.ledger import TRANSIENT, Ledger
from tasks.output import Output
from tasks.store import Stack


class RunParams(Protocol):
    """What a session needs of the parameters."""

    @property
    def retry_failed(self) -> bool:
        """Try the quarantined items again."""

    @property
    def item_timeout(self) -> float:
        """Seconds for one item."""


def require_startable(source: Path, out: Path) -> None:
    """Refuse early, before a cluster is opened, what cannot start."""
    source, output = _checked(source, Output(out.absolute()))
    with lock.owned(output.lock):
        if output.ledger.exists():
            with Ledger(output.ledger) as ledger:
                _require_owner(ledger, source, output)


def unfit_workers(client: Any, source: Path | None, out: Path) -> dict[str, str]:  # noqa: ANN401
    """Ask every worker, before the run, whether it could carry it; return those at fault."""
    output = Output(out.absolute())
    reads = () if source is None else (source.resolve(),)
    with lock.owned(output.lock) as token:
        order = Order(
            output=output,
            source=source or out,
            token=token,
            environment=fitness.environment(),
            reads=reads,
        )
        return window.unfit_workers(client, order)


@contextmanager
def started(source: Path, out: Path, params: RunParams) -> Iterator[Order]:
    """Own the output folder while a run lasts, and keep the run in the ledger."""
    source, output = _checked(source, Output(out.absolute()))
    with lock.owned(output.lock) as token, Ledger(output.ledger, create=True) as ledger:
        _require_owner(ledger, source, output)
        _sweep(output)
        with ledger.writing():
            _claim(ledger, source, output)
            _begin(ledger, params)
            _try_again(ledger, output, everything=params.retry_failed)
        yield Order(
            output=output,
            source=source,
            token=token,
            environment=fitness.environment(),
            reads=(source,),
            item_timeout=params.item_timeout,
        )
        _end(ledger)


@contextmanager
def continued(out: Path, params: RunParams) -> Iterator[Order]:
    """Own an output folder in which a run has been, and go on with what it holds."""
    order = reopened(out)
    with lock.owned(order.output.lock) as token, Ledger(order.output.ledger) as ledger:
        _sweep(order.output)
        with ledger.writing():
            _begin(ledger, params)
        yield replace(
            order,
            token=token,
            environment=fitness.environment(),
            item_timeout=params.item_timeout,
        )
        _end(ledger)


def _begin(ledger: Ledger, params: RunParams) -> None:
    ledger.execute(
        "INSERT INTO run (started, params, versions) VALUES (?, ?, ?)",
        (_now(), json.dumps(asdict(params)), json.dumps(fitness.versions())),  # type: ignore[call-overload]
    )


def _end(ledger: Ledger) -> None:
    with ledger.writing():
        ledger.execute(
            "UPDATE run SET finished = ?, outcome = ? WHERE id = ?",
            (_now(), json.dumps(ledger.counts()), ledger.run),
        )


def finished_runs(out: Path) -> int:
    """Return how many runs of an output folder came to their end."""
    output = Output(out.absolute())
    if not output.ledger.exists():
        return 0
    with Ledger(output.ledger) as ledger:
        return len(ledger.rows("SELECT id FROM run WHERE finished IS NOT NULL"))


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def _checked(source: Path, output: Output) -> tuple[Path, Output]:
    if not source.exists():
        raise UsageError(f"{source} does not exist: name a folder of images and signals")
    source = source.resolve()
    if output.root.resolve() == source:
        raise UsageError(f"--out {output.root} is the source itself: choose another folder")
    foreign = [path.name for path in output.files if path.exists()]
    if foreign and not output.ledger.exists():
        raise UsageError(
            f"{output.root} holds {foreign[0]}, which no scalemark run wrote: choose another --out"
        )
    try:
        output.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailed(
            f"cannot make the output folder {output.root}: {error.strerror}; choose another --out"
        ) from error
    return source, output


def _claim(ledger: Ledger, source: Path, output: Output) -> None:
    _require_owner(ledger, source, output)
    if ledger.get_meta("source") is None:
        ledger.set_meta("source", json.dumps(str(source)))


def _require_owner(ledger: Ledger, source: Path, output: Output) -> None:
    """Refuse to mix two archives in one folder."""
    owner = ledger.get_meta("source")
    if owner is not None and json.loads(owner) != str(source):
        raise UsageError(
            f"{output.root} holds the results of {json.loads(owner)}, not of {source}: "
            "choose another --out"
        )


def _sweep(output: Output) -> None:
    """Remove what a killed run left half-written."""
    for path in output.store.glob("**/*.partial"):
        path.unlink(missing_ok=True)
    for path in output.files:
        path.with_name(f"{path.name}.partial").unlink(missing_ok=True)


def _try_again(ledger: Ledger, output: Output, *, everything: bool) -> None:
    """Put quarantined items back in line: the transient ones, or all of them."""
    marks = ",".join("?" * len(TRANSIENT))
    which = f"status = 'quarantined' AND ({int(everything)} OR code IN ({marks}))"
    for row in ledger.rows(f"SELECT * FROM item WHERE {which}", TRANSIENT):
        if row["failed"] in ("probe", "scan"):
            ledger.execute("UPDATE file SET probed = NULL WHERE path = ?", (row["path"],))
        elif row["code"] == "store-damaged":
            _forget_chunk(ledger, output, row)
        ledger.execute("DELETE FROM done WHERE item = ? AND step = ?", (row["id"], row["failed"]))
        ledger.update(row["id"], status="pending", code="", reason="", failed="")


def _forget_chunk(ledger: Ledger, output: Output, row: Any) -> None:  # noqa: ANN401
    """Ingest the items of a damaged chunk anew, all of them: they share its bytes."""
    stack = Stack.parse(row["kind"], row["stack"])
    count = stack.slots_per_chunk
    start = row["slot"] // count * count
    images = (*store.IMAGES, *store.QUALITY, store.MSCN, *store.LEARNED["image"])
    signals = (
        *store.SIGNALS,
        *store.DESCRIPTORS,
        *store.PIECEWISE,
        *store.SCALE_SPACE,
        *store.LEARNED["signal"],
        *store.DERIVED,
    )
    variables = images if row["kind"] == "image" else signals
    chunks.drop(output.store, variables, stack, start)
    ledger.execute(
        "DELETE FROM done WHERE item IN (SELECT id FROM item "
        "WHERE stack = ? AND slot >= ? AND slot < ?)",
        (row["stack"], start, start + count),
    )


def select(order: Order, only: str) -> None:
    """Set aside what the run is not to process; take up what an earlier run set aside."""
    kind = {"images": "signal", "signals": "image"}.get(only)
    with Ledger(order.output.ledger) as ledger, ledger.writing():
        ledger.execute(
            "UPDATE item SET status = 'pending', code = '', reason = '' WHERE code = 'excluded'"
        )
        ledger.execute(
            "UPDATE item SET status = 'skipped', code = 'excluded', reason = ? "
            "WHERE kind = ? AND status = 'pending'",
            (f"the run was told to process {only} only", kind),
        )


@contextmanager
def held(out: Path) -> Iterator[Order]:
    """Own the folder of a run that is there already, for what is no run itself."""
    order = reopened(out)
    with lock.owned(order.output.lock) as token:
        _sweep(order.output)
        yield replace(order, token=token)


def reopened(out: Path) -> Order:
    """Return the order of a run that is there already, for its tables and report."""
    output = Output(out.absolute())
    with Ledger(output.ledger) as ledger:
        source = json.loads(ledger.get_meta("source") or '""')
    if not output.store.exists():
        raise UsageError(f"{output.root} has no store: run again, with the command of then")
    return Order(output=output, source=Path(source))
