"""Row bands of an image too large to hold: re-cut to a height, and given a halo."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.store import THUMBNAIL, thumbnail_size

Array = NDArray[Any]


def recut(bands: Iterable[Array], rows: int) -> Iterator[Array]:
    """Yield the same rows in bands of `rows`, the last one shorter.

    Examples
    --------
    >>> [len(band) for band in recut([np.zeros((3, 2)), np.zeros((4, 2))], 5)]
    [5, 2]
    """
    held: list[Array] = []
    count = 0
    for band in bands:
        held.append(band)
        count += len(band)
        while count >= rows:
            whole = np.concatenate(held) if len(held) > 1 else held[0]
            yield whole[:rows]
            held, count = [whole[rows:]], count - rows
    if count:
        yield np.concatenate(held)


def with_halo(bands: Iterable[Array], halo: int) -> Iterator[tuple[Array, int, int]]:
    """Yield every band with up to `halo` rows of its neighbours above and below.

    Yields
    ------
    band : (y, x) array
        The band between its halos.
    top : int
        Rows of halo above; 0 at the image's own edge.
    rows : int
        Rows of the band itself.

    Examples
    --------
    >>> [(len(band), top, rows) for band, top, rows in with_halo([np.eye(4), np.eye(4)], 3)]
    [(7, 0, 4), (7, 3, 4)]
    """
    above: Array | None = None
    current: Array | None = None
    for below in bands:
        if current is not None:
            yield _join(above, current, below[:halo])
            above = current[-halo:]
        current = below
    if current is not None:
        yield _join(above, current, None)


def _join(above: Array | None, band: Array, below: Array | None) -> tuple[Array, int, int]:
    pieces = [piece for piece in (above, band, below) if piece is not None]
    top = 0 if above is None else len(above)
    return (np.concatenate(pieces) if len(pieces) > 1 else band), top, len(band)


class Thumbnail:
    """A small colour picture, gathered band by band.

    Parameters
    ----------
    height, width : int
        Extents of the image.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = thumbnail_size(height, width)
        self._step = max(1, max(height, width) // (4 * THUMBNAIL))
        self._row = 0
        self._kept: list[Array] = []

    def add(self, band: Array) -> Array:
        """Take a band, in order; returns it."""
        first = -self._row % self._step
        self._kept.append(np.array(band[first :: self._step, :: self._step]))
        self._row += len(band)
        return band

    def picture(self) -> NDArray[np.uint8]:
        """Return the (y, x, 3) picture."""
        from PIL import Image

        pixels = _as_uint8(np.concatenate(self._kept))
        small = Image.fromarray(pixels).convert("RGB")
        return np.asarray(small.resize(self.size[::-1], Image.Resampling.LANCZOS))


def _as_uint8(pixels: Array) -> Array:
    """Stretch what is not 8-bit between its 1st and 99th percentile."""
    if pixels.dtype == np.uint8:
        return pixels
    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(values) - low) / max(high - low, 1e-300)
    return (np.clip(scaled, 0.0, 1.0) * 255.0).round().astype(np.uint8)
