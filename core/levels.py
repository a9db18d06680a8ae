"""The gray levels, 0 for black to 255 for white, that MSCN and PIQE work on."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from core.luma import HALF, LARGEST, Gray, frozen, to_gray, valid_image

Levels = NDArray[np.uint8] | NDArray[np.float64]
Range = tuple[float, float] | None


def to_levels(gray: ArrayLike, data_range: Range = None, *, keep_depth: bool = False) -> Levels:
    """Return gray levels: black is 0, white is 255, whole numbers unless the depth is kept.

    uint8 is taken as it is. uint16 is divided by 257, int16 after adding 32768. Floating-point gray
    is multiplied by 255: it is expected in [0, 1], and is neither clipped to that range nor divided
    by its maximum. Halves are rounded away from zero.

    Parameters
    ----------
    gray : (y, x) array
        uint8, uint16, int16, float32 or float64.
    data_range : (black, white), optional
        The values that become 0 and 255, such as (0, 4095) for 12 bits; values beyond are not
        clipped. By default the class's own range, and 0 to 1 for floating-point classes.
    keep_depth : bool, optional
        Do not round to whole levels: 16-bit and floating-point images keep their own steps.

    Returns
    -------
    (y, x) array
        In gray levels: uint8 (`gray` itself, not a copy, where it is uint8) for integer classes in
        their own range and rounded, or else float64.

    Raises
    ------
    ValueError
        As `to_gray`, and for an image in colour, for negative floating-point values with no
        `data_range` that says what they mean, and for a range that the class cannot hold.

    Examples
    --------
    >>> to_levels(np.array([[0, 128, 129, 65535]], np.uint16))
    array([[  0,   0,   1, 255]], dtype=uint8)
    >>> to_levels(np.array([[0.5, 1.0, 1.2]]))
    array([[128., 255., 306.]])
    >>> to_levels(np.array([[0, 1024, 4095]], np.uint16), (0, 4095), keep_depth=True).round(2)
    array([[  0.  ,  63.77, 255.  ]])
    """
    pixels = np.asarray(gray)
    if pixels.ndim != 2:
        raise ValueError(f"gray of shape {pixels.shape} is not (y, x); use to_gray(image) first")
    valid = valid_image(pixels)
    require_positive(valid, data_range)
    return _levels(valid, data_range, keep_depth)


def image_levels(image: ArrayLike, data_range: Range = None, *, keep_depth: bool = False) -> Levels:
    """Return `to_levels(to_gray(image), ...)` of a whole image, checked once only.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        As for `to_gray`, of 2 pixels at least.
    data_range, keep_depth : optional
        As for `to_levels`.

    Returns
    -------
    (y, x) array
        uint8 or float64, in gray levels.

    Raises
    ------
    ValueError
        As `to_levels`, and for a single pixel, which has no structure to measure.

    Examples
    --------
    >>> image_levels(np.full((1, 2, 3), 0.2))
    array([[51., 51.]])
    """
    pixels = valid_image(image)
    require_pixels(pixels.shape)
    require_positive(pixels, data_range)
    return _levels(to_gray(pixels), data_range, keep_depth)


def require_pixels(shape: tuple[int, ...]) -> None:
    """Refuse an image of one pixel.

    Parameters
    ----------
    shape : tuple of int
        The image's (y, x).

    Raises
    ------
    ValueError
        If there are fewer than 2 pixels.

    Examples
    --------
    >>> require_pixels((1, 1))
    Traceback (most recent call last):
    ValueError: an image of shape (1, 1) has no structure to measure; it needs 2 pixels at least
    """
    if shape[0] * shape[1] < 2:
        raise ValueError(
            f"an image of shape {shape} has no structure to measure; it needs 2 pixels at least"
        )


def _levels(gray: Gray, data_range: Range, keep_depth: bool) -> Levels:
    black, white = black_and_white(gray.dtype, data_range)
    flat = frozen(gray).reshape(-1)
    own = (black, white) == own_range(gray.dtype)
    if own and gray.dtype == np.uint8:
        return gray
    if own and gray.dtype.kind != "f" and not keep_depth:
        steps = np.empty(gray.shape, np.uint8)
        _integer_levels(flat, int(black), steps.reshape(-1))
        return steps
    scale = 255.0 / (white - black)
    require_levels(flat, black, scale)
    levels = np.empty(gray.shape)
    _scaled_levels(flat, black, scale, not keep_depth, levels.reshape(-1))
    return levels


def require_positive(pixels: NDArray[Any], data_range: Range) -> None:
    """Refuse negative floating-point pixels where nothing says what is black.

    Raises
    ------
    ValueError
        If there are any and no `data_range`.

    Examples
    --------
    >>> require_positive(np.array([[-1.0, 1.0]]), (-1, 1))
    """
    if data_range is None and pixels.dtype.kind == "f" and pixels.min() < 0:
        raise ValueError(
            f"floating-point values down to {pixels.min():g}, where 0 is black and 1 white; say "
            "what is black and white with data_range=(black, white), or shift and scale the image"
        )


def require_levels(pixels: NDArray[Any], black: float, scale: float) -> None:
    """Refuse pixels so far beyond black and white that their squares are not finite.

    Raises
    ------
    ValueError
        If a level would be beyond 255e100.

    Examples
    --------
    >>> require_levels(np.array([1.0]), 0.0, 255.0)
    """
    low, high, limit = float(pixels.min()), float(pixels.max()), 255.0 * LARGEST / scale
    if not (math.isfinite(scale) and -limit <= low - black <= high - black <= limit):
        raise ValueError(
            f"data_range is {255.0 / scale:g} wide, and values are {low:g} to {high:g}; give the "
            "black and white of these values"
        )


def own_range(dtype: Any) -> tuple[float, float]:  # noqa: ANN401
    """Return black and white of a class of pixels.

    Examples
    --------
    >>> own_range("int16"), own_range(float)
    ((-32768.0, 32767.0), (0.0, 1.0))
    """
    if np.dtype(dtype).kind == "f":
        return 0.0, 1.0
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def black_and_white(dtype: Any, data_range: Range = None) -> tuple[float, float]:  # noqa: ANN401
    """Return which values of a class of pixels are black and white.

    Raises
    ------
    ValueError
        If `data_range` is none, or is one that the class cannot hold.

    Examples
    --------
    >>> black_and_white("uint16"), black_and_white("uint16", (0, 4095))
    ((0.0, 65535.0), (0.0, 4095.0))
    """
    low, high = own_range(dtype)
    if data_range is None:
        return low, high
    black, white = require_range(data_range)
    if np.dtype(dtype).kind != "f" and not low <= black < white <= high:
        raise ValueError(
            f"data_range ({black:g}, {white:g}) does not fit an image of class {np.dtype(dtype)}, "
            f"which holds {low:g} to {high:g}; leave it out, or measure each class by itself"
        )
    return black, white


def require_range(data_range: Any) -> tuple[float, float]:  # noqa: ANN401
    """Return (black, white) as numbers.

    Raises
    ------
    ValueError
        If they are not two finite numbers, black below white.

    Examples
    --------
    >>> require_range([0, 4095])
    (0.0, 4095.0)
    """
    try:
        pair = () if isinstance(data_range, str) else tuple(data_range)
        black, white = (float(value) for value in pair)
    except (TypeError, ValueError):
        black = white = math.nan
    if not -LARGEST <= black < white <= LARGEST:
        raise ValueError(
            f"data_range must be two numbers, black below white, such as (0, 4095), "
            f"got {data_range!r}"
        )
    return black, white


@njit(nogil=True, cache=True, error_model="numpy")
def _integer_levels(gray: NDArray[Any], black: int, levels: NDArray[np.uint8]) -> None:
    for i in range(gray.size):
        levels[i] = (np.int32(gray[i]) - np.int32(black) + np.int32(128)) // np.int32(257)


@njit(nogil=True, cache=True, error_model="numpy")
def _scaled_levels(
    gray: NDArray[Any], black: float, scale: float, rounded: bool, levels: NDArray[np.float64]
) -> None:
    for i in range(gray.size):
        level = scale * (np.float64(gray[i]) - black)
        levels[i] = np.trunc(level + np.copysign(HALF, level)) if rounded else level
