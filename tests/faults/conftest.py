"""One archive and one undisturbed run of it, for all tests that compare with it."""

import pytest

from benchmarks.generate import generate
from tests.faults import runs


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Small files in many stacks: many batches, each soon done."""
    folder = tmp_path_factory.mktemp("archive")
    generate(folder, 72, extents=(64, 96))
    return folder


@pytest.fixture(scope="session")
def clean(archive, tmp_path_factory):
    """What an undisturbed run makes of the archive."""
    out = tmp_path_factory.mktemp("clean") / "out"
    ended = runs.complete(archive, out)
    assert ended.code == 0, ended
    return runs.results(archive, out)


@pytest.fixture
def tiny(tmp_path):
    """A tiny archive to be changed, run without a cluster."""
    folder = tmp_path / "tiny"
    runs.write_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_clean(tmp_path_factory):
    """What an undisturbed run makes of the tiny archive."""
    folder = tmp_path_factory.mktemp("tiny")
    runs.write_tiny(folder / "source")
    runs.here(folder / "source", folder / "out")
    return runs.results(folder / "source", folder / "out")
