"""How a network is built and trained; the same class is a step's parameters and the form."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from core.checks import require_integer, require_number
from core.form import FORM
from core.network.activations import ACTIVATIONS, Activation


@dataclass(frozen=True, kw_only=True)
class NetworkParams:
    """Options of `fit_network`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    hidden: tuple[int, ...] = (64, 64)
    """Units of each hidden layer: 1 to 8 layers of 1 to 4096 units."""
    activation: Activation = "tanh"
    """tanh, softplus, silu, gelu, sin; or relu, which has no second derivative and a first one
    that jumps."""
    value_weight: float = 1.0
    """Weight of the values' mean squared error, in units of their variance."""
    gradient_weight: float = 1.0
    """Weight of the first derivatives' error, in units of their mean square."""
    second_weight: float = 1.0
    """Weight of the second derivatives' error, in units of their mean square."""
    l2: float = 0.0
    """Weight of the mean square of the layers' weights, biases left out; above 0 it smooths."""
    max_iterations: int = 2000
    """Steps of L-BFGS at most, from 1 to 1000000."""
    tolerance: float = 1e-6
    """Training ends where no component of the loss's gradient is greater, from 0 to 1."""
    seed: int = 0
    """Of the starting weights: the same seed, the same network."""

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation must be one of {names}, got {self.activation!r}")
        object.__setattr__(self, "hidden", require_hidden(self.hidden))
        for field in fields(self):
            if field.name.endswith("_weight") or field.name == "l2":
                value = require_number(field.name, getattr(self, field.name), 0.0, 1e12)
                object.__setattr__(self, field.name, value)
        tolerance = require_number("tolerance", self.tolerance, 0.0, 1.0)
        object.__setattr__(self, "tolerance", tolerance)
        for name, least, most in (("max_iterations", 1, 10**6), ("seed", 0, 2**63 - 1)):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), least, most))


def require_hidden(hidden: object) -> tuple[int, ...]:
    """Return the hidden layers' units as plain integers, or raise ValueError."""
    if not isinstance(hidden, (tuple, list)) or not 1 <= len(hidden) <= 8:
        raise ValueError(f"hidden must be 1 to 8 counts of units, such as (64, 64), got {hidden!r}")
    return tuple(require_integer("hidden", units, 1, 4096) for units in hidden)
