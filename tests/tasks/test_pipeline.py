"""The whole chain on a small archive, without a cluster: the store holds what core computes."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
import xarray as xr
import zarr
from PIL import Image

from core.descriptors import describe
from core.luma import to_gray
from core.mscn import mscn
from core.mscn_statistics import NAMES
from core.piecewise import fit_piecewise
from core.piqe import piqe
from tasks import chunks, pipeline, progress, store
from tasks.errors import UsageError
from tasks.output import Output
from tasks.pipeline import Params
from tasks.scoring import QualityParams
from tasks.store import Stack
from tasks.verdict import VerdictParams


def photo(height, width, seed=0):
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).cumsum(1).cumsum(0)
    span = noise.max() - noise.min()
    return ((noise - noise.min()) / span * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures():
    return {
        "small.png": photo(70, 90),
        "twin.png": photo(66, 80, seed=1),
        "large.png": photo(2300, 2100, seed=2),
        "tiled.tif": photo(2200, 2500, seed=3),
        "deep.tif": photo(100, 120, seed=4).astype(np.uint16) * 200,
        "plane.zarr": photo(150, 130, seed=5)[..., 0],
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("source")
    for name in ("small.png", "twin.png", "large.png"):
        Image.fromarray(pictures[name]).save(folder / name, compress_level=1)
    tifffile.imwrite(
        folder / "tiled.tif", pictures["tiled.tif"], tile=(256, 256), photometric="rgb"
    )
    tifffile.imwrite(folder / "deep.tif", pictures["deep.tif"], photometric="rgb")
    zarr.save_array(folder / "plane.zarr", pictures["plane.zarr"])
    tifffile.imwrite(folder / "bright.tif", photo(64, 64).astype(np.float32)[..., 0] * 9)
    values = np.random.default_rng(6).normal(size=(2, 500))
    values[1, 10:20] = np.nan
    np.save(folder / "pair.npy", values)
    noise = np.random.default_rng(7).normal(size=3000)
    np.save(folder / "long.npy", np.abs(np.arange(3000.0) - 1000.5) + noise)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, source):
    out = tmp_path_factory.mktemp("out")
    params = Params(quality=QualityParams(mscn_maps=True))
    summary = pipeline.characterise(source, out, params)
    return Output(out), pq.read_table(out / "items.parquet").to_pylist(), summary


def row_of(rows, name, part=""):
    return next(row for row in rows if row["path"] == name and row["part"] == part)


def frame(output, variable, row):
    stack = Stack.parse("image", row["stack"])
    return chunks.read(output.store, variable, stack, slice(row["slot"], row["slot"] + 1))[0]


@pytest.mark.parametrize(
    "name", ["small.png", "twin.png", "large.png", "tiled.tif", "deep.tif", "plane.zarr"]
)
def test_the_store_holds_what_core_computes_bit_for_bit(run, pictures, name):
    output, rows, _ = run
    row = row_of(rows, name)
    expected = piqe(pictures[name], statistics=True)
    height, width = pictures[name].shape[:2]
    assert (row["height"], row["width"], row["dtype"]) == (height, width, str(pictures[name].dtype))
    assert row["piqe"] == expected.score
    for variable, blocks in (
        (store.ACTIVITY, expected.activity),
        (store.ARTIFACT, expected.artifact),
        (store.NOISE, expected.noise),
    ):
        rows_, columns = blocks.shape
        np.testing.assert_array_equal(frame(output, variable, row)[:rows_, :columns], blocks)
    assert row["active_fraction"] == expected.activity.mean()
    np.testing.assert_array_equal(frame(output, store.STATISTICS, row), expected.statistics.values)
    assert [row[name] for name in NAMES] == expected.statistics.values.tolist()
    maps = frame(output, store.MSCN, row)[:height, :width]
    np.testing.assert_array_equal(maps, mscn(pictures[name]).astype(np.float32))


@pytest.mark.parametrize("name", ["small.png", "large.png", "tiled.tif", "deep.tif"])
def test_images_are_kept_gray_in_their_own_class(run, pictures, name):
    output, rows, _ = run
    row = row_of(rows, name)
    kept = frame(output, store.IMAGE, row)
    height, width = pictures[name].shape[:2]
    assert kept.dtype == pictures[name].dtype
    np.testing.assert_array_equal(kept[:height, :width], to_gray(pictures[name]))
    assert not kept[height:].any()


def test_a_zarr_array_is_read_in_place(run):
    output, rows, _ = run
    row = row_of(rows, "plane.zarr")
    assert row["stack"] == "160x160_uint8_in_place"
    assert not (output.store / "images" / row["stack"] / "image").exists()


def test_signals_keep_their_gaps_and_get_descriptors(run, source):
    output, rows, _ = run
    values = np.load(source / "pair.npy")
    found = describe(values, np.array([500, 500]))
    for n in range(2):
        row = next(r for r in rows if r["path"] == "pair.npy" and r["part"].endswith(str(n)))
        stack = Stack.parse("signal", row["stack"])
        at = slice(row["slot"], row["slot"] + 1)
        kept = chunks.read(output.store, store.SIGNAL, stack, at)[0]
        np.testing.assert_array_equal(kept[:500], values[n])
        assert row["noise"] == found.noise[n]
        assert row["finite_fraction"] == found.finite_fraction[n]
    assert row["status"] == "flagged"
    assert row["reason"] == "2.00% of its samples are NaN or infinite"


def test_signals_have_their_pieces_and_long_ones_those_of_means(run, source):
    output, rows, _ = run
    params = Params().pieces
    values = np.load(source / "pair.npy")
    row = next(r for r in rows if r["path"] == "pair.npy" and r["part"].endswith("1"))
    expected = fit_piecewise(np.arange(500.0), values[1], **vars(params.fit))
    breaks = [row[f"breakpoint_{n}"] for n in range(1, len(expected.breakpoints) + 1)]
    np.testing.assert_allclose(breaks, expected.breakpoints)
    assert row["n_segments"] == expected.n_segments
    row = row_of(rows, "long.npy")
    stack = Stack.parse("signal", row["stack"])
    at = slice(row["slot"], row["slot"] + 1)
    assert chunks.read(output.store, store.STRETCH, stack, at)[0] == 2
    assert chunks.read(output.store, store.N_OBS, stack, at)[0] == 1500
    assert row["n_segments"] == 2
    assert row["breakpoint_1"] == pytest.approx(1000.5, abs=2)
    assert row["breakpoint_2"] is None


def test_floating_point_pixels_beyond_one_are_said_not_to_compare(run):
    row = row_of(run[1], "bright.tif")
    assert row["status"] == "flagged"
    assert "PIQE expects 0 to 1" in row["reason"]


def test_the_store_opens_as_a_tree_with_plain_xarray(run):
    output, rows, _ = run
    tree = xr.open_datatree(output.store, engine="zarr", consolidated=False)
    group = tree["quality"][row_of(rows, "small.png")["stack"]]
    assert (
        float(group["piqe"][row_of(rows, "small.png")["slot"]]) == row_of(rows, "small.png")["piqe"]
    )
    made_with = json.loads(group["piqe"].attrs["params"])
    assert made_with["params"]["activity_threshold"] == 0.1
    gray = tree["images"][row_of(rows, "small.png")["stack"]]["image"].attrs["gray"]
    assert gray.startswith("0.298936")


def test_the_summary_counts_and_ranks(run):
    _, rows, summary = run
    assert sum(summary.counts.values()) == len(rows) == 10
    assert summary.counts["pending"] == 0
    scores = [item.score for item in summary.worst]
    assert scores == sorted(scores, reverse=True)


def test_tables_say_the_same_and_are_described(run):
    output, rows, _ = run
    assert len(output.csv.read_text().splitlines()) == len(rows) + 1
    names = [line.split(",")[0] for line in output.columns.read_text().splitlines()[1:]]
    assert names == list(rows[0])
    schema = pq.read_schema(output.parquet)
    assert all(schema.field(name).metadata[b"description"] for name in names)


def test_only_one_kind_then_the_rest(tmp_path, source):
    first = pipeline.characterise(source, tmp_path, Params(only="signals"))
    assert first.counts["skipped"] == 7
    second = pipeline.characterise(source, tmp_path, Params())
    assert second.counts["skipped"] == 0


def test_a_new_verdict_computes_nothing_again(run, source):
    output, rows, _ = run
    events = []
    quality = QualityParams(mscn_maps=True)
    with progress.listening(events.append):
        strict = Params(quality=quality, verdict=VerdictParams(worst_score=1.0))
        summary = pipeline.characterise(source, output.root, strict)
    done = [e for e in events if isinstance(e, progress.Progress) and e.stage != "scan"]
    assert sum(event.done for event in done) == 0
    assert summary.counts["flagged"] > sum(row["status"] == "flagged" for row in rows)
    pipeline.characterise(source, output.root, Params(quality=quality))


def test_tables_and_report_are_made_again_without_the_source(run, source, tmp_path):
    output, rows, _ = run
    for path in (output.report, output.parquet, output.csv):
        path.unlink()
    away = source.rename(tmp_path / "away")
    try:
        pipeline.rewrite(output.root)
    finally:
        away.rename(source)
    assert pq.read_table(output.parquet).to_pylist() == rows
    assert output.report.exists()


def statuses(out):
    rows = pq.read_table(out / "items.parquet").to_pylist()
    return {row["path"] + row["part"]: row["status"] for row in rows}


def test_a_result_is_not_current_without_its_slot(tmp_path):
    source, out, file = tmp_path / "in", tmp_path / "out", tmp_path / "in/thing"
    source.mkdir()
    Image.fromarray(photo(70, 90)).save(file, "PNG")
    picture = file.read_bytes()
    pipeline.characterise(source, out, Params())
    scored = pq.read_table(out / "items.parquet")["piqe"].to_pylist()
    with file.open("wb") as changed:
        np.save(changed, np.arange(50.0))
    pipeline.characterise(source, out, Params())
    file.write_bytes(picture)
    pipeline.characterise(source, out, Params())
    assert statuses(out) == {"thing": "ok"}
    assert pq.read_table(out / "items.parquet")["piqe"].to_pylist() == scored


def test_the_store_opens_after_a_run_with_maps_and_one_without(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    Image.fromarray(photo(70, 90)).save(source / "a.png")
    pipeline.characterise(source, out, Params(quality=QualityParams(mscn_maps=True)))
    Image.fromarray(photo(70, 90, 1)).save(source / "b.png")
    pipeline.characterise(source, out, Params())
    tree = xr.open_datatree(out / "store.zarr", engine="zarr", consolidated=False)
    [group] = tree["quality"].children.values()
    assert group["mscn"].sizes["frame"] == group["piqe"].sizes["frame"]


@pytest.mark.parametrize("name", ["plane.zarr", "small.png"])
def test_a_single_array_or_file_may_be_the_source(source, tmp_path, name):
    summary = pipeline.characterise(source / name, tmp_path, Params())
    assert summary.counts["ok"] + summary.counts["flagged"] == 1


def test_files_of_somebody_else_are_not_overwritten(source, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    (tmp_path / "thesis.partial").write_text("mine too")
    with pytest.raises(UsageError, match="which no scalemark run wrote"):
        pipeline.characterise(source, tmp_path, Params())
    (tmp_path / "report.html").unlink()
    pipeline.characterise(source, tmp_path, Params(only="signals"))
    assert (tmp_path / "thesis.partial").read_text() == "mine too"


def test_the_output_of_another_run_is_no_input(source, tmp_path):
    folder = tmp_path / "in"
    pipeline.characterise(source / "pair.npy", folder / "report", Params())
    (folder / "x.csv").write_text("1\n2\n4\n8\n16\n32\n64\n128\n")
    summary = pipeline.characterise(folder, tmp_path / "out", Params())
    assert summary.counts["ok"] == 1
    assert summary.counts["skipped"] == 1
