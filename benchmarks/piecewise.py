"""CPU time of piecewise fits here and elsewhere, and who misses the optimum.

    python -m benchmarks.piecewise            a few minutes with every peer
    python -m benchmarks.piecewise --toy      small sizes, seconds

One process, one thread of our own; CPU time, summed over threads where a peer's BLAS starts any.
Each figure of ours is the best of its runs, a peer's the mean of its series; ratios are to the
first line with 1.00x, and for one break also to our loops alone, which give no errors. Compiling is
not timed. A peer that is not installed is skipped and said so.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks._piecewise_cases import against_brute_force, against_exact, coverage, first_case
from benchmarks._piecewise_peers import Series, by_curve_fit, peers, quietly, segmenters
from core.piecewise import fit_piecewise
from core.piecewise._one_break_kernels import WIDTH, one_break_shared
from core.piecewise.one_break import design_table, shared_rows

Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much to measure."""

    one: tuple[int, ...] = (200, 2000, 20_000)
    batch: int = 4_000_000
    two: tuple[int, ...] = (200, 2000)
    segments: tuple[int, ...] = (200, 2000)
    slow_peers: int = 2000
    peer_series: int = 10
    runs: int = 5
    cases: int = 300
    series: int = 60
    coverage: int = 20_000
    first_case: int = 100


TOY = Sizes(
    one=(30,),
    batch=3000,
    two=(30,),
    segments=(30,),
    slow_peers=0,
    peer_series=1,
    runs=1,
    cases=5,
    series=2,
    coverage=200,
    first_case=2,
)
TRUTH = [44.0, 0.024, -0.004, 0.008]
"""Knot, level, slopes of the series that are timed, x from 20 to 60."""


