import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.piecewise import PiecewiseParams
from core.piecewise import fit_piecewise as fit_series
from tasks.piecewise import FIELDS, PiecesParams, fit_piecewise

AUTO = PiecewiseParams(n_segments="auto", max_segments=3, ci="profile")


def broken(series=6, samples=40, seed=0):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 50, samples))
    breaks = rng.uniform(15, 35, (series, 1))
    y = np.abs(x - breaks) + 0.3 * rng.standard_normal((series, samples))
    y[0, 3:7] = np.nan
    y[-1] = np.nan
    return xr.DataArray(y, dims=("series", "sample"), coords={"sample": x})


def same(found, expected):
    for name, (field, dims) in FIELDS.items():
        np.testing.assert_array_equal(found[name], getattr(expected, field), err_msg=name)
        assert found[name].dims[1:] == dims


@pytest.mark.parametrize("params", [PiecewiseParams(), AUTO, PiecewiseParams(n_segments=3)])
def test_labelled_equals_core(params):
    signal = broken()
    found = fit_piecewise(signal, params)
    same(found, fit_series(signal.sample.values, signal.values, **vars(params)))
    assert found.status.values.tolist() == [0, 0, 0, 0, 0, 3]
    assert json.loads(found.attrs["params"])["n_segments"] == params.n_segments


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(0, 50))
def test_any_chunks_of_series_give_the_same_bits(size, seed):
    signal = broken(seed=seed)
    lazy = fit_piecewise(signal.chunk(series=size), AUTO)
    assert lazy.chunks
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), fit_piecewise(signal, AUTO))


def test_own_positions_and_weights_reach_core_in_chunks():
    signal = broken()
    rng = np.random.default_rng(1)
    x = signal.copy(data=np.sort(rng.uniform(0, 50, signal.shape)))
    weights = signal.copy(data=rng.uniform(0.5, 2, signal.shape))
    expected = fit_series(x.values, signal.values, weights=weights.values)
    same(fit_piecewise(signal, x=x, weights=weights), expected)
    parts = [array.chunk(series=2) for array in (signal, x, weights)]
    same(fit_piecewise(parts[0], x=parts[1], weights=parts[2]).compute(), expected)


def test_times_and_other_names_and_more_dimensions():
    signal = broken(series=8).isel(series=slice(0, 6)).drop_vars("sample")
    days = np.datetime64("2020-01-01") + np.arange(40) * np.timedelta64(1, "D")
    cube = signal.values.reshape(2, 3, 40)
    image = xr.DataArray(cube, dims=("y", "x", "day"), coords={"day": days, "y": [5, 7]})
    found = fit_piecewise(image.chunk(y=1), dim="day")
    assert found.breakpoint.dims == ("y", "x", "knot")
    assert found.breakpoint.dtype == found.breakpoint.compute().dtype == np.dtype("M8[us]")
    assert found.y.values.tolist() == [5, 7]
    expected = fit_series(days, cube.reshape(6, 40))
    np.testing.assert_array_equal(found.breakpoint.values.reshape(6, 1), expected.breakpoints)
    fine = fit_piecewise(image.assign_coords(day=days.astype("M8[ns]")), dim="day")
    assert fine.breakpoint.dtype == np.dtype("M8[ns]")


def test_one_series_without_leading_dimension_and_without_positions():
    signal = xr.DataArray(np.abs(np.arange(30.0) - 11.5), dims="sample")
    found = fit_piecewise(signal)
    assert found.breakpoint.dims == ("knot",)
    assert float(found.breakpoint[0]) == pytest.approx(11.5)
    assert bool(found.certified)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (broken().rename(sample="time"), r"none is 'sample'; name it with dim="),
        (
            broken().chunk(sample=10),
            r"has 4 chunks along 'sample', .* signal\.chunk\({'sample': -1}",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_at_once(signal, message):
    with pytest.raises(ValueError, match=message):
        fit_piecewise(signal)


def test_series_of_a_batch_that_cannot_be_fitted_have_a_status_and_no_warning():
    rows = np.array([np.arange(20.0), np.full(20, np.nan), np.full(20, np.inf), np.zeros(20)])
    found = fit_piecewise(xr.DataArray(rows, dims=("series", "sample")).chunk(series=1))
    assert found.status.values.tolist() == [0, 3, 5, 0]
    assert np.isnan(found.breakpoint[1:3]).all()


def test_positions_of_other_dimensions_are_refused():
    x = xr.DataArray(np.arange(40.0), dims="wave")
    with pytest.raises(ValueError, match=r"x has dimensions \('wave',\), the signal"):
        fit_piecewise(broken(), x=x)


def test_a_partial_choice_of_the_fit_keeps_the_defaults_of_a_run():
    params = TypeAdapter(PiecesParams).validate_python({"fit": {"min_size": 5}})
    assert (params.fit.min_size, params.fit.n_segments, params.fit.ci) == (5, "auto", "profile")
    with pytest.raises(ValidationError, match="min_sizes"):
        TypeAdapter(PiecesParams).validate_python({"fit": {"min_sizes": 5}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"longest": 49}, "longest must be an integer from 50 to 20000, got 49"),
        ({"longest": 2000.0}, "longest must be an integer"),
        ({"longest": True}, "longest must be an integer"),
        ({"fit": {"n_segments": 2}}, "fit must be PiecewiseParams"),
        ({"fit": PiecewiseParams(n_segments=7)}, "up to 7 pieces; the store keeps 6 a signal"),
    ],
)
def test_parameters_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        PiecesParams(**values)
