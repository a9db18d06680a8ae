"""NetCDF and HDF5: coordinates, decoding, groups, and files without dimensions."""

import h5py
import numpy as np
import pytest
import scipy.io
import xarray as xr

from tasks.readers import labelled
from tasks.readers.base import Limits, Refused

NETCDF3, HDF5 = labelled.READERS
NAN = np.nan


def read(path, limits=None):
    head = path.read_bytes()[:4096]
    (reader,) = [reader for reader in labelled.READERS if reader.recognises(head, path)]
    parts = reader.parts(path, limits or Limits())
    return {part.name: reader.read(path, part) for part in parts}


def refusal(path, limits=None):
    with pytest.raises(Refused) as caught:
        read(path, limits)
    return caught.value.code, caught.value.reason


@pytest.fixture(params=["scipy", "h5netcdf"])
def engine(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.nc"


def hdf5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name.replace("__", "/")] = data
    return path


def test_coordinates_units_and_rows(path, engine):
    time = np.array(["1970-01-01T00:00:00.25", "1970-01-02"], "M8[ns]")
    dataset = xr.Dataset(
        {
            "flux": ("time", np.array([1.0, NAN], "f4"), {"units": "Jy"}),
            "spectra": (("star", "wavelength"), np.arange(6, dtype="i2").reshape(2, 3)),
            "scalar": 3.0,
        },
        coords={"time": time, "wavelength": ("wavelength", [3.0, 2.0, 1.0], {"units": "nm"})},
    )
    dataset.to_netcdf(path, engine=engine)
    found = read(path)
    assert sorted(found) == ["flux", "spectra, series 0", "spectra, series 1"]
    flux = found["flux"]
    np.testing.assert_array_equal(flux.values, [1, NAN])
    np.testing.assert_array_equal(flux.x, [0.25, 86400])
    assert (flux.x_name, flux.x_units, flux.units) == ("time", "s since 1970-01-01", "Jy")
    spectrum = found["spectra, series 1"]
    np.testing.assert_array_equal(spectrum.values, [3, 4, 5])
    np.testing.assert_array_equal(spectrum.x, [3, 2, 1])
    assert (spectrum.x_name, spectrum.x_units) == ("wavelength", "nm")
    name = "NetCDF-3" if engine == "scipy" else "HDF5"
    assert spectrum.route == (
        f"{name}, 'spectra', series 1 of 2, 1 ignored: not numeric of one or two axes, "
        "x 'wavelength'"
    )


def test_scale_offset_and_fill_value_are_decoded(path, engine):
    coding = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -9}
    dataset = xr.Dataset({"flux": ("x", [10.0, NAN, 12.5])})
    dataset.to_netcdf(path, engine=engine, encoding={"flux": coding})
    np.testing.assert_array_equal(read(path)[""].values, [10, NAN, 12.5])


def test_spans_of_time_stay_numbers(path, engine):
    dataset = xr.Dataset({"delay": ("x", [1.0, 2.0], {"units": "seconds"})})
    dataset.to_netcdf(path, engine=engine)
    signal = read(path)[""]
    np.testing.assert_array_equal(signal.values, [1, 2])
    assert signal.units == "seconds"


def test_a_calendar_that_no_clock_follows_stays_numbers(path, engine):
    units = {"units": "days since 2000-01-01", "calendar": "360_day"}
    dataset = xr.Dataset(
        {"flux": ("time", [1.0, 2.0])}, coords={"time": ("time", [58.0, 59.0], units)}
    )
    dataset.to_netcdf(path, engine=engine)
    signal = read(path)[""]
    np.testing.assert_array_equal(signal.x, [58, 59])
    assert signal.x_units == "days since 2000-01-01"


@pytest.mark.parametrize("coordinate", [[1.0, 0.0, 2.0], [0.0, NAN, 1.0]])
def test_a_coordinate_out_of_order_is_no_axis(path, engine, coordinate):
    dataset = xr.Dataset({"flux": ("x", [1.0, 2.0, 3.0])}, coords={"x": coordinate})
    dataset.to_netcdf(path, engine=engine)
    assert list(read(path)) == [""]
    assert read(path)[""].x is None


def test_groups_inherit_the_coordinates_of_their_parents(path):
    root = xr.Dataset({"flux": ("t", [1.0, 2.0])}, coords={"t": [5.0, 7.0]})
    root.to_netcdf(path, engine="h5netcdf")
    with h5py.File(path, "a") as file:
        inner = file.create_dataset("night/first/flux", data=[3.0, 4.0])
        inner.dims[0].attach_scale(file["t"])
    found = read(path)
    assert list(found) == ["flux", "night/first/flux"]
    np.testing.assert_array_equal(found["night/first/flux"].values, [3, 4])
    np.testing.assert_array_equal(found["night/first/flux"].x, [5, 7])


