"""PIQE: the perception-based image quality evaluator, without a reference image.

Blocks of 16 by 16 MSCN coefficients are active where they vary; active ones are marked where an
edge looks like a compression artifact, and where they look noisy. The score pools both.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import require_params
from core.mscn_statistics import MscnStatistics, estimate
from core.piqe_blocks import Blocks, PiqeParams, block_statistics

__all__ = ["Blocks", "Piqe", "PiqeParams", "block_statistics", "piqe", "pool"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Piqe(Blocks):
    """PIQE of one image: the score and its maps of blocks."""

    score: float
    """0 to 100: to 20 excellent, 35 good, 50 fair, 80 poor, above bad (100.4 at values >> 1)."""
    statistics: MscnStatistics | None = None
    """Shape and scale of the MSCN coefficients and of their products, if they were asked for."""


def piqe(
    image: ArrayLike,
    params: PiqeParams | None = None,
    *,
    mscn_out: NDArray[Any] | None = None,
    statistics: bool = False,
) -> Piqe:
    """Score an image, as MATLAB's R2018b to R2021b `piqe` does, with the maps behind the score.

    A low score is good. It detects compression, blur and strong noise; it does not rank
    photographs, and mild noise lowers it. A flat image scores 100.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        uint8, uint16, int16, float32 or float64; RGB; floating-point values as in [0, 1], none
        negative. Any size from 2 pixels: the edge pixels repeat up to a multiple of 16.
    params : PiqeParams, optional
        By default the reference's thresholds, gray levels, padding and precision.
    mscn_out : (y, x) array, optional
        A C-contiguous array that receives the MSCN map of the same pass; float64, or float32 where
        the precision is fast and the gray levels are 8-bit. With symmetric padding its last 3 rows
        and columns may differ from `core.mscn.mscn`'s: there the padding stands beyond them.
    statistics : bool, optional
        Measure how the MSCN coefficients and the products of neighbours are distributed, too.

    Returns
    -------
    Piqe
        Score, masks and variances of the blocks, and the statistics.

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
    p = require_params(params, PiqeParams)
    levels = p.mscn.levels(image)
    blocks = block_statistics(levels, p, mscn_out=mscn_out, statistics=statistics)
    return Piqe(
        **vars(blocks),
        score=pool(blocks),
        statistics=None if blocks.moments is None else estimate(blocks.moments, levels.shape),
    )


def pool(blocks: Blocks) -> float:
    """Return the score of an image from all its blocks.

    Each active block with an artifact adds 1 - variance, each one with noise its variance; the
    score is 100 (1 + sum) / (1 + number of active blocks). The sum is exact before it is rounded
    once, so it is the same bits for any order of the blocks. A mean of tiles' scores is not it.

    Parameters
    ----------
    blocks : Blocks
        All blocks of the image, in any order and shape, the same in each array.

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
    >>> pool(Blocks(variance=np.array([[0.5]]), activity=yes, artifact=yes, noise=no))
    75.0
    """
    arrays = blocks.variance, blocks.activity, blocks.artifact, blocks.noise
    if len({array.shape for array in arrays}) != 1:
        shapes = [array.shape for array in arrays]
        raise ValueError(f"variance, activity, artifact, noise must have one shape, got {shapes}")
    variance, activity, artifact, noise = arrays
    artificial = (1.0 - variance[activity & artifact]).tolist()
    total = math.fsum([*artificial, *variance[activity & noise].tolist()])
    return 100.0 * (1.0 + total) / (1.0 + int(np.count_nonzero(activity)))
