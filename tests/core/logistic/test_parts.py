"""The parts of a fit against literal forms: penalties, steps, sums, exponentials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import approx_fprime, minimize_scalar

from core.logistic import Chunk, InMemory, Objective, Penalty
from core.logistic._kernels import fast_exp
from core.logistic._saga_kernels import lagged
from core.logistic.statistics import statistics_of
from tests.core.logistic.made import labelled, literal_objective

NUMBERS = st.floats(-10, 10).map(lambda v: 0.0 if abs(v) < 1e-6 else v)


def one_step_at_a_time(w, g, steps, step, l1, l2):
    for _ in range(steps):
        moved = w - step * g
        w = np.sign(moved) * max(abs(moved) - step * l1, 0.0) / (1.0 + step * l2)
    return w


@settings(max_examples=400, deadline=None)
@given(
    w=NUMBERS,
    g=NUMBERS,
    steps=st.integers(0, 300),
    step=st.floats(1e-3, 1),
    l1=st.just(0.0) | st.floats(1e-4, 1),
    l2=st.just(0.0) | st.floats(1e-6, 10),
)
def test_missed_steps_in_closed_form_are_the_loop(w, g, steps, step, l1, l2):
    found = lagged(w, g, steps, step, l1, l2)
    assert found == pytest.approx(one_step_at_a_time(w, g, steps, step, l1, l2), rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(w=NUMBERS, step=st.floats(0.01, 3), l1=st.floats(0, 2), l2=st.floats(0, 2))
def test_prox_is_the_least_of_its_definition(w, step, l1, l2):
    penalty = Penalty(l1=l1, l2=l2)

    def cost(u):
        return (u - w) ** 2 / 2 + step * penalty.value(np.array([u]))

    found = float(penalty.prox(np.array([w]), step)[0])
    best = minimize_scalar(cost, bounds=(-11, 11), method="bounded", options={"xatol": 1e-9})
    assert cost(found) <= min(best.fun, cost(0.0)) + 1e-12


def test_the_subgradient_distance_is_over_all_subgradients():
    penalty = Penalty(l1=0.5, l2=0.1)
    weights = np.array([2.0, -1.0, 0.0, 0.0])
    gradient = np.array([0.3, 0.3, 0.4, -2.0])
    slopes = np.linspace(-1, 1, 2001)  # of |u| at 0
    literal = [
        np.abs(g + 0.1 * w + 0.5 * (slopes if w == 0 else np.sign(w))).min()
        for w, g in zip(weights, gradient, strict=True)
    ]
    found = penalty.subgradient_distance(weights, gradient)
    np.testing.assert_allclose(found, literal, atol=1e-12)


def test_kinds():
    kinds = [Penalty(l1=a, l2=b).kind for a in (0, 1) for b in (0, 1)]
    assert kinds == ["none", "l2", "l1", "elastic-net"]
    with pytest.raises(ValueError, match="l1"):
        Penalty(l1=-1)


def test_the_exponential_is_within_an_ulp():
    x = -np.abs(np.random.default_rng(0).standard_cauchy(20_000))
    x = x[x > -700]
    exact = np.exp(x.astype(np.longdouble))
    found = np.array([fast_exp(v) for v in x])
    assert (np.abs(found - exact) / np.spacing(found)).max() < 1.0
    assert fast_exp(0.0) == 1.0
    assert 0.0 <= fast_exp(-1e9) < 1e-300


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_gradient_and_curvature_are_derivatives(form, classes):
    x, y = labelled(70, 4, classes)
    weights = np.random.default_rng(3).uniform(0, 2, 70)
    penalty = Penalty(l2=0.3)
    objective = Objective(InMemory([Chunk(form(x * 3 + 5), y, weights, classes)]), penalty)
    v = np.random.default_rng(4).standard_normal(objective.shape)

    def literal(flat):
        theta = objective.theta_of(flat.reshape(v.shape))
        return literal_objective(theta, x * 3 + 5, y, weights, penalty)

    point, hessian = objective.hessian(v)
    assert point.value == pytest.approx(literal(v.ravel()), rel=1e-12)
    assert objective.evaluate(v).value == pytest.approx(point.value, rel=1e-13)
    slope = approx_fprime(v.ravel(), literal, 1e-6)
    np.testing.assert_allclose(point.gradient.ravel(), slope, atol=2e-5)
    product = objective.linearise(point)
    for j in range(v.size):
        unit = np.zeros(v.size)
        unit[j] = 1e-5
        ends = [objective.evaluate(v + s * unit.reshape(v.shape)).gradient for s in (1, -1)]
        column = (ends[0] - ends[1]).ravel() / 2e-5
        np.testing.assert_allclose(hessian[:, j], column, atol=1e-6)
        turned = product(unit.reshape(v.shape)).ravel() / 1e-5
        np.testing.assert_allclose(turned, hessian[:, j], atol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_statistics_of_parts_add_up_to_those_of_the_whole(form):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 5)) * (rng.random((90, 5)) < 0.6) + [0, 0, 0, 1e6, 0]
    y, weights = rng.integers(0, 3, 90), rng.uniform(0, 2, 90)
    parts = [statistics_of(form(x[p]), y[p], weights[p], 3) for p in np.array_split(range(90), 4)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    mean = np.average(x, axis=0, weights=weights)
    np.testing.assert_allclose(total.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(total.variance, np.average((x - mean) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(total.extent, np.abs(x).max(axis=0))
    np.testing.assert_allclose(total.class_weight, [weights[y == k].sum() for k in range(3)])
    assert total.samples == 90
