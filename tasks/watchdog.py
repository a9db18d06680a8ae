"""What keeps one item from holding up a run: a time limit, and a word on what went wrong."""

import faulthandler
import math
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End this worker process if the body takes longer; the engine then finds the culprit.

    The watch is kept by a thread that needs no interpreter, so a decoder that never returns to
    Python is ended too. Without a limit (infinity) nothing is watched.
    """
    if math.isinf(seconds):
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def trace(error: BaseException) -> str:
    """Return where an unexpected error came from, in one line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
