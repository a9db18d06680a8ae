import json
import os
import random

import numcodecs
import numpy as np
import pytest
import zarr

from tasks.readers.base import Limits, Refused
from tests.tasks.readers.image_files import (
    loaded,
    only,
    parts_of,
    reader_of,
    refusal_of,
)

GRAY = np.random.default_rng(2).integers(0, 65536, (600, 90), dtype=np.uint16)


@pytest.fixture(params=[2, 3])
def version(request):
    return request.param


def written(path, array, version=3, chunks=None, **options):
    store = zarr.create_array(
        store=str(path),
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks or tuple(min(64, side) for side in array.shape),
        zarr_format=version,
        **options,
    )
    store[...] = array
    return path


COMPRESSORS = {
    "none": (2, {"compressors": None}),
    "zstd": (2, {"compressors": numcodecs.Zstd()}),
    "blosc2": (2, {"compressors": numcodecs.Blosc()}),
    "blosc3": (3, {"compressors": zarr.codecs.BloscCodec()}),
    "gzip": (3, {"compressors": zarr.codecs.GzipCodec()}),
    "checked": (3, {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]}),
    "delta": (2, {"filters": [numcodecs.Delta("<u2")]}),
    "shard": (3, {"shards": (128, 128)}),
}


def chunk_files(path):
    files = [file for file in path.rglob("*") if file.is_file() and file.suffix != ".json"]
    return sorted(file for file in files if not file.name.startswith(".z"))


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_chunks_that_are_cut_short(tmp_path, codec):
    version, options = COMPRESSORS[codec]
    path = written(tmp_path / "a", GRAY, version, **options)
    assert np.array_equal(only(path), GRAY)
    chunk = chunk_files(path)[0]
    data = chunk.read_bytes()
    cuts = {len(data) * percent // 100 for percent in (0, 1, 50, 99)} | {len(data) - 1}
    for cut in cuts:
        chunk.write_bytes(data[:cut])
        assert refusal_of(path)[0] == "corrupt"


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_damage_gives_a_refusal_or_a_whole_image(tmp_path, codec):
    version, options = COMPRESSORS[codec]
    path = written(tmp_path / "a", GRAY, version, **options)
    chance = random.Random(codec)
    chunk = chunk_files(path)[0]
    data = chunk.read_bytes()
    found = 0
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 64])):
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        chunk.write_bytes(damaged)
        try:
            assert only(path).shape == GRAY.shape
        except Refused:
            found += 1
    assert found == 60 or codec != "checked"


def test_damaged_metadata(tmp_path, version):
    path = written(tmp_path / "a", GRAY, version)
    metadata = path / ("zarr.json" if version == 3 else ".zarray")
    text = metadata.read_text()
    chance = random.Random(version)
    for _ in range(150):
        damaged = bytearray(text.encode())
        for _ in range(chance.choice([1, 1, 5])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(32, 127)
        metadata.write_bytes(
            damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])]
        )
        try:
            loaded(path, Limits(max_pixels=10**6))
        except Refused as refusal:
            assert refusal.code in ("corrupt", "unsupported", "too-large", "empty")  # noqa: PT017


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_codecs_that_could_run_code_are_refused(tmp_path, place):
    path = written(tmp_path / "a", GRAY, 2)
    metadata = json.loads((path / ".zarray").read_text())
    codec = {"id": "pickle", "protocol": 5}
    metadata[place] = [codec] if place == "filters" else codec
    (path / ".zarray").write_text(json.dumps(metadata))
    assert refusal_of(path)[0] in ("unsupported", "corrupt")


def test_a_codec_that_is_not_known_to_be_harmless(tmp_path):
    path = written(tmp_path / "a", GRAY, 2)
    metadata = json.loads((path / ".zarray").read_text())
    metadata["compressor"] = {"id": "base64"}
    (path / ".zarray").write_text(json.dumps(metadata))
    code, reason = refusal_of(path)
    assert code == "unsupported"
    assert "base64" in reason


def test_a_pipe_in_place_of_a_chunk_hangs_nobody(tmp_path, version):
    path = written(tmp_path / "a", GRAY, version)
    chunk = chunk_files(path)[0]
    chunk.unlink()
    os.mkfifo(chunk)
    assert refusal_of(path)[0] == "corrupt"


def test_an_array_that_changed(tmp_path, version):
    path = written(tmp_path / "a", np.stack([GRAY] * 3), version)
    reader = reader_of(path)
    last = parts_of(path)[-1]
    written(path, GRAY, version, overwrite=True)
    with pytest.raises(Refused) as refusal:
        reader.read(path, last)
    assert refusal.value.code == "changed"


def test_a_vanished_folder_is_the_callers_business(tmp_path):
    path = written(tmp_path / "a", GRAY)
    reader, (part,) = reader_of(path), parts_of(path)
    path.rename(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        reader.read(path, part)
