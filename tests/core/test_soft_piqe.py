import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter, ValidationError

from core.luma import to_gray
from core.mscn import MscnParams
from core.piqe import PiqeParams, piqe
from core.soft_piqe import SoftPiqeParams, soft_piqe, soft_piqe_score
from tests.core import soft_piqe_reference
from tests.core.images import BUNDLED, bundled, crop, textured
from tests.core.soft_piqe_reference import OTHER

SIZES = [(2, 1), (1, 16), (3, 40), (15, 17), (16, 16), (17, 15), (31, 64), (64, 33), (130, 77)]
KNOBS = tuple(SoftPiqeParams().knobs)


@pytest.mark.parametrize("params", [SoftPiqeParams(), OTHER], ids=["default", "other"])
@pytest.mark.parametrize("shape", SIZES)
def test_any_size_agrees_with_the_literal_reference(shape, params):
    image = textured(shape, "float64", sum(shape))
    expected = soft_piqe_reference.soft_piqe(255 * image, params)
    assert soft_piqe_score(image, params) == pytest.approx(expected, abs=1e-7)
    assert soft_piqe(image, params).score == soft_piqe_score(image, params)


@pytest.mark.parametrize("name", ["camera", "coffee", "brick", "astronaut"])
def test_photographs_agree_with_the_literal_reference(name):
    gray = to_gray(bundled(name)[:200, :300])
    expected = soft_piqe_reference.soft_piqe(gray, SoftPiqeParams())
    assert soft_piqe_score(gray) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", ["camera", "coffee", "brick", "rocket", "china.jpg"])
def test_it_tends_to_the_hard_score_as_the_knobs_shrink(name):
    gray = to_gray(bundled(name))
    hard = piqe(gray).score
    distances = [
        abs(soft_piqe_score(gray, SoftPiqeParams().sharpened(factor)) - hard)
        for factor in (1, 30, 1e3, 1e5)
    ]
    assert distances[0] < 8
    assert distances[-1] < 1e-3
    assert distances[-1] < distances[1]


@pytest.mark.parametrize("factor", [1.0, 1e4])
@pytest.mark.parametrize("name", BUNDLED)
def test_photographs_have_a_finite_gradient(name, factor):
    found = soft_piqe(bundled(name)[:160, :160], SoftPiqeParams().sharpened(factor))
    assert np.isfinite(found.gradient).all()
    assert found.gradient.any()


@settings(deadline=None, max_examples=60)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(2, 35), st.integers(1, 35)),
        elements=st.sampled_from([0.0, 1e-12, 1e-3, 0.5, 1.0, -3.0, 1e6, 1e50, 1e100, -1e100]),
    ),
    st.sampled_from([1e-3, 1.0, 1e3, 1e6]),
)
def test_extreme_images_have_finite_scores_and_gradients(image, factor):
    with np.errstate(all="raise", under="ignore"):
        found = soft_piqe(image, SoftPiqeParams().sharpened(factor))
    assert np.isfinite(found.score)
    assert np.isfinite(found.gradient).all()


@pytest.mark.parametrize("constant", [1e-6, 1e6])
@pytest.mark.parametrize("knob", [1e-9, 1e6])
def test_extreme_parameters_have_finite_scores_and_gradients(knob, constant):
    mscn = MscnParams(constant=constant)
    params = SoftPiqeParams(piqe=PiqeParams(mscn=mscn), **dict.fromkeys(KNOBS, knob))
    for image in (crop("camera"), textured((50, 60), "float64", 1), np.zeros((20, 20))):
        found = soft_piqe(image, params)
        assert np.isfinite(found.score)
        assert np.isfinite(found.gradient).all()


@pytest.mark.parametrize("value", [0.0, 0.3, 200 / 255, 1.0, 1e100, -1e100])
@pytest.mark.parametrize("shape", [(1, 2), (5, 40), (50, 50, 3)])
def test_flat_images_score_100_and_have_no_gradient(value, shape):
    found = soft_piqe(np.full(shape, value))
    assert found.score == pytest.approx(100.0, abs=1e-4)
    assert found.gradient.shape == shape
    assert np.abs(found.gradient).max() < 1e-9


