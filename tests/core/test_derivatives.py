import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from core.derivatives import DerivativeParams, Status, differentiate

T = np.linspace(0.0, 40.0, 401)
SMOOTH = 3.0 * np.sin(T / 4) + np.exp(-0.5 * ((T - 20) / 2) ** 2)
FIRST = 0.75 * np.cos(T / 4) - (T - 20) / 4 * np.exp(-0.5 * ((T - 20) / 2) ** 2)
SECOND = -3 / 16 * np.sin(T / 4) + (((T - 20) / 4) ** 2 - 0.25) * np.exp(-0.5 * ((T - 20) / 2) ** 2)


HELD = np.where(np.arange(50) == 2, 1.0, 0.0)
"""One at a sample that is held out to choose the smoothing."""


def rms(values):
    return np.sqrt(np.nanmean(values**2))


@pytest.fixture(scope="module")
def noisy():
    y = SMOOTH + np.random.default_rng(0).normal(0, 0.1, T.size)
    return y, differentiate(T, y)


def test_without_noise_both_ways_give_the_true_derivatives():
    found = differentiate(T, SMOOTH)
    assert found.status is Status.FITTED
    assert rms(found.first - FIRST) < 0.02 * rms(FIRST)
    assert rms(found.second - SECOND) < 0.1 * rms(SECOND)
    inside = slice(40, -40)  # filters go by reflection at the ends
    assert rms((found.gaussian_first - FIRST)[inside]) < 0.1 * rms(FIRST)


def test_noise_is_smoothed_away(noisy):
    y, found = noisy
    assert rms(found.value - SMOOTH) < 0.5 * rms(y - SMOOTH)
    assert rms(found.first - FIRST) < 0.1 * rms(FIRST)
    assert rms(found.second - SECOND) < 0.4 * rms(SECOND)
    assert 0.08 < found.error < 0.11
    assert 0.08 < found.held_out_error < 0.15


def test_the_first_derivative_is_the_slope_of_the_value_and_so_on(noisy):
    _, found = noisy
    step = T[1] - T[0]
    middle = slice(1, -1)
    slope = (found.value[2:] - found.value[:-2]) / (2 * step)
    bend = (found.value[2:] - 2 * found.value[1:-1] + found.value[:-2]) / step**2
    np.testing.assert_allclose(slope, found.first[middle], atol=1e-2)
    np.testing.assert_allclose(bend, found.second[middle], atol=2e-2)


def test_the_filters_are_scipy_s_at_the_scale_nearest_to_the_network(noisy):
    y, found = noisy
    step = T[1] - T[0]
    theirs = gaussian_filter1d(y, found.sigma, order=1, mode="reflect", truncate=8) / step
    assert rms(found.gaussian_first - theirs) < 0.05 * rms(theirs)
    near = [rms(gaussian_filter1d(y, found.sigma * f) - found.value) for f in (0.5, 1, 2)]
    assert near[1] == min(near)


def test_units_scale_the_derivatives_exactly(noisy):
    y, found = noisy
    other = differentiate(T * 8, y * 64)  # powers of two: no rounding differs on the way
    np.testing.assert_array_equal(other.value, 64 * found.value)
    np.testing.assert_array_equal(other.first, 8 * found.first)
    np.testing.assert_array_equal(other.second, found.second)
    np.testing.assert_allclose(other.gaussian_first, 8 * found.gaussian_first, rtol=1e-9, atol=1e-9)


def test_gaps_are_bridged_and_uneven_positions_have_no_filters(noisy):
    y, _ = noisy
    holed = y.copy()
    holed[100:103] = np.nan
    found = differentiate(T, holed)
    assert np.isfinite(found.value).all()
    assert np.isfinite(found.gaussian_first).all()
    holed[100:150] = np.inf
    found = differentiate(T, holed)
    assert np.isfinite(found.value).all()
    assert np.isnan(found.gaussian_first).all()
    uneven = differentiate(T**1.1, y)
    assert np.isfinite(uneven.first).all()
    assert np.isnan(uneven.sigma)
    assert rms(uneven.value - SMOOTH) < 0.1


def test_a_descending_axis_has_the_same_slopes():
    found, turned = differentiate(T, SMOOTH), differentiate(T[::-1], SMOOTH[::-1])
    np.testing.assert_allclose(turned.first[::-1], found.first, atol=0.05)
    np.testing.assert_allclose(turned.gaussian_first[::-1], found.gaussian_first, atol=0.02)


def test_a_long_signal_is_fitted_by_means_and_told_at_every_sample():
    t = np.linspace(0, 40, 20_000)
    found = differentiate(t, 3 * np.sin(t / 4), DerivativeParams(longest=200))
    assert found.value.shape == t.shape
    assert rms(found.first - 0.75 * np.cos(t / 4)) < 0.05
    assert found.sigma >= 50
    assert rms(found.gaussian_first - 0.75 * np.cos(t / 4)) < 0.1


@pytest.mark.parametrize(
    ("x", "y", "status", "value"),
    [
        (np.arange(10), np.arange(10), Status.TOO_FEW, np.nan),
        (np.zeros(50), np.arange(50), Status.TOO_FEW, np.nan),
        (np.arange(50), np.full(50, np.nan), Status.TOO_FEW, np.nan),
        (np.arange(50), np.full(50, 1e200), Status.TOO_FEW, np.nan),
        (np.arange(50), np.full(50, 7.0), Status.CONSTANT, 7.0),
        (np.arange(0), np.arange(0), Status.TOO_FEW, np.nan),
        (np.arange(50) * 1e-200, np.sin(np.arange(50)), Status.TOO_LARGE, np.nan),
        (np.arange(50) * 1e-320, np.sin(np.arange(50)), Status.TOO_LARGE, np.nan),
        (np.arange(50) * 1e-200 + HELD, np.sin(np.arange(50)), Status.CROWDED, np.nan),
        (
            np.where(np.arange(200) % 5 == 2, np.arange(200), 0),
            np.arange(200),
            Status.CROWDED,
            np.nan,
        ),
    ],
)
def test_what_has_no_derivatives_says_why(x, y, status, value):
    found = differentiate(x, y)
    assert found.status is status
    np.testing.assert_array_equal(found.value, np.full(len(x), value))
    np.testing.assert_array_equal(found.second, np.full(len(x), value * 0))


def test_x_and_y_of_any_scale_have_the_derivatives_of_their_ratio(noisy):
    y, found = noisy
    x_unit, y_unit = 2.0**-700, 2.0**-640  # squares of either are no numbers
    other = differentiate(T * x_unit, y * y_unit)
    np.testing.assert_array_equal(other.value / y_unit, found.value)
    np.testing.assert_array_equal(other.first, found.first * 2.0**60)
    np.testing.assert_array_equal(other.second * 2.0**-760, found.second)
    np.testing.assert_array_equal(other.gaussian_first, found.gaussian_first * 2.0**60)


@pytest.mark.parametrize("scale", [1e-90, 1e90])
def test_tiny_and_huge_values_are_fitted(scale):
    found = differentiate(T, SMOOTH * scale)
    assert rms(found.first / scale - FIRST) < 0.05


@pytest.mark.parametrize(
    "wrong", [{"smoothing": ()}, {"smoothing": (-1.0,)}, {"hidden": ()}, {"longest": 3}]
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DerivativeParams(**wrong)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(sample,\) alike"):
        differentiate(np.zeros((2, 2)), np.zeros((2, 2)))
