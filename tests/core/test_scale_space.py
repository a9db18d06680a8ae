"""Crossings against brute force and theory, the tree's invariants, and hostile signals."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ive

from core.noise import noise_level
from core.scale_space import (
    ScaleParams,
    StableParams,
    Status,
    fingerprint,
    scales,
    stable_count,
)

SIGMAS = np.geomspace(0.3, 20, 198)
GAUSS1 = Path(__file__).parents[2] / "examples/archive/reference/nist_gauss1_generated.csv"


def two_gaussians():
    x = np.arange(400)
    return np.exp(-0.5 * ((x - 120) / 12) ** 2) + np.exp(-0.5 * ((x - 250) / 20) ** 2)


def crossings_of(found, series, scale):
    return slice(found.offset[series, scale], found.offset[series, scale + 1])


@pytest.mark.parametrize("base", [0.0, 1.0, 100.0, 300.0, 1e4])
def test_no_wrong_crossing_count_at_198_scales_over_any_baseline(base):
    found = fingerprint([base + two_gaussians()], SIGMAS)
    np.testing.assert_array_equal(found.count, 4)
    assert (found.increases[0], found.unlinked[0]) == (0, 0)
    assert (found.sign.reshape(-1, 4) == [-1, 1, -1, 1]).all()


@pytest.mark.parametrize("boundary", ["reflect", "mirror", "zero"])
def test_counts_equal_brute_force_on_noise(boundary):
    signal = np.random.default_rng(0).normal(size=90)
    sigmas = [0.2, 1.0, 4.0]
    found = fingerprint([signal], sigmas, ScaleParams(boundary=boundary))
    size = signal.size
    for scale, sigma in enumerate(sigmas):
        fold = {"reflect": [signal, signal[::-1]], "mirror": [signal, signal[-2:0:-1]]}
        fold["zero"] = [[0.0], signal, [0.0], -signal[::-1]]
        cycle = np.concatenate(fold[boundary])
        taps = sum(
            ive(np.abs(np.arange(cycle.size) + k * cycle.size), sigma**2) for k in range(-3, 3)
        )
        bend = np.roll(cycle, 1) - 2 * cycle + np.roll(cycle, -1)
        row = np.array(
            [taps @ bend[(i - np.arange(cycle.size)) % cycle.size] for i in range(cycle.size)]
        )
        row = row[1 : size + 1] if boundary == "zero" else row[:size]
        changes = np.flatnonzero(np.diff(np.signbit(row)))
        position = found.position[crossings_of(found, 0, scale)]
        np.testing.assert_array_equal(np.floor(position), changes)
        np.testing.assert_array_equal(
            found.sign[crossings_of(found, 0, scale)], np.where(row[changes] < 0, 1, -1)
        )


def test_invariants_hold_over_a_hundred_thousand_crossings():
    rng = np.random.default_rng(1)
    signals = np.concatenate(
        [rng.normal(size=(5, 1000)), 100 + rng.normal(size=(5, 1000)).cumsum(1)]
    )
    found = fingerprint(signals, np.geomspace(0.2, 60, 40))
    assert found.position.size > 100_000
    assert not found.increases.any()
    assert not found.unlinked.any()


def test_links_are_one_to_one_ordered_and_of_equal_sign():
    found = fingerprint(np.random.default_rng(2).normal(size=(3, 300)))
    for series in range(3):
        for scale in range(1, found.sigmas.size):
            here, finer = (crossings_of(found, series, s) for s in (scale, scale - 1))
            link = found.link[here]
            assert (np.diff(link) > 0).all()
            assert ((link >= finer.start) & (link < finer.stop)).all()
            np.testing.assert_array_equal(found.sign[link], found.sign[here])
        assert (found.link[crossings_of(found, series, 0)] == -1).all()


def test_links_have_the_least_total_distance():
    found = fingerprint(np.random.default_rng(3).normal(size=(1, 40)), [0.5, 1.0])
    fine, coarse = (crossings_of(found, 0, s) for s in (0, 1))
    a, b = found.position[fine], found.position[coarse]

    def best(i, j):
        """Least distance of linking coarse crossings from i on to fine ones from j on."""
        if i == len(b):
            return 0.0
        return min(
            (abs(b[i] - a[k]) + best(i + 1, k + 1)
             for k in range(j, len(a) - (len(b) - i) + 1)
             if found.sign[fine][k] == found.sign[coarse][i]),
            default=math.inf,
        )  # fmt: skip

    total = np.abs(found.position[found.link[coarse]] - b).sum()
    assert 3 < len(b) < len(a)
    assert total == pytest.approx(best(0, 0))


def test_spectral_positions_are_those_of_theory():
    center, width = 200.37, 8.0
    signal = np.exp(-0.5 * ((np.arange(400) - center) / width) ** 2)
    for kernel, tolerance in (("spectral", 1e-3), ("discrete", 2e-2)):
        found = fingerprint([signal], [0.5, 2.0, 8.0], ScaleParams(kernel=kernel))
        reach = np.hypot(width, found.sigmas)
        expected = np.stack([center - reach, center + reach], axis=1).ravel()
        np.testing.assert_allclose(found.position, expected, rtol=0, atol=tolerance)


def test_the_tree_tiles_the_signal_at_every_scale():
    found = fingerprint(np.random.default_rng(4).normal(size=(2, 200)))
    tree = found.intervals
    for series in range(2):
        mine = np.arange(tree.offset[series], tree.offset[series + 1])
        for scale in range(found.sigmas.size):
            alive = mine[(tree.first[mine] <= scale) & (scale <= tree.last[mine])]
            alive = alive[np.argsort(tree.left[alive])]
            assert alive.size == found.count[series, scale] + 1
            np.testing.assert_array_equal(tree.left[alive][1:], tree.right[alive][:-1])
            assert (tree.left[alive][0], tree.right[alive][-1]) == (-0.5, 199.5)
            assert (tree.sign[alive][1:] == -tree.sign[alive][:-1]).all()
        children = mine[tree.parent[mine] >= 0]
        np.testing.assert_array_equal(tree.last[children] + 1, tree.first[tree.parent[children]])
        assert (tree.left[children] >= tree.left[tree.parent[children]]).all()
        assert (tree.right[children] <= tree.right[tree.parent[children]]).all()
    np.testing.assert_allclose(
        tree.lifetime, np.log2(found.sigmas[tree.last] / found.sigmas[tree.first])
    )


def test_a_broken_invariant_is_reported():
    # Four coarse crossings from two: the links say that two have no origin.
    from core.scale_space._kernels import link_series

    position = np.array([10.0, 30.0, 5.0, 10.0, 20.0, 30.0])
    sign = np.array([1, -1, 1, -1, 1, -1], np.int8)
    link = np.full(6, -1)
    assert link_series(np.array([0, 2, 6]), position, sign, np.array([1.0, 2.0]), link) == (1, 2)


CASES = {
    "empty": (np.empty(0), Status.TOO_SHORT),
    "one": (np.ones(1), Status.TOO_SHORT),
    "two": (np.arange(2), Status.TOO_SHORT),
    "three": (np.array([0, 1, 0]), Status.OK),
    "zeros": (np.zeros(50), Status.STRAIGHT),
    "constant": (np.full(50, 0.1), Status.STRAIGHT),
    "high constant": (np.full(50, 1e8), Status.STRAIGHT),
    "ramp": (np.arange(50) * 3, Status.STRAIGHT),
    "nan": (np.append(np.zeros(49), math.nan), Status.NOT_FINITE),
    "infinite": (np.append(np.zeros(49), -math.inf), Status.NOT_FINITE),
    "huge": (np.append(np.zeros(49), 1.7e308), Status.NOT_FINITE),
    "offset": (1e8 + two_gaussians(), Status.OK),
    "integers": (np.arange(50) % 7, Status.OK),
    "denormal": (np.full(50, 5e-324), Status.STRAIGHT),
}


@pytest.mark.parametrize("name", CASES)
def test_extreme_signals(name):
    signal, status = CASES[name]
    found = fingerprint([signal])
    assert found.status[0] == status
    assert (found.count.sum() > 0) == (status == Status.OK)
    assert (found.increases[0], found.unlinked[0]) == (0, 0)
    assert np.isfinite(found.position).all()
    counted = stable_count([signal])
    assert counted.status[0] == status
    assert status == Status.OK or counted.count[0] == 0


@settings(deadline=None, max_examples=50)
@given(arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 30))))
def test_any_doubles_keep_the_invariants_and_a_row_is_its_own(signals):
    found = fingerprint(signals, [0.05, 0.7, 3.0])
    assert not found.increases.any()
    assert not found.unlinked.any()
    for i in range(len(signals)):
        alone = fingerprint(signals[i : i + 1], [0.05, 0.7, 3.0])
        np.testing.assert_array_equal(alone.count[0], found.count[i])
        mine = found.position[found.offset[i, 0] : found.offset[i, -1]]
        np.testing.assert_array_equal(alone.position, mine)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_scale_sign_and_reflection(seed, factor):
    signal = np.random.default_rng(seed).normal(size=60)
    plain, other = fingerprint([signal]), fingerprint([-factor * signal + 3])
    np.testing.assert_array_equal(plain.count, other.count)
    np.testing.assert_array_equal(plain.sign, -other.sign)
    np.testing.assert_allclose(plain.position, other.position, atol=1e-6)
    back = fingerprint([signal[::-1]])
    finest = slice(0, plain.offset[0, 1])
    np.testing.assert_allclose(59 - back.position[finest][::-1], plain.position[finest], atol=1e-9)


@pytest.mark.parametrize(("count", "separation"), [(1, 4.0), (2, 3.0), (3, 3.5), (5, 4.0)])
def test_the_stable_count_is_the_number_of_gaussians(count, separation):
    x = np.arange(600)
    centers = 300 + 15 * separation * (np.arange(count) - (count - 1) / 2)
    clean = np.exp(-0.5 * ((x - centers[:, None]) / 15) ** 2).sum(axis=0)
    noise = np.random.default_rng(count).normal(scale=0.01, size=(10, 600))
    counted = stable_count(300 + clean + noise, params=StableParams())
    np.testing.assert_array_equal(counted.count, count)
    assert (counted.lifetime >= 0).all()
    assert counted.counts.shape == (10, counted.sigmas.size)


def test_the_stable_count_of_gauss1_and_of_noise():
    y = np.loadtxt(GAUSS1, delimiter=",", skiprows=1)[:, 1]
    assert stable_count([y]).count[0] == 2
    assert (stable_count(np.random.default_rng(6).normal(size=(200, 500))).count == 0).mean() > 0.98


def test_the_stable_count_of_one_gaussian_of_tens_of_thousands_of_samples():
    x = np.arange(200_000)
    signal = np.exp(-0.5 * ((x - 100_000) / 20_000) ** 2)
    noise = np.random.default_rng(8).normal(scale=0.5, size=x.size)
    found = stable_count([signal + noise], np.geomspace(200, 25_000, 15))
    assert (found.count[0], found.counts[0, -1]) == (1, 1)
    assert (stable_count([noise], np.geomspace(200, 25_000, 15)).counts == 0).all()


def test_the_stable_count_holds_few_scales_at_a_time():
    signal = np.random.default_rng(9).normal(size=(1, 300_000))
    stable_count(signal[:, :100])
    tracemalloc.start()
    try:
        found = stable_count(signal)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.25 * found.sigmas.size * signal.nbytes
    few = stable_count(signal, found.sigmas[:2])
    np.testing.assert_array_equal(few.counts, found.counts[:, :2])


def test_noise_by_differences_at_one_and_three_samples():
    rng = np.random.default_rng(7)
    noise = rng.normal(scale=3.0, size=(4, 50_000))
    for stride in (1, 3):
        np.testing.assert_allclose(noise_level(noise, stride), 3.0, rtol=0.03)
    assert np.isnan(noise_level(np.zeros((1, 2)))).all()


def test_the_ladder():
    assert scales(0).tolist() == [0.5]
    ladder = scales(800, ScaleParams(sigma_min=1.0, sigma_max=4.0, per_octave=2))
    np.testing.assert_allclose(ladder, [1, math.sqrt(2), 2, math.sqrt(8), 4])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sigma_min": 0.0}, "sigma_min"), ({"sigma_max": 0.1}, "sigma_max"),
        ({"per_octave": 0}, "per_octave"), ({"per_octave": 1.5}, "per_octave"),
        ({"kernel": "box"}, "kernel"), ({"boundary": "periodic"}, "boundary"),
        ({"round_off": -1}, "round_off"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        ScaleParams(**options)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="significance"):
        StableParams(significance=-1)
    with pytest.raises(ValueError, match="scales"):
        StableParams(scales=3)
    for function in (fingerprint, stable_count):
        with pytest.raises(ValueError, match=r"\(series, sample\)"):
            function(np.zeros(3))
        for bad in ([], [0.0, 1.0], [2.0, 1.0], [[1.0]], [math.nan]):
            with pytest.raises(ValueError, match="sigmas"):
                function(np.zeros((1, 9)), bad)
