"""Separate polynomials on segments of one prepared series: exact for every number of them."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.piecewise._knot_kernels import piece_moments
from core.piecewise._segment_kernels import best_segments
from core.piecewise.continuous import Fit, Row
from core.piecewise.solution import CURVATURE, LEFT, RIGHT, SLOPE, WEIGHT

Floats = NDArray[np.float64]


def fit_segments(row: Row, most: int, degree: int, min_size: int) -> list[Fit]:
    """Return the best fits with 1, 2, ... `most` segments, as many as the points allow."""
    most = min(most, row.u.size // min_size)
    best = np.empty((most, row.u.size + 1))
    begin = np.empty(best.shape, np.int64)
    best_segments(row.u, row.y, row.w, degree, min_size, best, begin)
    return [_describe(row, _ends(begin, count), degree) for count in range(1, most + 1)]


def _ends(begin: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Trace where the segments of the best division into `count` begin and end."""
    ends = np.zeros(count + 1, np.int64)
    ends[count] = begin.shape[1] - 1
    for j in range(count - 1, 0, -1):
        ends[j] = begin[j, ends[j + 1]]
    return ends


def _describe(row: Row, ends: NDArray[np.int64], degree: int) -> Fit:
    """Fit each segment's polynomial about its middle; the sum of squares is of its residuals."""
    knots = row.u[ends[1:-1] - 1]
    lefts = np.concatenate([row.u[:1], knots])
    rights = np.concatenate([knots, row.u[-1:]])
    pieces, rss = np.zeros((ends.size - 1, 7)), 0.0
    for j, (first, last) in enumerate(pairwise(ends)):
        u, y, root = row.u[first:last], row.y[first:last], np.sqrt(row.w[first:last])
        middle, half = 0.5 * (u[0] + u[-1]), 0.5 * (u[-1] - u[0]) or 1.0
        columns = ((u - middle) / half)[:, None] ** np.arange(degree + 1)
        level = (root * root * y).sum() / (root * root).sum()
        c = np.zeros(3)
        c[: degree + 1] = np.linalg.lstsq(columns * root[:, None], root * (y - level))[0]
        residual = root * (y - level - columns @ c[: degree + 1])
        rss += float(residual @ residual)
        left, right = (lefts[j] - middle) / half, (rights[j] - middle) / half
        pieces[j, LEFT], pieces[j, RIGHT] = (
            level + c[0] + t * (c[1] + t * c[2]) for t in (left, right)
        )
        pieces[j, SLOPE] = (c[1] + 2.0 * left * c[2]) / half
        pieces[j, CURVATURE] = c[2] / (half * half)
    piece_moments(row.u, row.w, knots, False, pieces[:, WEIGHT:])
    return Fit(knots=knots, pieces=pieces, rss=rss, certified=True)
