"""Soft PIQE: a smooth relaxation of PIQE with its gradient, for use as a loss.

PIQE counts blocks that pass thresholds, so its own gradient is zero almost everywhere. Here every
threshold is a sigmoid and every minimum a weighted mean; as the knobs shrink, it becomes PIQE.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core._piqe_kernels import BLOCK, HALO, TAPS
from core._soft_block_kernels import BlockMaps, Knobs, judge_band
from core._soft_gradient_kernels import finish_gradient, gradient_band
from core._soft_mscn_kernels import mscn_band
from core.checks import require_number
from core.form import FORM
from core.levels import black_and_white, require_levels, require_pixels
from core.luma import BLUE, GREEN, RED, frozen, to_gray, valid_image
from core.piqe_blocks import LACKING, PiqeParams

BAND = 4 * BLOCK
"""Rows worked on at a time, so that they stay in the fast caches."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SoftPiqeParams:
    """How soft each step of PIQE is; the smaller a knob, the nearer to PIQE, the rougher."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    piqe: PiqeParams = field(default_factory=PiqeParams)
    """What is relaxed: thresholds, surround, data range and how the MSCN coefficients are computed;
    the levels are never rounded and the arithmetic always double."""
    activity_temperature: float = 0.01
    """Width of the activity's sigmoid, in variance of the MSCN coefficients."""
    distortion_temperature: float = 0.01
    """Width of the artifact's sigmoid, in deviation of the MSCN coefficients."""
    noise_temperature: float = 0.02
    """Width of the noise's sigmoid, in deviation of the MSCN coefficients."""
    window_temperature: float = 0.01
    """Edge windows that deviate this much more than the least weigh e times less."""
    ratio_smoothing: float = 0.02
    """Radius within which the corner of |log(deviation / ratio)| is rounded."""
    contrast_floor: float = 0.1
    """Added in quadrature to the local contrast, in gray levels of 255."""
    deviation_floor: float = 0.001
    """Added in quadrature to the deviation of a block or window of MSCN coefficients."""

    def __post_init__(self) -> None:
        if not isinstance(self.piqe, PiqeParams):
            raise ValueError(f"piqe must be PiqeParams, got {self.piqe!r}")
        if self.piqe.padding != "replicate":
            raise ValueError(
                f"piqe.padding must be replicate in soft PIQE, got {self.piqe.padding!r}"
            )
        for name in self.knobs:
            object.__setattr__(self, name, require_number(name, getattr(self, name), 1e-9, 1e6))

    @property
    def knobs(self) -> dict[str, float]:
        """What shrinks on the way to PIQE: all fields but `piqe`."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "piqe"}

    def sharpened(self, factor: float) -> "SoftPiqeParams":
        """Return a copy nearer to PIQE, every knob divided by `factor`.

        Parameters
        ----------
        factor : float
            From 1e-6 to 1e6; below 1 it softens.

        Returns
        -------
        SoftPiqeParams
            With the same `piqe`.

        Raises
        ------
        ValueError
            If `factor` is no such number, or a knob would leave its range.

        Examples
        --------
        >>> SoftPiqeParams().sharpened(10).noise_temperature
        0.002
        """
        require_number("factor", factor, 1e-6, 1e6)
        smaller = {name: value / factor for name, value in self.knobs.items()}
        return SoftPiqeParams(piqe=self.piqe, **smaller)


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftPiqe:
    """Soft PIQE of one image, and how it answers to every pixel."""

    score: float
    """As of PIQE: about 0 to 100, low is good."""
    gradient: Floats
    """(y, x) or (y, x, 3) array, as the image: points of score per unit of the image."""


def soft_piqe(image: ArrayLike, params: SoftPiqeParams | None = None) -> SoftPiqe:
    """Return the soft PIQE of an image and its gradient by the values passed.

    The gray levels are not rounded, neither after the conversion from colour nor after scaling;
    for the rest the score tends to that of `core.piqe.piqe` as the knobs shrink. As a loss it is
    easily gamed: mild noise lowers PIQE. Give it a term that holds the image to the data.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        uint8, uint16, int16, float32 or float64; RGB; floating-point values as in [0, 1], but what
        a descent makes of them, negative too, is taken. Any size from 2 pixels: the edge pixels
        repeat up to a multiple of 16.
    params : SoftPiqeParams, optional
        Thresholds and knobs.

    Returns
    -------
    SoftPiqe
        Score and gradient. The gradient is by the values as they came: for floating-point images
        per 1, which is the step from black to white; for integers per integer.

    Raises
    ------
    ValueError
        If the image's shape, class or values are not as above.

    References
    ----------
    Venkatanath et al.: Blind image quality evaluation using perception based features.
    National Conference on Communications (2015). The relaxation and its adjoint are scalemark's.

    Examples
    --------
    >>> chequers = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((5, 5)))
    >>> soft = soft_piqe(chequers)
    >>> round(soft.score, 1), soft.gradient.shape
    (58.0, (40, 40))
    >>> step = 1e-6 * np.sign(soft.gradient)
    >>> soft_piqe_score(chequers - step) < soft.score < soft_piqe_score(chequers + step)
    True
    """
    p = params or SoftPiqeParams()
    pixels = valid_image(image)
    levels, unit = _levels(pixels, p)
    maps, total, weights = _judge(levels, p)
    by_gray = _gradient(levels, p, maps, total / weights)
    by_gray *= 100.0 * unit / weights
    by_pixel = by_gray if pixels.ndim == 2 else by_gray[..., None] * (RED, GREEN, BLUE)
    return SoftPiqe(score=100.0 * total / weights, gradient=by_pixel)


def soft_piqe_score(image: ArrayLike, params: SoftPiqeParams | None = None) -> float:
    """Return the score of `soft_piqe` without its gradient.

    Parameters
    ----------
    image, params
        As for `soft_piqe`.

    Returns
    -------
    float
        The same bits as `soft_piqe(image, params).score`.

    Raises
    ------
    ValueError
        As `soft_piqe`.

    Examples
    --------
    >>> round(soft_piqe_score(np.zeros((5, 7))), 3)
    100.0
    """
    p = params or SoftPiqeParams()
    levels, _ = _levels(valid_image(image), p)
    _, total, weights = _judge(levels, p)
    return 100.0 * total / weights


def _levels(pixels: NDArray[Any], params: SoftPiqeParams) -> tuple[Floats, float]:
    """Return unrounded gray levels, 0 to 255, and how many of them one unit of the image is."""
    require_pixels(pixels.shape)
    black, white = black_and_white(pixels.dtype, params.piqe.mscn.data_range)
    unit = 255.0 / (white - black)
    require_levels(pixels, black, unit)
    gray = pixels if pixels.ndim == 2 else to_gray(pixels.astype(np.float64))
    levels = np.multiply(gray, unit, dtype=np.float64)
    levels -= unit * black
    return frozen(levels), unit


def _judge(levels: Floats, params: SoftPiqeParams) -> tuple[BlockMaps, float, float]:
    """Return the blocks, 1 plus the weighted sum of distortions, and 1 plus that of weights."""
    blocks = (-(-levels.shape[0] // BLOCK), -(-levels.shape[1] // BLOCK))
    maps = BlockMaps(
        weight=np.empty(blocks),
        distortion=np.empty(blocks),
        rates=np.empty((*blocks, 4)),
        means=np.empty((*blocks, 3)),
        edges=np.empty((*blocks, 4, BLOCK)),
        lacking=LACKING[params.piqe.surround],
    )
    knobs = _knobs(params)
    for top, mscn, _ in _bands(levels, params):
        judge_band(mscn, top // BLOCK, knobs, maps)
    total = 1.0 + float((maps.weight * maps.distortion).sum())
    return maps, total, 1.0 + float(maps.weight.sum())


def _gradient(levels: Floats, params: SoftPiqeParams, maps: BlockMaps, pooled: float) -> Floats:
    """Return the derivative of the score by the levels, times the sum of weights over 100."""
    rows, columns = (BLOCK * size for size in maps.weight.shape)
    half_taps, constant = params.piqe.mscn.half_taps, float(params.piqe.mscn.constant)
    ring, out = np.zeros((3, TAPS, columns + 2 * HALO)), np.zeros(levels.shape)
    # The coefficients are computed again: that costs less than memory for all of them.
    for top, mscn, contrast in _bands(levels, params):
        gradient_band(levels, top, half_taps, constant, pooled, maps, mscn, contrast, ring, out)
    finish_gradient(levels, rows, half_taps, ring, out)
    return out


def _bands(levels: Floats, params: SoftPiqeParams) -> Iterator[tuple[int, Floats, Floats]]:
    """Yield band by band of the padded image: first row, MSCN coefficients, local contrast.

    The arrays are used again for the next band.
    """
    rows, columns = (-(-size // BLOCK) * BLOCK for size in levels.shape)
    half_taps, constant = params.piqe.mscn.half_taps, float(params.piqe.mscn.constant)
    mscn, contrast = np.empty((2, min(BAND, rows), columns))
    for top in range(0, rows, BAND):
        band = slice(min(BAND, rows - top))
        floor = float(params.contrast_floor) ** 2
        mscn_band(levels, top, half_taps, constant, floor, mscn[band], contrast[band])
        yield top, mscn[band], contrast[band]


def _knobs(params: SoftPiqeParams) -> Knobs:
    return Knobs(
        activity_threshold=float(params.piqe.activity_threshold),
        activity_temperature=float(params.activity_temperature),
        distortion_threshold=float(params.piqe.distortion_threshold),
        distortion_temperature=float(params.distortion_temperature),
        window_temperature=float(params.window_temperature),
        noise_temperature=float(params.noise_temperature),
        ratio_smoothing=float(params.ratio_smoothing),
        variance_floor=float(params.deviation_floor) ** 2,
    )
