"""Who adds the chunks' sums up: here, in memory; elsewhere a cluster may."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol, TypeVar

from core.logistic._types import Floats
from core.logistic.chunk import Chunk
from core.logistic.statistics import Statistics

Part = TypeVar("Part", bound=tuple[Floats, ...])


class Sums(Protocol):
    """The sums of `Chunk` over a whole data set, wherever its chunks are."""

    def statistics(self) -> Statistics:
        """Return the statistics of all samples."""

    def loss_gradient(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the summed loss and its gradient."""

    def linearise(self, theta: Floats) -> Callable[[Floats], Floats]:
        """Return the function that multiplies the Hessian at theta with a direction."""

    def gram(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the summed loss, its gradient and the blocks of its Hessian."""

    def margins(self, theta: Floats) -> tuple[float, float]:
        """Return the least and the largest lead of a sample's own logit over the others'."""


@dataclass(frozen=True)
class InMemory:
    """Chunks of this process, arrays or memory-mapped files, one after another."""

    chunks: Sequence[Chunk]

    def statistics(self) -> Statistics:
        """Return the statistics of all samples."""
        return reduce(lambda a, b: a + b, (chunk.statistics() for chunk in self.chunks))

    def loss_gradient(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the summed loss and its gradient."""
        return reduce(add, (chunk.loss_gradient(theta) for chunk in self.chunks))

    def linearise(self, theta: Floats) -> Callable[[Floats], Floats]:
        """Return the function that multiplies the Hessian at theta with a direction.

        It keeps the probabilities, a float64 a sample and row.
        """
        kept = [chunk.chances(theta) for chunk in self.chunks]

        def product(direction: Floats) -> Floats:
            parts = zip(self.chunks, kept, strict=True)
            return reduce(add, (chunk.curvature(p, direction) for chunk, p in parts))[0]

        return product

    def gram(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the summed loss, its gradient and the blocks of its Hessian."""
        return reduce(add, (chunk.gram(theta) for chunk in self.chunks))

    def margins(self, theta: Floats) -> tuple[float, float]:
        """Return the least and the largest lead of a sample's own logit over the others'."""
        return reduce(widen, (chunk.margins(theta) for chunk in self.chunks))


def add(a: Part, b: Part) -> Part:
    """Add two tuples of sums, entry by entry."""
    return tuple(x + y for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def widen(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """Return the range that holds both ranges."""
    return min(a[0], b[0]), max(a[1], b[1])
