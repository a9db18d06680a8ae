"""A small run to learn from: textures, half of them noisy, and signals of two kinds."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from tasks import pipeline, progress
from tasks.output import Output
from tasks.pipeline import Params

FOLDERS, EACH = 5, 6


def texture(seed, sigma):
    generator = np.random.default_rng(seed)
    y, x = np.indices((96, 112))
    waves = sum(np.sin(x * a + y * b + c) for a, b, c in generator.uniform(-0.3, 0.3, size=(6, 3)))
    return (128 + 16 * waves + generator.normal(0, sigma, waves.shape)).clip(0, 255)


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Images named clean or noisy, and signals named flat or bumpy, in some folders each."""
    source = tmp_path_factory.mktemp("archive")
    for folder in range(FOLDERS):
        (source / f"f{folder}").mkdir()
        for n in range(EACH):
            seed, noisy = 100 * folder + n, n % 2
            name = source / f"f{folder}/{'noisy' if noisy else 'clean'}{n}.png"
            Image.fromarray(texture(seed, 25 if noisy else 1).astype(np.uint8)).save(name)
    for folder in range(3):
        (source / f"s{folder}").mkdir()
        for n in range(4):
            generator = np.random.default_rng(1000 + 10 * folder + n)
            t = np.arange(80.0)
            bumps = sum(np.exp(-0.5 * ((t - c) / 4) ** 2) for c in (20, 50)) * 5 * (n % 2)
            word = "bumpy" if n % 2 else "flat"
            np.save(source / f"s{folder}/{word}{n}.npy", bumps + generator.normal(0, 0.2, t.size))
    return source


@pytest.fixture(scope="session")
def finished(archive, tmp_path_factory):
    """The run's output folder; not to be changed."""
    out = tmp_path_factory.mktemp("finished") / "out"
    pipeline.characterise(archive, out, Params())
    return out


@pytest.fixture
def out(finished, tmp_path):
    """A copy of the output folder, to be changed."""
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def notes():
    """What the steps have said."""
    said = []

    def listen(event):
        if isinstance(event, progress.Note):
            said.append(event.text)

    with progress.listening(listen):
        yield said


def write_labels(path, rows, header=("name", "label")):
    with path.open("w", newline="") as file:
        cells = csv.writer(file)
        cells.writerow(header)
        cells.writerows(rows)
    return path


@pytest.fixture
def write():
    return write_labels


def image_rows():
    return [
        (f"f{f}/{word}{n}.png", word)
        for f in range(FOLDERS)
        for n in range(EACH)
        for word in (("clean", "noisy")[n % 2],)
    ]


@pytest.fixture
def labels(tmp_path):
    """A right label for every image."""
    return write_labels(tmp_path / "labels.csv", image_rows())


@pytest.fixture
def table():
    """Read the table's rows by path."""
    import pyarrow.parquet as pq

    def rows(out):
        return {row["path"]: row for row in pq.read_table(Output(out).parquet).to_pylist()}

    return rows
