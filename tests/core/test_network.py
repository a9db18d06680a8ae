import json
import warnings
from itertools import pairwise

import numpy as np
import pytest

from core.network import ConvergenceWarning, Network, NetworkParams, fit_network
from core.network.activations import ACTIVATIONS
from core.network.jets import flatten, unflatten
from core.network.sobolev import SobolevLoss

SMOOTH = [name for name in ACTIVATIONS if name != "relu"]


def a_network(inputs, activation="tanh", hidden=(7, 5), seed=0):
    rng = np.random.default_rng(seed)
    sizes = (inputs, *hidden, 1)
    count = sum(a * b + b for a, b in pairwise(sizes))
    layers = unflatten(rng.standard_normal(count), sizes)
    fields = {
        "format": "scalemark network 1",
        "activation": activation,
        "layers": [[weight.tolist(), bias.tolist()] for weight, bias in layers],
        "x_center": rng.standard_normal(inputs).tolist(),
        "x_scale": rng.uniform(0.5, 20, inputs).tolist(),
        "y_center": -3.0,
        "y_scale": 40.0,
    }
    return Network.from_dict(fields)


def literal(network, x, kind=np.float64):
    """One sample at a time, unit by unit."""
    out = []
    for sample in np.asarray(x, kind):
        units = [
            (s - c) / w for s, c, w in zip(sample, network.x_center, network.x_scale, strict=True)
        ]
        for k, (weight, bias) in enumerate(network.layers):
            units = [
                sum(w * u for w, u in zip(row, units, strict=True)) + b
                for row, b in zip(weight, bias, strict=True)
            ]
            if k < len(network.layers) - 1:
                units = [np.tanh(u) for u in units]
        out.append(units[0] * network.y_scale + network.y_center)
    return np.array(out)


def test_value_is_that_of_a_literal_network():
    network = a_network(3)
    x = np.random.default_rng(1).standard_normal((9, 3)) * 5
    np.testing.assert_allclose(network.value(x), literal(network, x), rtol=1e-13)


def test_derivatives_are_the_complex_step_and_differences_of_the_literal_network():
    network = a_network(2)
    x = np.random.default_rng(1).standard_normal((5, 2)) * 5
    step = 1e-20j * np.eye(2)
    slopes = np.stack([literal(network, x + s, complex).imag / 1e-20 for s in step], axis=-1)
    np.testing.assert_allclose(network.gradient(x), slopes, rtol=1e-13)
    h = 1e-5
    for k in range(2):
        ahead, behind = (network.gradient(x + sign * h * np.eye(2)[k]) for sign in (1, -1))
        np.testing.assert_allclose(
            network.hessian(x)[:, k], (ahead - behind) / (2 * h), rtol=1e-7, atol=1e-8
        )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activations_derivatives_are_the_differences_of_the_one_before(activation):
    z = np.array([-6.1, -2.3, -0.4, 0.3, 1.7, 5.2])
    h = 1e-5
    ahead, behind = (ACTIVATIONS[activation](z + sign * h, 3) for sign in (1, -1))
    found = ACTIVATIONS[activation](z, 3)
    for k in range(3):
        np.testing.assert_allclose(found[k + 1], (ahead[k] - behind[k]) / (2 * h), atol=1e-9)
        np.testing.assert_array_equal(ACTIVATIONS[activation](z, k), found[: k + 1])


def test_softplus_neither_overflows_nor_vanishes():
    value, slope = ACTIVATIONS["softplus"](np.array([-700.0, 700.0, 1e4]), 1)
    np.testing.assert_allclose(value, [np.exp(-700), 700, 1e4], rtol=1e-12)
    np.testing.assert_allclose(slope, [np.exp(-700), 1, 1], rtol=1e-12)


