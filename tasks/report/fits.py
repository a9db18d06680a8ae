"""Straight pieces over a signal's outline: the fit, its breaks and how sure they are."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.piecewise import Status
from core.piecewise.result import evaluate
from core.stretches import order_along
from tasks import store
from tasks.readers.axes import SINCE_1970
from tasks.report.sparklines import WIDTH, Span, column_starts, polyline
from tasks.slots import Slots

Floats = NDArray[np.float64]
LATEST = 2.5e11
"""Seconds after 1970 that a date of four digits can tell."""
UNFITTED = {
    Status.TOO_FEW: "no pieces: too few samples at different x",
    Status.CONSTANT_X: "no pieces: all samples at one x",
    Status.NO_DATA: "no pieces: no finite sample",
    Status.BAD_WEIGHTS: "no pieces: negative or infinite weights",
    Status.INFINITE: "no pieces: an infinite value, or x not above 0 on a logarithmic axis",
}
READ = (
    store.BREAKPOINT,
    store.CI_BREAKPOINT,
    store.SLOPE,
    store.CURVATURE,
    store.VALUE,
    store.SPAN,
    store.N_SEGMENTS,
    store.CERTIFIED,
    store.FIT_STATUS,
)


@dataclass(frozen=True, kw_only=True)
class FitDrawing:
    """Pieces in the pixels of a signal's sparkline, and in words."""

    path: str
    """An SVG path along the fit."""
    breaks: tuple[float, ...]
    """Where the breaks lie across."""
    intervals: tuple[Span, ...]
    """Their intervals, where they have any."""
    text: str
    """The breaks in the units of x."""
    sure: str
    """Their intervals."""


def read_fit(slots: Slots, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the pieces of one signal by name, or None where there are none."""
    fit = slots.named(READ, "signal", row)
    return fit if fit and (fit["n_segments"] > 0 or fit["status"] > 0) else None


def draw_fit(signal: Floats, x: Floats, fit: dict[str, Any], log: bool, units: str) -> FitDrawing:
    """Draw the pieces of a signal in its sparkline.

    Parameters
    ----------
    signal, x : (sample,) array
        As they are stored.
    fit : dict
        As `read_fit` returns it.
    log : bool
        The pieces are straight along the logarithm of x.
    units : str
        Of x, for the text.

    Returns
    -------
    FitDrawing
        Words alone where the outline, which is by sample, is not along x.
    """
    if fit["status"] > 0:
        return FitDrawing(
            path="", breaks=(), intervals=(), text=UNFITTED[Status(fit["status"])], sure=""
        )
    count = int(fit["n_segments"])
    knots = fit["breakpoint"][: count - 1]
    bounds = fit["ci_breakpoint"][: count - 1]
    span = float(fit["span"][1] - fit["span"][0])
    words = {"text": _in_words(knots, units, span), "sure": _intervals(bounds, units, span)}
    if not is_along(x):
        return FitDrawing(path="", breaks=(), intervals=(), **words)
    where = column_starts(signal.size)
    middle = np.append(where[1:], signal.size) - 1 + where
    places = x[middle // 2]
    values = _evaluated(places, fit, count, log)
    values[(places < fit["span"][0]) | (places > fit["span"][1])] = np.nan
    finite = signal[np.isfinite(signal)]
    low, high = float(finite.min()), float(finite.max())
    return FitDrawing(
        path=polyline(np.clip(values, low, high), low, high),
        breaks=tuple(round(float(v), 1) for v in pixels_across(knots, x)),
        intervals=tuple(_interval(pair, x) for pair in bounds if np.isfinite(pair).any()),
        **words,
    )


def _evaluated(places: Floats, fit: dict[str, Any], count: int, log: bool) -> Floats:
    along = np.log if log else np.asarray
    start = along(fit["span"][0])
    with np.errstate(invalid="ignore", divide="ignore"):
        return evaluate(
            along(places) - start,
            along(fit["breakpoint"][: count - 1]) - start,
            fit["value"][:count],
            fit["slope"][:count],
            fit["curvature"][:count],
        )


def is_along(x: Floats) -> bool:
    """Tell whether an outline, which is by sample, is along x: it rises or falls, or repeats."""
    return bool(np.isfinite(x).all()) and order_along(x) is None


def pixels_across(positions: Floats, x: Floats) -> Floats:
    """Return pixels across of positions along x; the outline is drawn by sample."""
    sample = np.arange(x.size)
    if x[0] > x[-1]:
        x, sample = x[::-1], sample[::-1]
    index = np.interp(positions, x, sample)
    return np.asarray((index + 0.5) * (WIDTH / x.size))


def _interval(pair: Floats, x: Floats) -> Span:
    left, right = sorted(pixels_across(np.clip(pair, x.min(), x.max()), x))
    return Span(round(float(left), 1), round(max(float(right - left), 1.0), 1))


def _in_words(knots: Floats, units: str, span: float) -> str:
    if not knots.size:
        return "1 straight line, no break"
    unit = f" {units}" if units not in ("", "1", SINCE_1970) else ""
    places = ", ".join(position(knot, units, span) for knot in knots)
    return f"{knots.size + 1} pieces, breaks at {places}{unit}"


def _intervals(bounds: Floats, units: str, span: float) -> str:
    """Write the interval of every break that has one."""
    ends = ([position(v, units, span) for v in pair] for pair in bounds if np.isfinite(pair).all())
    return ", ".join(" to ".join(pair) for pair in ends)


def position(value: float, units: str, span: float) -> str:
    """Write a position along x, as finely as a drawing of that span can tell.

    Examples
    --------
    >>> position(1898.4567, "year", 100.0), position(0.0, SINCE_1970, 1e8)
    ('1898.5', '1970-01-01')
    >>> position(90.0, SINCE_1970, 3600.0)
    '1970-01-01 00:01:30'
    """
    if units == SINCE_1970 and abs(value) < LATEST:
        unit = "D" if span > 100 * 86400 else "m" if span > 86400 else "s"
        return str(np.datetime64(round(value), "s").astype(f"M8[{unit}]")).replace("T", " ")
    if 1e-6 < span < 1e15 and abs(value) < 1e15:
        decimals = max(0, 3 - math.floor(math.log10(span)))
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if decimals else text
    digits = 4 if span <= 0 else 4 + max(0, math.ceil(math.log10(max(abs(value), span) / span)))
    return f"{value:.{min(digits, 17)}g}"
