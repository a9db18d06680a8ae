import csv
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter, ValidationError

from core.mscn import MscnParams, mscn
from core.piqe import Blocks, PiqeParams, block_statistics, piqe, pool
from tests.core import piqe_reference
from tests.core.images import BUNDLED, OFFICIAL, bundled, official, textured

SIZES = [(2, 1), (1, 16), (3, 40), (15, 17), (16, 16), (17, 15), (31, 64), (64, 33), (50, 531)]
MASKS = ("activity", "artifact", "noise")

needs_official = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the five official images are not in shared/data/piqe"
)


def official_rows():
    if not OFFICIAL.is_dir():
        return []
    with (OFFICIAL / "official.csv").open() as table:
        return list(csv.DictReader(table))


def assert_same(found, expected):
    for mask in MASKS:
        assert np.array_equal(getattr(found, mask), getattr(expected, mask)), mask
    np.testing.assert_allclose(found.variance, expected.variance, rtol=0, atol=1e-10)
    assert found.score == pytest.approx(expected.score, abs=1e-9)


@needs_official
def test_official_scores_and_block_counts():
    rows = official_rows()
    assert len(rows) == 5
    for row in rows:
        result = piqe(official(row["image"]))
        assert result.score == pytest.approx(float(row["official_piqe"]), abs=0.0051)
        assert result.activity.size == int(row["n_blocks"])
        counts = [int(getattr(result, mask).sum()) for mask in MASKS]
        assert counts == [int(row[f"{name}_blocks"]) for name in ("active", "artifact", "noise")]


