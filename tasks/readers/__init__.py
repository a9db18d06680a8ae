"""The table of formats: a new format is one function and one row. The content decides."""

from pathlib import Path

from tasks.readers import arrays, columns, delimited, labelled, pillow, png, tiff, wav, zarr_images
from tasks.readers.base import Reader
from tasks.readers.suffixes import EXPECTED, UNREAD

__all__ = ["EXPECTED", "READERS", "UNREAD", "find_reader", "guess_content", "reader_named"]

HEAD = 4096

READERS: tuple[Reader, ...] = (
    *png.READERS,
    *pillow.READERS,
    *tiff.READERS,
    *zarr_images.READERS,
    *wav.READERS,
    *arrays.READERS,
    *columns.READERS,
    *labelled.READERS,
    *delimited.READERS,  # last: it has no magic bytes
)

_BY_NAME = {reader.name: reader for reader in READERS}
_KNOWN = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "XML"),
    (b"%pdf", "a PDF document"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"{", "JSON or other text"),
)


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file; none of a folder."""
    if path.is_dir():
        return b""
    with path.open("rb") as file:
        return file.read(HEAD)


def find_reader(path: Path) -> Reader | None:
    """Return the reader whose format the content is, or None."""
    head = head_of(path)
    return next((reader for reader in READERS if reader.recognises(head, path)), None)


def reader_named(name: str) -> Reader:
    """Return the reader that an earlier look at the file found."""
    return _BY_NAME[name]


def guess_content(path: Path) -> str:
    """Say what a file that no reader recognises seems to hold."""
    head = head_of(path)
    for magic, words in _KNOWN:
        if head.lstrip().lower().startswith(magic):
            return words
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    try:
        head.decode()
    except UnicodeDecodeError:
        return "data of an unknown kind, or a damaged beginning"
    return "plain text"
