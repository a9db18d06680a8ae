"""Images for the tests: those inside the wheels of scikit-image and scikit-learn, and made ones."""

from functools import cache
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_image

OFFICIAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "piqe"

GRAYS = ("brick", "camera", "clock", "coins", "moon", "page", "text")
COLOURS = ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry")
PHOTOS = ("china.jpg", "flower.jpg")
BUNDLED = GRAYS + COLOURS + PHOTOS


@cache
def bundled(name):
    image = load_sample_image(name) if name in PHOTOS else getattr(skimage.data, name)()
    image = np.array(image)
    image.flags.writeable = False
    return image


def crop(name, shape=(90, 110)):
    """Return a part of a bundled image of 8 bits, with values 0 to 1."""
    image = bundled(name)
    top, left = image.shape[0] // 3, image.shape[1] // 3
    return image[top : top + shape[0], left : left + shape[1]] / 255.0


@cache
def official(name):
    return np.asarray(Image.open(OFFICIAL / name))


def textured(shape, dtype, seed):
    """Return flat parts, ramps, stripes and noise side by side, over the whole range of `dtype`."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[:2])
    parts = [
        np.full(shape[:2], rng.random()),
        (x + 2 * y) % 97 / 97,
        (x // 5 + y // 7) % 2 * rng.random(),
        rng.random(shape[:2]),
        0.5 + 0.02 * rng.standard_normal(shape[:2]),
    ]
    values = np.choose((x // 11 + y // 13 + seed) % len(parts), parts).clip(0, 1)
    if len(shape) == 3:
        values = (values[..., None] * (0.5 + 0.5 * rng.random(3))).clip(0, 1)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return values.astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return (low + np.rint(values * (high - low))).astype(dtype)
