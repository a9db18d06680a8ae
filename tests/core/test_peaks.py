"""Decompositions against certified values, known truth, other optimisers and hostile signals."""

import importlib.util
import math
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares
from scipy.signal import lfilter

from benchmarks import _gaussian_protocol as protocol
from benchmarks import scale_space as benchmark
from core.peaks import DecomposeParams, Status, decompose, uncertainty
from core.peaks import _fit_kernels as kernels
from core.peaks._fit_kernels import Curve, Effort, Rules, fit, linearised, profile, residual_of
from core.peaks.ladder import ladder_for
from core.peaks.search import Search

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "examples" / "archive" / "economy" / "us_jobs_monthly.csv"
NIST = ROOT.parent / "shared" / "data" / "scale_space" / "Gauss1.dat"


def gaussians(x, *components):
    return sum(a * np.exp(-0.5 * ((x - c) / s) ** 2) for a, c, s in components)


def blend(seed=0, noise=0.02):
    x = np.arange(300.0)
    clean = gaussians(x, (1.0, 110.0, 12.0), (0.7, 145.0, 9.0), (0.5, 230.0, 15.0))
    return x, clean + np.random.default_rng(seed).normal(scale=noise, size=x.size)


def test_nist_gauss1_to_ten_digits_without_starting_values():
    digits = benchmark.certified()
    assert min(min(pair) for pair in digits.values()) >= 10


@pytest.mark.skipif(not NIST.is_file(), reason="Gauss1.dat is not in shared/data/scale_space")
def test_the_original_file_of_nist_gives_the_certified_rss():
    y, x = np.loadtxt(NIST, skiprows=60).T
    found = decompose(x, y[None], DecomposeParams(baseline="exponential"))
    assert found.n_components[0] == 2
    assert found.rss[0] == pytest.approx(1.3158222432e3, rel=1e-10)
    assert found.noise[0] == pytest.approx(2.3317980180, rel=1e-10)
    assert not found.lack_of_fit[0]


@pytest.mark.parametrize("baseline", ["none", "constant", "linear", "exponential"])
def test_the_optimum_and_its_errors_are_those_of_another_optimiser(baseline):
    x, y = blend()
    base = {
        "none": lambda b: 0 * x, "constant": lambda b: b[0] + 0 * x,
        "linear": lambda b: b[0] + b[1] * x, "exponential": lambda b: b[0] * np.exp(-b[1] * x),
    }[baseline]  # fmt: skip
    truth = {"none": [], "constant": [3.0], "linear": [3.0, 0.01], "exponential": [3.0, 0.004]}
    y = y + base(truth[baseline])
    found = decompose(x, [y], DecomposeParams(baseline=baseline))
    assert found.n_components[0] == 3

    def residual(p):
        return gaussians(x, *p[:9].reshape(3, 3)) + base(p[9:]) - y

    start = [1, 110, 12, 0.7, 145, 9, 0.5, 230, 15, *truth[baseline]]
    other = least_squares(residual, start, method="lm", xtol=1e-13, ftol=1e-13, gtol=1e-13)
    errors = np.sqrt(
        np.diag(np.linalg.inv(other.jac.T @ other.jac)) * 2 * other.cost / (300 - len(start))
    )
    assert found.rss[0] == pytest.approx(2 * other.cost, rel=1e-9)
    for part, name in enumerate(("amplitude", "center", "sigma")):
        np.testing.assert_allclose(getattr(found, name)[0, :3], other.x[part:9:3], rtol=1e-5)
        error = getattr(found, f"{name}_error")[0, :3]
        np.testing.assert_allclose(error, errors[part:9:3], rtol=2e-3)
    count = len(truth[baseline])
    np.testing.assert_allclose(found.baseline[0, :count], other.x[9:], rtol=1e-4)
    np.testing.assert_allclose(found.baseline_error[0, :count], errors[9:], rtol=2e-3)
    assert np.isnan(found.baseline[0, count:]).all()


