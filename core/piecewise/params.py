"""What may be asked of a piecewise fit; the same class is a step's parameters and the form."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from core.checks import require_choice, require_integer, require_number
from core.form import FORM, Within

Criterion = Literal["bic3", "bic", "aic", "lwz"]
Loss = Literal["linear", "huber"]
Interval = Literal["profile", "bootstrap", "delta"]
Method = Literal["auto", "exact", "dp", "integral"]


@dataclass(frozen=True, kw_only=True)
class PiecewiseParams:
    """Options of `fit_piecewise`, by the same names."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    n_segments: Annotated[int, Within(1, 50)] | Literal["auto"] = 2
    """Pieces, from 1 to 50; "auto" chooses between 1 (no break) and max_segments."""
    degree: Annotated[int, Within(0, 2)] = 1
    """Degree of each piece's polynomial: 1; or 0, 1, 2 where the pieces need not meet."""
    continuous: bool = True
    """The pieces meet at the breaks."""
    min_size: Annotated[int, Within(1, 10**9)] = 3
    """Distinct x that each piece keeps; at least degree + 1. With 2, outliers at an end win."""
    max_segments: Annotated[int, Within(1, 50)] = 6
    """Most pieces that "auto" may choose, from 1 to 50."""
    criterion: Criterion = "bic3"
    """How "auto" weighs fit against pieces: bic3 (one log n more a break), bic, lwz, aic."""
    slopes: tuple[float | None, ...] | None = None
    """Slope of each piece where it is known, such as (0, null): flat, then free."""
    loss: Loss = "linear"
    """linear: least squares; huber: outliers count less, by reweighting (a local optimum)."""
    x_transform: Literal["log"] | None = None
    """log: fit along the natural logarithm of x."""
    ci: Interval | None = None
    """Intervals of the breaks and slopes: profile (best founded), bootstrap, delta (too short).
    A break scarcely visible in the noise is covered less often than `level`: at 0.95, about 0.91
    to 0.92 of the time by profile."""
    level: Annotated[float, Within(0.5, 0.9999)] = 0.95
    """Probability with which an interval should cover, from 0.5 to 0.9999."""
    method: Method = "auto"
    """exact: certified or refused; dp: never certified; integral: Jacquelin's, historical."""
    bootstrap_samples: Annotated[int, Within(50, 10**6)] = 1000
    """Resampled series of a bootstrap interval, from 50 to 1000000."""
    null_samples: Annotated[int, Within(0, 10**7)] = 0
    """Simulated series of the test against no break, to 10000000; 0 leaves the test out."""
    seed: Annotated[int, Within(0, 2**63 - 1)] = 0
    """Of the resampled and simulated series: the same seed, the same result."""

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_numbers()
        self._check_slopes()
        self._check_together()
        self._make_plain()

    @property
    def most(self) -> int:
        """Pieces that a fit can have at most."""
        return self.max_segments if self.n_segments == "auto" else self.n_segments

    def _check_choices(self) -> None:
        require_choice("criterion", self.criterion, Criterion)
        require_choice("loss", self.loss, Loss)
        require_choice("x_transform", self.x_transform, Literal["log"] | None)
        require_choice("ci", self.ci, Interval | None)
        require_choice("method", self.method, Method)
        if not isinstance(self.continuous, (bool, np.bool_)):
            raise ValueError(f"continuous must be true or false, got {self.continuous!r}")

    def _check_numbers(self) -> None:
        if self.n_segments != "auto":
            require_integer("n_segments", self.n_segments, 1, 50, ' or "auto"')
        require_integer("max_segments", self.max_segments, 1, 50)
        require_integer("degree", self.degree, 0, 2)
        require_integer("min_size", self.min_size, self.degree + 1, 10**9)
        require_integer("bootstrap_samples", self.bootstrap_samples, 50, 10**6)
        require_integer("null_samples", self.null_samples, 0, 10**7)
        require_integer("seed", self.seed, 0, 2**63 - 1)
        require_number("level", self.level, 0.5, 0.9999)

    def _check_slopes(self) -> None:
        if self.slopes is None:
            return
        if self.n_segments == "auto" or len(self.slopes) != self.n_segments:
            raise ValueError(
                f"slopes has {len(self.slopes)} entries for n_segments={self.n_segments!r}; one "
                "number or None for each of a fixed number of pieces is needed"
            )
        for slope in self.slopes:
            if slope is not None:
                require_number("slopes", slope, -1e300, 1e300)
        if any(a is not None and a == b for a, b in pairwise(self.slopes)):
            raise ValueError(
                f"slopes {self.slopes} leave no break between equal neighbours; let one differ or "
                "be None, or take fewer pieces"
            )

    def _make_plain(self) -> None:
        """Keep plain numbers and tuples: parameters are written as JSON."""
        if self.slopes is not None:
            object.__setattr__(self, "slopes", tuple(self.slopes))
        for name, value in vars(self).items():
            object.__setattr__(self, name, _plain(value))
        object.__setattr__(self, "level", float(self.level))

    def _check_together(self) -> None:
        """Refuse what no method here can do, with what can."""
        known = self.slopes is not None
        plain = self.continuous and not known and self.loss == "linear"
        conditions = {
            "degree=0 and 2 need continuous=False": self.degree == 1 or not self.continuous,
            "slopes needs continuous=True and degree=1": not known or self.continuous,
            "ci needs continuous=True": self.ci is None or self.continuous,
            "ci needs loss='linear'": self.ci is None or self.loss == "linear",
            "ci='profile' needs slopes=None": self.ci != "profile" or not known,
            "null_samples needs a continuous fit by least squares without slopes": plain
            or self.null_samples == 0,
            "method='integral' needs n_segments=2 and a continuous fit by least squares without "
            "slopes or ci": self.method != "integral"
            or (plain and self.n_segments == 2 and self.ci is None),
            "method='exact' needs n_segments of at most 3, or 2 with slopes, where the fit is "
            "continuous": self.method != "exact"
            or not self.continuous
            or (self.n_segments != "auto" and self.n_segments <= (2 if known else 3)),
        }
        for words, holds in conditions.items():
            if not holds:
                raise ValueError(words)


def _plain(value: object) -> object:
    """Turn numbers of any kind into Python's, sequences into tuples; leave texts and None."""
    if isinstance(value, (str, type(None))):
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return tuple(map(_plain, value)) if isinstance(value, (tuple, list)) else float(value)  # type: ignore[arg-type]
