"""Derivatives beside those that torch's automatic differentiation finds."""

import numpy as np
import pytest

from core.network import NetworkParams
from core.network.jets import flatten
from core.network.sobolev import SobolevLoss

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.func import grad, hessian, vmap  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
F = torch.nn.functional
ACTIVATIONS = {
    "tanh": torch.tanh, "softplus": F.softplus, "silu": F.silu, "gelu": F.gelu, "sin": torch.sin,
}  # fmt: skip


def problem(inputs, activation):
    rng = np.random.default_rng(inputs)
    x = rng.standard_normal((40, inputs)) * 10 ** rng.uniform(-2, 2, inputs)
    targets = [rng.standard_normal(shape) for shape in ((40,), x.shape, x.shape)]
    params = NetworkParams(hidden=(17, 12), activation=activation)
    loss = SobolevLoss(x, *targets, params)
    return x, targets, loss, loss.start(rng)


def torch_function(network, layers, activation):
    center, scale = torch.tensor(network.x_center), torch.tensor(network.x_scale)

    def function(x):
        units = (x - center) / scale
        for k, (weight, bias) in enumerate(layers):
            units = weight @ units + bias
            if k < len(layers) - 1:
                units = ACTIVATIONS[activation](units)
        return units[0] * network.y_scale + network.y_center

    return function


def worst(found, expected):
    """Difference in units of the largest of each kind."""
    expected = expected.detach().numpy()
    kinds = expected.reshape(len(expected), -1)
    return (abs(found.reshape(kinds.shape) - kinds) / abs(kinds).max(axis=0)).max()


@pytest.mark.parametrize("inputs", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivatives_are_torchs(inputs, activation):
    x, _, loss, layers = problem(inputs, activation)
    network = loss.network(layers)
    tensors = [(torch.tensor(weight), torch.tensor(bias)) for weight, bias in layers]
    function = torch_function(network, tensors, activation)
    points = torch.tensor(x)
    assert worst(network.value(x), vmap(function)(points)) < 1e-12
    assert worst(network.gradient(x), vmap(grad(function))(points)) < 1e-12
    full = vmap(hessian(function))(points)
    assert worst(network.hessian(x), full) < 1e-12
    diagonal = torch.diagonal(full, dim1=1, dim2=2)
    assert worst(network.hessian_diagonal(x), diagonal) < 1e-12
    unit = diagonal.abs().sum(1).max().item()
    assert abs(network.laplacian(x) - diagonal.sum(1).numpy()).max() < 1e-12 * unit


@pytest.mark.parametrize("inputs", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_of_sobolev_training_is_torchs(inputs, activation):
    x, targets, loss, layers = problem(inputs, activation)
    _, ours = loss(flatten(layers))
    tensors = [tuple(torch.tensor(part, requires_grad=True) for part in layer) for layer in layers]
    function = torch_function(loss.network(layers), tensors, activation)
    points = torch.tensor(x)
    found = (
        vmap(function)(points),
        vmap(grad(function))(points),
        torch.diagonal(vmap(hessian(function))(points), dim1=1, dim2=2),
    )
    scale = torch.tensor(loss.x_scale)
    total = 0.0
    for k, (values, target) in enumerate(zip(found, targets, strict=True)):
        center = loss.y_center if k == 0 else 0.0
        unit = scale**k / loss.y_scale
        scaled = (torch.tensor(target) - center) * (unit if k else 1 / loss.y_scale)
        residual = (values - center) * (unit if k else 1 / loss.y_scale) - scaled
        total = total + (residual**2).mean() / (scaled**2).mean()
    total.backward()
    theirs = np.concatenate([part.grad.numpy().ravel() for layer in tensors for part in layer])
    assert abs(ours - theirs).max() < 1e-12 * abs(theirs).max()
