"""What positions are called and look like, and how many signals a file may hold."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.readers.base import Array, Limits, Part, Refused

SINCE_1970 = "s since 1970-01-01"
MAX_PARTS = 100_000
AXIS_NAMES = frozenset(
    {
        "x",
        "index",
        "t",
        "time",
        "times",
        "date",
        "dates",
        "datetime",
        "timestamp",
        "epoch",
        "year",
        "wavelength",
        "wavelengths",
        "lambda",
        "wavenumber",
        "wavenumbers",
        "frequency",
        "frequencies",
        "freq",
        "energy",
        "energies",
    }
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def clean(label: str) -> str:
    """Put a space for each run of control characters and a mark for each broken one."""
    return _CONTROL.sub(" ", label).encode("utf-8", "replace").decode().strip()


def split_units(label: str) -> tuple[str, str]:
    """Split a label such as "time (s)" or "flux [Jy]" into name and units ("" without)."""
    label = label.strip()
    opening = {")": "(", "]": "["}.get(label[-1:])
    if opening is None:
        return label, ""
    name, _, units = label[:-1].rpartition(opening)
    if not name.strip() or label[-1] in units:
        return label, ""
    return name.strip(), units.strip()


def is_axis_name(label: str) -> bool:
    """Tell whether a label is one that positions go by; case and units do not matter."""
    return split_units(label)[0].lower() in AXIS_NAMES


def is_strictly_monotonic(values: NDArray[np.float64]) -> bool:
    """Tell whether the values, all finite, always rise or always fall."""
    if values.size == 0 or not np.isfinite(values).all():
        return False
    return bool((values[1:] > values[:-1]).all() or (values[1:] < values[:-1]).all())


def tells_positions(values: NDArray[np.float64]) -> bool:
    """Tell whether values of an axis's name, in any order, are positions of the other columns.

    They are where all are finite and at least half of them differ. Fewer, such as the year of every
    month, tell rather a class of samples.
    """
    if not np.isfinite(values).all():
        return False
    different = np.unique(values).size
    return different > 1 and 2 * different >= values.size


def looks_like_positions(values: NDArray[np.float64]) -> bool:
    """Tell whether a column without a name holds positions.

    It does when it is strictly monotonic and either evenly spaced to one percent or at least
    eight long: fewer uneven numbers stand in order by chance too easily.
    """
    if values.size < 2 or not is_strictly_monotonic(values):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(values)
        middle = np.median(steps)
        return values.size >= 8 or bool((np.abs(steps - middle) <= 0.01 * abs(middle)).all())


def seconds_since_1970(times: Array) -> NDArray[np.float64]:
    """Convert datetime64 values to seconds since 1970-01-01, NaN for a missing one."""
    tick, count = np.datetime_data(times.dtype)
    if tick in ("Y", "M", "W", "D", "h", "m"):
        times, tick, count = times.astype("datetime64[s]"), "s", 1
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15}
    if tick not in per_second:
        raise Refused("unsupported", f"times counted in {tick} are finer than scalemark reads")
    seconds = np.asarray(times.astype(np.int64) * count / per_second[tick], dtype=np.float64)
    seconds[np.isnat(times)] = np.nan
    return seconds


def unique(names: Sequence[str]) -> list[str]:
    """Clean names, and number those that came before: flux, flux (2)."""
    taken: set[str] = set()
    last: dict[str, int] = {}
    out = []
    for name in map(clean, names):
        free, number = name, last.get(name, 1)
        while free in taken:
            number += 1
            free = f"{name} ({number})"
        last[name] = number
        taken.add(free)
        out.append(free)
    return out


def signal_part(name: str, samples: int) -> Part:
    """Describe one signal."""
    return Part(name=name, kind="signal", shape=(samples,), dtype="float64")


def check_parts(count: int, samples: int, limits: Limits) -> None:
    """Refuse a file of too many signals, of signals too long, or of none.

    Parameters
    ----------
    count : int
        Signals in the file.
    samples : int
        Samples that must be held in memory to read one of them.
    limits : Limits
        What is allowed.

    Raises
    ------
    Refused
        "empty" or "too-large".
    """
    if count == 0 or samples == 0:
        raise Refused("empty", "the signal has no samples")
    if count > MAX_PARTS:
        reason = f"{count} signals of {samples} samples in one file, {MAX_PARTS} are allowed"
        raise Refused("too-large", f"{reason}: split it, or put the samples on the last axis")
    if samples > limits.max_samples:
        reason = f"{samples} samples to hold in memory, {limits.max_samples} are allowed"
        raise Refused("too-large", f"{reason}: raise the limit max_samples, or split the file")
