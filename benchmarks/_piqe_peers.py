"""PIQE and MSCN as others compute them; what is not installed is None.

The vectorised NumPy and SciPy form is ours, the best we could make of those two. OpenCV has no
PIQE: its figure is its best MSCN map alone.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from core.mscn import MscnParams

Score = Callable[[np.ndarray], float]


def local_mean(values: np.ndarray) -> np.ndarray:
    """Return the Gaussian mean about each pixel, edge pixels repeated."""
    half = MscnParams().half_taps
    taps = np.concatenate([half[:0:-1], half])
    rows = ndimage.correlate1d(values, taps, axis=0, mode="nearest")
    return ndimage.correlate1d(rows, taps, axis=1, mode="nearest")


def scipy_mscn(levels: np.ndarray) -> np.ndarray:
    """Return the MSCN map of float64 gray levels."""
    mean = local_mean(levels)
    contrast = np.sqrt(np.abs(local_mean(levels * levels) - mean * mean))
    return (levels - mean) / (contrast + 1.0)


def scipy_piqe(image: np.ndarray) -> float:
    """Score a uint8 gray image as NumPy and SciPy do it best: no loop over blocks."""
    padding = ((0, -image.shape[0] % 16), (0, -image.shape[1] % 16))
    coefficients = scipy_mscn(np.pad(image.astype(np.float64), padding, mode="edge"))
    grid = (coefficients.shape[0] // 16, coefficients.shape[1] // 16)
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


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def opencv_mscn() -> Score | None:
    """Return OpenCV's MSCN map in float32, the form that it computes fastest."""
    cv2 = _module("cv2")
    if cv2 is None:
        return None
    cv2.setNumThreads(1)
    half = MscnParams().half_taps.astype(np.float32)
    taps = np.concatenate([half[:0:-1], half])

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(values, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REPLICATE)

    def score(image: np.ndarray) -> float:
        levels = image.astype(np.float32)
        levels -= 128.0
        average = mean(levels)
        contrast = cv2.sqrt(cv2.absdiff(mean(cv2.multiply(levels, levels)), average * average))
        contrast += 1.0
        return float(cv2.divide(cv2.subtract(levels, average), contrast)[0, 0])

    return score


def opencv_brisque() -> Callable[[np.ndarray], np.ndarray] | None:
    """Return OpenCV-contrib's 18 features of an image at its own scale, in our order."""
    quality = getattr(_module("cv2"), "quality", None)
    if quality is None:
        return None
    return lambda image: quality.QualityBRISQUE_computeFeatures(image)[0][:18]


def pypiqe() -> Score | None:
    """Return pypiqe's score of a gray image."""
    package = _module("pypiqe")
    return None if package is None else lambda image: float(package.piqe(image)[0])


def pyiqa() -> Score | None:
    """Return pyiqa's score of a gray image, on one thread of the CPU."""
    package, torch = _module("pyiqa.archs.piqe_arch"), _module("torch")
    if package is None:
        return None
    torch.set_num_threads(1)

    def score(image: np.ndarray) -> float:
        tensor = torch.from_numpy(image.astype(np.float32) / 255.0)[None, None]
        with torch.no_grad():
            score, *_ = package.piqe(tensor)
            return float(score)

    return score
