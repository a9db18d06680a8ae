"""How good a rule is on items it has not seen: folds by group, intervals, calibration."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
LEAST_PROBABILITY = 1e-15
"""Where a label that was given no chance is true, its loss is that of this chance."""


def grouped_folds(label: ArrayLike, group: ArrayLike, folds: int, *, seed: int = 0) -> Whole:
    """Put every item in a fold: no group in two folds, every fold with its share of each label.

    Groups are taken in an order drawn from `seed`, the least even ones first, and each goes where
    the shares of the labels stay most even (the rule of scikit-learn's StratifiedGroupKFold).

    Parameters
    ----------
    label : (item,) array_like of int
        Each item's label, 0 and up.
    group : (item,) array_like of int
        What it must not be parted from, 0 and up.
    folds : int
        2 or more, and no more than there are groups.
    seed : int
        Of the order in which groups of one kind are taken.

    Returns
    -------
    (item,) array of int
        The fold in which each item is held out.

    Raises
    ------
    ValueError
        If there are fewer groups than folds.

    Examples
    --------
    >>> grouped_folds([0, 1, 0, 1], [0, 0, 1, 1], 2).tolist()
    [0, 0, 1, 1]
    """
    labels, groups = np.asarray(label, np.int64), np.asarray(group, np.int64)
    count = int(groups.max(initial=-1)) + 1
    if not 2 <= folds <= count:
        raise ValueError(f"folds must be 2 to the number of groups, {count}, got {folds}")
    held = np.zeros((count, int(labels.max()) + 1))
    np.add.at(held, (groups, labels), 1.0)
    shares = held / held.sum(axis=0).clip(1.0)
    drawn = np.random.default_rng(seed).permutation(count)
    filled, where = np.zeros((folds, held.shape[1])), np.empty(count, np.int64)
    for g in drawn[np.argsort(-held[drawn].std(axis=1), kind="stable")]:
        where[g] = _evenest(filled, shares[g])
        filled[where[g]] += shares[g]
    return np.asarray(where[groups])


def _evenest(filled: Floats, share: Floats) -> int:
    """Return the fold that, given a group, leaves the labels spread most evenly."""
    spread = []
    for fold in range(len(filled)):
        then = filled.copy()
        then[fold] += share
        spread.append((then.std(axis=0).mean(), filled[fold].sum()))
    return min(range(len(filled)), key=spread.__getitem__)


def wilson(right: float, number: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share.

    Parameters
    ----------
    right, number : float
        Successes and trials; trials that hang together count less than one each, see
        `independent_number`.
    level : float
        Of confidence, between 0 and 1.

    References
    ----------
    E. B. Wilson, Probable inference, JASA 22 (1927).

    Examples
    --------
    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    z = float(ndtri(0.5 + level / 2))
    share, scale = right / number, z * z / number
    middle = (share + scale / 2) / (1 + scale)
    half = math.sqrt(share * (1 - share) * scale + scale * scale / 4) / (1 + scale)
    return max(0.0, middle - half), min(1.0, middle + half)


def independent_number(right: ArrayLike, group: ArrayLike) -> float:
    """Return how many independent items tell as much as items that come in groups.

    The number of items over the design effect, the variance of the share over that of independent
    items: the largest of 1, of the robust variance by groups, and of 1 + (m - 1) r, where r is the
    correlation within groups (pooled, by analysis of variance) and m the mean group size that an
    item sees. The last one holds up where one group outweighs the others, whose own distance from
    the share, that is nearly its own, tells nothing. Where all or none are right, or there is one
    group, nothing shows r, and it counts as 1.

    Parameters
    ----------
    right : (item,) array_like of bool
        Where the rule is right.
    group : (item,) array_like of int
        Each item's group.

    References
    ----------
    L. Kish, Survey Sampling (1965), ch. 5. A. Donner, J. J. Koval, The estimation of intraclass
    correlation in the analysis of family data, Biometrics 36 (1980). R. M. Bell, D. F. McCaffrey,
    Bias reduction in standard errors for linear regression with multi-stage samples, Survey
    Methodology 28 (2002): the robust variance.

    Examples
    --------
    >>> independent_number([1, 1, 0, 0], [0, 0, 1, 1]), independent_number([1, 0, 1, 0], range(4))
    (1.0, 3.0)
    """
    hits, index = _by_group(right, group)
    size, share = np.bincount(index).astype(np.float64), float(hits.mean())
    seen = float(size @ size) / hits.size
    if size.size < 2 or share in (0.0, 1.0):
        return hits.size / seen
    total = np.asarray(np.bincount(index, hits), np.float64)
    residual, spread = total - size * share, share * (1.0 - share)
    robust = float((residual**2 / (1.0 - size / hits.size)).sum()) / (hits.size * spread)
    pooled = 1.0 + (seen - 1.0) * _correlation(total, size, share)
    return hits.size / max(1.0, robust, pooled)


def _by_group(right: ArrayLike, group: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    _, index = np.unique(np.asarray(group), return_inverse=True)
    return np.asarray(right, np.float64), index


def _correlation(total: Floats, size: Floats, share: float) -> float:
    """Return the correlation of two items of a group, 0 or more, from the groups' hits."""
    groups, items, means = size.size, float(size.sum()), total / size
    if items == groups:
        return 0.0
    between = float((size * (means - share) ** 2).sum()) / (groups - 1)
    within = float((size * means * (1.0 - means)).sum()) / (items - groups)
    usual = (items - float(size @ size) / items) / (groups - 1)
    return max(0.0, (between - within) / (between + (usual - 1.0) * within))


def grouped_interval(
    right: ArrayLike, group: ArrayLike, level: float = 0.95
) -> tuple[float, float]:
    """Return an interval of the share of items that a rule gets right on groups like these.

    Wilson's, for the independent items that the grouped ones come to, less what is lost by
    estimating that from the groups: Student's t with one degree of freedom less than groups
    takes the place of the items'.

    Parameters
    ----------
    right : (item,) array_like of bool
        Where the rule is right.
    group : (item,) array_like of int
        Each item's group.
    level : float
        Of confidence, between 0 and 1.

    References
    ----------
    E. L. Korn, B. I. Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, Survey Methodology 24 (1998). N. Dean, M. Pagano,
    Evaluating confidence interval methods for binomial proportions in clustered surveys, Journal
    of Survey Statistics and Methodology 3 (2015): Wilson's among them.

    Examples
    --------
    >>> [round(end, 3) for end in grouped_interval([1, 1, 0, 1, 1, 0, 1, 1, 1], [0, 1, 2] * 3)]
    [0.127, 0.988]
    """
    hits, index = _by_group(right, group)
    number, groups, share = independent_number(hits, index), int(index.max()) + 1, hits.mean()
    if 1 < groups < hits.size and 0.0 < share < 1.0:
        quantile = 0.5 + level / 2
        number *= float(stdtrit(hits.size - 1, quantile) / stdtrit(groups - 1, quantile)) ** 2
    return wilson(float(share) * number, number, level)


def log_loss(probability: ArrayLike, label: ArrayLike) -> float:
    """Return the mean of minus the logarithm of the probability of what is true.

    Parameters
    ----------
    probability : (item, label) array_like
        Of every label; below 1e-15 it counts as that.
    label : (item,) array_like of int
        What is true.

    Examples
    --------
    >>> round(log_loss([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)
    0.4904
    """
    chance, truth = np.asarray(probability, np.float64), np.asarray(label)
    own = chance[np.arange(truth.size), truth]
    return float(-np.log(np.maximum(own, LEAST_PROBABILITY)).mean())


def confusion(label: ArrayLike, predicted: ArrayLike, labels: int) -> Whole:
    """Count the items of each label (rows) that are predicted as each (columns).

    Examples
    --------
    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    found = np.zeros((labels, labels), np.int64)
    np.add.at(found, (np.asarray(label), np.asarray(predicted)), 1)
    return found


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Items that were told with about the same confidence."""

    low: float
    high: float
    number: int
    told: float
    """Mean probability of the predicted label."""
    right: float
    """Share of items for which it was true."""
    interval: tuple[float, float]
    """Of that share, at 95 %: see `grouped_interval`."""


def calibration(
    confidence: ArrayLike, right: ArrayLike, group: ArrayLike | None = None, *, bins: int = 10
) -> tuple[Bin, ...]:
    """Compare how sure a rule says it is with how often it is right.

    Parameters
    ----------
    confidence : (item,) array_like
        Probability of the predicted label, 0 to 1.
    right : (item,) array_like of bool
        Whether it is the true one.
    group : (item,) array_like of int, optional
        Each item's group; by default each is by itself.
    bins : int
        Of equal width from 0 to 1; those without an item are left out.

    Examples
    --------
    >>> [(b.low, b.number, b.right) for b in calibration([0.61, 0.93, 0.97], [0, 1, 1])]
    [(0.6, 1, 0.0), (0.9, 2, 1.0)]
    """
    told, hits = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    place = np.minimum((told * bins).astype(int), bins - 1)
    groups = np.arange(told.size) if group is None else np.asarray(group)
    return tuple(
        Bin(
            low=n / bins,
            high=(n + 1) / bins,
            number=int(inside.sum()),
            told=float(told[inside].mean()),
            right=float(hits[inside].mean()),
            interval=grouped_interval(hits[inside], groups[inside]),
        )
        for n in range(bins)
        if (inside := place == n).any()
    )


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the mean distance between told and right, each item counted once.

    Examples
    --------
    >>> round(calibration_error(calibration([0.61, 0.95, 0.95], [1, 1, 1])), 4)
    0.1633
    """
    number = sum(one.number for one in bins)
    return sum(one.number * abs(one.told - one.right) for one in bins) / number


def permutation_losses(
    probabilities: Callable[[Floats], Floats],
    values: Floats,
    label: ArrayLike,
    *,
    repeats: int = 10,
    seed: int = 0,
) -> Floats:
    """Return by how much the log loss grows when one feature is shuffled among the items.

    Parameters
    ----------
    probabilities : callable
        (item, feature) values to (item, label) probabilities.
    values : (item, feature) array
        Items that the rule was not trained on.
    label : (item,) array_like of int
        What is true.
    repeats : int
        Shuffles a feature.
    seed : int
        Of the shuffles.

    Returns
    -------
    (feature, repeat) array

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45 (2001), section 10.
    """
    generator = np.random.default_rng(seed)
    base = log_loss(probabilities(values), label)
    grown: Any = np.zeros((values.shape[1], repeats))
    for n in range(values.shape[1]):
        for k in range(repeats):
            shuffled = values.copy()
            shuffled[:, n] = generator.permutation(values[:, n])
            grown[n, k] = log_loss(probabilities(shuffled), label) - base
    return np.asarray(grown)
