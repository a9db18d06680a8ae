"""The refusal of damage, with two more symptoms that damaged signal files show."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.readers.base import Refused
from tasks.readers.damage import refusing_damage

# A damaged offset reaches the system as a seek or a read that makes no sense.
_SENSELESS = frozenset({errno.EINVAL, errno.EOVERFLOW, errno.EFBIG})


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn whatever a decoder raises into `Refused`, as `refusing_damage` does, and more.

    Parameters
    ----------
    what : str
        The format, for the reason: "Parquet".

    Raises
    ------
    Refused
        Also "too-large" where memory ran out, and "corrupt" where the system was asked for a
        place that no file has.
    OSError
        As it came, where the file system failed.
    """
    try:
        with refusing_damage(what):
            yield
    except MemoryError as error:
        reason = f"the {what} file asks for more memory than there is: damaged, or too large"
        raise Refused("too-large", reason) from error
    except OSError as error:
        if error.errno not in _SENSELESS:
            raise
        reason = f"the file is damaged or cut short ({what}: {error.strerror or error})"
        raise Refused("corrupt", reason) from error
