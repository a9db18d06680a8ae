"""NPY and NPZ: rows, structured arrays, positions by name, and no pickle ever."""

import io
import sys
import zipfile

import numpy as np
import pytest

from tasks.readers import arrays
from tasks.readers.base import Limits, Refused

NPY, NPZ = arrays.READERS


def read(reader, path, limits=None):
    with path.open("rb") as file:
        assert reader.recognises(file.read(4096), path)
    parts = reader.parts(path, limits or Limits())
    found = {part.name: reader.read(path, part) for part in parts}
    assert [part.shape for part in parts] == [signal.values.shape for signal in found.values()]
    return found


def refusal(reader, path, limits=None):
    with pytest.raises(Refused) as caught:
        read(reader, path, limits)
    return caught.value.code, caught.value.reason


def save(folder, array, name="a.npy", **options):
    np.save(folder / name, array, **options)
    return folder / name


@pytest.mark.parametrize("dtype", ["i1", ">i4", "u8", "f2", ">f4", "f8", "g"])
def test_one_axis_is_one_signal(tmp_path, dtype):
    signal = read(NPY, save(tmp_path, np.array([1, 0, 3], dtype)))[""]
    assert signal.values.dtype == np.float64
    np.testing.assert_array_equal(signal.values, [1, 0, 3])
    assert signal.x is None
    assert (signal.x_name, signal.x_units, signal.route) == ("sample", "1", "NPY")


@pytest.mark.parametrize("order", ["C", "F"])
def test_each_row_is_a_signal(tmp_path, order):
    array = np.asarray([[1.0, np.nan, 3.0], [4.0, 5.0, np.inf]], order=order)
    found = read(NPY, save(tmp_path, array))
    assert list(found) == ["series 0", "series 1"]
    np.testing.assert_array_equal([s.values for s in found.values()], array)
    assert found["series 1"].route == "NPY, series 1 of 2"


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_a_single_row_or_column_is_one_signal(tmp_path, shape):
    found = read(NPY, save(tmp_path, np.arange(4.0).reshape(shape)))
    np.testing.assert_array_equal(found[""].values, np.arange(4))


def test_a_row_is_read_without_the_others(tmp_path):
    path = tmp_path / "a.npy"
    np.lib.format.open_memmap(path, "w+", "f8", (8, 1 << 20))[3, 5] = 7  # 64 MiB, mostly holes
    parts = NPY.parts(path, Limits(max_samples=1 << 20))
    assert NPY.read(path, parts[3]).values[5] == 7


def test_a_structured_array_is_a_table(tmp_path):
    fields = [("flux", ">f4"), ("time", "M8[ms]"), ("label", "U3"), ("counts", "i2")]
    array = np.array([(1.5, "1970-01-02", "a", 3), (np.nan, "1970-01-03", "b", 4)], fields)
    found = read(NPY, save(tmp_path, array))
    assert list(found) == ["column flux", "column counts"]
    np.testing.assert_array_equal(found["column flux"].x, [86400, 172800])
    assert found["column flux"].x_units == "s since 1970-01-01"
    assert found["column counts"].route == (
        "NPY, structured, x column 'time', column 'label' ignored: not numeric"
    )


@pytest.mark.parametrize(
    ("array", "code", "words"),
    [
        (np.empty(0), "empty", "no samples"),
        (np.empty((0, 3)), "empty", "no samples"),
        (np.empty((3, 0)), "empty", "no samples"),
        (np.array([], [("a", "f8")]), "empty", "no samples"),
        (np.array(1.0), "unsupported", "0 axes"),
        (np.zeros((2, 2, 2)), "unsupported", "3 axes"),
        (np.zeros(2, complex), "unsupported", "complex"),
        (np.zeros(2, bool), "unsupported", "class bool"),
        (np.array(["a"]), "unsupported", "class <U1"),
        (np.array(["1970-01-01"], "M8[D]"), "unsupported", "class datetime64"),
        (np.zeros((2, 2), [("a", "f8")]), "unsupported", "2 axes"),
        (np.zeros(2, [("名", "f8")]), "unsupported", "version (3, 0)"),
        (np.zeros(2, [("a", "U3")]), "unsupported", "no numeric column"),
        (np.zeros((100_001, 2), "i1"), "too-large", "put the samples on the last axis"),
        (np.zeros(11), "too-large", "11 samples to hold"),
    ],
)
def test_npy_refusals(tmp_path, recwarn, array, code, words):
    found = refusal(NPY, save(tmp_path, array), Limits(max_samples=10))
    assert found[0] == code
    assert words in found[1]


def test_length_and_header_must_agree(tmp_path):
    path = save(tmp_path, np.arange(100.0))
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    assert refusal(NPY, path)[1].endswith("1 bytes are missing")
    path.write_bytes(good + b"12")
    assert refusal(NPY, path)[1].endswith("2 bytes lie beyond it")


