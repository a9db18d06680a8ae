"""Values and input derivatives carried through the layers together, and the adjoint of both.

A layer's value, its first derivatives along each input and its second derivatives are streams of
one array, so that each layer costs one matrix product (Taylor-mode differentiation; for the
Laplacian its streams collapse into one: Li et al., arXiv 2307.08214).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from core.network.activations import Derivatives, Floats

Layer = tuple[Floats, Floats]
Products = Callable[[Floats], Floats]


def diagonal(slopes: Floats) -> Floats:
    """Return the squares of the slopes along each input: the pairs of second derivatives."""
    squares: Floats = slopes * slopes
    return squares


def collapsed(slopes: Floats) -> Floats:
    """Return the sum of the squares: one stream, which ends as the Laplacian."""
    total: Floats = np.einsum("d...,d...->...", slopes, slopes)[None]
    return total


@dataclass(frozen=True, kw_only=True)
class Jet:
    """What is known of one layer's units over a batch."""

    value: Floats
    """(sample, unit) array."""
    slope: Floats | None = None
    """(input, sample, unit) array, or (input, 1, unit) where it is the same for all samples."""
    second: Floats | None = None
    """(stream, sample, unit) array; None below order 2, and where all of it is 0."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the adjoint needs of one hidden layer."""

    before: Jet
    """The layer's jet before its activation."""
    factors: list[Floats]
    """The activation's value and derivatives there."""
    after: Floats
    """(1 + streams, sample, unit) array: the streams behind the activation."""


def forward(
    layers: Sequence[Layer],
    activation: Derivatives,
    x: Floats,
    seeds: Floats,
    products: Products | None = None,
    tape: list[Record] | None = None,
) -> Jet:
    """Carry a batch through the layers.

    Parameters
    ----------
    layers : sequence of (weight, bias)
        (unit, input) and (unit,) arrays of each layer; the last one has no activation.
    activation : callable
        A value of `core.network.activations.ACTIVATIONS`.
    x : (sample, input) array
        Scaled inputs.
    seeds : (input, unit) array
        Slopes of the first layer; without rows only values are computed.
    products : callable, optional
        Which second derivatives: `diagonal` or `collapsed`; by default none.
    tape : list, optional
        Receives one record a hidden layer, for `adjoint`.

    Returns
    -------
    Jet
        Of the last layer.
    """
    order = 2 if products else min(len(seeds), 1)
    weight, bias = layers[0]
    jet = Jet(value=x @ weight.T + bias, slope=seeds[:, None, :])
    for weight, bias in layers[1:]:
        factors = activation(jet.value, order + (tape is not None))
        after = _activate(jet, factors, products)
        if tape is not None:
            tape.append(Record(before=jet, factors=factors, after=after))
        z = _multiply(after, weight.T)
        z[0] += bias
        count = 1 + len(seeds)
        jet = Jet(value=z[0], slope=z[1:count], second=z[count:] if products else None)
    return jet


def _activate(jet: Jet, factors: list[Floats], products: Products | None) -> Floats:
    """Return the streams behind an activation, by the chain rule."""
    assert jet.slope is not None
    inputs = len(jet.slope)
    squares = products(jet.slope) if products else jet.slope[:0]
    after = np.empty((1 + inputs + len(squares), *jet.value.shape))
    after[0] = factors[0]
    if inputs:
        np.multiply(factors[1], jet.slope, out=after[1 : 1 + inputs])
    if products:
        second = after[1 + inputs :]
        np.multiply(factors[2], squares, out=second)
        if jet.second is not None:
            second += factors[1] * jet.second
    return after


