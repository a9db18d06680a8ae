"""Hostile signal files: cut, flipped, ragged, pickled, and values that break arithmetic."""

import io
import pickle
import wave
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from tests.bad_input.entries import CORRUPT_OR_DONE, DONE, Archive, cut, flipped

SAMPLES = 400
X = np.arange(SAMPLES) / 8
FLUX = np.random.default_rng(1).normal(size=SAMPLES).round(4)


def table_text(delimiter: str = ",") -> str:
    rows = [delimiter.join(("x", "flux", "noise"))]
    rows += [
        delimiter.join((f"{x:.3f}", f"{y:.4f}", "0.1000")) for x, y in zip(X, FLUX, strict=True)
    ]
    return "\n".join(rows) + "\n"


def npy_bytes(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def npz_bytes(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def wav_bytes() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((FLUX * 5000).astype("<i2").tobytes())
    return stream.getvalue()


def parquet_bytes() -> bytes:
    stream = io.BytesIO()
    pq.write_table(
        pa.table({"x": X, "flux": FLUX}), stream, write_page_checksum=True, compression="zstd"
    )
    return stream.getvalue()


def netcdf_bytes(archive: Archive, engine: str) -> bytes:
    path = archive.root / f"{engine}.tmp"
    xr.Dataset({"flux": ("x", FLUX)}, coords={"x": ("x", X)}).to_netcdf(path, engine=engine)
    data = path.read_bytes()
    path.unlink()
    return data


def add_damaged_signals(archive: Archive) -> None:
    good = {
        "npy": npy_bytes(FLUX),
        "npz": npz_bytes(x=X, flux=FLUX),
        "wav": wav_bytes(),
        "parquet": parquet_bytes(),
        "nc": netcdf_bytes(archive, "h5netcdf"),
        "3.nc": netcdf_bytes(archive, "scipy"),
    }
    for suffix, data in good.items():
        archive.put(f"good/flux.{suffix}", data)
        archive.put(f"cut/flux.{suffix}", cut(data, 0.5), "quarantined", "corrupt")
        archive.put(
            f"cut/flux_hundredth.{suffix}", cut(data, 0.01), "quarantined", "corrupt|mismatch"
        )
        found = suffix in ("npz", "parquet")
        status = "quarantined" if found else CORRUPT_OR_DONE
        archive.put(f"flipped/flux.{suffix}", flipped(data, 0.45), status, "corrupt")


def add_tables(archive: Archive) -> None:
    text = table_text()
    lines = text.splitlines()
    corrupt = ("quarantined", "corrupt")
    archive.put("tables/good.csv", text.encode(), parts=2)
    archive.put("tables/good.tsv", table_text("\t").encode(), parts=2)
    archive.put("tables/bom.csv", text.encode("utf-8-sig"), parts=2)
    archive.put("tables/utf16.csv", text.encode("utf-16"), parts=2)
    archive.put("tables/semicolon.csv", table_text(";").replace(".", ",").encode(), parts=2)
    ragged = [*lines[:50], lines[50] + ",7,8", *lines[51:]]
    archive.put("tables/ragged.csv", "\n".join(ragged).encode(), *corrupt, "line 51")
    half = "\n".join(lines[:200]) + "\n9.9"
    archive.put("tables/cut.csv", half.encode(), *corrupt, "line 201")
    archive.put("tables/cut.tsv", half.replace(",", "\t").encode(), *corrupt, "line 201")
    archive.put("tables/hundredth.csv", b"x,flux,noise\n0.000,", *corrupt, "line 2")
    archive.put("tables/flipped.csv", flipped(text.encode()), *corrupt, "line")
    archive.put("tables/header.csv", b"x,flux\n", "quarantined", "empty")
    archive.put("tables/odd16.csv", text.encode("utf-16") + b"\x01", *corrupt, "UTF-16")
    formulas = text.replace("flux", "=HYPERLINK(1)").replace("noise", "@SUM(1) [+cmd|m]")
    archive.put("tables/formulas.csv", formulas.encode(), parts=2)
    wide = ",".join(map(str, range(200_000)))
    archive.put("tables/wide.csv", wide.encode(), "quarantined", "too-large", "200000 columns")
    words = "<script>alert(1)</script>"
    archive.put("tables/script.csv", text.replace("flux", words).replace("x,", words + ",", 1)
                .encode(), CORRUPT_OR_DONE, parts=3)  # fmt: skip


class Trap:
    """Would run code, were it ever unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


def encrypted_zip() -> bytes:
    """A ZIP whose only member carries the mark of a password."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("flux.npy", npy_bytes(FLUX))
    data = bytearray(stream.getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def add_arrays(archive: Archive) -> None:
    objects = np.array([Trap(), None], dtype=object)
    unfit = ("quarantined", "unsupported")
    archive.put("arrays/object.npy", npy_bytes(objects), *unfit, "pickle")
    archive.put("arrays/object.npz", npz_bytes(flux=objects), *unfit)
    archive.put("arrays/pickle.npy", pickle.dumps(Trap()), "quarantined", "mismatch")
    archive.put("arrays/password.npz", encrypted_zip(), *unfit, "password")
    archive.put("arrays/cube.npy", npy_bytes(np.zeros((2, 3, 4))), *unfit, "3 axes")
    archive.put("arrays/complex.npy", npy_bytes(FLUX + 1j), *unfit, "complex")
    promised = npy_bytes(FLUX).replace(b"(400,)", b"(4e9,)").replace(b"4e9", b"999")
    archive.put("arrays/promised.npy", promised, "quarantined", "corrupt", "missing")


def add_links_between_files(archive: Archive) -> None:
    """HDF5 that would lead its reader to another file."""
    verdict = ("quarantined", "unsupported", "another file")
    with h5py.File(archive.expect("arrays/link.h5", *verdict), "w") as file:
        file["flux"] = FLUX
        file["outside"] = h5py.ExternalLink("/etc/hostname", "flux")
    with h5py.File(archive.expect("arrays/outside.h5", *verdict), "w") as file:
        file.create_dataset("flux", (8,), "u1", external=[("/etc/hostname", 0, 8)])


def add_values(archive: Archive) -> None:
    """Signals whose values, not whose bytes, are the trouble."""
    largest = np.finfo(np.float64).max
    flagged = "flagged", ""
    for name, values, *verdict in (
        ("nan", np.full(50, np.nan), *flagged, "finite"),
        ("constant", np.full(50, 3.0), *flagged, "constant"),
        ("empty", np.empty(0), "quarantined", "empty", "no samples"),
        ("one", np.ones(1), *flagged, "short"),
        ("two", np.ones(2), *flagged, "short"),
        ("infinite", np.where(X > 20, np.inf, FLUX), *flagged, "infinite"),
        ("both_infinite", np.array([np.inf, -np.inf] * 20), *flagged, "finite"),
        ("huge", FLUX * 1e300, DONE),
        ("largest", np.array([largest, -largest] * 20), DONE),
        ("denormal", FLUX * 5e-324, DONE),
        ("int8", np.array([-128, 127] * 20, np.int8), DONE),
        ("unsigned", np.array([0, 2**64 - 1] * 20, np.uint64), DONE),
    ):
        archive.put(f"values/{name}.npy", npy_bytes(values), *verdict)
