"""Gray of an image in its own class, and the 0 to 255 gray levels that MSCN and PIQE work on."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

# First row of the inverse of the NTSC matrix (1, .956, .621; 1, -.272, -.647; 1, -1.106, 1.703).
RED = 0.2989360212937754
GREEN = 0.5870430744511212
BLUE = 0.11402090425510325

CLASSES = ("uint8", "uint16", "int16", "float32", "float64")
LARGEST = 1e100
"""Largest magnitude of a floating-point pixel: its square, summed, stays finite."""

# Adding this and cutting rounds half up; a plain 0.5 lifts odd numbers above 2**52 to even ones.
HALF = 0.49999999999999994

Gray = NDArray[Any]
Levels = NDArray[np.uint8] | NDArray[np.float64]


def to_gray(image: ArrayLike) -> Gray:
    """Return the gray of an image, in the image's own class.

    RGB becomes 0.2989 R + 0.5870 G + 0.1140 B (with 16 digits). Integer classes are rounded to the
    nearest integer, halves away from zero; for int16 zero means its lowest value, -32768, which is
    black. Rounding 16-bit gray first and to 256 levels later is rounding once: the steps of the
    256 levels lie halfway between two 16-bit values, so both ways give the same level.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        uint8, uint16, int16, float32 or float64; RGB in this order; finite, no alpha.

    Returns
    -------
    (y, x) array
        In the class of `image`; an image that is gray already is returned as it is, not copied.

    Raises
    ------
    ValueError
        If the shape or class is another, the image is empty, or a pixel is NaN, infinite or
        beyond 1e100.

    Examples
    --------
    >>> to_gray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8))
    array([[ 76, 150,  29]], dtype=uint8)
    """
    pixels = _valid_image(np.asarray(image))
    if pixels.ndim == 2:
        return pixels
    gray = np.empty(pixels.shape[:2], pixels.dtype)
    flat = frozen(pixels.reshape(-1, 3))
    if pixels.dtype.kind == "f":
        _float_gray(flat, gray.reshape(-1))
    else:
        _integer_gray(flat, float(np.iinfo(pixels.dtype).min), gray.reshape(-1))
    return gray


def to_levels(gray: ArrayLike) -> Levels:
    """Return gray levels: black is 0, white is 255, always whole numbers.

    uint8 is taken as it is. uint16 is divided by 257, int16 after adding 32768. Floating-point gray
    is multiplied by 255: it is expected in [0, 1], and is neither clipped to that range nor divided
    by its maximum. Halves are rounded away from zero.

    Parameters
    ----------
    gray : (y, x) array
        uint8, uint16, int16, float32 or float64.

    Returns
    -------
    (y, x) array
        uint8 for the integer classes (`gray` itself, not a copy, where it is uint8), float64 for
        the floating-point ones, in gray levels.

    Raises
    ------
    ValueError
        As `to_gray`, and for an image in colour.

    Examples
    --------
    >>> to_levels(np.array([[0, 128, 129, 65535]], np.uint16))
    array([[  0,   0,   1, 255]], dtype=uint8)
    >>> to_levels(np.array([[0.5, 1.0, 1.2]]))
    array([[128., 255., 306.]])
    """
    pixels = np.asarray(gray)
    if pixels.ndim != 2:
        raise ValueError(f"gray of shape {pixels.shape} is not (y, x); use to_gray(image) first")
    return _levels(_valid_image(pixels))


def image_levels(image: ArrayLike) -> Levels:
    """Return `to_levels(to_gray(image))`, with the image checked once only.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        As for `to_gray`.

    Returns
    -------
    (y, x) array
        uint8 or float64, in gray levels.

    Examples
    --------
    >>> image_levels(np.full((1, 2, 3), 0.2))
    array([[51., 51.]])
    """
    return _levels(to_gray(image))


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a C-contiguous, read-only view (or copy): one array type, one compiled kernel."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _levels(gray: Gray) -> Levels:
    if gray.dtype == np.uint8:
        return gray
    flat = frozen(gray).reshape(-1)
    if gray.dtype.kind == "f":
        levels = np.empty(gray.shape)
        _float_levels(flat, levels.reshape(-1))
        return levels
    steps = np.empty(gray.shape, np.uint8)
    _integer_levels(flat, int(np.iinfo(gray.dtype).min), steps.reshape(-1))
    return steps


def _valid_image(pixels: NDArray[Any]) -> NDArray[Any]:
    native = pixels.dtype.newbyteorder("=")
    if native.name not in CLASSES:
        raise ValueError(
            f"an image of class {pixels.dtype.name} is not allowed, only {', '.join(CLASSES)}; "
            "convert it, with the black and white you mean, e.g. (image / white).astype('float32')"
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(
            f"an image of shape {pixels.shape} is neither (y, x) nor (y, x, 3){_remedy(pixels)}"
        )
    if pixels.size == 0:
        raise ValueError(f"an image of shape {pixels.shape} is empty; it needs 1 pixel at least")
    pixels = pixels.astype(native, copy=False)
    if native.kind == "f" and (bad := _count_unusable(frozen(pixels).reshape(-1), LARGEST)):
        raise ValueError(
            f"{bad} of {pixels.size} values are NaN, infinite or beyond {LARGEST:g}; "
            "fill or crop them first"
        )
    return pixels


def _remedy(pixels: NDArray[Any]) -> str:
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return "; drop the alpha channel with image[..., :3]"
    if pixels.ndim == 3 and pixels.shape[2] in (1, 2):
        return "; pick one channel with image[..., 0]"
    if pixels.ndim == 3 and pixels.shape[0] == 3:
        return "; move the channels last with numpy.moveaxis(image, 0, -1)"
    return "; pass one image at a time"


@njit(nogil=True, cache=True, error_model="numpy")
def _integer_gray(colours: NDArray[Any], black: float, gray: NDArray[Any]) -> None:
    for i in range(gray.size):
        red, green, blue = colours[i, 0] - black, colours[i, 1] - black, colours[i, 2] - black
        gray[i] = np.int64((RED * red + GREEN * green) + BLUE * blue + HALF) + np.int64(black)


@njit(nogil=True, cache=True, error_model="numpy")
def _float_gray(colours: NDArray[Any], gray: NDArray[Any]) -> None:
    for i in range(gray.size):
        red, green, blue = colours[i, 0], colours[i, 1], colours[i, 2]
        gray[i] = (RED * red + GREEN * green) + BLUE * blue


@njit(nogil=True, cache=True, error_model="numpy")
def _integer_levels(gray: NDArray[Any], black: int, levels: NDArray[np.uint8]) -> None:
    for i in range(gray.size):
        levels[i] = (np.int32(gray[i]) - np.int32(black) + np.int32(128)) // np.int32(257)


@njit(nogil=True, cache=True, error_model="numpy")
def _float_levels(gray: NDArray[Any], levels: NDArray[np.float64]) -> None:
    for i in range(gray.size):
        level = 255.0 * np.float64(gray[i])
        levels[i] = np.trunc(level + np.copysign(HALF, level))


@njit(nogil=True, cache=True, error_model="numpy")
def _count_unusable(values: NDArray[Any], largest: float) -> int:
    bad = 0
    for i in range(values.size):
        bad += not (np.abs(values[i]) <= largest)
    return bad
