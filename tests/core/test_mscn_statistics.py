"""Moments summed in PIQE's pass, and the fits to them, against literal ones over the MSCN map."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from benchmarks import _piqe_peers as peers
from core.luma import to_gray
from core.mscn import MscnParams, mscn
from core.mscn_statistics import NAMES, estimate
from core.piqe import PiqeParams, piqe
from tests.core.images import BUNDLED, bundled, textured

GRID = np.arange(0.2, 10.0005, 0.001)
"""BRISQUE looks the shape up in this grid."""
RATIO = special.gamma(2 / GRID) ** 2 / (special.gamma(1 / GRID) * special.gamma(3 / GRID))


def products(m):
    return m[:, 1:] * m[:, :-1], m[1:] * m[:-1], m[1:, 1:] * m[:-1, :-1], m[1:, :-1] * m[:-1, 1:]


def nearest_shape(ratio):
    return GRID[np.argmin((RATIO - ratio) ** 2)]


def literal(coefficients):
    """Return BRISQUE's 18 numbers as its authors describe them, step by step.

    Nothing is done about flat places, whose products are of rounding errors.
    """
    values = [
        nearest_shape(np.mean(np.abs(coefficients)) ** 2 / np.mean(coefficients**2)),
        np.mean(coefficients**2),
    ]
    for product in products(coefficients):
        left = np.sqrt(np.mean(product[product < 0] ** 2))
        right = np.sqrt(np.mean(product[product > 0] ** 2))
        g = left / right
        ratio = np.mean(np.abs(product)) ** 2 / np.mean(product**2)
        shape = nearest_shape(ratio * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2)
        scale = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
        mean = (right - left) * special.gamma(2 / shape) / special.gamma(1 / shape) * scale
        values += [shape, mean, left**2, right**2]
    return np.array(values)


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("precision", ["double", "fast"])
def test_photographs_agree_with_the_literal_description(name, precision):
    image = bundled(name)
    params = PiqeParams(mscn=MscnParams(precision=precision))
    found = piqe(image, params, statistics=True).statistics.values
    expected = literal(mscn(image))
    shapes = np.array([name.endswith("shape") for name in NAMES])
    means = np.array([name.endswith("mean") for name in NAMES])
    np.testing.assert_allclose(found[shapes], expected[shapes], atol=0.0015)
    # Signs of rounding errors count here: 0.4 % of the products of "page", and fewer elsewhere.
    np.testing.assert_allclose(found[means], expected[means], atol=2e-4, rtol=0.02)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-4)
    others = ~shapes & ~means
    np.testing.assert_allclose(found[others], expected[others], rtol=0.02)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from(["uint8", "uint16", "float64"]),
    st.integers(0, 1000),
)
def test_moments_are_the_sums_over_the_pixels_of_the_image_alone(shape, dtype, seed):
    assume(shape != (1, 1))
    image = textured(shape, dtype, seed)
    coefficients = mscn(image)
    coefficients[np.abs(coefficients) < 1e-4] = 0.0
    found = piqe(image, statistics=True).moments
    expected = [np.abs(coefficients).sum(), (coefficients**2).sum()]
    for p in products(coefficients):
        expected += [np.abs(p).sum(), (p * p).sum(), (p * np.abs(p)).sum()]
    sums = np.delete(found.sum(1), [5, 9, 13, 17])
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-3)
    counts = [[(p > 0).sum(), (p < 0).sum()] for p in products(coefficients)]
    assert (found[[5, 9, 13, 17]] * (1, 2**20)).tolist() == counts


def absolute_moments(shape, scale):
    """Return mean |v| and mean v² of a generalised Gaussian."""
    frozen = stats.gennorm(shape, scale=scale)
    return 2 * frozen.expect(lambda v: v, lb=0), frozen.var()


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 5.0])
def test_shape_and_scale_of_a_generalised_gaussian_are_found(shape):
    moments = np.zeros((18, 2))
    moments[:2, 0] = 400 * 1000 * np.array(absolute_moments(shape, 0.3))
    found = estimate(moments, (400, 1000))
    assert found.shape == pytest.approx(shape, rel=1e-6)
    assert found.scale == pytest.approx(0.3, rel=1e-6)


@pytest.mark.parametrize(("ratio", "shape"), [(0.99, 10.0), (1e-9, 0.2)])
def test_shapes_beyond_the_bounds_are_set_to_them(ratio, shape):
    moments = np.zeros((18, 2))
    moments[:2, 0] = 100 * np.sqrt(ratio), 100
    assert estimate(moments, (10, 10)).shape == shape


def test_the_halves_of_an_asymmetric_distribution_are_told_apart():
    shape, left, right = 0.8, 0.2, 0.5
    moments = np.zeros((18, 2))
    moments[:2, 0] = 1.0
    positives = right / (left + right)
    a, b = absolute_moments(shape, left), absolute_moments(shape, right)
    for k, pairs in zip(range(2, 18, 4), (1400, 1400, 700, 700), strict=True):
        absolute, square = ((1 - positives) * u + positives * v for u, v in zip(a, b, strict=True))
        signed = positives * b[1] - (1 - positives) * a[1]
        moments[k : k + 3, 0] = pairs * np.array([absolute, square, signed])
        moments[k + 3] = pairs * positives, pairs * (1 - positives) * 2.0**-20
    # Each extent has as many pairs in one direction as the moments were made for.
    found = [estimate(moments, extent) for extent in ((1400, 2), (2, 1400), (701, 2))]
    values = [f.values[2 + 4 * k : 6 + 4 * k] for f, k in zip(found, (0, 1, 2), strict=True)]
    unit = absolute_moments(shape, 1.0)
    for fit in values:
        np.testing.assert_allclose(
            fit, [shape, (right - left) * unit[0], left**2 * unit[1], right**2 * unit[1]], rtol=1e-6
        )


def test_a_flat_image_has_no_shape_and_no_variance():
    for params in (PiqeParams(), PiqeParams(mscn=MscnParams(precision="fast"))):
        found = piqe(np.full((40, 50), 200, np.uint8), params, statistics=True).statistics
        assert np.isnan([found.shape, found.scale, *found.product_shape]).all()
        assert not found.product_right_variance.any()
        assert not found.product_left_variance.any()


def test_images_of_one_row_or_column_have_products_along_it_only():
    image = textured((1, 90), "uint8", 4)
    row = piqe(image, statistics=True).statistics
    column = piqe(image.T.copy(), statistics=True).statistics
    assert np.isfinite(row.product_shape).tolist() == [True, False, False, False]
    assert np.isfinite(column.product_shape).tolist() == [False, True, False, False]
    assert row.product_shape[0] == pytest.approx(column.product_shape[1], rel=1e-6)


def test_levels_beyond_all_sense_stay_finite_and_quiet():
    image = np.zeros((40, 40))
    image[::3, ::2] = 1e99
    image[5:9] += 1e98 * np.random.default_rng(0).random((4, 40))
    with np.errstate(all="raise"):
        result = piqe(image, statistics=True)
    assert np.isfinite(result.moments).all()
    assert result.score > 0


@pytest.mark.parametrize("name", ["camera", "coins", "moon", "brick", "chelsea", "coffee"])
def test_photographs_agree_with_opencv_contrib(name):
    features = peers.opencv_brisque()
    if features is None:
        pytest.skip("OpenCV-contrib is not installed; `pip install -e .[bench]` brings it")
    gray = to_gray(bundled(name))
    found = piqe(gray, statistics=True).statistics.values
    # Its borders, its float32 and its gray are others; small means are differences of the rest.
    np.testing.assert_allclose(found, features(gray), rtol=0.02, atol=2e-4)


def test_statistics_are_measured_only_where_they_are_asked_for():
    result = piqe(bundled("coins"))
    assert result.statistics is None
    assert result.moments is None
    with pytest.raises(ValueError, match=r"moments must be \(18, 2\)"):
        estimate(np.zeros((22, 2)), (4, 4))
