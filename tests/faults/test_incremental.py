"""A second run does what is new or changed, no more, and says why."""

import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.piqe import PiqeParams
from tasks import ingest, probe
from tasks.errors import UsageError
from tasks.scoring import QualityParams
from tests.faults import runs


@pytest.fixture
def out(tiny, tmp_path):
    folder = tmp_path / "out"
    runs.here(tiny, folder)
    return folder


def computed(out, run):
    """What a run has computed: (path, step) of every result that it committed."""
    query = "SELECT path, step FROM done JOIN item ON item.id = done.item WHERE run = "
    return {(bytes(path).decode(), step) for path, step in runs.ledger_rows(out, f"{query}{run}")}


def test_a_touched_file_is_not_computed_again(tiny, out):
    before = runs.results(tiny, out)
    for path in tiny.iterdir():
        path.touch()
    assert runs.here(tiny, out) == []
    assert computed(out, 2) == set()
    runs.assert_as_clean(out, before)


def test_a_changed_file_alone_is_computed_again_and_says_so(tiny, out):
    before = runs.rows(out)
    shutil.copy(tiny / "image5.png", tiny / "image2.png")
    notes = runs.here(tiny, out)
    changed = "1 item done again: its content changed"
    assert notes == [f"ingest: {changed}", f"piqe: {changed}"]
    assert computed(out, 2) == {("image2.png", "ingest"), ("image2.png", "piqe")}
    after = runs.rows(out)
    assert after["image2.png"]["piqe"] == before["image5.png"]["piqe"]
    assert {name: row for name, row in after.items() if name != "image2.png"} == {
        name: row for name, row in before.items() if name != "image2.png"
    }


def test_a_changed_parameter_computes_its_step_again_and_names_both_values(tiny, out):
    images = {f"image{n}.png" for n in range(6)}
    params = QualityParams(piqe=PiqeParams(activity_threshold=0.2))
    notes = runs.here(tiny, out, quality=params)
    assert notes == ["piqe: 6 items done again: activity_threshold changed from 0.1 to 0.2"]
    assert computed(out, 2) == {(name, "piqe") for name in images}


def test_a_file_that_goes_and_comes_back_is_not_computed_again(tiny, out, tmp_path):
    before = runs.results(tiny, out)
    gone = [tiny / "image3.png", tiny / "signal1.npy"]
    for path in gone:
        shutil.move(path, tmp_path / path.name)
    runs.here(tiny, out)
    for path in gone:
        row = runs.rows(out)[path.name]
        assert (row["status"], row["code"]) == ("skipped", "gone")
    for path in gone:
        shutil.move(tmp_path / path.name, path)
    assert runs.here(tiny, out) == []
    assert computed(out, 2) | computed(out, 3) == set()
    runs.assert_as_clean(out, before)


def test_a_new_file_begins_a_new_chunk(tiny, out):
    before = runs.results(tiny, out)
    shutil.copy(tiny / "image0.png", tiny / "image00.png")
    runs.here(tiny, out)
    assert computed(out, 2) == {("image00.png", "ingest"), ("image00.png", "piqe")}
    row = runs.rows(out)["image00.png"]
    assert row["slot"] == 64
    assert row["piqe"] == runs.rows(out)["image0.png"]["piqe"]
    chunks = {name for name in before.store if not name.endswith("zarr.json")}
    after = runs.results(tiny, out).store
    assert all(after[name] == before.store[name] for name in chunks)


