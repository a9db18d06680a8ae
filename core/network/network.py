"""A fitted network: its value and exact derivatives in the units of the data."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from core.network.activations import ACTIVATIONS, Activation, Floats
from core.network.jets import (
    Jet,
    Layer,
    Products,
    backward,
    collapsed,
    diagonal,
    forward,
    rows_at_a_time,
)

FORMAT = "scalemark network 1"
STEPPED = (
    "the first derivative of a relu network is a step function, far from that of the signal; "
    "take activation='tanh', 'softplus', 'silu', 'gelu' or 'sin'"
)
FLAT = (
    "a relu network is piecewise linear: its second derivative is 0 or does not exist, whatever "
    "the signal's is; take activation='tanh', 'softplus', 'silu', 'gelu' or 'sin'"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A multilayer perceptron of one output, with the scales of its data inside.

    Every method takes x as a (sample, input) array; with one input also as a (sample,) array, and
    then the axes of inputs are left out of the result. Derivatives are those of y by x in their
    own units. Nothing is known of the network beyond the samples that it was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> from core.network import Network
    >>> layers = [[[[2.0]], [0.0]], [[[3.0]], [1.0]]]
    >>> scales = {"x_center": [0.0], "x_scale": [10.0], "y_center": 0.0, "y_scale": 100.0}
    >>> fields = {"format": "scalemark network 1", "activation": "sin", "layers": layers}
    >>> network = Network.from_dict(fields | scales)  # 100 (3 sin(2 x / 10) + 1)
    >>> x = np.array([0.0, 2.5])
    >>> network.value(x).round(3).tolist()
    [100.0, 243.828]
    >>> network.gradient(x).round(3).tolist()
    [60.0, 52.655]
    >>> network.hessian_diagonal(x)[1].round(3).item()
    -5.753
    """

    layers: tuple[Layer, ...]
    """(unit, input) weights and (unit,) biases of each layer."""
    activation: Activation
    """Between the layers."""
    x_center: Floats
    """(input,) array, subtracted from x."""
    x_scale: Floats
    """(input,) array, by which x is divided then."""
    y_center: float
    """Added to the scaled output."""
    y_scale: float
    """By which the last layer's output is multiplied."""

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return len(self.x_center)

    def value(self, x: ArrayLike) -> Floats:
        """Return the (sample,) array of values."""
        _, (value, _, _) = self._evaluate(x)
        return value[:, 0]

    def gradient(self, x: ArrayLike) -> Floats:
        """Return the (sample, input) array of first derivatives; relu warns."""
        if self.activation == "relu":
            warnings.warn(STEPPED, UserWarning, stacklevel=2)
        scaled, single = self._scale(x)
        found = np.empty(scaled.shape)
        for part in self._parts(len(scaled), 2):
            found[part] = self._back(scaled[part], self._seeds[:0])[0]
        return found[:, 0] if single else found

    def hessian_diagonal(self, x: ArrayLike) -> Floats:
        """Return the (sample, input) array of second derivatives along each input.

        Raises
        ------
        ValueError
            The activation is relu, here as in the other second derivatives.
        """
        single, (_, _, second) = self._evaluate(x, diagonal)
        return second[:, 0] if single else second

    def hessian(self, x: ArrayLike) -> Floats:
        """Return the (sample, input, input) array of all second derivatives."""
        self._require_curved()
        scaled, single = self._scale(x)
        found = np.empty((*scaled.shape, self.n_inputs))
        for part in self._parts(len(scaled), 2 + 2 * self.n_inputs):
            rows = self._back(scaled[part], self._seeds)[1:].transpose(1, 0, 2)
            found[part] = 0.5 * (rows + rows.transpose(0, 2, 1))  # equal but for rounding
        return found[:, 0, 0] if single else found

    def laplacian(self, x: ArrayLike) -> Floats:
        """Return the (sample,) array of the sums of second derivatives along each input."""
        _, (_, _, second) = self._evaluate(x, collapsed)
        return second[:, 0]

    def derivatives(self, x: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return `value`, `gradient` and `hessian_diagonal` from one pass."""
        single, (value, slope, second) = self._evaluate(x, diagonal)
        if single:
            return value[:, 0], slope[:, 0], second[:, 0]
        return value[:, 0], slope, second

    def _evaluate(
        self, x: ArrayLike, products: Products | None = None
    ) -> tuple[bool, tuple[Floats, Floats, Floats]]:
        """Return whether x had no axis of inputs, and (sample, stream) arrays of each order."""
        if products:
            self._require_curved()
        scaled, single = self._scale(x)
        seeds = self._seeds if products else self._seeds[:0]
        counts = (1, len(seeds), len(products(seeds)) if products else 0)
        found = [np.empty((len(scaled), count)) for count in counts]
        for part in self._parts(len(scaled), sum(counts)):
            jet = forward(self.layers, ACTIVATIONS[self.activation], scaled[part], seeds, products)
            self._write(jet, [array[part] for array in found])
        return single, (found[0], found[1], found[2])

    def _require_curved(self) -> None:
        if self.activation == "relu":
            raise ValueError(FLAT)

    def _scale(self, x: ArrayLike) -> tuple[Floats, bool]:
        """Return the inputs as the layers take them, and whether x had no axis of inputs."""
        inputs, single = as_inputs(x, self.n_inputs)
        return (inputs - self.x_center) / self.x_scale, single

    @property
    def _seeds(self) -> Floats:
        """The (input, unit) slopes of the first layer by x in its own units."""
        seeds: Floats = (self.layers[0][0] / self.x_scale).T
        return seeds

    def _parts(self, samples: int, streams: int) -> Iterator[slice]:
        """Yield ranges of samples that fit the fast caches."""
        rows = rows_at_a_time(streams, max(len(bias) for _, bias in self.layers))
        return (slice(start, start + rows) for start in range(0, samples, rows))

    def _back(self, scaled: Floats, seeds: Floats) -> Floats:
        """Return what `backward` does, in the units of y and x."""
        found = backward(self.layers, ACTIVATIONS[self.activation], scaled, seeds)
        found *= self.y_scale / self.x_scale
        return found

    def _write(self, jet: Jet, out: list[Floats]) -> None:
        """Put the last layer's jet into place, in the units of y."""
        out[0][...] = jet.value * self.y_scale + self.y_center
        for part, array in ((jet.slope, out[1]), (jet.second, out[2])):
            if part is not None:
                np.multiply(part[..., 0].T, self.y_scale, out=array)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and texts, from which `from_dict` makes the same network.

        Python's `json` keeps every bit of them.
        """
        return {
            "format": FORMAT,
            "activation": self.activation,
            "layers": [[weight.tolist(), bias.tolist()] for weight, bias in self.layers],
            "x_center": self.x_center.tolist(),
            "x_scale": self.x_scale.tolist(),
            "y_center": self.y_center,
            "y_scale": self.y_scale,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Network":
        """Return the network that `to_dict` described.

        Raises
        ------
        ValueError
            What came is of another format, lacks a field, or its arrays do not fit together.
        """
        if fields.get("format") != FORMAT:
            raise ValueError(f"format must be {FORMAT!r}, got {fields.get('format')!r}")
        missing = cls.__dataclass_fields__.keys() - fields.keys()
        if missing:
            raise ValueError(f"a network needs the fields {sorted(missing)} too")
        if fields["activation"] not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation must be one of {names}, got {fields['activation']!r}")
        try:
            network = cls(
                layers=tuple((_floats(weight), _floats(bias)) for weight, bias in fields["layers"]),
                activation=fields["activation"],
                x_center=_floats(fields["x_center"]),
                x_scale=_floats(fields["x_scale"]),
                y_center=float(fields["y_center"]),
                y_scale=float(fields["y_scale"]),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"layers or scales are no arrays of numbers: {error}") from error
        network._check()
        return network

    def _check(self) -> None:
        """Refuse arrays that do not fit together, or hold what is no number."""
        arrays = [self.x_center, self.x_scale, *(part for layer in self.layers for part in layer)]
        arrays.append(np.array([self.y_center, self.y_scale]))
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("a network's weights and scales must be finite numbers")
        if self.x_center.ndim != 1 or self.x_scale.shape != self.x_center.shape:
            raise ValueError(
                f"x_center and x_scale must be (input,) arrays of one length, got shapes "
                f"{self.x_center.shape} and {self.x_scale.shape}"
            )
        if not (self.x_scale > 0).all() or not self.y_scale > 0:
            raise ValueError("x_scale and y_scale must be greater than 0")
        before = self.n_inputs
        for k, (weight, bias) in enumerate(self.layers):
            if bias.ndim != 1 or weight.shape != (len(bias), before):
                raise ValueError(
                    f"layer {k} must have weights (unit, {before}) and as many biases as units, "
                    f"got shapes {weight.shape} and {bias.shape}"
                )
            before = len(bias)
        if len(self.layers) < 2 or before != 1:
            raise ValueError("a network needs a hidden layer or more, and one output")


def _floats(values: object) -> Floats:
    return np.array(values, np.float64)


def as_inputs(x: ArrayLike, n_inputs: int | None = None) -> tuple[Floats, bool]:
    """Return x as a (sample, input) array, and whether the axis of inputs was left out.

    Raises
    ------
    ValueError
        x is not of real numbers, not finite, or not of this shape.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"x must hold real numbers, got dtype {array.dtype}")
    single = array.ndim == 1
    if single and n_inputs not in (None, 1):
        raise ValueError(f"x must be a (sample, {n_inputs}) array, got shape {array.shape}")
    wide = array[:, None] if single else array
    if wide.ndim != 2 or wide.shape[1] != (n_inputs or wide.shape[1]) or wide.shape[1] == 0:
        expected = n_inputs or "input"
        raise ValueError(f"x must be a (sample, {expected}) array, got shape {array.shape}")
    values = wide.astype(np.float64)
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values).all(axis=1))
        raise ValueError(f"x has {bad} samples that are NaN or infinite; leave them out")
    return values, single
