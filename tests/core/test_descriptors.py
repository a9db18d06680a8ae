"""Descriptors against a literal version, known noise and hostile values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.descriptors import Descriptors, describe

NAMES = ("length", "finite_fraction", "minimum", "maximum", "mean", "noise")


def literal(signal):
    """One signal, as the definitions read."""
    finite = [v for v in signal if math.isfinite(v)]
    gaps = [
        abs(2 * signal[i] - signal[i - 2] - signal[i + 2])
        for i in range(2, len(signal) - 2)
        if all(math.isfinite(signal[j]) for j in (i - 2, i, i + 2))
    ]
    return {
        "length": len(signal),
        "finite_fraction": len(finite) / len(signal) if len(signal) else math.nan,
        "minimum": min(finite, default=math.nan),
        "maximum": max(finite, default=math.nan),
        "mean": math.fsum(finite) / len(finite) if finite else math.nan,
        "noise": 1.482602 / math.sqrt(6) * np.median(gaps) if gaps else math.nan,
    }


def row(found: Descriptors, series: int):
    return [getattr(found, name)[series] for name in NAMES]


ordinary = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])


@settings(deadline=None)
@given(st.lists(ordinary, max_size=40))
def test_equals_the_literal_version(signal):
    found = describe(np.array([signal], dtype=np.float64).reshape(1, -1))
    expected = literal(signal)
    for name in NAMES:
        np.testing.assert_allclose(
            getattr(found, name)[0], expected[name], rtol=1e-12, atol=1e-9, err_msg=name
        )


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(0, 12))))
def test_any_doubles_give_defined_values(signals):
    found = describe(signals)
    finite = np.isfinite(signals).any(axis=1)
    np.testing.assert_array_equal(np.isnan(found.mean), ~finite)
    assert (found.minimum[finite] <= found.mean[finite]).all()
    assert (found.mean[finite] <= found.maximum[finite]).all()
    assert not (found.noise < 0).any()


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 15))), st.data())
def test_a_row_depends_on_its_own_samples_alone(signals, data):
    series, samples = signals.shape
    length = [data.draw(st.integers(0, samples)) for _ in range(series)]
    together = describe(signals, length)
    wider = np.full((series, samples + 7), 1e300)
    wider[:, :samples] = signals
    padded = describe(wider, length)
    for i, count in enumerate(length):
        alone = describe(signals[i : i + 1, :count])
        for other in (row(together, i), row(padded, i)):
            assert np.array(other).tobytes() == np.array(row(alone, 0)).tobytes()


@pytest.mark.parametrize("sigma", [1e-12, 1.0, 3e7])
def test_white_noise_is_recovered_within_three_percent(sigma):
    noise = np.random.default_rng(3).normal(scale=sigma, size=(8, 100_000))
    np.testing.assert_allclose(describe(noise).noise, sigma, rtol=0.03)


def test_noise_ignores_what_is_smooth_what_is_rare_and_gaps():
    rng = np.random.default_rng(5)
    sample = np.arange(100_000)
    signal = rng.normal(size=sample.size) + 1e3 * np.sin(sample / 3000) + 1e-3 * sample
    signal[rng.integers(0, sample.size, 200)] += 1e6
    signal[rng.integers(0, sample.size, 5000)] = np.nan
    assert describe(signal[None]).noise == pytest.approx(1.0, rel=0.03)


def test_noise_scales_exactly_with_powers_of_two():
    noise = np.random.default_rng(7).normal(size=(1, 1000))
    assert describe(noise * 2.0**900).noise == describe(noise).noise * 2.0**900
    assert describe(noise * 2.0**-900).noise == describe(noise).noise * 2.0**-900


CASES = {
    "empty": ([], (0, math.nan, math.nan, math.nan, math.nan, math.nan)),
    "one": ([2.0], (1, 1.0, 2.0, 2.0, 2.0, math.nan)),
    "two": ([2.0, 4.0], (2, 1.0, 2.0, 4.0, 3.0, math.nan)),
    "constant": ([0.1] * 9, (9, 1.0, 0.1, 0.1, 0.1, 0.0)),
    "all NaN": ([math.nan] * 9, (9, 0.0, math.nan, math.nan, math.nan, math.nan)),
    "infinite": ([math.inf, -math.inf, 5.0], (3, 1 / 3, 5.0, 5.0, 5.0, math.nan)),
    "huge": ([1.7e308] * 9, (9, 1.0, 1.7e308, 1.7e308, 1.7e308, 0.0)),
    "denormal": ([5e-324] * 9, (9, 1.0, 5e-324, 5e-324, 5e-324, 0.0)),
    "zero": ([0.0] * 9, (9, 1.0, 0.0, 0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_extreme_signals(name):
    signal, expected = CASES[name]
    found = describe(np.array(signal, dtype=np.float64).reshape(1, -1))
    np.testing.assert_array_equal(row(found, 0), expected)


def test_an_empty_batch():
    found = describe(np.empty((0, 5)), np.empty(0))
    assert all(getattr(found, name).shape == (0,) for name in NAMES)


def test_the_mean_keeps_digits_that_a_plain_sum_loses():
    signal = np.array([[1e16, 1.0, -1e16] * 1000])
    assert describe(signal).mean == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("signals", "length", "words"),
    [
        (np.zeros(3), None, r"shape \(3,\); \(series, sample\)"),
        (np.zeros((2, 3)), [1], "one integer for each of 2 series"),
        (np.zeros((2, 3)), [1.0, 2.0], "float64"),
        (np.zeros((2, 3)), [1, 4], "lengths of 1 to 4; 0 to 3"),
        (np.zeros((2, 3)), [-1, 3], "lengths of -1 to 3"),
    ],
)
def test_bad_arguments_are_named(signals, length, words):
    with pytest.raises(ValueError, match=words):
        describe(signals, length)
