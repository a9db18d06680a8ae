"""Delimited text: what is understood, what is refused, and in which words."""

import codecs

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.readers import delimited
from tasks.readers.axes import split_units
from tasks.readers.base import Limits, Refused
from tasks.readers.by_line import read_by_line
from tasks.readers.dialect import sniff

(CSV,) = delimited.READERS
NAN = np.nan


def write(folder, text, name="a.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, limits=None):
    assert CSV.recognises(path.read_bytes()[:4096], path)
    parts = CSV.parts(path, limits or Limits())
    return {part.name: CSV.read(path, part) for part in parts}


def refusal(path, limits=None):
    with pytest.raises(Refused) as caught:
        read(path, limits)
    return caught.value.code, caught.value.reason


def test_an_x_column_with_units(tmp_path):
    found = read(write(tmp_path, "time (s);flux [Jy]\n0;1.5\n0.5;2\n"))
    signal = found[""]
    np.testing.assert_array_equal(signal.values, [1.5, 2])
    np.testing.assert_array_equal(signal.x, [0, 0.5])
    assert (signal.x_name, signal.x_units, signal.units) == ("time", "s", "Jy")
    assert signal.route == "CSV, ';', header, x column 'time (s)'"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x,a\n0,1\n1,2.5\n", "a.csv"),
        ("x\ta\n0\t1\n1\t2.5\n", "a.tsv"),
        ("x a\n 0   1 \n\t1 2.5\n", "a.txt"),
        ("x;a\n0,0;1\n1,0;2,5\n", "a.csv"),
        ("x a\n0,0 1\n1,0 2,5\n", "a.dat"),
        ("# made by hand\n\n# second line\nx,a\n0,1\n\n1,2.5\n", "a.csv"),
        ("# x a\n0 1\n1 2.5\n", "a.dat"),
        ("x,a\r\n0,1\r\n1,2.5\r\n", "a.csv"),
        ("x,a\r0,1\r1,2.5", "a.csv"),
        ('"x","a"\n"0","1"\n"1", "2.5"\n', "a.csv"),
        ("\ufeffx,a\n0,1\n1,2.5\n", "a.csv"),
        ("x,a,\n0,1,\n1,2.5,\n", "a.csv"),
        ("X,a\n0,+1\n1,25e-1\n", "a.csv"),
        (codecs.BOM_UTF16_LE + "x,a\n0,1\n1,2.5\n".encode("utf-16-le"), "a.csv"),
        (codecs.BOM_UTF16_BE + "x,a\n0,1\n1,2.5\n".encode("utf-16-be"), "a.txt"),
    ],
)
def test_one_table_in_many_hands(tmp_path, text, name):
    (signal,) = read(write(tmp_path, text, name)).values()
    np.testing.assert_array_equal(signal.values, [1, 2.5])
    np.testing.assert_array_equal(signal.x, [0, 1])


def test_blank_and_odd_numbers(tmp_path):
    text = "a,b\n1,\nNaN,inf\n NA ,-Infinity\nnull,N/A\n.5,5.\n1e400,#N/A\n"
    found = read(write(tmp_path, text))
    np.testing.assert_array_equal(found["column a"].values, [1, NAN, NAN, NAN, 0.5, np.inf])
    np.testing.assert_array_equal(found["column b"].values, [NAN, np.inf, -np.inf, NAN, 5, NAN])


def test_a_single_column_keeps_its_quoted_blanks(tmp_path):
    found = read(write(tmp_path, 'flux\n1\n""\n3\n'))
    np.testing.assert_array_equal(found[""].values, [1, NAN, 3])
    assert found[""].route == "CSV, one column, header"


def test_all_nan_column_is_a_signal(tmp_path):
    found = read(write(tmp_path, "a,b\n1,\n2,\n"))
    assert np.isnan(found["column b"].values).all()


def test_latin_1_and_the_route_that_tells_it(tmp_path):
    found = read(write(tmp_path, "a,µ\n1,2\n".encode("latin-1")))
    assert list(found) == ["column a", "column µ"]
    assert "Latin-1" in found["column µ"].route


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["1970-01-02", "1970-01-03"], [86400, 172800]),
        (["1970-01-01T00:00:01Z", "1970-01-01T01:00:01+00:30"], [1, 1801]),
        (["1970-01-01 00:00:00.5", "1970-01-01 00:00"], [0.5, 0]),
    ],
)
def test_iso_times_are_positions(tmp_path, cells, seconds):
    text = "when,flux\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))
    signal = read(write(tmp_path, text))[""]
    np.testing.assert_array_equal(signal.x, seconds)
    assert (signal.x_name, signal.x_units) == ("when", "s since 1970-01-01")


