"""What stands for black and white, and how many steps lie between: options beyond the reference."""

import numpy as np
import pytest

from core.levels import image_levels, to_levels
from core.mscn import MscnParams
from core.piqe import PiqeParams
from core.soft_piqe import SoftPiqeParams, soft_piqe
from tests.core.images import textured


def test_a_range_of_12_bits_is_rounded_to_256_levels_half_away():
    gray = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    expected = np.floor(255 * gray.astype(np.float64) / 4095 + 0.5)
    assert np.array_equal(to_levels(gray, (0, 4095)), expected)


def test_a_kept_depth_is_the_exact_fraction():
    for dtype, low, span in (("uint16", 0, 65535), ("int16", -32768, 65535), ("float64", 0, 1)):
        gray = textured((20, 30), dtype, 3)
        exact = 255 * (gray.astype(np.longdouble) - low) / span
        found = to_levels(gray, keep_depth=True)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, exact.astype(np.float64), rtol=4e-16)


def test_a_range_shifts_what_is_black_also_below_zero():
    gray = np.array([[-1.0, 0.0, 1.0, 2.0]])
    assert to_levels(gray, (-1, 1)).tolist() == [[0, 128, 255, 383]]


def test_8_bit_levels_are_their_own_depth_and_not_copied():
    gray = textured((20, 30), "uint8", 3)
    assert to_levels(gray, keep_depth=True) is gray
    assert to_levels(gray, (0, 255)) is gray


@pytest.mark.parametrize(
    "value", [5, (1, 0), (0, 0), (0, np.nan), (0, np.inf), (0, 1, 2), "01", (0, "x"), ()]
)
def test_a_range_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="data_range must be two numbers, black below white"):
        to_levels(np.zeros((4, 4)), value)


@pytest.mark.parametrize(("dtype", "value"), [("uint8", (0, 4095)), ("uint16", (-1, 9))])
def test_a_range_that_the_class_cannot_hold_is_refused(dtype, value):
    with pytest.raises(ValueError, match=f"does not fit an image of class {dtype}"):
        to_levels(np.zeros((4, 4), dtype), value)


@pytest.mark.parametrize("value", [(0, 1e-300), (0, 5e-324), (0, 1e-200)])
def test_a_range_far_narrower_than_the_values_is_refused(value):
    for measure in (image_levels, lambda image, range_: soft_levels(image, range_)):
        with pytest.raises(ValueError, match=r"wide, and values are 0 to 1; give the black"):
            measure(np.array([[0.0, 1.0]]), value)


def soft_levels(image, data_range):
    params = PiqeParams(mscn=MscnParams(data_range=data_range))
    return soft_piqe(image, SoftPiqeParams(piqe=params))


def test_a_negative_channel_is_refused_though_the_gray_is_positive():
    image = np.full((4, 4, 3), (-0.1, 0.9, 0.9))
    with pytest.raises(ValueError, match=r"down to -0\.1"):
        image_levels(image)
    assert image_levels(image, (-1, 1)).min() > 0


def test_masked_pixels_are_refused():
    image = np.ma.masked_greater(textured((20, 30), "uint8", 1), 128)
    with pytest.raises(ValueError, match="some pixels are masked"):
        image_levels(image)
    assert np.array_equal(image_levels(image.filled(9)), image.filled(9))


def test_a_single_pixel_is_refused_as_a_whole_image_only():
    with pytest.raises(ValueError, match="2 pixels at least"):
        image_levels(np.zeros((1, 1, 3), np.uint8))
    assert to_levels(np.zeros((1, 1), np.uint8)).shape == (1, 1)
