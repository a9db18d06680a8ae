import numpy as np
import pytest

from core.levels import image_levels
from core.mscn import MscnParams, mscn
from tests.core.images import BUNDLED, bundled, textured
from tests.core.piqe_reference import Rules, gray_levels, mscn_map

SIZES = [(2, 1), (1, 7), (2, 3), (3, 40), (40, 3), (15, 17), (16, 16), (33, 520), (5, 1031)]


@pytest.mark.parametrize("name", BUNDLED)
def test_map_is_the_literal_one(name):
    image = bundled(name)
    expected = mscn_map(gray_levels(image))
    np.testing.assert_allclose(mscn(image), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_any_size_and_class(shape, dtype):
    image = textured(shape, dtype, sum(shape))
    expected = mscn_map(gray_levels(image))
    found = mscn(image)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_sigma_and_constant_do_what_they_say():
    levels = bundled("camera")[:60, :70].astype(np.float64)
    k = np.arange(-3, 4)
    taps = np.exp(-0.5 * (k / 2.0) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2
    around = np.lib.stride_tricks.sliding_window_view(np.pad(levels, 3, mode="edge"), (7, 7))
    mean = (around * window).sum((2, 3))
    contrast = np.sqrt((window * (around - mean[..., None, None]) ** 2).sum((2, 3)))
    found = mscn(bundled("camera")[:60, :70], MscnParams(sigma=2.0, constant=5.0))
    np.testing.assert_allclose(found, (levels - mean) / (contrast + 5.0), rtol=0, atol=1e-9)


def test_contrast_about_a_moving_mean_is_another_map():
    image = bundled("camera")
    wrong = mscn_map(gray_levels(image), Rules(moving_mean=True))
    assert np.abs(mscn(image) - wrong).max() > 0.1


def test_flat_image_is_zero_and_magnitudes_are_bounded():
    assert np.abs(mscn(np.full((20, 30), 200, np.uint8))).max() < 1e-12
    fast = mscn(np.full((20, 30), 200, np.uint8), MscnParams(precision="fast"))
    assert np.abs(fast).max() < 1e-4
    impulse = np.zeros((15, 15))
    impulse[7, 7] = 1e6
    assert 2.74 < mscn(impulse).max() < 2.742


def test_map_has_the_bits_of_ieee_arithmetic_in_its_written_order():
    half = MscnParams().half_taps

    def filtered(values):
        a, b, c, d, e, f, g = (values[k : values.shape[0] - 6 + k] for k in range(7))
        return half[0] * d + (half[1] * (c + e) + (half[2] * (b + f) + half[3] * (a + g)))

    image = bundled("coffee")[:90, :599]
    levels = image_levels(image).astype(np.float64)
    wide = np.pad(levels, 3, mode="edge")
    mean = filtered(filtered(wide.T).T)
    contrast = np.sqrt(np.abs(filtered(filtered((wide * wide).T).T) - mean * mean))
    assert np.array_equal(mscn(image), (levels - mean) / (contrast + 1.0))


def test_interior_of_a_tile_with_its_halo_has_the_same_bits():
    image = textured((90, 1200), "uint16", 4)
    halo = MscnParams().halo
    tile = mscn(image[20 - halo : 71 + halo, 31 - halo : 800 + halo])
    assert np.array_equal(tile[halo:-halo, halo:-halo], mscn(image)[20:71, 31:800])


def test_whole_gray_levels_in_floating_point_give_the_same_bits_as_integers():
    image = bundled("moon")
    assert image_levels(image / 255.0).dtype == np.float64
    assert np.array_equal(mscn(image / 255.0), mscn(image))


@pytest.mark.parametrize("field", ["sigma", "constant"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, True, "1", None, 1j])
def test_parameters_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be a number from"):
        MscnParams(**{field: value})


def test_taps_are_a_window_of_weight_1():
    half = MscnParams().half_taps
    assert half[0] + 2 * half[1:].sum() == pytest.approx(1.0, abs=1e-15)
    assert half[1] / half[0] == pytest.approx(np.exp(-1 / (2 * (7 / 6) ** 2)), rel=1e-14)