@pytest.mark.parametrize("header", ["wavelength (nm),flux", "time,flux", "flux,energy"])
def test_rows_out_of_order_are_sorted_by_the_axis_and_flagged(tmp_path, header):
    rng = np.random.default_rng(0)
    order = rng.permutation(20)
    x, flux = 500 + 0.5 * order, 100.0 * order
    first = header.startswith("flux")
    pairs = zip(flux, x, strict=True) if first else zip(x, flux, strict=True)
    text = header + "\n" + "".join(f"{a},{b}\n" for a, b in pairs)
    (signal,) = read(write(tmp_path, text)).values()
    np.testing.assert_array_equal(signal.x, 500 + 0.5 * np.arange(20))
    np.testing.assert_array_equal(signal.values, 100.0 * np.arange(20))
    name = header.split(",")[first].split(" ")[0]
    assert signal.note == f"the rows are in no order of '{name}', so its samples are sorted by it"


def test_times_out_of_order_are_sorted(tmp_path):
    signal = read(write(tmp_path, "when,v\n1970-01-03,1\n1970-01-02,2\n1970-01-04,3\n"))[""]
    np.testing.assert_array_equal(signal.x, 86400 * np.array([1, 2, 3]))
    np.testing.assert_array_equal(signal.values, [2, 1, 3])
    assert "sorted" in signal.note


def test_a_position_that_comes_twice_keeps_the_axis(tmp_path):
    for positions in ([0, 1, 1, 2], [3, 3, 2, 1], [0, 0, 1, 1]):
        text = "x,y\n" + "".join(f"{x},{i}\n" for i, x in enumerate(positions))
        signal = read(write(tmp_path, text))[""]
        np.testing.assert_array_equal(signal.x, positions)
        np.testing.assert_array_equal(signal.values, [0, 1, 2, 3])
        assert signal.note == ""


def test_a_column_in_order_comes_before_one_out_of_order(tmp_path):
    found = read(write(tmp_path, "energy,time,v\n5,1,7\n3,2,8\n4,3,9\n"))
    assert list(found) == ["column energy", "column v"]
    assert found["column v"].x_name == "time"


@pytest.mark.parametrize("cells", [[1, "", 3, 4], [2, 2, 2, 2], [1, 1, 1, 2, 2, 2], [1, "inf", 2]])
def test_a_named_column_that_tells_no_positions_is_a_signal_and_said(tmp_path, cells):
    text = "time,flux\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))
    found = read(write(tmp_path, text))
    assert list(found) == ["column time", "column flux"]
    assert found["column flux"].x is None
    assert found["column flux"].note.startswith("x is the sample's number: 'time' can be no axis")
    assert found["column time"].note == ""


@pytest.mark.parametrize(
    ("first", "is_axis"),
    [
        ([0, 1, 2], True),
        ([3, 2, 1], True),
        ([0, 1, 5], False),
        ([1, 2, 4, 8, 16, 32, 64, 128], True),
        ([1, 1, 2], False),
    ],
)
def test_a_nameless_first_column_must_look_like_positions(tmp_path, first, is_axis):
    found = read(write(tmp_path, "".join(f"{a},{a * a % 7}\n" for a in first)))
    assert len(found) == (1 if is_axis else 2)
    assert list(found)[-1] == ("" if is_axis else "column 2")


def test_the_nameless_index_of_a_data_frame_is_x(tmp_path):
    signal = read(write(tmp_path, ",flux\n3,1\n4,2\n"))[""]
    np.testing.assert_array_equal(signal.x, [3, 4])


def test_names_keep_everything_but_control_characters(tmp_path):
    text = '"<script>\n""q""",a,a\n1,2,3\n'
    assert list(read(write(tmp_path, text))) == [
        'column <script> "q"',
        "column a",
        "column a (2)",
    ]


def test_words_are_left_out_and_mentioned(tmp_path):
    found = read(write(tmp_path, "star,flux\nVega,1\nDeneb,2\n"))
    assert found[""].route == "CSV, ',', header, column 'star' ignored: not numeric"
    # The first hundred records hold no word, all others do.
    rows = ["1,"] * 100 + ["2,words"] * 200
    found = read(write(tmp_path, "flux,comment\n" + "\n".join(rows), "b.csv"))
    assert list(found) == [""]


def test_a_bad_cell_is_named_by_line_and_column(tmp_path):
    rows = [f"{i},{i % 3}" for i in range(30)]
    rows[13] = "13,abc"
    path = write(tmp_path, "# comment\n# comment\ntime,flux\n" + "\n".join(rows))
    assert refusal(path) == ("corrupt", "line 17, column flux: 'abc' is not a number")


