"""Decoders raise what they like on damaged files; here it becomes one honest refusal."""

import errno
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.readers.base import Refused


@contextmanager
def refusing_damage(decoder: str) -> Iterator[None]:
    """Turn whatever a decoder raises on hostile bytes into `Refused`, and keep it silent meanwhile.

    Warnings and the decoder's log are muted inside the block, never after it, so no block may stand
    around a ``yield`` of pixels. Muting warnings is not safe among threads: decode in processes.

    Parameters
    ----------
    decoder : str
        Name for the reason; its lower-case form is the logger that is muted.

    Raises
    ------
    Refused
        "corrupt", or "unsupported" where the decoder says that it does not know the kind.
    OSError
        As it came, where the file system failed.
    MemoryError
        As it came.
    """
    try:
        with warnings.catch_warnings(), _muted(logging.getLogger(decoder.lower())):
            warnings.simplefilter("ignore")
            yield
    except (Refused, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _SENSELESS:
            raise
        raise _refusal(decoder, error) from error


def _refusal(decoder: str, error: Exception) -> Refused:
    """One sentence from an exception: the first line of its message, or its class."""
    lines = str(error).splitlines() or [type(error).__name__]
    message = lines[0][:200]
    unknown = message.lower().startswith(_UNKNOWN_KIND)
    if unknown or isinstance(error, NotImplementedError):
        return Refused("unsupported", f"{decoder} does not read this kind of file: {message}")
    return Refused("corrupt", f"the file is damaged or cut short ({decoder}: {message})")


_SENSELESS = (None, errno.EINVAL, errno.EOVERFLOW, errno.EFBIG)
"""No system error at all, or a place that no file has: a damaged offset leads there."""

_UNKNOWN_KIND = ("unsupported", "cannot handle")
"""How Pillow begins its messages on what it does not know."""


@contextmanager
def _muted(logger: logging.Logger) -> Iterator[None]:
    """Drop a logger's records inside the block."""

    def drop(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)
