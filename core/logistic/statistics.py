"""Sums over the data that are known before a fit starts."""

from dataclasses import dataclass

import numpy as np

from core.logistic import _statistics_kernels as kernels
from core.logistic._types import Floats, Integers, Matrix, compressed, is_sparse


@dataclass(frozen=True)
class Statistics:
    """Weights, means and spreads of a set of samples; of two sets together by `+`."""

    samples: int
    """Samples, those of weight 0 among them."""
    class_weight: Floats
    """(class,) summed weights."""
    mean: Floats
    """(feature,) weighted means."""
    spread: Floats
    """(feature,) weighted sums of squared distances from the mean."""
    extent: Floats
    """(feature,) largest absolute values."""

    @property
    def weight(self) -> float:
        """Sum of all weights."""
        return float(self.class_weight.sum())

    @property
    def variance(self) -> Floats:
        """(feature,) weighted variances; what is below the rounding of the mean counts as 0."""
        variance = self.spread / self.weight
        variance[variance <= (1e-14 * self.mean) ** 2] = 0.0
        return variance

    @property
    def distance(self) -> float:
        """Largest distance of a column from 0, in units of its spread."""
        spread = np.sqrt(self.variance)
        return float((np.abs(self.mean) / np.where(spread > 0.0, spread, np.inf)).max(initial=0.0))

    def __add__(self, other: "Statistics") -> "Statistics":
        """Join two sets by the pairwise update of Chan, Golub and LeVeque (1979)."""
        total = self.weight + other.weight
        share = other.weight / total if total > 0.0 else 0.0
        step = other.mean - self.mean
        return Statistics(
            samples=self.samples + other.samples,
            class_weight=self.class_weight + other.class_weight,
            mean=self.mean + share * step,
            spread=self.spread + other.spread + self.weight * share * step**2,
            extent=np.maximum(self.extent, other.extent),
        )


def statistics_of(x: Matrix, codes: Integers, weights: Floats, classes: int) -> Statistics:
    """Return the statistics of (sample, feature) dense or CSR data."""
    samples, features = x.shape
    class_weight = np.bincount(codes, weights, minlength=classes).astype(np.float64)
    total = float(class_weight.sum())
    mean, spread, extent = np.zeros((3, features))
    if total > 0.0 and is_sparse(x):
        kernels.csr_statistics(compressed(x), weights, total, mean, spread, extent)
    elif total > 0.0:
        kernels.dense_statistics(x, weights, total, mean, spread, extent)
    return Statistics(samples, class_weight, mean, spread, extent)
