"""A slow, literal soft PIQE to test against: it pads, filters with SciPy, walks over the blocks.

Only the value: its derivatives are compared with finite differences and with torch.
"""

import numpy as np
from scipy import ndimage
from scipy.special import expit, softmax

from core.mscn import MscnParams
from core.piqe import PiqeParams
from core.soft_piqe import SoftPiqeParams

OTHER = SoftPiqeParams(
    piqe=PiqeParams(
        mscn=MscnParams(sigma=2.0, constant=3.0),
        activity_threshold=0.05,
        distortion_threshold=0.2,
        surround="fixed",
    ),
    activity_temperature=0.05,
    distortion_temperature=0.08,
    noise_temperature=0.3,
    window_temperature=0.04,
    ratio_smoothing=0.2,
    contrast_floor=2.0,
    deviation_floor=0.02,
)


def mscn_map(levels, mscn, contrast_floor):
    k = np.arange(-3, 4)
    taps = np.exp(-0.5 * (k / mscn.sigma) ** 2)
    taps /= taps.sum()

    def mean_about(values):
        rows = ndimage.correlate1d(values, taps, axis=0, mode="nearest")
        return ndimage.correlate1d(rows, taps, axis=1, mode="nearest")

    mean = mean_about(levels)
    variance = mean_about(levels**2) - mean**2
    return (levels - mean) / (np.sqrt(np.abs(variance) + contrast_floor**2) + mscn.constant)


def artifact(block, params):
    edges = [block[0], block[15], block[:, 0], block[:, 15]]
    windows = [edge[start : start + 6] for edge in edges for start in range(11)]
    deviations = np.sqrt(np.var(windows, axis=1, ddof=1) + params.deviation_floor**2)
    least = (softmax(-deviations / params.window_temperature) * deviations).sum()
    return expit((params.piqe.distortion_threshold - least) / params.distortion_temperature)


def noise(block, params):
    floor = params.deviation_floor**2
    deviation = np.sqrt(block.var(ddof=1) + floor)
    centre = np.sqrt(block[:, 7:9].var(ddof=1) + floor)
    lacking = {"reference": (7, 9), "fixed": (7, 8)}[params.piqe.surround]
    surround = np.sqrt(np.delete(block, lacking, axis=1).var(ddof=1) + floor)
    distance = np.log(deviation / (centre / surround))
    smooth = np.hypot(distance, params.ratio_smoothing) - params.ratio_smoothing
    beta = 1 - np.exp(-smooth)
    return expit((deviation - 2 * beta) / params.noise_temperature)


def soft_piqe(levels, params):
    """Return the score of unrounded gray levels, 0 to 255."""
    padding = [(0, -size % 16) for size in levels.shape]
    padded = np.pad(levels.astype(np.float64), padding, mode="edge")
    coefficients = mscn_map(padded, params.piqe.mscn, params.contrast_floor)
    total, weights = 1.0, 1.0
    for i, j in np.ndindex(padded.shape[0] // 16, padded.shape[1] // 16):
        block = coefficients[16 * i : 16 * i + 16, 16 * j : 16 * j + 16]
        variance = block.var(ddof=1)
        weight = expit((variance - params.piqe.activity_threshold) / params.activity_temperature)
        distortion = artifact(block, params) * (1 - variance) + noise(block, params) * variance
        total += weight * distortion
        weights += weight
    return 100 * total / weights
