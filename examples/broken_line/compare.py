"""Fit two joined lines to the case that started it: curve_fit, the integral equation, the optimum.

    python -m examples.broken_line.compare                    prints one series, then shares of 100
    python -m examples.broken_line.compare --simulations 20   over fewer series
    python -m examples.broken_line.compare --svg lines.svg    draws the one series

The series are those of `python -m benchmarks`: the same seed, in the same order.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit

from benchmarks._piecewise_cases import MISSED, STARTS, A, B, C, D, absolute_lines
from core.piecewise import PiecewiseFit, fit_piecewise
from examples.broken_line.picture import Line, Row, draw

SEED = 4
TRUTH = -B / A
"""The break that the printed parameters imply: 48.2965."""
AT_POINT = 1e-4
"""A break so near to an x lies on that data point."""
EXACT, INTEGRAL = "exact fit", "integral equation"
Samples = tuple[np.ndarray, np.ndarray]
Model = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Design:
    """Where samples are taken, and how noisy they are."""

    low: float
    high: float
    n: int
    noise: float = 5e-3

    def __str__(self) -> str:
        return f"x {self.low:g} to {self.high:g}, {self.n} points, noise {self.noise:g}"

    def series(self, count: int) -> Iterator[Samples]:
        """Yield so many simulated series."""
        rng = np.random.default_rng(SEED)
        for _ in range(count):
            x = np.sort(rng.uniform(self.low, self.high, self.n))
            yield x, absolute_lines(x, A, B, C, D) + self.noise * rng.normal(size=self.n)


DESIGNS = (Design(low=20, high=60, n=41), Design(low=38, high=53, n=40))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one way makes of a series; NaN throughout where it gave up."""

    knot: float
    """The break; NaN where a piece has fewer than two points: one line, the break anywhere."""
    rss: float
    """Sum of squared residuals."""
    model: Model
    """The fit, to be evaluated anywhere."""


def by_curve_fit(samples: Samples, options: dict[str, object]) -> Found:
    """Fit by curve_fit, from a start or within bounds."""
    x, y = samples
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            p = curve_fit(absolute_lines, x, y, maxfev=20_000, **options)[0]
        except RuntimeError:
            p = np.full(4, np.nan)
        rss = float(((y - absolute_lines(x, *p)) ** 2).sum())
        knot = float(-p[1] / p[0])
    kept = knot if x[1] <= knot <= x[-2] else np.nan
    return Found(knot=kept, rss=rss, model=lambda at: absolute_lines(at, *p))


def by_piecewise(samples: Samples, method: str) -> Found:
    """Fit by `fit_piecewise`."""
    fit = fit_piecewise(*samples, method=method)
    return Found(knot=float(fit.breakpoints[0]), rss=float(fit.rss), model=fit.predict)


def every_way(samples: Samples) -> dict[str, Found]:
    """Fit one series in every way."""
    found = {name: by_curve_fit(samples, options) for name, options in STARTS.items()}
    return found | {
        INTEGRAL: by_piecewise(samples, "integral"),
        EXACT: by_piecewise(samples, "exact"),
    }


def excesses(found: dict[str, Found]) -> dict[str, float]:
    """Return how far each rss is above the optimum, as a share of it; 0 where it is the optimum."""
    shares = {name: one.rss / found[EXACT].rss - 1 for name, one in found.items()}
    return {name: 0.0 if share <= MISSED else share for name, share in shares.items()}


def percent(share: float) -> str:
    """Write a share to three digits, as a percentage.

    Examples
    --------
    >>> percent(36.9152), percent(0.0022756), percent(0.0)
    ('3,692 %', '0.228 %', '0 %')
    """
    return f"{100 * share:,.0f} %" if share >= 1 or not share else f"{100 * share:.3g} %"


def number(value: float) -> str:
    """Write a position in nine characters, NaN as a dash."""
    return f"{'-' if np.isnan(value) else f'{value:.3f}':>9s}"


def print_one(samples: Samples, found: dict[str, Found]) -> PiecewiseFit:
    """Print what every way makes of one series; return the exact fit with its interval."""
    above = excesses(found)
    print(f"  {'one series':34s}{'break':>9s}{'rss':>12s}{'above':>12s}")
    for name, one in found.items():
        print(f"  {name:34s}{number(one.knot)}{one.rss:12.4e}{percent(above[name]):>12s}")
    fit = fit_piecewise(*samples, ci="profile")
    low, high = fit.ci_breakpoints[0]
    print(f"  break {fit.breakpoints[0]:.3f}, 95 % profile interval {low:.3f} to {high:.3f}")
    return fit


def print_many(design: Design, count: int) -> None:
    """Print how often and how far each way misses the optimum, and the truth."""
    series = list(design.series(count))
    every = [every_way(samples) for samples in series]
    above = [excesses(found) for found in every]
    print(f"  {f'{count} series':34s}{'missed':>9s}{'one line':>9s}{'at point':>9s}", end="")
    print(f"{'above':>9s}{'bias':>9s}{'rmse':>9s}")
    for name in every[0]:
        missed = np.array([shares[name] for shares in above])
        knots = np.array([found[name].knot for found in every])
        away = [np.abs(x - knot).min() for (x, _), knot in zip(series, knots, strict=True)]
        at_point = (np.array(away) < AT_POINT) & (missed != 0)
        excess = missed[missed > 0]  # not where it gave up
        by = percent(float(np.median(excess))) if excess.size else "-"
        print(f"  {name:34s}{(missed != 0).mean():9.0%}{np.isnan(knots).mean():9.0%}", end="")
        print(f"{at_point.mean():9.0%}{by:>9s}{off(knots - TRUTH)}")


def off(errors: np.ndarray) -> str:
    """Write bias and root mean square of the errors that are numbers."""
    there = errors[~np.isnan(errors)]
    if not there.size:
        return number(np.nan) * 2
    return number(there.mean()) + number(np.sqrt((there**2).mean()))


def row(design: Design, samples: Samples, found: dict[str, Found], fit: PiecewiseFit) -> Row:
    """Return what there is to draw of one series."""
    above = excesses(found)
    lines = {
        name: Line(knot=one.knot, above=above[name], model=one.model) for name, one in found.items()
    }
    low, high = fit.ci_breakpoints[0]
    return Row(
        title=str(design),
        span=(design.low, design.high),
        samples=samples,
        lines=lines,
        truth=TRUTH,
        interval=(low, high),
    )


def main(simulations: int = 100, svg: Path | None = None) -> None:
    """Print the figures of both designs; draw the first series of each."""
    rows = []
    for design in DESIGNS:
        print(f"{design}, break at {TRUTH:.4f}")
        samples = next(design.series(1))
        found = every_way(samples)
        rows.append(row(design, samples, found, print_one(samples, found)))
        print_many(design, simulations)
    if svg is not None:
        svg.write_text(draw(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fit two joined lines in every way")
    parser.add_argument("--simulations", type=int, default=100, help="series of each design")
    parser.add_argument("--svg", type=Path, help="file to draw the first series in")
    given = parser.parse_args()
    main(given.simulations, given.svg)
