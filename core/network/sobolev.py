"""The loss that training lowers: errors of values and derivatives, with its gradient."""

import warnings
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from core.network.activations import ACTIVATIONS, Floats
from core.network.jets import (
    Jet,
    Layer,
    Record,
    adjoint,
    diagonal,
    flatten,
    forward,
    rows_at_a_time,
    unflatten,
)
from core.network.network import FLAT, STEPPED, Network, as_inputs
from core.network.params import NetworkParams


class SobolevLoss:
    """The scaled targets and the loss of all weights over them."""

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        gradient: ArrayLike | None,
        second: ArrayLike | None,
        params: NetworkParams,
    ) -> None:
        inputs, single = as_inputs(x)
        if params.activation == "relu" and second is not None:
            raise ValueError(FLAT)
        if params.activation == "relu" and gradient is not None:
            warnings.warn(STEPPED, UserWarning, stacklevel=4)
        if len(inputs) < 2:
            raise ValueError(f"a network needs two samples or more, got {len(inputs)}")
        values = _target("y", y, (len(inputs),))
        self.params = params
        self.sizes = (inputs.shape[1], *params.hidden, 1)
        self.x_center, self.x_scale = _scales(inputs)
        self.y_center, self.y_scale = float(values.mean()), _spread(values)
        self.x = (inputs - self.x_center) / self.x_scale
        shape = inputs.shape[:1] if single else inputs.shape
        self.targets: list[Floats | None] = [((values - self.y_center) / self.y_scale)[None]]
        for power, (name, given) in enumerate((("gradient", gradient), ("second", second)), 1):
            scaled = None
            if given is not None:
                target = _target(name, given, shape).reshape(inputs.shape)
                scaled = (target * (self.x_scale**power / self.y_scale)).T
            self.targets.append(scaled)
        weights = (params.value_weight, params.gradient_weight, params.second_weight)
        self.units = [np.nan if t is None else _mean_square(t) for t in self.targets]
        self.weights = [w / unit for w, unit in zip(weights, self.units, strict=True)]
        self.order = max(k for k, target in enumerate(self.targets) if target is not None)

    def start(self, rng: np.random.Generator) -> list[Layer]:
        """Return random layers that keep the spread of standard inputs."""
        return [
            (rng.standard_normal((after, before)) / np.sqrt(before), rng.normal(0.0, 0.5, after))
            for before, after in pairwise(self.sizes)
        ]

    def __call__(self, values: Floats) -> tuple[float, Floats]:
        """Return the loss and its gradient, summed over rows of samples in order."""
        layers = unflatten(values, self.sizes)
        total, slope = self._decay(layers)
        terms, by_weight = self._sums(layers)
        total += sum(
            weight * term
            for weight, term, target in zip(self.weights, terms, self.targets, strict=True)
            if target is not None
        )
        return total, slope + by_weight

    def errors(self, layers: list[Layer]) -> tuple[float, float, float]:
        """Return the root mean squared error of each target in its own units."""
        terms, _ = self._sums(layers)
        found = [float(np.sqrt(t / unit)) for t, unit in zip(terms, self.units, strict=True)]
        return found[0], found[1], found[2]

    def _sums(self, layers: list[Layer]) -> tuple[list[float], Floats]:
        """Return the mean squared errors and the gradient of their weighted sum."""
        slopes = self.sizes[0] if self.order else 0
        streams = 1 + slopes * self.order
        rows = rows_at_a_time(streams, max(self.sizes))
        seeds = layers[0][0].T[:slopes]
        products = diagonal if self.order == 2 else None
        terms = [0.0, 0.0, 0.0]
        by_weight = np.zeros(sum(part.size for layer in layers for part in layer))
        for start in range(0, len(self.x), rows):
            part = slice(start, start + rows)
            tape: list[Record] = []
            x = self.x[part]
            jet = forward(layers, ACTIVATIONS[self.params.activation], x, seeds, products, tape)
            out = self._residuals(jet, part, terms)
            by_weight += adjoint(layers, x, tape, out, slopes)
        return terms, by_weight

    def _residuals(self, jet: Jet, part: slice, terms: list[float]) -> Jet:
        """Add up squared residuals; return the loss's derivatives by the outputs."""
        out: list[Floats | None] = []
        streams = (jet.value[None], jet.slope, jet.second)
        for k, (stream, target) in enumerate(zip(streams, self.targets, strict=True)):
            if k > self.order or stream is None:
                out.append(None)
            elif target is None:
                out.append(np.zeros_like(stream))
            else:
                residual = stream - target[:, part, None]
                terms[k] += float(np.vdot(residual, residual)) / target.size
                out.append(residual * (2.0 * self.weights[k] / target.size))
        assert out[0] is not None
        return Jet(value=out[0][0], slope=out[1], second=out[2])

    def _decay(self, layers: list[Layer]) -> tuple[float, Floats]:
        """Return l2 times the mean squared weight, and its gradient."""
        count = sum(weight.size for weight, _ in layers)
        share = self.params.l2 / count
        total = share * sum(float(np.vdot(weight, weight)) for weight, _ in layers)
        return total, flatten(
            [(2 * share * weight, np.zeros_like(bias)) for weight, bias in layers]
        )

    def network(self, layers: list[Layer]) -> Network:
        """Return the layers with the scales of the data."""
        return Network(
            layers=tuple((weight.copy(), bias.copy()) for weight, bias in layers),
            activation=self.params.activation,
            x_center=self.x_center,
            x_scale=self.x_scale,
            y_center=self.y_center,
            y_scale=self.y_scale,
        )


def _target(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Return a target as doubles, or raise ValueError naming it."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, as x tells, got {array.shape}")
    found = array.astype(np.float64)
    bad = int((~np.isfinite(found)).sum())
    if bad:
        raise ValueError(
            f"{name} has {bad} numbers that are NaN or infinite; leave those samples out"
        )
    return found


def _scales(inputs: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation of each input; refuse what cannot be scaled."""
    constant = np.flatnonzero((inputs == inputs[0]).all(axis=0))
    if constant.size:
        raise ValueError(
            f"input {constant[0]} of x has one value in all samples, {inputs[0, constant[0]]:g}; "
            "leave it out: nothing can be learnt about it"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        center, spread = inputs.mean(axis=0), inputs.std(axis=0)
    wild = np.flatnonzero(~((spread > 1e-150) & (spread < 1e150)))
    if wild.size:
        raise ValueError(
            f"input {wild[0]} of x has deviation {spread[wild[0]]:g}; scale it to between 1e-150 "
            "and 1e150"
        )
    return center, spread


def _spread(values: Floats) -> float:
    """Return the deviation of y, or 1 where y is constant."""
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(values.std())
    if not spread < 1e150:
        raise ValueError(f"y has deviation {spread:g}; scale it to below 1e150")
    return spread if spread > 1e-150 else 1.0


def _mean_square(target: Floats) -> float:
    """Return the mean square of a target, or 1 where it is 0."""
    return float(np.vdot(target, target)) / target.size or 1.0