def cpu(run: Callable[[], object], runs: int) -> float:
    """Return the least CPU seconds of some runs, after one that is not counted."""
    run()
    best = np.inf
    for _ in range(runs):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def lines(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and a batch of noisy joined lines."""
    x = np.linspace(20, 60, n)
    mean = 0.2 - 0.004 * x + 0.012 * np.maximum(x - 44, 0)
    return x, mean + 0.003 * np.random.default_rng(0).normal(size=(count, n))


def row(name: str, seconds: float, unit: float, *ours: float) -> float:
    """Print a figure, and its ratio to each of ours; return it in its unit."""
    ratios = (seconds / own for own in ours if own == own)
    beside = "".join(f"{r:12,.0f}x" if r >= 10 else f"{r:12.2f}x" for r in ratios)
    unit_name = {1e6: "µs", 1e3: "ms"}[unit]
    print(f"  {name:44s} {seconds * unit:12.3f} {unit_name} {beside}")
    return seconds * unit


def one_break(n: int, sizes: Sizes) -> Figures:
    """Print microseconds a series for one break of n samples."""
    count = max(sizes.batch // n, 8)
    x, y = lines(n, count)
    rng = np.random.default_rng(1)
    own = np.sort(rng.uniform(20, 60, (max(count // 4, 4), n)), axis=1)
    gaps = y[: len(own)].copy()
    gaps[rng.random(gaps.shape) < 0.05] = np.nan
    weights = rng.uniform(0.5, 2, gaps.shape)
    rows, _ = shared_rows(x[None], np.empty((0, 0)))
    table, out = design_table(rows.u[0], rows.w[0]), np.empty((count, WIDTH))
    print(f"one break, n = {n}, a series:")
    found = {}
    kernel = cpu(lambda: one_break_shared(y, rows.u[0], rows.w[0], table, 3, out), sizes.runs)
    whole = cpu(lambda: fit_piecewise(x, y), sizes.runs) / count
    ours = whole, kernel / count
    found["shared"] = row("shared x, fit_piecewise with its errors", whole, 1e6, *ours)
    found["kernel"] = row("shared x, the compiled loops alone", kernel / count, 1e6, *ours)
    seconds = cpu(lambda: fit_piecewise(own, gaps, weights=weights), sizes.runs) / len(own)
    found["own"] = row("own x, weights, NaN, with errors", seconds, 1e6, *ours)
    seconds = cpu(lambda: fit_piecewise(x, y[0]), sizes.runs)
    found["single"] = row("one series a call", seconds, 1e6, *ours)
    several = [(x, y[i], np.ones(n)) for i in range(min(sizes.peer_series, count))]
    return found | peer_times(several, 1, ours, 1e6, sizes)


def peer_times(
    several: list[Series], breaks: int, ours: tuple[float, ...], unit: float, sizes: Sizes
) -> dict[str, float]:
    """Print the mean time of the peers over some series, beside ours."""
    candidates = dict(peers())
    if breaks == 1:
        candidates["curve_fit, started at the truth"] = quietly(by_curve_fit(lambda _: TRUTH))
    found, n = {}, several[0][0].size
    for name, fit in candidates.items():
        if fit is None:
            print(f"  {name:44s} skipped: not installed")
        elif breaks > 1 and ("curve_fit" in name or "lmfit" in name):
            continue
        elif n > sizes.slow_peers and "100" in name:
            print(f"  {name:44s} left out at this size: too slow")
        else:
            chosen = several[:1] if "100" in name or n > 2000 else several
            seconds = cpu(lambda f=fit, c=chosen: [f(series, breaks) for series in c], 1)
            seconds /= len(chosen)
            found[name] = row(name, seconds, unit, *ours)
    return found


def two_breaks(n: int, sizes: Sizes) -> Figures:
    """Print milliseconds for two certified breaks, clear ones to none at all."""
    x = np.linspace(0, 100, n)
    rng = np.random.default_rng(2)
    mean = 100 - x + 1.5 * np.maximum(x - 30, 0) - 2 * np.maximum(x - 60, 0)
    print(f"two breaks, n = {n}:")
    found, ours = {}, np.nan
    for label, y in {
        "clear (noise 1)": mean + rng.normal(size=n),
        "noisy (noise 8)": mean + 8 * rng.normal(size=n),
        "nothing but noise": rng.normal(size=n),
    }.items():
        fit = fit_piecewise(x, y, 3)
        seconds = cpu(lambda y=y: fit_piecewise(x, y, 3), sizes.runs)
        ours = seconds if "8" in label else ours
        name = f"{label}, certified {bool(fit.certified)}"
        found[label] = row(name, seconds, 1e3, ours)
    noise = 8 * np.random.default_rng(3).normal(size=(min(sizes.peer_series, 2), n))
    return found | peer_times([(x, mean + e, np.ones(n)) for e in noise], 2, (ours,), 1e3, sizes)


def segments(n: int, sizes: Sizes) -> Figures:
    """Print milliseconds for three breaks of separate pieces."""
    x = np.arange(float(n))
    signal = np.random.default_rng(0).normal(size=n) + 5.0 * (np.arange(n) * 4 // n % 2)
    print(f"three breaks, pieces that need not meet, n = {n}:")
    found, rss, ours = {}, {}, np.nan
    for degree in (0, 1, 2):
        options = {"degree": degree, "continuous": False}
        run = lambda options=options: fit_piecewise(x, signal, 4, **options)  # noqa: E731
        rss[degree] = run().rss
        seconds = cpu(run, sizes.runs)
        ours = seconds if degree == 0 else ours
        found[f"degree {degree}"] = row(f"degree {degree}, exact", seconds, 1e3, ours)
    for name, fit in segmenters().items():
        if fit is None:
            print(f"  {name:44s} skipped: not installed")
            continue
        seconds = cpu(lambda fit=fit: fit(signal, 3), 1 if "Dynp" in name else sizes.runs)
        excess = fit(signal, 3) / rss[0] - 1
        label = f"{name} (rss {excess:+.1e})"
        found[name] = row(label, seconds, 1e3, ours)
    return found


def more_breaks(sizes: Sizes) -> Figures:
    """Print milliseconds for several breaks, and for choosing their number."""
    found = {}
    for n in sizes.two:
        x = np.linspace(0, 100, n)
        mean = np.interp(x, [0, 20, 40, 60, 80, 100], [0, 20, 5, 25, 10, 30])
        y = mean + np.random.default_rng(3).normal(size=n)
        print(f"several breaks, n = {n}:")
        for label, pieces in (("3 breaks", 4), ("4 breaks", 5), ("chosen among 0 to 5", "auto")):
            seconds = cpu(lambda p=pieces, x=x, y=y: fit_piecewise(x, y, p), sizes.runs)
            found[f"{n}: {label}"] = row(label, seconds, 1e3)
    return found


def main(sizes: Sizes | None = None) -> dict[str, dict]:
    """Print every figure; return them by section."""
    sizes = sizes or Sizes()
    start = time.process_time()
    figures: dict[str, dict] = {}
    for n in sizes.one:
        figures[f"one break, {n}"] = one_break(n, sizes)
    for n in sizes.two:
        figures[f"two breaks, {n}"] = two_breaks(n, sizes)
    for n in sizes.segments:
        figures[f"segments, {n}"] = segments(n, sizes)
    figures["more breaks"] = more_breaks(sizes)
    figures["brute force"] = against_brute_force(sizes.cases)
    figures["exact"] = against_exact(sizes.series)
    figures["coverage"] = coverage(sizes.coverage)
    figures["first case"] = first_case(sizes.first_case)
    print(f"{time.process_time() - start:.0f} s of CPU in all")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU time of piecewise fits")
    parser.add_argument("--toy", action="store_true", help="small sizes, one run")
    main(TOY if parser.parse_args().toy else None)
