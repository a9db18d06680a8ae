"""Which fits miss the optimum, how often intervals cover, and the case that started it."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import curve_fit, minimize_scalar

from benchmarks._piecewise_peers import Fit, Series, peers, quietly
from core.piecewise import fit_piecewise

MISSED = 1e-6
"""A fit missed the optimum if its sum of squares is above it by more than this share."""


def lstsq_rss(series: Series, knots: list[float]) -> float:
    """Sum of squares for given knots, by NumPy's lstsq."""
    x, y, w = series
    columns = np.stack([np.ones_like(x), x, *(np.maximum(x - k, 0) for k in knots)], axis=1)
    root = np.sqrt(w)
    c = np.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
    return float((w * (y - columns @ c) ** 2).sum())


def brute_force(series: Series, min_size: int) -> float:
    """Least sum of squares over dense knots, each gap between two x searched further."""
    places, best = np.unique(series[0]), np.inf
    for low, high in zip(
        places[min_size - 1 : -min_size], places[min_size : 1 - min_size or None], strict=True
    ):
        grid = np.linspace(low, high, 9)
        values = [lstsq_rss(series, [k]) for k in grid]
        near = int(np.argmin(values))
        found = minimize_scalar(
            lambda k: lstsq_rss(series, [k]),
            bounds=(grid[max(near - 1, 0)], grid[min(near + 1, 8)]),
            method="bounded",
            options={"xatol": 1e-12},
        )
        best = min(best, found.fun, *values)
    return best


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return a small series with ties, weights and missing samples by turns, and min_size."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 24))
    x = np.sort(rng.uniform(0, 1, n))
    x = np.round(x * 12) if seed % 3 == 0 else x
    y = rng.choice([0.0, 1.0, 8.0]) * np.abs(x - x.mean()) + rng.normal(size=n)
    y[rng.random(n) < 0.08] = np.nan
    w = rng.uniform(0.1, 3, n) if seed % 2 else np.ones(n)
    return x, y, w, 2 + seed % 2


def against_brute_force(cases: int) -> dict[str, float]:
    """Print how far above brute force the exact fit ever is, and how often peers are."""
    worst, compared, missed = -np.inf, 0, {name: [] for name, fit in peers().items() if fit}
    seed = 0
    while compared < cases:
        x, y, w, min_size = random_case(seed)
        seed += 1
        there = np.isfinite(y)
        series = x[there], y[there], w[there]
        if np.unique(series[0]).size < 2 * min_size:
            continue
        fit = fit_piecewise(x, y, weights=w, min_size=min_size)
        worst = max(worst, fit.rss / brute_force(series, min_size) - 1)
        compared += 1
        for name, peer in peers().items():
            unweighted = "regression" not in name or not seed - 1 & 1
            if peer and unweighted and "100" not in name:
                missed[name].append(not peer(series, 1) <= fit.rss * (1 + MISSED))
    print(f"{compared} random series (ties, weights, NaN): {worst:.1e} above brute force at most")
    return {"worst": worst} | print_missed(missed)


def print_missed(missed: dict[str, list[bool]]) -> dict[str, float]:
    """Print each peer's share of series on which it missed the optimum or had no result."""
    shares = {name: float(np.mean(flags)) for name, flags in missed.items() if flags}
    for name, share in shares.items():
        print(f"  {name:34s} missed {share:6.1%} of {len(missed[name])}")
    return shares


def against_exact(count: int) -> dict[str, dict[str, float]]:
    """Print how often peers miss the optimum of 100 samples, with little and much noise."""
    found = {}
    for label, noise in (("little noise", 0.05), ("much noise", 1.0)):
        rng = np.random.default_rng(5)
        x = np.linspace(0, 10, 100)
        missed = {name: [] for name, fit in peers().items() if fit and "100" not in name}
        for _ in range(count):
            y = np.abs(x - rng.uniform(2, 8)) * rng.uniform(0.3, 1) + noise * rng.normal(size=100)
            best = fit_piecewise(x, y).rss
            for name, flags in missed.items():
                peer = peers()[name]
                flags.append(not peer((x, y, np.ones(100)), 1) <= best * (1 + MISSED))
        print(f"{count} series of 100 samples, {label}:")
        found[label] = print_missed(missed)
    return found


