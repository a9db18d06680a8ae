import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from core import gaussian, peaks, scale_space
from core.peaks import DecomposeParams
from core.scale_space import StableParams
from tasks.scale_space import (
    StructureParams,
    count_stable,
    crossings,
    decompose,
    smooth,
    structure_of,
)

SERIES, SAMPLES = 5, 160


def bumps(seed=0):
    rng = np.random.default_rng(seed)
    x = np.arange(SAMPLES)
    centers = rng.uniform(30, 130, (SERIES, 1))
    rows = 5 + np.exp(-0.5 * ((x - centers) / 6) ** 2)
    rows += 0.01 * rng.standard_normal(rows.shape)
    return xr.DataArray(rows, dims=("series", "sample"))


def test_decomposition_equals_core_also_in_chunks():
    signal = bumps()
    found = decompose(signal)
    expected = peaks.decompose(None, signal.values)
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert found.center_interval.dims == ("series", "component", "bound")
    assert found.baseline.dims == ("series", "term")
    lazy = decompose(signal.chunk(series=2))
    assert lazy.chunks
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), found)
    assert json.loads(found.attrs["params"])["baseline"] == "constant"


def test_decomposition_along_its_own_positions_and_other_dimensions():
    signal = bumps()
    x = 0.1 * np.arange(SAMPLES) ** 1.1
    cube = xr.DataArray(signal.values.reshape(1, SERIES, SAMPLES), dims=("y", "x", "wave"))
    named = cube.assign_coords(wave=x)
    found = decompose(named, DecomposeParams(max_components=3), dim="wave")
    assert found.center.dims == ("y", "x", "component")
    expected = peaks.decompose(x, signal.values, DecomposeParams(max_components=3))
    np.testing.assert_array_equal(found.center[0], expected.center)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, SERIES),
    st.integers(40, SAMPLES),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from(["reflect", "mirror", "zero"]),
)
def test_smoothing_in_chunks_is_that_of_the_whole(series, samples, sigma, order, boundary):
    signal = bumps()
    options = {"order": order, "boundary": boundary}
    whole = smooth(signal, sigma, **options)
    expected = gaussian.derivative(signal.values, sigma, order, boundary=boundary)
    np.testing.assert_array_equal(whole, expected)
    lazy = smooth(signal.chunk(series=series, sample=samples), sigma, **options)
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), whole, rtol=0, atol=1e-11)


def test_smoothing_beyond_the_reach_of_any_halo():
    signal = bumps()
    for sigma in (100.0, 1000.0):
        lazy = smooth(signal.chunk(sample=50), sigma)
        np.testing.assert_array_equal(lazy.compute(scheduler="sync"), smooth(signal, sigma))
    spectral = smooth(signal.chunk(sample=80), 3.0, kernel="spectral").compute(scheduler="sync")
    np.testing.assert_allclose(spectral, smooth(signal, 3.0, kernel="spectral"), atol=1e-12)
    with pytest.raises(ValueError, match="the spectral kernel at fine scales, need whole series"):
        smooth(signal.chunk(sample=80), 1.0, kernel="spectral")
    with pytest.raises(ValueError, match="sigma"):
        smooth(signal.chunk(sample=80), -1.0)


def test_crossings_go_by_sample_whatever_the_positions():
    signal = bumps().values[0]
    x = np.arange(SAMPLES, dtype=float)
    for longest in (50, 4096):
        params = StructureParams(longest=longest)
        rising, falling = (structure_of(p, signal, params) for p in (x, x[::-1].copy()))
        np.testing.assert_array_equal(rising["crossing"], falling["crossing"])


@pytest.mark.parametrize("longest", [50, 4096])
def test_samples_in_no_order_show_the_crossings_of_those_in_order(longest):
    signal, params = bumps().values[0], StructureParams(longest=longest)
    x = 0.5 * np.arange(SAMPLES)
    order = np.random.default_rng(0).permutation(SAMPLES)
    plain, shuffled = structure_of(x, signal, params), structure_of(x[order], signal[order], params)
    for name in ("crossing", "n_crossings", "stable_count", "n_components", "center"):
        np.testing.assert_array_equal(plain[name], shuffled[name], err_msg=name)