@pytest.mark.parametrize("activation", SMOOTH)
def test_the_parts_of_the_hessian_agree(activation):
    network = a_network(4, activation)
    x = np.random.default_rng(2).standard_normal((6, 4)) * 10
    hessian = network.hessian(x)
    np.testing.assert_array_equal(hessian, hessian.transpose(0, 2, 1))
    diagonal = np.einsum("sii->si", hessian)
    np.testing.assert_allclose(network.hessian_diagonal(x), diagonal, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.laplacian(x), diagonal.sum(axis=1), rtol=1e-11, atol=1e-12)
    for one, other in zip(
        network.derivatives(x), (network.value(x), network.gradient(x), diagonal), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_batches_of_any_length_agree():
    network = a_network(2, hidden=(64, 64))
    x = np.random.default_rng(3).standard_normal((3000, 2))
    whole = network.hessian(x)
    for k in (0, 1, 1500, 2999):
        np.testing.assert_allclose(network.hessian(x[k : k + 1])[0], whole[k], rtol=1e-10)
    assert network.hessian(x[:0]).shape == (0, 2, 2)


def test_one_input_may_lack_its_axis():
    network = a_network(1)
    x = np.linspace(-2, 2, 5)
    for method in (network.gradient, network.hessian_diagonal):
        assert method(x).shape == (5,)
        np.testing.assert_array_equal(method(x[:, None]), method(x)[:, None])
    assert network.hessian(x[:, None]).shape == (5, 1, 1)
    np.testing.assert_allclose(network.hessian(x), network.hessian_diagonal(x), rtol=1e-12)
    np.testing.assert_array_equal(network.laplacian(x), network.hessian_diagonal(x))
    assert [part.shape for part in network.derivatives(x)] == [(5,)] * 3


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("given", ["gradient", "second", "both"])
def test_the_adjoint_is_the_difference_of_the_loss(activation, given):
    rng = np.random.default_rng(4)
    x, y, slope, second = (rng.standard_normal(shape) for shape in ((9, 2), (9,), (9, 2), (9, 2)))
    params = NetworkParams(hidden=(4, 3), activation=activation, l2=0.1, second_weight=0.7)
    targets = {"gradient": None if given == "second" else slope}
    loss = SobolevLoss(x, y, targets["gradient"], None if given == "gradient" else second, params)
    weights = flatten(loss.start(rng))
    value, gradient = loss(weights)
    assert value > 0
    for k in range(len(weights)):
        step = np.zeros_like(weights)
        step[k] = 1e-5
        difference = (loss(weights + step)[0] - loss(weights - step)[0]) / 2e-5
        assert gradient[k] == pytest.approx(difference, rel=1e-6, abs=1e-7)


def test_sobolev_training_learns_sin_with_both_derivatives():
    x = np.linspace(0, 2 * np.pi, 200)
    between = np.linspace(0, 2 * np.pi, 777)
    known = {"gradient": np.cos(x), "second": -np.sin(x)}
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        fit_network(x, np.sin(x), **known, params=NetworkParams(max_iterations=20))
    fit = fit_network(x, np.sin(x), **known, params=NetworkParams(max_iterations=1500))
    assert fit.converged
    assert fit.reason == "gradient"
    value, slope, second = fit.network.derivatives(between)
    assert abs(value - np.sin(between)).max() < 1e-4
    assert abs(slope - np.cos(between)).max() < 5e-4
    assert abs(second + np.sin(between)).max() < 2e-3
    assert max(fit.errors) < 1e-3


def test_known_derivatives_of_noisy_samples_help():
    rng = np.random.default_rng(5)
    x = np.linspace(0, 2 * np.pi, 100)
    noisy = [f + 0.05 * rng.standard_normal(100) for f in (np.sin(x), np.cos(x), -np.sin(x))]
    params = NetworkParams(hidden=(32, 32), max_iterations=300, tolerance=0)
    worst = []
    for known in ({}, {"gradient": noisy[1]}, {"gradient": noisy[1], "second": noisy[2]}):
        with pytest.warns(ConvergenceWarning):
            fit = fit_network(x, noisy[0], params=params, **known)
        worst.append(abs(fit.network.hessian_diagonal(x) + np.sin(x)).max())
    assert worst[2] < worst[1] < worst[0]
    assert worst[2] < 0.1


def test_derivatives_scale_with_the_units_and_nothing_else():
    x = np.linspace(0, 2 * np.pi, 50)
    params = NetworkParams(hidden=(16,), max_iterations=200, tolerance=1e-3)

    def fitted(a, b):
        fit = fit_network(
            a * x, b * np.sin(x), gradient=b / a * np.cos(x), second=-b / a**2 * np.sin(x),
            params=params,
        )  # fmt: skip
        return fit.network.derivatives(a * x)

    value, slope, second = fitted(1.0, 1.0)
    far = fitted(8.0, 64.0)
    for found, expected in zip(far, (64 * value, 8 * slope, second), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(fitted(10.0, 100.0), (value, slope, second), strict=True):
        factor = {id(value): 100.0, id(slope): 10.0, id(second): 1.0}[id(expected)]
        np.testing.assert_allclose(found, factor * expected, atol=2e-2 * factor)


def test_several_inputs_are_learnt():
    rng = np.random.default_rng(6)
    x = rng.uniform(-1, 1, (300, 2)) * [1, 100]
    y = x[:, 0] ** 2 + x[:, 0] * x[:, 1] / 100
    slope = np.stack([2 * x[:, 0] + x[:, 1] / 100, x[:, 0] / 100], axis=1)
    params = NetworkParams(hidden=(24,), max_iterations=1500, tolerance=2e-5)
    network = fit_network(x, y, gradient=slope, params=params).network
    expected = np.array([[2, 0.01], [0.01, 0]])
    np.testing.assert_allclose(network.hessian(x[:20]) * [[1, 100], [100, 1e4]], 
        np.broadcast_to(expected * [[1, 100], [100, 1e4]], (20, 2, 2)), atol=0.1)  # fmt: skip


def test_the_same_seed_gives_the_same_network_and_another_another():
    x = np.linspace(0, 1, 30)
    fits = [
        fit_network(x, x**2, params=NetworkParams(hidden=(8,), tolerance=1e-3, seed=seed))
        for seed in (1, 1, 2)
    ]
    values = [fit.network.value(x) for fit in fits]
    np.testing.assert_array_equal(values[0], values[1])
    assert (values[0] != values[2]).any()


def test_l2_smooths():
    rng = np.random.default_rng(7)
    x = np.linspace(0, 1, 40)
    y = np.sin(3 * x) + 0.1 * rng.standard_normal(40)
    bend = []
    for l2 in (0.0, 0.1):
        params = NetworkParams(hidden=(32,), max_iterations=300, tolerance=1e-4, l2=l2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            bend.append(abs(fit_network(x, y, params=params).network.hessian_diagonal(x)).max())
    assert bend[1] < bend[0]


def test_json_keeps_every_bit():
    network = a_network(3, "gelu")
    again = Network.from_dict(json.loads(json.dumps(network.to_dict())))
    x = np.random.default_rng(8).standard_normal((4, 3))
    np.testing.assert_array_equal(again.hessian(x), network.hessian(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "format must be"),
        ({"activation": "step"}, "activation must be one of"),
        ({"layers": [[[[1.0]], [0.0]]]}, "hidden layer"),
        ({"layers": [[[[1.0, 2.0]], [0.0]], [[[1.0]], [0.0]]]}, r"layer 0 must have .*\(1, 2\)"),
        ({"layers": [[[[1.0]], ["a"]], [[[1.0]], [0.0]]]}, "no arrays of numbers"),
        ({"layers": [[[[1.0]], [np.nan]], [[[1.0]], [0.0]]]}, "finite"),
        ({"layers": 3}, "no arrays of numbers"),
        ({"x_scale": [0.0]}, "greater than 0"),
        ({"x_center": [0.0, 1.0]}, "one length"),
        ({"y_scale": float("inf")}, "finite"),
    ],
)
def test_a_broken_description_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Network.from_dict(a_network(1).to_dict() | change)


def test_a_description_that_lacks_a_field_is_refused():
    fields = a_network(1).to_dict()
    del fields["y_scale"]
    with pytest.raises(ValueError, match="y_scale"):
        Network.from_dict(fields)


def test_relu_warns_of_its_slope_and_refuses_curvature():
    network = a_network(1, "relu")
    x = np.linspace(-1, 1, 4)
    assert network.value(x).shape == (4,)
    with pytest.warns(UserWarning, match="step function"):
        slope = network.gradient(x)
    ahead, behind = network.value(x + 1e-7), network.value(x - 1e-7)
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-7, rtol=1e-5)
    for method in (network.hessian_diagonal, network.hessian, network.laplacian):
        with pytest.raises(ValueError, match="piecewise linear"):
            method(x)
    params = NetworkParams(hidden=(4,), activation="relu", max_iterations=3)
    with pytest.raises(ValueError, match="piecewise linear"):
        fit_network(x, x, second=x, params=params)
    with (
        pytest.warns(UserWarning, match="step function"),
        pytest.warns(ConvergenceWarning),
    ):
        fit_network(x, x**2, gradient=2 * x, params=params)


X = np.linspace(0, 1, 6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": np.where(X == 1, np.nan, X)}, "x has 1 samples that are NaN"),
        ({"x": X + 0j}, "dtype complex128"),
        ({"x": X.reshape(1, 2, 3)}, r"\(sample, input\)"),
        ({"x": X[:1], "y": X[:1]}, "two samples or more, got 1"),
        ({"x": X[:0], "y": X[:0]}, "two samples or more, got 0"),
        ({"x": np.ones(6)}, "input 0 of x has one value in all samples, 1"),
        ({"x": np.stack([X, 0 * X], axis=1)}, "input 1 of x has one value"),
        ({"x": X * 1e200}, "deviation"),
        ({"y": X[:5]}, r"y must have shape \(6,\)"),
        ({"y": X[:, None]}, r"y must have shape \(6,\)"),
        ({"y": np.where(X == 1, np.inf, X)}, "y has 1 numbers"),
        ({"y": X * 1e200}, "y has deviation"),
        ({"y": X.astype(str)}, "y must hold real numbers"),
        ({"gradient": X[:, None]}, r"gradient must have shape \(6,\)"),
        ({"second": X * np.nan}, "second has 6 numbers"),
    ],
)
def test_bad_samples_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        fit_network(**{"x": X, "y": X, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hidden": ()}, "hidden must be 1 to 8"),
        ({"hidden": 64}, "hidden must be 1 to 8"),
        ({"hidden": (0,)}, "hidden must be a whole number"),
        ({"activation": "step"}, "activation must be one of tanh"),
        ({"l2": -1.0}, "l2"),
        ({"second_weight": np.nan}, "second_weight"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"tolerance": 2.0}, "tolerance"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_bad_options_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        NetworkParams(**given)


def test_x_of_another_width_is_refused():
    network = a_network(2)
    for x in (np.ones(4), np.ones((4, 3)), np.ones((4, 0))):
        with pytest.raises(ValueError, match=r"\(sample, 2\)"):
            network.value(x)


def test_a_constant_signal_is_learnt():
    fit = fit_network(X, np.full(6, 7.0), params=NetworkParams(hidden=(4,)))
    np.testing.assert_allclose(fit.network.value(X), 7.0, atol=1e-2)
    assert fit.converged