def test_the_image_is_not_touched_and_may_be_read_only_or_strided():
    image = crop("camera")
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    strided.flags.writeable = False
    assert np.array_equal(soft_piqe(strided).gradient, soft_piqe(image).gradient)
    swapped = image.astype(">f8")
    assert soft_piqe(swapped).score == soft_piqe(image).score
    assert np.array_equal(image, crop("camera"))


def test_threads_may_score_at_once():
    images = [textured((70, 90), "float64", seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(soft_piqe, images))
    for image, result in zip(images, found, strict=True):
        assert np.array_equal(result.gradient, soft_piqe(image).gradient)


def test_memory_stays_at_a_few_arrays_of_the_image():
    image = textured((1024, 512), "float64", 0)
    soft_piqe(image)
    tracemalloc.start()
    soft_piqe(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * image.nbytes


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), bool), "class bool is not allowed"),
        (np.zeros((4, 4), complex), "class complex128"),
        (np.array([[None]]), "class object"),
        (np.zeros((4, 4, 4)), "alpha"),
        (np.zeros((4, 4, 1)), r"\[\.\.\., 0\]"),
        (np.zeros((3, 4, 5)), "moveaxis"),
        (np.zeros(4), "neither"),
        (np.zeros((0, 4)), "empty"),
        (np.array([[0.0, np.nan]]), "1 of 2 values are NaN"),
        (np.array([[np.inf, 1e101]]), "2 of 2 values"),
    ],
)
def test_bad_images_are_refused_as_by_piqe(image, message):
    for score in (soft_piqe, soft_piqe_score, piqe):
        with pytest.raises(ValueError, match=message):
            score(image)


@pytest.mark.parametrize("field", KNOBS)
@pytest.mark.parametrize("value", [0.0, -0.1, np.nan, np.inf, True, "0.1", None])
def test_parameters_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be a number from 1e-09"):
        SoftPiqeParams(**{field: value})


def test_nested_parameters_and_factors_are_refused_by_name():
    with pytest.raises(ValueError, match="piqe must be PiqeParams"):
        SoftPiqeParams(piqe={"activity_threshold": 0.1})
    with pytest.raises(ValueError, match=r"^factor must be a number"):
        SoftPiqeParams().sharpened(0)
    with pytest.raises(ValueError, match=r"^deviation_floor must be a number"):
        SoftPiqeParams(deviation_floor=1e-8).sharpened(100)


def test_sharpening_divides_every_knob_and_keeps_the_rest():
    sharp = OTHER.sharpened(4)
    assert sharp.piqe == OTHER.piqe
    assert sharp.knobs == {name: value / 4 for name, value in OTHER.knobs.items()}
    assert sharp.sharpened(0.25) == OTHER


def test_parameters_fill_a_form_and_come_back_from_json():
    form = TypeAdapter(SoftPiqeParams)
    fields = form.json_schema()["properties"]
    assert all("description" in fields[name] for name in fields)
    assert form.validate_json(form.dump_json(OTHER)) == OTHER
    with pytest.raises(ValidationError, match="temprature"):
        form.validate_python({"temprature": 1.0})


def test_a_range_is_relaxed_too():
    image = bundled("coins")[:96, :128].astype(np.uint16) * 16
    hard = piqe(image, PiqeParams(mscn=MscnParams(data_range=(0, 4095), keep_depth=True)))
    soft = SoftPiqeParams(piqe=PiqeParams(mscn=MscnParams(data_range=(0, 4095))))
    assert soft_piqe(image, soft.sharpened(1e5)).score == pytest.approx(hard.score, abs=1e-6)
    found, expected = soft_piqe(image, soft), soft_piqe(image / 4095.0)
    np.testing.assert_allclose(4095 * found.gradient, expected.gradient, rtol=1e-6, atol=1e-9)


def test_a_single_pixel_is_refused():
    with pytest.raises(ValueError, match="2 pixels at least"):
        soft_piqe(np.zeros((1, 1)))


def test_a_padding_that_is_not_relaxed_is_refused():
    with pytest.raises(ValueError, match=r"piqe\.padding must be replicate in soft PIQE"):
        SoftPiqeParams(piqe=PiqeParams(padding="symmetric"))
