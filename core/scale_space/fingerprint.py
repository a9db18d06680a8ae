"""Zero crossings of the second derivative at every scale, linked into the tree of intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.gaussian import derivative
from core.scale_space._kernels import batch_crossings, link_series, tree_of
from core.scale_space.scales import (
    Floats,
    ScaleParams,
    Status,
    checked_batch,
    checked_ladder,
    scales,
    screened,
)

Integers = NDArray[np.int64]
_VALUES = 1 << 22
"""Values of derivatives that are held at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Intervals:
    """Witkin's tree: an interval lives from the scale of its birth to that of its death.

    Seen from coarse to fine, an interval ends where its children split it, three at a time inside
    the signal. The intervals of series i are offset[i] to offset[i + 1].
    """

    offset: Integers
    """(series + 1,) array."""
    left: Floats
    """(interval,) array: left crossing, traced to the finest scale, in samples; -0.5 at the end."""
    right: Floats
    """(interval,) array: right crossing likewise, or samples - 0.5."""
    first: Integers
    """(interval,) array: index of the finest scale at which it is there."""
    last: Integers
    """(interval,) array: index of the coarsest one."""
    parent: Integers
    """(interval,) array: the interval that it is merged into, -1 at the coarsest scale."""
    sign: NDArray[np.int8]
    """(interval,) array: of the second derivative inside; -1 where the signal bulges."""
    lifetime: Floats
    """(interval,) array: octaves from the first to the last scale."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprint:
    """Crossings of a batch of signals; those of series i at scale s are offset[i, s] to [i, s + 1].

    The invariants hold for the discrete kernel: 0 increases, 0 unlinked.
    """

    sigmas: Floats
    """(scale,) array: in samples, rising."""
    status: NDArray[np.int8]
    """(series,) array of `Status`."""
    offset: Integers
    """(series, scale + 1) array: where the crossings of a series' scales begin and end."""
    position: Floats
    """(crossing,) array: in samples, between them by a cubic."""
    sign: NDArray[np.int8]
    """(crossing,) array: 1 where the second derivative rises through 0, -1 where it falls."""
    link: Integers
    """(crossing,) array: the crossing at the next finer scale that it comes from; -1 for none."""
    increases: Integers
    """(series,) array: scale steps at which there are more crossings than one scale finer."""
    unlinked: Integers
    """(series,) array: crossings at other than the finest scale that no finer one matches."""
    intervals: Intervals
    """The tree between the crossings."""

    @property
    def count(self) -> Integers:
        """(series, scale) array: number of crossings."""
        return np.diff(self.offset, axis=1)


def fingerprint(
    signals: ArrayLike, sigmas: ArrayLike | None = None, params: ScaleParams | None = None
) -> Fingerprint:
    """Find and link the zero crossings of each signal's second derivative at every scale.

    Parameters
    ----------
    signals : (series, sample) array_like
        In any units, over any baseline.
    sigmas : (scale,) array_like, optional
        Rising, in samples, from above 0 on; by default the ladder of `params`.
    params : ScaleParams, optional
        Ladder, kernel, boundary and round-off.

    Returns
    -------
    Fingerprint
        A series with NaN or infinity, or of fewer than 3 samples, has no crossings and says why.

    Raises
    ------
    ValueError
        If `signals` or `sigmas` are not as above.

    References
    ----------
    A. Witkin, Scale-space filtering, IJCAI 1983. T. Lindeberg, Scale-space for discrete signals,
    IEEE PAMI 12 (1990): no crossing is created by the discrete Gaussian.

    Examples
    --------
    >>> x = np.arange(400)
    >>> signal = np.exp(-0.5 * ((x - 120) / 12) ** 2) + np.exp(-0.5 * ((x - 250) / 20) ** 2)
    >>> found = fingerprint([300 + signal], [0.05, 0.5, 5.0])
    >>> found.count, found.position[:4].round(1)
    (array([[4, 4, 4]]), array([108., 132., 230., 270.]))
    >>> int(found.increases[0]), int(found.unlinked[0])
    (0, 0)
    """
    p = params or ScaleParams()
    batch = checked_batch(signals)
    series, samples = batch.shape
    ladder = scales(samples, p) if sigmas is None else checked_ladder(sigmas)
    clean, status, floor = screened(batch, p.round_off)
    count, position, sign = _crossings(clean, status, floor, ladder, p)
    ends = np.cumsum(count).reshape(count.shape)
    offset = np.concatenate([ends[:, -1:] - count.sum(axis=1, keepdims=True), ends], axis=1)
    link = np.full(position.size, -1)
    faults = np.zeros((2, series), np.int64)
    for i in range(series):
        faults[:, i] = link_series(offset[i], position, sign, ladder, link)
    return Fingerprint(
        sigmas=ladder,
        status=status,
        offset=offset,
        position=position,
        sign=sign,
        link=link,
        increases=faults[0],
        unlinked=faults[1],
        intervals=_intervals(offset, position, sign, link, ladder, samples),
    )


