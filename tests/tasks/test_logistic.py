"""Sums over Dask chunks: the coefficients of the whole, for any cut."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.delayed import delayed

from core.logistic import LogisticClassifier
from tasks.logistic import _tree, fit_logistic, predict_proba


def made(samples=500, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, 4))
    logits = x @ rng.standard_normal((4, 3)) + rng.gumbel(size=(samples, 3))
    order = np.argsort(logits.argmax(axis=1), kind="stable")  # chunks without some classes
    return x[order], np.array(["a", "b", "c"])[logits.argmax(axis=1)[order]]


@pytest.mark.parametrize(
    ("solver", "l1_ratio"),
    [
        ("lbfgs", 0.0),
        ("newton-cg", 0.0),
        ("newton-cholesky", 0.0),
        ("prox-newton", 0.5),
        ("fista", 0.5),
    ],
)
@pytest.mark.parametrize("parts", [1, 7, 50])
def test_any_chunks_give_the_coefficients_of_the_whole(solver, l1_ratio, parts):
    x, y = made()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = LogisticClassifier(
        C=0.02, solver=solver, l1_ratio=l1_ratio, tol=1e-9 if solver == "fista" else 1e-11
    )
    size = -(-len(y) // parts)
    chunked = da.from_array(x, chunks=(size, 2))
    fit_logistic(model, chunked, y, da.from_array(weights, chunks=99), persist=parts == 7)
    whole = LogisticClassifier(C=0.02, l1_ratio=l1_ratio, tol=1e-11).fit(x, y, weights)
    close = 1e-6 if solver == "fista" else 1e-10  # a nearly flat direction
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=close)
    np.testing.assert_allclose(model.intercept_, whole.intercept_, atol=close)
    lazy = predict_proba(model, chunked)
    assert lazy.chunks[0] == chunked.chunks[0]
    np.testing.assert_array_equal(lazy.compute(), model.predict_proba(x))


def test_class_weights_and_labelled_arrays():
    x, y = made()
    table = xr.DataArray(x, dims=("sample", "feature")).chunk(sample=60)
    labels = xr.DataArray(y, dims="sample")
    model = fit_logistic(LogisticClassifier(class_weight="balanced", tol=1e-11), table, labels)
    whole = LogisticClassifier(class_weight="balanced", tol=1e-11).fit(x, y)
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-10)


def test_separation_is_seen_across_chunks():
    x = da.from_array(np.arange(6.0)[:, None], chunks=2)
    with pytest.warns(UserWarning, match="told apart"):
        fit_logistic(LogisticClassifier(C=np.inf), x, np.arange(6) // 3)


def test_no_task_adds_more_than_eight():
    widths = []

    def total(parts):
        widths.append(len(parts))
        return sum(parts)

    assert _tree([delayed(i) for i in range(100)], total).compute(scheduler="sync") == 4950
    assert max(widths) == 8
    assert len(widths) == 13 + 2 + 1


@pytest.mark.parametrize(
    ("model", "x", "y", "words"),
    [
        (LogisticClassifier(solver="saga"), (10, 2), 10, "needs the data in this process"),
        (LogisticClassifier(), (10, 2), 9, r"y has shape \(9,\); \(10,\), one each"),
        (LogisticClassifier(), (10,), 10, "x has 1 dimensions"),
        (LogisticClassifier(), (10, 2), 0, "one each"),
    ],
)
def test_bad_requests_are_refused(model, x, y, words):
    values = np.random.default_rng(0).standard_normal(x)
    with pytest.raises(ValueError, match=words):
        fit_logistic(model, da.from_array(values, chunks=5), np.arange(y) % 2)


def test_chunks_of_unknown_size_are_refused_and_empty_ones_passed_over():
    x, y = made(200)
    keep = da.from_array(np.arange(200) >= 50, chunks=50)
    some, labels = da.from_array(x, chunks=(50, 4))[keep], da.from_array(y, chunks=50)[keep]
    with pytest.raises(ValueError, match=r"x has chunks of unknown size.*x.compute_chunk_sizes"):
        fit_logistic(LogisticClassifier(), some, labels)
    some.compute_chunk_sizes()
    with pytest.raises(ValueError, match=r"y has chunks of unknown size"):
        fit_logistic(LogisticClassifier(), some, labels)
    labels.compute_chunk_sizes()
    assert 0 in some.chunks[0]
    model = fit_logistic(LogisticClassifier(tol=1e-11), some, labels)
    whole = LogisticClassifier(tol=1e-11).fit(x[50:], y[50:])
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-10)


def test_a_table_may_come_as_features():
    pandas = pytest.importorskip("pandas")
    x, y = made(100)
    table, labels = pandas.DataFrame(x, columns=list("abcd")), pandas.Series(y)
    model = fit_logistic(LogisticClassifier(), table, labels)
    np.testing.assert_allclose(model.coef_, LogisticClassifier().fit(x, y).coef_, atol=1e-9)


def test_nan_in_one_chunk_and_a_single_class_are_refused():
    x = np.ones((10, 2))
    with pytest.raises(ValueError, match="only one class"):
        fit_logistic(LogisticClassifier(), da.from_array(x, chunks=5), np.ones(10))
    x[7, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        fit_logistic(LogisticClassifier(), da.from_array(x, chunks=5), np.arange(10) % 2)
