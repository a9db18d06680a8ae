"""What PIQE measures of blocks of 16 by 16 pixels, in a whole image or in a tile of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import index
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core._piqe_kernels import BLOCK, HALO, MARGIN, MOMENTS, Region, Rules, block_maps
from core.checks import require_choice, require_number, require_params
from core.form import FORM, Within
from core.levels import Levels
from core.luma import frozen
from core.mscn import MscnParams

Span = slice | tuple[int, int] | None
Surround = Literal["reference", "fixed"]
Padding = Literal["replicate", "symmetric"]
LACKING = {"reference": 9, "fixed": 8}


@dataclass(frozen=True, kw_only=True)
class PiqeParams:
    """What counts as active and as distorted; the defaults are the published ones."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    mscn: MscnParams = field(default_factory=MscnParams)
    """How the MSCN coefficients are computed."""
    activity_threshold: Annotated[float, Within(0.0, 1e6)] = 0.1
    """A block is active if the variance of its MSCN coefficients is above this."""
    distortion_threshold: Annotated[float, Within(0.0, 1e6)] = 0.1
    """A block has an artifact if 6 neighbours along an edge deviate less than this."""
    surround: Surround = "reference"
    """What a block's centre columns 7 and 8 are compared with to find noise: all but columns 7 and
    9, as the reference does, or fixed: all but 7 and 8."""
    padding: Padding = "replicate"
    """How an image is padded to a multiple of 16: its edge repeats, or its symmetric mirror."""

    def __post_init__(self) -> None:
        if not isinstance(self.mscn, MscnParams):
            raise ValueError(f"mscn must be MscnParams, got {self.mscn!r}")
        for name in ("activity_threshold", "distortion_threshold"):
            object.__setattr__(self, name, require_number(name, getattr(self, name), 0.0, 1e6))
        require_choice("surround", self.surround, Surround)
        require_choice("padding", self.padding, Padding)

    def halo(self, *, statistics: bool = False) -> int:
        """Return the pixels of context that a tile needs on each side that is not the border.

        Examples
        --------
        >>> PiqeParams().halo(), PiqeParams().halo(statistics=True)
        (3, 4)
        """
        if self.padding == "symmetric":
            return BLOCK  # the mirror of the last rows reaches back 15 at most
        return HALO + MARGIN * statistics


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
    moments: NDArray[np.float64] | None = None
    """(moment, 2) array: sums over pixels for `core.mscn_statistics`, if they were asked for; those
    of an image's parts add up to the image's, in any order to the same bits."""


