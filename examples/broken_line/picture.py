"""The picture: points, lines and breaks; beside them the rss along the break, with its kinks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from benchmarks._piecewise_cases import lstsq_rss

WIDTH, ROW, LEGEND = 1000, 350, 84
"""Pixels: the picture across, one row of panels, the legend above them."""
STYLES = {
    "curve_fit, no guess": ("#D55E00", 2.4, "none", 4.5),
    "curve_fit, signs for a guess": ("#000000", 2.0, "2 7", 4.5),
    "curve_fit, loose bounds": ("#CC79A7", 2.0, "none", 4.5),
    "curve_fit, tight bounds": ("#E69F00", 3.0, "none", 5.5),
    "curve_fit, started at the truth": ("#6A3D9A", 2.0, "5 6", 3.5),
    "integral equation": ("#009E73", 2.0, "9 4", 4.5),
    "exact fit": ("#56B4E9", 8.0, "none", 8.0),
}
"""Each way's colour, width and dashes of the line, and radius of the dot: broad ones go below."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One way's fit."""

    knot: float
    """NaN where the fit is one line."""
    above: float
    """Share by which its rss is above the optimum."""
    model: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One series with its fits."""

    title: str
    span: tuple[float, float]
    """Least and greatest x to show."""
    samples: tuple[np.ndarray, np.ndarray]
    lines: dict[str, Line]
    truth: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A frame in pixels and the ranges that it shows."""

    left: float
    top: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]

    def x(self, value: float) -> float:
        """Return pixels across."""
        low, high = self.across
        return round(float(self.left + self.width * (value - low) / (high - low)), 1)

    def y(self, value: float) -> float:
        """Return pixels down."""
        low, high = self.up
        return round(float(self.top + self.height * (high - value) / (high - low)), 1)

    def holds(self, across: float, up: float) -> bool:
        """Tell whether a point lies within."""
        return self.across[0] <= across <= self.across[1] and self.up[0] <= up <= self.up[1]

    def path(self, across: np.ndarray, up: np.ndarray) -> str:
        """Return points for an SVG polyline."""
        return " ".join(f"{self.x(a)},{self.y(b)}" for a, b in zip(across, up, strict=True))


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Return round numbers within a range.

    Examples
    --------
    >>> ticks(20, 60)
    [20.0, 30.0, 40.0, 50.0, 60.0]
    """
    power = 10.0 ** np.floor(np.log10((high - low) / most))
    step = next(power * k for k in (1, 2, 5, 10) if (high - low) / (power * k) <= most)
    found = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return [round(float(value), 10) + 0.0 for value in found]  # -0.0 is none


def broad_first(lines: dict[str, Line]) -> list[tuple[str, Line]]:
    """Return the ways that came to a fit, in the order in which to draw them."""
    there = [item for item in lines.items() if not np.isnan(item[1].above)]
    return sorted(there, key=lambda item: -STYLES[item[0]][3])


def data_panel(row: Row, top: float) -> dict[str, Any]:
    """Return the points, the line of each way and its break."""
    x, y = row.samples
    low, high = row.span
    ends = row.lines["exact fit"].model(np.array([low, high]))
    bottom, highest = min(y.min(), *ends), max(y.max(), *ends)
    margin = 0.06 * (highest - bottom)
    panel = Panel(
        left=70,
        top=top,
        width=440,
        height=250,
        across=(low, high),
        up=(bottom - margin, highest + margin),
    )
    lines = []
    for name, line in broad_first(row.lines):
        bends = [*x[:2], *x[-2:]] if np.isnan(line.knot) else [line.knot]
        at = np.array([low, *bends, high])
        lines.append((STYLES[name], panel.path(at, line.model(at))))
    knots = [(STYLES[n], panel.x(k.knot)) for n, k in broad_first(row.lines) if low < k.knot < high]
    points = [(panel.x(a), panel.y(b)) for a, b in zip(x, y, strict=True)]
    return {"panel": panel, "lines": lines, "knots": knots, "points": points}


def near(row: Row) -> tuple[float, float]:
    """Return a range of breaks about the truth and where ways stopped within the interval."""
    low, high = row.interval
    stops = [line.knot for line in row.lines.values() if low <= line.knot <= high]
    margin = 0.6 * np.ptp([*stops, row.truth])
    return min(*stops, row.truth) - margin, max(*stops, row.truth) + margin


def profile_panel(row: Row, top: float) -> dict[str, Any]:
    """Return the rss of the best lines for every break, and where each way stopped."""
    x, y = row.samples
    series, best = (x, y, np.ones(x.size)), row.lines["exact fit"].knot
    least = lstsq_rss(series, [best])
    across = near(row)
    inside = x[(x > across[0]) & (x < across[1])]
    at = np.unique([*np.linspace(*across, 400), *inside, best])
    above = np.array([100 * (lstsq_rss(series, [k]) / least - 1) for k in at])
    panel = Panel(
        left=600,
        top=top,
        width=370,
        height=250,
        across=across,
        up=(-0.09 * above.max(), above.max()),
    )
    kinks = [(panel.x(k), panel.y(100 * (lstsq_rss(series, [k]) / least - 1))) for k in inside]
    stops = [
        (STYLES[name], panel.x(line.knot), panel.y(100 * line.above))
        for name, line in broad_first(row.lines)
        if panel.holds(line.knot, 100 * line.above)
    ]
    return {"panel": panel, "curve": panel.path(at, above), "kinks": kinks, "stops": stops}


def draw(rows: list[Row]) -> str:
    """Return the picture as SVG, one series a row."""
    found = []
    for k, row in enumerate(rows):
        top = LEGEND + k * ROW + 36
        found.append((row, data_panel(row, top), profile_panel(row, top)))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("picture.svg.jinja").render(
        width=WIDTH, height=LEGEND + ROW * len(rows), rows=found, styles=STYLES, ticks=ticks
    )
