"""The search for the set of components with the least penalised sum of squared residuals."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.peaks._fit_kernels import (
    PER,
    REACH,
    Curve,
    Effort,
    Rules,
    best_change,
    fit,
    linearised,
    residual_of,
    softest,
    stepped,
)
from core.peaks._seed_kernels import Ladder, find_seeds, seeded

Floats = NDArray[np.float64]
_BAR = 0.8
"""Part of its penalty that a component may be short of when it is added on trial."""
_NOBODY = np.empty((0, PER))
_WORK, _ROUNDS = 2.0e8, 1.0e4
"""Samples times components that all fits of a search go through at most: about a second, and of
long signals so many times their samples, for some hundred fits."""
_CAP, _SMALL = 60, 0.02
"""Of a fit in the search: iterations, and the gain, in variances, of the last."""
SOFT = 0.1
"""Standard deviations of a width, or of a logarithm, from which another optimum may be near."""
_KICKS = (4.0, -4.0, 12.0, -12.0)
"""Standard deviations in the softest direction, from where other optima are looked for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """A set of components, fitted."""

    components: Floats
    base: Floats
    rss: float
    level: float
    """The criterion: rss in variances, and a penalty for each component."""


class Search:
    """One signal's search, which counts its work."""

    def __init__(self, curve: Curve, ladder: Ladder, rules: Rules) -> None:
        self.curve = curve
        self.ladder = ladder
        self.rules = rules
        self.work = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether the search has gone on for longer than any signal needs."""
        return self.work > allowed(self.curve.x.size)

    def fitted(self, p: Floats, base: Floats, target: float = math.inf) -> State:
        """Fit the whole signal from a start."""
        q, other, variance = p.copy(), base.copy(), self.rules.variance
        effort = Effort(REACH, _CAP, _SMALL * variance, target, -1)
        rss, iterations = fit(self.curve, q, other, effort)
        self.work += (1 + abs(iterations)) * self.curve.x.size * (1 + len(q))
        return self.levelled(State(components=q, base=other, rss=rss, level=math.inf))

    def levelled(self, state: State) -> State:
        """Return a state with its criterion by the present rules."""
        level = state.rss / self.rules.variance + self.rules.penalty * len(state.components)
        return replace(state, level=level)

    def changed(self, state: State, bar: float, *, fewer: bool) -> State | None:
        """Return the best change of the set by one component, refitted; None if over a bar."""
        p = state.components
        residual = residual_of(self.curve, p, state.base, REACH)
        added = _NOBODY if fewer else self._standing_out(residual)
        _, q, work = best_change(self.curve, residual, p, added, fewer, self.rules, bar)
        self.work += work
        return None if len(q) == len(p) else self.fitted(q, state.base)

    def descend(self, state: State) -> State:
        """Take away, merge, add and split, one change at a time, while the criterion falls."""
        for _ in range(self.rules.rounds):
            new = self.changed(state, 0.0, fewer=True) if len(state.components) else None
            if new is None and len(state.components) < self.rules.most:
                new = self.changed(state, 0.0, fewer=False)
            if new is None or new.level >= state.level or self.exhausted:
                break
            state = new
        return state

    def run(self, state: State) -> tuple[State, float, bool]:
        """Descend; where no single change helps, look further.

        Up to three components are added that do not pay for themselves alone, and the descent goes
        on from there: it stays where it ends lower. A chain of blended components often needs that,
        as three fit nearly as well as four but not as well as five.

        Returns the state, the least variance of the residuals, also of those larger sets, and
        whether the search ended by itself.
        """
        state, least = self.descend(state), math.inf
        for _ in range(self.rules.rounds):
            new = self._without_doubtful(state) or self._kicked(state)
            if new is None:
                new, least = self._overshot(state)
            least = min(least, state.rss / freedom(self.curve, state.components))
            if new is None:
                return state, least, not self.exhausted
            new = self.descend(new)
            if new.level >= state.level - 1e-3:
                return state, least, not self.exhausted
            state = new
        return state, min(least, state.rss / freedom(self.curve, state.components)), False

    def _standing_out(self, residual: Floats) -> Floats:
        """Return components where the residual bulges."""
        noise = math.sqrt(self.rules.variance)
        seeds, found = find_seeds(residual, self.ladder, noise, 3.5, 4.0)
        return seeded(self.curve.x, residual, seeds[: min(found, 4)], 3.0 * noise)

    def _without_doubtful(self, state: State) -> State | None:
        """Leave out one component whose height is ill known, if the fit of all others allows it.

        In a chain of overlapping components one too many is shared by all: leaving it out moves
        even those that a trial on a stretch holds fixed.
        """
        p, penalty = state.components, self.rules.penalty
        _, _, inverse, good = linearised(self.curve, p, state.base, REACH)
        for k in range(len(p)):
            doubt = inverse[PER * k, PER * k] * self.rules.variance * 30.0 * penalty
            if good and doubt < 1.0:
                continue
            target = state.rss + penalty * self.rules.variance
            new = self.fitted(np.delete(p, k, axis=0), state.base, target)
            if new.rss < target:
                return new
        return None

    def _kicked(self, state: State) -> State | None:
        """Return a lower optimum that a kick leads to, of three components and more."""
        if len(state.components) < 3:
            return None
        _, _, inverse, good = linearised(self.curve, state.components, state.base, REACH)
        best = replace(state, rss=state.rss - 0.1 * self.rules.variance)
        for kick in _KICKS if good else ():
            start = kicked(self.curve, state, inverse, self.rules.variance, kick)
            if start is not None:
                new = self.fitted(*start)
                best = new if new.rss < best.rss else best
        return best if best.components is not state.components else None

    def _overshot(self, state: State) -> tuple[State | None, float]:
        """Add up to three components that do not pay for themselves, until together they do.

        Returns also the least variance of the residuals on the way.
        """
        best, least = None, math.inf
        for _ in range(3):
            before = best or state
            if len(before.components) >= self.rules.most or self.exhausted:
                break
            new = self.changed(before, _BAR * self.rules.penalty, fewer=False)
            if new is None:
                break
            best = self._kicked(new) or new
            least = min(least, best.rss / freedom(self.curve, best.components))
            if best.level < state.level:
                break
        return best, least


def allowed(samples: int) -> float:
    """Return how many samples times components may be gone through for one signal."""
    return max(_WORK, _ROUNDS * samples)


def kicked(
    curve: Curve, state: State, inverse: Floats, variance: float, kick: float, soft: float = SOFT
) -> tuple[Floats, Floats] | None:
    """Return a point some standard deviations away in the softest direction.

    Blends of three and more have optima of nearly equal depth along it. The kick is shortened to
    a change by a factor of e or a width; None where a standard deviation is too small for another
    optimum to be near.
    """
    p = state.components
    step = kick * math.sqrt(variance) * softest(p, inverse)
    by_component = np.abs(step).reshape(p.shape)
    by_component[:, 1] /= np.exp(p[:, 2])
    largest = float(by_component.max())
    if largest <= soft * abs(kick):
        return None
    full = np.zeros(len(inverse))
    full[: step.size] = step / max(largest, 1.0)
    return stepped(curve, p, state.base, full)


def freedom(curve: Curve, p: Floats) -> int:
    """Return the degrees of freedom that a fit leaves, 1 at least."""
    return max(1, curve.x.size - p.size - min(curve.kind, 2))
