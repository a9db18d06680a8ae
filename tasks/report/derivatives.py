"""A signal's derivatives under its outline: the network's, and those by Gaussian filters."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.derivatives import Status
from tasks import store
from tasks.readers.axes import SINCE_1970
from tasks.report.sparklines import column_starts, polyline
from tasks.report.text import quantity
from tasks.slots import Slots

Floats = NDArray[np.float64]
UNDERIVED = {
    Status.TOO_FEW: "no derivatives: fewer than 16 samples at different x",
    Status.CONSTANT: "derivatives are 0: every sample is the same",
    Status.CROWDED: "no derivatives: x lies at one place but for a few samples",
    Status.TOO_LARGE: "no derivatives: they are larger than any number; scale x or the signal",
}
ROOM = 0.08
"""Part of the span that is left above and below the network's derivative."""


@dataclass(frozen=True, kw_only=True)
class DerivativeCurve:
    """One derivative in the pixels of a sparkline, and in words."""

    network: str
    """An SVG path; so is the next."""
    gaussian: str
    zero: str
    """The line where the derivative is 0, if it is in the drawing."""
    text: str


@dataclass(frozen=True, kw_only=True)
class DerivativeDrawing:
    """Both derivatives of a signal."""

    curves: tuple[DerivativeCurve, ...]
    text: str


def read_derivatives(slots: Slots, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the store holds of a signal's derivatives; None where it is damaged or blank."""
    found = slots.named(store.DERIVED, "signal", row)
    if found is None or found["status"] not in tuple(Status):
        return None
    if found["status"] == Status.FITTED and not np.isfinite(found["first"]).any():
        return None
    return {
        name: value[: row["samples"]] if np.ndim(value) else value for name, value in found.items()
    }


def draw_derivatives(
    found: dict[str, Any], deviation: float, units: str, x_units: str
) -> DerivativeDrawing:
    """Draw the derivatives, the network's over those by filters.

    Parameters
    ----------
    found : dict
        As `read_derivatives` returns it.
    deviation : float
        Standard deviation of the signal, beside which the network's error is told.
    units, x_units : str
        Of the signal and of x.
    """
    status = Status(int(found["status"]))
    if status is not Status.FITTED:
        return DerivativeDrawing(curves=(), text=UNDERIVED[status])
    where = column_starts(found["value"].size)
    middle = (np.append(where[1:], found["value"].size) - 1 + where) // 2
    per = "s" if x_units == SINCE_1970 else x_units if x_units not in ("", "1") else "sample"
    curves = tuple(
        _curve(
            found[name][middle], found[f"gaussian_{name}"][middle], word, f"{units}/{per}{power}"
        )
        for name, word, power in (("first", "first", ""), ("second", "second", "²"))
    )
    sigma = found["sigma"]
    filters = (
        f"dashed: Gaussian filters of width {sigma:.3g} samples"
        if np.isfinite(sigma)
        else ("no Gaussian filters: x is not even, or gaps are long")
    )
    end = "" if found["converged"] else f", stopped after {int(found['iterations'])} steps"
    off = f"{quantity(float(found['error']))} off where the signal deviates {quantity(deviation)}"
    text = f"derivatives by a network, {off} (rms{end})"
    return DerivativeDrawing(curves=curves, text=f"{text}; {filters}")


def _curve(network: Floats, gaussian: Floats, word: str, units: str) -> DerivativeCurve:
    finite = network[np.isfinite(network)]
    least, greatest = float(finite.min()), float(finite.max())
    room = ROOM * (greatest - least)
    low, high = least - room, greatest + room
    zero = polyline(np.zeros(network.size), low, high) if low < 0 < high else ""
    return DerivativeCurve(
        network=polyline(network, low, high),
        gaussian=polyline(np.clip(gaussian, low, high), low, high),
        zero=zero,
        text=f"{word} derivative, {quantity(least)} to {quantity(greatest, units)}",
    )
