"""Never above brute force: one break, two, separate segments; several breaks at least as good."""

import numpy as np
import pytest

from core.piecewise import fit_piecewise
from tests.core.piecewise import oracle

RELATIVE = 1e-10


def random_series(seed):
    """A small series of one of several kinds, with ties, gaps and weights by turns."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(7, 20))
    x = rng.uniform(-3, 5, n)
    if seed % 3 == 0:
        x = np.round(x * 2)
    y = rng.choice([0.0, 1.0, 5.0]) * np.abs(x - rng.uniform(-2, 4)) + rng.normal(size=n)
    if seed % 5 == 0:
        y = np.round(y)
    w = rng.uniform(0.05, 3.0, n) if seed % 2 else np.ones(n)
    y[rng.random(n) < 0.1] = np.nan
    if seed % 7 == 0:
        w[0] = 0.0
    return x, y, w, 2 + seed % 2


def enough(x, y, w, pieces, min_size):
    return np.unique(x[np.isfinite(y) & (w > 0)]).size >= pieces * min_size


def test_one_break_is_never_above_brute_force():
    compared = 0
    for seed in range(420):
        x, y, w, min_size = random_series(seed)
        if not enough(x, y, w, 2, min_size):
            continue
        fit = fit_piecewise(x, y, weights=w, min_size=min_size)
        expected = oracle.one_break(x, y, w, min_size)
        size = np.nansum(w * (y - np.nanmean(y)) ** 2)
        assert fit.rss <= expected * (1 + RELATIVE) + 1e-14 * size, seed
        # Nor far below, which would mean that the sum or the places allowed were wrong.
        assert fit.rss >= expected * (1 - 1e-6) - 1e-14 * size, seed
        compared += 1
    assert compared >= 300


@pytest.mark.parametrize("seed", range(16))
def test_two_breaks_are_never_above_brute_force(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 1, 11)) if seed % 2 else np.round(rng.uniform(0, 1, 14) * 12)
    y, w = rng.normal(size=x.size), rng.uniform(0.1, 3, x.size)
    if not enough(x, y, w, 3, 2):
        pytest.skip("ties left too few distinct x")
    fit = fit_piecewise(x, y, 3, weights=w, min_size=2)
    expected = oracle.two_breaks(x, y, w, 2)
    assert fit.certified
    assert fit.rss <= expected * (1 + RELATIVE)
    assert fit.rss >= expected * (1 - 1e-4)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("noise", [0.02, 0.3, 3.0])
def test_two_certified_breaks_are_never_above_any_other_start(seed, noise):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 1, 60))
    y = np.maximum(x - 0.3, 0) - 2 * np.maximum(x - 0.6, 0) + noise * rng.normal(size=60)
    fit = fit_piecewise(x, y, 3)
    grid = x[2:-2]
    for knots in rng.choice(grid, (200, 2)):
        if abs(np.subtract(*np.searchsorted(x, knots))) >= 3:
            assert fit.rss <= oracle.linear_rss(x, y, np.ones(60), knots) * (1 + RELATIVE)
    other = fit_piecewise(x, y, 3, method="dp")
    assert fit.rss <= other.rss * (1 + RELATIVE)
    assert not other.certified


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_separate_segments_equal_brute_force(degree, count):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, w = rng.uniform(-1, 1, 14), rng.uniform(0.2, 2, 14)
        y = rng.normal(size=14) + 3 * (x > 0.2)
        options = {"degree": degree, "continuous": False, "min_size": degree + 1}
        fit = fit_piecewise(x, y, count, weights=w, **options)
        expected = oracle.segments(x, y, w, count, degree, degree + 1)
        assert fit.rss == pytest.approx(expected, rel=1e-9, abs=1e-12)
        residual = y - fit.predict(x)
        assert (w * residual**2).sum() == pytest.approx(fit.rss, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("pieces", [4, 5, 6])
def test_several_clear_breaks_are_found(pieces):
    rng = np.random.default_rng(pieces)
    for _ in range(5):
        x = np.sort(rng.uniform(0, 100, 240))
        knots = (np.arange(1, pieces) + rng.uniform(-0.2, 0.2, pieces - 1)) * 100 / pieces
        y = 0.3 * rng.normal(size=240)
        for j, knot in enumerate(knots):
            y += (-1) ** j * 2 * np.maximum(x - knot, 0)
        fit = fit_piecewise(x, y, pieces)
        assert not fit.certified
        assert fit.rss <= oracle.linear_rss(x, y, np.ones(240), knots)
        np.testing.assert_allclose(fit.breakpoints, knots, atol=1.0)


def test_the_sum_of_squares_is_that_of_the_line_drawn():
    for seed in range(30):
        x, y, w, min_size = random_series(seed)
        for pieces in (1, 2, 3):
            if enough(x, y, w, pieces, min_size):
                fit = fit_piecewise(x, y, pieces, weights=w, min_size=min_size)
                residual = y - fit.predict(x)
                assert np.nansum(w * residual**2) == pytest.approx(fit.rss, rel=1e-9, abs=1e-18)
                np.testing.assert_allclose(fit.values[1:, 0], fit.values[:-1, 1], atol=1e-9)


def test_every_piece_keeps_its_distinct_samples():
    for seed in range(60):
        x, y, w, min_size = random_series(seed)
        for pieces in (2, 3):
            if enough(x, y, w, pieces, min_size):
                fit = fit_piecewise(x, y, pieces, weights=w, min_size=min_size)
                places = np.unique(x[np.isfinite(y) & (w > 0)])
                # A sample on a break may count for either side, but for one only.
                below = [np.count_nonzero(places < k - 1e-12) for k in fit.breakpoints]
                upto = [np.count_nonzero(places <= k + 1e-12) for k in fit.breakpoints]
                ends = -np.inf
                for low, high in zip(below, upto, strict=True):
                    ends = next(e for e in range(low, high + 1) if e >= max(ends, 0) + min_size)
                assert places.size - ends >= min_size
