"""Derivatives of chosen signals: a smooth network's, and beside them those by Gaussian filters."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from core.derivatives import DerivativeParams, differentiate
from core.form import FORM
from tasks import ingest, session, signals, store, worklist
from tasks.batches import Batch, Order
from tasks.components import write_components
from tasks.errors import UsageError
from tasks.ledger import Ledger, Outcome, fingerprint
from tasks.output import Output
from tasks.report.write import write_report
from tasks.table import full_name, write_tables

VERSION = 2
STEP = "derive"


@dataclass(frozen=True, kw_only=True)
class DeriveParams:
    """Which signals, and how."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    items: str = "*"
    """Names of the signals, with * and ? for anything: path, part in brackets."""
    fit: DerivativeParams = field(default_factory=DerivativeParams)
    """The network."""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """What came of it."""

    chosen: int
    """Signals of such a name."""
    done: int
    """Those that were derived now; the others were up to date, or failed."""
    failed: Mapping[str, int]
    """How many of them could not be derived, by the reason."""
    output: Output


def derive(out: Path, params: DeriveParams) -> Derived:
    """Derive the chosen signals of a run, into the store and the report.

    Raises
    ------
    tasks.errors.RunError
        If no signal has such a name, or the output is not there, in use or not writeable.
    """
    with session.held(out) as order:
        with Ledger(order.output.ledger) as ledger:
            chosen = _chosen(ledger, params.items)
            if not chosen:
                raise UsageError(
                    f"no signal of {order.output.root} is called {params.items!r}: names are paths "
                    "below the source, with the part in brackets; * stands for anything"
                )
            mark = fingerprint(VERSION, {**asdict(params.fit), "ingest version": ingest.VERSION})
            step = worklist.Step(name=STEP, kind="signal", mark=mark, chosen=chosen, aside=True)
            worklist.make_room(ledger, order.output, step, store.DERIVED)
            stale = worklist.carry_out(ledger, step, order.asking(params.fit), derive_batch)
            reasons = ledger.failed_aside(STEP, "signal")
            failed = Counter(reason for item, reason in reasons.items() if item in chosen)
        write_tables(order)
        write_components(order)
        write_report(order)
    return Derived(
        chosen=len(chosen), done=stale - failed.total(), failed=failed, output=order.output
    )


def _chosen(ledger: Ledger, pattern: str) -> frozenset[int]:
    rows = ledger.execute(
        "SELECT id, path, part FROM item WHERE kind = 'signal' AND status IN ('ok', 'flagged')"
    )
    wanted = pattern.replace("[", "[[]")  # a bracket in a name is a bracket
    return frozenset(
        row["id"] for row in rows if fnmatchcase(full_name(row["path"], row["part"]), wanted)
    )


def derive_batch(order: Order, batch: Batch) -> list[Outcome]:
    """Derive the signals of one batch; may run in a worker."""
    return signals.measure(order, batch, store.DERIVED, _values)


def _values(x: Any, y: Any, params: Any) -> dict[str, Any]:  # noqa: ANN401
    return vars(differentiate(x, y, params))
