"""Gaussians over a signal's outline, and the crossings of its scale space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.gaussian.filters import LARGEST_VALUE
from core.peaks import Status
from core.scale_space import Status as ScaleStatus
from core.stretches import order_along
from tasks import store
from tasks.report.charts import Tick
from tasks.report.fits import is_along, pixels_across, position
from tasks.report.sparklines import WIDTH, column_starts, polyline
from tasks.slots import Slots

Floats = NDArray[np.float64]
FINGERPRINT_HEIGHT = 56
LONGEST_LIST = 8
"""Centers that are told in words."""
UNTOLD = {
    Status.NOT_FINITE: "no Gaussians: a value is not finite or beyond 1e150",
    Status.TOO_SHORT: "no Gaussians: fewer than 8 finite samples",
    Status.STRAIGHT: "no Gaussians: constant or straight to the last digit",
    Status.BAD_X: "no Gaussians: the positions span nothing",
}
READ = (
    store.N_COMPONENTS,
    store.AMPLITUDES[0],
    store.CENTERS[0],
    store.SIGMAS[0],
    store.BASELINE,
    store.BASELINE_KIND,
    store.BASELINE_ORIGIN,
    store.LACK_OF_FIT,
    store.CORRELATED,
    store.COMPONENT_STATUS,
    store.SCALE,
    store.CROSSING,
    store.N_CROSSINGS,
    store.STABLE_COUNT,
    store.FAULTS,
    store.SCALE_STATUS,
)
_AROUND = np.arange(-3.0, 3.25, 0.5)
"""Widths from a center at which a component is drawn, however narrow it is."""
_LABEL = 11.0
"""Pixels that a label of the axis needs."""


@dataclass(frozen=True, kw_only=True)
class StructureDrawing:
    """A signal's components in the pixels of its sparkline, its crossings, and both in words."""

    model: str
    """An SVG path along the sum; empty where there is no component."""
    components: tuple[str, ...]
    """Paths along each component on the baseline."""
    crossings: str
    """A path of dots, coarse scales on top."""
    crowded: float
    """Height of the rows at the bottom that have too many crossings to be kept."""
    finest: str
    """Sigma of the lowest row, in samples."""
    coarsest: str
    decades: tuple[Tick, ...]
    """Powers of ten of sigma, on its logarithmic axis."""
    text: str
    """How many components, and where."""
    notes: str
    """What a reader should know of the fit."""


