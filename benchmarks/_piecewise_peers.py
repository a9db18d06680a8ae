"""Other fits of joined lines, one function each: series in, sum of squares out.

A peer that is not installed is None. Each gets a series without missing samples, and the number of
breaks; weights are 1 / variance and reach those that take any. NaN stands for no result.
"""

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
from scipy.optimize import curve_fit

Series = tuple[np.ndarray, np.ndarray, np.ndarray]
Fit = Callable[[Series, int], float]


def module(name: str) -> ModuleType | None:
    """Return an installed module, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def quietly(fit: Fit) -> Fit:
    """Silence a peer's warnings, and take its exceptions for no result."""

    def run(series: Series, breaks: int) -> float:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return float(fit(series, breaks))
            except Exception:
                return np.nan

    return run


def joined(x: np.ndarray, knot: float, level: float, left: float, right: float) -> np.ndarray:
    """Two lines that meet at (knot, level): the model that users hand to curve_fit."""
    return level + np.where(x < knot, left, right) * (x - knot)


def guess(series: Series) -> list[float]:
    """Return a careful user's start: the middle, and the slopes of both halves."""
    x, y, _ = series
    middle = 0.5 * (x[0] + x[-1])
    halves = [np.polyfit(x[side], y[side], 1)[0] for side in (x <= middle, x >= middle)]
    return [middle, float(np.interp(middle, x, y)), *halves]


def by_curve_fit(start: Callable[[Series], list[float] | None]) -> Fit:
    """Return SciPy's curve_fit from a start."""

    def fit(series: Series, breaks: int) -> float:
        x, y, w = series
        found, _ = curve_fit(joined, x, y, start(series), sigma=w**-0.5, maxfev=20_000)
        return (w * (y - joined(x, *found)) ** 2).sum()

    return fit


def by_pwlf(package: ModuleType, method: str) -> Fit:
    """Return pwlf's multi-start (fitfast) or differential evolution (fit)."""

    def fit(series: Series, breaks: int) -> float:
        x, y, w = series
        # Weights make it build an (n, n) matrix: none where they are all 1.
        own = np.sqrt(w) if (w != 1.0).any() else None
        model = package.PiecewiseLinFit(x, y, weights=own, seed=0)
        getattr(model, method)(breaks + 1)
        return ((y - model.predict(x)) ** 2 * w).sum()

    return fit


def by_muggeo(package: ModuleType, restarts: int) -> Fit:
    """Return piecewise-regression, which takes no weights, with so many bootstrap restarts."""

    def fit(series: Series, breaks: int) -> float:
        x, y, _ = series
        np.random.seed(0)  # noqa: NPY002 (its restarts draw from there)
        found = package.Fit(list(x), list(y), n_breakpoints=breaks, n_boot=restarts)
        results = found.get_results()
        return np.nan if results["estimates"] is None else results["rss"]

    return fit


def by_lmfit(package: ModuleType) -> Fit:
    """Return lmfit's least squares from the careful user's start."""

    def fit(series: Series, breaks: int) -> float:
        x, y, w = series
        names = dict(zip(("knot", "level", "left", "right"), guess(series), strict=True))
        model = package.Model(joined)
        return model.fit(y, model.make_params(**names), x=x, weights=np.sqrt(w)).chisqr

    return fit


def peers() -> dict[str, Fit | None]:
    """Return every peer by name."""
    pwlf, muggeo = module("pwlf"), module("piecewise_regression")
    lmfit = module("lmfit")
    found: dict[str, Fit | None] = {
        "curve_fit, good guess": by_curve_fit(guess),
        "curve_fit, no guess": by_curve_fit(lambda series: None),
        "pwlf fitfast": pwlf and by_pwlf(pwlf, "fitfast"),
        "pwlf fit": pwlf and by_pwlf(pwlf, "fit"),
        "piecewise-regression, n_boot=0": muggeo and by_muggeo(muggeo, 0),
        "piecewise-regression, n_boot=100": muggeo and by_muggeo(muggeo, 100),
        "lmfit, good guess": lmfit and by_lmfit(lmfit),
    }
    return {name: fit and quietly(fit) for name, fit in found.items()}


def segmenters() -> dict[str, Callable[[np.ndarray, int], float] | None]:
    """Return ruptures' piecewise-constant fits: signal and breaks in, sum of squares out."""
    ruptures = module("ruptures")
    if ruptures is None:
        return {"ruptures KernelCPD (C)": None, "ruptures Dynp l2": None}

    def cost(signal: np.ndarray, ends: list[int]) -> float:
        return sum(float(((part - part.mean()) ** 2).sum()) for part in np.split(signal, ends[:-1]))

    def kernel(signal: np.ndarray, breaks: int) -> float:
        search = ruptures.KernelCPD(kernel="linear", min_size=3).fit(signal)
        return cost(signal, search.predict(n_bkps=breaks))

    def dynamic(signal: np.ndarray, breaks: int) -> float:
        search = ruptures.Dynp(model="l2", min_size=3, jump=5).fit(signal)
        return cost(signal, search.predict(n_bkps=breaks))

    return {"ruptures KernelCPD (C)": kernel, "ruptures Dynp l2, jump 5": dynamic}
