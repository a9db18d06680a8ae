"""Pictures small enough to travel inside the page."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.report.page import Masks


def thumbnail(image: NDArray[np.uint8], longest: int = 256, quality: int = 50) -> str:
    """Shrink an image to a WebP picture written as a data address.

    Parameters
    ----------
    image : (y, x, 3) or (y, x) array of uint8
        RGB or gray.
    longest : int
        Pixels of the longer side; a smaller image keeps its size.
    quality : int
        WebP quality, 0 to 100.

    Returns
    -------
    str
        ``data:image/webp;base64,…``

    Raises
    ------
    ValueError
        If the array is of another class or shape, or empty.
    """
    gray_or_rgb = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not gray_or_rgb or image.size == 0:
        raise ValueError(
            f"a thumbnail takes a (y, x, 3) or (y, x) array of uint8, got {image.dtype} "
            f"{image.shape}; scale other classes to uint8 first"
        )
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _address(picture.convert("RGB"), quality=quality, method=4)


def masks(
    activity: NDArray[np.bool_],
    artifact: NDArray[np.bool_],
    noise: NDArray[np.bool_],
    longest: int = 256,
) -> Masks:
    """Pack three block masks into one small lossless picture, one pixel a cell.

    Red is 255 in an active cell, green in one with distorted blocks, blue in one with noisy
    blocks; the page reads them back with a threshold of 128.

    Parameters
    ----------
    activity, artifact, noise : (block_y, block_x) array of bool
        Masks of PIQE's 16 by 16 blocks.
    longest : int
        Most cells along an axis. Larger maps are pooled: a cell then covers several blocks
        along each axis and is marked where any of them is, so that no defect disappears.

    Returns
    -------
    Masks
        The picture and what a cell stands for.

    Raises
    ------
    ValueError
        If the masks differ in shape, or are not two-dimensional, or empty.
    """
    shapes = {activity.shape, artifact.shape, noise.shape}
    if len(shapes) != 1 or activity.ndim != 2 or activity.size == 0:
        raise ValueError(f"masks take three (block_y, block_x) arrays alike, got {sorted(shapes)}")
    factor = -(-max(activity.shape) // longest)
    planes = [_any_of(mask, factor) for mask in (activity, artifact, noise)]
    picture = np.stack(planes, axis=-1).astype(np.uint8) * np.uint8(255)
    return Masks(
        rows=picture.shape[0],
        columns=picture.shape[1],
        blocks_per_cell=factor,
        picture=_address(Image.fromarray(picture), lossless=True, method=4, quality=50),
    )


def _any_of(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    for axis in (0, 1):
        starts = np.arange(0, mask.shape[axis], factor)
        mask = np.logical_or.reduceat(mask.astype(bool), starts, axis=axis)
    return mask


def _address(picture: Image.Image, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", **options)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
