"""The table of Gaussians: one row per component of a signal, in Parquet."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.peaks import KINDS, Status
from tasks.batches import Order
from tasks.errors import StoreFailed
from tasks.ledger import Ledger
from tasks.output import Output
from tasks.slots import Slots
from tasks.store import (
    AMPLITUDES,
    BASELINE,
    BASELINE_KIND,
    BASELINE_ORIGIN,
    CENTERS,
    COMPONENT_STATUS,
    LACK_OF_FIT,
    N_COMPONENTS,
    SIGMAS,
)
from tasks.table import keep, part_of, show_path

PAGE = 500
REAL = pa.float64()
GAUSSIANS = ("amplitude", "center", "sigma")
OF_SIGNAL = (LACK_OF_FIT, COMPONENT_STATUS, BASELINE, BASELINE_KIND, BASELINE_ORIGIN)
STATUSES = {Status.NOT_SETTLED: "capped", Status.NOT_DETERMINED: "not determined"}
TERMS = ("baseline_b0", "baseline_b1")
COLUMNS: tuple[tuple[str, Any, str], ...] = (
    ("path", pa.string(), "where the signal lies below the source"),
    ("part", pa.string(), "which item of the file"),
    ("item", pa.int64(), "the signal's number in the ledger and in items.parquet"),
    ("component", pa.int64(), "the Gaussian's number in its signal, by center"),
    *(
        (column, REAL, text.format(name))
        for name in GAUSSIANS
        for column, text in (
            (name, "{} of the Gaussian"),
            (f"{name}_error", "standard error of the {}"),
            (f"{name}_low", "lower end of the interval of the {}"),
            (f"{name}_high", "upper end of the interval of the {}"),
        )
    ),
    (
        "status",
        pa.string(),
        "ok; capped: the search for the signal's Gaussians ended at a cap; "
        "not determined: some of them have no errors, and may stand for a baseline",
    ),
    ("lack_of_fit", pa.bool_(), "the signal's residuals hold more than noise"),
    ("baseline", pa.string(), "below the Gaussians: none, constant, linear or exponential"),
    ("baseline_b0", REAL, "b0 of b0, b0 + b1 x or b0 exp(-b1 (x - origin))"),
    ("baseline_b1", REAL, "b1 likewise"),
    ("baseline_origin", REAL, "the origin of an exponential, in x_units"),
    ("x_units", pa.string(), "unit of center and sigma"),
    ("units", pa.string(), "unit of amplitude, where the file tells"),
)
SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": text}) for name, kind, text in COLUMNS]
)
SIGNALS = """
SELECT * FROM item JOIN done ON done.item = item.id AND done.step = 'scale space'
WHERE item.kind = 'signal' AND item.status IN ('ok', 'flagged')
AND (path, ordinal) > (?, ?) ORDER BY path, ordinal LIMIT ?
"""


def write_components(order: Order) -> None:
    """Write components.parquet, from what the store holds."""
    final = order.output.components
    partial = final.with_name(f"{final.name}.partial")
    try:
        with pq.ParquetWriter(partial, SCHEMA, compression="zstd") as table:
            for rows in _pages(order.output):
                table.write_table(pa.Table.from_pylist(rows, SCHEMA))
        keep(partial, final)
    except OSError as error:
        raise StoreFailed(f"cannot write {final.name} in {order.output.root}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _pages(output: Output) -> Iterator[list[dict[str, Any]]]:
    slots = Slots(output.store)
    path, ordinal = b"", -1
    with Ledger(output.ledger) as ledger:
        while rows := ledger.rows(SIGNALS, (path, ordinal, PAGE)):
            path, ordinal = rows[-1]["path"], rows[-1]["ordinal"]
            yield [one for row in rows for one in _components(slots, dict(row))]


def _components(slots: Slots, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    count = slots.named((N_COMPONENTS,), "signal", row)
    if not count or not count["n_components"]:
        return
    variables = (N_COMPONENTS, *AMPLITUDES, *CENTERS, *SIGMAS, *OF_SIGNAL)
    found = slots.named(variables, "signal", row)
    if found is None:
        return
    of_signal = {
        "status": STATUSES.get(Status(int(found["component_status"])), "ok"),
        "lack_of_fit": bool(found["lack_of_fit"]),
        "baseline": list(KINDS)[int(found["baseline_kind"])],
        "baseline_origin": _known(found["baseline_origin"]),
        **dict(zip(TERMS, map(_known, found["baseline"]), strict=True)),
    }
    for n in range(int(found["n_components"])):
        numbers = {}
        for name in GAUSSIANS:
            low, high = found[f"{name}_interval"][n]
            numbers[name] = found[name][n]
            numbers[f"{name}_error"] = found[f"{name}_error"][n]
            numbers[f"{name}_low"], numbers[f"{name}_high"] = low, high
        yield {
            "path": show_path(row["path"]),
            "part": part_of(row["part"]),
            "item": row["id"],
            "component": n + 1,
            **{name: _known(value) for name, value in numbers.items()},
            **of_signal,
            "x_units": row["x_units"],
            "units": row["units"],
        }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
