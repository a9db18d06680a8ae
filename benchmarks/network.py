"""CPU milliseconds of a network's exact input derivatives, and how well sin is learnt.

    OMP_NUM_THREADS=1 python -m benchmarks.network     a batch of 10,000, half a minute
    python -m benchmarks.network --toy                 a few samples, seconds

Both get the same weights and samples, in one process, one thread each; the figure is the best of
the runs. torch takes `vmap` of the function, of its `grad` and of its `hessian` (torch.func). Then
a network is trained on 200 samples of sin, on its values alone or on derivatives too.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.soft_piqe import find_torch
from core.network import Network, NetworkParams, fit_network

HIDDEN = (64, 64)
Result = np.ndarray | tuple[np.ndarray, ...]
Call = Callable[[], Result]


def made(inputs: int, samples: int) -> tuple[Network, np.ndarray]:
    """Return a random tanh network in units of its own, and samples."""
    rng = np.random.default_rng(inputs)
    sizes = (inputs, *HIDDEN, 1)
    layers = tuple(
        (rng.standard_normal((after, before)) / np.sqrt(before), rng.normal(0.0, 0.5, after))
        for before, after in pairwise(sizes)
    )
    network = Network(
        layers=layers, activation="tanh", x_center=rng.standard_normal(inputs),
        x_scale=10.0 ** rng.uniform(-1, 1, inputs), y_center=3.0, y_scale=100.0,
    )  # fmt: skip
    x = network.x_center + network.x_scale * rng.standard_normal((samples, inputs))
    return network, x


def torch_calls(torch: Any, network: Network, x: np.ndarray) -> dict[str, Call]:
    """Return torch.func's way to each result."""
    layers = [(torch.tensor(weight), torch.tensor(bias)) for weight, bias in network.layers]
    center, scale = torch.tensor(network.x_center), torch.tensor(network.x_scale)
    points = torch.tensor(x)

    def function(point: Any) -> Any:
        units = (point - center) / scale
        for weight, bias in layers[:-1]:
            units = torch.tanh(weight @ units + bias)
        weight, bias = layers[-1]
        return (weight @ units + bias)[0] * network.y_scale + network.y_center

    vmap, grad, hessian = torch.func.vmap, torch.func.grad, torch.func.hessian
    second = vmap(hessian(function))
    calls = {
        "value": lambda: vmap(function)(points),
        "gradient": lambda: vmap(grad(function))(points),
        "hessian_diagonal": lambda: second(points).diagonal(dim1=1, dim2=2),
        "hessian": lambda: second(points),
        "laplacian": lambda: second(points).diagonal(dim1=1, dim2=2).sum(1),
    }
    return {name: lambda call=call: call().detach().numpy() for name, call in calls.items()}


def our_calls(network: Network, x: np.ndarray) -> dict[str, Call]:
    """Return our way to each result."""
    names = ("value", "gradient", "hessian_diagonal", "hessian", "laplacian")
    return {name: lambda name=name: getattr(network, name)(x) for name in names}


def milliseconds(call: Call, runs: int) -> tuple[float, np.ndarray]:
    """Return the least CPU time of some runs after a first one, and the result."""
    found, best = call(), np.inf
    for _ in range(runs):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return 1e3 * best, np.asarray(found)


def compare(inputs: int, samples: int, runs: int) -> dict[str, tuple[float, float, float]]:
    """Print a table; return by name our time, torch's, and the greatest difference.

    The difference is in units of the greatest result; without torch, it and torch's time are NaN.
    """
    network, x = made(inputs, samples)
    torch = find_torch()
    theirs = {} if torch is None else torch_calls(torch, network, x)
    print(f"\n{inputs}-64-64-1, tanh, {samples} samples, ms")
    figures = {}
    for name, call in our_calls(network, x).items():
        mine, found = milliseconds(call, runs)
        other = difference = np.nan
        line = f"  {name:18s} here {mine:8.2f}"
        if name in theirs:
            other, expected = milliseconds(theirs[name], runs)
            difference = float(abs(found - expected).max() / abs(expected).max())
            line += f"   torch {other:8.2f}   {other / mine:5.1f}x   {difference:.0e} apart"
        print(line, flush=True)
        figures[name] = mine, other, difference
    return figures


def learn_sin(noise: float, order: int, iterations: int) -> tuple[float, float, float]:
    """Return the greatest errors of value, first and second derivative, trained up to an order.

    Every target has noise of the same deviation.
    """
    x = np.linspace(0.0, 2.0 * np.pi, 200)
    rng = np.random.default_rng(0)
    y, first, second = (
        truth + noise * rng.standard_normal(x.size) for truth in (np.sin(x), np.cos(x), -np.sin(x))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the iterations ended is what is asked for
        fit = fit_network(
            x, y, gradient=first if order >= 1 else None, second=second if order >= 2 else None,
            params=NetworkParams(hidden=HIDDEN, max_iterations=iterations, tolerance=0.0),
        )  # fmt: skip
    fine = np.linspace(0.0, 2.0 * np.pi, 2001)
    found = fit.network.derivatives(fine)
    truths = np.sin(fine), np.cos(fine), -np.sin(fine)
    errors = [float(abs(a - b).max()) for a, b in zip(found, truths, strict=True)]
    return errors[0], errors[1], errors[2]


def training(iterations: int) -> dict[tuple[str, float], tuple[float, float, float]]:
    """Print what training on more derivatives is good for; return the errors."""
    print(f"\nsin, 200 samples, 1-64-64-1, {iterations} iterations: greatest errors of f, f', f''")
    figures = {}
    for order, name in enumerate(("values", "values, f'", "values, f', f''")):
        cells = []
        for noise in (0.0, 0.05):
            errors = figures[name, noise] = learn_sin(noise, order, iterations)
            cells.append(f"noise {noise:g}: " + "  ".join(f"{error:8.1e}" for error in errors))
        print(f"  {name:16s}", "   ".join(cells), flush=True)
    return figures


def main(
    inputs: Sequence[int] = (1, 10), samples: int = 10_000, runs: int = 5, iterations: int = 1500
) -> dict[int, dict[str, tuple[float, float, float]]]:
    """Print everything; return the figures of `compare` by number of inputs."""
    if find_torch() is None:
        print("torch skipped: not installed (pip install torch)")
    figures = {d: compare(d, samples, runs) for d in inputs}
    training(iterations)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU ms of a network's derivatives")
    parser.add_argument("--toy", action="store_true", help="a few samples, one run")
    toy = {"samples": 50, "runs": 1, "iterations": 20}
    main(**toy if parser.parse_args().toy else {})