def _crossings(
    signals: Floats, status: NDArray[np.int8], floor: Floats, sigmas: Floats, params: ScaleParams
) -> tuple[Integers, Floats, NDArray[np.int8]]:
    """Return counts per series and scale, and all positions and signs in that order."""
    series, samples = signals.shape
    count = np.zeros((series, sigmas.size), np.int64)
    positions, signs = [np.empty(0)], [np.empty(0, np.int8)]
    scales_together = max(1, _VALUES // max(samples, 1))
    rows = max(1, scales_together // sigmas.size)
    usable = np.flatnonzero(status == Status.OK)
    for top in range(0, usable.size, rows):
        some = usable[top : top + rows]
        for low in range(0, sigmas.size, scales_together):
            part = slice(low, low + scales_together)
            values = derivative(
                signals[some], sigmas[part], 2, kernel=params.kernel, boundary=params.boundary
            )
            found = _batch(values, floor[some])
            count[some, part] = found[0]
            positions.append(found[1])
            signs.append(found[2])
    return count, np.concatenate(positions), np.concatenate(signs)


def _batch(values: Floats, floor: Floats) -> tuple[Integers, Floats, NDArray[np.int8]]:
    count = np.empty(values.shape[:2], np.int64)
    room = 1024 + values.size // 16
    while True:
        position, sign = np.empty(room), np.empty(room, np.int8)
        total = batch_crossings(values, floor, position, sign, count)
        if total >= 0:
            return count, position[:total], sign[:total]
        room = min(4 * room, values.size)


def _intervals(
    offset: Integers,
    position: Floats,
    sign: NDArray[np.int8],
    link: Integers,
    sigmas: Floats,
    samples: int,
) -> Intervals:
    begins, edges, nodes = [0], [np.empty((0, 2))], [np.empty((0, 4), np.int64)]
    ends = np.array([-0.5, samples - 0.5])
    for row in offset:
        most = int(row[-1] - row[0]) + row.size
        edge, node = np.empty((most, 2)), np.empty((most, 4), np.int64)
        size = tree_of(row, position, sign, link, ends, edge, node)
        node[:size, 2] += np.where(node[:size, 2] >= 0, begins[-1], 0)
        begins.append(begins[-1] + size)
        edges.append(edge[:size].copy())
        nodes.append(node[:size].copy())
    edge, node = np.concatenate(edges), np.concatenate(nodes)
    return Intervals(
        offset=np.array(begins),
        left=edge[:, 0],
        right=edge[:, 1],
        first=node[:, 0],
        last=node[:, 1],
        parent=node[:, 2],
        sign=node[:, 3].astype(np.int8),
        lifetime=np.log2(sigmas[node[:, 1]] / sigmas[node[:, 0]]),
    )
