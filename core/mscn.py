"""Mean-subtracted, contrast-normalised (MSCN) coefficients of an image."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core._piqe_kernels import HALO, Window, mscn_map
from core.checks import require_choice, require_number, require_params
from core.form import FORM, Within
from core.levels import Levels, image_levels, require_range, to_levels
from core.luma import frozen

Precision = Literal["double", "fast"]
SHIFT = 128.0
"""Taken off 8-bit levels before float32 arithmetic: their squares then keep enough digits."""


@dataclass(frozen=True, kw_only=True)
class MscnParams:
    """How the local mean and contrast are measured; the defaults are PIQE's."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    sigma: Annotated[float, Within(0.1, 100.0)] = 7 / 6
    """Scale of the Gaussian window of 7 taps, in pixels, from 0.1 to 100."""
    constant: Annotated[float, Within(1e-6, 1e6)] = 1.0
    """Added to the local contrast before dividing by it, in gray levels; from 1e-6 to 1e6."""
    data_range: tuple[float, float] | None = None
    """Values that stand for black and white, such as 0 and 4095; by default those of the class."""
    keep_depth: bool = False
    """Keep the steps of 16-bit and floating-point images; by default there are 256 gray levels."""
    precision: Precision = "double"
    """Arithmetic: double, or fast, which takes float32 where the gray levels are 8-bit."""

    def __post_init__(self) -> None:
        if self.data_range is not None:
            object.__setattr__(self, "data_range", require_range(self.data_range))
        if not isinstance(self.keep_depth, bool):
            raise ValueError(f"keep_depth must be true or false, got {self.keep_depth!r}")
        require_choice("precision", self.precision, Precision)
        for name, smallest, largest in (("sigma", 0.1, 100.0), ("constant", 1e-6, 1e6)):
            value = require_number(name, getattr(self, name), smallest, largest)
            object.__setattr__(self, name, value)

    @property
    def halo(self) -> int:
        """Pixels of context that one MSCN coefficient needs on each side."""
        return HALO

    @property
    def half_taps(self) -> NDArray[np.float64]:
        """(4,) array: the Gaussian's weights from the centre outwards; all 7 sum to 1."""
        weights = np.exp(-0.5 * (np.arange(-HALO, HALO + 1) / self.sigma) ** 2)
        half: NDArray[np.float64] = (weights / weights.sum())[HALO:]
        return half

    def levels(self, image: ArrayLike) -> Levels:
        """Return the gray levels of a whole image; the errors are `core.levels.image_levels`'."""
        return image_levels(image, self.data_range, keep_depth=self.keep_depth)

    def gray_levels(self, gray: ArrayLike) -> Levels:
        """Return those of gray rows or of a tile; the errors are `core.levels.to_levels`'."""
        return to_levels(gray, self.data_range, keep_depth=self.keep_depth)

    def window(self, levels: Levels) -> Window:
        """Return the Gaussian, in the precision in which these levels are filtered."""
        single = self.precision == "fast" and levels.dtype == np.uint8
        kind, shift = (np.float32, SHIFT) if single else (np.float64, 0.0)
        # The least contrast of whole levels, 1 at a corner of the window, is 1.5e-4; rounding in
        # float32 makes up to 4e-5 of a flat place.
        contrast = 1e-8 if self.keep_depth and not single else 1e-4
        negligible = np.float32(contrast / max(self.constant, 0.1))
        return Window(self.half_taps.astype(kind), kind(self.constant), kind(shift), negligible)


def mscn(image: ArrayLike, params: MscnParams | None = None) -> NDArray[Any]:
    """Return the MSCN map of an image: (I - mean) / (contrast + constant).

    I are the image's gray levels, 0 to 255. Mean and contrast (standard deviation) are weighted by
    a Gaussian of 7 by 7 taps about each pixel; beyond the border the edge pixels repeat.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        uint8, uint16, int16, float32 or float64; RGB; floating-point values as in [0, 1].
    params : MscnParams, optional
        Gray levels, window, constant and precision; by default PIQE's.

    Returns
    -------
    (y, x) array
        float64 (float32 where the precision is fast and the levels are 8-bit), dimensionless; 0
        where the image is flat, with the defaults at most 2.742 in magnitude.

    Raises
    ------
    ValueError
        If the image's shape, class or values are not as above.

    References
    ----------
    Mittal, Moorthy, Bovik: No-reference image quality assessment in the spatial domain.
    IEEE Transactions on Image Processing 21 (2012), equations 1 to 3.

    Examples
    --------
    >>> mscn(np.array([[10, 10, 10, 20]], np.uint8)).round(2)
    array([[-0.06, -0.24, -0.58,  0.58]])
    """
    p = require_params(params, MscnParams)
    levels = p.levels(image)
    window = p.window(levels)
    out = np.empty(levels.shape, window.half_taps.dtype)
    mscn_map(frozen(levels), window, out)
    return out
