"""Epochs of SAG and SAGA over sparse data, which skip what a sample lacks and catch up later."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, softmax

from core.logistic import LogisticClassifier
from core.logistic import _saga_kernels as kernels
from core.logistic._types import compressed

SAMPLES, FEATURES = 40, 9


def literal_epoch(x, codes, weights, order, theta, table, mean, step, l1, l2, saga):
    """Every step over all features, as it is written."""
    for i in order:
        features = np.append(x[i], 1.0)
        logits = theta @ features
        if len(theta) == 1:
            residual = expit(logits) - codes[i]
        else:
            residual = softmax(logits) - (np.arange(len(theta)) == codes[i])
        change = weights[i] * residual - table[i]
        table[i] += change
        part = np.outer(change, features)
        moved = theta - step * ((part if saga else part / SAMPLES) + mean)
        mean += part / SAMPLES
        w = moved[:, :-1]
        w = np.sign(w) * np.maximum(np.abs(w) - step[:-1] * l1, 0.0) / (1.0 + step[:-1] * l2)
        theta[:] = np.column_stack([w, moved[:, -1]])


def steps_of(length, l2, even):
    log_shrink = -np.log1p(length[:-1] * l2)
    keep, push = np.empty(0), np.empty(0)
    if even:
        missed = np.arange(SAMPLES + 1)
        keep = np.exp(missed * log_shrink[0])
        push = (1 - keep) / l2 if l2 else missed * length[0]
    return kernels.Steps(length, np.exp(log_shrink), log_shrink, keep, push)


@pytest.mark.parametrize("saga", [True, False])
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("rows", [1, 3, 6])
@pytest.mark.parametrize(
    ("l1", "l2"), [(0.0, 0.0), (0.0, 0.1), (0.02, 0.0), (0.02, 0.1), (0.3, 0.0)]
)
def test_an_epoch_is_that_of_every_step_over_all_features(saga, even, rows, l1, l2):
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((SAMPLES, FEATURES)) * (rng.random((SAMPLES, FEATURES)) < 0.2)
    codes = rng.integers(0, max(rows, 2), SAMPLES)
    weights = rng.uniform(0.5, 2.0, SAMPLES)
    length = np.full(FEATURES + 1, 0.1) if even else rng.uniform(0.02, 0.4, FEATURES + 1)
    order = rng.permutation(SAMPLES) if saga else rng.integers(0, SAMPLES, SAMPLES)
    theta = rng.standard_normal((rows, FEATURES + 1))
    table = rng.standard_normal((SAMPLES, rows))
    # Gradients that push some coefficients over 0 and on, and hold others there.
    mean = rng.standard_normal((rows, FEATURES + 1))

    both = np.ascontiguousarray(np.vstack([theta[:, :-1], mean[:, :-1]]).T)
    free = np.stack([theta[:, -1], mean[:, -1]])
    known = table.copy()
    kernels.csr_epoch(
        compressed(sparse.csr_array(x)), codes, weights, order, both, free, known,
        np.zeros(FEATURES, np.int64), steps_of(length, l2, even), SAMPLES, l1, l2, saga,
        (0,) * rows if rows <= 4 else (),
    )  # fmt: skip
    literal_epoch(x, codes, weights, order, theta, table, mean, length, l1, l2, saga)
    np.testing.assert_allclose(both[:, :rows].T, theta[:, :-1], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(both[:, rows:].T, mean[:, :-1], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(free, [theta[:, -1], mean[:, -1]], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(known, table, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("solver", ["sag", "saga"])
def test_features_that_most_samples_share_do_not_make_it_swing(solver):
    # As words have them: a few in nearly all texts. SAG begun far off swung about the optimum, was
    # taken for divergent, and crept on with a step a thousand times too short.
    rng = np.random.default_rng(0)
    often = 1.0 / np.arange(1, 301)
    x = (rng.random((2000, 300)) < often).astype(float)
    y = (x @ rng.standard_normal(300) + rng.logistic(size=2000) > 0).astype(int)
    data = sparse.csr_array(x)
    exact = LogisticClassifier(solver="newton-cholesky", tol=1e-10).fit(data, y).result_.value
    found = LogisticClassifier(solver=solver, tol=1e-6, max_iter=100).fit(data, y).result_
    assert found.reason == "converged"
    assert found.value - exact < 1e-8
