"""What a reader is: it tells from a header what a file holds, and decodes one item of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.form import FORM, Within

Kind = Literal["image", "signal"]
Array = NDArray[Any]


class Refused(Exception):
    """An input that is not processed, with a reason that a person understands.

    Parameters
    ----------
    code : str
        One word of `CODES`, for filters and tables.
    reason : str
        One sentence: what came, and where it helps, the remedy.
    """

    def __init__(self, code: str, reason: str) -> None:
        assert code in CODES, code
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


CODES = {
    "corrupt": "the file is damaged or cut short",
    "mismatch": "the content is not what the name says",
    "empty": "the file, or the signal in it, holds nothing",
    "unsupported": "a valid file of a kind that scalemark does not read",
    "too-large": "more pixels or samples than the limit allows",
    "changed": "the file changed or vanished while it was read",
    "permission": "the file may not be read",
    "io-error": "the file system failed",
    "crash": "decoding it killed its worker process",
    "timeout": "decoding it took longer than the limit allows",
    "internal": "scalemark failed on it: a bug worth reporting",
    "store-damaged": "its stored chunk is damaged or missing",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a reader may be asked to hold in memory; checked in the header, before decoding."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    max_pixels: Annotated[int, Within(1)] = 180_000_000
    """Largest image that is decoded whole; tiled TIFF and Zarr are read in bands beyond it."""
    max_samples: Annotated[int, Within(1)] = 100_000_000
    """Most samples that reading one signal may hold in memory."""

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One item that a file holds, as its header tells."""

    name: str
    """Empty for a file's only item, else "page 2", "column flux", "array spectra[3]"."""
    kind: Kind
    shape: tuple[int, ...]
    """(height, width) of an image as it is seen, or (samples,) of a signal."""
    dtype: str
    """Class of the decoded array: uint8, uint16, int16, float32, float64."""
    in_place: bool = False
    """True where the data are read where they lie and never copied into the store."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A decoded image: row bands from top to bottom, as large as the format makes them."""

    bands: Iterator[Array]
    """(y, x) gray or (y, x, 3) RGB arrays in the class that `Part.dtype` names."""
    route: str
    """How it was decoded, for the provenance: "Pillow RGB; EXIF orientation 6 applied"."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A decoded signal."""

    values: NDArray[np.float64]
    """(sample,) array; NaN where the file says so."""
    x: NDArray[np.float64] | None
    """(sample,) positions, or None where the file has none (then x is the sample's index)."""
    x_name: str = "sample"
    x_units: str = "1"
    units: str = ""
    route: str = ""
    note: str = ""
    """What a person should know of it, which flags the item."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One row of the table of formats."""

    name: str
    recognises: Callable[[bytes, Path], bool]
    """From the first 4 KiB and the path: is it mine? Content decides; the suffix only where a
    format has no magic bytes (CSV, TSV)."""
    parts: Callable[[Path, Limits], list[Part]]
    """The items of the file from its header alone; raises `Refused`."""
    read: Callable[[Path, Part], Image | Signal]
    """Decode one item; raises `Refused`."""
