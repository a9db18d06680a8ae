"""What must not matter does not: offsets, scales, order, company in a batch, forms of x."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.piecewise import PiecewiseFit, fit_piecewise
from tests.core.piecewise import oracle

OPTIONS = [
    {},
    {"n_segments": 1},
    {"n_segments": 3},
    {"n_segments": 4},
    {"n_segments": "auto"},
    {"ci": "profile", "null_samples": 99},
    {"ci": "bootstrap", "bootstrap_samples": 50},
    {"n_segments": 3, "ci": "profile"},
    {"continuous": False, "degree": 0},
    {"continuous": False, "degree": 2, "n_segments": "auto"},
    {"slopes": (0.0, None)},
    {"loss": "huber"},
    {"x_transform": "log"},
    {"method": "integral"},
]
ARRAYS = [f.name for f in dataclasses.fields(PiecewiseFit) if f.name != "x_transform"]


def batch(series=7, n=30, seed=0, missing=True):
    rng = np.random.default_rng(seed)
    x = np.linspace(1, 5, n) + rng.uniform(-0.04, 0.04, n)
    y = np.abs(x - rng.uniform(2, 4, (series, 1))) + 0.2 * rng.normal(size=(series, n))
    if missing:
        y[3, 4:7] = np.nan
        y[5] = np.nan
    return x, y


def row(fit, s):
    """One series of a batch, without its padding."""
    pieces = fit.n_segments[s]
    cut = {"breakpoints": pieces - 1, "se_breakpoints": pieces - 1, "ci_breakpoints": pieces - 1}
    cut |= dict.fromkeys(("slopes", "intercepts", "curvatures", "values"), pieces)
    cut |= dict.fromkeys(("se_slopes", "se_intercepts", "ci_slopes"), pieces)
    return {name: np.asarray(getattr(fit, name)[s])[: cut.get(name)] for name in cut} | {
        name: np.asarray(getattr(fit, name)[s]) for name in ARRAYS if name not in cut
    }


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_series_has_the_same_bits_alone_and_in_any_batch(options):
    x, y = batch()
    together = fit_piecewise(x, y, **options)
    parts = [fit_piecewise(x, y[a:b], **options) for a, b in ((0, 1), (1, 4), (4, 7))]
    for name in ARRAYS:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == np.asarray(getattr(together, name)).tobytes(), name
    for s in (0, 3, 6):
        alone = fit_piecewise(x, y[s], **options)
        for name, expected in row(together, s).items():
            assert np.asarray(getattr(alone, name)).tobytes() == expected.tobytes() or (
                name in ("status", "n_segments", "n_obs", "certified")
                and getattr(alone, name) == expected
            ), name


def test_series_with_their_own_x_have_the_same_bits_in_any_batch():
    x, y = batch()
    own = x + np.random.default_rng(2).uniform(-0.01, 0.01, y.shape)
    weights = np.random.default_rng(3).uniform(0.5, 2, y.shape)
    together = fit_piecewise(own, y, weights=weights)
    for s in range(7):
        part = slice(s, s + 1)
        alone = fit_piecewise(own[part], y[part], weights=weights[part])
        for name in ARRAYS:
            assert getattr(alone, name).tobytes() == getattr(together, name)[part].tobytes(), name


@pytest.mark.parametrize("n", [7, 8, 9, 31, 32, 33, 100, 257])
def test_shared_x_equals_own_x(n):
    x, y = batch(series=9, n=n, missing=False)
    w = np.random.default_rng(1).uniform(0.3, 3, n)
    for options in ({}, {"min_size": 2}):
        shared = fit_piecewise(x, y, weights=w, **options)
        own = fit_piecewise(np.tile(x, (9, 1)), y, weights=np.tile(w, (9, 1)), **options)
        for name in ("rss", "sigma", "breakpoints", "slopes", "values", "se_breakpoints"):
            np.testing.assert_allclose(
                getattr(own, name), getattr(shared, name), rtol=1e-9, atol=1e-11, err_msg=name
            )


series = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


@settings(deadline=None, max_examples=60)
@given(series, st.integers(-40, 40), st.integers(-40, 40))
def test_powers_of_two_scale_exactly(rng, x_power, y_power):
    x, y = np.sort(rng.normal(size=20)), rng.normal(size=20)
    plain = fit_piecewise(x, y)
    fit = fit_piecewise(np.ldexp(x, x_power), np.ldexp(y, y_power))
    np.testing.assert_allclose(fit.breakpoints, np.ldexp(plain.breakpoints, x_power), rtol=1e-13)
    np.testing.assert_allclose(fit.rss, np.ldexp(plain.rss, 2 * y_power), rtol=1e-13)
    np.testing.assert_allclose(fit.slopes, np.ldexp(plain.slopes, y_power - x_power), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(series, st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(-1e3, 1e3))
def test_adding_any_line_moves_slopes_alone(rng, x0, y0, slope):
    x, y = np.sort(rng.uniform(0, 1, 20)), rng.normal(size=20)
    plain, fit = fit_piecewise(x, y), fit_piecewise(x + x0, y + y0 + slope * x)
    np.testing.assert_allclose(fit.rss, plain.rss, rtol=1e-7)
    # Pure noise may have two places that are equally good, but for rounding.
    if abs(fit.breakpoints[0] - x0 - plain.breakpoints[0]) < 1e-5:
        np.testing.assert_allclose(fit.slopes, plain.slopes + slope, rtol=1e-4, atol=1e-3)
    else:
        same = fit_piecewise(x, fit.predict(x + x0) - y0 - slope * x)
        assert oracle.linear_rss(x, y, np.ones(20), same.breakpoints) <= plain.rss * (1 + 1e-6)


@settings(deadline=None, max_examples=60)
@given(series, st.sampled_from([1, 2, 3]))
def test_the_order_of_the_samples_does_not_matter(rng, pieces):
    x, y, w = np.round(rng.uniform(0, 9, 24), 1), rng.normal(size=24), rng.uniform(0.5, 2, 24)
    order = rng.permutation(24)
    sorted_fit = fit_piecewise(x, y, pieces, weights=w)
    fit = fit_piecewise(x[order], y[order], pieces, weights=w[order])
    np.testing.assert_allclose(fit.rss, sorted_fit.rss, rtol=1e-10)


@settings(deadline=None, max_examples=60)
@given(series)
def test_a_mirrored_series_has_a_mirrored_fit(rng):
    x, y = np.sort(rng.uniform(0, 1, 21)), rng.normal(size=21)
    for pieces in (2, 3):
        fit, mirrored = fit_piecewise(x, y, pieces), fit_piecewise(-x, y, pieces)
        np.testing.assert_allclose(mirrored.rss, fit.rss, rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(series, st.integers(1, 4))
def test_a_weight_of_k_is_a_sample_k_times(rng, times):
    x, y = np.sort(rng.uniform(0, 1, 15)), rng.normal(size=15)
    k = rng.integers(1, times + 1, 15)
    weighted = fit_piecewise(x, y, weights=k)
    repeated = fit_piecewise(np.repeat(x, k), np.repeat(y, k))
    np.testing.assert_allclose(weighted.rss, repeated.rss, rtol=1e-10)
    assert (weighted.n_obs, repeated.n_obs) == (15, k.sum())


@settings(deadline=None, max_examples=40)
@given(series)
def test_missing_samples_are_as_if_they_were_not_there(rng):
    x, y, w = rng.uniform(0, 1, 25), rng.normal(size=25), rng.uniform(0.5, 2, 25)
    x[3] = y[7] = w[11] = np.nan
    w[13] = 0.0
    keep = np.setdiff1d(np.arange(25), [3, 7, 11, 13])
    fit = fit_piecewise(x, y, weights=w)
    expected = fit_piecewise(x[keep], y[keep], weights=w[keep])
    np.testing.assert_allclose(fit.rss, expected.rss, rtol=1e-10)
    assert fit.n_obs == 21


def test_single_precision_is_promoted():
    x, y = batch(missing=False)
    x, y = x.astype(np.float32), y.astype(np.float32)
    fit = fit_piecewise(x, y)
    assert fit.rss.dtype == np.float64
    expected = fit_piecewise(x.astype(np.float64), y.astype(np.float64))
    assert fit.breakpoints.tobytes() == expected.breakpoints.tobytes()
