"""WAV audio: one signal a channel, positions in seconds.

The chunks are walked here, because the usual decoders return what is left of a file cut short
without a word. Integer samples are divided by their full scale, so that they lie in [-1, 1).
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tasks.readers.axes import check_parts, signal_part
from tasks.readers.base import Array, Limits, Part, Reader, Refused, Signal

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OPEN_LENGTH = 0xFFFFFFFF
_CLASSES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "i2",
    (_PCM, 24): "V3",
    (_PCM, 32): "i4",
    (_FLOAT, 32): "f4",
    (_FLOAT, 64): "f8",
}


@dataclass(frozen=True, kw_only=True)
class _Format:
    order: str
    coding: int
    bits: int
    channels: int
    rate: int
    start: int
    """Byte at which the samples begin."""
    frames: int

    @property
    def route(self) -> str:
        coding = "PCM" if self.coding == _PCM else "float"
        return f"WAV, {self.bits}-bit {coding} at {self.rate} Hz"


def _recognises(head: bytes, _path: Path) -> bool:
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def _parts(path: Path, limits: Limits) -> list[Part]:
    form = _header(path)
    check_parts(form.channels, form.frames * form.channels, limits)
    return [signal_part(_name(i, form), form.frames) for i in range(form.channels)]


def _name(channel: int, form: _Format) -> str:
    return "" if form.channels == 1 else f"channel {channel + 1}"


def _read(path: Path, part: Part) -> Signal:
    form = _header(path)
    names = [_name(i, form) for i in range(form.channels)]
    if part.name not in names or part.shape != (form.frames,):
        reason = f"the file no longer holds '{part.name}' of {part.shape[0]} samples"
        raise Refused("changed", reason)
    channel = names.index(part.name)
    which = f", channel {channel + 1} of {form.channels}" if form.channels > 1 else ""
    scaled = f", divided by 2**{form.bits - 1}" if form.coding == _PCM else ""
    return Signal(
        values=_channel(path, form, channel),
        x=np.arange(form.frames) / form.rate,
        x_name="time",
        x_units="s",
        route=form.route + which + scaled,
    )


def _channel(path: Path, form: _Format, channel: int) -> NDArray[np.float64]:
    dtype = np.dtype(form.order + _CLASSES[form.coding, form.bits])
    count = form.frames * form.channels
    stored = np.fromfile(path, dtype=dtype, count=count, offset=form.start)
    if stored.size < count:
        raise Refused("changed", f"{stored.size} of {count} samples are left in the file")
    samples = stored[channel :: form.channels]
    if form.coding == _FLOAT:
        return samples.astype(np.float64)
    if form.bits == 8:
        return (samples.astype(np.float64) - 128) / 128
    if form.bits == 24:
        samples = _widen(samples, form.order)
    return samples.astype(np.float64) / 2.0 ** (8 * samples.itemsize - 1)


def _widen(samples: Array, order: str) -> Array:
    """Put 24 bits into the upper three bytes of 32."""
    wide = np.zeros((samples.size, 4), dtype=np.uint8)
    packed = np.ascontiguousarray(samples).view(np.uint8).reshape(-1, 3)
    wide[:, 1:] = packed if order == "<" else packed[:, ::-1]
    return wide.view("<i4")[:, 0]


def _header(path: Path) -> _Format:
    """Walk the chunks to the samples.

    Raises
    ------
    Refused
        "corrupt" where a chunk is missing, senseless or longer than the file; "unsupported" for
        a compressed coding.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        order = ">" if _take(file, 12)[:4] == b"RIFX" else "<"
        layout, long_data = b"", None
        while True:
            start = _take(file, 8)
            name, length = start[:4], struct.unpack(order + "I", start[4:])[0]
            if name == b"data":
                break
            body = _take(file, min(length, size))
            layout = body if name == b"fmt " else layout
            long_data = struct.unpack_from("<8xQ", body)[0] if name == b"ds64" else long_data
            file.seek(length % 2, os.SEEK_CUR)
        if length == _OPEN_LENGTH and long_data is not None:
            length = long_data
        return _describe(layout, order, start=file.tell(), promised=length, size=size)


def _take(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        reason = f"{count} header bytes promised, {len(data)} present: the file is cut short"
        raise Refused("corrupt", reason)
    return data


def _describe(layout: bytes, order: str, *, start: int, promised: int, size: int) -> _Format:
    if len(layout) < 16:
        raise Refused("corrupt", "no format chunk before the samples")
    coding, channels, rate, _, frame, bits = struct.unpack_from(order + "HHIIHH", layout)
    if coding == _EXTENSIBLE and len(layout) >= 26:
        coding = struct.unpack_from(order + "H", layout, 24)[0]
    if (coding, bits) not in _CLASSES:
        reason = (
            f"WAV coding {coding} of {bits} bits; PCM of 8, 16, 24, 32 and float of 32, 64 bits"
        )
        raise Refused("unsupported", f"{reason} are read: convert it to PCM")
    if channels == 0 or rate == 0 or frame != channels * bits // 8:
        reason = f"{channels} channels of {bits} bits in frames of {frame} bytes at {rate} Hz"
        raise Refused("corrupt", f"the format chunk is senseless: {reason}")
    if promised == _OPEN_LENGTH:
        reason = "its writer left the length open, so nobody can tell whether it is whole"
        raise Refused("unsupported", f"{reason}: write it once more with its length")
    if promised > size - start or promised % frame:
        reason = f"{promised} bytes of samples promised, {size - start} present"
        raise Refused(
            "corrupt", f"{reason}, in frames of {frame}: the file is cut short or damaged"
        )
    return _Format(
        order=order,
        coding=coding,
        bits=bits,
        channels=channels,
        rate=rate,
        start=start,
        frames=promised // frame,
    )


READERS: tuple[Reader, ...] = (
    Reader(name="WAV", recognises=_recognises, parts=_parts, read=_read),
)
