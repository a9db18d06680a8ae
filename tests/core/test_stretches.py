import numpy as np
import pytest

from core.stretches import means_of_stretches, order_along


def test_a_short_series_stays_as_it_is():
    x, y = np.arange(5.0), np.array([3.0, 1.0, np.nan, 7.0, 2.0])
    places, means, counts, width = means_of_stretches(x, y, 5)
    np.testing.assert_array_equal(means, y)
    np.testing.assert_array_equal(places, [0, 1, np.nan, 3, 4])
    assert (counts.tolist(), width) == ([1, 1, 0, 1, 1], 1)


@pytest.mark.parametrize("size", [1, 49, 50, 51, 1999, 20_001])
def test_means_are_those_of_equal_runs_of_neighbours(size):
    rng = np.random.default_rng(size)
    x, y = rng.normal(size=(2, size)).cumsum(axis=1)
    y[rng.random(size) < 0.1] = np.nan
    y[:1] = np.inf
    x = np.sort(x)
    places, means, counts, width = means_of_stretches(x, y, 50)
    assert means.size <= 50
    assert width == -(-size // 50)
    for n, start in enumerate(range(0, size, width)):
        there = np.isfinite(y[start : start + width])
        assert counts[n] == there.sum()
        if there.any():
            run = slice(start, start + width)
            assert means[n] == pytest.approx(y[run][there].mean(), rel=1e-12, abs=1e-12)
            assert places[n] == pytest.approx(x[run][there].mean(), rel=1e-12, abs=1e-12)


def test_large_positions_keep_the_digits_of_small_steps():
    x = 1.7e9 + 1e-3 * np.arange(1000)
    places = means_of_stretches(x, np.ones(1000), 100).x
    np.testing.assert_allclose(np.diff(places), 0.01, atol=1e-6)


def test_a_long_series_in_any_order_is_that_in_order():
    x, y = np.arange(600.0), np.random.default_rng(3).normal(size=600)
    order = np.random.default_rng(4).permutation(600)
    for found, expected in zip(
        means_of_stretches(x[order], y[order], 50), means_of_stretches(x, y, 50), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_sums_of_huge_values_do_not_overflow_and_nothing_has_none():
    assert (means_of_stretches(np.arange(600.0), np.full(600, 1.5e308), 50).y == 1.5e308).all()
    assert means_of_stretches([], [], 50).y.size == 0


def test_positions_that_rise_or_fall_or_are_missing_stay_as_they_stand():
    for x in ([], [1], [1, 1], [0, 1, 1, 2], [3, 2, 2], [np.nan, 2, 1], [np.inf, 0, 1], [5, 5, 5]):
        assert order_along(x) is None
    np.testing.assert_array_equal(order_along([2, 0, 2, 1, 0]), [1, 4, 3, 0, 2])