@pytest.mark.parametrize("name", BUNDLED)
def test_photographs_agree_with_the_literal_reference(name):
    image = bundled(name)
    assert_same(piqe(image), piqe_reference.piqe(image))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("colour", [(), (3,)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_any_size_and_class_agrees_with_the_literal_reference(shape, colour, dtype):
    image = textured(shape + colour, dtype, sum(shape))
    assert_same(piqe(image), piqe_reference.piqe(image))


def test_floating_point_beyond_1_agrees_with_the_literal_reference():
    image = bundled("coffee")[:100, :90] / 60.0 - 1.0
    told = PiqeParams(mscn=MscnParams(data_range=(0.0, 1.0)))
    assert_same(piqe(image, told), piqe_reference.piqe(image))
    assert_same(piqe(image + 1.0), piqe_reference.piqe(image + 1.0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_flat_image_scores_100(dtype):
    for value in (0, 1):
        result = piqe(np.full((37, 50), value, dtype))
        assert result.score == 100.0
        assert not result.activity.any()


@settings(deadline=None, max_examples=60)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(2, 40)),
        elements=st.sampled_from([0, 1, 100, 128, 255]),
    )
)
def test_masks_lie_within_activity_and_the_score_within_0_to_100(image):
    with np.errstate(all="raise"):
        result = piqe(image)
    assert 0.0 < result.score <= 100.0
    assert not (result.artifact & ~result.activity).any()
    assert not (result.noise & ~result.activity).any()
    assert np.array_equal(result.activity, result.variance > 0.1)


def test_map_of_the_same_pass_is_the_mscn_map():
    image = bundled("chelsea")
    out = np.full(image.shape[:2], np.nan)
    result = piqe(image, mscn_out=out)
    assert np.array_equal(out, mscn(image))
    assert result.score == piqe(image).score


def test_thresholds_and_mscn_parameters_are_used():
    image = bundled("camera")
    variance = piqe(image).variance
    assert np.array_equal(piqe(image, PiqeParams(activity_threshold=0.5)).activity, variance > 0.5)
    assert not piqe(image, PiqeParams(distortion_threshold=0.0)).artifact.any()
    anything = piqe(image, PiqeParams(distortion_threshold=9.0))
    assert np.array_equal(anything.artifact, anything.activity)
    soft = piqe(image, PiqeParams(mscn=MscnParams(constant=20.0)))
    assert soft.variance.mean() < variance.mean()


def test_threads_may_score_at_once():
    images = [textured((70, 90), "uint8", seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        scores = list(threads.map(lambda image: piqe(image).score, images))
    assert scores == [piqe(image).score for image in images]


@pytest.mark.parametrize("field", ["activity_threshold", "distortion_threshold"])
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, False, "0.1"])
def test_parameters_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be a number from 0"):
        PiqeParams(**{field: value})


def test_nested_parameters_are_refused_by_name():
    with pytest.raises(ValueError, match="mscn must be MscnParams"):
        PiqeParams(mscn={"sigma": 1.0})


def test_parameters_fill_a_form_and_come_back_from_json():
    form = TypeAdapter(PiqeParams)
    fields = form.json_schema()["properties"]
    assert all("description" in fields[name] for name in fields)
    assert form.validate_json(form.dump_json(PiqeParams())) == PiqeParams()
    with pytest.raises(ValidationError, match="sigmma"):
        form.validate_python({"mscn": {"sigmma": 1.0}})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": (0, 30)}, "rows 0 to 30 are 30 pixels, not a multiple of 16"),
        ({"columns": (2, 18)}, "columns start at 2: a tile needs 3 pixels"),
        ({"rows": (10, 10)}, "rows must lie within 0 to 50, got 10 to 10"),
        ({"rows": (-16, 50)}, "rows must lie within 0 to 50"),
        ({"columns": slice(0, 61)}, "columns must lie within 0 to 60"),
        ({"columns": slice(0, 32, 2)}, "columns must have step 1"),
        ({"mscn_out": np.empty((50, 61))}, r"of shape \(50, 60\), got float64 of shape \(50, 61\)"),
        ({"mscn_out": np.empty((50, 60), np.float32)}, "got float32"),
        ({"mscn_out": np.empty((60, 50)).T}, "C-contiguous"),
        ({"mscn_out": np.broadcast_to(0.0, (50, 60))}, "writeable"),
    ],
)
def test_regions_and_buffers_are_refused_with_a_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        block_statistics(np.zeros((50, 60)), **arguments)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((9, 9, 4), np.uint8), "drop the alpha channel"),
        (np.zeros((9, 9, 2), np.uint8), "pick one channel"),
        (np.zeros((0, 9), np.uint8), "is empty"),
        (np.zeros((1, 1), np.uint8), "needs 2 pixels at least"),
        (np.zeros((9, 9), bool), "class bool is not allowed, only uint8"),
        (np.zeros((9, 9), complex), "class complex128 is not allowed"),
        (np.zeros((9, 9), object), "class object is not allowed"),
        (np.array([[0.5, np.nan]]), "1 of 2 values are NaN, infinite"),
        (np.array([[0.5, -np.inf]]), "1 of 2 values are NaN, infinite"),
        (np.array([[0.5, -0.25]], np.float32), r"down to -0\.25, .* data_range=\(black, white\)"),
        (np.zeros((9, 9), "U1"), "not allowed"),
        ([[0, 1], [2, 3]], "class int64 is not allowed"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(image, message):
    for measure in (piqe, mscn):
        with pytest.raises(ValueError, match=message):
            measure(image)


@pytest.mark.parametrize("levels", [np.zeros((4, 4, 3)), np.zeros((4, 4), int), np.zeros((0, 4))])
def test_what_is_no_levels_is_refused(levels):
    with pytest.raises(ValueError, match=r"as core\.levels\.to_levels makes them"):
        block_statistics(levels)


def test_maps_of_different_shapes_are_not_pooled():
    mask = np.ones((2, 3), bool)
    with pytest.raises(ValueError, match="must have one shape"):
        pool(Blocks(variance=np.ones((2, 3)), activity=mask, artifact=mask, noise=mask[:1]))


def test_pooling_counts_active_blocks_only():
    variance = np.array([[0.5, 0.25, 7.0]])
    activity = np.array([[True, True, False]])
    artifact = np.array([[True, False, True]])
    noise = np.array([[True, True, True]])
    blocks = Blocks(variance=variance, activity=activity, artifact=artifact, noise=noise)
    assert pool(blocks) == 100 * (1 + 1 + 0.25) / 3
