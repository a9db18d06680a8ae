"""Bad input: one series raises and says what came; a batch has a status and goes on."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.piecewise import Status, fit_piecewise, fit_smooth_break

X = np.arange(12.0)
Y = np.abs(X - 5.3)


def changed(array, where, value):
    array = np.array(array, dtype=np.float64)
    array[where] = value
    return array


CASES = {
    "too few points": ({"y": changed(Y, slice(7), np.nan)}, Status.TOO_FEW, "5 distinct x"),
    "too few distinct x": ({"x": np.repeat(X[:4], 3)}, Status.TOO_FEW, "4 distinct x of 12"),
    "constant x": ({"x": np.full(12, 2.5)}, Status.CONSTANT_X, "all 12 samples lie at one x"),
    "all NaN": ({"y": np.full(12, np.nan)}, Status.NO_DATA, "none of 12 samples"),
    "x all NaN": ({"x": np.full(12, np.nan)}, Status.NO_DATA, "none of 12 samples"),
    "weights all zero": ({"weights": np.zeros(12)}, Status.NO_DATA, "none of 12 samples"),
    "a negative weight": (
        {"weights": changed(np.ones(12), 3, -1e-9)},
        Status.BAD_WEIGHTS,
        "weights are negative or infinite",
    ),
    "an infinite weight": (
        {"weights": changed(np.ones(12), 3, np.inf)},
        Status.BAD_WEIGHTS,
        "weights are negative or infinite",
    ),
    "y infinite": ({"y": changed(Y, 4, np.inf)}, Status.INFINITE, "x or y is infinite"),
    "y minus infinite": ({"y": changed(Y, 4, -np.inf)}, Status.INFINITE, "x or y is infinite"),
    "x infinite": ({"x": changed(X, 0, -np.inf)}, Status.INFINITE, "x or y is infinite"),
    "range of x beyond all bounds": ({"x": (X - 5.5) * 3e307}, Status.INFINITE, "range of x"),
    "x of 0 on a log axis": ({"x_transform": "log"}, Status.INFINITE, "log axis needs x above 0"),
}
OPTIONS = [
    {},
    {"n_segments": 3, "min_size": 2},
    {"ci": "profile", "null_samples": 19},
    {"ci": "bootstrap", "bootstrap_samples": 50},
    {"continuous": False, "degree": 0, "min_size": 3},
    {"loss": "huber"},
    {"method": "integral"},
    {"slopes": (None, 0.0)},
]


def arguments(name):
    given = {"x": X, "y": Y} | CASES[name][0]
    return given, CASES[name][1], CASES[name][2]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_one_series_raises_and_a_batch_goes_on(name, options):
    given, status, words = arguments(name)
    if status is Status.TOO_FEW and options.get("min_size") == 2:
        options = options | {"min_size": 3}
    with pytest.raises(ValueError, match=words):
        fit_piecewise(**given, **options)
    options = options | {k: given.pop(k) for k in ("x_transform",) if k in given}
    good_x = X + 1.0
    batch = {
        "x": np.stack([good_x, given["x"], good_x]),
        "y": np.stack([Y, given["y"], Y]),
        "weights": np.stack([np.ones(12), given.get("weights", np.ones(12)), np.ones(12)]),
    }
    fit = fit_piecewise(**batch, **options)
    assert fit.status.tolist() == [Status.OK, status, Status.OK]
    assert fit.n_segments[1] == 0
    assert not fit.certified[1]
    for table in (fit.breakpoints, fit.slopes, fit.intercepts, fit.values, fit.rss, fit.span):
        assert np.isnan(table[1]).all()
        assert np.isfinite(table[[0, 2]]).all()
    for table in (fit.sigma, fit.se_slopes, fit.ci_breakpoints, fit.pvalue_no_break):
        assert np.isnan(table[1]).all()
    assert np.isnan(fit.predict(batch["x"])[1]).all()


@pytest.mark.parametrize("name", [n for n in CASES if "y" in CASES[n][0]])
def test_a_bad_series_among_those_of_one_x(name):
    given, status, _ = arguments(name)
    fit = fit_piecewise(X, np.stack([Y, given["y"], Y]))
    assert fit.status.tolist() == [Status.OK, status, Status.OK]
    alone = fit_piecewise(X, Y)
    assert fit.breakpoints[[0, 2], 0].tolist() == [alone.breakpoints[0]] * 2


@pytest.mark.parametrize("name", [n for n in CASES if "x" in CASES[n][0] or "weights" in n])
def test_a_shared_x_or_weights_that_are_bad_for_all(name):
    given, status, _ = arguments(name)
    fit = fit_piecewise(given["x"], np.stack([Y, Y]), weights=given.get("weights"))
    assert fit.status.tolist() == [status, status]


SHAPES = [
    ((12,), (12, 1), None, "x has shape"),
    ((12,), (11,), None, r"x has shape \(11,\) for y of \(12,\)"),
    ((2, 12), (3, 12), None, r"\(12,\) or \(2, 12\) is needed"),
    ((2, 12), (12,), (2, 11), "weights has shape"),
    ((12,), (2, 12), None, "x has shape"),
    ((), (12,), None, r"y has shape \(\)"),
    ((2, 2, 2), (2,), None, "y has shape"),
    ((0,), (0,), None, "y has shape"),
]


@pytest.mark.parametrize(("y", "x", "weights", "words"), SHAPES)
def test_shapes_that_do_not_fit_are_named(y, x, weights, words):
    with pytest.raises(ValueError, match=words):
        fit_piecewise(np.ones(x), np.ones(y), weights=None if weights is None else np.ones(weights))


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, Y + 1j, "y is complex128"),
        (X + 0j, Y, "x is complex128"),
        (X, ["a"] * 12, "y is <U1"),
        (["a"] * 12, Y, "x is <U1"),
        (X.astype("datetime64[s]"), Y.astype("datetime64[s]"), "y is datetime64"),
    ],
)
def test_values_that_are_no_numbers_are_named(x, y, words):
    with pytest.raises(ValueError, match=words):
        fit_piecewise(x, y)


def test_times_have_no_logarithm():
    with pytest.raises(ValueError, match="without x_transform"):
        fit_piecewise(X.astype("datetime64[s]"), Y, x_transform="log")


def test_an_empty_batch():
    for options in OPTIONS:
        fit = fit_piecewise(X, np.empty((0, 12)), **options)
        assert fit.rss.shape == (0,)
        assert fit.breakpoints.shape == (0, options.get("n_segments", 2) - 1)


values = st.floats() | st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324, np.nan, np.inf])


@settings(deadline=None, max_examples=150)
@given(
    arrays(np.float64, (3, 9), elements=values),
    arrays(np.float64, (3, 9), elements=values),
    arrays(np.float64, (3, 9), elements=values) | st.none(),
    st.sampled_from([*OPTIONS, {"n_segments": "auto", "min_size": 2}]),
)
def test_any_doubles_in_a_batch_pass_without_a_word(x, y, weights, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_piecewise(x, y, weights=weights, **options)
        shared = fit_piecewise(x[0], y, weights=weights, **options)
    for found in (fit, shared):
        assert set(found.status.tolist()) <= set(Status)
        assert (np.isnan(found.rss) == (found.status != Status.OK)).all()


def test_constant_y_and_exact_lines_are_fitted():
    for y in (np.full(12, 3.25), 2 - 0.5 * X):
        fit = fit_piecewise(X, y)
        assert fit.rss == pytest.approx(0.0, abs=1e-25)
        np.testing.assert_allclose(fit.predict(X), y, atol=1e-12)
        assert fit_piecewise(X, y, "auto").n_segments == 1
        assert fit_piecewise(X, y, null_samples=19).pvalue_no_break == 1.0


SMOOTH_X = np.geomspace(1, 100, 12)
SMOOTH_Y = 1 / SMOOTH_X + 1 / SMOOTH_X**2
SMOOTH_CASES = {
    "y infinite": ({"y": changed(SMOOTH_Y, 4, np.inf)}, "y is infinite"),
    "x infinite": ({"x": changed(SMOOTH_X, 4, np.inf)}, "x has values of 0 or below, or infinite"),
    "x of 0": ({"x": changed(SMOOTH_X, 0, 0.0)}, "x has values of 0 or below"),
    "x below 0 where y has no logarithm": (
        {"x": changed(SMOOTH_X, 0, -1.0), "y": changed(SMOOTH_Y, 0, -1.0)},
        "x has values of 0 or below",
    ),
    "a negative weight": ({"weights": changed(np.ones(12), 3, -1.0)}, "weights are negative"),
    "an infinite weight": ({"weights": changed(np.ones(12), 3, np.inf)}, "weights are negative"),
    "weights all zero": ({"weights": np.zeros(12)}, "none of 12 samples"),
    "all NaN": ({"y": np.full(12, np.nan)}, "none of 12 samples"),
    "constant x": ({"x": np.full(12, 2.5)}, "all 12 samples lie at one x"),
    "too few points": ({"y": changed(SMOOTH_Y, slice(7), np.nan)}, "5 distinct x"),
    "times for x": ({"x": X.astype("datetime64[s]")}, "x is datetime64"),
    "times for y": ({"y": X.astype("datetime64[s]")}, "y is datetime64"),
    "complex y": ({"y": SMOOTH_Y + 1j}, "y is complex128"),
    "texts": ({"y": ["a"] * 12}, "y is <U1"),
    "y of two axes": ({"x": SMOOTH_X[None], "y": SMOOTH_Y[None]}, r"y has shape \(1, 12\)"),
    "x of another length": ({"x": SMOOTH_X[1:]}, r"x has shape \(11,\)"),
    "weights of another length": ({"weights": np.ones(11)}, r"weights has shape \(11,\)"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SMOOTH_CASES)
def test_a_smooth_fit_says_what_came(name):
    given, words = SMOOTH_CASES[name]
    with pytest.raises(ValueError, match=words):
        fit_smooth_break(**({"x": SMOOTH_X, "y": SMOOTH_Y} | given))


@pytest.mark.filterwarnings("error")
def test_a_smooth_fit_leaves_missing_samples_out():
    y, weights = changed(SMOOTH_Y, 2, np.nan), changed(np.ones(12), 5, 0.0)
    x = changed(changed(SMOOTH_X, 5, np.inf), 7, np.nan)
    there = np.delete(np.arange(12), [2, 5, 7])
    fit = fit_smooth_break(x, y, weights=weights)
    few = fit_smooth_break(SMOOTH_X[there], SMOOTH_Y[there])
    assert fit.n_obs == 9
    assert fit.x_break == few.x_break


@pytest.mark.filterwarnings("error")
def test_predictions_outside_the_domain_pass_without_a_word():
    law = fit_smooth_break(SMOOTH_X, SMOOTH_Y)
    assert law.predict([0.0])[0] == np.inf
    assert np.isnan(law.predict([-1.0])[0])
    with pytest.raises(ValueError, match="x is datetime64"):
        law.predict(X.astype("datetime64[s]"))
    fit = fit_piecewise(SMOOTH_X, SMOOTH_Y, x_transform="log")
    assert np.isnan(fit.predict([-1, 0, 1])).tolist() == [True, True, False]
    assert np.isinf(fit_piecewise(X, Y * 1e300).predict([1e300])).all()


@pytest.mark.parametrize("kind", ["f8", "i8", "M8[s]"])
@pytest.mark.parametrize("options", [{}, {"n_segments": 3}, {"loss": "huber"}])
@pytest.mark.parametrize("series", [1, 2])
def test_masked_samples_are_missing(kind, options, series):
    masked = np.arange(12) == 4
    there = np.flatnonzero(~masked)
    x, y = X.astype(kind), np.tile(Y + 0.1 * np.sin(9 * X), (series, 1)).squeeze()
    fit = fit_piecewise(x[there], y[..., there], **options)
    wild = np.where(masked, 1e9, y)
    far = np.where(masked, np.array(10**15).astype(kind), x)
    for parts in (
        {"x": x, "y": np.ma.masked_array(wild, np.broadcast_to(masked, y.shape))},
        {"x": np.ma.masked_array(far, masked), "y": wild},
        {"x": x, "y": wild, "weights": np.ma.masked_array(np.ones(12), masked)},
    ):
        found = fit_piecewise(**parts, **options)
        np.testing.assert_array_equal(found.n_obs, 11)
        away = (found.breakpoints - fit.breakpoints) / np.array(1).astype(kind.replace("M", "m"))
        np.testing.assert_allclose(away, 0.0, atol=1e-5)
        np.testing.assert_allclose(found.rss, fit.rss, rtol=1e-12)
    hidden = np.ma.masked_array(x, True)
    with pytest.raises(ValueError, match="none of 12 samples"):
        fit_piecewise(hidden, Y)
