"""A table of columns, whatever format holds it: its signals and its x axis."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.stretches import order_along
from tasks.readers.axes import (
    SINCE_1970,
    check_parts,
    clean,
    is_axis_name,
    is_strictly_monotonic,
    looks_like_positions,
    signal_part,
    split_units,
    tells_positions,
    unique,
)
from tasks.readers.base import Limits, Part, Refused, Signal

ColumnKind = Literal["number", "time", "other"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of one length, of which one may hold the positions of all others."""

    route: str
    """How the table is decoded: "CSV, ';', header"."""
    labels: tuple[str, ...]
    """One a column, in file order, as they stand there; all "" where the file names none."""
    kinds: tuple[ColumnKind, ...]
    rows: int
    load: Callable[[int], NDArray[np.float64]]
    """The values of a column by its index, times as seconds since 1970-01-01."""
    named: bool = True

    @cached_property
    def axis(self) -> int | None:
        """Index of the x column.

        A column of strictly monotonic times; else a strictly monotonic one of numbers with the
        name of an axis, or the nameless first one that data frames write as their index; else
        times, or the column with the name of an axis, out of order or with repeats. In a table
        without names, a first column that looks like positions.
        """
        times = [i for i, kind in enumerate(self.kinds) if kind == "time"]
        numbers = self._numbers
        fitting = [i for i in times if is_strictly_monotonic(self.load(i))]
        if fitting or not numbers:
            return fitting[0] if fitting else None
        if len(numbers) == 1:
            return next((i for i in times if tells_positions(self.load(i))), None)
        if not self.named:
            return numbers[0] if looks_like_positions(self.load(numbers[0])) else None
        candidates = [i for i in numbers if self._is_candidate(i)]
        strict = (i for i in candidates if is_strictly_monotonic(self.load(i)))
        named = [*times, *(i for i in candidates if self.labels[i].strip())]
        return next(strict, next((i for i in named if tells_positions(self.load(i))), None))

    def _is_candidate(self, index: int) -> bool:
        label = self.labels[index]
        return is_axis_name(label) or (index == 0 and not label.strip())

    @cached_property
    def _numbers(self) -> list[int]:
        return [i for i, kind in enumerate(self.kinds) if kind == "number"]

    @cached_property
    def signals(self) -> dict[str, int]:
        """Column index of each signal, by the name of its part."""
        columns = [i for i in self._numbers if i != self.axis]
        if len(columns) == 1:
            return {"": columns[0]}
        names = [f"column {clean(self.labels[i]) or i + 1}" for i in columns]
        return dict(zip(unique(names), columns, strict=True))

    @cached_property
    def full_route(self) -> str:
        """Add to the route the x column, and what of the table is not a signal."""
        names = [clean(label) or str(i + 1) for i, label in enumerate(self.labels)]
        words = [self.route]
        if self.axis is not None:
            words.append(f"x column '{names[self.axis]}'")
        others = [name for name, kind in zip(names, self.kinds, strict=True) if kind == "other"]
        if len(others) == 1:
            words.append(f"column '{others[0]}' ignored: not numeric")
        elif others:
            words.append(f"{len(others)} columns ignored: not numeric")
        return ", ".join(words)

    def no_axis(self, index: int) -> str:
        """Say why a signal lies along no column, although one has the name of an axis or times."""
        refused = [
            f"'{clean(label)}'"
            for i, (label, kind) in enumerate(zip(self.labels, self.kinds, strict=True))
            if i != index and (kind == "time" or (kind == "number" and is_axis_name(label)))
        ]
        if not refused:
            return ""
        return (
            f"x is the sample's number: {', '.join(refused)} can be no axis, with missing values "
            "or too few different ones"
        )


def table_parts(table: Table, limits: Limits, *, held: int | None = None) -> list[Part]:
    """List the signals of a table.

    Parameters
    ----------
    table : Table
    limits : Limits
    held : int, optional
        Samples that reading one signal holds in memory; the rows of the table by default.

    Raises
    ------
    Refused
        Without a numeric column or a row, or beyond the limits.
    """
    count = table.kinds.count("number")
    if count == 0:
        raise Refused("unsupported", "no numeric column")
    check_parts(count, 0 if table.rows == 0 else held or table.rows, limits)
    return [signal_part(name, table.rows) for name in table.signals]


def table_signal(table: Table, part: Part) -> Signal:
    """Load one signal of a table, with its positions.

    Raises
    ------
    Refused
        "changed" where the table no longer holds the part.
    """
    index = table.signals.get(part.name)
    if index is None or part.shape != (table.rows,):
        reason = f"the file no longer holds '{part.name}' of {part.shape[0]} samples"
        raise Refused("changed", reason)
    units = split_units(clean(table.labels[index]))[1]
    values = table.load(index)
    if table.axis is None:
        note = table.no_axis(index)
        return Signal(values=values, x=None, units=units, route=table.full_route, note=note)
    x_name, x_units = split_units(clean(table.labels[table.axis]))
    if table.kinds[table.axis] == "time":
        x_units = SINCE_1970
    x, note = table.load(table.axis), ""
    order = order_along(x)
    if order is not None:
        x, values = x[order], values[order]
        note = f"the rows are in no order of '{x_name}', so its samples are sorted by it"
    return Signal(
        values=values,
        x=x,
        x_name=x_name or "x",
        x_units=x_units or "1",
        units=units,
        route=table.full_route,
        note=note,
    )
