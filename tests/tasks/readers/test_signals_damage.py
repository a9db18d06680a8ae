"""Damaged signal files of every format: refused or whole, never an error, a warning or a hang."""

import errno
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io.wavfile
import xarray as xr

from tasks.readers import arrays, columns, delimited, labelled, wav
from tasks.readers.base import Limits, Refused
from tasks.readers.guard import refusing

READERS = [
    reader for module in (wav, arrays, columns, labelled, delimited) for reader in module.READERS
]
SAMPLES = 1000
TRIALS = 200
X = np.arange(SAMPLES) / 8
FLUX = np.random.default_rng(1).normal(size=SAMPLES).round(4)
BOTH = np.stack([FLUX, FLUX[::-1]])


def labelled_file(path, **options):
    dataset = xr.Dataset(
        {"flux": ("x", FLUX), "both": (("star", "x"), BOTH)}, coords={"x": ("x", X)}
    )
    dataset.to_netcdf(path, **options)


def plain_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = X
        file["g/flux"] = FLUX
        file.create_dataset("both", data=BOTH, compression="gzip", fletcher32=True)


MAKERS = {
    "csv": lambda path: np.savetxt(path, np.c_[X, FLUX], delimiter=",", header="x,flux"),
    "npy": lambda path: np.save(path, BOTH),
    "npz": lambda path: np.savez_compressed(path, x=X, flux=FLUX, both=BOTH),
    "wav": lambda path: scipy.io.wavfile.write(path, 8000, (BOTH.T * 1e4).astype("i2")),
    "parquet": lambda path: pq.write_table(pa.table({"x": X, "flux": FLUX}), path),
    "nc3": lambda path: labelled_file(path, engine="scipy"),
    "nc4": lambda path: labelled_file(path, engine="h5netcdf"),
    "h5": plain_hdf5,
}


@pytest.fixture(params=MAKERS)
def good(request, tmp_path):
    suffix = {"nc3": "nc", "nc4": "nc"}.get(request.param, request.param)
    path = tmp_path / f"good.{suffix}"
    MAKERS[request.param](path)
    return path


def reader_of(path):
    head = path.read_bytes()[:4096]
    return next(reader for reader in READERS if reader.recognises(head, path))


def outcome(reader, path):
    """Values of all parts, or the code of the refusal."""
    try:
        parts = reader.parts(path, Limits())
        return [reader.read(path, part).values for part in parts]
    except Refused as refused:
        return refused.code if refused.reason else "refused without a reason"


def is_whole(values, whole):
    return len(values) == len(whole) and all(map(np.array_equal, values, whole))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999, None], ids=str)
def test_a_file_cut_short_is_refused_or_whole(good, share):
    reader, data = reader_of(good), good.read_bytes()
    whole = outcome(reader, good)
    bad = good.with_stem("bad")
    bad.write_bytes(data[: -1 if share is None else int(len(data) * share)])
    found = outcome(reader, bad)
    if reader.name == "CSV" and share is not None and not isinstance(found, str):
        # Text has no checksum: a table cut between two records is a shorter table.
        assert all(
            np.array_equal(a[:-1], b[: len(a) - 1]) for a, b in zip(found, whole, strict=True)
        )
    else:
        assert found in ("corrupt", "empty", "unsupported") or is_whole(found, whole)


def test_random_damage_gives_values_or_a_refusal(good):
    rng = np.random.default_rng(17)
    reader, data = reader_of(good), good.read_bytes()
    outcomes = []
    for trial in range(TRIALS):
        bad = bytearray(data)
        if trial % 2:
            del bad[rng.integers(len(bad)) :]
        else:
            region = len(bad) if trial % 4 else min(len(bad), 2048)
            for place in rng.integers(region, size=64 if trial % 8 else 1):
                bad[place] ^= 1 << rng.integers(8)
        path = good.with_stem(f"bad{trial}")
        path.write_bytes(bad)
        outcomes.append(outcome(reader, path))
        path.unlink()
    refused = [found for found in outcomes if isinstance(found, str)]
    assert len(refused) > TRIALS / 4
    assert set(refused) <= {"corrupt", "empty", "unsupported", "too-large"}


def test_errors_of_the_file_system_pass(good):
    reader = reader_of(good)
    good.unlink()
    with pytest.raises(FileNotFoundError):
        reader.parts(good, Limits())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "too-large"),
        (OSError("bad page"), "corrupt"),
        (OSError(errno.EINVAL, "Invalid argument"), "corrupt"),
        (KeyError("no such thing"), "corrupt"),
        (Refused("empty", "nothing"), "empty"),
    ],
)
def test_what_a_decoder_raises_becomes_a_refusal(error, code):
    with pytest.raises(Refused) as caught, refusing("Parquet"):
        raise error
    assert caught.value.code == code


def test_io_errors_keep_their_number():
    with pytest.raises(OSError, match="wire") as caught, refusing("Parquet"):
        raise OSError(errno.EIO, "the wire is cut", str(Path("a")))
    assert caught.value.errno == errno.EIO