@pytest.mark.skipif(importlib.util.find_spec("lmfit") is None, reason="lmfit is not installed")
def test_lmfit_agrees():
    models = importlib.import_module("lmfit.models")
    x, y = blend()
    model = sum((models.GaussianModel(prefix=f"g{k}_") for k in range(1, 3)),
                models.GaussianModel(prefix="g0_")) + models.ConstantModel()  # fmt: skip
    start = dict(c=0.0)
    for k, (a, c, s) in enumerate([(1, 110, 12), (0.7, 145, 9), (0.5, 230, 15)]):
        start |= {f"g{k}_amplitude": a * s * 2.5, f"g{k}_center": c, f"g{k}_sigma": s}
    theirs = model.fit(y, x=x, **start)
    found = decompose(x, [y])
    assert found.rss[0] == pytest.approx(theirs.chisqr, rel=1e-6)
    for k in range(3):
        assert found.center[0, k] == pytest.approx(theirs.params[f"g{k}_center"].value, rel=1e-5)


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_derivatives_of_the_model_equal_differences(kind):
    x = np.linspace(0, 40, 55)
    p, base = np.array([[0.3, 12.0, 1.0], [-0.5, 20.0, 1.4]]), np.array([0.7, 0.02])
    curve = Curve(x, np.zeros_like(x), kind, False)
    size = 6 + (0, 1, 2, 2)[kind]
    rows, span = np.zeros((size, x.size)), np.zeros((size, 2), np.int64)
    kernels._write_rows(curve, p, base, 8.0, rows, span, np.empty(x.size))

    def model(q):
        return -residual_of(curve, q[:6].reshape(2, 3), q[6:], 8.0)

    q = np.concatenate([p.ravel(), base])
    for i in range(size):
        step = 1e-6 * np.eye(8)[i]
        slope = (model(q + step) - model(q - step)) / 2e-6
        inside = slice(*span[i])
        np.testing.assert_allclose(rows[i, inside], slope[inside], atol=1e-8)


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_products_of_the_derivatives_equal_those_of_another_library(kind):
    rng = np.random.default_rng(kind)
    x = np.sort(rng.uniform(0, 200, 261)) if kind % 2 else np.arange(261.0)
    p = np.stack([rng.normal(size=4), rng.uniform(20, 180, 4), rng.uniform(-1, 3.5, 4)], axis=1)
    curve = Curve(x, rng.normal(size=x.size), kind, kind % 2 == 0)
    size = 12 + (0, 1, 2, 2)[kind]
    rows, span = np.full((size, x.size), math.nan), np.empty((size, 2), np.int64)
    residual, gram, right = np.empty(x.size), np.empty((size, size)), np.empty(size)
    kernels._write_rows(curve, p, np.array([0.7, 0.02]), 9.0, rows, span, residual)
    kernels._products(curve, p, rows, span, residual, gram, right)
    inside = (np.arange(x.size) >= span[:, :1]) & (np.arange(x.size) < span[:, 1:])
    dense = np.where(inside, rows, 0.0)
    scale = np.sqrt((dense**2).sum(axis=1))
    expected = (dense / scale[:, None]) @ (dense / scale[:, None]).T
    lower = np.tril(gram / scale / scale[:, None])
    np.testing.assert_allclose(lower, np.tril(expected), rtol=0, atol=1e-13)
    np.testing.assert_allclose(right / scale, dense @ residual / scale, rtol=0, atol=1e-12)
    _, step, inverse, good = linearised(curve, p, np.array([0.7, 0.02]), 9.0)
    assert good
    unit = np.diag(1 / scale) @ np.linalg.inv(expected) @ np.diag(1 / scale)
    np.testing.assert_allclose(inverse, unit, rtol=1e-6, atol=1e-7 * np.abs(unit).max())
    np.testing.assert_allclose(step, unit @ (dense @ residual), rtol=1e-5, atol=1e-7)


def test_bells_equal_those_of_numpy():
    u = np.linspace(-60, 60, 4801)
    out = np.empty_like(u)
    kernels._bell(3 + 2 * u, 3.0, 2.0, out)
    np.testing.assert_allclose(out, np.exp(-0.5 * u * u), rtol=0, atol=4e-16)


