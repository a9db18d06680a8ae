"""Training on values, and on first and second derivatives where they are known."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult, minimize

from core.network.jets import flatten, unflatten
from core.network.network import Network
from core.network.params import NetworkParams
from core.network.sobolev import SobolevLoss

Reason = Literal["gradient", "rounding", "iterations", "line search"]
MEMORY = 30
"""Steps that L-BFGS remembers."""


class ConvergenceWarning(UserWarning):
    """Training ended before its gradient was small; the network may still be good enough."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkFit:
    """A trained network and how its training ended."""

    network: Network
    """With the scales of the data inside."""
    converged: bool
    """The reason is "gradient" or "rounding"."""
    reason: Reason
    """gradient: no component is above the tolerance; rounding: the loss falls no further in double
    precision; iterations: max_iterations were done; line search: no step lowers the loss."""
    iterations: int
    """Steps taken."""
    evaluations: int
    """Passes through the data."""
    loss: float
    """Weighted sum of the mean squared errors (and of l2 times the mean squared weight)."""
    errors: tuple[float, float, float]
    """Root mean squared errors of values, first and second derivatives, each in units of its own
    target's; NaN where there was no target."""
    gradient_norm: float
    """Greatest component of the loss's gradient at the end."""


def fit_network(
    x: ArrayLike,
    y: ArrayLike,
    *,
    gradient: ArrayLike | None = None,
    second: ArrayLike | None = None,
    params: NetworkParams | None = None,
) -> NetworkFit:
    """Train a network on values, and on derivatives where they are given.

    Inputs and outputs are scaled to mean 0 and deviation 1 inside; each error is measured in units
    of its own target, so that no unit of x or y weighs. One set of starting weights, no randomness
    after it: the same bits for the same seed on the same machine and number of threads.

    Parameters
    ----------
    x : (sample, input) or (sample,) array
        Two samples or more, that differ in every input.
    y : (sample,) array
        Values there.
    gradient : array of the shape of x, optional
        First derivatives of y by each input, in units of y and x.
    second : array of the shape of x, optional
        Second derivatives of y along each input.
    params : NetworkParams, optional
        Layers, activation, weights of the terms, when to stop.

    Returns
    -------
    NetworkFit
        The network and how training ended.

    Warns
    -----
    ConvergenceWarning
        Training ended for another reason than a small gradient or the end of precision.
    UserWarning
        `gradient` is given and the activation is relu.

    Raises
    ------
    ValueError
        Shapes do not fit, a number is NaN or infinite, an input is constant or spans a range whose
        square a double cannot hold; `second` is given and the activation is relu.

    Notes
    -----
    Czarnecki et al., "Sobolev training for neural networks", arXiv 1706.04859, with the second
    derivatives along each input in place of projected Hessians; L-BFGS-B of SciPy on all samples.

    Examples
    --------
    >>> x = np.linspace(0, 2 * np.pi, 40)
    >>> params = NetworkParams(hidden=(16,), max_iterations=1000, tolerance=1e-5)
    >>> fit = fit_network(x, np.sin(x), gradient=np.cos(x), second=-np.sin(x), params=params)
    >>> fit.reason
    'gradient'
    >>> bool(abs(fit.network.hessian_diagonal(x) + np.sin(x)).max() < 0.05)
    True
    """
    params = params or NetworkParams()
    loss = SobolevLoss(x, y, gradient, second, params)
    start = loss.start(np.random.default_rng(params.seed))
    found = minimize(
        loss,
        flatten(start),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": params.max_iterations,
            "maxfun": 20 * params.max_iterations + 100,
            "maxcor": MEMORY,
            "gtol": params.tolerance,
            "ftol": 0.0,
        },
    )
    return _finish(loss, found)


def _finish(loss: SobolevLoss, found: OptimizeResult) -> NetworkFit:
    """Say how training ended, aloud where it did not converge."""
    layers = unflatten(found.x, loss.sizes)
    norm = float(np.abs(found.jac).max())
    reason: Reason = "rounding"
    if norm <= loss.params.tolerance:
        reason = "gradient"
    elif found.status == 1:
        reason = "iterations"
    elif found.status != 0:
        reason = "line search"
    fit = NetworkFit(
        network=loss.network(layers),
        converged=reason in ("gradient", "rounding"),
        reason=reason,
        iterations=int(found.nit),
        evaluations=int(found.nfev),
        loss=float(found.fun),
        errors=loss.errors(layers),
        gradient_norm=norm,
    )
    if not fit.converged:
        warnings.warn(
            f"training ended by {reason} after {fit.iterations} iterations with a gradient of "
            f"{norm:.1e}, above tolerance={loss.params.tolerance:g}; raise max_iterations or "
            "tolerance, or look whether the errors are small enough",
            ConvergenceWarning,
            stacklevel=3,
        )
    return fit
