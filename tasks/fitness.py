"""Whether a worker may carry a run's batches: the same software, the same files."""

import importlib.metadata
import os
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from tasks import lock

PACKAGES = (
    "scalemark", "numpy", "scipy", "numba", "xarray", "zarr", "dask",
    "pillow", "tifffile", "imagecodecs", "pyarrow", "h5netcdf",
)  # fmt: skip
SOURCES = ("core", "tasks")
REMEDY = "every machine of the cluster needs the same installation and the same folders"


class Unfit(Exception):
    """A worker may not carry this run; the message says why."""


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


@lru_cache(maxsize=1)
def environment() -> Mapping[str, str]:
    """Return what results may depend on beside the input and the parameters, by name."""
    digest = blake2b(digest_size=6)
    root = Path(__file__).parents[1]
    for path in sorted(path for name in SOURCES for path in (root / name).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **versions(), "scalemark's source": digest.hexdigest()}


def fault(expected: Mapping[str, str], reads: Iterable[Path], mark: Path, token: str) -> str:
    """Say in words why this process may not carry a run; empty if it may.

    Parameters
    ----------
    expected : mapping
        The environment of the run.
    reads : iterable of Path
        What the run reads.
    mark : Path
        The run's lock, in the folder that it writes.
    token : str
        What the lock holds while the run lives.
    """
    held = environment()
    others = [
        f"{name} {held.get(name, 'missing')} instead of {version}"
        for name, version in expected.items()
        if held.get(name) != version
    ]
    if others:
        return f"has {', '.join(others)}"
    unseen = [str(path) for path in (*reads, mark.parent) if not os.access(path, os.R_OK)]
    if unseen:
        return f"does not see {', '.join(unseen)}"
    if not lock.is_current(mark, token):
        return f"sees another {mark.parent} than the run's own, or an older state of it"
    if not os.access(mark.parent, os.W_OK):
        return f"may not write in {mark.parent}"
    return ""


def is_unfit(answer: object) -> bool:
    """Tell an error that says its worker may not carry the run, or has no scalemark at all.

    Where a worker cannot load what it is sent, Dask hands back the error's text in another one.
    """
    return isinstance(answer, Unfit | ImportError) or "ModuleNotFoundError" in repr(answer)


def words(answer: object) -> str:
    """Put what a worker answered in words: its fault, or why it could not even be asked."""
    if isinstance(answer, str):
        return answer
    if is_unfit(answer):
        return f"has no scalemark, or another one ({answer})"
    return f"cannot be asked ({answer!r})"