@pytest.mark.parametrize("visit", ["touched", "moved away and back"])
@pytest.mark.parametrize("name", ["image1.png", "signal1.npy"])
def test_a_file_that_does_not_decode_stays_quarantined(tiny, tmp_path, monkeypatch, name, visit):
    """Its frame was never written: nothing may take the empty place for a picture."""
    out, path = tmp_path / "out", tiny / name

    def refuse(order, item, original=ingest.open_item):
        if item.path == name.encode():
            raise ingest.Refused("corrupt", "does not decode")
        return original(order, item)

    monkeypatch.setattr(ingest, "open_item", refuse)
    runs.here(tiny, out)
    assert runs.rows(out)[name]["code"] == "corrupt"
    if visit == "touched":
        path.touch()
    else:
        shutil.move(path, tmp_path / name)
        runs.here(tiny, out)
        assert runs.rows(out)[name]["code"] == "gone"
        shutil.move(tmp_path / name, path)
    runs.here(tiny, out)
    assert runs.rows(out)[name]["status"] == "quarantined"
    assert runs.rows(out)[name]["code"] == "corrupt"


def test_a_file_refused_by_its_header_has_its_row_when_it_comes_back(tiny, tmp_path):
    (tiny / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    out = tmp_path / "out"
    runs.here(tiny, out)
    first = runs.rows(out)["broken.png"]
    assert first["status"] == "quarantined"
    shutil.move(tiny / "broken.png", tmp_path)
    runs.here(tiny, out)
    assert "broken.png" not in runs.rows(out)
    shutil.move(tmp_path / "broken.png", tiny)
    runs.here(tiny, out)
    assert runs.rows(out)["broken.png"] == first


def test_pages_left_out_have_their_rows_when_their_file_comes_back(tiny, tmp_path):
    out = tmp_path / "out"
    pages = np.zeros((3, 40, 40), np.uint8)
    tifffile.imwrite(tiny / "pages.tif", pages, photometric="minisblack")
    runs.here(tiny, out, only="signals")
    shutil.move(tiny / "pages.tif", tmp_path)
    runs.here(tiny, out, only="signals")
    shutil.move(tmp_path / "pages.tif", tiny)
    runs.here(tiny, out)
    query = "SELECT count(*) FROM item WHERE path = CAST('pages.tif' AS BLOB) AND status != ''"
    assert runs.ledger_rows(out, query) == [(3,)]


def write_again(path):
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(path)


def grow(path):
    path.write_bytes(path.read_bytes() + b"more")


def vanish(path):
    path.rename(path.with_suffix(".away"))


@pytest.mark.parametrize("meddle", [write_again, grow, vanish])
@pytest.mark.parametrize("step", [(ingest, "open_item"), (probe, "hash_of")])
def test_a_file_that_changes_while_it_is_read_is_set_aside(
    tiny, tmp_path, monkeypatch, step, meddle
):
    out = tmp_path / "out"
    path = tiny / "image4.png"
    module, name = step
    original = getattr(module, name)

    def read(*given):
        found = original(*given)
        if (given[0] if len(given) == 1 else probe.locate(tiny, given[1].path)) == path:
            meddle(path)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(module, name, read)
        runs.here(tiny, out)
    row = runs.rows(out)["image4.png"]
    assert (row["status"], row["code"]) == ("quarantined", "changed")
    others = [row["status"] for name, row in runs.rows(out).items() if name != "image4.png"]
    assert set(others) <= {"ok", "flagged"}
    if meddle is vanish:
        path.with_suffix(".away").rename(path)
    if meddle is grow:
        path.write_bytes(path.read_bytes()[:-4])
    runs.here(tiny, out)
    again = tmp_path / "again"
    runs.here(tiny, again)
    found, expected = runs.rows(out)["image4.png"], runs.rows(again)["image4.png"]
    assert found["status"] in ("ok", "flagged")
    assert found | {"slot": None} == expected | {"slot": None}


def test_an_empty_source_that_held_files_is_taken_for_a_share_that_is_not_mounted(tiny, out):
    before = runs.results(tiny, out)
    kept = tiny.with_name("kept")
    tiny.rename(kept)
    tiny.mkdir()
    with pytest.raises(UsageError, match=r"is empty and held 9 files before: .* mounted\?"):
        runs.here(tiny, out)
    tiny.rmdir()
    kept.rename(tiny)
    runs.here(tiny, out)
    runs.assert_as_clean(out, before)
