"""Mean-subtracted, contrast-normalised (MSCN) coefficients of an image."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core._piqe_kernels import HALO, mscn_map
from core.luma import frozen, image_levels


@dataclass(frozen=True, kw_only=True)
class MscnParams:
    """How the local mean and contrast are measured; the defaults are PIQE's."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "use_attribute_docstrings": True,
        "extra": "forbid",
    }

    sigma: float = 7 / 6
    """Scale of the Gaussian window of 7 taps, in pixels, from 0.1 to 100."""
    constant: float = 1.0
    """Added to the local contrast before dividing by it, in gray levels; from 1e-6 to 1e6."""

    def __post_init__(self) -> None:
        require_number("sigma", self.sigma, 0.1, 100.0)
        require_number("constant", self.constant, 1e-6, 1e6)

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


def mscn(image: ArrayLike, params: MscnParams | None = None) -> NDArray[np.float64]:
    """Return the MSCN map of an image: (I - mean) / (contrast + constant).

    I are the image's gray levels, 0 to 255. Mean and contrast (standard deviation) are weighted by
    a Gaussian of 7 by 7 taps about each pixel; beyond the border the edge pixels repeat.

    Parameters
    ----------
    image : (y, x) or (y, x, 3) array
        uint8, uint16, int16, float32 or float64; RGB; floating-point values as in [0, 1].
    params : MscnParams, optional
        The window and the constant; by default PIQE's.

    Returns
    -------
    (y, x) array
        float64, dimensionless; 0 where the image is flat, with the defaults at most 2.742 in
        magnitude.

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
    p = params or MscnParams()
    levels = image_levels(image)
    out = np.empty(levels.shape)
    mscn_map(frozen(levels), p.half_taps, float(p.constant), out)
    return out


def require_number(field: str, value: float, smallest: float, largest: float) -> None:
    """Refuse a parameter that is no number or out of range, naming its field.

    Parameters
    ----------
    field : str
        Name of the parameter, for the message.
    value : float
        What came.
    smallest, largest : float
        The closed range that is allowed.

    Raises
    ------
    ValueError
        If `value` is not a real number within the range.

    Examples
    --------
    >>> require_number("sigma", 0, 0.1, 100)
    Traceback (most recent call last):
    ValueError: sigma must be a number from 0.1 to 100, got 0
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    if not number or not smallest <= value <= largest:
        raise ValueError(
            f"{field} must be a number from {smallest:g} to {largest:g}, got {value!r}"
        )
