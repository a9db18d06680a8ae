"""The report's drawings as plain geometry; the template turns it into inline SVG.

No markup is built here, so that no text of a chart can become markup.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Grade:
    """One band of the scale that the reference of PIQE prints: whole scores, ends included."""

    name: str
    low: int
    high: int


GRADES = (
    Grade("excellent", 0, 20),
    Grade("good", 21, 35),
    Grade("fair", 36, 50),
    Grade("poor", 51, 80),
    Grade("bad", 81, 100),
)
_EDGES = (0, *(band.high for band in GRADES))


def grade(score: float) -> Grade:
    """Grade of a score; one between two bands (20.5) belongs to the worse.

    Examples
    --------
    >>> grade(20.0).name, grade(20.5).name, grade(100.0).name
    ('excellent', 'good', 'bad')
    """
    return next((band for band in GRADES if score <= band.high), GRADES[-1])


def grade_counts(scores: ArrayLike) -> list[tuple[Grade, int]]:
    """Count the scores of every grade, the worst grade first; what is not finite counts nowhere."""
    finite = finite_scores(scores)
    place = np.searchsorted([band.high for band in GRADES[:-1]], finite, side="left")
    numbers = np.bincount(place, minlength=len(GRADES))
    return [(band, int(number)) for band, number in zip(GRADES, numbers, strict=True)][::-1]


def counts_above(scores: ArrayLike) -> list[int]:
    """Count the scores above each whole cut-off from 0 to 100."""
    finite = np.sort(finite_scores(scores))
    return [int(finite.size - at) for at in np.searchsorted(finite, range(101), side="right")]


def finite_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Flatten the scores and leave out those that are NaN or infinite."""
    flat = np.asarray(scores, dtype=np.float64).ravel()
    return flat[np.isfinite(flat)]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin: (low, high] of the scores, as a rectangle."""

    x: float
    y: float
    width: float
    height: float
    grade: str
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Band:
    """A grade's share of the score axis."""

    x: float
    width: float
    name: str


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Where scores and counts lie in the drawing, in pixels."""

    left: float
    right: float
    top: float
    floor: float
    ceiling: int
    """The count at the top."""

    def x(self, score: float) -> float:
        """Pixels from the drawing's left edge."""
        return round(self.left + (self.right - self.left) * score / 100, 2)

    def y(self, number: int) -> float:
        """Pixels from the drawing's upper edge."""
        return round(self.floor - (self.floor - self.top) * number / self.ceiling, 2)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The distribution of the scores, in pixels of its own drawing."""

    width: int
    height: int
    axes: Axes
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bands: tuple[Band, ...]


def histogram(
    scores: ArrayLike, width: int = 760, height: int = 260, bin_width: float = 2.5
) -> Histogram:
    """Draw the distribution of the scores over the five grades.

    Parameters
    ----------
    scores : array of float
        Scores from 0 to 100; NaN is left out.
    width, height : int
        Pixels of the drawing.
    bin_width : float
        Width of a bar; 1.25, 2.5 and 5 let every bar belong to one grade.

    Returns
    -------
    Histogram
        A bar that counts anything at all is at least 2 pixels high.
    """
    bins = round(100 / bin_width)
    # Bins are closed on the right, as the grades are: a score of 20 is excellent.
    place = np.ceil(finite_scores(scores) / bin_width).astype(int) - 1
    numbers = np.bincount(np.clip(place, 0, bins - 1), minlength=bins).tolist()
    step = tick_step(max(numbers))
    ceiling = step * max(1, -(-max(numbers) // step))
    # Room for the longest label of the y axis, and for the axis's own name turned beside it.
    left = 34.0 + 7 * len(f"{ceiling:,}")
    axes = Axes(left=left, right=width - 12.0, top=14.0, floor=height - 66.0, ceiling=ceiling)
    return Histogram(
        width=width,
        height=height,
        axes=axes,
        bars=tuple(_bar(axes, at * bin_width, bin_width, n) for at, n in enumerate(numbers)),
        x_ticks=tuple(Tick(axes.x(edge), str(edge)) for edge in _EDGES),
        y_ticks=tuple(Tick(axes.y(n), f"{n:,}") for n in range(0, ceiling + 1, step)),
        bands=_bands(axes),
    )


def _bar(axes: Axes, low: float, bin_width: float, number: int) -> Bar:
    high = low + bin_width
    top = min(axes.y(number), axes.floor - 2) if number else axes.floor
    return Bar(
        x=round(axes.x(low) + 0.75, 2),
        y=top,
        width=round(axes.x(high) - axes.x(low) - 1.5, 2),
        height=round(axes.floor - top, 2),
        grade=grade(high).name,
        low=low,
        high=high,
        count=number,
    )


def _bands(axes: Axes) -> tuple[Band, ...]:
    return tuple(
        Band(axes.x(start), round(axes.x(band.high) - axes.x(start), 2), band.name)
        for start, band in zip(_EDGES, GRADES, strict=False)
    )


def tick_step(largest: int, most: int = 4) -> int:
    """Smallest of 1, 2, 5, 10, 20, … that reaches `largest` in `most` steps.

    Examples
    --------
    >>> tick_step(3), tick_step(37), tick_step(12345)
    (1, 10, 5000)
    """
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if step * most >= largest:
                return step
        power *= 10
