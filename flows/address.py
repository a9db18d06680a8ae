"""A Dask scheduler that somebody else started: reached safely, or refused in one line."""

import ipaddress
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import dask

from tasks.errors import ClusterLost, UsageError

TIMEOUT = "15s"
REMEDY = (
    "`scalemark certificates DIR` makes what TLS needs; set DASK_CONFIG to the dask.yaml of the "
    "same DIR here, on the scheduler and on every worker"
)


def connected(address: str) -> Iterator[Any]:
    """Yield a client of the scheduler at an address.

    Raises
    ------
    UsageError
        When the address is no good, or the certificates do not belong together.
    ClusterLost
        When nobody answers.
    """
    from distributed import Client
    from distributed.comm.core import CommClosedError, FatalCommClosedError

    require_private(address)
    if address.startswith("tls://"):
        _require_certificates()
    try:
        # A client that fails to connect stays the process' default one, so the first is not.
        Client(address, timeout=TIMEOUT, set_as_default=False).close()
    except FatalCommClosedError as error:
        raise UsageError(
            f"the scheduler at {address} and this machine do not trust each other's certificates "
            f"({error.__cause__ or error}): {REMEDY}"
        ) from error
    except CommClosedError as error:
        raise UsageError(
            f"{address} hangs up at once: it is no Dask scheduler, or one that wants "
            f"{'tcp://' if address.startswith('tls://') else 'tls://'}"
        ) from error
    except (OSError, TimeoutError) as error:
        raise ClusterLost(f"no Dask scheduler answers at {address}: {error}") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"--scheduler {address} cannot be used: {error}") from error
    with Client(address, timeout=TIMEOUT) as client:
        yield client


def require_private(address: str) -> None:
    """Refuse to send work in the clear beyond this machine."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ("tls", "inproc") and not _is_loopback(parts.hostname or ""):
        raise UsageError(
            f"{address} is beyond this machine and not encrypted, and whoever reaches a Dask "
            f"scheduler can run code on it: use tls:// ({REMEDY})"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_certificates() -> None:
    """Refuse tls:// without certificates of our own, or with some that cannot be loaded."""
    from distributed.security import Security

    try:
        context = Security().get_connection_args("client")["ssl_context"]
    except (OSError, ssl.SSLError) as error:
        files = dask.config.get("distributed.comm.tls")
        raise UsageError(f"cannot read the certificates for tls:// ({error}) in {files}") from error
    if context is None:
        raise UsageError(f"tls:// needs certificates, and none are configured: {REMEDY}")
