import numpy as np
import pytest

from core.levels import image_levels, to_levels
from core.luma import to_gray
from tests.core.images import bundled, textured
from tests.core.piqe_reference import gray_levels

CLASSES = ("uint8", "uint16", "int16", "float32", "float64")

# Row of the inverse NTSC matrix in whole numbers, so that the truth below is exact.
EXACT, DENOMINATOR = (589399, 1157447, 224810), 1971656


@pytest.fixture(scope="module")
def triplets():
    """Every colour of 8 bits once, as 256 images of 256 x 256, by red."""
    green, blue = np.mgrid[:256, :256].astype(np.uint8)
    return [np.dstack([np.full_like(green, red), green, blue]) for red in range(256)]


def exact_gray(image):
    weighted = sum(c * image[..., k].astype(np.int64) for k, c in enumerate(EXACT))
    return (2 * weighted + DENOMINATOR) // (2 * DENOMINATOR)


def test_every_8_bit_colour_has_the_exact_gray(triplets):
    assert all(np.array_equal(to_gray(image), exact_gray(image)) for image in triplets)


@pytest.mark.parametrize(
    ("coefficients", "differing"),
    [((0.299, 0.587, 0.114), 81_801), ((0.2989, 0.5870, 0.1140), 213_422)],
)
def test_rounded_coefficients_give_another_gray(triplets, coefficients, differing):
    count = 0
    for image in triplets:
        planes = [image[..., k].astype(np.float64) for k in range(3)]
        other = sum(c * plane for c, plane in zip(coefficients, planes, strict=True))
        count += np.count_nonzero(np.floor(other + 0.5) != to_gray(image))
    assert count == differing


@pytest.mark.parametrize("dtype", CLASSES)
def test_gray_keeps_the_class(dtype):
    image = textured((9, 13, 3), dtype, 1)
    gray = to_gray(image)
    assert gray.dtype == image.dtype
    assert gray.shape == (9, 13)


@pytest.mark.parametrize("dtype", CLASSES)
def test_gray_image_is_returned_as_it_is(dtype):
    image = textured((9, 13), dtype, 1)
    assert to_gray(image) is image


def test_8_bit_levels_are_not_copied():
    image = bundled("camera")
    assert to_levels(image) is image


@pytest.mark.parametrize("dtype", CLASSES)
@pytest.mark.parametrize("shape", [(40, 33), (40, 33, 3)])
def test_levels_are_the_literal_ones(dtype, shape):
    image = textured(shape, dtype, 7)
    levels = image_levels(image)
    assert levels.dtype == (np.float64 if dtype.startswith("float") else np.uint8)
    assert np.array_equal(levels, gray_levels(image))


def test_all_16_bit_grays_have_the_literal_level():
    for dtype in (np.uint16, np.int16):
        image = np.arange(65536).astype(np.uint16).view(dtype).reshape(256, 256)
        assert np.array_equal(to_levels(image), gray_levels(image))


def test_rounding_16_bit_colour_twice_is_rounding_once():
    rng = np.random.default_rng(3)
    image = rng.integers(-32768, 32768, (600, 500, 3), endpoint=False).astype(np.int16)
    assert np.array_equal(image_levels(image), gray_levels(image))


def test_black_and_white_keep_their_levels():
    for dtype in (np.uint8, np.uint16, np.int16):
        limits = np.iinfo(dtype)
        image = np.array([[[limits.min] * 3, [limits.max] * 3]], dtype)
        assert to_gray(image).tolist() == [[limits.min, limits.max]]
        assert image_levels(image).tolist() == [[0, 255]]


def test_floating_point_is_neither_clipped_nor_stretched():
    assert to_levels(np.array([[0.1, 0.0, 0.4, 3.0]])).tolist() == [[26.0, 0.0, 102.0, 765.0]]


def test_halves_are_rounded_away_from_zero():
    halves = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 254.5]])
    assert np.array_equal(255 * (halves / 255), halves)
    assert to_levels(halves / 255, (0, 1)).tolist() == [[1, 2, 3, -1, -2, 255]]


def test_whole_levels_stay_as_they_are_where_no_fraction_can_be_held():
    level = 2.0**52 + 239
    assert level % 255 == 0
    assert to_levels(np.array([[level / 255]])).tolist() == [[level]]


def test_float32_is_widened_before_it_is_scaled():
    gray = np.array([[0.1, 1 / 3, 0.7]], np.float32)
    assert np.array_equal(to_levels(gray), to_levels(gray.astype(np.float64)))


def test_any_memory_order_byte_order_and_read_only_arrays_are_taken():
    image = textured((21, 17, 3), "uint16", 2)
    expected = image_levels(image)
    frozen = image.copy()
    frozen.flags.writeable = False
    for same in (frozen, np.asfortranarray(image), image.astype(">u2"), image[::-1][::-1]):
        assert np.array_equal(image_levels(same), expected)
    assert np.array_equal(image_levels(np.dstack([image, image])[..., :3]), expected)
    assert np.array_equal(image_levels(image[:, ::2]), expected[:, ::2])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "int32", "int64", "uint64"])
def test_other_integers_are_refused(dtype):
    with pytest.raises(ValueError, match=rf"class {dtype} is not allowed.*uint8.*convert it"):
        to_gray(np.zeros((4, 4), dtype))


@pytest.mark.parametrize("dtype", ["complex128", "object", "float16", "U3", "M8[s]"])
def test_other_classes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"is not allowed, only uint8, uint16, int16"):
        to_gray(np.zeros((4, 4), dtype))


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((4, 5, 4), r"\(4, 5, 4\).*drop the alpha channel"),
        ((4, 5, 2), r"\(4, 5, 2\).*pick one channel"),
        ((4, 5, 1), r"\(4, 5, 1\).*pick one channel"),
        ((3, 4, 5), r"\(3, 4, 5\).*move the channels last"),
        ((4,), r"\(4,\).*one image at a time"),
        ((2, 4, 5, 3), r"\(2, 4, 5, 3\).*one image at a time"),
        ((0, 5), r"\(0, 5\) is empty"),
        ((5, 0, 3), r"\(5, 0, 3\) is empty"),
    ],
)
def test_other_shapes_are_refused_with_a_remedy(shape, remedy):
    with pytest.raises(ValueError, match=remedy):
        to_gray(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e101])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_unusable_values_are_counted_and_refused(value, shape):
    image = np.zeros(shape)
    image[1, 2] = value
    bad = 1 if len(shape) == 2 else 3
    with pytest.raises(ValueError, match=f"{bad} of {image.size} values are NaN"):
        image_levels(image)


def test_levels_of_a_colour_image_are_refused():
    with pytest.raises(ValueError, match=r"use to_gray\(image\) first"):
        to_levels(np.zeros((4, 4, 3)))
