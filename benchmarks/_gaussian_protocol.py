"""Made signals with a known number of Gaussians, an oracle, and how others count them.

Neighbours lie `separation` mean widths apart; widths are 10 samples times 0.7 to 1.4, heights 0.5
to 1, and the noise is 0.75 / SNR. Peers with a threshold are told the true noise, and their
threshold is the best of some for each cell of the table; phspectra runs with its defaults.
"""

import importlib
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import signal as sps

from core.peaks import DecomposeParams, decompose
from core.peaks._fit_kernels import Curve, Rules
from core.peaks.ladder import ladder_for
from core.peaks.search import Search

MEAN_HEIGHT = 0.75
Count = Callable[[np.ndarray, float], list[int]]
"""From (series, sample) signals and their noise to one count a series."""


def made(
    rng: np.random.Generator, series: int, count: int, separation: float, snr: float,
    samples: int = 1024, width: float = 10.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return (series, sample) signals and (series, count, 3) heights, centers and widths."""
    x = np.arange(samples)
    truth = np.empty((series, count, 3))
    for row in truth:
        row[:, 0] = rng.uniform(0.5, 1.0, count)
        row[:, 2] = width * np.exp(rng.uniform(math.log(0.7), math.log(1.4), count))
        steps = separation * 0.5 * (row[1:, 2] + row[:-1, 2])
        place = np.concatenate([[0.0], np.cumsum(steps)])
        row[:, 1] = place + (samples - place[-1]) / 2 + rng.uniform(-0.5, 0.5)
    u = (x - truth[:, :, 1:2]) / truth[:, :, 2:]
    clean = (truth[:, :, :1] * np.exp(-0.5 * u * u)).sum(axis=1)
    return clean + rng.standard_normal(clean.shape) * MEAN_HEIGHT / snr, truth


def oracle(signal: np.ndarray, truth: np.ndarray, variance: float) -> int:
    """Count by the same criterion from the true parameters, by leaving out and merging only."""
    penalty = 3.0 * math.log(signal.size) + DecomposeParams().penalty
    curve = Curve(np.arange(signal.size, dtype=float), signal, 1, True)
    hunt = Search(curve, ladder_for(signal.size), Rules(variance, penalty, 64, 40))
    start = truth.copy()
    start[:, (0, 2)] = np.log(truth[:, (0, 2)])
    state = hunt.fitted(start, np.zeros(2))
    while len(state.components):
        new = hunt.changed(state, 0.0, fewer=True)
        if new is None or new.level >= state.level:
            break
        state = new
    return len(state.components)


def ours(signals: np.ndarray, noise: float) -> list[int]:
    """Count with scalemark's defaults; it is not told the noise."""
    return [int(n) for n in decompose(None, signals).n_components]


def by_peaks(factor: float) -> Count:
    """Count `find_peaks` of a prominence of so many times the true noise."""
    return lambda signals, noise: [
        sps.find_peaks(row, prominence=factor * noise)[0].size for row in signals
    ]


def by_wavelets(least: float) -> Count:
    """Count `find_peaks_cwt` over the true range of widths, with a least signal to noise."""
    widths = np.arange(5, 20, 2)
    return lambda signals, noise: [
        len(sps.find_peaks_cwt(row, widths, min_snr=least)) for row in signals
    ]


def by_phspectra() -> Count | None:
    """Count phspectra's components, or None where it is not installed."""
    try:
        module = importlib.import_module("phspectra")
    except ImportError:
        return None
    return lambda signals, noise: [len(module.fit_gaussians(row)) for row in signals]


def best_share(
    counts: Sequence[Count], batches: Sequence[tuple[np.ndarray, int]], noise: float, series: int
) -> float:
    """Return the share of right counts of the best of some settings, over so many of each batch."""
    shares = []
    for count in counts:
        right = [n == k for rows, k in batches for n in count(rows[:series], noise)]
        shares.append(float(np.mean(right)))
    return max(shares)