def test_a_bad_date_is_named(tmp_path):
    path = write(tmp_path, "date,v\n2020-01-01,1\n2020-13-01,2\n2020-02-01,3\n")
    assert refusal(path) == ("corrupt", "line 3, column date: '2020-13-01' is not a time")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n3\n4,5\n", "line 3: 1 columns, the first record has 2"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 columns, the first record has 2"),
        ('a,b\n"q\nq",2\n3,4\n5,6\n7', "line 6: 1 columns, the first record has 2"),
    ],
)
def test_ragged_records_are_named(tmp_path, text, reason):
    assert refusal(write(tmp_path, text)) == ("corrupt", reason)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("# only a comment", "empty"),
        ("x,y\n", "empty"),
        ("a,b\nx,y\nz,w\n", "unsupported"),
        ("date\n2020-01-01\n", "unsupported"),
        ('a,b\n1,"2\n3,4\n', "corrupt"),
        (codecs.BOM_UTF16_LE + b"1\x00\n\x00\x00\xd8", "corrupt"),
        ("a,b\n1,2\n3,1_000\n4,5\n6,7\n", "corrupt"),
        ("a\n" + "1\n" * 5000 + "\0\n", "corrupt"),
    ],
)
def test_refusals(tmp_path, text, code):
    assert refusal(write(tmp_path, text))[0] == code


@pytest.mark.parametrize("lines", [40, 1])
def test_too_many_numbers_are_refused_by_size(tmp_path, lines):
    path = write(tmp_path, "x,y\n" + "1,2\n" * lines)
    assert refusal(path, Limits(max_samples=1))[0] == "too-large"
    assert read(path, Limits(max_samples=2 * lines))


PROSE = "Dear all,\nin 2020 I had 3 apples and\nyou none. 4 of\nthem\n"
LISTED = "1. first of all\n2. then\n3. and so on to the end\n"


@pytest.mark.parametrize(
    ("name", "head", "mine"),
    [
        ("a.csv", b"anything", True),
        ("a.TSV", b"", True),
        ("a.csv", b"\x89PNG\0\0", False),
        ("a.png", b"1,2\n3,4\n", False),
        ("a.txt", b"1 2\n3 4\n", True),
        ("a.txt", b"# long\n" + b"time flux\n0 1\n2", True),
        ("a.txt", PROSE.encode(), False),
        ("a.txt", LISTED.encode(), False),
        ("a.txt", b"time flux\n", False),
        ("a.dat", b"", False),
        ("a.dat", bytes(range(1, 256)), False),
    ],
)
def test_recognition(tmp_path, name, head, mine):
    assert CSV.recognises(head, tmp_path / name) is mine


def test_a_header_longer_than_the_head_is_read_on(tmp_path):
    path = write(tmp_path, "# words\n" * 1000 + "0 1\n1 2\n", "a.txt")
    assert CSV.recognises(path.read_bytes()[:4096], path)
    assert list(read(path)) == [""]


def test_a_file_that_changed_is_not_taken_for_the_last_one(tmp_path):
    path = write(tmp_path, "a\n1\n2\n")
    (part,) = CSV.parts(path, Limits())
    first = CSV.read(path, part)
    first.values[:] = 9
    np.testing.assert_array_equal(CSV.read(path, part).values, [1, 2])
    write(tmp_path, "a\n1\n2\n3\n")
    with pytest.raises(Refused) as caught:
        CSV.read(path, part)
    assert caught.value.code == "changed"


CELLS = st.floats(width=64).map(repr) | st.sampled_from(["", "NA", "1E5", "-.5", "7.", "00012"])


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_arrow_and_the_slow_walk_agree_bit_for_bit(rows):
    text = "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows)
    dialect = sniff(text)
    fast = delimited._by_arrow(text, dialect)
    slow = read_by_line(text, dialect)
    assert sorted(fast) == sorted(slow) == [0, 1]
    for index in fast:
        np.testing.assert_array_equal(fast[index], slow[index])
        assert fast[index].tobytes() == slow[index].tobytes() or np.isnan(fast[index]).any()


def test_a_table_wider_than_the_sample(tmp_path):
    width = 40_000
    lines = [",".join(f"c{i}" for i in range(width))]
    lines += [",".join(f"{i + row}.25" for i in range(width)) for row in range(3)]
    path = write(tmp_path, "\n".join(lines))
    parts = CSV.parts(path, Limits())
    assert len(parts) == width
    np.testing.assert_array_equal(CSV.read(path, parts[7]).values, [7.25, 8.25, 9.25])


@pytest.mark.parametrize("cell", ["9" * 130_000 + "z", " " * 130_000 + "z", "(" * 100_000 + ")"])
def test_endless_cells_take_no_endless_time(tmp_path, cell):
    assert refusal(write(tmp_path, f"a b\n1 2\n{cell} 3\n4 5\n6 7\n", "a.csv"))[0] == "corrupt"
    found = read(write(tmp_path, f'"{cell}",b\n1,2\n'))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("time (s)", ("time", "s")),
        (" flux[Jy] ", ("flux", "Jy")),
        ("f (a(b))", ("f (a(b))", "")),
        ("(s)", ("(s)", "")),
        ("plain", ("plain", "")),
        ("", ("", "")),
    ],
)
def test_units_in_a_label(label, expected):
    assert split_units(label) == expected
