"""Made data, and the objective written out plainly."""

import numpy as np
from scipy.special import logsumexp

from core.logistic import Chunk, InMemory, Penalty


def labelled(samples, features, classes, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, features))
    logits = x @ rng.standard_normal((features, classes))
    return x, (0.7 * logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def sums(x, y, weights=None, classes=None):
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    return InMemory([Chunk(x, y.astype(np.int64), weights, classes or int(y.max()) + 1)])


def literal_objective(theta, x, y, weights, penalty):
    """The definition, term by term; theta has a row for each class, or one for two classes."""
    x = np.asarray(x.toarray() if hasattr(x, "toarray") else x)
    logits = x @ theta[:, :-1].T + theta[:, -1]
    if len(theta) == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    losses = logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]
    w = theta[:, :-1]
    penalised = penalty.l1 * np.abs(w).sum() + penalty.l2 / 2 * (w**2).sum()
    return np.average(losses, weights=weights) + penalised


def literal_kkt(theta, x, y, weights, penalty):
    """The largest entry of the minimum-norm subgradient over the coefficients of standardised
    columns, by central differences of the loss."""
    mean = np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
    free = theta[:, -1] + theta[:, :-1] @ mean
    theta, z = np.column_stack([theta[:, :-1] * spread, free]), (x - mean) / spread
    slope = np.zeros_like(theta)
    for at in np.ndindex(theta.shape):
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[at] += sign * 1e-5
            ends.append(literal_objective(moved, z, y, weights, Penalty()))
        slope[at] = (ends[0] - ends[1]) / 2e-5
    w, g, l1 = theta[:, :-1], slope[:, :-1], penalty.l1 / spread
    g = g + penalty.l2 / spread**2 * w
    distance = np.where(w == 0, np.maximum(np.abs(g) - l1, 0), np.abs(g + l1 * np.sign(w)))
    return max(distance.max(), np.abs(slope[:, -1]).max())