def read_structure(slots: Slots, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the structure of one signal by name, or None where it is damaged or absent."""
    return slots.named(READ, "signal", row)


def draw_structure(
    signal: Floats, x: Floats, found: dict[str, Any], baseline: str, units: str
) -> StructureDrawing:
    """Draw a signal's components and crossings.

    Parameters
    ----------
    signal, x : (sample,) array
        As they are stored.
    found : dict
        As `read_structure` returns it.
    baseline : str
        Which one was fitted, as `core.peaks.DecomposeParams` names it.
    units : str
        Of x, for the text.

    Returns
    -------
    StructureDrawing
        Words alone where x is in no order, so that the outline is not along x.
    """
    count = int(found["n_components"])
    curves = _curves(signal, x, found, baseline) if count and is_along(x) else []
    scales = found["scale"]
    return StructureDrawing(
        model=curves[0] if curves else "",
        components=tuple(curves[1:]) if count > 1 else (),
        crossings=_dots(found["crossing"], signal.size) if order_along(x) is None else "",
        crowded=_crowded(found["n_crossings"]),
        finest=_short(scales[0]),
        coarsest=_short(scales[-1]),
        decades=_decades(scales),
        text=_in_words(found, count, units, x),
        notes=_notes(found, signal),
    )


def _curves(signal: Floats, x: Floats, found: dict[str, Any], baseline: str) -> list[str]:
    """Return the path along the sum, then one along each component, on the baseline."""
    shown = np.isfinite(found["amplitude"])
    where = column_starts(signal.size)
    middles = x[(np.append(where[1:], signal.size) - 1 + where) // 2]
    peaks = (found["center"][shown, None] + found["sigma"][shown, None] * _AROUND).ravel()
    places = np.unique(np.append(middles, peaks[(peaks >= x.min()) & (peaks <= x.max())]))
    places = places if x[0] <= x[-1] else places[::-1]
    across = pixels_across(places, x)
    finite = signal[np.isfinite(signal)]
    low, high = float(finite.min()), float(finite.max())
    below = _baseline(places - found["baseline_origin"], found["baseline"], baseline)
    with np.errstate(all="ignore"):
        bumps = [
            amplitude * np.exp(-0.5 * ((places - center) / sigma) ** 2)
            for amplitude, center, sigma in zip(
                found["amplitude"], found["center"], found["sigma"], strict=True
            )
            if np.isfinite(amplitude)
        ]
    lines = [below + np.sum(bumps, axis=0), *(below + bump for bump in bumps)]
    return [polyline(np.clip(line, low, high), low, high, across) for line in lines]


def _baseline(places: Floats, terms: Floats, kind: str) -> Floats:
    first, second = terms
    with np.errstate(all="ignore"):
        if kind == "none":
            return np.zeros(places.size)
        if kind == "linear":
            return np.asarray(first + second * places)
        if kind == "exponential":
            return np.asarray(first * np.exp(-second * places))
    return np.full(places.size, first)


def _dots(crossing: Floats, samples: int) -> str:
    """Return a path of one dot a crossing; a row a scale, the coarsest on top."""
    scale, _ = np.nonzero(np.isfinite(crossing))
    across = (crossing[np.isfinite(crossing)] + 0.5) * (WIDTH / max(samples, 1))
    step = FINGERPRINT_HEIGHT / len(crossing)
    down = FINGERPRINT_HEIGHT - (scale + 0.5) * step
    dots = {f"M{a:.0f} {d:.1f}h0" for a, d in zip(across, down, strict=True)}
    return "".join(sorted(dots))


def _decades(scales: Floats) -> tuple[Tick, ...]:
    """Return every power of ten of the axis, or every second and so on if they stand close."""
    first, last = np.log10(scales[0]), np.log10(scales[-1])
    if not last > first:
        return ()
    step = FINGERPRINT_HEIGHT / len(scales)
    rise = (FINGERPRINT_HEIGHT - step) / (last - first)
    powers = np.arange(np.ceil(first), np.floor(last) + 1)[:: int(np.ceil(_LABEL / rise))]
    heights = FINGERPRINT_HEIGHT - 0.5 * step - rise * (powers - first)
    return tuple(
        Tick(round(float(at), 1), f"{10**power:g}")
        for at, power in zip(heights, powers, strict=True)
    )


def _crowded(counts: Floats) -> float:
    """Return the height of the lowest rows, which hold more crossings than the store keeps."""
    return FINGERPRINT_HEIGHT * int((counts > store.CROSSINGS).sum()) / len(counts)


def _in_words(found: dict[str, Any], count: int, units: str, x: Floats) -> str:
    status = Status(found["component_status"])
    if status in UNTOLD:
        return UNTOLD[status]
    if not count:
        return "no Gaussian, and more than noise" if found["lack_of_fit"] else "no Gaussian"
    finite = x[np.isfinite(x)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    told = [position(center, units, span) for center in found["center"][: min(count, LONGEST_LIST)]]
    more = ", …" if count > LONGEST_LIST else ""
    noun = "Gaussian" if count == 1 else "Gaussians"
    return f"{count} {noun} at {', '.join(told)}{more}"


def _notes(found: dict[str, Any], signal: Floats) -> str:
    notes = []
    if found["lack_of_fit"] and found["n_components"]:
        notes.append("the rest is more than noise, so this is no sum of Gaussians alone")
    if found["correlated"]:
        notes.append("the noise is correlated")
    if found["component_status"] == Status.NOT_SETTLED:
        notes.append("the search ended at its cap")
    if found["component_status"] == Status.NOT_DETERMINED:
        notes.append("not all of them are determined; some may stand for a baseline")
    if found["scale_status"] == ScaleStatus.NOT_FINITE:
        notes.append(f"no crossings: {_unfiltered(signal)}")
    if found["faults"]:
        notes.append(
            f"{found['faults']} crossings have none at the finer scale, which smoothing never "
            "shows: a bug worth reporting"
        )
    return "; ".join(notes)


def _unfiltered(signal: Floats) -> str:
    finite = np.abs(signal[np.isfinite(signal)])
    if not finite.size:
        return "no sample is finite"
    return "a value is beyond 1e300" if finite.max() > LARGEST_VALUE else "a gap is too long"


def _short(sigma: float) -> str:
    return f"{sigma:.1f}" if sigma < 10 else f"{sigma:.0f}"