def test_the_protocol_is_counted_exactly():
    for snr, separation in ((10, 3.0), (30, 2.5), (100, 2.0)):
        for count in (1, 2, 4):
            rng = np.random.default_rng([snr, count])
            signals, truth = protocol.made(rng, 4, count, separation, snr)
            found = decompose(None, signals)
            np.testing.assert_array_equal(found.n_components, count)
            assert (found.status == Status.OK).all()
            assert (np.abs(found.center[:, :count] - truth[..., 1]) < 6).all()
            counted = [
                protocol.oracle(*pair, (0.75 / snr) ** 2)
                for pair in zip(signals, truth, strict=True)
            ]
            assert counted == [count] * 4


def test_noise_alone_shows_nothing():
    noise = np.random.default_rng(2).normal(size=(300, 400))
    found = decompose(None, 50 + noise)
    assert found.n_components.sum() == 0
    np.testing.assert_allclose(found.noise, 1, atol=0.2)
    assert found.lack_of_fit.sum() <= 3
    np.testing.assert_allclose(found.baseline[:, 0], 50, atol=0.3)


def test_intervals_cover_at_their_level():
    rng = np.random.default_rng(3)
    signals, truth = protocol.made(rng, 150, 2, 2.5, 30, 300)
    found = decompose(None, signals)
    inside = benchmark.coverage(found, truth)
    assert len(inside) == 300
    assert ((inside.mean(axis=0) > 0.91) & (inside.mean(axis=0) < 0.985)).all()
    for name in ("amplitude", "center", "sigma"):
        low, high = np.moveaxis(getattr(found, f"{name}_interval")[:, :2], -1, 0)
        value = getattr(found, name)[:, :2]
        assert ((low < value) & (value < high)).all()


def test_a_profile_ends_where_the_best_rss_has_risen_as_told():
    x, y = blend(noise=0.1)
    curve = Curve(x, y, 0, True)
    p, base = np.log([[1.0, 1, 12], [0.7, 1, 9], [0.5, 1, 15]]), np.zeros(2)
    p[:, 1] = 110, 145, 230
    rss, _ = fit(curve, p, base, Effort(9.0, 100, 1e-12, math.inf, -1))
    _, _, covariance, good = linearised(curve, p, base, 9.0)
    assert good
    rise = 3.84 * rss / 291
    for which in (0, 4, 8):
        shift = 2 * math.sqrt(covariance[which, which] * rss / 291)
        tangent = covariance[which] / covariance[which, which]
        moved, work = profile(curve, p, base, tangent, which, shift, rise, rss)
        assert work >= 2 * x.size * 4
        q = p.copy()
        q.flat[which] += moved
        risen, _ = fit(curve, q, base.copy(), Effort(9.0, 100, 1e-12, math.inf, which))
        assert risen - rss == pytest.approx(rise, rel=0.03)
        assert q.flat[which] == p.flat[which] + moved


def test_components_do_not_depend_on_units_order_or_company():
    x, y = blend()
    plain = decompose(x, [y])
    order = np.random.default_rng(4).permutation(x.size)
    shuffled = decompose(x[order], [y[order]])
    for one in fields(plain):
        np.testing.assert_array_equal(getattr(plain, one.name), getattr(shuffled, one.name))
    other = decompose(1e3 + 0.25 * x, [np.zeros(300), 1e8 + 1e4 * y, y[::-1]])
    assert list(other.n_components) == [0, 3, 3]
    np.testing.assert_allclose(other.center[1, :3], 1e3 + 0.25 * plain.center[0, :3], rtol=1e-5)
    np.testing.assert_allclose(other.sigma[1, :3], 0.25 * plain.sigma[0, :3], rtol=1e-4)
    np.testing.assert_allclose(other.amplitude[1, :3], 1e4 * plain.amplitude[0, :3], rtol=1e-4)
    mirrored = 1e3 + 0.25 * (299 - plain.center[0, 2::-1])
    np.testing.assert_allclose(other.center[2, :3], mirrored, rtol=1e-5)
    both = decompose(np.stack([x, x]), [y, y])
    for one in fields(plain):
        twice = getattr(both, one.name)
        np.testing.assert_array_equal(twice[0], getattr(plain, one.name)[0])
        np.testing.assert_array_equal(twice[1], getattr(plain, one.name)[0])