def backward(layers: Sequence[Layer], activation: Derivatives, x: Floats, seeds: Floats) -> Floats:
    """Return the slopes by all inputs, and their derivatives along each: the Hessian.

    From the output back to the inputs, at the cost of one stream for all slopes, and of one more
    for each row of the Hessian: for many inputs far less than the streams of its entries.

    Parameters
    ----------
    layers, activation, x
        What `forward` takes.
    seeds : (input, unit) array
        Slopes of the first layer; without rows there is no Hessian.

    Returns
    -------
    (1 + rows of seeds, sample, input) array
        The slopes, then the rows of the Hessian.
    """
    tape: list[Record] = []
    forward(layers, activation, x, seeds, tape=tape)
    outer = np.zeros((1 + len(seeds), len(x), 1))
    outer[0] = 1.0
    for record, (weight, _) in zip(reversed(tape), reversed(layers[1:]), strict=True):
        streams = _multiply(outer, weight)
        outer = record.factors[1] * streams
        if len(seeds):
            outer[1:] += record.before.slope * (record.factors[2] * streams[0])
    return _multiply(outer, layers[0][0])


def _multiply(streams: Floats, matrix: Floats) -> Floats:
    """Return the streams times a matrix, in one product."""
    flat: Floats = streams.reshape(-1, streams.shape[-1]) @ matrix
    return flat.reshape(*streams.shape[:2], -1)


def adjoint(
    layers: Sequence[Layer], x: Floats, tape: Sequence[Record], out: Jet, inputs: int
) -> Floats:
    """Return the gradient with respect to all weights, from that with respect to the outputs.

    Parameters
    ----------
    layers, x, tape
        What `forward` was given, with `products=diagonal` if second derivatives count.
    out : Jet
        Derivatives of a loss by each output of `forward`, in the same shapes.
    inputs : int
        Number of slopes that were carried.

    Returns
    -------
    (weight,) array
        In the order of `flatten`.
    """
    found: list[Layer] = []
    for record, (weight, _) in zip(reversed(tape), reversed(layers[1:]), strict=True):
        parts = [out.value[None]]
        parts += [part for part in (out.slope, out.second) if part is not None]
        outer = np.concatenate(parts)
        flat = outer.reshape(-1, outer.shape[-1])
        found.append((flat.T @ record.after.reshape(len(flat), -1), out.value.sum(axis=0)))
        out = _pull_back(record, (flat @ weight).reshape(record.after.shape), inputs)
    first = out.value.T @ x
    if out.slope is not None:
        first += out.slope.sum(axis=1).T
    found.append((first, out.value.sum(axis=0)))
    return flatten(found[::-1])


def _pull_back(record: Record, outer: Floats, inputs: int) -> Jet:
    """Return derivatives by what stands before an activation, from those by what is behind it."""
    jet, factors = record.before, record.factors
    value = factors[1] * outer[0]
    if not inputs:
        return Jet(value=value)
    assert jet.slope is not None
    by_slope, by_second = outer[1 : 1 + inputs], outer[1 + inputs :]
    value += factors[2] * (jet.slope * by_slope).sum(axis=0)
    slope = factors[1] * by_slope
    if not len(by_second):
        return Jet(value=value, slope=slope)
    pulled = jet.slope * by_second
    value += factors[3] * (jet.slope * pulled).sum(axis=0)
    slope += 2.0 * factors[2] * pulled
    if jet.second is None:
        return Jet(value=value, slope=slope)
    value += factors[2] * (jet.second * by_second).sum(axis=0)
    return Jet(value=value, slope=slope, second=factors[1] * by_second)


def flatten(layers: Sequence[Layer]) -> Floats:
    """Return all weights and biases in one array, layer by layer."""
    return np.concatenate([part.ravel() for layer in layers for part in layer])


def unflatten(values: Floats, sizes: Sequence[int]) -> list[Layer]:
    """Return the layers that `flatten` was given, for units (inputs, hidden ..., outputs)."""
    layers = []
    at = 0
    for before, after in pairwise(sizes):
        weight = values[at : at + after * before].reshape(after, before)
        at += after * before
        layers.append((weight, values[at : at + after]))
        at += after
    return layers


def rows_at_a_time(streams: int, units: int) -> int:
    """Return how many samples keep a layer's streams in 256 kB.

    Larger ones do not come out of the allocator's store, but as new pages at every use.
    """
    return int(np.clip(2**15 // (streams * units), 32, 4096))
