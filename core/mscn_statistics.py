"""How MSCN coefficients, and products of neighbours, are distributed: BRISQUE's features.

Coefficients follow a generalised Gaussian, products an asymmetric one; distortions change their
shape and scale. Both are fitted by moments, which PIQE's own pass sums up.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from core._piqe_kernels import DIRECTIONS, MOMENTS

Floats = NDArray[np.float64]

ORIENTATIONS = ("horizontal", "vertical", "main_diagonal", "secondary_diagonal")
"""Of the neighbour: to the left, above, above to the left, above to the right."""
NAMES = (
    "mscn_shape",
    "mscn_variance",
    *(
        f"{orientation}_{name}"
        for orientation in ORIENTATIONS
        for name in ("shape", "mean", "left_variance", "right_variance")
    ),
)
"""The 18 numbers of `MscnStatistics.values`, f1 to f18 of BRISQUE at one scale."""
LEAST_SHAPE, LARGEST_SHAPE = 0.2, 10.0
"""Shapes beyond are set to these, as in BRISQUE and NIQE."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MscnStatistics:
    """Fits to the MSCN coefficients of one image; NaN where nothing varies."""

    shape: float
    """Shape of the coefficients' generalised Gaussian: 2 is Gaussian, 1 Laplacian; 0.2 to 10."""
    variance: float
    """Its variance, dimensionless, about zero."""
    product_shape: Floats
    """(4,) array by orientation: shape of the products' asymmetric generalised Gaussian."""
    product_mean: Floats
    """(4,) array: its mean."""
    product_left_variance: Floats
    """(4,) array: variance of its left half, that of negative products; 0 if there are none."""
    product_right_variance: Floats
    """(4,) array: variance of its right half."""

    @property
    def scale(self) -> float:
        """Scale of the coefficients' generalised Gaussian: exp(-(|m| / scale)**shape)."""
        return math.sqrt(self.variance) * _scale_ratio(self.shape)

    @property
    def values(self) -> Floats:
        """(18,) array, in the order of `NAMES`."""
        products = (
            self.product_shape,
            self.product_mean,
            self.product_left_variance,
            self.product_right_variance,
        )
        return np.array([self.shape, self.variance, *np.stack(products, axis=1).ravel()])


def estimate(moments: Floats, shape: tuple[int, ...]) -> MscnStatistics:
    """Fit the distributions to an image's moments.

    The generalised Gaussian's shape a solves G(1/a) G(3/a) / G(2/a)**2 = mean(m**2) / mean(|m|)**2.
    The asymmetric one's is found in the same way, from the mean of |p|, the mean of p**2, and the
    ratio of the deviations on both sides. The coefficients' variance is the mean of m**2, as the
    paper has it (OpenCV takes the mean of that of both halves). Products with pixels outside the
    image do not count, and coefficients below 1e-4 are 0 (1e-8 where the depth is kept): they are
    the rounding errors of flat places, whose signs would be counted else.

    Parameters
    ----------
    moments : (18, 2) array
        As `core.piqe.block_statistics` sums them, of the whole image.
    shape : tuple of int
        The image's (y, x), in pixels.

    Returns
    -------
    MscnStatistics
        Dimensionless; shapes are exact to rounding, where BRISQUE takes the nearest of a grid of
        thousandths.

    Raises
    ------
    ValueError
        If there are other moments than 18.

    References
    ----------
    Mittal, Moorthy, Bovik: No-reference image quality assessment in the spatial domain.
    IEEE Transactions on Image Processing 21 (2012), equations 4 to 14.
    Lasmar, Stitou, Berthoumieu: Multiscale skewed heavy-tailed model for texture analysis.
    ICIP (2009): the moment estimator of the asymmetric distribution.

    Examples
    --------
    >>> from core.piqe import piqe
    >>> image = np.random.default_rng(0).normal(128, 20, (400, 400)).clip(0, 255).astype(np.uint8)
    >>> found = piqe(image, statistics=True).statistics
    >>> bool(found.shape > 2), found.values.shape
    (True, (18,))
    """
    if moments.shape != (MOMENTS, 2):
        raise ValueError(f"moments must be ({MOMENTS}, 2), got {moments.shape}")
    sums = moments.sum(axis=1).tolist()
    height, width = shape
    pairs = (height * (width - 1), (height - 1) * width, *[(height - 1) * (width - 1)] * 2)
    fits = np.empty((DIRECTIONS, 4))
    for k, at in enumerate(range(2, MOMENTS, 4)):
        absolute, square, signed, _ = sums[at : at + 4]
        positives, negatives = (moments[at + 3] * (1.0, 2.0**20)).tolist()
        right, left = max(square + signed, 0.0) / 2, max(square - signed, 0.0) / 2
        fits[k] = _asymmetric(
            _ratio(absolute, square, pairs[k]),
            left / negatives if negatives else 0.0,
            right / positives if positives else 0.0,
        )
    pixels = height * width
    return MscnStatistics(
        shape=_shape(_ratio(sums[0], sums[1], pixels)),
        variance=sums[1] / pixels,
        product_shape=fits[:, 0],
        product_mean=fits[:, 1],
        product_left_variance=fits[:, 2],
        product_right_variance=fits[:, 3],
    )


def _asymmetric(ratio: float, left: float, right: float) -> tuple[float, float, float, float]:
    """Return shape, mean, left and right variance of the products in one direction."""
    if left and right:
        g = math.sqrt(left / right)
        ratio *= (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    shape = _shape(ratio)
    mean = math.sqrt(right) - math.sqrt(left)
    if not math.isnan(shape):
        mean *= math.exp(math.lgamma(2 / shape) - math.lgamma(1 / shape)) * _scale_ratio(shape)
    return shape, mean, left, right


def _ratio(absolute: float, square: float, count: int) -> float:
    """Return mean(|v|)**2 / mean(v**2) of `count` values; NaN where all are 0."""
    return absolute * absolute / (square * count) if square > 0 else math.nan


def _scale_ratio(shape: float) -> float:
    """Return a generalised Gaussian's scale over its standard deviation."""
    return math.exp((math.lgamma(1 / shape) - math.lgamma(3 / shape)) / 2)


def _ratio_of(shape: float) -> float:
    """Return mean(|v|)**2 / mean(v**2) of a generalised Gaussian; it rises with the shape."""
    return math.exp(2 * math.lgamma(2 / shape) - math.lgamma(1 / shape) - math.lgamma(3 / shape))


def _shape(ratio: float) -> float:
    """Return the shape that has this ratio, within the bounds."""
    if math.isnan(ratio):
        return math.nan
    if ratio <= _ratio_of(LEAST_SHAPE):
        return LEAST_SHAPE
    if ratio >= _ratio_of(LARGEST_SHAPE):
        return LARGEST_SHAPE
    root: float = brentq(lambda a: _ratio_of(a) - ratio, LEAST_SHAPE, LARGEST_SHAPE, xtol=1e-12)
    return root