def test_plain_hdf5_goes_by_names(tmp_path):
    path = hdf5(
        tmp_path / "a.h5",
        time=[0.0, 1.0, 4.0],
        flux=np.arange(3),
        g__Frequency=[3, 2, 1],
        g__spectra=np.arange(6).reshape(2, 3),
        g__column=np.arange(4).reshape(4, 1),
        words=["a", "b"],
        flags=[True, False],
        cube=np.zeros((2, 2, 2)),
    )
    found = read(path)
    assert list(found) == ["flux", "g/column", "g/spectra, series 0", "g/spectra, series 1"]
    np.testing.assert_array_equal(found["flux"].x, [0, 1, 4])
    np.testing.assert_array_equal(found["g/spectra, series 0"].x, [3, 2, 1])
    np.testing.assert_array_equal(found["g/column"].values, np.arange(4))
    assert found["g/spectra, series 0"].x_name == "Frequency"
    assert "3 ignored" in found["flux"].route


def test_links_and_loops(tmp_path):
    path = hdf5(tmp_path / "a.h5", flux=np.arange(3), g__other=np.ones(2))
    with h5py.File(path, "a") as file:
        file["alias"] = h5py.SoftLink("/flux")
        file["g/up"] = file["/"]
    assert list(read(path)) == ["flux", "g/other"]


def test_no_file_leads_into_another(tmp_path):
    other = hdf5(tmp_path / "other.h5", flux=np.arange(3))
    path = hdf5(tmp_path / "link.h5", flux=np.arange(3))
    with h5py.File(path, "a") as file:
        file["out"] = h5py.ExternalLink("other.h5", "/flux")
    assert refusal(path) == ("unsupported", "'out' lies in another file: copy it in")
    virtual = h5py.VirtualLayout((3,), "i8")
    virtual[:] = h5py.VirtualSource(other, "flux", (3,))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("flux", virtual)
    assert refusal(tmp_path / "virtual.h5")[0] == "unsupported"
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("flux", (3,), "i8", external=[(other, 0, 24)])
    assert refusal(tmp_path / "raw.h5")[0] == "unsupported"


def test_a_signature_after_a_block_of_the_user(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["flux"] = np.arange(4.0).reshape(1, 4)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    np.testing.assert_array_equal(read(path)[""].values, np.arange(4))


def test_large_variables_are_read_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled, "_KEPT", 3)
    path = hdf5(tmp_path / "a.h5", spectra=np.arange(8.0).reshape(2, 4), column=np.ones((4, 1)))
    found = read(path, Limits(max_samples=4))
    np.testing.assert_array_equal(found["spectra, series 1"].values, [4, 5, 6, 7])
    np.testing.assert_array_equal(found["column"].values, np.ones(4))


def test_a_file_is_let_go_after_its_last_part(path):
    for value in (1.0, 2.0):
        data = xr.Dataset({"a": ("x", [value, 0]), "b": (("s", "x"), np.full((2, 2), value))})
        data.to_netcdf(path, engine="h5netcdf")  # HDF5 does not overwrite a file that is open
        assert {signal.values[0] for signal in read(path).values()} == {value}


def test_a_file_that_changed_while_it_was_open(tmp_path):
    path = hdf5(tmp_path / "a.h5", a=np.zeros(4), b=np.zeros(4))
    parts = HDF5.parts(path, Limits())
    assert not HDF5.read(path, parts[0]).values.any()
    path.write_bytes(hdf5(tmp_path / "b.h5", a=np.ones(4), b=np.ones(4), c=np.ones(4)).read_bytes())
    assert HDF5.read(path, parts[1]).values.all()


def test_limits_come_before_the_data(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("time", (10**12,), "f8", chunks=(1000,))
        file.create_dataset("flux", (10**12,), "f8", chunks=(1000,))
    assert refusal(tmp_path / "a.h5")[0] == "too-large"
    path = hdf5(tmp_path / "b.h5", rows=np.zeros((100_001, 2), "i1"))
    assert refusal(path)[0] == "too-large"


def test_nothing_to_read(tmp_path, path, engine):
    xr.Dataset({"scalar": 1.0}).to_netcdf(path, engine=engine)
    assert refusal(path) == ("unsupported", "no numeric array of one or two axes")
    xr.Dataset({"flux": ("x", np.empty(0))}).to_netcdf(path, engine=engine)
    assert refusal(path)[0] == "empty"


def test_cdf5_is_named(path):
    path.write_bytes(b"CDF\x05" + bytes(100))
    code, reason = refusal(path)
    assert code == "unsupported"
    assert "convert it to NetCDF-4" in reason


def test_plain_netcdf_of_scipy(path):
    with scipy.io.netcdf_file(path, "w") as file:
        file.createDimension("sample", None)
        for name in ("energy", "counts"):
            file.createVariable(name, "i4", ("sample",))[:3] = np.arange(3)
    signal = read(path)[""]
    np.testing.assert_array_equal(signal.x, [0, 1, 2])
    assert signal.x_name == "energy"
