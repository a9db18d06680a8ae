"""Smoothing and derivatives against dense sums over extended signals, and hostile values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ive

from core.gaussian import derivative, halo, long, noise_gain, pieces, smooth

BOUNDARIES = ("reflect", "mirror", "zero", "periodic")


def extended(signal, boundary, reach):
    """One sample after another, as the definition of the boundary reads."""
    size, found = len(signal), []
    for i in range(-reach, size + reach):
        if boundary == "periodic":
            found.append(signal[i % size])
        elif boundary == "reflect":
            j = i % (2 * size)
            found.append(signal[j] if j < size else signal[2 * size - 1 - j])
        elif boundary == "mirror":
            j = i % (2 * size - 2) if size > 1 else 0
            found.append(signal[j] if j < size else signal[2 * size - 2 - j])
        else:
            j = (i + 1) % (2 * size + 2)
            padded = [0.0, *signal, 0.0, *(-v for v in reversed(signal))]
            found.append(padded[j])
    return np.array(found)


def dense(signal, sigma, order, boundary):
    """Differences of the extended signal, then the sum with exp(-t) I_n(t)."""
    reach = 60
    values = extended(signal, boundary, reach + 3)
    for _ in range(order // 2):
        values = values[2:] - 2 * values[1:-1] + values[:-2]
    if order % 2:
        values = (values[2:] - values[:-2]) / 2
    taps = ive(np.abs(np.arange(-reach, reach + 1)), sigma**2)
    lost = (len(values) - len(signal)) // 2
    return np.convolve(values, taps, "same")[lost : lost + len(signal)]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 17])
def test_equals_the_dense_sum_at_any_sigma_and_order(boundary, size):
    signal = np.random.default_rng(size).normal(size=size)
    for order in range(5):
        for sigma in (0.0, 0.05, 0.7, 3.0):
            found = derivative(signal, sigma, order, boundary=boundary)
            np.testing.assert_allclose(
                found, dense(list(signal), sigma, order, boundary), rtol=0, atol=1e-12
            )


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_spectral_kernel_equals_the_smoothed_gaussian_in_closed_form(boundary, order):
    x, center, width, sigma = np.arange(120) - 60.25, 0.0, 5.0, 3.0
    wide = math.hypot(width, sigma)
    u = (x - center) / wide
    hermite = np.polynomial.hermite_e.hermeval(u, [0] * order + [1])
    bell = width / wide * np.exp(-0.5 * u * u) * hermite * (-1 / wide) ** order
    signal = np.exp(-0.5 * ((x - center) / width) ** 2)
    found = derivative(signal, sigma, order, kernel="spectral", boundary=boundary)
    np.testing.assert_allclose(found, bell, rtol=0, atol=1e-13)


def stated(sigmas, order):
    eps = np.finfo(float).eps
    return 1e-12 + (8 if order <= 2 else 16) * eps * np.asarray(sigmas) ** max(order, 2)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("order", "kernel"),
    [(0, "discrete"), (1, "spectral"), (2, "discrete"), (3, "discrete"), (4, "spectral")],
)
def test_a_long_signal_in_pieces_equals_the_whole(boundary, order, kernel, monkeypatch):
    noise = np.random.default_rng(1).normal(size=140_000)
    signals = np.stack([noise, np.cumsum(noise)])
    sigmas = np.array([2.5, 20.0, 100.0])
    assert long.is_long(noise.size, 100.0, 2.5, kernel)
    cut = derivative(signals, sigmas, order, kernel=kernel, boundary=boundary)
    monkeypatch.setattr(long, "LONG", 1 << 40)
    whole = derivative(signals, sigmas, order, kernel=kernel, boundary=boundary)
    size = np.abs(whole).max(axis=-1)
    assert (np.abs(cut - whole).max(axis=-1) <= stated(sigmas, order) * size).all()


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no extended precision here")
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_the_error_against_extended_precision_is_as_stated(order):
    signal, sigmas = np.random.default_rng(6).normal(size=600), [0.3, 2.0, 20.0, 60.0]
    place = np.arange(600, dtype=np.longdouble) + np.longdouble(0.5)
    pi = 4 * np.arctan(np.longdouble(1))
    omega = np.arange(600, dtype=np.longdouble) * pi / 600
    waves = np.cos(omega[:, None] * place)
    norm = np.where(np.arange(600) == 0, 1, 2) / np.longdouble(600)
    power = norm * (waves @ signal) * (-4 * np.sin(omega / 2) ** 2) ** (order // 2)
    back = -np.sin(omega)[:, None] * np.sin(omega[:, None] * place) if order % 2 else waves
    for sigma in sigmas:
        exact = (power * np.exp(-2 * (sigma * np.sin(omega / 2)) ** 2)) @ back
        error = np.abs(derivative(signal, sigma, order) - exact).max() / np.abs(exact).max()
        assert error <= stated(sigma, order)


@pytest.mark.parametrize("sigmas", [[0.5, 1.0], [2.0, 30.0]])
def test_pieces_of_fine_spectral_scales_are_refused(sigmas):
    with pytest.raises(ValueError, match="needs the whole signal at sigma"):
        pieces(np.zeros(300), np.array(sigmas), kernel="spectral")
    assert list(pieces(np.zeros(300), np.array([2.5]), kernel="spectral"))
    assert list(pieces(np.zeros(300), np.empty(0), kernel="spectral")) == []


def test_a_long_signal_at_fine_spectral_scales_stays_whole():
    assert not long.is_long(1 << 20, 100.0, 0.5, "spectral")
    assert long.is_long(1 << 20, 100.0, 0.5, "discrete")


def test_no_baseline_leaks_into_a_derivative():
    signal = np.random.default_rng(2).integers(0, 1000, 300) / 1024.0
    for sigma in (0.05, 1.0, 30.0):
        plain, high = derivative([signal, signal + 2.0**30], sigma)
        # The samples above the baseline are exact, so that only the transform can differ.
        np.testing.assert_array_equal(plain, high)


def test_kernels_agree_at_coarse_scales_and_variances_add():
    signal = np.random.default_rng(3).normal(size=200)
    two = smooth(smooth(signal, 3.0), 4.0)
    np.testing.assert_allclose(two, smooth(signal, 5.0), rtol=0, atol=1e-13)


def test_many_scales_and_an_output_array_give_the_same_bits():
    signals = np.random.default_rng(4).normal(size=(37, 50))
    sigmas = [0.0, 0.5, 7.0]
    out = np.empty((37, 3, 50))
    assert derivative(signals, sigmas, out=out).base is out
    for i, sigma in enumerate(sigmas):
        np.testing.assert_array_equal(out[:, i], derivative(signals, sigma))
    np.testing.assert_array_equal(out[5], derivative(signals[5], sigmas))


def test_noise_gain_is_the_spread_of_smoothed_noise():
    noise = np.random.default_rng(5).normal(size=(20, 20_000))
    for sigma in (0.0, 0.4, 2.0):
        assert derivative(noise, sigma).std() == pytest.approx(noise_gain(sigma), rel=0.02)


@pytest.mark.parametrize("order", [0, 2, 4])
@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.7, 3.0, 30.0, 1e3, 3e3, 1e4, 3e4, 1e6, 1e8, 2e9])
def test_noise_gain_is_the_power_that_the_filter_passes(sigma, order):
    # Parseval: Gauss's quadrature over the frequencies that pass; beyond 12 / sigma is exp(-144).
    node, weight = np.polynomial.legendre.leggauss(200)
    end = min(math.pi, 12.0 / max(sigma, 1e-9))
    twice = 2.0 * np.sin(0.25 * end * (node + 1.0))
    power = twice ** (2 * order) * np.exp(-((sigma * twice) ** 2))
    variance = 0.5 * end * (weight @ power) / math.pi
    assert noise_gain(sigma, order) == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_noise_gain_at_fine_scales_is_the_spread_of_the_taps():
    for sigma in (0.0, 0.3, 2.0):
        lags = ive(np.arange(3), 2.0 * sigma**2)
        expected = math.sqrt(6.0 * lags[0] - 8.0 * lags[1] + 2.0 * lags[2])
        assert noise_gain(sigma) == pytest.approx(expected, rel=1e-12)
    assert noise_gain(1e100) == pytest.approx(math.sqrt(3 / (8 * math.sqrt(math.pi))) * 1e-250)
    for arguments, words in (((1.0, 1), "even"), ((-1.0,), "sigma"), (([1.0, 2.0],), "sigma")):
        with pytest.raises(ValueError, match=words):
            noise_gain(*arguments)


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 9))),
    st.floats(0, 1e3), st.integers(0, 4), st.sampled_from(BOUNDARIES),
    st.sampled_from(["discrete", "spectral"]),
)  # fmt: skip
def test_any_doubles_give_numbers_or_a_row_of_nan(signals, sigma, order, boundary, kernel):
    found = derivative(signals, sigma, order, boundary=boundary, kernel=kernel)
    assert found.shape == signals.shape
    usable = (np.abs(signals) <= 1e300).all(axis=1)
    assert np.isfinite(found[usable]).all()
    assert np.isnan(found[~usable]).all()


@settings(deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(-100, 100)), st.floats(0, 20))
def test_reflection_and_the_sum_are_kept(signal, sigma):
    smoothed = smooth(signal, sigma)
    np.testing.assert_allclose(smooth(signal[::-1], sigma), smoothed[::-1], rtol=0, atol=1e-11)
    assert smoothed.sum() == pytest.approx(signal.sum(), abs=1e-9)
    assert smoothed.max() <= signal.max() + 1e-9


def test_integers_and_huge_scales():
    np.testing.assert_allclose(smooth(np.arange(5), 1e90), 2.0)
    assert derivative(np.ones((2, 4), int), [1.0, 1e90]).shape == (2, 2, 4)
    assert halo(0) == 8


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([1j], 1), {}, "real numbers"),
        ((np.zeros((1, 2, 3)), 1), {}, r"shape \(1, 2, 3\)"),
        (([1.0], -1), {}, "sigma"),
        (([1.0], math.nan), {}, "sigma"),
        (([1.0], "x"), {}, "sigma"),
        (([1.0], 1, 5), {}, "order"),
        (([1.0], 1, True), {}, "order"),
        (([1.0], 1, 2.0), {}, "order"),
        (([1.0], 1), {"kernel": "sampled"}, "kernel"),
        (([1.0], 1), {"boundary": "nearest"}, "boundary"),
        (([1.0], 1), {"out": np.empty(2)}, "out"),
    ],
)
def test_bad_arguments_are_named(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        derivative(*arguments, **options)