def test_names_that_the_result_needs_are_refused():
    with pytest.raises(ValueError, match=r"the result calls \{'component'\} so too"):
        decompose(bumps().rename(series="component"))
    with pytest.raises(ValueError, match=r"the result calls \{'scale'\} so too"):
        crossings(bumps().assign_coords(scale=3), [1.0])
    days = np.datetime64("2020-01-01") + np.arange(SAMPLES)
    with pytest.raises(ValueError, match=r"is datetime64\[s\]; give numbers as x="):
        decompose(bumps().assign_coords(sample=days))


def test_smoothing_along_the_first_axis_keeps_the_order_of_dimensions():
    signal = bumps().T
    found = smooth(signal, 2.0)
    assert found.dims == ("sample", "series")
    np.testing.assert_array_equal(found.T, smooth(signal.T, 2.0))
    lazy = smooth(signal.chunk(sample=60), 2.0)
    np.testing.assert_allclose(lazy, found, atol=1e-12)


def test_crossings_and_counts_equal_core():
    signal, sigmas = bumps(), [1.0, 3.0, 9.0]
    found = crossings(signal, sigmas, most=40)
    expected = scale_space.fingerprint(signal.values, np.array(sigmas))
    np.testing.assert_array_equal(found.n_crossings, expected.count)
    kept = found.crossing.values[found.n_crossings.values <= 40]
    lists = [
        expected.position[expected.offset[i, s] : expected.offset[i, s + 1]]
        for i in range(SERIES)
        for s in range(3)
        if expected.count[i, s] <= 40
    ]
    assert len(kept) == len(lists)
    for row, positions in zip(kept, lists, strict=True):
        np.testing.assert_array_equal(row[: positions.size], positions)
        assert np.isnan(row[positions.size :]).all()
    assert not found.faults.any()
    lazy = crossings(signal.chunk(series=2), sigmas, most=40)
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), found)
    stable = count_stable(signal.chunk(series=1)).compute(scheduler="sync")
    reference = scale_space.stable_count(signal.values)
    np.testing.assert_array_equal(stable["count"], reference.count)
    np.testing.assert_array_equal(stable.lifetime, reference.lifetime)


@pytest.mark.parametrize("measure", [decompose, count_stable, lambda s: crossings(s, [1.0]),
                                     lambda s: smooth(s, 1.0, boundary="periodic")])  # fmt: skip
def test_what_cannot_be_measured_is_refused_at_once(measure):
    with pytest.raises(ValueError, match="none is 'sample'; name it with dim="):
        measure(bumps().rename(sample="time"))
    with pytest.raises(ValueError, match=r"rechunk with signal\.chunk\({'sample': -1}\)"):
        measure(bumps().chunk(sample=50))


@pytest.mark.parametrize("chunks", [None, {"series": 1}, {"sample": 50}])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": 7}, "order must be an integer from 0 to 4, got 7"),
        ({"order": 1.0}, "order"),
        ({"sigma": [2.0, 3.0]}, "sigma must be a number"),
        ({"sigma": np.array([2.0])}, "sigma must be a number"),
        ({"sigma": "2"}, "sigma must be a number from 0 to 1e\\+100, got '2'"),
        ({"sigma": float("nan")}, "sigma"),
        ({"kernel": "box"}, "kernel"),
    ],
)
def test_options_of_smoothing_are_refused_before_anything_is_computed(chunks, options, words):
    signal = bumps() if chunks is None else bumps().chunk(chunks)
    with pytest.raises(ValueError, match=words):
        smooth(signal, **({"sigma": 2.0} | options))


@pytest.mark.parametrize("measure", [decompose, count_stable, lambda s: crossings(s, [1.0]),
                                     lambda s: smooth(s, 1.0)])  # fmt: skip
