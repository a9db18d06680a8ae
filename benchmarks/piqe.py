"""CPU nanoseconds per pixel, summed over threads, of PIQE here and elsewhere.

    python -m benchmarks.piqe            three sizes, about a minute
    python -m benchmarks.piqe --toy      a small one, seconds

Compares `core.piqe.piqe` with the same algorithm in vectorised NumPy and SciPy, and with pypiqe
where that is installed. Decoding and compiling are not timed; each figure is the best of its runs.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from core.mscn import MscnParams, mscn
from core.piqe import piqe

Score = Callable[[np.ndarray], float]

SIZES = ((512, 512), (2000, 3000), (4000, 6000))
TOY = ((64, 96),)


def local_mean(values: np.ndarray) -> np.ndarray:
    """Return the Gaussian mean about each pixel, edge pixels repeated."""
    half = MscnParams().half_taps
    taps = np.concatenate([half[:0:-1], half])
    rows = ndimage.correlate1d(values, taps, axis=0, mode="nearest")
    return ndimage.correlate1d(rows, taps, axis=1, mode="nearest")


def scipy_piqe(image: np.ndarray) -> float:
    """Score gray levels with whole-array NumPy and SciPy, as one would without compiled loops."""
    height, width = image.shape
    padding = ((0, -height % 16), (0, -width % 16))
    levels = np.pad(image.astype(np.float64), padding, mode="edge")
    mean = local_mean(levels)
    contrast = np.sqrt(np.abs(local_mean(levels * levels) - mean * mean))
    coefficients = (levels - mean) / (contrast + 1.0)
    grid = (levels.shape[0] // 16, levels.shape[1] // 16)
    blocks = coefficients.reshape(grid[0], 16, grid[1], 16).swapaxes(1, 2)
    variance = blocks.var((2, 3), ddof=1)
    active = variance > 0.1
    blocks, variance = blocks[active], variance[active]
    edges = np.stack([blocks[:, 0], blocks[:, 15], blocks[:, :, 0], blocks[:, :, 15]], axis=1)
    artifact = (sliding_window_view(edges, 6, axis=2).std(3, ddof=1) < 0.1).any((1, 2))
    surround = np.delete(blocks, (7, 9), axis=2).std((1, 2), ddof=1)
    ratio = blocks[:, :, 7:9].std((1, 2), ddof=1) / surround
    deviation = np.sqrt(variance)
    noise = deviation > 2 * np.abs(deviation - ratio) / np.maximum(deviation, ratio)
    total = (artifact * (1 - variance) + noise * variance).sum()
    return float(100 * (1 + total) / (1 + variance.size))


def picture(shape: tuple[int, int]) -> np.ndarray:
    """Return a made gray image with flat, soft and noisy parts, as photographs have them."""
    rng = np.random.default_rng(0)
    values = sum(
        ndimage.zoom(rng.standard_normal((3 + (shape[0] >> k), 3 + (shape[1] >> k))), 2**k, order=1)
        [: shape[0], : shape[1]] * 12.0 * k
        for k in (1, 3, 5)
    )  # fmt: skip
    return (128 + values).clip(0, 255).astype(np.uint8)


def pypiqe_score() -> Score | None:
    """Return pypiqe's score of a gray image, or None where it is not installed."""
    try:
        package = importlib.import_module("pypiqe")
    except ImportError:
        return None
    return lambda image: float(package.piqe(image)[0])


def cpu_seconds(score: Score, image: np.ndarray, runs: int) -> float:
    """Return the least processor time of some runs, over all threads of this process."""
    best = np.inf
    for _ in range(runs):
        start = time.process_time()
        score(image)
        best = min(best, time.process_time() - start)
    return best


def candidates() -> dict[str, Score | None]:
    """Return what is compared, by name; None stands for what is not installed."""
    buffers: dict[tuple[int, ...], np.ndarray] = {}

    def with_map(image: np.ndarray) -> float:
        out = buffers.setdefault(image.shape, np.zeros(image.shape))
        return piqe(image, mscn_out=out).score

    return {
        "scalemark": lambda image: piqe(image).score,
        "scalemark, with MSCN map": with_map,
        "scalemark, MSCN map alone": lambda image: float(mscn(image)[0, 0]),
        "NumPy and SciPy": scipy_piqe,
        "pypiqe": pypiqe_score(),
    }


def main(sizes: Sequence[tuple[int, int]] = SIZES, runs: int = 3) -> dict[str, list[float]]:
    """Print the table; return each candidate's nanoseconds per pixel, one figure a size."""
    figures: dict[str, list[float]] = {}
    start = time.process_time()
    piqe(picture((16, 16)))
    print(
        f"first call (compiles, or loads the compiled loops): {time.process_time() - start:.2f} s"
    )
    images = [picture(shape) for shape in sizes]
    for name, score in candidates().items():
        if score is None:
            print(f"{name:28s} skipped: not installed (pip install {name})")
            continue
        score(images[0])
        figures[name] = [
            1e9 * cpu_seconds(score, image, runs * (10 if image.size < 1e6 else 1)) / image.size
            for image in images
        ]
        cells = (
            f"{shape[0]}x{shape[1]} {figure:7.2f} ns/px ({figure / ours:5.1f}x)"
            for shape, figure, ours in zip(sizes, figures[name], figures["scalemark"], strict=True)
        )
        print(f"{name:28s}", "  ".join(cells))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU ns per pixel of PIQE")
    parser.add_argument("--toy", action="store_true", help="one small image, one run")
    main(TOY, 1) if parser.parse_args().toy else main()