def test_uneven_and_repeated_abscissae_are_fitted_where_they_are():
    rng = np.random.default_rng(5)
    x = np.sort(np.concatenate([rng.uniform(0, 10, 350), np.linspace(0, 10, 150), [5.0, 5.0]]))
    y = gaussians(x, (1.0, 3.0, 0.5), (0.8, 6.0, 0.8)) + rng.normal(scale=0.02, size=x.size)
    found = decompose(x, [y])
    assert found.n_components[0] == 2
    np.testing.assert_allclose(found.center[0, :2], [3, 6], atol=0.02)
    np.testing.assert_allclose(found.sigma[0, :2], [0.5, 0.8], rtol=0.03)


SAME = """
import sys, numpy as np
from dataclasses import fields
from benchmarks import _gaussian_protocol as protocol
from core.peaks import decompose
made = [(8, 10, 2.0, 4096), (8, 100, 2.0, 1024), (3, 30, 2.0, 424)]
for k, (count, snr, apart, samples) in enumerate(made):
    signals, _ = protocol.made(np.random.default_rng(k), 2, count, apart, snr, samples)
    found = decompose(None, signals)
    for one in fields(found):
        sys.stdout.buffer.write(getattr(found, one.name).tobytes())
"""


def test_bits_do_not_depend_on_threads_process_or_what_memory_held():
    results = []
    for threads, garbage in (("1", "0"), ("2", "85")):
        told = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        env = os.environ | told | {"MALLOC_PERTURB_": garbage, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", SAME]
        results.append(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    assert len(results[0]) > 1000
    assert results[0] == results[1]


def test_crowded_signals_end_within_the_work_that_is_allowed():
    rng = np.random.default_rng(0)
    x = rng.permutation(1000.0 * np.arange(1000))
    bell = np.exp(-0.5 * ((np.arange(1000) - 500) / 30) ** 2) + rng.normal(scale=0.01, size=1000)
    found = decompose(x, [bell])
    assert found.lack_of_fit[0]
    assert found.status[0] in (Status.NOT_SETTLED, Status.NOT_DETERMINED)
    ladder, rules = ladder_for(1000), Rules(1e-4, 30.0, 16, 40)
    hunt = Search(Curve(np.arange(1000.0), bell[np.argsort(x)], 1, True), ladder, rules)
    state = hunt.descend(hunt.fitted(np.empty((0, 3)), np.zeros(2)))
    _, _, settled = hunt.run(state)
    assert settled != hunt.exhausted
    assert hunt.work < 3e8


def test_correlated_noise_is_told_and_not_decomposed():
    rng = np.random.default_rng(6)
    white = rng.normal(size=(20, 900))
    noise = np.empty_like(white)
    noise[:, 0] = white[:, 0]
    for i in range(1, 900):
        noise[:, i] = 0.5 * noise[:, i - 1] + white[:, i]
    peak = 20 * gaussians(np.arange(900.0), (1.0, 400.0, 20.0))
    found = decompose(None, peak + noise)
    assert found.correlated.mean() > 0.8
    assert (found.n_components == 1).mean() >= 0.9
    np.testing.assert_allclose(found.lag1[found.correlated], 0.5, atol=0.15)
    # The error of the height counts the noise at low frequencies: twice the white formula's.
    spread = (found.amplitude[:, 0] - 20).std()
    assert np.median(found.amplitude_error[:, 0]) == pytest.approx(spread, rel=0.5)


@pytest.mark.parametrize("width", [0.7, 1.0, 1.5, 3.0])
def test_smoothed_noise_is_no_row_of_gaussians(width):
    rng, x = np.random.default_rng(9), np.arange(900.0)
    noise = gaussian_filter1d(rng.normal(size=(12, 900)), width, axis=1)
    noise /= noise.std()
    alone = decompose(None, noise)
    assert alone.n_components.max() == 0
    assert alone.correlated.all()
    found = decompose(None, noise + 20 * gaussians(x, (1.0, 400.0, 20.0)))
    assert list(found.n_components) == [1] * 12
    assert found.correlated.all()
    spread = (found.amplitude[:, 0] - 20).std()
    assert np.median(found.amplitude_error[:, 0]) == pytest.approx(spread, rel=0.6)


@pytest.mark.parametrize("rho", [-0.6, -0.3, 0.0, 0.3])
def test_lag1_beyond_a_tenth_is_correlated_noise(rho):
    noise = lfilter([1], [1, -rho], np.random.default_rng(10).normal(size=(30, 1000)))[:, 100:]
    found = decompose(None, noise)
    assert found.n_components.max() == 0
    np.testing.assert_allclose(found.lag1.mean(), rho, atol=0.02)
    assert found.correlated.mean() == (rho != 0)
    assert found.lack_of_fit.mean() <= 0.04


def test_what_plainly_misses_the_signal_is_flagged_though_neighbours_are_alike():
    rng, x = np.random.default_rng(12), np.arange(300.0)
    noise = lfilter([1], [1, -0.7], 0.2 * rng.normal(size=(10, 300)))
    found = decompose(x, 3 * np.sin(x / 15) + noise)
    assert found.correlated.all()
    assert (found.noise > 3 * noise.std()).all()
    assert found.lack_of_fit.all()
    assert not decompose(x, noise).lack_of_fit.any()
    months = JOBS.read_text().splitlines()[1:]
    jobs = decompose(None, [[float(month.split(",")[1]) for month in months]])
    assert jobs.noise[0] > 30 * jobs.difference_noise[0]
    assert jobs.lack_of_fit[0]


def test_a_skewed_peak_is_flagged_or_exact_never_hidden():
    x, rng = np.arange(400.0), np.random.default_rng(7)
    step = 10 * (np.abs(x - 200) < 40) + rng.normal(scale=0.1, size=400)
    found = decompose(x, [step], DecomposeParams(max_components=2))
    assert found.lack_of_fit[0]


def test_noise_free_and_quantised_signals():
    x = np.arange(300.0)
    clean = gaussians(x, (1.0, 100.0, 10.0), (0.5, 140.0, 12.0))
    for signal in (clean, 7 + clean, np.round(1000 * clean), np.round(200 * clean).astype(int)):
        found = decompose(x, [signal])
        assert found.n_components[0] == 2
        np.testing.assert_allclose(found.center[0, :2], [100, 140], atol=0.3)
    np.testing.assert_allclose(decompose(x, [clean]).sigma[0, :2], [10, 12], rtol=1e-6)


def test_known_noise_is_taken():
    x, y = blend()
    deaf = decompose(x, [y], DecomposeParams(noise=10.0))
    assert deaf.n_components[0] == 0
    found = decompose(x, [y], DecomposeParams(noise=0.04))
    usual = decompose(x, [y], DecomposeParams(noise=0.02))
    np.testing.assert_allclose(found.amplitude_error, 2 * usual.amplitude_error, rtol=1e-6)


GAUSS1 = ROOT / "examples" / "archive" / "reference" / "nist_gauss1_generated.csv"
SLOPE = 0.01 * np.arange(300.0)


def test_components_at_a_bound_are_not_passed_off_as_determined():
    x, rng = np.arange(300.0), np.random.default_rng(3)
    peak = gaussians(x, (1.0, 100.0, 10.0)) + rng.normal(scale=0.01, size=300)
    narrow = gaussians(x, (1.0, 150.3, 0.2)) + rng.normal(scale=0.01, size=300)
    found = decompose(x, [peak, peak + SLOPE, narrow])
    assert list(found.status[:2]) == [Status.OK, Status.NOT_DETERMINED]
    assert found.status[2] != Status.OK
    span = 299.0
    for i in (1, 2):
        count = found.n_components[i]
        center, sigma = found.center[i, :count], found.sigma[i, :count]
        outside = (center < -0.199 * span) | (center > 1.199 * span)
        at_bound = outside | (sigma > 0.999 * span) | (sigma < 0.301)
        assert at_bound.any()
        assert np.isnan(found.center_error[i, :count][at_bound]).all()
        assert np.isnan(found.amplitude_interval[i, :count][at_bound]).all()
    assert np.isfinite(found.center_error[0, :1]).all()


def test_auto_takes_the_baseline_that_suffices():
    x, rng = np.arange(300.0), np.random.default_rng(3)
    peak = gaussians(x, (1.0, 100.0, 10.0)) + rng.normal(scale=0.01, size=300)
    auto = DecomposeParams(baseline="auto")
    found = decompose(x, [peak, peak + SLOPE, peak + 3 * np.exp(-x / 80)], auto)
    assert list(found.baseline_kind) == [1, 2, 3]
    assert list(found.n_components) == [1, 1, 1]
    assert (found.status == Status.OK).all()
    np.testing.assert_allclose(found.baseline[1:, 1], [0.01, 1 / 80], rtol=0.02)
    for i, kind in enumerate(("constant", "linear", "exponential")):
        signal = [peak + (0 * x, SLOPE, 3 * np.exp(-x / 80))[i]]
        told = decompose(x, signal, DecomposeParams(baseline=kind))
        for one in fields(found):
            np.testing.assert_array_equal(getattr(told, one.name)[0], getattr(found, one.name)[i])


def test_auto_finds_the_two_gaussians_of_nist():
    x, y = np.loadtxt(GAUSS1, delimiter=",", skiprows=1).T
    found = decompose(x, [y], DecomposeParams(baseline="auto"))
    assert (found.n_components[0], found.baseline_kind[0], found.status[0]) == (2, 3, Status.OK)
    np.testing.assert_allclose(found.center[0, :2], [67.481111276, 178.99805021], rtol=1e-9)


@pytest.mark.parametrize("start", [0.0, 1e3, 1e5, 1e8])
def test_an_exponential_far_from_zero_counts_from_the_first_x(start):
    x, rng = np.arange(300.0), np.random.default_rng(4)
    y = gaussians(x, (1.0, 100.0, 10.0)) + 2 * np.exp(-0.02 * x)
    y += rng.normal(scale=0.01, size=300)
    found = decompose(start + x, [y], DecomposeParams(baseline="exponential"))
    assert found.baseline_origin[0] == start
    np.testing.assert_allclose(found.baseline[0], [2.0, 0.02], rtol=0.02)
    assert (found.baseline_error[0] < [0.02, 0.001]).all()


@pytest.mark.parametrize("ratio", [10, 50, 1000])
def test_narrow_peaks_where_samples_are_dense(ratio):
    rng = np.random.default_rng(1)
    x = np.concatenate([np.arange(300.0), 300 + np.arange(200) / ratio])
    y = gaussians(x, (1.0, 100.0, 10.0), (1.0, 300 + 100 / ratio, 10 / ratio))
    found = decompose(x, [y + rng.normal(scale=0.01, size=500)])
    assert (found.n_components[0], found.status[0]) == (2, Status.OK)
    np.testing.assert_allclose(found.sigma[0, :2], [10, 10 / ratio], rtol=0.02)
    spread = np.geomspace(0.1, 1000, 600)
    y = gaussians(spread, (1.0, 0.3, 0.03)) + rng.normal(scale=0.01, size=600)
    found = decompose(spread, [y])
    assert found.n_components[0] == 1
    assert found.sigma[0, 0] == pytest.approx(0.03, rel=0.03)


def test_a_line_is_straight_on_any_abscissae():
    x = np.random.default_rng(2).uniform(0, 100, 300)
    for start in (0.0, 1e6):
        found = decompose(start + x, [2 * (start + x) + 1])
        assert (found.status[0], found.n_components[0]) == (Status.STRAIGHT, 0)
    gap = np.concatenate([np.arange(100.0), np.arange(120.0, 300.0)])
    assert decompose(gap, [0.1 * gap]).status[0] == Status.STRAIGHT
    assert decompose(gap, [0.1 * gap + 1e-9 * gap**2]).status[0] != Status.STRAIGHT


def test_long_signals_settle():
    x = np.arange(60_000.0)
    clean = gaussians(x, (1.0, 20e3, 3e3), (0.5, 30e3, 1.2e3))
    found = decompose(x, [clean + np.random.default_rng(1).normal(scale=0.05, size=x.size)])
    assert (found.n_components[0], found.status[0]) == (2, Status.OK)
    np.testing.assert_allclose(found.sigma[0, :2], [3e3, 1.2e3], rtol=0.02)


def test_intervals_end_within_bounds_and_with_the_work_of_a_search(monkeypatch):
    x, y = np.arange(120.0), np.random.default_rng(5).normal(size=(40, 120)).cumsum(axis=1)
    found = decompose(x, y)
    assert found.profiled.any()
    sure = np.isfinite(found.sigma_error)
    assert sure.sum() > 40
    low, high = found.sigma_interval[sure].T
    assert (low > 0.29).all()
    assert (high < 120.1).all()
    for name in ("amplitude", "center", "sigma"):
        low, high = getattr(found, f"{name}_interval")[sure].T
        assert ((low <= getattr(found, name)[sure]) & (getattr(found, name)[sure] <= high)).all()
        assert np.isfinite(high).all()
    told = np.isfinite(found.sigma)
    unsure = (told & ~sure).any(axis=1)
    assert (found.status[unsure] != Status.OK).all()
    monkeypatch.setattr(uncertainty, "allowed", lambda samples: 0.0)
    wald = decompose(x, y, DecomposeParams(intervals="wald"))
    np.testing.assert_array_equal(decompose(x, y).sigma_interval, wald.sigma_interval)


def test_two_dips_raise_no_warning():
    x = np.arange(300.0)
    y = 2 * gaussians(x, (1.0, 100.0, 10.0), (0.5, 150.0, 12.0))
    y += np.random.default_rng(0).normal(scale=0.02, size=300)
    for baseline in ("none", "constant", "linear", "exponential", "auto"):
        found = decompose(None, [-y], DecomposeParams(baseline=baseline))
        assert found.status[0] != Status.OK or found.lack_of_fit[0]


def test_an_exponential_beyond_all_numbers_raises_no_warning():
    x = np.linspace(1.9, 3.9, 50)
    units = uncertainty.Units.of(x, np.ones(50), "exponential")
    values, errors = units.baseline(3, np.array([1.0, 50.0]), 1e200 * np.eye(2))
    assert values[0] == math.inf
    assert not np.isfinite(errors[0])
    assert values[1] == pytest.approx(50.0 / units.step)


CASES = {
    "empty": ([], Status.TOO_SHORT),
    "one": ([1.0], Status.TOO_SHORT),
    "three": ([1, 2, 1], Status.TOO_SHORT),
    "seven": ([0.0] * 7, Status.TOO_SHORT),
    "eight zeros": ([0.0] * 8, Status.STRAIGHT),
    "constant": ([1e8] * 50, Status.STRAIGHT),
    "ramp": (list(range(50)), Status.STRAIGHT),
    "nan": ([math.nan] + [0.0] * 49, Status.NOT_FINITE),
    "infinite": ([math.inf, -math.inf] + [0.0] * 49, Status.NOT_FINITE),
    "huge": ([1e200] + [0.0] * 49, Status.NOT_FINITE),
    "spike": ([0.0] * 25 + [1.0] + [0.0] * 25, Status.OK),
    "alternating": ([0.0, 1.0] * 25, Status.OK),
    "step": ([0.0] * 25 + [1.0] * 25, Status.OK),
    "large": ([1e149 * v for v in (0, 0, 0, 1, 3, 1, 0, 0, 0, 0)], Status.OK),
    "tiny": ([5e-324 * v for v in (0, 0, 0, 1, 3, 1, 0, 0, 0, 0)], Status.OK),
    "both": ([0, 0, 0, 2.6e-118, 0, 0, 0, 0, 1.5e44, 0], Status.OK),
    "booleans": ([False] * 20 + [True] * 9 + [False] * 20, Status.OK),
}


@pytest.mark.parametrize("baseline", ["none", "constant", "linear", "exponential", "auto"])
@pytest.mark.parametrize("name", CASES)
def test_extreme_signals(name, baseline):
    signal, status = CASES[name]
    found = decompose(None, [signal], DecomposeParams(baseline=baseline))
    fitted = {Status.OK, Status.NOT_SETTLED, Status.NOT_DETERMINED}
    assert found.status[0] in (fitted if status == Status.OK else {status})
    count = found.n_components[0]
    assert np.isfinite(found.amplitude[0, :count]).all()
    assert np.isnan(found.amplitude[0, count:]).all()
    if status not in (Status.OK,):
        assert count == 0


@pytest.mark.parametrize(
    "x", [np.zeros(50), np.full(50, math.nan), np.append(np.arange(49.0), math.inf)]
)
def test_bad_abscissae_have_a_status(x):
    assert decompose(x, [np.arange(50) % 7]).status[0] == Status.BAD_X


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 2), st.integers(8, 24))),
    st.sampled_from(["none", "constant", "linear", "exponential"]),
)
def test_any_doubles_end_with_a_status(signals, baseline):
    found = decompose(None, signals, DecomposeParams(baseline=baseline, max_rounds=3))
    for i, count in enumerate(found.n_components):
        assert found.status[i] in list(Status)
        assert (found.amplitude[i, :count] >= 0).all()
        assert (found.sigma[i, :count] > 0).all()
        alone = decompose(
            None, signals[i : i + 1], DecomposeParams(baseline=baseline, max_rounds=3)
        )
        np.testing.assert_array_equal(alone.center[0], found.center[i])


