"""What every image reader does to pixels: their class, size limit, transparency and orientation."""

import numpy as np
from numpy.typing import DTypeLike

from tasks.readers.base import Array, Limits, Refused

CLASSES = ("uint8", "uint16", "int16", "float32", "float64")
"""Classes in which an image's quality can be measured."""

BAND_ROWS = 256
"""Least height of a band, so that the work per band outweighs its overhead."""

_PLAUSIBLE_EXPANSION = 200
"""Decoded bytes per stored byte up to which an image over the pixel limit is read in bands."""


def image_class(stored: DTypeLike) -> str:
    """Class of the decoded array: bits become uint8, half floats become float32.

    Raises
    ------
    Refused
        "unsupported" for 32-bit and wider integers, int8, complex and all that is no number.

    Examples
    --------
    >>> image_class(">u2"), image_class("bool"), image_class("float16")
    ('uint16', 'uint8', 'float32')
    """
    name = np.dtype(stored).name
    name = {"bool": "uint8", "float16": "float32"}.get(name, name)
    if name not in CLASSES:
        raise Refused(
            "unsupported",
            f"its samples are {name}; images of {', '.join(CLASSES)} are read: "
            "convert it, to float64 for instance",
        )
    return name


def in_image_class(samples: Array) -> Array:
    """Convert samples to the class that `image_class` names, in the machine's byte order."""
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    return samples.astype(image_class(samples.dtype), copy=False)


def check_pixels(pixels: int, limits: Limits, what: str = "the image") -> None:
    """Refuse what would not fit the memory that the user allows.

    Raises
    ------
    Refused
        "too-large", with the megapixels that came, the limit, and the flag that raises it.
    """
    if pixels > limits.max_pixels:
        raise Refused(
            "too-large",
            f"{what} has {pixels / 1e6:.4g} megapixels, the limit is "
            f"{limits.max_pixels / 1e6:.4g}: raise it with --max-pixels if memory allows",
        )


def check_expansion(pixels: int, decoded: int, stored: int, limits: Limits) -> None:
    """Refuse an image over the limit that a far too small file holds: a decompression bomb.

    Parameters
    ----------
    pixels, decoded, stored : int
        Pixels of the image, its bytes when decoded, and the bytes of the file.
    limits : Limits
        Images up to `max_pixels` pass whatever they expand to.
    """
    if decoded > _PLAUSIBLE_EXPANSION * stored:
        check_pixels(pixels, limits, f"the image, {stored} bytes in its file,")


def composed(samples: Array, *, associated: bool = False) -> Array:
    """Gray or RGB image of (y, x, sample) samples; a last, even-numbered sample is alpha.

    Transparent pixels are laid over white, in the image's own class: over its largest value for
    integers, over 1 for floats. An opaque pixel keeps its exact value.

    Parameters
    ----------
    samples : (y, x, 1 to 4) array
        Gray, gray and alpha, RGB, or RGB and alpha.
    associated : bool
        True where the colours are already multiplied by alpha.

    Returns
    -------
    (y, x) or (y, x, 3) array

    Examples
    --------
    >>> composed(np.array([[[10, 255], [10, 0]]], dtype=np.uint8))
    array([[ 10, 255]], dtype=uint8)
    """
    colours = 1 if samples.shape[2] < 3 else 3
    image = samples[..., :colours]
    if samples.shape[2] > colours:
        image = image.copy()
        for top in range(0, len(image), BAND_ROWS):
            rows = slice(top, top + BAND_ROWS)
            image[rows] = _over_white(image[rows], samples[rows, :, colours:], associated)
    return image[..., 0] if colours == 1 else image


def _over_white(colour: Array, alpha: Array, associated: bool) -> Array:
    """Lay rows over white; integers round to nearest."""
    laid: Array
    if colour.dtype.kind == "f":
        laid = (colour if associated else alpha * colour) + (1 - alpha)
        return laid
    white = int(np.iinfo(colour.dtype).max)
    if bool((alpha == white).all()):
        return colour
    # The largest product, 65535 * 65535 + 32767, just fits 32 bits.
    exact = np.uint32 if colour.dtype.kind == "u" else np.int64
    colour, alpha = colour.astype(exact), alpha.astype(exact)
    if associated:
        laid = np.minimum(colour + (white - alpha), white)
    else:
        laid = (alpha * colour + (white - alpha) * white + white // 2) // white
    return laid


def rgb_of_cmyk(ink: Array) -> Array:
    """Turn (y, x, 4) unsigned cyan, magenta, yellow, black to RGB, without a colour profile."""
    white = int(np.iinfo(ink.dtype).max)
    light = white - ink[..., 3:].astype(np.uint32)
    rgb = light - (ink[..., :3] * light + white // 2) // white
    return rgb.astype(ink.dtype)


def oriented(image: Array, orientation: int) -> Array:
    """Turn the stored image to how it is seen, from its EXIF or TIFF orientation (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def oriented_shape(height: int, width: int, orientation: int) -> tuple[int, int]:
    """(height, width) of `oriented`."""
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def check_unchanged(seen: tuple[int, ...], listed: tuple[int, ...]) -> None:
    """Refuse a file whose image has another size than when it was listed."""
    if seen != listed:
        raise Refused("changed", f"its image was {listed} when listed and is {seen} now")


def route(*remarks: str) -> str:
    """How an image was decoded, in one line of provenance."""
    return "; ".join(remark for remark in remarks if remark)


def orientation_remark(orientation: int) -> str:
    """Remark of a turned or mirrored image, empty for an upright one."""
    return f"EXIF orientation {orientation} applied" if orientation != 1 else ""


ALPHA_REMARK = "alpha composited over white"
"""Remark of every image with an alpha channel; an opaque one changes nothing."""
