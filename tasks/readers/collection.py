"""Named arrays of one file, of one or two axes each: their signals and their x axes."""

import math
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.readers.axes import (
    SINCE_1970,
    check_parts,
    clean,
    is_axis_name,
    is_strictly_monotonic,
    seconds_since_1970,
    signal_part,
    unique,
)
from tasks.readers.base import Array, Limits, Part, Refused, Signal
from tasks.readers.table import ColumnKind

_ROW = re.compile(r"(?:(?P<base>.*), )?series (?P<row>[0-9]{1,9})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One array: a signal, several in rows, or the positions of others."""

    label: str
    kind: ColumnKind
    shape: tuple[int, ...]
    along: tuple[str, Hashable]
    """Group and dimension that its samples lie along; it shares their positions with others."""
    load: Callable[[int], NDArray[np.float64]]
    """One of its series, times as seconds since 1970-01-01."""
    held: int
    """Samples that loading one series holds in memory."""
    units: str = ""
    coordinate: bool = False
    """Whether the file says that it holds positions, whatever its name."""

    @property
    def layout(self) -> tuple[int, int]:
        """Number of series and of samples in each; a single column is one series."""
        count = math.prod(self.shape)
        if len(self.shape) == 1 or self.shape[1] == 1 or count == 0:
            return 1, count
        return self.shape[0], self.shape[1]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """The variables of one file."""

    route: str
    prefix: str
    """What a variable is called in the names of parts: "array "."""
    variables: tuple[Variable, ...]
    ignored: int = 0
    """How many other variables the file holds."""

    @cached_property
    def axes(self) -> dict[tuple[str, Hashable], int]:
        """Index of the variable that holds the positions along something.

        A strictly monotonic coordinate; else times; else a variable with the name of an axis,
        where that leaves another one to lie along it.
        """
        found: dict[tuple[str, Hashable], int] = {}
        order = sorted(enumerate(self.variables), key=lambda item: _precedence(item[1]))
        for i, variable in order:
            fits = _precedence(variable) < _NO_AXIS and variable.along not in found
            if fits and self._serves(i) and is_strictly_monotonic(variable.load(0)):
                found[variable.along] = i
        return found

    def _serves(self, index: int) -> bool:
        along = self.variables[index].along
        return any(
            i != index and other.along == along and other.kind == "number" and not other.coordinate
            for i, other in enumerate(self.variables)
        )

    @cached_property
    def signals(self) -> dict[str, int]:
        """Index of each variable that is a signal, by the beginning of the names of its parts."""
        taken = set(self.axes.values())
        indices = [
            i
            for i, variable in enumerate(self.variables)
            if variable.kind == "number" and not variable.coordinate and i not in taken
        ]
        names = [f"{self.prefix}{clean(self.variables[i].label)}".strip() for i in indices]
        return dict(zip(_unlike_rows(unique(names)), indices, strict=True))

    @property
    def last(self) -> str:
        """Name of the last part."""
        name, index = list(self.signals.items())[-1]
        series = self.variables[index].layout[0]
        return _part_name(name, series - 1, series) if len(self.signals) + series > 2 else ""

    def find(self, name: str) -> tuple[int, int] | None:
        """Index of the variable, and the row in it, that a part's name stands for."""
        if name == "" and len(self.signals) == 1:
            return next(iter(self.signals.values())), 0
        if name in self.signals:
            return self.signals[name], 0
        match = _ROW.fullmatch(name)
        index = None if match is None else self.signals.get(match["base"] or "")
        if match is None or index is None:
            return None
        row = int(match["row"])
        return (index, row) if row < self.variables[index].layout[0] else None


def _unlike_rows(names: list[str]) -> list[str]:
    """Mark a name that a row of another variable bears: "flux, series 1" beside a "flux"."""
    matches = map(_ROW.fullmatch, names)
    taken = [match is not None and (match["base"] or "") in names for match in matches]
    return [f"{name} (2)" if row else name for name, row in zip(names, taken, strict=True)]


_NO_AXIS = 3


def _precedence(variable: Variable) -> int:
    if variable.coordinate:
        return 0
    if len(variable.shape) > 1:
        return _NO_AXIS
    if variable.kind == "time":
        return 1
    return 2 if is_axis_name(variable.label.rpartition("/")[2]) else _NO_AXIS


def kind_of(dtype: np.dtype[Any]) -> ColumnKind:
    """Tell numbers and times from all that is neither."""
    if dtype.kind in "iuf":
        return "number"
    return "time" if dtype.kind == "M" else "other"


def as_float(values: Array) -> NDArray[np.float64]:
    """Convert numbers, or times to seconds since 1970-01-01; a new array in any case."""
    return seconds_since_1970(values) if values.dtype.kind == "M" else values.astype(np.float64)


def series_index(shape: tuple[int, ...], row: int) -> tuple[int | slice, ...]:
    """Index that takes one series from an array, as `Variable.layout` counts them."""
    if len(shape) == 1:
        return (slice(None),)
    return (slice(None), 0) if shape[1] == 1 else (row, slice(None))


def collection_parts(collection: Collection, limits: Limits) -> list[Part]:
    """List the signals of a collection.

    Raises
    ------
    Refused
        Without a numeric variable or a sample, or beyond the limits.
    """
    numbers = [v for v in collection.variables if v.kind == "number" and not v.coordinate]
    if not numbers:
        raise Refused("unsupported", "no numeric array of one or two axes")
    count = sum(variable.layout[0] for variable in numbers)
    longest = max(variable.layout[1] for variable in numbers)
    held = max(variable.held for variable in collection.variables)
    check_parts(count, max(longest, held) if longest else 0, limits)
    layouts = [(name, collection.variables[i].layout) for name, i in collection.signals.items()]
    if len(layouts) == 1 and layouts[0][1][0] == 1:
        return [signal_part("", layouts[0][1][1])]
    return [
        signal_part(_part_name(name, row, series), samples)
        for name, (series, samples) in layouts
        for row in range(series)
    ]


def _part_name(name: str, row: int, series: int) -> str:
    if series == 1:
        return name
    return f"{name}, series {row}" if name else f"series {row}"


def collection_signal(collection: Collection, part: Part) -> Signal:
    """Load one signal of a collection, with its positions.

    Raises
    ------
    Refused
        "empty" for one without samples; "changed" where the file no longer holds the part.
    """
    if part.shape == (0,):
        raise Refused("empty", "the signal has no samples")
    found = collection.find(part.name)
    if found is None or part.shape != (collection.variables[found[0]].layout[1],):
        reason = f"the file no longer holds '{part.name}' of {part.shape[0]} samples"
        raise Refused("changed", reason)
    index, row = found
    variable = collection.variables[index]
    route = _route(collection, variable, row)
    axis = collection.axes.get(variable.along)
    if axis is None:
        return Signal(values=variable.load(row), x=None, units=variable.units, route=route)
    positions = collection.variables[axis]
    x_name = clean(positions.label)
    return Signal(
        values=variable.load(row),
        x=positions.load(0),
        x_name=x_name.rpartition("/")[2],
        x_units=SINCE_1970 if positions.kind == "time" else positions.units or "1",
        units=variable.units,
        route=f"{route}, x '{x_name}'",
    )


def _route(collection: Collection, variable: Variable, row: int) -> str:
    words = [collection.route]
    words += [f"'{clean(variable.label)}'"] if variable.label else []
    words += [f"series {row} of {variable.layout[0]}"] if variable.layout[0] > 1 else []
    if collection.ignored:
        words.append(f"{collection.ignored} ignored: not numeric of one or two axes")
    return ", ".join(words)
