"""The page on which a person labels items: one file, driven by the keyboard, exports CSV."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from markupsafe import Markup

from tasks import session, store
from tasks.batches import Order
from tasks.errors import StoreFailed, UsageError
from tasks.output import holds, replace
from tasks.report.pictures import Pictures
from tasks.report.render import environment, policy, resource
from tasks.report.sparklines import HEIGHT, WIDTH, sparkline
from tasks.report.text import display
from tasks.slots import Slots
from tasks.store import LABELS

DEFAULT = ("accept", "reject")
MOST = 500
"""Items on a page unless told: a few megabytes, and an evening."""
PACKAGE = "tasks.learning"
MARK = b'content="scalemark label"'
COLUMNS = (
    "path", "part", "kind", "status", "height", "width", "samples", "dtype", "units", "minimum",
    "maximum", "stack", "slot",
)  # fmt: skip
"""Of the table: what the page needs."""


@dataclass(frozen=True, kw_only=True)
class LabelPage:
    """What was written."""

    path: Path
    shown: int
    there: int
    """Items that have features; those that are not shown were left out by lot."""


def write_label_page(
    out: Path,
    path: Path,
    *,
    labels: Sequence[str] = DEFAULT,
    only: Literal["all", "images", "signals"] = "all",
    most: int = MOST,
    seed: int = 0,
) -> LabelPage:
    """Write the page for a run's items.

    Parameters
    ----------
    out : Path
        The run's output folder.
    path : Path
        Where the page goes.
    labels : sequence of str
        2 to 9 of them, a key each.
    only : {"all", "images", "signals"}
        Which items.
    most : int
        Items on the page; of more, as many are drawn at random: each by its name, so that a later
        draw from a grown archive has most of them again.
    seed : int
        Of the draw.

    Raises
    ------
    tasks.errors.RunError
        If there is nothing to label, the labels are no labels, or the page cannot be written or
        would replace another file.
    """
    names = _checked(labels, most)
    if not holds(path, MARK):
        raise UsageError(f"{path} is there, and no page of labels: choose another --page")
    with session.held(out) as order:
        rows, there = _rows(order, only, most, seed)
        items = [_item(row, Slots(order.output.store)) for row in rows]
    style = resource("report.css") + resource("label.css", PACKAGE)
    script = resource("label.js", PACKAGE)
    key = blake2b(repr((str(order.source), names)).encode(), digest_size=8).hexdigest()
    html = (
        environment(PACKAGE)
        .get_template("label.html.jinja")
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=policy(style, script),
            title=order.source.name,
            there=there,
            data={"key": f"scalemark labels {key}", "labels": names, "items": items},
            count=len(items),
        )
    )
    try:
        replace(path.absolute(), html.encode("utf-8"))
    except OSError as error:
        raise StoreFailed(f"cannot write the page {path}: {error.strerror}") from error
    return LabelPage(path=path, shown=len(items), there=there)


def _checked(labels: Sequence[str], most: int) -> list[str]:
    names = [label.strip() for label in labels]
    if not 2 <= len(names) <= 9 or not all(names) or len(set(names)) < len(names):
        raise UsageError(
            f"labels must be 2 to 9 different words, got {', '.join(map(repr, labels))}; a CSV of "
            f"your own may have up to {LABELS}"
        )
    if most < 1:
        raise UsageError(f"most must be 1 or more, got {most}")
    return names


def _rows(order: Order, only: str, most: int, seed: int) -> tuple[list[dict[str, Any]], int]:
    table = _table(order)
    kinds = {"images": ["image"], "signals": ["signal"]}.get(only, ["image", "signal"])
    done = pc.is_in(table["status"], pa.array(["ok", "flagged"]))
    table = table.filter(pc.and_(done, pc.is_in(table["kind"], pa.array(kinds))))
    if not len(table):
        raise UsageError(f"{order.output.root} has no {only.removesuffix('s')} to label")
    lots = [
        blake2b(repr((seed, path, part)).encode(), digest_size=8).digest()
        for path, part in zip(table["path"].to_pylist(), table["part"].to_pylist(), strict=True)
    ]
    drawn = sorted(sorted(range(len(table)), key=lots.__getitem__)[:most])
    return table.take(drawn).to_pylist(), len(table)


def _table(order: Order) -> Any:  # noqa: ANN401
    try:
        return pq.read_table(order.output.parquet, columns=list(COLUMNS))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read the table {order.output.parquet}: {error}; "
            "`scalemark report` writes it anew"
        ) from error


def _item(row: Mapping[str, Any], slots: Slots) -> dict[str, Any]:
    """Return what the page shows of an item, and the name that it exports."""
    name = f"{row['path']} ({row['part']})" if row["part"] else row["path"]
    item = {"name": name, "shown": display(name), "kind": row["kind"]}
    if row["kind"] == "image":
        size = f"{row['width']} by {row['height']} pixels, {row['dtype']}"
        return {**item, "facts": size, "picture": Pictures(slots).thumbnail(dict(row))}
    found = slots.named((store.SIGNAL,), "signal", dict(row))
    values = found["signal"][: row["samples"]] if found else np.empty(0)
    outline = sparkline(values)
    units = f" {display(row['units'])}" if row["units"] not in (None, "", "1") else ""
    low, high = row["minimum"], row["maximum"]
    span = f", {low:.4g} to {high:.4g}{units}" if low is not None and math.isfinite(low) else ""
    return {
        **item,
        "facts": f"{row['samples']:,} samples{span}",
        "path": outline.path,
        "filled": outline.filled,
        "width": WIDTH,
        "height": HEIGHT,
    }
