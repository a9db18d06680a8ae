"""Features as they come, with gaps and in any units, into the columns that a linear rule takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
LARGEST = 1e150
"""A value beyond this counts as missing: its square might not be representable."""
SMALLEST = 1e-290
"""A column that varies by less is the same in all items: its deviation might round to 0."""
ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""A column that varies by a smaller part of its values holds rounding, and nothing to learn."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """How features become standardised columns; `learn_design` makes it."""

    features: tuple[str, ...]
    """The features, in the order in which `columns` takes them."""
    kept: tuple[int, ...]
    """Places of those that have a column."""
    median: tuple[float, ...]
    """What takes a missing value's place, for each that is kept."""
    missed: tuple[int, ...]
    """Places of those that some training items lacked."""
    gaps: tuple[int, ...]
    """Places of those, among the missed, that have a column of where they were missing."""
    mean: tuple[float, ...]
    """Of each column before it is standardised; so is the next."""
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        sizes = len(self.kept), len(self.kept) + len(self.gaps)
        if (len(self.median), len(self.mean)) != sizes or len(self.scale) != sizes[1]:
            raise ValueError(
                "a design holds a median a kept feature, and a mean and scale a column"
            )
        places = {*self.kept, *self.missed, *self.gaps}
        if not places <= set(range(len(self.features))):
            raise ValueError(f"places {sorted(places)} of only {len(self.features)} features")
        numbers = (*self.median, *self.mean, *self.scale)
        if not np.isfinite(numbers).all() or min(self.scale, default=1.0) <= 0:
            raise ValueError("medians and means must be finite, scales positive")

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        gaps = (f"{self.features[n]} missing" for n in self.gaps)
        return (*(self.features[n] for n in self.kept), *gaps)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Features without a column of their own."""
        return tuple(name for n, name in enumerate(self.features) if n not in self.kept)

    def columns(self, values: ArrayLike) -> Floats:
        """Return the standardised columns of some items.

        Parameters
        ----------
        values : (item, feature) array_like
            The features, in the order and units of the training.

        Returns
        -------
        (item, column) array

        Raises
        ------
        ValueError
            If there are more or fewer features than in the training.
        """
        given, missing = _checked(values, self.features)
        raw = _raw(given, missing, self.kept, np.array(self.median), self.gaps)
        with np.errstate(over="ignore"):
            columns = (raw - np.array(self.mean)) / np.array(self.scale)
        return np.asarray(np.clip(columns, -LARGEST, LARGEST))

    def unforeseen(self, values: ArrayLike) -> dict[str, int]:
        """Count the items that lack a feature which no training item lacked.

        Such a value becomes the median, and the rule has not learnt what its absence means.
        """
        _, missing = _checked(values, self.features)
        found = missing.sum(axis=0)
        return {
            self.features[n]: int(found[n]) for n in self.kept if found[n] and n not in self.missed
        }


def learn_design(values: ArrayLike, features: Sequence[str]) -> Design:
    """Learn from the training items how features become columns.

    A value that is NaN, infinite or beyond 1e150 is missing. Missing values become the median of
    the others, and a column of zeros and ones tells where they were, one for all features that
    the same items lack. A column that is the same in all items, to rounding, is dropped; so is a
    feature that no item has. Columns are centered and divided by their standard deviation.

    Parameters
    ----------
    values : (item, feature) array_like
        In any units.
    features : sequence of str
        Their names.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        If there is no item, or another number of names than of features.

    Examples
    --------
    >>> design = learn_design([[1.0, np.nan, 5.0], [3.0, 2.0, 5.0]], ["piqe", "noise", "flat"])
    >>> design.names, design.dropped
    (('piqe', 'noise missing'), ('noise', 'flat'))
    >>> design.columns([[2.0, 0.0, 0.0]])
    array([[ 0., -1.]])
    """
    given, missing = _checked(values, features)
    if not len(given):
        raise ValueError("a design needs at least one item")
    there = np.asarray(~missing.all(axis=0))
    filled = np.where(missing, np.nan, given)
    median = np.array([np.nanmedian(filled[:, n]) if there[n] else 0.0 for n in range(len(there))])
    whole = np.where(missing, median, given)
    least = np.maximum(ROUNDING * np.abs(whole).max(axis=0), SMALLEST)
    varies = np.ptp(whole, axis=0) > least
    missed = np.flatnonzero(missing.any(axis=0) & there)
    _, first = np.unique(missing[:, missed], axis=1, return_index=True)
    kept, gaps = np.flatnonzero(varies), missed[np.sort(first)]
    raw = _raw(given, missing, kept, median[kept], gaps)
    return Design(
        features=tuple(features),
        kept=tuple(kept.tolist()),
        median=tuple(median[kept].tolist()),
        missed=tuple(missed.tolist()),
        gaps=tuple(gaps.tolist()),
        mean=tuple(raw.mean(axis=0).tolist()),
        scale=tuple(_deviation(raw).tolist()),
    )


def _deviation(columns: Floats) -> Floats:
    """Return each column's standard deviation, also where squares would underflow."""
    _, power = np.frexp(np.ptp(columns, axis=0))
    return np.asarray(np.ldexp(np.ldexp(columns, -power).std(axis=0), power))


def _checked(values: ArrayLike, features: Sequence[str]) -> tuple[Floats, Mask]:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] != len(features):
        raise ValueError(
            f"values must be (item, feature) with {len(features)} features, got {given.shape}"
        )
    return given, ~(np.abs(given) <= LARGEST)


def _raw(given: Floats, missing: Mask, kept: ArrayLike, median: Floats, gaps: ArrayLike) -> Floats:
    own, lacking = np.array(kept, dtype=int), np.array(gaps, dtype=int)
    filled = np.where(missing[:, own], median, given[:, own])
    return np.concatenate([filled, missing[:, lacking].astype(np.float64)], axis=1)
