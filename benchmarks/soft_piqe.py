"""CPU nanoseconds per pixel of soft PIQE and its gradient, beside the hard score.

    python -m benchmarks.soft_piqe            512 by 512 pixels and more, half a minute
    python -m benchmarks.soft_piqe --toy      a small image, seconds

Compares `core.soft_piqe` with `core.piqe.piqe` on the same floating-point image, and with the same
relaxation written in torch and differentiated by its autograd, where torch is installed.
Compiling is not timed; each figure is the best of its runs.
"""

import argparse
import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.piqe import cpu_seconds, picture
from core.piqe import piqe
from core.soft_piqe import SoftPiqeParams, soft_piqe, soft_piqe_score

SIZES = ((512, 512), (2000, 3000))
TOY = ((48, 80),)
HARD = "hard score"


def find_torch() -> ModuleType | None:
    """Return torch, kept to one thread, or None where it is not installed."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    return torch


def torch_coefficients(torch: Any, image: Any, params: SoftPiqeParams) -> Any:
    """Return the softened MSCN coefficients of a padded (y, x) tensor of 255 gray levels."""
    functional, mscn = torch.nn.functional, params.piqe.mscn
    levels = image[None, None]
    half = torch.as_tensor(mscn.half_taps, dtype=image.dtype)
    taps = torch.cat([half.flip(0), half[1:]])

    def local_mean(values: Any) -> Any:
        values = functional.pad(values, (3, 3, 3, 3), mode="replicate")
        rows = functional.conv2d(values, taps.view(1, 1, 7, 1))
        return functional.conv2d(rows, taps.view(1, 1, 1, 7))

    mean = local_mean(levels)
    variance = (local_mean(levels * levels) - mean * mean).clamp(min=0)
    contrast = torch.sqrt(variance + params.contrast_floor**2)
    return ((levels - mean) / (contrast + mscn.constant))[0, 0]


def torch_soft_piqe(torch: Any, image: Any, params: SoftPiqeParams | None = None) -> Any:
    """Score a (y, x) tensor of values 0 to 1, as one would by torch's operations alone."""
    p = params or SoftPiqeParams()
    padding = (0, -image.shape[1] % 16, 0, -image.shape[0] % 16)
    padded = torch.nn.functional.pad(255 * image[None, None], padding, mode="replicate")[0, 0]
    values = torch_coefficients(torch, padded, p)
    blocks = values.reshape(values.shape[0] // 16, 16, -1, 16).transpose(1, 2).flatten(0, 1)
    floor = p.deviation_floor**2
    variance = blocks.var((1, 2))
    surround = blocks[:, :, [0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15]].var((1, 2))
    centre = blocks[:, :, 7:9].var((1, 2))
    weight = torch.sigmoid((variance - p.piqe.activity_threshold) / p.activity_temperature)
    edges = [blocks[:, 0], blocks[:, :, 15], blocks[:, 15], blocks[:, :, 0]]
    windows = torch.stack(edges, 1).unfold(2, 6, 1).var(3).flatten(1)
    deviation = torch.sqrt(windows + floor)
    shares = torch.softmax(-deviation / p.window_temperature, 1)
    lowest = (shares * deviation).sum(1)
    artifact = torch.sigmoid((p.piqe.distortion_threshold - lowest) / p.distortion_temperature)
    u = 0.5 * torch.log((variance + floor) * (surround + floor) / (centre + floor))
    beta = 1 - torch.exp(p.ratio_smoothing - torch.sqrt(u * u + p.ratio_smoothing**2))
    noise = torch.sigmoid((torch.sqrt(variance + floor) - 2 * beta) / p.noise_temperature)
    distortion = artifact * (1 - variance) + noise * variance
    return 100 * (1 + (weight * distortion).sum()) / (1 + weight.sum())


def torch_gradient(torch: Any, image: np.ndarray) -> np.ndarray:
    """Return the gradient of `torch_soft_piqe` as torch's autograd finds it."""
    values = torch.tensor(image, requires_grad=True)
    torch_soft_piqe(torch, values).backward()
    gradient: np.ndarray = values.grad.numpy()
    return gradient


def candidates() -> dict[str, Callable[[np.ndarray], object] | None]:
    """Return what is compared, by name; None stands for what is not installed."""
    torch = find_torch()
    return {
        HARD: piqe,
        "soft score": soft_piqe_score,
        "soft score and gradient": soft_piqe,
        "torch": None if torch is None else lambda image: torch_gradient(torch, image),
    }


def main(sizes: Sequence[tuple[int, int]] = SIZES, runs: int = 5) -> dict[str, list[float]]:
    """Print the table; return each candidate's nanoseconds per pixel, one figure a size."""
    figures: dict[str, list[float]] = {}
    images = [picture(shape) / 255.0 for shape in sizes]
    for name, score in candidates().items():
        if score is None:
            print(f"{name:24s} skipped: not installed (pip install {name})")
            continue
        score(images[0])
        figures[name] = [
            1e9 * cpu_seconds(score, image, runs * (20 if image.size < 1e6 else 1)) / image.size
            for image in images
        ]
        cells = (
            f"{shape[0]}x{shape[1]} {figure:8.2f} ns/px ({figure / hard:5.1f}x)"
            for shape, figure, hard in zip(sizes, figures[name], figures[HARD], strict=True)
        )
        print(f"{name:24s}", "  ".join(cells))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU ns per pixel of soft PIQE")
    parser.add_argument("--toy", action="store_true", help="one small image, one run")
    main(TOY, 1) if parser.parse_args().toy else main()
