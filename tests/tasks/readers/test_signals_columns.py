"""Parquet: classes of columns, positions, and names that are hard to ask for."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.readers import columns
from tasks.readers.base import Limits, Refused

(PARQUET,) = columns.READERS
NAN = np.nan


def write(folder, table, **options):
    path = folder / "a.parquet"
    pq.write_table(table, path, **options)
    return path


def read(path, limits=None):
    assert PARQUET.recognises(path.read_bytes()[:4096], path)
    parts = PARQUET.parts(path, limits or Limits())
    return {part.name: PARQUET.read(path, part) for part in parts}


def refusal(path, limits=None):
    with pytest.raises(Refused) as caught:
        read(path, limits)
    return caught.value.code


@pytest.mark.parametrize(
    "of",
    [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 3)],
    ids=str,
)
def test_classes_and_nulls(tmp_path, of):
    cells = [np.float16(1), None, np.float16(3)] if of == pa.float16() else [1, None, 3]
    cells = [decimal.Decimal(c) if c else c for c in cells] if pa.types.is_decimal(of) else cells
    signal = read(write(tmp_path, pa.table({"a": pa.array(cells, of)})))[""]
    np.testing.assert_array_equal(signal.values, [1, NAN, 3])
    assert signal.values.dtype == np.float64


def test_other_columns_are_left_out(tmp_path):
    table = pa.table({"flux": [1.5, NAN], "b": [True, False], "l": [[1], [2]], "s": ["a", "b"]})
    found = read(write(tmp_path, table))
    assert found[""].route == "Parquet, 3 columns ignored: not numeric"
    assert refusal(write(tmp_path, table.select(["b", "l", "s"]))) == "unsupported"


@pytest.mark.parametrize(
    "of",
    [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "CET")],
    ids=str,
)
def test_times_are_positions(tmp_path, of):
    cells = pa.array([dt.date(1970, 1, 2), dt.date(1970, 1, 3)], pa.date32())
    cells = cells.cast(pa.timestamp("ms")).cast(of) if of != pa.date32() else cells
    signal = read(write(tmp_path, pa.table({"flux": [1, 2], "when": cells})))[""]
    np.testing.assert_array_equal(signal.x, [86400, 172800])
    assert (signal.x_name, signal.x_units) == ("when", "s since 1970-01-01")


def test_named_positions_and_units(tmp_path):
    table = pa.table({"flux (Jy)": [1, 2], "Wavelength [nm]": [500, 400], "z": [0, 0]})
    found = read(write(tmp_path, table))
    assert list(found) == ["column flux (Jy)", "column z"]
    signal = found["column flux (Jy)"]
    assert (signal.x_name, signal.x_units, signal.units) == ("Wavelength", "nm", "Jy")
    np.testing.assert_array_equal(signal.x, [500, 400])


def test_the_index_of_a_data_frame(tmp_path):
    pd.DataFrame({"a": [1, 2]}, index=[3, 4]).to_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(read(tmp_path / "a.parquet")[""].x, [3, 4])


def test_names_that_come_twice_or_lead_elsewhere(tmp_path):
    nested = pa.array([{"b": 7}, {"b": 8}])
    arrays = [pa.array([1, 2]), nested, pa.array([3, 4]), pa.array([5, 6])]
    found = read(write(tmp_path, pa.table(arrays, names=["a.b", "a", "f\n<b>", "f\n<b>"])))
    assert list(found) == ["column a.b", "column f <b>", "column f <b> (2)"]
    np.testing.assert_array_equal([s.values for s in found.values()], [[1, 2], [3, 4], [5, 6]])


def test_limits_and_empty_tables(tmp_path):
    path = write(tmp_path, pa.table({"a": np.arange(11)}), row_group_size=3)
    assert refusal(path, Limits(max_samples=10)) == "too-large"
    np.testing.assert_array_equal(read(path)[""].values, np.arange(11))
    assert refusal(write(tmp_path, pa.table({"a": pa.array([], pa.int8())}))) == "empty"


def test_page_checksums_are_compared(tmp_path):
    table = pa.table({"a": np.random.default_rng(1).normal(size=1000)})
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    path = write(tmp_path, table, **options)
    data = bytearray(path.read_bytes())
    data[4000] ^= 1
    path.write_bytes(data)
    assert refusal(path) == "corrupt"
