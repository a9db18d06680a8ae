"""WAV: every coding against the values that went in, and files that promise too much."""

import struct

import numpy as np
import pytest
import scipy.io.wavfile

from tasks.readers import wav
from tasks.readers.base import Limits, Refused

(WAV,) = wav.READERS


def riff(*chunks, order="<", magic=b"RIFF"):
    body = b"".join(
        name + struct.pack(order + "I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return magic + struct.pack(order + "I", len(body) + 4) + b"WAVE" + body


def layout(coding, channels, bits, *, rate=8000, order="<", more=b""):
    frame = channels * bits // 8
    return struct.pack(order + "HHIIHH", coding, channels, rate, rate * frame, frame, bits) + more


def write(folder, data):
    path = folder / "a.wav"
    path.write_bytes(data)
    return path


def read(path, limits=None):
    assert WAV.recognises(path.read_bytes()[:4096], path)
    parts = WAV.parts(path, limits or Limits())
    return {part.name: WAV.read(path, part) for part in parts}


def refusal(path, limits=None):
    with pytest.raises(Refused) as caught:
        read(path, limits)
    return caught.value.code, caught.value.reason


@pytest.mark.parametrize(
    ("dtype", "scale", "route"),
    [
        ("i2", 2**15, "WAV, 16-bit PCM at 8000 Hz, channel 2 of 3, divided by 2**15"),
        ("i4", 2**31, "WAV, 32-bit PCM at 8000 Hz, channel 2 of 3, divided by 2**31"),
        ("f4", 1, "WAV, 32-bit float at 8000 Hz, channel 2 of 3"),
        ("f8", 1, "WAV, 64-bit float at 8000 Hz, channel 2 of 3"),
    ],
)
def test_codings_as_scipy_writes_them(tmp_path, dtype, scale, route):
    stored = np.random.default_rng(1).normal(scale=1000, size=(50, 3)).astype(dtype)
    scipy.io.wavfile.write(tmp_path / "a.wav", 8000, stored)
    found = read(tmp_path / "a.wav")
    assert list(found) == ["channel 1", "channel 2", "channel 3"]
    values = np.transpose([signal.values for signal in found.values()])
    np.testing.assert_array_equal(values, stored.astype(np.float64) / scale)
    signal = found["channel 2"]
    np.testing.assert_array_equal(signal.x, np.arange(50) / 8000)
    assert (signal.x_name, signal.x_units, signal.route) == ("time", "s", route)


@pytest.mark.parametrize("order", ["<", ">"])
def test_24_bits_and_8_bits(tmp_path, order):
    magic = b"RIFF" if order == "<" else b"RIFX"
    numbers = [0, 1, -1, 2**23 - 1, -(2**23)]
    kind = "little" if order == "<" else "big"
    packed = b"".join(n.to_bytes(3, kind, signed=True) for n in numbers)
    chunks = ((b"fmt ", layout(1, 1, 24, order=order)), (b"data", packed))
    found = read(write(tmp_path, riff(*chunks, order=order, magic=magic)))
    np.testing.assert_array_equal(found[""].values, np.array(numbers) / 2.0**23)
    chunks = ((b"fmt ", layout(1, 1, 8, order=order)), (b"data", bytes([0, 128, 255])))
    found = read(write(tmp_path, riff(*chunks, order=order, magic=magic)))
    np.testing.assert_array_equal(found[""].values, [-1, 0, 127 / 128])


def test_chunks_around_the_samples_are_walked(tmp_path):
    extensible = layout(0xFFFE, 1, 16, more=struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14))
    chunks = ((b"odd?", b"123"), (b"fmt ", extensible), (b"LIST", b"ab"), (b"data", b"\1\0\2\0"))
    found = read(write(tmp_path, riff(*chunks, (b"id3 ", b"x"))))
    np.testing.assert_array_equal(found[""].values * 2**15, [1, 2])


def test_a_long_file_says_its_length_in_a_chunk_of_its_own(tmp_path):
    data = riff((b"ds64", struct.pack("<QQQI", 0, 4, 2, 0)), (b"fmt ", layout(1, 1, 16)))
    data = b"RF64" + data[4:] + b"data" + b"\xff" * 4 + b"\1\0\2\0"
    assert read(write(tmp_path, data))[""].values.size == 2


def test_nan_stays(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", 8000, np.array([np.nan, 1], "f4"))
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[""].values, [np.nan, 1])


def test_a_cut_file_names_the_bytes(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", 8000, np.arange(500, dtype="i2"))
    path = write(tmp_path, (tmp_path / "a.wav").read_bytes()[:-1])
    code, reason = refusal(path)
    assert code == "corrupt"
    assert reason.startswith("1000 bytes of samples promised, 999 present")


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        ([(b"data", b"12")], "corrupt"),
        ([(b"fmt ", layout(1, 1, 16))], "corrupt"),
        ([(b"fmt ", b"short"), (b"data", b"12")], "corrupt"),
        ([(b"fmt ", layout(1, 0, 16)), (b"data", b"12")], "corrupt"),
        ([(b"fmt ", layout(1, 1, 16, rate=0)), (b"data", b"12")], "corrupt"),
        ([(b"fmt ", layout(1, 1, 16)), (b"data", b"123")], "corrupt"),
        ([(b"fmt ", layout(7, 1, 8)), (b"data", b"12")], "unsupported"),
        ([(b"fmt ", layout(1, 1, 12)), (b"data", b"12")], "unsupported"),
        ([(b"fmt ", layout(1, 1, 16)), (b"data", b"")], "empty"),
        ([(b"fmt ", layout(1, 2, 16)), (b"data", bytes(44))], "too-large"),
    ],
)
def test_refusals(tmp_path, chunks, code):
    assert refusal(write(tmp_path, riff(*chunks)), Limits(max_samples=20))[0] == code


def test_an_open_length_is_refused(tmp_path):
    data = riff((b"fmt ", layout(1, 1, 16))) + b"data" + b"\xff" * 4 + b"1234"
    assert refusal(write(tmp_path, data))[0] == "unsupported"