def test_what_is_no_real_number_is_refused_at_once(measure):
    for values in (
        bumps().values + 1j,
        np.arange(50).astype("M8[s]"),
        np.array(list("1234567890")),
        np.array([1, None, 2]),
    ):
        signal = xr.DataArray(values, dims=("series", "sample")[-values.ndim :])
        for given_signal in (signal, signal.chunk(series=1) if signal.ndim > 1 else signal):
            with pytest.raises(ValueError, match="signal must hold real numbers, got"):
                measure(given_signal)


def test_positions_in_chunks_are_joined_and_others_refused_in_words():
    signal = bumps()
    x = xr.DataArray(0.5 * np.arange(SAMPLES), dims="sample")
    expected = decompose(signal, x=x)
    for lazy in (signal, signal.chunk(series=2)):
        found = decompose(lazy, x=x.chunk(sample=50)).compute(scheduler="sync")
        xr.testing.assert_identical(found, expected)
    own = x.expand_dims(series=SERIES).transpose("sample", "series")
    xr.testing.assert_identical(decompose(signal, x=own), expected)
    more = x.expand_dims(set=2)
    for bad, words in (
        (x.values, "x must be a DataArray with the dimension 'sample', got ndarray"),
        (x[:-1], r"the signal has .*'sample': 160.*, x has {'sample': 159}"),
        (more, r"no dimension that the signal has not: .*'set': 2"),
        (x.rename(sample="wave"), "x must lie along 'sample'"),
        (x.astype("M8[s]"), "x must hold real numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            decompose(signal, x=bad)
    with pytest.raises(ValueError, match="most must be a whole number"):
        crossings(signal, [1.0], most=2.5)


def test_series_of_a_batch_that_cannot_be_decomposed_have_a_status_and_no_warning():
    rows = np.array([np.full(20, np.nan), np.full(20, np.inf), np.zeros(20), np.arange(20.0)])
    signal = xr.DataArray(rows, dims=("series", "sample"))
    assert (decompose(signal).status > 0).all()
    assert (count_stable(signal)["count"] == 0).all()


def test_the_structure_of_a_signal_with_gaps_and_of_a_long_one():
    rng = np.random.default_rng(1)
    x = np.arange(400.0)
    clean = 2 * np.exp(-0.5 * ((x - 120) / 10) ** 2) + np.exp(-0.5 * ((x - 260) / 15) ** 2)
    signal = clean + 0.02 * rng.standard_normal(400)
    signal[50:54] = np.nan
    found = structure_of(x, signal, StructureParams())
    assert found["n_components"] == 2
    assert found["stable_count"] == 2
    np.testing.assert_allclose(found["center"][:2], [120, 260], atol=1)
    assert found["scale_status"] == 0
    signal[50:60] = np.nan
    found = structure_of(x, signal, StructureParams())
    assert found["n_components"] == 2
    assert found["scale_status"] == 1
    assert np.isnan(found["crossing"]).all()
    short = structure_of(x, signal, StructureParams(longest=100))
    np.testing.assert_allclose(short["center"][:2], [120, 260], atol=2)
    assert short["scale"][0] == pytest.approx(4 * 0.5)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
def test_the_structure_of_next_to_nothing_is_a_status(size):
    found = structure_of(np.arange(float(size)), np.arange(float(size)), StructureParams())
    assert found["n_components"] == 0
    assert found["component_status"] > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"longest": 49}, "longest must be an integer from 50 to 20000, got 49"),
        ({"decompose": {}}, "decompose must be DecomposeParams"),
        ({"stable": None}, "stable must be StableParams"),
        (
            {"decompose": DecomposeParams(max_components=17)},
            "up to 17 components; the store keeps 16 a signal",
        ),
    ],
)
def test_parameters_are_refused_by_name(values, message):
    assert StructureParams(stable=StableParams()).longest == 4096
    with pytest.raises(ValueError, match=message):
        StructureParams(**values)