def test_no_pickle_is_ever_read(tmp_path):
    array = np.array([print, 1], object)
    save(tmp_path, array)
    save(tmp_path, np.array([(print, 1)], [("a", object), ("b", "f8")]), "b.npy")
    np.savez(tmp_path / "a.npz", o=array, allow_pickle=True)
    np.savez(tmp_path / "b.npz", o=array, flux=np.ones(2))
    seen = []
    watching = True
    sys.addaudithook(lambda event, _: seen.append(event) if watching else None)
    codes = [refusal(NPY, tmp_path / name)[0] for name in ("a.npy", "b.npy")]
    codes.append(refusal(NPZ, tmp_path / "a.npz")[0])
    found = read(NPZ, tmp_path / "b.npz")
    watching = False
    assert codes == ["unsupported"] * 3
    assert list(found) == [""]
    assert "open" in seen
    assert "pickle.find_class" not in seen


@pytest.mark.parametrize("save_as", [np.savez, np.savez_compressed])
def test_the_arrays_of_an_archive(tmp_path, save_as):
    arrays_ = {
        "time": np.array([0, 1, 4]),
        "flux": np.array([1.0, np.nan, 3.0]),
        "spectra": np.arange(6).reshape(2, 3),
        "other": np.ones(2, "f4"),
        "words": np.array(["a"]),
    }
    save_as(tmp_path / "a.npz", **arrays_)
    found = read(NPZ, tmp_path / "a.npz")
    assert list(found) == [
        "array flux",
        "array spectra, series 0",
        "array spectra, series 1",
        "array other",
    ]
    np.testing.assert_array_equal(found["array spectra, series 1"].values, [3, 4, 5])
    np.testing.assert_array_equal(found["array spectra, series 1"].x, [0, 1, 4])
    assert found["array other"].x is None
    assert found["array flux"].route == (
        "NPZ, 'flux', 1 ignored: not numeric of one or two axes, x 'time'"
    )


def test_an_axis_without_company_is_a_signal(tmp_path):
    np.savez(tmp_path / "a.npz", time=np.arange(3), flux=np.ones(5))
    assert list(read(NPZ, tmp_path / "a.npz")) == ["array time", "array flux"]


def test_names_that_look_like_rows(tmp_path):
    np.savez(tmp_path / "a.npz", **{"a": np.ones((3, 2)), "a, series 1": np.zeros(2)})
    found = read(NPZ, tmp_path / "a.npz")
    assert list(found)[-2:] == ["array a, series 2", "array a, series 1 (2)"]
    assert found["array a, series 1"].values.all()
    assert not found["array a, series 1 (2)"].values.any()


def test_an_array_without_samples_is_refused_alone(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.empty(0), b=np.ones(2))
    parts = {part.name: part for part in NPZ.parts(tmp_path / "a.npz", Limits())}
    assert NPZ.read(tmp_path / "a.npz", parts["array b"]).values.size == 2
    with pytest.raises(Refused) as caught:
        NPZ.read(tmp_path / "a.npz", parts["array a"])
    assert caught.value.code == "empty"


def archive(path, header, body, *, name="flux.npy"):
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, header)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data.getvalue() + body)
    return path


def test_archives_are_refused_by_their_headers(tmp_path):
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 20,)}
    bomb = archive(tmp_path / "bomb.npz", header, bytes(8 << 20))
    assert refusal(NPZ, bomb, Limits(max_samples=1 << 19))[0] == "too-large"
    header["shape"] = (1 << 40,)
    assert refusal(NPZ, archive(tmp_path / "lie.npz", header, b"")) == (
        "corrupt",
        "array flux.npy: 128 bytes in the archive, 8796093022336 by its own header",
    )


def test_empty_archives(tmp_path):
    np.savez(tmp_path / "a.npz")
    assert refusal(NPZ, tmp_path / "a.npz")[0] == "unsupported"
    path = archive(tmp_path / "b.npz", {"descr": "<f8", "fortran_order": False, "shape": (0,)}, b"")
    assert refusal(NPZ, path)[0] == "empty"


def test_recognition_is_by_content(tmp_path):
    path = save(tmp_path, np.ones(2))
    assert not NPZ.recognises(path.read_bytes(), path)
    np.savez(tmp_path / "a.npz", a=np.ones(2))
    assert NPZ.recognises((tmp_path / "a.npz").read_bytes(), tmp_path / "wrong.name")
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as file:
        file.writestr("word/document.xml", "<a/>")
    assert not NPZ.recognises((tmp_path / "a.docx").read_bytes(), tmp_path / "a.docx")
