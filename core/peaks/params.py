"""What a decomposition may look for, and what became of a series."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Literal

from core.checks import require_choice, require_number
from core.form import FORM, Within

Baseline = Literal["none", "constant", "linear", "exponential", "auto"]
Intervals = Literal["auto", "wald"]


class Status(IntEnum):
    """What became of a series."""

    OK = 0
    """Decomposed; there may be no component."""
    NOT_FINITE = 1
    """The signal holds a NaN, an infinity or a value beyond 1e150: nothing was computed."""
    TOO_SHORT = 2
    """There are fewer than 8 samples."""
    STRAIGHT = 3
    """The signal is constant or straight to the last digit: no component, no noise."""
    BAD_X = 4
    """x is not finite or spans nothing."""
    NOT_SETTLED = 5
    """The search or the fit ended at a cap: the result is the best so far."""
    NOT_DETERMINED = 6
    """A component is at a bound of what is sought, or the signal does not tell it from others: its
    errors and intervals are NaN. It may stand for a baseline of another kind."""


@dataclass(frozen=True, kw_only=True)
class DecomposeParams:
    """What the signal is taken to be; the defaults need no knowledge of it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    baseline: Baseline = "constant"
    """What lies below the components: none; constant b0; linear b0 + b1 x; exponential
    b0 exp(-b1 x), x from `baseline_origin` on; or auto: constant, and where it lacks or components
    are not determined, near an end or wide, the one of the three with the least criterion."""
    max_components: Annotated[int, Within(1, 64)] = 16
    """Components at most, 1 to 64."""
    penalty: Annotated[float, Within(0.0, 1000.0)] = 8.0
    """A component must lower the squared residuals by 3 ln(samples) plus this, in variances of the
    noise; 0 to 1000. At 0 it is the Bayesian information criterion; 8 keeps false alarms rare."""
    noise: Annotated[float, Within(1e-150, 1e150)] | None = None
    """Standard deviation of the noise, if it is known and white; by default it is estimated."""
    confidence: Annotated[float, Within(0.5, 0.9999)] = 0.95
    """Of the intervals, 0.5 to 0.9999."""
    intervals: Intervals = "auto"
    """auto: by the profile of the likelihood where a component is ill determined; wald: always by
    the curvature."""
    max_rounds: Annotated[int, Within(1, 1000)] = 40
    """Changes of the set of components at most, 1 to 1000."""

    def __post_init__(self) -> None:
        require_choice("baseline", self.baseline, Baseline)
        require_choice("intervals", self.intervals, Intervals)
        for name, most in (("max_components", 64), ("max_rounds", 1000)):
            value = getattr(self, name)
            if not isinstance(value, int):
                raise ValueError(f"{name} must be an integer, got {value!r}")
            require_number(name, value, 1, most)
        require_number("penalty", self.penalty, 0.0, 1000.0)
        require_number("confidence", self.confidence, 0.5, 0.9999)
        if self.noise is not None:
            require_number("noise", self.noise, 1e-150, 1e150)
