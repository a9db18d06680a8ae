"""Sharpen a blurred photograph by gradient descent, with soft PIQE in the loss; or game PIQE.

    python -m examples.torch_loss.sharpen                    sharpens, without and with PIQE
    python -m examples.torch_loss.sharpen --gamed            also descends on PIQE alone
    python -m examples.torch_loss.sharpen --piqe 1e-5 1e-2   gives PIQE these weights in turn
    python -m examples.torch_loss.sharpen --out picture.png  draws the images side by side

Needs torch and scikit-image.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from core.piqe import piqe
from core.soft_piqe import SoftPiqeParams
from examples.torch_loss.piqe_loss import piqe_loss

PHOTO = Path(__file__).parents[1] / "archive" / "photos" / "cameraman.png"
SIGMA = 1.5
"""Scale of the blur, in pixels."""
NOISE = 2 / 255
"""Standard deviation of the noise added to the blurred image."""
SOFTEST, SHARPEST = 10.0, 3.0
"""All knobs of soft PIQE go from this to that multiple of their defaults."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What the loss is made of; a term of weight 0 is left out."""

    fidelity: float = 1.0
    """Of half the mean squared difference to the data, in units of the noise, once blurred."""
    variation: float = 10.0
    """Of the mean total variation, which keeps the noise from growing."""
    piqe: float = 0.0
    """Of soft PIQE."""


SHARPENED = {"without PIQE": Weights()}
GAMED = {"PIQE alone": Weights(fidelity=0.0, variation=0.0, piqe=1.0)}


def photograph(size: int) -> torch.Tensor:
    """Return a (1, size, size) part of the cameraman, values 0 to 1."""
    pixels = np.asarray(Image.open(PHOTO))[96 : 96 + size, 128 : 128 + size]
    return torch.tensor(pixels / 255.0)[None]


def blur(images: torch.Tensor) -> torch.Tensor:
    """Return (n, y, x) images blurred by a Gaussian of `SIGMA`, edge pixels repeated."""
    reach = round(4 * SIGMA)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=images.dtype) / SIGMA) ** 2)
    taps = (taps / taps.sum()).view(1, 1, 1, -1)
    padded = torch.nn.functional.pad(images[:, None], (reach,) * 4, mode="replicate")
    rows = torch.nn.functional.conv2d(padded, taps)
    return torch.nn.functional.conv2d(rows, taps.mT)[:, 0]


def degrade(images: torch.Tensor) -> torch.Tensor:
    """Return images blurred, noisy and rounded to 8 bits."""
    noise = NOISE * torch.randn(
        images.shape, dtype=images.dtype, generator=torch.Generator().manual_seed(0)
    )
    return (255 * (blur(images) + noise)).round().clamp(0, 255) / 255


def variation(images: torch.Tensor) -> torch.Tensor:
    """Return the mean total variation, its corner at zero rounded."""
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    right = images[:, :-1, 1:] - images[:, :-1, :-1]
    return torch.sqrt(down**2 + right**2 + 1e-6).mean()


def loss(
    images: torch.Tensor, data: torch.Tensor, weights: Weights, softness: float
) -> torch.Tensor:
    """Return the loss, with the knobs of soft PIQE at `softness` times their defaults."""
    terms = images.new_zeros(())
    if weights.fidelity:
        terms = terms + weights.fidelity * 0.5 * ((blur(images) - data) / NOISE).square().mean()
    if weights.variation:
        terms = terms + weights.variation * variation(images)
    if weights.piqe:
        params = SoftPiqeParams().sharpened(1 / softness)
        terms = terms + weights.piqe * piqe_loss(images, params).mean()
    return terms


def descend(data: torch.Tensor, weights: Weights, steps: int) -> tuple[torch.Tensor, list[float]]:
    """Return the images that minimise the loss, starting from the data, and its course."""
    images = data.clone().requires_grad_()
    optimizer = torch.optim.Adam([images], lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    course = []
    for softness in np.geomspace(SOFTEST, SHARPEST, steps):
        optimizer.zero_grad()
        value = loss(images, data, weights, float(softness))
        value.backward()
        optimizer.step()
        schedule.step()
        course.append(value.item())
    return images.detach().clamp(0, 1), course


def report(name: str, image: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
    """Print what an image scores, rounded to 8 bits as it would be saved; return it so."""
    levels = (255 * image[0]).round().numpy()
    error = levels - 255 * truth[0].numpy()
    psnr = 10 * np.log10(255**2 / np.mean(error**2)) if error.any() else np.inf
    similar = structural_similarity(levels, 255 * truth[0].numpy(), data_range=255)
    score = piqe(levels.astype(np.uint8)).score
    print(f"{name:12s} PIQE {score:6.2f}   PSNR {psnr:6.2f} dB   SSIM {similar:.3f}", flush=True)
    return levels.astype(np.uint8)


def main(
    losses: dict[str, Weights], size: int = 256, steps: int = 150, out: Path | None = None
) -> None:
    """Print the scores before and after each loss; draw blurred, results and truth."""
    truth = photograph(size)
    data = degrade(truth)
    panels = [report("blurred", data, truth)]
    for name, weights in losses.items():
        panels.append(report(name, descend(data, weights, steps)[0], truth))
    panels.append(report("truth", truth, truth))
    if out is not None:
        Image.fromarray(np.hstack(panels)).save(out, quality=92)
        print(f"{out}: {', '.join(['blurred', *losses, 'truth'])}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Sharpen with soft PIQE in the loss, or game it")
    parser.add_argument(
        "--piqe", type=float, nargs="+", default=[3e-4], help="weights of soft PIQE to try"
    )
    parser.add_argument("--gamed", action="store_true", help="also descend on PIQE alone")
    parser.add_argument("--size", type=int, default=256, help="side of the image, in pixels")
    parser.add_argument("--steps", type=int, default=150, help="steps of gradient descent")
    parser.add_argument("--out", type=Path, help="PNG or JPEG to draw the images in")
    given = parser.parse_args()
    chosen = SHARPENED | {f"PIQE {weight:g}": Weights(piqe=weight) for weight in given.piqe}
    main(chosen | GAMED if given.gamed else chosen, given.size, given.steps, given.out)
