"""PIQE: the perception-based image quality evaluator, without a reference image.

Blocks of 16 by 16 MSCN coefficients are active where they vary; active ones are marked where an
edge looks like a compression artifact, and where they look noisy. The score pools both.
"""

import math
from dataclasses import dataclass, field
from operator import index
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core._piqe_kernels import BLOCK, HALO, block_maps
from core.luma import Levels, frozen, image_levels
from core.mscn import MscnParams, require_number

Span = slice | tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class PiqeParams:
    """What counts as active and as distorted; the defaults are the published ones."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "use_attribute_docstrings": True,
        "extra": "forbid",
    }

    mscn: MscnParams = field(default_factory=MscnParams)
    """How the MSCN coefficients are computed."""
    activity_threshold: float = 0.1
    """A block is active if the variance of its MSCN coefficients is above this."""
    distortion_threshold: float = 0.1
    """A block has an artifact if 6 neighbours along an edge deviate less than this."""

    def __post_init__(self) -> None:
        if not isinstance(self.mscn, MscnParams):
            raise ValueError(f"mscn must be MscnParams, got {self.mscn!r}")
        require_number("activity_threshold", self.activity_threshold, 0.0, 1e6)
        require_number("distortion_threshold", self.distortion_threshold, 0.0, 1e6)


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """What PIQE measures of every block of 16 by 16 pixels; the last may be cut by the border."""

    variance: NDArray[np.float64]
    """(block_y, block_x) array: variance of the block's MSCN coefficients, dimensionless."""
    activity: NDArray[np.bool_]
    """(block_y, block_x) array: the block has structure; only such blocks count."""
    artifact: NDArray[np.bool_]
    """(block_y, block_x) array: an active block with a noticeable distortion at an edge."""
    noise: NDArray[np.bool_]
    """(block_y, block_x) array: an active block with noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Piqe(Blocks):
    """PIQE of one image: the score and its maps of blocks."""

    score: float
    """0 to 100: to 20 excellent, 35 good, 50 fair, 80 poor, above bad (100.4 at values >> 1)."""


def piqe(
    image: ArrayLike,
    params: PiqeParams | None = None,
    *,
    mscn_out: NDArray[np.float64] | None = None,
) -> Piqe:
    """Score an image, as MATLAB's R2018b to R2021b `piqe` does, with the maps behind the score.

    A low score is good. It detects compression, blur and strong noise; it does not rank
    photographs, and mild noise lowers it. A flat image scores 100.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        uint8, uint16, int16, float32 or float64; RGB; floating-point values as in [0, 1]. Any
        size: the edge pixels repeat up to a multiple of 16.
    params : PiqeParams, optional
        Thresholds; by default the published ones.
    mscn_out : (y, x) array, optional
        A C-contiguous float64 array that receives the MSCN map of the same pass.

    Returns
    -------
    Piqe
        Score, masks and variances of the blocks.

    Raises
    ------
    ValueError
        If the image or `mscn_out` is not as above.

    References
    ----------
    Venkatanath et al.: Blind image quality evaluation using perception based features.
    National Conference on Communications (2015).

    Examples
    --------
    >>> chequers = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((5, 5)))
    >>> result = piqe(chequers)
    >>> round(result.score, 2), result.artifact.shape
    (58.0, (3, 3))
    """
    p = params or PiqeParams()
    maps = vars(block_statistics(image_levels(image), p, mscn_out=mscn_out))
    return Piqe(score=pool(**maps), **maps)


def block_statistics(
    levels: Levels,
    params: PiqeParams | None = None,
    *,
    rows: Span = None,
    columns: Span = None,
    mscn_out: NDArray[np.float64] | None = None,
) -> Blocks:
    """Measure the blocks of a region of gray levels: a whole image, or a tile of one.

    A tile carries 3 pixels more on each side that is not the image's border; `rows` and `columns`
    say which part is the tile itself. Beyond the array's own edges the edge pixels repeat. Tiles
    that start on multiples of 16 of the image give the same bits as the whole.

    Parameters
    ----------
    levels : (y, x) array
        uint8 or float64 gray levels, as `core.luma.to_levels` returns them.
    params : PiqeParams, optional
        Thresholds; by default the published ones.
    rows, columns : slice or (start, stop), optional
        The region within `levels`, in pixels; by default all. It starts at the edge, or 3 pixels
        or more from it. Its length is a multiple of 16, unless it stops at the image's border.
    mscn_out : (rows, columns) array, optional
        A C-contiguous float64 array that receives the region's MSCN map of the same pass.

    Returns
    -------
    Blocks
        Maps of the region's blocks.

    Raises
    ------
    ValueError
        If an argument is not as above.

    Examples
    --------
    >>> levels = np.arange(64 * 64, dtype=np.float64).reshape(64, 64) % 251
    >>> tile = block_statistics(levels[29:], rows=(3, 35), columns=slice(16, 48))
    >>> bool((tile.variance == block_statistics(levels).variance[2:, 1:3]).all())
    True
    """
    p = params or PiqeParams()
    grays = _valid_levels(levels)
    region = _span("rows", rows, grays.shape[0]) + _span("columns", columns, grays.shape[1])
    height, width = region[1] - region[0], region[3] - region[2]
    out = _valid_out(mscn_out, (height, width))
    masks = np.empty((3, -(-height // BLOCK), -(-width // BLOCK)), np.bool_)
    variance = np.empty(masks.shape[1:])
    thresholds = (float(p.activity_threshold), float(p.distortion_threshold))
    taps, constant = p.mscn.half_taps, float(p.mscn.constant)
    block_maps(frozen(grays), region, taps, constant, thresholds, out, variance, masks)
    return Blocks(variance=variance, activity=masks[0], artifact=masks[1], noise=masks[2])


def pool(
    variance: NDArray[np.float64],
    activity: NDArray[np.bool_],
    artifact: NDArray[np.bool_],
    noise: NDArray[np.bool_],
) -> float:
    """Return the score of an image from the maps of all its blocks.

    Each active block with an artifact adds 1 - variance, each one with noise its variance; the
    score is 100 (1 + sum) / (1 + number of active blocks). The sum is exact before it is rounded
    once, so it is the same bits for any order of the blocks. A mean of tiles' scores is not it.

    Parameters
    ----------
    variance : (block_y, block_x) array
        Variance of each block's MSCN coefficients.
    activity, artifact, noise : (block_y, block_x) array
        Masks of the blocks.

    Returns
    -------
    float
        Above 0, at most 100.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> yes, no = np.array([[True]]), np.array([[False]])
    >>> pool(np.array([[0.5]]), yes, yes, no)
    75.0
    """
    shapes = [variance.shape, activity.shape, artifact.shape, noise.shape]
    if len(set(shapes)) != 1:
        raise ValueError(f"variance, activity, artifact, noise must have one shape, got {shapes}")
    distortion = np.where(artifact, 1.0 - variance, 0.0) + np.where(noise, variance, 0.0)
    total = math.fsum(np.where(activity, distortion, 0.0).ravel().tolist())
    return 100.0 * (1.0 + total) / (1.0 + int(np.count_nonzero(activity)))


def _valid_levels(levels: Levels) -> NDArray[Any]:
    grays: NDArray[Any] = np.asarray(levels)
    if grays.ndim != 2 or grays.size == 0 or grays.dtype not in (np.uint8, np.float64):
        raise ValueError(
            f"levels must be (y, x) in uint8 or float64, as core.luma.to_levels makes them, "
            f"got {grays.dtype.name} of shape {grays.shape}"
        )
    return grays


def _span(name: str, span: Span, size: int) -> tuple[int, int]:
    """Return start and stop of a region along one axis, checked."""
    if isinstance(span, slice) and span.step not in (None, 1):
        raise ValueError(f"{name} must have step 1, got {span}")
    start, stop = (span.start, span.stop) if isinstance(span, slice) else span or (None, None)
    start, stop = 0 if start is None else index(start), size if stop is None else index(stop)
    if not 0 <= start < stop <= size:
        raise ValueError(f"{name} must lie within 0 to {size}, got {start} to {stop}")
    if 0 < start < HALO:
        raise ValueError(f"{name} start at {start}: a tile needs {HALO} pixels before it, or none")
    if stop < size and (stop - start) % BLOCK:
        raise ValueError(
            f"{name} {start} to {stop} are {stop - start} pixels, not a multiple of {BLOCK}; only "
            f"a region that stops at the array's edge, {size}, may be cut"
        )
    return start, stop


def _valid_out(out: NDArray[np.float64] | None, shape: tuple[int, int]) -> NDArray[np.float64]:
    if out is None:
        return np.empty((0, 0))
    if out.shape != shape or out.dtype != np.float64 or not out.flags.carray:
        raise ValueError(
            f"mscn_out must be a writeable, C-contiguous float64 array of shape {shape}, "
            f"got {out.dtype.name} of shape {out.shape}, strides {out.strides}"
        )
    return out
