"""The estimator: labels, probabilities, chunks, separation, paths, bad input."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from core.logistic import (
    SOLVERS,
    ConvergenceWarning,
    LogisticClassifier,
    Penalty,
    SeparationWarning,
    fit_logistic,
    fit_path,
    prepare,
)
from tests.core.logistic.made import labelled, sums

X, Y = labelled(200, 3, 3)


def test_labels_may_be_texts():
    names = np.array(["fox", "ant", "cow"])
    model = LogisticClassifier().fit(X, names[Y])
    assert model.classes_.tolist() == ["ant", "cow", "fox"]
    other = LogisticClassifier().fit(X, Y)
    assert (model.predict(X) == names[other.predict(X)]).all()
    assert model.score(X, names[Y]) == (other.predict(X) == Y).mean()


@pytest.mark.parametrize("classes", [2, 3])
def test_logarithms_of_tiny_probabilities_are_finite(classes):
    model = LogisticClassifier(fit_intercept=False).fit(X, Y % classes)
    model.coef_ = np.zeros_like(model.coef_)
    model.coef_[-1, 0] = 1757.0
    logs = model.predict_log_proba([[1.0, 0, 0], [-1.0, 0, 0]])
    assert logs[0, 0] == -1757.0
    assert logs[0, -1] == 0.0
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs), model.predict_proba([[1.0, 0, 0], [-1.0, 0, 0]]))


def test_one_against_the_rest_has_probabilities_that_sum_to_one():
    model = LogisticClassifier(solver="liblinear").fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    chance = 1 / (1 + np.exp(-model.decision_function(X)))
    expected = chance / chance.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), expected, rtol=1e-12)


def test_chunks_on_disk_without_some_classes(tmp_path):
    order = np.argsort(Y, kind="stable")
    x = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=X.shape)
    x[:] = X[order]
    cuts = [slice(0, 20), slice(20, 90), slice(90, 200)]
    chunks = [(x[cut], Y[order][cut], np.ones(len(x[cut]))) for cut in cuts]
    assert len(np.unique(chunks[0][1])) == 1
    model = LogisticClassifier(tol=1e-11, class_weight="balanced").fit_chunks(chunks)
    whole = LogisticClassifier(tol=1e-11, class_weight="balanced").fit(X, Y)
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-10)
    assert not np.asarray(chunks[0][0]).flags.owndata


def test_chunks_without_samples_are_passed_over():
    parts = [(X[:0], Y[:0]), (X[:120], Y[:120]), (X[:0], Y[:0]), (X[120:], Y[120:])]
    model = LogisticClassifier(tol=1e-10).fit_chunks(parts)
    np.testing.assert_allclose(model.coef_, LogisticClassifier(tol=1e-10).fit(X, Y).coef_)
    with pytest.raises(ValueError, match="no chunk has samples"):
        LogisticClassifier().fit_chunks(parts[::2])
    with pytest.raises(ValueError, match="X has 0 samples, y has 1"):
        LogisticClassifier().fit_chunks([*parts, (X[:0], Y[:1])])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        LogisticClassifier().fit(X[:0], Y[:0])


def test_chunks_must_have_the_same_columns():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    parts = [(table[:90], Y[:90]), (table[90:], Y[90:])]
    assert LogisticClassifier().fit_chunks(parts).feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"chunk 1 .*\['b', 'a', 'c'\], chunk 0 has \['a', 'b'"):
        LogisticClassifier().fit_chunks([parts[0], (table[["b", "a", "c"]][90:], Y[90:])])
    with pytest.raises(ValueError, match="chunk 1 has the feature names none"):
        LogisticClassifier().fit_chunks([parts[0], (X[90:], Y[90:])])


def test_labels_of_chunks_must_be_of_a_kind():
    with pytest.raises(ValueError, match="texts as labels, others numbers"):
        LogisticClassifier().fit_chunks([(X[:90], Y[:90]), (X[90:], Y[90:].astype(str))])
    model = LogisticClassifier().fit_chunks([(X[:90], Y[:90] > 0), (X[90:], (Y[90:] > 0) * 1)])
    assert model.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dense_first", [True, False])
def test_dense_and_sparse_chunks_may_be_mixed(solver, dense_first):
    x, y = np.where(np.abs(X) < 0.5, 0.0, X), Y % 2
    forms = [np.asarray, sparse.csr_array] if dense_first else [sparse.csr_array, np.asarray]
    parts = [(forms[0](x[:90]), y[:90]), (forms[1](x[90:]), y[90:])]
    model = LogisticClassifier(solver=solver, tol=1e-9).fit_chunks(parts)
    whole = LogisticClassifier(tol=1e-9).fit(x, y)
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-6)


def test_class_weights_are_sample_weights():
    factors = {0: 2.0, 1: 0.5}
    model = LogisticClassifier(class_weight=factors, tol=1e-10).fit(X, Y)
    weights = np.array([2.0, 0.5, 1.0])[Y]
    np.testing.assert_allclose(model.coef_, LogisticClassifier(tol=1e-10).fit(X, Y, weights).coef_)
    balanced = LogisticClassifier(class_weight="balanced", tol=1e-10).fit(X, Y)
    weights = (200 / 3 / np.bincount(Y))[Y]
    other = LogisticClassifier(tol=1e-10).fit(X, Y, weights)
    np.testing.assert_allclose(balanced.coef_, other.coef_, atol=1e-9)


def test_a_warm_start_begins_at_the_last_coefficients():
    model = LogisticClassifier(solver="lbfgs", warm_start=True, tol=1e-7).fit(X, Y)
    first = model.result_.iterations
    assert model.fit(X, Y).result_.iterations == 0 < first


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "prox-newton"])
def test_separable_classes_are_said(solver):
    x = np.array([[0.0, 1], [1, 0], [2, 1], [3, 0], [4, 1], [5, 0]])
    y = [0, 0, 0, 1, 1, 1]
    with pytest.warns(SeparationWarning, match="told apart"):
        model = LogisticClassifier(C=np.inf, solver=solver).fit(x, y)
    assert model.result_.separated
    with pytest.raises(ValueError, match="finite optimum"):
        model.standard_errors(x, y)
    assert not LogisticClassifier(C=1e3, solver=solver).fit(x, y).result_.separated


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "liblinear"])
@pytest.mark.filterwarnings("ignore::core.logistic.ConvergenceWarning")
def test_overlap_in_single_values_is_said_too(solver):
    x = np.array([[0.0], [1], [2], [2], [3], [4]])
    with pytest.warns(SeparationWarning):
        LogisticClassifier(C=np.inf, solver=solver, max_iter=300).fit(x, [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("solver", ["sag", "saga"])
@pytest.mark.filterwarnings("ignore::core.logistic.ConvergenceWarning")
def test_slow_solvers_see_that_one_column_tells_apart(solver):
    x = np.column_stack([X[:, 0], np.zeros(200)])
    x[np.flatnonzero(Y == 1)[:2], 1] = 1.0  # there in one class alone
    with pytest.warns(SeparationWarning):
        LogisticClassifier(C=np.inf, solver=solver, max_iter=20).fit(x, Y == 1)
    assert not LogisticClassifier(C=np.inf, solver=solver, max_iter=2).fit(X, Y).result_.separated


def test_overlapping_classes_are_not_called_separable():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((60, 3)), np.arange(60) % 2
        assert not LogisticClassifier(C=np.inf).fit(x, y).result_.separated


def test_a_path_is_the_single_fits():
    penalties, total = np.geomspace(0.01, 10, 6), float(len(Y))
    path = fit_path(sums(X, Y), penalties[::-1], l1_ratio=0.7, tol=1e-9)
    assert path.c.tolist() == penalties.tolist()
    for c, theta in zip(path.c, path.theta, strict=True):
        alone = fit_logistic(sums(X, Y), Penalty.of(c, 0.7, total), tol=1e-9)
        np.testing.assert_allclose(theta, alone.theta, atol=1e-6)


def test_a_path_starts_where_the_first_coefficient_leaves_zero():
    prepared, _ = prepare([(X, Y)])
    path = fit_path(prepared, 5)
    assert not path.theta[0, :, :-1].any()
    just_above = fit_logistic(prepared, Penalty.of(1.01 * path.c[0], 1.0, 200.0))
    assert np.count_nonzero(just_above.theta[:, :-1]) == 1
    with pytest.raises(ValueError, match="above 0"):
        fit_path(prepared, [1.0, 0.0])
    with pytest.raises(ValueError, match=r"number of fits.*got 0"):
        fit_path(prepared, 0)
    with pytest.raises(ValueError, match="l1_ratio must be a number from 0 to 1, got 2"):
        fit_path(prepared, 3, l1_ratio=2.0)
    assert fit_path(prepared, 1.0).c.tolist() == [1.0]
    assert len(fit_path(prepared, np.int64(3)).fits) == 3


def test_scikit_learn_is_not_needed():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from core.logistic import LogisticClassifier\n"
        "m = LogisticClassifier().fit([[0.], [1.], [2.], [3.]], [0, 1, 0, 1])\n"
        "print(m.predict([[3.]]), m.get_params()['C'])\n"
        "try: LogisticClassifier().predict([[1.]])\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[1] 1.0\nThis LogisticClassifier instance is not fitted yet")


@pytest.mark.parametrize(
    ("x", "y", "weights", "words"),
    [
        (X, np.zeros(200), None, "only one class"),
        (np.where(X > 2, np.nan, X), Y, None, "contains NaN; every value must be finite"),
        (np.where(X > 2, np.inf, X), Y, None, "contains infinity"),
        (X, Y[:-1], None, "X has 200 samples, y has 199"),
        (X, Y + 0.5, None, "Unknown label type: continuous"),
        (X, np.where(Y == 0, np.nan, Y), None, "Input y contains NaN"),
        (X, Y, -np.ones(200), "negative"),
        (X, Y, np.ones(3), r"sample_weight has shape \(3,\)"),
        (X, Y, (Y > 0).astype(float), "2 of 3 classes have samples with weight above 0"),
        (X, Y, np.zeros(200), "weights are zero"),
        (X, Y, np.full(200, 1e307), "weights sum to inf, out of range"),
        (X, Y, np.full(200, 1e-312), "out of range"),
        (X * [1, 1e155, 1], Y, None, r"column 1 has values of up to .*e\+155 in size.*unit"),
        (X * [1, 1, 1e-170], Y, None, r"column 2 has values of up to .*e-170"),
        (X, np.where(Y == 0, None, Y.astype(object)), None, "y contains NaN or None"),
        (X, np.array([np.nan, "a", "b"], object)[Y], None, "y contains NaN or None"),
        (X, np.array([0, "a", "b"], object)[Y], None, "texts beside numbers"),
        (X[0], Y, None, "Expected 2D array, got 1D"),
        (X * 1j, Y, None, "Complex"),
        (sparse.csr_array(np.where(X > 2, np.nan, X)), Y, None, "contains NaN"),
    ],
)
def test_bad_data_are_refused(x, y, weights, words):
    with pytest.raises(ValueError, match=words):
        LogisticClassifier().fit(x, y, weights)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"C": 0.0}, "C must be above 0"),
        ({"C": np.nan}, "C must be above 0"),
        ({"l1_ratio": 1.5}, "l1_ratio"),
        ({"tol": -1.0}, "tol"),
        ({"max_iter": -1}, "max_iter"),
        ({"solver": "lbfgs", "l1_ratio": 1.0}, "these can"),
        ({"class_weight": "even"}, "balanced"),
        ({"class_weight": {"no": 1.0}}, "not among"),
        ({"class_weight": {0: -1.0}}, "0 or more"),
    ],
)
def test_bad_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        LogisticClassifier(**parameters).fit(X, Y)


def test_features_must_be_those_of_the_fit():
    model = LogisticClassifier().fit(X, Y)
    with pytest.raises(ValueError, match="X has 2 features, but LogisticClassifier is expecting 3"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match=r"chunks have \[2, 3\] features"):
        LogisticClassifier().fit_chunks([(X, Y), (X[:, :2], Y)])
    with pytest.raises(ValueError, match="there are no chunks"):
        LogisticClassifier().fit_chunks([])


def test_standard_errors_need_the_samples_of_the_fit():
    model = LogisticClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"classes \[0, 1\], the fit had \[0, 1, 2\]"):
        model.standard_errors(X[Y < 2], Y[Y < 2])
    with pytest.raises(ValueError, match="X has 2 features, the fit had 3"):
        model.standard_errors(X[:, :2], Y)


def test_a_fit_that_did_not_converge_is_said():
    with pytest.warns(ConvergenceWarning, match="saga stopped above the tolerance"):
        model = LogisticClassifier(solver="saga", max_iter=1).fit(X, Y)
    assert model.result_.reason == "iterations"
