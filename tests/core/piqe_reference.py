"""A slow, literal PIQE to test against: it pads, filters with SciPy and walks over the blocks.

Written from the published algorithm alone. `Rules` names each step that people get wrong, so that
a test can break one and see that the score tells.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

WHITE = {"uint8": 255.0, "uint16": 65535.0, "int16": 65535.0, "float32": 1.0, "float64": 1.0}


def mean_over_active(scores: list[float], active: int, blocks: int) -> float:
    return 100 * (1 + sum(scores)) / (1 + active)


def mean_over_all(scores: list[float], active: int, blocks: int) -> float:
    return 100 * (1 + sum(scores)) / (1 + blocks)


@dataclass(frozen=True, kw_only=True)
class Rules:
    coefficients: tuple[float, float, float] = (
        0.298936021293775,
        0.587043074451121,
        0.114020904255103,
    )
    channels: tuple[int, int, int] = (0, 1, 2)
    rounds: bool = True
    divides_by_maximum: bool = False
    padding: str = "edge"
    border: str = "nearest"
    moving_mean: bool = False
    precision: type = np.float64
    ddof: int = 1
    surround_lacks: tuple[int, int] = (7, 9)
    gated: bool = True
    pooling: Callable[[list[float], int, int], float] = mean_over_active


@dataclass
class Result:
    score: float
    levels: np.ndarray
    mscn: np.ndarray
    variance: np.ndarray
    activity: np.ndarray
    artifact: np.ndarray
    noise: np.ndarray
    ratios: list[float] = field(default_factory=list)


def round_half_away(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def gray_levels(image, rules=Rules()):
    kind = image.dtype.name
    values = image.astype(np.float64) + (32768.0 if kind == "int16" else 0.0)
    if image.ndim == 3:
        values = sum(
            c * values[..., k] for c, k in zip(rules.coefficients, rules.channels, strict=True)
        )
        # The reference has no int16 gray: it turns int16 colours to double before.
        if rules.rounds and kind in ("uint8", "uint16"):
            values = round_half_away(values)
        if kind == "float32":
            values = values.astype(np.float32).astype(np.float64)
    white = values.max() if rules.divides_by_maximum else WHITE[kind]
    levels = 255.0 * (values / white)
    return round_half_away(levels) if rules.rounds else levels


def gaussian(values, border):
    k = np.arange(-3, 4)
    taps = np.exp(-(k**2) / (2 * (7 / 6) ** 2))
    taps = (taps / taps.sum()).astype(values.dtype)
    rows = ndimage.correlate1d(values, taps, axis=0, mode=border)
    return ndimage.correlate1d(rows, taps, axis=1, mode=border)


def mscn_map(levels, rules=Rules()):
    values = levels.astype(rules.precision)
    mean = gaussian(values, rules.border)
    if rules.moving_mean:
        contrast = np.sqrt(gaussian((values - mean) ** 2, rules.border))
    else:
        contrast = np.sqrt(np.abs(gaussian(values**2, rules.border) - mean**2))
    return (values - mean) / (contrast + rules.precision(1))


def padded(image, rules):
    rows, columns = -image.shape[0] % 16, -image.shape[1] % 16
    if rules.padding == "crop":
        return image[: image.shape[0] // 16 * 16, : image.shape[1] // 16 * 16]
    extra = [(0, rows), (0, columns)] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, extra, mode=rules.padding)


def has_artifact(block, ddof):
    edges = [block[0, :], block[15, :], block[:, 0], block[:, 15]]
    windows = [edge[start : start + 6] for edge in edges for start in range(11)]
    return bool((np.std(windows, axis=1, ddof=ddof) < 0.1).any())


def is_noisy(block, rules):
    deviation = block.std(ddof=rules.ddof)
    surround = np.delete(block, rules.surround_lacks, axis=1)
    with np.errstate(all="ignore"):
        ratio = block[:, 7:9].std(ddof=rules.ddof) / surround.std(ddof=rules.ddof)
        ratio = 0.0 if np.isnan(ratio) else ratio
        beta = abs(deviation - ratio) / max(deviation, ratio)
    return bool(deviation > 2 * beta)


def piqe(image, rules=Rules()):
    levels = gray_levels(padded(image, rules), rules)
    coefficients = mscn_map(levels, rules)
    grid = (levels.shape[0] // 16, levels.shape[1] // 16)
    variance = np.zeros(grid)
    activity, artifact, noise = (np.zeros(grid, bool) for _ in range(3))
    scores = []
    for i, j in np.ndindex(grid):
        block = coefficients[16 * i : 16 * i + 16, 16 * j : 16 * j + 16]
        variance[i, j] = v = block.var(ddof=rules.ddof)
        activity[i, j] = v > 0.1
        if activity[i, j] or not rules.gated:
            artifact[i, j] = has_artifact(block, rules.ddof)
            noise[i, j] = is_noisy(block, rules)
        if activity[i, j]:
            scores.append(artifact[i, j] * (1 - v) + noise[i, j] * v)
    height, width = image.shape[:2]
    return Result(
        score=rules.pooling(scores, int(activity.sum()), activity.size),
        levels=levels[:height, :width],
        mscn=coefficients[:height, :width],
        variance=variance,
        activity=activity,
        artifact=artifact,
        noise=noise,
    )