def block_statistics(
    levels: Levels,
    params: PiqeParams | None = None,
    *,
    rows: Span = None,
    columns: Span = None,
    mscn_out: NDArray[Any] | None = None,
    statistics: bool = False,
) -> Blocks:
    """Measure the blocks of a region of gray levels: a whole image, or a tile of one.

    A tile carries `params.halo()` pixels more (3 by default) on each side that is not the image's
    border; `rows` and `columns` say which part is the tile itself. Beyond the array's own edges the
    edge pixels repeat. Tiles that start on multiples of 16 of the image give the same bits as the
    whole.

    Parameters
    ----------
    levels : (y, x) array
        uint8 or float64 gray levels, as `core.levels.to_levels` returns them.
    params : PiqeParams, optional
        By default the reference's.
    rows, columns : slice or (start, stop), optional
        The region within `levels`, in pixels; by default all. It starts at the edge, or a halo
        or more from it. Its length is a multiple of 16, unless it stops at the image's border.
    mscn_out : (rows, columns) array, optional
        A C-contiguous array that receives the region's MSCN map of the same pass; float64, or
        float32 where the precision is fast and the levels are uint8.
    statistics : bool, optional
        Sum the region's `moments` too.

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
    p = require_params(params, PiqeParams)
    grays = _valid_levels(levels)
    halo = p.halo(statistics=statistics)
    region = Region(
        *_span("rows", rows, grays.shape[0], halo),
        *_span("columns", columns, grays.shape[1], halo),
        p.padding == "symmetric",
    )
    window = p.mscn.window(grays)
    height, width = region.bottom - region.top, region.right - region.left
    out = _valid_out(mscn_out, (height, width), window.half_taps.dtype)
    masks = np.empty((3, -(-height // BLOCK), -(-width // BLOCK)), np.bool_)
    variance = np.empty(masks.shape[1:])
    moments = np.zeros((MOMENTS if statistics else 0, 2))
    block_maps(frozen(grays), region, window, _rules(p), out, variance, masks, moments)
    return Blocks(
        variance=variance,
        activity=masks[0],
        artifact=masks[1],
        noise=masks[2],
        moments=moments if statistics else None,
    )


def join(parts: Sequence[Sequence[Blocks]]) -> Blocks:
    """Return the blocks of an image from those of its tiles, given row by row.

    Parameters
    ----------
    parts : sequence of sequences of Blocks
        Tiles that lie side by side, in rows from top to bottom.

    Returns
    -------
    Blocks
        The same bits as of the whole image.

    Examples
    --------
    >>> levels = np.arange(64 * 64, dtype=np.float64).reshape(64, 64) % 251
    >>> top = block_statistics(levels[:35], rows=(0, 32))
    >>> bottom = block_statistics(levels[29:], rows=(3, 35))
    >>> join([[top], [bottom]]).variance.shape
    (4, 4)
    """
    maps = {
        name: np.block([[getattr(part, name) for part in row] for row in parts])
        for name in ("variance", "activity", "artifact", "noise")
    }
    moments = [part.moments for row in parts for part in row if part.moments is not None]
    return Blocks(**maps, moments=np.sum(moments, axis=0) if moments else None)


def _rules(params: PiqeParams) -> Rules:
    return Rules(
        params.activity_threshold,
        params.distortion_threshold,
        LACKING[params.surround],
    )


def _valid_levels(levels: Levels) -> NDArray[Any]:
    grays: NDArray[Any] = np.asarray(levels)
    if grays.ndim != 2 or grays.size == 0 or grays.dtype not in (np.uint8, np.float64):
        raise ValueError(
            f"levels must be (y, x) in uint8 or float64, as core.levels.to_levels makes them, "
            f"got {grays.dtype.name} of shape {grays.shape}"
        )
    return grays


def _span(name: str, span: Span, size: int, halo: int) -> tuple[int, int]:
    """Return start and stop of a region along one axis, checked."""
    if isinstance(span, slice) and span.step not in (None, 1):
        raise ValueError(f"{name} must have step 1, got {span}")
    start, stop = (span.start, span.stop) if isinstance(span, slice) else span or (None, None)
    start, stop = 0 if start is None else index(start), size if stop is None else index(stop)
    if not 0 <= start < stop <= size:
        raise ValueError(f"{name} must lie within 0 to {size}, got {start} to {stop}")
    if 0 < start < halo:
        raise ValueError(f"{name} start at {start}: a tile needs {halo} pixels before it, or none")
    if stop < size and (stop - start) % BLOCK:
        raise ValueError(
            f"{name} {start} to {stop} are {stop - start} pixels, not a multiple of {BLOCK}; only "
            f"a region that stops at the array's edge, {size}, may be cut"
        )
    return start, stop


def _valid_out(out: NDArray[Any] | None, shape: tuple[int, int], dtype: Any) -> NDArray[Any]:  # noqa: ANN401
    if out is None:
        return np.empty((0, 0), dtype)
    if out.shape != shape or out.dtype != dtype or not out.flags.carray:
        raise ValueError(
            f"mscn_out must be a writeable, C-contiguous {dtype} array of shape {shape}, "
            f"got {out.dtype.name} of shape {out.shape}, strides {out.strides}"
        )
    return out
