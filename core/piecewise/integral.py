"""Jacquelin's integral equation: a break without iteration, of historical interest."""

import numpy as np

from core.piecewise.continuous import Fit, Row, describe_knots


def fit_integral(row: Row, min_size: int) -> Fit:
    """Find a break by one linear regression, then the lines by another.

    For y = p x + q + c (x - a)+ the combination x y - 2 S, with S the integral of y, is
    a y + (a linear function of x): a regression on y, x and 1 gives a. There is no guess and no
    iteration, and for noise-free, dense samples a is right. With noise, y is a regressor with
    errors: a is biased, by more than its scatter, and the fit is never the optimum. A break that
    leaves a piece too few points is moved to the nearest one that does not.

    References
    ----------
    J. Jacquelin, "Régressions et équations intégrales" (2009-2014), the principle; the combination
    above is a reconstruction for two joined lines.
    """
    u, y, root = row.u, row.y, np.sqrt(row.w)
    steps = 0.5 * np.diff(u) * (y[1:] + y[:-1])
    integral = np.concatenate([[0.0], np.cumsum(steps)])
    columns = np.stack([y, u, np.ones(u.size)], axis=1)
    target = u * y - 2.0 * integral
    knot = np.linalg.lstsq(columns * root[:, None], target * root)[0][0]
    knot = np.clip(knot, u[min_size - 1], u[u.size - min_size])
    return describe_knots(row, np.array([knot]), np.full(2, np.nan), False)
