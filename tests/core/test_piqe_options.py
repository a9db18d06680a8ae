"""Options beyond the reference: off by default, and what they promise where they are on."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from core.mscn import MscnParams, mscn
from core.piqe import PiqeParams, piqe
from tests.core import piqe_reference
from tests.core.images import BUNDLED, bundled, textured
from tests.core.piqe_reference import Rules

MASKS = ("activity", "artifact", "noise")
FAST = PiqeParams(mscn=MscnParams(precision="fast"))
SIZES = [(2, 1), (1, 40), (5, 3), (15, 17), (16, 16), (31, 64), (50, 531)]


def assert_agrees(found, expected):
    for mask in MASKS:
        assert np.array_equal(getattr(found, mask), getattr(expected, mask)), mask
    assert found.score == pytest.approx(expected.score, abs=1e-9)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_fixed_surround_is_the_literal_one(name):
    image = bundled(name)
    expected = piqe_reference.piqe(image, Rules(surround_lacks=(7, 8)))
    assert_agrees(piqe(image, PiqeParams(surround="fixed")), expected)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_symmetric_padding_is_the_literal_one(shape, dtype):
    image = textured(shape, dtype, sum(shape))
    expected = piqe_reference.piqe(image, Rules(padding="symmetric"))
    assert_agrees(piqe(image, PiqeParams(padding="symmetric")), expected)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_a_kept_depth_is_the_literal_reference_without_rounding(dtype):
    image = textured((70, 90), dtype, 11)
    expected = piqe_reference.piqe(image, Rules(rounds=False))
    kept = piqe(image, PiqeParams(mscn=MscnParams(keep_depth=True)))
    assert_agrees(kept, expected)
    assert kept.score != piqe(image).score


@pytest.mark.parametrize("name", BUNDLED)
def test_fast_has_the_masks_of_double_and_nearly_its_score(name):
    image = bundled(name)
    double, fast = piqe(image), piqe(image, FAST)
    for mask in MASKS:
        assert np.array_equal(getattr(fast, mask), getattr(double, mask)), mask
    assert fast.score == pytest.approx(double.score, abs=2e-4)
    found = mscn(image, FAST.mscn)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, mscn(image), rtol=0, atol=3e-3)


def test_fast_without_its_shift_would_not_do():
    levels = bundled("moon")
    exact, shifted = mscn(levels), mscn(levels, FAST.mscn)
    plain = piqe_reference.mscn_map(levels, Rules(precision=np.float32))
    assert np.abs(plain - exact).mean() > 3 * np.abs(shifted - exact).mean()


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_more_than_8_bits_never_run_in_single_precision(dtype):
    image = textured((70, 90), dtype, 5)
    deep = {"keep_depth": True}
    fast = piqe(image, PiqeParams(mscn=MscnParams(precision="fast", **deep)))
    double = piqe(image, PiqeParams(mscn=MscnParams(**deep)))
    assert fast.variance.tobytes() == double.variance.tobytes()
    assert mscn(image, MscnParams(precision="fast", **deep)).dtype == np.float64


def test_numbers_of_numpy_become_plain_ones():
    params = PiqeParams(
        activity_threshold=np.float32(0.25), mscn=MscnParams(sigma=np.int64(2), constant=1)
    )
    assert json.loads(json.dumps(asdict(params)))["mscn"]["sigma"] == 2.0
    assert type(params.activity_threshold) is float


def test_parameters_of_another_class_are_refused():
    for measure, wrong in ((piqe, MscnParams()), (mscn, PiqeParams()), (piqe, {"padding": 1})):
        with pytest.raises(ValueError, match="params must be"):
            measure(np.zeros((4, 4)), wrong)


def test_flat_places_have_no_products_in_any_precision():
    for value in range(0, 256, 5):
        image = np.full((20, 20), value, np.uint8)
        for options in ({}, {"precision": "fast"}, {"precision": "fast", "keep_depth": True}):
            found = piqe(image, PiqeParams(mscn=MscnParams(**options)), statistics=True)
            assert not found.moments.any(), (value, options)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("surround", "quirk", "surround must be reference or fixed, got 'quirk'"),
        ("padding", "edge", "padding must be replicate or symmetric, got 'edge'"),
    ],
)
def test_unknown_words_are_refused_by_name(field, value, message):
    with pytest.raises(ValueError, match=message):
        PiqeParams(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("precision", "half", "precision must be double or fast, got 'half'"),
        ("precision", ["fast"], "precision must be double or fast"),
        ("keep_depth", "yes", "keep_depth must be true or false, got 'yes'"),
        ("data_range", (4095, 0), "data_range must be two numbers"),
    ],
)
def test_unknown_mscn_options_are_refused_by_name(field, value, message):
    with pytest.raises(ValueError, match=message):
        MscnParams(**{field: value})
