"""CPU nanoseconds per logit of softmax and its logarithm, beside SciPy's, which is less exact.

    python -m benchmarks.softmax          a million rows of 3, and 200,000 of 10
    python -m benchmarks.softmax --toy    a few rows, seconds

One thread; compiling is not timed; each figure is the best of its runs.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import scipy.special

from benchmarks.piqe import cpu_seconds
from core.softmax import SoftmaxState, log_softmax, softmax

SHAPES = ((1_000_000, 3), (200_000, 10), (20_000, 1000))
TOY = ((50, 3),)
CANDIDATES = {
    "softmax, SciPy": lambda logits: scipy.special.softmax(logits, axis=-1),
    "softmax": softmax,
    "log_softmax, SciPy": lambda logits: scipy.special.log_softmax(logits, axis=-1),
    "log_softmax": log_softmax,
    "state": SoftmaxState.of,
}


def main(shapes: Sequence[tuple[int, int]] = SHAPES, runs: int = 5) -> dict[str, list[float]]:
    """Print the table; return each candidate's nanoseconds per logit, one figure a shape."""
    inputs = [np.random.default_rng(0).normal(0, 3, shape) for shape in shapes]
    figures: dict[str, list[float]] = {}
    for name, function in CANDIDATES.items():
        function(inputs[0][:2])
        figures[name] = [1e9 * cpu_seconds(function, x, runs) / x.size for x in inputs]
        cells = (f"{s} {ns:7.1f} ns" for s, ns in zip(shapes, figures[name], strict=True))
        print(f"{name:20s}", "  ".join(cells))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU ns per logit of softmax")
    parser.add_argument("--toy", action="store_true", help="a few rows, one run")
    main(TOY, 1) if parser.parse_args().toy else main()