def test_caps_are_kept():
    x = np.arange(2000.0)
    crowd = gaussians(x, *((1.0, 50.0 + 60 * k, 8.0) for k in range(30)))
    found = decompose(x, [crowd + np.random.default_rng(8).normal(scale=0.01, size=2000)])
    assert found.n_components[0] == 16
    assert found.lack_of_fit[0]


def test_no_series_and_integers():
    assert decompose(None, np.empty((0, 50))).center.shape == (0, 16)
    assert ladder_for(3).sigma.size == 1


def test_the_noise_of_every_scale_of_a_long_signal_is_known():
    ladder = ladder_for(10**7)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    for sigma, stride, gain in zip(ladder.sigma, ladder.stride, ladder.gain, strict=True):
        # The second difference's gain by its transfer, 2 - 2 cos(stride w), over all frequencies.
        most = min(math.pi, 9.0 / sigma)
        w, weight = 0.5 * most * (nodes + 1.0), 0.5 * most * weights
        kernel = np.exp(-4.0 * sigma**2 * np.sin(0.5 * w) ** 2)
        exact = (weight * kernel * (2.0 - 2.0 * np.cos(stride * w)) ** 2).sum() / math.pi
        assert gain == pytest.approx(math.sqrt(exact), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baseline": "cubic"}, "baseline"), ({"max_components": 0}, "max_components"),
        ({"max_components": 2.0}, "max_components"), ({"penalty": -1}, "penalty"),
        ({"noise": 0.0}, "noise"), ({"confidence": 1.0}, "confidence"),
        ({"intervals": "bayes"}, "intervals"), ({"max_rounds": 0}, "max_rounds"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        DecomposeParams(**options)


@pytest.mark.parametrize(
    ("x", "signals", "words"),
    [
        (None, np.zeros(9), "signals"), (None, [["a"]], "signals"),
        (np.zeros(3), np.zeros((1, 9)), "x must"), (["a"] * 9, np.zeros((1, 9)), "x must"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(x, signals, words):
    with pytest.raises(ValueError, match=words):
        decompose(x, signals)
