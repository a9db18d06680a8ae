"""What a newcomer's machine and CI rely on: the pins, the versions, the examples."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(name):
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_exact_hashed_and_names_no_index(name):
    text = (ROOT / name).read_text()
    logical = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    for line in logical:
        if not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9._-]+==\S+(\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line
    assert "://" not in text


def test_both_locks_agree():
    runtime, dev = (pins(name) for name in LOCKS)
    assert runtime.items() <= dev.items()


def test_what_runs_is_what_is_pinned():
    for package in ("numpy", "zarr", "prefect", "fastapi", "sqlalchemy", "pillow", "tifffile"):
        assert version(package) == pins("requirements-dev.lock")[package]


def test_the_server_starts_with_these_versions():
    # With fastapi 0.155 and later this import fails, and every flow run with it.
    import prefect.server.api.server as server

    assert server.create_app


def test_the_examples_are_many_small_and_named_in_their_licence_table():
    archive = ROOT / "examples" / "archive"
    files = [path for path in archive.rglob("*") if path.is_file()]
    table = (ROOT / "examples" / "README.md").read_text()
    assert sum(path.stat().st_size for path in files) < 10e6
    for path in files:
        assert path.name in table, path
