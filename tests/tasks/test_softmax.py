import dask
import numpy as np
import pytest
import xarray as xr

from core import softmax as core
from tasks.softmax import log_softmax, logsumexp, softmax

FUNCTIONS = {softmax: core.softmax, log_softmax: core.log_softmax}


def made(dtype=float, classes=23):
    rng = np.random.default_rng(4)
    values = (40 * rng.standard_normal((3, classes, 5))).astype(dtype)
    kind = ("label", values[0, :, 0])
    return xr.DataArray(
        values,
        dims=("item", "label", "band"),
        coords={"label": np.arange(classes), "band": list("abcde"), "kind": kind},
        attrs={"long_name": "evidence"},
        name="logits",
    )


@pytest.mark.parametrize("items", [2, 3])
@pytest.mark.parametrize("chunk", [1, 7, -1])
@pytest.mark.parametrize("labelled", FUNCTIONS)
def test_the_bits_of_core_for_any_chunks_of_the_classes(labelled, chunk, items):
    logits = made()
    chunked = logits.chunk(label=chunk, item=items)
    found = labelled(chunked, "label", temperature=1.7)
    exact = FUNCTIONS[labelled](logits.values, 1, temperature=1.7)
    assert found.chunks == chunked.chunks
    xr.testing.assert_identical(found.compute(), logits.copy(data=exact))
    xr.testing.assert_identical(labelled(logits, "label", temperature=1.7), found.compute())


@pytest.mark.parametrize("chunk", [1, 7, -1])
def test_sums_have_the_bits_of_core_without_the_classes(chunk):
    logits = made()
    found = logsumexp(logits.chunk(label=chunk, band=2), "label", temperature=1.7)
    assert found.chunks == ((3,), (2, 2, 1))
    exact = logits.isel(label=0, drop=True).copy(
        data=core.logsumexp(logits.values, 1, temperature=1.7)
    )
    xr.testing.assert_identical(found.compute(), exact)
    xr.testing.assert_identical(logsumexp(logits, "label", temperature=1.7), exact)


@pytest.mark.parametrize("labelled", FUNCTIONS)
def test_classes_in_another_order_get_the_same_bits(labelled):
    logits = made()
    order = np.random.default_rng(0).permutation(logits.sizes["label"])
    found = labelled(logits.isel(label=order).chunk(label=(4, 1, 11, 7)), "label")
    xr.testing.assert_identical(found.sortby("label").compute(), labelled(logits, "label"))


def test_nothing_is_computed_before_it_is_asked_for():
    def computes(*_):
        raise AssertionError("computed")

    with dask.config.set(scheduler=computes):
        lazy = softmax(made().chunk(label=4), "label")
        sums = logsumexp(made().chunk(label=4), "label")
    assert lazy.dtype == sums.dtype == np.float64
    assert lazy.chunks is not None


def test_no_chunk_of_classes_is_joined_to_another():
    seen = []

    def note(block):
        seen.append(block.shape)
        return block

    chunked = made(classes=40).chunk(label=2)
    chunked.data = chunked.data.map_blocks(note, dtype=float, meta=np.empty((0, 0, 0)))
    tasks = softmax(chunked, "label").data
    tasks.compute(scheduler="synchronous")
    assert seen == [(3, 2, 5)] * 20
    assert tasks.numblocks == (1, 20, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32, np.float16])
def test_dtypes_are_those_of_core(dtype):
    logits = made(dtype)
    found = softmax(logits.chunk(label=3), "label")
    exact = core.softmax(logits.values, 1)
    assert found.dtype == exact.dtype
    np.testing.assert_array_equal(found.values, exact)


def test_infinities_and_gaps_are_those_of_core():
    logits = made()
    logits[0, 3, 0], logits[1, 20, 1], logits[2, :, 2] = np.inf, np.nan, -np.inf
    for inf in ("limit", "nan"):
        found = softmax(logits.chunk(label=5), "label", inf=inf)
        np.testing.assert_array_equal(found.values, core.softmax(logits.values, 1, inf=inf))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda logits: softmax(logits), "no dimension 'class', only .*'label'"),
        (lambda logits: logsumexp(logits), "no dimension 'class'"),
        (lambda logits: softmax(logits, "label", temperature=0), "temperature"),
        (lambda logits: log_softmax(logits, "label", inf="zero"), "inf must be"),
        (lambda logits: softmax(logits.astype(complex), "label"), "logits must be booleans"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_computed(call, words):
    with pytest.raises(ValueError, match=words):
        call(made().chunk(label=4))
