"""A made archive of images and signals, of many shapes and formats, the same for the same seed.

    python -m benchmarks.generate FOLDER 2000

The first N files of a larger archive are the files of a smaller one.
"""

import argparse
import wave
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

SMALLEST, LARGEST = 24, 160
PER_FOLDER = 100
SIGNAL_EVERY = 4
"""One file in four is a signal."""


def generate(
    folder: Path, count: int, *, seed: int = 0, extents: tuple[int, int] = (SMALLEST, LARGEST)
) -> list[Path]:
    """Write an archive.

    Parameters
    ----------
    folder : Path
        Made if it is absent; files lie in subfolders of a hundred.
    count : int
        Number of files; each holds one item.
    seed : int, optional
        Another seed, other files.
    extents : (int, int), optional
        Least and greatest height and width of an image, in pixels.

    Returns
    -------
    list of Path
        The files, in order.
    """
    paths = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        stem = folder / f"{number // PER_FOLDER:03d}" / f"{number:06d}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        if number % SIGNAL_EVERY == SIGNAL_EVERY - 1:
            writers, data = SIGNALS, curve(rng)
        else:
            writers, data = IMAGES, scene(rng, *rng.integers(*extents, 2, endpoint=True))
        suffix, write = writers[number // SIGNAL_EVERY % len(writers)]
        paths.append(stem.with_suffix(suffix))
        write(paths[-1], data)
    return paths


def scene(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a (y, x, 3) uint8 picture: soft shapes, some texture, some noise."""
    shapes = ndimage.gaussian_filter(rng.normal(0, 900, (height, width)), 9)
    texture = ndimage.gaussian_filter(rng.normal(0, rng.uniform(0, 60), (height, width)), 1)
    noise = rng.normal(0, rng.uniform(0, 12), (height, width, 3))
    return (128 + (shapes + texture)[..., None] + noise).clip(0, 255).astype(np.uint8)


def curve(rng: np.random.Generator) -> np.ndarray:
    """Return a (sample,) float64 signal: a slope, a wave, some noise."""
    x = np.linspace(0, 1, int(rng.integers(50, 3000)))
    wave_ = np.sin(2 * np.pi * rng.uniform(1, 30) * x)
    return rng.normal() * x + wave_ + rng.normal(0, rng.uniform(0, 0.3), x.size)


def _deep(picture: np.ndarray) -> np.ndarray:
    return picture[..., 1].astype(np.uint16) * 257


def _save_wav(path: Path, signal: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((8000 * signal).clip(-32768, 32767).astype("<i2").tobytes())


def _save_csv(path: Path, signal: np.ndarray) -> None:
    rows = "\n".join(f"{n * 0.5},{value:.9g}" for n, value in enumerate(signal))
    path.write_text(f"time,flux\n{rows}\n")


Writer = Callable[[Path, np.ndarray], object]
IMAGES: tuple[tuple[str, Writer], ...] = (
    (".png", lambda path, picture: Image.fromarray(picture[..., 1]).save(path)),
    (".jpg", lambda path, picture: Image.fromarray(picture).save(path, quality=85)),
    (".tif", lambda path, picture: tifffile.imwrite(path, _deep(picture))),
    (".png", lambda path, picture: Image.fromarray(picture).save(path)),
    (".webp", lambda path, picture: Image.fromarray(picture).save(path, quality=80)),
    (".bmp", lambda path, picture: Image.fromarray(picture).save(path)),
    (".png", lambda path, picture: path.write_bytes(imagecodecs.png_encode(_deep(picture)))),
    (".gif", lambda path, picture: Image.fromarray(picture).save(path)),
    (
        ".tif",
        lambda path, picture: tifffile.imwrite(
            path, picture, photometric="rgb", tile=(32, 32), compression="deflate"
        ),
    ),
)
SIGNALS: tuple[tuple[str, Writer], ...] = (
    (".npy", lambda path, signal: np.save(path, signal)),
    (".csv", _save_csv),
    (".wav", _save_wav),
)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a made archive")
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generate(arguments.folder, arguments.count, seed=arguments.seed)
