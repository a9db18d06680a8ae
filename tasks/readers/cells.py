"""The bytes and the cells of a delimited text: characters, numbers, times and blanks."""

import codecs
import re
from datetime import UTC, datetime

from tasks.readers.base import Refused

BLANK_WORDS = ("", "na", "n/a", "#n/a", "null", "none")
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:?[0-9]{2}.*)?", re.DOTALL)


def decode(data: bytes) -> tuple[str, str]:
    """Decode UTF-16 by its mark, else UTF-8, else Latin-1; give the text and the encoding.

    Raises
    ------
    Refused
        "corrupt" where the text is not what its mark says.
    """
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16"), "UTF-16"
    except UnicodeDecodeError as error:
        reason = f"not the UTF-16 text its first bytes promise, at byte {error.start}"
        raise Refused("corrupt", reason) from error
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "Latin-1"


def decode_start(data: bytes) -> str:
    """Decode the first bytes of a text, enough to sniff at; what was cut apart is left out."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "ignore")
    return data.decode("utf-8-sig", "ignore")


def is_blank(cell: str) -> bool:
    """Tell whether a cell says that there is no value."""
    return cell.strip().lower() in BLANK_WORDS


def as_number(cell: str, decimal: str) -> float | None:
    """Read a number, or give None; Python's own underscores and odd digits are not numbers."""
    cell = cell.strip()
    if decimal == ",":
        if "." in cell or cell.endswith(","):
            return None
        cell = cell.replace(",", ".")
    return float(cell) if _NUMBER.fullmatch(cell) else None


def as_time(cell: str) -> float | None:
    """Read an ISO 8601 date or time as seconds since 1970-01-01, in UTC where no zone is told."""
    if not _TIME.fullmatch(cell.strip()):
        return None
    try:
        time = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
