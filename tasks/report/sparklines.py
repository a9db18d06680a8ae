"""A long signal in a small drawing: the least and the greatest sample of every column."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, HEIGHT, MARGIN = 600, 64, 4
COLUMNS = 300
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """A stretch of the drawing."""

    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Sparkline:
    """A signal's outline in a drawing of 600 by 64 pixels."""

    path: str
    """An SVG path; it breaks where no sample is finite."""
    filled: bool
    """The path goes round an area; else it is a line, of one sample a column."""
    gaps: tuple[Span, ...]
    """Columns without any finite sample."""
    holes: tuple[Span, ...]
    """Columns where some samples are not finite."""


def sparkline(values: ArrayLike, columns: int = COLUMNS) -> Sparkline:
    """Draw a signal so that no peak and no gap is lost, however long it is.

    Parameters
    ----------
    values : (sample,) array
        The signal; NaN and infinities are missing samples.
    columns : int
        The drawing's resolution; each column shows the extremes of its samples.

    Returns
    -------
    Sparkline
        Empty where there is no finite sample.

    Raises
    ------
    ValueError
        If `values` has not exactly one axis.

    Examples
    --------
    >>> sparkline([0.0, float("nan"), 1.0]).gaps
    (Span(x=200.0, width=200.0),)
    """
    signal = np.asarray(values, dtype=np.float64)
    if signal.ndim != 1:
        raise ValueError(f"a sparkline takes (sample,) values, got shape {signal.shape}")
    if signal.size == 0:
        return Sparkline(path="", filled=False, gaps=(), holes=())
    finite = np.isfinite(signal)
    starts = column_starts(signal.size, columns)
    low = np.minimum.reduceat(np.where(finite, signal, np.inf), starts)
    high = np.maximum.reduceat(np.where(finite, signal, -np.inf), starts)
    present = np.logical_or.reduceat(finite, starts)
    complete = np.logical_and.reduceat(finite, starts)
    return Sparkline(
        path=_path(low, high, present),
        filled=signal.size > starts.size,
        gaps=_spans(~present),
        holes=_spans(present & ~complete),
    )


def column_starts(samples: int, columns: int = COLUMNS) -> NDArray[np.int64]:
    """Return the first sample of every column.

    Examples
    --------
    >>> column_starts(10, 4)
    array([0, 2, 5, 7])
    """
    return np.linspace(0, samples, min(columns, samples), endpoint=False).astype(np.int64)


def polyline(values: Floats, low: float, high: float, across: Floats | None = None) -> str:
    """Return an SVG path through values, where the drawing reaches from low to high.

    Parameters
    ----------
    values : (column,) or (point,) array
        NaN breaks the line.
    low, high : float
        The least and the greatest sample of the signal drawn.
    across : (point,) array, optional
        Pixels across of each value; by default one value a column, at its middle.

    Examples
    --------
    >>> polyline(np.array([0.0, 2.0]), 0.0, 2.0)
    'M150 60 450 4'
    """
    present = np.isfinite(values)
    down = _pixels(values, low, high, present)
    x = _columns(values.size) if across is None else np.round(across, 1)
    return "".join("M" + _points(x[a:b], down[a:b]) for a, b in _runs(present) if b - a > 1)


def _columns(count: int) -> Floats:
    """Return the middle of every column."""
    return np.round((np.arange(count) + 0.5) * (WIDTH / count), 1)


def _path(low: NDArray[np.float64], high: NDArray[np.float64], present: NDArray[np.bool_]) -> str:
    if not present.any():
        return ""
    bottom, top = low[present].min(), high[present].max()
    y_low, y_high = (_pixels(edge, bottom, top, present) for edge in (low, high))
    x = _columns(low.size)
    steps: list[str] = []
    for start, stop in _runs(present):
        run = slice(start, stop)
        steps.append("M" + _points(x[run], y_high[run]))
        if (y_low[run] != y_high[run]).any():
            steps.append("L" + _points(x[run][::-1], y_low[run][::-1]) + "Z")
        elif stop - start == 1:
            steps.append("h0")
    return "".join(steps)


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return " ".join(f"{across:g} {down:g}" for across, down in zip(x, y, strict=True))


def _pixels(
    edge: NDArray[np.float64], bottom: float, top: float, present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    # Halves first, so that a range of twice the largest float does not overflow.
    span = top / 2 - bottom / 2
    part = np.where(present, edge, bottom) / 2 - bottom / 2
    share = part / span if span > 0 else np.full(edge.shape, 0.5)
    return np.round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of every unbroken stretch of True."""
    padded = np.concatenate(([False], mask, [False]))
    changes = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    yield from zip(changes[::2], changes[1::2], strict=True)


def _spans(mask: NDArray[np.bool_]) -> tuple[Span, ...]:
    column = WIDTH / mask.size
    return tuple(
        Span(round(start * column, 2), round((stop - start) * column, 2))
        for start, stop in _runs(mask)
    )
