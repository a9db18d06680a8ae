"""Damage to what is stored is found, said, and mended from the source."""

import os

import numpy as np
import pytest

from core.piqe import PiqeParams
from tasks import chunks, store
from tasks.output import Output
from tasks.scoring import QualityParams
from tasks.store import Stack
from tests.faults import runs

STRICTER = QualityParams(piqe=PiqeParams(activity_threshold=0.2))


def flip(path, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def flip_middle(path):
    flip(path, path.stat().st_size * 4)


def halve(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def remove(path):
    path.unlink()


DAMAGES = [flip_middle, halve, empty, remove]


@pytest.fixture
def out(tiny, tmp_path):
    folder = tmp_path / "out"
    runs.here(tiny, folder)
    return folder


def chunk_of(out, variable):
    """The one chunk that a variable of the tiny archive has."""
    found = Output(out).store.glob(f"{variable.tree}/*/{variable.name}/c/**/*")
    (path,) = (path for path in found if path.is_file())
    return path


def quarantined(out):
    return {path for path, row in runs.rows(out).items() if row["code"] == "store-damaged"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_image_is_found_and_decoded_again(tiny, tiny_clean, out, damage):
    damage(chunk_of(out, store.IMAGE))
    runs.here(tiny, out, quality=STRICTER)
    assert quarantined(out) == {f"image{n}.png" for n in range(6)}
    assert "--retry-failed" in runs.rows(out)["image0.png"]["reason"]
    runs.here(tiny, out, quality=STRICTER)
    assert len(quarantined(out)) == 6
    runs.here(tiny, out, retry_failed=True)
    runs.assert_as_clean(out, tiny_clean)


@pytest.mark.parametrize("damage", [flip_middle, remove])
@pytest.mark.parametrize(
    ("variable", "name"), [(store.PIQE, "image"), (store.ACTIVE, "image"), (store.MEAN, "signal")]
)
def test_a_damaged_result_is_found_and_computed_again(
    tiny, tiny_clean, out, variable, name, damage
):
    damage(chunk_of(out, variable))
    runs.here(tiny, out)
    damaged = {path for path in runs.rows(out) if path.startswith(name)}
    assert quarantined(out) == damaged
    runs.here(tiny, out, retry_failed=True)
    runs.assert_as_clean(out, tiny_clean)


@pytest.mark.parametrize("damage", [flip_middle, remove])
@pytest.mark.parametrize("variable", [store.IMAGE, store.PIQE, store.HEIGHT, store.SIGNAL])
def test_damage_is_found_where_a_changed_item_shares_the_chunk(tiny, out, variable, damage):
    damage(chunk_of(out, variable))
    name = "signal1.npy" if variable is store.SIGNAL else "image1.png"
    other = tiny / name.replace("1", "2")
    (tiny / name).write_bytes(other.read_bytes())
    runs.here(tiny, out)
    assert name in quarantined(out)
    runs.here(tiny, out, retry_failed=True)
    assert quarantined(out) == set()
    again = out.with_name("again")
    runs.here(tiny, again)
    runs.assert_as_clean(out, runs.results(tiny, again))


def test_two_hundred_of_two_hundred_flipped_bits_are_found(tiny, out):
    rng = np.random.default_rng(2)
    found = 0
    variables = (*store.IMAGES, *store.QUALITY, *store.SIGNALS, *store.DESCRIPTORS)
    for variable in rng.choice(np.array(variables, dtype=object), 200):
        path = chunk_of(out, variable)
        kind = "signal" if variable in store.SIGNALS + store.DESCRIPTORS else "image"
        stack = Stack.parse(kind, path.relative_to(Output(out).store).parts[1])
        whole = path.read_bytes()
        flip(path, int(rng.integers(len(whole) * 8)))
        with pytest.raises(chunks.DamagedChunk):
            chunks.read(Output(out).store, variable, stack, slice(0, stack.slots_per_chunk))
        found += 1
        path.write_bytes(whole)
    assert found == 200