DESIGNS = {
    # A roof of height 1/2 over 0..1: samples, spacing, noise.
    "20 even, noise .03": (20, "even", 0.03),
    "20 random, noise .03": (20, "random", 0.03),
    "50 even, noise .05": (50, "even", 0.05),
    "50 random, noise .05": (50, "random", 0.05),
    "200 even, noise .1": (200, "even", 0.1),
    "200 random, noise .1": (200, "random", 0.1),
    "50 even, faint (noise .3)": (50, "even", 0.3),
}


def coverage(samples: int) -> dict[str, float]:
    """Print the share of 95 % intervals that hold the true break."""
    found = {}
    print(f"coverage of 95 % intervals, {samples} series each:")
    for label, (n, spacing, noise) in DESIGNS.items():
        rng = np.random.default_rng(1)
        x = np.linspace(0, 1, n) if spacing == "even" else np.sort(rng.uniform(0, 1, n))
        y = np.minimum(x, 1 - x) + noise * rng.normal(size=(samples, n))
        cells = []
        for ci in ("profile", "delta"):
            low, high = fit_piecewise(x, y, ci=ci).ci_breakpoints[:, 0].T
            share = float(np.mean((low <= 0.5) & (high >= 0.5)))
            error = np.sqrt(share * (1 - share) / samples)
            cells.append(f"{ci} {share:.4f} ± {error:.4f}")
            found[f"{label}: {ci}"] = share
        open_ended = float(np.mean(np.isinf(fit_piecewise(x, y, ci="profile").ci_breakpoints)))
        print(f"  {label:28s} {'   '.join(cells)}   open ends {open_ended:.1%}")
    return found


A, B, C, D = -0.00411946, 0.19895546, 0.00817832, 0.00758401
"""The printed parameters: a x + b + d left of -b / a = 48.2965, c (x + b / a) + d right of it."""


def absolute_lines(x: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
    """Evaluate the model as it was written for curve_fit."""
    return np.piecewise(x, [x < -b / a], [lambda x: a * x + b + d, lambda x: c * (x + b / a) + d])


STARTS: dict[str, dict[str, object]] = {
    "curve_fit, no guess": {},
    "curve_fit, signs for a guess": {"p0": [-1, 1, 1, 0]},
    "curve_fit, loose bounds": {"bounds": ([-1, 0, 0, -1], [0, 10, 1, 1])},
    "curve_fit, tight bounds": {"bounds": ([-0.01, 0.1, 0, 0], [0, 0.5, 0.02, 0.02])},
    "curve_fit, started at the truth": {"p0": [A, B, C, D]},
}


def by_start(options: dict[str, object]) -> Fit:
    """Return a fit of the model by curve_fit with a start or bounds."""

    def fit(series: Series, breaks: int) -> float:
        x, y, _ = series
        found, _ = curve_fit(absolute_lines, x, y, maxfev=20_000, **options)
        return ((y - absolute_lines(x, *found)) ** 2).sum()

    return quietly(fit)


def first_case(count: int) -> dict[str, dict[str, float]]:
    """Print how often each way reaches the optimum of the case that started it."""
    found = {}
    ways: dict[str, Callable[[Series, int], float]] = {n: by_start(o) for n, o in STARTS.items()}
    ways["integral equation"] = lambda s, _: fit_piecewise(s[0], s[1], method="integral").rss
    for low, high, n, noise in ((20, 60, 41, 5e-4), (20, 60, 41, 5e-3), (38, 53, 40, 5e-3)):
        rng = np.random.default_rng(4)
        missed, errors = {name: [] for name in ways}, {"exact": [], "integral": []}
        for _ in range(count):
            x = np.sort(rng.uniform(low, high, n))
            y = absolute_lines(x, A, B, C, D) + noise * rng.normal(size=n)
            exact = fit_piecewise(x, y)
            errors["exact"].append(exact.breakpoints[0] + B / A)
            integral = fit_piecewise(x, y, method="integral").breakpoints[0]
            errors["integral"].append(integral + B / A)
            for name, way in ways.items():
                missed[name].append(not way((x, y, np.ones(n)), 1) <= exact.rss * (1 + MISSED))
        label = f"x {low} to {high}, n {n}, noise {noise:g}"
        print(f"break at 48.2965, {label}, {count} series:")
        for name, error in errors.items():
            rmse, bias = np.sqrt(np.mean(np.square(error))), np.mean(error)
            print(f"  {name:10s} break off by {rmse:.3f} (rms), {bias:+.3f} on average")
        found[label] = print_missed(missed)
    return found
