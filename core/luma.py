"""Gray of an image, in the image's own class."""

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
    pixels = valid_image(image)
    if pixels.ndim == 2:
        return pixels
    gray = np.empty(pixels.shape[:2], pixels.dtype)
    flat = frozen(pixels.reshape(-1, 3))
    if pixels.dtype.kind == "f":
        _float_gray(flat, gray.reshape(-1))
    else:
        _integer_gray(flat, float(np.iinfo(pixels.dtype).min), gray.reshape(-1))
    return gray


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a C-contiguous, read-only view (or copy): one array type, one compiled kernel."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def valid_image(image: ArrayLike) -> NDArray[Any]:
    """Return an image as an array in the machine's byte order; the errors are `to_gray`'s."""
    if np.ma.is_masked(image):
        raise ValueError("some pixels are masked; fill them with image.filled(value), or crop them")
    pixels = np.asarray(image)
    require_class(pixels.dtype)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(
            f"an image of shape {pixels.shape} is neither (y, x) nor (y, x, 3){_remedy(pixels)}"
        )
    if pixels.size == 0:
        raise ValueError(f"an image of shape {pixels.shape} is empty; it needs 2 pixels at least")
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype.kind == "f" and (bad := _count_unusable(frozen(pixels).reshape(-1), LARGEST)):
        raise ValueError(
            f"{bad} of {pixels.size} values are NaN, infinite or beyond {LARGEST:g}; "
            "fill or crop them first"
        )
    return pixels


def require_class(dtype: Any) -> None:  # noqa: ANN401
    """Refuse pixels of a class that has no black and white.

    Parameters
    ----------
    dtype : numpy.dtype
        The pixels' class.

    Raises
    ------
    ValueError
        If it is none of `CLASSES`.

    Examples
    --------
    >>> require_class(np.dtype("float32"))
    """
    if dtype.newbyteorder("=").name not in CLASSES:
        raise ValueError(
            f"an image of class {dtype.name} is not allowed, only {', '.join(CLASSES)}; "
            "convert it, with the black and white you mean, e.g. (image / white).astype('float32')"
        )


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
def _count_unusable(values: NDArray[Any], largest: float) -> int:
    bad = 0
    for i in range(values.size):
        bad += not (np.abs(values[i]) <= largest)
    return bad
