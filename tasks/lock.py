"""One run per output folder: a lock that names its owner."""

import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import Busy, StoreFailed


@contextmanager
def owned(path: Path) -> Iterator[str]:
    """Own the folder of `path` while the context lasts; yields the run's token.

    The kernel drops the lock when its owner dies, however it dies, so a stale one is taken over
    at once. The token in the file lets a late worker of a dead run find out that it is late.

    Raises
    ------
    Busy
        When another living run owns the folder.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreFailed(f"cannot write in {path.parent}: {error.strerror}") from error
    try:
        if not _acquired(handle):
            raise Busy(_describe(path))
        token = uuid.uuid4().hex
        try:
            _write(handle, token)
        except OSError as error:
            raise StoreFailed(f"cannot write {path}: {error.strerror}") from error
        yield token
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _acquired(handle: int) -> bool:
    """Try for half a second: `owner` below holds the lock for a moment when it looks."""
    for attempt in range(6):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1 if attempt < 5 else 0.0)
        else:
            return True
    return False


def _write(handle: int, token: str) -> None:
    owner = {
        "token": token,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(owner).encode(), 0)
    os.fsync(handle)


def owner(path: Path) -> str:
    """Return who owns the folder now, in words; empty if nobody does."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _who(path)
    finally:
        os.close(handle)
    return ""


def require_free(path: Path) -> None:
    """Refuse at once where another run lives; `owned` has the last word.

    Raises
    ------
    Busy
        Naming the owner.
    """
    if owner(path):
        time.sleep(0.05)  # another look like this one holds the lock for less
        if owner(path):
            raise Busy(_describe(path))


def _who(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "a run that is just starting or ending"


def _describe(path: Path) -> str:
    return (
        f"{path.parent} is in use by another scalemark run ({_who(path)}): "
        "wait for it, stop it, or choose another --out"
    )


def is_current(path: Path, token: str) -> bool:
    """Tell whether the run with `token` still owns the folder; an empty token always does."""
    if not token:
        return True
    try:
        return bool(json.loads(path.read_text())["token"] == token)
    except (OSError, ValueError, KeyError):
        return False
