import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.readers.base import Limits, Refused
from tasks.readers.pixels import (
    check_expansion,
    check_pixels,
    composed,
    image_class,
    in_image_class,
    oriented,
    oriented_shape,
    rgb_of_cmyk,
)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_those_of_exif(orientation):
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = PIL.Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    seen = np.asarray(PIL.ImageOps.exif_transpose(image))
    assert np.array_equal(oriented(stored, orientation), seen)
    assert oriented_shape(3, 4, orientation) == seen.shape


@given(arrays(np.uint8, (6, 5, 4)))
def test_cmyk_is_pillows(ink):
    expected = PIL.Image.frombytes("CMYK", (5, 6), ink.tobytes()).convert("RGB")
    assert np.array_equal(rgb_of_cmyk(ink), np.asarray(expected))


def test_cmyk_of_sixteen_bits():
    ink = np.array([[[0, 65535, 32768, 0], [0, 0, 0, 65535]]], dtype=np.uint16)
    assert rgb_of_cmyk(ink).tolist() == [[[65535, 0, 32767], [0, 0, 0]]]


@given(st.sampled_from([np.uint8, np.uint16]).flatmap(lambda d: arrays(d, (5, 4, 4))))
def test_alpha_rounds_to_nearest(samples):
    white = np.iinfo(samples.dtype).max
    alpha = samples[..., 3:] / white
    exact = alpha * samples[..., :3] + (1 - alpha) * white
    result = composed(samples)
    assert result.dtype == samples.dtype
    assert np.abs(result - exact).max() <= 0.5 + 1e-6


def test_alpha_of_other_classes():
    signed = np.array([[[-100, 32767], [-100, 0]]], dtype=np.int16)
    assert composed(signed).tolist() == [[-100, 32767]]
    real = np.array([[[0.5, 1.0], [0.5, 0.5], [0.5, 0.0]]], dtype=np.float32)
    assert composed(real).tolist() == [[0.5, 0.75, 1.0]]
    assert composed(real, associated=True).tolist() == [[0.5, 1.0, 1.5]]
    multiplied = np.array([[[50, 60, 70, 100]]], dtype=np.uint8)
    assert composed(multiplied, associated=True).tolist() == [[[205, 215, 225]]]


def test_the_samples_stay_as_they_were():
    samples = np.zeros((1, 1, 2), dtype=np.uint8)
    assert composed(samples).tolist() == [[255]]
    assert samples.tolist() == [[[0, 0]]]


@pytest.mark.parametrize("name", ["int32", "uint32", "int8", "int64", "complex64", "<U3", "object"])
def test_other_classes_are_refused_with_the_remedy(name):
    with pytest.raises(Refused, match="float64") as refusal:
        image_class(name)
    assert refusal.value.code == "unsupported"


def test_classes():
    assert in_image_class(np.array([True, False])).tolist() == [255, 0]
    assert in_image_class(np.array([1.5], dtype=">f2")).dtype == np.dtype("float32")
    swapped = in_image_class(np.array([258], dtype=">i2"))
    assert (swapped.dtype, swapped.tolist()) == (np.dtype("int16"), [258])
    assert swapped.dtype.isnative


def test_limits():
    limits = Limits(max_pixels=1_000_000)
    check_pixels(1_000_000, limits)
    with pytest.raises(Refused, match=r"has 1\.5 megapixels, the limit is 1: .*--max-pixels"):
        check_pixels(1_500_000, limits)
    check_expansion(1_000_000, 10**9, 10, limits)
    check_expansion(5_000_000, 5_000_000, 100_000, limits)
    with pytest.raises(Refused, match="100 bytes in its file"):
        check_expansion(5_000_000, 5_000_000, 100, limits)
